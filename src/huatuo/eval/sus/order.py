"""Who rates what in which order: a pure function of the seed and the names, so that a study can be made again.

Every annotator has an order of their own. It goes in rounds; a round has every question once, and each model equally
often, so that neither fatigue nor a neighbour favours a model. Answers to one question are half a round apart at least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from huatuo.store import content_id

Part = Literal["training", "rating", "duplicate", "attention"]


class Slot(NamedTuple):
    """One place of an annotator's order."""

    part: Part
    """What it is for."""
    question: str
    """Question id; the number of a training or attention item."""
    model: str
    """Model; empty for training and attention items."""


class Plan(NamedTuple):
    """How a study is held."""

    annotators: tuple[str, ...]
    """People."""
    each: int
    """Annotators of each question."""
    duplicates: float
    """Share of an annotator's answers that come twice."""
    training: int
    """Training items."""
    attention: int
    """Attention items."""
    seed: int
    """Seed."""


def _generator(seed: int, *names: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(int(content_id("sus order", str(seed), *names), 16)))


def raters(questions: Sequence[str], annotators: Sequence[str], each: int) -> dict[str, list[str]]:
    """The questions of each annotator: every question goes to ``each`` of them, and their loads differ by one at most.

    All of a question's answers go to the same annotators, so that models are compared within them.
    """
    loads: dict[str, list[str]] = {annotator: [] for annotator in annotators}
    for number, question in enumerate(questions):
        for turn in range(each):
            loads[annotators[(number * each + turn) % len(annotators)]].append(question)
    return loads


def order(plan: Plan, annotator: str, questions: Sequence[str], models: Sequence[str]) -> list[Slot]:
    """The slots of one annotator in order, training items first."""
    rng = _generator(plan.seed, annotator)
    slots = _rounds(rng, questions, models)
    slots = _with_duplicates(rng, slots, models, math.ceil(plan.duplicates * len(slots)))
    spread = np.linspace(0, len(slots), plan.attention + 2)[1:-1]
    for number in reversed(range(plan.attention)):
        near = int(spread[number] + rng.integers(-2, 3))
        slots.insert(min(max(near, 1), len(slots)), Slot("attention", str(number), ""))
    return [Slot("training", str(number), "") for number in range(plan.training)] + slots


def _rounds(rng: np.random.Generator, questions: Sequence[str], models: Sequence[str]) -> list[Slot]:
    mixed = [questions[i] for i in rng.permutation(len(questions))]
    names = [models[i] for i in rng.permutation(len(models))]
    half = (len(mixed) + 1) // 2
    slots = []
    for turn in range(len(models)):
        # a question stays in its half of the round: two of its answers are half a round apart
        for start, end in ((0, half), (half, len(mixed))):
            for i in start + rng.permutation(end - start):
                slots.append(Slot("rating", mixed[i], names[(int(i) + turn) % len(names)]))
    return slots


def _with_duplicates(rng: np.random.Generator, slots: list[Slot], models: Sequence[str], count: int) -> list[Slot]:
    """The slots with ``count`` answers of the first half again in the last third, the models in turn."""
    first = [slots[i] for i in rng.permutation(len(slots) // 2)]
    by_model = {model: [slot for slot in first if slot.model == model] for model in models}
    chosen: list[Slot] = []
    while len(chosen) < count and any(by_model.values()):
        for model in models:
            if by_model[model] and len(chosen) < count:
                chosen.append(by_model[model].pop()._replace(part="duplicate"))
    made = list(slots)
    for slot in chosen:
        made.insert(int(rng.integers(2 * len(made) // 3, len(made) + 1)), slot)
    return made
