"""Content ids, digests, atomic files and the one write lock of a folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from huatuo.errors import BusyError, InputError

VOLATILE_FIELDS = frozenset({"time", "seconds"})
"""Fields that say when, not what: never part of a digest."""


def content_id(*parts: str) -> str:
    """32 hexadecimal digits: SHA-256 of the parts, each with its length, cut to 128 bits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]


def content_ids(head: Iterable[str], *columns: Iterable[str]) -> list[str]:
    """`content_id` of what is in ``head`` and one part of each column, row by row."""
    rows = zip(*(map(with_length, column) for column in columns), strict=True)
    before = with_lengths(head)
    return hashed(b"".join((before, *parts)) for parts in rows)


def with_length(part: str) -> bytes:
    """The bytes of a part of a content id, after their number."""
    data = part.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "big") + data


def with_lengths(parts: Iterable[str]) -> bytes:
    """`with_length` of each part, one after the other."""
    return b"".join(map(with_length, parts))


def hashed(rows: Iterable[bytes]) -> list[str]:
    """32 hexadecimal digits of each row of bytes: SHA-256, cut to 128 bits. What `content_id` says of its parts."""
    digits = b"".join([hashlib.sha256(row).digest() for row in rows]).hex()
    return [digits[at : at + 32] for at in range(0, len(digits), 64)]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: the same text for the same value everywhere."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def regular_files(folder: Path) -> list[tuple[str, Path]]:
    """(path within the folder with ``/``, path) of every file below it, sorted; linked folders are entered once.

    Hidden files and folders are left out. Raises InputError for a folder that may not be read, and for what is no
    file: a broken link or a pipe would otherwise be lost in silence.
    """
    found, entered = [], set()
    waiting = [(folder, "")]
    while waiting:
        place, prefix = waiting.pop()
        identity = place.stat().st_dev, place.stat().st_ino
        if identity in entered:
            continue
        entered.add(identity)
        try:
            names = sorted(os.listdir(place))
        except OSError as error:
            raise InputError(f"{place}: cannot be read ({error.strerror}); next: give the right to read it") from None
        for name in names:
            path, within = place / name, f"{prefix}{name}"
            if name.startswith("."):
                continue
            if path.is_dir():
                waiting.append((path, f"{within}/"))
            elif path.is_file():
                found.append((within, path))
            else:
                raise InputError(f"{path}: neither file nor folder (a broken link or a pipe); next: remove or mend it")
    return sorted(found)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder: of the names and hashes of all files in it, sorted."""
    if path.is_dir():
        lines = [f"{within} {hash_file(p)}" for within, p in regular_files(path)]
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
        self._sum = (
            self._sum + int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        ) % 2**256
        self.rows += 1

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:064x}"

    @staticmethod
    def joined(one: str, other: str) -> str:
        """The digest of the rows of both, from their digests."""
        return f"{(int(one, 16) + int(other, 16)) % 2**256:064x}"

    @staticmethod
    def without(whole: str, part: str) -> str:
        """The digest of the rows that are left of ``whole`` when those of ``part`` are taken out."""
        return f"{(int(whole, 16) - int(part, 16)) % 2**256:064x}"


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


class SystemErrors:
    """A block in which an error of the system that a library written in Rust (safetensors, tokenizers) passes on as
    text alone, "... (os error 28)", is raised as the OSError that it was, with ``place`` as its file."""

    def __init__(self, place: Path):
        self.place = place

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Raise OSError for such an error; any other one goes on."""
        said = re.search(r"\(os error (\d+)\)", str(error)) if error and not isinstance(error, OSError) else None
        if said:
            number = int(said[1])
            raise OSError(number, os.strerror(number), str(self.place)) from error


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
