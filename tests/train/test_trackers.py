"""The numbers of each step reach the tools that were asked for, once each."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from train_makers import Stages, made_pairs

from huatuo import store
from huatuo.errors import MissingExtraError
from huatuo.recipe import TrainSettings
from huatuo.records_trained import StepLog
from huatuo.train import loop
from huatuo.train.trackers import tracking

Make = Callable[..., TrainSettings]


def events(folder: Path) -> list[tuple[int, str, float]]:
    """(step, name, value) of every TensorBoard event, in the order of its files; records are framed as TFRecord."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.rglob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            at += 16 + length
    return found


@pytest.mark.slow
def test_tensorboard_shows_every_step_of_the_table(stages: Stages, settings: Make) -> None:
    chosen = settings(trackers=("tensorboard",), evaluate_every=5)
    stages.prepare(made_pairs(200), chosen)
    rows = list(store.read(stages.train(chosen), "steps", StepLog))
    found = events(stages.root / "tracking")
    losses = {step: value for step, name, value in found if name == "loss"}
    assert losses == pytest.approx({row.step: row.loss for row in rows}, abs=1e-6)
    held_out = {step for step, name, _ in found if name == "validation_loss"}
    assert held_out == {row.step for row in rows if row.validation_loss is not None}
    assert not any("tracking" in entry.name for entry in store.read_manifest(stages.root / "train").files)


@pytest.mark.slow
def test_after_a_kill_each_step_is_shown_once_more_at_most(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(trackers=("tensorboard",), checkpoint_every=4, steps=12)
    stages.prepare(made_pairs(300), chosen)
    check = loop._check_finite

    def stop(loss: float, norm: float, number: int, *more: Any) -> None:
        if number == 7:
            raise SystemExit(1)
        check(loss, norm, number, *more)

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(loop, "_check_finite", stop)
        stages.train(chosen, "run")
    stages.train(chosen, "run")
    steps = [step for step, name, _ in events(stages.root / "tracking") if name == "loss"]
    assert steps == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 11, 12]  # 5 and 6 again: TensorBoard drops the first of them


def test_a_tool_that_is_missing_is_named_before_the_first_step(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    chosen = settings(trackers=("wandb",))
    stages.prepare(made_pairs(60), chosen)
    with pytest.raises(MissingExtraError, match=r"wandb.*huatuo\[wandb\]"):
        stages.train(chosen)


@pytest.mark.slow
def test_trackers_change_nothing_else(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(200), settings())
    plain, tracked = (
        stages.train(settings(trackers=names), folder) for names, folder in (((), "a"), (("tensorboard",), "b"))
    )
    assert store.read_manifest(plain).digest == store.read_manifest(tracked).digest


@pytest.mark.parametrize("tool", ["wandb", "swanlab", "mlflow", "trackio"])
def test_a_tool_that_is_installed_writes_on_this_machine(tool: str, tmp_path: Path) -> None:
    pytest.importorskip(tool)
    with tracking([tool], tmp_path, "run", {"learning_rate": 1e-3}, 0) as pass_on:
        for step in range(1, 6):
            pass_on({"step": step, "loss": 1 / step, "learning_rate": 1e-3, "validation_loss": None})
    assert sum(path.stat().st_size for path in (tmp_path / tool).rglob("*") if path.is_file()) > 0
