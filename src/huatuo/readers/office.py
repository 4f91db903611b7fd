"""DOCX and EPUB become Markdown-like text.

DOCX goes through mammoth, which keeps headings, list numbers, merged cells and superscripts; formulas, which it would
drop, are written out as text first.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from huatuo.errors import require
from huatuo.readers.archive import member, open_zip
from huatuo.readers.encoding import Problem, decode
from huatuo.readers.html import to_text
from huatuo.readers.parts import Part, Unread
from huatuo.readers.xml import local, parse
from huatuo.records import Mark
from huatuo.text.glyphs import lowered, mend_radicals, raised

if TYPE_CHECKING:
    from lxml.etree import _Element

STYLES = "\n".join(
    [f"p[style-name='{name}{n}'] => h{n}:fresh" for n in range(1, 7) for name in ("标题 ", "标题", "Heading ")]
    + [f"p[style-name='{name}'] => h1:fresh" for name in ("Title", "标题", "题目")]
    + ["strike => s"]
)  # fmt: skip
"""Names of styles that are headings, beside those mammoth knows."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


def read_docx(path: Path) -> Part | Unread:
    """The text of a DOCX, or why there is none."""
    container = open_zip(path)
    if isinstance(container, Unread):
        return container
    with container:
        checked = _checked(container)
    if isinstance(checked, Unread):
        return checked
    return _through_mammoth(checked if checked is not None else path)


def _checked(container: zipfile.ZipFile) -> io.BytesIO | Unread | None:
    """The file with its formulas written out, None where it has none, or why it cannot be read.

    Every XML file of it is parsed first: what is cut off or has a DOCTYPE must not reach the converter.
    """
    replaced: dict[str, bytes] = {}
    names = [name for name in container.namelist() if name.endswith((".xml", ".rels"))]
    if "word/document.xml" not in names:
        return Unread("damaged", "the container holds no word/document.xml; next: get the file again")
    for name in names:
        data = member(container, name)
        if isinstance(data, Unread):
            return data
        root, wrong = parse(data)
        if root is None:
            return Unread("damaged", f"{name} is not valid XML: {wrong}; next: get the file again")
        if b"<!DOCTYPE" in data[:1000]:
            return Unread("damaged", f"{name} declares a DOCTYPE, which no word processor writes")
        if name.startswith("word/") and b":oMath" in data:
            replaced[name] = _without_formulas(root)
    if not replaced:
        return None
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as copy:
        for name in container.namelist():
            inner = replaced.get(name) or member(container, name)
            if isinstance(inner, bytes):
                copy.writestr(name, inner)
    made.seek(0)
    return made


def _through_mammoth(source: Path | io.BytesIO) -> Part | Unread:
    mammoth = require("mammoth", "docs")
    no_images = mammoth.images.img_element(lambda image: {})
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                made = mammoth.convert_to_html(file, style_map=STYLES, convert_image=no_images)
        else:
            made = mammoth.convert_to_html(source, style_map=STYLES, convert_image=no_images)
    # what the converter raises on valid XML that is no word-processor document
    except (KeyError, ValueError, IndexError, AttributeError, TypeError, OSError, RecursionError) as error:
        return Unread("damaged", f"not a DOCX that can be read ({type(error).__name__}: {error}); next: save it again")
    _, text = to_text(made.value)
    if not text.strip():
        return Unread("empty_file", "the document holds no text; expected text")
    lost = [item.message for item in made.messages if "ignored" in item.message and "style" not in item.message]
    problems = (Problem("part_left_out", f"{len(lost):,} elements were not read: {lost[0]}"),) if lost else ()
    return Part("", mend_radicals(text), problems=problems)


# ---------------------------------------------------------------- formulas


def _without_formulas(root: _Element) -> bytes:
    """The document with each formula as a run of plain text."""
    etree = require("lxml.etree", "docs")
    for math in list(root.iter(f"{_M}oMath")):
        parent = math.getparent()
        if parent is None:
            continue
        run = etree.Element(f"{_W}r")
        text = etree.SubElement(run, f"{_W}t")
        text.text = formula(math)
        text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        run.tail = math.tail
        parent.replace(math, run)
    etree.strip_tags(root, f"{_M}oMathPara")
    made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return made


def formula(element: _Element) -> str:
    """A formula on one line: ``10⁹``, ``H₂``, ``(a)/(b)``, ``√(x)``."""
    name = local(element)
    if name == "t":
        return element.text or ""
    if name.endswith("Pr"):
        return ""
    parts = {local(child): formula(child) for child in element}
    if name == "sSup":
        base = parts.get("e", "")
        return base + raised(parts.get("sup", ""), base[-1:])
    if name == "sSub":
        return parts.get("e", "") + lowered(parts.get("sub", ""))
    if name == "sSubSup":
        return parts.get("e", "") + lowered(parts.get("sub", "")) + raised(parts.get("sup", ""))
    if name == "f":
        top, bottom = (
            x if re.fullmatch(r"[\w.]*", x) else f"({x})" for x in (parts.get("num", ""), parts.get("den", ""))
        )
        return f"{top}/{bottom}"
    if name == "rad":
        return f"{parts.get('deg', '')}√({parts.get('e', '')})"
    inner = "".join(formula(child) for child in element)
    return f"({inner})" if name == "d" else inner


# ---------------------------------------------------------------- EPUB


def read_epub(path: Path) -> Part | Unread:
    """The text of an EPUB in the order of its spine with a mark for each chapter file, or why there is none."""
    container = open_zip(path)
    if isinstance(container, Unread):
        return container
    with container:
        spine = _spine(container)
        if isinstance(spine, Unread):
            return spine
        title, names = spine
        locked = _locked(container)
        if locked.intersection(names):
            return Unread("encrypted", "the chapters are protected (DRM); next: get a copy without protection")
        return _chapters(container, title, names)


def _xml_member(container: zipfile.ZipFile, name: str) -> _Element | Unread:
    data = member(container, name)
    if isinstance(data, Unread):
        return data
    root, wrong = parse(data)
    return Unread("damaged", f"{name} is not valid XML: {wrong}; next: get the file again") if root is None else root


def _spine(container: zipfile.ZipFile) -> tuple[str, list[str]] | Unread:
    """(title, names of the chapter files in order)."""
    root = _xml_member(container, "META-INF/container.xml")
    if isinstance(root, Unread):
        return root
    package = next((item.get("full-path") for item in root.iter("{*}rootfile")), None)
    if not package:
        return Unread("damaged", "META-INF/container.xml names no package; next: get the file again")
    opf = _xml_member(container, package)
    if isinstance(opf, Unread):
        return opf
    folder = posixpath.dirname(package)
    hrefs = {item.get("id"): item.get("href") or "" for item in opf.iter("{*}item")}
    names = [
        posixpath.normpath(posixpath.join(folder, unquote(hrefs[item.get("idref")])))
        for item in opf.iter("{*}itemref")
        if item.get("idref") in hrefs
    ]
    title = next((item.text or "" for item in opf.iter("{http://purl.org/dc/elements/1.1/}title")), "")
    if not names:
        return Unread("damaged", f"{package} lists no chapter; next: get the file again")
    return title.strip(), names


def _locked(container: zipfile.ZipFile) -> set[str]:
    """Names of the files that are encrypted; fonts may be, without harm."""
    if "META-INF/encryption.xml" not in container.namelist():
        return set()
    root = _xml_member(container, "META-INF/encryption.xml")
    if isinstance(root, Unread):
        return set()
    return {unquote(item.get("URI") or "") for item in root.iter("{*}CipherReference")}


def _chapters(container: zipfile.ZipFile, title: str, names: list[str]) -> Part | Unread:
    whole = ""
    marks, problems, lost = [], [], []
    for name in names:
        data = member(container, name)
        if isinstance(data, Unread):
            lost.append(data.reason)
            continue
        decoded = decode(data)
        problems += [Problem(p.rule, f"{name}: {p.message}", p.positions) for p in decoded.problems]
        _, text = to_text(decoded.text, xhtml=True)
        if text.strip():
            whole += "\n\n" if whole else ""
            marks.append(Mark(start=len(whole), label=f"chapter {posixpath.basename(name)}"))
            whole += text
    if lost:
        problems.append(Problem("missing_chapter", f"{len(lost):,} of {len(names):,} chapters not read: {lost[0]}"))
    if not whole:
        return Unread("empty_file", "; ".join(lost[:1]) or "no chapter holds text; expected text")
    return Part(title, mend_radicals(whole), "", tuple(marks), tuple(problems))
