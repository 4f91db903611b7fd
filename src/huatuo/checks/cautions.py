"""Does an answer recommend to somebody what is contraindicated for them? 禁用 and 慎用 are two things.

禁用 (contraindicated) is ignored where the drug is recommended and not refused. 慎用 (with caution) is ignored where
it is recommended without any warning; a warning makes it right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from huatuo.checks.conditions import has
from huatuo.checks.dose_people import short_name

Level = Literal["forbidden", "caution"]


class Caution(NamedTuple):
    """What is known about a drug and a group of people."""

    drug: str
    group: str
    """The group in the words of the source: 孕妇, 青霉素过敏者."""
    level: Level
    also: tuple[str, ...] = ()
    """Other names of the drug."""


class Ignored(NamedTuple):
    """A caution that an answer ignores."""

    caution: Caution
    words: str
    """The clause that recommends the drug."""


_REFUSES = re.compile(
    r"禁用|禁忌|禁止|严禁|忌用|(?:不能|不可(?!避免|缺|少)|不宜|不应|不要|不得|避免|别)(?!空腹|喝|饮|"
    r"过量|超过|超量|太|停|忘|断|漏|担心|紧张|"
    r"开车|突然|吃辣|吃油|着急|熬夜|劳累)|不建议|不推荐|不适合|不适用|停用|停(?:掉|药)|换(?:用|成|别|"
    r"其他|一)|不(?:吃|用|服|给|行|可以)|不是(?:合适|好)|勿|"
    r"\bcontraindicat\w*|\bmust not\b|\bshould not\b|\bshouldn't\b|\bdo not\b|\bdon't\b|\bcannot\b|"
    r"\bcan't\b|\bnot (?:safe|"
    r"recommended|suitable|take|use|be)\b|\bavoid\w*|\bstop\b|\bno\b[,.]|\bnot\b",
    re.IGNORECASE,
)
_WARNS = re.compile(
    r"慎用|谨慎|慎重|小心|注意|监测|复查|权衡|风险|小剂量|从小|医生指导|在医生|遵医嘱|咨询|问(?:一下|"
    r"问)?医生|医师|不宜|不建议|警惕|观察|"
    r"可能(?:加重|引起|诱发|导致|升高)|"
    r"\bcaution\w*|\bcareful\w*|\bmonitor\w*|\brisk\w*|\bdoctor\b|\bphysician\b|\bwatch\b|\blow(?:er|est)? dose",
    re.IGNORECASE,
)
_ALLOWS = re.compile(
    r"^\s*(?:您好[，,。！!]?)?(?:当然)?(?:可以|能(?!不)|没问题|放心|没关系|没事|可用|行(?![动为])|"
    r"\byes\b|\bsure\b|\bof course\b|\bgo ahead\b|"
    r"\bit(?:'s| is) (?:safe|fine|ok))",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"[，。；！？!?;\n]|,\s|\.\s|\.$")
_POINTS_BACK = re.compile(
    r"^(?:该药|此药|它|这(?:个|种|类)?药?|本品|不(?:能|可以|行|建议|宜|要|推荐)|别|禁|勿|No\b|it\b|this\b)", re.I
)


def ignored(question: str, answer: str, cautions: Iterable[Caution]) -> list[Ignored]:
    """The cautions that hold for the person of the question and that the answer ignores."""
    found = []
    for caution in cautions:
        words = _recommended(question, answer, caution)
        if words and has(question, caution.group) and not _is_heeded(answer, caution):
            found.append(Ignored(caution, words))
    return found


def _names(caution: Caution) -> set[str]:
    """How the drug may be called."""
    names = {short_name(name).lower() for name in (caution.drug, *caution.also)} | {caution.drug.lower()}
    return {name for name in names if len(name) >= 2}


def _clauses(text: str) -> list[str]:
    return [part.strip() for part in _CLAUSES.split(text) if part and part.strip()]


def _recommended(question: str, answer: str, caution: Caution) -> str:
    """The clause of the answer that recommends the drug; empty where none does."""
    names = _names(caution)
    for clause in _clauses(answer):
        if any(name in clause.lower() for name in names) and not _REFUSES.search(clause):
            return clause
    if any(name in question.lower() for name in names) and _ALLOWS.match(answer):
        return _clauses(answer)[0] if _clauses(answer) else ""
    return ""


def _is_heeded(answer: str, caution: Caution) -> bool:
    """Whether the answer refuses the drug, or warns where a warning is enough."""
    if caution.level == "caution" and _WARNS.search(answer):
        return True
    names = _names(caution)
    clauses = _clauses(answer)
    for place, clause in enumerate(clauses):
        about = any(name in clause.lower() for name in names) or has(clause, caution.group)
        before = place > 0 and any(name in clauses[place - 1].lower() for name in names)
        if _REFUSES.search(clause) and (about or (place == 0 and not _ALLOWS.match(answer))):
            return True
        if before and _REFUSES.search(clause) and _POINTS_BACK.match(clause):
            return True
        if (
            before
            and re.search(r"反应|致畸|危险|严重后果|诱发|至少.{0,6}(?:不要|不能)", clause)
            and _REFUSES.search(answer)
        ):
            return True
    return False
