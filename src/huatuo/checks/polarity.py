"""Does an answer permit, forbid, affirm or deny what its facts forbid, permit, deny or affirm?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from huatuo.checks.contrast import opposed
from huatuo.checks.negation import strongest_readings
from huatuo.checks.wording import EVERYDAY, spans

Stand = Literal["needless", "strict", "unsuitable", "avoid", "caution", "positive", "not", ""]

_HARMLESS = re.compile(
    r"不良|不当|不张|不眠|不舒|不洁|不正|不化|不固|不通|不消|不食|不语|不遂|不退|不匀|不佳|不易|不平|不慎|"
    r"不适(?!合|宜|用)|不同|不全|不足|不够|不到|不满|不少|不仅|不但|不只|不稳|不规则|不明|不齐|不孕|不育|不振|"
    r"不安|不畅|不利|不宁|不寐|不调|不完全|不典型|不详|"
    r"不止|不断|不停|不管|不等(?!于)|不论|不清|不超过|不低于|不高于|不能超过|不得超过|不宜超过|别超过|不要超过|不过|"
    r"不好|不下|不着|不上|不用说|"
    r"分别|特别|性别|个别|鉴别|区别|类别|别嘌|可待因|可的松|可乐定|非那|那非|非尼|非奈|非格|非索|非布|非他|非普|非诺|非洛|无水|无糖|无论|无力|无菌|"
    r"无创|无名|无花果|无症状|无缓解|无效|非常|非甾体|非霍奇金|非小细胞|非典型|非淋菌|非处方|非化脓|除非|未来|"
    r"未婚|未开封|未经|否则|是否|能否|"
    r"没有力气|没力气|没胃口|不规律|不说|避孕|慎重选|自行|可能|可见|可致|可引起|可使|可增|可减|可防|可降|"
    r"可干扰|可导致|可发展|可发|可以降|可以减|可伴|可有|可出现|可并发|"
    r"宜早|适应|应激|反应|对应|变应|效应|感应|供应|要点|主要|需氧|重要|次要|必需|能力|功能|性能|机能|智能|"
    r"不透|不退|不退|不平衡|不耐受|不自主|不协调|有没有|有无|不一(?!定)|不受[^，,。；;]{0,6}(?:限制|影响)|得不行|没开封|没打开|没用之前|没用过|没满|不动|不活动|不停"
)
_STANDS: tuple[tuple[Stand, re.Pattern[str]], ...] = (
    ("positive", re.compile(r"没关系|没事|无妨|不要紧|不碍事|没问题|无碍|不妨")),
    ("needless", re.compile(r"无需|无须|不需要|不需|不必|不用(?!于)|毋需|用不着|没必要|没有必要")),
    ("unsuitable", re.compile(r"不宜|不推荐|不建议|不适合|不适宜|不适用|不太适合|不主张")),
    (
        "avoid",
        re.compile(
            r"不得|不可以|不可|不能够|不能|不应当|不应该|不应|不要|不许|不准|切勿|勿|避免|避开|别|切莫|少(?=[吃喝用做碰抽饮爬走站坐去熬晒玩看])|"
            r"忌口|忌吃|忌食|忌|禁(?=酒)|戒|限制|"
            r"不该|不予|严防|回避|远离"
        ),
    ),
    ("strict", re.compile(r"禁用|禁忌|禁止|严禁|禁食|禁服|禁")),
    ("caution", re.compile(r"慎用|慎服|谨慎|慎|小心|当心")),
    (
        "not",
        re.compile(r"不会|没有|并非|不是|不包括|不含|不影响|未必|尚未|从不|无|未|不|非|没"),
    ),
    (
        "positive",
        re.compile(
            r"更该|就该|最该|该[打用吃喝做]|可以|能够|放心|允许|安全|适合|适宜|适用|推荐|建议|应当|应该|必须|务必|需要|仍可|均可|也可|宜|应|"
            r"须|能|可|需"
        ),
    ),
)
_NEGATIVE = frozenset(("strict", "unsuitable", "avoid"))
_DENYING = re.compile(r"[不无未非没禁忌避别勿戒慎缺少低限难]|障碍|减退|下降|丧失|消失|停")
_CLAUSE = re.compile(r"[，,。；;：:!?！？\n]")
_SENTENCE = re.compile(r"[。；;!?！？\n]")
_DENIED = re.compile(r"(?:没有|不包括|不是|并非|不会有|不表现为|不会出现|未见)$")
_DENYING_HEADER = re.compile(
    r"(?:不需要|无需|无须|不必|不用)[^，,。；;：:]{0,6}[：:]|(?:不是|没有|不包括|并非)[：:]|"
    r"(?:特点|功效|表现|症状|病因|规格|归经|适应证|治疗|药物|检查|并发症)(?:不是|没有|不包括|并非)"
)
_LETTER = re.compile(r"[一-鿿a-zα-ω]")


def _stands(text: str) -> frozenset[Stand]:
    return strongest_readings(_HARMLESS.sub("□", text), _STANDS)


_UNLESS = re.compile(r"(?:如果|若是|要是|只要)?没有?[^，,。；;]{1,6}的话|若无[^，,。；;]{1,6}|如无[^，,。；;]{1,6}")
_EITHER = re.compile(
    r"要不要|能不能|可不可以|会不会|该不该|是不是|有没有|用不用|行不行|得不得|需不需要|好不好|可否|能否|([一-鿿])不\1"
)
_YES_NO = re.compile(r"吗|还能|能不能|可不可以|要不要|会不会|该不该|([一-鿿])不\1|能否|可否|是否")
_SAYS_YES_NO = re.compile(r"(?:可以|能|不能|不行|不可以|不要|要(?!么|是)|不用|不会|会|可)")
_TURNED_ROUND = re.compile(
    r"(?:并非|并不是|不是|不属于|不算|算不上|谈不上|不在|不列为|不会被列为)[^，,。；;]{0,6}?(?:禁忌|禁用|禁止|不能|不可|不得|慎用|不宜)(?!的?是)"
)
"""A prohibition that is denied: 并非不能, 不是禁忌."""


class _Part(NamedTuple):
    relation: str
    text: str
    letters: frozenset[str]
    core: frozenset[str]


_ADVICE = re.compile(r"建议|推荐|应当|应该|必须|务必|需要|注意")
_FORM = re.compile(
    r"的|者|患者|病人|服用|使用|本品|可|以|能|应|要|会|需|须|用|宜|时|期间|进行|了|得|也|都|人|就|把|给|在|是|这|那|它|还"
)


@lru_cache(maxsize=8192)
def _letters(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The characters of a text but its stance and its form words, and those of them that name something."""
    text = _HARMLESS.sub(lambda m: m[0].replace("不", "").replace("无", ""), text)
    for _, pattern in _STANDS[:7]:
        text = pattern.sub(" ", text)
    text = _FORM.sub(" ", _ADVICE.sub(" ", text))
    core = "".join(span.text for span in spans(text, "") if span.text not in EVERYDAY)
    return frozenset(_LETTER.findall(text)), frozenset(_LETTER.findall(core))


_BOUND = re.compile(r"(?:不得|不宜|不能|不可|不应|不要|别|不)(?=#)")
_AND = re.compile(r"、|以及|和(?!缓|中)|或(?!许)|及(?!时)")


def _parts(relation: str, value: str) -> Iterator[_Part]:
    """The clauses of a fact and the items of their lists. A bound of a number is none of them: numbers are read."""
    for clause in _CLAUSE.split(_BOUND.sub("", value)):
        items = [item for item in _AND.split(clause) if len(item) > 1]
        for text in (clause, *(items if len(items) > 1 else ())):
            if len(text) > 1:
                yield _Part(relation, clause, *_letters(text))


def _about(said: frozenset[str], core: frozenset[str], part: _Part) -> bool:
    """Whether a clause of these letters speaks of a part of a fact: most of the one's letters are the other's."""
    shared, named = len(said & part.letters), len(said & part.core)
    if shared >= min(2, len(part.letters)) > 0 and shared * 2 >= len(part.letters):
        return True
    if named >= 2 and named * 2 >= len(part.core):
        return True
    own = len(core & part.letters)
    return own >= min(2, len(core)) > 0 and own * 5 >= len(core) * 3


def added_or_lost(answer: str, question: str, facts: Sequence[tuple[str, str]]) -> str:
    """What the answer permits, forbids, affirms or denies against its facts, in words; empty where they agree.

    ``answer`` in the words of the facts, ``facts``: (relation, value). A list under 禁忌 needs no word of its own
    where its sentence or question has one. A clause that only says yes or no speaks of what was asked.
    """
    answer = _BOUND.sub("", _TURNED_ROUND.sub("可", _UNLESS.sub("", answer)))
    parts = [part for relation, value in facts for part in _parts(relation, value)]
    denying = sorted(
        {part.text for part in parts if _DENYING.search(part.text) or _stands(part.text)},
        key=lambda text: (-len(text), text),
    )
    asked, asked_core = _letters(question)
    asked_stands, yes_no = _stands(_EITHER.sub("", question)), bool(_YES_NO.search(question))
    first = next((clause for clause in _CLAUSE.split(answer) if clause), "")
    for sentence in _SENTENCE.split(answer):
        spoken = sentence
        for text in denying:
            spoken = spoken if _stands(text) & (_NEGATIVE | {"caution"}) else spoken.replace(text, "")
        near = _stands(spoken)
        for clause in _units(sentence):
            said, core = _letters(clause)
            bare = not said - asked - _ADVERBS and "#" not in clause and not asked_stands & _NEGATIVE
            bare = bare and bool(_stands(clause))
            about = [part for part in parts if _about(said, core, part)]
            if bare and not about:
                said, about = asked, [part for part in parts if _about(asked, asked_core, part)]
            elif yes_no and clause == first and _SAYS_YES_NO.match(clause) and not asked_stands & _NEGATIVE:
                about += [p for p in parts if _about(asked, asked_core, p) and not opposed(question, p.text)]
            for part in _closest(clause, said, about):
                if any(_agrees(clause, other) for other in about if other.text != part.text):
                    continue
                if _DENIED.search(clause[: clause.find(part.text)] if part.text in clause else ""):
                    return f"{clause!r} denies {part.text!r}"
                wrong = _against(_without(clause, part.text, denying), near, asked_stands, part.relation, part.text)
                if wrong:
                    return wrong
    header = _DENYING_HEADER.search(answer)
    return f"{header[0]!r} denies what the facts state" if header else _affirmed(answer, facts)


_ADVERBS = frozenset("千万绝对最好当然行吧就也还是对的都太很不没")


def _agrees(clause: str, part: _Part) -> bool:
    """Whether a clause and a part forbid alike or warn alike."""
    taken, known = _stands(clause), _stands(part.text)
    return bool(taken & _NEGATIVE and known & _NEGATIVE) or ("caution" in taken and "caution" in known)


def _closest(clause: str, said: frozenset[str], about: Sequence[_Part]) -> list[_Part]:
    """The parts that stand in a clause word for word, else the one that shares most with it."""
    stated = [part for part in about if part.text in clause]
    best = max(about, key=lambda part: len(said & part.letters) / (len(said) + len(part.letters)), default=None)
    return stated or ([best] if best else [])


_WITHOUT = re.compile(
    r"(?<![有除])(?:(?:无|没有|未见|不伴|不具有|不具备|不具)([一-鿿]{1,4}?)(?=性|$|[，,、；;]|愈合|表现)|非([一-鿿]{1,3}性))",
    re.MULTILINE,
)


def _affirmed(answer: str, facts: Sequence[tuple[str, str]]) -> str:
    """What the facts say is absent (无痛性, 无瘢痕愈合) and the answer says is there, in words."""
    every = "\n".join(value for _, value in facts)
    for match in _WITHOUT.finditer(every):
        term = match[1] or match[2]
        if term in every.replace(match[0], ""):
            continue
        for clause in _CLAUSE.split(answer):
            if term in clause and not _stands(clause) & (_NEGATIVE | {"not", "needless"}) and match[0] not in clause:
                return f"{clause!r} affirms what {match[0]!r} denies"
    return ""


def _units(sentence: str) -> list[str]:
    """The clauses of a sentence, and those items of their lists that permit or forbid by themselves."""
    clauses = [clause for clause in _CLAUSE.split(sentence) if clause.strip()]
    items = [item for clause in clauses if "、" in clause for item in clause.split("、") if _stands(item)]
    return [*clauses, *items]


def _without(clause: str, part: str, denying: Sequence[str]) -> str:
    """The clause without the other facts' words of denial: 肺不张 in a list denies nothing of its neighbours."""
    for other in denying:
        if other not in part and part not in other:
            clause = clause.replace(other, "")
    return clause


def _of_contraindication(clause: str, taken: frozenset[Stand], sentence: frozenset[Stand], value: str) -> str:
    """The same of a value that only its relation forbids: 禁忌: 活动性出血."""
    spoken = taken | sentence
    if spoken & (_NEGATIVE | {"not"}) or "禁忌" in clause:
        return ""
    if "caution" in spoken:
        return f"{clause!r} is milder than a contraindication, {value!r}"
    return f"{clause!r} permits {value!r}, a contraindication" if "positive" in spoken else ""


def _against(clause: str, sentence: frozenset[Stand], question: frozenset[Stand], relation: str, value: str) -> str:
    taken, known = _stands(clause), _stands(value)
    if relation == "禁忌" and not known & (_NEGATIVE | {"caution"}):
        return _of_contraindication(clause, taken, sentence, value)
    if ("needless" in taken) != ("needless" in known):
        return f"{clause!r} and {value!r} do not both call it needless"
    negative, forbids = bool(known & _NEGATIVE), bool(taken & _NEGATIVE)
    if negative or "caution" in known:
        wanted = "forbids" if negative else "advises caution"
        if "positive" in taken and not taken & (_NEGATIVE | {"caution", "not"}):
            return f"{clause!r} permits what {value!r} {wanted}"
        spoken = taken if sentence & _NEGATIVE else taken | sentence
        if negative and "caution" in spoken and "caution" not in known and not forbids:
            return f"{clause!r} is milder than {value!r}"
        if "caution" in known and not negative and forbids and "caution" not in taken:
            return f"{clause!r} is stricter than {value!r}"
        if ("strict" in known and "unsuitable" in taken) or ("unsuitable" in known and "strict" in taken):
            return f"{clause!r} is not as strict as {value!r}, or stricter"
        kept = _NEGATIVE | {"caution", "not"}
        if not taken & kept and not sentence & kept and ("positive" in sentence or not question & kept):
            return f"{clause!r} lost what {value!r} {wanted}"
        return ""
    if "not" in known and "无" in value:  # 无痛性 denies one word of many, see `_affirmed`
        return ""
    if "not" in known:
        held = bool(taken & (_NEGATIVE | {"not"}) or _DENYING.search(clause))
        return "" if held else f"{clause!r} lost the not of {value!r}"
    if "caution" in taken and "positive" in known:
        return f"{clause!r} warns of what {value!r} permits"
    if taken & (_NEGATIVE | {"not"}) and not _DENYING.search(_HARMLESS.sub("", value)):
        return f"{clause!r} denies {value!r}"
    return ""
