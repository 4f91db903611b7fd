"""A local checkpoint as a `huatuo.llm.base.Model`: batched decoding with a key-value cache, and log-probabilities.

Greedy answers are the same alone and in a batch, up to rounding in the last bits: rows are filled up on the left, the
filling is masked, and positions count real tokens only. A sampled answer depends on the seed and its own prompt, never
on its neighbours.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from huatuo.errors import FormatError, ModelError
from huatuo.files import content_id
from huatuo.llm.base import Branches, Reply, Sampling, Weights
from huatuo.llm.local_logprobs import Weigher
from huatuo.models import formats
from huatuo.models.load import Loaded, Precision, load
from huatuo.models.tokenizers import pad_id
from huatuo.progress import bar
from huatuo.records import Message

COMPACT_BELOW = 0.5
"""Finished rows are taken out of a batch once this share or less is still running."""

BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
"""How SentencePiece names the token of one byte."""


@dataclass
class _Row:
    """One answer in the making."""

    index: int
    prompt: list[int]
    room: int
    """Most tokens that may still be made: ``max_tokens``, or what the positions of the model leave."""
    dice: random.Random
    ids: list[int] = field(default_factory=list)
    text: str = ""
    reason: Literal["stop", "length", ""] = ""


class LocalModel:
    """A model of a local folder that can be asked; implements `huatuo.llm.base.Model`."""

    def __init__(
        self,
        source: Path | Loaded,
        batch: int = 64,
        *,
        format: str = "",
        precision: Precision = "fp32",
        device: str = "auto",
        name: str = "",
    ):
        """``batch``: answers made side by side. ``format``: needed only where the folder does not say its own.

        ``device``: a torch device, or auto: a GPU where there is one. Raises FormatError for a format other than the
        one the checkpoint was trained with, or none at all; ModelError where it cannot be loaded.
        """
        loaded = source if isinstance(source, Loaded) else load(Path(source), precision)
        self.name, self.digest, self.batch = name or loaded.name, loaded.digest, batch
        self.format = _agreed_format(loaded, format)
        self._format = formats.get(self.format)
        self.tokenizer = loaded.tokenizer
        if not loaded.format:
            formats.check_tokenizer(self._format, self.tokenizer)
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        self._model = loaded.model.to(self.device).eval()
        inner = self._model.get_base_model() if hasattr(self._model, "get_base_model") else self._model
        self._accepts = frozenset(inspect.signature(inner.forward).parameters)
        limit = getattr(inner.config, "max_position_embeddings", None)
        self.positions = int(limit) if limit else None
        self._stops = self._stop_ids(inner)
        self._pad = pad_id(self.tokenizer)
        self._weigher = Weigher(self._model, self._accepts, self.positions, self.name)

    def _stop_ids(self, inner: Any) -> frozenset[int]:
        """The format's end token, and whatever else ends a text in this checkpoint."""
        found = inner.generation_config.eos_token_id if inner.generation_config is not None else None
        listed = found if isinstance(found, (list, tuple)) else [found]
        ids = {formats.end_token(self._format, self.tokenizer)[1], self.tokenizer.eos_token_id, *listed}
        return frozenset(int(i) for i in ids if i is not None)

    # ------------------------------------------------------------ asking

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Index and reply of each conversation, in batches of like length.

        A prompt that does not fit the model's positions gives a reply with finish reason ``error``: nothing is cut.
        Raises FormatError for turns that do not alternate.
        """
        rows: list[_Row] = []
        for index, messages in enumerate(conversations):
            prompt = formats.encode_prompt(self._format, messages, self.tokenizer)
            problem = self._too_long(prompt)
            if problem:
                yield index, Reply(text="", finish_reason="error", error=problem, prompt_tokens=len(prompt))
            else:
                rows.append(self._row(index, prompt, sampling))
        rows.sort(key=lambda row: (-len(row.prompt), row.index))
        with bar(f"answers of {self.name}", len(rows), "answers") as progress:
            for start in range(0, len(rows), self.batch):
                group = rows[start : start + self.batch]
                for _ in self._steps(group, sampling):
                    pass
                progress.advance(len(group))
                yield from ((row.index, self._reply(row)) for row in group)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """Pieces of one answer as they are made; together they are the text that `chat` returns.

        Raises ModelError for a prompt that does not fit.
        """
        prompt = formats.encode_prompt(self._format, messages, self.tokenizer)
        problem = self._too_long(prompt)
        if problem:
            raise ModelError(problem)
        row, said = self._row(0, prompt, sampling), 0
        for _ in self._steps([row], sampling):
            text = self._text(row)
            # A piece may end inside a character, or inside what becomes a stop string: hold that much back. A run of
            # byte tokens (SentencePiece) is text only when it is over: an invalid byte changes what came before it.
            if BYTE_TOKEN.fullmatch(str(self.tokenizer.convert_ids_to_tokens(row.ids[-1]))):
                continue
            safe = len(text.rstrip("\ufffd")) - max((len(stop) - 1 for stop in sampling.stop), default=0)
            if not row.reason and safe > said:
                yield text[said:safe]
                said = safe
        rest = self._reply(row).text[said:]
        if rest:
            yield rest

    def _row(self, index: int, prompt: list[int], sampling: Sampling) -> _Row:
        room = sampling.max_tokens if self.positions is None else min(sampling.max_tokens, self.positions - len(prompt))
        return _Row(index, prompt, room, random.Random(content_id(str(sampling.seed), repr(prompt))))

    def _too_long(self, prompt: Sequence[int]) -> str:
        if self.positions is None or len(prompt) < self.positions:
            return ""
        return (
            f"{self.name}: the prompt has {len(prompt):,} tokens, and the model {self.positions:,} positions, one "
            "of which "
            "the answer needs; next: shorten the conversation"
        )

    def _text(self, row: _Row) -> str:
        ids = row.ids[:-1] if row.ids and row.ids[-1] in self._stops else row.ids
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _reply(self, row: _Row) -> Reply:
        return Reply(
            text=row.text if row.reason == "stop" else self._text(row),
            finish_reason="length" if row.reason == "length" else "stop",
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.ids),
        )

    # ------------------------------------------------------------ decoding

    @torch.inference_mode()
    def _steps(self, rows: list[_Row], sampling: Sampling) -> Iterator[None]:
        """One token per row and turn, until every row has a reason to end. Changes the rows."""
        running = list(rows)
        width = max(len(row.prompt) for row in rows)
        ids = torch.full((len(rows), width), self._pad, dtype=torch.long)  # (B, T), filled up on the left
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, width - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[i, width - len(row.prompt) :] = 1
        ids, mask = ids.to(self.device), mask.to(self.device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache: Any = None
        while True:
            logits, cache = self._forward(ids, mask, positions, cache)
            tokens = self._choose(logits, running, sampling)
            for row, token in zip(running, tokens, strict=True):
                if not row.reason:
                    self._take(row, token, sampling)
            yield
            alive = [i for i, row in enumerate(running) if not row.reason]
            if not alive:
                return
            positions = positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones((len(mask), 1))], 1)
            ids = torch.tensor(tokens, device=self.device)[:, None]
            if len(alive) <= COMPACT_BELOW * len(running) and hasattr(cache, "batch_select_indices"):
                keep = torch.tensor(alive, device=self.device)
                cache.batch_select_indices(keep)
                ids, mask, positions = ids[keep], mask[keep], positions[keep]
                running = [running[i] for i in alive]

    def _forward(self, ids: Any, mask: Any, positions: Any, cache: Any) -> tuple[Any, Any]:
        """Logits of the last token in fp32 (B, vocab), and the cache."""
        more = {"position_ids": positions} if "position_ids" in self._accepts else {}
        if "logits_to_keep" in self._accepts:
            more["logits_to_keep"] = 1
        out = self._model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **more)
        return out.logits[:, -1].float(), out.past_key_values

    def _choose(self, logits: Any, rows: Sequence[_Row], sampling: Sampling) -> list[int]:
        if sampling.repetition_penalty != 1.0:
            for i, row in enumerate(rows):
                seen = torch.tensor(sorted({*row.prompt, *row.ids}), device=logits.device)
                scores = logits[i, seen]
                logits[i, seen] = torch.where(
                    scores > 0, scores / sampling.repetition_penalty, scores * sampling.repetition_penalty
                )
        if sampling.temperature <= 0:
            return [int(i) for i in logits.argmax(-1).tolist()]
        ordered, index = torch.sort((logits.double() / sampling.temperature).softmax(-1), descending=True, stable=True)
        if sampling.top_k > 0:
            ordered[:, sampling.top_k :] = 0
            ordered /= ordered.sum(-1, keepdim=True)
        before = ordered.cumsum(-1) - ordered
        ordered[before >= sampling.top_p] = 0  # the most likely token has nothing before it, so it always stays
        if sampling.top_p <= 0:
            return [int(i) for i in index[:, 0].tolist()]
        sums = ordered.cumsum(-1)
        drawn = torch.tensor([[row.dice.random()] for row in rows], dtype=torch.double, device=logits.device)
        place = torch.searchsorted(sums, drawn * sums[:, -1:], right=True).clamp(max=sums.shape[1] - 1)
        return [int(i) for i in index.gather(1, place)[:, 0].tolist()]

    def _take(self, row: _Row, token: int, sampling: Sampling) -> None:
        row.ids.append(token)
        if token in self._stops:
            row.reason, row.text = "stop", self._text(row)
        if sampling.stop:
            text = self._text(row)
            found = [at for at in (text.find(stop) for stop in sampling.stop) if at >= 0]
            if found:
                row.reason, row.text = "stop", text[: min(found)]
        if not row.reason and len(row.ids) >= row.room:
            row.reason = "length"

    # ------------------------------------------------------------ log-probabilities

    def branches(self, messages: Sequence[Message], texts: Sequence[str], end: bool) -> Branches:
        """Token ids of a prompt and of each text as the answer to it; ``end``: with the end token after each text."""
        prefix, continuations, straddled = formats.encode_answers(self._format, messages, texts, self.tokenizer)
        if end:
            last = formats.end_token(self._format, self.tokenizer)[1]
            continuations = [[*ids, last] for ids in continuations]
        return Branches(prefix=prefix, continuations=continuations, straddled=straddled)

    def logprobs_of(self, prompts: Sequence[Branches]) -> Iterator[tuple[int, Weights]]:
        """Index and log-probabilities of each prompt's continuations; what prompts begin with is computed once.

        A prompt that does not fit the model's positions, or has a continuation without a token, gives an error: nothing
        is cut. Raises ModelError where a log-probability is not a number.
        """
        return self._weigher.weigh(prompts)

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """Sum of log-probabilities (natural) of each continuation after the prefix, which is computed once.

        An empty continuation gives 0. Raises ModelError for an empty prefix, or where the ids do not fit the positions.
        """
        given = [list(tokens) for tokens in continuations if tokens]
        ((_, found),) = self._weigher.weigh([Branches(prefix=list(prefix), continuations=given)])
        if found.error:
            raise ModelError(found.error)
        values = iter(found.logprobs)
        return [next(values) if tokens else 0.0 for tokens in continuations]


def _agreed_format(loaded: Loaded, wanted: str) -> str:
    if not (loaded.format or wanted):
        raise FormatError(
            f"{loaded.name}: the checkpoint does not say which chat format it was trained with; next: name one "
            f"({', '.join(formats.FORMATS)})"
        )
    if loaded.format and wanted and wanted != loaded.format:
        raise FormatError(
            f"{loaded.name}: format {wanted!r} was asked for, but the checkpoint was trained with "
            f"{loaded.format!r}; with "
            "another format its answers are worse without notice; next: leave the format out"
        )
    return loaded.format or wanted
