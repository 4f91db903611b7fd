"""Isolation of packed samples, the head on answers only, and one global mean per step."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from huatuo.errors import ModelError, TrainingError
from huatuo.models import scratch
from huatuo.recipe import ScratchSettings
from huatuo.train.forward import PROBED, AnswerHead, answer_head, check_positions, packing_isolates
from huatuo.train.pack import lay_out

VOCABULARY = 97


def tiny() -> torch.nn.Module:
    shape = ScratchSettings(hidden=32, layers=2, heads=2, feed_forward=64)
    model: torch.nn.Module = scratch.build(shape, VOCABULARY, eos_id=1, pad_id=0, seed=3, window=64)
    return model


def made_samples(n: int, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    ids = [rng.integers(2, VOCABULARY, k) for k in rng.integers(4, 40, n)]
    return ids, [(np.arange(len(one)) >= len(one) // 2).astype(np.uint8) for one in ids]


def logits(model: torch.nn.Module, ids: np.ndarray, positions: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = model(
            input_ids=torch.from_numpy(ids), position_ids=torch.from_numpy(positions), use_cache=False
        ).logits
    return out


def test_a_packed_row_gives_each_sample_the_logits_it_gets_alone() -> None:
    model = tiny()
    ids, learned = made_samples(6)
    row = lay_out(ids, learned, "packed")
    alone = torch.cat([logits(model, one[None], np.arange(len(one))[None]) for one in ids], dim=1)
    assert (logits(model, row.ids, row.positions) - alone).abs().max() < 1e-5
    mixed = logits(model, row.ids, np.arange(row.ids.shape[1])[None])  # positions not reset
    assert (mixed - alone).abs().max() > 1e-3


def test_padding_on_the_right_changes_no_logit() -> None:
    model = tiny()
    ids, learned = made_samples(6)
    rows = lay_out(ids, learned, "bucketed")
    together = logits(model, rows.ids, rows.positions)
    for row, one in enumerate(ids):
        alone = logits(model, one[None], np.arange(len(one))[None])[0]
        assert (together[row, : len(one)] - alone).abs().max() < 1e-5


def test_the_probe_finds_models_that_mix_packed_samples() -> None:
    shape = {"vocab_size": VOCABULARY}
    ids, _ = made_samples(4)
    torch.manual_seed(0)
    bloom = BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=2, n_head=2, **shape))
    gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=256, **shape))
    qwen = Qwen3ForCausalLM(
        Qwen3Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                    head_dim=16, intermediate_size=64, **shape)
    )  # fmt: skip
    assert packing_isolates(tiny(), ids)
    assert packing_isolates(qwen, ids)
    assert packing_isolates(gpt2, ids)
    assert not packing_isolates(bloom, ids)  # its ALiBi ignores position ids


def test_one_sample_alone_proves_nothing_and_is_packed_with_itself() -> None:
    ids, _ = made_samples(1)
    torch.manual_seed(0)
    bloom = BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=2, n_head=2, vocab_size=VOCABULARY))
    assert packing_isolates(tiny(), ids)
    assert not packing_isolates(bloom, ids)


def test_a_model_in_which_no_token_sees_another_shows_nothing() -> None:
    model = tiny()
    for name, weight in model.named_parameters():
        if name.endswith("o_proj.weight"):
            torch.nn.init.zeros_(weight)
    assert not packing_isolates(model, made_samples(3)[0])


def test_the_probe_looks_at_the_first_tokens_of_long_samples() -> None:
    model, rng, columns = tiny(), np.random.default_rng(0), []
    model.get_input_embeddings().register_forward_hook(lambda _m, given, _o: columns.append(given[0].shape[1]))  # type: ignore[operator]
    assert packing_isolates(model, [rng.integers(2, VOCABULARY, 1_000) for _ in range(4)])
    assert max(columns) == 4 * PROBED


@pytest.mark.parametrize(("longest", "said"), [(16, ""), (17, "a row of 17 tokens"), (4_000, "a row of 4,000 tokens")])
def test_positions_that_a_base_lacks_are_refused_and_untrained_ones_said(
    longest: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    shape = {"vocab_size": VOCABULARY}
    gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=16, **shape))
    rotary = Qwen3ForCausalLM(
        Qwen3Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                    intermediate_size=64, max_position_embeddings=16, **shape)
    )  # fmt: skip
    check_positions(BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=1, n_head=2, **shape)), longest)
    with nullcontext() if not said else pytest.raises(TrainingError, match=f"{said}.*16 positions; next: lower"):
        check_positions(gpt2, longest)
    check_positions(rotary, longest)
    assert ("were never trained" in caplog.text) == bool(said)


@pytest.mark.parametrize("layout", ["packed", "bucketed"])
def test_the_head_on_answers_gives_the_loss_and_gradients_of_the_whole(layout: str) -> None:
    model = tiny()
    ids, learned = made_samples(8)
    with AnswerHead(model).attached() as head:
        loss = head.loss_sum(lay_out(ids, learned, layout))
        loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    expected = torch.zeros(())
    for one, flags in zip(ids, learned, strict=True):
        labels = torch.from_numpy(np.where(flags == 1, one, -100))[None]
        full = model(input_ids=torch.from_numpy(one)[None], use_cache=False).logits
        expected = expected + torch.nn.functional.cross_entropy(
            full[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum"
        )
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for name, p in model.named_parameters():
        assert (p.grad - found[name]).abs().max() < 1e-4 * max(1.0, float(p.grad.abs().max()))


def test_logits_are_computed_at_learned_positions_only() -> None:
    model = tiny()
    ids, learned = made_samples(8)
    batch = lay_out(ids, learned, "bucketed")
    shapes: list[tuple[int, ...]] = []
    model.lm_head.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape)))
    with AnswerHead(model).attached() as head:
        head.loss_sum(batch)
        assert shapes == [(1, len(batch.labels), VOCABULARY)]
    assert not model.lm_head._forward_pre_hooks  # nothing stays behind


def test_a_model_without_head_is_refused() -> None:
    with pytest.raises(ModelError, match="no output head"), AnswerHead(torch.nn.Linear(2, 2)).attached():
        pass


@pytest.mark.parametrize("layout", ["bucketed", "packed"])
def test_the_last_layer_on_chosen_positions_gives_the_same_loss_and_gradients(layout: str) -> None:
    ids, learned = made_samples(6)
    batch = lay_out(ids, learned, layout)
    found = []
    for trim in (False, True):
        model = tiny().train()
        with answer_head(model, torch.device("cpu"), trim) as head:
            loss = head.loss_sum(batch)
            (loss / 3).backward()  # type: ignore[no-untyped-call]
        found.append((float(loss.detach()), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert len(found[0][1]) == len(found[1][1]) > 0
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found[0][1], found[1][1], strict=True))


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_the_loss_and_its_gradient_are_torchs(rows: int) -> None:
    torch.manual_seed(rows)
    labels = torch.randint(0, VOCABULARY, (rows,))
    ours, theirs = (torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(1)) * 5 for _ in range(2))
    model = Fixed(ours.requires_grad_(), tiny())
    batch = lay_out([np.zeros(rows + 1, dtype=np.int64)], [np.ones(rows + 1, dtype=np.uint8)], "bucketed")
    batch = replace(batch, labels=labels.numpy())
    loss = AnswerHead(model).loss_sum(batch)
    expected = torch.nn.functional.cross_entropy(theirs.requires_grad_(), labels, reduction="sum")
    for one in (loss, expected):
        (one * 0.25).backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)
    with torch.no_grad():
        assert float(AnswerHead(model).loss_sum(batch)) == pytest.approx(float(expected.detach()), rel=1e-6)


class Fixed(torch.nn.Module):
    """A model whose logits are given."""

    def __init__(self, logits: torch.Tensor, real: torch.nn.Module):
        super().__init__()
        self.real, self.fixed = real, logits

    def forward(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(logits=self.fixed[None])
