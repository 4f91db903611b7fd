"""A folder to train in, and settings of a model that is trained in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from train_makers import TINY, Stages

from huatuo.recipe import TrainSettings


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


@pytest.fixture
def settings() -> Callable[..., TrainSettings]:
    def make(**changes: Any) -> TrainSettings:
        given = {"order": "uniform", "scratch": TINY, "window": 64, "batch_tokens": 256, "learning_rate": 3e-3}
        return TrainSettings.model_validate(given | changes)

    return make
