"""Of near texts the later one goes only where it says nothing more: a dose, a ban, a name or a question keeps it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_makers import lines

from huatuo.checks.says_more import KINDS, more
from huatuo.cli_lines import describe
from huatuo.corpus import bulk, near
from huatuo.corpus.aside import texts_aside
from huatuo.corpus.spared import Spared
from huatuo.recipe_curate import CorpusSettings
from huatuo.store import read_manifest
from huatuo.text.joined import Places
from huatuo.text.minhash import bands


@pytest.mark.parametrize(
    ("text", "other", "kind"),
    [
        ("口服，一次5g，一日2次。", "口服，一次4片，一日2次。", "number"),
        ("口服，一次2片，一日3次。", "口服，一次3片，一日2次。", "number"),  # the same numbers, otherwise placed
        ("成人一次2片，儿童一次2片。", "成人一次1片，儿童一次2片。", "number"),  # 2 stands elsewhere in both
        ("口服，每日三次，饭后服。", "口服，每日两次，饭后服。", "number"),
        ("Take 20 mg once, then rest.", "Take 10 mg once, then rest.", "number"),
        ("What is syndrome 8? It is rare.", "What is syndrome 5? It is rare.", "number"),
        ("口服，一次0.5g。", "口服，一次500毫克。", None),  # one quantity in two spellings
        ("（3）卧床休息。", "3、卧床休息。", None),  # marks of a list
        ("本文发表于2021年，作者是医生。", "本文发表于2019年，作者是医生。", None),
        ("已有12345人阅读，多喝水。", "已有98765人阅读，多喝水。", None),
        ("孕妇禁用，儿童慎用。", "孕妇可用，儿童慎用。", "stance"),
        ("The tumour has spread to the lung. It is large.", "The tumour has not spread to the lung. It is large.", "stance"),
        ("多休息，多喝水，忌食生冷辛辣。", "多休息，多喝水。", "stance"),
        ("多休息，多喝水。", "多休息，多喝水，忌食生冷辛辣。", None),  # what only the earlier one says is not lost
        ("Is Alpha syndrome inherited in a family", "Is Beta syndrome inherited in a family", "name"),
        ("Mutations of the FGFR3 gene cause it.", "Mutations of the SCNN1B gene cause it.", "name"),
        ("Causes of it are many.", "Reasons of it are many.", None),  # a sentence begins so
        ("Is dysplasia inherited? This is.", "Is dystrophy inherited? This is.", "question"),
        ("哪家医院好？多休息。", "怎么预防？多休息。", "question"),
        ("发热、咳嗽、乏力，多见于儿童。", "发热、咳嗽和乏力，多见于儿童。", None),
        ("同一段文字。", "同一段文字。", None),
        ("", "", None),
        ("", "一次5g。", None),
    ],
)  # fmt: skip
def test_what_a_text_says_more(text: str, other: str, kind: str | None) -> None:
    assert more(text, other) == kind
    assert more(text, other, ()) is None
    if kind:
        assert more(text, other, [one for one in KINDS if one != kind]) != kind


HAN = [chr(0x4E00 + place) for place in range(0, 6000, 3)]


def monographs(count: int) -> list[str]:
    """Texts, then for each one that differs in its dose, and one that differs in a word."""
    dice = random.Random(4)
    bodies = ["，".join("".join(dice.choices(HAN, k=12)) for _ in range(12)) for _ in range(count)]
    first = [f"{body}。口服，一次10mg。" for body in bodies]
    dose = [f"{body}。口服，一次20mg。" for body in bodies]
    word = [f"{body[:40]}某{body[41:]}。口服，一次10mg。" for body in bodies]
    return first + dose + word


def found_of(texts: Sequence[str], spared: Spared | None) -> dict[str, near.Neighbour]:
    made, filled = bands(texts)
    assert filled.all()

    def picked(places: Places) -> list[str]:
        return [texts[place] for place in places.tolist()]

    return near.neighbours(near.Rows([f"{n:05}" for n in range(len(texts))], made, picked), spared=spared)


def test_a_dose_keeps_a_text_and_a_word_does_not() -> None:
    texts, spared = monographs(400), Spared(KINDS)
    pure, found = found_of(texts, None), found_of(texts, spared)
    assert set(pure) == {f"{n:05}" for n in range(400, 1200)}
    assert set(found) == {f"{n:05}" for n in range(800, 1200)}
    assert all(int(hit.witness) == int(name) - 800 for name, hit in found.items())  # not the nearer one of another dose
    assert spared.said == {f"{n:05}": "number" for n in range(400, 800)}
    assert spared.counts([f"{n:05}" for n in range(500)]) == {"number": 100}


def test_without_kinds_the_papers_rule_is_unchanged() -> None:
    texts = monographs(100)
    spared = Spared(())
    assert found_of(texts, spared) == found_of(texts, None)
    assert spared.said == {}


def test_the_same_whatever_is_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = monographs(200)
    whole, counted = found_of(texts, one := Spared(KINDS)), one.said
    monkeypatch.setattr(near, "AT_ONCE", 7)
    assert found_of(texts, two := Spared(KINDS)) == whole
    assert two.said == counted
    assert len(counted) == 200


def test_a_text_that_another_part_finds_a_witness_for_is_not_counted_as_kept() -> None:
    spared = Spared(KINDS)
    texts = ["一次10mg。", "一次20mg。", "一次20mg。"]
    one = spared.alike(np.array([2]), np.array([0]), np.array([0.9]), texts, np.array([[2], [0]]))
    two = spared.alike(np.array([2]), np.array([1]), np.array([0.8]), texts, np.array([[2], [1]]))
    spared.settle(str)
    assert (one.tolist(), two.tolist(), spared.said) == ([False], [True], {})


def kept(out: Path, path: Path, **options: Any) -> tuple[list[str], dict[str, int], str]:
    """Ids that are left, what near passages were kept for, and the line that the stage is told by."""
    source = {"name": "s", "path": path, "id": "id"}
    list(bulk.curate(CorpusSettings.model_validate({"sources": [source], **options}), out))
    rows = [row for file in sorted((out / "kept").glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    assert len(rows) == read_manifest(out / "kept").kept + sum(read_manifest(out / "kept").dropped.values())
    return [row["id"] for row in rows if not row["reason"]], bulk.spared_of(out), describe(read_manifest(out / "kept"))


@pytest.mark.slow
def test_the_recipe_decides_and_the_count_is_told(tmp_path: Path) -> None:
    texts = monographs(350)
    path = lines(tmp_path / "m.jsonl", [{"id": f"{n:05}", "text": text} for n, text in enumerate(texts)])
    asked, counts, line = kept(tmp_path / "a", path, near_keeps=KINDS)
    pure, none, plain = kept(tmp_path / "b", path)
    assert (len(pure), none) == (350, {})
    assert set(kept(tmp_path / "a", path, near_keeps=())[0]) == set(pure)  # made anew in the same folder
    assert set(pure) < set(asked)
    assert counts["number"] >= 300
    assert f"kept though near: {counts['number']} number" in line
    assert "kept though near" not in plain


# ---------------------------------------------------------------- with witnesses in meaning


def told(count: int) -> dict[str, str]:
    """Monographs (m), each again with another dose (n), and both in another order of their clauses (s, d)."""
    dice = random.Random(6)
    found = {}
    for number in range(count):
        clauses = ["".join(dice.choices(HAN, k=12)) for _ in range(10)]
        orders = [dice.sample(clauses, 10) for _ in range(2)]
        for kind, order, dose in (("m", clauses, 10), ("n", clauses, 20), ("s", orders[0], 10), ("d", orders[1], 20)):
            found[f"{kind}{number:04}"] = "，".join(order) + f"。口服，一次{dose}mg。"
    return found


def outcomes(
    out: Path, texts: dict[str, str], batch_rows: int = 0, **options: Any
) -> tuple[dict[str, str], dict[str, int]]:
    """Name of each text → the rule that dropped it, and what near passages were kept for."""
    path = lines(out.with_suffix(".jsonl"), [{"id": name, "text": text} for name, text in texts.items()])
    source = {"name": "s", "path": path, "id": "id"}
    given: dict[str, Any] = {"sources": [source], "semantic": 80, **options}
    list(bulk.curate(CorpusSettings.model_validate(given), out, batch_rows=batch_rows))
    rows = [row for file in sorted((out / "kept").glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    names = {text: name for name, text in texts.items()}
    return {names[row["normal"]]: row["reason"].partition(":")[0] for row in rows}, bulk.spared_of(out)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, int]]:
    return outcomes(tmp_path_factory.mktemp("asked") / "out", told(260), near_keeps=KINDS)


def test_a_dose_keeps_a_passage_from_its_witness_in_meaning_too(
    asked: tuple[dict[str, str], dict[str, int]], tmp_path: Path
) -> None:
    found, counts = asked
    texts = told(260)
    assert set(found) == set(texts)
    left = [name for name, rule in found.items() if not rule]
    assert {(name[1:], texts[name][-5:]) for name in left} == {(name[1:], text[-5:]) for name, text in texts.items()}
    assert 520 <= len(left) <= 560  # of nearly all, one of the two that say the same goes
    # of each monograph the first one is near nothing; what was near and kept, and then dropped by meaning, is not kept
    assert len(left) - 280 <= counts["number"] <= len(left) - 260
    pure, none = outcomes(tmp_path / "pure", texts)
    assert none == {}
    assert sum(not rule for rule in pure.values()) < 300


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"engine": "pool:2", "batch_rows": 77}, {"batch_rows": 13}])
def test_every_engine_and_batch_spares_the_same(
    asked: tuple[dict[str, str], dict[str, int]], options: dict[str, Any], tmp_path: Path
) -> None:
    found = outcomes(tmp_path / "out", told(260), near_keeps=KINDS, **options)
    assert found == asked


def test_texts_wait_on_disk_until_they_are_asked_for(tmp_path: Path) -> None:
    rows = {f"{n * 7919 % 1009:04}": "字" * (n % 5) + str(n) for n in range(1000)}
    with texts_aside(rows.items(), tmp_path / "t") as read:
        assert read([*rows, *reversed(rows)]) == [*rows.values(), *reversed(rows.values())]
        with pytest.raises(KeyError, match="nobody"):
            read(["nobody"])
    with texts_aside((), tmp_path / "t") as read, pytest.raises(KeyError):
        read(["0000"])
    assert not list(tmp_path.iterdir())
