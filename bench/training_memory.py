"""Memory of training, planned against measured: four small models, all weights and adapters, both precisions.

Weights, gradients and optimiser states are the bytes of their tensors after a step. Activations are the largest number
of bytes that lived at one time during the forward and backward pass of a second micro-batch, beside all of those:
every storage that an operator of torch makes is counted from its making to its release.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from run import Outcome
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.train import memory, setup
from huatuo.train.forward import AnswerHead
from huatuo.train.optimise import optimisers
from huatuo.train.pack import Batch, lay_out
from huatuo.train.shapes import Shape, from_config

CONFIGS: dict[str, dict[str, Any]] = {
    "wide, shared keys": dict(
        vocab_size=700, hidden_size=192, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
        intermediate_size=512, tie_word_embeddings=True,
    ),
    "deep": dict(
        vocab_size=2_000, hidden_size=96, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=4,
        intermediate_size=264, tie_word_embeddings=False,
    ),
    "large vocabulary": dict(
        vocab_size=8_192, hidden_size=128, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=4,
        intermediate_size=352, tie_word_embeddings=False,
    ),
    "ALiBi": dict(
        model_type="baichuan", vocab_size=700, hidden_size=64, num_hidden_layers=3, num_attention_heads=16,
        intermediate_size=96, tie_word_embeddings=False,
    ),
}  # fmt: skip
"""Three models of LLaMA's kind, and one of Baichuan's 13B."""

LORA = LoraSettings(r=8, dropout=0.05)
WAYS: dict[str, dict[str, Any]] = {
    "all, fp32": {},
    "all, bf16": {"precision": "bf16"},
    "all, fp32, recomputed": {"gradient_checkpointing": True},
    "all, bf16, recomputed": {"precision": "bf16", "gradient_checkpointing": True},
    "all, fp32, packed": {"layout": "packed"},
    "all, fp32, Muon": {"optimiser": "muon"},
    "adapter, fp32": {"lora": LORA},
    "adapter, bf16": {"lora": LORA, "precision": "bf16"},
    "adapter, bf16, recomputed": {"lora": LORA, "precision": "bf16", "gradient_checkpointing": True},
}
"""Ways to train them."""

WIDTHS = {"weights": 9, "gradients": 11, "optimiser": 11, "activations": 13}
"""Columns of the table."""

ROWS, COLUMNS = 12, 64
"""Samples of a micro-batch and tokens of each; the second half is learned."""


class Living(TorchDispatchMode):
    """Counts the bytes of storages that are made while it is on: those alive, and the most at one time."""

    def __init__(self, known: Iterable[Tensor]):
        super().__init__()
        self.now = self.most = 0
        self._known = {id(tensor.untyped_storage()) for tensor in known}
        self._alive: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operator's result, its storages counted."""
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if isinstance(one, Tensor):
                self._count(one.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._alive or key in self._known:
            return

        def gone(_: Any) -> None:
            del self._alive[key]
            self.now -= size

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.most = max(self.most, self.now)


def built(config: dict[str, Any], settings: TrainSettings) -> torch.nn.Module:
    """The model of a config as training would prepare it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from huatuo.models.alibi import BaichuanConfig, BaichuanForCausalLM

    torch.manual_seed(0)
    sizes = {key: value for key, value in config.items() if key != "model_type"}
    model: torch.nn.Module
    if "model_type" in config:
        model = BaichuanForCausalLM(BaichuanConfig(**sizes))
    else:
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    if settings.lora is not None:
        model = setup.with_adapter(settings, model)
    if settings.gradient_checkpointing:
        setup.recompute_activations(model)
    return model.train()


def micro_batch(vocabulary: int, layout: str) -> Batch:
    """A micro-batch of `ROWS` samples."""
    rng = np.random.default_rng(0)
    flags = np.repeat([0, 1], COLUMNS // 2)
    return lay_out([rng.integers(3, vocabulary, COLUMNS) for _ in range(ROWS)], [flags] * ROWS, layout)


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors, each storage once."""
    found = {id(tensor.untyped_storage()): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(found.values())


def measured(config: dict[str, Any], settings: TrainSettings) -> dict[str, int]:
    """Bytes of weights, gradients, optimiser states and activations."""
    model = built(config, settings)
    batch = micro_batch(config["vocab_size"], settings.layout)
    with AnswerHead(model).attached() as head:

        def learn() -> None:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.precision == "bf16"):
                loss = head.loss_sum(batch) / len(batch.targets)
            loss.backward()  # type: ignore[no-untyped-call]

        learn()
        found = optimisers(model, settings)
        for optimiser in found:
            optimiser.step()
        states = [s for o in found for kept in o.state.values() for s in kept.values() if isinstance(s, Tensor)]
        weights, gradients = list(model.parameters()), [p.grad for p in model.parameters() if p.grad is not None]
        with Living([*weights, *gradients, *states, *model.buffers()]) as living:
            learn()
        with Living([*weights, *gradients, *states, *model.buffers()]) as updating:
            for optimiser in found:
                optimiser.step()
    most = max(living.most, updating.most)
    return {"weights": size(weights), "gradients": size(gradients), "optimiser": size(states), "activations": most}


def planned(shape: Shape, settings: TrainSettings) -> dict[str, float]:
    """The same four of the plan."""
    row = COLUMNS if settings.layout == "bucketed" else ROWS * COLUMNS
    load = memory.Load(shape, settings, tokens=ROWS * COLUMNS, learned=ROWS * COLUMNS // 2, row=row)
    terms = {term.name: term.bytes for term in memory.memory(load)}
    names = {"AdamW": "optimiser", "Muon": "optimiser", "weights": "weights", "gradients": "gradients"}
    found = dict.fromkeys(("weights", "gradients", "optimiser", "activations"), 0.0)
    for name, value in terms.items():
        found[names.get(name, "activations")] += value
    return found


def run() -> Outcome:
    """Planned over measured, of each model and way; the worst of both kinds."""
    ratios: dict[str, float] = {}
    lines = [f"{'model':<20}{'way':<28}{'weights':>9}{'gradients':>11}{'optimiser':>11}{'activations':>13}"]
    for name, config in CONFIGS.items():
        for way, changes in WAYS.items():
            settings = TrainSettings.model_validate({"base": "b", **changes})
            shape = from_config(config)
            assert shape is not None
            there, said = measured(config, settings), planned(shape, settings)
            parts = {part: said[part] / there[part] for part in there}
            ratios |= {f"{part}, {name}, {way}": round(value, 3) for part, value in parts.items()}
            shown = "".join(f"{parts[part]:>{wide}.3f}" for part, wide in WIDTHS.items())
            lines.append(f"{name:<20}{way:<28}{shown}")
    off = {True: 0.0, False: 0.0}
    for key, value in ratios.items():
        kind = key.startswith("activations")
        off[kind] = max(off[kind], abs(value - 1))
    figures = {"worst activations": round(off[True], 3), "worst of the others": round(off[False], 3)}
    return Outcome(figures, ratios, len(CONFIGS) * len(WAYS), lines)
