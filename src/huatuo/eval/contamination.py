"""How much of the exams stands in the training pairs: reported, never removed here (`synth.unify` removes)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import huatuo
from huatuo.progress import bar
from huatuo.records import Figure, Pair, Question
from huatuo.text.ngram import BOILERPLATE, GRAM, THRESHOLDS, Grade, Overlap, exam_index

AT_ONCE = 5_000
"""Pairs graded together."""

SIGNATURE = (
    f"metric:overlap|grams:{GRAM}|tok:han-or-run|case:lc|norm:nfkc|boilerplate:>{BOILERPLATE}|"
    + "|".join(f"{name}:{share}" for name, share in THRESHOLDS)
    + f"|huatuo:{huatuo.__version__}"
)


def overlaps(questions: Iterable[Question], pairs: Iterable[Pair]) -> Iterator[tuple[Pair, Overlap]]:
    """Every pair whose messages hold a part of an exam question, with the nearest question."""
    index = exam_index(questions)
    group: list[Pair] = []

    def graded() -> Iterator[tuple[Pair, Overlap]]:
        found = index.grade_many([_text(pair) for pair in group])
        return ((pair, overlap) for pair, overlap in zip(group, found, strict=True) if overlap.grade is not None)

    with bar("contamination", unit="pairs") as shown:
        for pair in pairs:
            shown.advance()
            group.append(pair)
            if len(group) == AT_ONCE:
                yield from graded()
                group = []
        yield from graded()


def _text(pair: Pair) -> str:
    return "\n".join(message.content for message in pair.messages)


def figures(questions: Sequence[Question], pairs: Iterable[Pair]) -> list[Figure]:
    """Counts per grade: exam questions found in a pair (each at its best grade), and pairs that hold a question."""
    asked = [question for question in questions if question.kind != "knowledge"]
    if not asked:
        return []
    total = 0

    def counted() -> Iterator[Pair]:
        nonlocal total
        for pair in pairs:
            total += 1
            yield pair

    order: list[Grade] = [name for name, _ in THRESHOLDS]
    best: dict[str, Grade] = {}
    held = dict.fromkeys(order, 0)
    for _, overlap in overlaps(asked, counted()):
        if overlap.grade is None:
            continue
        held[overlap.grade] += 1
        known = best.get(overlap.question_id, overlap.grade)
        best[overlap.question_id] = min(known, overlap.grade, key=order.index)
    rows = [("questions found", name, sum(grade == name for grade in best.values()), len(asked)) for name in order]
    rows += [("pairs with a question", name, held[name], total) for name in order]
    return [_figure(*row) for row in rows]


def _figure(what: str, grade: str, count: int, n: int) -> Figure:
    return Figure(
        name="contamination",
        model="pairs",
        metric=f"{what}: {grade}",
        value=float(count),
        low=None,
        high=None,
        n=n,
        signature=SIGNATURE,
        method="count",
    )
