"""Priority order of 5.7 million items: ours against torch.multinomial, which HuatuoGPT-II's release draws with."""

from __future__ import annotations

import time

import numpy as np
from run import Outcome

from huatuo.recipe import TrainSettings
from huatuo.train.order import RELEASED_COPIES, RELEASED_COUNTS, RELEASED_WEIGHTS


def run() -> Outcome:
    """CPU-seconds of both; the counts and weights are those of the release."""
    import torch

    from huatuo.train import order

    torch.set_num_threads(1)
    names = list(RELEASED_COUNTS)
    counts = np.array([RELEASED_COUNTS[name] for name in names])
    copies = np.array([RELEASED_COPIES.get(name, 1) for name in names])
    weights = np.array([RELEASED_WEIGHTS["2023-12-15"][name] for name in names])
    rng = np.random.default_rng(0)
    ids = np.frombuffer(rng.bytes(16 * int(counts.sum())).hex().encode(), dtype="S32")
    items = np.repeat(weights, counts * copies)
    start = time.process_time()
    drawn = order.draw(ids, np.repeat(np.arange(len(names)), counts), copies, weights, TrainSettings(), 2023)
    ours = time.process_time() - start
    start = time.process_time()
    torch.multinomial(torch.from_numpy(items), len(items), replacement=False)
    theirs = time.process_time() - start
    assert len(drawn.rows) == len(items)
    figures = {"ours_cpu_s": round(ours, 3), "torch_multinomial_cpu_s": round(theirs, 3)}
    table = [f"{name:<26} {value:8.2f}" for name, value in figures.items()]
    return Outcome(figures, {"torch_over_ours": round(theirs / ours, 3)}, len(items), table)
