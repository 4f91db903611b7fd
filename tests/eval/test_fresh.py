"""Fresh is what both dates show; a claim beyond that is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from huatuo import store
from huatuo.errors import RecipeError
from huatuo.eval.fresh import check_claim, freshness, span
from huatuo.eval.probes import Taught
from huatuo.eval.questions import make
from huatuo.recipe import ExamSource, QuestionsSettings
from huatuo.records import Entity, Finding, Origin, Question


@pytest.mark.parametrize(
    ("dates", "until", "verdict"),
    [
        (["2023-10-21", "2023-10-22"], "2023-09", "fresh"),
        (["2023-10-21"], "2023-10-21", "not fresh"),
        (["2023-10-21"], "2023-10", "unknown"),  # the month may end after it
        (["2023"], "2023-09", "unknown"),
        (["2024"], "2023", "fresh"),
        (["2022", "2024"], "2023", "not fresh"),  # one old question is enough
        (["2024", ""], "2023", "unknown"),
        ([], "2023", "unknown"),
        (["2024-01-01"], "", "unknown"),
        (["2024-02-30"], "2023", "unknown"),
        (["nächstes Jahr"], "2023", "unknown"),
        (["2023-09"], "2023-09-30", "not fresh"),
        (["2023-09"], "2023-09-29", "unknown"),
        (["2023-08-31"], "2023-09", "not fresh"),
    ],
)
def test_freshness_of_dates(dates: list[str], until: str, verdict: str) -> None:
    found = freshness(dates, until)
    assert found.verdict == verdict, found
    assert found.reason


def test_a_date_without_day_is_its_whole_month() -> None:
    assert span("2024-02") == (date(2024, 2, 1), date(2024, 2, 29))
    assert span("2024-13") is None


def test_a_claim_that_does_not_hold_is_refused_and_one_that_does_is_told(tmp_path: Path, dataset) -> None:
    path = tmp_path / "e.jsonl"
    row = {"question": "哪个？", "kind": "single", "options": {"A": "甲", "B": "乙"}, "answer": "A"}
    path.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    origin = Origin(source="g", file="f", place="p")
    knowledge = dataset("entities", [Entity(id="e", kind="disease", name="e", origins=(origin,))])

    def go(folder: str, until: str, **given: object) -> list[Finding]:
        exam = ExamSource(name="新题", path=path, **given)
        settings = QuestionsSettings(exams=(exam,), data_until=until)
        with store.writing(tmp_path / folder, stage="questions", key="k") as out:
            make(settings, knowledge, Taught(path, 0), 1, out)
        assert [q.written_on for q in store.read(tmp_path / folder, "questions", Question)] == [exam.sat_on]
        return list(store.read(tmp_path / folder, "findings", Finding))

    (finding,) = go("a", "2023-09", sat_on="2023-10-21", fresh=True)
    assert (finding.rule, finding.subject) == ("freshness", "新题")
    assert finding.message.startswith("fresh: sat on 2023-10-21")
    assert go("b", "2023-12", sat_on="2023-10-21")[0].message.startswith("not fresh")
    assert go("c", "") == []
    for until, sat_on in (("2023-12", "2023-10-21"), ("2023-09", ""), ("", "2023-10-21")):
        with pytest.raises(RecipeError, match=r"新题.*claimed to be fresh"):
            go(f"d{until}{sat_on}", until, sat_on=sat_on, fresh=True)


def test_a_claim_is_of_every_question() -> None:
    asked = [
        Question(id=str(i), exam="e", kind="open", stem="q", written_on=day)
        for i, day in enumerate(["2024-01-01", "2020"])
    ]
    with pytest.raises(RecipeError, match="2020"):
        check_claim(ExamSource(name="e", path=Path("e"), fresh=True), asked, "2023")
