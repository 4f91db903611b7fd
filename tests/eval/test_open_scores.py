"""The scorer of an open question is chosen by its exam: overlap, statements of the reference, or a judge."""

from __future__ import annotations

import pytest

from huatuo.eval import open_scores
from huatuo.eval.open_scores import metrics, signature, statements, value
from huatuo.recipe import ScoreSettings
from huatuo.records import Question

ALL = ScoreSettings(overlap=("bleu", "chrf", "rouge", "numbers"))
REFERENCE = "孕妇禁用。儿童每次0.25g；饭后服。"


def test_each_scorer_has_its_metrics() -> None:
    asked = {s: Question(id="q", exam="e", kind="open", stem="q", scorer=s) for s in ("overlap", "facts", "judge")}
    assert metrics(asked["overlap"], ALL) == ["bleu", "chrf", "rouge-l", "numbers"]
    assert metrics(asked["overlap"], ScoreSettings(overlap=())) == []
    assert metrics(asked["facts"], ALL) == ["facts"]
    assert metrics(asked["judge"], ALL) == []


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (REFERENCE, 1.0),
        ("该药孕妇禁用，儿童每次0.25g，应饭后服。", 1.0),
        ("孕妇禁用。", 1 / 3),
        ("儿童每次0.5g，孕妇禁用。", 1 / 3),  # another dose is not the statement
        ("", 0.0),
        ("多休息。", 0.0),
    ],
)
def test_facts_are_the_statements_that_the_answer_makes(answer: str, share: float) -> None:
    one = value("facts", answer, REFERENCE, ALL)
    assert one.value == pytest.approx(share), one


def test_statements_are_sentences_and_numbers_of_lists_are_none() -> None:
    assert statements("1.\n孕妇禁用。饭后服") == ["孕妇禁用", "饭后服"]
    assert statements("Take 0.25 g. Avoid alcohol.") == ["Take 0.25 g", "Avoid alcohol"]
    assert statements("5") == ["5"]
    with pytest.raises(ValueError):
        statements(" ")


def test_a_wrong_number_is_its_own_score() -> None:
    assert value("numbers", "每次0.5g", REFERENCE, ALL).value == 0.0
    assert len(value("numbers", "每次0.5g", REFERENCE, ALL).found) == 1
    assert value("numbers", "每次250mg", REFERENCE, ALL).value == 1.0
    assert value("bleu", REFERENCE, REFERENCE, ALL).value == pytest.approx(1)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "rouge-l"])
def test_profiles_change_signature(metric: open_scores.Metric) -> None:
    other = ScoreSettings(profile="cmexam-char")
    assert signature(metric, ALL) != signature(metric, other)
    assert signature(metric, other).endswith("|mean:sentences|unscored:0")
