"""A folder or a file of Markdown and plain text becomes documents: one per file, unchanged but for line ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from huatuo.errors import InputError
from huatuo.files import regular_files
from huatuo.knowledge.entries import Refused, Where
from huatuo.readers.encoding import Problem, check_file, read_text
from huatuo.readers.markup import blocks, heading_text
from huatuo.recipe import DocumentSource
from huatuo.records import Document, Origin
from huatuo.store import content_id
from huatuo.text.zh import language

SUFFIXES = (".md", ".markdown", ".txt")
"""Endings of the files that are read from a folder."""

MOST_LOST = 0.1
"""Share of U+FFFD and NUL characters beyond which a file is no text."""


def files_of(path: Path, suffixes: tuple[str, ...]) -> tuple[list[tuple[Path, str]], list[str]]:
    """((file, path within the source) sorted by that path, names of the files of other kinds) of a file or a folder.

    Hidden files are neither. Raises InputError where the path is missing, or a folder without a file to read.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; next: check the path in the recipe")
    if not path.is_dir():
        return [(path, path.name)], []
    seen = regular_files(path)
    taken = [(p, name) for name, p in seen if p.suffix.lower() in suffixes]
    if not taken:
        raise InputError(f"{path}: holds no {', '.join(suffixes)} file; next: check the path in the recipe")
    return taken, [name for name, p in seen if p.suffix.lower() not in suffixes]


def make(name: str, title: str, text: str, genre: str, origin: Origin) -> Document:
    """A document with its id and language; ``name`` is its source."""
    return Document(
        id=content_id("document", name, title, text),
        title=title,
        text=text,
        genre=genre,
        language=language(text),
        origin=origin,
    )


def read_file(path: Path, within: str, source: DocumentSource) -> tuple[Where, Document | Refused, tuple[Problem, ...]]:
    """The document in a file, or why there is none; and what was wrong with its bytes.

    Raises InputError where the file cannot be read.
    """
    where = Where(source.name, path.name, within)
    if path.stat().st_size == 0:
        return where, Refused("whole file", "empty_file", "the file is empty; expected text"), ()
    check_file(path)
    decoded = read_text(path)
    text = re.sub(r"\r\n?", "\n", decoded.text)
    if not text.strip():
        return where, Refused("whole file", "empty_file", "the file holds only blanks; expected text"), decoded.problems
    lost = text.count("\ufffd") + text.count("\0")
    if lost > MOST_LOST * len(text) or any(problem.rule == "not_text" for problem in decoded.problems):
        reason = f"{lost:,} of {len(text):,} characters are unreadable; expected text in UTF-8, GB18030, Big5 or UTF-16"
        return where, Refused("whole file", "not_text", reason), decoded.problems
    title, place = _title(text, path)
    origin = Origin(source=source.name, file=path.name, place=place, evidence=source.evidence)
    return where, make(source.name, title, text, source.genre, origin), decoded.problems


def _title(text: str, path: Path) -> tuple[str, str]:
    """(title, place): the first heading that has words, else the file name without its ending."""
    if path.suffix.lower() != ".txt":
        for block in blocks(text):
            if block.kind == "heading" and (words := heading_text(text, block)):
                return words, f"{'#' * block.level} {words}"
    return path.stem, "line 1"


def read(source: DocumentSource) -> Iterator[tuple[Where, Document | Refused, tuple[Problem, ...]]]:
    """The documents of a source in the order of their paths, read recursively; files of other kinds come as refused.

    Raises InputError where the path is missing, holds nothing to read, or is a single empty file.
    """
    if source.path.is_file():
        check_file(source.path)
    taken, others = files_of(source.path, SUFFIXES)
    for path, within in taken:
        yield read_file(path, within, source)
    for within in others:
        yield Where(source.name, Path(within).name, within), no_reader(within, SUFFIXES), ()


def no_reader(within: str, read_endings: tuple[str, ...]) -> Refused:
    """The refusal of a file in a folder that no reader takes."""
    ending = Path(within).suffix or "a file without an ending"
    return Refused("whole file", "no_reader", f"no reader for {ending}; read are {', '.join(read_endings)}")
