"""Sheets go out to annotators as CSV and XLSX, and come back however a spreadsheet saved them.

Only the id, the dimensions, the seconds and the note are read back. Rows and columns may be in any order, rows may be
gone; an id, a score or a header that cannot be right is an error that names row and column, and then nothing is taken
from that sheet.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huatuo.errors import DataError, InputError, require
from huatuo.eval.sus.scales import Code, RatingScale
from huatuo.eval.sus.store import PREFIX, Given, Place
from huatuo.files import write_atomic
from huatuo.readers.tables import LONGEST_CELL, Flaw, NotText, lines
from huatuo.text.cells import CELL_CHARS, SHEET_ROWS, clean, safe_cell

HEADERS: dict[str, tuple[str, str]] = {
    "id": ("编号", "id"),
    "part": ("部分", "part"),
    "question": ("问题", "question"),
    "answer": ("回答", "answer"),
    "seconds": ("用时（秒）", "seconds"),
    "note": ("备注", "note"),
}
"""The columns besides the dimensions, in Chinese and in English; either comes back."""

CANNOT = ("无法判断", "cannot judge")
"""What an annotator writes who cannot judge."""

CANNOT_WORDS = frozenset(
    {"无法判断", "不能判断", "无法评价", "无法评分", "判断不了", "cannot judge", "can't judge", "cannotjudge", "?"}
)
"""What is read as that."""

PARTS = {"training": ("练习", "training"), "rating": ("正式", "rating")}
"""What a row is for; hidden duplicates and attention items look like any other."""

SHOWN_ERRORS = 20
"""Errors of a sheet that are listed; the rest is counted."""

_LINE_ENDS = re.compile(r"\r\n?|\n")
_MOST_LINES = LONGEST_CELL - 50


# ---------------------------------------------------------------- out


def columns(scale: RatingScale, language: Code) -> list[str]:
    """The header of a sheet."""
    place = language == "en"
    named = {name: words[place] for name, words in HEADERS.items()}
    first = [named[name] for name in ("id", "part", "question", "answer")]
    return [*first, *(d.name.said(language) for d in scale.dimensions), named["seconds"], named["note"]]


def write(folder: Path, annotator: str, places: Sequence[Place], scale: RatingScale, language: Code) -> list[Path]:
    """The sheets of one annotator, CSV (UTF-8 with a byte order mark) and XLSX.

    Raises DataError where the items do not fit a sheet, MissingExtraError where XlsxWriter is missing.
    """
    if len(places) >= SHEET_ROWS:
        raise DataError(f"{annotator}: more than {SHEET_ROWS - 1:,} items do not fit a sheet; next: rate fewer")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(place, scale, language) for place in places]
    header = columns(scale, language)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    table = folder / f"{annotator}.csv"
    write_atomic(table, "\ufeff" + text.getvalue())
    return [table, _workbook(folder / f"{annotator}.xlsx", header, rows, scale, language)]


def _row(place: Place, scale: RatingScale, language: Code) -> list[str]:
    part = PARTS["training" if place.part == "training" else "rating"][language == "en"]
    shown = [safe_cell(_cell(text, language)) for text in (place.item.question, place.item.answer)]
    return [place.blind, part, *shown, *("" for _ in scale.dimensions), "", ""]


def _cell(text: str, language: Code) -> str:
    """The text as a cell can hold it; an answer that is too long for one goes on on the page."""
    parts = _LINE_ENDS.split(clean(text))
    whole = "\n".join(parts[:_MOST_LINES]) + "".join(f" ⏎ {part}" for part in parts[_MOST_LINES:])
    if len(whole) < CELL_CHARS:
        return whole
    rest = "……（全文见页面）" if language == "zh" else "... (whole on the page)"
    return whole[: CELL_CHARS - len(rest) - 1] + rest


def _workbook(path: Path, header: list[str], rows: list[list[str]], scale: RatingScale, language: Code) -> Path:
    xlsxwriter = require("xlsxwriter", "docs")
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    try:
        sheet = book.add_worksheet("评分" if language == "zh" else "ratings")
        wrap = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
        bold = book.add_format({"bold": True, "text_wrap": True})
        sheet.write_row(0, 0, header, bold)
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell, wrap)
        sheet.set_column(0, 0, 14, wrap)
        sheet.set_column(2, 3, 60, wrap)
        sheet.set_column(4, len(header) - 1, 12, wrap)
        sheet.freeze_panes(1, 1)
        allowed = [*map(str, scale.values), CANNOT[language == "en"]]
        rule = {"validate": "list", "source": allowed, "ignore_blank": True}
        sheet.data_validation(1, 4, max(len(rows), 1), 3 + len(scale.dimensions), rule)
        _guide(book.add_worksheet("说明" if language == "zh" else "guide"), scale, language, wrap)
    finally:
        book.close()
    return path


def _guide(sheet: Any, scale: RatingScale, language: Code, wrap: Any) -> None:
    sheet.set_column(0, 0, 100, wrap)
    said = [scale.title.said(language), *scale.guideline.said(language).strip().splitlines()]
    for dimension in scale.dimensions:
        said += ["", f"{dimension.name.said(language)}: {dimension.asks.said(language)}"]
        said += [f"  {value}  {dimension.anchors[value].said(language)}" for value in scale.values]
    for number, line in enumerate(said):
        sheet.write_string(number, 0, line, wrap)


# ---------------------------------------------------------------- back


@dataclass(frozen=True)
class Sheet:
    """What a sheet that came back says."""

    path: Path
    """The file."""
    ratings: tuple[Given, ...]
    """One for each item and dimension of its rows."""
    annotators: tuple[str, ...]
    """Whose items they are."""
    scored: int
    """Ratings with a score."""
    cannot: int
    """Ratings that say they cannot be given."""
    empty: int
    """Cells left empty."""
    missing: int
    """Items of these annotators that the sheet does not hold."""


def read(path: Path, places: Mapping[str, Place], scale: RatingScale) -> Sheet:
    """What a sheet says, whatever its encoding and the order of its rows and columns.

    ``places``: every place of the study by blind id. Raises InputError where the file cannot be read, lacks a column,
    or has cells that cannot be right: each with its row and column.
    """
    rows = _lines(path)
    header_row, header = next(rows, (0, []))
    found = _header(path, header_row, header, scale)
    errors: list[str] = []
    seen: dict[str, int] = {}
    ratings: list[Given] = []
    for number, cells in rows:
        if not any(_plain(cell) for cell in cells):
            continue
        given = {name: cells[column] if column < len(cells) else "" for name, column in found.items()}
        blind = _plain(given["id"]).lower()
        names = {name: _plain(header[column]) for name, column in found.items()}
        wrong = _wrong_id(blind, places, seen, number)
        if wrong:
            errors.append(f"row {number}, column {names['id']}: {wrong}")
            continue
        seen[blind] = number
        ratings += _row_ratings(blind, given, scale, (number, names), errors)
    if errors:
        more = f"\n  and {len(errors) - SHOWN_ERRORS:,} more" if len(errors) > SHOWN_ERRORS else ""
        listed = "".join(f"\n  {error}" for error in errors[:SHOWN_ERRORS])
        raise InputError(f"{path}: {len(errors):,} cells cannot be read, and nothing was taken:{listed}{more}\n"
                         "next: mend these cells and read the sheet again")  # fmt: skip
    if not seen:
        raise InputError(f"{path}: holds no row with an id of this study; next: give the sheet that was sent out")
    people = tuple(sorted({places[blind].annotator for blind in seen}))
    counts = Counter(g.unscored if g.value is None else "scored" for g in ratings)
    missing = sum(place.annotator in people for place in places.values()) - len(seen)
    return Sheet(path, tuple(ratings), people, counts["scored"], counts["cannot judge"], counts["left empty"], missing)


def as_expected(ratings: Sequence[Given], places: Mapping[str, Place], part: str) -> tuple[int, int]:
    """(how many are as expected, how many were given) of the ratings of training or attention items."""
    right = given = 0
    for rating in ratings:
        place = places[rating.blind]
        if place.part == part and rating.value is not None:
            given += 1
            right += json.loads(place.item.expected)[rating.dimension] == rating.value
    return right, given


def _lines(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """(row as a spreadsheet counts it, cells) from the header on; of a workbook, of the sheet that has one.

    Raises InputError for a row that is lost.
    """
    row = 0
    for line in lines(path, _sheet_name(path)):
        if not isinstance(line, Flaw):
            row += 1
            if any(_plain(cell) for cell in line[1]):
                yield row, line[1]
        elif line.is_lost or line.rule == "undecodable_bytes":
            raise InputError(f"{path}, row {row + 1}: {line.message}; next: save the sheet again")


def _sheet_name(path: Path) -> str:
    """The sheet of a workbook whose first row has a column of ids, whatever it is called now; empty for the first."""
    if path.suffix.lower() != ".xlsx":
        return ""
    calamine = require("python_calamine", "docs")
    try:
        with calamine.CalamineWorkbook.from_path(str(path)) as book:
            for name in book.sheet_names:
                rows = book.get_sheet_by_name(name).to_python(skip_empty_area=True, nrows=1)
                if rows and "id" in {_column_name(cell) for cell in rows[0]}:
                    return str(name)
    except (calamine.CalamineError, zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: not a readable workbook ({error}); next: save it again as .xlsx") from None
    return ""


def _plain(cell: Any) -> str:
    """A cell as text, full-width letters and digits made plain."""
    text = cell.shown if isinstance(cell, NotText) else str(cell)
    return " ".join(unicodedata.normalize("NFKC", text).split())


_NAMES = {unicodedata.normalize("NFKC", word).lower(): name for name, both in HEADERS.items() for word in both}


def _column_name(cell: Any) -> str:
    text = _plain(cell).lower()
    return _NAMES.get(text, text)


def _header(path: Path, number: int, cells: Sequence[Any], scale: RatingScale) -> dict[str, int]:
    """Place of each column that is read back."""
    own = {
        unicodedata.normalize("NFKC", name).lower(): d.id
        for d in scale.dimensions
        for name in (d.id, d.name.zh, d.name.en)
    }
    names = [own.get(_column_name(cell), _column_name(cell)) for cell in cells]
    for wanted in ("id", *(d.id for d in scale.dimensions)):
        if names.count(wanted) != 1:
            shown = ", ".join(_plain(cell) for cell in cells if _plain(cell))[:200]
            raise InputError(
                f"{path}, row {number}: the column {wanted!r} stands {names.count(wanted)} times ({shown or 'empty'}); "
                f"expected once; next: keep the header of the sheet, cells separated by commas"
            )
    kept = ("id", *(d.id for d in scale.dimensions), "seconds", "note")
    return {name: names.index(name) for name in kept if name in names}


def _wrong_id(blind: str, places: Mapping[str, Place], seen: Mapping[str, int], number: int) -> str:
    if not blind:
        return f"no id; expected one that begins with {PREFIX}"
    if blind not in places:
        return f"{blind[:40]!r} is no id of this study (it was edited, or is of another one)"
    return f"{blind} stands in row {seen[blind]} already" if blind in seen else ""


def _row_ratings(
    blind: str, given: Mapping[str, Any], scale: RatingScale, where: tuple[int, Mapping[str, str]], errors: list[str]
) -> list[Given]:
    number, names = where
    seconds = _seconds(given.get("seconds", ""))
    if isinstance(seconds, str):
        errors.append(f"row {number}, column {names['seconds']}: {seconds}")
    ratings = []
    note = _plain(given.get("note", ""))
    for dimension in scale.dimensions:
        value = score(given[dimension.id], scale)
        if isinstance(value, str) and value not in ("cannot judge", "left empty"):
            errors.append(f"row {number}, column {names[dimension.id]}: {value}")
            continue
        kept, unscored = (None, value) if isinstance(value, str) else (value, "")
        time = None if isinstance(seconds, str) else seconds
        ratings.append(Given(blind, dimension.id, kept, unscored, time, note))
    return ratings


def score(cell: Any, scale: RatingScale) -> int | str:
    """The score in a cell, ``cannot judge``, ``left empty``, or what is wrong with it in words."""
    text = _plain(cell).removesuffix("分").strip()
    if isinstance(cell, NotText) and "number" not in cell.found and "float" not in cell.found:
        return f"{cell.shown!r} is {cell.found}; expected {_expected(scale)}"
    if not text:
        return "left empty"
    if text.lower() in CANNOT_WORDS:
        return "cannot judge"
    try:
        value = float(text)
    except ValueError:
        return f"{text[:40]!r}; expected {_expected(scale)}"
    return int(value) if value in scale.values else f"{text[:40]!r}; expected {_expected(scale)}"


def _expected(scale: RatingScale) -> str:
    return f"{', '.join(map(str, scale.values))} or {CANNOT[0]} / {CANNOT[1]}"


def _seconds(cell: Any) -> float | str | None:
    text = _plain(cell).lower().removesuffix("秒").removesuffix("s").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    return value if 0 <= value < 1e6 else f"{text[:40]!r}; expected a number of seconds, or nothing"
