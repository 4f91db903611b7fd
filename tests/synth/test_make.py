from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import StageError
from huatuo.llm import prompts
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Fact, Message, Pair
from huatuo.store import content_id, read, read_manifest, writing
from huatuo.synth.make import make_pairs


class Scripted:
    """A model that answers every prompt by a function, in reverse order."""

    name, digest, format = "scripted", "d", ""

    def __init__(self, answer: Any):
        self._answer = answer

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        for index in reversed(range(len(conversations))):
            yield index, self._answer(read_block(conversations[index][-1].content))

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        raise NotImplementedError

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        raise NotImplementedError


def said(*pairs: tuple[str, str]) -> Reply:
    return Reply(text=json.dumps([{"question": q, "answer": a} for q, a in pairs], ensure_ascii=False))


def run(maker: Any, knowledge: Path, passages: Path, model: Any, **settings: Any) -> Path:
    folder: Path = maker.folder / "synth"
    with writing(folder, stage="synth", key="k") as out:
        make_pairs(SynthSettings(**settings), knowledge, passages, model, 1, out)
    return folder


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    return {d.record_id: (d.outcome, d.rule) for d in read(folder, "dropped", Dropped)}


def some_facts(maker: Any, count: int) -> list[Fact]:
    return [
        maker.fact(f"病{n:04}", relation, f"{mark}{n}", flags=("withheld",) if n % 10 == 0 else ())
        for n in range(count)
        for relation, mark in (("临床症状", "甲症"), ("临床症状", "乙症"), ("检查", "查体"))
    ]


@pytest.mark.slow
def test_every_fact_and_passage_ends_once_and_every_pair_names_its_parents(maker: Any) -> None:
    facts = some_facts(maker, 400)
    passages = [maker.passage(f"题{n}", f"第{n}号文字说明休息。") for n in range(30)]
    passages.append(maker.passage("病0010", "这段文字说的是病0010。"))
    knowledge, cut = maker.knowledge(facts), maker.write("curate", {"passages": passages})
    folder = run(maker, knowledge, cut, OfflineTeacher(maker.phrasings, 4), share={"reverse": 0.1})
    ended, pairs = outcomes(folder), list(read(folder, "pairs", Pair))
    taught = {parent for pair in pairs for parent in pair.parents}
    for fact in facts:
        assert (fact.id in taught) == (not fact.flags)
        assert ended.get(fact.id) == (("left", "withheld") if fact.flags else None)
    assert ended[passages[-1].id] == ("left", "withheld")
    assert Counter(p.shape for p in pairs)["direct"] == 4 * 360 * 2
    assert {p.shape for p in pairs} == {"direct", "reverse", "comparison", "vignette", "passage"}
    assert {p.source for p in pairs} == {"graph", "guide"}
    assert all(p.provenance.model == "offline-teacher" and p.provenance.prompt_hash for p in pairs)
    assert not any("病0010" in m.content for p in pairs for m in p.messages)
    assert all(p.parents == (p.parents[0], "doc") for p in pairs if p.shape == "passage")


@pytest.mark.slow
def test_the_same_input_gives_the_same_digest_whatever_the_order(maker: Any) -> None:
    facts = some_facts(maker, 60)
    cut = maker.write("curate", {"passages": []})
    teacher = OfflineTeacher(maker.phrasings, 3)
    first = read_manifest(run(maker, maker.knowledge(facts), cut, teacher)).tables["pairs"].digest
    again = read_manifest(run(maker, maker.knowledge(facts), cut, teacher)).tables["pairs"].digest
    assert first == again


@pytest.mark.parametrize("reason", ["length", "error", "refused"])
def test_a_reply_that_did_not_end_well_never_becomes_a_pair(maker: Any, reason: Any) -> None:
    facts = [maker.fact("甲病", "临床症状", "乙症"), maker.fact("丙病", "临床症状", "丁症")]

    def answer(block: dict[str, Any]) -> Reply:
        good = said(("丙病有什么症状？", "丙病的症状有丁症。"))
        return (
            good if block["entity"] == "丙病" else good.model_copy(update={"finish_reason": reason, "error": "because"})
        )

    folder = run(maker, maker.knowledge(facts), maker.write("c", {"passages": []}), Scripted(answer), shapes=["direct"])
    assert outcomes(folder) == {facts[0].id: ("dropped", reason)}
    assert [p.entities for p in read(folder, "pairs", Pair)] == [("丙病",)]


def test_facts_of_a_failed_call_are_used_where_another_pair_uses_them(maker: Any) -> None:
    facts = [maker.fact("甲病", "临床症状", "乙症")]

    def answer(block: dict[str, Any]) -> Reply:
        if block["shape"] == "direct":
            return Reply(text="", finish_reason="error", error="broken")
        return said(("什么病有乙症？", "有乙症的疾病是甲病。"))

    folder = run(maker, maker.knowledge(facts), maker.write("c", {"passages": []}), Scripted(answer))
    assert outcomes(folder) == {}
    assert read_manifest(folder).kept == 1


def test_unsupported_answers_are_dropped_with_the_rule(maker: Any) -> None:
    facts = [maker.fact("甲病", "临床症状", v) for v in ("乙症", "丙症")] + [maker.fact("丁病", "临床症状", "戊症")]
    replies = (
        ("甲病有什么症状？", "甲病的症状有乙症、丙症。"),
        ("甲病有哪些症状？", "甲病的症状有乙症。"),
        ("甲病症状？", "甲病的症状有乙症、丙症、戊症。"),
        ("这种病有哪些症状？", "甲病的症状有乙症、丙症。"),
        ("甲病有什么症状？", "甲病的症状有乙症、丙症。"),
    )

    def answer(block: dict[str, Any]) -> Reply:
        return said(*replies) if block["entity"] == "甲病" else Reply(text="对不起")

    folder = run(maker, maker.knowledge(facts), maker.write("c", {"passages": []}), Scripted(answer), shapes=["direct"])
    manifest = read_manifest(folder)
    assert manifest.dropped == {"incomplete": 1, "foreign": 1, "no_entity": 1, "duplicate": 1, "unparsed": 1}
    assert outcomes(folder)[facts[2].id] == ("dropped", "unparsed")
    assert manifest.tables["pairs"].rows == 1


def test_without_ground_the_same_answers_pass(maker: Any) -> None:
    facts = [maker.fact("甲病", "临床症状", v) for v in ("乙症", "丙症")]
    model = Scripted(lambda block: said(("甲病？", "甲病的症状有乙症。")))
    folder = run(
        maker, maker.knowledge(facts), maker.write("c", {"passages": []}), model, shapes=["direct"], ground=False
    )
    assert read_manifest(folder).tables["pairs"].rows == 1


def test_flagged_and_undrawn_facts_are_left(maker: Any) -> None:
    facts = [maker.fact(f"病{n:04}", "临床症状", f"症状{n}") for n in range(1000)]
    facts.append(maker.fact("癸病", "临床症状", "庚症", flags=("mixed",)))
    folder = run(
        maker,
        maker.knowledge(facts),
        maker.write("c", {"passages": []}),
        OfflineTeacher(maker.phrasings, 1),
        shapes=["direct"],
        share={"direct": 0.3},
    )
    manifest = read_manifest(folder)
    assert manifest.left["mixed"] == 1
    assert abs(manifest.kept - 300) < 45
    assert manifest.left["not_drawn"] == 1000 - manifest.kept


def test_passages_are_asked_twice_and_checked(maker: Any) -> None:
    texts = ("每次服0.5g，孕妇禁用。", "每次服1g，孕妇慎用。", "先洗手。", "再压住。")
    passages = [maker.passage(f"题{n}", text) for n, text in enumerate(texts)]

    def answer(block: dict[str, Any]) -> Reply:
        if block["shape"] == "passage_question":
            return said((f"{block['title']}怎么做？" if block["title"] != "题3" else "参考文本说了什么？", ""))
        return said((block["question"], block["text"].replace("慎用", "可用")))

    knowledge = maker.knowledge([maker.fact("甲病", "临床症状", "乙症", flags=("x",))])
    folder = run(maker, knowledge, maker.write("c", {"passages": passages}), Scripted(answer))
    ended = outcomes(folder)
    assert [ended.get(p.id) for p in passages] == [None, ("dropped", "negation"), None, ("dropped", "leak")]
    assert [p.messages[0].content for p in read(folder, "pairs", Pair)] == ["题0怎么做？", "题2怎么做？"]


def test_a_foreign_language_is_refused_by_the_offline_teacher(maker: Any) -> None:
    passages = [maker.passage("Falls", "Wear shoes.", "en"), maker.passage("跌倒", "穿合脚的鞋。")]
    knowledge = maker.knowledge([maker.fact("甲病", "临床症状", "乙症")])
    folder = run(
        maker,
        knowledge,
        maker.write("c", {"passages": passages}),
        OfflineTeacher(maker.phrasings, 1),
        passage_language="zh",
    )
    assert outcomes(folder)[passages[0].id] == ("dropped", "refused")


def test_nothing_made_is_an_error_that_says_why(maker: Any) -> None:
    knowledge = maker.knowledge([maker.fact("甲病", "临床症状", "乙症", flags=("mixed",))])
    with pytest.raises(StageError, match="mixed"):
        run(maker, knowledge, maker.write("c", {"passages": []}), OfflineTeacher(maker.phrasings, 1))


def test_no_question_asks_about_a_withheld_name_and_no_fact_says_a_withheld_one_the_other_way_round(maker: Any) -> None:
    facts = [
        maker.fact("川崎病", "药物治疗", "拜阿司匹灵", flags=("withheld",)),
        maker.fact("川崎病", "并发症", "心肌炎", flags=("withheld",)),
        maker.fact("阿司匹林", "适应证", "皮肤黏膜淋巴结综合征", "drug"),  # both sides under another name
        maker.fact("阿司匹林", "适应证", "发热", "drug"),
        maker.fact("阿司匹林", "不良反应", "川崎病", "drug"),  # the same two names: nothing tells it from the first
        maker.fact("猩红热", "鉴别诊断", "川崎病"),  # an ordinary value of another entity
        maker.fact("心肌炎", "病因", "病毒感染"),
    ]
    aliases = {"川崎病": ("皮肤黏膜淋巴结综合征",), "阿司匹林": ("拜阿司匹灵",)}
    knowledge = maker.knowledge(facts, aliases)
    folder = run(maker, knowledge, maker.write("c", {"passages": []}), OfflineTeacher(maker.phrasings, 4))
    ended = outcomes(folder)
    assert [fact.value for fact in facts if fact.id in ended] == [
        "拜阿司匹灵",
        "心肌炎",
        "皮肤黏膜淋巴结综合征",
        "发热",  # stands in the same list, which would be taught as if it were whole
        "川崎病",
    ]
    assert set(ended.values()) == {("left", "withheld")}
    witness = {d.record_id: d.witness for d in read(folder, "dropped", Dropped)}
    assert witness[facts[2].id] == facts[0].id
    pairs = list(read(folder, "pairs", Pair))
    assert not any(name in p.messages[0].content for p in pairs for name in ("川崎病", "皮肤黏膜淋巴结综合征"))
    assert any("川崎病" in p.messages[1].content for p in pairs if p.entities == ("猩红热",))
    assert any(p.shape == "reverse" for p in pairs)


def test_the_pair_of_a_passage_names_both_prompts(maker: Any) -> None:
    passages = [maker.passage("跌倒", "穿合脚的鞋。")]
    knowledge = maker.knowledge([maker.fact("甲病", "临床症状", "乙症")])
    folder = run(
        maker,
        knowledge,
        maker.write("c", {"passages": passages}),
        OfflineTeacher(maker.phrasings, 1),
        shapes=["direct"],
    )
    made = {p.shape: p.provenance for p in read(folder, "pairs", Pair)}
    question, answer = prompts.load("passage_question.zh"), prompts.load("passage_answer.zh")
    assert made["passage"].prompt_id == "passage_question.zh+passage_answer.zh"
    assert made["passage"].prompt_hash == content_id(question.hash, answer.hash)
    assert made["direct"].prompt_hash == prompts.load("graph_direct.zh").hash


@pytest.mark.slow
def test_passages_as_they_are_need_no_model_and_lose_nothing(maker: Any) -> None:
    def refuses(block: dict[str, Any]) -> Reply:
        raise AssertionError(block)

    knowledge = maker.knowledge([maker.fact("病0010", "检查", "查体", flags=("withheld",))])
    passages = [maker.passage(f"手册 > 第{n}章", f"第{n}号文字说明休息。\n剂量 0.5 mg。") for n in range(1_000)]
    passages.append(maker.passage("病0010", "这段文字说的是病0010。"))
    cut = maker.write("c", {"passages": passages})
    folder = run(maker, knowledge, cut, Scripted(refuses), passage_shapes=("text",), shapes=())
    pairs = {pair.parents[0]: pair for pair in read(folder, "pairs", Pair)}
    assert outcomes(folder)[passages[-1].id] == ("left", "withheld")
    assert len(pairs) == 1_000
    for n, passage in enumerate(passages[:-1]):
        question, answer = pairs[passage.id].messages
        assert (question.content, answer.content) == ("", f"手册\n第{n}章\n{passage.text}")
        assert (pairs[passage.id].shape, pairs[passage.id].source) == ("text", "guide")


def test_a_heading_that_the_text_repeats_is_not_written_twice(maker: Any) -> None:
    cut = maker.write("c", {"passages": [maker.passage("手册 > 休息", "休息\n多休息。"), maker.passage("", "无题。")]})
    knowledge = maker.knowledge([maker.fact("甲", "检查", "查体")])
    folder = run(maker, knowledge, cut, OfflineTeacher(maker.phrasings, 1), passage_shapes=("text",))
    texts = {pair.messages[1].content for pair in read(folder, "pairs", Pair) if pair.shape == "text"}
    assert texts == {"手册\n休息\n多休息。", "无题。"}
