"""Grading answers by a rubric: the criteria of a file, one call each, and the figures of the grades."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import huatuo
from huatuo.errors import InputError
from huatuo.eval.judging import rubric
from huatuo.eval.judging.ask import Call, Judge
from huatuo.eval.judging.pairs import language_of
from huatuo.eval.judging.replies import Read, code_of, ended_badly, read_object
from huatuo.eval.judging.rubric import Graded
from huatuo.eval.stats import Estimate
from huatuo.eval.sus.answers import Answer
from huatuo.llm import prompts
from huatuo.llm.base import Reply
from huatuo.readers.encoding import check_file, read_lines
from huatuo.records import Dropped, Figure, Provenance
from huatuo.records_rated import Criterion, Grade
from huatuo.store import content_id

MOST_POINTS = 10
"""Points of a criterion lie between minus and plus this: HealthBench."""


# ---------------------------------------------------------------- the criteria


def read_criteria(path: Path) -> tuple[list[Criterion], list[Dropped]]:
    """(criteria, lines that hold none) of a JSON Lines file.

    A line is ``{"id": question, "rubrics": [{"criterion", "points", "tags"}], "example_tags": [...]}``; HealthBench's
    own ``prompt_id`` is read as the id. Raises InputError where no criterion can be read.
    """
    check_file(path)
    found: dict[str, Criterion] = {}
    dropped = []
    for number, text, _ in read_lines(path):
        if not text.strip():
            continue
        try:
            made = list(_criteria(json.loads(text)))
        except (ValueError, KeyError, TypeError) as error:
            said = f"{type(error).__name__}: {error}; expected id and rubrics of criterion, points and tags"
            dropped.append(_dropped(f"{path.name} line {number}", said, text))
            continue
        found.update((one.id, one) for one in made)
    if not found:
        raise InputError(f"{path}: holds no criterion; expected JSON Lines with id and rubrics; next: check the file")
    return list(found.values()), dropped


def _dropped(record: str, reason: str, excerpt: str) -> Dropped:
    return Dropped(
        record_id=record, stage="judge", outcome="dropped", rule="bad_row", reason=reason, excerpt=excerpt[:200]
    )


def _criteria(data: Mapping[str, Any]) -> Iterable[Criterion]:
    question = str(data["prompt_id"] if "prompt_id" in data else data["id"])
    for item in data["rubrics"]:
        points, words = item["points"], str(item["criterion"]).strip()
        if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 < abs(points) <= MOST_POINTS:
            raise ValueError(f"points {points!r} of {words[:40]!r} are not from -{MOST_POINTS} to {MOST_POINTS}, or 0")
        if not words:
            raise ValueError("a criterion is empty")
        yield Criterion(
            id=content_id("criterion", question, words),
            question_id=question,
            criterion=words,
            points=float(points),
            tags=tuple(map(str, item.get("tags", ()))),
            question_tags=tuple(map(str, data.get("example_tags", ()))),
        )


# ---------------------------------------------------------------- the grades


def call(answer: Answer, criterion: Criterion) -> Call:
    """What the judge is asked about one answer and one criterion."""
    prompt_id = f"rubric_item.{language_of(criterion.criterion + answer.question)}"
    code = code_of(answer.question, answer.text, criterion.criterion)
    block = {
        "conversation": answer.question, "answer": answer.text, "criterion": criterion.criterion,
        "points": criterion.points,
    }  # fmt: skip
    return Call(prompt_id, code, prompts.load(prompt_id).render(block, code=code))


def items_of(answers: Sequence[Answer], criteria: Sequence[Criterion]) -> list[tuple[Answer, Criterion]]:
    """Every answer with every criterion of its question. Raises InputError where no answer has one."""
    known: dict[str, list[Criterion]] = defaultdict(list)
    for one in criteria:
        known[one.question_id].append(one)
    found = [(answer, one) for answer in answers for one in known[answer.question_id]]
    if not found:
        raise InputError(
            f"none of {len(answers):,} answers belongs to a question of the rubric (answers: "
            f"{answers[0].question_id!r}, rubric: {criteria[0].question_id!r}); next: give both the same ids"
        )
    return found


def grade(items: Sequence[tuple[Answer, Criterion]], judge: Judge) -> list[Grade]:
    """The grade of every item, in order. Raises what asking raises."""
    calls = [call(answer, criterion) for answer, criterion in items]
    replies = judge.ask(calls, "rubric")
    return [
        _grade(answer, criterion, judge, one, reply)
        for (answer, criterion), one, reply in zip(items, calls, replies, strict=True)
    ]


def read_grade(reply: Reply, code: str) -> Read:
    """True or False as the reply says, or why it says neither."""
    if bad := ended_badly(reply):
        return Read(None, bad)
    found = read_object(reply.text, code)
    if found.value is None:
        return found
    met = found.value.get("criteria_met")
    return Read(met, "") if isinstance(met, bool) else Read(None, f"criteria_met is {met!r}")


def _grade(answer: Answer, criterion: Criterion, judge: Judge, asked: Call, reply: Reply) -> Grade:
    read, provenance = read_grade(reply, asked.code), judge.provenance(asked.prompt_id, reply.time)
    return Grade(
        id=content_id("grade", answer.response_id, criterion.id, judge.name, provenance.prompt_hash),
        criterion_id=criterion.id,
        question_id=answer.question_id,
        response_id=answer.response_id,
        model=answer.model,
        met=read.value,
        unparsed=read.unparsed,
        by="model",
        annotator=judge.name,
        note=reply.text,
        provenance=provenance,
    )


# ---------------------------------------------------------------- the figures


def figures(grades: Sequence[Grade], criteria: Iterable[Criterion], seed: int) -> list[Figure]:
    """The scores of every model and tag with their intervals, the bounds that unparsed items leave, and their count."""
    known = {one.id: one for one in criteria}
    models: dict[str, dict[str, list[Graded]]] = defaultdict(lambda: defaultdict(list))
    for one in grades:
        models[one.model][one.response_id].append(Graded(known[one.criterion_id], one.met))
    said = signature(grades, seed)
    found = []
    for model, graded in sorted(models.items()):
        found += _of_model(model, graded, said, seed)
    classes = Counter(one.unparsed.partition(":")[0] for one in grades if one.met is None)
    for why, count in sorted(classes.items()):
        reason = Estimate(float(count), None, None, len(grades), "count")
        found.append(_figure("rubric", grades[0].annotator, f"unparsed: {why}", reason, 0, said))
    return found


def signature(grades: Sequence[Grade], seed: int) -> str:
    """Everything that a score depends on besides answers and grades."""
    used = sorted({f"{g.provenance.prompt_id}@{g.provenance.prompt_hash[:8]}" for g in grades})
    judges = "+".join(sorted({one.annotator for one in grades}))
    sampling = "+".join(sorted({one.provenance.sampling for one in grades}))
    return (
        f"rubric|judge:{judges}|prompt:{'+'.join(used)}|sampling:{sampling}|score:met/positive|mean:clipped|"
        f"unparsed:unscored|seed:{seed}|huatuo:{huatuo.__version__}"
    )


def meta_figures(grades: Sequence[Grade], physicians: Sequence[Grade], resamples: int, seed: int) -> list[Figure]:
    """The judge against physicians: F1 of met and of not met, and their mean, with what could not be compared."""
    meta, macro = rubric.macro_f1(grades, physicians, resamples, seed)
    said, judge = signature(grades, seed) + "|against:every label", grades[0].annotator
    found = [_figure("against physicians", judge, "macro f1", macro, meta.unparsed, said)]
    for metric, one in (("met", meta.met), ("not met", meta.not_met)):
        for name, value in zip(("precision", "recall", "f1"), one, strict=True):
            estimate = Estimate(value, None, None, meta.pairs, "pairs of grade and label")
            found.append(_figure("against physicians", judge, f"{metric} {name}", estimate, meta.unparsed, said))
    return found


def read_labels(path: Path) -> list[Grade]:
    """Physicians' labels from JSON Lines: ``{"response_id", "criterion_id", "question_id", "annotator", "met"}``.

    Raises InputError, with the line, for one that is no label.
    """
    check_file(path)
    found = []
    for number, text, _ in read_lines(path):
        if not text.strip():
            continue
        try:
            data = json.loads(text)
            values = {key: str(data[key]) for key in ("response_id", "criterion_id", "question_id", "annotator")}
            if not isinstance(data["met"], bool):
                raise ValueError(f"met is {data['met']!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: line {number}: {error}; expected response_id, criterion_id, question_id, annotator and met "
                "(true or false); next: mend the line"
            ) from None
        key = content_id("grade", values["response_id"], values["criterion_id"], values["annotator"])
        found.append(Grade(id=key, **values, model="", met=data["met"], by="human", provenance=Provenance(by="human")))
    return found


def _figure(name: str, model: str, metric: str, found: Estimate, unscored: int, signature: str) -> Figure:
    return found.figure(name, model, metric, signature, unscored)


def _of_model(model: str, graded: Mapping[str, list[Graded]], said: str, seed: int) -> list[Figure]:
    whole = [rubric.score(items) for items in graded.values()]
    found = [_scored("rubric", model, whole, said, seed)]
    values = [value for value in whole if value is not None]
    if len(values) > 1:
        spread = Estimate(rubric.bootstrap_std(values, seed), None, None, len(values), "bootstrap of clipped means")
        found.append(_figure("rubric", model, "bootstrap SD", spread, 0, said))
    ends = [one for items in graded.values() if (one := rubric.bounds(items)) is not None]
    if None in whole and ends:
        low, high = (min(1.0, max(0.0, sum(one[k] for one in ends) / len(ends))) for k in (0, 1))
        bounds = Estimate(None, low, high, len(ends), "if every unparsed item counted against, and for, the model")
        found.append(_figure("rubric", model, "bounds", bounds, 0, said))
    return found + [_scored(f"tag {tag}", model, values, said, seed) for tag, values in rubric.by_tag(graded).items()]


def _scored(name: str, model: str, values: Sequence[float | None], said: str, seed: int) -> Figure:
    known = [value for value in values if value is not None]
    return _figure(name, model, "score", rubric.clipped_mean(known, seed), len(values) - len(known), said)
