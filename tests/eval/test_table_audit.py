"""A printed table against its counts: every impossible cell is listed, and no possible one."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.errors import InputError
from huatuo.eval.audit import USUAL, Column, Table, audit, fitting_counts, lines, numerators, read, rounded

# HuatuoGPT-II, 2023 National Pharmacist Licensure Examination, accuracy by type (the figure assets/res1.png of its
# repository): optimal, matched, integrated analysis, multiple, total. 480 questions a track are stated; the counts by
# type are those that most rows fit.
PHARMACIST = """row,optimal,matched,integrated,multiple,total
n,160,220,60,38-40,sum
HuatuoGPT-II 34B Pharmacy,66.3,75.0,48.3,34.2,65.5
HuatuoGPT-II 34B TCM,63.6,71.4,50.0,27.5,62.5
HuatuoGPT-II 13B Pharmacy,47.5,64.1,45.0,23.7,52.9
HuatuoGPT-II 13B TCM,48.8,61.8,45.0,17.5,51.6
HuatuoGPT-II 7B Pharmacy,41.9,61.0,35.0,15.7,47.7
HuatuoGPT-II 7B TCM,52.5,51.4,41.7,15.0,47.5
GPT-4 Pharmacy,65.1,59.6,46.7,15.8,57.3
GPT-4 TCM,40.6,42.7,33.3,17.5,38.8
"""


@pytest.fixture
def table(tmp_path: Path):
    def make(text: str) -> Path:
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_every_impossible_cell_of_the_pharmacist_table_is_listed(table) -> None:
    found = audit(read(table(PHARMACIST)))
    assert [(one.row, one.column, one.printed, one.kind) for one in found] == [
        ("HuatuoGPT-II 34B TCM", "optimal", "63.6", "impossible"),
        ("HuatuoGPT-II 7B Pharmacy", "matched", "61.0", "impossible"),
        ("HuatuoGPT-II 7B Pharmacy", "multiple", "15.7", "impossible"),
        ("GPT-4 Pharmacy", "optimal", "65.1", "impossible"),
        ("GPT-4 Pharmacy", "matched", "59.6", "impossible"),
        ("GPT-4 Pharmacy", "total", "57.3", "total"),
    ]
    reasons = {(one.row.split()[-1], one.column): one.reason for one in found}
    assert "under no rounding rule either" in reasons["TCM", "optimal"]
    assert ["rounded up" in found[i].reason for i in (1, 4)] == [True, True]
    of_157 = found[2].reason
    assert of_157.startswith("no k of 38 or 39 or 40 gives it")
    assert "6 of 38 rounded down" in of_157
    assert "56.24 to 56.44 over 160 + 220 + 60 + 38 = 478" in reasons["Pharmacy", "total"]


def test_which_count_fits_is_said(table) -> None:
    made = read(table(PHARMACIST))
    assert fitting_counts(made, made.columns[3]) == [(40, 4), (38, 3), (39, 0)]


def test_the_totals_and_their_means_of_all_models_agree(table) -> None:
    rows = """row,Pharmacy,TCM,AVG
n,480|478,480,mean
DISC-MedLLM,22.6,24.9,23.8
HuatuoGPT,23.4,24.9,24.2
ChatGLM2-6B,35.3,33.7,34.5
Qwen-14B-chat,52.7,47.9,50.3
HuatuoGPT-II 34B,65.5,62.5,64.0
wrong,65.5,62.5,64.3
"""
    found = audit(read(table(rows)))
    assert [(one.row, one.column) for one in found if one.kind == "mean"] == [("wrong", "AVG")]
    # 24.9 % of 480 would be 119.52 questions: 119 are 24.8, 120 are 25.0
    impossible = [(one.row, one.column) for one in found if one.kind == "impossible"]
    assert impossible == [
        ("DISC-MedLLM", "TCM"),
        ("HuatuoGPT", "TCM"),
        ("ChatGLM2-6B", "Pharmacy"),
        ("ChatGLM2-6B", "TCM"),  # 162 of 480 is 33.75: printed 33.7 it was cut off
    ]


def test_swapped_cells_are_seen_by_their_counts(table) -> None:
    found = audit(read(table("row,a,b\nn,60,40\nright,41.7,27.5\nswapped,27.5,41.7\n")))
    assert [(one.row, one.column) for one in found] == [("swapped", "a"), ("swapped", "b")]


@given(st.integers(1, 2000), st.data(), st.sampled_from(USUAL), st.integers(0, 3))
def test_a_true_share_is_never_called_impossible(n: int, data, rule: str, decimals: int) -> None:
    k = data.draw(st.integers(0, n))
    printed = f"{rounded(Fraction(k, n), decimals, rule):.{decimals}f}"
    assert k in numerators(printed, n, rule)
    assert audit(Table((Column("c", (n,)),), (("r", (printed,)),))) == []


@given(st.integers(1, 300), st.integers(0, 1000))
def test_what_is_called_possible_is(n: int, tenths: int) -> None:
    printed = f"{tenths / 10:.1f}"
    every = {rounded(Fraction(k, n), 1, rule) for k in range(n + 1) for rule in USUAL}
    assert bool(audit(Table((Column("c", (n,)),), (("r", (printed,)),)))) == (Decimal(printed) not in every)


@given(st.fractions(0, 1, max_denominator=5000), st.integers(0, 3))
def test_rounding_equals_that_of_decimal(share: Fraction, decimals: int) -> None:
    exact = Decimal(share.numerator * 100) / Decimal(share.denominator)
    if Fraction(exact) != share * 100:
        return  # not finite in base 10: decimal itself is rounded
    unit = Decimal(1).scaleb(-decimals)
    assert rounded(share, decimals, "half up") == exact.quantize(unit, ROUND_HALF_UP)
    assert rounded(share, decimals, "half even") == exact.quantize(unit, ROUND_HALF_EVEN)


@pytest.mark.slow
def test_a_table_of_a_thousand_true_rows_is_clean(table) -> None:
    rng = random.Random(1)
    rows = []
    for i in range(1000):
        parts = [(rng.randrange(n + 1), n) for n in (160, 220, 60, 40)]
        cells = [f"{100 * k / n:.1f}" for k, n in parts]
        rows.append(f"m{i},{','.join(cells)},{100 * sum(k for k, _ in parts) / 480:.1f}")
    assert audit(read(table("row,a,b,c,d,t\nn,160,220,60,40,sum\n" + "\n".join(rows)))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("row,a\nM,50.0\n", "begins with n"),
        ("row,a\nn,10\n", "rows of percentages"),
        ("row,a\nn,10\nM,abc\n", "no percentage"),
        ("row,a\nn,10\nM,101\n", "outside 0 to 100"),
        ("row,a\nn,0\nM,50\n", "counted over"),
        ("row,a\nn,1-9999\nM,50\n", "at most 200"),
        ("row,a\nn,ten\nM,50\n", "counted over"),
        ("row,a\nn,10\nM,50,60\n", "cells; expected"),
    ],
)
def test_a_table_that_cannot_be_audited_says_why(table, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(table(text))


def test_gaps_percent_signs_and_unchecked_columns_do_no_harm(table) -> None:
    text = "row,a,b,note,t\nn,10,10,,sum\nM,50.0%,-,77.7,50.0\nN,20％,30,1,25\n"
    assert audit(read(table(text))) == []
    assert "2 rows" in next(lines(table(text)))


def test_a_sheet_needs_to_know_its_decimals(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "t.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    for i, row in enumerate([["row", "a"], ["n", 220], ["M", 61.5], ["N", 75]]):
        sheet.write_row(i, 0, row)
    book.close()
    with pytest.raises(InputError, match="--decimals"):
        read(path)
    assert [cells for _, cells in read(path, 1).rows] == [("61.5",), ("75.0",)]
    assert [one.printed for one in audit(read(path, 1))] == ["61.5"]
