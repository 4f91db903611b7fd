"""Each kind of error is made, once, the same everywhere, and nothing is made where nothing can be."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from huatuo.checks.support import Said
from huatuo.synth import corrupt as module
from huatuo.synth.corrupt import KINDS, Given, Kind, Right, corrupt, pool_of, preferences
from huatuo.synth.reward import reward

FACTS = (
    Given("1", "用法用量", "一次500mg，每日3次"),
    Given("2", "用法用量", "饭后服用"),
    Given("3", "用法用量", "孕妇禁用"),
)
RIGHT = Right("甲药怎么用？", "甲药一次500mg，每日3次，饭后服用，孕妇禁用。", "甲药", FACTS)
POOL = pool_of([("甲药", "用法用量", "饭后服用"), ("丁膏", "用法用量", "外涂患处"), ("丙散", "用法用量", "温水冲服")])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_the_answer_and_is_pure(kind: Kind) -> None:
    made = corrupt(RIGHT, kind, POOL, 7)
    assert made
    assert made != RIGHT.answer
    assert made == corrupt(RIGHT, kind, dict(reversed(POOL.items())), 7)


def test_what_cannot_be_changed_is_left() -> None:
    plain = Right("乙病？", "头痛。", "乙病", (Given("1", "临床症状", "头痛"),))
    assert corrupt(plain, "changed_number", POOL, 1) is None
    assert corrupt(plain, "changed_unit", POOL, 1) is None
    assert corrupt(plain, "omitted_qualifier", POOL, 1) is None
    assert corrupt(plain, "swapped_entity", {}, 1) is None


def test_an_answer_without_facts_is_an_error() -> None:
    with pytest.raises(ValueError, match="next: give its facts"):
        corrupt(RIGHT._replace(facts=()), "changed_number", POOL, 1)


def test_preferences_name_their_facts_and_their_error() -> None:
    rights = [RIGHT._replace(question=f"{number}号：甲药怎么用？") for number in range(200)]
    made = list(preferences(rights, POOL, 3))
    assert len(made) == 200 * len(KINDS)
    assert {p.kind for p in made} == set(KINDS)
    assert all(p.chosen == RIGHT.answer != p.rejected and p.facts == ("1", "2", "3") for p in made)


def test_the_generator_shares_nothing_with_the_checks() -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    imported = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not [name for name in imported if name.startswith("huatuo")]
    own = {id(v) for k, v in vars(module).items() if isinstance(v, (dict, tuple, frozenset)) and v}
    for name in ("contrast", "measures", "numbers", "negation", "support", "wording"):
        assert not own & {
            id(v)
            for k, v in vars(importlib.import_module(f"huatuo.checks.{name}")).items()
            if k.startswith("_") and not k.startswith("__")
        }


SAID = [Said(fact.relation, fact.value) for fact in FACTS]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (RIGHT.answer, 1.0),
        ("甲药每次0.5克，一天三次，吃完饭服用，孕妇不能用。", 1.0),
        ("甲药一次500mg。", None),
        ("", None),
        ("甲药一次500g，每日3次，饭后服用，孕妇禁用。", 0.0),
        ("甲药一次500mg，每日3次，饭后服用，孕妇可用。", 0.0),
        ("甲药一次500mg，每日3次，饭后服用，孕妇慎用。", 0.0),
        ("甲药一次500mg，每日3次，服用，孕妇禁用。", None),
    ],
)
def test_reward(answer: str, expected: float | None) -> None:
    assert reward("甲药怎么用？", answer, SAID, "甲药") == expected


def test_reward_without_facts_is_an_error() -> None:
    with pytest.raises(ValueError, match="next: give the facts"):
        reward("甲药怎么用？", "甲药。", [])
