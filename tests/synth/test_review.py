from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from huatuo.errors import DataError, InputError, RecipeError
from huatuo.recipe import ImportSource, UnifySettings
from huatuo.records import Dropped, Finding, Pair
from huatuo.store import read, writing
from huatuo.synth.review import COLUMNS, Refused, Row, export_review, read_review
from huatuo.synth.unify import unify

Rows = list[list[Any]]


def sheet(path: Path) -> Rows:
    if path.suffix == ".xlsx":
        return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def as_csv(rows: Rows, delimiter: str = ",") -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue()


def as_xlsx(path: Path, rows: Rows) -> None:
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet()
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                page.write(number, column, cell)


@pytest.fixture
def run(maker: Any) -> Path:
    """A run with a thousand pairs, of entities whose names, questions and answers a spreadsheet would spoil."""
    facts = [maker.fact(f"病{i}", "临床症状", f"症状{i}") for i in range(1000)]
    maker.knowledge(facts)
    answers = ["=1+1的症状有咳嗽。", "1-2", "007", '症状有\n“咳嗽”，"发热"。', "@咳嗽", "白细胞4×10⁹/L。"]
    pairs = [
        maker.pair(f"病{i}有什么症状？", answers[i % 6], parents=(fact.id,), entities=(fact.entity,))
        for i, fact in enumerate(facts)
    ]
    maker.write("synth", {"pairs": pairs})
    maker.write("unify", {"pairs": pairs})
    return Path(maker.folder)


def decided(run: Path, folder: Path) -> Rows:
    """The exported sheet with a decision in most rows: of every ten rows 5 accepted, 2 edited, 1 rejected, 2 open."""
    rows = sheet(export_review(run, folder)[0])
    for number, row in enumerate(rows[1:]):
        place = number % 10
        row[5] = "accept" if place < 5 else "edit" if place < 7 else "reject" if place == 7 else ""
        row[6] = f"请问病{number}有哪些表现？" if place == 5 else ""
        row[7] = f"病{number}的表现有咳嗽，约3～5天。" if place in (5, 6) else ""
        row[8] = "答非所问" if place == 7 else ""
    return rows


def bring_back(
    run: Path, maker: Any, path: Path, name: str = "reviewed", **more: Any
) -> tuple[list[Pair], list[Dropped], Any]:
    settings = UnifySettings(imports=(ImportSource(name=name, path=path, format="review"),), **more)
    folder = run / "again"
    with writing(folder, stage="unify", key=path.name) as out:
        unify(settings, run / "synth", maker.write("questions", {}), 0, out)
    return list(read(folder, "pairs", Pair)), list(read(folder, "dropped", Dropped)), out


def test_the_sheets_hold_the_columns_and_what_the_facts_say(run: Path, tmp_path: Path) -> None:
    table, book = export_review(run, tmp_path / "out")
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    rows, in_book = sheet(table), sheet(book)
    assert rows[0] == in_book[0] == list(COLUMNS)
    assert len(rows) == len(in_book) == 1001
    assert rows[1][3] == "病0 临床症状：症状0"
    assert rows[1][2] == "'=1+1的症状有咳嗽。"
    assert rows[1][5:] == ["", "", "", ""]
    assert [row[:5] for row in rows] == [row[:5] for row in in_book]


def spreadsheet(row: list[Any]) -> list[Any]:
    """What a spreadsheet makes of a row when it opens a CSV: numbers without their zeros, dates."""
    changed = {"007": "7", "1-2": "1月2日"}
    return [changed.get(cell, cell) for cell in row]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["utf-8-sig", "gbk", "utf-16", "semicolon", "xlsx", "other columns"])
def test_decisions_come_back_however_the_sheet_was_saved(run: Path, maker: Any, tmp_path: Path, way: str) -> None:
    rows = [spreadsheet(row) for row in decided(run, tmp_path / "out")]
    path = tmp_path / ("back.xlsx" if way == "xlsx" else "back.csv")
    if way == "xlsx":
        as_xlsx(path, rows)
    elif way == "gbk":
        path.write_bytes(as_csv(rows).encode("gbk", "replace"))
    elif way == "utf-16":
        path.write_text(as_csv(rows, "\t"), encoding="utf-16", newline="")
    elif way == "semicolon":
        path.write_text(as_csv(rows, ";"), encoding="utf-8-sig", newline="")
    elif way == "other columns":
        order = [8, 5, 0, 7, 6]
        body = [[row[i] for i in order] for row in rows]
        body[0] = ["Note", " DECISION", "ID", "edited_answer", "Edited  Question"]
        path.write_text(as_csv([*body, ["", "", "", "", ""]]), encoding="utf-8", newline="")
    else:
        path.write_text(as_csv(rows), encoding=way, newline="")
    pairs, dropped, out = bring_back(run, maker, path)
    machine = {pair.id: pair for pair in read(run / "synth", "pairs", Pair)}
    human = [pair for pair in pairs if pair.provenance.by == "human"]
    assert len(pairs) == 900
    assert len(human) == 700
    assert out.dropped == Counter({"rejected": 100})
    assert out.left == Counter({"not_reviewed": 200})
    assert all("答非所问" in item.reason for item in dropped if item.rule == "rejected")
    for pair in human:
        mother = machine[pair.parents[0]]
        number = int(mother.entities[0].removeprefix("病"))
        edited = number % 10 in (5, 6)
        assert pair.parents[1:] == mother.parents
        assert (pair.source, pair.entities) == ("reviewed", mother.entities)
        assert pair.messages[1].content == (
            f"病{number}的表现有咳嗽，约3～5天。" if edited else mother.messages[1].content
        )
        assert (pair.messages[0] == mother.messages[0]) == (number % 10 != 5)
    assert not {pair.id for pair in pairs} & {pair.parents[0] for pair in human}


@pytest.mark.slow
def test_what_decides_nothing_is_counted_and_the_machines_pair_stays(run: Path, maker: Any, tmp_path: Path) -> None:
    rows = sheet(export_review(run, tmp_path / "out")[0])[:9]
    rows[1][5], rows[2][5], rows[3][5] = "maybe", "edit", "accept"
    rows[3][7] = "另一个答案。"
    rows[4][0], rows[4][5] = "p-0000", "accept"
    rows[5][5], rows[6][5] = "accept", "reject"
    rows[6][0] = rows[5][0]
    rows[7][5] = "通过"
    path = tmp_path / "back.csv"
    path.write_text(as_csv(rows), encoding="utf-8", newline="")
    pairs, dropped, out = bring_back(run, maker, path)
    assert out.dropped == Counter({"bad_decision": 3, "unknown_id": 1, "reviewed_twice": 1})
    assert out.left == Counter({"not_reviewed": 1, "held_back": 3})
    assert len(pairs) == 997
    assert sum(pair.provenance.by == "human" for pair in pairs) == 2
    assert any("row 2" in item.reason and "'maybe'" in item.reason for item in dropped)


@pytest.mark.slow
def test_no_correction_is_lost_in_silence(run: Path, maker: Any, tmp_path: Path) -> None:
    rows = sheet(export_review(run, tmp_path / "out")[0])[:13]
    ids = [row[0].removeprefix("p-") for row in rows]
    rows[1][2], rows[1][5] = "'=1+1的症状有发热。", "accept"  # changed in its own column
    rows[4][1] = "病3有啥症状？"  # changed, and not decided
    rows[6][7] = "表现是乏力。"  # an edited answer, not decided
    rows[7][8] = "剂量不对"  # only a note
    rows[5][5], rows[5][8] = "accept", "查过指南"
    rows[10][5], rows[10][7], rows[10][2] = "edit", "病9的表现有咳嗽。", "改了两处"
    rows[11][2], rows[11][5] = "作废", "reject"
    path = tmp_path / "back.csv"
    path.write_text(as_csv(rows), encoding="utf-8", newline="")
    pairs, _, out = bring_back(run, maker, path)
    found = {f.rule + " " + f.place: f for f in read(run / "again", "findings", Finding)}
    assert set(found) == {
        "changed_in_place back.csv, row 2",
        "changed_in_place back.csv, row 5",
        "edit_without_decision back.csv, row 7",
        "note_without_decision back.csv, row 8",
        "reviewer_note back.csv, row 6",
    }
    assert "发热" in found["changed_in_place back.csv, row 2"].message
    assert "乏力" in found["edit_without_decision back.csv, row 7"].message
    assert "剂量不对" in found["note_without_decision back.csv, row 8"].message
    assert found["reviewer_note back.csv, row 6"].subject == ids[5]
    assert out.left["held_back"] == 3
    assert out.dropped == Counter({"changed_in_place": 1, "edit_without_decision": 1, "rejected": 1})
    taught = {pair.id for pair in pairs} | {pair.parents[0] for pair in pairs}
    assert not {ids[1], ids[4], ids[6], ids[11]} & taught
    assert {ids[5], ids[7], ids[10]} <= taught


@pytest.mark.slow
def test_an_edited_cell_that_became_a_date_or_a_number_is_refused(run: Path, maker: Any, tmp_path: Path) -> None:
    rows = sheet(export_review(run, tmp_path / "out")[0])[:3]
    rows[1][5:8], rows[2][5:8] = ["edit", "", 42.0], ["edit", "请问？", "'=好的。"]
    as_xlsx(tmp_path / "back.xlsx", rows)
    pairs, _, out = bring_back(run, maker, tmp_path / "back.xlsx")
    assert out.dropped == Counter({"bad_edit": 1})
    assert [pair.messages[1].content for pair in pairs if pair.provenance.by == "human"] == ["=好的。"]


def test_a_sheet_that_is_none_is_refused_as_a_whole(run: Path, maker: Any, tmp_path: Path) -> None:
    source = ImportSource(name="r", path=tmp_path / "x.csv", format="review")
    source.path.write_text("id,question\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="'decision' stands 0 times"):
        list(read_review(source))
    source.path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no row"):
        list(read_review(source))
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(InputError, match=r"save it again as \.xlsx"):
        list(read_review(ImportSource(name="r", path=tmp_path / "x.xlsx", format="review")))
    rows = decided(run, tmp_path / "out")
    source.path.write_text(as_csv(rows), encoding="utf-8", newline="")
    with pytest.raises(RecipeError, match="has the name of the source"):
        bring_back(run, maker, source.path, name="graph")


def test_characters_lost_in_an_edited_cell_are_not_taught(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"id,decision,edited question,edited answer,note\np-1,edit,,\xe5\xa5\xbd\xff\xfe\x80,\n")
    found = list(read_review(ImportSource(name="r", path=path, format="review")))
    assert [type(row) for row in found] != [Row] or "\ufffd" not in str(found)
    assert not [row for row in found if isinstance(row, Row) and "\ufffd" in row.answer]
    assert [row.rule for row in found if isinstance(row, Refused)] in ([], ["unreadable_text"])


def test_nothing_to_review_is_said(maker: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pairs"):
        export_review(maker.write("unify", {}), tmp_path / "out")
