"""Replies and log-probabilities on disk: what was answered once is never asked, computed or paid for again."""

from __future__ import annotations

import json
import sqlite3
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from huatuo.errors import DataError
from huatuo.files import canonical_json, content_id
from huatuo.llm.base import Branches, Model, Reply, Sampling, Weights
from huatuo.llm.money import Prices, Spent
from huatuo.records import Message

LOOKUP_KEYS = 500
"""Keys per query; SQLite before 3.32 takes at most 999 variables."""
GROUP_REPLIES = 256
"""Replies of a free model per commit."""
GROUP_SECONDS = 0.05
"""Longest time between two commits while a free model answers."""
SYNC_SECONDS = 1.0
"""Longest time in which paid replies are kept from kill -9 (each on its own) but not yet from a power failure."""
BUSY_SECONDS = 30.0
"""How long to wait for another process that is writing to the same file."""


class Cached:
    """A `Model` that asks another one and keeps its replies in an SQLite file.

    A reply counts under model name, digest, chat format, messages and sampling; log-probabilities under the digest and
    the token ids, whatever the model is called. What ended in an error is not kept. What comes from an endpoint, or
    says when it was made, is on disk before it is handed on; what a free model answers is written in groups. Raises
    DataError where the file cannot be written or is not a cache.
    """

    def __init__(self, model: Model, path: Path, scope: str = ""):
        """Open or make the file; missing folders are made.

        ``scope``: keeps what a model said under it apart, where its name does not tell which weights answered.
        """
        self.name, self.digest, self.format = model.name, model.digest, model.format
        self.path = path
        self.hits = self.asked = self.failed = 0
        self.served: Counter[str] = Counter()
        """Answered calls under each name that was not the one asked for."""
        self._model, self._scope = model, [scope] if scope else []
        self._pending: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._committed = self._synced = time.monotonic()
        self._connection = _open(path)
        self.close = weakref.finalize(self, self._connection.close)

    @property
    def positions(self) -> int | None:
        """The model's own."""
        return self._model.positions

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Index and reply of each conversation: first those on disk, then the others as they are answered.

        Conversations that are equal are asked once. Raises DataError, and whatever the model itself raises.
        """
        said = sampling.canonical()
        waiting: dict[str, list[int]] = {}
        for start in range(0, len(conversations), LOOKUP_KEYS):
            chunk = conversations[start : start + LOOKUP_KEYS]
            keys = [self.key(messages, said) for messages in chunk]
            known = self._lookup(keys)
            for index, key in enumerate(keys, start):
                if key in known:
                    self.hits += 1
                    self._note(known[key])
                    yield index, known[key]
                else:
                    waiting.setdefault(key, []).append(index)
        yield from self._ask(conversations, waiting, sampling)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """The reply on disk in one piece, else the model's own pieces.

        Pieces are not kept: a stream does not say why it ended, so it could have been cut short.
        """
        key = self.key(messages, sampling.canonical())
        known = self._lookup([key])
        if key in known:
            self.hits += 1
            yield known[key].text
        else:
            yield from self._model.stream(messages, sampling)

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """The model's own log-probabilities, never kept. Raises ModelError where it has none."""
        return self._model.logprobs(prefix, continuations)

    def branches(self, messages: Sequence[Message], texts: Sequence[str], end: bool) -> Branches:
        """The model's own token ids. Raises ModelError where it takes none."""
        return self._model.branches(messages, texts, end)

    def logprobs_of(self, prompts: Sequence[Branches]) -> Iterator[tuple[int, Weights]]:
        """Index and log-probabilities of each prompt: first those on disk, then the others as they are computed.

        Prompts that are equal are computed once. Of a model without a digest none are kept, since nobody knows whose
        they are. Raises DataError, and ModelError where the model has none.
        """
        if not self.digest:
            yield from self._model.logprobs_of(prompts)
            return
        waiting: dict[str, list[int]] = {}
        keys = [content_id("weights", self.digest, canonical_json([p.prefix, p.continuations])) for p in prompts]
        known = self._rows("weights", keys)
        for index, key in enumerate(keys):
            if key in known:
                self.hits += 1
                yield index, Weights(logprobs=self._read(known[key]))
            else:
                waiting.setdefault(key, []).append(index)
        missing = list(waiting.items())
        try:
            for number, weights in self._model.logprobs_of([prompts[own[0]] for _, own in missing]) if missing else ():
                self.asked += 1
                key, own = missing[number]
                if weights.error:
                    self.failed += 1
                else:
                    self._pending["weights"].append((key, json.dumps(weights.logprobs)))
                    if self._is_full():
                        self._commit()
                for index in own:
                    yield index, weights
        finally:
            self._commit()

    def _read(self, values: str) -> list[float]:
        found = json.loads(values)
        if not isinstance(found, list) or not all(isinstance(value, float) for value in found):
            raise DataError(
                f"{self.path}: holds log-probabilities that are no numbers; next: move the file away, they are then "
                "computed again"
            )
        return found

    def known(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[Reply | None]:
        """The reply on disk of each conversation, None where there is none; nothing is asked."""
        said, found = sampling.canonical(), []
        for start in range(0, len(conversations), LOOKUP_KEYS):
            keys = [self.key(messages, said) for messages in conversations[start : start + LOOKUP_KEYS]]
            replies = self._lookup(keys)
            found += [replies.get(key) for key in keys]
        return found

    def keep(self, replies: Sequence[tuple[str, Reply]]) -> int:
        """Put replies that came by another way under their keys; how many were not there yet."""
        before = self._connection.total_changes
        self._pending["replies"] += [(key, reply.model_dump_json()) for key, reply in replies]
        self._commit()
        return self._connection.total_changes - before

    def key(self, messages: Sequence[Message], sampling: str) -> str:
        """The key of a conversation under a sampling's canonical JSON: 32 hexadecimal digits."""
        said = canonical_json([m.model_dump() for m in messages])
        return content_id(*self._scope, self.name, self.digest, self.format, said, sampling)

    def _ask(
        self, conversations: Sequence[Sequence[Message]], waiting: dict[str, list[int]], sampling: Sampling
    ) -> Iterator[tuple[int, Reply]]:
        if not waiting:
            return
        keys = list(waiting)
        replies = self._model.chat([conversations[waiting[key][0]] for key in keys], sampling)
        try:
            for number, reply in replies:
                self.asked += 1
                key = keys[number]
                if reply.finish_reason != "error":
                    self._pending["replies"].append((key, reply.model_dump_json()))
                    if self._is_due(reply):
                        self._commit()
                else:
                    self.failed += 1
                self._note(reply)
                for index in waiting[key]:
                    yield index, reply
        finally:
            self._commit()
            close = getattr(replies, "close", None)
            if close is not None:
                close()

    def _note(self, reply: Reply) -> None:
        if reply.model:
            self.served[reply.model] += 1

    def _is_due(self, reply: Reply) -> bool:
        return not self.digest or bool(reply.time) or self._is_full()

    def _is_full(self) -> bool:
        late = time.monotonic() - self._committed >= GROUP_SECONDS
        return late or sum(map(len, self._pending.values())) >= GROUP_REPLIES

    def _commit(self) -> None:
        if any(self._pending.values()):
            now = time.monotonic()
            is_sync = now - self._synced >= SYNC_SECONDS
            try:
                if is_sync:
                    self._connection.execute("PRAGMA synchronous=FULL")
                with self._connection:
                    for table, rows in self._pending.items():
                        self._connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", rows)
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from None
            if is_sync:
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._synced = now
            self._pending.clear()
        self._committed = time.monotonic()

    def _rows(self, table: str, keys: Sequence[str]) -> dict[str, str]:
        """What stands in a table under these keys."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), LOOKUP_KEYS):
            chunk = keys[start : start + LOOKUP_KEYS]
            query = f"SELECT * FROM {table} WHERE key IN ({','.join('?' * len(chunk))})"
            try:
                found.update(self._connection.execute(query, chunk).fetchall())
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from None
        return found

    def _lookup(self, keys: Sequence[str]) -> dict[str, Reply]:
        rows = self._rows("replies", keys)
        try:
            return {key: Reply.model_validate_json(reply) for key, reply in rows.items()}
        except ValidationError as error:
            raise DataError(
                f"{self.path}: holds a reply that cannot be read ({error.error_count()} errors); expected replies of "
                "this version of huatuo; next: move the file away, the replies are then asked for again"
            ) from None


def spent(path: Path, prices: Prices) -> Spent:
    """What all paid replies in the file at ``path`` used and cost; nothing where there is no file.

    A reply whose price was not known when it came counts at ``prices``. Raises DataError for a file that is no cache.
    """
    if not path.exists():
        return Spent(prices.currency)
    connection = _open(path)
    try:
        rows = connection.execute(_SPENT, (prices.currency,)).fetchall()
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    finally:
        connection.close()
    total = Spent(prices.currency)
    for foreign, unpriced, calls, unknown, prompt, completion, cost in rows:
        prompt, completion = (None, None) if unknown else (prompt, completion)
        paid = None if foreign else prices.cost(prompt, completion) if unpriced else cost
        total = total.plus(Spent(prices.currency, calls, prompt, completion, paid))
    return total


_SPENT = """
SELECT cost IS NOT NULL AND currency <> ?, cost IS NULL, count(*), count(*) > min(count(prompt), count(completion)),
       sum(prompt), sum(completion), sum(cost)
FROM (SELECT json_extract(reply, '$.prompt_tokens') AS prompt, json_extract(reply, '$.completion_tokens') AS completion,
             json_extract(reply, '$.cost') AS cost, json_extract(reply, '$.currency') AS currency
      FROM replies WHERE json_extract(reply, '$.time') <> '')
GROUP BY 1, 2
"""


def _open(path: Path) -> sqlite3.Connection:
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        with connection:  # written on every opening, so that a file nobody may write is found before anything is paid
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS weights (key TEXT PRIMARY KEY, logprobs TEXT NOT NULL) WITHOUT ROWID"
            )
            connection.execute("PRAGMA user_version=1")
        connection.execute("SELECT key, reply FROM replies LIMIT 1").fetchall()
    except (OSError, sqlite3.Error) as error:
        if connection is not None:
            connection.close()
        raise _unusable(path, error) from None
    return connection


def _unusable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: replies cannot be kept here ({error}); expected an SQLite file in a folder that can be written; "
        "next: check permissions, free space and that this file is a cache, or move it away"
    )
