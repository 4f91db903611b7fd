"""The tables of the report: results with a verdict in words, as values, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from huatuo.records import Figure
from huatuo.report.words import RESTS, VERDICTS, Label

Verdict = Literal[
    "learned",
    "better",
    "better-no-baseline",
    "same",
    "guessing",
    "below-guessing",
    "unreadable",
    "worse",
    "above-guessing",
    "alone",
    "no-number",
    "no-wording",
    "control-holds",
    "control-few",
    "control-known",
    "control-leak",
]

CONTROL_GROUP = "withheld entities"
"""The group whose facts were kept from training: here knowing the answer is a fault."""

NOT_TAUGHT = "not taught after all"
"""The group that was meant to be taught and was not."""

NO_SHARED_WORD = "held-out, no shared word"
"""The group that may have no question: where no held-out wording is free of every trained word."""

SAFETY, FACTS = "safety", "facts asked"
APART = (SAFETY, FACTS)
"""Figures that have tables of their own: shares of faults, where more is worse, and counts of facts."""

CONTROL_LIMIT = 0.25
"""Highest upper end of the control's interval that is still called a control that holds: what could still be a quarter
known rests on too few questions."""

PRIMARY = ("accuracy", "letters", "subsets", "options", "exact", "f1", "bleu", "rouge-l")
"""Metrics in the order in which one stands for its group in the first table."""

Cell = str | int | float | None


@dataclass(frozen=True)
class Row:
    """One group of questions: base, ours, the paired difference, and what it means."""

    group: str
    metric: str
    base: Figure | None
    ours: Figure | None
    difference: Figure | None
    baseline: Figure | None
    verdict: Verdict

    @property
    def n(self) -> int:
        """Questions in the denominator."""
        return next((figure.n for figure in (self.ours, self.base) if figure), 0)

    @property
    def unscored(self) -> int:
        """Answers of ours that could not be scored."""
        return self.ours.unscored if self.ours else 0


@dataclass(frozen=True)
class Table:
    """A named table of plain cells."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


# ---------------------------------------------------------------- verdicts


def verdict(
    base: Figure | None,
    ours: Figure | None,
    difference: Figure | None,
    baseline: Figure | None = None,
    control: bool = False,
) -> Verdict:
    """What the numbers of one group mean, by their 95 % intervals only.

    ``baseline`` is what can be scored without knowing anything. ``control`` is the group that was not taught: there,
    a model that beats the baseline and the base shows a leak.
    """
    if ours is None or ours.value is None or ours.n == 0:
        return "no-number"
    sign = _sign(base, ours, difference)
    place = _against(ours, baseline)
    if control and place != "below":
        known = place == "above" or (place == "unknown" and (ours.low or 0.0) > 0.0)
        if known:
            return "control-leak" if sign in ("up", "unknown") else "control-known"
        return _control(ours)
    if sign == "down":
        return "worse"
    if place in ("below", "level") and not control and 2 * ours.unscored > ours.n:
        return "unreadable"  # such answers count as wrong: "below guessing" would hide that they say nothing
    if sign == "up" and place != "below":
        return "learned" if place == "above" else "better-no-baseline" if place == "unknown" else "better"
    if place == "below":
        return _control(ours) if control else "below-guessing"
    if place == "level":
        return "guessing"
    if sign == "level":
        return "same"
    return "above-guessing" if place == "above" else "alone"


def _control(ours: Figure) -> Verdict:
    """Whether a control that shows no knowledge can tell: by how much the interval still allows."""
    return "control-holds" if ours.high is not None and ours.high <= CONTROL_LIMIT else "control-few"


def verdict_words(row: Row) -> Label:
    """The verdict in Chinese and English, with what the interval still allows where it says so."""
    high = row.ours.high if row.ours and row.ours.high is not None else 1.0
    zh, en = (words.format(high=percent(high)) for words in VERDICTS[row.verdict])
    return zh, en


def rests_on(figure: Figure | None) -> Label | None:
    """On how many groups of questions the interval rests; None where each question stands for itself."""
    method = figure.method if figure else ""
    if method.startswith("one cluster"):
        sizes = ["1"]
    elif found := re.search(r"over (\d+(?: x \d+)*) clusters", method):
        sizes = found[1].split(" x ")
    else:
        return None
    if figure and sizes == [str(figure.n)]:
        return None
    zh, en = RESTS["two" if len(sizes) == 2 else "single" if sizes == ["1"] else "one"]
    counts = [f"{int(size):,}" for size in sizes]
    return zh.format(*counts), en.format(*counts)


def _sign(base: Figure | None, ours: Figure, difference: Figure | None) -> Literal["up", "level", "down", "unknown"]:
    """Whether ours differs from the base: by the paired interval, else by intervals that do not meet."""
    if difference is not None and difference.low is not None and difference.high is not None:
        low, high = difference.low, difference.high
    elif base is not None and None not in (base.low, base.high, ours.low, ours.high):
        low, high = float(ours.low or 0) - float(base.high or 0), float(ours.high or 0) - float(base.low or 0)
    else:
        return "unknown"
    return "up" if low > 0 else "down" if high < 0 else "level"


def _against(ours: Figure, baseline: Figure | None) -> Literal["above", "level", "below", "unknown"]:
    if baseline is None or baseline.value is None or ours.low is None or ours.high is None:
        return "unknown"
    return "above" if ours.low > baseline.value else "below" if ours.high < baseline.value else "level"


# ---------------------------------------------------------------- rows


def is_difference(figure: Figure) -> bool:
    """Whether the figure is a paired difference of ours and base."""
    return "difference" in figure.metric.split() or figure.model == "difference"


def is_baseline(figure: Figure) -> bool:
    """Whether the figure is what can be scored without knowing anything."""
    return figure.model.startswith("baseline")


def is_leak(figure: Figure) -> bool:
    """Whether the figure counts questions that stand in the training pairs."""
    return figure.metric.startswith("contamination")


def is_count(figure: Figure) -> bool:
    """Whether the figure counts questions or answers, and is no share."""
    return is_leak(figure) or figure.metric.startswith("unscored: ")


def result_rows(figures: Iterable[Figure]) -> list[Row]:
    """One row per group in the order of the figures, by its leading metric; none for a group without a model."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.name not in APART:
            groups.setdefault(figure.name, []).append(figure)
    return [row for name, members in groups.items() if (row := _row(name, members)) is not None]


def primary_metric(figures: Sequence[Figure]) -> str:
    """The metric that stands for a group: the first of `PRIMARY` that a model was measured by, else the first."""
    measured = [f.metric for f in figures if f.model in ("base", "ours")]
    return next((metric for metric in PRIMARY if metric in measured), measured[0] if measured else "")


def _row(group: str, figures: Sequence[Figure]) -> Row | None:
    metric = primary_metric(figures)
    if not metric:
        return None
    plain = [f for f in figures if f.metric == metric and not is_difference(f)]
    base = next((f for f in plain if f.model == "base"), None)
    ours = next((f for f in plain if f.model == "ours"), None)
    differences = [f for f in figures if is_difference(f) and (" - " not in f.model or f.model == "ours - base")]
    difference = next(
        (f for f in differences if metric in f.metric.split() or f.metric == metric),
        next((f for f in differences if f.metric == "difference"), None),
    )
    baselines = [f for f in plain if is_baseline(f) and f.value is not None]
    baseline = max(baselines, key=lambda f: f.value or 0.0, default=None)
    word = verdict(base, ours, difference, baseline, control=group == CONTROL_GROUP)
    if word == "no-number" and group == NO_SHARED_WORD and (ours is None or ours.n == 0):
        word = "no-wording"
    return Row(group, metric, base, ours, difference, baseline, word)


# ---------------------------------------------------------------- the band of extractors


@dataclass(frozen=True)
class Band:
    """The score of one exam and model as its own extractor reads the answers, and as the released ones do."""

    group: str
    model: str
    own: Figure
    others: tuple[Figure, ...]
    unread: tuple[Figure, ...]
    """How many answers have no value, by class."""

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest of all these scores."""
        values = [figure.value or 0.0 for figure in (self.own, *self.others)]
        return min(values), max(values)


def bands(figures: Iterable[Figure]) -> list[Band]:
    """One band for each exam and model whose answers were read by the released extractors too."""
    members: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        members.setdefault((figure.name, figure.model), []).append(figure)
    found = []
    for (group, model), mine in members.items():
        own = next((figure for figure in mine if figure.metric == "accuracy"), None)
        others = tuple(figure for figure in mine if figure.metric.startswith("extractor: "))
        if own and others:
            unread = tuple(figure for figure in mine if figure.metric.startswith("unscored: "))
            found.append(Band(group, model, own, others, unread))
    return found


# ---------------------------------------------------------------- words for numbers


def percent(value: float | None, digits: int = 1) -> str:
    """``71.4 %`` of a share from 0 to 1; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def shown(figure: Figure) -> str:
    """The value as the reader expects it: a count, a difference in points, or a share in percent."""
    if figure.value is None:
        return "–"
    if is_count(figure):
        return f"{figure.value:,.0f}"
    if figure.metric in ("p", "p Holm"):
        return f"{figure.value:.2g}"
    in_points = is_difference(figure) or figure.metric == "detectable"
    return points(figure.value) if in_points else percent(figure.value)


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign; a dash for None."""
    return "–" if value is None else f"{100 * value:+.1f}".replace("-", "−")


def interval(figure: Figure | None, signed: bool = False) -> str:
    """``[66.1, 76.2]`` in percent or points; empty where there is none."""
    if figure is None or figure.low is None or figure.high is None:
        return ""
    digits = 2 if 0 < figure.high - figure.low < 0.001 else 1  # [0.00, 0.04]: such an interval is not a point
    ends = [f"{100 * end:+.{digits}f}" if signed else f"{100 * end:.{digits}f}" for end in (figure.low, figure.high)]
    return f"[{', '.join(ends)}]".replace("-", "−")


# ---------------------------------------------------------------- CSV and LaTeX


def results_table(rows: Iterable[Row], language: str = "en") -> Table:
    """The first table with raw numbers (shares from 0 to 1) and the verdict in words."""
    columns = ["group", "metric", "n", "unscored"]
    columns += [f"{model}{end}" for model in ("base", "ours", "difference") for end in ("", " low", " high")]
    columns += ["baseline", "baseline value", "verdict", "signature"]
    lines: list[tuple[Cell, ...]] = []
    for row in rows:
        cells: list[Cell] = [row.group, row.metric, row.n, row.unscored]
        for figure in (row.base, row.ours, row.difference):
            cells += [figure.value, figure.low, figure.high] if figure else [None, None, None]
        cells += [row.baseline.model.removeprefix("baseline: "), row.baseline.value] if row.baseline else [None, None]
        cells += [verdict_words(row)[language == "en"], row.ours.signature if row.ours else ""]
        lines.append(tuple(cells))
    return Table("results", tuple(columns), tuple(lines))


def figures_table(figures: Iterable[Figure]) -> Table:
    """Every figure with its interval, n and signature."""
    columns = ("name", "model", "metric", "value", "low", "high", "n", "unscored", "signature", "method")
    return Table("figures", columns, tuple(tuple(getattr(f, c) for c in columns) for f in figures))


def to_csv(table: Table) -> str:
    """The table as CSV with a byte order mark, for spreadsheets.

    A text that starts with = + - or @ gets a leading ``'``, since a spreadsheet would run it; numbers stay numbers.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in (table.columns, *table.rows):
        writer.writerow([_csv_cell(cell) for cell in row])
    return "\ufeff" + buffer.getvalue()


def _csv_cell(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.lstrip().startswith(("=", "+", "-", "@")):
        return "'" + cell
    return cell


_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": r"$-$",
}


def tex_escape(text: str) -> str:
    """The text with every character that LaTeX would run made harmless; white space becomes one blank."""
    escaped = "".join(_TEX.get(character, character) for character in " ".join(text.split()))
    return (
        "{}" + escaped if escaped.startswith(("[", "*")) else escaped
    )  # after \\\\ these would be read as its argument


def tex_table(columns: str, heads: Sequence[str], rows: Iterable[Sequence[str]], said: Iterable[str] = ()) -> str:
    """A LaTeX table (packages booktabs, and ctex where there are Chinese words): ``heads`` are LaTeX already, the cells
    of ``rows`` are escaped; ``said`` stands above it as comments, a line each."""
    lines = [
        "% needs \\usepackage{booktabs} and, for Chinese words, \\usepackage{ctex} with XeLaTeX or LuaLaTeX",
        *(f"% {comment}" for comment in said),
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        " & ".join(heads) + " \\\\",
        "\\midrule",
        *(" & ".join(map(tex_escape, cells)) + " \\\\" for cells in rows),
    ]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def to_tex(rows: Iterable[Row], language: str = "en") -> str:
    """The first table as LaTeX (packages booktabs, and ctex where there are Chinese words)."""
    heads = ("Questions", "$n$", "Base", "Ours", "Difference (95\\,\\% interval)", "Verdict")
    lines = []
    for row in rows:
        change = f"{points(row.difference.value)} {interval(row.difference, signed=True)}" if row.difference else "–"
        cells = [
            f"{row.group} ({row.metric})",
            str(row.n),
            percent(row.base.value if row.base else None),
            percent(row.ours.value if row.ours else None),
            change.strip(),
            verdict_words(row)[language == "en"],
        ]
        lines.append(cells)
    return tex_table("lrrrrl", heads, lines)
