"""The verbs of `huatuo judge`: answers compared or scored by models and experts, from the asking to the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from huatuo.errors import InputError

if TYPE_CHECKING:
    from huatuo.eval.judging.ask import Call, Judge
    from huatuo.eval.sus.answers import Answer
    from huatuo.recipe import JudgingSettings
    from huatuo.records import Dropped

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
SOURCE = click.argument("source", type=PATH)
OUT = click.option("-o", "--out", type=PATH, required=True, help="Folder to write to.")
TITLE = click.option("--title", default="", help="Title of the page.")
RULE = click.option("--rule", type=click.Choice(["huatuogpt2", "mt-bench"]), help="How two orders make one outcome.")


def _asked(verb: F) -> F:
    """The options of a verb that asks a model: the table [judge] of a recipe, or an endpoint."""
    for option in (
        click.option("--recipe", default="", help="Recipe whose table [judge] says who judges, prices and limits."),
        click.option("-s", "--set", "overrides", multiple=True, metavar="judge.KEY=VALUE", help="Override one key."),
        click.option("--url", default="", help="OpenAI-compatible endpoint, up to /v1."),
        click.option("--model", default="", help="Model name there."),
        click.option("--key-env", default="", help="Environment variable with the key."),
        click.option("--estimate", is_flag=True, help="Say what asking would take, and ask nothing."),
    ):
        verb = option(verb)
    return verb


def _settings(recipe: str, overrides: tuple[str, ...], url: str, model: str, key_env: str) -> JudgingSettings:
    from huatuo import recipe_file
    from huatuo.recipe import JudgingSettings

    if overrides and not recipe:
        raise InputError("-s overrides a recipe; next: give --recipe, or --url and --model")
    found = recipe_file.load(recipe_file.find(recipe), overrides).judge if recipe else JudgingSettings()
    given = {"url": url, "model": model, "key_env": key_env}
    found = found.model_copy(update={key: value for key, value in given.items() if value})
    if found.kind == "endpoint" and not (found.model and (found.url or found.endpoints)):
        raise InputError("no judge: expected an endpoint and a model; next: --url and --model, or [judge] of --recipe")
    return found


def _judge(out: Path, asked: dict[str, Any]) -> Judge:
    from huatuo.eval.judging.ask import Judge
    from huatuo.llm.cache import Cached
    from huatuo.llm.teachers import judge_of

    settings = _settings(*(asked[key] for key in ("recipe", "overrides", "url", "model", "key_env")))
    calls = out / "calls.sqlite"
    return Judge(Cached(judge_of(settings, calls), calls), settings)


def _only_estimated(judge: Judge, calls: Sequence[Call], asked: dict[str, Any]) -> bool:
    """Say what asking will take; whether that is all that was wanted."""
    click.echo(judge.expects(calls), err=not asked["estimate"])
    return bool(asked["estimate"])


def _answers(source: Path) -> tuple[list[Answer], list[Dropped]]:
    from huatuo.eval.judging import sources

    return sources.load(source)


def _page(out: Path) -> None:
    from huatuo.report import judge as page

    click.echo(f"\nReport: {page.write(out / 'score', out / 'report')[0].resolve()}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace("，", ",").split(",") if name.strip()]


@click.group()
def judge() -> None:
    """Answers compared in both orders, or scored by a rubric, by a model or by experts; consultations; structure."""


@judge.command()
@SOURCE
@OUT
@click.option("--models", default="", help="Models to compare, with commas, yours first; else all.")
@RULE
@TITLE
@_asked
def pairs(source: Path, out: Path, models: str, rule: str | None, title: str, **asked: Any) -> None:
    """Compare every two models on the questions both answered, each pair in both orders.

    SOURCE is a run whose models were asked, a table (CSV, XLSX, JSON Lines) with the columns question, model and
    answer, or what `huatuo judge consult` wrote.
    """
    from huatuo.eval.judging import pairs as comparing
    from huatuo.eval.judging import results, sources
    from huatuo.eval.judging.score import Scoring

    answers, dropped = _answers(source)
    found, left = sources.pairs_of(answers, _names(models))
    judge = _judge(out, asked)
    settings = judge.settings
    if _only_estimated(judge, comparing.calls_of(found, settings.prompt), asked):
        return
    verdicts = comparing.compare(found, judge)
    results.keep(
        out / "verdicts",
        {"verdicts": verdicts, "answers": sources.shown(answers)},
        [*dropped, *left],
        settings.seed,
    )
    how = Scoring(rule or settings.rule, settings.resamples, settings.seed)
    results.score_pairs(out / "verdicts", None, how, out / "score", title or out.name)
    lost = sum(one.winner is None for one in verdicts)
    click.echo(f"{len(found):,} pairs, {len(verdicts):,} verdicts, {lost:,} unparsed, {len(left):,} left out")
    _page(out)


@judge.command()
@SOURCE
@OUT
@click.option("--annotators", required=True, help="Names of the experts, with commas.")
@click.option("--models", default="", help="Models to compare, with commas, yours first; else all.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and sides.")
def sheets(source: Path, out: Path, annotators: str, models: str, seed: int) -> None:
    """Blind sheets on which experts compare the answers of SOURCE, each pair in both orders."""
    from huatuo.eval.judging import sheets as writing
    from huatuo.eval.judging import sources

    found, _ = sources.pairs_of(_answers(source)[0], _names(models))
    made = writing.write(found, _names(annotators), out, seed)
    click.echo(f"{len(found):,} pairs\n\n{made[0].parent.resolve()}: give each expert their sheet, and nothing else")


@judge.command()
@click.argument("study", type=PATH)
@click.argument("files", nargs=-1, required=True, type=PATH)
@OUT
def read(study: Path, files: tuple[Path, ...], out: Path) -> None:
    """Take sheets that came back (CSV in any encoding, or XLSX) as verdicts in OUT."""
    from huatuo.eval.judging import results
    from huatuo.eval.judging import sheets as reading

    verdicts = reading.read(study, files)
    results.keep(out / "verdicts", {"verdicts": verdicts, "answers": reading.answers(study)})
    given = sum(one.winner is not None for one in verdicts)
    click.echo(f"{given:,} verdicts, {len(verdicts) - given:,} without one\n\n{out.resolve()}")


@judge.command()
@click.argument("judged", type=PATH)
@click.option("--people", type=PATH, help="Folder that `huatuo judge read` wrote: experts beside the judge.")
@RULE
@TITLE
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the bootstrap.")
def score(judged: Path, people: Path | None, rule: str | None, title: str, seed: int) -> None:
    """Score the verdicts in JUDGED again, by another rule or beside experts; asks nothing."""
    from huatuo.eval.judging import results
    from huatuo.eval.judging.score import Scoring

    experts = people / "verdicts" if people else None
    how = Scoring(rule or "huatuogpt2", seed=seed)
    made = results.score_pairs(judged / "verdicts", experts, how, judged / "score", title or judged.name)
    click.echo(f"{len(made):,} figures")
    _page(judged)


@judge.command()
@SOURCE
@OUT
@click.option("--items", required=True, type=PATH, help="JSON Lines: id, and rubrics of criterion, points, tags.")
@click.option("--physicians", type=PATH, help="JSON Lines of labels that physicians gave: the judge is held to them.")
@TITLE
@_asked
def rubric(source: Path, out: Path, items: Path, physicians: Path | None, title: str, **asked: Any) -> None:
    """Grade every answer of SOURCE by the criteria of its question, in HealthBench's shape, one call a criterion."""
    from huatuo.eval.judging import grading, results, sources

    answers, dropped = _answers(source)
    criteria, bad = grading.read_criteria(items)
    labels = grading.read_labels(physicians) if physicians else []
    work = grading.items_of(answers, criteria)
    judge = _judge(out, asked)
    if _only_estimated(judge, [grading.call(*one) for one in work], asked):
        return
    grades = grading.grade(work, judge)
    how = judge.settings
    results.keep(
        out / "grades",
        {"grades": grades, "criteria": criteria, "answers": sources.shown(answers)},
        [*dropped, *bad],
        how.seed,
    )
    results.score_rubric(out / "grades", labels, how.resamples, how.seed, out / "score", title or out.name)
    lost = sum(one.met is None for one in grades)
    click.echo(f"{len(grades):,} grades, {lost:,} unparsed")
    _page(out)


@judge.command()
@SOURCE
@OUT
@click.option("--scale", type=click.Choice(["cmb-clin", "cmcoqa"]), default="cmb-clin", show_default=True)
@click.option("--references", type=PATH, help="JSON Lines: id and reference; of a run its questions' are taken.")
@TITLE
@_asked
def rate(source: Path, out: Path, scale: Any, references: Path | None, title: str, **asked: Any) -> None:
    """Score every answer of SOURCE on a scale: CMB-Clin's four dimensions or CMCOQA's three."""
    from huatuo.eval.judging import ratings, results, sources

    answers, dropped = _answers(source)
    known = ratings.references_of(source, references)
    judge = _judge(out, asked)
    if _only_estimated(judge, ratings.calls_of(answers, known, scale), asked):
        return
    found = ratings.rate(answers, known, judge, scale)
    made = ratings.figures(found, judge, scale, sum(one.question_id in known for one in answers))
    results.write_scores(
        {"ratings": found, "answers": sources.shown(answers)}, dropped, made, out / "score", title or out.name
    )
    click.echo(f"{len(found):,} ratings, {sum(one.value is None for one in found):,} without one")
    _page(out)


@judge.command()
@click.argument("cases", type=PATH)
@OUT
@click.option("--doctor", type=PATH, help="The model that is evaluated: a run folder, or a Hugging Face folder.")
@click.option("--doctor-url", default="", help="Or its OpenAI-compatible endpoint.")
@click.option("--doctor-model", default="", help="Its name there, or in the results.")
@click.option("--turns", type=click.IntRange(1, 30), default=5, show_default=True, help="Longest conversation.")
@click.option("--knowledge", type=PATH, help="Finished ingest whose names a patient may not bring up unasked.")
@_asked
def consult(cases: Path, out: Path, turns: int, knowledge: Path | None, **asked: Any) -> None:
    """Let a simulated patient, who knows one case of CASES and nothing else, talk to a model.

    --url and --model (or [judge]) name the model that plays the patient. Several models' conversations gather in
    OUT/consultations, which `huatuo judge rubric` and `huatuo judge pairs` take as their source.
    """
    from huatuo.eval.judging import consultations, results

    found, bad = consultations.read_cases(cases)
    if asked["estimate"]:
        click.echo(
            f"{len(found):,} cases, at most {len(found) * turns:,} lines of the patient and as many of the model"
        )
        return
    settings = _settings(*(asked[key] for key in ("recipe", "overrides", "url", "model", "key_env")))
    doctor = consultations.physician_settings(asked["doctor"], asked["doctor_url"], asked["doctor_model"], settings)
    sides = consultations.sides_of(settings, doctor, out / "calls.sqlite")
    names = consultations.names_of(knowledge)
    talks = list(consultations.hold(found, sides, turns, names.find))
    results.keep_consultations(out / "consultations", talks, bad)
    for how in ("patient", "turns", "revealed", "failed"):
        click.echo(f"{sum(talk.ended == how for talk in talks):>6,} {how}")
    click.echo(f"\n{(out / 'consultations').resolve()}")


@judge.command()
@SOURCE
@OUT
@click.option("--golds", required=True, type=PATH, help="JSON Lines: id and gold, a list.")
@click.option("--kind", required=True, type=click.Choice(["entities", "triples", "codes", "formula"]))
@TITLE
def structured(source: Path, out: Path, golds: Path, kind: Any, title: str) -> None:
    """Score structured answers (JSON) against golds: F1 over entities, triples, codes, or a formula. Needs no judge."""
    from huatuo.eval import structured as scoring
    from huatuo.eval.judging import results, sources

    answers, dropped = _answers(source)
    rows = [(one.response_id, one.question_id, one.model, one.text) for one in answers]
    scores, made = scoring.score_answers(rows, scoring.read_golds(golds, kind), kind, 2000, 1)
    results.write_scores(
        {"scores": scores, "answers": sources.shown(answers)}, dropped, made, out / "score", title or out.name
    )
    for figure in made:
        click.echo(f"{figure.model}: {figure.metric} {figure.value:.3f}, n {figure.n}, {figure.unscored} unscored")
    _page(out)
