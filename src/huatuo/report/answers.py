"""Each question of an evaluation with what every model was asked and said, and how that was read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huatuo import store
from huatuo.records import Provenance, Question, Response, Score
from huatuo.report.tables import PRIMARY, SAFETY, Cell, Table

MOST_SHOWN = 240
"""Questions on the page, spread over the exams; all of them stand in the table of scores."""


@dataclass(frozen=True)
class Said:
    """What one model said to one question, and how it was scored."""

    response: Response
    score: Score
    """By the metric that leads its kind of question."""
    faults: tuple[Score, ...] = ()
    """The safety rules that it breaks."""


@dataclass(frozen=True)
class Asked:
    """One question with all models' answers."""

    question: Question
    said: tuple[Said, ...]


@dataclass
class Answers:
    """All answers of an evaluation."""

    asked: dict[str, list[Asked]] = field(default_factory=dict)
    """By group: the questions that the page shows."""
    counts: dict[str, int] = field(default_factory=dict)
    """By group: the questions that were asked."""
    how: dict[tuple[str, str, str], Provenance] = field(default_factory=dict)
    """How each model was asked, by group, model and leading metric: the provenance of the first such answer."""
    cuts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By group and model: the questions whose text was shortened to fit."""
    scores: Table = field(default_factory=lambda: Table("scores", (), ()))
    """Every score of every answer."""


def answers(folders: Mapping[str, Path]) -> Answers:
    """Everything that was asked and said; ``folders``: the finished questions, ask and score."""
    questions = {question.id: question for question in store.read(folders["questions"], "questions", Question)}
    responses = {response.id: response for response in store.read(folders["ask"], "responses", Response)}
    scores: dict[str, list[Score]] = defaultdict(list)
    for score in store.read(folders["score"], "scores", Score):
        scores[score.response_id].append(score)
    found = Answers(scores=_table(questions, responses, scores))
    groups: dict[str, dict[str, list[Said]]] = defaultdict(lambda: defaultdict(list))
    for response in responses.values():
        question, leading = questions.get(response.question_id), _leading(scores[response.id])
        if question is not None and leading is not None:
            group = question.group or question.exam
            found.how.setdefault((group, response.model, leading.metric), response.provenance)
            found.cuts[group, response.model] += response.left_out > 0
            groups[group][question.id].append(Said(response, leading, _faults(scores[response.id])))
    each = MOST_SHOWN // max(1, len(groups))
    for group, asked in groups.items():
        found.counts[group] = len(asked)
        drawn = set(sorted(asked, key=lambda one: store.content_id("shown", one))[:each])
        found.asked[group] = [Asked(questions[one], tuple(said)) for one, said in asked.items() if one in drawn]
    return found


def _leading(scores: list[Score]) -> Score | None:
    return next((score for metric in PRIMARY for score in scores if score.metric == metric), None)


def _faults(scores: list[Score]) -> tuple[Score, ...]:
    return tuple(score for score in scores if score.metric.startswith(f"{SAFETY}: ") and score.value)


def _table(
    questions: Mapping[str, Question], responses: Mapping[str, Response], scores: Mapping[str, list[Score]]
) -> Table:
    columns = (
        "question", "questions", "subject", "model", "metric", "value", "unscored", "read", "gold", "rule", "response",
        "ended", "sentences left out", "prompt", "prompt hash", "weights", "format", "sampling", "signature",
    )  # fmt: skip
    return Table("scores", columns, tuple(_rows(questions, responses, scores)))


def _rows(
    questions: Mapping[str, Question], responses: Mapping[str, Response], scores: Mapping[str, list[Score]]
) -> Iterator[tuple[Cell, ...]]:
    for response in responses.values():
        question, how = questions.get(response.question_id), response.provenance
        if question is None:
            continue
        for s in scores[response.id]:
            about = (question.id, question.group or question.exam, question.subject, s.model, s.metric)
            read = (s.value, s.unscored, " ".join(s.extracted), " ".join(question.gold), s.rule)
            said = (response.text, response.finish_reason, response.left_out, how.prompt_id, how.prompt_hash)
            yield (*about, *read, *said, how.digest, how.format, how.sampling, s.signature)
