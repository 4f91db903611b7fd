"""The model to train: built or loaded, with an adapter where asked, and the layout it can be trained with."""

from __future__ import annotations

import logging
import math
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from huatuo.errors import TrainingError, require
from huatuo.models import load as models
from huatuo.models import scratch, tokenizers
from huatuo.models.save import name_of
from huatuo.recipe import LoraSettings, RunSettings, TrainSettings
from huatuo.train.forward import packing_isolates
from huatuo.train.pack import Integers
from huatuo.train.ranks import Ranks
from huatuo.train.samples import Samples
from huatuo.train.tokenise import TOKENIZER

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready:
    """A model that can be trained."""

    model: nn.Module
    """The model, with its adapter."""
    tokenizer: Any
    """Its tokenizer."""
    card: dict[str, Any] = field(default_factory=dict)
    """What its card says of its base."""


def ready_to_train(
    settings: TrainSettings,
    run: RunSettings,
    tokens: Path,
    folder: Path,
    data: Samples,
    places: Integers,
    ranks: Ranks,
) -> tuple[Ready, str]:
    """The model to train and the layout for it, at every process; only the first has the weights' numbers.

    Raises, at all of them, ModelError for a base that cannot be used, TrainingError for an adapter that does not fit.
    """

    def made() -> tuple[Ready, str]:
        ready = ready_model(settings, run, tokens, folder, ranks)
        return ready, usable_layout(settings, ready.model, data, places)

    ready, layout = ranks.from_first(made)
    if settings.gradient_checkpointing:
        recompute_activations(ready.model)
    return ready, layout


def ready_model(settings: TrainSettings, run: RunSettings, tokens: Path, folder: Path, ranks: Ranks) -> Ready:
    """The model to train and its tokenizer, read or made by this process, the first of ``ranks``; an untrained one from
    scratch is saved to ``base/``.

    Raises ModelError for a base that cannot be used, TrainingError for an adapter that does not fit it.
    """
    card: dict[str, Any] = {"title": run.title or run.name, "not_for_use": run.demonstration, "seed": run.seed}
    model: nn.Module
    if settings.base == "scratch":
        card["base"] = "scratch"
        tokenizer = tokenizers.load_tokenizer(tokens / TOKENIZER)
        model = scratch.build(
            settings.scratch,
            vocab_size=len(tokenizer),
            eos_id=tokenizer.eos_token_id,
            pad_id=tokenizer.pad_token_id,
            seed=run.seed,
            window=settings.window,
        )
        shutil.rmtree(folder / "base", ignore_errors=True)
        models.save(model, tokenizer, settings.format, folder / "base", {**card, "trained": False})
    else:
        loaded = models.load(Path(settings.base), _precision(settings, ranks), allow_pickle=settings.allow_pickle)
        model, tokenizer = models.merged(loaded.model), loaded.tokenizer
        card |= {"base": name_of(Path(settings.base)), "base_digest": loaded.digest, "notes": loaded.note}
        if loaded.note:
            log.warning("%s: %s", settings.base, loaded.note)
        if loaded.format not in ("", settings.format):
            log.warning(
                "train.format = %r, but %s was trained with %r: it has to learn the new one first",
                settings.format,
                settings.base,
                loaded.format,
            )
    if settings.lora is not None:
        card["base_folder"] = os.path.relpath(settings.base, folder / "model")
        model = with_adapter(settings, model)
    return Ready(model, tokenizer, card)


def _precision(settings: TrainSettings, ranks: Ranks) -> models.Precision:
    """How the base's weights are held. Raises TrainingError for 4 bits where they cannot be."""
    if settings.lora is None or settings.lora.base_weights == "fp32":
        return "fp32"
    if ranks.size > 1:
        raise TrainingError(
            f"[train.lora] base_weights = 'nf4': 4 bits are not split among {ranks.size} processes; next: start one "
            "process, or set base_weights = 'fp32'"
        )
    if (Path(settings.base) / "adapter_config.json").exists():
        raise TrainingError(
            f"[train.lora] base_weights = 'nf4': {settings.base} is an adapter, which 4 bits cannot take up; next: "
            "name its base, or set base_weights = 'fp32'"
        )
    return "nf4"


def sizes(model: nn.Module) -> dict[str, float | None]:
    """Parameters of a model, all and those that are trained, as figures of a run."""
    parameters = list(model.parameters())
    return {
        "parameters": float(sum(map(_weights_in, parameters))),
        "trainable_parameters": float(sum(p.numel() for p in parameters if p.requires_grad)),
    }


def _weights_in(parameter: nn.Parameter) -> int:
    """Weights that a parameter stands for: in 4 bits two share a byte, and it knows the shape of the whole."""
    state = getattr(parameter, "quant_state", None)
    return math.prod(state.shape) if state is not None else parameter.numel()


def recompute_activations(model: Any) -> None:
    """Keep each layer's input only, and compute what is inside again in the backward pass."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=how)
    else:  # its name in earlier versions of transformers 5
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)
    if hasattr(model, "enable_input_require_grads"):
        model.enable_input_require_grads()  # behind frozen embeddings nothing would reach the adapter


def with_adapter(settings: TrainSettings, model: nn.Module) -> nn.Module:
    """The model with a low-rank adapter on ``settings.lora.targets``, everything else frozen.

    Raises TrainingError, listing the base's linear modules, for a target that is not there.
    """
    peft = require("peft", "train")
    lora = settings.lora or LoraSettings()
    names = {name.split(".")[-1] for name, _ in model.named_modules() if name}
    absent = [target for target in lora.targets if target not in names]
    if absent:
        linear = sorted({n.split(".")[-1] for n, m in model.named_modules() if isinstance(m, nn.Linear)})
        raise TrainingError(
            f"[train.lora] targets: the base has no module named {', '.join(map(repr, absent))}; "
            f"its linear modules: {', '.join(linear)}; next: choose among these"
        )
    config = peft.LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        bias="none",
        task_type="CAUSAL_LM",
        use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora",
    )
    # peft would record the base's absolute path, which ties the adapter to one machine; its card says the place,
    # relative to the adapter.
    model.name_or_path = ""  # type: ignore[assignment]
    with models.by_peft():
        adapted: nn.Module = peft.get_peft_model(model, config)
    return adapted


def usable_layout(settings: TrainSettings, model: nn.Module, data: Samples, places: Integers) -> str:
    """The layout to train with: ``bucketed`` where the model would mix the samples of a packed row."""
    if settings.layout == "packed" and len(places) > 1:
        probe = [np.array(data.ids(sample)) for sample in dict.fromkeys(places[:4].tolist())]
        if not packing_isolates(model, probe):
            log.warning(
                "train.layout = 'packed': samples of one row are not kept apart by %s; trained with 'bucketed' instead",
                type(model).__name__,
            )
            return "bucketed"
    return settings.layout
