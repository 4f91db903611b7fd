"""A model's reply becomes question-answer pairs, or a reason why not. Nothing is guessed.

Tried in order: JSON as `huatuo.llm.listed` reads it, labelled text (``问：… 答：…``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from huatuo.llm.listed import read_list

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
    listed = read_list(text, _LISTS)
    pairs, refused = _pairs(listed.items, need_answer)
    if listed.how in ("json", "fenced") or (listed.how == "inside" and pairs):
        return Parsed(pairs, listed.how if pairs else "", refused)
    if pairs:  # of broken JSON
        return Parsed(pairs, listed.how, listed.reason)
    labelled, problem = _labelled(text.strip(), need_answer)
    if labelled:
        return Parsed(labelled, "labelled", problem)
    return Parsed((), "", problem or listed.reason or "no JSON and no labelled questions and answers")


def _pairs(items: Sequence[Any], need_answer: bool) -> tuple[tuple[QA, ...], str]:
    """The pairs among the items and why others were refused."""
    found, refused = [], []
    for number, item in enumerate(items, 1):
        qa, problem = _one(item, need_answer)
        if qa:
            found.append(qa)
        else:
            refused.append(f"item {number}: {problem}")
    return tuple(found), "; ".join(refused) if items else "an empty list"


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
