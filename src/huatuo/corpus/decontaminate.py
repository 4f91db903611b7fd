"""Passages that hold an exam question, by the overlap of n-grams with its stem, and with its stem and options."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from huatuo.corpus.rows import added, reasons
from huatuo.records import Question
from huatuo.text.ngram import ExamIndex, Overlap
from huatuo.text.zh import language

DROPPED_GRADES = ("exact", "likely")
"""Grades that drop a passage whatever else; ``possible`` is too common in clean text (5 % of it, by single terms)."""

COPIED_SHARE = {"zh": 0.76, "en": 0.5}
"""Share of a question's runs of two tokens from which a ``possible`` passage is a copy with some characters exchanged,
by the language of the passage: a character exchanged spoils one token in Chinese and a whole word in English. With it
90 to 94 % of the copies with 3 % of their characters exchanged are dropped, and nearly all without their first quarter,
at 0.14 % of clean passages."""


def indexes(questions: Iterable[Question]) -> list[ExamIndex]:
    """The index of the exam and open questions; none where there are no such questions."""
    index = ExamIndex(questions)
    return [index] if index.ids else []


def drops(overlap: Overlap, text: str) -> bool:
    """Whether a passage with this text and overlap is a question's copy, so that it is not kept."""
    if overlap.grade in DROPPED_GRADES:
        return True
    if overlap.grade is None or not overlap.short:
        return False
    return overlap.short >= COPIED_SHARE["en" if language(text) == "en" else "zh"]


def contaminated_batch(batch: pa.RecordBatch, made: list[ExamIndex]) -> pa.RecordBatch:
    """The batch with ``reason`` set where ``normal`` holds a question, and the question's id in ``witness``."""
    texts = batch.column("normal").to_pylist()
    why, witness = reasons(batch), ["" if w is None else w for w in batch.column("witness").to_pylist()]
    for index in made:
        for row, overlaps in enumerate(index.overlaps(texts)):
            worst = next((overlap for overlap in overlaps if drops(overlap, texts[row])), None)
            if worst and not why[row]:
                why[row] = f"contaminated: {worst.grade}, {worst.share:.0%} of the question's n-grams"
                witness[row] = worst.question_id
    return added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)
