"""Watching the validation loss while training: the best weights are kept, and training ends where it falls no more."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from torch import nn

from huatuo.errors import TrainingError
from huatuo.recipe import TrainSettings
from huatuo.train import checkpoint
from huatuo.train.ranks import Ranks

log = logging.getLogger(__name__)

BEST = "best"
"""Beginning of the name of the folder that holds the best weights so far."""


def check(settings: TrainSettings, validation_samples: int) -> None:
    """Nothing, where the settings can be followed. Raises TrainingError."""
    if not settings.evaluate_every:
        for name, wanted in {"keep": settings.keep == "best", "patience": settings.patience > 0}.items():
            if wanted:
                raise TrainingError(
                    f"[train] {name} = {getattr(settings, name)!r} needs the loss while training, and "
                    "evaluate_every = 0; next: set evaluate_every, for example to 100 steps"
                )
    elif not validation_samples:
        raise TrainingError(
            f"[train] evaluate_every = {settings.evaluate_every}, but no pair is held out for validation; "
            "next: set unify.validation_share, for example to 0.05"
        )


def is_due(settings: TrainSettings, step: int, total: int) -> bool:
    """Whether the loss is measured after ``step`` of ``total``; the last step is always measured after the loop."""
    return bool(settings.evaluate_every) and step % settings.evaluate_every == 0 and step < total


class Best:
    """The weights with the lowest validation loss, in a folder of their own beside the checkpoints.

    ``step`` and ``loss`` are those that the newest checkpoint names; ``kept``: whether the weights are wanted at all.
    """

    def __init__(self, folder: Path, ranks: Ranks, step: int = 0, loss: float | None = None, *, kept: bool = True):
        self.folder, self.ranks, self.step, self.loss, self.kept = folder, ranks, step, loss, kept
        self.named = step
        """The step that the newest checkpoint names: after a kill its weights are needed."""

    def seen(self, step: int, loss: float, model: nn.Module) -> bool:
        """Whether ``loss``, a finite number, is the lowest so far; the weights are then on disk before this returns."""
        if self.loss is not None and loss >= self.loss:
            return False
        if self.kept:
            tensors = checkpoint.weights(model)
            checkpoint.save(self.folder, step, tensors, {"loss": loss}, keep=1_000, ranks=self.ranks, prefix=BEST)
        self.step, self.loss = step, loss
        self._forget_all_but(self.step, self.named)
        return True

    def forget_others(self) -> None:
        """Remove the weights of other steps; called when a checkpoint names this one."""
        self.named = self.step
        self._forget_all_but(self.step)

    def _forget_all_but(self, *steps: int) -> None:
        for path in self.folder.glob(f"{BEST}-*") if self.ranks.is_first else ():
            if int(path.name.split("-")[1]) not in steps:
                shutil.rmtree(path)

    def look_after(self) -> None:
        """See to what an earlier attempt left: where the weights that its checkpoint names are gone or damaged, the
        best are those of the measurements from here on."""
        self._forget_all_but(self.step)
        if self.kept and self.step and checkpoint.newest(self.folder, self.ranks, BEST) is None:
            if self.ranks.is_first:
                log.warning(
                    "%s: the weights of step %d, the best so far by validation loss (%.3f), are gone or damaged; the "
                    "best measured from here on are kept",
                    self.folder, self.step, self.loss,
                )  # fmt: skip
            self.step, self.loss, self.named = 0, None, 0

    def restore(self, model: nn.Module, last: float) -> tuple[int, float] | None:
        """Step and validation loss of the weights that were put back: the best ones, or where these are gone or damaged
        the best before them that are whole. None where these are worse than ``last``, the loss of the model as it is,
        which then stays."""
        path = checkpoint.newest(self.folder, self.ranks, BEST)  # each was better than those before it
        loss = float(checkpoint.about(path)["loss"]) if path else last
        if path is None or loss > last:
            return None
        checkpoint.put_back(path, model, self.ranks)
        return int(path.name.split("-")[1]), loss
