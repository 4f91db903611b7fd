"""What is judged: the kept answers of a run or a table, or consultations, in one shape."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from huatuo.errors import InputError
from huatuo.eval.sus import answers as reading
from huatuo.eval.sus.answers import Answer
from huatuo.records import Dropped
from huatuo.records_rated import Consultation, JudgedAnswer
from huatuo.store import read, read_manifest

SPEAKERS = {"user": "患者 / patient", "assistant": "医生 / physician"}
"""Who says a line of a consultation."""


class Pair(NamedTuple):
    """Two models' answers to one question."""

    left: Answer
    """The answer of the model that is named first; the order of showing is another matter."""
    right: Answer
    """The other's."""


def load(path: Path, hide: Sequence[str] = (), language: str = "zh") -> tuple[list[Answer], list[Dropped]]:
    """(answers without the models' names, what is none) of a run, a table, or a data set of consultations.

    A judge that knows a name may prefer its own kind, so names are taken out as they are for people. Raises InputError
    for a source without answers, DataError where a run has not been asked.
    """
    is_talks = (path / "manifest.json").exists() and "consultations" in read_manifest(path).tables
    answers, dropped = _of_consultations(path) if is_talks else reading.load(path)
    return reading.masked(answers, hide, language)[0], dropped


def _of_consultations(path: Path) -> tuple[list[Answer], list[Dropped]]:
    answers, dropped = [], []
    for talk in read(path, "consultations", Consultation):
        if talk.ended in ("revealed", "failed"):
            dropped.append(Dropped(
                record_id=talk.id, stage="judge", outcome="dropped", rule=talk.ended, reason=talk.reason,
                excerpt=talk.messages[0].content if talk.messages else "",
            ))  # fmt: skip
            continue
        text = "\n".join(f"{SPEAKERS[message.role]}：{message.content}" for message in talk.messages)
        answers.append(Answer(talk.case_id, talk.id, talk.model, talk.case, text))
    if not answers:
        raise InputError(f"{path}: none of its consultations can be judged; next: huatuo show {path} consultations")
    return answers, dropped


def pairs_of(answers: Sequence[Answer], models: Sequence[str]) -> tuple[list[Pair], list[Dropped]]:
    """(pairs, what is in none): every two of the models (all where none are named) on the questions both answered.

    Raises InputError for an unknown model, fewer than two models, or two without a common question.
    """
    known = sorted({answer.model for answer in answers})
    if strange := [name for name in models if name not in known]:
        raise InputError(f"no answers of model {strange[0]!r}; known: {', '.join(known)}; next: name one of these")
    wanted = list(dict.fromkeys(models)) or known
    if len(wanted) < 2:
        raise InputError(f"a comparison needs two models; found {', '.join(known)}; next: ask another one the same")
    found, dropped = [], []
    for left, right in combinations(wanted, 2):
        both, whole, left_out = reading.complete([one for one in answers if one.model in (left, right)])
        if len(both) == 2:
            found += [Pair(whole[question][left], whole[question][right]) for question in sorted(whole)]
        dropped += left_out
    return found, list({(one.record_id, one.rule, one.reason): one for one in dropped}.values())


def shown(answers: Sequence[Answer]) -> list[JudgedAnswer]:
    """The answers as records, to lie beside what is said of them."""
    return [
        JudgedAnswer(
            response_id=one.response_id, question_id=one.question_id, model=one.model, question=one.question,
            text=one.text,
        )
        for one in answers
    ]  # fmt: skip
