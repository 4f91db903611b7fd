"""Near texts that are kept because they say something that their neighbour does not (`huatuo.checks.says_more`).

By Jaccard similarity alone, the second of two monographs that differ in a dose goes, and its dose with it. So a
neighbour counts only where the later text says nothing more of the kinds asked for; another neighbour may then be the
witness. Which texts go stays a function of the set and its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from huatuo.checks.says_more import More, more
from huatuo.text.joined import Places


class Spared:
    """Tells which near neighbours say all that a text says, and counts the texts that have none but are near."""

    def __init__(self, kinds: Collection[More]) -> None:
        """Ask for these kinds."""
        self._kinds = frozenset(kinds)
        self._kept: dict[int, More] = {}
        self._gone: set[int] = set()

    def alike(
        self, later: Places, before: Places, jaccard: npt.NDArray[np.float64], texts: Sequence[str], rows: Places
    ) -> npt.NDArray[np.bool_]:
        """For each near pair whether its earlier text is a witness: of each later text the nearest that says as much,
        of those alike the earliest. ``rows``, (2, pairs): where the texts of the pairs stand in ``texts``."""
        found = np.zeros(len(later), dtype=bool)
        settled = -1
        for pair in np.lexsort((before, -jaccard, later)).tolist():
            place = int(later[pair])
            if place == settled:
                continue
            kind = more(texts[rows[0, pair]], texts[rows[1, pair]], self._kinds)
            if kind is None:
                found[pair], settled = True, place
                self._gone.add(place)
            else:
                self._kept.setdefault(place, kind)
        return found

    def counts(self) -> dict[str, int]:
        """Texts that were kept though a near neighbour comes before, by what they say more."""
        return dict(sorted(Counter(kind for place, kind in self._kept.items() if place not in self._gone).items()))
