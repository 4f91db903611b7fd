"""The released models written out by hand, from their papers and released layouts: no class of transformers, no code of
ours. And small random releases in exactly their layout."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]
HEADS, WIDTH, LAYERS, INNER, GROUPS = 4, 32, 2, 48, 2


def norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """q, k, v: (heads, length, size); causal."""
    length = q.shape[1]
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + bias
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    return scores.softmax(-1) @ v


def split_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(x.shape[0], heads, -1).transpose(0, 1)


# ---------------------------------------------------------------- Baichuan


def baichuan(folder: Path, alibi: bool, vocabulary: int, second: bool = True, seed: int = 5) -> State:
    """Write a small release; its weights."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    state = {"model.embed_tokens.weight": random(vocabulary, WIDTH), "model.norm.weight": 1 + random(WIDTH)}
    state["lm_head.weight"] = random(vocabulary, WIDTH)
    for n in range(LAYERS):
        at = f"model.layers.{n}."
        state |= {
            at + "self_attn.W_pack.weight": random(3 * WIDTH, WIDTH),
            at + "self_attn.o_proj.weight": random(WIDTH, WIDTH),
            at + "mlp.gate_proj.weight": random(INNER, WIDTH),
            at + "mlp.up_proj.weight": random(INNER, WIDTH),
            at + "mlp.down_proj.weight": random(WIDTH, INNER),
            at + "input_layernorm.weight": 1 + random(WIDTH),
            at + "post_attention_layernorm.weight": 1 + random(WIDTH),
        }
    config: dict[str, Any] = {
        "architectures": ["BaichuanForCausalLM"], "model_type": "baichuan", "vocab_size": vocabulary,
        "auto_map": {"AutoConfig": "configuration_baichuan.BaichuanConfig"},
        "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "model_max_length": 256, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 0, "tie_word_embeddings": False, "initializer_range": 0.02, "use_cache": True,
    }  # fmt: skip
    if second:
        config["z_loss_weight"] = 0
    if not alibi:
        config["max_position_embeddings"] = 256
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(state, folder / "model.safetensors")
    return state


def alibi_slopes(heads: int) -> list[float]:
    if math.log2(heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(heads) - 3)))
        return [start**k for k in range(1, heads + 1)]
    lower = 2 ** math.floor(math.log2(heads))
    return alibi_slopes(lower) + alibi_slopes(2 * lower)[0::2][: heads - lower]


def rotated_halves(x: Tensor) -> Tensor:
    """RoPE as LLaMA's: the two halves of a head turn against each other."""
    length, size = x.shape[1], x.shape[2]
    angle = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, size, 2) / size)[None]
    cos, sin = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()
    first, second = x[..., : size // 2], x[..., size // 2 :]
    return x * cos + torch.cat([-second, first], -1) * sin


def baichuan_logits(state: State, ids: list[int], alibi: bool, second: bool = True) -> Tensor:
    """(length, vocabulary) of one text."""
    x = state["model.embed_tokens.weight"][ids]
    place = torch.arange(len(ids))
    bias = torch.zeros(1, 1, 1)
    if alibi:
        bias = torch.tensor(alibi_slopes(HEADS))[:, None, None] * (place[None] - place[:, None])
    for n in range(LAYERS):
        at = f"model.layers.{n}."
        h = norm(x, state[at + "input_layernorm.weight"], 1e-6)
        q, k, v = (split_heads(part, HEADS) for part in (h @ state[at + "self_attn.W_pack.weight"].T).chunk(3, -1))
        if not alibi:
            q, k = rotated_halves(q), rotated_halves(k)
        mixed = softmax_attention(q, k, v, bias).transpose(0, 1).reshape(len(ids), WIDTH)
        x = x + mixed @ state[at + "self_attn.o_proj.weight"].T
        h = norm(x, state[at + "post_attention_layernorm.weight"], 1e-6)
        gate = functional.silu(h @ state[at + "mlp.gate_proj.weight"].T)
        x = x + (gate * (h @ state[at + "mlp.up_proj.weight"].T)) @ state[at + "mlp.down_proj.weight"].T
    head = state["lm_head.weight"]
    if second:
        head = head / head.norm(dim=1, keepdim=True)
    return norm(x, state["model.norm.weight"], 1e-6) @ head.T


# ---------------------------------------------------------------- ChatGLM2 and 3


def chatglm(folder: Path, vocabulary: int, seed: int = 6) -> State:
    """Write a small release of ChatGLM2's and 3's layout; its weights."""
    generator = torch.Generator().manual_seed(seed)
    size = WIDTH // HEADS

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    rows = WIDTH + 2 * GROUPS * size
    state = {
        "transformer.embedding.word_embeddings.weight": random(vocabulary, WIDTH),
        "transformer.rotary_pos_emb.inv_freq": random(size // 4),
        "transformer.encoder.final_layernorm.weight": 1 + random(WIDTH),
        "transformer.output_layer.weight": random(vocabulary, WIDTH),
    }
    for n in range(LAYERS):
        at = f"transformer.encoder.layers.{n}."
        state |= {
            at + "input_layernorm.weight": 1 + random(WIDTH),
            at + "post_attention_layernorm.weight": 1 + random(WIDTH),
            at + "self_attention.query_key_value.weight": random(rows, WIDTH),
            at + "self_attention.query_key_value.bias": random(rows),
            at + "self_attention.dense.weight": random(WIDTH, WIDTH),
            at + "mlp.dense_h_to_4h.weight": random(2 * INNER, WIDTH),
            at + "mlp.dense_4h_to_h.weight": random(WIDTH, INNER),
        }
    config = {
        "model_type": "chatglm", "architectures": ["ChatGLMModel"], "add_bias_linear": False, "add_qkv_bias": True,
        "apply_residual_connection_post_layernorm": False, "ffn_hidden_size": INNER, "hidden_size": WIDTH,
        "kv_channels": size, "layernorm_epsilon": 1e-5, "multi_query_attention": True, "multi_query_group_num": GROUPS,
        "num_attention_heads": HEADS, "num_layers": LAYERS, "original_rope": True, "padded_vocab_size": vocabulary,
        "post_layer_norm": True, "rmsnorm": True, "seq_length": 256, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(state, folder / "model.safetensors")
    return state


def rotated_pairs(x: Tensor) -> Tensor:
    """ChatGLM's RoPE: of the first half of a head, neighbours turn in pairs; the second half stands still."""
    length, turning = x.shape[1], x.shape[2] // 2
    angle = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, turning, 2) / turning)[None]
    pairs = torch.view_as_complex(x[..., :turning].reshape(x.shape[0], length, -1, 2).contiguous())
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)[None])
    return torch.cat([turned.flatten(-2), x[..., turning:]], -1)


def chatglm_logits(state: State, ids: list[int]) -> Tensor:
    """(length, vocabulary) of one text."""
    size = WIDTH // HEADS
    x = state["transformer.embedding.word_embeddings.weight"][ids]
    for n in range(LAYERS):
        at = f"transformer.encoder.layers.{n}."
        h = norm(x, state[at + "input_layernorm.weight"], 1e-5)
        packed = h @ state[at + "self_attention.query_key_value.weight"].T
        packed = packed + state[at + "self_attention.query_key_value.bias"]
        q, k, v = packed.split([WIDTH, GROUPS * size, GROUPS * size], -1)
        q, k, v = split_heads(q, HEADS), split_heads(k, GROUPS), split_heads(v, GROUPS)
        q, k = rotated_pairs(q), rotated_pairs(k)
        k, v = k.repeat_interleave(HEADS // GROUPS, 0), v.repeat_interleave(HEADS // GROUPS, 0)
        mixed = softmax_attention(q, k, v, torch.zeros(1, 1, 1)).transpose(0, 1).reshape(len(ids), WIDTH)
        x = x + mixed @ state[at + "self_attention.dense.weight"].T
        h = norm(x, state[at + "post_attention_layernorm.weight"], 1e-5)
        gate, up = (h @ state[at + "mlp.dense_h_to_4h.weight"].T).chunk(2, -1)
        x = x + (functional.silu(gate) * up) @ state[at + "mlp.dense_4h_to_h.weight"].T
    x = norm(x, state["transformer.encoder.final_layernorm.weight"], 1e-5)
    return x @ state["transformer.output_layer.weight"].T
