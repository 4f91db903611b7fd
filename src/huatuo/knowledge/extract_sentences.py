"""Sentences that state a relation by their wording: X适用于Y, Y禁用X, Y是X的常见并发症. Each match is a range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from huatuo.knowledge.extract_lists import Range, terms, values
from huatuo.knowledge.extract_partners import partners
from huatuo.knowledge.relations import ALIASES, DISEASE, DRUG, HERB, SYMPTOM, canonical

RELATIONS = sorted({*ALIASES, *DISEASE.split(), *DRUG.split(), *HERB.split(), *SYMPTOM.split()}, key=len, reverse=True)
"""Chinese spellings of relations, the longest first."""

THIS = ("本品", "本药", "该药", "该品", "本病", "该病", "本症")
"""Words that mean the document's own subject."""

_NAME = r"[\w\-·（）()‐+']{2,30}?"
_SPELLED = "|".join(re.escape(name) for name in RELATIONS if len(name) > 1)
_OF_TAIL = rf"的(?:主要|常见|典型)?(?P<relation>{_SPELLED})(?:主要)?(?P<says>[:：是为有]|包括)"
_OF = re.compile(rf"(?P<subject>{_NAME}){_OF_TAIL}")
_CITED = re.compile("参考资料|参考文献")
_SKIPPED = re.compile(
    r"如果|若|假如|一旦|试验(?:中|显示|表明|结果|组)|临床试验|研究(?:中|显示|表明|发现|组)|[%％]的|未见|未发现|不引起|不导致|没有|并非|不是|可能不|是否|[？?]"
)
"""A sentence that supposes, denies, asks or reports a study states nothing."""

_NOT_NAME = re.compile(
    r"^(?:其|它|这|那|该|此|对|在|当|由|而|但|且|并|可|也|又|有|是|不|未|无|医生|口服|静脉|肌内|注射|外用|成人|儿童|孕妇|常|多|主要|临床)|患者|病人|[是了]"
)


class Match(NamedTuple):
    """A triple that a sentence states."""

    subject: Range
    """Where the subject stands; `THIS` words mean the document's subject."""
    relation: str
    """Canonical relation."""
    span: Range
    """Where the value stands."""
    rule: str
    """Which wording."""


_TAKEN = r"(?:禁用|禁服|忌用|禁止使用)"
_PATTERNS = {
    "used_for": rf"^(?P<s>{_NAME})(?:主要|可|常|也|亦|临床上?)*(?:适用于|用于|主治)(?P<o>.+)$",
    "allergy": rf"(?P<o>对(?P<s>{_NAME})(?:及其[^，。]{{1,12}})?(?:有?过敏|有过敏史)(?:的?患者|者))(?={_TAKEN})",
    "forbidden": rf"^(?P<o>[^，,]{{2,30}}?)应?{_TAKEN}(?P<s>{_NAME})$",
    "reactions": rf"^(?P<s>{_NAME})的?(?:最?常见|主要|严重)?的?(?:不良反应|副作用)(?:主要)?(?:有|包括|为|是)(?P<o>.+)$",
    "own_use": (
        r"^(?P<s>(?:本品|本药|该药|本方)?)(?:主要|可|常|多|也|亦|还|临床上?|现)*(?:适用于|用于|用来|主治)(?P<o>.+)$"
    ),
    "works_for": (
        r"^(?P<s>(?:本品|本药|该药|本方)?)对(?P<o>[^。]{2,80}?)(?:均|也|亦|都)?(?:有(?:一定|较好|良好|显著|明显|确切|很好)?的?"
        r"(?:疗效|治疗作用)|(?:疗效|效果)(?:较好|良好|显著|确切|肯定|明显))"
    ),
    "own_reactions": r"^(?P<s>本品|本药|该药)的?(?:主要|常见)?的?(?:不良)?反应(?:主要)?(?:有|包括|为|是)(?P<o>.+)$",
    "causes": r"^(?P<s>本品|本药|该药|该品)(?:可能?|会|能)(?:引起|导致|诱发)(?P<o>.+)$",
    "together": (rf"^(?P<s>{_NAME})(?P<o>(?:不宜|不能|不得|应避免)?与[^，,]{{2,30}}?(?:合用|联用|同用|同服|并用).*)$"),
    "is_of": (
        rf"^(?P<o>[^，,]{{2,30}}?)是(?P<s>{_NAME})的(?:最?常见|主要|重要|严重|典型)?的?"
        r"(?P<r>并发症|病因|高危因素|临床表现|症状)(?:之一)?$"
    ),
}
_WORDINGS = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
"""Name → wording with the subject s and the value o; is_of says its relation r."""
_STATES = {
    "used_for": "适应证",
    "own_use": "适应证",
    "works_for": "适应证",
    "own_reactions": "不良反应",
    "allergy": "禁忌",
    "forbidden": "禁忌",
    "reactions": "不良反应",
    "causes": "不良反应",
    "together": "药物相互作用",
}
_WHOLE = frozenset({"allergy", "forbidden"})
"""Wordings whose value is no enumeration."""
_SHORT = {"症状": "临床症状"}


def stated(text: str, start: int, end: int, before: str = "") -> Iterator[Match]:
    """The triples that one sentence states by its wording; ``before`` is the subject that the text named last."""
    sentence = text[start:end].rstrip("。！!；; \n\u3000")
    if _SKIPPED.search(sentence) or sentence.endswith("吗") or text[end : end + 1] in ("？", "?"):
        return
    end = start + len(sentence)
    of = list(_of(text, start, end, before))
    yield from of
    if of:
        return
    for name, pattern in _WORDINGS.items():
        found = pattern.search(sentence)
        if found is None or _NOT_NAME.search(found["s"]):
            continue
        subject, at = _shift(found.span("s"), start), _shift(found.span("o"), start)
        said = _STATES.get(name) or canonical(_SHORT.get(found["r"], found["r"]))
        spans = [at] if name in _WHOLE else partners(text, *at) if name == "together" else terms(text, said, *at)
        for span in spans:
            yield Match(subject, said, span, name)


def _of(text: str, start: int, end: int, before: str) -> Iterator[Match]:
    """X的R是Y, as often as the sentence says it; a value ends where the next one's subject begins."""
    first = _OF.match(text, start, end)
    named = _last_of_twins(text, *first.span("subject")) if first else (start, start)
    name = text[slice(*named)] or before
    if not name or (_NOT_NAME.search(name) and first and first["says"] not in ":："):
        return
    again = re.compile(rf"(?P<subject>{re.escape(name)}){_OF_TAIL}")
    marks = [*([first] if first else []), *again.finditer(text, first.end() if first else start, end)]
    for mark, after in zip(marks, [*(m.start() for m in marks[1:]), end], strict=False):
        relation = canonical(mark["relation"])
        where = named if mark is first else mark.span("subject")
        cited = _CITED.search(text, mark.end(), after)
        for span in values(text, relation, mark.end(), cited.start() if cited else after):
            yield Match(where, relation, span, "relation_of")


def _last_of_twins(text: str, start: int, end: int) -> Range:
    """The later of two spellings of one name: 13的三体综合征的13-三体综合征 names one thing twice."""
    for cut in [found.end() for found in re.finditer("的", text[start:end])]:
        one, other = text[start : start + cut - 1], text[start + cut : end]
        if len(other) > 2 and re.sub(r"[\W的]", "", one) == re.sub(r"[\W的]", "", other):
            return start + cut, end
    return start, end


def _shift(span: Range, by: int) -> Range:
    return span[0] + by, span[1] + by
