"""Questions and answers of the offline teacher about passages: they stand alone, and say what the passage says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from huatuo.llm.template_passages import answer, dialogue, fields, passage_of, question, topic

LABEL = "药品类型:化痰药。\n剂型:片剂：15mg。\n用法用量:口服，每次1片，每日3次。\n禁忌证:对本品过敏者。"


def passage(title: str, text: str, language: str = "zh", shared: bool = False) -> Any:
    return passage_of({"title": title, "text": text, "language": language, "shared_title": shared})


@pytest.mark.parametrize(
    ("title", "text", "language", "shared", "expected"),
    [
        ("高血压 > 用药", "先用一种药。", "zh", False, "“高血压”的“用药”"),
        ("某病 病因", "有三种。", "zh", False, "某病的病因"),  # the field of a record
        ("第一章 总论", "有三种。", "zh", False, "第一章 总论"),
        ("12-某书", "文字。", "zh", False, "某书"),  # the number of a file
        ("某药", LABEL, "zh", True, "某药的药品类型、剂型和用法用量等"),
        ("某药", "某药\n剂型:片剂。", "zh", True, "某药的剂型"),  # the first line repeats the title
        ("某病 病因", "2、口腔卫生不良，菌斑沉积。", "zh", True, "某病的病因中“口腔卫生不良”这一点"),
        ("某病", "但是，如果血压升高，应就医。", "zh", True, "某病中“如果血压升高”这一点"),
        ("某书", "甘草（炙，四两） 黄芩（三两）\n上二味，以水一斗煮之。", "zh", True, "某书中“以水一斗煮之”这一点"),
        ("某书", "甘草（炙，四两） 黄芩（三两）", "zh", True, ""),  # nothing tells it from the others
        ("某病", "血" * 40 + "。", "zh", True, "某病中“" + "血" * 24 + "…”这一点"),
        ("Falls > Shoes", "Wear shoes.", "en", False, '"Shoes" (Falls)'),
        ("Joints > Chapter Review", "Joints move.", "en", False, '"Joints"'),
        (
            "Heart",
            "3. The heart pumps blood daily.",
            "en",
            True,
            '"Heart", in particular “The heart pumps blood daily”',
        ),
        (
            "Joints",
            "However, in adults, the skull bones are closely opposed and do not move.",
            "en",
            True,
            '"Joints", in particular “the skull bones are closely opposed and do not move”',
        ),
        (
            "Heart > Glossary",
            "- **atrium**: upper room\n- **valve**: door",
            "en",
            False,
            "“atrium” and “valve” (Heart)",
        ),
        ("Heart > Review Questions", "Name the rooms of the heart.", "en", False, ""),
        ("Heart", "The heart has \\_\\_\\_\\_ rooms.", "en", False, ""),
        ("Heart", "Which one pumps?\n1.  atrium\n2.  valve", "en", False, ""),
        ("", "咳嗽三天以上。要看医生。", "zh", False, "“咳嗽三天以上”"),
        ("某病", "  ", "zh", False, ""),
    ],
)
def test_what_a_passage_is_about(title: str, text: str, language: str, shared: bool, expected: str) -> None:
    assert topic(passage(title, text, language, shared)) == expected


@pytest.mark.parametrize(
    ("title", "text", "language", "shared", "expected"),
    [
        ("某药", "某药\n剂型:片剂。", "zh", False, "剂型:片剂。"),
        ("某病", "先洗手\n再压住", "zh", False, "先洗手。再压住。"),
        ("某病", "1、先洗手。\n2、再压住。\n3.", "zh", False, "1、先洗手。\n2、再压住。"),  # the mark of the next item
        ("某病", "2、再压住。", "zh", False, "再压住。"),  # 2 alone counts nothing
        ("某病", "因此，应就医。", "zh", False, "应就医。"),
        ("某药", "三日为一程。\n用法用量:每次1片", "zh", True, "用法用量:每次1片。"),  # another passage has its label
        ("某病", "共三点：", "zh", False, "共三点："),
        ("Falls", "However, wear shoes that fit", "en", False, "Wear shoes that fit."),
        ("Falls", "First degree burns are red.", "en", False, "First degree burns are red."),
        ("Falls", "- one\n- two", "en", False, "- one\n- two."),
    ],
)
def test_what_is_answered(title: str, text: str, language: str, shared: bool, expected: str) -> None:
    assert answer(passage(title, text, language, shared)) == expected


def test_a_dialogue_goes_through_the_fields_and_keeps_the_label_of_a_warning() -> None:
    turns = dialogue(passage("某药", LABEL + "\n药物相互作用:尚不明确。"), "k")
    assert turns[0] == ("请介绍一下某药的药品类型。", "化痰药。")
    assert [said for _, said in turns[1:]] == ["片剂：15mg。", "口服，每次1片，每日3次。", "禁忌证：对本品过敏者。"]
    assert all(label in asked for (asked, _), label in zip(turns[1:], ("剂型", "用法用量", "禁忌证"), strict=True))


def test_many_fields_are_put_together() -> None:
    text = "\n".join(f"标签{mark}:内容{mark}。" for mark in "甲乙丙丁戊己")
    turns = dialogue(passage("某药", text), "k")
    assert len(turns) == 4
    assert "".join(said for _, said in turns).count("内容") == 6


def test_a_dialogue_keeps_list_items_on_lines_of_their_own() -> None:
    said = [
        said for _, said in dialogue(passage("某病", "\n".join(f"{n}．第{n}条要点在此。" for n in range(1, 9))), "k")
    ]
    assert len(said) == 4
    assert all(re.match(r"\d．", line) for part in said for line in part.split("\n"))


@pytest.mark.parametrize(
    ("title", "text", "language"),
    [
        ("某病", "一句话而已。", "zh"),
        ("某表", "| 药 | 量 |\n| --- | --- |\n| 甲 | 1 |", "zh"),
        ("Heart > Glossary", "- **atrium**: upper room\n- **valve**: door", "en"),
        ("Heart > Review Questions", "One. Two and more words here. Three and more words here.", "en"),
    ],
)
def test_what_gives_no_dialogue(title: str, text: str, language: str) -> None:
    assert dialogue(passage(title, text, language), "k") == []


def test_a_colon_inside_a_sentence_is_no_label() -> None:
    prose = "本病分为两型：一为急性。\n急性者多见。\n慢性者少见。\n二者可以互相转化。"
    assert fields(passage("某病", prose)) == []
    assert [field.label for field in fields(passage("某药", LABEL))] == ["药品类型", "剂型", "用法用量", "禁忌证"]


@pytest.mark.slow
def test_a_thousand_answers_hold_nothing_that_the_passage_does_not() -> None:
    """Every line of an answer stands in its passage, but for end marks; every question names its heading."""
    for n in range(1000):
        lines = [f"第{n}点第{i}句说明休息与饮水的好处" + ("，" if i % 3 else "。") for i in range(2 + n % 7)]
        lines = [f"{i}、{line}" for i, line in enumerate(lines, 1)] if n % 2 else lines
        one = passage(f"病{n} 预防", "\n".join(lines), "zh", bool(n % 3))
        bare = re.sub(r"[\s。，]", "", "".join(lines))
        assert re.sub(r"[\s。，]", "", answer(one)) in bare
        assert f"病{n}的预防" in question(one, "a", str(n))
        told = "".join(said for _, said in dialogue(one, str(n)))
        assert re.sub(r"[\s。，]", "", told) in bare
