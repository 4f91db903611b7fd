"""PDF becomes Markdown-like text with its pages; a page without text is said to need OCR, never passed over.

Text comes from the file, not from what is drawn: a scan is told by its images and by having fewer than
`LEAST_CHARACTERS` characters on a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from huatuo.errors import require
from huatuo.readers.encoding import Problem
from huatuo.readers.parts import Part, Unread
from huatuo.readers.pdf_chars import chars_of, has_drawing, pieces_of, rules_of
from huatuo.readers.pdf_layout import (
    Line,
    body_size,
    heading_sizes,
    in_reading_order,
    lines_of,
    paragraphs,
    table_line,
    without_running_heads,
)
from huatuo.readers.pdf_tables import grids, rows
from huatuo.readers.wrap import bound_pages, words_of
from huatuo.text.glyphs import mend_radicals

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

LEAST_CHARACTERS = 20
"""Characters on a page with images below which its text is a picture (a scanned page has none, or a stamp's)."""

MOST_UNKNOWN = 0.1
"""Share of characters without a Unicode value beyond which a page's text cannot be trusted."""

MOST_PAGES = 20_000
"""Pages of a file; a file with more is a bomb or a library."""

SHOWN_PAGES = 10
"""Pages named in a message; the count is always whole."""


@dataclass
class _Found:
    """What the pages of a file hold."""

    lines: list[list[Line]] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


def read_pdf(path: Path) -> Part | Unread:
    """The text of a PDF with a mark for each page, or why there is none."""
    pdfium = require("pypdfium2", "docs")
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        return _refusal(getattr(error, "err_code", None))
    try:
        count = len(document)
        if count > MOST_PAGES:
            return Unread("too_large", f"{count:,} pages; expected at most {MOST_PAGES:,}; next: split the file")
        found = _Found()
        for number in range(1, count + 1):
            try:
                page = document[number - 1]
                _read_page(page, number, found)
                page.close()
            except pdfium.PdfiumError:
                found.damaged.append(number)
                found.lines.append([])
                found.heights.append(0)
    finally:
        document.close()
    return _part(found, count, _is_whole(path))


def _is_whole(path: Path) -> bool:
    """Whether the file ends as a PDF does; PDFium repairs what it can of one that does not."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2048))
        return b"%%EOF" in file.read()


def _refusal(code: int | None) -> Unread:
    raw = require("pypdfium2.raw", "docs")
    if code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
        return Unread("encrypted", "the PDF is protected by a password; next: save it without one")
    return Unread("damaged", "not a whole PDF (cut off, or not a PDF at all); next: get the file again")


def _read_page(page: PdfPage, number: int, found: _Found) -> None:
    chars, turns = chars_of(page)
    inked = [char.text for char in chars if char.text.strip()]
    if len(inked) < LEAST_CHARACTERS and has_drawing(page):
        found.scanned.append(number)
    lost = sum(text == "\ufffd" or "\ue000" <= text <= "\uf8ff" or text < " " for text in inked)
    if lost:
        found.unknown.append(number)
    if lost > MOST_UNKNOWN * len(inked):
        found.scanned.append(number)
        chars = []
    made: list[Line] = []
    flow = list(chars)
    for grid in grids(rules_of(page, turns)):
        inside = [char for char in flow if grid.holds(char)]
        cells = rows(grid, inside)
        if sum(sum(map(bool, row)) for row in cells) >= 2:
            at = next(i for i, char in enumerate(flow) if grid.holds(char))
            made += lines_of(in_reading_order(pieces_of(flow[:at])))
            made.append(table_line(cells, grid.ys[0]))
            flow = [char for char in flow[at:] if not grid.holds(char)]
    made += lines_of(in_reading_order(pieces_of(flow)))
    found.lines.append(made)
    found.heights.append(page.get_height())


def _part(found: _Found, count: int, is_whole: bool) -> Part | Unread:
    pages, left_out = without_running_heads(found.lines, found.heights)
    body = body_size(pages)
    sizes = heading_sizes(pages, body)
    words = words_of("\n".join(line.text for page in pages for line in page))
    texts = [paragraphs(page, body, sizes, words) for page in pages]
    text, marks = bound_pages([(f"page {number}", page) for number, page in enumerate(texts, 1)])
    problems = []
    for rule, numbers, says in (
        ("needs_ocr", sorted(set(found.scanned)), "without text; next: run OCR and give its Markdown"),
        ("no_unicode", found.unknown, "with characters that have no Unicode value; compare with the printed page"),
        ("damaged_page", found.damaged, "that cannot be read"),
    ):
        if numbers:
            problems.append(Problem(rule, _pages(numbers, count, says)))
    if not is_whole:
        problems.append(
            Problem("cut_off", f"the end of the file is missing; {count:,} pages were found, more may be lost")
        )
    if left_out:
        problems.append(Problem("running_heads", f"{left_out:,} page numbers and running heads left out"))
    if not text.strip():
        if found.scanned:
            says = f"none of the {count:,} pages has text that can be read; next: run OCR and give its Markdown"
            return Unread("needs_ocr", says)
        return Unread("empty_file", f"the PDF has {count:,} pages and no text; expected text")
    return Part("", mend_radicals(text), "", marks, tuple(problems))


def _pages(numbers: list[int], count: int, says: str) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN_PAGES])) + (", ..." if len(numbers) > SHOWN_PAGES else "")
    return f"page {shown}: {len(numbers):,} of {count:,} pages {says}"
