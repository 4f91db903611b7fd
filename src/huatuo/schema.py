"""Record types as Arrow schemas."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal

import pyarrow as pa

from huatuo.records import Record

_SCALARS: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _arrow_type(annotation: Any) -> pa.DataType:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return pa.string()
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        if len(inner) == 1:
            return _arrow_type(inner[0])
    if origin is tuple:
        return pa.list_(_arrow_type(typing.get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return pa.struct(list(schema_of(annotation)))
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    raise TypeError(f"no Arrow type for {annotation!r}")


def schema_of(record_type: type[Record]) -> pa.Schema:
    """The Arrow schema of a record type: strings, integers, floats, booleans, lists and structs of them."""
    return pa.schema([pa.field(name, _arrow_type(f.annotation)) for name, f in record_type.model_fields.items()])
