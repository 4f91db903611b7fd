"""Training curves in the tools that teams already look at: TensorBoard, Weights & Biases, SwanLab, MLflow, trackio.

Each is used only where the recipe asks for it (``train.trackers``), and stays on this machine: what would talk to a
server does so only where its own environment variable says so (``WANDB_MODE=online``, ``SWANLAB_MODE=cloud``,
``MLFLOW_TRACKING_URI``). The table ``steps`` of a run stays the record; these are copies of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from huatuo.errors import require

Log = Callable[[int, Mapping[str, float]], None]
"""Takes a step, from 1, and its numbers."""

FOLDER = "tracking"
"""Folder of a run that holds what the tools write."""

PROJECT = "huatuo"
"""Name that all runs are listed under."""

LOGGED = ("loss", "learning_rate", "gradient_norm", "tokens", "learned_tokens", "validation_loss")
"""Numbers of a step that are passed on."""


@contextmanager
def tracking(
    names: Sequence[str], folder: Path, run: str, settings: Mapping[str, Any], done: int
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """What takes the row of a step and passes it to every tool; nothing where none is asked for.

    ``done``: steps that an earlier attempt passed on. Raises MissingExtraError naming the extra of a tool that is not
    installed.
    """
    with ExitStack() as stack:
        logs = [stack.enter_context(_TRACKERS[name](folder / name, run, settings, done)) for name in names]

        def passed_on(row: Mapping[str, Any]) -> None:
            values = {name: float(row[name]) for name in LOGGED if row.get(name) is not None}
            for log in logs:
                log(int(row["step"]), values)

        yield passed_on


@contextmanager
def _tensorboard(folder: Path, run: str, settings: Mapping[str, Any], done: int) -> Iterator[Log]:
    made = require("tensorboardX", "tensorboard").SummaryWriter
    # The name of a file holds the second it was made in: what goes on within that second must not write over it.
    writer = made(logdir=str(folder / run), purge_step=done + 1, filename_suffix=f".from-{done}")

    def log(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    try:
        yield log
    finally:
        writer.close()


@contextmanager
def _wandb(folder: Path, run: str, settings: Mapping[str, Any], done: int) -> Iterator[Log]:
    wandb = require("wandb", "wandb")
    folder.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE", "offline")
    quiet = wandb.Settings(console="off", disable_code=True, disable_git=True)  # a house's code is not for a server
    made = wandb.init(project=PROJECT, name=run, dir=str(folder), mode=mode, config=dict(settings), settings=quiet)
    try:
        yield lambda step, values: made.log(dict(values), step=step)
    finally:
        made.finish()


@contextmanager
def _swanlab(folder: Path, run: str, settings: Mapping[str, Any], done: int) -> Iterator[Log]:
    swanlab = require("swanlab", "swanlab")
    folder.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("SWANLAB_MODE", "offline")
    made = swanlab.init(project=PROJECT, experiment_name=run, logdir=str(folder), mode=mode, config=dict(settings))
    try:
        yield lambda step, values: made.log(dict(values), step=step)
    finally:
        swanlab.finish()


@contextmanager
def _mlflow(folder: Path, run: str, settings: Mapping[str, Any], done: int) -> Iterator[Log]:
    mlflow = require("mlflow", "mlflow")
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').resolve()}")
    mlflow.set_experiment(PROJECT)
    with mlflow.start_run(run_name=run):
        mlflow.log_params({name: str(value)[:500] for name, value in settings.items()})
        yield lambda step, values: mlflow.log_metrics(dict(values), step=step)


@contextmanager
def _trackio(folder: Path, run: str, settings: Mapping[str, Any], done: int) -> Iterator[Log]:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TRACKIO_DIR", str(folder.resolve()))  # read when trackio is imported
    trackio = require("trackio", "trackio")
    made = trackio.init(project=PROJECT, name=run, config=dict(settings), embed=False)
    try:
        yield lambda step, values: made.log(dict(values), step=step)
    finally:
        trackio.finish()


_TRACKERS = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "swanlab": _swanlab,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
"""How each tool is opened; their names are those of the recipe."""
