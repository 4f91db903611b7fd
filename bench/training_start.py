"""A second start of training on a million pairs: CPU-seconds and memory to the first step, and what came before.

Made pairs of 40 characters go through the stages order and tokenise once; then training is started in a process of its
own, as often as there are sizes, up to its first step. Memory is that of the process itself, without pages of mapped
files, which the system takes back when it needs them. Bound: 15 CPU-seconds with a million pairs.

Besides: CPU-seconds of a step by its tokens (forward and backward pass of the default model from scratch, samples of
one length). ``linear``: the cost of a token in the largest step over that in the smallest; not much above 1.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from run import Outcome

SIZES = (10_000, 1_000_000)
CHARACTERS, QUESTION, ANSWER = 3_000, 16, 24
"""Vocabulary; characters of a question and of its answer."""

STEP_TOKENS = (1_024, 2_048, 4_096, 8_192)
SAMPLE, TIMES = 64, 7
"""Tokens of a step; of each of its samples; how often it is measured."""

CHILD = """
import json, sys, time
from pathlib import Path
from huatuo import store
from huatuo.recipe import RunSettings, TrainSettings
from huatuo.train import loop
row, root = loop._row, Path(sys.argv[1])
def first(*given):
    lines = Path("/proc/self/status").read_text().splitlines()
    kb = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    print(json.dumps({"cpu_s": time.process_time(), "mb": kb / 1024}), flush=True)
    return row(*given)
loop._row = first
for name in ("order", "tokenise"):
    store.verify(root / name, deep=True)
with store.writing(root / "train", stage="train", key="k") as out:
    settings = TrainSettings(order="uniform", steps=1)
    loop.train(settings, RunSettings(name="start"), root / "tokenise", root / "order", out)
"""


def make_pairs(folder: Path, n: int) -> None:
    """A data set of n different pairs, every hundredth held out."""
    from huatuo import store
    from huatuo.columns import Columns, column_of
    from huatuo.records import Message, Pair, Provenance

    rng = np.random.default_rng(n)
    letters = np.array([chr(0x4E00 + k) for k in range(CHARACTERS)])
    with store.writing(folder, stage="unify", key="k") as out:
        table = Columns(out, "pairs", Pair)
        for start in range(0, n, store.SHARD_ROWS):
            count = min(store.SHARD_ROWS, n - start)
            ids = np.frombuffer(rng.bytes(16 * count).hex().encode(), dtype="S32")
            texts = ["".join(row) for row in letters[rng.integers(0, CHARACTERS, (count, QUESTION + ANSWER))]]
            blank = Pair(
                id="", messages=(), source="web", language="zh", shape="direct", split="train",
                provenance=Provenance(by="import"),
            ).model_dump()  # fmt: skip
            roles = {"user": slice(0, QUESTION), "assistant": slice(QUESTION, None)}
            rows = [
                blank
                | {"id": i, "messages": [Message(role=r, content=text[part]).model_dump() for r, part in roles.items()]}
                | {"split": "validation" if k % 100 == 0 else "train"}
                for k, (i, text) in enumerate(zip(column_of(ids).to_pylist(), texts, strict=True))
            ]
            table.write(pa.Table.from_pylist(rows, schema=store.schema_of(Pair)))
    with store.writing(folder.parent / "ingest", stage="ingest", key="k") as out:
        (out.folder / "nothing.json").write_text("{}\n", encoding="utf-8")


def prepare(root: Path) -> dict[str, float]:
    """CPU-seconds of the stages order and tokenise."""
    from huatuo import store
    from huatuo.recipe import TrainSettings
    from huatuo.train import order, tokenise

    settings, found = TrainSettings(order="uniform"), {}
    start = time.process_time()
    with store.writing(root / "order", stage="order", key="k") as out:
        order.make_order(settings, root / "unify", 5, out)
    found["order"], start = time.process_time() - start, time.process_time()
    with store.writing(root / "tokenise", stage="tokenise", key="k") as out:
        tokenise.tokenise(settings, root / "unify", root / "ingest", out)
    found["tokenise"] = time.process_time() - start
    return found


def first_step(root: Path) -> dict[str, float]:
    """CPU-seconds and megabytes of a process at its first step."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HUATUO_QUIET": "1"}
    command = [sys.executable, "-c", CHILD, str(root)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return found


def cost_of_a_step() -> dict[int, float]:
    """CPU-seconds of a step by its tokens, medians; one thread."""
    import torch

    from huatuo.models import scratch
    from huatuo.recipe import ScratchSettings
    from huatuo.train.forward import answer_head
    from huatuo.train.pack import lay_out

    torch.set_num_threads(1)
    model = scratch.build(ScratchSettings(), CHARACTERS, eos_id=1, pad_id=0, seed=1, window=SAMPLE).train()
    rng, flags = np.random.default_rng(0), np.repeat([0, 1], SAMPLE // 2)
    batches = {n: [rng.integers(3, CHARACTERS, SAMPLE) for _ in range(n // SAMPLE)] for n in STEP_TOKENS}
    seconds: dict[int, list[float]] = {n: [] for n in STEP_TOKENS}
    with answer_head(model, torch.device("cpu"), trim=True) as head:
        for turn in range(TIMES + 1):
            for n, ids in batches.items():
                batch, start = lay_out(ids, [flags] * len(ids), "bucketed"), time.process_time()
                head.loss_sum(batch).backward()
                model.zero_grad(set_to_none=True)
                if turn:  # the first warms the caches
                    seconds[n].append(time.process_time() - start)
    return {n: statistics.median(found) for n, found in seconds.items()}


def run() -> Outcome:
    """The figures of both sizes, and what the larger one costs beside the smaller."""
    figures: dict[str, float] = {}
    for n in SIZES:
        with tempfile.TemporaryDirectory(prefix="huatuo-") as name:
            root = Path(name)
            make_pairs(root / "unify", n)
            for stage, seconds in prepare(root).items():
                figures[f"{stage} of {n:,} pairs, cpu_s"] = round(seconds, 2)
            started = first_step(root)
        figures[f"start to first step with {n:,} pairs, cpu_s"] = round(started["cpu_s"], 2)
        figures[f"memory at first step with {n:,} pairs, mb"] = round(started["mb"])
    few, many = (figures[f"memory at first step with {n:,} pairs, mb"] for n in SIZES)
    figures["bytes of memory for each further pair"] = round((many - few) * 2**20 / (SIZES[1] - SIZES[0]))
    costs = cost_of_a_step()
    figures |= {f"step of {n:,} tokens, cpu_s": round(seconds, 4) for n, seconds in costs.items()}
    few, many = STEP_TOKENS[0], STEP_TOKENS[-1]
    ratios = {"linear": round(costs[many] / many / (costs[few] / few), 3)}
    return Outcome(figures, ratios, SIZES[-1], [f"{name:<50}{value:>12,.2f}" for name, value in figures.items()])
