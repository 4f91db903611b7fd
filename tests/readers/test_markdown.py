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
