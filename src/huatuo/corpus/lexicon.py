"""How much of a text is words of a field: the density of a lexicon's terms, in integers.

A lexicon is a list by path: a word a line, or THUOCL's ``word<tab>frequency``; or the names of a graph's entities.
Terms of Latin letters count as whole words only (``cell`` is not in ``cancellation``); a hyphen at an end of such a
term of a list leaves that end open, and a ``!`` before a word keeps an open end from taking it. Of terms that overlap
the leftmost, then the longest, counts. Words of everyday language weigh less (`GENERAL`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from huatuo import store
from huatuo.corpus.calibrate import Threshold
from huatuo.corpus.calibrate import best as best
from huatuo.corpus.normalise import normalise
from huatuo.corpus.rows import added, of_column, reasons
from huatuo.errors import InputError, require
from huatuo.recipe_curate import LexiconSettings
from huatuo.text.joined import Places
from huatuo.text.zh import is_cjk

FULL, GENERAL = 100, 25
"""Weight of a character of a term, and of one of everyday language, in hundredths."""

ENGLISH, EVERYDAY = Path(__file__).with_name("lexicon.en.txt"), Path(__file__).with_name("general.txt")
"""The lists that come with the package: English words of medicine, and words of both languages that weigh less."""

DENSITY = pa.struct([("covered", pa.int64()), ("chars", pa.int64())])
"""Type of the column ``density``: hundredths of characters covered, and characters."""

ENTITIES = "entities"
"""Table of a graph's entities in an ``ingest`` folder."""

_LATIN_END = "\u2e80"
"""First character past the alphabets whose words are bounded by what is no letter."""

_CHUNK = 500
"""Texts that are searched as one."""

Spans = list[tuple[int, int, int]]


# ---------------------------------------------------------------- lists


def read(path: Path, general: Collection[str] = (), general_from: int | None = None) -> dict[str, int]:
    """Weight by term of the list at ``path``: `GENERAL` for terms in ``general`` and those of at least the frequency
    ``general_from``, 0 for those after a ``!``, `FULL` for the others. Empty lines and lines that begin with ``#`` do
    not count. Terms are normalised as the texts are in which they are looked for.

    Raises InputError, naming the line, for a line without a word, a frequency that is no number, bytes that are not
    UTF-8, a file that cannot be read, and a list without a word.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); next: check the path of the lexicon") from None
    found: dict[str, int] = {}
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        line = normalise(_decoded(raw, f"{path}:{number}")).replace("\n", " ")
        if not line or line.startswith("#"):
            continue
        word, tab, frequency = line.partition("\t")
        word = word.strip().lower()
        if not word.strip("-!"):
            raise InputError(f"{path}:{number}: no word before the tab or in the line; next: remove the line")
        if tab and not frequency.strip().isdecimal():
            raise InputError(f"{path}:{number}: {frequency[:40]!r} is no frequency; expected word<tab>whole number")
        often = general_from is not None and tab != "" and int(frequency) >= general_from
        left_out = word.startswith("!")
        found[word.removeprefix("!")] = 0 if left_out else GENERAL if often or word in general else FULL
    if not any(found.values()):
        raise InputError(f"{path}: no word in it; expected a word a line; next: check the path of the lexicon")
    return found


def _decoded(raw: bytes, place: str) -> str:
    try:
        return raw.rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 ({error.reason}); next: save the lexicon as UTF-8") from None


def of_names(names: Iterable[str], general: Collection[str] = ()) -> dict[str, int]:
    """Weight by term of names that are known otherwise, as the entities of one's own graph; those of one character are
    left out, and hyphens at an end, which would leave it open."""
    words = {" ".join(normalise(name).lower().split()).strip("-") for name in names}
    return {word: GENERAL if word in general else FULL for word in words if len(word) > 1}


def of_graph(folder: Path, general: Collection[str] = ()) -> dict[str, int]:
    """Weight by term of the names and other names of the entities in a finished ``ingest`` folder, see `of_names`.

    Raises InputError where it is none or holds no entity, DataError for one that is damaged.
    """
    if not (folder / "manifest.json").exists() or not store.verify(folder).tables.get(ENTITIES):
        raise InputError(
            f"{folder}: no entities of a finished run; expected its folder ingest, made from [[ingest.graphs]]; next: "
            "huatuo run RECIPE --to ingest, or check the path in corpus.lexicon.graphs"
        )
    rows = (row for batch in store.read_batches(folder, ENTITIES, ["name", "aliases"]) for row in batch.to_pylist())
    found = of_names((name for row in rows for name in (row["name"], *(row["aliases"] or ()))), general)
    if not found:
        raise InputError(f"{folder}: no entity has a name of two characters; next: check corpus.lexicon.graphs")
    return found


def least_of(settings: LexiconSettings) -> int:
    """The least density of a recipe, in thousandths: its number, or the one chosen in the file that it names.

    Raises InputError for a file that is none.
    """
    if isinstance(settings.least, int):
        return settings.least
    try:
        said = json.loads(settings.least.read_text(encoding="utf-8"))
        found = said["chosen"] if said["what"] == "density" else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{settings.least}: no chosen density ({error}); next: huatuo curate RECIPE --calibrate SHEET, with a "
            "number as corpus.lexicon.least, writes such a file"
        ) from None
    if not isinstance(found, int) or not 0 <= found <= 1000:
        raise InputError(f"{settings.least}: chosen is {found!r}; expected 0 to 1000; next: calibrate anew")
    return found


# ---------------------------------------------------------------- density


class Lexicon:
    """Terms to be found in texts. Read-only, so threads may share it."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """Make the automata of terms and their weights in hundredths, 0 to 100.

        Raises ValueError for an empty term, MissingExtraError without ahocorasick_rs.
        """
        if "" in weights:
            raise ValueError("a lexicon with an empty term: it would be found everywhere")
        ac = require("ahocorasick_rs", "corpus")
        latin = {term: weight for term, weight in weights.items() if not any(map(is_cjk, term))}
        han = {term: weight for term, weight in weights.items() if term not in latin}
        kind = ac.Implementation.ContiguousNFA
        self._han = ac.BytesAhoCorasick(
            [term.encode() for term in han], matchkind=ac.MatchKind.LeftmostLongest, implementation=kind
        )
        self._han_weights = list(han.values())
        self._covers = np.array([weight * len(term) for term, weight in han.items()], dtype=np.int64)
        self._latin = ac.AhoCorasick([term.strip("-") for term in latin], implementation=kind)
        self._latin_terms = [(term.startswith("-"), term.endswith("-"), weight) for term, weight in latin.items()]

    def density(self, text: str) -> tuple[int, int]:
        """Hundredths of characters covered by terms, and characters."""
        return self.densities([text])[0]

    def densities(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        """`density` of each text; many are searched as one, which takes half the time."""
        made: list[tuple[int, int]] = []
        for begin in range(0, len(texts), _CHUNK):
            lows = [text.lower().replace("\n", " ") for text in texts[begin : begin + _CHUNK]]
            found, owner = self._terms(lows)
            covered = np.bincount(owner, self._covers[found[:, 0]], len(lows)).astype(np.int64)
            if self._latin_terms:
                latin = {place: spans for place, low in enumerate(lows) if (spans := self._words(low))}
                for place, spans in latin.items():
                    covered[place] = _covered(spans + self._spans(lows[place], found[owner == place]))
            made += zip(covered.tolist(), map(len, lows), strict=True)
        return made

    def _terms(self, lows: Sequence[str]) -> tuple[Places, Places]:
        """The terms with Han characters in the joined texts (number, first byte, one past the last), and the text that
        each stands in, where its bytes count from 0."""
        places = np.array([place for place, low in enumerate(lows) if not low.isascii()], dtype=np.int64)
        parts = [lows[place].encode("utf-8", "surrogatepass") for place in places.tolist()]
        sizes = np.array([len(part) + 1 for part in parts], dtype=np.int64)
        ends = np.cumsum(sizes)
        hits = self._han.find_matches_as_indexes(b"\n".join(parts)) if self._han_weights else []
        found = np.fromiter(chain.from_iterable(hits), np.int64, 3 * len(hits)).reshape(-1, 3)
        owner = np.searchsorted(ends, found[:, 1], side="right")
        found[:, 1:] -= (ends - sizes)[owner, None]
        return found, places[owner]

    def _spans(self, low: str, found: Places) -> Spans:
        """The found terms of one text by their characters."""
        data = low.encode("utf-8", "surrogatepass")
        before = np.concatenate([[0], np.cumsum((np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80)])
        numbers, starts, ends = found[:, 0].tolist(), before[found[:, 1]].tolist(), before[found[:, 2]].tolist()
        return [(start, end, self._han_weights[n]) for n, start, end in zip(numbers, starts, ends, strict=True)]

    def _words(self, low: str) -> Spans:
        """The spans of terms that are whole words, or at a word's open end the whole word, with their weights."""
        found = []
        size = len(low)
        for number, start, end in self._latin.find_matches_as_indexes(low, overlapping=True):
            open_left, open_right, weight = self._latin_terms[number]
            left, right = start, end
            while left and _is_letter(low[left - 1]):
                left -= 1
            if left < start and not open_left:
                continue
            while right < size and _is_letter(low[right]):
                right += 1
            if right > end and not open_right:
                continue
            # a term that is a whole word goes before one with an open end, so that 0 can keep a word out
            found.append((left, right, -1 if weight == 0 else weight))
        return found


def _is_letter(character: str) -> bool:
    return character.isalnum() and character < _LATIN_END


def _covered(spans: Spans) -> int:
    """Weighted characters of the spans, of those that overlap the leftmost, then the longest, then the one left out."""
    total = reach = 0
    for start, end, weight in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        if start >= reach:
            total += max(weight, 0) * (end - start)
            reach = end
    return total


def density_batch(batch: pa.RecordBatch, lexicon: Lexicon, normal: Sequence[str] | None = None) -> pa.RecordBatch:
    """The batch with a column ``density`` of ``normal``: what the terms cover, and the characters. ``normal``: the
    texts of that column, where they are at hand."""
    made = lexicon.densities(of_column(batch, "normal") if normal is None else normal)
    arrays = [pa.array(column) for column in np.array(made, dtype=np.int64).reshape(-1, 2).T]
    columns = {name: batch.column(name) for name in batch.schema.names}
    return pa.RecordBatch.from_pydict(columns | {"density": pa.StructArray.from_arrays(arrays, fields=list(DENSITY))})


def is_dense(covered: int, chars: int, thousandths: int) -> bool:
    """Whether the terms cover at least so many thousandths of the characters, without rounding; columns row by row."""
    return covered * 1000 >= thousandths * FULL * chars


def domain_batch(batch: pa.RecordBatch, thousandths: int, of_field: Collection[str] = ()) -> pa.RecordBatch:
    """The batch with ``reason`` filled where the density is below so many thousandths; not for the sources that are
    ``of_field`` as a whole."""
    why = reasons(batch)
    sources = batch.column("source").to_pylist() if of_field else [""] * batch.num_rows
    covered, chars = (column.to_numpy() for column in batch.column("density").flatten())
    for place in np.flatnonzero(np.logical_not(is_dense(covered, chars, thousandths))).tolist():
        if not why[place] and sources[place] not in of_field:
            why[place] = f"off_domain: words of the field cover {covered[place] / FULL:g} of {chars[place]} characters"
            why[place] += f", expected {thousandths / 10:g} %"
    return added(batch, "reason", pa.string(), why)


# ---------------------------------------------------------------- thresholds


def calibrate(
    densities: Sequence[tuple[int, int]], labels: Sequence[bool], thresholds: Iterable[int]
) -> list[Threshold]:
    """What each threshold, in thousandths, keeps of texts with these densities and labels.

    Raises ValueError where there is not one label per density.
    """
    if len(densities) != len(labels):
        raise ValueError(f"{len(densities)} densities and {len(labels)} labels: expected one each")
    found = []
    for least in thresholds:
        kept = [
            label for (covered, chars), label in zip(densities, labels, strict=True) if is_dense(covered, chars, least)
        ]
        found.append(Threshold(least, len(kept), sum(kept), sum(labels)))
    return found
