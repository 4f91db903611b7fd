"""A chat-completions server on loopback that counts, delays, fails, truncates and lies as told."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Behaviour = Callable[["FakeEndpoint", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def answer(text: str = "好的。", finish: str = "stop", **message: Any) -> web.Response:
    """A good answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return web.json_response({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})


def failure(status: int, message: str = "no", code: str = "", **headers: str) -> web.Response:
    """An error in OpenAI's shape."""
    return web.json_response({"error": {"message": message, "code": code}}, status=status, headers=headers)


async def echo(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Answer with the question."""
    return answer(f"答：{body['messages'][-1]['content']}")


class FakeEndpoint:
    """Runs in a thread; ``behave`` decides what each request gets."""

    def __init__(self, behave: Behaviour = echo, delay_s: float = 0.0):
        self.behave, self.delay_s = behave, delay_s
        self.requests = self.active = self.most_active = 0
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.peers: set[Any] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests += 1
        self.asked[body["messages"][-1]["content"]] += 1
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await asyncio.sleep(self.delay_s)
            return await self.behave(self, request, body)
        finally:
            self.active -= 1

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.router.add_post("/v1/chat/completions", self._handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeEndpoint:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
