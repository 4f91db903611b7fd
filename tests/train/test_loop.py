"""Training learns, accounts for every pair, and refuses what cannot work."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train_makers import TINY, Stages, made_pairs
from transformers import BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel

from huatuo import store
from huatuo.errors import TrainingError
from huatuo.models import load as models
from huatuo.models import scratch, tokenizers
from huatuo.recipe import LoraSettings, RunSettings, TrainSettings
from huatuo.records import Finding
from huatuo.records_trained import StepLog
from huatuo.train import held_out, loop, refusals, setup
from huatuo.train.samples import Samples, in_order

Make = Callable[..., TrainSettings]


def steps_of(folder: Path) -> list[StepLog]:
    return list(store.read(folder, "steps", StepLog))


def make_base(stages: Stages, bloom: bool = False) -> Path:
    """A base model on disk whose tokenizer knows the pairs."""
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids = {"eos_id": tokenizer.eos_token_id, "pad_id": tokenizer.pad_token_id}
    model = scratch.build(TINY, len(tokenizer), **ids, seed=9, window=64)
    if bloom:
        torch.manual_seed(0)
        model = BloomForCausalLM(BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=2))
    models.save(model, tokenizer, "huatuo2", stages.root / "base", {})
    return stages.root / "base"


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_training_learns_and_accounts_for_every_pair(stages: Stages, settings: Make, optimiser: str) -> None:
    chosen = settings(optimiser=optimiser, epochs=2)
    stages.prepare(made_pairs(1000), chosen)
    folder = stages.train(chosen)
    rows, manifest = steps_of(folder), store.read_manifest(folder)
    assert [row.step for row in rows] == list(range(1, 114))
    assert sum(sum(c.samples for c in row.sources) for row in rows) == 1800
    assert rows[-1].loss < 0.6 * rows[0].loss
    assert manifest.kept == 900
    assert manifest.figures["validation_loss_after"] < 0.6 * manifest.figures["validation_loss_before"]  # type: ignore[operator]
    assert not (folder / "state").exists()
    trained, base = models.load(folder / "model"), models.load(folder / "base")
    assert trained.format == base.format == "huatuo2"
    assert trained.digest != base.digest


@pytest.mark.slow
def test_the_untrained_base_is_what_training_began_with(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(100), settings())
    folder = stages.train(settings(steps=1))
    base = models.load(folder / "base").model.state_dict()
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids = {"eos_id": tokenizer.eos_token_id, "pad_id": tokenizer.pad_token_id}
    fresh = scratch.build(TINY, len(tokenizer), **ids, seed=5, window=64).state_dict()
    assert all(torch.equal(base[name], value) for name, value in fresh.items())


@pytest.mark.slow
def test_the_validation_loss_is_the_mean_over_all_learned_tokens(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(400), settings())
    folder = stages.train(settings(steps=1, batch_tokens=64))
    data, model = Samples(stages.root / "tokenise"), models.load(folder / "base").model
    total, count = 0.0, 0
    with torch.no_grad():
        for sample in data.validation.tolist():
            ids, learned = (torch.from_numpy(np.array(v)).long() for v in (data.ids(sample), data.learned(sample)))
            losses = torch.nn.functional.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:], reduction="none")
            total, count = total + float((losses * learned[1:]).sum()), count + int(learned[1:].sum())
    assert len(data.validation) == 40
    assert store.read_manifest(folder).figures["validation_loss_before"] == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize(("largest", "wanted"), [(1.0, 1.0), (0.0, 5.0), (50.0, 5.0)])
def test_gradients_are_scaled_down_to_the_clip_and_their_norm_is_that_before(largest: float, wanted: float) -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[3.0, -4.0]])
    assert loop._clip(model, largest) == pytest.approx(5.0)
    assert float(model.weight.grad.norm()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.slow
def test_a_step_says_its_real_tokens(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(300), settings())
    rows = steps_of(stages.train(settings(epochs=1)))
    data = Samples(stages.root / "tokenise")
    trained = np.setdiff1d(np.arange(len(data.lengths)), data.validation)
    assert sum(row.tokens for row in rows) == data.lengths[trained].sum()
    assert sum(row.learned_tokens for row in rows) == data.learned_counts[trained].sum()


def test_more_tokens_than_learned_positions_are_refused(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(50), settings())
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=16))
    models.save(gpt2, tokenizer, "huatuo2", stages.root / "base", {})
    with pytest.raises(TrainingError, match=r"GPT2LMHeadModel has 16 positions; next: lower train\.window"):
        stages.train(settings(base=str(stages.root / "base")))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["packed", "bucketed"])
@pytest.mark.parametrize("size", [{}, {"step_tokens": 500}])
def test_cutting_a_step_into_micro_batches_does_not_change_it(
    stages: Stages, settings: Make, layout: str, size: dict[str, int]
) -> None:
    whole = settings(layout=layout, batch_tokens=4096, reorder_window=16, steps=12, **size)
    stages.prepare(made_pairs(400), whole)
    one = steps_of(stages.train(whole, "one"))
    # Micro-batches of very unequal numbers of answer tokens: a mean of their means would differ.
    many = steps_of(stages.train(whole.model_copy(update={"batch_tokens": 64}), "many"))
    for a, b in zip(one, many, strict=True):
        assert a.learned_tokens == b.learned_tokens
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
        assert a.gradient_norm == pytest.approx(b.gradient_norm, rel=1e-4)


@pytest.mark.slow
def test_packed_and_bucketed_are_the_same_training(stages: Stages, settings: Make) -> None:
    chosen = settings(reorder_window=16, steps=10)
    stages.prepare(made_pairs(300), chosen)
    bucketed = steps_of(stages.train(chosen, "bucketed"))
    packed = steps_of(stages.train(chosen.model_copy(update={"layout": "packed"}), "packed"))
    assert [row.loss for row in packed] == pytest.approx([row.loss for row in bucketed], rel=1e-4)


@pytest.mark.slow
def test_joined_samples_see_each_other_and_packed_ones_do_not(stages: Stages, settings: Make) -> None:
    chosen = settings(steps=1, layout="packed", batch_tokens=4096)
    stages.prepare(made_pairs(300), chosen)
    (packed,) = steps_of(stages.train(chosen, "packed"))
    (bucketed,) = steps_of(stages.train(chosen.model_copy(update={"layout": "bucketed", "reorder_window": 1}), "b"))
    (joined,) = steps_of(stages.train(chosen.model_copy(update={"layout": "joined"}), "joined"))
    assert packed.loss == pytest.approx(bucketed.loss, rel=1e-5)
    assert joined.loss != pytest.approx(packed.loss, rel=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("adapter", [False, True])
def test_recomputed_activations_give_the_same_training(stages: Stages, settings: Make, adapter: bool) -> None:
    chosen = settings(steps=6)
    stages.prepare(made_pairs(200), chosen)
    if adapter:
        chosen = settings(steps=6, base=str(make_base(stages)), lora=LoraSettings(r=4, dropout=0.0))
    kept = steps_of(stages.train(chosen, "kept"))
    again = steps_of(stages.train(chosen.model_copy(update={"gradient_checkpointing": True}), "again"))
    assert [row.loss for row in again] == pytest.approx([row.loss for row in kept], rel=1e-5)
    assert [row.gradient_norm for row in again] == pytest.approx([row.gradient_norm for row in kept], rel=1e-4)


def test_activations_are_recomputed_by_the_name_that_a_version_of_transformers_has() -> None:
    class Model:
        def __init__(self, name: str) -> None:
            setattr(self, f"{name}_enable", lambda **how: said.update(how))

    for name in ("activation_checkpointing", "gradient_checkpointing"):
        said: dict[str, Any] = {}
        setup.recompute_activations(Model(name))
        assert said == {f"{name}_kwargs": {"use_reentrant": False}}


@pytest.mark.slow
@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_variants_of_the_adapter_learn_and_come_back(stages: Stages, settings: Make, variant: str) -> None:
    stages.prepare(made_pairs(300), settings())
    base = make_base(stages)
    lora = LoraSettings.model_validate({"r": 4, "alpha": 24, "dropout": 0.125, "variant": variant})
    folder = stages.train(settings(base=str(base), lora=lora, learning_rate=1e-2))
    rows = steps_of(folder)
    assert rows[-1].loss < rows[0].loss
    config = models.load(folder / "model").model.peft_config["default"]
    assert (config.use_rslora, config.use_dora) == (variant == "rslora", variant == "dora")
    assert (config.r, config.lora_alpha, config.lora_dropout) == (4, 24, 0.125)


@pytest.mark.parametrize("sources", [1, 2])
def test_samples_of_several_sources_are_reordered_less(stages: Stages, settings: Make, sources: int) -> None:
    chosen = settings(layout="bucketed")
    pairs = made_pairs(300)
    stages.prepare(pairs if sources == 2 else [p for p in pairs if p.source == "kg"], chosen)
    data = Samples(stages.root / "tokenise")
    sequence = in_order(stages.root / "order", data)
    steps, _ = loop.planned(chosen, RunSettings(name="r"), data, sequence, stages.root / "order")
    kept = np.arange(len(sequence.samples))
    assert (steps.order == kept).all() == (sources == 2)
    assert sorted(steps.order.tolist()) == kept.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["packed", "bucketed", "joined"])
def test_steps_of_tokens_learn_all_of_the_order_in_its_order(stages: Stages, settings: Make, layout: str) -> None:
    chosen = settings(layout=layout, step_tokens=500)
    stages.prepare(made_pairs(300), chosen)
    rows = steps_of(stages.train(chosen))
    data = Samples(stages.root / "tokenise")
    places = in_order(stages.root / "order", data).samples
    lengths, sums = data.lengths[places], np.cumsum([row.tokens for row in rows])
    assert all(450 < row.tokens <= 500 for row in rows[:-1])
    assert set(sums.tolist()) <= set(np.cumsum(lengths).tolist())  # each ends where a sample of the order ends
    assert (sums[-1], len(rows)) == (lengths.sum(), pytest.approx(lengths.sum() / 500, rel=0.1))
    assert [row.learned_tokens for row in rows] == np.diff(
        np.append(0, np.cumsum(data.learned_counts[places])[np.searchsorted(np.cumsum(lengths), sums)])
    ).tolist()


@pytest.mark.slow
def test_a_step_limit_leaves_the_rest_for_later(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(200), settings())
    manifest = store.read_manifest(stages.train(settings(steps=3)))
    assert manifest.kept == 48
    assert manifest.left == {"after the last step": 132}


def test_pairs_that_were_not_tokenised_are_left(stages: Stages, settings: Make) -> None:
    chosen = settings(window=28)
    stages.prepare(made_pairs(200), chosen)
    dropped = store.read_manifest(stages.root / "tokenise").dropped["overlong"]
    left = store.read_manifest(stages.train(chosen)).left
    assert 0 < left["not tokenised"] <= dropped


@pytest.mark.slow
def test_bf16_learns_what_fp32_learns_but_for_rounding(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(400), settings())
    full, half = (steps_of(stages.train(settings(precision=name), name)) for name in ("fp32", "bf16"))
    assert full[-1].loss < 0.9 * full[0].loss
    assert [row.loss for row in half] == pytest.approx([row.loss for row in full], rel=0.02)
    assert half[0].loss != full[0].loss


def test_every_step_has_the_rate_of_its_schedule(stages: Stages, settings: Make) -> None:
    chosen = settings(schedule="linear", warmup_share=0.25, final_share=0.1, learning_rate=1e-3, steps=8)
    stages.prepare(made_pairs(200), chosen)
    rates = [row.learning_rate for row in steps_of(stages.train(chosen))]
    assert rates == pytest.approx([0.5e-3, 1e-3, 1e-3, 0.85e-3, 0.7e-3, 0.55e-3, 0.4e-3, 0.25e-3])


@pytest.mark.slow
def test_an_adapter_changes_nothing_but_itself(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(300), settings())
    base = make_base(stages)
    chosen = settings(base=str(base), lora=LoraSettings(r=4, dropout=0.1), learning_rate=1e-2)
    stages.prepare(made_pairs(300), chosen)
    folder = stages.train(chosen)
    manifest = store.read_manifest(folder)
    assert manifest.figures["trainable_parameters"] == 2 * 2 * 2 * 4 * 32  # layers, modules, A and B, rank, width
    assert not (folder / "base").exists()
    loaded = models.load(folder / "model")
    before = models.load(base).model.state_dict()
    kept = {
        name.replace(".base_layer", ""): value for name, value in loaded.model.get_base_model().state_dict().items()
    }
    assert all(torch.equal(kept[name], value) for name, value in before.items())
    rows = steps_of(folder)
    assert rows[-1].loss < rows[0].loss
    assert str(stages.root) not in (folder / "model" / "adapter_config.json").read_text()


@pytest.mark.slow
def test_wrong_adapter_targets_are_named(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(50), settings())
    chosen = settings(base=str(make_base(stages)), lora=LoraSettings(targets=("query_key_value",)))
    stages.prepare(made_pairs(50), chosen)
    with pytest.raises(TrainingError, match=r"no module named 'query_key_value'.*q_proj"):
        stages.train(chosen)


@pytest.mark.slow
def test_a_model_that_mixes_packed_samples_is_trained_bucketed(
    stages: Stages, settings: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stages.prepare(made_pairs(100), settings())
    chosen = settings(base=str(make_base(stages, bloom=True)), layout="packed", steps=3)
    stages.prepare(made_pairs(100), chosen)
    with caplog.at_level(logging.WARNING):
        folder = stages.train(chosen)
    assert "not kept apart by BloomForCausalLM" in caplog.text
    manifest = store.read_manifest(folder)
    assert manifest.figures["packed"] == 0
    learned = sum(source.samples for step in steps_of(folder) for source in step.sources)
    assert 0 < manifest.kept == learned < 100, "what is called used is what the steps really learned"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0}, r"learning_rate = 0"),
        ({"optimiser": "muon", "muon_learning_rate": 0}, r"muon_learning_rate = 0"),
        ({"lora": LoraSettings()}, r"needs a trained base"),
    ],
)
def test_settings_that_learn_nothing_are_refused(settings: Make, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        refusals.check_settings(settings(**changes))


def test_an_order_without_tokens_is_refused(stages: Stages, settings: Make) -> None:
    stages.prepare([*made_pairs(100)[8:10]], settings(window=64))  # one to learn, one for validation
    other = Stages(stages.root / "other")
    other.prepare(made_pairs(5), settings())
    with (
        pytest.raises(TrainingError, match="no step to take"),
        store.writing(stages.root / "train", stage="train", key="k") as out,
    ):
        run = loop.RunSettings(name="test")
        loop.train(settings(), run, other.root / "tokenise", stages.root / "order", out)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(stages: Stages, settings: Make) -> None:
    chosen = settings(learning_rate=1e30, clip=0, warmup_share=0, checkpoint_every=1)
    stages.prepare(made_pairs(200), chosen)
    with pytest.raises(TrainingError, match=r"step \d+: loss .*last good checkpoint is .*step-.*learning_rate"):
        stages.train(chosen)
    assert list((stages.root / "train.part" / "state").glob("step-*"))
    assert not (stages.root / "train").exists()


@pytest.mark.slow
def test_two_runs_are_equal_and_another_seed_is_not(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(200), settings())
    digests = [store.read_manifest(stages.train(settings(), name)).digest for name in ("a", "b")]
    assert digests[0] == digests[1]
    assert store.read_manifest(stages.train(settings(), "c", seed=6)).digest != digests[0]


@pytest.mark.slow
def test_the_best_weights_are_kept_and_training_stops_when_nothing_gets_better(stages: Stages, settings: Make) -> None:
    same = {"learning_rate": 0.3, "schedule": "constant", "warmup_share": 0.0, "epochs": 4}
    chosen = settings(evaluate_every=5, patience=2, keep="best", **same)
    stages.prepare(made_pairs(300), chosen)
    folder = stages.train(chosen)
    rows, figures = steps_of(folder), store.read_manifest(folder).figures
    measured = {row.step: row.validation_loss for row in rows if row.validation_loss is not None}
    lowest = min(measured, key=lambda step: (measured[step], step))
    assert list(measured) == [5 * (k + 1) for k in range(len(measured))]
    assert figures["kept_step"] == lowest
    assert rows[-1].step == lowest + 10  # two measurements without a lower loss
    assert figures["validation_loss_after"] == measured[lowest]
    again = stages.train(settings(evaluate_every=0, keep="last", steps=lowest, **same), "again")
    best, short = (models.load(place / "model").model.state_dict() for place in (folder, again))
    assert all(torch.equal(best[name], value) for name, value in short.items())


@pytest.mark.slow
def test_what_came_after_the_best_weights_was_not_learned_by_them(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([9.0, 5.0, 3.0, 4.0, 3.0, 7.0])  # before; after 5, 10, 15 and 20 steps; at the end
    monkeypatch.setattr(held_out, "mean", lambda *_: next(losses))
    stages.prepare(made_pairs(500), settings())
    folder = stages.train(settings(evaluate_every=5, keep="best", steps=25))
    manifest, kept = store.read_manifest(folder), steps_of(folder)[:10]
    assert (manifest.figures["kept_step"], manifest.figures["validation_loss_after"]) == (10, 3.0)
    assert (manifest.figures["steps"], manifest.kept) == (25, 160)
    assert manifest.left == {"after the last step": 290}
    about = models.card(folder / "model")
    assert (about["steps"], about["samples"], about["tokens"]) == (10, 160, sum(row.tokens for row in kept))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("losses", "step", "kept"),
    [
        ([math.nan], 0, "there is no checkpoint before it; next: lower train.learning_rate"),
        ([9.0, math.nan], 5, "there is no checkpoint before it; next: lower train.learning_rate"),
        ([9.0, 5.0, math.nan], 10, "step-000000006; next: the same command with -s train.rate_after.6=0.3 goes on"),
        ([9.0, 5.0, 4.0, math.inf], 12, "step-000000006; next: the same command"),
    ],
)
def test_a_validation_loss_that_is_no_number_stops_training_before_a_checkpoint_of_it(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, losses: list[float], step: int, kept: str
) -> None:
    measured = iter(losses)
    monkeypatch.setattr(held_out, "mean", lambda *_: next(measured))
    stages.prepare(made_pairs(300), settings())
    with pytest.raises(TrainingError, match=rf"^step {step}: validation loss (nan|inf); expected finite .*{kept}"):
        stages.train(settings(evaluate_every=5, keep="best", checkpoint_every=6, steps=12))
    assert not list(stages.root.glob(f"train.part/state/*-{step:09d}"))


@pytest.mark.slow
def test_a_run_whose_patience_ended_and_that_was_killed_while_saving_takes_no_further_step(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([9.0, 5.0, 6.0, 7.0, 7.0, 7.0])  # before; after 2, 4, 6 steps; at the end, twice
    monkeypatch.setattr(held_out, "mean", lambda *_: next(losses))
    stages.prepare(made_pairs(300), settings())
    chosen = settings(evaluate_every=2, patience=2, keep="best", steps=12)
    with monkeypatch.context() as patched, pytest.raises(TrainingError, match=r"nothing is lost: .*step-000000006;"):
        patched.setattr(loop, "write", full_disk)
        stages.train(chosen)
    folder = stages.train(chosen)
    figures = store.read_manifest(folder).figures
    assert [figures[name] for name in ("steps", "resumed_at_step", "kept_step")] == [6, 6, 2]
    assert not (folder / "state").exists()


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.slow
def test_best_weights_that_are_damaged_meanwhile_do_not_lose_the_run(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    losses = [9.0, 5.0, 3.0, 4.0, 3.5, 3.7]  # before; after 5, 10, 15 and 20 steps; at the end

    def measure(*_: object) -> float:
        if len(losses) == 3:
            (folder,) = (stages.root / "train.part" / "state").glob("best-*")
            next(folder.glob("__0_*")).unlink()
        return losses.pop(0)

    monkeypatch.setattr(held_out, "mean", measure)
    stages.prepare(made_pairs(500), settings())
    folder = stages.train(settings(evaluate_every=5, keep="best", steps=25))
    manifest = store.read_manifest(folder)
    assert (manifest.figures["kept_step"], manifest.figures["validation_loss_after"]) == (25, 3.7)
    assert manifest.kept == 400
    found = {finding.rule: finding.message for finding in store.read(folder, "findings", Finding)}
    assert found["best_damaged"].startswith(
        "the weights of step 10, whose validation loss 3.000 was the lowest measured, were gone or damaged on the disk; "
        "those of step 25 (validation loss 3.700) are kept"
    )
    assert "best-000000010: damaged" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": "best"}, "keep = 'best' needs the loss while training"),
        ({"patience": 3}, "patience = 3 needs the loss"),
        ({"evaluate_every": 5}, "no pair is held out"),
    ],
)
def test_watching_without_anything_to_watch_is_refused(
    stages: Stages, settings: Make, changes: dict[str, object], message: str
) -> None:
    chosen = settings(**changes)
    stages.prepare([pair for pair in made_pairs(30) if pair.split == "train"], chosen)
    with pytest.raises(TrainingError, match=message):
        stages.train(chosen)
