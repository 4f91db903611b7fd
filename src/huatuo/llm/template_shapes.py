"""The offline teacher's wordings of the longer shapes: two steps, true or false, refusal, dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from huatuo.llm.template_passages import Passage, answer, dialogue, passage_of, question
from huatuo.llm.wording import KINDS, fill, listed, pick

Made = list[tuple[str, str]]
"""Questions with their answers."""

HOP_BACK_QUESTIONS = (
    "{start}是哪种{kind}的{first}？该{kind}的{relation}有哪些？",
    "有一种{kind}的{first}包括{start}，它的{relation}是什么？",
    "请找出{first}里有{start}的{kind}，并说出它的{relation}。",
    "如果一种{kind}的{first}有{start}，那么这种{kind}的{relation}有哪些？",
    "由{first}“{start}”先推出是哪种{kind}，再说它的{relation}。",
)
HOP_BACK_ANSWERS = (
    "{first}包括{start}的{kind}是{middle}，{middle}的{relation}有{values}。",
    "{start}是{middle}的{first}；{middle}的{relation}有{values}。",
)
HOP_ON_QUESTIONS = (
    "{start}的{first}是哪种{kind}？这种{kind}的{relation}有哪些？",
    "请先说出{start}的{first}，再说出这种{kind}的{relation}。",
    "由{start}的{first}再问一步，那种{kind}的{relation}是什么？",
)
HOP_ON_ANSWERS = (
    "{start}的{first}是{middle}，{middle}的{relation}有{values}。",
    "{middle}是{start}的{first}；{middle}的{relation}有{values}。",
)
TRUE_FALSE_QUESTIONS = (
    "判断对错：{entity}的{relation}包括{value}。",
    "“{entity}的{relation}包括{value}”，这个说法对吗？",
    "有人说{entity}的{relation}里有{value}，这样说正确吗？",
    "{value}是{entity}的{relation}之一，对还是不对？",
    "{entity}的{relation}有{value}，对不对？",
)
DENIALS = ("{value}不是{entity}的{relation}。", "{entity}的{relation}不包括{value}。")
DOSE_QUESTIONS = (
    "{entity}一次该用多少，一天用几次？",
    "{entity}的剂量怎么定？",
    "请告诉我{entity}的具体用量。",
    "{entity}用多大的量合适？",
)
DOSE_FOR_QUESTIONS = (
    "得了{disease}，{entity}一次该用多少？",
    "{disease}用{entity}治，剂量是多少？",
    "我有{disease}，请告诉我{entity}的具体用量。",
    "治{disease}时{entity}用多大的量合适？",
)
DOSE_DECLINES = (
    "具体剂量这里不能给出，请按说明书使用，或咨询医生、药师。",
    "用量因人而异，不能随意给出，请遵医嘱。",
    "至于剂量，我没有可靠的资料，请咨询医生或药师，不要自行加减。",
)
CONTRA_QUESTIONS = {
    "use": (
        "我的情况是“{value}”，能用{entity}吗？",
        "遇到“{value}”，可以用{entity}吗？",
        "{entity}，属于“{value}”的人能用吗？",
    ),
    "eat": (
        "得了{entity}，能吃{value}吗？",
        "我有{entity}，可以吃{value}吗？",
        "{entity}病人想吃{value}，可以吗？",
    ),
}
CONTRA_ADVICE = {
    "forbidden": (
        "您说的{value}在其中，请不要自行使用，先咨询医生或药师。",
        "其中就有{value}，请不要自行使用，要用什么请听医生的。",
    ),
    "caution": (
        "您说的{value}在其中，请先咨询医生或药师，由医生决定。",
        "其中就有{value}，请先告诉医生，由医生权衡。",
    ),
    "eat": (
        "您说的{value}在其中，请不要吃，有疑问时请咨询医生。",
        "其中就有{value}，请避开，饮食上请听医生的意见。",
    ),
}
DIAGNOSIS_QUESTIONS = (
    "我有{value}，是不是得了{asked}？",
    "出现{value}，能确定是{asked}吗？",
    "我{value}，您帮我确诊一下，是{asked}吧？",
    "有{value}，可以直接按{asked}来治吗？",
)
DIAGNOSIS_ADVICE = (
    "只凭这一点不能确诊，请到医院就诊，由医生检查后判断。",
    "单凭这一点无法断定，请尽早就医。",
    "这里不能代替医生下诊断，请到医院检查。",
)
URGENT = (
    "{signs}是危险信号，请立即拨打120或到急诊就诊。",
    "{signs}可能危及生命，请马上去医院急诊。",
)
"""What comes first where the block names signs of an emergency."""
PRONOUNS = {
    "disease": ("这个病", "这种病", "该病"),
    "drug": ("这个药", "这种药", "该药"),
    "symptom": ("这个症状", "这种情况"),
    "herb": ("这味药", "这个药"),
}
PRONOUN_OF_OTHERS = ("它",)
LATER_QUESTIONS = (
    "那{relation}呢？",
    "{relation}方面呢？",
    "它的{relation}有哪些？",
    "再问一下，{it}的{relation}是什么？",
    "好的，那么{relation}有哪些？",
)
LATER_ANSWERS = ("{it}的{relation}有{values}。", "{relation}有{values}。")
STANCE_RELATIONS = ("禁忌", "慎用", "忌吃食物", "注意事项", "药物相互作用", "预防")
"""Relations whose wordings say what must be said (禁用, 慎用): their answers keep to these."""
SHAPE_WORDINGS = (
    HOP_BACK_QUESTIONS + HOP_BACK_ANSWERS + HOP_ON_QUESTIONS + HOP_ON_ANSWERS + TRUE_FALSE_QUESTIONS + DENIALS
    + DOSE_QUESTIONS + DOSE_FOR_QUESTIONS + DOSE_DECLINES + CONTRA_QUESTIONS["use"] + CONTRA_QUESTIONS["eat"]
    + CONTRA_ADVICE["forbidden"] + CONTRA_ADVICE["caution"] + CONTRA_ADVICE["eat"] + DIAGNOSIS_QUESTIONS
    + DIAGNOSIS_ADVICE + URGENT + tuple(word for words in PRONOUNS.values() for word in words) + LATER_QUESTIONS
    + LATER_ANSWERS
)  # fmt: skip
"""Every wording of this file: part of the teacher's digest, and no claims of an answer."""


class Answer(Protocol):
    """Answers with all values of a relation."""

    def __call__(self, entity: str, relation: str, values: Sequence[str], question: str = "") -> str:
        """The answer in the form that the question's hash falls on."""


class Voice(NamedTuple):
    """What the shapes borrow from the teacher."""

    answer: Answer
    """The answer that lists all values."""
    questions: Callable[[str], Sequence[str]]
    """Wordings of a relation's question, with {entity}."""


def shapes(voice: Voice) -> dict[str, Callable[[dict[str, Any]], Made]]:
    """The shapes of this file by name."""
    return {
        "multi_hop": _multi_hop,
        "multi_turn": lambda block: _multi_turn(block, voice),
        "refusal": lambda block: _refusal(block, voice),
        "true_false": lambda block: _true_false(block, voice),
        "passage_question": lambda block: _passage(block, lambda passage: _asked(passage, block)),
        "passage_answer": lambda block: _passage(block, lambda passage: [(block["question"], answer(passage))]),
        "passage_dialogue": lambda block: _passage(block, lambda passage: dialogue(passage, block["text"])),
    }


def urged(block: dict[str, Any]) -> str:
    """The sentence that urges care, where the block names signs of an emergency; else an empty string."""
    signs = block.get("urgent") or []
    return fill(pick(URGENT, *signs), signs=listed(signs)) if signs else ""


def _multi_hop(block: dict[str, Any]) -> Made:
    parts = {name: str(block[name]) for name in ("start", "first", "middle", "relation")}
    parts |= {"kind": KINDS.get(block["kind"], "实体"), "values": listed(block["values"])}
    back = block["direction"] == "back"
    questions, answers = (HOP_BACK_QUESTIONS, HOP_BACK_ANSWERS) if back else (HOP_ON_QUESTIONS, HOP_ON_ANSWERS)
    key = (parts["start"], parts["first"], parts["relation"])
    return [(fill(pick(questions, *key), **parts), fill(pick(answers, "answer", *key), **parts))]


def _true_false(block: dict[str, Any], voice: Voice) -> Made:
    entity, relation, value = block["entity"], block["relation"], block["value"]
    parts = {"entity": entity, "relation": relation, "value": value}
    question = fill(pick(TRUE_FALSE_QUESTIONS, entity, relation, value), **parts)
    told = voice.answer(entity, relation, block["values"], question)
    if block["true"]:
        return [(question, f"对。{told}")]
    return [(question, f"不对。{fill(pick(DENIALS, 'no', entity, relation, value), **parts)}{told}")]


def _refusal(block: dict[str, Any], voice: Voice) -> Made:
    makers = {"dose": _dose, "contraindicated": _contraindicated, "diagnosis": _diagnosis}
    return makers[block["case"]](block, voice)


def _dose(block: dict[str, Any], voice: Voice) -> Made:
    disease, drug = block.get("disease", ""), block["entity"]
    wordings = DOSE_FOR_QUESTIONS if disease else DOSE_QUESTIONS
    question = fill(pick(wordings, disease, drug), entity=drug, disease=disease)
    told = voice.answer(disease or drug, block["relation"], block["values"], question)
    return [(question, told + pick(DOSE_DECLINES, "decline", disease, drug))]


def _contraindicated(block: dict[str, Any], voice: Voice) -> Made:
    entity, relation, value = block["entity"], block["relation"], block["value"]
    eat = relation == "忌吃食物"
    question = fill(pick(CONTRA_QUESTIONS["eat" if eat else "use"], entity, value), entity=entity, value=value)
    advice = CONTRA_ADVICE["eat" if eat else "caution" if relation == "慎用" else "forbidden"]
    told = voice.answer(entity, relation, block["values"], question)
    return [(question, told + fill(pick(advice, "advice", entity, value), value=value))]


def _diagnosis(block: dict[str, Any], voice: Voice) -> Made:
    value, asked, relation = block["value"], block["asked"], block["relation"]
    question = fill(pick(DIAGNOSIS_QUESTIONS, value, asked), value=value, asked=asked)
    kind = KINDS.get(block["kind"], "实体")
    told = f"{urged(block)}{relation}包括{value}的{kind}有{listed(block['entities'])}。"
    return [(question, told + pick(DIAGNOSIS_ADVICE, "advice", value, asked))]


def _multi_turn(block: dict[str, Any], voice: Voice) -> Made:
    """The first question names the entity; the others say 这个病, 它, or nothing."""
    entity, made = block["entity"], Made()
    pronouns = PRONOUNS.get(block["kind"], PRONOUN_OF_OTHERS)
    for number, turn in enumerate(block["turns"]):
        relation, values = turn["relation"], turn["values"]
        wordings = [w for w in voice.questions(relation) if " " not in w]
        if not number:
            question = fill(pick(wordings, entity, "first"), entity=entity, relation=relation)
            made.append((question, voice.answer(entity, relation, values, question)))
            continue
        it = pick(pronouns, entity, relation)
        wordings = [*LATER_QUESTIONS, *(w for w in wordings if entity not in fill(w, entity=it, relation=relation))]
        question = fill(pick(wordings, entity, relation), entity=it, relation=relation, it=it)
        answer = voice.answer(entity, relation, values, question)
        plain = relation not in STANCE_RELATIONS and not answer.startswith("关于")
        if plain and pick(("it", "name"), entity, relation, "answer") == "it":
            answer = fill(pick(LATER_ANSWERS, entity, relation), it=it, relation=relation, values=listed(values))
        made.append((question, answer))
    return made


def _passage(block: dict[str, Any], make: Callable[[Passage], Made]) -> Made:
    """What is made of a passage; nothing in another language, and nothing that says nothing."""
    if block["language"] != block["answer_language"]:
        return []
    made = make(passage_of(block))
    return made if block["shape"] == "passage_question" or all(said for _, said in made) else []


def _asked(passage: Passage, block: dict[str, Any]) -> Made:
    asked = question(passage, block["title"], block["text"])
    return [(asked, "")] if asked else []
