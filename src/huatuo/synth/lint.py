"""What is wrong with a training pair by its wording alone: pure rules, a name and a message each.

Counts on HuaTuo's released 8,658 instructions: 87 answers with 根据知识, 48 answers of at most 5 characters, 53
questions that begin with a reference to nothing (52 with 这 or 该, one with 以上).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from huatuo.records import Message

SHORTEST_ANSWER = 5
"""Characters: an answer of so many or fewer is a fragment (足, 男性, 氧)."""

_REFERENCE = re.compile(
    r"^\s*(?:请问|请|那么|关于|对于|针对|根据)?\s*(?:(?:这|那|以上|上述|该|此)(?:[一二两三几]?(?:个|种|些|类|位|款|名)|[两三几])?\s*"
    r"(?:常见|罕见|慢性|急性|严重)?的?(?:疾病|疾患|病症|病|药物|药品|药|症状|症|检查|情况|治疗|方法|手术|感染|肿瘤|癌症|综合征)|"
    r"(?:它们?|其)(?!他|它|实|中|余)|(?:这|那)(?:两|几|三)(?:者|个|种)|(?:二|两)者)"
)
_END = re.compile(r"[。！？!?.…；;：:）)\]】」”\"'~～]\s*$")
_EXPONENT = re.compile(r"[×xX*]\s*10\d{1,2}\s*/\s*[LlμuU]")
_CHUNK = re.compile(r"[^。！？!?\n；;]+")
_LEAK, _BASE_LEAK = "根据知识", "知识库"


def _answers(messages: Sequence[Message]) -> list[str]:
    return [m.content.strip() for m in messages if m.role == "assistant"]


def knowledge_leak(messages: Sequence[Message]) -> str:
    """The teacher's prompt shows: 根据知识."""
    return f"an answer says {_LEAK}" if any(_LEAK in text for text in _answers(messages)) else ""


def knowledge_base_leak(messages: Sequence[Message]) -> str:
    """The teacher's prompt shows: 知识库."""
    return f"an answer says {_BASE_LEAK}" if any(_BASE_LEAK in text for text in _answers(messages)) else ""


def leading_reference(messages: Sequence[Message]) -> str:
    """The first question begins with a reference to something that nobody named."""
    first = next((m.content for m in messages if m.role == "user"), "")
    match = _REFERENCE.match(first)
    return f"the first question begins with {match[0].strip()!r} and names nothing" if match else ""


def short_answer(messages: Sequence[Message]) -> str:
    """An answer is a fragment."""
    short = next((text for text in _answers(messages) if 0 < len(text) <= SHORTEST_ANSWER), "")
    return f"the answer {short!r} has {len(short)} characters, expected more than {SHORTEST_ANSWER}" if short else ""


def no_end_mark(messages: Sequence[Message]) -> str:
    """An answer stops without a sentence's end: it may be cut off."""
    cut = next((text for text in _answers(messages) if text and not _END.search(text)), "")
    return f"an answer ends with {cut[-8:]!r} and no end mark" if cut else ""


def empty(messages: Sequence[Message]) -> str:
    """A turn is empty."""
    return next((f"a {m.role} turn is empty" for m in messages if not m.content.strip()), "")


def loop(messages: Sequence[Message]) -> str:
    """An answer says the same sentence three times or more, or one string over and over at its end."""
    for text in _answers(messages):
        parts = [part.strip() for part in _CHUNK.findall(text) if len(part.strip()) >= 6]
        again = next((part for part in parts if parts.count(part) >= 3), "") if len(parts) >= 3 else ""
        if again:
            return f"an answer says {again[:20]!r} {parts.count(again)} times"
        for width in range(2, 13):
            tail = text[-width:]
            if len(text) >= 5 * width and text.endswith(tail * 5) and len(set(tail)) > 1:
                return f"an answer ends with {tail!r} five times"
    return ""


def lost_exponent(messages: Sequence[Message]) -> str:
    """×10⁹/L became ×109/L: a power of ten turned into a number."""
    match = next((found for m in messages if (found := _EXPONENT.search(m.content))), None)
    return f"{match[0]!r}: the exponent was lost, expected ×10⁹/L or ×10^9/L" if match else ""


RULES: dict[str, Callable[[Sequence[Message]], str]] = {
    "knowledge_leak": knowledge_leak,
    "knowledge_base_leak": knowledge_base_leak,
    "leading_reference": leading_reference,
    "short_answer": short_answer,
    "no_end_mark": no_end_mark,
    "empty": empty,
    "loop": loop,
    "lost_exponent": lost_exponent,
}
"""Every rule by name; each gives a message, or an empty string where it has no objection."""


def lint(messages: Sequence[Message]) -> dict[str, str]:
    """The messages of the rules that object, by rule."""
    return {name: message for name, rule in RULES.items() if (message := rule(messages))}
