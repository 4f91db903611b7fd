"""From what a file states to a question that can be asked: options, right answers, kind. Nothing is guessed.

Labels stay as the source writes them (``BCDE`` is not ``ABCD``), never positions; the right answer is a set of labels.
An answer that cannot be right is dropped with its reason, and such a question is never asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from huatuo.recipe import ExamSource
from huatuo.records import Language, Option, Question
from huatuo.store import content_id
from huatuo.text.zh import language, normalise_for_comparison

Kind = Literal["single", "multiple", "open"]

KINDS: dict[str, Kind] = {
    "single": "single", "multiple": "multiple", "open": "open",
    "单选": "single", "单选题": "single", "单项选择题": "single", "最佳选择题": "single", "配伍选择题": "single",
    "多选": "multiple", "多选题": "multiple", "多项选择题": "multiple", "不定项选择题": "multiple",
    "问答题": "open", "简答题": "open",
}  # fmt: skip
"""What a file may call a kind of question. 综合分析选择题 is none: papers hold single and multiple ones of it."""

NO_ANSWER = frozenset(("", "nan", "none", "null", "n/a", "na", "-", "无"))
"""Cells that stand for no answer, in lower case; ``nan`` is what pandas writes for an empty cell."""

_SEPARATORS = re.compile(r"[\s,，、;；/|.。和与及&+]+")
_OPENING = re.compile(r"([A-Za-z])(?:[.．、:：)）]|[ \t])[ \t]*(?=\S)")
_LIKE_LABEL = re.compile(r"[A-Za-z][.．、:：)）]")
_CELL_LINES = re.compile(r"\\n|\r\n|\r|\n")


class Unfit(ValueError):
    """A record that no question can be made of: the rule and the reason."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule = rule


@dataclass(frozen=True)
class Item:
    """One question as its file states it."""

    place: str
    """Where it stands: ``line 12``, ``row 7``, ``record 3 QA_pairs[1]``."""
    stem: Any = ""
    """The question; held to be text when the question is made of it."""
    context: str = ""
    """The text to read at the beginning of the stem; empty where there is none."""
    kind: str = ""
    """What the file calls its kind; empty where it does not say."""
    options: tuple[tuple[str, str], ...] = ()
    """(label, text) in the source's order; blank ones are none."""
    stated: int = 0
    """Options that the file states, counted apart from the reading of them."""
    gold: Any = None
    """The right answer as the file writes it."""
    reference: Any = ""
    """Reference answer of an open question; held to be text likewise."""
    subject: str = ""
    """Subject or department."""
    question_type: str = ""
    """The source's own type of question: 最佳选择题, step 1."""
    year: str = ""
    """Year of the exam."""
    written_on: str = ""
    """Date it was sat."""
    section: str = ""
    """Name of the paper in a file that holds several."""
    about: str = ""
    """Name of what it asks about."""
    language: str = ""
    """Language that the file states."""
    kind_by_gold: bool = False
    """Whether the source has no other sign of the kind than the number of right answers."""
    unfit: Unfit | None = None
    """Why nothing can be made of it."""
    excerpt: str = ""
    """Beginning of it, for a person to look at."""


class Checked(NamedTuple):
    """A question, and what was put right on the way."""

    question: Question
    notes: tuple[str, ...]
    """``gold in lower case``, ``gold in full width``, ``gold not in order``, ``one label to a multiple``,
    ``options alike``, ``labels not from A``, ``option text begins like a label``."""


def text_of(value: Any, name: str) -> str:
    """The text of a field, outer blanks removed.

    Raises Unfit where it is absent, no text, blank, or has lost characters.
    """
    if not isinstance(value, str) or not value.strip():
        raise Unfit(f"no {name}", f"{name} is {value!r}; expected text")
    if "\0" in value or "\ufffd" in value:
        raise Unfit("broken character", f"{name} holds a character that was lost: {value[:60]!r}")
    return value.strip()


# ---------------------------------------------------------------- options


def options_of_cell(cell: str) -> tuple[tuple[tuple[str, str], ...], int]:
    """The options of one cell that holds all of them (``A text`` a line; the line's end may be a literal ``\\n``), and
    how many lines open with a label.

    A line whose label does not come after the one before it goes on with the option's text.
    """
    found: list[tuple[str, str]] = []
    stated = 0
    for line in _CELL_LINES.split(cell):
        match = _OPENING.match(line)
        stated += match is not None
        if match and (not found or match[1].upper() > found[-1][0].upper()):
            found.append((match[1], line[match.end() :].strip()))
        elif found and line.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line.strip()}")
    return tuple(found), stated


def options_of_mapping(value: Any) -> tuple[tuple[tuple[str, str], ...], int]:
    """(label, text) pairs of an object of options, of a list of {key, value}, or of a list of ``A. text``; blank texts,
    which some formats pad with, are left out. And how many are not blank."""
    if isinstance(value, dict):
        pairs = [(str(label).strip(), text) for label, text in value.items()]
    elif isinstance(value, list) and all(isinstance(one, dict) and {"key", "value"} <= one.keys() for one in value):
        pairs = [(str(one["key"]).strip(), one["value"]) for one in value]
    elif isinstance(value, str):
        return options_of_cell(value)
    else:
        raise Unfit("no options", f"options are {type(value).__name__}; expected an object of label: text")
    kept = [(label, str(text).strip()) for label, text in pairs if text is not None and str(text).strip()]
    return tuple(kept), len(kept)


def _options(item: Item) -> tuple[Option, ...]:
    if len(item.options) < 2:
        raise Unfit("no options", f"{len(item.options)} options; expected at least two")
    for label, text in item.options:
        if not label or not text:
            raise Unfit("empty option", f"option {label!r} is {text!r}; expected a label and text")
        if "\0" in text or "\ufffd" in text:
            raise Unfit("broken character", f"option {label} holds a character that was lost: {text[:60]!r}")
    labels = [label for label, _ in item.options]
    if len(set(labels)) < len(labels):
        raise Unfit("label twice", f"labels are {', '.join(labels)}; expected each once")
    return tuple(Option(label=label, text=text) for label, text in item.options)


# ---------------------------------------------------------------- right answers


def gold_labels(stated: Any, options: Sequence[Option]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The right labels in the order of the options, and notes on what was put right.

    Full width, lower case, separators and order do no harm; an answer that is no letters at all may be the text of
    exactly one option. Raises Unfit for no answer and for one outside the labels.
    """
    labels = [option.label for option in options]
    if isinstance(stated, (list, tuple)):
        if not stated or not all(isinstance(one, str) for one in stated):
            raise Unfit("no answer", f"answer is {stated!r}; expected labels")
        read = [_label(one, options) for one in stated]
        return _in_order([one for one, _ in read], labels, tuple({note: 0 for _, notes in read for note in notes}))
    if isinstance(stated, int) and not isinstance(stated, bool):
        stated = str(stated)  # a label that is a digit is a number in JSON
    whole = stated.strip() if isinstance(stated, str) else ""
    if whole in labels:
        return (whole,), ()
    if whole.lower() in NO_ANSWER and not (whole and any(option.text == whole for option in options)):
        raise Unfit("no answer", f"answer is {stated!r}; expected one of the labels {', '.join(labels)}")
    letters = _SEPARATORS.sub("", unicodedata.normalize("NFKC", whole))
    folded = {label.upper(): label for label in labels}
    if all(len(label) == 1 for label in labels) and letters and all(letter.upper() in folded for letter in letters):
        notes = ["gold in lower case"] * (not set(letters) <= set(labels))
        notes += ["gold in full width"] * any("\uff21" <= character <= "\uff5a" for character in whole)
        return _in_order([folded[letter.upper()] for letter in letters], labels, tuple(notes))
    label, said = _label(whole, options)
    return (label,), said


def _label(stated: str, options: Sequence[Option]) -> tuple[str, tuple[str, ...]]:
    """The label that one stated label or option text means."""
    labels = [option.label for option in options]
    if stated.strip() in labels:
        return stated.strip(), ()
    plain = unicodedata.normalize("NFKC", stated.strip())
    by_case = [label for label in labels if label.upper() == plain.upper()]
    if len(by_case) == 1:
        return by_case[0], ("gold in full width",) if plain != stated.strip() else ("gold in lower case",)
    key = normalise_for_comparison(stated)
    by_text = [option.label for option in options if key and normalise_for_comparison(option.text) == key]
    if len(by_text) == 1:
        return by_text[0], ()
    raise Unfit("answer is no option", f"answer {stated!r} is none of the labels {', '.join(labels)}")


def _in_order(
    chosen: Sequence[str], labels: Sequence[str], notes: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ordered = tuple(label for label in labels if label in chosen)
    return ordered, notes if list(chosen) == list(ordered) else (*notes, "gold not in order")


# ---------------------------------------------------------------- the question


def question_of(exam: ExamSource, item: Item) -> Checked:
    """The question of an item, and notes.

    Raises Unfit with the rule and the reason where it cannot be asked.
    """
    if item.unfit is not None:
        raise item.unfit
    stem, context = text_of(item.stem, "question"), item.context.strip()
    kind = _kind(exam, item)
    options: tuple[Option, ...] = ()
    gold: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if kind != "open":
        options = _options(item)
        gold, notes = gold_labels(item.gold, options)
        if not kind:
            kind = "multiple" if len(gold) > 1 else "single"
        if kind == "single" and len(gold) > 1:
            raise Unfit("two answers to a single", f"answer is {item.gold!r}; expected one label, or kind multiple")
        notes += _remarks(kind, options, gold)
    group = f"{exam.name}: {item.section}" if item.section else exam.name
    parts = [part for option in options for part in (option.label, option.text)]
    question = Question(
        id=content_id(group, stem, *parts),
        exam=exam.name,
        kind=_known(kind),
        group=group,
        year=item.year or exam.year,
        subject=item.subject or exam.subject,
        question_type=item.question_type,
        entity=item.about,
        language=_language(item.language, stem),
        stem=stem,
        context_chars=len(context) if stem.startswith(context) else 0,
        options=options,
        gold=gold,
        reference=text_of(item.reference, "reference") if kind == "open" else "",
        written_on=item.written_on or exam.sat_on,
        licence=exam.licence,
        access=exam.access,
        scorer=exam.scorer,
    )
    return Checked(question, notes)


def _kind(exam: ExamSource, item: Item) -> str:
    """The kind that the file states, else the recipe; empty where the number of right answers must say it."""
    if item.kind:
        if item.kind not in KINDS:
            raise Unfit("unknown kind", f"kind is {item.kind!r}; expected single, multiple, open")
        return KINDS[item.kind]
    if exam.kind or item.kind_by_gold:
        return exam.kind
    raise Unfit("no kind", "kind is absent; expected single, multiple, open, in the file or as kind of the exam")


def _known(kind: str) -> Kind:
    return KINDS[kind]


def _language(stated: str, stem: str) -> Language:
    return "zh" if stated == "zh" else "en" if stated == "en" else language(stem)


def _remarks(kind: str, options: Sequence[Option], gold: Sequence[str]) -> tuple[str, ...]:
    """What is odd about a question that can be asked all the same.

    Raises Unfit where a right option and a wrong one say the same.
    """
    notes = []
    by_text: dict[str, set[bool]] = {}
    for option in options:
        by_text.setdefault(option.text, set()).add(option.label in gold)
    if len(by_text) < len(options):
        if any(len(sides) > 1 for sides in by_text.values()):
            raise Unfit("options alike", f"a right option says the same as another one: {[o.text for o in options]}")
        notes.append("options alike")
    if all(len(option.label) == 1 for option in options):
        first = options[0].label.upper()
        labels = "".join(option.label.upper() for option in options)
        if labels != "".join(chr(ord("A") + place) for place in range(len(options))) and first.isalpha():
            notes.append("labels not from A" if first != "A" else "labels with a gap")
    if any(_LIKE_LABEL.match(option.text) for option in options):
        notes.append("option text begins like a label")
    if kind == "multiple" and len(gold) == 1:
        notes.append("one label to a multiple")
    return tuple(notes)


def unread(place: str, rule: str, reason: str, excerpt: str = "") -> Item:
    """An item of which nothing can be made."""
    return Item(place=place, unfit=Unfit(rule, reason), excerpt=excerpt)
