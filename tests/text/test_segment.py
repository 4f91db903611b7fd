"""Pieces are bounded, follow each other without a gap, and do not cut numbers from their units."""

from __future__ import annotations

import pytest
import sentencex
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.text import segment
from huatuo.text.segment import pieces, sentences


def cut(text: str, bound: int) -> list[str]:
    return [text[a:b] for a, b in pieces(text, bound)]


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("患者体温38.5℃３８．５ｍｇ㎎。！？，；\n\r\t 　\u2009\u202f.mgDr“”()…\u2028\x1c😀é́"),
        max_size=300,
    )
    | st.text(max_size=100),
    st.integers(1, 60),
    st.sampled_from(["zh", "en"]),
)
def test_joined_pieces_are_the_text_and_none_is_too_long(text: str, bound: int, language: str) -> None:
    got = pieces(text, bound, language)
    assert "".join(text[a:b] for a, b in got) == text
    assert all(0 < b - a <= bound for a, b in got)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["zh", "en"]))
def test_joined_sentences_are_the_text(text: str, language: str) -> None:
    assert "".join(text[a:b] for a, b in sentences(text, language)) == text


_HALF = "体温38.5℃，口服布洛芬2.5 mg，每日3次，血小板4×10⁹/L。血压120/80 mmHg，体重指数24.5 kg/m²。"
_FULL = "体温３８．５℃，口服布洛芬２．５ ｍｇ，过敏每次2．55mg／kg，每日３次。体重６０．５㎏，静滴５００毫升。"


@pytest.mark.parametrize("text", [_HALF * 20, _FULL * 20])
def test_numbers_keep_their_units(text: str) -> None:
    for bound in range(16, 120):
        for piece in cut(text, bound)[:-1]:
            after = text[text.index(piece) + len(piece) :][:1] if text.count(piece) == 1 else ""
            assert not (piece[-1].isdigit() and after.isdigit())
            assert not piece.rstrip().endswith((".", "．", "38", "2.5", "4×10", "24", "３８", "２", "５", "2．55")), (
                piece
            )


@pytest.mark.parametrize(
    "gap", ["", " ", "\t", "\u00a0", "\u2002", "\u2009", "\u202f", "\u3000", "  ", " \u3000", "\t \t"]
)
@pytest.mark.parametrize(
    ("number", "unit"),
    [("2.5", "mg"), ("２．５", "ｍｇ"), ("10", "毫升"), ("３", "小时"), ("7", "㎎"), ("120", "毫米汞柱")],
)
def test_a_gap_of_any_blanks_keeps_number_and_unit_together(number: str, unit: str, gap: str) -> None:
    dose = number + gap + unit
    for before in range(60, 80):  # a sentence without punctuation, cut at each place of the dose
        text = "字" * before + dose + "字" * 90
        parts = cut(text, 80)
        assert "".join(parts) == text
        assert any(dose in part for part in parts), parts


@pytest.mark.parametrize(
    "text",
    ["给药2.5 mg。", "体温38.5℃。", "Give 2.5 mg daily.", "每次２．５毫克。", "体温３８．５℃。", "每次2．55mg／kg。"],
)
def test_a_dose_is_inside_one_sentence(text: str) -> None:
    assert len(sentences(text, "en" if text.isascii() else "zh")) == 1


@settings(max_examples=200, deadline=None)
@given(st.text('患者体温38.5 ℃mgA。！？，；“”"()　', max_size=400), st.sampled_from(["zh", "en"]), st.integers(45, 60))
def test_a_long_line_is_split_window_by_window_without_a_loss(text: str, language: str, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "AT_ONCE", at_once)
        assert "".join(text[start:end] for start, end in sentences(text, language)) == text


def test_a_line_of_any_length_has_the_sentences_of_short_lines() -> None:
    said = [f"第{n}句话说明每次{n}.5 mg，每日3次{'，饭后服用' * (n % 9)}。" for n in range(4_000)]
    text = "".join(said)
    assert [text[start:end] for start, end in sentences(text)] == said
    text = " ".join(f"Dose {n} of the drug is {n}.5 mg a day." for n in range(3_000))
    assert len(sentences(text, "en")) == 3_000
    endless = "字" * 9_000
    assert [(endless + "。")[start:end] for start, end in sentences(endless + "。")] == [endless + "。"]
    assert len(sentences("“" + endless + "。" + "".join(said))) > 3_900  # a quotation that never ends hides no end


def test_no_long_line_is_split_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book in one line took hours: the splitter takes time with the square of what it is given."""
    given_: list[int] = []
    split = sentencex.segment

    def counted(language: str, text: str) -> list[str]:
        given_.append(len(text))
        return list(split(language, text))

    monkeypatch.setattr(sentencex, "segment", counted)
    text = "".join(f"第{n}句话说明每次{n}.5 mg。" for n in range(20_000))
    assert len(sentences(text)) == 20_000
    assert max(given_) <= 2_000
    assert sum(given_) < 1.1 * len(text)


def test_sentences_are_kept_whole_where_they_fit() -> None:
    text = "第一句话在这里。第二句话在这里。第三句话在这里。第四句话在这里。"
    assert cut(text, 20) == ["第一句话在这里。第二句话在这里。", "第三句话在这里。第四句话在这里。"]


def test_a_paragraph_end_is_preferred() -> None:
    text = "一二三四五六七八九十。\n甲乙。丙丁。\n戊己庚辛壬癸子丑寅卯。"
    assert cut(text, 16)[0] == "一二三四五六七八九十。\n"


def test_a_long_sentence_is_cut_at_clauses_then_hard() -> None:
    assert cut("一二三四五，六七八九十，甲乙丙丁戊。", 8) == ["一二三四五，", "六七八九十，", "甲乙丙丁戊。"]
    assert [len(p) for p in cut("字" * 1001, 100)] == [100] * 10 + [1]


def test_a_short_tail_takes_a_sentence_from_the_piece_before() -> None:
    text = "这是很长的第一句话。这是很长的第二句话。这是很长的第三句话。短。"
    assert cut(text, 30) == ["这是很长的第一句话。这是很长的第二句话。", "这是很长的第三句话。短。"]


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="bound = 0"):
        pieces("a", 0)


BLANKS = [chr(code) for code in range(0x3001) if chr(code).isspace() and chr(code) != "\n"]


@pytest.mark.parametrize("blank", BLANKS, ids=[f"{ord(blank):04X}" for blank in BLANKS])
def test_a_blank_before_a_period_ends_no_process(blank: str) -> None:
    for text in (f"维生素{blank}D{blank}.）次日复诊。", f"见图{blank}A{blank}. 丙", f"D{blank}.)", f"{blank}{blank}"):
        for language in ("zh", "en"):
            assert "".join(text[start:end] for start, end in sentences(text, language)) == text
