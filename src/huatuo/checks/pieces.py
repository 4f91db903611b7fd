"""What a text tells in pieces: a hand that grips nothing, and slurred words beside it; a secret, a pill and a drink.

A table of wordings finds what was thought of; people say the same in other words and spread it over clauses. So
``NAME.parts.tsv`` holds pieces (Chinese pattern, English pattern), and ``NAME.sets.tsv`` which of them make a sign of
an emergency (``signs``), or a request for help to do harm (``harm``), when they stand near each other, in any order.
Written from general knowledge, to be corrected by physicians.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

Table = Literal["signs", "harm"]

REACH_ZH, REACH_EN = 36, 110
"""Characters within which the pieces of a sign stand: two or three clauses of Chinese, two sentences of English."""

Span = tuple[int, int]


class Alternative(NamedTuple):
    """One way in which pieces make a sign."""

    needed: tuple[str, ...]
    """Names of the pieces that must all be there, apart from each other."""
    absent: tuple[str, ...]
    """Names of pieces of which none may be anywhere in the text: what makes it an old or harmless story."""


class SetRow(NamedTuple):
    """One line of a table of sets."""

    name: str
    """The sign, or the rule."""
    alternatives: tuple[Alternative, ...]
    """The ways, any of which is enough."""
    described: tuple[str, ...]
    """Texts that it holds for; each alternative finds one at least."""
    spoken_of: tuple[str, ...]
    """Texts that look like it, and that it does not hold for."""


class Found(NamedTuple):
    """Pieces that stand together."""

    name: str
    """What they make."""
    spans: tuple[Span, ...]
    """The pieces, in the order of the alternative."""


_FIGURES = re.compile(r"\d(?![\d,]*\})|\\d|\[")
"""In a pattern: what may match a figure (a temperature, a pulse); the bounds of a repetition do not."""


def has_letters(text: str) -> bool:
    """Whether a text has letters with a case: without them an English pattern matches figures at most, and the others
    need not be tried, which is four fifths of the work."""
    return text.lower() != text.upper()


@lru_cache
def parts(table: Table, letters: bool = True) -> dict[str, re.Pattern[str]]:
    """The pattern of each piece: both languages in one, or for a text without ``letters`` the Chinese alone."""
    lines = (Path(__file__).parent / f"{table}.parts.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    if letters:
        return {name: re.compile(f"{zh}|{en}", re.IGNORECASE) for name, zh, en in rows}
    return {name: re.compile(f"{zh}|{en}" if _FIGURES.search(en) else zh) for name, zh, en in rows}


@lru_cache
def sets(table: Table) -> tuple[SetRow, ...]:
    """The lines of a table of sets."""
    lines = (Path(__file__).parent / f"{table}.sets.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(
        SetRow(name, tuple(map(_alternative, ways.split("|"))), tuple(yes.split("|")), tuple(no.split("|")))
        for name, ways, yes, no in rows
    )


def _alternative(text: str) -> Alternative:
    names = text.split()
    return Alternative(
        tuple(name for name in names if not name.startswith("!")),
        tuple(name[1:] for name in names if name.startswith("!")),
    )


def found(text: str, table: Table) -> Iterator[Found]:
    """What is told in pieces that stand together, each alternative at its tightest place; several of one name where
    several alternatives fit."""
    return found_in(sets(table), text, table)


def found_in(rows: Iterable[SetRow], text: str, table: Table) -> Iterator[Found]:
    """`found` by these rows alone."""
    known: dict[str, list[Span]] = {}
    patterns = parts(table, has_letters(text))
    reach = REACH_EN if sum(character.isascii() for character in text) > 0.7 * len(text) else REACH_ZH

    def spans(name: str) -> list[Span]:
        if name not in known:
            known[name] = [match.span() for match in patterns[name].finditer(text)]
        return known[name]

    for row in rows:
        for one in row.alternatives:
            if all(spans(name) for name in one.needed) and not any(spans(name) for name in one.absent):
                together = _tightest([spans(name) for name in one.needed], reach)
                if together:
                    yield Found(row.name, together)


def _tightest(places: list[list[Span]], reach: int) -> tuple[Span, ...]:
    """One span of each piece, none over another, within ``reach`` characters; empty where there is no such place."""
    best: tuple[int, tuple[Span, ...]] = (reach + 1, ())
    for first in places[0]:
        chosen = [first]
        for others in places[1:]:
            free = [span for span in others if all(span[1] <= one[0] or one[1] <= span[0] for one in chosen)]
            if not free:
                break
            chosen.append(min(free, key=lambda span: _width([*chosen, span])))
        else:
            best = min(best, (_width(chosen), tuple(chosen)))
    return best[1]


def _width(spans: list[Span]) -> int:
    return max(end for _, end in spans) - min(start for start, _ in spans)
