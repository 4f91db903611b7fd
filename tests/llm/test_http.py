"""Many calls to a server that fails in every usual way: each ends with a reply, and the key stays secret."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from talking import endpoint, talk

import huatuo.llm.limits as limits
from fake_teacher import KEY, completion, status, truncated
from huatuo.errors import ModelError, RefusedError
from huatuo.llm.base import Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.llm.limits import Window
from huatuo.llm.replies import split_thoughts
from huatuo.recipe import TeacherSettings


def ask(server, *texts, **settings):
    return dict(endpoint(server, **settings).chat(talk(*texts), Sampling()))


@pytest.mark.slow
def test_500_calls_with_every_tenth_try_failing_all_finish(server):
    ways = [
        lambda r: status(500, "oops"),
        lambda r: status(429, "slow down", **{"Retry-After": "0.01"}),
        truncated,
        lambda r: web.Response(text="<html>nonsense"),
        lambda r: web.json_response({"choices": []}),
    ]

    def answer(prompt, attempt, request):
        if attempt == 1 and int(prompt) % 10 == 0:
            return ways[int(prompt) // 10 % 5](request)
        return web.json_response(completion("答" + prompt))

    server.answer = answer
    replies = ask(server, *map(str, range(500)), concurrency=32)
    assert {index: reply.text for index, reply in replies.items()} == {n: f"答{n}" for n in range(500)}
    assert sum(server.tries.values()) == 550
    assert server.most_flying <= 32
    assert {(r.prompt_tokens, r.completion_tokens, r.finish_reason) for r in replies.values()} == {(11, 7, "stop")}
    assert all(reply.time for reply in replies.values())
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.slow
def test_a_server_that_admits_four_at_once_answers_everything(server):
    def answer(prompt, attempt, request):
        if server.flying > 4:
            return status(429, "crowded", **{"Retry-After": "0.02"})
        return web.json_response(completion())

    server.answer, server.delay = answer, 0.004
    replies = ask(server, *map(str, range(300)), concurrency=48)
    assert {reply.finish_reason for reply in replies.values()} == {"stop"}
    assert sum(server.tries.values()) < 600


def test_the_window_shrinks_to_what_is_admitted_and_grows_slowly():
    window = Window(16)
    for _ in range(16):
        window.enter()
    assert window.room == 0
    for number in range(16):
        window.leave(good=number < 4, crowded=number >= 4)
    assert (window.limit, window.room) == (4, 4)
    for _ in range(20):
        window.enter()
        window.leave(good=True, crowded=False)
    assert window.limit == pytest.approx(6)
    for _ in range(20):
        window.enter()
        window.leave(good=False, crowded=True)
    assert (window.limit, window.room) == (1, 1)
    for _ in range(400):
        window.enter()
        window.leave(good=True, crowded=False)
    assert window.limit == 16


@pytest.mark.parametrize("way", ["500", "429", "truncated", "nonsense", "no content", "error in a 200", "abort"])
def test_a_call_that_never_succeeds_ends_as_an_error_reply(server, way):
    ways = {
        "500": lambda r: status(500, f"key {KEY} is fine"),
        "429": lambda r: status(429),
        "truncated": truncated,
        "nonsense": lambda r: web.Response(text="[1, 2"),
        "no content": lambda r: web.json_response(completion(None)),
        "error in a 200": lambda r: web.json_response({"error": {"code": 502, "message": KEY}}),
        "abort": lambda r: web.json_response(completion("half", "abort")),
    }
    server.answer = lambda prompt, attempt, request: (
        ways[way](request) if prompt == "坏" else web.json_response(completion())
    )
    replies = ask(server, "坏", "好", retries=2)
    assert server.tries["坏"] == 3
    assert replies[1].finish_reason == "stop"
    assert (replies[0].finish_reason, replies[0].text) == ("error", "")
    assert replies[0].error.startswith("127.0.0.1: ")
    assert "after 3 tries" in replies[0].error
    assert KEY not in replies[0].error


def test_a_call_that_takes_too_long_is_tried_again(server):
    async def late(prompt, attempt):
        await asyncio.sleep(5 if attempt == 1 else 0)
        return web.json_response(completion())

    server.answer = lambda prompt, attempt, request: late(prompt, attempt)
    assert ask(server, "问", timeout_s=0.1)[0].finish_reason == "stop"
    assert server.tries["问"] == 2


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(server, as_date):
    wait = format_datetime(datetime.now(UTC) + timedelta(seconds=1.9), usegmt=True) if as_date else "0.3"
    server.answer = lambda prompt, attempt, request: (
        status(429, "", **{"Retry-After": wait}) if attempt == 1 else web.json_response(completion())
    )
    started = time.monotonic()
    assert ask(server, "问")[0].finish_reason == "stop"
    assert time.monotonic() - started >= (0.8 if as_date else 0.3)


@pytest.mark.slow
def test_a_wait_of_hours_is_a_clear_stop_with_what_was_finished_kept(server, tmp_path):
    def answer(prompt, attempt, request):
        if int(prompt) >= 300:
            return status(429, "quota of the day", **{"Retry-After": "86400"})
        return web.json_response(completion())

    server.answer = answer
    cached = Cached(endpoint(server, concurrency=8), tmp_path / "c")
    seen = []
    with pytest.raises(
        RefusedError, match=r"asks to wait 86,400 s .*longest_wait_s = 600.*next: run the same"
    ) as caught:
        for index, reply in cached.chat(talk(*map(str, range(1000))), Sampling()):
            assert reply.finish_reason == "stop"
            seen.append(index)
    assert len(seen) == 300
    assert "quota of the day" in str(caught.value)
    assert sum(server.tries.values()) <= 308
    server.answer = lambda prompt, attempt, request: web.json_response(completion())
    assert len(dict(Cached(endpoint(server), tmp_path / "c").chat(talk(*map(str, range(1000))), Sampling()))) == 1000
    assert sum(server.tries.values()) <= 1008


@pytest.mark.slow
def test_an_outage_ends_the_run_and_not_every_prompt(server):
    server.answer = lambda prompt, attempt, request: (
        status(500, "down") if int(prompt) >= 100 else web.json_response(completion())
    )
    replies = []
    with pytest.raises(RefusedError, match=r"50 calls in a row ended in an error.*status 500: down.*next:"):
        replies.extend(endpoint(server, retries=1, concurrency=8).chat(talk(*map(str, range(1000))), Sampling()))
    assert sum(reply.finish_reason == "stop" for _, reply in replies) == 100
    assert sum(server.tries.values()) < 300


def test_calls_in_flight_are_waited_for_and_kept_when_the_server_begins_to_refuse(server):
    async def answer(prompt):
        if prompt == "20":
            return status(401, "no")
        await asyncio.sleep(0.1)
        return web.json_response(completion())

    server.answer = lambda prompt, attempt, request: answer(prompt)
    replies = []
    with pytest.raises(RefusedError, match="status 401"):
        replies.extend(endpoint(server, concurrency=16).chat(talk(*map(str, range(100))), Sampling()))
    assert {index for index, _ in replies} == {int(prompt) for prompt in server.tries} - {20}
    assert len(replies) >= 20


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 422, 307])
def test_a_refusal_for_good_stops_everything_at_once(server, code):
    server.answer = lambda prompt, attempt, request: status(code, f"bad key {KEY}", Location="/elsewhere")
    with pytest.raises(RefusedError, match=rf"127\.0\.0\.1: .*status {code}.*next:") as caught:
        ask(server, *map(str, range(1000)), concurrency=4)
    assert KEY not in str(caught.value)
    assert sum(server.tries.values()) <= 8


def test_no_money_left_is_not_waited_for(server):
    error = {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}
    server.answer = lambda prompt, attempt, request: web.json_response(error, status=429)
    with pytest.raises(RefusedError, match=r"status 429.*quota"):
        ask(server, "问")
    assert server.tries["问"] == 1


def test_replies_made_before_a_refusal_are_handed_over_and_kept(server, tmp_path):
    server.answer = lambda prompt, attempt, request: status(401) if prompt == "50" else web.json_response(completion())
    seen = []
    with pytest.raises(RefusedError):
        for index, _ in Cached(endpoint(server, concurrency=1), tmp_path / "c").chat(
            talk(*map(str, range(99))), Sampling()
        ):
            seen.append(index)
    assert seen == list(range(50))
    server.answer = lambda prompt, attempt, request: web.json_response(completion())
    assert len(dict(Cached(endpoint(server), tmp_path / "c").chat(talk(*map(str, range(99))), Sampling()))) == 99
    assert sum(server.tries.values()) == 100
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "答".encode() in written
    assert KEY.encode() not in written


def test_a_server_that_is_not_there_is_refused_not_asked_a_thousand_times(monkeypatch):
    monkeypatch.setattr(limits, "BACKOFF_BASE_S", 0.002)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = TeacherSettings(url=f"http://127.0.0.1:{closed.getsockname()[1]}/v1", model="m", retries=2)
        with pytest.raises(RefusedError, match=r"127\.0\.0\.1: cannot be reached after 3 tries.*next:"):
            list(Endpoint(settings).chat(talk(*map(str, range(1000))), Sampling()))


def test_a_missing_key_is_named_and_loopback_needs_none(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(server, "问")[0].text == "答问"
    assert server.keys == {None}
    away = Endpoint(TeacherSettings(url="https://api.example.org/v1", model="m", key_env="MY_KEY"))
    with pytest.raises(RefusedError, match=r"api\.example\.org: no key.*MY_KEY"):
        list(away.chat(talk("问"), Sampling()))
    with pytest.raises(RefusedError, match="MY_KEY"):
        list(away.stream(talk("问")[0], Sampling()))
    monkeypatch.setenv("MY_KEY", "密钥")
    with pytest.raises(RefusedError, match="no header can carry") as caught:
        list(away.chat(talk("问"), Sampling()))
    assert "密钥" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "api.example.org/v1", "ftp://x/v1", "https://me:secret@x/v1"])
def test_an_address_that_cannot_be_used_is_refused(url):
    with pytest.raises(RefusedError, match="https://host/v1") as caught:
        Endpoint(TeacherSettings(url=url, model="m"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("made", "text", "reasoning", "finish"),
    [
        (completion("答"), "答", "", "stop"),
        (completion("<think>想\n想</think>\n\n答"), "答", "想\n想", "stop"),
        (completion("想</think>答"), "答", "想", "stop"),
        (completion("<think>想", "length"), "", "想", "length"),
        (completion("答", reasoning_content="想"), "答", "想", "stop"),
        (completion("答", reasoning="想"), "答", "想", "stop"),
        (completion([{"type": "text", "text": "答"}, {"type": "thinking"}]), "答", "", "stop"),
        (completion("答\ud83d"), "答\ufffd", "", "stop"),
        (completion("", "length"), "", "", "length"),
        (completion(None, refusal="I cannot"), "", "", "refused"),
        (completion("", "content_filter"), "", "", "refused"),
        ({"choices": completion("答")["choices"]}, "答", "", "stop"),
    ],
)
def test_what_a_reply_says_is_kept_apart(server, made, text, reasoning, finish):
    server.answer = lambda prompt, attempt, request: web.json_response(made)
    reply = ask(server, "问")[0]
    assert (reply.text, reply.reasoning, reply.finish_reason) == (text, reasoning, finish)
    assert bool(reply.error) == (finish == "refused")


@pytest.mark.parametrize("code", ["content_filter", "context_length_exceeded", "invalid_prompt"])
def test_a_prompt_that_is_at_fault_itself_is_refused_alone(server, code):
    error = {"error": {"code": code, "message": "policy"}}
    server.answer = lambda prompt, attempt, request: (
        web.json_response(error, status=400) if prompt == "坏" else web.json_response(completion())
    )
    assert [r.finish_reason for _, r in sorted(ask(server, "坏", "好").items())] == ["refused", "stop"]


def test_a_400_after_other_prompts_were_answered_is_about_that_prompt(server):
    server.answer = lambda prompt, attempt, request: (
        status(400, "strange") if prompt == "50" else web.json_response(completion())
    )
    replies = ask(server, *map(str, range(100)), concurrency=1)
    assert [index for index, reply in replies.items() if reply.finish_reason == "refused"] == [50]
    assert "strange" in replies[50].error


def test_the_length_limit_is_sent_under_the_name_the_server_takes(server):
    list(endpoint(server, max_tokens_field="max_completion_tokens").chat(talk("问"), Sampling(max_tokens=77)))
    assert server.bodies[0]["max_completion_tokens"] == 77
    assert "max_tokens" not in server.bodies[0]


def test_a_response_format_is_sent_and_a_server_that_does_not_know_it_is_told_apart(server):
    form = '{"type":"json_object"}'
    list(endpoint(server, response_format="json_object").chat(talk("问"), Sampling(response_format=form)))
    assert server.bodies[0]["response_format"] == {"type": "json_object"}
    server.answer = lambda prompt, attempt, request: status(400, "unknown field response_format")
    with pytest.raises(RefusedError, match=r"next: check teacher\.url, model, response_format, and the key"):
        list(endpoint(server, response_format="json_object").chat(talk("问"), Sampling(response_format=form)))


def test_only_what_was_set_is_sent(server):
    ask(server, "问")
    assert set(server.bodies[0]) == {"model", "messages", "max_tokens", "temperature"}
    sampling = Sampling(temperature=0.7, top_p=0.9, seed=5, stop=("。",))
    list(endpoint(server).chat(talk("问"), sampling))
    sent = server.bodies[1]
    assert (sent["temperature"], sent["top_p"], sent["seed"], sent["stop"]) == (0.7, 0.9, 5, ["。"])


@pytest.mark.slow
def test_closing_the_iterator_stops_asking_and_leaves_no_thread(server):
    server.delay = 0.01
    replies = endpoint(server, concurrency=8).chat(talk(*map(str, range(5000))), Sampling())
    for _ in range(20):
        next(replies)
    replies.close()
    asked = [-1]
    while sum(server.tries.values()) != asked[-1] and len(asked) < 50:  # what was sent already arrives
        asked.append(sum(server.tries.values()))
        time.sleep(0.1)
    assert asked[-1] < 100
    assert not [thread for thread in threading.enumerate() if thread.name == "huatuo-http"]


@pytest.mark.slow
def test_a_slow_reader_is_not_run_away_from(server):
    replies = endpoint(server, concurrency=4).chat(talk(*map(str, range(1000))), Sampling())
    next(replies)
    time.sleep(0.3)
    assert sum(server.tries.values()) <= 4 * 3 + 2
    assert len(list(replies)) == 999


def sse(*events, done=True):
    async def send(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        if done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return send


def delta(text=None, reason=None, **more):
    return {"choices": [{"delta": {"content": text} | more, "finish_reason": reason}]}


def streamed(server, send):
    server.answer = lambda prompt, attempt, request: send(request)
    return list(endpoint(server, retries=2).stream(talk("问")[0], Sampling()))


def test_a_stream_comes_in_pieces_without_the_thoughts(server):
    assert streamed(server, sse(delta(""), delta("您"), delta("好"), delta(reason="stop"), {"choices": []})) == [
        "您",
        "好",
    ]
    thinking = (delta("<thi"), delta("nk>想"), delta("</think>\n答"), delta("案"), delta(reason="stop"))
    assert streamed(server, sse(*thinking)) == ["答", "案"]
    assert streamed(server, sse(delta(reasoning_content="想"), delta("<"), delta(reason="stop"))) == ["<"]
    assert server.bodies[-1]["stream"] is True


def test_a_stream_that_breaks_off_is_an_error(server):
    with pytest.raises(ModelError, match="broke off"):
        streamed(server, sse(delta("半"), done=False))
    assert server.tries["问"] == 1
    with pytest.raises(ModelError, match="unreadable event"):
        streamed(server, sse({"error": "overloaded"}))
    assert server.tries["问"] == 4
    with pytest.raises(ModelError, match="refused to answer"):
        streamed(server, sse(delta("半", "content_filter")))
    with pytest.raises(RefusedError, match="status 401"):
        streamed(server, lambda request: status(401))


def test_a_stream_is_retried_before_its_first_piece(server):
    good = sse(delta("好", "stop"))
    server.answer = lambda prompt, attempt, request: status(503) if attempt < 3 else good(request)
    assert list(endpoint(server).stream(talk("问")[0], Sampling())) == ["好"]


def test_an_endpoint_has_no_probabilities_and_no_conversation_is_no_call(server):
    with pytest.raises(ModelError, match="m is an endpoint"):
        endpoint(server).logprobs([1], [[2]])
    assert list(endpoint(server).chat([], Sampling())) == []


def test_a_text_without_thoughts_stays_as_it_is():
    assert split_thoughts(" 答 <think> ") == ("", " 答 <think> ")


CHILD = """
import sys
from pathlib import Path
from huatuo.llm.base import Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.recipe import TeacherSettings
from huatuo.records import Message
talks = [[Message(role="user", content=str(n))] for n in range(500)]
model = Cached(Endpoint(TeacherSettings(url=sys.argv[1], model="m", concurrency=8)), Path(sys.argv[2]))
try:
    for index, reply in model.chat(talks, Sampling()):
        print(index, flush=True)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_half_way_pays_nothing_twice(server, tmp_path, end):
    server.delay = 0.004
    command = [sys.executable, "-c", CHILD, server.url, str(tmp_path / "calls")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        seen = {child.stdout.readline().strip() for _ in range(150)}
        os.kill(child.pid, end)
        rest, said = child.communicate(timeout=20)
    seen |= set(rest.split())
    assert child.returncode == (-9 if end == signal.SIGKILL else 0), said
    assert ("stopped" in seen) == (end == signal.SIGINT)
    assert said == ""
    server.tries.clear()
    server.delay = 0.0
    replies = dict(Cached(endpoint(server), tmp_path / "calls").chat(talk(*map(str, range(500))), Sampling()))
    assert {index: reply.text for index, reply in replies.items()} == {n: f"答{n}" for n in range(500)}
    assert 150 <= len(seen) < 500
    assert not seen & set(server.tries)
