"""A free answer may use other words and leave facts out; one thing said differently is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.checks.contrast import opposed
from huatuo.checks.entities import Dictionary
from huatuo.checks.measures import disagreement
from huatuo.checks.polarity import added_or_lost
from huatuo.checks.strangers import clauses, opposite, stranger, unsupported
from huatuo.checks.support import Said, complete, problems
from huatuo.checks.wording import medical_head, plain, reworded, spans

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
        ("按每公斤体重5毫克", "5mg/kg"),
        ("三十八度五", "38.5℃"),
        ("四分之一丸", "1/4丸"),
        ("一天一夜", "24小时"),
        ("别连着吃超过7天", "不超过1周"),
        ("一到两个星期", "7～14天"),
        ("不到3.5", "<3.5mmol/L"),
        ("1500到3000单位", "1500～3000IU"),
        ("四到六粒", "一次4～6丸"),
        ("一个礼拜至少两个半小时", "每周150分钟以上"),
        ("按30下吹2口气", "30:2"),
        ("一天三次，每次两片，一共六片", "一次2片，一日3次"),
        ("一片一片的风团", "风团"),
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
        ("5mg/g", "5mg/kg"),
        ("十到二十喷", "1～2喷"),
        ("补体C4下降，1/3片", "补体C3下降，1/4片"),
        ("不到4.5", "<3.5mmol/L"),
        ("停药一天内", "一日3次，停药3天内"),
        ("一次10粒胶囊", "一次10丸"),
        ("一共八片", "一次2片，一日3次"),
    ],
)
def test_unequal_measures_disagree(claim: str, source: str) -> None:
    assert disagreement(claim, source)


FREE = Path(__file__).parent / "free.zh.txt"


def _free() -> Iterator[tuple[str, str, str, str, list[Said]]]:
    entity, facts = "", []
    for line in FREE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            entity, said = line[3:].split(" | ")
            facts = [Said(*fact.strip().split(":", 1)) for fact in said.split(" ; ")]
        elif not line.startswith("#"):
            label, question, answer = line.split(" | ")
            yield label, question, answer, entity, facts


@pytest.mark.parametrize(("label", "least"), [("right", 0.97), ("swapped", 0.95), ("negation", 0.95), ("number", 0.99)])
def test_answers_of_many_departments(label: str, least: float) -> None:
    """A development set (the word lists were grown on it): it holds what was reached and measures nothing new."""
    asked = [row for row in _free() if row[0] == label]
    wrong = [row for row in asked if bool(problems(*row[1:])) == (label == "right")]
    assert len(asked) >= 30
    assert len(asked) - len(wrong) >= least * len(asked), [row[2] for row in wrong]


WORDS = [
    "成人一次0.5g",
    "饭后服用",
    "皮疹",
    "恶心",
    "每日三次",
    "右下腹痛",
    "血压升高",
    "多饮水",
    "疗程7天",
    "左侧卧位",
]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5, unique=True))
def test_an_answer_of_the_facts_themselves_is_never_refused(values: list[str]) -> None:
    facts = [Said("要点", value) for value in values]
    assert problems("甲药要注意什么？", "，".join(values) + "。", "甲药", facts) == []


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["mg", "ml", "天", "次", "片", "小时", "岁", "%"]))
def test_an_answer_with_one_number_changed_is_always_refused(stated: int, said: int, unit: str) -> None:
    facts = [Said("用法用量", f"成人每次{stated}{unit}"), Said("不良反应", "恶心")]
    found = problems("甲药怎么用？", f"成人每次{said}{unit}，可能恶心。", "甲药", facts)
    assert bool(found) == (stated != said)


def test_an_answer_in_another_language_is_named_and_does_not_pass() -> None:
    found = problems("甲药怎么用？", "Adults take 0.5 g three times a day.", "甲药", FACTS)
    assert [problem.kind for problem in found] == ["language"]
    assert problems("查什么？", "INR 2.0", "甲药", [Said("监测指标", "INR 2.0")]) == []


@pytest.mark.parametrize(
    ("answer", "fact", "rewritten"),
    [
        ("饭后", "餐后服用", "餐后"),
        ("拉肚子", "腹泻", "腹泻"),
        ("拉肚子", "恶心", "拉肚子"),
        ("别喝水", "多饮水", "别饮水"),
    ],
)
def test_words_that_mean_the_same_become_the_facts_words(answer: str, fact: str, rewritten: str) -> None:
    assert reworded(spans(plain(answer), fact)) == rewritten


def test_a_code_is_not_cut_to_fit_another() -> None:
    assert [span.text for span in spans("补体c4", "补体c3")] == ["补体", "c4"]


@pytest.mark.parametrize(
    ("answer", "fact", "strange"),
    [
        ("可能伤到视网膜", "肝损害", "视网膜"),
        ("口腔能看到草莓舌", "口腔黏膜斑", "草莓"),
        ("也叫Koplik斑", "麻疹黏膜斑", ""),
        ("首选庆大霉素", "青霉素为首选", "庆大霉素"),
        ("加用维生素c", "维生素b6", "维生素c"),
        ("心脏的问题", "二尖瓣狭窄", ""),
    ],
)
def test_strangers(answer: str, fact: str, strange: str) -> None:
    found = [stranger(clause, fact) for clause in clauses(plain(answer), fact, "")]
    assert "".join(found) == strange


@pytest.mark.parametrize(
    ("answer", "fact", "pair"),
    [
        ("血压降低", "血压升高", ("降低", "升高")),
        ("餐后服用", "餐前服用", ("餐后", "餐前")),
        ("避免餐后服用", "餐前服用", ("", "")),
        ("体温降低", "血压升高", ("", "")),
    ],
)
def test_opposites_of_the_same_thing(answer: str, fact: str, pair: tuple[str, str]) -> None:
    (clause,) = clauses(answer, fact, "")
    assert opposite(clause, [fact], fact) == pair


def test_a_clause_beside_every_fact() -> None:
    beside, about = (clauses(text, "清热生津", "")[0] for text in ("温中散寒", "清热"))
    assert unsupported(beside, "清热生津")
    assert not unsupported(about, "清热生津")


@pytest.mark.parametrize(
    ("question", "answer", "fact", "wrong"),
    [
        ("能一起吃吗？", "能一起吃。", "禁止与乙药一起吃", True),
        ("能一起吃吗？", "不能一起吃。", "禁止与乙药一起吃", False),
        ("谁不能做？", "做骨穿并非禁忌。", "骨穿禁忌", True),
        ("会留疤吗？", "会有瘢痕。", "无瘢痕愈合", True),
        ("会留疤吗？", "没有瘢痕。", "无瘢痕愈合", False),
        ("会传染吗？", "共餐会传播。", "共餐不会传播", True),
    ],
)
def test_not_added_or_lost(question: str, answer: str, fact: str, wrong: bool) -> None:
    assert bool(added_or_lost(answer, question, [("注意事项", fact)])) is wrong


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


@pytest.mark.slow
def test_a_thousand_answers_take_seconds() -> None:
    start = time.process_time()
    for number in range(1000):
        problems("甲药怎么用？", f"成人一次0.{number}g，每日三次，饭后服用。", "甲药", FACTS)
    assert time.process_time() - start < 4
