"""Texts are cut into passages at headings and sentences; all that is not blank stands in a passage or in its title."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.corpus.rows import added, id_column, reasons
from huatuo.readers.files import LONGEST_TITLE
from huatuo.readers.markup import Block, blocks, heading_text
from huatuo.records import Origin
from huatuo.text.segment import pieces

PIECES = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("title", pa.string())]))
"""Type of the column ``pieces``."""


class Piece(NamedTuple):
    """Where a passage lies in its text, and its title."""

    start: int
    """First character."""
    end: int
    """One past the last."""
    title: str
    """Title of the text and headings above; empty where there are none."""


NO_TEXT = "no_text: the document holds blanks and empty headings only; expected text"
"""Reason of a text without a passage."""

PASSAGE = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "parent", "title", "genre", "language")),
        ("origin", pa.struct(list(store.schema_of(Origin)))),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
"""Columns of a passage: its span lies in the text of its parent."""

_MAYBE_HEADING = re.compile(r"^ {0,3}(?:#|=+[ \t]*$|-{2,}[ \t]*$)", re.MULTILINE)


def _has_sign(text: str) -> bool:
    """Whether one of the signs that stand in every heading is there; takes a tenth of the time of the pattern."""
    return "#" in text or "=" in text or "--" in text


def cut(text: str, title: str, language: str, max_chars: int) -> list[Piece]:
    """The pieces of a document, in order; its title and the headings above a piece are joined by `` > ``.

    A piece begins at every heading with a text of its own; blanks and the line of that heading stay outside the spans.
    A heading that stands in no title, since no text follows before the next one of its level, is text: it goes with the
    next piece, behind the last one with the one before, and is the piece where there is no other. So is a heading of
    more than `LONGEST_TITLE` characters, where it stands.
    """
    found = []
    for begin, end, name in _sections(text, title):
        for start, stop in pieces(text[begin:end], max_chars, "en" if language == "en" else "zh"):
            span = _trimmed(text, begin + start, begin + stop)
            if span:
                found.append(Piece(*span, name))
    return found


def _headings(text: str) -> list[tuple[Block, str]]:
    """The headings with their words, but for those that are too long for a title."""
    # most texts of a corpus have none, and reading their blocks takes longest
    if not (_has_sign(text) and _MAYBE_HEADING.search(text)):
        return []
    found = [(block, heading_text(text, block)) for block in blocks(text) if block.kind == "heading"]
    return [(block, words) for block, words in found if len(words) <= LONGEST_TITLE]


def _sections(text: str, title: str) -> list[tuple[int, int, str]]:
    """(start, end, title) of the ranges that are cut by themselves."""
    headings = _headings(text)
    path: list[int] = []
    shown: set[int] = set()
    bodies: list[tuple[int, int, list[int]]] = []
    edges = [0, *(block.start for block, _ in headings), len(text)]
    for number, (begin, end) in enumerate(pairwise(edges), -1):
        if number >= 0:
            own = headings[number][0]
            path = [step for step in path if headings[step][0].level < own.level] + [number]
            begin = own.end
        if text[begin:end].strip():
            shown.update(path)
            bodies.append((begin, end, path))
    lost = [block.start for at, (block, words) in enumerate(headings) if words and at not in shown]
    return _joined(text, title, [words for _, words in headings], bodies, lost)


def _joined(
    text: str, title: str, words: Sequence[str], bodies: Sequence[tuple[int, int, list[int]]], lost: Sequence[int]
) -> list[tuple[int, int, str]]:
    """The sections, the headings that begin at ``lost`` among their texts."""
    if not bodies:
        return [(lost[0], len(text), title)] if lost else []
    found: list[tuple[int, int, str]] = []
    for begin, end, path in bodies:
        at = bisect_left(lost, found[-1][1] if found else 0)
        steps = [words[step] for step in path if words[step]]
        steps = steps if not title or (steps and steps[0] == title) else [title, *steps]
        found.append((lost[at] if at < len(lost) and lost[at] < begin else begin, end, " > ".join(steps)))
    if lost and lost[-1] >= found[-1][1]:
        found[-1] = (found[-1][0], len(text), found[-1][2])
    return found


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The range without the blanks at its ends; None where it is all blank."""
    inner = text[start:end].lstrip()
    if not inner:
        return None
    start = end - len(inner)
    return start, start + len(inner.rstrip())


def cut_batch(batch: pa.RecordBatch, max_chars: int, texts: Sequence[str] | None = None) -> pa.RecordBatch:
    """The batch with a column ``pieces``: a list of start, end and title per row, empty for a row with a reason; and
    with the reason `NO_TEXT` where there is none to cut. ``texts``: those of its column, where they are at hand."""
    why = reasons(batch)
    texts = batch.column("text").to_pylist() if texts is None else texts
    titles, languages = (batch.column(name).to_pylist() for name in ("title", "language"))
    starts: list[int] = []
    ends: list[int] = []
    names: list[str] = []
    edges = [0]
    for place, text in enumerate(texts):
        if not why[place]:
            if len(text) > max_chars or _has_sign(text):
                for piece in cut(text, titles[place], languages[place], max_chars):
                    starts.append(piece.start)
                    ends.append(piece.end)
                    names.append(piece.title)
            elif span := _trimmed(text, 0, len(text)):  # nothing to cut
                starts.append(span[0])
                ends.append(span[1])
                names.append(titles[place])
            if len(starts) == edges[-1]:
                why[place] = NO_TEXT
        edges.append(len(starts))
    fields = list(PIECES.value_type)
    parts = [pa.array(column, field.type) for column, field in zip((starts, ends, names), fields, strict=True)]
    offsets = pa.array(edges, pa.int32())
    pieces_ = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=fields)).cast(PIECES)
    return added(added(batch, "pieces", PIECES, pieces_), "reason", pa.string(), why)


def passages(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[str], list[int]]:
    """One row (`PASSAGE`) per piece of a batch with the column ``pieces``, its text, and the number of the row it is
    from."""
    lists = batch.column("pieces")
    flat, take = lists.flatten(), pc.list_parent_indices(lists)
    rows, starts, ends = take.to_pylist(), flat.field("start").to_pylist(), flat.field("end").to_pylist()
    texts = batch.column("text").to_pylist()
    parent, origins = batch.column("id").take(take), batch.column("origin").take(take)
    edges = [flat.field(name).cast(pa.string()) for name in ("start", "end")]
    inside = [texts[row][start:end] for row, start, end in zip(rows, starts, ends, strict=True)]
    if "marks" in batch.schema.names:
        places = _places(origins.field("place"), batch.column("marks").to_pylist(), rows, starts, ends)
    else:
        places = pc.binary_join_element_wise(origins.field("place"), pc.binary_join_element_wise(*edges, "–"), " ")
    columns = {
        "id": id_column(("passage",), parent, *edges),
        "parent": parent,
        "title": flat.field("title"),
        "genre": batch.column("genre").take(take),
        "language": batch.column("language").take(take),
        "origin": _placed(origins, places),
        "start": flat.field("start"),
        "end": flat.field("end"),
    }
    arrays = [column.cast(PASSAGE.field(name).type) for name, column in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=PASSAGE), inside, rows


def _places(
    old: pa.StringArray,
    marks: Sequence[Sequence[Mapping[str, Any]] | None],
    rows: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
) -> pa.StringArray:
    """`place_of` each passage of texts with marks."""
    cells = zip(old.to_pylist(), rows, starts, ends, strict=True)
    return pa.array([place_of(place, marks[row] or (), start, end) for place, row, start, end in cells], pa.string())


def _placed(origins: pa.StructArray, places: pa.StringArray) -> pa.StructArray:
    """The origins with these places."""
    fields = list(PASSAGE.field("origin").type)
    parts = [places if f.name == "place" else origins.field(f.name).cast(f.type) for f in fields]
    return pa.StructArray.from_arrays(parts, fields=fields)


def place_of(place: str, marks: Sequence[Mapping[str, Any]], start: int, end: int) -> str:
    """The place of a passage for a person to find: that of its document, the first and last mark it lies under
    (``page 3–page 4``), and its characters."""
    if not marks:
        return f"{place} {start}–{end}"
    first = bisect_right(marks, start, key=lambda mark: mark["start"]) - 1
    last = bisect_right(marks, end - 1, key=lambda mark: mark["start"]) - 1
    names = [marks[at]["label"] for at in dict.fromkeys((first, last)) if at >= 0]
    return " ".join([place, *(["–".join(names)] if names else []), f"{start}–{end}"])


def listed(rows: pa.RecordBatch, parents: Sequence[int], count: int) -> pa.ListArray:
    """The rows as a list for each of ``count`` parents; ``parents`` ascends."""
    offsets = np.searchsorted(np.asarray(parents, dtype=np.int64), np.arange(count + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), rows.to_struct_array())
