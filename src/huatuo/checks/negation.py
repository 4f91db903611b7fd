"""What a text says about using or having something: forbidden, with caution, allowed, not.

禁用, 慎用 and 可用 differ by one character and by everything that matters; so do "has" and "has not".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

Stance = Literal["forbidden", "caution", "allowed", "negated"]
_Name = TypeVar("_Name")

_HARMLESS = re.compile(
    r"不良|不适|不同|不全|不足|不仅|不但|不只|不稳|不规则|不明|不齐|不孕|不育|不振|不安|不畅|不利|不宁|不寐|不调|不完全|"
    r"不典型|不详|不止|不断|不管|不等|不少|不论|无论|非常|除非|并非不|无菌|无创|无线|无名|无花果|无症状|未来|未婚|"
    r"非甾体|非霍奇金|非小细胞|非典型|非淋菌|非处方|否则|是否|能否|禁忌证检查"
)
"""Words that hold a negating character and deny nothing that a check compares."""

_PATTERNS: tuple[tuple[Stance, re.Pattern[str]], ...] = (
    (
        "forbidden",
        re.compile(
            r"禁用|禁忌|禁止|严禁|禁食|禁服|禁|忌用|忌吃|忌食|忌口|忌|不得|不可|不能|不宜|不应|不要|不许|不准|切勿|勿|避免|"
            r"别吃|少吃|不推荐|不建议|不适合|不适宜|不适用|"
            r"\bcontraindicat\w*|\bmust not\b|\bshould not\b|\bdo not\b|\bdon't\b|"
            r"\bcannot\b|\bnever\b|\bavoid\w*|\bforbid\w*",
            re.IGNORECASE,
        ),
    ),
    ("caution", re.compile(r"慎用|慎服|谨慎|慎|小心|\bcaution\w*|\bcareful\w*", re.IGNORECASE)),
    (
        "allowed",
        re.compile(
            r"可用|可以用|可以使用|可使用|可以服用|可服用|可以吃|能用|能吃|适用|适合|允许|安全|"
            r"\bsafe\b|\bmay be used\b|\bcan be used\b|\bsuitable\b|\ballowed\b",
            re.IGNORECASE,
        ),
    ),
    (
        "negated",
        re.compile(
            r"没有|并非|不是|不会|不包括|不含|无|未|不|非|\bnot\b|\bno\b|\bwithout\b|\bnone\b|n't\b", re.IGNORECASE
        ),
    ),
)
_CLAUSE = re.compile(r"[，。；！？!?;\n]|,\s|\.\s|\.$")


def stances(text: str) -> frozenset[Stance]:
    """The stances that the words of a text take; a word counts once, under the strongest reading."""
    return strongest_readings(_HARMLESS.sub("□□", text), _PATTERNS)


def strongest_readings(text: str, patterns: Iterable[tuple[_Name, re.Pattern[str]]]) -> frozenset[_Name]:
    """The names of the patterns that a text holds; what an earlier pattern takes is not there for a later one."""
    found: set[_Name] = set()
    for name, pattern in patterns:
        text, hits = pattern.subn("□", text)
        if hits:
            found.add(name)
    return frozenset(found)


def clauses(text: str) -> list[str]:
    """The clauses of a text, cut at commas and sentence marks, without empty ones."""
    return [part.strip() for part in _CLAUSE.split(text) if part and part.strip()]


def _by_term(text: str, mentions: Callable[[str], Iterable[str]]) -> dict[str, set[frozenset[Stance]]]:
    found: dict[str, set[frozenset[Stance]]] = {}
    for clause in clauses(text):
        stance = stances(clause)
        for term in mentions(clause):
            found.setdefault(term, set()).add(stance)
    return found


def conflicts(claim: str, source: str, mentions: Callable[[str], Iterable[str]]) -> list[str]:
    """Sentences that name each term on which the claim and the source disagree, and each stance without a source.

    ``mentions`` gives the terms of a clause. A term of the claim must stand, somewhere in the source, in a clause of
    the same stances; so a lost 禁用 is a conflict just as an added one.
    """
    known = _by_term(source, mentions)
    problems = []
    for term, claimed in sorted(_by_term(claim, mentions).items()):
        for stance in sorted(claimed, key=sorted):
            if term in known and stance not in known[term]:
                says = "/".join(sorted(stance)) or "plain"
                had = " or ".join(sorted("/".join(sorted(s)) or "plain" for s in known[term]))
                problems.append(f"{term}: the claim is {says}, the source is {had}")
    extra = stances(claim) - stances(source)
    problems += [f"the claim says {stance!r}, the source nowhere does" for stance in sorted(extra)]
    return problems
