"""What can be scored without knowing anything: every table shows it beside the models."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from huatuo.eval.probes import WITHHELD
from huatuo.records import Question

RANDOM = "baseline: random"
FREQUENT_LABEL = "baseline: most frequent label"
FREQUENT_ANSWER = "baseline: most frequent answer"


def random_choice(question: Question) -> float:
    """Chance of a right answer by drawing one option, or one of the 2^k - 1 sets of k options that are not empty."""
    options = len(question.options)
    return 1 / options if question.kind == "single" else 1 / (2**options - 1)


def _most_frequent(sets: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The most frequent set; the smallest of those alike, so that the order of the questions does not matter."""
    counts = Counter(tuple(sorted(one)) for one in sets)
    return min(counts, key=lambda one: (-counts[one], one)) if counts else ()


def frequent_label(questions: Sequence[Question]) -> list[float]:
    """Score of each question when every question of a kind is answered with that kind's most frequent right answer.

    The answer is taken from the questions themselves, so this is an upper bound of what a constant answer reaches.
    """
    kinds = {question.kind for question in questions}
    answers = {kind: _most_frequent(q.gold for q in questions if q.kind == kind) for kind in kinds}
    return [float(tuple(sorted(q.gold)) == answers[q.kind]) for q in questions]


class FrequentAnswer:
    """Answers every question about a relation with the values that the most taught entities have."""

    def __init__(self, questions: Iterable[Question]) -> None:
        """Count each taught entity once per relation; withheld ones are not taught and do not count."""
        taught: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for question in questions:
            if question.kind == "knowledge" and question.group != WITHHELD:
                taught[question.subject][question.entity] = question.gold
        self._answers = {relation: _most_frequent(sets.values()) for relation, sets in taught.items()}

    def score(self, question: Question) -> float:
        """1.0 where the relation's most frequent set of values is the right one."""
        answer = self._answers.get(question.subject, ())
        return float(bool(answer) and set(answer) == set(question.gold))
