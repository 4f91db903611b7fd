"""The words around a fact that was read out of a document, so that a person can check it where it stands."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from huatuo.store import read_batches

AROUND = 60
"""Characters shown before and after the value."""


def quotes(ingest: Path, facts: Collection[str]) -> dict[str, str]:
    """One line for each of these facts that was read out of a document, by its id: file and place, who read it, and the
    text with the value between ⟦ and ⟧. Facts of a graph have none."""
    wanted = {}
    for row in _rows(ingest, "facts", "id", "origin", "provenance"):
        if row["id"] in facts and row["origin"]["document"]:
            wanted[row["id"]] = row
    needed = {row["origin"]["document"] for row in wanted.values()}
    texts: dict[str, str] = {}
    if needed:
        texts = {row["id"]: row["text"] for row in _rows(ingest, "documents", "id", "text") if row["id"] in needed}
    return {fact: _line(row, texts[row["origin"]["document"]]) for fact, row in wanted.items()}


def _line(row: dict[str, Any], text: str) -> str:
    origin, start, end = row["origin"], row["origin"]["span"]["start"], row["origin"]["span"]["end"]
    before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    shown = f"{'…' * (start > AROUND)}{before}⟦{text[start:end]}⟧{after}{'…' * (end + AROUND < len(text))}"
    by = f", read by {row['provenance']['model']}" if row["provenance"] else ""
    return f"{origin['source']}, {origin['file']} characters {start}-{end}{by}: {' '.join(shown.split())}"


def _rows(folder: Path, table: str, *columns: str) -> Any:
    for batch in read_batches(folder, table, columns=list(columns)):
        yield from batch.to_pylist()
