import json
import tomllib
from collections import Counter, defaultdict
from importlib import resources

import pytest

from huatuo import store
from huatuo.errors import InputError, RecipeError
from huatuo.eval.probes import Taught, question_words, shares_a_word
from huatuo.eval.questions import make, read_questions
from huatuo.recipe import ExamSource, ProbeSettings, QuestionsSettings
from huatuo.records import Dropped, Entity, Fact, Origin, Question
from huatuo.store import content_id

TRAINED = """
["临床症状"]
questions = ["{entity}有哪些症状？", "{entity}的临床表现是什么？", "得了{entity}会哪里难受？"]
["*"]
questions = ["{entity}的{relation}是什么？"]
"""
HELD_OUT = """
"临床症状" = ["{entity}的主要症状", "患{entity}的人身上可见何种异样？"]
"药物治疗" = ["治{entity}用哪些药？"]
"""


def fact(entity, relation, value, flags=()):
    return Fact(
        id=content_id(entity, relation, value),
        entity_id=entity,
        entity=entity,
        kind="disease",
        relation=relation,
        value=value,
        flags=tuple(flags),
        origin=Origin(source="graph", file="graph.jsonl", place="line 1"),
    )


@pytest.fixture
def made(tmp_path, dataset):
    """Makes the questions of exams and facts; gives the questions, and what was dropped and left."""
    (tmp_path / "trained.toml").write_text(TRAINED, encoding="utf-8")

    def go(facts=(), raw=None, held_out=HELD_OUT, seed=1, without_held_out=False, **probe):
        (tmp_path / "held.toml").write_text(held_out, encoding="utf-8")
        exams = []
        if raw is not None:
            lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in raw]
            (tmp_path / "exam.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            exams = [ExamSource(name="exam", path=tmp_path / "exam.jsonl", licence="own")]
        filler = Entity(id="e", kind="disease", name="e", origins=(fact("e", "r", "v").origin,))
        knowledge = dataset("facts", facts) if facts else dataset("entities", [filler])
        path = None if without_held_out else tmp_path / "held.toml"
        settings = QuestionsSettings(exams=tuple(exams), probe=ProbeSettings(held_out=path, **probe))
        with store.writing(tmp_path / "made", stage="questions", key=f"{seed} {probe}") as out:
            make(settings, knowledge, Taught(tmp_path / "trained.toml", 64), seed, out)
        dropped = list(store.read(tmp_path / "made", "dropped", Dropped))
        return list(store.read(tmp_path / "made", "questions", Question)), dropped

    return go


def row(**changes):
    plain = {
        "question": "首选药物是？",
        "kind": "single",
        "options": {"A": "甲", "B": "乙", "C": "丙"},
        "answer": ["B"],
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


# ---------------------------------------------------------------- exams


def test_an_exam_keeps_labels_kind_and_source(made):
    (single, multiple, opened), dropped = made(
        raw=[
            row(options={"B": "乙", "D": "丁"}, year=2021, subject="内科", written_on="2021-05-01"),
            row(kind="multiple", answer="B", question="下列哪些？"),
            row(kind="open", options=None, answer=None, reference="休息", question="How should one rest at home?"),
        ]
    )
    assert [option.label for option in single.options] == ["B", "D"]
    assert (single.gold, single.kind, single.group, single.year) == (("B",), "single", "exam", "2021")
    assert (single.licence, single.written_on, single.subject) == ("own", "2021-05-01", "内科")
    assert (multiple.kind, multiple.gold) == ("multiple", ("B",))  # the kind is not the number of answers
    assert (opened.reference, opened.options, opened.language) == ("休息", (), "en")
    assert dropped == []


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (row(answer=["E"]), "answer is no option"),
        (row(answer=["A", "B"]), "two answers to a single"),
        (row(answer=None), "no answer"),
        (row(answer=[]), "no answer"),
        (row(kind="essay"), "unknown kind"),
        (row(kind=None), "no kind"),
        (row(question=" "), "no question"),
        (row(options=["甲", "乙"]), "no options"),
        (row(options={"A": "甲"}), "no options"),
        (row(options={"A": "甲", "B": ""}), "empty option"),
        (row(kind="open", options=None), "no reference"),
        (row(), "duplicate"),
        ("[1, 2]", "no question"),
    ],
)
def test_a_question_that_cannot_be_asked_is_dropped_with_its_place(made, bad, rule):
    questions, (dropped,) = made(raw=[row(), bad, row(question="另一题？")])
    assert len(questions) == 2
    assert (dropped.outcome, dropped.rule) == ("dropped", rule)
    assert "exam.jsonl" in dropped.reason
    assert "2" in dropped.reason


def test_a_line_that_is_no_json_is_dropped(made):
    questions, dropped = made(raw=[row(), '{"question": ', row(question="另一题？")])
    assert (len(questions), len(dropped)) == (2, 1)


# ---------------------------------------------------------------- the probe


def graph(n):
    facts = [fact(f"病{i:04}", "临床症状", f"症状{(i + j) % 97}") for i in range(n) for j in range(1 + i % 3)]
    facts += [fact(f"藏{i:04}", "临床症状", f"症状{i % 97}", ["withheld"]) for i in range(n // 10)]
    return facts


@pytest.mark.slow
def test_groups_and_sets_of_a_thousand_facts(made):
    facts = [*graph(600), fact("病0001", "科室", "内科"), fact("坏", "临床症状", "发热", ["withheld", "odd value"])]
    questions, left = made(facts, relations=("临床症状",), trained_per_relation=2)
    assert Counter(question.group for question in questions) == {
        "trained phrasings": 1200,
        "held-out phrasings": 600,
        "held-out, no shared word": 600,
        "withheld entities": 120,
    }
    assert Counter(record.rule for record in left) == {"relation not probed": 1, "flagged: odd value": 1}
    values = defaultdict(set)
    for one in facts:
        if one.relation == "临床症状":
            values[one.entity].add(one.value)
    assert all(set(question.gold) == values[question.entity] for question in questions)
    assert all(
        question.entity in question.stem and len(question.parents) == len(question.gold) for question in questions
    )
    assert len({question.id for question in questions}) == len(questions)


def test_a_set_with_a_withheld_fact_is_withheld_as_a_whole(made):
    facts = [
        fact("甲病", "临床症状", "发热"),
        fact("甲病", "临床症状", "咳嗽", ["withheld"]),
        fact("乙病", "临床症状", "乏力"),
    ]
    questions, _ = made(facts, relations=("临床症状",))
    assert {question.group for question in questions if question.entity == "甲病"} == {"withheld entities"}
    assert "withheld entities" not in {question.group for question in questions if question.entity == "乙病"}


@pytest.mark.slow
def test_the_draw_is_by_hash_and_the_rest_is_left(made):
    facts = graph(100)
    first, left = made(facts, relations=("临床症状",), max_entities=7)
    drawn = {question.entity for question in first}
    assert Counter(name[0] for name in drawn) == {"病": 7, "藏": 7}
    assert {(record.outcome, record.rule) for record in left} == {("left", "not drawn")}
    again, _ = made(facts[::-1], relations=("临床症状",), max_entities=7)
    values = [[q.model_copy(update={"gold": (), "parents": ()}) for q in found] for found in (first, again)]
    assert values[0] == values[1]
    assert [set(q.gold) for q in again] == [set(q.gold) for q in first]
    other, _ = made(facts, relations=("临床症状",), max_entities=7, seed=2)
    assert {question.entity for question in other} != drawn


def test_the_generic_wordings_are_those_of_a_relation_without_its_own(made):
    questions, _ = made([fact("甲病", "药物治疗", "青霉素")], relations=("药物治疗",))
    assert {question.stem: question.group for question in questions} == {
        "甲病的药物治疗是什么？": "trained phrasings",
        "治甲病用哪些药？": "held-out phrasings",
    }


@pytest.mark.parametrize(
    "wording",
    ["{entity}有哪些症状？", "请问{entity}有哪些症状", " {entity} 有哪些症状! ", "请问一下{entity}临床表现是什么？"],
)
def test_a_held_out_wording_that_is_trained_is_refused(made, wording):
    held_out = '"临床症状" = ' + json.dumps([wording], ensure_ascii=False)
    with pytest.raises(InputError, match=r"held\.toml: \[临床症状\].*is held out, but trained\.toml trains on"):
        made([fact("甲病", "临床症状", "发热")], held_out=held_out, relations=("临床症状",))


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ('"别的" = ["{entity}？"]', "no wordings for relation '临床症状'"),
        ('"临床症状" = []', "no wordings for relation '临床症状'"),
        ('"临床症状" = ["怎么了？"]', "exactly once"),
        ('"临床症状" = ["{entity}和{entity}？"]', "exactly once"),
        ("临床症状 = [", "no valid TOML"),
    ],
)
def test_held_out_wordings_that_cannot_be_used(made, held_out, message):
    with pytest.raises(InputError, match=message):
        made([fact("甲病", "临床症状", "发热")], held_out=held_out, relations=("临床症状",))


def test_a_probe_without_held_out_wordings_is_a_mistake_of_the_recipe(made):
    with pytest.raises(RecipeError, match="no held_out"):
        made([fact("甲病", "临床症状", "发热")], relations=("临床症状",), without_held_out=True)


def test_question_words_are_what_is_asked_not_how():
    assert question_words("请问{entity}有哪些症状？") == {"症状"}
    assert question_words("治{entity}用哪些药？") == {"治", "用", "药"}
    assert shares_a_word("{entity}的主要症状", ["{entity}有哪些症状？"])
    assert not shares_a_word("请问{entity}有哪些征象？", ["请问{entity}有哪些症状？"])


def test_the_shipped_wordings_can_be_used_together():
    trained = tomllib.loads((resources.files("huatuo") / "prompts/phrasings.zh.toml").read_text("utf-8"))
    held_out = tomllib.loads((resources.files("huatuo") / "sample/phrasings.heldout.zh.toml").read_text("utf-8"))
    taught = {wording for relation in trained.values() for wording in relation["questions"]}
    assert held_out
    assert not taught & {wording for wordings in held_out.values() for wording in wordings}


def test_no_questions_are_said_with_the_place(dataset):
    with pytest.raises(InputError, match="holds no questions"):
        read_questions(dataset("facts", [fact("甲病", "临床症状", "发热")]))


def test_one_question_with_two_right_answers_is_never_asked_and_both_records_are_accounted_for(made):
    options = {"A": "甲", "B": "乙", "C": "丙"}
    rows = [{"question": f"第{i}题？", "kind": "single", "options": options, "answer": "A"} for i in range(5)]
    questions, dropped = made(raw=[*rows, rows[2] | {"answer": "B"}, rows[3]])
    assert sorted(question.stem for question in questions) == ["第0题？", "第1题？", "第3题？", "第4题？"]
    assert sorted(record.rule for record in dropped) == ["contradictory answers", "contradictory answers", "duplicate"]
