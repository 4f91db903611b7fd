"""Does a text state the doses, times and limits of its source, in whatever words? Stricter than a set of numbers.

Besides value and unit three things are compared: the bound (不超过 is not 超过), the frequency (每日三次 is
not 每周三次) and the word before a number (饭前1小时 is not 饭后1小时). A bound left out is no error here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from huatuo.checks.numbers import UNITS, Quantity, located

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
    (re.compile(r"(?:第|头|首)[一二三四五六七\d]+\s*(?:针|剂|次|支)"), ""),
    (re.compile(r"一([片粒滴次袋支个])(?:一?\1)"), ""),
    (re.compile(r"(?<=\d)\s*下(?![降午肢腹])"), "次"),
    (re.compile(r"每个(?=[天日周月年小星礼])"), "每"),
    (re.compile(r"[一1]\s*刻钟"), "15分钟"),
    (re.compile(r"半(?:个)?(?:小时|钟头)"), "30分钟"),
    (re.compile(r"一天一夜|一昼夜|一日一夜|24个?钟头"), "24小时"),
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
    (re.compile(r"(?:不要|不能|别|不宜|不得)([^，。；、\d]{1,4})超过"), r"\1不超过"),
    (re.compile(r"(?:不要|不能|别|不宜|不得)(?:高过|多过|大于|高于|多于|长过)"), "不超过"),
    (re.compile(r"(三十[五六七八九]|四十[一二]?|3\d|4[0-2])度([一二三四五六七八九])(?!度)"), r"\1点\2度"),
    (re.compile(r"(?:全天|整天|整日|一整天)"), "每日"),
    (re.compile(r"(?:每晚|每早|每天早上|每天晚上|晨起)"), "每日"),
    (re.compile(r"(?:^|(?<=[：:；;。，,、\s]))[(（]?\d{1,2}[.、)）](?!\d)"), " "),
)
_SHARE = re.compile(
    r"([二三四五六八]|\d)分之([一二三\d])(?=[丸片粒袋支瓶包张贴量])|(?<![\d.])([1-3])/([2-8])(?=[丸片粒袋支瓶包张贴量])"
)
_NUMERALS = "[一二两三四五六七八九十百]+"
_SERIES = re.compile(r"((?:\d+、)+)(\d+)\s*(天|月龄|个月|月|周|岁)")
_POINT = re.compile(r"(三十[五六七八九]|四十[一二]?|\d+)点([一二三四五六七八九])")
_FROM_TO = re.compile(rf"({_NUMERALS})\s*(?:到|至|~|-)\s*({_NUMERALS})\s*({UNITS})")
_HALVES = re.compile(r"([一二两三四五六七八九])个半(小时|月|周)|([一二两三四五六七八九])(升|公斤|斤|米|片)半")
_ROMAN = str.maketrans("ⅠⅡⅢⅣⅤ", "12345")
_DIGIT = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_PERIOD = r"(?:每一|每|一|1)\s*(日|天|周|月|年)(?![到至~-])"
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
    text = _SHARE.sub(_share, text)
    text = _SERIES.sub(lambda m: m[1].replace("、", f"{m[3]}、") + m[2] + m[3], text)
    text = _FROM_TO.sub(r"\1\3到\2\3", text)
    text = _HALVES.sub(lambda m: f"{_DIGIT[m[1] or m[3]]}.5{m[2] or m[4]}", text)
    for pattern, to in _REWRITE:
        text = pattern.sub(to, text)
    return _POINT.sub(_decimal, text)


def _decimal(match: re.Match[str]) -> str:
    """三十八点五 in digits."""
    tens, ones = match[1][0], match[1][2:] if "十" in match[1] else ""
    whole = match[1] if match[1].isdigit() else str(_DIGIT[tens] * 10 + _DIGIT.get(ones, 0))
    return f"{whole}.{_DIGIT[match[2]]}"


def _share(match: re.Match[str]) -> str:
    below, above = (match[1], match[2]) if match[1] else (match[4], match[3])
    share = Decimal(_DIGIT.get(above, above)) / Decimal(_DIGIT.get(below, below))
    return f"{share.normalize():f}"


def _counts_nothing(quantity: Quantity, text: str, start: int, end: int) -> bool:
    """Whether a 一片 or 一次 is no quantity: 一片里含, 一次两片."""
    if quantity.unit not in _COUNTED or quantity.value != 1 or text[start] not in "一1":
        return False
    return quantity.unit == "times" or bool(re.match(r"[里中含共一都药]", text[end : end + 1]))


@lru_cache(maxsize=8192)
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


@lru_cache(maxsize=8192)
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


_ONCE = {
    "day": (Decimal(1440), "min"),
    "week": (Decimal(10080), "min"),
    "month": (Decimal(1), "month"),
    "year": (Decimal(12), "month"),
}


def unsaid(value: str, said: Stated) -> bool:
    """Whether a text leaves out a number of a value."""
    known = {(measure.value, measure.unit) for measure in said.measures} | {_ONCE[rate] for rate in said.rates}
    return any(not {(m.value, m.unit), (m.value, m.unit.partition("/")[0])} & known for m in read(value).measures)


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


_PER = {"/kg": "公斤|千克|kg", "/l": "升|l", "/minute": "分", "/day": "天|日", "/hour": "小时|钟头"}
_COUNT_UNITS = frozenset(("times", "针", "剂", "支", "片", "粒", "袋"))


def _per(measure: Measure, claim: str, known: Stated) -> bool:
    """Whether 每公斤5毫克 is said for 5mg/kg, or the period of 3.5g/d by itself."""
    for other in known.measures:
        head, slash, below = other.unit.partition("/")
        words = _PER.get(slash + below, "")
        if words and re.search(words, claim):
            if (measure.value, measure.unit) == (other.value, head):
                return True
            if str(measure) in ("1min", "1440min", "1000000mg", "1000ml"):
                return True
    return False


def _one(measure: Measure, known: Stated, source: str) -> bool:
    """Whether 一片 is said where the source names the form and counts none of it."""
    counted = measure.unit in _COUNTED and measure.unit in source
    return counted and measure.value == 1 and all(other.unit != measure.unit for other in known.measures)


def _counts(measure: Measure, source: str) -> bool:
    """Whether a number only counts what a list of the source holds: 三针 for 0、1、6月各1针."""
    if measure.unit not in _COUNT_UNITS:
        return False
    lists = re.findall(r"\d+(?:、\d+)+", source)
    return measure.value in {len(one.split("、")) for one in lists}


_TOTAL = re.compile(r"共|合计|总")
_NOT_SHORTENED = frozenset(("", "min", "month")) | _COUNTED


_PERIOD_ALONE = re.compile(r"[一1]个?(?:周|天|月|年|分钟)(?![内后前以之])[^，。；;]{0,12}?[\d一二两三四五六七八九十半]")


def _loosely(measure: Measure, claim: str, known: Stated, source: str) -> bool:
    """Whether a source states a number that an answer says as people speak.

    Without its unit (不到3.5 for <3.5mmol/L), the period of a frequency by itself (一个礼拜), 单位 for IU, 粒 for 丸,
    both sides of a ratio as counts, a day's total.
    """
    value, unit = measure.value, measure.unit
    if not unit:
        return any(other.value == value and other.unit not in _NOT_SHORTENED for other in known.measures)
    if (value, unit) in {_ONCE[rate] for rate in known.rates} or (str(measure) == "1min" and "/分" in source):
        return bool(_PERIOD_ALONE.search(_recast(claim)))
    alike = {"U": "IU" + unit[1:], "粒": "" if "粒胶囊" in claim else "丸"}.get(unit[:1], "")
    if alike and any(other.value == value and other.unit == alike for other in known.measures):
        return True
    if unit == "times" and any(not other.unit and other.value == value for other in known.measures):
        return ":" in source or "：" in source
    if _TOTAL.search(measure.before):
        often = {Decimal(number) for _, number in known.frequencies}
        return any(other.unit == unit and value == other.value * n for other in known.measures for n in often)
    return False


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
            if _per(measure, claim, known) or _counts(measure, source) or _one(measure, known, source):
                continue
            if _loosely(measure, claim, known, source):
                continue
            if not measure.unit and any(
                other.value == measure.value
                and (f"第{measure}" in claim or (other.unit and other.unit.split("/")[0].lower() in claim.lower()))
                for other in known.measures
            ):
                continue  # 5.1、10.0、8.5（都是mmol/L）
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
