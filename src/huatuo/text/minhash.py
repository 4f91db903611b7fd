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

from huatuo.text.grams import Hashes, Places, code_points, mix

Signatures = npt.NDArray[np.uint32]

GRAM = 5
"""Characters per gram."""

BANDS, ROWS = 20, 6
"""Bands of a signature and values per band: two texts of Jaccard 0.7 share a band with probability 0.92, of 0.8 with
0.998, of 0.5 with 0.27 (1 - (1 - J^6)^20)."""

VALUES = BANDS * ROWS
"""Values of a signature."""

ALGORITHM = f"huatuo-minhash-1 folded char{GRAM} {BANDS}x{ROWS}"
"""Name of what makes bands, raised with every change of it: bands of two names are never compared."""

ROUNDS = 3
"""Rounds in which grams draw places: after three, a text of 200 grams has one empty place of 120 left."""

CHUNK = 500
"""Texts hashed at once: 20,000 at once leave the processor's cache and take four times the time."""

_BLANK = 0x20
# the product of the two must not be 1 modulo 2**64: then "aabbb" and "abbba" would have one hash
_ROLL = np.uint64(0xD6E8FEB86659FD93)
_ROLL2 = np.uint64(0xC2B2AE3D27D4EB4F)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_EMPTY, _ROUND_BITS = np.uint32(0xFFFFFFFF), np.uint32(4)
_OWNER_BITS = 10
"""Bits for the number of a text within a chunk or block; the others hold the first bits of a gram's hash."""

BLOCK = 1 << _OWNER_BITS
"""Most texts, or pairs, that are compared at once."""


# ---------------------------------------------------------------- grams


def grams(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash of every gram of all texts in order, and the places among them where each text begins, with the end.

    A text of fewer than `GRAM` characters that are not blank has none. Meant for about `CHUNK` texts.
    """
    codes, owner = code_points(texts)
    filled = codes > _BLANK
    if not filled.all():
        codes, owner = codes[filled], owner[filled]
    lengths = np.bincount(owner, minlength=len(texts))
    count = len(codes) - GRAM + 1
    counts = np.maximum(lengths - GRAM + 1, 0)
    starts = np.concatenate([[0], np.cumsum(counts)])
    if count <= 0:
        return np.zeros(0, dtype=np.uint64), np.zeros_like(starts)
    values = mix(codes.astype(np.uint64))
    two = values[:-1] * _ROLL + values[1:]
    four = two[:-2] * _ROLL2 + two[2:]
    five = four[:count] * _ROLL + values[GRAM - 1 :]
    five ^= five >> np.uint64(32)
    five *= _STEP
    whole = owner[:count] == owner[GRAM - 1 :]
    return five[whole], starts


def gram_sets(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """The different grams of every text, sorted (the first 54 bits of their hashes), and where each text begins."""
    found, sizes = [], []
    for chunk in _chunks(texts):
        hashes, starts = grams(chunk)
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
    made = np.zeros((len(texts), BANDS), dtype=np.uint64)
    filled = np.zeros(len(texts), dtype=bool)
    for start in range(0, len(texts), CHUNK):
        hashes, starts = grams(texts[start : start + CHUNK])
        end = start + len(starts) - 1
        filled[start:end] = np.diff(starts) > 0
        made[start:end] = _banded(sketch(hashes, starts))
    return made, filled


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
    first = np.repeat(np.arange(len(counts), dtype=np.int64) * VALUES, counts)
    flat = np.full(len(counts) * VALUES, _EMPTY, dtype=np.uint32)
    for number in range(ROUNDS):
        drawn = _drawn(hashes, np.array([number + 1], dtype=np.uint64))
        place = first + (((drawn >> np.uint64(32)) * np.uint64(VALUES)) >> np.uint64(32)).astype(np.int64)
        np.minimum.at(flat, place, (drawn.astype(np.uint32) >> _ROUND_BITS) | np.uint32(number << 28))
    made = flat.reshape(-1, VALUES)
    text, place = np.nonzero((made == _EMPTY) & (counts > 0)[:, None])
    if len(text):
        sizes = counts[text]
        begin = np.cumsum(sizes) - sizes
        asked = hashes[np.arange(sizes.sum()) + np.repeat(starts[text] - begin, sizes)]
        drawn = _drawn(asked, np.repeat(place.astype(np.uint64) + np.uint64(ROUNDS + 1), sizes)) >> np.uint64(32)
        least = np.minimum.reduceat(drawn.astype(np.uint32) >> _ROUND_BITS, begin)
        made[text, place] = least | np.uint32(ROUNDS << 28)
    return made


def _drawn(hashes: Hashes, number: Hashes) -> Hashes:
    """64 bits of each gram in the draw of this number."""
    drawn = (hashes ^ (number * _STEP)) * _ROLL
    drawn ^= drawn >> np.uint64(32)
    drawn *= _ROLL2
    drawn ^= drawn >> np.uint64(29)
    return drawn


# ---------------------------------------------------------------- exact similarity


def overlaps(hashes: Hashes, starts: Places, one: Places, other: Places) -> tuple[Places, Places]:
    """Of each pair of texts, by their numbers in `gram_sets`: how many grams both hold, and how many either does."""
    shared = np.zeros(len(one), dtype=np.int64)
    sizes = np.diff(starts)
    for begin in range(0, len(one), BLOCK):
        pair = slice(begin, begin + BLOCK)
        both = np.concatenate([_picked(hashes, starts, one[pair]), _picked(hashes, starts, other[pair])])
        both.sort(kind="stable")  # merges the two runs
        twice = both[:-1][both[1:] == both[:-1]]
        number = (twice >> np.uint64(64 - _OWNER_BITS)).astype(np.int64)
        shared[pair] = np.bincount(number, minlength=len(one[pair]))
    return shared, sizes[one] + sizes[other] - shared


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
