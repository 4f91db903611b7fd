"""Each question of an evaluation with what every model was asked and said, and how that was read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huatuo import store
from huatuo.records import Provenance, Question, Response, Score
from huatuo.report.tables import PRIMARY, Cell, Table

MOST_SHOWN = 240
"""Questions on the page, spread over the exams; all of them stand in the table of scores."""


@dataclass(frozen=True)
class Said:
    """What one model said to one question, and how it was scored."""

    response: Response
    score: Score


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
    models: dict[str, Provenance] = field(default_factory=dict)
    """How each model was asked: the provenance of its first answer."""
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
        found.models.setdefault(response.model, response.provenance)
        question, leading = questions.get(response.question_id), _leading(scores[response.id])
        if question is not None and leading is not None:
            groups[question.group or question.exam][question.id].append(Said(response, leading))
    each = MOST_SHOWN // max(1, len(groups))
    for group, asked in groups.items():
        found.counts[group] = len(asked)
        drawn = set(sorted(asked, key=lambda one: store.content_id("shown", one))[:each])
        found.asked[group] = [Asked(questions[one], tuple(said)) for one, said in asked.items() if one in drawn]
    return found


def _leading(scores: list[Score]) -> Score | None:
    return next((score for metric in PRIMARY for score in scores if score.metric == metric), None)


def _table(
    questions: Mapping[str, Question], responses: Mapping[str, Response], scores: Mapping[str, list[Score]]
) -> Table:
    columns = (
        "question", "questions", "subject", "model", "metric", "value", "unscored", "read", "gold", "rule", "response",
        "ended", "prompt", "prompt hash", "weights", "format", "sampling", "signature",
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
            said = (response.text, response.finish_reason, how.prompt_id, how.prompt_hash, how.digest, how.format)
            yield (*about, *read, *said, how.sampling, s.signature)
