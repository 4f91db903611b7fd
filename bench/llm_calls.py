"""2,000 calls to a server with 200 ms latency and 5 % errors, 64 at once: ours against the openai client's own retries.

The physical limit is (tries x latency) / concurrency. On busy cores the wall ratio says little; CPU-seconds hold.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

CALLS, CONCURRENCY, LATENCY_S, ERRORS = 2000, 64, 0.2, 0.05
ROUNDS = 3
REPLY = "患者应注意休息，多饮水，如症状持续请及时就医。" * 8


def serve() -> None:
    """Answer on loopback until stdin closes; print the port, and at the end the number of tries."""
    from aiohttp import web

    dice, tries = random.Random(0), 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal tries
        await request.read()
        tries += 1
        draw = dice.random()
        await asyncio.sleep(LATENCY_S)
        if draw < ERRORS:
            return web.Response(status=429 if draw < ERRORS / 2 else 500, text="try again")
        message = {"role": "assistant", "content": REPLY}
        usage = {"prompt_tokens": 300, "completion_tokens": 200, "total_tokens": 500}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage})

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(tries, flush=True)
        await runner.cleanup()

    asyncio.run(main())


def measured(ask: Callable[[str], int]) -> dict[str, float]:
    """Wall over the physical limit, CPU-seconds of this process, and tries, for one way to ask a fresh server."""
    gc.collect()
    child = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    url = f"http://127.0.0.1:{child.stdout.readline().strip()}/v1"
    wall, cpu = time.perf_counter(), time.process_time()
    answered = ask(url)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    tries = int(child.communicate(timeout=30)[0])
    return {
        "wall_over_limit": wall / (tries * LATENCY_S / CONCURRENCY),
        "cpu_s": cpu,
        "tries": tries,
        "answered": answered,
    }


def prompts() -> list[str]:
    """Prompts of the size that synth sends."""
    return [f"{n}：" + "请根据下面的事实写五组问答。" * 40 for n in range(CALLS)]


def ours(url: str) -> int:
    """Answered calls of ours, each committed to SQLite before it counts."""
    from huatuo.llm.base import Sampling
    from huatuo.llm.cache import Cached
    from huatuo.llm.http import Endpoint
    from huatuo.recipe_teacher import TeacherSettings
    from huatuo.records import Message

    settings = TeacherSettings(kind="endpoint", url=url, model="m", concurrency=CONCURRENCY, price_in=1, price_out=2)
    with tempfile.TemporaryDirectory() as folder:
        cached = Cached(Endpoint(settings), Path(folder) / "calls.sqlite")
        talks = [[Message(role="user", content=prompt)] for prompt in prompts()]
        count = sum(reply.finish_reason == "stop" for _, reply in cached.chat(talks, Sampling(max_tokens=1024)))
        cached.close()
    return count


def openai_client(url: str) -> int:
    """Answered calls of the openai client with its own retries; nothing is kept on disk."""
    import openai

    async def main() -> int:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=6)
        room, count = asyncio.Semaphore(CONCURRENCY), 0

        async def one(prompt: str) -> None:
            nonlocal count
            async with room:
                done = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": prompt}], max_tokens=1024
                )
            count += done.choices[0].finish_reason == "stop"

        jobs: list[Awaitable[None]] = [one(prompt) for prompt in prompts()]
        await asyncio.gather(*jobs)
        await client.close()
        return count

    return asyncio.run(main())


def run() -> object:
    """The calmest of some rounds of ours, one of the openai client's, and the most memory that ours took."""
    from run import Outcome

    from huatuo.llm import cache, http  # noqa: F401  so that memory and time are those of the calls

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds = [measured(ours) for _ in range(ROUNDS)]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    best = {key: min(done[key] for done in rounds) for key in ("wall_over_limit", "cpu_s")}
    assert all(done["answered"] == CALLS for done in rounds)
    figures = {
        "ours_wall_over_limit": round(best["wall_over_limit"], 3),
        "ours_cpu_s": round(best["cpu_s"], 2),
        "ours_tries": rounds[0]["tries"],
        "ours_memory_mb": round(grown, 1),
    }
    ratios = {}
    if find_spec("openai"):
        theirs = measured(openai_client)
        figures |= {
            "openai_wall_over_limit": round(theirs["wall_over_limit"], 3),
            "openai_cpu_s": round(theirs["cpu_s"], 2),
            "openai_answered": theirs["answered"],
        }
        ratios["openai_cpu_over_ours"] = round(theirs["cpu_s"] / best["cpu_s"], 2)
    table = [f"{name:<24} {value:10.2f}" for name, value in figures.items()]
    return Outcome(figures, ratios, CALLS, table)


if __name__ == "__main__":
    serve()
