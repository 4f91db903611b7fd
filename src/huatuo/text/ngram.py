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

CONTAINED: dict[int, Grade] = {5: "possible", 6: "exact", 7: "exact"}
"""Grade of a text that holds a whole short question somewhere inside a line, by the question's tokens. Of the short
stems of 6,811 licensing-exam questions (CMExam), 16 of the 64 with 2 to 4 tokens stand in 11,099 drug monographs and
question-answer pairs as everyday words, and so do 4 of the 69 with 5 tokens (one in 52 texts); of the 266 with 6 or 7
tokens one does, once. Shorter ones count only as a whole line or sentence."""

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
    question_ids: tuple[str, ...]
    """All questions with this wording, sorted; none where the grade is None."""
    share: float
    """Share of that wording's grams that stand in the text, 0 to 1."""

    @property
    def question_id(self) -> str:
        """The first of the questions; empty where the grade is None."""
        return self.question_ids[0] if self.question_ids else ""

    def rank(self) -> tuple[int, float, int, tuple[str, ...]]:
        """Key that sorts the worst first: grade, share, and of two alike the one that fits fewer questions."""
        places = [grade for grade, _ in THRESHOLDS]
        place = places.index(self.grade) if self.grade else len(places)
        return place, -self.share, len(self.question_ids), self.question_ids


NOTHING = Overlap(None, (), 0.0)
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
    return _windows(*_token_hashes(texts), GRAM)


def _windows(tokens: Hashes, owner: Places, size: int) -> tuple[Hashes, Places]:
    """Hash of every run of ``size`` tokens that lies in one text, and the number of that text."""
    count = max(0, len(tokens) - size + 1)
    rolled = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
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
        """Index ``(id, text)`` pairs. Questions with the same text are one wording, under all their ids."""
        by_key: dict[str, list[tuple[str, str]]] = {}
        for question_id, text in questions:
            if key := normalise_for_comparison(text):
                by_key.setdefault(key, []).append((question_id, text))
        rows = sorted((sorted(same), key) for key, same in by_key.items())
        self.ids = [tuple(question_id for question_id, _ in same) for same, _ in rows]
        texts = [same[0][1] for same, _ in rows]
        self._link(texts)
        short = [place for place in range(len(rows)) if self._totals[place] < MIN_GRAMS]
        self._keys = {rows[place][1]: place for place in short}
        self._longest_key = max(map(len, self._keys), default=0)
        self._contained = _contained(texts, short)

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
        return [found[0] if found else NOTHING for found in self.overlaps(texts)]

    def overlaps(self, texts: Sequence[str]) -> list[list[Overlap]]:
        """For each text its overlaps that have a grade, and the nearest one whatever its grade; the worst first."""
        return [found for chunk in _chunks(texts) for found in self._grade_chunk(chunk)]

    def _grade_chunk(self, texts: Sequence[str]) -> list[list[Overlap]]:
        found: list[list[Overlap]] = [[] for _ in texts]
        tokens, owner = _token_hashes(texts)
        for place, question, share in zip(*self._shares(*_windows(tokens, owner, GRAM)), strict=True):
            grade = next((name for name, least in THRESHOLDS if share >= least), None)
            found[place].append(Overlap(grade, self.ids[question] if grade else (), float(share)))
        for size, (wanted, questions) in self._contained.items():
            hashes, holders = _windows(tokens, owner, size)
            near = np.searchsorted(wanted, hashes) % len(wanted)
            hit = wanted[near] == hashes
            for place, question in sorted(set(zip(holders[hit].tolist(), questions[near[hit]].tolist(), strict=True))):
                found[place].append(Overlap(CONTAINED[size], self.ids[question], 1.0))
        for place, text in enumerate(texts) if self._keys else ():
            found[place] += [Overlap("exact", self.ids[question], 1.0) for question in self._short(text)]
        return [sorted(overlaps, key=Overlap.rank) for overlaps in found]

    def _shares(self, hashes: Hashes, owner: Places) -> tuple[list[int], list[int], list[float]]:
        """Texts that share a gram with a question; the question; the share. For each text those of a share that has a
        grade, and the largest one."""
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
        wanted = share >= THRESHOLDS[-1][1]
        wanted[:1] = True
        wanted[1:] |= text[1:] != text[:-1]
        return text[wanted].tolist(), question[wanted].tolist(), share[wanted].tolist()

    def _short(self, text: str) -> list[int]:
        """The short questions that are the whole text, or one line or sentence of it."""
        parts = [text, *text.splitlines(), *_SENTENCE.split(text)]
        keys = {normalise_for_comparison(part) for part in parts if len(part) <= 4 * self._longest_key + 16}
        return sorted(self._keys[key] for key in keys if key in self._keys)


def _contained(texts: Sequence[str], short: Sequence[int]) -> dict[int, tuple[Hashes, Places]]:
    """By number of tokens: sorted hashes of the short questions that are looked for inside lines, and their places."""
    _, owner = _token_hashes(texts)
    lengths = np.bincount(owner, minlength=len(texts))
    found = {}
    for size in CONTAINED:
        places = np.array([place for place in short if lengths[place] == size], dtype=np.int64)
        if len(places):
            hashes, _ = _windows(*_token_hashes([texts[place] for place in places]), size)
            order = np.argsort(hashes, kind="stable")
            found[size] = (hashes[order], places[order])
    return found


class ExamIndex:
    """The exam and open questions by their stems, and by their stems with options.

    The second finds questions whose stem is too common to say anything, and tells questions of one stem apart.
    Knowledge questions are left out: they are made from the facts that are taught, so their words are expected in the
    training data.
    """

    def __init__(self, questions: Iterable[Question]) -> None:
        """Index the questions."""
        asked = [question for question in questions if question.kind != "knowledge"]
        whole = [(q.id, "\n".join([q.stem, *(option.text for option in q.options)])) for q in asked if q.options]
        self.ids = frozenset(question.id for question in asked)
        self._indexes = [Index((q.id, q.stem) for q in asked), Index(whole)]

    def grade(self, text: str) -> Overlap:
        """The worst overlap of one text."""
        return self.grade_many([text])[0]

    def grade_many(self, texts: Sequence[str]) -> list[Overlap]:
        """The worst overlap of each text, in the order of the texts."""
        return [found[0] if found else NOTHING for found in self.overlaps(texts)]

    def overlaps(self, texts: Sequence[str]) -> list[list[Overlap]]:
        """For each text all its overlaps that have a grade, and the nearest ones whatever their grade; the worst
        first."""
        both = zip(*(index.overlaps(texts) for index in self._indexes), strict=True)
        return [sorted((overlap for part in parts for overlap in part), key=Overlap.rank) for parts in both]
