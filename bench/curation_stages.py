"""What each kernel of curation costs from texts in Parquet to passages: CPU-seconds of one process, and its memory.

200,000 texts of ``bench/corpora.py`` (``HUATUO_BENCH_TEXTS`` sets how many, ``HUATUO_BENCH_DATA`` names a folder to cut
them from, ``HUATUO_BENCH_WORK`` one that keeps the file). The run is `huatuo.corpus.bulk.curate` as it is, in a process
of its own; the time of each kernel is taken on the way, without that of the kernels it calls. ``table 1`` are the
stages that other engines were measured with: read, normalise, density by a lexicon, six rules, cut with sentencex,
exact key, signatures, neighbours, verdict, write. All others stand on a line of their own under ``further``.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
from run import Outcome, peak_gb

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "200000"))
BOUND_CPU_S, BOUND_GB = 16.0, 0.6
"""Bounds of table 1's stages at 200,000 texts of 100 MB."""

FURTHER = "further: "
SIX = ("too_short", "mostly_symbols", "unreadable", "list_of_links", "boilerplate", "repetitive")
"""Rules that count for table 1, which had six; the others are further ones."""


class Clock:
    """CPU-seconds by kernel, each without those that it calls."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._names = ["imports and start"]
        self._since = 0.0

    def _turn(self) -> None:
        now = time.process_time()
        self.spent[self._names[-1]] += now - self._since
        self._since = now

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """What is spent inside counts for this kernel."""
        self._turn()
        self._names.append(name)
        try:
            yield
        finally:
            self._turn()
            self._names.pop()

    def of(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted."""

        @functools.wraps(call)
        def timed(*given: Any, **named: Any) -> Any:
            with self.on(name):
                return call(*given, **named)

        return timed

    def of_rows(self, name: str, call: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The generator function, with the time until each item counted."""

        @functools.wraps(call)
        def timed(*given: Any, **named: Any) -> Iterator[Any]:
            rows = call(*given, **named)
            while True:
                with self.on(name):
                    row = next(rows, None)
                if row is None:
                    return
                yield row

        return timed


def _watched(clock: Clock) -> None:
    """Put the clock into the kernels of curation."""
    from huatuo import store
    from huatuo.corpus import bulk, characters, engines, funnel, lexicon, nearby, passes, quality, spared

    kernels: dict[str, list[tuple[Any, str]]] = {
        "normalise": [(passes, "normalise_chunk"), (passes, "chunk")],
        "density by the lexicon": [(lexicon, "density_batch"), (lexicon, "domain_batch"), (passes, "lexicon_of")],
        "rules: around them": [(passes, "quality_batch"), (passes, "refused")],
        "rules: phrases of all": [(characters.Chunk, "found")],
        "cut with sentencex": [(passes, "cut_batch")],
        "passages and their ids": [(passes, "passages")],
        "exact key": [(passes, "keys_of")],
        "signatures and bands": [(passes, "band_batch")],
        "neighbours, verified": [(bulk, "neighbours")],
        "verdict": [(passes, "duplicate_batch"), (passes, "near_batch"), (bulk.Here, "group_min")],
        "write Parquet": [(engines._Files, "flush")],
        FURTHER + "language": [(passes, "language_batch")],
        FURTHER + "question without an answer": [(passes, "question_batch")],
        FURTHER + "what near passages say more": [(spared.Spared, "alike")],
        FURTHER + "account, digest and samples": [(bulk, "_account")],
        FURTHER + "digest of inputs, manifests": [(bulk, "_inputs"), (store.Writer, "adopt"), (store, "verify")],
        FURTHER + "documents of the passages": [(bulk, "as_documents")],
    }
    for name, places in kernels.items():
        for holder, attribute in places:
            setattr(holder, attribute, clock.of(name, getattr(holder, attribute)))
    named = [("rules: " if rule.__name__ in SIX else FURTHER + "rule ") + rule.__name__ for rule in quality.RULES]
    quality.RULES = tuple(clock.of(name, rule) for name, rule in zip(named, quality.RULES, strict=True))
    quality.too_short = clock.of("rules: too_short", quality.too_short)
    bulk.read = clock.of_rows("read the source", bulk.read)
    for module in (engines, nearby):
        module.read_rows = clock.of_rows("read Parquet", module.read_rows)
    funnel.account = clock.of(FURTHER + "account, digest and samples", funnel.account)


def source_of(folder: Path, count: int) -> Path:
    """The file of texts, made once per count."""
    path = folder / f"curation-{count}.parquet"
    if not path.exists():
        texts = corpora.texts(count)
        rows = pa.table({"id": [f"r{number}" for number in range(count)], "text": texts})
        pq.write_table(rows, path, row_group_size=25_000)
    return path


def lexicon_file(folder: Path) -> Path:
    """THUOCL's words where the data hold them, else as many made-up ones."""
    data = corpora.folder()
    found = sorted(data.rglob("THUOCL_medical.txt")) if data else []
    path = folder / "curation-words.txt"
    if not found:
        path.write_text("".join(f"{chr(0x4E00 + n // 150)}{chr(0x4E00 + 13 * (n % 150))}\n" for n in range(18_000)))
    return found[0] if found else path


def child(source: str, words: str) -> None:
    """One run in this process; its figures as JSON on standard output."""
    clock = Clock()
    with clock.on("glue: columns, casts, progress"):
        with clock.on("imports and start"):
            from huatuo.corpus import bulk
            from huatuo.recipe_curate import CorpusSettings

            _watched(clock)
            lexicon = {"files": [words], "english": False, "least": 0}
            given = {"sources": [{"name": "bench", "path": source, "id": "id"}], "lexicon": lexicon}
            settings = CorpusSettings.model_validate(given)
        with tempfile.TemporaryDirectory(dir=Path(source).parent) as name:
            done = {one.stage: one.manifest for one in bulk.curate(settings, Path(name) / "out")}
    rows = {stage: sum(entry.rows for entry in manifest.tables.values()) for stage, manifest in done.items()}
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    peak = peak_gb()
    digest = next(iter(done["passages"].tables.values())).digest
    print(json.dumps({"spent": clock.spent, "cpu_s": spent, "peak_gb": peak, "rows": rows, "digest": digest}))


def measured(count: int) -> dict[str, Any]:
    """The figures of one run with that many texts."""
    folder = Path(os.environ.get("HUATUO_BENCH_WORK", tempfile.gettempdir()))
    command = [sys.executable, __file__, "--run", str(source_of(folder, count)), str(lexicon_file(folder))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run() -> Outcome:
    """Seconds of each kernel, of table 1's stages together and of all; memory, and what a further passage takes."""
    half, found = measured(COUNT // 2), measured(COUNT)
    spent = found["spent"]
    further = sum(seconds for name, seconds in spent.items() if name.startswith(FURTHER))
    figures = {f"cpu_s {name}": seconds for name, seconds in sorted(spent.items(), key=lambda item: -item[1])}
    figures |= {f"rows {stage}": float(rows) for stage, rows in found["rows"].items()}
    passages = found["rows"]["segments"]
    grown = (found["peak_gb"] - half["peak_gb"]) * 1e9 / max(passages - half["rows"]["segments"], 1)
    figures |= {"cpu_s all": found["cpu_s"], "cpu_s further": further, "cpu_s table 1": found["cpu_s"] - further}
    figures |= {"peak_gb": found["peak_gb"], "peak_gb of half the texts": half["peak_gb"]}
    figures |= {"bytes of memory per further passage": grown}
    bounds = {"table 1 over its bound": figures["cpu_s table 1"] / (BOUND_CPU_S * COUNT / 200_000)}
    bounds |= {"memory over its bound": found["peak_gb"] / BOUND_GB}
    table = [f"{name:<48} {value:14,.2f}" for name, value in (figures | bounds).items()]
    return Outcome(
        {k: round(v, 3) for k, v in figures.items()}, {k: round(v, 3) for k, v in bounds.items()}, COUNT, table
    )


if __name__ == "__main__":
    child(*sys.argv[2:4])
