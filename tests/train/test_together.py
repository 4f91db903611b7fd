"""Two processes learn what one learns, and each goes on where the other stopped."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed import HashStore, TCPStore
from train_makers import TINY, Stages, made_pairs

from huatuo import store
from huatuo.errors import ModelError, TrainingError
from huatuo.models import alibi, scratch, tokenizers
from huatuo.models import load as models
from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.records_trained import StepLog
from huatuo.train import held_out, stopping
from huatuo.train.forward import answer_head
from huatuo.train.ranks import Ranks, dealt, without_numbers
from huatuo.train.samples import Samples
from huatuo.train.setup import with_adapter

Make = Callable[..., TrainSettings]

CHILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from huatuo import store
from huatuo.recipe import RunSettings, TrainSettings
from huatuo.train import loop, setup
from huatuo.train.together import together
root, settings, name, stop = Path(sys.argv[2]), TrainSettings.model_validate(json.loads(sys.argv[3])), *sys.argv[4:6]
run = RunSettings(name="test", seed=5)
check = loop._check_finite
def stopping(loss, norm, number, *more):
    if number == int(stop):
        raise SystemExit(3)
    check(loss, norm, number, *more)
loop._check_finite = stopping
exec(sys.argv[6])
with together(settings) as found:
    if not found.ranks.is_first:  # only the first reads or makes a base
        setup.models.load = setup.scratch.build = None
    if found.ranks.is_first:
        with store.writing(root / name, stage="train", key="k", resumable=True) as out:
            found.lead(settings, run, root / "tokenise", root / "order", out)
    else:
        found.follow(settings, run)
"""


def two_processes(
    stages: Stages, chosen: TrainSettings, name: str, stop: int = 0, first: str = "pass"
) -> subprocess.CompletedProcess[str]:
    """Both processes; ``first`` is what each does before it begins."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["--no-python", sys.executable, "-c", CHILD, str(Path(__file__).parent), str(stages.root)]
    command += [json.dumps(chosen.model_dump(mode="json")), name, str(stop), first]
    environment = {**os.environ, "HUATUO_QUIET": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def on_two(stages: Stages, chosen: TrainSettings, name: str, stop: int = 0) -> Path:
    """The folder of a run on two processes; it ends in the middle of step ``stop``."""
    done = two_processes(stages, chosen, name, stop)
    assert (done.returncode == 0) == (stop == 0), done.stderr[-3000:]
    return stages.root / name


def curve(folder: Path) -> np.ndarray:
    return np.array([(row.loss, row.gradient_norm) for row in store.read(folder, "steps", StepLog)])


def baichuan(vocabulary: int) -> Any:
    torch.manual_seed(9)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return alibi.BaichuanForCausalLM(alibi.BaichuanConfig(**sizes, vocab_size=vocabulary, tie_word_embeddings=False))


def base_in(stages: Stages, kind: str = "llama") -> str:
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids = {"eos_id": tokenizer.eos_token_id, "pad_id": tokenizer.pad_token_id}
    model = scratch.build(TINY, len(tokenizer), **ids, seed=9, window=64)
    if kind == "baichuan":
        model = baichuan(len(tokenizer))
    models.save(model, tokenizer, "huatuo2", stages.root / "b", {})
    return str(stages.root / "b")


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    ["tied, packed", "muon", "lora", "a release with code of its own", "steps of tokens", "packed steps of tokens"],
)
def test_two_processes_learn_what_one_learns(stages: Stages, settings: Make, way: str) -> None:
    changes: dict[str, object] = {"checkpoint_every": 1000, "weight_decay": 0.1, "steps": 12, "batch_tokens": 100}
    stages.prepare(made_pairs(300), settings(**changes))
    if way == "lora":
        changes |= {"base": base_in(stages), "lora": LoraSettings(dropout=0.0)}
        stages.prepare(made_pairs(300), settings(**changes))
    if way == "a release with code of its own":
        changes |= {"base": base_in(stages, "baichuan"), "gradient_checkpointing": True}
    more: dict[str, dict[str, object]] = {
        "tied, packed": {"layout": "packed"},
        "muon": {"optimiser": "muon"},
        "steps of tokens": {"step_tokens": 350},
        "packed steps of tokens": {"step_tokens": 350, "layout": "packed"},
    }
    changes |= more.get(way, {})
    chosen = settings(**changes)
    one, two = stages.train(chosen, "one"), on_two(stages, chosen, "two")
    assert np.abs(curve(one) - curve(two)).max() < 1e-5
    figures = [store.read_manifest(folder).figures for folder in (one, two)]
    assert figures[0]["validation_loss_after"] == pytest.approx(figures[1]["validation_loss_after"], abs=1e-5)
    assert figures[0]["parameters"] == figures[1]["parameters"]
    loaded = [models.load(folder / "model").model for folder in (one, two)]
    assert type(loaded[0]) is type(loaded[1])
    pairs = zip(loaded[0].state_dict().items(), loaded[1].state_dict().items(), strict=True)
    assert all(a == b and torch.allclose(x, y, atol=2e-4) for (a, x), (b, y) in pairs)


@pytest.mark.slow
def test_what_is_wrong_with_a_base_is_said_by_all(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(50), settings())
    base = Path(base_in(stages))
    (base / "model.safetensors").unlink()
    done = two_processes(stages, settings(base=str(base)), "broken")
    assert done.returncode != 0
    assert done.stderr.count(f"ModelError: {base}: no model.safetensors") == 2


ALONE = """
import os
from huatuo.train import checkpoint
def wrong(*_, **more):
    raise {error}
if os.environ["RANK"] == "{rank}":
    {place} = wrong
"""
NAN = "loop.TrainingError('step 1: loss nan; next: lower it')"
FULL = "OSError(28, 'No space left on device')"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "error", "rank", "said"),
    [
        ("loop._check_finite", NAN, 0, "TrainingError: step 1: loss nan; next: lower it"),
        (
            "checkpoint.write_atomic",
            FULL,
            0,
            r"TrainingError: .*step 2 cannot be written \(No space .*; next: make room",
        ),
        (
            "loop._check_finite",
            "OverflowError('too much')",
            1,
            "TrainingError: process 1 ended: OverflowError: too much; next",
        ),
    ],
)
def test_what_one_process_meets_alone_ends_all_with_its_error_at_once(
    stages: Stages, settings: Make, place: str, error: str, rank: int, said: str
) -> None:
    chosen = settings(checkpoint_every=2, steps=3)
    stages.prepare(made_pairs(50), chosen)
    started = time.monotonic()
    done = two_processes(stages, chosen, "alone", first=ALONE.format(place=place, error=error, rank=rank))
    assert done.returncode == 1
    assert time.monotonic() - started < 100  # torchrun alone would wait for minutes, a collective operation for days
    # the launcher may end the other process before it has said so too
    assert re.search(rf"huatuo\.errors\.{said}", done.stderr), done.stderr[-4000:]
    assert "Connection closed by peer" not in done.stderr
    assert not (stages.root / "alone").exists()


WAITING = """
import sys, time
from huatuo.train import loop, stopping
from huatuo.train.forward import answer_head
stopping.GRACE_S = 0.5
with stopping.stopping_together(1):
    print("here", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("gone", [False, True])
def test_a_process_that_still_waits_after_another_failed_ends_itself(gone: bool) -> None:
    held: Any = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(held.port)}
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
        if gone:
            del held
        else:
            stopping.tell(held, 0, TrainingError("the disk is full; next: make room"))
        try:
            _, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 1
    assert ("cannot reach each other any more" if gone else "the disk is full; next: make room") in said


def test_the_first_error_is_the_one_that_is_told() -> None:
    held = HashStore()
    assert stopping.why(held) is None
    stopping.tell(held, 1, ModelError("no such base; next: mend the path"))
    stopping.tell(held, 0, ValueError("later"))
    found = stopping.why(held)
    assert type(found) is ModelError
    assert str(found) == "no such base; next: mend the path"


@pytest.mark.parametrize("kind", ["llama", "dora", "baichuan"])
def test_others_get_the_model_without_its_numbers(kind: str, settings: Make) -> None:
    model: Any = scratch.build(TINY, 500, eos_id=1, pad_id=0, seed=9, window=64)
    if kind == "dora":
        model = with_adapter(settings(lora=LoraSettings(variant="dora")), model)
    elif kind == "baichuan":
        model = baichuan(500)
    sent = without_numbers({"model": model, "card": {"seed": 5}})
    assert len(sent) < 0.5 * sum(4 * p.numel() for p in model.parameters())
    found = pickle.loads(sent)
    assert found["card"] == {"seed": 5}
    there, here = (dict(one.named_parameters()) for one in (model, found["model"]))  # of tied ones the first
    assert {name: (p.shape, p.dtype, p.requires_grad) for name, p in there.items()} == {
        name: (p.shape, p.dtype, p.requires_grad) for name, p in here.items()
    }
    assert all(p.is_meta for p in here.values())
    buffers = dict(found["model"].named_buffers())
    assert buffers
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert found["model"].training == model.training


@pytest.mark.slow
def test_a_checkpoint_of_two_goes_on_with_one_and_the_reverse(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(checkpoint_every=5, steps=14, weight_decay=0.1)
    stages.prepare(made_pairs(300), chosen)
    whole = stages.train(chosen, "whole")
    on_two(stages, chosen, "two then one", stop=8)
    one = stages.train(chosen, "two then one")
    from test_resume import KilledError, stop_at

    with monkeypatch.context() as patched:
        stop_at(patched, 8)
        with pytest.raises(KilledError):
            stages.train(chosen, "one then two")
    two = on_two(stages, chosen, "one then two")
    for folder in (one, two):
        assert store.read_manifest(folder).figures["resumed_at_step"] == 5
        assert np.abs(curve(folder) - curve(whole)).max() < 1e-5


@pytest.mark.slow
def test_two_processes_resume_to_the_bit_with_dropout(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(300), settings())
    chosen = settings(base=base_in(stages), lora=LoraSettings(dropout=0.3), checkpoint_every=5, steps=12)
    stages.prepare(made_pairs(300), chosen)
    whole = on_two(stages, chosen, "whole")
    on_two(stages, chosen, "broken", stop=8)
    broken = on_two(stages, chosen, "broken")
    assert store.read_manifest(broken).figures["resumed_at_step"] == 5
    assert (curve(broken) == curve(whole)).all()


def loss_on_disk(stages: Stages, folder: Path, chosen: TrainSettings) -> float:
    """The validation loss of the model that is read from a run's folder."""
    with answer_head(models.load(folder / "model").model, torch.device("cpu"), trim=False) as head:
        data = Samples(stages.root / "tokenise")
        found = held_out.mean(held_out.losses(head, data, chosen, "bucketed", Ranks()), data)
    assert found is not None
    return found


@pytest.mark.slow
def test_two_processes_measure_on_the_way_keep_the_best_and_go_on(stages: Stages, settings: Make) -> None:
    rising = {"learning_rate": 0.3, "schedule": "constant", "warmup_share": 0.0, "epochs": 3, "steps": 32}
    chosen = settings(evaluate_every=5, checkpoint_every=5, keep="best", **rising)
    stages.prepare(made_pairs(300), chosen)
    whole = on_two(stages, chosen, "whole")
    on_two(stages, chosen, "broken", stop=13)
    broken = on_two(stages, chosen, "broken")
    assert (curve(broken) == curve(whole)).all()
    figures = [store.read_manifest(folder).figures for folder in (whole, broken)]
    assert [found["resumed_at_step"] for found in figures] == [0, 10]
    for folder, found in zip((whole, broken), figures, strict=True):
        assert 0 < (found["kept_step"] or 0) < 32
        assert loss_on_disk(stages, folder, chosen) == pytest.approx(found["validation_loss_after"], abs=1e-5)
    assert store.read_manifest(broken).digest == store.read_manifest(whole).digest


@pytest.mark.slow
def test_measuring_on_the_way_changes_nothing_that_two_processes_learn(stages: Stages, settings: Make) -> None:
    chosen = settings(evaluate_every=5, checkpoint_every=5, steps=12, optimiser="muon", keep="best")
    stages.prepare(made_pairs(300), chosen)
    one, two = stages.train(chosen, "one"), on_two(stages, chosen, "two")
    assert np.abs(curve(one) - curve(two)).max() < 1e-5
    for folder in (one, two):
        said = store.read_manifest(folder).figures["validation_loss_after"]
        assert loss_on_disk(stages, folder, chosen) == pytest.approx(said, abs=1e-5)


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("shape", [[1], [5], [9, 4, 1], [3, 3, 3, 3]])
def test_every_sample_counts_once_and_all_run_as_often(size: int, shape: list[int]) -> None:
    ends = np.cumsum(shape)
    micro = [np.arange(end - n, end) for end, n in zip(ends, shape, strict=True)]
    lengths = np.arange(100) % 7 + 1
    shares = [dealt(micro, lengths, Ranks(rank, size)) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    counted = [int(i) for share in shares for part, counts in share if counts for i in part]
    assert sorted(counted) == list(range(sum(shape)))
    assert all(len(part) for share in shares for part, _ in share)
