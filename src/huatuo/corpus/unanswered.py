"""Texts that are one question and nothing else: of question-and-answer sets whose answers were taken out, or titles.

Texts as a whole are judged, passages are not: a question in the middle of a text has its answer behind it.
"""

from __future__ import annotations

import re

import pyarrow as pa

from huatuo.corpus.rows import with_reason

_ENDED = re.compile(r"[。！？!?；;\n]|\.\s")


def is_question_alone(text: str) -> bool:
    """Whether a text is one sentence that ends in a question mark."""
    text = text.strip()
    return text.endswith(("?", "？")) and not _ENDED.search(text[:-1])


def question_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with ``reason`` filled where it is empty and ``normal`` is one question."""

    def why(text: str | None) -> str:
        return "question_alone: one question, expected an answer beside it" if is_question_alone(text or "") else ""

    return with_reason(batch, why, "normal")
