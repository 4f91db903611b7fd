"""HTML becomes Markdown-like text: headings, paragraphs, list items with their numbers, table rows, raised digits.

Everything that is shown is kept: nothing is judged to be navigation or advertisement. One walker serves HTML, EPUB,
DOCX (through mammoth) and XML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from huatuo.errors import require
from huatuo.readers.wrap import is_wide
from huatuo.text.glyphs import lowered, raised

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

DEEPEST = 150
"""Levels of nested elements that are told apart; what is deeper is one run of text."""

WIDEST_SPAN = 100
"""Columns or rows that one cell may claim: a page must not ask for a table of a million cells."""

_BLOCK = re.compile(
    r"address|article|aside|blockquote|body|caption|center|dd|details|div|dl|dt|fieldset|figcaption|figure|"
    r"footer|form|header|hgroup|hr|html|legend|main|nav|p|section|summary"
)
_LEFT_OUT = re.compile(r"script|style|template|head|select|button|svg|iframe|object|noframes")
_VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
_SELF_CLOSED = re.compile(rf"<(?!(?:{_VOID})\b)([A-Za-z][\w:.-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)/>")
_BLANKS = re.compile(r"[ \t\r\n\f\u00a0]+")
_HEADING = re.compile(r"h([1-6])")
_SHIFTED = re.compile(r"vertical-align\s*:\s*(super|sub)\b")
_MANY_BLANKS = re.compile(r"\n{3,}")
_BREAK = "\v"


@dataclass
class _Page:
    """The text made so far."""

    parts: list[str] = field(default_factory=list)
    line: str = ""
    lists: list[tuple[bool, int]] = field(default_factory=list)
    """(numbered, number of the last item) of the open lists."""
    marker: str = ""
    """What the next flushed block begins with: a list marker, or the marks of a heading."""

    def flush(self) -> None:
        """End the block that is being written."""
        text, self.line = tidy(self.line), ""
        if not text:
            return
        depth = max(0, len(self.lists) - 1)
        indent = "  " * depth if self.lists else ""
        inside = self.lists and not self.marker
        shown = text.replace("\n", f"\n{indent}  " if self.lists else "\n")
        self.parts.append(("  " if inside else "") + indent + self.marker + shown)
        self.parts.append("\n" if self.lists else "\n\n")
        self.marker = ""

    def gap(self) -> None:
        """A blank line after a list or a table."""
        if self.parts and self.parts[-1] != "\n\n":
            self.parts.append("\n" if self.parts[-1].endswith("\n") else "\n\n")


def tidy(text: str) -> str:
    """The text of one block with runs of blanks as one blank, or none where a line was wrapped beside Chinese."""

    def joined(match: re.Match[str]) -> str:
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        return "" if "\n" in match.group() and (is_wide(before) or is_wide(after)) else " "

    lines = _BLANKS.sub(joined, text).split(_BREAK)
    return "\n".join(line.strip() for line in lines).strip("\n ")


def to_text(page: str, xhtml: bool = False) -> tuple[str, str]:
    """(title, text) of a page; the title is that of its head, empty where it has none.

    ``xhtml``: elements that close themselves (``<title/>``) are opened and closed first, since HTML knows no such
    thing and would take the rest of the page for the title.
    """
    lexbor = require("selectolax.lexbor", "docs")
    tree = lexbor.LexborHTMLParser(_SELF_CLOSED.sub(r"<\1\2></\1>", page) if xhtml else page)
    title = tree.css_first("title")
    made = _Page()
    if tree.body is not None:
        _walk(made, tree.body, 0)
    made.flush()
    return tidy(title.text()) if title is not None else "", _MANY_BLANKS.sub("\n\n", "".join(made.parts)).strip("\n")


def _walk(made: _Page, node: LexborNode, depth: int) -> None:
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            made.line += child.text_content or ""
        elif _LEFT_OUT.fullmatch(tag) or tag.startswith(("-", "_", "!")):
            continue
        elif depth > DEEPEST:
            made.line += child.text(deep=True)
        else:
            _element(made, child, tag, depth + 1)


def _element(made: _Page, node: LexborNode, tag: str, depth: int) -> None:
    shift = _SHIFTED.search((node.attributes.get("style") or "").lower())
    if tag in ("sup", "sub") or (shift and tag == "span"):
        up = tag == "sup" or (shift is not None and shift.group(1) == "super")
        before = made.line.rstrip()[-1:]
        made.line += raised(_inline(node, depth), before) if up else lowered(_inline(node, depth))
    elif tag in ("s", "del", "strike"):  # a dose that was struck out must not read as one that holds
        inner = _inline(node, depth)
        made.line += f"~~{inner}~~" if inner else ""
    elif tag == "br":
        made.line += _BREAK
    elif heading := _HEADING.fullmatch(tag):
        made.flush()
        made.line = _inline(node, depth).replace(_BREAK, " ")
        made.marker = "" if made.lists else "#" * int(heading.group(1)) + " "
        made.flush()
        made.marker = ""
    elif tag in ("ul", "ol", "menu"):
        _list(made, node, tag == "ol", depth)
    elif tag == "li":
        _item(made, node, depth)
    elif tag == "table":
        _table(made, node, depth)
    elif tag == "pre":
        made.flush()
        made.gap()
        fence = "```" if "```" not in node.text() else "~~~~"
        made.parts.append(fence + "\n" + node.text().strip("\n") + f"\n{fence}\n\n")
    elif _BLOCK.fullmatch(tag):
        made.flush()
        _walk(made, node, depth)
        made.flush()
    else:
        _walk(made, node, depth)


def _inline(node: LexborNode, depth: int) -> str:
    """The text of an element with its blocks run together and its line breaks kept."""
    inner = _Page()
    _walk(inner, node, depth)
    inner.flush()
    return " ".join(part.strip() for part in inner.parts if part.strip()).replace("\n", _BREAK)


def _list(made: _Page, node: LexborNode, numbered: bool, depth: int) -> None:
    made.flush()
    if not made.lists:
        made.gap()
    start = node.attributes.get("start") or ""
    made.lists.append((numbered, int(start) - 1 if re.fullmatch(r"\d{1,6}", start) else 0))
    _walk(made, node, depth)
    made.flush()
    made.lists.pop()
    if not made.lists:
        made.gap()


def _item(made: _Page, node: LexborNode, depth: int) -> None:
    made.flush()
    loose = not made.lists
    if loose:
        made.lists.append((False, 0))
    numbered, number = made.lists[-1]
    value = node.attributes.get("value") or ""
    number = int(value) if re.fullmatch(r"\d{1,6}", value) else number + 1
    made.lists[-1] = (numbered, number)
    made.marker = f"{number}. " if numbered else "- "
    _walk(made, node, depth)
    made.flush()
    made.marker = ""
    if loose:
        made.lists.pop()


# ---------------------------------------------------------------- tables


def _rows_of(node: LexborNode) -> list[LexborNode]:
    """The rows of a table, not those of tables inside it."""
    found: list[LexborNode] = []
    for child in node.iter():
        if child.tag == "tr":
            found.append(child)
        elif child.tag in ("thead", "tbody", "tfoot"):
            found.extend(row for row in child.iter() if row.tag == "tr")
    return found


def _table(made: _Page, node: LexborNode, depth: int) -> None:
    """Rows ``| a | b |``; a table that only places blocks on the page (one cell a row, or a table inside) is walked."""
    made.flush()
    rows = _rows_of(node)
    cells = [[cell for cell in row.iter() if cell.tag in ("td", "th")] for row in rows]
    if max(map(len, cells), default=0) < 2 or node.css_first("table table, td h1, td h2, td h3") is not None:
        _walk_cells(made, node, depth)
        return
    for child in node.iter():
        if child.tag == "caption":
            _walk(made, child, depth)
            made.flush()
    made.gap()
    lists, made.lists = made.lists, []
    grid = _grid(cells, depth)
    for number, row in enumerate(grid):
        made.parts.append("| " + " | ".join(row) + " |\n")
        if number == 0:
            made.parts.append("|" + " --- |" * len(row) + "\n")
    made.lists = lists
    made.gap()


def _walk_cells(made: _Page, node: LexborNode, depth: int) -> None:
    for child in node.iter():
        if child.tag in ("thead", "tbody", "tfoot", "tr"):
            _walk_cells(made, child, depth)
        elif child.tag in ("td", "th", "caption"):
            _walk(made, child, depth)
            made.flush()


def _span(cell: LexborNode, name: str) -> int:
    given = cell.attributes.get(name) or ""
    return min(max(1, int(given)), WIDEST_SPAN) if re.fullmatch(r"\d{1,9}", given) else 1


def _grid(cells: list[list[LexborNode]], depth: int) -> list[list[str]]:
    """The texts of a table. A cell over several rows is written in each of them, so that a dose keeps its drug when
    the table is cut; a cell over several columns is written in the first."""
    waiting: dict[int, tuple[str, int]] = {}
    grid: list[list[str]] = []
    for row in cells:
        made: list[str] = []
        left = list(row)
        while left or any(at >= len(made) for at in waiting):
            at = len(made)
            if at in waiting:
                text, more = waiting.pop(at)
                made.append(text)
                if more > 1:
                    waiting[at] = (text, more - 1)
            elif left:
                cell = left.pop(0)
                text = _inline(cell, depth).replace(_BREAK, " ")
                text = tidy(text).replace("|", "\\|")
                down = _span(cell, "rowspan")
                for number in range(_span(cell, "colspan")):
                    made.append(text if number == 0 else "")
                    if down > 1:
                        waiting[at + number] = (text if number == 0 else "", down - 1)
            else:
                made.append("")
        grid.append(made)
    width = max(map(len, grid), default=0)
    return [row + [""] * (width - len(row)) for row in grid]
