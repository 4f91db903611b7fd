"""A sheet that was through a spreadsheet gives the right ratings, or an error that names row and column."""

from __future__ import annotations

import random
import re
from datetime import date

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from sus_makers import as_csv, made, rows

from huatuo.errors import InputError
from huatuo.eval.sus import pages, scales, sheets
from huatuo.eval.sus.store import Item, Place
from huatuo.readers.tables import NotText

SUS = scales.load("sus")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """(folder, places by blind id, the filled rows of 甲)."""
    folder = tmp_path_factory.mktemp("study")
    found, _, _ = made(folder, 60, publish=True)
    places = {place.blind: place for place in found.places()}
    cells = rows(folder / "sheets" / "甲.csv")
    for number, row in enumerate(cells[1:]):
        row[4:8] = [str(number % 3 + 1), str((number + 1) % 3 + 1), "3", str(20 + number % 7)]
    return folder, places, cells


def expected(cells):
    return {row[0]: tuple(int(cell) for cell in row[4:7]) for row in cells[1:]}


def given_by(sheet):
    found: dict[str, dict[str, int | None]] = {}
    for rating in sheet.ratings:
        found.setdefault(rating.blind, {})[rating.dimension] = rating.value
    return {blind: tuple(own[d.id] for d in SUS.dimensions) for blind, own in found.items()}


def back(study, data: bytes, name: str = "back.csv") -> sheets.Sheet:
    folder, places, _ = study
    (folder / name).write_bytes(data)
    return sheets.read(folder / name, places, SUS)


def copied(cells):
    return [list(row) for row in cells]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gbk", "gb18030", "utf-16"])
def test_a_sheet_comes_back_in_any_encoding(study, encoding):
    sheet = back(study, as_csv(study[2], encoding))
    assert given_by(sheet) == expected(study[2])
    assert (sheet.annotators, sheet.missing, sheet.empty) == (("甲",), 0, 0)
    assert sheet.scored == 3 * 259
    assert {rating.seconds for rating in sheet.ratings} == set(map(float, range(20, 27)))


def test_rows_and_columns_may_be_moved_and_others_added(study):
    cells = copied(study[2])
    order = [7, 3, 6, 0, 4, 1, 5]  # question and note are gone
    moved = [[row[place] for place in order] + ["mine"] for row in cells]
    body = moved[1:]
    random.Random(1).shuffle(body)
    sheet = back(study, as_csv([[""] * 8, moved[0], *body, [""] * 8]))
    assert given_by(sheet) == expected(cells)


def test_english_headers_and_ids_of_dimensions_are_read(study):
    cells = copied(study[2])
    cells[0] = ["ID", "part", "q", "a", "Safety", "usability", "ＳＭＯＯＴＨＮＥＳＳ", "Seconds", "note"]
    assert given_by(back(study, as_csv(cells))) == expected(cells)


def test_deleted_rows_are_counted_as_missing(study):
    cells = [study[2][0], *study[2][6:]]
    sheet = back(study, as_csv(cells))
    assert (sheet.missing, len(given_by(sheet))) == (5, 254)


def test_sheets_of_several_people_in_one_file_are_told_apart(study):
    other = rows(study[0] / "sheets" / "乙.csv")
    sheet = back(study, as_csv([*study[2], *other[1:]]))
    assert sheet.annotators == ("乙", "甲")
    assert (sheet.scored, sheet.empty) == (3 * 259, 3 * 259)


@pytest.mark.parametrize("typed", ["３", " 3 ", "3.0", "3分", "③", "'3"[1:]])
def test_a_score_is_read_as_it_is_typed(study, typed):
    cells = copied(study[2])
    cells[9][4] = typed
    assert given_by(back(study, as_csv(cells)))[cells[9][0]][0] == 3


@pytest.mark.parametrize("typed", ["无法判断", "cannot judge", "Cannot  Judge", "?", "？"])
def test_cannot_judge_is_no_score(study, typed):
    cells = copied(study[2])
    cells[9][5] = typed
    sheet = back(study, as_csv(cells))
    assert (sheet.cannot, given_by(sheet)[cells[9][0]][1]) == (1, None)


@pytest.mark.parametrize("typed", ["4", "0", "2.5", "三", "-1", "1-2", "33", "nan", "=1+1"])
def test_a_score_that_cannot_be_right_names_row_and_column(study, typed):
    cells = copied(study[2])
    cells[11][5] = typed
    with pytest.raises(InputError, match=rf"row 12, column 可用性: '{re.escape(typed)}'; expected 1, 2, 3 or 无法判断"):
        back(study, as_csv(cells))


def test_an_edited_id_names_its_row(study):
    cells = copied(study[2])
    cells[30][0] = cells[30][0][:-1] + ("a" if cells[30][0][-1] != "a" else "b")
    cells[40][0] = ""
    cells[50][0] = cells[49][0]
    with pytest.raises(InputError) as error:
        back(study, as_csv(cells))
    said = str(error.value)
    assert "3 cells cannot be read, and nothing was taken" in said
    assert f"row 31, column 编号: {cells[30][0]!r} is no id of this study" in said
    assert "row 41, column 编号: no id" in said
    assert f"row 51, column 编号: {cells[49][0]} stands in row 50 already" in said


def test_many_wrong_cells_are_counted(study):
    cells = copied(study[2])
    for row in cells[1:]:
        row[4] = "9"
    with pytest.raises(InputError, match=r"259 cells(.|\n)*and 239 more"):
        back(study, as_csv(cells))


def test_seconds_that_are_none_are_wrong(study):
    cells = copied(study[2])
    cells[3][7] = "long"
    with pytest.raises(InputError, match=r"row 4, column 用时.*'long'; expected a number of seconds"):
        back(study, as_csv(cells))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda cells: [row[1:] for row in cells], "the column 'id' stands 0 times"),
        (lambda cells: [row[:4] + row[5:] for row in cells], "the column 'safety' stands 0 times"),
        (lambda cells: [[*row, row[4]] for row in cells], "the column 'safety' stands 2 times"),
        (lambda cells: cells[1:], "row 1: the column 'id' stands 0 times"),
        (lambda cells: cells[:1], "holds no row with an id"),
        (lambda cells: [], "(empty)"),
    ],
)
def test_a_sheet_without_its_columns_is_refused(study, change, said):
    with pytest.raises(InputError, match=re.escape(said)):
        back(study, as_csv(change(copied(study[2]))))


def test_other_separators_are_said(study):
    data = as_csv(study[2]).replace(b",", b";")
    with pytest.raises(InputError, match="cells separated by commas"):
        back(study, data)


# ---------------------------------------------------------------- workbooks


def workbook(study, cells, write=None, name="back.xlsx", titles=("我的评分",), formats=None):
    """The cells as a workbook; scores are numbers, as a spreadsheet makes them."""
    path = study[0] / name
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"})
    for title in titles:
        sheet = book.add_worksheet(title)
        if title == "先看":
            sheet.write_string(0, 0, "说明")
            continue
        for i, row in enumerate(cells):
            for j, cell in enumerate(row):
                if i and 4 <= j < 8 and cell.isdigit():
                    sheet.write_number(i, j, int(cell))
                else:
                    sheet.write_string(i, j, cell)
        if write:
            write(sheet)
    book.close()
    return sheets.read(path, study[1], SUS)


def test_the_workbook_that_was_sent_out_is_read(study):
    sheet = sheets.read(study[0] / "sheets" / "丙.xlsx", study[1], SUS)
    assert (sheet.annotators, sheet.scored, sheet.empty, sheet.missing) == (("丙",), 0, 777, 0)


def test_a_workbook_with_numbers_a_new_name_and_another_sheet_first(study):
    assert given_by(workbook(study, study[2], titles=("先看", "改了名"))) == expected(study[2])


def test_a_date_or_a_formula_names_row_and_column(study):
    def spoil(sheet):
        sheet.write_datetime(6, 4, date(2026, 1, 2))
        sheet.write_formula(7, 5, "=1+2", None, 3)

    with pytest.raises(InputError) as error:
        workbook(study, study[2], spoil)
    assert "row 7, column 安全性" in str(error.value)
    assert "row 8, column 可用性: '=3" in str(error.value)
    assert "2 cells" in str(error.value)


def test_what_is_no_workbook_is_refused(study):
    with pytest.raises(InputError, match="not a readable workbook"):
        back(study, b"PK\x03\x04 broken", "broken.xlsx")


# ---------------------------------------------------------------- properties


def place_of(answer: str) -> Place:
    return Place("r-aaaaaaaaaa", "甲", 1, "rating", Item("answer 0", "q", "r", "M", "=问\n", answer))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300) | st.text(alphabet='",\n\r;\t=+-@ 甲\0', max_size=80))
def test_whatever_a_model_says_comes_back_as_one_row(tmp_path_factory, answer):
    folder = tmp_path_factory.mktemp("any", numbered=True)
    place = place_of(answer)
    table, _ = sheets.write(folder, "甲", [place], SUS, "zh")
    cells = rows(table)
    cells[1][4:7] = ["1", "2", "3"]
    (folder / "back.csv").write_bytes(as_csv(cells))
    assert given_by(sheets.read(folder / "back.csv", {place.blind: place}, SUS)) == {place.blind: (1, 2, 3)}
    assert not cells[1][3].startswith(("=", "+", "-", "@"))
    pages.html("甲", [place], SUS, "zh").encode("utf-8")


def test_a_very_long_answer_fits_its_cell_and_is_whole_on_the_page(tmp_path):
    place = place_of("行\n" * 20_000 + "末")
    table, _ = sheets.write(tmp_path, "甲", [place], SUS, "zh")
    cell = rows(table)[1][3]
    assert len(cell) < 32_767
    assert cell.count("\n") < 200
    assert cell.endswith("（全文见页面）")
    assert "末" in pages.html("甲", [place], SUS, "zh")


@given(st.text(max_size=12))
def test_a_cell_is_a_score_or_says_why_not(cell):
    found = sheets.score(cell, SUS)
    assert found in SUS.values or isinstance(found, str)


def test_cells_that_a_spreadsheet_made():
    assert sheets.score(NotText("a number without its unit", "2"), SUS) == 2
    assert "expected 1, 2, 3" in sheets.score(NotText("a float without its unit", "2.5"), SUS)
    assert "is a date" in sheets.score(NotText("a date without its unit", "2026-01-02"), SUS)
    assert "is a bool" in sheets.score(NotText("a bool without its unit", "True"), SUS)
