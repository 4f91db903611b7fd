"""The loss of one micro-batch, with logits only where something is learned; and the proof that packing isolates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from huatuo.models.head import ChosenHead
from huatuo.train.pack import Batch, lay_out

LEAK_SHARE = 0.05
"""Largest difference that packing may make, as a share of the difference that wrong positions make. Isolated models
show rounding only (3e-7 against 1e-2), models that mix the samples show the whole difference."""


class AnswerHead(ChosenHead):
    """The model with its head applied where something is learned only: at the positions of questions nothing is."""

    def loss_sum(self, batch: Batch) -> Tensor:
        """Sum of the cross-entropy over the learned tokens of a batch, in fp32."""
        device = next(self.model.parameters()).device
        ids, positions, targets, labels = (
            torch.from_numpy(array).to(device) for array in (batch.ids, batch.positions, batch.targets, batch.labels)
        )
        inputs = {"input_ids": ids, "position_ids": positions}
        logits = self.output(targets, **inputs, use_cache=False).logits  # (1, targets, vocabulary)
        return functional.cross_entropy(logits[0].float(), labels, reduction="sum")


@torch.no_grad()
def packing_isolates(model: nn.Module, samples: Sequence[npt.NDArray[np.integer]]) -> bool:
    """Whether samples in one packed row get the logits that each gets alone.

    The difference is measured against that of a row whose positions are not reset, which mixes the samples on purpose.
    """
    none = [np.zeros(len(sample), dtype=np.uint8) for sample in samples]
    row = lay_out(samples, none, "packed")
    training = model.training
    model.eval()
    alone = [_logits(model, sample[None].astype(np.int64), np.arange(len(sample))[None]) for sample in samples]
    separate = torch.cat(alone, dim=1)
    packed = _logits(model, row.ids, row.positions)
    mixed = _logits(model, row.ids, np.arange(row.ids.shape[1])[None])
    model.train(training)
    leak, whole = float((packed - separate).abs().max()), float((mixed - separate).abs().max())
    return leak <= LEAK_SHARE * whole


def _logits(model: nn.Module, ids: npt.NDArray[np.integer], positions: npt.NDArray[np.integer]) -> Tensor:
    logits: Tensor = model(
        input_ids=torch.from_numpy(ids), position_ids=torch.from_numpy(positions), use_cache=False
    ).logits
    return logits.float()
