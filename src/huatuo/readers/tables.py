"""A table file as lines of cells: CSV, TSV and XLSX, each cell a text or a `NotText`; what cannot be read is a `Flaw`.

A quotation mark that is never closed would make a CSV reader swallow the rest of the file as one cell; here a cell ends
within `LONGEST_CELL` lines, and no row of its own stands in it, or its row is refused and reading goes on with the next
line.
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
from huatuo.readers.encoding import Problem, check_file, read_lines

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Ending → delimiter."""

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx")
"""Endings of the files that are read as tables."""

LONGEST_CELL = 200
"""Lines of the longest quoted cell: a longer one is a quotation mark that was never closed."""

FEWEST_CELLS = 3
"""Cells of a row from which a line of as many inside a quoted cell is taken for a row: prose has a comma or two."""

_SHEET = re.compile(rb'<sheet\b[^>]*?\bname="([^"]*)"[^>]*?\br:id="([^"]*)"')
_TARGET = re.compile(rb"<Relationship\b[^>]*>")
_FORMULA = re.compile(rb'<c\b[^>]*?\br="([A-Z]+)(\d+)"[^>]*>\s*<f\b')


class NotText(NamedTuple):
    """A cell, property or literal that holds no text: no value can be made of it."""

    found: str
    """What it is: ``a number``, ``a formula``."""
    shown: str
    """How it reads."""
    rule: str = "not_text"
    """Rule under which it is dropped."""


class Flaw(NamedTuple):
    """What is wrong with a row, or with the file."""

    place: str
    """``row 12``, ``whole file``."""
    rule: str
    """``bad_row``, ``merged_cells``, or a rule of `huatuo.readers.encoding`."""
    message: str
    """What was found and what was expected."""
    is_lost: bool
    """Whether the row could not be read; else it follows all the same."""
    excerpt: str = ""
    """Beginning of a row that is lost."""


Line = tuple[int, list[Any]]
"""A row's number, from 1, and its cells."""


def lines(path: Path, sheet: str = "") -> Iterator[Line | Flaw]:
    """The rows of a table file in order, and what is wrong with them; a row's number is that of its first line.

    Raises InputError where the file is missing, empty or damaged, or has no such sheet.
    """
    check_file(path)
    return _sheet_lines(path, sheet) if path.suffix.lower() == ".xlsx" else _text_lines(path)


# ---------------------------------------------------------------- CSV and TSV


def _text_lines(path: Path) -> Iterator[Line | Flaw]:
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
            yield Flaw(f"row {number}", lost.rule, lost.message, True)
            continue
        used, cells = 1, text.split(delimiter) if '"' not in text else None
        if cells is None:
            used, cells = _quoted(physical, delimiter)
        for problem in [p for i in range(used) for p in waiting[i][2]]:
            yield Flaw(f"row {number}", problem.rule, problem.message, False)
        for _ in range(used):
            waiting.popleft()
        if cells is None:
            reason = f"a quotation mark is not closed on its row or within {LONGEST_CELL} lines, or text follows it"
            yield Flaw(f"row {number}", "bad_row", reason, True, text[:80])
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
    # an unclosed quote ends the row, and swallows rows of as many cells up to the next quotation mark
    texts = [physical(i)[1] for i in range(taken)]
    alike = taken > 1 and all(len(text.split(delimiter)) == len(cells) for text in texts)
    before, _, after = texts[0].rpartition('"')
    if len(cells) >= FEWEST_CELLS and alike and delimiter not in after and _count(before, delimiter) == len(cells):
        return 1, None
    return taken, list(cells)


def _count(text: str, delimiter: str) -> int:
    """How many cells a text has; 0 where its quotes do not close."""
    try:
        return len(next(csv.reader([text], delimiter=delimiter, strict=True), []))
    except csv.Error:
        return 0


# ---------------------------------------------------------------- XLSX


def _sheet_lines(path: Path, sheet: str) -> Iterator[Line | Flaw]:
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
        yield Flaw("whole file", "merged_cells", message, False)
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
