"""One content in every format comes out the same, word for word; bad files cost one sentence each."""

from __future__ import annotations

import io
import json
import random
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import document_makers as makers
from huatuo.readers import archive, files, markdown
from huatuo.readers.files import Wanted, read_parts
from huatuo.readers.parts import Part, Unread
from huatuo.readers.simplified import simplified, simplified_with_marks
from huatuo.records import Mark

ZH = "患者三天前出现发热、咳嗽，体温38.5℃，给予对乙酰氨基酚治疗，两天后热退，嘱其多饮水并注意休息。"


def read(path: Path, **wanted: str | bool) -> list[Part | Unread]:
    return list(read_parts(path, Wanted(**wanted)))  # type: ignore[arg-type]


def part(path: Path, **wanted: str | bool) -> Part:
    (made,) = read(path, **wanted)
    assert isinstance(made, Part), made
    return made


def unread(path: Path) -> Unread:
    (made,) = read(path)
    assert isinstance(made, Unread), made
    assert len(made.reason) < 300
    return made


FORMATS: dict[str, Callable[[Path], Path]] = {
    "a.md": makers.as_markdown, "a.html": makers.as_html, "a.xml": makers.as_xml, "a.docx": makers.as_docx,
    "a.epub": makers.as_epub, "a.pdf": makers.as_pdf,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_words_items_and_rows_survive_every_format(tmp_path: Path, name: str) -> None:
    made = part(FORMATS[name](tmp_path / name))
    assert [line for line in makers.EXPECTED if line not in made.text] == []
    assert "109/L" not in made.text
    assert made.problems == ()


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl"])
def test_plain_characters_survive_where_there_is_no_markup(tmp_path: Path, name: str) -> None:
    text = "白细胞4×10⁹/L，" + makers.WORDS
    data = text if name == "a.txt" else json.dumps([text] if name == "a.json" else text, ensure_ascii=False)
    (tmp_path / name).write_text(data + "\n", encoding="utf-8")
    assert part(tmp_path / name).text.strip() == "白细胞4×10⁹/L，" + makers.EXPECTED[2]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "big5", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.xml"])
def test_every_encoding_is_recognised_in_every_text_format(tmp_path: Path, name: str, encoding: str) -> None:
    words = "發燒三天後給予退燒藥，體溫三十八度。" if encoding == "big5" else ZH
    body = {"a.html": f"<html><body><p>{words}</p></body></html>", "a.xml": f'<?xml version="1.0"?><a>{words}</a>'}
    (tmp_path / name).write_bytes(body.get(name, words).encode(encoding))
    assert part(tmp_path / name).text == words


def test_english_with_single_bytes_above_ascii_is_not_read_as_chinese(tmp_path: Path) -> None:
    text = "Give 5 µg/kg at 38.5 °C, 2 ± 0.5 mg; the café au lait spots are benign. " * 30
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert part(tmp_path / "a.txt").text == text


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.xml"])
def test_undecodable_bytes_are_reported_by_position(tmp_path: Path, name: str) -> None:
    start = {"a.html": b"<html><body><p>", "a.xml": b"<a>"}.get(name, b"")
    data = start + ZH.encode("gb18030") * 50
    end = {"a.html": b"</p></body></html>", "a.xml": b"</a>"}.get(name, b"")
    (tmp_path / name).write_bytes(data + b"\xff" + ZH.encode("gb18030") + end)
    (problem,) = part(tmp_path / name).problems
    assert (problem.rule, problem.positions) == ("undecodable_bytes", (len(data),))


# ---------------------------------------------------------------- pages, large texts, front matter


@pytest.mark.slow
@pytest.mark.parametrize(
    "marker", ["<!-- page {} -->", "{{{}}}------------------------------------------------", "<!-- Page: {} -->"]
)
def test_pages_of_an_ocr_tool_are_kept(tmp_path: Path, marker: str) -> None:
    pages = [f"{marker.format(n)}\n\n第{n}页开头，给予阿司\n" for n in range(3, 1003)]
    (tmp_path / "a.md").write_text("# 题\n\n" + "\n".join(pages) + "匹林。\n", encoding="utf-8")
    made = part(tmp_path / "a.md")
    assert [mark.label for mark in made.marks] == [f"page {n}" for n in range(3, 1003)]
    assert all(made.text[mark.start :].startswith(f"第{n}页") for n, mark in enumerate(made.marks, 3))
    assert "给予阿司第4页开头" in made.text  # the paragraph goes on
    assert "----" not in made.text
    assert "<!--" not in made.text


def test_form_feeds_are_pages_of_plain_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("第一页，给予阿司\f匹林。\f第三页。", encoding="utf-8")
    made = part(tmp_path / "a.txt")
    assert [(m.label, made.text[m.start :][:2]) for m in made.marks] == [
        ("page 1", "第一"),
        ("page 2", "匹林"),
        ("page 3", "第三"),
    ]


def test_html_inside_markdown_is_read_and_formulas_stay(tmp_path: Path) -> None:
    text = '---\ntitle: "人体"\n---\n<div markdown="1">\n**量**{: .b} 10<sup>9</sup>/L，$10^{9}$\n</div>\n<table><tr><td>a<td>b<sup>2</sup><tr><td>1<td>2</table>\n'
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    made = part(tmp_path / "a.md")
    assert made.title == "人体"
    assert " ".join(made.text.split()) == "**量** 10⁹/L，$10^{9}$ | a | b² | | --- | --- | | 1 | 2 |"


def test_a_long_text_becomes_parts_that_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "PART_CHARS", 10_000)
    text = "".join(f"第{i}段。{ZH}\n\n" for i in range(3000)) + "长" * 50_000
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    made = [p for p in read(tmp_path / "a.txt") if isinstance(p, Part)]
    assert len(made) > 10
    assert "".join(p.text for p in made) == text
    assert made[1].place.startswith(f"line {made[0].text.count(chr(10)) + 1} (part 2 of {len(made)})")


# ---------------------------------------------------------------- records


def test_records_of_json_are_documents_of_their_own(tmp_path: Path) -> None:
    records = [{"title": f"药{i}", "text": f"每次{i} mg。"} for i in range(1000)]
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps(r) for r in records) + '\n{"text"\n{"x": 1}\n{"text": " "}\n5\n', "utf-8"
    )
    made = read(tmp_path / "a.jsonl")
    assert [(p.title, p.text) for p in made[:1000] if isinstance(p, Part)] == [(r["title"], r["text"]) for r in records]
    assert [p.rule for p in made[1000:] if isinstance(p, Unread)] == ["bad_json", "no_text", "empty_file", "no_text"]


def test_nested_and_chinese_keys_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps([{"信息": {"名": "甲"}, "段": ["一。", "二。"]}, "题目行\n正文。"]), "utf-8"
    )
    made = read(tmp_path / "a.json", title="信息.名", text="段")
    assert [(p.title, p.text) for p in made if isinstance(p, Part)] == [
        ("甲", "一。\n\n二。"),
        ("题目行", "题目行\n正文。"),
    ]


def test_records_of_xml(tmp_path: Path) -> None:
    inner = "".join(
        f"<QAPair pid='{i}'><Question>Q{i}?</Question><Answer>Take {i} mg.<!-- c --> Daily.</Answer></QAPair>"
        for i in range(1000)
    )
    (tmp_path / "a.xml").write_text(f"<Document>{inner}</Document>", encoding="utf-8")
    made = read(tmp_path / "a.xml", record="QAPair")
    assert [p.text for p in made if isinstance(p, Part)] == [f"Q{i}?\n\nTake {i} mg. Daily." for i in range(1000)]


def test_an_article_in_xml_keeps_its_sections(tmp_path: Path) -> None:
    text = (
        "<article><front><article-title>题 <italic>in vivo</italic></article-title></front><body><sec><title>剂量</title>"
        "<p>5 <!-- c -->μg<xref>1</xref>：<list><list-item><p>甲</p></list-item><list-item><p>乙</p></list-item></list>后</p>"
        "<sec><title>儿童</title><p>禁用</p></sec></sec></body><data><row><entry>1</entry><entry>2</entry></row></data></article>"
    )
    (tmp_path / "a.nxml").write_text(text, encoding="utf-8")
    assert part(tmp_path / "a.nxml").text.split("\n\n") == [
        "# 题 in vivo",
        "## 剂量",
        "5 μg1：",
        "- 甲\n- 乙",
        "后",
        "### 儿童",
        "禁用",
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "{}">]>',
        '<!DOCTYPE a SYSTEM "{}">',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "{}"> %p;]>',
    ],
)
def test_nothing_outside_an_xml_file_is_read(tmp_path: Path, doctype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET<!ENTITY e 'SECRET'>")
    for target in (secret.as_uri(), "http://127.0.0.1:9/x.dtd"):
        (tmp_path / "a.xml").write_text(f"{doctype.format(target)}<a>&e; 5 mg</a>", encoding="utf-8")
        (made,) = read(tmp_path / "a.xml")
        assert "SECRET" not in str(made)
        assert isinstance(made, Unread) or made.problems[0].rule == "external_entity"


def test_an_entity_of_the_file_itself_is_read_and_a_bomb_of_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text('<!DOCTYPE a [<!ENTITY mu "μ">]><a>5 &mu;g</a>', encoding="utf-8")
    assert part(tmp_path / "a.xml").text == "5 μg"
    inner = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    (tmp_path / "b.xml").write_text(f'<!DOCTYPE a [<!ENTITY l0 "lol">{inner}]><a>&l9;</a>', encoding="utf-8")
    assert unread(tmp_path / "b.xml").rule == "bad_xml"


# ---------------------------------------------------------------- Traditional to Simplified


def test_traditional_becomes_simplified_with_the_words_of_today() -> None:
    text = "皇后後來乾燥，頭髮鬆弛，癥狀：黃耆、欝金、鬱金，皮膚著色，附著，顯著，原著。"
    assert simplified(text) == "皇后后来干燥，头发松弛，症状：黄芪、郁金、郁金，皮肤着色，附着，显著，原著。"
    marks = [Mark(start=text.index("癥"), label="page 2")]
    made, moved = simplified_with_marks(text, marks)
    assert made[moved[0].start] == "症"


# ---------------------------------------------------------------- bad files


def test_a_file_is_read_by_what_it_is(tmp_path: Path) -> None:
    for name, target in (
        ("a.pdf", "b.txt"),
        ("a.docx", "b.md"),
        ("a.epub", "b.html"),
        ("a.html", "b.dat"),
        ("a.html", "c.txt"),
    ):
        made = part(FORMATS[name](tmp_path / name).rename(tmp_path / target))
        assert makers.EXPECTED[1] in made.text
        assert [p.rule for p in made.problems] == ([] if target == "b.dat" else ["wrong_extension"])


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("a.pdf", b"just text", "damaged"), ("a.docx", b"just text", "damaged"), ("a.epub", b"PK\x03\x04junk", "damaged"),
        ("a.txt", b"PK\x03\x04junk", "damaged"), ("a.md", b"\x89PNG\r\n\x1a\n", "needs_ocr"), ("a.txt", b"\xff\xd8\xff\xe0", "needs_ocr"),
        ("a.txt", b"{\\rtf1 x}", "no_reader"), ("a.xml", b"<a><b></a>", "bad_xml"), ("a.xml", b"<a/>", "empty_file"),
        ("a.html", b"<html></html>", "empty_file"), ("a.txt", b" \n ", "empty_file"), ("a.txt", bytes(range(128, 256)) * 99, "not_text"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600, "no_reader"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600 + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, data: bytes, rule: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert unread(tmp_path / name).rule == rule


@pytest.mark.parametrize("name", ["a.docx", "a.epub", "a.pdf"])
def test_a_container_cut_off_or_altered_anywhere_is_text_or_one_sentence(tmp_path: Path, name: str) -> None:
    data = FORMATS[name](tmp_path / name).read_bytes()
    source = random.Random(5)
    for i in range(60):
        changed = bytearray(data[: source.randrange(len(data))] if i % 2 else data)
        for _ in range(0 if i % 2 else 20):
            changed[source.randrange(len(changed))] = source.randrange(256)
        (tmp_path / f"b{i}{Path(name).suffix}").write_bytes(bytes(changed))
        if changed:
            made = read(tmp_path / f"b{i}{Path(name).suffix}")
            assert len(made) >= 1


def rezipped(path: Path, changes: dict[str, bytes | None]) -> Path:
    """The container with files replaced, or left out where the new content is None."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = changes.get(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
        for name in changes.keys() - set(old.namelist()):
            new.writestr(name, changes[name] or b"")
    path.write_bytes(made.getvalue())
    return path


def test_a_bomb_is_refused_by_its_declared_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_TEXT_BYTES", 1 << 20)
    monkeypatch.setattr(archive, "MOST_BYTES", 8 << 20)
    docx = rezipped(makers.as_docx(tmp_path / "a.docx"), {"word/document.xml": b"<a>" + b" " * (2 << 20) + b"</a>"})
    pictures = rezipped(makers.as_epub(tmp_path / "a.epub"), {"OEBPS/x.png": b"0" * (9 << 20)})
    assert docx.stat().st_size < 100_000
    assert [unread(docx).rule, unread(pictures).rule] == ["too_large", "too_large"]


def test_parts_of_a_container_that_are_missing_or_malformed(tmp_path: Path) -> None:
    two = {
        "1.xhtml": "<html><body><p>第一章。</p></body></html>",
        "2.xhtml": "<html><body><p>第二章。</p></body></html>",
    }
    lost = part(rezipped(makers.epub(tmp_path / "a.epub", two), {"OEBPS/2.xhtml": None}))
    assert (lost.title, lost.text, [m.label for m in lost.marks]) == ("书名", "第一章。", ["chapter 1.xhtml"])
    assert [p.rule for p in lost.problems] == ["missing_chapter"]
    locked = b'<encryption><x><CipherReference URI="OEBPS/1.xhtml"/></x></encryption>'
    assert (
        unread(rezipped(makers.epub(tmp_path / "b.epub", two), {"META-INF/encryption.xml": locked})).rule == "encrypted"
    )
    for change in (
        {"word/document.xml": b"<w:document"},
        {"word/document.xml": b"<a/>"},
        {"word/document.xml": b"<!DOCTYPE a><a/>"},
    ):
        assert unread(rezipped(makers.as_docx(tmp_path / "c.docx"), change)).rule in ("damaged", "empty_file")


def test_a_file_too_large_is_refused_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_TEXT_BYTES", 1000)
    monkeypatch.setattr(files, "MOST_PAGE_BYTES", 1000)
    for name in ("a.txt", "a.html"):
        (tmp_path / name).write_text("<html>" * 1000, encoding="utf-8")
        assert unread(tmp_path / name).rule == "too_large"


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(min_size=1, max_size=200),
        st.text("<>&;/?!a中 \n\"'=[]{}-#|:1", min_size=1, max_size=200).map(str.encode),
    ),
    st.sampled_from(["a.txt", "a.md", "a.html", "a.xml", "a.json", "a.jsonl", "a.pdf", "a.docx", "a.epub", "a"]),
)
def test_any_bytes_under_any_name_give_text_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any-{name}"
    path.write_bytes(data)
    for made in read(path):
        assert made.text.strip() if isinstance(made, Part) else made.reason


def test_a_file_without_rights_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    monkeypatch.setattr(Path, "open", refuse)
    assert unread(tmp_path / "a.txt").rule == "unreadable"
