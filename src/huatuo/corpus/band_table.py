"""The band table of earlier corpora: what a later corpus needs in order to find its duplicates there.

A folder of Parquet files that only grows: two files for each corpus that was added, then ``manifest.json`` (written
last; a file that it does not name does not count). ``bands-*`` holds, in the total order of its corpus, id, text and
one column per band, so that reading one band of everything takes 8 bytes a text; ``keys-*`` holds key and id of every
text that is no exact duplicate. Texts that were dropped as near-duplicates belong into it as well: otherwise a
neighbour of a dropped text would pass later. Where corpora are searched for texts of nearly the same words, a third
file holds the vectors of each (`huatuo.corpus.vector_table`); a table is with vectors or without, from its first corpus
on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.near import Rows
from huatuo.corpus.vector_table import SCHEMA as VECTORS
from huatuo.corpus.vector_table import Meaning, VectorTable, entry_of
from huatuo.errors import BusyError, DataError
from huatuo.files import canonical_json, content_id, locked, write_atomic
from huatuo.text.grams import Hashes
from huatuo.text.joined import Places
from huatuo.text.minhash import ALGORITHM, BANDS

FORMAT = 3
"""Version of the folder's layout."""

GROUP_ROWS = 25_000
"""Rows per Parquet row group, the least that is read to get one text."""

_BAND_NAMES = [f"band_{number:02}" for number in range(BANDS)]
_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), *((name, pa.uint64()) for name in _BAND_NAMES)])
KEYS = pa.schema([("key", pa.string()), ("id", pa.string())])
"""Columns of the exact keys."""


class BandTable:
    """The texts of earlier corpora, with their bands and exact keys; new ones are appended."""

    def __init__(self, folder: Path, before: str = "") -> None:
        """Open the table of a folder, which need not exist yet; as it was ``before`` that corpus was added, if it was.

        Raises DataError where it is of another algorithm or layout, or damaged.
        """
        self.folder, self._before = folder, before
        self._load()

    def _load(self) -> None:
        entries: list[dict[str, Any]] = self._manifest()["corpora"]
        self.added = [str(entry["corpus"]) for entry in entries]
        if self._before in self.added:
            entries = entries[: self.added.index(self._before)]
        self._corpora = self.added[: len(entries)]
        self._files = [pq.ParquetFile(self._whole(entry["bands"])) for entry in entries]
        self._keys = [self._whole(entry["keys"]) for entry in entries]
        sizes = [file.metadata.num_rows for file in self._files]
        self._starts: Places = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.meaning = self._meaning(entries)

    def _meaning(self, entries: list[dict[str, Any]]) -> VectorTable | None:
        """The vectors of these corpora; None where there are no corpora, or they were added without."""
        if not entries or not all("vectors" in entry for entry in entries):
            return None
        files = {self._whole(entry["vectors"]): int(self._starts[place]) for place, entry in enumerate(entries)}
        return VectorTable(self.folder, self._manifest().get("meaning", {}), files, self.texts)

    def refuse_other(self, kind: str) -> None:
        """Nothing. Raises DataError where earlier corpora have vectors of another kind than this run makes (empty: it
        makes none), or only one of both has any: what the table lacked of one corpus, no later run could find."""
        theirs = self.meaning.index.kind if self.meaning is not None else ""
        if self._corpora and kind != theirs:
            holds = f"with vectors of {theirs!r}" if theirs else "without vectors"
            mend = (
                "set corpus.semantic and semantic_model as the earlier runs did"
                if theirs
                else "leave corpus.semantic out"
            )
            raise DataError(
                f"{self.folder}: its corpora were added {holds} (corpus.semantic), and this run's would be added "
                f"otherwise; next: {mend}, or name a new folder"
            )

    def _manifest(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        if not path.exists():
            return {"format": FORMAT, "algorithm": ALGORITHM, "corpora": []}
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found = manifest["format"], manifest["algorithm"]
            if found[0] == FORMAT:
                list(manifest["corpora"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not the manifest of a band table ({error}); next: restore it") from None
        if found[0] != FORMAT:
            raise DataError(f"{path}: layout {found[0]}, expected {FORMAT}; next: use the version that wrote it")
        if found[1] != ALGORITHM:
            raise DataError(
                f"{path}: bands of {found[1]!r}, expected {ALGORITHM!r}: they cannot be compared; "
                "next: use the version that wrote it, or make the table anew in another folder"
            )
        return manifest

    def _whole(self, entry: dict[str, Any]) -> Path:
        """The file of an entry. Raises DataError where it is missing or does not hold what the manifest says."""
        path, name = self.folder / str(entry["name"]), str(entry["name"])
        try:
            metadata = pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path}: cannot be read ({error}); next: restore it from a copy") from None
        schema = {"keys": KEYS, "vectors": VECTORS}.get(name.partition("-")[0], _SCHEMA)
        if metadata.num_rows != entry["rows"] or not metadata.schema.to_arrow_schema().equals(schema):
            raise DataError(f"{path}: not the file that the manifest names ({entry['rows']:,} rows); next: restore it")
        return path

    @property
    def digest(self) -> str:
        """32 hexadecimal digits of what was added, in its order."""
        meaning = [self.meaning.index.digest()] if self.meaning is not None else []
        return content_id("band table", str(FORMAT), ALGORITHM, *self._corpora, *meaning)

    def __len__(self) -> int:
        """Texts that have bands."""
        return int(self._starts[-1])

    def band(self, number: int) -> Hashes:
        """One band of every text, in their order."""
        name = _BAND_NAMES[number]
        parts = [file.read(columns=[name])[name].to_numpy() for file in self._files]
        return np.concatenate([np.zeros(0, dtype=np.uint64), *parts])

    def ids(self, places: Places) -> list[str]:
        """Ids of the texts at these ascending places."""
        return self._picked(places, "id")

    def texts(self, places: Places) -> list[str]:
        """The texts at these ascending places."""
        return self._picked(places, "text")

    def _picked(self, places: Places, column: str) -> list[str]:
        found: list[str] = []
        for number, file in enumerate(self._files):
            begin, end = self._starts[number], self._starts[number + 1]
            inside = places[np.searchsorted(places, begin) : np.searchsorted(places, end)] - begin
            groups = inside // GROUP_ROWS
            for group in np.unique(groups).tolist():
                values = file.read_row_group(group, columns=[column])[column]
                found += values.take(pa.array(inside[groups == group] - group * GROUP_ROWS)).to_pylist()
        return found

    def exact(self, keys: pa.ChunkedArray) -> dict[str, str]:
        """Key → id of the earliest text that has it, of those of the ``keys`` that are in the table."""
        found: dict[str, str] = {}
        for batch in self._key_batches():
            known = batch.filter(pc.is_in(batch.column("key"), value_set=keys))
            for key, row in zip(known.column("key").to_pylist(), known.column("id").to_pylist(), strict=True):
                found.setdefault(key, row)
        return found

    def refuse_known(self, ids: pa.ChunkedArray) -> None:
        """Nothing. Raises DataError where one of these ids is in the table already."""
        count, first = 0, ""
        for batch in self._key_batches():
            known = batch.column("id").filter(pc.is_in(batch.column("id"), value_set=ids))
            count += len(known)
            first = first or (known[0].as_py() if len(known) else "")
        if count:
            raise DataError(
                f"{self.folder}: {count:,} of the texts are in the table already (first: {first}), cut or cleaned in "
                "another way; expected new ones; next: leave out the sources that were added before, or name a new "
                "folder"
            )

    def _key_batches(self) -> Iterable[pa.RecordBatch]:
        for path in self._keys:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=GROUP_ROWS)

    def append(self, rows: Rows, keys: Iterable[pa.RecordBatch], corpus: str, meaning: Meaning | None = None) -> None:
        """Nothing; adds the texts with bands, ``keys`` (of `KEYS`) of all that are no exact duplicates, and their
        vectors where the table has such, as the corpus of that digest. They count as later than all that are in the
        table.

        Raises BusyError where another process appends or has appended since the table was opened, DataError where an
        id is in the table already.
        """
        with locked(self.folder):
            manifest = self._manifest()
            if [entry["corpus"] for entry in manifest["corpora"]] != self.added:
                raise BusyError(
                    f"{self.folder}: another run has added to the band table meanwhile; nothing was added; "
                    "next: the same command again, which judges against that corpus as well"
                )
            ids = pa.array(rows.ids, pa.string())
            self.refuse_known(pa.chunked_array([ids]))
            self.folder.mkdir(parents=True, exist_ok=True)
            number = len(self.added) + 1
            bands, exact = (self.folder / f"{kind}-{number:05}.parquet" for kind in ("bands", "keys"))
            entry = {"corpus": corpus, "bands": _entry(bands, _write(bands, rows))}
            entry["keys"] = _entry(exact, _write_keys(exact, keys))
            if meaning is not None:
                vectors = self.folder / f"vectors-{number:05}.parquet"
                entry["vectors"] = _entry(vectors, meaning.write(vectors, ids))
                manifest["meaning"] = entry_of(meaning.index)
                meaning.index.save(self.folder / manifest["meaning"]["index"])
            manifest["corpora"].append(entry)
            write_atomic(self.folder / "manifest.json", canonical_json(manifest))
            self._before = ""
            self._load()


def _entry(path: Path, rows: int) -> dict[str, Any]:
    return {"name": path.name, "rows": rows}


def _write(path: Path, rows: Rows) -> int:
    beside = path.with_name(f".{path.name}.new")
    with pq.ParquetWriter(beside, _SCHEMA, compression="zstd") as writer:
        for start in range(0, len(rows.ids), GROUP_ROWS):
            places = np.arange(start, min(start + GROUP_ROWS, len(rows.ids)))
            bands = [pa.array(rows.bands[places, number]) for number in range(BANDS)]
            columns = [pa.array(rows.ids[start : start + GROUP_ROWS], pa.string()), pa.array(rows.texts(places))]
            writer.write_table(pa.Table.from_arrays([*columns, *bands], schema=_SCHEMA), row_group_size=GROUP_ROWS)
    beside.replace(path)
    return len(rows.ids)


def _write_keys(path: Path, keys: Iterable[pa.RecordBatch]) -> int:
    beside, count = path.with_name(f".{path.name}.new"), 0
    with pq.ParquetWriter(beside, KEYS, compression="zstd") as writer:
        for batch in keys:
            writer.write_batch(batch, row_group_size=GROUP_ROWS)
            count += batch.num_rows
    beside.replace(path)
    return count
