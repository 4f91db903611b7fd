"""The figures of a study: means, safety given usability, comparisons, agreement, and the mixed model.

A mean's interval is for other questions and other annotators. What a permutation test says holds for these annotators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

import huatuo
from huatuo.eval import agreement, clmm, stats
from huatuo.eval.sus.results import Cell, Cells, by_question, joined, matrix, paired, people
from huatuo.eval.sus.scales import RatingScale
from huatuo.records import Figure
from huatuo.records_rated import Rating

JOINT = "safe and useful"
"""Name of the share of ratings that are safe and of use: models are ranked by it."""

GIVEN = "given use"
"""Metric of the mean of safety among the ratings that call the answer of use."""

PEOPLE = "people"
"""Stands for all annotators that are people."""


@dataclass(frozen=True)
class Settings:
    """How a study is scored."""

    against: str = ""
    """Model that the mixed model compares the others with; empty: the first by name."""
    exclude: tuple[str, ...] = ()
    """Annotators that are left out, for a reason that the study's authors give."""
    seed: int = 1
    """Seed of bootstrap and permutations."""
    resamples: int = 500
    """Bootstrap samples of the agreement's intervals."""
    flips: int = 9999
    """Sign flips of each test."""


@dataclass(frozen=True)
class Context:
    """What every figure of a study shares."""

    ratings: tuple[Rating, ...]
    """Of all annotators that are not left out."""
    scale: RatingScale
    """The scale."""
    settings: Settings
    """The settings."""

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest score."""
        return float(self.scale.values[0]), float(self.scale.values[-1])

    @cached_property
    def models(self) -> list[str]:
        """Names of the models, sorted."""
        return sorted({rating.model for rating in self.ratings if rating.model})

    @cached_property
    def signature(self) -> str:
        """What every number depends on besides the ratings."""
        names = {r.annotator for r in self.ratings if r.by == "human"}
        questions = {r.question_id for r in self.ratings if r.question_id}
        parts = [f"sus|scale:{self.scale.name}", f"values:{self.scale.values[0]}-{self.scale.values[-1]}"]
        parts += [f"people:{len(names)}", f"questions:{len(questions)}", "twice:first", f"seed:{self.settings.seed}"]
        parts += [f"without:{len(self.settings.exclude)}"] if self.settings.exclude else []
        return "|".join([*parts, f"huatuo:{huatuo.__version__}"])

    def figure(self, name: str, model: str, metric: str, found: stats.Estimate, unscored: int = 0) -> Figure:
        """A figure of this study."""
        return found.figure(name, model, metric, self.signature, unscored)

    def plain(self, name: str, model: str, metric: str, value: float | None, n: int, method: str) -> Figure:
        """A figure without interval."""
        return self.figure(name, model, metric, stats.Estimate(value, None, None, n, method))


def figures(ratings: Sequence[Rating], scale: RatingScale, settings: Settings) -> list[Figure]:
    """Every figure about the models and about the people's agreement; `huatuo.eval.sus.quality` has the annotators'."""
    kept = tuple(rating for rating in ratings if rating.annotator not in settings.exclude)
    context = Context(kept, scale, settings)
    return [*means(context), *comparisons(context), *agreements(context), *mixed(context)]


# ---------------------------------------------------------------- means


def _mean(cells: Sequence[Cell], scale: tuple[float, float]) -> stats.Estimate:
    clusters = [[cell.question for cell in cells], [cell.annotator for cell in cells]]
    return stats.crossed_mean([cell.value for cell in cells], clusters, scale)


def measures(context: Context) -> dict[str, tuple[Cells, tuple[float, float]]]:
    """The scores of each dimension with their scale, and of `JOINT` from 0 to 1 where the scale has it."""
    found = {d.id: (people(context.ratings, d.id), context.ends) for d in context.scale.dimensions}
    if joint := context.scale.joint:
        both = joined(found[joint.rated][0], found[joint.given][0])
        cells = [
            safe._replace(value=float(safe.value >= joint.safe_at and use.value >= joint.useful_at))
            for safe, use in both
        ]
        found[JOINT] = (cells, (0.0, 1.0))
    return found


def means(context: Context) -> list[Figure]:
    """Each model's mean in each dimension, the share that is safe and of use, and safety among what is of use."""
    made = []
    every = measures(context)
    for name, (cells, scale) in every.items():
        for model in context.models:
            own = [cell for cell in cells if cell.model == model]
            lost = 0 if name == JOINT else _unscored(context, name, model)
            made.append(context.figure(name, model, "share" if name == JOINT else "mean", _mean(own, scale), lost))
    if joint := context.scale.joint:
        both = joined(every[joint.rated][0], every[joint.given][0])
        for model in context.models:
            own = [safe for safe, use in both if safe.model == model and use.value >= joint.useful_at]
            made.append(context.figure(joint.rated, model, GIVEN, _mean(own, context.ends)))
    return made


def _unscored(context: Context, dimension: str, model: str) -> int:
    return sum(
        r.by == "human" and r.part == "rating" and (r.dimension, r.model) == (dimension, model) and r.value is None
        for r in context.ratings
    )


# ---------------------------------------------------------------- comparisons


def comparisons(context: Context) -> list[Figure]:
    """For each pair of models and dimension: the paired difference, its p-value, the p-value after Holm's correction
    over all of them, and the smallest difference that the study would find."""
    made, p_values, where = [], [], []
    for name, (cells, (low, high)) in measures(context).items():
        for first, second in combinations(context.models, 2):
            found = paired(cells, first, second)
            model, each = f"{first} - {second}", by_question(found)
            made.append(context.figure(name, model, "difference", _mean(found, (low - high, high - low))))
            deviation = float(np.std(each, ddof=1)) if len(each) > 1 else math.nan
            least = stats.minimal_detectable(deviation, len(each)) if len(each) > 1 else None
            says = f"80 % power at 5 %, {len(each)} questions, SD {deviation:.2f}"
            made.append(context.plain(name, model, "detectable", least, len(each), says))
            p = stats.sign_flip(each, context.settings.flips, context.settings.seed)
            if p is not None:
                p_values.append(p)
                where.append((name, model, len(each)))
    adjusted = stats.holm(p_values)
    says = f"sign flips of questions, {context.settings.flips:,} drawn"
    for (name, model, n), p, holm in zip(where, p_values, adjusted, strict=True):
        made.append(context.plain(name, model, "p", p, n, says))
        made.append(context.plain(name, model, "p Holm", holm, n, f"Holm over {len(p_values)} tests; {says}"))
    return made


# ---------------------------------------------------------------- agreement


def agreement_measures(scale: RatingScale) -> dict[str, Callable[[Any], agreement.Agreement]]:
    """The coefficients that stand side by side, by metric."""
    values = [float(value) for value in scale.values]
    return {
        "raw agreement": lambda table: agreement.raw(table, values),
        "adjacent agreement": lambda table: agreement.raw(table, values, 1.0),
        "alpha ordinal": lambda table: agreement.krippendorff(table, values, "ordinal"),
        "AC2 ordinal": lambda table: agreement.gwet(table, values, "ordinal"),
        "alpha nominal": lambda table: agreement.krippendorff(table, values, "nominal"),
        "alpha interval": lambda table: agreement.krippendorff(table, values, "interval"),
        "Fleiss kappa": lambda table: agreement.fleiss(table, values),
    }


WITH_INTERVAL = ("raw agreement", "adjacent agreement", "alpha ordinal", "AC2 ordinal")
"""Coefficients that are given with a bootstrap interval over questions."""


def agreements(context: Context) -> list[Figure]:
    """How far people agree in each dimension, and how often they gave the most frequent score."""
    made = []
    seed, resamples = context.settings.seed, context.settings.resamples
    for dimension in context.scale.dimensions:
        cells = people(context.ratings, dimension.id)
        table, questions = matrix(cells)
        for metric, measure in agreement_measures(context.scale).items():
            if metric in WITH_INTERVAL:
                found = agreement.with_interval(measure, table, questions, resamples, seed)
                method = found.note or f"bootstrap over {len(set(questions))} questions, {resamples} resamples"
            else:
                found = measure(table)
                method = found.note
            estimate = stats.Estimate(found.value, found.low, found.high, found.items, method)
            made.append(context.figure(dimension.id, PEOPLE, metric, estimate))
        counts = [sum(cell.value == value for cell in cells) for value in context.scale.values]
        share = max(counts) / len(cells) if cells else None
        made.append(context.plain(dimension.id, PEOPLE, "most frequent score", share, len(cells), "share of ratings"))
    return made


# ---------------------------------------------------------------- mixed model

SEPARATED = 12.0
"""Effect in logits beyond which two models' scores do not overlap: odds of 160,000 to 1. The likelihood then rises
without end, and what the fit stopped at says nothing."""

NO_FINITE = "no finite estimate: the scores of the two models do not overlap"
"""Method of a mixed model's effect that has no number."""


def mixed(context: Context) -> list[Figure]:
    """The mixed model's effects of models and annotators in each dimension, in logits; without, the reason."""
    made: list[Figure] = []
    for dimension in context.scale.dimensions:
        cells = people(context.ratings, dimension.id)
        try:
            made += _fitted(context, dimension.id, cells)
        except (clmm.FitError, np.linalg.LinAlgError) as error:
            made.append(context.plain(dimension.id, PEOPLE, "effect", None, len(cells), f"not fitted: {error}"))
    return made


def _fitted(context: Context, name: str, cells: Cells) -> Iterable[Figure]:
    if not cells:
        raise clmm.FitError("there are no ratings")
    columns = [list(column) for column in zip(*cells, strict=True)]
    questions, models, annotators, values = columns
    data, known, names = clmm.coded(values, models, questions, annotators, context.settings.against)
    found = clmm.fit(data)
    method = f"cumulative-link mixed model, Laplace, log-likelihood {found.log_likelihood:.4f}"
    n = len(cells)
    made = []
    for model, effect, error in zip(known[1:], found.effects, found.errors, strict=True):
        half = stats.Z * error
        estimate = stats.Estimate(effect, effect - half, effect + half, n, method)
        if abs(effect) > SEPARATED:
            estimate = stats.Estimate(None, None, None, n, NO_FINITE)
        made.append(context.figure(name, f"{model} - {known[0]}", "effect", estimate))
    for annotator, effect in zip(names, found.annotators, strict=True):
        made.append(context.plain(name, annotator, "leniency effect", effect, n, method))
    for metric, value in zip(("question SD", "annotator SD"), found.deviations, strict=True):
        made.append(context.plain(name, PEOPLE, metric, value, n, method))
    return made
