"""Muon, AdamW's groups and the learning rate."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from huatuo.errors import TrainingError
from huatuo.models import scratch
from huatuo.recipe import ScratchSettings, TrainSettings
from huatuo.train.optimise import Muon, optimisers, orthogonal, rate_factor, set_rates
from huatuo.train.refusals import check_settings


def test_orthogonal_moves_all_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for rows, columns in ((32, 32), (16, 80)):
        found = torch.linalg.svdvals(orthogonal(torch.randn(5, rows, columns)))
        assert found.max() < 1.3
        # Five steps of these coefficients lift all but the smallest values of a square matrix into 0.68 to 1.13.
        assert (found > 0.6).float().mean() > 0.95


def test_muon_treats_a_matrix_and_its_transpose_alike() -> None:
    torch.manual_seed(0)
    weight, gradient = torch.randn(24, 8), torch.randn(24, 8)
    tall, wide = torch.nn.Parameter(weight.clone()), torch.nn.Parameter(weight.T.clone())
    tall.grad, wide.grad = gradient, gradient.T.clone()
    Muon([tall, wide], lr=0.1).step()
    change_tall, change_wide = tall.detach() - weight, (wide.detach() - weight.T).T
    assert torch.allclose(change_tall, change_wide * 3**0.5, atol=1e-6)  # sqrt(24 / 8): outputs move alike


def test_muon_solves_what_plain_descent_solves() -> None:
    torch.manual_seed(0)
    target, weight = torch.randn(16, 16), torch.nn.Parameter(torch.zeros(16, 16))
    muon = Muon([weight], lr=0.05)
    for _ in range(300):
        muon.zero_grad()
        ((weight - target) ** 2).sum().backward()
        muon.step()
    assert ((weight - target) ** 2).mean().item() < 0.02


def model() -> torch.nn.Module:
    shape = ScratchSettings(hidden=32, layers=2, heads=2, feed_forward=64)
    built: torch.nn.Module = scratch.build(shape, 50, eos_id=1, pad_id=0, seed=3, window=64)
    return built


def test_every_parameter_has_exactly_one_optimiser() -> None:
    made = model()
    found = optimisers(made, TrainSettings(optimiser="muon", weight_decay=0.1))
    groups = [group for optimiser in found for group in optimiser.param_groups]
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in made.parameters())
    muon = {id(p) for p in found[1].param_groups[0]["params"]}
    assert len(muon) == 14  # seven matrices per layer
    assert id(made.get_input_embeddings().weight) not in muon  # type: ignore[operator]
    no_decay = [p for group in groups if not group["weight_decay"] for p in group["params"]]
    assert no_decay
    assert all(p.ndim == 1 for p in no_decay)


@pytest.mark.parametrize("tied", [True, False])
def test_muon_leaves_learned_positions_to_adamw(tied: bool) -> None:
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": 50}
    gpt2: nn.Module = GPT2LMHeadModel(GPT2Config(**shape, tie_word_embeddings=tied))
    adamw, muon = optimisers(gpt2, TrainSettings(optimiser="muon"))
    names = {id(p): name for name, p in gpt2.named_parameters()}
    taken = {names[id(p)] for p in muon.param_groups[0]["params"]}
    assert taken == {name for name in names.values() if ".h." in name and gpt2.get_parameter(name).ndim == 2}
    kept = {names[id(p)] for p in adamw.param_groups[0]["params"]}
    assert kept == {"transformer.wte.weight", "transformer.wpe.weight", *(() if tied else ("lm_head.weight",))}


@pytest.mark.parametrize(
    ("after", "shares"),
    [
        ({}, [1.0] * 6),
        ({0: 0.5}, [0.5] * 6),
        ({3: 0.3}, [1.0, 1.0, 1.0, 0.3, 0.3, 0.3]),
        ({4: 0.1, 2: 0.5}, [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]),  # the latest counts, whatever their order
        ({6: 0.1}, [1.0] * 6),
    ],
)
def test_rates_after_a_step_are_a_share_of_the_schedules(after: dict[int, float], shares: list[float]) -> None:
    plain = TrainSettings(warmup_share=0.3)
    changed = TrainSettings(warmup_share=0.3, rate_after=after)
    expected = [rate_factor(step, 6, plain) * share for step, share in enumerate(shares)]
    assert [rate_factor(step, 6, changed) for step in range(6)] == pytest.approx(expected)
    assert changed.rates_before(4) == {step: share for step, share in after.items() if step < 4}


def test_rates_follow_warm_up_and_schedule() -> None:
    settings = TrainSettings(schedule="cosine", warmup_share=0.1, final_share=0.1)
    factors = [rate_factor(step, 1000, settings) for step in range(1000)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[99] == factors[100] == 1.0
    assert factors[550] == pytest.approx(0.55)
    assert factors[-1] == pytest.approx(0.1, abs=1e-3)
    assert factors[100:] == sorted(factors[100:], reverse=True)
    linear = TrainSettings(schedule="linear", warmup_share=0)
    assert [rate_factor(s, 4, linear) for s in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert {rate_factor(s, 50, TrainSettings(schedule="constant", warmup_share=0)) for s in range(50)} == {1.0}
    wsd = [rate_factor(s, 100, TrainSettings(schedule="wsd", warmup_share=0.1)) for s in range(100)]
    assert wsd[10:80] == [1.0] * 70
    assert wsd[89] == pytest.approx(0.5)
    assert wsd[-1] == 0.0


@pytest.mark.parametrize(
    ("total", "warmup", "final", "rates"),
    [
        (1, 0.05, 0.0, [1.0]),  # the only step learns
        (2, 0.0, 0.0, [1.0, 0.0]),
        (3, 0.0, 0.1, [1.0, 1.0, 0.1]),
        (3, 1.0, 0.1, [1 / 3, 2 / 3, 1.0]),
        (10, 0.9, 0.0, [k / 9 for k in range(1, 10)] + [0.0]),
        (10, 0.5, 0.5, [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5]),
    ],
)
def test_wsd_decays_after_warm_up_and_reaches_its_end(
    total: int, warmup: float, final: float, rates: list[float]
) -> None:
    chosen = TrainSettings(schedule="wsd", warmup_share=warmup, final_share=final)
    assert [rate_factor(step, total, chosen) for step in range(total)] == pytest.approx(rates)


@pytest.mark.parametrize("total", [1, 2, 3, 7, 20, 100, 1_000])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5, 0.8, 0.9, 0.99, 1.0])
def test_wsd_never_jumps(total: int, warmup: float) -> None:
    chosen = TrainSettings(schedule="wsd", warmup_share=warmup, final_share=0.2)
    rates = [rate_factor(step, total, chosen) for step in range(total)]
    top = rates.index(max(rates))
    assert rates[top] == 1.0
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.2 if top < total - 1 else 1.0)
    falling = [a - b for a, b in zip(rates[top:], rates[top + 1 :], strict=False) if a > b]
    assert max(falling, default=0.0) == pytest.approx(min(falling, default=0.0))  # a straight line


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_a_constant_rate_has_no_end_of_its_own(final: float) -> None:
    chosen = TrainSettings(schedule="constant", final_share=final)
    if final:
        with pytest.raises(TrainingError, match=r'final_share = 0\.1 with schedule = "constant"'):
            check_settings(chosen)
    else:
        check_settings(chosen)


def test_all_groups_get_their_own_peak() -> None:
    found = optimisers(model(), TrainSettings(optimiser="muon", learning_rate=3e-3, muon_learning_rate=1.2e-2))
    assert set_rates(found, 0.5) == pytest.approx(1.5e-3)
    assert found[1].param_groups[0]["lr"] == pytest.approx(6e-3)


def test_muon_is_its_papers_momentum_with_a_decay_of_its_own() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(6, 9), torch.randn(3, 6, 9)
    weight = torch.nn.Parameter(start.clone())
    muon = Muon([weight], lr=0.1, weight_decay=0.5)
    expected, momentum = start.clone(), torch.zeros(6, 9)
    for gradient in gradients:
        weight.grad = gradient.clone()
        muon.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        nesterov = 0.05 * gradient + 0.95 * momentum
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * orthogonal(nesterov[None])[0]
    assert torch.allclose(weight.detach(), expected, atol=1e-5)
