"""A training that stopped, through `huatuo run`: it goes on, or is refused, and what was learned is never thrown away."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from huatuo import store
from huatuo.cli import cli
from huatuo.errors import HuatuoError
from huatuo.records_trained import StepLog
from huatuo.train import disk, loop
from huatuo.unfinished import CHECKPOINTS
from test_train_bad_input import TINY, Place

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]  # transformers about itself

TRAIN = f"checkpoint_every = 4\nsteps = 14\nlearning_rate = 3e-3\n{TINY}"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def stopped(place: Place, recipe: Path, monkeypatch: pytest.MonkeyPatch, norm: float | None = None) -> str:
    """A run that ends in its tenth step, by the gradient norm there or by an error; what it says."""
    clip, seen = loop._clip, [0]

    def clipped(model: object, largest: float) -> float:
        seen[0] += 1
        if seen[0] == 10 and norm is not None:
            return norm
        if seen[0] == 10:
            raise HuatuoError("killed")
        return clip(model, largest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(loop, "_clip", clipped)
        return place.refused(recipe)


def figures(place: Place, name: str) -> dict[str, float | None]:
    return store.read_manifest(place.root / "runs" / name / "train").figures


def said(place: Place, recipe: Path, *more: str, code: int) -> str:
    """What `huatuo run` prints and raises."""
    done = CliRunner().invoke(cli, ["run", str(recipe), "--runs", str(place.root / "runs"), "--to", "train", *more])
    assert done.exit_code == code, (done.output, done.exception)
    assert done.exception is None or isinstance(done.exception, HuatuoError)
    return f"{done.output}{done.exception or ''}"


def steps_kept(part: Path) -> list[str]:
    return sorted(path.name for path in part.glob(CHECKPOINTS["train"]))


def test_the_checkpoints_of_training_are_those_that_are_not_thrown_away() -> None:
    assert CHECKPOINTS["train"] == f"{loop.STATE}/{disk.STEP}-*"


def test_with_other_settings_nothing_is_thrown_away_and_with_its_own_it_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = place.recipe("a", TRAIN, "validation_pairs = 30")
    part = place.root / "runs/a/train.part"
    stopped(place, recipe, monkeypatch)
    held = steps_kept(part)
    assert held == ["step-000000004", "step-000000008"]
    assert re.search(r"train +to do +goes on at step 8; ", said(place, recipe, "--dry-run", code=0))
    others = {
        "train.learning_rate=1e-3": r"train\.learning_rate = 0\.003 \(now 0\.001\)",
        "run.seed=7": r"run\.seed = 2023 \(now 7\)",
        "run.title=Clinic": r'run\.title = "" \(now "Clinic"\)',
        "train.rate_after.7=0.5": r"train\.rate_after\.7 = unset \(now 0\.5\)",
    }
    for other, differs in others.items():
        for dry in ([], ["--dry-run"]):
            told = said(place, recipe, "-s", other, *dry, code=1)
            assert re.search(rf"train\.part: an unfinished training, at step 8, .* otherwise: {differs}; ", told)
            assert "its checkpoints are kept; next: " in told
            assert "remove this folder" in told
        assert steps_kept(part) == held
    before = store.read_manifest(place.root / "runs/a/unify").digest
    said(place, recipe, "-s", "train.learning_rate=1e-3", "-s", "unify.validation_pairs=40", code=1)
    assert store.read_manifest(place.root / "runs/a/unify").digest == before  # refused before anything is computed
    place.run(recipe, "--to", "train")
    assert figures(place, "a")["resumed_at_step"] == 8
    assert not part.exists()
    assert not (place.root / "runs/a/train" / loop.STATE).exists()


def test_other_data_are_refused_and_the_same_data_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = place.recipe("b", TRAIN, "validation_pairs = 30")
    stopped(place, recipe, monkeypatch)
    told = said(place, recipe, "-s", "unify.validation_pairs=40", code=1)
    assert "at step 8, was made otherwise: another content of order, tokenise; " in told
    assert "goes on at step 8" in said(place, recipe, "--dry-run", code=0)  # as far as can be known before
    place.run(recipe, "--to", "train")
    assert figures(place, "b")["resumed_at_step"] == 8


def test_what_is_finished_is_not_refused_for_what_was_begun_after_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = place.recipe("c", TRAIN)
    place.run(recipe, "--to", "train")
    other = place.recipe("c", TRAIN.replace("3e-3", "1e-3"))
    stopped(place, other, monkeypatch)
    assert "finished before" in place.run(place.recipe("c", TRAIN), "--to", "train")
    shutil.rmtree(place.root / "runs/c/train.part")
    place.run(other, "--to", "train")  # anew, as its folder was removed
    assert figures(place, "c")["resumed_at_step"] == 0


def test_after_a_loss_that_is_no_number_the_advice_goes_on_from_the_last_checkpoint(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = place.recipe("d", TRAIN)
    told = stopped(place, recipe, monkeypatch, norm=float("nan"))
    assert "step 10: loss" in told
    advice = re.search(r"step-000000008; next: the same command with -s (\S+) goes on from there", told)
    assert advice
    assert "goes on at step 8" in said(place, recipe, "-s", advice[1], "--dry-run", code=0)
    place.run(recipe, "--to", "train", "-s", advice[1])
    assert figures(place, "d")["resumed_at_step"] == 8
    rates = [row.learning_rate for row in store.read(place.root / "runs/d/train", "steps", StepLog)]
    assert rates[8] < 0.35 * rates[7]
    assert store.read_manifest(place.root / "runs/d/train").recipe["rate_after"] == {"8": 0.3}


# ---------------------------------------------------------------- a disk that is really full

FULL = """
import subprocess, sys
from pathlib import Path
runs, recipe, size = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
runs.mkdir()
def mount(how, *more):
    subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(runs)], check=True)
mount(f"size={size}")
def run():
    code = sys.argv[4] + "\\nimport sys\\nfrom huatuo.__main__ import main\\nmain()\\n"
    command = [sys.executable, "-W", "ignore", "-c", code, "run", recipe, "--runs", str(runs), "--to", "train"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    print("ended", done.returncode, done.stderr, done.stdout, flush=True)
run()
print("kept", sorted(path.name for path in runs.glob("*/train.part/state/step-*")))
for path in runs.glob("ballast"):
    path.unlink()
mount("remount,size=200m")
run()
from huatuo import store
print("resumed", store.read_manifest(next(runs.glob("*/train"))).figures["resumed_at_step"])
"""

BALLAST = """
import os
from pathlib import Path
from huatuo.models import load
save = load.save
def full(model, tokenizer, fmt, folder, *more):
    if folder.name == "model" and not Path({seen!r}).exists():
        Path({seen!r}).touch()
        with open({ballast!r}, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
    return save(model, tokenizer, fmt, folder, *more)
load.save = full
"""


def on_a_small_disk(place: Place, recipe: Path, size: str, before: str = "") -> str:
    """What is said by a run on a disk of ``size``, and by the same command when there is room again."""
    private = ["unshare", "--map-root-user", "--mount"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*private, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    command = [*private, sys.executable, "-c", FULL, str(place.root / "small"), str(recipe), size, before]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


@pytest.mark.parametrize("size", ["1300k", "1600k"])
def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint_is_one_sentence(place: Place, size: str) -> None:
    recipe = place.recipe("e", TRAIN.replace("hidden = 32", "hidden = 64"))
    told = on_a_small_disk(place, recipe, size)
    assert re.search(r"the checkpoint of step \d+ cannot be written \(No space left on device\); ", told), told
    assert "make room on the disk and give the same command, which goes on from there" in told


def test_a_disk_that_is_full_when_the_model_is_saved_loses_nothing(place: Place) -> None:
    recipe = place.recipe("f", f"checkpoint_every = 500\nsteps = 6\n{TINY}")
    ballast = {"ballast": str(place.root / "small" / "ballast"), "seen": str(place.root / "seen")}
    told = on_a_small_disk(place, recipe, "40m", BALLAST.format(**ballast))
    said = r"train\.part(/model)?: the trained model cannot be written \(No space left on device\); nothing is lost: "
    assert re.search(said, told)
    assert "state/step-000000006; next: " in told
    assert "kept ['step-000000006']" in told
    assert "resumed 6.0" in told
