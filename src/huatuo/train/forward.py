"""The loss of one micro-batch, with logits only where something is learned; and the proof that packing isolates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from huatuo.errors import ModelError
from huatuo.train.pack import Batch, lay_out

LEAK_SHARE = 0.05
"""Largest difference that packing may make, as a share of the difference that wrong positions make. Isolated models
show rounding only (3e-7 against 1e-2), models that mix the samples show the whole difference."""


class AnswerHead:
    """The model with its head applied to chosen positions only.

    At the positions of questions nothing is learned, so their logits, the largest tensor of a small model, are never
    computed. A hook on the head does it for every architecture, layout and adapter, whatever its inner names are.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self._targets: Tensor | None = None

    @contextmanager
    def attached(self) -> Iterator[AnswerHead]:
        """Hook the head for the length of the block. Raises ModelError for a model without an output head."""
        get = getattr(self.model, "get_output_embeddings", None)
        head = get() if get is not None else None
        if not isinstance(head, nn.Module):
            raise ModelError(
                f"{type(self.model).__name__} has no output head; expected a causal language model; "
                "next: give train.base a model of that kind"
            )
        hook = head.register_forward_pre_hook(self._select)
        try:
            yield self
        finally:
            hook.remove()

    def _select(self, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._targets is None:
            return inputs
        hidden = inputs[0]  # (rows, columns, width)
        return (hidden.reshape(-1, hidden.shape[-1]).index_select(0, self._targets)[None], *inputs[1:])

    def loss_sum(self, batch: Batch) -> Tensor:
        """Sum of the cross-entropy over the learned tokens of a batch, in fp32."""
        self._targets = torch.from_numpy(batch.targets)
        try:
            logits = self.model(
                input_ids=torch.from_numpy(batch.ids), position_ids=torch.from_numpy(batch.positions), use_cache=False
            ).logits  # (1, targets, vocabulary)
        finally:
            self._targets = None
        return functional.cross_entropy(logits[0].float(), torch.from_numpy(batch.labels), reduction="sum")


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
