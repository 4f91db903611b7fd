"""Reading answers to exam questions: how often it is right on the frozen sets, per rule, and how fast."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from run import Outcome

from huatuo.eval.choice import RULES, extract
from huatuo.eval.choice_profiles import PROFILES
from huatuo.eval.stats import wilson
from huatuo.records import Option

FROZEN = Path(__file__).parent / "frozen"
SETS = {
    "first": FROZEN / "exam_answers.jsonl",
    "later": FROZEN / "exam_answers.later.jsonl",
    "third": FROZEN / "exam_answers.third.jsonl",
    "fourth": FROZEN / "exam_answers.fourth.jsonl",
}
OUTCOMES = ("right", "wrong answer", "unscored though an answer exists", "answered though none")
REPEATS = 20
"""Rounds over all sets for the time."""


class Case(NamedTuple):
    """One labelled answer."""

    text: str
    options: tuple[Option, ...]
    kind: str
    want: frozenset[str]
    style: str


class Result(NamedTuple):
    """What became of it."""

    outcome: str
    rule: str
    """The rule that read it, or the word "unscored"."""
    refusal: bool


def cases(path: Path) -> list[Case]:
    """The labelled answers of a frozen file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Case(
            row["text"],
            tuple(Option(label=label, text=text) for label, text in row["options"].items()),
            row["kind"],
            frozenset(row["want"]),
            row["style"],
        )
        for row in rows
    ]


def outcome_of(got: Iterable[str], want: frozenset[str]) -> str:
    """One of `OUTCOMES`."""
    got = frozenset(got)
    if got == want:
        return "right"
    return "answered though none" if not want else "wrong answer" if got else "unscored though an answer exists"


def results(found: Iterable[Case]) -> list[Result]:
    """What the extractor makes of each answer."""
    made = []
    for case in found:
        read = extract(case.text, case.options, "multiple" if case.kind == "multiple" else "single")
        refusal = not case.want and case.style.startswith("refusal")
        made.append(Result(outcome_of(read.labels, case.want), read.rule or "unscored", refusal))
    return made


def share(hits: int, n: int) -> str:
    """``152/170 = 0.894 [0.839, 0.932]`` with Wilson's interval."""
    ends = wilson(hits, n)
    return f"{hits}/{n} = {hits / n:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "-"


def per_rule(made: Iterable[Result]) -> list[str]:
    """One line per rule: how many of what it read is right."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in made:
        counts[result.rule][result.outcome] += 1
    ordered = sorted(counts.items(), key=lambda item: (item[0] == "unscored", -item[1].total(), item[0]))
    return [f"  {rule:<28} {share(count['right'], count.total())}" for rule, count in ordered]


def of_profiles(found: Iterable[Case]) -> dict[str, int]:
    """Right readings by each released extractor; a label it gives for nothing read does not count."""
    right = Counter({profile.name: 0 for profile in PROFILES})
    for case in found:
        for profile in PROFILES:
            said = profile.read(case.text, case.options, case.kind == "multiple")
            right[profile.name] += set(said) == set(case.want) and (
                not profile.ordered or said == "".join(sorted(said))
            )
    return dict(right)


def run() -> Outcome:
    """Accuracy on the frozen sets, per rule and by the released extractors, and seconds per thousand answers."""
    figures: dict[str, float] = {}
    lines = [f"extractor {RULES}"]
    every: list[Result] = []
    known: list[Case] = []
    for name, path in SETS.items():
        labelled = cases(path)
        made = results(labelled)
        counts = Counter(result.outcome for result in made)
        refusals = [result for result in made if result.refusal]
        lines.append(f"{name}: right {share(counts['right'], len(made))}")
        lines += [f"  {outcome}: {counts[outcome]}" for outcome in OUTCOMES[1:]]
        lines.append(f"  refusals read as an answer: {sum(r.outcome != 'right' for r in refusals)} of {len(refusals)}")
        figures |= {f"{name}: {outcome}": counts[outcome] for outcome in OUTCOMES} | {f"{name}: n": len(made)}
        for profile, hits in of_profiles(labelled).items():
            figures[f"{name}: {profile}"] = hits
            lines.append(f"  {profile:<28} {share(hits, len(labelled))}")
        every += made
        known += labelled
    lines += ["right per rule, all sets:", *per_rule(every)]
    start = time.process_time()
    for _ in range(REPEATS):
        results(known)
    figures["cpu_s_per_thousand"] = round((time.process_time() - start) / (REPEATS * len(known)) * 1000, 3)
    lines.append(f"{figures['cpu_s_per_thousand']} CPU-s per thousand answers")
    return Outcome(figures, {}, len(every), lines)
