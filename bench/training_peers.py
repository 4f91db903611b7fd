"""Training speed on a processor, one thread: TRL's SFTTrainer and LLaMA-Factory at their best settings, and huatuo.

One model (LLaMA's shape, 9.0 M parameters, 8,192 tokens), the same pairs as the same token ids, AdamW, cosine, the loss
on answers only, about the same number of real tokens a step. The unit is real (non-padding) tokens by CPU-second of the
process and its children, from the end of the first step to the end of the last; what came before is the start-up. Runs
alternate. The validation loss of what each saved is computed by one evaluator (`envs.workload`).

``HUATUO_BENCH_TOKENS`` (60,000): real tokens of a run. ``HUATUO_BENCH_ROUNDS`` (3). ``HUATUO_BENCH_PRECISIONS``
("fp32 bf16"; bf16 only where the processor has instructions for it).
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envs import environments, workload
from envs.task import Task
from run import Outcome

TOKENS = int(os.environ.get("HUATUO_BENCH_TOKENS", "60000"))
ROUNDS = int(os.environ.get("HUATUO_BENCH_ROUNDS", "3"))
PRECISIONS = os.environ.get("HUATUO_BENCH_PRECISIONS", "fp32 bf16").split()

TOKENS_A_STEP, WINDOW, RATE = 2_048, 512, 1e-3
SEED = 5
LIMIT_S = 3_000
"""Longest run of one system, in seconds of the clock."""


@dataclass(frozen=True)
class System:
    """A system, how it lays its batches out, and the series it runs in."""

    name: str
    script: str
    environment: str = ""
    """Name of its environment; huatuo's own where empty."""
    layout: str = "packed"
    more: tuple[tuple[str, Any], ...] = ()
    once: bool = False
    """Run in the first round only: for its loss, or for a figure beside the comparison."""


# Whole steps fit into one micro-batch; logits exist for answers only, so it needs no more memory than peers do.
OURS = System("huatuo", "train_huatuo.py", more=(("batch_tokens", 2 * TOKENS_A_STEP),))
SYSTEMS = (
    System("TRL, packed", "train_trl.py", "trl", more=(("loss_type", "chunked_nll"),)),
    System("LLaMA-Factory, packed", "train_llamafactory.py", "llamafactory"),
    OURS,
    System("TRL, padded", "train_trl.py", "trl", "padded", once=True),
    replace(OURS, name="huatuo, compiled", more=(*OURS.more, ("compile", True)), once=True),
)
BASELINE = "TRL, padded"
"""Whose loss the others' are compared with."""


def run() -> Outcome:
    """Figures of every system and precision, and huatuo's rate over that of the faster peer."""
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    table: list[str] = []
    skipped = [why for name in ("trl", "llamafactory") if (why := environments.python_of(name)[1])]
    with tempfile.TemporaryDirectory(prefix="huatuo-") as name:
        load = workload.make(Path(name))
        prepare(load.folder, WINDOW)
        source = "made-up pairs" if load.made_up else "HuaTuo's pairs"
        table.append(f"{source}: {load.pairs:,}, {load.tokens:,} tokens, {load.learned_share:.1%} of them answer")
        for precision in PRECISIONS:
            if precision == "bf16" and not has_bf16():
                table.append("bf16: left out, the processor has no instructions for it")
                continue
            seen = series(load, precision)
            table += lines(precision, seen)
            figures |= {f"{precision}, {key}": value for key, value in flat(seen).items()}
            ratios |= {f"{precision}, {key}": value for key, value in compared(seen).items()}
    table += [f"skipped: {why}" for why in skipped]
    table += [f"{key:<60}{value:8.3f}" for key, value in ratios.items()]
    return Outcome(figures, ratios, TOKENS, table)


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself."""
    info = Path("/proc/cpuinfo")
    return info.exists() and any(flag in info.read_text() for flag in ("avx512_bf16", "amx_bf16"))


def prepare(root: Path, window: int) -> None:
    """The stages before training, which huatuo goes through once for all runs on the workload of a folder."""
    from huatuo import store
    from huatuo.recipe import TrainSettings
    from huatuo.records import Message, Pair, Provenance
    from huatuo.train import order, tokenise

    settings = TrainSettings(base=str(root / "base"), order="uniform", window=window, format=workload.FORMAT)
    with store.writing(root / "unify", stage="unify", key="k") as out:
        for number, line in enumerate((root / "train.jsonl").read_text(encoding="utf-8").splitlines()):
            row = json.loads(line)
            turns = (("user", row["question"]), ("assistant", row["answer"]))
            messages = tuple(Message.model_validate({"role": role, "content": text}) for role, text in turns)
            out.write(
                "pairs",
                Pair(
                    id=store.content_id(str(number)), messages=messages, source="sft", language="zh", shape="direct",
                    split="train", provenance=Provenance(by="import"),
                ),
            )  # fmt: skip
    with store.writing(root / "ingest", stage="ingest", key="k") as out:
        (out.folder / "nothing.json").write_text("{}\n", encoding="utf-8")
    with store.writing(root / "order", stage="order", key="k") as out:
        order.make_order(settings, root / "unify", SEED, out)
    with store.writing(root / "tokenise", stage="tokenise", key="k") as out:
        tokenise.tokenise(settings, root / "unify", root / "ingest", out)


# ---------------------------------------------------------------- one series


Runs = dict[str, list[dict[str, float]]]
"""What each run of each system said."""


def series(load: workload.Workload, precision: str) -> Runs:
    """All systems in turn, `ROUNDS` times; a system that cannot run says why and is left out from then on."""
    seen: Runs = {}
    out_of: set[str] = set()
    for turn in range(ROUNDS):
        for system in SYSTEMS:
            if system.name in out_of or (system.once and turn):
                continue
            said, why = measured(load, system, precision, turn)
            if why:
                print(f"skipped: {system.name}, {precision}: {why}", flush=True)
                out_of.add(system.name)
                continue
            print(
                f"{precision} {turn} {system.name}: {said['rate']:,.0f} tokens/CPU-s, loss {said['loss']:.4f}",
                flush=True,
            )
            seen.setdefault(system.name, []).append(said)
    return seen


def measured(load: workload.Workload, system: System, precision: str, turn: int) -> tuple[dict[str, float], str]:
    """What one run of a system said, and why it could not (empty: it could)."""
    out = load.folder / f"{system.name} {precision} {turn}"
    steps = max(round(TOKENS / TOKENS_A_STEP), 3)
    task = Task(
        work=str(load.folder), out=str(out), steps=steps, tokens_a_step=TOKENS_A_STEP,
        samples_a_step=round(TOKENS_A_STEP * load.pairs / load.tokens), window=WINDOW, rate=RATE,
        precision=precision, layout=system.layout, more=dict(system.more),
    )  # fmt: skip
    said, why = environments.asked(system.script, system.environment, task, LIMIT_S)
    if why:
        return {}, why
    loss = workload.validation_loss(Path(said.pop("model")), load.folder / "held.jsonl")
    return {**said, "rate": said["timed_tokens"] / said["cpu_s"], "loss": loss}, ""


# ---------------------------------------------------------------- what is said of it


def middle(runs: list[dict[str, float]], key: str) -> float:
    """The median of the runs."""
    return statistics.median(run[key] for run in runs)


def flat(seen: Runs) -> dict[str, float]:
    """The medians as one table."""
    kept = {"rate": "tokens/CPU-s", "start_cpu_s": "start, CPU-s", "peak_mb": "peak, MB", "loss": "validation loss"}
    found = {f"{name}, {said}": middle(runs, key) for name, runs in seen.items() for key, said in kept.items()}
    return {key: round(value, 4) for key, value in found.items()}


def compared(seen: Runs) -> dict[str, float]:
    """huatuo's rate over each peer's, round by round and their median; the loss of each over the baseline's."""
    found: dict[str, float] = {}
    ours = seen.get(OURS.name, [])
    for name, runs in seen.items():
        if name != OURS.name and ours:
            each = [mine["rate"] / theirs["rate"] for mine, theirs in zip(ours, runs, strict=False)]
            found[f"rate of huatuo over {name}"] = round(statistics.median(each), 3)
        if BASELINE in seen and name != BASELINE:
            found[f"loss of {name} over {BASELINE}"] = round(middle(runs, "loss") / middle(seen[BASELINE], "loss"), 4)
    return found


def lines(precision: str, seen: Runs) -> list[str]:
    """The table of a series: medians, and the smallest and largest rate."""
    found = [f"{precision:<26}{'tokens/CPU-s':>14}{'least':>8}{'most':>8}{'start':>8}{'MB':>8}{'loss':>9}{'tokens':>9}"]
    for name, runs in seen.items():
        rates = [run["rate"] for run in runs]
        found.append(
            f"{name:<26}{statistics.median(rates):>14,.0f}{min(rates):>8,.0f}{max(rates):>8,.0f}"
            f"{middle(runs, 'start_cpu_s'):>8.1f}{middle(runs, 'peak_mb'):>8,.0f}{middle(runs, 'loss'):>9.4f}"
            f"{middle(runs, 'tokens'):>9,.0f}"
        )
    return found
