"""What a row of a Parquet file is depends on no other row and not on the type in which its columns hold words."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from huatuo.corpus import tables
from huatuo.corpus.sources import check, read_all
from huatuo.errors import InputError
from huatuo.files import content_id
from huatuo.recipe_curate import CorpusSource

LONGEST = 2_048
PLAIN = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
}
DICTIONARIES = ["dictionary of string", "dictionary of binary"]
KINDS = [*PLAIN, *DICTIONARIES]


def column(cells: list[bytes | None], kind: str) -> pa.Array:
    """The bytes in a column of that kind, whether they are UTF-8 or not, as a Parquet file may hold them."""
    data = pa.array(cells, pa.binary())
    if kind in ("binary", "large_binary", "binary_view"):
        return data.cast(PLAIN[kind])
    if kind == "dictionary of binary":
        return data.dictionary_encode()
    words = data.view(pa.string())
    if kind == "dictionary of string":
        made = data.dictionary_encode()
        return pa.DictionaryArray.from_arrays(made.indices, made.dictionary.view(pa.string()))
    return (
        pa.array(cells, pa.large_binary()).view(pa.large_string())
        if kind == "large_string"
        else words.cast(PLAIN[kind])
    )


def rows(path: Path, **keys: Any) -> list[dict[str, Any]]:
    made = CorpusSource(name="s", path=path, longest=LONGEST, **keys)
    check([made])
    return [row for batch in read_all([made]) for row in batch.to_pylist()]


def said(found: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [(row["text"], row["title"], row["id"], row["reason"].partition(":")[0]) for row in found]


def expected(number: int, text: bytes | None, title: bytes | None, own: bytes | None) -> tuple[str, str, str, str]:
    """What a row of these cells is, told without a look at any other."""
    key = ("own", own.decode()) if own else ("a.parquet", f"row {number}")
    name = content_id("text", "s", *key)
    if text is None:
        return "", "", content_id("text", "s", "a.parquet", f"row {number}"), "missing_field"
    try:
        words = text.decode()
    except UnicodeDecodeError:
        return "", "", content_id("text", "s", "a.parquet", f"row {number}"), "undecodable_bytes"
    if len(text) > LONGEST:
        return "", "", content_id("text", "s", "a.parquet", f"row {number}"), "too_large"
    shown = (title or b"").decode("utf-8", "replace")
    return ("", shown, name, "empty_text") if not words.strip() else (words, shown, name, "")


def drawn(
    dice: random.Random, count: int, odd: float, bad: bool
) -> list[tuple[bytes | None, bytes | None, bytes | None]]:
    """Rows of (text, title, id); a share of the texts is null, blank, too large or no UTF-8."""
    made = []
    for number in range(count):
        text: bytes | None = f"第{number}条，每次2.5 mg。".encode()
        if dice.random() < odd:
            text = dice.choice([None, b"", "\u3000 ".encode(), b"x" * 3_000, *([b"ab\xff\xfe"] if bad else [])])
        title = dice.choice(
            [None, b"", "题".encode(), f"题{number % 7}".encode(), *([b"t\xff"] if bad and odd else [])]
        )
        made.append((text, title, dice.choice([None, b"", f"n{number}".encode()])))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", [0.0, 0.002, 0.3])
def test_a_row_is_the_same_by_columns_and_alone_in_every_type(
    kind: str, odd: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(f"{kind} {odd}")
    given = drawn(dice, 1_500, odd, bad="view" not in kind)  # a view of bytes that are no text cannot be made
    kinds = [kind, dice.choice(KINDS), dice.choice(KINDS)]
    if odd and "view" not in kind:
        kinds[1:] = ["binary", "dictionary of string"]
    parts = zip(("text", "title", "key"), zip(*given, strict=True), kinds, strict=True)
    pq.write_table(pa.table({name: column(list(cells), of) for name, cells, of in parts}), tmp_path / "a.parquet")
    found = said(rows(tmp_path / "a.parquet", id="key"))
    assert found == [expected(number, *row) for number, row in enumerate(given, 1)]
    asked: list[int] = []
    monkeypatch.setattr(tables, "plain", lambda batch, *_: asked.append(batch.num_rows))
    assert said(rows(tmp_path / "a.parquet", id="key")) == found
    assert sum(asked) == 1_500


def test_a_file_without_odd_rows_is_read_by_columns_in_every_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[str] = []
    monkeypatch.setattr(tables, "_of_row", lambda place, *_: alone.append(place))
    for kind in KINDS:
        cells = {name: column([f"{name} {n}".encode() for n in range(1_500)], kind) for name in ("text", "title", "id")}
        pq.write_table(pa.table(cells), tmp_path / "a.parquet")
        found = rows(tmp_path / "a.parquet", id="id")
        assert [row["title"] for row in found] == [f"title {n}" for n in range(1_500)]
    assert alone == []


@pytest.mark.slow
def test_a_row_is_what_it_is_alone(tmp_path: Path) -> None:
    given = drawn(random.Random(8), 60, 0.3, bad=True)
    whole = said(_read(given, tmp_path))
    for number, row in enumerate(given):
        if row[2]:  # the id of the others is their place in the file
            assert said(_read([row], tmp_path)) == [whole[number]] or whole[number][3]
        assert said(_read([row], tmp_path))[0][3] == whole[number][3]


def _read(given: list[tuple[bytes | None, bytes | None, bytes | None]], folder: Path) -> list[dict[str, Any]]:
    cells = dict(zip(("text", "title", "key"), (list(part) for part in zip(*given, strict=True)), strict=True))
    pq.write_table(
        pa.table({name: column(part, "dictionary of string") for name, part in cells.items()}), folder / "a.parquet"
    )
    return rows(folder / "a.parquet", id="key")


def test_dictionaries_with_nulls_and_numbers_are_their_values(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0, None, None, 0] * 400, pa.int8()), pa.array(["甲文", "空"]))
    keys = pa.array([number // 2 for number in range(1_600)]).dictionary_encode()
    pq.write_table(pa.table({"text": words, "title": words, "n": keys}), tmp_path / "a.parquet")
    found = rows(tmp_path / "a.parquet", id="n")
    assert [row["text"] for row in found] == ["甲文", "", "", "甲文"] * 400
    assert [row["title"] for row in found] == ["甲文", "", "", "甲文"] * 400
    assert found[3]["id"] == content_id("text", "s", "own", "1")


def test_ids_of_bytes_that_are_no_text_stay_apart(tmp_path: Path) -> None:
    keys = pa.array([number.to_bytes(2, "big") * 8 for number in range(1_200)], pa.binary(16))
    pq.write_table(pa.table({"text": [f"第{n}条" for n in range(1_200)], "key": keys}), tmp_path / "a.parquet")
    assert len({row["id"] for row in rows(tmp_path / "a.parquet", id="key")}) == 1_200


def test_a_column_of_nulls_is_a_dropped_row_each_and_one_of_numbers_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.nulls(1_100), "n": range(1_100)}), tmp_path / "a.parquet")
    assert {row["reason"].partition(":")[0] for row in rows(tmp_path / "a.parquet")} == {"missing_field"}
    for kind in (pa.int64(), pa.dictionary(pa.int8(), pa.float64()), pa.list_(pa.string())):
        pq.write_table(pa.table({"n": pa.nulls(3, kind)}), tmp_path / "b.parquet")
        with pytest.raises(InputError, match=r"column 'n' holds .*; expected text \(string or binary"):
            rows(tmp_path / "b.parquet", text="n")
