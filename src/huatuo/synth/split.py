"""Training or validation: no entity, document or first message stands on both sides.

Pairs that share one of these are tied together (union-find), and where the recipe asks for it those whose first
messages are nearly the same; whole components go to one side, drawn by hash.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable

from huatuo.records import TEXT, Pair
from huatuo.synth.pair import fraction, normalised
from huatuo.text.near import earlier_neighbours


def keys_of(pair: Pair) -> list[bytes]:
    """8-byte hashes of what ties a pair to others: its entities, its documents, its first message."""
    names = [f"entity {name}" for name in pair.entities]
    if pair.shape != TEXT:  # passages as they are have an empty question in common
        names.append(f"message {first_message(pair)}")
    if not pair.entities:  # facts are tied by their entity already
        names += [f"parent {parent}" for parent in pair.parents]
    return [_key(name) for name in names]


def first_message(pair: Pair) -> str:
    """What the user says first, as it is compared."""
    return normalised(next(m.content for m in pair.messages if m.role == "user"))


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class Components:
    """Connected components of pairs that come one after the other; about 150 bytes per different key."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._parent = array("q")
        self._of_pair = array("q")

    def add(self, keys: Iterable[bytes]) -> None:
        """The next pair, with its keys (at least one)."""
        first = -1
        for key in keys:
            number = self._numbers.setdefault(key, len(self._parent))
            if number == len(self._parent):
                self._parent.append(number)
            first = number if first < 0 else self._join(first, number)
        self._of_pair.append(first)

    def tie_twins(self, messages: Iterable[str], least: float) -> int:
        """How many of the first messages (`first_message` of pairs that were added, each once) nearly repeat an earlier
        one, after the pairs of both were tied.

        ``least``: share of their 3-grams that twins have in common (Jaccard).
        """
        texts = list(messages)
        twins = 0
        for text, earlier in zip(texts, earlier_neighbours(texts, least), strict=True):
            twins += bool(earlier)
            for one in earlier:
                self._join(*(self._numbers[_key(f"message {said}")] for said in (text, texts[one.place])))
        return twins

    def _root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def _join(self, one: int, other: int) -> int:
        low, high = sorted((self._root(one), self._root(other)))
        self._parent[high] = low
        return low

    def sizes(self) -> dict[int, int]:
        """Pairs per component."""
        found: dict[int, int] = {}
        for number in self._of_pair:
            root = self._root(number)
            found[root] = found.get(root, 0) + 1
        return found

    def draw(self, goal: float, seed: int) -> tuple[set[int], dict[int, int]]:
        """Components for validation, together at most ``goal`` pairs, and the sizes of all of them.

        Taken in the order of the hashes of their smallest keys; one that would exceed the goal is passed over.
        """
        sizes = self.sizes()
        smallest: dict[int, bytes] = {}
        for key, number in self._numbers.items():
            root = self._root(number)
            if root not in smallest or key < smallest[root]:
                smallest[root] = key
        order = sorted(
            sizes, key=lambda root: (fraction(str(seed), "validation", smallest[root].hex()), smallest[root])
        )
        taken, chosen = 0, set[int]()
        for root in order:
            if taken + sizes[root] <= goal:
                chosen.add(root)
                taken += sizes[root]
        return chosen, sizes

    def of(self, pair: int) -> int:
        """The component of the n-th pair that was added."""
        return self._root(self._of_pair[pair])
