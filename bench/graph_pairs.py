"""Pairs made of a large graph: what they cover, in which kinds, whether one is double or teaches what is flagged.

``HUATUO_GRAPH_RUN`` names the folder of a finished run (ingest, synth, unify) of a graph, such as
`docs/examples/xywy.toml` makes. Only its data sets are read; CPU-seconds are those of its manifests.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from run import Outcome

from huatuo import store
from huatuo.ledger import finished
from huatuo.store import content_id

LEAST_KINDS = 5
"""Kinds of pairs that each relation should be taught in, or as many wordings where a kind makes no sense."""


class Relation(NamedTuple):
    """How one relation is asked about."""

    kind: str
    """Kind of its entities."""
    name: str
    facts: int
    """Facts that may be taught."""
    shapes: Counter[str]
    """Pairs that hold a fact of it, by shape."""
    wordings: int
    """Different first questions, the names of entities and values taken out, at most `LEAST_KINDS` of them counted."""


class Checked(NamedTuple):
    """What the pairs of a run are like."""

    pairs: int
    shapes: Counter[str]
    entities: Mapping[str, tuple[int, int]]
    """Kind → (entities in some pair, entities)."""
    relations: tuple[Relation, ...]
    """Every relation with a fact that may be taught."""
    twins: int
    """Pairs whose turns another pair has."""
    flagged: int
    """Pairs that hold a flagged fact."""
    ungrounded: int
    """Pairs of the graph without a fact."""

    @property
    def largest_share(self) -> float:
        """Share of the commonest shape."""
        return max(self.shapes.values()) / self.pairs

    @property
    def thin(self) -> list[Relation]:
        """Relations in fewer than `LEAST_KINDS` kinds."""
        return [relation for relation in self.relations if len(relation.shapes) < LEAST_KINDS]


def rows(folder: Path, table: str, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of some columns."""
    for batch in store.read_batches(folder, table, list(names)):
        yield from batch.to_pylist()


def check(run: Path) -> Checked:
    """What the unified pairs of a run are like; the figures come from its data sets alone."""
    stages = finished(run)
    relation_of: dict[str, tuple[str, str]] = {}
    about: dict[str, str] = {}
    names: dict[str, tuple[str, str]] = {}
    flagged: set[str] = set()
    facts: Counter[tuple[str, str]] = Counter()
    for row in rows(stages["ingest"], "facts", "id", "entity_id", "entity", "kind", "relation", "value", "flags"):
        relation_of[row["id"]], about[row["id"]] = (row["kind"], row["relation"]), row["entity_id"]
        names[row["id"]] = row["entity"], row["value"]
        if row["flags"]:
            flagged.add(row["id"])
        else:
            facts[row["kind"], row["relation"]] += 1
    shapes: Counter[str] = Counter()
    by_relation: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    wordings: dict[tuple[str, str], set[str]] = defaultdict(set)
    covered: set[str] = set()
    seen: set[str] = set()
    twins = with_flag = without = pairs = 0
    documents = {row["id"] for row in rows(stages["ingest"], "documents", "id")}
    for row in rows(stages["unify"], "pairs", "shape", "parents", "messages"):
        pairs += 1
        shapes[row["shape"]] += 1
        turns = content_id(*(f"{turn['role']} {turn['content']}" for turn in row["messages"]))
        twins += turns in seen
        seen.add(turns)
        held = [fact for fact in row["parents"] if fact in relation_of]
        with_flag += not flagged.isdisjoint(held)
        without += not held and documents.isdisjoint(row["parents"])
        covered.update(about[fact] for fact in held)
        for key in {relation_of[fact] for fact in held}:
            by_relation[key][row["shape"]] += 1
        if row["shape"] == "direct":
            key = relation_of[held[0]]
            if len(wordings[key]) < LEAST_KINDS:
                wordings[key].add(row["messages"][0]["content"].replace(names[held[0]][0], "…"))
    kinds: dict[str, tuple[int, int]] = {}
    for row in rows(stages["ingest"], "entities", "id", "kind"):
        had, every = kinds.get(row["kind"], (0, 0))
        kinds[row["kind"]] = had + (row["id"] in covered), every + 1
    relations = tuple(
        Relation(*key, n, by_relation[key], len(wordings[key])) for key, n in sorted(facts.items(), key=lambda x: -x[1])
    )
    return Checked(pairs, shapes, kinds, relations, twins, with_flag, without)


def lines(found: Checked) -> list[str]:
    """The figures as a table."""
    shown = [f"{found.pairs:,} pairs, {found.twins:,} exact duplicates, {found.flagged:,} with a flagged fact, "
             f"{found.ungrounded:,} without a fact or passage"]  # fmt: skip
    shown += [f"  {shape:<18} {n:>9,} {n / found.pairs:>7.1%}" for shape, n in found.shapes.most_common()]
    for kind, (had, every) in found.entities.items():
        shown.append(f"{kind}: {had:,} of {every:,} entities in some pair, {had / every:.1%}")
    for relation in found.relations:
        in_each = ", ".join(f"{shape} {n:,}" for shape, n in relation.shapes.most_common())
        shown.append(f"  {relation.name} ({relation.facts:,} facts): {len(relation.shapes)} kinds, {in_each}")
    return shown


def run() -> Outcome:
    """Pairs, kinds, coverage, duplicates and flagged facts of a run, with the CPU-seconds of its stages."""
    folder = os.environ.get("HUATUO_GRAPH_RUN", "")
    if not folder or not (Path(folder) / "unify" / "manifest.json").is_file():
        return Outcome({}, skipped="HUATUO_GRAPH_RUN names no run with a finished stage unify")
    found = check(Path(folder))
    covered = sum(had for had, _ in found.entities.values()) / sum(every for _, every in found.entities.values())
    figures = {
        "pairs": found.pairs,
        "entities_covered": round(covered, 4),
        "largest_share": round(found.largest_share, 4),
        "fewest_kinds_of_a_relation": min(len(relation.shapes) for relation in found.relations),
        "relations_in_fewer_kinds": len(found.thin),
        "exact_duplicates": found.twins,
        "with_a_flagged_fact": found.flagged,
        "without_a_source": found.ungrounded,
    }
    for stage in ("ingest", "curate", "synth", "unify"):
        figures[f"{stage}_cpu_seconds"] = round(store.read_manifest(Path(folder) / stage).cpu_seconds, 1)
    return Outcome(figures, {}, found.pairs, lines(found))
