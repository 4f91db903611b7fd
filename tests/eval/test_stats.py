import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.eval.stats import (
    NO_DATA,
    Estimate,
    bootstrap_mean,
    paired_difference,
    proportion,
    student,
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


def test_no_items():
    assert bootstrap_mean([], [[]], 100, 1) == NO_DATA
    assert proportion([], [[]], 100, 1) == NO_DATA
    assert paired_difference([], [], [[]], 100, 1).value is None


def test_all_alike_has_no_false_certainty():
    ones = proportion([1.0] * 40, [[str(i // 4) for i in range(40)]], 500, 1)
    assert (ones.value, ones.high, ones.n) == (1.0, 1.0, 40)
    assert ones.low == pytest.approx(wilson(10, 10)[0])
    assert ones.method == "all alike, Wilson over 10 clusters"


def test_one_cluster_has_no_interval():
    found = bootstrap_mean([0.2, 0.4], [["a", "a"]], 100, 1)
    assert (found.value, found.low, found.high) == (pytest.approx(0.3), None, None)


def test_clusters_widen_the_interval():
    values = [float(i % 2) for i in range(50) for _ in range(20)]
    together = proportion(values, [[str(i) for i in range(50) for _ in range(20)]], 1000, 1)
    alone = proportion(values, [[str(i) for i in range(1000)]], 1000, 1)
    assert together.high - together.low > 3 * (alone.high - alone.low)


@pytest.mark.slow
def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        chances = np.repeat(rng.beta(2, 2, 60), 5)
        values = (rng.random(300) < chances).astype(float)
        found = proportion(values.tolist(), [[str(i // 5) for i in range(300)]], 300, trial)
        covered += found.low <= 0.5 <= found.high
    assert 180 <= covered <= 199


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.7062), (3, 3.1824), (4, 2.7764), (13, 2.1604), (100, 1.9840)])
def test_students_quantile_equals_the_table(freedom, quantile):
    assert student(freedom) == pytest.approx(quantile, rel=1e-3)


@pytest.mark.slow
def test_a_dozen_clusters_cover_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        values = np.repeat((rng.random(14) < 0.5).astype(float), 6)
        found = proportion(values.tolist(), [[str(i // 6) for i in range(84)]], 300, trial)
        covered += found.low <= 0.5 <= found.high
    assert covered >= 276


def test_what_fails_by_wording_is_not_made_sure_of_by_many_entities():
    """48 wordings asked of 100 entities each, and a wording is either understood or not: 48 pieces of evidence."""
    rng = np.random.default_rng(2)
    understood = rng.random(48) < 0.9
    values = [float(understood[w]) for w in range(48) for _ in range(100)]
    entity, wording = [str(e) for _ in range(48) for e in range(100)], [str(w) for w in range(48) for _ in range(100)]
    narrow = proportion(values, [entity], 500, 1)
    both = proportion(values, [entity, wording], 500, 1)
    assert narrow.high - narrow.low < 0.02 < 0.1 < both.high - both.low
    alone = wilson(sum(understood), 48)
    assert both.high - both.low == pytest.approx(alone[1] - alone[0], rel=0.35)


@pytest.mark.slow
def test_crossed_factors_cover_as_often_as_they_say():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(150):
        effect = rng.normal(0, 1, 30)[:, None] + rng.normal(0, 1, 25)[None, :]
        values = (effect + rng.normal(0, 1, (30, 25)) > 0).astype(float).reshape(-1)
        names = [[str(i // 25) for i in range(750)], [str(i % 25) for i in range(750)]]
        found = proportion(values.tolist(), names, 300, trial)
        covered += found.low <= 0.5 <= found.high
    assert covered >= 138


def test_scores_that_are_all_alike_have_no_false_certainty():
    found = bootstrap_mean([0.25] * 60, [[str(i // 6) for i in range(60)]], 100, 1)
    assert found.low < found.value == 0.25 < found.high
    assert bootstrap_mean([0.0] * 60, [[str(i // 6) for i in range(60)]], 100, 1).high > 0.2


def test_same_seed_same_interval_and_order_does_not_matter():
    values, clusters = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0], list("aabbcc")
    first = proportion(values, [clusters], 500, 3)
    again = proportion(values[::-1], [clusters[::-1]], 500, 3)
    assert first == again


def test_paired_difference_sees_what_unpaired_does_not():
    base = [float(i % 2) for i in range(200)]
    ours = [1.0 if i < 20 else value for i, value in enumerate(base)]
    found = paired_difference(ours, base, [[str(i) for i in range(200)]], 1000, 1)
    assert found.value == pytest.approx(0.05)
    assert found.low > 0
    alone = [proportion(v, [[str(i) for i in range(200)]], 1000, 1) for v in (ours, base)]
    assert alone[0].low < alone[1].high
    assert paired_difference(base, ours, [[str(i) for i in range(200)]], 1000, 1).high < 0


@pytest.mark.parametrize(("clusters", "clear"), [(3, False), (6, True), (1000, True)])
def test_differences_that_are_all_alike_are_without_false_certainty(clusters, clear):
    names = [str(i % clusters) for i in range(2 * clusters)]
    ones, zeros = [1.0] * len(names), [0.0] * len(names)
    better = paired_difference(ones, zeros, [names], 100, 1)
    assert (better.value, better.high, better.n) == (1.0, 1.0, 2 * clusters)
    assert better.low == pytest.approx(2 * wilson(clusters, clusters)[0] - 1)
    assert (better.low > 0) == clear
    same = paired_difference(ones, ones, [names], 100, 1)
    assert same.low < same.value == 0.0 < same.high
    worse = paired_difference(zeros, ones, [names], 100, 1)
    assert (worse.low, worse.high) == pytest.approx((-better.high, -better.low))


def test_paired_difference_needs_the_same_items():
    with pytest.raises(ValueError, match="same items: 1 and 2"):
        paired_difference([1.0], [1.0, 0.0], [["a"]], 100, 1)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40), st.integers(1, 5))
def test_interval_holds_the_value(values, size):
    found = proportion(values, [[str(i // size) for i in range(len(values))]], 100, 1)
    assert isinstance(found, Estimate)
    assert found.low <= found.value <= found.high
    assert found.low >= 0
    assert found.high <= 1
