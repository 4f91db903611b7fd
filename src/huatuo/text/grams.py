"""Texts as hashes of their tokens and of runs of tokens, many texts at once.

A token is one of `huatuo.text.zh.tokens` of the NFKC text; a gram is a run of 5. Hashes have 64 bits and are made with
written-out constants, so every process and machine has the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from huatuo.text.joined import Codes, Joined, Number, Places, code_points_of, join
from huatuo.text.zh import CJK_RANGES

Hashes = npt.NDArray[np.uint64]
Marks = npt.NDArray[np.bool_]

GRAM = 5
"""Tokens per gram. Of grams of 5, 8 and 13 tokens, 5 found the most planted copies with character edits (93 %, 82 %,
78 %) at two thirds of the speed of 13."""

NEAR_GRAM = 2
"""Tokens of a short gram, by which a copy that was edited everywhere is found."""

CHUNK_CHARS = 250_000
"""Characters hashed at once: about 15 MB of arrays. With 2 million the arrays leave the processor's cache, and judging
20,000 texts takes almost twice the time."""

# splitmix64 (Steele, Lea, Flood 2014) and an odd multiplier for rolling.
_GAMMA, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ROLL = np.uint64(0xD6E8FEB86659FD93)
BUCKET_BITS, _MARK_BITS = 22, 22
_JOINING = ("Cs", "Mn", "Mc", "Me")
"""Categories of characters whose folding depends on their neighbours: marks, and halves of surrogate pairs."""

_LETTERS_END = 0x20000
"""One past the last code point that may be a letter or digit and no Han character."""


def mix(values: Hashes) -> Hashes:
    """Hashes of which every bit depends on every bit of the values (splitmix64's finaliser)."""
    made = values >> np.uint64(30)
    made ^= values
    made *= _MIX1
    shifted = made >> np.uint64(27)
    made ^= shifted
    made *= _MIX2
    np.right_shift(made, np.uint64(31), out=shifted)
    made ^= shifted
    return made


@lru_cache(maxsize=1)
def _kinds() -> npt.NDArray[np.uint8]:
    """Kind of every code point: 0 separates tokens, 1 is a letter or digit, 2 is a token of its own."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    kinds[:_LETTERS_END] = np.fromiter(map(str.isalnum, map(chr, range(_LETTERS_END))), np.uint8, _LETTERS_END)
    for low, high in CJK_RANGES:
        kinds[low : high + 1] = 2
    return kinds


@lru_cache(maxsize=1)
def folded_table() -> npt.NDArray[np.uint32]:
    """NFKC and lower case of every character of the basic plane that stays one character whatever stands beside it;
    0 for the others, which are folded with their text."""
    table = np.zeros(0x110000, dtype=np.uint32)
    for code in range(1, 0x10000):
        character = chr(code)
        kind = unicodedata.category(character)
        if kind in _JOINING or 0x1100 <= code <= 0x11FF or character in "Σς":
            continue
        folded = unicodedata.normalize("NFKC", character).lower()
        if len(folded) == 1:
            table[code] = ord(folded)
    for low, high in CJK_RANGES[-2:]:
        if low < 0x2F800:  # compatibility ideographs turn into others
            table[low : min(high, 0x2F7FF) + 1] = np.arange(low, min(high, 0x2F7FF) + 1)
    return table


@lru_cache(maxsize=1 << 16)
def spelt_out(code: int) -> tuple[int, ...]:
    """What a character becomes (NFKC, lower case) whatever stands beside it; empty where that depends on its
    neighbours."""
    character = chr(code)
    if unicodedata.category(character) in _JOINING or 0x1100 <= code <= 0x11FF or character in "Σς":
        return ()
    table = folded_table()
    made = [ord(c) for c in unicodedata.normalize("NFKC", character).lower()]
    return tuple(made) if all(c == code or table[c] == c for c in made) else ()


def lookup(table: npt.NDArray[Number], codes: npt.NDArray[np.uint32]) -> npt.NDArray[Number]:
    """The table's entry of each code point; numpy looks up by numbers of its own width nine times as fast."""
    found: npt.NDArray[Number] = np.take(table, codes.astype(np.intp))
    return found


def folded_codes(made: Joined) -> tuple[Codes, Places]:
    """The code points of all texts, folded (NFKC, lower case), and where each text begins among them, with the end."""
    codes, starts = made.codes, made.starts
    folded = made.looked_up(folded_table())
    odd = np.flatnonzero(folded == 0)
    if not len(odd):
        return folded, starts
    joining = [code for code in np.unique(codes[odd]).tolist() if not spelt_out(code)]
    if joining:
        own = list(made.texts)
        places = odd[np.isin(codes[odd], joining)]
        for place in np.unique(made.owners(places)).tolist():
            own[place] = unicodedata.normalize("NFKC", own[place]).lower()
        codes, starts = code_points_of(own, made.gap)
        folded = lookup(folded_table(), codes)
        odd = np.flatnonzero(folded == 0)
    return _with_spelt_out(folded, starts, odd, codes[odd])


def _with_spelt_out(
    folded: npt.NDArray[np.uint32], starts: Places, odd: Places, codes: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint32], Places]:
    """The code points with those at the places ``odd`` spelt out: ℃ becomes °c."""
    made = {code: spelt_out(code) or (code,) for code in np.unique(codes).tolist()}
    longer = np.zeros(len(odd), dtype=np.int64)
    for code, spelt in made.items():
        longer[codes == code] = len(spelt) - 1
    before = np.concatenate([[0], np.cumsum(longer)])
    if before[-1]:
        sizes = np.ones(len(folded), dtype=np.int64)
        sizes[odd] += longer
        folded = np.repeat(folded, sizes)
    at = odd + before[:-1]
    for code, spelt in made.items():
        places = at[codes == code]
        for offset, letter in enumerate(spelt):
            folded[places + offset] = letter
    return folded, starts + before[np.searchsorted(odd, starts)]


def code_points(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], Places]:
    """The code points of all texts, folded (NFKC, lower case), and the number of the text that each stands in."""
    codes, starts = folded_codes(join(texts))
    return codes, np.repeat(np.arange(len(texts)), np.diff(starts))


def token_hashes(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash of every token of all texts, and the number of the text that it stands in."""
    codes, owner = code_points(texts)
    kinds = lookup(_kinds(), codes)
    letter = kinds == 1
    follows = np.zeros(len(codes), dtype=bool)  # whether a character goes on with the token before it
    follows[1:] = letter[1:] & letter[:-1] & (owner[1:] == owner[:-1])
    inside = np.flatnonzero(kinds)
    codes, starts = codes[inside], np.flatnonzero(~follows[inside])
    if not len(starts):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    position = np.arange(1, len(codes) + 1) - np.repeat(starts, np.diff(starts, append=len(codes)))
    letters = position.view(np.uint64) * _GAMMA
    letters += codes
    return np.add.reduceat(mix(letters), starts), owner[inside[starts]]


def grams(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash of every gram of all texts in order, and the number of the text that it stands in."""
    return windows(*token_hashes(texts), GRAM)


def windows(tokens: Hashes, owner: Places, size: int) -> tuple[Hashes, Places]:
    """Hash of every run of ``size`` tokens that lies in one text, and the number of that text."""
    count = max(0, len(tokens) - size + 1)
    mixed = mix(tokens)
    rolled = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
        rolled *= _ROLL
        rolled += mixed[offset : offset + count]
    whole = owner[:count] == owner[len(tokens) - count :]
    return mix(rolled[whole]), owner[:count][whole]


@dataclass(frozen=True)
class Cut:
    """Texts as hashes, made once for all indexes."""

    texts: Sequence[str]
    """The texts."""
    tokens: Hashes
    """Every token."""
    owner: Places
    """Number of the text of every token."""
    grams: Hashes
    """Every gram."""
    gram_owner: Places
    """Number of the text of every gram."""

    @cached_property
    def buckets(self) -> Places:
        """First `BUCKET_BITS` bits of every gram."""
        return (self.grams >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)

    @cached_property
    def short(self) -> tuple[Hashes, Places]:
        """Every short gram together with its text, as one hash; and the number of the text."""
        hashes, owner = windows(self.tokens, self.owner, NEAR_GRAM)
        return in_text(hashes, owner), owner

    @cached_property
    def marks(self) -> Marks:
        """Whether a short gram with these first bits stands in its text: true of every one that does, and of few
        others (one in 16 at `CHUNK_CHARS`)."""
        found = np.zeros(1 << _MARK_BITS, dtype=bool)
        found[(self.short[0] >> np.uint64(64 - _MARK_BITS)).astype(np.int64)] = True
        return found

    def maybe_short(self, keys: Hashes) -> Marks:
        """Whether each short gram with its text, as one hash, may stand there: never false of one that does."""
        maybe: Marks = np.take(self.marks, (keys >> np.uint64(64 - _MARK_BITS)).astype(np.int64))
        return maybe


def cut(texts: Sequence[str]) -> Cut:
    """The texts as hashes."""
    tokens, owner = token_hashes(texts)
    return Cut(texts, tokens, owner, *windows(tokens, owner, GRAM))


def in_text(hashes: Hashes, owner: Places) -> Hashes:
    """Hash of each gram together with the text that it stands in."""
    return mix(hashes + (owner + 1).astype(np.uint64) * _GAMMA)


def chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in their order, as many together as have about `CHUNK_CHARS` characters."""
    start = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= CHUNK_CHARS:
            yield texts[start : place + 1]
            start, size = place + 1, 0
    if start < len(texts):
        yield texts[start:]
