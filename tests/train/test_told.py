"""What a training tells of itself: padding, speed, the loss of each held-out pair, where it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from train_makers import Stages, made_pairs

from huatuo import show, store
from huatuo.cli_lines import describe
from huatuo.models import load as models
from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.records_trained import HeldOutLoss, StepLog
from huatuo.train import loop
from huatuo.train.pack import plan
from huatuo.train.samples import Samples

Make = Callable[..., TrainSettings]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("layout", ["bucketed", "packed", "joined"])
def test_the_padding_of_every_layout_is_counted(stages: Stages, settings: Make, layout: str) -> None:
    chosen = settings(layout=layout, epochs=1, batch_tokens=128)
    stages.prepare(made_pairs(400), chosen)
    figures = store.read_manifest(stages.train(chosen)).figures
    if layout != "bucketed":
        assert figures["padding_share"] == 0
        return
    lengths = Samples(stages.root / "tokenise").lengths
    sequence = loop.samples.in_order(stages.root / "order", Samples(stages.root / "tokenise"))
    own = lengths[sequence.samples]
    computed = sum(len(micro) * own[micro].max() for step in plan(own, chosen, 5) for micro in step.micro_batches)
    assert figures["padding_share"] == pytest.approx(1 - own.sum() / computed)
    assert 0 < figures["padding_share"] < 0.5  # type: ignore[operator]


def test_the_loss_of_each_held_out_pair_is_kept_before_and_after(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(400), settings())
    folder = stages.train(settings(evaluate_every=5, keep="best", steps=18))
    rows = {row.pair_id: row for row in store.read(folder, "held_out", HeldOutLoss)}
    data, manifest = Samples(stages.root / "tokenise"), store.read_manifest(folder)
    assert len(rows) == len(data.validation) == 40
    for name, what in (("base", "before"), ("model", "after")):
        model, total = models.load(folder / name).model, 0.0
        for sample in data.validation.tolist():
            ids, learned = np.array(data.ids(sample)).astype(np.int64), np.array(data.learned(sample)).astype(bool)
            with torch.no_grad():
                logits = model(input_ids=torch.from_numpy(ids)[None]).logits[0, :-1].float()
            loss = functional.cross_entropy(logits, torch.from_numpy(ids[1:]), reduction="none")
            own = rows[data.pair_ids[sample].decode()]
            assert getattr(own, what) == pytest.approx(float(loss[torch.from_numpy(learned[1:])].sum()), rel=1e-4)
            assert own.learned_tokens == learned.sum()
            total += getattr(own, what)
        mean = total / sum(row.learned_tokens for row in rows.values())
        assert manifest.figures[f"validation_loss_{what}"] == pytest.approx(mean, rel=1e-9)
    sources = {name: n for name, n in manifest.figures.items() if name.startswith("samples of ")}
    assert sources == {"samples of kg": 240.0, "samples of sft": 120.0}


def test_a_run_that_was_stopped_says_where_it_goes_on_and_then_what_it_learned(
    stages: Stages, settings: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(checkpoint_every=5, steps=20)
    stages.prepare(made_pairs(400), chosen)
    check = loop._check_finite

    def killed(loss: float, norm: float, step: int, *more: object) -> None:
        if step == 13:
            raise KeyError("killed")
        check(loss, norm, step, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_check_finite", killed)
    with pytest.raises(KeyError):
        stages.train(chosen)
    assert "going on" not in capsys.readouterr().err
    monkeypatch.setattr(loop, "_check_finite", check)
    (line,) = show.runs(stages.root.parent, only=stages.root.name)
    assert "training not finished, checkpoint of step 10" in line
    manifest = store.read_manifest(stages.train(chosen))
    assert capsys.readouterr().err.count("train: going on from step 10 of 20\n") == 1
    said = describe(manifest)
    assert re.search(
        r"20 steps, [\d,]+ tokens at [\d,]+ tokens/s, last loss \d\.\d{3}, held out \d\.\d+ before, \d\.\d+ after", said
    )
    whole = stages.train(chosen, "whole")
    assert store.read_manifest(whole).figures["padding_share"] == manifest.figures["padding_share"]
    assert store.read_manifest(whole).tables["held_out"].digest == manifest.tables["held_out"].digest
    (line,) = show.runs(stages.root.parent, only=stages.root.name)
    assert re.search(r"base scratch, loss \d\.\d{3}", line)
    assert "not finished" not in line
    last = list(store.read(stages.root / "train", "steps", StepLog))[-1]
    assert f"loss {last.loss:.3f}" in line


def test_an_adapter_names_the_run_of_its_base(stages: Stages, settings: Make, tmp_path: Path) -> None:
    stages.prepare(made_pairs(200), settings())
    first = stages.train(settings(steps=2))
    second = settings(steps=1, base=str(first / "model"), lora=LoraSettings(r=2))
    about = models.card(stages.train(second, "adapter") / "model")
    assert about["base"] == f"{stages.root.name}/train/model"
    assert about["base_digest"] == models.card(first / "model")["digest"]
