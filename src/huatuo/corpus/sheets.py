"""Sheets of texts that a person or a model judges: drawn by the hash of what they say, filled in, read back.

A text is known by the SHA-256 of its letters and digits, so judgements hold when sources are cut into other files or a
reader writes signs and blanks otherwise, and a text that stands twice is judged once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappush, heappushpop
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from huatuo.corpus.judgements import Label
from huatuo.corpus.language import detector, language_batch
from huatuo.corpus.normalise import normalise_batch
from huatuo.corpus.quality import quality_batch
from huatuo.corpus.sources import read_all
from huatuo.corpus.unanswered import question_batch
from huatuo.errors import InputError
from huatuo.files import write_atomic
from huatuo.recipe_curate import CorpusSettings
from huatuo.text.zh import normalise_for_comparison

SHOWN = 2_000
"""Characters of a text in a sheet: a person judges by a page."""

COLUMNS = ("sha256", "label", "by", "source", "language", "text")
"""Columns of a sheet; ``label`` is what is filled in, and ``by`` with who did, where it is to be known."""


class Read(NamedTuple):
    """A text that can be judged."""

    sha256: str
    """`digest` of the text as it was read."""
    id: str
    """Id of the text."""
    source: str
    """Its source."""
    language: str
    """Its language."""
    normal: str
    """The normalised text."""


def texts(settings: CorpusSettings) -> Iterator[Read]:
    """Every text of the recipe's sources that could be read. Raises as `huatuo.corpus.sources.read_all`, and
    MissingExtraError without the model of languages that the recipe asks for."""
    for batch in _told(settings):
        for _, row in _rows(batch):
            yield row


def _told(settings: CorpusSettings) -> Iterator[pa.RecordBatch]:
    """The texts of the sources, normalised, their languages told as `huatuo.corpus.passes.Clean` does."""
    for batch in read_all(settings.sources):
        yield language_batch(normalise_batch(batch), settings.languages, detector(settings.doubtful))


def _rows(made: pa.RecordBatch) -> Iterator[tuple[str, Read]]:
    """(reason, text) of each row."""
    names = ("reason", "text", "id", "source", "language", "normal")
    for reason, text, *rest in zip(*(made.column(name).to_pylist() for name in names), strict=True):
        yield reason, Read(digest(text), *rest)


def digest(text: str) -> str:
    """SHA-256 of the text's letters and digits (`huatuo.text.zh.normalise_for_comparison`): 64 hexadecimal digits."""
    return hashlib.sha256(normalise_for_comparison(text).encode()).hexdigest()


def drawn(settings: CorpusSettings, count: int) -> list[Read]:
    """So many different texts, those of the smallest hashes: a fair draw, and a larger one holds the smaller; fewer
    where there are no more. What is dropped for its language, by the rules of quality or as a question alone is not
    drawn.

    Raises InputError where there is no such text, and as `texts`.
    """

    judged = (question_batch(quality_batch(batch, settings.min_text)) for batch in _told(settings))
    found = smallest((row for batch in judged for reason, row in _rows(batch) if not reason), count)
    if not found:
        raise InputError("no text of the sources passes the rules, so there is nothing to judge; next: look at them")
    return found


def smallest(rows: Iterable[Read], count: int) -> list[Read]:
    """The rows of the so many smallest different hashes, in their order; of rows with one hash that of the smallest
    id. No more of them are in memory at a time."""
    held: dict[str, Read] = {}
    heap: list[int] = []  # the hashes as negative numbers, so that the largest comes first
    for row in rows:
        if row.sha256 in held:
            held[row.sha256] = min(held[row.sha256], row)
        elif len(heap) < count:
            heappush(heap, -int(row.sha256, 16))
            held[row.sha256] = row
        elif int(row.sha256, 16) < -heap[0]:
            del held[f"{-heappushpop(heap, -int(row.sha256, 16)):064x}"]
            held[row.sha256] = row
    return [held[name] for name in sorted(held)]


def refuse_existing(path: Path) -> None:
    """Nothing. Raises InputError where the file exists: it may hold somebody's work."""
    if path.exists():
        raise InputError(f"{path}: exists, and may hold judgements; next: give the sheet another name")


def write(path: Path, rows: Sequence[Read], labels: Mapping[str, Label] | None = None) -> None:
    """Nothing; writes the sheet, with ``labels`` (by hash) where there are some.

    Raises InputError where the file exists.
    """
    refuse_existing(path)
    said = {True: "keep", False: "drop"}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        given = (labels or {}).get(row.sha256)
        label, by = (said[given.keep], given.by) if given else ("", "")
        writer.writerow([row.sha256, label, by, row.source, row.language, " ".join(row.normal.split())[:SHOWN]])
    write_atomic(path, "\ufeff" + out.getvalue())  # without the mark a spreadsheet takes Chinese for something else
