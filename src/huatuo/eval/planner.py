"""How many questions, annotators and hours a rating study needs, by simulating studies from a pilot's mixed model.

Every simulated study is paired by question and annotator and judged by the sign-flip test over questions. The page of a
study says "differ" only where the two-way interval leaves out 0 as well, which five annotators who favour different
models can prevent with any number of questions: a pilot's mixed model does not tell how far they do.

An incomplete design gives each response to some of the annotators, the same ones for every model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huatuo.eval.clmm import Fit
from huatuo.eval.stats import sign_flips, wilson

Floats = npt.NDArray[np.float64]

FLIPS = 499
"""Sign flips of each simulated study: p-values of 1/500 and more."""

NODES = 15
"""Points of the Gauss-Hermite rule over each random effect."""


@dataclass(frozen=True)
class Pilot:
    """What a pilot says of ratings."""

    scale: tuple[float, ...]
    """The values that occurred, lowest first: one more than there are thresholds."""
    thresholds: tuple[float, ...]
    """Of the mixed model, in logits."""
    deviations: tuple[float, float]
    """Standard deviations of questions and of annotators, in logits."""

    @classmethod
    def of(cls, fit: Fit, scale: Sequence[float]) -> Pilot:
        """What a fitted model says, with the values that occurred."""
        return cls(tuple(scale), fit.thresholds, fit.deviations)


@dataclass(frozen=True)
class Design:
    """One way to hold a study."""

    questions: int
    """Questions, each answered by every model."""
    annotators: int
    """People."""
    each: int
    """Annotators that rate each response, at most ``annotators``."""


@dataclass(frozen=True)
class Power:
    """What a design can find."""

    design: Design
    """The design."""
    difference: float
    """True difference of two models' means, in points of the scale."""
    power: float
    """Share of simulated studies that found it."""
    low: float
    """Lower end of Wilson's 95 % interval of that share."""
    high: float
    """Upper end."""
    ratings: int
    """Responses that are read, by all annotators together, hidden duplicates among them."""
    hours: float
    """Hours of all annotators together."""


def expected(pilot: Pilot, effect: float) -> float:
    """Mean rating of a model with this effect (logits), over questions and annotators like the pilot's."""
    nodes, weight = np.polynomial.hermite_e.hermegauss(NODES)
    weight = weight / weight.sum()
    spread = pilot.deviations[0] * nodes[:, None] + pilot.deviations[1] * nodes
    above = 1 / (1 + np.exp(np.asarray(pilot.thresholds)[:, None, None] - (effect + spread)))  # P(y > k)
    steps = np.diff(np.asarray(pilot.scale))
    return pilot.scale[0] + float(np.einsum("k,kqa,q,a->", steps, above, weight, weight))


def effect_of(pilot: Pilot, difference: float) -> float:
    """The effect (logits) that raises the mean rating by ``difference`` points of the scale above effect 0.

    Raises ValueError where the scale leaves no room for it.
    """
    base, low, high = expected(pilot, 0.0), -30.0, 30.0
    room = (expected(pilot, low) - base, expected(pilot, high) - base)
    if not room[0] < difference < room[1]:
        raise ValueError(
            f"a difference of {difference:g} points does not fit the scale: the pilot's mean is {base:.2f}, which "
            f"leaves {room[0]:+.2f} to {room[1]:+.2f}"
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(pilot, middle) - base < difference else (low, middle)
    return (low + high) / 2


def _studies(pilot: Pilot, effect: float, design: Design, studies: int, rng: np.random.Generator) -> Floats:
    """Mean difference of two models on each question of each study: (study, question)."""
    by_question, by_annotator = pilot.deviations
    q, each = np.arange(design.questions)[:, None], np.arange(design.each)
    raters = (q * design.each + each) % design.annotators  # (question, rating): even loads
    u = rng.normal(0, 1, (studies, design.questions, 1)) * by_question
    v = (rng.normal(0, 1, (studies, design.annotators)) * by_annotator)[:, raters]
    edges, scale = np.asarray(pilot.thresholds), np.asarray(pilot.scale)
    values = [
        scale[np.searchsorted(edges, own + u + v + rng.logistic(size=v.shape))].mean(axis=2) for own in (effect, 0.0)
    ]
    return np.asarray(values[0] - values[1])


def power(pilot: Pilot, design: Design, difference: float, alpha: float, studies: int, seed: int) -> tuple[float, int]:
    """(share of simulated studies whose p-value is at most ``alpha``, how many found it).

    Raises ValueError for a difference that does not fit the scale, or more ratings each than annotators.
    """
    if not 1 <= design.each <= design.annotators:
        raise ValueError(f"each response is rated by 1 to {design.annotators} annotators, not by {design.each}")
    effect = effect_of(pilot, difference) if difference else 0.0
    rng = np.random.Generator(np.random.PCG64([seed, design.questions, design.annotators, design.each]))
    found = 0
    for start in range(0, studies, 100):
        values = _studies(pilot, effect, design, min(100, studies - start), rng)
        found += int((sign_flips(values, FLIPS, seed + start) <= alpha).sum())
    return found / studies, found


@dataclass(frozen=True)
class Costs:
    """What a design's time depends on."""

    models: int
    """Models that answer every question."""
    seconds: float
    """Time of one response, all dimensions together."""
    duplicates: float = 0.05
    """Share of the responses that each annotator sees twice."""
    comparisons: int = 1
    """Comparisons that Holm's correction counts: a study is planned for the strictest of them."""


def plan(
    pilot: Pilot, designs: Iterable[Design], difference: float, costs: Costs, studies: int = 400, seed: int = 1
) -> list[Power]:
    """The power and the hours of every design, in their order.

    Raises ValueError as `power` does.
    """
    rows = []
    for design in designs:
        share, found = power(pilot, design, difference, 0.05 / costs.comparisons, studies, seed)
        low, high = wilson(found, studies) or (math.nan, math.nan)
        ratings = math.ceil(design.questions * costs.models * design.each * (1 + costs.duplicates))
        rows.append(Power(design, difference, share, low, high, ratings, ratings * costs.seconds / 3600))
    return rows
