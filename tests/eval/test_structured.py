"""Sets and formulas: exact and partial, units converted, malformed answers unscored with their reason."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_makers import jsonl

from huatuo.errors import InputError
from huatuo.eval import formula, structured
from huatuo.eval.structured import read, read_items, score


def gold(kind, items):
    found = read_items(items, kind)
    assert not found.unscored
    return found


@pytest.mark.parametrize(
    ("kind", "said", "wanted", "exact", "partial"),
    [
        ("entities", ["甲病", "乙药"], ["甲病", "乙药"], 1.0, 1.0),
        ("entities", ["甲病", "甲病"], ["甲病"], 1.0, 1.0),  # said twice counts once
        ("entities", [], [], 1.0, 1.0),
        ("entities", [], ["甲病"], 0.0, 0.0),
        ("entities", ["甲病"], [], 0.0, 0.0),
        ("entities", ["甲病", "丙"], ["甲病"], 2 / 3, 2 / 3),
        ("entities", ["急性甲病"], ["甲病"], 0.0, 2 / 3),
        ("entities", ["ＡＬＴ 升高"], ["alt升高"], 1.0, 1.0),
        ("entities", ["无关的词"], ["甲病"], 0.0, 0.0),
        ("entities", [{"name": "甲", "type": "病"}], [{"name": "甲", "type": "药"}], 0.0, 0.0),
        ("entities", [{"name": "甲", "type": "病"}], [{"名称": "甲", "类型": "病"}], 1.0, 1.0),
        ("triples", [["甲", "治", "乙"]], [["甲", "治", "乙"]], 1.0, 1.0),
        ("triples", [["甲", "治", "丙"]], [["甲", "治", "乙"]], 0.0, 2 / 3),
        ("triples", [["乙", "治", "甲"]], [["甲", "治", "乙"]], 0.0, 0.0),  # a direction is a direction
        ("triples", [{"subject": "甲", "relation": "治", "object": "乙"}], [["甲", "治", "乙"]], 1.0, 1.0),
        ("codes", ["i10", "E11.9"], ["I10", "E11.9"], 1.0, 1.0),
        ("codes", ["E11.2"], ["E11.9"], 0.0, 0.5),
        ("codes", ["E119"], ["E11.9"], 1.0, 1.0),
        ("codes", ["E14"], ["E11"], 0.0, 0.0),
        ("codes", ["I10.x00x002"], ["I10.x00x002"], 1.0, 1.0),
    ],
)  # fmt: skip
def test_f1_of_a_set_exact_and_partial(kind, said, wanted, exact, partial):
    found = score(json.dumps(said, ensure_ascii=False), gold(kind, wanted), kind)
    assert found.values["f1"] == pytest.approx(exact)
    assert found.values["partial f1"] == pytest.approx(partial)


def test_a_match_is_one_to_one():
    found = score('["甲病", "甲病症"]', gold("entities", ["甲病"]), "entities")
    assert found.values == {"f1": pytest.approx(2 / 3), "partial f1": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("entities", "", "empty"),
        ("entities", "有甲病和乙药。", "not JSON"),
        ("entities", '["甲病"', "not JSON"),
        ("entities", '答案：["甲病"]', "not JSON"),
        ("entities", '{"x": ["甲病"]}', "no list under entities or 实体"),
        ("entities", '"甲病"', "JSON of type str, not a list"),
        ("entities", '["甲病", ""]', "item 2 is no entitie"),
        ("entities", '["甲病", null]', "item 2 is no"),
        ("triples", '[["甲", "治"]]', "item 1 is no triple"),
        ("triples", '[["甲", "", "乙"]]', "item 1 is no triple"),
        ("codes", '["高血压"]', "item 1 is no code"),
        ("formula", '[{"dose": "6g"}]', "item 1 names no ingredient"),
        ("formula", '["某草 适量"]', "item 1: '适量' is no dose"),
        ("formula", '["某草 6g", "某草 9g"]', "某草 stands twice"),
        ("entities", "[" * 100_000, "not JSON"),
    ],
)
def test_a_malformed_answer_is_unscored_with_its_reason(kind, text, why):
    found = score(text, gold(kind, []), kind)
    assert found.values == {}
    assert why in found.unscored


def test_a_fence_and_a_named_list_are_read():
    assert read('```json\n{"实体": ["甲"]}\n```', "entities").items == (("", "甲"),)
    assert read('{"entities": ["甲"], "实体": ["乙"]}', "entities").unscored


def test_a_gold_that_cannot_be_read_is_an_error_and_not_a_zero(tmp_path):
    with pytest.raises(ValueError, match="gold cannot be read"):
        score("[]", read_items(["x"], "codes"), "codes")
    for row, why in (
        ({"id": "q"}, "line 1"),
        ({"id": "q", "gold": "甲"}, "gold is no list"),
        ({"id": "q", "gold": [[]]}, "item 1"),
    ):
        with pytest.raises(InputError, match=why):
            structured.read_golds(jsonl(tmp_path / "g.jsonl", [row]), "entities")
    with pytest.raises(InputError, match="stands twice"):
        structured.read_golds(jsonl(tmp_path / "g.jsonl", [{"id": 1, "gold": []}] * 2), "entities")


@given(
    st.lists(st.text("甲乙丙丁戊abc", min_size=1, max_size=5)),
    st.lists(st.text("甲乙丙丁戊abc", min_size=1, max_size=5)),
)
def test_f1_is_between_zero_and_one_symmetric_and_partial_is_no_less(first, second):
    one, other = (read_items(items, "entities") for items in (first, second))
    forth = score(json.dumps(first), other, "entities").values
    back = score(json.dumps(second), one, "entities").values
    assert 0 <= forth["f1"] <= forth["partial f1"] + 1e-12 <= 1 + 1e-9
    assert forth["f1"] == pytest.approx(back["f1"])


# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("6g", 6000, 6000, "mg"),
        ("6 克", 6000, 6000, "mg"),
        ("0.006kg", 6000, 6000, "mg"),
        ("6000毫克", 6000, 6000, "mg"),
        ("３～６ｇ", 3000, 6000, "mg"),
        ("6-9克", 6000, 9000, "mg"),
        ("三钱", 9000, 9000, "mg"),
        ("一两", 30_000, 30_000, "mg"),
        ("一两半", 45_000, 45_000, "mg"),
        ("两钱", 6000, 6000, "mg"),
        ("半两", 15_000, 15_000, "mg"),
        ("五分", 1500, 1500, "mg"),
        ("十五钱", 45_000, 45_000, "mg"),
        ("1.5钱", 4500, 4500, "mg"),
        ("12枚", 12, 12, "枚"),
        ("十二枚", 12, 12, "枚"),
        ("100ml", 100, 100, "ml"),
    ],
)
def test_doses_in_one_unit(text, low, high, unit):
    assert formula.dose_of(text) == (Decimal(low), Decimal(high), unit)


@pytest.mark.parametrize(
    "text", ["", "适量", "6", "每日3次", "3g 6g", "七三钱", "6g/kg", "不超过6g", "5mg~3ml", "某6g"]
)
def test_what_is_no_one_dose_is_none(text):
    assert formula.dose_of(text) is None


@pytest.mark.parametrize(
    ("text", "name", "milligrams"),
    [
        ("某草 6g", "某草", 6000),
        ("某草6克", "某草", 6000),
        ("某草（炙）6g", "某草", 6000),
        ("某草：三钱", "某草", 9000),
        ("三七三钱", "三七", 9000),  # a name that begins with a number
        ("某八角 9g", "某八角", 9000),
        ("某草", "某草", None),
    ],
)
def test_an_ingredient_as_text(text, name, milligrams):
    (found,), problem = formula.read_ingredients([text])
    assert not problem
    assert found.name == name
    assert (found.dose.low if found.dose else None) == milligrams


@pytest.mark.parametrize(
    ("said", "exact", "partial", "doses"),
    [
        (["子草 9g", "丑根 6g"], 1.0, 1.0, 1.0),
        (["子草 三钱", "丑根 0.006kg"], 1.0, 1.0, 1.0),  # the same in other units
        (["子草 90g", "丑根 6g"], 0.5, 1.0, 0.5),  # ten times the dose
        (["子草 9mg", "丑根 6g"], 0.5, 1.0, 0.5),
        (["子草", "丑根 6g"], 0.5, 1.0, 0.5),
        (["子草 9g"], 2 / 3, 2 / 3, 1.0),
        (["寅花 9g"], 0.0, 0.0, None),
        ([{"name": "子草", "dose": 9, "unit": "g"}, {"药名": "丑根", "剂量": "6克"}], 1.0, 1.0, 1.0),
    ],
)
def test_the_composition_of_a_formula(said, exact, partial, doses):
    found = score(json.dumps(said, ensure_ascii=False), gold("formula", ["子草 9g", "丑根 3~6g"]), "formula")
    assert found.values.get("f1") == pytest.approx(exact)
    assert found.values.get("partial f1") == pytest.approx(partial)
    assert found.values.get("doses") == doses


def test_a_thousand_answers_with_unscored_ones_counted_as_nothing_gained(tmp_path):
    golds = structured.read_golds(
        jsonl(tmp_path / "g.jsonl", [{"id": f"q{n}", "gold": ["甲"]} for n in range(1000)]), "entities"
    )
    rows = [(f"r{n}", f"q{n}", "m", '["甲"]' if n % 4 else "不知道") for n in range(1000)]
    scores, figures = structured.score_answers(rows, golds, "entities", 200, 1)
    assert len(scores) == 2000
    exact = figures[0]
    assert (exact.metric, exact.value, exact.n, exact.unscored) == ("f1", 0.75, 1000, 250)
    assert exact.low < 0.75 < exact.high
    assert {one.unscored.partition(":")[0] for one in scores if one.value is None} == {"not JSON"}
    with pytest.raises(InputError, match="none of 1 answers has a gold"):
        structured.score_answers([("r", "other", "m", "[]")], golds, "entities", 200, 1)
