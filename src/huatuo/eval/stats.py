"""Intervals and comparisons. All intervals are at 95 %; resampling is a pure function of the seed; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Clusters = Sequence[Sequence[str]]
"""One sequence of cluster names, one name per item, for each factor that items hang together by: entity, wording."""

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


def _places(clusters: Clusters) -> list[Integers]:
    """For each factor the number of each item's cluster, in the order of the clusters' names."""
    return [np.unique(np.asarray(factor, dtype=object).astype(str), return_inverse=True)[1] for factor in clusters]


def varying(clusters: Clusters) -> Clusters:
    """The factors with more than one cluster: a single wording says nothing about others, and what is found holds for
    it alone. The first factor where none varies."""
    return [factor for factor in clusters if len(set(factor)) > 1] or clusters[:1]


def fewest(clusters: Clusters) -> int:
    """Clusters of the factor that has the fewest: how many independent pieces of evidence there are at most."""
    return min(len(set(factor)) for factor in clusters)


def student(freedom: int) -> float:
    """Quantile .975 of Student's t (Abramowitz and Stegun 1964, 26.7.5; within 0.1 % from 4 degrees of freedom)."""
    if freedom < 4:
        return {1: 12.7062, 2: 4.3027, 3: 3.1824}.get(freedom, math.inf)
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
        (79 * Z**9 + 776 * Z**7 + 1482 * Z**5 - 1920 * Z**3 - 945 * Z) / 92_160,
    )
    return Z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


def _resampled_means(values: Floats, places: Sequence[Integers], resamples: int, seed: int) -> Floats:
    """Means of bootstrap samples that draw whole clusters of every factor with replacement.

    With crossed factors an item counts as often as the product of its clusters' draws (Owen 2007, "The pigeonhole
    bootstrap"). A resample in which no item was drawn is left out.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    sizes = [int(place.max()) + 1 for place in places]
    means = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, resamples - start)
        weight = np.ones((size, len(values)))  # (resample, item)
        for place, count in zip(places, sizes, strict=True):
            weight *= rng.multinomial(count, np.full(count, 1 / count), size=size)[:, place]
        total = weight.sum(axis=1)
        means.append((weight @ values)[total > 0] / total[total > 0])
    return np.concatenate(means)


def _alike(value: float, groups: int) -> tuple[float, float]:
    """Interval of the mean of scores from 0 to 1 that are all alike: as many clusters as Wilson's interval allows to go
    unseen may differ by anything."""
    seen = wilson(groups, groups)
    unseen = 1 - seen[0] if seen else 1.0
    return (1 - unseen) * value, (1 - unseen) * value + unseen


def bootstrap_mean(values: Sequence[float], clusters: Clusters, resamples: int, seed: int) -> Estimate:
    """The mean of the values and its interval, resampling whole clusters of every factor.

    Items of one cluster (the questions about one entity; the questions of one wording) are not independent; drawing
    them one by one would make the interval too narrow. The bootstrap's percentiles are spread by t / z and
    sqrt(G / (G - 1)), where G is the number of clusters of the smallest factor: without that a dozen clusters cover
    86 % and not 95 %. A single cluster has no interval. Values that are all alike are scores from 0 to 1.
    """
    if not len(values):
        return NO_DATA
    clusters = varying(clusters)
    mean, groups, sizes = math.fsum(values) / len(values), fewest(clusters), _sizes(clusters)
    if groups == 1:
        return Estimate(mean, None, None, len(values), "one cluster, no interval")
    if len(set(values)) == 1:
        return Estimate(mean, *_alike(mean, groups), len(values), f"all alike, Wilson over {groups} clusters")
    means = _resampled_means(np.asarray(values, dtype=np.float64), _places(clusters), resamples, seed)
    low, high = np.percentile(means, [2.5, 97.5])
    spread = student(groups - 1) / Z * math.sqrt(groups / (groups - 1))
    method = f"bootstrap over {sizes} clusters, {resamples} resamples, t({groups - 1})"
    return Estimate(
        mean,
        mean - spread * max(0.0, mean - float(low)),
        mean + spread * max(0.0, float(high) - mean),
        len(values),
        method,
    )


def _sizes(clusters: Clusters) -> str:
    return " x ".join(str(len(set(factor))) for factor in clusters)


def proportion(values: Sequence[float], clusters: Clusters, resamples: int, seed: int) -> Estimate:
    """The share of ones among zeros and ones, with Wilson's interval where every item is its own cluster, and a
    bootstrap over clusters otherwise, which ends at 0 and 1."""
    if not len(values):
        return NO_DATA
    if fewest(varying(clusters)) < len(values):
        found = bootstrap_mean(values, clusters, resamples, seed)
        if found.value is None or found.low is None or found.high is None:
            ends = _alike(math.fsum(values) / len(values), 1)
            return replace(found, low=ends[0], high=ends[1], method="one cluster, Wilson of one")
        return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))
    share = math.fsum(values) / len(values)
    interval = wilson(math.fsum(values), len(values))
    low, high = interval if interval else (None, None)
    return Estimate(share, low, high, len(values), "Wilson")


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Clusters, resamples: int, seed: int
) -> Estimate:
    """Mean of ``first - second``, item by item, with a bootstrap interval over clusters.

    Where all differences are alike a bootstrap has no width; then as many clusters as Wilson's interval allows to go
    unseen are taken to differ by -1, or by 1 (scores go from 0 to 1). Raises ValueError where the two have not the
    same number of items.
    """
    if len(first) != len(second):
        raise ValueError(f"paired scores must be of the same items: {len(first)} and {len(second)}")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    groups = fewest(varying(clusters)) if differences else 0
    seen = wilson(groups, groups)
    if seen and len(set(differences)) == 1 and groups > 1:
        same, unseen = differences[0], 1 - seen[0]
        low, high = (1 - unseen) * same - unseen, (1 - unseen) * same + unseen
        return Estimate(same, low, high, len(differences), f"paired, all alike, Wilson over {groups} clusters")
    found = bootstrap_mean(differences, clusters, resamples, seed)
    if found.low is None or found.high is None:
        return replace(found, method=f"paired {found.method}")
    return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high), method=f"paired {found.method}")
