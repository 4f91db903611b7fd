"""The stage `report`: one self-contained page, the tables as CSV and LaTeX, the flow as a picture, two cards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from huatuo import store
from huatuo.progress import bar
from huatuo.recipe import ReportSettings, RunSettings
from huatuo.records import Figure
from huatuo.report import beside, cards, figures, flow, leaderboard, names, tables
from huatuo.report.collect import Found, collect
from huatuo.report.words import WORDS, Label, named, spoken
from huatuo.text.cells import clean
from huatuo.text.ngram import GRAM, THRESHOLDS
from huatuo.text.pages import page_template

LONGEST_ANSWER = 600
"""Characters of an answer that are shown; the rest is counted."""


def write(settings: ReportSettings, run: RunSettings, folders: Mapping[str, Path], out: store.Writer) -> None:
    """Write the page, its tables (CSV, LaTeX), the flow as SVG and two cards into ``out.folder``.

    ``folders`` holds the finished data set of each stage by name; parts whose stage is missing say so.
    Raises DataError for a data set that is unfinished or damaged.
    """
    with bar("report", total=3, unit="parts") as progress:
        found = collect(folders, settings.samples)
        progress.advance()
        rows = tables.result_rows(found.figures)
        language = "zh" if settings.language == "zh" else "en"
        files = {
            "report.html": html(settings, run, found, rows),
            "tables.csv": tables.to_csv(tables.results_table(rows, language)),
            "figures.csv": tables.to_csv(tables.figures_table(found.figures)),
            "tables.tex": tables.to_tex(rows, language),
            "model-card.md": cards.model_card(run, found, rows),
            "data-card.md": cards.data_card(run, found),
        }
        if made := boards(found, run.seed):
            files |= {
                "leaderboard.csv": tables.to_csv(leaderboard.board_table(made)),
                "comparisons.csv": tables.to_csv(leaderboard.comparison_table(made)),
                "leaderboard.tex": leaderboard.to_tex(made),
                "scores.csv": tables.to_csv(found.answers.scores) if found.answers else "",
            }
        for name, held in beside.every_file(found.figures, found.parts).items():
            files[name] = held if isinstance(held, str) else tables.to_csv(held)
        progress.advance()
        for name in ("zh", "en"):
            svg = flow.flow(flow.stations(found, rows), WORDS["flow"], columns=2, language=name)
            files[f"flow.{name}.svg"] = figures.standalone(svg)
            if groups := _bar_groups(rows):
                scores = figures.bars(groups, WORDS["scores"], WORDS["baseline"], name)
                files[f"scores.{name}.svg"] = figures.standalone(scores)
        for name, text in files.items():
            store.write_atomic(out.folder / name, clean(text))
        out.figures["rows"] = float(len(rows))
        out.figures["worse than base"] = float(sum(row.verdict == "worse" for row in rows))
        progress.advance()


# ---------------------------------------------------------------- the page


def html(settings: ReportSettings, run: RunSettings, found: Found, rows: list[tables.Row]) -> str:
    """The whole page. Everything that is not ours passes through the template's escaping."""
    signatures = sorted({figure.signature for figure in found.figures if figure.signature})
    return _template().render(
        **_vocabulary(settings),
        run=run,
        found=found,
        rows=rows,
        boards=boards(found, run.seed),
        ranked=bool(leaderboard.others(found.figures)),
        answers=found.answers,
        parts=beside.parts(found.parts),
        extractor=beside.extractor,
        language=settings.language,
        demo=WORDS["demo"],
        device=WORDS["device"],
        warnings=[(key, groups) for key, code in _WARNINGS if (groups := _groups(rows, code))],
        worse_than_before=next((example for rule, *_, example in found.noted if rule == "validation_worse"), ""),
        not_named=lambda *stages: flow.not_named(found, *stages),
        flows=flows(found, rows, settings.language),
        charts=charts(found, rows, settings.language),
        by_group=by_group(found.figures),
        has_overlap=any(figure.metric in ("bleu", "rouge-l") for figure in found.figures),
        leaks=[figure for figure in found.figures if tables.is_leak(figure)],
        bands=tables.bands(found.figures),
        safety=beside.safety(found.figures),
        outcomes=[figure for figure in found.figures if figure.name == tables.FACTS],
        grades=grades(),
        stage_figures=stage_figures(found),
        pair_table=pair_table(found.pairs),
        recipe=recipe_lines(found),
        versions=versions(found),
        signatures=signatures,
        signature_place={signature: f"S{place}" for place, signature in enumerate(signatures, 1)},
        seed=next((m.seed for m in found.manifests.values()), run.seed),
    )


def boards(found: Found, seed: int) -> list[leaderboard.Board]:
    """A board for each group of questions; the page shows them where models other than base and ours were asked, and
    else takes from them what there is to cite."""
    questions, asked = found.manifests.get("questions"), found.manifests.get("ask")
    each, cuts = (found.answers.how, found.answers.cuts) if found.answers else ({}, {})
    overlong = str(asked.recipe.get("overlong", "")) if asked else ""
    how = leaderboard.How(each, questions.digest if questions else "", seed, cuts, overlong)
    return leaderboard.boards(found.figures, how)


def _template() -> jinja2.Template:
    return page_template("report", "page.html.j2")


def _vocabulary(settings: ReportSettings) -> dict[str, Any]:
    """What the template says things with."""
    language = settings.language

    def said(words: Label | None) -> Markup:
        return spoken((clean(words[0]), clean(words[1])), language) if words else Markup("")

    def code(words: Label) -> Markup:
        return named((clean(words[0]), clean(words[1])), language)

    return {
        "t": lambda key: said(WORDS[key]),
        "samples_note": said(
            (WORDS["samples_note"][0].format(n=settings.samples), WORDS["samples_note"][1].format(n=settings.samples))
        ),
        "aria": lambda key: WORDS[key][language == "en"] if language != "both" else " / ".join(WORDS[key]),
        "group": lambda name: said(names.label(names.GROUPS, name)),
        "metric": lambda name: said(names.metric(name)),
        "baseline": lambda name: said(names.baseline(name)),
        "model": lambda name: said(names.label(names.MODELS, name)),
        "method": lambda name: said(names.method(name)),
        "stage": lambda name: said(names.label(names.STAGES, name)),
        "rule": lambda name: code(names.rule(name)),
        "why": lambda name: code(names.why(name)),
        "noted": lambda words: said(names.noted(words)),
        "kind": lambda name: code(names.chinese(names.KINDS, name)),
        "unscored": lambda name: code(names.chinese(names.UNSCORED, name)),
        "shape": lambda name: code(names.chinese(names.SHAPES, name)),
        "severity": lambda name: code(names.chinese(names.SEVERITIES, name)),
        "number": lambda name: code(names.number(name)),
        "grade": lambda name: code((names.label(names.GRADES, name)[0], name)),
        "said": said,
        "verdict": lambda row: said(tables.verdict_words(row)),
        "rests_on": lambda row: said(tables.rests_on(row.ours or row.base)),
        "tone": tone,
        "percent": tables.percent,
        "points": tables.points,
        "interval": tables.interval,
        "shown": tables.shown,
        "is_difference": tables.is_difference,
        "answer": shorten,
    }


_GOOD = ("learned", "control-holds")
_BAD = ("worse", "control-leak", "below-guessing", "unreadable")


def tone(row: tables.Row) -> str:
    """``good``, ``bad`` or ``level``: the colour of a row. Not knowing what was not taught is no fault."""
    expected = row.group == tables.NOT_TAUGHT and row.verdict == "below-guessing"
    return "good" if row.verdict in _GOOD else "bad" if row.verdict in _BAD and not expected else "level"


def by_group(every: list[Figure]) -> dict[str, list[Figure]]:
    """The figures by group, in their order."""
    found: dict[str, list[Figure]] = {}
    for figure in every:
        found.setdefault(figure.name, []).append(figure)
    return found


def grades() -> list[tuple[str, Label]]:
    """Each grade of overlap with its definition."""
    zh, en = WORDS["grade"]
    return [
        (grade, (zh.format(share=f"{share:.0%}", gram=GRAM), en.format(share=f"{share:.0%}", gram=GRAM)))
        for grade, share in THRESHOLDS
    ]


_WARNINGS = (("worse_first", "worse"), ("leak_first", "control-leak"))


def _groups(rows: list[tables.Row], verdict: str) -> list[str]:
    return [row.group for row in rows if row.verdict == verdict]


def shorten(text: str) -> str:
    """The beginning of an answer, and how much was left out."""
    if len(text) <= LONGEST_ANSWER:
        return text
    return f"{text[:LONGEST_ANSWER]} … (+{len(text) - LONGEST_ANSWER:,})"


def pair_table(pairs: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Pairs as a table: sources in the columns, shapes in the rows, with totals."""
    sources = sorted({source for _, source in pairs})
    shapes = sorted({shape for shape, _ in pairs})
    cells = {shape: [pairs.get((shape, source), 0) for source in sources] for shape in shapes}
    return {
        "sources": sources,
        "shapes": [(shape, line, sum(line)) for shape, line in cells.items()],
        "totals": [sum(column) for column in zip(*cells.values(), strict=True)],
        "total": sum(pairs.values()),
    }


def stage_figures(found: Found) -> list[tuple[str, str, float | None]]:
    """(stage, name, value) of the numbers that stages left in their manifests: tokens, cost, validation loss."""
    return [(stage, name, value) for stage, m in found.manifests.items() for name, value in m.figures.items()]


def recipe_lines(found: Found) -> list[tuple[str, str, str]]:
    """(stage, dotted key, value) of every resolved recipe table."""
    return [(stage, key, value) for stage, manifest in found.manifests.items() for key, value in recipe_of(manifest)]


def recipe_of(manifest: store.Manifest) -> list[tuple[str, str]]:
    """(dotted key, value) of the recipe that a stage was made with."""
    return _flat("", manifest.recipe)


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _flat(f"{prefix}.{key}" if prefix else str(key), item)]
    if isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
        return [line for i, item in enumerate(value) for line in _flat(f"{prefix}[{i}]", item)]
    return [(prefix, store.canonical_json(value))]


def versions(found: Found) -> list[tuple[str, str]]:
    """Packages with the version, or all versions, that the stages ran with."""
    seen: dict[str, dict[str, None]] = {}
    for manifest in found.manifests.values():
        for name, version in manifest.versions.items():
            seen.setdefault(name, {})[version] = None
    return [(name, ", ".join(every)) for name, every in sorted(seen.items())]


# ---------------------------------------------------------------- figures


def flows(found: Found, rows: list[tables.Row], language: str) -> list[Markup]:
    """The flow across for wide screens and down for phones; the page shows one of them."""
    boxes = flow.stations(found, rows)
    return [flow.flow(boxes, WORDS["flow"], columns, language) for columns in (6, 1)]


def charts(found: Found, rows: list[tables.Row], language: str) -> list[tuple[str, Markup]]:
    """(word of the caption, picture) of each chart that there is data for."""
    drawn = []
    if groups := _bar_groups(rows):
        drawn.append(("scores", figures.bars(groups, WORDS["scores"], WORDS["baseline"], language)))
    if (mix := found.composition) and mix.sources:
        key, axis = ("composition", "samples_learned") if mix.learned else ("composition_ordered", "position")
        beside = figures.Beside(WORDS["even"], WORDS["closed_form"], mix.expected)
        given = mix.sources, mix.total, WORDS[key], WORDS[axis], beside, language, mix.learned
        drawn.append((key, figures.progress(*given)))
    if found.curve:
        held_out = (WORDS["trained_loss"], WORDS["held_out_loss"], found.validation)
        drawn.append(("loss", figures.curve(found.curve, WORDS["loss"], WORDS["step"], language, held_out)))
    return drawn


def _bar_groups(rows: list[tables.Row]) -> list[figures.BarGroup]:
    return [_bar_group(row) for row in rows if row.n]


def _bar_group(row: tables.Row) -> figures.BarGroup:
    marks = []
    for figure, name in ((row.base, "base"), (row.ours, "ours")):
        if figure is not None:
            marks.append(figures.Mark(WORDS[name], figure.value, figure.low, figure.high, ours=name == "ours"))
    zh, en = names.label(names.GROUPS, row.group)
    measure = names.metric(row.metric)
    baseline = row.baseline.value if row.baseline else None
    groups = tables.rests_on(row.ours or row.base)
    rests = (
        f"n = {row.n:,}" + (f"（{groups[0]}）" if groups else ""),
        f"n = {row.n:,}" + (f" ({groups[1]})" if groups else ""),
    )
    return figures.BarGroup((f"{zh}（{measure[0]}）", f"{en} ({measure[1]})"), tuple(marks), baseline, rests)
