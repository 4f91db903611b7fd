"""Which entities are withheld from training as a control: drawn by hash, whole groups of one thing, to a share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from huatuo.records import Entity
from huatuo.store import content_id
from huatuo.text.zh import normalise_for_comparison

LEAST_FOR_ONE = 5
"""From so many entities of a kind on, at least one is withheld, so that no kind is without a control."""


def withheld(entities: Iterable[Entity], share: float, seed: int) -> frozenset[str]:
    """Ids of the entities to withhold: the share of each kind, rounded half up, and at least one of a kind with five.

    Entities tied by a name or alias, of whatever kind, are one thing under two records: all of them are withheld or
    none. A group that would exceed the share of one of its kinds is passed over, so where entities are tied the share
    may stay below; where none are, it is exact. Never all entities of a kind. The draw depends on the seed, the kinds
    and the names only, not on order. Raises ValueError where the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"share = {share}; expected 0 <= share < 1")
    every = list(entities)
    goals = {kind: _goal(number, share) for kind, number in Counter(entity.kind for entity in every).items()}
    ranked = sorted(
        (min((content_id("withhold", str(seed), e.kind, e.name), e.id) for e in group), group) for group in _tied(every)
    )
    taken: Counter[str] = Counter()
    chosen: set[str] = set()
    for _, group in ranked:
        kinds = Counter(entity.kind for entity in group)
        if all(taken[kind] + number <= goals[kind] for kind, number in kinds.items()):
            taken += kinds
            chosen.update(entity.id for entity in group)
    return frozenset(chosen)


def _goal(number: int, share: float) -> int:
    """How many of so many entities of a kind are to be withheld."""
    goal = int((Decimal(str(share)) * number).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if share > 0 and number >= LEAST_FOR_ONE:
        goal = max(goal, 1)
    return min(goal, number - 1)


def _tied(entities: Sequence[Entity]) -> list[list[Entity]]:
    """The entities in groups that share a name or alias, directly or through others (union-find)."""
    parent = list(range(len(entities)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    holder: dict[str, int] = {}
    for place, entity in enumerate(entities):
        for name in (entity.name, *entity.aliases):
            other = holder.setdefault(normalise_for_comparison(name) or name, place)
            parent[root(place)] = root(other)
    groups: dict[int, list[Entity]] = defaultdict(list)
    for place, entity in enumerate(entities):
        groups[root(place)].append(entity)
    return list(groups.values())
