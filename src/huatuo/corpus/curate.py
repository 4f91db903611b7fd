"""The stage that turns documents into clean passages: cut, normalised, judged, de-duplicated, decontaminated."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from huatuo import store
from huatuo.corpus.decontaminate import contaminated_batch, indexes
from huatuo.corpus.dedup import duplicate_batch, key_batch, smallest
from huatuo.corpus.normalise import normalise_batch
from huatuo.corpus.rows import added
from huatuo.corpus.rules import rule_batch
from huatuo.progress import bar
from huatuo.readers.markup import blocks, heading_text
from huatuo.recipe import CurateSettings
from huatuo.records import Document, Origin, Question, Span
from huatuo.store import Writer, canonical_json, content_id
from huatuo.text.segment import pieces

BATCH_ROWS = 500
"""Texts per batch: more leave the processor's cache (a batch of 20,000 takes four times the time of one of 500)."""

PIECES = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("title", pa.string())]))
"""Type of the column ``pieces``."""

_DOCUMENT_COLUMNS = ["id", "title", "text", "genre", "language", "origin", "marks"]


def curate(settings: CurateSettings, knowledge: Path, questions: Path, out: Writer) -> None:
    """Nothing; writes the table passages, whose spans lie in the documents' texts.

    A run without documents gets a file ``empty.json`` that says so, and an empty data set.
    """
    made = indexes(store.read(questions, "questions", Question)) if settings.decontaminate else []
    with bar("curate", unit="passages") as progress:
        batches = []
        for cut in _cut_documents(settings, knowledge, out):
            batches.append(key_batch(rule_batch(normalise_batch(cut), settings.min_chars)))
        survivors = smallest(row for batch in batches for row in _keyed(batch))
        used: set[str] = set()
        refused: dict[str, set[str]] = defaultdict(set)
        for batch in batches:
            judged = contaminated_batch(duplicate_batch(batch, survivors), made)
            _write(judged, out, used, refused)
            progress.advance(batch.num_rows)
    _end_documents(refused, used, out)
    if not batches:
        reason = {"reason": "the ingest stage found no document, so there is no passage to make"}
        store.write_atomic(out.folder / "empty.json", canonical_json(reason))


# ---------------------------------------------------------------- documents -> passages


def cut(text: str, title: str, language: str, max_chars: int) -> list[dict[str, Any]]:
    """The pieces of a document as start, end and title (headings above joined by `` > ``), in order.

    A piece begins at every heading; a heading without a text of its own goes with the next one; blanks and the line of
    the heading itself stay outside the spans where text follows.
    """
    found_blocks = blocks(text)
    headings = [block for block in found_blocks if block.kind == "heading"]
    found = []
    path: list[tuple[int, str]] = []
    edges = [0, *(block.start for block in headings), len(text)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        if number:
            heading = headings[number - 1]
            path = [step for step in path if step[0] < heading.level] + [(heading.level, heading_text(text, heading))]
            begin = heading.end
        steps = [words for _, words in path if words]
        name = " > ".join(steps if steps and steps[0] == title else [title, *steps])
        for start, stop in pieces(text[begin:end], max_chars, "en" if language == "en" else "zh"):
            span = _trimmed(text, begin + start, begin + stop)
            if span:
                found.append({"start": span[0], "end": span[1], "title": name})
    return found


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The range without the blanks at its ends; None where it is all blank."""
    inner = text[start:end]
    if not inner.strip():
        return None
    return start + len(inner) - len(inner.lstrip()), end - (len(inner) - len(inner.rstrip()))


def cut_batch(batch: pa.RecordBatch, max_chars: int) -> pa.RecordBatch:
    """The batch of documents with a column ``pieces``: a list of start, end and title per row."""
    rows = zip(*(batch.column(name).to_pylist() for name in ("text", "title", "language")), strict=True)
    return added(batch, "pieces", PIECES, [cut(text, title, language, max_chars) for text, title, language in rows])


def _cut_documents(settings: CurateSettings, knowledge: Path, out: Writer) -> Iterator[pa.RecordBatch]:
    """Batches of passages of all documents; documents without a passage are dropped."""
    for whole in store.read_batches(knowledge, "documents", _DOCUMENT_COLUMNS):
        for start in range(0, whole.num_rows, BATCH_ROWS):
            batch = cut_batch(whole.slice(start, BATCH_ROWS), settings.max_chars)
            out.expect(batch.column("id").to_pylist())
            yield exploded(batch, out)


def exploded(batch: pa.RecordBatch, out: Writer) -> pa.RecordBatch:
    """One row per piece: id, parent, title, text, genre, language, origin, start, end."""
    rows = []
    for document in batch.to_pylist():
        if not document["pieces"]:
            reason = "the document holds headings or blanks only; expected text"
            out.drop(document["id"], "no_text", reason, excerpt=document["title"])
        for piece in document["pieces"]:
            text = document["text"][piece["start"] : piece["end"]]
            origin = document["origin"]
            place = place_of(origin["place"], document["marks"], piece["start"], piece["end"])
            rows.append(
                {
                    "id": content_id("passage", document["id"], str(piece["start"]), str(piece["end"])),
                    "parent": document["id"],
                    "title": piece["title"],
                    "text": text,
                    "genre": document["genre"],
                    "language": document["language"],
                    "origin": {**origin, "place": place},
                    "start": piece["start"],
                    "end": piece["end"],
                }
            )
    return pa.RecordBatch.from_pylist(rows, schema=_passage_schema())


def place_of(place: str, marks: Sequence[Mapping[str, Any]], start: int, end: int) -> str:
    """The place of a passage for a person to find: that of its document, the first and last mark it lies under
    (``page 3–page 4``), and its characters."""
    first = bisect_right(marks, start, key=lambda mark: mark["start"]) - 1
    last = bisect_right(marks, end - 1, key=lambda mark: mark["start"]) - 1
    names = [marks[at]["label"] for at in dict.fromkeys((first, last)) if at >= 0]
    return " ".join([place, *(["–".join(names)] if names else []), f"{start}–{end}"])


def _passage_schema() -> pa.Schema:
    fields = {field.name: field for field in store.schema_of(Document)}
    kept = [fields[name] for name in ("id", "parent", "title", "text", "genre", "language", "origin")]
    return pa.schema([*kept, pa.field("start", pa.int64()), pa.field("end", pa.int64())])


# ---------------------------------------------------------------- judging and writing


def _keyed(batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
    """(key, id) of the rows that no rule refused."""
    columns = (batch.column(name).to_pylist() for name in ("key", "id", "reason"))
    return ((key, row_id) for key, row_id, reason in zip(*columns, strict=True) if not reason)


def _write(batch: pa.RecordBatch, out: Writer, used: set[str], refused: dict[str, set[str]]) -> None:
    for row in batch.to_pylist():
        out.expect([row["id"]])
        if row["reason"]:
            rule, _, figures = row["reason"].partition(": ")
            refused[row["parent"]].add(rule)
            out.drop(row["id"], rule, f"{row['title']}: {figures}", row["witness"], row["text"])
            continue
        used.add(row["parent"])
        passage = Document(
            id=row["id"],
            title=row["title"],
            text=row["normal"],
            genre=row["genre"],
            language=row["language"],
            origin=Origin(**row["origin"]),
            parent=row["parent"],
            span=Span(start=row["start"], end=row["end"]),
        )
        out.write("passages", passage, uses=[row["id"], row["parent"]])


def _end_documents(refused: dict[str, set[str]], used: set[str], out: Writer) -> None:
    """Drop the documents none of whose passages was kept."""
    for document_id in sorted(set(refused) - used):
        rules = ", ".join(sorted(refused[document_id]))
        out.drop(document_id, "no_passage_left", f"every passage of the document was dropped: {rules}")
