import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.eval.stats import (
    NO_DATA,
    Estimate,
    bootstrap_mean,
    mcnemar,
    paired_difference,
    proportion,
    two_proportions,
    verdict,
    wilson,
)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_equals_published_values(k, n, low, high):
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing():
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    # Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 20, 0.6791, 1.0),
        (0, 10, 0, 20, -0.1611, 0.2775),
    ],
)
def test_newcombe_equals_published_values(a, m, b, n, low, high):
    found = two_proportions(a, m, b, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_two_proportions_of_nothing():
    assert verdict(two_proportions(0, 0, 1, 2)) == "no data for"


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [(0, 0, 1.0), (5, 0, 0.0625), (0, 10, 2 / 1024), (1, 9, 22 / 1024), (5, 5, 1.0), (8, 2, 112 / 1024)],
)
def test_mcnemar_equals_the_binomial_by_hand(b, c, p):
    assert mcnemar(b, c) == pytest.approx(p)
    assert mcnemar(c, b) == pytest.approx(p)


def test_mcnemar_of_thousands_is_a_number():
    assert 0 < mcnemar(4000, 4300) < 0.01


def test_no_items():
    assert bootstrap_mean([], [], 100, 1) == NO_DATA
    assert proportion([], [], 100, 1) == NO_DATA
    assert paired_difference([], [], [], 100, 1).value is None


def test_all_alike_has_no_false_certainty():
    ones = proportion([1.0] * 40, [str(i // 4) for i in range(40)], 500, 1)
    assert (ones.value, ones.high, ones.n) == (1.0, 1.0, 40)
    assert ones.low == pytest.approx(wilson(10, 10)[0])
    assert ones.method == "Wilson over 10 clusters"


def test_one_cluster_has_no_interval():
    found = bootstrap_mean([0.2, 0.4], ["a", "a"], 100, 1)
    assert (found.value, found.low, found.high) == (pytest.approx(0.3), None, None)


def test_clusters_widen_the_interval():
    values = [float(i % 2) for i in range(50) for _ in range(20)]
    together = proportion(values, [str(i) for i in range(50) for _ in range(20)], 1000, 1)
    alone = proportion(values, [str(i) for i in range(1000)], 1000, 1)
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        chances = np.repeat(rng.beta(2, 2, 60), 5)
        values = (rng.random(300) < chances).astype(float)
        found = proportion(values.tolist(), [str(i // 5) for i in range(300)], 300, trial)
        covered += found.low <= 0.5 <= found.high
    assert 180 <= covered <= 199


def test_same_seed_same_interval_and_order_does_not_matter():
    values, clusters = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0], list("aabbcc")
    first = proportion(values, clusters, 500, 3)
    again = proportion(values[::-1], clusters[::-1], 500, 3)
    assert first == again


def test_paired_difference_sees_what_unpaired_does_not():
    base = [float(i % 2) for i in range(200)]
    ours = [1.0 if i < 20 else value for i, value in enumerate(base)]
    found = paired_difference(ours, base, [str(i) for i in range(200)], 1000, 1)
    assert found.value == pytest.approx(0.05)
    assert verdict(found) == "above"
    assert verdict(two_proportions(sum(ours), 200, sum(base), 200)) == "not distinguishable from"
    assert verdict(paired_difference(base, ours, [str(i) for i in range(200)], 1000, 1)) == "below"


@pytest.mark.parametrize(("clusters", "word"), [(3, "not distinguishable from"), (6, "above"), (1000, "above")])
def test_differences_that_are_all_alike_are_without_false_certainty(clusters, word):
    names = [str(i % clusters) for i in range(2 * clusters)]
    ones, zeros = [1.0] * len(names), [0.0] * len(names)
    better = paired_difference(ones, zeros, names, 100, 1)
    assert (better.value, better.high, better.n) == (1.0, 1.0, 2 * clusters)
    assert better.low == pytest.approx(2 * wilson(clusters, clusters)[0] - 1)
    assert verdict(better) == word
    same = paired_difference(ones, ones, names, 100, 1)
    assert same.low < same.value == 0.0 < same.high
    worse = paired_difference(zeros, ones, names, 100, 1)
    assert (worse.low, worse.high) == pytest.approx((-better.high, -better.low))


def test_paired_difference_needs_the_same_items():
    with pytest.raises(ValueError, match="same items: 1 and 2"):
        paired_difference([1.0], [1.0, 0.0], ["a"], 100, 1)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40), st.integers(1, 5))
def test_interval_holds_the_value(values, size):
    found = proportion(values, [str(i // size) for i in range(len(values))], 100, 1)
    assert isinstance(found, Estimate)
    assert found.low <= found.value <= found.high
    assert found.low >= 0
    assert found.high <= 1
