"""An adapter over a base in 4 bits: it learns, the base stays as it was, and it comes back over the base in full."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from train_makers import Stages, made_pairs

from huatuo import store
from huatuo.errors import MissingExtraError, ModelError, TrainingError
from huatuo.models import load as models
from huatuo.models import scratch, tokenizers
from huatuo.recipe import LoraSettings, ScratchSettings, TrainSettings
from huatuo.records_trained import StepLog
from huatuo.train import memory, setup
from huatuo.train.ranks import Ranks
from huatuo.train.shapes import PRESETS

Make = Callable[..., TrainSettings]
SHAPE = ScratchSettings(hidden=64, layers=2, heads=2, feed_forward=128)
HAS_BITSANDBYTES = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="huatuo[qlora] is not installed")


def make_base(stages: Stages) -> Path:
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids = {"eos_id": tokenizer.eos_token_id, "pad_id": tokenizer.pad_token_id}
    models.save(
        scratch.build(SHAPE, len(tokenizer), **ids, seed=9, window=64), tokenizer, "huatuo2", stages.root / "b", {}
    )
    return stages.root / "b"


def four_bit(base: Path, **changes: object) -> dict[str, object]:
    lora = {"r": 4, "dropout": 0.0, "base_weights": "nf4"} | changes
    return {"base": str(base), "lora": LoraSettings.model_validate(lora)}


@HAS_BITSANDBYTES
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_adapter_over_four_bits_learns_and_comes_back(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(300), settings())
    base = make_base(stages)
    before = models.digest(base)
    folder = stages.train(settings(**four_bit(base), learning_rate=1e-2))
    rows = list(store.read(folder, "steps", StepLog))
    assert rows[-1].loss < rows[0].loss - 0.2
    assert all(row.gradient_norm > 0 for row in rows)  # the validation loss before the first step leaves them alone
    figures = store.read_manifest(folder).figures
    full = sum(p.numel() for p in models.load(base).model.parameters())
    assert figures["parameters"] == full + figures["trainable_parameters"]
    assert models.digest(base) == before == models.card(folder / "model")["base_digest"]
    again = models.load(folder / "model").model
    pairs = dict(models.load(base).model.state_dict())
    kept = {k.replace("base_model.model.", "").replace(".base_layer", ""): v for k, v in again.state_dict().items()}
    assert all(torch.equal(kept[name], value) for name, value in pairs.items() if name in kept)
    assert any("lora_B" in name and value.abs().sum() > 0 for name, value in kept.items())


@HAS_BITSANDBYTES
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_matrices_of_the_layers_are_in_four_bits(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(60), settings())
    model = models.load(make_base(stages), "nf4").model
    matrix = model.model.layers[0].mlp.up_proj.weight
    assert (matrix.dtype, matrix.numel()) == (torch.uint8, 64 * 128 // 2)
    assert model.get_input_embeddings().weight.dtype == torch.float32


def test_without_the_package_the_extra_is_named(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages.prepare(made_pairs(60), settings())
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingExtraError, match=r"bitsandbytes.*huatuo\[qlora\]"):
        models.load(make_base(stages), "nf4")


def test_what_cannot_be_in_four_bits_is_refused(stages: Stages, settings: Make, tmp_path: Path) -> None:
    chosen = settings(**four_bit(tmp_path))
    with pytest.raises(TrainingError, match="2 processes; next: start one"):
        setup._precision(chosen, Ranks(0, 2))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(TrainingError, match="is an adapter, which 4 bits cannot take up"):
        setup._precision(chosen, Ranks())
    if find_spec("bitsandbytes") is not None:
        with pytest.raises(ModelError, match="code of its own"):
            models._check_four_bit(tmp_path, True)


def test_the_plan_counts_half_a_byte_for_a_weight_in_four_bits() -> None:
    chosen = TrainSettings(base="b", lora=LoraSettings(base_weights="nf4"))
    load = memory.Load(PRESETS["LLaMA-2-7B"], chosen)
    weights = next(term.bytes for term in memory.memory(load) if term.name == "weights")
    matrices = 32 * (4 * 4_096**2 + 3 * 4_096 * 11_008)
    rest = 2 * 32_000 * 4_096 + 65 * 4_096 + 32 * 2 * 8 * (4_096 + 4_096)  # both ends, norms, the adapter
    assert weights == pytest.approx(0.516 * matrices + 4 * rest)
