"""A simulated patient knows one case and nothing else; what it adds ends the conversation and is not scored."""

from __future__ import annotations

import json

import pytest
from judge_makers import jsonl

from huatuo.checks.entities import Dictionary
from huatuo.errors import InputError, ModelError
from huatuo.eval.judging import consultations, results, sources
from huatuo.eval.judging.consultations import Case, Side, Sides
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.template import read_block
from huatuo.recipe import JudgingSettings
from huatuo.records_rated import Consultation
from huatuo.store import read

CARD = {"age": "45岁", "sex": "女", "symptoms": ["发热", "皮疹"], "wants": ["检查"]}
NAMES = Dictionary(["麻疹", "肺炎"])


class Speaks:
    """A model that says what the test's function says of the conversation."""

    digest = format = ""

    def __init__(self, say, name="m"):
        self.say, self.name, self.asked = say, name, []

    def chat(self, conversations, sampling):
        for index, messages in enumerate(conversations):
            self.asked.append(messages)
            said = self.say(messages)
            yield index, said if isinstance(said, Reply) else Reply(text=said)


def patient(*lines):
    """A patient that says these lines in turn, then ends."""

    def say(messages):
        turn = read_block(messages[-1].content)["turn"]
        line = lines[turn - 1] if turn <= len(lines) else "（结束）"
        return line if isinstance(line, Reply) else json.dumps([{"question": line, "answer": ""}], ensure_ascii=False)

    return Speaks(say, "patient")


def hold(speaker, doctor=None, turns=5, cases=1, card=CARD):
    doctor = doctor or Speaks(lambda messages: "请先查血常规，多久了？", "doctor")
    sides = Sides(Side(speaker, Sampling()), Side(doctor, Sampling()))
    return list(consultations.hold([Case(f"c{n}", card, "zh") for n in range(cases)], sides, turns, NAMES.find))


def test_a_conversation_ends_when_the_patient_has_no_more_to_ask():
    doctor = Speaks(lambda messages: f"第{len(messages)}句", "doctor")
    (talk,) = hold(patient("我45岁，发热，有皮疹，查什么？", "好的，谢谢。"), doctor)
    assert (talk.ended, talk.reason, len(talk.messages)) == ("patient", "", 4)
    assert [message.role for message in talk.messages] == ["user", "assistant"] * 2
    # the physician sees an ordinary chat, the patient the case and the dialogue
    assert [len(messages) for messages in doctor.asked] == [1, 3]
    assert talk.patient.prompt_id == "consultation_patient.zh"


def test_it_is_no_longer_than_allowed():
    (talk,) = hold(patient(*["我发热。"] * 9), turns=3)
    assert (talk.ended, len(talk.messages)) == ("turns", 6)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("我发热，还咳嗽。", "咳嗽"),
        ("我得了麻疹。", "麻疹"),
        ("我烧到39度。", "39"),
        ("我没有发热。", "发热"),
        ("我是男的，50岁。", "50"),
    ],
)
def test_a_patient_that_says_more_than_the_case_ends_it_by_name(line, what):
    (talk,) = hold(patient("我发热，有皮疹。", line))
    assert talk.ended == "revealed"
    assert talk.reason.startswith("turn 2: ")
    assert what in talk.reason
    assert talk.messages[-1].content == line


@pytest.mark.parametrize("line", ["没有了，就是发热。", "血常规还没查。", "会头痛吗？", "谢谢医生。"])
def test_what_the_case_holds_may_be_said(line):
    (talk,) = hold(patient("我发热，有皮疹。", line))
    assert talk.ended == "patient"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (Reply(text="我发热"), "the patient: "),
        (Reply(text="", finish_reason="error", error="down"), "the patient: failed call: down"),
        (Reply(text='[{"question": "我", "answer": ""}', finish_reason="length"), "the patient: cut off"),
        (
            Reply(text='[{"question": "甲"}, {"question": "乙"}]'),
            "the patient: expected one line of the patient, found 2",
        ),
    ],
)
def test_a_line_that_cannot_be_had_is_a_failure_and_no_answer(line, why):
    (talk,) = hold(patient("我发热。", line))
    assert talk.ended == "failed"
    assert why in talk.reason
    with pytest.raises(ModelError, match="none of 1 patients said a first line"):
        hold(patient(line))


def test_a_physician_that_refuses_has_answered_and_one_that_fails_has_not():
    refusing = Speaks(lambda messages: Reply(text="我不能回答。", finish_reason="refused"))
    (talk,) = hold(patient("我发热。"), refusing)
    assert (talk.ended, talk.messages[-1].content) == ("patient", "我不能回答。")
    (talk,) = hold(patient("我发热。"), Speaks(lambda messages: Reply(text="", finish_reason="error", error="x")))
    assert (talk.ended, talk.reason) == ("failed", "turn 1: the model: failed call: x")


@pytest.mark.slow
def test_a_thousand_consultations_are_kept_and_only_whole_ones_are_judged(tmp_path):
    def say(messages):
        block = read_block(messages[-1].content)
        if block["turn"] > 2:
            return '[{"question": "（结束）", "answer": ""}]'
        adds = block["turn"] == 2 and block["case"]["number"].endswith("7号")
        return json.dumps([{"question": "我还咳嗽。" if adds else "我发热。", "answer": ""}], ensure_ascii=False)

    cases = [Case(f"c{n}", {"symptoms": ["发热"], "number": f"{n}号"}, "zh") for n in range(500)]
    for name in ("甲", "乙"):
        sides = Sides(Side(Speaks(say, "p"), Sampling()), Side(Speaks(lambda messages: "休息。", name), Sampling()))
        results.keep_consultations(tmp_path / "talks", list(consultations.hold(cases, sides, 3, NAMES.find)), ())
    talks = list(read(tmp_path / "talks", "consultations", Consultation))
    assert len({talk.id for talk in talks}) == 1000  # the first model's stay beside the second's
    assert sum(talk.ended == "revealed" for talk in talks) == 100
    answers, dropped = sources.load(tmp_path / "talks")
    assert len(answers) == 900
    assert {one.rule for one in dropped} == {"revealed"}
    assert answers[0].text.splitlines()[0].startswith("患者 / patient：")
    found, left = sources.pairs_of(answers, [])
    assert (len(found), len(left)) == (450, 0)


def test_cases_are_read_and_bad_lines_counted(tmp_path):
    rows = [
        {"id": "a", "case": CARD},
        {"id": "b", "case": {"text": "x"}, "language": "en"},
        {"id": "c"},
        {"case": CARD},
        [],
    ]
    found, dropped = consultations.read_cases(jsonl(tmp_path / "cases.jsonl", rows))
    assert [(case.id, case.language) for case in found] == [("a", "zh"), ("b", "en")]
    assert len(dropped) == 3
    with pytest.raises(InputError, match="line 2: case 'a' stands twice"):
        consultations.read_cases(jsonl(tmp_path / "cases.jsonl", [rows[0]] * 2))
    with pytest.raises(InputError, match="holds no case"):
        consultations.read_cases(jsonl(tmp_path / "cases.jsonl", [{}]))


@pytest.mark.parametrize(
    ("options", "why"),
    [((None, "", ""), "expected --doctor"), ((None, "http://x/v1", ""), "--doctor-url needs --doctor-model")],
)
def test_the_model_that_is_evaluated_must_be_named(options, why):
    with pytest.raises(InputError, match=why):
        consultations.physician_settings(*options, JudgingSettings())
