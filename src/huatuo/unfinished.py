"""An unfinished training goes on where its settings are the same; it is never thrown away unasked.

What a stage without checkpoints had made is made again from another recipe: the answers of its models are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huatuo import store
from huatuo.errors import TrainingError
from huatuo.recipe import Recipe
from huatuo.stages import Stage
from huatuo.store import InputEntry

CHECKPOINTS = {"train": "state/step-*"}
"""Folders, numbered by step, in which an unfinished attempt at a stage keeps what took hours to learn."""

LATER = "train.rate_after."
"""Beginning of the settings that count from a step on: those of a later step change nothing that was learned before."""

OF_RUN = {"train.title": "run.title", "train.demonstration": "run.demonstration"}
"""Settings of another table that the stage's own table holds."""


@dataclass(frozen=True)
class Unfinished:
    """An attempt that stopped, beside what would be made now."""

    part: Path
    """Its folder."""
    step: int
    """Step of its newest checkpoint."""
    differs: tuple[str, ...]
    """What it was made with that is otherwise now, each with both values; empty: it goes on."""

    def refusal(self) -> str:
        """Why nothing else is made in its place, and what to do."""
        said = "; ".join(self.differs[:3]) + (f"; and {len(self.differs) - 3} more" if len(self.differs) > 3 else "")
        rates = any(line.startswith(("train.learning_rate ", "train.muon_learning_rate ")) for line in self.differs)
        lower = f"; with -s {LATER}{self.step}=0.3 added it does so at 0.3 times its learning rate" if rates else ""
        return (
            f"{self.part}: an unfinished training, at step {self.step:,}, was made otherwise: {said}; expected what it "
            f"was made with; its checkpoints are kept; next: the same command with that goes on from there{lower}; "
            "to begin anew, remove this folder"
        )


def found(stage: Stage, recipe: Recipe, root: Path, inputs: Sequence[InputEntry] | None = None) -> Unfinished | None:
    """The unfinished attempt at a stage that has a checkpoint; None where there is none. ``inputs``: what it would
    read now, where that is known."""
    part = store.part_of(root / stage.name)
    if stage.name not in CHECKPOINTS:
        return None
    steps = [int(path.name.rpartition("-")[2]) for path in part.glob(CHECKPOINTS[stage.name])]
    if not steps:
        return None
    return Unfinished(part, max(steps), tuple(_differing(stage, recipe, root, max(steps), inputs)))


def go_on(stage: Stage, recipe: Recipe, root: Path, key: str, inputs: Sequence[InputEntry]) -> None:
    """Let what is unfinished go on under ``key`` where its steps would be learned alike now; nothing where there is no
    checkpoint. Raises TrainingError where they would not."""
    attempt = found(stage, recipe, root, inputs)
    if attempt is None:
        return
    if attempt.differs:
        raise TrainingError(attempt.refusal())
    said = {**store.begun(root / stage.name), "key": key}
    store.write_atomic(attempt.part / "key.json", store.canonical_json(said))


def refuse(recipe: Recipe, root: Path, stages: Sequence[Stage]) -> None:
    """Nothing, where no stage would meet an unfinished attempt with other settings. Raises TrainingError, before
    anything is computed or paid for."""
    for stage in stages:
        attempt = found(stage, recipe, root)
        if attempt is not None and attempt.differs and not _is_made(stage, recipe, root):
            raise TrainingError(attempt.refusal())


def _is_made(stage: Stage, recipe: Recipe, root: Path) -> bool:
    """Whether a finished data set with these settings lies beside the unfinished one."""
    if not (root / stage.name / "manifest.json").exists():
        return False
    made = store.read_manifest(root / stage.name)
    settings = store.canonical_json(stage.settings(recipe))
    return store.canonical_json(made.recipe) == settings and made.seed == recipe.run.seed


def _differing(stage: Stage, recipe: Recipe, root: Path, step: int, inputs: Sequence[InputEntry] | None) -> list[str]:
    made = store.begun(root / stage.name)
    if not made.keys() >= {"stage_version", "recipe", "seed", "inputs"}:
        return ["what it was made with is not written down"]
    before, now = (_learned(by_key(stage.name, one), step) for one in (made["recipe"], stage.settings(recipe)))
    before["run.seed"], now["run.seed"] = str(made["seed"]), str(recipe.run.seed)
    lines = [
        f"{OF_RUN.get(key, key)} = {before.get(key, 'unset')} (now {now.get(key, 'unset')})"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if made["stage_version"] != stage.version:
        lines.append(f"huatuo's stage {stage.name}, version {made['stage_version']} (now {stage.version})")
    if inputs is not None and (read := {entry.name: entry.digest for entry in inputs}) != made["inputs"]:
        others = [name for name in {**made["inputs"], **read} if made["inputs"].get(name) != read.get(name)]
        lines.append(f"another content of {', '.join(others)}")
    return lines


def _learned(settings: dict[str, str], step: int) -> dict[str, str]:
    """The settings without those that count from ``step`` on or later."""
    return {k: v for k, v in settings.items() if not (k.startswith(LATER) and int(k.removeprefix(LATER)) >= step)}


def by_key(name: str, settings: object) -> dict[str, str]:
    """Plain values by their dotted key, as JSON."""
    if not isinstance(settings, dict):
        return {name: store.canonical_json(settings)}
    return {key: value for part, own in settings.items() for key, value in by_key(f"{name}.{part}", own).items()}
