"""The words of the page of judged answers: what the code says has its Chinese."""

from __future__ import annotations

import re

import pytest

from huatuo.eval import structured
from huatuo.eval.judging import ratings, score
from huatuo.report.judge_words import label, reason


def chinese(words: tuple[str, str]) -> bool:
    return re.search("[\u4e00-\u9fff]", words[0]) is not None


def test_names_that_figures_hold_have_a_chinese_label():
    names = {score.ALL, score.PEOPLE, *structured.KINDS, *structured.METRICS["formula"]} - {"f1"}
    names |= {d.id for name in ("cmb-clin", "cmcoqa") for d in ratings.scale_of(name).dimensions}
    assert [name for name in names if not chinese(label(name))] == []
    assert label("a-model") == ("a-model", "a-model")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("length is the same in every game", "每对回答一样长"),
        ("all 12 games are ties: nothing tells the models apart", "12 次全是平局，分不出模型"),
        ("a never won or tied against b, c, so its strength has no bound", "a 对 b, c 从未取胜或打平，实力没有下界"),
        ("a-model cannot be told apart", "分不开：a-model"),
        ("something new", "something new"),
    ],
)
def test_reasons_are_said_in_both_languages(words, expected):
    assert reason(words) == (expected, words)
