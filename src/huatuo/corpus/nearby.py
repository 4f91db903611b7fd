"""The passages among which near-duplicates are looked for, on disk: in memory are their bands and ids alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.engines import read_rows
from huatuo.corpus.near import BANDS_TYPE, Names, Rows
from huatuo.store import SHARD_ROWS
from huatuo.text.grams import Hashes, Places
from huatuo.text.minhash import BANDS

_READ = pa.schema([*((name, pa.string()) for name in ("id", "normal", "reason", "key", "rank")), ("bands", BANDS_TYPE)])

_BLOCK_ROWS = 250
"""Texts that are read from the disk together."""


@contextmanager
def near_rows(files: Sequence[Path], survivors: Mapping[str, str], folder: Path) -> Iterator[Rows]:
    """The rows of judged passages that have bands and are no duplicate of another, in the order of their ranks.

    Their texts lie in an Arrow file in ``folder`` for the length of the block, and are read when they are compared.
    160 bytes of bands, 36 of the id and 8 of the place per row stay in memory.
    """
    path = folder / "near.arrow"
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("normal", pa.string())])) as writer:
            rank, bands = _written(files, survivors, writer)
        order = pc.sort_indices(rank).to_numpy()
        for band in bands:  # one after the other: a second copy of all would be most of the memory
            band[:] = band[order]
        ids = Names(pc.utf8_slice_codeunits(rank.take(pa.array(order)), 4))
        with pa.OSFile(str(path)) as file:
            blocks = pa.ipc.open_file(file)
            yield Rows(ids, bands.T, lambda places: _texts(blocks, order[places]))
    finally:
        path.unlink(missing_ok=True)


def _written(
    files: Sequence[Path], survivors: Mapping[str, str], writer: pa.RecordBatchWriter
) -> tuple[pa.StringArray, Hashes]:
    """Ranks and bands (`BANDS`, rows) of the rows that are kept, whose texts are written."""
    ranks, count = [pa.array([], pa.string())], 0
    bands = np.empty((BANDS, sum(pq.read_metadata(file).num_rows for file in files)), dtype=np.uint64)
    waiting: list[pa.RecordBatch] = []
    for batch in (batch for file in files for batch in read_rows(file, _READ, SHARD_ROWS)):
        kept = _open(batch, survivors)
        ranks.append(kept.column("rank"))
        bands[:, count : count + kept.num_rows] = kept.column("bands").flatten().to_numpy().reshape(-1, BANDS).T
        count += kept.num_rows
        waiting = _whole_blocks(writer, [*waiting, kept.select(["normal"])])
    if waiting:
        writer.write_batch(pa.concat_batches(waiting))
    return pa.concat_arrays(ranks), bands[:, :count]


def _whole_blocks(writer: pa.RecordBatchWriter, waiting: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """What is left of the rows once blocks of `_BLOCK_ROWS` are written: a text is found by its number."""
    rows = pa.concat_batches(waiting)
    end = rows.num_rows - rows.num_rows % _BLOCK_ROWS
    for start in range(0, end, _BLOCK_ROWS):
        writer.write_batch(rows.slice(start, _BLOCK_ROWS))
    return [rows.slice(end)] if end < rows.num_rows else []


def _texts(blocks: pa.RecordBatchFileReader, places: Places) -> list[str]:
    """The texts of these numbers, each block of them read once."""
    found: list[str] = [""] * len(places)
    order = np.argsort(places, kind="stable")
    number, within = np.divmod(places[order], _BLOCK_ROWS)
    edges = np.flatnonzero(np.diff(number, prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        texts = blocks.get_batch(int(number[start])).column(0).take(pa.array(within[start:end])).to_pylist()
        for place, text in zip(order[start:end].tolist(), texts, strict=True):
            found[place] = text
    return found


def _open(batch: pa.RecordBatch, survivors: Mapping[str, str]) -> pa.RecordBatch:
    ids, keys = batch.column("id").to_pylist(), batch.column("key").to_pylist()
    first = pa.array([survivors.get(key, row) == row for row, key in zip(ids, keys, strict=True)], pa.bool_())
    usable = pc.and_(pc.equal(batch.column("reason"), ""), pc.is_valid(batch.column("bands")))
    return batch.filter(pc.and_(usable, first))
