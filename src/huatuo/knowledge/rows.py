"""A table file becomes rows, see `huatuo.readers.tables`; a row that does not fit its header is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError
from huatuo.knowledge.entries import NotText, Refused, Remark, clean
from huatuo.readers import tables
from huatuo.readers.tables import SUFFIXES as SUFFIXES
from huatuo.readers.tables import Flaw, Line


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
    lines = map(_as_entry, tables.lines(path, sheet))
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


def _as_entry(item: Line | Flaw) -> Line | Refused | Remark:
    if not isinstance(item, Flaw):
        return item
    if item.is_lost:
        return Refused(item.place, item.rule, item.message, item.excerpt)
    return Remark(item.place, item.rule, item.message)


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
    lines: Iterator[Line | Refused | Remark],
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
