"""Does a text state the doses, times and limits of its source, in whatever words? Stricter than a set of numbers.

Besides value and unit three things are compared: the bound (不超过 is not 超过), the frequency (每日三次 is
not 每周三次) and the word before a number (饭前1小时 is not 饭后1小时). A bound left out is no error here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from huatuo.checks.numbers import Quantity, located

_MINUTES = {
    "second": Decimal(1) / 60,
    "minute": Decimal(1),
    "hour": Decimal(60),
    "day": Decimal(1440),
    "week": Decimal(10080),
}
_MONTHS = {"month": Decimal(1), "year": Decimal(12)}
_COUNTED = frozenset(("片", "粒", "袋", "支", "丸", "瓶", "揿", "针", "滴", "times"))
"""Units whose 一 may count nothing: 一片里含, 一次."""

_REWRITE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[一1]\s*刻钟"), "15分钟"),
    (re.compile(r"半(?:个)?(?:小时|钟头)"), "30分钟"),
    (re.compile(r"半天"), "12小时"),
    (re.compile(r"半个月"), "15天"),
    (re.compile(r"钟头"), "小时"),
    (re.compile(r"礼拜|星期"), "周"),
    (re.compile(r"([一二两三四五六七八九十\d])个(小时|周|月|年)"), r"\1\2"),
    (re.compile(r"(?<=[每一二两三四五六七八九十\d各])[回遍趟](?![流归收])"), "次"),
    (re.compile(r"(?<=[一-鿿a-zA-Z])\s*每\s*(升|毫升|公斤|千克|分升)"), r"/\1"),
    (re.compile(r"(?<=\d)\s*个(?=国际单位|单位)"), ""),
    (re.compile(r"岁半"), ".5岁"),
    (re.compile(r"(?<=\d)\s*(?:两|钱)(?![岁天周月年小次个三片])"), "倍两"),
    (re.compile(r"(?:全天|整天|整日|一整天)"), "每日"),
    (re.compile(r"(?:每晚|每早|每天早上|每天晚上|晨起)"), "每日"),
    (re.compile(r"(?:^|(?<=[：:；;。，,、\s]))[(（]?\d{1,2}[.、)）](?!\d)"), " "),
)
_HALVES = re.compile(r"([一二两三四五六七八九])个半(小时|月|周)")
_ROMAN = str.maketrans("ⅠⅡⅢⅣⅤ", "12345")
_DIGIT = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_PERIOD = r"(?:每一|每|一|1)\s*(日|天|周|月|年)"
_RATE = re.compile(rf"每\s*(日|天|周|月|年)|{_PERIOD}(?=[^，。；、,;\d]{{0,6}}[\d一二两三四五六七八九十])")
_FREQUENCY = re.compile(
    rf"{_PERIOD}[^，。；、,;\d一二两三四五六七八九十]{{0,6}}(\d+|[一二两三四五六七八九十])\s*(?:[~～至到-]\s*(\d+|[一二两三四五六七八九十])\s*)?次"
)
_SPAN = {"日": "day", "天": "day", "周": "week", "月": "month", "年": "year"}
_BELOW = re.compile(
    r"(?:不得超过|不宜超过|不能超过|别超过|不要超过|不超过|最多|至多|上限(?:是|为)?|低于|小于|不到|不足|少于|不满|未满|<|≤|＜|最高|不高于)[^\d，。；]{0,3}$"
)
_ABOVE = re.compile(
    r"(?<!不)(?<!得|宜|能|别|要)(?:超过|高于|大于|多于|高过|>|≥|＞|至少|不低于|不少于|最少|不小于)[^\d，。；]{0,3}$"
)
_BELOW_AFTER = re.compile(r"\s*(?:及)?(?:以下|以内|之内|以里)")
_ABOVE_AFTER = re.compile(r"\s*(?:及)?(?:以上|或更多|或更高|或以上)")
_BOUND_AFTER = re.compile(r"(?<=#)(?:及)?(?:以上|以下|以内|之内|以里|或更多|或更高|内)")
_CONTEXT = re.compile(r"([一-鿿]{2})[^一-鿿\d，。；,;]{0,2}$")


SIGN = "#"
"""Stands for a quantity where words are compared."""


class Measure(NamedTuple):
    """One quantity as it stands in a text."""

    value: Decimal
    """Value in the unit below."""
    unit: str
    """Canonical unit; times in minutes or months."""
    bound: str
    """``above``, ``below`` or empty."""
    before: str
    """The two Chinese characters before it, empty where there are none."""

    def __str__(self) -> str:
        return f"{self.value.normalize():f}{self.unit}"


class Stated(NamedTuple):
    """What a text says in numbers."""

    measures: list[Measure]
    """The quantities."""
    rates: frozenset[str]
    """Periods that something recurs in: day, week."""
    frequencies: frozenset[tuple[str, str]]
    """(period, number) of 每日三次."""


def _recast(text: str) -> str:
    text = text.translate(_ROMAN)
    text = _HALVES.sub(lambda m: f"{_DIGIT[m[1]]}.5{m[2]}", text)
    for pattern, to in _REWRITE:
        text = pattern.sub(to, text)
    return text


def _counts_nothing(quantity: Quantity, text: str, start: int, end: int) -> bool:
    """Whether a 一片 or 一次 is no quantity: 一片里含, 一次两片."""
    if quantity.unit not in _COUNTED or quantity.value != 1 or text[start] not in "一1":
        return False
    return quantity.unit == "times" or bool(re.match(r"[里中含共一都药]", text[end : end + 1]))


def read(text: str) -> Stated:
    """The quantities, periods and frequencies of a text."""
    text = _recast(text)
    rates = frozenset(_SPAN[m[1] or m[2]] for m in _RATE.finditer(text))
    often = frozenset(
        (_SPAN[m[1]], str(_DIGIT.get(number, number)))
        for m in _FREQUENCY.finditer(text)
        for number in (m[2], m[3])
        if number
    )
    blank = _RATE.sub(lambda m: " " * len(m[0]), text)
    found = [
        _measure(quantity, blank, start, end)
        for start, end, quantity in located(blank)
        if not _counts_nothing(quantity, blank, start, end)
    ]
    return Stated(found, rates, often)


def numberless(text: str) -> str:
    """The text with `SIGN` for each number with its unit and bound, and without the periods of frequencies."""
    text = _RATE.sub("", _recast(text))
    parts, position = [], 0
    for start, end, quantity in located(text):
        if start < position or not quantity.unit:
            continue
        parts += [text[position:start], "" if _counts_nothing(quantity, text, start, end) else SIGN]
        position = end
    return _BOUND_AFTER.sub("", "".join([*parts, text[position:]]))


def unsaid(value: str, said: Stated) -> bool:
    """Whether a text leaves out a number of a value."""
    known = {(measure.value, measure.unit) for measure in said.measures}
    return any((measure.value, measure.unit) not in known for measure in read(value).measures)


def _measure(quantity: Quantity, text: str, start: int, end: int) -> Measure:
    value, unit = quantity.value, quantity.unit
    if unit in _MINUTES:
        value, unit = value * _MINUTES[unit], "min"
    elif unit in _MONTHS:
        value, unit = value * _MONTHS[unit], "month"
    elif unit == "age":
        value, unit = value * 12, "month"
    head = text[max(0, start - 8) : start]
    sign = {"≥": "above", ">": "above", "≤": "below", "<": "below"}.get(quantity.sign, "")
    around = text[max(0, start - 8) : start + 8]
    if sign == "above" and re.search(r"(?:不得|不宜|不能|别|不要)\s*(?:超过|高于|大于)", around):
        sign = "below"
    if not sign:
        below = _BELOW.search(head) or _BELOW_AFTER.match(text, end)
        above = _ABOVE.search(head) or _ABOVE_AFTER.match(text, end)
        sign = "below" if below else "above" if above else ""
    context = _CONTEXT.search(head)
    return Measure(value, unit, sign, context[1] if context else "")


def disagreement(claim: str, source: str) -> str:
    """What a claim says in numbers and its source does not, in words; empty where they agree."""
    said, known = read(claim), read(source)
    by_value: dict[tuple[Decimal, str], list[Measure]] = {}
    by_context: dict[tuple[str, str], set[Decimal]] = {}
    for measure in known.measures:
        by_value.setdefault((measure.value, measure.unit), []).append(measure)
        if measure.before:
            by_context.setdefault((measure.before, measure.unit), set()).add(measure.value)
    unitless = {measure.value for measure in known.measures if not measure.unit}
    for measure in said.measures:
        same = by_value.get((measure.value, measure.unit))
        if same is None:
            if measure.value in unitless and measure.unit in ("℃", ""):
                continue
            return f"{measure} is not in the facts"
        bounds = {other.bound for other in same}
        if measure.bound and "" not in bounds and measure.bound not in bounds:
            return f"{measure} is bounded the other way in the facts"
        context = by_context.get((measure.before, measure.unit))
        if context and measure.value not in context:
            return f"after {measure.before!r} the facts have another number than {measure}"
    if known.rates and said.rates - known.rates:
        return f"per {min(said.rates - known.rates)} is not in the facts"
    wrong = said.frequencies - known.frequencies
    if known.frequencies and wrong:
        return f"{min(wrong)[1]} times per {min(wrong)[0]} is not in the facts"
    return ""
