"""Every exam question that stands in a training pair is booked, under its own name."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from huatuo.corpus.decontaminate import contaminated_batch, indexes
from huatuo.eval.contamination import contaminated
from huatuo.records import Message, Option, Pair, Provenance, Question
from huatuo.store import writing

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
