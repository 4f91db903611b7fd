"""The stage `report`: one self-contained page, the tables as CSV and LaTeX, the flow as a picture, two cards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from huatuo import store
from huatuo.progress import bar
from huatuo.recipe import ReportSettings, RunSettings
from huatuo.report import cards, figures, tables
from huatuo.report.collect import Found, Loss, collect
from huatuo.report.words import BASELINES, GROUPS, METRICS, STAGES, VERDICTS, WORDS, Label, label, spoken

LONGEST_ANSWER = 600
"""Characters of an answer that are shown; the rest is counted."""

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that no HTML page may hold."""


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
        progress.advance()
        for name in ("zh", "en"):
            svg = figures.flow(stations(found, rows), WORDS["flow"], language=name)
            files[f"flow.{name}.svg"] = figures.standalone(svg)
            if rows:
                scores = figures.bars([_bar_group(row) for row in rows], WORDS["scores"], WORDS["baseline"], name)
                files[f"scores.{name}.svg"] = figures.standalone(scores)
        for name, text in files.items():
            store.write_atomic(out.folder / name, clean(text))
        out.figures["rows"] = float(len(rows))
        out.figures["worse than base"] = float(sum(row.verdict == "worse" for row in rows))
        progress.advance()


def clean(text: str) -> str:
    """The text with characters that a page may not hold shown as the replacement character."""
    return _CONTROLS.sub("\ufffd", text)


# ---------------------------------------------------------------- the page


def html(settings: ReportSettings, run: RunSettings, found: Found, rows: list[tables.Row]) -> str:
    """The whole page. Everything that is not ours passes through the template's escaping."""
    language = settings.language
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("huatuo", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: (
            value if isinstance(value, Markup) else clean(value) if isinstance(value, str) else value
        ),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html.j2")
    return template.render(
        run=run,
        found=found,
        rows=rows,
        language=language,
        demo=WORDS["demo"],
        t=lambda key: spoken(WORDS[key], language),
        group=lambda name: spoken(label(GROUPS, name), language),
        metric=lambda name: spoken(label(METRICS, name), language),
        baseline=lambda name: spoken(label(BASELINES, name.removeprefix("baseline: ")), language),
        stage=lambda name: spoken(label(STAGES, name), language),
        verdict=lambda name: spoken(VERDICTS[name], language),
        percent=tables.percent,
        points=tables.points,
        interval=tables.interval,
        shown=tables.shown,
        is_difference=tables.is_difference,
        answer=shorten,
        warnings=[(key, _groups(rows, code)) for key, code in _WARNINGS if _groups(rows, code)],
        flows=flows(found, rows, language),
        charts=charts(found, rows, language),
        leaks=[figure for figure in found.figures if tables.is_count(figure)],
        stage_figures=stage_figures(found),
        pair_table=pair_table(found.pairs),
        recipe=recipe_lines(found),
        versions=versions(found),
        signatures=sorted({figure.signature for figure in found.figures if figure.signature}),
        seed=next((m.seed for m in found.manifests.values()), run.seed),
    )


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
    lines: list[tuple[str, str, str]] = []
    for stage, manifest in found.manifests.items():
        lines += [(stage, key, value) for key, value in _flat("", manifest.recipe)]
    return lines


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
    boxes = stations(found, rows)
    return [figures.flow(boxes, WORDS["flow"], vertical, language) for vertical in (False, True)]


def charts(found: Found, rows: list[tables.Row], language: str) -> list[tuple[str, Markup]]:
    """(word of the caption, picture) of each chart that there is data for."""
    drawn = []
    groups = [_bar_group(row) for row in rows]
    if groups:
        drawn.append(("scores", figures.bars(groups, WORDS["scores"], WORDS["baseline"], language)))
    if found.shares:
        picture = figures.stacked_shares(
            found.shares, found.positions, WORDS["composition"], WORDS["position"], language
        )
        drawn.append(("composition", picture))
    if found.curve:
        drawn.append(("loss", figures.curve(found.curve, WORDS["loss"], WORDS["step"], language)))
    return drawn


def _bar_group(row: tables.Row) -> figures.BarGroup:
    marks = []
    for figure, name in ((row.base, "base"), (row.ours, "ours")):
        if figure is not None:
            marks.append(figures.Mark(WORDS[name], figure.value, figure.low, figure.high, ours=name == "ours"))
    zh, en = label(GROUPS, row.group)
    measure = label(METRICS, row.metric)
    baseline = row.baseline.value if row.baseline else None
    return figures.BarGroup((f"{zh}（{measure[0]}）", f"{en} ({measure[1]})"), tuple(marks), baseline)


def stations(found: Found, rows: list[tables.Row]) -> list[figures.Station]:
    """The six boxes from knowledge to answers with their counts."""
    loss = f"{found.curve[0][1]:.3g} → {found.curve[-1][1]:.3g}" if found.curve else "–"
    models = len({figure.model for figure in found.figures if figure.model in ("base", "ours")})
    knowledge = [
        _counted(found.rows("ingest", "facts"), "条事实", "facts"),
        _counted(found.rows("ingest", "entities"), "个实体", "entities"),
        _counted(found.rows("ingest", "documents"), "篇文档", "documents"),
    ]
    passages = [_counted(found.rows("curate", "passages"), "段", "passages")]
    pairs = [
        _counted(found.rows("synth", "pairs"), "对生成", "made"),
        _counted(found.rows("unify", "pairs"), "对可用", "kept"),
    ]
    order = [_counted(found.positions, "个位置", "positions"), _counted(len(found.shares), "个来源", "sources")]
    training = [
        _counted(found.rows("train", "steps"), "步", "steps"),
        _counted(found.tokens, "词元", "tokens"),
        (f"损失 {loss}", f"loss {loss}"),
    ]
    answers = [_counted(found.rows("ask", "responses"), "个回答", "answers"), _counted(models, "个模型", "models")]
    return [
        _station(found, "知识", "Knowledge", ("ingest",), knowledge),
        _station(found, "段落", "Passages", ("curate",), passages),
        _station(found, "问答对", "Pairs", ("synth", "unify"), pairs),
        _station(found, "训练顺序", "Order", ("order", "tokenise"), order),
        _station(found, "训练", "Training", ("train",), training),
        _station(found, "回答", "Answers", ("ask", "score"), [*answers, *_headline(rows)]),
    ]


def _counted(n: int, zh: str, en: str) -> Label:
    return f"{n:,} {zh}", f"{n:,} {en}"


def _headline(rows: list[tables.Row]) -> list[Label]:
    """Base and ours of the first row: the question that the whole run asks."""
    if not rows:
        return []
    base, ours = (tables.percent(figure.value if figure else None) for figure in (rows[0].base, rows[0].ours))
    return [(f"{base} → {ours}",) * 2]


def _station(found: Found, zh: str, en: str, stages: tuple[str, ...], lines: list[Label]) -> figures.Station:
    ran = any(stage in found.manifests for stage in stages)
    if not ran:
        return figures.Station((zh, en), (WORDS["not_run"],), (), run=False)
    lost = sorted((loss for loss in found.losses if loss.stage in stages), key=lambda loss: -loss.count)
    shown = [_lost(loss) for loss in lost[:3]]
    if rest := sum(loss.count for loss in lost[3:]):
        shown.append((f"− {rest:,} 其他", f"− {rest:,} other rules"))
    return figures.Station((zh, en), tuple(lines), tuple(shown))


def _lost(loss: Loss) -> Label:
    return f"− {loss.count:,} {loss.rule}", f"− {loss.count:,} {loss.rule}"
