"""Which passages are dropped for holding an exam question: copies with an exchange or two, not texts of the same term."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from huatuo.corpus.decontaminate import contaminated_batch, drops, indexes
from huatuo.records import Question
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


def test_a_text_that_shares_a_long_term_with_a_stem_stays() -> None:
    asked = stems("zh", 600)
    found = judged(asked, [f"另一篇文章讲到{stem[:7]}，但问的不是同一件事，写法也完全不同。" for stem in asked])
    assert [row["reason"] for row in found] == [""] * 600


@pytest.mark.parametrize(
    ("grade", "short", "text", "dropped"),
    [
        ("exact", 0.0, "文", True),
        ("likely", 0.0, "文", True),
        ("possible", 0.0, "文", False),
        ("possible", 0.75, "文字", False),
        ("possible", 0.76, "文字", True),
        ("possible", 0.5, "words of English", True),
        ("possible", 0.75, "12345", False),
        (None, 0.9, "文", False),
    ],
)
def test_the_rule(grade: str | None, short: float, text: str, dropped: bool) -> None:
    assert drops(Overlap(grade, ("q",), 0.3, short=short), text) is dropped  # type: ignore[arg-type]
