"""The figures about annotators: severity, consistency with themselves, attention, training, time; and models that rate.

A model that rates is an annotator apart: how far it agrees with people, and its bias, stand beside its own means, and
no mean of people holds its scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median, median_low

import numpy as np

from huatuo.eval import agreement, stats
from huatuo.eval.sus.analysis import Context, Settings
from huatuo.eval.sus.results import NOT_RETURNED, Cell, people
from huatuo.eval.sus.scales import RatingScale
from huatuo.records import Figure
from huatuo.records_rated import Rating


def figures(ratings: Sequence[Rating], scale: RatingScale, settings: Settings) -> list[Figure]:
    """The figures about every annotator, those that the means leave out among them."""
    whole = Context(tuple(ratings), scale, settings)
    kept = Context(tuple(r for r in ratings if r.annotator not in settings.exclude), scale, settings)
    made = []
    for annotator in sorted({r.annotator for r in ratings if r.by == "human"}):
        own = [r for r in ratings if r.annotator == annotator]
        made += [*_work(whole, annotator, own), *_checks(whole, annotator, own)]
    made += severities(whole)
    for annotator in sorted({r.annotator for r in ratings if r.by == "model"}):
        made += _model(kept, annotator)
    return made


def _work(context: Context, annotator: str, own: Sequence[Rating]) -> list[Figure]:
    """How much was rated, how much could not be, and the median time."""
    real = [r for r in own if r.part == "rating"]
    made = []
    for metric in ("cannot judge", "left empty", NOT_RETURNED):
        count = sum(r.unscored == metric for r in real)
        made.append(context.plain("annotators", annotator, metric, count / len(real), len(real), "share of ratings"))
    times = list({r.item: r.seconds for r in own if r.seconds is not None and r.part != "training"}.values())
    value = float(median(times)) if times else None
    made.append(context.plain("annotators", annotator, "seconds", value, len(times), "median over items"))
    return made


def _checks(context: Context, annotator: str, own: Sequence[Rating]) -> list[Figure]:
    """Attention and training items, and the same answer seen twice."""
    made = []
    for part in ("attention", "training"):
        asked = [r for r in own if r.part == part and r.value is not None]
        right = [float(r.value == r.expected) for r in asked]
        made.append(context.figure("annotators", annotator, part, _share(right)))
    first = {(r.response_id, r.dimension): r.value for r in own if r.part == "rating" and r.value is not None}
    again = [
        abs(r.value - first[r.response_id, r.dimension])
        for r in own
        if r.part == "duplicate" and r.value is not None and (r.response_id, r.dimension) in first
    ]
    for metric, most in (("same the second time", 0), ("within one the second time", 1)):
        made.append(context.figure("annotators", annotator, metric, _share([float(gap <= most) for gap in again])))
    return made


def _share(values: Sequence[float]) -> stats.Estimate:
    return stats.proportion(values, [[str(place) for place in range(len(values))]], 0, 0)


def severities(context: Context) -> list[Figure]:
    """How far above or below the others each person rates the same answers, in points of the scale."""
    made = []
    span = context.ends[1] - context.ends[0]
    for dimension in context.scale.dimensions:
        cells = people(context.ratings, dimension.id)
        items: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        for cell in cells:
            items[cell.question, cell.model].append(cell)
        apart: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for (question, _), members in items.items():
            total = sum(cell.value for cell in members)
            for cell in members if len(members) > 1 else ():
                others = (total - cell.value) / (len(members) - 1)
                apart[cell.annotator].append((question, cell.value - others))
        for annotator, found in sorted(apart.items()):
            questions, values = [question for question, _ in found], [value for _, value in found]
            estimate = stats.crossed_mean(values, [questions], (-span, span))
            made.append(context.figure(dimension.id, annotator, "leniency", estimate))
    return made


# ---------------------------------------------------------------- models that rate


def _model(context: Context, annotator: str) -> list[Figure]:
    """What a model that rates agrees with people on, its bias, its means, and the answers it gave no score for."""
    made = []
    low, high = context.ends
    for dimension in context.scale.dimensions:
        own = [r for r in context.ratings if r.annotator == annotator and r.dimension == dimension.id]
        scored = {(r.question_id, r.model): float(r.value) for r in own if r.value is not None}
        lost = len(own) - len(scored)
        by_item: dict[tuple[str, str], list[float]] = defaultdict(list)
        for cell in people(context.ratings, dimension.id):
            by_item[cell.question, cell.model].append(cell.value)
        both = [item for item in sorted(scored) if item in by_item]
        questions = [question for question, _ in both]
        gaps = [scored[item] - float(np.mean(by_item[item])) for item in both]
        bias = stats.crossed_mean(gaps, [questions], (low - high, high - low))
        made.append(context.figure(dimension.id, annotator, "bias", bias, lost))
        table = np.array([[scored[item], median_low(by_item[item])] for item in both]).reshape(-1, 2)
        made += _with_people(context, dimension.id, annotator, table, questions)
        for model in context.models:
            items = [item for item in scored if item[1] == model]
            mean = stats.crossed_mean([scored[i] for i in items], [[i[0] for i in items]], context.ends)
            unscored = sum(r.model == model and r.value is None for r in own)
            made.append(context.figure(dimension.id, model, f"mean by {annotator}", mean, unscored))
        made.append(_yardstick(context, dimension.id))
    reasons = [r for r in context.ratings if r.annotator == annotator and r.unscored.startswith("unparsed")]
    count = float(len({r.item for r in reasons}))
    asked = len({r.item for r in context.ratings if r.annotator == annotator})
    return [*made, context.plain("annotators", annotator, "unparsed replies", count, asked, "count")]


def _with_people(
    context: Context, dimension: str, annotator: str, table: np.ndarray, questions: Sequence[str]
) -> list[Figure]:
    """Agreement of a model's scores with the people's lower median, which is a score of the scale."""
    values = [float(value) for value in context.scale.values]
    seed, resamples = context.settings.seed, context.settings.resamples
    made = []
    for metric, measure in (
        ("alpha with people", lambda t: agreement.krippendorff(t, values, "ordinal")),
        ("same as people", lambda t: agreement.raw(t, values)),
    ):
        found = agreement.with_interval(measure, table, questions, resamples, seed)
        method = found.note or f"bootstrap over {len(set(questions))} questions, {resamples} resamples"
        estimate = stats.Estimate(found.value, found.low, found.high, found.items, method)
        made.append(context.figure(dimension, annotator, metric, estimate))
    return made


def _yardstick(context: Context, dimension: str) -> Figure:
    """How far a person agrees with the lower median of the others, on average: what a model's agreement is held to."""
    values = [float(value) for value in context.scale.values]
    items: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in people(context.ratings, dimension):
        items[cell.question, cell.model].append(cell)
    found = []
    for name in sorted({cell.annotator for members in items.values() for cell in members}):
        rows = []
        for members in items.values():
            own = [cell.value for cell in members if cell.annotator == name]
            others = [cell.value for cell in members if cell.annotator != name]
            if own and others:
                rows.append([own[0], median_low(others)])
        if rows and (alpha := agreement.krippendorff(np.array(rows), values, "ordinal").value) is not None:
            found.append(alpha)
    mean = float(np.mean(found)) if found else None
    return context.plain(dimension, "people", "alpha of a person with the others", mean, len(found), "mean over people")
