"""Intervals over questions and annotators, tests and plans: values, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from huatuo.eval.stats import (
    NO_DATA,
    crossed_mean,
    holm,
    mcnemar,
    minimal_detectable,
    questions_needed,
    sign_flip,
    sign_flips,
    wilson,
)


def crossed(values: np.ndarray) -> tuple[list[float], list[list[str]]]:
    """Values of an array (question, annotator), and their clusters."""
    questions, annotators = np.indices(values.shape)
    return values.ravel().tolist(), [[str(i) for i in questions.ravel()], [str(i) for i in annotators.ravel()]]


def test_two_way_variance_by_hand():
    values = np.array([[1.0, 2.0], [3.0, 5.0]])
    # deviations from 2.75: rows sum to -2.5 and 2.5, columns to -1.5 and 1.5; squares of all 8.75
    rows, columns, cells = 2 * 12.5 / 16, 2 * 4.5 / 16, 4 / 3 * 8.75 / 16
    variance = max(rows + columns - cells, rows, columns)
    found = crossed_mean(*crossed(values), (0, 9))
    assert found.value == 2.75
    assert found.method == "two-way clusters 2 x 2, t(1)"
    assert found.high == pytest.approx(min(9, 2.75 + 12.7062 * variance**0.5))


def test_an_interval_ends_at_the_scale():
    values = np.array([[3.0, 3, 2], [3, 3, 3], [3, 1, 3]])
    found = crossed_mean(*crossed(values), (1, 3))
    assert (found.low >= 1, found.high) == (True, 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros((0, 0)), NO_DATA),
        (np.full((20, 5), 3.0), (3.0, 3 - 2 * (1 - wilson(20, 20)[0]), 3.0)),
        (np.array([[2.0]]), (2.0, None, None)),
    ],
)
def test_degenerate_ratings(values, expected):
    found = crossed_mean(*crossed(values), (1, 3))
    if expected is NO_DATA:
        assert found == NO_DATA
    else:
        assert (found.value, found.low, found.high) == pytest.approx(expected)


def test_one_annotator_is_said():
    found = crossed_mean(*crossed(np.array([[1.0], [2], [3], [2]])), (1, 3))
    assert found.method == "clusters 4, t(3), the rest fixed"


def difference(rng: np.random.Generator, questions: int, annotators: int, spread: float) -> np.ndarray:
    """Ratings of one model minus another's on 1-3, where annotators prefer models by this much (logit SD)."""
    q, a = rng.normal(0, 0.8, (questions, 1)), rng.normal(0, 0.8, annotators)
    made = []
    for _ in range(2):
        own = q + rng.normal(0, 0.6, (questions, 1)) + a + rng.normal(0, spread, annotators)
        z = own + rng.logistic(size=(questions, annotators))
        made.append(1.0 + (z > -1.3) + (z > 0.9))
    return made[0] - made[1]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_interval_covers_other_questions_and_annotators(spread):
    """95 % nominal, 400 studies of five annotators: questions alone would cover 79 % where annotators prefer models."""
    rng = np.random.default_rng(5)
    both = alone = 0
    for _ in range(400):
        values, clusters = crossed(difference(rng, 60, 5, spread))
        found, only = crossed_mean(values, clusters, (-2, 2)), crossed_mean(values, clusters[:1], (-2, 2))
        both += found.low <= 0 <= found.high
        alone += only.low <= 0 <= only.high
    assert 0.93 <= both / 400 <= 0.995
    if spread:
        assert alone / 400 < 0.88


def test_sign_flip_by_hand():
    assert sign_flip([1.0, 1.0, 1.0], 100, 1) == 0.25  # two of the eight sign patterns
    assert sign_flip([1.0, -1.0], 100, 1) == 1.0
    assert sign_flip([0.0] * 30, 100, 1) == 1.0
    assert sign_flip([], 100, 1) is None
    assert sign_flip([2.0, 1.0, 0.0, 0.0], 100, 1) == 0.5  # zeros change nothing


def test_sign_flip_drawn_equals_sign_flip_counted():
    values = np.random.default_rng(2).normal(0.35, 1, 14)
    counted = sign_flip(values.tolist(), 100, 1)
    drawn = sign_flip([*values, 1e-12], 20_000, 1)  # one more: too many to count
    assert drawn == pytest.approx(counted, abs=0.012)


def test_sign_flip_is_never_zero_and_keeps_its_level():
    assert sign_flip([1.0] * 200, 999, 1) == 0.001
    rng = np.random.default_rng(3)
    p = sign_flips(rng.normal(0, 1, (2000, 40)), 499, 7)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(
    ("first", "second", "p"),  # statsmodels 0.15.0, mcnemar(exact=True)
    [(0, 0, 1.0), (1, 0, 1.0), (5, 15, 0.04138946533203125), (10, 10, 1.0), (3, 20, 0.00048828125),
     (40, 61, 0.046044066929342785)],
)  # fmt: skip
def test_mcnemar_equals_statsmodels(first, second, p):
    assert mcnemar(first, second) == pytest.approx(p) == mcnemar(second, first)


def test_holm_equals_statsmodels():
    # statsmodels 0.15.0, multipletests(method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2, 0.04]) == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.2, 0.12])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_minimal_detectable_difference():
    # two models on 480 questions, of which 20 to 30 % are answered right by one alone: 5.7 to 7.0 points
    assert minimal_detectable(0.2**0.5, 480) == pytest.approx(0.0572, abs=1e-4)
    assert minimal_detectable(0.3**0.5, 480) == pytest.approx(0.0700, abs=1e-4)
    assert minimal_detectable(1.0, 0) is None
    # a difference of .07 with an SD of .61 to .66
    assert (questions_needed(0.61, 0.07), questions_needed(0.66, 0.07)) == (597, 698)
    with pytest.raises(ValueError, match="difference of 0"):
        questions_needed(1.0, 0.0)
