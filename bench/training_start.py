"""A second start of training on a million pairs: CPU-seconds and memory to the first step, and what came before.

Made pairs of 40 characters go through the stages order and tokenise once; then training is started in a process of its
own, as often as there are sizes, up to its first step. Memory is that of the process itself, without pages of mapped
files, which the system takes back when it needs them.
"""

from __future__ import annotations

import json
import os
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
    return Outcome(figures, {}, SIZES[-1], [f"{name:<50}{value:>12,.2f}" for name, value in figures.items()])
