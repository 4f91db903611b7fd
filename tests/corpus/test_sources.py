"""Texts of any amount are read as a stream; what is damaged is one counted row, or one clear error."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from huatuo.corpus import sources, tables
from huatuo.corpus.sources import SCHEMA, check, read_all, shards
from huatuo.errors import InputError
from huatuo.files import content_id
from huatuo.recipe_curate import CorpusSource

RECORDS = [{"title": f"条目{i}", "text": f"第{i}条：每日3次，每次0.5 g。", "n": i} for i in range(3000)]
LINES = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in RECORDS).encode()


def source(path: Path, **keys: Any) -> CorpusSource:
    return CorpusSource(name="s", path=path, **keys)


def rows(path: Path, **keys: Any) -> list[dict[str, Any]]:
    batches = list(read_all([source(path, **keys)]))
    assert all(batch.schema == SCHEMA for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def reasons(found: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["reason"].partition(":")[0] for row in found))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.jsonl", bytes),
        ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.gz", lambda d: gzip.compress(d[:9999]) + gzip.compress(d[9999:])),
        ("a.jsonl.zst", zstd),
        ("a.jsonl.zst", lambda d: zstd(d[:5000]) + zstd(d[5000:])),
        ("a.ndjson.bz2", bz2.compress),
        ("packed.gz", gzip.compress),
    ],
)
def test_json_lines_are_read_whatever_packs_them(tmp_path: Path, name: str, pack: Any) -> None:
    found = rows(written(tmp_path / name, pack(LINES)), genre="book", language="zh", evidence="textbook")
    assert [r["text"] for r in found] == [r["text"] for r in RECORDS]
    assert found[7]["title"] == "条目7"
    assert {(r["source"], r["genre"], r["language"], r["reason"]) for r in found} == {("s", "book", "zh", "")}
    assert found[7]["origin"] == {
        "source": "s",
        "file": name,
        "place": "line 8",
        "evidence": "textbook",
        "document": "",
        "span": None,
    }
    assert len({r["id"] for r in found}) == 3000
    assert all(len(r["id"]) == 32 for r in found[:9])


@pytest.mark.slow
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_packed_file_that_is_cut_off_keeps_what_came_before(tmp_path: Path, pack: Any) -> None:
    many = LINES * 5
    found = rows(written(tmp_path / "a.jsonl.gz", pack(many)[:-200]))
    assert reasons(found).keys() == {"", "truncated"}
    assert reasons(found)["truncated"] == 1
    assert 1_000 < len(found) < 15_001
    assert found[-1]["reason"].startswith("truncated: the packed file ends in the middle after line ")
    assert found[-2]["text"] == RECORDS[(len(found) - 2) % 3000]["text"]


def test_a_packed_file_that_is_broken_is_counted(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(LINES))
    data[2000:2400] = b"\xff" * 400
    assert reasons(rows(written(tmp_path / "a.jsonl.gz", bytes(data))))["damaged"] == 1


def test_an_endless_line_is_skipped_and_the_rest_is_read(tmp_path: Path) -> None:
    data = LINES[: LINES.index(b"\n") + 1] + b'{"text": "' + b"x" * 5_000_000 + b'"}\n' + LINES
    found = rows(written(tmp_path / "a.jsonl", data), longest=1_000_000)
    assert len(found) == 3002
    assert found[1]["reason"].startswith("line_too_long: 5,000,012 bytes from byte ")
    assert found[1]["text"] == ""
    assert found[2]["text"] == RECORDS[0]["text"]


def test_invalid_utf8_in_the_middle_is_dropped_by_position(tmp_path: Path) -> None:
    lines = LINES.splitlines(keepends=True)
    lines[5] = b'{"text": "ab\xffcd"}\n'
    place = len(b"".join(lines[:5])) + len(b'{"text": "ab')
    found = rows(written(tmp_path / "a.jsonl", b"".join(lines)))
    assert f"(byte {place:,})" in found[5]["reason"]
    assert reasons(found) == {"": 2999, "undecodable_bytes": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"{not json", "bad_json"),
        (b'{"text": "a", "text": "b"}', "duplicate_key"),
        (b'{"other": "a"}', "missing_field"),
        (b'{"text": null}', "missing_field"),
        (b'{"text": 5}', "missing_field"),
        (b"[1, 2]", "missing_field"),
        (b'{"text": "  \\n "}', "empty_text"),
        (b'{"text": "a\\ud800b"}', "lone_surrogate"),
    ],
)
def test_a_bad_record_is_one_dropped_row(tmp_path: Path, line: bytes, rule: str) -> None:
    found = rows(written(tmp_path / "a.jsonl", LINES + line + b"\n\n" + LINES))
    assert reasons(found) == {"": 6000, rule: 1}
    assert not found[3000]["text"]


def test_wrong_keys_are_one_error_with_the_nearest_one(tmp_path: Path) -> None:
    data = b"".join(json.dumps({"contnet": "x", "url": "u"}).encode() + b"\n" for _ in range(150))
    path = written(tmp_path / "a.jsonl", data)
    with pytest.raises(
        InputError, match=r"none of the first 100 records has a text at text or .*did you mean 'contnet'"
    ):
        rows(path)
    assert len(rows(path, text="contnet")) == 150
    with pytest.raises(InputError, match="none of the first 1 records"):
        rows(written(tmp_path / "b.jsonl", b'{"url": "u"}\n'))


def test_an_empty_shard_is_one_dropped_row(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", b"")
    written(tmp_path / "b.jsonl", LINES)
    written(tmp_path / "c.jsonl.gz", gzip.compress(b""))
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "d.parquet")
    assert reasons(rows(tmp_path)) == {"empty_file": 3, "": 3000}


# ---------------------------------------------------------------- Parquet


def test_parquet_is_read_by_column(tmp_path: Path) -> None:
    texts = ["甲" * 30, None, "", "乙" * 30, "x" * 5000]
    table = pa.table({"content": texts, "name": ["a", "b", "c", None, "e"], "key": [5, 6, 7, 8, 9]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = rows(tmp_path / "a.parquet", longest=2048)
    assert [r["reason"].partition(":")[0] for r in found] == ["", "missing_field", "empty_text", "", "too_large"]
    assert [r["title"] for r in found] == ["a", "", "c", "", ""]
    assert [r["origin"]["place"] for r in found][:2] == ["row 1", "row 2"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"title": "name"}, {"id": "key"}, {"id": "word", "title": "name"}])
def test_a_parquet_read_by_columns_gives_the_rows_of_one_read_record_by_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    count = 4_000
    texts = [f"{n} 患者 takes 2.5 mg\n每日一次。" for n in range(count)]
    texts[3_100:3_104] = ["", "\u3000\n", "\x1c", " 甲" * 20]  # their thousand is read record by record
    names = [None if n % 7 == 0 else f"名 {n}" for n in range(count)]
    keys = [None if n % 11 == 0 else n for n in range(count)]
    words = pa.array([f"w{n}" for n in range(count)], pa.large_string())
    table = pa.table({"text": texts, "name": names, "key": pa.array(keys, pa.int64()), "word": words})
    pq.write_table(table, tmp_path / "a.parquet")
    fast = rows(tmp_path / "a.parquet", **more)
    asked: list[int] = []
    monkeypatch.setattr(tables, "plain", lambda batch, *_: asked.append(batch.num_rows))
    assert rows(tmp_path / "a.parquet", **more) == fast
    assert sum(asked) == len(fast) == count
    assert [n for n, row in enumerate(fast) if row["reason"]] == [3_100, 3_101, 3_102]


def test_a_text_of_a_parquet_that_is_no_utf8_is_dropped_alone(tmp_path: Path) -> None:
    wrong = pa.array([b"abc" * 20, b"ab\xff\xfe" * 20, "甲".encode() * 20]).view(pa.string())
    pq.write_table(pa.table({"text": wrong}), tmp_path / "a.parquet")
    found = rows(tmp_path / "a.parquet")
    assert [r["reason"].partition(":")[0] for r in found] == ["", "undecodable_bytes", ""]
    assert "40 places are not valid utf-8 (byte 2, 3," in found[1]["reason"]
    assert [r["text"] for r in found] == ["abc" * 20, "", "甲" * 20]


def test_a_parquet_without_the_column_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"txt": ["a"], "n": [1]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b.parquet: no column text or .*found txt, n \(did you mean 'txt'\?\)"):
        check([source(tmp_path)])
    with pytest.raises(InputError, match=r"no column titel; found text"):
        check([source(tmp_path / "a.parquet", title="titel")])
    with pytest.raises(InputError, match="column 'n' holds int64; expected text"):
        check([source(tmp_path / "b.parquet", text="n")])
    whole = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(InputError, match="not a whole Parquet file"):
        check([source(written(tmp_path / "c.parquet", whole[:-20]))])


# ---------------------------------------------------------------- WARC


def warc(payloads: list[tuple[str, str, bytes, str]], packed: bool = True) -> bytes:
    """A WARC file of (record type, content type, body, HTTP status), each record a member of its own where packed."""
    pytest.importorskip("warcio")
    made = [_record("warcinfo", "application/warc-fields", b"software: test\r\n", 0)]
    for number, (kind, content, body, status) in enumerate(payloads, 1):
        if kind == "response":
            body = f"HTTP/1.1 {status}\r\nContent-Type: {content}\r\n\r\n".encode() + body
            content = "application/http; msgtype=response"
        made.append(_record(kind, content, body, number))
    return b"".join(gzip.compress(record) if packed else record for record in made)


def _record(kind: str, content: str, body: bytes, number: int) -> bytes:
    head = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:00000000-0000-0000-0000-{number:012}>",
        "WARC-Date": "2026-11-01T00:00:00Z",
        "WARC-Target-URI": f"http://e.org/{number}",
        "Content-Type": content,
        "Content-Length": str(len(body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"WARC/1.0\r\n{lines}\r\n".encode() + body + b"\r\n\r\n"


def test_warc_and_wet_records_become_texts(tmp_path: Path) -> None:
    page = "<html><head><title>糖代谢</title></head><body><p>4×10<sup>9</sup>/L</p></body></html>"
    data = warc(
        [
            ("conversion", "text/plain", "标题行\n正文每日3次。".encode(), ""),
            ("response", "text/html; charset=utf-8", page.encode(), "200 OK"),
            ("response", "text/html; charset=gb2312", page.encode("gb18030"), "200 OK"),
            ("response", "text/html", page.encode(), "404 Not Found"),
            ("response", "image/png", b"\x89PNG", "200 OK"),
            ("request", "application/http; msgtype=request", b"GET / HTTP/1.1\r\n\r\n", ""),
            ("conversion", "text/plain", b"x" * 3000, ""),
        ]
    )
    found = rows(written(tmp_path / "a.warc.gz", data), longest=2048)
    assert [r["reason"].partition(":")[0] for r in found] == ["", "", "", "http_status", "no_reader", "too_large"]
    assert [r["title"] for r in found[:3]] == ["标题行", "糖代谢", "糖代谢"]
    assert found[1]["text"] == found[2]["text"] == "4×10⁹/L"
    assert found[1]["origin"]["place"] == "record 2 http://e.org/2"


@pytest.mark.parametrize("packed", [True, False])
def test_a_warc_that_is_cut_off_keeps_what_came_before(tmp_path: Path, packed: bool) -> None:
    dice = random.Random(1)
    noise = [dice.randbytes(3000).hex().encode() for _ in range(30)]
    data = warc([("conversion", "text/plain", body, "") for body in noise], packed)
    found = rows(written(tmp_path / "a.warc", data[:-2000]))
    assert reasons(found)["truncated"] == 1
    assert len(found) >= 28 + 2 * (not packed)  # a piece of 16 KiB is lost with the end of its packing


def test_what_is_no_warc_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a WARC file"):
        rows(written(tmp_path / "a.warc", b"hello\n" * 50))


# ---------------------------------------------------------------- folders, ids, memory


def test_a_folder_holds_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    written(tmp_path / "deep" / "a.md", "# 头\n\n正文一段。".encode())
    written(tmp_path / "b.jsonl", LINES)
    pq.write_table(pa.table({"text": ["一段"]}), tmp_path / "c.parquet")
    written(tmp_path / "d.exe", b"MZ\0\0")
    written(tmp_path / ".hidden.jsonl", b"{")
    found = rows(tmp_path)
    assert reasons(found) == {"": 3002, "no_reader": 1}
    assert [s.within for s in shards(source(tmp_path))] == ["b.jsonl", "c.parquet", "d.exe", "deep/a.md"]
    assert [s.kind for s in shards(source(tmp_path))] == ["jsonl", "parquet", "other", "document"]
    assert [s.within for s in shards(source(tmp_path, glob="**/*.md"))] == ["deep/a.md"]
    with pytest.raises(InputError, match="no file fits"):
        shards(source(tmp_path, glob="*.pdf"))
    with pytest.raises(InputError, match="no such file or folder"):
        shards(source(tmp_path / "gone"))


def test_an_id_of_the_records_own_does_not_depend_on_the_files(tmp_path: Path) -> None:
    half = LINES[: LINES.index(b"\n", len(LINES) // 2) + 1]
    written(tmp_path / "whole.jsonl", LINES)
    (tmp_path / "cut").mkdir()
    written(tmp_path / "cut" / "1.jsonl", LINES[len(half) :])
    written(tmp_path / "cut" / "2.jsonl.gz", gzip.compress(half))
    one = {(r["id"], r["text"]) for r in rows(tmp_path / "whole.jsonl", id="n")}
    assert one == {(r["id"], r["text"]) for r in rows(tmp_path / "cut", id="n")}
    assert len({i for i, _ in one}) == 3000
    assert {r["id"] for r in rows(tmp_path / "cut")}.isdisjoint({r["id"] for r in rows(tmp_path / "whole.jsonl")})


def test_batches_are_bounded_by_rows_and_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.jsonl", LINES)
    assert [b.num_rows for b in read_all([source(path)])] == [2000, 1000]
    monkeypatch.setattr(sources, "BATCH_CHARS", 1000)
    sizes = [b.num_rows for b in read_all([source(path)])]
    assert sum(sizes) == 3000
    assert max(sizes) < 70


_MEASURE = """
import re, sys
from pathlib import Path
from huatuo.corpus.sources import read_all
from huatuo.recipe_curate import CorpusSource
rows = sum(b.num_rows for b in read_all([CorpusSource(name="s", path=Path(sys.argv[1]))]))
print(rows, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"{i} " + "某药每日3次。" * 60}, ensure_ascii=False) for i in range(8_000)]
    used = []
    for times in (1, 4):
        path = written(tmp_path / f"{times}.jsonl.gz", gzip.compress(("\n".join(lines) + "\n").encode() * times, 1))
        said = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=True)
        count, kilobytes = map(int, said.stdout.split())
        assert count == 8_000 * times
        used.append(kilobytes)
    assert used[1] < used[0] + 10_000


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_an_id_of_ones_own_counts_where_there_is_one(kind: str, tmp_path: Path) -> None:
    rows = [{"id": f"r{n}" if n % 3 else None, "text": f"第{n}条记录的文字。"} for n in range(30)]
    path = tmp_path / f"in.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = CorpusSource.model_validate({"name": "s", "path": path, "id": "id"})
    found = [name for batch in read_all([source]) for name in batch.column("id").to_pylist()]
    own = [content_id("text", "s", "own", f"r{n}") for n in range(30) if n % 3]
    assert [name for n, name in enumerate(found) if n % 3] == own
    placed = found[::3]
    assert len({*placed}) == 10
    assert not {*placed} & {*own, content_id("text", "s", "own", "")}
