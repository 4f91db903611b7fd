"""Passages and pairs are held against exams by one rule: the same table of cases gives the same answer at both doors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from huatuo.checks.exam_copies import indexes
from huatuo.corpus.decontaminate import contaminated_batch
from huatuo.recipe import UnifySettings
from huatuo.records import Dropped, Option, Question
from huatuo.store import read, writing
from huatuo.synth.unify import unify

BOILERPLATE = "下列关于本病的诊断与治疗的叙述中哪一项是错误的"
HAN = [chr(0x4E00 + place) for place in range(0, 9000, 3)]
WORDS = ["".join(random.Random(i).choices("etaoinshrdlucm", k=random.Random(-i).randint(4, 9))) for i in range(2500)]


class Case(NamedTuple):
    kind: str
    text: str
    asked: str
    """Id of the question that the text copies or resembles."""


LEAST = {
    "exact": 1.0,
    "exact, in a line with its options": 1.0,
    "a quarter cut off": 0.97,
    "3 % of the characters changed": 0.9,
    "a short question with its answer": 1.0,
    "boilerplate with its options": 1.0,
}
"""Least share of each kind of copy that is dropped."""

NEVER = ("boilerplate alone", "a short question without its answer", "a term of the stem", "options alone", "clean")
"""Kinds that are no copies."""


def _words(dice: random.Random, tongue: str, count: int) -> str:
    return " ".join(dice.choices(WORDS, k=count)) if tongue == "en" else "".join(dice.choices(HAN, k=count))


def _question(dice: random.Random, number: int, tongue: str, size: int) -> Question:
    stem = _words(dice, tongue, size) + ("，" + BOILERPLATE if number % 4 == 0 and size > 20 else "")
    texts = [_words(dice, tongue, 3 if tongue == "en" else 7) for _ in range(4)]
    options = tuple(Option(label=label, text=text) for label, text in zip("ABCD", texts, strict=True))
    return Question(id=f"{tongue}{number:04}", exam="e", kind="single", stem=stem, options=options, gold=("B",))


def questions() -> list[Question]:
    """150 long Chinese and 20 English questions, a quarter of them ending alike, sixty short ones, and twenty whose whole
    stem is boilerplate."""
    dice = random.Random(5)
    made = [
        _question(dice, n, tongue, dice.randint(26, 40) - 8 * (tongue == "en"))
        for tongue, count in (("zh", 150), ("en", 20))
        for n in range(count)
    ]
    made += [_question(dice, 500 + n, "zh", 9) for n in range(60)]
    alike = [_question(dice, 800 + n, "zh", 9).model_copy(update={"stem": BOILERPLATE}) for n in range(20)]
    return made + alike


def _changed(stem: str, dice: random.Random) -> str:
    letters = list(stem)
    for place in dice.sample(range(len(letters)), max(1, round(0.03 * len(letters)))):
        letters[place] = dice.choice("etaoin") if letters[place].isascii() else dice.choice(HAN)
    return "".join(letters)


def cases(asked: list[Question]) -> Iterator[Case]:
    dice = random.Random(6)
    for one in asked:
        stem, options = one.stem, [option.text for option in one.options]
        around = [_words(dice, one.id[:2], 9) + ("。" if one.id[:2] == "zh" else ".") for _ in range(2)]
        if int(one.id[2:]) >= 800:
            listed = "\n".join(options)
            yield Case("boilerplate with its options", f"{around[0]}\n{stem}\n{listed}\n{around[1]}", one.id)
            continue
        if int(one.id[2:]) >= 500:
            yield Case("a short question with its answer", f"{around[0]}\n{stem}？\n{options[1]}", one.id)
            yield Case("a short question without its answer", f"{around[0]}\n{stem}？\n{around[1]}", one.id)
            continue
        listed = "\n".join(options)
        yield Case("exact", f"{around[0]}\n{stem}\n{listed}\n{around[1]}", one.id)
        inline = " ".join(f"{label} {text}" for label, text in zip("ABCD", options, strict=True))
        yield Case("exact, in a line with its options", f"{around[0]} {stem} {inline} {around[1]}", one.id)
        yield Case("a quarter cut off", f"{around[0]}\n{stem[len(stem) // 4 :]}\n{listed}\n{around[1]}", one.id)
        yield Case("3 % of the characters changed", f"{around[0]}\n{_changed(stem, dice)}\n{listed}", one.id)
        yield Case("a term of the stem", f"{around[0]} {stem[:8]} {around[1]}", one.id)
        yield Case("options alone", f"{around[0]}\n{listed}\n{around[1]}", one.id)
    for _ in range(100):
        yield Case("boilerplate alone", f"{_words(dice, 'zh', 20)}\n{BOILERPLATE}？\n{_words(dice, 'zh', 20)}", "")
        yield Case("clean", _words(dice, "zh", 80), "")


@pytest.fixture(scope="module")
def table() -> tuple[list[Question], list[Case]]:
    asked = questions()
    return asked, list(cases(asked))


def of_passages(asked: list[Question], texts: list[str]) -> dict[int, tuple[str, str]]:
    """Place → witness and reason, at the door of curation."""
    batch = pa.RecordBatch.from_pydict({"normal": texts, "witness": [""] * len(texts)})
    judged = contaminated_batch(batch, indexes(asked)).to_pylist()
    return {n: (row["witness"], row["reason"].partition(": ")[2]) for n, row in enumerate(judged) if row["reason"]}


def of_pairs(maker: Any, asked: list[Question], texts: list[str]) -> dict[int, tuple[str, str]]:
    """The same at the door of the training set."""
    pairs = [maker.pair(text, "请看书。") for text in texts]
    folder = maker.folder / "unify"
    with writing(folder, stage="unify", key="k") as out:
        folders = maker.write("synth", {"pairs": pairs}), maker.write("questions", {"questions": asked})
        unify(UnifySettings(), *folders, 1, out)
    places = {pair.id: place for place, pair in enumerate(pairs)}
    return {places[d.record_id]: (d.witness, d.reason) for d in read(folder, "dropped", Dropped)}


@pytest.mark.slow
def test_both_doors_drop_the_same_copies_for_the_same_reason(
    table: Any, maker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huatuo.synth.unify.lint", lambda messages: {})  # not asked here, and most of the time
    asked, made = table
    texts = [case.text for case in made]
    passages, pairs = of_passages(asked, texts), of_pairs(maker, asked, texts)
    assert passages == pairs
    assert len(texts) > 1_000
    for kind, least in LEAST.items():
        places = [n for n, case in enumerate(made) if case.kind == kind]
        found = [n for n in places if n in passages]
        assert len(found) >= least * len(places), kind
        assert all(passages[n][0] == made[n].asked for n in found), kind
    assert not {made[n].kind for n in passages} & set(NEVER)
    assert {case.kind for case in made} == {*LEAST, *NEVER}


def test_the_reason_names_grade_share_exam_and_question(table: Any) -> None:
    asked, made = table
    found = of_passages(asked, [next(case.text for case in made if case.kind == "exact")])
    assert found == {0: ("zh0000", "exact, 100% of the n-grams of e question zh0000")}
