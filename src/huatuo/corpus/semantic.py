"""Texts that say the same in another order: nearest earlier neighbours by the cosine of their vectors.

Without a model a vector is lexical: counts of hashed runs of two and three characters times a frozen inverse document
frequency, projected to `WIDTH` numbers by signs drawn from the hash. That finds clauses that were shuffled or left out,
not paraphrases; with a sentence-embedding model of a local path its vectors are taken instead (`huatuo.models.embed`).

Everything that was learned (document frequencies, centres of clusters) is made once from a sample and stored in an
`Index`, and vectors are whole numbers of -127 to 127, so that dot products are exact: which texts go depends neither on
the order of shards nor on the machine's arithmetic (a model's own vectors do on the latter, before they are rounded).
Only texts of one cluster are compared.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from huatuo.corpus.rows import added, of_column, reasons
from huatuo.corpus.spared import Spared
from huatuo.errors import DataError, InputError
from huatuo.files import content_id, hash_file, write_atomic
from huatuo.text.grams import Hashes, code_points, mix
from huatuo.text.joined import Places

Vectors = npt.NDArray[np.int8]
Embed = Callable[[Sequence[str]], npt.NDArray[np.float64]]

WIDTH = 256
"""Numbers of a lexical vector. A seeded sign projection found as many planted copies as a singular value decomposition,
in a fifteenth of the time."""

SLOT_BITS = 18
"""Bits of the hash by which runs of characters are counted."""

COSINE = 90
"""Hundredths of cosine from which two texts are near: of copies whose clauses were shuffled and a fifth left out, the
middle cosine was .87; .9 keeps texts apart that only share a subject."""

SAMPLE, CLUSTER = 20_000, 150
"""Texts from which frequencies and centres are learned, and texts that a cluster of the sample holds in the mean."""

LEXICAL = "lexical-1"
"""Kind of the index without a model; raised with every change of its vectors."""

MODEL = "model "
"""Beginning of the kind of an index with a model; the digest of its files follows."""

MOST_ASKED = 32
"""Near texts, the nearest first, that are asked whether they say all that a text says: of a thousand texts that are one
template each would be held against all the others."""

Pairs = tuple[Places, Places, npt.NDArray[np.float64]]
"""Places, earlier places and cosines."""

_CHUNK, _ITERATIONS, _LARGEST = 500, 10, 127
_BLANK, _FOLDED = 0x20, 4096
_ROLL, _SEED = np.uint64(0xD6E8FEB86659FD93), np.uint64(0x5851F42D4C957F2D)
_IDF_STEPS = 16
"""Inverse document frequencies are rounded to sixteenths, so that sums of them are whole numbers."""


class Earlier(Protocol):
    """Vectors of texts that were judged before: see `huatuo.corpus.vector_table.VectorTable`."""

    def cluster(self, number: int) -> tuple[list[str], Vectors]:
        """Ids and vectors of a cluster's texts, in their order."""
        ...

    def texts(self, number: int, places: Places) -> Sequence[str]:
        """The texts at these places of a cluster."""
        ...


class Alike(NamedTuple):
    """The earlier text that is nearest to a text; of several alike the earliest."""

    witness: str
    """Its id."""
    cosine: float
    """Cosine of the two vectors."""


# ---------------------------------------------------------------- lexical vectors


def _runs(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash of each run of two and of three characters, and its text; without blanks, folded as for comparison."""
    codes, owner = code_points(texts)
    filled = codes > _BLANK
    values, owner = mix(codes[filled].astype(np.uint64) + _SEED), owner[filled]
    found, owners = [], []
    for size in (2, 3):
        count = max(0, len(values) - size + 1)
        rolled = np.full(count, size, dtype=np.uint64)
        for offset in range(size):
            rolled = rolled * _ROLL + values[offset : offset + count]
        whole = owner[:count] == owner[len(owner) - count :]
        found.append(mix(rolled[whole]))
        owners.append(owner[:count][whole])
    return np.concatenate(found), np.concatenate(owners)


def _slots(hashes: Hashes) -> Places:
    return (hashes >> np.uint64(64 - SLOT_BITS)).astype(np.int64)


def inverse_frequencies(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """The inverse document frequency of each slot in sixteenths: ln((1 + texts) / (1 + texts that have it)) + 1, at
    most 255 (a frequency of 3 in 10 million)."""
    held = np.zeros(1 << SLOT_BITS, dtype=np.int64)
    for start in range(0, len(texts), _CHUNK):
        hashes, owner = _runs(texts[start : start + _CHUNK])
        once = np.unique((owner.astype(np.int64) << SLOT_BITS) | _slots(hashes)) & ((1 << SLOT_BITS) - 1)
        held += np.bincount(once, minlength=1 << SLOT_BITS)
    values = np.rint((np.log((1 + len(texts)) / (1 + held)) + 1) * _IDF_STEPS)
    found: npt.NDArray[np.uint8] = np.minimum(values, 255).astype(np.uint8)
    return found


@lru_cache(maxsize=1)
def _signs() -> npt.NDArray[np.float64]:
    """A row of -1 and 1 for each of the columns that runs are folded into, drawn from the seed."""
    words = mix(np.arange(_FOLDED * WIDTH // 64, dtype=np.uint64) * _ROLL + _SEED)
    bits = (words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return (bits.astype(np.float64) * 2 - 1).reshape(_FOLDED, WIDTH)


def lexical(texts: Sequence[str], idf: npt.NDArray[np.uint8]) -> Vectors:
    """The vector of each text, (texts, `WIDTH`): all zero where it has no run of two characters."""
    found = [np.zeros((0, WIDTH), dtype=np.int8)]
    for start in range(0, len(texts), _CHUNK):
        part = texts[start : start + _CHUNK]
        hashes, owner = _runs(part)
        sign = (hashes & np.uint64(1)).astype(np.int64) * 2 - 1
        column = ((hashes >> np.uint64(1)) & np.uint64(_FOLDED - 1)).astype(np.int64)
        place = owner.astype(np.int64) * _FOLDED + column
        folded = np.bincount(place, weights=idf[_slots(hashes)] * sign, minlength=len(part) * _FOLDED)
        # whole numbers: their sums are exact, whatever order the matrix product adds them in
        found.append(rounded(folded.reshape(len(part), _FOLDED) @ _signs()))
    return np.concatenate(found)


def rounded(vectors: npt.NDArray[np.floating]) -> Vectors:
    """The vectors in whole numbers, each with its largest number at 127."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    scaled = vectors.astype(np.float64) * _LARGEST / np.where(largest > 0, largest, 1)
    return np.rint(scaled).astype(np.int8)


# ---------------------------------------------------------------- vectors of a model


@lru_cache(maxsize=1)
def kind_of(model: Path | None) -> str:
    """The kind of an index with the model of a folder, or without one. Raises InputError where there is no folder."""
    if model is None:
        return LEXICAL
    if not model.is_dir():
        raise InputError(f"{model}: no folder; [corpus] names it as semantic_model; next: check the path in the recipe")
    return f"{MODEL}{hash_file(model)}"


@lru_cache(maxsize=1)
def embed_of(model: Path | None) -> Embed | None:
    """What makes vectors with the model of a folder; None without one. Raises as `huatuo.models.embed.embedder`."""
    if model is None:
        return None
    from huatuo.models.embed import embedder

    return embedder(model)


# ---------------------------------------------------------------- what is learned once


@dataclass(frozen=True)
class Index:
    """What vectors and clusters are made with."""

    kind: str
    """`LEXICAL`, or that of a model (`kind_of`)."""
    idf: npt.NDArray[np.uint8]
    """Inverse document frequency of each slot in sixteenths; empty for a model."""
    centres: Vectors
    """The centre of each cluster."""

    def digest(self) -> str:
        """32 hexadecimal digits of the content: for a manifest."""
        parts = (self.idf, self.centres)
        return content_id(self.kind, *(f"{part.shape} {part.tobytes().hex()}" for part in parts))

    def save(self, path: Path) -> None:
        """Nothing; writes the index to a file, at once or not at all."""
        data = io.BytesIO()
        np.savez_compressed(data, kind=np.array(self.kind), idf=self.idf, centres=self.centres)
        write_atomic(path, data.getvalue())

    def vectors(self, texts: Sequence[str], embed: Embed | None = None) -> Vectors:
        """The vector of each text. Raises ValueError where the index is a model's and there is no ``embed``, or the
        other way round."""
        if (embed is None) != (self.kind == LEXICAL):
            raise ValueError(f"an index of {self.kind!r}: give it {'no' if embed else 'its'} model")
        return lexical(texts, self.idf) if embed is None else rounded(embed(texts))


def load(path: Path) -> Index:
    """The index in a file. Raises DataError where there is none."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as parts:
            return Index(str(parts["kind"]), parts["idf"], parts["centres"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not an index of meaning ({error}); next: make it anew, or restore it") from None


def fit(rows: Iterable[tuple[str, str]], kind: str = LEXICAL, embed: Embed | None = None) -> Index:
    """The index of a corpus of (id, text), whatever their order: learned from the `SAMPLE` texts whose hashed ids are
    the smallest, with a cluster for every `CLUSTER` texts. A model has a ``kind`` of its own (`kind_of`).

    Raises ValueError for a corpus without texts.
    """
    drawn: list[tuple[str, str, str]] = []
    count = 0
    for row_id, text in rows:
        count += 1
        drawn.append((content_id("semantic", row_id), row_id, text))
        if len(drawn) >= 2 * SAMPLE:
            drawn = sorted(drawn)[:SAMPLE]
    if not count:
        raise ValueError("no text to learn from")
    texts = [text for _, _, text in sorted(drawn)[:SAMPLE]]
    idf = inverse_frequencies(texts) if embed is None else np.zeros(0, dtype=np.uint8)
    vectors = lexical(texts, idf) if embed is None else rounded(embed(texts))
    clusters = max(1, min(count // CLUSTER, len(texts) // 10))
    return Index(kind, idf, centres_of(vectors, clusters))


def centres_of(vectors: Vectors, clusters: int) -> Vectors:
    """The centres of spherical k-means, begun with the first vectors: no chance in it, and no rounding."""
    centres = vectors[:clusters]
    for _ in range(_ITERATIONS):
        assigned = cluster_of(vectors, centres)
        sums = [vectors[assigned == number].sum(axis=0, dtype=np.int64) for number in range(len(centres))]
        moved = rounded(np.stack(sums).astype(np.float64))
        moved[~moved.any(axis=1)] = centres[~moved.any(axis=1)]  # an empty cluster stays where it is
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def cluster_of(vectors: Vectors, centres: Vectors) -> Places:
    """The centre of the largest cosine for each vector; of several alike the first."""
    theirs = centres.astype(np.float64)
    lengths = np.sqrt(np.maximum((theirs * theirs).sum(axis=1), 1))
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(vectors), 4096):
        found.append(np.argmax((vectors[start : start + 4096].astype(np.float64) @ theirs.T) / lengths, axis=1))
    return np.concatenate(found)


# ---------------------------------------------------------------- row by row


def vector_batch(batch: pa.RecordBatch, index: Index, embed: Embed | None = None) -> pa.RecordBatch:
    """The batch with columns ``vector`` and ``cluster`` of ``normal``, null where a row has a reason or says
    nothing."""
    texts = of_column(batch, "normal")
    open_ = [place for place, reason in enumerate(reasons(batch)) if not reason]
    made = index.vectors([texts[place] for place in open_], embed) if open_ else np.zeros((0, 1), dtype=np.int8)
    clusters: Sequence[int] = cluster_of(made, index.centres).tolist() if open_ else []
    vectors: list[bytes | None] = [None] * len(texts)
    assigned: list[int | None] = [None] * len(texts)
    for place, vector, cluster in zip(open_, made, clusters, strict=True):
        if vector.any():
            vectors[place], assigned[place] = vector.tobytes(), cluster
    return added(added(batch, "vector", pa.binary(), vectors), "cluster", pa.int64(), assigned)


def alike_batch(batch: pa.RecordBatch, found: Mapping[str, Alike]) -> pa.RecordBatch:
    """The batch with ``reason`` and ``witness`` set for the ids that have a text alike."""
    why, count = reasons(batch), batch.num_rows
    given = batch.column("witness").to_pylist() if "witness" in batch.schema.names else [""] * count
    witness = [name or "" for name in given]
    for place, row_id in enumerate(batch.column("id").to_pylist()):
        if not why[place] and (near := found.get(row_id)):
            why[place] = f"semantic_duplicate: cosine {near.cosine:.3f} with the witness"
            witness[place] = near.witness
    return added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)


# ---------------------------------------------------------------- of the whole set


@dataclass(frozen=True)
class Asked:
    """What keeps a text that says more than the earlier texts that are near it."""

    spared: Spared
    """Tells which of them says all that the text says."""
    texts: Callable[[Sequence[str]], Sequence[str]]
    """The texts of these ids."""


def alike(
    batches: Iterable[pa.RecordBatch],
    hundredths: int = COSINE,
    earlier: Earlier | None = None,
    asked: Asked | None = None,
) -> dict[str, Alike]:
    """The nearest earlier text of the same cluster for each text that has one of at least that many hundredths of
    cosine, by id; earlier in the order of ``priority`` (where there is one) and id, so a function of the set. All texts
    of ``earlier``, whose vectors were made with the same index, come before. With ``asked``, of the `MOST_ASKED`
    nearest ones the first that says all that the text says.

    Raises ValueError where ``hundredths`` is not 1 to 100.
    """
    if not 1 <= hundredths <= 100:
        raise ValueError(f"hundredths {hundredths}: expected 1 to 100")
    table = pa.Table.from_batches(list(batches))
    names = [name for name in ("cluster", "priority", "id") if name in table.schema.names]
    table = table.select([*names, "vector"]).filter(pc.is_valid(table["vector"]))
    table = table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in names]))
    ids, clusters = table["id"].to_pylist(), table["cluster"].to_numpy()
    stored = table["vector"].to_pylist()
    found: dict[str, Alike] = {}
    edges = [0, *(np.flatnonzero(np.diff(clusters)) + 1).tolist(), len(ids)]
    for begin, end in pairwise(edges):
        if end > begin:
            names, number = ids[begin:end], int(clusters[begin])
            joined = np.frombuffer(b"".join(stored[begin:end]), dtype=np.int8).reshape(end - begin, -1)
            if earlier is not None:
                before, vectors = earlier.cluster(number)
                names, joined = before + names, np.concatenate([vectors, joined])
            first = len(names) - (end - begin)
            for pairs in _near_pairs(joined, hundredths, first, 1 if asked is None else MOST_ASKED):
                if asked is not None:
                    pairs = _witnesses(pairs, names, first, begin, asked, partial(_texts, earlier, number))
                for place, other, cosine in zip(*(part.tolist() for part in pairs), strict=True):
                    found[names[place]] = Alike(names[other], cosine)
    if asked is not None:
        asked.spared.settle(ids.__getitem__)
    return found


def _texts(earlier: Earlier | None, number: int, places: Places) -> Sequence[str]:
    return earlier.texts(number, places) if earlier is not None and len(places) else []


def _witnesses(
    pairs: Pairs, names: Sequence[str], first: int, begin: int, asked: Asked, before: Callable[[Places], Sequence[str]]
) -> Pairs:
    """Of near pairs of a cluster those whose earlier text says all that the later one says. Places from ``first`` on
    are of this run, whose texts are known from ``begin`` on; ``before`` reads those of earlier corpora."""
    later, other, cosine = pairs
    places, where = np.unique(np.concatenate([later, other]), return_inverse=True)
    split = int(np.searchsorted(places, first))
    texts = [*before(places[:split]), *asked.texts([names[place] for place in places[split:].tolist()])]
    chosen = asked.spared.alike(later - first + begin, other, cosine, texts, where.reshape(2, -1))
    return later[chosen], other[chosen], cosine[chosen]


def _near_pairs(vectors: Vectors, hundredths: int, first: int, most: int) -> Iterator[Pairs]:
    """(places, earlier places, cosines) of the vectors from the ``first`` on that have earlier ones so near, some at a
    time: of each vector at most so many pairs, the nearest, of those alike the earliest."""
    # a product of two vectors is below 2**24 up to 1,040 numbers, so that float32 holds it exactly
    whole: npt.NDArray[Any] = vectors.astype(np.float32 if vectors.shape[1] <= 1040 else np.float64)
    squares = (vectors.astype(np.int64) ** 2).sum(axis=1)
    for start in range(first, len(vectors), 1024):
        end = min(start + 1024, len(vectors))
        dots = (whole[start:end] @ whole[:end].T).astype(np.int64)
        near = np.maximum(dots, 0) ** 2 * 10_000 >= hundredths**2 * squares[start:end, None] * squares[:end]
        near &= np.arange(end) < np.arange(start, end)[:, None]
        found = [np.zeros((3, 0))]
        for row in np.flatnonzero(near.any(axis=1)).tolist():
            others = np.flatnonzero(near[row])
            cosines = dots[row, others] / np.sqrt(squares[others])
            first_ones = np.argsort(-cosines, kind="stable")[:most]
            nearest = others[first_ones], cosines[first_ones] / np.sqrt(squares[start + row])
            found.append(np.stack([np.full(len(first_ones), start + row), *nearest]))
        later, before, cosine = np.concatenate(found, axis=1)
        yield later.astype(np.int64), before.astype(np.int64), cosine
