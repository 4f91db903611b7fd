from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import originals_reference as reference
import pytest
import torch
from safetensors.torch import load_file, save_file

from huatuo.errors import ModelError
from huatuo.models.alibi import alibi_mask, slopes
from huatuo.models.load import load
from huatuo.models.save import save
from model_makers import sentencepiece_files

VOCABULARY = 700
IDS = [(7 * n * n + 3 * n) % 600 + 3 for n in range(23)]

RELEASES = {
    "baichuan2-7b": ("LlamaForCausalLM", dict(alibi=False)),
    "baichuan-7b": ("LlamaForCausalLM", dict(alibi=False, second=False)),
    "baichuan2-13b": ("BaichuanForCausalLM", dict(alibi=True)),
    "baichuan-13b": ("BaichuanForCausalLM", dict(alibi=True, second=False)),
    "chatglm2": ("GlmForCausalLM", {}),
}


def release(name: str, folder: Path) -> reference.State:
    options: dict[str, Any] = RELEASES[name][1]
    tokenizer_files(folder, "ChatGLMTokenizer" if name == "chatglm2" else "BaichuanTokenizer")
    if name == "chatglm2":
        return reference.chatglm(folder, VOCABULARY)
    return reference.baichuan(folder, vocabulary=VOCABULARY, **options)


def tokenizer_files(folder: Path, kind: str) -> None:
    """Only what a release has: tokenizer.model, and a config that names code of its own."""
    sentencepiece_files(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config |= {"tokenizer_class": kind, "auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}
    config["eos_token"] = {"content": "</s>", "lstrip": False}
    path.write_text(json.dumps(config))


def expected(name: str, state: reference.State, ids: list[int]) -> torch.Tensor:
    if name == "chatglm2":
        return reference.chatglm_logits(state, ids)
    options: dict[str, Any] = RELEASES[name][1]
    return reference.baichuan_logits(state, ids, options["alibi"], options.get("second", True))


@torch.no_grad()
def logits(model: Any, ids: list[int], **more: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=torch.tensor([ids]), **more).logits[0]
    return found


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_the_logits_of_the_released_model(tmp_path: Path, name: str) -> None:
    state = release(name, tmp_path / name)
    loaded = load(tmp_path / name)
    assert type(loaded.model).__name__ == RELEASES[name][0]
    assert (logits(loaded.model, IDS) - expected(name, state, IDS)).abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASES)
def test_what_it_writes_step_by_step_is_what_the_release_would_write(tmp_path: Path, name: str) -> None:
    state = release(name, tmp_path / name)
    model = load(tmp_path / name).model
    written = model.generate(
        torch.tensor([IDS]), max_new_tokens=10, do_sample=False, pad_token_id=0, eos_token_id=VOCABULARY - 1
    )[0].tolist()
    wanted = list(IDS)
    for _ in range(10):
        wanted.append(int(expected(name, state, wanted)[-1].argmax()))
    assert written == wanted


@pytest.mark.parametrize("name", RELEASES)
def test_padding_on_the_left_changes_nothing(tmp_path: Path, name: str) -> None:
    state = release(name, tmp_path / name)
    model = load(tmp_path / name).model
    padded = torch.tensor([[0] * 5 + IDS, IDS + IDS[:5]])
    mask = torch.ones_like(padded)
    mask[0, :5] = 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        found = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits[0, 5:]
    assert (found - expected(name, state, IDS)).abs().max() < 1e-4


@pytest.mark.parametrize("name", RELEASES)
def test_samples_of_one_packed_row_do_not_see_each_other(tmp_path: Path, name: str) -> None:
    state = release(name, tmp_path / name)
    model = load(tmp_path / name).model
    first, second = IDS[:9], IDS[9:]
    positions = torch.tensor([[*range(len(first)), *range(len(second))]])
    found = logits(model, IDS, position_ids=positions, use_cache=False)
    wanted = torch.cat([expected(name, state, first), expected(name, state, second)])
    assert (found - wanted).abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASES)
def test_trained_saved_and_loaded_again_it_is_the_same(tmp_path: Path, name: str) -> None:
    release(name, tmp_path / name)
    loaded = load(tmp_path / name)
    model = loaded.model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    ids = torch.tensor([IDS])
    losses = []
    for _ in range(3):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    model.eval()
    save(model, loaded.tokenizer, "huatuo2", tmp_path / "trained", {"title": "t"})
    again = load(tmp_path / "trained")
    assert type(again.model) is type(model)
    assert (logits(again.model, IDS) - logits(model, IDS)).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["baichuan2-13b", "baichuan-13b"])
def test_alibi_is_saved_in_baichuans_layout_and_never_as_a_llama(tmp_path: Path, name: str) -> None:
    state = release(name, tmp_path / name)
    loaded = load(tmp_path / name)
    save(loaded.model, loaded.tokenizer, "huatuo2", tmp_path / "saved", {"title": "t"})
    raw = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert raw["model_type"] == "baichuan"
    assert "max_position_embeddings" not in raw
    assert ("z_loss_weight" in raw) == (name == "baichuan2-13b")
    written = load_file(tmp_path / "saved" / "model.safetensors")
    assert sorted(written) == sorted(state)
    assert all(torch.equal(written[key], state[key]) for key in state)
    assert "ALiBi" in loaded.note


@pytest.mark.parametrize("heads", [1, 2, 4, 8, 12, 32, 40, 52])
def test_slopes_are_those_of_the_paper_between_powers_of_two_as_well(heads: int) -> None:
    assert slopes(heads).tolist() == pytest.approx(reference.alibi_slopes(heads), rel=1e-6)
    if heads == 40:  # the releases' heads: 32 of 2^(-k/4), then every second one of 64
        assert slopes(heads)[[0, 3, 31, 32, 33, 39]].tolist() == pytest.approx(
            [2**-0.25, 0.5, 2**-8, 2**-0.125, 2**-0.375, 2**-1.875], rel=1e-6
        )


def test_the_mask_lies_where_the_model_computes() -> None:
    there = torch.device("meta")
    samples = torch.ones((2, 7), dtype=torch.long, device=there)
    for attention, of in ((None, samples), (samples, None), (None, None)):
        assert alibi_mask(40, 3, 7, attention, of, torch.bfloat16, there).device == there


@torch.no_grad()
def test_alibi_gathered_from_several_processes_is_saved_and_not_this_ones_part(tmp_path: Path) -> None:
    state = release("baichuan2-13b", tmp_path / "m")
    model = load(tmp_path / "m").model
    gathered = {name: value + 1 for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path / "saved", state_dict=gathered)
    written = load_file(tmp_path / "saved" / "model.safetensors")
    assert sorted(written) == sorted(state)
    assert all(torch.equal(written[key], state[key] + 1) for key in state)


def test_baichuan2_says_that_its_head_was_normalised(tmp_path: Path) -> None:
    release("baichuan2-7b", tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert "divided by their norm once" in loaded.note
    rows = loaded.model.lm_head.weight.norm(dim=1)
    assert torch.allclose(rows, torch.ones_like(rows), atol=1e-5)


@pytest.mark.parametrize("kind", ["BaichuanTokenizer", "ChatGLMTokenizer"])
def test_the_tokenizer_is_made_without_the_releases_code(tmp_path: Path, kind: str) -> None:
    import sentencepiece

    name = "chatglm2" if kind == "ChatGLMTokenizer" else "baichuan2-7b"
    release(name, tmp_path / "m")
    (tmp_path / "m" / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    tokenizer = load(tmp_path / "m").tokenizer
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "m" / "tokenizer.model"))
    for text in ("患者每日服用某药 30mg。", "Take 2 tablets", "β受体 ≤ 5 μg/L"):
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == processor.encode(text)
    assert not (tmp_path / "ran").exists()
    if kind == "ChatGLMTokenizer":
        wanted = processor.get_piece_size() + 1
        assert tokenizer.convert_tokens_to_ids("[gMASK]") == wanted


def edit(path: Path, **changes: Any) -> None:
    raw = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("chatglm2", {"position_encoding_2d": True}, "ChatGLM-6B has two-dimensional.*over an API"),
        ("chatglm2", {"rope_ratio": 50}, "rope_ratio = 50"),
        ("chatglm2", {"add_bias_linear": True}, "add_bias_linear"),
        ("chatglm2", {"num_layers": None}, "no 'num_layers'"),
        ("chatglm2", {"num_layers": 3}, "do not belong together"),
        ("baichuan2-7b", {"hidden_size": 5120}, "hidden_size 5120.*ALiBi"),
        ("baichuan2-13b", {"hidden_size": 4096}, "hidden_size 4096.*RoPE"),
        ("baichuan2-7b", {"num_hidden_layers": 1}, "do not belong together"),
    ],
)
def test_a_config_that_leaves_open_what_is_computed_is_refused(
    tmp_path: Path, name: str, changes: dict[str, Any], words: str
) -> None:
    release(name, tmp_path / "m")
    edit(tmp_path / "m" / "config.json", **changes)
    with pytest.raises(ModelError, match=words):
        load(tmp_path / "m")


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    release("baichuan2-7b", tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelError, match=r"model\.safetensors: the weights cannot be read"):
        load(tmp_path / "m")


def test_pickled_weights_of_a_release_are_refused_unless_asked_and_then_read_without_code(tmp_path: Path) -> None:
    state = release("baichuan2-7b", tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save(state, tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        load(tmp_path / "m")
    model = load(tmp_path / "m", allow_pickle=True).model
    assert (logits(model, IDS) - expected("baichuan2-7b", state, IDS)).abs().max() < 1e-4


def test_a_release_in_shards(tmp_path: Path) -> None:
    state = release("chatglm2", tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"model-00001-of-00002.safetensors": names[:7], "model-00002-of-00002.safetensors": names[7:]}
    for file, held in parts.items():
        save_file({name: state[name] for name in held}, tmp_path / "m" / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert (logits(load(tmp_path / "m").model, IDS) - expected("chatglm2", state, IDS)).abs().max() < 1e-4
