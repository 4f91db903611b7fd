"""Each rule finds what it is for and leaves clean knowledge alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.knowledge import check
from huatuo.knowledge.entries import Entry, Value, Where
from huatuo.knowledge.mixed import foreign_evidence
from huatuo.recipe import DocumentSource, GraphSource, IngestSettings
from huatuo.records import Fact, Finding

Run = Callable[..., Path]
WHERE = Where("g", "a.json", "a.json")


def flags(value: str, name: str = "肺炎") -> tuple[str, ...]:
    entry = Entry("e", "disease", name, origins=[(WHERE, "line 1")])
    entry.values["临床症状", value, "g"] = Value("临床症状", value, "line 1 临床症状[1]", WHERE)
    list(check.check([entry]))
    return next(iter(entry.values.values())).flags


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("肺炎", "self_loop"),
        ("体温38～", "cut_off"),
        ("红斑(边界清楚", "cut_off"),
        ("药物治疗，", "cut_off"),
        ("冬春季的慢性咳...", "cut_off"),
        ("白细胞4×109/L", "unit_loss"),
        ("血小板<20*10 9/L".replace(" ", ""), "unit_loss"),
        ("咳嗽<br>发热", "html_residue"),
        ("咳嗽&nbsp;发热", "html_residue"),
        ("咳\ufffd", "broken_character"),
        ("咳\0嗽", "broken_character"),
        ("ÓÐºôÎüµÀ", "mojibake"),
    ],
)
def test_values_that_must_not_be_taught_are_flagged(value: str, rule: str) -> None:
    assert flags(value) == (rule,)


@pytest.mark.parametrize(
    "value",
    [
        "白细胞4×10⁹/L",
        "4×10^9/L",
        "体温>38.5℃",
        "P<0.05",
        "辣椒(青、尖)",
        "1)咳嗽",
        "Sjögren综合征",
        "肺炎球菌肺炎",
        "10/L",
        "a<b且c>d",
    ],
)
def test_clean_values_are_left_alone(value: str) -> None:
    assert flags(value) == ()


MIXED: dict[str, Any] = {
    "class": "西药",
    "中心词": "二甲双胍",
    "性状": ["糖衣或薄膜衣片,除去包衣后显白色"],
    "英文名称": ["异福片", "格华止"],
    "分类": ["双胍类", "抗结核病药"],
    "规格": ["0.25g"],
    "适应证": ["糖尿病", "肥胖"],
    "通用名": ["异福片"],
    "成份": [
        "利福平及异烟肼",
        "异烟肼",
        "异烟肼0.1克",
        "本品为复方制剂",
        "利福平",
        "利福平0.15克",
        "盐酸二甲双胍",
        "盐酸",
    ],
}
"""The record of Table 1 in arXiv 2304.06975."""


def test_two_drugs_in_one_record_are_found_and_none_of_its_facts_is_taught(run: Run) -> None:
    folder = run([MIXED, {"class": "西药", "中心词": "阿卡波糖", "成分": ["阿卡波糖"], "分类": ["降糖药"]}])
    found = {f.rule: f for f in store.read(folder, "findings", Finding)}
    assert found["mixed_entity"].severity == "error"
    assert "利福平" in found["mixed_entity"].message
    assert found["conflicting_class"].severity == "warning"
    assert {f.entity for f in store.read(folder, "facts", Fact) if "mixed_entity" in f.flags} == {"二甲双胍"}
    assert all("mixed_entity" in f.flags for f in store.read(folder, "facts", Fact) if f.entity == "二甲双胍")


@pytest.mark.parametrize(
    ("name", "ingredients", "generic"),
    [
        ("格华止", ["盐酸二甲双胍"], ["二甲双胍"]),
        ("二甲双胍", ["盐酸二甲双胍", "淀粉", "本品主要成份为盐酸二甲双胍"], ["盐酸二甲双胍片"]),
        ("氨酚咖敏片", ["对乙酰氨基酚", "咖啡因"], ["氨酚咖敏片"]),
        ("阿莫西林克拉维酸钾", ["阿莫西林", "克拉维酸钾"], ["阿莫西林克拉维酸钾片"]),
        ("复方甘草片", ["甘草", "阿片", "樟脑"], ["复方甘草片"]),
        ("异福片", ["利福平", "异烟肼"], ["异福片"]),
        ("华法林", [], []),
    ],
)
def test_brands_compounds_and_salts_are_not_mixed_up(name: str, ingredients: list[str], generic: list[str]) -> None:
    assert foreign_evidence(name, [], ingredients, generic) == ""


def test_one_name_under_two_kinds_and_an_alias_with_its_own_record(run: Run) -> None:
    folder = run(
        [
            {"class": "疾病", "中心词": "眩晕", "病因": ["a"]},
            {"中心词": "眩晕", "检查": ["b"]},
            {"中心词": "头晕", "别名": ["眩晕"], "检查": ["b"]},
        ]
    )
    assert Counter(f.rule for f in store.read(folder, "findings", Finding)) == {"two_kinds": 1, "ambiguous_alias": 1}


@pytest.mark.slow
def test_unknown_relations_are_one_note_for_all(run: Run) -> None:
    folder = run([{"中心词": f"症{i}", "价格": ["贵"], "检查": ["x" * 301]} for i in range(1000)])
    found = Counter((f.rule, f.severity) for f in store.read(folder, "findings", Finding))
    assert found == {("unknown_relation", "note"): 1, ("too_long", "warning"): 1000}


def test_every_rule_stands_in_the_table_of_the_docstring() -> None:
    table = {
        line.split("`")[1]: line.split("|")[2].strip()
        for line in (check.__doc__ or "").splitlines()
        if line.startswith("| `")
    }
    assert table == {name: rule.severity for name, rule in check.RULES.items()}


def test_the_sample_has_no_finding_above_a_note(run: Run) -> None:
    sample = Path(str(resources.files("huatuo"))) / "sample"
    graphs = (GraphSource(name="g", path=sample / "knowledge"),)
    documents = (DocumentSource(name="d", path=sample / "documents"),)
    folder = run(IngestSettings(graphs=graphs, documents=documents))
    assert [f for f in store.read(folder, "findings", Finding) if f.severity != "note"] == []
    assert store.read_manifest(folder).dropped == {}
