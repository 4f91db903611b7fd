"""Several finished runs side by side: one page of what differs and what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from huatuo import store
from huatuo.errors import InputError
from huatuo.recipe import ScoreSettings
from huatuo.records import Response


def compare(folders: Sequence[Path], out: Path, language: str) -> Path:
    """The page, written into ``out`` with its tables; ``folders`` are runs that are trained, or whose answers are
    scored.

    Runs that were asked nothing, or stopped after training, are compared by their recipes, curves and losses. Raises
    InputError for a folder that is no run, two runs of one name, runs of which some alone are scored, or runs without a
    common question.
    """
    from huatuo.eval.between import figures
    from huatuo.eval.held_out_loss import loss_figures
    from huatuo.report.compare import write

    runs = _named(folders)
    bases, seed = _bases(runs), _seed(next(iter(runs.values())))
    scored = []
    if _scored(runs):
        score = store.verify(next(iter(runs.values())) / "score")
        scored = list(figures(runs, bases, ScoreSettings.model_validate(score.recipe), seed))
    return write(runs, bases, [*scored, *loss_figures(runs)], out, language, seed)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """The runs by the names of their folders."""
    found: dict[str, Path] = {}
    for folder in folders:
        if not any(folder.glob("*/manifest.json")) and not any(folder.glob("*.part")):
            raise InputError(f"{folder}: no such run; next: huatuo runs, which lists those that there are")
        if not _has(folder, "train") and not _has(folder, "score"):
            raise InputError(
                f"{folder}: neither trained nor scored yet, and a comparison needs one of the two; next: huatuo run "
                "its recipe to the end, or --to train"
            )
        name = folder.resolve().name
        if name in found:
            raise InputError(
                f"{folder}: a run named {name!r} was given before ({found[name]}); next: rename one folder"
            )
        found[name] = folder
    return found


def _has(folder: Path, stage: str) -> bool:
    return (folder / stage / "manifest.json").exists()


def _scored(runs: Mapping[str, Path]) -> bool:
    """Whether the runs have scores to compare. Raises InputError where only some of them have."""
    have = {
        name: all(_has(folder, stage) for stage in ("questions", "ask", "score"))
        and "questions" in store.verify(folder / "questions").tables
        for name, folder in runs.items()
    }
    if any(have.values()) and not all(have.values()):
        scored, others = ([name for name, one in have.items() if one is wanted] for wanted in (True, False))
        raise InputError(
            f"{', '.join(others)}: not asked or not scored, and {', '.join(scored)} is; expected runs that were all "
            "asked, or none; next: huatuo run its recipe to the end, with the same [questions]"
        )
    return all(have.values())


def _seed(folder: Path) -> int:
    stage = "score" if _has(folder, "score") else "train"
    return store.verify(folder / stage).seed


def _bases(runs: Mapping[str, Path]) -> dict[str, str]:
    """What each run's untouched model is called: ``base`` where it is the same in all that asked it."""
    digests = {name: _digest_of_base(folder) for name, folder in runs.items() if _has(folder, "ask")}
    several = len({digest for digest in digests.values() if digest}) > 1
    return {name: f"base of {name}" if several else "base" for name in runs}


def _digest_of_base(folder: Path) -> str:
    answers = store.read(folder / "ask", "responses", Response)
    return next((one.provenance.digest for one in answers if one.model == "base"), "")
