"""The passages among which near-duplicates are looked for, on disk: in memory are their bands and ids alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huatuo.corpus.engines import read_rows
from huatuo.corpus.near import BANDS_TYPE, Rows
from huatuo.store import SHARD_ROWS
from huatuo.text.minhash import BANDS

_READ = pa.schema([*((name, pa.string()) for name in ("id", "normal", "reason", "key", "rank")), ("bands", BANDS_TYPE)])
_MAPPED_ROWS = 1_000


@contextmanager
def near_rows(files: Sequence[Path], survivors: Mapping[str, str], folder: Path) -> Iterator[Rows]:
    """The rows of judged passages that have bands and are no duplicate of another, in the order of their ranks.

    Their texts lie in an Arrow file in ``folder`` for the length of the block, mapped into memory: a text that is
    compared costs a page of it, the others nothing. 160 bytes of bands and 70 of id and rank per row stay in memory.
    """
    path = folder / "near.arrow"
    ranks, bands = [], []
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("normal", pa.string())])) as writer:
            for batch in (batch for file in files for batch in read_rows(file, _READ, SHARD_ROWS)):
                kept = _open(batch, survivors)
                ranks.append(kept.column("rank"))
                bands.append(kept.column("bands").flatten().to_numpy().reshape(-1, BANDS))
                writer.write_table(pa.Table.from_batches([kept.select(["normal"])]), max_chunksize=_MAPPED_ROWS)
        rank = pa.concat_arrays([*ranks, pa.array([], pa.string())])
        order = pc.sort_indices(rank).to_numpy()
        own = np.concatenate([*bands, np.zeros((0, BANDS), dtype=np.uint64)])[order]
        ids = pc.utf8_slice_codeunits(rank.take(pa.array(order)), 4).to_pylist()
        with pa.memory_map(str(path)) as mapped:
            texts = pa.ipc.open_file(mapped).read_all()["normal"]
            yield Rows(ids, own, lambda places: texts.take(pa.array(order[places])).to_pylist())
    finally:
        path.unlink(missing_ok=True)


def _open(batch: pa.RecordBatch, survivors: Mapping[str, str]) -> pa.RecordBatch:
    ids, keys = batch.column("id").to_pylist(), batch.column("key").to_pylist()
    first = pa.array([survivors.get(key, row) == row for row, key in zip(ids, keys, strict=True)], pa.bool_())
    usable = pc.and_(pc.equal(batch.column("reason"), ""), pc.is_valid(batch.column("bands")))
    return batch.filter(pc.and_(usable, first))
