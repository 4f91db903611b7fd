"""A cumulative-link mixed model of ratings: models are fixed effects, questions and annotators random ones.

logit P(y <= k) = theta_k - (beta_model + u_question + v_annotator), u and v normal with mean 0 (Agresti 2010, "Analysis
of ordinal categorical data", chapter 10). The likelihood is Laplace's approximation, as in R's ``ordinal::clmm``, with
its gradient in closed form. The questions' block of the curvature is diagonal, so that a fit costs what its annotators
cost. Needs scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huatuo.errors import require

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST_DEVIATION = 1e-4
"""Standard deviation below which a random effect counts as none: the likelihood is flat there."""

NEWTON_STEPS, NEWTON_END = 100, 1e-10
"""Most steps, and largest gradient at the end, of the search for the random effects."""


class FitError(ValueError):
    """The model cannot be fitted to these ratings, and why."""


@dataclass(frozen=True)
class Ratings:
    """Ratings as numbers, one entry a rating in every array."""

    y: Integers
    """Category, from 0, in the order of the scale."""
    model: Integers
    """Place of the model; 0 is the one that the others are compared with."""
    question: Integers
    """Place of the question."""
    annotator: Integers
    """Place of the annotator."""


@dataclass(frozen=True)
class Fit:
    """A fitted model."""

    thresholds: tuple[float, ...]
    """theta, in logits: between the categories that occur."""
    effects: tuple[float, ...]
    """beta of each model after the first, in logits; above 0: rated higher than the first."""
    errors: tuple[float, ...]
    """Standard errors of the effects, from the observed information."""
    deviations: tuple[float, float]
    """Standard deviations of questions and of annotators, in logits; 0 where the ratings show none."""
    annotators: tuple[float, ...]
    """Most likely effect of each annotator: above 0 is lenient, below 0 severe."""
    log_likelihood: float
    """Laplace's approximation of it."""


# ---------------------------------------------------------------- one rating


@dataclass(frozen=True)
class _Cells:
    """Derivatives of log P(y) by the linear predictor eta, and by the threshold above (a) and below (b)."""

    log_p: Floats
    d1: Floats
    d2: Floats
    d3: Floats
    by_a: tuple[Floats, Floats, Floats]
    """of log P, of d1 and of d2 by the threshold above."""
    by_b: tuple[Floats, Floats, Floats]
    """The same by the threshold below."""


def _logistic(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(F, f, f', f'') of the logistic distribution, at plus and minus infinity too."""
    big = 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))
    density = big * (1.0 - big)
    return big, density, density * (1.0 - 2.0 * big), density * (1.0 - 6.0 * density)


def _log_p(a: Floats, b: Floats) -> Floats:
    """log(F(a) - F(b)) without cancellation: log F(a) + log F(-b) + log(1 - exp(b - a))."""
    above, below = np.clip(a, -700, 700), np.clip(b, -700, 700)
    with np.errstate(divide="ignore"):  # a step so far that both are clipped is impossible, and is not taken
        between = np.log1p(-np.exp(below - above))
    return np.asarray(-np.logaddexp(0, -above) - np.logaddexp(0, below) + between)


def _cells(theta: Floats, y: Integers, eta: Floats) -> _Cells:
    edges = np.concatenate([[-np.inf], theta, [np.inf]])
    a, b = edges[y + 1] - eta, edges[y] - eta
    log_p = _log_p(a, b)
    p = np.maximum(np.exp(log_p), 1e-300)
    (_, fa, fa1, fa2), (_, fb, fb1, fb2) = _logistic(a), _logistic(b)
    p1, p2, p3 = (fb - fa) / p, (fa1 - fb1) / p, (fb2 - fa2) / p
    d1 = p1
    d2 = p2 - p1**2
    d3 = p3 - 3 * p2 * p1 + 2 * p1**3

    def by(sign: float, f: Floats, f1: Floats, f2: Floats) -> tuple[Floats, Floats, Floats]:
        own = sign * f / p
        first = -sign * f1 / p - p1 * own
        return own, first, sign * f2 / p - p2 * own - 2 * d1 * first

    return _Cells(log_p, d1, d2, d3, by(1.0, fa, fa1, fa2), by(-1.0, fb, fb1, fb2))


# ---------------------------------------------------------------- random effects


class _Curvature:
    """The matrix I + S Z' W Z S of standardised effects, its determinant and its inverse, by Schur's complement."""

    def __init__(self, data: Ratings, sizes: tuple[int, int], deviations: Floats, w: Floats):
        questions, annotators = sizes
        s, t = float(deviations[0]), float(deviations[1])
        self.questions = 1.0 + s * s * np.bincount(data.question, w, questions)
        own = 1.0 + t * t * np.bincount(data.annotator, w, annotators)
        cross = np.bincount(data.question * annotators + data.annotator, w, questions * annotators)
        self.cross = s * t * cross.reshape(questions, annotators)
        self.solved = self.cross / self.questions[:, None]
        self.schur = np.diag(own) - self.cross.T @ self.solved
        self.inverse = np.linalg.inv(self.schur)

    def solve(self, question: Floats, annotator: Floats) -> tuple[Floats, Floats]:
        """The inverse times a vector."""
        second = self.inverse @ (annotator - self.solved.T @ question)
        return question / self.questions - self.solved @ second, second

    def log_determinant(self) -> float:
        """Logarithm of the determinant."""
        return float(np.log(self.questions).sum() + np.linalg.slogdet(self.schur)[1])

    def diagonals(self) -> tuple[Floats, Floats, Floats]:
        """Diagonal of the inverse for questions and annotators, and its block (question, annotator)."""
        block = -self.solved @ self.inverse
        first = 1.0 / self.questions - np.einsum("qa,qa->q", block, self.solved)
        return first, np.diag(self.inverse), block


@dataclass
class _State:
    """The random effects of the latest step, kept as the start of the next search."""

    u: Floats
    v: Floats


def _modes(data: Ratings, theta: Floats, fixed: Floats, deviations: Floats, state: _State) -> tuple[_Cells, _Curvature]:
    """Newton's method for the most likely random effects; ``state`` ends there.

    Raises FitError where it does not converge.
    """
    s, t = deviations
    sizes = len(state.u), len(state.v)

    def value(u: Floats, v: Floats) -> tuple[float, _Cells]:
        cells = _cells(theta, data.y, fixed + s * u[data.question] + t * v[data.annotator])
        return float(cells.log_p.sum() - 0.5 * (u @ u + v @ v)), cells

    best, cells = value(state.u, state.v)
    for _ in range(NEWTON_STEPS):
        first = s * np.bincount(data.question, cells.d1, sizes[0]) - state.u
        second = t * np.bincount(data.annotator, cells.d1, sizes[1]) - state.v
        curvature = _Curvature(data, sizes, deviations, -cells.d2)
        if max(np.abs(first).max(), np.abs(second).max()) < NEWTON_END:
            return cells, curvature
        step_u, step_v = curvature.solve(first, second)
        size = 1.0
        while size > 1e-10:
            tried, found = value(state.u + size * step_u, state.v + size * step_v)
            if tried >= best - 1e-12 * abs(best):
                break
            size /= 2
        state.u, state.v = state.u + size * step_u, state.v + size * step_v
        best, cells = tried, found
        if size * max(np.abs(step_u).max(), np.abs(step_v).max()) < NEWTON_END:
            return cells, _Curvature(data, sizes, deviations, -cells.d2)
    raise FitError("the random effects do not converge: a model may be rated in one way only")


# ---------------------------------------------------------------- likelihood and gradient


class _Likelihood:
    """Laplace's approximation at parameters (theta_1, log gaps, beta, log deviations)."""

    def __init__(self, data: Ratings, categories: int):
        self.data, self.edges = data, categories - 1
        self.models = int(data.model.max())
        self.state = _State(np.zeros(int(data.question.max()) + 1), np.zeros(int(data.annotator.max()) + 1))

    def split(self, parameters: Floats) -> tuple[Floats, Floats, Floats]:
        """(theta, beta with 0 for the first model, deviations)."""
        gaps = np.exp(parameters[1 : self.edges])
        theta = parameters[0] + np.concatenate([[0.0], np.cumsum(gaps)])
        beta = np.concatenate([[0.0], parameters[self.edges : self.edges + self.models]])
        return theta, beta, np.exp(parameters[self.edges + self.models :])

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """(minus the log-likelihood, its gradient)."""
        theta, beta, deviations = self.split(parameters)
        cells, curvature = _modes(self.data, theta, beta[self.data.model], deviations, self.state)
        u, v = self.state.u, self.state.v
        value = cells.log_p.sum() - 0.5 * (u @ u + v @ v) - 0.5 * curvature.log_determinant()
        return -float(value), -self._gradient(parameters, deviations, cells, curvature)

    def _gradient(self, parameters: Floats, deviations: Floats, cells: _Cells, curvature: _Curvature) -> Floats:
        """Of the log-likelihood: the explicit part, the determinant's, and what moves with the random effects."""
        data, (s, t) = self.data, deviations
        first, second, block = curvature.diagonals()
        q, a = data.question, data.annotator
        spread = s * s * first[q] + 2 * s * t * block[q, a] + t * t * second[a]  # variance of eta, one a rating
        moved = -spread * cells.d3
        r_u, r_v = curvature.solve(s * np.bincount(q, moved, len(first)), t * np.bincount(a, moved, len(second)))
        z = s * r_u[q] + t * r_v[a]
        by_eta = cells.d1 - 0.5 * (moved + z * cells.d2)
        parts = [self._by_threshold(parameters, cells, spread, z)]
        parts.append(np.asarray(np.bincount(data.model, by_eta, self.models + 1)[1:], dtype=np.float64))
        for deviation, place, effect, own, r in ((s, q, self.state.u, first, r_u), (t, a, self.state.v, second, r_v)):
            slope = deviation * np.bincount(place, cells.d1, len(own))
            total = by_eta @ (deviation * effect[place]) - 0.5 * (2 * (len(own) - own.sum()) + r @ slope)
            parts.append(np.asarray([total]))
        return np.concatenate(parts)

    def _by_threshold(self, parameters: Floats, cells: _Cells, spread: Floats, z: Floats) -> Floats:
        y = self.data.y
        each = [f - 0.5 * (-spread * f2 + z * f1) for f, f1, f2 in (cells.by_a, cells.by_b)]
        by_theta = np.bincount(y + 1, each[0], self.edges + 2) + np.bincount(y, each[1], self.edges + 2)
        inner = by_theta[1:-1]  # the outer two are infinite
        onwards = np.cumsum(inner[::-1])[::-1]  # a gap moves every threshold after it
        return np.concatenate([[onwards[0]], onwards[1:] * np.exp(parameters[1 : self.edges])])


# ---------------------------------------------------------------- fitting


def fit(data: Ratings) -> Fit:
    """The model of largest likelihood. Categories that nobody gave must have been left out before.

    Raises FitError for a single category, model, question or annotator, and where no maximum is found (a model that
    every annotator puts in one end category), MissingExtraError without scipy.
    """
    categories = int(data.y.max(initial=0)) + 1
    for what, places in (("category", data.y), ("question", data.question), ("annotator", data.annotator)):
        if len(np.unique(places)) < 2:
            raise FitError(f"the ratings hold one {what}; a mixed model needs two at least")
    _refuse_separated(data, categories)
    optimize = require("scipy.optimize", "stats")
    likelihood = _Likelihood(data, categories)
    shares = np.cumsum(np.bincount(data.y, minlength=categories))[:-1] / len(data.y)
    theta = np.log(shares / (1 - shares))
    start = np.concatenate([[theta[0]], np.log(np.diff(theta)), np.zeros(likelihood.models), np.log([0.5, 0.5])])
    bounds = [(None, None)] * (len(start) - 2) + [(math.log(LEAST_DEVIATION), math.log(50))] * 2
    options = {"maxiter": 500, "ftol": 1e-14, "gtol": 1e-7}
    found = optimize.minimize(likelihood, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    if not found.success and np.abs(found.jac[:-2]).max() > 1e-2:
        raise FitError(f"no maximum was found ({found.message}); next: compare means and permutation tests instead")
    parameters = np.asarray(found.x, dtype=np.float64)
    theta, beta, deviations = likelihood.split(parameters)
    errors = _standard_errors(likelihood, parameters)
    likelihood(parameters)
    kept = [float(d) if d > 2 * LEAST_DEVIATION else 0.0 for d in deviations]
    return Fit(
        thresholds=tuple(map(float, theta)),
        effects=tuple(map(float, beta[1:])),
        errors=tuple(errors),
        deviations=(kept[0], kept[1]),
        annotators=tuple(float(v * deviations[1]) for v in likelihood.state.v),
        log_likelihood=-float(found.fun),
    )


def _refuse_separated(data: Ratings, categories: int) -> None:
    for model in range(int(data.model.max()) + 1):
        seen = np.unique(data.y[data.model == model])
        if len(seen) == 1 and seen[0] in (0, categories - 1):
            raise FitError(
                "one model has the same rating at the end of the scale everywhere, so that its effect has no bound; "
                "next: compare means and permutation tests instead"
            )


def _standard_errors(likelihood: _Likelihood, parameters: Floats) -> Sequence[float]:
    """Of the models' effects: the inverse of the information, by central differences of the gradient.

    A deviation that is 0 is held there: the likelihood is flat beside it.
    """
    free = [i for i in range(len(parameters)) if i < len(parameters) - 2 or parameters[i] > math.log(2e-4)]
    information = np.zeros((len(free), len(free)))
    for row, place in enumerate(free):
        step = 1e-4 * max(1.0, abs(parameters[place]))
        ends = []
        for sign in (1, -1):
            moved = parameters.copy()
            moved[place] += sign * step
            ends.append(likelihood(moved)[1][free])
        information[row] = (ends[0] - ends[1]) / (2 * step)
    covariance = np.linalg.inv((information + information.T) / 2)
    variance = np.diag(covariance)[likelihood.edges : likelihood.edges + likelihood.models]
    return [math.sqrt(value) if value > 0 else math.nan for value in variance]


def coded(
    values: Sequence[float], models: Sequence[str], questions: Sequence[str], annotators: Sequence[str], first: str = ""
) -> tuple[Ratings, tuple[str, ...], tuple[str, ...]]:
    """(ratings as numbers, models by place, annotators by place); ``first`` is what the others are compared with.

    A value of the scale that nobody gave is no category: its threshold would have no bound.
    """
    (model, known), (question, _), (annotator, people) = places(models, first), places(questions), places(annotators)
    categories = np.unique(np.asarray(values), return_inverse=True)[1]
    return Ratings(categories, model, question, annotator), known, people


def places(names: Sequence[str], first: str = "") -> tuple[Integers, tuple[str, ...]]:
    """(place of each name, the names by place), sorted, with ``first`` before all others where it is among them."""
    known = sorted(set(names), key=lambda name: (name != first, name))
    number = {name: place for place, name in enumerate(known)}
    return np.asarray([number[name] for name in names], dtype=np.int64), tuple(known)
