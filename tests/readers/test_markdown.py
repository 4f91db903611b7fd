"""What is taken from Markdown beside its words: pictures, links to figures, lists of terms, HTML inside JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.readers.files import Wanted, read_parts
from huatuo.readers.markdown import without_html, without_inline_html
from huatuo.readers.parts import Part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![A drawing (left).](../a_(1).jpg \"(a) A cell. (b) An \\\"atom\\\".\"){: #fig .x}After.", "After."),
        ("![A\n drawing](a.jpg)", ""),
        ("An image of ![](x.png) text.", "An image of  text."),
        ("The cell ([\\[link\\]](#fig-1)) is small.", "The cell is small."),
        ("Atoms ([\\[link\\]](#f1) and [\\[link\\]](#f2)) bind.", "Atoms bind."),
        ("See [the atlas](atlas.html).", "See [the atlas](atlas.html)."),  # other links stay as they are
        ("Watch this [video][1] now.\n\n[1]: http://example.org/x \"t\"\n", "Watch this video now.\n\n"),
        ("cell\n: smallest unit\n^\n\norgan\n: group of tissues\n", "- **cell**: smallest unit\n\n- **organ**: group of tissues\n"),
        ("Note:\n: not a term", "Note:\n: not a term"),
        ("10 &lt; 20 &#xB5;g&nbsp;a", "10 < 20 µg\xa0a"),
        ("R&D; AT&T &nosuchthing; & more", "R&D; AT&T &nosuchthing; & more"),
        ("# Title   {#id-1}\ntext", "# Title   \ntext"),
        ("10<sup>9</sup>/L", "10⁹/L"),
        ("2^10", "2^10"),
    ],
)  # fmt: skip
def test_what_only_places_words_is_left_out(text: str, expected: str) -> None:
    assert without_html(text) == expected


@given(st.text("甲乙丙 ，。ab12.,\n#|-*", max_size=200))
def test_a_text_without_marks_of_these_kinds_stays(text: str) -> None:
    assert without_html(text) == text
    assert without_inline_html(text) == text


def test_the_html_of_a_thousand_records_becomes_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    texts = [
        f"Title {n} of K<sub>i</sub>.\nK<sub>i</sub>&#8239;=&#8239;{n}.7 mM, P &lt; 0.05, 10<sup>9</sup>"
        for n in range(1000)
    ]
    path.write_text(json.dumps(texts), encoding="utf-8")
    parts = [part for part in read_parts(path, Wanted()) if isinstance(part, Part)]
    assert len(parts) == 1000
    assert parts[7].title == "Title 7 of Ki"
    assert parts[7].text.endswith("Ki\u202f=\u202f7.7 mM, P < 0.05, 10⁹")
    assert not any("&#" in part.text or "<s" in part.text for part in parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5×10<sup>&#8722;3</sup>", "1.5×10⁻³"),
        ("10<sup>&minus;3</sup>", "10⁻³"),
        ("10<sup>&#x2212;12</sup> mol", "10⁻¹² mol"),
        ("10<sup>&ndash;9</sup>/L", "10⁻⁹/L"),
        ("Ca<sup>2&#43;</sup>", "Ca²⁺"),
        ("x<sub>&#49;&#50;</sub>", "x₁₂"),
        ("K<sub>&alpha;</sub>", "Kα"),
        ("10<SUP class='e'>&minus;3</SUP >", "10⁻³"),
        ("10<sup><i>&minus;3</i></sup>", "10⁻³"),
        ("2<sup>n</sup> und 10<sup>-n</sup>", "2ⁿ und 10⁻ⁿ"),
        ("a<sup>min-1</sup>", "amin⁻¹"),  # no n inside a word is raised
        ("a<sup>&amp;lt;</sup>", "a&lt;"),  # once, not twice
        ("a<sup>1&lt;b&gt;2</sup>", "a¹<b>²"),
        ("<table><tr><td>P &lt;i and b&gt; 5 &amp;lt;</td></tr></table>", "\n\nP <i and b> 5 &lt;\n\n"),
        ("&lt;sup&gt;3&lt;/sup&gt;", "<sup>3</sup>"),
        ("10&minus;3", "10−3"),
    ],
)
def test_entities_are_characters_before_they_are_raised_and_only_once(text: str, expected: str) -> None:
    assert without_inline_html(text) == expected
    assert without_html(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "if a<b and c>d then",
        "p<i and x>2",
        "K<i, n>3",
        "0<p <0.05 and r>0.9",
        "u<b alt c>d",
        "a<a b, c>d",
        "1<b / c>2",
        "a<b\n\nund c>d",
        "x<p=3>y",
        "</b and c>",
        "<imgs src=x>",
        "<a href='x' and>",
    ],
)
def test_a_comparison_in_prose_is_no_tag(text: str) -> None:
    assert without_inline_html(text) == text
    assert without_html(text) == text


@pytest.mark.parametrize(
    "tag",
    [
        "<b>",
        "</b>",
        "</b >",
        "<img/>",
        "<IMG SRC=a.png ALT>",
        "<a href='x'>",
        '<a href="x" title="p > 5" >',
        "<a\nhref = x\n>",
        '<font size="2"color=red>',
        "<div hidden data-x class=''>",
        "<p style='a:b;' nowrap/>",
        '<span xml:lang="en" :x="1" @y="2">',
    ],
)
def test_a_tag_of_html_is_left_out(tag: str) -> None:
    assert without_inline_html(f"前{tag}后") == "前后"
    assert without_html(f"前{tag}后") == "前后"


_SMALL = st.sampled_from(["a", "b", "i", "p", "u", "em", "5", "P", "img"])


@given(
    st.lists(st.tuples(_SMALL, _SMALL, st.sampled_from(["and", "or", ",", "且", "=", "mg/L and"]), _SMALL), max_size=9)
)
def test_what_stands_between_two_comparisons_is_never_lost(said: list[tuple[str, str, str, str]]) -> None:
    text = "；".join(f"{one}<{two} {link} {three}>{one}" for one, two, link, three in said)
    assert without_inline_html(text) == text


def test_many_open_signs_are_read_in_linear_time() -> None:
    for text in ('<a x="' * 20_000, "<a " + " " * 20_000, "<b x=1 " * 20_000, "<p data-x " * 20_000, "a<b " * 20_000):
        assert without_inline_html(text) == text
