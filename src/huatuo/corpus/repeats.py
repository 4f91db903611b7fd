"""What says the same again: lines, and runs of characters within one text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from huatuo.corpus.characters import Chunk, Counts, Marks, chunk, picked

MOST_REPEATED = 0.3
"""Share of duplicate lines' characters (Gopher, arXiv 2112.11446, Table A1: duplicate line fraction 0.30)."""

LEAST_LINES, LEAST_TIMES = 4, 3
"""Lines from which repetition is judged, and times that the line stands there: twice do a title and a sentence."""

RUN, MOST_RUNS, LEAST_RUNS = 20, 0.4, 100
"""Characters of a run, share of runs that stood before, and runs from which they are judged. Gopher's limit for
repeated runs of 5 to 10 words is 0.10 to 0.15 of the characters, for English web pages; monographs and textbooks repeat
their headings and names and reach 0.3."""

LOOK, LOOK_SHARE = 8, 0.25
"""Characters of the runs that are looked at first, and share of them that stood before from which all runs of `RUN`
are counted: a text in which 0.4 of these stood before has at least 0.35 of the shorter ones."""

_MIX = tuple(np.uint32(odd) for odd in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F))  # primes of xxHash32
_GAMMA, _ROLL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)  # odd, as in huatuo.text.grams


def repetitive(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts of one line over and over."""
    ends = made.count(made.codes == 0x0A)
    found = {}
    for place in picked(among, ends >= LEAST_LINES):
        lines = [line.strip() for line in made.texts[place].splitlines() if line.strip()]
        if len(lines) < LEAST_LINES or len(set(lines)) == len(lines):
            continue
        line, times = max(Counter(lines).items(), key=lambda item: (len(item[0]) * (item[1] - 1), item[0]))
        share = len(line) * (times - 1) / sum(map(len, lines))
        if share > MOST_REPEATED and times >= LEAST_TIMES:
            found[place] = (
                f"repetitive: one line {times} times, {share:.0%} of the text, expected at most {MOST_REPEATED:.0%}"
            )
    return found


def repeated_runs(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts that say the same again within themselves, whatever the lines."""
    runs = np.maximum(made.lengths - RUN, 0)
    places = picked(among, (runs >= LEAST_RUNS) & may_repeat(made))
    counts = repeated(chunk([made.texts[place] for place in places])).tolist()
    return {
        place: f"repeated_runs: {count} of {runs[place]} runs of {RUN} characters stood before, expected at most "
        f"{MOST_RUNS:.0%}"
        for place, count in zip(places, counts, strict=True)
        if count > MOST_RUNS * runs[place]
    }


def may_repeat(made: Chunk) -> Marks:
    """Whether the runs of `LOOK` characters of each text fall into so few slots, two a character, that more than
    `LOOK_SHARE` of them stood before."""
    count = len(made.codes) - LOOK + 1
    if count <= 0:
        return np.zeros(len(made.texts), dtype=bool)
    rolled = made.codes * _MIX[0]
    for step, factor in zip((1, 2, 4), _MIX[1:], strict=True):
        rolled = rolled[:-step] * factor + rolled[step:]
    rolled ^= rolled >> np.uint32(15)
    rolled *= _MIX[0]
    slots = 2 * made.lengths
    slot = rolled.astype(np.uint64) * np.repeat(slots.astype(np.uint64), made.lengths)[:count]
    slot >>= np.uint64(32)
    at = slot.astype(np.int64) + np.repeat(2 * made.starts[:-1], made.lengths)[:count]
    taken = np.zeros(2 * len(made.codes) + 1, dtype=np.uint8)
    ends = (made.starts[1:, None] - np.arange(1, LOOK)).ravel()
    at[ends[(ends >= 0) & (ends < count)]] = -1  # there a run would reach over the end of a text
    taken[at] = 1
    filled = np.add.reduceat(taken[:-1], 2 * made.starts[:-1], dtype=np.int64)
    distinct = (1 - LOOK_SHARE) * np.maximum(made.lengths - LOOK, 0)
    may: Marks = filled <= slots * -np.expm1(-distinct / slots)
    return may


def repeated(made: Chunk) -> Counts:
    """How many runs of `RUN` characters of each text stood in it before."""
    if len(made.codes) <= RUN:
        return np.zeros(len(made.texts), dtype=np.int64)
    keys = _runs(made.codes)
    inside = np.ones(len(keys), dtype=bool)
    ends = (made.starts[1:, None] - np.arange(1, RUN + 1)).ravel()  # there a run would reach over the end of a text
    inside[ends[(ends >= 0) & (ends < len(keys))]] = False
    bits = np.uint64(len(made.texts).bit_length())
    number = np.arange(len(made.texts), dtype=np.uint64) << (np.uint64(64) - bits)
    keys = ((keys >> bits) | np.repeat(number, made.lengths)[: len(keys)])[inside]
    keys.sort()
    same = keys[1:][keys[1:] == keys[:-1]] >> (np.uint64(64) - bits)
    return np.bincount(same.astype(np.int64), minlength=len(made.texts))


def _runs(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """Hash of every run of `RUN` characters but the last one: a polynomial, by doubling 1, 2, 4, 8, 16, and 16 + 4."""
    rolled = four = codes.astype(np.uint64) + np.uint64(1)
    for step in (1, 2, 4, 8):
        rolled = rolled[:-step] * _power(step) + rolled[step:]
        four = rolled if step == 2 else four
    return (rolled[:-5] * _power(4) + four[16:-1]) * _GAMMA


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(int(_ROLL), exponent, 1 << 64))
