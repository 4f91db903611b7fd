"""What stands beside the scores: parts of an exam, the band of extractors, safety; on the page, as CSV, as LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from huatuo.records import Figure
from huatuo.records_scored import PartFigure
from huatuo.report.tables import SAFETY, Band, Cell, Table, bands, interval, is_baseline, percent, tex_escape, tex_table

NUMBERS = ("value", "low", "high", "n", "unscored", "signature")
"""Columns of a figure, shares from 0 to 1."""

Line = tuple[tuple[str, ...], Figure | None]
"""The labels of a row of LaTeX, and its figure."""


def _share(figure: Figure | None) -> str:
    return percent(figure.value if figure else None)


def tex_of(
    heads: Sequence[str],
    lines: Iterable[Line],
    said: Callable[[Figure | None], str] = _share,
    ends: Callable[[Figure | None], str] = interval,
) -> str:
    """Rows of a label or several, the value with its interval, and n, as LaTeX (booktabs, and ctex for Chinese words);
    the signatures stand in comments above it."""
    every = list(lines)
    signatures = dict.fromkeys(figure.signature for _, figure in every if figure is not None and figure.signature)
    rows = [(*labels, said(f), ends(f) or "–", f"{f.n:,}" if f else "–") for labels, f in every]
    names = [*map(tex_escape, heads), "Value", "95\\,\\% interval", "$n$"]
    return tex_table("l" * len(heads) + "rrr", names, rows, [" ".join(one.split()) for one in signatures])


def _numbers(figure: Figure) -> tuple[Cell, ...]:
    return tuple(getattr(figure, name) for name in NUMBERS)


# ---------------------------------------------------------------- parts of an exam


@dataclass(frozen=True)
class Part:
    """One part of an exam's questions."""

    name: str
    """The subject or type; empty where its questions name none."""
    models: tuple[PartFigure | None, ...]
    """The figure of each model, in the order of the table."""
    guess: PartFigure | None
    """The best of what guessing gets."""

    @property
    def n(self) -> int:
        """Its questions."""
        return max((figure.n for figure in self.models if figure is not None), default=0)


@dataclass(frozen=True)
class Parts:
    """One exam by one field."""

    group: str
    by: str
    models: tuple[str, ...]
    parts: tuple[Part, ...]


def parts(figures: Iterable[PartFigure]) -> list[Parts]:
    """One table for each exam and field, in the order of the figures."""
    found: dict[tuple[str, str], dict[str, list[PartFigure]]] = {}
    for figure in figures:
        found.setdefault((figure.name, figure.by), {}).setdefault(figure.part, []).append(figure)
    made = []
    for (group, by), members in found.items():
        every = [figure for own in members.values() for figure in own]
        models = tuple(dict.fromkeys(figure.model for figure in every if not is_baseline(figure)))
        made.append(Parts(group, by, models, tuple(_part(name, own, models) for name, own in members.items())))
    return made


def _part(name: str, own: Sequence[PartFigure], models: Sequence[str]) -> Part:
    scored = {figure.model: figure for figure in own if not is_baseline(figure)}
    guesses = [figure for figure in own if is_baseline(figure) and figure.value is not None]
    guess = max(guesses, key=lambda figure: figure.value or 0.0, default=None)
    return Part(name, tuple(scored.get(model) for model in models), guess)


def parts_table(figures: Iterable[PartFigure]) -> Table:
    """Every figure of every part with raw numbers."""
    columns = ("questions", "by", "part", "model", "metric", *NUMBERS)
    return Table("parts", columns, tuple((f.name, f.by, f.part, f.model, f.metric, *_numbers(f)) for f in figures))


def parts_tex(made: Iterable[Parts]) -> str:
    """A table for each exam and field: a row for each part, a column for each model, as papers print them."""
    return "\n".join(_one_tex(one) for one in made)


def _one_tex(one: Parts) -> str:
    figures = [figure for part in one.parts for figure in part.models if figure is not None]
    signatures = dict.fromkeys(figure.signature for figure in figures)
    rows = []
    for part in one.parts:
        shown = [f"{percent(f.value)} {interval(f)}".rstrip() if f else "–" for f in part.models]
        rows.append([part.name or "–", str(part.n), *shown, percent(part.guess.value if part.guess else None)])
    heads = [tex_escape(one.group), "$n$", *map(tex_escape, one.models), "Guessing"]
    said = [f"{' '.join(one.group.split())} by {one.by}", *signatures]
    return tex_table(f"lr{'r' * (len(one.models) + 1)}", heads, rows, said)


# ---------------------------------------------------------------- the band of extractors


def bands_table(made: Iterable[Band]) -> Table:
    """The score of each exam and model under each extractor, with raw numbers; then both ends of the band."""
    columns = ("questions", "model", "extractor", *NUMBERS)
    rows: list[tuple[Cell, ...]] = []
    for band in made:
        for figure in (band.own, *band.others):
            rows.append((band.group, band.model, extractor(figure), *_numbers(figure)))
        for name, end in zip(("lowest", "highest"), band.ends, strict=True):
            rows.append((band.group, band.model, name, end, None, None, band.own.n, None, ""))
    return Table("sensitivity", columns, tuple(rows))


def bands_tex(made: Iterable[Band]) -> str:
    """The same as LaTeX, without the ends."""
    lines = [((b.group, b.model, extractor(f)), f) for b in made for f in (b.own, *b.others)]
    return tex_of(("Questions", "Model", "Extractor"), lines)


def extractor(figure: Figure) -> str:
    """Whose extractor read the answers."""
    return figure.metric.removeprefix("extractor: ") if figure.metric.startswith("extractor: ") else "huatuo"


# ---------------------------------------------------------------- safety


@dataclass(frozen=True)
class Safety:
    """The share of each fault in the answers of each model."""

    models: tuple[str, ...]
    rules: tuple[tuple[str, tuple[Figure | None, ...]], ...]
    """Metric, and its figure for each model."""


def safety(figures: Iterable[Figure]) -> Safety | None:
    """Every safety rule that was measured, in the order of the figures; None where none was."""
    found: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        if figure.name == SAFETY:
            found.setdefault(figure.metric, {})[figure.model] = figure
    if not found:
        return None
    models = tuple(dict.fromkeys(model for own in found.values() for model in own))
    order = tuple(sorted(models, key=lambda model: {"base": 0, "ours": 1}.get(model, 2)))
    return Safety(order, tuple((metric, tuple(own.get(m) for m in order)) for metric, own in found.items()))


def safety_table(made: Safety) -> Table:
    """The shares with raw numbers."""
    rows = [
        (metric.removeprefix("safety: "), model, *_numbers(figure))
        for metric, own in made.rules
        for model, figure in zip(made.models, own, strict=True)
        if figure is not None
    ]
    return Table("safety", ("fault", "model", *NUMBERS), tuple(rows))


def safety_tex(made: Safety) -> str:
    """The same as LaTeX."""
    lines = [
        ((metric.removeprefix("safety: "), model), figure)
        for metric, own in made.rules
        for model, figure in zip(made.models, own, strict=True)
    ]
    return tex_of(("Fault", "Model"), lines)


def every_file(figures: Sequence[Figure], of_parts: Sequence[PartFigure]) -> dict[str, str | Table]:
    """The files of everything that was measured, by name: a table becomes CSV."""
    files: dict[str, str | Table] = {}
    if made := bands(figures):
        files |= {"sensitivity.csv": bands_table(made), "sensitivity.tex": bands_tex(made)}
    if (measured := safety(figures)) is not None:
        files |= {"safety.csv": safety_table(measured), "safety.tex": safety_tex(measured)}
    if of_parts:
        files |= {"parts.csv": parts_table(of_parts), "parts.tex": parts_tex(parts(of_parts))}
    return files
