"""The page of judged answers, and its numbers as CSV, from the data set that scoring them wrote."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from huatuo.files import content_id, write_atomic
from huatuo.llm import prompts
from huatuo.records import Figure, Score
from huatuo.records_rated import Criterion, Grade, JudgedAnswer, Rating, Verdict
from huatuo.report import figures as drawing
from huatuo.report.beside import tex_of
from huatuo.report.judge_words import WORDS, label, reason
from huatuo.report.sus import chance, ends, value
from huatuo.report.tables import figures_table, to_csv
from huatuo.report.words import spoken
from huatuo.store import read
from huatuo.text.cells import clean
from huatuo.text.pages import page_template

SHOWN = 100
"""Questions on the page."""

SHARES = frozenset({"win", "tie", "loss", "unparsed", "win rate", "flip rate", "first wins"})
"""Metrics that are shown in percent."""


@dataclass(frozen=True)
class Found:
    """All that a data set of judged answers holds."""

    about: dict[str, Any]
    """``about.json``: title, kind, rule."""
    figures: list[Figure]
    """Every figure, in order."""
    answers: dict[str, JudgedAnswer]
    """By response id."""
    said: dict[str, list[Any]]
    """Verdicts, grades, ratings or scores by question."""
    criteria: dict[str, Criterion]
    """By id."""

    def of(self, metric: str) -> list[Figure]:
        """The figures of a metric, in order."""
        return [figure for figure in self.figures if figure.metric == metric]

    def one(self, name: str, model: str, metric: str) -> Figure | None:
        """The figure, None where there is none."""
        wanted = (name, model, metric)
        return next((f for f in self.figures if (f.name, f.model, f.metric) == wanted), None)

    @property
    def rest(self) -> list[Figure]:
        """Counts of what could not be read."""
        return [figure for figure in self.figures if figure.metric.startswith("unparsed: ")]

    @property
    def questions(self) -> list[str]:
        """The questions on the page, drawn by hash."""
        return sorted(self.said, key=lambda question: content_id("shown", question))[:SHOWN]


def collect(folder: Path) -> Found:
    """What the data set holds. Raises DataError where it is unfinished or damaged."""
    answers = {one.response_id: one for one in read(folder, "answers", JudgedAnswer)}
    said: dict[str, list[Any]] = defaultdict(list)
    kinds: tuple[tuple[str, type[Any]], ...] = (
        ("verdicts", Verdict), ("grades", Grade), ("ratings", Rating), ("scores", Score),
    )  # fmt: skip
    for table, kind in kinds:
        for one in read(folder, table, kind):
            said[one.question_id].append(one)
    criteria = {one.id: one for one in read(folder, "criteria", Criterion)}
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    return Found(about, list(read(folder, "figures", Figure)), answers, said, criteria)


def write(folder: Path, out: Path, language: str = "both") -> list[Path]:
    """The files written into ``out``: ``report.html``, ``figures.csv`` and ``figures.tex``.

    Raises DataError where the data set in ``folder`` is unfinished or damaged.
    """
    found = collect(folder)
    out.mkdir(parents=True, exist_ok=True)
    lines = (((figure.name, figure.model, figure.metric), figure) for figure in found.figures)
    files = {
        "report.html": html(found, language),
        "figures.csv": to_csv(figures_table(found.figures)),
        "figures.tex": tex_of(("Of", "Model", "Metric"), lines, number, interval),
    }
    for name, text in files.items():
        write_atomic(out / name, clean(text))
    return [out / name for name in files]


def number(figure: Figure | None) -> str:
    """A figure as the page prints it: a share in percent, a count whole, a p never 0, else two decimals; a dash for
    none."""
    if figure is None or figure.value is None:
        return "–"
    if figure.metric in SHARES:
        return f"{100 * figure.value:.0f} %"
    if figure.metric in ("p", "p Holm"):
        return chance(figure)
    return f"{figure.value:,.0f}" if figure.method == "count" or figure.metric == "rating" else value(figure)


def interval(figure: Figure | None) -> str:
    """The interval as the page prints it; empty where there is none."""
    if figure is None or figure.low is None or figure.high is None:
        return ""
    if figure.metric in SHARES:
        return f"[{100 * figure.low:.0f}, {100 * figure.high:.0f}]"
    return ends(figure)


def html(found: Found, language: str) -> str:
    """The whole page; everything that is not ours passes through the template's escaping."""

    def said(key: str, **values: Any) -> Markup:
        words = WORDS[key]
        return spoken((words[0].format(**values), words[1].format(**values)) if values else words, language)

    return page_template("report", "judge.html.j2").render(
        found=found,
        language=language,
        t=said,
        aria=lambda key: WORDS[key][language == "en"] if language != "both" else " / ".join(WORDS[key]),
        named=lambda name: spoken(label(name), language),
        why=lambda words: spoken(reason(words), language),
        number=number,
        interval=interval,
        chance=chance,
        shown=SHOWN,
        chart=_chart(found, language),
        rows=_rows,
        asked=prompts_of(found),
        signatures=list(dict.fromkeys(figure.signature for figure in found.figures)),
    )


@dataclass(frozen=True)
class Asked:
    """A prompt that a judge was given."""

    id: str
    hash: str
    text: str
    """Empty where the file is not there any more, or another one."""


def prompts_of(found: Found) -> list[Asked]:
    """The prompts that what was judged names, each once."""
    named = {
        (one.provenance.prompt_id, one.provenance.prompt_hash)
        for every in found.said.values()
        for one in every
        if isinstance(one, (Verdict, Grade)) and one.provenance.prompt_id
    }
    known = prompts.ids()
    made = []
    for prompt_id, digest in sorted(named):
        kept = prompts.load(prompt_id) if prompt_id in known else None
        made.append(Asked(prompt_id, digest, kept.text if kept is not None and kept.hash == digest else ""))
    return made


def _chart(found: Found, language: str) -> Markup | None:
    """A bar for each pair of models and judge: the win rate of the model named first, with its interval."""
    groups = []
    for figure in found.of("win rate"):
        if figure.value is not None:
            mark = drawing.Mark(("", ""), figure.value, figure.low, figure.high, ours=True)
            groups.append(drawing.BarGroup((figure.name, figure.name), (mark,), 0.5, label(figure.model)))
    return drawing.bars(groups, WORDS["win_rate"], WORDS["even"], language) if groups else None


def _rows(found: Found, question: str) -> list[tuple[JudgedAnswer | None, Sequence[Any]]]:
    """(answer, what was said of it) for every answer to a question; a verdict stands with no answer of its own."""
    every = found.said[question]
    if every and isinstance(every[0], Verdict):
        used = dict.fromkeys(key for one in every for key in (one.left_response, one.right_response))
        return [(found.answers.get(key), ()) for key in used] + [(None, every)]
    grouped: dict[str, list[Any]] = defaultdict(list)
    for one in every:
        grouped[one.response_id].append(one)
    return [(found.answers.get(key), own) for key, own in grouped.items()]
