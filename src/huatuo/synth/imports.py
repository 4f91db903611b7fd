"""Instruction data sets made elsewhere become pairs; what cannot become one is named with its place and the reason.

| format | record |
|---|---|
| `huatuo` | ``{instruction, input, output}`` (also Med-ChatGLM's ``{context, target}``) |
| `huatuo-dialogue` | ``instruction`` holds all turns: `` <user>: … <bot>: …``; the last answer is ``output`` |
| `alpaca` | ``{instruction, input, output, history, system}`` |
| `sharegpt` | ``{conversations: [{from, value}], system}`` |
| `messages` | ``{messages: [{role, content}]}`` |
| `huatuogpt2` | ``{source: [[q, a, …], …]}``, or records with ``conversations`` |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.readers import jsonfile
from huatuo.recipe import ImportSource
from huatuo.records import Message, Pair, Provenance
from huatuo.synth.pair import make_pair

_ROLES = {
    "human": "user", "user": "user", "患者": "user", "病人": "user", "问": "user",
    "gpt": "assistant", "assistant": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "医生": "assistant", "答": "assistant",
    "system": "system",
}  # fmt: skip
_TURN = re.compile(r"<(user|bot)>\s*[:：]\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Item(NamedTuple):
    """One record of a file: a pair, or why it is none."""

    place: str
    """``line 12``, ``record 7``."""
    pair: Pair | None
    """The pair."""
    rule: str = ""
    """Name of the rule that refuses it, where there is no pair."""
    reason: str = ""
    """Why."""
    excerpt: str = ""
    """Beginning of the record."""


class _Refused(Exception):
    """This record is no conversation; its text says why."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def read_pairs(source: ImportSource) -> Iterator[Item]:
    """Every record of the file in order, lazily.

    Raises InputError where the file as a whole is missing, empty or unreadable.
    """
    for place, value, problem, excerpt in _records(source.path, source.format):
        if problem:
            yield Item(place, None, problem[0], problem[1], excerpt)
            continue
        try:
            messages = FORMATS[source.format](value)
            _check(messages)
        except _Refused as error:
            yield Item(place, None, error.rule, error.reason, str(value)[:200])
            continue
        provenance = Provenance(by="import")
        shape = "imported" if len([m for m in messages if m.role == "user"]) == 1 else "consultation"
        yield Item(place, make_pair(messages, source.name, shape, provenance))


def _records(path: Path, format: str) -> Iterator[tuple[str, Any, tuple[str, str] | None, str]]:
    for raw in jsonfile.records(path):
        read_all_the_same = raw.value is not None and raw.problem is not None and raw.problem.rule == "mixed_encodings"
        broken = (raw.problem.rule, raw.problem.message) if raw.problem and not read_all_the_same else None
        if broken:
            yield raw.place, None, broken, raw.excerpt or str(raw.value)[:200]
        elif format == "huatuogpt2" and isinstance(raw.value, dict) and "conversations" not in raw.value:
            yield from _by_source(raw.place, raw.value)
        else:
            yield raw.place, raw.value, None, ""


def _by_source(place: str, value: dict[str, Any]) -> Iterator[tuple[str, Any, tuple[str, str] | None, str]]:
    """The conversations of ``{source: [[q, a, …], …]}``; HuatuoGPT-II's own files spell keys ``Meidcal_…``."""
    for name, conversations in value.items():
        if not isinstance(conversations, list):
            found = type(conversations).__name__
            yield f"{place} {name}", None, ("wrong_shape", f"{name} is {found}; expected a list of conversations"), ""
            continue
        for number, turns in enumerate(conversations, 1):
            yield f"{name}[{number}]", turns, None, ""


# ---------------------------------------------------------------- one reader per format


def _text(record: dict[str, Any], key: str, required: bool = True) -> str:
    value = record.get(key)
    if value is None and not required:
        return ""
    if value is None:
        raise _Refused("missing_field", f"no {key!r}; the record has {', '.join(map(str, record)) or 'no fields'}")
    if not isinstance(value, str):
        raise _Refused("not_text", f"{key!r} is {type(value).__name__}; expected text")
    return value


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Refused("wrong_shape", f"the record is {type(value).__name__}; expected an object")
    return value


def _huatuo(value: Any) -> list[Message]:
    record = _record(value)
    if "context" in record and "target" in record and "instruction" not in record:
        question = re.sub(r"^\s*问题[:：]\s*|\s*回答[:：]\s*$", "", _text(record, "context"))
        return [_said("user", question), _said("assistant", _text(record, "target"))]
    instruction, more = _text(record, "instruction"), _text(record, "input", required=False)
    question = f"{instruction}\n{more}" if more.strip() else instruction
    return [_said("user", question), _said("assistant", _text(record, "output"))]


def _dialogue(value: Any) -> list[Message]:
    record = _record(value)
    parts = _TURN.split(_text(record, "instruction"))
    if len(parts) == 1:
        return _huatuo(record)
    if parts[0].strip():
        raise _Refused("wrong_shape", f"text before the first <user>: {parts[0].strip()[:40]!r}")
    turns = [
        _said("user" if role == "user" else "assistant", text)
        for role, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    if turns[-1].role == "assistant" and not turns[-1].content:
        turns.pop()  # an open "<bot>:" that the output fills
    return [*turns, _said("assistant", _text(record, "output"))]


def _alpaca(value: Any) -> list[Message]:
    record = _record(value)
    system, history = _text(record, "system", required=False), record.get("history") or []
    if not isinstance(history, list):
        raise _Refused("not_text", f"'history' is {type(history).__name__}; expected a list of [question, answer]")
    turns = [_said("system", system)] if system else []
    for pair in history:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            raise _Refused("wrong_shape", "an item of 'history' is no [question, answer] of texts")
        turns += [_said("user", pair[0]), _said("assistant", pair[1])]
    return turns + _huatuo({key: record[key] for key in ("instruction", "input", "output") if key in record})


def _sharegpt(value: Any) -> list[Message]:
    record = _record(value)
    system = _text(record, "system", required=False)
    return ([_said("system", system)] if system else []) + _turns(record, "conversations", "from", "value")


def _messages(value: Any) -> list[Message]:
    return _turns(_record(value), "messages", "role", "content")


def _huatuogpt2(value: Any) -> list[Message]:
    if isinstance(value, dict):
        inner = value.get("conversations")
        return (
            _huatuogpt2(inner) if inner and isinstance(inner, list) and isinstance(inner[0], str) else _sharegpt(value)
        )
    if not isinstance(value, list) or not all(isinstance(turn, str) for turn in value):
        raise _Refused("not_text", "a conversation is a list of texts: question, answer, question, answer, ...")
    if len(value) % 2:
        raise _Refused("odd_turns", f"{len(value)} turns; expected an answer to every question")
    return [_said("assistant" if number % 2 else "user", turn) for number, turn in enumerate(value)]


def _turns(record: dict[str, Any], field: str, role_key: str, text_key: str) -> list[Message]:
    items = record.get(field)
    if not isinstance(items, list):
        raise _Refused("missing_field", f"{field!r} is {type(items).__name__}; expected a list of turns")
    turns = []
    for item in items:
        if not isinstance(item, dict):
            raise _Refused("wrong_shape", f"a turn is {type(item).__name__}; expected an object")
        role = _ROLES.get(_text(item, role_key).strip().lower())
        if role is None:
            raise _Refused("unknown_role", f"the role {item[role_key]!r} is none of {', '.join(_ROLES)}")
        turns.append(_said(role, _text(item, text_key)))
    return turns


def _said(role: str, text: str) -> Message:
    return Message.model_validate({"role": role, "content": text.strip()})


FORMATS: dict[str, Callable[[Any], list[Message]]] = {
    "huatuo": _huatuo,
    "huatuo-dialogue": _dialogue,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "huatuogpt2": _huatuogpt2,
}
"""The turns of one record, by format."""


def _check(messages: list[Message]) -> None:
    """Refuse what no model should be trained on: the turns must alternate and end with an answer."""
    spoken = [m for m in messages if m.role != "system"]
    if any(m.role == "system" for m in messages[1:]):
        raise _Refused("late_system", "a system turn stands after the first turn")
    if not spoken:
        raise _Refused("empty", "no turns")
    if spoken[0].role != "user":
        raise _Refused("wrong_order", "the first turn is an answer")
    if spoken[-1].role != "assistant":
        raise _Refused("no_answer", f"the conversation ends with a question: {spoken[-1].content[:40]!r}")
    if any(before.role == after.role for before, after in pairwise(spoken)):
        raise _Refused("wrong_order", "two turns of one speaker follow each other")
    hollow = next((m for m in messages if not m.content), None)
    if hollow:
        raise _Refused(
            "empty_answer" if hollow.role == "assistant" else "empty_question", f"a {hollow.role} turn is empty"
        )
    control = next((found for m in messages if (found := _CONTROL.search(m.content))), None)
    if control:
        raise _Refused("control_character", f"a turn holds the control character U+{ord(control[0]):04X}")
