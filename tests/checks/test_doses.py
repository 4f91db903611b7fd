"""A dose is supported only where the facts say it; what they do not say is unknown, never right."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.checks.dose_text import age, amounts, frequencies, number, plain, weight
from huatuo.checks.doses import WORST, DoseFact, judge, verdict

FACT = DoseFact("甲药", "成人一次0.5g，一日3次，一日最大剂量不超过2g", "口服", "成人")
CHILD = DoseFact("乙药", "儿童一次10~15mg/kg，每4~6小时1次", "口服", "儿童")
ENGLISH = DoseFact("zetadrug", "500 mg to 1 g every 4 to 6 hours, maximum 4 g in 24 hours", "oral", "adults")


@pytest.mark.parametrize(
    ("answer", "facts", "wanted"),
    [
        ("", [FACT], "no_dose"),
        ("甲药饭后服。", [FACT], "no_dose"),
        ("甲药饭后服，多喝水200ml。", [FACT], "no_dose"),
        ("体温38.5℃，体重60kg，甲药可用。", [FACT], "no_dose"),
        ("甲药一次500mg，一日3次。", [FACT], "supported"),
        ("甲药一次零点五克，一天三回。", [FACT], "supported"),
        ("甲药500毫克，每日三次", [FACT], "supported"),
        ("甲药一次0.5g。", [FACT], "supported"),
        ("甲药一天总量不要超过2克。", [FACT], "supported"),
        ("甲药一天不超过3克。", [FACT], "above"),
        ("甲药一次0.5g，一日6次。", [FACT], "above"),
        ("甲药一次5g，一日3次。", [FACT], "above"),
        ("甲药一次0.05g，一日3次。", [FACT], "below"),
        ("甲药一次0.5g，一日1次。", [FACT], "below"),
        ("甲药一次0.05g。", [FACT], "below"),
        ("甲药一次0.5mg，一日3次。", [FACT], "unit_suspicious"),
        ("甲药一次500g，一日3次。", [FACT], "unit_suspicious"),
        ("甲药一次2片，一日3次。", [FACT], "unknown"),
        ("甲药一次2片（每片0.25g），一日3次。", [FACT], "supported"),
        ("甲药一次2片（每片0.5g），一日3次。", [FACT], "above"),
        ("甲药q4h 0.5g。", [FACT], "above"),
        ("多饮水，每日2000ml。甲药0.5g，tid。", [FACT], "supported"),
        ("孕妇甲药一次0.5g。", [FACT], "unknown"),
        ("5岁的孩子甲药一次0.5g。", [FACT], "unknown"),
        ("甲药静脉滴注0.5g。", [FACT], "unknown"),
        ("甲药缓释片一次0.5g。", [FACT], "unknown"),
        ("丙药一次0.5g。", [FACT], "unknown"),
        ("甲药一次0.5g。", [], "unknown"),
        ("宝宝体重10kg，乙药一次120mg。", [CHILD], "supported"),
        ("宝宝体重10kg，乙药一次600mg。", [CHILD], "above"),
        ("宝宝，乙药一次120mg。", [CHILD], "unknown"),
        ("宝宝乙药一次12mg/kg。", [CHILD], "supported"),
        ("Take zetadrug 0.5 g every 6 hours.", [ENGLISH], "supported"),
        ("Take 1000 mg of zetadrug every 2 hours.", [ENGLISH], "above"),
        ("Zetadrug 5 mg every 6 hours.", [ENGLISH], "below"),
        ("甲药一次0.5g一日3次，乙药一次0.1g。", [FACT], "unknown"),
        ("甲药一次0.5g，一日3次，或者5g一日3次。", [FACT], "above"),
    ],
)
def test_the_verdict_of_an_answer(answer: str, facts: list[DoseFact], wanted: str) -> None:
    assert verdict(answer, facts) == wanted


def test_who_asks_may_stand_in_the_question() -> None:
    assert verdict("甲药一次0.5g，一日3次。", [FACT], "我怀孕了，能吃甲药吗？") == "unknown"
    assert verdict("乙药一次120mg。", [CHILD], "孩子10公斤，发烧") == "supported"
    assert verdict("甲药一次0.5g，一日3次。", [FACT], "头痛怎么办？") == "supported"


def test_the_worst_of_several_decides() -> None:
    doses = judge("甲药一次0.5g，一日3次。甲药一次5g，一日3次。甲药一次2片。", [FACT])
    assert [dose.verdict for dose in doses] == ["supported", "above", "unknown"]
    assert verdict("甲药一次0.5g，一日3次。甲药一次2片。", [FACT]) == "unknown"
    assert WORST[0] == "above"
    assert WORST[-1] == "no_dose"


def made(count: int) -> list[tuple[DoseFact, Decimal]]:
    """Generated facts with the dose in mg that they state."""
    draw = random.Random(7)
    facts = []
    for place in range(count):
        milligrams = Decimal(draw.choice([2, 5, 12, 25, 40, 75, 150, 250, 300, 400, 600, 800]))
        often = draw.choice([1, 2, 3, 4])
        name = f"试{chr(0x4E00 + 20 + place % 900)}{chr(0x5200 + place // 900)}药"
        text = f"一次{milligrams}mg，一日{often}次" if place % 2 else f"一次{milligrams / 1000}g，每日{often}次"
        facts.append((DoseFact(name, text), milligrams))
    return facts


def said(fact: DoseFact, amount: str) -> str:
    often = "每日" if "每日" in fact.dose else "一日"
    return f"可用{fact.drug}，一次{amount}，{often}{fact.dose[-2]}次。"


@pytest.mark.slow
def test_mutated_doses_of_a_thousand_facts() -> None:
    """The dose itself in both units, ten times, a tenth, and with the unit swapped."""
    for fact, dose in made(1000):
        assert verdict(said(fact, f"{dose}mg"), [fact]) == "supported"
        assert verdict(said(fact, f"{dose / 1000}克"), [fact]) == "supported"
        assert verdict(said(fact, f"{dose * 10}mg"), [fact]) == "above"
        assert verdict(said(fact, f"{dose / 10}mg"), [fact]) == "below"
        assert verdict(said(fact, f"{dose}g"), [fact]) == "unit_suspicious"
        assert verdict(said(fact, f"{dose}μg"), [fact]) == "unit_suspicious"
        assert verdict(said(fact, f"{dose}ml"), [fact]) == "unit_suspicious"
        assert verdict(said(fact, f"{dose}mg"), []) == "unknown"


@pytest.mark.parametrize(
    ("text", "unit", "low", "high", "role"),
    [
        ("一次0.5g", "mg", 500, 500, "once"),
        ("一日0.5~1g", "mg", 500, 1000, "day"),
        ("一日3次，一次2片", "片", 2, 2, "once"),
        ("每天100单位", "U", 100, 100, "day"),
        ("400 mg daily", "mg", 400, 400, "day"),
        ("400 mg twice daily", "mg", 400, 400, "once"),
        ("2 g in 24 hours", "mg", 2000, 2000, "day"),
    ],
)
def test_amounts(text: str, unit: str, low: int, high: int, role: str) -> None:
    (found,) = amounts(plain(text))
    assert (found.unit, found.low, found.high, found.role) == (unit, low, high, role)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("一日三次", 3, 3), ("每8小时1次", 3, 3), ("每4~6小时一次", 4, 6), ("every 6 hours", 4, 4), ("twice daily", 2, 2),
        ("每晚服", 1, 1), ("bid", 2, 2), ("three times a day", 3, 3), ("顿服", 1, 1),
    ],
)  # fmt: skip
def test_frequencies(text: str, low: int, high: int) -> None:
    (found,) = frequencies(plain(text))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(
    ("text", "kilos", "years"),
    [
        ("20kg，6岁", 20, 6), ("体重40斤", 20, None), ("5mg/kg", None, None), ("18个月大", None, Decimal("1.5")), ("", None, None),
        ("a 4-year-old", None, 4),
    ],
)  # fmt: skip
def test_weight_and_age(text: str, kilos: int | None, years: Decimal | None) -> None:
    assert (weight(text), age(text)) == (kilos, years)


@given(st.integers(1, 99))
def test_numerals(value: int) -> None:
    digits = "零一二三四五六七八九"
    tens, ones = divmod(value, 10)
    said = (digits[tens] if tens > 1 else "") + ("十" if tens else "") + (digits[ones] if ones else "")
    assert number(said) == value == number(str(value))


@given(st.text(max_size=80))
def test_any_text_gets_a_verdict(text: str) -> None:
    assert verdict(text, [FACT, CHILD, ENGLISH], text) in WORST
