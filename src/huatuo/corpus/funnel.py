"""How many texts and characters each stage kept, and why it dropped the rest, by source, language and genre."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huatuo.corpus.engines import read_rows
from huatuo.errors import DataError
from huatuo.records_curated import FunnelCount, FunnelSample
from huatuo.store import SHARD_ROWS, canonical_json, write_atomic

STAGES = ("texts", "clean", "segments", "kept")
"""The stages that judge, in their order; ``passages`` holds what ``kept`` kept."""

EXCERPT = 200
"""Characters shown of a sample."""


@dataclass
class Account:
    """What the files of one stage hold: rows, digest, counts, and which rows are shown."""

    rows: int
    digest: str
    counts: list[FunnelCount]
    shown: dict[str, list[str]]
    """Rule → ids of its samples: the smallest, which is a draw, since an id is a hash."""

    @property
    def kept(self) -> int:
        """Rows without a reason."""
        return sum(count.texts for count in self.counts if not count.rule)

    @property
    def dropped(self) -> dict[str, int]:
        """Rows by rule."""
        found: Counter[str] = Counter()
        for count in self.counts:
            if count.rule:
                found[count.rule] += count.texts
        return dict(sorted(found.items()))


def account(files: Sequence[Path], stage: str, text: str, samples: int, also: Sequence[str] = ()) -> Account:
    """The account of a stage's files; ``text``: the column of the text (its ``chars`` count where there are such),
    ``also``: further columns that count for the digest, which is of the rows whatever their order and files."""
    total, rows = 0, 0
    counts: Counter[tuple[str, str, str, str]] = Counter()
    chars: Counter[tuple[str, str, str, str]] = Counter()
    shown: dict[str, list[str]] = defaultdict(list)
    names = ["id", "language", "genre", "reason", "title", "parent", "start", "end", *also]
    for path in files:
        schema = _schema(path, [*names, "origin", text, "chars"])
        for batch in read_rows(path, schema, SHARD_ROWS):
            rows += batch.num_rows
            total += _row_sum(batch, [name for name in (*names, text) if name in schema.names])
            rule = _rules(batch)
            size = batch.column("chars") if "chars" in schema.names else pc.utf8_length(batch.column(text))
            keys = [batch.column("origin").field("source"), batch.column("language"), batch.column("genre"), rule]
            table = pa.Table.from_arrays([*keys, size], names=["source", "language", "genre", "rule", "chars"])
            found = table.group_by(["source", "language", "genre", "rule"]).aggregate(
                [("chars", "sum"), ([], "count_all")]
            )
            for row in found.to_pylist():
                key = (row["source"], row["language"], row["genre"], row["rule"])
                counts[key] += row["count_all"]
                chars[key] += row["chars_sum"]
            _draw(batch.column("id"), rule, shown, samples)
    made = []
    for key in sorted(counts):
        source, language, genre, rule = key
        kind = {"stage": stage, "source": source, "language": language, "genre": genre, "rule": rule}
        made.append(FunnelCount(**kind, texts=counts[key], chars=chars[key]))
    return Account(rows, f"{total % 2**128:032x}", made, dict(sorted(shown.items())))


def _rules(batch: pa.RecordBatch) -> pa.Array:
    """The rule of each row, empty where there is no reason."""
    if "reason" not in batch.schema.names:
        return pa.array([""] * batch.num_rows, pa.string())
    return pc.list_element(pc.split_pattern(batch.column("reason"), ":", max_splits=1), 0)


def _schema(path: Path, names: Iterable[str]) -> pa.Schema:
    import pyarrow.parquet as pq

    found = pq.read_schema(path)
    origin = pa.struct([("source", pa.string())])
    kinds = {"chars": pa.int64(), "start": pa.int64(), "end": pa.int64(), "origin": origin, "jaccard": pa.float64()}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names if name in found.names or name == "id"])


def _row_sum(batch: pa.RecordBatch, names: Sequence[str]) -> int:
    """The sum of the hashes of the rows, so that their order does not matter."""
    columns = [pc.fill_null(batch.column(name).cast(pa.string()), "") for name in names]
    lines = pc.binary_join_element_wise(*columns, "\x1f").cast(pa.binary()).to_pylist()
    digests = b"".join([blake2b(line, digest_size=16).digest() for line in lines])
    words = np.frombuffer(digests, dtype=">u4").reshape(-1, 4).sum(axis=0, dtype=np.uint64).tolist()
    return sum(word << (32 * place) for place, word in enumerate(reversed(words)))


def _draw(ids: pa.Array, rules: pa.Array, shown: dict[str, list[str]], samples: int) -> None:
    """Keep the smallest ids of each rule."""
    for rule in pc.unique(rules).to_pylist():
        if rule and samples:
            found = ids.filter(pc.equal(rules, rule)).to_pylist()
            shown[rule] = nsmallest(samples, [*shown[rule], *found])


def samples_of(files: Sequence[Path], stage: str, made: Account, text: str) -> list[FunnelSample]:
    """The samples of a stage, rule by rule, read from its files."""
    import pyarrow.parquet as pq

    wanted = [row for ids in made.shown.values() for row in ids]
    if not wanted:
        return []
    names = ["id", "reason", "origin", text]
    found = []
    for path in files:
        there = [*names, *(n for n in ("witness",) if n in pq.read_schema(path).names)]
        found += pq.read_table(path, columns=there, filters=[("id", "in", wanted)]).to_pylist()
    made_of = [
        FunnelSample(
            stage=stage,
            rule=row["reason"].partition(":")[0],
            id=row["id"],
            reason=row["reason"],
            witness=row.get("witness") or "",
            place=f"{row['origin']['source']}, {row['origin']['file']}, {row['origin']['place']}",
            text=(row[text] or "")[:EXCERPT],
        )
        for row in found
    ]
    return sorted(made_of, key=lambda sample: (sample.rule, sample.id))


# ---------------------------------------------------------------- on disk


def write(folder: Path, counts: Iterable[FunnelCount], samples: Iterable[FunnelSample]) -> None:
    """Nothing; puts counts and samples of a stage into its folder as ``funnel.json``."""
    data = {"counts": [c.model_dump() for c in counts], "samples": [s.model_dump() for s in samples]}
    write_atomic(folder / "funnel.json", canonical_json(data))


def read(folder: Path) -> tuple[list[FunnelCount], list[FunnelSample]]:
    """The counts and samples of a stage. Raises DataError where they cannot be read."""
    path = folder / "funnel.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [FunnelCount(**c) for c in data["counts"]], [FunnelSample(**s) for s in data["samples"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not readable ({error}); next: delete {folder} and run again") from None
