"""What is kept from training as a control: names that nothing may ask about, and facts said the other way round.

A withheld entity's facts are not taught. Nor is asked about its name: not by a reverse question, a passage or an
imported pair. What stays is its name as an ordinary value in a direct answer about another entity (a symptom that is
withheld among the symptoms of a disease that is not), unless that says a withheld fact the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from huatuo.records import WITHHELD, Entity
from huatuo.store import read, read_batches
from huatuo.text.zh import normalise_for_comparison

SHORTEST = 2
"""Characters of the shortest name that is looked for in text."""


class Said(NamedTuple):
    """What one fact says, without its relation."""

    id: str
    """Fact id."""
    entity_id: str
    """Entity id."""
    value: str
    """Value."""


def searchable(entities: Iterable[Entity]) -> frozenset[str]:
    """The names and aliases of some entities that can be looked for in text."""
    names = (name for entity in entities for name in (entity.name, *entity.aliases))
    return frozenset(name for name in names if len(name) >= SHORTEST)


def withheld_names(knowledge: Path) -> frozenset[str]:
    """The names and aliases of the entities with withheld facts; none where the data set holds no graph."""
    found: set[str] = set()
    for batch in read_batches(knowledge, "facts", ["entity_id", "flags"]):
        columns = (batch.column(name).to_pylist() for name in ("entity_id", "flags"))
        found.update(entity_id for entity_id, flags in zip(*columns, strict=True) if WITHHELD in flags)
    return searchable(e for e in read(knowledge, "entities", Entity) if e.id in found) if found else frozenset()


def mirrored(taught: Iterable[Said], withheld: Iterable[Said], names: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The withheld fact that it turns round, by the id of each taught fact: its value is the name or an alias of the
    withheld entity, and the withheld value is a name or an alias of its entity. ``names``: spellings by entity id.
    """
    turned = {(_key(fact.value), _key(name)): fact.id for fact in withheld for name in names.get(fact.entity_id, ())}
    found = {}
    for fact in taught:
        keys = ((_key(name), _key(fact.value)) for name in names.get(fact.entity_id, ()))
        witness = next((turned[key] for key in keys if key in turned), "")
        if witness:
            found[fact.id] = witness
    return found


def _key(name: str) -> str:
    return normalise_for_comparison(name) or name
