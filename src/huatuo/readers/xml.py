"""XML becomes Markdown-like text: articles (JATS, DocBook, TEI) and records of any other make.

Nothing outside the file is read: no external entity, no DTD, no network. Attributes are no text and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from huatuo.errors import require
from huatuo.readers.encoding import Problem
from huatuo.readers.html import to_text
from huatuo.readers.parts import Part, Unread
from huatuo.text.glyphs import mend_radicals

if TYPE_CHECKING:
    from lxml.etree import _Element

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")

NAMES = {
    "superscript": "sup", "subscript": "sub", "list-item": "li", "listitem": "li", "item": "li", "entry": "td",
    "row": "tr", "cell": "td", "informaltable": "table", "break": "br", "lb": "br", "def-item": "div",
    "orderedlist": "ol", "itemizedlist": "ul",
    "programlisting": "pre", "preformat": "pre", "code": "pre", "tgroup": "tbody",
}  # fmt: skip
"""Name of an element in JATS, DocBook or TEI → the HTML element that means the same."""

NUMBERED = ("order", "ordered", "arabic", "numbered")
"""Values of ``list-type`` that mean a numbered list."""

TITLES = frozenset(["title", "article-title", "head", "heading", "label-title"])
"""Elements that head what stands around them."""

INLINE = re.compile(
    r"sup|sub|b|i|em|strong|italic|bold|emphasis|hi|sc|u|s|del|br|a|xref|ref|ext-link|named-content|"
    r"styled-content|monospace|span|code|mixed-citation|element-citation|citation"
)
"""Elements that stand inside a line of text."""

IN_TABLES = re.compile(r"thead|tbody|tfoot|tr|td|th")
"""Elements that mean rows and cells only inside a table: elsewhere `row` and `entry` are names like any other."""

KEPT = re.compile(r"li|ul|ol|table|thead|tbody|tfoot|tr|td|th|pre|dl|dt|dd")
"""Elements that mean in XML what they mean in HTML."""


def parse(text: str | bytes) -> tuple[_Element | None, str]:
    """(root, "") of an XML document, or (None, what is wrong with it and where)."""
    etree = require("lxml.etree", "docs")
    parser = etree.XMLParser(resolve_entities="internal", no_network=True, load_dtd=False, huge_tree=False)
    data = _DECLARATION.sub("", text, count=1).encode("utf-8") if isinstance(text, str) else text
    try:
        return etree.fromstring(data, parser), ""
    except etree.XMLSyntaxError as error:
        return None, f"{error.msg}"


def read_xml(text: str, record: str = "") -> Iterator[Part | Unread]:
    """The document of an XML text, or one for each element named ``record``."""
    root, wrong = parse(text)
    if root is None:
        yield Unread("bad_xml", f"not valid XML: {wrong}; next: get the file again", excerpt=text[:80])
        return
    if not record:
        yield _part(root, "")
        return
    found = [item for item in root.iter() if isinstance(item.tag, str) and local(item) == record]
    if not found:
        yield Unread("no_records", f"no element is named {record!r}; the root is {local(root)!r}")
    for number, item in enumerate(found, 1):
        yield _part(item, f"record {number}")


def local(element: _Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]


def _part(root: _Element, place: str) -> Part | Unread:
    etree = require("lxml.etree", "docs")
    lost = [str(item.text) for item in root.iter(etree.Entity)]
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction, etree.Entity)  # the text after them stays
    _, text = to_text(etree.tostring(_as_html(root), encoding="unicode", method="html"))
    if not text.strip():
        return Unread("empty_file", "the element holds no text; expected text", place)
    problems: tuple[Problem, ...] = ()
    if lost:
        shown = ", ".join(sorted(set(lost))[:5])
        problems = (Problem("external_entity", f"{len(lost):,} references to what is not in the file: {shown}"),)
    return Part("", mend_radicals(text), place, (), problems)


@dataclass(frozen=True)
class _Around:
    """What stands around an element."""

    depth: int = 0
    """Sections with a title."""
    inline: bool = False
    """Inside a line of text."""
    table: bool = False
    """Inside a table."""


def _as_html(root: _Element) -> _Element:
    """The element as HTML: titles as headings by the depth of the sections around them, leaves as paragraphs."""
    make = require("lxml.etree", "docs").Element
    page: _Element = make("body")
    has_name = any(local(item) == "article-title" for item in root.iter())
    todo: list[tuple[_Element, _Element, _Around]] = [(root, page, _Around(depth=int(has_name)))]
    while todo:
        element, parent, around = todo.pop()
        tag = _html_name(element, around)
        made = make(tag)
        parent.append(made)
        made.text, made.tail = element.text, element.tail
        if around.inline and not _is_mixed(element.getparent()):
            made.tail = " "  # the parts of a reference stand in elements of their own, with nothing between
        for attribute in ("rowspan", "colspan"):
            if element.get(attribute):
                made.set(attribute, element.get(attribute))
        titled = any(local(child).lower() in TITLES for child in element)
        text_around = tag in ("p", "span", "sup", "sub", "s", "del") or tag[1:].isdigit()
        inner = _Around(
            around.depth + titled,
            around.inline or text_around or (_is_mixed(element) and tag in ("li", "td", "th", "dt", "dd")),
            around.table or tag == "table",
        )
        # the stack takes the children in reverse, so that each parent gets its own in order
        todo.extend((child, made, inner) for child in reversed(element))
    return page


def _is_mixed(element: _Element) -> bool:
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def _html_name(element: _Element, around: _Around) -> str:
    name = local(element).lower()
    name = NAMES.get(name, name)
    if name == "list" and any(NAMES.get(local(child).lower()) == "li" for child in element):
        return "ol" if element.get("list-type") in NUMBERED else "ul"
    if KEPT.fullmatch(name) and (around.table or not IN_TABLES.fullmatch(name)):
        return name
    if INLINE.fullmatch(name) or around.inline:
        return name if name in ("sup", "sub", "br", "s", "del") else "span"
    if name in TITLES:
        return "h1" if name == "article-title" else f"h{min(6, max(1, around.depth))}"
    return "p" if _is_mixed(element) or not len(element) else "div"
