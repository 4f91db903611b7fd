"""The ratings of a study as records, with the models' names put back."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from huatuo.eval.sus.scales import RatingScale
from huatuo.eval.sus.store import StudyStore
from huatuo.records_rated import Rating
from huatuo.store import content_id

LLM = "llm:"
"""Beginning of the name of an annotator that is a model."""

NOT_RETURNED = "not returned"
"""Why a rating is missing whose row never came back."""


def records(store: StudyStore, scale: RatingScale) -> list[Rating]:
    """One record for every place and dimension, in the order of the sheets; what did not come back has its reason."""
    given = store.ratings()
    found = []
    for place in store.places():
        expected = json.loads(place.item.expected) if place.item.expected else {}
        for dimension in scale.dimensions:
            rating = given.get((place.blind, dimension.id))
            found.append(
                Rating(
                    id=content_id("rating", place.blind, dimension.id),
                    item=place.blind,
                    annotator=place.annotator,
                    by="model" if place.annotator.startswith(LLM) else "human",
                    part=place.part,
                    position=place.position,
                    dimension=dimension.id,
                    value=rating.value if rating else None,
                    unscored=rating.unscored if rating else NOT_RETURNED,
                    expected=expected.get(dimension.id),
                    question_id=place.item.question_id,
                    response_id=place.item.response_id,
                    model=place.item.model,
                    seconds=rating.seconds if rating else None,
                    time=rating.time if rating else "",
                    note=rating.note if rating else "",
                )
            )
    return found


class Cell(NamedTuple):
    """One score of one person, the first time the answer was seen."""

    question: str
    """Question id."""
    model: str
    """Model."""
    annotator: str
    """Who."""
    value: float
    """The score, or what was computed from several."""


Cells = list[Cell]


def people(ratings: Iterable[Rating], dimension: str) -> Cells:
    """The scores that people gave in a dimension; duplicates, training, attention items and models that rate are not
    among them."""
    return [
        Cell(r.question_id, r.model, r.annotator, float(r.value))
        for r in ratings
        if r.by == "human" and r.part == "rating" and r.dimension == dimension and r.value is not None
    ]


def matrix(cells: Sequence[Cell]) -> tuple[npt.NDArray[np.float64], list[str]]:
    """(ratings (item, annotator) with NaN for none, the question of each item); items are answers, sorted."""
    items = sorted({(cell.question, cell.model) for cell in cells})
    names = sorted({cell.annotator for cell in cells})
    row, column = {item: i for i, item in enumerate(items)}, {name: i for i, name in enumerate(names)}
    table = np.full((len(items), len(names)), np.nan)
    for cell in cells:
        table[row[cell.question, cell.model], column[cell.annotator]] = cell.value
    return table, [question for question, _ in items]


def joined(first: Cells, second: Cells) -> list[tuple[Cell, Cell]]:
    """The scores of two dimensions by the same person of the same answer."""
    known = {(cell.question, cell.model, cell.annotator): cell for cell in second}
    return [(cell, known[cell[:3]]) for cell in first if cell[:3] in known]


def paired(cells: Sequence[Cell], first: str, second: str) -> Cells:
    """``first - second``, by question and annotator: people are compared with themselves."""
    values = {cell[:3]: cell.value for cell in cells}
    found = []
    for question, model, annotator in values:
        other = values.get((question, second, annotator))
        if model == first and other is not None:
            own = values[question, model, annotator]
            found.append(Cell(question, f"{first} - {second}", annotator, own - other))
    return found


def by_question(cells: Sequence[Cell]) -> list[float]:
    """The mean over annotators of each question, sorted by question."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        grouped[cell.question].append(cell.value)
    return [float(np.mean(grouped[question])) for question in sorted(grouped)]
