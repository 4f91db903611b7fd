"""Near-duplicates as a whole run, JSON Lines to JSON Lines, against data-juicer's document_minhash_deduplicator.

Both find pairs of Jaccard 0.7 of 5 characters with 120 values in 20 bands; ours checks every pair exactly. data-juicer
lives in an environment of its own, since it pins old packages: ``HUATUO_DATAJUICER`` names its ``dj-process`` (a fresh
environment, ``pip install py-data-juicer aiohttp``). CPU-seconds are those of the process and its children, from start
to end. ``HUATUO_BENCH_TEXTS`` sets how many texts (200,000), ``HUATUO_BENCH_DATA`` a folder to cut them from.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import corpora
from run import Outcome

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "200000"))
PROCESS = os.environ.get("HUATUO_DATAJUICER") or shutil.which("dj-process") or ""
LIMIT_S = 3_000
"""Longest run of data-juicer, in seconds of the clock."""

OURS = """
import json, sys
from pathlib import Path
import pyarrow as pa
from huatuo.corpus.near import band_batch, neighbours, ordered
from huatuo.corpus.rows import in_parts
from huatuo.corpus.sources import read_all
from huatuo.recipe_curate import CorpusSource

source, out = Path(sys.argv[1]), Path(sys.argv[2])
rows = [b for b in read_all([CorpusSource(name="s", path=source)])]
batches = [b.append_column("normal", b.column("text")).select(["id", "normal"]) for b in rows]
found = neighbours(ordered(in_parts(batch, band_batch) for batch in batches))
with out.open("w", encoding="utf-8") as file:
    for batch in batches:
        for row, text in zip(batch.column("id").to_pylist(), batch.column("normal").to_pylist()):
            if row not in found:
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\\n")
"""

THEIRS = """
project_name: near
dataset_path: {source}
export_path: {out}
np: 1
open_tracer: false
use_cache: false
ds_cache_dir: {cache}
process:
  - document_minhash_deduplicator:
      tokenization: character
      window_size: 5
      lowercase: true
      jaccard_threshold: 0.7
      num_permutations: 120
      num_bands: 20
      num_rows_per_band: 6
"""


def _spent(command: list[str], **environment: str) -> tuple[float, str]:
    """CPU-seconds of a command and its children, and what it said where it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return 0.0, f"not finished within {LIMIT_S} s"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stderr.strip().splitlines()[-1][:300] if done.returncode and done.stderr.strip() else ""
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, said or (f"ended with {done.returncode}" if done.returncode else "")


def _lines(path: Path) -> float:
    with path.open("rb") as file:
        return float(sum(1 for _ in file))


def run() -> Outcome:
    """CPU-seconds of both, their ratio, and how many texts each keeps."""
    if not PROCESS:
        return Outcome({}, skipped="data-juicer is not installed; name its dj-process in HUATUO_DATAJUICER")
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in corpora.texts(COUNT))
        ours, failed = _spent([sys.executable, "-c", OURS, str(source), str(folder / "ours.jsonl")])
        if failed:
            raise RuntimeError(failed)
        config = folder / "dj.yaml"
        config.write_text(THEIRS.format(source=source, out=folder / "theirs.jsonl", cache=folder / "cache"))
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        theirs, failed = _spent([PROCESS, "--config", str(config)], **offline)
        if failed:
            return Outcome({"cpu_s": ours}, skipped=f"data-juicer: {failed}")
        figures = {"cpu_s": ours, "kept": _lines(folder / "ours.jsonl")}
        figures |= {"cpu_s data-juicer": theirs, "kept data-juicer": _lines(folder / "theirs.jsonl")}
    ratios = {"data-juicer": ours / theirs}
    table = [f"{name:<28} {value:14,.3f}" for name, value in (figures | ratios).items()]
    rounded = [{k: round(v, 4) for k, v in values.items()} for values in (figures, ratios)]
    return Outcome(*rounded, COUNT, table)
