"""What was answered is never asked again, whatever happens to the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint

from huatuo.errors import DataError
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.cache import Cached
from huatuo.records import Message

SAMPLING = Sampling(max_tokens=32)


class Counting:
    """A model that counts what it is asked and answers in reverse order."""

    name, digest, format = "counting", "d1", "plain"

    def __init__(self, bad: str = "") -> None:
        self.asked: Counter[str] = Counter()
        self.bad = bad

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        for index in reversed(range(len(conversations))):
            text = conversations[index][-1].content
            self.asked[text] += 1
            bad = bool(self.bad) and text == self.bad
            yield (
                index,
                Reply(text="", finish_reason="error", error="down") if bad else Reply(text=f"答{text}", reasoning="想"),
            )

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        self.asked[messages[-1].content] += 1
        yield from "流式"

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        return [-1.0] * len(continuations)


def asks(n: int) -> list[list[Message]]:
    return [[Message(role="user", content=f"问{i}")] for i in range(n)]


def test_the_second_time_nothing_is_asked_and_everything_is_the_same(tmp_path):
    model = Counting()
    with Cached(model, tmp_path / "new" / "cache.sqlite") as cached:
        first = dict(cached.chat(asks(2000), SAMPLING))
        second = dict(cached.chat(asks(2000), SAMPLING))
        assert (cached.asked, cached.reused) == (2000, 2000)
    assert first == second
    assert first[7] == Reply(text="答问7", reasoning="想")
    assert set(model.asked.values()) == {1}
    with Cached(model, tmp_path / "new" / "cache.sqlite") as again:
        assert dict(again.chat(asks(2000), SAMPLING)) == first
        assert again.asked == 0


def test_equal_conversations_are_asked_once_and_all_answered(tmp_path):
    model = Counting()
    with Cached(model, tmp_path / "c") as cached:
        found = dict(cached.chat(asks(3) * 5, SAMPLING))
    assert sorted(found) == list(range(15))
    assert found[0] == found[3] == found[12]
    assert model.asked.total() == 3


def test_another_model_weights_format_sampling_or_message_is_another_call(tmp_path):
    model = Counting()
    with Cached(model, tmp_path / "c") as cached:
        base = cached.key(asks(1)[0], SAMPLING)
        keys = {
            base,
            cached.key(asks(1)[0], SAMPLING.model_copy(update={"seed": 1})),
            cached.key([Message(role="system", content="问0")], SAMPLING),
            cached.key([Message(role="user", content="问"), Message(role="user", content="0")], SAMPLING),
        }
        for field in ("name", "digest", "format"):
            other = Counting()
            setattr(other, field, "other")
            with Cached(other, tmp_path / "c") as second:
                keys.add(second.key(asks(1)[0], SAMPLING))
        assert len(keys) == 7
        assert cached.key(asks(1)[0], SAMPLING) == base


def test_failed_replies_are_asked_again(tmp_path):
    with Cached(Counting(bad="问1"), tmp_path / "c") as cached:
        assert dict(cached.chat(asks(3), SAMPLING))[1].finish_reason == "error"
    model = Counting()
    with Cached(model, tmp_path / "c") as cached:
        assert dict(cached.chat(asks(3), SAMPLING))[1].text == "答问1"
    assert model.asked == Counter({"问1": 1})


def test_a_reply_that_was_handed_on_is_on_disk(tmp_path):
    first = Cached(Counting(), tmp_path / "c")
    running = first.chat(asks(10), SAMPLING)
    index, _ = next(running)
    model = Counting()
    with Cached(model, tmp_path / "c") as second:  # another connection sees only what is committed
        list(second.chat([asks(10)[index]], SAMPLING))
    assert model.asked.total() == 0
    running.close()
    first.close()


def test_a_stream_is_replayed_from_the_cache_and_else_passed_through(tmp_path):
    model = Counting()
    with Cached(model, tmp_path / "c") as cached:
        assert list(cached.stream(asks(1)[0], SAMPLING)) == ["流", "式"]
        dict(cached.chat(asks(1), SAMPLING))
        assert list(cached.stream(asks(1)[0], SAMPLING)) == ["答问0"]
        assert cached.logprobs([1], [[2], [3]]) == [-1.0, -1.0]


def test_a_fast_model_stays_fast(tmp_path):
    with Cached(Counting(), tmp_path / "c") as cached:
        began = time.process_time()
        dict(cached.chat(asks(5000), SAMPLING))
        assert (time.process_time() - began) / 5000 < 0.0005  # seconds a call


@pytest.mark.parametrize("kind", ["folder", "text", "file as folder"])
def test_a_path_that_cannot_be_a_cache_is_an_error_that_names_it(tmp_path, kind):
    path = tmp_path / "c"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("not a database, but long enough to be read as a header of one " * 20)
    place = path / "c" if kind == "file as folder" else path
    with pytest.raises(DataError, match="cache of replies cannot be used") as caught:
        Cached(Counting(), place)
    assert str(place) in str(caught.value)
    assert "next:" in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_by_rights(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(DataError, match="cannot be used"):
        Cached(Counting(), folder / "c")


def test_a_read_only_file_is_an_error_before_anything_is_asked(tmp_path, monkeypatch):
    import sqlite3

    connect = sqlite3.connect
    Cached(Counting(), tmp_path / "c").close()
    read_only = f"file:{tmp_path / 'c'}?mode=ro"  # what a read-only mount looks like to SQLite, also for root
    monkeypatch.setattr(sqlite3, "connect", lambda _path, **options: connect(read_only, uri=True, **options))
    model = Counting()
    with pytest.raises(DataError, match="readonly"):
        Cached(model, tmp_path / "c")
    assert model.asked.total() == 0


WORKER = """
import sys
from pathlib import Path
from huatuo.llm.base import Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.recipe import TeacherSettings
from huatuo.records import Message

url, path, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
model = Endpoint(TeacherSettings(kind="endpoint", url=url, model="m", key_env="KILL_KEY", concurrency=8))
asks = [[Message(role="user", content=f"问{i}")] for i in range(n)]
with Cached(model, path) as cached:
    for index, reply in cached.chat(asks, Sampling(max_tokens=32)):
        assert reply.finish_reason == "stop"
        print(index, flush=True)
"""

KEY = "sk-KILL-0123456789abcdef"


def start(server: FakeEndpoint, path: Path, n: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, server.url, str(path), str(n)]
    environment = {**os.environ, "KILL_KEY": KEY}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_after_kill_9_no_committed_call_is_asked_again(tmp_path):
    path = tmp_path / "cache.sqlite"
    with FakeEndpoint(delay_s=0.01) as server:
        first = start(server, path, 400)
        assert first.stdout is not None
        seen = {int(first.stdout.readline()) for _ in range(100)}
        first.kill()
        rest, _ = first.communicate()
        seen |= {int(line) for line in rest.split()}
        assert 100 <= len(seen) < 400
        second = start(server, path, 400)
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
    assert sorted(map(int, out.split())) == list(range(400))
    assert all(server.asked[f"问{i}"] == 1 for i in seen)
    twice = sum(count > 1 for count in server.asked.values())
    assert twice <= 64  # at most what was in flight or unread when the process died
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes()


def test_ctrl_c_ends_cleanly_and_keeps_what_was_answered(tmp_path):
    path = tmp_path / "cache.sqlite"
    with FakeEndpoint(delay_s=0.02) as server:
        worker = start(server, path, 2000)
        assert worker.stdout is not None
        seen = {int(worker.stdout.readline()) for _ in range(50)}
        worker.send_signal(signal.SIGINT)
        out, err = worker.communicate(timeout=10)
    assert "KeyboardInterrupt" in err
    assert "was never retrieved" not in err
    assert "Unclosed" not in err
    assert KEY not in err
    model = Counting()
    model.name, model.digest, model.format = "m", "", ""
    with Cached(model, path) as cached:
        done = [asks(2000)[i] for i in seen | {int(line) for line in out.split()}]
        assert all(reply.text.startswith("答：") for _, reply in cached.chat(done, SAMPLING))
    assert model.asked.total() == 0


def test_two_processes_may_share_a_cache(tmp_path):
    path = tmp_path / "cache.sqlite"
    with FakeEndpoint(delay_s=0.001) as server:
        workers = [start(server, path, 150) for _ in range(2)]
        for worker in workers:
            out, err = worker.communicate(timeout=60)
            assert worker.returncode == 0, err
            assert len(out.split()) == 150
