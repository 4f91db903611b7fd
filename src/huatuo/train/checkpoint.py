"""Checkpoints to resume from: whole or not there, newest first, bit for bit.

A checkpoint is one file ``step-<number>-<hash>.pt``, written beside, synced and renamed; the hash in the name tells a
whole file from a damaged one. kill -9 at any moment leaves at worst a half file beside the last whole one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from huatuo.files import hash_file, sync_folder

log = logging.getLogger(__name__)

STEP = "step"
"""Beginning of the name of a checkpoint to resume from."""

HASH_DIGITS = 16
"""Hexadecimal digits of the file's SHA-256 in its name."""


def save(folder: Path, step: int, state: dict[str, Any], keep: int, prefix: str = STEP) -> Path:
    """The path of the checkpoint written for ``step``; all but the ``keep`` newest are removed after it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / "writing.new"
    with beside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    path = folder / f"{prefix}-{step:09d}-{hash_file(beside)[:HASH_DIGITS]}.pt"
    beside.replace(path)
    sync_folder(folder)
    for old in _newest_first(folder, prefix)[keep:]:
        if old != path:
            old.unlink()
    return path


def load_newest(folder: Path) -> dict[str, Any] | None:
    """The state in the newest whole checkpoint of a folder; None where there is none.

    A damaged file is passed over with a warning.
    """
    for path in _newest_first(folder, STEP):
        state = _whole(path)
        if state is not None:
            return state
        log.warning("%s: damaged (its hash is not the one in its name); an older checkpoint is used", path)
    return None


def load(folder: Path, step: int, prefix: str) -> dict[str, Any] | None:
    """The state saved for one step; None where there is no whole file of it."""
    for path in sorted(folder.glob(f"{prefix}-{step:09d}-*.pt")):
        state = _whole(path)
        if state is not None:
            return state
    return None


def _whole(path: Path) -> dict[str, Any] | None:
    """The state in a file; None where its hash is not the one in its name."""
    if hash_file(path)[:HASH_DIGITS] != path.stem.split("-")[-1]:
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _newest_first(folder: Path, prefix: str) -> list[Path]:
    return sorted(folder.glob(f"{prefix}-*-*.pt"), key=lambda path: path.name, reverse=True)


def trainable(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that training moves, by name."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def capture(model: nn.Module, optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Everything that the next step depends on: trainable weights, optimisers, random states, and the environment."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "weights": trainable(model),
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "torch_rng": torch.get_rng_state(),
        "numpy_rng": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached],
        "environment": environment(),
    }


def restore(state: dict[str, Any], model: nn.Module, optimisers: Sequence[torch.optim.Optimizer]) -> None:
    """Put a captured state back. Warns where the thread count, torch or the processor's abilities differ."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in state["weights"].items():
            parameters[name].copy_(value)
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    torch.set_rng_state(state["torch_rng"])
    name, keys, position, has_gauss, cached = state["numpy_rng"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    here = environment()
    for what, before in state["environment"].items():
        if here[what] != before:
            log.warning(
                "resuming with %s = %s, the checkpoint was made with %s: the run goes on, "
                "but its losses will not be bit for bit those of an unbroken run",
                what, here[what], before,
            )  # fmt: skip


def environment() -> dict[str, str | int]:
    """What a bit-identical result depends on besides the data: threads, torch version, processor abilities."""
    return {
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),  # a class of its own, which a checkpoint must not hold
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
