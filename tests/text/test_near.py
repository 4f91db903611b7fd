from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.text.near import Neighbour, earlier_neighbours, grams_of


def by_hand(texts: list[str], threshold: float) -> list[list[Neighbour]]:
    sets = [grams_of(text) for text in texts]
    found = []
    for place, grams in enumerate(sets):
        shares = [len(grams & other) / len(grams | other) for other in sets[:place]]
        found.append([Neighbour(other, share) for other, share in enumerate(shares) if share >= threshold])
    return found


@given(st.lists(st.text(alphabet="abc", max_size=9), max_size=14), st.sampled_from([0.2, 0.5, 0.7, 0.9, 1.0]))
def test_no_pair_is_missed_and_none_invented(texts: list[str], threshold: float) -> None:
    assert earlier_neighbours(texts, threshold) == by_hand(texts, threshold)


@pytest.mark.slow
def test_a_thousand_questions_are_compared_exactly() -> None:
    dice = random.Random(3)
    texts = ["".join(dice.choices("甲乙丙丁戊己庚辛", k=12)) + "的症状有哪些" for _ in range(900)]
    texts += [text[:-1] + "呢" for text in texts[:100]]
    found = earlier_neighbours(texts, 0.7)
    assert found == by_hand(texts, 0.7)
    assert all(found[900:])


def test_a_threshold_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        earlier_neighbours(["a"], 0.0)
