"""A folder of documents of every format becomes records; what cannot be read costs itself alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import document_makers as makers
from huatuo import store
from huatuo.corpus.curate import curate
from huatuo.errors import InputError
from huatuo.knowledge.inspect import inspect
from huatuo.recipe import CurateSettings, DocumentSource, IngestSettings
from huatuo.records import Document, Dropped, Finding, Question

Run = Callable[..., Path]


def page(words: str) -> list[makers.Text]:
    return [
        makers.Text(60, 700, words + "应当长期服药并且定期复查血压和血脂以及肝肾功能"),
        makers.Text(60, 685, "如有不适及时就诊。"),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every format once, every kind of bad file once, and a thousand notes."""
    made = tmp_path / "资 料"
    (made / "sub").mkdir(parents=True)
    for name, make in (
        ("a.md", makers.as_markdown),
        ("b.html", makers.as_html),
        ("c.xml", makers.as_xml),
        ("d.docx", makers.as_docx),
    ):
        make(made / name)
    makers.as_epub(made / "sub/e.epub")
    makers.as_pdf(made / "sub/f.pdf")
    records = [{"title": f"药{i}", "text": f"药{i}每次{i} mg，每日三次，饭后服用。"} for i in range(1000)]
    (made / "g.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in [*records, records[0]]), "utf-8")
    makers.pdf(made / "mixed.pdf", [page("甲患者"), [makers.SCAN], page("乙患者")])
    makers.pdf(made / "scan.pdf", [[makers.SCAN]] * 8)
    makers.pdf(made / "locked.pdf", [page("丙患者")], makers.LOCKED)
    (made / "cut.docx").write_bytes((made / "d.docx").read_bytes()[:3000])
    (made / "cut.pdf").write_bytes(b"%PDF-1.7\n1 0 obj")
    (made / "empty.txt").touch()
    (made / "noise.txt").write_bytes(bytes(range(128, 256)) * 99)
    (made / "slides.pptx").write_bytes(b"PK\x03\x04")
    return made


def rules(made: Path, table: str, kind: type[Dropped] | type[Finding]) -> Counter[str]:
    return Counter(item.rule for item in store.read(made, table, kind))


@pytest.mark.slow
def test_each_file_is_read_or_dropped_with_its_reason(run: Run, folder: Path) -> None:
    made = run(IngestSettings(documents=(DocumentSource(name="d", path=folder),)))
    documents = list(store.read(made, "documents", Document))
    assert rules(made, "dropped", Dropped) == {
        "damaged": 2, "encrypted": 1, "needs_ocr": 1, "empty_file": 1, "not_text": 1, "no_reader": 1, "duplicate": 3,
    }  # fmt: skip
    # two of the twins: HTML, XML and DOCX of one content give one text, to the character
    assert len(documents) == 1000 + 4 + 1
    for document in documents:
        if document.origin.file[0] in "abcdef":
            assert document.title == makers.HEADING or document.origin.file == "e.epub"
            assert [line for line in makers.EXPECTED if line not in document.text] == []
    findings = [f for f in store.read(made, "findings", Finding) if f.rule == "needs_ocr"]
    assert [(f.place, f.message[:7]) for f in findings] == [("mixed.pdf whole file", "page 2:")]
    reasons = [d.reason for d in store.read(made, "dropped", Dropped) if d.rule not in ("duplicate", "empty_file")]
    assert all("next:" in reason or "expected" in reason or "no reader" in reason for reason in reasons), reasons


@pytest.mark.slow
def test_passages_keep_the_pages_of_their_document(run: Run, folder: Path, tmp_path: Path) -> None:
    text = "".join(
        f"<!-- page {n} -->\n\n第{n}页的一段话说明每日服药三次，每次{n} mg，饭后服用。\n\n" for n in range(1, 1001)
    )
    (tmp_path / "ocr.md").write_text(text, encoding="utf-8")
    knowledge = run(IngestSettings(documents=(DocumentSource(name="d", path=tmp_path / "ocr.md"),)))
    with store.writing(tmp_path / "q", stage="questions", key="k") as out:
        out.write("questions", Question(id="q", exam="e", kind="open", stem="没有关系的题目只是为了占位而已"))
    with store.writing(tmp_path / "curated", stage="curate", key="k") as out:
        curate(CurateSettings(max_chars=60), knowledge, tmp_path / "q", out)
    passages = list(store.read(tmp_path / "curated", "passages", Document))
    assert len(passages) >= 500
    for passage in passages:
        first = int(passage.text[1 : passage.text.index("页")])
        assert f" page {first}" in passage.origin.place
    assert not passages[0].marks


@pytest.mark.parametrize("key", ["rejoin", "simplified"])
def test_the_keys_of_a_source(run: Run, tmp_path: Path, key: str) -> None:
    (tmp_path / "a.txt").write_text(
        "　　黃耆補氣，每次十克，水煎服後休息，忌食\n生冷油膩，服藥期間不得飲酒。\n", encoding="utf-8"
    )
    results = []
    for value in (False, True):
        source = DocumentSource.model_validate({"name": "d", "path": tmp_path / "a.txt", key: value})
        (document,) = store.read(run(IngestSettings(documents=(source,)), name=str(value)), "documents", Document)
        results.append(document.text)
    assert "\n生冷" in results[0] if key == "rejoin" else "黃耆補氣" in results[0]
    assert "忌食生冷" in results[1] if key == "rejoin" else "黄芪补气" in results[1]


def test_private_characters_are_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("每次5 \uf06dg，地尔硫\ue001。\n", encoding="utf-8")
    made = run(IngestSettings(documents=(DocumentSource(name="d", path=tmp_path / "a.md"),)))
    (finding,) = store.read(made, "findings", Finding)
    assert finding.rule == "private_character"
    assert "U+F06D" in finding.message


@pytest.mark.parametrize("name", ["a.md", "b.html", "c.xml", "d.docx", "sub/e.epub", "sub/f.pdf"])
def test_check_shows_what_it_read(folder: Path, name: str) -> None:
    made = inspect(folder / name)
    shown = "\n".join(made.lines())
    assert made.kind == "document"
    assert "| 白细胞4×10⁹/L" in shown
    assert made.counts["headings"] == 1
    assert made.counts["rows"] >= 3
    assert "[[ingest.documents]]" in shown


@pytest.mark.slow
def test_check_of_a_folder_and_of_what_cannot_be_read(folder: Path) -> None:
    with pytest.raises(InputError, match="run OCR"):
        inspect(folder / "scan.pdf")
    with pytest.raises(InputError, match="password"):
        inspect(folder / "locked.pdf")
    (folder / "g.jsonl").unlink()
    made = inspect(folder)
    assert (made.kind, made.records) == ("documents", 7)
    assert {
        "damaged": 2,
        "encrypted": 1,
        "needs_ocr": 2,
        "empty_file": 1,
        "not_text": 1,
    }.items() <= made.findings.items()


@pytest.mark.slow
def test_a_text_of_200_megabytes_is_read_in_parts(run: Run, tmp_path: Path) -> None:
    line = "患者应当长期服药并且定期复查血压和血脂，如有不适及时就诊，第{}段。\n\n"
    with (tmp_path / "a.txt").open("w", encoding="utf-8") as file:
        for i in range(2_000_000):
            file.write(line.format(i))
    assert (tmp_path / "a.txt").stat().st_size > 200_000_000
    made = run(IngestSettings(documents=(DocumentSource(name="d", path=tmp_path / "a.txt"),)))
    documents = list(store.read(made, "documents", Document))
    assert 60 < len(documents) < 100
    assert sum(d.text.count("段。") for d in documents) == 2_000_000
