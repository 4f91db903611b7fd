from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import StageError
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth import dialogue
from huatuo.synth.make import make_pairs
from huatuo.synth.parse import QA


class Said:
    """A model that gives the same reply to every call for a dialogue."""

    name, digest, format = "said", "d", ""

    def __init__(self, *turns: tuple[str, str]):
        self._text = json.dumps([{"question": q, "answer": a} for q, a in turns], ensure_ascii=False)

    def chat(self, conversations: Any, sampling: Sampling) -> Any:
        for index, messages in enumerate(conversations):
            assert read_block(messages[-1].content)["shape"] == "passage_dialogue"
            yield index, Reply(text=self._text)


def run(maker: Any, passages: list[Any], model: Any, shapes: tuple[str, ...] = ("passage_dialogue",)) -> Path:
    folder: Path = maker.folder / "synth"
    knowledge = maker.knowledge([maker.fact("甲病", "临床症状", "乙症", flags=("x",))])
    settings = SynthSettings.model_validate({"passage_shapes": shapes})
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        make_pairs(settings, knowledge, maker.write("c", {"passages": passages}), model, 1, out)
    return folder


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("【目的】甲。【结论】乙有效。丙安全。", "乙有效。丙安全。"),
        ("前言。\n结论：乙有效。", "乙有效。"),
        ("Aims. x\nConclusion: It works.", "It works."),
        ("得出结论之前先查体。", "得出结论之前先查体。"),
    ],
)
def test_the_conclusion_of_a_passage(text: str, rest: str) -> None:
    assert dialogue.conclusion(text) == rest


@pytest.mark.slow
def test_a_thousand_passages_become_dialogues_of_their_sentences(maker: Any) -> None:
    marks = "甲乙丙丁戊己庚辛壬癸"
    names = ["".join(marks[int(d)] for d in f"{n:04}") for n in range(1000)]
    passages = [
        maker.passage(f"{name}疗法", "".join(f"{name}疗法第{mark}点有用。" for mark in "一二三四五"[: 1 + n % 5]))
        for n, name in enumerate(names)
    ]
    folder = run(maker, passages, OfflineTeacher(maker.phrasings))
    pairs, manifest = list(read(folder, "pairs", Pair)), read_manifest(folder)
    assert manifest.dropped == {"refused": 200}  # one sentence is no dialogue
    assert Counter(len(p.messages) // 2 for p in pairs) == {2: 200, 3: 200, 4: 400}
    by_id = {p.id: p for p in passages}
    for pair in pairs:
        passage = by_id[pair.parents[0]]
        assert "".join(m.content for m in pair.messages if m.role == "assistant") == passage.text
        assert passage.title in pair.messages[0].content
        assert not any(passage.title in m.content for m in pair.messages[2::2])


def test_an_english_passage_and_both_shapes_at_once(maker: Any) -> None:
    passages = [
        maker.passage("Falls", "Wear shoes that fit. Keep the floor dry.", "en"),
        maker.passage("跌倒", "穿鞋。"),
    ]
    folder = run(maker, passages, OfflineTeacher(maker.phrasings), ("passage", "passage_dialogue"))
    pairs = list(read(folder, "pairs", Pair))
    assert Counter(p.shape for p in pairs) == {"passage": 2, "passage_dialogue": 1}
    (talk,) = [p for p in pairs if p.shape == "passage_dialogue"]
    assert [m.content for m in talk.messages[1::2]] == ["Wear shoes that fit.", "Keep the floor dry."]
    assert talk.provenance.prompt_id == "passage_dialogue.en"
    (lost,) = [d for d in read(folder, "dropped", Dropped) if d.outcome == "dropped"]
    assert lost.parents == (passages[1].id,)  # its other shape uses it
    assert lost.record_id != passages[1].id


GOOD = (("丙药怎么用？", "丙药每次0.5g。"), ("它有什么禁忌？", "孕妇禁用。"))


@pytest.mark.parametrize(
    ("turns", "rule"),
    [
        (GOOD, ""),
        (GOOD[:1], "turns"),
        (GOOD * 3, "turns"),
        ((GOOD[0], ("它有什么禁忌？", "孕妇慎用。")), "negation"),
        ((GOOD[0], ("它怎么吃？", "每次5g。")), "number"),
        ((GOOD[0], ("文中还说了什么？", "孕妇禁用。")), "leak"),
        ((GOOD[0], ("还有呢？", "根据文献，孕妇禁用。")), "leak"),
        ((GOOD[0], ("还有呢？", "可用于甲病。")), "foreign"),
    ],
)
def test_a_dialogue_that_its_passage_does_not_support(maker: Any, turns: Any, rule: str) -> None:
    passages = [maker.passage("丙药", "丙药每次0.5g。孕妇禁用。")]
    model = Said(*turns)
    if rule:
        with pytest.raises(StageError, match=rule):
            run(maker, passages, model)
        return
    assert read_manifest(run(maker, passages, model)).kept == 1


def test_the_form_of_a_dialogue() -> None:
    long = QA("问" * 200, "答。")
    refused = dialogue.objection([long, QA("还有呢？", "有。")])
    assert refused is not None
    assert refused.rule == "long_question"
    assert dialogue.objection([QA("甲？", "乙。"), QA("还有呢？", "丙。")]) is None
