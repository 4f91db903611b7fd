"""What is supported passes in other words too; what is changed by one word is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from huatuo.checks.entities import Dictionary
from huatuo.llm.template import OWN_WORDINGS, OfflineTeacher
from huatuo.synth.from_graph import Known, comparison, direct, group, reverse
from huatuo.synth.ground import Claim, Ground, name_dictionary

PHRASINGS = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
WORDS = PHRASINGS.read_text(encoding="utf-8") + "\n".join(OWN_WORDINGS)
NAMES = ["二甲双胍", "格列本脲", "甘草", "缓释甲片"]
VALUES = ["2型糖尿病", "肥胖型2型糖尿病", "脱发", "高血压", "腹泻", "腹痛", "孕妇", "严重感染"]
GROUND = Ground(name_dictionary(NAMES, VALUES, WORDS), {"二甲双胍": ("格华止",)}, WORDS)
INDICATION = Claim("direct", "适应证", ("二甲双胍",), ("2型糖尿病", "肥胖型2型糖尿病"))
CONTRA = Claim("direct", "禁忌", ("二甲双胍",), ("孕妇", "严重感染"))
DOSE = Claim("direct", "用法用量", ("二甲双胍",), ("一次0.5g，每日三次", "随餐服用"))


@pytest.mark.parametrize(
    ("answer", "claim"),
    [
        ("二甲双胍的适应证有2型糖尿病、肥胖型2型糖尿病。", INDICATION),
        ("二甲双胍的适应证有肥胖型2型糖尿病、2型糖尿病。", INDICATION),
        ("二甲双胍可用于治疗肥胖型2型糖尿病和2型糖尿病，请在医生指导下使用。", INDICATION),
        ("格华止主要适用于2型糖尿病，以及肥胖型2型糖尿病患者。", INDICATION),
        ("2型糖尿病、肥胖型2型糖尿病都可以用二甲双胍治疗。", INDICATION),
        ("有严重感染或孕妇情况的，不能使用二甲双胍。", CONTRA),
        ("二甲双胍禁用于孕妇和严重感染。", CONTRA),
        ("二甲双胍的用法用量是：一次0.5g，每日三次、随餐服用。", DOSE),
    ],
)
def test_a_right_answer_in_other_words_is_accepted(answer: str, claim: Claim) -> None:
    assert GROUND.answer(answer, claim) is None


@pytest.mark.parametrize(
    ("answer", "claim", "rule"),
    [
        ("格列本脲的适应证有2型糖尿病、肥胖型2型糖尿病。", INDICATION, "foreign"),
        ("二甲双胍的适应证有2型糖尿病、脱发、肥胖型2型糖尿病。", INDICATION, "foreign"),
        ("二甲双胍的适应证有1型糖尿病、肥胖型2型糖尿病。", INDICATION, "number"),
        ("二甲双胍的适应证有2型糖尿病、肥胖型2型糖尿病，每日3次。", INDICATION, "number"),
        ("二甲双胍的适应证有2型糖尿病。", INDICATION, "incomplete"),
        ("二甲双胍的适应证有肥胖型2型糖尿病。", INDICATION, "incomplete"),
        ("二甲双胍的适应证有2型糖尿病、秃顶、肥胖型2型糖尿病。", INDICATION, "invented"),
        ("二甲双胍的适应证有2型糖尿病、肥胖型2型糖尿病和秃顶。", INDICATION, "invented"),
        ("二甲双胍的适应证有秃顶、2型糖尿病、肥胖型2型糖尿病。", INDICATION, "invented"),
        ("二甲双胍的适应证有2型糖尿病、肥胖型2型糖尿病，也能治秃顶。", INDICATION, "invented"),
        ("二甲双胍的适应证没有2型糖尿病、肥胖型2型糖尿病。", INDICATION, "negation"),
        ("二甲双胍禁用于2型糖尿病、肥胖型2型糖尿病。", INDICATION, "negation"),
        ("孕妇、严重感染慎用二甲双胍。", CONTRA, "negation"),
        ("孕妇、严重感染可用二甲双胍。", CONTRA, "negation"),
        ("孕妇、严重感染使用二甲双胍。", CONTRA, "negation"),
        ("二甲双胍的用法用量是：一次0.5mg，每日三次、随餐服用。", DOSE, "number"),
        ("二甲双胍的用法用量是：一次5g，每日三次、随餐服用。", DOSE, "number"),
        ("二甲双胍的用法用量是：一次0.5g，每日两次、随餐服用。", DOSE, "number"),
    ],
)
def test_one_changed_word_is_refused(answer: str, claim: Claim, rule: str) -> None:
    refusal = GROUND.answer(answer, claim)
    assert refusal is not None
    assert refusal.rule == rule


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ("二甲双胍治什么病？", ""),
        ("格华止适用于哪些病？", ""),
        ("这种药治什么病？", "no_entity"),
        ("二甲双胍和格列本脲治什么病？", "foreign"),
        ("二甲双胍每次500毫克治什么病？", "number"),
        ("二甲双胍一次能治什么病？", ""),
    ],
)
def test_a_question_names_its_entity_and_nothing_else(question: str, rule: str) -> None:
    refusal = GROUND.question(question, INDICATION)
    assert (refusal.rule if refusal else "") == rule


def test_values_inside_values_are_told_apart() -> None:
    claim = Claim("direct", "临床症状", ("甲病",), ("腹痛", "腹痛、腹泻", "下腹痛"))
    assert GROUND.answer("甲病的临床症状有腹痛、腹痛、腹泻、下腹痛。", claim) is None
    refusal = GROUND.answer(
        "甲病的临床症状有下腹痛、腹痛、腹泻。", Claim("direct", "临床症状", ("甲病",), ("腹痛", "腹胀", "下腹痛"))
    )
    assert refusal is not None


@pytest.mark.slow
def test_every_shipped_wording_of_a_right_answer_is_accepted() -> None:
    relations = tomllib.loads(PHRASINGS.read_text(encoding="utf-8"))
    checked = 0
    for relation in [*relations, "没有表的关系"]:
        facts = [Known(v, "二甲双胍", "e", "drug", relation, v) for v in ("2型糖尿病", "肥胖型2型糖尿病", "每日0.5g")]
        (call,) = direct(group(facts))
        for forms in (1, 2, 3):
            for question, answer in OfflineTeacher(PHRASINGS, 16, forms)._direct(call.block):
                assert GROUND.question(question, call.claim) is None, (relation, question)
                assert GROUND.answer(answer, call.claim) is None, (relation, answer)
                checked += 1
    assert checked > 1900


def test_dirty_values_of_others_do_not_refuse_a_clean_answer() -> None:
    ground = Ground(name_dictionary(["甲病"], ["药物疗法、", "药物疗法、针刺疗法", "针刺疗法"], WORDS), {}, WORDS)
    claim = Claim("direct", "治疗", ("甲病",), ("药物疗法、", "针刺疗法"))
    assert ground.answer("甲病的治疗方法有药物疗法、针刺疗法。", claim) is None


def test_a_name_made_by_chance_at_the_edge_of_a_supported_name_is_no_foreign_name() -> None:
    ground = Ground(name_dictionary(["新生儿紫癜", "甲片", "缓释甲片"], ["见于新生儿"], ""), {}, "")
    spots = Claim("direct", "临床症状", ("新生儿紫癜",), ("皮肤出血斑",))
    assert ground.question("哪些病征常见于新生儿紫癜？", spots) is None
    refusal = ground.question("缓释甲片治什么病？", Claim("direct", "适应证", ("甲片",), ("皮肤出血斑",)))
    assert refusal is not None
    assert refusal.rule == "foreign"


def test_list_marks_inside_a_value_are_no_quantities() -> None:
    claim = Claim("direct", "传播途径", ("甲病",), ("1、血液传播 2、母婴传播",))
    assert GROUND.answer("甲病的传播途径有1、血液传播 2、母婴传播。", claim) is None
    assert GROUND.answer("甲病的传播途径有1、血液传播 2、母婴传播，共3次。", claim) is not None


def _pair_of_entities() -> Claim:
    facts = [
        Known("1", "甲病", "a", "disease", "临床症状", "腹痛"),
        Known("2", "甲病", "a", "disease", "临床症状", "腹泻"),
        Known("3", "乙病", "b", "disease", "临床症状", "腹泻"),
    ]
    (call,) = comparison(group(facts), 1, 1.0)
    return call.claim


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("甲病的临床症状有腹痛、腹泻；乙病的临床症状有腹泻；两者相同的是腹泻。", ""),
        ("乙病有腹泻，甲病则有腹泻、腹痛。", ""),
        ("甲病的临床症状有腹泻；乙病的临床症状有腹痛、腹泻。", "mixed"),
        ("甲病的临床症状有腹痛、腹泻；乙病的临床症状有腹泻；两者相同的是腹痛。", "mixed"),
        ("甲病的临床症状有腹痛；乙病的临床症状有腹泻。", "incomplete"),
        ("甲病的临床症状有腹痛、腹泻。", "incomplete"),
    ],
)
def test_comparison_keeps_the_sides_apart(answer: str, rule: str) -> None:
    refusal = GROUND.answer(answer, _pair_of_entities())
    assert (refusal.rule if refusal else "") == rule


def test_reverse_question_must_not_give_the_answer() -> None:
    facts = [Known("1", "甲病", "a", "disease", "临床症状", "腹痛")]
    (call,) = reverse(group(facts), [], Dictionary(()), 1, 1.0)
    refusal = GROUND.question("甲病会腹痛吗？", call.claim)
    assert refusal is not None
    assert refusal.rule == "no_entity"


PASSAGE = "二甲双胍每次0.5g，每日三次，随餐服用。孕妇禁用，严重感染者慎用。白细胞低于4×10⁹/L时停药。"


@pytest.mark.parametrize(
    "answer",
    [
        PASSAGE,
        "孕妇禁用，严重感染者慎用。",
        "二甲双胍应随餐服用，每日3次，每次500毫克。孕妇禁止使用。",
    ],
)
def test_passage_answer_in_other_words_is_accepted(answer: str) -> None:
    assert GROUND.passage("二甲双胍怎么用？", answer, "二甲双胍", PASSAGE) is None


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("格列本脲每次0.5g，每日三次。", "foreign"),
        ("二甲双胍可治高血压。", "foreign"),
        ("二甲双胍每次5g，每日三次。", "number"),
        ("二甲双胍每次0.5mg，每日三次。", "number"),
        ("白细胞低于4×109/L时停药。", "number"),
        ("白细胞高于4×10⁹/L时停药。", "number"),
        ("孕妇慎用。", "negation"),
        ("孕妇可用。", "negation"),
        ("孕妇服用。", "negation"),
        ("严重感染者禁用。", "negation"),
        ("二甲双胍不随餐服用。", "negation"),
    ],
)
def test_passage_answer_with_one_change_is_refused(answer: str, rule: str) -> None:
    refusal = GROUND.passage("二甲双胍怎么用？", answer, "二甲双胍", PASSAGE)
    assert refusal is not None
    assert refusal.rule == rule


GRADED = """
from huatuo.checks.negation import conflicts
from huatuo.synth.ground import Claim, Ground, name_dictionary
names = [f"{word}{n}" for word in ("CT检查", "ct检查", "Ct检查", "甲病", "乙病") for n in range(40)]
ground = Ground(name_dictionary(set(names), {"CT检查", "ct检查", "cT检查"}, ""), {"甲病1": ("癸病", "壬病")}, "")
claim = Claim("direct", "检查", ("甲病1",), tuple(f"{a}{b}" for a in ("甲乙", "乙丙", "丙丁") for b in ("症", "病症")))
for text in ("做ct检查。", "甲病1的检查有乙病3。", "甲乙丙丁病症症", "乙丙丁病症乙病病症", "甲乙病症丙乙病9病症"):
    print(ground.answer(text, claim), ground.question(text, claim))
mentions = lambda clause: [word for word in ("孕妇", "儿童", "老人") if word in clause]
print(conflicts("孕妇禁用，孕妇慎用，孕妇没有禁忌，儿童可用，儿童慎用，老人不用", "孕妇可用，儿童禁用，老人可用", mentions))
"""


@pytest.mark.slow
def test_refusals_are_the_same_under_every_hash_seed() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", GRADED],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(6)
    }
    assert len(said) == 1
    assert b"CT" in said.pop()


def test_sentences_of_the_passage_itself_are_supported_and_others_are_checked() -> None:
    """A copied sentence needs no look at its numbers, list marks or names; one changed sign and it is looked at."""
    ground = Ground(name_dictionary(["甲药", "乙药", "头痛"], [], ""))
    text = "2、甲药每次0.5g。孕妇禁用。\n3、头痛者慎用。"
    for answer in ("2、甲药每次0.5g。\n3、头痛者慎用。", "孕妇禁用。", "3、头痛者慎用。孕妇禁用。"):
        assert ground.passage("甲药怎么用？", answer, "甲药", text) is None
    wrong = {
        "甲药每次5g。": "number",
        "孕妇可以使用。": "negation",
        "乙药每次0.5g。": "foreign",
        "2、甲药每次0.5mg。": "number",
    }
    for answer, rule in wrong.items():
        found = ground.passage("甲药怎么用？", answer, "甲药", text)
        assert found is not None, answer
        assert found.rule == rule
    assert ground.passage("乙药怎么用？", "孕妇禁用。", "甲药", text) is not None
