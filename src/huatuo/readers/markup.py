"""Markdown and plain text become blocks with positions: ``text[start:end]`` is the block as the file has it.

Nothing is rewritten. Only what tells a heading from a paragraph is read; inline marks stay in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["heading", "paragraph", "item", "row", "code"]

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t　]+|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_ITEM = re.compile(r"[ \t　]*(?:[-*+•·](?=[ \t])|\d{1,3}[.)](?=[ \t])|\d{1,3}[、．]|[(（]\d{1,3}[)）])")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")


@dataclass(frozen=True)
class Block:
    """A part of a text that stands for itself."""

    kind: BlockKind
    """heading, paragraph, item (of a list), row (of a table), code (between fences)."""
    start: int
    """First character in the text."""
    end: int
    """One past the last character; the line end after the block is not part of it."""
    level: int = 0
    """1 to 6 for a heading, otherwise 0."""


@dataclass(frozen=True)
class _Line:
    start: int
    end: int
    text: str


def _lines(text: str) -> list[_Line]:
    found, start = [], 0
    for line in text.splitlines(keepends=True) if "\n" not in text else re.findall(r"[^\n]*\n|[^\n]+", text):
        bare = line.rstrip("\r\n")
        found.append(_Line(start, start + len(bare), bare))
        start += len(line)
    return found


def blocks(text: str, markdown: bool = True) -> list[Block]:
    """The blocks of a text in order; every character that is not blank is in exactly one of them.

    ``markdown`` false: plain text, where only paragraphs and list items are told apart; a line that begins with an
    indent begins a paragraph, as Chinese books set it.
    """
    found: list[Block] = []
    fence = ""
    for line in _lines(text):
        last = found[-1] if found else None
        touching = last is not None and "\n" not in text[last.end : line.start].replace("\n", "", 1)
        if fence:
            found[-1] = Block("code", found[-1].start, line.end)
            fence = "" if line.text.strip().startswith(fence) and not line.text.strip().strip(fence[0]) else fence
        elif markdown and (mark := _FENCE.match(line.text)):
            fence = mark.group(1)
            found.append(Block("code", line.start, line.end))
        elif not line.text.strip():
            continue
        elif markdown and touching and last and _is_underlined(text, last, line):
            found[-1] = Block("heading", last.start, line.end, 1 if "=" in line.text else 2)
        else:
            _add(found, line, touching, markdown)
    return found


def _is_underlined(text: str, last: Block, line: _Line) -> bool:
    one_line = last.kind == "paragraph" and "\n" not in text[last.start : last.end]
    return one_line and _UNDERLINE.match(line.text) is not None


def _add(found: list[Block], line: _Line, touching: bool, markdown: bool) -> None:
    heading = _HEADING.match(line.text) if markdown else None
    if heading:
        found.append(Block("heading", line.start, line.end, len(heading.group(1))))
    elif markdown and _ROW.match(line.text):
        found.append(Block("row", line.start, line.end))
    elif _ITEM.match(line.text):
        found.append(Block("item", line.start, line.end))
    else:
        goes_on = touching and found and found[-1].kind in ("paragraph", "item")
        indented = not markdown and line.text[:1] in (" ", "\t", "　")
        if goes_on and not indented:
            found[-1] = Block(found[-1].kind, found[-1].start, line.end)
        else:
            found.append(Block("paragraph", line.start, line.end))


def heading_text(text: str, block: Block) -> str:
    """The words of a heading, without its marks."""
    first = text[block.start : block.end].split("\n")[0].strip()
    return re.sub(r"(^#{1,6}[ \t　]*)|([ \t]+#+$)", "", first).strip()
