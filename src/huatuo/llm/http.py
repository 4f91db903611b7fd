"""Models behind an OpenAI-compatible address: many calls at once, each retried on its own, none lost silently."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import random
import re
import threading
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from huatuo.errors import ModelError, RefusedError
from huatuo.llm.base import Reply, Sampling
from huatuo.recipe import TeacherSettings
from huatuo.records import Message
from huatuo.store import now

BACKOFF_BASE_S = 0.5
"""Seconds; the wait before try n is drawn evenly from 0 to this times 2**n (full jitter)."""
BACKOFF_CAP_S = 30.0
"""Longest back-off where the server does not name one."""
LONGEST_WAIT_S = 600.0
"""Longest Retry-After that is waited for; a call told to wait longer ends with an error."""
PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may be gone at the next try."""
CROWDED = frozenset({429, 503, 529})
"""Statuses that ask for fewer calls at once."""
NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Error codes of a 429 that waiting does not mend."""
ONE_PROMPT = frozenset({"content_filter", "context_length_exceeded", "string_above_max_length", "invalid_prompt"})
"""Error codes of a 400 that are about one conversation, whatever else was answered."""
LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
"""Hosts that need no key."""
GROWTH = 0.1
"""Calls that a good answer adds to the window."""
EXCERPT = 200
"""Characters of a server's answer shown in an error."""


class Passing(Exception):
    """One try failed for a reason that may pass: ``wait`` at least so many seconds before the next."""

    def __init__(self, said: str, wait: float = 0.0, crowded: bool = False, unreachable: bool = False):
        super().__init__(said)
        self.wait, self.crowded, self.unreachable = wait, crowded, unreachable


class Window:
    """How many calls may be in flight: one less for each that finds the server crowded, GROWTH more for each that not.

    So a server that turns a few calls away at random is asked at full speed, and one that admits only some at once
    turns away about GROWTH of the calls.
    """

    def __init__(self, most: int):
        self.most, self.limit = most, float(most)
        self._flying = 0
        self._room = asyncio.Condition()

    async def enter(self) -> None:
        """Return once there is room."""
        async with self._room:
            await self._room.wait_for(lambda: self._flying < int(self.limit))
            self._flying += 1

    async def leave(self, good: bool, crowded: bool) -> None:
        """Free the place and learn from how the call went."""
        async with self._room:
            self._flying -= 1
            change = GROWTH if good else -1.0 if crowded else 0.0
            self.limit = max(1.0, min(float(self.most), self.limit + change))
            self._room.notify(2)  # one place came free, and growth may have added another


class Endpoint:
    """A model behind ``{url}/chat/completions``. Sends top_k, seed and the like only where set."""

    digest = format = ""

    def __init__(self, settings: TeacherSettings):
        """Check the address; the key is read when the first call is made.

        Raises RefusedError for an address or a model name that cannot be used.
        """
        parts = urlsplit(settings.url)
        self.host = parts.hostname or ""
        known = parts.scheme in ("http", "https") and self.host and not (parts.username or parts.password)
        if not known or not settings.model:
            raise RefusedError(
                f"synth.teacher (host {self.host!r}, model {settings.model!r}) cannot be asked; expected a model and a "
                "url like https://host/v1 without user name or password; next: mend the recipe"
            )
        self.name, self._settings = settings.model, settings
        self._url = parts._replace(path=parts.path.rstrip("/") + "/chat/completions", fragment="").geturl()
        self._loopback = bool(LOOPBACK.fullmatch(self.host))
        direct = self._loopback or urllib.request.proxy_bypass(self.host)
        self._proxy = None if direct else urllib.request.getproxies().get(parts.scheme)
        self._answered = False

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Index and reply of each conversation as they finish. Closing the iterator cancels the calls in flight.

        Raises RefusedError when the server refuses for good, cannot be reached at all, or there is no key.
        """
        if not conversations:
            return
        window = Window(self._settings.concurrency)
        todo = iter(enumerate(conversations))

        async def work(put: Callable[[tuple[int, Reply]], Awaitable[None]]) -> None:
            async with self._session() as session:

                async def worker() -> None:
                    for index, messages in todo:
                        await put((index, await self._call(session, window, self._body(messages, sampling))))

                workers = min(self._settings.concurrency, len(conversations))
                await _all(worker() for _ in range(workers))

        yield from _relay(work, room=2 * self._settings.concurrency)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """Pieces of one answer as they arrive, without the reasoning; retried until the first piece is there.

        Raises RefusedError as `chat` does, ModelError where the answer breaks off or is refused.
        """

        async def work(put: Callable[[str], Awaitable[None]]) -> None:
            async with self._session() as session:
                for attempt in range(self._settings.retries + 1):
                    begun = False
                    try:
                        async for piece in self._pieces(session, self._body(messages, sampling, stream=True)):
                            begun = True
                            await put(piece)
                        return
                    except Passing as error:
                        if begun or attempt == self._settings.retries or error.wait > LONGEST_WAIT_S:
                            raise ModelError(f"{self.host}: the answer broke off: {error}; next: ask again") from None
                        await asyncio.sleep(_pause(attempt, error.wait))

        yield from _relay(work, room=1024)

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """Raises ModelError: an endpoint takes text, not token ids."""
        raise ModelError(f"{self.name} at {self.host} takes no token ids; expected a checkpoint; next: ask `ours`")

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Price of so many tokens in ``settings.currency``; None where a price is not known, never 0 for that."""
        price_in, price_out = self._settings.price_in, self._settings.price_out
        if price_in is None or price_out is None:
            return None
        return (prompt_tokens * price_in + completion_tokens * price_out) / 1e6

    def _key(self) -> str:
        key = os.environ.get(self._settings.key_env, "").strip()
        if (key and key.isascii() and key.isprintable()) or (not key and self._loopback):
            return key
        raise RefusedError(
            f"{self.host}: {'the key holds characters that no header can carry' if key else 'no key'}; expected it in "
            f"the environment variable {self._settings.key_env}; next: set it, or name another with teacher.key_env"
        )

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        headers = {"Content-Type": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        async with aiohttp.ClientSession(
            headers=headers,
            proxy=self._proxy,
            connector=aiohttp.TCPConnector(limit=self._settings.concurrency),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
            read_bufsize=1 << 20,
        ) as session:
            yield session
        await asyncio.sleep(0)  # lets closed transports say so before the loop ends

    def _body(self, messages: Sequence[Message], sampling: Sampling, stream: bool = False) -> bytes:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            self._settings.max_tokens_field: sampling.max_tokens,
            "temperature": sampling.temperature,
        }
        fields = {"top_p", "top_k", "repetition_penalty", "seed", "stop"}
        extra = sampling.model_dump(include=fields, exclude_defaults=True)
        return json.dumps(body | extra | ({"stream": True} if stream else {})).encode()

    async def _call(self, session: aiohttp.ClientSession, window: Window, body: bytes) -> Reply:
        attempt = 0
        while True:
            await window.enter()
            good = crowded = False
            try:
                reply = await self._try(session, body)
                good = self._answered = True
                return reply
            except Passing as error:
                failure, crowded = error, error.crowded
            finally:
                await window.leave(good, crowded)
            if attempt == self._settings.retries or failure.wait > LONGEST_WAIT_S:
                if failure.unreachable and not self._answered:
                    raise RefusedError(
                        f"{self.host}: cannot be reached after {attempt + 1} tries ({failure}); expected a server at "
                        "synth.teacher.url; next: check the address and the network"
                    )
                said = f"{self.host}: {failure}, after {attempt + 1} tries"
                return Reply(text="", finish_reason="error", error=said, time=now())
            await asyncio.sleep(_pause(attempt, failure.wait))
            attempt += 1

    async def _try(self, session: aiohttp.ClientSession, body: bytes) -> Reply:
        async with self._post(session, body) as response:
            data = await response.read()
            if response.status != 200 and (refused := self._judge(response, data)):
                return refused
        try:
            return _reply(json.loads(data))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
            raise Passing(f"unreadable body ({type(error).__name__}): {self._excerpt(data)}") from None

    @asynccontextmanager
    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with session.post(self._url, data=body, allow_redirects=False) as response:
                yield response
        except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
            raise RefusedError(f"{self.host}: {self._excerpt(str(error))}; next: check synth.teacher.url") from None
        except TimeoutError:
            raise Passing(f"no answer within {self._settings.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            said = f"broken connection: {type(error).__name__} {self._excerpt(str(error))}"
            raise Passing(said, unreachable=isinstance(error, aiohttp.ClientConnectorError)) from None

    def _judge(self, response: aiohttp.ClientResponse, data: bytes) -> Reply | None:
        """A refused reply where only this conversation is refused; raises Passing or RefusedError otherwise."""
        codes, status = _error_codes(data), response.status
        if status == 400 and (codes & ONE_PROMPT or self._answered):  # what was answered before had the same settings
            return Reply(text="", finish_reason="refused", error=self._excerpt(data), time=now())
        if (status in PASSING or status >= 500) and not codes & NO_MONEY:
            wait = _retry_after(response.headers.get("Retry-After", ""))
            raise Passing(f"status {status}: {self._excerpt(data)}", wait, crowded=status in CROWDED)
        raise RefusedError(
            f"{self.host}: refuses with status {status}: {self._excerpt(data)}; expected 200; "
            f"next: check synth.teacher.url, model and the key in {self._settings.key_env}"
        )

    def _excerpt(self, data: bytes | str) -> str:
        """The beginning of what a server said, on one line, without the key."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        key = os.environ.get(self._settings.key_env, "").strip()
        return " ".join((text.replace(key, "[key]") if key else text).split())[:EXCERPT]

    async def _pieces(self, session: aiohttp.ClientSession, body: bytes) -> AsyncIterator[str]:
        ended, held = "", ""
        begun = False  # whether it is known that this is no thought any more
        async with self._post(session, body) as response:
            if response.status != 200 and self._judge(response, await response.read()):
                ended = "content_filter"  # and no line follows
            async for line in response.content:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    ended = ended or "stop"
                    break
                text, end = self._event(data)
                ended = end or ended
                if not begun:
                    held += text
                    begun = "</think>" in held or not "<think>".startswith(held.lstrip()[:7])
                    text = split_thoughts(held)[1] if begun else ""
                if text:
                    yield text
        if ended == "content_filter":
            raise ModelError(f"{self.host}: the model refused to answer this; next: ask something else")
        if not ended:
            raise Passing("the stream ended without a finish reason")
        if not begun and (rest := split_thoughts(held)[1]):
            yield rest

    def _event(self, data: bytes) -> tuple[str, str]:
        try:
            if not (choices := json.loads(data)["choices"]):
                return "", ""  # usage only
            delta = choices[0].get("delta") or {}
            text = _clean(delta.get("content") or "")
            ended = "content_filter" if delta.get("refusal") else str(choices[0].get("finish_reason") or "")
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Passing(f"unreadable event: {self._excerpt(data)}") from None
        return text, ended


def split_thoughts(text: str) -> tuple[str, str]:
    """Thoughts and answer. Thoughts without an end are all thoughts; an end without a beginning ends them as well."""
    found = re.match(r"\s*<think>(.*?)(?:</think>|\Z)(.*)", text, re.DOTALL)
    if found:
        return found[1].strip(), found[2].lstrip()
    before, mark, after = text.partition("</think>")
    return (before.strip(), after.lstrip()) if mark else ("", text)


def _reply(data: Any) -> Reply:
    choice = data["choices"][0]
    message = choice["message"]
    content = message.get("content")
    refusal = message.get("refusal") or ""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type", "text") == "text")
    reason = choice.get("finish_reason")
    if reason == "abort" or (content is None and not refusal and reason not in ("length", "content_filter")):
        raise ValueError("no content")
    thoughts, text = split_thoughts(_clean(content or ""))
    own = message.get("reasoning_content") or message.get("reasoning") or ""
    usage = data.get("usage") or {}
    refused = bool(refusal) or reason == "content_filter"
    return Reply(
        text=text,
        reasoning="\n".join(part for part in (_clean(own), thoughts) if part),
        finish_reason="refused" if refused else "length" if reason in ("length", "max_tokens") else "stop",
        error=_clean(refusal) or ("content filter" if refused else ""),
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        time=now(),
    )


def _clean(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _error_codes(data: bytes) -> set[str]:
    try:
        error = json.loads(data)["error"]
        return {str(error.get(name)) for name in ("code", "type")}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return set()


def _pause(attempt: int, least: float) -> float:
    return least + random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(attempt, 16)))


def _retry_after(header: str) -> float:
    """Seconds that a Retry-After header asks for, given as seconds or as a date; 0 where it says nothing."""
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


async def _all(jobs: Iterator[Awaitable[None]]) -> None:
    """Run all jobs; the first error cancels the others."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _relay(work: Callable[[Callable[[Any], Awaitable[None]]], Awaitable[None]], room: int) -> Iterator[Any]:
    """What ``work`` puts, while it runs on an event loop in a thread of its own; at most ``room`` items lie unread.

    Ending the iterator early cancels the work and waits for its connections to close.
    """
    items: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    stop, free = asyncio.Event(), asyncio.Semaphore(room)

    async def put(item: Any) -> None:
        await free.acquire()
        items.put((True, item))

    async def main() -> None:
        working = asyncio.ensure_future(work(put))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            items.put((False, working.exception()))
        await stopping
        working.cancel()
        await asyncio.wait((working,))

    def drive() -> None:
        with closing(loop):
            loop.run_until_complete(main())
            loop.run_until_complete(loop.shutdown_asyncgens())

    thread = threading.Thread(target=drive, name="huatuo-http", daemon=True)
    thread.start()
    try:
        while True:
            more, item = items.get()
            if not more:
                if item is not None:
                    raise item
                return
            yield item
            loop.call_soon_threadsafe(free.release)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
