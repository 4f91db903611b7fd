"""Priority order of 5.7 million items: ours against torch.multinomial, which HuatuoGPT-II's release draws with.

Memory is the most that drawing takes beyond what was there before, ids included.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from run import Outcome, peak_gb

from huatuo.recipe import TrainSettings
from huatuo.train.order import RELEASED_COPIES, RELEASED_COUNTS, RELEASED_WEIGHTS


def peak_begins_anew() -> float:
    """GB that this process has; `peak_gb` counts from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_gb()


def run() -> Outcome:
    """CPU-seconds and memory of both; the counts and weights are those of the release."""
    import torch

    from huatuo.train.draw import draw

    torch.set_num_threads(1)
    names = list(RELEASED_COUNTS)
    counts = np.array([RELEASED_COUNTS[name] for name in names])
    copies = np.array([RELEASED_COPIES.get(name, 1) for name in names])
    weights = np.array([RELEASED_WEIGHTS["2023-12-15"][name] for name in names])
    rng = np.random.default_rng(0)
    ids = np.frombuffer(rng.bytes(16 * int(counts.sum())).hex().encode(), dtype="S32")
    items = np.repeat(weights, counts * copies)
    codes = np.repeat(np.arange(len(names)), counts)
    before, start = peak_begins_anew(), time.process_time()
    drawn = draw(ids, codes, copies, weights, TrainSettings(), 2023)
    ours, own_gb = time.process_time() - start, peak_gb() - before
    before, start = peak_begins_anew(), time.process_time()
    torch.multinomial(torch.from_numpy(items), len(items), replacement=False)
    theirs, their_gb = time.process_time() - start, peak_gb() - before
    assert len(drawn.rows) == len(items)
    figures = {
        "ours_cpu_s": round(ours, 3),
        "torch_multinomial_cpu_s": round(theirs, 3),
        "ours_peak_gb": round(own_gb, 3),
        "torch_multinomial_peak_gb": round(their_gb, 3),
        "ours_bytes_an_item": round(own_gb * 1e9 / len(items), 1),
    }
    table = [f"{name:<26} {value:8.2f}" for name, value in figures.items()]
    ratios = {"torch_over_ours": round(theirs / ours, 3), "torch_over_ours_memory": round(their_gb / own_gb, 3)}
    return Outcome(figures, ratios, len(items), table)
