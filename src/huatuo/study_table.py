"""The table of a study: what each arm scores and loses, with intervals over seeds and questions, against the reference.

A number holds for other seeds **and** other questions: its interval is the widest of those that cross the seeds with
the entities asked about, and with the wordings (`huatuo.eval.stats.crossed_mean`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from huatuo import store
from huatuo.compare import compare
from huatuo.eval import stats
from huatuo.eval.answer_loss import Loss, answer_losses
from huatuo.eval.questions import read_questions
from huatuo.eval.score import METRICS
from huatuo.files import write_atomic
from huatuo.records import Pair, Question, Response, Score
from huatuo.report.tables import Table, to_csv
from huatuo.stages import checkpoint
from huatuo.study import Study, Trial
from huatuo.study_run import unfinished
from huatuo.text.zh import normalise_for_comparison

LOSS = "loss of right answers"
"""Negative log-likelihood per token of right answers in nats, averaged over questions; an exam's has its name too."""

Key = tuple[int, str]
"""A seed and a question."""


class Value(NamedTuple):
    """What one question counts: a score, or a loss with its tokens."""

    question: Question
    value: float


Values = dict[str, dict[Key, Value]]
"""The values of an arm by what is measured."""


@dataclass(frozen=True)
class Line:
    """One arm in the table of one measure."""

    measure: str
    arm: str
    mean: stats.Estimate
    difference: stats.Estimate | None
    """To the reference, on the same questions with the same seeds; None for the reference itself."""


def write(study: Study, planned: Sequence[Trial], folder: Path) -> Iterator[str]:
    """The lines of the table, which is written to ``study.md`` and ``study.csv`` with a page of every seed.

    Only arms with all seeds are in it; the others are named. Raises InputError where none is finished.
    """
    left = unfinished(planned)
    missing = {trial.arm.name for trial in left}
    whole = [trial for trial in planned if trial.arm.name not in missing]
    values = {arm: _values(study, [t for t in whole if t.arm.name == arm]) for arm in _names(whole)}
    lines = list(compared(study, values))
    text = [
        *_head(study, whole),
        *(f"not finished with these settings: {trial.root.name}" for trial in left),
        *markdown(study, lines),
    ]
    write_atomic(folder / "study.md", "\n".join(text) + "\n")
    write_atomic(folder / "study.csv", to_csv(_table(lines)))
    for seed in study.seeds:
        roots = [trial.root for trial in whole if trial.seed == seed and trial.arm.compared]
        if len(roots) > 1:
            compare(roots, folder / f"compared-{seed}", "both")
    yield from text
    yield ""
    yield f"Study: {(folder / 'study.md').resolve()}"


def _names(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(trial.arm.name for trial in trials))


# ---------------------------------------------------------------- numbers


def _values(study: Study, trials: Sequence[Trial]) -> Values:
    """Every value of an arm's trained models."""
    found: Values = {}
    for trial in trials:
        questions = read_questions(trial.root / "questions")
        taught = _taught_by(trial.root, study.apart) if study.apart else set()
        best: dict[str, Score] = {}  # by the metric that leads; unscored counts as wrong
        for score in store.read(trial.root / "score", "scores", Score):
            if score.model != "ours":
                continue
            before = best.get(score.question_id)
            if before is None or METRICS.index(score.metric) < METRICS.index(before.metric):
                best[score.question_id] = score
        asked = [questions[one] for one in best]
        values = {one: score.value or 0.0 for one, score in best.items()} | _open_ones(trial.root, questions)
        for question in asked:
            measure = measure_of(question, study.apart, taught)
            found.setdefault(measure, {})[trial.seed, question.id] = Value(question, values[question.id])
        for one, loss in _losses(trial, asked).items():
            measure = LOSS if questions[one].kind == "knowledge" else f"{LOSS}, exam {questions[one].exam}"
            found.setdefault(measure, {})[trial.seed, one] = Value(questions[one], loss.total / loss.tokens)
    return found


def _open_ones(root: Path, questions: Mapping[str, Question]) -> dict[str, float]:
    """1 for each open question whose answer is its reference, without punctuation and blanks; else 0."""
    found = {}
    for response in store.read(root / "ask", "responses", Response):
        question = questions[response.question_id]
        if response.model == "ours" and question.kind == "open":
            same = normalise_for_comparison(response.text) == normalise_for_comparison(question.reference)
            found[question.id] = float(same)
    return found


def measure_of(question: Question, apart: str, taught: set[str]) -> str:
    """What a question measures: its exam, or knowledge; where ``apart`` is given, whether its source teaches all facts
    that are asked for."""
    if question.kind != "knowledge":
        return f"exam {question.exam}"
    if not apart:
        return "knowledge"
    return f"knowledge taught by {apart}" if taught.issuperset(question.parents) else f"knowledge not taught by {apart}"


def _taught_by(root: Path, source: str) -> set[str]:
    """Ids of what the learned pairs of a source were made of."""
    pairs = store.read(root / "unify", "pairs", Pair)
    return {one for pair in pairs if pair.source == source and pair.split == "train" for one in pair.parents}


def _losses(trial: Trial, asked: Sequence[Question]) -> dict[str, Loss]:
    """The losses of the right answers, computed once for a trained model and these questions."""
    wanted = sorted((q for q in asked if q.reference), key=lambda q: q.id)
    path = trial.root / "losses.json"
    made_of = [store.read_manifest(trial.root / "train").digest, store.content_id(*(q.id for q in wanted))]
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["of"] == made_of:
            return {one: Loss(*loss) for one, loss in known["losses"].items()}
    if not wanted:
        return {}
    found = answer_losses(checkpoint(trial.recipe, trial.root, "ours"), wanted)
    write_atomic(path, json.dumps({"of": made_of, "losses": found}))
    return found


# ---------------------------------------------------------------- intervals


def compared(study: Study, values: Mapping[str, Values]) -> Iterator[Line]:
    """A line for every measure and arm, the reference's difference left out."""
    measures = dict.fromkeys(measure for own in values.values() for measure in own)
    for measure in sorted(measures, key=lambda name: (name.startswith(LOSS), name)):
        reference = values.get(study.reference, {}).get(measure, {})
        is_loss = measure.startswith(LOSS)
        for arm, own in values.items():
            found = own.get(measure)
            if not found:
                continue
            shared = [key for key in found if key in reference] if arm != study.reference else []
            gap = [(key, found[key].question, found[key].value - reference[key].value) for key in shared]
            difference = crossed(gap, (-math.inf, math.inf) if is_loss else (-1.0, 1.0)) if gap else None
            mean = crossed(
                [(key, value.question, value.value) for key, value in found.items()],
                (0.0, math.inf) if is_loss else stats.UNIT,
            )
            yield Line(measure, arm, mean, difference)


def crossed(items: Sequence[tuple[Key, Question, float]], scale: stats.Scale) -> stats.Estimate:
    """The mean with the widest of its intervals over seeds crossed with entities, and with wordings; of questions that
    have neither, over seeds crossed with questions."""
    values, seeds = [value for *_, value in items], [str(key[0]) for key, *_ in items]
    factors = [[q.entity or q.id for _, q, _ in items], [f"{q.subject} {q.wording or q.id}" for _, q, _ in items]]
    if len(set(values)) == 1 and math.isinf(scale[1]):
        return stats.Estimate(values[0], None, None, len(values), "all alike, no interval")
    found = [stats.crossed_mean(values, [factor, seeds], scale) for factor in factors]
    with_interval = [one for one in found if one.low is not None and one.high is not None]
    return max(with_interval or found, key=lambda one: (one.high or 0.0) - (one.low or 0.0))


# ---------------------------------------------------------------- words


def _head(study: Study, whole: Sequence[Trial]) -> Iterator[str]:
    """What was trained, with how many tokens."""
    yield f"# {study.name}: {len(study.seeds)} seed(s) ({', '.join(map(str, study.seeds))})"
    yield ""
    yield "| arm | what it is | real tokens | of them learned | steps | CPU-s of training |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for arm in _names(whole):
        own = [trial for trial in whole if trial.arm.name == arm]
        figures = [store.read_manifest(trial.root / "train").figures for trial in own]
        names = ("tokens", "learned_tokens", "steps", "cpu_seconds_of_the_loop")
        means = [sum(one[name] or 0.0 for one in figures) / len(figures) for name in names]
        yield f"| {arm} | {own[0].arm.says} | " + " | ".join(f"{mean:,.0f}" for mean in means) + " |"
    yield ""


def markdown(study: Study, lines: Sequence[Line]) -> Iterator[str]:
    """A table for every measure."""
    for measure in dict.fromkeys(line.measure for line in lines):
        own = [line for line in lines if line.measure == measure]
        is_loss = measure.startswith(LOSS)
        unit = "nats per token" if is_loss else "%"
        yield f"## {measure} ({unit}; 95 % intervals over seeds and questions)"
        yield ""
        yield f"| arm | value | n | against {study.reference} |"
        yield "| --- | --- | --- | --- |"
        for line in own:
            gap = _said(line.difference, is_loss, signed=True) if line.difference else ""
            yield f"| {line.arm} | {_said(line.mean, is_loss)} | {line.mean.n:,} | {gap} |"
        yield ""


def _said(estimate: stats.Estimate, is_loss: bool, signed: bool = False) -> str:
    """``51.6 [40.1, 63.0]``; in percent and points, or nats."""
    factor, digits, sign = (1, 3, "+") if is_loss else (100, 1, "+")
    sign = sign if signed else ""

    def number(value: float) -> str:
        return f"{factor * value:{sign}.{digits}f}".replace("-", "−")

    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return number(estimate.value)
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def _table(lines: Sequence[Line]) -> Table:
    """Every number with its interval, unrounded."""
    columns = ("measure", "arm", "n", "value", "low", "high", "difference", "difference low", "difference high", "how")
    rows = []
    for line in lines:
        gap = line.difference or stats.NO_DATA
        mean = line.mean
        rows.append(
            (line.measure, line.arm, mean.n, mean.value, mean.low, mean.high, gap.value, gap.low, gap.high, mean.method)
        )
    return Table("study", columns, tuple(rows))
