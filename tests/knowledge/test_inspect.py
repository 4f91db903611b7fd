"""Any file says what it is, on one screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import InputError
from huatuo.knowledge.inspect import inspect


def lines(tmp_path: Path, values: list[Any], name: str = "a.jsonl") -> Path:
    (tmp_path / name).write_text("\n".join(json.dumps(v, ensure_ascii=False) for v in values), "utf-8")
    return tmp_path / name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"中心词": "肺炎", "检查": ["胸片"]}, "knowledge graph"),
        ({"instruction": "问", "input": "", "output": "答"}, "instruction pairs"),
        ({"question": "问", "options": {"A": "甲"}, "answer": "A"}, "exam questions"),
        ({"messages": [{"role": "user", "content": "问"}]}, "conversations"),
        ({"info": {"name": "x"}}, "nested records"),
        ({"x": 1}, "records"),
        ("文本", "texts in a list"),
        (["a", "b"], "JSON values of type list"),
    ],
)
def test_the_kind_is_guessed(tmp_path: Path, value: Any, kind: str) -> None:
    made = inspect(lines(tmp_path, [value] * 1000))
    assert made.kind.startswith(kind)
    assert (made.records, made.duplicates) == (1000, 999)


def test_lengths_languages_and_repeats_by_field(tmp_path: Path) -> None:
    values = [
        {"instruction": f"问题{i % 500}", "output": "an answer in English" if i % 2 else "中文回答", "n": i}
        for i in range(1000)
    ]
    made = inspect(lines(tmp_path, values))
    assert len(made.fields["instruction"].lengths) - len(made.fields["instruction"].seen) == 500
    assert made.fields["n"].other == {"int": 1000}
    assert made.languages["zh"] >= 500
    assert 8 <= len(list(made.lines())) <= 40


def test_a_graph_is_checked(tmp_path: Path) -> None:
    values = [{"中心词": f"症{i}", "检查": ["血", "血", f"症{i}", 5]} for i in range(1000)]
    made = inspect(lines(tmp_path, values))
    assert made.counts["facts"] == 2000
    assert made.findings["self_loop"] == made.findings["not_text"] == made.findings["same_value_twice"] == 1000


def test_bad_lines_encoding_and_other_records_are_counted(tmp_path: Path) -> None:
    good = [
        json.dumps({"question": f"问题{i}怎么办", "answer": "白细胞4×109/L"}, ensure_ascii=False) for i in range(100)
    ]
    (tmp_path / "a.txt").write_bytes("\r\n".join([*good, '{"question": ', '["x"]']).encode("gb18030"))
    made = inspect(tmp_path / "a.txt")
    assert made.encodings == {"gb18030": 1}
    assert made.findings == {"bad_json": 1, "mixed_records": 1, "text_unit_loss": 100}
    assert any("bad_json: 1, for example a.txt line 101" in line for line in made.lines())


def test_a_table_with_line_ends_in_cells(tmp_path: Path) -> None:
    text = "ask,answer\r\n" + '"头痛\n怎么办",多休息\r\n' * 1000 + "只有一格\r\n"
    (tmp_path / "a.csv").write_bytes(text.encode("gb18030"))
    made = inspect(tmp_path / "a.csv")
    assert (made.kind, made.records) == ("table", 1001)
    assert made.findings["wrong_number_of_cells"] == 1


def test_documents_in_a_folder_with_a_blank_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "我的 文档"
    folder.mkdir()
    (folder / "a.md").write_text("# 标题\n\n正文。\n", "utf-8")
    (folder / "空.txt").touch()
    made = inspect(folder)
    assert (made.kind, made.records, made.findings) == ("documents", 1, {"empty_file": 1})
    assert made.counts == {"headings": 1, "paragraphs": 1}


@pytest.mark.parametrize("name", ["missing", "empty.json", "folder", "scan.pdf"])
def test_what_cannot_be_inspected_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7\n...")
    with pytest.raises(InputError, match="next:"):
        inspect(tmp_path / name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.csv", "头实体,关系,尾实体\n" + "".join(f"病{i},检查,病{i}\n" for i in range(1000)), "triples"),
        ("a.csv", ":ID,name,检查\n" + "".join(f"{i},病{i},病{i}\n" for i in range(1000)), "neo4j"),
        ("a.csv", "名称,检查\n" + "".join(f"病{i},病{i}\n" for i in range(1000)), "table"),
        ("a.nt", "".join(f'<http://a/病{i}> <http://a/检查> "病{i}" .\n' for i in range(1000)), "rdf"),
        ("a.json", json.dumps([{"spo_list": [[f"病{i}", "检查", f"病{i}"]]} for i in range(1000)]), "cmekg"),
        ("a.json", json.dumps([{"head": f"病{i}", "relation": "检查", "tail": f"病{i}"} for i in range(1000)]), "triples"),
    ],
)  # fmt: skip
def test_a_graph_of_any_format_is_recognised_and_checked(tmp_path: Path, name: str, text: str, form: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    made = inspect(tmp_path / name)
    assert made.kind == f'knowledge graph (format = "{form}")'
    assert (made.counts["facts"], made.findings["self_loop"]) == (1000, 1000)
    assert list(made.lines())[-1].endswith(f'format = "{form}"')


def test_a_folder_of_neo4j_files_is_one_graph(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text(":ID,name,:LABEL\n1,甲,Disease\n2,乙,Symptom\n", "utf-8")
    (tmp_path / "links.csv").write_text(":START_ID,:END_ID,:TYPE\n1,2,HAS_SYMPTOM\n1,9,HAS_SYMPTOM\n", "utf-8")
    made = inspect(tmp_path)
    assert (made.counts["entities"], made.counts["facts"], made.findings["missing_node"]) == (2, 1, 1)
