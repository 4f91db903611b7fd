"""Studies: the arms of one recipe, each a few keys different, trained on several seeds with equal compute.

A study is a TOML file beside its recipe. Each arm and seed is an ordinary run in the study's folder; what two of them
make alike is made once. Calling a study again goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from huatuo import recipe_file, store
from huatuo import run as running
from huatuo.errors import InputError, RecipeError
from huatuo.manifest import Manifest
from huatuo.recipe import Recipe
from huatuo.settings import Settings
from huatuo.stages import STAGES

BEFORE_TRAINING = "tokenise"
"""The stage after which it is known how many tokens an arm will train."""


class Arm(Settings):
    """One way of training."""

    name: str = Field(pattern=r"^[^./\\\x00-\x1f\s][^/\\\x00-\x1f\s]*$", max_length=60)
    """Name of the arm; its runs are called ``<name>-<seed>``."""
    says: str = ""
    """What it is, for people."""
    set: tuple[str, ...] = ()
    """What it changes in the recipe: ``table.key=value``, as after ``huatuo run -s``."""
    after: str = ""
    """Arm whose trained model, of the same seed, this one starts from."""
    compared: bool = True
    """Whether it must train as many tokens as the others; false for an arm that others start from."""


class Study(Settings):
    """A recipe, the arms that change it, and the seeds."""

    name: str = Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", max_length=60)
    """Name of the folder that holds its runs."""
    recipe: str
    """Name of a shipped recipe, or a path relative to the study's folder."""
    seeds: tuple[int, ...] = Field((2023, 2024, 2025), min_length=1)
    """Seeds; each arm is trained once with each."""
    set: tuple[str, ...] = ()
    """What all arms change in the recipe."""
    reference: str
    """The arm that every other is compared with."""
    tolerance: float = Field(0.02, ge=0, le=1)
    """Largest difference between the real tokens that an arm and the reference train, as a share of the latter."""
    apart: str = ""
    """Source of pairs whose facts are reported apart from facts that only other sources teach."""
    arms: tuple[Arm, ...] = Field(min_length=2)
    """The arms, in the order of the table; one that others start from stands before them."""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names) or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("two arms have one name, or a seed stands twice")
        compared = [arm.name for arm in self.arms if arm.compared]
        if self.reference not in compared:
            raise ValueError(f"reference = {self.reference!r}: expected one of the compared arms {', '.join(compared)}")
        for place, arm in enumerate(self.arms):
            if arm.after and arm.after not in names[:place]:
                raise ValueError(f"arm {arm.name}: after = {arm.after!r} is no arm that stands before it")
        return self


def shipped() -> dict[str, Path]:
    """The studies that come with huatuo, by name."""
    folder = Path(str(resources.files("huatuo"))) / "studies"
    return dict(sorted((path.stem, path) for path in folder.glob("*.toml")))


def find(name_or_path: str) -> Path:
    """The file of a study: a path, or the name of a shipped one. Raises RecipeError naming these."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    if name_or_path in shipped():
        return shipped()[name_or_path]
    raise RecipeError(
        f"{name_or_path}: no such file and no shipped study; shipped: {', '.join(shipped())}; "
        "next: give the path of a .toml file or one of these names"
    )


def load(path: Path) -> Study:
    """The study in a TOML file. Raises RecipeError that names every wrong key."""
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        return Study.model_validate(data)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); next: check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}; next: mend it") from None
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors(include_url=False)]
        raise RecipeError("\n".join(f"{path}: {place or 'study'}: {said}" for place, said in found)) from None


# ---------------------------------------------------------------- the runs


@dataclass(frozen=True)
class Trial:
    """One arm with one seed: an ordinary run."""

    arm: Arm
    seed: int
    source: str
    """The recipe, as ``huatuo run`` takes it."""
    overrides: tuple[str, ...]
    """What changes in it."""
    recipe: Recipe
    root: Path
    """Folder of the run."""

    @property
    def command(self) -> str:
        """The command that makes this run alone, on one machine or started by torchrun on several."""
        quoted = " ".join(f"-s '{override}'" for override in self.overrides)
        return f"huatuo run {self.source} --runs '{self.root.parent}' --to score {quoted}"


def trials(study: Study, path: Path, runs: Path, overrides: Sequence[str] = ()) -> list[Trial]:
    """Every arm with every seed, seed by seed. ``overrides`` are applied to all. Raises RecipeError."""
    beside = path.resolve().parent / study.recipe
    source = str(beside) if beside.is_file() else study.recipe
    file, folder = recipe_file.find(source), runs / study.name
    found = []
    for seed in study.seeds:
        for arm in study.arms:
            name = f"{arm.name}-{seed}"
            base = [f'train.base="{(folder / f"{arm.after}-{seed}" / "train" / "model").resolve()}"']
            given = [*study.set, *overrides, *(base if arm.after else []), *arm.set]
            given += [f'run.name="{name}"', f"run.seed={seed}"]
            found.append(Trial(arm, seed, source, tuple(given), recipe_file.load(file, given), folder / name))
    return found


def run(study: Study, planned: Sequence[Trial]) -> Iterator[tuple[Trial, Manifest, bool]]:
    """Each stage of each run as it is finished, to the scores, and whether it was finished before or taken over.

    All runs of a seed are made up to their tokens first. Raises RecipeError where an arm would not train as many tokens
    as the reference, and whatever a stage raises; what is finished stays.
    """
    for seed in dict.fromkeys(trial.seed for trial in planned):
        own = [trial for trial in planned if trial.seed == seed]
        for trial in own:
            if not trial.arm.after:
                yield from _made(trial, own, BEFORE_TRAINING)
        for trial in own:
            if trial.arm.after:
                yield from _made(next(one for one in own if one.arm.name == trial.arm.after), own, "train")
                yield from _made(trial, own, BEFORE_TRAINING)
        check_tokens(study, {trial.arm.name: planned_tokens(trial) for trial in own if trial.arm.compared})
        for trial in own:
            yield from _made(trial, own, "score")


def _made(trial: Trial, others: Sequence[Trial], last: str) -> Iterator[tuple[Trial, Manifest, bool]]:
    """The stages up to ``last``, each taken over from another run of the seed where that made the same."""
    for stage in running.select(last=last):
        taken = _taken_over(trial, others, stage.name)
        for done in running.run(trial.recipe, trial.root, [stage]):
            yield trial, done.manifest, done.skipped and not taken


def _taken_over(trial: Trial, others: Sequence[Trial], name: str) -> bool:
    """Whether another run's stage with the key that this one will have now stands here as well, as hard links."""
    stage = next(stage for stage in STAGES if stage.name == name)
    key, folder = running.inputs_of(stage, trial.recipe, trial.root)[1], trial.root / name
    if store.is_finished(folder, key):
        return False
    for other in others:
        made = other.root / name
        if other is not trial and store.is_finished(made, key):
            new = trial.root / f"{name}.taken"
            for old in (new, folder):
                shutil.rmtree(old, ignore_errors=True)
            trial.root.mkdir(parents=True, exist_ok=True)
            shutil.copytree(made, new, copy_function=os.link)
            new.rename(folder)
            return True
    return False


def planned_tokens(trial: Trial) -> int:
    """Real tokens that a run will train, padding not counted: those of the samples in its steps."""
    from huatuo.train.loop import planned
    from huatuo.train.samples import Samples, in_order

    data = Samples(trial.root / "tokenise")
    sequence = in_order(trial.root / "order", data)
    lengths = data.lengths[sequence.samples]
    steps, total = planned(trial.recipe.train, trial.recipe.run, sequence, lengths, trial.root / "order")
    return int(lengths[steps.first(total)].sum())


def check_tokens(study: Study, tokens: dict[str, int]) -> None:
    """Nothing, where all arms train as many tokens as the reference. Raises RecipeError naming those that do not."""
    wanted = tokens[study.reference]
    off = [(name, n) for name, n in tokens.items() if abs(n - wanted) > study.tolerance * wanted]
    if off:
        lines = [f"  arm {name} would train {n:,} real tokens, {n / wanted - 1:+.1%}" for name, n in off]
        raise RecipeError(
            f"study {study.name}: the reference {study.reference} trains {wanted:,} real tokens, and more than "
            f"{study.tolerance:.0%} from that are not comparable:\n" + "\n".join(lines) + "\n"
            "next: change train.copies of a source in these arms, or set train.tokens for all"
        )


def unfinished(planned: Sequence[Trial]) -> list[Trial]:
    """The runs whose answers are not scored yet. Raises InputError where that is all of them."""
    left = [trial for trial in planned if not (trial.root / "score" / "manifest.json").exists()]
    if len(left) == len(planned):
        raise InputError(f"{planned[0].root.parent}: no run of the study is finished; next: huatuo study")
    return left
