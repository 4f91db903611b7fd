"""What a plan says of training: steps, memory term by term, how many GPUs, and time as a formula."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.train.memory import (
    GPU_BYTES,
    MOST_GPUS,
    USABLE,
    Load,
    fewest,
    flops_per_token,
    host_bytes,
    letters,
    memory,
    total,
)
from huatuo.train.shapes import PRESETS, Shape, shape_of

ASSUMED_CPU_FLOPS = 2e10
"""FLOP/s of one CPU core in fp32 for small matrices (between 17 and 103 GFLOPS were seen for one product)."""
ASSUMED_GPU_FLOPS = 1.5e14
"""FLOP/s sustained by one data-centre GPU in bf16: about 40 % of an A100's 312 TFLOP/s. No GPU was measured."""
COUNTS = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of GPUs whose memory is shown."""
GB = 1e9
CARD = f"{GPU_BYTES / GB:.0f} GB"


@dataclass(frozen=True)
class Work:
    """What a training run does before its steps, its tokens or the order end."""

    steps: int
    samples: int
    of_step: float
    """Samples of a step, about where a step is so many tokens."""
    tokens: float
    """Real tokens, padding not counted."""

    @property
    def tokens_of_step(self) -> float:
        """Real tokens of a step."""
        return self.tokens / max(self.steps, 1)

    def among(self, processes: int) -> int:
        """How many of so many processes have something to do: a step's samples can be dealt to as many at most."""
        return max(min(processes, int(self.of_step)), 1)


def work(settings: TrainSettings, samples: int, tokens: float) -> Work:
    """What training on an order of ``samples`` samples with ``tokens`` tokens does: all of it, or as much as
    ``train.steps`` and ``train.tokens`` allow. In every layout a step has the same samples."""
    each = tokens / samples if samples else 1.0
    of_step = float(settings.batch_samples) or max(settings.step_tokens / each, 1.0)
    steps = math.ceil(samples / of_step)
    if settings.steps:
        steps = min(steps, settings.steps)
    if settings.tokens:
        steps = min(steps, math.ceil(settings.tokens / (each * of_step)))
    taken = min(samples, round(steps * of_step))
    return Work(steps, taken, of_step, each * taken)


def train_says(settings: TrainSettings, samples: int, tokens: float) -> str:
    """What training ``samples`` samples of ``tokens`` tokens needs, in several lines."""
    done = work(settings, samples, tokens)
    of = f"{settings.batch_samples:,} samples" if settings.batch_samples else f"{settings.step_tokens:,} tokens"
    says = f"about {done.steps:,} steps of {of}, about {amount(done.tokens)} tokens"
    shape = shape_of(settings)
    if shape is None:
        return f"{says}; memory and hours need the base's config.json"
    lines = [f"{says}; {amount(shape.parameters)} parameters"]
    if settings.base == "scratch" or settings.device == "cpu":
        load = Load(shape, settings)
        lines += [*_terms("memory", load), *_time(load, done, "one CPU core", ASSUMED_CPU_FLOPS)]
    else:
        lines += needs(shape, settings)
        load = Load(shape, settings, fewest(shape, settings) or MOST_GPUS)
        lines += _time(load, done, _cards(load.processes), ASSUMED_GPU_FLOPS)
        lines += [_hours(load, done), "no GPU was measured"]
    lines.append(_others(settings))
    return "\n    ".join(lines)


def needs(shape: Shape, settings: TrainSettings) -> list[str]:
    """Lines on the memory of a base: how many GPUs for all weights and for an adapter, the terms, the machine's own."""
    ways = _ways(settings)
    counts = {name: fewest(shape, way) for name, way in ways.items()}
    lines = ["needs " + ", ".join(f"{_cards(count)} for {name}" for name, count in counts.items())]
    own = fewest(shape, settings) or MOST_GPUS
    lines += _terms(f"memory of each of {own} GPU{'s' if own > 1 else ''}", Load(shape, settings, own))
    lines.append(f"{USABLE:.0%} of {CARD} are counted on (assumed: the rest is the CUDA context and fragments)")
    for name, way in ways.items():
        sizes = [f"{total(memory(Load(shape, way, n))) / GB:,.1f}" for n in COUNTS]
        lines.append(f"{name}, GB on each of {', '.join(map(str, COUNTS))} GPUs: {', '.join(sizes)}")
    lines.append(
        f"memory of the machine: {host_bytes(shape) / GB:,.1f} GB for the first process while it reads the whole base "
        "in fp32, and again when weights of several are gathered to be saved; the others read nothing"
    )
    return lines


def _ways(settings: TrainSettings) -> dict[str, TrainSettings]:
    """The recipe's settings with all weights trained, and with an adapter, by name."""
    lora = settings.lora or LoraSettings()
    how = f"{settings.precision} {'AdamW' if settings.optimiser == 'adamw' else 'Muon'}"
    how += " with activations computed again" if settings.gradient_checkpointing else ""
    return {
        f"full {how}": settings.model_copy(update={"lora": None}),
        f"LoRA (r {lora.r} on {len(lora.targets)} modules)": settings.model_copy(update={"lora": lora}),
    }


def _cards(count: int | None) -> str:
    return f"more than {MOST_GPUS} x {CARD}" if count is None else f"{count} x {CARD}"


# ---------------------------------------------------------------- numbers with their units


def amount(number: float) -> str:
    """``5.6 thousand``, ``13.0 billion``: a number with three digits or so; 950 as it is."""
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if round(number) >= size:
            return f"{number / size:,.1f} {word}"
    return f"{number:,.0f}"


def duration(seconds: float) -> str:
    """``250 milliseconds``, ``12.0 seconds``, ``3.4 minutes``, ``5.0 hours``, ``12.5 days``."""
    if seconds < 1:
        return f"{seconds * 1e3:,.0f} milliseconds" if seconds >= 1e-3 else "less than a millisecond"
    for size, word in ((259_200, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400}.get(word, size):,.1f} {word}"
    return f"{seconds:,.1f} seconds"


def _bytes(count: float) -> str:
    """``12.5 GB``, of less than 1 GB ``12.5 MB``, of less than 1 MB ``12.5 kB``."""
    size, unit = next(((size, unit) for size, unit in ((GB, "GB"), (1e6, "MB")) if count >= size), (1e3, "kB"))
    return f"{count / size:,.1f} {unit}"


def _explained(formula: str, load: Load, known: set[str]) -> str:
    """What the letters of a formula stand for that are not in ``known``, which then has them; empty where all are."""
    found = letters(load)
    fresh = [name for name in found if name in set(re.findall(r"[A-Za-z]+", formula)) - known]
    known.update(fresh)
    return ", ".join(f"{name} = {found[name][0]:,} ({found[name][1]})" for name in fresh)


def _terms(what: str, load: Load) -> list[str]:
    """The memory of a process, with a line for each term: bytes, formula, what it is, and its letters where they come
    first."""
    terms, known = memory(load), set[str]()
    wide = max(len(_bytes(term.bytes)) for term in terms)
    lines = [f"{what}: {_bytes(total(terms))}, bytes by term (4 for a number in fp32, 2 in bf16):"]
    for term in terms:
        lines.append(f"  {_bytes(term.bytes):>{wide}} {term.name} = {term.formula}: {term.says}")
        if said := _explained(term.formula, load, known):
            lines.append(f"  {'':>{wide}} with {said}")
    return lines


def _time(load: Load, done: Work, where: str, flops: float) -> list[str]:
    """The time of training on ``where``, and the formula that gives it."""
    per_token, formula = flops_per_token(load.shape, load.settings)
    count = done.among(load.processes)
    seconds = per_token * done.tokens / flops / count
    over = f" / {count} GPUs" if load.processes > 1 else ""
    lines = [
        f"time: about {duration(seconds)} on {where}, {duration(seconds / max(done.steps, 1))} a step",
        f"  = ({formula}) operations a token x {amount(done.tokens)} tokens / "
        f"{flops:.1e} operations a second (assumed){over}",
        f"  with {_explained(formula, load, set())}",
    ]
    if count < load.processes:
        lines.append(f"  of {load.processes} processes only {count} would have work: a step has {_samples(load, done)}")
    return lines


def _samples(load: Load, done: Work) -> str:
    if load.settings.batch_samples:
        return f"train.batch_samples = {load.settings.batch_samples} samples"
    return f"train.step_tokens = {load.settings.step_tokens:,} tokens, about {int(done.of_step)} samples"


def _hours(load: Load, done: Work) -> str:
    """The time on each number of GPUs; those without work count nothing."""
    seconds = flops_per_token(load.shape, load.settings)[0] * done.tokens / ASSUMED_GPU_FLOPS
    told = ", ".join(duration(seconds / done.among(count)) for count in COUNTS)
    return f"time on {', '.join(map(str, COUNTS))} GPUs, memory aside: {told}"


def _others(settings: TrainSettings) -> str:
    """What other bases need with the recipe's settings."""
    full, adapter = _ways(settings).values()
    said = [
        f"{name} {fewest(shape, full) or '>64'} / {fewest(shape, adapter) or '>64'}" for name, shape in PRESETS.items()
    ]
    return f"other bases with these settings, {CARD} GPUs for all weights / for an adapter: {', '.join(said)}"
