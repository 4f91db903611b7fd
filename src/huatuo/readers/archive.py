"""Zip containers (DOCX, EPUB) opened within bounds, so that a bomb of a few kilobytes does not fill the memory."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from huatuo.readers.parts import Unread

MOST_MEMBERS = 20_000
"""Files in a container."""

MOST_BYTES = 512 << 20
"""Unpacked bytes of all files of a container together, pictures included."""

MOST_TEXT_BYTES = 64 << 20
"""Unpacked bytes of one file that holds text. A book of 10 million characters has 30 MB."""

TEXT_ENDINGS = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".css", "mimetype")
"""Endings of the files that hold text."""


def open_zip(path: Path) -> zipfile.ZipFile | Unread:
    """The container, its declared sizes checked; zipfile never unpacks more of a file than its declared size."""
    try:
        container = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        return Unread("damaged", f"not a whole container ({error}); next: get the file again")
    infos = container.infolist()
    total = sum(info.file_size for info in infos)
    largest = max((info.file_size for info in infos if info.filename.lower().endswith(TEXT_ENDINGS)), default=0)
    refused: Unread | None = None
    if len(infos) > MOST_MEMBERS or total > MOST_BYTES or largest > MOST_TEXT_BYTES:
        reason = f"unpacks to {total:,} bytes in {len(infos):,} files, the largest text {largest:,} bytes; "
        reason += f"expected at most {MOST_BYTES:,}, {MOST_MEMBERS:,} and {MOST_TEXT_BYTES:,}"
        refused = Unread("too_large", reason)
    elif any(info.flag_bits & 1 for info in infos):
        refused = Unread("encrypted", "files in the container need a password; next: save it without one")
    if refused is not None:
        container.close()
        return refused
    return container


def member(container: zipfile.ZipFile, name: str) -> bytes | Unread:
    """The bytes of one file of a container, or why there are none."""
    try:
        return container.read(name)
    except KeyError:
        return Unread("damaged", f"the container holds no {name}; next: get the file again")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        return Unread("damaged", f"{name} cannot be unpacked ({error}); next: get the file again")
