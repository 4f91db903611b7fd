import json
from collections import Counter

import pytest
from eval_sets import Dies, FakeModel, exam, probe

from huatuo import store
from huatuo.errors import ModelError
from huatuo.eval.ask import ask, messages_for
from huatuo.llm.base import Reply
from huatuo.recipe import AskSettings
from huatuo.records import Dropped, Finding, Response

BATCHES = AskSettings(batch=4)


@pytest.fixture
def run(tmp_path):
    """Runs the stage in ``ask`` and gives the responses."""

    def go(questions, models, settings=BATCHES, key="k"):
        with store.writing(tmp_path / "ask", stage="ask", key=key, resumable=True) as out:
            ask(settings, questions, models, 7, out)
        return list(store.read(tmp_path / "ask", "responses", Response))

    return go


@pytest.mark.slow
def test_every_question_is_asked_of_every_model_in_the_order_of_the_questions(dataset, run, tmp_path):
    questions = [exam(i) for i in range(250)] + [probe(f"病{i}", ["发热"]) for i in range(250)]
    found = run(dataset("questions", questions), {"base": FakeModel(digest="b"), "ours": FakeModel(digest="o")})
    expected = [(question.id, model) for question in questions for model in ("base", "ours")]
    assert [(response.question_id, response.model) for response in found] == expected
    assert len({response.id for response in found}) == 1000
    assert not list((tmp_path / "ask").glob("*.jsonl"))
    provenance = found[0].provenance
    assert (provenance.by, provenance.model, provenance.digest, provenance.format) == ("model", "fake", "b", "plain")
    assert json.loads(provenance.sampling)["seed"] == 7
    assert provenance.prompt_id == "exam_choice.zh"
    assert len(provenance.prompt_hash) == 64
    assert found[-1].provenance.prompt_id == ""


@pytest.mark.slow
def test_a_killed_run_goes_on_without_asking_again(dataset, run, tmp_path):
    questions = dataset("questions", [exam(i) for i in range(500)])
    base, ours = FakeModel(digest="b"), FakeModel(digest="o", dies_after=333)
    with pytest.raises(Dies):
        run(questions, {"base": base, "ours": ours})
    assert not (tmp_path / "ask").exists()
    base_again, ours_again = FakeModel(digest="b"), FakeModel(digest="o")
    found = run(questions, {"base": base_again, "ours": ours_again})
    assert base_again.asked == []
    assert not set(ours.asked) & set(ours_again.asked)
    assert len(ours_again.asked) == 500 - 333
    assert len(found) == 1000


def test_a_killed_run_ends_as_one_that_was_not(dataset, run):
    questions = dataset("questions", [exam(i) for i in range(50)])
    whole = run(questions, {"ours": FakeModel(lambda text: text[-4:])}, key="whole")
    with pytest.raises(Dies):
        run(questions, {"ours": FakeModel(lambda text: text[-4:], dies_after=20)}, key="cut")
    assert run(questions, {"ours": FakeModel(lambda text: text[-4:])}, key="cut") == whole


def test_other_weights_are_asked_anew(dataset, run):
    questions = dataset("questions", [exam(i) for i in range(50)])
    with pytest.raises(Dies):
        run(questions, {"ours": FakeModel(dies_after=40)})
    other = FakeModel(digest="d2")
    run(questions, {"ours": other})
    assert len(other.asked) == 50


@pytest.mark.parametrize(
    "changed",
    [
        AskSettings(batch=4, temperature=0.5),
        AskSettings(batch=4, max_tokens=7),
        AskSettings(batch=4, prompts={"e": "exam_cmb_cot.zh"}),
    ],
)
def test_another_decoding_or_another_prompt_is_asked_anew(dataset, run, changed):
    questions = dataset("questions", [exam(i).model_copy(update={"exam": "e"}) for i in range(50)])
    with pytest.raises(Dies):
        run(questions, {"ours": FakeModel(dies_after=40)})
    other = FakeModel()
    run(questions, {"ours": other}, changed)
    assert len(other.asked) == 50


@pytest.mark.parametrize("damage", [b'{"id": "cut off', b"\x00\xff\n", b'{"id": 3}\n'])
def test_a_damaged_line_is_no_answer(dataset, run, tmp_path, damage):
    questions = dataset("questions", [exam(i) for i in range(10)])
    with pytest.raises(Dies):
        run(questions, {"ours": FakeModel(dies_after=6)}, AskSettings(batch=1))
    with (tmp_path / "ask.part" / "ours.jsonl").open("ab") as file:
        file.write(damage)
    again = FakeModel()
    assert len(run(questions, {"ours": again}, AskSettings(batch=1))) == 10
    assert len(again.asked) == 4


def test_the_limit_is_per_group_and_the_rest_is_left(dataset, run, tmp_path):
    questions = [exam(i, group=group) for group in ("one", "two") for i in range(100)] + [exam(0, group="small")]
    found = run(dataset("questions", questions), {"ours": FakeModel()}, AskSettings(limit=7))
    groups = {question.id: question.group for question in questions}
    assert Counter(groups[response.question_id] for response in found) == {"one": 7, "two": 7, "small": 1}
    left = list(store.read(tmp_path / "ask", "dropped", Dropped))
    assert len(left) == 186
    assert {(record.outcome, record.rule) for record in left} == {("left", "limit")}
    chosen = {response.question_id for response in found}
    again = run(dataset("questions", questions[::-1]), {"ours": FakeModel()}, AskSettings(limit=7), key="reversed")
    assert {response.question_id for response in again} == chosen


def test_refusals_and_failures_are_kept(dataset, run, tmp_path):
    def reply(text):
        if "第3题" in text:
            return Reply(text="", finish_reason="error", error="timed out")
        return Reply(text="抱歉", finish_reason="refused") if "第4题" in text else "A"

    found = run(dataset("questions", [exam(i) for i in range(6)]), {"ours": FakeModel(reply)})
    assert [response.finish_reason for response in found] == ["stop", "stop", "stop", "error", "refused", "stop"]
    assert [finding.message for finding in store.read(tmp_path / "ask", "findings", Finding)] == ["timed out"]


def test_a_model_that_always_fails_is_no_result(dataset, run):
    broken = FakeModel(lambda text: Reply(text="", finish_reason="error", error="no route"))
    with pytest.raises(ModelError, match="model ours: all 5 questions ended in an error"):
        run(dataset("questions", [exam(i) for i in range(5)]), {"ours": broken})


def test_a_model_that_forgets_a_conversation_is_an_error(dataset, run):
    class Forgets(FakeModel):
        def chat(self, conversations, sampling):
            yield from list(super().chat(conversations, sampling))[1:]

    with pytest.raises(ModelError, match="1 of 5 conversations got no reply"):
        run(dataset("questions", [exam(i) for i in range(5)]), {"ours": Forgets()})


def test_the_exam_prompt_holds_stem_kind_and_labels():
    (message,), prompt_id, _ = messages_for(exam(1, kind="multiple"))
    assert prompt_id == "exam_choice.zh"
    assert "多项选择题" in message.content
    assert "A. 头孢" in message.content.splitlines()
    assert "E. 链霉素" in message.content.splitlines()
    assert "id:" not in message.content
    (english,), prompt_id, _ = messages_for(exam(1, language="en"))
    assert prompt_id == "exam_choice.en"
    assert "One answer is correct" in english.content


def test_a_probe_question_is_the_stem_alone():
    (message,), prompt_id, prompt_hash = messages_for(probe("肺炎", ["发热"]))
    assert (message.role, message.content, prompt_id, prompt_hash) == ("user", "肺炎会怎么样？", "", "")
