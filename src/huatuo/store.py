"""Data sets on disk: a folder of Parquet shards and a ``manifest.json`` that is written last and means "finished".

A folder under its final name is always whole: a stage writes beside it (``<folder>.part``), and the finished part is
renamed over the old one. A lock held by the kernel allows one writer per folder and ends with the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import types
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

import huatuo
from huatuo.errors import BusyError, ConservationError, DataError, StageError
from huatuo.progress import cpu_seconds
from huatuo.records import Dropped, Record

FORMAT_VERSION = 1
"""Version of the layout of a data set; a newer one on disk is refused."""

SHARD_ROWS = 25_000
"""Rows per shard and row group: larger row groups break streaming readers."""

VOLATILE_FIELDS = frozenset({"time", "seconds"})
"""Fields that say when, not what: never part of a digest."""

RecordT = TypeVar("RecordT", bound=Record)


# ---------------------------------------------------------------- ids and hashes


def content_id(*parts: str) -> str:
    """32 hexadecimal digits: SHA-256 of the parts, each with its length, cut to 128 bits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: the same text for the same value everywhere."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder: of the names and hashes of all files in it, sorted."""
    if path.is_dir():
        lines = [f"{p.relative_to(path).as_posix()} {hash_file(p)}" for p in sorted(path.rglob("*")) if p.is_file()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(item) for key, item in value.items() if key not in VOLATILE_FIELDS}
    if isinstance(value, (list, tuple)):
        return [_without_volatile(item) for item in value]
    return value


class RowDigest:
    """A digest of a multiset of rows: the sum of their hashes modulo 2**256, so their order does not matter."""

    def __init__(self) -> None:
        self._sum, self.rows = 0, 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one more row."""
        text = canonical_json(_without_volatile(dict(row)))
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())) % 2**256
        self.rows += 1

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:064x}"


# ---------------------------------------------------------------- atomic files


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write beside, fsync, rename: the file is either old or new, never half."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with beside.open("wb") as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the one write lock of ``folder``. The kernel releases it at death; the lock file may stay.

    Raises BusyError where another process holds it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(folder.parent / f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"{folder}: another huatuo process is writing here; expected one at a time; "
            "next: wait for it, or give this run another name (-s run.name=...)"
        ) from None
    try:
        yield
    finally:
        lock.release()


# ---------------------------------------------------------------- record type -> Arrow schema

_SCALARS: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _arrow_type(annotation: Any) -> pa.DataType:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return pa.string()
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        if len(inner) == 1:
            return _arrow_type(inner[0])
    if origin is tuple:
        return pa.list_(_arrow_type(typing.get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return pa.struct(list(schema_of(annotation)))
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    raise TypeError(f"no Arrow type for {annotation!r}")


def schema_of(record_type: type[Record]) -> pa.Schema:
    """The Arrow schema of a record type: strings, integers, floats, booleans, lists and structs of them."""
    return pa.schema([pa.field(name, _arrow_type(f.annotation)) for name, f in record_type.model_fields.items()])


# ---------------------------------------------------------------- manifest


class FileEntry(Record):
    """One file of a data set."""

    name: str
    """Path within the folder, ``/`` between parts."""
    rows: int = 0
    """Rows, for a shard."""
    bytes: int
    """Size."""
    sha256: str
    """Hash of the bytes."""


class TableEntry(Record):
    """One table of a data set."""

    rows: int
    """Rows in all shards."""
    digest: str
    """`RowDigest` of the rows: independent of order, shards, time and Parquet version."""
    files: tuple[FileEntry, ...]
    """The shards in order."""


class InputEntry(Record):
    """One input of a stage."""

    name: str
    """Stage or file name."""
    digest: str
    """Digest of the data set, or hash of the file."""
    rows: dict[str, int] = Field(default_factory=dict)
    """Rows per table, for a data set."""


class Manifest(Record):
    """What a finished data set is, and what it was made from."""

    format_version: int
    """`FORMAT_VERSION` of the writer."""
    stage: str
    """Stage that made it."""
    stage_version: int
    """The stage's ``VERSION``."""
    key: str
    """Hash of everything the output depends on: equal keys mean the stage need not run again."""
    digest: str
    """Digest of all tables and other files."""
    recipe: dict[str, Any]
    """The stage's resolved recipe table."""
    inputs: tuple[InputEntry, ...]
    """What was read."""
    tables: dict[str, TableEntry]
    """The tables."""
    files: tuple[FileEntry, ...] = ()
    """Files that are not tables: checkpoints, pages."""
    kept: int
    """Input records that at least one output uses."""
    dropped: dict[str, int]
    """Dropped input records per rule."""
    left: dict[str, int]
    """Input records left for later, per rule."""
    figures: dict[str, float | None]
    """Numbers of the stage: tokens, cost, seconds of a part."""
    seed: int
    """The run's seed."""
    versions: dict[str, str]
    """Python and the packages that the result may depend on."""
    machine: str
    """Processor type."""
    cpu_seconds: float
    """CPU-seconds of the stage, children included."""
    started: str
    """UTC, ISO 8601."""
    finished: str
    """UTC, ISO 8601."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished data set.

    Raises DataError where there is none, where it cannot be read, or where a newer version wrote it.
    """
    path = folder / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no manifest.json, so this is no finished data set; next: run the stage that makes it"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable ({error}); next: delete the folder and run the stage again") from None
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise DataError(
            f"{path}: written by a newer huatuo (format {version}, this one reads up to {FORMAT_VERSION}); "
            "next: upgrade huatuo, or run the stage again with this version in another run folder"
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where}: {first['msg']}; next: delete the folder and run the stage again") from None


def verify(folder: Path, deep: bool = False) -> Manifest:
    """The manifest, after checking that every file it lists is there with its size (``deep``: and its hash).

    Raises DataError naming the first file that is missing or differs.
    """
    manifest = read_manifest(folder)
    for entry in [f for t in manifest.tables.values() for f in t.files] + list(manifest.files):
        path = folder / entry.name
        if not path.exists():
            raise DataError(
                f"{path}: listed in the manifest but missing; expected {entry.bytes:,} bytes; "
                f"next: restore it, or delete {folder} and run the stage again"
            )
        if path.stat().st_size != entry.bytes or (deep and hash_file(path) != entry.sha256):
            raise DataError(
                f"{path}: changed since it was written ({path.stat().st_size:,} bytes, expected {entry.bytes:,}); "
                f"next: restore it, or delete {folder} and run the stage again"
            )
    return manifest


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
            yield from pq.ParquetFile(folder / shard.name).iter_batches(columns=columns)
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
        self.dropped: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

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

    def drop(self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "") -> None:
        """Refuse a record, with the rule and the figures that decided."""
        self._end("dropped", record_id, rule, reason, witness, excerpt)

    def leave(self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "") -> None:
        """Leave a record for later, with the reason."""
        self._end("left", record_id, rule, reason, witness, excerpt)

    def _end(
        self, outcome: Literal["dropped", "left"], record_id: str, rule: str, reason: str, witness: str, excerpt: str
    ) -> None:
        if record_id in self._outcome:
            return  # one outcome per record: the first rule that decided stands
        self._outcome[record_id] = rule
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
            ),
        )

    def is_ended(self, record_id: str) -> bool:
        """Whether the record was dropped or left already."""
        return record_id in self._outcome

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
        pq.write_table(data, path, compression="zstd", compression_level=3, use_dictionary=False, row_group_size=SHARD_ROWS)
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
        extra = [p for p in self.folder.rglob("*") if p.is_file() and p.suffix != ".parquet" and p.name != "key.json"]
        if not outputs and not extra:
            raise StageError(f"stage {self.stage} wrote no record. {self._top_reasons()}")
        total = len(self._expected | ended)
        refused = sum(self.dropped.values())
        if total and refused > max_dropped * total:
            raise StageError(
                f"stage {self.stage} dropped {refused:,} of {total:,} records, more than run.max_dropped = {max_dropped} "
                f"allows. {self._top_reasons()} next: mend the input, or raise run.max_dropped if this is as it should be"
            )
        return len(self._expected & self._used)

    def _top_reasons(self) -> str:
        reasons = (self.dropped + self.left).most_common(5)
        if not reasons:
            return "Nothing was dropped: the input holds nothing that this stage can use; next: check the paths and formats."
        lines = [f"  {rule}: {n:,}, for example: {self._examples[rule]}" for rule, n in reasons]
        return "Top reasons:\n" + "\n".join(lines) + "\n"

    def finish(self, header: dict[str, Any], max_dropped: float) -> Manifest:
        """Flush, check the account, write the manifest. Called by `writing`."""
        for table in list(self._buffers):
            self._flush(table)
        kept = self._settle(max_dropped)
        tables = {
            name: TableEntry(rows=digest.rows, digest=digest.hexdigest(), files=tuple(self._shards[name]))
            for name, digest in sorted(self._digests.items())
        }
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


def package_versions() -> dict[str, str]:
    """Versions of Python, huatuo and the installed packages that a result may depend on."""
    found = {"python": platform.python_version(), "huatuo": huatuo.__version__}
    for name in ("numpy", "pyarrow", "tokenizers", "torch", "transformers", "peft", "sentencex"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


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
        part = folder.with_name(folder.name + ".part")
        if part.exists() and not (resumable and _key_of(part) == key):
            shutil.rmtree(part)
        part.mkdir(parents=True, exist_ok=True)
        write_atomic(part / "key.json", canonical_json({"key": key}))
        started, cpu = now(), cpu_seconds()
        writer = Writer(part, stage)
        yield writer
        header = {
            "stage": stage,
            "stage_version": stage_version,
            "key": key,
            "recipe": recipe or {},
            "inputs": tuple(inputs),
            "seed": seed,
            "cpu_seconds": round(cpu_seconds() - cpu, 3),
            "started": started,
        }
        writer.finish(header, max_dropped)
        _swap(part, folder)


def _key_of(part: Path) -> str:
    try:
        return str(json.loads((part / "key.json").read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError):
        return ""


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


def is_finished(folder: Path, key: str) -> bool:
    """Whether the folder holds a whole data set made under this key.

    Raises DataError where a file of such a data set is missing or was changed, or a newer version wrote it.
    """
    if not (folder / "manifest.json").exists():
        return False
    return read_manifest(folder).key == key and bool(verify(folder))
