"""The training loop: one stage, one flat loop, resumable at any moment.

Read `train` from top to bottom. One optimiser step learns ``batch_samples`` samples of the order; its loss is the sum
over all their answer tokens divided by the number of those tokens, however they are cut into micro-batches. (A mean
of the micro-batches' means would weigh a token by the company it is in.)
"""

from __future__ import annotations

import logging
import math
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn

from huatuo import store
from huatuo.errors import TrainingError
from huatuo.models import load as models
from huatuo.progress import bar, cpu_seconds
from huatuo.recipe import RunSettings, TrainSettings
from huatuo.records_trained import SourceCount, StepLog
from huatuo.train import checkpoint, samples, watch
from huatuo.train.forward import AnswerHead
from huatuo.train.optimise import optimisers, rate_factor, set_rates
from huatuo.train.pack import Integers, Step, plan
from huatuo.train.samples import Samples
from huatuo.train.setup import Ready, ready_model, usable_layout

STATE = "state"
"""Folder of the checkpoints while training; removed when it is finished."""

VALIDATION_SAMPLES = 1_000
"""Validation samples whose loss is measured before and after, the first by pair id."""

log = logging.getLogger(__name__)


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
    best_step: int = 0
    """Step with the lowest validation loss measured while training; 0: none yet."""
    best_loss: float | None = None
    """That loss."""
    measured_since_best: int = 0
    """Measurements after it."""


def train(settings: TrainSettings, run: RunSettings, tokens: Path, order: Path, out: store.Writer) -> None:
    """Write the trained model to ``model/``, an untrained one from scratch to ``base/``, and the table ``steps``.

    Continues from the newest checkpoint in ``state/``, bit for bit where threads, torch and processor are the same.
    Raises TrainingError where nothing can be learned or the loss is not a number; KeyboardInterrupt (Ctrl-C) leaves a
    checkpoint of the last finished step.
    """
    check_settings(settings)
    torch.set_num_threads(run.threads)
    torch.manual_seed(run.seed)
    data = Samples(tokens)
    watch.check(settings, len(data.validation))
    sequence = samples.in_order(order, data)
    ready = ready_model(settings, run, tokens, out)
    model, places = ready.model, sequence.samples
    layout = usable_layout(settings, model, data, places)
    steps, total = _plan(settings.model_copy(update={"layout": layout}), run, data, sequence, order, out)
    found = optimisers(model, settings)
    state, fingerprint = out.folder / STATE, _fingerprint(settings, run, tokens, order)
    progress = _resume(state, fingerprint, model, found)
    out.figures["resumed_at_step"] = float(progress.done)
    started = cpu_seconds() - progress.seconds
    best = watch.Best(state, progress.best_step, progress.best_loss)
    model.train()
    with (
        AnswerHead(model).attached() as head,
        bar("train", total, "steps") as running,
        _polite_interrupt() as stop,
    ):
        if progress.done == 0:
            progress.validation_before = _validation_loss(head, data, settings, layout)
        running.advance(progress.done)
        for number in range(progress.done, total):
            step = steps[number]
            rate = set_rates(found, rate_factor(number, total, settings))
            learned = int(data.learned_counts[places[step.samples()]].sum())
            loss = 0.0
            for micro in step.micro_batches:
                batch = data.batch(places[micro], layout)
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.precision == "bf16"):
                    part = head.loss_sum(batch) / learned
                part.backward()  # type: ignore[no-untyped-call]
                loss += float(part.detach())
            norm = _clip(model, settings.clip)
            _check_finite(loss, norm, number + 1, rate, state)
            for optimiser in found:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            seconds = cpu_seconds() - started
            progress.steps.append(_row(number + 1, step, places, data, learned, loss, rate, norm, seconds))
            progress.done, progress.seconds = number + 1, seconds
            running.advance(1, note=f"loss {loss:.3f} lr {rate:.2e}")
            if watch.is_due(settings, progress.done, total):
                _measure(progress, best, head, _validation_loss(head, data, settings, layout))
                if settings.patience and progress.measured_since_best >= settings.patience:
                    break
            if stop.is_set() or progress.done % settings.checkpoint_every == 0:
                _save(state, fingerprint, progress, model, found, settings.keep_checkpoints)
                best.forget_others()
            if stop.is_set():
                raise KeyboardInterrupt
        after = _validation_loss(head, data, settings, layout)
        if settings.keep == "best" and after is not None and not best.seen(progress.done, after, model):
            best.restore(model)
            after = best.loss
    out.figures["kept_step"] = float(best.step if settings.keep == "best" else progress.done)
    _finish(settings, ready, progress, after, layout, tokens, out)


def check_settings(settings: TrainSettings) -> None:
    """Nothing, where the settings can train at all. Raises TrainingError."""
    rates = {"learning_rate": settings.learning_rate}
    if settings.optimiser == "muon":
        rates["muon_learning_rate"] = settings.muon_learning_rate
    for name, rate in rates.items():
        if rate <= 0:
            raise TrainingError(
                f"[train] {name} = {rate}: nothing would be learned; expected a number above 0; next: for example "
                f"{name} = {3e-4 if name == 'learning_rate' else 1.2e-2}"
            )
    if settings.lora is not None and settings.base == "scratch":
        raise TrainingError(
            "[train.lora] needs a trained base, found base = 'scratch': an adapter on random weights learns nothing; "
            "next: set train.base to a model's folder, or remove [train.lora]"
        )


# ---------------------------------------------------------------- before the loop


def _plan(
    settings: TrainSettings,
    run: RunSettings,
    data: Samples,
    sequence: samples.Sequence,
    order: Path,
    out: store.Writer,
) -> tuple[list[Step], int]:
    """The optimiser steps over the places of the order, and how many are taken; every pair is used or left."""
    out.expect(pair.decode() for pair in sequence.pair_ids)
    for pair in sequence.missing:
        out.leave(pair, samples.NOT_TOKENISED, "stage tokenise dropped it; its table `dropped` says why")
    steps = plan(data.lengths[sequence.samples], settings, run.seed)
    if not steps:
        raise TrainingError(
            f"{order}: no step to take: none of the {len(sequence.pair_ids):,} pairs of the order has tokens; "
            "next: look at the table `dropped` of stage tokenise (train.window too small?)"
        )
    total = min(settings.steps, len(steps)) if settings.steps else len(steps)
    seen = np.unique(sequence.pair_of[np.concatenate([step.samples() for step in steps[:total]])])
    used = np.zeros(len(sequence.pair_ids), dtype=np.bool_)
    used[seen] = True
    out.use(pair.decode() for pair in sequence.pair_ids[used])
    for pair in sequence.pair_ids[~used]:
        if not out.is_ended(pair.decode()):
            out.leave(pair.decode(), "after the last step", f"train.steps = {settings.steps} ended before its turn")
    out.figures["planned_steps"] = float(len(steps))
    return steps, total


def _fingerprint(settings: TrainSettings, run: RunSettings, tokens: Path, order: Path) -> str:
    """What a checkpoint must have been made with to be continued."""
    digests = [store.read_manifest(folder).digest for folder in (tokens, order)]
    learned = settings.model_dump_json(exclude={"base", "checkpoint_every", "keep_checkpoints"})
    return store.content_id(learned, str(run.seed), *digests)


# ---------------------------------------------------------------- in the loop


def _measure(progress: Progress, best: watch.Best, head: AnswerHead, loss: float | None) -> None:
    """Write the validation loss beside the last step, and keep the weights where none was lower."""
    assert loss is not None  # `watch.check` refused a run without validation samples
    progress.steps[-1]["validation_loss"] = loss
    better = best.seen(progress.done, loss, head.model)
    progress.measured_since_best = 0 if better else progress.measured_since_best + 1
    progress.best_step, progress.best_loss = best.step, best.loss


def _clip(model: nn.Module, largest: float) -> float:
    """Norm of all gradients before they were scaled down to ``largest`` (0: left alone)."""
    trainable = [p for p in model.parameters() if p.grad is not None]
    return float(nn.utils.clip_grad_norm_(trainable, largest or math.inf))


def _check_finite(loss: float, norm: float, step: int, rate: float, state: Path) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    kept = next(iter(sorted(state.glob("step-*.pt"), reverse=True)), None)
    where = f"the last good checkpoint is {kept}" if kept else "there is no checkpoint before it"
    raise TrainingError(
        f"step {step}: loss {loss}, gradient norm {norm} at learning rate {rate:.2e}; expected finite numbers; "
        f"{where}; "
        'next: lower train.learning_rate, set train.clip = 1.0, or use train.precision = "fp32"'
    )


def _row(
    number: int,
    step: Step,
    places: Integers,
    data: Samples,
    learned: int,
    loss: float,
    rate: float,
    norm: float,
    seconds: float,
) -> dict[str, Any]:
    """One row of the table ``steps`` as plain values."""
    rows = places[step.samples()]
    counts = np.bincount(data.sources[rows], minlength=len(data.source_names)).tolist()
    return {
        "step": number,
        "tokens": int(data.lengths[rows].sum()),
        "learned_tokens": learned,
        "loss": loss,
        "learning_rate": rate,
        "gradient_norm": norm,
        "seconds": round(seconds, 3),
        "sources": {name: n for name, n in zip(data.source_names, counts, strict=True) if n},
    }


@torch.no_grad()
def _validation_loss(head: AnswerHead, data: Samples, settings: TrainSettings, layout: str) -> float | None:
    """Mean loss per learned token of the validation samples; None where there are none."""
    rows = data.validation[np.argsort(data.pair_ids[data.validation], kind="stable")][:VALIDATION_SAMPLES]
    if not len(rows):
        return None
    head.model.eval()
    total = 0.0
    for step in plan(data.lengths[rows], settings.model_copy(update={"layout": layout}), 0):
        for micro in step.micro_batches:
            total += float(head.loss_sum(data.batch(rows[micro], layout)))
    head.model.train()
    return total / int(data.learned_counts[rows].sum())


@contextmanager
def _polite_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a step is never torn; a second Ctrl-C interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


# ---------------------------------------------------------------- checkpoints, the end


def _save(
    folder: Path,
    fingerprint: str,
    progress: Progress,
    model: nn.Module,
    found: Sequence[torch.optim.Optimizer],
    keep: int,
) -> None:
    state = {"fingerprint": fingerprint, "progress": vars(progress), **checkpoint.capture(model, found)}
    checkpoint.save(folder, progress.done, state, keep)


def _resume(folder: Path, fingerprint: str, model: nn.Module, found: Sequence[torch.optim.Optimizer]) -> Progress:
    """Where an earlier attempt stood, after its weights and random states were put back; the beginning otherwise."""
    state = checkpoint.load_newest(folder)
    if state is None:
        return Progress()
    if state["fingerprint"] != fingerprint:
        log.warning("%s: checkpoints of other settings or data; training starts anew", folder)
        shutil.rmtree(folder)
        return Progress()
    checkpoint.restore(state, model, found)
    return Progress(**state["progress"])


def _finish(
    settings: TrainSettings,
    ready: Ready,
    progress: Progress,
    after: float | None,
    layout: str,
    tokens_folder: Path,
    out: store.Writer,
) -> None:
    """Write the steps, the model and the figures; remove the checkpoints."""
    for row in progress.steps:
        counts = tuple(SourceCount(source=name, samples=n) for name, n in row["sources"].items())
        out.write("steps", StepLog(**{**row, "sources": counts}))
    tokens = sum(row["tokens"] for row in progress.steps)
    seen = sum(sum(row["sources"].values()) for row in progress.steps)
    turns = int(store.read_manifest(tokens_folder).figures.get("most_turns") or 0)
    card = {**ready.card, "steps": progress.done, "tokens": tokens, "samples": seen, "turns": turns}
    models.save(ready.model.eval(), ready.tokenizer, settings.format, out.folder / "model", card)
    out.figures.update(
        {
            "steps": float(progress.done),
            "tokens": float(tokens),
            "learned_tokens": float(sum(row["learned_tokens"] for row in progress.steps)),
            "cpu_seconds_of_the_loop": round(progress.seconds, 3),
            "tokens_per_cpu_second": tokens / progress.seconds if progress.seconds > 0 else None,
            "first_loss": progress.steps[0]["loss"],
            "last_loss": progress.steps[-1]["loss"],
            "validation_loss_before": progress.validation_before,
            "validation_loss_after": after,
            "packed": float(layout == "packed"),
        }
    )
    shutil.rmtree(out.folder / STATE, ignore_errors=True)
