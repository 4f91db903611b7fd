"""Hard-wrapped lines become paragraphs; nothing else is joined and no word is lost."""

from __future__ import annotations

import random
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.readers.wrap import bound_pages, meet, rejoined

ZH = "患者三天前出现发热、咳嗽，体温38.5℃，白细胞4×10⁹/L，给予对乙酰氨基酚0.5 g口服，每日三次，两天后热退。"
EN = "The patient had a fever for three days and was given acetaminophen 0.5 g three times a day, after which it fell. "


def wrapped(paragraph: str, width: int) -> str:
    return "\n".join(paragraph[i : i + width].strip() for i in range(0, len(paragraph), width))


def test_chinese_meets_without_a_blank_and_english_with_one() -> None:
    text = "阿司匹林可\n以退热。\n\nTake one\ntablet.\n"
    assert rejoined(text, markdown=True)[0] == "阿司匹林可以退热。\n\nTake one tablet.\n"
    assert rejoined(text, markdown=False)[0] == "阿司匹林可以退热。\n\nTake one tablet.\n"


@pytest.mark.slow
@pytest.mark.parametrize("markdown", [True, False])
def test_a_thousand_wrapped_paragraphs_come_back(markdown: bool) -> None:
    random.seed(7)
    chinese = [ZH.replace("三天", f"{i}天") * random.randint(1, 4) for i in range(1000)]
    english = [f"Case {i}. " + (EN * random.randint(1, 3)).strip() for i in range(1000)]
    zh = "\n\n".join(wrapped(p, 34) for p in chinese)
    en = "\n\n".join(textwrap.fill(p, 72, break_on_hyphens=False) for p in english)
    made = rejoined(zh, markdown)[0].split("\n\n")
    # a blank at the end of a line cannot be seen in a wrapped text, and one inside a number cannot be known
    assert [p.replace(" ", "") for p in made] == [p.replace(" ", "") for p in chinese]
    assert sum("38.5℃" in p for p in made) == 1000
    assert rejoined(en, markdown)[0].split("\n\n") == english


def test_the_indented_paragraphs_of_a_chinese_book_are_told_apart() -> None:
    text = "\n".join(f"　　第{i}段" + wrapped(ZH, 30) for i in range(1000))
    made = rejoined(text, markdown=False)[0].split("\n")
    assert len(made) == 1000
    assert all(line.startswith("　　第") and line.endswith("热退。") for line in made)


def test_nothing_is_joined_across_items_headings_rows_and_code() -> None:
    text = "# 题\n段落一\n- 甲\n- 乙\n1. 丙\n（2）丁\n| 药 | 量 |\n| 子 | 丑 |\n```\na\nb\n```\n结束\n==\n再\n"
    assert rejoined(text, markdown=True)[0] == text


@pytest.mark.parametrize(
    "text",
    [
        "感冒\n肺炎\n糖尿病\n高血压\n",
        "姓名：张三\n性别：男\n年龄：45岁\n",
        "适应证：感冒发热。\n禁忌证：孕妇禁用。\n",
        "四君子汤中和义，参术茯苓甘草比。\n益以夏陈名六君，祛痰补气阳虚饵。\n除却半夏名异功，或加香砂胃寒使。\n",
        "\n".join(ZH * 3 for _ in range(50)),
    ],
)
def test_lines_that_stand_for_themselves_stay(text: str) -> None:
    assert rejoined(text, markdown=False) == (text, ())


def test_two_numbers_never_become_one() -> None:
    assert meet("剂量 10", "20 mg") == "剂量 10 20 mg"
    assert meet("剂量 10", "毫克") == "剂量 10毫克"


def test_a_hyphen_goes_only_where_the_whole_word_is_known() -> None:
    text = "Treat hyperten-\nsion with a beta-\nblocker. Chronic hypertension is common.\n"
    assert "hypertension with a beta-blocker." in rejoined(text, markdown=True)[0]


def test_hard_breaks_of_markdown_stay() -> None:
    assert rejoined("甲  \n乙\\\n丙\n丁\n", markdown=True)[0] == "甲  \n乙\\\n丙丁\n"


def test_marks_lead_back_to_the_lines_of_the_source() -> None:
    lines = []
    for i in range(300):
        lines += [f"第{i}段开始，" + "字" * 20, "续" * 20 + "。", ""]
    text = "\n".join(lines)
    made, marks = rejoined(text, markdown=True)
    assert len(marks) > 30
    for mark in marks:
        number = int(mark.label.removeprefix("line "))
        assert made[mark.start :].startswith(lines[number - 1])


def test_a_paragraph_goes_on_across_pages() -> None:
    text, marks = bound_pages(
        [("page 1", "# 题\n\n给予阿司"), ("page 2", "匹林。\n\n完。"), ("page 3", "# 新章"), ("page 4", " ")]
    )
    assert text == "# 题\n\n给予阿司匹林。\n\n完。\n\n# 新章"
    assert [(m.label, text[m.start :][:2]) for m in marks] == [("page 1", "# "), ("page 2", "匹林"), ("page 3", "# ")]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a中。，5 \n-#|`　.:：x", max_size=150), st.booleans())
def test_only_blanks_change(text: str, markdown: bool) -> None:
    made, marks = rejoined(text, markdown)
    assert "".join(made.split()) == "".join(text.split())
    assert all(0 <= mark.start <= len(made) for mark in marks)
    assert rejoined(made, markdown)[0].split() == made.split() or not markdown


@pytest.mark.parametrize("heading", ["一、概述", "（二）临床表现", "第三章 诊断", "十一、预后与随访"])
@pytest.mark.parametrize("markdown", [True, False])
def test_a_numbered_heading_stays_on_its_line(heading: str, markdown: bool) -> None:
    text = f"{heading}\n" + wrapped(ZH, 20) + f"\n\n{heading}\n{ZH[:20]}\n{ZH[20:40]}"
    made = rejoined(text, markdown)[0].split("\n")
    assert made.count(heading) == 2
    assert rejoined(f"{heading}\n{ZH}", markdown)[0] == f"{heading}\n{ZH}"


def test_a_sentence_that_begins_with_a_count_is_no_heading() -> None:
    first = "一、二级预防都要做，患者应长期随访并坚持"
    assert rejoined(f"{first}\n{ZH[:20]}\n{ZH[20:]}", True)[0].startswith(first + ZH[:10])
