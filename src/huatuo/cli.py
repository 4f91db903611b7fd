"""The command line: verbs only. Each parses, loads the recipe, calls one function and prints where the result lies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import huatuo
from huatuo.cli_audit import audit, make_exam
from huatuo.cli_curate import curate
from huatuo.cli_judge import judge
from huatuo.cli_lines import OVERRIDES, RECIPE, RUNS
from huatuo.cli_lines import run_stages as _run
from huatuo.cli_lines import say as _say
from huatuo.cli_study import study
from huatuo.cli_sus import sus
from huatuo.errors import HuatuoError, WaitingError

F = TypeVar("F", bound=Callable[..., Any])


class _PipeClosedError(Exception):
    """Nobody reads any more. No OSError: click would end with exit code 1 at one."""


class Group(click.Group):
    """Verbs in the order in which they are used, with the nearest one named for a wrong verb."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a pipe that `| head` closed is no error."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _PipeClosedError from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order they were defined."""
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command of a verb."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], list(self.commands), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(error.message + hint, ctx) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(huatuo.__version__, prog_name="huatuo")
def cli() -> None:
    """From a medical knowledge graph and documents to a measured, traceable language model.

    Not a medical device: what comes out is for research and must not replace a physician.
    """


def _program() -> str:
    """How to call huatuo again from where the user is: its name where the shell finds it, else its path."""
    import shutil

    called = Path(sys.argv[0])
    if shutil.which("huatuo") or called.name != "huatuo":
        return "huatuo"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)


@cli.command()
@RUNS
@OVERRIDES
def demo(runs: Path, overrides: tuple[str, ...]) -> None:
    """The whole path on the sample knowledge that comes with huatuo, on one CPU core."""
    from huatuo import show as showing

    root = _run("demo", runs, overrides, None, None, None)
    for line in ("", *showing.scores(root), "", f"Report: {(root / 'report' / 'report.html').resolve()}", "", "Next:"):
        _say(line)
    program = _program()
    commands = {
        f"{program} chat {root}": "talk with the model that was just trained",
        f"{program} show {root}/unify pairs": "look at what it was taught",
        f"{program} run my.toml": "your own graph: docs/guides/own-graph.md shows how to write my.toml",
    }
    width = max(map(len, commands))
    for command, says in commands.items():
        _say(f"  {command:<{width}}  {says}")


@cli.command()
@RECIPE
@RUNS
@OVERRIDES
@click.option("--from", "first", metavar="STAGE", help="First stage.")
@click.option("--to", "last", metavar="STAGE", help="Last stage.")
@click.option("--only", metavar="STAGE", help="This stage alone.")
@click.option("--dry-run", is_flag=True, help="Check the recipe against the files and print the plan; compute nothing.")
@click.option(
    "--shape",
    metavar="NAME",
    help="With --dry-run: plan for a base of this shape, for example Yi-34B, which need not be there, on 1 to 64 GPUs.",
)
def run(
    recipe: str,
    runs: Path,
    overrides: tuple[str, ...],
    first: str | None,
    last: str | None,
    only: str | None,
    dry_run: bool,
    shape: str | None,
) -> None:
    """All stages of RECIPE (a file, or the name of a shipped recipe), skipping what is finished."""
    if shape and not dry_run:
        raise click.UsageError("--shape says for which base to plan; next: add --dry-run, or leave it out")
    if not dry_run:
        root = _run(recipe, runs, overrides, first, last, only)
        click.echo(f"\nRun: {root.resolve()}")
        return
    from huatuo import recipe_file as recipes
    from huatuo import run as running
    from huatuo.preflight import findings

    loaded = recipes.load(recipes.find(recipe), overrides)
    stages = running.select(first, last, only)
    planning = running.with_shape(loaded, shape) if shape else loaded
    found = findings(loaded, [stage.name for stage in stages])
    refused = 0
    for planned in running.plan(planning, runs / loaded.run.name, stages):
        click.echo(f"{planned.stage.name:<10} {planned.state:<13} {planned.says}")
        refused += planned.state == "refused"
    for line in found:
        click.echo(f"finding    {line}")
    if found or refused:
        raise HuatuoError(f"{len(found) + refused} thing(s) would stop this run; nothing was computed")


def _stage_verb(name: str, first: str, last: str, says: str) -> None:
    @RECIPE
    @RUNS
    @OVERRIDES
    def verb(recipe: str, runs: Path, overrides: tuple[str, ...]) -> None:
        root = _run(recipe, runs, overrides, first, last, None)
        click.echo(f"\n{(root / last).resolve()}")

    verb.__doc__ = says
    cli.command(name)(verb)


_stage_verb("ingest", "ingest", "ingest", "Read and check the knowledge graphs and documents of RECIPE.")


cli.add_command(curate)


@cli.command()
@RECIPE
@RUNS
@OVERRIDES
@click.option("--preview", "count", type=click.IntRange(1, 100), help="Look at so many pairs and their price first.")
def synth(recipe: str, runs: Path, overrides: tuple[str, ...], count: int | None) -> None:
    """Make question-answer pairs and join them with imported ones.

    With --preview, some calls of every shape are asked and shown; the full run finds their answers in the run's folder,
    and nothing else is written.
    """
    if count is None:
        root = _run(recipe, runs, overrides, "synth", "unify", None)
        click.echo(f"\n{(root / 'unify').resolve()}")
        return
    from huatuo import recipe_file as recipes
    from huatuo import run as running

    loaded = recipes.load(recipes.find(recipe), overrides)
    for line in running.preview(loaded, runs / loaded.run.name, count):
        click.echo(_printable(line))


_stage_verb("train", "order", "train", "Order, tokenise and train.")


@cli.command()
@RECIPE
@RUNS
@OVERRIDES
def ask(recipe: str, runs: Path, overrides: tuple[str, ...]) -> None:
    """Ask the models every question and keep the answers.

    In a recipe that trains nothing the questions are made first, where they are not there yet.
    """
    from huatuo import recipe_file as recipes
    from huatuo.run import select
    from huatuo.stages import is_wanted

    loaded = recipes.load(recipes.find(recipe), overrides)
    if not is_wanted(select(only="ask")[0], loaded):
        raise HuatuoError(f"{recipe}: names no question; expected an exam or a probe; next: add [[questions.exams]]")
    root = _run(recipe, runs, overrides, "ask" if loaded.trains else None, "ask", None)
    click.echo(f"\n{(root / 'ask').resolve()}")


_stage_verb("score", "score", "score", "Score the answers; needs no model.")


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Longest answer.")
@click.option("--temperature", type=click.FloatRange(0, 10), default=0.0, show_default=True, help="0: greedy.")
@click.option("--system", default="", help="System message, where the format has one.")
@click.option("--format", "format_name", default="", help="Chat format of a model that does not carry one.")
def chat(model: Path, max_tokens: int, temperature: float, system: str, format_name: str) -> None:
    """Talk in the terminal with MODEL: a run folder, or a local Hugging Face folder. 'clear' forgets, 'exit' ends."""
    from huatuo.llm.chat import chat_loop

    chat_loop(_model_folder(model), max_tokens, temperature, system, format_name)


def _model_folder(path: Path) -> Path:
    """The checkpoint in a run folder, or the folder itself."""
    for folder in (path / "train" / "model", path / "model"):
        if (folder / "config.json").exists():
            return folder
    return path


@cli.command()
@click.argument("recipes", metavar="RECIPE | RUN RUN...", nargs=-1, required=True)
@RUNS
@OVERRIDES
@click.option("--out", type=click.Path(path_type=Path), help="Of several runs: folder for the page.")
def report(recipes: tuple[str, ...], runs: Path, overrides: tuple[str, ...], out: Path | None) -> None:
    """Write the page of RECIPE's run; or one page of several RUNs (folders, or names in --runs) side by side."""
    if len(recipes) == 1:
        root = _run(recipes[0], runs, overrides, "report", "report", None)
        click.echo(f"\nReport: {(root / 'report' / 'report.html').resolve()}")
        return
    from huatuo.compare import compare

    folders = [Path(name) if Path(name).is_dir() else runs / name for name in recipes]
    target = out or Path("compared-" + "-".join(folder.resolve().name for folder in folders))
    click.echo(f"\nReport: {compare(folders, target, 'both').resolve()}")


cli.add_command(study)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("table", required=False)
@click.option("-n", "count", type=click.IntRange(1), default=5, show_default=True, help="Records.")
@click.option("--id", "wanted", default="", help="Only records whose id begins so, or that name it as parent.")
@click.option("--tokens", is_flag=True, help="Pairs as tokens, with what is learned marked.")
@click.option("--trace", "fact", default="", help="Follow one fact (the beginning of its id) through a run.")
@click.option("--facts", is_flag=True, help="The ledger: which pairs teach each fact (FOLDER is a run).")
def show(folder: Path, table: str | None, count: int, wanted: str, tokens: bool, fact: str, facts: bool) -> None:
    """Records of a data set as JSON, one a line; without TABLE: what the data set is."""
    from huatuo import show as showing

    if fact:
        from huatuo.trace import trace

        lines = trace(folder, fact)
    elif facts:
        lines = showing.ledger(folder, count, wanted)
    elif tokens:
        lines = showing.tokens(folder, count, wanted)
    else:
        lines = showing.rows(folder, table, count, wanted) if table else showing.summary(folder)
    shown = False
    for line in lines:
        click.echo(_printable(line))
        shown = True
    if not shown and (wanted or table != "dropped"):  # nothing dropped is an answer
        raise HuatuoError(f"{folder}: no record{f' with an id that begins with {wanted!r}' if wanted else ''}")


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="List each finding, not one example per rule.")
def check(path: Path, every: bool) -> None:
    """Counts, lengths, languages, duplicates and findings of any file; or whether a data set is whole."""
    from huatuo import show as showing

    for line in showing.check(path, every):
        click.echo(line)


cli.add_command(audit)
cli.add_command(make_exam)
cli.add_command(sus)
cli.add_command(judge)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["alpaca", "sharegpt", "messages", "csv", "xlsx", "review"]),
    default="messages",
    show_default=True,
    help="Format of the files.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def export(folder: Path, form: str, out: Path) -> None:
    """The pairs of a run (or of a data set of pairs) for another trainer, with their sources and facts.

    review: sheets for people to accept, edit or reject pairs; they come back as an import of the format review.
    """
    if form == "review":
        from huatuo.synth.review import export_review

        for path in export_review(folder, out):
            click.echo(str(path))
        return
    from huatuo.synth.export import export as export_pairs

    for path in export_pairs(folder / "unify" if (folder / "unify").exists() else folder, out, form):
        click.echo(str(path))


@cli.command()
@RUNS
def runs(runs: Path) -> None:
    """The runs in a folder, and how far each is."""
    from huatuo import show as showing

    for line in showing.runs(runs):
        click.echo(line)


def _utf8_output() -> None:
    """Read and write UTF-8 whatever the locale says (LANG=C would make every Chinese answer an error)."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _printable(text: str) -> str:
    """The text without what would steer a terminal: control characters and marks that turn the direction of writing."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def main() -> None:
    """Run the command line; errors meant for the user become one message and exit code 1, never a traceback."""
    _utf8_output()
    try:
        cli.main(standalone_mode=False, prog_name="huatuo")
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except WaitingError as wait:
        click.echo(f"waiting: {wait}", err=True)
        sys.exit(75)  # EX_TEMPFAIL of sysexits.h: the same command will go on
    except HuatuoError as error:
        _fail(str(error))
    except _PipeClosedError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` closed the pipe: nothing is wrong
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(
            f"{place}{error.strerror or error}; what was finished before is untouched; "
            "next: mend that (free space, permissions, path) and run the same command again"
        )
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nstopped; what is finished stays: the same command goes on from there", err=True)
        sys.exit(130)


def _fail(message: str) -> None:
    click.echo(f"error: {_printable(message)}", err=True)
    sys.exit(1)
