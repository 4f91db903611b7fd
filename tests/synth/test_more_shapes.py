from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from huatuo.checks.entities import Dictionary
from huatuo.llm import prompts
from huatuo.llm.base import Sampling
from huatuo.llm.template import OWN_WORDINGS, OfflineTeacher
from huatuo.llm.template_shapes import SHAPE_WORDINGS
from huatuo.records import Message
from huatuo.synth import dialogue, more_shapes
from huatuo.synth.from_graph import Call, Known, group
from huatuo.synth.graph import Graph
from huatuo.synth.ground import Ground, name_dictionary
from huatuo.synth.objections import objection
from huatuo.synth.parse import QA, parse

PHRASINGS = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
DIGITS = "零壹贰叁肆伍陆柒捌玖"


def known(entity: str, relation: str, value: str, kind: str = "disease") -> Known:
    return Known(f"{entity} {relation} {value}", entity, f"id {entity}", kind, relation, value)


def word(n: int) -> str:
    """A number as characters: names that hold no digits and none of which holds another."""
    return "".join(DIGITS[int(digit)] for digit in f"{n:04}")


def many(count: int) -> list[Known]:
    """``count`` diseases (and a tenth as many drugs) with 10 facts each, in names of their own and shared ones."""
    facts = []
    for n in range(count):
        name = f"{word(n)}病"
        facts += [known(name, "临床症状", f"{word(n)}{mark}") for mark in ("痛", "热")]
        facts += [known(name, "临床症状", f"共{word(n // 4)}晕")]
        facts += [known(name, "检查", f"{word(n)}镜检"), known(name, "检查", "血沉化验")]
        facts += [known(name, "药物治疗", f"{word(n)}片"), known(name, "药物治疗", f"{word(n)}丸")]
        facts += [known(name, "并发症", f"{word((n + 1) % count)}病")]
        facts += [known(name, "忌吃食物", f"{word(n)}酒"), known(name, "忌吃食物", f"{word(n)}糕")]
        if n % 10 == 0:
            drug = f"{word(n)}片"
            facts += [known(drug, "适应证", name, "drug"), known(drug, "禁忌", f"{word(n)}孕者", "drug")]
            facts += [known(drug, "不良反应", f"{word(n)}疹", "drug")]
    return facts


def graph_of(facts: list[Known], untaught: list[Known] | None = None, withheld: tuple[str, ...] = ()) -> Graph:
    words = "\n".join((PHRASINGS.read_text(encoding="utf-8"), *OWN_WORDINGS, *SHAPE_WORDINGS))
    names = name_dictionary((f.entity for f in facts), (f.value for f in facts), words)
    closed = frozenset((f.kind, f.relation, f.value) for f in untaught or ())
    return Graph(group(facts), Dictionary(withheld), closed, [], Ground(names, {}, words), {})


def calls_of(graph: Graph, seed: int = 1, share: float = 1.0) -> dict[str, list[Call]]:
    index = more_shapes.turned(graph)
    makers = {"multi_hop": more_shapes.multi_hop, "refusal": more_shapes.refusal, "true_false": more_shapes.true_false}
    found = {name: list(make(graph, index, seed, share)) for name, make in makers.items()}
    return found | {"multi_turn": list(dialogue.multi_turn(graph.groups, seed, share))}


TEACHER = OfflineTeacher(PHRASINGS, 4, 3)


def offline(call: Call) -> tuple[QA, ...]:
    text = prompts.load(f"graph_{call.shape}.zh").render(call.block, pairs=5)
    ((_, reply),) = TEACHER.chat([[Message(role="user", content=text)]], Sampling())
    assert reply.finish_reason == "stop", reply.error
    return parse(reply.text).pairs


@pytest.mark.slow
def test_every_shape_is_made_of_thousands_of_facts_grounded_and_traceable() -> None:
    facts = many(300)
    graph = graph_of(facts)
    ids, values = {f.id for f in facts}, {f.value for f in facts}
    for shape, calls in calls_of(graph).items():
        assert len(calls) >= 300, shape
        questions = set()
        for call in calls:
            turns = offline(call)
            assert objection(graph.ground, call, turns) is None, (turns, objection(graph.ground, call, turns))
            assert set(call.facts) <= ids
            assert call.facts
            questions.add("".join(qa.question for qa in turns))
            said = "".join(qa.answer for qa in turns)
            assert any(value in said for value in values)
        assert len(questions) > 0.9 * len(calls), shape


@pytest.mark.slow
def test_calls_depend_on_seed_and_content_alone() -> None:
    facts = many(120)
    again = calls_of(graph_of(facts))
    other = calls_of(graph_of(facts), seed=2)
    shuffled = [fact for n in range(120) for fact in facts[::-1] if fact.entity.startswith(word(n))]
    for shape, calls in calls_of(graph_of(facts)).items():
        assert calls == again[shape]
        assert len(calls_of(graph_of(facts), share=0.3)[shape]) < len(calls) * 0.6
        if shape != "multi_hop":
            assert calls != other[shape]
    turned = calls_of(graph_of(shuffled))["true_false"]
    assert len(turned) == len(again["true_false"])


def test_a_hop_goes_only_through_the_one_entity_that_fits() -> None:
    facts = [known("甲病", "临床症状", "乙痛"), known("甲病", "检查", "丙镜检"), known("丁病", "临床症状", "乙痛")]
    facts += [known("丁病", "临床症状", "戊热"), known("丁病", "检查", "己镜检")]
    made = calls_of(graph_of(facts))["multi_hop"]
    assert {(c.block["start"], c.block["middle"], c.block["relation"]) for c in made} == {
        ("戊热", "丁病", "检查"),
        ("丙镜检", "甲病", "临床症状"),
        ("己镜检", "丁病", "临床症状"),
    }
    closed = calls_of(graph_of(facts, untaught=[known("庚病", "临床症状", "戊热")]))["multi_hop"]
    assert "戊热" not in {c.block["start"] for c in closed}
    hidden = calls_of(graph_of(facts, withheld=("镜检",)))["multi_hop"]
    assert {c.block["start"] for c in hidden} == {"戊热"}


def test_a_drug_leads_to_the_disease_that_it_treats_and_on_to_its_symptoms() -> None:
    facts = [known("甲病", "临床症状", "乙痛"), known("丙片", "适应证", "甲病", "drug")]
    facts += [known("丁片", "适应证", "甲病", "drug"), known("丁片", "适应证", "戊病", "drug")]  # two: ambiguous
    (call,) = [c for c in calls_of(graph_of(facts))["multi_hop"] if c.block["direction"] == "on"]
    (qa,) = offline(call)
    assert call.facts == (facts[1].id, facts[0].id)
    assert "甲病" not in qa.question
    assert all(name in qa.answer for name in ("丙片", "甲病", "乙痛"))


def test_two_entities_of_one_name_are_no_step() -> None:
    facts = [known("甲病", "临床症状", "乙痛"), known("甲病", "检查", "丙镜检")]
    twin = [fact._replace(entity_id="other", id=f"other {fact.id}", value=f"{fact.value}二") for fact in facts]
    assert calls_of(graph_of(facts + twin))["multi_hop"] == []


@pytest.mark.slow
@pytest.mark.parametrize("relation", ["禁忌", "慎用", "注意事项", "药物相互作用", "忌吃食物", "不良反应"])
def test_no_warning_is_ever_denied(relation: str) -> None:
    facts = [known(f"{word(n)}片", relation, f"{word(n)}者{mark}", "drug") for n in range(300) for mark in "甲乙"]
    made = calls_of(graph_of(facts))["true_false"]
    assert made
    assert all(call.block["true"] for call in made)


def test_a_false_value_is_not_nearly_a_true_one() -> None:
    pairs = [("活动性溃疡", "活动性消化道溃疡患者"), ("急性上呼吸道感染", "上呼吸道急性感染"), ("心衰患者", "心衰者")]
    for one, other in pairs:
        facts = [known("甲病", "并发症", one), known("乙病", "并发症", other)]
        for seed in range(20):
            made = calls_of(graph_of(facts), seed=seed)["true_false"]
            assert all(call.block["true"] for call in made), (one, other)
    facts = [known("甲病", "并发症", "视网膜出血"), known("乙病", "并发症", "胆囊结石")]
    made = [call for seed in range(20) for call in calls_of(graph_of(facts), seed=seed)["true_false"]]
    assert any(not call.block["true"] for call in made)


@pytest.mark.slow
def test_false_values_are_of_another_entity_and_nowhere_among_its_own() -> None:
    facts = many(300)
    made = calls_of(graph_of(facts))["true_false"]
    own: dict[str, set[str]] = {}
    holders = Counter((f.relation, f.value) for f in facts)
    for fact in facts:
        own.setdefault(fact.entity, set()).add(fact.value)
    kinds = Counter(call.block["true"] for call in made if call.block["relation"] not in more_shapes.WARNINGS)
    assert abs(kinds[True] / kinds.total() - 0.5) < 0.06
    for call in made:
        block = call.block
        assert (block["value"] in block["values"]) == block["true"]
        if not block["true"]:
            assert block["value"] not in own[block["entity"]]
            assert 1 <= holders[block["relation"], block["value"]] <= more_shapes.FALSE_HOLDERS


def test_nothing_overlapping_or_other_named_is_called_false() -> None:
    facts = [known("甲病", "临床症状", "头痛")] + [known(f"{word(n)}病", "临床症状", "偏头痛") for n in range(2)]
    graph = graph_of(facts)
    index = more_shapes.turned(graph)
    for seed in range(40):
        made = list(more_shapes.true_false(graph, index, seed, 1.0))
        assert all(call.block["true"] for call in made)
    named = graph._replace(aliases={"头痛": ("偏头痛",)})
    assert "偏头痛" in more_shapes.turned(named).every["id 甲病"]


def test_the_dose_is_declined_only_where_no_fact_holds_it() -> None:
    facts = [known("甲病", "药物治疗", v) for v in ("乙片", "丙片")] + [known("乙片", "用法用量", "一日三次", "drug")]
    facts += [known("乙片", "适应证", "甲病", "drug"), known("丙片", "适应证", "甲病", "drug")]
    for seed in range(20):
        made = [c for c in calls_of(graph_of(facts), seed)["refusal"] if c.block["case"] == "dose"]
        assert {c.block["entity"] for c in made} == {"丙片"}
        for call in made:
            (qa,) = offline(call)
            assert not any(character.isdigit() for character in qa.answer)


def test_a_contraindication_keeps_its_word_and_a_diagnosis_its_whole_set() -> None:
    made = calls_of(graph_of(many(100)))["refusal"]
    cases = Counter(call.block["case"] for call in made)
    assert set(cases) == {"dose", "contraindicated", "diagnosis"}
    for call in made:
        (qa,) = offline(call)
        if call.block["case"] == "contraindicated":
            assert call.block["value"] in qa.question
            assert any(mark in qa.answer for mark in ("禁", "忌", "不能", "不宜", "不要"))
        if call.block["case"] == "diagnosis":
            assert all(name in qa.answer for name in call.block["entities"])
            assert len(call.block["entities"]) == 4


@pytest.mark.slow
def test_a_consultation_names_its_entity_once_and_then_points_to_it() -> None:
    for call in calls_of(graph_of(many(200)))["multi_turn"]:
        turns = offline(call)
        entity = call.block["entity"]
        assert 2 <= len(turns) <= 4
        assert entity in turns[0].question
        assert all(entity not in qa.question for qa in turns[1:])
        assert call.block["turns"][0]["relation"] in ("临床症状", "适应证")


@pytest.fixture
def case() -> Graph:
    facts = [known("甲病", "临床症状", v) for v in ("乙痛", "丙热")] + [known("甲病", "检查", "丁镜检")]
    facts += [known("戊病", "临床症状", v) for v in ("己晕", "庚麻")] + [known("戊病", "检查", "辛镜检")]
    facts += [known("壬片", "禁忌", "癸孕者", "drug"), known("壬片", "适应证", "甲病", "drug")]
    return graph_of(facts)


def refused(graph: Graph, call: Call, *turns: tuple[str, str]) -> str:
    found = objection(graph.ground, call, [QA(*turn) for turn in turns])
    return found.rule if found else ""


def statement(true: bool) -> Call:
    facts = [known("甲病", "临床症状", v) for v in ("乙痛", "丙热")]
    return more_shapes._statement(facts, "乙痛" if true else "己晕", true)


@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("甲病有己晕，对吗？", "不对。己晕不是甲病的临床症状。甲病的临床症状有乙痛、丙热。", ""),
        ("甲病有己晕，对吗？", "不对，己晕不是甲病的症状，甲病的临床症状有乙痛、丙热。", ""),
        ("甲病有己晕，对吗？", "不对。甲病的临床症状有乙痛、丙热。", ""),
        ("甲病有己晕，对吗？", "对。甲病的临床症状有乙痛、丙热。", "verdict"),
        ("甲病有己晕，对吗？", "甲病的临床症状有乙痛、丙热。", "verdict"),
        ("甲病有己晕，对吗？", "不对。甲病的临床症状有乙痛、丙热、己晕。", "denial"),
        ("甲病有己晕，对吗？", "不对。己晕是甲病的临床症状。甲病的临床症状有乙痛、丙热。", "denial"),
        ("甲病有己晕，对吗？", "不对。乙痛和己晕不是甲病的临床症状。甲病的临床症状有乙痛、丙热。", "denial"),
        ("甲病没有己晕，对吗？", "不对。甲病的临床症状有乙痛、丙热。", "denial"),
        ("甲病有己晕，对吗？", "不对。甲病的临床症状有乙痛。", "incomplete"),
        ("甲病有己晕，对吗？", "不对。甲病的临床症状有乙痛、丙热、庚麻。", "foreign"),
        ("甲病有问题，对吗？", "不对。甲病的临床症状有乙痛、丙热。", "no_entity"),
    ],
)
def test_verdicts_about_a_false_statement(case: Graph, question: str, answer: str, rule: str) -> None:
    assert refused(case, statement(False), (question, answer)) == rule


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("对。甲病的临床症状有乙痛、丙热。", ""),
        ("正确，甲病的临床症状有乙痛、丙热。", ""),
        ("不对。甲病的临床症状有乙痛、丙热。", "verdict"),
        ("对。甲病的临床症状没有乙痛、丙热。", "negation"),
        ("对。", "incomplete"),
    ],
)
def test_verdicts_about_a_true_statement(case: Graph, answer: str, rule: str) -> None:
    assert refused(case, statement(True), ("甲病有乙痛，对不对？", answer)) == rule


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("壬片的禁忌有癸孕者。您说的癸孕者在其中，请咨询医生。", ""),
        ("壬片禁用于癸孕者，请咨询医生。", ""),
        ("壬片的禁忌有癸孕者。", "no_advice"),
        ("壬片的禁忌有癸孕者。请咨询医生，壬片可以用，医生同意就安全。", "negation"),
        ("壬片的禁忌有癸孕者。请咨询医生，每次0.5g。", "number"),
        ("壬片的禁忌有癸孕者。请咨询医生是否改用辛镜检。", "foreign"),
        ("请咨询医生。", "negation"),
        ("壬片可用于癸孕者，请咨询医生。", "negation"),
    ],
)
def test_a_refusal_declines_and_says_what_is_known(case: Graph, answer: str, rule: str) -> None:
    (call,) = [c for c in calls_of(case)["refusal"] if c.block["case"] == "contraindicated"]
    assert refused(case, call, ("我是癸孕者，能用壬片吗？", answer)) == rule


def test_a_dialogue_is_taken_whole_or_not_at_all(case: Graph) -> None:
    call = next(c for c in calls_of(case)["multi_turn"] if c.block["entity"] == "甲病")
    first, second = ("甲病有什么症状？", "甲病的临床症状有乙痛、丙热。"), ("它要查什么？", "它的检查有丁镜检。")
    assert refused(case, call, first, second) == ""
    assert refused(case, call, first) == "turns"
    assert refused(case, call, first, ("甲病要查什么？", second[1])) == "no_entity"
    assert refused(case, call, ("它有什么症状？", first[1]), second) == "no_entity"
    assert refused(case, call, first, ("它要查什么？", "它的检查有辛镜检。")) == "foreign"
    assert refused(case, call, ("甲病有什么症状？", "甲病的临床症状有乙痛。"), second) == "incomplete"


def test_the_middle_of_a_path_is_not_given_away(case: Graph) -> None:
    call = next(c for c in calls_of(case)["multi_hop"] if c.block["start"] == "乙痛")
    good = "乙痛是甲病的临床症状，甲病的检查有丁镜检。"
    assert refused(case, call, ("乙痛是哪种病的症状？它要查什么？", good)) == ""
    assert refused(case, call, ("乙痛是甲病的症状吗？它要查什么？", good)) == "no_entity"
    assert refused(case, call, ("有乙痛的病要查什么？", "要查丁镜检。")) == "incomplete"


def test_prompts_of_all_shapes_say_what_the_block_holds() -> None:
    for shape, calls in calls_of(graph_of(many(12))).items():
        text = prompts.load(f"graph_{shape}.zh").render(calls[0].block, pairs=5)
        keys = [key for key in calls[0].block if key not in ("shape", "kind")]
        assert all(key in text.split("```")[0] + text.split("```")[2] for key in keys), (shape, json.dumps(keys))
