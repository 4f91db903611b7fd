"""What a user gives to training that cannot work, through `huatuo run`: one clear error, or a counted drop."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from huatuo import store
from huatuo.cli import cli
from huatuo.errors import HuatuoError
from huatuo.models import load as models
from huatuo.records_trained import HeldOutAnswer, StepLog

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]  # transformers about itself

TINY = "[train.scratch]\nhidden = 32\nlayers = 1\nheads = 2\nfeed_forward = 64\n"


def rows(n: int) -> list[dict[str, str]]:
    """n instances of HuaTuo's shape with answers of unequal lengths."""
    return [
        {
            "instruction": f"问题{i}怎么办？病{i % 7}",
            "input": "",
            "output": "多休息，多喝水" + "，就医" * (i % 5) + "。",
        }
        for i in range(n)
    ]


class Place:
    """A folder in which recipes are written and run."""

    def __init__(self, root: Path):
        self.root = root

    def recipe(
        self, name: str, train: str, unify: str = "", data: list[dict[str, str]] | None = None, ask: str = ""
    ) -> Path:
        """The file of a recipe that trains on ``data`` (1,000 usual instances where it is None)."""
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (rows(1000) if data is None else data))
        (self.root / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        target = self.root / f"{name}.toml"
        target.write_text(
            f'[run]\nname = "{name}"\n[unify]\n{unify}\n[[unify.imports]]\nname = "h"\npath = "{name}.jsonl"\n'
            f'format = "huatuo"\n[train]\norder = "uniform"\nwindow = 64\n{train}\n{ask}\n',
            encoding="utf-8",
        )
        return target

    def run(self, recipe: Path, *more: str) -> str:
        """What a run says that ends well."""
        done = CliRunner().invoke(cli, ["run", str(recipe), "--runs", str(self.root / "runs"), *more])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def refused(self, recipe: Path, *words: str) -> str:
        """The one error of a run that cannot work; it is ours, and holds every word."""
        done = CliRunner().invoke(cli, ["run", str(recipe), "--runs", str(self.root / "runs"), "--to", "train"])
        assert isinstance(done.exception, HuatuoError), (done.output, done.exception)
        for word in words:
            assert word in str(done.exception)
        return str(done.exception)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with a trained base in runs/base, and an adapter on it in runs/adapter."""
    found = Place(tmp_path_factory.mktemp("training"))
    ask = "[ask]\nheld_out = 5\nmax_tokens = 8"
    held = "validation_pairs = 50\nvalidation_twins = 0.95"
    found.run(found.recipe("base", f"steps = 12\n{TINY}", held, ask=ask))
    found.run(
        found.recipe(
            "adapter", f'base = "{found.root}/runs/base/train/model"\nsteps = 4\n[train.lora]\nr = 4', held, ask=ask
        )
    )
    return found


@pytest.fixture
def copied(place: Place, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the base that can be spoiled; ``name`` of a run."""

    def make(name: str = "base") -> Path:
        return Path(shutil.copytree(place.root / "runs" / name / "train" / "model", tmp_path / name))

    return make


def on(folder: Path, more: str = "") -> str:
    return f'base = "{folder}"\nsteps = 2\n{more}'


def edited(path: Path, **changes: Any) -> None:
    """The JSON file with keys changed; a key that becomes None is taken out."""
    found = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in found.items() if v is not None}), encoding="utf-8")


# ---------------------------------------------------------------- what goes well


def test_pairs_are_held_out_and_asked_before_and_after(place: Place) -> None:
    held = [row for row in store.read(place.root / "runs/base/ask", "held_out", HeldOutAnswer)]
    assert [row.model for row in held] == ["base", "ours"] * 5
    assert len({row.pair_id for row in held}) == 5
    assert all(row.reference.startswith("多休息") for row in held)
    page = (place.root / "runs/base/report/report.html").read_text(encoding="utf-8")
    assert 'id="held-out"' in page
    assert held[0].messages[0].content in page


def test_an_adapter_learns_on_a_model_of_another_run_by_its_path(place: Place) -> None:
    ours = {row.model: row for row in store.read(place.root / "runs/adapter/ask", "held_out", HeldOutAnswer)}
    assert ours["base"].digest == models.digest(place.root / "runs/base/train/model") != ours["ours"].digest
    card = models.card(place.root / "runs/adapter/train/model")
    assert card["base_digest"] == ours["base"].digest
    assert not os.path.isabs(card["base_folder"])


@pytest.mark.parametrize("way", ["[train.lora]\nr = 2\n", ""])
def test_training_goes_on_from_an_adapter_and_what_is_saved_is_what_was_trained(place: Place, way: str) -> None:
    name = "on-adapter" + ("-lora" if way else "")
    place.run(
        place.recipe(name, on(place.root / "runs/adapter/train/model", way), "validation_pairs = 50"), "--to", "train"
    )
    folder = place.root / "runs" / name / "train"
    before = store.read_manifest(place.root / "runs/adapter/train").figures["validation_loss_after"]
    assert store.read_manifest(folder).figures["validation_loss_before"] == pytest.approx(before, rel=1e-5)
    loaded = models.load(folder / "model")  # an adapter over an adapter over the base, or all weights
    assert hasattr(loaded.model, "peft_config") is bool(way)


def test_pad_may_be_eos(place: Place, copied: Callable[..., Path]) -> None:
    folder = copied()
    edited(folder / "tokenizer_config.json", pad_token="<eos>")
    place.run(place.recipe("pad", on(folder)), "--to", "train")


# ---------------------------------------------------------------- data


def test_answers_without_a_token_are_dropped_and_counted(place: Place) -> None:
    empty = [{"instruction": f"空{i}", "input": "", "output": " "} for i in range(100)]
    said = place.run(place.recipe("some-empty", f"steps = 2\n{TINY}", data=rows(900) + empty), "--to", "train")
    assert "dropped 100 empty_answer" in said
    place.refused(place.recipe("all-empty", TINY, data=empty), "empty_answer: 100", "next:")


@pytest.mark.parametrize(
    ("rule", "said"),
    [("drop", "dropped 100 overlong"), ("split", "dropped 100 overlong"), ("keep-end", "1,000 samples")],
)
def test_a_pair_longer_than_the_window_whose_answer_fits(place: Place, rule: str, said: str) -> None:
    long = [{"instruction": "长" * 100 + str(i), "input": "", "output": "好。"} for i in range(100)]
    recipe = place.recipe(f"long-{rule}", f'overlong = "{rule}"\nsteps = 2\n{TINY}', data=rows(900) + long)
    output = place.run(recipe, "--to", "train")
    assert said in output
    assert "10.0% of the pairs are longer than the window of 64 tokens" in output
    figures = store.read_manifest(place.root / f"runs/long-{rule}/tokenise").figures
    assert figures["cut_pairs"] == (100 if rule == "keep-end" else 0)


@pytest.mark.parametrize("layout", ["packed", "bucketed", "joined"])
def test_a_split_smaller_than_one_pack_is_one_step(place: Place, layout: str) -> None:
    train = f'layout = "{layout}"\nbatch_tokens = 4096\nbatch_samples = 512\n{TINY}'
    said = place.run(place.recipe(f"small-{layout}", train, "validation_pairs = 1", rows(3)), "--to", "train")
    assert "train      1 steps" in said


def test_everything_held_out_is_refused(place: Place) -> None:
    place.refused(place.recipe("none", TINY, "validation_pairs = 3", rows(3)), "no pair with split 'train'", "next:")


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ("learning_rate = 0", ("learning_rate = 0.0: nothing would be learned", "nothing was computed")),
        ("optimiser = 'muon'\nmuon_learning_rate = 0", ("muon_learning_rate = 0.0",)),
        ("format = 'huatou2'", ("unknown chat format 'huatou2'", "did you mean 'huatuo2'?")),
        ("[train.lora]\nr = 4", ("needs a trained base",)),
        ("keep = 'best'", ("evaluate_every = 0", "next:")),
    ],
)
def test_settings_that_cannot_train(place: Place, train: str, words: tuple[str, ...]) -> None:
    place.refused(place.recipe("settings", f"{train}\n" if "[" in train else f"{train}\n{TINY}"), *words)


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint_and_another_recipe_spares_it(place: Place) -> None:
    wild = f"learning_rate = 1e30\nclip = 0\ncheckpoint_every = 1\nsteps = 9\n{TINY}"
    error = place.refused(place.recipe("nan", wild), "expected finite numbers", "last good checkpoint", "next:")
    assert (place.root / "runs/nan/train.part/state/step-000000001/about.json").exists(), error
    other = place.recipe("nan", f"checkpoint_every = 1\nsteps = 5\n{TINY}")
    place.refused(other, "runs/nan/train.part: an unfinished training", "to begin anew, remove this folder")
    shutil.rmtree(place.root / "runs/nan/train.part")
    place.run(other, "--to", "train")
    assert [row.step for row in store.read(place.root / "runs/nan/train", "steps", StepLog)] == [1, 2, 3, 4, 5]


# ---------------------------------------------------------------- bases


def _shard(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(sorted(weights))}
    first = {name: weights[name] for name, file in names.items() if "00001-of" in file}
    save_file(first, folder / "model-00001-of-00002.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def _pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _halve(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def _grow(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"〔新{i}〕" for i in range(9)])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_shard, ("shard model-00002-of-00002.safetensors is missing (1 of 2", "nothing was computed")),
        (_pickle, ("pytorch_model.bin is pickled", "nothing was computed")),
        (_halve, ("the weights cannot be loaded", "next: copy the files again")),
        (_grow, ("the tokenizer has ids up to", "the embedding")),
        (lambda folder: edited(folder / "tokenizer_config.json", eos_token=None), ("no EOS token",)),
        (lambda folder: edited(folder / "config.json", model_type="chatglm", position_encoding_2d=True), ("ChatGLM-6B", "over an API")),
        (lambda folder: (folder / "config.json").unlink(), ("no config.json", "nothing was computed")),
        (lambda folder: shutil.rmtree(folder), ("not found", "nothing was computed")),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_used(
    place: Place, copied: Callable[..., Path], spoil: Callable[[Path], Any], words: tuple[str, ...]
) -> None:
    folder = copied()
    spoil(folder)
    place.refused(place.recipe("spoilt", on(folder)), str(folder), *words)


def test_a_format_that_the_tokenizer_cannot_write(place: Place) -> None:
    recipe = place.recipe("wording", on(place.root / "runs/base/train/model", 'format = "huatuo1"'))
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("window = 64", "window = 256"), encoding="utf-8")
    place.refused(recipe, "format huatuo1", "does not know a character", "next:")


def test_an_adapter_of_another_base_or_of_none(place: Place, copied: Callable[..., Path]) -> None:
    adapter, other = copied("adapter"), copied()
    weights = {name: value + 0.1 for name, value in load_file(other / "model.safetensors").items()}
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    edited(adapter / "huatuo.json", base_folder="../base")
    place.refused(place.recipe("other", on(adapter)), "was trained on a base with digest", "next: give the right base")
    edited(adapter / "huatuo.json", base_folder="../gone")
    place.refused(place.recipe("gone", on(adapter)), "../gone", "nothing was computed")


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_an_adapter_whose_weights_fit_nothing_is_refused(place: Place, copied: Callable[..., Path]) -> None:
    adapter = copied("adapter")
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({f"x.{name}": value for name, value in weights.items()}, adapter / "adapter_model.safetensors")
    edited(adapter / "huatuo.json", base_folder=os.path.relpath(place.root / "runs/base/train/model", adapter))
    place.refused(place.recipe("unfit", on(adapter)), "fit nothing in its base", "next:")


# ---------------------------------------------------------------- the machine


def in_a_process(place: Place, recipe: Path, before: str = "", limit: Callable[[], None] | None = None) -> Any:
    """A run in a process of its own; ``before`` is Python that it executes first."""
    code = f"{before}\nimport sys\nfrom huatuo.__main__ import main\nsys.argv[1:] = sys.argv[1:]\nmain()\n"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, "run", str(recipe), "--runs", str(place.root / "runs"), "--to", "train"],
        capture_output=True, check=False, encoding="utf-8", preexec_fn=limit,
    )  # fmt: skip


def losses(place: Place, name: str) -> list[tuple[float, float]]:
    return [(row.loss, row.gradient_norm) for row in store.read(place.root / "runs" / name / "train", "steps", StepLog)]


KILLED = """
import os, signal
from huatuo.train import checkpoint
real, seen = checkpoint.write_atomic, []
def write(path, text):
    seen.append(path)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, text)
checkpoint.write_atomic = write
"""


def test_killed_while_a_checkpoint_is_written_it_goes_on_to_the_same_bits(place: Place) -> None:
    train = f"checkpoint_every = 4\nsteps = 20\n{TINY}"
    assert in_a_process(place, place.recipe("whole", train)).returncode == 0
    killed = place.recipe("killed", train)
    assert in_a_process(place, killed, KILLED).returncode == -signal.SIGKILL
    state = place.root / "runs/killed/train.part/state"
    assert sorted(path.name for path in state.iterdir()) == ["step-000000004", "step-000000008", "writing.new"]
    assert in_a_process(place, killed).returncode == 0
    assert store.read_manifest(place.root / "runs/killed/train").figures["resumed_at_step"] == 8
    assert losses(place, "killed") == losses(place, "whole")


def test_a_full_disk_while_a_checkpoint_is_written_is_named_and_the_last_one_kept(place: Place) -> None:
    recipe = place.recipe("full", f"checkpoint_every = 4\nsteps = 20\n{TINY}")
    place.run(recipe, "--to", "tokenise")

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = in_a_process(place, recipe, limit=small)
    assert done.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "the checkpoint of step 4 cannot be written (File too large)" in done.stderr
    assert "there is no checkpoint before it; next: make room" in done.stderr
    assert in_a_process(place, recipe).returncode == 0
    assert len(losses(place, "full")) == 20
