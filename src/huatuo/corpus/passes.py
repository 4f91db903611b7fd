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

import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.corpus.decontaminate import contaminated_batch, indexes
from huatuo.corpus.dedup import duplicate_batch, key_batch
from huatuo.corpus.engines import ROWS, cast
from huatuo.corpus.filter import Filter, filter_batch
from huatuo.corpus.filter import load as load_filter
from huatuo.corpus.language import detector, language_batch
from huatuo.corpus.near import BANDS_TYPE, Neighbour, band_batch, near_batch
from huatuo.corpus.normalise import normalise_batch
from huatuo.corpus.quality import quality_batch
from huatuo.corpus.rows import added
from huatuo.corpus.segments import PASSAGE, PIECES, cut_batch, listed, passages
from huatuo.corpus.semantic import Alike, Index, alike_batch, vector_batch
from huatuo.corpus.sources import SCHEMA as TEXT
from huatuo.recipe_curate import CorpusSettings, LexiconSettings
from huatuo.records import Document, Question
from huatuo.text.ngram import ExamIndex

CHUNK = 500
"""Texts worked on at once: more leave the processor's cache (20,000 take four times the time of 500)."""

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


def in_chunks(batch: pa.RecordBatch, stage: Callable[[pa.RecordBatch], pa.RecordBatch]) -> pa.RecordBatch:
    """What the stage makes of the batch, `CHUNK` rows at a time."""
    parts = [stage(batch.slice(start, CHUNK)) for start in range(0, max(batch.num_rows, 1), CHUNK)]
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
        return in_chunks(batch, self._chunk)

    def _chunk(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        settings = self.settings
        judged = language_batch(normalise_batch(batch), settings.languages, detector(settings.doubtful))
        if settings.lexicon is not None:
            from huatuo.corpus.lexicon import Lexicon, density_batch, domain_batch

            terms = lexicon_of(settings.lexicon)
            assert isinstance(terms, Lexicon)
            judged = domain_batch(density_batch(judged, terms), settings.lexicon.least)
        judged = quality_batch(judged, settings.min_text)
        if settings.filter is not None:
            judged = filter_batch(judged, filter_of(settings.filter))
        judged = cut_batch(judged, settings.max_chars)
        texts, why = batch.column("text").to_pylist(), judged.column("reason").to_pylist()
        kept = [text[:EXCERPT] if reason else text for text, reason in zip(texts, why, strict=True)]
        judged = added(judged, "chars", pa.int64(), [len(text) for text in texts])
        return cast(added(judged, "text", pa.string(), kept), CLEAN)


# ---------------------------------------------------------------- passages


_FIT = "fit"
"""Stands for a reason while the others are judged."""


def judged(batch: pa.RecordBatch, min_chars: int, fit: Sequence[bool] = ()) -> pa.RecordBatch:
    """Passages with the columns ``normal``, ``reason`` and ``key``; those that are ``fit`` have been judged before."""
    made = normalise_batch(batch)
    if any(fit):
        made = quality_batch(added(made, "reason", pa.string(), [_FIT if one else "" for one in fit]), min_chars)
        why = made.column("reason").to_pylist()
        return key_batch(added(made, "reason", pa.string(), ["" if reason == _FIT else reason for reason in why]))
    return key_batch(quality_batch(made, min_chars))


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
        return in_chunks(batch, self._chunk)

    def _chunk(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows, parents = passages(batch)
        whole = batch.column("text").take(pa.array(parents, pa.int64()))
        fit = pc.and_(pc.equal(rows.column("text"), whole), self.min_chars <= self.min_text)
        made = in_chunks(rows.append_column("fit", fit), self._judged)
        return pa.RecordBatch.from_arrays([listed(made, parents, batch.num_rows)], names=[ROWS])

    def _judged(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        made = judged(rows, self.min_chars, rows.column("fit").to_pylist())
        made = band_batch(made) if self.near else added(made, "bands", BANDS_TYPE, [None] * made.num_rows)
        sources = made.column("origin").field("source").to_pylist()
        ids = zip(sources, made.column("id").to_pylist(), strict=True)
        ranks = [f"{self.priorities.get(source, 0):04d}{row}" for source, row in ids]
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
        return in_chunks(batch, self._chunk)

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
