"""What is asked about signs of an emergency is answered with urging care first, by any teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_make import Scripted, said

from huatuo.checks import redflags
from huatuo.llm.base import Reply
from huatuo.llm.template import OfflineTeacher
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Finding, Pair
from huatuo.store import read, writing
from huatuo.synth.lint import lint
from huatuo.synth.make import make_pairs


def facts(maker: Any) -> list[Any]:
    known = []
    for n in range(200):
        red = n % 2 == 0
        symptoms = (f"剧烈头痛{n}", f"怕光{n}") if red else (f"流涕{n}", f"鼻塞{n}")
        known += [maker.fact(f"病{n:03}", "临床症状", value) for value in symptoms]
        known += [maker.fact(f"病{n:03}", "辅助检查", f"查体{n}")]
    for n in range(3):
        known += [maker.fact(f"心病{n}", "临床症状", "压榨性胸痛"), maker.fact(f"心病{n}", "临床症状", "打嗝")]
    return known


def run(maker: Any, model: Any, *shapes: str) -> Path:
    folder: Path = maker.folder / "synth"
    settings = SynthSettings.model_validate({"shapes": shapes, "teacher": {"kind": "offline"}})
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        out.write("findings", Finding(rule="r", severity="note", subject="s", place="p", message="m"))
        knowledge = maker.knowledge(facts(maker))
        make_pairs(settings, knowledge, maker.write("c", {"passages": []}), model, 1, out)
    return folder


@pytest.mark.slow
def test_vignettes_and_refused_diagnoses_urge_care_first_where_the_symptoms_are_red_flags(maker: Any) -> None:
    folder = run(maker, OfflineTeacher(maker.phrasings), "vignette", "refusal")
    pairs = list(read(folder, "pairs", Pair))
    red = [p for p in pairs if "头痛" in p.messages[0].content or "胸痛" in p.messages[0].content]
    assert {p.shape for p in red} == {"vignette", "refusal"}
    assert len([p for p in red if p.shape == "vignette"]) == 100
    assert all(redflags.urges_first(p.messages[-1].content) for p in red)
    calm = [p for p in pairs if "流涕" in p.messages[0].content]
    assert len(calm) == 100
    assert not any(redflags.urges(p.messages[-1].content) for p in calm)
    assert not any("emergency_not_urged" in lint(p.messages) for p in pairs)


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        ("", "no_urging"),
        ("请注意休息，必要时就医。", "no_urging"),
        ("请立即拨打120或到急诊就诊。", ""),
        ("您应立即拨打999去急诊，这可能是病001。", "foreign"),
    ],
)
def test_a_model_that_does_not_urge_or_claims_more_while_urging_is_refused(maker: Any, first: str, rule: str) -> None:
    def answer(block: dict[str, Any]) -> Reply:
        symptoms, checks = "、".join(block["symptoms"]), "、".join(block["checks"])
        question = f"患者{block['sex']}，{block['age']}岁，{symptoms}，应考虑什么病？"
        opening = first if block["entity"] == "病000" else "请立即到急诊就诊。" * ("urgent" in block)
        return said((question, f"{opening}应考虑{block['entity']}，检查有{checks}。"))

    folder = run(maker, Scripted(answer), "vignette")
    about = [p for p in read(folder, "pairs", Pair) if p.entities == ("病000",)]
    rules = {d.rule for d in read(folder, "dropped", Dropped) if "病000" in d.excerpt}
    assert (len(about), rules) == ((0, {rule}) if rule else (1, set()))
