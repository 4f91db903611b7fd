"""Stages that run, and the line on each that is finished, in the words of its reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

RECIPE = click.argument("recipe", metavar="RECIPE")
OVERRIDES = click.option(
    "-s", "--set", "overrides", multiple=True, metavar="TABLE.KEY=VALUE", help="Override one key of the recipe."
)
RUNS = click.option(
    "--runs",
    "runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder that holds the runs.",
)


def describe(manifest: Any, skipped: bool = False) -> str:
    """One line on a finished stage: what it made, what it dropped and left, its CPU-seconds."""
    parts = [_made(manifest)]
    for word, counts in (("dropped", manifest.dropped), ("left", manifest.left)):
        if counts:
            parts.append(f"{word} " + ", ".join(f"{n:,} {rule}" for rule, n in counts.items()))
    parts += _without_pair(manifest.figures) + _near(manifest.figures)
    state = "finished before" if skipped else f"{manifest.cpu_seconds:.1f} CPU-s"
    return f"{manifest.stage:<10} {'; '.join(parts)} ({state})"


def _without_pair(figures: Mapping[str, float | None]) -> list[str]:
    """The replies of a teacher that no pair could be read from, by reason; nothing where there are none."""
    total, word = figures.get("replies without a pair"), "replies without a pair"
    if not total:
        return []
    reasons = {n.removeprefix(f"{word}: "): v or 0 for n, v in figures.items() if n.startswith(f"{word}: ")}
    said = ", ".join(f"{number:,.0f} {reason}" for reason, number in reasons.items())
    return [f"{total:,.0f} of {figures['replies']:,.0f} {word} ({said})"]


def _near(figures: Mapping[str, float | None]) -> list[str]:
    """The near passages that were kept because they say more than their neighbour; nothing where there are none."""
    word = "near, but kept: "
    said = [f"{count:,.0f} {name.removeprefix(word)}" for name, count in figures.items() if name.startswith(word)]
    return [f"kept though near: {', '.join(said)}"] if said else []


def _made(manifest: Any) -> str:
    """What a stage made, in the words of its reader."""
    files = {entry.name for entry in manifest.files}
    if "empty.json" in files:
        return "nothing to do: the recipe names nothing for it"
    if manifest.stage == "tokenise":
        samples, tokens = manifest.figures["samples"], manifest.figures["tokens"]
        return f"{samples:,.0f} samples, {tokens:,.0f} tokens{_truncation(manifest)}"
    if manifest.stage == "train":
        return _trained(manifest.figures)
    if "report.html" in files:
        return "report.html, tables and cards"
    if "funnel.json" in files:
        return f"{manifest.kept:,} of {sum(table.rows for table in manifest.tables.values()):,} kept"
    nouns = {"order": "places in the order", "composition": "expected counts"}
    tables = ((nouns.get(name, name), table.rows) for name, table in manifest.tables.items() if name != "dropped")
    return ", ".join(f"{rows:,} {name}" for name, rows in tables)


def _trained(figures: Mapping[str, float | None]) -> str:
    """What was trained: steps, tokens (padding not counted) and their speed, the losses at the end."""
    said = [f"{figures['steps']:,.0f} steps", f"{figures['tokens']:,.0f} tokens"]
    if speed := figures.get("tokens_per_second"):
        said[-1] += f" at {speed:,.0f} tokens/s"
    said.append(f"last loss {figures['last_loss']:.3f}")
    before, after = (figures.get(f"validation_loss_{when}") for when in ("before", "after"))
    if before is not None and after is not None:
        said.append(f"held out {before:.3f} before, {after:.3f} after")
    return ", ".join(said)


def run_stages(
    recipe: str, runs: Path, overrides: tuple[str, ...], first: str | None, last: str | None, only: str | None
) -> Path:
    """Run the stages and say what each did; the run's folder."""
    from huatuo import recipe_file as recipes
    from huatuo import run as running

    loaded = recipes.load(recipes.find(recipe), overrides)
    root = runs / loaded.run.name
    if only and (first or last):
        raise click.UsageError("--only names one stage; --from and --to a range: give one or the other")
    stages = running.select(first, last, only)
    if running.followed(loaded):
        raise SystemExit(0)  # the first process says what was made
    for name in running.made_otherwise(loaded, root, stages):
        click.echo(f"note: {name} was made with other settings than this recipe's and is read as it is", err=True)
    for done in running.run(loaded, root, stages):
        say(describe(done.manifest, done.skipped))
        if done.stage.name == "train":
            for line in _noted(root / "train"):
                say(line)
    return root


def _noted(train: Path) -> Iterator[str]:
    """A line for everything that looks wrong with a training run."""
    from huatuo.records import Finding
    from huatuo.store import read

    for finding in read(train, "findings", Finding):
        yield f"{'':<10} looks wrong: {finding.rule}, {finding.place}: {finding.message}"


def say(line: str) -> None:
    """Print a line of a long job, which goes on where nobody reads any more (`| head`)."""
    try:
        click.echo(line)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process


def _truncation(manifest: Any) -> str:
    """The truncation audit, before anything is trained: the share of pairs that do not fit the window, with this
    tokenizer and with others."""
    figures = manifest.figures
    if figures.get("truncation_share") is None:
        return ""
    begin, end = "truncation_share_", "_tokens_per_char"
    others = {
        name.removeprefix(begin).removesuffix(end).replace("_", "."): share
        for name, share in figures.items()
        if name.startswith(begin) and share is not None
    }
    said = ", ".join(f"{share:.1%} at {ratio}" for ratio, share in others.items())
    window, rule = manifest.recipe.get("window", "?"), manifest.recipe.get("overlong", "?")
    return (
        f"; {figures['truncation_share']:.1%} of the pairs are longer than the window of {window} tokens (rule: "
        f"{rule}) at {figures['tokens_per_char'] or 0:.2f} tokens a character; {said}"
    )
