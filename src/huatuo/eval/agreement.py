"""How far annotators agree: Krippendorff's alpha, Gwet's AC1 and AC2, Fleiss' kappa, raw and adjacent agreement.

Every function takes ratings as an array (item, annotator) with NaN for a rating that is not there, and the scale as it
was declared, never as it happens to occur: AC2 of the same ratings is .953 on a scale of three and .858 on one of two.
numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
Weighting = Literal["identity", "linear", "quadratic", "ordinal"]

ALIKE = "all ratings alike: 1 by convention, as no disagreement could be expected by chance"
"""Said of a coefficient that is 0 / 0."""

SAME = "the same in every resample: no interval"
"""Said where a bootstrap has no width: full agreement of a sample is no certainty about other questions."""

NONE = "no item has two ratings"
"""Said where nothing can be compared."""


@dataclass(frozen=True)
class Agreement:
    """A coefficient of agreement."""

    value: float | None
    """The coefficient: 1 is full agreement, 0 what chance would give; None where no item has two ratings."""
    items: int
    """Items with at least two ratings."""
    note: str = ""
    """Why the value is what it is, where the formula has none."""
    low: float | None = None
    """Lower end of the 95 % interval over items, where one was asked for."""
    high: float | None = None
    """Upper end."""


def counts(ratings: Floats, scale: Sequence[float]) -> Floats:
    """How many annotators gave each value: (item, value of the scale), of the items with at least one rating.

    Raises ValueError for a rating that is not on the scale.
    """
    table = np.stack([(ratings == value).sum(axis=1) for value in scale], axis=1).astype(np.float64)
    present = ~np.isnan(ratings)
    if table.sum() != present.sum():
        strange = ratings[present & ~np.isin(ratings, np.asarray(scale, dtype=np.float64))][0]
        raise ValueError(f"{strange:g} is not on the scale {', '.join(f'{value:g}' for value in scale)}")
    return table[present.any(axis=1)]


# ---------------------------------------------------------------- Krippendorff


def _distances(level: Level, scale: Sequence[float], totals: Floats) -> Floats:
    """Squared distances (value, value): Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C."""
    values = np.asarray(scale, dtype=np.float64)
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return np.square(values[:, None] - values)
    middle = np.cumsum(totals) - totals / 2  # ratings below a value, and half of its own
    return np.square(middle[:, None] - middle)


def _alpha(table: Floats, scale: Sequence[float], level: Level) -> float | None:
    """Alpha of counts of pairable items; None where it is 0 / 0."""
    per_item, totals = table.sum(axis=1), table.sum(axis=0)
    together = (table / (per_item - 1)[:, None]).T @ table - np.diag((table / (per_item - 1)[:, None]).sum(axis=0))
    distances = _distances(level, scale, totals)
    expected = float(totals @ distances @ totals / (totals.sum() - 1))
    return 1.0 - float((together * distances).sum()) / expected if expected else None


def krippendorff(ratings: Floats, scale: Sequence[float], level: Level = "ordinal") -> Agreement:
    """Krippendorff's alpha; items with one rating cannot be compared and are left out.

    Raises ValueError for a rating that is not on the scale.
    """
    return _settled(_pairable(counts(ratings, scale)), lambda table: _alpha(table, scale, level))


# ---------------------------------------------------------------- Gwet, Fleiss, raw


def weights(scale: Sequence[float], kind: Weighting) -> Floats:
    """How near two values count as the same, from 0 to 1: Gwet 2014, "Handbook of inter-rater reliability", 3.5."""
    values = np.asarray(scale, dtype=np.float64)
    apart = np.abs(values[:, None] - values)
    if kind == "identity":
        return np.eye(len(values))
    if kind == "ordinal":
        apart = np.abs(np.subtract.outer(np.arange(len(values)), np.arange(len(values)))).astype(np.float64)
        apart = apart * (apart + 1) / 2  # pairs of values from one to the other
    elif kind == "quadratic":
        apart = np.square(apart)
    widest = apart.max()
    return 1.0 - apart / widest if widest else np.ones_like(apart)


def _observed(table: Floats, near: Floats) -> float:
    """Mean over pairable items of the weighted share of pairs of annotators that agree."""
    pairable = _pairable(table)
    per_item = pairable.sum(axis=1)
    return float(np.mean((pairable * (pairable @ near - 1)).sum(axis=1) / (per_item * (per_item - 1))))


def _shares(table: Floats) -> Floats:
    return np.asarray((table / table.sum(axis=1, keepdims=True)).mean(axis=0))


def gwet(ratings: Floats, scale: Sequence[float], kind: Weighting = "ordinal") -> Agreement:
    """Gwet's AC2 with these weights; AC1 with ``identity`` (Gwet 2008; 2014, 4.4). Needs the declared scale.

    Raises ValueError for a rating off the scale, or a scale of one value.
    """
    if len(scale) < 2:
        raise ValueError("a scale needs two values at least")
    near = weights(scale, kind)

    def ac(table: Floats) -> float:
        shares = _shares(table)
        chance = float(near.sum() / (len(scale) * (len(scale) - 1)) * (shares * (1 - shares)).sum())
        return (_observed(table, near) - chance) / (1 - chance)

    return _settled(counts(ratings, scale), ac)


def fleiss(ratings: Floats, scale: Sequence[float], kind: Weighting = "identity") -> Agreement:
    """Fleiss' kappa (1971), generalised to missing ratings and weights (Gwet 2014, 3.4).

    Raises ValueError for a rating that is not on the scale.
    """
    near = weights(scale, kind)

    def kappa(table: Floats) -> float | None:
        shares = _shares(table)
        chance = float(shares @ near @ shares)
        return (_observed(table, near) - chance) / (1 - chance) if chance < 1 - 1e-12 else None

    return _settled(counts(ratings, scale), kappa)


def cohen(ratings: Floats, scale: Sequence[float]) -> Agreement:
    """Cohen's kappa (1960) of exactly two annotators, each with their own shares of the values.

    Items that one of them did not rate are left out. Raises ValueError for a rating off the scale, or for other
    than two annotators.
    """
    if ratings.shape[1] != 2:
        raise ValueError(f"Cohen's kappa is of two annotators, not {ratings.shape[1]}")
    both = ratings[~np.isnan(ratings).any(axis=1)]
    counts(both, scale)  # refuses what is off the scale
    if not len(both):
        return Agreement(None, 0, NONE)
    own = (both[:, :, None] == np.asarray(scale, dtype=np.float64)).mean(axis=0)  # (annotator, value)
    chance, seen = float(own[0] @ own[1]), float(np.mean(both[:, 0] == both[:, 1]))
    if chance >= 1 - 1e-12:
        return Agreement(1.0, len(both), ALIKE)
    return Agreement((seen - chance) / (1 - chance), len(both))


def raw(ratings: Floats, scale: Sequence[float], within: float = 0.0) -> Agreement:
    """Share of pairs of annotators that give an item the same value; with ``within`` 1 also neighbouring values.

    Raises ValueError for a rating that is not on the scale.
    """
    values = np.asarray(scale, dtype=np.float64)
    near = (np.abs(values[:, None] - values) <= within).astype(np.float64)
    return _settled(counts(ratings, scale), lambda table: _observed(table, near))


def _pairable(table: Floats) -> Floats:
    return np.asarray(table[table.sum(axis=1) > 1])


def _settled(table: Floats, coefficient: Callable[[Floats], float | None]) -> Agreement:
    """The coefficient with its note where the formula gives none."""
    items = len(_pairable(table))
    if not items:
        return Agreement(None, 0, NONE)
    value = coefficient(table)
    return Agreement(1.0, items, ALIKE) if value is None else Agreement(value, items)


# ---------------------------------------------------------------- intervals


def with_interval(
    measure: Callable[[Floats], Agreement], ratings: Floats, questions: Sequence[str], resamples: int, seed: int
) -> Agreement:
    """What ``measure`` says of the ratings, with percentiles of a bootstrap over whole questions.

    It holds for these annotators: how others would agree is not in the data. No interval where all ratings are alike,
    where every resample says the same, or for fewer than three questions.
    """
    found = measure(ratings)
    names, place = np.unique(np.asarray(questions, dtype=object).astype(str), return_inverse=True)
    if found.value is None or found.note or len(names) < 3:
        return found
    rows = [np.flatnonzero(place == number) for number in range(len(names))]
    rng = np.random.Generator(np.random.PCG64(seed))
    values = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(names), len(names))
        value = measure(ratings[np.concatenate([rows[number] for number in drawn])]).value
        if value is not None:
            values.append(value)
    low, high = np.percentile(values, [2.5, 97.5])
    if high - low < 1e-12:
        return replace(found, note=SAME)
    return Agreement(found.value, found.items, found.note, float(low), float(high))
