"""A model's free answers: paraphrases that are right are kept, corrupted ones dropped, parents are what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_make import Scripted, said

from huatuo.llm.base import Reply
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Finding, Pair
from huatuo.store import read, writing
from huatuo.synth.make import make_pairs

QUESTION = "二甲双胍有什么不良反应？"
RIGHT = (
    "二甲双胍的不良反应有恶心、腹泻、乏力。",
    "服用二甲双胍以后，有的人会觉得恶心，也可能拉肚子，还会没力气。",
    "二甲双胍比较常见的反应是恶心和腹泻，另外有人会乏力。",
)
PARTIAL = "用二甲双胍时可能会恶心。"
WRONG = {
    "swapped": "格列本脲可能引起恶心、腹泻和乏力。",
    "negation": "二甲双胍不会引起恶心。",
    "number": "二甲双胍会引起恶心，每天服用3次后腹泻5次。",
    "incomplete": "二甲双胍怎么用，请咨询医生。",
}


def facts(maker: Any) -> list[Any]:
    known = [maker.fact("二甲双胍", "不良反应", value, kind="drug") for value in ("恶心", "腹泻", "乏力")]
    return [*known, maker.fact("格列本脲", "不良反应", "低血糖", kind="drug")]


def run(maker: Any, answers: tuple[str, ...], name: str = "synth", **settings: Any) -> Path:
    folder: Path = maker.folder / name

    def answer(block: dict[str, Any]) -> Reply:
        if block["entity"] != "二甲双胍":
            return said(("格列本脲有什么不良反应？", "格列本脲的不良反应有低血糖。"))
        return said(*((f"{QUESTION}{'？' * n}", text) for n, text in enumerate(answers)))

    chosen = {"teacher": {"kind": "endpoint", "url": "http://h/v1", "model": "m"}, "shapes": ["direct"]} | settings
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        passages = maker.write(f"c{name}", {"passages": []})
        make_pairs(
            SynthSettings.model_validate(chosen), maker.knowledge(facts(maker)), passages, Scripted(answer), 1, out
        )
    return folder


def kept(folder: Path) -> dict[str, tuple[str, ...]]:
    return {pair.messages[-1].content: pair.parents for pair in read(folder, "pairs", Pair)}


def test_paraphrases_are_kept_and_corruptions_dropped_with_their_kind(maker: Any) -> None:
    folder = run(maker, (*RIGHT, *WRONG.values()))
    assert set(RIGHT) <= set(kept(folder))
    assert set(kept(folder)).isdisjoint(WRONG.values())
    rules = {d.rule for d in read(folder, "dropped", Dropped) if d.parents}
    assert rules <= set(WRONG)
    assert {"swapped", "negation", "number"} <= rules


def test_strict_keeps_what_lists_all_values_as_they_are(maker: Any) -> None:
    found = kept(run(maker, (*RIGHT, *WRONG.values()), words="strict"))
    assert RIGHT[0] in found
    assert RIGHT[1] not in found
    assert set(found).isdisjoint(WRONG.values())


def test_a_pair_names_the_facts_that_its_free_answer_says_and_the_others_are_not_used(maker: Any) -> None:
    folder = run(maker, (PARTIAL,))
    ids = {fact.value: fact.id for fact in facts(maker)}
    assert kept(folder)[PARTIAL] == (ids["恶心"],)
    ended = {d.record_id: d.rule for d in read(folder, "dropped", Dropped)}
    assert ended == {ids["腹泻"]: "incomplete", ids["乏力"]: "incomplete"}
    strict = kept(run(maker, (RIGHT[0],), "strict"))
    assert strict[RIGHT[0]] == (ids["恶心"], ids["腹泻"], ids["乏力"])


def test_the_offline_teacher_is_held_to_the_strict_rules_unless_the_recipe_says_free(maker: Any) -> None:
    answers = (PARTIAL,)
    strict = run(maker, answers, teacher={"kind": "offline"})
    assert PARTIAL not in kept(strict)
    free = run(maker, answers, "free", teacher={"kind": "offline"}, words="free")
    assert PARTIAL in kept(free)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_free_comparison_still_says_each_value_of_its_own_entity(maker: Any, swapped: bool) -> None:
    def answer(block: dict[str, Any]) -> Reply:
        a, b = block["items"]
        first, second = (b, a) if swapped else (a, b)
        text = f"{a['entity']}多见{first['values'][0]}，而{b['entity']}往往是{second['values'][0]}。"
        return said((f"{a['entity']}和{b['entity']}的临床症状有什么不同？", text))

    known = [maker.fact("甲状腺炎", "临床症状", "颈部胀痛"), maker.fact("肾盂肾炎", "临床症状", "腰部酸痛")]
    folder: Path = maker.folder / "synth"
    settings = SynthSettings.model_validate(
        {"teacher": {"kind": "endpoint", "url": "http://h/v1", "model": "m"}, "shapes": ["comparison"]}
    )
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        out.write("findings", Finding(rule="r", severity="note", subject="s", place="p", message="m"))
        make_pairs(settings, maker.knowledge(known), maker.write("c", {"passages": []}), Scripted(answer), 1, out)
    if swapped:
        assert {d.rule for d in read(folder, "dropped", Dropped)} == {"mixed"}
    else:
        assert len(list(read(folder, "pairs", Pair))) == 1
