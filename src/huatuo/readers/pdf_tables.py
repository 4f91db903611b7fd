"""Ruled tables of a PDF page: lines make a grid, characters fall into its cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from huatuo.readers.pdf_chars import Char, Rule, pieces_of
from huatuo.readers.wrap import meet

NEAR = 3.0
"""Points within which two lines meet, or are one line drawn twice."""

MOST_RULES = 1_000
"""Lines of a page beyond which no table is looked for (a plot, a chequered form)."""


@dataclass(frozen=True)
class Grid:
    """One table's lines."""

    xs: tuple[float, ...]
    """Vertical lines from left to right."""
    ys: tuple[float, ...]
    """Horizontal lines from top to bottom."""
    rules: tuple[Rule, ...]
    """The lines themselves: where one is missing, two cells are one."""

    def holds(self, char: Char) -> bool:
        """Whether the character's middle is inside the table."""
        x, y = (char.x0 + char.x1) / 2, char.y + 0.3 * char.size
        return self.xs[0] < x < self.xs[-1] and self.ys[-1] < y < self.ys[0]


def grids(rules: Sequence[Rule]) -> list[Grid]:
    """The tables that the lines of a page make: connected lines with at least two cells in two columns."""
    if not 4 <= len(rules) <= MOST_RULES:
        return []
    found = []
    for group in _connected(rules):
        xs = _clustered(rule.x0 for rule in group if rule.y1 - rule.y0 > rule.x1 - rule.x0)
        ys = _clustered(rule.y0 for rule in group if rule.x1 - rule.x0 > rule.y1 - rule.y0)
        if len(xs) >= 3 and len(ys) >= 2:
            found.append(Grid(tuple(xs), tuple(reversed(ys)), tuple(group)))
    return found


def _connected(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The lines in groups that touch each other."""
    groups: list[list[Rule]] = []
    for rule in rules:
        apart, merged = [], [rule]
        for group in groups:
            if any(_touch(rule, other) for other in group):
                merged.extend(group)
            else:
                apart.append(group)
        groups = [*apart, merged]
    return groups


def _touch(one: Rule, two: Rule) -> bool:
    return one.x0 - NEAR <= two.x1 and two.x0 - NEAR <= one.x1 and one.y0 - NEAR <= two.y1 and two.y0 - NEAR <= one.y1


def _clustered(values: Iterable[float]) -> list[float]:
    made: list[float] = []
    for value in sorted(values):
        if not made or value - made[-1] > NEAR:
            made.append(value)
    return made


def rows(grid: Grid, chars: Sequence[Char]) -> list[list[str]]:
    """The texts of a table by row. A cell over several rows is written in each of them; one over several columns in
    the first."""
    columns, lines = len(grid.xs) - 1, len(grid.ys) - 1
    owner = [[_owner(grid, row, column) for column in range(columns)] for row in range(lines)]
    inside: dict[tuple[int, int], list[Char]] = {}
    for char in chars:
        x, y = (char.x0 + char.x1) / 2, char.y + 0.3 * char.size
        column = max(0, min(columns - 1, sum(edge <= x for edge in grid.xs) - 1))
        row = max(0, min(lines - 1, sum(edge >= y for edge in grid.ys) - 1))
        inside.setdefault(owner[row][column], []).append(char)
    texts = {key: _cell(found) for key, found in inside.items()}
    made = []
    for row in range(lines):
        cells = [texts.get(key, "") if key[1] == column else "" for column, key in enumerate(owner[row])]
        if any(cells):
            made.append(cells)
    return made


def _cell(chars: list[Char]) -> str:
    text = ""
    for piece in pieces_of(chars):
        text = meet(text, piece.text)
    return text.replace("|", "\\|")


def _owner(grid: Grid, row: int, column: int) -> tuple[int, int]:
    """(row, column) of the first cell that this one is one with."""
    while column and not _is_split(grid, row, column):
        column -= 1
    while row and not _is_topped(grid, row, column):
        row -= 1
    return row, column


def _is_split(grid: Grid, row: int, column: int) -> bool:
    """Whether a line runs between a cell and the one left of it."""
    x, y = grid.xs[column], (grid.ys[row] + grid.ys[row + 1]) / 2
    return any(abs(r.x0 - x) <= NEAR and abs(r.x1 - x) <= NEAR and r.y0 <= y <= r.y1 for r in grid.rules)


def _is_topped(grid: Grid, row: int, column: int) -> bool:
    """Whether a line runs between a cell and the one above it."""
    x, y = (grid.xs[column] + grid.xs[column + 1]) / 2, grid.ys[row]
    return any(abs(r.y0 - y) <= NEAR and abs(r.y1 - y) <= NEAR and r.x0 <= x <= r.x1 for r in grid.rules)
