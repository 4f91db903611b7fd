"""A mapping file reads nested JSON without code, and its mistakes are named by line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.errors import RecipeError
from huatuo.knowledge import mapping
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Document, Dropped, Entity, Fact, Finding

Run = Callable[..., Path]
MAPPING = """
records = "数据.条目"
[entity]
kind = "disease"
name = "信息.名称"
aliases = "信息.别名"
split_aliases = "[,，]"
[[relation]]
name = "临床表现"
path = "信息.症状"
split = "[,，]"
[[relation]]
name = "检查"
path = "检查[?重要].名"
[[relation]]
name = "治愈率"
path = "率"
claim = true
empty = ["不详"]
[[text]]
title = "病因"
path = "因"
genre = "book"
"""


def source(tmp_path: Path, values: list[Any], text: str = MAPPING) -> IngestSettings:
    (tmp_path / "m.toml").write_text(text, "utf-8")
    (tmp_path / "a.json").write_text(json.dumps({"数据": {"条目": values}}, ensure_ascii=False), "utf-8")
    graph = GraphSource(
        name="g", path=tmp_path / "a.json", format="mapping", mapping=tmp_path / "m.toml", evidence="web"
    )
    return IngestSettings(graphs=(graph,))


@pytest.mark.slow
def test_a_thousand_nested_records(run: Run, tmp_path: Path) -> None:
    values = [
        {
            "信息": {"名称": f"病{i}", "别名": f"甲{i}，乙{i}", "症状": "咳嗽,发热，"},
            "检查": [{"名": "血", "重要": True}, {"名": "尿", "重要": False}],
            "率": "98%" if i else "不详",
            "因": [f"原因{i}。", "第二段。"],
        }
        for i in range(1000)
    ]
    folder = run(source(tmp_path, values))
    assert next(e for e in store.read(folder, "entities", Entity) if e.name == "病7").aliases == ("甲7", "乙7")
    facts = list(store.read(folder, "facts", Fact))
    assert Counter(f.relation for f in facts) == {"临床症状": 2000, "检查": 1000, "治愈率": 999}
    assert {(f.flags, f.origin.evidence) for f in facts if f.relation == "治愈率"} == {(("claim",), "claim")}
    assert {f.origin.evidence for f in facts if f.relation != "治愈率"} == {"web"}
    documents = list(store.read(folder, "documents", Document))
    assert {"病3 病因": "原因3。\n第二段。"}.items() <= {d.title: d.text for d in documents}.items()
    assert {d.rule for d in store.read(folder, "dropped", Dropped)} == {"empty_value"}
    claims = [f for f in store.read(folder, "findings", Finding) if f.rule == "claim"]
    assert [f.message.split()[0] for f in claims] == ["999"]


def test_missing_keys_and_wrong_types_lose_only_themselves(run: Run, tmp_path: Path) -> None:
    values = [{"信息": {"名称": "甲"}}, {"信息": None}, "x", {"信息": {"名称": "乙", "症状": 5}, "因": 7, "检查": "y"}]
    folder = run(source(tmp_path, values))
    assert [e.name for e in store.read(folder, "entities", Entity)] == ["乙", "甲"]
    assert Counter(d.rule for d in store.read(folder, "dropped", Dropped)) == {
        "no_name": 1,
        "not_an_object": 1,
        "not_text": 2,
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name = \"信息.名称\"", "nam = \"x\""), r"m\.toml:\d+: entity"),
        (("信息.症状", "信息..症状"), r"m\.toml:\d+: path '信息\.\.症状'"),
        (("split = \"[,，]\"\n[[relation]]\nname = \"检查\"", "split = \"[\"\n[[relation]]\nname = \"检查\""), "no regular expression"),
        (("[entity]", "[entity"), "not valid TOML"),
        (("claim = true", "claim = \"perhaps\""), r"m\.toml:\d+: relation\.2\.claim"),
    ],
)  # fmt: skip
def test_mistakes_are_named(run: Run, tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert change[0] in MAPPING
    with pytest.raises(RecipeError, match=says):
        run(source(tmp_path, [], MAPPING.replace(*change)))


def test_a_missing_mapping_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"gone\.toml"):
        mapping.load(tmp_path / "gone.toml")


def test_plain_paths_are_quoted_and_expressions_are_not() -> None:
    assert mapping.quoted("a.中心词") == '"a"."中心词"'
    assert mapping.quoted("a[?b].c") == "a[?b].c"
    assert mapping.quoted("检查[?类=='重要'].\"名\"") == '"检查"[?"类"==\'重要\']."名"'
    assert mapping.quoted("药物-治疗") == '"药物-治疗"'


EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
XYWY = Path(__file__).parents[3] / "shared" / "data" / "kg_xywy_medicalkgqa"


def test_the_example_mapping_loads() -> None:
    assert mapping.load(EXAMPLES / "xywy.mapping.toml").file.entity.kind == "disease"


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.skipif(not XYWY.exists(), reason="shared data is not here")
def test_a_public_graph_is_read_with_a_mapping_file_alone(run: Run) -> None:
    path = EXAMPLES / "xywy.mapping.toml"
    folder = run(
        IngestSettings(graphs=(GraphSource(name="x", path=XYWY, format="mapping", mapping=path, evidence="web"),))
    )
    manifest = store.read_manifest(folder)
    assert manifest.tables["entities"].rows == 8791
    assert manifest.tables["facts"].rows > 300_000
    twice = [e.name for e in store.read(folder, "entities", Entity) if len(e.origins) > 1]
    assert twice == ["胎膜早破"]
    flagged = Counter(f.relation for f in store.read(folder, "facts", Fact) if "claim" in f.flags)
    assert set(flagged) == {"治愈率", "患病比例", "治疗费用", "是否纳入医保"}
