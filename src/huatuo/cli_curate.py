"""The verb ``huatuo curate``: sources of any size become clean passages; texts are drawn, judged, thresholds chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from huatuo.cli_lines import OVERRIDES, RECIPE, RUNS, describe, run_stages, say

if TYPE_CHECKING:
    from huatuo.recipe import Recipe

CORPUS = "corpus"
"""Folder of a run that holds curation at scale."""

PATH = click.Path(path_type=Path)


@click.command()
@RECIPE
@RUNS
@OVERRIDES
@click.option("--draw", "drawn", type=PATH, help="Write a new sheet of texts to judge, drawn by hash.")
@click.option("--texts", "count", type=click.IntRange(1), default=300, show_default=True, help="Texts of --draw.")
@click.option("--judge", is_flag=True, help="With --draw: the model of [corpus.judge] fills in the labels.")
@click.option("--calibrate", "sheet", type=PATH, help="Choose thresholds by a sheet (id or sha256, label).")
@click.option("--train-filter", "folder", type=PATH, help="With --calibrate: learn a filter from it, into a folder.")
@click.option("--precision", type=click.FloatRange(0, 1), default=0.0, help="Precision that the choice must have.")
def curate(
    recipe: str,
    runs: Path,
    overrides: tuple[str, ...],
    drawn: Path | None,
    count: int,
    judge: bool,
    sheet: Path | None,
    folder: Path | None,
    precision: float,
) -> None:
    """Clean passages out of the sources in [corpus], of any size; without any, out of the run's documents.

    With --draw, a sheet of texts is written whose column `label` (keep or drop) a person fills in, or a model with
    --judge. With --calibrate, precision and recall of each threshold of density and filter are measured on it and one
    is chosen: that of the largest F1, or the one that keeps most of those whose precision is at least --precision (its
    whole interval at 95 %). With --train-filter besides, a filter is learned.
    """
    from huatuo import curation
    from huatuo import recipe_file as recipes

    loaded = recipes.load(recipes.find(recipe), overrides)
    root = runs / loaded.run.name
    if folder is not None and sheet is None:
        raise click.UsageError("--train-filter needs --calibrate SHEET: the judgements to learn from")
    if judge and drawn is None:
        raise click.UsageError("--judge needs --draw SHEET: where the judgements are written")
    if drawn is not None:
        lines = curation.draw(loaded, root, drawn, count, judge)
    elif sheet is not None:
        lines = curation.calibrate(loaded, root / CORPUS, sheet, folder, precision)
    elif loaded.corpus.sources:
        lines = _bulk(loaded, root)
    else:
        click.echo(f"\n{(run_stages(recipe, runs, overrides, 'questions', 'curate', None) / 'curate').resolve()}")
        return
    for line in lines:
        say(line)


def _bulk(recipe: Recipe, root: Path) -> Iterator[str]:
    """A line on each stage of curation at scale as it is finished, then where passages and page lie."""
    from huatuo.run import curate_corpus

    for manifest, skipped in curate_corpus(recipe, root):
        yield describe(manifest, skipped)
    folder = (root / CORPUS).resolve()
    yield f"\nPassages: {folder / 'passages'}\nReport: {folder / 'report.html'}"
