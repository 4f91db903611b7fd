"""The vectors of earlier corpora, in the folder of their band table: texts of nearly the same words across corpora.

Vectors of two indexes cannot be compared, so the index (frequencies and centres) of the first corpus is stored and made
the index of all that follow: a file named by its digest, and for each corpus one of id, cluster and vector, sorted by
cluster and then in the corpus's total order. A text's own neighbours are always earlier ones, and nothing that is
stored is ever changed: what is added later changes no decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.rows import added, reasons
from huatuo.corpus.semantic import (
    LEXICAL,
    MODEL,
    SLOT_BITS,
    WIDTH,
    Index,
    Vectors,
    embed_of,
    load,
    vector_batch,
)  # fmt: skip
from huatuo.errors import DataError
from huatuo.text.joined import Places

NUMBERS = "numbers of -127 to 127, of as many tokens as the model takes"
"""What vectors of a model are made of besides it."""

SETTINGS = f"{WIDTH} numbers of -127 to 127, {SLOT_BITS} bits of hash"
"""What vectors are made of besides the index: raised with `LEXICAL` whenever one text would get another vector."""

SCHEMA = pa.schema([("id", pa.string()), ("cluster", pa.int64()), ("vector", pa.binary()), ("place", pa.int64())])
"""Columns of a corpus's vectors; ``place``: of the text among those of its corpus in the band table, null for one that
is too short to have bands."""

GROUP_ROWS = 25_000
"""Vectors per row group, the least that is read: 6.4 MB."""

LATER = ("semantic_duplicate", "contaminated")
"""Rules that are asked after the vectors have been made: texts dropped by them are in the table too, as otherwise a
neighbour of theirs would pass later."""


@dataclass(frozen=True)
class Meaning:
    """What a corpus adds to the table."""

    index: Index
    """What its vectors were made with."""
    rows: pa.Table
    """Its vectors: `SCHEMA` and, where sources differ in it, ``priority``."""

    def write(self, path: Path, ids: pa.StringArray) -> int:
        """How many vectors were written to a file, at once or not at all. ``ids``: of the corpus's texts in the band
        table, in their order."""
        valid = self.rows.filter(pc.is_valid(self.rows["vector"]))
        keys = [(name, "ascending") for name in ("cluster", "priority", "id") if name in valid.schema.names]
        valid = valid.take(pc.sort_indices(valid, sort_keys=keys))
        valid = valid.append_column("place", pc.index_in(valid["id"], value_set=ids).cast(pa.int64()))
        made = valid.select(SCHEMA.names).cast(SCHEMA)
        beside = path.with_name(f".{path.name}.new")
        pq.write_table(made, beside, compression="zstd", row_group_size=GROUP_ROWS)
        beside.replace(path)
        return int(made.num_rows)


def entry_of(index: Index) -> dict[str, str]:
    """What the manifest says of an index: its kind, settings, digest and file."""
    digest = index.digest()
    settings = SETTINGS if index.kind == LEXICAL else NUMBERS
    return {"kind": index.kind, "settings": settings, "digest": digest, "index": f"meaning-{digest}.npz"}


class VectorTable:
    """The vectors of earlier corpora, and the index that they were made with."""

    def __init__(
        self,
        folder: Path,
        entry: Mapping[str, Any],
        files: Mapping[Path, int],
        read: Callable[[Places], Sequence[str]],
    ) -> None:
        """Open the files of a folder, each with the place of its corpus's first text in the band table, whose manifest
        says ``entry`` of the index; ``read`` gives the texts at ascending places there.

        Raises DataError where the vectors are of another kind or other settings, or the index is not the one named.
        """
        found = entry.get("kind"), entry.get("settings")
        of_model = str(found[0]).startswith(MODEL)
        if found != ((found[0], NUMBERS) if of_model else (LEXICAL, SETTINGS)):
            raise DataError(
                f"{folder}: vectors of {found[0]!r} ({found[1]}), expected {LEXICAL!r} ({SETTINGS}): they cannot be "
                "compared; next: use the version that wrote them, or make the table anew in another folder"
            )
        path = folder / str(entry.get("index"))
        self.index = load(path)
        if self.index.digest() != entry.get("digest"):
            raise DataError(f"{path}: not the index that the manifest names; next: restore it from a copy")
        self._files = [pq.ParquetFile(file) for file in files]
        self._first, self._texts = list(files.values()), read
        self._read: list[tuple[int, pa.Table]] = [(-1, SCHEMA.empty_table())] * len(files)

    def cluster(self, number: int) -> tuple[list[str], Vectors]:
        """Ids and vectors of a cluster's texts, in their order; clusters are best asked for in ascending order."""
        rows = self._rows(number)
        joined = np.frombuffer(b"".join(rows["vector"].to_pylist()), dtype=np.int8)
        return rows["id"].to_pylist(), joined.reshape(len(rows), self.index.centres.shape[1])

    def texts(self, number: int, places: Places) -> list[str]:
        """The texts at these places of a cluster; of those without bands the empty one."""
        wanted = pc.fill_null(self._rows(number)["place"], -1).to_numpy()[places]
        there, where = np.unique(wanted[wanted >= 0], return_inverse=True)
        texts = iter(np.array(self._texts(there), dtype=object)[where].tolist() if len(there) else [])
        return [next(texts) if place >= 0 else "" for place in wanted.tolist()]

    def _rows(self, number: int) -> pa.Table:
        """The rows of a cluster, each with its place in the whole band table."""
        found = [SCHEMA.empty_table()]
        for place, file in enumerate(self._files):
            for group in range(file.num_row_groups):
                bounds = file.metadata.row_group(group).column(1).statistics
                if bounds.min <= number <= bounds.max:
                    rows = self._group(place, group)
                    rows = rows.filter(pc.equal(rows["cluster"], number))
                    column = pc.add(rows["place"], self._first[place])
                    found.append(rows.set_column(SCHEMA.get_field_index("place"), SCHEMA.field("place"), column))
        return pa.concat_tables(found)

    def _group(self, place: int, group: int) -> pa.Table:
        if self._read[place][0] != group:
            self._read[place] = (group, self._files[place].read_row_group(group))
        return self._read[place][1]


@dataclass(frozen=True)
class Remembered:
    """Judged passages as vectors for the table: id, reason, ``normal`` and origin → id, priority, vector, cluster."""

    index: Index
    """What vectors are made with."""
    priorities: Mapping[str, int]
    """Source → its priority."""
    model: Path | None = None
    """See `huatuo.corpus.passes.Vectors`."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Remembered`."""
        why = ["" if reason.partition(":")[0] in LATER else reason for reason in reasons(batch)]
        sources = batch.column("origin").field("source").to_pylist()
        made = added(batch, "reason", pa.string(), why)
        made = added(made, "priority", pa.int64(), [self.priorities.get(source, 0) for source in sources])
        return vector_batch(made, self.index, embed_of(self.model)).select(["id", "priority", "vector", "cluster"])
