"""Texts are cut into pieces of bounded length at headings, paragraphs and sentences; the joined pieces are the text.

Sentences come from sentencex, which keeps 38.5℃, 2.5 mg and quotations whole. Offsets count characters.
"""

from __future__ import annotations

import re

import sentencex

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_CLAUSE = re.compile(r"(?<!\d)[,;:](?=[\s　]|\D)|[,;:](?=[\s　])|[，；、：。！？!?…]+[”’」』）)]*|[ \t　]+")
_BOUND_CHARACTER = re.compile(r"[0-9A-Za-z.,:/%％‰℃°²³⁰-⁹₀-₉^×*~～\-–+±<>≤≥=μµ０-９Ａ-Ｚａ-ｚ．／㎀-㏟]")
"""Characters that make up a number with its unit; no cut falls between two of them where it can be helped."""

_GAP = " \t\u00a0\u2000-\u200a\u202f\u205f\u3000"
_MOST_GAP = 3
_NUMBER_THEN_UNIT = re.compile(rf"\d[{_GAP}]{{0,{_MOST_GAP}}}$")
_UNIT = re.compile(
    rf"[{_GAP}]{{0,{_MOST_GAP}}}(?:[A-Za-zＡ-Ｚａ-ｚμµ℃℉°%％‰㎀-㏟]|毫|微|克|片|粒|支|单位|岁|次|天|周|月|小时|分钟)"
)
_UNIT_WORDS = (
    *("毫升", "毫克", "微克", "微升", "微米", "纳克", "千克", "公斤", "厘米", "毫米汞柱", "毫摩尔", "微摩尔"),
    *("国际单位", "万单位", "小时", "分钟"),
)
_UNIT_PAIRS = frozenset(word[at : at + 2] for word in _UNIT_WORDS for at in range(len(word) - 1))
"""Two characters that follow each other within the name of a unit."""

_MAY_BE_CUT = re.compile(rf"[\d.·．{_GAP}]")
"""The character before a place that could lie inside a number or before its unit: most ends of sentences are none."""

_ITEM_NUMBER = re.compile(r"[ \t　]*[(（]?\d{1,3}[.、．)）][ \t　]*")
"""The number of a list item, which belongs to the sentence after it."""

_BLANKS = str.maketrans({chr(code): " " for code in range(0x80, 0x3001) if chr(code).isspace()})
"""Blanks outside ASCII → one of it: sentencex 1.0.32 counts bytes wrongly where one stands before a period
(``A\u3000.``), and ends the process."""

AT_ONCE = 2_000
"""Most characters of a line that are split at once: sentencex 1.0.32 takes time with the square of them, 3 seconds for
100,000."""

LOOK_BACK = 40
"""Characters that a hard cut may move back to spare a number or a word."""


def sentences(text: str, language: str = "zh") -> list[tuple[int, int]]:
    """(start, end) of each sentence; they follow each other without a gap, blanks belong to the one before."""
    found: list[tuple[int, int]] = []
    at = 0
    for line in _LINE.findall(text):
        for part in _split(line.translate(_BLANKS), language):
            if found and (not part.strip() or _is_cut_number(text, at) or _ITEM_NUMBER.fullmatch(text, *found[-1])):
                found[-1] = (found[-1][0], at + len(part))
            else:
                found.append((at, at + len(part)))
            at += len(part)
    return found


def _split(line: str, language: str) -> list[str]:
    """The sentences of a line. Of a long one, those of a window at a time; the last of them, which the window may have
    cut, is the first of the next."""
    found: list[str] = []
    begun, at = "", 0
    while True:
        is_last = len(line) - at <= AT_ONCE
        window = line[at:] if is_last else line[at : _hard_cut(line, at, at + AT_ONCE)]
        parts = [part for part in sentencex.segment(language, window) if part]
        if "".join(parts) != window:
            parts = [window]  # the splitter changed the text: better one long sentence than a lost character
        if is_last:
            return [*found, *_after(begun, parts)]
        if len(parts) == 1:  # no end in sight: what is to come may have one
            begun += window
            at += len(window)
        else:
            found += _after(begun, parts[:-1])
            begun = ""
            at += len(window) - len(parts[-1])


def _after(begun: str, parts: list[str]) -> list[str]:
    """The parts, the first of them with what was before it."""
    return [begun + parts[0], *parts[1:]] if parts else [begun] * bool(begun)


def _is_cut_number(text: str, at: int) -> bool:
    """Whether ``at`` is inside a number or between it and its unit: ``38.|5℃``, ``2.5 |mg``."""
    if not _MAY_BE_CUT.match(text, at - 1):
        return False
    if text[at - 1] in ".·．":
        return text[at - 2 : at - 1].isdecimal() and text[at : at + 1].isdigit()
    return bool(_UNIT.match(text, at) and _NUMBER_THEN_UNIT.search(text, max(0, at - 1 - _MOST_GAP), at))


def pieces(text: str, bound: int, language: str = "zh") -> list[tuple[int, int]]:
    """(start, end) of pieces of at most ``bound`` characters that together are the whole text, in order.

    A piece ends with the last paragraph that fits if that fills half of it, else with the last sentence that fits; a
    sentence longer than the bound is cut after clause punctuation, and only where there is none, hard.
    Raises ValueError where ``bound`` is less than 1.
    """
    if bound < 1:
        raise ValueError(f"bound = {bound}; expected at least 1")
    if len(text) <= bound:
        return [(0, len(text))] if text else []
    units = [part for start, end in sentences(text, language) for part in _short_enough(text, start, end, bound)]
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(units):
        last = _last_that_fits(text, units, first, bound)
        found.append((first, last))
        first = last + 1
    if len(found) > 1:
        found[-2:] = _balanced(units, found[-2], found[-1], bound)
    return [(units[first][0], units[last][1]) for first, last in found]


def _last_that_fits(text: str, units: list[tuple[int, int]], first: int, bound: int) -> int:
    """The unit that ends the piece which begins with ``first``."""
    start, last = units[first][0], first
    while last + 1 < len(units) and units[last + 1][1] - start <= bound:
        last += 1
    if last + 1 < len(units):
        ends = [i for i in range(first, last + 1) if text[units[i][0] : units[i][1]].endswith("\n")]
        if ends and (units[ends[-1]][1] - start) * 2 >= bound:
            return ends[-1]
    return last


def _balanced(
    units: list[tuple[int, int]], before: tuple[int, int], tail: tuple[int, int], bound: int
) -> list[tuple[int, int]]:
    """The last two pieces, with sentences moved to the last while it is under a quarter of the bound: a short tail
    would be dropped as too short though it belongs to the text."""
    first, last = tail
    while (
        (units[last][1] - units[first][0]) * 4 < bound
        and first - 1 > before[0]
        and units[last][1] - units[first - 1][0] <= bound
    ):
        first -= 1
    return [(before[0], first - 1), (first, last)]


def _short_enough(text: str, start: int, end: int, bound: int) -> list[tuple[int, int]]:
    found = []
    while end - start > bound:
        cut = _clause_end(text, start, start + bound) or _hard_cut(text, start, start + bound)
        found.append((start, cut))
        start = cut
    found.append((start, end))
    return found


def _clause_end(text: str, start: int, limit: int) -> int:
    """The last place after clause punctuation in the second half of the range, or 0."""
    ends = [m.end() for m in _CLAUSE.finditer(text, start, limit) if not _is_cut_number(text, m.end())]
    return ends[-1] if ends and (ends[-1] - start) * 2 >= limit - start else 0


def _hard_cut(text: str, start: int, limit: int) -> int:
    """``limit``, or a little before it where a number or word would be cut in two."""
    for at in range(limit, max(start, limit - LOOK_BACK), -1):
        inside = _BOUND_CHARACTER.match(text[at - 1]) and at < len(text) and _BOUND_CHARACTER.match(text[at])
        if not inside and text[at - 1 : at + 1] not in _UNIT_PAIRS and not _is_cut_number(text, at):
            return at
    return limit
