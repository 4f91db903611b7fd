"""Passages that no rule has dropped yet, and texts that wait on disk until they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from huatuo.corpus.engines import read_rows
from huatuo.corpus.near import Neighbour
from huatuo.corpus.nearby import texts_at
from huatuo.corpus.passes import SEGMENT
from huatuo.store import SHARD_ROWS

RANKED = pa.schema([SEGMENT.field(name) for name in ("id", "normal", "reason", "key", "rank")])
"""Columns of a judged passage that tell whether it is dropped."""


@dataclass(frozen=True)
class Undecided:
    """Judged passages, and what has been found of them."""

    files: list[Path]
    """Their files (`huatuo.corpus.passes.SEGMENT`)."""
    survivors: Mapping[str, str]
    """See `huatuo.corpus.passes.Verdict`."""
    near: Mapping[str, Neighbour]
    """See there."""

    def rest(self) -> Iterator[tuple[str, str]]:
        """(id, text) of the passages that no rule has dropped yet."""
        for batch in (batch for path in self.files for batch in read_rows(path, RANKED, SHARD_ROWS)):
            columns = (batch.column(name).to_pylist() for name in ("id", "normal", "reason", "key"))
            for row, text, reason, key in zip(*columns, strict=True):
                if not reason and self.survivors.get(key, row) == row and row not in self.near:
                    yield row, text


@contextmanager
def texts_aside(rows: Iterable[tuple[str, str]], path: Path) -> Iterator[Callable[[Sequence[str]], list[str]]]:
    """A function from ids to their texts, for the length of the block; ``rows`` of (id, text) lie in a file meanwhile.

    32 bytes of the id and 16 of the places stay in memory per row. The function raises KeyError for another id.
    """
    try:
        names, begins = [], [0]
        with path.open("wb") as out:
            for name, text in rows:
                names.append(name)
                begins.append(begins[-1] + out.write(text.encode()))
        known, starts = np.array(names, dtype=np.bytes_), np.array(begins, dtype=np.int64)
        del names, begins
        order = np.argsort(known)
        known = known[order]
        with path.open("rb") as file:

            def read(ids: Sequence[str]) -> list[str]:
                numbers = []
                for name in ids:
                    at = int(np.searchsorted(known, name.encode()))
                    if at == len(known) or known[at] != name.encode():
                        raise KeyError(name)
                    numbers.append(int(order[at]))
                return texts_at(file, starts, np.array(numbers, dtype=np.int64))

            yield read
    finally:
        path.unlink(missing_ok=True)
