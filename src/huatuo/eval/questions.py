"""What the models will be asked: exams read from JSON files, and a probe made from the graph's facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huatuo.errors import InputError
from huatuo.eval.exam_items import Unfit, question_of
from huatuo.eval.exam_made import from_facts, from_passages
from huatuo.eval.exams import is_wanted
from huatuo.eval.exams import read as read_exam
from huatuo.eval.fresh import check_claim
from huatuo.eval.probes import Taught, make_probe
from huatuo.progress import bar
from huatuo.recipe import ExamSource, MadeExam, QuestionsSettings
from huatuo.records import Document, Fact, Finding, Question
from huatuo.store import Writer, content_id, read


def make(settings: QuestionsSettings, knowledge: Path, phrasings: Taught, seed: int, out: Writer) -> None:
    """Write table ``questions``: the exams' questions, and the probe's.

    ``knowledge`` is the data set of ingest, read only for what is asked about it; ``phrasings`` the wordings that are
    trained on. Raises InputError for a file that cannot be used as a whole; a question that cannot be asked is dropped
    with the reason.
    """
    for exam in settings.exams:
        _write_exam(exam, settings.data_until, out)
        write_examples(exam, out)
    for made in settings.made:
        _write_made(made, knowledge, seed, out)
    if not settings.probe.relations:
        return
    with bar("questions", unit="facts") as shown:
        make_probe(settings.probe, _facts(knowledge, shown.advance), phrasings, seed, out)


def _write_exam(exam: ExamSource, data_until: str, out: Writer) -> None:
    """The questions of one exam; twins once, and none of those whose right answers contradict each other.

    Raises InputError where not one can be asked, RecipeError where it is claimed to be fresh and is not.
    """
    found: dict[str, list[tuple[str, str, Question]]] = {}
    reasons: Counter[str] = Counter()
    for raw in read_exam(exam):
        place = f"{raw.file.name} {raw.item.place}"
        raw_id = content_id("exam record", exam.name, raw.file.name, raw.item.place)
        out.expect([raw_id])
        if not is_wanted(exam, raw):
            out.leave(raw_id, "subject not asked", f"{raw.item.subject} is not in subjects of {exam.name}")
            reasons["subject not asked"] += 1
            continue
        try:
            question = question_of(exam, raw.item).question
        except Unfit as unfit:
            reasons[unfit.rule] += 1
            out.drop(raw_id, unfit.rule, f"{place}: {unfit}", excerpt=str(raw.item.stem or raw.item.excerpt)[:200])
            continue
        found.setdefault(question.id, []).append((raw_id, place, question))
    if not found:
        why = ", ".join(f"{rule} {n:,}" for rule, n in reasons.most_common(3)) or "it holds no record"
        raise InputError(f"{exam.path}: exam {exam.name!r} has no question that can be asked ({why}); next: mend it")
    asked = list(_single_of_twins(found, out))
    claim = check_claim(exam, asked, data_until)
    for question in asked:
        out.write("questions", question, uses=[found[question.id][0][0]])
    if data_until:
        said = f"{claim.verdict}: {claim.reason}"
        about = {"subject": exam.name, "place": exam.path.name, "message": said}
        out.write("findings", Finding(rule="freshness", severity="note", **about))


def _single_of_twins(found: dict[str, list[tuple[str, str, Question]]], out: Writer) -> Iterator[Question]:
    """The first of the records that are one question; the others are dropped, and all where their answers differ."""
    for twins in found.values():
        golds = {(question.kind, question.gold, question.reference) for _, _, question in twins}
        for number, (raw_id, place, question) in enumerate(twins):
            if len(golds) > 1:
                reason = f"{place}: the same stem and options have {len(golds)} different right answers"
                out.drop(raw_id, "contradictory answers", reason, excerpt=question.stem)
            elif number:
                reason = f"{place}: the same stem and options as {twins[0][1]}"
                out.drop(raw_id, "duplicate", reason, witness=question.id, excerpt=question.stem)
            else:
                yield question


def _write_made(made: MadeExam, knowledge: Path, seed: int, out: Writer) -> None:
    """The questions of an exam made from the knowledge. What it asks about stands in their parents; the account of the
    facts is the probe's.

    Raises InputError where the knowledge gives none.
    """
    if made.source == "graph":
        questions = from_facts(made, read(knowledge, "facts", Fact), seed)
    else:
        questions = from_passages(made, read(knowledge, "documents", Document), seed)
    count = 0
    for question in questions:
        out.write("questions", question)
        count += 1
    out.figures[f"{made.name}: questions made"] = float(count)
    if not count:
        raise InputError(
            f"questions.made {made.name}: the {made.source} gives no question; expected values of other entities to be "
            "wrong options, or sentences with one number; next: name other relations, shapes, or fewer options"
        )


def write_examples(exam: ExamSource, out: Writer) -> None:
    """Write table ``examples``: the questions of an exam's example file that can be shown with their answers.

    Raises InputError where there is none.
    """
    if exam.examples is None:
        return
    count = unfit = 0
    source = exam.model_copy(update={"path": exam.examples, "answers": None})
    for raw in read_exam(source):
        try:
            question = question_of(source, raw.item).question
        except Unfit:
            unfit += 1  # an example is no input that is accounted for: the next one takes its place
            continue
        if question.options:
            out.write("examples", question)
            count += 1
    out.figures[f"{exam.name}: examples"] = float(count)
    out.figures[f"{exam.name}: unfit examples"] = float(unfit)
    if not count:
        raise InputError(f"{exam.examples}: no question with options and a right answer; next: mend examples")


def _facts(knowledge: Path, advance: Any) -> Iterator[Fact]:
    for fact in read(knowledge, "facts", Fact):
        advance()
        yield fact


def read_questions(folder: Path) -> dict[str, Question]:
    """The questions of a data set by id, in their order.

    Raises InputError where there is none.
    """
    found = {question.id: question for question in read(folder, "questions", Question)}
    if not found:
        raise InputError(
            f"{folder}: holds no questions; expected exams or a probe; next: check [questions] of the recipe"
        )
    return found
