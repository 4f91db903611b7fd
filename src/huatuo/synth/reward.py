"""A reward from the grounding check: what facts decide, and nothing where they do not."""

from __future__ import annotations

from collections.abc import Sequence

from huatuo.checks.entities import Dictionary
from huatuo.checks.support import Said, complete, problems

CONTRADICTED = frozenset(("number", "negation", "swapped"))
"""Kinds of problems that the facts speak against. An addition or a lost condition they only do not support."""


def reward(
    question: str, answer: str, facts: Sequence[Said], entity: str = "", names: Dictionary | None = None
) -> float | None:
    """1.0 for an answer that says all facts and nothing else, 0.0 for one that contradicts them, else None.

    None, never a middle number: an answer that leaves facts unsaid, adds to them or drops a condition is neither
    supported whole nor contradicted. An empty answer says nothing: None as well. ``entity``: whom the facts are about,
    where the question does not name it. ``names``: names of the graph, to know a stranger by. Raises ValueError
    without facts.
    """
    if not facts:
        raise ValueError("there are no facts to judge by; expected at least one; next: give the facts of the question")
    if not answer.strip():
        return None
    found = problems(question, answer, entity, facts, names)
    if any(problem.kind in CONTRADICTED for problem in found):
        return 0.0
    return 1.0 if not found and complete(answer, facts) else None
