from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.errors import DataError, RecipeError
from huatuo.recipe import ImportSource
from huatuo.records import Message, Pair, Provenance
from huatuo.store import writing
from huatuo.synth.export import COLUMNS, export, safe_cell
from huatuo.synth.imports import read_pairs
from huatuo.synth.pair import make_pair

words = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).map(str.strip).filter(bool)


@st.composite
def conversations(draw: st.DrawFn) -> Pair:
    said = draw(st.lists(st.tuples(words, words), min_size=1, max_size=4))
    system = [Message(role="system", content=draw(words))] if draw(st.booleans()) else []
    turns = [m for q, a in said for m in (Message(role="user", content=q), Message(role="assistant", content=a))]
    return make_pair([*system, *turns], "src", "imported", Provenance(by="import"), parents=("f1",), entities=("甲病",))


def stored(folder: Path, pairs: list[Pair]) -> Path:
    with writing(folder, stage="unify", key="k") as out:
        for pair in pairs:
            out.write("pairs", pair)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("format", ["alpaca", "sharegpt", "messages"])
@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(conversations(), min_size=1, max_size=5))
def test_import_of_an_export_gives_the_same_turns(
    tmp_path_factory: pytest.TempPathFactory, format: Any, pairs: list[Pair]
) -> None:
    folder = tmp_path_factory.mktemp("x")
    path, info = export(stored(folder / "unify", pairs), folder / "out", format)
    items = list(read_pairs(ImportSource(name="src", path=path, format=format)))
    assert [item.pair.messages for item in items if item.pair] == [pair.messages for pair in pairs]
    entry = json.loads(info.read_text(encoding="utf-8"))["huatuo_train"]
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert entry["file_name"] == path.name
    assert set(entry["columns"].values()) <= set(first)
    assert (first["facts"], first["source"]) == (["f1"], "src")


def test_splits_go_to_files_of_their_own(maker: Any, tmp_path: Path) -> None:
    pairs = [
        maker.pair(f"问{n}？", f"答{n}。").model_copy(update={"split": s})
        for n, s in enumerate(("train", "validation"))
    ]
    paths = export(stored(tmp_path / "u", pairs), tmp_path / "out", "messages")
    assert [p.name for p in paths] == ["messages_train.jsonl", "messages_validation.jsonl", "dataset_info.json"]


@pytest.mark.parametrize("text", ["=1+1", "+86", "-", "@x", "\tx", "\rx"])
def test_a_cell_that_looks_like_a_formula_is_quoted(text: str) -> None:
    assert safe_cell(text) == "'" + text


def test_csv_has_a_mark_and_all_columns(maker: Any, tmp_path: Path) -> None:
    pairs = [maker.pair(f"=问{n}，\n“甲”？", f"答{n}。") for n in range(1000)]
    (path,) = export(stored(tmp_path / "u", pairs), tmp_path / "out", "csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["question"] for row in rows] == [f"'=问{n}，\n“甲”？" for n in range(1000)]


def test_xlsx_holds_text_and_no_formula(maker: Any, tmp_path: Path) -> None:
    import python_calamine

    pairs = [maker.pair('=HYPERLINK("x")', "http://x 00123")]
    (path,) = export(stored(tmp_path / "u", pairs), tmp_path / "out", "xlsx")
    rows = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert tuple(rows[0]) == COLUMNS
    assert rows[1][5:7] == ['\'=HYPERLINK("x")', "http://x 00123"]


def test_a_text_longer_than_a_cell_is_refused_and_not_cut(maker: Any, tmp_path: Path) -> None:
    folder = stored(tmp_path / "u", [maker.pair("问？", "长" * 40_000)])
    with pytest.raises(DataError, match="export csv"):
        export(folder, tmp_path / "out", "xlsx")


def test_unknown_format_and_no_pairs(maker: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="alpaca, sharegpt"):
        export(tmp_path, tmp_path, "parquet")
    for format in ("alpaca", "csv", "xlsx"):
        with pytest.raises(DataError, match="no pairs"):
            export(maker.write("empty", {"pairs": []}), tmp_path / "out", format)
