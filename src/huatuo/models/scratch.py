"""A small LLaMA with random weights: the base of a model trained from scratch."""

from __future__ import annotations

from typing import Any

from huatuo.recipe import ScratchSettings

INITIAL_STD = 0.02
"""Standard deviation of the initial weights (LLaMA in transformers: initializer_range)."""


def build(
    settings: ScratchSettings, vocab_size: int, *, eos_id: int, pad_id: int | None, seed: int, window: int
) -> Any:
    """A ``LlamaForCausalLM`` in fp32 with tied embeddings; the same seed gives the same weights, bit by bit.

    ``window``: longest sequence in tokens.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=settings.hidden,
        intermediate_size=settings.feed_forward,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=window,
        tie_word_embeddings=True,
        initializer_range=INITIAL_STD,
        bos_token_id=None,
        eos_token_id=eos_id,
        pad_token_id=pad_id,
        attention_dropout=0.0,
    )
    with torch.random.fork_rng(devices=[]):  # the caller's own random state stays as it was
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = eos_id
    model.generation_config.pad_token_id = pad_id
    return model.eval()
