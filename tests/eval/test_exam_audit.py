"""The audit counts every trap of an exam's files; the real sets have the traps that are known of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from huatuo.eval.contamination import questions_of
from huatuo.eval.exam_audit import audit, between, lines
from huatuo.recipe import ExamSource

DATA = Path(__file__).parents[3] / "shared" / "data"


def exam(path: Path, **given: object) -> ExamSource:
    return ExamSource(name=path.stem, path=path, **given)


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def row(number: int, answer: object = "A", kind: str = "single", labels: str = "ABCDE") -> dict[str, object]:
    options = {label: f"第{number}题第{label}项" for label in labels}
    return {"question": f"第{number}题？", "kind": kind, "options": options, "answer": answer}


def test_every_trap_is_counted(tmp_path: Path) -> None:
    rows = [row(i, "ABCDE"[i % 5]) for i in range(1000)]
    rows += [row(2000, "b"), row(2001, "Ｃ"), row(2002, "CA", "multiple"), row(2003, "B", "multiple")]
    rows += [
        row(2004, "E", labels="BCDE"),
        row(2005, "A", labels="ABDE"),
        row(2006, "nan"),
        row(2007, ""),
        row(2008, "F"),
    ]
    rows += [row(0, "A"), row(1, "C"), row(2009, "A") | {"question": ""}]
    given = exam(write(tmp_path / "t.jsonl", rows))
    found = audit(given)
    assert (found.questions, dict(found.kinds)) == (1008, {"single": 1006, "multiple": 2})
    assert dict(found.unfit) == {"no answer": 2, "answer is no option": 1, "no question": 1}
    assert dict(found.notes) == {
        "gold in lower case": 1, "gold in full width": 1, "gold not in order": 1, "one label to a multiple": 1,
        "labels not from A": 1, "labels with a gap": 1,
    }  # fmt: skip
    assert (found.duplicates, found.contradictory, found.lost) == (1, 2, 0)
    assert found.labels == {"ABCDE": 1006, "BCDE": 1, "ABDE": 1}
    assert found.single["A"] == 202
    assert dict(found.multiple) == {1: 1, 2: 1}
    shown = "\n".join(lines(found, given, "2023"))
    for words in (
        "1,008 questions",
        "lost 0",
        "never asked: 2 no answer, first line 1007",
        "duplicates 1",
        "freshness: unknown",
    ):
        assert words in shown


def test_options_that_the_reading_loses_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text('Question,Options,Answer\n问,"B 乙\nA 甲\nC 丙",C\n', encoding="utf-8")
    assert audit(exam(path)).lost == 1  # labels out of order: one is read as going on with the text before


def test_answers_without_questions_are_counted_as_written(tmp_path: Path) -> None:
    base = {"exam_type": "t", "exam_class": "c", "question_type": "多项选择题"}
    rows = [base | {"id": i, "answer": answer} for i, answer in enumerate(["AB", "EB", "B", "F"])]
    found = audit(exam(write(tmp_path / "a.jsonl", rows)))
    assert found.questions == 0
    assert dict(found.golds_alone) == {"AB": 1, "EB": 1, "B": 1, "F": 1}
    assert dict(found.notes) == {"gold not in order": 1, "one label to a multiple": 2}


def test_one_question_in_two_exams_is_told(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.jsonl", [row(1), row(2)]), write(tmp_path / "b.jsonl", [row(2), row(3)])
    read = [(path.stem, questions_of(exam(path))) for path in (one, two)]
    assert list(between(read)) == ["a and b: 1 questions with the same stem and options"]
    assert len({question.id for _, questions in read for question in questions}) == 4


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "questions", "kinds", "unfit", "notes"),
    [
        ("exam_cmexam_val/val.xlsx", 6809, {"single": 6599, "multiple": 210}, {"no answer": 1, "options alike": 1},
         {"labels not from A": 2, "labels with a gap": 1, "options alike": 6}),
        ("exam_mmlu_medical/test", 2104, {"single": 2104}, {}, {}),
        ("exam_mmlu_medical/dev", 50, {"single": 50}, {}, {"options alike": 1}),
        ("exam_pubmedqa/ori_pqal.json", 1000, {"single": 1000}, {}, {}),
        ("exam_cmb/CMB-test-qa.json", 208, {"open": 208}, {}, {}),
        ("exam_cmb/CMB-test-choice-answer.json", 0, {}, {"no question": 11200},
         {"one label to a multiple": 25, "gold not in order": 4}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_traps_of_the_real_sets(path: str, questions: int, kinds: dict, unfit: dict, notes: dict) -> None:
    if not (DATA / path).exists():
        pytest.skip(f"{DATA / path} is absent")
    found = audit(exam(DATA / path))
    assert (found.questions, dict(found.kinds), dict(found.unfit), found.lost) == (questions, kinds, unfit, 0)
    assert {name: found.notes[name] for name in notes} == notes
