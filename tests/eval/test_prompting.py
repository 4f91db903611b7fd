"""Prompts of the seeds by name, and examples of a subject before its questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from huatuo import store
from huatuo.errors import InputError
from huatuo.eval.prompting import FEW_SHOT, Wording, messages_for, unknown_prompts
from huatuo.llm import prompts
from huatuo.recipe import AskSettings
from huatuo.records import Option, Question


def question(
    number: int, subject: str = "医师考试 / 规培结业 / 内科", kind: str = "single", gold: str = "B", **more: str
) -> Question:
    options = tuple(Option(label=label, text=f"第{label}项") for label in "ABC")
    about = {"exam": "e", "language": "zh", "gold": tuple(gold), "options": options, **more}
    return Question(id=f"q{number}", kind=kind, stem=f"第{number}题？", subject=subject, **about)


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("", "请回答下面选择题。\n[单项选择题]第1题？\nA. 第A项\nB. 第B项\nC. 第C项"),
        ("exam_huatuogpt2.zh", "请回答下面选择题。\n第1题？\nA. 第A项\nB. 第B项\nC. 第C项"),
        (
            "exam_cmb_answer.zh",
            "以下是中国医师考试中规培结业考试的一道单项选择题，不需要做任何分析和解释，直接输出答案选项。\n第1题？\nA. 第A项\nB. 第B项\nC. 第C项",
        ),
        (
            "exam_cmb_cot.zh",
            "以下是中国医师考试中规培结业考试的一道单项选择题，请分析每个选项，并最后给出答案。\n第1题？\nA. 第A项\nB. 第B项\nC. 第C项",
        ),
        ("exam_cmexam.zh", "问题: 第1题？, \n 选项: A 第A项\nB 第B项\nC 第C项"),
    ],
)
def test_a_named_prompt_says_what_its_authors_ask(prompt: str, asked: str) -> None:
    (message,), prompt_id, digest = messages_for(question(1), prompt)
    assert message.content == asked
    assert prompt_id == (prompt or "exam_choice.zh")
    assert len(digest) == 64


def test_the_source_s_type_stands_in_the_bracket_where_the_paper_names_one() -> None:
    (message,), _, _ = messages_for(question(1, question_type="最佳选择题"), "exam_huatuogpt2.zh")
    assert "\n[最佳选择题]第1题？" in message.content
    (message,), _, _ = messages_for(question(1, subject="", question_type="多项选择题"), "exam_cmb_answer.zh")
    assert "一道多项选择题，" in message.content


def test_examples_are_turns_for_chat_models_and_one_text_for_base_models() -> None:
    examples = [question(8), question(9, gold="AC", kind="multiple")]
    turns, _, _ = messages_for(question(1), "exam_huatuogpt2.zh", examples)
    assert [turn.role for turn in turns] == ["user", "assistant"] * 2 + ["user"]
    assert [turn.content for turn in turns if turn.role == "assistant"] == ["B", "AC"]
    (text,), prompt_id, _ = messages_for(question(1), f"{FEW_SHOT}zh", examples)
    assert prompt_id == "exam_few_shot.zh"
    assert text.content.count("答案：") == 3
    assert text.content.endswith("C. 第C项\n答案：")
    assert "答案：B\n\n第9题？" in text.content
    (text,), _, _ = messages_for(question(1, subject="college_biology"), f"{FEW_SHOT}en", examples)
    assert text.content.startswith(
        "The following are multiple choice questions (with answers) about college biology.\n\n第8题？"
    )
    assert text.content.endswith("\nAnswer:")


def test_every_exam_prompt_can_be_rendered() -> None:
    names = [name for name in prompts.ids() if name.startswith("exam_")]
    assert len(names) >= 8
    for name in names:
        messages, _, _ = messages_for(question(1, subject=""), name)
        assert "第1题？" in messages[-1].content


@pytest.fixture
def wording(tmp_path: Path):
    examples = [question(i, subject=subject) for subject in ("甲", "乙") for i in range(10, 15)]

    def make(**shots: int) -> Wording:
        folder = tmp_path / "questions"
        with store.writing(folder, stage="questions", key=str(shots)) as out:
            for example in [one.model_copy(update={"id": f"{one.subject}{one.id}"}) for one in examples]:
                out.write("examples", example)
        return Wording(AskSettings(prompts={"e": "exam_few_shot.zh"}, shots=shots), folder)

    return make


def test_examples_are_of_the_question_s_subject_and_never_the_question_itself(wording) -> None:
    made = wording(e=3)
    assert [(one.subject, one.stem) for one in made.examples(question(1, subject="乙"))] == [
        ("乙", f"第{i}题？") for i in (10, 11, 12)
    ]
    assert [one.stem for one in made.examples(question(10, subject="乙"))] == [f"第{i}题？" for i in (11, 12, 13)]
    assert len(made.examples(question(1, subject="丙"))) == 3  # none of its subject: of its kind
    assert made.examples(question(1, exam="other")) == []
    assert made.messages(question(1, subject="甲"))[0][0].content.count("答案：") == 4


def test_examples_are_of_the_question_s_kind(wording) -> None:
    several = question(1, subject="甲").model_copy(update={"kind": "multiple", "gold": ("A", "B")})
    with pytest.raises(InputError, match="has 0 examples of subject '甲' and kind multiple"):
        wording(e=1).examples(several)


def test_more_examples_than_there_are_is_an_error(wording) -> None:
    with pytest.raises(InputError, match="expected 9"):
        wording(e=9).messages(question(1, subject="甲"))
    with pytest.raises(InputError, match="has no examples"):
        wording(other=1)
    assert wording(e=0).examples(question(1)) == []


def test_unknown_exams_and_prompts_are_said_before_a_run() -> None:
    settings = AskSettings(prompts={"e": "exam_cmb", "f": "exam_cmb_cot.zh"}, shots={"g": 3})
    found = unknown_prompts(settings, ["e"])
    assert len(found) == 3
    assert any("exam_cmb_answer.zh" in line for line in found)
    assert unknown_prompts(AskSettings(prompts={"e": "exam_cmb_cot.zh"}), ["e"]) == []
