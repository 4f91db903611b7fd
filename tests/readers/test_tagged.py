"""The tagged form of old Chinese books: chapters become headings, tags go, everything else stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.corpus.segments import cut
from huatuo.readers.files import Wanted, read_parts
from huatuo.readers.markdown import read_text_part
from huatuo.readers.parts import Part
from huatuo.readers.tagged import headed, is_tagged

BOOK = """
<篇名>某书
书名：某书
作者：某人
朝代：清
年份：公元1700年

<目录>卷一\\上篇

<篇名>第一章

属性：1．甲病者，头痛。
2．乙病者，腹痛，某汤主之。
\\x某汤方\\x（辛凉法）
甘草（二两） 水三升\\p01-a1.bmp\\r。
3．丙病者，\\x发热\\x。

<目录>卷一\\下篇

<篇名>第二章

内容：一要\\x背暖\\x。
"""


def test_a_book_of_two_chapters() -> None:
    title, text, places = headed(BOOK)
    assert title == "某书"
    assert [line for line in text.split("\n") if line.strip()] == [
        "## 第一章",
        "1．甲病者，头痛。",
        "2．乙病者，腹痛，某汤主之。",
        "### 某汤方（辛凉法）",
        "甘草（二两） 水三升。",
        "## 第一章",  # the third article is no part of the recipe
        "3．丙病者，发热。",
        "## 第二章",
        "一要背暖。",
    ]
    source = BOOK.split("\n")
    at = dict(zip(text.split("\n"), places, strict=True))
    for line, begins in (
        ("1．甲病者，头痛。", "属性：1．甲"),
        ("3．丙病者，发热。", "3．丙"),
        ("一要背暖。", "内容：一要"),
    ):
        assert source[at[line] - 1].startswith(begins)


def test_the_chapters_are_titles_of_passages() -> None:
    part = read_text_part(BOOK, "", markdown=False, rejoin=True)
    assert part.title == "某书"
    titles = [piece.title for piece in cut(part.text, part.title, "zh", 400)]
    assert titles == ["某书 > 第一章", "某书 > 第一章 > 某汤方（辛凉法）", "某书 > 第一章", "某书 > 第二章"]


def test_marks_lead_to_the_lines_of_the_file(tmp_path: Path) -> None:
    wrapped = "\n".join("字" * 34 + f"，第{n:03}行" + "\n" * (n % 10 == 9) for n in range(300))
    text = f"<篇名>书\n书名：书\n\n<目录>\n\n<篇名>章\n\n属性：{wrapped}。\n"
    path = tmp_path / "book.txt"
    path.write_text(text, encoding="gb18030")
    (part,) = read_parts(path, Wanted())
    assert isinstance(part, Part)
    source = text.split("\n")
    assert part.marks
    for mark in part.marks:
        line = source[int(mark.label.removeprefix("line ")) - 1].removeprefix("属性：")
        assert line
        assert part.text[mark.start :].startswith(line)


@pytest.mark.parametrize("text", ["没有标签。", "文中说<篇名>二字。", "# 标题\n\n正文", ""])
def test_other_texts_are_left_alone(text: str) -> None:
    assert not is_tagged(text)


@given(st.lists(st.text("甲乙丙，。1．一、 ", min_size=0, max_size=20), max_size=40))
def test_no_character_of_the_text_is_lost(lines: list[str]) -> None:
    book = "<篇名>书\n书名：书\n<篇名>章\n" + "\n".join(lines)
    _, text, places = headed(book)
    kept = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert kept == [line for line in lines if line]
    assert len(places) == text.count("\n") + 1
