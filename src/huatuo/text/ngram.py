"""Overlap of texts with exam questions: which question does a text contain, and how much of it?

A question is cut into grams of 5 tokens (`huatuo.text.zh.tokens` of the NFKC text). Its share in a text is the part of
its different grams that the text holds. Grams are 64-bit hashes made with written-out constants, so every process and
machine grades alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from huatuo.records import Question
from huatuo.text.grams import BUCKET_BITS, NEAR_GRAM, Cut, Hashes, Marks, chunks, cut, in_text, token_hashes, windows
from huatuo.text.grams import GRAM as GRAM
from huatuo.text.grams import grams as grams
from huatuo.text.joined import Places
from huatuo.text.zh import normalise_for_comparison

Grade = Literal["exact", "likely", "possible"]
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

NEAR_SHARE, NEAR_LEAST, NEAR_FLOOR = 0.6, 16, 0.05
"""Share of the short grams (2 tokens) from which a text that holds at least 5 % of a question's long ones,
too few for a grade, is ``possible`` all the same: a copy that was edited everywhere. Questions with fewer than so many
short grams are not looked for. By it 6 of 11,099 drug monographs and question-answer pairs hold one of 6,811
licensing-exam questions, all by chance, beside 3,883 that are ``possible`` by their long grams.
"""

SHORT_SHARE, SHORT_LEAST = 0.5, 10
"""Share of the short grams from which an overlap names it, of questions with at least so many of them: of two that are
``possible`` by their long grams, one that holds most of the short ones is a copy with some characters exchanged,
another uses the same term."""

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
    by: Literal["grams", "whole", "near"] = "grams"
    """grams: by runs of 5 tokens. whole: a short question stands there as a whole. near: by runs of 2 tokens."""
    short: float = 0.0
    """Share of that wording's runs of 2 tokens, 0 to 1, where it is at least half and too few of its
    longer ones stand there for ``likely``; else 0."""
    held: int = 0
    """How many of that wording's runs of 5 tokens stand in the text, where it was found by them."""

    @property
    def question_id(self) -> str:
        """The first of the questions; empty where the grade is None."""
        return self.question_ids[0] if self.question_ids else ""

    def rank(self) -> tuple[int, float, int, tuple[str, ...]]:
        """Key that sorts the worst first: grade, share, and of two alike the one that fits fewer questions."""
        places = [grade for grade, _ in THRESHOLDS]
        place = places.index(self.grade) if self.grade else len(places)
        return place, -self.share, len(self.question_ids), self.question_ids


def _worst_first(overlaps: list[Overlap]) -> list[Overlap]:
    return sorted(overlaps, key=Overlap.rank) if len(overlaps) > 1 else overlaps


NOTHING = Overlap(None, (), 0.0)
"""The overlap of a text that shares no gram with any question."""


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
        self._link_near(texts)
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
        buckets = (self._grams >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
        first = np.flatnonzero(np.diff(buckets, prepend=-1) > 0)
        self._deepest = int(np.diff(first, append=len(buckets)).max(initial=0))
        self._bucket = np.empty(1 << BUCKET_BITS, dtype=np.int32)  # of those that are filled, where each begins
        self._bucket[buckets[first]] = first
        self._filled: Marks = np.zeros(1 << BUCKET_BITS, dtype=bool)
        self._filled[buckets[first]] = True

    def _link_near(self, texts: Sequence[str]) -> None:
        """The different short grams of each question, one question after the other."""
        hashes, owner = windows(*token_hashes(texts), NEAR_GRAM)
        order = np.lexsort((hashes, owner))
        hashes, owner = hashes[order], owner[order]
        new = np.ones(len(hashes), dtype=bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
        self._near, owners = hashes[new], owner[new]
        self._near_starts: Places = np.searchsorted(owners, np.arange(len(texts) + 1))

    def grade(self, text: str) -> Overlap:
        """The overlap of one text with its nearest question."""
        return self.grade_many([text])[0]

    def grade_many(self, texts: Sequence[str]) -> list[Overlap]:
        """The overlap of each text with its nearest question, in the order of the texts."""
        return [found[0] if found else NOTHING for found in self.overlaps(texts)]

    def overlaps(self, texts: Sequence[str]) -> list[list[Overlap]]:
        """For each text its overlaps that have a grade, and the nearest one whatever its grade; the worst first."""
        return [found for chunk in chunks(texts) for found in self.overlaps_of(cut(chunk))]

    def overlaps_of(self, chunk: Cut) -> list[list[Overlap]]:
        """The same of texts that were cut before, so that several indexes can share the cutting."""
        found: list[list[Overlap]] = [[] for _ in chunk.texts]
        text, question, share = self._shares(chunk)
        near = self._nearly(chunk, text, question, share)
        for place, number, part, by_two in zip(text, question, share, near, strict=True):
            grade = next((name for name, least in THRESHOLDS if part >= least), None)
            if grade is None and by_two >= NEAR_SHARE:
                found[place].append(Overlap("possible", self.ids[number], by_two, "near", by_two))
            else:
                held = round(part * int(self._totals[number]))
                found[place].append(Overlap(grade, self.ids[number] if grade else (), part, short=by_two, held=held))
        for size, (wanted, questions) in self._contained.items():
            hashes, holders = windows(chunk.tokens, chunk.owner, size)
            at = np.searchsorted(wanted, hashes) % len(wanted)
            hit = wanted[at] == hashes
            for place, number in sorted(set(zip(holders[hit].tolist(), questions[at[hit]].tolist(), strict=True))):
                found[place].append(Overlap(CONTAINED[size], self.ids[number], 1.0, "whole"))
        for place, whole in enumerate(chunk.texts) if self._keys else ():
            found[place] += [Overlap("exact", self.ids[number], 1.0, "whole") for number in self._short(whole)]
        return list(map(_worst_first, found))

    def _nearly(self, chunk: Cut, text: list[int], question: list[int], share: list[float]) -> list[float]:
        """For each pair of text and question the share of the question's short grams that the text holds, where it is
        at least `SHORT_SHARE` and the pair is not likely by its long ones; else 0.0."""
        places, numbers, parts = np.array(text, np.int64), np.array(question, np.int64), np.array(share)
        sizes = self._near_starts[numbers + 1] - self._near_starts[numbers]
        least = np.where(parts < THRESHOLDS[-1][1], NEAR_LEAST, SHORT_LEAST)
        open_ = np.flatnonzero((parts >= NEAR_FLOOR) & (parts < THRESHOLDS[1][1]) & (sizes >= least))
        found = np.zeros(len(text))
        if not len(open_):
            return found.tolist()

        def shared(pairs: Places, is_held: Callable[[Hashes], Marks]) -> npt.NDArray[np.float64]:
            count = sizes[pairs]
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            asked = self._near[np.repeat(self._near_starts[numbers[pairs]], count) + within]
            hit = is_held(in_text(asked, np.repeat(places[pairs], count)))
            return np.bincount(np.repeat(np.arange(len(pairs)), count), weights=hit, minlength=len(pairs)) / count

        open_ = open_[shared(open_, chunk.maybe_short) >= SHORT_SHARE]  # never too few; what is left is counted exactly
        if len(open_):
            held, owner = chunk.short
            few = held[np.isin(owner, places[open_])]
            exact = shared(open_, lambda keys: np.isin(keys, few))
            found[open_] = np.where(exact >= SHORT_SHARE, exact, 0.0)
        return found.tolist()

    def _shares(self, chunk: Cut) -> tuple[list[int], list[int], list[float]]:
        """Texts that share a gram with a question; the question; the share. For each text those of a share that has a
        grade, and the largest one."""
        place, owner = self._found(chunk)
        pairs = np.sort(owner * np.int64(max(len(self._grams), 1)) + place)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # a gram counts once per text; np.unique takes 5 times as long
        owner, place = np.divmod(pairs, max(len(self._grams), 1))
        counts = self._counts[place]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        question = self._owner[np.repeat(self._starts[place], counts) + within]
        both = np.sort(np.repeat(owner, counts) * np.int64(max(len(self.ids), 1)) + question)
        first = np.flatnonzero(np.diff(both, prepend=-1) > 0)
        text, question = np.divmod(both[first], max(len(self.ids), 1))
        share = np.diff(first, append=len(both)) / self._totals[question]
        opens = np.flatnonzero(np.diff(text, prepend=-1) > 0)
        best = np.repeat(np.maximum.reduceat(share, opens), np.diff(opens, append=len(text))) if len(text) else share
        kept = (share >= THRESHOLDS[-1][1]) | (share == best)
        text, question, share = text[kept], question[kept], share[kept]
        order = np.lexsort((question, -share, text))
        text, question, share = text[order], question[order], share[order]
        wanted = (share >= THRESHOLDS[-1][1]) | (np.diff(text, prepend=-1) > 0)
        return text[wanted].tolist(), question[wanted].tolist(), share[wanted].tolist()

    def _found(self, chunk: Cut) -> tuple[Places, Places]:
        """Of the grams of texts that are a question's: their places among the questions' grams, and their texts. Looked
        up by their first bits: a binary search misses the processor's cache twenty times a gram."""
        if not len(self._grams):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        maybe = np.flatnonzero(np.take(self._filled, chunk.buckets))  # a quarter of the table's bytes: most are not
        at, hashes, owner = self._bucket[chunk.buckets[maybe]], chunk.grams[maybe], chunk.gram_owner[maybe]
        place = np.where(self._grams[at] == hashes, at, -1)
        for step in range(1, self._deepest):
            rest = np.flatnonzero(place < 0)
            here = np.minimum(at[rest] + step, len(self._grams) - 1)
            hit = self._grams[here] == hashes[rest]
            place[rest[hit]] = here[hit]
        held = place >= 0
        return place[held], owner[held]

    def _short(self, text: str) -> list[int]:
        """The short questions that are the whole text, or one line or sentence of it."""
        parts = [text, *text.splitlines(), *_SENTENCE.split(text)]
        keys = {normalise_for_comparison(part) for part in parts if len(part) <= 4 * self._longest_key + 16}
        return sorted(self._keys[key] for key in keys if key in self._keys)


def _contained(texts: Sequence[str], short: Sequence[int]) -> dict[int, tuple[Hashes, Places]]:
    """By number of tokens: sorted hashes of the short questions that are looked for inside lines, and their places."""
    _, owner = token_hashes(texts)
    lengths = np.bincount(owner, minlength=len(texts))
    found = {}
    for size in CONTAINED:
        places = np.array([place for place in short if lengths[place] == size], dtype=np.int64)
        if len(places):
            hashes, _ = windows(*token_hashes([texts[place] for place in places]), size)
            order = np.argsort(hashes, kind="stable")
            found[size] = (hashes[order], places[order])
    return found


def is_searched(question: Question) -> bool:
    """Whether a text that holds the question gives its answer away: not for questions made from facts, which are taught
    on purpose in other words."""
    return question.kind != "knowledge" and not question.wording


class ExamIndex:
    """The exam and open questions by their stems, and by their stems with options.

    The second finds questions whose stem is too common to say anything, and tells questions of one stem apart.
    Questions made from facts are left out: their words are expected in the training data.
    """

    def __init__(self, questions: Iterable[Question]) -> None:
        """Index the questions."""
        asked = [question for question in questions if is_searched(question)]
        whole = [(q.id, "\n".join([q.stem, *(option.text for option in q.options)])) for q in asked if q.options]
        self.ids = frozenset(question.id for question in asked)
        self.asked = {question.id: question for question in asked}
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
        found = []
        for chunk in chunks(texts):
            hashed = cut(chunk)
            both = zip(*(index.overlaps_of(hashed) for index in self._indexes), strict=True)
            found += [_worst_first([overlap for part in parts for overlap in part]) for parts in both]
        return found
