"""The ledger of facts as the page shows it: what is taught of each kind and relation, how, and by which pairs.

The counting is `huatuo.ledger`'s.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from huatuo.ledger import Coverage, Entry, Lesson, coverage, least_and_most, ledger, lessons

TAUGHT_BINS = ((0, 0), (1, 1), (2, 4), (5, 9), (10, 19), (20, 0))
"""Lowest and highest number of pairs per row of the ledger; 0 as the highest of the last row: no limit."""

FACTS_SHOWN = 8
"""Facts shown that the fewest pairs teach, and as many that the most do."""

PAIRS_SHOWN = 3
"""Pairs shown of each of these."""

UNTAUGHT_SHOWN = 3
"""Facts shown of each reason why facts are not taught."""


@dataclass(frozen=True)
class Shown:
    """One fact with its first pairs."""

    fact: str
    entry: Entry
    pairs: tuple[Lesson, ...] = ()


@dataclass(frozen=True)
class Untaught:
    """Why facts are not taught: how many, of which relations, and some of them."""

    why: str
    count: int
    relations: tuple[tuple[str, int], ...]
    examples: tuple[Shown, ...]


@dataclass(frozen=True)
class Ledger:
    """How many training pairs teach each fact."""

    facts: int
    taught: tuple[tuple[str, int], ...]
    """Facts by the number of pairs that teach them."""
    reasons: tuple[Untaught, ...]
    """Why the others are not taught, the commonest reason first."""
    coverage: tuple[Coverage, ...]
    """By kind and relation."""
    shapes: tuple[str, ...]
    """Every shape that teaches a fact, the one that teaches the most facts first."""
    least: tuple[Shown, ...]
    most: tuple[Shown, ...]
    shared: int
    """Facts that more than one source says."""

    @property
    def untaught(self) -> tuple[tuple[str, int], ...]:
        """Facts that no pair teaches, by reason."""
        return tuple((reason.why, reason.count) for reason in self.reasons)

    @property
    def known(self) -> int:
        """Facts that at least one pair teaches."""
        return self.facts - sum(reason.count for reason in self.reasons)


def account(folders: Mapping[str, Path]) -> Ledger:
    """The ledger of a run; ``folders``: its finished stages by name, ingest among them.

    A pair that a later stage dropped or left teaches nothing.
    """
    entries = ledger(folders)
    rows = coverage(entries.values())
    shapes: Counter[str] = sum((row.shapes for row in rows), Counter())
    least, most = least_and_most(entries, FACTS_SHOWN)
    taught_by = lessons(folders, entries, {*least, *most}, PAIRS_SHOWN)

    def shown(facts: list[str]) -> tuple[Shown, ...]:
        return tuple(Shown(fact, entries[fact], tuple(taught_by[fact])) for fact in facts)

    return Ledger(
        len(entries),
        _bins(entries),
        _reasons(entries),
        tuple(rows),
        tuple(shape for shape, _ in sorted(shapes.items(), key=lambda item: (-item[1], item[0]))),
        shown(least),
        shown(most),
        sum(bool(entry.also) for entry in entries.values()),
    )


def _bins(entries: Mapping[str, Entry]) -> tuple[tuple[str, int], ...]:
    counts = Counter(entry.pairs for entry in entries.values())
    bins = []
    for low, high in TAUGHT_BINS:
        name = str(low) if low == high else f"{low}–{high}" if high else f"≥ {low}"
        top = high or (0 if low == 0 else math.inf)
        bins.append((name, sum(facts for pairs, facts in counts.items() if low <= pairs <= top)))
    return tuple(bins)


def _reasons(entries: Mapping[str, Entry]) -> tuple[Untaught, ...]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for fact, entry in entries.items():
        if not entry.shapes:
            by_reason[entry.why].append(fact)
    found = []
    for why, facts in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        relations = Counter(entries[fact].relation for fact in facts)
        examples = tuple(Shown(fact, entries[fact]) for fact in nsmallest(UNTAUGHT_SHOWN, facts))
        ranked = sorted(relations.items(), key=lambda item: (-item[1], item[0]))
        found.append(Untaught(why, len(facts), tuple(ranked), examples))
    return tuple(found)
