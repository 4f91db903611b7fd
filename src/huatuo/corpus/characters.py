"""What stands in many texts, counted at once by a table of all code points instead of a pattern per text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from huatuo.text.zh import CJK_RANGES

CHUNK_ROWS = 500
"""Texts that are looked at together: more leave the processor's cache."""

CHUNK_CHARS = 1 << 20
"""Characters from which no further text is added to them."""

BLANK, LETTER, HAN, DIGIT, LOST, FILLER, ASCII_LETTER, COMMON_HAN = (1 << bit for bit in range(8))
"""Classes of characters, as bits: blank; letter or digit (``str.isalnum``); Han character; ASCII digit; U+FFFD or
control character; filler that typesetting and OCR put for what they do not know; Latin letter of ASCII; Han character
of the first levels of GB2312 and Big5, which everyday text is written with."""

FILLERS = "□■◆◇〓▢▯█▌▐░▒▓¤"

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]
Marks = npt.NDArray[np.bool_]


Hashes = npt.NDArray[np.uint32]

_FIRST, _SECOND, _FOURTH = (
    np.uint32(0x9E3779B1),
    np.uint32(0x85EBCA77),
    np.uint32(0xC2B2AE3D),
)  # odd, primes of xxHash32
_LETTERS_END = 0x32400
"""One past the last code point that may be a letter (Unicode 16: Han extension H ends at 323AF)."""

_HEAD_BITS = 18
_HEAD_SHIFT = np.uint32(32 - _HEAD_BITS)


@lru_cache(maxsize=1)
def classes() -> Flags:
    """Class bits of every code point."""
    from huatuo.readers.encoding import common_characters

    table = np.zeros(0x110000, dtype=np.uint8)
    for code in range(_LETTERS_END):
        character = chr(code)
        table[code] = BLANK * character.isspace() | LETTER * character.isalnum()
    for low, high in CJK_RANGES:
        table[low : high + 1] |= HAN
    table[0x30:0x3A] |= DIGIT
    table[0x41:0x5B] |= ASCII_LETTER
    table[0x61:0x7B] |= ASCII_LETTER
    for code in (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xFFFD):
        table[code] |= LOST
    table[[ord(c) for c in FILLERS]] |= FILLER
    table[[ord(c) for c in common_characters() if "\u4e00" <= c <= "\u9fff"]] |= COMMON_HAN
    return table


@dataclass(frozen=True)
class Chunk:
    """Some texts as one array of code points."""

    texts: Sequence[str]
    """The texts."""
    joined: str
    """All of them, one after the other."""
    codes: npt.NDArray[np.uint32]
    """Its code points."""
    starts: Counts
    """First place of every text in it, and one past the last."""

    @cached_property
    def kinds(self) -> Flags:
        """Class bits of every character."""
        return np.take(classes(), self.codes)

    @cached_property
    def lengths(self) -> Counts:
        """Characters of each text."""
        return np.diff(self.starts)

    @cached_property
    def owner(self) -> Counts:
        """Number of the text that each character stands in."""
        return np.repeat(np.arange(len(self.texts)), self.lengths)

    def count(self, marked: Marks) -> Counts:
        """How many characters of each text are marked."""
        before = np.concatenate([[0], np.cumsum(marked, dtype=np.int64)])
        counted: Counts = np.diff(before[self.starts])
        return counted

    def count_of(self, bits: int) -> Counts:
        """How many characters of each text are of one of these classes."""
        return self.count((self.kinds & bits) != 0)

    @cached_property
    def lower(self) -> str:
        """The joined text in lower case, character for character."""
        return self.joined.replace("\u0130", "i").lower()  # the one letter whose lower case is longer

    @cached_property
    def heads(self) -> tuple[Hashes, Hashes]:
        """Hash of the two, and of the four characters that begin at each place of `lower`."""
        two = head_hashes(self.lower + "\n\n\n")
        return two[: len(self.codes)], (two[:-2] * _FOURTH + two[2:])[: len(self.codes)]

    def hits(self, phrases: tuple[str, ...]) -> Counts:
        """How often the phrases stand in each text, in either case of letters.

        The phrases are in lower case and have two characters at least; those that begin in ASCII have four.
        """
        known = _known(phrases)
        found: list[int] = []
        for heads, table in zip(self.heads, known.tables, strict=True):
            for place in np.flatnonzero(np.take(table, heads >> _HEAD_SHIFT)).tolist():
                begin = self.lower[place : place + 2]
                found += [place] * sum(self.lower.startswith(phrase, place) for phrase in known.by_head.get(begin, ()))
            if not known.has_ascii:
                break
        places = np.searchsorted(self.starts, np.array(found, dtype=np.int64), side="right") - 1
        return np.bincount(places, minlength=len(self.texts)).astype(np.int64)


def head_hashes(text: str) -> Hashes:
    """Hash of every two characters that stand together."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return codes[:-1] * _FIRST + codes[1:] * _SECOND


@dataclass(frozen=True)
class _Known:
    """Phrases, to be found by their first characters."""

    tables: tuple[Marks, Marks]
    """Whether a hash of two, and of four characters may begin a phrase."""
    by_head: dict[str, list[str]]
    """Phrases by their first two characters."""
    has_ascii: bool
    """Whether one begins in ASCII."""


@lru_cache
def _known(phrases: tuple[str, ...]) -> _Known:
    two, four = (np.zeros(1 << _HEAD_BITS, dtype=bool) for _ in range(2))
    by_head: dict[str, list[str]] = {}
    for phrase in phrases:
        by_head.setdefault(phrase[:2], []).append(phrase)
        hashes = head_hashes(phrase)
        if phrase[0].isascii():
            four[(hashes[:-2] * _FOURTH + hashes[2:])[0] >> _HEAD_SHIFT] = True
        else:
            two[hashes[0] >> _HEAD_SHIFT] = True
    return _Known((two, four), by_head, bool(four.any()))


def chunk(texts: Sequence[str]) -> Chunk:
    """The texts as code points. A line feed after each keeps what is found from reaching into the next."""
    ended = [text + "\n" for text in texts]
    joined = "".join(ended)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    starts = np.concatenate([[0], np.cumsum([len(text) for text in ended], dtype=np.int64)])
    return Chunk(texts, joined, codes, starts)


def chunks(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """(number of the first, texts) of groups of at most `CHUNK_ROWS` texts with about `CHUNK_CHARS` characters."""
    begin = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if place + 1 - begin >= CHUNK_ROWS or size >= CHUNK_CHARS:
            yield begin, texts[begin : place + 1]
            begin, size = place + 1, 0
    if begin < len(texts):
        yield begin, texts[begin:]


def judged(texts: Sequence[str], given: Sequence[str], judge: Callable[[Sequence[str]], list[str]]) -> list[str]:
    """The reason of each text: the one that is given, else what ``judge`` says of the texts without one, by chunks."""
    found = list(given)
    places = [place for place, reason in enumerate(given) if not reason]
    asked = [texts[place] for place in places]
    for begin, part in chunks(asked):
        for place, reason in zip(places[begin:], judge(part), strict=False):
            found[place] = reason
    return found
