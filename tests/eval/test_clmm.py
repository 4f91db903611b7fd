"""The mixed model against R's ordinal::clmm, against the likelihood by brute force, and where it cannot be fitted."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from huatuo.eval import clmm
from huatuo.eval.clmm import FitError, Ratings, coded, fit

FOLDER = Path(__file__).parent / "clmm"
SETS = ("complete", "incomplete", "five", "alike")


def rows(name: str) -> list[dict[str, str]]:
    lines = [line for line in (FOLDER / name).read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def ratings(name: str) -> Ratings:
    own = [row for row in rows("ratings.csv") if row["set"] == name]
    columns = ([row[key] for row in own] for key in ("model", "question", "annotator"))
    return coded([float(row["y"]) for row in own], *columns)[0]


@pytest.mark.parametrize("name", SETS)
def test_the_fit_equals_r(name):
    """clmm.csv holds what R 4.2.2 with ordinal 2022.11-16 made of ratings.csv (clmm.R, simulate.py)."""
    expected: dict[str, list[float]] = {}
    for row in rows("clmm.csv"):
        if row["set"] == name:
            expected.setdefault(row["what"], []).append(float(row["value"]))
    found = fit(ratings(name))
    assert found.log_likelihood == pytest.approx(expected["log_likelihood"][0], abs=1e-5)
    for what in ("thresholds", "effects", "errors", "deviations", "annotators"):
        assert list(getattr(found, what)) == pytest.approx(expected[what.removesuffix("s")], abs=5e-4), what


def test_the_gradient_is_the_likelihoods():
    likelihood = clmm._Likelihood(ratings("five"), 5)
    rng = np.random.default_rng(1)
    for _ in range(3):
        point = np.concatenate([[-2.5], rng.normal(0.2, 0.2, 3), rng.normal(0, 0.5, 3), rng.normal(-0.5, 0.2, 2)])
        _, gradient = likelihood(point)
        for place in range(len(point)):
            step = np.zeros(len(point))
            step[place] = 1e-5
            slope = (likelihood(point + step)[0] - likelihood(point - step)[0]) / 2e-5
            assert gradient[place] == pytest.approx(slope, abs=1e-5)


@pytest.mark.slow
def test_laplace_is_near_the_integral():
    """Two annotators by quadrature, each question by quadrature within: the likelihood without Laplace."""
    rng = np.random.default_rng(4)
    m, q, a = (x.ravel() for x in np.meshgrid(range(2), range(12), range(2), indexing="ij"))
    y = rng.integers(0, 3, len(m))
    data = Ratings(y, m, q, a)
    theta, beta, (s, t) = np.array([-0.8, 0.7]), np.array([0.0, 0.4]), (0.5, 0.4)
    point = np.array([theta[0], math.log(theta[1] - theta[0]), beta[1], math.log(s), math.log(t)])
    nodes, weight = np.polynomial.hermite_e.hermegauss(25)
    weight = weight / weight.sum()

    def chance(k, eta):
        edges = [-np.inf, *theta, np.inf]
        return 1 / (1 + np.exp(eta - edges[k + 1])) - (1 / (1 + np.exp(eta - edges[k])) if k else 0.0)

    total = 0.0
    for i, first in enumerate(nodes):
        for j, second in enumerate(nodes):
            effect = (t * first, t * second)
            product = weight[i] * weight[j]
            for question in range(12):
                own = [r for r in range(len(y)) if q[r] == question]
                cells = [chance(y[r], beta[m[r]] + s * nodes + effect[a[r]]) for r in own]
                product *= float(weight @ np.prod(cells, axis=0))
            total += product
    assert -clmm._Likelihood(data, 3)(point)[0] == pytest.approx(math.log(total), abs=0.05)


def test_a_category_that_nobody_gave_is_none():
    values = [float(v) for v in ratings("complete").y * 2 + 1]  # 1, 3, 5 of a scale of five
    data = ratings("complete")
    names = ([str(place) for place in column] for column in (data.model, data.question, data.annotator))
    assert fit(coded(values, *names)[0]).log_likelihood == pytest.approx(fit(data).log_likelihood)


def test_effects_are_against_the_model_that_is_named():
    own = [row for row in rows("ratings.csv") if row["set"] == "complete"]
    columns = [[row[key] for row in own] for key in ("model", "question", "annotator")]
    data, known, people = coded([float(row["y"]) for row in own], *columns, first="m2")
    assert (known, people) == (("m2", "m0", "m1"), ("a0", "a1", "a2", "a3", "a4"))
    assert fit(data).effects[0] == pytest.approx(-1.40986, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: Ratings(d.y * 0, d.model, d.question, d.annotator), "one category"),
        (lambda d: Ratings(d.y, d.model, d.question, d.annotator * 0), "one annotator"),
        (lambda d: Ratings(d.y, d.model, d.question * 0, d.annotator), "one question"),
        (lambda d: Ratings(np.where(d.model == 1, 2, d.y), d.model, d.question, d.annotator), "has no bound"),
    ],
)
def test_ratings_that_no_model_fits_are_refused(change, said):
    with pytest.raises(FitError, match=said):
        fit(change(ratings("complete")))


def test_annotators_that_are_alike_have_no_spread():
    data = ratings("complete")
    rng = np.random.default_rng(2)
    mixed = Ratings(data.y, data.model, data.question, rng.integers(0, 5, len(data.y)))  # nobody rated it really
    assert fit(mixed).deviations[1] < 0.15


def test_a_trial_step_that_is_far_too_long_is_impossible_and_no_warning() -> None:
    cells = clmm._cells(np.array([900.0, 1000.0]), np.array([1, 0]), np.zeros(2))
    assert cells.log_p[0] == -math.inf
    assert cells.log_p[1] == pytest.approx(0)
