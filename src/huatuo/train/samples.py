"""The tokens of a run, memory-mapped, and which sample stands at which place of the training order.

Nothing here holds tokens: a million pairs cost what their numbers cost, some 100 bytes a pair, however long they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.columns import NO_IDS, Ids, ids_of
from huatuo.errors import DataError
from huatuo.train.pack import Batch, Integers, lay_out
from huatuo.train.tokenise import SHARDS

NOT_TOKENISED = "not tokenised"
"""Rule for a pair of the order that stage tokenise had dropped."""


class Samples:
    """All samples of a data set of tokens, without reading it into memory."""

    def __init__(self, tokens: Path):
        batches = list(_mapped(tokens))
        self._ids = [_flat(batch.column("ids")) for batch in batches]
        self._learned = [_flat(batch.column("learned")) for batch in batches]
        self._ends: Integers = np.cumsum([len(batch) for batch in batches], dtype=np.int64)
        self.lengths = _joined(batches, "n_tokens")
        """Tokens of each sample."""
        self.learned_counts = _joined(batches, "n_learned")
        """Learned tokens of each sample."""
        self.parts = _joined(batches, "part")
        """0 for a pair's first sample, 1 for its second and so on: the samples of a pair stand side by side."""
        self.pair_ids: Ids = np.concatenate([ids_of(batch.column("pair_id")) for batch in batches] or [NO_IDS])
        """Pair of each sample."""
        table = pa.Table.from_batches([batch.select(["source", "split"]) for batch in batches])
        codes = table.column("source").combine_chunks().dictionary_encode()
        self.source_names: list[str] = codes.dictionary.to_pylist()
        """Names of the sources."""
        self.sources: npt.NDArray[np.integer] = codes.indices.to_numpy(zero_copy_only=False)
        """Number of each sample's source."""
        held_out = pc.equal(table.column("split"), "validation").combine_chunks()
        self.validation = np.flatnonzero(held_out.to_numpy(zero_copy_only=False))
        """Samples that are never learned."""

    def ids(self, sample: int) -> npt.NDArray[np.integer]:
        """Token ids of a sample."""
        return self._cut(self._ids, sample)

    def learned(self, sample: int) -> npt.NDArray[np.integer]:
        """1 where the token of a sample is learned."""
        return self._cut(self._learned, sample)

    def _cut(self, flat: list[Flat], sample: int) -> npt.NDArray[np.integer]:
        chunk = int(np.searchsorted(self._ends, sample, side="right"))
        values, offsets = flat[chunk]
        row = sample - (int(self._ends[chunk - 1]) if chunk else 0)
        return values[offsets[row] : offsets[row + 1]]

    def batch(self, samples: Integers, layout: str) -> Batch:
        """One micro-batch of samples."""
        numbers = samples.tolist()
        return lay_out([self.ids(i) for i in numbers], [self.learned(i) for i in numbers], layout)


Flat = tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]
"""The values of all rows one after the other, and where each row begins: views into the mapped file."""


def _mapped(tokens: Path) -> Iterator[pa.RecordBatch]:
    """The batches of all token files. Raises DataError where there is none or one cannot be read."""
    paths = sorted(tokens.glob(SHARDS))
    if not paths:
        raise DataError(f"{tokens}: no token file ({SHARDS}); next: run the stage tokenise")
    for path in paths:
        try:
            file = pa.ipc.open_file(pa.memory_map(str(path)))
            for number in range(file.num_record_batches):
                yield file.get_batch(number)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: not readable ({error}); next: run the stage tokenise again") from None


def _flat(column: pa.ListArray) -> Flat:
    return column.values.to_numpy(), column.offsets.to_numpy()


def _joined(batches: list[pa.RecordBatch], name: str) -> Integers:
    return np.concatenate([batch.column(name).to_numpy() for batch in batches] or [[]]).astype(np.int64)


@dataclass(frozen=True)
class Sequence:
    """The training order as samples."""

    samples: Integers
    """Sample at each place; a pair that was split stands there with all its parts."""
    pairs: int
    """Distinct pairs of the order."""
    missing: Ids
    """Those that have no tokens."""


def in_order(order: Path, samples: Samples) -> Sequence:
    """The samples in the sequence that the data set ``order`` gives. Raises DataError where a pair has tokens twice."""
    firsts = np.flatnonzero(samples.parts == 0)
    counts = np.diff(np.append(firsts, len(samples.parts)))
    by_id = firsts[np.argsort(samples.pair_ids[firsts], kind="stable")]
    counts = counts[np.searchsorted(firsts, by_id)]
    known = samples.pair_ids[by_id]
    if (known[1:] == known[:-1]).any():
        twice = known[1:][known[1:] == known[:-1]][0].decode()
        raise DataError(f"{order}: pair {twice} has tokens twice; next: run the stage tokenise again")
    seen = np.zeros(len(known), dtype=np.bool_)
    places: list[Integers] = []
    missing: list[Ids] = []
    for batch in store.read_batches(order, "order", ["pair_id"]):
        wanted = ids_of(batch.column("pair_id"))
        at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        there = known[at] == wanted if len(known) else np.zeros(len(wanted), dtype=np.bool_)
        missing.append(wanted[~there])
        at = at[there]
        seen[at] = True
        places.append(_with_parts(by_id[at], counts[at]))
    lost = np.unique(np.concatenate(missing or [NO_IDS]))
    return Sequence(np.concatenate(places or [np.zeros(0, dtype=np.int64)]), int(seen.sum()) + len(lost), lost)


def _with_parts(firsts: Integers, counts: Integers) -> Integers:
    """Each pair's first sample and the ``counts - 1`` after it."""
    starts = np.cumsum(counts) - counts
    return np.repeat(firsts - starts, counts) + np.arange(int(counts.sum()), dtype=np.int64)
