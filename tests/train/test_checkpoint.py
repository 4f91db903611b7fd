"""A checkpoint is whole or not there, and holds tensors only."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from huatuo.errors import TrainingError
from huatuo.train import checkpoint
from huatuo.train.ranks import Ranks

ALONE = Ranks()


def saved(folder: Path, model: nn.Module, step: int, keep: int = 2) -> Path:
    return checkpoint.save(folder, step, checkpoint.capture(model, []), {"step": step}, keep, ALONE)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in range(1, 6):
        saved(tmp_path, nn.Linear(3, 2), step)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-000000004", "step-000000005"]
    newest = checkpoint.newest(tmp_path, ALONE)
    assert newest is not None
    assert checkpoint.about(newest)["step"] == 5
    assert checkpoint.newest(tmp_path / "nothing", ALONE) is None


@pytest.mark.parametrize("file", ["about.json", ".metadata", "__0_0.distcp", "random-0.pt"])
def test_a_checkpoint_without_one_of_its_files_is_not_used(tmp_path: Path, file: str) -> None:
    saved(tmp_path, nn.Linear(3, 2), 1)
    (saved(tmp_path, nn.Linear(3, 2), 2) / file).unlink()
    newest = checkpoint.newest(tmp_path, ALONE)
    assert newest is not None
    assert newest.name == "step-000000001"


def test_what_is_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model, other = nn.Linear(7, 5), nn.Linear(7, 5)
    optimiser, fresh = (torch.optim.AdamW(m.parameters(), lr=0.1, fused=True) for m in (model, other))
    for _ in range(3):
        model(torch.randn(4, 7)).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    path = checkpoint.save(tmp_path, 3, checkpoint.capture(model, [optimiser]), {}, 1, ALONE)
    drawn = torch.rand(3)
    checkpoint.restore(path, other, [fresh], ALONE)
    assert torch.equal(torch.rand(3), drawn)
    same = torch.ones(4, 7)
    for m, o in ((model, optimiser), (other, fresh)):
        m(same).square().sum().backward()
        o.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, nn.Linear(3, 2, bias=False), 1)
    with pytest.raises(TrainingError, match="made from another model"):
        checkpoint.restore(path, nn.Linear(3, 2), [], ALONE)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch {tmp_path / 'evil'}",))

    path = saved(tmp_path, nn.Linear(3, 2), 1)
    (path / ".metadata").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(TrainingError, match="not a checkpoint of tensors"):
        checkpoint.restore(path, nn.Linear(3, 2), [], ALONE)
    assert not (tmp_path / "evil").exists()
