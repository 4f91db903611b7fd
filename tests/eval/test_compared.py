"""Two models are compared on the questions that both were asked, and every p-value knows how many others there are."""

from __future__ import annotations

import math
import random

import pytest

from huatuo.eval import stats
from huatuo.eval.compared import DETECTABLE, P_HOLM, Measured, P, comparisons
from huatuo.records import Figure


def measured(values: dict[str, dict[str, float | None]], group: str = "exam") -> Measured:
    ids = {question for own in values.values() for question in own}
    return Measured(group, "signature", {question: (question,) for question in ids}, values)


def compared(*groups: Measured) -> dict[tuple[str, str, str], Figure]:
    return {(f.name, f.model, f.metric): f for f in comparisons(groups, 200, 7)}


def answers(start: int, stop: int, right: float, seed: int) -> dict[str, float | None]:
    rng = random.Random(seed)
    return {f"q{i}": float(rng.random() < right) for i in range(start, stop)}


def test_only_questions_that_both_were_asked_are_compared_whatever_their_order() -> None:
    first, second = answers(0, 1000, 0.5, 1), answers(300, 1300, 0.6, 2)
    shuffled = dict(random.Random(3).sample(sorted(second.items()), len(second)))
    both = sorted(first.keys() & second.keys())
    only_second = sum(second[q] == 1 and first[q] == 0 for q in both)
    only_first = sum(first[q] == 1 and second[q] == 0 for q in both)
    for own in (second, shuffled):
        found = compared(measured({"x": first, "y": own}))
        p = found["exam", "y - x", P]
        assert p.n == found["exam", "y - x", "difference"].n == len(both) == 700
        assert p.value == stats.mcnemar(only_second, only_first)
        assert p.method == f"exact McNemar, {only_second} right by y alone, {only_first} by x alone"
        least = found["exam", "y - x", DETECTABLE].value
        assert least == stats.minimal_detectable(math.sqrt((only_first + only_second) / 700), 700)
        expected = (only_second - only_first) / 700
        assert found["exam", "y - x", "difference"].value == pytest.approx(expected)


def test_models_without_a_question_in_common_are_not_compared() -> None:
    assert not compared(measured({"x": answers(0, 50, 0.5, 1), "y": answers(50, 100, 0.5, 2)}))


def test_unscored_answers_count_as_wrong_and_are_counted() -> None:
    x: dict[str, float | None] = {f"q{i}": 1.0 for i in range(20)}
    y: dict[str, float | None] = {f"q{i}": None if i < 8 else 1.0 for i in range(20)}
    found = compared(measured({"x": x, "y": y}))
    assert found["exam", "y - x", "difference"].value == pytest.approx(-0.4)
    assert found["exam", "y - x", "difference"].unscored == 8
    assert found["exam", "y - x", P].value == pytest.approx(2 / 2**8)


def test_holm_is_over_all_comparisons_of_all_exams() -> None:
    models = {"a": 0.5, "b": 0.53, "c": 0.6}
    groups = [
        measured({name: answers(0, 400, right, hash_of(name, group)) for name, right in models.items()}, group)
        for group in ("one", "two")
    ]
    found = compared(*groups)
    plain = [f for (_, _, metric), f in found.items() if metric == P]
    adjusted = [f for (_, _, metric), f in found.items() if metric == P_HOLM]
    assert len(plain) == len(adjusted) == 6
    assert [f.value for f in adjusted] == stats.holm([f.value or 0.0 for f in plain])
    assert [f.value for f in adjusted] != [f.value for f in plain]
    assert {f.method for f in adjusted} == {"Holm over 6 comparisons"}


def hash_of(name: str, group: str) -> int:
    return sum(map(ord, name + group))


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.001, 0.8, 0.9], [0.003, 1.0, 1.0]),
    ],
)
def test_holm_by_hand(p_values: list[float], expected: list[float]) -> None:
    assert stats.holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (10, 2, 79 / 2048), (6, 6, 1.0)]
)
def test_mcnemar_by_hand(first: int, second: int, p: float) -> None:
    assert stats.mcnemar(first, second) == stats.mcnemar(second, first) == pytest.approx(p)


@pytest.mark.slow
def test_mcnemar_of_thousands() -> None:
    assert stats.mcnemar(5000, 4000) < 1e-20


def test_base_and_ours_alone_have_no_p_value() -> None:
    assert not compared(measured({"base": answers(0, 50, 0.5, 1), "ours": answers(0, 50, 0.5, 2)}))
