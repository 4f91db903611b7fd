"""Markdown and plain text become documents' texts: pages of OCR tools, HTML inside Markdown, hard-wrapped lines.

| page marker, alone on its line | written by |
|---|---|
| ``<!-- page 3 -->`` | this project's own convention, for any OCR tool |
| ``{3}----------------`` | marker (``--paginate_output``); the number is kept as written, marker counts from 0 |
| a form feed | pdftotext and other converters to plain text; pages are counted from 1 |
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from huatuo.readers import tagged
from huatuo.readers.html import to_text
from huatuo.readers.parts import Part
from huatuo.readers.wrap import bound_pages, rejoined
from huatuo.records import Mark
from huatuo.text.glyphs import lowered, mend_radicals, raised

PART_CHARS = 1_000_000
"""Characters from which a text is cut into several documents, at the next blank line."""

_PAGE = re.compile(r"^[ \t]*(?:<!--[ \t]*page[ \t:#]*(\d{1,6})[ \t]*-->|\{(\d{1,6})\}-{4,})[ \t]*$", re.M | re.I)
_FRONT = re.compile(r"\A---[ \t]*\n((?:[^\n]*\n){1,100}?)---[ \t]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.M | re.I)
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL | re.I)
_ATTRIBUTES = (
    r"(?:(?:\s+|(?<=[\"']))(?:[a-z_:@][\w:.@-]*\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'|[^\s\"'=<>`]+)"
    r"|(?:alt|contenteditable|data-[\w-]+|download|hidden|inert|ismap|itemscope|noshade|nowrap)(?![\w:.@-])))*+\s*"
)
"""What may stand in a tag after its name: ``name=value``, and those that HTML lets stand without a value. Anything else
is prose between two signs of comparison: ``p<i and x>2``."""

_SHIFTED = re.compile(rf"(.?)<(sup|sub){_ATTRIBUTES}>(.*?)</\2\s*>", re.DOTALL | re.I)
_NAMES = "div|span|p|font|center|section|figure|img|a|u|b|i|em|strong"
_TAGS = re.compile(rf"<(?:{_NAMES}){_ATTRIBUTES}/?>|</(?:{_NAMES})\s*>|\{{[:#][^{{}}\n]*\}}", re.I)
_PICTURE = re.compile(r"!\[[^\]]*\]\((?:[^()\"]|\([^()]*\))*(?:\"(?:[^\"\\]|\\.)*\"\s*)?\)(?:\{:?[^{}]*\})?", re.DOTALL)
_CROSS_REFERENCE = re.compile(
    r"\s*\((?:see )?\[\\?\[?link\\?\]?\]\(#[^()]*\)(?:(?:,| and)? *\[\\?\[?link\\?\]?\]\(#[^()]*\))*\)"
)
_MEANING = re.compile(r"^([^\s:#>|*-](?:[^\n]{0,79}[^\n:])?)\n:[ \t]+(?=\S)", re.M)
_NUMBERED_LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\[\d{1,4}\]")
_LINK_TARGET = re.compile(r"^[ ]{0,3}\[\d{1,4}\]:[ \t]+\S+[^\n]*$\n?", re.M)
_LIST_END = re.compile(r"^[ \t]*\^[ \t]*$\n?", re.M)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8}\d?);", re.I)
_ROW_BREAKS = re.compile(r"^[ \t]*\|.*<br[ \t]*/?>.*$", re.M | re.I)


def read_text_part(text: str, place: str, markdown: bool, rejoin: bool) -> Part:
    """The document of a text: Markdown, or plain text where ``markdown`` is false."""
    text = mend_radicals(re.sub(r"\r\n?", "\n", text))
    if not markdown and tagged.is_tagged(text):
        title, text, places = tagged.headed(text)
        made, marks = _lines(text, False, rejoin)
        return _part(title, place, made, tuple(_at_source(mark, places) for mark in marks))
    if not markdown:
        pages = [(f"page {number}", page) for number, page in enumerate(text.split("\f"), 1)]
        if len(pages) == 1:
            return _part("", place, *_lines(text, False, rejoin))
        return _part("", place, *bound_pages([(label, _lines(page, False, rejoin)[0]) for label, page in pages]))
    title = ""
    if front := _FRONT.match(text):
        named = _FRONT_TITLE.search(front.group(1))
        title, text = named.group(1) if named else "", text[front.end() :]
    found = _pages(text)
    if len(found) == 1 and not found[0][0]:
        return _part(title, place, *_lines(without_html(text), True, rejoin))
    pages = [(label, _lines(without_html(page), True, rejoin)[0]) for label, page in found]
    whole, marks = bound_pages(pages)
    return _part(title, place, whole, tuple(mark for mark in marks if mark.label))


def _at_source(mark: Mark, places: Sequence[int]) -> Mark:
    """The mark with the line of the source in place of the line of the text without tags."""
    return mark.model_copy(update={"label": f"line {places[int(mark.label.removeprefix('line ')) - 1]}"})


def _part(title: str, place: str, text: str, marks: tuple[Mark, ...]) -> Part:
    return Part(title, text, place, marks)


def _lines(text: str, markdown: bool, rejoin: bool) -> tuple[str, tuple[Mark, ...]]:
    return rejoined(text, markdown) if rejoin else (text, ())


def _pages(text: str) -> list[tuple[str, str]]:
    """(label, text) of each page; the label of what stands before the first marker is empty."""
    found: list[tuple[str, str]] = []
    label, at = "", 0
    for match in _PAGE.finditer(text):
        if text[at : match.start()].strip():
            found.append((label, text[at : match.start()]))
        label, at = f"page {match.group(1) or match.group(2)}", match.end()
    return [*found, (label, text[at:])]


def without_html(text: str) -> str:
    """Markdown whose HTML is Markdown too: raised digits, tables as rows; tags that only place words are left out.

    Pictures, and brackets that hold nothing but a link to a figure of the same text, are left out as well; of a
    numbered link ``[words][1]`` the words stay; a list of terms with their meanings (a line ``: …`` under a term)
    becomes items ``- **term**: …``.
    """
    text = _PICTURE.sub("", _CROSS_REFERENCE.sub("", text))
    text = _NUMBERED_LINK.sub(r"\1", _LINK_TARGET.sub("", text))
    text = _MEANING.sub(r"- **\1**: ", _LIST_END.sub("", text))
    if "<" in text or "{:" in text or "{#" in text:
        text = _without_tags(text)
    return _unescaped(text)


def without_inline_html(text: str) -> str:
    """A plain text whose HTML tags and character entities are characters: 10<sup>9</sup> is 10⁹, ``&lt;`` is <."""
    return _unescaped(_without_tags(text) if "<" in text else text)


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match.group()), text)


def _escaped(text: str) -> str:
    """What `_unescaped` makes the text of again: for parts that are characters already, among others that are not."""
    return html.escape(text, quote=False)


def _without_tags(text: str) -> str:
    text = _TABLE.sub(lambda match: "\n\n" + _escaped(to_text(match.group())[1]) + "\n\n", text)
    text = _SHIFTED.sub(_shift, text)
    text = _ROW_BREAKS.sub(lambda match: re.sub(r"<br[ \t]*/?>", " ", match.group(), flags=re.I), text)
    text = re.sub(r"<br[ \t]*/?>[ \t]*\n?", "  \n", text, flags=re.I)
    return _TAGS.sub("", text)


def _shift(match: re.Match[str]) -> str:
    before, up, inside = match.group(1), match.group(2).lower() == "sup", _unescaped(_TAGS.sub("", match.group(3)))
    return before + _escaped(raised(inside, before) if up else lowered(inside))


def text_parts(text: str) -> list[tuple[int, str]]:
    """(line of its beginning, text) of the parts of a text: one, or several where it is longer than `PART_CHARS`.

    A part ends at a blank line, else at a line end, else hard.
    """
    if len(text) <= 2 * PART_CHARS:
        return [(1, text)]
    found, at, line = [], 0, 1
    while at < len(text):
        end = len(text)
        if len(text) - at > 2 * PART_CHARS:
            begin = at + PART_CHARS
            cuts = [text.find(mark, begin, begin + PART_CHARS) + len(mark) for mark in ("\n\n", "\n")]
            end = next((cut for cut, mark in zip(cuts, (2, 1), strict=True) if cut >= begin + mark), begin + PART_CHARS)
        found.append((line, text[at:end]))
        line += text.count("\n", at, end)
        at = end
    return found
