"""A printed table of percentages against its counts: which cells cannot be k of n, which totals are wrong.

A percentage printed with d decimals is possible for n when some whole k rounds to it (the idea of the GRIM test, Brown
and Heathers 2017). All arithmetic is exact. The table is a CSV:

::

    row,single,matched,multiple,total
    n,160,220,38|40,sum
    Model A,66.3,75.0,34.2,65.5

The row ``n`` holds what each column is counted over: a number, several (``38|40``), a range (``36-42``), ``sum`` for
the total of the columns before it, ``mean`` for their plain mean, or nothing for a column that is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import NamedTuple

from huatuo.errors import InputError
from huatuo.readers import tables

ROUNDINGS = ("half up", "half even", "down", "up")
"""Rules by which a percentage may have been rounded: as at school, as Python and numpy print, cut off, up."""

USUAL = ("half up", "half even")
"""The rules under which a cell must be possible; the others explain one that is not."""

MOST_COUNTS = 200
"""Counts that one column may be tried with."""

_CELL = re.compile(r"(-?\d+(?:\.\d+)?)\s*[%％]?")
_NO_NUMBER = ("", "-", "–", "—", "/", "n/a")


class Column(NamedTuple):
    """One column of percentages."""

    name: str
    """Its header."""
    counts: tuple[int, ...]
    """What it may be counted over; empty for a total, a mean, and a column that is not checked."""
    of: str = ""
    """``sum`` or ``mean`` where it is made of the columns before it."""


class Table(NamedTuple):
    """A printed table."""

    columns: tuple[Column, ...]
    """Its columns without the one of names."""
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Name and cells as printed."""


@dataclass(frozen=True)
class Objection:
    """A cell that cannot be right, as far as the counts are."""

    row: str
    """Name of the row."""
    column: str
    """Name of the column."""
    printed: str
    """What stands there."""
    kind: str
    """``impossible``: no whole number of right answers gives it. ``total``, ``mean``: not what its parts make."""
    reason: str
    """Under which counts and rounding rules, and what would be possible."""


# ---------------------------------------------------------------- cells


def rounded(share: Fraction, decimals: int, rule: str) -> Decimal:
    """A share from 0 to 1 as a percentage with so many decimals, by the rule of this name in `ROUNDINGS`."""
    scale: int = 10**decimals
    scaled = share * 100 * scale
    whole = scaled.numerator // scaled.denominator
    rest = scaled - whole
    up = {
        "half up": rest >= Fraction(1, 2),
        "half even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
        "down": False,
        "up": rest > 0,
    }[rule]
    return Decimal(whole + up) / Decimal(scale)


def numerators(printed: str, n: int, rule: str) -> list[int]:
    """The whole numbers k for which k of n is printed so by this rule.

    Raises ValueError where ``printed`` is no number or n is below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; expected at least 1")
    value, decimals = _value(printed)
    unit = Fraction(1, 10**decimals)
    first, last = (int((Fraction(value) + side) * n / 100) for side in (-unit, unit))
    return [k for k in range(max(0, first), min(n, last + 1) + 1) if rounded(Fraction(k, n), decimals, rule) == value]


def _value(printed: str) -> tuple[Decimal, int]:
    match = _CELL.fullmatch(printed.strip())
    if match is None:
        raise ValueError(f"{printed!r} is no percentage")
    return Decimal(match[1]), len(match[1].partition(".")[2])


def _check_cell(row: str, column: Column, printed: str) -> Objection | None:
    if any(numerators(printed, n, rule) for n in column.counts for rule in USUAL):
        return None
    other = [
        f"{k} of {n} rounded {rule}"
        for n in column.counts
        for rule in ROUNDINGS
        if rule not in USUAL
        for k in numerators(printed, n, rule)
    ]
    explained = f"; it would be {other[0]}" if other else "; under no rounding rule either (down, up)"
    near = ", ".join(_nearest(printed, n) for n in column.counts[:3])
    over = _shown(column.counts)
    reason = f"no k of {over} gives it, rounded half up or half even{explained}; nearest: {near}"
    return Objection(row, column.name, printed, "impossible", reason)


def _nearest(printed: str, n: int) -> str:
    value, decimals = _value(printed)
    below = min(n, max(0, int(value * n / 100)))
    shown = (
        f"{k}/{n} = {rounded(Fraction(k, n), decimals, 'half up'):.{decimals}f}" for k in (below, below + 1) if k <= n
    )
    return " and ".join(shown)


def _shown(counts: Sequence[int]) -> str:
    if len(counts) > 3 and list(counts) == list(range(counts[0], counts[-1] + 1)):
        return f"{counts[0]} to {counts[-1]}"
    return " or ".join(map(str, counts))


# ---------------------------------------------------------------- totals


def _check_made(row: str, column: Column, printed: str, parts: Sequence[tuple[Column, str]]) -> Objection | None:
    """An objection where a total or mean cannot come of its printed parts under any of their counts.

    Each part may be off by one unit of its last decimal, so that no rounding rule is assumed and an impossible part
    does not make its total one.
    """
    value, decimals = _value(printed)
    ranges = []
    weights = [part.counts if column.of == "sum" else (1,) for part, _ in parts]
    for counts in product(*weights):
        low, high = _range([cell for _, cell in parts], counts)
        unit = Fraction(1, 10**decimals)
        if low - unit < Fraction(value) < high + unit:
            return None
        ranges.append((low, high, counts))
    low, high, counts = min(ranges, key=lambda one: min(abs(one[0] - Fraction(value)), abs(one[1] - Fraction(value))))
    over = f"over {' + '.join(map(str, counts))} = {sum(counts)}" if column.of == "sum" else "as a plain mean"
    reason = f"its parts make {float(low):.{decimals + 1}f} to {float(high):.{decimals + 1}f} {over}"
    return Objection(row, column.name, printed, "total" if column.of == "sum" else "mean", reason)


def _range(cells: Sequence[str], counts: Sequence[int]) -> tuple[Fraction, Fraction]:
    """The least and the largest percentage that parts printed so may make together."""
    low = high = Fraction(0)
    for cell, n in zip(cells, counts, strict=True):
        value, decimals = _value(cell)
        unit = Fraction(1, 10**decimals)
        low += (Fraction(value) - unit) * n
        high += (Fraction(value) + unit) * n
    return low / sum(counts), high / sum(counts)


# ---------------------------------------------------------------- a whole table


def audit(table: Table) -> list[Objection]:
    """The cells that cannot be right, in the order of the table; none says that the others are."""
    found = []
    for row, cells in table.rows:
        parts: list[tuple[Column, str]] = []
        for column, printed in zip(table.columns, cells, strict=True):
            if printed.strip().lower() in _NO_NUMBER:
                parts = parts if column.of else [*parts, (column, "")]
                continue
            objection = None
            if column.of and parts and all(cell for _, cell in parts):
                objection = _check_made(row, column, printed, parts)
            elif column.counts:
                objection = _check_cell(row, column, printed)
                parts.append((column, printed))
            if objection is not None:
                found.append(objection)
    return found


def fitting_counts(table: Table, column: Column) -> list[tuple[int, int]]:
    """(count, rows whose cell is possible for it) of a column with several counts, the best first."""
    place = table.columns.index(column)
    cells = [cells[place] for _, cells in table.rows if cells[place].strip().lower() not in _NO_NUMBER]
    scored = [(n, sum(any(numerators(c, n, rule) for rule in USUAL) for c in cells)) for n in column.counts]
    return sorted(scored, key=lambda one: (-one[1], one[0]))


def lines(path: Path, decimals: int | None = None) -> Iterator[str]:
    """The audit of a table in a CSV file (or a sheet), for people."""
    table = read(path, decimals)
    found = audit(table)
    cells = sum(cell.strip().lower() not in _NO_NUMBER for _, row in table.rows for cell in row)
    yield f"{len(table.rows):,} rows, {cells:,} cells: {len(found):,} cannot be right under the counts given"
    for column in table.columns:
        if len(column.counts) > 1:
            best = ", ".join(f"{n} fits {fits}" for n, fits in fitting_counts(table, column)[:3])
            yield f"  {column.name} over {_shown(column.counts)}: {best} of {len(table.rows)} rows"
    for one in found:
        what = "impossible" if one.kind == "impossible" else f"not the {one.kind} of its parts"
        yield f"  {one.row}, {one.column}: {one.printed} is {what}: {one.reason}"


def read(path: Path, decimals: int | None = None) -> Table:
    """The table in a file. ``decimals``: what a sheet's numbers are printed with, since it does not keep it.

    Raises InputError where there is no row ``n`` of counts, a cell is no percentage, or a row has another length.
    """
    columns: tuple[Column, ...] = ()
    header: list[str] = []
    rows = []
    for line in tables.lines(path):
        if isinstance(line, tables.Flaw):
            raise InputError(f"{path} {line.place}: {line.message}; next: mend it")
        number, cells = line
        texts = [_text(path, number, cell, decimals) for cell in cells]
        if not any(texts):
            continue
        if not header:
            header = texts
        elif len(texts) != len(header):
            raise InputError(f"{path} row {number}: {len(texts)} cells; expected {len(header)}")
        elif texts[0].lower() == "n" and not columns:
            columns = tuple(_column(path, n, c) for n, c in zip(header[1:], texts[1:], strict=True))
        else:
            rows.append((texts[0], tuple(_percentage(path, number, cell) for cell in texts[1:])))
    if not columns or not rows:
        raise InputError(
            f"{path}: expected a header, a row that begins with n and holds the counts, and rows of percentages; "
            "next: add what is missing"
        )
    return Table(columns, tuple(rows))


def _text(path: Path, number: int, cell: object, decimals: int | None) -> str:
    if not isinstance(cell, tables.NotText):
        return str(cell).strip()
    try:
        value = Decimal(cell.shown)
    except InvalidOperation:
        raise InputError(f"{path} row {number}: {cell.found} ({cell.shown}); expected a percentage as text") from None
    if value == value.to_integral_value() and decimals is None:
        return cell.shown
    if decimals is None:
        raise InputError(
            f"{path} row {number}: {cell.shown} is stored as a number, which does not keep its decimals; "
            "next: give --decimals, or save the table as CSV"
        )
    return f"{value:.{decimals}f}" if number > 2 else cell.shown


def _percentage(path: Path, number: int, cell: str) -> str:
    if cell.lower() in _NO_NUMBER:
        return cell
    try:
        value, _ = _value(cell)
    except ValueError as error:
        raise InputError(f"{path} row {number}: {error}; expected one from 0 to 100, or -") from None
    if not 0 <= value <= 100:
        raise InputError(f"{path} row {number}: {cell} is outside 0 to 100; next: give percentages")
    return cell


def _column(path: Path, name: str, stated: str) -> Column:
    stated = stated.strip().lower()
    if stated in ("sum", "mean"):
        return Column(name, (), stated)
    if not stated:
        return Column(name, ())
    counts: set[int] = set()
    for part in stated.split("|"):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last or last - first >= MOST_COUNTS:
            raise InputError(
                f"{path}: column {name!r} is counted over {stated!r}; expected a number, 38|40, a range of at most "
                f"{MOST_COUNTS} like 36-42, sum, mean, or nothing"
            )
        counts.update(range(first, last + 1))
    return Column(name, tuple(sorted(counts)))
