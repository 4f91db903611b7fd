from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertForMaskedLM

from huatuo.errors import FormatError, ModelError
from huatuo.models import formats, scratch
from huatuo.models.load import card, digest, load, save
from huatuo.recipe import ScratchSettings
from model_makers import byte_level, characters, model_of, talk


def checkpoint(folder: Path, kind: str = "llama", **about: Any) -> Path:
    tokenizer = characters(folder.parent / f"{folder.name}-tokenizer")
    save(model_of(kind, len(tokenizer)), tokenizer, "huatuo2", folder, {"title": "试验", **about})
    return folder


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_saved_and_loaded_is_the_same_model(tmp_path: Path, kind: str) -> None:
    tokenizer = characters(tmp_path / "t")
    model = model_of(kind, len(tokenizer))
    said = save(model, tokenizer, formats.get("huatuo2"), tmp_path / "m", {})
    loaded = load(tmp_path / "m")
    assert (loaded.format, loaded.digest, loaded.name) == ("huatuo2", said, "m")
    assert said == digest(tmp_path / "m") == card(tmp_path / "m")["digest"]
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight), name
    assert load(tmp_path / "m", "bf16").model.dtype == torch.bfloat16


def test_a_saved_model_works_with_transformers_alone(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "头痛怎么办"}], add_generation_prompt=True)
    assert ids["input_ids"] == formats.encode_prompt(formats.get("huatuo2"), talk("头痛怎么办"), load(folder).tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_chatml_end_token_is_saved_as_the_end(tmp_path: Path) -> None:
    tokenizer = byte_level(tmp_path / "t")
    save(model_of("qwen3", len(tokenizer)), tokenizer, "chatml", tmp_path / "m", {})
    end = AutoTokenizer.from_pretrained(tmp_path / "m").convert_tokens_to_ids("<|im_end|>")
    assert json.loads((tmp_path / "m" / "generation_config.json").read_text())["eos_token_id"] == end
    assert load(tmp_path / "m").tokenizer.eos_token == "<|im_end|>"


def test_card_says_what_it_is(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", not_for_use=True, seed=7, notes="## 数据", steps=1200)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("---\n")
    assert "not_for_use: true" in readme.split("---")[1]
    assert "不得使用" in readme
    assert "huatuo2" in readme
    assert "1,200 steps" in readme
    assert "## 数据" in readme
    assert card(folder)["not_for_use"] is True
    plain = (checkpoint(tmp_path / "n") / "README.md").read_text(encoding="utf-8")
    assert "not_for_use" not in plain
    assert "Not a medical device" in plain
    with pytest.raises(ModelError, match="model card: colour: Extra inputs are not permitted; known: title"):
        checkpoint(tmp_path / "o", colour="red")


def test_saving_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    (folder / "stale.txt").write_text("old")
    checkpoint(folder)
    assert not (folder / "stale.txt").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".m.")]


def test_a_model_that_cannot_be_saved_leaves_the_old_one(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    before = digest(folder)
    tokenizer = characters(tmp_path / "t")
    tokenizer.eos_token = None
    with pytest.raises(FormatError, match="no end token"):
        save(model_of("llama", len(tokenizer)), tokenizer, "huatuo2", folder, {})
    assert digest(folder) == before


def test_digest_changes_with_a_weight_and_not_with_the_card(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    before = digest(folder)
    (folder / "README.md").write_text("another")
    assert digest(folder) == before
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert digest(folder) != before


# ---------------------------------------------------------------- refusals


def test_no_folder_no_config_no_tokenizer_no_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such folder.*nothing is downloaded"):
        load(tmp_path / "Qwen" / "Qwen3-0.6B")
    folder = checkpoint(tmp_path / "m")
    (folder / "model.safetensors").rename(tmp_path / "w")
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load(folder)
    (tmp_path / "w").rename(folder / "model.safetensors")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        load(folder)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    load(folder).model.save_pretrained(folder, max_shard_size="10KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    (folder / "model.safetensors").unlink()
    assert len(shards) > 1
    assert load(folder).digest == digest(folder)
    shards[1].unlink()
    with pytest.raises(ModelError, match=f"shard {shards[1].name} is missing"):
        load(folder)


def test_pickled_weights_are_refused_unless_asked(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    torch.save(load(folder).model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is pickled"):
        load(folder)
    assert load(folder, allow_pickle=True).format == "huatuo2"


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    folder = checkpoint(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="pickled"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_not_a_causal_model(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    bert = BertForMaskedLM(BertConfig(vocab_size=500, hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    bert.save_pretrained(folder)
    with pytest.raises(ModelError, match="BertForMaskedLM is not a causal language model"):
        load(folder)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("mystery", "not known to transformers"),
    ],
)
def test_models_with_code_of_their_own(tmp_path: Path, kind: str, words: str) -> None:
    folder = checkpoint(tmp_path / "m")
    edit(folder / "config.json", model_type=kind, auto_map={"AutoConfig": "code.Config"})
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match=words):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_shape_or_missing_or_damaged(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    shutil.copytree(folder, tmp_path / "n")
    edit(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(ModelError, match=r"weights are missing or of another shape|cannot be loaded"):
        load(folder)
    edit(folder / "config.json", num_hidden_layers=2, intermediate_size=48)
    with pytest.raises(ModelError, match=r"weights are missing or of another shape|cannot be loaded"):
        load(folder)
    weights = tmp_path / "n" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="weights cannot be loaded"):
        load(tmp_path / "n")


def test_a_vocabulary_larger_than_the_embedding(tmp_path: Path) -> None:
    tokenizer = characters(tmp_path / "t")
    save(model_of("llama", len(tokenizer) - 5), tokenizer, "huatuo2", tmp_path / "m", {})
    with pytest.raises(ModelError, match=f"ids up to {len(tokenizer) - 1}, the embedding {len(tokenizer) - 5} rows"):
        load(tmp_path / "m")


def test_a_damaged_card_and_an_unknown_format(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    edit(folder / "huatuo.json", format="huatuo3")
    with pytest.raises(FormatError, match="did you mean 'huatuo2'"):
        load(folder)
    (folder / "huatuo.json").write_text("[]")
    with pytest.raises(ModelError, match="expected a JSON object"):
        load(folder)
    (folder / "huatuo.json").unlink()
    assert load(folder).format == ""


# ---------------------------------------------------------------- adapters


def adapter(tmp_path: Path) -> Path:
    """An adapter with weights that matter, over tmp_path/base."""
    base = load(checkpoint(tmp_path / "base"))
    torch.manual_seed(0)
    model = get_peft_model(base.model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    about = {"base_folder": "../base", "base_digest": base.digest}
    save(model.eval(), base.tokenizer, "huatuo2", tmp_path / "adapter", about)
    return tmp_path / "adapter"


@pytest.mark.slow
def test_an_adapter_comes_back_with_its_base(tmp_path: Path) -> None:
    folder = adapter(tmp_path)
    loaded, base = load(folder), load(tmp_path / "base")
    ids = torch.tensor([[5, 6, 7, 8]])
    assert not torch.allclose(loaded.model(ids).logits, base.model(ids).logits)
    assert loaded.digest not in {base.digest, ""}
    assert loaded.format == "huatuo2"
    assert not (folder / "model.safetensors").exists()


def test_an_adapter_moves_with_its_base(tmp_path: Path) -> None:
    folder = adapter(tmp_path)
    before = load(folder).digest
    (tmp_path / "moved").mkdir()
    folder.rename(tmp_path / "moved" / "adapter")
    (tmp_path / "base").rename(tmp_path / "moved" / "base")
    assert load(tmp_path / "moved" / "adapter").digest == before


def test_an_adapter_refuses_another_base(tmp_path: Path) -> None:
    folder = adapter(tmp_path)
    tokenizer = characters(tmp_path / "t")
    other = scratch.build(
        ScratchSettings(hidden=32, heads=4, feed_forward=64), len(tokenizer), eos_id=1, pad_id=0, seed=3, window=256
    )
    save(other, tokenizer, "huatuo2", tmp_path / "other", {})
    with pytest.raises(ModelError, match="trained on a base with digest"):
        load(folder, base=tmp_path / "other")
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(ModelError, match="the base of this adapter is not at"):
        load(folder)


# ---------------------------------------------------------------- scratch


def test_scratch_is_the_same_for_the_same_seed_and_leaves_random_state_alone() -> None:
    def made(seed: int) -> Any:
        return scratch.build(ScratchSettings(), 1052, eos_id=1, pad_id=0, seed=seed, window=64)

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = made(1)
    assert torch.equal(torch.rand(3), expected)
    two, three = made(1), made(2)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert not torch.equal(one.lm_head.weight, three.lm_head.weight)
    assert one.lm_head.weight is one.get_input_embeddings().weight
    assert 530_000 < one.num_parameters() < 560_000
    assert one.config.max_position_embeddings == 64


def test_scratch_refuses_heads_that_do_not_divide() -> None:
    with pytest.raises(ValidationError, match=r"hidden = 128 must be a multiple of 2 x heads = 10"):
        ScratchSettings(heads=5)
