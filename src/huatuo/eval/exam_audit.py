"""What an exam's files hold, counted before anything is asked: kinds, labels, right answers, and every trap in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from huatuo.eval import exams
from huatuo.eval.exam_items import KINDS, Checked, Item, Unfit, question_of
from huatuo.eval.fresh import freshness
from huatuo.recipe import ExamSource
from huatuo.records import Question

SHOWN = 12
"""Values of the longest list that is printed."""


@dataclass
class Audit:
    """The counts of one exam."""

    name: str
    formats: Counter[str] = field(default_factory=Counter)
    """Items by format."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Questions by kind."""
    labels: Counter[str] = field(default_factory=Counter)
    """Questions with options by their labels in order: ``ABCDE``."""
    single: Counter[str] = field(default_factory=Counter)
    """Single-answer questions by right label."""
    multiple: Counter[int] = field(default_factory=Counter)
    """Multiple-answer questions by number of right labels."""
    unfit: Counter[str] = field(default_factory=Counter)
    """Items that no question could be made of, by rule."""
    example: dict[str, str] = field(default_factory=dict)
    """Place and reason of the first unfit item of each rule."""
    notes: Counter[str] = field(default_factory=Counter)
    """Questions by what was put right, or is odd."""
    years: Counter[str] = field(default_factory=Counter)
    """Questions by year."""
    subjects: Counter[str] = field(default_factory=Counter)
    """Questions by subject."""
    languages: Counter[str] = field(default_factory=Counter)
    """Questions by language."""
    stated: int = 0
    """Options that the files state."""
    kept: int = 0
    """Options of the questions."""
    golds_alone: Counter[str] = field(default_factory=Counter)
    """Right answers of items without a question (a file of answers): as they are written."""
    duplicates: int = 0
    """Questions with the stem and options of an earlier one."""
    contradictory: int = 0
    """Questions of one stem and options with different right answers."""
    dates: set[str] = field(default_factory=set)
    """Dates on which it was sat."""

    @property
    def questions(self) -> int:
        """Questions that can be asked, twins and contradictory ones included."""
        return self.kinds.total()

    @property
    def lost(self) -> int:
        """Options that the files state and the questions lack."""
        return self.stated - self.kept


def audit(exam: ExamSource) -> Audit:
    """The counts of one exam.

    Raises InputError where a file cannot be read, or no format fits.
    """
    found = Audit(exam.name)
    answers: dict[str, Counter[tuple[object, ...]]] = {}
    for raw in exams.read(exam):
        if not exams.is_wanted(exam, raw):
            found.unfit["subject not asked"] += 1
            continue
        found.formats[raw.format] += 1
        try:
            checked = question_of(exam, raw.item)
        except Unfit as unfit:
            _count_unfit(found, raw.item, unfit)
            continue
        _count(found, raw.item, checked)
        question = checked.question
        golds = answers.setdefault(question.id, Counter())
        golds[question.kind, question.gold, question.reference] += 1
    for golds in answers.values():
        if len(golds) > 1:
            found.contradictory += golds.total()
        else:
            found.duplicates += golds.total() - 1
    return found


def _count_unfit(found: Audit, item: Item, unfit: Unfit) -> None:
    found.unfit[unfit.rule] += 1
    found.example.setdefault(unfit.rule, f"{item.place}: {unfit}")
    if unfit.rule != "no question" or not isinstance(item.gold, str):
        return
    gold = item.gold.strip()
    found.golds_alone[gold] += 1
    if list(gold) != sorted(gold):
        found.notes["gold not in order"] += 1
    if KINDS.get(item.kind) == "multiple" and len(gold) == 1:
        found.notes["one label to a multiple"] += 1


def _count(found: Audit, item: Item, checked: Checked) -> None:
    question = checked.question
    found.kinds[question.kind] += 1
    found.notes.update(checked.notes)
    found.years[question.year or "not stated"] += 1
    found.subjects[question.subject or "not stated"] += 1
    found.languages[question.language] += 1
    if question.written_on:
        found.dates.add(question.written_on)
    if question.options:
        found.labels["".join(option.label for option in question.options)] += 1
        found.stated += item.stated
        found.kept += len(question.options)
    if question.kind == "single":
        found.single[question.gold[0]] += 1
    elif question.kind == "multiple":
        found.multiple[len(question.gold)] += 1


def _list(counts: Counter[str] | Counter[int], by_name: bool = False) -> str:
    pairs = sorted(counts.items()) if by_name else counts.most_common()
    shown = ", ".join(f"{name} {n:,}" for name, n in pairs[:SHOWN])
    return f"{shown}, and {len(pairs) - SHOWN:,} more" if len(pairs) > SHOWN else shown


def lines(found: Audit, exam: ExamSource, data_until: str = "") -> Iterator[str]:
    """The counts as lines for people; what is not there has no line, options lost always have one."""
    yield f"{found.name}: {found.questions:,} questions ({_list(found.kinds) or 'none'}); format {_list(found.formats)}"
    yield f"  licence {exam.licence or 'not stated'}; access {exam.access}; years {_list(found.years, by_name=True)}"
    if found.labels:
        yield f"  labels {_list(found.labels)}; options {found.kept:,}, lost {found.lost:,}"
    if found.single:
        yield f"  right answers of single ones: {_balance(found.single)}"
    if found.multiple:
        counts = ", ".join(f"{n:,} with {labels}" for labels, n in sorted(found.multiple.items()))
        yield f"  right labels of multiple ones: {counts}"
    if len(found.subjects) > 1:
        yield f"  subjects {_list(found.subjects)}"
    for rule, n in found.unfit.most_common():
        first = f", first {found.example[rule]}" if rule in found.example else ""
        yield f"  never asked: {n:,} {rule}{first}"
    for note, n in found.notes.most_common():
        yield f"  noted: {n:,} {note}"
    if found.duplicates or found.contradictory:
        yield f"  duplicates {found.duplicates:,}; with contradictory answers {found.contradictory:,}"
    if found.golds_alone:
        yield f"  right answers without a question: {found.golds_alone.total():,}: {_list(found.golds_alone)}"
        yield f"  written once only: {', '.join(sorted(g for g, n in found.golds_alone.items() if n == 1)) or 'none'}"
    claim = freshness(found.dates, data_until)
    if data_until:
        yield f"  freshness: {claim.verdict}: {claim.reason}"


def _balance(single: Counter[str]) -> str:
    return ", ".join(f"{label} {n:,} ({n / single.total():.1%})" for label, n in sorted(single.items()))


def between(exams_read: Iterable[tuple[str, Iterable[Question]]]) -> Iterator[str]:
    """Lines on questions with the same stem and options in two exams: each keeps its own id, so they do no harm."""
    first: dict[tuple[object, ...], str] = {}
    shared: Counter[tuple[str, str]] = Counter()
    for name, questions in exams_read:
        for question in questions:
            key = (question.stem, tuple((o.label, o.text) for o in question.options))
            owner = first.setdefault(key, name)
            if owner != name:
                shared[owner, name] += 1
    for (one, other), n in shared.items():
        yield f"{one} and {other}: {n:,} questions with the same stem and options"
