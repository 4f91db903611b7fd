"""From pairs to token ids, once: memory-mapped Arrow files that training reads without decoding anything.

Shard by shard, in the order of the pairs: a shard is finished when its account lies beside it, so a killed attempt goes
on with the first that is not, and no more than `BATCH_ROWS` pairs are in memory at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.columns import settle
from huatuo.errors import FormatError, StageError, TrainingError
from huatuo.models import formats, tokenizers
from huatuo.models.formats import Encoded, Format
from huatuo.progress import Bar, bar
from huatuo.recipe import TrainSettings
from huatuo.records import Entity, Fact, Message

SHARDS = "tokens-*.arrow"
"""Names of the token files in the data set, one for each shard of the pairs."""

TOKENIZER = "tokenizer"
"""Name of the folder of a tokenizer made for a model trained from scratch."""

SCHEMA = pa.schema(
    [
        pa.field("pair_id", pa.string()),
        pa.field("part", pa.int32()),  # 0, 1, ... where an overlong pair was split by turn
        pa.field("source", pa.string()),
        pa.field("split", pa.string()),
        pa.field("ids", pa.list_(pa.int32())),
        pa.field("learned", pa.list_(pa.uint8())),  # 1 where the token is learned; bytes, so that it maps into numpy
        pa.field("n_tokens", pa.int32()),
        pa.field("n_learned", pa.int32()),
    ]
)
"""Columns of a token file: one row per sample, in the order of the pairs."""

BATCH_ROWS = 5_000
"""Pairs that are encoded together, and become one Arrow batch."""

ENDED = "ended-{:05d}.json"
"""Name of a shard's account while the stage runs."""

AUDIT_RATIOS = (1.5, 1.8, 2.2)
"""Tokens per Chinese character for which the truncation audit is repeated: LLaMA's tokenizer without Chinese words
needs about 2, HuaTuo cut such samples at 256 tokens without a word."""


def tokenise(settings: TrainSettings, pairs: Path, knowledge: Path, out: store.Writer) -> None:
    """Write ``tokens-*.arrow`` (see `SCHEMA`) and, for a model from scratch, the folder ``tokenizer``.

    Every pair is encoded, those for validation too. A pair longer than ``settings.window`` is treated as
    ``settings.overlong`` says; what cannot be learned is dropped. Goes on from the shards that an earlier attempt
    finished. Raises FormatError, ModelError, TrainingError.
    """
    fmt = formats.get(settings.format)
    tokenizer = _tokenizer(settings, fmt, pairs, knowledge, out)
    entry = store.read_manifest(pairs).tables.get("pairs")
    counts: Counter[str] = Counter()
    with bar("tokenise", entry.rows if entry else 0, "pairs") as running:
        for number, batch in enumerate(store.read_batches(pairs, "pairs", list(COLUMNS))):
            ended = out.folder / ENDED.format(number)
            if not ended.exists():
                encoder = _Encoder(settings, fmt, tokenizer)
                _write_shard(encoder, batch, out.folder / f"tokens-{number:05d}.arrow", running)
                said = {"counts": encoder.counts, "dropped": encoder.dropped}
                store.write_atomic(ended, json.dumps(said, ensure_ascii=False) + "\n")
            _take(json.loads(ended.read_text(encoding="utf-8")), counts, out)
    for ended in out.folder.glob(ENDED.replace("{:05d}", "*")):
        ended.unlink()
    settle(out, entry.rows if entry else 0, counts["used"], out.dropped)
    out.figures.update(figures(counts))
    if not counts["samples"]:
        reasons = ", ".join(f"{rule} {n:,}" for rule, n in out.dropped.most_common()) or "there are no pairs"
        raise StageError(
            f"{pairs}: no pair became a sample ({reasons}); next: raise train.window, or look at the pairs"
        )


def _write_shard(encoder: _Encoder, pairs: pa.RecordBatch, path: Path, running: Bar) -> None:
    """Write one token file, whole or not at all."""
    beside = path.with_suffix(".new")
    with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        for start in range(0, len(pairs), BATCH_ROWS):
            some = [_Talk(*row.values()) for row in pairs.slice(start, BATCH_ROWS).to_pylist()]
            writer.write_batch(encoder.batch(some))
            running.advance(len(some))
    beside.replace(path)


def _take(ended: dict[str, Any], counts: Counter[str], out: store.Writer) -> None:
    """Add the account of a shard to the stage's."""
    most = max(counts["most_turns"], ended["counts"].pop("most_turns", 0))
    counts.update(ended["counts"])
    counts["most_turns"] = most
    out.expect(dropped[0] for dropped in ended["dropped"])
    for pair_id, rule, reason, excerpt in ended["dropped"]:
        out.drop(pair_id, rule, reason, excerpt=excerpt)


def _tokenizer(settings: TrainSettings, fmt: Format, pairs: Path, knowledge: Path, out: store.Writer) -> Any:
    if settings.base != "scratch":
        return tokenizers.load_tokenizer(Path(settings.base))
    return tokenizers.character_tokenizer(_texts(fmt, pairs, knowledge), out.folder / TOKENIZER)


def _texts(fmt: Format, pairs: Path, knowledge: Path) -> Iterator[str]:
    """Every text that a model from scratch must be able to read and write: what the format writes, the training pairs,
    and all names and values of the knowledge, so that an entity kept from training can at least be spelled."""
    yield from formats.vocabulary(fmt)
    for batch in store.read_batches(pairs, "pairs", ["messages", "split"]):
        talks = batch.filter(pc.equal(batch.column("split"), "train")).column("messages")
        yield from pc.struct_field(pc.list_flatten(talks), "content").to_pylist()
    for entity in store.read(knowledge, "entities", Entity):
        yield entity.name
        yield from entity.aliases
    for fact in store.read(knowledge, "facts", Fact):
        yield from (fact.entity, fact.value)


COLUMNS = ("id", "messages", "source", "split")
"""What of a pair is read."""


class _Talk:
    """What of a pair becomes tokens."""

    def __init__(self, pair_id: str, messages: list[dict[str, str]], source: str, split: str):
        self.id, self.source, self.split = pair_id, source, split
        self.messages = [Message.model_validate(message) for message in messages]


class _Encoder:
    """Encodes the pairs of a shard and counts what happened to them."""

    def __init__(self, settings: TrainSettings, fmt: Format, tokenizer: Any):
        self.settings, self.fmt, self.tokenizer = settings, fmt, tokenizer
        self.counts: Counter[str] = Counter()
        self.dropped: list[tuple[str, str, str, str]] = []
        """Pair id, rule, reason and the text's beginning of what was dropped."""

    def batch(self, pairs: Sequence[_Talk]) -> pa.RecordBatch:
        """The samples of some pairs."""
        rows: list[tuple[_Talk, int, Encoded]] = []
        encoded = formats.encode_many(self.fmt, [pair.messages for pair in pairs], self.tokenizer)
        for pair, found in zip(pairs, encoded, strict=True):
            rows += [(pair, number, part) for number, part in enumerate(self._samples(pair, found))]
        return _batch(rows)

    def _samples(self, pair: _Talk, encoded: Encoded | FormatError) -> list[Encoded]:
        """The samples of one pair; none where it was dropped, which is on record then."""
        if isinstance(encoded, FormatError):
            self._drop(pair, "format", str(encoded))
            return []
        self._check(encoded, pair.id)
        self._audit(pair, encoded)
        parts = [encoded] if len(encoded.ids) <= self.settings.window else self._shorten(pair, encoded)
        kept = [part for part in parts if any(part.learned[1:])]
        if not kept:
            if parts:
                self._drop(pair, "nothing to learn", "no token of an answer is in the window")
            return []
        self.counts["used"] += 1
        for part in kept:
            part.learned[0] = False  # nothing stands before the first token, so it cannot be predicted
            self.counts["samples"] += 1
            self.counts["tokens"] += len(part.ids)
            self.counts["learned"] += sum(part.learned)
            self.counts["most_turns"] = max(self.counts["most_turns"], len(part.turns))
        return kept

    def _drop(self, pair: _Talk, rule: str, reason: str) -> None:
        excerpt = pair.messages[0].content if pair.messages else ""
        self.dropped.append((pair.id, rule, reason, excerpt[:200]))

    def _check(self, encoded: Encoded, pair_id: str) -> Encoded:
        try:
            formats.check_learned(self.fmt, encoded, self.tokenizer)
        except TrainingError as error:
            raise TrainingError(f"pair {pair_id}: {error}") from None
        return encoded

    def _shorten(self, pair: _Talk, encoded: Encoded) -> list[Encoded]:
        """What remains of a pair that is longer than the window, as the recipe says; nothing where it was dropped."""
        window = self.settings.window
        self.counts["overlong"] += 1
        if self.settings.overlong == "keep-end":
            self.counts["cut"] += 1
            return [_keep_end(encoded, window, formats.opening_tokens(self.fmt, self.tokenizer))]
        if self.settings.overlong == "split":
            parts = [part for part in self._by_turns(pair) if len(part.ids) <= window]
            if parts:
                self.counts["split"] += 1
                self.counts["turns_lost"] += len(encoded.turns) - sum(len(part.turns) for part in parts)
                return parts
        self._drop(pair, "overlong", f"{len(encoded.ids):,} tokens, train.window = {window:,}")
        return []

    def _by_turns(self, pair: _Talk) -> Iterator[Encoded]:
        """Samples of as many consecutive exchanges as fit the window; one alone may still be too long."""
        system = [message for message in pair.messages if message.role == "system"]
        turns = [message for message in pair.messages if message.role != "system"]
        start = 0
        while start < len(turns):
            stop, best = start + 2, self._encode(pair, system + turns[start : start + 2])
            while stop < len(turns):
                longer = self._encode(pair, system + turns[start : stop + 2])
                if len(longer.ids) > self.settings.window:
                    break
                stop, best = stop + 2, longer
            yield best
            start = stop

    def _encode(self, pair: _Talk, messages: Sequence[Message]) -> Encoded:
        return self._check(formats.encode(self.fmt, messages, self.tokenizer), pair.id)

    def _audit(self, pair: _Talk, encoded: Encoded) -> None:
        characters = sum(len(message.content) for message in pair.messages)
        self.counts["pairs"] += 1
        self.counts["characters"] += characters
        self.counts["whole_tokens"] += len(encoded.ids)
        self.counts["straddled"] += encoded.straddled
        self.counts["longer"] += len(encoded.ids) > self.settings.window
        for ratio in AUDIT_RATIOS:
            self.counts[f"longer at {ratio}"] += characters * ratio > self.settings.window


def _batch(rows: Sequence[tuple[_Talk, int, Encoded]]) -> pa.RecordBatch:
    """The rows of a token file."""
    lengths = np.array([len(part.ids) for _, _, part in rows], dtype=np.int32)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    ids = np.fromiter(chain.from_iterable(part.ids for _, _, part in rows), dtype=np.int32)
    learned = np.fromiter(chain.from_iterable(part.learned for _, _, part in rows), dtype=np.uint8)
    columns = {
        "pair_id": [pair.id for pair, _, _ in rows],
        "part": [number for _, number, _ in rows],
        "source": [pair.source for pair, _, _ in rows],
        "split": [pair.split for pair, _, _ in rows],
        "ids": pa.ListArray.from_arrays(offsets, pa.array(ids)),
        "learned": pa.ListArray.from_arrays(offsets, pa.array(learned)),
        "n_tokens": lengths,
        "n_learned": [sum(part.learned) for _, _, part in rows],
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def figures(counts: Counter[str]) -> dict[str, float | None]:
    """Counts and the truncation audit: the share of pairs longer than the window, for this tokenizer and others."""
    names = {
        "samples": "samples",
        "tokens": "tokens",
        "learned_tokens": "learned",
        "overlong_pairs": "overlong",
        "cut_pairs": "cut",
        "split_pairs": "split",
        "turns_lost_in_split": "turns_lost",
        "straddled_answers": "straddled",
        "most_turns": "most_turns",
    }
    found: dict[str, float | None] = {key: float(counts[name]) for key, name in names.items()}
    pairs = counts["pairs"]
    found["truncation_share"] = counts["longer"] / pairs if pairs else None
    for ratio in AUDIT_RATIOS:
        key = f"truncation_share_{str(ratio).replace('.', '_')}_tokens_per_char"
        found[key] = counts[f"longer at {ratio}"] / pairs if pairs else None
    found["tokens_per_char"] = counts["whole_tokens"] / counts["characters"] if counts["characters"] else None
    return found


def _keep_end(encoded: Encoded, window: int, first: int) -> Encoded:
    """The last tokens of a sample, with its ``first`` control tokens before them; ``window`` in all."""
    cut = len(encoded.ids) - (window - first)
    turns = [(max(start - cut, 0) + first, stop - cut + first) for start, stop in encoded.turns if stop > cut]
    ids, learned = encoded.ids[:first] + encoded.ids[cut:], encoded.learned[:first] + encoded.learned[cut:]
    return Encoded(ids, learned, turns, encoded.straddled)
