"""Calls for conversations of several turns: a consultation about one entity, and a passage's conclusion talked over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from huatuo.records import Document
from huatuo.synth import from_text
from huatuo.synth.from_graph import CHECK_RELATIONS, SYMPTOM_RELATIONS, Call, Groups, Known, values_of
from huatuo.synth.ground import Claim, Refusal
from huatuo.synth.more_shapes import is_short
from huatuo.synth.pair import fraction
from huatuo.synth.parse import QA

_INDICATIONS = ("适应证", "功能主治", "主治")
TURNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "disease": (
        SYMPTOM_RELATIONS,
        CHECK_RELATIONS,
        ("药物治疗", "治疗", "辅助治疗", "手术治疗"),
        (
            "注意事项",
            "忌吃食物",
            "预防",
            "并发症",
            "宜吃食物",
            "推荐食谱",
            "传播途径",
            "所属科室",
            "多发群体",
            "治疗周期",
        ),
    ),
    "drug": (_INDICATIONS, ("用法用量",), ("不良反应",), ("禁忌", "慎用", "注意事项")),
    "herb": (("功效",), _INDICATIONS, ("性味", "归经"), ("用法用量", "禁忌")),
    "symptom": (("病因",), ("相关疾病",), ("检查",), ("相关症状",)),
}
"""What a consultation goes through, by kind: in each turn one of the relations that the entity has, drawn by hash."""

MOST_TURNS = 4
"""Most turns of a dialogue about a passage (97 % of HuaTuo's literature dialogues have at most four)."""

_CONCLUSION = re.compile(
    r"(?:【(?:结论|讨论与结论)】|(?:^|\n)\s*#*\s*(?:结论|小结|总结|Conclusions?|CONCLUSIONS?)\s*[:：\n])\s*(.+)",
    re.DOTALL,
)


def planned(groups: Groups, seed: int) -> Iterator[list[list[Known]]]:
    """What is gone through with each entity that has at least two of the turns of its kind: the facts of each turn."""
    entities: dict[str, dict[str, list[Known]]] = {}
    for (entity_id, relation), facts in groups.items():
        if is_short(facts):
            entities.setdefault(entity_id, {})[relation] = facts
    for entity_id, relations in entities.items():
        first = next(iter(relations.values()))[0]
        turns = []
        for names in TURNS.get(first.kind, ()):
            known = [relations[name] for name in names if name in relations]
            draw = fraction(str(seed), "turn", entity_id, names[0])
            turns += [known[int(draw * len(known))]] if known else []
        if len(turns) >= 2:
            yield turns


def multi_turn(groups: Groups, seed: int, share: float) -> Iterator[Call]:
    """One call per entity with at least two of the turns of its kind."""
    for turns in planned(groups, seed):
        if fraction(str(seed), "multi_turn", turns[0][0].entity_id) < share:
            yield _consultation(turns[0][0], turns)


def _consultation(first: Known, turns: list[list[Known]]) -> Call:
    said = [{"relation": facts[0].relation, "values": values_of(facts)} for facts in turns]
    block = {"shape": "multi_turn", "entity": first.entity, "kind": first.kind, "turns": said}
    claims = [
        Claim(
            "multi_turn",
            facts[0].relation,
            () if number else (first.entity,),
            tuple(values_of(facts)),
            extra=(first.entity,),
            hidden=(first.entity,) if number else (),
        )
        for number, facts in enumerate(turns)
    ]
    ids = tuple(dict.fromkeys(fact.id for facts in turns for fact in facts))
    return Call("multi_turn", block, ids, (first.entity,), claims[0], tuple(claims[1:]))


def conclusion(text: str) -> str:
    """The part of a text after its heading 结论 or Conclusion; the whole text where it has none."""
    found = _CONCLUSION.search(text)
    return found[1].strip() if found else text


def block(passage: Document, language: str, shared: bool) -> dict[str, Any]:
    """The passage as it stands in the prompt of a call for a dialogue."""
    first = from_text.block(passage, language, shared)
    return {**first, "shape": "passage_dialogue", "text": conclusion(passage.text)}


def objection(turns: Sequence[QA]) -> Refusal | None:
    """Why a passage's dialogue has not the form of one, or None; its facts are looked at turn by turn."""
    if not 2 <= len(turns) <= MOST_TURNS:
        return Refusal("turns", f"the dialogue has {len(turns)} turns, expected 2 to {MOST_TURNS}")
    if from_text.too_long(turns[0].question):
        return Refusal("long_question", f"the first question has {len(turns[0].question)} characters")
    words = next((words for qa in turns if (words := from_text.leak(qa.question, ""))), "")
    return Refusal("leak", f"a question speaks of its source: {words}") if words else None
