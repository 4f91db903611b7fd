"""Verdicts, rows, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re

import pytest

from huatuo.records import Figure
from huatuo.report import tables
from huatuo.report.words import VERDICTS


def number(
    value: float | None, low: float | None, high: float | None, model: str = "ours", metric: str = "exact"
) -> Figure:
    return Figure(
        name="group", model=model, metric=metric, value=value, low=low, high=high, n=0 if value is None else 200
    )


GUESS = number(0.2, None, None, "baseline: longest option")
BASE = number(0.1, 0.06, 0.15, "base")
UP, LEVEL, DOWN = (number(d, d - 0.05, d + 0.05, metric="difference") for d in (0.5, 0.01, -0.2))


@pytest.mark.parametrize(
    ("ours", "base", "difference", "baseline", "control", "expected"),
    [
        ((0.8, 0.7, 0.9), BASE, UP, GUESS, False, "learned"),
        ((0.8, 0.7, 0.9), BASE, UP, None, False, "better-no-baseline"),
        ((0.25, 0.15, 0.35), BASE, UP, GUESS, False, "better"),
        ((0.12, 0.08, 0.15), BASE, UP, GUESS, False, "below-guessing"),
        ((0.25, 0.15, 0.35), BASE, LEVEL, GUESS, False, "guessing"),
        ((0.12, 0.08, 0.16), BASE, LEVEL, GUESS, False, "below-guessing"),
        ((0.6, 0.5, 0.7), BASE, LEVEL, GUESS, False, "same"),
        ((0.6, 0.5, 0.7), BASE, LEVEL, None, False, "same"),
        ((0.6, 0.5, 0.7), BASE, DOWN, GUESS, False, "worse"),
        ((0.05, 0.02, 0.09), BASE, DOWN, GUESS, False, "worse"),
        ((0.6, 0.5, 0.7), None, None, GUESS, False, "above-guessing"),
        ((0.25, 0.15, 0.35), None, None, GUESS, False, "guessing"),
        ((0.6, 0.5, 0.7), None, None, None, False, "alone"),
        ((0.8, 0.7, 0.9), BASE, None, GUESS, False, "learned"),  # intervals that do not meet
        ((0.8, None, None), None, None, GUESS, False, "alone"),
        ((0.22, 0.15, 0.3), BASE, LEVEL, GUESS, True, "control-few"),
        ((0.2, 0.15, 0.25), BASE, LEVEL, GUESS, True, "control-holds"),
        ((0.0, 0.0, 0.793), BASE, LEVEL, GUESS, True, "control-few"),
        ((0.0, None, None), BASE, LEVEL, GUESS, True, "control-few"),
        ((0.01, 0.0, 0.05), BASE, LEVEL, GUESS, True, "control-holds"),
        ((0.6, 0.5, 0.7), BASE, UP, GUESS, True, "control-leak"),
        ((0.6, 0.5, 0.7), None, None, GUESS, True, "control-leak"),
        ((0.6, 0.5, 0.7), BASE, LEVEL, GUESS, True, "control-known"),  # the base knew it before
        ((None, None, None), BASE, None, GUESS, False, "no-number"),
    ],
)
def test_verdict_by_intervals_only(ours, base, difference, baseline, control, expected):
    assert tables.verdict(base, number(*ours), difference, baseline, control) == expected
    assert all(VERDICTS[expected])


def test_answers_that_mostly_cannot_be_scored_are_called_that_and_not_below_guessing():
    ours = number(0.01, 0.0, 0.05).model_copy(update={"unscored": 101})
    assert tables.verdict(BASE, ours, LEVEL, GUESS) == "unreadable"
    assert tables.verdict(BASE, ours, DOWN, GUESS) == "worse"
    assert tables.verdict(BASE, ours, UP, GUESS) == "unreadable"
    assert tables.verdict(BASE, ours.model_copy(update={"unscored": 100}), LEVEL, GUESS) == "below-guessing"


def test_no_answer_of_ours_is_no_number():
    assert tables.verdict(BASE, None, UP, GUESS) == "no-number"


def test_an_interval_that_touches_zero_is_not_a_difference():
    touching = number(0.1, 0.0, 0.2, metric="difference")
    assert tables.verdict(BASE, number(0.6, 0.5, 0.7), touching, GUESS) == "same"


def test_rows_keep_the_order_and_take_the_leading_metric_and_the_hardest_baseline():
    def of(name: str, model: str, metric: str, value: float) -> Figure:
        return Figure(name=name, model=model, metric=metric, value=value, low=value, high=value, n=50)

    figures = [
        of("b", "ours", "bleu", 0.5),
        of("b", "ours", "exact", 0.9),
        of("b", "base", "exact", 0.1),
        of("b", "baseline: constant", "exact", 0.2),
        of("b", "baseline: longest", "exact", 0.3),
        of("b", "ours", "difference", 0.8),
        of("a", "ours", "accuracy", 0.4),
        of("leakage", "baseline: constant", "exact", 0.2),
    ]
    rows = tables.result_rows(figures)
    assert [(row.group, row.metric, row.verdict) for row in rows] == [
        ("b", "exact", "learned"),
        ("a", "accuracy", "alone"),
    ]
    assert rows[0].baseline is not None
    assert rows[0].baseline.model == "baseline: longest"
    assert rows[0].difference is not None
    assert rows[0].difference.value == 0.8


def test_csv_goes_round_and_runs_nothing_in_a_spreadsheet():
    cells = ["=1+1", "+cmd", "-2", "@x", " =1", "a,b", 'say "hi"', "行\n行", "", "plain"] * 100
    table = tables.Table("t", ("text", "number"), tuple((cell, -0.25) for cell in cells))
    text = tables.to_csv(table)
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text[1:], newline="")))
    assert rows[0] == ["text", "number"]
    assert len(rows) == 1001
    for (shown, value), cell in zip(rows[1:], cells, strict=True):
        dangerous = cell.lstrip()[:1] in ("=", "+", "-", "@") and cell != ""
        assert shown == ("'" + cell if dangerous else cell)
        assert value == "-0.25"  # a negative number stays a number


def test_tex_goes_round():
    hostile = r"50 % & $x$ #1 a_b {c} ~ ^ \input{x} −5 行"
    escaped = tables.tex_escape(hostile)
    plain = escaped
    for name, character in (("textbackslash", "\0"), ("textasciitilde", "~"), ("textasciicircum", "^")):
        plain = plain.replace(f"\\{name}{{}}", character)
    plain = re.sub(r"\\([&%$#_{}])", r"\1", plain.replace("$-$", "−")).replace("\0", "\\")
    assert plain == hostile
    assert tables.tex_escape("[5] a\nb") == "{}[5] a b"


def test_tex_table_has_one_line_per_row_and_balanced_columns():
    figures = [
        Figure(name="50% & more", model=model, metric="exact", value=v, low=v - 0.01, high=v + 0.01, n=100)
        for model, v in (("base", 0.5), ("ours", 0.2))
    ]
    text = tables.to_tex(tables.result_rows(figures))
    line = next(line for line in text.splitlines() if line.startswith("50"))
    assert line.startswith(r"50\% \& more (exact) & 100 & 50.0 \% & 20.0 \% &")
    assert line.endswith(r"worse than the base \\")
    assert len(re.findall(r"(?<!\\)&", line)) == 5


def test_numbers_in_words():
    assert tables.percent(0.7141) == "71.4 %"
    assert tables.percent(None) == "–"
    assert tables.points(-0.031) == "−3.1"
    assert tables.points(0.5) == "+50.0"
    assert tables.interval(DOWN, signed=True) == "[−25.0, −15.0]"
    assert tables.interval(None) == ""


def test_a_count_of_contaminated_questions_is_no_share_and_no_row():
    count = Figure(name="exam", model="pairs", metric="contamination: exact", value=3.0, low=None, high=None, n=40)
    assert tables.result_rows([count]) == []
    assert tables.shown(count) == "3"
    assert tables.shown(number(0.031, 0.0, 0.1)) == "3.1 %"
    assert tables.shown(DOWN) == "−20.0"


def test_the_leading_difference_has_no_name_and_the_others_have_their_metric():
    def of(model: str, metric: str, value: float) -> Figure:
        return Figure(name="g", model=model, metric=metric, value=value, low=value - 0.1, high=value + 0.1, n=50)

    figures = [of("ours - base", "bleu difference", 0.1), of("ours - base", "difference", 0.7)]
    figures += [of(model, metric, 0.5) for model in ("base", "ours") for metric in ("exact", "bleu")]
    (row,) = tables.result_rows(figures)
    assert row.metric == "exact"
    assert row.difference is not None
    assert row.difference.value == 0.7


def control(high: float | None, method: str, n: int = 186) -> tables.Row:
    ours = number(0.0, 0.0, high).model_copy(update={"name": tables.CONTROL_GROUP, "n": n, "method": method})
    (row,) = tables.result_rows([ours])
    return row


@pytest.mark.parametrize(
    ("high", "verdict", "words"),
    [
        (0.2153, "control-holds", "control: no sign of knowing it (up to 21.5 % is possible)"),
        (0.7935, "control-few", "control: too few to tell (up to 79.3 % is possible)"),
        (None, "control-few", "control: too few to tell (up to 100.0 % is possible)"),
    ],
)
def test_a_control_says_what_its_interval_still_allows(high, verdict, words):
    row = control(high, "all alike, Wilson over 14 clusters")
    assert row.verdict == verdict
    assert tables.verdict_words(row)[1] == words
    assert words.partition(" (up")[0] in tables.to_tex([row])
    assert words in tables.to_csv(tables.results_table([row]))


@pytest.mark.parametrize(
    ("method", "n", "expected"),
    [
        ("bootstrap over 122 x 48 clusters, 2000 resamples, t(47)", 1635, "122 entities × 48 wordings"),
        ("paired, all alike, Wilson over 1400 clusters", 2000, "1,400 groups"),
        ("one cluster, Wilson of one", 4, "1 group"),
        ("Wilson", 107, None),
        ("paired, all alike, Wilson over 107 clusters", 107, None),  # each question for itself
    ],
)
def test_on_what_an_interval_rests(method, n, expected):
    found = tables.rests_on(control(0.2, method, n).ours)
    assert (found and found[1]) == expected


def test_a_group_without_a_wording_is_called_that():
    empty = Figure(
        name=tables.NO_SHARED_WORD, model="ours", metric="exact", value=None, low=None, high=None, n=0, method="no data"
    )
    (row,) = tables.result_rows([empty])
    assert row.verdict == "no-wording"
    assert tables.verdict_words(row) == ("没有这样的问法", "no such wording")
    (other,) = tables.result_rows([empty.model_copy(update={"name": "trained phrasings"})])
    assert other.verdict == "no-number"


def test_the_names_of_groups_are_those_that_are_scored():
    from huatuo.eval import probes

    assert (tables.CONTROL_GROUP, tables.NO_SHARED_WORD, tables.NOT_TAUGHT) == (
        probes.WITHHELD,
        probes.NO_SHARED_WORD,
        probes.NOT_TAUGHT,
    )


def test_the_band_of_extractors_has_its_ends_and_the_classes_of_unread_answers():
    def made(metric: str, value: float, model: str = "ours") -> Figure:
        return Figure(name="exam", model=model, metric=metric, value=value, low=None, high=None, n=50)

    (band,) = tables.bands(
        [
            made("accuracy", 0.5),
            made("extractor: cmb", 0.3),
            made("extractor: huatuogpt2-m3", 0.6),
            made("unscored: refusal", 4.0),
            made("accuracy", 0.2, "baseline: random"),
        ]
    )
    assert (band.group, band.model, band.ends) == ("exam", "ours", (0.3, 0.6))
    assert [tables.shown(figure) for figure in band.unread] == ["4"]
    assert not any(tables.is_leak(figure) for figure in band.unread)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.0, 0.0004, "[0.00, 0.04]"),
        (0.0, 0.0, "[0.0, 0.0]"),
        (0.9996, 1.0, "[99.96, 100.00]"),
        (0.0, 0.002, "[0.0, 0.2]"),
    ],
)
def test_an_interval_that_is_no_point_does_not_look_like_one(low, high, said):
    assert (
        tables.interval(Figure(name="e", model="m", metric="accuracy", value=low, low=low, high=high, n=9538)) == said
    )
