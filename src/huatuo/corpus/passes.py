"""The stages of curation, each a row-aligned function over batches; `huatuo.corpus.curate` and `.bulk` call the same.

Texts: normalised, language, density of terms, quality rules, cut (`Clean`). Passages: normalised, rules, exact key,
bands (`judged`, `Segmented`). The set: duplicates, near-duplicates, exam questions (`Verdict`). A stage is an object so
that it can be sent to another process; what is heavy (an automaton, an index of exams) is made there, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.checks.exam_copies import indexes
from huatuo.corpus.characters import chunk
from huatuo.corpus.decontaminate import contaminated_batch
from huatuo.corpus.dedup import duplicate_batch, keys
from huatuo.corpus.engines import ROWS, cast
from huatuo.corpus.filter import Filter, filter_batch
from huatuo.corpus.filter import load as load_filter
from huatuo.corpus.language import detector, language_batch
from huatuo.corpus.near import BANDS_TYPE, Neighbour, band_batch, near_batch
from huatuo.corpus.normalise import normalise_chunk, normalise_many
from huatuo.corpus.quality import quality_batch, refused
from huatuo.corpus.rows import added
from huatuo.corpus.segments import PASSAGE, PIECES, cut_batch, listed, passages
from huatuo.corpus.semantic import Alike, Index, alike_batch, vector_batch
from huatuo.corpus.sources import SCHEMA as TEXT
from huatuo.corpus.unanswered import question_batch
from huatuo.recipe_curate import CorpusSettings, LexiconSettings
from huatuo.records import Document, Question
from huatuo.text.ngram import ExamIndex

CHUNK = 500
"""Texts worked on at once: more leave the processor's cache (20,000 take four times the time of 500)."""

CHUNK_BYTES = 4 << 20
"""Bytes of their text from which no further one is added to them: long texts need memory."""

EXCERPT = 200
"""Characters kept of a text that was dropped."""

CLEAN = pa.schema([*TEXT, ("chars", pa.int64()), ("pieces", PIECES)])
"""Columns of a judged text; ``text`` is cut to `EXCERPT` where there is a reason, ``chars`` counts the whole."""

_JUDGED = [(name, pa.string()) for name in ("normal", "reason", "key")]
SEGMENT = pa.schema([*(f for f in PASSAGE if f.name != "text"), *_JUDGED, ("bands", BANDS_TYPE), ("rank", pa.string())])
"""Columns of a judged passage; the smallest ``rank`` (priority of the source, then id) of equal ones survives."""

KEPT = pa.schema(
    [
        *(f for f in SEGMENT if f.name not in ("key", "bands", "rank")),
        ("witness", pa.string()),
        ("jaccard", pa.float64()),
    ]
)
"""Columns of a passage with its last reason."""


def in_chunks(
    batch: pa.RecordBatch, stage: Callable[[pa.RecordBatch], pa.RecordBatch], text: str = "normal"
) -> pa.RecordBatch:
    """What the stage makes of the batch, at most `CHUNK` rows with about `CHUNK_BYTES` of ``text`` at a time."""
    before = np.cumsum(pc.fill_null(pc.binary_length(batch.column(text)), 0).to_numpy(zero_copy_only=False))
    parts: list[pa.RecordBatch] = []
    start = 0
    while start < batch.num_rows or not parts:
        read = before[start - 1] if start else 0
        end = min(start + CHUNK, max(start + 1, int(np.searchsorted(before, read + CHUNK_BYTES))))
        parts.append(stage(batch.slice(start, end - start)))
        start = end
    return pa.concat_batches(parts) if len(parts) > 1 else parts[0]


# ---------------------------------------------------------------- texts


@lru_cache(maxsize=2)
def lexicon_of(settings: LexiconSettings) -> object:
    """The automata of a recipe's word lists. Raises InputError for a list that cannot be used."""
    from huatuo.corpus import lexicon

    general = lexicon.read(settings.general or lexicon.EVERYDAY)
    weights: dict[str, int] = {}
    for path in [*([lexicon.ENGLISH] if settings.english else []), *settings.files]:
        weights |= lexicon.read(path, general, settings.general_from)
    return lexicon.Lexicon(weights)


@lru_cache(maxsize=2)
def filter_of(folder: Path) -> Filter:
    """The learned filter of a recipe. Raises as `huatuo.corpus.filter.load`."""
    return load_filter(folder)


@dataclass(frozen=True)
class Clean:
    """Texts judged and cut: `TEXT` → `CLEAN`."""

    settings: CorpusSettings

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Clean`."""
        return in_chunks(batch, self._chunk, "text")

    def _chunk(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        settings = self.settings
        whole = pc.fill_null(batch.column("text"), "")
        texts = whole.to_pylist()
        made = normalise_chunk(chunk(texts))
        judged = language_batch(batch, settings.languages, detector(settings.doubtful), made)
        if settings.lexicon is not None:
            from huatuo.corpus.lexicon import Lexicon, density_batch, domain_batch

            terms = lexicon_of(settings.lexicon)
            assert isinstance(terms, Lexicon)
            of_field = frozenset(source.name for source in settings.sources if source.of_field)
            assert isinstance(settings.lexicon.least, int)  # `huatuo.corpus.bulk.curate` has read the file
            judged = domain_batch(density_batch(judged, terms, made.texts), settings.lexicon.least, of_field)
        judged = question_batch(quality_batch(judged, settings.min_text, made), made.texts)
        if settings.filter is not None:
            judged = filter_batch(added(judged, "normal", pa.string(), made.texts), filter_of(settings.filter))
        judged = cut_batch(judged, settings.max_chars, texts)
        judged = added(judged, "chars", pa.int64(), pc.utf8_length(whole).cast(pa.int64()))
        refused = pc.not_equal(judged.column("reason"), "")
        if pc.any(refused).as_py():
            whole = pc.if_else(refused, pc.utf8_slice_codeunits(whole, 0, EXCERPT), whole)
        return cast(added(judged, "text", pa.string(), whole), CLEAN)


# ---------------------------------------------------------------- passages


def judged(batch: pa.RecordBatch, min_chars: int, fit: Sequence[bool] = ()) -> tuple[pa.RecordBatch, list[str]]:
    """Passages with the columns ``normal``, ``reason`` and ``key``, and the texts of the first; those that are ``fit``
    have been judged before."""
    given = pc.fill_null(batch.column("text"), "")
    whole = given.to_pylist()
    texts = normalise_many(whole)
    why = [""] * len(texts)
    open_ = [place for place in range(len(texts)) if not (fit and fit[place])]
    for place, reason in zip(open_, refused([texts[place] for place in open_], min_chars), strict=True):
        why[place] = reason
    made = added(batch, "normal", pa.string(), given if texts == whole else texts)
    return added(added(made, "reason", pa.string(), why), "key", pa.string(), keys(texts)), texts


@dataclass(frozen=True)
class Segmented:
    """Texts to a list of judged passages each: `CLEAN` → `ROWS` of `SEGMENT`."""

    min_chars: int
    """Fewest letters and digits of a passage."""
    min_text: int
    """Fewest of a text: a passage that is the whole of a text was judged with it."""
    near: bool
    """Whether near-duplicates will be looked for, so that bands are needed."""
    priorities: Mapping[str, int] = field(default_factory=dict)
    """Source → its priority."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Segmented`."""
        return in_chunks(batch, self._chunk, "text")

    def _chunk(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows, parents = passages(batch)
        # by lengths: the whole text once per passage would be gigabytes where the texts are books
        whole = pc.utf8_length(batch.column("text")).take(pa.array(parents, pa.int64()))
        is_whole = pc.equal(pc.subtract(rows.column("end"), rows.column("start")), whole)
        fit = pc.and_(is_whole, self.min_chars <= self.min_text)
        made = in_chunks(rows.append_column("fit", fit), self._judged, "text")
        return pa.RecordBatch.from_arrays([listed(made, parents, batch.num_rows)], names=[ROWS])

    def _judged(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        made, texts = judged(rows, self.min_chars, rows.column("fit").to_pylist())
        made = band_batch(made, texts) if self.near else added(made, "bands", BANDS_TYPE, [None] * made.num_rows)
        sources = made.column("origin").field("source").dictionary_encode()
        heads = pa.array(
            [f"{self.priorities.get(name, 0):04d}" for name in sources.dictionary.to_pylist()], pa.string()
        )
        ranks = pc.binary_join_element_wise(heads.take(sources.indices), made.column("id"), "")
        return cast(added(made, "rank", pa.string(), ranks), SEGMENT)


# ---------------------------------------------------------------- the set


@lru_cache(maxsize=2)
def _indexes(questions: Path, digest: str) -> list[ExamIndex]:
    return indexes(store.read(questions, "questions", Question))


@dataclass(frozen=True)
class Verdict:
    """Passages with their last reason: `SEGMENT` without bands → `KEPT`."""

    survivors: Mapping[str, str]
    """Key → id that survives, of the keys that several passages hold."""
    neighbours: Mapping[str, Neighbour]
    """Passages that have a near, earlier neighbour."""
    alike: Mapping[str, Alike]
    """Passages that have an earlier one of nearly the same words."""
    questions: Path | None
    """Data set of the exams' questions."""
    digest: str = ""
    """Digest of that data set."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Verdict`."""
        return in_chunks(batch, self._chunk) if self.questions else self._chunk(batch)

    def _chunk(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        made = near_batch(duplicate_batch(batch, self.survivors), self.neighbours)
        made = alike_batch(made, self.alike) if self.alike else made
        asked = _indexes(self.questions, self.digest) if self.questions else []
        return cast(contaminated_batch(made, asked), KEPT)


VECTOR = pa.schema([("id", pa.string()), ("priority", pa.int64()), ("vector", pa.binary()), ("cluster", pa.int64())])
"""Columns of a passage among which nearly the same words are looked for."""


@dataclass(frozen=True)
class Vectors:
    """Passages that no earlier rule drops as vectors: `SEGMENT` without bands → `VECTOR`, null for the others."""

    survivors: Mapping[str, str]
    """See `Verdict`."""
    neighbours: Mapping[str, Neighbour]
    """See `Verdict`."""
    index: Index
    """What vectors are made with."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Vectors`."""
        return in_chunks(batch, self._chunk)

    def _chunk(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        made = near_batch(duplicate_batch(batch, self.survivors), self.neighbours)
        ranks = made.column("rank").to_pylist()
        made = added(made, "priority", pa.int64(), [int(rank[:4]) for rank in ranks])
        return cast(vector_batch(made, self.index), VECTOR)


def survivors_of(smallest: Mapping[str, str]) -> dict[str, str]:
    """Key → id of the smallest rank."""
    return {key: rank[4:] for key, rank in smallest.items()}


DOCUMENT = store.schema_of(Document)


def as_documents(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Kept passages as rows of `huatuo.records.Document`."""
    span = pa.StructArray.from_arrays([batch.column("start"), batch.column("end")], names=["start", "end"])
    made = added(batch, "marks", DOCUMENT.field("marks").type, [[]] * batch.num_rows)
    columns = {name: made.column(name) for name in made.schema.names} | {"span": span, "text": made.column("normal")}
    return cast(pa.RecordBatch.from_pydict(columns), DOCUMENT)
