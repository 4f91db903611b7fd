"""Row-aligned functions over Arrow batches: a column is added, no row is removed, and a row never raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from huatuo.files import hashed, with_lengths

CHUNK = 500
"""Texts worked on at once: more leave the processor's cache (20,000 take four times the time of 500)."""

CHUNK_BYTES = 4 << 20
"""Bytes of their text from which no further one is added to them: long texts need memory."""


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


def id_column(head: Sequence[str], *columns: pa.StringArray) -> pa.StringArray:
    """`huatuo.files.content_ids` of columns without a null."""
    parts = [pa.scalar(with_lengths(head))]
    for column in columns:
        data = column.cast(pa.binary())
        parts += [_big_endian(pc.binary_length(data).to_numpy()), data]
    rows = pc.binary_join_element_wise(*parts, pa.scalar(b""))
    return pa.array(hashed(rows.to_pylist()), pa.string())


def _big_endian(numbers: npt.NDArray[np.int32]) -> pa.BinaryArray:
    """Each number as its 8 bytes, the largest first."""
    edges = np.arange(0, 8 * len(numbers) + 1, 8, dtype=np.int32)
    data = numbers.astype(">u8").tobytes()
    return pa.Array.from_buffers(pa.binary(), len(numbers), [None, pa.py_buffer(edges), pa.py_buffer(data)])


# ---------------------------------------------------------------- some rows at a time


def shares(sizes: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """(first row, one past the last) of parts with about `CHUNK` rows each, fewer where their texts, of these bytes,
    come to `CHUNK_BYTES`. The parts are of one length where they can be: a rest of a few rows would cost like many."""
    count, before = len(sizes), np.cumsum(sizes)
    step = -(-count // max(1, round(count / CHUNK)))
    start = 0
    while start < count:
        read = before[start - 1] if start else 0
        most = start - start % max(step, 1) + step
        end = min(most, max(start + 1, int(np.searchsorted(before, read + CHUNK_BYTES))), count)
        yield start, end
        start = end


def parts(batch: pa.RecordBatch, text: str) -> Iterator[pa.RecordBatch]:
    """The rows of a batch, as `shares` says of the column ``text``; all at once where that is empty."""
    if not text:
        yield batch
        return
    sizes = pc.fill_null(pc.binary_length(batch.column(text)), 0).to_numpy(zero_copy_only=False)
    yield from (batch.slice(start, end - start) for start, end in shares(sizes.astype(np.int64)))


def in_parts(
    batch: pa.RecordBatch, stage: Callable[[pa.RecordBatch], pa.RecordBatch], text: str = "normal"
) -> pa.RecordBatch:
    """What the stage makes of a batch, some rows at a time."""
    made = [stage(part) for part in parts(batch, text)] or [stage(batch)]
    return pa.concat_batches(made) if len(made) > 1 else made[0]
