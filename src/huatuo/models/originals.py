"""Bases whose releases bring code of their own, read without running it: their weights become a class we have.

| release | becomes | exact because |
| --- | --- | --- |
| Baichuan, Baichuan2 7B | ``LlamaForCausalLM`` | W_pack is q, k, v above each other; head rows normalised once |
| Baichuan, Baichuan2 13B | `huatuo.models.alibi.BaichuanForCausalLM` | ALiBi instead of RoPE, see there |
| ChatGLM2-6B, ChatGLM3-6B | ``GlmForCausalLM`` | query_key_value is q, k, v above each other; gate and up stay merged |

The layouts are those of the released folders (their config.json and the names of their weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from huatuo.errors import ModelError

State = dict[str, Any]
"""Tensors by name."""

BAICHUAN2_VOCABULARY = 125_696
"""Rows of Baichuan2's embedding; the first Baichuan has 64,000 and a plain head (config.json of both)."""

ROPE_WIDTH, ALIBI_WIDTH = 4_096, 5_120
"""Hidden sizes of the 7B (RoPE) and the 13B (ALiBi) release. Their config.json tells them apart in one more way: that
of the 7B has ``max_position_embeddings``, that of the 13B only ``model_max_length``."""

NORMALISED = (
    "imported from Baichuan2's layout: the rows of its head were divided by their norm once; training then moves the "
    "head freely, as in any LLaMA"
)


@dataclass(frozen=True)
class Imported:
    """A release read into a class that transformers or we have."""

    model: Any
    """The model, in eval mode."""
    note: str
    """What a reader of its card must know; empty where nothing."""


def is_original(raw: Mapping[str, Any]) -> bool:
    """Whether a config.json is of a release that `import_original` reads (or refuses by name)."""
    return raw.get("model_type") in _READERS


def import_original(folder: Path, raw: Mapping[str, Any], files: list[Path], dtype: Any) -> Imported:
    """The model of a release's folder, whose config.json is ``raw`` and whose weights are in ``files``.

    Raises ModelError for a release without a native home (ChatGLM-6B), for a config that leaves open what the model
    computes, and for weights that do not fit it.
    """
    check_kind(folder, raw)
    return _READERS[str(raw["model_type"])](folder, raw, _tensors(files), dtype)


def check_kind(folder: Path, raw: Mapping[str, Any]) -> None:
    """Nothing; raises ModelError for ChatGLM-6B, which has no native home, before any weight is read."""
    if raw.get("model_type") == "chatglm" and (raw.get("position_encoding_2d") or "inner_hidden_size" in raw):
        raise ModelError(
            f"{folder}: ChatGLM-6B has two-dimensional positions and a prefix mask, and no class of transformers has "
            "them; its data and its answers over an API are supported, its weights are not; next: use ChatGLM2-6B, "
            "ChatGLM3-6B or another base, or serve it elsewhere and give the address"
        )


def _tensors(files: list[Path]) -> State:
    """The tensors of all weight files. Pickled ones are read with torch's weights-only reader."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: State = {}
    for path in files:
        try:
            found = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
        except (OSError, ValueError, RuntimeError, EOFError, UnpicklingError, SafetensorError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{path}: the weights cannot be read ({first}); next: copy the file again") from error
        state |= found
    return state


def filled(folder: Path, make: Callable[[], Any], state: State, dtype: Any) -> Any:
    """The model of ``make`` with the tensors of ``state`` as its weights, in eval mode. Every tensor must have its
    place and every place its tensor; raises ModelError otherwise."""
    import torch

    with torch.device("meta"):
        model = make()
    places = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if places != found:
        name = sorted(set(places.items()) ^ set(found.items()))[0][0]
        raise ModelError(
            f"{folder}: weights and config.json do not belong together: {name} is {found.get(name, 'missing')} in the "
            f"weights, {places.get(name, 'not expected')} after the config; next: copy both from one release"
        )
    model.load_state_dict({name: value.to(dtype).contiguous() for name, value in state.items()}, assign=True)
    for module in model.modules():  # positions are no weights: computed anew, since "meta" holds no numbers
        if hasattr(module, "compute_default_rope_parameters"):
            frequencies, _ = module.compute_default_rope_parameters(model.config)
            module.inv_freq, module.original_inv_freq = frequencies, frequencies.clone()
    return model.eval()


def number(folder: Path, raw: Mapping[str, Any], name: str) -> Any:
    """The value of a key of config.json. Raises ModelError where it is missing."""
    if name not in raw:
        raise ModelError(f"{folder}/config.json: no {name!r}; expected the release's own file; next: copy it again")
    return raw[name]


# ---------------------------------------------------------------- Baichuan


def _baichuan(folder: Path, raw: Mapping[str, Any], state: State, dtype: Any) -> Imported:
    from transformers import LlamaConfig, LlamaForCausalLM

    from huatuo.models import alibi

    normalised = raw.get("vocab_size") == BAICHUAN2_VOCABULARY or "z_loss_weight" in raw
    common = {
        name: number(folder, raw, name)
        for name in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    }
    common |= {
        name: raw[name] for name in ("rms_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id") if name in raw
    }
    window = raw.get("model_max_length") or raw.get("max_position_embeddings") or 4_096
    split = split_packed(state)
    if _has_alibi(folder, raw):
        config = alibi.BaichuanConfig(
            **common, max_position_embeddings=window, tie_word_embeddings=False, normalised_head=normalised
        )
        return Imported(filled(folder, lambda: alibi.BaichuanForCausalLM(config), split, dtype), alibi.NOTE)
    llama = LlamaConfig(**common, max_position_embeddings=window, tie_word_embeddings=False)
    if normalised and "lm_head.weight" in split:
        split["lm_head.weight"] = unit_rows(split["lm_head.weight"])
    return Imported(filled(folder, lambda: LlamaForCausalLM(llama), split, dtype), NORMALISED if normalised else "")


def _has_alibi(folder: Path, raw: Mapping[str, Any]) -> bool:
    """Whether the model knows positions by ALiBi (13B) rather than RoPE (7B): nothing in the file says it outright, so
    both signs must not disagree."""
    width, by_keys = raw.get("hidden_size"), "max_position_embeddings" not in raw
    by_width = {ROPE_WIDTH: False, ALIBI_WIDTH: True}.get(int(width or 0), by_keys)
    if by_width != by_keys:
        raise ModelError(
            f"{folder}/config.json: hidden_size {width} is that of the release with "
            f"{'ALiBi' if by_width else 'RoPE'}, but max_position_embeddings is {'missing' if by_keys else 'there'}, "
            "as in the other; wrong positions give wrong answers without an error; next: copy config.json from the "
            "release"
        )
    return by_keys


def split_packed(state: State) -> State:
    """The tensors with each ``W_pack`` as q, k and v, and without stored positions."""
    made: State = {}
    for name, value in state.items():
        if name.endswith("rotary_emb.inv_freq"):
            continue
        if ".W_pack." not in name:
            made[name] = value
            continue
        for part, rows in zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True):
            made[name.replace("W_pack", part)] = rows
    return made


def packed(state: State) -> State:
    """The inverse of `split_packed`."""
    import torch

    made: State = {}
    for name, value in state.items():
        if ".q_proj." in name:
            parts = [value, *(state[name.replace("q_proj", other)] for other in ("k_proj", "v_proj"))]
            made[name.replace("q_proj", "W_pack")] = torch.cat(parts)
        elif ".k_proj." not in name and ".v_proj." not in name:
            made[name] = value
    return made


def unit_rows(weight: Any) -> Any:
    """The rows of a head divided by their norm, computed in fp32 (Baichuan2's NormHead)."""
    from torch.nn import functional

    return functional.normalize(weight.float()).to(weight.dtype)


# ---------------------------------------------------------------- ChatGLM

_GLM_NAMES = (
    ("transformer.embedding.word_embeddings.", "model.embed_tokens."),
    ("transformer.encoder.final_layernorm.", "model.norm."),
    ("transformer.output_layer.", "lm_head."),
    ("transformer.encoder.layers.", "model.layers."),
    (".self_attention.dense.", ".self_attn.o_proj."),
    (".self_attention.", ".self_attn."),
    (".mlp.dense_h_to_4h.", ".mlp.gate_up_proj."),
    (".mlp.dense_4h_to_h.", ".mlp.down_proj."),
)
"""Names of ChatGLM2's and ChatGLM3's weights → Glm's."""

_GLM_MEANT = {
    "add_bias_linear": False,
    "add_qkv_bias": True,
    "apply_residual_connection_post_layernorm": False,
    "multi_query_attention": True,
    "original_rope": True,
    "post_layer_norm": True,
    "rmsnorm": True,
}
"""Settings of both releases; another value is another model."""


def _chatglm(folder: Path, raw: Mapping[str, Any], state: State, dtype: Any) -> Imported:
    from transformers import GlmConfig, GlmForCausalLM

    _check_glm(folder, raw)
    heads, width = number(folder, raw, "num_attention_heads"), number(folder, raw, "kv_channels")
    config = GlmConfig(
        vocab_size=number(folder, raw, "padded_vocab_size"),
        hidden_size=number(folder, raw, "hidden_size"),
        intermediate_size=number(folder, raw, "ffn_hidden_size"),
        num_hidden_layers=number(folder, raw, "num_layers"),
        num_attention_heads=heads,
        num_key_value_heads=number(folder, raw, "multi_query_group_num"),
        head_dim=width,
        max_position_embeddings=number(folder, raw, "seq_length"),
        rms_norm_eps=number(folder, raw, "layernorm_epsilon"),
        tie_word_embeddings=False,
        attention_bias=True,
        bos_token_id=raw.get("bos_token_id"),
        eos_token_id=raw.get("eos_token_id", 2),
        pad_token_id=raw.get("pad_token_id", 0),
    )
    keys = config.num_key_value_heads * width
    made: State = {}
    for name, value in state.items():
        if name.endswith("rotary_pos_emb.inv_freq"):
            continue
        for theirs, ours in _GLM_NAMES:
            name = name.replace(theirs, ours)
        if ".query_key_value." not in name:
            made[name] = value
            continue
        for part, rows in zip(("q_proj", "k_proj", "v_proj"), value.split([heads * width, keys, keys]), strict=True):
            made[name.replace("query_key_value", part)] = rows
    return Imported(filled(folder, lambda: GlmForCausalLM(config), made, dtype), "")


def _check_glm(folder: Path, raw: Mapping[str, Any]) -> None:
    for name, meant in _GLM_MEANT.items():
        if raw.get(name, meant) != meant:
            raise ModelError(
                f"{folder}/config.json: {name} = {raw[name]!r}; ChatGLM2-6B and ChatGLM3-6B have {meant!r}, and "
                "another value is another model; next: copy config.json from the release"
            )
    if raw.get("rope_ratio", 1) != 1:
        raise ModelError(
            f"{folder}/config.json: rope_ratio = {raw['rope_ratio']}: ChatGLM2's long release divides positions by it, "
            "ChatGLM3's multiplies the base with it, and the file does not say which it is; next: use the release with "
            "8,192 positions"
        )


_READERS: Mapping[str, Callable[[Path, Mapping[str, Any], State, Any], Imported]] = {
    "baichuan": _baichuan,
    "chatglm": _chatglm,
}
"""By ``model_type`` of config.json."""
