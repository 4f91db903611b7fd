"""Several finished runs side by side: one page of what differs and what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from huatuo import store
from huatuo.errors import InputError
from huatuo.recipe import ScoreSettings
from huatuo.records import Response


def compare(folders: Sequence[Path], out: Path, language: str) -> Path:
    """The page, written into ``out`` with its tables; ``folders`` are runs whose answers are scored.

    Runs that were asked nothing at all are compared by their recipes and curves. Raises InputError for a folder that is
    no run, two runs of one name, or runs without a common question.
    """
    from huatuo.eval.between import figures
    from huatuo.report.compare import write

    runs = _named(folders)
    bases = _bases(runs)
    first = store.verify(next(iter(runs.values())) / "score")
    settings = ScoreSettings.model_validate(first.recipe)
    asked = any("questions" in store.verify(folder / "questions").tables for folder in runs.values())
    scored = list(figures(runs, bases, settings, first.seed)) if asked else []
    return write(runs, bases, scored, out, language, first.seed)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """The runs by the names of their folders."""
    found: dict[str, Path] = {}
    for folder in folders:
        for stage in ("questions", "ask", "score"):
            if not (folder / stage / "manifest.json").exists():
                raise InputError(
                    f"{folder}: no finished stage {stage}, which a comparison needs; expected the folder of a run; "
                    "next: huatuo run its recipe to the end"
                )
        name = folder.resolve().name
        if name in found:
            raise InputError(
                f"{folder}: a run named {name!r} was given before ({found[name]}); next: rename one folder"
            )
        found[name] = folder
    return found


def _bases(runs: Mapping[str, Path]) -> dict[str, str]:
    """What each run's untouched model is called: ``base`` where it is the same in all that asked it."""
    digests = {name: _digest_of_base(folder) for name, folder in runs.items()}
    several = len({digest for digest in digests.values() if digest}) > 1
    return {name: f"base of {name}" if several else "base" for name in runs}


def _digest_of_base(folder: Path) -> str:
    answers = store.read(folder / "ask", "responses", Response)
    return next((one.provenance.digest for one in answers if one.model == "base"), "")
