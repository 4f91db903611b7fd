"""What will be asked is counted from the very prompts: the estimate, and what the teacher then gets, are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import WaitingError
from huatuo.llm import prompts
from huatuo.llm.base import Reply
from huatuo.llm.batch import ByFile
from huatuo.llm.cache import Cached
from huatuo.llm.estimate import Expected, says
from huatuo.llm.template import OfflineTeacher
from huatuo.recipe import SynthSettings
from huatuo.recipe_teacher import TeacherSettings
from huatuo.store import writing
from huatuo.synth.calls import sampling_of
from huatuo.synth.expect import Caches, asked, expect, prepare
from huatuo.synth.make import make_pairs

TEACHER = TeacherSettings(kind="batch", model="m", price_in=1.0, price_out=2.0)


class Recording:
    """The offline teacher under the name of a paid one; keeps what it was asked."""

    name, digest, format = "m", "", ""

    def __init__(self, maker: Any):
        self.teacher, self.asked = OfflineTeacher(maker.phrasings, 2), []

    def chat(self, conversations: Any, sampling: Any) -> Any:
        for index, reply in self.teacher.chat(conversations, sampling):
            self.asked.append(tuple(conversations[index]))
            if reply.finish_reason == "stop":
                yield index, reply.model_copy(update={"prompt_tokens": 200, "completion_tokens": 50, "time": "t"})
            else:
                yield index, reply.model_copy(update={"time": "t"})

    def stream(self, messages: Any, sampling: Any) -> Any:
        raise NotImplementedError

    def logprobs(self, prefix: Any, continuations: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def data(maker: Any) -> tuple[Path, Path]:
    facts = [
        maker.fact(f"病{n:04}", relation, f"{mark}{n}", flags=("withheld",) if n % 10 == 0 else ())
        for n in range(300)
        for relation, mark in (("临床症状", "甲症"), ("临床症状", "乙症"), ("检查", "查体"))
    ]
    passages = [maker.passage(f"题{n}", f"第{n}号文字说明休息。") for n in range(40)]
    passages.append(maker.passage("病0010", "这段文字说的是病0010。"))
    return maker.knowledge(facts), maker.write("curate", {"passages": passages})


@pytest.mark.slow
def test_what_is_counted_is_what_is_asked(maker: Any, data: tuple[Path, Path], tmp_path: Path) -> None:
    settings = SynthSettings(teacher=TEACHER, share={"reverse": 0.2})
    model = Recording(maker)
    cached = Cached(model, tmp_path / "c")
    before = list(asked(settings, *data, Caches(cached), 1))
    first = expect(settings, iter(before))
    assert (first.answered, first.missing) == (0, first.calls)
    assert first.basis == "assumed from the prompts' characters"
    with writing(tmp_path / "synth", stage="synth", key="k") as out:
        make_pairs(settings, *data, cached, 1, out)
    assert {call.messages for call in before} - {()} == set(model.asked[: len(before) - 40])
    after = list(asked(settings, *data, Caches(cached), 1))
    assert {call.messages for call in after} == set(model.asked)
    done = expect(settings, iter(after))
    assert (done.calls, done.answered, done.missing) == (first.calls, first.calls, 0)
    assert (done.prompt_tokens, done.completion_tokens) == (0, 0)
    assert says(done, TEACHER).endswith("no further call")
    changed = settings.model_copy(update={"pairs_per_call": 7})
    half = expect(changed, asked(changed, *data, Caches(cached), 1))
    assert half.answered == sum(call.kind.startswith("passage") for call in after)
    assert half.basis == "measured on 80 answers"


def test_money_hours_and_limits_are_said_and_an_unknown_price_is_unknown() -> None:
    expected = Expected(1200, 200, 600_000, 400_000, "assumed")
    endpoint = TEACHER.model_copy(update={"kind": "endpoint", "concurrency": 10})
    assert says(expected, endpoint) == (
        "200 of 1,200 calls are answered already; 1,000 to ask of m: about 600,000 prompt and 400,000 reply tokens "
        "(assumed); about 1.40 USD; about 0.33 h at 10 calls at once (assuming 12 s a call)"
    )
    slow = endpoint.model_copy(update={"requests_per_minute": 5.0})
    assert "about 3.33 h at 10 calls at once and the limits a minute" in says(expected, slow)
    tokens = endpoint.model_copy(update={"tokens_per_minute": 10_000.0})
    assert "about 1.67 h" in says(expected, tokens)
    limited = endpoint.model_copy(update={"max_cost": 1.0})
    assert "more than max_cost = 1: it will stop there" in says(expected, limited)
    unpriced = endpoint.model_copy(update={"price_out": None})
    assert "cost unknown" in says(expected, unpriced)
    assert "USD" not in says(expected, unpriced)


@pytest.mark.slow
def test_requests_go_to_a_file_once_and_only_those_without_an_answer(
    data: tuple[Path, Path], tmp_path: Path, capsys: Any
) -> None:
    settings = SynthSettings(teacher=TEACHER)
    cached = Cached(ByFile(TEACHER), tmp_path / "c")
    sampling = sampling_of(settings, 1)
    done = [call for call in asked(settings, *data, Caches(cached), 1) if call.messages][:100]
    cached.keep([(cached.key(call.messages, sampling.canonical()), Reply(text="好", time="t")) for call in done])
    with pytest.raises(WaitingError, match=r"requests-\w+\.jsonl \([\d,]+ requests.*second file.*next: have each file"):
        prepare(settings, *data, Caches(cached), 1, tmp_path / "batch")
    (file,) = (tmp_path / "batch").iterdir()
    ids = [json.loads(line)["custom_id"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(ids) == len(set(ids))
    assert not set(ids) & {cached.key(call.messages, sampling.canonical()) for call in done}
    said = capsys.readouterr().err
    assert "0 new answers from 0 file(s)" in said
    assert "100 of " in said


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json_object", "json_schema"])
def test_a_response_format_is_part_of_the_sampling_and_the_prompt_asks_for_an_object(
    data: tuple[Path, Path], tmp_path: Path, form: Any
) -> None:
    teacher = TEACHER.model_copy(update={"response_format": form})
    settings, plain = SynthSettings(teacher=teacher), SynthSettings(teacher=TEACHER)
    wanted = json.loads(sampling_of(settings, 1).response_format)
    assert wanted["type"] == form
    assert "response_format" not in sampling_of(plain, 1).canonical()  # keys of free text stay as they were
    cached = Cached(ByFile(teacher), tmp_path / "c")
    call = next(asked(settings, *data, Caches(cached), 1))
    assert call.messages[0].content.endswith(prompts.in_an_object("pairs", "zh"))
    if form == "json_schema":
        assert wanted["json_schema"]["strict"] is True
        assert wanted["json_schema"]["schema"]["properties"]["pairs"]["items"]["additionalProperties"] is False
