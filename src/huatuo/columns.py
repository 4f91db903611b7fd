"""Tables of millions of rows: written from Arrow columns, with the digest that the same rows have as records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.errors import ConservationError, DataError
from huatuo.files import VOLATILE_FIELDS, canonical_json, hash_file
from huatuo.manifest import FileEntry, TableEntry
from huatuo.records import Dropped, Record
from huatuo.schema import schema_of
from huatuo.store import SHARD_ROWS, Writer


class Columns:
    """One table of a data set that is written from Arrow tables; finished shards are on disk at once."""

    def __init__(self, out: Writer, table: str, record_type: type[Record]):
        self._out, self._table, self._schema = out, table, schema_of(record_type)
        self._shards = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows, whose columns are the fields of the record type in any order."""
        rows = rows.select(self._schema.names).cast(self._schema)
        for start in range(0, len(rows), SHARD_ROWS):
            shard = rows.slice(start, SHARD_ROWS)
            path = self._out.folder / f"{self._table}-columns-{self._shards:05d}.parquet"
            pq.write_table(
                shard, path, compression="zstd", compression_level=3, use_dictionary=False, row_group_size=SHARD_ROWS
            )
            size = path.stat().st_size
            entry = FileEntry(name=path.name, rows=len(shard), bytes=size, sha256=hash_file(path))
            found = TableEntry(rows=len(shard), digest=digest(shard), files=(entry,))
            self._out.take({self._table: found}, 0, {}, {})
            self._shards += 1


def digest(rows: pa.Table) -> str:
    """What `huatuo.files.RowDigest` gives for the rows of a table: each as JSON with sorted keys, hashed, added up."""
    parts: list[pa.ChunkedArray | str] = []
    for number, name in enumerate(sorted(name for name in rows.column_names if name not in VOLATILE_FIELDS)):
        parts += [f"{',' if number else '{'}{json.dumps(name, ensure_ascii=False)}:", _as_json(rows.column(name))]
    lines = pc.binary_join_element_wise(*parts, "}", "")
    added = sum(int.from_bytes(hashlib.sha256(line.encode()).digest()) for line in lines.to_pylist())
    return f"{added % 2**256:064x}"


def _as_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value as canonical JSON; a value that stands in many rows is written once."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if pa.types.is_nested(column.type):
        return pa.chunked_array([pa.array([canonical_json(value) for value in column.to_pylist()], pa.string())])
    coded = column.combine_chunks().dictionary_encode()
    said = pa.array([canonical_json(value) for value in coded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([said.take(coded.indices).fill_null("null")])


# ---------------------------------------------------------------- ids

ID_BYTES = 32
"""Hexadecimal digits of an id (`huatuo.files.content_id`)."""

Ids = npt.NDArray[np.bytes_]
"""Ids as bytes of `ID_BYTES`."""

NO_IDS: Ids = np.zeros(0, dtype=f"S{ID_BYTES}")


def ids_of(column: pa.StringArray) -> Ids:
    """The ids of a column, a view of its memory. Raises DataError where one has another length."""
    wrong = column.filter(pc.fill_null(pc.not_equal(pc.binary_length(column), ID_BYTES), True))
    if len(wrong):
        raise DataError(
            f"id {wrong[0].as_py()!r}: expected {ID_BYTES} hexadecimal digits; "
            "next: make the pairs with `huatuo run` (stage unify), which gives them such ids"
        )
    if not len(column):
        return NO_IDS
    _, offsets, data = column.buffers()
    start = int(np.frombuffer(offsets, dtype=np.int32)[column.offset])
    return np.frombuffer(data, dtype=NO_IDS.dtype, count=len(column), offset=start)


def column_of(ids: Ids) -> pa.StringArray:
    """The ids as a column of strings."""
    data = np.ascontiguousarray(ids, dtype=NO_IDS.dtype)
    offsets = np.arange(len(data) + 1, dtype=np.int32) * ID_BYTES
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(offsets), pa.py_buffer(data))


# ---------------------------------------------------------------- the account


class Left:
    """Records that a stage leaves for later in their thousands, with one reason each."""

    def __init__(self, out: Writer):
        self._out, self._columns = out, Columns(out, "dropped", Dropped)

    def leave(self, ids: Ids, rule: str, reason: str) -> None:
        """Leave the records with these ids."""
        said = {
            "stage": self._out.stage,
            "outcome": "left",
            "rule": rule,
            "reason": reason,
            "witness": "",
            "excerpt": "",
        }
        for start in range(0, len(ids), SHARD_ROWS):
            some = column_of(ids[start : start + SHARD_ROWS])
            columns = {name: pa.repeat(value, len(some)) for name, value in said.items()}
            none = pa.ListArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), len(some) + 1), pa.array([], pa.string())
            )
            self._columns.write(pa.table({"record_id": some, **columns, "parents": none}))
        if len(ids):
            self._out.take({}, 0, {}, {rule: len(ids)})


def settle(out: Writer, read: int, used: int, ended: Mapping[str, int]) -> None:
    """Nothing; the account of a stage that counts its inputs instead of naming them: ``used`` of those ``read`` stand
    in an output, the others were dropped or left by rule. Raises ConservationError where they do not add up."""
    if used + sum(ended.values()) != read:
        raise ConservationError(
            f"stage {out.stage}: {read:,} input records, but {used:,} used and {sum(ended.values()):,} dropped or "
            "left; this is a defect of the stage, please report it"
        )
    out.take({}, used, {}, {})
