"""Names of a graph found in running text: longest match, left to right, without a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
"""Only ASCII is folded: `str.lower` may change the length of a text, and with it every position."""

_SENTENCE_MARKS = frozenset("。；;，,、！？\n")
LONGEST_NAME = 24
"""Characters. A longer value is a sentence about something, not the name of a thing."""


class Mention(NamedTuple):
    """One name in a text."""

    start: int
    """First character, from 0."""
    end: int
    """One past the last character."""
    name: str
    """The name as the dictionary spells it."""


def fold(text: str) -> str:
    """The text with ASCII letters in lower case and every position unchanged."""
    return text.translate(_ASCII_LOWER)


def is_name(term: str) -> bool:
    """Whether a value can be looked for as a name: 2 to 24 characters, a letter among them, no punctuation
    that lists or ends."""
    return (
        2 <= len(term) <= LONGEST_NAME
        and not _SENTENCE_MARKS.intersection(term)
        and any(character.isalpha() for character in term)
    )


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


class Dictionary:
    """A set of names that can be found in text; 30,000 names take about 50 ms to index.

    Latin names match whole words only (``flu`` is not in ``influenza``); Chinese names match anywhere.
    """

    def __init__(self, names: Iterable[str]):
        self._names: dict[str, str] = {}
        lengths: dict[str, set[int]] = {}
        for name in names:
            key = fold(name.strip())
            if not key:
                continue
            self._names.setdefault(key, name.strip())
            lengths.setdefault(key[:2], set()).add(len(key))
        self._lengths = {head: tuple(sorted(found, reverse=True)) for head, found in lengths.items()}

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return fold(name.strip()) in self._names

    def at(self, folded: str, start: int) -> Mention | None:
        """The longest name that begins at a position of a folded text."""
        for head in (folded[start : start + 2], folded[start]):
            for length in self._lengths.get(head, ()):
                end = start + length
                key = folded[start:end]
                if key in self._names and not _inside_word(folded, start, end):
                    return Mention(start, end, self._names[key])
        return None

    def find(self, text: str) -> list[Mention]:
        """The names in a text: at each place the longest one, none overlapping another."""
        folded, found, position = fold(text), [], 0
        while position < len(folded):
            if folded[position : position + 2] in self._lengths or folded[position] in self._lengths:
                mention = self.at(folded, position)
                if mention:
                    found.append(mention)
                    position = mention.end
                    continue
            position += 1
        return found


def _inside_word(text: str, start: int, end: int) -> bool:
    """Whether a match would cut a Latin word or a number in two."""
    if start and _is_word(text[start]) and _is_word(text[start - 1]):
        return True
    return end < len(text) and _is_word(text[end - 1]) and _is_word(text[end])
