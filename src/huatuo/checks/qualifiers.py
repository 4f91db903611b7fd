"""Conditions, degrees and times that an answer may not leave out of a fact."""

from __future__ import annotations

import re

from huatuo.checks.measures import SIGN
from huatuo.checks.wording import CONCEPTS, EVERYDAY, POLES, spans

_PARTICLES = re.compile(
    r"[的了着过是有者人也都会能可为在被把将使令让用其则就]|患者|病人|本品|该药|出现|引起|治疗|服用|发生|伴|包括|具有|常见|表现"
)
_HAN = re.compile(r"[一-鿿a-zα-ω#]")
STANCE = re.compile(
    r"禁用|慎用|禁忌|禁止|避免|不得|不宜|不可|不能|不要|不应|应当|应该|必须|建议|适合|适用于|用于|禁|忌|慎|应|宜|须|需|已|每|一次"
)
DEGREES = frozenset("高低急慢左右大小前后上下多少长短轻重空早晚深浅")
_LETTER = re.compile(r"[一-鿿a-zα-ω]")


def content(text: str) -> str:
    """The letters of a text without form words."""
    return "".join(_HAN.findall(_PARTICLES.sub("", text)))


_CONDITIONS = re.compile(r"突然|单纯|未经|无效|必要|适量|规律|经常|反复|最后|一半")


def telling(words: str) -> str:
    """The characters of words that say of whom, when, where or how much: not those of everyday words and of what is
    measured."""
    told = "".join(
        s.text
        for s in spans(words, "")
        if _LETTER.match(s.text)
        and (_CONDITIONS.search(s.text) or s.text in POLES or s.text not in EVERYDAY)
        and CONCEPTS.get(s.text) != "blood"
        and s.text != "口服"
    )
    return told if len(told) > 1 or told in DEGREES else ""


_SWEEPING = re.compile(
    r"不管(?!用)|不论|无论|凡是|任何|都一样|有一点(?![小点])|哪怕|整个(?!手|身|人)|多大年纪|所有未|只要(?!能)|全都算|没有别的|不限"
)
_NOT_ANY = re.compile(r"[不别勿][^，。；]{0,4}任何")
_SWEEPING_FACT = re.compile(r"任何|所有|不受|无论|不论|凡|各|均|全部|整|一切")


def sweeping(answer: str, question: str, facts: str) -> str:
    """A word of an answer that lifts every condition where neither a fact nor the question has one; else empty."""
    found = _SWEEPING.search(_NOT_ANY.sub("", answer))
    return "" if not found or _SWEEPING_FACT.search(facts) or found[0] in question else found[0]


def lost(full: str, bare: str) -> str:
    """The characters of ``full`` that ``bare`` leaves out where it is otherwise the same; else empty."""
    if len(full) <= len(bare) or len(bare) * 4 < len(full):
        return ""
    full, bare = STANCE.sub("", full), STANCE.sub("", bare)
    lost, position = [], 0
    for character in full:
        if position < len(bare) and bare[position] == character:
            position += 1
        else:
            lost.append(character)
    if not bare or position < len(bare):
        return ""
    if full[-1] != bare[-1] and not (full[-1] == SIGN and len(lost) <= 3):
        return ""
    return "".join(lost)
