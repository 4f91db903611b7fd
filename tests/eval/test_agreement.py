"""Coefficients of agreement against published values, other implementations, and cases where formulas break."""

from __future__ import annotations

import krippendorff as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.eval.agreement import ALIKE, NONE, SAME, counts, fleiss, gwet, krippendorff, raw, weights, with_interval

n = np.nan
# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", C: four observers, twelve units, missing data
CANONICAL = np.array(
    [
        [1, 1, n, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
        [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [n, 5, 5, 5], [n, n, 1, 1], [n, n, 3, n],
    ]
)  # fmt: skip
FIVE = [1, 2, 3, 4, 5]
# 20 items, 4 annotators; the coefficients below are irrCAC 0.4.4's with categories=[1, 2, 3]
MADE = np.array(
    [
        [1, n, 2, 2], [n, 2, 2, 3], [3, 2, 3, n], [3, 1, 3, 3], [3, 2, 2, n], [2, 3, 2, 1], [2, 2, 2, 2],
        [1, n, 2, 2], [2, 2, 2, 1], [n, 3, 2, 3], [3, 3, 3, 2], [1, 3, 3, 1], [2, 2, n, n], [n, 2, 1, 1],
        [2, 2, 2, 2], [2, 2, 2, 2], [2, 1, 2, 3], [3, n, 3, n], [3, 2, 3, 2], [2, 1, 2, 3],
    ]
)  # fmt: skip
THREE = [1, 2, 3]


def study(items: int, seed: int, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = np.clip(np.round(2.3 + rng.normal(0, 0.6, (items, 1)) + rng.normal(0, 0.5, (items, 5))), 1, 3)
    table[rng.random(table.shape) < missing] = n
    return table


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107)])
def test_alpha_of_the_canonical_data(level, value):
    assert krippendorff(CANONICAL, FIVE, level).value == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("kind", "ac", "kappa"), [
    ("identity", 0.77544, 0.76117), ("ordinal", 0.89894, 0.85021), ("linear", 0.85874, 0.81794),
    ("quadratic", 0.91400, 0.86494),
])  # fmt: skip
def test_gwet_and_fleiss_of_the_canonical_data(kind, ac, kappa):
    assert gwet(CANONICAL, FIVE, kind).value == pytest.approx(ac, abs=1e-5)
    assert fleiss(CANONICAL, FIVE, kind).value == pytest.approx(kappa, abs=1e-5)


@pytest.mark.parametrize(("kind", "ac", "kappa"), [
    ("identity", 0.2886957, 0.15843609), ("ordinal", 0.49365531, 0.15272936), ("linear", 0.42231647, 0.15518455),
    ("quadratic", 0.53802721, 0.15080988),
])  # fmt: skip
def test_gwet_and_fleiss_equal_irrcac(kind, ac, kappa):
    assert gwet(MADE, THREE, kind).value == pytest.approx(ac, abs=1e-7)
    assert fleiss(MADE, THREE, kind).value == pytest.approx(kappa, abs=1e-7)


def test_fleiss_of_the_textbook_table():
    # Fleiss (1971), ten subjects, fourteen raters, five categories: 0.210
    table = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
             [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]  # fmt: skip
    ratings = np.array([[v for v, k in enumerate(row, 1) for _ in range(k)] for row in table], dtype=float)
    assert fleiss(ratings, FIVE).value == pytest.approx(0.20993070442195522)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_alpha_equals_another_implementation(level, missing):
    table = study(1000, 3, missing)
    assert krippendorff(table, THREE, level).value == pytest.approx(
        oracle.alpha(table.T, level_of_measurement=level, value_domain=THREE), abs=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, n]), min_size=3, max_size=3), min_size=2, max_size=12))
def test_alpha_equals_another_implementation_on_anything(rows):
    table, scale = np.array(rows), [0, 1, 2, 3]
    found = krippendorff(table, scale, "ordinal")
    pairable = table[(~np.isnan(table)).sum(axis=1) > 1]
    if not len(pairable):
        assert (found.value, found.note) == (None, NONE)
    elif len(np.unique(pairable[~np.isnan(pairable)])) == 1:
        assert (found.value, found.note) == (1.0, ALIKE)
    else:
        expected = oracle.alpha(pairable.T, level_of_measurement="ordinal", value_domain=scale)
        assert found.value == pytest.approx(expected, abs=1e-9)


def test_raw_and_adjacent_agreement_by_hand():
    table = np.array([[1, 1, 1], [1, 2, 3], [3, 3, n], [2, n, n]], dtype=float)
    assert raw(table, THREE).value == pytest.approx((1 + 0 + 1) / 3)
    assert raw(table, THREE, 1).value == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert raw(table, THREE).items == 3


def test_all_equal_ratings_are_defined_and_said():
    table = np.full((30, 5), 3.0)
    for found in (krippendorff(table, THREE), fleiss(table, THREE)):
        assert (found.value, found.note) == (1.0, ALIKE)
    assert gwet(table, THREE).value == raw(table, THREE).value == 1.0


def test_nothing_to_compare_has_no_value():
    lonely = np.array([[1, n], [n, 2]], dtype=float)
    for measure in (krippendorff, gwet, fleiss, raw):
        assert (measure(lonely, THREE).value, measure(lonely, THREE).note) == (None, NONE)


def test_the_declared_scale_decides_not_the_values_that_occur():
    table = np.where(study(300, 5) < 2, 2.0, study(300, 5))  # nobody gave a 1
    assert gwet(table, THREE).value > gwet(table, [2, 3]).value + 0.05


def test_a_rating_off_the_scale_is_an_error():
    with pytest.raises(ValueError, match="4 is not on the scale 1, 2, 3"):
        counts(np.array([[1.0, 4.0]]), THREE)
    with pytest.raises(ValueError, match="two values"):
        gwet(np.array([[1.0, 1.0]]), [1])


def test_prevalence_paradox():
    rng = np.random.default_rng(1)
    table = np.where(rng.random((300, 5)) < 0.93, 3.0, 2.0)  # independent of the item
    assert raw(table, THREE).value > 0.85
    assert abs(krippendorff(table, THREE).value) < 0.05
    assert gwet(table, THREE).value > 0.9


def test_weights_of_gwet():
    assert weights([1, 2, 3], "ordinal") == pytest.approx(np.array([[1, 2 / 3, 0], [2 / 3, 1, 2 / 3], [0, 2 / 3, 1]]))
    assert weights([1, 2, 3], "quadratic")[0, 1] == pytest.approx(0.75)
    assert weights([0, 1, 3], "linear")[1, 2] == pytest.approx(1 / 3)


def test_an_interval_over_questions_holds_the_coefficient_and_narrows():
    def measure(table):
        return krippendorff(table, THREE)

    small, large = study(40, 7), study(640, 7)
    few = with_interval(measure, small, [str(i // 2) for i in range(40)], 300, 1)
    many = with_interval(measure, large, [str(i // 2) for i in range(640)], 300, 1)
    assert few.low < few.value < few.high
    assert few.high - few.low > 2 * (many.high - many.low)
    assert with_interval(measure, small, ["one"] * 40, 300, 1).low is None
    assert with_interval(measure, np.full((9, 2), 3.0), [str(i) for i in range(9)], 300, 1).low is None


@pytest.mark.parametrize("measure", [raw, gwet])
def test_full_agreement_of_a_sample_has_no_interval_without_width(measure) -> None:
    ratings = np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]] * 10)
    found = with_interval(lambda table: measure(table, (1, 2, 3)), ratings, [f"q{k}" for k in range(20)], 100, 1)
    assert (found.value, found.low, found.high, found.note) == (1.0, None, None, SAME)
