"""Where a bulk stage runs: in this process, in a pool of processes, or on Daft (`huatuo.corpus.cluster`).

A stage does not know where it runs, and every engine writes the same rows; only the borders of the files differ. An
engine reads Parquet files, hands batches to the stage and writes Parquet files; `huatuo.corpus.bulk` makes a data set
of them.
"""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from huatuo.corpus.rows import parts
from huatuo.errors import DataError, StageError
from huatuo.store import SHARD_ROWS

BATCH_ROWS = 2_000
"""Rows handed to a stage at once, unless told otherwise; stages work in smaller chunks inside."""

GROUP_BYTES = 64 << 20
"""Bytes after which a row group is written although it has fewer than `SHARD_ROWS` rows: whole books are long."""

ROWS = "rows"
"""The list column of a pass that makes several rows of one."""

TASKS = 16
"""Tasks per process that files are shared out into at most."""

DEATHS = 3
"""Times that killed workers of a pool are replaced in a pass: a text that exhausts the memory would kill for ever."""

Advance = Callable[[float], None]


@dataclass(frozen=True)
class Pass:
    """One pass over rows: what is read, what is done to a batch, what comes out."""

    reads: pa.Schema
    """Columns that are read, with their types."""
    stage: Callable[[pa.RecordBatch], pa.RecordBatch]
    """Row-aligned function; with ``explode`` it returns the one column `ROWS`, a list of structs of ``makes``."""
    makes: pa.Schema
    """Columns of the rows that come out."""
    explode: bool = False
    """Whether each row becomes the rows in its list."""
    open_only: bool = False
    """Whether rows with a reason are passed over."""
    text: str = ""
    """Column whose size says how many rows the stage is given at a time (`huatuo.corpus.rows.shares`); empty: all."""
    opens: Callable[[Any], Iterator[pa.RecordBatch]] | None = None
    """What reads a file that is no Parquet file of ``reads``."""


class Engine(Protocol):
    """Where a bulk stage runs."""

    def map(self, work: Pass, files: Sequence[Any], out: Path, advance: Advance) -> None:
        """Nothing; writes ``out/*.parquet`` with what the pass makes of the rows of ``files``."""
        ...

    def group_min(self, files: Sequence[Path], key: str, value: str) -> dict[str, str]:
        """Key (32 hexadecimal digits) → smallest value, of the keys that several rows without a reason hold."""
        ...


def engine_of(line: str, batch_rows: int = BATCH_ROWS) -> Engine:
    """The engine of a recipe's line: ``here``, ``pool``, ``pool:4``, ``daft``, ``ray://host:port``.

    Raises InputError for a cluster that does not answer, MissingExtraError where Daft is not installed.
    """
    kind, _, rest = line.partition(":")
    if kind == "here":
        return Here(batch_rows)
    if kind == "pool":
        return Pool(int(rest) if rest else os.cpu_count() or 1, batch_rows)
    from huatuo.corpus.cluster import Daft

    if kind == "daft":
        return Daft("", batch_rows)
    return Daft(rest.removeprefix("//"), batch_rows)


# ---------------------------------------------------------------- in this process


def read_rows(path: Path, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """The columns of a schema in a Parquet file, in batches of at most ``rows``.

    Raises DataError where the file cannot be read or lacks a column.
    """
    try:
        file = pq.ParquetFile(path)
        lacks = [name for name in schema.names if name not in file.schema_arrow.names]
        if lacks:
            raise DataError(f"{path}: has no column {lacks[0]!r}; next: delete its folder and run again")
        for group in range(file.num_row_groups):  # a batch over several groups of whole books would be gigabytes
            for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=schema.names):
                yield cast(batch, schema)
    except pa.ArrowException as error:
        raise DataError(f"{path}: not readable ({error}); next: delete its folder and run again") from None


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a schema, in its order and types (another engine writes long strings and lists)."""
    columns = ((batch.column(f.name), f.type) for f in schema)
    return pa.RecordBatch.from_arrays([c if c.type == kind else c.cast(kind) for c, kind in columns], schema=schema)


def opened(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without a reason."""
    return batch.filter(pc.equal(batch.column("reason"), ""))


def exploded(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows in the lists of the column `ROWS`."""
    inner = batch.column(ROWS).flatten()
    return pa.RecordBatch.from_arrays(inner.flatten(), schema=schema)


@dataclass
class _Files:
    """Writes rows to numbered files, each of at most about `SHARD_ROWS` rows and `GROUP_BYTES` bytes."""

    out: Path
    stem: str
    schema: pa.Schema
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    size: int = 0
    written: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """More rows."""
        self.waiting.append(batch)
        self.rows += batch.num_rows  # counted as they come: a source of 100,000 small files is as many batches
        self.size += batch.nbytes
        if self.rows >= SHARD_ROWS or self.size >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        rows = pa.Table.from_batches(self.waiting, self.schema)
        if rows.num_rows:
            path = self.out / f"{self.stem}-{self.written:05d}.parquet"
            write_rows(rows, path)
            self.written += 1
        self.waiting.clear()
        self.rows = self.size = 0


def write_rows(rows: pa.Table, path: Path) -> None:
    """Nothing; writes rows of a stage as one file. Raises OSError naming it."""
    try:
        # lz4: a tenth of the whole run faster than zstd, in files a third larger that live as long as the run
        pq.write_table(
            rows, path, compression="lz4", use_dictionary=False, write_statistics=False, row_group_size=SHARD_ROWS
        )
    except OSError as error:  # Arrow does not say which file
        raise OSError(error.errno or errno.EIO, str(error), str(path)) from None


def work_files(work: Pass, files: Sequence[Any], out: Path, stem: str, rows: int, advance: Advance) -> int:
    """How many rows were read; writes what the pass makes of some files to ``out``; ``stem`` begins their names."""
    to, count = _Files(out, stem, work.makes), 0
    for path in files:
        for batch in work.opens(path) if work.opens else read_rows(path, work.reads, rows):
            for part in parts(opened(batch) if work.open_only else batch, work.text):
                made = work.stage(part)
                to.add(exploded(made, work.makes) if work.explode else cast(made, work.makes))
            count += batch.num_rows
            advance(batch.num_rows)
    to.flush()
    return count


def smallest(batches: Iterator[pa.RecordBatch], key: str, value: str) -> dict[str, str]:
    """Key → smallest value of the keys that several rows without a reason hold: a function of the set of rows, so any
    split and order gives it."""
    parts = [opened(batch).select([key, value]) for batch in batches]
    if not parts:
        return {}
    found = pa.Table.from_batches(parts).group_by(key).aggregate([(value, "min"), (value, "count")])
    found = found.filter(pc.greater(found[f"{value}_count"], 1))
    return dict(zip(found[key].to_pylist(), found[f"{value}_min"].to_pylist(), strict=True))


def _begins(keys: pa.StringArray) -> npt.NDArray[np.uint64]:
    """The first 64 bits of keys of 32 hexadecimal digits."""
    digits = b"".join(keys.cast(pa.binary()).to_pylist()).decode("ascii")
    return np.frombuffer(bytes.fromhex(digits), dtype=np.uint64)[::2]


@contextmanager
def own_memory() -> Iterator[None]:
    """Arrow's memory comes from the C library for the length of the block, which keeps freed pages for the next batch:
    Arrow's own pool returns them and takes them again, a tenth of the time of a run."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


@dataclass(frozen=True)
class Here:
    """This process."""

    batch_rows: int = BATCH_ROWS

    def map(self, work: Pass, files: Sequence[Any], out: Path, advance: Advance) -> None:
        """See `Engine.map`."""
        work_files(work, files, out, "part", self.batch_rows, advance)

    def group_min(self, files: Sequence[Path], key: str, value: str) -> dict[str, str]:
        """See `Engine.group_min`. The first look is at 8 bytes of each key: to group all rows takes 500 a row."""

        def rows(*names: str) -> Iterator[pa.RecordBatch]:
            schema = pa.schema([(name, pa.string()) for name in (*names, "reason")])
            return (opened(batch) for path in files for batch in read_rows(path, schema, SHARD_ROWS))

        begins = np.concatenate([np.zeros(0, np.uint64), *(_begins(batch.column(key)) for batch in rows(key))])
        begins.sort()
        twice = pa.array(np.unique(begins[1:][begins[1:] == begins[:-1]]))
        held = (
            batch.filter(pc.is_in(pa.array(_begins(batch.column(key))), value_set=twice)) for batch in rows(key, value)
        )
        return smallest(held, key, value)


# ---------------------------------------------------------------- a pool of processes

_WORK: list[Pass] = []
"""The pass of a worker process: sent once, not with every file."""


def _begin(pickled: bytes) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends the pool
    pa.set_memory_pool(pa.system_memory_pool())
    _WORK[:] = [pickle.loads(pickled)]


def _work_some(files: Sequence[Any], out: Path, stem: str, rows: int) -> int:
    return work_files(_WORK[0], files, out, stem, rows, lambda _: None)


@dataclass(frozen=True)
class Pool:
    """Processes of this machine, some files at a time each."""

    workers: int
    batch_rows: int = BATCH_ROWS

    def map(self, work: Pass, files: Sequence[Any], out: Path, advance: Advance) -> None:
        """See `Engine.map`."""
        size = max(1, len(files) // (self.workers * TASKS))
        left = {f"part-{at:07d}": files[at : at + size] for at in range(0, len(files), size)}
        for _ in range(1 + DEATHS):
            left = self._work_all(work, left, out, advance)
            if not left:
                return
            for path in (path for stem in left for path in out.glob(f"{stem}-*.parquet")):
                path.unlink()  # half of a task
        raise StageError(
            f"worker processes were killed {1 + DEATHS} times (out of memory?); nothing finished is lost; next: the "
            "same command again, with fewer processes (corpus.engine = 'pool:N')"
        )

    def _work_all(
        self, work: Pass, tasks: dict[str, Sequence[Any]], out: Path, advance: Advance
    ) -> dict[str, Sequence[Any]]:
        """The tasks, by the stem of their files, that are not done because a worker was killed."""
        left = dict(tasks)
        pool = ProcessPoolExecutor(
            min(self.workers, max(len(tasks), 1)), get_context("spawn"), _begin, (pickle.dumps(work),)
        )
        try:
            begun = {pool.submit(_work_some, some, out, stem, self.batch_rows): stem for stem, some in tasks.items()}
            for task in as_completed(begun):
                advance(task.result())
                del left[begun[task]]
        except BrokenProcessPool:
            return left
        finally:
            pool.shutdown(cancel_futures=True)
        return left

    def group_min(self, files: Sequence[Path], key: str, value: str) -> dict[str, str]:
        """See `Engine.group_min`: two columns are read, which one process does as fast."""
        return Here(self.batch_rows).group_min(files, key, value)
