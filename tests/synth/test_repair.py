"""What a check refuses is sent back once, with what was found: kept if the second try is right, dropped if it is not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fake_teacher import KEY, FakeTeacher, completion
from huatuo.errors import WaitingError
from huatuo.llm.base import Reply
from huatuo.llm.batch import ByFile
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.recipe import SynthSettings
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Dropped, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth.expect import Caches, asked, expect, prepare
from huatuo.synth.make import make_pairs

COUNT = 40


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    made: Any = FakeTeacher()
    yield made
    made.close()


def settings_of(server: Any, **more: Any) -> SynthSettings:
    teacher = {"kind": "endpoint", "url": server.url, "model": "m", "concurrency": 8}
    return SynthSettings.model_validate(
        {"teacher": teacher, "shapes": ["direct"], "pairs_per_call": 1, "repair": "once"} | more
    )


def data(maker: Any) -> tuple[Path, Path]:
    facts = [maker.fact(f"病{n:03}", "临床症状", f"症状{n:03}") for n in range(COUNT)]
    passages = [maker.passage(f"题{n}", f"第{n}号文字说明每日休息{n + 2}小时。") for n in range(4)]
    return maker.knowledge(facts), maker.write("curate", {"passages": passages})


def text_of(question: str, answer: str) -> str:
    return json.dumps([{"question": question, "answer": answer}], ensure_ascii=False)


def answered(block: dict[str, Any], mends: bool = True) -> str:
    """Every fourth answer is wrong at first; a second try is right where ``mends``."""
    shape = block["shape"]
    known = block["facts"] if shape == "repair" else block
    if "text" in known:
        question = known.get("question", "需要怎样休息？")
        wrong = shape == "passage_answer" or (shape == "repair" and not mends)
        return text_of(question, "每日休息99小时。" if wrong else known["text"])
    number = int(known["entity"][1:])
    wrong = number % 4 == 0 if shape == "direct" else not mends
    said = "症状999" if wrong else known["values"][0]
    return text_of(f"{known['entity']}有什么症状？", f"{known['entity']}的临床症状有{said}。")


def serve(server: Any, mends: bool) -> None:
    server.answer = lambda prompt, attempt, request: web.json_response(completion(answered(read_block(prompt), mends)))


def run(maker: Any, settings: SynthSettings, model: Any, folders: tuple[Path, Path], name: str = "synth") -> Path:
    folder: Path = maker.folder / name
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        make_pairs(settings, *folders, model, 1, out)
    return folder


@pytest.mark.slow
def test_a_second_try_that_is_right_is_kept_with_its_flag_and_both_calls(server: Any, maker: Any) -> None:
    serve(server, mends=True)
    settings, folders = settings_of(server), data(maker)
    cached = Cached(Endpoint(settings.teacher), maker.folder / "calls")
    folder = run(maker, settings, cached, folders)
    pairs, manifest = list(read(folder, "pairs", Pair)), read_manifest(folder)
    assert Counter(pair.flags for pair in pairs) == {(): 30, ("repaired",): 14}
    assert list(read(folder, "dropped", Dropped)) == []
    mended = [pair for pair in pairs if pair.flags]
    assert {pair.provenance.prompt_id for pair in mended} == {
        "graph_direct.zh+repair.zh",
        "passage_question.zh+passage_answer.zh+repair.zh",
    }
    plain = {pair.provenance.prompt_hash for pair in pairs if not pair.flags}
    assert plain.isdisjoint(pair.provenance.prompt_hash for pair in mended)
    assert {name: manifest.figures[name] for name in ("sent back once", "repaired", "still refused")} == {
        "sent back once": 14.0,
        "repaired": 14.0,
        "still refused": 0.0,
    }
    prompts = [p for p in server.tries if '"shape":"repair"' in p]
    assert len(prompts) == 14
    assert all('"finding":{"reason":' in p and '"rule":"' in p for p in prompts)
    asked_before = sum(server.tries.values())
    again = run(maker, settings, Cached(Endpoint(settings.teacher), maker.folder / "calls"), folders, "again")
    assert sum(server.tries.values()) == asked_before  # repairs are on disk like any other call
    assert read_manifest(again).tables["pairs"].digest == manifest.tables["pairs"].digest


def test_a_second_failure_is_dropped_with_both_reasons_and_nothing_is_asked_a_third_time(
    server: Any, maker: Any
) -> None:
    serve(server, mends=False)
    settings, folders = settings_of(server), data(maker)
    folder = run(maker, settings, Endpoint(settings.teacher), folders)
    pairs, manifest = list(read(folder, "pairs", Pair)), read_manifest(folder)
    assert {pair.flags for pair in pairs} == {()}
    dropped = list(read(folder, "dropped", Dropped))
    assert len(dropped) == 10 + 10 + 4  # ten pairs, the facts of each, four passages
    assert all(d.reason.count("99") == 2 and "; sent back once, then number: " in d.reason for d in dropped)
    assert manifest.figures["still refused"] == manifest.figures["sent back once"] == 14.0
    assert set(server.tries.values()) == {1}


def test_a_reply_to_a_repair_that_cannot_be_read_is_a_second_failure(server: Any, maker: Any) -> None:
    def answer(prompt: str, attempt: int, request: Any) -> Any:
        block = read_block(prompt)
        text = "我改好了。" if block["shape"] == "repair" else answered(block)
        return web.json_response(completion(text))

    server.answer = answer
    settings = settings_of(server)
    folder = run(maker, settings, Endpoint(settings.teacher), data(maker))
    reasons = [d.reason for d in read(folder, "dropped", Dropped)]
    assert all("99" in reason and "then unparsed" in reason for reason in reasons)
    assert read_manifest(folder).figures["repaired"] == 0.0


def test_every_reply_without_a_pair_is_counted_by_reason(server: Any, maker: Any) -> None:
    """Also where another call's pair uses the fact; what is with a pair and what is not add up to all replies."""
    ends = iter(["length", "empty", "prose", "refused"] * 1000)

    def answer(prompt: str, attempt: int, request: Any) -> Any:
        block = read_block(prompt)
        if block["shape"] != "direct" or int(block["entity"][1:]) % 2:
            return web.json_response(completion(answered(block)))
        end, reply = next(ends), completion(answered(block))
        message = {"empty": "", "prose": "好的。"}.get(end, reply["choices"][0]["message"]["content"])
        reply["choices"][0]["message"]["content"] = message
        reply["choices"][0]["finish_reason"] = {"length": "length", "refused": "content_filter"}.get(end, "stop")
        return web.json_response(reply)

    server.answer = answer
    settings = settings_of(server, repair="none")
    figures = read_manifest(run(maker, settings, Endpoint(settings.teacher), data(maker))).figures
    lost = {name: number for name, number in figures.items() if name.startswith("replies without a pair: ")}
    assert lost == {f"replies without a pair: {reason}": 5.0 for reason in ("empty", "length", "refused", "unparsed")}
    assert sum(number or 0 for number in lost.values()) == figures["replies without a pair"] == 20.0
    assert figures["replies"] == sum(server.tries.values())
    assert figures["replies"] == 20.0 + (figures["replies with a pair"] or 0)


def test_without_the_switch_and_for_the_offline_teacher_nothing_is_sent_back(server: Any, maker: Any) -> None:
    serve(server, mends=True)
    settings, folders = settings_of(server, repair="none"), data(maker)
    manifest = read_manifest(run(maker, settings, Endpoint(settings.teacher), folders))
    assert not any('"shape":"repair"' in p for p in server.tries)
    assert "repaired" not in manifest.figures
    offline = SynthSettings(shapes=("direct",), repair="once")
    manifest = read_manifest(run(maker, offline, OfflineTeacher(maker.phrasings, 2), folders, "offline"))
    assert "repaired" not in manifest.figures


def test_the_plan_counts_repairs_at_most_before_and_exactly_after(server: Any, maker: Any) -> None:
    serve(server, mends=True)
    settings, folders = settings_of(server), data(maker)
    cached = Cached(Endpoint(settings.teacher), maker.folder / "calls")
    before = expect(settings, asked(settings, *folders, Caches(cached), 1))
    run(maker, settings, cached, folders)
    made = sum(server.tries.values())
    after = expect(settings, asked(settings, *folders, Caches(cached), 1))
    assert (after.calls, after.missing) == (made, 0)
    assert before.calls == COUNT * 2 + 4 * 3  # a repair of each pair, of each passage's answer
    assert made <= before.calls


@pytest.mark.slow
def test_by_file_the_repairs_follow_in_a_file_of_their_own(maker: Any) -> None:
    teacher = TeacherSettings(kind="batch", model="m")
    settings = SynthSettings.model_validate(
        {"teacher": teacher.model_dump(), "shapes": ["direct"], "pairs_per_call": 1, "repair": "once"}
    )
    folders, cached = data(maker), Cached(ByFile(teacher), maker.folder / "calls")
    rounds = []
    for _ in range(5):
        try:
            prepare(settings, *folders, Caches(cached), 1, maker.folder / "batch")
        except WaitingError:
            newest = max((maker.folder / "batch").glob("requests-*.jsonl"), key=lambda p: p.stat().st_mtime_ns)
            lines = [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
            blocks = [read_block(line["body"]["messages"][-1]["content"]) for line in lines]
            rounds.append(Counter(block["shape"] for block in blocks))
            replies = [
                (line["custom_id"], Reply(text=answered(b), time="t")) for line, b in zip(lines, blocks, strict=True)
            ]
            cached.keep(replies)
        else:
            break
    assert rounds == [
        {"direct": COUNT, "passage_question": 4},
        {"repair": 10, "passage_answer": 4},
        {"repair": 4},
    ]
    assert read_manifest(run(maker, settings, cached, folders)).figures["repaired"] == 14.0
