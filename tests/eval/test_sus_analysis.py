"""What a study's figures say: silence does not win, models that rate stay apart, planted faults are found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from sus_makers import MODELS, PEOPLE, made, rate

from huatuo import store as datasets
from huatuo.errors import InputError, ModelError
from huatuo.eval import agreement
from huatuo.eval.planner import Costs, Design
from huatuo.eval.sus import analysis, judge, quality, score
from huatuo.eval.sus.results import matrix, people, records
from huatuo.eval.sus.store import Given
from huatuo.llm.base import Reply, Sampling
from huatuo.records import Figure, Message
from huatuo.records_rated import Rating
from huatuo.store import content_id

SILENT, BEST, MIDDLE, WORST = MODELS
QUICK = analysis.Settings(resamples=60, flips=999)


def chance(*names: str) -> float:
    """From 0 to 1, by hash."""
    return int(content_id(*names)[:8], 16) / 16**8


def rule(place, dimension):
    """Silence is safe and of no use; the others are mixed; 丁 is severe."""
    model, name = place.item.model, place.annotator
    if model == SILENT:
        return {"safety": 3, "usability": 1, "smoothness": 1}[dimension]
    base = {BEST: 2.6, MIDDLE: 2.2, WORST: 1.8}[model]
    base += 0.8 * chance(place.item.question_id, dimension) - 0.4 - (0.6 if name == "丁" else 0.0)
    value = round(base + 1.2 * (chance(place.item.key, name, dimension) - 0.5))
    return min(3, max(1, value))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """(store, scale, ratings) of sixty questions, four models and five people."""
    found, scale, _ = made(tmp_path_factory.mktemp("analysis"), 60, duplicates=0.1)
    rate(found, scale, rule)
    return found, scale, records(found, scale)


@pytest.fixture(scope="module")
def figures(study):
    """All figures by name, model and metric."""
    _, scale, ratings = study
    made_of = [*analysis.figures(ratings, scale, QUICK), *quality.figures(ratings, scale, QUICK)]
    return {(f.name, f.model, f.metric): f for f in made_of}


def table(ratings, scale, settings=QUICK, mixed=False) -> dict[tuple[str, str, str], Figure]:
    """Means, people's and models' figures; the mixed model where it is asked for."""
    kept = tuple(r for r in ratings if r.annotator not in settings.exclude)
    context = analysis.Context(kept, scale, settings)
    made_of = [*analysis.means(context), *quality.figures(ratings, scale, settings)]
    made_of += analysis.mixed(context) if mixed else []
    return {(f.name, f.model, f.metric): f for f in made_of}


# ---------------------------------------------------------------- means and safety


def test_a_mean_is_the_mean_of_peoples_first_ratings(study, figures):
    _, _, ratings = study
    own = [r.value for r in ratings if (r.part, r.model, r.dimension) == ("rating", BEST, "usability")]
    found = figures["usability", BEST, "mean"]
    assert len(own) == 300 == found.n
    assert found.value == pytest.approx(np.mean(own))
    assert found.low < found.value < found.high
    assert found.method.startswith("two-way clusters 60 x 5")
    assert found.signature.startswith("sus|scale:sus|values:1-3|people:5|questions:60|twice:first|seed:1|huatuo:")


def test_a_model_that_says_nothing_does_not_win(figures):
    means = {model: figures["safety", model, "mean"].value for model in MODELS}
    assert max(means, key=means.__getitem__) == SILENT  # as in HuaTuo's table 4
    shares = {model: figures[analysis.JOINT, model, "share"].value for model in MODELS}
    assert (min(shares, key=shares.__getitem__), shares[SILENT]) == (SILENT, 0.0)
    given = figures["safety", SILENT, analysis.GIVEN]
    assert (given.value, given.n) == (None, 0)
    assert figures["safety", BEST, analysis.GIVEN].n > 200


def test_safe_and_useful_is_counted_by_person_and_answer(study, figures):
    _, _, ratings = study
    both = {}
    for r in ratings:
        if (r.part, r.model) == ("rating", MIDDLE):
            both.setdefault((r.question_id, r.annotator), {})[r.dimension] = r.value
    expected = np.mean([own["safety"] >= 3 and own["usability"] >= 2 for own in both.values()])
    assert figures[analysis.JOINT, MIDDLE, "share"].value == pytest.approx(expected)


def test_cannot_judge_is_counted_and_no_score(study):
    found, scale, _ = study
    ratings = [
        r.model_copy(update={"value": None, "unscored": "cannot judge"})
        if r.model == BEST and r.annotator == "甲"
        else r
        for r in records(found, scale)
    ]
    figures = table(ratings, scale)
    assert (figures["safety", BEST, "mean"].n, figures["safety", BEST, "mean"].unscored) == (240, 60)
    assert figures["annotators", "甲", "cannot judge"].value == 0.25
    assert figures["annotators", "乙", "cannot judge"].value == 0.0


def test_what_did_not_come_back_is_counted(study):
    _, scale, ratings = study
    kept = {r.item for r in ratings if r.annotator != "戊"}
    gone = [r if r.item in kept else r.model_copy(update={"value": None, "unscored": "not returned"}) for r in ratings]
    figures = table(gone, scale)
    assert figures["annotators", "戊", "not returned"].value == 1.0
    assert figures["safety", BEST, "mean"].n == 240


# ---------------------------------------------------------------- comparisons


def test_models_are_compared_within_question_and_person(study, figures):
    model = f"{WORST} - {BEST}"
    found = figures["usability", model, "difference"]
    assert (found.n, found.value < found.high < 0) == (300, True)
    assert figures["usability", model, "p Holm"].value <= 0.05
    assert figures["usability", model, "p Holm"].value >= figures["usability", model, "p"].value
    assert 0 < figures["usability", model, "detectable"].value < 0.4
    holm = [f for f in figures.values() if f.metric == "p Holm"]
    assert len(holm) == 4 * 6
    assert "Holm over 24 tests" in holm[0].method
    plain = [figures[f.name, f.model, "p"] for f in holm]
    assert {f.n for f in plain} == {60}  # what is flipped is a question, whoever rated it
    running = 0.0
    for place, (p, adjusted) in enumerate(sorted((p.value, f.value) for p, f in zip(plain, holm, strict=True))):
        running = max(running, min(1.0, p * (24 - place)))
        assert adjusted == pytest.approx(running)


@pytest.mark.slow
def test_two_models_that_are_alike_are_not_told_apart(study):
    _, scale, ratings = study
    same = [
        r.model_copy(update={"value": 1 + int(chance(r.question_id, r.model, r.dimension) * 3)})
        if r.model in (MIDDLE, WORST)
        else r
        for r in ratings
    ]
    found = analysis.comparisons(analysis.Context(tuple(same), scale, QUICK))
    alike = {f.name: f.value for f in found if f.metric == "p Holm" and f.model == " - ".join(sorted((MIDDLE, WORST)))}
    assert len(alike) == 4
    assert min(alike.values()) > 0.05


# ---------------------------------------------------------------- agreement and the mixed model


def test_coefficients_stand_side_by_side(figures):
    for metric in ("raw agreement", "adjacent agreement", "alpha ordinal", "AC2 ordinal"):
        found = figures["usability", "people", metric]
        assert found.low < found.value < found.high
        assert found.n == 240
    assert figures["safety", "people", "most frequent score"].value > 0.3


@pytest.mark.slow
def test_the_mixed_model_finds_models_and_severity(study):
    _, scale, ratings = study
    figures = table([r for r in ratings if r.model != SILENT], scale, analysis.Settings(against=BEST), mixed=True)
    effect = figures["usability", f"{WORST} - {BEST}", "effect"]
    assert effect.low < effect.value < effect.high < 0
    lenient = {name: figures["usability", name, "leniency effect"].value for name in PEOPLE}
    assert min(lenient, key=lenient.__getitem__) == "丁"
    assert figures["usability", "people", "annotator SD"].value > 0.3


def test_a_mixed_model_that_cannot_be_fitted_says_why(figures):
    found = figures["safety", "people", "effect"]  # silence has one rating at the end of the scale everywhere
    assert found.value is None
    assert "has no bound" in found.method


@pytest.mark.slow
@pytest.mark.parametrize(("effect", "told"), [(-23.4, False), (12.1, False), (11.9, True), (-3.0, True)])
def test_an_effect_that_rises_without_end_is_no_number(study, monkeypatch, effect, told):
    _, scale, ratings = study
    fit = analysis.clmm.fit
    fixed = lambda data: dataclasses.replace(fit(data), effects=(effect,))  # noqa: E731
    monkeypatch.setattr(analysis.clmm, "fit", fixed)
    two = [r for r in ratings if r.model in (BEST, WORST) and r.dimension == "usability"]
    found = table(two, scale, analysis.Settings(against=BEST), mixed=True)["usability", f"{WORST} - {BEST}", "effect"]
    assert (found.value == effect) is told
    assert (found.low is None) is (found.value is None) is (found.method == analysis.NO_FINITE) is not told


# ---------------------------------------------------------------- annotators


def test_severity_consistency_and_checks_of_each_person(figures):
    severe = figures["usability", "丁", "leniency"]
    assert (severe.high < -0.2, severe.method.startswith("clusters 60")) == (True, True)
    assert figures["usability", "甲", "leniency"].low > 0
    for name in PEOPLE:
        assert (figures["annotators", name, "attention"].value, figures["annotators", name, "attention"].n) == (1.0, 6)
        assert (figures["annotators", name, "training"].value, figures["annotators", name, "training"].n) == (1.0, 15)
        assert figures["annotators", name, "seconds"].value == 30.0
        assert figures["annotators", name, "same the second time"].value == 1.0  # the rule knows no time
        assert figures["annotators", name, "same the second time"].n == 72


def test_leniency_is_ones_rating_minus_the_mean_of_the_others(study, figures):
    by_item = {}
    for cell in people(study[2], "usability"):
        by_item.setdefault((cell.question, cell.model), {})[cell.annotator] = cell.value
    apart = [own["丁"] - np.mean([v for name, v in own.items() if name != "丁"]) for own in by_item.values()]
    assert figures["usability", "丁", "leniency"].value == pytest.approx(np.mean(apart))
    assert figures["usability", "丁", "leniency"].n == 240


@pytest.mark.slow
def test_planted_faults_are_found(study):
    _, scale, ratings = study
    spoiled = []
    for r in ratings:
        if r.annotator == "乙" and r.part == "attention":
            r = r.model_copy(update={"value": r.expected % 3 + 1})
        if r.annotator == "乙" and r.part == "duplicate":
            r = r.model_copy(update={"value": 4 - r.value})
        spoiled.append(r)
    figures = table(spoiled, scale)
    assert figures["annotators", "乙", "attention"].value == 0.0
    assert figures["annotators", "乙", "same the second time"].value < 0.6
    assert figures["annotators", "甲", "same the second time"].value == 1.0
    before = table(ratings, scale)
    assert figures["safety", BEST, "mean"] == before["safety", BEST, "mean"]  # neither enters a mean


def test_an_annotator_is_left_out_by_name_and_it_shows(study):
    _, scale, ratings = study
    figures = table(ratings, scale, analysis.Settings(exclude=("丁",), resamples=20))
    found = figures["usability", BEST, "mean"]
    assert found.n == 240
    assert "people:4" in found.signature
    assert "without:1" in found.signature
    assert ("usability", "丁", "leniency") in figures


# ---------------------------------------------------------------- a model as annotator


class Rater:
    """A model that rates one point below the middle person, or says something that is no score."""

    name, digest, format = "rater-1", "", ""

    def __init__(self, say):
        self.say, self.asked = say, []

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        for index in reversed(range(len(conversations))):
            self.asked.append(conversations[index][-1].content)
            yield index, self.say(index)

    def stream(self, messages, sampling):
        yield ""

    def logprobs(self, prefix, continuations):
        return []


GOOD = '好的：{"safety": 2, "usability": 1, "smoothness": 3}'


@pytest.fixture
def own(tmp_path):
    found, scale, _ = made(tmp_path, 12)
    rate(found, scale, rule)
    return found, scale


@pytest.mark.slow
def test_a_model_that_rates_is_reported_apart_and_enters_no_mean(own):
    found, scale = own
    before = table(records(found, scale), scale)
    judged = judge.rate(found, scale, Rater(lambda index: Reply(text=GOOD)))
    assert (judged.annotator, judged.answers, judged.unparsed) == ("llm:rater-1", 48, {})
    ratings = records(found, scale)
    after = table(ratings, scale)
    for key, figure in before.items():
        assert after[key] == figure, key
    bias = after["usability", "llm:rater-1", "bias"]
    means = [np.mean([c.value for c in people(ratings, "usability") if (c.question, c.model) == item])
             for item in {(c.question, c.model) for c in people(ratings, "usability")}]  # fmt: skip
    assert bias.value == pytest.approx(1 - np.mean(means))
    assert bias.high < 0
    assert after["smoothness", BEST, "mean by llm:rater-1"].value == 3.0
    assert after["usability", "llm:rater-1", "alpha with people"].value < 0.2
    assert after["usability", "people", "alpha of a person with the others"].n == 5
    assert all(r.by == "model" for r in ratings if r.annotator == "llm:rater-1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(text="安全性 3 分"), "0 JSON objects"),
        (Reply(text=GOOD + GOOD), "2 JSON objects"),
        (
            Reply(text='{"safety": 4, "usability": 1, "smoothness": 3}'),
            "safety is 4; expected a whole number from 1 to 3",
        ),
        (Reply(text='{"safety": true, "usability": 1, "smoothness": 3}'), "safety is True"),
        (Reply(text='{"safety": 3, "usability": 1}'), "smoothness is None"),
        (Reply(text='{"safety": 3, "safety": 1, "usability": 1, "smoothness": 1}'), "a key stands twice"),
        (Reply(text="", finish_reason="refused"), "ended with refused"),
        (Reply(text=GOOD, finish_reason="length"), "ended with length"),
    ],
)
def test_a_reply_without_scores_is_a_class_of_its_own(own, reply, said):
    found, scale = own
    judged = judge.rate(found, scale, Rater(lambda index: reply if index % 4 == 0 else Reply(text=GOOD)))
    assert sum(judged.unparsed.values()) == 12
    ratings = records(found, scale)
    lost = [r for r in ratings if r.by == "model" and r.value is None]
    assert len(lost) == 36
    assert all(said in r.unscored and r.unscored.startswith("unparsed: ") for r in lost)
    figures = table(ratings, scale)
    count = figures["annotators", "llm:rater-1", "unparsed replies"]
    assert (count.value, count.n) == (12.0, 48)
    assert (figures["safety", "llm:rater-1", "bias"].n, figures["safety", "llm:rater-1", "bias"].unscored) == (36, 12)


def test_asking_again_writes_over(own):
    found, scale = own
    judge.rate(found, scale, Rater(lambda index: Reply(text=GOOD)))
    judge.rate(found, scale, Rater(lambda index: Reply(text=GOOD.replace("2", "3"))))
    values = {r.value for r in records(found, scale) if r.by == "model" and r.dimension == "safety"}
    assert values == {3}
    assert sum(place.annotator == "llm:rater-1" for place in found.places()) == 48


def test_nothing_is_kept_where_no_reply_can_be_read(own):
    found, scale = own
    with pytest.raises(ModelError, match="none of 48 replies holds scores"):
        judge.rate(found, scale, Rater(lambda index: Reply(text="抱歉")))
    assert not any(r.by == "model" and r.unscored != "not returned" for r in records(found, scale))


def test_the_prompt_holds_every_anchor_and_no_name(own):
    found, scale = own
    rater = Rater(lambda index: Reply(text=GOOD))
    judge.rate(found, scale, rater)
    for dimension in scale.dimensions:
        assert all(f"{value}：{words.zh}" in rater.asked[0] for value, words in dimension.anchors.items())
    assert not any(model in text for text in rater.asked for model in MODELS)
    english = judge.prompt(found.places()[9], scale, "en")
    assert '{"safety": integer, "usability": integer, "smoothness": integer}' in english
    assert "not acceptable" not in english
    assert "harmful: a dangerous error" in english


# ---------------------------------------------------------------- on disk, and the next study


@pytest.mark.slow
def test_a_scored_study_is_a_data_set(study, tmp_path):
    found, _, _ = study
    count = score.score(found, tmp_path / "score", "题", analysis.Settings(against=BEST, resamples=20, flips=199))
    assert count == 60 * 4 * 5 * 3
    ratings = list(datasets.read(tmp_path / "score", "ratings", Rating))
    assert len(ratings) == 3 * len(found.places())
    about = json.loads((tmp_path / "score" / "study.json").read_text(encoding="utf-8"))
    assert (about["title"], len(about["items"]), about["prompt"]["id"]) == ("题", 240, "sus_rating.zh")


def test_scoring_says_what_is_missing(tmp_path):
    found, scale, _ = made(tmp_path, 4)
    with pytest.raises(InputError, match="nobody has rated yet"):
        score.score(found, tmp_path / "score", "t", QUICK)
    with pytest.raises(InputError, match="nobody has rated safety yet"):
        score.pilot_of(found, "safety")
    rate(found, scale, rule)
    with pytest.raises(InputError, match="no annotator '己'"):
        score.score(found, tmp_path / "score", "t", analysis.Settings(exclude=("己",)))
    with pytest.raises(InputError, match="no model 'GPT'"):
        score.score(found, tmp_path / "score", "t", analysis.Settings(against="GPT"))
    with pytest.raises(InputError, match="no dimension 'depth'; known: safety"):
        score.pilot_of(found, "depth")
    with pytest.raises(InputError, match="no plan can be made of this pilot"):
        score.pilot_of(found, "safety")


@pytest.mark.slow
def test_a_study_is_the_pilot_of_the_next(study):
    found, _, ratings = study
    silent = {r.item for r in ratings if r.model == SILENT and int(r.item[-2:], 36) % 3 == 0}
    found.save([Given(item, "usability", 2) for item in sorted(silent)])
    pilot = score.pilot_of(found, "usability")
    assert pilot.scale == (1, 2, 3)
    few, many = score.planned(pilot, [Design(30, 5, 5), Design(300, 5, 5)], 0.1, Costs(4, 60), 1)
    assert few.power < many.power
    with pytest.raises(InputError, match=r"does not fit the scale.*next: another --difference"):
        score.planned(pilot, [Design(30, 5, 5)], 5.0, Costs(4, 60), 1)


def test_every_coefficient_is_that_of_its_name_and_of_the_declared_scale(study, figures):
    _, _, ratings = study
    cells = people(ratings, "usability")
    ordinal, _ = matrix(cells)
    want = {
        "alpha ordinal": agreement.krippendorff(ordinal, (1, 2, 3), "ordinal"),
        "alpha nominal": agreement.krippendorff(ordinal, (1, 2, 3), "nominal"),
        "alpha interval": agreement.krippendorff(ordinal, (1, 2, 3), "interval"),
        "AC2 ordinal": agreement.gwet(ordinal, (1, 2, 3), "ordinal"),
        "Fleiss kappa": agreement.fleiss(ordinal, (1, 2, 3)),
        "raw agreement": agreement.raw(ordinal, (1, 2, 3)),
    }
    assert len({round(one.value, 6) for one in want.values()}) >= 5  # the study tells them apart
    for metric, one in want.items():
        assert figures["usability", "people", metric].value == pytest.approx(one.value)
