"""A model's reply becomes question-answer pairs, or a reason why not. Nothing is guessed.

Tried in order: JSON as asked, JSON in a fence, whole objects of broken JSON, labelled text (``问：… 答：…``). What is
read out of broken JSON must stand literally in the reply: repair tools turn ``{"剂量": 0.5 g}`` into 0.5 unasked.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.DOTALL)
_STRING = r'"((?:[^"\\]|\\.)*)"'
_OBJECT = re.compile(
    rf'\{{\s*"(?:question|问题|问)"\s*:\s*{_STRING}\s*,\s*"(?:answer|答案|回答|答)"\s*:\s*{_STRING}\s*,?\s*\}}',
    re.DOTALL,
)
_LABELLED = re.compile(
    r"^[ \t]*(?:\**)(?:\d{1,2}[.、)）]\s*)?(?P<label>问题?|答案?|回答|Q|A|Question|Answer)"
    r"\s*\d{0,2}(?:\**)\s*[:：](?:\**)\s*",
    re.MULTILINE | re.IGNORECASE,
)
_QUESTION_KEYS, _ANSWER_KEYS = ("question", "问题", "问"), ("answer", "答案", "回答", "答")
_LISTS = ("pairs", "data", "questions", "qa", "items", "result")


class QA(NamedTuple):
    """One question and its answer as the model wrote them."""

    question: str
    """Not empty."""
    answer: str
    """Empty only where the call asked for no answer."""


class Parsed(NamedTuple):
    """What a reply held."""

    pairs: tuple[QA, ...]
    """The pairs in order."""
    how: str
    """``json``, ``fenced``, ``repaired``, ``labelled``; empty where nothing could be read."""
    reason: str = ""
    """What could not be read: of the whole reply where there are no pairs, of a part of it otherwise."""


def parse(text: str, need_answer: bool = True) -> Parsed:
    """The pairs of a reply; none, with the reason, where it cannot be read."""
    text = text.strip().removeprefix("\ufeff")
    if not text:
        return Parsed((), "", "the reply is empty")
    fenced = _FENCE.findall(text)
    reason = ""
    for how, body in [("json", text)] + [("fenced", item) for item in fenced]:
        value, problem = _decode(body.strip())
        if problem:
            reason = reason or problem
            continue
        pairs, refused = _pairs(value, need_answer)
        if pairs or refused:
            return Parsed(pairs, how if pairs else "", refused)
    repaired = _repair(text, need_answer)
    if repaired:
        return Parsed(repaired, "repaired", f"broken JSON, whole objects kept ({reason})")
    labelled, problem = _labelled(text, need_answer)
    if labelled:
        return Parsed(labelled, "labelled", problem)
    return Parsed((), "", problem or reason or "no JSON and no labelled questions and answers")


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError("a JSON object names a key twice")
    return found


def _decode(body: str) -> tuple[Any, str]:
    try:
        return json.loads(body, strict=False, object_pairs_hook=_unique), ""
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.pos}"
    except (_DuplicateKeyError, RecursionError) as error:
        return None, f"not usable JSON: {error}"


def _pairs(value: Any, need_answer: bool) -> tuple[tuple[QA, ...], str]:
    """The pairs of a JSON value and why others in it were refused."""
    if isinstance(value, dict):
        inner = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
        value = inner if inner is not None else [value]
    if not isinstance(value, list):
        return (), f"JSON of type {type(value).__name__}; expected a list of objects"
    found, refused = [], []
    for number, item in enumerate(value, 1):
        qa, problem = _one(item, need_answer)
        if qa:
            found.append(qa)
        else:
            refused.append(f"item {number}: {problem}")
    return tuple(found), "; ".join(refused) if value else "an empty list"


def _one(item: Any, need_answer: bool) -> tuple[QA | None, str]:
    if not isinstance(item, dict):
        return None, f"{type(item).__name__}; expected an object"
    question = next((item[key] for key in _QUESTION_KEYS if key in item), None)
    answer = next((item[key] for key in _ANSWER_KEYS if key in item), "" if not need_answer else None)
    if not isinstance(question, str) or not isinstance(answer, str):
        return None, "question or answer is missing or no text"
    question, answer = question.strip(), answer.strip()
    if not question or (need_answer and not answer):
        return None, "question or answer is empty"
    return QA(question, answer), ""


def _repair(text: str, need_answer: bool) -> tuple[QA, ...]:
    """Whole objects of broken JSON, if both of their strings stand in the reply as they are."""
    found = []
    for raw_question, raw_answer in _OBJECT.findall(text):
        qa = QA(_unescape(raw_question).strip(), _unescape(raw_answer).strip())
        literal = raw_question in text and raw_answer in text and "\\u" not in raw_question + raw_answer
        if literal and qa.question and (qa.answer or not need_answer):
            found.append(qa)
    return tuple(found)


def _unescape(raw: str) -> str:
    marks = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
    return re.sub(r"\\(.)", lambda match: marks.get(match[1], match[0]), raw, flags=re.DOTALL)


def _labelled(text: str, need_answer: bool) -> tuple[tuple[QA, ...], str]:
    marks = list(_LABELLED.finditer(text))
    if not marks:
        return (), ""
    parts = [
        (mark["label"][0].lower() in "问q", text[mark.end() : after.start() if after else len(text)].strip())
        for mark, after in zip(marks, [*marks[1:], None], strict=True)
    ]
    found, question, lost = [], "", 0
    for is_question, body in parts:
        if is_question:
            lost += bool(question and need_answer)
            question = body
            if not need_answer and body:
                found.append(QA(body, ""))
        elif question and body and need_answer:
            found.append(QA(question, body))
            question = ""
        else:
            lost += need_answer
    lost += bool(question and need_answer)
    return tuple(found), f"{lost} labelled parts without a partner" if lost else ""
