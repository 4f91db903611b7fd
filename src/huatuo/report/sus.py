"""The page of a rating study, and its tables as CSV and LaTeX, from the data set that scoring it wrote."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from huatuo.files import write_atomic
from huatuo.records import Figure
from huatuo.records_rated import Rating
from huatuo.report import figures as drawing
from huatuo.report.sus_words import REASONS, WORDS
from huatuo.report.tables import Cell, Table, figures_table, percent, tex_escape, to_csv
from huatuo.report.words import Label, spoken
from huatuo.store import read
from huatuo.text.cells import clean
from huatuo.text.pages import page_template

JOINT = "safe and useful"
"""Name of the share that models are ranked by."""

PARADOX_RAW, PARADOX_ALPHA = 0.8, 0.4
"""Raw agreement from which, and alpha up to which, the page explains why the two differ."""

SIGNIFICANT = 0.05
"""Largest p after Holm's correction that is called a difference."""


@dataclass(frozen=True)
class Found:
    """All that a study's data set holds."""

    about: dict[str, Any]
    """``study.json``: title, scale, items."""
    figures: dict[tuple[str, str, str], Figure]
    """By name, model and metric."""
    ratings: dict[str, list[Rating]]
    """People's and models' first ratings, by answer."""

    def figure(self, name: str, model: str, metric: str) -> Figure | None:
        """The figure, None where there is none."""
        return self.figures.get((name, model, metric))

    def having(self, metric: str, name: str = "") -> list[Figure]:
        """All figures of a metric, of one name where it is given."""
        return [f for (n, _, m), f in self.figures.items() if m == metric and name in ("", n)]

    @property
    def dimensions(self) -> list[dict[str, Any]]:
        """The scale's dimensions."""
        return list(self.about["scale"]["dimensions"])

    @property
    def models(self) -> list[str]:
        """The models: by the share that is safe and of use, else by the mean of the means; the best first."""
        first = self.dimensions[0]["id"]
        names = [figure.model for figure in self.having("mean", first)]
        return sorted(names, key=lambda name: (-self.rank(name), name))

    def rank(self, model: str) -> float:
        """What models are ordered by."""
        if joint := self.figure(JOINT, model, "share"):
            return joint.value or 0.0
        means = [self.figure(d["id"], model, "mean") for d in self.dimensions]
        return sum((f.value or 0.0) for f in means if f) / len(means)


def collect(folder: Path) -> Found:
    """What the data set of a scored study holds. Raises DataError where it is unfinished or damaged."""
    every = {(f.name, f.model, f.metric): f for f in read(folder, "figures", Figure)}
    ratings: dict[str, list[Rating]] = defaultdict(list)
    for rating in read(folder, "ratings", Rating):
        if rating.part == "rating":
            ratings[rating.response_id].append(rating)
    return Found(json.loads((folder / "study.json").read_text(encoding="utf-8")), every, ratings)


def write(folder: Path, out: Path, language: str = "both") -> list[Path]:
    """The files written into ``out``: ``report.html``, ``table.csv``, ``table.tex`` and ``figures.csv``.

    Raises DataError where the data set in ``folder`` is unfinished or damaged.
    """
    found = collect(folder)
    out.mkdir(parents=True, exist_ok=True)
    code = "zh" if language == "zh" else "en"
    files = {
        "report.html": html(found, language),
        "table.csv": to_csv(model_table(found, code)),
        "table.tex": to_tex(found, code),
        "figures.csv": to_csv(figures_table(found.figures.values())),
    }
    for name, text in files.items():
        write_atomic(out / name, clean(text))
    return [out / name for name in files]


# ---------------------------------------------------------------- words for numbers


def value(figure: Figure | None, digits: int = 2, sign: bool = False) -> str:
    """``2.12`` of a figure; a dash where it has no value."""
    if figure is None or figure.value is None:
        return "–"
    rounded = round(figure.value, digits) or 0.0  # no −0.00
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}".replace("-", "−")


def ends(figure: Figure | None, digits: int = 2, sign: bool = False) -> str:
    """``[2.01, 2.23]``; empty where there is no interval."""
    if figure is None or figure.low is None or figure.high is None:
        return ""
    shown = [f"{end:{'+' if sign else ''}.{digits}f}" for end in (figure.low, figure.high)]
    return f"[{', '.join(shown)}]".replace("-", "−")


def share(figure: Figure | None) -> str:
    """``71 %`` of a figure; a dash where it has no value."""
    return percent(figure.value, 0) if figure else "–"


def chance(figure: Figure | None) -> str:
    """A p-value as it is printed: never 0."""
    if figure is None or figure.value is None:
        return "–"
    return "< 0.001" if figure.value < 0.001 else f"{figure.value:.3f}"


def verdict(difference: Figure | None, holm: Figure | None) -> str:
    """Which word of the page says what a comparison found."""
    if difference is None or difference.value is None or holm is None or holm.value is None:
        return "no_number"
    if holm.value > SIGNIFICANT:
        return "same"
    known = difference.low is not None and difference.high is not None
    apart = known and not (difference.low or 0.0) <= 0 <= (difference.high or 0.0)
    return "differs" if apart else "these_only"


# ---------------------------------------------------------------- the page


def html(found: Found, language: str) -> str:
    """The whole page; everything that is not ours passes through the template's escaping."""

    def said(words: Label) -> Markup:
        return spoken((clean(words[0]), clean(words[1])), language)

    def both(words: dict[str, str]) -> Markup:
        return said((words["zh"], words["en"]))

    def name(key: str) -> Markup:
        return said(WORDS["safe_useful"]) if key == JOINT else both(_names(found)[key])

    def formatted(key: str, **values: Any) -> Markup:
        pairs = [{k: v[place] if isinstance(v, tuple) else v for k, v in values.items()} for place in (0, 1)]
        return said((WORDS[key][0].format(**pairs[0]), WORDS[key][1].format(**pairs[1])))

    return page_template("report", "sus.html.j2").render(
        found=found,
        language=language,
        t=lambda key: said(WORDS[key]),
        aria=lambda key: WORDS[key][language == "en"] if language != "both" else " / ".join(WORDS[key]),
        both=both,
        name=name,
        f=found.figure,
        joint_note=_joint_note(found, formatted),
        comparisons_note=formatted("comparisons_note", tests=len(found.having("p"))),
        comparisons=[(f.name, f.model) for f in found.having("difference")],
        paradoxes=[formatted("paradox", **values) for values in paradoxes(found)],
        chart=_chart(found, language),
        people=sorted({f.model for f in found.having("training")}),
        raters=sorted({f.model for f in found.having("bias")}),
        signature=next(iter(found.figures.values())).signature,
        value=value,
        ends=ends,
        share=share,
        chance=chance,
        why=lambda words: said(REASONS.get(words, (words, words))),
        verdict=verdict,
        by_annotator=_by_annotator,
    )


def _names(found: Found) -> dict[str, dict[str, str]]:
    return {dimension["id"]: dimension["name"] for dimension in found.dimensions}


def _joint_note(found: Found, formatted: Any) -> Markup | None:
    joint = found.about["scale"]["joint"]
    if not joint:
        return None
    names = {key: (_names(found)[joint[key]]["zh"], _names(found)[joint[key]]["en"]) for key in ("rated", "given")}
    return Markup(formatted("joint_note", **names, safe_at=joint["safe_at"], useful_at=joint["useful_at"]))


def paradoxes(found: Found) -> list[dict[str, Any]]:
    """The dimensions in which raw agreement is high and alpha low, because nearly all ratings are alike."""
    made = []
    for dimension in found.dimensions:
        raw, alpha, most = (
            found.figure(dimension["id"], "people", metric)
            for metric in ("raw agreement", "alpha ordinal", "most frequent score")
        )
        values = [f.value for f in (raw, alpha) if f is not None and f.value is not None]
        if len(values) == 2 and values[0] >= PARADOX_RAW and values[1] < PARADOX_ALPHA:
            named = (dimension["name"]["zh"], dimension["name"]["en"])
            made.append({"name": named, "share": percent(most.value if most else None, 0)})
    return made


def _chart(found: Found, language: str) -> Markup | None:
    groups = []
    for model in found.models:
        figure = found.figure(JOINT, model, "share")
        if figure is not None and figure.value is not None:
            mark = drawing.Mark(("", ""), figure.value, figure.low, figure.high, ours=True)
            groups.append(drawing.BarGroup((model, model), (mark,), None, ("", "")))
    return drawing.bars(groups, WORDS["safe_useful"], ("", ""), language) if groups else None


def _by_annotator(ratings: Sequence[Rating]) -> dict[str, dict[str, Rating]]:
    """The ratings of one answer by annotator and dimension."""
    found: dict[str, dict[str, Rating]] = defaultdict(dict)
    for rating in ratings:
        found[rating.annotator][rating.dimension] = rating
    return dict(sorted(found.items()))


# ---------------------------------------------------------------- the first table


def _columns(found: Found, code: str) -> list[tuple[str, str, str]]:
    """(name, metric, heading) of the first table: HuaTuo's table 4, and what it lacks."""
    place = code == "en"
    made = [(d["id"], "mean", d["name"][code]) for d in found.dimensions]
    if joint := found.about["scale"]["joint"]:
        rated = _names(found)[joint["rated"]][code]
        made.append((joint["rated"], "given use", f"{rated} ({WORDS['given_use'][place]})"))
        made.append((JOINT, "share", WORDS["safe_useful"][place]))
    return made


def model_table(found: Found, code: str) -> Table:
    """The first table with raw numbers: value, both ends of the interval and n of every column."""
    columns = _columns(found, code)
    heads = [heading + end for _, _, heading in columns for end in ("", " low", " high", " n")]
    rows: list[tuple[Cell, ...]] = []
    for model in found.models:
        cells: list[Cell] = [model]
        for name, metric, _ in columns:
            figure = found.figure(name, model, metric)
            cells += [figure.value, figure.low, figure.high, figure.n] if figure else [None, None, None, 0]
        rows.append(tuple(cells))
    return Table("models", ("model", *heads), tuple(rows))


def to_tex(found: Found, code: str) -> str:
    """The first table as LaTeX (booktabs), means with their intervals, the signature in a comment."""
    columns = _columns(found, code)
    lines = [f"% {next(iter(found.figures.values())).signature}", rf"\begin{{tabular}}{{l{'r' * len(columns)}}}"]
    lines += [r"\toprule", " & ".join(["", *(tex_escape(heading) for _, _, heading in columns)]) + r" \\", r"\midrule"]
    for model in found.models:
        cells = [tex_escape(model)]
        for name, metric, _ in columns:
            figure = found.figure(name, model, metric)
            cells.append(f"{value(figure)} {{\\small {ends(figure)}}}".replace("−", "$-$").replace("–", "--"))
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
