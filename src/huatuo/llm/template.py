"""The offline teacher: a `Model` that reads the facts in the prompt's JSON block and answers from wordings of ours.

No network, no weights, the same answer for the same prompt. It goes through cache, parser and grounding like any other
model, so the whole path runs where no paid model may.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError
from huatuo.llm.base import Reply, Sampling, TextOnly
from huatuo.llm.template_consultation import CONSULTATION_WORDINGS, consultation_shapes
from huatuo.llm.template_passages import PASSAGE_WORDINGS
from huatuo.llm.template_shapes import SHAPE_WORDINGS, Voice, shapes, urged
from huatuo.llm.wording import KINDS, is_prose, listed, names_kind, pick
from huatuo.llm.wording import fill as fill
from huatuo.records import Message
from huatuo.store import hash_file

_BLOCK = re.compile(r"```json\s*\n(.*?)\n\s*```", re.DOTALL)

COMPARISON_QUESTIONS = (
    "{a}和{b}的{relation}有何异同？",
    "请比较{a}与{b}的{relation}。",
    "在{relation}方面，{a}和{b}有什么区别？",
    "{a}和{b}，它们的{relation}一样吗？",
)
REVERSE_ANSWERS = ("已知{relation}包括{value}的{kind}有{entities}。",)
VIGNETTE_QUESTIONS = (
    "患者，{sex}，{age}岁，出现{symptoms}，应考虑什么疾病，需要做哪些检查？",
    "一名{age}岁的{sex}性患者表现为{symptoms}，可能是什么病？应做什么检查？",
    "病人{sex}，{age}岁，主诉{symptoms}。要考虑什么疾病，怎样检查？",
)
VIGNETTE_ANSWERS = ("应考虑{entity}，需要做的检查有{checks}。",)
OWN_WORDINGS = (
    COMPARISON_QUESTIONS + REVERSE_ANSWERS + VIGNETTE_QUESTIONS + VIGNETTE_ANSWERS + PASSAGE_WORDINGS
)  # fmt: skip
CANNOT = "wordings cannot say this (translation, open set, an exercise, a passage too short for a dialogue)"
"""Why a block with all that its shape needs is refused."""
REVISION = 3
"""Raised when a block gives another reply though no wording changed: replies kept from before are not used then."""
MODEL_ONLY = ("self_instruct",)
"""Shapes that no wordings of ours can make."""


class Wordings(NamedTuple):
    """Wordings of one relation."""

    questions: tuple[str, ...]
    """Questions with {entity}."""
    answers: tuple[str, ...]
    """Answers with {entity} and {values}."""
    reverse: tuple[str, ...]
    """Questions with {value}."""


def load_wordings(path: Path) -> dict[str, Wordings]:
    """Wordings per relation, ``*`` for all others.

    Raises InputError naming the relation and the placeholder that is missing.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML ({error}); next: check the path and the file") from None
    needed = {"questions": ("{entity}",), "answers": ("{entity}", "{values}"), "reverse": ("{value}",)}
    for relation, table in data.items():
        for key, marks in needed.items():
            for wording in table.get(key, ()):
                missing = [m for m in marks if m not in wording]
                if missing:
                    raise InputError(f"{path}: [{relation}] {key}: {wording!r} lacks {missing[0]}; next: add it")
        if not table.get("questions") or not table.get("answers"):
            raise InputError(f"{path}: [{relation}] needs questions and answers; next: add them")
    if "*" not in data:
        raise InputError(f'{path}: no table ["*"] for relations without wordings; next: add it')
    return {
        relation: Wordings(*(tuple(table.get(key, ())) for key in ("questions", "answers", "reverse")))
        for relation, table in data.items()
    }


def read_block(text: str) -> dict[str, Any]:
    """The last fenced JSON object of a prompt; empty where there is none."""
    found = _BLOCK.findall(text)
    if not found:
        return {}
    try:
        block = json.loads(found[-1])
    except json.JSONDecodeError:
        return {}
    return block if isinstance(block, dict) else {}


class OfflineTeacher(TextOnly):
    """The offline teacher."""

    format = ""

    def __init__(self, phrasings: Path, questions: int = 16, answers: int = 1):
        """Use the first ``questions`` wordings and the first ``answers`` answer forms of each relation."""
        self.name = "offline-teacher"
        self._wordings = load_wordings(phrasings)
        own = hashlib.sha256("\n".join(OWN_WORDINGS + SHAPE_WORDINGS + CONSULTATION_WORDINGS).encode()).hexdigest()
        text = f"{hash_file(phrasings)} {own} {REVISION} questions={questions} answers={answers}"
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._questions, self._answers = questions, answers
        voice = Voice(self.answer, lambda relation: self._of(relation).questions[:questions])
        longer = shapes(voice)
        self._shapes: dict[str, Callable[[dict[str, Any]], list[tuple[str, str]]]] = {
            "direct": self._direct,
            "reverse": self._reverse,
            "comparison": self._comparison,
            "vignette": self._vignette,
            **longer,
            **consultation_shapes(voice, longer),
        }

    # ---------------------------------------------------------------- Model

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Index and reply of each conversation, in order. The sampling has no effect."""
        for index, messages in enumerate(conversations):
            yield index, self._reply(messages)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """The reply in one piece."""
        yield self._reply(messages).text

    def no_ids(self) -> str:
        """Wordings have no probabilities."""
        return "offline-teacher has no probabilities; expected a local checkpoint; next: ask `ours` or `base`"

    def _reply(self, messages: Sequence[Message]) -> Reply:
        prompt = next((m.content for m in reversed(messages) if m.role == "user"), "")
        block = read_block(prompt)
        shape = self._shapes.get(str(block.get("shape")))
        if shape is None:
            if block.get("shape") in MODEL_ONLY:
                said = f"offline-teacher cannot make {block['shape']}: that needs a model; next: set synth.teacher.kind"
                return Reply(text="", finish_reason="refused", error=said)
            said = f"no JSON block with a shape this teacher knows ({', '.join(self._shapes)}) in the last user message"
            return Reply(text="", finish_reason="error", error=said)
        try:
            pairs = shape(block)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            said = f"the JSON block lacks what shape {block['shape']} needs: {type(error).__name__} {error}"
            return Reply(text="", finish_reason="error", error=said)
        if not pairs:
            return Reply(text="", finish_reason="refused", error=CANNOT)
        made = [{"question": question, "answer": answer} for question, answer in pairs]
        return Reply(text=json.dumps(made, ensure_ascii=False))

    # ---------------------------------------------------------------- shapes

    def _of(self, relation: str) -> Wordings:
        return self._wordings.get(relation) or self._wordings["*"]

    def answer(self, entity: str, relation: str, values: Sequence[str], question: str = "") -> str:
        """The answer that lists the values, in the form that the question's hash falls on."""
        if any(map(is_prose, values)):
            body = "".join(value.strip().rstrip("。") + "。" for value in values)
            return f"关于{entity}的{relation}：{body}"
        forms = self._of(relation).answers[: self._answers]
        form = pick(forms, entity, relation, question)
        return fill(form, entity=entity, relation=relation, values=listed(values))

    def _direct(self, block: dict[str, Any]) -> list[tuple[str, str]]:
        entity, relation, values = block["entity"], block["relation"], block["values"]
        if not values:
            return []
        made = []
        for wording in self._of(relation).questions[: self._questions]:
            question = fill(wording, entity=entity, relation=relation)
            made.append((question, self.answer(entity, relation, values, question)))
        return made

    def _reverse(self, block: dict[str, Any]) -> list[tuple[str, str]]:
        if not block.get("complete") or not block["entities"]:
            return []
        relation, value = block["relation"], block["value"].strip().rstrip("。")
        kind = KINDS.get(block["kind"], "实体")
        own = [wording for wording in self._of(relation).reverse if names_kind(wording, block["kind"])]
        wordings = own or self._wordings["*"].reverse
        answer = fill(REVERSE_ANSWERS[0], relation=relation, value=value, kind=kind, entities=listed(block["entities"]))
        return [(fill(wording, value=value, relation=relation, kind=kind), answer) for wording in wordings]

    def _comparison(self, block: dict[str, Any]) -> list[tuple[str, str]]:
        first, second = block["items"]
        relation, a, b = block["relation"], first["entity"], second["entity"]
        same = [value for value in first["values"] if value in second["values"]]
        answer = f"{a}的{relation}有{listed(first['values'])}；{b}的{relation}有{listed(second['values'])}"
        answer += f"；两者相同的是{listed(same)}。" if same else "。"
        return [(fill(pick(COMPARISON_QUESTIONS, a, b, relation), a=a, b=b, relation=relation), answer)]

    def _vignette(self, block: dict[str, Any]) -> list[tuple[str, str]]:
        entity = block["entity"]
        wording = pick(VIGNETTE_QUESTIONS, entity, *block["symptoms"])
        symptoms = listed(block["symptoms"])
        question = fill(wording, sex=block["sex"], age=str(block["age"]), symptoms=symptoms)
        return [(question, urged(block) + fill(VIGNETTE_ANSWERS[0], entity=entity, checks=listed(block["checks"])))]
