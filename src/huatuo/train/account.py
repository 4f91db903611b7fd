"""The account of a training run: which pairs of the order were learned, and why the others were not."""

from __future__ import annotations

import numpy as np

from huatuo import store
from huatuo.columns import Left, settle
from huatuo.train.pack import Steps
from huatuo.train.samples import NOT_TOKENISED, Samples, Sequence

LATER = "after the last step"
"""Rule for a pair whose turn did not come."""


def account(data: Samples, sequence: Sequence, steps: Steps, done: int, out: store.Writer) -> None:
    """Write why each pair of the order was left that the weights kept, those after ``done`` steps, have not learned;
    count the others.

    A pair is learned where one of its samples is. Raises ConservationError where a pair would be lost.
    """
    ordered, taken = (np.zeros(len(data.parts), dtype=np.bool_) for _ in range(2))
    ordered[sequence.samples] = True
    taken[sequence.samples[steps.first(done)]] = True
    firsts = np.flatnonzero(data.parts == 0)
    learned = np.logical_or.reduceat(taken, firsts)
    waiting = data.pair_ids[firsts[ordered[firsts] & ~learned]]
    left = {
        NOT_TOKENISED: (sequence.missing, "stage tokenise dropped it; its table `dropped` says why"),
        LATER: (waiting, f"the weights are those after step {done:,}, before its turn"),
    }
    leaving = Left(out)
    for rule, (pairs, reason) in left.items():
        leaving.leave(pairs, rule, reason)
    settle(out, sequence.pairs, int(np.count_nonzero(learned)), {rule: len(pairs) for rule, (pairs, _) in left.items()})
    out.figures["planned_steps"] = float(len(steps))
    planned = np.bincount(data.sources[sequence.samples], minlength=len(data.source_names)).tolist()
    out.figures |= {f"samples of {name}": float(n) for name, n in zip(data.source_names, planned, strict=True) if n}
