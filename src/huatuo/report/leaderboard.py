"""The leaderboard of an evaluation with models other than a run's own: a table for each exam, as values, CSV, LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import huatuo
from huatuo.records import Figure, Provenance
from huatuo.report.tables import (
    APART,
    PRIMARY,
    Cell,
    Table,
    interval,
    is_baseline,
    is_count,
    is_difference,
    percent,
    tex_escape,
    tex_table,
)

RUN_MODELS = ("base", "ours", "pairs")
"""Whose figures a page without other models shows."""


@dataclass(frozen=True)
class Standing:
    """One model in one exam."""

    figure: Figure
    against: str
    """above, level, below: its interval and the best baseline; unknown without one; unreadable where most answers have
    no score: they count as wrong, and below guessing would hide that they say nothing."""
    cite: str
    """Everything that the number depends on, in one line."""
    cut: int = 0
    """Questions whose text was shortened to fit the model."""


@dataclass(frozen=True)
class Comparison:
    """Two models on the questions that both were asked."""

    models: str
    difference: Figure | None
    p: Figure | None
    holm: Figure | None
    detectable: Figure | None

    @property
    def n(self) -> int:
        """Questions that both were asked."""
        return next((f.n for f in (self.difference, self.p) if f), 0)


@dataclass(frozen=True)
class Board:
    """One exam: its models from the best to the worst, what guessing gets, and every two models."""

    group: str
    metric: str
    standings: tuple[Standing, ...]
    baselines: tuple[Figure, ...]
    comparisons: tuple[Comparison, ...]


def others(figures: Iterable[Figure]) -> list[str]:
    """Names of the models that are neither base nor ours, in their order; with none a page has no leaderboard."""
    return list(dict.fromkeys(f.model for f in figures if _is_score(f) and f.model not in RUN_MODELS))


def _is_score(figure: Figure) -> bool:
    return figure.name not in APART and figure.metric in PRIMARY and not is_baseline(figure) and not _is_pair(figure)


def _is_pair(figure: Figure) -> bool:
    return " - " in figure.model or is_difference(figure) or is_count(figure)


@dataclass(frozen=True)
class How:
    """What the numbers of an evaluation depend on, besides their signatures."""

    asked: Mapping[tuple[str, str, str], Provenance]
    """How each model was asked, by group, model and metric."""
    questions: str
    """Digest of the data set of questions."""
    seed: int
    cuts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By group and model: the questions whose text was shortened to fit."""
    overlong: str = ""
    """How they were shortened (``ask.overlong``)."""


def boards(figures: Sequence[Figure], how: How) -> list[Board]:
    """One board for each group of questions."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.name, []).append(figure)
    return [made for name, mine in groups.items() if (made := _board(name, mine, how))]


def _board(group: str, figures: Sequence[Figure], how: How) -> Board | None:
    scores = [f for f in figures if _is_score(f)]
    metric = next((m for m in PRIMARY if any(f.metric == m for f in scores)), "")
    mine = sorted((f for f in scores if f.metric == metric), key=lambda f: -(f.value or 0.0))
    if not mine:
        return None
    baselines = tuple(f for f in figures if is_baseline(f) and f.metric == metric)
    best = max((f.value or 0.0 for f in baselines), default=None)
    standings = [
        Standing(f, _against(f, best), _cite(f, how), how.cuts.get((group, f.model), 0))
        for f in mine
        if f.value is not None
    ]
    pairs = dict.fromkeys(f.model for f in figures if " - " in f.model)
    return Board(group, metric, tuple(standings), baselines, tuple(_comparison(pair, figures) for pair in pairs))


def _against(figure: Figure, best: float | None) -> str:
    if 2 * figure.unscored > figure.n and (figure.low or 0.0) <= (best or 0.0):
        return "unreadable"
    if best is None or figure.low is None or figure.high is None:
        return "unknown"
    return "above" if figure.low > best else "below" if figure.high < best else "level"


def _comparison(pair: str, figures: Sequence[Figure]) -> Comparison:
    mine = {f.metric: f for f in figures if f.model == pair}
    return Comparison(pair, *(mine.get(name) for name in ("difference", "p", "p Holm", "detectable")))


def _cite(figure: Figure, by: How) -> str:
    how, cut = by.asked.get((figure.name, figure.model, figure.metric)), by.cuts.get((figure.name, figure.model), 0)
    parts = [
        f"{figure.name}: {figure.model} {percent(figure.value)} {interval(figure)} n={figure.n}",
        f"unscored:{figure.unscored}",
        f"questions:{by.questions[:16]}",
    ]
    if cut:
        parts.append(f"texts shortened:{cut} ({by.overlong})")
    if how is not None:
        weights = how.digest[:16] or f"unknown (endpoint, {how.time[:10]})"
        parts += [f"model:{how.model}", f"weights:{weights}", f"format:{how.format or 'endpoint'}"]
        parts += [f"prompt:{how.prompt_id} {how.prompt_hash[:16]}".rstrip(), f"sampling:{how.sampling}"]
    parts += [f"seed:{by.seed}", figure.signature]
    return "|".join(parts if "huatuo:" in figure.signature else [*parts, f"huatuo:{huatuo.__version__}"])


# ---------------------------------------------------------------- CSV and LaTeX


def board_table(made: Iterable[Board]) -> Table:
    """Every model of every board with raw numbers (shares from 0 to 1), then the baselines of the board."""
    numbers = ("value", "low", "high", "n", "unscored", "shortened")
    columns = ("questions", "metric", "model", *numbers, "against guessing", "cite")
    lines: list[tuple[Cell, ...]] = []
    for board in made:
        for one in board.standings:
            f = one.figure
            values = (f.value, f.low, f.high, f.n, f.unscored, one.cut)
            lines.append((board.group, board.metric, f.model, *values, one.against, one.cite))
        for f in board.baselines:
            lines.append((board.group, board.metric, f.model, f.value, None, None, f.n, 0, 0, "", ""))
    return Table("leaderboard", columns, tuple(lines))


def comparison_table(made: Iterable[Board]) -> Table:
    """Every comparison of every board with raw numbers."""
    columns = ("questions", "metric", "models", "n", "difference", "low", "high", "p", "p Holm", "detectable", "method")
    lines: list[tuple[Cell, ...]] = []
    for board in made:
        for one in board.comparisons:
            f = one.difference
            ends: tuple[Cell, ...] = (f.value, f.low, f.high) if f else (None, None, None)
            tests = tuple(x.value if x else None for x in (one.p, one.holm, one.detectable))
            lines.append((board.group, board.metric, one.models, one.n, *ends, *tests, one.p.method if one.p else ""))
    return Table("comparisons", columns, tuple(lines))


def to_tex(made: Sequence[Board]) -> str:
    """All boards as one LaTeX table (package booktabs, and ctex where there are Chinese words)."""
    models = list(dict.fromkeys(one.figure.model for board in made for one in board.standings))
    lines = []
    for board in made:
        found = {one.figure.model: one.figure for one in board.standings}
        cells = [f"{board.group} ({board.metric})", str(max((f.n for f in found.values()), default=0))]
        for model in models:
            figure = found.get(model)
            cells.append(f"{percent(figure.value)} {interval(figure)}" if figure else "–")
        cells.append(percent(max((f.value or 0.0 for f in board.baselines), default=None)))
        lines.append(cells)
    heads = ["Questions", "$n$", *map(tex_escape, models), "Guessing"]
    return tex_table(f"lr{'r' * (len(models) + 1)}", heads, lines)
