"""Rankings from games: Bradley–Terry with ties, position and length, and Elo averaged over orders of play."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from huatuo.eval.judging.choice_model import Fit, NoFitError, fit
from huatuo.eval.stats import Floats
from huatuo.records_rated import Verdict

TIE, POSITION, LENGTH = "ties", "position", "length"
"""Columns of the fit besides the models."""

LENGTH_UNIT = 100
"""Characters that one unit of the length term stands for."""

ELO_START, ELO_SCALE, ELO_K = 1000.0, 400.0, 4.0
"""First rating, points for odds of ten, and points a game moves (FastChat's arena: K = 4)."""

ELO_ORDERS = 200
"""Orders of play that ratings are averaged over."""


class Game(NamedTuple):
    """One verdict as a game: who was shown first, who second, and what came of it."""

    question_id: str
    """The cluster."""
    first: str
    """Model shown first."""
    second: str
    """Model shown second."""
    result: int
    """0: the first won; 1: a tie; 2: the second won."""
    longer: float
    """Characters that the first answer is longer by, in `LENGTH_UNIT`."""


def games_of(verdicts: Sequence[Verdict]) -> list[Game]:
    """The verdicts that could be read, as games, in a fixed order."""
    found = []
    for one in sorted(verdicts, key=lambda one: one.id):
        if one.winner is None:
            continue
        models, chars = (one.left, one.right), (one.left_chars, one.right_chars)
        if one.first == "right":
            models, chars = models[::-1], chars[::-1]
        result = 1 if one.winner == "tie" else 0 if one.winner == one.first else 2
        found.append(Game(one.question_id, *models, result, (chars[0] - chars[1]) / LENGTH_UNIT))
    return found


def check_connected(games: Sequence[Game]) -> list[str]:
    """The models, sorted. Raises NoFitError where there are fewer than two, or some were never compared with others."""
    models = sorted({name for game in games for name in (game.first, game.second)})
    if len(models) < 2:
        raise NoFitError(f"{len(models)} model(s) in {len(games)} games: a ranking needs two")
    met = _reached(models[0], [(g.first, g.second) for g in games] + [(g.second, g.first) for g in games])
    if apart := [name for name in models if name not in met]:
        raise NoFitError(f"{', '.join(sorted(met))} and {', '.join(apart)} were never compared, not even by others")
    return models


def _reached(start: str, edges: Sequence[tuple[str, str]]) -> set[str]:
    """All that can be reached from ``start``."""
    ways: dict[str, set[str]] = {}
    for one, other in edges:
        ways.setdefault(one, set()).add(other)
    found, todo = {start}, [start]
    while todo:
        for name in ways.get(todo.pop(), set()) - found:
            found.add(name)
            todo.append(name)
    return found


def _check_bounded(models: Sequence[str], games: Sequence[Game]) -> None:
    """Ford 1957: strengths are finite where each group of models has won or tied against the rest."""
    won = [(g.first, g.second) for g in games if g.result < 2] + [(g.second, g.first) for g in games if g.result > 0]
    for start in models:
        below, above = _reached(start, won), _reached(start, [(b, a) for a, b in won])
        if len(below) < len(models) or len(above) < len(models):
            rest = sorted(set(models) - (below if len(below) < len(models) else above))
            word = "never won or tied" if len(below) < len(models) else "never lost or tied"
            raise NoFitError(f"{start} {word} against {', '.join(rest)}, so its strength has no bound")


@dataclass(frozen=True)
class Strengths:
    """A fitted Bradley–Terry model."""

    models: tuple[str, ...]
    """The models."""
    columns: tuple[str, ...]
    """The coefficients: every model but the first, then `TIE`, `POSITION` and `LENGTH` where they are there."""
    fit: Fit
    """Estimates."""

    def strength(self, model: str) -> tuple[float, float, float]:
        """(value, low, high) of a model's strength in logits against the mean of all models."""
        contrast = np.zeros(len(self.columns))
        contrast[: len(self.models) - 1] = -1 / len(self.models)
        if model != self.models[0]:
            contrast[self.columns.index(model)] += 1.0
        return self.fit.interval(contrast)

    def term(self, name: str) -> tuple[float, float, float] | None:
        """(value, low, high) of `TIE` (log of Davidson's nu), `POSITION` or `LENGTH`, in logits; None where absent."""
        if name not in self.columns:
            return None
        return self.fit.interval(np.eye(len(self.columns))[self.columns.index(name)])


def bradley_terry(games: Sequence[Game], position: bool = True, length: bool = True) -> Strengths:
    """The strengths of the models: Davidson 1970 for ties, Davidson and Beaver 1977 for the order of showing.

    The first wins : tie : the second wins = exp(d / 2) : nu : exp(-d / 2), where d is the difference of strengths, plus
    an advantage of the first place, plus one for every 100 characters more. Without ties there is no nu; a length term
    needs answers of unequal length. Intervals are clustered by question. Raises NoFitError where a strength has no
    bound, everything is a tie, or models were never compared.
    """
    models = check_connected(games)
    results = {game.result for game in games}
    if results == {1}:
        raise NoFitError(f"all {len(games)} games are ties: nothing tells the models apart")
    _check_bounded(models, games)
    columns = list(models[1:]) + ([TIE] if 1 in results else [])
    columns += [POSITION] if position else []
    columns += [LENGTH] if length and any(game.longer for game in games) else []
    features = _features(games, columns)
    chosen = np.asarray([game.result for game in games])
    if TIE not in columns:  # only the two that can win
        features, chosen = features[:, [0, 2]], chosen // 2
    found = fit(features, chosen, [game.question_id for game in games], columns)
    return Strengths(tuple(models), tuple(columns), found)


def _features(games: Sequence[Game], columns: Sequence[str]) -> Floats:
    """(game, first wins | tie | second wins, column)."""
    place = {name: number for number, name in enumerate(columns)}
    made = np.zeros((len(games), 3, len(columns)))
    for row, game in zip(made, games, strict=True):
        half = np.zeros(len(columns))
        if game.first in place:
            half[place[game.first]] += 0.5
        if game.second in place:
            half[place[game.second]] -= 0.5
        if POSITION in place:
            half[place[POSITION]] = 0.5
        if LENGTH in place:
            half[place[LENGTH]] = 0.5 * game.longer
        row[0], row[2] = half, -half
        if TIE in place:
            row[1, place[TIE]] = 1.0
    return made


class Rating(NamedTuple):
    """A model's Elo."""

    value: float
    """Mean over orders of play."""
    spread: float
    """Standard deviation over them: how much of a rating is the order alone."""


def elo(games: Sequence[Game], seed: int, orders: int = ELO_ORDERS) -> dict[str, Rating]:
    """Elo by model: the mean over ``orders`` shuffled orders of play, since one order's rating depends on its end.

    A tie is half a win. Raises NoFitError where models were never compared.
    """
    models = check_connected(games)
    place = {name: number for number, name in enumerate(models)}
    pairs = np.asarray([(place[game.first], place[game.second]) for game in games])
    points = np.asarray([1 - game.result / 2 for game in games])
    rng = np.random.Generator(np.random.PCG64(seed))
    order = np.argsort(rng.random((orders, len(games))), axis=1)
    ratings, rows = np.full((orders, len(models)), ELO_START), np.arange(orders)
    for step in range(len(games)):
        which = order[:, step]
        one, other = pairs[which, 0], pairs[which, 1]
        expected = 1 / (1 + 10 ** ((ratings[rows, other] - ratings[rows, one]) / ELO_SCALE))
        moved = ELO_K * (points[which] - expected)
        ratings[rows, one] += moved
        ratings[rows, other] -= moved
    return {
        name: Rating(float(ratings[:, number].mean()), float(ratings[:, number].std()))
        for name, number in place.items()
    }


def elo_points(logits: float) -> float:
    """A difference of strengths in logits as points of Elo."""
    return logits * ELO_SCALE / math.log(10)
