"""Passages judged against earlier corpora, whose band table is kept beside the runs and grows with each of them.

The corpora count in the order in which they were added, all before this one: what is kept is what one run over all of
them would keep, each with a larger priority than the one before. A run finds its own corpus in the table by the digest
of its passages, and reads the table as it was before: so the same command gives the same rows again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from huatuo.corpus.band_table import KEYS, BandTable
from huatuo.corpus.engines import read_rows
from huatuo.corpus.nearby import near_rows
from huatuo.corpus.vector_table import Meaning
from huatuo.store import SHARD_ROWS

_READ = pa.schema([(name, pa.string()) for name in ("id", "reason", "key")])


def exact(table: BandTable, files: Sequence[Path]) -> dict[str, str]:
    """Key → id in the table, of the passages that the table has word for word.

    Raises DataError where a passage itself, by its id, is in the table.
    """
    own = pa.Table.from_batches([batch.select(KEYS.names) for batch in _open(files)], KEYS).combine_chunks()
    table.refuse_known(own["id"])
    return table.exact(own["key"])


def add(
    table: BandTable,
    files: Sequence[Path],
    survivors: Mapping[str, str],
    corpus: str,
    folder: Path,
    meaning: Meaning | None = None,
) -> None:
    """Nothing; the passages that are no exact duplicate of another are added to the table, with their vectors where
    the run has made such.

    ``survivors``: of this run and of the table, ``corpus``: digest of the passages, ``folder``: for what is in between.
    Raises as `BandTable.append`.
    """
    keys = (_first(batch, survivors) for batch in _open(files))
    with TemporaryDirectory(dir=folder, prefix=".near-") as name, near_rows(files, survivors, Path(name)) as rows:
        table.append(rows, keys, corpus, meaning)


def _open(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The passages without a reason."""
    for path in files:
        for batch in read_rows(path, _READ, SHARD_ROWS):
            yield batch.filter(pc.equal(batch.column("reason"), ""))


def _first(batch: pa.RecordBatch, survivors: Mapping[str, str]) -> pa.RecordBatch:
    """Key and id of the passages that survive."""
    pairs = zip(batch.column("key").to_pylist(), batch.column("id").to_pylist(), strict=True)
    kept = batch.filter(pa.array([survivors.get(key, row) == row for key, row in pairs], pa.bool_()))
    return kept.select(KEYS.names)
