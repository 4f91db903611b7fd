"""Saving a model so that it can be used and traced: weights, tokenizer with its chat template, and a card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from huatuo.errors import ModelError
from huatuo.files import SystemErrors, content_id, hash_file, sync_folder, write_atomic
from huatuo.models import formats
from huatuo.models.formats import Format
from huatuo.models.tokenizers import save_tokenizer

CARD_FILE = "huatuo.json"
"""What huatuo says about a model it saved: format, digests, recipe title, whether it must not be used."""

_NOT_FOR_USE = (
    "> **NOT FOR USE.** A demonstration of the path, not a medical model: its answers are often wrong. Do not "
    "use them for "
    "any decision.\n>\n> **不得使用。** 本模型仅演示流程，不是医学模型，回答常有错误，不得用于任何医疗决定。"
)
_NO_DEVICE = (
    "> Not a medical device: its answers may be wrong and do not replace a physician. 不是医疗器械，不能代替医生。"
)


class ModelCard(BaseModel):
    """What the caller says about a model; `save` adds format and digest."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str = ""
    """Title of the recipe."""
    name: str = ""
    """Name of the model; the folder's where empty."""
    not_for_use: bool = False
    """A demonstration: the card and every chat say so."""
    trained: bool = True
    """False: the weights are as they were before training (the base of a comparison)."""
    base: str = ""
    """Name of the base: ``scratch``, or the folder it was read from."""
    base_folder: str = ""
    """For an adapter: folder of the base weights, relative to the adapter's."""
    base_digest: str = ""
    """Digest of the base weights."""
    recipe: str = ""
    """Hash of the resolved recipe table."""
    seed: int = 0
    """The run's seed."""
    steps: int = 0
    """Optimiser steps."""
    samples: int = 0
    """Samples seen, counting copies."""
    tokens: int = 0
    """Real tokens seen."""
    licence: str = ""
    """Licence of the weights, as Hugging Face abbreviates it."""
    turns: int = 0
    """Most answers in one training conversation; a chat forgets what goes beyond. 0: not known."""
    languages: tuple[str, ...] = ("zh",)
    """Languages of the training answers."""
    notes: str = ""
    """More text for the card, Markdown: data, figures, limits."""


def digest(folder: Path) -> str:
    """32 hexadecimal digits over the names and bytes of a folder's weights; of an adapter, its base's digest too."""
    found = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")])
    if not found:
        raise ModelError(f"{folder}: no weights (*.safetensors); next: check that the download or training is finished")
    parts = [f"{path.name} {hash_file(path)}" for path in found]
    if (folder / "adapter_config.json").exists():
        parts.append(f"base {card(folder).get('base_digest', '')}")
    return content_id(*parts)


def card(folder: Path) -> dict[str, Any]:
    """What huatuo wrote about a model it saved (`CARD_FILE`); empty for a model of another maker."""
    path = folder / CARD_FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not readable ({error}); next: save the model again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(found).__name__}; next: save the model again")
    return found


def name_of(folder: Path) -> str:
    """What people call the model of a folder: by the folder's name; what a run trained, by the run's name too."""
    place = folder.absolute()
    return "/".join(place.parts[-3:]) if place.parent.name == "train" else place.name


def save(
    model: Any,
    tokenizer: Any,
    fmt: Format | str,
    folder: Path,
    about: Mapping[str, Any] | ModelCard,
    weights: dict[str, Any] | None = None,
) -> str:
    """The digest of the weights, after writing a Hugging Face folder that appears under its name only when whole.

    Weights are safetensors; the tokenizer carries the format's chat template and end token; an adapter (``PeftModel``)
    is saved as one. ``weights`` are all of them by name, where the model holds only a part. End and pad ids of
    ``model`` and the template of ``tokenizer`` are set. Raises FormatError where
    the template would not give the ids of training, ModelError for a card with unknown keys, OSError where the disk
    does not take it.
    """
    fmt = formats.get(fmt) if isinstance(fmt, str) else fmt
    about = _card(about)
    formats.check_tokenizer(fmt, tokenizer)
    formats.bind(fmt, tokenizer)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with SystemErrors(folder):
        _save_weights(model, tokenizer, part, weights)
        save_tokenizer(tokenizer, part)
    # An adapter's digest covers its base's, which is read from the card: written first without, then with its own.
    known = {**about.model_dump(mode="json"), "format": fmt.name}
    _write_card(part, known)
    known["digest"] = digest(part)
    _write_card(part, known)
    write_atomic(part / "README.md", _readme(about, fmt, known["digest"], about.name or folder.name))
    _replace(part, folder)
    return str(known["digest"])


def _card(about: Mapping[str, Any] | ModelCard) -> ModelCard:
    if isinstance(about, ModelCard):
        return about
    try:
        return ModelCard.model_validate(dict(about))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ModelError(
            f"model card: {'.'.join(map(str, first['loc']))}: {first['msg']}; known: "
            f"{', '.join(ModelCard.model_fields)}"
        ) from None


def quiet(transformers: Any) -> None:
    """Keep transformers from drawing bars of its own among ours ("Loading weights", "Writing model shards")."""
    transformers.utils.logging.disable_progress_bar()


def _save_weights(model: Any, tokenizer: Any, part: Path, weights: dict[str, Any] | None) -> None:
    import transformers
    from transformers import GenerationConfig

    quiet(transformers)

    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if inner is model:  # an adapter leaves its base as it was
        for name, value in ids.items():
            setattr(model.config, name, value)
        model.generation_config = GenerationConfig(bos_token_id=tokenizer.bos_token_id, **ids)
    model.save_pretrained(str(part), **({} if weights is None else {"state_dict": weights}))
    GenerationConfig(bos_token_id=tokenizer.bos_token_id, **ids).save_pretrained(str(part))


def _write_card(part: Path, known: Mapping[str, Any]) -> None:
    write_atomic(part / CARD_FILE, json.dumps(known, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def _readme(about: ModelCard, fmt: Format, digest: str, name: str) -> str:
    """The model card: YAML front matter (values are JSON, which YAML reads), then what a person must know first."""
    front: dict[str, Any] = {
        "language": list(about.languages),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["medical", "huatuo", *(["not-for-use"] if about.not_for_use else [])],
    }
    if about.licence:
        front["license"] = about.licence
    if about.not_for_use:
        front["not_for_use"] = True
    lines = [
        "---",
        *(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in front.items()),
        "---",
        "",
        f"# {name}",
        "",
    ]
    lines += [_NOT_FOR_USE if about.not_for_use else _NO_DEVICE, ""]
    facts = {
        "Recipe": about.title,
        "Chat format": f"`{fmt.name}` ({fmt.source})",
        "Weights": f"digest `{digest}`",
        "Base": " ".join([about.base, f"(digest `{about.base_digest}`)" if about.base_digest else ""]).strip(),
        "Training": f"{about.steps:,} steps, {about.samples:,} samples, {about.tokens:,} tokens, seed {about.seed}"
        if about.trained
        else "none: the weights before training",
    }
    lines += [f"- {key}: {value}" for key, value in facts.items() if value]
    lines += [
        "",
        "`tokenizer.apply_chat_template` gives the token ids of training; with another format answers are worse.",
        "",
    ]
    return "\n".join([*lines, about.notes.strip(), ""]) if about.notes else "\n".join(lines)


def _replace(part: Path, folder: Path) -> None:
    """Make the finished folder appear under its name; an older one is moved away first and removed last."""
    for path in sorted(part.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(part)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
