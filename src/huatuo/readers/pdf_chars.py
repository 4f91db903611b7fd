"""What stands where on a page of a PDF: characters, the pieces of lines they make, and ruled lines. Units are points.

Characters come in the order of the file. A raised or lowered one is told by its smaller size and shifted baseline, and
becomes ``⁹`` or ``₂``: as plain text ``10⁹/L`` would read ``109/L``.
"""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from huatuo.errors import require
from huatuo.readers.wrap import is_wide
from huatuo.text.glyphs import lowered, raised

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

SMALLER = 0.86
"""Size of a raised or lowered character relative to its line, at most."""

MOST_PATHS = 4_000
"""Drawn paths of a page beyond which it is a drawing, not a table."""

ANGLES = 200
"""Characters whose direction decides how a page's text runs."""

Point = tuple[float, float]

_HYPHENS = {0x02: "-", 0xFFFE: "-", 0xAD: "-"}


class Char(NamedTuple):
    """One character."""

    text: str
    """The character."""
    x0: float
    """Left edge."""
    x1: float
    """Right edge."""
    y: float
    """Baseline, upwards."""
    size: float
    """Size of the font as it is set."""
    made: bool
    """A blank that the file does not hold, put between words that stand apart."""


class Rule(NamedTuple):
    """A straight line along the page's edges: from (x0, y0) to (x1, y1), with x0 <= x1 and y0 <= y1."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Piece:
    """Characters side by side on one line."""

    text: str
    """The text, raised and lowered characters as such."""
    x0: float
    """Left edge."""
    x1: float
    """Right edge."""
    y: float
    """Baseline."""
    size: float
    """Size of most of it."""


def chars_of(page: PdfPage) -> tuple[list[Char], int]:
    """(characters of a page in the order of the file, quarter turns of its text): where the text runs sideways, the
    characters are given as they stand on the page turned upright."""
    raw = require("pypdfium2.raw", "docs")
    text_page = page.get_textpage()
    edge, matrix, x, y = raw.FS_RECTF(), raw.FS_MATRIX(), ctypes.c_double(), ctypes.c_double()
    found = []
    angles: list[int] = []
    for i in range(raw.FPDFText_CountChars(text_page)):
        code = raw.FPDFText_GetUnicode(text_page, i)
        if code in (0, 0x0A, 0x0D):
            continue
        made = raw.FPDFText_IsGenerated(text_page, i) == 1
        raw.FPDFText_GetLooseCharBox(text_page, i, edge)
        raw.FPDFText_GetCharOrigin(text_page, i, x, y)
        if not made and len(angles) < ANGLES:
            angles.append(round(raw.FPDFText_GetCharAngle(text_page, i) / (math.pi / 2)) % 4)
        corners = (edge.left, edge.bottom), (edge.right, edge.top), (x.value, y.value)
        raw.FPDFText_GetMatrix(text_page, i, matrix)
        size = raw.FPDFText_GetFontSize(text_page, i) * math.hypot(matrix.c, matrix.d)
        found.append((_HYPHENS.get(code) or chr(code), corners, size, made))
    text_page.close()
    turns = max(set(angles), key=angles.count) if angles else 0
    box = page.get_mediabox()
    chars = []
    for text, corners, size, made in found:
        one, two, (_, baseline) = (_upright(point, turns, box) for point in corners)
        x0, x1 = sorted((one[0], two[0]))
        chars.append(Char(text, x0, x1, baseline, size or abs(two[1] - one[1]), made))
    return _surrogates(chars), turns


def _upright(point: Point, turns: int, box: Sequence[float]) -> Point:
    """The point on the page turned so that text runs to the right; ``box`` is left, bottom, right, top of the page."""
    x, y = point
    if turns == 1:
        return box[3] - y, x - box[0]
    if turns == 2:
        return box[2] - x, box[3] - y
    return (y - box[1], box[2] - x) if turns == 3 else point


def _surrogates(chars: list[Char]) -> list[Char]:
    """The characters with halves of a surrogate pair, as some maps give them, put together."""
    found: list[Char] = []
    for char in chars:
        if found and "\udc00" <= char.text <= "\udfff" and "\ud800" <= found[-1].text <= "\udbff":
            whole = (found[-1].text + char.text).encode("utf-16", "surrogatepass").decode("utf-16")
            found[-1] = found[-1]._replace(text=whole)
        else:
            found.append(char)
    return [c._replace(text="\ufffd") if "\ud800" <= c.text <= "\udfff" else c for c in found]


# ---------------------------------------------------------------- pieces of lines


def pieces_of(chars: Sequence[Char]) -> list[Piece]:
    """The pieces of lines that the characters make, in the order of the file."""
    groups: list[list[Char]] = []
    main = Char("", 0, 0, 0, 0, False)  # the last full-size character of the group
    for char in chars:
        blank = not char.text.strip()
        if groups and (blank or _goes_on(groups[-1], main, char)):
            groups[-1].append(char)
            if not blank and char.size >= main.size * SMALLER:
                main = char
        elif not blank:
            groups.append([char])
            main = char
    return [piece for group in groups if (piece := _piece(group)).text]


def _goes_on(group: list[Char], main: Char, char: Char) -> bool:
    """Whether the character stands on the group's line, right of it and near it."""
    last = next(c for c in reversed(group) if not c.made)
    gap, big = char.x0 - last.x1, max(main.size, char.size)
    if not -0.7 * big < gap < 0.9 * big:
        return False
    shift = char.y - main.y
    if char.size < SMALLER * main.size:
        return -0.4 * main.size < shift < 0.8 * main.size
    if main.size < SMALLER * char.size:
        return len(group) <= 6 and -0.8 * char.size < shift < 0.4 * char.size
    return abs(shift) < 0.25 * big


def _piece(group: list[Char]) -> Piece:
    size = _size(group)
    line = [c for c in group if c.size >= SMALLER * size] or group
    y = sorted(c.y for c in line)[len(line) // 2]
    text, run, was = "", "", 0
    for i, char in enumerate(group):
        shift = _shift(char, y, size) if char.text.strip() else was
        if char.made and _is_no_blank((text + run)[-1:], "".join(c.text for c in group[i + 1 : i + 2])):
            continue
        if shift != was:
            text, run = text + _shifted(run, was, text), ""
        run, was = run + char.text, shift
    text = (text + _shifted(run, was, text)).strip()
    inked = [c for c in group if c.text.strip()]
    return Piece(text, min(c.x0 for c in inked), max(c.x1 for c in inked), y, size)


def _is_no_blank(before: str, after: str) -> bool:
    """Whether a blank that the file does not hold means nothing: in justified Chinese letters stand apart."""
    marks = (is_wide(side) and not side.isalnum() for side in (before, after))
    return (is_wide(before) and is_wide(after)) or any(marks)


def _size(group: list[Char]) -> float:
    """The size that most characters of the line itself have; raised and lowered ones do not count."""
    sizes = Counter(round(c.size, 1) for c in group if c.text.strip())
    lines: Counter[float] = Counter()
    for size in sizes:
        lines[size] = sum(number for other, number in sizes.items() if SMALLER * size <= other <= size / SMALLER)
    return max(sizes, key=lambda size: (lines[size], sizes[size], size))


def _shift(char: Char, y: float, size: float) -> int:
    if char.size > SMALLER * size:
        return 0
    if char.y - y > 0.12 * size:
        return 1
    return -1 if char.y - y < -0.04 * size else 0


def _shifted(run: str, shift: int, before: str) -> str:
    if shift > 0:
        return raised(run.rstrip(), before.rstrip()[-1:]) + run[len(run.rstrip()) :]
    return lowered(run) if shift < 0 else run


# ---------------------------------------------------------------- ruled lines


def rules_of(page: PdfPage, turns: int) -> list[Rule]:
    """The straight lines of a page, turned as its text is, that run along its edges and are at least 8 points long,
    edges of boxes included; none where the page holds more than `MOST_PATHS` paths."""
    raw = require("pypdfium2.raw", "docs")
    found: list[Rule] = []
    box = page.get_mediabox()
    for count, item in enumerate(page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=4)):
        if count >= MOST_PATHS:
            return []
        matrix = item.get_matrix()
        last = start = (0.0, 0.0)
        for i in range(min(raw.FPDFPath_CountSegments(item), 1000)):
            segment = raw.FPDFPath_GetPathSegment(item, i)
            x, y = ctypes.c_float(), ctypes.c_float()
            raw.FPDFPathSegment_GetPoint(segment, x, y)
            point = _upright(matrix.on_point(x.value, y.value), turns, box)
            kind = raw.FPDFPathSegment_GetType(segment)
            if kind == raw.FPDF_SEGMENT_MOVETO:
                start = point
            elif kind == raw.FPDF_SEGMENT_LINETO:
                _add_rule(found, last, point)
            last = point
            if raw.FPDFPathSegment_GetClose(segment):
                _add_rule(found, point, start)
    return found


def _add_rule(found: list[Rule], one: tuple[float, float], two: tuple[float, float]) -> None:
    x0, x1 = sorted((one[0], two[0]))
    y0, y1 = sorted((one[1], two[1]))
    if (x1 - x0 >= 8 and y1 - y0 < 1) or (y1 - y0 >= 8 and x1 - x0 < 1):
        found.append(Rule(x0, y0, x1, y1))


def has_drawing(page: PdfPage) -> bool:
    """Whether a page shows an image, or so many paths that its letters may be drawn."""
    raw = require("pypdfium2.raw", "docs")
    kinds = [raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING]
    for paths, item in enumerate(page.get_objects(filter=kinds, max_depth=4), 1):
        if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_IMAGE or paths >= 20:
            return True
    return False
