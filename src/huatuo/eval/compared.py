"""Every two models of an evaluation against each other, on the questions that both were asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from huatuo.eval import stats
from huatuo.records import Figure

RUN_MODELS = frozenset({"base", "ours"})
"""The two that every run compares anyway, by an interval alone."""

P, P_HOLM, DETECTABLE = "p", "p Holm", "detectable"
"""Metrics of a comparison, beside ``difference``."""


class Measured(NamedTuple):
    """What several models scored in one group of questions, by the metric that leads it."""

    group: str
    signature: str
    clusters: Mapping[str, Sequence[str]]
    """The clusters of each question, one for each factor, by its id."""
    values: Mapping[str, Mapping[str, float | None]]
    """The value of each question by its id, for each model; None, unscored, counts as wrong."""


class _Pair(NamedTuple):
    first: str
    second: str
    group: Measured
    both: tuple[str, ...]

    @property
    def clusters(self) -> list[tuple[str, ...]]:
        return list(zip(*(self.group.clusters[question] for question in self.both), strict=True))

    def own(self, model: str) -> list[float]:
        return [self.group.values[model][question] or 0.0 for question in self.both]


def comparisons(measured: Sequence[Measured], resamples: int, seed: int) -> Iterator[Figure]:
    """Of every two models in every group: the later minus the earlier one with a paired interval, the p-value, the same
    after Holm over all these comparisons, and the smallest difference that so many questions show.

    McNemar's test needs answers that are right or wrong and questions that stand each for itself; elsewhere there is
    the interval alone. Nothing where only base and ours were asked.
    """
    if not any(set(one.values) - RUN_MODELS for one in measured):
        return
    pairs = [pair for one in measured for pair in _pairs(one)]
    tests = [_test(pair) for pair in pairs]
    done = [test for test in tests if test is not None]
    adjusted = iter(stats.holm([stats.mcnemar(*test) for test in done]))
    for pair, test in zip(pairs, tests, strict=True):
        if {pair.first, pair.second} != RUN_MODELS:
            yield _difference(pair, resamples, seed)
        if test is None:
            continue
        says = f"exact McNemar, {test[0]} right by {pair.second} alone, {test[1]} by {pair.first} alone"
        yield _figure(pair, P, stats.mcnemar(*test), says)
        yield _figure(pair, P_HOLM, next(adjusted), f"Holm over {len(done)} comparisons")
        n = len(pair.both)
        least = stats.minimal_detectable(math.sqrt(sum(test) / n), n)
        yield _figure(pair, DETECTABLE, least if sum(test) else None, "found in 80 of 100 studies at 5 %")


def _pairs(one: Measured) -> Iterator[_Pair]:
    for first, second in combinations(one.values, 2):
        both = tuple(question for question in one.values[first] if question in one.values[second])
        if both:
            yield _Pair(first, second, one, both)


def _test(pair: _Pair) -> tuple[int, int] | None:
    """How many questions the second alone got right, and the first alone; None where McNemar's test does not hold."""
    first, second = pair.own(pair.first), pair.own(pair.second)
    hang_together = stats.fewest(stats.varying(pair.clusters)) < len(pair.both)
    if hang_together or not set(first) | set(second) <= {0.0, 1.0}:
        return None
    better = sum(b > a for a, b in zip(first, second, strict=True))
    return better, sum(a > b for a, b in zip(first, second, strict=True))


def _difference(pair: _Pair, resamples: int, seed: int) -> Figure:
    found = stats.paired_difference(pair.own(pair.second), pair.own(pair.first), pair.clusters, resamples, seed)
    values = pair.group.values
    unscored = sum(values[pair.second][q] is None or values[pair.first][q] is None for q in pair.both)
    made = _figure(pair, "difference", found.value, found.method)
    return made.model_copy(update={"low": found.low, "high": found.high, "unscored": unscored})


def _figure(pair: _Pair, metric: str, value: float | None, method: str) -> Figure:
    return Figure(
        name=pair.group.group,
        model=f"{pair.second} - {pair.first}",
        metric=metric,
        value=value,
        low=None,
        high=None,
        n=len(pair.both),
        signature=pair.group.signature,
        method=method,
    )
