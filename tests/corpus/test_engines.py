"""Every engine applies, groups and refuses alike, and a worker that dies is replaced or named."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_makers import lines, records, settings

from huatuo.corpus import bulk, cluster, engines
from huatuo.corpus.cluster import Daft
from huatuo.corpus.engines import ROWS, Here, Pass, Pool, engine_of
from huatuo.errors import InputError

RECORDS = records(10)


def doubled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Each number as often as it says."""
    numbers = batch.column("n").to_pylist()
    rows = [[{"n": n} for _ in range(n)] for n in numbers]
    return pa.RecordBatch.from_arrays([pa.array(rows, pa.list_(pa.struct([("n", pa.int64())])))], names=[ROWS])


def refusing(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A stage that its disk refuses."""
    raise OSError(28, "No space left on device")


@pytest.mark.slow
def test_an_error_inside_daft_is_one_error(tmp_path: Path) -> None:
    pytest.importorskip("daft")
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    work = Pass(pa.schema([("n", pa.int64())]), refusing, pa.schema([("n", pa.int64())]))
    with pytest.raises((engines.StageError, OSError), match="No space left"):
        Daft().map(work, [tmp_path / "a.parquet"], tmp_path / "out", lambda _: None)


def all_engines() -> Iterator[Any]:
    yield lambda: Here(3)
    yield pytest.param(lambda: Pool(2, 3), marks=pytest.mark.slow)
    yield pytest.param(lambda: Daft("", 3), marks=pytest.mark.slow)


def key_of(number: int) -> str:
    return f"{number % 2:016x}{number:016x}"  # two keys each begin alike


@pytest.mark.parametrize("engine", all_engines(), ids=["here", "pool", "daft"])
def test_engines_explode_and_group_alike(engine: Callable[[], engines.Engine], tmp_path: Path) -> None:
    if "Daft" in engine.__code__.co_names:
        pytest.importorskip("daft")
    for shard in range(3):
        numbers = list(range(shard, 30, 3))
        table = {"n": numbers, "reason": ["" if n % 5 else "x: y" for n in numbers]}
        # one key stands alone, and begins as others do
        keys = {"key": [key_of(n % 4 if n != 29 else 9) for n in numbers], "rank": [f"{99 - n}" for n in numbers]}
        pq.write_table(pa.table(table | keys), tmp_path / f"{shard}.parquet")
    files, out = sorted(tmp_path.glob("*.parquet")), tmp_path / "out"
    out.mkdir()
    made = pa.schema([("n", pa.int64())])
    reads = pa.schema([("n", pa.int64()), ("reason", pa.string())])
    running, seen = engine(), []
    running.map(Pass(reads, doubled, made, explode=True, open_only=True), files, out, seen.append)
    found = Counter(n for path in out.glob("*.parquet") for n in pq.read_table(path)["n"].to_pylist())
    assert found == {n: n for n in range(30) if n % 5}
    assert sum(seen) >= 24
    ranks = {key_of(k): min(str(99 - n) for n in range(29) if n % 5 and n % 4 == k) for k in range(4)}
    assert running.group_min(files, "key", "rank") == ranks


def test_a_cluster_that_does_not_answer_is_one_error(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", RECORDS)
    with pytest.raises(InputError, match=r"no answer within 5 s .* nothing was computed"):
        list(bulk.curate(settings(source, engine="ray://127.0.0.1:9"), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_no_cluster_is_one_error(says: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port where somebody else listens, and says nothing or something else."""
    monkeypatch.setattr(cluster, "ANSWER_S", 0.5)
    source = lines(tmp_path / "in.jsonl", RECORDS)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(says)
                connection.recv(1 << 10)
                if not says:
                    time.sleep(1)

        thread = threading.Thread(target=answer)
        thread.start()
        said = "what answers there is no Ray cluster" if says else "no answer within"
        with pytest.raises(InputError, match=f"{said}.*nothing was computed"):
            list(bulk.curate(settings(source, engine=f"ray://127.0.0.1:{server.getsockname()[1]}"), tmp_path / "out"))
        thread.join()
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_greets_and_then_fails_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy, say, speaks HTTP/2 for every address, and Ray finds out only later."""

    class Fake:
        @staticmethod
        def set_runner_ray(address: str, noop_if_initialized: bool) -> None:
            raise ConnectionError(f"Failed to connect to Ray cluster at {address}\nand more")

    monkeypatch.setattr(cluster, "check_address", lambda address: None)
    monkeypatch.setattr(cluster, "require", lambda name, extra: Fake)
    source = lines(tmp_path / "in.jsonl", RECORDS)
    with pytest.raises(InputError, match=r"at h:1; nothing was computed; next: start the cluster"):
        list(bulk.curate(settings(source, engine="ray://h:1"), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_telemetry_of_engines_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("daft")
    names = ("DAFT_ANALYTICS_ENABLED", "DO_NOT_TRACK", "RAY_USAGE_STATS_ENABLED")
    for name in names:
        monkeypatch.setenv(name, "yes")
    Daft()
    assert [os.environ[name] for name in names] == ["0", "1", "0"]


@pytest.mark.parametrize("line", ["", "spark", "pool:0", "ray://host", "here:2", "ray://a b:1"])
def test_an_unknown_engine_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="engine"):
        settings(tmp_path, engine=line)


def test_the_engine_of_a_line() -> None:
    assert engine_of("here") == Here()
    assert engine_of("pool:3", 7) == Pool(3, 7)
    assert engine_of("pool") == Pool(os.cpu_count() or 1)


@pytest.mark.slow
def test_a_killed_worker_is_one_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    work = Pass(pa.schema([("n", pa.int64())]), killed_worker, pa.schema([("n", pa.int64())]))
    with pytest.raises(engines.StageError, match="worker processes were killed 4 times"):
        Pool(1).map(work, [tmp_path / "a.parquet"], tmp_path, lambda _: None)


@dataclass(frozen=True)
class DiesOnce:
    """A stage that its machine kills at a number, the first time, in the middle of a task."""

    mark: Path
    out: Path

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if 37 in batch.column("n").to_pylist() and not self.mark.exists():
            self.mark.touch()
            (self.out / "part-0000003-00007.parquet").write_bytes(b"half of the task")
            os.kill(os.getpid(), signal.SIGKILL)
        return batch


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_is_replaced(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    for number in range(10):
        pq.write_table(pa.table({"n": range(10 * number, 10 * number + 10)}), tmp_path / f"{number}.parquet")
    files, out = sorted(tmp_path.glob("*.parquet")), tmp_path / "out"
    out.mkdir()
    seen: list[float] = []
    Pool(1, 2).map(Pass(schema, DiesOnce(tmp_path / "died", out), schema), files, out, seen.append)
    assert (tmp_path / "died").exists()
    assert sorted(n for path in out.glob("*.parquet") for n in pq.read_table(path)["n"].to_pylist()) == list(range(100))
    assert sum(seen) == 100


def killed_worker(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A stage that its machine kills."""
    os.kill(os.getpid(), signal.SIGKILL)
    return batch


# ---------------------------------------------------------------- bad input
