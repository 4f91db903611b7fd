"""The verb ``huatuo study``: the arms of a recipe trained with equal compute, and one table of what they reached."""

from __future__ import annotations

from pathlib import Path

import click

from huatuo.cli_lines import OVERRIDES, RUNS, describe, say
from huatuo.errors import HuatuoError


@click.command()
@click.argument("study", metavar="STUDY")
@RUNS
@OVERRIDES
@click.option("--dry-run", is_flag=True, help="Print the command of every run, for torchrun or a cluster; run nothing.")
@click.option("--table", "only_table", is_flag=True, help="Only the table of the runs that are finished.")
def study(study: str, runs: Path, overrides: tuple[str, ...], dry_run: bool, only_table: bool) -> None:
    """Train the arms of STUDY (a file, or ablation, forgetting) on all seeds, and compare them in one table.

    The same command goes on where it was stopped. Tables and a page per seed lie in the study's folder.
    """
    from huatuo import study as studies
    from huatuo import study_run, study_table

    path = studies.find(study)
    loaded = studies.load(path)
    planned = studies.trials(loaded, path, runs, overrides)
    if dry_run:
        for trial in planned:
            click.echo(trial.command)
        found = study_run.would_stop(planned)
        for line in found:
            click.echo(f"finding    {line}")
        if found:
            raise HuatuoError(f"{len(found)} thing(s) would stop this study; nothing was computed")
        return
    if not only_table:
        said: set[tuple[str, str]] = set()  # a stage is looked at again when the next ones are made
        for trial, manifest, before in study_run.run(loaded, planned):
            known = (trial.root.name, manifest.stage) in said
            said.add((trial.root.name, manifest.stage))
            if before and known:
                continue
            say(f"{trial.root.name:<24} {describe(manifest, before)}")
    for line in study_table.write(loaded, planned, runs / loaded.name):
        say(line)
