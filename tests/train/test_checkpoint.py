"""A checkpoint is whole or not there, and holds tensors only."""

from __future__ import annotations

import io
import os
import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystem

from huatuo.errors import TrainingError
from huatuo.train import checkpoint, disk, watch
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


@pytest.mark.parametrize("file", ["about.json", ".metadata", "__0_0.distcp", "random-0.pt"])
@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_checkpoint_with_a_damaged_file_is_not_used(tmp_path: Path, file: str, kept: int) -> None:
    saved(tmp_path, nn.Linear(3, 2), 1)
    path = saved(tmp_path, nn.Linear(3, 2), 2) / file
    found = path.read_bytes()
    path.write_bytes(found[:kept] if kept >= 0 else found[:-3] + bytes([found[-3] ^ 1]) + found[-2:])
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
    torch.save({"torch": Evil()}, path / "random-0.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only"):
        checkpoint.restore(path, nn.Linear(3, 2), [], ALONE)
    (path / ".metadata").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(TrainingError, match="not a checkpoint of tensors"):
        checkpoint.restore(path, nn.Linear(3, 2), [], ALONE)
    assert not (tmp_path / "evil").exists()


class Nested(nn.Module):
    """A weight whose whole name is the end of another's."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner = nn.Linear(3, 3, bias=False), nn.Module()
        self.inner.norm = nn.Linear(5, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.norm(self.inner.norm(x))
        return found


def test_a_name_that_ends_like_another_keeps_its_own_states(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, other = Nested(), Nested()
    optimiser, fresh = (torch.optim.AdamW(m.parameters(), lr=0.1, fused=True) for m in (model, other))
    for step in (1, 2, 3):
        model(torch.randn(4, 5)).square().sum().backward()
        optimiser.step()
        path = checkpoint.save(tmp_path, step, checkpoint.capture(model, [optimiser]), {}, 1, ALONE)
        checkpoint.restore(path, other, [fresh], ALONE)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert set(fresh.state[b]) == set(optimiser.state[a]) == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(optimiser.state[a][key], fresh.state[b][key]) for key in fresh.state[b])


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_at_the_last_file_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved(tmp_path, nn.Linear(3, 2), 1)
    monkeypatch.setattr(checkpoint, "write_atomic", full_disk)
    with pytest.raises(
        TrainingError, match=r"step 2 cannot be written \(No space left.*checkpoint is .*step-000000001"
    ):
        saved(tmp_path, nn.Linear(3, 2), 2)
    assert checkpoint.newest(tmp_path, ALONE) == before


@pytest.mark.parametrize("room", [10, 700, 3_000, 5_000])
def test_a_disk_that_is_full_in_the_middle_of_a_tensor_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    before, left, opened = saved(tmp_path, nn.Linear(3, 2), 1), [room], FileSystem.create_stream

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            left[0] -= memoryview(data).nbytes
            if left[0] < 0:
                full_disk()
            return super().write(data)

    @contextmanager
    def create_stream(self: FileSystem, path: Path, mode: str) -> Iterator[Any]:
        if mode != "wb":
            with opened(self, path, mode) as file:
                yield file
            return
        with Full(path, "w") as file:
            yield file

    monkeypatch.setattr(FileSystem, "create_stream", create_stream)
    with pytest.raises(TrainingError, match=r"step 2 cannot be written \(No space left.*is .*step-000000001; next: "):
        saved(tmp_path, nn.Linear(30, 20), 2)
    assert checkpoint.newest(tmp_path, ALONE) == before


ZIPPED = "[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"


@pytest.mark.parametrize(
    ("errors", "free", "reason"),
    [
        ([OSError(28, "No space left on device")], 10**9, "No space left on device"),
        ([OSError(5, "Input/output error"), RuntimeError(ZIPPED)], 1, "Input/output error"),
        ([RuntimeError(ZIPPED)], 999, "No space left on device"),  # its OSError stayed in another process
        ([RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")], 999, "No space left"),
        ([RuntimeError(ZIPPED)], 1_000, ""),  # there is room: the writer is at fault
        ([RuntimeError("expected all tensors on one device")], 1, ""),
        ([OSError(28, "No space left on device"), ValueError("a defect")], 1, ""),
    ],
)
def test_only_what_a_full_disk_makes_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: list[BaseException], free: int, reason: str
) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    failures: Any = {rank: (error, traceback.StackSummary()) for rank, error in enumerate(errors)}
    expected = TrainingError if reason else CheckpointException
    with pytest.raises(expected, match=reason or None), disk.checkpoint_said(tmp_path, 2, size=1_000):
        raise CheckpointException("", failures)


def test_the_best_weights_of_few_steps_are_on_disk_and_of_none_where_they_are_not_kept(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    best = watch.Best(tmp_path, ALONE)
    losses = {1: 5.0, 2: 4.0, 3: 4.5, 4: 3.0, 5: 3.0, 6: 2.0}
    found = []
    for step, loss in losses.items():
        nn.init.constant_(model.bias, step)
        best.seen(step, loss, model)
        if step == 2:
            best.forget_others()  # a checkpoint names it
        found.append([int(path.name.split("-")[1]) for path in sorted(tmp_path.glob("best-*"))])
    assert found == [[1], [2], [2], [2, 4], [2, 4], [2, 6]]
    again = watch.Best(tmp_path, ALONE, 2, 4.0)  # killed, and gone on from that checkpoint
    again.look_after()
    assert again.restore(model, 4.0) == (2, 4.0)
    assert model.bias.tolist() == [2.0, 2.0]
    none = watch.Best(tmp_path / "none", ALONE, kept=False)
    assert [none.seen(step, loss, model) for step, loss in losses.items()] == [True, True, False, True, False, True]
    assert not (tmp_path / "none").exists()


def damage(folder: Path) -> None:
    part = next(folder.glob("__0_*"))
    part.write_bytes(part.read_bytes()[:-9])


def test_damaged_best_weights_give_way_to_those_before_them_and_then_to_the_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = nn.Linear(3, 2)
    best = watch.Best(tmp_path, ALONE)
    for step, loss in {2: 4.0, 4: 3.0}.items():
        nn.init.constant_(model.bias, step)
        best.seen(step, loss, model)
        best.named = 2  # a checkpoint names it
    nn.init.constant_(model.bias, 9)
    assert best.restore(model, 2.5) is None
    damage(tmp_path / "best-000000004")
    assert best.restore(model, 3.5) is None
    assert "best-000000004: damaged" in caplog.text
    assert model.bias.tolist() == [9.0, 9.0]
    assert best.restore(model, 5.0) == (2, 4.0)
    assert model.bias.tolist() == [2.0, 2.0]
    damage(tmp_path / "best-000000002")
    assert best.restore(model, 5.0) is None


def test_best_weights_that_are_gone_when_a_run_goes_on_are_said_and_measured_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = nn.Linear(3, 2)
    watch.Best(tmp_path, ALONE).seen(4, 3.0, model)
    whole = watch.Best(tmp_path, ALONE, 4, 3.0)
    whole.look_after()
    assert not whole.seen(6, 3.5, model)
    assert "damaged" not in caplog.text
    damage(tmp_path / "best-000000004")
    best = watch.Best(tmp_path, ALONE, 4, 3.0)
    best.look_after()
    assert "step 4, the best so far by validation loss (3.000), are gone or damaged" in caplog.text
    assert best.seen(6, 3.5, model)
    assert best.restore(model, 3.6) == (6, 3.5)
    watch.Best(tmp_path, ALONE, 6, 3.5, kept=False).look_after()
