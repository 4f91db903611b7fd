"""The limits that a fact about a dose sets: one dose, a day's total, how often."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from huatuo.checks.dose_text import Amount, Often, amounts, frequencies, plain

Ends = tuple[Decimal, Decimal]
Key = tuple[str, bool]
"""Unit, and whether it is for each kilogram."""

_START = re.compile(r"起始|初始|开始|首次|首剂|\bstart|\binitial", re.I)
_WEIGHT_RULE = re.compile(
    r"体重\s*(?P<sign>[><≥≤]|大于|小于|超过|不足|低于)?\s*(?P<kilos>\d+(?:\.\d+)?)\s*(?:kg|公斤|"
    r"千克)\s*(?P<after>以上|以下)?",
    re.I,
)
_CLAUSES = re.compile(r"[；;。\n]")

_SWAPS: tuple[tuple[Decimal, str], ...] = (
    (Decimal("0.001"), "a unit a thousand times smaller"),
    (Decimal(1000), "a unit a thousand times larger"),
    (Decimal(1_000_000), "a unit a million times larger"),
    (Decimal("0.000001"), "a unit a million times smaller"),
)
_MIXED = frozenset(("mg", "ml", "U", "揿", "滴"))
"""Units that are taken for each other: the bare number is compared."""


@dataclass
class Limits:
    """What one branch of a fact allows."""

    once: dict[Key, Ends] = field(default_factory=dict)
    """One dose, by unit."""
    day: dict[Key, Ends] = field(default_factory=dict)
    """A day's total as the fact states it, by unit."""
    most_day: dict[Key, Decimal] = field(default_factory=dict)
    """The most in a day, by unit."""
    most_once: dict[Key, Decimal] = field(default_factory=dict)
    """The most at one time, by unit."""
    often: Ends | None = None
    """Times a day."""
    shares: Ends | None = None
    """Shares that a day's amount is taken in."""
    starts: bool = False
    """Whether the fact names a first dose, which later grows."""
    flexible: bool = False
    """Whether the fact only bounds the times a day."""

    def of(
        self, amount: Amount, kilos: Decimal | None
    ) -> tuple[Decimal, Decimal, Ends | None, Ends | None, Decimal | None] | None:
        """The amount's ends in the unit of the limits, and the limits of one dose, of a day, and the most in a day.

        None where they speak of another unit, or a weight would be needed that nobody states."""
        own = (amount.unit, amount.per_kilo)
        other = (amount.unit, not amount.per_kilo)
        for key, scale in ((own, Decimal(1)), (other, kilos)):
            if scale is None or not self._has(key):
                continue
            factor = scale if amount.per_kilo != key[1] and amount.per_kilo else Decimal(1)
            divisor = scale if amount.per_kilo != key[1] and not amount.per_kilo else Decimal(1)
            low, high = amount.low * factor / divisor, amount.high * factor / divisor
            return low, high, self._once(key), self._day(key), self.most_day.get(key)
        return None

    def _has(self, key: Key) -> bool:
        return any(key in table for table in (self.once, self.day, self.most_day, self.most_once))

    def _once(self, key: Key) -> Ends | None:
        """Limits of one dose: stated, or a share of the day's amount."""
        found = self.once.get(key)
        if found is None and key in self.day and self.shares:
            low, high = self.day[key]
            return low / self.shares[1], high / self.shares[0]
        if found is None:
            return (Decimal(0), self.most_once[key]) if key in self.most_once else None
        high = max(found[1], self.most_once.get(key, found[1]))
        if self.starts and key in self.most_day:
            high = max(high, self.most_day[key])
        return found[0], high

    def _day(self, key: Key) -> Ends | None:
        """Limits of a day's total: stated, or one dose as often as the fact says."""
        if key in self.day:
            return self.day[key]
        once = self._once(key)
        if once is None or self.often is None:
            return None
        low = once[0] * self.often[0]
        high = once[1] * self.often[1]
        most = self.most_day.get(key)
        return low, high if most is None else most

    def swapped(self, amount: Amount, once: Ends | None, day: Ends | None) -> str:
        """Which other unit would make the amount fit; empty where none would."""
        bounds = [ends for ends in ((once, day) if amount.role == "once" else (day, once)) if ends and ends[1] > 0]
        for factor, words in _SWAPS:
            for low, high in bounds:
                if low > 0 and low <= amount.low * factor and amount.high * factor <= high:
                    return f"it would fit in {words}"
        return ""

    def other_unit(self, amount: Amount) -> str:
        """The unit of the facts in which the bare number would fit; empty where there is none."""
        for table in (self.once, self.day):
            for (unit, _), (low, high) in table.items():
                scale = Decimal(1000) if unit == "mg" and low >= 1000 and amount.written < low else Decimal(1)
                if {unit, amount.unit} <= _MIXED and unit != amount.unit and low <= amount.written * scale <= high:
                    return f"its number fits in {unit}"
        return ""


@lru_cache(maxsize=4096)
def limits_of(dose: str, kilos: Decimal | None) -> tuple[Limits, ...]:
    """The limits of each branch of a fact; of branches by weight only the one for ``kilos``, where it is known."""
    text = plain(dose)
    branches = [part for part in _CLAUSES.split(text) if part.strip()]
    weighed = [part for part in branches if _WEIGHT_RULE.search(part)]
    if len(weighed) > 1:
        fitting = [part for part in weighed if kilos is None or _holds(part, kilos)]
        return tuple(filter(None, map(_limits, fitting)))
    whole = _limits(text)
    return (whole,) if whole else ()


def _holds(part: str, kilos: Decimal) -> bool:
    found = _WEIGHT_RULE.search(part)
    if found is None:
        return True
    limit, sign = Decimal(found["kilos"]), (found["sign"] or found["after"] or "")
    return {
        ">": kilos > limit, "大于": kilos > limit, "超过": kilos > limit, "≥": kilos >= limit, "以上": kilos >= limit,
        "<": kilos < limit, "小于": kilos < limit, "低于": kilos < limit, "不足": kilos < limit, "≤": kilos <= limit,
        "以下": kilos <= limit,
    }.get(sign, True)  # fmt: skip


def _limits(text: str) -> Limits | None:
    """The limits of one branch; None where it states no amount."""
    stated, often = amounts(text), frequencies(text)
    if not stated:
        return None
    found = Limits(starts=bool(_START.search(text)))
    for amount in stated:
        key = (amount.unit, amount.per_kilo)
        if amount.role == "day" and amount.most:
            found.most_day[key] = max(amount.high, found.most_day.get(key, amount.high))
        elif amount.most:
            found.most_once[key] = max(amount.high, found.most_once.get(key, amount.high))
        else:
            table = found.day if amount.role == "day" else found.once
            low, high = table.get(key, (amount.low, amount.high))
            table[key] = (min(low, amount.low), max(high, amount.high))
    found.often = _ends([one for one in often if not one.shares and not one.most])
    found.shares = _ends([one for one in often if one.shares])
    if found.shares is None and not found.once and found.often:
        found.shares = found.often
    if found.often is None:
        bounded = _ends([one for one in often if one.most])
        found.often, found.flexible = bounded, bounded is not None
    return found


def _ends(often: list[Often]) -> Ends | None:
    return (min(one.low for one in often), max(one.high for one in often)) if often else None
