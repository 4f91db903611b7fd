"""The data sets that one stage made of the parts of its input, joined to one; the manifest comes last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from huatuo.errors import DataError
from huatuo.files import RowDigest, hash_file
from huatuo.manifest import FileEntry, Manifest, TableEntry, verify
from huatuo.store import SHARD_ROWS, Writer

UNIQUE = "pairs"
"""The table of which two parts may hold the same row: a question and answer that a teacher gives about two passages."""


def join(parts: Sequence[Path], out: Writer) -> None:
    """Nothing; the tables of finished data sets become those of the data set that is written, in the order of the
    parts, with the sum of their accounts.

    Shards are linked, or copied where the file system cannot, and not read, but for the ids of pairs: one that an
    earlier part has is dropped as ``duplicate``, as the stage does with twins within a part. Raises DataError for a
    part that is unfinished, damaged, or not of tables alone; an empty one has a file that says why.
    """
    made = [(folder, verify(folder)) for folder in parts]
    for folder, manifest in made:
        if manifest.files and manifest.tables:
            raise DataError(
                f"{folder}: holds {manifest.files[0].name}, which cannot be joined; next: run without parts"
            )
    for table in sorted({table for _, manifest in made for table in manifest.tables}):
        seen: set[bytes] = set()
        for number, (folder, manifest) in enumerate(made):
            if table not in manifest.tables:
                continue
            entry = _placed(folder, manifest.tables[table], out.folder, f"{table}-{number:05d}")
            if table == UNIQUE:
                entry = _without_twins(entry, seen, out)
            out.take({table: entry}, 0, {}, {})
    for _, manifest in made:
        out.take({}, manifest.kept, manifest.dropped, manifest.left)
    out.figures.update(_summed(manifest for _, manifest in made))


def _placed(folder: Path, entry: TableEntry, into: Path, stem: str) -> TableEntry:
    """The entry of a table whose shards now lie in another folder as well, under other names."""
    files = []
    for number, file in enumerate(entry.files):
        placed = into / f"{stem}-{number:05d}.parquet"
        try:
            os.link(folder / file.name, placed)
        except OSError:  # another file system, or one without links
            shutil.copyfile(folder / file.name, placed)
        files.append(file.model_copy(update={"name": placed.name}))
    return entry.model_copy(update={"files": tuple(files)})


def _without_twins(entry: TableEntry, seen: set[bytes], out: Writer) -> TableEntry:
    """The entry without the rows whose ids were seen; their shards are written anew."""
    files, digest, rows = [], entry.digest, entry.rows
    for file in entry.files:
        path = out.folder / file.name
        ids = [bytes.fromhex(one) for one in pq.read_table(path, columns=["id"])["id"].to_pylist()]
        new = [one not in seen for one in ids]
        seen.update(ids)
        if not all(new):
            table = pq.read_table(path)
            twins = table.filter(pa.array([not one for one in new]))
            digest, rows = RowDigest.without(digest, _dropped(twins, out)), rows - twins.num_rows
            file = _written(table.filter(pa.array(new)), path)
        files.append(file)
    return TableEntry(rows=rows, digest=digest, files=tuple(files))


def _dropped(twins: pa.Table, out: Writer) -> str:
    """The digest of the pairs, which are dropped."""
    digest = RowDigest()
    for row in twins.to_pylist():
        digest.add(row)
        said, question = "the same question and answer was made before", row["messages"][0]["content"]
        out.drop(row["id"], "duplicate", said, row["id"], question)
    return digest.hexdigest()


def _written(table: pa.Table, path: Path) -> FileEntry:
    path.unlink()  # it may be a link to the part's own shard, which stays as it is
    pq.write_table(
        table, path, compression="zstd", compression_level=3, use_dictionary=False, row_group_size=SHARD_ROWS
    )
    return FileEntry(name=path.name, rows=table.num_rows, bytes=path.stat().st_size, sha256=hash_file(path))


def _summed(manifests: Iterable[Manifest]) -> dict[str, float | None]:
    """The figures of all parts, added up; None where one part does not know."""
    total: dict[str, float | None] = {}
    for manifest in manifests:
        for name, figure in manifest.figures.items():
            before = total.get(name, 0.0)
            total[name] = None if figure is None or before is None else before + figure
    return total
