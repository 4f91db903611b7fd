"""The stages of curation, each a row-aligned function over batches; `huatuo.corpus.curate` and `.bulk` call the same.

Texts: normalised, language, density of terms, quality rules, cut (`Clean`). Passages: normalised, rules, exact key,
bands (`judged`, `Segmented`). The set: duplicates, near-duplicates, exam questions (`Verdict`). A stage is an object so
that it can be sent to another process; what is heavy (an automaton, an index of exams) is made there, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from huatuo.corpus.dedup import duplicate_batch, keys_of
from huatuo.corpus.engines import ROWS, cast
from huatuo.corpus.filter import Filter, filter_batch
from huatuo.corpus.filter import load as load_filter
from huatuo.corpus.language import detector, language_batch
from huatuo.corpus.near import BANDS_TYPE, Neighbour, band_batch, near_batch
from huatuo.corpus.normalise import normalise_chunk
from huatuo.corpus.quality import quality_batch, refused
from huatuo.corpus.rows import added, shares
from huatuo.corpus.segments import PASSAGE, PIECES, cut_batch, listed, passages
from huatuo.corpus.semantic import Alike, Index, alike_batch, embed_of, vector_batch
from huatuo.corpus.sources import SCHEMA as TEXT
from huatuo.corpus.unanswered import question_batch
from huatuo.recipe_curate import CorpusSettings, LexiconSettings
from huatuo.records import Document, Question
from huatuo.text.ngram import ExamIndex

EXCERPT = 200
"""Characters kept of a text that was dropped."""

CLEAN = pa.schema([*TEXT, ("chars", pa.int64()), ("pieces", PIECES)])
"""Columns of a judged text; ``text`` is cut to `EXCERPT` where there is a reason, ``chars`` counts the whole."""

_JUDGED = [(name, pa.string()) for name in ("normal", "reason", "key")]
SEGMENT = pa.schema([*PASSAGE, *_JUDGED, ("bands", BANDS_TYPE), ("rank", pa.string())])
"""Columns of a judged passage; the smallest ``rank`` (priority of the source, then id) of equal ones survives."""

KEPT = pa.schema(
    [
        *(f for f in SEGMENT if f.name not in ("key", "bands", "rank")),
        ("witness", pa.string()),
        ("jaccard", pa.float64()),
    ]
)
"""Columns of a passage with its last reason."""


# ---------------------------------------------------------------- texts


@lru_cache(maxsize=2)
def lexicon_of(settings: LexiconSettings) -> object:
    """The automata of a recipe's word lists and graphs. Raises as `huatuo.corpus.lexicon.read` and `of_graph`."""
    from huatuo.corpus import lexicon

    general = lexicon.read(settings.general or lexicon.EVERYDAY)
    weights: dict[str, int] = {}
    for folder in settings.graphs:
        weights |= lexicon.of_graph(folder, general)
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
            excerpts = pc.utf8_slice_codeunits(whole.filter(refused), 0, EXCERPT)
            whole = pc.replace_with_mask(whole, refused, excerpts)
        return cast(added(judged, "text", pa.string(), whole), CLEAN)


# ---------------------------------------------------------------- passages


@dataclass(frozen=True)
class Judge:
    """What is asked of passages."""

    min_chars: int
    """Fewest letters and digits."""
    near: bool = False
    """Whether they get a column ``bands``."""

    def judged(self, rows: pa.RecordBatch, texts: Sequence[str], fit: Sequence[bool] = ()) -> pa.RecordBatch:
        """Passages with these texts and the columns ``normal``, ``reason`` and ``key``; those that are ``fit`` have
        been judged before."""
        sizes = np.array([len(text) for text in texts], dtype=np.int64)
        parts = [
            self._judged(rows.slice(start, end - start), texts[start:end], fit[start:end])
            for start, end in shares(3 * sizes)
        ]
        return pa.concat_batches(parts) if parts else self._judged(rows, texts, fit)

    def _judged(self, rows: pa.RecordBatch, texts: Sequence[str], fit: Sequence[bool]) -> pa.RecordBatch:
        made = normalise_chunk(chunk(texts))
        why = [""] * len(texts)
        open_ = [place for place in range(len(texts)) if not (fit and fit[place])]
        for place, reason in zip(open_, refused([made.texts[place] for place in open_], self.min_chars), strict=True):
            why[place] = reason
        rows = added(added(rows, "normal", pa.string(), made.texts), "reason", pa.string(), why)
        rows = added(rows, "key", pa.string(), keys_of(made))
        return band_batch(rows, made) if self.near else rows


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
        rows, texts, parents = passages(batch)
        # by lengths: the whole text once per passage would be gigabytes where the texts are books
        whole = pc.utf8_length(batch.column("text")).take(pa.array(parents, pa.int64()))
        is_whole = pc.equal(pc.subtract(rows.column("end"), rows.column("start")), whole)
        fit = pc.and_(is_whole, self.min_chars <= self.min_text)
        made = Judge(self.min_chars, self.near).judged(rows, texts, fit.to_pylist())
        made = made if self.near else added(made, "bands", BANDS_TYPE, [None] * made.num_rows)
        made = cast(added(made, "rank", pa.string(), self._ranks(made)), SEGMENT)
        return pa.RecordBatch.from_arrays([listed(made, parents, batch.num_rows)], names=[ROWS])

    def _ranks(self, made: pa.RecordBatch) -> pa.StringArray:
        sources = made.column("origin").field("source").dictionary_encode()
        heads = [f"{self.priorities.get(name, 0):04d}" for name in sources.dictionary.to_pylist()]
        return pc.binary_join_element_wise(pa.array(heads, pa.string()).take(sources.indices), made.column("id"), "")


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
    model: Path | None = None
    """Folder of the model that makes them, where the index is a model's."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Vectors`."""
        made = near_batch(duplicate_batch(batch, self.survivors), self.neighbours)
        ranks = made.column("rank").to_pylist()
        made = added(made, "priority", pa.int64(), [int(rank[:4]) for rank in ranks])
        return cast(vector_batch(made, self.index, embed_of(self.model)), VECTOR)


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
