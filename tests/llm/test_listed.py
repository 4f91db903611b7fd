"""A list of objects is read out of whatever a model wraps it in; nothing is guessed, nothing takes long."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.llm.listed import read_list

ONE = {"a": "甲", "b": "乙"}
TEXT = json.dumps([ONE], ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (TEXT, "json"),
        ('{"items": ' + TEXT + "}", "json"),
        (TEXT[1:-1], "json"),
        ("```json\n" + TEXT + "\n```", "fenced"),
        ("好的：" + TEXT + "以上[1]。", "inside"),
        ('如下：{"items": ' + TEXT + "} 完", "inside"),
        (TEXT[:-1] + ', {"a": "丙"', "repaired"),
        (TEXT[:-2] + ",}]", "repaired"),
    ],
)
def test_one_object_in_many_clothes(text: str, how: str) -> None:
    found = read_list(text, ("items",))
    assert (found.items, found.how) == ((ONE,), how)


@pytest.mark.parametrize(
    "text",
    ["", "无", "见[1]和[2]。", '[{"a": 0.5 g}]', '[{"a": "\\u7532"},]', '[{"a": "甲", "a": "乙"},]', "42", "{" * 9000],
)
def test_what_is_no_list_of_objects_has_a_reason(text: str) -> None:
    found = read_list(text, ("items",))
    assert (found.items, found.how) == ((), "")
    assert found.reason


def test_an_empty_list_is_an_answer() -> None:
    assert read_list("[]", ()).how == read_list('{"items": []}', ("items",)).how == "json"


def test_a_long_broken_reply_is_read_in_no_time() -> None:
    start = time.process_time()
    text = "{" + ", ".join(f'"k{n}"   :   "v"   ' for n in range(3000)) + " oops"
    assert read_list(text * 3, ()).items == ()
    assert time.process_time() - start < 2


@given(st.text())
def test_no_text_raises(text: str) -> None:
    found = read_list(text, ("items",))
    assert found.how or found.reason
