"""What stands in many texts, counted at once by a table of all code points instead of a pattern per text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from huatuo.text.joined import Joined, code_points_of
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

# Odd numbers: primes of xxHash32.
_FIRST, _SECOND, _FOURTH = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)

LETTERS_END = 0x32400
"""One past the last code point that may be a letter (Unicode 16: Han extension H ends at 323AF)."""

_CASED_END = 0x1E944
"""One past the last code point with a lower case (Unicode 16: Adlam ends at 1E943)."""

LONGEST_PHRASE = 64
"""Most characters of a phrase that is looked for."""

_HEAD_BITS = 18
_HEAD_SHIFT = np.uint32(32 - _HEAD_BITS)


@lru_cache(maxsize=1)
def classes() -> Flags:
    """Class bits of every code point."""
    from huatuo.readers.encoding import common_characters

    table = np.zeros(0x110000, dtype=np.uint8)
    characters = list(map(chr, range(LETTERS_END)))
    table[:LETTERS_END] = BLANK * np.fromiter(map(str.isspace, characters), np.uint8, LETTERS_END)
    table[:LETTERS_END] |= LETTER * np.fromiter(map(str.isalnum, characters), np.uint8, LETTERS_END)
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


@lru_cache(maxsize=1)
def _lower() -> npt.NDArray[np.uint32]:
    """Every code point in lower case, where that is one character."""
    table = np.arange(0x110000, dtype=np.uint32)
    cased = (chr(code).lower() for code in range(_CASED_END))
    table[:_CASED_END] = np.fromiter((ord(low[0]) for low in cased), np.uint32, _CASED_END)
    return table


@dataclass(frozen=True)
class Chunk(Joined):
    """Some texts, and what stands in them."""

    _found: dict[tuple[str, ...], tuple[Counts, Counts]] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> Flags:
        """Class bits of every character."""
        return self.looked_up(classes())

    def count(self, marked: Marks) -> Counts:
        """How many characters of each text are marked."""
        if not len(self.texts):
            return np.zeros(0, dtype=np.int64)
        counted: Counts = np.add.reduceat(marked.view(np.uint8), self.starts[:-1], dtype=np.int64)
        return counted

    def count_of(self, bits: int) -> Counts:
        """How many characters of each text are of one of these classes."""
        return self.count((self.kinds & bits) != 0)

    @cached_property
    def lower(self) -> npt.NDArray[np.uint32]:
        """The code points in lower case, character for character, and some line feeds after them."""
        return np.concatenate([self.looked_up(_lower()), np.full(LONGEST_PHRASE, 0x0A, dtype=np.uint32)])

    @cached_property
    def heads(self) -> Hashes:
        """Hash of the two characters that begin at each place of `lower`."""
        return head_hashes(self.lower)

    def found(self, phrases: tuple[str, ...]) -> tuple[Counts, Counts]:
        """Where phrases stand, in either case of letters: the text and the number of the phrase, of each that does.

        The phrases are in lower case and have two characters at least; those that begin in ASCII have four.
        """
        known = _known(phrases)
        begins = (self.heads[: len(self.codes)] >> _HEAD_SHIFT).astype(np.intp)
        place = np.flatnonzero(np.take(known.begins, begins))  # few: what follows is of those alone
        two, four = self.heads[place], self.heads[place] * _FOURTH + self.heads[place + 2]
        heads = [
            table[(of >> _HEAD_SHIFT).astype(np.intp)] for table, of in zip(known.tables, (two, four), strict=True)
        ]
        place, head = np.concatenate([place[head > 0] for head in heads]), np.concatenate([h[h > 0] for h in heads])
        sizes = known.sizes[head]
        place, number = np.repeat(place, sizes), known.numbers[_ranges(known.firsts[head], sizes)]
        for offset in range(known.letters.shape[1]):
            letter = known.letters[number, offset]
            fits = (letter == self.lower[place + offset]) | (letter == 0)
            place, number = place[fits], number[fits]
        return self.owners(place), number

    def hits(self, phrases: tuple[str, ...], among: tuple[str, ...] = ()) -> Counts:
        """How often the phrases of `found` stand in each text. ``among``: a longer list that holds them one after the
        other, which is then looked for once for all its parts."""
        whole = among or phrases
        if whole not in self._found:
            self._found[whole] = self.found(whole)
        texts, numbers = self._found[whole]
        first = whole.index(phrases[0])
        ours = texts[(numbers >= first) & (numbers < first + len(phrases))]
        return np.bincount(ours, minlength=len(self.texts)).astype(np.int64)


def head_hashes(codes: npt.NDArray[np.uint32]) -> Hashes:
    """Hash of every two characters that stand together."""
    return codes[:-1] * _FIRST + codes[1:] * _SECOND


@dataclass(frozen=True)
class _Known:
    """Phrases, to be found by their first characters."""

    begins: Marks
    """Whether a hash of two characters may be the beginning of a phrase."""
    tables: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]
    """Number of the head that a hash of two, and of four characters may be; 0: of none."""
    numbers: Counts
    """The phrases, those of one head together."""
    firsts: Counts
    """The first of each head's phrases among them."""
    sizes: Counts
    """How many phrases each head has."""
    letters: npt.NDArray[np.uint32]
    """The code points of each phrase, and 0 after its end."""


@lru_cache
def _known(phrases: tuple[str, ...]) -> _Known:
    two, four = (np.zeros(1 << _HEAD_BITS, dtype=np.int16) for _ in range(2))
    begins = np.zeros(1 << _HEAD_BITS, dtype=bool)
    by_head: list[list[int]] = [[]]
    letters = np.zeros((len(phrases), max(map(len, phrases))), dtype=np.uint32)
    for number, phrase in enumerate(phrases):
        letters[number, : len(phrase)] = [ord(character) for character in phrase]
        hashes = head_hashes(letters[number])
        begins[hashes[0] >> _HEAD_SHIFT] = True
        table, head = (four, (hashes[:-2] * _FOURTH + hashes[2:])[0]) if phrase[0].isascii() else (two, hashes[0])
        entry = int(head >> _HEAD_SHIFT)
        if not table[entry]:
            table[entry] = len(by_head)
            by_head.append([])
        by_head[table[entry]].append(number)
    sizes = np.array([len(numbers) for numbers in by_head])
    return _Known(
        begins, (two, four), np.concatenate(by_head).astype(np.int64), np.cumsum(sizes) - sizes, sizes, letters
    )


def _ranges(firsts: Counts, sizes: Counts) -> Counts:
    """The numbers from each first one, as many as its size, one range after the other."""
    ranges: Counts = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes - firsts, sizes)
    return ranges


def chunk(texts: Sequence[str]) -> Chunk:
    """The texts as code points. A line feed after each keeps what is found from reaching into the next."""
    return Chunk(texts, "\n", *code_points_of(texts, "\n"))


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


def picked(among: Sequence[int], refused: Marks) -> list[int]:
    """The numbers among those given whose text is refused."""
    return [place for place in among if refused[place]]


def judged(texts: Sequence[str], given: Sequence[str], judge: Callable[[Sequence[str]], list[str]]) -> list[str]:
    """The reason of each text: the one that is given, else what ``judge`` says of the texts without one, by chunks."""
    found = list(given)
    places = [place for place, reason in enumerate(given) if not reason]
    asked = [texts[place] for place in places]
    for begin, part in chunks(asked):
        for place, reason in zip(places[begin:], judge(part), strict=False):
            found[place] = reason
    return found
