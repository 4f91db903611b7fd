"""Intervals and comparisons. All intervals are at 95 %; resampling is a pure function of the seed; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Verdict = Literal["above", "below", "not distinguishable from", "no data for"]

Z = 1.959963984540054
"""Standard normal quantile of .975."""

RESAMPLES_AT_ONCE = 64
"""Resamples drawn in one array: bounds memory at this times the number of clusters."""


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, with its interval."""

    value: float | None
    """The estimate; None where n is 0."""
    low: float | None
    """Lower end."""
    high: float | None
    """Upper end."""
    n: int
    """Items."""
    method: str
    """How the interval was made."""


NO_DATA = Estimate(None, None, None, 0, "no data")
"""What every function returns for no items."""


def wilson(successes: float, n: float) -> tuple[float, float] | None:
    """Both ends of Wilson's score interval of a proportion (Wilson 1927), or None where n is 0."""
    if n <= 0:
        return None
    share = successes / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return (0.0 if successes == 0 else max(0.0, middle - half), 1.0 if successes == n else min(1.0, middle + half))


def _sums(values: Floats, clusters: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum and number of the values of each cluster, in the order of the clusters' names."""
    _, place = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    return np.bincount(place, weights=values).astype(np.float64), np.bincount(place).astype(np.float64)


def _resampled_means(sums: Floats, counts: Floats, resamples: int, seed: int) -> Floats:
    """Means of bootstrap samples that draw whole clusters with replacement."""
    rng = np.random.Generator(np.random.PCG64(seed))
    means = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=size)  # (resample, cluster)
        means.append((drawn @ sums) / (drawn @ counts))
    return np.concatenate(means)


def bootstrap_mean(values: Sequence[float], clusters: Sequence[str], resamples: int, seed: int) -> Estimate:
    """The mean of the values and its percentile interval, resampling whole clusters.

    Items of one cluster (the phrasings of one entity's question) are not independent; drawing them one by one would
    make the interval too narrow. A single cluster has no interval.
    """
    if not len(values):
        return NO_DATA
    sums, counts = _sums(np.asarray(values, dtype=np.float64), clusters)
    mean = float(sums.sum() / counts.sum())
    if len(sums) == 1:
        return Estimate(mean, None, None, len(values), "one cluster, no interval")
    low, high = np.percentile(_resampled_means(sums, counts, resamples, seed), [2.5, 97.5])
    method = f"percentile bootstrap over {len(sums)} clusters, {resamples} resamples"
    return Estimate(mean, min(float(low), mean), max(float(high), mean), len(values), method)


def proportion(values: Sequence[float], clusters: Sequence[str], resamples: int, seed: int) -> Estimate:
    """The share of ones among zeros and ones, with Wilson's interval where every item is its own cluster, and a
    bootstrap over clusters otherwise.

    Where all items are alike a bootstrap has no width; then Wilson's interval of the number of clusters is given.
    """
    if not len(values):
        return NO_DATA
    n, groups, share = len(values), len(set(clusters)), math.fsum(values) / len(values)
    if groups < n and 0 < share < 1 and groups > 1:
        return bootstrap_mean(values, clusters, resamples, seed)
    interval = wilson(share * groups, groups)
    low, high = interval if interval else (None, None)
    return Estimate(share, low, high, n, "Wilson" if groups == n else f"Wilson over {groups} clusters")


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[str], resamples: int, seed: int
) -> Estimate:
    """Mean of ``first - second``, item by item, with a bootstrap interval over clusters.

    Where all differences are alike a bootstrap has no width; then as many clusters as Wilson's interval allows to go
    unseen are taken to differ by -1, or by 1 (scores go from 0 to 1). Raises ValueError where the two have not the
    same number of items.
    """
    if len(first) != len(second):
        raise ValueError(f"paired scores must be of the same items: {len(first)} and {len(second)}")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    groups = len(set(clusters))
    seen = wilson(groups, groups)
    if seen and len(set(differences)) == 1 and groups > 1:
        same, unseen = differences[0], 1 - seen[0]
        low, high = (1 - unseen) * same - unseen, (1 - unseen) * same + unseen
        return Estimate(same, low, high, len(differences), f"paired, all alike, Wilson over {groups} clusters")
    estimate = bootstrap_mean(differences, clusters, resamples, seed)
    return Estimate(estimate.value, estimate.low, estimate.high, estimate.n, f"paired {estimate.method}")


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of the exact McNemar test: items that only the first, and only the second, got right.

    The discordant items are a fair coin under the null hypothesis; 1.0 where there are none.
    """
    n, tail, term = only_first + only_second, 0, 1
    for k in range(min(only_first, only_second) + 1):
        tail += term
        term = term * (n - k) // (k + 1)
    return float(min(1.0, 2 * tail / (1 << n)))


def two_proportions(first: float, n_first: float, second: float, n_second: float) -> Estimate:
    """Difference of two independent proportions with Newcombe's interval (1998, method 10: both Wilson intervals)."""
    one, two = wilson(first, n_first), wilson(second, n_second)
    if one is None or two is None:
        return NO_DATA
    p, q = first / n_first, second / n_second
    low = p - q - math.hypot(p - one[0], two[1] - q)
    high = p - q + math.hypot(one[1] - p, q - two[0])
    return Estimate(p - q, low, high, int(n_first + n_second), "Newcombe")


def verdict(difference: Estimate) -> Verdict:
    """How the first stands to the second: ``not distinguishable from`` where the interval holds 0."""
    if difference.low is None or difference.high is None:
        return "no data for"
    if difference.low > 0:
        return "above"
    return "below" if difference.high < 0 else "not distinguishable from"
