"""The small functions that draw."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from huatuo.report import cards, figures, flow


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
        tree = ET.fromstring(figures.curve(points, ("损失", "loss"), ("步", "step")))
        (line,) = [node for node in tree.iter() if node.tag.endswith("polyline")]
        places = [float(number) for place in line.get("points", "").split() for number in place.split(",")]
        assert len(places) == 2 * len(points)
        assert all(0 <= x <= figures.WIDTH for x in places[::2])
        assert all(0 <= y <= figures.HEIGHT for y in places[1::2])
        ends = [node.text for node in tree.iter() if node.get("font-weight") == "600"]
        assert ends == [f"{points[0][1]:.3g}", f"{points[-1][1]:.3g}"]


def test_the_loss_of_held_out_samples_stands_beside_the_curve_with_its_ends():
    points = [(1.0, 5.0, 5.0, 5.0), (9.0, 2.0, 1.0, 3.0)]
    held_out = [(0.0, 7.5), (5.0, 4.0), (9.0, 3.25)]
    names = (("训练", "training"), ("留出", "held out"), held_out)
    drawn = figures.curve(points, ("损失", "loss"), ("步", "step"), "en", names)
    assert drawn.count("<polyline") == 2
    assert "held out: 7.5 → 3.25" in drawn
    tree = ET.fromstring(drawn)
    ys = [float(n.get("cy", "-1")) for n in tree.iter() if n.tag.endswith("circle")]
    assert all(0 <= y <= figures.HEIGHT for y in ys)
    assert len(ys) == 2 + len(held_out)


def test_text_is_cut_by_its_width_and_escaped():
    assert figures.fit("呼气性呼吸困难", 5) == "呼气性呼…"
    assert figures.fit("abc", 5) == "abc"
    station = flow.Station(("知识", "K"), (("<b>&", "<b>&"),), (("− 3 <i>", "− 3 <i>"),))
    picture = flow.flow([station], ("流程", "flow <1>"))
    assert "".join(ET.fromstring(picture).itertext()).count("<b>&") == 1


@pytest.mark.parametrize(
    ("value", "expected"), [(950, "950"), (12_500, "12.5k"), (3.1e6, "3.1M"), (0.25, "0.25"), (2e9, "2G")]
)
def test_short_counts(value, expected):
    assert figures.short(value) == expected


def test_a_stage_that_has_not_run_is_drawn_dashed():
    station = flow.Station(("训练", "Training"), (("尚未运行", "not run yet"),), run=False)
    picture = flow.flow([station], ("a", "b"), columns=1)
    assert "stroke-dasharray" in picture


def test_a_bar_without_a_number_is_a_dash():
    group = figures.BarGroup(
        ("组", "group"), (figures.Mark(("基础", "base"), None), figures.Mark(("我们", "ours"), 0.5, 0.4, 0.6, True))
    )
    picture = figures.bars([group], ("得分", "scores"), ("参照", "baseline"), "en")
    assert "–" in picture
    assert "50.0%" in picture


def lines(picture: str) -> list[ET.Element]:
    return [node for node in ET.fromstring(picture).iter() if node.tag.endswith("line")]


def test_the_baseline_never_runs_through_a_number():
    for value in (0.0, 0.02, 0.05, 0.08, 0.1, 0.12, 0.9, 1.0):
        mark = figures.Mark(("我们", "ours"), value, value, value, True)
        for baseline in (0.0, 0.06, 0.14, 0.168, 0.99, 1.0):
            group = figures.BarGroup(("组", "group"), (mark,), baseline)
            picture = figures.bars([group], ("得分", "scores"), ("参照", "baseline"), "en")
            dashed = next(float(line.get("x1", "")) for line in lines(picture) if line.get("stroke-dasharray"))
            number = next(n for n in ET.fromstring(picture).iter() if n.text == f"{100 * value:.1f}%")
            start = float(number.get("x", ""))
            end = start + figures.SMALL * figures.ems(number.text or "")
            assert not start <= dashed <= end, (value, baseline)
            assert end <= figures.WIDTH


def source(name: str, items: int, *counts: int) -> figures.Source:
    """A source of which so many come in each tenth of 1,000 places."""
    sums = [sum(counts[:i]) for i in range(len(counts) + 1)]
    return figures.Source(name, items, tuple((100.0 * i, n / items) for i, n in enumerate(sums)))


def test_a_small_source_that_ends_early_is_a_line_of_its_own_and_its_end_is_said():
    found = [source("graph", 980, *[96] * 5, *[100] * 5), source("documents", 20, *[4] * 5, *[0] * 5)]
    assert [(one.share, one.last) for one in found] == [(1.0, 1000.0), (1.0, 500.0)]
    even = figures.Beside(("均匀", "evenly"))
    picture = figures.progress(found, 1000, ("学到", "learned"), ("位置", "position"), even, "en")
    assert "documents: 20, learned by 500" in picture
    drawn = [node for node in ET.fromstring(picture).iter() if node.tag.endswith("polyline")]
    assert len({node.get("stroke-dasharray") for node in drawn}) == 3  # can be told apart in grey
    heights = [float(place.split(",")[1]) for place in (drawn[2].get("points") or "").split()]
    assert heights[0] - heights[-1] == figures.HEIGHT - figures.BOTTOM - figures.TOP  # from 0 to 100 %


def test_a_source_that_was_learned_in_part_ends_where_the_training_did():
    found = [source("graph", 400, 30, 30), source("documents", 100, 40, 0), source("web", 500, 0, 0)]
    even = figures.Beside(("均匀", "evenly"))
    said = ("学到", "learned"), ("样本", "samples")
    picture = figures.progress(found, 1000, *said, even, "en")
    for words in ("graph: 60 of 400 learned", "documents: 40 of 100 learned", "web: 0 of 500 learned"):
        assert words in picture
    assert "web：500 条中学了 0 条" in figures.progress(found, 1000, *said, even, "zh")
    drawn = [node.get("points", "").split() for node in ET.fromstring(picture).iter() if node.tag.endswith("polyline")]
    high, low = figures.TOP, figures.HEIGHT - figures.BOTTOM
    right = figures.LEFT + 0.2 * (figures.WIDTH - figures.LEFT - figures.RIGHT)
    assert [float(place) for place in drawn[1][-1].split(",")] == pytest.approx(
        [right, low - 0.15 * (low - high)], 1e-3
    )
    ordered = figures.progress(found, 1000, *said, even, "en", learned=False)
    assert "documents: 100, the last at 100" in ordered
    assert "learned by" not in ordered


def test_what_the_weights_let_expect_is_a_line_in_the_source_that_it_is_about():
    found = [source("graph", 900, *[90] * 10), source("documents", 100, *[10] * 10)]
    wanted = [(0.0, 0.0), (500.0, 0.5), (1000.0, 1.0)]
    beside = figures.Beside(("均匀", "evenly"), ("期望", "closed form"), {"documents": wanted})
    picture = figures.progress(found, 1000, ("学到", "learned"), ("位置", "position"), beside, "en")
    assert "closed form" in picture
    drawn = [node for node in ET.fromstring(picture).iter() if node.tag.endswith("polyline")]
    ends = [[node.get("points", "").split()[at] for at in (0, -1)] for node in drawn]
    assert len(drawn) == 4  # evenly, graph, documents, documents expected
    assert ends[3] == ends[2]
    without = figures.progress(
        found, 1000, ("学到", "learned"), ("位置", "position"), figures.Beside(beside.even), "en"
    )
    assert without.count("<polyline") == 3


def test_the_flow_as_a_picture_can_be_read_on_a_phone_and_is_not_blown_up():
    boxes = [flow.Station(("知识", "Knowledge"), (("2 条", "2 facts"),) * 3, (("− 1 重复", "− 1 duplicate"),))] * 6
    tree = ET.fromstring(figures.standalone(flow.flow(boxes, ("流程", "flow"), 2, "en")).partition("?>")[2])
    wide, high = (float(size) for size in (tree.get("viewBox") or "").split()[2:])
    sizes = [float(node.get("font-size", "0")) for node in tree.iter() if node.tag.endswith("text")]
    assert min(sizes) * 358 / wide >= 10  # a text column of 358 pixels
    assert tree.get("width") == "720"
    assert abs(float(tree.get("height", "0")) / 720 - high / wide) < 0.01
    tops = {node.get("y") for node in tree.iter() if node.get("rx")}
    assert len(tops) == 3


def test_a_card_cell_cannot_break_the_table():
    assert cards.cell("a|b\n<script>") == "a\\|b &lt;script>"
