"""A conditional logit by Newton's method, with a variance over clusters: what ranking and length effect share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huatuo.eval.stats import Floats, student

Integers = npt.NDArray[np.int64]

STEPS = 60
"""Newton steps at most; a likelihood that has a maximum needs about six."""
END = 1e-9
"""Largest gain of log-likelihood per observation at which the steps end."""
MOST = 20.0
"""Largest coefficient of a column scaled to one: beyond it the likelihood only grows towards infinity."""

FLATTEST = 1e-5
"""Least curvature at the maximum as a share of that before: below it the likelihood still rises, ever slower."""


class NoFitError(ValueError):
    """The data have no finite estimate, and why."""


@dataclass(frozen=True)
class Fit:
    """Estimates with their variance."""

    values: Floats
    """Coefficients, one a column."""
    covariance: Floats
    """Their covariance, clustered (column, column)."""
    clusters: int
    """Clusters that it rests on."""
    log_likelihood: float
    """At the maximum."""

    def interval(self, contrast: Floats) -> tuple[float, float, float]:
        """(value, low, high) of a linear combination of the coefficients."""
        value, variance = float(contrast @ self.values), float(contrast @ self.covariance @ contrast)
        half = student(max(1, self.clusters - 1)) * math.sqrt(max(0.0, variance))
        return value, value - half, value + half


def fit(features: Floats, chosen: Integers, clusters: Sequence[str], columns: Sequence[str]) -> Fit:
    """The maximum-likelihood fit of ``features`` (observation, alternative, column) to the chosen alternatives.

    The covariance is the sandwich over clusters (Liang and Zeger 1986) times G / (G - 1). Raises NoFitError, naming the
    column, where the data do not bound it (complete separation), where two columns cannot be told apart, or for one
    cluster.
    """
    names, place = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        raise NoFitError(f"{len(names)} question(s): an estimate with its interval needs two")
    scale: Floats = np.abs(features).max(axis=(0, 1))
    if (scale == 0).any():
        raise NoFitError(f"{columns[int(np.argmin(scale))]} is the same in every game")
    scaled = features / scale
    flat = _check_apart(scaled, columns)
    values, hessian = _maximise(scaled, chosen, columns)
    if np.linalg.eigvalsh(hessian)[0] < FLATTEST * flat:
        raise NoFitError(f"{_largest(values, columns)} decides every game: there is no finite estimate")
    residual = _residuals(scaled, chosen, values)
    sums = np.zeros((len(names), features.shape[2]))
    np.add.at(sums, place, residual)
    inverse = np.linalg.inv(hessian)
    covariance = inverse @ (sums.T @ sums) @ inverse * len(names) / (len(names) - 1)
    back = 1 / scale
    return Fit(values * back, covariance * np.outer(back, back), len(names), _likelihood(scaled, chosen, values))


def _shares(features: Floats, values: Floats) -> Floats:
    """Probability of each alternative (observation, alternative)."""
    score = features @ values
    score = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(score / score.sum(axis=1, keepdims=True))


def _likelihood(features: Floats, chosen: Integers, values: Floats) -> float:
    shares = _shares(features, values)
    return float(np.log(np.maximum(shares[np.arange(len(chosen)), chosen], 1e-300)).sum())


def _residuals(features: Floats, chosen: Integers, values: Floats) -> Floats:
    """Chosen minus expected features (observation, column): the scores."""
    shares = _shares(features, values)
    return np.asarray(features[np.arange(len(chosen)), chosen] - np.einsum("na,nap->np", shares, features))


def _hessian(features: Floats, values: Floats) -> Floats:
    shares = _shares(features, values)
    mean = np.einsum("na,nap->np", shares, features)
    return np.asarray(np.einsum("na,nap,naq->pq", shares, features, features) - mean.T @ mean)


def _maximise(features: Floats, chosen: Integers, columns: Sequence[str]) -> tuple[Floats, Floats]:
    values = np.zeros(features.shape[2])
    best = _likelihood(features, chosen, values)
    for _ in range(STEPS):
        hessian = _hessian(features, values)
        gradient = _residuals(features, chosen, values).sum(axis=0)
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            raise NoFitError(f"{_largest(values, columns)} decides every game: there is no finite estimate") from None
        size, new = 1.0, best
        while size > 1e-6:
            new = _likelihood(features, chosen, values + size * step)
            if new >= best:
                break
            size /= 2
        values = values + size * step
        if np.abs(values).max() > MOST:
            raise NoFitError(f"{_largest(values, columns)} decides every game: there is no finite estimate")
        if new - best <= END * len(chosen) and np.abs(gradient).max() <= 1e-4 * len(chosen):
            return values, _hessian(features, values)
        best = new
    raise NoFitError(f"no maximum in {STEPS} steps: {_largest(values, columns)} grows without end")


def _check_apart(features: Floats, columns: Sequence[str]) -> float:
    """The least curvature before fitting.

    Raises NoFitError where a column is a sum of others: the data cannot say which of them it is.
    """
    sizes, vectors = np.linalg.eigh(_hessian(features, np.zeros(features.shape[2])))
    if sizes[0] < 1e-10 * sizes[-1]:
        alike = [name for name, part in zip(columns, vectors[:, 0], strict=True) if abs(part) > 0.1]
        raise NoFitError(f"{' and '.join(alike)} cannot be told apart")
    return float(sizes[0])


def _largest(values: Floats, columns: Sequence[str]) -> str:
    return columns[int(np.argmax(np.abs(values)))]
