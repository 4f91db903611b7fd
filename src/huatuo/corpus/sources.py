"""Texts of any amount as a stream of Arrow batches: WARC and WET, JSON Lines, Parquet, tables, folders of documents.

A text row has the columns of `SCHEMA`. What cannot be read as a text is a row all the same, without a text and with its
``reason``, so that kept and dropped add up to read; what makes a whole source useless (no such column, no such key, not
a Parquet file) is one error before anything is made of it. Memory holds a batch, and the longest line.

| reason | dropped |
|---|---|
| `line_too_long`, `too_large` | a line, or a page, of more than ``longest`` bytes: it is skipped, the rest is read |
| `undecodable_bytes` | a record whose bytes are no text in the encoding of its file, with their positions |
| `bad_json`, `duplicate_key`, ... | see `huatuo.readers.jsonfile` |
| `missing_field` | a record without the text's key, or with something else than text there |
| `empty_file`, `empty_text` | a file, or a record, without a character |
| `truncated`, `damaged` | what follows in a file whose packing ends in the middle, or is broken: the rest is unread |
| `no_reader`, `needs_ocr`, `encrypted`, ... | see `huatuo.readers.files`; a page that is no text |
| `http_status` | a page that the server did not have |

A document or a page with a few illegal bytes is kept, U+FFFD in the place of each, and not counted: one with many is
dropped as `unreadable` (`huatuo.corpus.quality`). Titles are cut to `huatuo.readers.files.LONGEST_TITLE` characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.corpus.rows import id_column
from huatuo.errors import InputError
from huatuo.files import content_ids, regular_files
from huatuo.readers.files import LONGEST_TITLE, SUFFIXES, Wanted, as_title, read_parts
from huatuo.readers.parts import Unread
from huatuo.recipe_curate import CorpusSource
from huatuo.records import Document

if TYPE_CHECKING:
    from huatuo.corpus.tables import Plain

BATCH_ROWS = 2_000
"""Most rows of a batch."""

BATCH_CHARS = 8 << 20
"""Characters from which a batch is handed on."""

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
"""First bytes of a packed file → its packing."""

LINE_ENDINGS = (".jsonl", ".ndjson")
"""Endings of JSON Lines, before that of a packing."""

TABLE_ENDINGS = (".csv", ".tsv", ".xlsx")
"""Endings of tables with a text per row."""

_DOCUMENT = store.schema_of(Document)

Column: TypeAlias = list[str] | pa.Array
"""Texts: a list, in which any string may stand, or those that a file holds as a column."""

SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "source", "language", "genre", "title", "text")),
        _DOCUMENT.field("origin"),
        pa.field("reason", pa.string()),
    ]
)
"""Columns of a text row."""


class Item(NamedTuple):
    """One text of a file, or why there is none."""

    place: str
    """Place in the file for a person to find."""
    title: str = ""
    """Title, where the file states one."""
    text: str = ""
    """The text; empty where there is none."""
    own_id: str = ""
    """The record's own id, where it has one."""
    reason: str = ""
    """``rule: figures`` where there is no text."""


class Shard(NamedTuple):
    """One file of a source."""

    source: CorpusSource
    """The source."""
    path: Path
    """The file."""
    within: str
    """Its path below the source's, with ``/``."""
    kind: str
    """``jsonl``, ``parquet``, ``warc``, ``table``, ``document``, or ``other``: nothing reads it."""


# ---------------------------------------------------------------- files


def shards(source: CorpusSource) -> list[Shard]:
    """The files of a source in the order of their paths; hidden ones are left out.

    Raises InputError for a path that is missing or cannot be read, and a folder or pattern without a file.
    """
    if not source.path.exists():
        raise InputError(f"{source.path}: no such file or folder (source {source.name!r}); next: check the path")
    if source.path.is_file():
        return [Shard(source, source.path, source.path.name, _kind(source, source.path, alone=True))]
    chosen = {path for path in source.path.glob(source.glob) if path.is_file()}
    found = [(within, path) for within, path in regular_files(source.path) if path in chosen]
    if not found:
        raise InputError(
            f"{source.path}: no file fits {source.glob!r} (source {source.name!r}); next: check path and glob"
        )
    return [Shard(source, path, within, _kind(source, path, alone=False)) for within, path in found]


def compression(path: Path) -> str:
    """``gzip``, ``zstd`` or ``bz2`` by the first bytes of a file; empty where it is not packed.

    Raises InputError where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); next: give the right to read it") from None
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), "")


def opened(path: Path) -> Any:
    """The file as a stream of its unpacked bytes; reading raises OSError where the packing is cut off or broken."""
    packing = compression(path)
    file = pa.OSFile(str(path))
    return pa.CompressedInputStream(file, packing) if packing else file


def _kind(source: CorpusSource, path: Path, alone: bool) -> str:
    if source.format != "auto":
        return "document" if source.format == "documents" else source.format
    names = [suffix.lower() for suffix in path.suffixes]
    packed = bool(compression(path))
    try:
        with opened(path) as stream:
            head = bytes(stream.read(16)).lstrip()
    except OSError:
        head = b""
    if head.startswith(b"PAR1") or names[-1:] == [".parquet"]:
        return "parquet"
    if head.startswith(b"WARC/") or {".warc", ".wet"} & set(names):
        return "warc"
    if set(names) & set(LINE_ENDINGS) or (packed and head.startswith(b"{")):
        return "jsonl"
    if names[-1:] and names[-1] in TABLE_ENDINGS:
        return "table"
    return "document" if alone or (names and names[-1] in SUFFIXES) else "other"


def check(sources: Iterable[CorpusSource]) -> int:
    """How many files the sources have.

    Raises InputError, before anything is read in earnest, for what would stop the reading of one: a missing path, a
    file that is no Parquet, a Parquet or a table without the columns."""
    from huatuo.corpus import tables

    count = 0
    for source in sources:
        for shard in shards(source):
            count += 1
            if shard.kind == "parquet" and shard.path.stat().st_size:
                tables.columns(shard.path, source)
            if shard.kind == "table" and shard.path.stat().st_size:
                tables.head(shard.path, source)
    return count


# ---------------------------------------------------------------- rows


@dataclass
class _Rows:
    """Rows until there are enough for a batch."""

    shard: Shard
    items: list[Item] = field(default_factory=list)
    characters: int = 0

    def add(self, item: Item) -> None:
        """One more row."""
        self.items.append(item)
        self.characters += len(item.text)

    @property
    def are_enough(self) -> bool:
        """Whether they fill a batch."""
        return len(self.items) >= BATCH_ROWS or self.characters >= BATCH_CHARS

    def taken(self) -> pa.RecordBatch:
        """The rows as a batch; there are none after it."""
        items, self.items, self.characters = self.items, [], 0
        places, titles, texts, own, why = ([item[at] for item in items] for at in range(len(Item._fields)))
        return _batch(self.shard, places, titles, texts, own, why)


def _batch(
    shard: Shard,
    places: Column,
    titles: Column,
    texts: Column,
    own: Column,
    why: Column,
) -> pa.RecordBatch:
    """The rows of `Item`s, which are given by columns."""
    source, count = shard.source, len(places)
    origin = {"source": source.name, "file": shard.path.name, "evidence": source.evidence, "document": ""}
    parts: dict[str, Any] = {name: pa.repeat(pa.scalar(value, pa.string()), count) for name, value in origin.items()}
    parts |= {"place": _column(places)}
    kinds = list(SCHEMA.field("origin").type)
    origins = [parts[kind.name] if kind.name in parts else pa.nulls(count, kind.type) for kind in kinds]
    columns = {
        "id": _ids(shard, places, own),
        "source": parts["source"],
        "language": pa.repeat(pa.scalar(source.language or "unknown", pa.string()), count),
        "genre": pa.repeat(pa.scalar(source.genre, pa.string()), count),
        "title": _titles(titles),
        "text": texts,
        "origin": pa.StructArray.from_arrays(origins, fields=kinds),
        "reason": why,
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def _titles(titles: Column) -> Column:
    """The titles, long ones cut, whichever reader they are from."""
    if isinstance(titles, list):
        return [as_title(title) for title in titles]
    if (pc.max(pc.utf8_length(titles)).as_py() or 0) <= LONGEST_TITLE:
        return titles
    return pa.array([as_title(title) for title in titles.to_pylist()], pa.string())


def _ids(shard: Shard, places: Column, own: Column) -> pa.StringArray:
    """By the record's own id where it has one, else by its place in the file."""
    head = ("text", shard.source.name)
    has = pa.array([bool(name) for name in own]) if isinstance(own, list) else pc.not_equal(own, "")
    if pc.all(has).as_py():
        return _hashed((*head, "own"), own)
    placed = _hashed((*head, shard.within), places)
    return pc.if_else(has, _hashed((*head, "own"), own), placed) if pc.any(has).as_py() else placed


def _hashed(head: Sequence[str], names: Column) -> pa.StringArray:
    """The content ids of names, which may hold halves of surrogate pairs where they are a list."""
    return pa.array(content_ids(head, names), pa.string()) if isinstance(names, list) else id_column(head, names)


def _column(texts: Column) -> pa.Array:
    return pa.array(texts, pa.string()) if isinstance(texts, list) else texts


def read(shard: Shard) -> Iterator[pa.RecordBatch]:
    """The texts of one file, in batches of at most `BATCH_ROWS` rows and about `BATCH_CHARS` characters.

    Raises InputError where the file as a whole is not what the source says it is.
    """
    rows, count = _Rows(shard), 0
    for item in _items(shard):
        count += 1
        if not isinstance(item, Item):
            if rows.items:
                yield rows.taken()
            why = pa.repeat(pa.scalar("", pa.string()), len(item.places))
            yield _batch(shard, item.places, item.titles, item.texts, item.own_ids, why)
            continue
        if not item.reason and not item.text.strip():
            item = item._replace(text="", reason="empty_text: the record's text holds blanks only; expected text")
        elif not item.reason and not _is_whole(item.text):
            item = item._replace(text="", reason="lone_surrogate: half of a surrogate pair, which no file can hold")
        rows.add(item)
        if rows.are_enough:
            yield rows.taken()
    if not count:
        rows.add(Item("whole file", reason="empty_file: the file holds no record; expected texts"))
    if rows.items:
        yield rows.taken()


def read_all(sources: Iterable[CorpusSource]) -> Iterator[pa.RecordBatch]:
    """The texts of all sources, file by file. Raises as `shards` and `read`."""
    for source in sources:
        for shard in shards(source):
            yield from read(shard)


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _items(shard: Shard) -> Iterator[Item | Plain]:
    from huatuo.corpus import pages, tables

    if shard.path.stat().st_size == 0:
        return iter([Item("whole file", reason="empty_file: the file is empty; expected texts")])
    if shard.kind == "jsonl":
        return tables.lines(shard.path, shard.source, opened(shard.path))
    if shard.kind == "parquet":
        return tables.parquet(shard.path, shard.source)
    if shard.kind == "table":
        return tables.table(shard.path, shard.source)
    if shard.kind == "warc":
        return pages.records(shard.path, shard.source, opened(shard.path))
    return _documents(shard)


def _documents(shard: Shard) -> Iterator[Item]:
    if shard.kind == "other":
        ending = shard.path.suffix or "a file without an ending"
        read_ = ", ".join([*SUFFIXES, *LINE_ENDINGS, *TABLE_ENDINGS, ".parquet", ".warc", ".wet"])
        yield Item("whole file", reason=f"no_reader: no reader for {ending}; read are {read_}")
        return
    if (size := shard.path.stat().st_size) > shard.source.longest and SUFFIXES.get(shard.path.suffix.lower()) == "text":
        yield Item("whole file", reason=too_large(size, shard.source.longest))
        return
    wanted = Wanted(record=shard.source.record, title=shard.source.title, text=shard.source.text)
    for part in read_parts(shard.path, wanted):
        place = part.place or "whole file"
        if isinstance(part, Unread):
            yield Item(place, reason=f"{part.rule}: {part.reason}")
        else:
            yield Item(place, part.title or shard.path.stem, part.text)


def too_large(size: int, longest: int) -> str:
    """The reason of a text that is not loaded."""
    return f"too_large: {size:,} bytes; expected at most {longest:,}"


def broken(error: OSError, after: str) -> Item:
    """The row of what can no longer be unpacked."""
    cut = "Truncated" in str(error)
    rule, what = ("truncated", "the packed file ends in the middle") if cut else ("damaged", str(error).splitlines()[0])
    return Item(f"after {after}", reason=f"{rule}: {what} after {after}; what follows is unread; next: get it again")


def first_line(text: str) -> str:
    """The first line of a text that states no title, where it is short enough to be one; else an empty string."""
    line = text.lstrip().partition("\n")[0].strip()
    return line if len(line) <= LONGEST_TITLE else ""
