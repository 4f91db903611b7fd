"""A disk that takes no more, said in one sentence with what is kept: of a checkpoint, and of the model at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huatuo.errors import TrainingError

STEP = "step"
"""Beginning of the name of a checkpoint to resume from."""

ZIP_WRITER = ("inline_container", "PytorchStreamWriter")
"""How torch's writer of zip files begins its own RuntimeErrors: a write that fails becomes one of them."""


def newest_first(folder: Path, prefix: str = STEP) -> list[Path]:
    """The checkpoints of a folder, whole or damaged."""
    return sorted(folder.glob(f"{prefix}-*"), key=lambda path: path.name, reverse=True)


def last_good(folder: Path) -> str:
    """Which checkpoint there is to go on from, in words."""
    before = next(iter(newest_first(folder)), None)
    return f"the last good checkpoint is {before}" if before else "there is no checkpoint before it"


@contextmanager
def checkpoint_said(folder: Path, step: int, size: int = 0) -> Iterator[None]:
    """Turns what a full disk makes of writing a checkpoint of ``size`` bytes into one TrainingError; every other error
    stays what it is."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except (OSError, CheckpointException) as error:
        causes = [one for one, _ in error.failures.values()] if isinstance(error, CheckpointException) else [error]
        reasons = [_reason(cause, folder, size) for cause in causes]
        if not all(reasons):
            raise
        raise TrainingError(
            f"{folder}: the checkpoint of step {step:,} cannot be written ({reasons[0]}); {last_good(folder)}; "
            "next: make room on the disk and give the same command, which goes on from there"
        ) from None


def _reason(error: BaseException, folder: Path, size: int) -> str:
    """Why the system did not take a file, in its words; empty where the error has another reason.

    Torch's zip writer passes the system's error over and ends with one of its own, which comes without the first where
    it comes from another process: then the room that is left says it.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not (isinstance(error, RuntimeError) and any(word in str(error) for word in ZIP_WRITER)):
        return ""
    before: BaseException | None = error
    while before is not None:
        if isinstance(before, OSError):
            return before.strerror or str(before)
        before = before.__cause__ or before.__context__
    return os.strerror(28) if shutil.disk_usage(folder).free < size else ""


@contextmanager
def model_said(folder: Path, state: Path) -> Iterator[None]:
    """Turns a disk that does not take what training leaves in ``folder`` into one TrainingError: the checkpoint of the
    last step in ``state`` holds all that was learned."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{error.filename or folder}: the trained model cannot be written ({error.strerror or error}); nothing is "
            f"lost: {last_good(state)}; next: mend that (free space, permissions) and give the same command, which "
            "then only saves"
        ) from None
