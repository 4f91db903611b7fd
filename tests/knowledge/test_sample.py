"""Withholding draws an exact share per kind, by hash alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from huatuo.knowledge.sample import withheld
from huatuo.records import Entity, Origin


def entity(kind: str, i: int) -> Entity:
    origin = Origin(source="g", file="a", place="line 1")
    return Entity(id=f"{kind}{i}", kind=kind, name=f"{kind}{i}", origins=(origin,))


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
