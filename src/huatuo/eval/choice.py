"""Reading the chosen option out of an answer: labels with the rule and place that gave them, or the reason for none.

It never guesses. Statements of an answer ("the answer is D", "应选CD") are collected with their strength; statements
that are negated, conditional or undecided do not count; the strongest ones must agree. Matching works on the NFKC text
without markdown and without thoughts; spans point into the original text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from huatuo.records import Option
from huatuo.text.zh import normalise_for_comparison

RULES = "choice.v1"
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
    r"\\(?:boxed|text|textbf|mathrm)\s*\{|\*+|`+|\$+|^[ \t]*(?:#+|>)[ \t]*|[\u200b\ufeff]", re.MULTILINE
)
_CLAUSE_END = re.compile(r"[,。;!?\n]|\.(?=\s|$)")
_STATED = r"(?:应该|应当|应|就|也|只能|只|可能|最终|最可能|必须)*"
_NOT = r"(?P<not>并不是|并非|不会是|不可能是|不应该是|不应是|不应为|不应选|不能选|不是|不选|不为|非)?"
_IS = r"(?:\s|是|为|选择|选|:|=|\")*"
_MARKS: tuple[tuple[int, str, re.Pattern[str]], ...] = (
    (
        3,
        "answer",
        re.compile(rf"(?:答案|正确的?选项|最佳选项|正确项|正确的?(?:一项)?(?=是|为|:)|答(?=:)){_STATED}{_NOT}{_IS}"),
    ),
    (
        3,
        "answer",
        re.compile(
            r"(?i:\b(?:answers?\b(?:\s+(?:is|are|would be|should be|must be)\b|\s*:)?"
            r"|(?:option|choice)s?(?:\s+(?:is|are|would be|should be|must be)\b|\s*:))"
            r"(?P<not>\s+not\b|n't\b)?[\s:]*(?:(?:clearly|most likely|probably|therefore|both|option|choice)\b\s*)*)"
        ),
    ),
    (
        2,
        "choose",
        re.compile(rf"(?:而是|而应是|应为|应是|应该是|应该选择?|应选择?|选择?|选取)(?!项|题|拔){_STATED}{_IS}"),
    ),
    (
        2,
        "choose",
        re.compile(r"(?i:\b(?:choose|chose|select|pick|go with|opt for)\s+(?:(?:option|choice|answer)\s+)?)"),
    ),
    (1, "consider", re.compile(rf"(?:考虑|倾向于|判断为|诊断为|认为是|符合|属于){_IS}")),
)
_CLOSING = re.compile(
    r"因此|所以|故|综上|总之|最终|最后|(?i:\b(?:therefore|thus|hence|finally|final|in conclusion|so)\b)"
)
_CONCLUDED = re.compile(r"(?:因此|所以|故|综上所述|综上|(?i:\b(?:therefore|thus|hence|so)\b))[\s,:]*")
_DOUBT = re.compile(
    r"如果|假如|假设|倘若|若是|若(?!干)|是否|无法|不能确定|不确定|不知道|不清楚|难以|有人|误认为|误选|误以为|容易选|易选|不要|除非|"
    r"(?i:\b(?:if|whether|unless|cannot|can't|could not|unable|unsure|not sure|don't know|do not know|might|some)\b)"
)
_NEGATED_BEFORE = re.compile(
    r"(?:不|别|勿|并非|而非)(?:能|可|会|要|宜|应|该|当|应该|应当|可以)?$|(?i:(?:\bnot|n't|\bnever)\s+(?:be\s+)?)$"
)
_REVISION = re.compile(r"不对|更正|纠正|修正|改为|重新|(?i:\b(?:wait|actually|correction|sorry)\b)")
_REFUSAL = re.compile(
    r"抱歉|对不起|无法(?:回答|确定|判断|提供)|不能(?:回答|确定|提供)|不知道|不清楚|"
    r"(?i:\b(?:sorry|cannot|can't|unable|don't know|do not know|not able)\b)"
)
_ENGLISH_NOT = re.compile(r"(?i:\bnot?\b|n't\b)")
_AFTER = "项选是为对错正不因理而即这都均两三四五者吧呢啊哦了"
"""Han characters that may follow a label in a statement; any other (``B超``, ``AB型``) makes it part of a word."""
_LATIN_AFTER = re.compile(r"(?i:because|since|is|are|and|as|with|which|for|due)\b")


class _Reader:
    """The patterns of one set of options."""

    def __init__(self, options: tuple[tuple[str, str], ...]) -> None:
        self.texts = dict(options)
        self.labels = [label for label, _ in options]
        plain = {unicodedata.normalize("NFKC", label): label for label in self.labels}
        self.plain = plain | {label.lower(): kept for label, kept in plain.items()}
        names = "|".join(re.escape(label) for label in sorted(plain, key=len, reverse=True))
        one = rf"[(\[【<\"“']?\s?(?:{names})\s?[)\]】>\"”'}}]?"
        tight = rf"{one}(?:[ \t]*(?:[、/+&]|以及|[和与及]|\band\b)?[ \t]*(?:选项)?{one})*"
        loose = rf"(?:\s*[,;]\s*(?:and\s+|和)?{one}(?=\s*(?:[,;。.!)\n]|$)))*"
        doubt = rf"(?P<or>(?:\s*(?:或者|或是|或|还是|\bor\b)\s*{one})+)?"
        self.one = re.compile(names)
        self.list = re.compile(rf"(?:选项)?\s*(?P<list>{tight}{loose}){doubt}(?![A-Za-z0-9])(?!-\w)")
        self.bare = re.compile(
            rf"\s*(?:选项|选|答)?\s*(?P<list>{tight}(?:\s*[,;]\s*{one})*)\s*(?:选?项)?\s*[。.!)、]*\s*"
        )
        self.low = re.compile(rf"\s*[(\[]?(?P<list>{names.lower()})[)\].。]?\s*")
        self.low_after = re.compile(rf"\s*[(\[]?(?P<list>{names.lower()})[)\]]?(?=\s*(?:[.。!\n]|$))")
        self.lead = re.compile(rf"\s*(?P<list>{one})(?P<mark>\s*[.。,:)、]|[ \t]+|\n|$)\s*")
        self.judged = re.compile(
            rf"(?<![A-Za-z0-9])(?P<list>{tight})\s*(?:选?项)?[^,。;!?\n]{{0,6}}?"
            rf"(?:(?P<no>不正确|不对|错误|有误|不符合|错|(?i:is (?:incorrect|wrong|not correct)))"
            rf"|(?P<yes>(?:是)?(?:正确|对的)|(?i:is (?:the )?(?:correct|right|best))))"
        )
        keys = {label: normalise_for_comparison(text) for label, text in options}
        self.keys = {label: key for label, key in keys.items() if key and not self._is_label(key)}

    def _is_label(self, key: str) -> bool:
        return all(character.upper() in self.plain for character in key)

    def named(self, text: str) -> list[str]:
        """The labels in a matched list, as the source labels them, in the order of mention."""
        return [self.plain[found] for found in self.one.findall(text) or self.one.findall(text.upper())]

    def goes_on_with_text(self, label: str, rest: str) -> bool:
        """Whether what follows a label is that option's own text."""
        key = normalise_for_comparison(self.texts[label])
        return bool(key) and normalise_for_comparison(rest[: 2 * len(self.texts[label]) + 8]).startswith(key)

    def other_text(self, label: str, rest: str) -> bool:
        """Whether the text that follows a label is another option's."""
        key = normalise_for_comparison(re.split(r"[,。;!?\n]", rest.lstrip(" .:、)"), maxsplit=1)[0])
        return bool(key) and self.keys.get(label) != key and key in self.keys.values()


@lru_cache(maxsize=256)
def _reader(options: tuple[tuple[str, str], ...]) -> _Reader:
    return _Reader(options)


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
        refused = _REFUSAL.search(view.text)
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


def _statement(reader: _Reader, match: re.Match[str], strength: int, rule: str) -> _Statement:
    named = reader.named(match["list"])
    trouble = "undecided between options" if match.groupdict().get("or") else ""
    return _Statement(frozenset(named), match.start(), match.end(), strength, rule, trouble)


def _bare(view: _View, reader: _Reader) -> _Statement | None:
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
    ends = [match.end() for match in _CLAUSE_END.finditer(text, 0, start)]
    return text[ends[-1] if ends else 0 : start]


def _fits(reader: _Reader, labels: Sequence[str], rest: str) -> bool:
    """Whether the text after the labels lets them be labels, not the beginning of a word or a sentence."""
    if not rest or reader.goes_on_with_text(labels[-1], rest):
        return True
    if "\u3400" <= rest[0] <= "\u9fff":
        return rest[0] in _AFTER
    latin = re.match(r"[ \t]+([a-z]+)|[.][ \t]*([a-z]+)", rest)
    return latin is None or bool(_LATIN_AFTER.match(latin[1] or latin[2]))


def _stated(view: _View, reader: _Reader) -> Iterator[_Statement]:
    """Every affirmed statement that a marker introduces."""
    for strength, rule, pattern in _MARKS:
        for mark in pattern.finditer(view.text):
            if mark.groupdict().get("not") or _rejected(view.text, mark.start()):
                continue
            found = _after_mark(view.text, reader, mark, strength, rule)
            if found is not None:
                yield found
    for mark in _CONCLUDED.finditer(view.text):
        match = reader.list.match(view.text, mark.end())
        if match and re.match(r"\s*(?:[。.!;\n]|$)", view.text[match.end() :]):
            yield _statement(reader, match, 3, "conclusion")


def _rejected(text: str, start: int) -> bool:
    before = _clause_before(text, start)
    return bool(_NEGATED_BEFORE.search(before) or _DOUBT.search(before))


def _after_mark(text: str, reader: _Reader, mark: re.Match[str], strength: int, rule: str) -> _Statement | None:
    closing = strength > 1 and bool(_CLOSING.search(_clause_before(text, mark.start()) + mark[0]))
    strength = 4 if closing else strength
    by_text = _text_after(text, reader, mark, strength, rule)
    match = reader.list.match(text, mark.end()) or reader.low_after.match(text, mark.end())
    if match is None:
        return by_text
    named, rest = reader.named(match["list"]), text[match.end() :]
    if by_text and by_text.rule.endswith("whole text"):
        return by_text
    if not _fits(reader, named, rest):
        return by_text
    found = _statement(reader, match, strength, rule)
    if len(named) == 1 and reader.other_text(named[0], rest):
        return _Statement(found.labels, found.start, found.end, strength, rule, "letter and option text disagree")
    if re.match(r"\s*(?:选?项)?\s*(?:错|不对|不正确|有误)", rest) or re.match(r"\s*(?:吗|么|呢)?\s*\?", rest):
        return None
    return found


def _text_after(text: str, reader: _Reader, mark: re.Match[str], strength: int, rule: str) -> _Statement | None:
    """Option texts right after a marker, up to the end of the sentence."""
    if strength < 2:
        return None
    end = re.compile(r"[。;!?\n]|\.(?=\s|$)|$").search(text, mark.end())
    stop = end.start() if end else len(text)
    segment = text[mark.end() : stop]
    whole = [label for label, key in reader.keys.items() if key == normalise_for_comparison(segment)]
    labels, left = (whole, "") if len(whole) == 1 else _texts_in(segment, reader)
    if not labels or re.search(r"不是|并非|而非|或|还是|\bor\b|\bnot\b", left) or len(whole) > 1:
        return None
    name = f"{rule}, whole text" if whole else f"{rule}, option text"
    if not whole and len(left) > len(segment) / 2:
        return None  # the option is only mentioned on the way
    return _Statement(frozenset(labels), mark.end(), max(stop, mark.end() + 1), strength, name)


def _texts_in(segment: str, reader: _Reader) -> tuple[list[str], str]:
    """Labels whose texts stand in the segment, longest first so that a part of another does not count, and the rest."""
    rest, labels = normalise_for_comparison(segment), []
    for label, key in sorted(reader.keys.items(), key=lambda item: -len(item[1])):
        if len(key) > 1 and key in rest:
            labels.append(label)
            rest = rest.replace(key, "\n")
    return labels, rest


def _decided(view: _View, reader: _Reader) -> _Statement | None:
    """The statement that counts: the strongest ones must agree, or the last one must correct the others."""
    found = sorted(_stated(view, reader), key=lambda s: (s.end, s.start))
    if not found:
        return None
    best = max(statement.strength for statement in found)
    top = [statement for statement in found if statement.strength == best]
    last = top[-1]
    if len({statement.labels for statement in top}) == 1 or _revised(view, top):
        return last
    return _Statement(last.labels, last.start, last.end, best, last.rule, "contradicts itself")


def _revised(view: _View, top: Sequence[_Statement]) -> bool:
    others = [statement for statement in top if statement.labels != top[-1].labels]
    return bool(_REVISION.search(view.text, others[-1].end, top[-1].start))


# ---------------------------------------------------------------- weaker rules, used where nothing is stated


def _weak(view: _View, reader: _Reader, kind: str) -> _Statement | None:
    if _REFUSAL.search(view.text):
        return None
    return _leading(view, reader, kind) or _last_line(view, reader) or _declared(view, reader, kind)


def _leading(view: _View, reader: _Reader, kind: str) -> _Statement | None:
    """Lines that begin with a label: one for a single answer, a list of options with their texts for several."""
    led: list[tuple[str, int, int]] = []
    place = 0
    for line in view.text.splitlines(keepends=True):
        match = reader.lead.match(line)
        label = reader.named(match["list"])[0] if match else ""
        if match and _leads(reader, label, match["mark"], line[match.end() :]):
            led.append((label, place + match.start("list"), place + match.end("list")))
        elif match and not led and line.strip():
            return None
        place += len(line)
    mentioned = {
        reader.plain[c] for c in re.findall(r"(?<![A-Za-z0-9])[A-Z](?![A-Za-z0-9])", view.text) if c in reader.plain
    }
    names = {label for label, _, _ in led}
    if not led or mentioned - names or led[0][1] > len(view.text) - len(view.text.lstrip()) + 1:
        return None
    if len(names) == len(reader.labels) and len(names) > 1:
        return None  # the options are repeated, nothing is chosen
    if kind == "single" and len(names) > 1:
        return None
    return _Statement(frozenset(names), led[0][1], led[-1][2], 1, "leading label")


def _leads(reader: _Reader, label: str, mark: str, rest: str) -> bool:
    if reader.goes_on_with_text(label, rest) or not rest.strip():
        return not re.search(r"错误|不正确|不对|不选|排除", rest)
    if reader.other_text(label, rest) or re.match(r"[^,。;]{0,8}(?:错误|不正确|不对|有误)", rest):
        return False
    if not mark.strip():
        return False
    return not re.match(r"[A-Za-z]", rest) or bool(_LATIN_AFTER.match(rest))


def _last_line(view: _View, reader: _Reader) -> _Statement | None:
    lines = view.text.rstrip().splitlines()
    match = reader.bare.fullmatch(lines[-1]) if len(lines) > 1 else None
    if match is None:
        return None
    start = len(view.text.rstrip()) - len(lines[-1]) + match.start("list")
    return _Statement(frozenset(reader.named(match["list"])), start, start + len(match["list"]), 1, "last line")


def _declared(view: _View, reader: _Reader, kind: str) -> _Statement | None:
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


def _by_text(view: _View, reader: _Reader, kind: str) -> _Statement | None:
    """The one option whose text stands in the answer; for several answers nothing but option texts may stand there."""
    key = normalise_for_comparison(view.text)
    whole = [label for label, text in reader.keys.items() if text == key]
    start, end = 0, len(view.text)
    if len(whole) == 1:
        return _Statement(frozenset(whole), start, end, 1, "option text alone")
    if _REFUSAL.search(view.text) or _DOUBT.search(view.text):
        return None
    labels, rest = _texts_in(view.text, reader)
    left = re.sub(r"[\n和与及以、]|还有|以及", "", rest)
    if kind == "multiple":
        return _Statement(frozenset(labels), start, end, 1, "option texts alone") if labels and not left else None
    if len(labels) != 1 or re.search(r"排除|除外|无关|错误|没有|不|未|非", rest) or _ENGLISH_NOT.search(view.text):
        return None
    return _Statement(frozenset(labels), start, end, 1, "unique option text")
