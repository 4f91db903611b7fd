"""The closed loop on a slice of the demo: teach, probe fact by fact, teach what was not learned, probe again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from run import Outcome

from huatuo import recipe_file, store
from huatuo import run as running
from huatuo.eval import stats
from huatuo.eval.fact_status import TEACH_NEXT
from huatuo.records import Fact
from huatuo.records_probed import FactKnowledge

RELATIONS = ("禁忌", "适应证")
SLICE = (
    f"questions.probe.relations={json.dumps(RELATIONS, ensure_ascii=False)}",
    'questions.probe.forms=["cloze"]',
    "questions.exams=[]",
    "ingest.documents=[]",
    'synth.shapes=["direct"]',
    "synth.phrasings=12",
    "train.priority={graph=1}",
    "train.copies={graph=1}",
    "ask.max_tokens=48",
    "score.resamples=200",
)
"""Two relations of the demo's knowledge in twelve wordings: small enough for minutes."""

FIRST, SECOND = 200, 60
"""Optimiser steps of the rounds: too few in the first to learn everything."""

RATE = ("train.learning_rate=1e-3", "train.muon_learning_rate=4e-3")
"""Round two goes on at half the rate: the full one, made for a start from nothing, breaks what a checkpoint knows."""


def train_round(root: Path, *overrides: str) -> dict[str, FactKnowledge]:
    """What the model knows of each fact after a round, by fact id."""
    recipe = recipe_file.load(recipe_file.find("demo"), [*SLICE, *overrides])
    for _ in running.run(recipe, root, running.select(last="score")):
        pass
    return {row.fact_id: row for row in store.read(root / "score", "knowledge", FactKnowledge)}


def known(rows: Mapping[str, FactKnowledge], facts: Iterable[str]) -> list[float]:
    """1 for each fact that is known after training, else 0."""
    return [float(rows[fact].after == "known") for fact in facts]


def line(name: str, values: list[float]) -> str:
    """A share with Wilson's interval."""
    ends = stats.wilson(sum(values), len(values))
    return (
        f"{name:<66} {sum(values) / len(values):.3f} [{ends[0]:.3f}, {ends[1]:.3f}] n {len(values)}" if ends else name
    )


def facts_of(root: Path) -> list[str]:
    """Ids of the facts of the slice that may be taught."""
    recipe = recipe_file.load(recipe_file.find("demo"), SLICE)
    for _ in running.run(recipe, root, running.select(last="ingest")):
        pass
    every = store.read(root / "ingest", "facts", Fact)
    return sorted(fact.id for fact in every if fact.relation in RELATIONS and not fact.flags and not fact.same_as)


def listed(path: Path, facts: Iterable[str]) -> str:
    """The override that teaches these facts alone."""
    path.write_text("".join(f"{fact}\n" for fact in facts), encoding="utf-8")
    return f'synth.teach_next="{path}"'


UNLEARNED, REHEARSED, RANDOM = "what was not learned", "the same, some known ones rehearsed", "as many at random"
"""The arms of round two."""


def run() -> Outcome:
    """Round one on all facts of the slice; round two from its checkpoint, in three arms of as many steps: the facts
    that were not learned, these and half as many known ones, and facts drawn by hash from all."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first, every = root / "first", facts_of(root / "first")
        one = train_round(first, listed(root / "all.txt", every), "train.epochs=20", f"train.steps={FIRST}")
        wanted = sorted(row.fact_id for row in one.values() if row.outcome in TEACH_NEXT)
        drawn = sorted(every, key=lambda fact: store.content_id("drawn", fact))
        some = [fact for fact in drawn if fact in one and one[fact].after == "known"][: len(wanted) // 2]
        further = (f'train.base="{first / "train" / "model"}"', "train.epochs=20", f"train.steps={SECOND}", *RATE)
        arms = {
            UNLEARNED: f'synth.teach_next="{first / "score" / "teach_next.jsonl"}"',
            REHEARSED: listed(root / "rehearsed.txt", [*wanted, *some]),
            RANDOM: listed(root / "drawn.txt", drawn[: len(wanted)]),
        }
        two = {name: train_round(root / f"arm{i}", arm, *further) for i, (name, arm) in enumerate(arms.items())}
        spent = sum(
            store.read_manifest(path.parent).cpu_seconds
            for stage in ("train", "ask", "score")
            for path in root.glob(f"*/{stage}/manifest.json")
        )
    return compared(one, two, spent)


def compared(one: Mapping[str, FactKnowledge], two: Mapping[str, Mapping[str, FactKnowledge]], spent: float) -> Outcome:
    """Every arm on what round one left unlearned, and on what it had taught; differences to the facts at random."""
    asked = [fact for fact in one if one[fact].outcome != "withheld" and all(fact in rows for rows in two.values())]
    groups = {
        "not learned in round one": [fact for fact in asked if one[fact].outcome in TEACH_NEXT],
        "known after round one": [fact for fact in asked if one[fact].after == "known"],
        "all": asked,
    }
    table = [line("known after round one", known(one, asked))]
    figures: dict[str, float] = {"known after round one": sum(known(one, asked)) / len(asked), "cpu_s": round(spent, 1)}
    for name, facts in ((name, facts) for name, facts in groups.items() if facts):
        for arm, rows in two.items():
            values = known(rows, facts)
            figures[f"{name}; {arm}"] = round(sum(values) / len(values), 4)
            table.append(line(f"{name}; {arm}", values))
            if arm != RANDOM:
                entities = [[one[fact].entity for fact in facts]]
                gap = stats.paired_difference(values, known(two[RANDOM], facts), entities, 2000, 1)
                if gap.value is not None and gap.low is not None and gap.high is not None:
                    figures |= {
                        f"{name}; {arm}: {end}": round(number, 4)
                        for end, number in (("difference", gap.value), ("low", gap.low), ("high", gap.high))
                    }
                    table.append(
                        f"{'  against random, by entity':<66} {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
                    )
    table.append(f"{spent:.0f} CPU-s of training, asking and scoring, all rounds")
    return Outcome(figures, {}, len(asked), table)
