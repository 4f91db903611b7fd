"""Intervals and comparisons. All intervals are at 95 %; resampling is a pure function of the seed; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from huatuo.records import Figure
from huatuo.text.interval import Z as Z
from huatuo.text.interval import wilson as wilson

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Clusters = Sequence[Sequence[str]]
"""One sequence of cluster names, one name per item, for each factor that items hang together by: entity, wording."""

Scale = tuple[float, float]
"""Lowest and highest value that a score, or a difference of scores, can have."""

UNIT: Scale = (0.0, 1.0)
"""The scale of shares."""

Z_POWER = 0.8416212335729143
"""Standard normal quantile of .8: the power that `minimal_detectable` plans for."""

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

    def figure(self, name: str, model: str, metric: str, signature: str, unscored: int = 0) -> Figure:
        """The figure that carries it."""
        return Figure(
            name=name,
            model=model,
            metric=metric,
            value=self.value,
            low=self.low,
            high=self.high,
            n=self.n,
            unscored=unscored,
            signature=signature,
            method=self.method,
        )


NO_DATA = Estimate(None, None, None, 0, "no data")
"""What every function returns for no items."""


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


def _alike(value: float, groups: int, scale: Scale = UNIT) -> tuple[float, float]:
    """Interval of the mean of scores that are all alike: as many clusters as Wilson's interval allows to go unseen may
    differ by anything that the scale allows."""
    seen = wilson(groups, groups)
    unseen = 1 - seen[0] if seen else 1.0
    return (1 - unseen) * value + unseen * scale[0], (1 - unseen) * value + unseen * scale[1]


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


# ---------------------------------------------------------------- few clusters of crossed factors


def _cluster_variance(deviations: Floats, place: Integers) -> float:
    """Variance of a mean whose items hang together within the clusters of one factor."""
    sums = np.bincount(place, weights=deviations)
    return float(sums @ sums) / len(deviations) ** 2 * len(sums) / (len(sums) - 1)


def _crossed_variance(values: Floats, places: Sequence[Integers]) -> tuple[float, int]:
    """(variance of the mean, degrees of freedom): Cameron, Gelbach and Miller 2011, equation 2.1, for two crossed
    factors. It is never below that of either factor alone; the freedom is Satterthwaite's (1946), and at least that of
    the smaller factor."""
    deviations = values - values.mean()
    parts = [_cluster_variance(deviations, place) for place in places]
    groups = [int(place.max()) + 1 for place in places]
    if len(places) == 1:
        return parts[0], groups[0] - 1
    cells = np.unique(places[0] * groups[1] + places[1], return_inverse=True)[1]
    within = _cluster_variance(deviations, cells)
    variance = max(parts[0] + parts[1] - within, *parts)
    spread = [part**2 / (count - 1) for part, count in zip([*parts, within], [*groups, cells.max() + 1], strict=True)]
    total = math.fsum(spread)  # 0 where every cluster of both factors has the same mean
    return variance, max(min(groups) - 1, int(variance**2 / total) if total else 0)


def crossed_mean(values: Sequence[float], clusters: Clusters, scale: Scale) -> Estimate:
    """The mean of ratings on a scale, with an interval for other questions **and** other annotators.

    ``clusters`` are one or two crossed factors: the question and the annotator of each value. Five annotators are too
    few for `bootstrap_mean`, which then covers all but everything and is nearly twice as wide; this interval is t times
    the root of the two-way cluster variance. A factor with one cluster is left out: the interval then holds for that
    annotator alone, and the method says so. Values that are all alike get `_alike`'s interval over the larger factor:
    over five annotators it would span half the scale, and one rating that differs would end it at once.
    """
    if not len(values):
        return NO_DATA
    varied = varying(clusters)
    mean, sizes = math.fsum(values) / len(values), _sizes(varied)
    alone = ", the rest fixed" if len(varied) < len(clusters) else ""
    if fewest(varied) == 1:
        return Estimate(mean, None, None, len(values), "one cluster, no interval")
    if len(set(values)) == 1:
        most = max(len(set(factor)) for factor in varied)
        return Estimate(mean, *_alike(mean, most, scale), len(values), f"all alike, Wilson over {most} clusters{alone}")
    variance, freedom = _crossed_variance(np.asarray(values, dtype=np.float64), _places(varied))
    half = student(freedom) * math.sqrt(variance)
    method = f"two-way clusters {sizes}, t({freedom})" if len(varied) == 2 else f"clusters {sizes}, t({freedom}){alone}"
    return Estimate(mean, max(scale[0], mean - half), min(scale[1], mean + half), len(values), method)


# ---------------------------------------------------------------- tests and plans

EXACT_FLIPS = 14
"""Clusters up to which all sign flips are counted (2**14 = 16,384) instead of drawn."""


def sign_flip(differences: Sequence[float], flips: int, seed: int) -> float | None:
    """Two-sided p-value that the mean of paired differences, one per question, is zero; None for no differences.

    Under the null hypothesis each question's difference is as likely to have the other sign (Fisher 1935). All flips
    are counted where there are at most `EXACT_FLIPS`; else ``flips`` are drawn and the seen one counts among them
    (Phipson and Smyth 2010), so that p is never 0.
    """
    return float(sign_flips(np.asarray([differences], dtype=np.float64), flips, seed)[0]) if len(differences) else None


def sign_flips(differences: Floats, flips: int, seed: int) -> Floats:
    """`sign_flip` of every row of an array (study, question)."""
    values = differences[:, np.any(differences != 0, axis=0)]  # a zero has no sign to flip
    seen = np.abs(values.sum(axis=1)) - 1e-9 * np.maximum(1.0, np.abs(values).sum(axis=1))
    count = values.shape[1]
    if count <= EXACT_FLIPS:
        signs = 1.0 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)  # (flip, question)
        return np.asarray(np.mean(np.abs(signs @ values.T) >= seen, axis=0))
    rng = np.random.Generator(np.random.PCG64(seed))
    beyond = np.zeros(len(values))
    for start in range(0, flips, 1024):
        drawn = 1.0 - 2.0 * rng.integers(0, 2, size=(min(1024, flips - start), count), dtype=np.int8)
        beyond += (np.abs(drawn @ values.T) >= seen).sum(axis=0)
    return np.asarray((beyond + 1) / (flips + 1))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of two models' right answers to the same questions (McNemar 1947, by the binomial).

    ``only_first``: questions that the first alone answered right; ``only_second``: the second alone. 1 for none.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, tail / 2 ** (n - 1)) if n else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in their order (Holm 1979): at most one false finding in 20 tables."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def minimal_detectable(deviation: float, n: int) -> float | None:
    """The smallest mean of ``n`` paired differences found in 80 of 100 studies at 5 %, two-sided; None where n is 0.

    ``deviation`` is their standard deviation; of two models' right answers it is the root of the share of questions
    that one alone gets right. (z.975 + z.8) deviation / sqrt(n): Cohen 1988, 2.3.
    """
    return (Z + Z_POWER) * deviation / math.sqrt(n) if n else None


def questions_needed(deviation: float, difference: float) -> int:
    """Questions for a power of 80 % at 5 %: `minimal_detectable` solved for n. Raises ValueError for no difference."""
    if not difference:
        raise ValueError("no number of questions finds a difference of 0")
    return math.ceil(((Z + Z_POWER) * deviation / difference) ** 2)
