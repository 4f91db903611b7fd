"""The figures of a comparison: outcomes, what position and length do, agreement with people, rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import huatuo
from huatuo.eval import stats
from huatuo.eval.judging import measures, ranking
from huatuo.eval.judging.choice_model import NoFitError
from huatuo.eval.judging.outcomes import Outcome, outcomes
from huatuo.eval.judging.ranking import Game
from huatuo.eval.stats import Estimate
from huatuo.records import Figure
from huatuo.records_rated import Verdict

PEOPLE = "people"
"""Stands for all experts together."""

ALL = "all pairs"
"""Name of figures over every pair of models."""

CLASSES = {"win": 1, "tie": 0, "loss": -1, "unparsed": None}
"""The four classes of an outcome, for the left model."""


@dataclass(frozen=True)
class Scoring:
    """How verdicts are counted."""

    rule: str = "huatuogpt2"
    """Name of the rule that makes one outcome of two orders."""
    resamples: int = 2000
    """Resamples of a bootstrap."""
    seed: int = 1
    """Seed of resamples and orders of play."""


def figures(verdicts: Sequence[Verdict], people: Sequence[Verdict], how: Scoring) -> list[Figure]:
    """Every figure of a judge's verdicts and, where there are some, of people's; the two are never mixed.

    Raises KeyError for an unknown rule, ValueError for two verdicts in one order.
    """
    found: list[Figure] = []
    for annotator, own in _by_annotator(verdicts):
        found += _of_annotator(annotator, own, _prompts(own), how)
    if people:
        found += _of_annotator(PEOPLE, people, "sheet", how)
        humans = outcomes(people, how.rule)
        for annotator, own in _by_annotator(verdicts):
            found += _agreement(annotator, own, humans, how)
    return found


def _by_annotator(verdicts: Iterable[Verdict]) -> list[tuple[str, list[Verdict]]]:
    ordered = sorted(verdicts, key=lambda one: (one.annotator, one.left, one.right, one.question_id, one.first))
    return [(name, list(own)) for name, own in groupby(ordered, key=lambda one: one.annotator)]


def _prompts(verdicts: Sequence[Verdict]) -> str:
    """The prompts of the verdicts, with their hashes as they were when they were asked."""
    used = {(v.provenance.prompt_id, v.provenance.prompt_hash[:8]) for v in verdicts if v.provenance.prompt_id}
    return "prompt:" + "+".join(f"{name}@{digest}" for name, digest in sorted(used)) if used else "prompt:none asked"


def signature(annotator: str, prompt: str, sampling: str, how: Scoring) -> str:
    """Everything that a figure depends on besides the answers and the verdicts."""
    return (
        f"pairwise|judge:{annotator}|{prompt}|sampling:{sampling or 'none'}|rule:{how.rule}|orders:both|identical:tie|"
        f"unparsed:own class|resamples:{how.resamples}|seed:{how.seed}|huatuo:{huatuo.__version__}"
    )


class _Maker:
    """Makes figures of one annotator."""

    def __init__(self, annotator: str, signature: str):
        self.annotator, self.signature = annotator, signature

    def figure(self, name: str, metric: str, found: Estimate, unscored: int = 0, model: str = "") -> Figure:
        return found.figure(name, model or self.annotator, metric, self.signature, unscored)

    def count(self, name: str, metric: str, n: int, of: int) -> Figure:
        return self.figure(name, metric, Estimate(float(n), None, None, of, "count"))


def _of_annotator(annotator: str, verdicts: Sequence[Verdict], prompt: str, how: Scoring) -> list[Figure]:
    samplings = sorted({one.provenance.sampling for one in verdicts if one.provenance.sampling})
    make = _Maker(annotator, signature(annotator, prompt, "+".join(samplings), how))
    every = outcomes(verdicts, how.rule)
    found = []
    for (left, right), own in groupby(every, key=lambda one: (one.left, one.right)):
        found += _of_pair(make, f"{left} : {right}", list(own), how)
    tested = [one for one in found if one.metric == "p" and one.value is not None]
    for one, adjusted in zip(tested, stats.holm([one.value or 0.0 for one in tested]), strict=True):
        found.append(
            one.model_copy(update={"metric": "p Holm", "value": adjusted, "method": f"Holm, {len(tested)} tests"})
        )
    found += [*_bias(make, ALL, every, how), *_rankings(make, verdicts, how)]
    classes = Counter(one.unparsed.partition(":")[0] for one in verdicts if one.winner is None)
    return found + [make.count(ALL, f"unparsed: {why}", n, len(verdicts)) for why, n in sorted(classes.items())]


def _of_pair(make: _Maker, name: str, every: Sequence[Outcome], how: Scoring) -> list[Figure]:
    lost = sum(one.value is None for one in every)
    found = [
        make.figure(name, metric, measures.share(every, value, how.resamples, how.seed), lost)
        for metric, value in CLASSES.items()
    ]
    found.append(make.figure(name, "win rate", measures.win_rate(every, how.resamples, how.seed), lost))
    differences = [float(one.value) for one in every if one.value is not None]
    p = stats.sign_flip(_by_question(every), 10_000, how.seed)
    found.append(make.figure(name, "p", Estimate(p, None, None, len(differences), "sign flips by question"), lost))
    return found + _bias(make, name, every, how)


def _by_question(every: Sequence[Outcome]) -> list[float]:
    """The mean outcome of each question."""
    ordered = sorted((one for one in every if one.value is not None), key=lambda one: one.question_id)
    means = []
    for _, group in groupby(ordered, key=lambda one: one.question_id):
        values = [float(one.value or 0) for one in group]
        means.append(sum(values) / len(values))
    return means


def _bias(make: _Maker, name: str, every: Sequence[Outcome], how: Scoring) -> list[Figure]:
    games = [game for one in every for game in one.games]
    alike = sum(all(game.by == "rule" for game in one.games) for one in every)
    return [
        make.figure(name, "flip rate", measures.flip_rate(every, how.resamples, how.seed)),
        make.figure(name, "first wins", measures.first_rate(games, how.resamples, how.seed)),
        make.figure(name, "length effect", _or_reason(lambda: measures.length_effect(every), len(every))),
        make.count(name, "identical answers", alike, len(every)),
        make.count(
            name, "answers that address the judge", sum(bool(one.games[0].addressed) for one in every), len(every)
        ),
    ]


def _or_reason(measure: Callable[[], Estimate], n: int) -> Estimate:
    """The estimate, or none with the reason as its method."""
    try:
        return measure()
    except NoFitError as error:
        return Estimate(None, None, None, n, str(error))


def _rankings(make: _Maker, verdicts: Sequence[Verdict], how: Scoring) -> list[Figure]:
    games = ranking.games_of(verdicts)
    models = sorted({name for one in verdicts for name in (one.left, one.right)})
    return [*_strengths(make, games, models), *_elo(make, games, models, how.seed)]


def _strengths(make: _Maker, games: Sequence[Game], models: Sequence[str]) -> list[Figure]:
    name = f"Bradley-Terry: {make.annotator}"
    try:
        fitted = ranking.bradley_terry(games)
    except NoFitError as error:
        reason = Estimate(None, None, None, len(games), str(error))
        return [make.figure(name, "strength", reason, model=model) for model in models]
    method = f"Davidson, clusters {fitted.fit.clusters}"
    found = [
        make.figure(name, "strength", Estimate(*fitted.strength(one), len(games), method), model=one)
        for one in fitted.models
    ]
    for term, metric in ((ranking.TIE, "log nu"), (ranking.POSITION, "position"), (ranking.LENGTH, "length")):
        if (values := fitted.term(term)) is not None:
            found.append(make.figure(name, metric, Estimate(*values, len(games), method)))
    return found


def _elo(make: _Maker, games: Sequence[Game], models: Sequence[str], seed: int) -> list[Figure]:
    name = f"Elo: {make.annotator}"
    try:
        ratings = ranking.elo(games, seed)
    except NoFitError as error:
        reason = Estimate(None, None, None, len(games), str(error))
        return [make.figure(name, "rating", reason, model=model) for model in models]
    found = []
    for model, rating in ratings.items():
        value = Estimate(rating.value, None, None, len(games), f"mean of {ranking.ELO_ORDERS} orders")
        found.append(make.figure(name, "rating", value, model=model))
        spread = Estimate(rating.spread, None, None, len(games), f"over {ranking.ELO_ORDERS} orders")
        found.append(make.figure(name, "rating SD", spread, model=model))
    return found


def _agreement(annotator: str, verdicts: Sequence[Verdict], humans: Sequence[Outcome], how: Scoring) -> list[Figure]:
    asked = [one for one in outcomes(verdicts, how.rule) if not any(game.by == "rule" for game in one.games)]
    make = _Maker(annotator, signature(annotator, _prompts(verdicts), "", how))
    found = []
    for metric, one in zip(
        ("kappa", "raw agreement"), measures.kappa(asked, humans, how.resamples, how.seed), strict=True
    ):
        method = one.note or "bootstrap over questions"
        found.append(make.figure("with people", metric, Estimate(one.value, one.low, one.high, one.items, method)))
    return found
