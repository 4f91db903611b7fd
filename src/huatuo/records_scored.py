"""The records of parts of an exam: beside `huatuo.records`, and like those without logic."""

from __future__ import annotations

from typing import Literal

from huatuo.records import Figure


class PartFigure(Figure):
    """One number about a part of an exam's questions: a subject, a type."""

    by: Literal["subject", "question_type", "kind", "year"]
    """The field of the questions that makes the parts."""
    part: str
    """Its value."""
