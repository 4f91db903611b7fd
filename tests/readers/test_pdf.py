"""PDF: what stands on the page comes out in order; a page that is a picture is said to need OCR."""

from __future__ import annotations

from pathlib import Path

import pytest

from document_makers import LOCKED, SCAN, Rect, Text, grid, pdf, runs
from huatuo.readers.parts import Part, Unread
from huatuo.readers.pdf import read_pdf

LONG = "患者应当长期服药并且定期复查血压和血脂以及肝肾功能如有不适及"


def read(path: Path) -> Part:
    made = read_pdf(path)
    assert isinstance(made, Part), made
    return made


def lines(x: float, top: float, texts: list[str], step: float = 15) -> list[Text]:
    return [Text(x, top - step * n, text) for n, text in enumerate(texts)]


def test_exponents_formatted_as_such_stay_exponents(tmp_path: Path) -> None:
    line = [
        ("", "白细胞4×10"),
        ("sup", "9"),
        ("", "/L，eGFR<60 ml/min/1.73 m"),
        ("sup", "2"),
        ("", "，SpO"),
        ("sub", "2"),
        ("", "降低。"),
    ]
    page = [
        *runs(72, 700, line),
        *runs(72, 680, [("", "10"), ("sup", "−3"), ("", " mol"), ("sup", "[4]"), ("", "以上。")]),
    ]
    text = read(pdf(tmp_path / "a.pdf", [page])).text
    assert "白细胞4×10⁹/L，eGFR<60 ml/min/1.73 m²，SpO₂降低。" in text
    assert "10⁻³ mol[4]以上。" in text


@pytest.mark.parametrize(
    ("matrix", "rotate"),
    [("0 1 -1 0 595 0", 0), ("0 1 -1 0 595 0", 90), ("-1 0 0 -1 595 842", 180), ("0 -1 1 0 0 842", 270)],
)
def test_a_page_that_is_set_sideways_is_read_with_its_table(tmp_path: Path, matrix: str, rotate: int) -> None:
    page: list[Text | Rect | str] = [
        f"q {matrix} cm",
        *runs(72, 300, [("", "PLT 10"), ("sup", "9"), ("", "/L.")]),
        *lines(72, 270, ["Take one tablet", "daily."]),
        *grid(72, 200, (90, 90), 20, [["drug", "dose"], ["A", "1.5 mg"]]),
        "Q",
    ]
    text = read(pdf(tmp_path / "a.pdf", [page], rotate=rotate)).text
    assert text == "PLT 10⁹/L.\n\nTake one tablet daily.\n\n| drug | dose |\n| --- | --- |\n| A | 1.5 mg |"


def test_radicals_become_the_characters_meant(tmp_path: Path) -> None:
    page = lines(72, 700, ["孕妇禁⽤⻘霉素，⼝服，⾎压，⽩细胞，⻢来酸，①½Ⅱ㎡℃10⁹"])
    assert read(pdf(tmp_path / "a.pdf", [page])).text == "孕妇禁用青霉素，口服，血压，白细胞，马来酸，①½Ⅱ㎡℃10⁹"


def test_justified_chinese_gets_no_blanks(tmp_path: Path) -> None:
    page = [Text(60 + 22 * n, 700, text) for n, text in enumerate(["血压", "升高", "3天", "，白", "细胞", "4次"])]
    apart = [item._replace(x=60 + 26 * n) for n, item in enumerate(page)]
    assert read(pdf(tmp_path / "a.pdf", [apart])).text.replace(" 3", "3").replace(" 4", "4") == "血压升高3天，白细胞4次"


@pytest.mark.parametrize("interleaved", [True, False])
def test_two_columns_are_read_one_after_the_other(tmp_path: Path, interleaved: bool) -> None:
    left = [f"左{i}" + "甲" * 18 for i in "一二三四五六七八"] + ["左末。"]
    right = [f"右{i}" + "乙" * 18 for i in "一二三四五六七八"] + ["右末。"]
    a, b = lines(60, 700, left), lines(310, 700, right)
    body = [item for pair in zip(a, b, strict=True) for item in pair] if interleaved else [*a, *b]
    page = [Text(200, 760, "诊疗指南", 18), *body]
    assert read(pdf(tmp_path / "a.pdf", [page])).text == f"# 诊疗指南\n\n{''.join(left)}\n\n{''.join(right)}"


def test_a_ruled_table_keeps_each_dose_with_its_drug(tmp_path: Path) -> None:
    cells = [["药名", "成人", "儿童"], *([f"药{i}", f"{i}.5 mg", "禁用"] for i in range(30))]
    page = [Text(60, 800, "表一"), *grid(60, 790, (120, 120, 120), 20, cells), Text(60, 100, "表后。")]
    text = read(pdf(tmp_path / "a.pdf", [page])).text
    assert all(f"| 药{i} | {i}.5 mg | 禁用 |" in text for i in range(30))
    assert text.startswith("表一\n\n| 药名 | 成人 | 儿童 |\n| --- | --- | --- |\n| 药0")
    assert text.endswith("禁用 |\n\n表后。")


def test_cells_of_two_lines_and_merged_cells(tmp_path: Path) -> None:
    boxes = [Rect(60, 640, 100, 60), Rect(160, 670, 100, 30), Rect(160, 640, 100, 30), Rect(60, 610, 200, 30)]
    texts = [
        Text(64, 680, "阿司"),
        Text(64, 665, "匹林"),
        Text(164, 680, "100 mg"),
        Text(164, 650, "300 mg"),
        Text(64, 620, "横跨两列"),
    ]
    text = read(pdf(tmp_path / "a.pdf", [[*boxes, *texts]])).text
    assert text.split("\n") == ["| 阿司匹林 | 100 mg |", "| --- | --- |", "| 阿司匹林 | 300 mg |", "| 横跨两列 |  |"]


def test_aligned_rows_without_lines_stay_rows(tmp_path: Path) -> None:
    page = [item for n in range(5) for item in (Text(60, 700 - 20 * n, f"药{n}"), Text(300, 700 - 20 * n, f"{n} mg"))]
    assert read(pdf(tmp_path / "a.pdf", [page])).text.split("\n") == [f"| 药{n} | {n} mg |" for n in range(5)]


def test_marks_of_items_set_apart_make_items_and_no_table(tmp_path: Path) -> None:
    page = [item for n in range(1, 5) for item in (Text(60, 700 - 20 * n, f"{n}."), Text(110, 700 - 20 * n, f"{n} mg"))]
    assert read(pdf(tmp_path / "a.pdf", [page])).text.split("\n") == [f"{n}. {n} mg" for n in range(1, 5)]


def test_a_box_around_a_paragraph_is_no_table(tmp_path: Path) -> None:
    page = [Rect(50, 600, 400, 120), *lines(60, 700, [LONG, "时就诊。"])]
    assert read(pdf(tmp_path / "a.pdf", [page])).text == LONG + "时就诊。"


def test_headings_items_and_paragraphs(tmp_path: Path) -> None:
    page = [
        Text(60, 780, "高血压", 20), Text(60, 750, "一、治疗", 14),
        *lines(60, 720, ["　　" + LONG[:-2], LONG, "时就诊。"]), *lines(60, 660, ["1. 限盐", "2. 运动", "（3）戒烟"]),
        *lines(60, 600, [LONG, "完。"]),
    ]  # fmt: skip
    text = read(pdf(tmp_path / "a.pdf", [page])).text
    assert text == f"# 高血压\n\n## 一、治疗\n\n{LONG[:-2]}{LONG}时就诊。\n\n1. 限盐\n2. 运动\n（3）戒烟\n\n{LONG}完。"


@pytest.mark.slow
def test_pages_are_kept_as_marks_and_running_heads_left_out(tmp_path: Path) -> None:
    pages = [
        [
            Text(250, 810, "中国高血压指南"),
            *lines(60, 740, [LONG, f"第{n}页到此为止没有句号而且还要接着写到下一页去才会结束呢"]),
            Text(290, 30, str(n)),
        ]
        for n in range(1, 201)
    ]
    made = read(pdf(tmp_path / "a.pdf", pages))
    assert [m.label for m in made.marks] == [f"page {n}" for n in range(1, 201)]
    assert made.text.count("中国高血压指南") == 0
    assert [p.message.split(" ")[0] for p in made.problems if p.rule == "running_heads"] == ["400"]
    assert all(made.text[m.start :].startswith(LONG) for m in made.marks)
    assert made.text.count("\n") == 0  # one paragraph across two hundred pages


def test_a_scan_needs_ocr_and_so_do_scanned_pages_among_others(tmp_path: Path) -> None:
    scan = read_pdf(pdf(tmp_path / "scan.pdf", [[SCAN]] * 8))
    assert isinstance(scan, Unread)
    assert (scan.rule, "8 pages" in scan.reason) == ("needs_ocr", True)
    mixed = read(
        pdf(tmp_path / "mixed.pdf", [lines(60, 700, [LONG, "。"]), [SCAN, Text(60, 20, "扫描件")], [], [SCAN]])
    )
    assert [(p.rule, p.message.split(":")[0]) for p in mixed.problems] == [("needs_ocr", "page 2, 4")]


def test_a_font_without_unicode_needs_ocr(tmp_path: Path) -> None:
    made = read_pdf(pdf(tmp_path / "a.pdf", [[Text(60, 700, "\ue001\ue002\ue003\ue004" * 10)]]))
    assert isinstance(made, Unread)
    assert made.rule == "needs_ocr"


def test_protected_cut_off_and_empty_files_are_one_sentence(tmp_path: Path) -> None:
    whole = pdf(tmp_path / "a.pdf", [lines(60, 700, [LONG])]).read_bytes()
    (tmp_path / "head.pdf").write_bytes(whole[:20])
    (tmp_path / "noise.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 50)
    found = [
        read_pdf(path)
        for path in (
            pdf(tmp_path / "l.pdf", [[]], LOCKED),
            tmp_path / "head.pdf",
            tmp_path / "noise.pdf",
            pdf(tmp_path / "e.pdf", [[]]),
        )
    ]
    assert [made.rule for made in found if isinstance(made, Unread)] == [
        "encrypted",
        "damaged",
        "damaged",
        "empty_file",
    ]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_a_file_that_is_cut_off_gives_text_or_a_reason(tmp_path: Path, share: float) -> None:
    data = pdf(tmp_path / "a.pdf", [lines(60, 700, [LONG, f"{n}。"]) for n in range(50)]).read_bytes()
    (tmp_path / "b.pdf").write_bytes(data[: int(share * len(data))])
    made = read_pdf(tmp_path / "b.pdf")
    assert isinstance(made, Unread) or any(problem.rule == "cut_off" for problem in made.problems)
