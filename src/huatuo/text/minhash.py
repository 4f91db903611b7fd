"""Grams of characters as 64-bit hashes, MinHash signatures of them, and their Jaccard similarity in integers.

A gram is a run of 5 characters of the folded text (NFKC, lower case, without blanks), so Chinese and English are cut
alike and no tokenizer is asked. All constants are written out: every process and machine has the same hashes. Inside,
texts are worked on in chunks of `CHUNK`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from huatuo.text.grams import Hashes, folded_codes, mix
from huatuo.text.joined import Joined, Places, join

Signatures = npt.NDArray[np.uint32]
Halves = npt.NDArray[np.uint32]

GRAM = 5
"""Characters per gram."""

BANDS, ROWS = 20, 6
"""Bands of a signature and values per band: two texts of Jaccard 0.7 share a band with probability 0.92, of 0.8 with
0.998, of 0.5 with 0.27 (1 - (1 - J^6)^20)."""

VALUES = BANDS * ROWS
"""Values of a signature."""

ALGORITHM = f"huatuo-minhash-2 folded char{GRAM} {BANDS}x{ROWS}"
"""Name of what makes bands, raised with every change of it: bands of two names are never compared."""

ROUNDS, ALL_DRAW = 10, 3
"""Rounds in which grams draw places, and those in which all texts take part: after three, a text of 200 grams has one
empty place of 120 left; later rounds are of the texts that still have one."""

CHUNK = 500
"""Texts hashed at once: 20,000 at once leave the processor's cache and take four times the time."""

_BLANK = 0x20
# the product of the two must not be 1 modulo 2**64: then "aabbb" and "abbba" would have one hash
_ROLL = np.uint64(0xD6E8FEB86659FD93)
_ROLL2 = np.uint64(0xC2B2AE3D27D4EB4F)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_DRAW = np.uint32(0x9E3779B1)
_VALUE_BITS = 28
_EMPTY, _VALUE = np.uint32(0xFFFFFFFF), np.uint32((1 << _VALUE_BITS) - 1)
_OWNER_BITS = 10
"""Bits for the number of a text within a chunk or block; the others hold the first bits of a gram's hash."""

BLOCK = 1 << _OWNER_BITS
"""Most texts, or pairs, that are compared at once."""


# ---------------------------------------------------------------- grams


def grams(made: Joined) -> tuple[Hashes, Places]:
    """Hash of every gram of all texts in order, and the places among them where each text begins, with the end.

    A text of fewer than `GRAM` characters that are not blank has none. Meant for about `CHUNK` texts.
    """
    codes, starts = folded_codes(made)
    filled = codes > _BLANK
    lengths = np.diff(starts)
    if not filled.all():
        lengths = sums(filled, starts)
        codes = codes[np.flatnonzero(filled)]
    counts = np.maximum(lengths - GRAM + 1, 0)
    starts = np.concatenate([[0], np.cumsum(counts)])
    count = len(codes) - GRAM + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64), np.zeros_like(starts)
    values = mix(codes.astype(np.uint64))
    two = values[:-1] * _ROLL + values[1:]
    four = two[:-2] * _ROLL2 + two[2:]
    five = four[:count] * _ROLL + values[GRAM - 1 :]
    five ^= five >> np.uint64(32)
    five *= _STEP
    inside = np.ones(count, dtype=bool)  # where a run does not reach over the end of its text
    over = (np.cumsum(lengths)[:, None] - np.arange(1, GRAM)).ravel()
    inside[over[(over >= 0) & (over < count)]] = False
    return five[inside], starts


def sums(marked: npt.NDArray[np.bool_], starts: Places) -> Places:
    """How many places of each text are marked; ``starts``: where each begins, with the end."""
    found = np.zeros(len(starts) - 1, dtype=np.int64)
    filled = np.flatnonzero(np.diff(starts))  # reduceat takes the next text's first place for an empty one
    if len(filled):
        found[filled] = np.add.reduceat(marked.view(np.uint8), starts[filled], dtype=np.int64)
    return found


def gram_sets(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """The different grams of every text, sorted (the first 54 bits of their hashes), and where each text begins."""
    found, sizes = [], []
    for chunk in _chunks(texts):
        hashes, starts = grams(join(chunk))
        hashes >>= np.uint64(_OWNER_BITS)
        owner = np.repeat(np.arange(len(chunk)), np.diff(starts))
        for begin, end in pairwise(starts.tolist()):
            hashes[begin:end].sort()  # half the time of one sort over all: a text stays in the nearest cache
        new = np.ones(len(hashes), dtype=bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
        found.append(hashes[new])
        sizes.append(np.bincount(owner[new], minlength=len(chunk)))
    counts = np.concatenate([np.zeros(0, np.int64), *sizes])
    return np.concatenate([np.zeros(0, np.uint64), *found]), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK))


# ---------------------------------------------------------------- signatures and bands


def bands(texts: Sequence[str]) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Hash of each band of each text's signature, (texts, `BANDS`), and whether the text has a gram at all: the bands
    of one that has none mean nothing."""
    parts = [bands_of(join(chunk)) for chunk in _chunks(texts)]
    made = [np.zeros((0, BANDS), dtype=np.uint64), *(part for part, _ in parts)]
    return np.concatenate(made), np.concatenate([np.zeros(0, dtype=bool), *(filled for _, filled in parts)])


def bands_of(made: Joined) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """`bands` of texts that are joined already, about `CHUNK` of them."""
    hashes, starts = grams(made)
    return _banded(sketch(hashes, starts)), np.diff(starts) > 0


def _banded(made: Signatures) -> Hashes:
    """Hash of each band; the band's number is part of it."""
    rows = made.reshape(-1, BANDS, ROWS).astype(np.uint64)
    rolled = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64) * _STEP, rows.shape[:2]).copy()
    for place in range(ROWS):
        rolled = rolled * _ROLL + rows[:, :, place]
    return mix(rolled)


def sketch(hashes: Hashes, starts: Places) -> Signatures:
    """The MinHash signature of each text of `grams`, (texts, `VALUES`): two texts agree in each value with the
    probability of their Jaccard similarity.

    Fast similarity sketching (Dahlgaard, Knudsen, Thorup 2017, arXiv 1704.04370): in each round every gram draws a
    place of the signature and a value, and an earlier round beats a later one; places that are still empty take the
    smallest value of all grams, as in MinHash. Some four draws per gram instead of one per gram and place."""
    counts = np.diff(starts)
    own = (hashes >> np.uint64(32)).astype(np.uint32)
    made = np.full((len(counts), VALUES), _EMPTY, dtype=np.uint32)
    first = np.repeat(np.arange(len(counts), dtype=np.int64) * VALUES, counts)
    for number in range(ALL_DRAW):
        _draw(made, own, first, number)
    texts = np.flatnonzero(counts)
    for number in range(ALL_DRAW, ROUNDS):
        texts = texts[made[texts].max(axis=1) == _EMPTY]
        if len(texts):
            asked, sizes = _of_texts(own, starts, texts)
            _draw(made, asked, np.repeat(texts * VALUES, sizes), number)
    _fill(made, own, starts)
    return made


def _draw(made: Signatures, own: Halves, first: Places, number: int) -> None:
    """Nothing; one round: every gram draws a place of the signature of its text, which begins at ``first``."""
    drawn = _drawn(own, np.array([number], dtype=np.uint32))
    place = (((drawn >> np.uint32(16)) * np.uint32(VALUES)) >> np.uint32(16)).astype(np.int64)
    place += first
    drawn &= _VALUE
    drawn |= np.uint32(number << _VALUE_BITS)
    np.minimum.at(made.ravel(), place, drawn)


def _of_texts(own: Halves, starts: Places, texts: Places) -> tuple[Halves, Places]:
    """The grams of some texts, and how many each has."""
    sizes = starts[texts + 1] - starts[texts]
    return np.take(own, np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes - starts[texts], sizes)), sizes


def _fill(made: Signatures, own: Halves, starts: Places) -> None:
    """Nothing; puts the smallest value of all grams into the places that no gram has drawn."""
    text, place = np.nonzero(made == _EMPTY)
    has = starts[text + 1] > starts[text]
    text, place = text[has], place[has]
    if not len(text):
        return
    asked, sizes = _of_texts(own, starts, text)
    drawn = _drawn(asked, np.repeat(place.astype(np.uint32) + np.uint32(ROUNDS), sizes))
    least = np.minimum.reduceat(drawn & _VALUE, np.cumsum(sizes) - sizes)
    made[text, place] = least | np.uint32(ROUNDS << _VALUE_BITS)


def _drawn(own: Halves, number: Halves) -> Halves:
    """32 bits of each gram in the draw of this number, or of one of its own: MurmurHash3's finaliser (Appleby 2011)
    but for its last step, which the upper bits do not need."""
    drawn = own + number * _DRAW
    drawn ^= drawn >> np.uint32(16)
    drawn *= np.uint32(0x85EBCA6B)
    drawn ^= drawn >> np.uint32(13)
    drawn *= np.uint32(0xC2B2AE35)
    return drawn


# ---------------------------------------------------------------- exact similarity


def overlaps(hashes: Hashes, starts: Places, one: Places, other: Places) -> tuple[Places, Places]:
    """Of each pair of texts, by their numbers in `gram_sets`: how many grams both hold, and how many either does."""
    sizes = np.diff(starts)
    whole = set_hashes(hashes, starts)
    shared = np.where(whole[one] == whole[other], sizes[one], 0)  # the same set, which its hash says as a gram's does
    rest = np.flatnonzero(whole[one] != whole[other])
    for begin in range(0, len(rest), BLOCK):
        pair = rest[begin : begin + BLOCK]
        both = np.concatenate([_picked(hashes, starts, one[pair]), _picked(hashes, starts, other[pair])])
        both.sort(kind="stable")  # merges the two runs
        twice = np.flatnonzero(both[1:] == both[:-1])
        number = (both[twice] >> np.uint64(64 - _OWNER_BITS)).astype(np.int64)
        shared[pair] = np.bincount(number, minlength=len(pair))
    return shared, sizes[one] + sizes[other] - shared


def set_hashes(hashes: Hashes, starts: Places) -> Hashes:
    """One hash of the grams of each text; 0 for a text without any."""
    found = np.zeros(len(starts) - 1, dtype=np.uint64)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        found[filled] = np.add.reduceat(mix(hashes), starts[filled])
    return found


def _picked(hashes: Hashes, starts: Places, texts: Places) -> Hashes:
    """The sorted grams of the texts one after the other, each with the place of its text in the upper bits."""
    sizes = np.diff(starts)[texts]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    owner = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)
    picked: Hashes = hashes[np.repeat(starts[texts], sizes) + within] | (owner << np.uint64(64 - _OWNER_BITS))
    return picked


def are_near(shared: Places, either: Places, tenths: int) -> npt.NDArray[np.bool_]:
    """Whether each pair's Jaccard similarity is at least that many tenths, without rounding."""
    return (either > 0) & (shared * 10 >= either * tenths)
