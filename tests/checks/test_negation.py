from __future__ import annotations

import pytest

from huatuo.checks.negation import conflicts, stances

TERMS = ("孕妇", "儿童", "青霉素", "aspirin", "step")


def mentions(clause: str) -> list[str]:
    return [t for t in TERMS if t in clause]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("孕妇禁用", {"forbidden"}),
        ("孕妇慎用", {"caution"}),
        ("孕妇可用", {"allowed"}),
        ("孕妇不可用", {"forbidden"}),
        ("不良反应有腹泻", set()),
        ("非甾体抗炎药", set()),
        ("没有发热", {"negated"}),
        ("Do not take it", {"forbidden"}),
        ("Use with caution", {"caution"}),
        ("It is safe", {"allowed"}),
        ("", set()),
    ],
)
def test_stances(text: str, expected: set[str]) -> None:
    assert stances(text) == expected


@pytest.mark.parametrize("claim", ["孕妇慎用。", "孕妇可用。", "孕妇使用。", "孕妇禁用，儿童禁用。"])
def test_flipped_or_lost_stance_is_a_conflict(claim: str) -> None:
    assert conflicts(claim, "孕妇禁用，儿童慎用。", mentions)


@pytest.mark.parametrize("claim", ["儿童慎用，孕妇禁用。", "本品严禁孕妇使用。", "儿童应谨慎使用。"])
def test_same_stance_in_other_words_agrees(claim: str) -> None:
    assert conflicts(claim, "孕妇禁用，儿童慎用。", mentions) == []


def test_english_negation_added() -> None:
    assert conflicts("Do not take aspirin.", "Take aspirin with food.", mentions)
