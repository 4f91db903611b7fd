"""A file of documents is read by what it is, not by what it is called; what cannot be read is said in one sentence."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huatuo.errors import InputError
from huatuo.readers.encoding import Decoded, Problem, read_text
from huatuo.readers.html import to_text
from huatuo.readers.jsonfile import records
from huatuo.readers.markdown import read_text_part, text_parts, without_inline_html
from huatuo.readers.parts import Part, Unread
from huatuo.readers.xml import read_xml
from huatuo.text.glyphs import mend_radicals

SUFFIXES: dict[str, str] = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".pdf": "pdf", ".docx": "docx", ".epub": "epub",
    ".json": "json", ".jsonl": "json", ".ndjson": "json", ".xml": "xml", ".nxml": "xml",
}  # fmt: skip
"""Ending → kind of the files that are read from a folder."""

MOST_TEXT_BYTES = 400 << 20
"""Bytes of the largest text or Markdown file that is loaded."""

MOST_PAGE_BYTES = 64 << 20
"""Bytes of the largest HTML or XML file: a tree takes many times the memory of its text."""

MOST_LOST = 0.1
"""Share of U+FFFD and NUL characters beyond which a file is no text."""

TITLE_KEYS = ("title", "name", "标题", "题目", "名称")
"""Keys of a JSON record tried for its title."""

TEXT_KEYS = ("text", "content", "contents", "body", "abstract", "正文", "内容", "摘要")
"""Keys of a JSON record tried for its text."""

LONGEST_TITLE = 250
"""Characters of the longest title: a longer first line or heading is text, a longer title of a record is cut."""

_NOT_READ = (
    (b"\x89PNG", "a PNG image; next: run OCR and give its Markdown", "needs_ocr"),
    (b"\xff\xd8\xff", "a JPEG image; next: run OCR and give its Markdown", "needs_ocr"),
    (b"GIF8", "a GIF image; next: run OCR and give its Markdown", "needs_ocr"),
    (b"II*\0", "a TIFF image; next: run OCR and give its Markdown", "needs_ocr"),
    (b"MM\0*", "a TIFF image; next: run OCR and give its Markdown", "needs_ocr"),
    (b"{\\rtf", "RTF; next: save it as DOCX", "no_reader"),
    (b"\x1f\x8b", "gzip; next: unpack it", "no_reader"),
    (b"7z\xbc\xaf", "a 7z archive; next: unpack it", "no_reader"),
    (b"Rar!", "a RAR archive; next: unpack it", "no_reader"),
    (b"PAR1", "Parquet; next: export it as JSON Lines", "no_reader"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*\?>)?\s*(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html\b)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Wanted:
    """How a file is read; see the keys of ``[[ingest.documents]]``."""

    rejoin: bool = True
    """Join hard-wrapped lines."""
    record: str = ""
    """XML element that is a document of its own."""
    title: str = ""
    """JSON key of the title."""
    text: str | tuple[str, ...] = ""
    """JSON key of the text, or several whose texts are joined."""


def kind_of(path: Path) -> str | Unread:
    """The kind of a file, one of the values of `SUFFIXES`, by its first bytes and then by its ending; or why it has
    no reader. Anything else that is not binary is text."""
    with path.open("rb") as file:
        head = file.read(4096)
    by_name = SUFFIXES.get(path.suffix.lower(), "text")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path, by_name)
    if head.startswith(_OLE):
        return _refused_ole(path)
    for magic, says, rule in _NOT_READ:
        if head.startswith(magic):
            return Unread(rule, f"the file is {says}")
    if by_name in ("pdf", "docx", "epub"):
        return Unread(
            "damaged", f"the name ends with {path.suffix}, the content does not begin as one; next: get it again"
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").decode("latin-1")
    if by_name in ("text", "markdown", "xml") and _HTML.match(start):
        return "html"
    return "xml" if by_name in ("text", "markdown", "html") and start.startswith("<?xml") else by_name


def _kind_of_zip(path: Path, by_name: str) -> str | Unread:
    try:
        with zipfile.ZipFile(path) as container:
            names = set(container.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if by_name in ("docx", "epub"):
            return by_name  # its reader says what is wrong
        return Unread("damaged", f"a zip container that is not whole ({error}); next: get the file again")
    if "word/document.xml" in names:
        return "docx"
    if "META-INF/container.xml" in names:
        return "epub"
    if by_name in ("docx", "epub"):
        return by_name
    folders = sorted({posixpath.dirname(name).split("/")[0] for name in names} - {""})[:3]
    return Unread(
        "no_reader", f"a zip container with {', '.join(folders) or 'files'}; next: unpack it, or save it as DOCX"
    )


def _refused_ole(path: Path) -> Unread:
    with path.open("rb") as file:
        is_locked = "EncryptedPackage".encode("utf-16-le") in file.read(1 << 22)
    if is_locked:
        return Unread("encrypted", "the document is protected by a password; next: save it without one")
    return Unread("no_reader", "a document of an old Office (.doc, .xls, .ppt); next: save it as DOCX")


def read_parts(path: Path, wanted: Wanted) -> Iterator[Part | Unread]:
    """The documents of a file, or why there are none. A file of records gives one for each record."""
    try:
        kind = kind_of(path)
    except OSError as error:
        kind = Unread("unreadable", f"the file cannot be opened ({error.strerror}); next: check its rights")
    if isinstance(kind, Unread):
        yield kind
        return
    note: tuple[Problem, ...] = ()
    named = SUFFIXES.get(path.suffix.lower())
    if named and named != kind:
        note = (Problem("wrong_extension", f"the name ends with {path.suffix}, the content is {kind}; read as {kind}"),)
    for part in _read(path, kind, wanted):
        if isinstance(part, Part):
            yield replace(part, title=as_title(part.title), problems=part.problems + note)
        else:
            yield part
        note = ()


def as_title(words: str) -> str:
    """The words, cut to `LONGEST_TITLE` characters, the last of them ``…``, where they are more: a title is a label,
    which every passage of a text repeats."""
    return words if len(words) <= LONGEST_TITLE else words[: LONGEST_TITLE - 1] + "…"


def _read(path: Path, kind: str, wanted: Wanted) -> Iterator[Part | Unread]:
    from huatuo.readers import office, pdf  # a fifth of a second, which most corpora do not need

    if kind == "pdf":
        yield pdf.read_pdf(path)
    elif kind == "docx":
        yield office.read_docx(path)
    elif kind == "epub":
        yield office.read_epub(path)
    elif kind == "json":
        yield from _json_parts(path, wanted)
    else:
        yield from _text_kinds(path, kind, wanted)


def _text_kinds(path: Path, kind: str, wanted: Wanted) -> Iterator[Part | Unread]:
    most, size = MOST_PAGE_BYTES if kind in ("html", "xml") else MOST_TEXT_BYTES, path.stat().st_size
    if size > most:
        yield Unread("too_large", f"{size:,} bytes; expected at most {most:,}; next: split the file")
        return
    decoded = read_text(path)
    if (refused := _no_text(decoded)) is not None:
        yield refused
        return
    found = decoded.problems
    for part in _decoded_parts(decoded.text, kind, wanted):
        yield replace(part, problems=found + part.problems) if isinstance(part, Part) else part
        found = ()


def _no_text(decoded: Decoded) -> Unread | None:
    text = decoded.text
    if not text.strip():
        return Unread("empty_file", "the file holds only blanks; expected text")
    lost = text.count("\ufffd") + text.count("\0")
    if lost > MOST_LOST * len(text) or any(problem.rule == "not_text" for problem in decoded.problems):
        expected = "expected text in UTF-8, GB18030, Big5 or UTF-16"
        return Unread("not_text", f"{lost:,} of {len(text):,} characters are unreadable; {expected}")
    return None


def _decoded_parts(text: str, kind: str, wanted: Wanted) -> Iterator[Part | Unread]:
    if kind == "xml":
        yield from read_xml(text, wanted.record)
    elif kind == "html":
        title, made = to_text(text, xhtml=text.lstrip().startswith("<?xml") or "w3.org/1999/xhtml" in text[:2000])
        if not made.strip():
            yield Unread("empty_file", "the page shows no text; expected text")
            return
        has_heading = re.search(r"^#{1,6} ", made, re.MULTILINE) is not None
        yield Part("" if has_heading else title, mend_radicals(made))
    else:
        pieces = text_parts(text)
        for number, (line, piece) in enumerate(pieces, 1):
            place = f"line {line} (part {number} of {len(pieces)})" if len(pieces) > 1 else ""
            if piece.strip():
                yield read_text_part(piece, place, kind == "markdown", wanted.rejoin)


# ---------------------------------------------------------------- JSON


def _json_parts(path: Path, wanted: Wanted) -> Iterator[Part | Unread]:
    try:
        found = records(path)
    except InputError as error:  # only blanks
        yield Unread("empty_file", str(error))
        return
    for raw in found:
        problems = (raw.problem,) if raw.problem is not None else ()
        if raw.value is None:
            problem = raw.problem or Problem("no_text", "expected a record, found null")
            yield Unread(problem.rule, problem.message, raw.place, raw.excerpt)
            continue
        title, text = _fields(raw.value, wanted)
        if text is None:
            keys = ", ".join(list(raw.value)[:8]) if isinstance(raw.value, dict) else type(raw.value).__name__
            tried = " or ".join(keys_of(wanted.text))
            reason = f'no text at {tried}; found {keys}; next: set text = "key"'
            yield Unread("no_text", reason, raw.place)
        elif not text.strip():
            yield Unread("empty_file", "the record's text is empty; expected text", raw.place)
        else:
            text = mend_radicals(without_inline_html(re.sub(r"\r\n?", "\n", text)))
            yield Part(without_inline_html(title), text, raw.place, problems=problems)


def _fields(value: Any, wanted: Wanted) -> tuple[str, str | None]:
    """(title, text) of a record; the text is None where it has none."""
    if isinstance(value, str):
        first = value.strip().split("\n", 1)
        is_title = len(first) == 2 and len(first[0]) <= LONGEST_TITLE
        return (first[0].strip().rstrip(".。") if is_title else ""), value
    title = next((t for key in _tried(wanted.title, TITLE_KEYS) if (t := _at(value, key))), "")
    return title.strip(), text_at(value, wanted.text)


def keys_of(wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    """The keys under which a text is looked for: those that are wanted, or else the usual ones."""
    return wanted if isinstance(wanted, tuple) else _tried(wanted, TEXT_KEYS)


def text_at(value: Any, wanted: str | tuple[str, ...]) -> str | None:
    """The text of a record under the first key that has one, or of all keys of a tuple, a line each; None where none
    has one. Dots go into nested objects."""
    found = (text for key in keys_of(wanted) if (text := _at(value, key)) is not None)
    if not isinstance(wanted, tuple):
        return next(found, None)
    parts = list(found)
    return "\n".join(part.strip() for part in parts if part.strip()) if parts else None


def _tried(key: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    return (key,) if key else keys


def _at(value: Any, key: str) -> str | None:
    """The text under a key, dots going into nested objects; a list of texts is joined by blank lines."""
    if isinstance(value, dict) and key not in value and "." in key:
        outer, _, inner = key.partition(".")
        return _at(value.get(outer), inner)
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, list) and found and all(isinstance(item, str) for item in found):
        return "\n\n".join(found)
    return found if isinstance(found, str) else None
