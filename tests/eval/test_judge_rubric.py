"""HealthBench's scores and its meta-evaluation, by their authors' definitions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from judge_makers import answer, jsonl, judge

from huatuo.errors import InputError
from huatuo.eval.judging import grading, rubric
from huatuo.eval.judging.rubric import Graded, against_physicians
from huatuo.records import Provenance
from huatuo.records_rated import Criterion, Grade


def item(points, met, *tags, question_tags=()):
    one = Criterion(
        id=f"{points}{tags}", question_id="q", criterion="x", points=points, tags=tags, question_tags=question_tags
    )
    return Graded(one, met)


@pytest.mark.parametrize(
    ("items", "score", "bounds"),
    [
        ([(5, True), (3, True)], 1.0, (1.0, 1.0)),
        ([(5, True), (3, False)], 0.625, (0.625, 0.625)),
        ([(5, False), (3, False)], 0.0, (0.0, 0.0)),
        ([(5, True), (-5, True)], 0.0, (0.0, 0.0)),
        ([(5, False), (-10, True)], -2.0, (-2.0, -2.0)),
        ([(5, True), (-10, False)], 1.0, (1.0, 1.0)),
        ([(5, True), (3, None)], None, (0.625, 1.0)),
        ([(5, True), (-5, None)], None, (0.0, 1.0)),
        ([(5, None), (-5, None)], None, (-1.0, 1.0)),
        ([(-5, True)], None, None),  # nothing to gain: a tag of its own has no score
        ([], None, None),
    ],
)
def test_a_score_is_met_points_over_positive_points(items, score, bounds):
    graded = [item(*one) for one in items]
    assert rubric.score(graded) == score
    assert rubric.bounds(graded) == bounds


def test_the_mean_is_clipped_and_not_the_scores():
    assert rubric.clipped_mean([-1.0, 0.5], 1).value == 0.0
    assert rubric.clipped_mean([-0.5, 1.0], 1).value == 0.25
    assert rubric.clipped_mean([], 1).value is None
    one = rubric.clipped_mean([0.3], 1)
    assert (one.value, one.low, one.n) == (0.3, None, 1)
    alike = rubric.clipped_mean([0.0] * 50, 1)
    assert (alike.value, alike.low, alike.high) == (0.0, None, None)  # and not an interval without width


def test_the_bootstrap_deviation_is_that_of_clipped_means():
    values = list(np.random.Generator(np.random.PCG64(1)).normal(0.5, 0.2, 1000))
    assert rubric.bootstrap_std(values, 1) == pytest.approx(0.2 / np.sqrt(1000), rel=0.1)
    assert rubric.bootstrap_std([-1.0] * 50, 1) == 0.0
    assert rubric.bootstrap_std([-3.0, 0.1] * 20, 1) == 0.0  # every resample is clipped to 0
    assert rubric.bootstrap_std(values, 1) == rubric.bootstrap_std(values, 1)


def test_tags_of_a_question_take_the_whole_score_and_those_of_items_their_own():
    graded = {
        "a": [item(5, True, "axis:a"), item(5, False, "axis:b"), item(-5, False, "axis:c")],
        "b": [item(4, None, "axis:a", question_tags=("theme:t",)), item(4, True, "axis:b", question_tags=("theme:t",))],
    }
    assert rubric.by_tag(graded) == {"axis:a": [1.0, None], "axis:b": [0.0, 1.0], "theme:t": [None]}


@pytest.mark.parametrize(
    ("judge_says", "labels", "met", "not_met", "macro"),
    [
        # the worked example of openai/simple-evals healthbench_meta_eval_test.py: every label is a comparison
        ([True, False, True], [[True, True, False], [True, False], [False]], (2 / 4, 2 / 3), (1 / 2, 1 / 3), None),
        ([True, False], [[True, True, False], [True, False]], (2 / 3, 2 / 3), (1 / 2, 1 / 2), None),
        ([True], [[False]], (0.0, None), (None, 0.0), "none"),
        ([True, False], [[True], [False]], (1.0, 1.0), (1.0, 1.0), 1.0),
        ([True, False], [[False], [True]], (0.0, 0.0), (0.0, 0.0), 0.0),
        ([True, True], [[True], [True]], (1.0, 1.0), (None, None), "none"),
        ([], [], (None, None), (None, None), "none"),
    ],
)
def test_a_judge_against_physicians(judge_says, labels, met, not_met, macro):
    found = against_physicians(judge_says, labels)
    assert found.met[:2] == pytest.approx(met)
    assert found.not_met[:2] == pytest.approx(not_met)
    if macro == "none":
        assert found.macro_f1 is None
    else:
        f1 = [2 * p * r / (p + r) if p + r else 0.0 for p, r in (met, not_met)]
        assert found.macro_f1 == pytest.approx(sum(f1) / 2 if macro is None else macro)
    assert found.pairs == sum(map(len, labels))


def test_an_unparsed_grade_is_in_no_class():
    found = against_physicians([None, True, False], [[True, False], [True], [False]])
    assert (found.pairs, found.unparsed, found.macro_f1) == (2, 2, 1.0)
    with pytest.raises(ValueError, match="1 grades and labels of 0 items"):
        against_physicians([True], [])


def grade_of(question, met, annotator="llm:x", criterion="c"):
    return Grade(
        id=f"{question} {criterion} {annotator}", criterion_id=criterion, question_id=question, response_id=f"r{question}",
        model="甲", met=met, unparsed="" if met is not None else "refused", by="model", annotator=annotator,
        provenance=Provenance(by="model", prompt_id="rubric_item.zh", prompt_hash="0123456789"),
    )  # fmt: skip


@pytest.mark.slow
def test_macro_f1_with_its_interval_joins_by_answer_and_criterion():
    rng = np.random.Generator(np.random.PCG64(1))
    truth = rng.random(600) < 0.4
    said = [bool(value) != (rng.random() < 0.2) for value in truth]
    grades = [grade_of(f"q{n}", value) for n, value in enumerate(said)]
    labels = [grade_of(f"q{n}", bool(value), name) for name in ("a", "b") for n, value in enumerate(truth)]
    meta, macro = rubric.macro_f1([*grades, grade_of("other", True)], labels, 300, 1)
    assert meta.pairs == 1200
    assert macro.low < macro.value < macro.high
    assert 0.75 < macro.value < 0.85


# ---------------------------------------------------------------- files and figures


def test_healthbenchs_lines_are_read_and_bad_ones_counted(tmp_path):
    rows = [
        {
            "prompt_id": "p1",
            "example_tags": ["theme:x"],
            "rubrics": [{"criterion": "Urges care", "points": 7, "tags": ["axis:a"]}],
        },
        {"id": "q2", "rubrics": [{"criterion": "Is wrong", "points": -10}]},
        {"id": "q3", "rubrics": [{"criterion": "x", "points": 11, "tags": []}]},
        {"id": "q4", "rubrics": [{"criterion": "", "points": 1}]},
        {"id": "q5"},
        {"id": "q6", "rubrics": [{"criterion": "x", "points": 0}]},
        "text",
    ]
    found, dropped = grading.read_criteria(jsonl(tmp_path / "r.jsonl", rows))
    assert [(one.question_id, one.points, one.tags, one.question_tags) for one in found] == [
        ("p1", 7.0, ("axis:a",), ("theme:x",)),
        ("q2", -10.0, (), ()),
    ]
    assert [one.record_id for one in dropped] == [f"r.jsonl line {n}" for n in range(3, 8)]
    with pytest.raises(InputError, match="holds no criterion"):
        grading.read_criteria(jsonl(tmp_path / "empty.jsonl", [{}]))


def test_a_thousand_grades_become_scores_with_the_unparsed_apart(tmp_path):
    rows = [
        {"id": f"q{n:04}", "rubrics": [{"criterion": "劝就医", "points": 5, "tags": ["axis:a"]}, {"criterion": "说错剂量", "points": -5, "tags": ["axis:b"]}]}
        for n in range(500)
    ]  # fmt: skip
    criteria, _ = grading.read_criteria(jsonl(tmp_path / "r.jsonl", rows))
    answers = [answer(n, "甲", f"第{n}个回答，请就医。") for n in range(500)]

    def say(block, code):
        number = int(block["answer"][1 : block["answer"].index("个")])
        if number < 50 and block["points"] > 0:
            return "不好说"
        return json.dumps({"code": code, "explanation": "", "criteria_met": block["points"] > 0 or number % 4 == 0})

    model = judge(say)
    grades = grading.grade(grading.items_of(answers, criteria), model)
    assert len(grades) == 1000
    made = {(one.name, one.metric): one for one in grading.figures(grades, criteria, 1)}
    whole = made["rubric", "score"]
    scored = [0.0 if n % 4 == 0 else 1.0 for n in range(50, 500)]
    assert whole.value == pytest.approx(np.mean(scored))
    assert (whole.n, whole.unscored) == (450, 50)
    assert whole.low < whole.value < whole.high
    bounds = made["rubric", "bounds"]
    assert bounds.low < whole.value < bounds.high + 0.05
    assert made["rubric", "unparsed: not one JSON object"].value == 50
    assert made["tag axis:a", "score"].value == 1.0
    assert ("tag axis:b", "score") not in made  # no positive points
    assert "unparsed:unscored" in whole.signature
    assert "prompt:rubric_item.zh@" in whole.signature


def test_ids_that_do_not_meet_are_an_error(tmp_path):
    criteria = [Criterion(id="c", question_id="other", criterion="x", points=1)]
    with pytest.raises(InputError, match="give both the same ids"):
        grading.items_of([answer(0, "甲", "x")], criteria)


@pytest.mark.parametrize("bad", [{"met": "yes"}, {"met": None}, {}, {"met": True, "response_id": None, "x": 1}])
def test_a_label_that_is_none_names_its_line(tmp_path, bad):
    good = {"response_id": "r", "criterion_id": "c", "question_id": "q", "annotator": "a", "met": True}
    if bad.get("x"):
        bad = {"met": True}
    row = bad if "met" not in bad or bad == {"met": True} else good | bad
    path = jsonl(tmp_path / "labels.jsonl", [good, row])
    with pytest.raises(InputError, match="line 2"):
        grading.read_labels(path)
    assert grading.read_labels(jsonl(tmp_path / "ok.jsonl", [good]))[0].met is True
