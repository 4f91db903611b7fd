"""Exams from files: opened, recognised by content, read in their format.

| format | what | files |
|---|---|---|
| `exam` | own questions: question, kind, options or a column per label, answer or reference | JSON, CSV, TSV, XLSX |
| `instructions` | instruction, input, output: open questions | JSON |
| `cmexam` | CMExam: Question, Options in one cell, Answer | CSV, XLSX |
| `cmb`, `cmb-clin` | CMB's exam (questions and answers may be two files) and its cases | JSON |
| `medqa` | MedQA: mainland, Taiwan, US, four or five options | JSON |
| `medmcqa` | MedMCQA | JSON |
| `pubmedqa` | PubMedQA | JSON |
| `mmlu`, `cmmlu`, `ceval` | a file per subject, a column per label | CSV, JSON |
| `huatuogpt2` | HuatuoGPT-II's `eval_qa`: licensing papers by name | JSON |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError
from huatuo.eval.exam_formats import FORMATS, MEDICAL, Record, recognised, subject_of_file
from huatuo.eval.exam_items import Item, unread
from huatuo.readers import tables
from huatuo.readers.jsonfile import records as json_records
from huatuo.recipe import ExamSource
from huatuo.store import canonical_json

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".xlsx")
"""Endings of the files that are read from a folder."""

LOOKED_AT = 5
"""First records of a file in which its format is looked for."""

COLUMNS = {
    "题目": "question", "题干": "question", "问题": "question", "题型": "kind", "选项": "options", "答案": "answer",
    "正确答案": "answer", "参考答案": "reference", "科目": "subject", "年份": "year", "日期": "written_on",
    "语言": "language", "关于": "about", "材料": "context",
}  # fmt: skip
"""Chinese column → field of an own table."""


class Raw(NamedTuple):
    """One item of an exam and where it was read."""

    file: Path
    """The file."""
    format: str
    """Name of its format."""
    item: Item
    """What stands there."""


def read(exam: ExamSource) -> Iterator[Raw]:
    """Every item of an exam's file, or of its folder's files in the order of their names.

    Raises InputError where nothing is there, a file cannot be read, or its format is not recognised.
    """
    answers = _answers(exam.answers) if exam.answers else {}
    for path in files_of(exam):
        records = _records(path, answers)
        head = list(islice(records, LOOKED_AT))
        name = exam.format if exam.format != "auto" else _recognised(path, head)
        for item in FORMATS[name](chain(head, records)):
            yield Raw(path, name, item)


def files_of(exam: ExamSource) -> list[Path]:
    """The files of an exam.

    Raises InputError where there is none.
    """
    if not exam.path.is_dir():
        return [exam.path]
    found = sorted(p for p in exam.path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith((".", "~")))
    if not found:
        raise InputError(f"{exam.path}: holds no exam file ({', '.join(SUFFIXES)}); next: check the path")
    return found


def _recognised(path: Path, head: list[Record]) -> str:
    for record in head:
        if name := recognised(record.value, record.file):
            return name
    if head and all(record.unfit is not None for record in head):
        return "exam"  # what is wrong with its records says more than that no format fits
    value = next((record.value for record in head if record.value is not None), None)
    shown = ", ".join(map(str, list(value)[:8])) if isinstance(value, dict) else type(value).__name__
    raise InputError(
        f"{path}: no known exam format (first record: {shown}); expected one of {', '.join(FORMATS)}; "
        "next: name the format in the recipe, or write the questions as question, kind, options, answer"
    )


def is_wanted(exam: ExamSource, raw: Raw) -> bool:
    """Whether the recipe asks for the item's subject: all where it names none; ``medical`` stands for the medical
    subjects of MMLU, CMMLU and C-Eval."""
    if not exam.subjects or raw.item.unfit is not None:
        return True
    wanted = {name for one in exam.subjects for name in (MEDICAL.get(raw.format, ()) if one == "medical" else (one,))}
    return raw.item.subject in wanted


# ---------------------------------------------------------------- records of a file


def _records(path: Path, answers: dict[str, Any]) -> Iterator[Record]:
    found = _rows(path) if path.suffix.lower() in tables.SUFFIXES else _objects(path)
    for record in found:
        value = record.value
        if answers and isinstance(value, dict) and "answer" not in value and str(value.get("id")) in answers:
            record = record._replace(value=value | {"answer": answers[str(value["id"])]})
        yield record


def _answers(path: Path) -> dict[str, Any]:
    """The answers of a file of {id, answer} records, or of an object of id: answer.

    Raises InputError where one id has two answers, or none is there.
    """
    found: dict[str, Any] = {}
    for raw in json_records(path):
        if not isinstance(raw.value, dict):
            continue
        pairs = [(raw.value["id"], raw.value["answer"])] if {"id", "answer"} <= raw.value.keys() else raw.value.items()
        for key, answer in pairs:
            if found.setdefault(str(key), answer) != answer:
                raise InputError(f"{path}: id {key!r} has two answers; expected one; next: mend the file")
    if not found:
        raise InputError(f"{path}: holds no answer; expected records of id and answer; next: check the path")
    return found


def _objects(path: Path) -> Iterator[Record]:
    for raw in json_records(path):
        if raw.problem is not None and (raw.value is None or raw.problem.rule != "mixed_encodings"):
            unfit = unread(raw.place, raw.problem.rule, raw.problem.message, raw.excerpt or canonical_json(raw.value))
            yield Record(raw.place, None, path.stem, unfit)
        else:
            yield Record(raw.place, raw.value, path.stem)


def _rows(path: Path) -> Iterator[Record]:
    """The rows of a table by column; MMLU's files have no header, so their first row is one of theirs."""
    columns: list[str] = []
    for line in tables.lines(path):
        if isinstance(line, tables.Flaw):
            unfit = unread(line.place, line.rule, line.message, line.excerpt)
            if line.is_lost:
                yield Record(line.place, None, path.stem, unfit)
            continue
        number, cells = line
        if not any(cells):
            continue
        if not columns:
            is_question = len(cells) == 6 and cells[5] in tuple("ABCD")
            columns = ["question", *"ABCD", "answer"] if is_question else _header(path, cells)
            if not is_question:
                continue
        yield _row(path, f"row {number}", columns, cells)


def _header(path: Path, cells: list[Any]) -> list[str]:
    names = [str(cell.shown if isinstance(cell, tables.NotText) else cell).strip().lstrip("\ufeff") for cell in cells]
    names = [COLUMNS.get(name, name) for name in names]
    twice = [name for name, n in Counter(names).items() if n > 1 and name]
    if twice:
        raise InputError(f"{path}: the column {twice[0]!r} stands twice in the header; next: rename or delete one")
    return names


def _row(path: Path, place: str, columns: list[str], cells: list[Any]) -> Record:
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        shown = " | ".join(map(str, cells))[:80]
        unfit = unread(place, "wrong_number_of_cells", f"{len(cells)} cells; expected {len(columns)}", shown)
        return Record(place, None, path.stem, unfit)
    value: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=False):
        if isinstance(cell, tables.NotText):
            if cell.rule == "formula":
                unfit = unread(place, "formula", f"column {name!r} is {cell.found}; expected its value", cell.shown)
                return Record(place, None, path.stem, unfit)
            cell = cell.shown
        value[name] = cell
    return Record(place, value, path.stem)


def subjects(items: Iterable[Raw]) -> Counter[str]:
    """How many items each subject has."""
    return Counter(raw.item.subject or subject_of_file(raw.file.stem) for raw in items)
