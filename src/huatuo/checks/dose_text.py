"""What a text says of doses in numbers: amounts for one time or for a day, how often, and for whom.

Facts and answers are read by the same rules. Nothing is guessed: an amount whose unit is not one that drugs are counted
in, a weight, a laboratory value or the water to take it with is no amount of a drug.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Literal, NamedTuple

from huatuo.checks.numbers import located

Role = Literal["once", "day"]

UNITS = frozenset(
    ("mg", "ml", "IU", "U", "片", "粒", "袋", "支", "丸", "滴", "揿", "贴", "包", "瓶", "剂", "枚", "mEq")
)
"""Canonical units (`huatuo.checks.numbers`) that drugs are counted in."""

_NUMERALS = "一二两三四五六七八九十半"
_DIGITS = {
    "零": "0", "一": "1", "二": "2", "两": "2", "三": "3", "四": "4", "五": "5", "六": "6", "七": "7", "八": "8",
    "九": "9", "十": "10",
}  # fmt: skip
_ENGLISH = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "eight": "8", "ten": "10",
    "half a": "0.5", "half": "0.5",
}  # fmt: skip
_SPELLED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bmilligram(?:me)?s?\b|\bmgs\b", re.I), "mg"),
    (re.compile(r"\bmicrogram(?:me)?s?\b", re.I), "ug"),
    (re.compile(r"\bkilogram(?:me)?s?\b|\bkgs\b", re.I), "kg"),
    (re.compile(r"\bgram(?:me)?s?\b|\bgs\b", re.I), "g"),
    (re.compile(r"\bmillilit(?:re|er)s?\b|\bmls\b", re.I), "ml"),
    (re.compile(r"\binternational units?\b", re.I), "IU"),
    (re.compile(r"\bpuffs?\b", re.I), "揿"),
    (re.compile(r"\s+per\s+(?:kg|kilogram)(?:\s+(?:of\s+)?(?:body\s*)?weight)?", re.I), "/kg"),
    (re.compile(r"(?<=\d)\s*(?:毫克|mg)\s*[/每]\s*(?:公斤|千克)", re.I), "mg/kg"),
    (re.compile(r"(?<=\d)\s*(?:克|g)\s*[/每]\s*(?:公斤|千克)", re.I), "g/kg"),
    (re.compile(rf"(?<=[\d{_NUMERALS}])\s*[回遍趟顿](?!服)"), "次"),
)
_POINT = re.compile(r"([零一二两三四五六七八九十])点([零一二三四五六七八九]+)")
_COUNTED = re.compile(
    rf"\b({'|'.join(_ENGLISH)})\b(?=\s*(?:mg|ug|g|ml|kg|IU|units?|tablets?|capsules?|drops?|揿|times?|hours?)\b)", re.I
)

_WEIGHT_UNIT = re.compile(r"(?<!/)(?:kg|公斤|千克|斤)\s*$", re.I)
_PER_KILO_BEFORE = re.compile(r"(?:每|每一|一)(?:公斤|千克|kg)(?:体重)?\D{0,4}$", re.I)
_NO_DRUG_AFTER = re.compile(
    r"^\s*(?:的)?(?:温|凉|热|白|开|清|冷|淡)*(?:水|盐|糖|酒|奶|蛋白|食|饭|米|肉|蔬|果|油|脂|汤|蜂蜜|尿)"
    r"|^\s*(?:of )?(?:warm |cold |boiled )?(?:water|milk|juice|alcohol|salt|sugar|protein|fluid)",
    re.I,
)
_NO_DRUG_BEFORE = re.compile(
    r"(?:喝水|饮水|水(?!合|杨)|盐(?!酸)|糖(?!浆|皮质|尿)|酒精|饮酒|蛋白质?|尿量|出血|失血|血糖|血压|"
    r"体温|热量|主食|食盐|蜂蜜|体重|胆固醇|"
    r"water|salt|sugar|alcohol|weigh(?:s|t)?|fluids?|(?<!serum )sodium intake)[^，。,;；\d]{0,8}$"
    r"|(?:喝水|饮水|补液|\bfluids|\bwater)[^。;；\d]{0,8}$",
    re.I,
)
_DAY_BEFORE = re.compile(
    r"(?:一日|每日|每天|一天|1日|1天|日剂量|日量|全天|(?:24|二十四)\s*小时|\bdaily\b|\b(?:a|per|each) day\b)"
    rf"(?![\s每最多可以约]*[\d{_NUMERALS}]+(?:\s*[~到至-]\s*[\d{_NUMERALS}]+)?\s*次)[^，。,;；]*$",
    re.I,
)
_DAY_AFTER = re.compile(
    r"^\s*(?:/\s*(?:d(?:ay)?\b|天|日)|(?:a|per|each|every) day\b|daily\b|in (?:any )?(?:24|"
    r"twenty-four)|in a day\b|每日|一天(?=[，。,；;]|$))",
    re.I,
)
_MOST = re.compile(
    r"(?:最大|最多|不超过|不得超过|不要超过|不能超过|上限|极量|≤|\bmax(?:imum)?\b|\bup to\b|\b(?:not|"
    r"no) more than\b|\bat most\b)"
    r"[^，。,;；]*$",
    re.I,
)
_N = rf"(\d+|[{_NUMERALS}]+)(?:\s*(?:~|-|–|到|至|to|or|或)\s*(\d+|[{_NUMERALS}]+))?"
_OFTEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(
        r"(?:一日|每日|每天|一天|1日|1天|(?<![一-鿿])日|24\s*小时)"
        rf"[^\d{_NUMERALS}，。,;；]{{0,5}}{_N}\s*次"), "day"),
    (re.compile(rf"(?:每|间隔|隔|相隔)\s*{_N}\s*(?:个)?小时"), "hours"),
    (re.compile(rf"(?<![A-Za-z])q\s*{_N}\s*h(?![A-Za-z])", re.I), "hours"),
    (re.compile(rf"\bevery\s+{_N}\s*h(?:ou)?rs?\b|\b{_N}[- ]hourly\b", re.I), "hours"),
    (re.compile(r"(?:每|一)(?:周|星期)[^\d一二三四五六七，。,;；]{0,4}(\d+|[一二两三四五六七])\s*次"), "week"),
    (re.compile(
        r"\b(once|twice|three|four|five|six|\d+)\s*(?:times\s*)?(?:a|per|each|every|in (?:a|"
        r"one))?\s*(?:day|daily|24 hours|in 24 hours)\b", re.I), "english"),
    (re.compile(r"\bonce (?:a|per|every) week|\bonce weekly|\bweekly\b", re.I), "weekly"),
    (re.compile(
        r"每晚|每早|每日清晨|每天早上|每天晚上|睡前|晨起|顿服|一次服|\bat (?:night|bedtime)\b|"
        r"\bevery (?:night|morning|day)\b|(?<![A-Za-z])qd(?![A-Za-z])", re.I), "once"),
    (re.compile(r"隔(?:日|天)|\bevery other day\b", re.I), "other"),
    (re.compile(r"(?<![A-Za-z])(bid|tid|qid)(?![A-Za-z])", re.I), "latin"),
)  # fmt: skip
_SHARES = re.compile(rf"分\s*(?:成|为|作)?\s*{_N}\s*次|\bin (two|three|four) divided\b")
_UP_TO = re.compile(r"(?:最多|不超过|不多于|至多|\bup to|\bat most|\bno more than|\bnot more than)\s*$", re.I)


class Amount(NamedTuple):
    """One amount of a drug as a text states it."""

    start: int
    """First character in the text that `plain` gives, counted from 0."""
    end: int
    """One past the last character."""
    low: Decimal
    """Lower end, in the unit."""
    high: Decimal
    """Upper end; the same where no range is stated."""
    unit: str
    """One of `UNITS`; IU is written U."""
    per_kilo: bool
    """Whether it is for each kilogram of the body."""
    role: Role
    """For one time, or for a whole day."""
    most: bool
    """Whether it is said to be the most."""
    written: Decimal
    """The number as it is written, before its unit is scaled."""
    aside: bool
    """Whether it repeats the amount before it in brackets: 1袋(3g)."""


class Often(NamedTuple):
    """How often a day."""

    start: int
    end: int
    low: Decimal
    """Times a day; one seventh for once a week."""
    high: Decimal
    most: bool
    """Whether it is said to be the most."""
    shares: bool = False
    """Whether a day's amount is cut in so many."""


def plain(text: str) -> str:
    """The text with numbers and units spelled in one way: 零点三克 is 0.3克, one gram is 1 g."""
    text = unicodedata.normalize("NFKC", text).replace("～", "~").replace("µ", "μ")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    for pattern, to in _SPELLED:
        text = pattern.sub(to, text)
    text = _POINT.sub(lambda m: _DIGITS[m[1]] + "." + "".join(_DIGITS[digit] for digit in m[2]), text)
    return _COUNTED.sub(lambda m: _ENGLISH[m[1].lower()], text)


def number(said: str) -> Decimal:
    """A count of times or hours: digits, Chinese numerals up to 99, or the English words."""
    words = {"once": "1", "twice": "2", "bid": "2", "tid": "3", "qid": "4", **_ENGLISH}
    if said.lower() in words:
        return Decimal(words[said.lower()])
    if said.isdigit():
        return Decimal(said)
    if said == "半":
        return Decimal("0.5")
    head, ten, tail = said.partition("十")
    ones = int(_DIGITS.get(tail[:1] if ten else head[:1], "0"))
    return Decimal((int(_DIGITS.get(head, "1")) * 10 if ten else 0) + ones)


def amounts(text: str) -> list[Amount]:
    """The amounts of drugs in a text that went through `plain`, in order."""
    found: list[Amount] = []
    places = located(text)
    for place, (start, end, quantity) in enumerate(places):
        if place and places[place - 1][:2] == (start, end):
            continue  # the upper end of a range, taken with its lower one
        high = places[place + 1][2] if place + 1 < len(places) and places[place + 1][:2] == (start, end) else quantity
        parts = re.split(r"[/·]", quantity.unit)
        unit = "U" if parts[0] == "IU" else parts[0]
        if unit not in UNITS or set(parts[1:]) - {"kg", "day", "times", "次", "日", "天"}:
            continue
        if _WEIGHT_UNIT.search(text[start:end]) or _no_drug(text, start, end) or high.unit != quantity.unit:
            continue
        before = _clause(text[:start])
        previous = found[-1].end if found else 0
        before = text[max(previous, start - len(before)) : start]
        if (strength := _STRENGTH.search(before)) and found and found[-1].unit == strength[1]:
            found[-1] = _times_strength(found[-1], unit, quantity.value)
            continue
        is_day = "day" in parts or bool(_DAY_BEFORE.search(before) or _DAY_AFTER.match(text[end:]))
        values = sorted((quantity.value, high.value))
        found.append(
            Amount(
                start, end, values[0], values[1], unit,
                "kg" in parts[1:] or bool(_PER_KILO_BEFORE.search(before)),
                "day" if is_day else "once",
                bool(_MOST.search(before)) or quantity.sign in ("≤", "<"),
                _written(text[start:end]),
                bool(found) and re.fullmatch(r"\s*[(（=,]?\s*(?:即|约|i\.e\.)?\s*", text[previous:start]) is not None,
            )
        )  # fmt: skip
    return found


_STRENGTH = re.compile(r"(?:每|一|1)\s*(片|粒|袋|支|丸|包|滴|揿|贴)(?:含|为|是|:)?\s*$")
"""What one piece holds: 两粒（每粒0.25g）."""


def _times_strength(pieces: Amount, unit: str, each: Decimal) -> Amount:
    """So many pieces, each of so much, as one amount."""
    return pieces._replace(low=pieces.low * each, high=pieces.high * each, unit=unit, written=pieces.written * each)


def _clause(text: str) -> str:
    return re.split(r"[，。；;！!？?\n]|,(?!\d)|\.\s", text)[-1]


def _written(text: str) -> Decimal:
    digits = re.search(r"\d+(?:\.\d+)?", text)
    return Decimal(digits[0]) if digits else number(re.sub(rf"[^{_NUMERALS}]", "", text) or "一")


def _no_drug(text: str, start: int, end: int) -> bool:
    return bool(_NO_DRUG_AFTER.match(text[end:]) or _NO_DRUG_BEFORE.search(text[max(0, start - 20) : start]))


def frequencies(text: str) -> list[Often]:
    """How often a day, each time that a text says it, in order; and into how many shares a day's amount is cut."""
    found: list[Often] = []
    for pattern, kind in _OFTEN:
        for match in pattern.finditer(text):
            if any(match.start() < other.end and other.start < match.end() for other in found):
                continue
            low, high = _times(kind, [group for group in match.groups() if group])
            most = bool(_UP_TO.search(text[: match.start()]) or _MOST_TIMES.search(match[0]))
            found.append(Often(*match.span(), low, high, most))
    for match in _SHARES.finditer(text):
        said = [group for group in match.groups() if group]
        numbers = sorted(map(number, said))
        found.append(Often(*match.span(), numbers[0], numbers[-1], most=False, shares=True))
    return sorted(found)


_MOST_TIMES = re.compile(r"最多|不超过|不得超过|至多|≤")


def _times(kind: str, said: list[str]) -> tuple[Decimal, Decimal]:
    numbers = sorted(map(number, said)) or [Decimal(1)]
    low, high = numbers[0], numbers[-1]
    if kind == "hours":
        return (Decimal(24) / high, Decimal(24) / low) if low else (Decimal(1), Decimal(1))
    scale = {"week": Decimal(7), "weekly": Decimal(7), "other": Decimal(2)}.get(kind, Decimal(1))
    return low / scale, high / scale


_BODY = re.compile(r"(\d+(?:\.\d+)?)\s*(kg|公斤|千克|斤)(?![/A-Za-z])", re.I)
_UNDER = re.compile(r"[/每]\s*$")


def weight(text: str) -> Decimal | None:
    """The body weight in kilograms that a text states, or None."""
    text = plain(text)
    for match in _BODY.finditer(text):
        if not _UNDER.search(text[: match.start()]):
            return Decimal(match[1]) / (2 if match[2] == "斤" else 1)
    return None


_YEARS = re.compile(r"(\d+|[一二两三四五六七八九十]+)\s*(?:周岁|岁|-?\s*years?[- ]old\b|\s*y/?o\b)", re.I)
_MONTHS = re.compile(r"(\d+|[一二两三四五六七八九十]+)\s*(?:个月(?:大|的)|月龄|-?\s*months?[- ]old\b)", re.I)


def age(text: str) -> Decimal | None:
    """The age in years that a text states, or None."""
    if found := _YEARS.search(text):
        return number(found[1])
    if found := _MONTHS.search(text):
        return number(found[1]) / 12
    return None
