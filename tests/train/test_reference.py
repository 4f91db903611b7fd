"""The loop against training written out by hand: sample by sample, plain torch, nothing of the loop's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from train_makers import Stages, made_pairs

from huatuo import store
from huatuo.models import load as models
from huatuo.recipe import TrainSettings
from huatuo.records_trained import Order, StepLog
from huatuo.train.samples import Samples

STEPS, SIZE = 9, 16
CHOSEN = {
    "steps": STEPS, "batch_samples": SIZE, "batch_tokens": 64, "schedule": "cosine", "warmup_share": 0.3, "clip": 0.5,
    "weight_decay": 0.1, "learning_rate": 1e-2,
}  # fmt: skip


def by_hand(stages: Stages, base: Path) -> tuple[list[float], list[float], torch.nn.Module]:
    """Loss and gradient norm of each step, and the model after the last: the order as it is, ``SIZE`` samples a step."""
    data, model = Samples(stages.root / "tokenise"), models.load(base).model.train()
    place = {pair.decode(): k for k, pair in enumerate(data.pair_ids)}
    order = [place[row.pair_id] for row in store.read(stages.root / "order", "order", Order)]
    decayed = [p for p in model.parameters() if p.ndim > 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1, foreach=False)
    losses, norms = [], []
    for step in range(STEPS):
        total, count = torch.zeros(()), 0
        for sample in order[step * SIZE : step * SIZE + SIZE]:
            ids, learned = torch.tensor(data.ids(sample).tolist()), torch.tensor(data.learned(sample).tolist())
            likely = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
            each = -likely[torch.arange(len(ids) - 1), ids[1:]]
            total, count = total + (each * learned[1:]).sum(), count + int(learned[1:].sum())
        model.zero_grad()
        (total / count).backward()  # type: ignore[no-untyped-call]
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))
        for p in model.parameters():
            p.grad *= min(1.0, 0.5 / norm)
        warm = round(0.3 * STEPS)
        after = (1 + math.cos(math.pi * (step - warm) / (STEPS - warm))) / 2
        for group in optimiser.param_groups:
            group["lr"] = 1e-2 * ((step + 1) / warm if step < warm else after)
        optimiser.step()
        losses.append(float(total.detach() / count))
        norms.append(norm)
    return losses, norms, model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "more"),
    [("packed", {}), ("bucketed", {"reorder_window": 1})],
)
def test_the_loop_is_training_written_out_by_hand(
    stages: Stages, settings: Callable[..., TrainSettings], layout: str, more: dict[str, int]
) -> None:
    chosen = settings(**{**CHOSEN, "layout": layout, **more})
    stages.prepare(made_pairs(1_000), chosen)
    folder = stages.train(chosen)
    rows = list(store.read(folder, "steps", StepLog))
    losses, norms, model = by_hand(stages, folder / "base")
    assert [row.loss for row in rows] == pytest.approx(losses, rel=1e-4)
    assert [row.gradient_norm for row in rows] == pytest.approx(norms, rel=1e-3)
    assert losses[-1] < losses[0]
    trained = models.load(folder / "model").model
    for ours, theirs in zip(trained.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-4)
