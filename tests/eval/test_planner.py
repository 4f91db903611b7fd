"""Power by simulation: it keeps its level, grows with questions, and agrees with the formula."""

from __future__ import annotations

import numpy as np
import pytest

from huatuo.eval.planner import Costs, Design, Pilot, effect_of, expected, plan, power

PILOT = Pilot((1, 2, 3), (-2.0, 0.3), (0.8, 0.7))


def test_the_mean_is_what_a_simulation_gives():
    rng = np.random.default_rng(1)
    z = 0.4 + rng.normal(0, 0.8, 400_000) + rng.normal(0, 0.7, 400_000) + rng.logistic(size=400_000)
    assert expected(PILOT, 0.4) == pytest.approx(1 + np.mean(z > -2) + np.mean(z > 0.3), abs=0.006)


@pytest.mark.parametrize("difference", [-0.3, 0.05, 0.4])
def test_an_effect_gives_the_difference_it_is_for(difference):
    assert expected(PILOT, effect_of(PILOT, difference)) - expected(PILOT, 0) == pytest.approx(difference, abs=1e-9)


def test_without_a_difference_the_power_is_the_level():
    assert power(PILOT, Design(80, 5, 3), 0.0, 0.05, 1000, 3)[0] == pytest.approx(0.05, abs=0.022)


def test_more_questions_and_more_ratings_find_more():
    designs = [Design(50, 5, 2), Design(200, 5, 2), Design(200, 5, 5)]
    few, many, full = plan(PILOT, designs, 0.15, Costs(2, 60.0), studies=200)
    assert few.power < many.power < full.power
    assert few.low < few.power < few.high
    assert (few.ratings, few.hours) == (210, 3.5)


def test_holms_strictest_test_needs_more():
    design = [Design(150, 5, 3)]
    (one,) = plan(PILOT, design, 0.15, Costs(4, 60.0), studies=200)
    (eighteen,) = plan(PILOT, design, 0.15, Costs(4, 60.0, comparisons=18), studies=200)
    assert eighteen.power < one.power - 0.1


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(ValueError, match="does not fit the scale"):
        plan(PILOT, [Design(50, 5, 5)], 1.5, Costs(2, 60.0))
    with pytest.raises(ValueError, match="1 to 5 annotators, not by 6"):
        plan(PILOT, [Design(50, 5, 6)], 0.1, Costs(2, 60.0))
