"""The page of curation at scale: what each step kept, why the rest was dropped, and texts to look at."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from huatuo.files import write_atomic
from huatuo.records_curated import FunnelCount, FunnelSample
from huatuo.report import names
from huatuo.report.figures import INK, MUTED, PALETTE, WIDTH, Canvas, short, standalone
from huatuo.report.tables import tex_table
from huatuo.report.words import Label, named, spoken
from huatuo.text.cells import clean
from huatuo.text.pages import page_template

DOMAIN = ("other_language", "off_domain")
"""Rules of the step that keeps the field's texts; all others before duplicates are of quality."""

STEPS: tuple[tuple[str, Label, float | None], ...] = (
    ("read", ("读入", "read"), 100.0),
    ("domain", ("领域", "domain"), 2.6),
    ("quality", ("质量", "quality"), 1.5),
    ("duplicates", ("去重", "no duplicates"), 0.7),
    ("exams", ("去考题", "no exam"), None),
    ("cut", ("段落文字", "in passages"), None),
)
"""Steps with what was left of HuatuoGPT-II's 1.1 TB after extraction, segmentation and cleaning, and de-duplication,
in percent of its size (arXiv 2311.09774, figure 2); it says nothing of exam questions, nor of cutting."""

WORDS: dict[str, Label] = {
    "steps": ("还剩多少", "What is left"),
    "steps_note": (
        "按字符数计，占读入的百分比。灰条是 HuatuoGPT-II 论文对其 1.1 TB 语料给出的数字：语料不同，只作参照。"
        "切分时留在段落之外的标题（写入题名）与空白，随其段落计入前面各步，最后一步只计段落本身的字符。",
        "In characters, as a share of what was read. Grey bars are HuatuoGPT-II's figures for its 1.1 TB, in bytes: "
        "another corpus, for comparison only. Headings (which go into titles) and blanks stay outside the passages "
        "when texts are cut: the steps before the last count them with their passages, the last one does not.",
    ),
    "ours": ("本次", "this run"),
    "theirs": ("HuatuoGPT-II", "HuatuoGPT-II"),
    "kinds": ("各来源、语言和体裁", "By source, language and genre"),
    "source": ("来源", "source"),
    "language": ("语言", "language"),
    "genre": ("体裁", "genre"),
    "texts": ("文本", "texts"),
    "passages": ("段落", "passages"),
    "chars": ("字符", "characters"),
    "stage": ("阶段", "stage"),
    "reasons": ("为何去掉", "Why the rest was dropped"),
    "reasons_note": (
        "每条文本只有一个原因：最先不合格的那条规则。每条规则下附若干样例，按编号抽取。",
        "Every text has one reason: the first rule that refused it. Under each rule are samples, drawn by their ids.",
    ),
    "rule": ("规则", "rule"),
    "witness": ("依据", "witness"),
    "account": ("收支", "The account"),
    "account_note": ("每个阶段：读入 = 留下 + 去掉。", "At every stage: read = kept + dropped."),
    "read": ("读入", "read"),
    "kept": ("留下", "kept"),
    "dropped": ("去掉", "dropped"),
}

SAID: dict[str, Label] = {
    "number": ("另一个数值", "another number"),
    "stance": ("禁忌、慎用或否定", "a ban, a caution or a denial"),
    "name": ("另一个名称", "another name"),
    "question": ("另一个问题", "another question"),
}
"""What a near passage may say that its neighbour does not."""

STAGES: dict[str, Label] = {
    "texts": ("读取", "texts"),
    "clean": ("筛选文本", "clean"),
    "segments": ("切分段落", "segments"),
    "kept": ("去重去题", "kept"),
}


@dataclass(frozen=True)
class Row:
    """What one kind of text was at each step."""

    kind: tuple[str, str, str]
    """Source, language, genre; three empty strings for all together."""
    texts: int
    """Texts read."""
    passages: int
    """Passages kept in the end."""
    chars: tuple[int, ...]
    """Characters left after each of `STEPS`; all but those of the last step count what cutting leaves outside the
    passages (headings, blanks) with the passages of the same kind of text, in proportion to their characters."""

    @property
    def shares(self) -> list[float]:
        """Characters left after each step as a share of those read; 0 where none were."""
        return [left / self.chars[0] if self.chars[0] else 0.0 for left in self.chars]


def rows(counts: Sequence[FunnelCount]) -> list[Row]:
    """All kinds together, then each kind, the largest first.

    A text whose language is told by a later stage counts under that one, also as read.
    """
    by_kind: dict[tuple[str, str, str], list[FunnelCount]] = defaultdict(list)
    for count in counts:
        by_kind[count.source, count.language, count.genre].append(count)
    every = [_row(kind, found) for kind, found in by_kind.items()]
    whole = [sum(left) for left in zip(*(row.chars for row in every), strict=True)] or [0] * len(STEPS)
    total = Row(("", "", ""), sum(row.texts for row in every), sum(row.passages for row in every), tuple(whole))
    made = [row for row in every if row.texts or row.passages]
    return [total, *sorted(made, key=lambda row: (-row.chars[0], row.kind))]


def _row(kind: tuple[str, str, str], counts: Sequence[FunnelCount]) -> Row:
    def of(stage: str, is_left: Callable[[str], bool], what: str = "chars") -> int:
        return sum(getattr(c, what) for c in counts if c.stage == stage and is_left(c.rule))

    texts = of("clean", lambda rule: True, "texts")  # what could not be read is among them, with 0 characters
    read = of("clean", lambda rule: True)
    domain = of("clean", lambda rule: rule not in DOMAIN)
    good, cut = of("clean", lambda rule: not rule), of("segments", lambda rule: True)

    def whole(left: int) -> int:
        """Characters of passages with their share of what cutting left out: no rule has dropped that."""
        return round(good * left / cut) if cut else 0

    quality = of("segments", lambda rule: not rule)
    new, kept = of("kept", lambda rule: rule in ("", "contaminated")), of("kept", lambda rule: not rule)
    steps = (read, domain, whole(quality), whole(new), whole(kept), kept)
    return Row(kind, texts, of("kept", lambda rule: not rule, "texts"), steps)


@dataclass(frozen=True)
class Reason:
    """One rule of one stage."""

    stage: str
    rule: str
    texts: int
    chars: int
    share: float
    """Share of the rows that the stage read."""
    samples: tuple[FunnelSample, ...]


def reasons(counts: Sequence[FunnelCount], samples: Iterable[FunnelSample]) -> list[Reason]:
    """Every rule that dropped something, stage by stage, the commonest first; what a stage passes on undecided is not
    said twice."""
    shown: dict[tuple[str, str], list[FunnelSample]] = defaultdict(list)
    for sample in samples:
        shown[sample.stage, sample.rule].append(sample)
    texts: Counter[tuple[str, str]] = Counter()
    chars: Counter[tuple[str, str]] = Counter()
    read: Counter[str] = Counter()
    for count in counts:
        read[count.stage] += count.texts
        if count.rule:
            texts[count.stage, count.rule] += count.texts
            chars[count.stage, count.rule] += count.chars
    earlier = {"clean": "texts", "kept": "segments"}
    made = []
    for stage in STAGES:
        own = [key for key in texts if key[0] == stage]
        for key in sorted(own, key=lambda key: (-texts[key], key)):
            if texts.get((earlier.get(stage, ""), key[1])) == texts[key]:
                continue
            made.append(Reason(*key, texts[key], chars[key], texts[key] / read[stage], tuple(shown[key])))
    return made


def to_csv(counts: Iterable[FunnelCount]) -> str:
    """All counts as CSV, with the names of their fields."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FunnelCount.model_fields)
    writer.writerows(count.model_dump().values() for count in counts)
    return out.getvalue()


def to_tex(every: Sequence[Row]) -> str:
    """What is left of each kind of text after every step, as LaTeX (booktabs, and ctex for Chinese words)."""
    heads = ["Source", "Texts", "Characters", *(words[1].capitalize() for _, words, _ in STEPS[1:]), "Passages"]
    rows = []
    for row in every:
        name = ", ".join(part for part in row.kind if part) or "all"
        rows.append([name, f"{row.texts:,}", f"{row.chars[0]:,}", *map(percent, row.shares[1:]), f"{row.passages:,}"])
    return tex_table("l" + "r" * (len(heads) - 1), heads, rows)


def figure(left: Sequence[float], language: str) -> Markup:
    """Bars of the share left after each step, with HuatuoGPT-II's under them."""
    width, high, label = WIDTH, 42, 88
    canvas = Canvas(language)
    scale = width - label - 56
    for number, ((_, words, theirs), share) in enumerate(zip(STEPS, left, strict=True)):
        y = 8 + number * high
        canvas.text(label - 8, y + 20, words, width=label - 8, text_anchor="end")
        bars = [(share, PALETTE[0], 18)] + ([(theirs / 100, PALETTE[7], 12)] if theirs is not None else [])
        for value, colour, thick in bars:
            canvas.add("rect", x=label, y=y, width=f"{max(value * scale, 1):.1f}", height=thick, fill=colour)
            ink = INK if colour == PALETTE[0] else MUTED
            canvas.text(label + max(value * scale, 1) + 6, y + thick - 2, percent(value), fill=ink)
            y += thick + 2
    y = 8 + len(STEPS) * high + 14
    for x, colour, words in ((label, PALETTE[0], WORDS["ours"]), (label + 90, PALETTE[7], WORDS["theirs"])):
        canvas.add("rect", x=x, y=y - 10, width=12, height=12, fill=colour)
        canvas.text(x + 18, y, words)
    return canvas.svg(width, y + 10, WORDS["steps"])


def percent(share: float) -> str:
    """The share in percent, with so many digits that a small one is not 0."""
    value = share * 100
    return f"{value:.0f} %" if value >= 99.95 or value == 0 else f"{value:.1f} %" if value >= 0.1 else f"{value:.2g} %"


def write(
    folder: Path,
    title: str,
    language: str,
    counts: Sequence[FunnelCount],
    samples: Sequence[FunnelSample],
    spared: Mapping[str, int] = MappingProxyType({}),
) -> list[Path]:
    """The files written into ``folder``: ``report.html``, ``funnel.csv``, ``funnel.tex`` and ``funnel.svg``.

    ``spared``: what near passages say more than their neighbours (`SAID`) → how many were kept for it.
    """
    every = rows(counts)
    drawn = figure(every[0].shares, language)
    files = {
        "report.html": html(title, language, counts, every, reasons(counts, samples), drawn, spared),
        "funnel.csv": to_csv(counts),
        "funnel.tex": to_tex(every),
        "funnel.svg": standalone(figure(every[0].shares, "en" if language == "both" else language), 2 * WIDTH),
    }
    for name, text in files.items():
        write_atomic(folder / name, clean(text))
    return [folder / name for name in files]


def html(
    title: str,
    language: str,
    counts: Sequence[FunnelCount],
    every: Sequence[Row],
    why: Sequence[Reason],
    drawn: Markup,
    spared: Mapping[str, int],
) -> str:
    """The whole page; what comes from texts passes through the template's escaping."""

    def said(words: Label) -> Markup:
        return spoken((clean(words[0]), clean(words[1])), language)

    return page_template("report", "curation.html.j2").render(
        title=title,
        language=language,
        t=lambda key: said(WORDS[key]),
        of_stage=lambda share: said((f"占本阶段 {percent(share)}", f"{percent(share)} of the stage")),
        aria=lambda key: WORDS[key][language == "en"] if language != "both" else " / ".join(WORDS[key]),
        steps=[said(words) for _, words, _ in STEPS],
        stage=lambda name: said(STAGES[name]),
        rule=lambda name: named(names.rule(name), language),
        rows=every,
        reasons=why,
        spared=said(spared_note(spared)) if spared else "",
        stages=_stages(counts),
        figure=drawn,
        percent=percent,
        short=short,
    )


def spared_note(spared: Mapping[str, int]) -> Label:
    """How many near passages were kept because they say more than their neighbours."""
    total = sum(spared.values())
    chinese = "，".join(f"{SAID[kind][0]} {count:,}" for kind, count in spared.items())
    english = ", ".join(f"{count:,} {SAID[kind][1]}" for kind, count in spared.items())
    return (
        f"另有 {total:,} 个段落与较早的段落近似，但说了后者没有说的内容，因此保留：{chinese}。",
        f"{total:,} more passages are near an earlier one and were kept, for they say what it does not: {english}.",
    )


def _stages(counts: Sequence[FunnelCount]) -> list[dict[str, Any]]:
    """Read, kept and dropped rows of each stage."""
    made = []
    for stage in STAGES:
        own = [count for count in counts if count.stage == stage]
        kept = sum(count.texts for count in own if not count.rule)
        total = sum(count.texts for count in own)
        made.append({"name": stage, "read": total, "kept": kept, "dropped": total - kept})
    return made
