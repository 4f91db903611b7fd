"""A free answer may use other words and leave facts out; one thing said differently is found."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.checks.contrast import medical_head, opposed
from huatuo.checks.entities import Dictionary
from huatuo.checks.measures import disagreement
from huatuo.checks.support import Said, complete, problems

FACTS = [
    Said("用法用量", "成人一次0.5g，每日三次"),
    Said("用法用量", "饭后服用"),
    Said("用法用量", "每日剂量不超过3g"),
    Said("禁忌", "孕妇禁用"),
    Said("注意事项", "严重肝功能不全者慎用"),
    Said("不良反应", "偶见皮疹"),
    Said("不良反应", "恶心"),
    Said("不良反应", "腹泻"),
]


@pytest.mark.parametrize(
    "answer",
    [
        "成人一次0.5g，每日三次，饭后服用。",
        "大人每回吃500毫克，一天3次，吃完饭再吃，全天最多3克。",
        "孕妇禁用，严重肝功能不全者慎用。",
        "怀孕的人不能用；肝功能严重不全的人要小心。",
        "可能出现恶心、拉肚子，个别人会起皮疹。",
        "恶心、腹泻。",
    ],
)
def test_the_same_in_other_words_is_supported(answer: str) -> None:
    assert problems("甲药怎么用，有什么禁忌和不良反应？", answer, "甲药", FACTS) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("成人一次5g，每日三次，饭后服用。", "number"),
        ("成人一次0.5mg，每日三次，饭后服用。", "number"),
        ("成人一次0.5g，每周三次，饭后服用。", "number"),
        ("成人一次0.5g，每日两次，饭后服用。", "number"),
        ("每日剂量超过3g。", "number"),
        ("孕妇可用，严重肝功能不全者慎用。", "negation"),
        ("孕妇慎用，严重肝功能不全者慎用。", "negation"),
        ("孕妇禁用，严重肝功能不全者禁用。", "negation"),
        ("孕妇禁用，严重肾功能不全者慎用。", "swapped"),
        ("恶心、腹泻、偶见荨麻疹。", "swapped"),
        ("恶心、腹泻、打嗝。", "invented"),
        ("孕妇禁用，肝功能不全者慎用。", "qualifier"),
    ],
)
def test_one_thing_changed_is_found(answer: str, kind: str) -> None:
    found = problems("甲药怎么用，有什么禁忌和不良反应？", answer, "甲药", FACTS)
    assert kind in [problem.kind for problem in found]


def test_a_name_of_the_graph_is_a_stranger_where_no_fact_has_it() -> None:
    names = Dictionary(["乙草", "甲药"])
    assert [p.kind for p in problems("甲药？", "乙草会使人恶心。", "甲药", FACTS, names)][:1] == ["swapped"]


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("四个半小时以内", "4.5小时内"),
        ("一刻钟后", "15分钟后"),
        ("两周", "14天"),
        ("12微克每升", "12μg/L"),
        ("每天吃四次", "一日4次"),
        ("至少2升", "2000ml以上"),
        ("二度", "Ⅱ度"),
        ("125个国际单位", "125IU"),
    ],
)
def test_equal_measures_agree(claim: str, source: str) -> None:
    assert disagreement(claim, source) == ""


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("饭前2小时或饭后2小时", "饭前1小时或饭后2小时"),
        ("成人一次3袋", "儿童每日3袋；成人一次1袋"),
        ("38.5℉", "38.5℃"),
        ("2000L", "2000ml"),
        ("1～2月龄", "1～2岁"),
        ("5岁以上", "5岁以下"),
        ("每日少于3次", "每周少于3次"),
        ("10×10¹²/L", "10×10⁹/L"),
    ],
)
def test_unequal_measures_disagree(claim: str, source: str) -> None:
    assert disagreement(claim, source)


def test_opposites_and_endings() -> None:
    assert opposed("右下", "左下")
    assert not opposed("右下", "右")
    assert medical_head("听神经瘤")
    assert not medical_head("桌子")


def test_complete_wants_every_fact() -> None:
    every = "成人一次0.5g，每日三次，饭后服用，每日剂量不超过3g。孕妇禁用，严重肝功能不全者慎用。偶见皮疹、恶心、腹泻。"
    assert complete(every, FACTS)
    assert not complete(every.replace("、腹泻", ""), FACTS)
    assert not complete(every.replace("3g", "3片"), FACTS)


@given(st.text(alphabet="0123456789一二三半每日周次片mg/L×⁹～、，。：不禁慎用孕妇 ", max_size=60))
def test_any_text_is_judged_alike_twice(text: str) -> None:
    assert problems("甲药？", text, "甲药", FACTS) == problems("甲药？", text, "甲药", FACTS)
    assert disagreement(text, text) == "" or "after" in disagreement(text, text)


def test_a_thousand_answers_take_seconds() -> None:
    start = time.process_time()
    for number in range(1000):
        problems("甲药怎么用？", f"成人一次0.{number}g，每日三次，饭后服用。", "甲药", FACTS)
    assert time.process_time() - start < 8
