"""Documents made by the tests: PDF written out by hand, DOCX, EPUB, HTML, XML and Markdown of one content."""

from __future__ import annotations

import html
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from docx import Document as Docx

Inline = list[tuple[str, str]]
"""("", text), ("sup", text) or ("sub", text)."""


class Text(NamedTuple):
    """One string on a page of a PDF."""

    x: float
    y: float
    text: str
    size: float = 10.5
    rise: float = 0.0


class Rect(NamedTuple):
    """One stroked box on a page of a PDF."""

    x: float
    y: float
    width: float
    height: float


def runs(x: float, y: float, inline: Inline, size: float = 10.5) -> list[Text]:
    """The parts of a line one after the other, raised and lowered ones smaller; every character is one size wide."""
    made = []
    for kind, text in inline:
        own = size * (0.62 if kind else 1)
        made.append(Text(x, y, text, own, {"sup": 0.4, "sub": -0.15, "": 0}[kind] * size))
        x += own * len(text)
    return made


def pdf(path: Path, pages: Sequence[Sequence[Text | Rect | str]], trailer: str = "", rotate: int = 0) -> Path:
    """A PDF whose only font maps its glyphs to Unicode through a ToUnicode table, as exported PDFs do. A str in a page
    is raw content. The font is not embedded, so a string of one Chinese character has no width and is passed over by
    PDFium: give it two."""
    codes: dict[str, int] = {}
    streams = [_content(page, codes) for page in pages]
    pairs = "\n".join(f"<{code:04X}> <{c.encode('utf-16-be').hex()}>" for c, code in codes.items())
    mapping = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        f"1 begincodespacerange <0000> <FFFF> endcodespacerange {len(codes)} beginbfchar\n{pairs}\nendbfchar "
        "endcmap end end"
    )
    kids = " ".join(f"{7 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type0 /BaseFont /F /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 6 0 R >>",
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /F /DW 1000 /FontDescriptor 5 0 R "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        "<< /Type /FontDescriptor /FontName /F /Flags 4 /FontBBox [0 -120 1000 880] /Ascent 880 /Descent -120 "
        "/CapHeight 800 /ItalicAngle 0 /StemV 80 >>",
        f"<< /Length {len(mapping)} >>\nstream\n{mapping}\nendstream",
    ]
    for i, stream in enumerate(streams):
        turn = f"/Rotate {rotate} " if rotate else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {turn}/Contents {8 + 2 * i} 0 R "
            "/Resources << /Font << /F 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer << /Size {len(objects) + 1} /Root 1 0 R {trailer}>>"
    path.write_bytes(data + f"{end}\nstartxref\n{len(data)}\n%%EOF\n".encode())
    return path


LOCKED = (
    "/Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -4 "
    f"/O <{'11' * 32}> /U <{'22' * 32}> >> /ID [<{'33' * 16}> <{'33' * 16}>] "
)
"""Trailer entry of a PDF whose password nobody knows."""

SCAN = "q 500 0 0 700 40 60 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"
"""Content of a scanned page: one picture."""


def _content(page: Sequence[Text | Rect | str], codes: dict[str, int]) -> str:
    made = []
    for item in page:
        if isinstance(item, str):
            made.append(item)
        elif isinstance(item, Rect):
            made.append(f"{item.x} {item.y} {item.width} {item.height} re S")
        else:
            glyphs = "".join(f"{codes.setdefault(c, len(codes) + 1):04X}" for c in item.text)
            made.append(f"BT /F {item.size} Tf {item.rise} Ts {item.x} {item.y} Td <{glyphs}> Tj ET")
    return "\n".join(made)


def grid(
    x: float, top: float, widths: Sequence[float], height: float, cells: Sequence[Sequence[str]]
) -> list[Text | Rect]:
    """A ruled table, cell by cell."""
    made: list[Text | Rect] = []
    for row, texts in enumerate(cells):
        at = x
        for width, text in zip(widths, texts, strict=True):
            bottom = top - (row + 1) * height
            made += [Rect(at, bottom, width, height), Text(at + 4, bottom + 5, text)]
            at += width
    return made


# ---------------------------------------------------------------- one content in every format

HEADING = "白细胞与禁忌"
LINE: Inline = [
    ("", "白细胞4×10"),
    ("sup", "9"),
    ("", "/L，体表1.73 m"),
    ("sup", "2"),
    ("", "，饮H"),
    ("sub", "2"),
    ("", "O。"),
]
WORDS = "孕妇禁⽤⻘霉素，⼝服½片①，Ⅱ型㎡，体温38.5℃，10⁻³mol。"
ITEMS = ("每次 0.5 g", "妊娠禁用", "3. 每日三次")
CELLS = (("药名", "剂量"), ("阿司匹林", "100 mg"), ("地高辛", "0.125 mg"))

EXPECTED = (
    "# 白细胞与禁忌",
    "白细胞4×10⁹/L，体表1.73 m²，饮H₂O。",
    "孕妇禁用青霉素，口服½片①，Ⅱ型㎡，体温38.5℃，10⁻³mol。",
    "每次 0.5 g",
    "妊娠禁用",
    "每日三次",
    "| 药名 | 剂量 |",
    "| 阿司匹林 | 100 mg |",
    "| 地高辛 | 0.125 mg |",
)
"""What every reader makes of the content above."""


def _tagged(inline: Inline) -> str:
    return "".join(f"<{kind}>{html.escape(text)}</{kind}>" if kind else html.escape(text) for kind, text in inline)


def as_html(path: Path, xhtml: bool = False) -> Path:
    items = "".join(f"<li>{item}</li>" for item in ITEMS)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in CELLS)
    head = (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head>' if xhtml else "<html>"
    )
    body = f"<h1>{HEADING}</h1><p>{_tagged(LINE)}</p><p>{WORDS}</p><ul>{items}</ul><table>{rows}</table>"
    path.write_text(f"{head}<body>{body}</body></html>", encoding="utf-8")
    return path


def as_markdown(path: Path) -> Path:
    items = "\n".join(f"- {item}" for item in ITEMS)
    rows = "\n".join("| " + " | ".join(row) + " |" for row in CELLS)
    path.write_text(f"# {HEADING}\n\n{_tagged(LINE)}\n\n{WORDS}\n\n{items}\n\n{rows}\n", encoding="utf-8")
    return path


def as_xml(path: Path) -> Path:
    items = "".join(f"<list-item><p>{item}</p></list-item>" for item in ITEMS)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in CELLS)
    body = f"<sec><title>{HEADING}</title><p>{_tagged(LINE)}</p><p>{WORDS}</p><list>{items}</list><table>{rows}</table></sec>"
    path.write_text(f'<?xml version="1.0"?><article><body>{body}</body></article>', encoding="utf-8")
    return path


def as_docx(path: Path) -> Path:
    made = Docx()
    made.add_heading(HEADING, 1)
    line = made.add_paragraph()
    for kind, text in LINE:
        run = line.add_run(text)
        run.font.superscript, run.font.subscript = kind == "sup", kind == "sub"
    made.add_paragraph(WORDS)
    for item in ITEMS:
        made.add_paragraph(item, style="List Bullet")
    table = made.add_table(len(CELLS), 2)
    for row, texts in enumerate(CELLS):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    made.save(str(path))
    return path


def epub(path: Path, chapters: dict[str, str], title: str = "书名") -> Path:
    """An EPUB of chapter files in order."""
    items = "".join(f'<item id="i{n}" href="{name}"/>' for n, name in enumerate(chapters))
    refs = "".join(f'<itemref idref="i{n}"/>' for n in range(len(chapters)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("mimetype", "application/epub+zip")
        container = '<container><rootfiles><rootfile full-path="OEBPS/a.opf"/></rootfiles></container>'
        made.writestr("META-INF/container.xml", container)
        made.writestr(
            "OEBPS/a.opf",
            f'<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>{title}</dc:title></metadata>'
            f"<manifest>{items}</manifest><spine>{refs}</spine></package>",
        )
        for name, text in chapters.items():
            made.writestr(f"OEBPS/{name}", text)
    return path


def as_epub(path: Path) -> Path:
    page = as_html(path.with_suffix(".xhtml"), xhtml=True)
    text = page.read_text(encoding="utf-8")
    page.unlink()
    return epub(path, {"ch1.xhtml": text})


def as_pdf(path: Path) -> Path:
    page: list[Text | Rect | str] = [Text(72, 780, HEADING, 18), *runs(72, 750, LINE), Text(72, 730, WORDS)]
    for n, item in enumerate(ITEMS):
        page.append(Text(72, 700 - 16 * n, f"{n + 1}、{item}" if not item[0].isdigit() else item))
    page += grid(72, 600, (90, 90), 20, CELLS)
    return pdf(path, [page])
