"""The page of curation: shares that add up, one reason each, texts as text."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from huatuo.checks.says_more import KINDS
from huatuo.records_curated import FunnelCount, FunnelSample
from huatuo.report import names
from huatuo.report.curation import SAID, STEPS, percent, reasons, rows, write


def count(stage: str, rule: str, texts: int, chars: int, source: str = "web", language: str = "zh") -> FunnelCount:
    kind = {"source": source, "language": language, "genre": "web", "stage": stage, "rule": rule}
    return FunnelCount(**kind, texts=texts, chars=chars)


COUNTS = [
    count("texts", "", 90, 9_000),
    count("texts", "truncated", 10, 0),
    count("clean", "", 30, 4_100),
    count("clean", "truncated", 10, 0),
    count("clean", "off_domain", 50, 4_400),
    count("clean", "too_short", 10, 500),
    count("segments", "", 50, 3_000),
    count("segments", "too_short", 5, 100),
    count("kept", "", 20, 900),
    count("kept", "too_short", 5, 100),
    count("kept", "near_duplicate", 25, 1_800),
    count("kept", "contaminated", 5, 300),
]


def test_each_step_holds_what_the_rules_before_it_left() -> None:
    whole, kind = rows(COUNTS)
    # of 4,100 good characters 3,100 are in passages; 1,000 are headings and blanks, which no rule has dropped
    assert whole.chars == (9_000, 4_600, round(4_100 * 3_000 / 3_100), round(4_100 * 1_200 / 3_100), 1_190, 900)
    assert (whole.texts, whole.passages) == (100, 20)
    assert kind.kind == ("web", "zh", "web")
    assert whole.shares == pytest.approx([1, 46 / 90, 3_968 / 9_000, 1_587 / 9_000, 1_190 / 9_000, 0.1])


def test_where_no_rule_drops_anything_every_step_but_the_passages_own_characters_is_whole() -> None:
    """Of one source a quarter is headings, of the other nothing."""
    made = []
    for source, read, cut in (("a", 4_000, 3_000), ("b", 500, 500)):
        made += [count(stage, "", 9, read, source) for stage in ("texts", "clean")]
        made += [count(stage, "", 20, cut, source) for stage in ("segments", "kept")]
    whole, first, second = rows(made)
    assert first.shares == [1, 1, 1, 1, 1, 0.75]
    assert second.shares == [1, 1, 1, 1, 1, 1]
    assert whole.chars == (4_500,) * 5 + (3_500,)
    assert [step for step, _, theirs in STEPS if theirs is not None] == ["read", "domain", "quality", "duplicates"]


def test_a_kind_of_which_all_is_dropped_has_nothing_left() -> None:
    whole, _ = rows([count("texts", "", 2, 80), count("clean", "too_short", 2, 80)])
    assert whole.chars == (80, 80, 0, 0, 0, 0)


def test_a_kind_of_which_nothing_was_read_has_no_row() -> None:
    """A text whose language is told after it was read is counted there under ``unknown``."""
    untold = [count("texts", "", 90, 9_000, language="unknown"), *COUNTS]
    assert [row.kind for row in rows(untold)] == [row.kind for row in rows(COUNTS)]


def test_nothing_read_is_no_division() -> None:
    assert rows([])[0].shares == [0, 0, 0, 0, 0, 0]


def test_a_reason_stands_once_with_its_share_of_the_stage() -> None:
    found = [(r.stage, r.rule, r.texts, r.share) for r in reasons(COUNTS, [])]
    assert found == [
        ("texts", "truncated", 10, 0.1),
        ("clean", "off_domain", 50, 0.5),
        ("clean", "too_short", 10, 0.1),
        ("segments", "too_short", 5, pytest.approx(5 / 55)),
        ("kept", "near_duplicate", 25, pytest.approx(25 / 55)),
        ("kept", "contaminated", 5, pytest.approx(5 / 55)),
    ]


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_the_page_shows_samples_as_text(language: str, tmp_path: Path) -> None:
    sample = FunnelSample(
        stage="clean",
        rule="off_domain",
        id="a1",
        reason="off_domain: words cover 1 of 40",
        witness="",
        place="web, a, 1",
        text="<script>alert(1)</script>",
    )
    files = write(tmp_path, "A & B", language, COUNTS, [sample])
    page = files[0].read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "A &amp; B" in page
    assert ("非医学领域" in page) == (language != "en")
    assert "2.6 %" in page
    assert len(list(csv.DictReader((tmp_path / "funnel.csv").read_text(encoding="utf-8").splitlines()))) == len(COUNTS)
    tex = (tmp_path / "funnel.tex").read_text(encoding="utf-8")
    assert tex.count(" \\\\\n") == 1 + len(rows(COUNTS))
    assert "\\end{tabular}" in tex
    assert (tmp_path / "funnel.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_near_passages_that_were_kept_are_told_with_what_they_say_more(tmp_path: Path) -> None:
    assert set(SAID) == set(KINDS)
    page = write(tmp_path, "A", "en", COUNTS, [], {"number": 1200, "stance": 3})[0].read_text(encoding="utf-8")
    assert "1,203 more passages are near an earlier one" in page
    assert "1,200 another number, 3 a ban, a caution or a denial" in page
    assert "near an earlier one" not in write(tmp_path, "A", "en", COUNTS, [])[0].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (1, "100 %"), (0.026, "2.6 %"), (0.00012, "0.012 %"), (0.5, "50.0 %")]
)
def test_percent(share: float, said: str) -> None:
    assert percent(share) == said


def test_rules_of_curation_have_chinese_names() -> None:
    rules = (
        "off_domain",
        "other_language",
        "semantic_duplicate",
        "near_duplicate",
        "truncated",
        "empty_text",
        "damaged",
    )
    assert [rule for rule in rules if names.rule(rule)[0] == rule] == []
