"""Row-aligned functions over Arrow batches: a column is added, no row is removed, and a row never raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def added(batch: pa.RecordBatch, name: str, kind: pa.DataType, values: Sequence[Any]) -> pa.RecordBatch:
    """The batch with one more column, or with that column replaced; ``values`` has one item per row."""
    if len(values) != batch.num_rows:
        raise ValueError(f"column {name!r}: {len(values)} values for {batch.num_rows} rows")
    made = values if isinstance(values, pa.Array) else pa.array(values, type=kind)
    place = batch.schema.get_field_index(name)
    if place < 0:
        return batch.append_column(pa.field(name, kind), made)
    return batch.set_column(place, pa.field(name, kind), made)


def of_column(batch: pa.RecordBatch, name: str) -> list[str]:
    """The texts of a column, an empty one for a null."""
    return [text or "" for text in batch.column(name).to_pylist()]


def reasons(batch: pa.RecordBatch) -> list[str]:
    """The ``reason`` of each row, empty where none has been given."""
    if "reason" not in batch.schema.names:
        return [""] * batch.num_rows
    return [reason or "" for reason in batch.column("reason").to_pylist()]
