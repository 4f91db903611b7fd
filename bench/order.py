"""Priority order of 5.7 million items: ours against torch.multinomial, which HuatuoGPT-II's release draws with."""

from __future__ import annotations

import time

import numpy as np
from run import Outcome

from huatuo.train.order import RELEASED_COPIES, RELEASED_COUNTS, RELEASED_WEIGHTS


def run() -> Outcome:
    """CPU-seconds of both; the counts and weights are those of the release."""
    import torch

    from huatuo.train import order

    torch.set_num_threads(1)
    weights = np.concatenate(
        [np.full(n * RELEASED_COPIES.get(s, 1), float(RELEASED_WEIGHTS[s])) for s, n in RELEASED_COUNTS.items()]
    )
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 2**63, size=(len(weights), 2), dtype=np.uint64)
    start = time.process_time()
    drawn = order.draw(ids, np.zeros(len(weights), dtype=np.uint64), weights, 2023)
    ours = time.process_time() - start
    start = time.process_time()
    torch.multinomial(torch.from_numpy(weights), len(weights), replacement=False)
    theirs = time.process_time() - start
    assert len(drawn) == len(weights)
    figures = {"ours_cpu_s": round(ours, 3), "torch_multinomial_cpu_s": round(theirs, 3)}
    table = [f"{name:<26} {value:8.2f}" for name, value in figures.items()]
    return Outcome(figures, {"torch_over_ours": round(theirs / ours, 3)}, len(weights), table)
