"""Cost of each stage of curation, from JSON Lines to passages: CPU-seconds, memory, and Daft against this process.

``python bench/curation_pipeline.py [RECORDS] [ENGINE ...]`` with texts of ``bench/corpora.py``; 20,000 records and
``here`` without arguments. Every engine runs in a process of its own, so that its memory can be told. What every
further stage costs is on a line of its own, against the run without it. ``HUATUO_BENCH_LEXICON`` names a word list, by
which the density of texts is then taken.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from run import peak_gb

TARGET = {"records": 200_000, "cpu_s": 16.0, "gigabytes": 0.6, "daft": 1.25}
"""Bounds at 200,000 records of 100 MB."""


def corpus(folder: Path, count: int) -> Path:
    """The file of texts, made once per count."""
    from corpora import texts

    path = folder / f"{count}.jsonl"
    if not path.exists():
        with path.open("w", encoding="utf-8") as out:
            for number, text in enumerate(texts(count)):
                out.write(json.dumps({"id": f"r{number}", "text": text}, ensure_ascii=False) + "\n")
    return path


def run(source: str, engine: str, options: str) -> None:
    """One run in this process; its figures as JSON on standard output."""
    from huatuo.corpus import bulk
    from huatuo.recipe_curate import CorpusSettings

    given = json.loads(options)
    questions = given.pop("questions", None)
    sources = [{"name": "bench", "path": source, "id": "id"}]
    settings = CorpusSettings.model_validate({"sources": sources, "engine": engine, **given})
    with tempfile.TemporaryDirectory(dir=Path(source).parent) as name:
        stages: dict[str, Any] = {}
        for done in bulk.curate(settings, Path(name) / "out", Path(questions) if questions else None):
            entry = next(iter(done.manifest.tables.values()))
            stages[done.stage] = {"cpu_s": done.manifest.cpu_seconds, "rows": entry.rows, "digest": entry.digest}
            stages[done.stage]["dropped"] = done.manifest.dropped
    peak = max(peak_gb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9)
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    print(json.dumps({"stages": stages, "cpu_s": round(spent, 2), "gigabytes": round(peak, 3)}))


def measured(source: Path, engine: str, **options: Any) -> dict[str, Any]:
    """The figures of one run in a process of its own."""
    command = [sys.executable, __file__, "--run", str(source), engine, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(count: int, engines: list[str]) -> None:
    """Print the table."""
    folder = Path(os.environ.get("HUATUO_BENCH_WORK", tempfile.gettempdir()))
    source = corpus(folder, count)
    print(f"{count:,} records, {source.stat().st_size / 1e6:.0f} MB")
    found = {engine: measured(source, engine, **lexicon()) for engine in engines}
    for engine, figures in found.items():
        for stage, figure in figures["stages"].items():
            print(
                f"{engine:<8} {stage:<10} {figure['cpu_s']:>8.2f} CPU-s {figure['rows']:>10,} rows  {figure['dropped']}"
            )
        print(f"{engine:<8} {'all':<10} {figures['cpu_s']:>8.2f} CPU-s {figures['gigabytes']:>10.2f} GB")
    first = next(iter(found.values()))
    for engine, figures in found.items():
        same = all(figures["stages"][name]["digest"] == first["stages"][name]["digest"] for name in first["stages"])
        ratio = figures["cpu_s"] / first["cpu_s"]
        print(f"{engine:<8} {ratio:.2f} of {engines[0]} in CPU, rows {'the same' if same else 'DIFFER'}")
    for name, options in FURTHER.items():
        figures = measured(source, engines[0], **lexicon(), **options)
        print(f"{name:<16} {figures['cpu_s'] - first['cpu_s']:>+8.2f} CPU-s, {figures['gigabytes']:.2f} GB")
    without = measured(source, engines[0], near=0, **lexicon())
    print(f"{'near (in all)':<16} {first['cpu_s'] - without['cpu_s']:>+8.2f} CPU-s")


def lexicon() -> dict[str, Any]:
    """The options of a run with the lexicon that ``HUATUO_BENCH_LEXICON`` names, if it does."""
    named = os.environ.get("HUATUO_BENCH_LEXICON", "")
    return {"lexicon": {"files": [named], "least": 0}} if named else {}


FURTHER: dict[str, dict[str, Any]] = {"semantic": {"semantic": 90}}
"""What is added to the stages that every run has."""


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(*sys.argv[2:5])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, sys.argv[2:] or ["here"])
