"""HealthBench's scores: criteria with points, met or not met or unparsed, and a judge's F1 against physicians.

Definitions after HealthBench (arXiv 2505.08775) and its evaluation and meta-evaluation in openai/simple-evals. One
thing differs: there a reply that cannot be read is asked again without end; here the criterion is unparsed, and an
answer with such a criterion has no score, but bounds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from huatuo.eval.stats import Estimate, Z
from huatuo.records_rated import Criterion, Grade

BOOTSTRAP = 1000
"""Resamples of the authors' standard deviation."""


class Graded(NamedTuple):
    """One criterion with what was said of one answer."""

    criterion: Criterion
    """The criterion."""
    met: bool | None
    """Whether it is met; None for unparsed."""


def score(items: Sequence[Graded]) -> float | None:
    """The points of what is met over all positive points: below 0 where harm outweighs; None where an item is unparsed
    or no points are positive."""
    if any(item.met is None for item in items):
        return None
    return _share(items, unparsed=0.0)


def bounds(items: Sequence[Graded]) -> tuple[float, float] | None:
    """The least and most that the score can be, whatever the unparsed items are; None where no points are positive."""
    low = _share(items, unparsed=-1.0)
    high = _share(items, unparsed=1.0)
    return None if low is None or high is None else (low, high)


def _share(items: Sequence[Graded], unparsed: float) -> float | None:
    """``unparsed``: -1 counts only negative points of unparsed items, 1 only positive ones."""
    possible = math.fsum(max(0.0, item.criterion.points) for item in items)
    if not possible:
        return None
    got = [item.criterion.points for item in items if item.met]
    got += [item.criterion.points for item in items if item.met is None and item.criterion.points * unparsed > 0]
    return math.fsum(got) / possible


def clipped_mean(values: Sequence[float], seed: int) -> Estimate:
    """The mean clipped to [0, 1], and plus and minus 1.96 of the authors' bootstrap standard deviation.

    The standard deviation alone is `bootstrap_std`.
    """
    if not values:
        return Estimate(None, None, None, 0, "no data")
    mean = min(1.0, max(0.0, math.fsum(values) / len(values)))
    if len(values) == 1:
        return Estimate(mean, None, None, 1, "one answer, no interval")
    half = Z * bootstrap_std(values, seed)
    if not half:  # no width is no certainty
        return Estimate(mean, None, None, len(values), "all alike, or clipped in every resample: no interval")
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    return Estimate(mean, low, high, len(values), f"clipped mean, bootstrap SD of {BOOTSTRAP} resamples")


def bootstrap_std(values: Sequence[float], seed: int) -> float:
    """Standard deviation (denominator n) of the clipped means of 1,000 resamples of the answers."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.choice(np.asarray(values, dtype=np.float64), (BOOTSTRAP, len(values)))
    return float(np.clip(drawn.mean(axis=1), 0.0, 1.0).std())


def by_tag(graded: Mapping[str, Sequence[Graded]]) -> dict[str, list[float | None]]:
    """The scores of each tag, one an answer: a question's tag takes the whole score, a criterion's tag that of the
    criteria which carry it (none where those have no positive points).

    ``graded``: the items of each answer by its id.
    """
    found: dict[str, list[float | None]] = defaultdict(list)
    for items in graded.values():
        for tag in dict.fromkeys(tag for item in items for tag in item.criterion.question_tags):
            found[tag].append(score(items))
        for tag in dict.fromkeys(tag for item in items for tag in item.criterion.tags):
            own = [item for item in items if tag in item.criterion.tags]
            if bounds(own) is not None:
                found[tag].append(score(own))
    return dict(sorted(found.items()))


# ---------------------------------------------------------------- a judge against physicians


class Class(NamedTuple):
    """Precision, recall and F1 of one class."""

    precision: float | None
    """None where the judge never says it."""
    recall: float | None
    """None where no physician says it."""
    f1: float | None
    """None where either is."""


class Meta(NamedTuple):
    """A judge against physicians."""

    met: Class
    """Of met."""
    not_met: Class
    """Of not met."""
    macro_f1: float | None
    """Mean of the two F1; None where one has none."""
    pairs: int
    """Labels of physicians that were compared."""
    unparsed: int
    """Labels of physicians to grades that could not be read: in no class, shown apart."""


def against_physicians(judge: Sequence[bool | None], physicians: Sequence[Sequence[bool]]) -> Meta:
    """How a judge's grades stand to the labels that physicians gave the same answers and criteria.

    Every label counts as one comparison, so an item with three physicians counts three times; no majority is taken.
    Raises ValueError where the two are not of the same length.
    """
    if len(judge) != len(physicians):
        raise ValueError(f"{len(judge)} grades and labels of {len(physicians)} items: they must be of the same items")
    pairs = [(own, label) for own, labels in zip(judge, physicians, strict=True) if own is not None for label in labels]
    unparsed = sum(len(labels) for own, labels in zip(judge, physicians, strict=True) if own is None)
    met, not_met = (_class(pairs, value) for value in (True, False))
    macro = None if met.f1 is None or not_met.f1 is None else (met.f1 + not_met.f1) / 2
    return Meta(met, not_met, macro, len(pairs), unparsed)


def _class(pairs: Sequence[tuple[bool, bool]], value: bool) -> Class:
    said = sum(own is value for own, _ in pairs)
    true = sum(label is value for _, label in pairs)
    both = sum(own is value and label is value for own, label in pairs)
    precision, recall = both / said if said else None, both / true if true else None
    f1 = None if precision is None or recall is None else 2 * both / (said + true)
    return Class(precision, recall, f1)


def macro_f1(grades: Iterable[Grade], labels: Iterable[Grade], resamples: int, seed: int) -> tuple[Meta, Estimate]:
    """(the comparison, macro-F1 with percentiles of a bootstrap over questions) of a judge's grades with physicians'.

    Grades and labels are joined by answer and criterion; what only one side said something of is left out.
    """
    said: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for label in labels:
        if label.met is not None:
            said[label.response_id, label.criterion_id].append(label.met)
    joined = [
        (one.question_id, one.met, said[one.response_id, one.criterion_id])
        for one in grades
        if (one.response_id, one.criterion_id) in said
    ]
    meta = against_physicians([met for _, met, _ in joined], [labels for _, _, labels in joined])
    groups: dict[str, list[int]] = defaultdict(list)
    for number, (question, _, _) in enumerate(joined):
        groups[question].append(number)
    rows = [np.asarray(groups[question]) for question in sorted(groups)]
    if meta.macro_f1 is None or len(rows) < 3:
        return meta, Estimate(meta.macro_f1, None, None, meta.pairs, "too few questions for an interval")
    rng, values = np.random.Generator(np.random.PCG64(seed)), []
    for _ in range(resamples):
        drawn = np.concatenate([rows[number] for number in rng.integers(0, len(rows), len(rows))])
        value = against_physicians([joined[i][1] for i in drawn], [joined[i][2] for i in drawn]).macro_f1
        if value is not None:
            values.append(value)
    low, high = np.percentile(values, [2.5, 97.5])
    return meta, Estimate(meta.macro_f1, float(low), float(high), meta.pairs, f"bootstrap over {len(rows)} questions")
