"""A graph file without a recipe: which format it has, and what the reader and the checks say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huatuo.files import regular_files
from huatuo.knowledge import formats, neo4j, rdf, rows, tables, triples
from huatuo.knowledge.check import check
from huatuo.knowledge.entries import Draft, Entry, Remark
from huatuo.knowledge.join import join
from huatuo.knowledge.relations import KNOWN, canonical
from huatuo.recipe import GraphSource
from huatuo.store import content_id

TABLES = (".csv", ".tsv", ".xlsx")
"""Endings of tables that may be a graph; the header tells."""

GRAPH = "knowledge graph"
"""How the kind of a graph file begins."""

Find = Callable[[str, str], None]


def of_record(value: dict[str, Any]) -> str:
    """The format of the graph that a JSON record belongs to; empty where it is of no graph."""
    keys = set(value)
    if keys & {"中心词", "核心词", "spo_list"} or {"categories", "node"} <= keys:
        return "cmekg"
    if {"id", "labels", "properties"} <= keys or {"start", "end", "label"} <= keys or {"nodes", "rels"} <= keys:
        return "neo4j"
    return (
        "triples" if set(triples.roles_of(_source(Path(), "triples"), tuple(value), triples.ROLES)) >= _NEEDED else ""
    )


_NEEDED = frozenset(triples.NEEDED)


def _source(path: Path, form: Any) -> GraphSource:
    return GraphSource(name="file", path=path, format=form)


def of_file(path: Path) -> GraphSource | None:
    """The graph in a file or folder, told by its ending and the header of its table; None where it is no such graph."""
    if path.is_dir():
        files = [found for _, found in regular_files(path)]
        endings = {p.suffix.lower() for p in files}
        graphs = [of_file(p) for p in files if p.suffix.lower() in (*TABLES, *rdf.SUFFIXES) and p.stat().st_size]
        told = {graph.format for graph in graphs if graph is not None}
        return _source(path, told.pop()) if len(told) == 1 and not endings & set(formats.JSON) else None
    if path.suffix.lower() in rdf.SUFFIXES:
        return _source(path, "rdf")
    if path.suffix.lower() not in TABLES:
        return None
    columns = rows.open_table(path).columns
    if neo4j.is_export(columns):
        return _source(path, "neo4j")
    if set(triples.roles_of(_source(path, "triples"), columns, triples.ROLES)) >= _NEEDED:
        return _source(path, "triples")
    known = {relation for relations in KNOWN.values() for relation in relations}
    has_name = "name" in triples.roles_of(_source(path, "table"), columns, tables.ROLES)
    return _source(path, "table") if has_name and any(canonical(column) in known for column in columns) else None


def look(source: GraphSource, find: Find) -> dict[str, int]:
    """Counts of what a graph holds; ``find`` takes (rule, example) of everything that reader and checks object to.

    Raises InputError where the file is damaged as a whole.
    """
    entries: dict[tuple[str, str], Entry] = {}
    for where, item in formats.read(source, {}):
        if isinstance(item, Draft):
            _take(item, entries, find)
        else:
            message = item.message if isinstance(item, Remark) else item.reason
            find(item.rule, f"{where.file} {item.place}: {message}")
    joined, ambiguous = join(entries)
    for found in check(joined, ambiguous):
        find(found.rule, f"{found.place}: {found.message}")
    counts = {"entities": len(joined), "facts": sum(len(entry.values) for entry in joined)}
    return counts | {f"of kind {kind}": n for kind, n in Counter(entry.kind for entry in joined).most_common(5)}


def _take(draft: Draft, entries: dict[tuple[str, str], Entry], find: Find) -> None:
    for refused in draft.refused:
        find(refused.rule, f"{refused.place}: {refused.reason}")
    identity = content_id(draft.kind, draft.name)
    entry = entries.setdefault((draft.kind, draft.name), Entry(identity, draft.kind, draft.name))
    if entry.origins:
        find("entity_twice", f"{draft.place}: {draft.name} was read at {entry.origins[0][1]}")
    for value, _ in entry.take(draft):
        find("same_value_twice", f"{value.place}: {draft.name} {value.relation} {value.text}")
