"""Exports of Neo4j say the same whatever their shape; what leads nowhere is a counted drop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.errors import InputError
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Dropped, Entity, Fact, Finding

Run = Callable[..., Path]
N = 500


def source(path: Path, **more: Any) -> IngestSettings:
    return IngestSettings(graphs=(GraphSource.model_validate({"name": "g", "path": path, "format": "neo4j", **more}),))


def facts(folder: Path) -> set[tuple[str, str, str, str]]:
    return {(f.kind, f.entity, f.relation, f.value) for f in store.read(folder, "facts", Fact)}


def dropped(folder: Path) -> Counter[str]:
    return Counter(d.rule for d in store.read(folder, "dropped", Dropped))


WANTED = {("disease", f"病{i}", "临床症状", f"症{i}") for i in range(N)} | {
    ("disease", f"病{i}", "病因", f"因{i}") for i in range(N)
}


def node(i: int, label: str, **properties: Any) -> dict[str, Any]:
    return {"type": "node", "id": str(i), "labels": ["_Import", label], "properties": properties}


def link(start: int, end: int) -> dict[str, Any]:
    ends = {"start": {"id": str(start), "labels": ["Disease"]}, "end": {"id": str(end), "labels": ["Symptom"]}}
    return {"type": "relationship", "id": "0", "label": "HAS_SYMPTOM", **ends}


NODES = [node(i, "Disease", name=f"病{i}", 病因=[f"因{i}"], alias=[f"又{i}"]) for i in range(N)] + [
    node(N + i, "Symptom", name=f"症{i}") for i in range(N)
]
LINKS = [link(i, N + i) for i in range(N)]


def lines(path: Path, values: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), "utf-8")
    return path


@pytest.mark.slow
def test_apoc_json_lines_whatever_their_order(run: Run, tmp_path: Path) -> None:
    one = run(source(lines(tmp_path / "a.json", [*NODES, *LINKS])))
    two = run(source(lines(tmp_path / "a.json", [*LINKS, *NODES])), name="two")
    assert facts(one) == facts(two) == WANTED
    assert Counter(e.kind for e in store.read(one, "entities", Entity)) == {"disease": N, "symptom": N}
    assert {e.aliases for e in store.read(one, "entities", Entity) if e.name == "病7"} == {("又7",)}
    assert not dropped(one)


def test_apoc_json_as_one_object(run: Run, tmp_path: Path) -> None:
    nodes = [{key: value for key, value in one.items() if key != "type"} for one in NODES]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"nodes": nodes, "rels": LINKS}, ensure_ascii=False), "utf-8")
    assert facts(run(source(path))) == WANTED


def test_apoc_csv(run: Run, tmp_path: Path) -> None:
    rows = ["_id,_labels,name,病因,_start,_end,_type"]
    rows += [f"{i},:Disease,病{i},因{i},,," for i in range(N)] + [f"{N + i},:Symptom,症{i},,,," for i in range(N)]
    rows += [f",,,,{i},{N + i},HAS_SYMPTOM" for i in range(N)]
    (tmp_path / "a.csv").write_text("\n".join(rows), "utf-8")
    assert facts(run(source(tmp_path / "a.csv"))) == WANTED


def admin(folder: Path) -> Path:
    folder.mkdir()
    diseases = ["id:ID(D),name,病因:string[],age:int,:LABEL"] + [f"{i},病{i},因{i},{i},Disease" for i in range(N)]
    symptoms = [":ID(S),name,:LABEL"] + [f"{i},症{i},Symptom;Any" for i in range(N)]
    rels = [":START_ID(D),:END_ID(S),:TYPE"] + [f"{i},{i},has_symptom" for i in range(N)]
    for name, rows in (("d.csv", diseases), ("s.csv", symptoms), ("a_rels.csv", rels)):
        (folder / name).write_text("\n".join(rows), "utf-8")
    return folder


@pytest.mark.slow
def test_node_and_relationship_files_with_id_spaces(run: Run, tmp_path: Path) -> None:
    folder = run(source(admin(tmp_path / "in")))
    assert facts(folder) == WANTED
    assert dropped(folder) == {"not_text": N}  # a number has no unit


def test_what_leads_nowhere_is_dropped_by_rule(run: Run, tmp_path: Path) -> None:
    bad = [
        link(0, 99_999),
        {**link(0, N), "label": None},
        {**link(0, N), "label": "SECRET"},
        node(0, "Disease", name="同号"),
        node(5000, "Disease", title=7),
        link(0, 5000),
        {"type": "path"},
        '{"type": "node", ',
        {**link(1, N + 1), "properties": {"weight": 1}},
    ]
    values = [json.dumps(v, ensure_ascii=False) if not isinstance(v, str) else v for v in [*NODES, *LINKS, *bad]]
    (tmp_path / "a.jsonl").write_text("\n".join(values), "utf-8")
    folder = run(source(tmp_path / "a.jsonl", relations={"SECRET": ""}))
    assert facts(folder) == WANTED
    assert dropped(folder) == {
        "missing_node": 2, "no_relation": 1, "left_out": 1, "duplicate_node": 1, "no_name": 1, "not_an_object": 1,
        "bad_json": 1, "duplicate": 1,
    }  # fmt: skip
    reasons = [d.reason for d in store.read(folder, "dropped", Dropped) if d.rule == "missing_node"]
    assert any("node 99999 is in no file" in reason for reason in reasons)
    assert any("node 5000 was refused" in reason for reason in reasons)
    assert [f.message[:2] for f in store.read(folder, "findings", Finding) if f.rule == "relationship_properties"] == [
        "1 "
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "head,relation,tail\na,b,c\n", "no Neo4j export.*next:"),
        ("a.csv", ":START_ID,:END_ID,:TYPE\n1,2,X\n", "holds no node"),
        ("a.json", '{"type": "relationship"}\n{"type": "relationship"}', "holds no node"),
    ],
)
def test_what_is_no_export_is_one_error(run: Run, tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        run(source(tmp_path / name))
