"""A checkpoint is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from huatuo.train import checkpoint


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in range(1, 6):
        checkpoint.save(tmp_path, step, {"step": step, "weights": torch.arange(10)}, keep=2)
    assert [path.name[:14] for path in sorted(tmp_path.iterdir())] == ["step-000000004", "step-000000005"]
    assert checkpoint.load_newest(tmp_path)["step"] == 5  # type: ignore[index]
    assert checkpoint.load_newest(tmp_path / "nothing") is None


def test_a_checkpoint_holds_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, ("touch evil",))

    checkpoint.save(tmp_path, 1, {"step": Evil()}, keep=1)
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpoint.load_newest(tmp_path)
