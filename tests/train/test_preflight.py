"""What would stop a training is said from the recipe alone, before anything is read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from huatuo import preflight
from huatuo.preflight import findings
from huatuo.recipe import Recipe


def said(train: dict[str, Any], held_out: int = 0, name: str = "mine", kind: str = "alpaca") -> list[str]:
    """The findings of a recipe of one imported data set."""
    given = {
        "run": {"name": "r"},
        "unify": {"imports": [{"name": name, "path": __file__, "format": kind}]},
        "train": train,
        "ask": {"held_out": held_out},
    }
    return findings(Recipe.model_validate(given), ["order", "train", "ask"])


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({"order": "uniform"}, ""),
        ({"order": "sequential"}, ""),
        ({"priority": {"mine": 2}}, ""),
        ({}, "train.priority: no weight for source 'mine'; next: add one"),
        ({"preset": "huatuogpt2-2023-12-15"}, "no weight for source 'mine'"),
        ({"order": "two-stage"}, "train.second_stage: no source 'sft'"),
        ({"order": "two-stage", "second_stage": ["mine"], "tokens": 10}, "would cut the second of two stages"),
        ({"order": "two-stage", "second_stage": ["mine"]}, ""),
        ({"order": "uniform", "tokens": 10}, ""),
    ],
)
def test_an_order_that_cannot_be_drawn_is_said(train: dict[str, Any], expected: str) -> None:
    found = said(train)
    assert len(found) == bool(expected)
    assert expected in "".join(found)


def test_sources_of_a_preset_and_of_a_file_that_names_its_own_need_no_weight() -> None:
    assert said({"preset": "huatuogpt2-2023-11-30"}, name="web_zh") == []
    assert said({}, kind="huatuogpt2") == []


def test_a_package_that_is_not_installed_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    trackers = {"order": "uniform", "trackers": ["tensorboard", "mlflow"]}
    adapter = {"order": "uniform", "base": __file__, "lora": {"base_weights": "nf4"}}
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    assert [line.rpartition("next: ")[2] for line in said(trackers)] == [
        "pip install 'huatuo[tensorboard]'",
        "pip install 'huatuo[mlflow]'",
    ]
    assert said(adapter) == [
        "train.lora.base_weights = \"nf4\": the package 'bitsandbytes' is not installed; "
        "next: pip install 'huatuo[qlora]'"
    ]
    monkeypatch.setattr(preflight, "find_spec", lambda name: object())
    assert said(trackers) == said(adapter) == []


def test_pairs_to_ask_where_none_is_held_out() -> None:
    assert "ask.held_out: 6 pairs to ask, and none is held out" in "".join(said({"order": "uniform"}, held_out=6))


def test_a_shape_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="text stands twice"):
        Recipe.model_validate({"run": {"name": "r"}, "synth": {"passage_shapes": ["text", "text"]}})
