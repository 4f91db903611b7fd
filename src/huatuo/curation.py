"""What is done before curation at scale: texts are drawn and judged, thresholds are chosen, a filter is learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from huatuo.errors import RecipeError
from huatuo.plan import CALLS
from huatuo.recipe import Recipe

if TYPE_CHECKING:
    from huatuo.corpus.judgements import Label
    from huatuo.corpus.sheets import Read

FOLDER = "calibration"
"""Folder below that of curation, with what a calibration found."""


def draw(recipe: Recipe, root: Path, sheet: Path, count: int, by_model: bool) -> Iterator[str]:
    """Lines on the sheet that is written: texts drawn by hash, judged by the recipe's model where one shall.

    Raises RecipeError where the recipe names no model, InputError where the sheet exists, and what the model raises.
    """
    from huatuo.corpus import sheets

    if by_model and recipe.corpus.judge is None:
        raise RecipeError("the recipe names no model that judges; next: add [corpus.judge] with url and model")
    sheets.refuse_existing(sheet)
    rows = sheets.drawn(recipe.corpus, count)
    labels: dict[str, Label] = {}
    if by_model:
        yield from _judged(recipe, root, rows, labels)
    sheets.write(sheet, rows, labels)
    yield f"{len(rows):,} texts drawn, {len(labels):,} with a label: {sheet}"
    if len(rows) < count:
        yield f"{count:,} were asked for: the sources hold {len(rows):,} different texts that pass the rules, no more"
    if len(labels) < len(rows):
        yield "next: fill in the column label (keep or drop), then huatuo curate RECIPE --calibrate SHEET"


def _judged(recipe: Recipe, root: Path, rows: Sequence[Read], labels: dict[str, Label]) -> Iterator[str]:
    """Lines on what the model said; fills ``labels`` (by the hash of the text)."""
    from huatuo.corpus.calibration import asked
    from huatuo.corpus.judgements import Label
    from huatuo.llm.cache import Cached
    from huatuo.llm.teachers import judge_of

    assert recipe.corpus.judge is not None
    root.mkdir(parents=True, exist_ok=True)
    model = Cached(judge_of(recipe.corpus.judge, root / CALLS), root / CALLS)
    found = asked(recipe.corpus, rows, model)
    labels.update({row.id: Label(row.keep, row.by) for row in found.judged})
    yield f"{model.name} judged {len(found.judged):,} of {len(rows):,} texts; {found.spent}"
    reasons = sorted(found.unscored.values())
    if reasons:
        yield f"without a judgement: {len(reasons):,}, for example: {reasons[0]}"


def calibrate(recipe: Recipe, root: Path, sheet: Path, folder: Path | None, precision: float) -> Iterator[str]:
    """Lines on what each threshold keeps of the judged texts, on the chosen one, and where page and files lie; with a
    ``folder`` the filter that is learned is saved there.

    Raises as `huatuo.corpus.calibration.judged`, `calibrated` and `trained`.
    """
    from huatuo.corpus import calibration
    from huatuo.report.calibration import lines, write

    rows = calibration.judged(recipe.corpus, sheet)
    yield f"{len(rows):,} judged texts, {sum(row.keep for row in rows):,} of them to keep"
    if folder is not None:
        found = [calibration.trained(rows, folder, precision)]
    else:
        found = calibration.calibrated(recipe.corpus, rows, precision)
    for one in found:
        yield from ["", *lines(one)]
    made = write(root / FOLDER, recipe.run.title or recipe.run.name, recipe.report.language, found)
    yield f"\nPage: {made[0].resolve()}"
    if folder is not None:
        yield f'Filter: {folder}; in the recipe: filter = "{folder}" under [corpus]'
    elif any(one.what == "density" for one in found):
        path = (root / FOLDER / calibration.DENSITY_FILE).resolve()
        yield f'Chosen density: {path}; in the recipe: least = "{path}" under [corpus.lexicon]'
