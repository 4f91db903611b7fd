"""Texts before a question that are shortened so that the prompt fits: whole sentences, counted, only where asked for."""

import pytest
from eval_sets import FakeModel, exam, pair
from hypothesis import given
from hypothesis import strategies as st

from huatuo import store
from huatuo.eval.ask import CUT, ask
from huatuo.eval.fit import fits, fitted, worded
from huatuo.eval.prompting import Wording
from huatuo.eval.score import score
from huatuo.llm.base import Branches, Reply, Weights
from huatuo.llm.cache import Cached
from huatuo.recipe import AskSettings, ScoreSettings
from huatuo.records import Figure, Finding, Response

ROOM = 400
ANSWER = 10


class Short(FakeModel):
    """Reads `ROOM` characters, prompt and answer together; a longer prompt is a failed call."""

    def __init__(self, positions: int | None = ROOM):
        super().__init__()
        self.positions = positions

    def branches(self, messages, texts, end):
        prompt = "\n".join(message.content for message in messages)
        return Branches(
            prefix=list(map(ord, prompt)), continuations=[list(map(ord, text)) + [0] * end for text in texts]
        )

    def logprobs_of(self, prompts):
        for i, one in enumerate(prompts):
            long = self.positions is not None and len(one.prefix) + 1 > self.positions
            yield (
                i,
                Weights(error="too long")
                if long
                else Weights(logprobs=[-1.0 - n for n in range(len(one.continuations))]),
            )

    def chat(self, conversations, sampling):
        for index, messages in enumerate(conversations):
            text = messages[-1].content
            self.asked.append(text)
            long = self.positions is not None and len(text) >= self.positions
            yield index, Reply(text="", finish_reason="error", error="too long") if long else Reply(text="A")


def sentence(number: int) -> str:
    return f"第{number}句说了一件事。"


def question(number: int, count: int, asked: str = "那么对不对？"):
    text = "".join(map(sentence, range(count)))
    made = exam(number, stem=f"{text}\n\n{number}{asked}")
    return made.model_copy(update={"context_chars": len(text)})


def settings(overlong: str, answer: str = "generation") -> AskSettings:
    return AskSettings(overlong=overlong, answer=answer, compare=(), max_tokens=ANSWER)


@pytest.fixture
def wording(dataset):
    return Wording(settings("cut_end"), dataset("questions", [exam(0)]))


@pytest.mark.parametrize("answer", ["generation", "letters"])
@pytest.mark.parametrize("overlong", ["cut_end", "cut_start"])
def test_as_few_sentences_are_left_out_as_need_be_and_the_question_stays(wording, overlong, answer):
    how = settings(overlong, answer)
    for count in (1, 5, 30, 31, 32, 60, 500):
        one = worded(how, wording, question(1, count))
        found = fitted(how, wording, one, Short())
        assert fits(how, found, Short(), ROOM)
        assert "1那么对不对？" in found.asked[0][-1].content
        assert found.question == one.question
        if not found.left_out:
            assert found == one
            continue
        kept = count - found.left_out
        numbers = range(kept) if overlong == "cut_end" else range(found.left_out, count)
        said = found.asked[0][-1].content
        assert [n for n in range(count) if sentence(n) in said] == list(numbers)
        more = (*range(kept + 1),) if overlong == "cut_end" else (*range(found.left_out - 1, count),)
        longer = question(1, 0).model_copy(update={"stem": "".join(map(sentence, more)) + "\n\n1那么对不对？"})
        assert not fits(how, worded(how, wording, longer), Short(), ROOM)
    assert found.sentences == 500


@given(room=st.integers(0, 900), count=st.integers(0, 60), start=st.booleans())
def test_what_comes_out_fits_or_is_what_went_in(room, count, start):
    how = settings("cut_start" if start else "cut_end")
    plain = Wording.__new__(Wording)
    plain._prompts, plain._by_text, plain._shots = {}, False, {}
    one = worded(how, plain, question(1, count))
    found = fitted(how, plain, one, Short(room))
    assert found == one or (fits(how, found, Short(room), room) and 0 < found.left_out <= found.sentences)


@pytest.mark.parametrize(
    ("overlong", "positions", "context"),
    [("refuse", ROOM, True), ("cut_end", None, True), ("cut_end", ROOM, False), ("cut_end", 20, True)],
    ids=["not asked for", "positions unknown", "no text", "the question alone is too long"],
)
def test_nothing_is_cut_without_need_or_leave(wording, overlong, positions, context):
    how = settings(overlong)
    long = question(1, 90)
    one = worded(how, wording, long if context else long.model_copy(update={"context_chars": 0}))
    assert fitted(how, wording, one, Short(positions)) == one


@pytest.mark.slow
def test_every_cut_is_counted_and_told_and_the_rest_fails_as_before(dataset, training, tmp_path):
    questions = [question(i, 60 if i % 2 else 3) for i in range(1000)] + [exam(5000, stem="长" * 600)]
    model, files = Short(), tmp_path / "answers.sqlite"
    with store.writing(tmp_path / "ask", stage="ask", key="k", resumable=True) as out:
        ask(settings("cut_end"), dataset("questions", questions), {"m": Cached(model, files)}, 7, out)
    found = list(store.read(tmp_path / "ask", "responses", Response))
    assert [one.left_out > 0 for one in found] == [bool(i % 2) for i in range(1000)] + [False]
    assert [one.finish_reason for one in found].count("error") == 1
    told = [one for one in store.read(tmp_path / "ask", "findings", Finding) if one.rule == CUT]
    assert {one.subject for one in told} == {one.question_id for one in found if one.left_out}
    assert all("of 60 sentences" in one.message and "400 positions" in one.message for one in told)
    assert store.read_manifest(tmp_path / "ask").figures["m: texts shortened"] == 500
    folders = {**training([pair("你好", "您好")]), "questions": tmp_path / "questions", "ask": tmp_path / "ask"}
    with store.writing(tmp_path / "score", stage="score", key="k") as out:
        score(ScoreSettings(resamples=100), folders, 1, out)
    figures = {(f.model, f.metric): f for f in store.read(tmp_path / "score", "figures", Figure)}
    assert (figures["m", "accuracy"].n, figures["m", "accuracy"].unscored) == (1001, 1)
