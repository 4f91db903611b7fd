"""Weighted sampling without replacement of millions of items: keys from a hash, sorted, in few bytes an item.

An item's key is Exp(1) / weight, and the uniform number behind it a hash of (seed, pair id, copy), so that an order
does not depend on the order of files, shards or rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huatuo.errors import TrainingError
from huatuo.recipe import TrainSettings

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

CHUNK = 1 << 16
"""Items whose keys are computed at once: beyond it, larger arrays only cost memory (about 300 bytes an item)."""

# SplitMix64 (Steele, Lea and Flood 2014): increment and the two multipliers of its finaliser.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


# ---------------------------------------------------------------- keys


def _mixed(x: Words) -> Words:
    """SplitMix64's finaliser of ``x + gamma``: every input bit changes every output bit."""
    x = x + _GAMMA
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    mixed: Words = x ^ (x >> np.uint64(31))
    return mixed


def id_words(ids: npt.NDArray[np.bytes_]) -> Words:
    """Shape (n, 2), unsigned: the high and low half of n ids of 32 hexadecimal digits (dtype ``S32``).

    Raises TrainingError where an id is not of that form.
    """
    digits = np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), 32)
    is_digit, is_letter = (digits >= 48) & (digits <= 57), (digits >= 97) & (digits <= 102)
    wrong = np.flatnonzero(~(is_digit | is_letter).all(axis=1))
    if len(wrong):
        raise TrainingError(
            f"pair id {ids[wrong[0]].decode('ascii', 'replace')!r}: expected 32 hexadecimal digits; "
            "next: make the pairs with `huatuo run` (stage unify), which gives them such ids"
        )
    nibbles = np.where(is_letter, digits - 87, digits - 48).astype(np.uint8)
    packed = (nibbles[:, ::2] << 4) | nibbles[:, 1::2]  # (n, 16) bytes, big-endian
    return np.ascontiguousarray(packed).view(">u8").astype(np.uint64)


def uniforms(words: Words, copies: Integers, seed: int) -> Floats:
    """Shape (n,), in the open interval (0, 1): a hash of (seed, id, copy) with 53 bits."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        x = _mixed(np.full(len(words), seed % 2**64, dtype=np.uint64))
        for part in (words[:, 0], words[:, 1], copies.astype(np.uint64)):
            x = _mixed(x ^ part)
    u: Floats = ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return u


def _sorted(keys: Floats, items: Callable[[Integers], tuple[Words, Integers]]) -> Integers:
    """The permutation that sorts the keys. Among equal ones, in one of hundreds of runs of millions, id and copy
    decide, which ``items`` gives for some indices."""
    order: Integers = np.argsort(keys)
    for start in range(0, len(keys) - 1, CHUNK):
        some = keys[order[start : start + CHUNK + 1]]
        if (some[1:] == some[:-1]).any():
            return _tied(keys, order, items)
    return order


def _tied(keys: Floats, order: Integers, items: Callable[[Integers], tuple[Words, Integers]]) -> Integers:
    """The permutation with each run of equal keys sorted by id and copy."""
    same = np.diff(keys[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    words, copies = items(order[tied])
    order[tied] = order[tied][np.lexsort((copies, words[:, 1], words[:, 0], keys[order[tied]]))]
    return order


# ---------------------------------------------------------------- the order


@dataclass(frozen=True)
class Drawn:
    """A whole order: position i learns pair ``rows[i]`` of the input, copy ``copies[i]``."""

    rows: Numbers
    """Index of the pair in the input."""
    copies: Numbers
    """Which copy, from 0, counted over all epochs."""


def draw(
    ids: npt.NDArray[np.bytes_],
    codes: npt.NDArray[np.integer],
    copies: Integers,
    weights: Floats,
    settings: TrainSettings,
    seed: int,
    later: npt.NDArray[np.bool_] | None = None,
) -> Drawn:
    """The order of n pairs with the ids ``ids`` and the source numbers ``codes``.

    ``copies``, ``weights`` and ``later`` (learned in a second stage) are per source number. Every epoch is drawn
    anew, copies of one epoch together. The order takes 8 bytes an item, and while it is drawn 24 more for each item of
    an epoch (pair, copy, key, place), 40 in a second stage; up to 2**31 items.
    """
    rows, copy = _items(codes, copies, by_copy=settings.order == "sequential")
    found = Drawn(*(np.empty(len(rows) * settings.epochs, dtype=np.int32) for _ in range(2)))
    for epoch in range(settings.epochs):
        if epoch:
            copy += copies[codes[rows]].astype(np.int32)
        own = slice(epoch * len(rows), (epoch + 1) * len(rows))
        if settings.order == "sequential":
            found.rows[own], found.copies[own] = rows, copy
            continue
        order = _drawn_once(ids, codes, rows, copy, weights if settings.order == "priority" else None, seed)
        found.rows[own], found.copies[own] = rows[order], copy[order]
    if later is None:
        return found
    stages = np.argsort(later[codes[found.rows]], kind="stable")  # each stage keeps the order drawn for it
    return Drawn(found.rows[stages], found.copies[stages])


def _drawn_once(
    ids: npt.NDArray[np.bytes_],
    codes: npt.NDArray[np.integer],
    rows: Numbers,
    copy: Numbers,
    weights: Floats | None,
    seed: int,
) -> Integers:
    """The permutation of one epoch's items; ``weights`` are per source number, None where all are alike."""
    keys = np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        here = slice(start, start + CHUNK)
        some = rows[here]
        keys[here] = -np.log(uniforms(id_words(ids[some]), copy[here].astype(np.int64), seed))
        if weights is not None:
            keys[here] /= weights[codes[some]]
    return _sorted(keys, lambda items: (id_words(ids[rows[items]]), copy[items].astype(np.int64)))


def _items(codes: npt.NDArray[np.integer], copies: Integers, by_copy: bool) -> tuple[Numbers, Numbers]:
    """Pair index and copy number of every item of one epoch; ``by_copy``: the first copy of all pairs comes first."""
    per_pair = copies.astype(np.int32)[codes]
    rows = np.repeat(np.arange(len(codes), dtype=np.int32), per_pair)
    copy = np.arange(len(rows), dtype=np.int32)
    copy -= np.repeat((np.cumsum(per_pair) - per_pair).astype(np.int32), per_pair)
    if by_copy:
        order = np.argsort(copy, kind="stable")
        return rows[order], copy[order]
    return rows, copy
