"""Loading a causal language model from a local folder: no network, no code from the folder, no pickled weights."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huatuo.errors import ModelError, require
from huatuo.models import formats, originals
from huatuo.models.save import CARD_FILE, ModelCard, card, digest, quiet, save
from huatuo.models.tokenizers import load_tokenizer

__all__ = [
    "CARD_FILE", "Loaded", "ModelCard", "Precision", "by_peft", "card", "check_files", "digest", "load", "merged",
    "save",
]  # fmt: skip

Precision = Literal["fp32", "bf16", "nf4"]
"""nf4: matrices of the layers in 4 bits (bitsandbytes), all else in fp32; only under an adapter to be trained."""


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to be asked or trained."""

    model: Any
    """The ``transformers`` causal language model (or ``PeftModel`` over one), in eval mode."""
    tokenizer: Any
    """Its fast tokenizer."""
    format: str
    """Name of the chat format it was trained with; empty where the folder does not say."""
    digest: str
    """Digest of its weights; of an adapter: of its own and its base's."""
    name: str
    """Name of its folder."""
    note: str = ""
    """What a reader of the card of a model trained from it must know."""


def load(
    folder: Path, precision: Precision = "fp32", *, base: Path | None = None, allow_pickle: bool = False
) -> Loaded:
    """The model of a local Hugging Face folder, or an adapter bound to its base.

    ``base``: where an adapter's base is now, if it has moved. ``allow_pickle``: read ``pytorch_model.bin``, which can
    run code of whoever made it. Raises ModelError naming what is missing or does not fit.
    """
    require("torch", "train")
    quiet(require("transformers", "train"))
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: no such folder; expected a local folder with a Hugging Face model, since nothing is "
            "downloaded; "
            "next: download the model and give its path"
        )
    if (folder / "adapter_config.json").exists():
        return _load_adapter(folder, precision, base, allow_pickle)
    raw = _read_json(folder / "config.json")
    original = originals.is_original(raw)
    if precision == "nf4":
        _check_four_bit(folder, original)
    config = None if original else _config(folder, raw)
    weights = _weights(folder, allow_pickle)
    tokenizer = load_tokenizer(folder)
    if original:
        made = originals.import_original(folder, raw, weights, _dtype(precision))
    else:
        made = originals.Imported(_model(folder, config, precision, weights[0].suffix == ".safetensors"), "")
    model, note = made.model, made.note
    _check_vocabulary(folder, model, tokenizer)
    return Loaded(model, tokenizer, _checked_format(folder, tokenizer), digest(folder), _name(folder), note)


def check_files(folder: Path, allow_pickle: bool = False) -> None:
    """Nothing, where a model's files are all there and may be read; no weight is.

    Raises ModelError for a missing or pickled file, a base of an adapter that is gone, and an architecture that has no
    home in transformers.
    """
    if (folder / "adapter_config.json").exists():
        about, config = card(folder), _read_json(folder / "adapter_config.json")
        check_files(_base_folder(folder, about, config, None), allow_pickle)
        return
    originals.check_kind(folder, _read_json(folder / "config.json"))
    _weights(folder, allow_pickle)


def merged(model: Any) -> Any:
    """The model with its adapter, where it has one, added into its weights; all of them can then be trained."""
    if not hasattr(model, "merge_and_unload"):
        return model
    whole = model.merge_and_unload()
    for weight in whole.parameters():
        weight.requires_grad_(True)
    return whole.eval()


def _name(folder: Path) -> str:
    return str(card(folder).get("name") or folder.resolve().name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path.parent}: no {path.name}; expected a folder that a Hugging Face model was saved to; next: "
            "check the path"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not valid JSON ({error}); next: copy the file again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(found).__name__}; next: copy the file again")
    return found


def _dtype(precision: str) -> Any:
    import torch

    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "nf4": torch.float32}
    if precision not in dtypes:
        raise ModelError(f"precision {precision!r} is unknown; expected one of {', '.join(dtypes)}")
    return dtypes[precision]


def _config(folder: Path, raw: Mapping[str, Any]) -> Any:
    """The configuration, after checking that it names a causal language model transformers knows."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    kind = str(raw.get("model_type", ""))
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: model_type {kind!r} is not known to transformers without code of its own, which is never "
            "run; "
            "next: convert the checkpoint to a native architecture, or upgrade transformers"
        ) from error
    names = [str(name) for name in raw.get("architectures") or []]
    causal = [name for name in names if name.endswith(("ForCausalLM", "LMHeadModel"))]
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or (names and not causal):
        raise ModelError(
            f"{folder}: {', '.join(names) or kind} is not a causal language model; expected an architecture that "
            "ends in "
            "ForCausalLM; next: choose a base that generates text"
        )
    return config


def _weights(folder: Path, allow_pickle: bool) -> list[Path]:
    """The weight files, after checking that every shard is there and none is pickled unless asked."""
    safe, pickled = sorted(folder.glob("model*.safetensors")), sorted(folder.glob("pytorch_model*.bin"))
    if not safe and pickled and not allow_pickle:
        raise ModelError(
            f"{folder}: {pickled[0].name} is pickled, and reading it can run code; expected *.safetensors; next: "
            "convert the weights, or set train.allow_pickle = true (in Python: allow_pickle=True) if you trust whoever "
            "made them"
        )
    stem = "model.safetensors" if safe or not pickled else "pytorch_model.bin"
    index = folder / f"{stem}.index.json"
    if index.exists():
        listed = sorted(set(_read_json(index).get("weight_map", {}).values()))
        missing = [name for name in listed if not (folder / name).exists()]
        if missing:
            raise ModelError(
                f"{folder}: shard {missing[0]} is missing ({len(missing)} of {len(listed)}, listed in {index.name}); "
                "next: finish the download"
            )
        return [folder / name for name in listed]
    if not (folder / stem).exists():
        raise ModelError(f"{folder}: no {stem} and no {index.name}; next: finish the download, or check the path")
    return [folder / stem]


def _model(folder: Path, config: Any, precision: Precision, safe: bool) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            dtype=_dtype(precision),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=safe,
            output_loading_info=True,
            **_four_bit(precision),
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{folder}: the weights cannot be loaded ({first}); next: copy the files again") from error
    absent = sorted([*info["missing_keys"], *(str(m) for m in info["mismatched_keys"])])
    if absent:
        raise ModelError(
            f"{folder}: {len(absent)} weights are missing or of another shape, for example {absent[0]}; they "
            "would be random; "
            "next: check that config.json and the weights belong together"
        )
    for module in model.modules() if precision == "nf4" else ():
        # Asked once in eval mode on such a processor, bitsandbytes keeps a layout that has no backward pass: every
        # gradient would be 0 from then on, without a word.
        module.support_avx512bf16_for_cpu = False
    return model.eval()


def _check_four_bit(folder: Path, original: bool) -> None:
    require("bitsandbytes", "qlora")
    if original:
        raise ModelError(
            f"{folder}: a release with code of its own is not read into 4 bits; expected a native folder; next: train "
            'and save it once without adapter, or set base_weights = "fp32"'
        )


def _four_bit(precision: Precision) -> dict[str, Any]:
    """What transformers is told to read a base as QLoRA does: NF4, its scales quantised once more."""
    if precision != "nf4":
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    wanted = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    return {"quantization_config": BitsAndBytesConfig(**wanted, bnb_4bit_compute_dtype=torch.float32)}


def _check_vocabulary(folder: Path, model: Any, tokenizer: Any) -> None:
    rows, needed = model.get_input_embeddings().weight.shape[0], max(tokenizer.get_vocab().values()) + 1
    if needed > rows:
        raise ModelError(
            f"{folder}: the tokenizer has ids up to {needed - 1}, the embedding {rows} rows; expected a row for "
            "every id; "
            "next: use the tokenizer the model was trained with, or resize the embedding once and save it"
        )


def _checked_format(folder: Path, tokenizer: Any) -> str:
    name = str(card(folder).get("format", ""))
    if name:
        formats.check_tokenizer(formats.get(name), tokenizer)
    return name


# ---------------------------------------------------------------- adapters


def _load_adapter(folder: Path, precision: Precision, base: Path | None, allow_pickle: bool) -> Loaded:
    peft = require("peft", "train")
    if not (folder / "adapter_model.safetensors").exists():
        raise ModelError(f"{folder}: no adapter_model.safetensors; next: finish the copy, or train the adapter again")
    about, config = card(folder), _read_json(folder / "adapter_config.json")
    place = _base_folder(folder, about, config, base)
    ground = load(place, precision, allow_pickle=allow_pickle)
    expected = about.get("base_digest")
    if expected and expected != ground.digest:
        raise ModelError(
            f"{folder}: the adapter was trained on a base with digest {expected}, but {place} has "
            f"{ground.digest}; on other "
            "weights its answers would be wrong without notice; next: give the right base"
        )
    own = any((folder / name).exists() for name in ("tokenizer.json", "tokenizer.model"))
    tokenizer = load_tokenizer(folder) if own else ground.tokenizer
    _check_vocabulary(folder, ground.model, tokenizer)
    with by_peft():
        model = peft.PeftModel.from_pretrained(merged(ground.model), str(folder), local_files_only=True).eval()
    # embeddings are looked for by their own names: asked about them, peft would look for the base on a hub
    used = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    _check_adapter(folder, {*used, *model.state_dict()})
    name = _checked_format(folder, tokenizer)
    return Loaded(model, tokenizer, name or ground.format, digest(folder), _name(folder))


@contextmanager
def by_peft() -> Iterator[None]:
    """The making of a ``PeftModel``, without the warning that peft (0.21) asks transformers for a property by the name
    that it had before version 5: nothing that huatuo or its reader could mend."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield


def _check_adapter(folder: Path, used: Collection[str]) -> None:
    """Nothing where every weight of an adapter's file is in the model: peft passes over names that it does not know."""
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        unused = sorted(set(file.keys()).difference(used))
    if unused:
        raise ModelError(
            f"{folder}: {len(unused)} weights of the adapter fit nothing in its base, for example {unused[0]}; without "
            "them the base would answer as if untrained; next: check that adapter and base belong together"
        )


def _base_folder(folder: Path, about: Mapping[str, Any], config: Mapping[str, Any], base: Path | None) -> Path:
    """Where the base is: given, beside the adapter as saved, or as peft recorded it."""
    if base is not None:
        return base
    recorded = str(config.get("base_model_name_or_path") or "")
    near = str(about.get("base_folder") or "")
    for place in ([folder / near] if near else []) + ([Path(recorded)] if recorded else []):
        if place.is_dir():
            return Path(os.path.normpath(place))
    raise ModelError(
        f"{folder}: the base of this adapter is not at {near or recorded or '(not recorded)'}; expected a local "
        "folder; next: "
        "give its place with base=..."
    )
