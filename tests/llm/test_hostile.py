"""Servers that echo the key, never end, answer under another name, or are none: nothing of it reaches a pair."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tracemalloc

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from talking import endpoint, talk

import huatuo.llm.course as course
from fake_teacher import KEY, completion
from huatuo.errors import ModelError, RefusedError
from huatuo.llm.base import Sampling
from huatuo.llm.batch import ByFile, read_answers
from huatuo.llm.cache import Cached
from huatuo.llm.estimate import found_by
from huatuo.llm.http import MOST_UNREADABLE, Endpoint
from huatuo.llm.keys import mask, masked
from huatuo.llm.money import Prices
from huatuo.llm.replies import LEAST_BYTES, most_bytes
from huatuo.preflight import _asked
from huatuo.recipe_teacher import EndpointSettings, TeacherSettings

ESCAPED = KEY.replace("-", "\\u002d")


def says(server, *bodies):
    """Answer with each body in turn, the last one for ever."""
    left = list(bodies)

    def answer(prompt, attempt, request):
        body = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(text=body, content_type="application/json") if isinstance(body, str) else body

    server.answer = answer


ECHOES = [
    json.dumps(completion(f"您的 {KEY} 好")),
    json.dumps(completion(f"您的 {KEY} 好")).replace(KEY, ESCAPED),
    json.dumps(completion(json.dumps([{"question": "问", "answer": "答 KEY"}]).replace("KEY", ESCAPED))),
    json.dumps(completion("好", reasoning_content=f"想 {KEY}")),
    json.dumps(completion(f"<think>{KEY}</think>好{KEY}{KEY}")),
    json.dumps(completion([{"type": "text", "text": KEY[:9]}, {"type": "text", "text": KEY[9:]}])),
    json.dumps(completion(None, refusal=f"no {KEY}")),
    json.dumps(completion("好") | {"model": f"m-{KEY}"}),
    json.dumps({"detail": f"Bearer {KEY}"}),
    json.dumps({"detail": f"Bearer {KEY}"}).replace(KEY, ESCAPED),
    json.dumps({"error": {"message": KEY, "code": KEY}}),
    f"<html>{KEY}",
]


@pytest.mark.parametrize("body", ECHOES)
def test_a_key_that_a_server_echoes_is_masked_before_anything_sees_it(server, tmp_path, body):
    says(server, body)
    cached = Cached(endpoint(server, retries=1), tmp_path / "calls.sqlite")
    ((_, reply),) = cached.chat(talk("问"), Sampling())
    said = reply.model_dump_json()
    cached.close()
    for text in (said, said.replace("\\\\", "\\"), repr([f.message for f in found_by(None, cached)])):
        assert KEY not in text
        assert ESCAPED not in text
    assert "[key]" in said
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in written


def test_in_a_stream_the_key_is_masked_wherever_the_pieces_cut_it(server):
    async def send(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in ("前 ", *KEY, " 后 sk-", "完"):
            event = {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
        return response

    server.answer = lambda prompt, attempt, request: send(request)
    assert "".join(endpoint(server).stream(talk("问")[0], Sampling())) == "前 [key] 后 sk-完"


@given(st.lists(st.sampled_from([KEY, KEY[:7], KEY[7:], "sk-", "答", "s", " "]), max_size=12))
def test_pieces_say_what_the_whole_text_says(parts):
    async def whole():
        async def pieces():
            for part in parts:
                yield part

        return "".join([piece async for piece in masked(pieces(), KEY)])

    assert asyncio.run(whole()) == mask("".join(parts), KEY)


def test_in_a_batch_file_the_key_is_masked_in_answers_and_reasons(tmp_path, monkeypatch):
    cached = Cached(ByFile(TeacherSettings(kind="batch", model="m")), tmp_path / "calls.sqlite")
    bodies = [(200, completion(f"好{KEY}") | {"model": "n"}), (429, {"error": {"code": KEY}}), (200, {"nothing": KEY})]
    lines = [
        json.dumps({"custom_id": f"{n:032x}", "response": {"status_code": status, "body": body}})
        for n, (status, body) in enumerate(bodies)
    ]
    (tmp_path / "out.jsonl").write_text("\n".join(lines), encoding="utf-8")
    taken = read_answers(tmp_path, cached, Prices(None, None, "USD"), KEY)
    (tmp_path / "out.jsonl").unlink()
    assert taken.kept == 1
    assert KEY not in str(taken)
    assert "KeyError" not in str(taken)
    cached.close()
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "key", "shown"),
    [
        ("a1b", "1", "a1b"),  # a placeholder occurs anywhere
        ("EMPTY EMPTYING", "EMPTY", "[key] EMPTYING"),
        ("是EMPTY。", "EMPTY", "是[key]。"),
        ("xabc/def+8y", "abc/def+8", "x[key]y"),
        (r"xabc\/def\u002B8y", "abc/def+8", "x[key]y"),
        (r"xabc\\u002fdef+8y", "abc/def+8", "x[key]y"),
        ("答", "", "答"),
    ],
)
def test_what_is_masked(text, key, shown):
    assert mask(text, key) == shown


# ---------------------------------------------------------------- size


async def endless(request):
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with_text = b'{"choices": [{"message": {"content": "'
    try:
        await response.write(with_text)
        for _ in range(1500):  # 90 MB and more
            await response.write(b"x" * (1 << 16))
    except ConnectionError:
        pass
    return response


def test_a_reply_without_end_is_an_error_of_its_own_and_memory_stays_flat(server):
    server.answer = lambda prompt, attempt, request: (
        endless(request) if prompt == "坏" else web.json_response(completion())
    )
    asked = endpoint(server)
    tracemalloc.start()
    replies = dict(asked.chat(talk("坏", "好"), Sampling()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (replies[0].finish_reason, replies[0].text) == ("error", "")
    assert "reply too large: more than 1,048,576 bytes" in replies[0].error
    assert server.tries["坏"] == 1  # it would be paid for again
    assert replies[1].finish_reason == "stop"
    assert peak < 16e6
    (finding,) = asked.findings
    assert (finding.rule, finding.severity) == ("reply too large", "error")


def test_the_limit_follows_max_tokens_and_an_answer_below_it_is_whole(server):
    assert most_bytes(1) == LEAST_BYTES
    assert most_bytes(100_000) == 65_536 + 6_400_000
    text = "答" * 900_000
    says(server, json.dumps(completion(text), ensure_ascii=False))
    assert endpoint_text(server, 100_000) == text
    assert endpoint_text(server, 256) == ""


def endpoint_text(server, max_tokens):
    return dict(endpoint(server).chat(talk("问"), Sampling(max_tokens=max_tokens)))[0].text


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"data: {}\n\n", b"data: " + b"x" * (1 << 22), b": wait\n"])
def test_a_stream_without_end_stops(server, line):
    async def send(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        event = b'data: {"choices": []}\n\n' if line == b"data: {}\n\n" else line
        try:
            for _ in range(3000):
                await response.write(event * (1 + 4096 // len(event)))
        except ConnectionError:
            pass
        return response

    server.answer = lambda prompt, attempt, request: send(request)
    with pytest.raises(ModelError, match="reply too large"):
        list(endpoint(server).stream(talk("问")[0], Sampling()))
    assert server.tries["问"] == 1


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_variable_that_is_named_and_not_set_is_refused_before_the_first_call(server, monkeypatch, value):
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    for made in (
        endpoint(server, key_env="MY_KEY"),
        Endpoint(TeacherSettings(model="m", endpoints=(EndpointSettings(url=server.url, key_env="MY_KEY"),))),
    ):
        with pytest.raises(RefusedError, match=r"no key.*variable MY_KEY; next:"):
            list(made.chat(talk("问"), Sampling()))
    assert not server.tries


def test_a_server_without_keys_is_asked_without_one(server, monkeypatch):
    assert endpoint_text_of(endpoint(server, key_env="")) == "答问"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert endpoint_text_of(endpoint(server)) == "答问"
    assert server.keys == {None}
    Endpoint(TeacherSettings(url="http://10.0.0.9/v1", model="m", key_env=""))._servers.all[0].headers()


def endpoint_text_of(made):
    return dict(made.chat(talk("问"), Sampling()))[0].text


@pytest.mark.parametrize("name", [KEY, "sk-1", "my key", "1KEY", "密钥"])
def test_a_key_in_place_of_a_name_is_refused_and_not_shown(server, name):
    with pytest.raises(RefusedError, match="key_env is no name") as caught:
        endpoint(server, key_env=name)
    assert name not in str(caught.value)
    settings = TeacherSettings(kind="endpoint", url=server.url, model="m", key_env=name)
    (line,) = _asked("synth.teacher", settings)
    assert "key_env" in line
    assert name not in line


# ---------------------------------------------------------------- who answers


@pytest.mark.slow
def test_the_name_of_the_model_that_answered_is_kept_and_counted_where_it_differs(server, tmp_path):
    server.answer = lambda prompt, attempt, request: web.json_response(
        completion() | ({"model": "m"} if int(prompt) % 2 else {"model": "n-mini"})
    )
    for _ in range(2):  # asked, then from disk
        cached = Cached(endpoint(server), tmp_path / "calls.sqlite")
        replies = dict(cached.chat(talk(*map(str, range(1000))), Sampling()))
        assert {reply.model for reply in replies.values()} == {"", "n-mini"}
        (finding,) = found_by(None, cached)
        assert finding.rule == "served model differs"
        assert finding.message == "served model differs: n-mini answered 500 calls to m"


# ---------------------------------------------------------------- no endpoint at all


@pytest.mark.parametrize("body", ["<html>Welcome", "", "null", "[]", "{}", '{"error": {"message": "no"}}', '"x"'])
def test_what_is_no_endpoint_is_one_clear_error_after_a_few_tries(server, body):
    says(server, body)
    for ask in (
        lambda: list(endpoint(server, concurrency=1).chat(talk(*map(str, range(500))), Sampling())),
        lambda: list(endpoint(server).stream(talk("问")[0], Sampling())),
    ):
        server.tries.clear()
        with pytest.raises(
            RefusedError, match=r"not as an OpenAI-compatible endpoint: .*next: check teacher\.url"
        ) as e:
            ask()
        assert sum(server.tries.values()) == MOST_UNREADABLE
        assert not any(word in str(e.value) for word in ("KeyError", "IndexError", "TypeError", "ValueError"))


def test_a_server_that_answered_once_may_stumble(server):
    says(server, json.dumps(completion()), *["<html>"] * (MOST_UNREADABLE + 1), json.dumps(completion()))
    replies = dict(endpoint(server, concurrency=1).chat(talk("一", "二"), Sampling()))
    assert [replies[n].finish_reason for n in (0, 1)] == ["stop", "stop"]


def test_an_error_that_comes_with_status_200_is_that_error(server):
    says(server, '{"error": {"type": "insufficient_quota", "message": "pay"}}')
    with pytest.raises(RefusedError, match=r"insufficient_quota.*next:"):
        list(endpoint(server).chat(talk("问"), Sampling()))
    assert server.tries["问"] == 1
    says(server, '{"error": {"code": 401, "message": "who"}}')
    with pytest.raises(RefusedError, match="status 401"):
        list(endpoint(server).chat(talk("二"), Sampling()))
    says(server, '{"error": {"code": 503}}', json.dumps(completion()))
    assert endpoint_text_of(endpoint(server)) == "答"


# ---------------------------------------------------------------- what is said meanwhile


def test_calls_that_time_out_are_said_after_a_while(server, monkeypatch, capsys):
    monkeypatch.setattr(course, "SAY_EVERY_S", 0.15)

    async def late(attempt):
        await asyncio.sleep(5 if attempt < 4 else 0)
        return web.json_response(completion())

    server.answer = lambda prompt, attempt, request: late(attempt)
    assert endpoint_text_of(endpoint(server, timeout_s=0.1)) == "答"
    said = capsys.readouterr().err
    assert "tries failed and are made again (the last one: 127.0.0.1: no answer within 0.1 s)" in said
    assert 1 <= len(said.splitlines()) <= 4


def test_a_slow_answer_is_said_and_a_quick_run_says_nothing(server, monkeypatch, capsys):
    monkeypatch.setattr(course, "SAY_EVERY_S", 0.1)
    list(endpoint(server).chat(talk("一"), Sampling()))
    assert capsys.readouterr().err == ""
    server.delay = 0.3
    list(endpoint(server).chat(talk("二"), Sampling()))
    assert "m: 0 calls answered, 1 wait for an answer, 0 tries failed" in capsys.readouterr().err


SLOW_IMPORT = """
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "huatuo.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
import runpy
runpy.run_module("huatuo", run_name="__main__")
"""


def test_ctrl_c_while_it_is_being_loaded_is_one_line():
    ended = subprocess.run([sys.executable, "-c", SLOW_IMPORT], capture_output=True, text=True, env=dict(os.environ))
    assert ended.returncode == 130 != -signal.SIGINT
    assert ended.stderr.strip() == "stopped; what is finished stays: the same command goes on from there"
