from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.synth.parse import QA, parse

ONE = (QA("问一？", "答一。"),)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ('[{"question": "问一？", "answer": "答一。"}]', "json"),
        ('{"question": "问一？", "answer": "答一。"}', "json"),
        ('{"pairs": [{"question": "问一？", "answer": "答一。"}]}', "json"),
        ('\ufeff[{"问题": "问一？", "答案": "答一。"}]', "json"),
        ('好的：\n```json\n[{"question": "问一？", "answer": "答一。"}]\n```\n以上。', "fenced"),
        ('```\n[{"question": "问一？", "answer": "答一。"}]\n```', "fenced"),
        ('[{"question": "问一？", "answer": "答一。"},]', "repaired"),
        ('[{"question": "问一？", "answer": "答一。"}, {"question": "问二？", "ans', "repaired"),
        ("问：问一？\n答：答一。", "labelled"),
        ("1. 问题：问一？\n   答案：答一。", "labelled"),
        ("**问**：问一？\n**答**：答一。", "labelled"),
        ("Q: 问一？\nA: 答一。", "labelled"),
    ],
)
def test_one_pair_in_many_clothes(text: str, how: str) -> None:
    parsed = parse(text)
    assert (parsed.pairs, parsed.how) == (ONE, how)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "对不起，我不能回答。",
        "[]",
        "42",
        '[{"question": "问一？", "answer": 0.5}]',
        '[{"question": "剂量？", "answer": 0.5 g}]',
        '[{"question": "问一？", "answer": ""}]',
        '[{"question": "问一？"}]',
        '[{"question": "问一？", "answer": "甲", "answer": "乙"}]',
        "问：问一？",
        "答：答一。",
        "[" * 5000,
    ],
)
def test_what_cannot_be_read_is_unparsed_with_a_reason(text: str) -> None:
    parsed = parse(text)
    assert parsed.pairs == ()
    assert parsed.reason


def test_one_bad_item_does_not_lose_the_others_and_is_named() -> None:
    parsed = parse('[{"question": "问一？", "answer": "答一。"}, {"question": "二？", "answer": null}]')
    assert parsed.pairs == ONE
    assert "item 2" in parsed.reason


def test_a_question_alone_where_no_answer_was_asked_for() -> None:
    assert parse('[{"question": "问一？", "answer": ""}]', need_answer=False).pairs == (QA("问一？", ""),)
    assert parse("问：问一？", need_answer=False).pairs == (QA("问一？", ""),)


def test_repaired_text_stands_literally_in_the_reply() -> None:
    text = '[{"question": "剂量\\"多少\\"？", "answer": "0.5 g"}, oops'
    (pair,) = parse(text).pairs
    assert pair == QA('剂量"多少"？', "0.5 g")
    assert parse('[{"question": "\\u5242", "answer": "\\u91cf"}, oops').pairs == ()


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=5))
def test_whatever_is_asked_for_comes_back(pairs: list[tuple[str, str]]) -> None:
    kept = [(q, a) for q, a in pairs if q.strip() and a.strip()]
    text = json.dumps([{"question": q, "answer": a} for q, a in pairs], ensure_ascii=False)
    assert parse(text).pairs == tuple(QA(q.strip(), a.strip()) for q, a in kept)


@given(st.text())
def test_never_raises_and_always_says_why(text: str) -> None:
    parsed = parse(text)
    assert parsed.pairs or parsed.reason
