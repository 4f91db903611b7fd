"""The losses of held-out pairs before and after training, with intervals, and of every two runs on the same pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from huatuo import store
from huatuo.eval import stats
from huatuo.records import Figure
from huatuo.records_trained import HeldOutLoss

GROUP = "held-out pairs"
"""Name of these figures."""

BEFORE, AFTER, CHANGE, DIFFERENCE = "loss before", "loss after", "loss change", "loss difference"
"""Their metrics, in nats per learned token: of a run's base, of its model, the second less the first, and of every two
runs' models."""

NOT_KEPT = "no interval: the run kept the mean alone"
"""Method of a loss whose pairs are not known one by one."""

Pairs = Mapping[str, HeldOutLoss]
"""The losses of a run by the ids of its pairs."""


def loss_figures(runs: Mapping[str, Path]) -> Iterator[Figure]:
    """The figures of each run that measured them, then of every two whose pairs have the same tokens to learn."""
    kept: dict[str, Pairs] = {}
    for name, folder in runs.items():
        if not (folder / "train" / "manifest.json").exists():
            continue
        kept[name] = {row.pair_id: row for row in store.read(folder / "train", "held_out", HeldOutLoss)}
        if kept[name]:
            own = kept[name].values()
            for metric, sums in {
                BEFORE: [one.before for one in own],
                AFTER: [one.after for one in own],
                CHANGE: [one.after - one.before for one in own],
            }.items():
                yield _per_token(sums, [one.learned_tokens for one in own]).figure(GROUP, name, metric, "")
            continue
        known = store.read_manifest(folder / "train").figures
        before, after = known.get("validation_loss_before"), known.get("validation_loss_after")
        if before is not None and after is not None:
            for metric, value in {BEFORE: before, AFTER: after, CHANGE: after - before}.items():
                yield stats.Estimate(value, None, None, 0, NOT_KEPT).figure(GROUP, name, metric, "")
    for first, second in combinations(kept, 2):
        yield from _between(first, kept[first], second, kept[second])


def _between(first: str, own: Pairs, second: str, other: Pairs) -> Iterator[Figure]:
    """The second run's loss less the first's on the pairs of both; none where these have other tokens to learn."""
    shared = [(own[one], other[one]) for one in own if one in other]
    tokens = [one.learned_tokens for one, _ in shared]
    if shared and tokens == [one.learned_tokens for _, one in shared]:
        gap = _per_token([b.after - a.after for a, b in shared], tokens)
        yield gap.figure(GROUP, f"{second} - {first}", DIFFERENCE, "")


def _per_token(sums: list[float], tokens: list[int]) -> stats.Estimate:
    """The sum of all losses over all tokens, with its interval over pairs.

    A ratio of two sums: its variance is that of the mean of ``loss - ratio * tokens``, divided by the mean number of
    tokens (Cochran 1977, "Sampling Techniques", 6.3).
    """
    losses, counts = np.array(sums, dtype=np.float64), np.array(tokens, dtype=np.float64)
    ratio = float(losses.sum() / counts.sum())
    values = ratio + (losses - ratio * counts) / counts.mean()
    if np.ptp(values) <= 1e-12 * max(1.0, abs(ratio)):
        return stats.Estimate(ratio, None, None, len(sums), "all alike, no interval")
    found = stats.crossed_mean(values.tolist(), [list(map(str, range(len(sums))))], (-math.inf, math.inf))
    return stats.Estimate(ratio, found.low, found.high, found.n, found.method)
