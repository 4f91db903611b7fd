"""Texts are cut into pieces of bounded length at headings, paragraphs and sentences; the joined pieces are the text.

Sentences come from sentencex, which keeps 38.5℃, 2.5 mg and quotations whole. Offsets count characters.
"""

from __future__ import annotations

import re

import sentencex

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_CLAUSE = re.compile(r"(?<!\d)[,;:](?=[\s　]|\D)|[,;:](?=[\s　])|[，；、：。！？!?…]+[”’」』）)]*|[ \t　]+")
_BOUND_CHARACTER = re.compile(r"[0-9A-Za-z.,:/%％‰℃°²³⁰-⁹₀-₉^×*~～\-–+±<>≤≥=μµ]")
"""Characters that make up a number with its unit; no cut falls between two of them where it can be helped."""

_NUMBER_THEN_UNIT = re.compile(r"\d[ \u00a0]?$")
_UNIT = re.compile(r"[ \u00a0]?(?:[A-Za-zμµ℃°%％‰]|毫|微|克|片|粒|支|单位|岁|次|天|周|月|小时|分钟)")

_ITEM_NUMBER = re.compile(r"[ \t　]*[(（]?\d{1,3}[.、．)）][ \t　]*")
"""The number of a list item, which belongs to the sentence after it."""

_BLANKS = str.maketrans({chr(code): " " for code in range(0x80, 0x3001) if chr(code).isspace()})
"""Blanks outside ASCII → one of it: sentencex 1.0.32 counts bytes wrongly where one stands before a period
(``A\u3000.``), and ends the process."""

LOOK_BACK = 40
"""Characters that a hard cut may move back to spare a number or a word."""


def sentences(text: str, language: str = "zh") -> list[tuple[int, int]]:
    """(start, end) of each sentence; they follow each other without a gap, blanks belong to the one before."""
    found: list[tuple[int, int]] = []
    at = 0
    for line in _LINE.findall(text):
        plain = line.translate(_BLANKS)
        parts = [part for part in sentencex.segment(language, plain) if part]
        if "".join(parts) != plain:
            parts = [plain]  # the splitter changed the text: better one long sentence than a lost character
        for part in parts:
            if found and (not part.strip() or _is_cut_number(text, at) or _ITEM_NUMBER.fullmatch(text, *found[-1])):
                found[-1] = (found[-1][0], at + len(part))
            else:
                found.append((at, at + len(part)))
            at += len(part)
    return found


def _is_cut_number(text: str, at: int) -> bool:
    """Whether ``at`` is inside a number or between it and its unit: ``38.|5℃``, ``2.5 |mg``."""
    before, after = text[max(0, at - 3) : at], text[at : at + 4]
    if "\n" in before[-1:]:
        return False
    return bool(re.search(r"\d[.·]$", before) and after[:1].isdigit()) or bool(
        _NUMBER_THEN_UNIT.search(before) and _UNIT.match(after)
    )


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
        if not inside and not _is_cut_number(text, at):
            return at
    return limit
