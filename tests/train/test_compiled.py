"""Compiled layers learn what plain ones learn; without a compiler it is said."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from train_makers import Stages, made_pairs

from huatuo import store
from huatuo.errors import TrainingError
from huatuo.models import load as models
from huatuo.recipe import TrainSettings
from huatuo.records_trained import StepLog
from huatuo.train import compiled
from huatuo.train.ranks import Ranks

Make = Callable[..., TrainSettings]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch looks at its own tensors while compiling
def test_compiled_layers_give_the_same_losses(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(200), settings())
    curves = []
    for compiles in (False, True):
        folder = stages.train(settings(compile=compiles, steps=8), f"compile {compiles}")
        curves.append([(row.loss, row.gradient_norm) for row in store.read(folder, "steps", StepLog)])
        assert all("_orig_mod" not in name for name in models.load(folder / "model").model.state_dict())
    assert np.abs(np.array(curves[0]) - np.array(curves[1])).max() < 1e-4


def test_without_a_compiler_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(TrainingError, match=r"C\+\+ compiler.*next: install it, or set train.compile = false"):
        compiled.compile_layers(torch.nn.Linear(2, 2), Ranks())


def test_layers_of_several_processes_are_left_as_they_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled, "_missing", lambda _device: "")
    with caplog.at_level(logging.WARNING):
        assert not compiled.compile_layers(torch.nn.Linear(2, 2), Ranks(0, 2))
    assert "not compiled" in caplog.text
