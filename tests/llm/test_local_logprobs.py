"""Packed, shared and trimmed log-probabilities are those of each continuation alone, for every kind of model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from huatuo.errors import ModelError
from huatuo.llm import local_logprobs
from huatuo.llm.base import Branches
from huatuo.llm.local import LocalModel
from huatuo.models.load import Loaded
from model_makers import characters, model_of, talk

PACKED = ["llama", "qwen3", "glm", "gpt2"]
ALONE = ["bloom", "mpt"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return characters(tmp_path_factory.mktemp("tokenizer"))


def local(tokenizer: Any, kind: str, positions: int = 256, model: Any = None) -> LocalModel:
    model = model or model_of(kind, len(tokenizer), positions)
    return LocalModel(Loaded(model, tokenizer, "huatuo2", "digest", f"small {kind}"), device="cpu")


def naive(model: LocalModel, prefix: list[int], tokens: list[int]) -> float:
    """One full forward for one continuation, every logit computed."""
    with torch.no_grad():
        scores = model._model(torch.tensor([prefix + tokens])).logits[0].log_softmax(-1)
    return sum(float(scores[len(prefix) + i - 1, token]) for i, token in enumerate(tokens))


def made_prompts(vocabulary: int, count: int, shared: int, seed: int = 1) -> list[Branches]:
    """Prompts with a common beginning and continuations of unequal lengths: single tokens, and some that are the
    beginning of others."""
    dice = random.Random(seed)

    def ids(length: int) -> list[int]:
        return dice.choices(range(3, vocabulary), k=length)

    start, found = ids(shared), []
    for _ in range(count):
        long = ids(9)
        texts = [ids(1), ids(1), long, long[:4], [*long[:4], *ids(3)], ids(dice.randint(2, 6))]
        found.append(
            Branches(prefix=start + ids(dice.randint(1, 40)), continuations=dice.sample(texts, dice.randint(1, 6)))
        )
    return found


def found_by(model: LocalModel, prompts: list[Branches]) -> list[list[float]]:
    found = dict(model.logprobs_of(prompts))
    assert sorted(found) == list(range(len(prompts)))
    assert not any(weights.error for weights in found.values())
    return [found[i].logprobs for i in range(len(prompts))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PACKED, *ALONE])
@pytest.mark.parametrize("shared", [0, 1, 50])
def test_every_kind_of_model_gives_what_a_full_forward_gives(
    tokenizer: Any, kind: str, shared: int, capsys: pytest.CaptureFixture[str]
) -> None:
    model = local(tokenizer, kind)
    prompts = made_prompts(len(tokenizer), 24, shared)
    for prompt, values in zip(prompts, found_by(model, prompts), strict=True):
        assert values == pytest.approx([naive(model, prompt.prefix, c) for c in prompt.continuations], abs=1e-4)
    assert model._weigher.packs is (kind in PACKED)
    assert ("each is computed alone" in capsys.readouterr().err) is (kind in ALONE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PACKED, "bloom"])
def test_letters_after_worked_examples(tokenizer: Any, kind: str) -> None:
    """One-token continuations need no tree, only the shared beginning."""
    model, dice = local(tokenizer, kind), random.Random(2)
    start = dice.choices(range(3, len(tokenizer)), k=80)
    prompts = [
        Branches(
            prefix=start + dice.choices(range(3, len(tokenizer)), k=dice.randint(1, 30)),
            continuations=[[i] for i in range(5, 10)],
        )
        for _ in range(40)
    ]
    for prompt, values in zip(prompts, found_by(model, prompts), strict=True):
        assert values == pytest.approx([naive(model, prompt.prefix, c) for c in prompt.continuations], abs=1e-4)


def test_every_set_of_five_labels_in_one_row(tokenizer: Any) -> None:
    model = local(tokenizer, "llama")
    sets = [[i for i in range(5, 10) if number >> (i - 5) & 1] + [1] for number in range(1, 32)]
    prompt = Branches(prefix=list(range(20, 40)), continuations=sets)
    (values,) = found_by(model, [prompt])
    assert values == pytest.approx([naive(model, prompt.prefix, c) for c in sets], abs=1e-4)


def test_a_model_that_silently_ignores_mask_and_positions_is_found_out_and_said(
    tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = made_prompts(len(tokenizer), 6, 20)
    blind = model_of("llama", len(tokenizer))
    forward = blind.forward

    def ignores_the_mask(input_ids: Any, attention_mask: Any = None, position_ids: Any = None, **more: Any) -> Any:
        return forward(input_ids=input_ids, **more)

    model = local(tokenizer, "llama", model=blind)
    blind.forward = ignores_the_mask
    values = found_by(model, prompts)
    assert model._weigher.packs is False
    assert "each is computed alone" in capsys.readouterr().err
    for prompt, own in zip(prompts, values, strict=True):
        assert own == pytest.approx([naive(model, prompt.prefix, c) for c in prompt.continuations], abs=1e-4)
    found_by(model, prompts)
    assert capsys.readouterr().err == ""  # found out once


def test_bf16_is_packed_too(tokenizer: Any) -> None:
    model = local(tokenizer, "llama", model=model_of("llama", len(tokenizer)).to(torch.bfloat16))
    prompts = made_prompts(len(tokenizer), 12, 20)
    found = found_by(model, prompts)
    assert model._weigher.packs is True
    assert len(found) == 12


@pytest.mark.slow
def test_small_batches_and_few_logits_change_nothing(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = made_prompts(len(tokenizer), 30, 12)
    large = found_by(local(tokenizer, "llama"), prompts)
    monkeypatch.setattr(local_logprobs, "BATCH_TOKENS", {"cpu": 1})
    monkeypatch.setattr(local_logprobs, "BATCH_LOGITS", 1)
    for one, other in zip(found_by(local(tokenizer, "llama"), prompts), large, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_logits_are_computed_where_a_token_is_predicted_only(tokenizer: Any) -> None:
    model = local(tokenizer, "llama")
    rows: list[int] = []
    hook = model._model.get_output_embeddings().register_forward_hook(
        lambda m, i, out: rows.append(out.shape[0] * out.shape[1])
    )
    prompts = [Branches(prefix=[i] + [5] * 60, continuations=[[6], [7], [8]]) for i in range(5, 45)]
    found_by(model, prompts)
    hook.remove()
    probe = 2 * 3 * 62 + 2 * 2  # options alone, all their logits computed; then packed, and packed wrongly
    assert sum(rows) == 40 + probe


def test_a_prompt_longer_than_the_window_is_an_error_of_its_own(tokenizer: Any) -> None:
    model = local(tokenizer, "llama", positions=32)
    prompts = [
        Branches(prefix=[5] * 10, continuations=[[6], [7, 8]]),
        Branches(prefix=[5] * 31, continuations=[[6], [7, 8]]),
        Branches(prefix=[5] * 30, continuations=[[6], [7, 8]]),
    ]
    found = dict(model.logprobs_of(prompts))
    assert found[1].logprobs == []
    assert "33 tokens, and the model 32 positions; next: shorten the question" in found[1].error
    assert found[0].logprobs == pytest.approx([naive(model, [5] * 10, c) for c in ([6], [7, 8])], abs=1e-4)
    assert found[2].logprobs == pytest.approx([naive(model, [5] * 30, c) for c in ([6], [7, 8])], abs=1e-4)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (Branches(prefix=[], continuations=[[5]]), "need a prefix of at least one token"),
        (Branches(prefix=[5], continuations=[[5], []]), "continuation 2 has no token"),
    ],
)
def test_what_cannot_be_computed_is_an_error_of_its_own(tokenizer: Any, prompt: Branches, said: str) -> None:
    found = dict(local(tokenizer, "llama").logprobs_of([prompt, Branches(prefix=[5], continuations=[[6]])]))
    assert said in found[0].error
    assert (found[1].error, len(found[1].logprobs)) == ("", 1)


def test_nothing_to_compute_is_no_error(tokenizer: Any) -> None:
    model = local(tokenizer, "llama")
    assert dict(model.logprobs_of([])) == {}
    assert dict(model.logprobs_of([Branches(prefix=[5], continuations=[])]))[0].logprobs == []


def test_weights_that_are_not_numbers_are_an_error(tokenizer: Any) -> None:
    broken = model_of("llama", len(tokenizer))
    broken.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="not a number"):
        dict(local(tokenizer, "llama", model=broken).logprobs_of([Branches(prefix=[5], continuations=[[6]])]))


def test_a_sliding_window_shorter_than_the_prompt_is_not_packed(tokenizer: Any) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(3)
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, sliding_window=16, initializer_range=0.6, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    model = local(tokenizer, "mistral", model=MistralForCausalLM(config).eval())
    short = [Branches(prefix=[5, 6, 7], continuations=[[8, 9], [8, 10, 11]])] * 2
    assert found_by(model, short)[0] == pytest.approx(
        [naive(model, [5, 6, 7], c) for c in short[0].continuations], abs=1e-4
    )
    assert model._weigher.packs is True
    prompts = made_prompts(len(tokenizer), 16, 12)
    for prompt, values in zip(prompts, found_by(model, prompts), strict=True):
        assert values == pytest.approx([naive(model, prompt.prefix, c) for c in prompt.continuations], abs=1e-4)


def test_an_answer_is_weighed_as_it_was_learned(tokenizer: Any) -> None:
    model = local(tokenizer, "llama")
    found = model.branches(talk("头痛怎么办"), ["多喝水", " 休息 "], end=True)
    assert tokenizer.decode(found.prefix) == "<问>：头痛怎么办\n<答>："
    assert [tokenizer.decode(ids) for ids in found.continuations] == [
        "多喝水" + tokenizer.eos_token,
        "休息" + tokenizer.eos_token,
    ]
    assert found.straddled == [False, False]
    assert model.branches(talk("头痛"), ["A"], end=False).continuations == [
        tokenizer("A", add_special_tokens=False)["input_ids"]
    ]


def test_a_lora_adapter_is_weighed_too(tokenizer: Any, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    adapted = get_peft_model(
        model_of("llama", len(tokenizer)), LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    ).eval()
    model = local(tokenizer, "llama", model=adapted)
    prompts = made_prompts(len(tokenizer), 8, 20)
    for prompt, values in zip(prompts, found_by(model, prompts), strict=True):
        assert values == pytest.approx([naive(model, prompt.prefix, c) for c in prompt.continuations], abs=1e-4)
    assert model._weigher.packs is True
