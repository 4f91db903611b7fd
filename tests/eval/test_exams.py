"""Every published shape of exam is read with its labels, its kind and its right answers; what cannot be right is said.

The files are made here after the shapes' descriptions; the traps are those that the published files hold.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from huatuo.errors import InputError
from huatuo.eval import exams
from huatuo.eval.exam_formats import FORMATS, MEDICAL
from huatuo.eval.exam_items import Checked, Item, Unfit, gold_labels, options_of_cell, question_of
from huatuo.recipe import ExamSource
from huatuo.records import Option, Question

LETTERS = dict(zip("ABCDE", ["头孢", "青霉素", "红霉素", "四环素", "链霉素"], strict=True))


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_xlsx(path: Path, rows: list[list[Any]]) -> Path:
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    for i, row in enumerate(rows):
        sheet.write_row(i, 0, row)
    book.close()
    return path


def load(path: Path, **given: Any) -> tuple[list[Question], list[str], str]:
    """The questions, the rules of what is unfit, and the format that was recognised."""
    exam = ExamSource(name="e", path=path, **given)
    questions, unfit, name = [], [], ""
    for raw in exams.read(exam):
        name = raw.format
        if not exams.is_wanted(exam, raw):
            unfit.append("subject not asked")
            continue
        try:
            questions.append(question_of(exam, raw.item).question)
        except Unfit as error:
            unfit.append(error.rule)
    return questions, unfit, name


def labels(question: Question) -> str:
    return "".join(option.label for option in question.options)


# ---------------------------------------------------------------- one test a shape


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_cmexam(tmp_path: Path, ending: str) -> None:
    cells = [
        ["首选药物是", "A 头孢\nB 青霉素\nC 红霉素", "B", "因为"],
        ["错误的有", "A 头孢\\nB 青霉素\\nC 红霉素\\nD 四环素", "ACD", ""],  # a literal backslash and n
        ["标号不从A起", "B 头孢\nC 青霉素\nD 红霉素\nE 四环素", "E", ""],
        ["缺一个标号", "A 头孢\nB 青霉素\nD 红霉素\nE 四环素", "D", ""],
        ["维生素题", "A A型血\nB B、维生素\nC 维生素A.\nD 甲\n乙", "C", ""],  # texts that look like labels
        ["没有答案", "A 头孢\nB 青霉素", "nan", ""],
        ["答案不在", "A 头孢\nB 青霉素", "E", ""],
        ["空答案", "A 头孢\nB 青霉素", "", ""],
    ]
    write = write_csv if ending == "csv" else write_xlsx
    path = write(tmp_path / f"val.{ending}", [["Question", "Options", "Answer", "Explanation"], *cells])
    found, unfit, name = load(path)
    assert name == "cmexam"
    assert [(labels(q), q.kind, "".join(q.gold)) for q in found] == [
        ("ABC", "single", "B"),
        ("ABCD", "multiple", "ACD"),
        ("BCDE", "single", "E"),
        ("ABDE", "single", "D"),
        ("ABCD", "single", "C"),
    ]
    assert [option.text for option in found[4].options] == ["A型血", "B、维生素", "维生素A.", "甲\n乙"]
    assert unfit == ["no answer", "answer is no option", "no answer"]


def test_cmb_with_answers_in_a_file_of_their_own(tmp_path: Path) -> None:
    base = {"exam_type": "医师考试", "exam_class": "规培", "exam_subject": "内科"}
    rows = [
        base | {"id": 1, "question": "单选", "question_type": "单项选择题", "option": LETTERS},
        base | {"id": 2, "question": "多选只有一个", "question_type": "多项选择题", "option": LETTERS},
        base | {"id": 3, "question": "乱序", "question_type": "多项选择题", "option": LETTERS},
        base | {"id": 4, "question": "填充", "question_type": "单项选择题", "option": LETTERS | {"D": "", "E": ""}},
        base | {"id": 5, "question": "外面", "question_type": "单项选择题", "option": LETTERS},
        base | {"id": 6, "question": "没有", "question_type": "单项选择题", "option": LETTERS},
        base | {"id": 7, "question": "两个", "question_type": "单项选择题", "option": LETTERS},
    ]
    golds = {1: "D", 2: "B", 3: "EB", 4: "A", 5: "F", 7: "AB"}
    answers = write_json(tmp_path / "answers.json", [{"id": k, "answer": v} for k, v in golds.items()])
    found, unfit, name = load(write_json(tmp_path / "cmb.json", rows), answers=answers)
    assert name == "cmb"
    assert [(q.kind, "".join(q.gold), len(q.options)) for q in found] == [
        ("single", "D", 5),
        ("multiple", "B", 5),  # the type is stated, not told from the number of letters
        ("multiple", "BE", 5),  # a set: unsorted is no mistake
        ("single", "A", 3),
    ]
    assert found[0].subject == "医师考试 / 规培 / 内科"
    assert unfit == ["answer is no option", "no answer", "two answers to a single"]
    with pytest.raises(InputError, match="two answers"):
        load(tmp_path / "cmb.json", answers=write_json(tmp_path / "a.json", [{"id": 1, "answer": x} for x in "AB"]))


@pytest.mark.parametrize("key", ["answer", "solution"])
def test_cmb_clin_asks_each_question_with_the_whole_case(tmp_path: Path, key: str) -> None:
    pairs = [{"question": "诊断？", key: "疝"}, {"question": "处理？", key: "手术"}, {"question": "", key: "x"}]
    case = {"id": "0", "title": "案例-疝", "description": "男，49岁。", "QA_pairs": pairs}
    found, unfit, name = load(write_json(tmp_path / "c.json", [case, case | {"QA_pairs": []}]))
    assert (name, unfit) == ("cmb-clin", ["no question", "no question"])
    assert [(q.kind, q.reference, q.entity) for q in found] == [("open", "疝", "案例-疝"), ("open", "手术", "案例-疝")]
    assert all("男，49岁。" in q.stem for q in found)
    assert {q.stem[: q.context_chars] for q in found} == {"案例-疝\n\n男，49岁。"}


@pytest.mark.parametrize("options", [LETTERS, dict(list(LETTERS.items())[:4])], ids=["five", "four"])
def test_medqa(tmp_path: Path, options: dict[str, str]) -> None:
    rows = [
        {"question": "哪个？", "answer": "红霉素", "options": options, "meta_info": "step1", "answer_idx": "C"},
        {"question": "没有标号？", "answer": "红霉素", "options": options, "meta_info": "step2"},
        {
            "question": "列表？",
            "answer": "x",
            "options": [{"key": k, "value": v} for k, v in options.items()],
            "answer_idx": "B",
        },
    ]
    found, unfit, name = load(write_lines(tmp_path / "us.jsonl", rows))
    assert (name, unfit) == ("medqa", [])
    assert [(q.gold, len(q.options)) for q in found] == [
        (("C",), len(options)),
        (("C",), len(options)),
        (("B",), len(options)),
    ]
    assert found[0].subject == "step1"


@pytest.mark.parametrize(("cops", "golds"), [([1, 4, 2], "ADB"), ([0, 3, 1], "ADB"), ([1, 2, 3], ""), ([0, 4, 1], "")])
def test_medmcqa_counts_from_one_or_from_nought_as_its_file_shows(tmp_path: Path, cops: list[int], golds: str) -> None:
    rows = [
        {
            "question": f"q{i}",
            "opa": "a",
            "opb": "b",
            "opc": "c",
            "opd": "d",
            "cop": cop,
            "subject_name": "Anatomy",
            "choice_type": "single",
        }
        for i, cop in enumerate([*cops, -1])
    ]
    found, unfit, name = load(write_lines(tmp_path / "m.jsonl", rows))
    assert name == "medmcqa"
    assert "".join(q.gold[0] for q in found) == golds
    assert unfit == (["no answer"] if golds else ["answer is no option"] * 3 + ["no answer"])


def test_a_text_before_an_own_question_is_told_from_the_question(tmp_path: Path) -> None:
    text = "题目,材料,题型,A,B,答案\n首选药物是,患者发热三天。咳嗽。,单选,甲药,乙药,A\n首选检查是,,单选,甲,乙,B\n,有材料,单选,甲,乙,B\n"
    (tmp_path / "e.csv").write_text(text, encoding="utf-8")
    found, unfit, _ = load(tmp_path / "e.csv")
    assert [q.stem for q in found] == ["患者发热三天。咳嗽。\n\n首选药物是", "首选检查是"]
    assert [q.stem[: q.context_chars] for q in found] == ["患者发热三天。咳嗽。", ""]
    assert unfit == ["no question"]


def test_pubmedqa(tmp_path: Path) -> None:
    row = {
        "QUESTION": "Does it?",
        "CONTEXTS": ["One.", "Two."],
        "YEAR": "2011",
        "LONG_ANSWER": "It does.",
        "final_decision": "no",
    }
    newer = {"question": "Does it?", "context": {"contexts": ["One."]}, "final_decision": "maybe"}
    found, unfit, name = load(
        write_json(tmp_path / "p.json", {"1": row, "2": newer, "3": row | {"final_decision": "perhaps"}})
    )
    assert (name, unfit) == ("pubmedqa", ["answer is no option"])
    assert [(q.gold, q.year) for q in found] == [(("B",), "2011"), (("C",), "")]
    assert found[0].stem == "One.\n\nTwo.\n\nDoes it?"
    assert [q.stem[: q.context_chars] for q in found] == ["One.\n\nTwo.", "One."]
    assert "It does." not in found[0].stem


def test_mmlu_has_no_header_and_a_subject_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    write_csv(
        folder / "anatomy_test.csv",
        [["Which?\nNow", "A bone", "B", "a, b", "None", "C"], ["Two", "a", "b", "c", "d", "x"]],
    )
    write_csv(folder / "astronomy_test.csv", [["Star", "a", "b", "c", "d", "A"]])
    found, unfit, name = load(folder, subjects=("medical",))
    assert (name, unfit) == ("mmlu", ["answer is no option", "subject not asked"])
    assert [(q.subject, q.gold, q.stem) for q in found] == [("anatomy", ("C",), "Which?\nNow")]
    rows = [
        {"question": "q", "choices": ["a", "b", "c", "d"], "answer": 0, "subject": "virology"},
        {"question": "r", "choices": ["a", "b"], "answer": 7},
    ]
    found, unfit, name = load(write_lines(tmp_path / "hf.jsonl", rows))
    assert (name, unfit) == ("mmlu", ["answer is no option"])
    assert (found[0].gold, found[0].subject) == (("A",), "virology")


@pytest.mark.parametrize(
    ("name", "header", "file"),
    [
        ("cmmlu", ["", "Question", "A", "B", "C", "D", "Answer"], "genetics"),
        ("ceval", ["id", "question", "A", "B", "C", "D", "answer"], "physician_val"),
    ],
)
def test_cmmlu_and_c_eval(tmp_path: Path, name: str, header: list[str], file: str) -> None:
    rows = [header, ["0", "问一", "甲", "乙", "丙", "丁", "D"], ["1", "问二", "甲", "乙", "丙", "丁", ""]]
    found, unfit, recognised = load(write_csv(tmp_path / f"{file}.csv", rows), subjects=("medical",))
    assert (recognised, unfit) == (name, ["no answer"])
    assert (found[0].gold, found[0].subject) == (("D",), file.removesuffix("_val"))
    assert found[0].subject in MEDICAL[name]


def test_medqa_whose_label_and_text_disagree_is_never_asked(tmp_path: Path) -> None:
    rows = [{"question": "哪个？", "answer": "头孢", "options": LETTERS, "meta_info": "s", "answer_idx": "C"}]
    rows += [{"question": "对？", "answer": "头孢", "options": LETTERS, "meta_info": "s", "answer_idx": "A"}]
    found, unfit, _ = load(write_lines(tmp_path / "us.jsonl", rows))
    assert (unfit, [q.gold for q in found]) == (["answers disagree"], [("A",)])


@pytest.mark.parametrize("named", ["最佳选择题", "配伍选择题"])
def test_two_answers_to_a_paper_question_of_one_answer_are_never_asked(tmp_path: Path, named: str) -> None:
    paper = {"甲": [{"question": "一", "option": LETTERS, "answer": "AB", "question_type": named}]}
    with_one = {"乙": [{"question": "一", "option": LETTERS, "answer": "A", "question_type": named}]}
    found, unfit, _ = load(write_json(tmp_path / "eval_qa.json", paper | with_one))
    assert (unfit, [q.gold for q in found]) == (["two answers to a single"], [("A",)])


def test_labels_that_are_digits_and_options_that_read_like_no_answer(tmp_path: Path) -> None:
    row = {"question": "有无？", "kind": "single", "options": {"0": "无", "1": "有"}}
    answers = [0, 1, "1", "无", True, 2, ""]
    rows = [row | {"question": f"{i}？", "answer": answer} for i, answer in enumerate(answers)]
    found, unfit, _ = load(write_json(tmp_path / "own.json", rows))
    assert [q.gold for q in found] == [("0",), ("1",), ("1",), ("0",)]
    assert unfit == ["no answer", "answer is no option", "no answer"]


def test_papers_in_the_shape_of_huatuogpt2(tmp_path: Path) -> None:
    papers = {
        "kaoshi_cn___2021年执业西药师": [
            {"question": "最佳", "option": LETTERS | {"E": ""}, "answer": "A", "question_type": "最佳选择题"},
            {"question": "多项", "option": LETTERS, "answer": "A", "question_type": "多项选择题"},
            {"question": "综合", "option": LETTERS, "answer": "BD", "question_type": "综合分析选择题"},
        ],
        "medqa_USMLE": [{"question": "Which?", "option": {"A": "a", "B": "b"}, "answer": "b"}],
        "chat": [{"query": "如何？", "output": "休息。"}, "no object"],
        "broken": 3,
    }
    found, unfit, name = load(write_json(tmp_path / "eval_qa.json", papers))
    assert (name, unfit) == ("huatuogpt2", ["no question", "no question"])
    assert [(q.group, q.kind, "".join(q.gold), q.year, q.question_type, len(q.options)) for q in found] == [
        ("e: kaoshi_cn___2021年执业西药师", "single", "A", "2021", "最佳选择题", 4),
        ("e: kaoshi_cn___2021年执业西药师", "multiple", "A", "2021", "多项选择题", 5),
        ("e: kaoshi_cn___2021年执业西药师", "multiple", "BD", "2021", "综合分析选择题", 5),
        ("e: medqa_USMLE", "single", "B", "", "", 2),
        ("e: chat", "open", "", "", "", 0),
    ]


def test_own_tables_with_a_column_per_label_or_one_cell(tmp_path: Path) -> None:
    header = ["题目", "题型", "A", "B", "C", "答案", "参考答案", "科目", "年份", "日期"]
    rows = [
        ["哪个？", "单选题", "甲", "乙", "", "b", "", "内科", "2024", "2024-05-01"],
        ["哪些？", "多选题", "甲", "乙", "丙", "Ａ、ｃ", "", "", "", ""],
        ["如何？", "简答题", "", "", "", "", "多休息", "", "", ""],
    ]
    for path in (write_csv(tmp_path / "own.csv", [header, *rows]), write_xlsx(tmp_path / "own.xlsx", [header, *rows])):
        found, unfit, name = load(path)
        assert (name, unfit) == ("exam", [])
        assert [(q.kind, q.gold, q.reference) for q in found] == [
            ("single", ("B",), ""),
            ("multiple", ("A", "C"), ""),
            ("open", (), "多休息"),
        ]
        assert (found[0].subject, found[0].year, found[0].written_on) == ("内科", "2024", "2024-05-01")
    cells = [["question", "options", "answer"], ["哪个？", "A. 甲\nB. 乙", "B"]]
    assert load(write_csv(tmp_path / "o.csv", cells))[2] == "cmexam"
    found, unfit, _ = load(tmp_path / "o.csv", format="exam", kind="single")
    assert (found[0].gold, unfit) == (("B",), [])
    assert load(tmp_path / "o.csv", format="exam")[1] == ["no kind"]
    free = write_csv(tmp_path / "f.csv", [["question", "answer"], ["如何？", "多休息"]])
    found, unfit, _ = load(free, kind="open", scorer="facts")
    assert (found[0].reference, found[0].scorer) == ("多休息", "facts")


def test_numbers_of_a_sheet_are_texts_and_formulas_are_refused(tmp_path: Path) -> None:
    header = ["question", "kind", "A", "B", "answer"]
    path = write_xlsx(
        tmp_path / "n.xlsx", [header, ["几片？", "single", 1, 2, "B"], ["几粒？", "single", "=1+1", "二", "A"]]
    )
    found, unfit, _ = load(path)
    assert [option.text for option in found[0].options] == ["1", "2"]
    assert unfit == ["formula"]


def test_a_file_of_no_known_shape_and_a_folder_without_exams_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no known exam format"):
        load(write_lines(tmp_path / "x.jsonl", [{"a": 1}]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no exam file"):
        load(tmp_path / "empty")
    with pytest.raises(InputError, match="stands twice"):
        load(write_csv(tmp_path / "t.csv", [["question", "question"], ["a", "b"]]))
    with pytest.raises(InputError):
        load(tmp_path / "none.json")
    found, unfit, _ = load(
        write_lines(
            tmp_path / "b.jsonl", [{"question": "q", "kind": "single", "options": LETTERS, "answer": float("nan")}]
        )
    )
    assert (found, unfit) == ([], ["not_finite"])


def test_every_format_of_the_recipe_has_a_reader() -> None:
    named = set(ExamSource.model_fields["format"].annotation.__args__)  # type: ignore[union-attr]
    assert named == {"auto", *FORMATS}


def test_one_id_in_two_exams_is_two_questions(tmp_path: Path) -> None:
    row = {"id": 1, "question": "q", "kind": "single", "options": LETTERS, "answer": "A"}
    path = write_lines(tmp_path / "a.jsonl", [row])
    one, two = (next(exams.read(ExamSource(name=name, path=path))) for name in ("x", "y"))
    assert (
        question_of(ExamSource(name="x", path=path), one.item).question.id
        != question_of(ExamSource(name="y", path=path), two.item).question.id
    )


# ---------------------------------------------------------------- right answers


def options(names: str) -> list[Option]:
    return [Option(label=label, text=f"第{label}项") for label in names]


@pytest.mark.parametrize(
    ("stated", "names", "gold", "notes"),
    [
        ("A", "ABCD", "A", ()),
        ("b", "ABCD", "B", ("gold in lower case",)),
        ("ＡＢ", "ABCD", "AB", ("gold in full width",)),
        ("ｃ", "ABCD", "C", ("gold in lower case", "gold in full width")),
        ("DCA", "ABCD", "ACD", ("gold not in order",)),
        ("A,C", "ABCD", "AC", ()),
        ("B、D", "ABCD", "BD", ()),
        ("AAB", "ABCD", "AB", ("gold not in order",)),
        (["B", "A"], "ABCD", "AB", ("gold not in order",)),
        ("第B项", "ABCD", "B", ()),
        ("E", "BCDE", "E", ()),
        ("b", "abc", "b", ()),  # labels in lower case are labels
    ],
)
def test_golds_are_normalised_and_stay_sets_of_labels(
    stated: Any, names: str, gold: str, notes: tuple[str, ...]
) -> None:
    found = gold_labels(stated, options(names))
    assert found == (tuple(gold), notes)


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ("", "no answer"), (None, "no answer"), ("nan", "no answer"), ("NaN", "no answer"), (float("nan"), "no answer"),
        ([], "no answer"), (3, "answer is no option"), ("F", "answer is no option"), ("AF", "answer is no option"),
        ("第X项", "answer is no option"), ("第", "answer is no option"), (["A", "F"], "answer is no option"),
    ],
)  # fmt: skip
def test_golds_that_cannot_be_right_are_refused(stated: Any, rule: str) -> None:
    with pytest.raises(Unfit) as error:
        gold_labels(stated, options("ABCD"))
    assert error.value.rule == rule


def test_nan_is_no_answer_though_its_letters_are_labels() -> None:
    with pytest.raises(Unfit, match="nan"):
        gold_labels("nan", options("ANBC"))
    assert gold_labels("yes", [Option(label="yes", text="是"), Option(label="no", text="否")]) == (("yes",), ())


@given(
    st.sets(st.sampled_from("ABCDE"), min_size=1),
    st.randoms(use_true_random=False),
    st.sampled_from(["", ",", "、", " ", "；"]),
)
def test_any_spelling_of_a_set_of_letters_is_that_set(chosen: set[str], rng: random.Random, between: str) -> None:
    letters = sorted(chosen, key=lambda _: rng.random())
    spelled = [rng.choice([letter, letter.lower(), chr(ord(letter) + 0xFEE0)]) for letter in letters]
    assert set(gold_labels(between.join(spelled), options("ABCDE"))[0]) == chosen


@given(st.lists(st.text("药物甲乙A.B、1 ", min_size=1).map(str.strip).filter(bool), min_size=2, max_size=6))
def test_a_cell_of_options_is_read_back_as_it_was_written(texts: list[str]) -> None:
    texts = [text.replace("\n", " ") for text in texts]
    cell = "\n".join(f"{label} {text}" for label, text in zip("ABCDEF", texts, strict=False))
    found, stated = options_of_cell(cell)
    assert found == tuple(zip("ABCDEF", texts, strict=False))
    assert stated == len(texts)


def test_a_line_whose_label_does_not_follow_goes_on_with_the_text_before() -> None:
    found, stated = options_of_cell("A 甲\nB 乙\nA. 见第一项\nC 丙\n续行")
    assert found == (("A", "甲"), ("B", "乙\nA. 见第一项"), ("C", "丙\n续行"))
    assert stated == 4  # what the audit counts as lost when it is no option


def check(**changes: Any) -> Checked:
    made = {"place": "row 2", "stem": "哪个？", "kind": "single", "options": tuple(LETTERS.items()), "gold": "A"}
    return question_of(ExamSource(name="e", path=Path("e.csv")), Item(**(made | changes)))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"options": (("A", "甲"), ("B", "甲"), ("C", "丙"))}, "options alike"),
        ({"options": (("A", "甲"), ("A", "乙"))}, "label twice"),
        ({"options": (("A", "甲"),)}, "no options"),
        ({"stem": " "}, "no question"),
        ({"stem": "坏\ufffd字"}, "broken character"),
        ({"kind": "案例题"}, "unknown kind"),
        ({"kind": "open", "reference": ""}, "no reference"),
        ({"gold": "AB"}, "two answers to a single"),
    ],
)
def test_what_cannot_be_asked_has_a_reason(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(Unfit) as error:
        check(**changes)
    assert error.value.rule == rule


def test_wrong_options_that_are_alike_do_no_harm() -> None:
    alike = (("A", "甲"), ("B", "乙"), ("C", "乙"))
    assert check(options=alike).notes == ("options alike",)
    both = check(options=alike, kind="multiple", gold="BC")
    assert (both.question.gold, both.notes) == (("B", "C"), ("options alike",))


def test_a_thousand_rows_keep_every_option(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [["Question", "Options", "Answer"]]
    for i in range(1000):
        names = rng.choice(["ABCDE", "ABCD", "BCDE"])
        rows.append([f"第{i}题", "\\n".join(f"{x} 第{i}题{x}项，A. 见上" for x in names), rng.choice(names)])
    found, unfit, _ = load(write_csv(tmp_path / "v.csv", rows))
    assert (len(found), unfit) == (1000, [])
    for question, row in zip(found, rows[1:], strict=True):
        assert row[1] == "\\n".join(f"{option.label} {option.text}" for option in question.options)
        assert question.gold == (row[2],)
