"""The verbs about exams: ``huatuo audit`` looks before a number is believed, ``huatuo make-exam`` makes one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import click

from huatuo.errors import HuatuoError

PATH = click.Path(path_type=Path)
SCORES = ("char", "jieba", "sacrebleu-zh", "cmexam-char", "cmexam-jieba", "llamafactory")


@click.group()
def audit() -> None:
    """Look at an exam, a printed table, answers or training data before a number is believed."""


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in line))


def _exam(path: Path, **given: Any) -> Any:
    """The exam of a path; its name is the file's.

    Raises HuatuoError that lists the known formats for an unknown one.
    """
    from pydantic import ValidationError

    from huatuo.recipe import ExamSource

    try:
        return ExamSource(name=path.stem or path.name, path=path, **given)
    except ValidationError as error:
        known = ", ".join(get_args(ExamSource.model_fields["format"].annotation))
        first = error.errors(include_url=False)[0]
        said = f"--{first['loc'][0]} {first['input']!r}: {first['msg']}"
        raise HuatuoError(f"{said}; formats: {known}; dates: 2023, 2023-10, 2023-10-21") from None


@audit.command()
@click.argument("paths", type=PATH, nargs=-1, required=True, metavar="PATH...")
@click.option("--format", "form", default="auto", show_default=True, help="Format; auto: told from the content.")
@click.option("--answers", type=PATH, default=None, help="File of right answers by id.")
@click.option("--subject", "subjects", multiple=True, help="Only this subject (medical: those of MMLU, CMMLU, C-Eval).")
@click.option("--kind", default="", help="Kind of questions that do not say it: single, multiple, open.")
@click.option("--sat-on", default="", help="Date it was sat, where the file does not say.")
@click.option("--data-until", default="", help="Date of the newest text a model may have read.")
def exam(
    paths: tuple[Path, ...],
    form: str,
    answers: Path | None,
    subjects: tuple[str, ...],
    kind: str,
    sat_on: str,
    data_until: str,
) -> None:
    """Counts of exam files: kinds, labels, right answers, what can never be asked and why, duplicates."""
    from huatuo.eval.exam_audit import audit as count
    from huatuo.eval.exam_audit import lines

    for path in paths:
        given = _exam(path, format=form, answers=answers, subjects=subjects, kind=kind, sat_on=sat_on)
        _say(lines(count(given), given, data_until))


@audit.command()
@click.argument("path", type=PATH)
@click.option(
    "--decimals", type=click.IntRange(0, 6), default=None, help="Decimals that a sheet's numbers are printed with."
)
def table(path: Path, decimals: int | None) -> None:
    """Cells of a printed table of percentages that no whole number of right answers can give."""
    from huatuo.eval.audit import lines

    _say(lines(path, decimals))


@audit.command()
@click.argument("path", type=PATH)
@click.option("--profile", type=click.Choice(SCORES), default="char", show_default=True, help="How overlap is counted.")
def answers(path: Path, profile: str) -> None:
    """BLEU, chrF, ROUGE and Distinct of a JSON file of answers and references, and numbers that disagree."""
    from huatuo.eval.overlap import lines

    _say(lines(path, profile))


@audit.command()
@click.argument("exams", type=PATH, nargs=-1, required=True, metavar="EXAM...")
@click.option(
    "--data", type=PATH, default=None, help="Training data: a run, a data set of pairs, or any JSON or table."
)
@click.option("--format", "form", default="auto", show_default=True, help="Format of the exams.")
@click.option("-n", "count", type=click.IntRange(0), default=10, show_default=True, help="Questions shown.")
def contamination(exams: tuple[Path, ...], data: Path | None, form: str, count: int) -> None:
    """Exam questions that stand in training data, or in another exam."""
    from huatuo.eval.contamination import lines

    _say(lines(data, [_exam(path, format=form) for path in exams], count))


@click.command("make-exam")
@click.argument("folder", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="JSON Lines file to write to.")
@click.option("--source", type=click.Choice(["graph", "passages"]), default="graph", show_default=True)
@click.option("--relation", "relations", multiple=True, help="Ask about this relation only.")
@click.option("--most", type=click.IntRange(0), default=200, show_default=True, help="Questions of each shape; 0: all.")
@click.option("--seed", type=click.IntRange(0), default=2023, show_default=True, help="Draws questions and options.")
def make_exam(folder: Path, out: Path, source: str, relations: tuple[str, ...], most: int, seed: int) -> None:
    """An exam about the facts, or the numbers of the documents, of a run (or of its data set of knowledge)."""
    from huatuo.eval.exam_made import from_facts, from_passages, write_file
    from huatuo.recipe import MadeExam
    from huatuo.records import Document, Fact
    from huatuo.store import read

    knowledge = folder / "ingest" if (folder / "ingest").is_dir() else folder
    form: Any = source
    settings = MadeExam(name=out.stem, source=form, relations=relations, most=most)
    if source == "graph":
        made = from_facts(settings, read(knowledge, "facts", Fact), seed)
    else:
        made = from_passages(settings, read(knowledge, "documents", Document), seed)
    click.echo(f"{write_file(settings, made, out):,} questions: {out}")
