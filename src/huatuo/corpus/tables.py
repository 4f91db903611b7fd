"""Texts of JSON Lines, Parquet, CSV and XLSX, record by record."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.sources import Item, broken, too_large
from huatuo.errors import InputError
from huatuo.readers.encoding import Readable, byte_lines, decode_as
from huatuo.readers.files import TITLE_KEYS, keys_of, text_at
from huatuo.readers.jsonfile import parse
from huatuo.readers.tables import Flaw, NotText
from huatuo.readers.tables import lines as table_lines
from huatuo.recipe_curate import CorpusSource

LOOKED_AT = 100
"""Records of a file without the text's key after which the key is taken to be wrong."""

PIECE_BYTES = 1 << 16
"""Bytes that are unpacked together."""

PARQUET_ROWS = 1_000
"""Rows that are decoded together."""


def _nearest(wanted: Sequence[str], known: Sequence[str]) -> str:
    """`` (did you mean ...?)`` of the known name that is most like a wanted one; empty where none is."""
    found = [name for want in wanted for name in difflib.get_close_matches(want.lower(), known, 1, 0.6)]
    return f" (did you mean {found[0]!r}?)" if found else ""


# ---------------------------------------------------------------- JSON Lines


class _Pieces:
    """A stream in pieces, so that little is lost with the one in which its packing turns out to be broken."""

    def __init__(self, stream: Readable):
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        return self._stream.read(min(size, PIECE_BYTES))


def lines(path: Path, source: CorpusSource, stream: Readable) -> Iterator[Item]:
    """The texts of JSON Lines in UTF-8, unpacked by ``stream``.

    Raises InputError where the first `LOOKED_AT` records, or all where there are fewer, have no such key.
    """
    reader, number = _Lines(path, source), 0
    try:
        for number, (offset, data, length) in enumerate(byte_lines(_Pieces(stream), b"\n", source.longest), 1):
            if data is None:
                reason = f"line_too_long: {length:,} bytes from byte {offset:,}; expected at most {source.longest:,}"
                yield Item(f"line {number}", reason=reason)
            elif data.strip():
                yield reader.item(f"line {number}", data, offset)
    except OSError as error:
        yield broken(error, f"line {number}")
    reader.end()


class _Lines:
    """Makes items of lines, and notices where a key is wrong."""

    def __init__(self, path: Path, source: CorpusSource):
        self._path, self._source = path, source
        self._texts = keys_of(source.text)
        self._titles = (source.title,) if source.title else TITLE_KEYS
        self._objects = 0
        self._found = False
        self._seen: Counter[str] = Counter()

    def item(self, place: str, data: bytes, offset: int) -> Item:
        """The text of a line, or why it has none."""
        if offset == 0:
            data = data.removeprefix(b"\xef\xbb\xbf")
        text, problems = decode_as(data, "utf-8", offset)
        if problems:
            return Item(place, reason=f"{problems[0].rule}: {problems[0].message}")
        value, problem = parse(text)
        if problem is not None:
            return Item(place, reason=f"{problem.rule}: {problem.message}")
        if isinstance(value, str):
            self._found = True
            return Item(place, text=value)
        if not isinstance(value, dict):
            return Item(place, reason=f"missing_field: a record is {type(value).__name__}; expected an object")
        return self._of_object(place, value)

    def _of_object(self, place: str, value: dict[str, Any]) -> Item:
        self._objects += 1
        text = text_at(value, self._source.text)
        if text is None:
            if not self._found:
                self._seen.update(value.keys())
                if self._objects == LOOKED_AT:
                    raise self._wrong_key()
            shown = ", ".join(list(value)[:8])
            return Item(place, reason=f"missing_field: no text at {' or '.join(self._texts)}; found {shown}")
        self._found = True
        title = next((value[k] for k in self._titles if isinstance(value.get(k), str)), "")
        return Item(place, title.strip(), text, self._own_id(value))

    def _own_id(self, value: dict[str, Any]) -> str:
        found = value.get(self._source.id) if self._source.id else None
        return str(found) if isinstance(found, (str, int)) else ""

    def end(self) -> None:
        """Nothing. Raises InputError where no record of the file had the key."""
        if self._objects and not self._found:
            raise self._wrong_key()

    def _wrong_key(self) -> InputError:
        names = [name for name, _ in self._seen.most_common(12)]
        return InputError(
            f"{self._path}: none of the first {self._objects} records has a text at {' or '.join(self._texts)}; found "
            f'{", ".join(names)}{_nearest(self._texts, names)}; next: set text = "key" for source {self._source.name!r}'
        )


# ---------------------------------------------------------------- Parquet, CSV, XLSX


class Columns(NamedTuple):
    """Which columns are read."""

    texts: tuple[str, ...]
    """The texts that are joined."""
    title: str
    """The title; empty where there is none."""
    id: str
    """The record's own id; empty where there is none."""


def columns(path: Path, source: CorpusSource) -> Columns:
    """The columns that are read of a Parquet file.

    Raises InputError where it is no Parquet file, is cut off, or has not the columns that the source names.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"{path}: not a whole Parquet file ({said}); next: get it again, or take it out") from None
    found = _named(path, source, schema.names)
    for kind, name in ((schema.field(name).type, name) for name in found.texts):
        if not (_is_text(kind) or pa.types.is_null(kind)):
            raise InputError(
                f"{path}: column {name!r} holds {kind}; expected text (string or binary, also large, as view or as "
                "dictionary); next: name the column with the text"
            )
    return found


def _named(path: Path, source: CorpusSource, names: Sequence[str]) -> Columns:
    """The columns that a source wants, of a file with these. Raises InputError for one that is not there."""
    there = [name for name in keys_of(source.text) if name in names]
    title = next((name for name in ((source.title,) if source.title else TITLE_KEYS) if name in names), "")
    lacks = [name for name in source.text if name not in names] if isinstance(source.text, tuple) else []
    asked = (
        (lacks or keys_of(source.text), there and not lacks),
        ((source.title,), title),
        ((source.id,), source.id in names),
    )
    for wanted, found in asked:
        if wanted != ("",) and not found:
            raise InputError(
                f"{path}: no column {' or '.join(wanted)}; found {', '.join(names)}{_nearest(wanted, names)}; "
                f"next: name the column of source {source.name!r}"
            )
    return Columns(tuple(there if isinstance(source.text, tuple) else there[:1]), title, source.id)


class Plain(NamedTuple):
    """Rows of a Parquet file that are texts as they are, by columns."""

    places: pa.Array
    """See `Item`; so are the others."""
    titles: pa.Array
    texts: pa.Array
    own_ids: pa.Array


def parquet(path: Path, source: CorpusSource) -> Iterator[Item | Plain]:
    """The texts of a Parquet file, a row group at most in memory. Raises InputError as `columns`."""
    wanted = columns(path, source)
    number = 0
    with pq.ParquetFile(path, pre_buffer=False) as file:
        if not file.metadata.num_rows:
            yield Item("whole file", reason="empty_file: the table has no row; expected texts")
        try:
            names = dict.fromkeys(name for name in (*wanted.texts, wanted.title, wanted.id) if name)
            for batch in file.iter_batches(PARQUET_ROWS, columns=list(names)):
                numbers = pa.array(np.arange(number + 1, number + 1 + batch.num_rows)).cast(pa.string())
                places = pc.binary_join_element_wise("row ", numbers, "")
                number += batch.num_rows
                batch = as_bytes(batch)
                if whole := plain(batch, places, wanted, source.longest):
                    yield whole
                    continue
                for place, row in zip(places.to_pylist(), batch.to_pylist(), strict=True):
                    yield _of_row(place, row, wanted, source.longest)
        except OSError as error:
            yield broken(error, f"row {number}")


def as_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with every column of texts, whatever their type, as bytes; dictionaries of anything as their values."""
    return pa.RecordBatch.from_arrays([_as_bytes(column) for column in batch.columns], names=batch.schema.names)


def _as_bytes(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.DictionaryArray):
        words = column.dictionary
        # with long offsets: a word may stand in many rows
        return (words.cast(pa.large_binary()) if _is_text(words.type) else words).take(column.indices)
    return column.cast(_bytes_of(column.type)) if _is_text(column.type) else column


def _bytes_of(kind: pa.DataType) -> pa.DataType:
    """The type of bytes that a type of texts becomes: one with long offsets for those that may need them."""
    return pa.binary() if pa.types.is_string(kind) or pa.types.is_binary(kind) else pa.large_binary()


def plain(batch: pa.RecordBatch, places: pa.Array, wanted: Columns, longest: int) -> Plain | None:
    """The rows of a batch `as_bytes` by columns, where each is a text that needs no second look; None where one does:
    it is null or blank, too large, or no UTF-8."""
    texts = batch.column(wanted.texts[0])
    if len(wanted.texts) > 1 or texts.null_count or pc.max(pc.binary_length(texts)).as_py() > longest:
        return None
    nothing = pa.repeat(pa.scalar("", pa.string()), batch.num_rows)
    own = batch.column(wanted.id) if wanted.id else nothing
    named = batch.column(wanted.title) if wanted.title and _is_text(batch.column(wanted.title).type) else nothing
    if not (_is_text(own.type) or pa.types.is_integer(own.type)):
        return None
    try:
        texts, titles, own_ids = (column.cast(pa.string()) for column in (texts, named, own))
    except pa.ArrowInvalid:  # no UTF-8, or more than a column of strings holds
        return None
    firsts = pc.is_in(pc.utf8_slice_codeunits(texts, 0, 1), value_set=_BLANKS)
    if any(not text.strip() for text in texts.filter(firsts).to_pylist()):
        return None
    return Plain(places, pc.fill_null(titles, ""), texts, pc.fill_null(own_ids, ""))


_BLANKS = pa.array(["", *(chr(code) for code in range(0x3001) if chr(code).isspace())])
"""What a blank text begins with: every blank character, or nothing (U+3000 is the last of them in Unicode 16)."""


_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts; bytes do, as those of strings in a Parquet file are any bytes too."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_one(kind) for is_one in _TEXTS)


def _of_row(place: str, row: Mapping[str, Any], wanted: Columns, longest: int) -> Item:
    decoded = {name: decode_as(cell, "utf-8", 0) for name, cell in row.items() if isinstance(cell, bytes)}
    shown = {**row, **{name: text for name, (text, _) in decoded.items()}}
    parts = [part for part in (shown[name] for name in wanted.texts) if part is not None]
    if not parts:
        return Item(place, reason=f"missing_field: {' and '.join(wanted.texts)} is null; expected text")
    for problems in (decoded[name][1] for name in wanted.texts if name in decoded):
        if wrong := [problem for problem in problems if problem.rule == "undecodable_bytes"]:
            return Item(place, reason=f"undecodable_bytes: {wrong[0].message}")
    text = parts[0] if len(wanted.texts) == 1 else "\n".join(part.strip() for part in parts if part.strip())
    if len(text) * 4 > longest and (size := len(text.encode("utf-8", "surrogatepass"))) > longest:
        return Item(place, reason=too_large(size, longest))
    title, own = shown.get(wanted.title), shown.get(wanted.id)
    if wanted.id in decoded and any(problem.rule == "undecodable_bytes" for problem in decoded[wanted.id][1]):
        own = "0x" + row[wanted.id].hex()  # bytes that are no text tell rows apart, U+FFFD in their place does not
    return Item(place, title if isinstance(title, str) else "", text, "" if own is None else str(own))


def head(path: Path, source: CorpusSource) -> Columns:
    """The columns that are read of a CSV, TSV or XLSX file, by its first row with a cell.

    Raises InputError where it has none, cannot be read, or lacks a column that the source names.
    """
    first = next((row for row in table_lines(path) if not isinstance(row, Flaw) and any(row[1])), None)
    if first is None:
        raise InputError(f"{path}: no row with a cell; expected a line of names; next: check how the file was made")
    return _named(path, source, [_cell(cell) for cell in first[1]])


def table(path: Path, source: CorpusSource) -> Iterator[Item]:
    """The texts of a CSV, TSV or XLSX file, row by row under its line of names. Raises InputError as `head`."""
    wanted, names = head(path, source), list[str]()
    for row in table_lines(path):
        if isinstance(row, Flaw):
            if row.is_lost:
                yield Item(row.place, reason=f"{row.rule}: {row.message}")
            continue
        number, cells = row
        if not any(cells):
            continue
        if not names:
            names = [_cell(cell) for cell in cells]
            continue
        filled = {name: _cell(cell) for name, cell in zip(names, cells, strict=False)}
        missing = dict.fromkeys(wanted.texts)
        yield _of_row(f"row {number}", missing | filled, wanted, source.longest)


def _cell(cell: Any) -> str:
    return str(cell.shown if isinstance(cell, NotText) else cell).strip()
