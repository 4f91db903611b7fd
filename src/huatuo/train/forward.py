"""The loss of one micro-batch, with logits only where something is learned; and the proof that packing isolates."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from huatuo.errors import TrainingError
from huatuo.models.head import ChosenHead
from huatuo.train import heap
from huatuo.train.pack import Batch, lay_out

log = logging.getLogger(__name__)

LEAK_SHARE = 0.05
"""Largest difference that packing may make, as a share of the difference that wrong positions make. Isolated models
show rounding only (3e-7 against 1e-2), models that mix the samples show the whole difference."""

OFFSET = 2
"""Rows that a table of positions may have before position 0 (OPT)."""

PROBED = 64
"""Tokens of each sample that are probed: whether samples see each other shows at once, and four whole windows of a base
of billions of weights would take a processor minutes."""


class AnswerHead(ChosenHead):
    """The model with its head applied where something is learned only: at the positions of questions nothing is."""

    worth = 0.9  # a position left out saves its backward pass too

    def loss_sum(self, batch: Batch) -> Tensor:
        """Sum of the cross-entropy over the learned tokens of a batch, in fp32."""
        rows, labels = self._predicted(batch)
        if not torch.is_grad_enabled():
            return functional.cross_entropy(rows, labels, reduction="sum")
        loss: Tensor = _CrossEntropy.apply(rows, labels)  # type: ignore[no-untyped-call]
        return loss

    def losses(self, batch: Batch) -> Tensor:
        """Cross-entropy of each learned token of a batch, in their order, in fp32."""
        return functional.cross_entropy(*self._predicted(batch), reduction="none")

    def _predicted(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The logits at the learned tokens of a batch, in fp32, and these tokens."""
        device = next(self.model.parameters()).device
        ids, positions, targets, labels = (
            torch.from_numpy(array).to(device) for array in (batch.ids, batch.positions, batch.targets, batch.labels)
        )
        inputs = {"input_ids": ids, "position_ids": positions}
        logits = self.output(targets, **inputs, use_cache=False).logits  # (1, targets, vocabulary)
        # An index would fill a tensor of the same size with zeros in the backward pass.
        return logits.squeeze(0).float(), labels


@contextmanager
def answer_head(model: nn.Module, device: torch.device, trim: bool) -> Iterator[AnswerHead]:
    """The model with its loss; for the length of the block a step takes as little work and memory as it can.

    ``trim``: the last layer works on chosen positions only, as the head does. Not where activations are computed again
    in the backward pass, when nothing is chosen any more, and not where it is compiled, once for each choice.
    """
    with ExitStack() as stack:
        if device.type == "cpu":
            stack.enter_context(heap.kept())
        head = stack.enter_context(AnswerHead(model).attached(trim=trim))
        head.trims = trim
        yield head


class _CrossEntropy(torch.autograd.Function):
    """The sum of the cross-entropy, its gradient made in the memory of the probabilities.

    Logits are the largest tensors of a step; torch's own keeps three of them at a time and writes a fourth.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        chosen = labels[:, None]
        logged = functional.log_softmax(logits, dim=-1)
        loss = -logged.gather(1, chosen).sum()
        gradient = logged.exp_()
        gradient.scatter_add_(1, chosen, gradient.new_full(chosen.shape, -1.0))
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(gradients[0]), None


@torch.no_grad()
def packing_isolates(model: nn.Module, samples: Sequence[npt.NDArray[np.integer]]) -> bool:
    """Whether samples in one packed row get the logits that each gets alone.

    The difference is measured against that of a row whose positions are not reset, which mixes the samples on purpose:
    where that makes none, nothing is shown. Of each sample the first `PROBED` tokens; one alone is packed with itself.
    """
    samples = [sample[:PROBED] for sample in (samples if len(samples) > 1 else [*samples, *samples])]
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
    return whole > 0 and leak <= LEAK_SHARE * whole


def check_positions(model: Any, longest: int) -> None:
    """Nothing, where the model has a position for each of ``longest`` tokens; a warning where they are only computed.

    Raises TrainingError where positions are learned one by one (GPT-2) and there are not so many.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    limit = getattr(inner.config, "max_position_embeddings", None)
    if not limit or longest <= limit:
        return
    said = f"a row of {longest:,} tokens is learned, and {type(inner).__name__} has {limit:,} positions"
    tables = [
        one for one in inner.modules() if isinstance(one, nn.Embedding) and one is not inner.get_input_embeddings()
    ]
    if any(table.num_embeddings <= limit + OFFSET for table in tables):
        raise TrainingError(f'{said}; next: lower train.window (with layout = "joined", train.batch_tokens)')
    log.warning("%s: further ones were never trained; next: lower train.window unless the base bears it", said)


def _logits(model: nn.Module, ids: npt.NDArray[np.integer], positions: npt.NDArray[np.integer]) -> Tensor:
    logits: Tensor = model(
        input_ids=torch.from_numpy(ids), position_ids=torch.from_numpy(positions), use_cache=False
    ).logits
    return logits.float()
