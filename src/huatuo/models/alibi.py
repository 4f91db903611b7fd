"""Baichuan's 13B models: LLaMA's layers with ALiBi instead of RoPE, and a head of unit rows in the second generation.

RoPE at position 0 is the identity, so LLaMA's layers with all positions 0 know no positions at all, and a float mask
adds ALiBi (Press et al. 2022, arXiv 2108.12409): the score of a key is lowered by slope × distance. It is saved in
Baichuan's own layout only: a folder that called itself a LLaMA would be loaded elsewhere with RoPE and be wrong.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from huatuo.files import write_atomic

NOTE = (
    "saved in Baichuan's own layout (ALiBi): other tools load it with the release's code, as they load the release; "
    "the modules q_proj, k_proj and v_proj of an adapter are one W_pack there, so merge an adapter before use elsewhere"
)

_KEPT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act",
    "initializer_range", "rms_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings",
    "use_cache",
)  # fmt: skip
"""Keys of config.json that have the same name in Baichuan's and LLaMA's."""


class BaichuanConfig(LlamaConfig):  # type: ignore[misc]
    """The settings of a Baichuan 13B."""

    normalised_head: bool = True
    """Whether the head's rows are divided by their norm in every pass (Baichuan2) or used as they are (Baichuan)."""


class NormHead(nn.Linear):
    """A head without bias whose rows count by their direction only."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits, shape (..., vocabulary)."""
        return functional.linear(hidden, functional.normalize(self.weight))


def slopes(heads: int) -> Tensor:
    """Shape (heads,): the slopes of ALiBi; between powers of two, every second slope of the next power is added."""
    power = 2 ** math.floor(math.log2(heads))

    def of(n: int) -> list[float]:
        return [2 ** (-8 * (k + 1) / n) for k in range(n)]

    return torch.tensor(of(power) + of(2 * power)[::2][: heads - power])


def alibi_mask(
    heads: int,
    queries: int,
    keys: int,
    attention: Tensor | None,
    samples: Tensor | None,
    dtype: torch.dtype,
    device: torch.device | None = None,
) -> Tensor:
    """Shape (batch or 1, heads, queries, keys): what is added to the scores of the last ``queries`` of ``keys`` places.

    ``attention``: (batch, keys), 0 where a key is padding. ``samples``: (batch, keys), equal within one sample of a
    packed row; keys of other samples are closed. ``device``: where these two lie, and the result.
    """
    q = torch.arange(keys - queries, keys, device=device)[:, None]
    k = torch.arange(keys, device=device)[None]
    open_ = (k <= q)[None]
    if attention is not None:
        open_ = open_ & attention[:, None, :].bool()
    if samples is not None:
        open_ = open_ & (samples[:, -queries:, None] == samples[:, None, :])
    open_ = open_ | (k == q)[None]  # a padding place sees itself: a row of nothing would be NaN
    bias = (slopes(heads).to(q.device)[:, None, None] * (k - q).float())[None].to(dtype)
    closed, shut = torch.finfo(dtype).min, ~open_[:, None]
    return bias.masked_fill_(shut, closed) if len(shut) == 1 else bias.masked_fill(shut, closed)  # it is large


class BaichuanForCausalLM(LlamaForCausalLM):  # type: ignore[misc]
    """The causal language model of a Baichuan 13B; asked, trained and adapted like any other."""

    config_class = BaichuanConfig

    def __init__(self, config: BaichuanConfig) -> None:
        """Build it with random weights."""
        super().__init__(config)
        if config.normalised_head:
            self.lm_head = NormHead(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        **others: Any,
    ) -> Any:
        """As LLaMA's. ``position_ids`` tell only where a sample of a packed row begins: where they are 0."""
        given = input_ids if input_ids is not None else inputs_embeds
        if given is None:
            raise ValueError("expected input_ids or inputs_embeds")
        before = past_key_values.get_seq_length() if past_key_values is not None else 0
        queries, dtype = given.shape[1], self.model.embed_tokens.weight.dtype
        if attention_mask is None or attention_mask.dim() == 2:
            samples = None
            if attention_mask is None and position_ids is not None and not before:
                samples = (position_ids == 0).cumsum(-1)
            heads = self.config.num_attention_heads
            keys = before + queries
            attention_mask = alibi_mask(heads, queries, keys, attention_mask, samples, dtype, given.device)
        zeros = torch.zeros((given.shape[0], queries), dtype=torch.long, device=given.device)
        attention_mask = attention_mask.to(given.device).expand(given.shape[0], -1, -1, -1)
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=zeros,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **others,
        )

    def save_pretrained(
        self, save_directory: str | Path, state_dict: dict[str, Tensor] | None = None, **_: Any
    ) -> None:
        """Write config.json and model.safetensors in Baichuan's layout.

        ``state_dict``: all weights by name, where the model holds only its part of them (several processes).
        """
        from safetensors.torch import save_file

        from huatuo.models.originals import packed

        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        about = {key: getattr(self.config, key) for key in _KEPT}
        about |= {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan"}
        about["model_max_length"] = self.config.max_position_embeddings
        if self.config.normalised_head:
            about["z_loss_weight"] = 0
        whole = packed(self.state_dict() if state_dict is None else state_dict)
        state = {name: value.detach().clone().contiguous() for name, value in whole.items()}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        write_atomic(folder / "config.json", json.dumps(about, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
