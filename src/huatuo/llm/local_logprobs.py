"""Log-probabilities of many continuations of many prompts by a local model, each shared part computed once.

Levers, in the order of what they save: what all prompts begin with is computed once and its keys and values are lent to
every batch; the continuations of a prompt stand in one row as a tree; logits are computed where a token is predicted,
nowhere else; rows of like length fill a batch up to a number of tokens.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from huatuo.errors import ModelError
from huatuo.llm.base import Branches, Weights
from huatuo.llm.tree import Row, batches, grow, in_common, spread
from huatuo.models.head import ChosenHead
from huatuo.progress import bar, say

BATCH_TOKENS = {"cpu": 512, "cuda": 16_384}
"""Tokens of a batch by kind of device, padding counted in. On a CPU larger ones leave its caches between two
operations: 384 to 768 were the fastest with hidden 256, feed-forward 688 (`docs/lab/`), and take less memory."""

BATCH_LOGITS = 1 << 24
"""Logits of a batch (64 MiB in fp32): with a vocabulary of 125,696 these, not the tokens, fill the memory."""

LEAK_SHARE = 0.01
"""Largest difference that packing may make, as a share of the difference that wrong packing makes, in fp32. Right
packing shows rounding only, a model that ignores mask or positions the whole difference."""

LEAK_SHARE_LOW = 0.2
"""The same for bf16 and fp16, which round more."""

ROUNDING = 1e-5
"""A difference this small, as a share of the log-probability, is no leak however little wrong packing does."""

PROBED = 2
"""Prompts that the probe computes in both ways, with as many ..."""
PROBED_TEXTS, PROBED_SHARED = 3, 16
"""... continuations of each, and tokens of what all prompts begin with."""


class Weigher:
    """Computes `huatuo.llm.base.Weights`; finds out on first use whether its model can be packed."""

    def __init__(self, model: Any, accepts: frozenset[str], positions: int | None, name: str):
        """``accepts``: arguments of the model's forward. ``positions``: the longest text it can read; None: any."""
        self._model, self._accepts, self._positions, self._name = model, accepts, positions, name
        self._head = ChosenHead(model)
        config = model.config
        self._vocabulary = int(config.get_text_config().vocab_size)
        window = getattr(config, "sliding_window", None)
        self._window = int(window) if window and getattr(config, "use_sliding_window", True) else None
        self.packs: bool | None = None
        """Whether rows may branch, share and be trimmed; None: not known yet."""

    @torch.inference_mode()
    def weigh(self, prompts: Sequence[Branches]) -> Iterator[tuple[int, Weights]]:
        """Index and log-probabilities of each prompt's continuations; those that cannot be computed first.

        Raises ModelError where a log-probability is not a number.
        """
        fit: list[int] = []
        for index, prompt in enumerate(prompts):
            problem = self._problem(prompt)
            if problem:
                yield index, Weights(error=problem)
            elif prompt.continuations:
                fit.append(index)
            else:
                yield index, Weights()
        with ExitStack() as stack:
            stack.enter_context(self._head.attached(trim=True))
            lends = len(fit) > 1 and self._window is None  # the cache of a sliding window forgets
            shared = in_common([prompts[i].prefix for i in fit]) if lends else 0
            if not self._may_pack([prompts[i] for i in fit], shared):
                shared = 0
            shown = stack.enter_context(bar(f"log-probabilities of {self._name}", len(fit), "prompts"))
            for index, values in self._all(prompts, fit, shared):
                shown.advance()
                yield index, Weights(logprobs=values)

    def _problem(self, prompt: Branches) -> str:
        """Why a prompt cannot be computed; nothing is ever cut."""
        if not prompt.prefix:
            return f"{self._name}: log-probabilities need a prefix of at least one token; next: begin with BOS or EOS"
        for number, tokens in enumerate(prompt.continuations, 1):
            if not tokens:
                return f"{self._name}: continuation {number} has no token; expected a text; next: mend the option"
        longest = len(prompt.prefix) + max(map(len, prompt.continuations), default=0)
        if self._positions is None or longest <= self._positions:
            return ""
        return (
            f"{self._name}: prefix and continuation have {longest:,} tokens, and the model {self._positions:,} "
            "positions; next: shorten the question"
        )

    def _all(self, prompts: Sequence[Branches], fit: Sequence[int], shared: int) -> Iterator[tuple[int, list[float]]]:
        cache = self._begin(prompts[fit[0]].prefix[:shared]) if shared else None
        rows = [row for i in fit for row in self._rows(i, prompts[i], shared)]
        missing = {i: 0 for i in fit}
        for row in rows:
            missing[row.owner] += 1
        totals = {i: [0.0] * len(prompts[i].continuations) for i in fit}
        for group in batches(
            rows, BATCH_TOKENS.get(self._model.device.type, 512), max(1, BATCH_LOGITS // self._vocabulary)
        ):
            for row, number, value in self._compute(group, cache, shared):
                totals[row.owner][number] += value
            for row in group:
                missing[row.owner] -= 1
                if not missing[row.owner]:
                    yield row.owner, self._checked(totals.pop(row.owner))

    def _rows(self, index: int, prompt: Branches, shared: int) -> Iterator[Row]:
        """One row with a tree; rows without branches where the model cannot pack, or where a sliding window would end
        inside the row, which a mask of our own would not show to the model."""
        row = grow(index, prompt, shared)
        if row.is_chain or (self.packs and (self._window is None or len(prompt.prefix) + len(row.ids) <= self._window)):
            yield row
        else:
            yield from spread(index, prompt, shared)

    def _checked(self, values: list[float]) -> list[float]:
        if not all(map(math.isfinite, values)):
            raise ModelError(f"{self._name}: a log-probability is not a number; next: check the weights, or use fp32")
        return values

    # ---------------------------------------------------------------- one batch

    def _begin(self, ids: Sequence[int]) -> Any:
        """Keys and values of what all prompts begin with, of one row."""
        start = torch.tensor([list(ids)], device=self._model.device)
        last = torch.tensor([len(ids) - 1], device=self._model.device)
        return self._head.output(last, input_ids=start, use_cache=True).past_key_values

    def _compute(self, rows: Sequence[Row], cache: Any, past: int) -> Iterator[tuple[Row, int, float]]:
        """Row, continuation and log-probability for every pick of a batch."""
        device, width = self._model.device, max(len(row.ids) for row in rows)
        ids = np.zeros((len(rows), width), dtype=np.int64)  # (B, T), filled up on the right: no token sees what follows
        places = np.zeros((len(rows), width), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row.ids)] = row.ids
            places[i, : len(row.ids)] = row.positions()
        more: dict[str, Any] = {"use_cache": cache is not None}
        if "position_ids" in self._accepts:
            more["position_ids"] = torch.from_numpy(places + past).to(device)
        if not all(row.is_chain for row in rows):
            more["attention_mask"] = self._mask(rows, width, past)
        if cache is not None:
            more["past_key_values"] = _lent(cache, len(rows))
        chosen = sorted({i * width + place for i, row in enumerate(rows) for _, place, _ in row.picks})
        order = {place: n for n, place in enumerate(chosen)}
        picks = [
            (i, number, order[i * width + place], token)
            for i, row in enumerate(rows)
            for number, place, token in row.picks
        ]
        ids_there = torch.from_numpy(ids).to(device)
        logits = self._head.output(torch.tensor(chosen, device=device), input_ids=ids_there, **more).logits[0].float()
        at = torch.tensor([pick[2] for pick in picks], device=device)
        token = torch.tensor([pick[3] for pick in picks], device=device)
        values = (logits[at, token] - logits.logsumexp(-1)[at]).tolist()
        for (i, number, _, _), value in zip(picks, values, strict=True):
            yield rows[i], number, value

    def _mask(self, rows: Sequence[Row], width: int, past: int) -> Any:
        """(B, 1, T, past + T) in the model's precision: 0 where a token sees, the lowest number where not.

        A float mask, since some models take a boolean one for the opposite without an error. Filling sees the first
        place, or its softmax would be of nothing.
        """
        seen = np.zeros((len(rows), 1, width, past + width), dtype=bool)
        seen[..., :past] = True
        for i, row in enumerate(rows):
            seen[i, 0, : len(row.ids), past : past + len(row.ids)] = row.sees()
            seen[i, 0, len(row.ids) :, 0] = True
        dtype = self._model.dtype
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(torch.from_numpy(~seen), torch.finfo(dtype).min)
        return mask.to(self._model.device)

    # ---------------------------------------------------------------- the probe

    def _may_pack(self, prompts: Sequence[Branches], shared: int) -> bool:
        """Whether rows may branch and share, by trying it once against each continuation computed alone."""
        if self.packs is None and prompts:
            takes = "position_ids" in self._accepts  # without them a branch would stand at the wrong depth
            if not takes and not shared and all(len(c) == 1 for p in prompts for c in p.continuations):
                return False  # nothing to pack
            self._head.trims = takes
            self.packs = self._head.trims = takes and self._agrees(*_excerpt(prompts, shared))
            if not self.packs:
                say(
                    f"{self._name}: continuations packed in one row do not get the log-probabilities that they get "
                    "alone; each is computed alone, which takes longer"
                )
        return bool(self.packs)

    def _agrees(self, prompts: Sequence[Branches], shared: int) -> bool:
        alone = np.array([self._alone(p.prefix, tokens) for p in prompts for tokens in p.continuations])
        packed = [grow(i, p, shared) for i, p in enumerate(prompts)]
        # The same rows as if they were plain text: what comes out where a model ignores mask, positions or cache.
        wrong = self._values([Row(r.owner, r.ids, len(r.ids), [], r.picks) for r in packed], None, 0)
        try:
            cache = self._begin(prompts[0].prefix[:shared]) if shared else None
            if cache is not None and not _lends(cache):
                return False
            found = self._values(packed, cache, shared)
        except (RuntimeError, ValueError, IndexError, TypeError):
            return False  # the model does not take such a mask
        leak, whole = np.abs(found - alone).max(), np.abs(wrong - alone).max()
        share = LEAK_SHARE if self._model.dtype == torch.float32 else LEAK_SHARE_LOW
        return bool(leak <= max(share * whole, ROUNDING * np.abs(alone).max()))

    def _alone(self, prefix: Sequence[int], tokens: Sequence[int]) -> float:
        """The log-probability by the plainest way: the whole text in one forward pass, every logit computed."""
        text = torch.tensor([[*prefix, *tokens]], device=self._model.device)
        logits = self._head.output(None, input_ids=text, use_cache=False).logits[0, len(prefix) - 1 : -1].float()
        return float(logits.log_softmax(-1).gather(1, text[0, len(prefix) :, None]).double().sum())

    def _values(self, rows: Sequence[Row], cache: Any, past: int) -> Any:
        """The log-probabilities of all continuations of the rows, in the order of owner and number."""
        totals: dict[tuple[int, int], float] = {}
        for row in rows:
            for _, number, value in self._compute([row], cache, past):
                totals[row.owner, number] = totals.get((row.owner, number), 0.0) + value
        return np.array([totals[key] for key in sorted(totals)])


def _excerpt(prompts: Sequence[Branches], shared: int) -> tuple[list[Branches], int]:
    """Short prompts with long continuations, cut to what a probe needs, and how many tokens they share."""
    branching = sorted(prompts, key=lambda p: (-min(2, sum(len(c) > 1 for c in p.continuations)), len(p.prefix)))
    cut = max(0, shared - PROBED_SHARED)
    found = []
    for prompt in branching[:PROBED]:
        texts = sorted(prompt.continuations, key=len)[-PROBED_TEXTS:]
        found.append(Branches(prefix=prompt.prefix[cut:], continuations=texts))
    return found, shared - cut


def _lends(cache: Any) -> bool:
    """Whether a cache is nothing but keys and values of each layer, which can be lent to several rows."""
    layers = list(getattr(cache, "layers", ()))
    return bool(layers) and all(type(layer).__name__ == "DynamicLayer" for layer in layers)


def _lent(cache: Any, rows: int) -> Any:
    """A cache for ``rows`` rows over the same keys and values: a view, since adding to it makes new tensors."""
    found = copy.copy(cache)
    found.layers = []
    for layer in cache.layers:
        own = copy.copy(layer)
        own.keys, own.values = (part.expand(rows, -1, -1, -1) for part in (layer.keys, layer.values))
        found.layers.append(own)
    return found
