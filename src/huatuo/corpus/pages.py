"""Texts of WARC and WET files: pages that were crawled, and the plain text that a crawl made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huatuo.corpus.sources import Item, broken, first_line, too_large
from huatuo.errors import InputError, require
from huatuo.readers.encoding import decode
from huatuo.readers.html import to_text
from huatuo.recipe_curate import CorpusSource

TEXT_RECORDS = ("conversion", "response", "resource")
"""Types of WARC records that hold a text (ISO 28500:2017, section 6); the others say how the crawl went and are no
texts: warcinfo, request, metadata, revisit, continuation."""

_HTML = ("text/html", "application/xhtml+xml")
_CHARSET = re.compile(r"charset=[\"']?([\w-]+)", re.IGNORECASE)


class _Headed:
    """A stream whose first bytes have been looked at, without closing what it reads from."""

    def __init__(self, head: bytes, rest: Any):
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes."""
        if self._head:
            taken, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return taken
        return bytes(self._rest.read(None if size < 0 else size))


def records(path: Path, source: CorpusSource, stream: Any) -> Iterator[Item]:
    """The texts of a WARC or WET file, unpacked by ``stream``.

    Raises InputError where it is none, and MissingExtraError without the extra ``corpus``.
    """
    warcio = require("warcio.archiveiterator", "corpus")
    failed = require("warcio.exceptions", "corpus").ArchiveLoadFailed
    number = 0
    try:
        head = bytes(stream.read(5))
        if head != b"WARC/":
            raise InputError(f"{path}: begins with {head!r}; expected a WARC file; next: check format and file")
        for record in warcio.ArchiveIterator(_Headed(head, stream), no_record_parse=False, check_digests=False):
            if record.rec_type not in TEXT_RECORDS:
                continue
            number += 1
            yield _item(record, number, source)
    except OSError as error:
        yield broken(error, f"record {number}")
    except failed as error:
        said = str(error).splitlines()[0]
        yield Item(f"after record {number}", reason=f"damaged: {said} after record {number}; what follows is unread")


def _item(record: Any, number: int, source: CorpusSource) -> Item:
    """The text of a record, or why it has none."""
    head = record.rec_headers
    own = head.get_header("WARC-Record-ID") or ""
    place = " ".join([f"record {number}", head.get_header("WARC-Target-URI") or ""]).strip()
    status = record.http_headers.get_statuscode() if record.http_headers else ""
    kind, charset = _content_type(record)
    if status and status != "200":
        return Item(place, own_id=own, reason=f"http_status: {status}; expected 200")
    if kind not in (*_HTML, "text/plain"):
        return Item(place, own_id=own, reason=f"no_reader: a page of type {kind or 'unknown'}; expected HTML or text")
    data = _body(record, source.longest)
    if len(data) > source.longest:
        size = int(head.get_header("Content-Length") or 0)
        return Item(place, own_id=own, reason=too_large(max(size, len(data)), source.longest))
    if getattr(record.raw_stream, "limit", 0) > 0 and not record.raw_stream.read(1):
        return Item(
            place, own_id=own, reason="truncated: the file ends in the middle of the record; next: get it again"
        )
    return _text(place, own, kind, _decoded(data, charset))


def _body(record: Any, longest: int) -> bytes:
    """The content, and of one that is too long a byte more than the longest."""
    stream, parts, size = record.content_stream(), [], 0
    while size <= longest and (block := stream.read(min(1 << 20, longest + 1 - size))):
        parts.append(bytes(block))
        size += len(block)
    return b"".join(parts)


def _content_type(record: Any) -> tuple[str, str]:
    """(media type, character set) that the page's server, or else the crawl, states."""
    headers = record.http_headers or record.rec_headers
    said = headers.get_header("Content-Type") or ""
    found = _CHARSET.search(said)
    return said.partition(";")[0].strip().lower(), found[1].lower() if found else ""


def _decoded(data: bytes, charset: str) -> str:
    """The text; UTF-8 where that is valid, what the server says where it is right, else what reads best."""
    for encoding in ("utf-8", charset):
        try:
            return data.decode(encoding) if encoding else decode(data).text
        except (UnicodeDecodeError, LookupError):
            continue
    return decode(data).text


def _text(place: str, own: str, kind: str, text: str) -> Item:
    if kind == "text/plain":
        return Item(place, first_line(text), text, own)
    title, made = to_text(text, xhtml=kind == "application/xhtml+xml")
    return Item(place, title or first_line(made), made, own)
