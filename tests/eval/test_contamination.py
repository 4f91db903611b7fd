"""Every exam question that stands in a training pair is booked, under its own name."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

from huatuo.checks.exam_copies import indexes
from huatuo.corpus.decontaminate import contaminated_batch
from huatuo.eval.contamination import between, contaminated, hits, lines
from huatuo.recipe import ExamSource
from huatuo.records import Message, Option, Pair, Provenance, Question
from huatuo.store import writing
from huatuo.text.ngram import ExamIndex

STEM = "下列关于该病的治疗说法错误的一项是"


def choice(number: int, stem: str) -> Question:
    rng = random.Random(number)
    texts = ["".join(rng.choices([chr(c) for c in range(0x4E00, 0x5200)], k=12)) for _ in "ABCDE"]
    options = tuple(Option(label=label, text=text) for label, text in zip("ABCDE", texts, strict=True))
    return Question(id=f"q{number:04}", exam="e", kind="single", stem=stem, options=options)


def write(folder: Path, texts: list[str]) -> Path:
    with writing(folder, stage="unify", key="k") as out:
        for number, text in enumerate(texts):
            turns = (Message(role="user", content=text), Message(role="assistant", content="答。"))
            split = "validation" if number % 2 else "train"
            about = {"source": "s", "language": "zh", "shape": "direct", "provenance": Provenance(by="model")}
            out.write("pairs", Pair.model_validate({"id": f"p{number}", "messages": turns, "split": split, **about}))
    return folder


def whole(question: Question) -> str:
    return "\n".join([question.stem, *(option.text for option in question.options)])


@pytest.mark.slow
def test_all_questions_of_a_pair_and_of_a_stem_are_booked(tmp_path: Path) -> None:
    alike = [choice(n, STEM) for n in range(12)]
    others = [
        choice(n, f"{chr(0x5200 + n)}号患者出现{chr(0x5600 + n)}样改变最应当考虑什么诊断") for n in range(12, 1000)
    ]
    short = choice(5000, "高血压首选")
    asked = [*alike, *others, short]
    texts = [f"{whole(alike[7])}\n又问：{others[3].stem}", whole(others[5]), "妊娠期高血压首选何药", "无关的一句话"]
    found = contaminated(asked, write(tmp_path / "unify", texts))
    assert {question for question, grade in found.items() if grade == "exact"} == {
        *(question.id for question in alike),
        others[3].id,
    }
    assert found[short.id] == "possible"
    assert others[5].id not in found  # held out for validation


def test_passages_and_pairs_are_judged_by_one_index() -> None:
    made = indexes([choice(n, STEM) for n in range(12)])
    batch = pa.RecordBatch.from_pylist(
        [{"normal": whole(choice(7, STEM)), "reason": None, "witness": None}],
        schema=pa.schema([("normal", pa.string()), ("reason", pa.string()), ("witness", pa.string())]),
    )
    judged = contaminated_batch(batch, made).to_pylist()[0]
    assert (judged["witness"], judged["reason"].split(",")[0]) == ("q0007", "contaminated: exact")
    assert indexes([]) == []


def edited(text: str, every: int, rng: random.Random) -> str:
    """The text with a character in so many exchanged."""
    cut = list(text)
    for place in range(every - 1, len(cut), every):
        cut[place] = chr(0x7000 + rng.randrange(500))
    return "".join(cut)


def test_copies_are_graded_by_how_much_is_left_and_named_with_their_share() -> None:
    rng = random.Random(3)
    asked = [
        Question(
            id=f"q{n:04}",
            exam="e",
            kind="open",
            stem="".join(rng.choices([chr(c) for c in range(0x4E00, 0x5400)], k=40)),
        )
        for n in range(1000)
    ]
    texts = [
        (f"t{n}", "前言。" + edited(question.stem, every, rng) + "后语。")
        for n, (question, every) in enumerate(zip(asked, [99, 13, 9, 7] * 250, strict=True))
    ]
    clean = [(f"c{n}", "".join(rng.choices([chr(c) for c in range(0x5400, 0x5A00)], k=80))) for n in range(1000)]
    found = list(hits(ExamIndex(asked), [*texts, *clean]))
    assert {hit.text_id[0] for hit in found} == {"t"}
    graded = {(hit.question_id, hit.text_id): hit for hit in found}
    for n, question in enumerate(asked):
        hit = graded[question.id, f"t{n}"]
        assert (hit.grade, hit.by) == [
            ("exact", "grams"),
            ("likely", "grams"),
            ("possible", "grams"),
            ("possible", "grams"),
        ][n % 4], (n, hit)
    assert {round(graded[asked[n].id, f"t{n}"].share, 2) for n in (0, 4, 8)} == {1.0}


def test_a_copy_edited_everywhere_is_found_by_its_short_grams() -> None:
    rng = random.Random(4)
    stem = "".join(rng.choices([chr(c) for c in range(0x4E00, 0x5400)], k=60))
    # a run of 5 is left once only; of the runs of 2, four fifths
    cut = list(stem)
    for place in range(9, 60, 6):
        cut[place] = "甴"
    index = ExamIndex([Question(id="q", exam="e", kind="open", stem=stem)])
    # every sixth token is another: 2 of 6 runs of 5 are whole at most
    (overlap, *_) = index.overlaps(["".join(cut)])[0]
    assert overlap.grade == "possible"
    swapped = "".join(stem[i + 1] + stem[i] if i % 6 == 0 else stem[i : i + 2] for i in range(0, 60, 2))
    near = index.overlaps([swapped])[0]
    assert not near or near[0].by in ("near", "grams")
    short = ExamIndex([Question(id="q", exam="e", kind="open", stem=stem[:12])])
    assert all(one.by != "near" for one in short.overlaps([stem[:5] + "甲" + stem[6:12]])[0])


def test_near_needs_short_grams_enough() -> None:
    rng = random.Random(5)
    stem = "".join(rng.choices([chr(c) for c in range(0x4E00, 0x5400)], k=50))
    kept = stem[:7] + "，".join(stem[i : i + 4] + "甲" for i in range(7, 50, 4))  # runs of 4 only, and one of 7
    index = ExamIndex([Question(id="q", exam="e", kind="open", stem=stem)])
    (overlap,) = index.overlaps([kept])[0][:1]
    assert (overlap.grade, overlap.by) == ("possible", "near")
    assert 0.7 <= overlap.share < 1
    assert index.overlaps([stem[:7] + "无关文字" * 10])[0][0].grade is None


def test_boilerplate_of_an_exam_is_no_overlap() -> None:
    rng = random.Random(6)
    asked = [
        Question(
            id=f"q{n}",
            exam="e",
            kind="open",
            stem="".join(rng.choices([chr(c) for c in range(0x4E00, 0x5400)], k=12)) + STEM,
        )
        for n in range(50)
    ]
    assert list(hits(ExamIndex(asked), [("t", f"问：{STEM}什么？")])) == []


def test_between_exams_both_ways(tmp_path: Path) -> None:
    one = [choice(n, f"{chr(0x5200 + n)}号患者出现{chr(0x5600 + n)}样改变最应当考虑什么诊断") for n in range(20)]
    two = [question.model_copy(update={"id": f"x{question.id}", "exam": "f"}) for question in one[:3]]
    two += [choice(n, f"{chr(0x5800 + n)}药的不良反应以{chr(0x5C00 + n)}最为常见且须立即停药") for n in range(100, 110)]
    found = {(name, other): own for name, other, own in between([("e", one), ("f", two)])}
    assert set(found["e", "f"]) == {question.id for question in one[:3]}
    assert {hit.grade for hit in found["e", "f"].values()} == {"exact"}
    assert set(found["f", "e"]) == {question.id for question in two[:3]}


def test_any_training_file_is_searched_and_the_lines_name_question_and_place(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"{chr(0x5200 + n)}号患者出现{chr(0x5600 + n)}样改变最应当考虑什么",
            "kind": "open",
            "reference": "x",
        }
        for n in range(12)
    ]
    exam = tmp_path / "exam.jsonl"
    exam.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    pairs = [{"conversations": [{"value": "前言" + rows[2]["question"]}, {"value": "答"}], "n": 3}, {"a": "无关"}]
    data = tmp_path / "data.json"
    data.write_text(json.dumps(pairs, ensure_ascii=False), encoding="utf-8")
    sheet = tmp_path / "data.csv"
    sheet.write_text(f"q,a\n{rows[4]['question']},答\n", encoding="utf-8")
    source = ExamSource(name="e", path=exam)
    shown = list(lines(data, [source]))
    assert shown[0] == "e in data.json: 1 exact, 0 likely, 0 possible of 12 questions"
    assert "record 1" in shown[1]
    assert next(lines(sheet, [source])).startswith("e in data.csv: 1 exact")
    assert next(lines(write(tmp_path / "run" / "unify", [rows[0]["question"]]).parent, [source])).startswith(
        "e in run: 1 exact"
    )


@pytest.mark.slow
@pytest.mark.real_data
def test_all_five_test_questions_of_huatuo_stand_in_its_training_file() -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / "sft_huatuo_seed"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    exam = ExamSource(name="infer", path=folder / "data_infer.json")
    shown = list(lines(folder / "data_llama_data.json", [exam]))
    assert shown[0] == "infer in data_llama_data.json: 5 exact, 0 likely, 0 possible of 5 questions"
