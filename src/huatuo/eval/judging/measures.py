"""What verdicts are worth: outcomes with intervals, and how far position and length decide them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from huatuo.eval import agreement, stats
from huatuo.eval.judging.choice_model import NoFitError, fit
from huatuo.eval.judging.outcomes import Outcome
from huatuo.eval.judging.ranking import LENGTH_UNIT
from huatuo.eval.stats import Estimate
from huatuo.records_rated import Verdict

SCALE = (-1.0, 0.0, 1.0)
"""Loss, tie and win."""


def share(outcomes: Sequence[Outcome], value: int | None, resamples: int, seed: int) -> Estimate:
    """Share of the outcomes with this value (None: not read) among all, resampled by question, not by game.

    With several annotators the interval is for other annotators too (`stats.crossed_mean`).
    """
    return _clipped([float(one.value == value) for one in outcomes], outcomes, resamples, seed)


def win_rate(outcomes: Sequence[Outcome], resamples: int, seed: int) -> Estimate:
    """Share of wins, a tie as half of one, among the outcomes that could be read."""
    read = [one for one in outcomes if one.value is not None]
    return _clipped([((one.value or 0) + 1) / 2 for one in read], read, resamples, seed)


def flip_rate(outcomes: Sequence[Outcome], resamples: int, seed: int) -> Estimate:
    """Share of the pairs whose two orders do not say the same, among those read in both and asked at all."""
    asked = [one for one in outcomes if one.flipped is not None and not _is_rule(one)]
    return _clipped([float(bool(one.flipped)) for one in asked], asked, resamples, seed)


def first_rate(verdicts: Sequence[Verdict], resamples: int, seed: int) -> Estimate:
    """How often the answer shown first wins, among the verdicts that name a winner; 1/2 would be fair."""
    won = [one for one in verdicts if one.winner in ("left", "right")]
    values = [float(one.winner == one.first) for one in won]
    return _ended(stats.bootstrap_mean(values, _clusters(won), resamples, seed))


def length_effect(outcomes: Sequence[Outcome]) -> Estimate:
    """Logit of winning for every 100 characters more, among outcomes that are won or lost, with a constant for the
    models; clustered by question.

    Raises NoFitError where there is none: fewer than two such outcomes, equal lengths, or length decides every one.
    """
    decided = [one for one in outcomes if one.value]
    if not decided:
        raise NoFitError("no outcome is won or lost")
    longer = [(one.games[0].left_chars - one.games[0].right_chars) / LENGTH_UNIT for one in decided]
    features = np.zeros((len(decided), 2, 2))
    features[:, 0, 0] = 1.0
    features[:, 0, 1] = longer
    chosen = np.asarray([0 if (one.value or 0) > 0 else 1 for one in decided])
    found = fit(features, chosen, [one.question_id for one in decided], ["the model", "length"])
    value, low, high = found.interval(np.asarray([0.0, 1.0]))
    return Estimate(value, low, high, len(decided), f"logit, clusters {found.clusters}")


def kappa(
    judge: Sequence[Outcome], people: Sequence[Outcome], resamples: int, seed: int
) -> tuple[agreement.Agreement, agreement.Agreement]:
    """(Cohen's kappa, raw agreement) of a judge's outcomes with those of people, on what both said something of.

    People's outcome is the sign of the sum of theirs. Which of two models was named first is the same for both sides
    after `_turned`. The interval is over questions.
    """
    said: dict[tuple[str, str, str], int] = {}
    for one in people:
        if one.value is not None:
            key, sign = _turned(one)
            said[key] = said.get(key, 0) + sign * one.value
    rows, questions = [], []
    for one in judge:
        key, sign = _turned(one)
        if one.value is not None and key in said:
            rows.append((float(sign * one.value), float(np.sign(said[key]))))
            questions.append(one.question_id)
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 2)

    def cohen(ratings: stats.Floats) -> agreement.Agreement:
        return agreement.cohen(ratings, SCALE)

    def raw(ratings: stats.Floats) -> agreement.Agreement:
        return agreement.raw(ratings, SCALE)

    return (
        agreement.with_interval(cohen, table, questions, resamples, seed),
        agreement.with_interval(raw, table, questions, resamples, seed),
    )


def _turned(one: Outcome) -> tuple[tuple[str, str, str], int]:
    """((a model, the other, question), 1 or -1): the pair in the order of names, and whether that turns the outcome."""
    if one.left <= one.right:
        return (one.left, one.right, one.question_id), 1
    return (one.right, one.left, one.question_id), -1


def _is_rule(one: Outcome) -> bool:
    return any(game.by == "rule" for game in one.games)


def _clusters(items: Sequence[Outcome] | Sequence[Verdict]) -> stats.Clusters:
    return [[one.question_id for one in items], [one.annotator for one in items]]


def _clipped(values: Sequence[float], items: Sequence[Outcome], resamples: int, seed: int) -> Estimate:
    clusters = _clusters(items)
    if items and stats.fewest(clusters) > 1:  # a bootstrap over a handful of annotators covers all but everything
        return stats.crossed_mean(values, clusters, stats.UNIT)
    return _ended(stats.bootstrap_mean(values, clusters, resamples, seed))


def _ended(found: Estimate) -> Estimate:
    """The estimate of a share, whose interval ends at 0 and 1."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))
