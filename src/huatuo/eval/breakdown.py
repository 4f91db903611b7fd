"""An exam's score by subject, by type of question and by year: each part with interval and baselines of its own.

A part is scored by the metric that leads its own questions: where labels are weighed, single-answer questions by
`letters` and multiple-answer ones by `subsets`. Parts are for looking; no test compares them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from huatuo.records import Figure, Question
from huatuo.records_scored import PartFigure

By = Literal["subject", "question_type", "kind", "year"]

MOST_PARTS = 200
"""Parts of one kind that are told apart; an exam with more has an id in that field, and no part of it says anything."""

Values = Mapping[tuple[str, Any, str], Mapping[str, float | None]]
"""Values of the responses by question id, for each group, metric and model."""


def parts(
    groups: Mapping[str, Sequence[Question]],
    values: Values,
    metrics: Sequence[Any],
    measure: Callable[[str, Any, str, Sequence[Question], Mapping[str, float | None]], Figure],
    guess: Callable[[str, Any, Sequence[Question]], Iterable[Figure]],
) -> Iterator[PartFigure]:
    """The figures of every part of every group that has at least two, models first, then what guessing gets.

    ``metrics``: those of right and wrong, the leading one first. ``measure``: the figure of a model. ``guess``: the
    baselines.
    """
    models = list(dict.fromkeys(model for _, _, model in values))
    for group, questions in groups.items():
        for by in get_args(By):
            members = _members(questions, by)
            if not 1 < len(members) <= MOST_PARTS:
                continue
            for part, own in members.items():
                for figure in _figures(group, own, models, values, metrics, measure, guess):
                    yield PartFigure(**figure.model_dump(), by=by, part=part)


def _members(questions: Sequence[Question], by: By) -> dict[str, list[Question]]:
    """The questions by what they say in a field, the largest part first, years in their order; what says nothing is a
    part without a name."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        found[getattr(question, by)].append(question)
    return dict(sorted(found.items(), key=lambda item: (0 if by == "year" else -len(item[1]), item[0])))


def _figures(
    group: str,
    questions: Sequence[Question],
    models: Sequence[str],
    values: Values,
    metrics: Sequence[Any],
    measure: Callable[..., Figure],
    guess: Callable[..., Iterable[Figure]],
) -> Iterator[Figure]:
    ids = {question.id for question in questions}
    for metric in metrics:
        own = {m: kept for m in models if (kept := _of(values.get((group, metric, m), {}), ids))}
        if not own:
            continue
        for model, scored in own.items():
            yield measure(group, metric, model, questions, scored)
        yield from guess(group, metric, [q for q in questions if any(q.id in scored for scored in own.values())])
        return


def _of(scored: Mapping[str, float | None], ids: set[str]) -> dict[str, float | None]:
    return {question: value for question, value in scored.items() if question in ids}
