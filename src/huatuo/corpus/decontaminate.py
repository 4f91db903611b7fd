"""Passages that hold an exam question; what counts as holding one is said in `huatuo.checks.exam_copies`."""

from __future__ import annotations

import pyarrow as pa

from huatuo.checks.exam_copies import copies
from huatuo.corpus.rows import added, reasons
from huatuo.text.ngram import ExamIndex


def contaminated_batch(batch: pa.RecordBatch, made: list[ExamIndex]) -> pa.RecordBatch:
    """The batch with ``reason`` set where ``normal`` holds a question, and the question's id in ``witness``."""
    if not made:
        return batch
    texts = batch.column("normal").to_pylist()
    why, witness = reasons(batch), ["" if w is None else w for w in batch.column("witness").to_pylist()]
    for index in made:
        for row, (copy, _) in enumerate(copies(texts, index)):
            if copy is not None and not why[row]:
                why[row], witness[row] = f"contaminated: {copy.reason}", copy.question.id
    return added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)
