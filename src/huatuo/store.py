"""Data sets on disk: a folder of Parquet shards and a ``manifest.json`` that is written last and means "finished".

A folder under its final name is always whole: a stage writes beside it (``<folder>.part``), and the finished part is
renamed over the old one. A lock held by the kernel allows one writer per folder and ends with the process.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from huatuo.errors import ConservationError, DataError, StageError
from huatuo.files import RowDigest, canonical_json, content_id, hash_file, locked, sync_folder, write_atomic
from huatuo.manifest import (
    FORMAT_VERSION,
    FileEntry,
    InputEntry,
    Manifest,
    TableEntry,
    package_versions,
    read_manifest,
    verify,
)
from huatuo.progress import cpu_seconds
from huatuo.records import Dropped, Record
from huatuo.schema import schema_of

__all__ = [
    "FileEntry",
    "InputEntry",
    "Manifest",
    "TableEntry",
    "Writer",
    "canonical_json",
    "content_id",
    "hash_file",
    "is_finished",
    "locked",
    "now",
    "read",
    "read_batches",
    "read_manifest",
    "recover",
    "schema_of",
    "verify",
    "write_atomic",
    "writing",
]

SHARD_ROWS = 25_000
"""Rows per shard and row group: larger row groups break streaming readers."""

RecordT = TypeVar("RecordT", bound=Record)


def read(folder: Path, table: str, record_type: type[RecordT]) -> Iterator[RecordT]:
    """The records of one table in the order they were written; none where the data set has no such table.

    Raises DataError for a data set that is unfinished or damaged.
    """
    for batch in read_batches(folder, table):
        for row in batch.to_pylist():
            yield record_type.model_validate(row)


def read_batches(folder: Path, table: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The Arrow batches of one table; bulk rooms work on these."""
    entry = verify(folder).tables.get(table)
    for shard in entry.files if entry else ():
        try:
            for batch in pq.ParquetFile(folder / shard.name).iter_batches(columns=columns):
                batch.validate(full=True)  # bytes that are no UTF-8 would become an error far from here
                yield batch
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{folder / shard.name}: not readable ({error}); next: run the stage again") from None


# ---------------------------------------------------------------- writing


class Writer:
    """Writes one data set and keeps the account of its inputs. Made by `writing`, finished by it."""

    def __init__(self, folder: Path, stage: str):
        self.folder, self.stage = folder, stage
        self.figures: dict[str, float | None] = {}
        self._buffers: dict[str, list[Record]] = {}
        self._types: dict[str, type[Record]] = {}
        self._shards: dict[str, list[FileEntry]] = {}
        self._digests: dict[str, RowDigest] = {}
        self._expected: set[str] = set()
        self._used: set[str] = set()
        self._outcome: dict[str, str] = {}
        self._dropped_ids: set[str] = set()
        self.dropped: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._adopted: dict[str, TableEntry] = {}
        self._adopted_kept = 0
        self.passing: list[Path] = []
        """Folders of the part to remove once all else is written: what a later attempt would go on from."""

    def expect(self, ids: Iterable[str]) -> None:
        """Declare input ids: each must be used, dropped or left when the stage ends."""
        self._expected.update(ids)

    def write(self, table: str, record: Record, uses: Iterable[str] = ()) -> None:
        """Add a record to a table; ``uses`` are the input ids that it was made from."""
        self._used.update(uses)
        kind = self._types.setdefault(table, type(record))
        if kind is not type(record):
            raise TypeError(f"table {table!r} holds {kind.__name__}, not {type(record).__name__}")
        buffer = self._buffers.setdefault(table, [])
        buffer.append(record)
        if len(buffer) >= SHARD_ROWS:
            self._flush(table)

    def use(self, ids: Iterable[str]) -> None:
        """Say that input ids are used by an output that is not a record (a checkpoint, a page)."""
        self._used.update(ids)

    def drop(
        self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "", parents: Iterable[str] = ()
    ) -> None:
        """Refuse a record, with the rule and the figures that decided; ``parents``: the inputs of a refused output."""
        self._end("dropped", record_id, rule, reason, witness, excerpt, parents)

    def leave(self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "") -> None:
        """Leave a record for later, with the reason."""
        self._end("left", record_id, rule, reason, witness, excerpt)

    def _end(
        self,
        outcome: Literal["dropped", "left"],
        record_id: str,
        rule: str,
        reason: str,
        witness: str,
        excerpt: str,
        parents: Iterable[str] = (),
    ) -> None:
        if record_id in self._outcome:
            return  # one outcome per record: the first rule that decided stands
        self._outcome[record_id] = rule
        if outcome == "dropped":
            self._dropped_ids.add(record_id)
        (self.dropped if outcome == "dropped" else self.left)[rule] += 1
        self._examples.setdefault(rule, f"{reason} {excerpt[:60]}".strip())
        self.write(
            "dropped",
            Dropped(
                record_id=record_id,
                stage=self.stage,
                outcome=outcome,
                rule=rule,
                reason=reason,
                witness=witness,
                excerpt=excerpt[:200],
                parents=tuple(parents),
            ),
        )

    def adopt(self, table: str, rows: int, digest: str, kept: int, dropped: dict[str, int]) -> None:
        """Take the Parquet files that lie in the folder as the shards of a table, with the account of its rows.

        Raises ConservationError where ``kept`` and ``dropped`` by rule do not add up to ``rows``.
        """
        if kept + sum(dropped.values()) != rows:
            raise ConservationError(
                f"stage {self.stage}: {rows:,} rows, but {kept:,} kept and {sum(dropped.values()):,} dropped; "
                "this is a defect of the stage, please report it"
            )
        files = []
        for number, path in enumerate(sorted(self.folder.glob("*.parquet"))):
            shard = path.rename(self.folder / f"{table}-{number:05d}.parquet")
            count = pq.read_metadata(shard).num_rows
            files.append(FileEntry(name=shard.name, rows=count, bytes=shard.stat().st_size, sha256=hash_file(shard)))
        self.take({table: TableEntry(rows=rows, digest=digest, files=tuple(files))}, kept, dropped, {})

    def take(
        self, tables: Mapping[str, TableEntry], kept: int, dropped: Mapping[str, int], left: Mapping[str, int]
    ) -> None:
        """Take tables whose shards lie in the folder under the names in their entries, with the account of what they
        were made from; a table that is there already grows."""
        for name, entry in tables.items():
            self._adopted[name] = self._adopted[name].joined(entry) if name in self._adopted else entry
        self._adopted_kept += kept
        self.dropped.update(dropped)
        self.left.update(left)

    def _flush(self, table: str) -> None:
        records = self._buffers.get(table, [])
        if not records:
            return
        rows = [record.model_dump(mode="python") for record in records]
        digest = self._digests.setdefault(table, RowDigest())
        for row in rows:
            digest.add(row)
        shards = self._shards.setdefault(table, [])
        name = f"{table}-{len(shards):05d}.parquet"
        path = self.folder / name
        data = pa.Table.from_pylist(rows, schema=schema_of(self._types[table]))
        pq.write_table(
            data, path, compression="zstd", compression_level=3, use_dictionary=False, row_group_size=SHARD_ROWS
        )
        shards.append(FileEntry(name=name, rows=len(rows), bytes=path.stat().st_size, sha256=hash_file(path)))
        self._buffers[table] = []

    def _settle(self, max_dropped: float) -> int:
        """Check the account; return how many inputs were used."""
        ended = set(self._outcome)
        lost = self._expected - self._used - ended
        if lost:
            raise ConservationError(
                f"stage {self.stage}: {len(lost):,} input records are neither used nor dropped nor left, "
                f"among them {sorted(lost)[0]}; this is a defect of the stage, please report it"
            )
        twice = self._expected & self._used & ended
        if twice:
            raise ConservationError(
                f"stage {self.stage}: {len(twice):,} input records are both used and dropped, "
                f"among them {sorted(twice)[0]}; this is a defect of the stage, please report it"
            )
        outputs = sum(d.rows for t, d in self._digests.items() if t != "dropped")
        outputs += sum(entry.rows for table, entry in self._adopted.items() if table != "dropped")
        extra = [p for p in self.folder.rglob("*") if p.is_file() and p.suffix != ".parquet" and p.name != "key.json"]
        if not outputs and not extra:
            raise StageError(
                f"stage {self.stage} wrote no record. {self._top_reasons()}next: mend the input, or the recipe"
            )
        lost_inputs = len(self._expected & self._dropped_ids)
        refused = len(self._dropped_ids) - lost_inputs
        for count, total, what in (
            (lost_inputs, len(self._expected) + self._adopted_kept, "of what it read"),
            (refused, refused + outputs, "of what it made"),
        ):
            if count > max_dropped * total:
                raise StageError(
                    f"stage {self.stage} dropped {count:,} of {total:,} records {what}, "
                    f"more than run.max_dropped = {max_dropped} allows. {self._top_reasons()}"
                    "next: mend the input, or raise run.max_dropped if this is as it should be"
                )
        return len(self._expected & self._used)

    def _top_reasons(self) -> str:
        reasons = (self.dropped + self.left).most_common(5)
        if not reasons:
            return "Nothing was dropped: the input holds nothing for this stage; check the paths and formats; "
        lines = [f"  {rule}: {n:,}, for example: {self._examples.get(rule, '')}" for rule, n in reasons]
        return "Top reasons:\n" + "\n".join(lines) + "\n"

    def finish(self, header: dict[str, Any], max_dropped: float) -> Manifest:
        """Flush, check the account, write the manifest. Called by `writing`."""
        for table in list(self._buffers):
            self._flush(table)
        kept = self._settle(max_dropped) + self._adopted_kept
        for path in self.passing:
            shutil.rmtree(path, ignore_errors=True)
        for name, digest in sorted(self._digests.items()):
            entry = TableEntry(rows=digest.rows, digest=digest.hexdigest(), files=tuple(self._shards[name]))
            self.take({name: entry}, 0, {}, {})
        tables = self._adopted
        shards = {entry.name for table in tables.values() for entry in table.files} | {"key.json", "manifest.json"}
        files = tuple(
            FileEntry(name=name, bytes=path.stat().st_size, sha256=hash_file(path))
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and (name := path.relative_to(self.folder).as_posix()) not in shards
        )
        parts = [f"{name} {table.digest}" for name, table in tables.items()] + [f"{f.name} {f.sha256}" for f in files]
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            digest=content_id(*parts),
            tables=tables,
            files=files,
            kept=kept,
            dropped=dict(sorted(self.dropped.items())),
            left=dict(sorted(self.left.items())),
            figures=self.figures,
            versions=package_versions(),
            machine=platform.machine(),
            finished=now(),
            **header,
        )
        (self.folder / "key.json").unlink(missing_ok=True)
        write_atomic(self.folder / "manifest.json", manifest.model_dump_json(indent=1))
        return manifest


def now() -> str:
    """The time in UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def writing(
    folder: Path,
    *,
    stage: str,
    stage_version: int = 1,
    key: str,
    recipe: dict[str, Any] | None = None,
    inputs: Iterable[InputEntry] = (),
    seed: int = 0,
    max_dropped: float = 1.0,
    resumable: bool = False,
) -> Iterator[Writer]:
    """A `Writer` whose data set gets its final name when the block ends without an error.

    A ``resumable`` stage finds what an earlier attempt with the same key left in ``Writer.folder``; any other starts
    empty. After an error the part stays aside and the old data set, if any, is untouched.
    Raises BusyError, ConservationError, StageError.
    """
    with locked(folder):
        part = part_of(folder)
        if part.exists() and not (resumable and begun_key(folder) == key):
            shutil.rmtree(part)
        part.mkdir(parents=True, exist_ok=True)
        inputs = tuple(inputs)
        read = {entry.name: entry.digest for entry in inputs}
        said = {"key": key, "stage_version": stage_version, "recipe": recipe or {}, "seed": seed, "inputs": read}
        write_atomic(part / "key.json", canonical_json(said))
        started, cpu = now(), cpu_seconds()
        writer = Writer(part, stage)
        yield writer
        header = {
            "stage": stage,
            "stage_version": stage_version,
            "key": key,
            "recipe": recipe or {},
            "inputs": inputs,
            "seed": seed,
            "cpu_seconds": round(cpu_seconds() - cpu, 3),
            "started": started,
        }
        writer.finish(header, max_dropped)
        _swap(part, folder)


def begun_key(folder: Path) -> str:
    """The key under which an unfinished attempt at a data set was begun; empty where there is none."""
    return str(begun(folder).get("key", ""))


def begun(folder: Path) -> dict[str, Any]:
    """What an unfinished data set is made with: key, stage_version, recipe, seed, digests of its inputs by name; empty
    where there is none or it does not say."""
    try:
        found = json.loads((part_of(folder) / "key.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def part_of(folder: Path) -> Path:
    """Where a data set lies while it is made."""
    return folder.with_name(folder.name + ".part")


def _swap(part: Path, folder: Path) -> None:
    """Give the finished part its final name; the old data set goes last."""
    old = folder.with_name(folder.name + ".old")
    if old.exists():
        shutil.rmtree(old)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    sync_folder(folder.parent)
    if old.exists():
        shutil.rmtree(old)


def recover(folder: Path) -> None:
    """Finish a renaming that a crash cut short: a part that has its manifest is whole and gets its final name."""
    if not folder.exists() and (part_of(folder) / "manifest.json").exists():
        with locked(folder):
            _swap(part_of(folder), folder)


def is_finished(folder: Path, key: str) -> bool:
    """Whether the folder holds a whole data set made under this key.

    Raises DataError where a file of such a data set is missing or was changed, or a newer version wrote it.
    """
    if not (folder / "manifest.json").exists():
        return False
    return read_manifest(folder).key == key and bool(verify(folder))
