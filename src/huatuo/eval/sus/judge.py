"""A model as one more annotator: the same anchors as people have, one reply an answer, kept apart from theirs."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from huatuo.errors import ModelError
from huatuo.eval.sus.order import Slot
from huatuo.eval.sus.results import LLM
from huatuo.eval.sus.scales import Code, RatingScale
from huatuo.eval.sus.store import Given, Place, StudyStore
from huatuo.llm import prompts
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.scored import read_scores
from huatuo.progress import bar
from huatuo.records import Message

MAX_TOKENS = 256
"""Longest reply: an object of a few numbers."""


class Judged(NamedTuple):
    """What a model that rates gave."""

    annotator: str
    """Its name among the annotators."""
    answers: int
    """Answers that it was asked about."""
    unparsed: Counter[str]
    """Replies that hold no scores, by reason."""


def rate(store: StudyStore, scale: RatingScale, model: Model) -> Judged:
    """Ask ``model`` for the scores of every answer and keep them in the store; asking again writes over them.

    Raises ModelError where no reply can be read, and what the model raises when going on is useless.
    """
    annotator = LLM + model.name
    places = _seated(store, annotator)
    language: Code = "en" if store.study().language == "en" else "zh"
    talks = [(Message(role="user", content=prompt(place, scale, language)),) for place in places]
    ratings: list[Given] = []
    reasons: Counter[str] = Counter()
    with bar("rate", total=len(places), unit="answers") as shown:
        for index, reply in model.chat(talks, Sampling(max_tokens=MAX_TOKENS)):
            given, why = _given(places[index], reply, scale)
            ratings += given
            if why:
                reasons[why.split(":")[0][:60]] += 1
            shown.advance()
    if places and sum(reasons.values()) == len(places):
        raise ModelError(
            f"{annotator}: none of {len(places)} replies holds scores ({reasons.most_common(1)[0][0]}); "
            "expected one JSON object each; nothing was kept; next: ask it one question by hand"
        )
    store.save(ratings)
    return Judged(annotator, len(places), reasons)


def _seated(store: StudyStore, annotator: str) -> list[Place]:
    """The answers that the model rates, each once; its places are made the first time."""
    every = store.places()
    if not any(place.annotator == annotator for place in every):
        items = {place.item.key: place.item for place in every if place.part == "rating"}
        slots = [(Slot("rating", item.question_id, item.model), key) for key, item in sorted(items.items())]
        store.seat({annotator: slots})
        every = store.places()
    return [place for place in every if place.annotator == annotator]


def prompt_id(language: Code) -> str:
    """Name of the prompt file."""
    return f"sus_rating.{language}"


def prompt(place: Place, scale: RatingScale, language: Code) -> str:
    """What the model is asked about one answer."""
    dimensions = [
        {
            "id": d.id,
            "name": d.name.said(language),
            "asks": d.asks.said(language),
            "anchors": [(value, d.anchors[value].said(language)) for value in scale.values],
        }
        for d in scale.dimensions
    ]
    whole = "整数" if language == "zh" else "integer"
    shape = "{" + ", ".join(f'"{d.id}": {whole}' for d in scale.dimensions) + "}"
    block = {"question": place.item.question, "answer": place.item.answer}
    guideline = scale.guideline.said(language).strip()
    return prompts.load(prompt_id(language)).render(block, guideline=guideline, dimensions=dimensions, shape=shape)


def _given(place: Place, reply: Reply, scale: RatingScale) -> tuple[list[Given], str]:
    """The ratings of a reply, and why it has none."""
    if reply.finish_reason != "stop":
        why, values = f"the reply ended with {reply.finish_reason}", None
    else:
        values, why = read_scores(reply.text, {d.id: scale.values for d in scale.dimensions})
    unscored = f"unparsed: {why}"[:300] if why else ""
    time = reply.time
    return [
        Given(place.blind, d.id, values[d.id] if values else None, unscored, time=time) for d in scale.dimensions
    ], why
