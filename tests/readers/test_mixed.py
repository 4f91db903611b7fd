"""Files whose lines come from several programs: each line is read in its own encoding, or said to be lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.readers.encoding import decode, read_lines
from huatuo.readers.jsonfile import records
from huatuo.readers.mojibake import mojibake
from huatuo.readers.tables import Flaw, lines


@pytest.mark.slow
@pytest.mark.parametrize("odd", ["gb18030", "big5"])
@pytest.mark.parametrize("rows", [3, 20, 1000, 20_000])
def test_one_odd_line_among_utf8_is_read_and_named(tmp_path: Path, rows: int, odd: str) -> None:
    path = tmp_path / "a.csv"
    texts = [f"甲病{i},治疗,咳嗽" for i in range(rows)]
    data = [text.encode() for text in texts]
    texts[1] = "乙病的治法,治療,頭痛" if odd == "big5" else "乙病,症状,发热头痛"
    data[1] = texts[1].encode(odd)
    path.write_bytes(b"\n".join(data))
    got = list(read_lines(path))
    assert [text for _, text, _ in got] == texts
    assert [(number, p.rule) for number, _, problems in got for p in problems] == [(2, "mixed_encodings")]
    whole = decode(path.read_bytes())
    assert (whole.text.split("\n"), whole.encoding, len(whole.problems)) == (texts, "utf-8", 1)
    assert "line 2" in whole.problems[0].message
    flaws = [item for item in lines(path) if isinstance(item, Flaw)]
    assert [(flaw.place, flaw.rule, flaw.is_lost) for flaw in flaws] == [("row 2", "mixed_encodings", False)]


@pytest.mark.slow
@pytest.mark.parametrize("share", [2, 3, 10])
def test_utf8_lines_in_a_gbk_file_are_read(tmp_path: Path, share: int) -> None:
    texts = [json.dumps({"head": f"乙病{i}", "tail": "发热头痛"}, ensure_ascii=False) for i in range(1000)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(t.encode("utf-8" if i % share == 1 else "gbk") for i, t in enumerate(texts)))
    assert [json.dumps(raw.value, ensure_ascii=False) for raw in records(path)] == texts
    assert sum(raw.problem is not None for raw in records(path)) in (1000 // share, 1000 - 1000 // share)


def test_an_array_with_an_odd_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('[{"a": "甲病的症状"},\n'.encode() + '{"a": "咳嗽头痛"}]'.encode("gbk"))
    got = list(records(path))
    assert [raw.value for raw in got] == [{"a": "甲病的症状"}, {"a": "咳嗽头痛"}]
    assert [raw.problem.rule for raw in got if raw.problem] == ["mixed_encodings"]


def test_a_cut_character_is_lost_and_not_another_encoding() -> None:
    data = "甲病,症状,咳嗽\n乙病,症状,".encode() + "头痛".encode()[:-1] + "\n丙病,症状,乏力\n".encode()
    made = decode(data)
    assert made.encoding == "utf-8"
    assert [p.rule for p in made.problems] == ["undecodable_bytes"]
    assert "乙病,症状,头" in made.text


@pytest.mark.parametrize("name", ["乙病", "咳嗽", "发热头痛", "糖尿病足", "慢性支气管炎"])
@pytest.mark.parametrize("encoding", ["gb18030", "latin-1", "cp1252"])
def test_utf8_read_in_another_encoding_is_found(name: str, encoding: str) -> None:
    assert mojibake(name.encode().decode(encoding, "ignore"))


@given(st.text(st.sampled_from("的病症痛热咳血压α～β≥℃、，。()0123456789mgé瘰疬䗪"), max_size=40))
def test_genuine_text_is_no_mojibake(text: str) -> None:
    assert mojibake(text.replace("éé", "é ")) == ""


@pytest.mark.parametrize(
    "text", ["Ménière病", "36.5±0.5℃", "β-内酰胺类", "瘰疬", "齆鼻", "癥瘕痃癖", "×10⁹/L", "黄芪䗪虫"]
)
def test_rare_words_are_no_mojibake(text: str) -> None:
    assert mojibake(text) == ""


@pytest.mark.parametrize(
    ("rows", "lost", "kept"),
    [
        (['甲病,症状,"咳嗽', "乙病,症状,发热", '丙病,症状,"乏力"', "丁病,症状,晕"], [1], [2, 3, 4]),
        (['甲病,症状,"咳嗽', "乙病,症状,发热", '丙病,症状,乏力"', "丁病,症状,晕"], [1], [2, 3, 4]),
        (['甲病,症状,"咳嗽', "乙病,症状,发热"], [1], [2]),
        (['甲病,症状,"咳嗽，', '发热"', "乙病,症状,晕"], [], [1, 3]),
        (['甲病,"症', '状",晕', "乙病,症状,晕"], [], [1, 3]),
        (['"一问，二,三', '",甲,乙', "丙,丁,戊"], [], [1, 3]),
    ],
)
def test_an_unclosed_quote_costs_its_own_row_alone(
    tmp_path: Path, rows: list[str], lost: list[int], kept: list[int]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    made = list(lines(path))
    assert [item.place for item in made if isinstance(item, Flaw)] == [f"row {n}" for n in lost]
    assert [item[0] for item in made if not isinstance(item, Flaw)] == kept
