"""Words that exclude each other: directions, degrees, organs, routes, times of the day (``contrast.zh.tsv``).

A row holds poles, cut at tabs; a pole holds spellings, cut at ``|``. A row that begins with ``*`` excludes whatever
else is said: who writes 餐后 contradicts 餐前 in any clause, who writes 升高 contradicts 降低 of the same thing only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from huatuo.checks.wording import CONTRASTS, by_head


class Pole(NamedTuple):
    """A side of a row."""

    row: int
    """Which row of the table."""
    side: int
    """Which pole of it."""


_ALWAYS = frozenset(number for number, row in enumerate(CONTRASTS) if row[0] == ("*",))
_POLES: dict[str, list[Pole]] = {}
for _row, _sides in enumerate(CONTRASTS):
    for _side, _words in enumerate(_sides):
        for _word in _words:
            _POLES.setdefault(_word, []).append(Pole(_row, _side))
del _POLES["*"]
_LENGTHS = by_head(_POLES)


@lru_cache(maxsize=16384)
def poles(text: str) -> dict[Pole, str]:
    """The poles that words of a text stand on, each with its longest word."""
    found: dict[Pole, str] = {}
    for start, character in enumerate(text):
        for length in _LENGTHS.get(character, ()):
            word = text[start : start + length]
            for pole in _POLES.get(word, ()):
                if len(word) > len(found.get(pole, "")):
                    found[pole] = word
    return found


def against(said: str, piece: str, source: str, always: bool) -> tuple[str, str]:
    """A word of what is said and the word of a piece of the source that it excludes; the source has no word of its
    meaning. ``always``: only by the rows marked so, whose words exclude each other whatever else is said."""
    known, others = poles(source), poles(piece)
    for pole, word in poles(said).items():
        if pole in known or (pole.row in _ALWAYS) is not always:
            continue
        for other, standing in others.items():
            if other.row == pole.row and other.side != pole.side:
                return word, standing
    return "", ""


def opposed(old: str, new: str) -> bool:
    """Whether one text holds a word of a row and the other another one of it, and neither has the other's."""
    left, right = poles(old), poles(new)
    rows = {pole.row for pole in left} & {pole.row for pole in right}
    return any(not {p for p in left if p.row == row} & {p for p in right if p.row == row} for row in rows)
