"""A right answer made wrong in one known way: to measure the grounding check, and as the rejected side of preferences.

| kind | what is changed |
|---|---|
| `swapped_entity` | the entity or a value gives way to another of its sort |
| `changed_number` | one number |
| `changed_unit` | the unit after one number |
| `negation_flipped` | 禁用, 慎用, 可用, 不: one is turned round |
| `invented_addition` | a value of something else is added |
| `omitted_qualifier` | a degree, time or condition is left out |

Pure and seeded: the same input gives the same text everywhere. Nothing here is shared with the checks, code or lists:
a check measured on what its own lists made would measure nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

Kind = Literal[
    "swapped_entity", "changed_number", "changed_unit", "negation_flipped", "invented_addition", "omitted_qualifier"
]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Given(NamedTuple):
    """One fact that an answer was made from."""

    id: str
    """Fact id."""
    relation: str
    """Relation."""
    value: str
    """Value."""


class Right(NamedTuple):
    """A right answer with what it was made from."""

    question: str
    """The question."""
    answer: str
    """Supported by the facts."""
    entity: str
    """Whom the facts are about."""
    facts: tuple[Given, ...]
    """The facts."""


class Preference(NamedTuple):
    """One question with a better and a worse answer."""

    question: str
    """The question."""
    chosen: str
    """The right answer."""
    rejected: str
    """The same with one error."""
    kind: Kind
    """The error."""
    facts: tuple[str, ...]
    """Ids of the facts of the right answer."""


Pool = Mapping[str, Sequence[str]]
"""Relation → values that entities have under it; under the empty string the names of entities."""

_UNIT_SWAPS = (
    ("mg", ("g", "μg")), ("μg", ("mg", "g")), ("ml", ("L",)), ("g", ("mg", "kg")), ("毫克", ("克", "微克")),
    ("克", ("毫克",)),
    ("毫升", ("升",)), ("小时", ("天", "分钟")), ("分钟", ("小时",)), ("天", ("周", "小时")), ("日", ("周", "月")),
    ("周", ("天", "个月")), ("个月", ("年", "周")), ("年", ("个月",)), ("岁", ("个月",)), ("mmHg", ("kPa",)),
    ("mmol", ("μmol",)), ("片", ("瓶",)), ("粒", ("袋",)), ("袋", ("支",)), ("℃", ("℉",)), ("%", ("‰",)),
)  # fmt: skip
_UNIT_AFTER = re.compile(
    r"(?<=[\d.])\s*(" + "|".join(sorted((re.escape(unit) for unit, _ in _UNIT_SWAPS), key=len, reverse=True)) + ")"
)
_NUMERAL = re.compile(r"(?<![A-Za-z\d.\-])\d+(?:\.\d+)?(?!\d)")
_TURNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("禁用", ("可用", "慎用")), ("慎用", ("禁用", "可用")), ("禁止", ("允许",)), ("不宜", ("可以",)),
    ("不得", ("可以",)),
    ("不能", ("可以",)), ("不可", ("可以",)), ("不要", ("可以",)), ("不应", ("应当",)), ("避免", ("可以",)),
    ("没有", ("有",)),
    ("可用于", ("不可用于",)), ("适用于", ("不适用于",)), ("可以", ("不可以",)), ("需要", ("不需要",)),
    ("应", ("不应",)),
    ("表现为", ("不表现为",)), ("包括", ("不包括",)), ("会出现", ("不会出现",)), ("常见", ("不会有",)),
    ("可见", ("没有",)),
    ("引起", ("不会引起",)), ("有", ("没有",)), ("是", ("不是",)),
)  # fmt: skip
_QUALIFIERS = re.compile(
    r"急性|慢性|亚急性|严重(?:的)?|重度|中度|轻度|轻微|大量|长期|持续性?|反复(?:发作)?|阵发性|进行性|间歇性|对称性|弥漫性|局限性|活动性|"
    r"突发|偶发|偶尔|少数|饭前|饭后|餐前|餐后|空腹|睡前|晨起|午后|夜间|妊娠早期|妊娠晚期|早期|晚期|双侧|单侧|一侧|局部|全身|"
    r"\d+(?:～|~|-)?\d*岁以[上下]|近期|首次|定期|适量|少量|过量|高|低"
)


def _draw(parts: Iterable[str], size: int) -> int:
    """A number below ``size`` by hash."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") % size


def _stated(right: Right) -> list[str]:
    """Values that the answer holds word for word."""
    return [fact.value for fact in right.facts if len(fact.value) > 1 and fact.value in right.answer]


def _strangers(right: Right, values: Iterable[str]) -> list[str]:
    """Values that share nothing with the facts: neither holds the other."""
    known = [fact.value for fact in right.facts] + [right.entity]
    known_text = "\n".join(known) + right.question
    return sorted(
        {v for v in values if 2 <= len(v) <= 12 and v not in known_text and not any(k in v for k in known if k)}
    )


def _swapped(right: Right, pool: Pool, key: Sequence[str]) -> str:
    choices: list[tuple[str, str]] = []
    if right.entity in right.answer:
        choices += [(right.entity, other) for other in _strangers(right, pool.get("", ()))]
    relation = right.facts[0].relation
    others = _strangers(right, pool.get(relation, ()))
    for value in _stated(right):
        choices += [(value, other) for other in others if len(value) <= 12]
    if not choices:
        return ""
    old, new = choices[_draw((*key, "swap"), len(choices))]
    return right.answer.replace(old, new)


def _number(right: Right, pool: Pool, key: Sequence[str]) -> str:
    found = list(_NUMERAL.finditer(right.answer))
    if not found:
        return ""
    match = found[_draw((*key, "place"), len(found))]
    text = match[0]
    whole = int(float(text))
    changes = [f"{text}0" if "." not in text else text.replace(".", ""), str(whole + 1 + _draw((*key, "plus"), 4))]
    if whole > 3 and "." not in text:
        changes.append(str(whole // 2))
    known = set(_NUMERAL.findall("\n".join(fact.value for fact in right.facts)))
    usable = [change for change in changes if change not in known and float(change) != float(text)]
    if not usable:
        return ""
    new = usable[_draw((*key, "number"), len(usable))]
    return right.answer[: match.start()] + new + right.answer[match.end() :]


def _unit(right: Right, pool: Pool, key: Sequence[str]) -> str:
    swaps = dict(_UNIT_SWAPS)
    found = list(_UNIT_AFTER.finditer(right.answer))
    if not found:
        return ""
    match = found[_draw((*key, "place"), len(found))]
    new = swaps[match[1]][_draw((*key, "unit"), len(swaps[match[1]]))]
    return right.answer[: match.start(1)] + new + right.answer[match.end(1) :]


def _turned(right: Right, pool: Pool, key: Sequence[str]) -> str:
    """The surest word of the answer turned round: one of prohibition before a mere 有."""
    for word, others in _TURNS:
        start = right.answer.find(word)
        if start >= 0 and (start == 0 or right.answer[start - 1] not in "不没未无可"):
            new = others[_draw((*key, "turn"), len(others))]
            return right.answer[:start] + new + right.answer[start + len(word) :]
    return ""


def _added(right: Right, pool: Pool, key: Sequence[str]) -> str:
    values = sorted(_stated(right), key=right.answer.rfind)
    relation = right.facts[0].relation
    others = _strangers(right, (v for name, many in pool.items() if name in (relation, "临床症状") for v in many))
    if not values or not others:
        return ""
    new = others[_draw((*key, "add"), len(others))]
    end = right.answer.rfind(values[-1]) + len(values[-1])
    shape = _draw((*key, "shape"), 3)
    if shape == 2:
        return f"{right.answer.rstrip('。')}，另外还有{new}。"
    return right.answer[:end] + ("、", "和")[shape] + new + right.answer[end:]


def _dropped(right: Right, pool: Pool, key: Sequence[str]) -> str:
    places = []
    for value in _stated(right):
        start = right.answer.find(value)
        for match in _QUALIFIERS.finditer(value):
            rest = value[: match.start()] + value[match.end() :]
            if len(rest) >= 2 and all(rest != fact.value for fact in right.facts):
                places.append((start + match.start(), start + match.end()))
    if not places:
        return ""
    begin, end = places[_draw((*key, "drop"), len(places))]
    return right.answer[:begin] + right.answer[end:]


_MAKERS: dict[Kind, Callable[[Right, Pool, Sequence[str]], str]] = {
    "swapped_entity": _swapped,
    "changed_number": _number,
    "changed_unit": _unit,
    "negation_flipped": _turned,
    "invented_addition": _added,
    "omitted_qualifier": _dropped,
}


def corrupt(right: Right, kind: Kind, pool: Pool, seed: int) -> str | None:
    """The answer with one error of a kind, or None where it has nothing that could be changed so.

    ``pool`` gives the names and values that are put in (see `pool_of`). Raises ValueError for an answer without facts.
    """
    if not right.facts:
        raise ValueError(f"the answer {right.answer[:30]!r} has no facts; expected at least one; next: give its facts")
    made = _MAKERS[kind](right, pool, (str(seed), kind, right.question, right.answer))
    return made if made and made != right.answer else None


def pool_of(facts: Iterable[tuple[str, str, str]]) -> dict[str, list[str]]:
    """The names and values that may be put in, from (entity, relation, value)."""
    found: dict[str, set[str]] = {}
    for entity, relation, value in facts:
        found.setdefault("", set()).add(entity)
        found.setdefault(relation, set()).add(value)
    return {relation: sorted(values) for relation, values in found.items()}


def preferences(rights: Iterable[Right], pool: Pool, seed: int, kinds: Sequence[Kind] = KINDS) -> Iterator[Preference]:
    """One pair of answers per right answer and kind that can be made of it, in the order of the answers."""
    for right in rights:
        for kind in kinds:
            rejected = corrupt(right, kind, pool, seed)
            if rejected is not None:
                ids = tuple(fact.id for fact in right.facts)
                yield Preference(right.question, right.answer, rejected, kind, ids)
