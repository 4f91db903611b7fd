"""Scores of an answer to an open question: overlap with its reference, or the share of the reference that it says."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import huatuo
from huatuo.checks.support import Said, complete
from huatuo.eval import bleu_rouge, overlap
from huatuo.eval.overlap_profiles import PROFILES
from huatuo.recipe import ScoreSettings
from huatuo.records import Question
from huatuo.text.zh import normalise_for_comparison

Metric = Literal["bleu", "chrf", "rouge-l", "numbers", "facts"]

_MEANS = "|mean:sentences|unscored:0"
_STATEMENTS = re.compile(r"[。；;！!？?\n]+|\.(?=\s|$)")
_LEAST = 2
"""Letters of the shortest statement: the number of a list item says nothing."""


class Value(NamedTuple):
    """One score of one answer."""

    metric: Metric
    """What was measured."""
    value: float
    """From 0 to 1."""
    found: tuple[str, ...] = ()
    """numbers: those that the reference does not state. facts: the statements that the answer makes."""
    rule: str = ""
    """What found them."""


def signature(metric: Metric, settings: ScoreSettings) -> str:
    """Everything a score of this metric depends on besides question and answer."""
    if metric == "numbers":
        return overlap.NUMBERS_SIGNATURE + "|unscored:0"
    if metric == "facts":
        return f"metric:facts|checks.support.complete|statements:sentences|unscored:0|huatuo:{huatuo.__version__}"
    name = "bleu-4" if metric == "bleu" else metric
    return bleu_rouge.signature(name, PROFILES[settings.profile]) + _MEANS


def metrics(question: Question, settings: ScoreSettings) -> list[Metric]:
    """The metrics of an open or knowledge question in the order of the tables; none where a judge is to score it."""
    if question.scorer == "facts":
        return ["facts"]
    if question.scorer == "judge":
        return []
    names: tuple[tuple[str, Metric], ...] = (
        ("bleu", "bleu"), ("chrf", "chrf"), ("rouge", "rouge-l"), ("numbers", "numbers"),
    )  # fmt: skip
    return [metric for setting, metric in names if setting in settings.overlap]


def value(metric: Metric, answer: str, reference: str, settings: ScoreSettings) -> Value:
    """The score of an answer by one metric.

    Raises ValueError for an empty reference, MissingExtraError where the profile's package is absent.
    """
    profile = PROFILES[settings.profile]
    if metric == "bleu":
        return Value(metric, bleu_rouge.sentence_bleu(answer, reference, profile)[3])
    if metric == "chrf":
        return Value(metric, bleu_rouge.chrf([answer], [reference]))
    if metric == "rouge-l":
        return Value(metric, bleu_rouge.rouge_l(answer, reference, profile))
    if metric == "numbers":
        wrong = tuple(map(str, overlap.wrong_numbers(answer, reference)))
        return Value(metric, float(not wrong), wrong, "checks.numbers")
    wanted = statements(reference)
    spoken = normalise_for_comparison(answer)
    said = tuple(one for one in wanted if _is_said(one, answer, spoken))
    return Value(metric, len(said) / len(wanted), said, "checks.support")


def _is_said(statement: str, answer: str, spoken: str) -> bool:
    """Whether an answer makes a statement: word for word, or all its numbers and nearly all its words."""
    return normalise_for_comparison(statement) in spoken or complete(answer, [Said("", statement)])


def statements(reference: str) -> list[str]:
    """The sentences of a reference, each a statement that an answer may make; the whole of one without sentences.

    Raises ValueError for an empty one.
    """
    if not reference.strip():
        raise ValueError("the reference is empty, so nothing can be compared with it")
    found = [part.strip() for part in _STATEMENTS.split(reference)]
    return [part for part in found if sum(map(str.isalpha, part)) >= _LEAST] or [reference.strip()]
