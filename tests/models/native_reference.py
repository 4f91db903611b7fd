"""The logits of today's bases, written out from what their papers and configs say: to hold a loaded model against."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def frequencies(dim: int, theta: float) -> Tensor:
    return theta ** (-torch.arange(0, dim, 2).float() / dim)


def llama3_frequencies(dim: int, theta: float, factor: float, low: float, high: float, trained: int) -> Tensor:
    """Llama 3.1: long waves are slowed down by ``factor``, short ones kept, those between interpolated."""
    made = []
    for f in frequencies(dim, theta).tolist():
        wave = 2 * math.pi / f
        if wave < trained / high:
            made.append(f)
        elif wave > trained / low:
            made.append(f / factor)
        else:
            share = (trained / wave - low) / (high - low)
            made.append((1 - share) * f / factor + share * f)
    return torch.tensor(made)


def rotated(x: Tensor, freqs: Tensor, pairs: bool) -> Tensor:
    """(heads, n, dim) turned by position: halves against each other, or neighbours where ``pairs``; the dimensions
    beyond the frequencies stay as they are."""
    angles = torch.arange(x.shape[1]).float()[:, None] * freqs  # (n, dim / 2)
    cos, sin, dim = angles.cos(), angles.sin(), 2 * len(freqs)
    turned, rest = x[..., :dim], x[..., dim:]
    if pairs:
        a, b = turned[..., 0::2], turned[..., 1::2]
        out = torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)
    else:
        a, b = turned.chunk(2, dim=-1)
        out = torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
    return torch.cat([out, rest], dim=-1)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """(heads, n, dim) of causal attention; keys and values are repeated for the queries' groups."""
    groups, n = q.shape[0] // k.shape[0], q.shape[1]
    k, v = (x.repeat_interleave(groups, dim=0) for x in (k, v))
    scores = q @ k.mT / math.sqrt(q.shape[-1]) + bias
    return scores.masked_fill(torch.ones(n, n).triu(1).bool(), -math.inf).softmax(-1) @ v


def llama_like(
    state: State,
    ids: list[int],
    dim: int,
    freqs: Tensor,
    eps: float,
    pairs: bool = False,
) -> Tensor:
    """Logits of LLaMA and its relatives; norms on queries and keys, biases and norms after each part where the state
    has them, gate and up merged or apart."""

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def heads(x: Tensor) -> Tensor:
        return x.view(len(ids), -1, dim).transpose(0, 1)

    x = state["model.embed_tokens.weight"][torch.tensor(ids)]
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("model.layers."))
    for layer in range(layers):
        at = f"model.layers.{layer}"
        h = rms(x, state[f"{at}.input_layernorm.weight"], eps)
        q, k, v = (heads(linear(h, f"{at}.self_attn.{part}_proj")) for part in "qkv")
        if f"{at}.self_attn.q_norm.weight" in state:
            q, k = (rms(y, state[f"{at}.self_attn.{name}_norm.weight"], eps) for y, name in ((q, "q"), (k, "k")))
        h = attention(rotated(q, freqs, pairs), rotated(k, freqs, pairs), v).transpose(0, 1).reshape(len(ids), -1)
        h = linear(h, f"{at}.self_attn.o_proj")
        if f"{at}.post_self_attn_layernorm.weight" in state:
            h = rms(h, state[f"{at}.post_self_attn_layernorm.weight"], eps)
        x = x + h
        h = rms(x, state[f"{at}.post_attention_layernorm.weight"], eps)
        if f"{at}.mlp.gate_up_proj.weight" in state:
            gate, up = linear(h, f"{at}.mlp.gate_up_proj").chunk(2, dim=-1)
        else:
            gate, up = linear(h, f"{at}.mlp.gate_proj"), linear(h, f"{at}.mlp.up_proj")
        h = linear(gate * torch.sigmoid(gate) * up, f"{at}.mlp.down_proj")
        if f"{at}.post_mlp_layernorm.weight" in state:
            h = rms(h, state[f"{at}.post_mlp_layernorm.weight"], eps)
        x = x + h
    x = rms(x, state["model.norm.weight"], eps)
    return x @ state.get("lm_head.weight", state["model.embed_tokens.weight"]).T


def bloom(state: State, ids: list[int], heads: int, eps: float = 1e-5) -> Tensor:
    """Logits of BLOOM: ALiBi (slopes 2^(-8i/n) for n heads, a power of 2), LayerNorm, GELU by tanh, a tied head."""
    state = {name.removeprefix("transformer."): value for name, value in state.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    n = len(ids)
    slopes = torch.tensor([2.0 ** (-8.0 * (i + 1) / heads) for i in range(heads)])
    distance = torch.arange(n)[None, :] - torch.arange(n)[:, None]
    bias = slopes[:, None, None] * distance
    x = norm(state["word_embeddings.weight"][torch.tensor(ids)], "word_embeddings_layernorm")
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("h."))
    for layer in range(layers):
        at = f"h.{layer}"
        mixed = linear(norm(x, f"{at}.input_layernorm"), f"{at}.self_attention.query_key_value")
        q, k, v = mixed.view(n, heads, 3, -1).permute(2, 1, 0, 3)
        h = attention(q, k, v, bias).transpose(0, 1).reshape(n, -1)
        x = x + linear(h, f"{at}.self_attention.dense")
        h = linear(norm(x, f"{at}.post_attention_layernorm"), f"{at}.mlp.dense_h_to_4h")
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + linear(h, f"{at}.mlp.dense_4h_to_h")
    return norm(x, "ln_f") @ state["word_embeddings.weight"].T
