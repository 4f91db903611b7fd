"""Exports of Neo4j become entities: nodes with a name, their texts as values, relationships as values of their start.

Read are APOC's JSON (a node or relationship per line, an array, or ``{"nodes": […], "rels": […]}``), APOC's CSV (with
``_id _labels _start _end _type``), and the files of neo4j-admin (headers with ``:ID``, ``:START_ID``, ``:END_ID``).
All files of a source belong together: a relationship may stand before its nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError
from huatuo.knowledge.entries import Draft, NotText, Refused, Remark, Where, as_items, clean, take_aliases, take_value
from huatuo.knowledge.relations import KINDS, NAME_RELATIONS, kind_by_relations
from huatuo.knowledge.rows import Row, open_table
from huatuo.knowledge.triples import relation_of, stated_kind, unusable
from huatuo.readers.jsonfile import records
from huatuo.recipe import GraphSource

NAME_PROPERTIES = ("name", "名称", "label", "title")
"""Properties that are looked for as the name where the recipe names none."""

ARRAY = ";"
"""What parts the items of a neo4j-admin array."""


class _Node(NamedTuple):
    where: Where
    place: str
    id: str
    labels: list[str]
    properties: dict[str, Any]


class _Link(NamedTuple):
    where: Where
    place: str
    start: str
    end: str
    type: str
    properties: dict[str, Any]


Found = tuple[Where, Draft | Refused | Remark]


def read(files: Sequence[tuple[Path, Where]], source: GraphSource) -> Iterator[Found]:
    """What the nodes and relationships of all files say. Raises InputError where a file is no export of Neo4j."""
    drafts: dict[str, Draft] = {}
    gone: set[str] = set()
    links: list[_Link] = []
    nodes = 0
    for path, where in files:
        items = _table(path, where, source) if path.suffix.lower() in (".csv", ".tsv") else _json(path, where)
        for item in items:
            if isinstance(item, _Link):
                links.append(item)
            elif isinstance(item, _Node):
                nodes += 1
                made = _node(item, source, drafts)
                if isinstance(made, Refused):
                    gone.add(item.id)
                    yield item.where, made
                else:
                    drafts[item.id] = made
            else:
                yield where, item
    if not nodes:
        named = ", ".join(path.name for path, _ in files)
        raise InputError(
            f"{named}: holds no node; expected a Neo4j export; next: give the folder with the nodes and relationships"
        )
    yield from _link(links, drafts, gone, source)
    for made in drafts.values():
        made.kind = made.kind or kind_by_relations(value.relation for value in made.values)
        yield made.where, made


def _node(node: _Node, source: GraphSource, drafts: dict[str, Draft]) -> Draft | Refused:
    if node.id in drafts:
        reason = f"node {node.id} was read at {drafts[node.id].place}; expected each id once"
        return Refused(node.place, "duplicate_node", reason, str(node.properties)[:80])
    wanted = source.columns.get("name", "")
    keys = (wanted,) if wanted else NAME_PROPERTIES
    key = next((key for key in keys if key in node.properties), "")
    name = node.properties.get(key)
    if not isinstance(name, str) or not clean(name):
        shown = "、".join(list(node.properties)[:8])
        reason = f"expected a name under {' or '.join(keys)}; the properties are {shown} (key columns.name)"
        return Refused(node.place, "no_name", reason, str(node.properties)[:80])
    known = [label for label in node.labels if label in source.kinds or label.lower() in KINDS]
    label = (known or [label for label in node.labels if not label.startswith("_")] or [""])[0]
    made = Draft(stated_kind(source, label), clean(name), node.place, node.where)
    for other, value in node.properties.items():
        relation = relation_of(source, other)
        if other == key or not relation:
            continue
        if other == source.columns.get("aliases") or relation in NAME_RELATIONS:
            take_aliases(made, as_items(value), other)
            continue
        for number, item in enumerate(as_items(value), 1):
            take_value(made, relation, item, f"{node.place} {other}[{number}]", evidence=source.evidence)
    return made


def _link(links: Sequence[_Link], drafts: dict[str, Draft], gone: set[str], source: GraphSource) -> Iterator[Found]:
    """Give each relationship's end to its start as a value; yields those that lead nowhere."""
    unread = 0
    for link in links:
        relation = relation_of(source, link.type)
        missing = [node for node in (link.start, link.end) if node not in drafts]
        if missing:
            why = "was refused" if missing[0] in gone else "is in no file of the source"
            reason = f"{link.type} from {link.start} to {link.end}: node {missing[0]} {why}"
            yield link.where, Refused(link.place, "missing_node", reason)
        elif not link.type or not relation:
            rule = "left_out" if link.type else "no_relation"
            yield link.where, Refused(link.place, rule, f"relationship {link.type!r} from {link.start} is not read")
        elif relation in NAME_RELATIONS:
            take_aliases(drafts[link.start], [drafts[link.end].name], link.place)
        else:
            value, start = drafts[link.end].name, drafts[link.start]
            take_value(start, relation, value, link.place, evidence=source.evidence, where=link.where)
        unread += bool(link.properties)
    if unread:
        message = f"{unread:,} relationships have properties of their own; these are not read"
        yield links[0].where, Remark("whole file", "relationship_properties", message)


# ---------------------------------------------------------------- JSON


def _json(path: Path, where: Where) -> Iterator[_Node | _Link | Refused | Remark]:
    for raw in records(path):
        if (bad := unusable(raw)) is not None:
            yield bad
        if isinstance(raw.value, dict) and "nodes" in raw.value:
            for key in ("nodes", "rels", "relationships"):
                for number, item in enumerate(as_items(raw.value.get(key)), 1):
                    yield _item(item, f"{key}[{number}]", where, "node" if key == "nodes" else "relationship")
        elif raw.value is not None:
            yield _item(raw.value, raw.place, where, "")


def _item(value: Any, place: str, where: Where, kind: str) -> _Node | _Link | Refused:
    found = value.get("type") if isinstance(value, dict) else None
    properties = value.get("properties") if isinstance(value, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    if kind == "node" or (not kind and found == "node"):
        labels = [label for label in as_items(value.get("labels")) if isinstance(label, str)]
        return _Node(where, place, str(value.get("id")), labels, properties)
    if kind == "relationship" or (not kind and found == "relationship"):
        ends = [end.get("id") if isinstance(end, dict) else end for end in (value.get("start"), value.get("end"))]
        label = value.get("label") or (found if kind else "")
        return _Link(where, place, str(ends[0]), str(ends[1]), label if isinstance(label, str) else "", properties)
    return Refused(place, "not_an_object", "expected a node or a relationship of APOC", str(value)[:80])


# ---------------------------------------------------------------- CSV


def _table(path: Path, where: Where, source: GraphSource) -> Iterator[_Node | _Link | Refused | Remark]:
    table = open_table(path, source.sheet)
    columns = {column: _Column(*_header(column)) for column in table.columns}
    if not is_export(table.columns):
        shown = ", ".join(table.columns)
        raise InputError(
            f"{path}: the columns {shown} are no Neo4j export; expected :ID, or :START_ID and :END_ID, or _id, _start "
            'and _end; next: format = "triples" or "table" reads any other table'
        )
    for row in table.rows:
        yield _from_row(row, columns, where) if isinstance(row, Row) else row


def is_export(columns: Sequence[str]) -> bool:
    """Whether the header of a table is one that Neo4j writes."""
    roles = {_header(column)[0] for column in columns}
    return "ID" in roles or {"START_ID", "END_ID"} <= roles


class _Column(NamedTuple):
    role: str
    name: str
    space: str
    is_array: bool
    is_text: bool


def _header(column: str) -> tuple[str, str, str, bool, bool]:
    """(role, property, id space, is an array, is text) of ``name:string[]``, ``:ID(Disease)``, ``_start``."""
    apoc = {"_id": "ID", "_labels": "LABEL", "_start": "START_ID", "_end": "END_ID", "_type": "TYPE"}
    if column in apoc:
        return apoc[column], "", "", False, True
    name, _, kind = column.partition(":")
    kind, _, space = kind.partition("(")
    if kind in ("ID", "LABEL", "START_ID", "END_ID", "TYPE", "IGNORE"):
        return kind, name, space.rstrip(")"), False, True
    return "", name, "", kind.endswith("[]"), kind.removesuffix("[]").lower() in ("", "string", "char")


def _from_row(row: Row, columns: dict[str, _Column], where: Where) -> _Node | _Link | Refused:
    stated: dict[str, str] = {}
    properties: dict[str, Any] = {}
    for name, cell in row.cells.items():
        column = columns[name]
        text = clean(cell) if isinstance(cell, str) else ""
        if column.role:
            stated[column.role] = f"{column.space}:{text}" if column.space and text else text
        elif text and column.is_array:
            properties[column.name] = [part for part in text.strip("[]").replace('"', "").split(ARRAY) if part]
        elif text:
            properties[column.name] = text if column.is_text else NotText("a number without its unit", text)
    if stated.get("START_ID") or stated.get("END_ID"):
        ends = stated.get("START_ID", ""), stated.get("END_ID", "")
        return _Link(where, row.place, *ends, stated.get("TYPE", ""), properties)
    if not stated.get("ID"):
        return Refused(row.place, "no_id", "expected an id, or the ids of start and end", str(row.cells)[:80])
    labels = [label for label in stated.get("LABEL", "").replace(":", ARRAY).split(ARRAY) if label]
    return _Node(where, row.place, stated["ID"], labels, properties)
