"""From pairs to token ids, once: a memory-mapped Arrow file that training reads without decoding anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from huatuo import store
from huatuo.errors import FormatError, StageError, TrainingError
from huatuo.models import formats, tokenizers
from huatuo.models.formats import Encoded, Format
from huatuo.progress import bar
from huatuo.recipe import TrainSettings
from huatuo.records import Entity, Fact, Message, Pair

FILE = "tokens.arrow"
"""Name of the token file in the data set."""

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
"""Columns of the token file: one row per sample, in the order of the pairs."""

BATCH_ROWS = 5_000
"""Samples per Arrow batch."""

AUDIT_RATIOS = (1.5, 1.8, 2.2)
"""Tokens per Chinese character for which the truncation audit is repeated: LLaMA's tokenizer without Chinese words
needs about 2, HuaTuo cut such samples at 256 tokens without a word."""


def tokenise(settings: TrainSettings, pairs: Path, knowledge: Path, out: store.Writer) -> None:
    """Write ``tokens.arrow`` (see `SCHEMA`) and, for a model from scratch, the folder ``tokenizer``.

    Every pair is encoded, those for validation too. A pair longer than ``settings.window`` is treated as
    ``settings.overlong`` says; what cannot be learned is dropped. Raises FormatError, ModelError, TrainingError.
    """
    fmt = formats.get(settings.format)
    tokenizer = _tokenizer(settings, fmt, pairs, knowledge, out)
    encoder = _Encoder(settings, fmt, tokenizer, out)
    total = store.read_manifest(pairs).tables["pairs"].rows if "pairs" in store.read_manifest(pairs).tables else 0
    rows: list[dict[str, Any]] = []
    with (
        pa.OSFile(str(out.folder / FILE), "wb") as file,
        pa.ipc.new_file(file, SCHEMA) as writer,
        bar("tokenise", total, "pairs") as running,
    ):
        for pair in store.read(pairs, "pairs", Pair):
            out.expect([pair.id])
            rows += encoder.rows(pair)
            running.advance()
            if len(rows) >= BATCH_ROWS:
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
                rows = []
        if rows:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
    out.figures.update(encoder.figures())
    if not encoder.counts["samples"]:
        reasons = ", ".join(f"{rule} {n:,}" for rule, n in out.dropped.most_common()) or "there are no pairs"
        raise StageError(
            f"{pairs}: no pair became a sample ({reasons}); next: raise train.window, or look at the pairs"
        )


def _tokenizer(settings: TrainSettings, fmt: Format, pairs: Path, knowledge: Path, out: store.Writer) -> Any:
    if settings.base != "scratch":
        return tokenizers.load_tokenizer(Path(settings.base))
    return tokenizers.character_tokenizer(_texts(fmt, pairs, knowledge), out.folder / TOKENIZER)


def _texts(fmt: Format, pairs: Path, knowledge: Path) -> Iterator[str]:
    """Every text that a model from scratch must be able to read and write: what the format writes, the training pairs,
    and all names and values of the knowledge, so that an entity kept from training can at least be spelled."""
    yield from formats.vocabulary(fmt)
    for pair in store.read(pairs, "pairs", Pair):
        if pair.split == "train":
            yield from (message.content for message in pair.messages)
    for entity in store.read(knowledge, "entities", Entity):
        yield entity.name
        yield from entity.aliases
    for fact in store.read(knowledge, "facts", Fact):
        yield from (fact.entity, fact.value)


class _Encoder:
    """Encodes pairs one by one and counts what happened to them."""

    def __init__(self, settings: TrainSettings, fmt: Format, tokenizer: Any, out: store.Writer):
        self.settings, self.fmt, self.tokenizer, self.out = settings, fmt, tokenizer, out
        self.counts: Counter[str] = Counter()

    def rows(self, pair: Pair) -> list[dict[str, Any]]:
        """The rows of one pair; none where it was dropped, which is on record then."""
        try:
            encoded = self._encode(pair.messages, pair.id)
        except FormatError as error:
            self.out.drop(pair.id, "format", str(error), excerpt=pair.messages[0].content if pair.messages else "")
            return []
        self._audit(pair, encoded)
        parts = [encoded] if len(encoded.ids) <= self.settings.window else self._shorten(pair, encoded)
        if not parts:
            return []
        kept = [part for part in parts if any(part.learned[1:])]
        if not kept:
            self.out.drop(pair.id, "nothing to learn", "no token of an answer is in the window", excerpt=_excerpt(pair))
            return []
        self.out.use([pair.id])
        return [self._row(pair, k, part) for k, part in enumerate(kept)]

    def _encode(self, messages: Sequence[Message], pair_id: str) -> Encoded:
        encoded = formats.encode(self.fmt, messages, self.tokenizer)
        try:
            formats.check_learned(self.fmt, encoded, self.tokenizer)
        except TrainingError as error:
            raise TrainingError(f"pair {pair_id}: {error}") from None
        return encoded

    def _row(self, pair: Pair, part: int, encoded: Encoded) -> dict[str, Any]:
        learned = [int(flag) for flag in encoded.learned]
        learned[0] = 0  # nothing stands before the first token, so it cannot be predicted
        self.counts["samples"] += 1
        self.counts["tokens"] += len(encoded.ids)
        self.counts["learned"] += sum(learned)
        self.counts["most_turns"] = max(self.counts["most_turns"], len(encoded.turns))
        return {
            "pair_id": pair.id,
            "part": part,
            "source": pair.source,
            "split": pair.split,
            "ids": encoded.ids,
            "learned": learned,
            "n_tokens": len(encoded.ids),
            "n_learned": sum(learned),
        }

    def _shorten(self, pair: Pair, encoded: Encoded) -> list[Encoded]:
        """What remains of a pair that is longer than the window, as the recipe says; nothing where it was dropped."""
        window = self.settings.window
        self.counts["overlong"] += 1
        if self.settings.overlong == "keep-end":
            self.counts["cut"] += 1
            return [_keep_end(encoded, window, formats.adds_bos(self.tokenizer))]
        if self.settings.overlong == "split":
            parts = [part for part in self._by_turns(pair) if len(part.ids) <= window]
            if parts:
                self.counts["split"] += 1
                self.counts["turns_lost"] += len(encoded.turns) - sum(len(part.turns) for part in parts)
                return parts
        self.out.drop(
            pair.id, "overlong", f"{len(encoded.ids):,} tokens, train.window = {window:,}", excerpt=_excerpt(pair)
        )
        return []

    def _by_turns(self, pair: Pair) -> Iterator[Encoded]:
        """Samples of as many consecutive exchanges as fit the window; one alone may still be too long."""
        system = [message for message in pair.messages if message.role == "system"]
        turns = [message for message in pair.messages if message.role != "system"]
        start = 0
        while start < len(turns):
            stop, best = start + 2, self._encode(system + turns[start : start + 2], pair.id)
            while stop < len(turns):
                longer = self._encode(system + turns[start : stop + 2], pair.id)
                if len(longer.ids) > self.settings.window:
                    break
                stop, best = stop + 2, longer
            yield best
            start = stop

    def _audit(self, pair: Pair, encoded: Encoded) -> None:
        characters = sum(len(message.content) for message in pair.messages)
        self.counts["pairs"] += 1
        self.counts["characters"] += characters
        self.counts["straddled"] += encoded.straddled
        self.counts["longer"] += len(encoded.ids) > self.settings.window
        for ratio in AUDIT_RATIOS:
            self.counts[f"longer at {ratio}"] += characters * ratio > self.settings.window

    def figures(self) -> dict[str, float | None]:
        """Counts and the truncation audit: the share of pairs longer than the window, for this tokenizer and others."""
        pairs = self.counts["pairs"]
        found: dict[str, float | None] = {
            key: float(self.counts[name])
            for key, name in {
                "samples": "samples",
                "tokens": "tokens",
                "learned_tokens": "learned",
                "overlong_pairs": "overlong",
                "cut_pairs": "cut",
                "split_pairs": "split",
                "turns_lost_in_split": "turns_lost",
                "straddled_answers": "straddled",
                "most_turns": "most_turns",
            }.items()
        }
        found["truncation_share"] = self.counts["longer"] / pairs if pairs else None
        for ratio in AUDIT_RATIOS:
            key = f"truncation_share_{str(ratio).replace('.', '_')}_tokens_per_char"
            found[key] = self.counts[f"longer at {ratio}"] / pairs if pairs else None
        found["tokens_per_char"] = (
            self.counts["tokens"] / self.counts["characters"] if self.counts["characters"] else None
        )
        return found


def _keep_end(encoded: Encoded, window: int, has_bos: bool) -> Encoded:
    """The last ``window`` tokens; a BOS at the beginning stays."""
    first = 1 if has_bos else 0
    cut = len(encoded.ids) - (window - first)
    turns = [(max(start - cut, 0) + first, stop - cut + first) for start, stop in encoded.turns if stop > cut]
    ids, learned = encoded.ids[:first] + encoded.ids[cut:], encoded.learned[:first] + encoded.learned[cut:]
    return Encoded(ids, learned, turns, encoded.straddled)


def _excerpt(pair: Pair) -> str:
    return pair.messages[0].content if pair.messages else ""
