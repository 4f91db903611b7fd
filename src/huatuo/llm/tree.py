"""Prompts with their continuations laid out in rows of token ids, so that what they share is computed once. No torch.

A row holds a prompt once, and after it the continuations as a tree: what two of them begin with stands there once. A
token sees its ancestors only and has the position of its depth, so each continuation gets the log-probability that it
gets alone. The last token of a continuation is only predicted, and stands in no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from huatuo.llm.base import Branches


@dataclass
class Row:
    """One row of a batch."""

    owner: int
    """Index of the prompt."""
    ids: list[int]
    """Token ids: the prompt's, then the tree's."""
    trunk: int
    """Tokens of the prompt: each is the child of the one before."""
    parents: list[int] = field(default_factory=list)
    """For each token of the tree the place of its parent in the row."""
    picks: list[tuple[int, int, int]] = field(default_factory=list)
    """(continuation, place in the row whose logits predict, token predicted)."""

    @property
    def is_chain(self) -> bool:
        """Whether every token is the child of the one before, so that a row needs no mask of its own."""
        return all(parent == place for place, parent in enumerate(self.parents, self.trunk - 1))

    @property
    def needed(self) -> int:
        """Places whose logits are needed."""
        return len({place for _, place, _ in self.picks})

    def positions(self) -> list[int]:
        """The depth of each token, from 0."""
        found = list(range(self.trunk))
        for parent in self.parents:
            found.append(found[parent] + 1)
        return found

    def sees(self) -> npt.NDArray[np.bool_]:
        """(T, T): which tokens each token sees: itself and its ancestors."""
        size = len(self.ids)
        seen = np.zeros((size, size), dtype=bool)
        seen[: self.trunk, : self.trunk] = np.tri(self.trunk, dtype=bool)
        for place, parent in enumerate(self.parents, self.trunk):
            seen[place] = seen[parent]
            seen[place, place] = True
        return seen


def in_common(prefixes: Sequence[list[int]]) -> int:
    """How many tokens all prefixes begin with, at most one less than the shortest has: each keeps one of its own.

    Few-shot examples, a system message and a format's opening are found here, whatever text they come from.
    """
    if not prefixes:
        return 0
    low, high = min(prefixes), max(prefixes)  # of sorted sequences, the first and the last differ earliest
    limit = min(map(len, prefixes)) - 1
    return next((i for i in range(limit) if low[i] != high[i]), max(limit, 0))


def grow(owner: int, prompt: Branches, shared: int) -> Row:
    """The prompt after its first ``shared`` tokens, with its continuations as a tree, in one row."""
    row = Row(owner, prompt.prefix[shared:], len(prompt.prefix) - shared)
    children: dict[tuple[int, int], int] = {}
    for number, tokens in enumerate(prompt.continuations):
        place = row.trunk - 1
        for at, token in enumerate(tokens):
            row.picks.append((number, place, token))
            if at < len(tokens) - 1:
                known = children.get((place, token))
                if known is None:
                    known = children[place, token] = len(row.ids)
                    row.ids.append(token)
                    row.parents.append(place)
                place = known
    return row


def spread(owner: int, prompt: Branches, shared: int) -> Iterator[Row]:
    """The same in rows without branches: one for each continuation that has more than one token."""
    own = prompt.prefix[shared:]
    single = Row(owner, own, len(own))
    for number, tokens in enumerate(prompt.continuations):
        inner = list(tokens[:-1])
        if not inner:
            single.picks.append((number, len(own) - 1, tokens[0]))
            continue
        places = range(len(own) - 1, len(own) + len(inner))
        picks = [(number, place, token) for place, token in zip(places, tokens, strict=True)]
        yield Row(owner, own + inner, len(own), list(places[:-1]), picks)
    if single.picks:
        yield single


def batches(rows: Sequence[Row], tokens: int, logits: int) -> Iterator[list[Row]]:
    """The rows in batches of like length, the longest first, so that what does not fit memory fails at once.

    A batch has at most ``tokens`` tokens, padding counted in, and ``logits`` needed places; a single row may have more.
    """
    group: list[Row] = []
    places = 0
    for row in sorted(rows, key=lambda row: (-len(row.ids), row.owner)):
        if group and ((len(group) + 1) * len(group[0].ids) > tokens or places + row.needed > logits):
            yield group
            group, places = [], 0
        group.append(row)
        places += row.needed
    if group:
        yield group
