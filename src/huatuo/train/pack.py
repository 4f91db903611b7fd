"""Which samples go into which optimiser step, and how a micro-batch of them is laid out as tensors.

Three layouts. ``bucketed``: samples of like length side by side, padded on the right; a causal model never looks to the
right, so no attention mask is needed. ``packed``: samples one after the other in a single row without padding;
position ids start anew with every sample, by which the sdpa attention of transformers keeps them apart. ``joined``: as
packed, but positions go on counting and samples attend to those before them: HuatuoGPT-II's released code packs so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from huatuo.recipe import TrainSettings

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """One optimiser step."""

    micro_batches: tuple[Integers, ...]
    """Indices (into the order's samples) of each micro-batch; together the step's samples."""

    def samples(self) -> Integers:
        """All sample indices of the step."""
        return np.concatenate(self.micro_batches)


@dataclass(frozen=True)
class Batch:
    """One micro-batch as arrays of shape (rows, columns)."""

    ids: Integers
    """Token ids; 0 where padded."""
    positions: Integers
    """Position of each token in its sample; on padding it goes on counting."""
    targets: Integers
    """Flat indices, row by row, of the positions whose **next** token is learned."""
    labels: Integers
    """That next token, for each of ``targets``."""
    tokens: int
    """Real (non-pad) tokens."""


class Steps(Sequence[Step]):
    """The optimiser steps of a run, each cut into micro-batches when it is asked for."""

    def __init__(self, order: Integers, starts: Integers, lengths: npt.NDArray[np.integer], settings: TrainSettings):
        self.order = order
        """The samples, step after step."""
        self.starts = starts
        """Where in ``order`` each step begins."""
        self._lengths, self._settings = lengths, settings

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, number: int) -> Step: ...

    @overload
    def __getitem__(self, number: slice) -> list[Step]: ...

    def __getitem__(self, number: int | slice) -> Step | list[Step]:
        if isinstance(number, slice):
            return [self[k] for k in range(len(self))[number]]
        cut = _cut_by_length if self._settings.layout == "bucketed" else _pack_rows
        return Step(tuple(cut(self.first(number + 1, number), self._lengths, self._settings.batch_tokens)))

    def until(self, tokens: int) -> int:
        """How many steps it takes to learn so many real tokens; all steps where they hold fewer."""
        sums = np.cumsum(np.add.reduceat(self._lengths[self.order].astype(np.int64), self.starts))
        return min(int(np.searchsorted(sums, tokens)) + 1, len(self))

    def first(self, steps: int, after: int = 0) -> Integers:
        """The samples of the first ``steps`` steps, without those of the first ``after``."""
        if not 0 <= after < len(self):
            raise IndexError(f"step {after} of {len(self)}")
        end = self.starts[steps] if steps < len(self) else len(self.order)
        return self.order[self.starts[after] : end]


REORDERED_SHARE = 0.005
"""Largest window in which samples of several sources are reordered, as a share of them all. See `plan`."""


def plan(lengths: npt.NDArray[np.integer], settings: TrainSettings, seed: int, is_mixed: bool = True) -> Steps:
    """The optimiser steps that learn samples 0 to n - 1, whose lengths in tokens are given, in this order.

    ``packed``, ``joined`` and, with ``settings.step_tokens``, every layout keep the order exactly: a step takes samples
    until the next one would not fit. ``bucketed`` steps of ``settings.batch_samples`` are sorted by length inside
    consecutive windows of ``settings.reorder_window`` samples, cut, and shuffled inside their window, so that a sample
    never leaves it. Every sample is in exactly one step; all steps but the last have ``batch_samples``.

    Where samples come from several sources (``is_mixed``) a window is at most `REORDERED_SHARE` of them all, though at
    least a step. Then reordering moves the number of samples of a source before the end of a step by at most 0.0025 n,
    and by nothing where a window is a step: of m samples taken from a window of w, a source that has c of the w fills
    at least max(0, m + c - w) and at most min(m, c) places, whichever order they have; these two are at most w / 2
    apart, and before the window nothing is changed. Narrower windows leave more padding: 2,600 samples of 20 to 180
    tokens in steps of 16 and micro-batches of 1,024 tokens are 20 % padding (a window is a step), 25,000 are 5 %,
    204,800 and more 0.7 % as with the whole window of 1,024, and so are samples of one source.
    """
    n, size = len(lengths), settings.batch_samples
    order = np.arange(n, dtype=np.int64)
    if settings.step_tokens:
        return Steps(order, _closed(lengths, settings.step_tokens), lengths, settings)
    widest = min(settings.reorder_window, int(REORDERED_SHARE * n)) if is_mixed else settings.reorder_window
    window = max(widest // size, 1) * size
    for start in range(0, n, window) if settings.layout == "bucketed" and window > size else ():
        whole = (min(start + window, n) - start) // size * size
        by_length = start + np.argsort(lengths[start : start + whole], kind="stable")
        # A fixed algorithm with a seed of its own: numpy keeps its stream between versions.
        shuffled = np.argsort(np.random.Generator(np.random.PCG64([seed, start])).random(whole // size))
        order[start : start + whole] = by_length.reshape(-1, size)[shuffled].reshape(-1)
    return Steps(order, np.arange(0, n, size, dtype=np.int64), lengths, settings)


def _closed(lengths: npt.NDArray[np.integer], tokens: int) -> Integers:
    """Where steps of at most so many tokens begin; a longer sample is a step by itself."""
    sums = np.cumsum(lengths, dtype=np.int64)
    starts: list[int] = []
    start = 0
    while start < len(sums):
        starts.append(start)
        before = int(sums[start - 1]) if start else 0
        start = max(int(np.searchsorted(sums, before + tokens, side="right")), start + 1)
    return np.array(starts, dtype=np.int64)


def _cut_by_length(samples: Integers, lengths: npt.NDArray[np.integer], budget: int) -> list[Integers]:
    """Micro-batches of at most ``budget`` tokens, padding counted, longest samples first (ties: by index)."""
    by_length = samples[np.lexsort((samples, -lengths[samples]))]
    parts: list[Integers] = []
    start = 0
    while start < len(by_length):
        rows = max(budget // int(lengths[by_length[start]]), 1)
        parts.append(by_length[start : start + rows])
        start += rows
    return parts


def _pack_rows(samples: Integers, lengths: npt.NDArray[np.integer], budget: int) -> list[Integers]:
    """Rows of at most ``budget`` tokens: each sample goes into the first row that has room."""
    rows: list[list[int]] = []
    room: list[int] = []
    for sample in samples.tolist():
        length = int(lengths[sample])
        for k, free in enumerate(room):
            if length <= free:
                rows[k].append(sample)
                room[k] -= length
                break
        else:
            rows.append([sample])
            room.append(budget - length)
    return [np.array(row, dtype=np.int64) for row in rows]


def lay_out(ids: Sequence[npt.NDArray[np.integer]], learned: Sequence[npt.NDArray[np.integer]], layout: str) -> Batch:
    """The arrays of one micro-batch of samples: ``ids[i]`` and the 0/1 flags ``learned[i]`` of sample i.

    A learned token is predicted from the position before it, so a sample's first token is never a target.
    """
    lengths = np.array([len(sample) for sample in ids], dtype=np.int64)
    if layout != "bucketed":
        columns = int(lengths.sum())
        starts = np.cumsum(lengths) - lengths
        each = [np.arange(k, dtype=np.int64) for k in (lengths if layout == "packed" else [columns])]
        positions = np.concatenate(each)[None]
        flat = np.concatenate(ids).astype(np.int64)[None]
    else:
        columns = int(lengths.max())
        starts = np.arange(len(ids), dtype=np.int64) * columns
        positions = np.broadcast_to(np.arange(columns, dtype=np.int64), (len(ids), columns)).copy()
        flat = np.zeros((len(ids), columns), dtype=np.int64)
        for row, sample in enumerate(ids):
            flat[row, : len(sample)] = sample
    targets = [start + np.flatnonzero(np.asarray(flags)[1:]) for start, flags in zip(starts, learned, strict=True)]
    where = np.concatenate(targets).astype(np.int64)
    return Batch(
        ids=flat, positions=positions, targets=where, labels=flat.reshape(-1)[where + 1], tokens=int(lengths.sum())
    )
