"""A folder or a file of documents becomes records: one per file, or one per record of a JSON or XML file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from huatuo import store
from huatuo.errors import InputError
from huatuo.files import regular_files
from huatuo.knowledge.entries import Refused, Where
from huatuo.readers.encoding import Problem, check_file
from huatuo.readers.files import SUFFIXES, Wanted, read_parts
from huatuo.readers.markup import blocks, heading_text
from huatuo.readers.parts import Part, Unread
from huatuo.readers.simplified import simplified, simplified_with_marks
from huatuo.recipe import DocumentSource
from huatuo.records import Document, Mark, Origin
from huatuo.store import content_id
from huatuo.text.zh import language

WHOLE = "whole file"
"""Place of what concerns a file and no record of it."""

_PRIVATE = re.compile("[\ue000-\uf8ff]")


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


def make(name: str, title: str, text: str, genre: str, origin: Origin, marks: tuple[Mark, ...] = ()) -> Document:
    """A document with its id and language; ``name`` is its source."""
    return Document(
        id=content_id("document", name, title, text),
        title=title,
        text=text,
        genre=genre,
        language=language(text),
        origin=origin,
        marks=marks,
    )


Made = tuple[Where, str, Document | Refused, tuple[Problem, ...]]
"""(file, place in it, document or why there is none, what was wrong all the same)."""


def read_file(path: Path, within: str, source: DocumentSource) -> Iterator[Made]:
    """The documents in a file, or why there are none."""
    where = Where(source.name, path.name, within)
    if path.stat().st_size == 0:
        yield where, WHOLE, Refused(WHOLE, "empty_file", "the file is empty; expected text"), ()
        return
    wanted = Wanted(source.rejoin, source.record, source.title, source.text)
    for part in read_parts(path, wanted):
        place = part.place or WHOLE
        if isinstance(part, Unread):
            yield where, place, Refused(place, part.rule, part.reason, part.excerpt), ()
        else:
            yield where, place, _document(part, path, source), part.problems + _strange(part.text)


def _document(part: Part, path: Path, source: DocumentSource) -> Document:
    text, marks, stated = part.text, part.marks, part.title
    if source.simplified:
        text, marks = simplified_with_marks(text, marks)
        stated = simplified(stated)
    title, place = _title(text, path, stated, part.place)
    origin = Origin(source=source.name, file=path.name, place=place, evidence=source.evidence)
    return make(source.name, title, text, source.genre, origin, marks)


def _strange(text: str) -> tuple[Problem, ...]:
    """The problem that a text holds characters of a private font (often a Symbol font's μ, ≥ or ±), if it does."""
    found = _PRIVATE.findall(text)
    if not found:
        return ()
    first = text.index(found[0])
    around = " ".join(text[max(0, first - 10) : first + 10].split())
    message = f"{len(found):,} characters of a private font, the first U+{ord(found[0]):04X} in {around!r}; "
    return (Problem("private_character", message + "compare with the printed page", (first,)),)


def _title(text: str, path: Path, stated: str, place: str) -> tuple[str, str]:
    """(title, place): what the file states, else the first heading that has words, else the file's name."""
    if path.suffix.lower() != ".txt" and not place and not stated:
        for block in blocks(text):
            if block.kind == "heading" and (words := heading_text(text, block)):
                return words, f"{'#' * block.level} {words}"
    return stated or " ".join([path.stem, place]).strip(), place or "line 1"


def read(source: DocumentSource) -> Iterator[Made]:
    """The documents of a source in the order of their paths, read recursively; files of other kinds come as refused.

    Raises InputError where the path is missing, holds nothing to read, or is a single empty file.
    """
    if (source.path / "manifest.json").is_file():
        yield from _curated(source)
        return
    if source.shard:
        raise InputError(f"{source.path}: shard = {source.shard!r} is for passages of curation; next: leave it out")
    if source.path.is_file():
        check_file(source.path)
    taken, others = files_of(source.path, tuple(SUFFIXES))
    for path, within in taken:
        yield from read_file(path, within, source)
    for within in others:
        where = Where(source.name, Path(within).name, within)
        yield where, WHOLE, no_reader(within, tuple(SUFFIXES)), ()


def _curated(source: DocumentSource) -> Iterator[Made]:
    """The passages of curation at scale, or those of one part."""
    for passage in passages_of(source):
        where = Where(passage.origin.source, passage.origin.file, passage.origin.file)
        yield where, passage.id, passage.model_copy(update={"parent": "", "span": None}), ()


def passages_of(source: DocumentSource) -> Iterator[Document]:
    """The passages in a source that is the passages of curation, or those of one part."""
    part, _, parts = source.shard.partition("/")
    for batch in store.read_batches(source.path, "passages"):
        rows = batch
        if source.shard:
            names = zip(batch.column("id").to_pylist(), batch.column("title").to_pylist(), strict=True)
            rows = batch.filter(pa.array([part_number(*name, int(parts)) == int(part) for name in names], pa.bool_()))
        for row in rows.to_pylist():
            yield Document.model_validate(row)


def part_number(passage: str, title: str, parts: int) -> int:
    """In which of so many parts, from 1, a passage with this id and title is: passages under one title are in one, for
    a question about a title that others share is asked otherwise."""
    return int(content_id("part", title or passage)[:15], 16) % parts + 1


def no_reader(within: str, read_endings: tuple[str, ...]) -> Refused:
    """The refusal of a file in a folder that no reader takes."""
    ending = Path(within).suffix or "a file without an ending"
    return Refused("whole file", "no_reader", f"no reader for {ending}; read are {', '.join(read_endings)}")
