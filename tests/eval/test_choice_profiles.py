"""Every cell of the measured table: what six released extractors read out of twelve kinds of answers."""

import pytest

from huatuo.eval.choice_profiles import BY_NAME, PROFILES, readings
from huatuo.records import Option, Question

OPTIONS = [
    Option(label=label, text=text)
    for label, text in zip("ABCDE", ["肝炎", "黄疸", "脂肪肝", "肝硬化", "胆囊炎"], strict=True)
]
COLUMNS = (
    "huatuogpt2-m2",
    "huatuogpt2-m3",
    "cmb",
    "opencompass-first",
    "opencompass-multi",
    "cmexam-lora",
)
# answer, gold, then one cell per column: what is read, empty for nothing
TABLE = [
    ("D", "D", "", "D", "D", "D", "D", "D"),
    ("答案：D", "D", "", "D", "D", "D", "D", "D"),
    ("本题选D", "D", "", "D", "D", "D", "D", "D"),
    ("**答案：D**", "D", "", "D", "D", "D", "D", "D"),
    ("根据CT和ALT，考虑D。", "D", "", "D", "C", "C", "A", "A"),
    ("A错误，B错误，C错误，E错误，因此答案是D。", "D", "D", "D", "D", "D", "A", "A"),
    ("答案是肝硬化。", "D", "", "D", "", "", "", "D"),
    ("答案是：ＡＢ", "AB", "", "", "", "", "ＡＢ", ""),
    ("答案是DCA", "ACD", "D", "D", "DCA", "D", "ACD", "ACD"),
    ("答案不是A，而是D。", "D", "", "A", "A", "D", "A", "A"),
    ("Answer: D", "D", "", "D", "A", "D", "A", "A"),
    ("选项A、B不对，应选CD", "CD", "", "A", "ABCD", "C", "ABCD", "ABCD"),
    ("抱歉，我无法回答这个问题，请咨询VIP门诊。", "", "", "", "", "", "I", ""),
    ("<think>可能是A</think>答案是D", "D", "D", "D", "D", "D", "A", "A"),
]
CELLS = [(row[0], row[1], name, cell) for row in TABLE for name, cell in zip(COLUMNS, row[2:], strict=True)]


def question(gold: str) -> Question:
    kind = "multiple" if len(gold) > 1 else "single"
    return Question(id="q", exam="e", kind=kind, stem="?", options=tuple(OPTIONS), gold=tuple(gold))


@pytest.mark.parametrize(("text", "gold", "name", "cell"), CELLS)
def test_every_cell_of_the_table(text, gold, name, cell):
    profile = BY_NAME[name]
    assert profile.read(text, OPTIONS, len(gold) > 1) == cell
    right = profile.is_right(cell, question(gold))
    assert right == (cell == gold if cell and gold else profile.nothing_counts_as == gold != "")


def test_the_table_has_every_profile():
    assert {profile.name for profile in PROFILES} == set(COLUMNS) == set(BY_NAME)
    assert len({profile.signature for profile in PROFILES}) == len(PROFILES)
    assert all(f"extractor:{profile.name}.v" in profile.signature for profile in PROFILES)


def test_nothing_read_is_right_where_the_project_says_so():
    """HuatuoGPT-II's scorer counts an unread answer as B."""
    found = readings("无可奉告", question("B"))
    assert {name for name, (right, _) in found.items() if right} == {"huatuogpt2-m2", "huatuogpt2-m3"}
    assert not any(read for _, read in found.values())


@pytest.mark.parametrize(
    ("text", "name", "several", "expected"),
    [
        ("", "cmb", True, ""),
        ("答案是ABA。", "cmb", True, "ABA"),
        ("答案为A.B", "cmb", True, "A"),
        ("见F", "cmb", False, "F"),
        ("肝硬化和肝炎", "huatuogpt2-m3", True, ""),
        ("肝炎和肝硬化", "huatuogpt2-m3", True, "AD"),
        ("肝炎和肝硬化", "huatuogpt2-m3", False, "A"),
        ("答案是ACBD", "huatuogpt2-m2", True, "ACD"),
        ("DNA", "opencompass-multi", True, "ADN"),
        ("DNA", "huatuogpt2-m3", False, ""),
        ("脂肪肝，B", "cmexam-lora", True, "BC"),
    ],
)
def test_further_outcomes(text, name, several, expected):
    assert BY_NAME[name].read(text, OPTIONS, several) == expected


def test_cmb_wants_the_order_of_the_gold():
    cmb = BY_NAME["cmb"]
    assert not cmb.is_right("DCA", question("ACD"))
    assert cmb.is_right("ACD", question("ACD"))
    assert not cmb.is_right("", question("A"))
