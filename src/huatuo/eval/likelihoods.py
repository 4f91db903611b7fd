"""Metrics of answers by log-probability: which option weighs most, under each way to compare options.

Every variant is a metric of its own with its own signature. Equal weights are broken by the order of the options, and
questions whose two best are closer than `NEAR` are reported: another machine may answer them otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import huatuo
from huatuo.records import Finding, Likelihood, Question, Response

NEAR = 1e-4
"""Two weights (natural logs) that differ by less are a near tie: about the rounding of fp32 over a long option."""

NEAR_TIE = "near tie"
"""Rule of a score, and of a finding, whose two best weights differ by less than `NEAR`."""

Metric = Literal[
    "letters",
    "letters-calibrated",
    "subsets",
    "subsets-calibrated",
    "options",
    "options-tokens",
    "options-characters",
    "options-bytes",
    "options-pmi",
    "options-calibrated",
]
METRICS: tuple[Metric, ...] = get_args(Metric)

Weight = Callable[[Likelihood], float | None]


def _calibrated(one: Likelihood) -> float | None:
    return None if one.content_free is None else one.logprob - one.content_free


def _pmi(one: Likelihood) -> float | None:
    return None if one.unconditional is None else one.logprob - one.unconditional


_SUM = "sum of natural log-probabilities"
_FREE = "less the log of the mean probability after content-free questions (arXiv 2102.09690)"
VARIANTS: dict[Metric, tuple[str, Weight, str]] = {
    "letters": ("letters", lambda one: one.logprob, _SUM),
    "letters-calibrated": ("letters", _calibrated, _FREE),
    "subsets": ("subsets", lambda one: one.logprob, f"{_SUM} with the end token"),
    "subsets-calibrated": ("subsets", _calibrated, f"with the end token, {_FREE}"),
    "options": ("options", lambda one: one.logprob, _SUM),
    "options-tokens": ("options", lambda one: one.logprob / one.tokens, "per token"),
    "options-characters": ("options", lambda one: one.logprob / len(one.text), "per character"),
    "options-bytes": ("options", lambda one: one.logprob / len(one.text.encode()), "per byte of UTF-8"),
    "options-pmi": ("options", _pmi, "less the log-probability after an empty question (arXiv 2104.08315)"),
    "options-calibrated": ("options", _calibrated, _FREE),
}
"""For each metric the way of answering that it belongs to, the weight of an option, and the weight in words."""

SIGNATURES: dict[Metric, str] = {
    name: f"metric:{name}|way:{way}|weight:{words}|ties:first|unscored:wrong|huatuo:{huatuo.__version__}"
    for name, (way, _, words) in VARIANTS.items()
}

PLAIN: tuple[Metric, ...] = ("letters", "subsets", "options")
"""The metric of each way that stands for it in a table."""


@dataclass(frozen=True)
class Choice:
    """What one metric chose."""

    metric: Metric
    labels: tuple[str, ...]
    """The labels that weigh most."""
    rule: str
    """``highest``, or `NEAR_TIE`."""
    second: tuple[str, ...]
    """The next best; empty where there is only one."""
    margin: float
    """By how much the best leads; infinite where it is the only one."""


def way_of(response: Response) -> str:
    """letters, options or subsets, where a response was made by weights; empty where it was generated."""
    said = response.provenance.sampling
    settings = json.loads(said) if said else {}
    return str(settings.get("answer", "")) if isinstance(settings, Mapping) else ""


def metrics_of(response: Response) -> list[Metric]:
    """The metrics of a response by weights, in the order of `VARIANTS`, whether it has weights or failed."""
    settings = json.loads(response.provenance.sampling)
    compare, way = settings["compare"], settings["answer"]
    missing = {"calibrated": "calibration" not in compare, "pmi": "pmi" not in compare}
    return [
        name for name, (of, _, _) in VARIANTS.items() if of == way and not missing.get(name.partition("-")[2], False)
    ]


def choices(response: Response) -> Iterator[Choice]:
    """What each metric of a response by weights chooses."""
    for name in metrics_of(response):
        weight = VARIANTS[name][1]
        weighed = [(value, one.labels) for one in response.likelihoods if (value := weight(one)) is not None]
        ranked = sorted(weighed, key=lambda pair: -pair[0])  # stable: of equals, the first option stays first
        margin = ranked[0][0] - ranked[1][0] if len(ranked) > 1 else float("inf")
        second = ranked[1][1] if len(ranked) > 1 else ()
        yield Choice(name, ranked[0][1], NEAR_TIE if margin < NEAR else "highest", second, margin)


def near_ties(question: Question, response: Response) -> Iterator[Finding]:
    """One finding for every metric under which the two best options of a response are as good as equal."""
    for choice in choices(response) if response.likelihoods else ():
        if choice.rule == NEAR_TIE:
            yield Finding(
                rule=NEAR_TIE,
                severity="note",
                subject=question.id,
                place=f"{response.model} {choice.metric}",
                message=f"{''.join(choice.labels)} leads {''.join(choice.second)} by {choice.margin:.2g}, less than "
                f"{NEAR:g}: another machine may choose the other",
            )
