"""Sheets of texts that a person or a model judges: drawn by the hash of what they say, filled in, read back.

A text is known by the SHA-256 of its words as they were read, so judgements hold when sources are cut into other files,
and a text that stands twice is judged once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple

from huatuo.corpus.language import language_batch
from huatuo.corpus.normalise import normalise_batch
from huatuo.corpus.quality import quality_batch
from huatuo.corpus.sources import read_all
from huatuo.errors import InputError
from huatuo.files import write_atomic
from huatuo.recipe_curate import CorpusSettings

SHOWN = 2_000
"""Characters of a text in a sheet: a person judges by a page."""

COLUMNS = ("sha256", "label", "source", "language", "text")
"""Columns of a sheet; ``label`` is what is filled in."""


class Read(NamedTuple):
    """A text that can be judged."""

    sha256: str
    """Hash of the text as it was read."""
    id: str
    """Id of the text."""
    source: str
    """Its source."""
    language: str
    """Its language."""
    normal: str
    """The normalised text."""


def texts(settings: CorpusSettings) -> Iterator[Read]:
    """Every text of the recipe's sources that could be read. Raises as `huatuo.corpus.sources.read_all`."""
    for batch in read_all(settings.sources):
        made = language_batch(normalise_batch(batch), settings.languages)
        names = ("text", "id", "source", "language", "normal")
        for text, *rest in zip(*(made.column(name).to_pylist() for name in names), strict=True):
            yield Read(digest(text), *rest)


def digest(text: str) -> str:
    """SHA-256 of the text's UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def drawn(settings: CorpusSettings, count: int) -> list[Read]:
    """So many different texts, those of the smallest hashes: a fair draw, and a larger one holds the smaller. What is
    dropped for its language or by the rules of quality is not drawn.

    Raises InputError where there is no such text.
    """

    def rows() -> Iterator[Read]:
        for batch in read_all(settings.sources):
            made = quality_batch(language_batch(normalise_batch(batch), settings.languages), settings.min_text)
            names = ("text", "reason", "id", "source", "language", "normal")
            for text, reason, *rest in zip(*(made.column(name).to_pylist() for name in names), strict=True):
                if not reason:
                    yield Read(digest(text), *rest)

    found: dict[str, Read] = {}
    for row in nsmallest(2 * count, rows()):
        found.setdefault(row.sha256, row)
    if not found:
        raise InputError("no text of the sources passes the rules, so there is nothing to judge; next: look at them")
    return list(found.values())[:count]


def refuse_existing(path: Path) -> None:
    """Nothing. Raises InputError where the file exists: it may hold somebody's work."""
    if path.exists():
        raise InputError(f"{path}: exists, and may hold judgements; next: give the sheet another name")


def write(path: Path, rows: Sequence[Read], labels: Mapping[str, bool] | None = None) -> None:
    """Nothing; writes the sheet, with ``labels`` (hash → whether to keep) where there are some.

    Raises InputError where the file exists.
    """
    refuse_existing(path)
    said = {True: "keep", False: "drop", None: ""}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        label = said[(labels or {}).get(row.sha256)]
        writer.writerow([row.sha256, label, row.source, row.language, " ".join(row.normal.split())[:SHOWN]])
    write_atomic(path, "\ufeff" + out.getvalue())  # without the mark a spreadsheet takes Chinese for something else
