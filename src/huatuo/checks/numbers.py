"""Quantities in Chinese and English text as exact decimals with units: ``0.5g``, ``每日三次``, ``(4~10)×10⁹/L``.

Two spellings of the same quantity are equal (``0.5 g`` = ``500毫克``); nothing is rounded and nothing is guessed: a
number whose unit was lost is another number.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

_CANONICAL: dict[str, tuple[str, str]] = {
    # spelling -> (unit, factor); factors only where they are exact by definition (SI prefixes)
    "kg": ("mg", "1000000"), "千克": ("mg", "1000000"), "公斤": ("mg", "1000000"),
    "g": ("mg", "1000"), "克": ("mg", "1000"), "mg": ("mg", "1"), "毫克": ("mg", "1"), "㎎": ("mg", "1"),
    "μg": ("mg", "0.001"), "ug": ("mg", "0.001"), "mcg": ("mg", "0.001"), "微克": ("mg", "0.001"),
    "l": ("ml", "1000"), "升": ("ml", "1000"), "ml": ("ml", "1"), "毫升": ("ml", "1"), "㎖": ("ml", "1"),
    "m": ("mm", "1000"), "米": ("mm", "1000"), "cm": ("mm", "10"),
    "厘米": ("mm", "10"), "mm": ("mm", "1"), "毫米": ("mm", "1"),
    "mmhg": ("mmHg", "1"), "毫米汞柱": ("mmHg", "1"), "kpa": ("kPa", "1"),
    "℃": ("℃", "1"), "°c": ("℃", "1"), "摄氏度": ("℃", "1"), "度": ("℃", "1"),
    "%": ("%", "1"), "％": ("%", "1"), "percent": ("%", "1"),
    "iu": ("IU", "1"), "国际单位": ("IU", "1"), "u": ("U", "1"),
    "单位": ("U", "1"), "units": ("U", "1"), "unit": ("U", "1"),
    "小时": ("hour", "1"), "h": ("hour", "1"), "hours": ("hour", "1"), "hour": ("hour", "1"),
    "分钟": ("minute", "1"), "min": ("minute", "1"), "minutes": ("minute", "1"), "minute": ("minute", "1"),
    "秒": ("second", "1"), "s": ("second", "1"), "seconds": ("second", "1"),
    "天": ("day", "1"), "日": ("day", "1"), "days": ("day", "1"), "day": ("day", "1"), "d": ("day", "1"),
    "周": ("week", "1"), "星期": ("week", "1"), "weeks": ("week", "1"), "week": ("week", "1"),
    "个月": ("month", "1"), "月": ("month", "1"), "months": ("month", "1"), "month": ("month", "1"),
    "年": ("year", "1"), "years": ("year", "1"), "year": ("year", "1"), "岁": ("age", "1"),
    "次": ("times", "1"), "times": ("times", "1"), "片": ("片", "1"), "tablets": ("片", "1"), "tablet": ("片", "1"),
    "粒": ("粒", "1"), "capsules": ("粒", "1"), "capsule": ("粒", "1"), "支": ("支", "1"),
    "滴": ("滴", "1"), "drops": ("滴", "1"),
    "袋": ("袋", "1"), "丸": ("丸", "1"), "倍": ("倍", "1"), "型": ("型", "1"),
    "级": ("级", "1"), "期": ("期", "1"), "元": ("元", "1"),
    "mmol": ("mmol", "1"), "μmol": ("μmol", "1"), "umol": ("μmol", "1"), "nmol": ("nmol", "1"), "mol": ("mol", "1"),
    "毫摩尔": ("mmol", "1"), "微摩尔": ("μmol", "1"), "纳摩尔": ("nmol", "1"), "摩尔": ("mol", "1"),
    "ng": ("mg", "0.000001"), "纳克": ("mg", "0.000001"), "℉": ("℉", "1"), "华氏度": ("℉", "1"),
    "个小时": ("hour", "1"), "个星期": ("week", "1"), "月龄": ("month", "1"), "个月龄": ("month", "1"),
    "揿": ("揿", "1"), "喷": ("揿", "1"), "寸": ("寸", "1"), "j": ("J", "1"), "焦耳": ("J", "1"), "焦": ("J", "1"),
    "斤": ("斤", "1"), "包": ("包", "1"), "贴": ("贴", "1"),
    "瓶": ("瓶", "1"), "针": ("剂", "1"), "剂": ("剂", "1"), "枚": ("枚", "1"), "meq": ("mEq", "1"),
    "kcal": ("kcal", "1"), "千卡": ("kcal", "1"), "bpm": ("bpm", "1"),
}  # fmt: skip

_BELOW = {
    "升": "l", "l": "l", "毫升": "ml", "ml": "ml", "千克": "kg", "公斤": "kg", "kg": "kg", "克": "g", "g": "g",
    "毫克": "mg", "mg": "mg",
}  # fmt: skip
"""Units after a stroke: never scaled, so 5mg/kg is not 5mg/g."""

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_FOLD = str.maketrans("０１２３４５６７８９．µ", "0123456789.μ")
UNITS = "|".join(sorted(map(re.escape, _CANONICAL), key=len, reverse=True))
"""Every spelling of a unit, as a pattern."""

_ONE_UNIT = rf"(?:{UNITS})(?![a-z])"
_UNIT = rf"(?:{_ONE_UNIT}(?:\s*[/·]\s*(?:kg|ml|l|dl|m2|m²|d|h|min|{_ONE_UNIT}))*|/l(?![a-z])|/μl|/mm3)"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_POWER = r"\s*[×x*]\s*10(?:\^(?P<caret>-?\d+)|(?P<raised>[⁰¹²³⁴-⁹⁻]+))"
_TO = r"\s*(?:~|～|-|–|—|至|到|to)\s*"
_QUANTITY = re.compile(
    rf"(?P<sign>≥|≤|>=|<=|＞|＜|>|<|不低于|不少于|至少|不超过|不高于|至多|大于|小于|超过|低于|高于|at least|at most|"
    rf"more than|less than|over|under)?\s*"
    rf"(?<![\d.])(?P<low>{_NUMBER})(?:\s*(?P<low_unit>{_UNIT}))?(?:{_TO}(?P<high>{_NUMBER}))?"
    rf"\)?(?:{_POWER})?\s*(?P<unit>{_UNIT})?",
    re.IGNORECASE,
)
_CHINESE = re.compile(rf"(?P<digits>[一二两三四五六七八九十百千半]+)(?P<unit>{_UNIT})", re.IGNORECASE)
_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_NAMED = re.compile(r"[A-Za-z]$")
_ANY = re.compile(r"[\d一二两三四五六七八九十百千半]")
_LIST_MARK = re.compile(r"(?m)^\s*[(（]?\d{1,2}(?:[.、)）](?!\d))")
_SIGNS = {
    ">=": "≥", "不低于": "≥", "不少于": "≥", "至少": "≥", "at least": "≥", "<=": "≤", "不超过": "≤", "不高于": "≤",
    "至多": "≤", "at most": "≤", "＞": ">", "大于": ">", "超过": ">", "高于": ">", "more than": ">", "over": ">",
    "＜": "<", "小于": "<", "低于": "<", "less than": "<", "under": "<",
}  # fmt: skip


class Quantity(NamedTuple):
    """One number with its unit, in canonical form: equal quantities compare equal."""

    value: Decimal
    """Exact value in the canonical unit."""
    unit: str
    """Canonical unit (``mg``, ``times``, ``10^9/l``), empty where none is written."""
    sign: str = ""
    """``≥ ≤ > <`` where the text bounds the number, else empty."""

    def __str__(self) -> str:
        return f"{self.sign}{self.value}{self.unit}"


def _scaled(number: str, unit: str, power: str, sign: str) -> Quantity:
    try:
        value = Decimal(number.replace(",", ""))
    except InvalidOperation:  # cannot happen for a match of _NUMBER; kept loud
        raise ValueError(f"not a number: {number!r}") from None
    parts = re.split(r"\s*([/·])\s*", unit.lower().strip())
    name, factor = _CANONICAL.get(parts[0], (parts[0], "1"))
    value *= Decimal(factor)
    rest = "".join(
        part if part in "/·" else _BELOW.get(part, _CANONICAL.get(part, (part, ""))[0]) for part in parts[1:]
    )
    prefix = f"10^{power} " if power else ""
    return Quantity(value.normalize() if value else Decimal(0), prefix + name + rest, sign)


def _chinese_number(digits: str) -> Decimal | None:
    if digits == "半":
        return Decimal("0.5")
    total, last = 0, 0
    for character in digits:
        if character in _DIGITS:
            last = _DIGITS[character]
        elif character in "十百千":
            total += (last or 1) * {"十": 10, "百": 100, "千": 1000}[character]
            last = 0
        else:
            return None
    return Decimal(total + last)


def located(text: str) -> list[tuple[int, int, Quantity]]:
    """The quantities of a text in order, each with its first character and one past its last.

    The numbers of a numbered list are none. A range gives both of its ends, each with the unit that stands after the
    range and with the place of the whole range.
    """
    if not _ANY.search(text):
        return []
    text = _LIST_MARK.sub(lambda match: " " * len(match[0]), text.translate(_FOLD))
    placed: list[tuple[int, int, Quantity]] = []
    for match in _QUANTITY.finditer(text):
        if (
            "." not in match["low"]
            and match.start() == match.start("low")
            and _NAMED.search(text[max(0, match.start() - 1) : match.start()])
        ):
            continue  # the number of a name: FT4升高 holds no litres
        caret, raised = match["caret"], match["raised"]
        power = caret or (raised or "").translate(_SUPERSCRIPT)
        sign = (match["sign"] or "").lower()
        sign = _SIGNS.get(sign, sign)
        unit = match["unit"] or ""
        first_unit = match["low_unit"] or unit
        placed.append((*match.span(), _scaled(match["low"], first_unit, power, sign)))
        if match["high"]:
            placed.append((*match.span(), _scaled(match["high"], unit or first_unit, power, sign)))
    for match in _CHINESE.finditer(text):
        value = _chinese_number(match["digits"])
        if value is not None:
            placed.append((*match.span(), _scaled(str(value), match["unit"], "", "")))
    return sorted(placed, key=lambda item: item[0])


def find(text: str) -> list[Quantity]:
    """The quantities of a text in order, see `located`."""
    return [quantity for _, _, quantity in located(text)]


def unsupported(claim: str, source: str) -> list[Quantity]:
    """The quantities of a claim that the source does not state with the same value, unit and bound."""
    wanted = find(claim)
    if not wanted:
        return []
    known = set(find(source))
    return [quantity for quantity in wanted if quantity not in known]
