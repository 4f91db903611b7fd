"""Reading the chosen option out of an answer: labels with the rule and place that gave them, or the reason for none.

It never guesses. Statements of an answer ("the answer is D", "应选CD") are collected with their strength; statements
that are negated, conditional or undecided do not count; the strongest ones must agree, and a letter must agree with the
option text that stands with it. Weaker layers are read only where no statement is. Matching works on the folded text
(`choice_text`) without markup and without thoughts; spans point into the original text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from huatuo.eval import choice_asserted as asserted
from huatuo.eval import choice_weak as weak
from huatuo.eval.choice_options import OptionReader
from huatuo.eval.choice_patterns import DISAGREE, REFUSAL
from huatuo.eval.choice_singled import singled_out, singled_text
from huatuo.eval.choice_stated import bare, decided
from huatuo.eval.choice_text import Statement, View, asked_again, view_of
from huatuo.eval.choice_verdicts import verdicts
from huatuo.records import Option

RULES = "choice.v5"
"""Name of this set of rules in signatures; raised when an extraction changes."""

Kind = Literal["single", "multiple"]

UNENDED = "the thoughts never end"
"""Reason of an answer that is nothing but thoughts."""


@dataclass(frozen=True)
class Extraction:
    """What was read out of an answer."""

    labels: tuple[str, ...]
    """The chosen labels in the order of the options; empty where unscored."""
    rule: str
    """Rule that read them; empty where unscored."""
    span: tuple[int, int] | None
    """Half-open range of characters of the original text that decided."""
    unscored: str = ""
    """Why nothing could be read; empty where something was."""


LAYERS: tuple[tuple[Callable[[View, OptionReader, str], Statement | None], bool], ...] = (
    (bare, True),
    (decided, True),
    (verdicts, False),
    (weak.leading, False),
    (weak.run_of_labels, False),
    (weak.first_line, False),
    (weak.last_line, False),
    (weak.all_but, False),
    (weak.last_sentence, False),
    (weak.everything, False),
    (weak.declared, False),
    (weak.by_place, False),
    (asserted.bracketed, False),
    (asserted.itemised, False),
    (weak.copula, False),
    (singled_out, False),
    (asserted.by_text, True),
    (singled_text, False),
)
"""The layers in their order, the first that finds something decides; and whether one is read in a refusal as well."""


@lru_cache(maxsize=256)
def _reader(options: tuple[tuple[str, str], ...]) -> OptionReader:
    return OptionReader(options)


def extract(text: str, options: Sequence[Option], kind: Kind) -> Extraction:
    """The option or options that an answer chooses, or why none can be read.

    Only labels of these options are ever returned. A single-answer question with two chosen labels is unscored.
    """
    reader = _reader(tuple((option.label, option.text) for option in options))
    own = asked_again(text)
    if own and (head := _read(text[:own], reader, kind)).labels:
        return head
    return _read(text, reader, kind)


def _read(text: str, reader: OptionReader, kind: Kind) -> Extraction:
    """What is read out of one answer."""
    view = view_of(text)
    if not view.text.strip():
        return Extraction((), "", None, UNENDED if text.strip() else "empty answer")
    refused = bool(REFUSAL.search(view.text))
    layers = (layer for layer, in_refusal in LAYERS if in_refusal or not refused)
    found = next((one for layer in layers if (one := layer(view, reader, kind)) is not None), None)
    if found is None:
        return Extraction((), "", None, "refusal" if refused else "no option of this question is chosen")
    span = view.span(found.start, found.end)
    if found.trouble:
        return Extraction((), "", span, found.trouble)
    labels = tuple(label for label in reader.labels if label in found.labels)
    if asserted.speaks_against(view, reader, found):
        return Extraction((), "", span, DISAGREE)
    if kind == "single" and len(labels) > 1:
        return Extraction((), "", span, f"{len(labels)} options for a single-answer question")
    return Extraction(labels, found.rule, span)
