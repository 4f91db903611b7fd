"""Each rule finds at least three cases that it is for, and leaves at least three that look like them alone."""

from __future__ import annotations

import pytest

from huatuo.knowledge.check import RULES, check
from huatuo.knowledge.entries import Draft, Entry, Value, Where
from huatuo.knowledge.join import join
from huatuo.knowledge.relations import canonical, is_known

Said = dict[str, list[str]]


def entry(name: str, said: Said, kind: str = "drug", source: str = "g", aliases: tuple[str, ...] = ()) -> Entry:
    where = Where(source, f"{source}.json", f"{source}.json")
    made = Entry(f"{source}/{kind}/{name}", kind, name)
    values = [
        Value(relation, text, f"line 1 {relation}[{number}]", where)
        for relation, texts in said.items()
        for number, text in enumerate(texts, 1)
    ]
    made.take(Draft(kind, name, "line 1", where, list(aliases), values))
    return made


def rules(*entries: Entry) -> set[str]:
    return {found.rule for found in check(entries)}


VALUES = {
    "self_loop": (["甲病", "甲氏病", "甲症"], ["甲病性贫血", "乙病", "甲"]),
    "cut_off": (
        ["体温38～", "红斑(边界清楚", "药物治疗，", "慢性咳...", "慢性咳…", "38.", "血压120-", "，综合治疗", "发作）", "头痛、恶心以及"],
        ["辣椒(青、尖)", "1)咳嗽", "a)咳嗽；b)发热", "Rh-", "HBsAg(-)", "2.5", "甲、乙", "（一）甲型", "C++"],
    ),
    "unit_loss": (
        ["白细胞4×109/L", "血小板<20*109/L", "红细胞4x1012/L"],
        ["白细胞4×10⁹/L", "4×10^9/L", "10/L", "每109例"],
    ),
    "number_loss": (
        ["直径～cm", "肿物约cm", "每次mg口服", "白细胞×10/L", "体温38～℃", "长径～，边界清"],
        ["直径2～3cm", "体温38～39℃", "约2cm", "每次5mg", "4×10⁹/L", "多为1～3个", "春～夏", "P～V环"],
    ),
    "bare_number": (["0.25", "1", "1.0", "38．5"], ["0.25g", "1片", "B12", "1型", "2:1"]),
    "says_nothing": (
        ["暂无", "详见说明书", "NaN", "null", "-", "尚不明确", "未进行该项实验且无可靠参考文献。", "不详", "无相关资料", "临床症状不明"],
        ["无", "无症状", "暂无症状者", "不详细", "意识不清", "不明原因发热", "神志不清", "疼痛部位不明确", "无不良反应报道"],
    ),
    "html_residue": (["咳嗽<br>发热", "咳嗽&nbsp;发热", "<p>甲"], ["体温>38.5℃", "P<0.05", "a<b且c>d"]),
    "broken_character": (["咳\ufffd", "咳\0嗽", "\x1b[0m甲"], ["咳嗽", "甲\n乙", "α₁"]),
    "mojibake": (["ÓÐºôÎüµÀ", "ºôÎüÀ§ÄÑ", "»Æñ¾²¡"], ["Sjögren综合征", "Ménière病", "36.5±0.5℃"]),
    "too_long": (["长" * 301, "x" * 400, "1" * 301 + "g"], ["长" * 300, "短", "g" * 299]),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, (bad, _) in VALUES.items() for text in bad])
def test_a_bad_value_is_found(rule: str, text: str) -> None:
    one = entry("甲病", {"临床症状": [text]}, "disease", aliases=("甲氏病", "甲症"))
    assert rule in rules(one)
    flags = next(iter(one.values.values())).flags
    assert (rule in flags) == RULES[rule].flags


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, (_, good) in VALUES.items() for text in good])
def test_a_good_value_is_left_alone(rule: str, text: str) -> None:
    one = entry("甲病", {"临床症状": [text]}, "disease")
    assert rule not in rules(one)


def test_a_drug_may_be_its_own_ingredient_and_generic_name() -> None:
    assert rules(entry("甲苯胺", {"成分": ["甲苯胺"], "通用名": ["甲苯胺"], "英文名称": ["甲苯胺"]})) == set()


# ---------------------------------------------------------------- conflicts

CONFLICTS: dict[str, tuple[list[Said], list[Said]]] = {
    "contradiction": (
        [
            {"适应证": ["高热", "低血压"], "禁忌": ["低血压"]},
            {"适应证": ["低血压"], "禁忌": ["低血压患者禁用"]},
            {"宜吃食物": ["鸡蛋"], "忌吃食物": ["白酒", "鸡蛋"]},
            {"主治": ["孕期呕吐"], "禁忌": ["孕期呕吐者"]},
            {"禁忌": ["孕妇禁用", "孕妇慎用"]},
            {"禁忌": ["孕妇"], "慎用": ["孕妇"]},
            {"禁忌": ["孕妇"], "注意事项": ["孕妇慎用"]},
            {"禁忌": ["孕妇及哺乳期妇女禁用"], "注意事项": ["老年人、哺乳期妇女慎用。"]},
        ],
        [
            {"适应证": ["高血压"], "禁忌": ["严重低血压"]},
            {"适应证": ["头痛"], "不良反应": ["头痛"]},
            {"宜吃食物": ["鸡蛋"], "忌吃食物": ["咸鸡蛋"]},
            {"适应证": ["低血压"], "禁忌": ["对本品过敏者禁用"]},
            {"禁忌": ["严重肝功能不全者禁用"], "慎用": ["肝功能不全者"]},
            {"禁忌": ["孕妇"], "慎用": ["儿童"]},
            {"禁忌": ["孕妇禁用，儿童慎用"], "注意事项": ["孕妇禁用"]},
            {"禁忌": ["孕妇"], "注意事项": ["孕妇用药前咨询医师"]},
            {"用法用量": ["一次5mg", "一次50mg"]},
        ],
    ),
    "flipped": (
        [
            {"OTC类型": ["甲类OTC", "处方药"]},
            {"OTC类型": ["甲类", "乙类"]},
            {"传染性": ["无传染性", "有传染性"]},
            {"传播途径": ["无传染性", "呼吸道传播"]},
            {"是否纳入医保": ["是", "否"]},
        ],
        [
            {"OTC类型": ["甲类OTC", "甲类非处方药"]},
            {"OTC类型": ["OTC", "乙类"]},
            {"OTC类型": ["双跨", "处方药"]},
            {"传播途径": ["呼吸道传播", "接触传播"]},
            {"是否纳入医保": ["是", "甲类"]},
        ],
    ),
    "differing_numbers": (
        [{"有效期": ["24个月", "36个月"]}, {"有效期": ["2年", "18个月"]}, {"有效期": ["三年", "24月"]}],
        [{"有效期": ["24个月", "2年"]}, {"有效期": ["24个月"]}, {"有效期": ["片剂24个月，注射剂18个月", "24个月"]}],
    ),
    "near_duplicate": (
        [{"检查": ["血小板（PDW）", "血小板(PDW)"]}, {"检查": ["CT检查", "ct检查。"]}, {"检查": ["X 线", "X线"]}],
        [{"检查": ["血小板", "血小板分布"]}, {"检查": ["CT", "MRI"]}, {"检查": ["1型", "2型"], "病因": ["1 型"]}],
    ),
}


@pytest.mark.parametrize(("rule", "said"), [(rule, said) for rule, (bad, _) in CONFLICTS.items() for said in bad])
def test_values_that_cannot_all_be_true_are_found_and_flagged(rule: str, said: Said) -> None:
    one = entry("某药", said)
    assert rule in rules(one)
    flagged = sum(rule in value.flags for value in one.values.values())
    assert flagged == (2 if RULES[rule].flags else 0)


@pytest.mark.parametrize(("rule", "said"), [(rule, said) for rule, (_, good) in CONFLICTS.items() for said in good])
def test_values_that_agree_are_left_alone(rule: str, said: Said) -> None:
    assert rule not in rules(entry("某药", said))


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("contradiction", {"适应证": ["低血压"]}, {"禁忌": ["低血压"]}),
        ("flipped", {"OTC类型": ["甲类OTC"]}, {"OTC类型": ["处方药"]}),
        ("differing_numbers", {"有效期": ["24个月"]}, {"有效期": ["36个月"]}),
    ],
)
def test_conflicts_between_sources_name_both(rule: str, one: Said, other: Said) -> None:
    made = entry("某药", one, source="a")
    for value in entry("某药", other, source="b").values.values():
        made.values[value.relation, value.text, "b"] = value
    (found,) = [f for f in check([made]) if f.rule == rule]
    assert "(sources a and b)" in found.message
    assert all(rule in value.flags for value in made.values.values())


def between(relation: str, one: str, other: str) -> Entry:
    """A drug of which two sources state a value of a relation."""
    made = entry("某药", {relation: [one]}, source="a")
    for value in entry("某药", {relation: [other]}, source="b").values.values():
        made.values[value.relation, value.text, "b"] = value
    return made


@pytest.mark.parametrize(
    ("relation", "one", "other"),
    [
        ("用法用量", "一次5mg", "一次50mg"),
        ("用法用量", "口服，一次5mg", "一次50mg"),
        ("用法用量", "成人一次5～10mg，一日1次", "口服。一次20mg，一日1次"),
        ("用法用量", "一次5mg，一日1次", "一次5mg，一日3次"),
        ("用法用量", "成人一次5mg；儿童一次2mg", "成人一次50mg"),
        ("用法用量", "高血压：一次5mg", "高血压：一次10mg"),
        ("剂量", "儿童一次5mg/kg", "儿童一次50mg/kg"),
        ("规格", "0.25g", "0.5g×24片"),
        ("禁忌", "孕妇禁用", "孕妇慎用"),
    ],
)
def test_doses_that_two_sources_state_differently_are_not_taught(relation: str, one: str, other: str) -> None:
    made = between(relation, one, other)
    found = [f for f in check([made]) if f.rule == "contradiction"]
    assert "(sources a and b)" in found[0].message
    assert all("contradiction" in value.flags for value in made.values.values())


@pytest.mark.parametrize(
    ("relation", "one", "other"),
    [
        ("用法用量", "一次0.5g", "一次500mg"),
        ("用法用量", "一次5～10mg", "一次5mg"),
        ("用法用量", "一次5mg", "儿童一次50mg"),
        ("用法用量", "一次10mg", "6～12岁一次5mg"),
        ("用法用量", "口服，一次5mg", "静脉注射，一次50mg"),
        ("用法用量", "治疗高血压时一次5mg", "用于心绞痛，一次10mg"),
        ("用法用量", "起始一次5mg", "维持一次10mg"),
        ("用法用量", "缓释片一次500mg", "一次250mg"),
        ("用法用量", "一次1片", "一次500mg"),
        ("规格", "0.25g×12片", "0.25g×24片"),
        ("规格", "0.25g；0.5g", "0.5g"),
    ],
)
def test_doses_of_other_people_routes_or_illnesses_are_no_conflict(relation: str, one: str, other: str) -> None:
    assert "contradiction" not in rules(between(relation, one, other))


def test_a_dose_that_the_other_source_states_too_is_no_conflict() -> None:
    made = between("用法用量", "一次5mg", "一次10mg")
    made.values["用法用量", "一次10mg", "a"] = entry("某药", {"用法用量": ["一次10mg"]}, source="a").values[
        "用法用量", "一次10mg", "a"
    ]
    assert "contradiction" not in rules(made)


# ---------------------------------------------------------------- drugs


@pytest.mark.parametrize(
    "said",
    [
        {"分类": ["双胍类", "抗结核病药"]},
        {"分类": ["抗疟药", "抗抑郁药"]},
        {"分类": ["降糖药"], "适应证": ["肺结核", "结核性脑膜炎"]},
    ],
)
def test_classes_and_indications_that_do_not_go_together(said: Said) -> None:
    assert "conflicting_class" in rules(entry("某药", said))


@pytest.mark.parametrize(
    "said",
    [
        {"分类": ["双胍类", "降糖药"]},
        {"分类": ["降糖药"], "适应证": ["2型糖尿病", "慢性心力衰竭"]},
        {"分类": ["抗疟药"], "适应证": ["盘状红斑"]},
        {"分类": ["抗惊厥药"], "适应证": ["神经病理性疼痛"]},
    ],
)
def test_classes_that_go_together(said: Said) -> None:
    assert "conflicting_class" not in rules(entry("某药", said))


def family(core: str, purposes: list[str], number: int = 4) -> list[Entry]:
    return [entry(f"{core}牌{i}", {"成分": [f"盐酸{core}"], "适应证": purposes}) for i in range(number)]


ONE = family("甲福平", ["甲病", "乙病", "丙病"])
TWO = family("丁异嗪", ["丁症", "戊症", "己症"])


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ({"成分": ["甲福平"], "适应证": ["丁症", "戊症"]}, True),
        ({"成分": ["甲福平片0.1g"], "适应证": ["丁症", "戊症", "己症"], "规格": ["0.1g"]}, True),
        ({"成分": ["丁异嗪"], "适应证": ["甲病", "乙病", "丙病"]}, True),
        ({"成分": ["甲福平"], "适应证": ["甲病", "丁症", "戊症"]}, False),
    ],
)
def test_indications_of_another_family_are_found(said: Said, whole: bool) -> None:
    one = entry("新药", said)
    found = [f for f in check([*ONE, *TWO, one]) if f.rule == "foreign_family"]
    assert [f.subject for f in found] == [one.id]
    flagged = [value.text for value in one.values.values() if "foreign_family" in value.flags]
    assert len(flagged) == (len(one.values) if whole else 2)


@pytest.mark.parametrize(
    "said",
    [
        {"成分": ["甲福平"], "适应证": ["甲病", "乙病"]},
        {"成分": ["甲福平"], "适应证": ["丁症"]},
        {"成分": ["甲福平"], "适应证": ["庚病", "辛病"]},
        {"成分": ["甲福平", "丁异嗪"], "适应证": ["甲病", "丁症", "戊症"]},
        {"成分": ["壬酸"], "适应证": ["甲病", "丁症"]},
    ],
)
def test_indications_of_its_own_family_of_both_or_of_none_are_left_alone(said: Said) -> None:
    assert "foreign_family" not in rules(*ONE, *TWO, entry("新药", said))


# ---------------------------------------------------------------- names, records, counts


def test_twins_say_the_same_in_three_values_or_more() -> None:
    said = {"检查": ["甲", "乙", "丙"]}
    for other in (said, {"检查": ["丙", "乙", "甲"]}):
        assert "twin_entities" in rules(entry("A", said, "disease"), entry("B", other, "disease"))
    for kind, other in (("disease", {"检查": ["甲", "乙", "丁"]}), ("symptom", said), ("disease", {"检查": ["甲"]})):
        assert "twin_entities" not in rules(entry("A", said, "disease"), entry("B", other, kind))
    assert "twin_entities" not in rules(
        entry("A", {"检查": ["甲"]}, "disease"), entry("B", {"检查": ["甲"]}, "disease")
    )


@pytest.mark.parametrize(("one", "other"), [("disease", "symptom"), ("drug", "herb"), ("drug", "symptom")])
def test_one_name_under_two_kinds(one: str, other: str) -> None:
    assert "two_kinds" in rules(entry("A", {"检查": ["甲"]}, one), entry("A", {"检查": ["乙"]}, other))
    assert "two_kinds" not in rules(entry("A", {"检查": ["甲"]}, one), entry("B", {"检查": ["乙"]}, other))


@pytest.mark.parametrize("aliases", [[("丙",), ("丙",)], [("乙",), ()], [("丙", "丁"), ("丁",)]])
def test_another_name_of_two_entities_joins_nothing_and_is_found(aliases: list[tuple[str, ...]]) -> None:
    made = [entry(name, {"检查": ["x"]}, "disease", aliases=names) for name, names in zip("甲乙", aliases, strict=True)]
    joined, ambiguous = join({one.key: one for one in made})
    assert len(joined) == 2
    assert [f.rule for f in check(joined, ambiguous)] == ["ambiguous_alias"]


@pytest.mark.parametrize("aliases", [[("丙",), ("丁",)], [(), ()], [("丙",), ()]])
def test_other_names_of_one_entity_are_no_finding(aliases: list[tuple[str, ...]]) -> None:
    made = [entry(name, {"检查": ["x"]}, "disease", aliases=names) for name, names in zip("甲乙", aliases, strict=True)]
    joined, ambiguous = join({one.key: one for one in made})
    assert (len(joined), ambiguous) == (2, [])


def test_findings_that_repeat_are_counted_once_each() -> None:
    made = [entry(f"症{i}", {"价格": ["贵"]} if i % 2 else {}, "symptom") for i in range(1000)]
    found = {f.rule: f.message for f in check(made)}
    assert set(found) == {"no_facts", "unknown_relation"}
    assert found["no_facts"].startswith("500 of kind symptom")
    assert found["unknown_relation"].startswith("500 values of 价格")
    assert {"many_values"} <= rules(entry("A", {"检查": [f"查{i}甲" for i in range(501)]}, "disease"))
    assert "many_values" not in rules(entry("A", {"检查": [f"查{i}甲" for i in range(500)]}, "disease"))


@pytest.mark.parametrize(
    ("relation", "name"), [("症状", "临床症状"), ("慎用人群", "慎用"), ("慎用", "慎用"), ("相关症状", "相关症状")]
)
def test_a_relation_has_one_name(relation: str, name: str) -> None:
    assert canonical(relation) == name
    assert is_known("symptom" if name == "相关症状" else "drug" if name == "慎用" else "disease", name)
