"""The places that serve one model: which takes the next call, when, and which is taken out."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from urllib.parse import urlsplit

from huatuo.errors import RefusedError
from huatuo.llm.base import Reply
from huatuo.llm.keys import VARIABLE, key_of
from huatuo.llm.limits import Pace, Window, pause
from huatuo.llm.money import Prices, Purse, Size, Spent
from huatuo.llm.replies import Passing
from huatuo.progress import say
from huatuo.recipe_teacher import EndpointSettings, TeacherSettings
from huatuo.records import Finding

LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
"""Hosts that need no key where the recipe names no variable for one."""


class Server:
    """One place: address, key, prices, how much it takes, and whether it still answers."""

    def __init__(self, place: EndpointSettings, teacher: TeacherSettings):
        """Check the address; the key is read by `headers`.

        Raises RefusedError for an address or a model name that cannot be used.
        """
        parts = urlsplit(place.url)
        self.host, self.model = parts.hostname or "", place.model or teacher.model
        known = parts.scheme in ("http", "https") and self.host and not (parts.username or parts.password)
        if not known or not self.model:
            raise RefusedError(
                f"teacher (host {self.host!r}, model {self.model!r}) cannot be asked; expected a model and a "
                "url like https://host/v1 without user name or password; next: mend the recipe"
            )
        self.url = parts._replace(path=parts.path.rstrip("/") + "/chat/completions", fragment="").geturl()
        self.key_env = place.key_env or teacher.key_env
        if self.key_env and not VARIABLE.fullmatch(self.key_env):
            raise RefusedError(
                f"{self.host}: teacher.key_env is no name of an environment variable (capital letters, digits, _) and "
                "is not shown, it may be a key; next: put the key into a variable and name that; where a key was "
                "written, take it out of the recipe"
            )
        price_in = teacher.price_in if place.price_in is None else place.price_in
        price_out = teacher.price_out if place.price_out is None else place.price_out
        self.prices = Prices(price_in, price_out, teacher.currency)
        self.window = Window(teacher.concurrency)
        self.calls, self.tokens = Pace(teacher.requests_per_minute), Pace(teacher.tokens_per_minute)
        self.answered = False
        self.unreadable = 0  # bodies so far that were no completion
        self.out = ""  # why it was taken out
        self._loopback = bool(LOOPBACK.fullmatch(self.host))
        named = bool(place.key_env) or "key_env" in teacher.model_fields_set
        self._needs_key = bool(self.key_env) and (named or not self._loopback)
        direct = self._loopback or urllib.request.proxy_bypass(self.host)
        self.proxy = None if direct else urllib.request.getproxies().get(parts.scheme)
        self._misses, self._rest_until = 0, 0.0

    @property
    def key(self) -> str:
        """The key as the environment holds it; empty where there is none."""
        return key_of(self.key_env)

    def headers(self) -> dict[str, str]:
        """The headers of a call.

        Raises RefusedError where the key is missing, or no header can carry it.
        """
        key = self.key
        if (not key and self._needs_key) or not (key.isascii() and key.isprintable()):
            raise RefusedError(
                f"{self.host}: {'the key holds characters that no header can carry' if key else 'no key'}; expected it "
                f"in the environment variable {self.key_env}; next: set it, name another with teacher.key_env, or "
                'write key_env = "" for a server without keys'
            )
        return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def wait(self, now: float) -> float:
        """Seconds until it may be called; 0: now. Only for one with room in its window."""
        return max(0.0, self._rest_until - now, self.calls.wait(now), self.tokens.wait(now))

    def missed(self, started: float) -> int:
        """Count a connection that could not be made, and rest; how often that was so since the last answer.

        Calls that were begun together count once: they all met the same closed door.
        """
        if started >= self._rest_until:
            self._misses += 1
            self._rest_until = time.monotonic() + pause(self._misses)
        return self._misses

    def reached(self) -> None:
        """Forget the misses."""
        self._misses, self._rest_until = 0, 0.0


class Servers:
    """All places of one model, for one thread's event loop at a time."""

    def __init__(self, settings: TeacherSettings, before: Spent):
        own = EndpointSettings(url=settings.url)
        places = ((own,) if settings.url or not settings.endpoints else ()) + settings.endpoints
        self.all = [Server(place, settings) for place in places]
        self.purse = Purse(settings, before)
        self.findings: list[Finding] = []
        self.failed_tries = 0
        self._halted = ""

    def begin(self) -> None:
        """Be ready for a new event loop."""
        self._turn, self._changed, self._stopped = asyncio.Lock(), asyncio.Event(), asyncio.Event()
        self._halted = ""
        for server in self.all:
            server.window.flying = 0

    async def enter(self, size: Size) -> Server:
        """The server with the most room, once there is room, time and money for a call of this size.

        Raises RefusedError where all are out, the limit is reached, or `halt` was called.
        """
        async with self._turn:  # calls are begun in the order in which they came
            while True:
                self._changed.clear()
                server, wait = self._choose(size)
                if server is not None:
                    now = time.monotonic()
                    server.window.enter()
                    server.calls.take(now)
                    server.tokens.take(now, size.tokens)
                    self.purse.hold(size, server.prices)
                    return server
                try:
                    await asyncio.wait_for(self._changed.wait(), wait)
                except TimeoutError:
                    continue

    def _choose(self, size: Size) -> tuple[Server | None, float | None]:
        """The server to call now; or None and the seconds to wait, None for until something changes."""
        if self._halted:
            raise RefusedError(self._halted)
        left = [server for server in self.all if not server.out]
        if not left:
            raise RefusedError("\n".join(server.out for server in self.all))
        affordable = [server for server in left if self.purse.fits(size, server.prices)]
        if not affordable and not self.purse.is_waiting:
            raise self.purse.refusal(size)
        now = time.monotonic()
        roomy = [(server.wait(now), server) for server in affordable if server.window.room > 0]
        ready = [server for wait, server in roomy if wait <= 0]
        if ready:
            return max(ready, key=lambda server: server.window.room), None
        return None, min((wait for wait, _ in roomy), default=None)

    def leave(self, server: Server, size: Size, reply: Reply | None, failure: Passing | None) -> None:
        """Free the place of a try that ended with a reply, with a failure, or with neither (refused, cancelled)."""
        server.window.leave(good=reply is not None, crowded=failure is not None and failure.crowded)
        self.purse.settle(size, server.prices, reply)
        used = 0
        if reply is not None:
            used = size.tokens if reply.prompt_tokens is None else reply.prompt_tokens + (reply.completion_tokens or 0)
            server.answered = True
            server.reached()
        server.tokens.give_back(size.tokens - used)
        self.failed_tries += failure is not None
        self._changed.set()

    def take_out(self, server: Server, why: str) -> None:
        """Send no further call to a server, and say so where others go on; the last one's reason ends the run."""
        if server.out:
            return
        server.out = why
        place = f"{server.host}, key in {server.key_env}"
        self.findings.append(
            Finding(rule="endpoint taken out", severity="error", subject=server.host, place=place, message=why)
        )
        if all(other.out for other in self.all):
            self._stopped.set()  # nobody need wait for a further try
        else:
            say(f"endpoint taken out, the others go on: {why}")
        self._changed.set()

    def halt(self, why: str) -> None:
        """Begin no further call; those in flight are still waited for."""
        self._halted = self._halted or why
        self._stopped.set()
        self._changed.set()

    async def rest(self, seconds: float) -> None:
        """Wait before a further try, no longer than until `halt`."""
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return
