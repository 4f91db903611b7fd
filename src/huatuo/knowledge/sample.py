"""Which entities are withheld from training as a control: drawn by hash, per kind, to an exact share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from huatuo.records import Entity
from huatuo.store import content_id

LEAST_FOR_ONE = 5
"""From so many entities of a kind on, at least one is withheld, so that no kind is without a control."""


def withheld(entities: Iterable[Entity], share: float, seed: int) -> frozenset[str]:
    """Ids of the entities to withhold: the share of each kind, rounded half up, and at least one of a kind with five.

    The draw depends on the seed, the kind and the name only: not on order, nor on other entities beyond their number.
    Never all entities of a kind. Raises ValueError where the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"share = {share}; expected 0 <= share < 1")
    by_kind: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entity in entities:
        by_kind[entity.kind].append((content_id("withhold", str(seed), entity.kind, entity.name), entity.id))
    chosen: set[str] = set()
    for ranked in by_kind.values():
        number = int((Decimal(str(share)) * len(ranked)).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        if share > 0 and len(ranked) >= LEAST_FOR_ONE:
            number = max(number, 1)
        chosen.update(entity_id for _, entity_id in sorted(ranked)[: min(number, len(ranked) - 1)])
    return frozenset(chosen)
