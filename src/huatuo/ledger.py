"""The ledger: by which training pairs each fact is taught, or why by none. One count for every page and command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from huatuo.store import read_batches

ONLY_ASKED = "only in a vignette's question"
"""Why a fact counts as not taught whose value stands in questions alone: only answers are learned."""

VALIDATION, NOT_ORDERED, UNKNOWN = "unify: validation", "order: no position", "–"
"""Why a pair is not learned that no stage dropped, and what is said where nothing is known."""


@dataclass
class Entry:
    """What training does with one fact."""

    shapes: Counter[str] = field(default_factory=Counter)
    """Pairs that teach it, by shape."""
    why: str = UNKNOWN
    """``stage: reason`` where no pair teaches it."""

    @property
    def pairs(self) -> int:
        """How many pairs teach it."""
        return sum(self.shapes.values())


def finished(run: Path) -> dict[str, Path]:
    """The finished stages of a run, by name."""
    return {path.parent.name: path.parent for path in sorted(run.glob("*/manifest.json"))}


def ledger(folders: Mapping[str, Path]) -> dict[str, Entry]:
    """An entry for every fact of the stage ``ingest``, by fact id; ``folders``: finished stages by name.

    A pair teaches its facts when it is in the split train, has a position in the order (where there is an order), and
    no later stage left it out. A vignette teaches only the facts whose values stand in its answer.
    """
    values, flags = dict[str, str](), dict[str, list[str]]()
    for row in _rows(folders, "ingest", "facts", "id", "value", "flags"):
        values[row["id"]], flags[row["id"]] = row["value"].strip(), row["flags"]
    found = {fact: Entry() for fact in values}
    lost: dict[str, str] = {}
    for pair in _pairs(folders):
        for fact in (parent for parent in pair.parents if parent in found):
            if pair.why:
                lost.setdefault(fact, pair.why)
            elif pair.answer is not None and values[fact] not in pair.answer:
                lost[fact] = ONLY_ASKED
            else:
                found[fact].shapes[pair.shape] += 1
    ended = dict(reason for stage in ("synth", "ingest") for reason in _ended(folders, stage))
    for fact, entry in found.items():
        if not entry.pairs:
            flagged = f"ingest: {flags[fact][0]}" if flags[fact] else UNKNOWN
            entry.why = ended.get(fact) or lost.get(fact) or flagged
    return found


class _Made(NamedTuple):
    """One pair as the ledger needs it."""

    shape: str
    parents: list[str]
    why: str
    """Why it is not learned; empty where it is."""
    answer: str | None
    """What is learned of a vignette; None for other shapes, whose parents are all taught."""


def _pairs(folders: Mapping[str, Path]) -> Iterator[_Made]:
    """The pairs of the last stage that wrote some, then those of the one before that did not get so far."""
    later = ("unify", "order", "tokenise", "train")
    gone = {pair: reason for stage in later for pair, reason in _ended(folders, stage)}
    ordered = {row["pair_id"] for row in _rows(folders, "order", "order", "pair_id")} if "order" in folders else None
    made = [stage for stage in ("unify", "synth") if stage in folders]
    for stage in made:
        for batch in read_batches(folders[stage], "pairs", ["id", "shape", "parents", "split", "messages"]):
            cases = iter(batch.filter(pc.equal(batch.column("shape"), "vignette")).column("messages").to_pylist())
            for row in batch.drop_columns(["messages"]).to_pylist():
                why = gone.get(row["id"], "") or (VALIDATION if row["split"] != "train" else "")
                if stage == made[0] and not why and ordered is not None and row["id"] not in ordered:
                    why = NOT_ORDERED
                turns = next(cases) if row["shape"] == "vignette" else None
                if stage == made[0] or why:
                    yield _Made(row["shape"], row["parents"], why, _answer(turns))


def _answer(turns: list[dict[str, str]] | None) -> str | None:
    return None if turns is None else "\n".join(turn["content"] for turn in turns if turn["role"] == "assistant")


def _ended(folders: Mapping[str, Path], stage: str) -> Iterator[tuple[str, str]]:
    """(record id, ``stage: rule``) of what a stage dropped or left."""
    for row in _rows(folders, stage, "dropped", "record_id", "rule"):
        yield str(row["record_id"]), f"{stage}: {row['rule']}"


def _rows(folders: Mapping[str, Path], stage: str, table: str, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of some columns; nothing where the stage has not run."""
    if stage in folders:
        for batch in read_batches(folders[stage], table, columns=list(names)):
            yield from batch.to_pylist()
