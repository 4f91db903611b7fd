"""One answer wherever curation runs: shards, engines, order, batches, killed workers; and what Daft costs over plain.

Every case runs in a process of its own over the same texts of ``bench/corpora.py``, and must end with the digest of
every row of every stage that the first has. The cases cover every value of each column, and every engine with shuffled
input. ``ray`` is a Ray cluster of a head without processors and two workers of one, all on this machine.
``HUATUO_BENCH_TEXTS`` sets how many texts (20,000), ``HUATUO_BENCH_RATIO`` for the ratio (100,000; 0: none).
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import huatuo

sys.path.insert(0, str(Path(__file__).parent))

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "20000"))
RATIO_COUNT = int(os.environ.get("HUATUO_BENCH_RATIO", "100000"))
RATIO_BOUND = 1.25
"""Most CPU-seconds of native Daft over those of this process."""
PORT = 6_399
"""Outside the ports that Ray gives to its workers, 10002 to 19999."""
WAIT_S, TRIES = 300.0, 5


class Case(NamedTuple):
    """One way to run."""

    engine: str
    shards: int
    shuffled: bool
    rows: int
    """Rows of a batch."""
    killed: str = ""
    """Who is killed in the middle: a worker; or the whole run, which another engine then ends."""


CASES = (
    Case("here", 1, False, 10_000),
    Case("here", 7, True, 777),
    Case("here", 2, True, 777, "run"),
    Case("pool:2", 2, True, 777),
    Case("pool:2", 7, True, 10_000, "worker"),
    Case("daft", 1, True, 777),
    Case("daft", 7, False, 10_000),
    Case("ray", 2, True, 10_000),
    Case("ray", 7, True, 777, "worker"),
)
GOES_ON = {"here": "pool:2"}
"""Engine of a run that was killed → engine that ends it."""


# ---------------------------------------------------------------- one run, in a process of its own


def go(source: str, out: str, engine: str, rows: str) -> None:
    """Run curation; digests of the rows and CPU-seconds as JSON on standard output."""
    from huatuo.corpus import bulk
    from huatuo.recipe_curate import CorpusSettings

    sources = [{"name": "bench", "path": source, "id": "id"}]
    settings = CorpusSettings.model_validate({"sources": sources, "engine": engine})
    digests: dict[str, Any] = {}
    for done in bulk.curate(settings, Path(out), None, int(rows)):
        entry = next(iter(done.manifest.tables.values()))
        digests[done.stage] = [entry.rows, entry.digest, done.manifest.kept, done.manifest.dropped]
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    print(json.dumps({"digests": digests, "cpu_s": round(spent, 2)}))


def begun(source: Path, out: Path, engine: str, rows: int) -> subprocess.Popen[str]:
    """The process of a run."""
    command = [sys.executable, __file__, "--go", str(source), str(out), engine, str(rows)]
    env = {**os.environ, "HUATUO_QUIET": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a run said at its end."""
    said, why = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}: {why[-2_000:]}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def shards_of(folder: Path, count: int, case: Case) -> Path:
    """The folder of a case's input."""
    from corpora import texts

    rows = [json.dumps({"id": f"r{n}", "text": text}, ensure_ascii=False) + "\n" for n, text in enumerate(texts(count))]
    if case.shuffled:
        random.Random(case.shards + case.rows).shuffle(rows)
    into = folder / f"{count}-{case.shards}-{case.shuffled}-{case.rows}"
    into.mkdir(exist_ok=True)
    for shard in range(case.shards):
        (into / f"{shard:03d}.jsonl").write_text("".join(rows[shard :: case.shards]), encoding="utf-8")
    return into


# ---------------------------------------------------------------- killing


def children(parent: int) -> list[int]:
    """Processes below another one, each after its parent."""
    below: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        below.setdefault(int(words[1]), []).append(int(place.parent.name))
    found, waiting = [], [parent]
    while waiting:
        waiting += (more := below.get(waiting.pop(), []))
        found += more
    return found


def kill(processes: list[int]) -> None:
    """End processes as a machine that fails would."""
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def in_the_middle(out: Path, process: subprocess.Popen[str], act: Callable[[], None]) -> str:
    """The stage in which ``act`` was called: the first of the long ones that has begun."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and process.poll() is None:
        for stage in ("clean", "segments"):
            if (out / f"{stage}.part").exists():
                time.sleep(1.5)
                act()
                return stage
        time.sleep(0.02)
    raise RuntimeError("the run ended before anything could be killed; next: more texts")


def of_pool(process: subprocess.Popen[str]) -> list[int]:
    """One worker of the pool."""
    every = children(process.pid)
    workers = [one for one in every if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
    return workers[-1:]


# ---------------------------------------------------------------- a Ray cluster on this machine


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a Ray cluster, and its two workers, which have a machine's address each."""
    ray = str(Path(sys.executable).with_name("ray"))
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1"}
    env["PYTHONPATH"] = str(Path(huatuo.__file__).parents[1])
    memory = ["--object-store-memory", str(200 << 20)]

    def start(*more: str) -> subprocess.Popen[bytes]:
        command = [ray, "start", "--block", "--disable-usage-stats", *memory, *more]
        with (folder / "ray.log").open("ab") as log:
            return subprocess.Popen(command, env=env, stdout=log, stderr=log)

    address, begun_ = f"{own_address()}:{PORT}", []

    def joined(*more: str) -> subprocess.Popen[bytes]:
        """A machine that has joined; on a busy one Ray gives up after 30 seconds, and is started again."""
        for _ in range(TRIES):
            begun_.append(start(*more))
            if until_nodes(ray, address, len(up) + 1, begun_[-1]):
                up.append(begun_[-1])
                return begun_[-1]
        raise RuntimeError(f"{address}: a machine does not start: {(folder / 'ray.log').read_text()[-2_000:]}")

    up: list[subprocess.Popen[bytes]] = []
    try:
        joined("--head", "--include-dashboard=false", f"--port={PORT}", "--num-cpus=0", f"--temp-dir={folder / 'ray'}")
        yield (
            address,
            [joined(f"--address={address}", "--num-cpus=1", f"--node-ip-address=127.0.0.{n}") for n in (2, 3)],
        )
    finally:
        for one in begun_:
            kill([*children(one.pid), one.pid])
            one.wait()


def until_nodes(ray: str, address: str, count: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether a cluster has that many machines, before the process that starts the last of them has ended."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and process.poll() is None:
        said = subprocess.run([ray, "status", f"--address={address}"], capture_output=True, text=True, check=False)
        if said.stdout.count(" node_") >= count:
            return True
        time.sleep(2)
    return False


def own_address() -> str:
    """The address that a head of this machine has: Ray replaces a loopback one."""
    from ray._private.services import get_node_ip_address

    return str(get_node_ip_address())


# ---------------------------------------------------------------- the table


def run_case(folder: Path, case: Case, address: str = "", workers: Sequence[subprocess.Popen[bytes]] = ()) -> Any:
    """What a case ends with."""
    source, out = shards_of(folder, COUNT, case), folder / f"out-{case.engine}-{case.shards}-{case.rows}"
    engine = f"ray://{address}" if case.engine == "ray" else case.engine
    process = begun(source, out, engine, case.rows)
    if not case.killed:
        return ended(process), ""
    if case.killed == "run":
        stage = in_the_middle(out, process, lambda: kill([*children(process.pid), process.pid]))
        process.communicate()
        other = GOES_ON[case.engine]
        return ended(begun(source, out, other, case.rows)), f"in {stage}, ended by {other}"
    if case.engine == "ray":
        stage = in_the_middle(out, process, lambda: kill([*children(workers[0].pid), workers[0].pid]))
    else:
        stage = in_the_middle(out, process, lambda: kill(of_pool(process)))
    return ended(process), f"in {stage}"


def covered(folder: Path) -> tuple[list[str], dict[str, float], bool]:
    """Lines of the table, seconds by case, and whether all ended with one digest."""
    lines, figures, first = [], {}, None
    has_ray = importlib.util.find_spec("ray") is not None
    has_daft = importlib.util.find_spec("daft") is not None
    same = True

    def add(case: Case, address: str = "", workers: Sequence[subprocess.Popen[bytes]] = ()) -> None:
        nonlocal first, same
        begin = time.monotonic()
        found, killed = run_case(folder, case, address, workers)
        first = first or found["digests"]
        equal = found["digests"] == first
        same = same and equal
        name = f"{case.engine} {case.shards} {'shuffled' if case.shuffled else 'in order'} {case.rows}"
        name += f", {case.killed} killed" if case.killed else ""
        figures[f"cpu_s {name}"] = found["cpu_s"]
        lines.append(
            f"{case.engine:<7} {case.shards} shards {'shuffled' if case.shuffled else 'in order':<8} "
            f"batches of {case.rows:>6,} {case.killed or '-':<6} {killed:<28} {found['cpu_s']:>7.1f} CPU-s "
            f"{time.monotonic() - begin:>6.1f} s "
            f"{found['digests']['passages'][1][:16]} {'' if equal else 'DIFFERS'}"
        )
        print(lines[-1], flush=True)

    for case in CASES:
        if case.engine != "ray" and (case.engine != "daft" or has_daft):
            add(case)
    if has_ray and has_daft:
        with cluster(folder) as (address, workers):
            for case in (case for case in CASES if case.engine == "ray"):
                add(case, address, workers)
    if not (has_ray and has_daft):
        lines.append(
            "not installed: " + ", ".join(n for n, there in (("daft", has_daft), ("ray", has_ray)) if not there)
        )
    return lines, figures, same


def ratio(folder: Path) -> tuple[float, float]:
    """CPU-seconds of this process and of native Daft for the same input."""
    case = Case("here", 4, False, 2_000)
    source = shards_of(folder, RATIO_COUNT, case)
    spent = [
        ended(begun(source, folder / f"ratio-{engine}", engine, case.rows))["cpu_s"] for engine in ("here", "daft")
    ]
    return spent[0], spent[1]


def run() -> Any:
    """One digest for all cases, and the ratio."""
    from run import Outcome

    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        lines, figures, same = covered(Path(name))
        ratios = {"one digest": float(same)}
        if RATIO_COUNT and importlib.util.find_spec("daft"):
            plain, daft = ratio(Path(name))
            figures |= {f"cpu_s here, {RATIO_COUNT:,} texts": plain, f"cpu_s daft, {RATIO_COUNT:,} texts": daft}
            ratios["daft over here, CPU"] = round(daft / plain, 3)
            lines.append(
                f"{RATIO_COUNT:,} texts: daft {daft:.1f} / here {plain:.1f} = {daft / plain:.2f} (bound {RATIO_BOUND})"
            )
    lines.append("one digest for all" if same else "DIGESTS DIFFER")
    return Outcome(figures, ratios, COUNT, lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--go"]:
        go(*sys.argv[2:6])
    else:
        print("\n".join(run().table[-2:]))
