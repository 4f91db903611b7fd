"""Every character of a document stands in a passage or in its title; titles are short labels."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.corpus.segments import NO_TEXT, cut, cut_batch
from huatuo.corpus.sources import SCHEMA, read_all
from huatuo.readers.files import LONGEST_TITLE, Wanted, read_parts
from huatuo.readers.parts import Part
from huatuo.recipe_curate import CorpusSource

LONG = "长" * (LONGEST_TITLE + 1)


def shown(text: str, title: str = "", max_chars: int = 400) -> list[tuple[str, str]]:
    return [(piece.title, text[piece.start : piece.end]) for piece in cut(text, title, "zh", max_chars)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\u3000\n", []),
        ("#\n##  \n", []),  # no words in them
        ("正文", [("书", "正文")]),
        ("# 甲\n正文", [("书 > 甲", "正文")]),
        ("# 书\n正文", [("书", "正文")]),
        ("# 甲\n## 乙\n正文", [("书 > 甲 > 乙", "正文")]),
        ("# 甲\n## 乙\n正文\n# 丙\n文", [("书 > 甲 > 乙", "正文"), ("书 > 丙", "文")]),
        ("# 甲病\n# 乙病\n正文\n# 丙病", [("书 > 乙病", "# 甲病\n# 乙病\n正文\n# 丙病")]),
        ("前言\n# 甲病\n# 乙病\n正文", [("书", "前言"), ("书 > 乙病", "# 甲病\n# 乙病\n正文")]),
        ("# 甲\n## 乙\n## 丙\n正文", [("书 > 甲 > 丙", "## 乙\n## 丙\n正文")]),
        ("# 甲\n## 乙\n### 丙\n# 丁\n正文", [("书 > 丁", "# 甲\n## 乙\n### 丙\n# 丁\n正文")]),
        ("# 甲\n正文\n## 乙\n## 丙\n", [("书 > 甲", "正文\n## 乙\n## 丙")]),
        ("# 甲\n正\n## 乙\n# 丙\n文\n## 丁", [("书 > 甲", "正"), ("书 > 丙", "## 乙\n# 丙\n文\n## 丁")]),
        ("# 只有一行", [("书", "# 只有一行")]),
        ("只有一行\n===", [("书", "只有一行\n===")]),
        ("\n# 甲\n\n## 乙\n", [("书", "# 甲\n\n## 乙")]),
        ("甲\n==\n乙\n--\n正文", [("书 > 甲 > 乙", "正文")]),
        (f"正文\n# {LONG[:100]}", [("书", f"正文\n# {LONG[:100]}")]),
        (f"正文\n# {LONG}", [("书", f"正文\n# {LONG}")]),
        (f"# {LONG}\n正文", [("书", f"# {LONG}\n正文")]),
        (f"# 甲\n## {LONG}\n正文", [("书 > 甲", f"## {LONG}\n正文")]),
        (f"# {LONG[1:]}\n正文", [(f"书 > {LONG[1:]}", "正文")]),
        (f"{LONG}\n---\n正文", [("书", f"{LONG}\n---\n正文")]),
        ("```\n# 甲\n```", [("书", "```\n# 甲\n```")]),
    ],
)
def test_headings_are_titles_where_a_text_follows_and_texts_where_none_does(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert shown(text, "书") == expected
    untitled = [(words.removeprefix("书").removeprefix(" > "), part) for words, part in expected]
    if not text.startswith("# 书"):
        assert shown(text) == untitled


def test_a_heading_of_prose_is_cut_like_prose() -> None:
    text = "# " + "这一句话说明剂量。" * 134 + "\n" + "文" * 77
    found = shown(text)
    assert len(found) == 4
    assert "".join(part for _, part in found) == text
    assert {words for words, _ in found} == {""}


_LINES = st.lists(
    st.tuples(
        st.sampled_from(["# ", "# ", "## ", "## ", "### ", "#", "###### ", "", "", "- ", "    ", "| ", "```", "> "]),
        st.booleans(),
        st.sampled_from(["", "", "", " ##", "\n===", "\n---", "\n", "\r", "。", " |"]),
        st.sampled_from([0, 1, 1, 1, 30, LONGEST_TITLE + 5]),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(_LINES, st.sampled_from(["", "书"]), st.integers(9, 300))
def test_every_word_of_a_document_stands_in_a_passage_or_in_a_title(
    lines: list[tuple[str, bool, str, int]], title: str, max_chars: int
) -> None:
    words = [f"w{number}x" if has else "" for number, (_, has, _, _) in enumerate(lines)]
    text = "\n".join(mark + word + "字" * more + end for word, (mark, _, end, more) in zip(words, lines, strict=True))
    found = cut(text, title, "zh", max_chars)
    said = {piece.title for piece in found}
    where = "\n".join([*said, "".join(text[piece.start : piece.end] for piece in found)])
    assert [word for word in words if word not in where] == []
    spans = [edge for piece in found for edge in (piece.start, piece.end)]
    assert spans == sorted(spans)
    assert all(0 < piece.end - piece.start <= max_chars for piece in found)
    assert not any(step == "" for name in said if name for step in name.split(" > "))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.text("#=- \n甲乙\t\u3000`。\r\x1c\u2028", max_size=60), st.sampled_from(["", "书"]))
def test_what_is_outside_the_passages_are_marks_blanks_and_headings_in_titles(text: str, title: str) -> None:
    found = cut(text, title, "zh", 20)
    rest = list(text)
    for piece in found:
        rest[piece.start : piece.end] = [""] * (piece.end - piece.start)
    titles = "".join(piece.title for piece in found)
    lost = [line.strip("#=- \t\u3000\r\x1c\u2028") for line in "".join(rest).split("\n")]
    assert [words for words in lost if words not in titles] == []


def batch(rows: list[tuple[str, str]]) -> pa.RecordBatch:
    made = {"id": [f"{n}" for n in range(len(rows))], "title": [t for t, _ in rows], "text": [t for _, t in rows]}
    made |= {"language": ["zh"] * len(rows), "reason": [""] * len(rows)}
    return pa.RecordBatch.from_pydict(made)


def test_a_thousand_documents_lose_nothing_and_only_blank_ones_are_dropped() -> None:
    dice = random.Random(5)
    rows = []
    for number in range(1_200):
        lines = [f"{'#' * dice.randrange(4)} 词{number}号{line}。" for line in range(dice.randrange(1, 9))]
        rows.append((f"题{number}" if number % 2 else "", " \n" if number % 40 == 0 else "\n".join(lines)))
    made = cut_batch(batch(rows), 400)
    for number, (row, (title, text)) in enumerate(zip(made.to_pylist(), rows, strict=True)):
        assert row["reason"] == (NO_TEXT if number % 40 == 0 else "")
        where = "".join(piece["title"] + text[piece["start"] : piece["end"]] for piece in row["pieces"])
        assert all(line.strip("# ") in where for line in text.split("\n"))
        assert all(piece["title"].startswith(title) and piece["title"][:3] != " > " for piece in row["pieces"])


# ---------------------------------------------------------------- titles


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "rows", "csv"])
def test_a_title_is_cut_where_it_can_be_seen_whatever_file_it_is_from(kind: str, tmp_path: Path) -> None:
    titles = ["", "短", LONG[1:], LONG, "题" * 900_000] + [f"第{n}题" for n in range(1_000)]
    records = [{"title": title, "text": f"这是第{n}条的文字。"} for n, title in enumerate(titles)]
    path = tmp_path / f"a.{'parquet' if kind == 'rows' else kind}"
    if kind in ("parquet", "rows"):
        more = [{"title": "末", "text": None}] if kind == "rows" else []
        pq.write_table(pa.Table.from_pylist(records + more), path, row_group_size=5_000)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in records), encoding="utf-8")
    else:
        path.write_text("title,text\n" + "".join(f"{r['title']},{r['text']}\n" for r in records), encoding="utf-8")
    found = [t for b in read_all([CorpusSource(name="s", path=path)]) for t in b.column("title").to_pylist()]
    expected = ["", "短", LONG[1:], LONG[2:] + "…", "题" * (LONGEST_TITLE - 1) + "…", *titles[5:]]
    assert found[: len(titles)] == expected
    assert max(map(len, found)) == LONGEST_TITLE


def test_a_title_of_a_documents_file_is_cut_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"title": "题" * 5_000, "text": "文字。"}]), encoding="utf-8")
    assert [part.title for part in read_parts(path, Wanted()) if isinstance(part, Part)] == [
        LONG.replace("长", "题")[2:] + "…"
    ]


def test_a_book_under_an_endless_title_is_cut_into_passages(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record = {"title": "题" * 900_000, "text": "这一句话说明剂量为两毫克。" * 30_000}
    path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    (read,) = read_all([CorpusSource(name="s", path=path)])
    assert read.schema == SCHEMA
    made = cut_batch(read, 200)
    assert len(made.column("pieces")[0]) > 1_900
    assert {len(piece["title"].as_py()) for piece in made.column("pieces")[0]} == {LONGEST_TITLE}
