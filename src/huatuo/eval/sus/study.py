"""Making a study: which answers, who sees them in which order, and the sheets and pages that go out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huatuo.errors import InputError
from huatuo.eval.sus import answers as reading
from huatuo.eval.sus.order import Plan, Slot, order, raters
from huatuo.eval.sus.scales import Code, RatingScale, attention
from huatuo.eval.sus.store import Item, Study, StudyStore
from huatuo.records import Dropped
from huatuo.store import content_id, now


@dataclass(frozen=True)
class Made:
    """What a study holds."""

    models: tuple[str, ...]
    """Models."""
    questions: int
    """Questions that each of them answered."""
    loads: Mapping[str, int]
    """Items of each annotator, training, duplicates and attention items among them."""
    masked: int
    """Answers that named a model."""
    dropped: tuple[Dropped, ...]
    """What is not rated, and why."""


def make(
    source: Path, scale: RatingScale, plan: Plan, store: StudyStore, language: Code, hide: Sequence[str], count: int
) -> Made:
    """Write the study of a source's answers into its store: ``count`` questions (0: all), blind and mixed.

    Raises InputError for a source without answers, fewer annotators than each answer needs, a name that stands twice,
    or a study that is there already.
    """
    _check(plan)
    every, dropped = reading.load(source)
    every, masked = reading.masked(every, hide, language)
    models, whole, left_out = reading.complete(every)
    kept, left = reading.drawn(whole, count, plan.seed)
    items = _items(scale, plan, language, [whole[question][model] for question in kept for model in models])
    keys = {(item.question_id, item.model): key for key, item in items.items() if item.model}
    loads = raters(kept, plan.annotators, plan.each)
    orders: dict[str, list[tuple[Slot, str]]] = {
        annotator: [(slot, _key(slot, keys)) for slot in order(plan, annotator, loads[annotator], models)]
        for annotator in plan.annotators
    }
    study = Study("", scale.model_dump_json(), language, plan.seed, now())
    store.begin(study, items.values(), orders)
    return Made(
        models=tuple(models),
        questions=len(kept),
        loads={annotator: len(slots) for annotator, slots in orders.items()},
        masked=masked,
        dropped=(*dropped, *left_out, *left),
    )


def _check(plan: Plan) -> None:
    names = plan.annotators
    if len(set(names)) < len(names) or not all(name.strip() for name in names) or not names:
        raise InputError(f"annotators {', '.join(names)!r}: expected different names; next: give each person one name")
    if strange := [name for name in names if name.startswith("llm:") or any(c in name for c in '/\\:*?"<>|\0')]:
        raise InputError(f"annotator {strange[0]!r} cannot name a file; next: give a plain name")
    if not 1 <= plan.each <= len(names):
        raise InputError(
            f"each answer is to be rated by {plan.each} of {len(names)} annotators; expected 1 to {len(names)}"
        )


def _key(slot: Slot, keys: Mapping[tuple[str, str], str]) -> str:
    if slot.part in ("training", "attention"):
        return f"{slot.part} {slot.question}"
    return keys[slot.question, slot.model]


def _items(scale: RatingScale, plan: Plan, language: Code, answers: Sequence[reading.Answer]) -> dict[str, Item]:
    items = [
        Item(f"answer {number}", a.question_id, a.response_id, a.model, a.question, a.text)
        for number, a in enumerate(answers)
    ]
    for number, item in enumerate(scale.training[: plan.training]):
        asked, said, why = (words.said(language) for words in (item.question, item.answer, item.why))
        items.append(Item(f"training {number}", "", "", "", asked, said, json.dumps(item.expected), why))
    question, answer = attention()
    for number in range(plan.attention):
        # by hash, so that no two studies ask for the same scores
        draw = int(content_id("sus attention", str(plan.seed), str(number)), 16)
        value = scale.values[draw % len(scale.values)]
        expected = json.dumps({dimension.id: value for dimension in scale.dimensions})
        said = answer.said(language).replace("{value}", str(value))
        items.append(Item(f"attention {number}", "", "", "", question.said(language), said, expected))
    return {item.key: item for item in items}
