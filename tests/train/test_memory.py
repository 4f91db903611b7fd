"""What the plan says of memory is what training takes, for small models of three shapes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from huatuo import plan_train
from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.train import memory
from huatuo.train.memory import Load
from huatuo.train.shapes import PRESETS, Shape, from_config, shape_of

BENCH = Path(__file__).parents[2] / "bench"
LLAMA_13B = {
    "model_type": "llama",
    "hidden_size": 5_120,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "intermediate_size": 13_824,
    "vocab_size": 32_000,
}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("training_memory")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "way"),
    [
        ("wide, shared keys", "all, fp32"),
        ("wide, shared keys", "all, fp32, packed"),
        ("wide, shared keys", "adapter, bf16, recomputed"),
        ("deep", "all, bf16"),
        ("deep", "all, fp32, recomputed"),
        ("deep", "adapter, fp32"),
        ("large vocabulary", "all, fp32, Muon"),
        ("large vocabulary", "all, bf16, recomputed"),
        ("large vocabulary", "adapter, bf16"),
    ],
)
def test_planned_memory_is_near_what_tensors_take(bench: Any, model: str, way: str) -> None:
    settings = TrainSettings.model_validate({"base": "b", **bench.WAYS[way]})
    shape = from_config(bench.CONFIGS[model])
    assert shape is not None
    there, said = bench.measured(bench.CONFIGS[model], settings), bench.planned(shape, settings)
    for part in ("weights", "gradients", "optimiser"):
        assert said[part] == pytest.approx(there[part], rel=0.1), part
    assert said["activations"] == pytest.approx(there["activations"], rel=0.2)


@pytest.mark.slow
def test_muons_update_of_a_model_that_keeps_little(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ROWS", 1)
    monkeypatch.setattr(bench, "COLUMNS", 8)
    config = bench.CONFIGS["deep"]
    settings, shape = TrainSettings(base="b", optimiser="muon"), from_config(config)
    assert shape is not None
    assert "update" in {term.name for term in memory.memory(Load(shape, settings, tokens=8, learned=4))}
    there = bench.measured(config, settings)["activations"]
    assert bench.planned(shape, settings)["activations"] == pytest.approx(there, rel=0.2)


@pytest.mark.parametrize(
    "lora", [None, LoraSettings(r=4), LoraSettings(r=4, variant="dora"), LoraSettings(targets=("o_proj", "down_proj"))]
)
def test_weights_are_counted_one_by_one(bench: Any, lora: LoraSettings | None) -> None:
    for config in bench.CONFIGS.values():
        settings, shape = TrainSettings(base="b", lora=lora), from_config(config)
        assert shape is not None
        model = bench.built(config, settings)
        assert Load(shape, settings).trained == sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert shape.parameters + Load(shape, settings).adapter == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "billions"),
    [("LLaMA-2-7B", 6.738), ("Baichuan2-7B", 7.506), ("Baichuan2-13B", 13.897), ("Yi-34B", 34.389)],
)
def test_presets_have_the_published_number_of_weights(name: str, billions: float) -> None:
    assert PRESETS[name].parameters / 1e9 == pytest.approx(billions, abs=0.001)


def test_configs_of_other_spellings() -> None:
    glm = {
        "num_layers": 28,
        "hidden_size": 4_096,
        "num_attention_heads": 32,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "kv_channels": 128,
        "ffn_hidden_size": 13_696,
        "padded_vocab_size": 65_024,
    }
    found = from_config(glm)
    assert found == Shape(4_096, 28, 32, 2, 128, 13_696, 65_024)
    bloom = from_config({"n_layer": 30, "n_head": 32, "hidden_size": 4_096, "vocab_size": 250_880})
    assert bloom is not None
    assert (bloom.tied, bloom.gated, bloom.feed_forward) == (True, False, 16_384)
    assert bloom.parameters / 1e9 == pytest.approx(7.07, abs=0.01)
    assert from_config({"hidden_size": 8}) is None


@pytest.mark.parametrize("content", ["", "[]", "{broken", '{"hidden_size": 64}'])
def test_a_config_that_says_nothing_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    settings = TrainSettings(base=str(tmp_path))
    assert shape_of(settings) is None
    assert "need the base's config.json" in plan_train.train_says(settings, 100, 1e4)


def test_more_gpus_hold_less_each_and_activations_stay() -> None:
    settings = TrainSettings(base="b", precision="bf16")
    for shape in PRESETS.values():
        sizes = [memory.total(memory.memory(Load(shape, settings, n))) for n in range(2, 65)]
        assert sizes == sorted(sizes, reverse=True)
        last = {term.name: term.bytes for term in memory.memory(Load(shape, settings, 64))}
        first = {term.name: term.bytes for term in memory.memory(Load(shape, settings, 2))}
        assert last["activations"] == first["activations"]
        assert last["weights"] == first["weights"] / 32


def test_an_adapter_and_recomputing_need_less() -> None:
    full = TrainSettings(base="b", precision="bf16", batch_tokens=4_096)
    for shape in PRESETS.values():
        plain = memory.total(memory.memory(Load(shape, full)))
        again = memory.total(memory.memory(Load(shape, full.model_copy(update={"gradient_checkpointing": True}))))
        adapter = memory.total(memory.memory(Load(shape, full.model_copy(update={"lora": LoraSettings()}))))
        assert again < plain
        assert adapter < 0.6 * plain


def test_the_fewest_gpus_are_the_fewest() -> None:
    settings = TrainSettings(base="b", precision="bf16")
    room = memory.USABLE * memory.GPU_BYTES
    for shape in PRESETS.values():
        count = memory.fewest(shape, settings)
        assert count is not None
        assert memory.total(memory.memory(Load(shape, settings, count))) <= room
        assert count == 1 or memory.total(memory.memory(Load(shape, settings, count - 1))) > room
    assert memory.fewest(PRESETS["Yi-34B"], settings, gpu_bytes=1e9) is None


def test_the_plan_of_a_base_says_gpus_terms_and_time(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_13B), encoding="utf-8")
    settings = TrainSettings(base=str(tmp_path), precision="bf16", gradient_checkpointing=True)
    lines = plan_train.train_says(settings, 10_000, 7e5).splitlines()
    assert lines[0].startswith("about 625 steps of 16 samples, about 0.7 M tokens; 13,015.9 M parameters")
    assert "needs 4 x 80 GB for full bf16 AdamW" in lines[1]
    assert "1 x 80 GB for LoRA" in lines[1]
    assert "weights 13.0 (4 P/n) + gradients 13.0 (4 T/n) + AdamW 26.0 (8 T/n) + gathered" in lines[2]
    assert "52.1 GB for the first process while it reads" in lines[5]
    assert "(8 P_layers + 6 x 0.5 V h) x tokens / 1.5e+14 FLOP/s (assumed) / 4; no GPU was measured" in lines[6]
    assert all(name in lines[7] for name in PRESETS)


def test_time_is_what_its_formula_gives() -> None:
    shape = PRESETS["LLaMA-2-7B"]
    body, head = 32 * (4 * 4_096**2 + 3 * 4_096 * 11_008), 32_000 * 4_096 / 2
    assert memory.flops_per_token(shape, TrainSettings(base="b"))[0] == 6 * body + 6 * head
    frozen = TrainSettings(base="b", lora=LoraSettings(), gradient_checkpointing=True)
    assert memory.flops_per_token(shape, frozen)[0] == 6 * body + 4 * head


def test_the_guides_table_is_what_the_plan_says() -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/training.md").read_text(encoding="utf-8")
    settings = TrainSettings(base="b", precision="bf16", gradient_checkpointing=True, batch_tokens=4_096)
    for name, shape in PRESETS.items():
        adapter = memory.fewest(shape, settings.model_copy(update={"lora": LoraSettings()}))
        row = f"| {name} | {memory.fewest(shape, settings)} | {adapter} | {shape.layers}, {shape.hidden:,}, {shape.vocabulary:,} |"
        assert row in guide
