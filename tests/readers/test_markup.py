"""Blocks stand where they say, and nothing but blanks is outside them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.readers.markup import blocks, heading_text

TEXT = """# 高血压 #

开头一段，
分成两行。

标题二
------
- 少盐
- 运动
1. 第一
（2）第二

| 药 | 量 |
|---|---|

```
# 不是标题
```
### 三级
"""


def test_kinds_levels_and_positions() -> None:
    got = [(b.kind, b.level, TEXT[b.start : b.end]) for b in blocks(TEXT)]
    assert got == [
        ("heading", 1, "# 高血压 #"),
        ("paragraph", 0, "开头一段，\n分成两行。"),
        ("heading", 2, "标题二\n------"),
        ("item", 0, "- 少盐"),
        ("item", 0, "- 运动"),
        ("item", 0, "1. 第一"),
        ("item", 0, "（2）第二"),
        ("row", 0, "| 药 | 量 |"),
        ("row", 0, "|---|---|"),
        ("code", 0, "```\n# 不是标题\n```"),
        ("heading", 3, "### 三级"),
    ]
    assert [heading_text(TEXT, b) for b in blocks(TEXT) if b.kind == "heading"] == ["高血压", "标题二", "三级"]


def test_a_number_at_the_beginning_is_no_heading_or_item() -> None:
    assert [b.kind for b in blocks("0.5 g 每日三次\n#5 床\n")] == ["paragraph"]


def test_plain_text_paragraphs_begin_with_an_indent() -> None:
    text = "　　第一段\n接着\n　　第二段\n# 不是标题"
    assert [text[b.start : b.end] for b in blocks(text, markdown=False)] == [
        "　　第一段\n接着",
        "　　第二段\n# 不是标题",
    ]


def test_two_thousand_paragraphs() -> None:
    assert len(blocks("段落。\r\n\r\n" * 2000)) == 2000


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="a中。 \n\r\t#-=|`1.、　\u2028\x0c", max_size=120), st.booleans())
def test_every_character_that_is_not_blank_is_in_exactly_one_block(text: str, markdown: bool) -> None:
    covered = [0] * len(text)
    for block in blocks(text, markdown):
        for place in range(block.start, block.end):
            covered[place] += 1
    assert all(n == 1 or (n == 0 and c.isspace()) for n, c in zip(covered, text, strict=True))
