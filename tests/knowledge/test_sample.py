"""Withholding draws an exact share per kind, by hash alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from huatuo.knowledge.sample import withheld
from huatuo.records import Entity, Origin


def entity(kind: str, i: int, name: str = "", aliases: tuple[str, ...] = ()) -> Entity:
    origin = Origin(source="g", file="a", place="line 1")
    return Entity(id=f"{kind}{i}", kind=kind, name=name or f"{kind}{i}", aliases=aliases, origins=(origin,))


KINDS = {"a": 1000, "b": 25, "c": 5, "d": 4, "e": 1}
ALL = [entity(kind, i) for kind, n in KINDS.items() for i in range(n)]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, {}),
        (0.1, {"a": 100, "b": 3, "c": 1}),
        (0.0001, {"a": 1, "b": 1, "c": 1}),
        (0.99, {"a": 990, "b": 24, "c": 4, "d": 3}),
    ],
)
def test_the_share_is_exact_per_kind(share: float, expected: dict[str, int]) -> None:
    assert Counter(i[0] for i in withheld(ALL, share, 7)) == expected


def test_the_draw_does_not_depend_on_order_but_on_the_seed() -> None:
    mixed = ALL[:]
    random.Random(1).shuffle(mixed)
    assert withheld(mixed, 0.1, 7) == withheld(ALL, 0.1, 7) != withheld(ALL, 0.1, 8)


def test_a_larger_share_holds_the_smaller_one() -> None:
    assert withheld(ALL, 0.1, 7) < withheld(ALL, 0.2, 7)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        withheld(ALL, share, 1)


@pytest.mark.slow
def test_entities_tied_by_name_or_alias_are_withheld_together_or_not_at_all() -> None:
    every = [entity("a", i, aliases=(f"又名{i}",)) for i in range(1000)]
    every += [entity("b", i, name=f"又名 {i}") for i in range(0, 1000, 2)]  # another kind, named as an alias
    every += [entity("c", i, aliases=(f"a{i}",)) for i in range(0, 1000, 4)]  # has the name as an alias
    chosen = withheld(every, 0.1, 7)
    counts = Counter(entity_id[0] for entity_id in chosen)
    assert counts["a"] == 100
    assert 0 < counts["b"] <= 50
    assert 0 < counts["c"] <= 25
    for number in range(1000):
        group = {e.id for e in every if e.id[1:] == str(number)}
        assert group <= chosen or not group & chosen
    assert chosen == withheld(every[::-1], 0.1, 7)


def test_a_group_larger_than_the_share_is_passed_over() -> None:
    every = [entity("a", i, aliases=("炎",) if i < 500 else ()) for i in range(1000)]
    chosen = withheld(every, 0.1, 7)
    assert len(chosen) == 100
    assert not {f"a{i}" for i in range(500)} & chosen
