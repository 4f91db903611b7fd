"""From scores to the numbers of the tables: per group and model, with intervals, baselines and differences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import huatuo
from huatuo.eval import baselines, stats
from huatuo.eval.baselines import FrequentAnswer
from huatuo.eval.probes import GROUPS
from huatuo.records import Figure, Question, Score
from huatuo.store import content_id

RATES = ("accuracy", "exact")
"""Metrics of right or wrong: what could not be scored counts as wrong."""

Scored = Mapping[tuple[str, str], Sequence[Score]]
"""Scores by question id and model."""


def summarise(questions: Mapping[str, Question], scored: Scored, resamples: int, seed: int) -> Iterator[Figure]:
    """The figures of every group: models in the order of their first response, then difference, then baselines."""
    models = list(dict.fromkeys(model for _, model in scored))
    asked = {question_id for question_id, _ in scored}
    answer = FrequentAnswer(questions.values())
    groups = _groups([question for question in questions.values() if question.id in asked])
    for name, members in groups.items():
        yield from _Group(name, members, scored, resamples, seed).figures(models, answer)


def _groups(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """The probe's groups, then the exams; an exam of single and multiple answers also has a row for each kind."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        found[question.group or question.exam].append(question)
    order = [name for name in GROUPS if name in found] + [name for name in found if name not in GROUPS]
    groups: dict[str, list[Question]] = {}
    for name in order:
        groups[name] = found[name]
        kinds = sorted({question.kind for question in found[name]}, reverse=True)
        for kind in kinds if len(kinds) > 1 else ():
            groups[f"{name}: {kind}"] = [question for question in found[name] if question.kind == kind]
    return groups


class _Group:
    """One group of questions with its scores."""

    def __init__(self, name: str, questions: Sequence[Question], scored: Scored, resamples: int, seed: int) -> None:
        self.name, self.questions, self.scored, self.resamples = name, questions, scored, resamples
        self.seed = int(content_id("bootstrap", str(seed), name)[:8], 16)
        self.rated = [question for question in questions if question.kind != "open"]
        self.metric = "exact" if any(question.kind == "knowledge" for question in questions) else "accuracy"

    def figures(self, models: Sequence[str], answer: FrequentAnswer) -> Iterator[Figure]:
        """All figures of the group."""
        for model in models:
            for metric in self._metrics(model):
                yield self._model_figure(model, metric)
        if not self.rated:
            return
        if {"base", "ours"} <= set(models):
            yield from self._difference("ours", "base")
        constants = self._baselines(answer)
        for name, values in constants.items():
            yield self._baseline(name, values)
        best = max(constants, key=lambda name: sum(constants[name]), default="")
        for model in models if best else ():
            yield from self._from_baseline(model, best, constants[best])

    def _metrics(self, model: str) -> list[str]:
        return list(dict.fromkeys(s.metric for q in self.questions for s in self.scored.get((q.id, model), ())))

    def _scores(self, model: str, metric: str) -> list[tuple[Question, Score]]:
        return [(q, s) for q in self.questions for s in self.scored.get((q.id, model), ()) if s.metric == metric]

    def _model_figure(self, model: str, metric: str) -> Figure:
        rows = self._scores(model, metric)
        unscored = sum(score.value is None for _, score in rows)
        kept = rows if metric in RATES else [(q, s) for q, s in rows if s.value is not None]
        values, clusters = [s.value or 0.0 for _, s in kept], [_cluster(q) for q, _ in kept]
        estimate = (stats.proportion if metric in RATES else stats.bootstrap_mean)(
            values, clusters, self.resamples, self.seed
        )
        signature = " + ".join(sorted({score.signature for _, score in rows}))
        return self._figure(model, metric, estimate, signature, unscored)

    def _figure(self, model: str, metric: str, estimate: stats.Estimate, signature: str, unscored: int = 0) -> Figure:
        return Figure(
            name=self.name,
            model=model,
            metric=metric,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=estimate.n,
            unscored=unscored,
            signature=signature,
            method=estimate.method,
        )

    def _rates(self, model: str) -> dict[str, float]:
        return {question.id: score.value or 0.0 for question, score in self._scores(model, self.metric)}

    def _difference(self, first: str, second: str) -> Iterator[Figure]:
        """Paired by question; questions that only one of the two was asked do not count."""
        one, two = self._rates(first), self._rates(second)
        both = [question for question in self.rated if question.id in one and question.id in two]
        if not both:
            return
        left, right = [one[q.id] for q in both], [two[q.id] for q in both]
        estimate = stats.paired_difference(left, right, [_cluster(q) for q in both], self.resamples, self.seed)
        only_first, only_second = (
            sum(a > b for a, b in zip(x, y, strict=True)) for x, y in ((left, right), (right, left))
        )
        method = (
            f"{estimate.method}; {first} is {stats.verdict(estimate)} {second}; {only_first} questions only {first}, "
        )
        method += f"{only_second} only {second}, exact McNemar p = {stats.mcnemar(only_first, only_second):.3g}"
        if len({_cluster(q) for q in both}) < len(both):
            method += " (as if the questions were independent)"
        yield self._figure(f"{first} − {second}", "difference", _with(estimate, method), self._signature("difference"))

    def _baselines(self, answer: FrequentAnswer) -> dict[str, list[float]]:
        """Score of every question under each baseline."""
        if self.metric == "exact":
            return {baselines.FREQUENT_ANSWER: [answer.score(question) for question in self.rated]}
        return {
            baselines.RANDOM: [baselines.random_choice(question) for question in self.rated],
            baselines.FREQUENT_LABEL: baselines.frequent_label(self.rated),
        }

    def _baseline(self, name: str, values: Sequence[float]) -> Figure:
        clusters = [_cluster(question) for question in self.rated]
        if name == baselines.RANDOM:
            estimate = stats.Estimate(sum(values) / len(values), None, None, len(values), "expected value")
        else:
            estimate = stats.proportion(values, clusters, self.resamples, self.seed)
        return self._figure(name, self.metric, estimate, self._signature(self.metric))

    def _from_baseline(self, model: str, name: str, values: Sequence[float]) -> Iterator[Figure]:
        """The model against the strongest baseline on the questions it was asked."""
        rates, constant = self._rates(model), dict(zip((q.id for q in self.rated), values, strict=True))
        both = [question for question in self.rated if question.id in rates]
        if not both:
            return
        left, right = [rates[q.id] for q in both], [constant[q.id] for q in both]
        estimate = stats.paired_difference(left, right, [_cluster(q) for q in both], self.resamples, self.seed)
        method = f"{estimate.method}; {model} is {stats.verdict(estimate)} the {name}"
        metric = "difference from baseline"
        yield self._figure(model, metric, _with(estimate, method), self._signature(metric))

    def _signature(self, metric: str) -> str:
        return f"metric:{metric} of {self.metric}|huatuo:{huatuo.__version__}"


def _cluster(question: Question) -> str:
    """Questions about one entity stand or fall together; exam questions stand alone."""
    return question.entity if question.kind == "knowledge" else question.id


def _with(estimate: stats.Estimate, method: str) -> stats.Estimate:
    return stats.Estimate(estimate.value, estimate.low, estimate.high, estimate.n, method)
