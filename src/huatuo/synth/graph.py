"""What a teacher may be asked about: the graph's facts that are taught, and what the rest closes off."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from huatuo.checks.entities import Dictionary
from huatuo.llm.template import OWN_WORDINGS
from huatuo.llm.template_consultation import CONSULTATION_WORDINGS
from huatuo.llm.template_shapes import SHAPE_WORDINGS
from huatuo.records import CORROBORATES, SAME_IN_ANOTHER, WITHHELD, Entity
from huatuo.store import Writer, read, read_batches
from huatuo.synth import from_graph
from huatuo.synth.from_graph import SYMPTOM_RELATIONS, Known
from huatuo.synth.ground import Ground, name_dictionary
from huatuo.synth.withheld import Said, mirrored, searchable


class Graph(NamedTuple):
    """What is known, as synth needs it."""

    groups: dict[tuple[str, str], list[Known]]
    """Facts that may be taught."""
    withheld: Dictionary
    """Names and aliases of withheld entities."""
    untaught: frozenset[tuple[str, str, str]]
    """(kind, relation, value) of facts that are not taught."""
    untaught_symptoms: list[frozenset[str]]
    """Symptom sets of entities that have facts that are not taught."""
    ground: Ground
    """The rules with the graph's names."""
    aliases: dict[str, tuple[str, ...]]
    """Other names by name."""


def _wordings(longer: bool) -> str:
    """The offline teacher's words; those of the longer shapes only where these are made."""
    shipped = resources.files("huatuo") / "prompts" / "phrasings.zh.toml"
    more = (*SHAPE_WORDINGS, *CONSULTATION_WORDINGS) if longer else ()
    return "\n".join((shipped.read_text(encoding="utf-8"), *OWN_WORDINGS, *more))


_COLUMNS = ["id", "entity_id", "entity", "kind", "relation", "value", "flags", "same_as"]


def _facts(knowledge: Path) -> Iterator[tuple[Known, tuple[str, ...], str]]:
    """The facts with their flags and the fact they corroborate; names and relations, which repeat, are held once."""
    for batch in read_batches(knowledge, "facts", _COLUMNS):
        columns = [batch.column(name).to_pylist() for name in _COLUMNS]
        for fact_id, entity_id, entity, kind, relation, value, flags, same_as in zip(*columns, strict=True):
            shared = [sys.intern(text) for text in (entity, entity_id, kind, relation, value)]
            yield Known(fact_id, *shared), tuple(flags), same_as


def read_graph(knowledge: Path, out: Writer | None, longer: bool = False) -> Graph:
    """The graph; all facts expected in ``out``, those that are not taught left under their flag.

    ``longer``: pairs of the shapes of `huatuo.llm.template_shapes` are made, so that their words are no claims.
    """
    every, untaught, withheld = [], dict[str, Known](), list[Known]()

    def leave(fact: Known, rule: str, reason: str, witness: str = "") -> None:
        untaught[fact.id] = fact
        if out:
            out.leave(fact.id, rule, reason, witness, shown(fact))

    for fact, flags, same_as in _facts(knowledge):
        if out:
            out.expect((fact.id,))
        if same_as:  # what it says is asked about, or closed off, by the fact of the other source
            if out:
                out.leave(fact.id, CORROBORATES, SAME_IN_ANOTHER, same_as, shown(fact))
            continue
        every.append(fact)
        if flags:
            withheld += [fact] if WITHHELD in flags else []
            leave(fact, WITHHELD if WITHHELD in flags else flags[0], f"the fact is flagged {', '.join(flags)}")
    entities = list(read(knowledge, "entities", Entity))
    for fact, witness in list(_turned_round(every, untaught, withheld, entities)):
        leave(
            fact, WITHHELD, "it, or another value of the same list, says a withheld fact the other way round", witness
        )
    aliases: dict[str, tuple[str, ...]] = {}
    for entity in entities:
        if entity.aliases:
            aliases[entity.name] = tuple(dict.fromkeys((*aliases.get(entity.name, ()), *entity.aliases)))
    words = _wordings(longer)
    names = (name for entity in entities for name in (entity.name, *entity.aliases))
    ground = Ground(name_dictionary(names, (fact.value for fact in every), words), aliases, words)
    symptoms: dict[str, set[str]] = {}
    for fact in untaught.values():
        if fact.relation in SYMPTOM_RELATIONS:
            symptoms.setdefault(fact.entity_id, set()).add(fact.value.strip())
    hidden = {fact.entity_id for fact in withheld}
    return Graph(
        from_graph.group(fact for fact in every if fact.id not in untaught),
        Dictionary(sorted(searchable(entity for entity in entities if entity.id in hidden))),
        frozenset((fact.kind, fact.relation, fact.value.strip()) for fact in untaught.values()),
        [frozenset(found) for _, found in sorted(symptoms.items())],
        ground,
        aliases,
    )


def _turned_round(
    every: Iterable[Known], untaught: Container[str], withheld: Iterable[Known], entities: Iterable[Entity]
) -> Iterator[tuple[Known, str]]:
    """Facts that say a withheld one the other way round, each with that fact's id, and all values beside them: a list
    without one of its values would be taught as if it were whole."""
    names = {entity.id: (entity.name, *entity.aliases) for entity in entities}
    open_facts = {fact.id: fact for fact in every if fact.id not in untaught}
    said = (Said(fact.id, fact.entity_id, fact.value) for fact in open_facts.values())
    turned = mirrored(said, (Said(fact.id, fact.entity_id, fact.value) for fact in withheld), names)
    lists = {(open_facts[turned_id].entity_id, open_facts[turned_id].relation): w for turned_id, w in turned.items()}
    for fact in open_facts.values():
        if (fact.entity_id, fact.relation) in lists:
            yield fact, lists[fact.entity_id, fact.relation]


def shown(fact: Known) -> str:
    """The fact in words, for an account."""
    return f"{fact.entity} {fact.relation} {fact.value}"[:200]
