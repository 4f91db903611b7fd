"""Answers in prose that name the chosen option by its text: which text is asserted, and in which sentence for good."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from huatuo.eval.choice_options import OptionReader, plain_text
from huatuo.eval.choice_patterns import (
    AFTER_TEXT,
    BECAUSE,
    BEFORE_ONLY,
    BEFORE_TEXT,
    CASE,
    CLAUSE_END,
    CLOSED,
    COPULA,
    DENIED_BEFORE,
    DENIED_BEHIND,
    DENIED_COPULA,
    DOUBT,
    HEDGED,
    ITEMS_LED,
    LISTS,
    MARKS,
    NOT_LISTS,
    REFUSAL,
    REVISION,
    UNSAID,
)
from huatuo.eval.choice_stated import REACH, texts_in
from huatuo.eval.choice_text import Statement, View, fold
from huatuo.text.zh import normalise_for_comparison

SENTENCE_END = re.compile(r"[。!?\n]|;|\.(?=\s|$)")


@dataclass(frozen=True)
class Named:
    """One place where an option's text stands."""

    label: str
    start: int
    end: int
    sentence: int
    """Which sentence of the answer it stands in, from 0."""
    denied: bool
    """Whether its clause says what it is not."""
    asserted: bool
    """Whether its clause says that it is the thing."""


def by_text(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """The option whose text is the answer, or is asserted in it for good; for several answers nothing but option texts
    may stand in a list behind a word like 有 or 即.

    Nothing where a label or a marker of an answer stands, which no other rule could read: that is no answer by text.
    """
    key = normalise_for_comparison(view.text) if len(view.text) <= 2 * REACH else ""
    whole = [label for label, text in reader.keys.items() if text == key]
    if not whole and len(key) > 1 and not reader.mentions(view.text, own_texts=True):
        whole = [label for label, text in reader.keys.items() if text.endswith(key) and not key.isdigit()]
    if len(whole) == 1:
        return Statement(frozenset(whole), 0, len(view.text), 1, "option text alone")
    if REFUSAL.search(view.text):
        return None
    if kind == "multiple":
        return None if DOUBT.search(view.text) else _listed(view, reader)
    if reader.low_lead.match(view.text):
        return None
    return _opening(view, reader) or _asserted(view, reader)


def speaks_against(view: View, reader: OptionReader, found: Statement) -> bool:
    """Whether the sentence of a chosen letter asserts another option's text ("选A，诊断为气胸"), and none its own."""
    if len(found.labels) != 1 or found.rule.endswith("text") or found.rule == "declared right":
        return False
    start = max((m.end() for m in SENTENCE_END.finditer(view.text, 0, found.start)), default=0)
    end = SENTENCE_END.search(view.text, found.end)
    named = named_texts(view.text, reader)
    stop = end.start() if end else len(view.text)
    told = [
        one for one in named if one.asserted and start <= one.start < stop and not _labelled(view.text, reader, one)
    ]
    return (
        bool(told) and not any(one.label in found.labels for one in named) and bool(CASE.search(view.text, start, stop))
    )


def _labelled(text: str, reader: OptionReader, one: Named) -> bool:
    """Whether the clause of an option's text names a label."""
    before = CLAUSE_END.split(text[max(0, one.start - REACH // 4) : one.start])[-1]
    return bool(reader.mentions(before))


def _opening(view: View, reader: OptionReader) -> Statement | None:
    """An option's text as the whole first clause: of options like yes and no, or before a reason."""
    match = re.match(r"\s*([^,.。;:!\n]+)[,.。;!\n]\s*(.*)", view.text, re.DOTALL)
    if match is None or DOUBT.search(view.text):
        return None
    key, after = normalise_for_comparison(match[1]), match[2]
    named = [label for label, text in reader.keys.items() if text == key]
    if len(named) != 1 or REVISION.search(after) or reader.mentions(view.text) - set(named):
        return None
    closed = set(reader.keys.values()) <= CLOSED and len(reader.keys) == len(reader.labels)
    line = "\n" in view.text[match.end(1) : match.start(2)]
    if not closed and not line and not BECAUSE.match(after):
        return None
    if any(pattern.search(after) for strength, _, pattern in MARKS if strength > 1):
        return None
    return Statement(frozenset(named), match.start(1), match.end(1), 1, "opening option text")


def named_texts(text: str, reader: OptionReader) -> list[Named]:
    """Every place of an option's text, the longest option where texts lie within each other."""
    if not reader.keys:
        return []
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    found, sentence = [], 0
    for match in reader.any_text.finditer(text):
        while sentence < len(ends) and ends[sentence] <= match.start():
            sentence += 1
        label = reader.label_of_text[plain_text(match[0])]
        found.append(Named(label, *match.span(), sentence, *_standing(text, *match.span())))
    return found


def _standing(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Whether the clause around an option's text denies it, and whether it asserts it."""
    before = CLAUSE_END.split(text[max(0, start - REACH // 4) : start])[-1]
    behind = CLAUSE_END.split(text[end : end + REACH // 4], maxsplit=1)[0]
    denial = DENIED_COPULA if COPULA.search(before) else DENIED_BEFORE
    denied = bool(denial.search(before) or DENIED_BEHIND.match(behind))
    open_ = re.search(rf"{BEFORE_TEXT}\s*(?:an?\s+|the\s+)?[\"“'「]?$", before, re.IGNORECASE)
    doubted = DOUBT.search(before) or UNSAID.search(before) or ASKED.match(text, end)
    return denied, bool(open_ and not doubted and not denied and AFTER_TEXT.match(behind))


def _asserted(view: View, reader: OptionReader) -> Statement | None:
    """The one option that the last asserting sentence asserts, where nothing else that is asserted or named speaks
    against it."""
    named = named_texts(view.text, reader)
    if len({one.label for one in named}) == 1:
        named = [_alone(view.text, one) for one in named]
    asserted = [one for one in named if one.asserted]
    if not asserted:
        return None
    last = asserted[-1].sentence
    final = [one for one in asserted if one.sentence == last]
    label = final[-1].label
    if any(one.label != label for one in final) or reader.mentions(view.text) - {label}:
        return None
    start = max((m.end() for m in SENTENCE_END.finditer(view.text, 0, final[0].start)), default=0)
    behind = SENTENCE_END.search(view.text, final[-1].end)
    stop = behind.start() if behind else len(view.text)
    others = [one for one in named if one.label != label and not one.denied]
    if not _unmarked(view.text, start, final[-1].start) or HEDGED.search(view.text, start):
        return None
    if DOUBT.search(view.text, start, final[0].start) or DOUBT.search(view.text, final[-1].end):
        return None
    if others:
        closed = bool(CASE.search(view.text, start, final[-1].start))
        earlier = {one.label for one in asserted} != {label} or any(one.sentence != last for one in others)
        between = view.text[final[-1].end : min((o.start for o in others if o.start > final[-1].end), default=stop)]
        if (earlier and not closed) or not (closed or re.match(r"[^,;]*[,;]", between)):
            return None
    return Statement(frozenset([label]), start, max(stop, final[-1].end), 1, "asserted option text")


def _alone(text: str, one: Named) -> Named:
    """The place of an answer's only option text, asserted by weaker words as well, or by standing alone on its line."""
    if one.denied or one.asserted:
        return one
    window = text[max(0, one.start - REACH // 4) : one.start]
    own = re.search(
        rf"(?i)(?:选项|(?<![a-z])(?:option|choice)\s)?\s*{re.escape(fold(one.label))}(?:选?项)?[\s.。、:)]*$", window
    )
    window = window[: own.start()] if own else window
    before = CLAUSE_END.split(window)[-1]
    behind = CLAUSE_END.split(text[one.end : one.end + REACH // 4], maxsplit=1)[0]
    words = re.search(rf"{BEFORE_ONLY}\s*$", before)
    decides = words is not None and (
        words[0].strip() not in (":", "——", "--")
        or bool(CASE.search(before) or DECIDES.search(before) or TICKED.match(behind))
    )
    opens = re.search(r"(?:^|[。!?\n])[\s✅✔✓☑([\"“']*$", window) and SENTENCE_CLOSED.match(text, one.end)
    stated = own is not None and re.search(rf"{BEFORE_TEXT}\s*:?\s*$", before, re.IGNORECASE)
    fits = AFTER_TEXT.match(behind) or TICKED.match(behind)
    asserted = LIKELY.match(behind) or (fits and (decides or opens or stated))
    return replace(
        one,
        asserted=bool(
            asserted and not DOUBT.search(before) and not UNSAID.search(before) and not ASKED.match(text, one.end)
        ),
    )


ASKED = re.compile(r"[^,。;!\n]{0,20}\?")
"""A question."""
SENTENCE_CLOSED = re.compile(r"[\"”'」)\]]?\s*(?:\([^()]*\))?\s*(?:[。.!\n✅✔]|$)")
LIKELY = re.compile(r"(?:的)?(?:可能性?(?:最|较|更)?大|最?为?可能)\s*$")
DECIDES = re.compile(
    r"(?:诊断|结论|判断|考虑|首选|[回解]?答|选择?|治疗|处理|(?i:diagnosis|answer|treatment|conclusion))\s*(?::"
    r"|[—–-]{2})\s*$"
)
TICKED = re.compile(r"\s*[√✓✔✅☑]\s*$")


def _unmarked(text: str, start: int, end: int) -> bool:
    """Whether no marker of an answer stands but in the asserting sentence, before the option's text."""
    places = [mark.start() for strength, _, pattern in MARKS if strength > 1 for mark in pattern.finditer(text)]
    return all(start <= place < end for place in places)


def _listed(view: View, reader: OptionReader) -> Statement | None:
    """Option texts as a list that is the whole answer, or ends its only sentence that names an option."""
    if not reader.keys or reader.mentions(view.text) - set(texts_in(view.text, reader)[0]):
        return None
    return _list_of(view, reader, reader.text_list) or _list_of(view, reader, reader.close_list)


def _list_of(view: View, reader: OptionReader, pattern: re.Pattern[str]) -> Statement | None:
    """The longest list of option texts that a pattern finds, where it is all that is said to be asked for."""
    named = {one.label for one in named_texts(view.text, reader) if not one.denied}
    match = max(pattern.finditer(view.text), key=lambda one: one.end() - one.start(), default=None)
    if match is None:
        return None
    labels = {reader.label_of_text[plain_text(one[0])] for one in reader.any_text.finditer(match[0])}
    before = view.text[max(0, match.start() - REACH) : match.start()]
    lead = re.split(r"[。;]|\n(?!\s*$)", before)[-1].strip()
    whole = LIST_ENDS.match(view.text, match.end()) or (len(labels) > 1 and LIST_OPEN.match(view.text, match.end()))
    led = not lead or (LISTS.search(lead) and not NOT_LISTS.search(lead) and not UNSAID.search(lead))
    aside = {one.label for one in named_texts(view.text, reader) if _set_aside(view.text, match.end(), one)}
    if (
        not whole
        or labels != named - (aside if len(labels) > 1 and lead else set())
        or not led
        or not _unmarked(view.text, match.start() - len(before), match.start())
    ):
        return None
    return Statement(frozenset(labels), match.start(), match.end(), 1, "option texts alone")


def _set_aside(text: str, end: int, one: Named) -> bool:
    """Whether an option's text stands in a later clause that does not add it to the list."""
    between = text[end : one.start]
    clause = CLAUSE_END.split(between)[-1] + CLAUSE_END.split(text[one.end :], maxsplit=1)[0]
    return (
        one.start >= end
        and bool(re.search(r"[,;。]", between))
        and not re.search(r"也|还|亦|同|均|都|以及|(?i:also|too)", clause)
    )


LIST_ENDS = re.compile(r"\s*(?:\([^()\n]{1,20}\))?\s*[。.!;]?\s*(?:$|\n)")
LIST_OPEN = re.compile(r"\s*等?[。,;]")
"""What ends a list of option texts: a list of one is no list where more might follow."""


def bracketed(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Several options each named by its label in brackets behind a phrase, in sentences that only affirm."""
    if kind != "multiple" or DOUBT.search(view.text):
        return None
    found = list(reader.aside.finditer(view.text))
    labels = {label for match in found for label in reader.named(match["list"])}
    if len(found) < 2 or reader.mentions(view.text) - labels or len(labels) == len(reader.labels):
        return None
    clauses = [CLAUSE_END.split(view.text[max(0, m.start() - REACH // 4) : m.start()])[-1] for m in found]
    if any(NOT_LISTS.search(clause) for clause in clauses):
        return None
    end = SENTENCE_END.search(view.text, found[-1].end())
    sentences = [s for s in SENTENCE_END.split(view.text[: end.start() if end else None]) if reader.aside.search(s)]
    if len(sentences) > 1 or not ITEMS_LED.search(sentences[0]):
        return None
    return Statement(frozenset(labels), found[0].start("list"), found[-1].end("list"), 1, "labels in brackets")


def itemised(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Several options on numbered lines of their own, each a label with or without its text, behind a line that leads
    them in."""
    lines = view.text.strip().splitlines()
    if kind != "multiple" or len(lines) < 3 or not lines[0].rstrip().endswith(":") or NOT_LISTS.search(lines[0]):
        return None
    labels: Sequence[str] = [_item(line, reader) for line in lines[1:] if line.strip()]
    if not all(labels) or len(set(labels)) < len(labels) or len(labels) == len(reader.labels):
        return None
    return Statement(frozenset(labels), 0, len(view.text.rstrip()), 1, "items")


def _item(line: str, reader: OptionReader) -> str:
    """The label that is all of a numbered line, with or without its text; empty where it is not."""
    match = re.match(r"\s*\(?\d{1,2}\s*[.、):]\s*", line)
    rest = line[match.end() :].strip() if match else ""
    name = reader.one.match(rest)
    if name is None:
        return ""
    label, behind = reader.plain[name[0]], re.sub(r"^\s*(?:选?项)?[.、:)\s]*", "", rest[name.end() :])
    own = reader.text_end(label, behind)
    return label if fold(behind[own:]).strip(" 。.;,)") == "" else ""
