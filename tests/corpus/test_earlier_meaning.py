"""Texts of nearly the same words as those of earlier corpora go, with their witness, and earlier decisions stay."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_makers import lines

from huatuo.checks.says_more import KINDS
from huatuo.corpus import bulk, semantic, vector_table
from huatuo.corpus.band_table import BandTable
from huatuo.corpus.vector_table import SETTINGS, Meaning, Remembered, VectorTable, entry_of
from huatuo.errors import DataError
from huatuo.recipe_curate import CorpusSettings

HAN = [chr(0x4E00 + place) for place in range(0, 6000, 2)]
WORDS = ["".join(random.Random(i).choices(HAN, k=2)) for i in range(1500)]


def clauses(count: int, seed: int) -> list[list[str]]:
    dice = random.Random(seed)
    return [["".join(dice.choices(WORDS, k=6)) for _ in range(8)] for _ in range(count)]


def rows_of(name: str, texts: list[list[str]], shuffled: int = 0) -> list[dict[str, Any]]:
    """Texts as records; with a seed their clauses stand in another order."""
    dice = random.Random(shuffled)
    told = ["，".join(dice.sample(text, 8) if shuffled else text) + "。" for text in texts]
    return [{"id": f"{name}{n:05}", "text": text} for n, text in enumerate(told)]


FIRST, SECOND = clauses(600, 1), clauses(400, 2)
OLD = rows_of("a", FIRST)
LATER = [*rows_of("b", SECOND), *rows_of("c", FIRST[:300], 3)]
THIRD = [*rows_of("d", clauses(200, 4)), *rows_of("e", FIRST[200:400], 5), *rows_of("f", SECOND[:100], 6)]


def source(folder: Path, name: str, rows: list[dict[str, Any]], priority: int = 0) -> dict[str, Any]:
    path = folder / f"{name}.jsonl"
    return {"name": name, "path": path if path.exists() else lines(path, rows), "id": "id", "priority": priority}


def go(out: Path, *sources: dict[str, Any], **options: Any) -> list[bulk.Done]:
    given = {"sources": sources, "semantic": 85, **options}
    return list(bulk.curate(CorpusSettings.model_validate(given), out, batch_rows=777))


def verdicts(out: Path, name: str) -> dict[str, tuple[str, str]]:
    """Id → reason and witness of the passages of one source."""
    rows = [row for path in sorted((out / "kept").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {row["id"]: (row["reason"], row["witness"]) for row in rows if row["origin"]["source"] == name}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three corpora, one after the other."""
    folder = tmp_path_factory.mktemp("three")
    for name, rows in (("one", OLD), ("two", LATER), ("three", THIRD)):
        go(folder / name, source(folder, name, rows), earlier=folder / "bands")
    return folder


def test_a_shuffled_copy_goes_with_its_witness_of_an_earlier_corpus(three: Path) -> None:
    first = set(verdicts(three / "one", "one"))
    found = verdicts(three / "two", "two")
    gone = {row: said for row, said in found.items() if said[0]}
    assert len(found) == 700
    assert len(gone) >= 240
    alike = [reason for reason, _ in gone.values() if not reason.startswith("near_duplicate")]
    assert len(alike) >= 200
    assert all(reason.startswith("semantic_duplicate: cosine 0.") for reason in alike)
    assert all(witness in first for _, witness in gone.values())
    last = {witness for reason, witness in verdicts(three / "three", "three").values() if reason}
    assert len(last & first) >= 100  # texts of the first corpus in a third order
    assert len(last & set(found)) >= 50


@pytest.mark.slow
def test_one_after_the_other_is_all_at_once_by_the_same_index(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = BandTable(three / "bands").meaning
    assert table is not None
    monkeypatch.setattr(semantic, "fit", lambda rows, *_: [*rows] and table.index)
    given = (("one", OLD), ("two", LATER), ("three", THIRD))
    go(tmp_path / "out", *(source(three, name, rows, place) for place, (name, rows) in enumerate(given)))
    for name, _ in given:
        assert verdicts(tmp_path / "out", name) == verdicts(three / name, name)


def with_doses(name: str, texts: list[list[str]], dose: int, shuffled: int = 0) -> list[dict[str, Any]]:
    return rows_of(name, [[*text[:7], f"{text[7]}口服一次{dose}mg"] for text in texts], shuffled)


@pytest.mark.slow
def test_a_dose_keeps_a_passage_from_its_witness_in_meaning_also_of_an_earlier_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = with_doses("a", FIRST[:300], 10)
    two = [*with_doses("b", FIRST[:100], 10, 3), *with_doses("c", FIRST[100:200], 20, 4)]
    three = [
        *with_doses("d", FIRST[100:200], 20, 5),
        *with_doses("e", FIRST[200:300], 30, 6),
        *rows_of("f", SECOND[:50]),
    ]
    given, options = {"one": one, "two": two, "three": three}, {"near_keeps": KINDS, "semantic": 80}
    for name, rows in given.items():
        go(tmp_path / name, source(tmp_path, name, rows), earlier=tmp_path / "bands", **options)
    two_said, three_said = verdicts(tmp_path / "two", "two"), verdicts(tmp_path / "three", "three")
    gone = {row for row, said in two_said.items() if said[0]}
    assert 80 <= len(gone) <= 100  # the same dose; no other dose went
    assert {two_said[row][1] for row in gone} <= set(verdicts(tmp_path / "one", "one"))
    witnesses = {witness for reason, witness in three_said.values() if reason}
    assert 80 <= len(witnesses) <= 100
    assert witnesses <= set(two_said) - gone  # those of the same dose, not the nearer ones of another
    assert sum(bulk.spared_of(tmp_path / "three").values()) >= 80
    table = BandTable(tmp_path / "bands").meaning
    assert table is not None
    monkeypatch.setattr(semantic, "fit", lambda rows, *_: [*rows] and table.index)
    sources = [source(tmp_path, name, rows, place) for place, (name, rows) in enumerate(given.items())]
    go(tmp_path / "out", *sources, **options)
    for name in given:
        assert verdicts(tmp_path / "out", name) == verdicts(tmp_path / name, name)


@pytest.mark.slow
def test_the_same_command_again_judges_as_before(three: Path, tmp_path: Path) -> None:
    for name, rows in (("one", OLD), ("two", LATER), ("three", THIRD)):
        given = source(three, name, rows)
        done = go(three / name, given, earlier=three / "bands")
        assert all(stage.skipped for stage in done)
        elsewhere = go(tmp_path / name, given, earlier=three / "bands")
        assert elsewhere[3].manifest.digest == done[3].manifest.digest
    assert len(json.loads((three / "bands" / "manifest.json").read_text())["corpora"]) == 3


@pytest.mark.slow
def test_killed_before_the_table_grew_the_same_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"earlier": tmp_path / "bands"}

    def killed(self: Meaning, path: Path, ids: pa.StringArray) -> int:
        path.write_bytes(b"half of a file")
        raise KeyboardInterrupt

    go(tmp_path / "one", source(tmp_path, "one", OLD[:300]), **options)
    later = source(tmp_path, "two", LATER[350:550])
    with monkeypatch.context() as patched:
        patched.setattr(Meaning, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "two", later, **options)
    assert len(BandTable(tmp_path / "bands").added) == 1
    done = go(tmp_path / "two", later, **options)
    assert [stage.skipped for stage in done] == [True, True, True, True, False]
    table = BandTable(tmp_path / "bands")
    assert len(table.added) == 2
    go(tmp_path / "three", source(tmp_path, "three", rows_of("g", SECOND[350:400], 8)), **options)
    second = set(verdicts(tmp_path / "two", "two"))
    assert sum(witness in second for _, witness in verdicts(tmp_path / "three", "three").values()) >= 35
    assert not [path for path in (tmp_path / "two").iterdir() if path.name.startswith(".vectors-")]


@pytest.mark.slow
def test_vectors_are_there_of_all_corpora_or_of_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = source(tmp_path, "one", OLD[:60]), source(tmp_path, "two", LATER[:60])
    go(tmp_path / "a", one, earlier=tmp_path / "with")
    go(tmp_path / "b", one, earlier=tmp_path / "without", semantic=0)
    with pytest.raises(DataError, match=r"added with vectors .*set corpus.semantic"):
        go(tmp_path / "c", two, earlier=tmp_path / "with", semantic=0)
    with pytest.raises(DataError, match=r"added without vectors .*leave corpus.semantic out"):
        go(tmp_path / "d", two, earlier=tmp_path / "without")
    assert not (tmp_path / "c" / "kept").exists()


@pytest.mark.slow
def test_vectors_of_another_version_and_a_damaged_index_are_refused(tmp_path: Path) -> None:
    go(tmp_path / "a", source(tmp_path, "one", OLD[:60]), earlier=tmp_path / "bands")
    path, two = tmp_path / "bands" / "manifest.json", source(tmp_path, "two", LATER[:60])
    whole = path.read_text()
    for known, other in ((semantic.LEXICAL, "lexical-0"), (SETTINGS, SETTINGS.replace("18", "20"))):
        path.write_text(whole.replace(f'"{known}"', f'"{other}"'))
        with pytest.raises(DataError, match="cannot be compared"):
            go(tmp_path / "b", two, earlier=tmp_path / "bands")
    path.write_text(whole)
    (index,) = (tmp_path / "bands").glob("meaning-*.npz")
    semantic.fit([("x", "另一个索引的文字")]).save(index)
    with pytest.raises(DataError, match="not the index that the manifest names"):
        go(tmp_path / "b", two, earlier=tmp_path / "bands")
    index.write_bytes(b"half")
    with pytest.raises(DataError, match="not an index"):
        go(tmp_path / "b", two, earlier=tmp_path / "bands")


@pytest.mark.slow
def test_a_second_corpus_of_copies_alone_has_nothing_to_learn_from_and_says_so(tmp_path: Path) -> None:
    go(tmp_path / "a", source(tmp_path, "one", OLD[:60]), earlier=tmp_path / "bands")
    copies = [{**row, "id": f"x{row['id']}"} for row in OLD[:60]]
    with pytest.raises(Exception, match="no passage is left: 60 duplicate"):
        go(tmp_path / "b", source(tmp_path, "two", copies), earlier=tmp_path / "bands")


@pytest.mark.slow
def test_a_cluster_is_read_from_all_corpora_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_table, "GROUP_ROWS", 7)
    dice = np.random.default_rng(1)
    index = semantic.fit([(row["id"], row["text"]) for row in OLD])
    files: list[Path] = []
    expected: dict[Any, tuple[list[str], list[Any]]] = {number: ([], []) for number in range(-1, 8)}
    for corpus in range(3):
        rows: list[dict[str, Any]] = [
            {"id": f"{corpus}{n:04}", "priority": int(n % 2), "cluster": int(dice.integers(0, 6)),
             "vector": dice.integers(-127, 128, semantic.WIDTH).astype(np.int8).tobytes()}
            for n in range(400)
        ]  # fmt: skip
        files.append(tmp_path / f"{corpus}.parquet")
        shuffled = random.Random(corpus).sample([*rows, {**rows[0], "id": "none", "vector": None}], 401)
        banded = [row["id"] for row in reversed(rows)][:390]  # the others are too short to have bands
        assert Meaning(index, pa.Table.from_pylist(shuffled)).write(files[-1], pa.array(banded)) == 400
        for row in sorted(rows, key=lambda row: (row["priority"], row["id"])):
            expected[row["cluster"]][0].append(row["id"])
            expected[row["cluster"]][1].append(row["vector"])
    index.save(tmp_path / entry_of(index)["index"])
    held = [f"{corpus}{399 - n:04}" for corpus in range(3) for n in range(390)]
    starts = {file: 390 * corpus for corpus, file in enumerate(files)}
    table = VectorTable(tmp_path, entry_of(index), starts, lambda places: [held[place] for place in places.tolist()])
    for number in [*range(-1, 8), 3, 0]:
        ids, vectors = table.cluster(number)
        assert (ids, [vector.tobytes() for vector in vectors]) == expected[number]
        backwards = np.arange(len(ids))[::-1]
        said = [name if name in held else "" for name in ids]
        assert table.texts(number, backwards) == said[::-1]
        assert table.texts(number, backwards[:0]) == []


def test_what_a_later_rule_dropped_is_remembered_and_what_an_earlier_one_dropped_is_not() -> None:
    index = semantic.fit([(row["id"], row["text"]) for row in OLD[:50]])
    why = ["", "semantic_duplicate: x", "contaminated: x", "near_duplicate: x", "duplicate: x", "too_short: 3"]
    batch = pa.RecordBatch.from_pylist(
        [{"id": reason, "normal": OLD[0]["text"], "reason": reason, "origin": {"source": "s"}} for reason in why]
    )
    made = Remembered(index, {"s": 4})(batch).to_pylist()
    assert [row["id"] for row in made if row["vector"] is not None] == why[:3]
    assert {row["priority"] for row in made} == {4}


THREADS = """
import sys, numpy as np, pyarrow as pa
from huatuo.corpus import semantic
texts = [line.rstrip("\\n") for line in sys.stdin]
rows = [{"id": f"{n:05}", "normal": text} for n, text in enumerate(texts)]
index = semantic.fit([(row["id"], row["normal"]) for row in rows])
found = semantic.alike([semantic.vector_batch(pa.RecordBatch.from_pylist(rows), index)], 80)
print(index.digest(), sorted(found.items()))
"""


@pytest.mark.slow
def test_threads_of_the_machine_change_nothing() -> None:
    told = "\n".join(row["text"] for row in [*OLD, *rows_of("c", FIRST[:400], 3)])
    said = set()
    for threads in ("1", "4"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        made = subprocess.run(
            [sys.executable, "-c", THREADS], input=told, env=os.environ | limits, capture_output=True, text=True, check=True
        )  # fmt: skip
        said.add(made.stdout)
    assert len(said) == 1
    assert next(iter(said)).count("Alike(") > 300
