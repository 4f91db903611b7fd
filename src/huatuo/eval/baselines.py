"""What can be scored without knowing anything: by guessing, and by always giving the most frequent answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set

from huatuo.eval.probe_forms import CLOZE
from huatuo.records import Question

RANDOM, MOST_FREQUENT = "baseline: random", "baseline: most frequent"
"""Names of the baselines in the column of the models."""

AnswerSets = Mapping[str, Counter[frozenset[str]]]
"""How often each set of values is the taught answer, by relation."""


def answer_sets(questions: Iterable[Question], taught: Set[str]) -> dict[str, Counter[frozenset[str]]]:
    """How often each set of values is the answer in training, by relation, one count per entity.

    A set counts where training pairs teach all facts of it.
    """
    found: dict[str, Counter[frozenset[str]]] = defaultdict(Counter)
    seen: set[tuple[str, str]] = set()
    for question in questions:
        key = (question.subject, question.entity)
        whole = question.kind == "knowledge" and question.question_type != CLOZE
        if whole and key not in seen and question.parents and taught >= set(question.parents):
            seen.add(key)
            found[question.subject][frozenset(question.gold)] += 1
    return dict(found)


def _most_frequent(counts: Counter[frozenset[str]]) -> frozenset[str]:
    """The most frequent set; of several, the first in the order of the alphabet."""
    return min(counts, key=lambda answer: (-counts[answer], sorted(answer)))


def exam_random(questions: Sequence[Question]) -> list[float]:
    """Chance of each question to be guessed right: one of n options, or one of the 2^n - 1 sets of them."""
    return [
        1 / len(question.options) if question.kind == "single" else 1 / (2 ** len(question.options) - 1)
        for question in questions
    ]


def exam_most_frequent(questions: Sequence[Question]) -> list[float]:
    """Whether always choosing the most frequent right labels of the questions of the same kind is right, 0 or 1."""
    counts: dict[str, Counter[frozenset[str]]] = defaultdict(Counter)
    for question in questions:
        counts[question.kind][frozenset(question.gold)] += 1
    chosen = {kind: _most_frequent(counter) for kind, counter in counts.items()}
    return [float(frozenset(question.gold) == chosen[question.kind]) for question in questions]


def knowledge_random(questions: Sequence[Question], sets: AnswerSets) -> list[float]:
    """Chance of each question to be right by answering with the taught answer of any entity of the relation."""
    chances = []
    for question in questions:
        counts = sets.get(question.subject, Counter())
        chances.append(counts[frozenset(question.gold)] / counts.total() if counts else 0.0)
    return chances


def knowledge_most_frequent(questions: Sequence[Question], sets: AnswerSets) -> list[float]:
    """Whether always giving the relation's most frequent taught answer is right, 0 or 1."""
    chosen = {relation: _most_frequent(counts) for relation, counts in sets.items() if counts}
    return [float(frozenset(question.gold) == chosen.get(question.subject)) for question in questions]
