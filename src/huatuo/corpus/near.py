"""Near-duplicates: a text goes if and only if an earlier one is a verified neighbour, which is then its witness.

Earlier means in a total order of the texts (priority of the source, then id; an earlier corpus before everything),
never in the order of reading. Candidates are the texts that share a band (`huatuo.text.minhash`) with the first text of
that band or with the one just before; the exact Jaccard similarity of their grams decides. A neighbour need not itself
be kept, so no decision hangs on another one: what is added later changes none of the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from huatuo.corpus.rows import added, of_column, reasons
from huatuo.corpus.spared import Spared
from huatuo.text.grams import Hashes
from huatuo.text.joined import Joined, Places
from huatuo.text.minhash import BANDS, are_near, bands, bands_of, gram_sets, overlaps

TENTHS = 7
"""Tenths of Jaccard similarity from which two texts are near."""

AT_ONCE = 4096
"""Pairs whose texts are read and compared together: about 20 MB of grams."""

_MERGED = 7
"""Bands after which the pairs that they share are made one list: most pairs share several bands, and all of these
lists together would be the largest part of the memory."""

_STEPS = 4
"""Doublings of the steps by which texts are put in groups."""

BANDS_TYPE = pa.list_(pa.uint64())
"""Type of the column ``bands``: `BANDS` hashes; null for a text that is refused, or too short to have a gram."""


class Neighbour(NamedTuple):
    """The earlier text that is most like a text; of several alike the earliest."""

    witness: str
    """Its id."""
    shared: int
    """Different grams that both texts hold."""
    either: int
    """Different grams that one of them holds at least."""

    @property
    def jaccard(self) -> float:
        """Share of the grams that both hold, 0 to 1."""
        return self.shared / self.either


class Names(Sequence[str]):
    """Ids in the memory that Arrow gives them, less than half of that of strings."""

    def __init__(self, column: pa.StringArray | pa.LargeStringArray):
        self._column = column

    def __len__(self) -> int:
        """How many there are."""
        return len(self._column)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """The id at a place, or those of a slice."""
        found: str | list[str] = (
            self._column[place].to_pylist() if isinstance(place, slice) else self._column[place].as_py()
        )
        return found


@dataclass(frozen=True)
class Rows:
    """Texts in their total order."""

    ids: Sequence[str]
    """Their ids."""
    bands: Hashes
    """Their bands, (texts, `BANDS`)."""
    texts: Callable[[Places], Sequence[str]]
    """The texts at these places."""


class Earlier(Protocol):
    """A corpus that was judged before: see `huatuo.corpus.band_table.BandTable`."""

    def __len__(self) -> int:
        """Texts."""
        ...

    def band(self, number: int) -> Hashes:
        """One band of every text, in their order."""
        ...

    def ids(self, places: Places) -> Sequence[str]:
        """Ids of the texts at these places."""
        ...

    def texts(self, places: Places) -> Sequence[str]:
        """The texts at these places."""
        ...


# ---------------------------------------------------------------- row by row


def band_batch(batch: pa.RecordBatch, normal: Joined | None = None) -> pa.RecordBatch:
    """The batch with a column ``bands`` of ``normal``, null where a row has a reason or is too short. ``normal``: the
    texts of that column, where they are at hand."""
    made, filled = bands(of_column(batch, "normal")) if normal is None else bands_of(normal)
    has = filled & np.array([not reason for reason in reasons(batch)], dtype=bool)
    values = pa.array(made[has].ravel())
    offsets = np.concatenate([[0], np.cumsum(has * BANDS)]).astype(np.int32)
    column = pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(~has))
    columns = {name: batch.column(name) for name in batch.schema.names}
    return pa.RecordBatch.from_pydict(columns | {"bands": column})


def near_batch(batch: pa.RecordBatch, found: Mapping[str, Neighbour]) -> pa.RecordBatch:
    """The batch with ``reason``, ``witness`` and ``jaccard`` set for the ids that have a neighbour."""
    why, count = reasons(batch), batch.num_rows
    given = batch.column("witness").to_pylist() if "witness" in batch.schema.names else [""] * count
    witness, jaccard = [name or "" for name in given], [None] * count
    similar: list[float | None] = list(jaccard)
    for place, row_id in enumerate(batch.column("id").to_pylist()):
        if not why[place] and (near := found.get(row_id)):
            why[place] = f"near_duplicate: {near.shared} of {near.either} grams as the witness"
            witness[place], similar[place] = near.witness, near.jaccard
    made = added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)
    return added(made, "jaccard", pa.float64(), similar)


# ---------------------------------------------------------------- of the whole set


def ordered(batches: Iterable[pa.RecordBatch]) -> Rows:
    """The rows that have bands (columns ``id``, ``normal``, ``bands``, and ``priority`` where there is one, the
    smallest first), in their total order whatever the batches and their order."""
    table = pa.Table.from_batches(list(batches))
    table = table.filter(pc.is_valid(table["bands"]))
    keys = [(name, "ascending") for name in ("priority", "id") if name in table.schema.names]
    table = table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks()
    flat = table["bands"].combine_chunks().flatten() if len(table) else pa.array([], pa.uint64())
    text = table["normal"]
    return Rows(
        table["id"].to_pylist(),
        flat.to_numpy(zero_copy_only=False).reshape(-1, BANDS),
        lambda places: text.take(pa.array(places)).to_pylist(),
    )


def neighbours(
    rows: Rows, earlier: Earlier | None = None, tenths: int = TENTHS, spared: Spared | None = None
) -> dict[str, Neighbour]:
    """The nearest earlier neighbour of each text that has one, by id; a function of the set and its order. With
    ``spared``, a neighbour counts only where it says all that the text says.

    Raises ValueError where ``tenths`` is not 1 to 10.
    """
    if not 1 <= tenths <= 10:
        raise ValueError(f"tenths {tenths}: expected 1 to 10")
    old = 0 if earlier is None else len(earlier)
    columns = (
        np.concatenate([*([] if earlier is None else [earlier.band(number)]), rows.bands[:, number]])
        for number in range(BANDS)
    )
    later, before = candidates(columns, old + len(rows.ids), old)

    def texts(places: Places) -> list[str]:
        split = int(np.searchsorted(places, old))
        ours = rows.texts(places[split:] - old)
        return [*(earlier.texts(places[:split]) if earlier is not None and split else []), *ours]

    later, nearest, shared, either = verified(later, before, texts, tenths, spared)
    if spared is not None:
        spared.settle(lambda place: rows.ids[place - old])
    found = later - old
    names: dict[int, str] = {}
    if earlier is not None:
        asked = np.unique(nearest[nearest < old])
        names = dict(zip(asked.tolist(), earlier.ids(asked), strict=True))
    rest = zip(found.tolist(), nearest.tolist(), shared.tolist(), either.tolist(), strict=True)
    return {
        rows.ids[place]: Neighbour(names[other] if other < old else rows.ids[other - old], both, any_)
        for place, other, both, any_ in rest
    }


def candidates(columns: Iterable[Hashes], count: int, old: int = 0) -> tuple[Places, Places]:
    """Pairs (later, earlier) of the places of texts that share a band: each text with the first one of its band, and
    with the one just before it. ``columns`` holds each band of all texts in order; of the first ``old`` none is later.

    All pairs of a band would be quadratic where a thousand texts are one boilerplate.
    """
    found = [np.zeros(0, dtype=np.int64)]
    bits = max(count, 1).bit_length()  # of a place; two of them in one number, where a division would take longest
    for number, keys in enumerate(columns):
        order, same, heads = _shared(keys, bits)
        later, previous, heads = order[1:][same], order[:-1][same], heads[1:][same]
        new = later >= old
        later, heads, previous = later[new], heads[new], previous[new]
        apart = heads != previous
        found += [(later << bits) | heads, (later[apart] << bits) | previous[apart]]
        if number % _MERGED == _MERGED - 1:
            found = [_different(found)]
    pairs = _different(found)
    return pairs >> bits, pairs & ((1 << bits) - 1)


def _different(found: list[Places]) -> Places:
    """The different numbers, ascending."""
    pairs = np.concatenate(found)
    pairs.sort()
    new = np.ones(len(pairs), dtype=bool)
    np.not_equal(pairs[1:], pairs[:-1], out=new[1:])
    return pairs[new]


def _shared(keys: Hashes, bits: int) -> tuple[Places, npt.NDArray[np.bool_], Places]:
    """Places of the keys that occur more than once, those of one key together and ascending; whether the key after each
    is the same; the first place of each one's key."""
    order = np.argsort(keys)  # not stable, but several times as fast as what is
    sorted_ = keys[order]
    new = np.ones(len(keys) + 1, dtype=bool)
    new[1:-1] = sorted_[1:] != sorted_[:-1]
    common = np.flatnonzero(~(new[:-1] & new[1:]))
    both = (np.cumsum(new[:-1], dtype=np.int64)[common] << bits) | order[common]
    both.sort()
    order, group = both & ((1 << bits) - 1), both >> bits
    same = group[1:] == group[:-1]
    first = np.flatnonzero(np.diff(group, prepend=-1) > 0)
    return order, same, np.repeat(order[first], np.diff(first, append=len(order)))


def verified(
    later: Places,
    before: Places,
    texts: Callable[[Places], Sequence[str]],
    tenths: int,
    spared: Spared | None = None,
) -> tuple[Places, Places, Places, Places]:
    """The near pair of each later text with its nearest, of those alike its earliest one, by the later text; with their
    shared grams and the grams of either. ``texts`` is asked for ascending places."""
    kept = [_nearest(pairs) for pairs in near_pairs(later, before, texts, tenths, spared)]
    pairs = _nearest(np.concatenate([np.zeros((4, 0), dtype=np.int64), *kept], axis=1))
    return pairs[0], pairs[1], pairs[2], pairs[3]


def near_pairs(
    later: Places,
    before: Places,
    texts: Callable[[Places], Sequence[str]],
    tenths: int,
    spared: Spared | None = None,
) -> Iterator[Places]:
    """All pairs that are near, some at a time: rows of the later text, the earlier one, the grams that both hold, and
    those that either does. With ``spared``, of each later text at most the first that is its witness."""
    order = np.lexsort((later, _roots(later, before)[later]))  # those of one group together: each is read about once
    for begin in range(0, len(order), AT_ONCE):
        part = order[begin : begin + AT_ONCE]
        one, other = later[part], before[part]
        places, where = np.unique(np.concatenate([one, other]), return_inverse=True)
        read = texts(places)
        hashes, starts = gram_sets(read)
        shared, either = overlaps(hashes, starts, where[: len(one)], where[len(one) :])
        near = are_near(shared, either, tenths)
        if spared is not None and near.any():
            pairs = where.reshape(2, -1)[:, near]
            near[near] = spared.alike(one[near], other[near], (shared / either)[near], read, pairs)
        yield np.stack([one[near], other[near], shared[near], either[near]])


def _nearest(pairs: Places) -> Places:
    """Of the pairs (later, earlier, shared, either; each a row) that of each later text with the highest share, and of
    those alike with the earliest."""
    pairs = pairs[:, np.lexsort((pairs[1], -(pairs[2] / pairs[3]), pairs[0]))]
    return pairs[:, np.flatnonzero(np.diff(pairs[0], prepend=-1))]


def _roots(later: Places, before: Places) -> Places:
    """For each text the first one that a few steps from a text to the earliest of its candidates lead to."""
    roots = np.arange(int(later.max(initial=0)) + 1)
    np.minimum.at(roots, later, before)
    for _ in range(_STEPS):
        roots = roots[roots]
    return roots
