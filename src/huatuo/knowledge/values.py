"""What is wrong with one value by itself: cut off, a number or unit lost, characters lost, nothing said.

Most values are plain Chinese words; they pass without any expression being tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from huatuo.knowledge.entries import Entry, Value
from huatuo.knowledge.relations import SELF_NAMING
from huatuo.readers.mojibake import mojibake

LONGEST_VALUE = 300
"""Characters of a value that is still a value and no prose."""

_FILLERS = (
    "暂无 暂无资料 暂无数据 暂缺 不详 待补充 待定 详见说明书 见说明书 请参阅说明书 无相关信息 无数据 "
    "null none nan n/a #n/a undefined - -- / // — ? ？ 、 。 ... …"
)
FILLERS = frozenset(_FILLERS.split())
"""Values, in lower case, that say nothing: what a form holds where nothing was known. 无 may be an answer."""

_UNKNOWN = re.compile(
    r"(?:目前|现|本品|对此|该项|相关)*(?:尚|还|仍)?(?:"
    r"(?:不|未)(?:(?:十分|完全|太)?(?:明确?|清楚?|确定|详)|知)|"
    r"(?:未|没有|尚未)(?:进行|做|开展)(?:过)?(?:该|此|本|这)?(?:项|方面)?(?:的)?(?:相关)?(?:临床)?"
    r"(?:实验|试验|研究)(?:研究)?|"
    r"(?:暂|尚)?(?:无|没有|缺乏|缺少)(?:可靠|相关|有关|充分|确切|详细|公开|具体|该项|此项|临床|用药|的)*"
    r"(?:参考文献|文献|资料|数据|信息|研究|报道|内容|说明|记载)(?:资料|报道)?|"
    r"暂(?:无|缺|未提供|未收录)|未提及|未收录|"
    r"(?:请|具体|详情?)*(?:参?[见阅照]|参看)(?:药品|产品|使用|本品|内附|包装|详细)*(?:说明书?|标签|包装|正文|内页)?(?:为准)?)"
)
"""What stands where nothing is known: 尚不明确, 未进行该项实验, 无可靠参考文献, 详见说明书."""
_SIGNAL = frozenset("不未无没缺暂见参")
"""Characters without one of which no expression is tried."""
_LONGEST_UNKNOWN = 60
_LINKS = re.compile(r"[\s，,、；;。.：:！!（）()\[\]【】]+|(?<!参)(?:且|并且|也|故|因此)")

_PLAIN = re.compile(r"[\u3400-\u9fff]+")
_UNIT_LOSS = re.compile(r"[×xX*✕]\s*10\d{1,2}\s*/\s*(?:u|μ|µ|m|d)?[lL升]")
_UNIT = (
    r"(?:mm[Hh]g|[mckdn]?m(?:ol)?|[mkμµ]?g|毫克|微克|克|毫米|厘米|毫升|[mdμµ]?[lL]|%|％|℃|°[CcＣ]|度|岁|[Uu]|IU|次|天|周|小时)"
    r"(?![a-zA-Z])"
)
_NUMBER_LOSS = re.compile(
    r"(?P<exponent>[×✕]\s*10\s*/\s*[uμµmd]?[lL升])"
    rf"|(?P<lower>(?:^|[\s，,。；;：:（(约为径长大小高低在至于达])[～~]\s*{_UNIT})"
    rf"|(?P<upper>\d\s*[～~]\s*(?:{_UNIT}|[，,。；;、）)]))"
    r"|(?P<both>[\u3400-\u9fff]\s*[～~]\s*[，,。；;、）)])"
    r"|(?P<none>(?:直径|体温|血压|每次|一次|每日|剂量|约|大于|小于|超过|不超过)\s*"
    r"(?:mm|cm|mg|kg|ml|mL|mmHg|℃|毫克|厘米|毫米|毫升|％|%)(?![a-zA-Z]))"
)
_BARE_NUMBER = re.compile(r"[-+]?\d+(?:[.．,]\d+)*")
_HTML = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|ol|p|span|strong|sub|sup|table|tbody|td|th|tr|ul)\b[^<>]*>"
    r"|&(?:nbsp|lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_OPEN_END = re.compile(
    r"(?:[～~，,、：:（(\[【《“×✕±≥≤＜＞/]|\.\.+|…|\d[.．]|\d\s*[-－—–]|[一二三四五六七八九十]是|以及|或者|例如|比如|包括)$"
)
_LOST_BEGIN = re.compile(r"^(?:[，,、。；;：:）)\]】》”％℃]|%(?!\w))")
_LIST_MARK = re.compile(r"(?:(?<=[，,。；;、：:\s])|^)[\da-zA-Z一二三四五六七八九十]{1,3}[)）]")


def is_cut_off(text: str) -> bool:
    """Whether a value begins or ends in the middle: an open end, a bracket without its partner, half a number."""
    if _OPEN_END.search(text) or _LOST_BEGIN.search(text):
        return True
    opened, closed = sum(map(text.count, "（(【[")), sum(map(text.count, "）)】]"))
    if opened == closed:
        return False
    return opened > closed or closed - len(_LIST_MARK.findall(text)) > opened


def unit_loss(text: str) -> str:
    """The place where an exponent became a plain number (``×109/L`` was ``×10⁹/L``), as the text has it; else empty."""
    found = _UNIT_LOSS.search(text)
    return found.group() if found else ""


def says_nothing(relation: str, text: str) -> bool:
    """Whether every part of a value says that nothing is known or that it stands elsewhere: 病因尚不明确 too."""
    if text.lower() in FILLERS:
        return True
    if len(text) > _LONGEST_UNKNOWN or _SIGNAL.isdisjoint(text):
        return False
    parts = [part for part in _LINKS.split(text.removeprefix(relation)) if part]
    return bool(parts) and all(part.lower() in FILLERS or _UNKNOWN.fullmatch(part) for part in parts)


def value_rules(entry: Entry, value: Value) -> Iterator[tuple[str, str]]:
    """(rule, message) of what is wrong with one value by itself."""
    text = value.text
    if (text == entry.name or text in entry.aliases) and value.relation not in SELF_NAMING:
        yield "self_loop", f"the value is the entity itself: {text}"
    if len(text) > LONGEST_VALUE:
        yield "too_long", f"{len(text):,} characters; expected a value of at most {LONGEST_VALUE}"
    if says_nothing(value.relation, text):
        yield "says_nothing", f"the value says nothing: {text}"
    elif not _PLAIN.fullmatch(text):
        yield from _marked(text)
    if wrong := mojibake(text):
        yield "mojibake", f"Chinese decoded in the wrong encoding: {wrong[:40]}"


def _marked(text: str) -> Iterator[tuple[str, str]]:
    """(rule, message) of a value with marks, digits or letters."""
    if is_cut_off(text):
        yield "cut_off", f"the value is cut off: {text if len(text) <= 40 else f'{text[:15]}…{text[-20:]}'}"
    if lost := unit_loss(text):
        yield "unit_loss", f"the exponent was lost: {lost}; expected ×10⁹/L or ×10^9/L"
    if found := _NUMBER_LOSS.search(text):
        yield "number_loss", f"a number was lost: {text[max(0, found.start() - 10) : found.end() + 5]}"
    if _BARE_NUMBER.fullmatch(text):
        yield "bare_number", f"a number without its unit: {text}"
    if residue := _HTML.search(text):
        yield "html_residue", f"HTML in the value: {residue.group()[:40]}"
    if _BROKEN.search(text):
        yield "broken_character", f"a character was lost: {text[:40]!r}"
