"""Texts that are one question and nothing else: of question-and-answer sets whose answers were taken out, or titles.

Texts as a whole are judged, passages are not: a question in the middle of a text has its answer behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from huatuo.corpus.rows import added, of_column, reasons

_ENDED = re.compile(r"[。！？!?；;\n]|\.\s")


def is_question_alone(text: str) -> bool:
    """Whether a text is one sentence that ends in a question mark."""
    text = text.strip()
    return text.endswith(("?", "？")) and not _ENDED.search(text[:-1])


def question_batch(batch: pa.RecordBatch, normal: Sequence[str] | None = None) -> pa.RecordBatch:
    """The batch with ``reason`` filled where it is empty and ``normal`` is one question. ``normal``: the texts of that
    column, where they are at hand."""
    texts = of_column(batch, "normal") if normal is None else normal
    alone = [place for place, text in enumerate(texts) if is_question_alone(text)]
    if not alone:
        return batch
    why = reasons(batch)
    for place in alone:
        why[place] = why[place] or "question_alone: one question, expected an answer beside it"
    return added(batch, "reason", pa.string(), why)
