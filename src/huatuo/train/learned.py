"""What training knows of itself while it goes on, what it leaves in memory, and what is written of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from huatuo import store
from huatuo.models import formats
from huatuo.models import load as models
from huatuo.recipe import TrainSettings
from huatuo.records_trained import SourceCount, StepLog
from huatuo.train import held_out, notes, samples
from huatuo.train.pack import Steps
from huatuo.train.samples import Samples
from huatuo.train.setup import Ready, sizes


@dataclass
class Progress:
    """What a checkpoint holds besides weights and optimisers."""

    done: int = 0
    """Steps done."""
    seconds: float = 0.0
    """CPU-seconds of earlier attempts."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table ``steps`` so far."""
    validation_before: float | None = None
    """Validation loss before the first step."""
    losses_before: list[float] | None = None
    """That of each sample (`huatuo.train.held_out`), summed over its learned tokens."""
    computed: int = 0
    """Tokens that went through the model in these steps, padding counted in."""
    best_step: int = 0
    """Step with the lowest validation loss measured while training; 0: none yet."""
    best_loss: float | None = None
    """That loss."""
    measured_since_best: int = 0
    """Measurements after it."""


@dataclass
class Learned:
    """What training left in memory."""

    ready: Ready
    """The model and its tokenizer."""
    data: Samples
    """What it learned from."""
    sequence: samples.Sequence
    """In which order."""
    steps: Steps
    """The steps planned."""
    total: int
    """How many of them were to be taken."""
    layout: str
    """How a micro-batch was laid out."""
    progress: Progress = field(default_factory=Progress)
    """The steps taken."""
    after: float | None = None
    """Validation loss of the weights kept."""
    losses_after: held_out.Losses | None = None
    """That of each sample."""
    kept_step: int = 0
    """The step whose weights these are."""
    tokens_per_second: float | None = None
    """Real tokens learned by second of this attempt, measuring and saving counted in; None where it took no step."""
    resumed_at: int = 0
    """Steps that an earlier attempt had done."""
    weights: dict[str, Any] | None = None
    """All weights, where the model has only its part of them."""


def evidence(settings: TrainSettings, learned: Learned) -> notes.Evidence:
    """What `notes` looks at."""
    steps, before = learned.progress.steps, learned.progress.validation_before
    fmt, tokenizer = formats.get(settings.format), learned.ready.tokenizer
    repeats = notes.repeats(learned.data, learned.sequence, fmt, tokenizer)
    best = settings.keep == "best"
    return notes.Evidence(steps, settings.clip, before, learned.after, learned.kept_step, best, **repeats)


def write(settings: TrainSettings, learned: Learned, tokens_folder: Path, out: store.Writer) -> None:
    """Write the steps, the model and the figures."""
    progress, ready = learned.progress, learned.ready
    for row in progress.steps:
        counts = tuple(SourceCount(source=name, samples=n) for name, n in row["sources"].items())
        out.write("steps", StepLog(**{**row, "sources": counts}))
    before = None if progress.losses_before is None else np.array(progress.losses_before)
    held_out.write(before, learned.losses_after, learned.data, out)
    tokens = sum(row["tokens"] for row in progress.steps)
    turns = int(store.read_manifest(tokens_folder).figures.get("most_turns") or 0)
    kept = progress.steps[: learned.kept_step]  # what the weights that are saved have seen
    seen = {"samples": sum(sum(row["sources"].values()) for row in kept), "tokens": sum(row["tokens"] for row in kept)}
    card = {**ready.card, **seen, "steps": len(kept), "turns": turns}
    models.save(ready.model.eval(), ready.tokenizer, settings.format, out.folder / "model", card, learned.weights)
    out.figures.update(
        {
            **sizes(ready.model),
            "kept_step": float(learned.kept_step),
            "resumed_at_step": float(learned.resumed_at),
            "steps": float(progress.done),
            "tokens": float(tokens),
            "learned_tokens": float(sum(row["learned_tokens"] for row in progress.steps)),
            "cpu_seconds_of_the_loop": round(progress.seconds, 3),
            "tokens_per_cpu_second": tokens / progress.seconds if progress.seconds > 0 else None,
            "tokens_per_second": learned.tokens_per_second,
            "padding_share": 1 - tokens / progress.computed,
            "first_loss": progress.steps[0]["loss"],
            "last_loss": progress.steps[-1]["loss"],
            "validation_loss_before": progress.validation_before,
            "validation_loss_after": learned.after,
            "packed": float(learned.layout == "packed"),
        }
    )
