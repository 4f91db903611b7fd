"""Precision and recall of thresholds as lines, table, figure and page; the chosen one as a file that a recipe names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from huatuo.files import canonical_json, write_atomic
from huatuo.records_curated import Calibration, ThresholdCount
from huatuo.report.figures import HEIGHT, INK, MUTED, PALETTE, WIDTH, Canvas, standalone
from huatuo.report.words import Label, spoken
from huatuo.text.cells import clean
from huatuo.text.interval import wilson
from huatuo.text.pages import page_template

Share = tuple[float, float, float] | None
"""A share with both ends of its Wilson interval at 95 %; None where nothing was counted."""

WORDS: dict[str, Label] = {
    "density": ("医学词覆盖率（千分之几）", "Density of terms (thousandths of the characters)"),
    "filter": ("学习过滤器（对数几率，千分之几）", "Learned filter (log-odds, thousandths)"),
    "threshold": ("阈值", "threshold"),
    "kept": ("留下", "kept"),
    "precision": ("精确率", "precision"),
    "recall": ("召回率", "recall"),
    "density_note": (
        "阈值由四分之三的判断选出，并在另外四分之一上测量。括号内为 95% 置信区间。",
        "The threshold was chosen on three judgements of four and measured on the fourth. Intervals are at 95 %.",
    ),
    "filter_note": (
        "过滤器由四分之三的判断学得；此表只用另外四分之一。括号内为 95% 置信区间。",
        "The filter learned from three judgements of four; this table is of the fourth alone. Intervals are at 95 %.",
    ),
    "chosen": ("选定", "chosen"),
    "density_measured": ("在未参与选择的文本上", "on texts that did not choose it"),
    "filter_measured": (
        "在未参与学习的文本上（阈值在其上选出，略偏乐观）",
        "on texts that did not teach it (they chose the threshold, so this flatters a little)",
    ),
}


def shares(one: ThresholdCount) -> tuple[Share, Share]:
    """Precision and recall of a threshold."""
    return _share(one.right, one.kept), _share(one.right, one.wanted)


def _share(part: int, whole: int) -> Share:
    ends = wilson(part, whole)
    return None if ends is None else (part / whole, *ends)


def said(share: Share) -> str:
    """The share with its interval, ``–`` where there is none."""
    return "–" if share is None else f"{share[0]:.3f} [{share[1]:.3f}, {share[2]:.3f}]"


def lines(one: Calibration) -> list[str]:
    """The calibration for a terminal."""
    found = [WORDS[one.what][1], f"{'least':>7}  {'kept':>6}  {'precision':>22}  {'recall':>22}"]
    for row in one.table:
        precision, recall = map(said, shares(row))
        mark = "  <- chosen" if row.thousandths == one.chosen else ""
        found.append(f"{row.thousandths:>7}  {row.kept:>6,}  {precision:>22}  {recall:>22}{mark}")
    precision, recall = map(said, shares(one.measured))
    found.append(f"chosen {one.chosen}; {WORDS[f'{one.what}_measured'][1]}: precision {precision}, recall {recall}")
    return found


def to_csv(one: Calibration) -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [f"{name}{end}" for name in ("precision", "recall") for end in ("", "_low", "_high")]
    writer.writerow(["what", "texts", "thousandths", "kept", "right", "wanted", *ends])
    rows = [("choosing" if one.what == "density" else "held out", row) for row in one.table]
    for texts, row in [*rows, ("measured", one.measured)]:
        both = [f"{value:.4f}" for share in shares(row) for value in (share or ())]
        writer.writerow([one.what, texts, row.thousandths, row.kept, row.right, row.wanted, *both])
    return out.getvalue()


def figure(one: Calibration, language: str) -> Markup:
    """Precision and recall at each threshold with their intervals; the chosen one is marked."""
    width, high, left, top = WIDTH, HEIGHT, 42, 12
    bottom, right = high - 62, width - 8
    canvas = Canvas(language)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value

    for tick in (0, 0.25, 0.5, 0.75, 1):
        canvas.add("line", x1=left, x2=right, y1=f"{y(tick):.1f}", y2=f"{y(tick):.1f}", stroke="#dddddd")
        canvas.text(left - 6, y(tick) + 4, f"{tick:.0%}", text_anchor="end", fill=MUTED)
    step = (right - left) / max(len(one.table), 1)
    for place, row in enumerate(one.table):
        x = left + step * (place + 0.5)
        if row.thousandths == one.chosen:
            canvas.add("rect", x=f"{x - step / 2:.1f}", y=top, width=f"{step:.1f}", height=bottom - top, fill="#eef2f6")
        if place % max(1, round(len(one.table) / 6)) == 0:
            canvas.text(x, bottom + 16, str(row.thousandths), text_anchor="middle", fill=MUTED)
        for share, colour, shift in zip(shares(row), PALETTE, (-2.5, 2.5), strict=False):
            if share is not None:
                ends = {"y1": f"{y(share[1]):.1f}", "y2": f"{y(share[2]):.1f}"}
                canvas.add("line", x1=f"{x + shift:.1f}", x2=f"{x + shift:.1f}", stroke=colour, stroke_width=2, **ends)
                canvas.add("circle", cx=f"{x + shift:.1f}", cy=f"{y(share[0]):.1f}", r=3, fill=colour)
    canvas.text((left + right) / 2, high - 28, WORDS["threshold"], text_anchor="middle", fill=MUTED)
    for x, colour, key in ((left, PALETTE[0], "precision"), (left + 130, PALETTE[1], "recall")):
        canvas.add("circle", cx=x + 6, cy=high - 12, r=5, fill=colour)
        canvas.text(x + 18, high - 8, WORDS[key], fill=INK)
    return canvas.svg(width, high, WORDS[one.what])


def write(folder: Path, title: str, language: str, found: Sequence[Calibration]) -> list[Path]:
    """The files written into ``folder``: ``calibration.html``, and table, figure and the chosen threshold of each."""

    def words(label: Label) -> Markup:
        return spoken((clean(label[0]), clean(label[1])), language)

    page = page_template("report", "calibration.html.j2").render(
        title=title,
        language=language,
        t=lambda key: words(WORDS[key]),
        found=[(one, figure(one, language), [(row, *map(said, shares(row))) for row in one.table]) for one in found],
        measured=lambda one: [said(share) for share in shares(one.measured)],
    )
    files = {"calibration.html": page}
    for one in found:
        files[f"{one.what}.json"] = canonical_json(one.model_dump())
        files[f"{one.what}.csv"] = to_csv(one)
        files[f"{one.what}.svg"] = standalone(figure(one, "en" if language == "both" else language), 2 * WIDTH)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomic(folder / name, clean(text))
    return [folder / name for name in files]
