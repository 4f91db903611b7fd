import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.text.zh import is_cjk, language, normalise_for_comparison, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("阿司匹林100mg口服", ["阿", "司", "匹", "林", "100mg", "口", "服"]),
        ("HbA1c≥6.5%", ["hba1c", "6", "5"]),
        ("𠮷田 COVID-19", ["𠮷", "田", "covid", "19"]),
        ("α-葡萄糖苷酶", ["α", "葡", "萄", "糖", "苷", "酶"]),
        ("a_b", ["a", "b"]),
        ("，。！", []),
        ("", []),
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("character", "expected"), [("药", True), ("〇", True), ("𠮷", True), ("a", False), ("。", False), ("あ", False)]
)
def test_is_cjk(character, expected):
    assert is_cjk(character) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("糖尿病患者应监测血糖", "zh"),
        ("二甲双胍（metformin）的适应证", "zh"),
        ("Metformin is first-line therapy.", "en"),
        ("Metformin (二甲双胍) is first-line therapy for type 2 diabetes.", "en"),
        ("", "unknown"),
        ("120/80 !", "unknown"),
    ],
)
def test_language(text, expected):
    assert language(text) == expected


def test_key_ignores_width_case_punctuation_and_blanks():
    assert normalise_for_comparison("ＣＴ 检查，是 什么？") == normalise_for_comparison("ct检查是什么")
    assert normalise_for_comparison("0.25g") != normalise_for_comparison("0.25mg")


@given(st.text())
def test_key_is_stable_under_itself(text):
    key = normalise_for_comparison(text)
    assert all(character.isalnum() for character in key) or not key.isascii()
    assert len(key) <= 20 * max(len(text), 1)
