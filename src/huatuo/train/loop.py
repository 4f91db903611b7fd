"""The training loop: one stage, one flat loop, resumable at any moment.

Read `train` from top to bottom. One optimiser step learns ``batch_samples`` samples of the order, or as many as fill
``step_tokens``; its loss is the sum over all their answer tokens divided by the number of those tokens, however they
are cut into micro-batches. (A mean of the micro-batches' means would weigh a token by the company it is in.)
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from huatuo import store
from huatuo.errors import TrainingError
from huatuo.progress import bar, cpu_seconds, say
from huatuo.recipe import RunSettings, TrainSettings
from huatuo.train import checkpoint, held_out, notes, samples, watch
from huatuo.train.account import account
from huatuo.train.compiled import compile_layers
from huatuo.train.disk import last_good, model_said, newest_first
from huatuo.train.forward import AnswerHead, answer_head, check_positions
from huatuo.train.interrupt import polite_interrupt
from huatuo.train.learned import Learned, Progress, evidence, write
from huatuo.train.optimise import optimisers, rate_factor, set_rates
from huatuo.train.pack import Integers, Step, Steps, plan
from huatuo.train.ranks import Ranks, dealt, sharded, whole, whole_weights
from huatuo.train.refusals import check_settings
from huatuo.train.samples import Samples
from huatuo.train.setup import ready_to_train
from huatuo.train.trackers import FOLDER, tracking

STATE = "state"
"""Folder of the checkpoints while training; removed when it is finished."""

log = logging.getLogger(__name__)

ALONE = Ranks()
"""One process, on the processor."""


def train(
    settings: TrainSettings, run: RunSettings, tokens: Path, order: Path, out: store.Writer, ranks: Ranks = ALONE
) -> None:
    """Write the trained model to ``model/``, an untrained one from scratch to ``base/``, the tables ``steps`` and
    ``held_out``, and what looks wrong as ``findings``.

    Continues from the newest checkpoint in ``state/``, bit for bit where processes, threads, torch and processor are
    the same. Raises TrainingError where nothing can be learned or the loss is not a number; KeyboardInterrupt (Ctrl-C)
    leaves a checkpoint of the last finished step. Of several processes the first calls this, the others `learn`.
    """
    learned = learn(settings, run, tokens, order, out.folder, ranks)
    with model_said(out.folder, out.folder / STATE):
        account(learned.data, learned.sequence, learned.steps, learned.kept_step, out)
        write(settings, learned, tokens, out)
        for finding in notes.looks_wrong(evidence(settings, learned)):
            out.write("findings", finding)
    out.passing.append(out.folder / STATE)


def learn(
    settings: TrainSettings, run: RunSettings, tokens: Path, order: Path, folder: Path, ranks: Ranks = ALONE
) -> Learned:
    """The trained model; ``folder`` holds the checkpoints on the way. All processes of a run call it alike."""
    learned = _prepared(settings, run, tokens, order, folder, ranks)
    data, places, steps, total = learned.data, learned.sequence.samples, learned.steps, learned.total
    layout, lengths = learned.layout, data.lengths[places]
    model = sharded(learned.ready.model, ranks, settings.precision)
    plain = not (settings.compile and compile_layers(model, ranks)) and not settings.gradient_checkpointing
    found = optimisers(model, settings)
    state, made = folder / STATE, _made_with(settings, run, tokens, order)
    progress = _resume(state, made, model, found, ranks)
    learned.progress, learned.resumed_at = progress, progress.done
    started = cpu_seconds() - progress.seconds
    best = watch.Best(state, ranks, progress.best_step, progress.best_loss, kept=settings.keep == "best")
    best.look_after()
    trackers = settings.trackers if ranks.is_first else ()
    model.train()
    with (
        answer_head(model, ranks.device, trim=plain) as head,
        bar("train", total, "steps", quiet=not ranks.is_first, done=progress.done, beside="tokens") as running,
        tracking(trackers, folder.parent / FOLDER, run.name, settings.model_dump(), progress.done) as pass_on,
        polite_interrupt() as stop,
    ):
        measure = partial(_measured, head, learned, settings, state, ranks)
        if progress.done == 0:
            _set_before(progress, *measure())
        elif ranks.is_first:
            say(f"train: going on from step {progress.done:,} of {total:,}")
        for number in range(progress.done, total):
            if settings.patience and progress.measured_since_best >= settings.patience:
                break
            step = steps[number]
            rate = set_rates(found, rate_factor(number, total, settings))
            targets = int(data.learned_counts[places[step.samples()]].sum())
            loss, computed = 0.0, 0
            for micro, counts in dealt(step.micro_batches, lengths, ranks):
                batch = data.batch(places[micro], layout)
                with torch.autocast(ranks.device.type, dtype=torch.bfloat16, enabled=settings.precision == "bf16"):
                    part = head.loss_sum(batch) * counts / targets
                (part * ranks.size).backward()  # type: ignore[no-untyped-call]  # averaged later, and this is a sum
                loss += float(part.detach())
                computed += batch.ids.size
            loss, computed_by_all = ranks.sums(loss, computed)
            norm = _clip(model, settings.clip)
            _check_finite(loss, norm, number + 1, rate, state, settings)
            for optimiser in found:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            progress.done, progress.seconds = number + 1, cpu_seconds() - started
            progress.steps.append(_row(number + 1, step, places, data, targets, loss, rate, norm, progress.seconds))
            progress.computed += int(computed_by_all)
            running.advance(1, f"loss {loss:.3f} lr {rate:.2e}", beside=progress.steps[-1]["tokens"])
            if watch.is_due(settings, progress.done, total):
                _keep_best(progress, best, head, measure()[1])
            pass_on(progress.steps[-1])
            stops = any(ranks.sums(stop.is_set()))
            if stops or (progress.done % settings.checkpoint_every == 0 and progress.done < total):
                _save(state, made, progress, model, found, settings.keep_checkpoints, ranks)
                best.forget_others()
            if stops:
                raise KeyboardInterrupt
        learned.tokens_per_second = running.beside_per_second() or None
        learned.losses_after, learned.after = measure()
        if progress.done > learned.resumed_at:  # a disk that does not take the model must not cost what was learned
            _save(state, made, progress, model, found, settings.keep_checkpoints, ranks)
        _choose(learned, head, best, settings, ranks)
    learned.weights = whole_weights(model, ranks)
    return learned


def _prepared(
    settings: TrainSettings, run: RunSettings, tokens: Path, order: Path, folder: Path, ranks: Ranks
) -> Learned:
    """The model before its first step, and the steps that it will take; random states are set."""
    check_settings(settings)
    torch.set_num_threads(run.threads)
    torch.manual_seed(run.seed)
    data = Samples(tokens)
    watch.check(settings, len(data.validation))
    sequence = samples.in_order(order, data)
    ready, layout = ready_to_train(settings, run, tokens, folder, data, sequence.samples, ranks)
    lengths = data.lengths[sequence.samples]
    longest = int(lengths.max(initial=0))
    check_positions(ready.model, max(longest, settings.batch_tokens) if layout == "joined" else longest)
    steps, total = planned(settings.model_copy(update={"layout": layout}), run, data, sequence, order)
    if ranks.rank:
        torch.manual_seed(run.seed + ranks.rank)  # each draws its own dropout
    return Learned(ready, data, sequence, steps, total, layout)


# ---------------------------------------------------------------- before the loop


def planned(
    settings: TrainSettings, run: RunSettings, data: Samples, sequence: samples.Sequence, order: Path
) -> tuple[Steps, int]:
    """The optimiser steps over the places of the order, and how many are taken."""
    sources = data.sources[sequence.samples]
    is_mixed = bool((sources != sources[:1]).any())
    steps = plan(data.lengths[sequence.samples], settings, run.seed, is_mixed)
    if not steps:
        raise TrainingError(
            f"{order}: no step to take: none of the {sequence.pairs:,} pairs of the order has tokens; "
            "next: look at the table `dropped` of stage tokenise (train.window too small?)"
        )
    total = min(settings.steps, len(steps)) if settings.steps else len(steps)
    return steps, min(total, steps.until(settings.tokens)) if settings.tokens else total


def _made_with(settings: TrainSettings, run: RunSettings, tokens: Path, order: Path) -> dict[str, Any]:
    """What a checkpoint must have been made with to be continued, and what of it counts from some step on."""
    digests = [store.read_manifest(folder).digest for folder in (tokens, order)]
    moved = {"base", "device", "trackers", "checkpoint_every", "keep_checkpoints", "rate_after"}
    learned = settings.model_dump_json(exclude=moved)
    rates = {str(step): share for step, share in settings.rate_after.items()}
    return {"fingerprint": store.content_id(learned, str(run.seed), *digests), "rate_after": rates}


# ---------------------------------------------------------------- in the loop


def _set_before(progress: Progress, each: held_out.Losses | None, loss: float | None) -> None:
    progress.losses_before = None if each is None else each.tolist()
    progress.validation_before = loss


def _keep_best(progress: Progress, best: watch.Best, head: AnswerHead, loss: float | None) -> None:
    """Write the validation loss beside the last step, and keep the weights where none was lower."""
    assert loss is not None  # `watch.check` refused a run without validation samples
    progress.steps[-1]["validation_loss"] = loss
    better = best.seen(progress.done, loss, head.model)
    progress.measured_since_best = 0 if better else progress.measured_since_best + 1
    progress.best_step, progress.best_loss = best.step, best.loss


def _choose(learned: Learned, head: AnswerHead, best: watch.Best, settings: TrainSettings, ranks: Ranks) -> None:
    """Put the best weights back where they are wanted and better than the last ones; say whose losses these are."""
    learned.kept_step = learned.progress.done
    if best.kept and learned.after is not None and (better := best.restore(head.model, learned.after)):
        learned.kept_step, learned.after = better
        learned.losses_after = held_out.losses(head, learned.data, settings, learned.layout, ranks)


def _clip(model: nn.Module, largest: float) -> float:
    """Norm of all gradients before they were scaled down to ``largest`` (0: left alone)."""
    trainable = [p for p in model.parameters() if p.grad is not None]
    return float(whole(nn.utils.clip_grad_norm_(trainable, largest or math.inf)))


def _check_finite(loss: float, norm: float, step: int, rate: float, state: Path, settings: TrainSettings) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        said = f"loss {loss}, gradient norm {norm} at learning rate {rate:.2e}"
        raise _no_number(said, step, state, settings)


def _no_number(said: str, step: int, state: Path, settings: TrainSettings) -> TrainingError:
    """The error for a step with a loss that is no finite number: from where training can go on, and with what."""
    kept = next(iter(newest_first(state)), None)
    other = 'lower train.learning_rate, set train.clip = 1.0, or use train.precision = "fp32"'
    if kept is not None:
        at = int(kept.name.rpartition("-")[2])
        *_, share = 1.0, *settings.rates_before(at + 1).values()
        other = (
            f"the same command with -s train.rate_after.{at}={0.3 * share:.2g} goes on from there at a lower learning "
            f"rate; or begin anew: remove {state.parent} and {other}"
        )
    return TrainingError(f"step {step}: {said}; expected finite numbers; {last_good(state)}; next: {other}")


def _row(
    number: int,
    step: Step,
    places: Integers,
    data: Samples,
    targets: int,
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
        "learned_tokens": targets,
        "loss": loss,
        "learning_rate": rate,
        "gradient_norm": norm,
        "seconds": round(seconds, 3),
        "sources": {name: n for name, n in zip(data.source_names, counts, strict=True) if n},
    }


def _measured(
    head: AnswerHead, learned: Learned, settings: TrainSettings, state: Path, ranks: Ranks
) -> tuple[held_out.Losses | None, float | None]:
    """The losses of the samples held out and their mean, now. Raises TrainingError where it is no finite number."""
    each = held_out.losses(head, learned.data, settings, learned.layout, ranks)
    loss = held_out.mean(each, learned.data)
    if loss is not None and not math.isfinite(loss):
        raise _no_number(f"validation loss {loss}", learned.progress.done, state, settings)
    return each, loss


# ---------------------------------------------------------------- checkpoints


def _save(
    folder: Path,
    made: dict[str, Any],
    progress: Progress,
    model: nn.Module,
    found: Sequence[torch.optim.Optimizer],
    keep: int,
    ranks: Ranks,
) -> None:
    about = {**made, "progress": vars(progress)}
    checkpoint.save(folder, progress.done, checkpoint.capture(model, found), about, keep, ranks)


def _resume(
    folder: Path, made: dict[str, Any], model: nn.Module, found: Sequence[torch.optim.Optimizer], ranks: Ranks
) -> Progress:
    """Where an earlier attempt stood, after its weights and random states were put back; the beginning where there was
    none. Raises TrainingError where its steps would be learned otherwise now."""
    newest = checkpoint.newest(folder, ranks)
    if newest is None:
        return Progress()
    about = checkpoint.about(newest)
    progress = Progress(**about["progress"])
    if _of_steps(about, progress.done) != _of_steps(made, progress.done):
        raise TrainingError(
            f"{folder}: its checkpoints, up to step {progress.done:,}, are of other settings or data; they are kept; "
            "next: train with those, or remove the folder to begin anew"
        )
    checkpoint.restore(newest, model, found, ranks)
    return progress


def _of_steps(made: dict[str, Any], done: int) -> tuple[str, dict[str, float]]:
    """What the first ``done`` steps are learned with."""
    return made["fingerprint"], {step: share for step, share in made["rate_after"].items() if int(step) < done}
