"""Which exam questions stand in the training pairs? The last look, at what was really trained on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from huatuo.progress import bar
from huatuo.records import Question
from huatuo.store import read_batches
from huatuo.text.ngram import THRESHOLDS, ExamIndex, Grade

GRADES: tuple[Grade, ...] = tuple(grade for grade, _ in THRESHOLDS)
"""The grades, the worst first."""


def contaminated(questions: Iterable[Question], pairs: Path) -> dict[str, Grade]:
    """The worst grade of each exam question that a training pair holds, by question id.

    Pairs held out for validation do not count. A pair counts for every question whose stem, or stem with options, it
    holds: of questions with one stem, for all of them. Knowledge questions are left out: their facts are taught.
    """
    index = ExamIndex(questions)
    found: dict[str, Grade] = {}
    if not index.ids:
        return found
    with bar("contamination", unit="pairs") as shown:
        for batch in read_batches(pairs, "pairs", columns=["messages", "split"]):
            rows = [row for row in batch.to_pylist() if row["split"] == "train"]
            texts = ["\n".join(message["content"] for message in row["messages"]) for row in rows]
            for overlap in chain.from_iterable(index.overlaps(texts)):
                if overlap.grade is None:
                    continue
                for question_id in overlap.question_ids:
                    known = found.get(question_id, overlap.grade)
                    found[question_id] = min(known, overlap.grade, key=GRADES.index)
            shown.advance(len(batch))
    return found
