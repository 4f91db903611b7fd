"""Hard-wrapped lines become paragraphs again: Chinese lines meet without a blank, English ones with one.

Nothing is joined across list items, headings, table rows or code. In Markdown a line end inside a paragraph means
nothing, so all are joined (two blanks or a backslash at the end keep it); in plain text only where the file shows that
it was wrapped, since lists of words, verses and labelled fields are one line each on purpose.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence

from huatuo.readers.markup import Block, blocks
from huatuo.records import Mark

WIDEST = 140
"""Columns (a Han character takes two) beyond which a line was not wrapped by hand or by a program for printing."""

FULL = 0.7
"""Share of the wrap width from which a line is full: an English line ends where the next word would not fit."""

MID_SENTENCE = 0.3
"""Share of the full lines that must end inside a sentence for a file to be hard-wrapped; prose has 0.8 and more."""

MARK_EVERY = 20
"""Source lines between two marks."""

_FINAL = re.compile(r"[。！？!?.;；:：…][”’」』）)\]】\"']*$")
_PUNCTUATION = re.compile(r"[。，；、！？]|[,.;!?](?:\s|$)")
_LABEL = re.compile(r"\s*[^\s，。,.;；:：]{1,12}[:：]")
_HEADING = re.compile(
    r"\s*(?:[一二三四五六七八九十]{1,3}、|[（(][一二三四五六七八九十]{1,3}[）)]|第[一二三四五六七八九十百]{1,4}[章节篇])[^。，；！？：,;:、]{1,20}"
)
"""A numbered heading of a plain text, whole on its line."""
_WORD = re.compile(r"[^\W\d_]{4,}")
_DECIMAL = re.compile(r"\d\.$")
_HYPHENATED = re.compile(r"[^\W\d_]+-$")
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\U00020000-\U0003fffd]"
)


def is_wide(character: str) -> bool:
    """Whether the character is set full width (Han, kana, full-width punctuation): no blank stands beside it."""
    return bool(character) and unicodedata.east_asian_width(character) in "WF"


def columns(line: str) -> int:
    """The width of a line on a terminal: two columns for a full-width character."""
    return len(line) + len(_WIDE.findall(line))


def words_of(text: str) -> frozenset[str]:
    """The words of a text that shows a word cut at a line end by a hyphen; none where it shows no such word."""
    return frozenset(_WORD.findall(text.lower())) if re.search(r"[^\W\d_]-[ \t]*\n", text) else frozenset()


def meet(first: str, second: str, words: frozenset[str] = frozenset()) -> str:
    """Two lines of one paragraph as one line.

    A word that is cut by a hyphen loses it only where the whole word is in ``words``, those of the rest of the text:
    ``beta-`` and ``blocker`` keep theirs.
    """
    left, blank = _seam(first.rstrip(), second.lstrip(), words)
    return left + blank + second.lstrip()


def _seam(left: str, right: str, words: frozenset[str]) -> tuple[str, str]:
    """(left line, what stands between it and the right one)."""
    if not left or not right:
        return left, ""
    if left[-1] == "-" and right[0].islower() and (cut := _HYPHENATED.search(left, max(0, len(left) - 40))):
        whole = cut.group()[:-1] + re.split(r"[\W_]", right, maxsplit=1)[0]
        return (left[:-1] if whole.lower() in words else left), ""
    if _WIDE.search(left) and _DECIMAL.search(left) and right[0].isdigit():
        return left, ""  # a Chinese sentence does not end with a full stop after a digit: 38. | 5℃
    return left, "" if is_wide(left[-1]) or is_wide(right[0]) else " "


def _wrap_width(text: str, found: Sequence[Block]) -> int:
    """The width at which a plain text was wrapped, in columns; 0 where it was not."""
    inner: list[tuple[int, str]] = []
    for block in found:
        lines = text[block.start : block.end].split("\n")
        inner.extend((columns(line.rstrip()), line.rstrip()) for line in lines[:-1])
    if not inner:
        return 0
    widths = sorted(width for width, _ in inner)
    width = widths[int(0.9 * (len(widths) - 1))]
    full = [line for own, line in inner if own >= FULL * width]
    cut = sum(_FINAL.search(line) is None for line in full)
    return width if width <= WIDEST and cut >= MID_SENTENCE * len(full) else 0


def _one_paragraph(lines: list[str], width: int, words: frozenset[str]) -> str:
    """The lines of a block joined where they go on; ``width`` 0 means Markdown, where they always do."""
    parts = [lines[0]]
    for before, line in itertools.pairwise(lines):
        bare = before.rstrip()
        if width:
            own = columns(bare)
            goes_on = own >= FULL * width and (own >= 0.9 * width or _FINAL.search(bare) is None)
        else:
            goes_on = not before.endswith(("  ", "\\"))
        goes_on = goes_on and _LABEL.match(line) is None and _HEADING.fullmatch(bare) is None
        if goes_on:
            left, blank = _seam(parts[-1].rstrip(), line.lstrip(), words)
            parts[-1] = left + blank
        parts.append(line.lstrip() if goes_on else "\n" + line)
    return "".join(parts)


def rejoined(text: str, markdown: bool) -> tuple[str, tuple[Mark, ...]]:
    """The text with its hard-wrapped lines rejoined, and marks ``line 120`` that lead back to the lines of the source.

    The text is returned as it is, without marks, where nothing is to be joined.
    """
    found = blocks(text, markdown)
    many = [b for b in found if b.kind in ("paragraph", "item") and "\n" in text[b.start : b.end]]
    width = 0 if markdown else _wrap_width(text, many)
    if not many or not (markdown or width):
        return text, ()
    words = words_of(text)
    parts: list[str] = []
    marks: list[Mark] = []
    at = length = marked = 0
    line = 1
    for block in found:
        gap, inner = text[at : block.start], text[block.start : block.end]
        parts.append(gap)
        length += len(gap)
        line += gap.count("\n")
        if line - marked >= MARK_EVERY:
            marks.append(Mark(start=length, label=f"line {line}"))
            marked = line
        line += inner.count("\n")
        at = block.end
        if block.kind in ("paragraph", "item") and "\n" in inner and (markdown or _PUNCTUATION.search(inner)):
            inner = _one_paragraph(inner.split("\n"), width, words)
        parts.append(inner)
        length += len(inner)
    made = "".join([*parts, text[at:]])
    return (text, ()) if made == text else (made, tuple(marks))


def bound_pages(pages: Sequence[tuple[str, str]]) -> tuple[str, tuple[Mark, ...]]:
    """The texts of (label, text) as one text, and where each page begins in it.

    A paragraph that ends inside a sentence goes on in the first paragraph of the next page.
    """
    words = words_of("\n".join(page for _, page in pages))
    parts: list[str] = []
    marks = []
    length = 0
    for label, page in pages:
        text = page.strip("\n")
        if not text.strip():
            continue
        if parts and _goes_on(parts[-1], text):
            first, newline, rest = text.partition("\n")
            before = parts.pop()
            joined = meet(before, first, words)
            marks.append(Mark(start=length - len(before) + max(0, len(joined) - len(first.lstrip())), label=label))
            parts.append(joined + newline + rest)
            length += len(parts[-1]) - len(before)
        else:
            gap = "\n\n" if parts else ""
            marks.append(Mark(start=length + len(gap), label=label))
            parts += [gap, text] if gap else [text]
            length += len(gap) + len(text)
    return "".join(parts), tuple(marks)


def _goes_on(before: str, after: str) -> bool:
    last_line = before.rstrip("\n").rsplit("\n", 1)[-1]
    last, first = blocks(last_line)[-1:], blocks(after.split("\n", 1)[0])[:1]
    if not last or not first or last[0].kind not in ("paragraph", "item") or first[0].kind != "paragraph":
        return False
    return _FINAL.search(last_line.rstrip()) is None and after[:1] not in (" ", "\t", "　")
