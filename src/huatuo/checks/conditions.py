"""Does the person who asks have the condition that a caution is about? Rows of `TABLE`, to be reviewed by physicians.

The person is the one who is to take something: 我老公有青光眼，而我没有 speaks of no glaucoma of the one who asks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from huatuo.checks.redflags import is_denied

TABLE = "conditions.tsv"
"""Condition; how leaflets call the group; how a person says it; cases with | between: has it, has it not."""

_CLAUSE = re.compile(r"[，,。；;！!？?\n]|\.\s")
_OTHERS = re.compile(
    r"(?:我|俺)(?:的)?(?:老公|老婆|丈夫|妻子|爱人|妈|爸|母亲|父亲|奶奶|爷爷|姐|妹|哥|弟|儿子|女儿|"
    r"孩子|朋友|同事|邻居|家人)"
    r"|(?:老公|老婆|丈夫|妻子|老伴|妈妈|爸爸|奶奶|爷爷|朋友|同事|邻居|同学)"
    r"|\bmy (?:husband|wife|mother|father|sister|brother|son|daughter|friend|neighbou?r|grand\w+)\b",
    re.IGNORECASE,
)
_SELF = re.compile(
    r"(?:^|[，,。；;])\s*(?:而|但|可是|不过)?(?:是)?(?:我|本人|俺)(?:自己|本人)?(?!的|们|老公|老婆|"
    r"丈夫|妻子|爱人|妈|爸|母亲|父亲|奶奶|爷爷|姐|妹|哥|弟|"
    r"儿子|女儿|孩子|朋友|同事|邻居|家|想给|给他|给她)|\b(?:can|should|may) I\b|\bI (?:have|do not|don't|am|want)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"去年|前年|以前|从前|曾经|小时候|年轻时|\d+年前|已经?(?:治)?好|痊愈|早好了|\blast year\b|"
    r"\byears ago\b|\bused to\b|\bas a child\b",
    re.I,
)
_NOT = re.compile(
    r"(?:排除(?:了)?|不是|没有?|不|并非|无|未|\bnot|\bno|n't|\bnever)\s*(?:a |an |any )?[^，,。；;]{0,3}$",
    re.IGNORECASE,
)
_INNER_NOT = re.compile(r"不(?:过敏|高)$|没有|(?<!肌)无(?!力)|\b(?:no|not)\b", re.IGNORECASE)
_NOT_AFTER = re.compile(r"^[^，,。；;]{0,3}(?:不(?:过敏|高)|没有|没得|正常|阴性|已排除)")


class Row(NamedTuple):
    """One condition."""

    name: str
    of_group: re.Pattern[str]
    """How a leaflet names the group."""
    of_person: re.Pattern[str]
    """How a person says it."""
    has: tuple[str, ...]
    """Questions of people who have it."""
    has_not: tuple[str, ...]
    """Questions of people who have it not."""


@lru_cache
def table() -> tuple[Row, ...]:
    """The rows of `TABLE`."""
    lines = (Path(__file__).parent / TABLE).read_text(encoding="utf-8").splitlines()[1:]
    return tuple(
        Row(name, re.compile(group, re.I), re.compile(person, re.I), tuple(yes.split("|")), tuple(no.split("|")))
        for name, group, person, yes, no in (line.split("\t") for line in lines)
    )


def conditions_of(group: str) -> tuple[Row, ...]:
    """The conditions that a leaflet's words for a group of people name: 肝功能不全的孕妇 names two."""
    return tuple(row for row in table() if row.of_group.search(group))


def has(question: str, group: str) -> bool:
    """Whether the person of a question belongs to the group that a caution is about.

    A group that no row of the table knows must be named in the question literally, without 患者 and the like.
    """
    if "18岁以下" in group or re.search(r"under 1[0-8]", group):
        return _says(question, next(row.of_person for row in table() if row.name == "child"))
    rows = conditions_of(group)
    special = [row for row in rows if row.name == "viral_child"]
    if rows:
        return any(_says(question, row.of_person) for row in (special or rows))
    name = re.sub(r"(?:患者|病人|人群|妇女|者|的人|史)+$|^(?:有|对)", "", group.strip())
    return len(name) >= 2 and _says(question, re.compile(re.escape(name), re.IGNORECASE))


def states(question: str, row: Row) -> bool:
    """Whether the person of a question has the condition of a row."""
    return _says(question, row.of_person)


def _says(question: str, pattern: re.Pattern[str]) -> bool:
    return any(_is_own(question, match.start(), match.end()) for match in pattern.finditer(question))


def _is_own(question: str, start: int, end: int) -> bool:
    """Whether the words at a place say what the person has now."""
    begin = max((match.end() for match in _CLAUSE.finditer(question[:start])), default=0)
    clause_end = next((match.start() + end for match in _CLAUSE.finditer(question[end:])), len(question))
    clause = question[begin:clause_end]
    if is_denied(question, start, end) or _NOT.search(question[begin:start]) or _NOT_AFTER.match(question[end:]):
        return False
    if _INNER_NOT.search(question[start:end]) or _PAST.search(clause):
        return False
    other = _OTHERS.search(question[:end])
    return not (other and _SELF.search(question[end:]))
