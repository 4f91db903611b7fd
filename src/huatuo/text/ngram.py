"""Overlap of texts with exam questions: which question does a text contain, and how much of it?

A question is cut into grams of 5 tokens (`huatuo.text.zh.tokens` of the NFKC text). Its share in a text is the part of
its different grams that the text holds. Grams are 64-bit hashes made with written-out constants, so every process and
machine grades alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from huatuo.records import Question
from huatuo.text.zh import CJK_RANGES, normalise_for_comparison

Grade = Literal["exact", "likely", "possible"]
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

GRAM = 5
"""Tokens per gram. Of grams of 5, 8 and 13 tokens, 5 found the most planted copies with character edits (93 %, 82 %,
78 %) at two thirds of the speed of 13."""

THRESHOLDS: tuple[tuple[Grade, float], ...] = (("exact", 0.8), ("likely", 0.5), ("possible", 0.2))
"""Smallest share of each grade. On 100,000 medical texts .5 flagged no unplanted text, .2 flagged 112."""

BOILERPLATE = 10
"""A gram that occurs in more questions than this (``下列哪项是``) says nothing and does not count."""

MIN_GRAMS = 4
"""A question with fewer counting grams (under 8 tokens) is compared by its exact key instead: with three grams a single
one would already be a third of it."""

CHUNK_CHARS = 2_000_000
"""Characters hashed at once: about 100 MB of arrays."""

# splitmix64 (Steele, Lea, Flood 2014) and an odd multiplier for rolling.
_GAMMA, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ROLL = np.uint64(0xD6E8FEB86659FD93)
_FILTER_BITS = 24
_SENTENCE = re.compile(r"[\n。！？!?]+")


@dataclass(frozen=True)
class Overlap:
    """How much of the nearest question a text contains."""

    grade: Grade | None
    """exact, likely, possible, or None below all thresholds."""
    question_id: str
    """The question with the largest share (the smaller id where two are alike); empty where the grade is None."""
    share: float
    """Share of that question's grams that stand in the text, 0 to 1."""


NOTHING = Overlap(None, "", 0.0)
"""The overlap of a text that shares no gram with any question."""


def _mix(values: Hashes) -> Hashes:
    values = (values ^ (values >> np.uint64(30))) * _MIX1
    values = (values ^ (values >> np.uint64(27))) * _MIX2
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=1)
def _kinds() -> npt.NDArray[np.uint8]:
    """Kind of every code point: 0 separates tokens, 1 is a letter or digit, 2 is a token of its own."""
    kinds = np.fromiter((chr(code).isalnum() for code in range(0x110000)), dtype=np.uint8, count=0x110000)
    for low, high in CJK_RANGES:
        kinds[low : high + 1] = 2
    return kinds


def _token_hashes(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash of every token of all texts, and the number of the text that it stands in."""
    plain = [unicodedata.normalize("NFKC", text).lower() for text in texts]
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    owner = np.repeat(np.arange(len(plain)), [len(text) for text in plain])
    kinds = _kinds()[codes]
    follows = np.zeros(len(codes), dtype=bool)  # whether a character goes on with the token before it
    follows[1:] = (kinds[1:] == 1) & (kinds[:-1] == 1) & (owner[1:] == owner[:-1])
    inside = kinds > 0
    codes, owner, starts = codes[inside], owner[inside], np.flatnonzero(~follows[inside])
    if not len(starts):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    lengths = np.diff(np.append(starts, len(codes)))
    position = np.arange(len(codes)) - np.repeat(starts, lengths)
    letters = _mix(codes.astype(np.uint64) + (position + 1).astype(np.uint64) * _GAMMA)
    return np.add.reduceat(letters, starts), owner[starts]


def grams(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash of every gram of all texts in order, and the number of the text that it stands in."""
    tokens, owner = _token_hashes(texts)
    count = max(0, len(tokens) - GRAM + 1)
    rolled = np.zeros(count, dtype=np.uint64)
    for offset in range(GRAM):
        rolled = rolled * _ROLL + _mix(tokens[offset : offset + count])
    whole = owner[:count] == owner[len(tokens) - count :]
    return _mix(rolled[whole]), owner[:count][whole]


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= CHUNK_CHARS:
            yield texts[start : place + 1]
            start, size = place + 1, 0
    if start < len(texts):
        yield texts[start:]


class Index:
    """The grams of a set of questions, made once. Read-only afterwards, so threads and processes may share it."""

    def __init__(self, questions: Iterable[tuple[str, str]]) -> None:
        """Index ``(id, text)`` pairs. Questions with the same text count as one, under the smallest id."""
        by_key: dict[str, tuple[str, str]] = {}
        for question_id, text in questions:
            key = normalise_for_comparison(text)
            if key and (key not in by_key or question_id < by_key[key][0]):
                by_key[key] = (question_id, text)
        rows = sorted((question_id, text, key) for key, (question_id, text) in by_key.items())
        self.ids = [question_id for question_id, _, _ in rows]
        self._link([text for _, text, _ in rows])
        self._keys = {key: place for place, (_, _, key) in enumerate(rows) if self._totals[place] < MIN_GRAMS}
        self._longest_key = max(map(len, self._keys), default=0)

    def _link(self, texts: Sequence[str]) -> None:
        """Sorted grams, and for each the questions that hold it, without boilerplate."""
        hashes, owner = grams(texts)
        order = np.lexsort((owner, hashes))
        hashes, owner = hashes[order], owner[order]
        new = np.ones(len(hashes), dtype=bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
        hashes, owner = hashes[new], owner[new]
        _, counts = np.unique(hashes, return_counts=True)
        counting = np.repeat(counts, counts) <= BOILERPLATE
        totals = np.bincount(owner[counting], minlength=len(texts))
        counting &= totals[owner] >= MIN_GRAMS
        self._totals: Places = totals
        self._owner: Places = owner[counting]
        self._grams, self._counts = np.unique(hashes[counting], return_counts=True)
        self._starts: Places = np.cumsum(self._counts) - self._counts
        self._filter = np.zeros(1 << _FILTER_BITS, dtype=bool)
        self._filter[self._grams >> np.uint64(64 - _FILTER_BITS)] = True

    def grade(self, text: str) -> Overlap:
        """The overlap of one text with its nearest question."""
        return self.grade_many([text])[0]

    def grade_many(self, texts: Sequence[str]) -> list[Overlap]:
        """The overlap of each text with its nearest question, in the order of the texts."""
        return [overlap for chunk in _chunks(texts) for overlap in self._grade_chunk(chunk)]

    def _grade_chunk(self, texts: Sequence[str]) -> list[Overlap]:
        found = [NOTHING] * len(texts)
        for place, question, share in zip(*self._best(texts), strict=True):
            grade = next((name for name, least in THRESHOLDS if share >= least), None)
            found[place] = Overlap(grade, self.ids[question] if grade else "", float(share))
        for place, text in enumerate(texts) if self._keys else ():
            short = self._short(text)
            if short is not None and found[place].share < 1:
                found[place] = Overlap("exact", self.ids[short], 1.0)
        return found

    def _best(self, texts: Sequence[str]) -> tuple[list[int], list[int], list[float]]:
        """Texts that share a gram with a question; the question of the largest share; that share."""
        hashes, owner = grams(texts)
        maybe = self._filter[hashes >> np.uint64(64 - _FILTER_BITS)]
        hashes, owner = hashes[maybe], owner[maybe]
        place = np.searchsorted(self._grams, hashes)
        place[place == len(self._grams)] = 0
        hit = self._grams[place] == hashes if len(self._grams) else np.zeros(len(hashes), dtype=bool)
        pairs = np.unique(owner[hit] * np.int64(max(len(self._grams), 1)) + place[hit])  # a gram counts once per text
        owner, place = np.divmod(pairs, max(len(self._grams), 1))
        counts = self._counts[place]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        question = self._owner[np.repeat(self._starts[place], counts) + within]
        both, shared = np.unique(
            np.repeat(owner, counts) * np.int64(max(len(self.ids), 1)) + question, return_counts=True
        )
        text, question = np.divmod(both, max(len(self.ids), 1))
        share = shared / self._totals[question]
        order = np.lexsort((question, -share, text))
        text, question, share = text[order], question[order], share[order]
        first = np.ones(len(text), dtype=bool)
        first[1:] = text[1:] != text[:-1]
        return text[first].tolist(), question[first].tolist(), share[first].tolist()

    def _short(self, text: str) -> int | None:
        """The short question that is the whole text, or one line or sentence of it."""
        parts = [text, *text.splitlines(), *_SENTENCE.split(text)]
        keys = (normalise_for_comparison(part) for part in parts if len(part) <= 4 * self._longest_key + 16)
        return min((self._keys[key] for key in keys if key in self._keys), default=None)


def exam_index(questions: Iterable[Question]) -> Index:
    """The index of all exam and open questions by their stems. Knowledge questions are left out: they are made from the
    facts that are taught, so their words are expected in the training data."""
    return Index((question.id, question.stem) for question in questions if question.kind != "knowledge")
