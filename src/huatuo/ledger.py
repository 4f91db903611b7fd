"""The ledger: by which training pairs each fact is taught, in which shapes, or why by none. One count for every page,
command and score.

A pair teaches a fact when the fact's value stands in one of its answers and the pair is learned: only answers are
learned. A fact of which every pair names the value in a question alone (the symptoms of a vignette) is not taught.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.store import read_batches

ONLY_ASKED = "only in a question"
"""Why a fact counts as not taught whose value stands in questions alone."""

VALIDATION, NOT_ORDERED, UNKNOWN = "unify: validation", "order: no position", "–"
"""Why a pair is not learned that no stage dropped, and what is said where nothing is known."""

_BLANKS = re.compile(r"\s+")
_END_MARKS = "。.；;，,、"
"""What ends a value and is left out where the value stands in a list."""


@dataclass(slots=True)
class Entry:
    """What training does with one fact."""

    entity: str
    """Name of the entity it is about."""
    kind: str
    """Kind of that entity."""
    relation: str
    """Relation."""
    value: str
    """Value, as the source writes it."""
    flags: tuple[str, ...] = ()
    """Rules that object to it."""
    also: tuple[str, ...] = ()
    """Other sources that say the same, sorted: facts of their own, which are neither taught nor counted."""
    shapes: dict[str, int] = field(default_factory=dict)
    """Pairs that teach it, by shape."""
    why: str = ""
    """``stage: reason`` where no pair teaches it."""

    @property
    def pairs(self) -> int:
        """How many pairs teach it."""
        return sum(self.shapes.values())


class Coverage(NamedTuple):
    """What is taught of one relation of one kind of entity."""

    kind: str
    relation: str
    facts: int
    """Facts, those of several sources once."""
    taught: int
    """Facts that at least one pair teaches."""
    shapes: Counter[str]
    """Facts taught in each shape."""
    why: Counter[str]
    """Facts that no pair teaches, by reason."""


class Lesson(NamedTuple):
    """A pair that teaches a fact, as it is shown."""

    shape: str
    turns: tuple[tuple[str, str], ...]
    """(role, content) of each message."""


def finished(run: Path) -> dict[str, Path]:
    """The finished stages of a run, by name."""
    return {path.parent.name: path.parent for path in sorted(run.glob("*/manifest.json"))}


def ledger(folders: Mapping[str, Path]) -> dict[str, Entry]:
    """An entry for every fact of the stage ``ingest`` that corroborates no other, by fact id; ``folders``: finished
    stages by name.

    A pair is learned when it is in the split train, has a position in the order (where there is an order), and no later
    stage left it out.
    """
    found = _entries(folders)
    said = _spellings(folders, found)
    lost: dict[str, str] = {}
    for pair in _pairs(folders):
        answer = "" if pair.why else _answer(pair.turns)
        for fact in pair.parents:
            if (entry := found.get(fact)) is None:
                continue
            if pair.why:
                lost.setdefault(fact, pair.why)
            elif _stands(_written(entry, said), answer):
                entry.shapes[pair.shape] = entry.shapes.get(pair.shape, 0) + 1
            else:
                lost[fact] = ONLY_ASKED
    ended = dict(reason for stage in ("synth", "ingest") for reason in _ended(folders, stage))
    for fact, entry in found.items():
        if not entry.shapes:
            flagged = f"ingest: {entry.flags[0]}" if entry.flags else UNKNOWN
            entry.why = ended.get(fact) or lost.get(fact) or flagged
    return found


def lessons(
    folders: Mapping[str, Path], entries: Mapping[str, Entry], facts: Collection[str], most: int
) -> dict[str, list[Lesson]]:
    """The first ``most`` learned pairs that teach each of the ``facts``, which stand in ``entries``, the ledger."""
    chosen = {fact: entries[fact] for fact in facts}
    said = _spellings(folders, chosen)
    found: dict[str, list[Lesson]] = {fact: [] for fact in facts}
    for pair in _pairs(folders):
        for fact in (parent for parent in pair.parents if parent in chosen and not pair.why):
            if len(found[fact]) < most and _stands(_written(chosen[fact], said), _answer(pair.turns)):
                found[fact].append(Lesson(pair.shape, tuple((turn["role"], turn["content"]) for turn in pair.turns)))
    return found


def times_taught(pairs: Path, values: Mapping[str, str]) -> Counter[str]:
    """How many pairs of one data set teach each of the facts ``values`` (value by id), whatever a training did."""
    said = {fact: (_folded(value),) for fact, value in values.items()}
    found = Counter[str]()
    for batch in read_batches(pairs, "pairs", ["parents", "messages"]):
        for row in batch.to_pylist():
            answer = _answer(row["messages"])
            found.update(fact for fact in row["parents"] if fact in said and _stands(said[fact], answer))
    return found


def coverage(entries: Iterable[Entry]) -> list[Coverage]:
    """What is taught of each kind and relation, sorted by kind, then by the number of facts, the most first."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.kind, entry.relation].append(entry)
    rows = []
    for (kind, relation), members in groups.items():
        taught = [entry for entry in members if entry.shapes]
        shapes = Counter(shape for entry in taught for shape in entry.shapes)
        why = Counter(entry.why for entry in members if not entry.shapes)
        rows.append(Coverage(kind, relation, len(members), len(taught), shapes, why))
    return sorted(rows, key=lambda row: (row.kind, -row.facts, row.relation))


def least_and_most(entries: Mapping[str, Entry], count: int) -> tuple[list[str], list[str]]:
    """Ids of the ``count`` facts that the fewest pairs teach (one at least), and of those that the most do; of equals
    the first by id."""
    taught = [(entry.pairs, fact) for fact, entry in entries.items() if entry.shapes]
    least, most = nsmallest(count, taught), nsmallest(count, taught, key=lambda item: (-item[0], item[1]))
    return [fact for _, fact in least], [fact for _, fact in most]


# ---------------------------------------------------------------- facts


def _entries(folders: Mapping[str, Path]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    also: dict[str, set[str]] = defaultdict(set)
    columns = ("id", "entity", "kind", "relation", "value", "flags", "same_as", "origin")
    for row in _rows(folders, "ingest", "facts", *columns):
        if row["same_as"]:
            also[row["same_as"]].add(row["origin"]["source"])
            continue
        entity, kind, relation, value = (sys.intern(row[name]) for name in ("entity", "kind", "relation", "value"))
        found[row["id"]] = Entry(entity, kind, relation, value, tuple(row["flags"]))
    for fact, sources in also.items():
        found[fact].also = tuple(sorted(sources))
    return found


def _spellings(folders: Mapping[str, Path], found: Mapping[str, Entry]) -> dict[str, tuple[str, ...]]:
    """How each value that is the name of an entity with other names may be written, folded."""
    values = {entry.value for entry in found.values()}
    said: dict[str, tuple[str, ...]] = {}
    for row in _rows(folders, "ingest", "entities", "name", "aliases"):
        names = (row["name"], *row["aliases"])
        if len(names) > 1:
            said.update((name, tuple(map(_folded, names))) for name in names if name in values)
    return said


# ---------------------------------------------------------------- pairs


class _Made(NamedTuple):
    """One pair as the ledger needs it."""

    shape: str
    parents: list[str]
    why: str
    """Why it is not learned; empty where it is."""
    turns: list[dict[str, str]]
    """Its messages: ``role`` and ``content``."""


def _pairs(folders: Mapping[str, Path]) -> Iterator[_Made]:
    """The pairs of the last stage that wrote some, then those of the one before that did not get so far."""
    later = ("unify", "order", "tokenise", "train")
    gone = {pair: reason for stage in later for pair, reason in _ended(folders, stage)}
    ordered = {row["pair_id"] for row in _rows(folders, "order", "order", "pair_id")} if "order" in folders else None
    made = [stage for stage in ("unify", "synth") if stage in folders]
    for stage in made:
        for batch in read_batches(folders[stage], "pairs", ["id", "shape", "parents", "split", "messages"]):
            for row in batch.to_pylist():
                why = gone.get(row["id"], "") or (VALIDATION if row["split"] != "train" else "")
                if stage == made[0] and not why and ordered is not None and row["id"] not in ordered:
                    why = NOT_ORDERED
                if stage == made[0] or why:
                    yield _Made(row["shape"], row["parents"], why, row["messages"])


def _answer(turns: Iterable[Mapping[str, str]]) -> str:
    return _BLANKS.sub("", "\n".join(turn["content"] for turn in turns if turn["role"] == "assistant")).casefold()


def _folded(value: str) -> str:
    return _BLANKS.sub("", value).rstrip(_END_MARKS).casefold()


def _written(entry: Entry, said: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return said.get(entry.value) or (_folded(entry.value),)


def _stands(spellings: Iterable[str], answer: str) -> bool:
    return any(spelling in answer for spelling in spellings)


def _ended(folders: Mapping[str, Path], stage: str) -> Iterator[tuple[str, str]]:
    """(record id, ``stage: rule``) of what a stage dropped or left."""
    for row in _rows(folders, stage, "dropped", "record_id", "rule"):
        yield str(row["record_id"]), f"{stage}: {row['rule']}"


def _rows(folders: Mapping[str, Path], stage: str, table: str, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of some columns; nothing where the stage has not run."""
    if stage in folders:
        for batch in read_batches(folders[stage], table, columns=list(names)):
            yield from batch.to_pylist()
