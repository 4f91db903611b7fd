"""Training speed on a GPU: 1B and 7B of LLaMA's shape, 4,096 tokens of context, against TRL with Liger kernels.

Random weights, bf16 products, AdamW, full and LoRA; the same samples (3,800 to 4,096 tokens, made-up words, nearly all
of them answer), one a micro-batch and eight a step for every system, in runs that alternate. What a run says: real
tokens a second of the clock from the end of the first step to the end of the last (the device waited for), the most
memory that tensors took on the device, and model FLOP utilisation:

    utilisation = tokens/s x (6 P_layers + 6 s V h + 6 L q c) / peak        (all weights)
    utilisation = tokens/s x (4 P_layers + 4 s V h + 6 L q c) / peak        (LoRA: a frozen weight has no gradient)

P_layers: weights of the layers' matrices; s: share of tokens learned; V, h, L, q: vocabulary, hidden width, layers,
width of the queries; c: tokens of a sample, of which a token sees half (causal). What is computed a second time and an
adapter's own products do not count. The peak is the data sheet's for dense bf16, by the device's name (`PEAKS`); a
device that is not there gets no utilisation. Under an adapter TRL holds the frozen weights in bf16, huatuo in fp32.

Without a GPU nothing is measured. ``HUATUO_BENCH_DRY=1`` runs two steps of a tiny model on the processor instead, to
see that all of it works: its figures mean nothing and are not kept. ``HUATUO_BENCH_CASES``
("1B full,1B LoRA,7B full,7B LoRA"), ``HUATUO_BENCH_ROUNDS`` (2). The 7B runs need about 45 GB of disk, and all weights
of it, by huatuo's plan, 125 GB of the device: a case that does not fit is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from envs import environments, workload
from envs.task import Task
from run import Outcome
from training_peers import prepare

from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.train.memory import flops_per_token
from huatuo.train.shapes import Shape, from_config

DRY = os.environ.get("HUATUO_BENCH_DRY") == "1"
DRY_CASES = ("tiny full", "tiny LoRA")
CASES = [case.strip() for case in os.environ.get("HUATUO_BENCH_CASES", "1B full,1B LoRA,7B full,7B LoRA").split(",")]
ROUNDS = int(os.environ.get("HUATUO_BENCH_ROUNDS", "2"))

SHAPES: dict[str, dict[str, int]] = {
    "1B": dict(
        hidden_size=2_048, intermediate_size=5_632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, vocab_size=32_000, max_position_embeddings=4_096,
    ),
    "7B": dict(
        hidden_size=4_096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=32, vocab_size=32_000, max_position_embeddings=4_096,
    ),
    "tiny": dict(
        hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=workload.VOCABULARY, max_position_embeddings=256,
    ),
}  # fmt: skip
"""config.json of TinyLlama-1.1B and of Llama-2-7b-hf (meta-llama); and what a dry run has."""

PEAKS = (
    ("H200 NVL", 835e12), ("H200", 989e12), ("H100 PCIe", 756e12), ("H100 NVL", 835e12), ("H100", 989e12),
    ("A100", 312e12), ("L40S", 362e12),
)  # fmt: skip
"""FLOP/s of dense bf16 products by a part of the device's name, the first that fits (NVIDIA's data sheets)."""

LORA: dict[str, Any] = {
    "r": 16,
    "alpha": 32.0,
    "dropout": 0.0,
    "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
SAMPLES, STEPS, RATE = 8, 10, 1e-5
"""Samples of a step; steps of a run, of which the first is not timed; learning rate."""
LIMIT_S = 1_800
RECOMPUTED = {"7B full"}
"""Cases in which activations are computed again: else they would not fit beside weights and optimiser."""


@dataclass(frozen=True)
class System:
    """A system and its own settings."""

    name: str
    script: str
    environment: str = ""
    """Name of its environment; huatuo's own where empty."""
    more: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Case:
    """A shape and a way to train it, on a workload on disk."""

    name: str
    folder: Path
    shape: Shape
    window: int
    lora: dict[str, Any]
    context: float
    """Tokens of a sample, on average."""
    learned: float
    """Share of them that is learned."""


def systems(window: int) -> tuple[System, ...]:
    """Who is measured; in a dry run TRL goes without Liger, whose kernels need a GPU."""
    rows = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": SAMPLES, "use_liger_kernel": not DRY}
    own = (("batch_tokens", window),)
    peer = System("TRL", "train_trl.py", "trl", tuple(rows.items()))
    if DRY:
        return peer, System("huatuo", "train_huatuo.py", more=own)
    return (
        System("TRL with Liger", "train_trl.py", "trl_liger", peer.more),
        System("huatuo", "train_huatuo.py", more=own),
        System("huatuo, compiled", "train_huatuo.py", more=(*own, ("compile", True))),
    )


def run() -> Outcome:
    """Figures of every case and system, and huatuo's rate over TRL's. Skipped where there is no GPU."""
    import torch

    if not DRY and not torch.cuda.is_available():
        return Outcome({}, skipped="no GPU (torch.cuda.is_available() is false); HUATUO_BENCH_DRY=1 tries the plumbing")
    device = "the processor" if DRY else torch.cuda.get_device_name(0)
    peak = None if DRY else peak_of(device)
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    said = f"{peak:.3g} FLOP/s assumed" if peak else "peak not known: no utilisation"
    table = [f"{device}; {said}", f"{'case, system':<32}{'tokens/s':>10}{'utilisation':>12}{'GB':>8}"]
    pairs = workload.made_up_pairs()
    tokenizer = workload.tokenizer_of([text for pair in pairs for text in pair])
    for name in DRY_CASES if DRY else CASES:
        with tempfile.TemporaryDirectory(prefix="huatuo-") as place:
            case = made(name, Path(place), tokenizer, [answer for _, answer in pairs])
            seen = series(case)
        table += lines(case, seen, peak)
        figures |= flat(case, seen, peak)
        ratios |= compared(name, seen)
    table += [f"{key:<60}{value:8.3f}" for key, value in ratios.items()]
    return Outcome(figures, ratios, STEPS, table, "a dry run: these figures mean nothing" if DRY else "")


# ---------------------------------------------------------------- what is trained


def made(name: str, folder: Path, tokenizer: Any, texts: list[str]) -> Case:
    """The case of a name ("7B LoRA"): base, samples of the texts, and huatuo's stages before training, in a folder."""
    size, way = name.split()
    config = SHAPES[size]
    window = config["max_position_embeddings"]
    chosen = long_pairs(tokenizer, texts, window, SAMPLES * steps())
    tokens, learned = workload.write(folder / "train.jsonl", chosen, tokenizer, window)
    workload.save_base(folder / "base", tokenizer, config, "bfloat16")
    prepare(folder, window)
    shape = from_config(config)
    assert shape is not None
    return Case(
        name, folder, shape, window, LORA if way == "LoRA" else {}, tokens / len(chosen), learned / max(tokens, 1)
    )


def steps() -> int:
    """Steps of a run."""
    return 2 if DRY else STEPS


def long_pairs(tokenizer: Any, texts: list[str], window: int, count: int) -> list[tuple[str, str]]:
    """Pairs that nearly fill the window: their answers are texts one after the other."""
    room = window - 64  # beside the question and the chat format
    known = [(text, len(ids)) for text, ids in zip(texts, tokenizer(texts)["input_ids"], strict=True)]
    pieces, sizes = zip(*[(text, size) for text, size in known if size <= room // 2], strict=True)
    rng = np.random.default_rng(6)
    found = []
    for number in range(count):
        answer: list[str] = []
        used = 0
        while used + sizes[at := int(rng.integers(len(pieces)))] <= room:
            answer.append(pieces[at])
            used += sizes[at]
        found.append((f"{number}？", "".join(answer)))
    return found


# ---------------------------------------------------------------- runs


Runs = dict[str, list[dict[str, float]]]
"""What each run of each system said."""


def series(case: Case) -> Runs:
    """All systems in turn, `ROUNDS` times; a system that cannot run says why and is left out from then on."""
    seen: Runs = {}
    out_of: set[str] = set()
    for turn in range(1 if DRY else ROUNDS):
        for system in systems(case.window):
            if system.name in out_of:
                continue
            out = case.folder / "out"
            said, why = environments.asked(system.script, system.environment, task(case, system, out), LIMIT_S)
            shutil.rmtree(out, ignore_errors=True)  # a trained 7B is 27 GB
            if why:
                print(f"skipped: {case.name}, {system.name}: {why}", flush=True)
                out_of.add(system.name)
                continue
            said["rate"] = said["timed_tokens"] / said["clock_s"]
            print(f"{case.name} {turn} {system.name}: {said['rate']:,.0f} tokens/s", flush=True)
            seen.setdefault(system.name, []).append(said)
    return seen


def task(case: Case, system: System, out: Path) -> Task:
    """What a system is asked to train."""
    more = {"gradient_checkpointing": case.name in RECOMPUTED, **dict(system.more)}
    return Task(
        work=str(case.folder), out=str(out), steps=steps(), tokens_a_step=SAMPLES * case.window,
        samples_a_step=SAMPLES, window=case.window, rate=RATE, precision="bf16", layout="padded", more=more,
        device="cpu" if DRY else "cuda", lora=case.lora,
    )  # fmt: skip


# ---------------------------------------------------------------- what is said of it


def peak_of(device: str) -> float | None:
    """FLOP/s of dense bf16 products of a device; None for one that is not known."""
    return next((flops for name, flops in PEAKS if name in device), None)


def utilisation(case: Case, rate: float, peak: float | None) -> float | None:
    """Model FLOP utilisation at so many tokens a second, by the formula above; None without a peak."""
    if peak is None:
        return None
    settings = TrainSettings(base="b", lora=LoraSettings.model_validate(case.lora) if case.lora else None)
    of_weights, _ = flops_per_token(case.shape, settings, case.learned)
    of_attention = 6 * case.shape.layers * case.shape.queries * case.context
    return rate * (of_weights + of_attention) / peak


def middle(runs: list[dict[str, float]], key: str) -> float:
    """The median of the runs."""
    return statistics.median(run[key] for run in runs)


def flat(case: Case, seen: Runs, peak: float | None) -> dict[str, float]:
    """The medians as one table."""
    found: dict[str, float] = {}
    for name, runs in seen.items():
        rate, used = middle(runs, "rate"), utilisation(case, middle(runs, "rate"), peak)
        found[f"{case.name}, {name}, tokens/s"] = round(rate, 1)
        found[f"{case.name}, {name}, peak, MB"] = round(middle(runs, "device_peak_mb"), 1)
        if used is not None:
            found[f"{case.name}, {name}, utilisation"] = round(used, 4)
    return found


def compared(case: str, seen: Mapping[str, list[dict[str, float]]]) -> dict[str, float]:
    """huatuo's rates over TRL's, round by round, and their median."""
    peer = next((runs for name, runs in seen.items() if name.startswith("TRL")), [])
    found = {}
    for name, runs in seen.items():
        if name.startswith("huatuo") and peer:
            each = [mine["rate"] / theirs["rate"] for mine, theirs in zip(runs, peer, strict=False)]
            found[f"{case}: rate of {name} over TRL"] = round(statistics.median(each), 3)
    return found


def lines(case: Case, seen: Runs, peak: float | None) -> list[str]:
    """The table of a case."""
    found = []
    for name, runs in seen.items():
        used = utilisation(case, middle(runs, "rate"), peak)
        shown = "-" if used is None else f"{used:.1%}"
        memory = middle(runs, "device_peak_mb") * 2**20 / 1e9
        found.append(f"{f'{case.name}, {name}':<32}{middle(runs, 'rate'):>10,.0f}{shown:>12}{memory:>8.1f}")
    return found
