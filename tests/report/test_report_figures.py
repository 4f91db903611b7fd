"""The small functions that draw."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from huatuo.report import cards, figures


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 25, 50, 75, 100]),
        (0, 1500, [0, 500, 1000, 1500]),
        (0, 0.0009, [0, 0.00025, 0.0005, 0.00075, 0.001]),
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, expected):
    assert figures.ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("high", [1e-9, 0.3, 7, 99, 12345, 3e9])
def test_ticks_cover_any_range_with_few_numbers(high):
    found = figures.ticks(0, high)
    assert found[0] <= 0
    assert found[-1] >= high
    assert 3 <= len(found) <= 7


def test_a_flat_curve_and_a_curve_of_one_point_can_be_drawn():
    for points in ([(1.0, 0.5, 0.5, 0.5)], [(1.0, 0.0, 0.0, 0.0), (2.0, 0.0, 0.0, 0.0)]):
        ET.fromstring(figures.curve(points, ("损失", "loss"), ("步", "step")))


def test_text_is_cut_by_its_width_and_escaped():
    assert figures.fit("呼气性呼吸困难", 5) == "呼气性呼…"
    assert figures.fit("abc", 5) == "abc"
    station = figures.Station(("知识", "K"), (("<b>&", "<b>&"),), (("− 3 <i>", "− 3 <i>"),))
    picture = figures.flow([station], ("流程", "flow <1>"))
    assert "".join(ET.fromstring(picture).itertext()).count("<b>&") == 1


@pytest.mark.parametrize(
    ("value", "expected"), [(950, "950"), (12_500, "12.5k"), (3.1e6, "3.1M"), (0.25, "0.25"), (2e9, "2G")]
)
def test_short_counts(value, expected):
    assert figures.short(value) == expected


def test_a_stage_that_has_not_run_is_drawn_dashed():
    picture = figures.flow(
        [figures.Station(("训练", "Training"), (("尚未运行", "not run yet"),), run=False)], ("a", "b"), vertical=True
    )
    assert "stroke-dasharray" in picture


def test_a_bar_without_a_number_is_a_dash():
    group = figures.BarGroup(
        ("组", "group"), (figures.Mark(("基础", "base"), None), figures.Mark(("我们", "ours"), 0.5, 0.4, 0.6, True))
    )
    picture = figures.bars([group], ("得分", "scores"), ("参照", "baseline"), "en")
    assert "–" in picture
    assert "50.0%" in picture


def test_many_sources_wrap_in_the_legend():
    series = [(f"a rather long source name {i}", [1 / 8] * 10) for i in range(8)]
    picture = figures.stacked_shares(series, 1000, ("占比", "share"), ("位置", "position"))
    tree = ET.fromstring(picture)
    assert len({node.get("fill") for node in tree.iter() if node.tag.endswith("polygon")}) == 8


def test_a_card_cell_cannot_break_the_table():
    assert cards.cell("a|b\n<script>") == "a\\|b &lt;script>"
