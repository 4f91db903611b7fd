"""The loss of the samples that are held out, one by one: a mean says nothing of how sure it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from huatuo import store
from huatuo.recipe import TrainSettings
from huatuo.records_trained import HeldOutLoss
from huatuo.train.forward import AnswerHead
from huatuo.train.pack import Integers, plan
from huatuo.train.ranks import Ranks, dealt
from huatuo.train.samples import Samples

MOST = 1_000
"""Samples whose loss is measured, the first by pair id."""

Losses = npt.NDArray[np.float64]
"""The loss of each sample of `measured`, summed over its learned tokens."""


def measured(data: Samples) -> Integers:
    """The samples whose loss is measured; none where none is held out."""
    return data.validation[np.argsort(data.pair_ids[data.validation], kind="stable")][:MOST]


@torch.no_grad()
def losses(head: AnswerHead, data: Samples, settings: TrainSettings, layout: str, ranks: Ranks) -> Losses | None:
    """The losses of the samples held out; None where there are none. All processes of a run call it alike."""
    rows = measured(data)
    if not len(rows):
        return None
    head.model.eval()
    sums = np.zeros(len(rows), dtype=np.float64)
    for step in plan(data.lengths[rows], settings.model_copy(update={"layout": layout}), 0, is_mixed=False):
        for micro, counts in dealt(step.micro_batches, data.lengths[rows], ranks):
            each = head.losses(data.batch(rows[micro], layout)).double().cpu().numpy()
            owners = np.repeat(micro, data.learned_counts[rows[micro]])
            sums += np.bincount(owners, weights=each, minlength=len(rows)) * counts
    head.model.train()
    return np.array(ranks.sums(*sums.tolist()), dtype=np.float64)


def mean(each: Losses | None, data: Samples) -> float | None:
    """The mean loss per learned token; None where no sample is held out."""
    return None if each is None else float(each.sum()) / int(data.learned_counts[measured(data)].sum())


def write(before: Losses | None, after: Losses | None, data: Samples, out: store.Writer) -> None:
    """Write the table ``held_out``: of each pair the loss before training and that of the weights kept."""
    rows = measured(data)
    if before is None or after is None or not len(rows):
        return
    ids, own = np.unique(data.pair_ids[rows], return_inverse=True)  # a pair that was split counts once
    tokens = np.bincount(own, weights=data.learned_counts[rows])
    sums = [np.bincount(own, weights=each) for each in (before, after)]
    for number, pair_id in enumerate(ids.tolist()):
        out.write(
            "held_out",
            HeldOutLoss(
                pair_id=pair_id.decode(),
                learned_tokens=int(tokens[number]),
                before=float(sums[0][number]),
                after=float(sums[1][number]),
            ),
        )
