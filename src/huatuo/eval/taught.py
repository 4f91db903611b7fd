"""What was taught in the end: not what was planned, but what stood in the steps that training took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huatuo.eval.probes import NOT_TAUGHT, WITHHELD
from huatuo.records import Question
from huatuo.store import read_batches


@dataclass(frozen=True)
class Training:
    """The data sets that say what was learned."""

    pairs: Path
    """Data set with the table ``pairs``."""
    order: Path
    """Data set with the table ``order``."""
    trained: Path
    """Data set of the training, whose table ``dropped`` names the pairs whose turn never came."""


def learned_pairs(training: Training) -> set[str]:
    """Ids of the pairs that training learned at least once."""
    found: set[str] = set()
    for batch in read_batches(training.order, "order", ["pair_id"]):
        found.update(batch.column("pair_id").to_pylist())
    for batch in read_batches(training.trained, "dropped", ["record_id"]):
        found.difference_update(batch.column("record_id").to_pylist())
    return found


def taught_facts(training: Training) -> set[str]:
    """Ids of everything that is a parent of a pair that training learned."""
    learned, found = learned_pairs(training), set[str]()
    for batch in read_batches(training.pairs, "pairs", columns=["id", "parents"]):
        for row in batch.to_pylist():
            if row["id"] in learned:
                found.update(row["parents"])
    return found


def as_taught(questions: Mapping[str, Question], taught: set[str]) -> dict[str, Question]:
    """The questions; those about facts that were meant to be taught and were not stand in the group `NOT_TAUGHT`.

    A pair can be lost after the questions are made: refused, contaminated, held out for validation, or after the last
    step. Asking about it would count as forgetting what was never learned.
    """
    return {
        key: question.model_copy(update={"group": NOT_TAUGHT})
        if question.kind == "knowledge" and question.group != WITHHELD and not taught.issuperset(question.parents)
        else question
        for key, question in questions.items()
    }
