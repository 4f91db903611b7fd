from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from huatuo.errors import InputError, ModelError
from huatuo.llm import prompts
from huatuo.llm.base import Sampling
from huatuo.llm.template import OfflineTeacher, fill, load_wordings, read_block
from huatuo.records import Message

PHRASINGS = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
DIRECT = {"shape": "direct", "entity": "甲病", "kind": "disease", "relation": "临床症状", "values": ["乙痛", "丙热。"]}


def reply(teacher: OfflineTeacher, block: dict[str, object], prompt: str = "graph_direct.zh") -> list[dict[str, str]]:
    text = prompts.load(prompt).render(block, pairs=5)
    ((_, answered),) = teacher.chat([[Message(role="user", content=text)]], Sampling())
    assert answered.finish_reason == "stop", answered.error
    made: list[dict[str, str]] = json.loads(answered.text)
    return made


def test_direct_uses_all_wordings_and_one_answer() -> None:
    made = reply(OfflineTeacher(PHRASINGS, 16, 1), DIRECT)
    assert len({pair["question"] for pair in made}) == 16
    assert all("甲病" in pair["question"] for pair in made)
    assert {pair["answer"] for pair in made} == {"甲病的临床症状有乙痛、丙热。"}


def test_more_answer_forms_are_chosen_by_hash_and_stay() -> None:
    first = reply(OfflineTeacher(PHRASINGS, 16, 3), DIRECT)
    assert len({pair["answer"] for pair in first}) == 3
    assert first == reply(OfflineTeacher(PHRASINGS, 16, 3), DIRECT)


def test_every_relation_speaks_without_open_braces_and_ends_with_a_stop() -> None:
    relations = tomllib.loads(PHRASINGS.read_text(encoding="utf-8"))
    teacher, count = OfflineTeacher(PHRASINGS, 16, 3), 0
    for relation in [*relations, "没有表的关系"]:
        for pair in reply(teacher, {**DIRECT, "relation": relation}):
            count += 1
            assert "{" not in pair["question"] + pair["answer"]
            assert pair["answer"].endswith("。")
            assert "。。" not in pair["answer"]
    assert count > 600


def test_braces_in_a_value_stay() -> None:
    assert fill("{entity}有{values}。", entity="{values}", values="a{b}") == "{values}有a{b}。"


def test_reverse_is_asked_only_of_the_whole_set() -> None:
    block = {
        "shape": "reverse",
        "kind": "disease",
        "relation": "临床症状",
        "value": "乙痛",
        "entities": ["甲病", "丁病"],
    }
    teacher = OfflineTeacher(PHRASINGS)
    made = reply(teacher, {**block, "complete": True}, "graph_reverse.zh")
    assert len(made) == 3
    assert all(pair["answer"] == "已知临床症状包括乙痛的疾病有甲病、丁病。" for pair in made)
    text = prompts.load("graph_reverse.zh").render({**block, "complete": False}, pairs=5)
    ((_, refused),) = teacher.chat([[Message(role="user", content=text)]], Sampling())
    assert (refused.finish_reason, refused.text) == ("refused", "")


def test_comparison_names_what_both_have() -> None:
    items = [{"entity": "甲病", "values": ["乙痛", "丙热"]}, {"entity": "丁病", "values": ["丙热"]}]
    (pair,) = reply(
        OfflineTeacher(PHRASINGS),
        {"shape": "comparison", "kind": "disease", "relation": "临床症状", "items": items},
        "graph_comparison.zh",
    )
    assert pair["answer"] == "甲病的临床症状有乙痛、丙热；丁病的临床症状有丙热；两者相同的是丙热。"


def test_prose_is_quoted_and_not_listed() -> None:
    value = "先由接触引起。随后累及全身。"
    answer = OfflineTeacher(PHRASINGS).answer("甲病", "病因", [value])
    assert answer == f"关于甲病的病因：{value}"


@pytest.mark.parametrize(
    ("language", "title", "text", "words"),
    [
        ("zh", "伤口 > 止血", "先洗手。再压住伤口", ("伤口", "止血")),
        ("en", "Falls > Shoes", "Wear shoes that fit", ("Falls", "Shoes")),
    ],
)
def test_passage_question_from_title_and_answer_from_its_sentences(
    language: str, title: str, text: str, words: tuple[str, str]
) -> None:
    teacher = OfflineTeacher(PHRASINGS)
    block: dict[str, object] = {
        "shape": "passage_question",
        "title": title,
        "text": text,
        "language": language,
        "answer_language": language,
        "shared_title": False,
    }
    (asked,) = reply(teacher, block, f"passage_question.{language}")
    assert asked["answer"] == ""
    assert all(word in asked["question"] for word in words)
    second = {**block, "shape": "passage_answer", "question": asked["question"]}
    (answered,) = reply(teacher, second, f"passage_answer.{language}")
    assert answered["answer"].startswith(text[:6])
    assert answered["answer"][-1] in "。."


def test_it_cannot_translate() -> None:
    block = {"shape": "passage_question", "title": "T", "text": "Text.", "language": "en", "answer_language": "zh"}
    text = prompts.load("passage_question.zh").render(block)
    ((_, refused),) = OfflineTeacher(PHRASINGS).chat([[Message(role="user", content=text)]], Sampling())
    assert refused.finish_reason == "refused"


@pytest.mark.parametrize(
    "content", ["你好", "```json\n[1]\n```", "```json\n{broken\n```", '```json\n{"shape": "direct"}\n```']
)
def test_a_prompt_it_cannot_read_is_an_error_that_says_why(content: str) -> None:
    ((_, failed),) = OfflineTeacher(PHRASINGS).chat([[Message(role="user", content=content)]], Sampling())
    assert (failed.finish_reason, failed.text) == ("error", "")
    assert failed.error


def test_the_last_block_counts_and_back_quotes_cannot_close_it() -> None:
    text = '```json\n{"a": 1}\n```\n' + prompts.fence({"value": "```\n坏", "shape": "x"})
    assert read_block(text) == {"value": "```\n坏", "shape": "x"}


def test_digest_depends_on_wordings_and_counts() -> None:
    assert OfflineTeacher(PHRASINGS, 16, 1).digest == OfflineTeacher(PHRASINGS, 16, 1).digest
    assert OfflineTeacher(PHRASINGS, 16, 1).digest != OfflineTeacher(PHRASINGS, 15, 1).digest


def test_it_has_no_probabilities() -> None:
    with pytest.raises(ModelError, match="offline-teacher"):
        OfflineTeacher(PHRASINGS).logprobs([], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('["甲"]\nquestions=["什么？"]\nanswers=["{entity}{values}"]', "lacks {entity}"),
        ('["甲"]\nquestions=["{entity}？"]\nanswers=["{entity}{values}"]', r'no table \["\*"\]'),
        ('["*"]\nquestions=["{entity}？"]', "needs questions and answers"),
        ("not toml", "TOML"),
    ],
)
def test_wrong_wordings_are_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "w.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_wordings(path)


@pytest.mark.parametrize(
    ("relation", "kind", "asked", "never"),
    [
        ("检查", "disease", "疾病", "症状"),
        ("检查", "symptom", "症状", "疾病"),
        ("病因", "disease", "疾病", "症状"),
        ("临床症状", "herb", "", "病"),
        ("功能主治", "drug", "药", "中药"),
        ("禁忌", "drug", "药", "不能用"),
    ],
)
def test_a_reverse_question_asks_for_the_kind_of_its_answer(relation: str, kind: str, asked: str, never: str) -> None:
    teacher = OfflineTeacher(PHRASINGS, 16, 1)
    block = {"shape": "reverse", "kind": kind, "relation": relation, "value": "乙者禁用", "entities": ["甲"]}
    made = reply(teacher, {**block, "complete": True}, "graph_reverse.zh")
    assert made
    for pair in made:
        rest = pair["question"].replace(relation, "").replace("乙者禁用", "")
        assert asked in rest
        assert never not in rest
        assert "{" not in pair["question"]
        assert pair["question"].count("禁用") == 1
        assert pair["answer"].startswith("已知")
