"""How likely a model finds the right answers to questions: a loss on the same texts for every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from huatuo.errors import ModelError
from huatuo.llm.base import Model
from huatuo.progress import bar
from huatuo.records import Message, Question


class Loss(NamedTuple):
    """The loss of one right answer."""

    total: float
    """Sum of the negative log-likelihoods (natural) of its tokens, the end token among them."""
    tokens: int
    """How many these are."""


def answer_losses(model: Model, questions: Sequence[Question]) -> dict[str, Loss]:
    """The loss of each question's reference answer, by the question's id; questions without one have none.

    Raises ModelError where the model cannot weigh an answer.
    """
    asked = [question for question in questions if question.reference]
    prompts = [
        model.branches([Message(role="user", content=question.stem)], [question.reference], end=True)
        for question in asked
    ]
    found: dict[str, Loss] = {}
    with bar("loss of right answers", len(prompts), "answers") as running:
        for index, weights in model.logprobs_of(prompts):
            if weights.error:
                raise ModelError(f"{model.name}: question {asked[index].id}: {weights.error}")
            found[asked[index].id] = Loss(-weights.logprobs[0], len(prompts[index].continuations[0]))
            running.advance()
    return found
