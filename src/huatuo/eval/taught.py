"""What was taught in the end: not what was planned, but what stands in the answers that training took."""

from __future__ import annotations

from collections.abc import Container, Mapping

from huatuo.eval.probe_forms import APART
from huatuo.eval.probes import NOT_TAUGHT, WITHHELD
from huatuo.ledger import Entry
from huatuo.records import Question


def taught_facts(entries: Mapping[str, Entry]) -> frozenset[str]:
    """Ids of the facts that a learned pair teaches; ``entries``: the ledger."""
    return frozenset(fact for fact, entry in entries.items() if entry.shapes)


def as_taught(questions: Mapping[str, Question], taught: Container[str]) -> dict[str, Question]:
    """The questions; those about facts that were meant to be taught and were not stand in the group `NOT_TAUGHT`.

    A pair can be lost after the questions are made: refused, contaminated, held out for validation, or after the last
    step. Asking about it would count as forgetting what was never learned.
    """
    return {
        key: question.model_copy(update={"group": NOT_TAUGHT})
        if question.kind == "knowledge"
        and question.group != WITHHELD
        and not question.group.endswith(APART)
        and not all(fact in taught for fact in question.parents)
        else question
        for key, question in questions.items()
    }
