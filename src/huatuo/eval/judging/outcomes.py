"""Two orders make one outcome, by a named rule; what could not be read is a class of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from huatuo.eval.judging.pairs import ORDERS
from huatuo.records_rated import Verdict

SIGNS = {"left": 1, "tie": 0, "right": -1}
"""A verdict for the left model: won, tied, lost."""


def huatuogpt2(signs: Sequence[int]) -> int:
    """Win, tie or loss by the sum of both orders: win and tie make a win, win and loss a tie.

    HuatuoGPT-II's evaluation gives 10, 5 or 0 points an order and compares the sums.
    """
    total = sum(signs)
    return (total > 0) - (total < 0)


def mt_bench(signs: Sequence[int]) -> int:
    """Win or loss where both orders agree, else a tie: Zheng et al. 2023, "Judging LLM-as-a-judge", 3.4."""
    return signs[0] if len(set(signs)) == 1 else 0


RULES: Mapping[str, Callable[[Sequence[int]], int]] = {"huatuogpt2": huatuogpt2, "mt-bench": mt_bench}
"""The rules by name."""


class Outcome(NamedTuple):
    """What one annotator says of one question and two models."""

    question_id: str
    """The question."""
    annotator: str
    """Who."""
    left: str
    """One model."""
    right: str
    """The other."""
    value: int | None
    """1: the left model wins; 0: a tie; -1: it loses; None: one order could not be read, or is not there."""
    signs: tuple[int | None, ...]
    """What each order says, first the one that shows the left model first."""
    games: tuple[Verdict, ...]
    """The verdicts themselves."""

    @property
    def flipped(self) -> bool | None:
        """Whether the two orders say different things, a win and a tie among them; None where one could not be read."""
        return None if self.value is None else len(set(self.signs)) > 1


def outcomes(verdicts: Iterable[Verdict], rule: str) -> list[Outcome]:
    """One outcome per question, pair of models and annotator, in a fixed order.

    Raises KeyError for an unknown rule, ValueError where an order is there twice.
    """
    combine = RULES[rule]
    grouped: dict[tuple[str, str, str, str], dict[str, Verdict]] = defaultdict(dict)
    for one in verdicts:
        key = one.left, one.right, one.annotator, one.question_id
        if one.first in grouped[key]:
            raise ValueError(f"question {one.question_id}: two verdicts of {one.annotator} in one order")
        grouped[key][one.first] = one
    found = []
    for (left, right, annotator, question), games in sorted(grouped.items()):
        shown = [games.get(order) for order in ORDERS]
        signs = tuple(SIGNS[one.winner] if one and one.winner else None for one in shown)
        known = [sign for sign in signs if sign is not None]
        value = combine(known) if len(known) == len(ORDERS) else None
        found.append(Outcome(question, annotator, left, right, value, signs, tuple(games.values())))
    return found
