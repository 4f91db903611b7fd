"""The passages among which near-duplicates are looked for, on disk: in memory are their bands and ids alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.engines import read_rows
from huatuo.corpus.near import BANDS_TYPE, Names, Rows
from huatuo.corpus.rows import shares
from huatuo.store import SHARD_ROWS
from huatuo.text.grams import Hashes
from huatuo.text.joined import Places
from huatuo.text.minhash import BANDS

_READ = pa.schema([*((name, pa.string()) for name in ("id", "normal", "reason", "key", "rank")), ("bands", BANDS_TYPE)])


@contextmanager
def near_rows(files: Sequence[Path], survivors: Mapping[str, str], folder: Path) -> Iterator[Rows]:
    """The rows of judged passages that have bands and are no duplicate of another, in the order of their ranks.

    Their texts lie in a file in ``folder`` for the length of the block, and are read when they are compared. 160 bytes
    of bands, 40 of the id, 8 of the place and 8 of where its text begins stay in memory per row.
    """
    path = folder / "near.txt"
    try:
        with path.open("wb") as out:
            rank, bands, begins = _written(files, survivors, out)
        order = pc.sort_indices(rank).to_numpy()
        for band in bands:  # one after the other: a second copy of all would be most of the memory
            band[:] = band[order]
        ids = Names(pc.utf8_slice_codeunits(rank.take(pa.array(order)), 4))
        with path.open("rb") as file:
            yield Rows(ids, bands.T, lambda places: texts_at(file, begins, order[places]))
    finally:
        path.unlink(missing_ok=True)


def _written(
    files: Sequence[Path], survivors: Mapping[str, str], out: IO[bytes]
) -> tuple[pa.LargeStringArray, Hashes, Places]:
    """Ranks and bands (`BANDS`, rows) of the rows that are kept, whose texts are written; where each begins, with the
    end."""
    ranks, begins, count = [pa.array([], pa.large_string())], [np.zeros(1, dtype=np.int64)], 0
    bands = np.empty((BANDS, sum(pq.read_metadata(file).num_rows for file in files)), dtype=np.uint64)
    held = pa.array(survivors, pa.string())
    for batch in (batch for file in files for batch in read_rows(file, _READ, SHARD_ROWS)):
        kept = _open(batch, survivors, held)
        ranks.append(kept.column("rank").cast(pa.large_string()))  # 60 million of them are over 2 GiB
        bands[:, count : count + kept.num_rows] = kept.column("bands").flatten().to_numpy().reshape(-1, BANDS).T
        count += kept.num_rows
        texts = kept.column("normal").cast(pa.large_binary())
        sizes = pc.binary_length(texts).to_numpy()
        begins.append(begins[-1][-1] + np.cumsum(sizes))
        for start, end in shares(sizes):
            out.write(b"".join(texts[start:end].to_pylist()))
    return pa.concat_arrays(ranks), bands[:, :count], np.concatenate(begins)


def texts_at(file: IO[bytes], begins: Places, numbers: Places) -> list[str]:
    """The texts of these numbers in a file, read in the order in which they lie there; ``begins``: where each begins,
    with the end."""
    found = [""] * len(numbers)
    order = np.argsort(numbers, kind="stable")
    first, last = begins[numbers[order]].tolist(), begins[numbers[order] + 1].tolist()
    for place, begin, end in zip(order.tolist(), first, last, strict=True):
        file.seek(begin)
        found[place] = file.read(end - begin).decode("utf-8")
    return found


def _open(batch: pa.RecordBatch, survivors: Mapping[str, str], held: pa.StringArray) -> pa.RecordBatch:
    """The rows that have bands and are no duplicate; ``held``: the keys that several passages hold."""
    usable = pc.and_(pc.equal(batch.column("reason"), ""), pc.is_valid(batch.column("bands")))
    rows = pa.array(np.flatnonzero(pc.is_in(batch.column("key"), value_set=held).to_numpy(zero_copy_only=False)))
    ids, keys = (batch.column(name).take(rows).to_pylist() for name in ("id", "key"))
    first = np.ones(batch.num_rows, dtype=bool)
    first[rows] = [survivors[key] == row for row, key in zip(ids, keys, strict=True)]
    return batch.filter(pc.and_(usable, pa.array(first)))
