"""What a plan says of training: steps, memory term by term, how many GPUs, and time as a formula."""

from __future__ import annotations

from collections.abc import Iterable

from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.train.memory import (
    GPU_BYTES,
    MOST_GPUS,
    USABLE,
    Load,
    Term,
    fewest,
    flops_per_token,
    host_bytes,
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


def train_says(settings: TrainSettings, samples: int, tokens: float) -> str:
    """What training ``samples`` samples of ``tokens`` tokens needs; of a base in a folder in several lines."""
    if settings.tokens and tokens > settings.tokens:
        samples, tokens = max(1, int(samples * settings.tokens / tokens)), float(settings.tokens)
    steps = settings.steps or -(-samples // settings.batch_samples)
    says = f"about {steps:,} steps of {settings.batch_samples} samples, about {tokens / 1e6:,.1f} M tokens"
    shape = shape_of(settings)
    if shape is None:
        return f"{says}; memory and hours need the base's config.json"
    says = f"{says}; {shape.parameters / 1e6:,.1f} M parameters"
    if settings.base == "scratch" or settings.device == "cpu":
        formula, hours = _hours(shape, settings, tokens, ASSUMED_CPU_FLOPS)
        return f"{says}; {_sum(memory(Load(shape, settings)))}; about {hours:,.2f} h on one CPU core ({formula})"
    lines = [says, *needs(shape, settings), _time(shape, settings, tokens, steps), _others(settings)]
    return "\n    ".join(lines)


def needs(shape: Shape, settings: TrainSettings) -> list[str]:
    """Lines on the memory of a base: how many GPUs for all weights and for an adapter, the terms, the machine's own."""
    ways = _ways(settings)
    counts = {name: fewest(shape, way) for name, way in ways.items()}
    lines = ["needs " + ", ".join(f"{_cards(count)} for {name}" for name, count in counts.items())]
    own = fewest(shape, settings) or MOST_GPUS
    lines.append(
        f"each of {own}: {_sum(memory(Load(shape, settings, own)))}; {USABLE:.0%} of {CARD} are counted on "
        "(assumed: the rest is the CUDA context and fragments)"
    )
    for name, way in ways.items():
        sizes = [f"{total(memory(Load(shape, way, n))) / GB:,.1f}" for n in COUNTS]
        lines.append(f"{name}, GB on each of {', '.join(map(str, COUNTS))} GPUs: {', '.join(sizes)}")
    lines.append(
        f"memory of the machine: {host_bytes(shape) / GB:,.1f} GB for the first process while it reads the whole base "
        "in fp32, and again when weights of several are gathered to be saved; the others read nothing"
    )
    if own > settings.batch_samples:
        lines.append(f"of {own} processes only train.batch_samples = {settings.batch_samples} would have work")
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


def _sum(terms: Iterable[Term]) -> str:
    """Terms with their formulas, and their sum."""
    found = list(terms)
    unit, size = ("GB", GB) if total(found) >= GB else ("MB", GB / 1e3)
    parts = " + ".join(f"{term.name} {term.bytes / size:,.1f} ({term.formula})" for term in found)
    return f"{parts} = {total(found) / size:,.1f} {unit}"


def _hours(shape: Shape, settings: TrainSettings, tokens: float, flops: float, count: int = 1) -> tuple[str, float]:
    """The formula of the time of training, and the hours that it gives."""
    per_token, formula = flops_per_token(shape, settings)
    speed = f"{flops:.1e} FLOP/s (assumed)"
    return (
        f"({formula}) x tokens / {speed}{f' / {count}' if count > 1 else ''}",
        per_token * tokens / flops / count / 3600,
    )


def _time(shape: Shape, settings: TrainSettings, tokens: float, steps: int) -> str:
    count = fewest(shape, settings) or MOST_GPUS
    formula, hours = _hours(shape, settings, tokens, ASSUMED_GPU_FLOPS, count)
    step = hours * 3600 / max(steps, 1)
    return f"about {step:,.2f} s a step, {hours:,.2f} h: {formula}; no GPU was measured"


def _others(settings: TrainSettings) -> str:
    """What other bases need with the recipe's settings."""
    full, adapter = _ways(settings).values()
    said = [
        f"{name} {fewest(shape, full) or '>64'} / {fewest(shape, adapter) or '>64'}" for name, shape in PRESETS.items()
    ]
    return f"other bases with these settings, {CARD} GPUs for all weights / for an adapter: {', '.join(said)}"
