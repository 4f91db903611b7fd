"""An exam by subject, type, kind and year: every part from its own questions, by the metric that leads them."""

from collections import Counter

import pytest
from eval_sets import FakeModel, exam, pair, probe
from test_options import Weighs, prefers

from huatuo import store
from huatuo.eval.ask import ask
from huatuo.eval.breakdown import MOST_PARTS
from huatuo.eval.score import score
from huatuo.llm.base import Reply
from huatuo.recipe import AskSettings, ScoreSettings
from huatuo.records_scored import PartFigure

SUBJECTS = ("内科", "外科", "儿科", "")


@pytest.fixture
def broken_down(dataset, training, tmp_path):
    """Asks and scores; gives the parts by group, field, part, model and metric."""

    def go(questions, models, settings=None):
        folders = {**training([pair("你好", "您好")]), "questions": dataset("questions", questions)}
        with store.writing(tmp_path / "ask", stage="ask", key="k") as out:
            ask(settings or AskSettings(), folders["questions"], models, 1, out)
        with store.writing(tmp_path / "score", stage="score", key="k") as out:
            score(ScoreSettings(resamples=100), {**folders, "ask": tmp_path / "ask"}, 1, out)
        found = list(store.read(tmp_path / "score", "parts", PartFigure))
        made = {(f.name, f.by, f.part, f.model, f.metric): f for f in found}
        assert len(made) == len(found)
        return made

    return go


def question(i, **fields):
    return exam(i, "ABCDE"[i % 4]).model_copy(update=fields)


def said(text):
    """Right in every question whose number is even; every seventh is a failed call."""
    number = int(text.split("第")[1].split("题")[0])
    if number % 7 == 0:
        return Reply(text="", finish_reason="error", error="cut")
    return "ABCDE"[number % 4] if number % 2 == 0 else "E"


@pytest.mark.slow
def test_each_subject_and_year_is_counted_from_its_own_questions(broken_down):
    questions = [question(i, subject=SUBJECTS[i % 3 if i % 5 else 3], year=str(2020 + i % 2)) for i in range(1000)]
    found = broken_down(questions, {"m": FakeModel(said)})
    sizes = Counter(q.subject for q in questions)
    for subject, n in sizes.items():
        numbers = [i for i in range(1000) if questions[i].subject == subject]
        one = found["exam", "subject", subject, "m", "accuracy"]
        right = sum(i % 2 == 0 and i % 7 != 0 for i in numbers)
        assert (one.value, one.n, one.unscored) == (right / n, n, sum(i % 7 == 0 for i in numbers))
        assert one.low < one.value < one.high
        assert found["exam", "subject", subject, "baseline: random", "accuracy"].value == pytest.approx(0.2)
    assert [key[2] for key in found if key[1:2] == ("subject",) and key[3] == "m"] == sorted(
        sizes, key=lambda name: (-sizes[name], name)
    )
    years = [key[2] for key in found if key[1] == "year" and key[3] == "m"]
    assert years == ["2020", "2021"]
    assert {key[1] for key in found} == {"subject", "year"}  # one kind and no type: nothing to tell apart


def test_where_labels_are_weighed_several_answers_have_the_metric_of_their_own(broken_down):
    questions = [exam(i, "A") for i in range(30)] + [exam(100 + i, "AB", "multiple") for i in range(12)]
    found = broken_down(questions, {"m": Weighs(prefers("A", "AB"))}, AskSettings(answer="letters", compare=()))
    assert found["exam", "kind", "single", "m", "letters"].n == 30
    assert found["exam", "kind", "multiple", "m", "subsets"].n == 12
    assert not any(key[2] == "multiple" and key[4] == "letters" for key in found)


def test_an_exam_of_one_part_has_no_table(broken_down):
    facts = [probe(f"病{i}", ["发热"]) for i in range(20)]
    assert broken_down(facts, {"m": FakeModel(lambda _: "发热")}) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("count", "told"), [(MOST_PARTS, True), (MOST_PARTS + 1, False)])
def test_a_field_that_holds_ids_makes_no_parts(broken_down, count, told):
    found = broken_down([question(i, subject=f"s{i}") for i in range(count)], {"m": FakeModel(said)})
    assert bool(found) is told
