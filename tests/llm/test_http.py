"""An endpoint that limits, fails, lies or refuses, and what the caller sees of it."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from aiohttp import web
from fake_endpoint import FakeEndpoint, answer, echo, failure

from huatuo.errors import ModelError, RefusedError
from huatuo.llm import http, wire
from huatuo.llm.base import Sampling
from huatuo.llm.http import Endpoint, cost, wait_before
from huatuo.recipe import TeacherSettings
from huatuo.records import Message

KEY = "sk-SECRET-0123456789abcdef"
SAMPLING = Sampling(temperature=1.0, max_tokens=64)


@pytest.fixture(autouse=True)
def quick_and_keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BACKOFF_S", 0.005)
    monkeypatch.setenv("TEST_KEY", KEY)


def asks(n: int) -> list[list[Message]]:
    return [[Message(role="user", content=f"问题{i}")] for i in range(n)]


def settings(server: FakeEndpoint | None = None, **changes: Any) -> TeacherSettings:
    url = server.url if server else "https://api.example.invalid/v1"
    values = {"kind": "endpoint", "url": url, "model": "m", "key_env": "TEST_KEY", "concurrency": 16, **changes}
    return TeacherSettings(**values)


def replies(server: FakeEndpoint, n: int = 1, **changes: Any):
    model = Endpoint(settings(server, **changes))
    found = dict(model.chat(asks(n), SAMPLING))
    assert sorted(found) == list(range(n))
    return found, model


def test_500_calls_all_finish_once_over_few_connections():
    with FakeEndpoint(delay_s=0.002) as server:
        found, model = replies(server, 500)
    assert all(found[i].text == f"答：问题{i}" and found[i].finish_reason == "stop" for i in range(500))
    assert server.requests == model.calls == 500
    assert max(server.asked.values()) == 1
    assert len(server.peers) <= 16
    assert server.most_active <= 16
    assert (model.prompt_tokens, model.completion_tokens) == (5000, 2500)


def test_the_body_holds_what_was_asked_and_only_settings_that_matter():
    with FakeEndpoint() as server:
        replies(server)
        model = Endpoint(settings(server))
        list(model.chat(asks(1), Sampling(temperature=0.5, top_p=0.9, seed=7, stop=("。",), max_tokens=9)))
    assert server.bodies[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "问题0"}],
        "temperature": 1.0,
        "max_tokens": 64,
    }
    assert (
        server.bodies[1].items()
        >= {"top_p": 0.9, "seed": 7, "stop": ["。"], "max_tokens": 9, "temperature": 0.5}.items()
    )
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_server_that_admits_few_at_once_gets_all_500_calls_answered():
    async def limited(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if server.active > 4:
            return failure(429, "too many", **{"Retry-After": "0.01"})
        return await echo(server, request, body)

    with FakeEndpoint(limited, delay_s=0.002) as server:
        found, _ = replies(server, 500, concurrency=64)
    assert [found[i].finish_reason for i in range(500)] == ["stop"] * 500
    assert server.requests < 1500


def test_passing_failures_are_retried_each_on_its_own():
    async def shaky(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        first = server.asked[body["messages"][-1]["content"]] == 1
        kind = int(body["messages"][-1]["content"][2:]) % 6 if first else 5
        if kind == 0:
            return failure(500, "boom")
        if kind == 1:
            return web.Response(text='{"choices": [{"mess', content_type="application/json")
        if kind == 2:
            return web.Response(text="<html>busy</html>", content_type="text/html")
        if kind == 3:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"choices"')
            assert request.transport is not None
            request.transport.close()
            return response
        if kind == 4:
            return web.json_response({"error": {"message": "overloaded", "code": "server_error"}})
        return await echo(server, request, body)

    with FakeEndpoint(shaky) as server:
        found, _ = replies(server, 120)
    assert all(found[i].text == f"答：问题{i}" for i in range(120))
    assert server.requests == 220  # 120 and one more try of the 100 that failed


def test_a_call_that_never_succeeds_is_an_error_reply_and_the_others_go_on():
    async def one_bad(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body["messages"][-1]["content"] == "问题3":
            return failure(503, f"down {KEY}")
        return await echo(server, request, body)

    with FakeEndpoint(one_bad) as server:
        found, _ = replies(server, 20, retries=2)
    assert found[3].finish_reason == "error"
    assert found[3].text == ""
    assert found[3].error == "HTTP 503 down [key], after 3 tries"
    assert server.asked["问题3"] == 3
    assert sum(reply.finish_reason == "stop" for reply in found.values()) == 19


def test_no_retry_where_the_recipe_allows_none():
    async def busy(*_: Any) -> web.StreamResponse:
        return failure(429, "slow down")

    with FakeEndpoint(busy) as server:
        found, _ = replies(server, 1, retries=0)
    assert found[0].finish_reason == "error"
    assert server.requests == 1


def test_a_call_that_takes_too_long_is_tried_again():
    async def slow_first(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if server.requests == 1:
            time.sleep(0)  # the wait below must not block the server's loop
            import asyncio

            await asyncio.sleep(2)
        return await echo(server, request, body)

    with FakeEndpoint(slow_first) as server:
        found, _ = replies(server, 1, timeout_s=0.1)
    assert found[0].text == "答：问题0"
    assert server.requests == 2


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "invalid_api_key", f"Incorrect API key provided: {KEY}"),
        (403, "", "country not allowed"),
        (404, "model_not_found", "The model m does not exist"),
        (400, "", "invalid model: m"),
        (402, "", "Insufficient Balance"),
        (429, "insufficient_quota", "You exceeded your current quota"),
        (301, "", "moved"),
    ],
)
def test_a_permanent_error_stops_at_once_and_names_host_and_status_but_not_the_key(status, code, message):
    async def refuse(*_: Any) -> web.StreamResponse:
        return failure(status, message, code, Location="http://127.0.0.1:1/")

    with FakeEndpoint(refuse, delay_s=0.01) as server, pytest.raises(RefusedError) as caught:
        replies(server, 1000)
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert f"HTTP {status}" in str(caught.value)
    assert "TEST_KEY" in str(caught.value)
    assert KEY not in repr(caught.value)
    assert server.requests <= 32


def test_a_daily_limit_is_permanent():
    async def tomorrow(*_: Any) -> web.StreamResponse:
        return failure(429, "daily limit", **{"Retry-After": "40000"})

    with FakeEndpoint(tomorrow) as server, pytest.raises(RefusedError, match="daily limit Retry-After 40,000 s"):
        replies(server)


def test_an_error_of_one_call_is_not_retried_and_not_permanent():
    async def too_long(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return failure(400, "maximum context length is 4096 tokens", "context_length_exceeded")

    with FakeEndpoint(too_long) as server:
        found, _ = replies(server, 2)
    assert server.requests == 2
    assert found[0].error == "HTTP 400 maximum context length is 4096 tokens"


def test_reasoning_refusals_and_cut_answers_are_told_apart():
    bodies = [
        answer("答案", reasoning_content="想"),
        answer("<think>\n想一想\n</think>\n\n答案"),
        answer("<think>想到一半", "length"),
        answer("我不能", "content_filter"),
        answer("", refusal="抱歉，我不能。"),
        failure(400, "blocked", "content_filter"),
        answer([{"type": "text", "text": "一"}, {"type": "text", "text": "二"}]),
    ]

    async def play(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return bodies[int(body["messages"][-1]["content"][2:])]

    with FakeEndpoint(play) as server:
        found, _ = replies(server, 7)
    shown = [(found[i].text, found[i].reasoning, found[i].finish_reason) for i in range(7)]
    assert shown == [
        ("答案", "想", "stop"),
        ("答案", "想一想", "stop"),
        ("", "想到一半", "length"),
        ("我不能", "", "refused"),
        ("抱歉，我不能。", "", "refused"),
        ("blocked", "", "refused"),
        ("一二", "", "stop"),
    ]


def test_models_that_want_the_newer_name_of_the_limit_get_it():
    async def newer(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "max_tokens" in body:
            return failure(
                400,
                "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
                "unsupported_parameter",
            )
        return await echo(server, request, body)

    with FakeEndpoint(newer) as server:
        found, _ = replies(server, 50)
    assert all(reply.finish_reason == "stop" for reply in found.values())
    assert server.bodies[-1]["max_completion_tokens"] == 64


def test_cost_of_an_unknown_price_is_unknown():
    with FakeEndpoint() as server:
        _, known = replies(server, 4, price_in=1.0, price_out=2.0)
        _, unknown = replies(server, 4, price_in=1.0)
    assert known.cost() == pytest.approx((40 * 1 + 20 * 2) / 1e6)
    assert unknown.cost() is None
    assert cost(settings(price_in=0.0, price_out=0.0), 5, 5) == 0.0


def test_cost_is_unknown_where_the_server_does_not_count_tokens():
    async def uncounted(*_: Any) -> web.StreamResponse:
        return web.json_response({"choices": [{"message": {"content": "好"}, "finish_reason": "stop"}]})

    with FakeEndpoint(uncounted) as server:
        found, model = replies(server, 1, price_in=1.0, price_out=1.0)
    assert found[0].text == "好"
    assert model.cost() is None


def sse(*pieces: dict[str, Any], done: bool = True):
    async def stream(server: FakeEndpoint, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": ping\n\n")
        for delta in pieces:
            data = json.dumps({"choices": [{"delta": delta, "finish_reason": None}]}, ensure_ascii=False)
            await response.write(f"data: {data}\n\n".encode())
        if done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return stream


def test_a_stream_gives_the_answer_in_pieces_and_keeps_thoughts_back():
    deltas = [{"role": "assistant"}, *({"content": c} for c in ("<th", "ink>想", "</thi", "nk>\n\n", "多喝", "水。"))]
    with FakeEndpoint(sse(*deltas)) as server:
        pieces = list(Endpoint(settings(server)).stream(asks(1)[0], SAMPLING))
    assert pieces == ["多喝", "水。"]
    assert server.bodies[0]["stream"] is True


def test_a_stream_that_starts_like_a_mark_is_not_swallowed():
    with FakeEndpoint(sse({"content": "<"}, {"content": "3 天"}, {"content": "可愈"})) as server:
        assert "".join(Endpoint(settings(server)).stream(asks(1)[0], SAMPLING)) == "<3 天可愈"
    with FakeEndpoint(sse({"content": "<th"})) as server:
        assert "".join(Endpoint(settings(server)).stream(asks(1)[0], SAMPLING)) == "<th"


def test_a_stream_that_breaks_off_is_an_error_after_its_pieces():
    with FakeEndpoint(sse({"content": "多喝"}, done=False)) as server:
        pieces = Endpoint(settings(server)).stream(asks(1)[0], SAMPLING)
        assert next(pieces) == "多喝"
        with pytest.raises(ModelError, match="broke off"):
            next(pieces)


def test_a_stream_can_be_refused():
    async def refuse(*_: Any) -> web.StreamResponse:
        return failure(401, "bad key")

    with FakeEndpoint(refuse) as server, pytest.raises(RefusedError, match="HTTP 401"):
        list(Endpoint(settings(server)).stream(asks(1)[0], SAMPLING))


def test_closing_the_iterator_ends_the_calls_and_the_thread():
    with FakeEndpoint(delay_s=0.02) as server:
        running = Endpoint(settings(server)).chat(asks(1000), SAMPLING)
        for _ in range(3):
            next(running)
        running.close()
        assert server.requests < 100
        assert not [thread for thread in threading.enumerate() if thread.name == "huatuo-http"]


def test_a_slow_caller_does_not_let_unread_replies_pile_up():
    with FakeEndpoint() as server:
        running = Endpoint(settings(server, concurrency=4)).chat(asks(500), SAMPLING)
        next(running)
        time.sleep(0.3)
        assert server.requests < 60
        running.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"url": ""}, "synth.teacher.url"),
        ({"url": "api.example.com/v1"}, "synth.teacher.url"),
        ({"url": "https://me:pass@api.example.com/v1"}, "user name or password"),
        ({"model": ""}, "synth.teacher.model"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_sent(changes, message):
    with pytest.raises(RefusedError, match=message) as caught:
        Endpoint(settings(**changes))
    assert "next:" in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_a_key_with_a_line_break_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sk-one\nsk-two")
    with pytest.raises(RefusedError, match="TEST_KEY") as caught:
        Endpoint(settings())
    assert "sk-" not in str(caught.value)


def test_this_machine_needs_no_key():
    with FakeEndpoint() as server:
        found, model = replies(server, 1, key_env="NO_SUCH_KEY")
    assert found[0].text == "答：问题0"
    assert "Authorization" not in server.headers[0]
    assert http.is_loopback("http://[::1]:8000/v1")
    assert http.is_loopback("http://localhost/v1")
    assert not http.is_loopback("http://127.0.0.1.example.com/v1")
    assert KEY not in repr(vars(model))


def test_an_address_where_nobody_listens_is_refused_after_the_tries():
    with FakeEndpoint() as server:
        gone = settings(server, retries=1)
    with pytest.raises(RefusedError, match="cannot be reached"):
        list(Endpoint(gone).chat(asks(3), SAMPLING))


def test_an_endpoint_refuses_log_probabilities_by_name():
    with pytest.raises(ModelError, match=r"m at api\.example\.invalid"):
        Endpoint(settings()).logprobs([1], [[2]])


def test_no_conversation_is_no_call():
    assert list(Endpoint(settings()).chat([], SAMPLING)) == []


def test_waiting_keeps_to_what_the_server_asked_for(monkeypatch):
    monkeypatch.setattr(http, "BACKOFF_S", 0.5)
    assert all(3.0 <= wait_before(1, 3.0) <= 3.5 for _ in range(100))
    waits = [wait_before(5, None) for _ in range(1000)]
    assert min(waits) < 1
    assert 7 < max(waits) <= 8
    assert wait_before(1000, None) <= 60


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("2", 2, 2),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9, 1e12),
    ],
)
def test_retry_after_as_number_and_as_date(header, low, high):
    seconds = wire.retry_after_s(header)
    assert seconds is not None
    assert low <= seconds <= high


@pytest.mark.parametrize("header", [None, "", "soon", "nan"])
def test_retry_after_that_says_nothing(header):
    assert wire.retry_after_s(header) is None


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", '{"choices": []}', '{"choices": [{"message": null}]}', "[" * 100_000]
)
def test_nonsense_is_no_reply(body):
    with pytest.raises(wire.BrokenBodyError):
        wire.parse_reply(wire.parse_json(body), "")
