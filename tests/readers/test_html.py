"""HTML keeps its words, its lists, its tables and its exponents."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.readers.html import to_text


def text(body: str) -> str:
    return to_text(f"<html><body>{body}</body></html>")[1]


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("4×10<sup>9</sup>/L", "4×10⁹/L"),
        ("10<sup>-3</sup>, Ca<sup>2+</sup>", "10⁻³, Ca²⁺"),
        ("10<span style='vertical-align: super'>9</span>/L", "10⁹/L"),
        ("H<sub>2</sub>O, t<sub>1/2</sub>, C<sub>max</sub>", "H₂O, t₁/₂, Cmax"),
        ("10<sup>x</sup>, 4<sup>th</sup>, 治疗<sup>[12]</sup>", "10^x, 4th, 治疗[12]"),
        ("5&nbsp;mg &micro;g &lt; &#8451;", "5 mg µg < ℃"),
        ("用量<s>100 mg</s>50 mg", "用量~~100 mg~~50 mg"),
        ("中文\n  换行 and\n  English", "中文换行 and English"),
        ("一<br>二", "一\n二"),
        ("<b>粗</b><i>斜</i><a href='x'>链</a>", "粗斜链"),
    ],
)
def test_words_inside_a_line(html: str, shown: str) -> None:
    assert text(f"<p>{html}</p>") == shown


def test_blocks_headings_and_what_is_not_shown() -> None:
    page = "<h2>题 <sup>1</sup></h2>散<div>甲<p>乙</p>丙</div><script>x</script><style>y</style><p></p><p> </p>"
    assert text(page) == "## 题 ¹\n\n散\n\n甲\n\n乙\n\n丙"


def test_every_item_of_nested_lists_is_there_with_its_number() -> None:
    page = "<p>前</p><ol start=3><li>每次 0.5 g<ul><li>妊娠禁用<li>哺乳慎用</ul><li value=7><p>一</p><p>二</p></ol>后"
    assert text(page) == "前\n\n3. 每次 0.5 g\n  - 妊娠禁用\n  - 哺乳慎用\n7. 一\n  二\n\n后"


def test_a_cell_over_rows_is_written_in_each_and_columns_stay_in_place() -> None:
    page = (
        "<table><caption>剂量</caption><thead><tr><th rowspan=2>药<th colspan=2>量<tr><th>成人<th>儿童</thead>"
        "<tr><td>甲|乙<td>1<br>mg<td>10<sup>3</sup></table>"
    )
    assert text(page).split("\n") == [
        "剂量",
        "",
        "| 药 | 量 |  |",
        "| --- | --- | --- |",
        "| 药 | 成人 | 儿童 |",
        "| 甲\\|乙 | 1 mg | 10³ |",
    ]


def test_a_table_that_only_places_blocks_is_walked() -> None:
    assert text("<table><tr><td><h2>题</h2><p>文</p></td><td>栏</td></tr></table>") == "## 题\n\n文\n\n栏"


def test_a_thousand_rows_and_a_table_that_asks_for_a_million() -> None:
    rows = "".join(f"<tr><td>药{i}<td>{i} mg" for i in range(1000))
    assert text(f"<table>{rows}</table>").count("\n| 药") == 999
    assert len(text("<table><tr><td colspan=999999999 rowspan=99999999>a<td>b<tr><td>c</table>")) < 2000


def test_elements_that_close_themselves_do_not_swallow_the_page() -> None:
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a"/></head><body><a id="p"/><p>正文</p></body></html>'
    assert to_text(page, xhtml=True) == ("", "正文")


def test_ten_thousand_nested_elements_are_read() -> None:
    assert "底" in text("<div>" * 10_000 + "底" + "</div>" * 10_000)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["<p>", "</p>", "<ul><li>", "</ul>", "<b>", "</b>", "<td>", "<table><tr><td>", "</table>", "<h2>", "</div>", "<sup>", "</sup>", "<br>"]), max_size=30))  # fmt: skip
def test_no_word_is_lost_in_broken_markup(tags: list[str]) -> None:
    page = "".join(f"{tag}词{chr(0x4E00 + i)}" for i, tag in enumerate(tags))
    made = text(page)
    assert all(f"词{chr(0x4E00 + i)}" in made for i in range(len(tags)))
