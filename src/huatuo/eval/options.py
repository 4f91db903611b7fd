"""Exam questions answered by the log-probabilities of their options: what is weighed, and the weights as a response.

Three ways. ``letters``: the labels. ``options``: the texts of the options. ``subsets``: every set of labels of a
multiple-answer question, written as it would be answered (``ABD``), with the end token, so that ``A`` does not carry
the weight of ``AB``. No torch here: token ids are planned by the model's `branches` and computed by its `logprobs_of`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from huatuo.errors import ModelError
from huatuo.eval.prompting import Wording
from huatuo.llm.base import Branches, Model, Reply, Weights
from huatuo.recipe import AskSettings
from huatuo.records import Likelihood, Message, Option, Question
from huatuo.store import canonical_json

CONTENT_FREE = ("N/A", "[MASK]", "")
"""What stands for the question where a model's leaning to a label is measured (Zhao et al., arXiv 2102.09690)."""

WAYS = ("letters", "options", "subsets")
"""The ways of answering by weights."""

MOST_OPTIONS = 10
"""Options of a question whose subsets are weighed: 1,023 of them."""


@dataclass(frozen=True)
class Weighing:
    """One question that is answered by weights."""

    question: Question
    messages: tuple[Message, ...]
    """The question as it is asked."""
    content_free: tuple[tuple[Message, ...], ...] = ()
    """The same with nothing asked, for the contextual calibration."""
    unconditional: tuple[Message, ...] = ()
    """The chat format around an empty question, for the pointwise mutual information."""
    way: str = "letters"
    """letters, options or subsets."""
    examples: tuple[str, ...] = ()
    """Ids of the worked examples before it: what is asked after the same ones is computed together."""

    @property
    def texts(self) -> list[tuple[tuple[str, ...], str]]:
        """What is weighed: the labels that a text stands for, and the text."""
        return texts_of(self.question, self.way)


def weighing(settings: AskSettings, wording: Wording, question: Question) -> Weighing | None:
    """What is weighed to answer a question; None where its answer is generated."""
    if settings.answer == "generation" or question.kind not in ("single", "multiple"):
        return None
    way = "subsets" if question.kind == "multiple" else settings.answer
    against = compared(settings, way)
    free = [blank(question, way, stem) for stem in CONTENT_FREE] if "calibration" in against else []
    return Weighing(
        question,
        wording.messages(question)[0],
        tuple(wording.messages(one)[0] for one in free),
        (Message(role="user", content=""),) if "pmi" in against else (),
        way,
        tuple(example.id for example in wording.examples(question)),
    )


def texts_of(question: Question, way: str) -> list[tuple[tuple[str, ...], str]]:
    """The labels and the text of everything that is weighed, in the order of the options, small sets first."""
    if way == "options":
        return [((option.label,), option.text) for option in question.options]
    labels = [option.label for option in question.options]
    sizes = range(1, len(labels) + 1) if way == "subsets" else (1,)
    return [(chosen, "".join(chosen)) for size in sizes for chosen in combinations(labels, size)]


def blank(question: Question, way: str, stem: str) -> Question:
    """The question with nothing asked: a content-free stem, and where labels are weighed, options that say no more."""
    options = question.options
    if way != "options":
        options = tuple(Option(label=option.label, text=stem) for option in options)
    return question.model_copy(update={"stem": stem, "options": options})


def identity(settings: AskSettings, way: str) -> str:
    """How the weights are made, as canonical JSON: part of a response's identity."""
    return canonical_json({"answer": way, "compare": compared(settings, way), "end": way == "subsets"})


def compared(settings: AskSettings, way: str) -> list[str]:
    """What the weights are compared with: calibration for every way, pmi for texts of options only."""
    return [name for name in ("calibration", "pmi") if name in settings.compare and (name != "pmi" or way == "options")]


def weigh(asked: Sequence[Weighing], model: Model) -> Iterator[tuple[int, Reply, tuple[Likelihood, ...]]]:
    """Index, reply and likelihoods of each question; the reply's text is the likeliest text, or it says what failed.

    Questions with the same worked examples are computed in one call, so that these are computed once. Raises ModelError
    where the model takes no token ids, or a weight is not a number.
    """
    together: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for index, one in enumerate(asked):
        problem = _problem(one)
        if problem:
            yield index, Reply(text="", finish_reason="error", error=problem), ()
        else:
            together[one.way, one.examples].append(index)
    for indexes in together.values():
        yield from _weigh_alike([(i, asked[i]) for i in indexes], model)


def _problem(one: Weighing) -> str:
    """Why a question cannot be weighed; empty where it can."""
    empty = [option.label for option in one.question.options if one.way == "options" and not option.text.strip()]
    if empty:
        return f"question {one.question.id}: option {empty[0]!r} is empty; expected a text; next: mend the exam"
    if one.way == "subsets" and len(one.question.options) > MOST_OPTIONS:
        return (
            f"question {one.question.id}: {len(one.question.options)} options have "
            f"{2 ** len(one.question.options) - 1:,} subsets; expected at most {MOST_OPTIONS} options; "
            "next: ask it by generation"
        )
    return ""


def _weigh_alike(
    asked: Sequence[tuple[int, Weighing]], model: Model
) -> Iterator[tuple[int, Reply, tuple[Likelihood, ...]]]:
    prompts: list[Branches] = []
    known: dict[tuple[tuple[Message, ...], tuple[str, ...]], int] = {}

    def planned(messages: tuple[Message, ...], texts: tuple[str, ...], end: bool) -> int:
        """Index of a prompt of the call; the same prompt stands there once."""
        place = known.get((messages, texts))
        if place is None:
            place = known[messages, texts] = len(prompts)
            prompts.append(model.branches(messages, texts, end))
        return place

    plans: list[tuple[int, list[int], list[int]]] = []
    for _, one in asked:
        texts, end = tuple(text for _, text in one.texts), one.way == "subsets"
        content_free = [planned(messages, texts, end) for messages in one.content_free]
        unconditional = [planned(one.unconditional, texts, end)] if one.unconditional else []
        plans.append((planned(one.messages, texts, end), content_free, unconditional))
    found: dict[int, Weights] = {}
    found.update(_computed(prompts, sorted({own for own, _, _ in plans}), model))
    found.update(_computed(prompts, sorted({p for _, free, _ in plans for p in free} - found.keys()), model))
    found.update(_computed(prompts, sorted({p for _, _, none in plans for p in none} - found.keys()), model))
    for (index, one), (own, content_free, unconditional) in zip(asked, plans, strict=True):
        error = next((found[p].error for p in (own, *content_free, *unconditional) if found[p].error), "")
        size = len(prompts[own].prefix)
        if error:
            yield index, Reply(text="", finish_reason="error", error=error, prompt_tokens=size), ()
            continue
        free, none = [found[p].logprobs for p in content_free], [found[p].logprobs for p in unconditional]
        weights = _likelihoods(one, prompts[own], found[own].logprobs, free, none)
        best = max(weights, key=lambda weight: weight.logprob)
        yield index, Reply(text=best.text, prompt_tokens=size, completion_tokens=best.tokens), weights


def _computed(prompts: Sequence[Branches], places: Sequence[int], model: Model) -> Iterator[tuple[int, Weights]]:
    """Place and weights of some of the prompts; each sort of prompt in a call of its own, for what they share."""
    seen = 0
    for number, weights in model.logprobs_of([prompts[place] for place in places]) if places else ():
        seen += 1
        yield places[number], weights
    if seen != len(places):
        raise ModelError(
            f"model {model.name}: {len(places) - seen} of {len(places)} prompts got no log-probabilities; expected one "
            "answer each; a defect of it"
        )


def _likelihoods(
    one: Weighing,
    own: Branches,
    logprobs: Sequence[float],
    free: Sequence[Sequence[float]],
    none: Sequence[Sequence[float]],
) -> tuple[Likelihood, ...]:
    return tuple(
        Likelihood(
            labels=labels,
            text=text,
            tokens=len(own.continuations[i]),
            logprob=logprobs[i],
            content_free=_log_mean([values[i] for values in free]) if free else None,
            unconditional=none[0][i] if none else None,
            straddled=i < len(own.straddled) and own.straddled[i],
        )
        for i, (labels, text) in enumerate(one.texts)
    )


def _log_mean(values: Sequence[float]) -> float:
    """Log of the mean of probabilities given by their logs."""
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values) / len(values))
