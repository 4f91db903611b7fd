"""Several runs that asked the same questions: what each model scored, and every two against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from huatuo.errors import InputError
from huatuo.eval.compared import Measured, comparisons
from huatuo.eval.questions import read_questions
from huatuo.eval.score import METRICS, WITH_BASELINES, Metric, clusters_of, group_of, groups_of, model_figure
from huatuo.recipe import ScoreSettings
from huatuo.records import Figure, Question, Score
from huatuo.store import read

BASE = "base"
"""Name of the untouched model in a run's answers."""

OURS = "ours"
"""Name of the trained one."""


def name_of(model: str, run: str, base: str) -> str:
    """The name of a run's model among several runs: the run's for the trained one; ``base`` for the untouched one where
    it is the same in all of them."""
    return run if model == OURS else base if model == BASE else model


def rank(model: str, runs: Sequence[str]) -> tuple[int, str]:
    """Where a model stands among others: the untouched ones first, then the runs' in their order, then the rest."""
    place = runs.index(model) if model in runs else len(runs)
    return (-1 if model.startswith(BASE) and model not in runs else place, model)


def figures(runs: Mapping[str, Path], bases: Mapping[str, str], settings: ScoreSettings, seed: int) -> Iterator[Figure]:
    """Of each group of questions the score of each run's model, of the bases and of what guessing gets; then every two
    models on the questions that both answered.

    ``runs``: the folder of each run by its name; ``bases``: what its untouched model is called. Only the metric that
    leads a group is taken. Raises InputError where no question is shared by all runs, or a metric was counted by
    other rules.
    """
    questions = {name: read_questions(folder / "questions") for name, folder in runs.items()}
    shared = set.intersection(*(set(own) for own in questions.values()))
    if not shared:
        raise InputError(
            f"{', '.join(runs)}: no question was asked in all of these runs; expected runs whose recipes have the same "
            "[questions]; next: ask one run's questions in the other"
        )
    known = {one: question for one, question in next(iter(questions.values())).items() if one in shared}
    values: dict[tuple[str, Metric], dict[str, dict[str, float | None]]] = defaultdict(lambda: defaultdict(dict))
    signatures: dict[Metric, str] = {}
    baselines: dict[tuple[str, str, str], Figure] = {}
    for name, folder in runs.items():
        for score in read(folder / "score", "scores", Score):
            metric = next((metric for metric in METRICS if metric == score.metric), None)
            if metric is None or score.question_id not in shared:
                continue
            if signatures.setdefault(metric, score.signature) != score.signature:
                raise InputError(
                    f"{folder / 'score'}: {metric} was counted by other rules than in {next(iter(runs))} "
                    f"({score.signature}; {signatures[metric]}); next: huatuo score in both with the same [score]"
                )
            model = name_of(score.model, name, bases[name])
            values[group_of(known[score.question_id]), metric][model][score.question_id] = score.value
        for figure in read(folder / "score", "figures", Figure):
            if figure.model.startswith("baseline:") and figure.metric in WITH_BASELINES:
                baselines.setdefault((figure.name, figure.model, figure.metric), figure)
    yield from _figures(known, values, signatures, baselines, settings, seed, list(runs))


def _figures(
    known: Mapping[str, Question],
    values: Mapping[tuple[str, Metric], Mapping[str, Mapping[str, float | None]]],
    signatures: Mapping[Metric, str],
    baselines: Mapping[tuple[str, str, str], Figure],
    settings: ScoreSettings,
    seed: int,
    runs: Sequence[str],
) -> Iterator[Figure]:
    measured = []
    models = sorted({model for found in values.values() for model in found}, key=lambda model: rank(model, runs))
    for group, questions in groups_of(known.values()).items():
        metric = next((metric for metric in METRICS if (group, metric) in values), None)
        if metric is None:
            continue
        own = {model: found for model in models if (found := values[group, metric].get(model))}
        for model in own:
            made = model_figure(settings, seed, group, metric, model, questions, own[model])
            yield made.model_copy(update={"signature": signatures[metric]})
        yield from (f for (name, _, which), f in baselines.items() if (name, which) == (group, metric))
        each = zip(*clusters_of(questions), strict=True)
        clusters = {question.id: names for question, names in zip(questions, each, strict=True)}
        measured.append(Measured(group, signatures[metric], clusters, own))
    yield from comparisons(measured, settings.resamples, seed)
