"""Studies: the arms of one recipe, each a few keys different, trained on several seeds with equal compute.

A study is a TOML file beside its recipe. Each arm and seed is an ordinary run in the study's folder, which
`huatuo.study_run` makes.
"""

from __future__ import annotations

import difflib
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from huatuo import recipe_file
from huatuo.errors import RecipeError
from huatuo.recipe import Recipe
from huatuo.settings import Settings

PAGES = "compared"
"""The pages of a study lie beside its runs, in folders of this name and a seed; no arm has it."""

OURS = ("run.name", "run.seed")
"""Keys of the recipe that a study sets itself, for every arm and seed."""


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
        for what, given in (("arms", names), ("seeds", self.seeds)):
            if twice := sorted({str(one) for one in given if list(given).count(one) > 1}):
                raise ValueError(f"two {what} are called {', '.join(twice)}; next: rename or remove one")
        if PAGES in names:
            raise ValueError(f"an arm is called {PAGES!r}, as the pages of a study are; next: rename it")
        compared = [arm.name for arm in self.arms if arm.compared]
        if self.reference not in compared:
            raise ValueError(f"reference = {self.reference!r}: expected one of the compared arms {', '.join(compared)}")
        for place, arm in enumerate(self.arms):
            if arm.after and arm.after not in names[:place]:
                raise ValueError(f"arm {arm.name}: after = {arm.after!r} is no arm that stands before it")
            if arm.after and "train.base" in keys_of(arm.set):
                raise ValueError(
                    f"arm {arm.name}: after = {arm.after!r} and a train.base of its own; next: remove one of them"
                )
        check_keys("set", (*self.set, *(change for arm in self.arms for change in arm.set)))
        return self


def keys_of(changes: Iterable[str]) -> list[str]:
    """The keys that ``table.key=value`` changes set."""
    return [change.partition("=")[0].strip() for change in changes]


def check_keys(where: str, changes: Iterable[str]) -> None:
    """Nothing, where no key is set that a study sets itself. Raises ValueError."""
    if taken := [key for key in keys_of(changes) if key in OURS]:
        raise ValueError(f"{where}: {taken[0]} is set by the study for every run; next: remove it, or change seeds")


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
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); next: check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}; next: mend it") from None
    if "run" in data and "arms" not in data:
        raise RecipeError(
            f"{path}: this is a recipe; a study names a recipe, seeds and arms (docs/guides/training.md); "
            f"next: huatuo run {path}, or write a study"
        )
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{path}: {line}" for line in _explained(error))) from None


def _explained(error: ValidationError) -> Iterator[str]:
    """A line for every wrong key; an arm that is wrong does not make too few arms as well."""
    found = error.errors(include_url=False)
    for one in found:
        if one["loc"] == ("arms",) and len(found) > 1:
            continue
        said = "unknown key" if one["type"] == "extra_forbidden" else recipe_file.in_words(one["msg"])
        if one["type"] == "extra_forbidden":
            known = [*Study.model_fields, *Arm.model_fields]
            near = difflib.get_close_matches(str(one["loc"][-1]), known, n=1)
            said += f"; did you mean {near[0]}?" if near else ""
        place = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in one["loc"])
        yield f"{place}: {said}" if place else said


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
        words = ["huatuo", "run", self.source, "--runs", str(self.root.parent), "--to", LAST]
        return shlex.join([*words, *(word for override in self.overrides for word in ("-s", override))])


LAST = "score"
"""The last stage of every run of a study."""


def trials(study: Study, path: Path, runs: Path, overrides: Sequence[str] = ()) -> list[Trial]:
    """Every arm with every seed, seed by seed. ``overrides`` are applied to all.

    Raises RecipeError for a recipe that is not there or wrong with an arm's changes, for arms that are not asked the
    same questions in the same way, and for a compared arm that may stop early.
    """
    try:
        check_keys("-s", overrides)
    except ValueError as error:
        raise RecipeError(str(error)) from None
    file, folder = _recipe_of(study, path), runs / study.name
    found = []
    for seed in study.seeds:
        for arm in study.arms:
            name = f"{arm.name}-{seed}"
            base = [f'train.base="{(folder / f"{arm.after}-{seed}" / "train" / "model").resolve()}"']
            given = [*study.set, *overrides, *(base if arm.after else []), *arm.set]
            given += [f'run.name="{name}"', f"run.seed={seed}"]
            try:
                loaded = recipe_file.load(file, given)
            except RecipeError as error:
                raise RecipeError(f"{path}: arm {arm.name}, seed {seed}: {error}") from None
            source = study.recipe if file == recipe_file.shipped().get(study.recipe) else str(file)
            found.append(Trial(arm, seed, source, tuple(given), loaded, folder / name))
    _check_asked(path, found)
    _check_not_stopped_early(path, found)
    return found


def _recipe_of(study: Study, path: Path) -> Path:
    """The file of a study's recipe: beside the study, or a shipped one. Raises RecipeError."""
    beside = (path.resolve().parent / study.recipe).resolve()
    if beside.is_file():
        return beside
    if study.recipe in recipe_file.shipped():
        return recipe_file.shipped()[study.recipe]
    raise RecipeError(
        f"{path}: recipe = {study.recipe!r}: no file {beside}, and no shipped recipe; shipped: "
        f"{', '.join(recipe_file.shipped())}; next: give a path relative to the study's folder, or one of these names"
    )


def _check_asked(path: Path, planned: Sequence[Trial]) -> None:
    """Nothing, where all arms are asked the same questions, in the same way, the trained model among others."""
    for key in ("questions", "ask", "score"):
        first = getattr(planned[0].recipe, key)
        for trial in planned:
            if getattr(trial.recipe, key) != first:
                raise RecipeError(
                    f"{path}: arm {trial.arm.name} has another [{key}] than arm {planned[0].arm.name}, so their "
                    f"numbers could not be compared; next: set {key} for all arms, in the recipe or the study's own set"
                )
    recipe = planned[0].recipe
    if not recipe.questions.asks or "ours" not in recipe.asked:
        missing = 'ask.models names no "ours"' if recipe.questions.asks else "the recipe names no question"
        raise RecipeError(
            f"{path}: {missing}, so there is nothing to compare the arms by; next: add [questions.probe] or "
            '[[questions.exams]], and "ours" to ask.models'
        )


def _check_not_stopped_early(path: Path, planned: Sequence[Trial]) -> None:
    """Nothing, where every compared arm learns all the tokens that are counted for it before training. Raises
    RecipeError."""
    for trial in planned:
        if trial.arm.compared and trial.recipe.train.patience:
            raise RecipeError(
                f"{path}: arm {trial.arm.name} has train.patience = {trial.recipe.train.patience} and may stop early, "
                "so the arms would not be compared at equal compute; expected train.patience = 0; next: set it so for "
                'all arms (in the recipe, or the study\'s own set), and train.keep = "best" for the best weights'
            )
