"""The other drugs in a sentence about interactions: their names alone, each a range of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from huatuo.knowledge.extract_cuts import Range, enumerated, with_kind, without_tail

_OWN = r"(?:本品|本药|该药|该品)"
_TOGETHER = (
    r"(?:合用|联用|同用|同服|并用|共用|伍用|配用|合并|联合|配伍|同时|一起|一同|混合|相互作用|"
    r"有[^，,]{0,6}(?:协同|拮抗|相加|交叉))"
)
_VERB = (
    r"(?:使|增[加强高]|升高|加[强重速快剧]|减[弱少低慢缓]|降低|抑制(?![剂药])|阻[断碍滞止](?![剂药])|延[长缓迟]|缩短|提高|促进|"
    r"(?:拮抗|对抗)(?![剂药])|干扰|诱导(?![剂药])|"
    r"改变|影响|竞争|妨碍|削弱|抵消|翻转|诱发|引起|导致|致|为[^，,]{2,16}[剂药]$)"
)
_MAY = r"(?:均|都|皆|也|亦|还|则|能够?|可以?|可能|会|易|应|明显|显著|通过[^，,]{1,12})*"
_WORDINGS = (
    re.compile(rf"(?:与|和|同|跟)(?!其(?![他它]))(?P<o>[^，,。]{{2,90}}?)的?(?:长期|大剂量)?{_TOGETHER}"),
    re.compile(rf"^(?P<o>[^，,。]{{2,60}}?)(?:与|和|同|跟){_OWN}{_TOGETHER}"),
    re.compile(rf"^(?P<o>[^，,。]{{2,60}}?){_MAY}{_VERB}"),
    re.compile(
        rf"^(?:{_OWN}|与{_OWN}合用|[合并联]用时?){_MAY}{_VERB}(?:对)?(?P<o>[^，,。的]{{2,60}}?)"
        r"(?:在体内)?(?:(?:的|之)[^，,。]{0,10}?)?(?:作用|毒性|药效|疗效|效应|效果|吸收|代谢|排泄|清除|浓度|血药|血浆|活性|半衰期|生物利用度|抗凝|降压|降糖|不良反应)"
    ),
    re.compile(
        r"(?:使用|服用|应用|合用|联用|并用|同服|注射(?!用)|接种|给予|避免用)(?P<o>[^，,。]{2,40}?)(?=时|后|者|的|可|会|[，,。；;]|$)"
    ),
    re.compile(r"(?:包括|例如|主要有|药物有)[:：]?(?P<o>[^，,。]{2,80})"),
)
"""Wordings in their order; the first that names something decides for a clause."""

_ANYWHERE = tuple(wording for wording in _WORDINGS if not wording.pattern.startswith("^(?P<o>"))
_NOTHING = re.compile(
    r"无影响|不影响|无相互作用|不存在|未见|未发现|没有|不会|尚无|无明显|无临床|尚不|不改变|^(?:如果?|若|当)?[^，]{0,6}上述"
)
_LEAD = re.compile(
    r"^(?:\s|故|但|与|和|静脉注射|肌内注射|因此|所以|应?避免|不[宜能可得应]|禁止?|其[他它](?:类型|种类)?的?|某些|一些|各种|多种|部分|大剂量|长期|口服|同时|如|含有?(?=[^\d]))+"
)
_NO_NAME = re.compile(
    r"本[品药方]|该[药品]|均有|引起|降低|减[少轻]|受$|所拮抗|免疫$|禁忌|[不下]$|发生|用量|^(?:从而|应|并|而|导致|增加|药效|须|均|亦|也|都|先|再|时|后|这|此|其|两|二者|由于|因|当|在|用药|上述|以上|下列|以下|目前|研究|动物|临床|患者|病人|体外|"
    r"对(?!乙酰|氨基|羟)|尚|无|未|不|可|能|会|或|服药|治疗|剂量|机制|作用|前者|后者|单用|疗效|药物(?:间|之间)?$|药$|药品$|食$)"
    r"|(?:作用|浓度|水平|活性|代谢|排泄|吸收|毒性|危险|时|后|者|效应|效果|疗效|情况|反应|患者|病人|机制|结果|剂量|治疗)$"
    r"|[的被].*的|合用|联用|可能|应当|通过|由于"
)
LONGEST_NAME = 24
"""Characters of a drug or a class of drugs; longer is prose."""


def partners(text: str, start: int, end: int) -> Iterator[Range]:
    """The ranges of the other drugs' names in one sentence, in order; none where it says that nothing happens."""
    if _NOTHING.search(text[start:end]):
        return
    at = start
    for clause in re.finditer(r"(?:[^，,；;(（]|[(（][^)）]*[)）])+", text[start:end]):
        first, last = start + clause.start(), start + clause.end()
        found = [span for span in _named(text, first, last, clause.start() == 0) if span[0] >= at]
        yield from found
        at = found[-1][1] if found else at


def _named(text: str, start: int, end: int, is_first: bool) -> list[Range]:
    """The names in one clause; only the first clause of a sentence can begin with what acts."""
    for wording in _WORDINGS if is_first else _ANYWHERE:
        found = wording.search(text[start:end])
        if not found:
            continue
        first, last = (start + edge for edge in found.span("o"))
        parts = [part for span in with_kind(text, first, last) for part in enumerated(text, *span)]
        names = [name for part in parts if (name := _name(text, *part))]
        if names:
            return names
    return []


def _name(text: str, start: int, end: int) -> Range | None:
    lead = _LEAD.match(text[start:end])
    start, end = without_tail(text, start + (lead.end() if lead else 0), end, brackets=True)
    said = text[start:end]
    if not 2 <= len(said) <= LONGEST_NAME or _NO_NAME.search(said) or not re.search(r"[\u4e00-\u9fffA-Za-z]{2}", said):
        return None
    if any(said.count(a) != said.count(b) for a, b in ("()", "（）", "[]")):
        return None
    return start, end
