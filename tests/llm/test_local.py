from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from huatuo.errors import FormatError, ModelError
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.local import LocalModel
from huatuo.models import formats
from huatuo.models.load import Loaded
from huatuo.models.save import save
from huatuo.records import Message
from model_makers import TEXTS, byte_level, characters, llama_like, model_of, talk

FAMILIES = ["llama", "qwen3", "gpt2", "bloom"]
LETTERS = sorted({c for text in TEXTS[:5] for c in text if not c.isspace()})


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return characters(tmp_path_factory.mktemp("tokenizer"))


def local(
    tokenizer: Any, kind: str = "llama", batch: int = 64, positions: int = 256, fmt: str = "huatuo2"
) -> LocalModel:
    model = model_of(kind, len(tokenizer), positions)
    return LocalModel(Loaded(model, tokenizer, fmt, "digest", "small"), batch, device="cpu")


def questions(count: int, seed: int = 0) -> list[list[Message]]:
    dice = random.Random(seed)
    return [talk("".join(dice.choices(LETTERS, k=dice.randint(1, 60)))) for _ in range(count)]


def answers(model: LocalModel, asked: Sequence[Sequence[Message]], **sampling: Any) -> list[Reply]:
    found = dict(model.chat(asked, Sampling(**{"max_tokens": 12, **sampling})))
    assert sorted(found) == list(range(len(asked)))
    return [found[i] for i in range(len(asked))]


def greedy_by_full_forward(model: LocalModel, messages: Sequence[Message], max_tokens: int) -> list[int]:
    """The plainest loop: no cache, no batch, no mask."""
    ids = formats.encode_prompt(formats.get(model.format), messages, model.tokenizer)
    made: list[int] = []
    with torch.no_grad():
        while len(made) < max_tokens and (not made or made[-1] not in model._stops):
            made.append(int(model._model(torch.tensor([ids + made])).logits[0, -1].argmax()))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_greedy_answers_are_the_same_alone_and_in_a_batch(tokenizer: Any, kind: str) -> None:
    asked = questions(200 if kind == "llama" else 50)
    alone, together = (answers(local(tokenizer, kind, batch=batch), asked, max_tokens=5) for batch in (1, 64))
    assert alone == together
    assert len({reply.text for reply in alone}) > 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_greedy_is_what_the_plain_loop_says(tokenizer: Any, kind: str) -> None:
    asked, model = questions(8, seed=4), local(tokenizer, kind)
    for messages, reply in zip(asked, answers(model, asked), strict=True):
        made = greedy_by_full_forward(model, messages, 12)
        assert reply.completion_tokens == len(made)
        assert reply.text == tokenizer.decode([i for i in made if i not in model._stops], skip_special_tokens=True)
        assert reply.finish_reason == ("stop" if made[-1] in model._stops else "length")
        assert reply.prompt_tokens == len(formats.encode_prompt(formats.get("huatuo2"), messages, tokenizer))


def test_it_implements_the_protocol(tokenizer: Any) -> None:
    model: Model = local(tokenizer)
    assert (model.name, model.digest, model.format) == ("small", "digest", "huatuo2")


class Scripted(torch.nn.Module):
    """A model that says a fixed text whatever it is asked, then ends: to see where decoding stops."""

    def __init__(self, inner: Any, prompt: int, script: list[int]):
        super().__init__()
        self.inner, self.prompt, self.script = inner, prompt, script
        self.config, self.generation_config = inner.config, inner.generation_config

    def forward(
        self, input_ids: Any, attention_mask: Any, position_ids: Any, past_key_values: Any, use_cache: bool
    ) -> Any:
        out = self.inner(
            input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=past_key_values
        )
        for row, place in enumerate(position_ids[:, -1].tolist()):
            out.logits[row, -1] = 0.0
            out.logits[row, -1, self.script[place + 1 - self.prompt]] = 50.0
        return out


def scripted(tokenizer: Any, text: str, question: str) -> LocalModel:
    prompt = len(formats.encode_prompt(formats.get("huatuo2"), talk(question), tokenizer))
    script = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id, *[5] * 50]
    model = Scripted(model_of("llama", len(tokenizer)), prompt, script)
    return LocalModel(Loaded(model, tokenizer, "huatuo2", "", "scripted"), device="cpu")


def test_it_ends_at_the_end_token_at_a_stop_string_and_at_the_longest(tokenizer: Any) -> None:
    model = scripted(tokenizer, "多休息。请就医。", "头痛")
    (ended,) = answers(model, [talk("头痛")], max_tokens=40)
    assert (ended.text, ended.finish_reason, ended.completion_tokens) == ("多休息。请就医。", "stop", 9)
    (stopped,) = answers(model, [talk("头痛")], max_tokens=40, stop=("。请", "就"))
    assert (stopped.text, stopped.finish_reason, stopped.completion_tokens) == ("多休息", "stop", 5)
    (long,) = answers(model, [talk("头痛")], max_tokens=3)
    assert (long.text, long.finish_reason, long.completion_tokens) == ("多休息", "length", 3)
    assert "".join(model.stream(talk("头痛"), Sampling(max_tokens=40, stop=("。请",)))) == "多休息"


@pytest.mark.slow
@pytest.mark.parametrize("make", [characters, byte_level, llama_like])
def test_stream_gives_the_text_of_chat(tmp_path: Path, make: Any) -> None:
    tokenizer = make(tmp_path)
    model = local(tokenizer)
    for messages in questions(6, seed=2):
        for stop in ((), ("病",)):
            sampling = Sampling(max_tokens=10, stop=stop)
            pieces = list(model.stream(messages, sampling))
            ((_, reply),) = model.chat([messages], sampling)
            assert "".join(pieces) == reply.text
    assert len(pieces) > 1


def test_a_prompt_that_does_not_fit_is_an_error_and_never_cut(tokenizer: Any) -> None:
    model = local(tokenizer, positions=32)
    asked = [talk("头" * 10), talk("头" * 300), talk("头" * 15)]
    short, long, edge = answers(model, asked, max_tokens=100)
    assert (long.finish_reason, long.text) == ("error", "")
    assert "has 309 tokens, and the model 32 positions" in long.error
    assert short.finish_reason in {"stop", "length"}
    assert edge.prompt_tokens + edge.completion_tokens <= 32
    with pytest.raises(ModelError, match="32 positions"):
        list(model.stream(asked[1], Sampling()))


@pytest.mark.slow
def test_sampling_follows_seed_and_prompt_not_the_neighbours(tokenizer: Any) -> None:
    asked = questions(24, seed=9)
    hot = {"temperature": 1.5, "top_k": 50, "top_p": 0.95, "seed": 3}
    together, alone = answers(local(tokenizer), asked, **hot), answers(local(tokenizer, batch=1), asked[::-1], **hot)
    assert together == alone[::-1]
    other = answers(local(tokenizer), asked, **{**hot, "seed": 4})
    assert sum(a.text != b.text for a, b in zip(together, other, strict=True)) > 18


@pytest.mark.slow
def test_sampling_draws_from_the_distribution(tokenizer: Any) -> None:
    model = local(tokenizer)
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    row = model._row(0, [5], Sampling())

    def counts(**sampling: Any) -> list[float]:
        drawn = [model._choose(logits.clone(), [row], Sampling(temperature=1.0, **sampling))[0] for _ in range(1500)]
        return [drawn.count(i) / 1500 for i in range(4)]

    assert counts() == pytest.approx(logits.softmax(-1)[0].tolist(), abs=0.05)
    assert counts(top_k=2)[2:] == [0, 0]
    assert counts(top_p=0.7)[2:] == [0, 0]  # 0.64 + 0.24 reach 0.7
    assert counts(top_p=0.01) == [1, 0, 0, 0]
    assert model._choose(logits.clone(), [row], Sampling()) == [0]


def test_repetition_penalty_makes_seen_tokens_less_likely(tokenizer: Any) -> None:
    model = local(tokenizer)
    row = model._row(0, [0, 3], Sampling())
    assert model._choose(torch.tensor([[2.0, 1.5, 0.0, -1.0]]), [row], Sampling(repetition_penalty=2.0)) == [1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("batch", [2, 64])
def test_logprobs_are_those_of_the_plain_forward(tokenizer: Any, kind: str, batch: int) -> None:
    model, dice = local(tokenizer, kind, batch=batch), random.Random(3)
    for _ in range(4):
        prefix = dice.choices(range(3, len(tokenizer)), k=dice.randint(1, 40))
        continuations = [dice.choices(range(len(tokenizer)), k=k) for k in (1, 1, 2, 7, 3, 12, 0)]
        found = model.logprobs(prefix, continuations)
        for value, tokens in zip(found, continuations, strict=True):
            with torch.no_grad():
                scores = model._model(torch.tensor([prefix + tokens])).logits[0].log_softmax(-1)
            plain = sum(float(scores[len(prefix) + i - 1, token]) for i, token in enumerate(tokens))
            assert value == pytest.approx(plain, abs=1e-4)


def test_logprobs_refuses_what_it_cannot_compute(tokenizer: Any) -> None:
    model = local(tokenizer, positions=16)
    with pytest.raises(ModelError, match="at least one token"):
        model.logprobs([], [[1]])
    with pytest.raises(ModelError, match="17 tokens, and the model 16 positions"):
        model.logprobs([5] * 10, [[1], [5] * 7])
    assert model.logprobs([5], []) == []


def test_another_format_than_the_checkpoints_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    save(model_of("llama", len(tokenizer)), tokenizer, "huatuo2", tmp_path / "m", {})
    with pytest.raises(FormatError, match="'plain' was asked for, but the checkpoint was trained with 'huatuo2'"):
        LocalModel(tmp_path / "m", format="plain")
    assert LocalModel(tmp_path / "m", format="huatuo2").name == "m"
    (tmp_path / "m" / "huatuo.json").unlink()
    with pytest.raises(FormatError, match="does not say which chat format"):
        LocalModel(tmp_path / "m")
    assert LocalModel(tmp_path / "m", format="plain").format == "plain"


def test_an_adapter_can_be_asked(tokenizer: Any) -> None:
    plain = local(tokenizer)
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    model = LocalModel(Loaded(get_peft_model(model_of("llama", len(tokenizer)), config), tokenizer, "huatuo2", "", "a"))
    asked = questions(10)
    assert [r.text for r in answers(model, asked)] != [r.text for r in answers(plain, asked)]
    assert model.positions == plain.positions


def test_turns_that_do_not_alternate_are_refused(tokenizer: Any) -> None:
    with pytest.raises(FormatError, match="must end with a turn of 'user'"):
        answers(local(tokenizer), [talk("问", "答")])
