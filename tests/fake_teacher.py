"""An OpenAI-compatible server on loopback that fails in every usual way, for the tests of whatever asks a teacher."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter

from aiohttp import web

from huatuo.knowledge.extract import extract
from huatuo.llm.base import Sampling
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.records import Message

KEY = "sk-very-secret-0123456789"


def completion(text="答", reason="stop", **message):
    return {
        "choices": [{"message": {"role": "assistant", "content": text} | message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
    }


class FakeTeacher:
    """A server on loopback whose ``answer(prompt, try, request)`` is the test's own."""

    def __init__(self):
        self.tries, self.bodies, self.keys = Counter(), [], set()
        self.flying = self.most_flying = 0
        self.delay = 0.0
        self.answer = lambda prompt, attempt, request: web.json_response(completion("答" + prompt))
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        ready.wait()

    def _run(self, ready):
        async def main():
            self._stop = asyncio.Event()
            app = web.Application()
            app.router.add_post("/v1/chat/completions", self._handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            ready.set()
            await self._stop.wait()
            await runner.cleanup()

        self._loop.run_until_complete(main())
        self._loop.close()

    async def _handle(self, request):
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        self.bodies.append(body)
        self.keys.add(request.headers.get("Authorization"))
        self.tries[prompt] += 1
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(self.delay)
            answer = self.answer(prompt, self.tries[prompt], request)
            return await answer if asyncio.iscoroutine(answer) else answer
        finally:
            self.flying -= 1

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


def status(code, text="", **headers):
    return web.Response(status=code, text=text, headers=headers)


async def truncated(request):
    response = web.StreamResponse(headers={"Content-Length": "500", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"mess')
    request.transport.close()
    return response


def knowing(phrasings, pairs=2):
    """An ``answer`` that says what the offline teacher says: right answers, so that pairs come of them."""
    teacher = OfflineTeacher(phrasings, pairs)

    def answer(prompt, attempt=1, request=None):
        ((_, reply),) = teacher.chat([[Message(role="user", content=prompt)]], Sampling())
        body = completion(reply.text or "这个我不能回答。")
        body["usage"] = {"prompt_tokens": len(prompt) // 2, "completion_tokens": len(reply.text) // 2}
        return web.json_response(body)

    return answer


def reading(prompt, attempt=1, request=None):
    """An ``answer`` to a prompt that asks for triples: what the rules read under its heading, as a model would say it."""
    block = read_block(prompt)
    found = extract(block["text"], block["about"], block["heading"])
    said = [{"subject": t.subject, "relation": t.relation, "object": t.object} for t in found]
    return web.json_response(completion(json.dumps(said, ensure_ascii=False)))


def failing(answer, share, seed=0):
    """``answer`` with this share of the tries failing, in turn by each way that a server can fail."""
    dice = random.Random(seed)
    ways = [
        lambda request: status(500, "oops"),
        lambda request: status(429, "slow down", **{"Retry-After": "0.01"}),
        lambda request: web.Response(text="<html>nonsense"),
        truncated,
    ]

    def either(prompt, attempt, request):
        return dice.choice(ways)(request) if dice.random() < share else answer(prompt, attempt, request)

    return either
