"""Reading the chosen option out of an answer: labels with the rule and place that gave them, or the reason for none.

It never guesses. Statements of an answer ("the answer is D", "应选CD") are collected with their strength; statements
that are negated, conditional or undecided do not count; the strongest ones must agree, and a letter must agree with the
option text that stands with it. Option texts alone are read only where no letter and no such statement is. Matching
works on the NFKC text without markdown and without thoughts; spans point into the original text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from huatuo.eval.choice_patterns import (
    AFTER,
    CLAUSE_END,
    CLOSING,
    CONCLUDED,
    DISAGREE,
    DOUBT,
    ENGLISH_NOT,
    EXPLAINED,
    JUDGED_WRONG,
    LATIN_AFTER,
    MARKS,
    NEGATED_BEFORE,
    REFUSAL,
    REVISION,
    OptionReader,
)
from huatuo.records import Option
from huatuo.text.zh import normalise_for_comparison

RULES = "choice.v2"
"""Name of this set of rules in signatures; raised when an extraction changes."""


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


@dataclass(frozen=True)
class _View:
    """Text for matching, and for each of its characters the place in the original."""

    text: str
    places: tuple[int, ...]

    def without(self, pattern: re.Pattern[str]) -> _View:
        """The view without what the pattern matches."""
        kept = [True] * len(self.text)
        for match in pattern.finditer(self.text):
            kept[match.start() : match.end()] = [False] * (match.end() - match.start())
        pairs = [(c, p) for c, p, keep in zip(self.text, self.places, kept, strict=True) if keep]
        return _View("".join(c for c, _ in pairs), tuple(p for _, p in pairs))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A range of the view as a range of the original text."""
        return self.places[start], self.places[end - 1] + 1


@dataclass(frozen=True)
class _Statement:
    """One place where an answer names options."""

    labels: frozenset[str]
    start: int
    end: int
    strength: int
    """4 option after a closing word, 3 "the answer is", 2 "choose", 1 "consider"."""
    rule: str
    trouble: str = ""
    """Why it cannot be used although it is the statement that counts."""


_THOUGHT = re.compile(r"(?s)<(think|thinking|reasoning)>.*?(?:</\1>|\Z)")
_THOUGHT_END = re.compile(r"(?s)\A.*</(?:think|thinking|reasoning)>")
_MARKUP = re.compile(
    r"</?answer>|\\(?:boxed|text|textbf|mathrm)\s*\{|\*+|`+|\$+|^[ \t]*(?:#+|>)[ \t]*|[\u200b\ufeff]", re.MULTILINE
)


@lru_cache(maxsize=256)
def _reader(options: tuple[tuple[str, str], ...]) -> OptionReader:
    return OptionReader(options)


def extract(text: str, options: Sequence[Option], kind: Literal["single", "multiple"]) -> Extraction:
    """The option or options that an answer chooses, or why none can be read.

    Only labels of these options are ever returned. A single-answer question with two chosen labels is unscored.
    """
    reader = _reader(tuple((option.label, option.text) for option in options))
    view = _view(text)
    if not view.text.strip():
        return Extraction((), "", None, "the thoughts never end" if text.strip() else "empty answer")
    bare = _bare(view, reader)
    found = bare or _decided(view, reader) or _weak(view, reader, kind) or _by_text(view, reader, kind)
    if found is None:
        refused = REFUSAL.search(view.text)
        return Extraction((), "", None, "refusal" if refused else "no option of this question is chosen")
    span = view.span(found.start, found.end)
    if found.trouble:
        return Extraction((), "", span, found.trouble)
    labels = tuple(label for label in reader.labels if label in found.labels)
    if kind == "single" and len(labels) > 1:
        return Extraction((), "", span, f"{len(labels)} options for a single-answer question")
    return Extraction(labels, found.rule, span)


def _view(text: str) -> _View:
    """The text for matching: NFKC, without thoughts and markup."""
    pairs = [(c, place) for place, raw in enumerate(text) for c in unicodedata.normalize("NFKC", raw)]
    view = _View("".join(c for c, _ in pairs), tuple(place for _, place in pairs))
    return view.without(_THOUGHT).without(_THOUGHT_END).without(_MARKUP)


def _statement(reader: OptionReader, match: re.Match[str], strength: int, rule: str) -> _Statement:
    named = reader.named(match["list"])
    trouble = "undecided between options" if match.groupdict().get("or") else ""
    return _Statement(frozenset(named), match.start(), match.end(), strength, rule, trouble)


def _bare(view: _View, reader: OptionReader) -> _Statement | None:
    """Nothing but labels; a label said twice is a loop, not an answer."""
    match = reader.bare.fullmatch(view.text) or reader.low.fullmatch(view.text)
    if match is None:
        return None
    named = reader.named(match["list"])
    start, end = match.span("list")
    trouble = "repeats a label" if len(set(named)) < len(named) else ""
    return _Statement(frozenset(named), start, end, 4, "bare labels", trouble)


# ---------------------------------------------------------------- statements


def _clause_before(text: str, start: int) -> str:
    ends = [match.end() for match in CLAUSE_END.finditer(text, 0, start)]
    return text[ends[-1] if ends else 0 : start]


def _fits(reader: OptionReader, labels: Sequence[str], rest: str) -> bool:
    """Whether the text after the labels lets them be labels, not the beginning of a word or a sentence."""
    if not rest or reader.goes_on_with_text(labels[-1], rest):
        return True
    if "\u3400" <= rest[0] <= "\u9fff":
        return rest[0] in AFTER or bool(EXPLAINED.match(rest))
    latin = re.match(r"[ \t]+([a-z]+)|[.][ \t]*([a-z]+)", rest)
    return latin is None or bool(LATIN_AFTER.match(latin[1] or latin[2]))


def _stated(view: _View, reader: OptionReader) -> Iterator[_Statement]:
    """Every affirmed statement that a marker introduces."""
    for strength, rule, pattern in MARKS:
        for mark in pattern.finditer(view.text):
            if mark.groupdict().get("not") or _rejected(view.text, mark.start()):
                continue
            found = _after_mark(view.text, reader, mark, strength, rule)
            if found is not None:
                yield found
    for mark in CONCLUDED.finditer(view.text):
        match = reader.list.match(view.text, mark.end())
        if match and re.match(r"\s*(?:[。.!;\n]|$)", view.text[match.end() :]):
            yield _statement(reader, match, 3, "conclusion")


def _rejected(text: str, start: int) -> bool:
    before = _clause_before(text, start)
    return bool(NEGATED_BEFORE.search(before) or DOUBT.search(before))


def _after_mark(text: str, reader: OptionReader, mark: re.Match[str], strength: int, rule: str) -> _Statement | None:
    closing = strength > 1 and bool(CLOSING.search(_clause_before(text, mark.start()) + mark[0]))
    strength = 4 if closing else strength
    by_text = _text_after(text, reader, mark, strength, rule)
    match = reader.list.match(text, mark.end()) or reader.low_after.match(text, mark.end())
    if match is None:
        unknown = re.compile(r"\s*[A-Z]{1,7}(?=\s*(?:[。.,;)\n]|$))").match(text, mark.end())
        if unknown and by_text is None and strength > 2:
            trouble = "a label that the question does not have"
            return _Statement(frozenset(), unknown.start(), unknown.end(), strength, rule, trouble)
        return by_text
    named, rest = reader.named(match["list"]), text[match.end() :]
    if by_text and by_text.rule.endswith("whole text"):
        return by_text
    found = _statement(reader, match, strength, rule)
    if reader.other_text(named[-1], rest):
        return replace(found, trouble=DISAGREE)
    if not _fits(reader, named, rest):
        return by_text
    if (JUDGED_WRONG.match(rest) and not rest.lstrip(" \t").startswith("\n")) or re.match(
        r"\s*(?:吗|么|呢)?\s*\?", rest
    ):
        return None
    if reader.also.match(re.sub(r"^[^,;。\n]*", "", rest)):
        return replace(found, trouble="undecided between options")
    more = reader.more.match(rest)
    if more and not set(reader.named(more["list"])) <= set(named):
        return replace(found, trouble="further labels on lines of their own")
    return _with_texts(text, reader, found, named[-1])


def _with_texts(text: str, reader: OptionReader, found: _Statement, label: str) -> _Statement:
    """A statement continued by further labels, each followed by its own text: ``A. 头孢 B. 青霉素``."""
    labels, end = set(found.labels), found.end
    while size := reader.text_end(label, text[end:]):
        match = reader.next.match(text, end + size)
        if match is None:
            break
        label, rest = reader.named(match["list"])[0], text[match.end() :]
        if reader.other_text(label, rest):
            return replace(found, trouble=DISAGREE)
        own = reader.text_end(label, rest)
        if not own or not re.match(r"[ \t)\]】]*(?:[\n、,;。.]|以及|[和与及]|\S?$|[A-Z])", rest[own:]):
            break
        labels.add(label)
        end = match.end()
    return replace(found, labels=frozenset(labels), end=end)


def _text_after(text: str, reader: OptionReader, mark: re.Match[str], strength: int, rule: str) -> _Statement | None:
    """Option texts right after a marker, up to the end of the sentence."""
    if strength < 2:
        return None
    end = re.compile(r"[。;!?\n]|\.(?=\s|$)|$").search(text, mark.end())
    stop = end.start() if end else len(text)
    segment = text[mark.end() : stop]
    whole = _at_once(text[mark.end() :], segment, reader)
    labels, left = (whole, "") if len(whole) == 1 else _texts_in(segment, reader)
    if not labels or re.search(r"不是|并非|而非|或|还是|\bor\b|\bnot\b", left) or len(whole) > 1:
        return None
    if not whole and reader.mentions(segment) - set(labels):
        return _Statement(frozenset(labels), mark.end(), max(stop, mark.end() + 1), strength, rule, DISAGREE)
    name = f"{rule}, whole text" if whole else f"{rule}, option text"
    if not whole and len(left) > len(segment) / 2:
        return None  # the option is only mentioned on the way
    return _Statement(frozenset(labels), mark.end(), max(stop, mark.end() + 1), strength, name)


def _at_once(rest: str, sentence: str, reader: OptionReader) -> list[str]:
    """Labels whose whole text stands right after a marker as a clause, in a sentence that names no other text."""
    ends = {label: size for label in reader.keys if (size := reader.text_end(label, rest))}
    whole = [label for label, size in ends.items() if re.match(r"\s*(?:[,。;!?\n]|\.(?=\s|$)|$)", rest[size:])]
    named = {reader.keys[label] for label in _texts_in(sentence, reader)[0]}
    return whole if named <= {reader.keys[label] for label in whole} else []


def _texts_in(segment: str, reader: OptionReader) -> tuple[list[str], str]:
    """Labels whose texts stand in the segment, longest first so that a part of another does not count, and the rest."""
    rest, labels = normalise_for_comparison(segment), []
    for label, key in sorted(reader.keys.items(), key=lambda item: -len(item[1])):
        if len(key) > 1 and key in rest:
            labels.append(label)
            rest = rest.replace(key, "\n")
    return labels, rest


def _decided(view: _View, reader: OptionReader) -> _Statement | None:
    """The statement that counts: the strongest ones must agree, or the last one must correct the others."""
    found = sorted(_stated(view, reader), key=lambda s: (s.end, s.start))
    if not found:
        return None
    best = max(statement.strength for statement in found)
    top = [statement for statement in found if statement.strength == best]
    last = top[-1]
    if len({(statement.labels, statement.trouble) for statement in top}) == 1 or _revised(view, top):
        return last
    return _Statement(last.labels, last.start, last.end, best, last.rule, "contradicts itself")


def _revised(view: _View, top: Sequence[_Statement]) -> bool:
    others = [one for one in top if (one.labels, one.trouble) != (top[-1].labels, top[-1].trouble)]
    return bool(others) and bool(REVISION.search(view.text, others[-1].end, top[-1].start))


# ---------------------------------------------------------------- weaker rules, used where nothing is stated


def _weak(view: _View, reader: OptionReader, kind: str) -> _Statement | None:
    if REFUSAL.search(view.text):
        return None
    return (
        _leading(view, reader, kind)
        or _first_line(view, reader)
        or _last_line(view, reader)
        or _declared(view, reader, kind)
    )


def _leading(view: _View, reader: OptionReader, kind: str) -> _Statement | None:
    """Lines that begin with a label: one for a single answer, a list of options with their texts for several."""
    led: list[tuple[str, int, int]] = []
    place = 0
    for line in view.text.splitlines(keepends=True):
        match = reader.lead.match(line)
        label = reader.named(match["list"])[0] if match else ""
        if match and _leads(reader, label, match["mark"], line[match.end() :]):
            led.append((label, place + match.start("list"), place + match.end("list")))
        elif match and not led and line.strip():
            disagrees = reader.other_text(label, match["mark"] + view.text[place + match.end() :])
            span = (place + match.start("list"), place + match.end("list"))
            return _Statement(frozenset([label]), *span, 1, "leading label", DISAGREE) if disagrees else None
        place += len(line)
    mentioned = {
        reader.plain[c] for c in re.findall(r"(?<![A-Za-z0-9])[A-Z](?![A-Za-z0-9])", view.text) if c in reader.plain
    }
    names = {label for label, _, _ in led}
    if not led or mentioned - names or led[0][1] > len(view.text) - len(view.text.lstrip()) + 1:
        return None
    if len(names) == len(reader.labels) and len(names) > 1:
        return None  # the options are repeated, nothing is chosen
    if len(led) > len(names) or (kind == "single" and len(names) > 1):
        return None
    if len(led) == 1 and reader.other_text(led[0][0], view.text[led[0][2] :]):
        return _Statement(frozenset(names), led[0][1], led[0][2], 1, "leading label", DISAGREE)
    return _Statement(frozenset(names), led[0][1], led[-1][2], 1, "leading label")


def _first_line(view: _View, reader: OptionReader) -> _Statement | None:
    """Labels alone on the first line, before an explanation that may name others."""
    first, _, rest = view.text.lstrip().partition("\n")
    led = reader.lead.match(first)
    own = led and reader.text_end(reader.named(led["list"])[0], first[led.end() :])
    match = led if led and own == len(first) - led.end() > 0 else reader.bare.fullmatch(first)
    if match is None or not rest.strip() or JUDGED_WRONG.match(rest) or REVISION.search(rest):
        return None
    label = reader.named(match["list"])[-1]
    start = len(view.text) - len(view.text.lstrip()) + match.start("list")
    found = _Statement(frozenset(reader.named(match["list"])), start, start + len(match["list"]), 1, "first line")
    if reader.other_text(label, "\n" + rest.lstrip()):
        return replace(found, trouble=DISAGREE)
    return None if reader.lead.match(rest.lstrip()) else found


def _leads(reader: OptionReader, label: str, mark: str, rest: str) -> bool:
    if reader.goes_on_with_text(label, rest) or not rest.strip():
        return not re.search(r"错误|不正确|不对|不选|排除", rest)
    if reader.other_text(label, mark + rest) or re.match(r"[^,。;]{0,8}(?:错误|不正确|不对|有误)", rest):
        return False
    if EXPLAINED.match(rest):
        return True
    if not mark.strip():
        return False
    return not re.match(r"[A-Za-z]", rest) or bool(LATIN_AFTER.match(rest))


def _last_line(view: _View, reader: OptionReader) -> _Statement | None:
    lines = view.text.rstrip().splitlines()
    match = reader.bare.fullmatch(lines[-1]) if len(lines) > 1 else None
    if match is None or reader.bare.fullmatch(lines[-2]):
        return None
    start = len(view.text.rstrip()) - len(lines[-1]) + match.start("list")
    return _Statement(frozenset(reader.named(match["list"])), start, start + len(match["list"]), 1, "last line")


def _declared(view: _View, reader: OptionReader, kind: str) -> _Statement | None:
    """Options that the answer calls right; for several answers every option must be judged."""
    right: set[str] = set()
    wrong: set[str] = set()
    start, end = len(view.text), 0
    for match in reader.judged.finditer(view.text):
        if _rejected(view.text, match.start()):
            continue
        (right if match["yes"] else wrong).update(reader.named(match["list"]))
        start, end = min(start, match.start()), max(end, match.end())
    if not right or right & wrong or (kind == "multiple" and right | wrong != set(reader.labels)):
        return None
    return _Statement(frozenset(right), start, end, 1, "declared right")


def _by_text(view: _View, reader: OptionReader, kind: str) -> _Statement | None:
    """The one option whose text stands in the answer; for several answers nothing but option texts may stand there.
    Nothing where a label or a marker of an answer stands, which no other rule could read: that is no answer by text."""
    key = normalise_for_comparison(view.text)
    whole = [label for label, text in reader.keys.items() if text == key]
    start, end = 0, len(view.text)
    if len(whole) == 1:
        return _Statement(frozenset(whole), start, end, 1, "option text alone")
    if REFUSAL.search(view.text) or DOUBT.search(view.text):
        return None
    labels, rest = _texts_in(view.text, reader)
    marked = any(pattern.search(view.text) for strength, _, pattern in MARKS if strength > 1)
    if marked or reader.low_lead.match(view.text) or reader.mentions(view.text) - set(labels):
        return None
    left = re.sub(r"[\n和与及以、]|还有|以及", "", rest)
    if kind == "multiple":
        return _Statement(frozenset(labels), start, end, 1, "option texts alone") if labels and not left else None
    if len(labels) != 1 or re.search(r"排除|除外|无关|错误|没有|不|未|非", rest) or ENGLISH_NOT.search(view.text):
        return None
    said = re.escape(unicodedata.normalize("NFKC", reader.texts[labels[0]]))
    stands = rf"(?i:(?:^|是|为|考虑|诊断|即|:|\bis\b|\bbe\b)\s*(?:an?\s+|the\s+)?[\"“']?{said}\s*(?:[\"”'(。.!,;\n]|$))"
    return _Statement(frozenset(labels), start, end, 1, "unique option text") if re.search(stands, view.text) else None
