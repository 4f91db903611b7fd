"""Near-duplicates: texts whose character n-grams overlap, found exactly.

Jaccard similarity of the sets of grams; the prefix filter (Chaudhuri et al. 2006) compares only texts that share one of
the few rare grams that any neighbour must share, so no pair above the threshold is missed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

GRAM = 3
"""Characters of a gram: at 3, HuaTuo's 8,658 questions hold 63 pairs at 0.7, and 46 questions have an earlier one."""

_ROUNDING = 1e-9


class Neighbour(NamedTuple):
    """An earlier text that is near."""

    place: int
    """Its place among the texts, from 0."""
    jaccard: float
    """Similarity, 0 to 1."""


def grams_of(text: str, size: int = GRAM) -> frozenset[str]:
    """The runs of ``size`` characters of a text as it is; a shorter text is one gram."""
    return frozenset(text[start : start + size] for start in range(max(1, len(text) - size + 1)))


def earlier_neighbours(texts: Sequence[str], threshold: float, size: int = GRAM) -> list[list[Neighbour]]:
    """For each text the earlier texts of at least this Jaccard similarity, in their order; about 2 kB a text.

    Raises ValueError for a threshold that is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold}: expected above 0, at most 1")
    sets = [grams_of(text, size) for text in texts]
    holders_of = Counter(gram for grams in sets for gram in grams)
    seen: dict[str, list[int]] = {}
    found = []
    for place, grams in enumerate(sets):
        rare_first = sorted(grams, key=lambda gram: (holders_of[gram], gram))
        prefix = len(grams) - math.ceil(threshold * len(grams) - _ROUNDING) + 1
        candidates: set[int] = set()
        for gram in rare_first[:prefix]:
            holders = seen.setdefault(gram, [])
            candidates.update(holders)
            holders.append(place)
        near = (Neighbour(other, _jaccard(grams, sets[other])) for other in sorted(candidates))
        found.append([neighbour for neighbour in near if neighbour.jaccard >= threshold])
    return found


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
