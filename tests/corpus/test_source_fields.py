"""Texts of several fields, of tables and of XML records; books whole in memory once, however many passages they have."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from huatuo.corpus import engines
from huatuo.corpus.sources import check, read_all
from huatuo.errors import InputError
from huatuo.recipe_curate import CorpusSource

ASKED = [
    (f"第{i}问：铁剂怎么服？", "" if i % 5 == 0 else f"补充{i}", f"饭后服，第{i}次复查血红蛋白。") for i in range(1200)
]


def rows(path: Path, **keys: Any) -> list[dict[str, Any]]:
    made = CorpusSource(name="s", path=path, **keys)
    check([made])
    return [row for batch in read_all([made]) for row in batch.to_pylist()]


def table(encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["department", "ask", "more", "answer"])
    writer.writerows(("内科", *row) for row in ASKED)
    return out.getvalue().encode(encoding)


EXPECTED = ["\n".join(part for part in row if part) for row in ASKED]
FIELDS = ("ask", "more", "answer")


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "csv", "gb18030"])
def test_several_fields_are_one_text_in_their_order(kind: str, tmp_path: Path) -> None:
    records = [dict(zip(FIELDS, row, strict=True)) for row in ASKED]
    path = tmp_path / f"a.{'csv' if kind == 'gb18030' else kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    elif kind == "json":
        path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_bytes(table("gb18030" if kind == "gb18030" else "utf-8"))
    assert [row["text"] for row in rows(path, text=FIELDS)] == EXPECTED


def test_a_field_that_is_missing_or_nested(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": {"text": "问"}, "a": "答"}\n{"a": "只有答"}\n{"b": 1}\n', encoding="utf-8")
    found = rows(path, text=("q.text", "a"))
    assert [row["text"] for row in found] == ["问\n答", "只有答", ""]
    assert found[2]["reason"] == "missing_field: no text at q.text or a; found b"
    assert [row["text"] for row in rows(path, text="q.text")] == ["问", "", ""]


def test_a_table_is_read_by_its_line_of_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'id,title,text\n7,铁剂,"饭后服\n连服三月"\n8,钙剂,\n\n9,"未闭合,坏行\n10,锌剂,晨服\n', encoding="utf-8"
    )
    found = rows(path, id="id")
    assert [(row["title"], row["text"], row["reason"].partition(":")[0]) for row in found] == [
        ("铁剂", "饭后服\n连服三月", ""),
        ("钙剂", "", "empty_text"),
        ("", "", "bad_row"),
        ("锌剂", "晨服", ""),
    ]
    assert found[0]["origin"]["place"] == "row 2"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no column text or content .*found a, b"):
        rows(path)
    with pytest.raises(InputError, match=r"no column c; found a, b"):
        rows(path, text=("a", "c"))
    path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected a line of names"):
        rows(path)


def test_an_element_of_xml_is_a_text_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    pair = "<Pair><Q>Does tea hinder iron?</Q><A>It does; wait two hours.</A></Pair>"
    (tmp_path / "a.xml").write_text(f"<?xml version='1.0'?><Doc><Code>C001</Code>{pair * 3}</Doc>")
    found = rows(tmp_path, record="Pair")
    assert len(found) == 3
    assert all("C001" not in row["text"] and "two hours" in row["text"] for row in found)


BOOKS = """
import random, re
from pathlib import Path
import pyarrow as pa
from huatuo.corpus.engines import ROWS
from huatuo.corpus.passes import CLEAN, Segmented
from huatuo.corpus.segments import cut

dice = random.Random(1)
book = "".join("".join(dice.choices("患者服用药物后症状减轻仍需定期复查血压血糖", k=30)) + "。" for _ in range(8_000))
origin = {"source": "s", "file": "f", "place": "p", "evidence": "", "document": "", "span": None}
given = {"source": "s", "language": "zh", "genre": "book", "title": "", "origin": origin, "reason": "", "chars": len(book)}
pieces = [piece._asdict() for piece in cut(book, "", "zh", 400)]
rows = [{"id": f"{i}", "text": book, "pieces": pieces, **given} for i in range(4)]
made = Segmented(12, 40, False)(pa.RecordBatch.from_pylist(rows, schema=CLEAN))
peak = re.search("VmHWM:\\\\s+([0-9]+)", Path("/proc/self/status").read_text())
print(len(made.column(ROWS).flatten()), int(peak[1]) // 1000)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_book_is_not_copied_for_each_of_its_passages() -> None:
    """Four books of 248,000 characters took 2 GB, and a chunk of fifty ended the process."""
    done = subprocess.run([sys.executable, "-c", BOOKS], capture_output=True, text=True, check=True)
    passages, megabytes = map(int, done.stdout.split())
    assert passages > 2_000
    assert megabytes < 700


def test_many_small_files_are_written_in_time_linear_in_their_number(tmp_path: Path) -> None:
    """Sizes were summed anew for every batch that waits: 10,000 files took minutes."""
    asked = 0

    class Counted(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            nonlocal asked
            asked += 1
            return super().__iter__()

    files = engines._Files(tmp_path, "part", pa.schema([("id", pa.string())]), waiting=Counted())
    for number in range(500):
        files.add(pa.RecordBatch.from_pydict({"id": [str(number)]}))
    assert asked == 0
    files.flush()
    assert pq.read_table(tmp_path / "part-00000.parquet")["id"].to_pylist() == [str(i) for i in range(500)]
