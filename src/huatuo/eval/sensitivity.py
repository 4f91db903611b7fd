"""How far an exam's score moves with the extractor alone, and why answers were not read: figures beside the score.

Both come from the kept responses, so they cost no call. A failed call and a refusal stay in the denominator and are
counted as what they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import huatuo
from huatuo.eval import choice, stats
from huatuo.eval.choice_profiles import PROFILES, readings
from huatuo.records import Figure, Question, Response, Score

EXTRACTOR = "extractor: "
"""Beginning of the metric of a score under a released extractor."""
UNSCORED = "unscored: "
"""Beginning of the metric that counts the answers of one class."""
CLASSES = ("refusal", "failed call", "cut off", "unreadable")
"""Why an answer has no value: refused by the endpoint or in words; a failed call or one that ran out of time; ended by
the limit of tokens or within its thoughts; anything else."""


def class_of(response: Response, unscored: str) -> str:
    """The class of an answer without a value."""
    if response.finish_reason == "error":
        return "failed call"
    if response.finish_reason == "refused" or unscored == "refusal":
        return "refusal"
    return "cut off" if response.finish_reason == "length" or unscored == choice.UNENDED else "unreadable"


class Sensitivity:
    """Collects the readings of all profiles, answer by answer."""

    def __init__(self) -> None:
        self._asked: Counter[tuple[str, str]] = Counter()
        self._unread: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._right: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._nothing: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, group: str, question: Question, response: Response, score: Score) -> None:
        """Count one answer to an exam question.

        An answer of a failed call or one that the endpoint refused is wrong under every profile: there is no text that
        an extractor could have read, not even one whose project scores nothing as a label.
        """
        key = (group, response.model)
        self._asked[key] += 1
        if score.value is None:
            self._unread[key][class_of(response, score.unscored)] += 1
        if response.finish_reason in ("error", "refused"):
            self._nothing[key].update(profile.name for profile in PROFILES)
            return
        for name, (right, read) in readings(response.text, question).items():
            self._right[key][name] += right
            self._nothing[key][name] += not read

    def figures(self) -> Iterable[Figure]:
        """For each group and model: the score under each profile with Wilson's interval, then the classes of answers
        without a value as counts."""
        for (group, model), n in self._asked.items():
            for profile in PROFILES:
                right = self._right[group, model][profile.name]
                low, high = stats.wilson(right, n) or (None, None)
                yield Figure(
                    name=group,
                    model=model,
                    metric=EXTRACTOR + profile.name,
                    value=right / n,
                    low=low,
                    high=high,
                    n=n,
                    unscored=self._nothing[group, model][profile.name],
                    signature=profile.signature,
                    method="Wilson",
                )
            for name in CLASSES:
                yield Figure(
                    name=group,
                    model=model,
                    metric=UNSCORED + name,
                    value=float(self._unread[group, model][name]),
                    low=None,
                    high=None,
                    n=n,
                    signature=f"metric:unscored|class:{name}|extractor:{choice.RULES}|huatuo:{huatuo.__version__}",
                    method="count",
                )
