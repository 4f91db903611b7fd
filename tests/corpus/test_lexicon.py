"""Lexicons: reading, whole words, open ends, weights, density, thresholds."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from huatuo import store
from huatuo.cli import cli
from huatuo.corpus import bulk
from huatuo.corpus.lexicon import (
    ENGLISH,
    EVERYDAY,
    FULL,
    GENERAL,
    Lexicon,
    best,
    calibrate,
    density_batch,
    domain_batch,
    is_dense,
    of_graph,
    of_names,
    read,
)
from huatuo.corpus.normalise import TABLE, normalise
from huatuo.errors import InputError, StageError
from huatuo.recipe_curate import CorpusSettings, LexiconSettings
from huatuo.records import Entity, Origin


def covered(terms: dict[str, int] | list[str], text: str) -> float:
    weights = terms if isinstance(terms, dict) else dict.fromkeys(terms, FULL)
    return Lexicon(weights).density(text)[0] / FULL


@pytest.mark.parametrize(
    ("terms", "text", "chars"),
    [
        (["高血压"], "高血压患者", 3),
        (["高血压", "血压"], "高血压，血压", 5),
        (["糖尿病", "糖尿病足", "足部"], "糖尿病足部溃疡", 4),
        (["甲乙", "乙丙丁"], "甲乙丙丁", 2),
        (["cell"], "Cancellation of a cell, one CELL.", 8),
        (["cell"], "cells cell2 2cell précell cellé", 0),
        (["ct"], "行CT检查，CT值", 4),
        (["ct检查", "ct"], "行CT检查", 4),
        (["heart failure", "heart"], "Heart\nfailure and heart", 18),
        (["-itis"], "Gastritis and dermatitis.", 19),
        (["-itis"], "itises, citing", 0),
        (["cardi-"], "cardiology, electrocardiogram", 10),
        (["-graph-"], "angiographic", 12),
        ({"-emia": FULL, "academia": 0}, "leukemia in academia", 8),
        ({"-emia": FULL, "leukemia": GENERAL}, "leukemia", 2),
        ({"医院": GENERAL, "肺炎": FULL}, "医院肺炎", 2.5),
        (["β受体", "受体阻滞剂"], "β受体阻滞剂", 3),
        (["blood", "blood pressure", "pressure ulcer"], "blood pressure ulcer", 14),
        (["肺炎"], "", 0),
    ],
)
def test_what_terms_cover(terms: dict[str, int] | list[str], text: str, chars: float) -> None:
    assert covered(terms, text) == chars


@given(st.lists(st.text("甲乙丙", min_size=1, max_size=4), min_size=1, max_size=8), st.text("甲乙丙丁", max_size=40))
def test_the_leftmost_then_longest_of_han_terms_counts(terms: list[str], text: str) -> None:
    count = place = 0
    while place < len(text):
        longest = max((len(term) for term in terms if text.startswith(term, place)), default=0)
        count += longest
        place += longest or 1
    assert covered(terms, text) == count


@given(st.lists(st.text("ab -", min_size=1, max_size=4), min_size=1, max_size=8), st.text("ab c", max_size=40))
def test_any_latin_terms_cover_no_more_than_the_text(terms: list[str], text: str) -> None:
    kept = [term for term in terms if term.strip("- ")]
    if kept:
        weight, chars = Lexicon(dict.fromkeys(kept, FULL)).density(text)
        assert 0 <= weight <= FULL * chars == FULL * len(text)


def test_lists_in_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeff# words\r\n医院\t580436\r\n肺炎\t12\n\nHeart Failure\n!academia\n-itis\n皮肤\n".encode())
    found = read(path, general={"皮肤"}, general_from=100_000)
    assert found == {
        "医院": GENERAL,
        "肺炎": FULL,
        "heart failure": FULL,
        "academia": 0,
        "-itis": FULL,
        "皮肤": GENERAL,
    }
    assert read(path)["医院"] == FULL


@pytest.mark.parametrize(
    ("term", "text", "chars"),
    [
        ("⽩细胞", "白细胞计数", 3),
        ("白细胞", "⽩细胞计数", 3),
        ("ＣＴ检查", "行CT检查", 4),
        ("CT检查", "行ＣＴ检查", 4),
        ("青霉素\u200b钠", "青霉素钠", 4),
        ("㎎", "5 mg", 2),
        ("µg", "5 μg", 2),
        ("ＨＥＡＲＴ\u00a0failure", "of heart\nfailure", 13),
        ("heart\u2028failure", "heart failure", 13),
        ("ｃｅｌｌ", "cellar, a cell", 4),
        ("－itis", "gastritis", 0),  # full-width signs are punctuation, not marks of a list
    ],
)
def test_terms_are_normalised_as_texts_are(tmp_path: Path, term: str, text: str, chars: int) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"{term}\t７\n", encoding="utf-8")
    words = read(path)
    assert len(words) == 1
    assert Lexicon(words).density(normalise(text))[0] == FULL * chars
    assert read(path, general=read(path)) == dict.fromkeys(words, GENERAL)


def test_every_term_of_a_thousand_is_found_in_its_own_normalised_form(tmp_path: Path) -> None:
    odd = [character for character, _ in zip(map(chr, TABLE), range(400), strict=False) if normalise(character).strip()]
    terms = [f"甲{one}{chr(0x4E00 + n)}" for n in range(3) for one in odd]
    path = tmp_path / "words.txt"
    path.write_text("\n".join(terms), encoding="utf-8")
    lexicon = Lexicon(read(path))
    assert len(terms) > 1_000
    for term, (covered_, size) in zip(terms, lexicon.densities([normalise(term) for term in terms]), strict=True):
        assert covered_ == FULL * size, term


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("肺炎\n\u200b\t12\n".encode(), "words.txt:2: no word"),
        (b"ok\n\t12\n", "words.txt:2: no word"),
        ("肺炎\n   \n".encode(), "words.txt:2: no word"),
        (b"-\n", "words.txt:1: no word"),
        (b"ok\na\tmany\n", "words.txt:2: 'many' is no frequency"),
        (b"a\t-3\n", "words.txt:1: '-3' is no frequency"),
        ("肺炎\n".encode() + "肺炎".encode("gb18030") + b"\n", "words.txt:2: not UTF-8"),
        (b"# nothing\n", "no word in it"),
        (b"", "no word in it"),
    ],
)
def test_a_bad_list_is_refused_by_line(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        read(path)


def test_a_missing_list_and_an_empty_term_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="empty term"):
        Lexicon({"": FULL})


def test_names_of_a_graph_are_a_lexicon() -> None:
    assert of_names([" 肺炎 ", "癌", "皮肤", "COPD"], {"皮肤"}) == {"肺炎": FULL, "皮肤": GENERAL, "copd": FULL}
    assert of_names(["ＩＬ－６", "-a-", "--", "", " \n", "two\n words"]) == {"il－6": FULL, "two words": FULL}


def entities(folder: Path, *names: tuple[str, ...]) -> Path:
    """A finished ``ingest`` folder with entities of these names and other names."""
    with store.writing(folder, stage="ingest", key="k" + str(names)) as out:
        for number, (name, *aliases) in enumerate(names):
            origin = Origin(source="g", file="a", place=f"line {number}")
            out.write(
                "entities", Entity(id=f"e{number}", kind="k", name=name, aliases=tuple(aliases), origins=(origin,))
            )
        if not names:
            out.write("other", Entity(id="x", kind="k", name="x", origins=(Origin(source="g", file="a", place="1"),)))
    return folder


TOLD = [
    f"第{n}条记录：乙病与甲症的联系尚不清楚，记录到此为止，共{n * 7}字，供以后查阅和核对之用，请妥善保存。"
    for n in range(1000)
]


def curated(folder: Path, **lexicon: object) -> tuple[int, list[str]]:
    """Texts that a run drops as off the domain, and the stages that it made anew."""
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TOLD), encoding="utf-8")
    given = {"english": False, "least": 60, **lexicon}
    source = {"name": "s", "path": path}
    settings = CorpusSettings.model_validate({"sources": [source], "lexicon": given, "near": 0})
    done: list[str] = []
    try:
        done += [one.stage for one in bulk.curate(settings, folder / "out") if not one.skipped]
    except StageError:  # nothing is left
        done.append("clean")
    return store.read_manifest(folder / "out" / "clean").dropped.get("off_domain", 0), done


def test_entities_of_a_run_are_terms_of_the_recipe(tmp_path: Path) -> None:
    graph = entities(tmp_path / "ingest", ("甲症", "乙病"), ("丙",))
    assert of_graph(graph) == {"甲症": FULL, "乙病": FULL}
    assert curated(tmp_path, graphs=[graph]) == (0, list(bulk.VERSIONS))
    assert curated(tmp_path, graphs=[graph]) == (0, [])
    inputs = store.read_manifest(tmp_path / "out" / "clean").inputs
    assert [(entry.name, entry.rows) for entry in inputs][1:] == [("ingest", {"entities": 2})]
    entities(graph, ("甲症",), ("丙",))  # one name less: the stage is made again
    assert curated(tmp_path, graphs=[graph])[0] == 1000
    entities(graph, ("甲症", "乙病"), ("丙",))
    assert curated(tmp_path, graphs=[graph])[0] == 0
    (tmp_path / "w.txt").write_text("!乙病\n别的词\n", encoding="utf-8")  # a list goes before a graph
    assert curated(tmp_path, graphs=[graph], files=[tmp_path / "w.txt"])[0] == 1000


def test_a_graph_that_is_none_is_one_error_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, says in (
        (tmp_path / "nowhere", "no entities of a finished run.*--to ingest"),
        (tmp_path / "empty", "no entities of a finished run"),
        (entities(tmp_path / "none"), "no entities of a finished run"),
        (entities(tmp_path / "short", ("丙",)), "no entity has a name of two characters"),
    ):
        with pytest.raises(InputError, match=says):
            curated(tmp_path, graphs=[folder])
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="no terms: name word lists"):
        LexiconSettings()


def test_from_a_graph_file_through_ingest_to_passages_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("head,relation,tail\n甲症,症状,乙病\n", encoding="utf-8")
    (tmp_path / "g.toml").write_text(
        '[run]\nname = "g"\n[[ingest.graphs]]\nname = "g"\npath = "g.csv"\nformat = "triples"\n'
    )
    (tmp_path / "t.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in [*TOLD[:20], "无关的文字" * 20])
    )
    (tmp_path / "c.toml").write_text(
        '[run]\nname = "c"\n[corpus]\nnear = 0\n[corpus.lexicon]\ngraphs = ["runs/g/ingest"]\nleast = 10\n'
        '[[corpus.sources]]\nname = "s"\npath = "t.jsonl"\n'
    )
    for verb, recipe, *more in (["run", "g.toml", "--to", "ingest"], ["curate", "c.toml"]):
        said = CliRunner().invoke(cli, [verb, str(tmp_path / recipe), "--runs", str(tmp_path / "runs"), *more])
        assert said.exit_code == 0, said.output
    assert store.read_manifest(tmp_path / "runs" / "c" / "corpus" / "clean").dropped == {"off_domain": 1}


def test_the_lists_of_the_package_can_be_read_and_agree() -> None:
    general = read(EVERYDAY)
    english = read(ENGLISH, general)
    assert len(english) > 600
    assert {word for word in general if word.isascii()} <= set(english)
    lexicon = Lexicon(english)
    assert lexicon.density("Patients with pericarditis underwent echocardiography and appendectomy.")[0] >= 3600
    assert lexicon.density("An anatomy of sympathy in the academic geography of crustaceans.")[0] == 0


def test_density_is_whole_numbers_per_row() -> None:
    rows = [{"id": str(i), "normal": "肺炎" * (i % 3) + "甲" * (i % 5)} for i in range(1000)] + [
        {"id": "x", "normal": None}
    ]
    lexicon = Lexicon({"肺炎": FULL})
    made = density_batch(pa.RecordBatch.from_pylist(rows), lexicon)
    assert made.num_rows == 1001
    assert made.column("density").to_pylist()[1:3] == [{"covered": 200, "chars": 3}, {"covered": 400, "chars": 6}]
    assert made.column("density").to_pylist()[1000] == {"covered": 0, "chars": 0}
    judged = domain_batch(made, 500).column("reason").to_pylist()
    assert judged[1] == ""
    assert judged[3] == "off_domain: words of the field cover 0 of 3 characters, expected 50 %"
    assert judged[1000] == ""
    kept = domain_batch(pa.RecordBatch.from_pylist([{"density": {"covered": 0, "chars": 9}, "reason": "x: 1"}]), 500)
    assert kept.column("reason").to_pylist() == ["x: 1"]


@pytest.mark.parametrize(
    ("weight", "chars", "least", "dense"),
    [(100, 10, 100, True), (99, 10, 100, False), (0, 0, 100, True), (0, 5, 0, True), (100_000, 999, 1000, True)],
)
def test_the_threshold_is_exact(weight: int, chars: int, least: int, dense: bool) -> None:
    assert is_dense(weight, chars, least) is dense


def test_calibration_counts_precision_and_recall() -> None:
    densities = [(10 * i, 10) for i in range(11)]
    labels = [i >= 5 for i in range(11)]
    labels[2], labels[9] = True, False
    found = calibrate(densities, labels, [0, 50, 100, 101])
    assert [(one.kept, one.right, one.wanted) for one in found] == [(11, 6, 6), (6, 5, 6), (1, 1, 6), (0, 0, 6)]
    assert found[1].precision() == pytest.approx((5 / 6, 0.43650, 0.96994), abs=1e-4)
    assert found[3].precision() is None
    assert found[3].recall() == pytest.approx((0, 0, 0.39033), abs=1e-4)
    assert best(found).thousandths == 50
    assert "none" in found[3].line()
    assert "0.833 [0.436, 0.970]" in found[1].line()
    assert calibrate([], [], [5])[0].recall() is None


def test_calibration_refuses_what_means_nothing() -> None:
    with pytest.raises(ValueError, match="1 densities and 2 labels"):
        calibrate([(1, 1)], [True, False], [1])
    with pytest.raises(ValueError, match="no threshold keeps"):
        best(calibrate([(0, 10)], [True], [10]))


def test_a_large_list_takes_the_same_chars_as_plain_python() -> None:
    dice = random.Random(4)
    words = {"".join(chr(0x4E00 + dice.randrange(900)) for _ in range(dice.choice((2, 3, 4)))) for _ in range(8000)}
    known = sorted(words)
    text = "".join(
        dice.choice(known) if dice.random() < 0.3 else chr(0x4E00 + dice.randrange(900)) for _ in range(5000)
    )
    count = place = 0
    while place < len(text):
        longest = max((size for size in (2, 3, 4) if text[place : place + size] in words), default=0)
        count, place = count + longest, place + (longest or 1)
    assert covered(known, text) == count


def test_texts_searched_as_one_are_each_their_own() -> None:
    """No term reaches over the end of a text, and Han terms beside Latin ones count by characters."""
    dice = random.Random(3)
    weights = {"糖尿病": FULL, "尿病": FULL, "胰岛素": GENERAL, "病人": FULL, "b超": FULL}
    pieces = ["糖尿", "病", "人", "胰岛", "素", "B", "超", "\n", "é", "İ", "x", "𠀀", " diabetes ", "。"]
    texts = ["".join(dice.choices(pieces, k=dice.randint(0, 30))) for _ in range(1300)]
    for terms in (weights, weights | {"diabetes": FULL, "diabet-": GENERAL}):
        lexicon = Lexicon(terms)
        assert lexicon.densities(texts) == [lexicon.density(text) for text in texts]
        assert lexicon.densities(["糖尿", "病人"])[0] == (0, 2)
    plain = [text.lower().replace("\n", " ") for text in texts]
    longest = re.compile("|".join(sorted(weights, key=len, reverse=True)))
    expected = [sum(weights[m[0]] * len(m[0]) for m in longest.finditer(text)) for text in plain]
    assert [covered for covered, _ in Lexicon(weights).densities(texts)] == expected
    assert Lexicon({"diabetes": FULL}).densities(["Diabetes 糖", ""]) == [(800, 10), (0, 0)]
