"""Near texts that are kept because they say something that their neighbour does not (`huatuo.checks.says_more`).

By similarity alone, of characters or of meaning, the second of two monographs that differ in a dose goes, and its dose
with it. So a neighbour counts only where the later text says nothing more of the kinds asked for; another neighbour may
then be the witness. Which texts go stays a function of the set and its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from huatuo.checks.says_more import More, more
from huatuo.text.joined import Places


class Spared:
    """Tells which near neighbours say all that a text says, and remembers the texts that have none but are near."""

    def __init__(self, kinds: Collection[More]) -> None:
        """Ask for these kinds."""
        self._kinds = frozenset(kinds)
        self._kept: dict[int, More] = {}
        self._gone: set[int] = set()
        self.said: dict[str, More] = {}
        """Id of each text that is near an earlier one and says more → what it says, of the rounds that are settled."""

    def alike(
        self, later: Places, before: Places, share: npt.NDArray[np.float64], texts: Sequence[str], rows: Places
    ) -> npt.NDArray[np.bool_]:
        """For each near pair whether its earlier text is a witness: of each later text the nearest (by ``share``) that
        says as much, of those alike the earliest. ``rows``, (2, pairs): where the texts of the pairs stand in
        ``texts``."""
        found = np.zeros(len(later), dtype=bool)
        settled = -1
        for pair in np.lexsort((before, -share, later)).tolist():
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

    def settle(self, name: Callable[[int], str]) -> None:
        """Nothing; ends a round of `alike`, in which places meant texts of these ids."""
        for place, kind in self._kept.items():
            if place not in self._gone:
                self.said.setdefault(name(place), kind)
        self._kept, self._gone = {}, set()

    def counts(self, left: Iterable[str]) -> dict[str, int]:
        """Texts that were kept though a near neighbour comes before, of those that are ``left`` when every rule has
        been asked, by what they say more."""
        return dict(sorted(Counter(self.said[name] for name in left if name in self.said).items()))
