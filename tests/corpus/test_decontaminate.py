"""Which passages are dropped for holding an exam question: copies with an exchange or two, not texts of the same term."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from huatuo.checks.exam_copies import indexes, is_copy
from huatuo.corpus.decontaminate import contaminated_batch
from huatuo.records import Option, Question
from huatuo.text.ngram import Overlap

WORDS = ["".join(random.Random(i).choices("etaoinshrdlucm", k=6)) for i in range(900)]


def stems(language: str, count: int) -> list[str]:
    dice = random.Random(3)
    if language == "en":
        return [" ".join(dice.choices(WORDS, k=20)) for _ in range(count)]
    return ["".join(chr(0x4E00 + dice.randrange(2000)) for _ in range(13)) for _ in range(count)]


def judged(asked: list[str], texts: list[str]) -> list[dict[str, str]]:
    questions = [Question(id=f"q{i:04}", exam="e", kind="open", stem=stem, gold=("?",)) for i, stem in enumerate(asked)]
    return contaminated_batch(
        pa.RecordBatch.from_pydict({"normal": texts, "witness": [""] * len(texts)}), indexes(questions)
    ).to_pylist()


def test_a_short_chinese_stem_with_one_character_exchanged_is_dropped_by_its_short_runs() -> None:
    asked = stems("zh", 600)
    found = judged(asked, [f"前文。{stem[:6]}某{stem[7:]}。后文如此。" for stem in asked])
    assert all(row["reason"].startswith("contaminated: possible") for row in found)
    assert [row["witness"] for row in found] == [f"q{i:04}" for i in range(600)]


def test_an_english_stem_with_letters_exchanged_is_dropped() -> None:
    asked = stems("en", 300)
    edited = []
    for stem in asked:
        words = stem.split(" ")
        edited.append(" ".join(word[:-1] + "x" if place % 7 == 3 else word for place, word in enumerate(words)))
    found = judged(asked, [f"Before it.\n{text}\nAfter it." for text in edited])
    assert sum(row["reason"].startswith("contaminated: ") for row in found) >= 297


@pytest.mark.slow
def test_a_text_that_shares_a_long_term_with_a_stem_stays() -> None:
    asked = stems("zh", 600)
    found = judged(asked, [f"另一篇文章讲到{stem[:7]}，但问的不是同一件事，写法也完全不同。" for stem in asked])
    assert [row["reason"] for row in found] == [""] * 600


def ask(stem: str, *options: str, gold: str = "A") -> Question:
    labelled = tuple(Option(label=label, text=text) for label, text in zip("ABCDE", options, strict=False))
    return Question(id="q", exam="e", kind="single" if options else "open", stem=stem, options=labelled, gold=(gold,))


LONG = "一名老年女性跌倒后髋部剧痛不能站立，患肢缩短外旋，首先考虑的诊断是"
SHORT = "髋关节后脱位的典型表现是"


@pytest.mark.parametrize(
    ("grade", "held", "short", "question", "text", "dropped"),
    [
        ("exact", 30, 0.0, ask(LONG), f"病例：{LONG}股骨颈骨折。", True),
        ("likely", 13, 0.0, ask(LONG), "跌倒后髋部剧痛不能站立，患肢缩短外旋者应立即固定。", True),  # longer than any term
        ("likely", 12, 0.0, ask(LONG), "跌倒后髋部剧痛不能站立的患者在急诊科里很常见，处理各不相同，先止痛。", False),
        ("likely", 12, 0.0, ask(LONG), f"问：\n{LONG[:-6]}\n答案见后。", True),  # a line of its own
        ("possible", 5, 0.75, ask(LONG), f"{LONG[:20]}者\n另一段", False),  # too few runs of two for Chinese
        ("possible", 5, 0.8, ask(LONG), f"{LONG[:9]}某{LONG[10:]}\n另一段", True),
        (None, 0, 0.9, ask(LONG), LONG, False),
        ("exact", 0, 0.0, ask(SHORT), "髋关节后脱位的典型表现是屈曲、内收、内旋畸形，并有弹性固定，需尽早复位。", False),
        ("exact", 0, 0.0, ask(SHORT), f"{SHORT}？\n请作答。", True),
        ("exact", 0, 0.0, ask(SHORT, "屈曲内收内旋", "外展外旋"), f"{SHORT}？请作答。", False),  # its answer is not there
        ("exact", 0, 0.0, ask(SHORT, "屈曲内收内旋", "外展外旋"), f"{SHORT}？答：屈曲、内收、内旋。", True),
        ("exact", 0, 0.0, ask("小肠", "化物", "传导"), "六腑各有所司。小肠。胆。胃。大肠。膀胱。", False),
        # the options of a question are the stages of a disease, and stand together in every text about it
        ("likely", 16, 0.0, ask("流行性出血热出现全身中毒症状的时期是", "发热期", "低血压休克期", "少尿期", "多尿期"),
         "典型病例有五期经过，即发热期、低血压休克期、少尿期、多尿期、恢复期。", False),
        ("exact", 16, 0.0, ask("流行性出血热出现全身中毒症状的时期是", "发热期", "低血压休克期", "少尿期", "多尿期"),
         "流行性出血热出现全身中毒症状的时期是A发热期B低血压休克期C少尿期D多尿期", True),
        # a heading is the term that is asked about; the same heading with the answer beside is a question's copy
        ("likely", 11, 0.0, ask("代谢性酸中毒合并代谢性碱中毒的特点是", "两种原因同时存在", "只有一种原因"),
         "(五)代谢性酸中毒合并代谢性碱中毒\n呼吸性酸碱中毒不能同时存在。", False),
        ("likely", 11, 0.0, ask("代谢性酸中毒合并代谢性碱中毒的特点是", "两种原因同时存在", "只有一种原因"),
         "(五)代谢性酸中毒合并代谢性碱中毒\n两种原因同时存在。", True),
        ("possible", 2, 0.6, ask("Which of these claims is true of frost bite at great heights?"),
         "Review.\nWhich of these claims is true?\n1. Cells divide.\n2. Cells rest.", False),
    ],
)  # fmt: skip
def test_a_question_is_held_only_where_it_stands_as_one(
    grade: str | None, held: int, short: float, question: Question, text: str, dropped: bool
) -> None:
    assert is_copy(Overlap(grade, ("q",), 0.3, short=short, held=held), text, question) is dropped  # type: ignore[arg-type]


def test_the_name_of_a_disease_in_running_text_is_no_question() -> None:
    asked = ["肾上腺皮质功能减退的原因", "属于亚急性感染性心内膜炎并发症的是", "慢性阻塞性肺疾病急性加重期的处理"]
    terms = ["肾上腺皮质功能减退", "亚急性感染性心内膜炎", "慢性阻塞性肺疾病急性加重期"]
    found = judged(
        asked, [f"既往有{term}者应慎用本品，用药期间须监测血压与电解质，并按医嘱调整剂量。" for term in terms]
    )
    assert [row["reason"] for row in found] == [""] * 3
    assert all(row["reason"] for row in judged(asked, [f"复习题\n{stem}？\n见第三章。" for stem in asked]))
