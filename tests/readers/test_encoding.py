"""Encodings are found, bytes that cannot be read are replaced and reported, lines are streamed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from huatuo.errors import InputError
from huatuo.readers import encoding
from huatuo.readers.encoding import decode, read_lines, read_text

CHINESE = "患者三天前出现发热、咳嗽，体温38.5℃，给予对乙酰氨基酚治疗。"
TRADITIONAL = "皇后後來發燒，醫師給她退燒藥。"


@pytest.mark.parametrize("name", ["utf-8", "gb18030", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("repeats", [1, 5000])
def test_the_encoding_of_chinese_is_found(name: str, repeats: int) -> None:
    made = decode((CHINESE * repeats).encode(name))
    assert (made.text, made.encoding, made.problems) == (CHINESE * repeats, name, ())


def test_big5_is_not_taken_for_gb18030() -> None:
    assert decode(TRADITIONAL.encode("big5")).text == TRADITIONAL


@pytest.mark.parametrize(
    ("bom", "name"), [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]
)
def test_a_byte_order_mark_decides_and_is_removed(bom: bytes, name: str) -> None:
    assert decode(bom + CHINESE.encode(name)) == encoding.Decoded(CHINESE, name, ())


def test_four_byte_gb18030_is_read() -> None:
    assert decode(("𠮷野家的药物治疗与护理方法" * 3).encode("gb18030")).text.startswith("𠮷")


def test_ascii_before_the_first_chinese_line_does_not_mislead(tmp_path: Path) -> None:
    text = "id,name\n" * 40_000 + CHINESE + "\n"
    (tmp_path / "a.csv").write_bytes(text.encode("gb18030"))
    assert decode(text.encode("gb18030")).encoding == "gb18030"
    assert list(read_lines(tmp_path / "a.csv"))[-1] == (40_001, CHINESE, ())


def test_illegal_bytes_are_replaced_and_reported_with_their_positions() -> None:
    data = CHINESE.encode("gb18030") * 100
    broken = data[:100] + b"\xff" + data[100:] + b"\n\xb5"
    made = decode(broken)
    assert made.encoding == "gb18030"
    assert made.text.count("\ufffd") == 2
    assert made.problems[0].rule == "undecodable_bytes"
    assert made.problems[0].positions == (100, len(broken) - 1)
    assert "byte 100" in made.problems[0].message


def test_ten_thousand_illegal_bytes_are_counted() -> None:
    made = decode((CHINESE.encode("utf-8") + b"\xff\n") * 10_000)
    assert len(made.problems[0].positions) == 10_000
    assert "10,000 places" in made.problems[0].message


@pytest.mark.parametrize("n", [300, 100_000])
def test_bytes_that_are_no_text_are_said_to_be_none(n: int) -> None:
    assert "not_text" in {problem.rule for problem in decode(random.Random(0).randbytes(n)).problems}


def test_nul_bytes_are_reported(tmp_path: Path) -> None:
    made = decode(b"abc\0def\n" + CHINESE.encode())
    assert made.text.startswith("abc\0def")
    assert made.problems[0].rule == "nul_bytes"
    assert made.problems[0].positions == (3,)


def test_windows_and_unix_line_ends_give_the_same_lines(tmp_path: Path) -> None:
    lines = [f"{i} {CHINESE}" for i in range(1500)]
    for name, end, code in [
        ("a", "\n", "utf-8"),
        ("b", "\r\n", "gb18030"),
        ("c", "\r\n", "utf-16-le"),
        ("d", "\n", "utf-16-be"),
    ]:
        (tmp_path / name).write_bytes(end.join(lines).encode(code))
        assert [line for _, line, _ in read_lines(tmp_path / name)] == lines, name


def test_newline_bytes_inside_utf16_characters_do_not_cut(tmp_path: Path) -> None:
    lines = ["\u0a0a\u0a00\u000b\u010a治疗方法" * 50, "药物"]
    (tmp_path / "a").write_bytes(b"\xff\xfe" + "\n".join(lines).encode("utf-16-le"))
    assert [line for _, line, _ in read_lines(tmp_path / "a")] == lines


def test_an_overlong_line_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first\n" + b"x" * 3_000_000 + b"\nlast")
    got = list(read_lines(tmp_path / "a", bound=1000))
    assert [(n, line) for n, line, _ in got] == [(1, "first"), (2, ""), (3, "last")]
    assert got[1][2][0].rule == "line_too_long"
    assert "3,000,000 bytes" in got[1][2][0].message


def test_byte_positions_of_a_line_count_from_the_beginning_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CHINESE.encode() + b"\nab\xffcd\n" + CHINESE.encode() * 3)
    problems = [p for _, _, found in read_lines(tmp_path / "a") for p in found]
    assert [p.positions for p in problems] == [(len(CHINESE.encode()) + 3,)]


@pytest.mark.parametrize("name", ["", "missing", "空 文件.txt"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "空 文件.txt").touch()
    for read in (read_text, read_lines):
        with pytest.raises(InputError, match="next:") as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_a_path_with_blanks_and_chinese_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "我的 文件"
    folder.mkdir()
    (folder / "高 血压.txt").write_text(CHINESE, encoding="utf-8")
    assert read_text(folder / "高 血压.txt").text == CHINESE
