"""kill -9 at random moments against a server that fails in every way: nothing is lost, nothing is paid for twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from aiohttp import web

import huatuo.llm.limits as limits
from fake_teacher import KEY, FakeTeacher, completion, failing, status
from huatuo.llm.base import Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Message

CALLS, CONCURRENCY, KILLS = 3000, 24, 8

CHILD = """
import sys
from pathlib import Path
import huatuo.llm.limits as limits
from huatuo.llm.base import Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Message
limits.BACKOFF_BASE_S = 0.01
settings = TeacherSettings(kind="endpoint", url=sys.argv[1], model="m", concurrency=int(sys.argv[3]))
talks = [[Message(role="user", content=str(n))] for n in range(int(sys.argv[4]))]
print("ready", flush=True)
for index, reply in Cached(Endpoint(settings), Path(sys.argv[2])).chat(talks, Sampling()):
    assert reply.finish_reason in ("stop", "refused"), reply
"""


def committed(path):
    if not path.exists():
        return 0
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT count(*) FROM replies").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # killed before the table was made
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_random_moments_loses_nothing_and_asks_no_committed_call_again(tmp_path, monkeypatch, seed):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(limits, "BACKOFF_BASE_S", 0.01)
    dice, path = random.Random(seed), tmp_path / "calls.sqlite"
    server, answered = FakeTeacher(), []

    def right(prompt, attempt, request):
        answered.append(prompt)
        if int(prompt) % 97 == 0:
            error = {"error": {"code": "content_filter", "message": "policy"}}
            return web.json_response(error, status=400)
        if server.flying > CONCURRENCY - 4:
            answered.pop()
            return status(429, "crowded", **{"Retry-After": "0.01"})
        return web.json_response(completion(f"答{prompt}"))

    server.answer, server.delay = failing(right, 0.15, seed), 0.01
    command = [sys.executable, "-c", CHILD, server.url, str(path), str(CONCURRENCY), str(CALLS)]
    ends, before = [], 0
    try:
        while len(ends) < KILLS:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
                child.stdout.readline()
                time.sleep(dice.uniform(0.0, 0.5))
                os.kill(child.pid, signal.SIGKILL)
                _, said = child.communicate(timeout=60)
            ends.append(child.returncode)
            assert "Error" not in said, said
            after = committed(path)
            assert after >= before  # what was committed stays
            before = after
        settings = TeacherSettings(kind="endpoint", url=server.url, model="m", concurrency=CONCURRENCY, retries=40)
        cached = Cached(Endpoint(settings), path)
        talks = [[Message(role="user", content=str(n))] for n in range(CALLS)]
        replies = dict(cached.chat(talks, Sampling()))
    finally:
        server.close()
    assert ends.count(-signal.SIGKILL) >= KILLS - 1  # the last may have been finished before
    assert cached.hits == before
    assert {n: reply.text for n, reply in replies.items()} == {n: "" if n % 97 == 0 else f"答{n}" for n in range(CALLS)}
    again = len(answered) - CALLS
    print(
        f"{CALLS} calls, {KILLS} kills, {before} committed at the last, {again} asked again, {sum(server.tries.values())} tries"
    )
    assert 0 <= again <= KILLS * CONCURRENCY  # at most those in flight at each kill
