"""Every format of a graph says the same as CMeKG records do, and bad input is one clear error or one counted drop."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from huatuo import store
from huatuo.errors import InputError, RecipeError
from huatuo.knowledge import rows
from huatuo.knowledge.entries import Refused, Remark
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Dropped, Entity, Fact, Finding

Run = Callable[..., Path]
WANTED = {("disease", f"病{i}", "临床症状", f"症{i}") for i in range(500)} | {
    ("disease", f"病{i}", "检查", f"查{i}") for i in range(500)
}


def source(path: Path, form: str, **more: Any) -> IngestSettings:
    return IngestSettings(graphs=(GraphSource.model_validate({"name": "g", "path": path, "format": form, **more}),))


def said(folder: Path) -> set[tuple[str, str, str, str]]:
    return {(f.kind, f.entity, f.relation, f.value) for f in store.read(folder, "facts", Fact)}


def dropped(folder: Path) -> Counter[str]:
    return Counter(d.rule for d in store.read(folder, "dropped", Dropped))


def findings(folder: Path) -> Counter[str]:
    return Counter(f.rule for f in store.read(folder, "findings", Finding))


TRIPLES = [row for i in range(500) for row in ((f"病{i}", "临床表现", f"症{i}"), (f"病{i}", "检查", f"查{i}"))]


def table(path: Path, lines: list[Any], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(lines)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def sheet(path: Path, lines: list[Any], name: str = "s") -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        made = book.add_worksheet(name)
        for number, line in enumerate(lines):
            made.write_row(number, 0, line)
    return path


HEADER = ("头实体", "关系", "尾实体")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize(("ending", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_triples_in_a_table(run: Run, tmp_path: Path, ending: str, delimiter: str, encoding: str) -> None:
    path = table(tmp_path / f"a.{ending}", [HEADER, *TRIPLES], delimiter, encoding)
    folder = run(source(path, "triples", kind="disease"))
    assert said(folder) == WANTED
    assert not dropped(folder)


@pytest.mark.slow
def test_triples_without_a_header_in_another_order_and_under_own_names(run: Run, tmp_path: Path) -> None:
    swapped = table(tmp_path / "a.tsv", [(t, h, r) for h, r, t in TRIPLES], "\t")
    columns = {"head": "2", "relation": "3", "tail": "1"}
    assert said(run(source(swapped, "triples", kind="disease", columns=columns))) == WANTED
    named = table(tmp_path / "b.csv", [("甲", "乙", "丙", "丁"), *[(*row, "某类") for row in TRIPLES]])
    columns = {"head": "甲", "relation": "乙", "tail": "丙", "kind": "丁"}
    folder = run(source(named, "triples", columns=columns, kinds={"某类": "disease"}), name="two")
    assert said(folder) == WANTED


def test_triples_in_json(run: Run, tmp_path: Path) -> None:
    lines = [dict(zip(("head", "relation", "tail"), row, strict=True)) for row in TRIPLES[:500]] + TRIPLES[500:]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    assert said(run(source(path, "triples", kind="disease"))) == WANTED


def test_the_spo_lists_of_cmekg_tools_and_cmeie(run: Run, tmp_path: Path) -> None:
    lists = [{"text": "…", "spo_list": [list(row), ["坏", "缺"]]} for row in TRIPLES[:500]]
    named = [
        {"subject": h, "predicate": r, "object": {"@value": t}, "subject_type": "疾病"} for h, r, t in TRIPLES[500:]
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps([*lists, {"text": "…", "spo_list": named}], ensure_ascii=False), "utf-8")
    folder = run(source(path, "cmekg", kind="disease"))
    assert said(folder) == WANTED
    assert dropped(folder) == {"not_a_triple": 500}


def test_the_kind_is_told_by_the_relations(run: Run, tmp_path: Path) -> None:
    triples = [
        ("某草", "性味", "苦"),
        ("某药", "OTC类型", "处方药"),
        ("某病", "多发季节", "冬"),
        ("某物", "检查", "血"),
        ("某草", "别名", "又名"),
    ]
    folder = run(source(table(tmp_path / "a.csv", [HEADER, *triples]), "triples"))
    assert {(kind, name) for kind, name, _, _ in said(folder)} == {
        ("herb", "某草"), ("drug", "某药"), ("disease", "某病"), ("entity", "某物"),
    }  # fmt: skip
    assert [e.aliases for e in store.read(folder, "entities", Entity) if e.name == "某草"] == [("又名",)]


def test_answers_and_crawls_of_the_cmekg_site(run: Run, tmp_path: Path) -> None:
    """Made by hand: the shape is what public crawlers of the site read, no answer of it is at hand."""
    answer = {
        "categories": [{"name": "中心词"}, {"name": "关系"}, {"name": "临床症状及体征"}, {"name": "同义词"}, {"name": "多发季节"}],
        "node": [
            {"name": "0", "category": 0, "label": "某病"},
            {"name": "1", "category": 1, "label": "临床症状及体征"},
            {"name": "2", "category": 2, "label": "甲症"},
            {"name": "3", "category": 2, "label": None},
            {"name": "4", "category": 3, "label": "又名"},
            {"name": "5", "category": 4, "label": "冬季"},
            {"name": "6", "category": 99, "label": "越界"},
        ],
        "link": [{"source": "0", "target": "1", "value": "临床症状及体征"}],
    }  # fmt: skip
    crawl = {"size": 2, "药物": [{"名称": "某药", "适应症": ["某病"], "成份": []}, {"适应症": ["无名"]}]}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
    (tmp_path / "in" / "b.json").write_text(json.dumps(crawl, ensure_ascii=False), "utf-8")
    folder = run(source(tmp_path / "in", "cmekg"))
    assert said(folder) == {
        ("disease", "某病", "临床症状", "甲症"), ("disease", "某病", "多发季节", "冬季"), ("drug", "某药", "适应证", "某病"),
    }  # fmt: skip
    assert [e.aliases for e in store.read(folder, "entities", Entity) if e.name == "某病"] == [("又名",)]
    assert dropped(folder) == {"no_name": 1, "no_relation": 1}


def test_variants_of_records(run: Run) -> None:
    folder = run(
        [
            {"核心词": "某药", "类": "西药", "适应症": ["甲"], "禁忌证": "乙", "同义词": ["又名"]},
            {"中心词": "某病", "class": "百种常见病", "临床表现": ["丙"], "所属科目": ["内科"]},
        ]
    )
    assert said(folder) == {
        ("drug", "某药", "适应证", "甲"), ("drug", "某药", "禁忌", "乙"),
        ("disease", "某病", "临床症状", "丙"), ("disease", "某病", "所属科室", "内科"),
    }  # fmt: skip


# ---------------------------------------------------------------- tables


WIDE = [("疾病名称", "类别", "临床表现", "检查", "备注")] + [
    (f"病{i}", "疾病", f"症{i}", f"查{i}", "略") for i in range(500)
]


@pytest.mark.slow
@pytest.mark.parametrize("column", ["类", "类别", "类型", "kind"])
def test_the_column_of_the_kind_is_found_by_its_name(run: Run, tmp_path: Path, column: str) -> None:
    rows = [("疾病名称", column, "检查"), *((f"病{i}", "疾病", f"查{i}") for i in range(1000))]
    folder = run(source(table(tmp_path / "a.csv", rows), "table"))
    assert {entity.kind for entity in store.read(folder, "entities", Entity)} == {"disease"}
    assert {fact[2] for fact in said(folder)} == {"检查"}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx"])
def test_a_table_with_an_entity_per_row(run: Run, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    _ = sheet(path, WIDE) if ending == "xlsx" else table(path, WIDE, "\t" if ending == "tsv" else ",")
    folder = run(source(path, "table", relations={"备注": ""}))
    assert said(folder) == WANTED
    assert not dropped(folder)


def test_cells_are_cut_only_where_the_recipe_says(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [("name", "检查", "别名"), ("甲", "血、尿；便", "乙；丙")])
    assert {s[3] for s in said(run(source(path, "table")))} == {"血、尿；便"}
    folder = run(source(path, "table", split="[;；]"), name="two")
    assert {s[3] for s in said(folder)} == {"血、尿", "便"}
    assert next(store.read(folder, "entities", Entity)).aliases == ("乙", "丙")


def test_a_workbook_with_merged_cells_formulas_numbers_and_dates(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet("封面").write(0, 0, "说明")
        made = book.add_worksheet("图 & 谱")
        made.write_row(0, 0, HEADER)
        made.merge_range(1, 0, 4, 0, "某药")
        made.write_column(1, 1, ["规格", "规格", "规格", "规格", "规格"])
        made.write(1, 2, "0.25g")
        made.write(2, 2, 1.0)
        made.write_formula(3, 2, '="0.5g"', None, "0.5g")
        made.write(4, 2, True)
        made.write_row(5, 0, [7, "规格", "1片"])
        made.write_row(8, 0, ["另药", "规格", ""])
    folder = run(source(path, "triples", sheet="图 & 谱", kind="drug"))
    assert said(folder) == {("drug", "某药", "规格", "0.25g")}
    assert dropped(folder) == {"not_text": 3, "formula": 1, "empty_value": 1}
    assert findings(folder)["merged_cells"] == 1
    reasons = [d.reason for d in store.read(folder, "dropped", Dropped)]
    assert any("row 3" in reason and "a number without its unit" in reason for reason in reasons)
    with pytest.raises(InputError, match="sheets: 封面, 图"):
        run(source(path, "triples", sheet="无"), name="two")


def test_rows_that_are_malformed_are_dropped_one_by_one(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    bad = [
        '"开,了,没关\n',
        "只有一格\n",
        "甲,乙,丙,丁\n",
        ",检查,x\n",
        "甲,,x\n",
        "甲,检查,\n",
        "\n",
        '"合"坏,检查,x\n',
    ]
    good = "".join(f"病{i},检查,查{i}\n" for i in range(1000))
    path.write_bytes(
        ("head,relation,tail\n" + good + "".join(bad) + good.replace("病", "疾")).encode() + b"\xff\xfe,a,b\n"
    )
    folder = run(source(path, "triples", kind="disease"))
    assert sum(1 for _ in said(folder)) == 2001
    assert dropped(folder) == {
        "bad_row": 2,
        "wrong_number_of_cells": 2,
        "no_head": 1,
        "no_relation": 1,
        "empty_value": 1,
    }
    assert findings(folder)["undecodable_bytes"] == 1
    assert findings(folder)["broken_character"] == 0  # the value is whole, its entity's name is not
    assert any("row 1002" in d.reason for d in store.read(folder, "dropped", Dropped))


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("a,b,c\n1,2,3\n", {}, r"no column for the head \(columns: a, b, c\).*next: set columns"),
        ("head,relation,tail\n1,2,3\n", {"columns": {"head": "名"}}, "no column '名'"),
        ("head,head,tail\n1,2,3\n", {}, "'head' stands twice"),
        ("\n\n", {}, "holds no row"),
        ("", {}, "is empty"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_error(
    run: Run, tmp_path: Path, text: str, more: dict[str, Any], says: str
) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        run(source(tmp_path / "a.csv", "triples", **more))


def test_a_damaged_workbook_is_one_error(run: Run, tmp_path: Path) -> None:
    whole = sheet(tmp_path / "a.xlsx", WIDE).read_bytes()
    for data in (whole[: len(whole) // 2], b"PK\x03\x04", "名称,检查\n".encode()):
        (tmp_path / "a.xlsx").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.xlsx: not a readable workbook.*next:"):
            run(source(tmp_path / "a.xlsx", "table"))


@pytest.mark.parametrize(
    ("form", "more", "says"),
    [
        ("triples", {"columns": {"haed": "x"}}, "columns names 'haed'.*knows: evidence, head"),
        ("triples", {"columns": {"head": "1", "tail": "t"}}, "mixes numbers and names"),
        ("cmekg", {"columns": {"head": "1"}}, "knows: none"),
        ("triples", {"split": "x"}, "split is for"),
        ("table", {"split": "["}, "no regular expression"),
        ("rdf", {"mapping": "/x"}, "takes no mapping"),
    ],
)
def test_settings_that_do_not_fit_the_format_are_refused(
    run: Run, tmp_path: Path, form: str, more: Any, says: str
) -> None:
    with pytest.raises(RecipeError, match=says):
        run(source(tmp_path, form, **more))


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8) | st.sampled_from(
    ['"', "a\nb", ",", '""', "\t"]
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@example(lines=[(",", "a\nb", ",")], tab=False)
@given(lines=st.lists(st.tuples(CELL, CELL, CELL), max_size=6), tab=st.booleans())
def test_what_a_csv_writer_writes_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Any], tab: bool
) -> None:
    path = tmp_path_factory.mktemp("t") / ("a.tsv" if tab else "a.csv")
    table(path, [("甲", "乙", "丙"), *lines], "\t" if tab else ",")
    got = [row for row in rows.open_table(path).rows]
    assert [tuple(row.cells.values()) for row in got if isinstance(row, rows.Row)] == [
        line for line in lines if any(line)
    ]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_rows_refusals_or_one_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("t") / "a.csv"
    path.write_bytes(data)
    found = []
    with suppress(InputError):
        found = [type(item) for item in rows.open_table(path).rows]
    assert set(found) <= {rows.Row, Refused, Remark}
