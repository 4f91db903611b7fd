"""Complaints that patients speak of, found in running text in one spelling each.

The list holds the common ones alone, Chinese and English; what is rarer is known to a graph by its own names. Everyday
spellings of the Chinese words (发烧, 拉肚子) are made one by `huatuo.checks.wording`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from huatuo.checks.wording import plain

TABLE = "complaints.tsv"
"""Chinese word, a tab, English spellings (or how they begin) with | between."""


class Complaint(NamedTuple):
    """One complaint in a text."""

    name: str
    """The Chinese word of the table."""
    start: int
    """First character in `plain` of the text, counted from 0."""
    end: int
    """One past the last character."""


@lru_cache
def _pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    rows = (line.split("\t") for line in (Path(__file__).parent / TABLE).read_text(encoding="utf-8").splitlines())
    names: dict[str, str] = {}
    for word, english in rows:
        names[plain(word)] = word
        names |= {spelling: word for spelling in english.split("|")}
    ordered = sorted(names, key=lambda spelling: (-len(spelling), spelling))
    found = "|".join((rf"\b{spelling}" if spelling.isascii() else "") or re.escape(spelling) for spelling in ordered)
    return re.compile(found), names


def complaints(text: str) -> list[Complaint]:
    """The complaints of a text, which is read through `huatuo.checks.wording.plain`, in order."""
    pattern, names = _pattern()
    return [Complaint(names[match[0]], *match.span()) for match in pattern.finditer(plain(text))]
