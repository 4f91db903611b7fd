"""Daft as an engine of curation: natively on this machine, or on the Ray cluster at an address.

Daft and Ray are imported inside, and their telemetry is off.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from huatuo.corpus.engines import BATCH_ROWS, ROWS, Advance, Pass, cast
from huatuo.corpus.rows import in_parts
from huatuo.errors import InputError, StageError, require

ANSWER_S = 5.0
"""Seconds that a cluster's address has to answer."""

SILENT = {
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "DAFT_RUNNER": "native",
}
"""Environment that switches telemetry of Daft and Ray off. The runner may be chosen once per process; by default it is
the native one."""


GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC, which the head of a Ray cluster speaks, begins: preface and empty settings (RFC 9113, 3.4)."""


def check_address(address: str) -> None:
    """Nothing. Raises InputError where no Ray cluster answers at ``host:port``: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    begin, end = (
        f"corpus.engine = 'ray://{address}': ",
        "next: start the cluster (ray start --head) or mend the address",
    )
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return  # what is encrypted cannot be greeted in plain words
            connection.sendall(GREETING)
            answer = connection.recv(9)
    except OSError as error:
        said = f"no answer within {ANSWER_S:.0f} s ({error.strerror or error})"
        raise InputError(f"{begin}{said}; nothing was computed; {end}") from None
    if answer[3:4] != b"\x04":  # the settings of a server that speaks HTTP/2
        raise InputError(f"{begin}what answers there is no Ray cluster ({answer!r}); nothing was computed; {end}")


@dataclass(frozen=True)
class Daft:
    """Daft on this machine's threads, or on the Ray cluster at an address."""

    address: str = ""
    batch_rows: int = BATCH_ROWS

    def __post_init__(self) -> None:
        """Choose where Daft runs, once per process."""
        if self.address:
            check_address(self.address)
        os.environ.update(SILENT)
        daft = require("daft", "cluster")
        if self.address:
            require("ray", "cluster")
            try:
                daft.set_runner_ray(self.address, noop_if_initialized=True)
            except OSError as error:
                raise InputError(
                    f"corpus.engine = 'ray://{self.address}': {str(error).splitlines()[0]}; nothing was computed; "
                    "next: start the cluster (ray start --head) or mend the address"
                ) from None

    def map(self, work: Pass, files: Sequence[Any], out: Path, advance: Advance) -> None:
        """See `Engine.map`."""
        daft = require("daft", "cluster")
        named, inner = work.reads.names, pa.struct(list(work.makes))
        kind = pa.list_(inner) if work.explode else inner
        returns = daft.DataType.from_arrow_type(kind)

        # Daft's native threads would wait for each other's interpreter lock, and take a fifth more CPU for it
        turn = nullcontext if self.address else _one_at_a_time

        @daft.func.batch(return_dtype=returns, batch_size=self.batch_rows)  # type: ignore[untyped-decorator]
        def run(*columns: Any) -> Any:
            arrays = [_plain(column.to_arrow()) for column in columns]
            rows = cast(pa.RecordBatch.from_arrays(arrays, names=named), work.reads)
            with turn():
                made = in_parts(rows, work.stage, work.text)
            return made.column(ROWS) if work.explode else cast(made, work.makes).to_struct_array()

        frame = self._read(files, named)
        if work.open_only:
            frame = frame.where(daft.col("reason") == "")
        frame = frame.select(run(*(daft.col(name) for name in named)).alias(ROWS))
        if work.explode:
            frame = frame.explode(ROWS).where(daft.col(ROWS).not_null())
        with _said():
            frame.select(daft.col(ROWS).unnest()).write_parquet(str(out), compression="lz4")
        advance(sum(pq.read_metadata(path).num_rows for path in files))

    def group_min(self, files: Sequence[Path], key: str, value: str) -> dict[str, str]:
        """See `Engine.group_min`."""
        col = require("daft", "cluster").col
        frame = self._read(files, [key, value, "reason"]).where(col("reason") == "")
        frame = frame.groupby(key).agg(col(value).min().alias("least"), col(value).count().alias("rows"))
        with _said():
            found = frame.where(col("rows") > 1).to_pydict()
        return dict(zip(found[key], found["least"], strict=True))

    def _read(self, files: Sequence[Path], names: Sequence[str]) -> Any:
        daft = require("daft", "cluster")
        return daft.read_parquet([str(path) for path in files]).select(*names)


_TURN = threading.Lock()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with _TURN:
        yield


@contextmanager
def _said() -> Iterator[None]:
    """Turns an error of Daft or Ray into one that names the next step."""
    failure = require("daft.exceptions", "cluster").DaftCoreException
    try:
        yield
    except failure as error:
        first = " ".join(str(error).split())[:400]
        raise StageError(
            f"Daft could not finish the stage: {first}; nothing finished is lost; next: mend that (memory, free space, "
            "cluster), or run the same command with corpus.engine = 'here'"
        ) from error


def _plain(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
