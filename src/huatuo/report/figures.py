"""Figures as inline SVG with live text, made by small functions: no library, no script, readable in grey.

Colours are Okabe and Ito's palette (2008), which colour-blind readers can tell apart, in an order whose lightness
alternates so that neighbours also differ on a grey print.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from huatuo.report.words import Label

PALETTE = ("#0072B2", "#E69F00", "#004D40", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#6E6E6E")
"""Series colours; the last is for what is lumped together."""

INK, MUTED, LINE, FILL = "#1a1a1a", "#555555", "#9a9a9a", "#f4f6f8"
WIDTH, HEIGHT = 400, 270
"""User units of a chart: drawn for a phone, where one unit is a little less than a pixel."""
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 14, 42
TITLE, ROW, LOST = 36, 20, 18
"""Heights within the flow: the head of a box, a line of it, a line of what was lost."""
FONT = "system-ui, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"


@dataclass(frozen=True)
class Station:
    """One box of the flow: what there is, and below it what was lost."""

    title: Label
    lines: tuple[Label, ...]
    lost: tuple[Label, ...] = ()
    run: bool = True


@dataclass(frozen=True)
class Mark:
    """One bar: a value from 0 to 1 with its interval."""

    name: Label
    value: float | None
    low: float | None = None
    high: float | None = None
    ours: bool = False


@dataclass(frozen=True)
class BarGroup:
    """Bars that belong together, and the baseline that they stand against."""

    name: Label
    marks: tuple[Mark, ...]
    baseline: float | None = None


@dataclass
class Canvas:
    """SVG elements in the making, in one language or in both."""

    language: str
    parts: list[Markup] = field(default_factory=list)

    def add(self, tag: str, **attributes: object) -> None:
        """An empty element; ``_`` in an attribute's name stands for ``-``."""
        self.parts.append(Markup("<{}{}/>").format(Markup(tag), _attributes(attributes)))

    def text(self, x: float, y: float, words: Label | str, width: float = 0.0, **attributes: object) -> None:
        """Live text, in both languages where the reader may switch, cut to ``width`` units where one is given."""
        both = (words, words) if isinstance(words, str) else words
        size = float(str(attributes.get("font_size", 12)))
        if both[0] == both[1] or self.language != "both":
            self._one(x, y, both[self.language == "en"], width / size, "", attributes)
            return
        for name, word in zip(("zh", "en"), both, strict=True):
            self._one(x, y, word, width / size, name, attributes)

    def _one(self, x: float, y: float, word: str, ems: float, css: str, attributes: dict[str, object]) -> None:
        shown = fit(word, ems) if ems else word
        every = {"x": _n(x), "y": _n(y), "font_size": 12, "fill": INK, **attributes}
        if css:
            every |= {"class": css, "lang": css}
        self.parts.append(Markup("<text{}>{}</text>").format(_attributes(every), shown))

    def svg(self, width: float, height: float, title: Label, css: str = "chart") -> Markup:
        """The finished picture; the title is read out by screen readers."""
        spoken = title[0] if title[0] == title[1] else f"{title[0]} / {title[1]}"
        name = {"zh": title[0], "en": title[1]}.get(self.language, spoken)
        return Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" class="{}" viewBox="0 0 {} {}" role="img" font-family="{}">'
            "<title>{}</title>{}</svg>"
        ).format(css, _n(width), _n(height), FONT, name, Markup("").join(self.parts))


def _attributes(attributes: dict[str, object]) -> Markup:
    pairs = [Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items()]
    return Markup("").join(pairs)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def ems(text: str) -> float:
    """Estimated width of a text in font sizes: 1 for a Chinese character, 0.56 for others."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)


def fit(text: str, width_ems: float) -> str:
    """The text, cut with … to an estimated width."""
    if ems(text) <= width_ems:
        return text
    while text and ems(text) + 1 > width_ems:
        text = text[:-1]
    return text + "…"


def short(value: float) -> str:
    """A count in few characters: 950, 12.5k, 3.1M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit * 10 or (unit > 1e3 and abs(value) >= unit):
            return f"{value / unit:.1f}".removesuffix(".0") + name
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, about ``wanted`` of them."""
    span = max(high - low, 1e-12)
    rough = span / max(wanted - 1, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


# ---------------------------------------------------------------- charts with axes


def _frame(canvas: Canvas, x_end: float, y_ticks: Sequence[float], x_name: Label, share: bool) -> None:
    """Axes with round numbers and thin rules, x from 0 to ``x_end``; the y axis in percent where it is a share."""
    for value in y_ticks:
        y = _at(value, y_ticks, HEIGHT - BOTTOM, TOP)
        canvas.add("line", x1=LEFT, x2=WIDTH - RIGHT, y1=_n(y), y2=_n(y), stroke="#dddddd", stroke_width=1)
        name = f"{value:.0%}" if share else short(value)
        canvas.text(LEFT - 6, y + 4, name, text_anchor="end", font_size=11, fill=MUTED)
    for value in (tick for tick in ticks(0.0, x_end) if tick <= x_end):
        x = _at(value, (0.0, x_end), LEFT, WIDTH - RIGHT)
        canvas.add("line", x1=_n(x), x2=_n(x), y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4, stroke=LINE)
        anchor = "end" if x > WIDTH - RIGHT - 16 else "middle"
        canvas.text(x, HEIGHT - BOTTOM + 17, short(value), text_anchor=anchor, font_size=11, fill=MUTED)
    canvas.add("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, stroke=LINE)
    canvas.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, text_anchor="middle", fill=MUTED)


def _at(value: float, scale: Sequence[float], start: float, end: float) -> float:
    span = scale[-1] - scale[0] or 1.0
    return start + (end - start) * (value - scale[0]) / span


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in pairs)


def stacked_shares(
    series: Sequence[tuple[str, Sequence[float]]], total: int, title: Label, x_name: Label, language: str = "both"
) -> Markup:
    """A stacked area chart of shares along ``total`` positions; each series has one share per bin."""
    canvas, bins = Canvas(language), len(series[0][1]) if series else 0
    y_ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    _frame(canvas, float(total), y_ticks, x_name, share=True)
    floor = [0.0] * bins
    xs = [LEFT + (WIDTH - RIGHT - LEFT) * i / max(bins - 1, 1) for i in range(bins)]
    for index, (_, shares) in enumerate(series):
        roof = [low + share for low, share in zip(floor, shares, strict=True)]
        edge = [(x, _at(v, y_ticks, HEIGHT - BOTTOM, TOP)) for x, v in zip(xs, roof, strict=True)]
        back = [(x, _at(v, y_ticks, HEIGHT - BOTTOM, TOP)) for x, v in zip(xs, floor, strict=True)]
        colour = PALETTE[index % len(PALETTE)]
        canvas.add("polygon", points=_points([*edge, *reversed(back)]), fill=colour, stroke="#ffffff", stroke_width=1)
        floor = roof
    rows = _legend(canvas, [name for name, _ in series])
    return canvas.svg(WIDTH, HEIGHT + rows * 18, title)


def _legend(canvas: Canvas, names: Sequence[str]) -> int:
    """Draw names with their colours below the chart; return the number of rows."""
    x, row = float(LEFT), 0
    for index, name in enumerate(names):
        shown = fit(name, 24)
        width = 18 + ems(shown) * 12 + 14
        if x + width > WIDTH and x > LEFT:
            x, row = float(LEFT), row + 1
        y = HEIGHT + 8 + row * 18
        canvas.add("rect", x=_n(x), y=_n(y - 9), width=12, height=12, fill=PALETTE[index % len(PALETTE)])
        canvas.text(x + 17, y + 1, shown)
        x += width
    return row + 1


def curve(
    points: Sequence[tuple[float, float, float, float]], title: Label, x_name: Label, language: str = "both"
) -> Markup:
    """A line with the band between its lowest and highest values: points are (x, mean, low, high)."""
    canvas = Canvas(language)
    x_end = points[-1][0]
    y_ticks = ticks(min(0.0, min(p[2] for p in points)), max(p[3] for p in points))
    _frame(canvas, x_end, y_ticks, x_name, share=False)

    def place(x: float, y: float) -> tuple[float, float]:
        return _at(x, (0.0, x_end), LEFT, WIDTH - RIGHT), _at(y, y_ticks, HEIGHT - BOTTOM, TOP)

    band = [place(p[0], p[3]) for p in points] + [place(p[0], p[2]) for p in reversed(points)]
    canvas.add("polygon", points=_points(band), fill=PALETTE[4], fill_opacity="0.35")
    line = _points(place(p[0], p[1]) for p in points)
    canvas.add("polyline", points=line, fill="none", stroke=PALETTE[0], stroke_width=2)
    for point, anchor in ((points[0], "start"), (points[-1], "end")):
        x, y = place(point[0], point[1])
        canvas.add("circle", cx=_n(x), cy=_n(y), r=3, fill=PALETTE[0])
        canvas.text(x + (8 if anchor == "start" else 0), y - 8, f"{point[1]:.3g}", text_anchor=anchor, font_weight=600)
    return canvas.svg(WIDTH, HEIGHT, title)


def bars(groups: Sequence[BarGroup], title: Label, baseline_name: Label, language: str = "both") -> Markup:
    """Horizontal bars with intervals: base hollow, ours solid, the baseline as a dashed line with its name."""
    canvas, y, left, right = Canvas(language), 8.0, 70, 52
    span = WIDTH - left - right
    ended = 0.0
    for group in groups:
        canvas.text(4, y + 13, group.name, width=WIDTH - 8, font_weight=600)
        top = y + 20
        y = top
        for mark in group.marks:
            _bar(canvas, mark, left, span, y)
            y += 21
        if group.baseline is not None:
            x = left + span * group.baseline
            canvas.add(
                "line",
                x1=_n(x),
                x2=_n(x),
                y1=_n(top - 2),
                y2=_n(y - 2),
                stroke=PALETTE[5],
                stroke_width=2,
                stroke_dasharray="4 2",
            )
        y += 10
        ended = y
    for i in range(5):
        x = left + span * i / 4
        canvas.add("line", x1=_n(x), x2=_n(x), y1=_n(ended - 4), y2=_n(ended), stroke=LINE)
        canvas.text(x, ended + 13, f"{i * 25}%", text_anchor="middle", font_size=11, fill=MUTED)
    canvas.add("line", x1=left, x2=left + span, y1=_n(ended - 4), y2=_n(ended - 4), stroke=LINE)
    if any(group.baseline is not None for group in groups):
        canvas.add(
            "line",
            x1=4,
            x2=24,
            y1=_n(ended + 30),
            y2=_n(ended + 30),
            stroke=PALETTE[5],
            stroke_width=2,
            stroke_dasharray="4 2",
        )
        canvas.text(30, ended + 34, baseline_name, fill=MUTED)
        ended += 20
    return canvas.svg(WIDTH, ended + 22, title)


def _bar(canvas: Canvas, mark: Mark, left: float, span: float, y: float) -> None:
    canvas.text(left - 6, y + 13, mark.name, width=left - 10, text_anchor="end")
    canvas.add("line", x1=_n(left), x2=_n(left), y1=_n(y), y2=_n(y + 17), stroke=LINE)
    if mark.value is None:
        canvas.text(left + 6, y + 13, "–", fill=MUTED)
        return
    style = {"fill": PALETTE[0]} if mark.ours else {"fill": "#ffffff", "stroke": MUTED, "stroke_width": 1.5}
    canvas.add("rect", x=_n(left), y=_n(y + 1), width=_n(max(span * mark.value, 1)), height=15, **style)
    end = mark.value
    if mark.low is not None and mark.high is not None:
        x1, x2, middle = left + span * mark.low, left + span * mark.high, y + 8.5
        path = f"M{_n(x1)} {_n(middle)}H{_n(x2)}M{_n(x1)} {_n(middle - 4)}v8M{_n(x2)} {_n(middle - 4)}v8"
        canvas.add("path", d=path, stroke=INK, stroke_width=1.5, fill="none")
        end = max(end, mark.high)
    canvas.text(left + span * end + 5, y + 13, f"{100 * mark.value:.1f}%")


# ---------------------------------------------------------------- the flow


def flow(stations: Sequence[Station], title: Label, vertical: bool = False, language: str = "both") -> Markup:
    """The path from knowledge to answers: a box with counts per station, joined by arrows, losses beside each box."""
    canvas = Canvas(language)
    if vertical:
        return _flow_down(canvas, stations, title)
    box, gap, tall = 180.0, 24.0, TITLE + ROW * max(len(s.lines) for s in stations)
    lost = max(len(s.lost) for s in stations)
    for index, station in enumerate(stations):
        x = 2 + index * (box + gap)
        _box(canvas, station, x, 2, box, tall)
        if index:
            _arrow(canvas, x - gap + 2, 2 + tall / 2, x - 3, 2 + tall / 2)
        for row, words in enumerate(station.lost):
            canvas.text(x + 16, 2 + tall + 26 + LOST * row, words, width=box - 6, fill=MUTED, font_size=13)
        if station.lost:
            foot = 2 + tall + 10 + LOST * len(station.lost)
            canvas.add(
                "path", d=f"M{_n(x + 8)} {_n(2 + tall)}V{_n(foot)}", stroke=LINE, stroke_dasharray="3 3", fill="none"
            )
    return canvas.svg(len(stations) * (box + gap) - gap + 4, tall + 20 + LOST * lost + 4, title, "flow wide")


def _flow_down(canvas: Canvas, stations: Sequence[Station], title: Label) -> Markup:
    y, box, foot = 2.0, 340.0, 0.0
    for index, station in enumerate(stations):
        tall = TITLE + ROW * len(station.lines)
        if index:
            _arrow(canvas, 24, foot, 24, y - 3)
        _box(canvas, station, 2, y, box, tall)
        foot = y + tall
        for row, words in enumerate(station.lost):
            canvas.text(44, foot + 20 + LOST * row, words, width=box - 46, fill=MUTED, font_size=13)
        y = foot + 24 + LOST * len(station.lost)
    return canvas.svg(box + 4, y - 14, title, "flow narrow")


def _box(canvas: Canvas, station: Station, x: float, y: float, wide: float, tall: float) -> None:
    style: dict[str, object] = {"fill": FILL, "stroke": PALETTE[0], "stroke_width": 1.5}
    if not station.run:
        style = {"fill": "#ffffff", "stroke": LINE, "stroke_width": 1.5, "stroke_dasharray": "5 4"}
    canvas.add("rect", x=_n(x), y=_n(y), width=_n(wide), height=_n(tall), rx=6, **style)
    canvas.text(x + 12, y + 24, station.title, font_size=17, font_weight=700)
    for row, words in enumerate(station.lines):
        canvas.text(x + 12, y + 46 + ROW * row, words, width=wide - 18, font_size=15)


def _arrow(canvas: Canvas, x1: float, y1: float, x2: float, y2: float) -> None:
    down = x1 == x2
    head = (
        f"{_n(x2 - 4)},{_n(y2 - 6)} {_n(x2 + 4)},{_n(y2 - 6)}"
        if down
        else f"{_n(x2 - 6)},{_n(y2 - 4)} {_n(x2 - 6)},{_n(y2 + 4)}"
    )
    canvas.add("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), stroke=MUTED, stroke_width=1.5)
    canvas.add("polygon", points=f"{_n(x2)},{_n(y2)} {head}", fill=MUTED)


def standalone(svg: Markup) -> str:
    """The picture as a file of its own: with an XML header and a white ground, so that it reads on any page."""
    opened, closed, rest = str(svg).partition("</title>")
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opened}{closed}{ground}{rest}\n'
