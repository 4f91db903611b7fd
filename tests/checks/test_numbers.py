from __future__ import annotations

from decimal import Decimal

import pytest

from huatuo.checks.numbers import Quantity, find, unsupported


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5g", [("500", "mg", "")]),
        ("500毫克", [("500", "mg", "")]),
        ("每日三次", [("3", "times", "")]),
        ("一日2次", [("1", "day", ""), ("2", "times", "")]),
        ("血压≥140mmHg", [("140", "mmHg", "≥")]),
        ("不低于140 mmHg", [("140", "mmHg", "≥")]),
        ("4×10⁹/L", [("4", "10^9 /l", "")]),
        ("4×10^9/L", [("4", "10^9 /l", "")]),
        ("3.9~6.1mmol/L", [("3.9", "mmol/l", ""), ("6.1", "mmol/l", "")]),
        ("1,500 ml", [("1500", "ml", "")]),
        ("at least 30 minutes", [("30", "minute", "≥")]),
        ("半片", [("0.5", "片", "")]),
        ("十二小时", [("12", "hour", "")]),
        ("1. 休息\n2、多饮水", []),
        ("没有数字", []),
    ],
)
def test_quantities(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert find(text) == [Quantity(Decimal(v), u, s) for v, u, s in expected]


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("每次0.5克", "一次500mg，每次服"),
        ("体温38.5℃", "体温达38.5°C"),
        ("每日3次", "每日三次"),
        ("白细胞4×10⁹/L", "白细胞 4 × 10^9/L"),
        ("10mg/kg", "10 mg / kg"),
    ],
)
def test_same_quantity_in_other_words_is_supported(claim: str, source: str) -> None:
    assert unsupported(claim, source) == []


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("每次0.5克", "每次0.5毫克"),
        ("每次5mg", "每次0.5mg"),
        ("≥140mmHg", "≤140mmHg"),
        ("4×109/L", "4×10⁹/L"),
        ("4×10¹²/L", "4×10⁹/L"),
        ("10mg", "10mg/kg"),
        ("10", "10mg"),
        ("3天", "3周"),
        ("每日四次", "每日三次"),
        ("3~8片", "3~6片"),
        ("5 mmol/L", "5 mg/L"),
    ],
)
def test_changed_number_unit_or_bound_is_not_supported(claim: str, source: str) -> None:
    assert unsupported(claim, source) != []
