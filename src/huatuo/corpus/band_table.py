"""The band table of a corpus: what a later corpus needs in order to find its near-duplicates there.

A folder of Parquet files that only grows: one file for each corpus that was added, then ``manifest.json`` (written
last; a file that it does not name does not count). A file holds, in the total order of its corpus, id, text and one
column per band, so that reading one band of everything takes 8 bytes a text. Texts that were dropped belong into it as
well: otherwise a neighbour of a dropped text would pass later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.near import Rows
from huatuo.errors import DataError
from huatuo.files import canonical_json, locked, write_atomic
from huatuo.text.grams import Hashes, Places
from huatuo.text.minhash import ALGORITHM, BANDS

FORMAT = 1
"""Version of the folder's layout."""

GROUP_ROWS = 25_000
"""Rows per Parquet row group, the least that is read to get one text."""

_BAND_NAMES = [f"band_{number:02}" for number in range(BANDS)]
_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), *((name, pa.uint64()) for name in _BAND_NAMES)])


class BandTable:
    """The texts of earlier corpora, with their bands; new ones are appended."""

    def __init__(self, folder: Path) -> None:
        """Open the table of a folder, which need not exist yet.

        Raises DataError where it is of another algorithm or layout, or damaged.
        """
        self.folder = folder
        self._load()

    def _load(self) -> None:
        manifest = self._manifest()
        self._files = [pq.ParquetFile(self._whole(entry)) for entry in manifest["files"]]
        sizes = [file.metadata.num_rows for file in self._files]
        self._starts: Places = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def _manifest(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        if not path.exists():
            return {"format": FORMAT, "algorithm": ALGORITHM, "files": []}
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found = manifest["format"], manifest["algorithm"], manifest["files"]
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
        path = self.folder / str(entry["name"])
        try:
            metadata = pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path}: cannot be read ({error}); next: restore it from a copy") from None
        if metadata.num_rows != entry["rows"] or not metadata.schema.to_arrow_schema().equals(_SCHEMA):
            raise DataError(f"{path}: not the file that the manifest names ({entry['rows']:,} rows); next: restore it")
        return path

    def __len__(self) -> int:
        """Texts."""
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

    def append(self, rows: Rows) -> None:
        """Nothing; adds the texts, which count as later than all that are in the table.

        Raises DataError where one of the ids is in the table already, BusyError where another process appends.
        """
        with locked(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._load()  # what another process has appended meanwhile
            self._refuse_known(rows.ids)
            name = f"bands-{len(self._files) + 1:05}.parquet"
            beside = self.folder / f".{name}.new"
            _write(beside, rows)
            beside.replace(self.folder / name)
            manifest = self._manifest()
            manifest["files"].append({"name": name, "rows": len(rows.ids)})
            write_atomic(self.folder / "manifest.json", canonical_json(manifest))
            self._load()

    def _refuse_known(self, ids: Sequence[str]) -> None:
        own = pa.array(ids, type=pa.string())
        for file in self._files:
            known = pc.is_in(own, value_set=file.read(columns=["id"])["id"].combine_chunks())
            if known.true_count:
                first = own.filter(known)[0].as_py()
                raise DataError(
                    f"{self.folder}: {known.true_count:,} of the texts are in the table already (first: {first}); "
                    "expected new ones; next: leave out the corpus that was added before"
                )


def _write(path: Path, rows: Rows) -> None:
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for start in range(0, len(rows.ids), GROUP_ROWS):
            places = np.arange(start, min(start + GROUP_ROWS, len(rows.ids)))
            bands = [pa.array(rows.bands[places, number]) for number in range(BANDS)]
            columns = [pa.array(rows.ids[start : start + GROUP_ROWS], pa.string()), pa.array(rows.texts(places))]
            writer.write_table(pa.Table.from_arrays([*columns, *bands], schema=_SCHEMA), row_group_size=GROUP_ROWS)
