"""Passages that hold an exam question, by the overlap of n-grams with its stem, and with its stem and options."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from huatuo.corpus.rows import added, reasons
from huatuo.records import Question
from huatuo.text.ngram import ExamIndex

DROPPED_GRADES = ("exact", "likely")
"""Grades that drop a passage; ``possible`` is too common in clean text."""


def indexes(questions: Iterable[Question]) -> list[ExamIndex]:
    """The index of the exam and open questions; none where there are no such questions."""
    index = ExamIndex(questions)
    return [index] if index.ids else []


def contaminated_batch(batch: pa.RecordBatch, made: list[ExamIndex]) -> pa.RecordBatch:
    """The batch with ``reason`` set where ``normal`` holds a question, and the question's id in ``witness``."""
    texts = batch.column("normal").to_pylist()
    why, witness = reasons(batch), ["" if w is None else w for w in batch.column("witness").to_pylist()]
    for index in made:
        for row, overlap in enumerate(index.grade_many(texts)):
            if not why[row] and overlap.grade in DROPPED_GRADES:
                why[row] = f"contaminated: {overlap.grade}, {overlap.share:.0%} of the question's n-grams"
                witness[row] = overlap.question_id
    return added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)
