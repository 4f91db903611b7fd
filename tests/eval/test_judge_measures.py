"""Outcomes, rates, agreement and rankings: value tables, and what a simulation knows is found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from judge_makers import game

from huatuo.eval import agreement
from huatuo.eval.judging import measures, ranking, score
from huatuo.eval.judging.choice_model import NoFitError
from huatuo.eval.judging.outcomes import RULES, outcomes
from huatuo.eval.judging.ranking import Game
from huatuo.eval.judging.score import Scoring

WIN, TIE, LOSS = 1, 0, -1


@pytest.mark.parametrize(
    ("signs", "huatuogpt2", "mt_bench"),
    [
        ((WIN, WIN), WIN, WIN),
        ((WIN, TIE), WIN, TIE),
        ((TIE, WIN), WIN, TIE),
        ((WIN, LOSS), TIE, TIE),
        ((LOSS, WIN), TIE, TIE),
        ((TIE, TIE), TIE, TIE),
        ((LOSS, TIE), LOSS, TIE),
        ((TIE, LOSS), LOSS, TIE),
        ((LOSS, LOSS), LOSS, LOSS),
    ],
)
def test_the_rules_on_every_pair_of_verdicts(signs, huatuogpt2, mt_bench):
    assert RULES["huatuogpt2"](signs) == huatuogpt2
    assert RULES["mt-bench"](signs) == mt_bench


def both(question, *winners, **more):
    return [game(question, winner, first, **more) for winner, first in zip(winners, ("left", "right"), strict=True)]


def test_an_order_that_is_missing_or_unread_leaves_no_outcome():
    found = outcomes([*both("a", "left", None), game("b", "left"), *both("c", "left", "left")], "huatuogpt2")
    assert [(one.question_id, one.value) for one in found] == [("a", None), ("b", None), ("c", 1)]
    with pytest.raises(ValueError, match="two verdicts of llm:x in one order"):
        outcomes([game("a", "left"), game("a", "left")], "huatuogpt2")
    with pytest.raises(KeyError):
        outcomes([], "own")


def mixed():
    """200 questions: 80 won, 40 lost, 40 flipped (20 by the first place), 20 tied, 20 unread in one order."""
    kinds = [("left", "left")] * 80 + [("right", "right")] * 40 + [("left", "right")] * 20 + [("right", "left")] * 20
    kinds += [("tie", "tie")] * 20 + [("left", None)] * 20
    return [one for n, kind in enumerate(kinds) for one in both(f"q{n:03}", *kind)]


def test_shares_are_over_all_questions_and_the_win_rate_over_those_read():
    every = outcomes(mixed(), "huatuogpt2")
    shares = {name: measures.share(every, value, 500, 1) for name, value in score.CLASSES.items()}
    assert {name: one.value for name, one in shares.items()} == {"win": 0.4, "tie": 0.3, "loss": 0.2, "unparsed": 0.1}
    assert all(one.n == 200 and "bootstrap over 200 clusters" in one.method for one in shares.values())
    assert measures.win_rate(every, 500, 1).value == pytest.approx((80 + 60 / 2) / 180)
    assert measures.flip_rate(every, 500, 1).value == pytest.approx(40 / 180)
    first = measures.first_rate(mixed(), 500, 1)
    # consistent pairs: one each; 20 pairs twice for the first, 20 never; unread pairs: the first order alone
    assert first.value == pytest.approx((80 + 40 + 40 + 20) / (160 + 80 + 80 + 20))


def test_the_interval_is_by_question_and_not_by_game():
    games = [one for n in range(60) for one in both(f"q{n}", "left", "right")]  # always the first
    games += [one for n in range(60, 120) for one in both(f"q{n}", "right", "left")]  # always the second
    found = measures.first_rate(games, 2000, 1)
    width = found.high - found.low
    assert width == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(120), rel=0.1)  # by game: by a factor of 1.41 less


def test_several_experts_give_a_wider_interval_for_other_experts():
    def person(name, share):
        return [
            one
            for n in range(100)
            for one in both(f"q{n}", *(["left"] * 2 if n < share else ["right"] * 2), annotator=name)
        ]

    every = outcomes([*person("a", 90), *person("b", 50), *person("c", 10)], "huatuogpt2")
    found = measures.share(every, 1, 500, 1)
    assert found.value == pytest.approx(0.5)
    assert found.high - found.low > 0.8
    assert found.method.startswith("two-way clusters 100 x 3")


def test_a_pair_that_nobody_was_asked_about_is_no_consistent_pair():
    games = [*both("a", "tie", "tie", by="rule"), *both("b", "left", "right")]
    assert measures.flip_rate(outcomes(games, "huatuogpt2"), 500, 1).value == 1.0


def lengths(effect, constant=0.3, n=1500, seed=1):
    rng = np.random.Generator(np.random.PCG64(seed))
    made = []
    for number in range(n):
        left, right = (int(value) for value in rng.integers(50, 800, 2))
        p = 1 / (1 + math.exp(-(constant + effect * (left - right) / 100)))
        winner = "left" if rng.random() < p else "right"
        made += both(f"q{number}", winner, winner, left_chars=left, right_chars=right)
    return made


@pytest.mark.parametrize("effect", [0.0, 0.5, -0.4])
def test_the_length_effect_is_found_again(effect):
    found = measures.length_effect(outcomes(lengths(effect), "huatuogpt2"))
    assert found.low < effect < found.high
    assert found.high - found.low < 0.2


@pytest.mark.parametrize(
    ("games", "why"),
    [
        (both("a", "tie", "tie"), "no outcome is won or lost"),
        ([one for n in range(9) for one in both(f"q{n}", "left", "left")], "length is the same"),
        ([one for n in range(50) for one in both(f"q{n}", *["left" if n % 2 else "right"] * 2, left_chars=500 + (n if n % 2 else -n))], "decides every game"),
        (both("a", "left", "left", left_chars=99), "an estimate with its interval needs two"),
    ],
)  # fmt: skip
def test_a_length_effect_that_cannot_be_is_named(games, why):
    if "same" in why:
        games = [one.model_copy(update={"left_chars": 10}) for one in games]
    with pytest.raises(NoFitError, match=why):
        measures.length_effect(outcomes(games, "huatuogpt2"))


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0),
        ([1, 1, 0, 0], [0, 0, 1, 1], -1.0),
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.0),
        ([1, 1, 1, 1], [1, 1, 1, 1], 1.0),  # by convention, with a note
        ([1, 1, 1, 1], [1, 1, 1, 0], 0.0),
        ([1, 0, -1, 0, 1, -1], [1, 0, -1, 1, 1, -1], (5 / 6 - 1 / 3) / (2 / 3)),
    ],
)
def test_cohens_kappa(first, second, value):
    found = agreement.cohen(np.asarray([first, second], dtype=float).T, measures.SCALE)
    assert found.value == pytest.approx(value)
    assert bool(found.note) == (len(set(first + second)) == 1)


def test_cohens_kappa_without_items_or_with_three_annotators():
    assert agreement.cohen(np.asarray([[1.0, np.nan]]), measures.SCALE).value is None
    with pytest.raises(ValueError, match="two annotators, not 3"):
        agreement.cohen(np.ones((2, 3)), measures.SCALE)


def test_kappa_with_people_is_on_what_both_said_something_of():
    judge = [one for n in range(40) for one in both(f"q{n}", *["left" if n % 2 else "right"] * 2)]
    people = [
        one
        for name in "abc"
        for n in range(10, 60)
        for one in both(f"q{n}", *["left" if n % 2 else "right"] * 2, annotator=name)
    ]
    kappa, raw = measures.kappa(outcomes(judge, "mt-bench"), outcomes(people, "mt-bench"), 300, 1)
    assert (kappa.value, kappa.items, raw.value) == (1.0, 30, 1.0)
    nobody, _ = measures.kappa(outcomes(judge, "mt-bench"), [], 300, 1)
    assert (nobody.value, nobody.items) == (None, 0)


# ---------------------------------------------------------------- rankings

STRENGTH = {"甲": 0.9, "乙": 0.3, "丙": -0.2, "丁": -1.0}


def simulated(questions=400, nu=0.6, position=0.4, length=0.25, seed=3, strength=STRENGTH):
    """Davidson's model with an advantage of the first place and of length, both orders of every pair."""
    rng = np.random.Generator(np.random.PCG64(seed))
    names, made = sorted(strength), []
    for number in range(questions):
        chars = {name: float(rng.integers(0, 500)) for name in names}
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                for first, second in ((one, other), (other, one)):
                    longer = (chars[first] - chars[second]) / 100
                    d = strength[first] - strength[second] + position + length * longer
                    weights = np.asarray([math.exp(d / 2), nu, math.exp(-d / 2)])
                    made.append(
                        Game(f"q{number}", first, second, int(rng.choice(3, p=weights / weights.sum())), longer)
                    )
    return made


def test_bradley_terry_finds_strengths_ties_position_and_length_again():
    games = simulated()
    assert len(games) == 4800
    found = ranking.bradley_terry(games)
    for name, true in STRENGTH.items():
        value, low, high = found.strength(name)
        assert low < true < high
        assert abs(value - true) < 0.15
    terms = (found.term(name) for name in (ranking.TIE, ranking.POSITION, ranking.LENGTH))
    for term, true in zip(terms, (math.log(0.6), 0.4, 0.25), strict=True):
        assert term[1] < true < term[2]
        assert abs(term[0] - true) < 0.12
    assert sum(found.strength(name)[0] for name in STRENGTH) == pytest.approx(0)


def test_without_its_terms_a_biased_judge_makes_a_biased_ranking():
    rng = np.random.Generator(np.random.PCG64(1))
    games = []
    for n in range(1000):  # two equal models, one of them long-winded; the judge likes length
        longer = float(rng.normal(3, 1))
        won = rng.random() < 1 / (1 + math.exp(-0.5 * longer))
        games.append(Game(f"q{n}", "长", "短", 0 if won else 2, longer))
    assert ranking.bradley_terry(games, position=False, length=False).strength("长")[1] > 0.4
    _, low, high = ranking.bradley_terry(games, position=False).strength("长")
    assert low < 0 < high


def test_two_models_without_ties_are_the_log_odds():
    games = [Game(f"q{n}", "甲", "乙", 0 if n < 750 else 2, 0.0) for n in range(1000)]
    found = ranking.bradley_terry(games, position=False)
    assert found.columns == ("甲",) or found.columns == ("乙",)
    assert found.strength("甲")[0] - found.strength("乙")[0] == pytest.approx(math.log(3), abs=1e-6)
    assert found.term(ranking.TIE) is None


def games_of(*rows):
    return [Game(f"q{n}", *row, 0.0) for n, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("games", "why"),
    [
        ([], "0 model"),
        (games_of(("甲", "甲", 1)), "1 model"),
        (games_of(("甲", "乙", 1), ("乙", "甲", 1)), "all 2 games are ties"),
        (games_of(("甲", "乙", 0), ("乙", "甲", 0), ("丙", "丁", 0), ("丁", "丙", 0)), "never compared"),
        (games_of(("甲", "乙", 0), ("乙", "甲", 2)), "乙 never won or tied against 甲|甲 never lost or tied against 乙"),
        (games_of(("甲", "乙", 0), ("甲", "乙", 2), ("丙", "甲", 0), ("丙", "乙", 0)), "so its strength has no bound"),
        (games_of(*[("甲", "乙", 0), ("乙", "甲", 0)] * 20), "position decides every game"),
    ],
)  # fmt: skip
def test_a_ranking_that_cannot_be_is_named(games, why):
    with pytest.raises(NoFitError, match=why):
        ranking.bradley_terry(games)


def test_elo_orders_the_models_and_does_not_depend_on_the_order_of_the_games():
    games = simulated(100)
    found = ranking.elo(games, 1)
    assert sorted(found, key=lambda name: -found[name].value) == ["甲", "乙", "丙", "丁"]
    assert sum(one.value for one in found.values()) == pytest.approx(4000)
    assert ranking.elo(games, 1) == found
    other = ranking.elo(games, 2)
    assert all(abs(other[name].value - found[name].value) < 5 for name in found)
    assert all(one.spread > 0 for one in found.values())
    ties = ranking.elo([Game(f"q{n}", "甲", "乙", 1, 0.0) for n in range(50)], 1)
    assert {one.value for one in ties.values()} == {1000.0}
    with pytest.raises(NoFitError, match="never compared"):
        ranking.elo(games_of(("甲", "乙", 0), ("丙", "丁", 0)), 1)


def test_elo_points_of_odds_of_ten():
    assert ranking.elo_points(math.log(10)) == pytest.approx(400)


# ---------------------------------------------------------------- figures


def test_the_figures_hold_every_class_with_signature_and_the_reason_where_there_is_none():
    made = score.figures(mixed(), [], Scoring("mt-bench", 200, 1))
    by = {(one.name, one.metric): one for one in made}
    assert by["甲 : 乙", "win"].value == 0.4
    assert by["甲 : 乙", "tie"].value == 0.3
    assert by["甲 : 乙", "win"].unscored == 20
    assert by["all pairs", "unparsed: no verdict line"].value == 20
    assert by["甲 : 乙", "length effect"].value is None
    assert "length is the same" in by["甲 : 乙", "length effect"].method
    assert by["甲 : 乙", "p Holm"].value < 0.01
    said = by["甲 : 乙", "win"].signature
    assert all(part in said for part in ("judge:llm:x", "prompt:p@01234567", "rule:mt-bench", "orders:both"))
    strengths = [one for one in made if one.metric == "strength"]
    assert {one.model for one in strengths} == {"甲", "乙"}
    assert all(one.low < one.value < one.high for one in strengths)


def test_people_are_never_mixed_with_a_judge():
    people = [one.model_copy(update={"annotator": name, "by": "human"}) for name in "ab" for one in mixed()[:60]]
    made = score.figures(mixed(), people, Scoring(resamples=200))
    assert {one.model for one in made if one.metric == "win"} == {"llm:x", "people"}
    (kappa,) = [one for one in made if one.metric == "kappa"]
    assert (kappa.value, kappa.n) == (1.0, 30)


def test_agreement_joins_pairs_whichever_model_is_named_first():
    wins = ["left"] * 30 + ["right"] * 20 + ["tie"] * 10
    judge = outcomes([one for n, w in enumerate(wins) for one in both(f"q{n:02}", w, w)], "huatuogpt2")
    other = {"left": "right", "right": "left", "tie": "tie"}
    turned = [
        one
        for n, w in enumerate(wins)
        for one in both(f"q{n:02}", other[w], other[w], left="乙", right="甲", annotator="张", by="human")
    ]
    kappa, raw = measures.kappa(judge, outcomes(turned, "huatuogpt2"), 50, 1)
    assert (kappa.value, raw.value, raw.items) == (1.0, 1.0, 60)


def test_ties_are_games_and_unread_verdicts_are_none():
    games = ranking.games_of([*both("a", "tie", "left"), *both("b", "right", None)])
    assert [(game.first, game.second, game.result) for game in games] == [
        ("甲", "乙", 1),
        ("乙", "甲", 2),
        ("甲", "乙", 2),
    ]
