"""A run that was killed, at any moment, ends as one that was not, bit for bit."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from train_makers import TINY, Stages, made_pairs

from huatuo import store
from huatuo.errors import TrainingError
from huatuo.models import load as models
from huatuo.models import scratch, tokenizers
from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.records_trained import StepLog
from huatuo.train import loop

Make = Callable[..., TrainSettings]

CHILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from train_makers import Stages
from huatuo.recipe import TrainSettings
Stages(Path(sys.argv[2])).train(TrainSettings.model_validate(json.loads(sys.argv[3])), sys.argv[4])
"""


def exact(folder: Path) -> list[tuple[str, str]]:
    """Losses and gradient norms to the last bit."""
    return [(row.loss.hex(), row.gradient_norm.hex()) for row in store.read(folder, "steps", StepLog)]


class KilledError(BaseException):
    """Stands for the process ending."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """End training in the middle of a step, after the backward pass."""
    check = loop._check_finite

    def kill(loss: float, norm: float, number: int, *more: Any) -> None:
        if number == step:
            raise KilledError
        check(loss, norm, number, *more)

    monkeypatch.setattr(loop, "_check_finite", kill)


def interrupt(stages: Stages, chosen: TrainSettings, monkeypatch: pytest.MonkeyPatch, at: int) -> Path:
    """The folder with the checkpoints of a run that ended at a step."""
    with monkeypatch.context() as patched:
        stop_at(patched, at)
        with pytest.raises(KilledError):
            stages.train(chosen, "broken")
    return stages.root / "broken.part" / "state"


def interrupted(stages: Stages, chosen: TrainSettings, monkeypatch: pytest.MonkeyPatch, at: int) -> Path:
    interrupt(stages, chosen, monkeypatch, at)
    return stages.train(chosen, "broken")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"optimiser": "adamw"}, marks=pytest.mark.slow),
        {"optimiser": "muon"},
        pytest.param({"step_tokens": 400}, marks=pytest.mark.slow),
        pytest.param({"step_tokens": 400, "layout": "packed"}, marks=pytest.mark.slow),
    ],
)
def test_resuming_gives_the_same_bits(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    chosen = settings(checkpoint_every=7, **changes)
    stages.prepare(made_pairs(300), chosen)
    whole = stages.train(chosen, "whole")
    broken = interrupted(stages, chosen, monkeypatch, 13)
    assert exact(broken) == exact(whole)
    assert store.read_manifest(broken).digest == store.read_manifest(whole).digest
    assert store.read_manifest(broken).figures["resumed_at_step"] == 7


@pytest.mark.slow
def test_resuming_an_adapter_with_dropout_gives_the_same_bits(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages.prepare(made_pairs(300), settings())
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids = {"eos_id": tokenizer.eos_token_id, "pad_id": tokenizer.pad_token_id}
    models.save(
        scratch.build(TINY, len(tokenizer), **ids, seed=9, window=64), tokenizer, "huatuo2", stages.root / "b", {}
    )
    chosen = settings(base=str(stages.root / "b"), lora=LoraSettings(dropout=0.3), checkpoint_every=5)
    stages.prepare(made_pairs(300), chosen)
    whole = stages.train(chosen, "whole")
    assert exact(interrupted(stages, chosen, monkeypatch, 12)) == exact(whole)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(checkpoint_every=4)
    stages.prepare(made_pairs(300), chosen)
    whole = stages.train(chosen, "whole")
    state = interrupt(stages, chosen, monkeypatch, 10)
    newest = max(state.glob("step-*"))
    part = next(newest.glob("__0_*"))
    part.write_bytes(part.read_bytes()[:-100])
    (state / "writing.new").mkdir()
    (state / "writing.new" / "about.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        broken = stages.train(chosen, "broken")
    assert f"{newest.name}: damaged" in caplog.text
    assert store.read_manifest(broken).figures["resumed_at_step"] == 4
    assert exact(broken) == exact(whole)


@pytest.mark.slow
def test_best_weights_that_are_damaged_before_a_run_goes_on_are_said_and_found_again(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(checkpoint_every=4, evaluate_every=4, keep="best", steps=14)
    stages.prepare(made_pairs(300), chosen)
    whole = stages.train(chosen, "whole")
    (kept,) = interrupt(stages, chosen, monkeypatch, 10).glob("best-*")
    next(kept.glob("__0_*")).unlink()
    with caplog.at_level(logging.WARNING):
        broken = stages.train(chosen, "broken")
    assert "the weights of step 8, the best so far by validation loss" in caplog.text
    assert exact(broken) == exact(whole)
    assert store.read_manifest(broken).figures["kept_step"] == 14


@pytest.mark.slow
def test_checkpoints_of_other_settings_or_data_are_refused_and_kept(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(checkpoint_every=2, steps=6)
    stages.prepare(made_pairs(300), chosen)
    state = interrupt(stages, chosen, monkeypatch, 5)
    said = r"state: its checkpoints, up to step 4, are of other settings or data; they are kept; next: "
    for changes in ({"learning_rate": 1e-3}, {"rate_after": {3: 0.5}}):
        with pytest.raises(TrainingError, match=said):
            stages.train(chosen.model_copy(update=changes), "broken")
    for name in ("unify", "ingest", "order", "tokenise"):
        (stages.root / name).rename(stages.root / f"{name}.before")
    stages.prepare(made_pairs(299), chosen)
    with pytest.raises(TrainingError, match=said):
        stages.train(chosen, "broken")
    for name in ("unify", "ingest", "order", "tokenise"):
        shutil.rmtree(stages.root / name)
        (stages.root / f"{name}.before").rename(stages.root / name)
    assert sorted(path.name for path in state.glob("step-*")) == ["step-000000002", "step-000000004"]
    assert store.read_manifest(stages.train(chosen, "broken")).figures["resumed_at_step"] == 4


@pytest.mark.slow
def test_a_lower_rate_after_the_last_checkpoint_goes_on_to_the_bits_of_an_unbroken_run(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(checkpoint_every=4, steps=14)
    stages.prepare(made_pairs(300), chosen)
    lower = chosen.model_copy(update={"rate_after": {8: 0.3}})
    whole = stages.train(lower, "whole")
    interrupt(stages, chosen, monkeypatch, 10)
    broken = stages.train(lower, "broken")
    assert store.read_manifest(broken).figures["resumed_at_step"] == 8
    assert exact(broken) == exact(whole)
    plain = [row.learning_rate for row in store.read(stages.train(chosen, "plain"), "steps", StepLog)]
    rates = [row.learning_rate for row in store.read(broken, "steps", StepLog)]
    assert rates == pytest.approx([rate * (0.3 if at >= 8 else 1) for at, rate in enumerate(plain)])


@pytest.mark.slow
def test_another_thread_count_is_said(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(checkpoint_every=4, steps=10)
    stages.prepare(made_pairs(200), chosen)
    interrupt(stages, chosen, monkeypatch, 6)
    with caplog.at_level(logging.WARNING):
        stages.train(chosen, "broken", threads=2)
    torch.set_num_threads(1)
    assert "threads = 2, the checkpoint was made with 1" in caplog.text


@pytest.fixture
def unheard() -> Iterator[None]:
    """A SIGTERM that nobody takes fails the test; by itself it would end the tests' own process."""

    def ended(*_: object) -> None:
        raise KilledError

    before = signal.signal(signal.SIGTERM, ended)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM])  # Ctrl-C; a cluster that takes a machine back
def test_ctrl_c_finishes_the_step_and_keeps_a_checkpoint(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch, unheard: None, signalled: signal.Signals
) -> None:
    chosen = settings(checkpoint_every=1000)
    stages.prepare(made_pairs(300), chosen)
    whole = stages.train(chosen, "whole")
    check = loop._check_finite

    def press(loss: float, norm: float, number: int, *more: Any) -> None:
        if number == 9:
            signal.raise_signal(signalled)
        check(loss, norm, number, *more)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "_check_finite", press)
        with pytest.raises(KeyboardInterrupt):
            stages.train(chosen, "broken")
    broken = stages.train(chosen, "broken")
    assert store.read_manifest(broken).figures["resumed_at_step"] == 9
    assert exact(broken) == exact(whole)


@pytest.mark.slow
def test_kill_9_at_any_moment_changes_no_bit(stages: Stages, settings: Make) -> None:
    """Killed at random moments, checkpoints being written at every step included."""
    chosen = settings(checkpoint_every=1, epochs=2)
    stages.prepare(made_pairs(400), chosen)
    whole = stages.train(chosen, "whole")
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(stages.root)]
    command += [json.dumps(chosen.model_dump(mode="json")), "broken"]
    environment = {**os.environ, "HUATUO_QUIET": "1", "OMP_NUM_THREADS": "1"}
    draw, state, kills = random.Random(1), stages.root / "broken.part" / "state", 0
    while not (stages.root / "broken").exists():
        child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        if kills < 5:
            before = max((p.name for p in state.glob("step-*")), default="")
            deadline = time.monotonic() + 60
            while child.poll() is None and time.monotonic() < deadline:
                if max((p.name for p in state.glob("step-*")), default="") > before:
                    break
                time.sleep(0.002)
            time.sleep(draw.random() * 0.05)
            if kills % 2:  # while a checkpoint is being written
                while child.poll() is None and not (state / "writing.new").exists():
                    pass
            child.kill()
            kills += 1
        _, errors = child.communicate(timeout=120)
        assert child.returncode in (0, -9), errors.decode()[-2000:]
    assert kills == 5
    assert exact(stages.root / "broken") == exact(whole)
    assert store.read_manifest(stages.root / "broken").digest == store.read_manifest(whole).digest
    assert store.read_manifest(stages.root / "broken").figures["resumed_at_step"] > 0  # type: ignore[operator]
