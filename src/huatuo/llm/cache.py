"""A cache around any model: what was answered once is never asked, or paid for, again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from huatuo.errors import DataError
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.records import Message
from huatuo.store import canonical_json, content_id

BUSY_S = 60.0
"""Seconds to wait for another process that is writing to the same cache."""

LOOKUP = 500
"""Keys per query: older SQLite builds allow 999 variables."""


class Cached:
    """A `Model` that remembers every finished reply in one SQLite file.

    A reply is committed before it is handed on, so a process that is killed loses only the calls in flight. Replies
    with finish_reason ``error`` are not kept. Several processes may share the file on one machine (SQLite's write-ahead
    log does not work on network file systems).
    """

    def __init__(self, model: Model, path: Path):
        """Raises DataError where the file cannot be opened or written, or is no cache."""
        self.model, self.path = model, path
        self.name, self.digest, self.format = model.name, model.digest, model.format
        self.asked = self.reused = 0
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
                self._db.execute("BEGIN IMMEDIATE")  # a folder that cannot be written is found now, not after paying
                self._db.execute("COMMIT")
        except DataError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; finished replies are in it already."""
        self._db.close()

    def __enter__(self) -> Cached:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DataError(
                f"{self.path}: the cache of replies cannot be used ({error}); expected a SQLite file in a folder that "
                "can be written; next: free space or change the folder's rights, or move the file away if it is damaged"
            ) from None

    def key(self, messages: Sequence[Message], sampling: Sampling) -> str:
        """The identity of a call: model, its weights and format, messages, sampling."""
        turns = canonical_json([[message.role, message.content] for message in messages])
        return content_id("reply", self.name, self.digest, self.format, turns, sampling.canonical())

    def chat(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> Iterator[tuple[int, Reply]]:  # fmt: skip
        """Remembered replies at once, the others as the model finishes them; equal conversations are asked once."""
        keys = [self.key(messages, sampling) for messages in conversations]
        missing: dict[str, list[int]] = {}
        for start in range(0, len(keys), LOOKUP):
            known = self._look_up(keys[start : start + LOOKUP])
            for index in range(start, min(start + LOOKUP, len(keys))):
                if keys[index] in known:
                    self.reused += 1
                    yield index, known[keys[index]]
                else:
                    missing.setdefault(keys[index], []).append(index)
        wanted = list(missing)
        if not wanted:
            return
        for number, reply in self.model.chat([conversations[missing[key][0]] for key in wanted], sampling):
            self.asked += 1
            if reply.finish_reason != "error":
                self._remember(wanted[number], reply)
            for index in missing[wanted[number]]:
                yield index, reply

    def _look_up(self, keys: Sequence[str]) -> dict[str, Reply]:
        marks = ",".join("?" * len(keys))
        with self._explained():
            rows = self._db.execute(f"SELECT key, reply FROM replies WHERE key IN ({marks})", list(keys)).fetchall()
        try:
            return {key: Reply.model_validate_json(text) for key, text in rows}
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise DataError(
                f"{self.path}: a remembered reply is not readable ({first['msg']}); expected replies of this version; "
                "next: move the file away, and the calls are made again"
            ) from None

    def _remember(self, key: str, reply: Reply) -> None:
        with self._explained():
            self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, reply.model_dump_json()))

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """The remembered answer in one piece, else the model's own pieces (a stream is not remembered)."""
        known = self._look_up([self.key(messages, sampling)])
        if known:
            self.reused += 1
            yield from (reply.text for reply in known.values())
            return
        self.asked += 1
        yield from self.model.stream(messages, sampling)

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """The model's own; computed anew each time."""
        return self.model.logprobs(prefix, continuations)
