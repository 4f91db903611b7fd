"""The same entity in two graphs becomes one: by name, and by another name that can mean only one thing.

Within a kind, an entity of one graph that gives ``乙`` as another name and an entity ``乙`` of another graph are
joined. Another name joins nothing, and is a finding, where it belongs to two entities, or where one graph has a record
of each: that graph tells the two apart, and it may be right.

What two graphs say of a joined entity stays two facts, each with its own origin. Where they say the same, one of the
two is taught and the other names it (`corroborating`), so that no value is taught or counted twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from huatuo.knowledge.entries import Entry, Value

Ambiguity = tuple[Entry, str]
"""(the entity that gives the other name, why it joins nothing)."""

_END_MARKS = "。.；;，,、 "
"""What may stand after a value without changing it."""


def join(entries: Mapping[tuple[str, str], Entry]) -> tuple[list[Entry], list[Ambiguity]]:
    """(the entries with the same things joined, sorted by kind and name; the other names that join nothing, and why).

    ``entries`` by (kind, name). A joined entry has the name of the one that gives the other name; its origins are those
    of both. The order in which sources were read does not matter.
    """
    given: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for key in sorted(entries):
        for alias in entries[key].aliases:
            given[key[0], alias].append(entries[key])
    edges: list[tuple[Entry, Entry]] = []
    ambiguous: list[Ambiguity] = []
    for (kind, alias), givers in sorted(given.items()):
        if len(givers) > 1:
            names = "、".join(entry.name for entry in givers)
            ambiguous.append((givers[0], f"{alias} is another name of {names}; expected one, so it joins nothing"))
        elif (kind, alias) in entries:
            edges.append((givers[0], entries[kind, alias]))
    parts, told_apart = _components(edges)
    ambiguous += told_apart
    gone = {entry.key for part in parts for entry in part[1:]}
    for part in parts:
        _merge(part)
    return [entries[key] for key in sorted(entries) if key not in gone], ambiguous


def _components(edges: Sequence[tuple[Entry, Entry]]) -> tuple[list[list[Entry]], list[Ambiguity]]:
    """(groups to merge, the one that names the others first; other names of groups that one graph tells apart)."""
    near: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    by_key = {entry.key: entry for edge in edges for entry in edge}
    for giver, other in edges:
        near[giver.key].add(other.key)
        near[other.key].add(giver.key)
    parts, ambiguous, seen = [], [], set[tuple[str, str]]()
    for key in sorted(near):
        if key in seen:
            continue
        members, todo = {key}, [key]
        while todo:
            new = near[todo.pop()] - members
            members |= new
            todo.extend(sorted(new))
        seen |= members
        part = [by_key[member] for member in sorted(members)]
        sources = [source for entry in part for source in entry.sources()]
        within = [(giver, other) for giver, other in edges if giver.key in members]
        if len(sources) == len(set(sources)):
            parts.append(_first_named(part, within))
            continue
        ambiguous += [
            (giver, f"{giver.name} has the other name {other.name}, which has a record of its own; joined is neither")
            for giver, other in within
        ]
    return parts, ambiguous


def _first_named(part: Iterable[Entry], edges: Sequence[tuple[Entry, Entry]]) -> list[Entry]:
    """The entries with the one first whose name the others take: no other name of another, then by source and name."""
    named = {other.key for _, other in edges}
    return sorted(part, key=lambda entry: (entry.key in named, entry.sources(), entry.name))


def _merge(part: Sequence[Entry]) -> None:
    """Put everything that is known of the others into the first."""
    first = part[0]
    for other in part[1:]:
        first.aliases.extend(
            name for name in (other.name, *other.aliases) if name not in first.aliases and name != first.name
        )
        first.origins.extend(other.origins)
        first.values.update(other.values)  # no clash: their sources differ
        first.joined.append(other.name)


def corroborating(entry: Entry, teach_flagged: Sequence[str] = ()) -> Iterator[tuple[Value, Value]]:
    """(value, the value of another source that says the same, and is taught in its stead) of an entity.

    The same: one relation, one text but for case, and blanks and marks at its end. Taught is one that no rule objects
    to, where there is one (the rules in ``teach_flagged`` object to nothing), then the first by source and text.
    """
    if len(entry.sources()) < 2:
        return
    allowed, said = set(teach_flagged), defaultdict[tuple[str, str], list[Value]](list)
    for value in entry.values.values():
        said[value.relation, value.text.rstrip(_END_MARKS).casefold()].append(value)
    for values in said.values():
        ranked = sorted(values, key=lambda value: (not set(value.flags) <= allowed, value.where.source, value.text))
        yield from ((value, ranked[0]) for value in ranked if value.where.source != ranked[0].where.source)
