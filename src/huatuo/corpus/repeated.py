"""Texts with an id that another text has too: one keeps it, the others are dropped under an id of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.engines import Here, read_rows, write_rows
from huatuo.files import content_id
from huatuo.store import SHARD_ROWS

REASON = "repeated_id: another text has this id; expected one of its own for each (corpus.sources.id)"

_READ = pa.schema([(name, pa.string()) for name in ("id", "text", "reason")])


def settle(files: Sequence[Path]) -> None:
    """Nothing; of the texts in these files that have one id, that with the smallest hash keeps it, whatever its file
    and place: two texts of one id could not be told apart by any later stage. The others get `REASON`."""
    repeated = Here().group_min(files, "id", "source")
    if not repeated:
        return
    marked: dict[int, dict[int, str]] = defaultdict(dict)
    for name, held in _copies(files, pa.array(repeated, pa.string())).items():
        for nth, (_, file, row) in enumerate(sorted(held)):
            if nth:
                marked[file][row] = content_id("repeated", name, str(nth))
    for file, rows in marked.items():
        _mark(files[file], rows)


def _copies(files: Sequence[Path], ids: pa.StringArray) -> dict[str, list[tuple[str, int, int]]]:
    """Id → hash of the text, number of the file and of the row in it, of the texts that have it."""
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for file, path in enumerate(files):
        before = 0
        for batch in read_rows(path, _READ, SHARD_ROWS):
            is_one = pc.and_(pc.is_in(batch.column("id"), value_set=ids), pc.equal(batch.column("reason"), ""))
            rows = np.flatnonzero(is_one.to_numpy(zero_copy_only=False))
            held = batch.take(pa.array(rows))
            for row, name, text in zip(rows.tolist(), held["id"].to_pylist(), held["text"].to_pylist(), strict=True):
                found[name].append((content_id("text", text), file, before + row))
            before += batch.num_rows
    return found


def _mark(path: Path, rows: Mapping[int, str]) -> None:
    """The file again, with these rows under another id and with the reason."""
    table = pq.read_table(path)
    at = np.zeros(table.num_rows, dtype=bool)
    at[list(rows)] = True
    new = {"id": [rows[row] for row in sorted(rows)], "reason": [REASON] * len(rows)}
    for name, values in new.items():
        column = table.column(name).combine_chunks()
        column = pc.replace_with_mask(column, pa.array(at), pa.array(values, column.type))
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    beside = path.with_suffix(".new")
    write_rows(table, beside)
    beside.replace(path)
