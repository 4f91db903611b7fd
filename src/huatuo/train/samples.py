"""The tokens of a run, memory-mapped, and which sample stands at which place of the training order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from huatuo import store
from huatuo.errors import DataError
from huatuo.train.pack import Batch, Integers, lay_out
from huatuo.train.tokenise import FILE

NOT_TOKENISED = "not tokenised"
"""Rule for a pair of the order that stage tokenise had dropped."""


class Samples:
    """All samples of a token file, without reading it into memory."""

    def __init__(self, tokens: Path):
        path = tokens / FILE
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: not readable ({error}); next: run the stage tokenise again") from None
        self._ids, self._starts, self._chunk = _flat(table.column("ids"))
        self._learned, self._learned_starts, _ = _flat(table.column("learned"))
        self.lengths = table.column("n_tokens").to_numpy().astype(np.int64)
        """Tokens of each sample."""
        self.learned_counts = table.column("n_learned").to_numpy().astype(np.int64)
        """Learned tokens of each sample."""
        self.pair_ids = np.array(table.column("pair_id").to_pylist(), dtype="S32")
        """Pair of each sample."""
        codes = table.column("source").combine_chunks().dictionary_encode()
        self.source_names: list[str] = codes.dictionary.to_pylist()
        """Names of the sources."""
        self.sources = codes.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        """Number of each sample's source."""
        self.validation = np.flatnonzero(np.array(table.column("split").to_pylist()) == "validation")
        """Samples that are never learned."""

    def ids(self, sample: int) -> npt.NDArray[np.int32]:
        """Token ids of a sample."""
        chunk, row = self._chunk[sample]
        starts = self._starts[chunk]
        found: npt.NDArray[np.int32] = self._ids[chunk][starts[row] : starts[row + 1]]
        return found

    def learned(self, sample: int) -> npt.NDArray[np.uint8]:
        """1 where the token of a sample is learned."""
        chunk, row = self._chunk[sample]
        starts = self._learned_starts[chunk]
        found: npt.NDArray[np.uint8] = self._learned[chunk][starts[row] : starts[row + 1]]
        return found

    def batch(self, samples: Integers, layout: str) -> Batch:
        """One micro-batch of samples."""
        numbers = samples.tolist()
        return lay_out([self.ids(i) for i in numbers], [self.learned(i) for i in numbers], layout)


def _flat(column: pa.ChunkedArray) -> tuple[list[npt.NDArray[np.integer]], list[Integers], Integers]:
    """Per chunk its flat values and offsets, and per row (chunk, row in chunk): views into the mapped file."""
    values = [chunk.values.to_numpy() for chunk in column.chunks]
    offsets = [chunk.offsets.to_numpy().astype(np.int64) for chunk in column.chunks]
    places = [
        np.stack([np.full(len(chunk), number, dtype=np.int64), np.arange(len(chunk), dtype=np.int64)], axis=1)
        for number, chunk in enumerate(column.chunks)
    ]
    return values, offsets, np.concatenate(places) if places else np.zeros((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Sequence:
    """The training order as samples."""

    samples: Integers
    """Sample at each place; a pair that was split stands there with all its parts."""
    pair_of: Integers
    """For each place: index into ``pair_ids``."""
    pair_ids: npt.NDArray[np.bytes_]
    """The distinct pairs of the order."""
    missing: list[str]
    """Pairs of the order that have no tokens."""


def in_order(order: Path, samples: Samples) -> Sequence:
    """The samples in the sequence that the data set ``order`` gives."""
    read = [
        np.array(batch.column("pair_id").to_pylist(), dtype="S32")
        for batch in store.read_batches(order, "order", ["pair_id"])
    ]
    wanted = np.concatenate(read) if read else np.zeros(0, dtype="S32")
    pair_ids, pair_of = np.unique(wanted, return_inverse=True)
    by_pair = np.argsort(samples.pair_ids, kind="stable")  # parts of a pair stay in their order
    known = samples.pair_ids[by_pair]
    first = np.searchsorted(known, pair_ids, side="left")
    count = np.searchsorted(known, pair_ids, side="right") - first
    repeats = count[pair_of]
    rank = np.arange(int(repeats.sum()), dtype=np.int64) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    places = by_pair[np.repeat(first[pair_of], repeats) + rank] if len(rank) else np.zeros(0, dtype=np.int64)
    return Sequence(
        samples=places.astype(np.int64),
        pair_of=np.repeat(pair_of, repeats).astype(np.int64),
        pair_ids=pair_ids,
        missing=[i.decode() for i in pair_ids[count == 0]],
    )
