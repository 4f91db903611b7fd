"""The shapes in which exams are published: records of a file in, `Item` out, one function per shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from huatuo.eval.exam_items import KINDS, Item, Unfit, options_of_cell, options_of_mapping, unread

MMLU_MEDICAL = (
    "anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics", "professional_medicine",
)  # fmt: skip
"""Subjects of MMLU that count as medical (Singhal et al. 2023, Med-PaLM)."""

CMMLU_MEDICAL = (
    "anatomy", "clinical_knowledge", "college_medicine", "genetics", "nutrition", "traditional_chinese_medicine",
    "virology",
)  # fmt: skip
"""Subjects of CMMLU about medicine (own choice from its 67)."""

CEVAL_MEDICAL = ("basic_medicine", "clinical_medicine", "physician")
"""Subjects of C-Eval about human medicine (own choice from its 52)."""

MEDICAL: Mapping[str, tuple[str, ...]] = {"mmlu": MMLU_MEDICAL, "cmmlu": CMMLU_MEDICAL, "ceval": CEVAL_MEDICAL}
"""What ``subjects = ["medical"]`` means, by format."""

_SPLIT = re.compile(r"_(?:dev|val|test|train)$")
_LETTERS = tuple("ABCDEFGHIJ")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


class Record(NamedTuple):
    """One record of an exam's file."""

    place: str
    """``line 12``, ``row 7``, ``record 3``."""
    value: Any
    """Its fields by name."""
    file: str
    """Name of the file without ending."""
    unfit: Item | None = None
    """What stands here instead, where the record could not be read."""


Format = Callable[[Iterable[Record]], Iterator[Item]]


def _plainly(read: Callable[[Record], Iterable[Item]]) -> Format:
    """A format whose records can be read one by one; what is no object, or lacks a field, becomes an unfit item."""

    def items(records: Iterable[Record]) -> Iterator[Item]:
        for record in records:
            if record.unfit is not None:
                yield record.unfit
            elif not isinstance(record.value, dict):
                reason = f"expected an object, found {type(record.value).__name__}"
                yield unread(record.place, "no question", reason, str(record.value)[:80])
            else:
                yield from _guarded(read, record)

    return items


def _guarded(read: Callable[[Record], Iterable[Item]], record: Record) -> Iterable[Item]:
    try:
        return list(read(record))
    except Unfit as unfit:
        return [unread(record.place, unfit.rule, str(unfit), str(record.value)[:80])]


def _said(value: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds text or a number, as text; empty where none does."""
    for name in names:
        found = value.get(name)
        if isinstance(found, (str, int)) and not isinstance(found, bool) and str(found).strip():
            return str(found).strip()
    return ""


def subject_of_file(name: str) -> str:
    """The subject that a file name of MMLU's kind states: ``anatomy`` of ``anatomy_test``."""
    return _SPLIT.sub("", name)


# ---------------------------------------------------------------- own files


def _exam(record: Record) -> Iterable[Item]:
    """Own records: question, kind, options (an object, one cell, or a column per label), answer or reference; context
    is a text to read before the question."""
    value = record.value
    if value.get("options") not in (None, ""):
        options, stated = _strict_options(value["options"])
    else:
        options, stated = options_of_mapping({label: value.get(label) for label in _LETTERS})
    about, context, stem = value.get("about"), _said(value, "context"), value.get("question")
    yield Item(
        place=record.place,
        stem=f"{context}\n\n{stem}" if context and isinstance(stem, str) and stem.strip() else stem,
        context=context,
        kind=_said(value, "kind"),
        options=options,
        stated=stated,
        gold=value.get("answer"),
        reference=value.get("reference") or (value.get("answer") if not options else None),
        subject=_said(value, "subject"),
        question_type=_said(value, "question_type"),
        year=_said(value, "year"),
        written_on=_said(value, "written_on"),
        about="、".join(map(str, about)) if isinstance(about, list) else _said(value, "about"),
        language=_said(value, "language"),
    )


def _strict_options(value: Any) -> tuple[tuple[tuple[str, str], ...], int]:
    """Options of an own file: nothing pads them, so a blank one is a mistake."""
    if isinstance(value, dict):
        for label, text in value.items():
            if not label.strip() or not isinstance(text, str) or not text.strip():
                raise Unfit("empty option", f"option {label!r} is {text!r}; expected text")
    return options_of_mapping(value)


def _instructions(record: Record) -> Iterable[Item]:
    """Instruction records as open questions: instruction and input asked, the output the reference."""
    value = record.value
    asked = "\n".join(part for part in (_said(value, "instruction"), _said(value, "input")) if part)
    yield Item(place=record.place, stem=asked, kind="open", reference=value.get("output"))


# ---------------------------------------------------------------- published exams


def _cmexam(record: Record) -> Iterable[Item]:
    """CMExam: Question, Options in one cell, Answer; the number of letters says the kind, as in its templates."""
    value = {str(name).strip().lower(): cell for name, cell in record.value.items()}
    options, stated = options_of_cell(_said(value, "options"))
    yield Item(
        place=record.place,
        stem=_said(value, "question"),
        options=options,
        stated=stated,
        gold=value.get("answer"),
        subject=_said(value, "clinical department", "medical discipline"),
        kind_by_gold=True,
    )


def _cmb(record: Record) -> Iterable[Item]:
    """CMB's exam: ``option`` by label, padded with blanks; question_type says the kind; subject of three levels."""
    value = record.value
    options, stated = options_of_mapping(value.get("option") or value.get("options") or {})
    levels = [_said(value, name) for name in ("exam_type", "exam_class", "exam_subject")]
    yield Item(
        place=record.place,
        stem=_said(value, "question"),
        kind=_said(value, "question_type"),
        options=options,
        stated=stated,
        gold=value.get("answer"),
        subject=" / ".join(level for level in levels if level),
        question_type=_said(value, "question_type"),
    )


def _cmb_clin(record: Record) -> Iterable[Item]:
    """CMB-Clin: the questions of one case, each asked with the whole case; answer is ``solution`` in newer releases."""
    value = record.value
    case = "\n\n".join(part for part in (_said(value, "title"), _said(value, "description")) if part)
    pairs = value.get("QA_pairs")
    if not isinstance(pairs, list) or not pairs:
        raise Unfit("no question", f"QA_pairs is {type(pairs).__name__}; expected a list of questions with answers")
    for number, pair in enumerate(pairs):
        place = f"{record.place} QA_pairs[{number}]"
        if not isinstance(pair, dict):
            yield unread(place, "no question", f"expected an object, found {type(pair).__name__}")
            continue
        asked = _said(pair, "question")
        stem = f"{case}\n\n{asked}" if asked else ""
        reference = _said(pair, "answer", "solution")
        about = _said(value, "title")
        yield Item(place=place, stem=stem, context=case, kind="open", reference=reference, about=about)


def _medqa(record: Record) -> Iterable[Item]:
    """MedQA (mainland, Taiwan, US; four or five options): answer_idx is the label, answer the text of the option."""
    value = record.value
    options, stated = options_of_mapping(value.get("options"))
    index, text = _said(value, "answer_idx"), _said(value, "answer")
    right = dict(options).get(index, text)
    if index and text and text not in (index, right) and text in dict(options).values():
        raise Unfit("answers disagree", f"answer_idx {index!r} is {right!r}, and answer is {text!r}; expected the same")
    yield Item(
        place=record.place,
        stem=_said(value, "question"),
        kind="single",
        options=options,
        stated=stated,
        gold=index or text,
        subject=_said(value, "meta_info"),
    )


def _medmcqa(records: Iterable[Record]) -> Iterator[Item]:
    """MedMCQA: opa to opd, cop the number of the right one, from 1 (the authors' files) or from 0 (later copies).

    The whole file decides which: a 0 shows the one, a 4 the other. Where neither or both stand in it, no number can be
    read. -1 is the hidden answer of the test split.
    """
    known = list(records)
    numbers = {record.value["cop"] for record in known if isinstance(record.value, dict) and "cop" in record.value}
    first = None if (0 in numbers) == (4 in numbers) else 0 if 0 in numbers else 1

    def read(record: Record) -> Iterable[Item]:
        value, number = record.value, record.value.get("cop")
        columns = {label: value.get(f"op{label.lower()}") for label in "ABCD"}
        options, stated = options_of_mapping(columns)
        gold: str | None = None
        if isinstance(number, int) and number >= 0:
            if first is None:
                reason = f"cop is {number}, and the file does not show whether it counts from 0 or from 1"
                raise Unfit("answer is no option", reason)
            gold = "ABCD"[number - first : number - first + 1] or str(number)
        yield Item(
            place=record.place,
            stem=_said(value, "question"),
            kind="single",
            options=options,
            stated=stated,
            gold=gold,
            subject=_said(value, "subject_name"),
        )

    return _plainly(read)(known)


def _pubmedqa(record: Record) -> Iterable[Item]:
    """PubMedQA: the abstract without its conclusion, then the question; A yes, B no, C maybe."""
    value = record.value
    context = value.get("CONTEXTS") or value.get("context") or ()
    parts = context.get("contexts") or () if isinstance(context, dict) else context
    text, asked = "\n\n".join(map(str, parts)), _said(value, "QUESTION", "question")
    options = (("A", "yes"), ("B", "no"), ("C", "maybe"))
    yield Item(
        place=record.place,
        stem=f"{text}\n\n{asked}" if asked else "",
        context=text,
        kind="single",
        options=options,
        stated=len(options),
        gold=value.get("final_decision"),
        year=_said(value, "YEAR"),
        language="en",
    )


def _lettered(record: Record) -> Iterable[Item]:
    """MMLU, CMMLU and C-Eval: a column per label, the letter last; or ``choices`` with a number from 0."""
    value = {str(name).strip(): cell for name, cell in record.value.items()}
    lower = {name.lower(): cell for name, cell in value.items() if len(name) > 1}
    gold = lower.get("answer")
    if isinstance(lower.get("choices"), list):
        labelled = dict(zip(_LETTERS, lower["choices"], strict=False))
        gold = "".join(_LETTERS[gold : gold + 1]) or gold if isinstance(gold, int) and gold >= 0 else gold
    else:
        labelled = {label: value[label] for label in _LETTERS if label in value}
    options, stated = options_of_mapping(labelled)
    yield Item(
        place=record.place,
        stem=_said(lower, "question"),
        kind="single",
        options=options,
        stated=stated,
        gold=gold,
        subject=_said(lower, "subject") or subject_of_file(record.file),
    )


def _huatuogpt2(record: Record) -> Iterable[Item]:
    """HuatuoGPT-II's ``eval_qa``: papers by name, each a list; a question without ``option`` is an open one."""
    for section, members in record.value.items():
        if not isinstance(members, list):
            reason = f"{section} is {type(members).__name__}; expected a list of questions"
            yield unread(f"{record.place} {section}", "no question", reason)
            continue
        year = _YEAR.search(section)
        for number, value in enumerate(members):
            place = f"{record.place} {section}[{number}]"
            if not isinstance(value, dict):
                yield unread(place, "no question", f"expected an object, found {type(value).__name__}")
            elif "option" not in value:
                asked, reference = _said(value, "query", "question"), _said(value, "output", "answer")
                yield Item(place=place, stem=asked, kind="open", reference=reference, section=section)
            else:
                yield from _paper_question(value, place, section, year[0] if year else "")


def _paper_question(value: Mapping[str, Any], place: str, section: str, year: str) -> Iterable[Item]:
    options, stated = options_of_mapping(value["option"])
    named = _said(value, "question_type")
    multiple = "多项选择题" in named or "多选" in named
    yield Item(
        place=place,
        stem=_said(value, "question"),
        kind="multiple" if multiple else named if KINDS.get(named) == "single" else "",
        options=options,
        stated=stated,
        gold=value.get("answer"),
        subject=section,
        question_type=named,
        year=_said(value, "year") or year,
        written_on=_said(value, "written_on"),
        section=section,
        kind_by_gold=True,
    )


FORMATS: Mapping[str, Format] = {
    "exam": _plainly(_exam),
    "instructions": _plainly(_instructions),
    "cmexam": _plainly(_cmexam),
    "cmb": _plainly(_cmb),
    "cmb-clin": _plainly(_cmb_clin),
    "medqa": _plainly(_medqa),
    "medmcqa": _medmcqa,
    "pubmedqa": _plainly(_pubmedqa),
    "mmlu": _plainly(_lettered),
    "cmmlu": _plainly(_lettered),
    "ceval": _plainly(_lettered),
    "huatuogpt2": _plainly(_huatuogpt2),
}
"""Format name → function."""


def recognised(value: Any, file: str) -> str:
    """The name of the format that a first record is in, by its fields; empty where none fits."""
    if not isinstance(value, dict) or not value:
        return ""
    names = set(value)
    lower = {str(name).strip().lower() for name in names}
    lettered = {"A", "B", "question", "answer"} <= {n if len(n) == 1 else n.lower() for n in map(str, names)}
    tests: tuple[tuple[str, bool], ...] = (
        ("exam", "question" in names and "kind" in names),
        ("pubmedqa", "final_decision" in names),
        ("cmb-clin", "QA_pairs" in names),
        ("medmcqa", {"question", "opa", "opb", "cop"} <= names),
        ("cmb", {"exam_type", "exam_class"} <= names),
        ("medqa", {"question", "options", "answer_idx"} <= names),
        ("cmexam", {"question", "options", "answer"} <= lower and isinstance(_first(value, "options"), str)),
        ("medqa", {"question", "options", "answer", "meta_info"} <= names),
        ("mmlu", {"question", "choices", "answer"} <= names),
        ("cmmlu", lettered and "Question" in names),
        ("ceval", lettered and "id" in names and bool(_SPLIT.search(file))),
        ("mmlu", lettered and bool(_SPLIT.search(file))),
        ("huatuogpt2", any(isinstance(part, list) and _is_paper(part) for part in value.values())),
        ("instructions", {"instruction", "output"} <= names),
        ("exam", "question" in names and bool({"reference", "answer"} & names)),
    )
    return next((name for name, fits in tests if fits), "")


def _first(value: Mapping[str, Any], name: str) -> Any:
    return next(cell for key, cell in value.items() if str(key).strip().lower() == name)


def _is_paper(part: list[Any]) -> bool:
    return bool(part) and isinstance(part[0], dict) and bool({"option", "query"} & part[0].keys())
