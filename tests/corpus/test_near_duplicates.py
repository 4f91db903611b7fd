"""Near-duplicates: the rule, its independence of order and batches, and the table of an earlier corpus."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.corpus import near
from huatuo.corpus.band_table import BandTable
from huatuo.corpus.near import Neighbour, band_batch, near_batch, neighbours, ordered
from huatuo.errors import BusyError, DataError
from huatuo.store import content_id

LETTERS = [chr(0x4E00 + i) for i in range(800)]
Row = dict[str, object]


def rows_of(count: int, seed: int = 1) -> list[Row]:
    """Texts of 20 to 120 characters; a third are copies of earlier ones with some characters exchanged."""
    dice = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        if len(texts) > 5 and dice.random() < 0.35:
            copy = list(dice.choice(texts))
            for place in dice.sample(range(len(copy)), dice.randint(0, max(1, len(copy) // 15))):
                copy[place] = dice.choice(LETTERS)
            texts.append("".join(copy))
        else:
            texts.append("".join(dice.choices(LETTERS, k=dice.randint(20, 120))))
    return [{"id": content_id("t", str(seed), str(i)), "normal": text} for i, text in enumerate(texts)]


def batches(rows: list[Row], size: int) -> list[pa.RecordBatch]:
    return [band_batch(pa.RecordBatch.from_pylist(rows[i : i + size])) for i in range(0, len(rows), size)]


def found(rows: list[Row], size: int = 500) -> dict[str, Neighbour]:
    return neighbours(ordered(batches(rows, size)))


def added(table: BandTable, rows: near.Rows, corpus: str = "c1") -> None:
    keys = [content_id("key", name) for name in rows.ids]
    table.append(rows, [pa.RecordBatch.from_pydict({"key": keys, "id": list(rows.ids)})], corpus)


def jaccard(one: str, other: str) -> tuple[int, int]:
    a, b = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (one, other))
    return len(a & b), len(a | b)


@pytest.mark.slow
def test_every_witness_is_an_earlier_neighbour_and_few_are_missed() -> None:
    rows = rows_of(1000)
    texts = {str(row["id"]): str(row["normal"]) for row in rows}
    made = found(rows)
    assert made
    for row_id, neighbour in made.items():
        assert neighbour.witness < row_id
        assert (neighbour.shared, neighbour.either) == jaccard(texts[neighbour.witness], texts[row_id])
        assert neighbour.shared * 10 >= 7 * neighbour.either
    names = sorted(texts)
    grams = {name: {texts[name][i : i + 5] for i in range(len(texts[name]) - 4)} for name in names}
    owed = set()
    for place, name in enumerate(names):
        for other in names[:place]:
            shared = len(grams[name] & grams[other])
            if shared and shared * 10 >= 7 * len(grams[name] | grams[other]):
                owed.add(name)
                break
    assert len(owed) > 150
    assert set(made) <= owed
    assert len(owed - set(made)) <= 0.03 * len(owed)


@pytest.mark.slow
def test_batches_and_order_make_no_difference() -> None:
    rows = rows_of(1100, 2)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert found(rows) == found(rows[::-1], 77) == found(shuffled, 1) == found(shuffled, 1100)


def test_the_witness_is_the_nearest_and_of_those_alike_the_earliest() -> None:
    text = "".join(LETTERS[:60])
    far, close = text[:56] + "，，，，", text[:59] + "，"
    rows: list[Row] = [
        {"id": name, "normal": body} for name, body in [("a", far), ("b", close), ("c", close), ("d", text)]
    ]
    made = found(rows)
    assert made["d"].witness == "b"
    assert made["c"] == Neighbour("b", 56, 56)
    assert made["c"].jaccard == 1.0
    assert "a" not in made


def test_priority_goes_before_the_id() -> None:
    text = "".join(LETTERS[:60])
    rows: list[Row] = [{"id": "a", "normal": text, "priority": 2}, {"id": "z", "normal": text, "priority": 1}]
    assert found(rows) == {"a": Neighbour("z", 56, 56)}


def test_a_chain_is_not_one_cluster() -> None:
    """b is near a and c near b, but c is not near a: c goes because of b, d, near nothing, stays."""
    a = "".join(LETTERS[:100])
    b = "".join(LETTERS[15:115])
    c = "".join(LETTERS[30:130])
    made = found([{"id": name, "normal": text} for name, text in [("a", a), ("b", b), ("c", c), ("d", a[::-1])]])
    assert {name: neighbour.witness for name, neighbour in made.items()} == {"b": "a", "c": "b"}


def test_short_refused_and_missing_texts_have_no_bands() -> None:
    rows: list[Row] = [
        {"id": "a", "normal": "甲乙丙丁", "reason": ""},
        {"id": "b", "normal": "甲乙丙丁戊己", "reason": "too_short: x"},
        {"id": "c", "normal": None, "reason": None},
        {"id": "d", "normal": "甲乙丙丁戊己", "reason": None},
    ]
    made = band_batch(pa.RecordBatch.from_pylist(rows))
    assert [bands is None for bands in made.column("bands").to_pylist()] == [True, True, True, False]
    assert made.schema.field("bands").type == near.BANDS_TYPE
    assert neighbours(ordered([made])) == {}


def test_nothing_in_nothing_out() -> None:
    batch = pa.RecordBatch.from_pylist([], schema=pa.schema([("id", pa.string()), ("normal", pa.string())]))
    made = band_batch(batch)
    assert neighbours(ordered([made])) == {}
    assert near_batch(made, {}).num_rows == 0


def test_every_dropped_row_has_reason_witness_and_jaccard() -> None:
    rows = rows_of(1000, 3)
    made = found(rows)
    judged = near_batch(pa.RecordBatch.from_pylist([{**row, "reason": "", "witness": ""} for row in rows]), made)
    for row in judged.to_pylist():
        neighbour = made.get(row["id"])
        if neighbour is None:
            assert (row["reason"], row["witness"], row["jaccard"]) == ("", "", None)
        else:
            assert row["reason"] == f"near_duplicate: {neighbour.shared} of {neighbour.either} grams as the witness"
            assert (row["witness"], row["jaccard"]) == (neighbour.witness, neighbour.jaccard)
    kept = near_batch(
        pa.RecordBatch.from_pylist([{"id": "a", "reason": "x: 1", "witness": "w"}]), {"a": Neighbour("b", 1, 1)}
    )
    assert kept.to_pylist() == [{"id": "a", "reason": "x: 1", "witness": "w", "jaccard": None}]


@pytest.mark.parametrize("tenths", [0, 11, -1])
def test_a_threshold_that_means_nothing_is_refused(tenths: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 10"):
        neighbours(ordered(batches(rows_of(3), 3)), tenths=tenths)


def test_boilerplate_stays_linear() -> None:
    """A thousand copies of one text give two pairs each at most, not half a million."""
    made, _ = near.bands(["".join(LETTERS[:60])] * 1000)
    later, before = near.candidates((made[:, number] for number in range(made.shape[1])), 1000)
    assert len(later) == 1997
    assert (before < later).all()


# ---------------------------------------------------------------- earlier corpora


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 400), st.integers(0, 3))
def test_what_is_added_later_changes_no_earlier_decision(cut: int, seed: int) -> None:
    rows = sorted(rows_of(400, 10 + seed), key=lambda row: str(row["id"]))
    whole, early = found(rows), found(rows[:cut]) if cut else {}
    names = {str(row["id"]) for row in rows[:cut]}
    assert early == {name: neighbour for name, neighbour in whole.items() if name in names}


def test_two_corpora_one_after_the_other_are_one_in_order(tmp_path: Path) -> None:
    first, second = rows_of(700, 4), rows_of(700, 5)
    copies = [
        {"id": content_id("copy", str(row["id"])), "normal": str(row["normal"])[:-1] + "。"} for row in first[:300]
    ]
    second = second[:400] + copies
    table = BandTable(tmp_path / "bands")
    stale = BandTable(tmp_path / "bands")
    one = ordered(batches(first, 100))
    assert neighbours(one, table) == neighbours(one)
    added(table, one)
    again = BandTable(tmp_path / "bands")
    two = ordered(batches(second, 333))
    by_table = neighbours(two, again)
    assert len([row for row in copies if row["id"] in by_table]) >= 295
    together = ordered(
        batches([{**row, "priority": 1} for row in first] + [{**row, "priority": 2} for row in second], 200)
    )
    own = {str(row["id"]) for row in second}
    assert by_table == {name: near_ for name, near_ in neighbours(together).items() if name in own}
    with pytest.raises(BusyError, match="added to the band table meanwhile"):
        added(stale, two, "c2")
    added(again, two, "c2")
    assert len(again) == len(BandTable(tmp_path / "bands")) == 1400
    assert len(table) == len(BandTable(tmp_path / "bands", "c2")) == 700
    assert BandTable(tmp_path / "bands", "c2").digest == table.digest != again.digest
    assert table.exact(pa.chunked_array([[content_id("key", one.ids[3]), "other"]])) == {
        content_id("key", one.ids[3]): one.ids[3]
    }


def test_texts_and_ids_come_back_from_all_files_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huatuo.corpus.band_table.GROUP_ROWS", 64)
    table = BandTable(tmp_path / "bands")
    parts = [ordered(batches(rows_of(300, seed), 300)) for seed in (6, 7, 8)]
    for number, part in enumerate(parts):
        added(table, part, f"c{number}")
    places = np.arange(0, 900, 7)
    names = [name for part in parts for name in part.ids]
    texts = [text for part in parts for text in part.texts(np.arange(300))]
    assert table.ids(places) == [names[place] for place in places]
    assert table.texts(places) == [texts[place] for place in places]
    assert (table.band(3) == np.concatenate([part.bands[:, 3] for part in parts])).all()


def test_a_corpus_that_is_in_the_table_already_is_refused(tmp_path: Path) -> None:
    table = BandTable(tmp_path / "bands")
    rows = ordered(batches(rows_of(50), 50))
    added(table, rows)
    with pytest.raises(DataError, match="50 of the texts are in the table already"):
        added(table, rows, "c2")
    assert len(BandTable(tmp_path / "bands")) == 50


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"algorithm": "rensa-2 char5 16x8"}, "they cannot be compared"),
        ({"format": 9}, "layout 9, expected 3"),
        (
            {"corpora": [{"corpus": "c1", "bands": {"name": "bands-00001.parquet", "rows": 3}}]},
            "not the file that the manifest names",
        ),
        ({"corpora": [{"corpus": "c1", "bands": {"name": "bands-00009.parquet", "rows": 3}}]}, "cannot be read"),
    ],
)
def test_a_table_of_another_kind_or_a_damaged_one_is_refused(tmp_path: Path, change: Row, says: str) -> None:
    table = BandTable(tmp_path / "bands")
    added(table, ordered(batches(rows_of(50), 50)))
    path = tmp_path / "bands" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=says):
        BandTable(tmp_path / "bands")


def test_half_a_manifest_and_half_a_file_are_refused(tmp_path: Path) -> None:
    table = BandTable(tmp_path / "bands")
    added(table, ordered(batches(rows_of(50), 50)))
    file = tmp_path / "bands" / "bands-00001.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    with pytest.raises(DataError, match="cannot be read"):
        BandTable(tmp_path / "bands")
    file.write_bytes(whole)
    (tmp_path / "bands" / "manifest.json").write_text('{"format": 2')
    with pytest.raises(DataError, match="not the manifest"):
        BandTable(tmp_path / "bands")


def test_a_file_that_the_manifest_does_not_name_does_not_count(tmp_path: Path) -> None:
    """What a killed append leaves."""
    table = BandTable(tmp_path / "bands")
    added(table, ordered(batches(rows_of(50, 1), 50)))
    (tmp_path / "bands" / "bands-00002.parquet").write_bytes(b"half")
    table = BandTable(tmp_path / "bands")
    added(table, ordered(batches(rows_of(40, 2), 40)), "c2")
    assert len(BandTable(tmp_path / "bands")) == 90
