"""Models behind OpenAI-compatible addresses: many calls at once, each retried on its own, none lost silently."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from huatuo.errors import ModelError, RefusedError
from huatuo.llm.base import Reply, Sampling, TextOnly
from huatuo.llm.bodies import read_body, read_lines
from huatuo.llm.course import Course
from huatuo.llm.keys import masked
from huatuo.llm.limits import pause
from huatuo.llm.money import Spent, size_of
from huatuo.llm.relay import Put, relay, together
from huatuo.llm.replies import (
    CROWDED,
    EVENT_BYTES,
    UNREADABLE,
    Passing,
    TooLargeError,
    error_codes,
    error_within,
    excerpt,
    is_about_one_prompt,
    may_pass,
    most_bytes,
    refused,
    reply_of,
    retry_after,
    split_thoughts,
    stream_event,
    why_unreadable,
)
from huatuo.llm.servers import Server, Servers
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Finding, Message
from huatuo.store import now

MOST_FAILED = 50
"""Calls in a row that may end in an error; more is an outage, and going on would lose every further call to it."""
MOST_UNREADABLE = 5
"""Bodies that are no completion, from a server that never sent one; more, and it is another kind of server."""
WORKERS_EACH = 2
"""Calls taken up for each that may be in flight: those that wait for a further try leave their place to others."""


class Endpoint(TextOnly):
    """A model behind ``{url}/chat/completions``. Sends top_k, seed and the like only where set."""

    digest = format = ""

    def __init__(
        self, settings: TeacherSettings, before: Spent | None = None, recount: Callable[[], Spent] | None = None
    ):
        """Check the addresses; ``before`` is what the limit on money or tokens counts as spent already.

        ``recount``: says it anew before each `chat`, where others spend from the same limit in between.

        Raises RefusedError for an address or a model name that cannot be used.
        """
        self._settings, self._recount = settings, recount
        self._servers = Servers(settings, before or Spent(settings.currency))
        names = sorted({server.model for server in self._servers.all})
        if len(names) > 1 and not settings.model:
            raise RefusedError(
                f"teacher.endpoints name different models ({', '.join(names)}) and teacher.model is empty; "
                "expected one name for what answers; next: set teacher.model"
            )
        self.name = settings.model or names[0]
        self._failed_in_a_row = self._too_large = 0
        self._course = Course(self.name)

    def share_limit(self, other: Endpoint) -> None:
        """Count what is spent here against the other's limit on money or tokens, together with what it spends."""
        self._servers.purse = other._servers.purse

    @property
    def findings(self) -> list[Finding]:
        """Which endpoints were taken out, and why; and how many replies were too large."""
        if not self._too_large:
            return self._servers.findings
        said = f"{self._too_large:,} replies were larger than max_tokens allows and are dropped as errors"
        about = {"subject": self.name, "place": self.name, "message": said}
        return [*self._servers.findings, Finding(rule="reply too large", severity="error", **about)]

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
        if self._recount is not None:
            self._servers.purse.spent = self._recount()
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

                await together(worker() for _ in range(min(most, len(conversations))))
            if stopped:
                raise stopped[0]

        yield from relay(work)

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
                        async for piece in masked(self._pieces(session, server, messages, sampling), server.key):
                            begun = True
                            await put(piece)
                        return
                    except Passing as error:
                        self._course.fails(f"{server.host}: {error}")
                        last = attempt == self._settings.retries or isinstance(error, TooLargeError)
                        if begun or last or error.wait > self._settings.longest_wait_s:
                            raise ModelError(f"{server.host}: the answer broke off: {error}; next: ask again") from None
                        wait = pause(attempt, error.wait)
                    finally:
                        self._servers.leave(server, size, None, None)
                    await asyncio.sleep(wait)

        yield from relay(work)

    def no_ids(self) -> str:
        """An endpoint takes text."""
        return f"{self.name} is an endpoint and takes no token ids; expected a checkpoint; next: ask `ours`"

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
            watching = asyncio.ensure_future(self._course.watch())
            try:
                yield session
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
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
                answer = await self._try(session, server, messages, sampling)
                await put((index, answer))
                reply = answer
            except Passing as error:
                failure = error
                self._course.fails(f"{server.host}: {error}")
            except RefusedError as error:
                self._servers.take_out(server, str(error))
            finally:
                self._servers.leave(server, size, reply, failure)
            if reply is not None:
                self._failed_in_a_row = 0
                return
            if failure is None or self._is_server_at_fault(server, failure, started):
                continue  # with another server, or with this one after its rest: not a failure of this call
            self._too_large += isinstance(failure, TooLargeError)
            if attempt == self._settings.retries or isinstance(failure, TooLargeError):
                await self._give_up(
                    index, f"{server.host}: {failure}, after {attempt + 1} {'tries' if attempt else 'try'}", put
                )
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
                f"teacher.longest_wait_s = {longest:g}; what was answered is kept; "
                "next: run the same command again then, or raise longest_wait_s",
            )
        elif failure.unreachable:
            misses = server.missed(started)
            if misses > self._settings.retries:
                self._servers.take_out(
                    server,
                    f"{server.host}: cannot be reached after {misses} tries ({failure}); expected a server at "
                    "teacher.url; what was answered is kept; next: check the address and the network, and run "
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

    async def _try(
        self, session: aiohttp.ClientSession, server: Server, messages: Sequence[Message], sampling: Sampling
    ) -> Reply:
        """The answer of one try. Raises Passing, and RefusedError where this server is of no use."""
        self._course.waiting += 1
        try:
            async with self._post(session, server, self._body(messages, sampling, server.model)) as response:
                data = await read_body(response, most_bytes(sampling.max_tokens))
                wait = response.headers.get("Retry-After", "")
                if response.status != 200:
                    return self._judge(server, response.status, wait, data)
        finally:
            self._course.waiting -= 1
        try:
            found = json.loads(data)
            status = error_within(found)
            if status is None:
                reply = reply_of(found, server.prices, server.model, server.key)
                self._course.answered += 1
                return reply
        except UNREADABLE as error:
            status, said = None, f"unreadable body ({why_unreadable(data, error)})"
        if status is not None and status != 200:
            return self._judge(server, status, wait, data)
        said = said if status is None else "an error and no answer"
        raise self._unreadable(server, f"{said}: {excerpt(data, server.key)}")

    def _unreadable(self, server: Server, said: str) -> Passing:
        """The failure to raise. Raises RefusedError for a server that never answered otherwise."""
        server.unreadable += 1
        if not server.answered and server.unreadable >= MOST_UNREADABLE:
            raise RefusedError(
                f"{server.host}: answers, but not as an OpenAI-compatible endpoint: {said}; expected chat completions; "
                "next: check teacher.url (it ends with /v1 at most servers)"
            )
        return Passing(said)

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
            raise RefusedError(f"{server.host}: {said}; next: check teacher.url") from None
        except TimeoutError:
            raise Passing(f"no answer within {self._settings.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            said = f"broken connection: {type(error).__name__} {excerpt(str(error), server.key)}"
            raise Passing(said, unreachable=isinstance(error, aiohttp.ClientConnectorError)) from None

    def _judge(self, server: Server, status: int, retry: str, data: bytes) -> Reply:
        """A refused reply where only this conversation is refused; raises Passing or RefusedError otherwise."""
        codes, said = error_codes(data), excerpt(data, server.key)
        if is_about_one_prompt(status, codes, server.answered):
            return refused(said, server.prices)
        if may_pass(status, codes):
            raise Passing(f"status {status}: {said}", retry_after(retry), crowded=status in CROWDED)
        about = "response_format, " if self._settings.response_format != "text" else ""
        where = f"the key in {server.key_env}" if server.key_env else "whether it needs a key (teacher.key_env)"
        raise RefusedError(
            f"{server.host}: refuses with status {status}: {said}; expected 200; "
            f"next: check teacher.url, model, {about}and {where}"
        )

    # ---------------------------------------------------------------- streams

    async def _pieces(
        self, session: aiohttp.ClientSession, server: Server, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[str]:
        ended, held, other, events = "", "", b"", 0
        begun = False  # whether it is known that this is no thought any more
        body = self._body(messages, sampling, server.model, stream=True)
        async with self._post(session, server, body) as response:
            limit = most_bytes(sampling.max_tokens, EVENT_BYTES)
            if response.status != 200:
                wait = response.headers.get("Retry-After", "")
                self._judge(server, response.status, wait, await read_body(response, limit))
                ended = "content_filter"  # only this conversation is refused, and no line follows
            async for line in read_lines(response, limit):
                if not line.startswith(b"data:"):
                    other = other or line
                    continue
                data, events = line[5:].strip(), events + 1
                if data == b"[DONE]":
                    ended = ended or "stop"
                    break
                try:
                    text, end = stream_event(data)
                except UNREADABLE:
                    raise self._unreadable(server, f"unreadable event: {excerpt(data, server.key)}") from None
                ended = end or ended
                if not begun:
                    held += text
                    begun = "</think>" in held or not "<think>".startswith(held.lstrip()[:7])
                    text = split_thoughts(held)[1] if begun else ""
                if text:
                    yield text
        if ended == "content_filter":
            raise ModelError(f"{server.host}: the model refused to answer this; next: ask something else")
        if not ended and not events:
            raise self._unreadable(server, f"no event of a stream: {excerpt(other, server.key)}")
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
