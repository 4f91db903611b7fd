"""Exam questions answered by the log-probabilities of their options, from asking to figures."""

import json
import math
from collections import Counter

import pytest
import torch
from eval_sets import Dies, FakeModel, exam, pair, probe

from huatuo import store
from huatuo.errors import ModelError
from huatuo.eval import likelihoods, options
from huatuo.eval.ask import ask
from huatuo.eval.score import METRICS, SIGNATURES, WITH_BASELINES, score
from huatuo.llm.base import Branches, TextOnly, Weights
from huatuo.llm.local import LocalModel
from huatuo.models import formats
from huatuo.models.load import Loaded
from huatuo.recipe import AskSettings, ScoreSettings
from huatuo.records import Figure, Finding, Likelihood, Message, Option, Provenance, Question, Response, Score

LETTERS = AskSettings(answer="letters", compare=())


class Weighs(FakeModel):
    """Weighs a text after a prompt by a function of both; token ids are characters, 0 the end token."""

    def __init__(self, weight=lambda prompt, text: -len(text), digest="d1", dies_after=None, window=10**6):
        super().__init__(digest=digest)
        self.weight, self.calls, self.left, self.window = weight, [], dies_after, window

    def branches(self, messages, texts, end):
        prompt = "\n".join(message.content for message in messages) + "\n"
        tail = [0] if end else []
        return Branches(prefix=list(map(ord, prompt)), continuations=[[*map(ord, text), *tail] for text in texts])

    def logprobs_of(self, prompts):
        self.calls.append(len(prompts))
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Dies
        for i in reversed(range(len(prompts))):  # any order is allowed
            if len(prompts[i].prefix) > self.window:
                yield i, Weights(error=f"{self.name}: too long")
                continue
            prompt = "".join(map(chr, prompts[i].prefix))
            texts = ["".join(chr(c) for c in ids if c) for ids in prompts[i].continuations]
            yield i, Weights(logprobs=[float(self.weight(prompt, text)) for text in texts])


@pytest.fixture
def evaluated(dataset, training, tmp_path):
    """Asks and scores; gives responses, scores, figures and the findings of both stages."""

    def go(questions, models, settings=LETTERS, key="k", examples=()):
        folder, trained = tmp_path / "q", training([pair("你好", "您好")])
        with store.writing(folder, stage="questions", key=key) as out:
            for question in questions:
                out.write("questions", question)
            for example in examples:
                out.write("examples", example)
        with store.writing(tmp_path / "ask", stage="ask", key=key, resumable=True) as out:
            ask(settings, folder, models, 1, out)
        with store.writing(tmp_path / "score", stage="score", key=key) as out:
            score(ScoreSettings(resamples=200), {**trained, "questions": folder, "ask": tmp_path / "ask"}, 1, out)
        scores = {(s.question_id, s.metric): s for s in store.read(tmp_path / "score", "scores", Score)}
        figures = {(f.model, f.metric): f for f in store.read(tmp_path / "score", "figures", Figure)}
        findings = [f for stage in ("ask", "score") for f in store.read(tmp_path / stage, "findings", Finding)]
        return list(store.read(tmp_path / "ask", "responses", Response)), scores, figures, findings

    return go


def prefers(*texts):
    """Weighs these texts above all others, the first above the second."""
    return lambda prompt, text: -1.0 - texts.index(text) if text in texts else -20.0 - len(text)


@pytest.mark.slow
def test_the_likeliest_letter_is_the_answer_and_scoring_needs_no_model(evaluated, tmp_path):
    questions = [exam(i, "ABCDE"[i % 5]) for i in range(1000)]
    responses, scores, figures, findings = evaluated(questions, {"ours": Weighs(prefers("C"))})
    assert [response.text for response in responses] == ["C"] * 1000
    assert [one.text for one in responses[0].likelihoods] == list("ABCDE")
    assert json.loads(responses[0].provenance.sampling) == {"answer": "letters", "compare": [], "end": False}
    assert {metric for _, metric in scores} == {"letters"}
    assert all(s.extracted == ("C",) and s.rule == "highest" for s in scores.values())
    assert (figures["ours", "letters"].value, figures["ours", "letters"].n) == (0.2, 1000)
    assert figures["ours", "letters"].method == "Wilson"
    assert figures["baseline: random", "letters"].value == pytest.approx(0.2)
    assert findings == []


def test_several_answers_are_a_set_weighed_with_the_end_token(evaluated):
    seen = []

    class Sees(Weighs):
        def logprobs_of(self, prompts):
            seen.extend(prompts)
            return super().logprobs_of(prompts)

    questions = [exam(1, "BD", "multiple"), exam(2, "B", "multiple"), exam(3, "B")]
    responses, scores, figures, _ = evaluated(questions, {"ours": Sees(prefers("BD", "B"))})
    assert len(responses[0].likelihoods) == 31
    assert len({one.text for one in responses[0].likelihoods}) == 31
    assert responses[0].text == "BD"
    assert [scores[q.id, m].value for q, m in zip(questions, ("subsets", "subsets", "letters"), strict=True)] == [
        1.0,
        0.0,
        1.0,
    ]
    assert {(len(p.continuations), {c[-1] == 0 for c in p.continuations} == {True}) for p in seen} == {
        (31, True),
        (5, False),
    }
    assert (figures["ours", "subsets"].n, figures["ours", "letters"].n) == (2, 1)
    assert figures["baseline: random", "subsets"].value == pytest.approx(1 / 31)
    assert figures["baseline: random", "letters"].value == pytest.approx(1 / 5)


def weighed(way, rows, compare=("calibration", "pmi")):
    """A response with likelihoods of (label, text, tokens, logprob, content-free, unconditional)."""
    settings = json.dumps({"answer": way, "compare": list(compare), "end": way == "subsets"})
    found = [
        Likelihood(labels=tuple(label), text=text, tokens=tokens, logprob=own, content_free=free, unconditional=none)
        for label, text, tokens, own, free, none in rows
    ]
    return Response(
        id="r", question_id="q", model="ours", messages=(), text="", finish_reason="stop", prompt_tokens=1,
        completion_tokens=1, likelihoods=tuple(found), provenance=Provenance(by="model", sampling=settings),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "chosen"),
    [
        ("options", "A"),
        ("options-tokens", "B"),
        ("options-characters", "C"),
        ("options-bytes", "D"),
        ("options-pmi", "E"),
        ("options-calibrated", "A"),
    ],
)
def test_each_way_to_compare_options_is_a_metric_of_its_own(metric, chosen):
    rows = [
        ("A", "ab", 2, -4.0, -7.0, -4.5),  # sum -4, calibrated 3
        ("B", "abcd", 9, -9.0, -9.0, -9.5),  # per token -1
        ("C", "x" * 12, 5, -10.0, -10.0, -10.5),  # per character and per byte -0.83
        ("D", "中" * 9, 4, -8.9, -9.0, -9.5),  # per character -0.99, per byte -0.33
        ("E", "abc", 3, -7.0, -7.0, -12.0),  # mutual information 5
    ]
    found = {choice.metric: choice for choice in likelihoods.choices(weighed("options", rows))}
    assert set(found) == {name for name in likelihoods.METRICS if name.startswith("options")}
    assert found[metric].labels == (chosen,)


def test_variants_that_were_not_computed_have_no_metric():
    rows = [("A", "A", 1, -1.0, None, None), ("B", "B", 1, -2.0, None, None)]
    assert likelihoods.metrics_of(weighed("letters", rows, ())) == ["letters"]
    assert likelihoods.metrics_of(weighed("letters", rows, ("calibration",))) == ["letters", "letters-calibrated"]
    assert "options-pmi" not in likelihoods.metrics_of(weighed("options", rows, ("calibration",)))
    assert likelihoods.way_of(weighed("options", rows)) == "options"
    assert (
        likelihoods.way_of(Response(**{**weighed("options", rows).model_dump(), "provenance": Provenance(by="human")}))
        == ""
    )


def test_every_metric_has_a_signature_of_its_own():
    assert set(likelihoods.METRICS) <= set(METRICS)
    assert set(likelihoods.VARIANTS) == set(likelihoods.METRICS)
    signatures = [SIGNATURES[metric] for metric in likelihoods.METRICS]
    assert len(set(signatures)) == len(signatures)
    assert all(
        f"metric:{name}|" in SIGNATURES[name] and "unscored:wrong" in SIGNATURES[name] for name in likelihoods.METRICS
    )
    assert set(likelihoods.PLAIN) < set(WITH_BASELINES)


@pytest.mark.slow
@pytest.mark.parametrize(("margin", "near"), [(0.0, True), (0.9e-4, True), (1.1e-4, False)])
def test_a_near_tie_goes_to_the_first_and_is_reported(evaluated, margin, near):
    weights = {"A": -5.0, "B": -1.0, "C": -5.0, "D": -1.0 - margin, "E": -1.5}
    question = exam(1, "B")
    _, scores, _, findings = evaluated([question], {"ours": Weighs(lambda prompt, text: weights[text])})
    one = scores[question.id, "letters"]
    assert (one.value, one.extracted, one.rule) == (1.0, ("B",), "near tie" if near else "highest")
    assert [(f.rule, f.subject, f.place) for f in findings] == (
        [("near tie", question.id, "ours letters")] if near else []
    )
    assert not near or "B leads D by" in findings[0].message


def test_near_ties_are_counted_in_the_manifest(evaluated, tmp_path):
    evaluated([exam(i) for i in range(7)], {"ours": Weighs(lambda prompt, text: -1.0)})
    assert store.read_manifest(tmp_path / "score").figures["ours letters: near ties"] == 7.0


def test_calibration_takes_out_what_a_model_says_anyway(evaluated):
    """A model that leans to A whatever is asked, and to B a little more than that where a question is asked."""

    def leans(prompt, text):
        empty = any(stem in prompt.split("]", 1)[1].splitlines()[0:1] for stem in options.CONTENT_FREE)
        return {"A": -0.5, "B": -2.0 if empty else -1.5}.get(text, -6.0)

    questions, model = [exam(i, "B") for i in range(20)], Weighs(leans)
    settings = AskSettings(answer="letters", compare=("calibration",))
    responses, _, figures, _ = evaluated(questions, {"ours": model}, settings)
    assert (figures["ours", "letters"].value, figures["ours", "letters-calibrated"].value) == (0.0, 1.0)
    assert model.calls == [20, 3]  # what asks nothing is the same for all questions
    free = responses[0].likelihoods[1].content_free
    assert free == pytest.approx(-2.0)


def test_the_mean_over_content_free_questions_is_of_probabilities():
    assert options._log_mean([math.log(0.1), math.log(0.3), math.log(0.2)]) == pytest.approx(math.log(0.2))
    assert options._log_mean([-1000.0, -1000.0]) == pytest.approx(-1000.0)


def test_the_mutual_information_of_texts_is_against_an_empty_question(evaluated):
    frequent = {"头孢": -2.0, "青霉素": -9.0}

    def weight(prompt, text):
        alone = frequent.get(text, -9.0)
        return alone if prompt == "\n" else alone + (3.0 if text == "青霉素" else 0.0)

    settings = AskSettings(answer="options", compare=("pmi",))
    responses, scores, _, _ = evaluated([exam(1, "B")], {"ours": Weighs(weight)}, settings)
    assert responses[0].text == "头孢"
    assert [one.unconditional for one in responses[0].likelihoods] == [-2.0, -9.0, -9.0, -9.0, -9.0]
    values = {metric: one.value for (_, metric), one in scores.items()}
    assert (values["options"], values["options-pmi"]) == (0.0, 1.0)


@pytest.mark.slow
def test_worked_examples_show_the_text_where_texts_are_weighed(evaluated):
    examples = [exam(i, "B") for i in range(50, 53)]
    for answer, shown in (("options", "青霉素"), ("letters", "B")):
        settings = AskSettings(answer=answer, compare=(), shots={"exam": 3})
        responses, _, _, _ = evaluated([exam(1)], {"ours": Weighs()}, settings, key=answer, examples=examples)
        assert [m.content for m in responses[0].messages if m.role == "assistant"] == [shown] * 3


def test_questions_without_options_are_still_answered_in_words(evaluated):
    questions = [exam(1), probe("肺炎", ["发热"])]
    model = Weighs(prefers("A"))
    responses, _, _, _ = evaluated(questions, {"ours": model})
    assert model.asked == ["肺炎会怎么样？"]
    assert [bool(response.likelihoods) for response in responses] == [True, False]


def test_an_empty_option_is_an_error_by_name(evaluated):
    bad = exam(1).model_copy(update={"options": (Option(label="A", text="头孢"), Option(label="B", text=" "))})
    settings = AskSettings(answer="options", compare=())
    responses, scores, figures, findings = evaluated([bad, exam(2)], {"ours": Weighs()}, settings)
    assert responses[0].finish_reason == "error"
    assert "option 'B' is empty" in findings[0].message
    assert scores[bad.id, "options"].unscored == "the call failed"
    assert (figures["ours", "options"].n, figures["ours", "options"].unscored) == (2, 1)


def test_a_question_that_is_too_long_is_counted_and_said(evaluated, tmp_path):
    questions = [exam(i) for i in range(8)] + [exam(9, stem="长" * 500)]
    settings = AskSettings(answer="letters")
    responses, scores, figures, findings = evaluated(questions, {"ours": Weighs(window=300)}, settings)
    assert [response.finish_reason for response in responses] == ["stop"] * 8 + ["error"]
    assert [f.message for f in findings if f.rule == "model error"] == ["fake: too long"]
    assert {scores[questions[-1].id, m].unscored for m in ("letters", "letters-calibrated")} == {"the call failed"}
    assert figures["ours", "letters"].unscored == 1
    assert store.read_manifest(tmp_path / "ask").figures["ours: error"] == 1.0


def test_more_options_than_sets_can_be_weighed_of_is_an_error(evaluated):
    many = tuple(Option(label=label, text=f"第{label}种") for label in "ABCDEFGHIJK")
    bad = exam(1, "AB", "multiple").model_copy(update={"options": many})
    _, _, _, findings = evaluated([bad, exam(2)], {"ours": Weighs()})
    assert "11 options have 2,047 subsets; expected at most 10" in findings[0].message


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["letters", "options"])
def test_a_checkpoint_weighs_what_a_full_forward_weighs(evaluated, tmp_path, answer):
    from model_makers import byte_level, model_of

    tokenizer = byte_level(tmp_path / "tokenizer")
    model = LocalModel(Loaded(model_of("qwen3", len(tokenizer), 1024), tokenizer, "chatml", "d", "tiny"), device="cpu")
    questions = [exam(i) for i in range(6)] + [exam(7, "AC", "multiple"), exam(8, stem="长" * 400)]
    settings = AskSettings(answer=answer, shots={"exam": 2})
    examples = [exam(i, "BD", kind) for kind in ("single", "multiple") for i in (60, 61)]
    examples = [one.model_copy(update={"gold": ("B",)}) if one.kind == "single" else one for one in examples]
    responses, scores, figures, findings = evaluated(
        questions, {"ours": model}, settings, key=answer, examples=examples
    )
    fmt = formats.get("chatml")
    for response in responses[:-1]:
        for one in response.likelihoods[::6]:
            encoded = formats.encode(fmt, [*response.messages, Message(role="assistant", content=one.text)], tokenizer)
            start, stop = encoded.turns[-1]
            stop -= response.question_id != questions[6].id  # the end token is weighed of sets only
            with torch.no_grad():
                logits = model._model(torch.tensor([encoded.ids])).logits[0].log_softmax(-1)
            plain = sum(float(logits[i - 1, encoded.ids[i]]) for i in range(start, stop))
            assert (one.logprob, one.tokens) == (pytest.approx(plain, abs=1e-4), stop - start)
    assert responses[-1].finish_reason == "error"
    assert [f.rule for f in findings if f.severity == "error"] == ["model error"]
    assert "1,024 positions" in findings[0].message
    assert figures["ours", answer].n == 7
    assert figures["ours", "subsets"].n == 1
    assert {metric for _, metric in scores} >= {f"{answer}-calibrated", "subsets-calibrated"}


class Endpoint(FakeModel, TextOnly):
    def no_ids(self):
        return f"{self.name} is an endpoint and takes no token ids"


def test_an_endpoint_refuses_by_name(dataset, tmp_path):
    questions = dataset("questions", [exam(1)])
    with pytest.raises(ModelError) as caught, store.writing(tmp_path / "ask", stage="ask", key="k") as out:
        ask(LETTERS, questions, {"ours": Endpoint(name="gpt")}, 1, out)
    assert "gpt is an endpoint and takes no token ids" in str(caught.value)


def test_a_killed_run_goes_on_without_weighing_again(dataset, tmp_path):
    questions = dataset("questions", [exam(i) for i in range(100)])
    settings = AskSettings(answer="letters", compare=(), batch=1)

    def run(model):
        with store.writing(tmp_path / "ask", stage="ask", key="k", resumable=True) as out:
            ask(settings, questions, {"ours": model}, 1, out)
        return list(store.read(tmp_path / "ask", "responses", Response))

    with pytest.raises(Dies):
        run(Weighs(prefers("C"), dies_after=5))
    again = Weighs(prefers("C"))
    found = run(again)
    assert sum(again.calls) == 100 - 5 * 8
    assert Counter(response.text for response in found) == {"C": 100}


@pytest.mark.slow
def test_a_way_of_answering_is_part_of_the_identity_of_a_response(evaluated):
    ids = set()
    for settings in (LETTERS, AskSettings(answer="letters"), AskSettings(answer="options"), AskSettings()):
        responses, _, _, _ = evaluated([exam(1)], {"ours": Weighs()}, settings, key=settings.model_dump_json())
        ids.add(responses[0].id)
    assert len(ids) == 4


def test_a_model_that_forgets_a_prompt_is_an_error(dataset, tmp_path):
    class Forgets(Weighs):
        def logprobs_of(self, prompts):
            yield from list(super().logprobs_of(prompts))[1:]

    questions = dataset("questions", [exam(i) for i in range(5)])
    with (
        pytest.raises(ModelError, match="1 of 5 prompts"),
        store.writing(tmp_path / "ask", stage="ask", key="k") as out,
    ):
        ask(LETTERS, questions, {"ours": Forgets()}, 1, out)


def test_sets_are_listed_small_first_in_the_order_of_the_options():
    question = Question(
        id="q", exam="e", kind="multiple", stem="?", options=tuple(Option(label=x, text=x) for x in "BAC"), gold=("A",)
    )
    assert [text for _, text in options.texts_of(question, "subsets")] == ["B", "A", "C", "BA", "BC", "AC", "BAC"]
