"""The pieces of a PDF page become Markdown-like text: columns one after the other, headings, items, rows, paragraphs.

The order of the file is kept, which is right for what word processors write; only where the file jumps between two
columns of running text again and again are they read one after the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from huatuo.readers.markup import blocks
from huatuo.readers.pdf_chars import Piece
from huatuo.readers.wrap import is_wide, meet

LEAST_LINES = 4
"""Lines that a column has at least."""

HEADING_SIZE = 1.12
"""Size of a heading relative to the running text, at least."""

LONGEST_HEADING = 80
"""Characters of a heading, at most."""

_FINAL = re.compile(r"[。！？!?.;；:：…][”’」』）)\]】\"']*$")


@dataclass(frozen=True)
class Line:
    """A line of a page, or a whole table."""

    text: str
    """The text; a table's rows are ready-made."""
    x0: float
    """Left edge."""
    x1: float
    """Right edge."""
    y: float
    """Baseline."""
    size: float
    """Size of the characters; 0 for a table."""


def in_reading_order(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, column by column where the file has two columns of running text line by line."""
    gutter = _gutter(pieces)
    if gutter is None:
        return list(pieces)
    sides = [_side(piece, gutter) for piece in pieces]
    jumps = sum(a != b for a, b in pairwise(side for side in sides if side))
    if jumps < max(4, min(sides.count(-1), sides.count(1)) // 2):
        return list(pieces)
    made: list[Piece] = []
    band: list[tuple[int, Piece]] = []
    for piece in sorted(pieces, key=lambda piece: -piece.y):
        side = _side(piece, gutter)
        if side:
            band.append((side, piece))
            continue
        made += _columns(band)
        made.append(piece)
        band = []
    return made + _columns(band)


def _columns(band: list[tuple[int, Piece]]) -> list[Piece]:
    return [piece for wanted in (-1, 1) for side, piece in band if side == wanted]


def _side(piece: Piece, gutter: float) -> int:
    """-1 left of the gutter, 1 right of it, 0 across it."""
    return -1 if piece.x1 <= gutter + 1 else 1 if piece.x0 >= gutter - 1 else 0


def _gutter(pieces: Sequence[Piece]) -> float | None:
    """The x between two columns of running text, or None; those of a table are none: cells are short."""
    if len(pieces) < 2 * LEAST_LINES:
        return None
    left, right = min(p.x0 for p in pieces), max(p.x1 for p in pieces)
    middle = [p.x0 for p in pieces if 0.3 < (p.x0 - left) / (right - left) < 0.7]
    best: tuple[int, float] | None = None
    for x in {round(x) - 2 for x in middle}:
        sides = [_side(p, x) for p in pieces]
        if best is None or sides.count(0) < best[0]:
            best = sides.count(0), float(x)
    if best is None or best[0] > 0.25 * len(pieces):
        return None
    gutter = best[1]
    for side, width in ((-1, gutter - left), (1, right - gutter)):
        own = sorted(p.x1 - p.x0 for p in pieces if _side(p, gutter) == side)
        if len(own) < LEAST_LINES or own[len(own) // 2] < 0.6 * width or width < 100:
            return None
    return gutter


# ---------------------------------------------------------------- lines


def lines_of(pieces: Sequence[Piece]) -> list[Line]:
    """Lines of a page: pieces on one baseline are one line, or where two such lines follow each other, table rows."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        last = groups[-1][-1] if groups else None
        level = last is not None and abs(last.y - piece.y) < 0.3 * max(last.size, piece.size)
        if level and last is not None and piece.x0 > last.x1:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    made = []
    for i, group in enumerate(groups):
        near = groups[max(0, i - 1) : i] + groups[i + 1 : i + 2]
        is_row = len(group) > 1 and not _is_marker(group[0]) and any(_same_columns(group, other) for other in near)
        if is_row:
            text = "| " + " | ".join(piece.text.replace("|", "\\|") for piece in group) + " |"
        else:
            text = " ".join(piece.text for piece in group)
        y, size = group[0].y, 0.0 if is_row else max(piece.size for piece in group)
        made.append(Line(text, group[0].x0, group[-1].x1, y, size))
    return made


def _is_marker(piece: Piece) -> bool:
    """Whether the piece is the mark or number of a list item, which some programs set apart from its text."""
    return len(piece.text) <= 5 and _kind(piece.text + " x") == "item"


def _same_columns(one: list[Piece], two: list[Piece]) -> bool:
    """Whether two lines of pieces are rows of one table: as many cells, beginning or ending at the same places."""
    if len(one) != len(two):
        return False
    near = 1.5 * max(one[0].size, two[0].size)
    return all(abs(a.x0 - b.x0) < near or abs(a.x1 - b.x1) < near for a, b in zip(one, two, strict=True))


# ---------------------------------------------------------------- paragraphs


def body_size(pages: Sequence[Sequence[Line]]) -> float:
    """The size that most characters have; 0 without characters."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            if line.size:
                sizes[round(line.size * 2) / 2] += len(line.text)
    return max(sizes, key=lambda size: (sizes[size], size)) if sizes else 0.0


def heading_sizes(pages: Sequence[Sequence[Line]], body: float) -> list[float]:
    """The sizes of headings, largest first: a heading's level is the place of its size."""
    sizes = {
        round(line.size * 2) / 2
        for page in pages
        for line in page
        if line.size >= HEADING_SIZE * body and len(line.text) <= LONGEST_HEADING
    }
    return sorted(sizes, reverse=True)


def paragraphs(lines: Sequence[Line], body: float, headings: Sequence[float], words: frozenset[str]) -> str:
    """The lines of a page as Markdown-like text."""
    made: list[tuple[str, str]] = []  # (kind, text)
    previous: Line | None = None
    for line in lines:
        level = _heading_level(line, body, headings)
        kind = "row" if not line.size else f"{'#' * level} " if level else _kind(line.text)
        before = made[-1][0] if made else ""
        same_heading = level and before == kind and previous and 0 < previous.y - line.y < 2 * line.size
        left, right = _edges(lines, line)
        goes_on = previous is not None and _goes_on(previous, line, left, right, before)
        if same_heading or (kind == "paragraph" and before in ("paragraph", "item") and goes_on):
            made[-1] = (before, meet(made[-1][1], line.text, words))
        else:
            made.append((kind, line.text))
        previous = line
    text = ""
    for (kind, inner), following in zip(made, [*made[1:], ("", "")], strict=False):
        text += (kind + inner) if kind.startswith("#") else inner
        text += "\n" if kind in ("item", "row") and following[0] == kind else "\n\n"
    return text.strip("\n")


def _kind(text: str) -> str:
    found = blocks(text, markdown=False)
    return "item" if found and found[0].kind == "item" else "paragraph"


def _heading_level(line: Line, body: float, headings: Sequence[float]) -> int:
    size = round(line.size * 2) / 2
    is_long = len(line.text) > LONGEST_HEADING
    if not line.size or is_long or size not in headings or not any(c.isalpha() for c in line.text):
        return 0
    return min(6, headings.index(size) + 1)


def _edges(lines: Sequence[Line], line: Line) -> tuple[float, float]:
    """Left and right edge of the column that the line stands in."""
    over = [other for other in lines if other.size and other.x0 < line.x1 and line.x0 < other.x1]
    column = [o for o in over if o.x1 - o.x0 <= 1.6 * (line.x1 - line.x0)] if len(over) > 3 else over
    shown = column or [line]
    return min(o.x0 for o in shown), max(o.x1 for o in shown)


def _goes_on(previous: Line, line: Line, left: float, right: float, kind: str) -> bool:
    """Whether a line carries on the paragraph of the one before it."""
    if not previous.size or not line.size or abs(previous.size - line.size) > 0.1 * line.size:
        return False
    below = previous.y - line.y
    in_next_column = below < 0
    if not in_next_column and below > 2.2 * line.size:
        return False
    if in_next_column:
        return _FINAL.search(previous.text) is None
    wide = is_wide(previous.text[-1:])
    slack = (1.3 if _FINAL.search(previous.text) else 2.3) * line.size if wide else 0.25 * (right - left)
    if previous.x1 < right - slack:
        return False
    return kind == "item" or line.x0 - previous.x0 < 1.2 * line.size


# ---------------------------------------------------------------- running heads


def without_running_heads(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> tuple[list[list[Line]], int]:
    """(pages, number of lines left out) without page numbers and the lines that stand at the edge of many pages."""
    edge: Counter[str] = Counter()
    for page, height in zip(pages, heights, strict=True):
        edge.update({_key(line) for line in page if _at_edge(line, height)})
    repeated = {key for key, number in edge.items() if number >= max(3, 0.3 * len(pages))}
    repeated |= {"#"} if len(pages) > 1 else set()
    kept = [
        [line for line in page if not (_at_edge(line, height) and _key(line) in repeated)]
        for page, height in zip(pages, heights, strict=True)
    ]
    return kept, sum(map(len, pages)) - sum(map(len, kept))


def _at_edge(line: Line, height: float) -> bool:
    return bool(line.size) and not 0.08 * height < line.y < 0.92 * height


def _key(line: Line) -> str:
    return re.sub(r"[\s\-–—·第页共/／]+", "", re.sub(r"\d+", "#", line.text)) or "#"


def table_line(rows: list[list[str]], y: float) -> Line:
    """A ruled table as one line of ready-made rows."""
    shown = ["| " + " | ".join(row) + " |" for row in rows]
    shown.insert(1, "|" + " --- |" * len(rows[0]))
    return replace(Line("\n".join(shown), 0, 0, 0, 0), y=y)
