"""Several servers, limits a minute, and limits on money: held, counted, and never guessed."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from aiohttp import web

import huatuo.llm.limits as limits
from fake_teacher import KEY, FakeTeacher, completion, failing, status
from huatuo.errors import RefusedError
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.cache import Cached, spent
from huatuo.llm.http import Endpoint
from huatuo.llm.limits import Pace
from huatuo.llm.money import Prices, Purse, Size, Spent, prices_of, size_of
from huatuo.recipe_teacher import EndpointSettings, TeacherSettings
from huatuo.records import Message


@pytest.fixture
def servers(monkeypatch):
    monkeypatch.setattr(limits, "BACKOFF_BASE_S", 0.002)
    for number in (1, 2, 3):
        monkeypatch.setenv(f"KEY_{number}", f"{KEY}-{number}")
    made = [FakeTeacher() for _ in range(3)]
    yield made
    for server in made:
        server.close()


def teacher(servers, **settings):
    places = tuple(
        EndpointSettings(url=server.url, key_env=f"KEY_{number}", model=f"m{number}")
        for number, server in enumerate(servers, 1)
    )
    return TeacherSettings(kind="endpoint", model="m", endpoints=places, **settings)


def talk(*texts):
    return [[Message(role="user", content=text)] for text in texts]


def numbers(count):
    return talk(*map(str, range(count)))


# ---------------------------------------------------------------- several servers


@pytest.mark.slow
def test_calls_are_spread_over_all_places_each_with_its_key_and_model_name(servers):
    for server in servers:
        server.delay = 0.005
    endpoint = Endpoint(teacher(servers, concurrency=8))
    replies = dict(endpoint.chat(numbers(1200), Sampling()))
    assert {index: reply.text for index, reply in replies.items()} == {n: f"答{n}" for n in range(1200)}
    for number, server in enumerate(servers, 1):
        assert 300 < len(server.tries) < 500
        assert server.keys == {f"Bearer {KEY}-{number}"}
        assert {body["model"] for body in server.bodies} == {f"m{number}"}
        assert server.most_flying <= 8
    assert endpoint.name == "m"
    assert endpoint.findings == []


@pytest.mark.slow
def test_a_slow_place_gets_less(servers):
    servers[0].delay, servers[1].delay, servers[2].delay = 0.05, 0.005, 0.005
    list(Endpoint(teacher(servers, concurrency=4)).chat(numbers(600), Sampling()))
    assert len(servers[0].tries) < 120


@pytest.mark.slow
def test_the_own_url_and_further_endpoints_are_asked_together(servers, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "own")
    more = (EndpointSettings(url=servers[1].url),)
    settings = TeacherSettings(kind="endpoint", url=servers[0].url, model="m", endpoints=more, concurrency=4)
    list(Endpoint(settings).chat(numbers(200), Sampling()))
    assert all(server.tries and server.keys == {"Bearer own"} for server in servers[:2])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["key", "gone", "quota"])
def test_a_place_that_refuses_for_good_is_taken_out_with_a_finding_and_the_others_go_on(servers, way):
    if way == "gone":
        servers[1].close()
    elif way == "quota":
        servers[1].answer = lambda prompt, attempt, request: status(429, "today", **{"Retry-After": "7200"})
    else:
        servers[1].answer = lambda prompt, attempt, request: status(401, f"bad key {KEY}-2")
    endpoint = Endpoint(teacher(servers, concurrency=4, retries=3))
    replies = dict(endpoint.chat(numbers(500), Sampling()))
    if way == "gone":
        servers[1].close = lambda: None
    assert Counter(reply.finish_reason for reply in replies.values()) == {"stop": 500}
    (finding,) = endpoint.findings
    assert (finding.rule, finding.severity) == ("endpoint taken out", "error")
    words = {"key": "status 401", "gone": "cannot be reached after 4 tries", "quota": "asks to wait 7,200 s"}
    assert words[way] in finding.message
    assert "next:" in finding.message
    assert KEY not in finding.model_dump_json()
    assert sum(servers[1].tries.values()) <= 8
    assert len(dict(endpoint.chat(numbers(50), Sampling()))) == 50  # and it stays out


@pytest.mark.slow
def test_when_the_last_place_is_out_all_reasons_are_said(servers):
    for number, server in enumerate(servers):
        server.answer = lambda prompt, attempt, request, code=401 + number: status(code)
    with pytest.raises(RefusedError) as caught:
        list(Endpoint(teacher(servers)).chat(numbers(500), Sampling()))
    assert all(f"status {code}" in str(caught.value) for code in (401, 402, 403))
    assert sum(sum(server.tries.values()) for server in servers) < 100


def test_a_server_that_dies_half_way_is_a_clear_stop_not_an_error_reply_per_prompt(servers):
    endpoint = Endpoint(teacher(servers[:1], concurrency=8, retries=2))
    replies = []
    with pytest.raises(RefusedError, match="cannot be reached after 3 tries"):
        for _, reply in endpoint.chat(numbers(1000), Sampling()):
            replies.append(reply)
            if len(replies) == 100:
                servers[0].close()
    servers[0].close = lambda: None
    assert len(replies) >= 100
    assert {reply.finish_reason for reply in replies} == {"stop"}


def test_places_with_different_names_need_one_name_for_the_records():
    places = (EndpointSettings(url="http://a/v1", model="x"), EndpointSettings(url="http://b/v1", model="y"))
    with pytest.raises(RefusedError, match=r"different models \(x, y\).*next: set teacher\.model"):
        Endpoint(TeacherSettings(endpoints=places))
    assert Endpoint(TeacherSettings(endpoints=places[:1])).name == "x"
    assert Endpoint(TeacherSettings(model="z", endpoints=places)).name == "z"


def test_a_missing_key_is_found_before_anything_is_asked(servers, monkeypatch):
    places = (EndpointSettings(url=servers[0].url), EndpointSettings(url="https://api.example.org/v1", key_env="NO"))
    with pytest.raises(RefusedError, match=r"api\.example\.org: no key.*NO"):
        list(Endpoint(TeacherSettings(model="m", endpoints=places)).chat(numbers(9), Sampling()))
    assert not servers[0].tries


# ---------------------------------------------------------------- limits a minute


@pytest.mark.slow
def test_no_more_requests_a_minute_than_allowed_are_begun(servers):
    stamps = []
    original = servers[0].answer

    def answer(prompt, attempt, request):
        stamps.append(time.monotonic())
        return original(prompt, attempt, request)

    servers[0].answer = answer
    settings = teacher(servers[:1], concurrency=16, requests_per_minute=3000)
    started = time.monotonic()
    assert len(dict(Endpoint(settings).chat(numbers(100), Sampling()))) == 100
    assert 1.97 <= time.monotonic() - started < 4
    for start in range(len(stamps) - 25):  # 25 calls are half a second
        assert stamps[start + 25] - stamps[start] > 0.3


def test_tokens_a_minute_count_what_was_used_and_not_what_might_have_been():
    pace, now, begun = Pace(6000.0), 100.0, 0
    for _ in range(10_000):  # a hundred seconds in steps of 10 ms
        if pace.wait(now) == 0:
            pace.take(now, 1000)
            pace.give_back(900)
            begun += 1
        now += 0.01
    assert begun == pytest.approx(100, abs=2)  # 100 tokens each, 6000 a minute: one a second
    assert Pace(0).wait(0.0) == 0.0


@pytest.mark.slow
def test_tokens_a_minute_are_held_by_an_endpoint(servers):
    settings = teacher(servers[:1], concurrency=4, tokens_per_minute=60_000)
    started = time.monotonic()
    assert len(dict(Endpoint(settings).chat(numbers(100), Sampling(max_tokens=100)))) == 100
    assert time.monotonic() - started > 1.7  # 18 tokens each: 100 calls are 1.8 s of the allowance


# ---------------------------------------------------------------- money


def test_a_reply_carries_its_cost_and_an_unknown_price_or_usage_is_not_zero(servers):
    def cost(**settings):
        ((_, reply),) = Endpoint(teacher(servers[:1], **settings)).chat(talk("问"), Sampling())
        return reply.prompt_tokens, reply.completion_tokens, reply.cost

    assert cost(price_in=2.0, price_out=8.0) == (11, 7, (11 * 2 + 7 * 8) / 1e6)
    assert cost(price_in=2.0) == (11, 7, None)
    servers[0].answer = lambda *_: web.json_response({"choices": completion()["choices"]})
    assert cost(price_in=2.0, price_out=8.0) == (None, None, None)
    servers[0].answer = lambda *_: web.json_response(completion() | {"usage": {"prompt_tokens": 5}})
    assert cost(price_in=2.0, price_out=8.0) == (5, None, None)
    servers[0].answer = lambda *_: web.json_response(
        completion() | {"usage": {"prompt_tokens": "5", "completion_tokens": 7}}
    )
    assert cost(price_in=2.0, price_out=8.0) == (None, 7, None)
    servers[0].answer = lambda *_: web.json_response(
        completion() | {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    )
    assert cost(price_in=2.0, price_out=8.0) == (None, None, None)  # an answer has tokens: the server does not count


def test_each_place_has_its_price(servers):
    places = (
        EndpointSettings(url=servers[0].url, price_in=0.0, price_out=0.0),
        EndpointSettings(url=servers[1].url),
    )
    settings = TeacherSettings(model="m", endpoints=places, price_in=1.0, price_out=1.0, concurrency=2)
    replies = [reply for _, reply in Endpoint(settings).chat(numbers(100), Sampling())]
    counts = Counter(reply.cost for reply in replies)
    assert counts == {0.0: len(servers[0].tries), 18 / 1e6: len(servers[1].tries)}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"price_in": 1.0},
        {
            "price_in": 1.0,
            "endpoints": (EndpointSettings(url="http://a/v1", price_out=1.0), EndpointSettings(url="http://b")),
        },
    ],
)
def test_a_limit_on_money_without_a_price_is_refused_before_anything_starts(settings):
    with pytest.raises(ValueError, match="needs the price"):
        TeacherSettings(url="http://x/v1" if "endpoints" not in settings else "", model="m", max_cost=5.0, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["max_cost", "max_tokens_total"])
def test_a_limit_is_never_exceeded_says_what_was_spent_and_a_higher_one_goes_on(servers, tmp_path, kind):
    server, path = servers[0], tmp_path / "calls.sqlite"
    server.delay = 0.002
    server.answer = failing(server.answer, 0.1)
    prices = {"price_in": 2.0, "price_out": 8.0}

    def attempt(limit):
        settings = teacher(servers[:1], concurrency=16, **prices, **{kind: limit})
        cached = Cached(Endpoint(settings, spent(path, prices_of(settings))), path)
        return list(cached.chat(numbers(1000), Sampling(max_tokens=100)))

    each = (11 * 2 + 7 * 8) / 1e6 if kind == "max_cost" else 18
    most = (size_of(talk("999")[0], Sampling()).prompt_tokens * 2 + 100 * 8) / 1e6 if kind == "max_cost" else 119
    for limit in (300 * each, 600 * each, 600 * each):
        limit = limit if kind == "max_cost" else int(limit)
        with pytest.raises(
            RefusedError, match=r"is reached: spent so far: .* answered calls.*next: raise the limit"
        ) as caught:
            attempt(limit)
        now = spent(path, Prices(2.0, 8.0, "USD"))
        used = now.cost if kind == "max_cost" else now.tokens
        assert limit - most < used <= limit
        assert f"{now.calls:,} answered calls" in str(caught.value)
    answered = set(server.tries)
    assert len(attempt(None)) == 1000
    assert len(server.tries) == 1000
    assert len(answered) < 700


def test_a_limit_cannot_be_held_where_usage_is_not_said_and_that_is_no_zero(servers, tmp_path):
    servers[0].answer = lambda *_: web.json_response({"choices": completion()["choices"]})
    settings = teacher(servers[:1], concurrency=4, price_in=1.0, price_out=1.0, max_cost=1.0)
    cached = Cached(Endpoint(settings), tmp_path / "c")
    with pytest.raises(RefusedError, match=r"cannot be held.*unknown cost"):
        list(cached.chat(numbers(100), Sampling()))
    assert 1 <= sum(servers[0].tries.values()) <= 4
    again = Endpoint(settings, spent(tmp_path / "c", prices_of(settings)))
    with pytest.raises(RefusedError, match="cannot be held"):
        list(again.chat(numbers(100), Sampling()))
    assert sum(servers[0].tries.values()) <= 4


def test_what_was_spent_is_read_from_the_cache_with_unpriced_replies_at_todays_price(tmp_path):
    path, prices = tmp_path / "c", Prices(1.0, 2.0, "USD")
    assert spent(path, prices) == Spent("USD")
    cached = Cached(Endpoint(TeacherSettings(url="http://127.0.0.1:1/v1", model="m")), path)
    priced = Reply(text="a", prompt_tokens=10, completion_tokens=20, cost=0.5, currency="USD", time="t")
    unpriced = priced.model_copy(update={"cost": None})
    free = Reply(text="offline")
    assert cached.keep([("1", priced), ("2", priced), ("3", unpriced), ("4", free), ("1", priced)]) == 4
    assert spent(path, prices) == Spent("USD", 3, 30, 60, pytest.approx(1.0 + 50 / 1e6))
    assert spent(path, Prices(None, None, "USD")).cost is None
    assert spent(path, Prices(1.0, 2.0, "EUR")).cost is None  # never added across currencies
    cached.keep([("5", priced.model_copy(update={"prompt_tokens": None, "cost": None}))])
    unknown = spent(path, prices)
    assert (unknown.calls, unknown.tokens, unknown.cost) == (4, None, None)


def test_a_purse_holds_back_what_calls_in_flight_may_use():
    settings = TeacherSettings(model="m", max_tokens_total=100)
    purse, prices, size = Purse(settings, Spent("USD")), Prices(None, None, "USD"), Size(10, 30)
    for _ in range(2):
        assert purse.fits(size, prices)
        purse.hold(size, prices)
    assert not purse.fits(size, prices)
    assert purse.is_waiting
    purse.settle(size, prices, None)  # failed: nothing was answered
    assert purse.fits(size, prices)
    purse.settle(size, prices, Reply(text="", prompt_tokens=10, completion_tokens=25))
    assert (purse.spent.tokens, purse.is_waiting) == (35, False)
