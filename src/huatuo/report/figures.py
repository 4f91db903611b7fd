"""Figures as inline SVG with live text, made by small functions: no library, no script, readable in grey.

Colours are Okabe and Ito's palette (2008), which colour-blind readers can tell apart, in an order whose lightness
alternates so that neighbours also differ on a grey print.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from huatuo.report.words import Label

PALETTE = ("#0072B2", "#E69F00", "#004D40", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#6E6E6E")
"""Series colours; the last is for what is lumped together."""

INK, MUTED, LINE, FILL = "#1a1a1a", "#555555", "#9a9a9a", "#f4f6f8"
WIDTH, HEIGHT = 356, 270
"""User units of a chart: drawn for a phone, where one unit is a pixel."""
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 14, 42
SMALL = 12
"""Smallest type."""
NARROW = frozenset(" .,:;|!'()[]il")
"""Characters of about half the width of a letter."""
DASHES = ("", "9 3", "4 3", "2 3", "12 3 2 3", "9 3 2 3 2 3", "6 6", "1 3")
"""Patterns of lines, so that they can be told apart in grey."""
FONT = "system-ui, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"


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
    """Bars that belong together, what they rest on, and the baseline that they stand against."""

    name: Label
    marks: tuple[Mark, ...]
    baseline: float | None = None
    rests_on: Label = ("", "")


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
        size = float(str(attributes.get("font_size", SMALL)))
        if both[0] == both[1] or self.language != "both":
            self._one(x, y, both[self.language == "en"], width / size, "", attributes)
            return
        for name, word in zip(("zh", "en"), both, strict=True):
            self._one(x, y, word, width / size, name, attributes)

    def _one(self, x: float, y: float, word: str, ems: float, css: str, attributes: dict[str, object]) -> None:
        shown = fit(word, ems) if ems else word
        every = {"x": _n(x), "y": _n(y), "font_size": SMALL, "fill": INK, **attributes}
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
    """Estimated width of a text in font sizes: 1 for a Chinese character, 0.56 for others, 0.34 for narrow ones."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.34 if c in NARROW else 0.56 for c in text)


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
        canvas.text(LEFT - 6, y + 4, name, text_anchor="end", font_size=SMALL, fill=MUTED)
    for value in (tick for tick in ticks(0.0, x_end) if tick <= x_end):
        x = _at(value, (0.0, x_end), LEFT, WIDTH - RIGHT)
        canvas.add("line", x1=_n(x), x2=_n(x), y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4, stroke=LINE)
        anchor = "end" if x > WIDTH - RIGHT - 16 else "middle"
        canvas.text(x, HEIGHT - BOTTOM + 17, short(value), text_anchor=anchor, font_size=SMALL, fill=MUTED)
    canvas.add("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, stroke=LINE)
    canvas.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, text_anchor="middle", fill=MUTED)


def _at(value: float, scale: Sequence[float], start: float, end: float) -> float:
    span = scale[-1] - scale[0] or 1.0
    return start + (end - start) * (value - scale[0]) / span


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in pairs)


@dataclass(frozen=True)
class Source:
    """How far one source came along the training order."""

    name: str
    items: int
    """All of it that the order holds."""
    reached: tuple[tuple[float, float], ...]
    """(position, share of its items up to there)."""

    @property
    def share(self) -> float:
        """The share of its items that was reached at all."""
        return self.reached[-1][1]

    @property
    def last(self) -> float:
        """The position after which no more of it comes."""
        return next(position for position, share in self.reached if share >= self.share)

    def says(self, learned: bool) -> Label:
        """How much of it there is, and where it ends; ``learned``: in a training, not in the order alone."""
        end, items = short(self.last), f"{self.items:,}"
        if not learned:
            return f"{items} 条，排到 {end}", f"{items}, the last at {end}"
        if self.share >= 1:
            return f"{items} 条，到 {end} 学完", f"{items}, learned by {end}"
        part = f"{round(self.share * self.items):,}"
        return f"{items} 条中学了 {part} 条", f"{part} of {items} learned"


@dataclass(frozen=True)
class Beside:
    """What stands beside the lines of `progress`."""

    even: Label
    """Name of the diagonal: what even mixing would give."""
    expected: Label = ("", "")
    """Name of the closed form's lines."""
    lines: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """(position, share expected) of each source that has such a line."""


def progress(
    found: Sequence[Source],
    total: int,
    title: Label,
    x_name: Label,
    beside: Beside,
    language: str = "both",
    learned: bool = True,
) -> Markup:
    """A line per source: the share of its items that is learned by a position, or where it is not ``learned``, that the
    order holds. A small source is as visible as a large one, and where it ends is marked and said below; a thin dotted
    line in it is what its weight lets expect, and the dashed diagonal what even mixing would give."""
    canvas, y_ticks, scale = Canvas(language), (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, float(total))
    _frame(canvas, float(total), y_ticks, x_name, share=True)

    def place(x: float, y: float) -> tuple[float, float]:
        return _at(x, scale, LEFT, WIDTH - RIGHT), _at(y, y_ticks, HEIGHT - BOTTOM, TOP)

    diagonal = _points((place(0.0, 0.0), place(float(total), 1.0)))
    canvas.add("polyline", points=diagonal, fill="none", stroke=MUTED, stroke_width=1, stroke_dasharray="3 4")
    for index, source in enumerate(found):
        colour = PALETTE[index % len(PALETTE)]
        line = _points(place(x, y) for x, y in source.reached if x <= source.last)
        style = {"stroke_dasharray": DASHES[index % len(DASHES)]} if index % len(DASHES) else {}
        canvas.add("polyline", points=line, fill="none", stroke=colour, stroke_width=2.5, **style)
        if wanted := beside.lines.get(source.name):
            thin = {"stroke": INK, "stroke_width": 1, "stroke_dasharray": "1 3"}
            canvas.add("polyline", points=_points(place(x, y) for x, y in wanted), fill="none", **thin)
        x, y = place(source.last, source.share)
        canvas.add("circle", cx=_n(x), cy=_n(y), r=4.5, fill=colour, stroke="#ffffff")
        row = HEIGHT + 8 + 20 * index
        canvas.add("line", x1=4, x2=34, y1=row, y2=row, stroke=colour, stroke_width=2.5, **style)
        ends, name = source.says(learned), fit(source.name, 12)
        canvas.text(42, row + 4, (f"{name}：{ends[0]}", f"{name}: {ends[1]}"), width=WIDTH - 44)
    row = HEIGHT + 8 + 20 * len(found)
    if beside.lines:
        canvas.add("line", x1=4, x2=34, y1=row, y2=row, stroke=INK, stroke_width=1, stroke_dasharray="1 3")
        canvas.text(42, row + 4, beside.expected, fill=MUTED)
        row += 20
    canvas.add("line", x1=4, x2=34, y1=row, y2=row, stroke=MUTED, stroke_width=1, stroke_dasharray="3 4")
    canvas.text(42, row + 4, beside.even, fill=MUTED)
    return canvas.svg(WIDTH, row + 14, title)


def curve(
    points: Sequence[tuple[float, float, float, float]],
    title: Label,
    x_name: Label,
    language: str = "both",
    beside: tuple[Label, Label, Sequence[tuple[float, float]]] | None = None,
) -> Markup:
    """A line with the band between its lowest and highest values: points are (x, mean, low, high).

    ``beside``: what the line is, and a second, dashed one of (x, y) with what it is; both stand below the chart.
    """
    canvas, second = Canvas(language), beside[2] if beside else ()
    x_end = points[-1][0]
    y_ticks = ticks(min(0.0, min(p[2] for p in points)), max([p[3] for p in points] + [y for _, y in second]))
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
    if not beside or not second:
        return canvas.svg(WIDTH, HEIGHT, title)
    dashed = {"stroke": PALETTE[5], "stroke_width": 2, "stroke_dasharray": DASHES[2]}
    canvas.add("polyline", points=_points(place(x, y) for x, y in second), fill="none", **dashed)
    for x, y in second:
        canvas.add("circle", cx=_n(place(x, y)[0]), cy=_n(place(x, y)[1]), r=2, fill=PALETTE[5])
    ends = f": {second[0][1]:.3g} → {second[-1][1]:.3g}"
    styles = ({"stroke": PALETTE[0], "stroke_width": 2}, dashed)
    names = (beside[0], (beside[1][0] + ends, beside[1][1] + ends))
    for row, style, name in zip((HEIGHT + 8, HEIGHT + 28), styles, names, strict=True):
        canvas.add("line", x1=4, x2=34, y1=row, y2=row, **style)
        canvas.text(42, row + 4, name, width=WIDTH - 44)
    return canvas.svg(WIDTH, HEIGHT + 54, title)


def curves(
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], title: Label, x_name: Label, language: str = "both"
) -> Markup:
    """A line for each name: points are (x, y); below, each line with its name and its last value."""
    canvas, every = Canvas(language), [point for _, points in lines for point in points]
    x_end = max(x for x, _ in every)
    y_ticks = ticks(min(0.0, *(y for _, y in every)), max(y for _, y in every))
    _frame(canvas, x_end, y_ticks, x_name, share=False)
    for index, (name, points) in enumerate(lines):
        colour = PALETTE[index % len(PALETTE)]
        style = {"stroke_dasharray": DASHES[index % len(DASHES)]} if index % len(DASHES) else {}
        places = [(_at(x, (0.0, x_end), LEFT, WIDTH - RIGHT), _at(y, y_ticks, HEIGHT - BOTTOM, TOP)) for x, y in points]
        canvas.add("polyline", points=_points(places), fill="none", stroke=colour, stroke_width=2, **style)
        row = HEIGHT + 8 + 20 * index
        canvas.add("line", x1=4, x2=34, y1=row, y2=row, stroke=colour, stroke_width=2.5, **style)
        canvas.text(42, row + 4, f"{fit(name, 24)}: {points[-1][1]:.3g}", width=WIDTH - 44)
    return canvas.svg(WIDTH, HEIGHT + 14 + 20 * len(lines), title)


def bars(groups: Sequence[BarGroup], title: Label, baseline_name: Label, language: str = "both") -> Markup:
    """Horizontal bars with intervals: base hollow, ours solid, the baseline as a dashed line with its name."""
    canvas, y, left, right = Canvas(language), 8.0, 56, 54
    span = WIDTH - left - right
    for group in groups:
        canvas.text(4, y + 13, group.name, width=WIDTH - 8, font_weight=600, font_size=13)
        if any(group.rests_on):
            y += 17
            canvas.text(4, y + 13, group.rests_on, width=WIDTH - 8, fill=MUTED)
        y += 20
        for mark in group.marks:
            _bar(canvas, mark, (left, span), y, group.baseline)
            y += 21
        if group.baseline is not None:
            _dashed(canvas, left + span * group.baseline, y - 21 * len(group.marks) - 2, y - 2)
        y += 10
    for i in range(5):
        x = left + span * i / 4
        canvas.add("line", x1=_n(x), x2=_n(x), y1=_n(y - 4), y2=_n(y), stroke=LINE)
        canvas.text(x, y + 13, f"{i * 25}%", text_anchor="middle", fill=MUTED)
    canvas.add("line", x1=left, x2=left + span, y1=_n(y - 4), y2=_n(y - 4), stroke=LINE)
    if any(group.baseline is not None for group in groups):
        _dashed(canvas, 14, y + 22, y + 38)
        canvas.text(24, y + 34, baseline_name, fill=MUTED)
        y += 20
    return canvas.svg(WIDTH, y + 22, title)


def _dashed(canvas: Canvas, x: float, y1: float, y2: float) -> None:
    style = {"stroke": PALETTE[5], "stroke_width": 2, "stroke_dasharray": "4 2"}
    canvas.add("line", x1=_n(x), x2=_n(x), y1=_n(y1), y2=_n(y2), **style)


def _bar(canvas: Canvas, mark: Mark, across: tuple[float, float], y: float, baseline: float | None) -> None:
    left, span = across
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
    shown = f"{100 * mark.value:.1f}%"
    x = left + span * end + 5
    if baseline is not None and x - 4 <= left + span * baseline <= x + SMALL * ems(shown) + 4:
        x = left + span * baseline + 5  # the dashed line would run through the number
    canvas.text(x, y + 13, shown)


def standalone(svg: Markup, width: int = 720) -> str:
    """The picture as a file of its own: an XML header, a white ground, and a size of ``width`` pixels, beyond which a
    page does not blow it up."""
    opened, closed, rest = str(svg).partition("</title>")
    wide, high = (float(size) for size in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', opened)[0])
    opened = opened.replace("<svg ", f'<svg width="{width}" height="{round(width * high / wide)}" ', 1)
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opened}{closed}{ground}{rest}\n'
