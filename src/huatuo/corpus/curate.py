"""The stage that turns documents into clean passages: cut, normalised, judged, de-duplicated, decontaminated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from huatuo import store
from huatuo.corpus.engines import smallest
from huatuo.corpus.passes import Judge, Verdict
from huatuo.corpus.rows import in_parts, parts
from huatuo.corpus.segments import cut_batch, passages
from huatuo.progress import bar
from huatuo.recipe import CurateSettings
from huatuo.records import Document, Origin, Span
from huatuo.store import Writer, canonical_json

_DOCUMENT_COLUMNS = ["id", "title", "text", "genre", "language", "origin", "marks"]


def curate(settings: CurateSettings, knowledge: Path, questions: Path, out: Writer) -> None:
    """Nothing; writes the table passages, whose spans lie in the documents' texts.

    A run without documents gets a file ``empty.json`` that says so, and an empty data set.
    """
    with bar("curate", unit="passages") as progress:
        batches = []
        for cut, texts in _cut_documents(settings, knowledge, out):
            batches.append(Judge(settings.min_chars).judged(cut, texts))
        digest = store.read_manifest(questions).digest
        survivors = smallest(iter(batches), "key", "id")
        verdict = Verdict(survivors, {}, {}, questions if settings.decontaminate else None, digest)
        used: set[str] = set()
        refused: dict[str, set[str]] = defaultdict(set)
        for batch in batches:
            _write(in_parts(batch, verdict), out, used, refused)
            progress.advance(batch.num_rows)
    _end_documents(refused, used, out)
    if not batches:
        reason = {"reason": "the ingest stage found no document, so there is no passage to make"}
        store.write_atomic(out.folder / "empty.json", canonical_json(reason))


# ---------------------------------------------------------------- documents -> passages


def _cut_documents(
    settings: CurateSettings, knowledge: Path, out: Writer
) -> Iterator[tuple[pa.RecordBatch, list[str]]]:
    """Batches of passages of all documents, with their texts; documents without a passage are dropped."""
    for whole in store.read_batches(knowledge, "documents", _DOCUMENT_COLUMNS):
        for part in parts(whole, "text"):
            batch = cut_batch(part, settings.max_chars)
            out.expect(batch.column("id").to_pylist())
            for row in batch.select(["id", "title", "reason"]).to_pylist():
                if row["reason"]:
                    rule, _, reason = row["reason"].partition(": ")
                    out.drop(row["id"], rule, reason, excerpt=row["title"])
            yield passages(batch)[:2]


# ---------------------------------------------------------------- judging and writing


def _write(batch: pa.RecordBatch, out: Writer, used: set[str], refused: dict[str, set[str]]) -> None:
    for row in batch.to_pylist():
        out.expect([row["id"]])
        if row["reason"]:
            rule, _, figures = row["reason"].partition(": ")
            refused[row["parent"]].add(rule)
            out.drop(row["id"], rule, f"{row['title']}: {figures}", row["witness"], row["normal"])
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
