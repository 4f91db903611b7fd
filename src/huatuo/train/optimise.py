"""Optimisers and the learning rate: AdamW, Muon for matrices, warm-up and decay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from huatuo.recipe import TrainSettings
from huatuo.train.ranks import part_of, whole

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients a, b, c of Muon's quintic iteration X <- aX + b(XX')X + c(XX')(XX')X (Keller Jordan 2024)."""

NEWTON_SCHULZ_STEPS = 5
"""Iterations, as published with the coefficients."""

MOMENTUM = 0.95
"""Muon's momentum, as published; Nesterov's form."""

BETAS = (0.9, 0.999)
"""AdamW's betas (its paper, and torch's default)."""

DECAY_SHARE = 0.2
"""Share of the steps in which the schedule ``wsd`` decays (Hu et al. 2024, MiniCPM: 10 to 20 %)."""


def orthogonal(matrices: Tensor) -> Tensor:
    """(n, rows, columns) with rows <= columns: each matrix with its singular values moved close to 1."""
    a, b, c = NEWTON_SCHULZ
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised (Keller Jordan 2024, https://kellerjordan.github.io/posts/muon). Matrices only.

    Matrices of one shape, either way round, are orthogonalised together: on a small model the number of operations
    costs more than the arithmetic. A matrix that is split among processes is orthogonalised whole by each of them.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(tuple(sorted(p.shape)), []).append(p)
            for members in by_shape.values():
                updates = orthogonal(torch.stack([self._wide_update(p) for p in members]))
                for p, update in zip(members, updates.unbind(), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    tall = p.shape[0] > p.shape[1]
                    # A tall matrix gets a longer step, so that its outputs move as much as a square one's.
                    scale = math.sqrt(max(1.0, p.shape[0] / p.shape[1]))
                    p.add_(part_of(update.mT if tall else update, p), alpha=-group["lr"] * scale)

    def _wide_update(self, p: nn.Parameter) -> Tensor:
        """The momentum of a matrix after its gradient was added, whole, with rows <= columns."""
        assert p.grad is not None
        buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
        buffer.lerp_(p.grad, 1 - MOMENTUM)
        update = whole(p.grad.lerp(buffer, MOMENTUM))
        return update.mT if update.shape[0] > update.shape[1] else update


def optimisers(model: nn.Module, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """The optimisers of a model's trainable parameters, each with its peak learning rates in ``initial_lr``.

    AdamW's first group (the main one, whose rate is logged) decays; biases and norms never do. With Muon, AdamW keeps
    embeddings (of positions too), head, biases and norms.
    """
    looked_up = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    ends = {id(p) for module in (*looked_up, *_head(model)) for p in module.parameters()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    muon = [p for p in trainable if settings.optimiser == "muon" and p.ndim == 2 and id(p) not in ends]
    taken = {id(p) for p in muon}
    rest = [p for p in trainable if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = []
    filled = [group for group in groups if group["params"]]
    if filled:
        found.append(torch.optim.AdamW(filled, lr=settings.learning_rate, betas=BETAS, fused=True))
    if muon:
        found.append(Muon(muon, settings.muon_learning_rate, settings.weight_decay))
    for optimiser in found:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return found


def _head(model: nn.Module) -> list[nn.Module]:
    get = getattr(model, "get_output_embeddings", None)
    found = get() if get is not None else None
    return [found] if isinstance(found, nn.Module) else []


def rate_factor(step: int, total: int, settings: TrainSettings) -> float:
    """Share of the peak learning rate at a step, from 0, of ``total``: linear warm-up, then the schedule, times the
    latest of ``rate_after``.

    It is never 0 in the first step. ``cosine`` and ``linear`` end just above ``final_share``. ``wsd`` falls in a
    straight line over the last `DECAY_SHARE` of the steps, at least one and none of them before warm-up has reached the
    peak, and its last step has ``final_share``; a run whose only step at the peak is the last does not fall.
    ``constant`` stays at the peak.
    """
    *_, later = 1.0, *settings.rates_before(step + 1).values()
    return later * _scheduled(step, total, settings)


def _scheduled(step: int, total: int, settings: TrainSettings) -> float:
    warm = round(settings.warmup_share * total)
    if step < warm:
        return (step + 1) / warm
    progress = (step - warm) / max(total - warm, 1)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "cosine":
        shape = (1 + math.cos(math.pi * progress)) / 2
    elif settings.schedule == "linear":
        shape = 1 - progress
    else:
        falling = min(max(round(DECAY_SHARE * total), 1), total - max(warm, 1))
        shape = min(1.0, (total - 1 - step) / falling) if falling else 1.0
    return settings.final_share + (1 - settings.final_share) * shape


def set_rates(found: Sequence[torch.optim.Optimizer], factor: float) -> float:
    """The main group's learning rate, after every group was set to ``factor`` times its peak."""
    for optimiser in found:
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor
    return float(found[0].param_groups[0]["lr"])
