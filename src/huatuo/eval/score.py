"""Scoring the answers: one score per response and metric, then figures with intervals, baselines and differences.

An answer that cannot be scored (a failed call, a refusal, no readable option) has a score without a value and the
reason. In the figures it counts as wrong and is shown apart, so that a model gains nothing by not answering.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast

import huatuo
from huatuo.eval import baselines, bleu_rouge, choice, knowledge, likelihoods, open_scores, stats
from huatuo.eval.breakdown import parts
from huatuo.eval.compared import Measured, comparisons
from huatuo.eval.contamination import GRADES, contaminated
from huatuo.eval.fact_status import FactStatus, as_csv, teach_next
from huatuo.eval.probes import EXAM, GROUPS, HELD_OUT, NO_SHARED_WORD
from huatuo.eval.questions import read_questions
from huatuo.eval.safety import safety_of
from huatuo.eval.sensitivity import Sensitivity
from huatuo.eval.taught import as_taught, taught_facts
from huatuo.ledger import ledger
from huatuo.progress import bar
from huatuo.recipe import ScoreSettings
from huatuo.records import Figure, Question, Response, Score
from huatuo.records_probed import FactKnowledge
from huatuo.store import Writer, content_id, read, write_atomic
from huatuo.text.ngram import GRAM, is_searched

Metric = Literal["accuracy", likelihoods.Metric, "exact", "f1", "bleu", "chrf", "rouge-l", "numbers", "facts"]

LEADING: tuple[Metric, ...] = ("accuracy", *likelihoods.METRICS, "exact")
"""Metrics of right and wrong."""

METRICS: tuple[Metric, ...] = (*LEADING, "f1", "bleu", "chrf", "rouge-l", "numbers", "facts")
"""The metrics in the order of the tables; the first that a group has leads it."""

WITH_BASELINES: tuple[Metric, ...] = ("accuracy", *likelihoods.PLAIN, "exact")
"""The metric of each way of answering beside which stands what can be scored without knowing anything."""

SIGNATURES: dict[Metric, str] = {
    "accuracy": f"metric:accuracy|extractor:{choice.RULES}|unscored:wrong|huatuo:{huatuo.__version__}",
    "exact": f"metric:exact|rules:{knowledge.RULES}|unscored:wrong|huatuo:{huatuo.__version__}",
    "f1": f"metric:f1|rules:{knowledge.RULES}|unscored:wrong|huatuo:{huatuo.__version__}",
    **{metric: words for metric, words in likelihoods.SIGNATURES.items()},
}
"""Everything a number depends on besides the question and the response; of open questions see `open_scores`."""


def signature_of(metric: Metric, settings: ScoreSettings) -> str:
    """Everything a number of this metric depends on besides the question and the response."""
    if metric in SIGNATURES:
        return SIGNATURES[metric]
    return open_scores.signature(cast("open_scores.Metric", metric), settings)


Groups = Mapping[str, Sequence[Question]]
Values = dict[tuple[str, Metric, str], dict[str, float | None]]
"""Values of the responses by question id, for each group, metric and model."""


def score(settings: ScoreSettings, folders: Mapping[str, Path], seed: int, out: Writer) -> None:
    """Write tables ``scores``, ``figures`` and ``parts``; of a probe also ``knowledge``, and what to teach next.

    ``folders``: the finished stages by name, at least questions, ask, unify, and what the ledger reads. What was
    trained on gives the baselines of the probe, tells what was taught, and is searched for exam questions. Raises
    InputError where there are no questions.
    """
    known = read_questions(folders["questions"])
    entries = ledger(folders) if any(q.exam == EXAM or q.kind == "knowledge" for q in known.values()) else {}
    taught = taught_facts(entries)
    known = as_taught(known, taught)
    asked: set[str] = set()
    values: Values = defaultdict(dict)
    readers = _readers(known.values())
    sensitivity, facts, safety = Sensitivity(), FactStatus(), safety_of(settings.safety, folders)
    near_ties: Counter[str] = Counter()
    with bar("score", unit="answers") as shown:
        for response in read(folders["ask"], "responses", Response):
            out.expect([response.id])
            shown.advance()
            question = known.get(response.question_id)
            if question is None:
                reason = f"question {response.question_id} is not in the data set of questions"
                out.drop(response.id, "unknown question", reason, excerpt=response.text)
                continue
            made = scores_of(question, response, readers.get(question.subject), settings)
            unsafe = safety.scores(question, response)
            for one in unsafe:
                out.write("scores", one, uses=[response.id])
            if not made and not unsafe:
                out.leave(response.id, "left to a judge", f"question {question.id} names the judge as its scorer")
            for one in made:
                out.write("scores", one, uses=[response.id])
                asked.add(question.id)
                values[group_of(question), _metric(one), one.model][question.id] = one.value
                facts.add(question, one)
                if one.metric == "accuracy" and question.exam != EXAM:
                    sensitivity.add(group_of(question), question, response, one)
            for finding in likelihoods.near_ties(question, response):
                out.write("findings", finding)
                near_ties[f"{finding.place}: near ties"] += 1
    out.figures.update({name: float(count) for name, count in near_ties.items()})
    groups = groups_of(question for question in known.values() if question.id in asked)
    sets = baselines.answer_sets([q for q in known.values() if q.kind == "knowledge"], taught)
    compared = comparisons(list(_measured(settings, groups, values)), settings.resamples, seed)
    for figure in (*_figures(settings, groups, values, sets, seed), *compared):
        out.write("figures", figure)
    for part in parts(groups, values, WITH_BASELINES, partial(model_figure, settings, seed), partial(_baselines, sets)):
        out.write("parts", part)
    for figure in (*_empty(groups), *sensitivity.figures(), *_contamination(groups, folders["unify"])):
        out.write("figures", figure)
    for figure in (*facts.figures(_write_facts(facts.records(entries), out)), *safety.figures()):
        out.write("figures", figure)


def _write_facts(records: list[FactKnowledge], out: Writer) -> list[FactKnowledge]:
    """The records, written as a table, as CSV, and those to be taught next as a list that synthesis reads."""
    for record in records:
        out.write("knowledge", record)
    if records:
        write_atomic(out.folder / "knowledge.csv", as_csv(records))
    if listed := teach_next(records):
        write_atomic(out.folder / "teach_next.jsonl", listed)
    return records


def group_of(question: Question) -> str:
    """The group that a question is counted in: the probe's, or its exam."""
    return question.group or question.exam


def _metric(one: Score) -> Metric:
    return next(metric for metric in METRICS if metric == one.metric)


def groups_of(questions: Iterable[Question]) -> dict[str, list[Question]]:
    """The questions by group: the probe's groups first, then the exams in their order."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        found[group_of(question)].append(question)
    first = [group for group in GROUPS if group in found]
    return {group: found[group] for group in [*first, *(name for name in found if name not in first)]}


def _readers(questions: Iterable[Question]) -> dict[str, knowledge.Reader]:
    """One reader of answers per relation, which knows all values and entities of the questions about it."""
    values: dict[str, set[str]] = defaultdict(set)
    entities: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        if question.kind == "knowledge":
            values[question.subject].update(question.gold)
            entities[question.subject].add(question.entity)
    return {relation: knowledge.Reader(values[relation], entities[relation], relation) for relation in values}


# ---------------------------------------------------------------- scores


def scores_of(
    question: Question, response: Response, reader: knowledge.Reader | None, settings: ScoreSettings
) -> list[Score]:
    """The scores of one response by every metric of its kind of question, in the order of `METRICS`."""
    make = partial(_score, settings, question, response)
    reason = {"error": "the call failed", "refused": "refused"}.get(response.finish_reason, "")
    if likelihoods.way_of(response):
        return _weighed(question, response, reason, make)
    if question.kind in ("single", "multiple"):
        return [_accuracy(question, response, reason, make)]
    found = []
    if question.kind == "knowledge":
        if reader is None:
            raise ValueError(f"a knowledge question about {question.subject!r} needs a reader of its values")
        found += _knowledge(question, response, reason, reader, make)
    return found + _overlap(question, response, reason, settings, make)


def _score(
    settings: ScoreSettings,
    question: Question,
    response: Response,
    metric: Metric,
    value: float | None,
    unscored: str = "",
    extracted: tuple[str, ...] = (),
    rule: str = "",
) -> Score:
    return Score(
        id=content_id(response.id, signature_of(metric, settings)),
        response_id=response.id,
        question_id=question.id,
        model=response.model,
        metric=metric,
        value=value,
        unscored=unscored,
        extracted=extracted,
        rule=rule,
        signature=signature_of(metric, settings),
    )


Make = Callable[..., Score]


def _accuracy(question: Question, response: Response, reason: str, make: Make) -> Score:
    if reason:
        return make("accuracy", None, reason)
    kind: Literal["single", "multiple"] = "multiple" if question.kind == "multiple" else "single"
    found = choice.extract(response.text, question.options, kind)
    if found.unscored:
        return make("accuracy", None, found.unscored)
    return make("accuracy", float(set(found.labels) == set(question.gold)), "", found.labels, found.rule)


def _weighed(question: Question, response: Response, reason: str, make: Make) -> list[Score]:
    """A score for every way to compare the options that were weighed."""
    if reason or not response.likelihoods:
        return [make(metric, None, reason or "nothing was weighed") for metric in likelihoods.metrics_of(response)]
    return [
        make(one.metric, float(set(one.labels) == set(question.gold)), "", one.labels, one.rule)
        for one in likelihoods.choices(response)
    ]


def _knowledge(
    question: Question, response: Response, reason: str, reader: knowledge.Reader, make: Make
) -> list[Score]:
    """Exact and f1. An empty answer is a wrong one: unlike a refusal it gives no sign of holding back."""
    if reason:
        return [make("exact", None, reason), make("f1", None, reason)]
    reading = reader.read(response.text, question.entity)
    listed = (*reading.values, *reading.extra)
    return [
        make("exact", float(reading.is_exact(question.gold)), "", listed, reading.rule),
        make("f1", reading.overlap(question.gold)[2], "", listed, reading.rule),
    ]


def _overlap(question: Question, response: Response, reason: str, settings: ScoreSettings, make: Make) -> list[Score]:
    """Overlap with the reference: of a knowledge question the taught answer. A set of values alone is none, since a
    right sentence around it would score badly."""
    reference = question.reference
    if question.kind == "knowledge" and not reference:
        return []
    if not bleu_rouge.tokenise(reference):
        reason = "the question has no reference"
    found = []
    for metric in open_scores.metrics(question, settings):
        if reason:
            found.append(make(metric, None, reason))
        else:
            one = open_scores.value(metric, response.text, reference, settings)
            found.append(make(metric, one.value, "", one.found, one.rule))
    return found


# ---------------------------------------------------------------- figures


def _figures(
    settings: ScoreSettings, groups: Groups, values: Values, sets: baselines.AnswerSets, seed: int
) -> Iterable[Figure]:
    """Of each group and metric: the models, and the difference; after the metric of a way of answering, the
    baselines."""
    models = list(dict.fromkeys(model for _, _, model in values))
    for group, questions in groups.items():
        leads = True
        for metric in METRICS:
            measured = {m: values[group, metric, m] for m in models if values.get((group, metric, m))}
            if not measured:
                continue
            for model, own in measured.items():
                yield model_figure(settings, seed, group, metric, model, questions, own)
            if "base" in measured and "ours" in measured:
                name = "difference" if leads else f"{metric} difference"
                yield _difference(settings, (group, metric, name), questions, measured, seed)
            if metric in WITH_BASELINES:
                own_questions = [q for q in questions if any(q.id in own for own in measured.values())]
                yield from _baselines(sets, group, metric, own_questions)
            leads = False


def _measured(settings: ScoreSettings, groups: Groups, values: Values) -> Iterable[Measured]:
    """What the models scored in each group, by the metric that leads it."""
    for group, questions in groups.items():
        metric = next(metric for metric in METRICS if any(key[:2] == (group, metric) for key in values))
        own = {key[2]: found for key, found in values.items() if key[:2] == (group, metric)}
        each = zip(*clusters_of(questions), strict=True)
        clusters = {question.id: names for question, names in zip(questions, each, strict=True)}
        yield Measured(group, signature_of(metric, settings), clusters, own)


def clusters_of(questions: Sequence[Question]) -> list[list[str]]:
    """What stands or falls together: questions about one entity, and questions of one wording; every exam question is
    for itself."""
    if all(question.kind == "knowledge" or question.wording for question in questions):
        return [[q.entity for q in questions], [f"{q.subject} {q.wording}" for q in questions]]
    return [[question.id for question in questions]]


def _empty(groups: Groups) -> Iterable[Figure]:
    """A row without a number where no held-out wording is free of every trained word: it must not vanish silently."""
    if HELD_OUT in groups and NO_SHARED_WORD not in groups:
        yield _figure(NO_SHARED_WORD, "ours", "exact", stats.NO_DATA, SIGNATURES["exact"])


def _seed(seed: int, *names: str) -> int:
    return int(content_id("interval", str(seed), *names)[:12], 16)


def model_figure(
    settings: ScoreSettings,
    seed: int,
    group: str,
    metric: Metric,
    model: str,
    questions: Sequence[Question],
    own: Mapping[str, float | None],
) -> Figure:
    """The mean of a model's values over the questions that it was asked, with its interval; unscored counts as 0."""
    asked = [question for question in questions if question.id in own]
    numbers = [own[question.id] or 0.0 for question in asked]
    estimator = stats.proportion if metric in LEADING else stats.bootstrap_mean
    estimate = estimator(numbers, clusters_of(asked), settings.resamples, _seed(seed, group, metric, model))
    unscored = sum(own[question.id] is None for question in asked)
    return _figure(group, model, metric, estimate, signature_of(metric, settings), unscored)


def _difference(
    settings: ScoreSettings,
    names: tuple[str, Metric, str],
    questions: Sequence[Question],
    measured: Mapping[str, Mapping[str, float | None]],
    seed: int,
) -> Figure:
    """Ours minus base over the questions that both were asked."""
    group, metric, name = names
    base, ours = measured["base"], measured["ours"]
    both = [question for question in questions if question.id in base and question.id in ours]
    first, second = [ours[q.id] or 0.0 for q in both], [base[q.id] or 0.0 for q in both]
    estimate = stats.paired_difference(
        first, second, clusters_of(both), settings.resamples, _seed(seed, group, metric, name)
    )
    unscored = sum(ours[q.id] is None or base[q.id] is None for q in both)
    return _figure(group, "ours - base", name, estimate, signature_of(metric, settings), unscored)


def _figure(group: str, model: str, metric: str, estimate: stats.Estimate, signature: str, unscored: int = 0) -> Figure:
    return estimate.figure(group, model, metric, signature, unscored)


def _baselines(sets: baselines.AnswerSets, group: str, metric: Metric, questions: Sequence[Question]) -> list[Figure]:
    """Both baselines of the questions of a group that a metric was measured on; none for a probe of which nothing was
    taught."""
    if metric == "exact":
        if not sets:
            return []
        chance, frequent = (
            baselines.knowledge_random(questions, sets),
            baselines.knowledge_most_frequent(questions, sets),
        )
    else:
        chance, frequent = baselines.exam_random(questions), baselines.exam_most_frequent(questions)
    return [
        _baseline(group, metric, baselines.RANDOM, chance),
        _baseline(group, metric, baselines.MOST_FREQUENT, frequent),
    ]


def _baseline(group: str, metric: Metric, name: str, values: Sequence[float]) -> Figure:
    """A known share, not an estimate: it has no interval."""
    method = "expected value" if name == baselines.RANDOM else "share of the questions"
    estimate = stats.Estimate(sum(values) / len(values), None, None, len(values), method)
    return _figure(group, name, metric, estimate, SIGNATURES[metric])


def _contamination(groups: Groups, pairs: Path) -> Iterable[Figure]:
    """Of each exam, how many questions stand in the training pairs, by grade."""
    exams = {
        group: members
        for group, questions in groups.items()
        if (members := [question for question in questions if is_searched(question)])
    }
    found = contaminated((question for members in exams.values() for question in members), pairs)
    for group, members in exams.items():
        for grade in GRADES:
            count = float(sum(found.get(question.id) == grade for question in members))
            estimate = stats.Estimate(count, None, None, len(members), "count")
            signature = f"metric:contamination|grade:{grade}|grams:{GRAM}|huatuo:{huatuo.__version__}"
            yield _figure(group, "pairs", f"contamination: {grade}", estimate, signature)
