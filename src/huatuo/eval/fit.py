"""Prompts that a model's positions do not hold: where the recipe says so, the text before the question is shortened.

Whole sentences are left out, at the end or at the beginning of the text, as few as need be; question, options and
worked examples stay whole. What is still too long fails as it did before: nothing is ever cut without a count.
"""

from __future__ import annotations

from typing import NamedTuple

from huatuo.eval import options
from huatuo.eval.prompting import Asked, Wording
from huatuo.llm.base import Model
from huatuo.recipe import AskSettings
from huatuo.records import Question
from huatuo.text.segment import sentences


class Worded(NamedTuple):
    """A question as one model is asked it."""

    question: Question
    """The question as its exam has it."""
    asked: Asked
    """Messages, prompt id, prompt hash."""
    weighing: options.Weighing | None
    """What is weighed, where the answer is not generated."""
    left_out: int = 0
    """Sentences of its text that are left out."""
    sentences: int = 0
    """Sentences of its text, where some are left out."""


def worded(settings: AskSettings, wording: Wording, question: Question) -> Worded:
    """The question as every model with room enough is asked it."""
    return Worded(question, wording.messages(question), options.weighing(settings, wording, question))


def fitted(settings: AskSettings, wording: Wording, one: Worded, model: Model) -> Worded:
    """The question with so many sentences of its text as the model's positions hold together with the answer.

    It is given back as it is where the recipe wants no cut, nobody knows the positions, it fits, it has no text to
    shorten, or even without any text it does not fit.
    """
    if settings.overlong == "refuse" or not one.question.context_chars or model.positions is None:
        return one
    if fits(settings, one, model, model.positions):
        return one
    text = one.question.stem[: one.question.context_chars]
    spans = sentences(text, one.question.language)
    low, best = 0, one
    high = len(spans) - 1
    while low <= high:
        kept = (low + high) // 2
        shorter = _shortened(one.question, spans, kept, settings.overlong == "cut_end")
        found = worded(settings, wording, shorter)
        if fits(settings, found, model, model.positions):
            best, low = (
                found._replace(question=one.question, left_out=len(spans) - kept, sentences=len(spans)),
                kept + 1,
            )
        else:
            high = kept - 1
    return best


def fits(settings: AskSettings, one: Worded, model: Model, positions: int) -> bool:
    """Whether prompt and longest answer are no longer than the model's positions."""
    messages, weighing = one.asked[0], one.weighing
    if weighing is None:
        return len(model.branches(messages, (), False).prefix) + settings.max_tokens <= positions
    found = model.branches(messages, [text for _, text in weighing.texts], weighing.way == "subsets")
    return len(found.prefix) + max(map(len, found.continuations)) <= positions


def _shortened(question: Question, spans: list[tuple[int, int]], kept: int, at_end: bool) -> Question:
    """The question with ``kept`` sentences of its text: the first ones, or the last ones."""
    text, asked = question.stem[: question.context_chars], question.stem[question.context_chars :]
    if kept:
        left = text[: spans[kept - 1][1]].rstrip() if at_end else text[spans[-kept][0] :]
        return question.model_copy(update={"stem": left + asked, "context_chars": len(left)})
    return question.model_copy(update={"stem": asked.lstrip(), "context_chars": 0})
