"""Models behind OpenAI-compatible addresses: many calls at once, each retried on its own, none lost silently."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp

from huatuo.errors import ModelError, RefusedError
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.limits import pause
from huatuo.llm.money import Spent, size_of
from huatuo.llm.replies import (
    CROWDED,
    UNREADABLE,
    Passing,
    error_codes,
    excerpt,
    is_about_one_prompt,
    may_pass,
    refused,
    reply_of,
    retry_after,
    split_thoughts,
    stream_event,
)
from huatuo.llm.servers import Server, Servers
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Finding, Message
from huatuo.store import now

MOST_FAILED = 50
"""Calls in a row that may end in an error; more is an outage, and going on would lose every further call to it."""
WORKERS_EACH = 2
"""Calls taken up for each that may be in flight: those that wait for a further try leave their place to others."""

Put = Callable[[Any], Awaitable[None]]
"""Hands an item to the reader; returns once the reader asks for the next one."""


class Endpoint:
    """A model behind ``{url}/chat/completions``. Sends top_k, seed and the like only where set."""

    digest = format = ""

    def __init__(self, settings: TeacherSettings, before: Spent | None = None):
        """Check the addresses; ``before`` is what the limit on money or tokens counts as spent already.

        Raises RefusedError for an address or a model name that cannot be used.
        """
        self._settings = settings
        self._servers = Servers(settings, before or Spent(settings.currency))
        names = sorted({server.model for server in self._servers.all})
        if len(names) > 1 and not settings.model:
            raise RefusedError(
                f"synth.teacher.endpoints name different models ({', '.join(names)}) and synth.teacher.model is empty; "
                "expected one name for what answers; next: set synth.teacher.model"
            )
        self.name = settings.model or names[0]
        self._failed_in_a_row = 0

    @property
    def findings(self) -> list[Finding]:
        """Which endpoints were taken out, and why."""
        return self._servers.findings

    @property
    def spent(self) -> Spent:
        """What was spent before and since."""
        return self._servers.purse.spent

    @property
    def failed_tries(self) -> int:
        """Tries that ended without an answer; whether they were charged is not known."""
        return self._servers.failed_tries

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Index and reply of each conversation as they finish. Closing the iterator cancels the calls in flight.

        A place in the window is free again when the reader asks for the next reply: so no more calls than may be in
        flight are ever unknown to the reader. Raises RefusedError, once those in flight have ended, when every server
        refuses for good or cannot be reached, a limit is reached, too many calls in a row fail, or a key is missing.
        """
        if not conversations:
            return
        todo = iter(enumerate(conversations))
        most = WORKERS_EACH * self._settings.concurrency * len(self._servers.all)
        stopped: list[RefusedError] = []

        async def work(put: Put) -> None:
            async with self._session() as session:

                async def worker() -> None:
                    for index, messages in todo:
                        try:
                            await self._call(session, index, messages, sampling, put)
                        except RefusedError as error:
                            stopped.append(error)
                            self._servers.halt(str(error))
                        if stopped:
                            return

                await _all(worker() for _ in range(min(most, len(conversations))))
            if stopped:
                raise stopped[0]

        yield from _relay(work)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """Pieces of one answer as they arrive, without the reasoning; retried until the first piece is there.

        Raises RefusedError as `chat` does, ModelError where the answer breaks off or is refused.
        """
        size = size_of(messages, sampling)

        async def work(put: Put) -> None:
            async with self._session() as session:
                for attempt in range(self._settings.retries + 1):
                    server, begun = await self._servers.enter(size), False
                    try:
                        async for piece in self._pieces(session, server, messages, sampling):
                            begun = True
                            await put(piece)
                        return
                    except Passing as error:
                        if begun or attempt == self._settings.retries or error.wait > self._settings.longest_wait_s:
                            raise ModelError(f"{server.host}: the answer broke off: {error}; next: ask again") from None
                        wait = pause(attempt, error.wait)
                    finally:
                        self._servers.leave(server, size, None, None)
                    await asyncio.sleep(wait)

        yield from _relay(work)

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """Raises ModelError: an endpoint takes text, not token ids."""
        raise ModelError(f"{self.name} is an endpoint and takes no token ids; expected a checkpoint; next: ask `ours`")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        for server in self._servers.all:
            server.headers()  # a missing key is found before anything is asked
        self._servers.begin()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._settings.concurrency * len(self._servers.all)),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
            read_bufsize=1 << 20,
        ) as session:
            yield session
        await asyncio.sleep(0)  # lets closed transports say so before the loop ends

    # ---------------------------------------------------------------- one call

    async def _call(
        self, session: aiohttp.ClientSession, index: int, messages: Sequence[Message], sampling: Sampling, put: Put
    ) -> None:
        """Put the reply of one conversation: an answer, or an error reply after all tries.

        Raises RefusedError where no server is left, and as `Servers.enter` does.
        """
        size, attempt = size_of(messages, sampling), 0
        while True:
            server = await self._servers.enter(size)
            started = time.monotonic()
            reply, failure = None, None
            try:
                answer = await self._try(session, server, self._body(messages, sampling, server.model))
                await put((index, answer))
                reply = answer
            except Passing as error:
                failure = error
            except RefusedError as error:
                self._servers.take_out(server, str(error))
            finally:
                self._servers.leave(server, size, reply, failure)
            if reply is not None:
                self._failed_in_a_row = 0
                return
            if failure is None or self._is_server_at_fault(server, failure, started):
                continue  # with another server, or with this one after its rest: not a failure of this call
            if attempt == self._settings.retries:
                await self._give_up(index, f"{server.host}: {failure}, after {attempt + 1} tries", put)
                return
            await self._servers.rest(pause(attempt, failure.wait))
            attempt += 1

    def _is_server_at_fault(self, server: Server, failure: Passing, started: float) -> bool:
        """Whether a failure is about the server as a whole; one that stays so is taken out."""
        longest = self._settings.longest_wait_s
        if failure.wait > longest:
            self._servers.take_out(
                server,
                f"{server.host}: asks to wait {failure.wait:,.0f} s ({failure}), longer than "
                f"synth.teacher.longest_wait_s = {longest:g}; what was answered is kept; "
                "next: run the same command again then, or raise longest_wait_s",
            )
        elif failure.unreachable:
            misses = server.missed(started)
            if misses > self._settings.retries:
                self._servers.take_out(
                    server,
                    f"{server.host}: cannot be reached after {misses} tries ({failure}); expected a server at "
                    "synth.teacher.url; what was answered is kept; next: check the address and the network, and run "
                    "the same command again",
                )
        return failure.unreachable or failure.wait > longest

    async def _give_up(self, index: int, said: str, put: Put) -> None:
        await put((index, Reply(text="", finish_reason="error", error=said, time=now())))
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= MOST_FAILED:
            raise RefusedError(
                f"{self._failed_in_a_row} calls in a row ended in an error, the last one: {said}; what was answered is "
                "kept; next: see what the server says, and run the same command again"
            )

    def _body(self, messages: Sequence[Message], sampling: Sampling, model: str, stream: bool = False) -> bytes:
        return json.dumps(request_body(messages, sampling, model, self._settings, stream)).encode()

    async def _try(self, session: aiohttp.ClientSession, server: Server, body: bytes) -> Reply:
        async with self._post(session, server, body) as response:
            data = await response.read()
            if response.status != 200 and (one := self._judge(server, response, data)):
                return one
        try:
            return reply_of(json.loads(data), server.prices)
        except UNREADABLE as error:
            raise Passing(f"unreadable body ({type(error).__name__}): {excerpt(data, server.key)}") from None

    @asynccontextmanager
    async def _post(
        self, session: aiohttp.ClientSession, server: Server, body: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with session.post(
                server.url, data=body, headers=server.headers(), proxy=server.proxy, allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
            said = excerpt(str(error), server.key)
            raise RefusedError(f"{server.host}: {said}; next: check synth.teacher.url") from None
        except TimeoutError:
            raise Passing(f"no answer within {self._settings.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            said = f"broken connection: {type(error).__name__} {excerpt(str(error), server.key)}"
            raise Passing(said, unreachable=isinstance(error, aiohttp.ClientConnectorError)) from None

    def _judge(self, server: Server, response: aiohttp.ClientResponse, data: bytes) -> Reply | None:
        """A refused reply where only this conversation is refused; raises Passing or RefusedError otherwise."""
        codes, status, said = error_codes(data), response.status, excerpt(data, server.key)
        if is_about_one_prompt(status, codes, server.answered):
            return refused(said, server.prices)
        if may_pass(status, codes):
            wait = retry_after(response.headers.get("Retry-After", ""))
            raise Passing(f"status {status}: {said}", wait, crowded=status in CROWDED)
        about = "response_format, " if self._settings.response_format != "text" else ""
        raise RefusedError(
            f"{server.host}: refuses with status {status}: {said}; expected 200; "
            f"next: check synth.teacher.url, model, {about}and the key in {server.key_env}"
        )

    # ---------------------------------------------------------------- streams

    async def _pieces(
        self, session: aiohttp.ClientSession, server: Server, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[str]:
        ended, held = "", ""
        begun = False  # whether it is known that this is no thought any more
        body = self._body(messages, sampling, server.model, stream=True)
        async with self._post(session, server, body) as response:
            if response.status != 200 and self._judge(server, response, await response.read()):
                ended = "content_filter"  # and no line follows
            async for line in response.content:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    ended = ended or "stop"
                    break
                try:
                    text, end = stream_event(data)
                except UNREADABLE:
                    raise Passing(f"unreadable event: {excerpt(data, server.key)}") from None
                ended = end or ended
                if not begun:
                    held += text
                    begun = "</think>" in held or not "<think>".startswith(held.lstrip()[:7])
                    text = split_thoughts(held)[1] if begun else ""
                if text:
                    yield text
        if ended == "content_filter":
            raise ModelError(f"{server.host}: the model refused to answer this; next: ask something else")
        if not ended:
            raise Passing("the stream ended without a finish reason")
        if not begun and (rest := split_thoughts(held)[1]):
            yield rest


def request_body(
    messages: Sequence[Message], sampling: Sampling, model: str, settings: TeacherSettings, stream: bool = False
) -> dict[str, Any]:
    """The JSON of one request to ``/chat/completions``; what was not set is not sent."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        settings.max_tokens_field: sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    fields = {"top_p", "top_k", "repetition_penalty", "seed", "stop"}
    body |= sampling.model_dump(include=fields, exclude_defaults=True)
    if sampling.response_format:
        body["response_format"] = json.loads(sampling.response_format)
    return body | ({"stream": True} if stream else {})


# ---------------------------------------------------------------- an event loop behind an iterator


async def _all(jobs: Iterator[Awaitable[None]]) -> None:
    """Run all jobs; the first error cancels the others."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _relay(work: Callable[[Put], Awaitable[None]]) -> Iterator[Any]:
    """What ``work`` puts, while it runs on an event loop in a thread of its own.

    ``put`` returns when the reader comes back for more, so what the reader does with an item (keeping it on disk) is
    done by then. Ending the iterator early cancels the work and waits for its connections to close.
    """
    items: queue.SimpleQueue[tuple[asyncio.Event | None, Any]] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def put(item: Any) -> None:
        taken = asyncio.Event()
        items.put((taken, item))
        await taken.wait()

    async def main() -> None:
        working = asyncio.ensure_future(work(put))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            items.put((None, working.exception()))
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
            taken, item = items.get()
            if taken is None:
                if item is not None:
                    raise item
                return
            yield item
            loop.call_soon_threadsafe(taken.set)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
