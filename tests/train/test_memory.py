"""What the plan says of memory is what training takes, for small models of four shapes."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from huatuo import plan_train, run
from huatuo.errors import RecipeError
from huatuo.recipe import LoraSettings, Recipe, RunSettings, TrainSettings
from huatuo.train import memory
from huatuo.train.memory import Load
from huatuo.train.shapes import PRESETS, Shape, from_config, preset, shape_of

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
        ("ALiBi", "all, fp32"),
        ("ALiBi", "all, bf16"),
        ("ALiBi", "all, bf16, recomputed"),
        ("ALiBi", "all, fp32, packed"),
        ("ALiBi", "adapter, bf16"),
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
@pytest.mark.parametrize("way", ["all, fp32", "all, bf16", "all, bf16, recomputed", "adapter, bf16"])
def test_the_mask_of_alibi_in_long_rows(bench: Any, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(bench, "ROWS", 3)
    monkeypatch.setattr(bench, "COLUMNS", 256)
    settings, shape = (
        TrainSettings.model_validate({"base": "b", **bench.WAYS[way]}),
        from_config(bench.CONFIGS["ALiBi"]),
    )
    assert shape is not None
    load = Load(shape, settings, tokens=3 * 256, row=256)
    terms = {term.name: term.bytes for term in memory.memory(load)}
    assert terms["ALiBi mask"] > 0.5 * (terms["ALiBi mask"] + terms["activations"])  # what the bound is about
    there = bench.measured(bench.CONFIGS["ALiBi"], settings)["activations"]
    assert bench.planned(shape, settings)["activations"] == pytest.approx(there, rel=0.2)


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


@pytest.mark.slow
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
    [
        ("LLaMA-7B", 6.738),
        ("LLaMA-2-13B", 13.016),
        ("LLaMA-2-7B", 6.738),
        ("Baichuan2-7B", 7.506),
        ("Baichuan2-13B", 13.897),
        ("Yi-34B", 34.389),
    ],
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
    said = plan_train.train_says(settings, 10_000, 7e5)
    lines = said.splitlines()
    assert lines[0].startswith("about 625 steps of 16 samples, about 700.0 thousand tokens; 13.0 billion parameters")
    assert "needs 4 x 80 GB for full bf16 AdamW" in lines[1]
    assert "1 x 80 GB for LoRA" in lines[1]
    assert "memory of each of 4 GPUs: 5" in lines[2]
    for term in ("13.0 GB weights = 4 P/n: every", "13.0 GB gradients = 4 T/n: a", "26.0 GB AdamW = 8 T/n: two"):
        assert term in said
    assert "P = 13,015,864,320 (all weights), n = 4 (processes, one on each GPU)" in said
    assert "52.1 GB for the first process while it reads" in said
    assert "time: about 2.0 minutes on 4 x 80 GB, 190 milliseconds a step" in said
    assert "(8 layers + 6 x 0.5 V h) operations a token x 700.0 thousand tokens / 1.5e+14 operations" in said
    assert "a second (assumed) / 4 GPUs" in said
    assert "no GPU was measured" in said
    assert all(name in lines[-1] for name in PRESETS)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["bucketed", "packed"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
@pytest.mark.parametrize("lora", [None, LoraSettings(dropout=0.1)])
def test_every_letter_of_a_printed_formula_is_explained_once(
    tmp_path: Path, layout: str, precision: str, optimiser: str, lora: LoraSettings | None
) -> None:
    baichuan = LLAMA_13B | {"model_type": "baichuan", "model_max_length": 4_096}
    (tmp_path / "config.json").write_text(json.dumps(baichuan), encoding="utf-8")
    given = {"precision": precision, "layout": layout, "optimiser": optimiser, "lora": lora}
    for more in ({}, {"device": "cpu"}, {"gradient_checkpointing": True}):
        settings = TrainSettings.model_validate({"base": str(tmp_path), **given, **more})
        said = plan_train.train_says(settings, 10_000, 7e5)
        body = said[said.index("    memory") :]
        terms = re.findall(r"[kMG]B ([\w ]+?) = (.+?): (.+)", body.partition("    time:")[0])
        assert {name for name, *_ in terms} >= {"weights", "gradients", "activations", "ALiBi mask"}
        assert all(says == memory.SAYS[name] for name, _, says in terms)
        used = {letter for _, formula, _ in terms for letter in re.findall(r"(?<!')\b[A-Za-wyz]\b", formula)}
        told = re.findall(r"\b([A-Za-z]+) = [\d,]+ \(", body.partition("    time:")[0])
        assert used <= set(told)
        assert len(told) == len(set(told))
        assert {"layers", "V", "h"} <= set(re.findall(r"(\w+) = [\d,]+ \(", body.partition("    time:")[2]))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"), (999, "999"), (999.6, "1.0 thousand"), (5_600, "5.6 thousand"), (1e6, "1.0 million"),
        (13_015_864_320, "13.0 billion"),
    ],
)  # fmt: skip
def test_amounts_are_said_in_words(number: float, said: str) -> None:
    assert plan_train.amount(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a millisecond"), (0.0042, "4 milliseconds"), (1, "1.0 seconds"), (59.9, "59.9 seconds"),
        (90, "1.5 minutes"), (3_600, "1.0 hours"), (71 * 3_600, "71.0 hours"), (96 * 3_600, "4.0 days"),
    ],
)  # fmt: skip
def test_durations_are_said_in_units_of_their_size(seconds: float, said: str) -> None:
    assert plan_train.duration(seconds) == said


def test_a_tiny_run_is_no_zero_of_anything() -> None:
    said = plan_train.train_says(TrainSettings(), 64, 6_400)
    assert "about 4 steps of 16 samples, about 6.4 thousand tokens; 786.0 thousand parameters" in said
    assert "time: about 1.1 seconds on one CPU core, 285 milliseconds a step" in said
    assert not re.search(r"\b0\.0+\b", said)
    assert all(f"{name} " in said.splitlines()[-1] for name in PRESETS)


@pytest.mark.parametrize(
    ("changes", "steps", "samples", "tokens"),
    [
        ({}, 625, 10_000, 700_000),
        ({"steps": 3}, 3, 48, 3_360),
        ({"steps": 700}, 625, 10_000, 700_000),
        ({"tokens": 5_000}, 5, 80, 5_600),
        ({"tokens": 5_000, "steps": 2}, 2, 32, 2_240),
        ({"step_tokens": 7_000}, 100, 10_000, 700_000),
        ({"step_tokens": 7_000, "steps": 3}, 3, 300, 21_000),
        ({"step_tokens": 50}, 10_000, 10_000, 700_000),
        ({"layout": "packed", "steps": 3}, 3, 48, 3_360),
    ],
)
def test_steps_and_tokens_end_what_is_planned(changes: dict[str, Any], steps: int, samples: int, tokens: float) -> None:
    done = plan_train.work(TrainSettings.model_validate(changes), 10_000, 7e5)
    assert (done.steps, done.samples, done.tokens) == (steps, samples, pytest.approx(tokens))
    assert plan_train.work(TrainSettings.model_validate(changes), 0, 0.0).steps == 0


def test_processes_without_work_make_nothing_faster() -> None:
    settings = TrainSettings(base="Yi-34B", precision="bf16", gradient_checkpointing=True, batch_samples=8)
    said = plan_train.train_says(settings, 8_000, 8e5)
    assert "needs 10 x 80 GB" in said
    assert "of 10 processes only 8 would have work: a step has train.batch_samples = 8 samples" in said
    assert "(assumed) / 8 GPUs" in said
    times = re.search(r"time on 1, 2, 4, 8, 16, 32, 64 GPUs, memory aside: (.+)", said)
    assert times is not None
    hours = times[1].split(", ")
    assert hours[3] == hours[4] == hours[5] == hours[6] != hours[2]
    enough = plan_train.train_says(settings.model_copy(update={"batch_samples": 64}), 8_000, 8e5)
    assert "would have work" not in enough
    assert "(assumed) / 10 GPUs" in enough
    of_tokens = settings.model_copy(update={"batch_samples": 0, "step_tokens": 450})
    assert "of 10 processes only 4 would have work: a step has train.step_tokens = 450 tokens, about 4" in (
        plan_train.train_says(of_tokens, 8_000, 8e5)
    )


@pytest.mark.parametrize("name", [*PRESETS, "yi-34b", "BAICHUAN2-13b"])
def test_a_shape_can_be_asked_for_by_name(name: str) -> None:
    found = run.with_shape(Recipe(run=RunSettings(name="r"), train=TrainSettings(device="cpu")), name).train
    assert shape_of(found) == PRESETS[preset(name)]
    said = plan_train.train_says(found, 1_000, 1e5)
    assert "on each of 1, 2, 4, 8, 16, 32, 64 GPUs" in said
    assert "other bases" in said


def test_an_unknown_shape_is_refused_by_name() -> None:
    with pytest.raises(RecipeError, match=r"no shape 'yi' \(known: LLaMA-7B, .*Yi-34B\)"):
        preset("yi")


def test_a_folder_of_a_shapes_name_counts_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Yi-34B").mkdir()
    (tmp_path / "Yi-34B" / "config.json").write_text(json.dumps(LLAMA_13B), encoding="utf-8")
    assert shape_of(TrainSettings(base="Yi-34B")) == from_config(LLAMA_13B)


def test_positions_as_a_mask_are_seen_in_the_config() -> None:
    raw = LLAMA_13B | {"model_type": "baichuan", "model_max_length": 4_096}
    found, rotary = from_config(raw), from_config(raw | {"max_position_embeddings": 4_096})
    assert found is not None
    assert rotary is not None
    assert (found.alibi, rotary.alibi) == (True, False)
    assert PRESETS["Baichuan2-13B"].alibi
    settings = TrainSettings(base="b", window=2_048, batch_tokens=4_096)
    masks = {term.name: term for term in memory.memory(Load(found, settings))}
    assert masks["ALiBi mask"].bytes == 4 * 40 * 4_096 * 2_048
    assert masks["ALiBi mask"].formula == "4 a N W"


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
