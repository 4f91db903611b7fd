"""Requests out as an OpenAI batch file, answers in, whatever the file with the answers looks like."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_teacher import completion
from huatuo.errors import ModelError, RefusedError, WaitingError
from huatuo.llm import batch
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.batch import ByFile, read_answers, write_requests
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.llm.money import Prices, Spent
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Message

TEACHER = TeacherSettings(kind="batch", model="m")
PRICES = Prices(1.0, 2.0, "USD")
SAMPLING = Sampling(temperature=1.0, seed=3)


def talks(count):
    return [(Message(role="user", content=f"问题{n}"),) for n in range(count)]


def keyed(cached, conversations):
    return [(cached.key(messages, SAMPLING.canonical()), messages) for messages in conversations]


def line(key, body=None, status=200, error=None, response=True):
    shown = {"status_code": status, "request_id": "r", "body": body} if response else None
    return json.dumps({"id": "batch_req_1", "custom_id": key, "response": shown, "error": error}, ensure_ascii=False)


@pytest.fixture
def cached(tmp_path):
    return Cached(ByFile(TEACHER), tmp_path / "calls.sqlite")


def test_a_file_goes_out_and_its_answers_come_in_under_the_same_keys_as_an_endpoints(cached, tmp_path):
    folder, asked = tmp_path / "batch", talks(1500)
    (made,), left = write_requests(folder, keyed(cached, asked), SAMPLING, TEACHER, Spent("USD"))
    assert (made.requests, left, made.bytes) == (1500, 0, made.path.stat().st_size)
    requests = [json.loads(text) for text in made.path.read_text(encoding="utf-8").splitlines()]
    assert requests[7]["method"] == "POST"
    assert requests[7]["url"] == "/v1/chat/completions"
    assert requests[7]["body"] == {
        "model": "m", "messages": [{"role": "user", "content": "问题7"}], "max_tokens": 256, "temperature": 1.0, "seed": 3,
    }  # fmt: skip
    random.Random(1).shuffle(requests)  # answers come in any order
    answers = [line(r["custom_id"], completion("答" + r["body"]["messages"][0]["content"])) for r in requests]
    (folder / "batch_abc_output.jsonl").write_text("\n".join(answers) + "\n", encoding="utf-8")
    taken = read_answers(folder, cached, PRICES)
    assert (taken.files, taken.kept, dict(taken.failed)) == (1, 1500, {})
    endpoint = Cached(Endpoint(TeacherSettings(url="https://x/v1", model="m")), tmp_path / "calls.sqlite")
    replies = dict(endpoint.chat(asked, SAMPLING))  # no key, no network: all come from the file
    assert {n: reply.text for n, reply in replies.items()} == {n: f"答问题{n}" for n in range(1500)}
    assert replies[0].cost == (11 + 7 * 2) / 1e6
    assert (endpoint.hits, endpoint.asked) == (1500, 0)
    assert read_answers(folder, cached, PRICES).kept == 0  # reading twice is harmless


def test_the_same_requests_make_the_same_file(cached, tmp_path):
    names = [
        write_requests(tmp_path, keyed(cached, talks(n)), SAMPLING, TEACHER, Spent("USD"))[0][0].path for n in (9, 9, 8)
    ]
    assert names[0] == names[1] != names[2]


def test_large_requests_are_split_at_the_limits_of_the_api(cached, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MOST_REQUESTS", 400)
    made, _ = write_requests(tmp_path, keyed(cached, talks(1000)), SAMPLING, TEACHER, Spent("USD"))
    assert [file.requests for file in made] == [400, 400, 200]
    monkeypatch.setattr(batch, "MOST_BYTES", 20_000)
    made, _ = write_requests(tmp_path, keyed(cached, talks(1000)), SAMPLING, TEACHER, Spent("USD"))
    assert all(file.path.stat().st_size <= 20_000 for file in made)
    assert sum(file.requests for file in made) == 1000


def test_every_line_without_an_answer_is_counted_with_its_reason(cached, tmp_path):
    keys = [key for key, _ in keyed(cached, talks(20))]
    lines = [
        line(keys[0], completion("好")),
        line(keys[1], {"error": {"code": "rate_limit_exceeded", "message": "slow"}}, 429),
        line(keys[2], {"error": {"code": "server_error", "message": "oops"}}, 500),
        line(keys[3], response=False, error={"code": "batch_expired", "message": "not in 24 h"}),
        line(keys[4], response=False, error={"code": "batch_expired", "message": "not in 24 h"}),
        line(keys[5], {"choices": []}),
        line(keys[6], "nonsense"),
        line(keys[7], response=False),
        line("somebody-elses", completion("别人的")),
        line(keys[8], completion("好", "length")),
        line(keys[9], {"error": {"code": "content_filter", "message": "policy"}}, 400),
        line(keys[10], {"error": {"message": "strange"}}, 400),
        "[]",
        '{"custom_id": "' + keys[11] + '", "respon',  # the download broke off
    ]
    (tmp_path / "out.jsonl").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    (tmp_path / "requests-00000000.jsonl").write_text("never read as answers\n", encoding="utf-8")
    taken = read_answers(tmp_path, cached, PRICES)
    assert taken.kept == 4
    assert sum(taken.failed.values()) == len(lines) - 4
    assert taken.failed["batch_expired"] == 2
    assert {"status 429 rate_limit_exceeded", "status 500 server_error", "the custom_id is not one of huatuo's"} <= set(
        taken.failed
    )
    assert "2 without an answer: batch_expired" in str(taken)
    found = cached.known(talks(20), SAMPLING)
    ends = [reply.finish_reason if reply else None for reply in found]
    assert ends[:12] == ["stop", *[None] * 7, "length", "refused", "refused", None]


def test_a_400_where_nothing_was_answered_is_about_the_requests_and_is_not_kept(cached, tmp_path):
    keys = [key for key, _ in keyed(cached, talks(5))]
    text = "\n".join(line(key, {"error": {"message": "unknown model"}}, 400) for key in keys)
    (tmp_path / "errors.jsonl").write_text(text, encoding="utf-8")
    taken = read_answers(tmp_path, cached, PRICES)
    assert taken.kept == 0
    ((reason, count),) = taken.failed.items()
    assert count == 5
    assert "unknown model" in reason


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["custom_id", "response", "status_code", "body", "error", "choices", "message", "content", "usage"]),
    inner, max_size=4)))  # fmt: skip
def test_no_line_raises(value):
    _, reply, reason = batch._answer(json.dumps(value).encode(), PRICES)
    assert (reply is None) == bool(reason)
    _, reply, reason = batch._answer(json.dumps({"custom_id": "0" * 32, "response": value}).encode(), PRICES)
    assert (reply is None) == bool(reason)


def test_a_limit_leaves_requests_out_and_says_how_many(cached, tmp_path):
    limited = TEACHER.model_copy(update={"max_tokens_total": 3000})
    (made,), left = write_requests(tmp_path, keyed(cached, talks(100)), SAMPLING, limited, Spent("USD"))
    assert made.requests + left == 100
    assert 0 < made.requests <= 3000 // 256
    with pytest.raises(RefusedError, match=r"max_tokens_total = 3000 is reached: spent so far: .*for 9 answered calls"):
        write_requests(tmp_path, keyed(cached, talks(100)), SAMPLING, limited, Spent("USD", 9, 2000, 900))


def test_a_teacher_by_file_refuses_what_it_cannot_do(cached):
    with pytest.raises(ModelError, match=r"needs teacher\.model"):
        ByFile(TeacherSettings(kind="batch"))
    with pytest.raises(WaitingError, match="no answer yet"):
        list(cached.chat(talks(2), SAMPLING))
    cached.keep(keyed(cached, talks(1)) and [(keyed(cached, talks(1))[0][0], Reply(text="好", time="t"))])
    assert [reply.text for _, reply in cached.chat(talks(1), SAMPLING)] == ["好"]
    with pytest.raises(ModelError, match="cannot stream"):
        cached.stream(talks(1)[0], Sampling()).__next__()
    with pytest.raises(ModelError, match="takes no token ids"):
        cached.logprobs([1], [[2]])
