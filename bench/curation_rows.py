"""What each row-aligned stage of curation costs, in CPU-microseconds per record and MB a second, on 20,000 texts.

``HUATUO_BENCH_TEXTS`` sets how many texts, ``HUATUO_BENCH_DATA`` a folder to cut them from; both are made otherwise.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import corpora
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from run import Outcome

from huatuo.corpus import filter as learned
from huatuo.corpus import quality
from huatuo.corpus.characters import Chunk, chunk, chunks
from huatuo.corpus.judgements import Judged
from huatuo.corpus.language import languages
from huatuo.corpus.normalise import normalise, normalise_many
from huatuo.corpus.sources import read_all
from huatuo.recipe_curate import CorpusSource

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "20000"))
JUDGED = 1_000


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _readers(texts: Sequence[str]) -> dict[str, float]:
    """Seconds of reading the texts from each kind of file."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
        for name in ("texts.jsonl", "texts.jsonl.gz", "texts.jsonl.zst"):
            packing = {".gz": "gzip", ".zst": "zstd"}.get(Path(name).suffix)
            with pa.output_stream(f"{folder}/{name}", compression=packing) as out:
                out.write(lines)
        pq.write_table(pa.table({"text": texts}), f"{folder}/texts.parquet")
        for path in sorted(Path(folder).iterdir()):
            source = CorpusSource(name="s", path=path)
            found[f"read {path.name.removeprefix('texts.')}"] = _seconds(lambda s=source: list(read_all([s])))  # type: ignore[misc]
    return found


def _rules(texts: Sequence[str]) -> dict[str, float]:
    """Seconds of each quality rule, over chunks that are made once."""
    made: list[Chunk] = []
    found = {"quality: code points": _seconds(lambda: made.extend(_warm(chunk(part)) for _, part in chunks(texts)))}
    for rule in quality.RULES:
        found[f"quality: {rule.__name__}"] = _seconds(lambda r=rule: [r(c, range(len(c.texts))) for c in made])  # type: ignore[misc]
    return found


def _warm(made: Chunk) -> Chunk:
    assert len(made.kinds) == len(made.heads[0])
    return made


def run() -> Outcome:
    """Costs per stage, readers first; as many texts in as out of each."""
    texts = corpora.texts(COUNT)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    quality.refused(texts[:500], 12)  # the tables of characters are made once
    languages(texts[:500])
    seconds = _readers(texts)
    seconds["normalise"] = _seconds(lambda: normalise_many(texts))
    slow = _seconds(lambda: [normalise(text) for text in texts])
    seconds["language"] = _seconds(lambda: languages(texts))
    seconds |= _rules(texts)
    seconds["quality: all"] = _seconds(lambda: quality.refused(texts, 12))
    rows = [Judged(str(place), text, "。" in text) for place, text in enumerate(texts[:JUDGED])]
    made: list[learned.Filter] = []
    trained = _seconds(lambda: made.append(learned.train(rows)))
    seconds["filter"] = _seconds(lambda: made[0].scores(texts))
    table = [
        f"{name:32} {1e6 * spent / COUNT:8.1f} µs/record {megabytes / spent:8.1f} MB/s"
        for name, spent in seconds.items()
    ]
    table.append(f"training the filter on {JUDGED} judgements: {trained:.1f} CPU-s")
    refused = np.mean([bool(reason) for reason in quality.refused(texts, 12)])
    figures = {f"{name}, µs a record": round(1e6 * spent / COUNT, 1) for name, spent in seconds.items()}
    return Outcome(
        figures
        | {"megabytes": round(megabytes, 1), "refused": round(float(refused), 4), "train_cpu_s": round(trained, 1)},
        {"normalise, character by character over table": round(slow / seconds["normalise"], 1)},
        COUNT,
        table,
    )
