"""The verbs of `huatuo sus`: rating by people, from the sheets to the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from huatuo.errors import InputError, require

if TYPE_CHECKING:
    from huatuo.eval.sus.store import StudyStore

STUDY = click.argument("study", type=click.Path(path_type=Path, file_okay=False))
STORE = click.option(
    "--store", "url", envvar="HUATUO_STORE", default="", help="PostgreSQL URL; else study.sqlite in STUDY."
)


def _names(text: str) -> tuple[str, ...]:
    """Names between commas of either language."""
    return tuple(name.strip() for name in text.replace("，", ",").replace("、", ",").split(",") if name.strip())


def _open(study: Path, url: str) -> StudyStore:
    from huatuo.eval.sus import store

    return store.open_study(url or study, study.resolve().name if url else "study")


class _InOrder(click.Group):
    """Verbs in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order they were defined."""
        return list(self.commands)


@click.group(cls=_InOrder)
def sus() -> None:
    """Rating by people, blind and mixed: SUS or a scale of one's own, from the sheets to intervals and a page."""


@sus.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", "study", type=click.Path(path_type=Path), required=True, help="Folder of the study.")
@click.option("--annotators", required=True, help="Names of the people, with commas.")
@click.option("--scale", "scale_name", default="sus", show_default=True, help="sus, cmcoqa, cmb-clin or a TOML file.")
@click.option(
    "--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of sheets and pages."
)
@click.option("--questions", "count", type=click.IntRange(0), default=0, help="So many of them, drawn by hash; 0: all.")
@click.option("--each", type=click.IntRange(0), default=0, help="Annotators that rate each answer; 0: all of them.")
@click.option("--duplicates", type=click.FloatRange(0, 0.5), default=0.05, show_default=True, help="Share seen twice.")
@click.option("--attention", type=click.IntRange(0, 20), default=2, show_default=True, help="Attention items.")
@click.option("--training", type=click.IntRange(0), default=5, show_default=True, help="Training items.")
@click.option("--hide", multiple=True, metavar="NAME", help="A further name of a model, taken out of the answers.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of draw and order.")
@STORE
def make(source: Path, study: Path, url: str, annotators: str, scale_name: str, **rest: Any) -> None:
    """Blind, mixed sheets and pages for people to rate answers.

    SOURCE is a run whose models were asked, or a table (CSV, XLSX, JSON Lines) with the columns question, model and
    answer.
    """
    from huatuo.eval.sus import pages, scales, store
    from huatuo.eval.sus.order import Plan
    from huatuo.eval.sus.study import make as make_study

    require("xlsxwriter", "docs")  # before the study is there
    names, scale = _names(annotators), scales.load(scale_name)
    each = rest["each"] or len(names)
    plan = Plan(names, each, rest["duplicates"], rest["training"], rest["attention"], rest["seed"])
    found = store.create(url or study, study.resolve().name if url else "study")
    made = make_study(source, scale, plan, found, rest["language"], rest["hide"], rest["count"])
    paths = pages.publish(study, found, scale, made)
    click.echo(
        f"{made.questions:,} questions, {len(made.models)} models, model names taken out of {made.masked:,} answers"
    )
    for annotator, items in made.loads.items():
        click.echo(f"  {annotator}: {items:,} items")
    if made.dropped:
        click.echo(f"left out: {len(made.dropped):,} (left-out.csv)")
    click.echo(f"\n{paths[0].parent.resolve()}: give each person their page and one sheet, and nothing else")


@sus.command()
@STUDY
@click.argument("sheets", nargs=-1, required=True, type=click.Path(path_type=Path))
@STORE
def read(study: Path, sheets: tuple[Path, ...], url: str) -> None:
    """Take SHEETS that came back (CSV in any encoding, or XLSX); a sheet that was mended is read again."""
    from huatuo.eval.sus import sheets as reading
    from huatuo.eval.sus.score import scale_of

    found = _open(study, url)
    scale, places = scale_of(found), {place.blind: place for place in found.places()}
    for path in sheets:
        sheet = reading.read(path, places, scale)
        changed = found.save(sheet.ratings)
        click.echo(
            f"{path}: {', '.join(sheet.annotators)}: {sheet.scored:,} scores, {sheet.cannot:,} cannot judge, "
            f"{sheet.empty:,} empty; {sheet.missing:,} items not in it; {changed:,} earlier ratings changed"
        )
        checks = ((part, reading.as_expected(sheet.ratings, places, part)) for part in ("training", "attention"))
        said = [f"{part} {right} of {given} as expected" for part, (right, given) in checks if given]
        click.echo(f"  {', '.join(said) or 'no training or attention items rated'}")


@sus.command()
@STUDY
@click.option("--url", "endpoint", required=True, help="OpenAI-compatible endpoint, up to /v1.")
@click.option("--model", required=True, help="Model name there.")
@click.option("--key-env", default="", help="Environment variable with the key; without: OPENAI_API_KEY.")
@STORE
def judge(study: Path, url: str, endpoint: str, model: str, key_env: str) -> None:
    """Let a model rate the answers too: reported apart, never in people's means. Its replies are kept."""
    from huatuo.eval.sus.judge import rate
    from huatuo.eval.sus.score import scale_of
    from huatuo.llm.cache import Cached
    from huatuo.llm.http import Endpoint
    from huatuo.recipe_teacher import TeacherSettings

    found = _open(study, url)
    settings = TeacherSettings(kind="endpoint", url=endpoint, model=model)
    settings = settings.model_copy(update={"key_env": key_env} if key_env else {})
    judged = rate(found, scale_of(found), Cached(Endpoint(settings), study / "calls.sqlite"))
    click.echo(
        f"{judged.annotator}: {judged.answers:,} answers, {sum(judged.unparsed.values()):,} replies without scores"
    )
    for reason, count in judged.unparsed.most_common():
        click.echo(f"  {count:,} {reason}")


@sus.command()
@STUDY
@click.option("--against", default="", help="Model that the mixed model compares the others with.")
@click.option("--exclude", default="", help="Annotators to leave out, with commas; the page says so.")
@click.option("--title", default="", help="Title of the page.")
@click.option("--language", type=click.Choice(["both", "zh", "en"]), default="both", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of bootstrap and permutations.")
@STORE
def score(study: Path, url: str, against: str, exclude: str, title: str, language: str, seed: int) -> None:
    """Means, comparisons, agreement and annotators of a study, as a page, CSV and LaTeX."""
    from huatuo.eval.sus.analysis import Settings
    from huatuo.eval.sus.score import score as score_study
    from huatuo.report import sus as page

    settings = Settings(against=against, exclude=_names(exclude), seed=seed)
    count = score_study(_open(study, url), study / "score", title or study.resolve().name, settings)
    paths = page.write(study / "score", study / "report", language)
    click.echo(f"{count:,} scores\n\nReport: {paths[0].resolve()}")


@sus.command()
@STUDY
@click.option("--dimension", default="", help="What is planned for; the scale's first where it is not given.")
@click.option("--difference", type=float, default=0.1, show_default=True, help="True difference, in points.")
@click.option("--questions", "counts", default="50,100,200,400", show_default=True, help="Numbers of questions.")
@click.option("--annotators", type=click.IntRange(2), default=5, show_default=True, help="People.")
@click.option("--each", "several", default="", help="Ratings of each answer, with commas; as many as people.")
@click.option("--models", type=click.IntRange(2), default=2, show_default=True, help="Models to compare.")
@click.option("--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="Time of one answer.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulation.")
@STORE
def plan(study: Path, url: str, dimension: str, **rest: Any) -> None:
    """How many questions and hours the next study needs: power by simulation, from STUDY as a pilot."""
    from huatuo.eval.planner import Costs, Design
    from huatuo.eval.sus import score as scoring

    found = _open(study, url)
    scale = scoring.scale_of(found)
    people, models = rest["annotators"], rest["models"]
    several = _numbers(rest["several"] or str(people), "--each")
    designs = [Design(n, people, each) for n in _numbers(rest["counts"], "--questions") for each in several]
    tests = (len(scale.dimensions) + bool(scale.joint)) * models * (models - 1) // 2
    costs = Costs(models, rest["seconds"], comparisons=tests)
    pilot = scoring.pilot_of(found, dimension or scale.dimensions[0].id)
    difference = rest["difference"]
    rows = scoring.planned(pilot, designs, difference, costs, rest["seed"])
    click.echo(f"to find {difference:g} points of {dimension or scale.dimensions[0].id} at 5 % over {tests} tests:")
    for row in rows:
        design = row.design
        click.echo(
            f"{design.questions:>6,} questions x {design.each} of {design.annotators} annotators: power "
            f"{row.power:.0%} [{row.low:.0%}, {row.high:.0%}], {row.ratings:,} ratings, {row.hours:,.0f} hours"
        )


def _numbers(text: str, option: str) -> list[int]:
    try:
        found = [int(part) for part in _names(text)]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise InputError(f"{option} {text!r}: expected whole numbers with commas; next: for example 100,200")
    return found
