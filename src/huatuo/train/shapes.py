"""Shapes of decoder models, read from a base's ``config.json`` or from the presets; nothing here loads weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huatuo.errors import RecipeError
from huatuo.recipe import TrainSettings

CHARACTERS = 3_000
"""Assumed vocabulary of a character tokenizer, before the pairs are there to be counted."""


@dataclass(frozen=True)
class Shape:
    """What memory and time of training depend on."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    """Heads of keys and values; fewer than ``heads`` where several queries share one."""
    head_width: int
    feed_forward: int
    vocabulary: int
    tied: bool = False
    """Whether the head is the embedding."""
    gated: bool = True
    """Whether the feed-forward has three matrices (gate, up, down) or two."""
    alibi: bool = False
    """Whether positions are a mask of one number for each head and every two tokens of a row (Baichuan's 13B)."""

    @property
    def queries(self) -> int:
        """Width of the queries of all heads."""
        return self.heads * self.head_width

    @property
    def keys(self) -> int:
        """Width of the keys of all heads, and of the values."""
        return self.kv_heads * self.head_width

    @property
    def layer_matrices(self) -> int:
        """Weights in the matrices of one layer."""
        attention = 2 * self.hidden * (self.queries + self.keys)
        return attention + (3 if self.gated else 2) * self.hidden * self.feed_forward

    @property
    def layer(self) -> int:
        """Weights of one layer: its matrices and two norms."""
        return self.layer_matrices + 2 * self.hidden

    @property
    def ends(self) -> int:
        """Weights of embedding, head and last norm."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2) + self.hidden

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.layers * self.layer + self.ends

    def adapted(self, r: int, targets: tuple[str, ...]) -> int:
        """Weights of a low-rank adapter on the modules of these names."""
        return self.layers * r * sum(sum(self.module(name)) for name in targets)

    def module(self, name: str) -> tuple[int, int]:
        """Inputs and outputs of a linear module, by its usual name; one of another name is taken for square."""
        h, q, kv, f = self.hidden, self.queries, self.keys, self.feed_forward
        known = {
            "q_proj": (h, q),
            "k_proj": (h, kv),
            "v_proj": (h, kv),
            "o_proj": (q, h),
            "gate_proj": (h, f),
            "up_proj": (h, f),
            "down_proj": (f, h),
            "query_key_value": (h, q + 2 * kv),
        }
        return known.get(name, (h, h))


PRESETS: Mapping[str, Shape] = {
    "LLaMA-7B": Shape(4_096, 32, 32, 32, 128, 11_008, 32_000),
    "LLaMA-2-7B": Shape(4_096, 32, 32, 32, 128, 11_008, 32_000),
    "LLaMA-2-13B": Shape(5_120, 40, 40, 40, 128, 13_824, 32_000),
    "Baichuan2-7B": Shape(4_096, 32, 32, 32, 128, 11_008, 125_696),
    "Baichuan2-13B": Shape(5_120, 40, 40, 40, 128, 13_696, 125_696, alibi=True),
    "Yi-34B": Shape(7_168, 60, 56, 8, 128, 20_480, 64_000),
}
"""Bases of HuaTuo and HuatuoGPT-II, and LLaMA's of those sizes (config.json of huggyllama/llama-7b,
meta-llama/Llama-2-7b-hf and Llama-2-13b-hf, 01-ai/Yi-34B and baichuan-inc/Baichuan2-7B-Base and -13B-Base)."""


def preset(name: str) -> str:
    """The name in `PRESETS` that is meant, in whatever letters. Raises RecipeError where there is none."""
    found = next((known for known in PRESETS if known.lower() == name.lower()), None)
    if found is None:
        raise RecipeError(
            f"no shape {name!r} (known: {', '.join(PRESETS)}); next: choose one, or set train.base to a folder with "
            "the config.json of the base, of which nothing else is read"
        )
    return found


def shape_of(settings: TrainSettings) -> Shape | None:
    """Shape of the recipe's base: from its ``config.json``, from ``train.scratch``, or of that name in `PRESETS`. None
    where the config is not there or does not say it."""
    if settings.base == "scratch":
        s = settings.scratch
        return Shape(s.hidden, s.layers, s.heads, s.heads, s.hidden // s.heads, s.feed_forward, CHARACTERS, tied=True)
    path = Path(settings.base) / "config.json"
    if settings.base in PRESETS and not path.exists():
        return PRESETS[settings.base]
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return from_config(config) if isinstance(config, dict) else None
    except (OSError, ValueError):  # stage train says what is wrong with the folder
        return None


def from_config(config: Mapping[str, Any]) -> Shape | None:
    """Shape of a model from its config.json: of LLaMA's keys and their older spellings. None where one is missing."""

    def number(*names: str) -> int:
        return next((int(config[name]) for name in names if config.get(name)), 0)

    hidden = number("hidden_size", "n_embd", "n_embed")
    layers = number("num_hidden_layers", "num_layers", "n_layer")
    heads = number("num_attention_heads", "n_head")
    vocabulary = number("vocab_size", "padded_vocab_size")
    if not (hidden and layers and heads and vocabulary):
        return None
    gated = "n_layer" not in config  # BLOOM and GPT-2: two matrices, four times as wide
    shared = number("multi_query_group_num") if config.get("multi_query_attention") else 0
    return Shape(
        hidden,
        layers,
        heads,
        number("num_key_value_heads") or shared or heads,
        number("head_dim", "kv_channels") or hidden // heads,
        number("intermediate_size", "ffn_hidden_size", "n_inner") or 4 * hidden,
        vocabulary,
        tied=bool(config.get("tie_word_embeddings", not gated)),
        gated=gated,
        alibi=config.get("model_type") == "baichuan" and "max_position_embeddings" not in config,
    )
