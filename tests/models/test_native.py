"""Bases that transformers knows itself: read from their own layout, right to 1e-4, trained, saved, read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import native_reference as reference
import pytest
import torch
from safetensors.torch import load_file

from huatuo.models.load import load
from huatuo.models.save import save
from model_makers import byte_level, sentencepiece_files

VOCABULARY = 700
IDS = [(7 * n * n + 3 * n) % 600 + 3 for n in range(23)]
EPS = 1e-6
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": EPS,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    "max_position_embeddings": 256,
}
SCALED = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def rope(theta: float, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **more}}


def of_llama3(state: reference.State) -> torch.Tensor:
    freqs = reference.llama3_frequencies(12, 500_000.0, 8.0, 1.0, 4.0, 64)
    return reference.llama_like(state, IDS, 12, freqs, EPS)


BASES: dict[str, tuple[str, dict[str, Any], Callable[[reference.State], torch.Tensor]]] = {
    "llama 2": (
        "Llama",
        {**SHAPE, **rope(10_000.0), "num_key_value_heads": 4},
        lambda state: reference.llama_like(state, IDS, 12, reference.frequencies(12, 10_000.0), EPS),
    ),
    "llama 3": ("Llama", {**SHAPE, **rope(500_000.0, **SCALED, rope_type="llama3")}, of_llama3),
    "qwen 3": (
        "Qwen3",
        {**SHAPE, **rope(1e6), "head_dim": 16, "tie_word_embeddings": True},
        lambda state: reference.llama_like(state, IDS, 16, reference.frequencies(16, 1e6), EPS),
    ),
    "glm 4 9b": (
        "Glm",
        {**SHAPE, **rope(10_000.0, partial_rotary_factor=0.5), "head_dim": 16, "attention_bias": True},
        lambda state: reference.llama_like(state, IDS, 16, reference.frequencies(8, 10_000.0), EPS, pairs=True),
    ),
    "glm 4 0414": (
        "Glm4",
        {**SHAPE, **rope(10_000.0, partial_rotary_factor=0.5), "head_dim": 16, "attention_bias": False},
        lambda state: reference.llama_like(state, IDS, 16, reference.frequencies(8, 10_000.0), EPS, pairs=True),
    ),
    "bloom": (
        "Bloom",
        {"vocab_size": VOCABULARY, "hidden_size": 48, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2},
        lambda state: reference.bloom(state, IDS, 4),
    ),
}


def checkpoint(name: str, folder: Path) -> reference.State:
    """A small model of the base's config with random weights (norms and biases too), as its release lays it out."""
    import transformers

    kind, settings, _ = BASES[name]
    if name == "llama 2":
        sentencepiece_files(folder)
    else:
        byte_level(folder)
    config = getattr(transformers, f"{kind}Config")(**settings)
    torch.manual_seed(3)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=torch.tensor([IDS])).logits[0]
    return found


@pytest.mark.parametrize("name", BASES)
def test_a_base_has_the_logits_of_the_reference(tmp_path: Path, name: str) -> None:
    state = checkpoint(name, tmp_path)
    loaded = load(tmp_path)
    assert type(loaded.model).__name__ == f"{BASES[name][0]}ForCausalLM"
    wanted = BASES[name][2](state)
    assert (logits(loaded.model) - wanted).abs().max() < 1e-4
    assert wanted.std() > 0.1


@pytest.mark.parametrize("name", BASES)
def test_trained_saved_and_loaded_again_it_is_the_same(tmp_path: Path, name: str) -> None:
    checkpoint(name, tmp_path / "base")
    loaded = load(tmp_path / "base")
    model = loaded.model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    ids, losses = torch.tensor([IDS]), []
    for _ in range(3):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    save(model.eval(), loaded.tokenizer, "huatuo2", tmp_path / "trained", {"title": "t"})
    again = load(tmp_path / "trained")
    assert type(again.model) is type(model)
    assert (logits(again.model) - logits(model)).abs().max() < 1e-5
    state = load_file(tmp_path / "trained" / "model.safetensors")
    assert (BASES[name][2](state) - logits(model)).abs().max() < 1e-4
