"""Ingest: sources become joined entities and facts, and every item that does not is accounted for."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.errors import InputError, RecipeError
from huatuo.recipe import DocumentSource, GraphSource, IngestSettings
from huatuo.records import Document, Dropped, Entity, Fact, Finding

Run = Callable[..., Path]


def facts(folder: Path) -> list[Fact]:
    return list(store.read(folder, "facts", Fact))


def entities(folder: Path) -> list[Entity]:
    return list(store.read(folder, "entities", Entity))


def dropped(folder: Path) -> Counter[str]:
    return Counter(d.rule for d in store.read(folder, "dropped", Dropped))


def findings(folder: Path) -> Counter[str]:
    return Counter(f.rule for f in store.read(folder, "findings", Finding))


def record(i: int, **more: Any) -> dict[str, Any]:
    return {"class": "百种常见病", "中心词": f"病{i}", "临床症状": [f"症{i}", f"征{i}"], **more}


@pytest.mark.slow
def test_a_thousand_records_become_facts(run: Run) -> None:
    folder = run([record(i) for i in range(1000)])
    assert len(entities(folder)) == 1000
    assert {(f.entity, f.value) for f in facts(folder)} == {(f"病{i}", f"{s}{i}") for i in range(1000) for s in "症征"}
    assert store.read_manifest(folder).kept == 3000
    assert not dropped(folder)


def test_spellings_kinds_evidence_and_places(run: Run) -> None:
    drug = {
        "class": "西药",
        "中心词": " 甲药\u200b",
        "别名": ["乙", "甲药", "乙"],
        "适应症": "咳，痰",
        "成份": [" ４×10⁹/L "],
    }
    folder = run(
        [
            {**drug, "来源": {"适应证": "guideline"}},
            {"核心词": "头晕", "检查": ["血压"]},
            {"class": "食物", "中心词": "梨"},
        ]
    )
    by_name = {e.name: e for e in entities(folder)}
    assert {n: e.kind for n, e in by_name.items()} == {"甲药": "drug", "头晕": "symptom", "梨": "食物"}
    assert by_name["甲药"].aliases == ("乙",)
    got = {f.relation: f for f in facts(folder)}
    assert (got["适应证"].value, got["适应证"].origin.evidence) == ("咳，痰", "guideline")
    assert got["成分"].value == "４×10⁹/L"
    assert got["成分"].origin.place == "line 1 成份[1]"
    assert findings(folder)["no_facts"] == 1


def test_bad_records_are_dropped_with_rule_and_place(run: Run) -> None:
    bad = [
        '{"中心词": "a", ',
        '{"中心词": "a", "检查": ["x"], "检查": ["y"]}',
        '{"中心词": "a", "检查": [NaN]}',
        {"检查": ["x"]},
        {"中心词": 7},
        ["x"],
        "null",
        '{"中心词": "\\udc00"}',
    ]
    folder = run([record(i) for i in range(1000)] + bad)
    assert len(entities(folder)) == 1000
    assert dropped(folder) == {
        "bad_json": 1, "duplicate_key": 1, "not_finite": 1, "no_name": 2, "not_an_object": 2, "lone_surrogate": 1,
    }  # fmt: skip
    assert "line 1001" in next(d.reason for d in store.read(folder, "dropped", Dropped))


def test_values_that_are_no_text_are_dropped_and_found(run: Run) -> None:
    folder = run([record(1, 并发症=["a", 5, None, {"x": 1}, ["b"], True, "  "], 病因=24, 来源=["x"])])
    assert [f.value for f in facts(folder) if f.relation in ("并发症", "病因")] == ["a"]
    assert dropped(folder) == {"not_text": 7, "empty_value": 1}
    assert findings(folder)["not_text"] == 7


@pytest.mark.slow
def test_ten_thousand_values_are_kept_with_a_finding(run: Run) -> None:
    folder = run([record(1, 并发症=[f"并{i}" for i in range(10_000)])])
    assert len(facts(folder)) == 10_002
    assert findings(folder)["many_values"] == 1


def test_twins_are_dropped_and_the_same_entity_is_joined(run: Run) -> None:
    folder = run([record(1), record(1, 临床症状=["症1", "新", "新"]), record(2)])
    assert [len(e.origins) for e in sorted(entities(folder), key=lambda e: e.name)] == [2, 1]
    assert sorted(f.value for f in facts(folder) if f.entity == "病1") == sorted(["症1", "征1", "新"])
    assert dropped(folder) == {"duplicate": 2}
    assert findings(folder)["same_value_twice"] == 1


@pytest.mark.slow
def test_two_sources_join_whatever_their_order(run: Run, tmp_path: Path) -> None:
    sources = []
    for name, value in (("b", "乙"), ("a", "甲")):
        path = tmp_path / name / "same.json"
        path.parent.mkdir()
        path.write_text(json.dumps([record(i, 病因=[value, "同"]) for i in range(1000)]), "utf-8")
        sources.append(GraphSource(name=name, path=path.parent))
    one = run(IngestSettings(graphs=tuple(sources)))
    two = run(IngestSettings(graphs=tuple(reversed(sources))), name="two")
    assert store.read_manifest(one).digest == store.read_manifest(two).digest
    assert {tuple(o.source for o in e.origins) for e in entities(one)} == {("a", "b")}
    assert Counter(f.origin.source for f in facts(one) if f.value == "同") == {"a": 1000, "b": 1000}
    assert len({f.id for f in facts(one)}) == len(facts(one)) == 8000
    assert not dropped(one)


def test_withheld_facts_are_flagged_and_depend_on_the_seed(run: Run) -> None:
    values = [record(i) for i in range(1000)]
    got = []
    for seed in (1, 1, 2):
        folder = run(values, seed=seed, withhold_share=0.125)
        got.append({f.entity for f in facts(folder) if "withheld" in f.flags})
        assert len(got[-1]) == 125
    assert got[0] == got[1] != got[2]


def test_flags_that_the_recipe_teaches_are_removed(run: Run) -> None:
    values = [record(1, 病因=["病1", "坏（"])]
    assert {f.flags for f in facts(run(values))} == {(), ("self_loop",), ("cut_off",)}
    assert {f.flags for f in facts(run(values, teach_flagged=("self_loop",)))} == {(), ("cut_off",)}
    with pytest.raises(RecipeError, match=r"known: .*cut_off"):
        run(values, teach_flagged=("cutoff",))


@pytest.mark.slow
def test_encodings_bom_crlf_and_odd_names(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "我的 图谱"
    folder.mkdir()
    lines = [json.dumps(record(i), ensure_ascii=False) for i in range(500)]
    (folder / "一 .jsonl").write_bytes("\r\n".join(lines).encode("gb18030"))
    (folder / "二.json").write_bytes(b"\xef\xbb\xbf" + ("[" + ",".join(lines) + "]").replace("病", "疾").encode())
    (folder / "空.json").touch()
    (folder / "说明.docx").write_bytes(b"x")
    (folder / ".hidden").write_bytes(b"x")
    os.chmod(folder, 0o555)
    made = run(IngestSettings(graphs=(GraphSource(name="g", path=folder),)))
    os.chmod(folder, 0o755)
    assert len(entities(made)) == 1000
    assert dropped(made) == {"empty_file": 1, "no_reader": 1}


def test_bytes_that_were_lost_are_flagged(run: Run, tmp_path: Path) -> None:
    data = json.dumps([record(i) for i in range(50)], ensure_ascii=False).encode().replace("征7".encode(), b"\xe5\xbe7")
    (tmp_path / "a.json").write_bytes(data.replace("征8".encode(), "征\\u0000".encode()))
    made = run(IngestSettings(graphs=(GraphSource(name="g", path=tmp_path / "a.json"),)))
    assert [f.flags for f in facts(made) if f.flags] == [("broken_character",)] * 2
    assert findings(made)["undecodable_bytes"] == 1


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({}, RecipeError, "neither graphs nor documents"),
        ({"graphs": [{"name": "g", "path": "/nonexistent/x"}]}, InputError, "/nonexistent/x"),
        ({"documents": [{"name": "g", "path": "/nonexistent/x"}]}, InputError, "/nonexistent/x"),
        ({"graphs": [{"name": "g", "path": "/"}], "documents": [{"name": "g", "path": "/"}]}, RecipeError, "two sources named 'g'"),
        ({"graphs": [{"name": "g", "path": "/", "format": "mapping"}]}, RecipeError, "needs a mapping"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(
    run: Run, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        run(IngestSettings.model_validate(settings))


def test_an_empty_file_or_folder_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder").mkdir()
    for path in ("empty.json", "folder"):
        with pytest.raises(InputError, match=path):
            run(IngestSettings(graphs=(GraphSource(name="g", path=tmp_path / path),)))
        with pytest.raises(InputError, match=path):
            run(IngestSettings(documents=(DocumentSource(name="g", path=tmp_path / path),)))


def test_documents_have_titles_languages_and_unchanged_text(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "文 档"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_bytes("﻿# 高血压\r\n\r\n体温38.5℃，4×10⁹/L，½片。\r\n".encode())
    (folder / "b.txt").write_bytes("糖尿病需要长期治疗和管理。".encode("gb18030"))
    (folder / "sub" / "c.md").write_text("Wash your hands for twenty seconds.\n")
    (folder / "sub" / "copy.txt").write_text("")
    (folder / "sub" / "b.txt").write_bytes("糖尿病需要长期治疗和管理。".encode())
    (folder / "bin.txt").write_bytes(random.Random(0).randbytes(5000))
    made = run(IngestSettings(documents=(DocumentSource(name="d", path=folder, genre="book", evidence="web"),)))
    got = {d.title: d for d in store.read(made, "documents", Document)}
    assert got["高血压"].text == "# 高血压\n\n体温38.5℃，4×10⁹/L，½片。\n"
    assert got["高血压"].origin.place == "# 高血压"
    assert (got["b"].language, got["c"].language, got["b"].genre, got["b"].origin.evidence) == (
        "zh",
        "en",
        "book",
        "web",
    )
    assert len(got) == 3
    assert dropped(made) == {"duplicate": 1, "empty_file": 1, "not_text": 1}


def test_an_overlong_line_is_dropped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huatuo.readers.encoding.LONGEST_LINE", 2000)
    folder = run([record(1), record(2, 病因=["长" * 3000]), record(3)])
    assert dropped(folder) == {"line_too_long": 1}
    assert len(entities(folder)) == 2
