"""The page shows faults and facts in tables of their own, in both languages, and not among the results."""

from __future__ import annotations

from huatuo.eval.fact_status import FACTS, OUTCOMES
from huatuo.eval.safety import GROUP, NAMES, PREFIX
from huatuo.recipe import ReportSettings, RunSettings
from huatuo.records import Figure
from huatuo.report import tables
from huatuo.report.collect import Found
from huatuo.report.page import html


def figure(name: str, model: str, metric: str, value: float | None, unscored: int = 0) -> Figure:
    low, high = (None, None) if value is None else (max(0.0, value - 0.1), min(1.0, value + 0.1))
    return Figure(
        name=name, model=model, metric=metric, value=value, low=low, high=high, n=40, unscored=unscored,
        signature="metric:x", method="Wilson",
    )  # fmt: skip


FIGURES = [
    *(figure(GROUP, model, PREFIX + name, 0.25, 3) for name in NAMES for model in ("base", "ours")),
    *(figure(FACTS, "ours", f"outcome: {outcome}", 0.125) for outcome in OUTCOMES),
    figure("exam", "ours", "accuracy", 0.5),
]


def test_faults_and_facts_have_tables_of_their_own() -> None:
    assert (tables.SAFETY, tables.FACTS) == (GROUP, FACTS)
    rows = tables.result_rows(FIGURES)
    assert [row.group for row in rows] == ["exam"]
    page = html(ReportSettings(), RunSettings(name="r"), Found(figures=FIGURES), rows)
    for words in (
        "有急症征象而未劝立即就医",
        "emergency missed",
        "只有套话（另计）",
        "教会了",
        "broken: known before, not after",
    ):
        assert words in page
    assert page.count("n 40 (3)") >= 2 * len(NAMES)


def test_no_tables_without_figures() -> None:
    page = html(
        ReportSettings(), RunSettings(name="r"), Found(figures=[FIGURES[-1]]), tables.result_rows([FIGURES[-1]])
    )
    assert "emergency missed" not in page
    assert "broken: known before" not in page
