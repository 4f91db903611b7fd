"""The band of extractors and the classes of answers without a value, from the kept responses."""

import pytest
from eval_sets import FakeModel, exam, pair

from huatuo import store
from huatuo.eval.ask import ask
from huatuo.eval.choice import RULES
from huatuo.eval.choice_profiles import PROFILES
from huatuo.eval.score import score
from huatuo.eval.sensitivity import CLASSES
from huatuo.llm.base import Reply
from huatuo.recipe import AskSettings, ScoreSettings
from huatuo.records import Figure


@pytest.fixture
def figures(dataset, training, tmp_path):
    def go(questions, model):
        folder = dataset("questions", questions)
        with store.writing(tmp_path / "ask", stage="ask", key="k") as out:
            ask(AskSettings(), folder, {"ours": model}, 1, out)
        with store.writing(tmp_path / "score", stage="score", key="k") as out:
            folders = {**training([pair("你好", "您好")]), "questions": folder, "ask": tmp_path / "ask"}
            score(ScoreSettings(resamples=100), folders, 1, out)
        return {
            figure.metric: figure
            for figure in store.read(tmp_path / "score", "figures", Figure)
            if figure.model == "ours"
        }

    return go


def number(text: str) -> int:
    return int(text.partition("第")[2].partition("题")[0])


@pytest.mark.slow
def test_one_answer_scores_differently_under_each_extractor(figures):
    found = figures([exam(i, "D") for i in range(1000)], FakeModel(lambda text: "答案不是A，而是D。"))
    assert found["accuracy"].value == 1.0
    assert f"extractor:{RULES}|" in found["accuracy"].signature
    values = {p.name: (found[f"extractor: {p.name}"].value, found[f"extractor: {p.name}"].unscored) for p in PROFILES}
    assert values == {
        "huatuogpt2-m2": (0.0, 1000),
        "huatuogpt2-m3": (0.0, 0),
        "cmb": (0.0, 0),
        "opencompass-first": (1.0, 0),
        "opencompass-multi": (0.0, 0),
        "cmexam-lora": (0.0, 0),
    }
    first = found["extractor: opencompass-first"]
    assert (first.n, first.method, first.high) == (1000, "Wilson", 1.0)
    assert 0.99 < first.low < 1.0


def test_an_unread_answer_is_right_where_the_project_guesses_b(figures):
    found = figures([exam(i, "B") for i in range(20)], FakeModel(lambda text: "无可奉告"))
    assert found["accuracy"].value == 0.0
    assert found["extractor: huatuogpt2-m3"].value == 1.0
    assert found["extractor: huatuogpt2-m3"].unscored == 20
    assert found["extractor: cmb"].value == 0.0


def test_refusals_failed_calls_and_cut_answers_stay_and_are_counted_apart(figures):
    said = {
        0: Reply(text="B", finish_reason="refused"),
        1: Reply(text="", finish_reason="error", error="no answer within 60 s"),
        2: "抱歉，我无法回答。",
        3: Reply(text="首先看A选项", finish_reason="length"),
        4: "<think>可能是B",
        5: "答案是A或B。",
    }
    found = figures([exam(i, "B") for i in range(10)], FakeModel(lambda text: said.get(number(text), "B")))
    counts = {name: found[f"unscored: {name}"].value for name in CLASSES}
    assert counts == {"refusal": 2, "failed call": 1, "cut off": 2, "unreadable": 1}
    assert {found[f"unscored: {name}"].n for name in CLASSES} == {10}
    accuracy = found["accuracy"]
    assert (accuracy.value, accuracy.n, accuracy.unscored) == (0.4, 10, sum(counts.values()))
    for profile in PROFILES:  # no text, so no extractor can be right by luck
        assert found[f"extractor: {profile.name}"].value <= 0.8
        assert found[f"extractor: {profile.name}"].unscored >= 2


def test_open_questions_have_no_band(figures):
    question = exam(1).model_copy(update={"kind": "open", "options": (), "gold": (), "reference": "多喝水。"})
    found = figures([question], FakeModel(lambda text: "多喝水。"))
    assert not [metric for metric in found if metric.startswith(("extractor: ", "unscored: "))]
