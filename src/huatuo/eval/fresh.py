"""Was an exam sat after everything that a model may have read? Told from two dates, never taken on trust."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

from huatuo.errors import RecipeError
from huatuo.recipe import ExamSource
from huatuo.records import Question

Verdict = Literal["fresh", "not fresh", "unknown"]

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


class Freshness(NamedTuple):
    """What can be said about the freshness of one exam."""

    verdict: Verdict
    """fresh: every question was sat after the date. not fresh: one was not. unknown: a date is missing or too coarse.
    """
    reason: str
    """Why, with the dates."""


def span(stated: str) -> tuple[date, date] | None:
    """The first and the last day that ``2023``, ``2023-10`` or ``2023-10-21`` may mean; None for anything else."""
    match = _DATE.fullmatch(stated.strip())
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    try:
        if day:
            return date(year, month, day), date(year, month, day)
        if month:
            return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
        return date(year, 1, 1), date(year, 12, 31)
    except ValueError:  # the 31st of February, the year 0
        return None


def freshness(dates: Iterable[str], data_until: str) -> Freshness:
    """Whether all questions with these dates were sat after ``data_until``.

    A date without day or month counts as the whole of its month or year, so 2023 is not after 2023-09.
    """
    until = span(data_until)
    if until is None:
        return Freshness("unknown", "questions.data_until is not given: what the models may have read is not known")
    stated = sorted(set(dates))
    spans = {one: span(one) for one in stated}
    old = [one for one in stated if (found := spans[one]) and found[1] <= until[0]]
    if old:
        return Freshness("not fresh", f"sat on {old[0]}, and the models may have read what is as new as {data_until}")
    unclear = [one for one in stated if (found := spans[one]) is None or found[0] <= until[1]]
    if unclear or not stated:
        shown = next(iter(unclear), "") or "no date"
        return Freshness("unknown", f"sat on {shown}, which cannot be shown to be after {data_until}")
    return Freshness("fresh", f"sat on {stated[0]} or later, and the models read nothing newer than {data_until}")


def check_claim(exam: ExamSource, questions: Iterable[Question], data_until: str) -> Freshness:
    """The freshness of an exam's questions.

    Raises RecipeError where the recipe claims that the exam is fresh and that cannot be shown.
    """
    found = freshness((question.written_on for question in questions), data_until)
    if exam.fresh and found.verdict != "fresh":
        raise RecipeError(
            f"questions.exams {exam.name}: is claimed to be fresh, but {found.reason}; expected every question sat "
            "after questions.data_until; next: give both dates (sat_on, data_until), or take the claim back"
        )
    return found
