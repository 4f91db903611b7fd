"""The manifest of a data set: written last, it means "finished"."""

from __future__ import annotations

import json
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

import huatuo
from huatuo.errors import DataError
from huatuo.files import RowDigest, hash_file
from huatuo.records import Record

FORMAT_VERSION = 1
"""Version of the layout of a data set; a newer one on disk is refused."""


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

    def joined(self, other: TableEntry) -> TableEntry:
        """The entry of a table that holds the rows of both."""
        digest = RowDigest.joined(self.digest, other.digest)
        return TableEntry(rows=self.rows + other.rows, digest=digest, files=(*self.files, *other.files))


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
    """Dropped records per rule: inputs, and outputs that were refused."""
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
                f"{path}: changed since it was written ({_how(path, entry)}); "
                f"next: restore it, or delete {folder} and run the stage again"
            )
    return manifest


def _how(path: Path, entry: FileEntry) -> str:
    """In what a file differs from its entry."""
    size = path.stat().st_size
    return "its SHA-256 differs" if size == entry.bytes else f"{size:,} bytes, expected {entry.bytes:,}"


def package_versions() -> dict[str, str]:
    """Versions of Python, huatuo and the installed packages that a result may depend on; read once per process."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "huatuo": huatuo.__version__}
    for name in ("numpy", "pyarrow", "tokenizers", "torch", "transformers", "peft", "sentencex"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
