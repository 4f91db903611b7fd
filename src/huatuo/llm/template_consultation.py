"""The offline teacher's patient and physician: the lines of a consultation, one at a time.

A patient asks one thing a turn, in the order of what the card wants; a physician who sees the facts answers in the same
order. Both are made of the shapes multi_turn, vignette and passage_dialogue. Without the facts there is no physician.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from huatuo.llm.template_shapes import Made, Voice, urged
from huatuo.llm.wording import fill, listed, pick

Shapes = Mapping[str, Callable[[dict[str, Any]], Made]]
"""What makes the replies to a block, by shape."""

ENDS = {"zh": "（结束）", "en": "(end)"}
"""What a patient says who has nothing more to ask."""

INTRODUCTIONS = (
    "医生您好，我是{sex}性，{age}，{about}。",
    "大夫，我{age}，{sex}，{about}。",
    "您好，{sex}，{age}，{about}。",
)
KNOWN = {
    "disease": ("得了{entity}", "查出来是{entity}", "确诊是{entity}"),
    "drug": ("在用{entity}", "医生开了{entity}"),
    "symptom": ("有{entity}", "出现{entity}"),
}
KNOWN_OTHER = ("想了解{entity}", "想问问{entity}")
COMPLAINTS = ("，有{symptoms}", "，表现是{symptoms}")
CASE_QUESTIONS = (
    "医生，我{age}，{sex}，出现{symptoms}，该考虑什么病，要做哪些检查？",
    "您好，{sex}，{age}，最近{symptoms}，可能是什么病，怎么检查？",
    "大夫，我{sex}，{age}，{symptoms}，这是什么病，需要做什么检查？",
)
CASE_ANSWERS = ("应考虑{entity}，需要做的检查有{checks}。",)
CONSULTATION_WORDINGS = (
    *INTRODUCTIONS, *(wording for many in KNOWN.values() for wording in many), *KNOWN_OTHER, *COMPLAINTS,
    *CASE_QUESTIONS, *CASE_ANSWERS, *ENDS.values(),
)  # fmt: skip
"""Every wording of this file: part of the teacher's digest, and no claims of an answer."""


def consultation_shapes(voice: Voice, shapes: Shapes) -> Shapes:
    """The two sides by name; ``shapes``: the teacher's others, whose dialogues they speak line by line."""
    return {
        "patient": lambda block: _patient(block, shapes),
        "doctor": lambda block: _doctor(block, voice, shapes),
    }


def _patient(block: dict[str, Any], shapes: Shapes) -> Made:
    case, turn = block["case"], int(block["turn"])
    if "text" in case:
        language = str(block["answer_language"])
        lines = [question for question, _ in shapes["passage_dialogue"]({**block, **case, "shape": "passage_dialogue"})]
    else:
        language, lines = "zh", _asked(case, shapes)
    if not lines:
        return []
    return [(lines[turn - 1] if turn <= len(lines) else ENDS[language], "")]


def _asked(case: dict[str, Any], shapes: Shapes) -> list[str]:
    """All that the patient of a card asks, in order."""
    person = {"age": str(case["age"]), "sex": str(case["sex"]), "symptoms": listed(case.get("symptoms", ()))}
    about, kind = str(case.get("about", "")), str(case.get("kind", "disease"))
    if not about:
        first = fill(pick(CASE_QUESTIONS, *person.values()), **person)
        return [first, *_questions("", kind, ["*", *case["wants"]], shapes)[1:]]
    known = fill(pick(KNOWN.get(kind, KNOWN_OTHER), about), entity=about)
    if person["symptoms"]:
        known += fill(pick(COMPLAINTS, about, person["symptoms"]), symptoms=person["symptoms"])
    opening = fill(pick(INTRODUCTIONS, about, *person.values()), age=person["age"], sex=person["sex"], about=known)
    lines = _questions(about, kind, case["wants"], shapes)
    return [opening + lines[0], *lines[1:]] if lines else []


def _questions(entity: str, kind: str, relations: Sequence[str], shapes: Shapes) -> list[str]:
    """Questions about the relations in turn: the first names the entity, the others do not."""
    turns = [{"relation": relation, "values": []} for relation in relations]
    made = shapes["multi_turn"]({"shape": "multi_turn", "entity": entity, "kind": kind, "turns": turns})
    return [question for question, _ in made]


def _doctor(block: dict[str, Any], voice: Voice, shapes: Shapes) -> Made:
    known, turn, question = block.get("facts"), int(block["turn"]), str(block["question"])
    if not known:
        return []
    if "text" in known:
        answers = [answer for _, answer in shapes["passage_dialogue"]({**known, "shape": "passage_dialogue"})]
    else:
        answers = _told(known, voice)
    return [(question, urged(block) + answers[turn - 1])] if turn <= len(answers) else []


def _told(known: dict[str, Any], voice: Voice) -> list[str]:
    """All that the physician of a card answers, in the order in which the patient asks."""
    entity, turns, answers = known["entity"], list(known["turns"]), list[str]()
    if "checks" in known:
        answers.append(fill(CASE_ANSWERS[0], entity=entity, checks=listed(known["checks"])))
        turns = [turn for turn in turns if turn["relation"] != known["checked"]]  # told with the first answer
    return answers + [voice.answer(entity, turn["relation"], turn["values"]) for turn in turns]
