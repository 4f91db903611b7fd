from __future__ import annotations

import time

import pytest

from huatuo.checks.entities import Dictionary, is_name


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("2型糖尿病患者可用二甲双胍", ["2型糖尿病", "二甲双胍"]),
        ("糖尿病", ["糖尿病"]),
        ("二甲双胍缓释片", ["二甲双胍缓释片"]),
        ("influenza is not here", []),
        ("Catch the FLU now", ["flu"]),
        ("维生素B12缺乏", ["维生素B12"]),
        ("维生素B1缺乏", ["维生素B1"]),
        ("", []),
        ("甘，微温", ["甘"]),
    ],
)
def test_longest_name_wins(text: str, names: list[str]) -> None:
    terms = ["糖尿病", "2型糖尿病", "二甲双胍", "二甲双胍缓释片", "flu", "维生素B1", "维生素B12", "甘"]
    assert [m.name for m in Dictionary(terms).find(text)] == names


def test_positions_are_those_of_the_text() -> None:
    text = "患者İ服用阿司匹林。"
    (mention,) = Dictionary(["阿司匹林"]).find(text)
    assert text[mention.start : mention.end] == "阿司匹林"


def test_thirty_thousand_names_are_fast() -> None:
    names = [f"病{chr(0x4E00 + i % 5000)}{chr(0x4E00 + i // 7)}症" for i in range(30_000)]
    dictionary = Dictionary(names)
    text = "，".join(names[:2000])
    start = time.process_time()
    assert len(dictionary.find(text)) == 2000
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("term", "good"), [("头痛", True), ("痛", False), ("12", False), ("先这样。再那样", False), ("x" * 25, False)]
)
def test_is_name(term: str, good: bool) -> None:
    assert is_name(term) is good
