"""A table file becomes rows: CSV, TSV and XLSX, each cell a text or a `NotText`; a row that cannot be read is refused.

A quotation mark that is never closed would make a CSV reader swallow the rest of the file as one cell; here a cell ends
within `LONGEST_CELL` lines, or its row is refused and reading goes on with the next line.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError, require
from huatuo.knowledge.entries import NotText, Refused, Remark, clean
from huatuo.readers.encoding import Problem, check_file, read_lines

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Ending → delimiter."""

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx")
"""Endings of the files that are read as tables."""

LONGEST_CELL = 200
"""Lines of the longest quoted cell: a longer one is a quotation mark that was never closed."""

_SHEET = re.compile(rb'<sheet\b[^>]*?\bname="([^"]*)"[^>]*?\br:id="([^"]*)"')
_TARGET = re.compile(rb"<Relationship\b[^>]*>")
_FORMULA = re.compile(rb'<c\b[^>]*?\br="([A-Z]+)(\d+)"[^>]*>\s*<f\b')


class Row(NamedTuple):
    """One row of a table."""

    place: str
    """``row 12``, counted as a person sees it, the header being row 1."""
    cells: dict[str, Any]
    """Column → text or `NotText`; empty cells are ``""``."""


class Table(NamedTuple):
    """A table file that was opened."""

    columns: tuple[str, ...]
    """Names of the header; ``1``, ``2``, ... where the file has none."""
    rows: Iterator[Row | Refused | Remark]
    """The rows, what no row could be made of, and what is wrong with the file."""


def open_table(path: Path, sheet: str = "", header: bool = True) -> Table:
    """The table in a file. Without ``header`` the columns are numbered from 1.

    Raises InputError where the file is missing, empty or damaged, has no such sheet, or a column name stands twice.
    """
    check_file(path)
    lines = _sheet_lines(path, sheet) if path.suffix.lower() == ".xlsx" else _text_lines(path)
    begin: list[Remark | Refused] = []
    for item in lines:
        if isinstance(item, (Remark, Refused)):
            begin.append(item)
            continue
        number, cells = item
        if not any(cells):
            continue
        if not header:
            columns = tuple(str(i) for i in range(1, len(cells) + 1))
            return Table(columns, _rows(columns, begin, lines, (number, cells)))
        columns = _header(path, cells)
        return Table(columns, _rows(columns, begin, lines, None))
    raise InputError(f"{path}: holds no row; expected a header and rows; next: check how the file was made")


Line = tuple[int, list[Any]]


def _header(path: Path, cells: list[Any]) -> tuple[str, ...]:
    names = [cell.shown if isinstance(cell, NotText) else clean(cell) for cell in cells]
    while names and not names[-1]:
        names.pop()
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the column {twice[0]!r} stands twice in the header; next: rename or delete one")
    return tuple(names)


def _rows(
    columns: tuple[str, ...],
    begin: list[Remark | Refused],
    lines: Iterator[Line | Remark | Refused],
    first: Line | None,
) -> Iterator[Row | Refused | Remark]:
    yield from begin
    if first is not None:
        yield _row(columns, first)
    for item in lines:
        if isinstance(item, (Remark, Refused)):
            yield item
        elif any(item[1]):
            yield _row(columns, item)


def _row(columns: tuple[str, ...], line: Line) -> Row | Refused:
    number, cells = line
    place = f"row {number}"
    if len(cells) != len(columns) and any(cells[len(columns) :] or [len(cells) < len(columns)]):
        shown = " | ".join(str(cell) for cell in cells)[:80]
        return Refused(place, "wrong_number_of_cells", f"{len(cells)} cells; expected {len(columns)}", shown)
    return Row(place, dict(zip(columns, cells, strict=False)))


# ---------------------------------------------------------------- CSV and TSV


def _text_lines(path: Path) -> Iterator[Line | Remark | Refused]:
    """(line number, cells) of each row; the number is that of the row's first line."""
    delimiter = DELIMITERS.get(path.suffix.lower(), ",")
    source = read_lines(path)
    waiting: deque[tuple[int, str, tuple[Problem, ...]]] = deque()

    def physical(i: int) -> tuple[int, str, tuple[Problem, ...]] | None:
        while len(waiting) <= i:
            line = next(source, None)
            if line is None:
                return None
            waiting.append(line)
        return waiting[i]

    while (head := physical(0)) is not None:
        number, text, problems = head
        lost = next((p for p in problems if p.rule == "line_too_long"), None)
        if lost is not None:
            waiting.popleft()
            yield Refused(f"row {number}", lost.rule, lost.message)
            continue
        used, cells = 1, text.split(delimiter) if '"' not in text else None
        if cells is None:
            used, cells = _quoted(physical, delimiter)
        for problem in [p for i in range(used) for p in waiting[i][2]]:
            yield Remark(f"row {number}", problem.rule, problem.message)
        for _ in range(used):
            waiting.popleft()
        if cells is None:
            reason = f"a quotation mark is not closed within {LONGEST_CELL} lines, or text follows it"
            yield Refused(f"row {number}", "bad_row", reason, text[:80])
        else:
            yield number, cells


def _quoted(physical: Any, delimiter: str) -> tuple[int, list[Any] | None]:
    """(lines used, cells) of a row with quotation marks; (1, None) where its quotes do not close."""
    taken = 0

    def feed() -> Iterator[str]:
        nonlocal taken
        while taken < LONGEST_CELL and (line := physical(taken)) is not None:
            taken += 1
            yield line[1] + "\n"

    try:
        cells = next(csv.reader(feed(), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return 1, None
    return taken, list(cells)


# ---------------------------------------------------------------- XLSX


def _sheet_lines(path: Path, sheet: str) -> Iterator[Line | Remark | Refused]:
    """(row number, cells) of each row of a sheet; numbers, dates, truth values and formulas become `NotText`.

    A vertically merged cell counts for all its rows, as a person reads it.
    """
    calamine = require("python_calamine", "docs")
    try:
        with calamine.CalamineWorkbook.from_path(str(path)) as book:
            names = book.sheet_names
            if sheet and sheet not in names:
                raise InputError(
                    f"{path}: no sheet {sheet!r}; sheets: {', '.join(names)}; next: set sheet in the recipe"
                )
            chosen = book.get_sheet_by_name(sheet or names[0])
            table = chosen.to_python(skip_empty_area=False)
            merged = chosen.merged_cell_ranges or []
            formulas = _formulas(path, chosen.name)
    except (calamine.CalamineError, zipfile.BadZipFile, KeyError, OSError) as error:
        raise InputError(f"{path}: not a readable workbook ({error}); next: save it again as .xlsx") from None
    filled = 0
    for (top, left), (bottom, _) in merged:
        for row in range(top + 1, min(bottom + 1, len(table))):
            table[row][left] = table[top][left]
            filled += 1
    if filled:
        message = f"{filled:,} cells were filled from the merged cell above them; expected a value in every row"
        yield Remark("whole file", "merged_cells", message)
    for number, cells in enumerate(table, 1):
        yield number, [_cell(cell, (number, column) in formulas) for column, cell in enumerate(cells, 1)]


def _cell(value: Any, computed: bool) -> Any:
    if computed:  # the stored result may be of another day, and is 0 where nothing computed it yet
        return NotText("a formula (its result may be out of date)", f"={value}", "formula")
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return NotText("a number without its unit", str(int(value)))
    return NotText(f"a {type(value).__name__} without its unit", str(value))


def _formulas(path: Path, sheet: str) -> set[tuple[int, int]]:
    """(row, column), from 1, of the cells that hold a formula: the reader gives their stored results only."""
    with zipfile.ZipFile(path) as archive:
        ids = {name.decode(): rid for name, rid in _SHEET.findall(archive.read("xl/workbook.xml"))}
        links = archive.read("xl/_rels/workbook.xml.rels")
        wanted = ids.get(sheet.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"))
        for link in _TARGET.findall(links):
            found = dict(re.findall(rb'\b(Id|Target)="([^"]*)"', link))
            if wanted is not None and found.get(b"Id") == wanted:
                target = found[b"Target"].decode().removeprefix("/").removeprefix("xl/")
                data = archive.read(f"xl/{target}")
                return {(int(row), _column(letters)) for letters, row in _FORMULA.findall(data)}
    return set()


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
