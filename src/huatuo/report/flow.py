"""The flow: the path from knowledge to answers as boxes with counts, and what was lost beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from huatuo.report import names, tables
from huatuo.report.collect import Found, Loss
from huatuo.report.figures import FILL, LINE, MUTED, PALETTE, Canvas
from huatuo.report.words import WORDS, Label

TITLE, ROW, LOST, LINK = 36, 21, 20, 30
"""Heights within the flow: the head of a box, a line of it, a line of what was lost, an arrow to the next row."""
HEAD, LINES = 17, 15
"""Sizes of type: of a title, of a line."""
BOXES = {6: 192.0, 2: 250.0, 1: 340.0}
"""Width of a box by the number of boxes in a row: for wide screens, for a picture in a text, for phones."""
GAP = 26.0
"""Width between boxes."""


@dataclass(frozen=True)
class Station:
    """One box of the flow: what there is, and below it what was lost."""

    title: Label
    lines: tuple[Label, ...]
    lost: tuple[Label, ...] = ()
    run: bool = True


# ---------------------------------------------------------------- what the boxes say


def stations(found: Found, rows: Sequence[tables.Row]) -> list[Station]:
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
    order = [
        _counted(found.positions, "个位置", "positions"),
        _counted(len(found.composition.sources) if found.composition else 0, "个来源", "sources"),
    ]
    training = [
        _counted(found.rows("train", "steps"), "步", "steps"),
        _counted(found.tokens, "词元", "tokens"),
        (f"损失 {loss}", f"loss {loss}"),
    ]
    if found.held_out:
        models = max(models, len({name for pair in found.held_out for name, _ in pair.said}))
    said = found.rows("ask", "responses") + found.rows("ask", "held_out")
    answers = [_counted(said, "个回答", "answers")]
    headline = _headline(rows) or [_counted(models, "个模型", "models")]
    return [
        _station(found, "知识", "Knowledge", ("ingest",), knowledge),
        _station(found, "段落", "Passages", ("curate",), passages),
        _station(found, "问答对", "Pairs", ("synth", "unify"), pairs),
        _station(found, "训练顺序", "Order", ("order", "tokenise"), order),
        _station(found, "训练", "Training", ("train",), training),
        _station(found, "回答", "Answers", ("ask", "score"), [*answers, *headline]),
    ]


def not_named(found: Found, *stages: str) -> bool:
    """Whether the recipe names nothing for the stages: those of them that ran have written no table."""
    ran = [found.manifests[stage] for stage in stages if stage in found.manifests]
    return bool(ran) and not any(manifest.tables for manifest in ran)


def _counted(n: int, zh: str, en: str) -> Label:
    return f"{n:,} {zh}", f"{n:,} {en}"


def _headline(rows: Sequence[tables.Row]) -> list[Label]:
    """The first row that has a number, by name, n, metric, base and ours with intervals: what the run asks."""
    row = next((row for row in rows if row.ours is not None and row.ours.value is not None), None)
    if row is None:
        return []
    measure = names.metric(row.metric)
    lines = [
        names.label(names.GROUPS, row.group),
        (f"{measure[0]} %，n = {row.n:,}", f"{measure[1]} %, n = {row.n:,}"),
    ]
    for key, figure in (("base", row.base), ("ours", row.ours)):
        if figure is not None and figure.value is not None:
            number = f"{100 * figure.value:.1f} {tables.interval(figure)}".rstrip()
            lines.append((f"{WORDS[key][0]} {number}", f"{WORDS[key][1]} {number}"))
    return lines


def _station(found: Found, zh: str, en: str, stages: tuple[str, ...], lines: list[Label]) -> Station:
    if not any(stage in found.manifests for stage in stages):
        return Station((zh, en), (WORDS["not_run"],), (), run=False)
    if not_named(found, *stages):
        return Station((zh, en), (WORDS["not_named"],), (), run=False)
    lost = sorted((loss for loss in found.losses if loss.stage in stages), key=lambda loss: -loss.count)
    shown = [_lost(loss) for loss in lost[:3]]
    if rest := sum(loss.count for loss in lost[3:]):
        shown.append((f"− {rest:,} 其他", f"− {rest:,} other rules"))
    return Station((zh, en), tuple(lines), tuple(shown))


def _lost(loss: Loss) -> Label:
    zh, en = names.rule(loss.rule)
    return f"− {loss.count:,} {zh}", f"− {loss.count:,} {en}"


# ---------------------------------------------------------------- the picture


def flow(boxes: Sequence[Station], title: Label, columns: int = 6, language: str = "both") -> Markup:
    """The boxes in rows of ``columns`` (6, 2 or 1), joined by arrows, with the losses below each box."""
    canvas, box, y, foot = Canvas(language), BOXES[columns], 2.0, 0.0
    for start in range(0, len(boxes), columns):
        row = boxes[start : start + columns]
        tall = TITLE + ROW * max(len(station.lines) for station in row)
        lost = max(len(station.lost) for station in row)
        last = start + columns >= len(boxes)
        if start:
            _down(canvas, 2 + (columns - 1) * (box + GAP) + 24, foot, 26, y - 3)
        for place, station in enumerate(row):
            x = 2 + place * (box + GAP)
            _box(canvas, station, (x, y, box, tall))
            if place:
                _arrow(canvas, (x - GAP + 2, y + tall / 2), (x - 3, y + tall / 2))
            beside = not last and place == columns - 1  # the arrow to the next row passes here
            _losses(canvas, station, x, y + tall, box, 40 if beside else 16)
        foot = y + tall
        y = foot + LOST * lost + (10 if last else LINK)
    return canvas.svg(min(columns, len(boxes)) * (box + GAP) - GAP + 4, y, title, f"flow columns-{columns}")


def _box(canvas: Canvas, station: Station, at: tuple[float, float, float, float]) -> None:
    x, y, wide, tall = at
    style: dict[str, object] = {"fill": FILL, "stroke": PALETTE[0], "stroke_width": 1.5}
    if not station.run:
        style = {"fill": "#ffffff", "stroke": LINE, "stroke_width": 1.5, "stroke_dasharray": "5 4"}
    canvas.add("rect", x=x, y=y, width=wide, height=tall, rx=6, **style)
    canvas.text(x + 12, y + 25, station.title, font_size=HEAD, font_weight=700)
    for row, words in enumerate(station.lines):
        canvas.text(x + 12, y + 48 + ROW * row, words, width=wide - 18, font_size=LINES)


def _losses(canvas: Canvas, station: Station, x: float, y: float, wide: float, indent: float) -> None:
    for row, words in enumerate(station.lost):
        canvas.text(x + indent, y + 20 + LOST * row, words, width=wide + 8 - indent, fill=MUTED, font_size=LINES)
    if station.lost and indent < 24:
        style = {"stroke": LINE, "stroke_dasharray": "3 3", "fill": "none"}
        canvas.add("path", d=f"M{x + 8:g} {y:g}V{y + 6 + LOST * len(station.lost):g}", **style)


def _arrow(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x1, y1), (x2, y2) = start, end
    canvas.add("path", d=f"M{x1:g} {y1:g}H{x2:g}", stroke=MUTED, stroke_width=1.5, fill="none")
    canvas.add("polygon", points=f"{x2:g},{y2:g} {x2 - 6:g},{y2 - 4:g} {x2 - 6:g},{y2 + 4:g}", fill=MUTED)


def _down(canvas: Canvas, x1: float, y1: float, x2: float, y2: float) -> None:
    """From below the last box of a row to above the first of the next."""
    path = f"M{x1:g} {y1:g}V{y2 - 12:g}H{x2:g}V{y2:g}"
    canvas.add("path", d=path, stroke=MUTED, stroke_width=1.5, fill="none")
    canvas.add("polygon", points=f"{x2:g},{y2:g} {x2 - 4:g},{y2 - 6:g} {x2 + 4:g},{y2 - 6:g}", fill=MUTED)
