"""Ingredients of a formula with doses: read from text or JSON, doses in milligrams whatever unit they are written in.

The traditional units are those of prescriptions since 1979: 1 两 = 30 g, 1 钱 = 3 g, 1 分 = 0.3 g (State Council of the
PRC, document 60 of 1977). A dose in a classical text (Han) is another weight and must be converted before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from huatuo.checks.numbers import Quantity, located

TRADITIONAL = {"两": Decimal(30_000), "钱": Decimal(3_000), "分": Decimal(300)}
"""Milligrams of the units of prescriptions."""

UNITS = frozenset({"mg", "ml", "枚", "片", "粒", "丸", "袋", "支", "包", "滴", "IU", "U"})
"""What a dose is counted in; a frequency or a time is none."""

_DIGITS = "一二三四五六七八九"
_NUMBER = r"(\d+(?:\.\d+)?|[一二三四五六七八九十半两]+)"
_TRADITIONAL = re.compile(rf"{_NUMBER}\s*(两|钱|分)(半)?")
_BEGINS = re.compile(r"[\d一二三四五六七八九十半两]")
_UNCOUNTED = re.compile(r"(?:适量|少许|若干|各等分|等分)$")
_PROCESSED = re.compile(r"[（(]([^）)]*)[）)]")


class Dose(NamedTuple):
    """How much of an ingredient: a range where one is written, else the same value twice."""

    low: Decimal
    """Least, in ``unit``."""
    high: Decimal
    """Most."""
    unit: str
    """``mg``, ``ml``, or the count that is written (``枚``)."""


class Ingredient(NamedTuple):
    """One ingredient."""

    name: str
    """Name in one spelling, without how it is processed."""
    dose: Dose | None = None
    """How much; None where none is written."""


def read_ingredients(value: Sequence[Any]) -> tuple[tuple[Ingredient, ...], str]:
    """(ingredients, why they cannot be read) of a list of ``{"name", "dose"}`` objects or texts like ``name 6g``.

    An ingredient that stands twice, one without a name, and a dose that is no quantity are reasons.
    """
    found: dict[str, Ingredient] = {}
    for number, one in enumerate(value, 1):
        name, dose = _parts(one)
        if not name:
            return (), f"item {number} names no ingredient: {str(one)[:40]!r}"
        read = dose_of(dose) if dose else None
        if dose and read is None:
            return (), f"item {number}: {dose[:40]!r} is no dose"
        if name in found:
            return (), f"item {number}: {name} stands twice"
        found[name] = Ingredient(name, read)
    return tuple(found.values()), ""


def _parts(value: Any) -> tuple[str, str]:
    """(name, dose as written) of one item."""
    if isinstance(value, dict):
        name = value.get("name", value.get("药名", value.get("名称")))
        dose = value.get("dose", value.get("剂量", value.get("用量", "")))
        unit = value.get("unit", value.get("单位", ""))
        if not isinstance(name, str) or not all(isinstance(part, str) for part in (dose, unit)):
            return "", ""
        return _name(name), f"{dose}{unit}".strip()
    return (
        _split(_PROCESSED.sub("", unicodedata.normalize("NFKC", value)).strip()) if isinstance(value, str) else ("", "")
    )


def _split(text: str) -> tuple[str, str]:
    """(name, dose as written): the first place from which on the text is a dose, since a name may begin with a number
    (三七) and a number may stand at its end."""
    for start in range(1, len(text)):
        if dose_of(text[start:]) is not None:
            return _name(text[:start]), text[start:].strip()
    if vague := _UNCOUNTED.search(text):
        return _name(text[: vague.start()]), vague[0]
    name, _, rest = text.partition(" ")
    return _name(name), rest.strip()


def _name(text: str) -> str:
    return re.sub(r"[\s：:]+", "", _PROCESSED.sub("", unicodedata.normalize("NFKC", text))).casefold()


def dose_of(text: str) -> Dose | None:
    """The one dose that a text states; None where it states none, several, or a bare number.

    ``6g``, ``0.5~1g``, ``三钱``, ``一两半`` and ``12枚`` are doses; ``适量`` and ``6`` are none.
    """
    folded = unicodedata.normalize("NFKC", text).strip()
    if not _BEGINS.match(folded):
        return None
    if match := _TRADITIONAL.fullmatch(folded):
        amount = _number(match[1])
        if amount is None:
            return None
        value = (amount + (Decimal("0.5") if match[3] else 0)) * TRADITIONAL[match[2]]
        return Dose(value, value, "mg")
    placed = located(folded)
    if not placed or min(start for start, _, _ in placed) or max(end for _, end, _ in placed) < len(folded):
        return None  # something stands beside the quantity
    found = [quantity for _, _, quantity in placed]
    if len({span[:2] for span in placed}) > 1 or not all(_is_plain(one) for one in found):
        return None
    return Dose(found[0].value, found[-1].value, found[0].unit) if found[0].unit == found[-1].unit else None


def _is_plain(quantity: Quantity) -> bool:
    return quantity.unit in UNITS and not quantity.sign


def _number(text: str) -> Decimal | None:
    if text[0].isdigit():
        return Decimal(text)
    if text == "半":
        return Decimal("0.5")
    text = text.replace("两", "二")
    tens, mark, ones = text.partition("十")
    if not all(part == "" or (len(part) == 1 and part in _DIGITS) for part in (tens, ones)) or not (
        mark or len(tens) == 1
    ):
        return None
    if not mark:
        return Decimal(_DIGITS.index(tens) + 1)
    high, low = (_DIGITS.index(part) + 1 if part else None for part in (tens, ones))
    return Decimal((high or 1) * 10 + (low or 0))


def same_dose(one: Ingredient, other: Ingredient) -> bool:
    """Whether the dose said lies within the right one, which may be a range; two without a dose are the same.

    ``one`` is the answer's, ``other`` the right one. Units that cannot be converted are different doses.
    """
    if one.dose is None or other.dose is None:
        return one.dose is other.dose
    if one.dose.unit != other.dose.unit:
        return False
    return other.dose.low <= one.dose.low and one.dose.high <= other.dose.high
