"""Which exam questions stand in the training data, or in another exam? The last look, at what was really trained on.

A question counts as found by its grade: exact (at least 80 % of its runs of 5 tokens stand in the text), likely (50 %),
possible (20 %; or 60 % of its runs of 2 tokens, a copy edited everywhere). Runs that stand in many questions say
nothing and do not count. How it is done: `huatuo.text.ngram`, which curation uses as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError
from huatuo.eval.exam_items import Unfit, question_of
from huatuo.eval.exams import is_wanted
from huatuo.eval.exams import read as read_exam
from huatuo.progress import bar
from huatuo.readers import tables
from huatuo.readers.jsonfile import records
from huatuo.recipe import ExamSource
from huatuo.records import Question
from huatuo.store import read_batches
from huatuo.text.ngram import THRESHOLDS, ExamIndex, Grade

GRADES: tuple[Grade, ...] = tuple(grade for grade, _ in THRESHOLDS)
"""The grades, the worst first."""

AT_ONCE = 20_000
"""Texts looked at together."""


class Hit(NamedTuple):
    """One text that holds a question."""

    question_id: str
    """The question."""
    text_id: str
    """The text: a pair's id, or its place in a file."""
    grade: Grade
    """exact, likely or possible."""
    share: float
    """Share of the question's grams that stand in the text."""
    by: str
    """``grams``, ``whole`` (a short question), ``near`` (edited everywhere)."""


def hits(index: ExamIndex, texts: Iterable[tuple[str, str]]) -> Iterator[Hit]:
    """Every text that holds a question with a grade, in the order of the texts ``(id, text)``, the worst first."""
    source = iter(texts)
    while group := list(islice(source, AT_ONCE)):
        for (text_id, _), overlaps in zip(group, index.overlaps([text for _, text in group]), strict=True):
            for one in overlaps:
                if one.grade is not None:
                    for question_id in one.question_ids:
                        yield Hit(question_id, text_id, one.grade, one.share, one.by)


def worst(found: Iterable[Hit]) -> dict[str, Hit]:
    """The worst hit of each question, by question id; of two alike the first."""
    kept: dict[str, Hit] = {}
    for hit in found:
        known = kept.get(hit.question_id)
        if known is None or (GRADES.index(hit.grade), -hit.share) < (GRADES.index(known.grade), -known.share):
            kept[hit.question_id] = hit
    return kept


def pair_texts(pairs: Path) -> Iterator[tuple[str, str]]:
    """Id and text of each training pair of a data set; those held out for validation are none."""
    with bar("contamination", unit="pairs") as shown:
        for batch in read_batches(pairs, "pairs", columns=["id", "messages", "split"]):
            for row in batch.to_pylist():
                if row["split"] == "train":
                    yield row["id"], "\n".join(message["content"] for message in row["messages"])
            shown.advance(len(batch))


def contaminated(questions: Iterable[Question], pairs: Path) -> dict[str, Grade]:
    """The worst grade of each exam question that a training pair holds, by question id.

    Pairs held out for validation do not count. A pair counts for every question whose stem, or stem with options, it
    holds: of questions with one stem, for all of them. Questions made from facts are left out: those are taught.
    """
    index = ExamIndex(questions)
    if not index.ids:
        return {}
    return {question_id: hit.grade for question_id, hit in worst(hits(index, pair_texts(pairs))).items()}


# ---------------------------------------------------------------- between exams


def text_of(question: Question) -> str:
    """The stem and the options, as a text that another exam's questions may stand in."""
    return "\n".join([question.stem, *(option.text for option in question.options)])


def between(exams: Sequence[tuple[str, Sequence[Question]]]) -> Iterator[tuple[str, str, dict[str, Hit]]]:
    """For every two exams: both names, and the worst hit of each question of the first that stands in the second."""
    for name, questions in exams:
        index = ExamIndex(questions)
        for other, others in exams:
            if other != name and index.ids:
                yield name, other, worst(hits(index, ((q.id, text_of(q)) for q in others)))


# ---------------------------------------------------------------- files


def questions_of(exam: ExamSource) -> list[Question]:
    """The questions of an exam that can be asked.

    Raises InputError where there is none.
    """
    found = []
    for raw in read_exam(exam):
        if is_wanted(exam, raw):
            try:
                found.append(question_of(exam, raw.item).question)
            except Unfit:
                continue  # `huatuo audit exam` counts these; here only what can be asked can leak
    if not found:
        raise InputError(f"{exam.path}: no question that can be asked; next: huatuo audit exam {exam.path}")
    return found


def file_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each record of any training file: all texts of a JSON record, or of a table's row, joined.

    A data set of pairs is read as one. Raises InputError where the file cannot be read.
    """
    if path.is_dir():
        folder = path / "unify" if (path / "unify").is_dir() else path
        yield from pair_texts(folder)
    elif path.suffix.lower() in tables.SUFFIXES:
        for line in tables.lines(path):
            if not isinstance(line, tables.Flaw):
                yield f"row {line[0]}", "\n".join(str(cell) for cell in line[1] if isinstance(cell, str))
    else:
        for raw in records(path):
            yield raw.place, "\n".join(_texts(raw.value)) if raw.value is not None else raw.excerpt


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_texts, value))


def lines(data: Path | None, exams: Sequence[ExamSource], shown: int = 10) -> Iterator[str]:
    """What of the exams stands in the training data (where it is given), and in each other, for people."""
    read = [(exam.name, questions_of(exam)) for exam in exams]
    if data is not None:
        index = ExamIndex(question for _, questions in read for question in questions)
        found = worst(hits(index, file_texts(data)))
        for name, questions in read:
            own = {q.id: found[q.id] for q in questions if q.id in found}
            yield f"{name} in {data.name}: {_counts(own)} of {len({q.id for q in questions}):,} questions"
            yield from _examples(own, {q.id: q for q in questions}, shown)
    for name, other, own in between(read):
        if own:
            count = len({q.id for q in dict(read)[name]})
            yield f"{name} in {other}: {_counts(own)} of {count:,} questions"
            yield from _examples(own, {q.id: q for q in dict(read)[name]}, shown)


def _counts(found: dict[str, Hit]) -> str:
    counts = Counter(hit.grade for hit in found.values())
    return ", ".join(f"{counts[grade]:,} {grade}" for grade in GRADES)


def _examples(found: dict[str, Hit], questions: dict[str, Question], shown: int) -> Iterator[str]:
    by_grade: dict[Grade, list[Hit]] = defaultdict(list)
    for hit in found.values():
        by_grade[hit.grade].append(hit)
    listed = [hit for grade in GRADES for hit in sorted(by_grade[grade], key=lambda hit: -hit.share)]
    for hit in listed[:shown]:
        stem = " ".join(questions[hit.question_id].stem.split())[:40]
        yield f"  {hit.grade} {hit.share:.0%} ({hit.by}) {hit.question_id[:8]} in {hit.text_id[:16]}: {stem}"
    if len(listed) > shown:
        yield f"  and {len(listed) - shown:,} more"
