"""Triples become entities: a head, a relation and a tail per row of a table, per JSON record, or per ``spo_list`` item.

::

    head,relation,tail          {"head": "肺炎", "relation": "症状", "tail": "咳嗽"}          ["肺炎", "症状", "咳嗽"]
    肺炎,临床表现,咳嗽           {"text": "…", "spo_list": [["肺炎", "临床表现", "咳嗽"]]}       (CMeKG_tools)
    {"text": "…", "spo_list": [{"subject": "肺炎", "subject_type": "疾病", "predicate": "临床表现",
                                "object": {"@value": "咳嗽"}}]}                             (CMeIE)

A tail is a value. A row whose relation is 别名 or the like gives another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huatuo.errors import InputError
from huatuo.knowledge.entries import Draft, NotText, Refused, Remark, Where, as_items, clean, take_aliases, take_value
from huatuo.knowledge.relations import NAME_RELATIONS, canonical, kind_by_relations, kind_of
from huatuo.knowledge.rows import open_table
from huatuo.readers.jsonfile import Raw, records
from huatuo.recipe import GraphSource

ROLES: dict[str, tuple[str, ...]] = {
    "head": ("head", "subject", "头实体", "主体", "实体", "实体1", "entity1", "h", "s"),
    "relation": ("relation", "predicate", "关系", "谓词", "属性", "关系类型", "r", "p"),
    "tail": ("tail", "object", "尾实体", "客体", "属性值", "值", "实体2", "entity2", "t", "o"),
    "kind": ("head_kind", "head_type", "subject_type", "头实体类型", "类型", "class", "kind"),
    "evidence": ("evidence", "来源", "证据"),
}
"""Role → names of its column that are looked for where the recipe names none."""

NEEDED = ("head", "relation", "tail")
"""Roles without which there is no triple."""


class Collected:
    """Drafts made of single statements: one per entity of a file."""

    def __init__(self, source: GraphSource, where: Where):
        self.source, self.where = source, where
        self._drafts: dict[tuple[str, str], Draft] = {}

    def add(
        self, head: Any, relation: Any, tail: Any, place: str, kind: str = "", evidence: str = ""
    ) -> Refused | None:
        """Add one statement; the refusal where head or relation is no text or the recipe leaves the relation out."""
        for part, value in (("head", head), ("relation", relation)):
            if not isinstance(value, str) or not clean(value):
                found, rule = ("none", f"no_{part}") if value in ("", None) else (type(value).__name__, "not_text")
                if isinstance(value, NotText):
                    found, rule = value.found, value.rule
                return Refused(place, rule, f"expected a {part}, found {found}", str(tail)[:80])
        name = relation_of(self.source, relation)
        if not name:
            return Refused(place, "left_out", f"the recipe leaves out the relation {clean(relation)}", str(tail)[:80])
        draft = self.draft(clean(head), place, kind)
        if name in NAME_RELATIONS:
            take_aliases(draft, [tail], f"{place} {name}")
        else:
            take_value(draft, name, tail, place, evidence=evidence or self.source.evidence)
        return None

    def add_found(self, found: Mapping[str, Any], place: str) -> Refused | None:
        """Add the statement of a row: role → cell."""
        kind, evidence = (found.get(role, "") for role in ("kind", "evidence"))
        kind, evidence = (clean(cell) if isinstance(cell, str) else "" for cell in (kind, evidence))
        return self.add(found["head"], found["relation"], found["tail"], place, kind, evidence)

    def draft(self, name: str, place: str, kind: str = "") -> Draft:
        """The draft of an entity, made at its first statement."""
        stated = stated_kind(self.source, kind)
        return self._drafts.setdefault((stated, name), Draft(stated, name, f"{place} head", self.where))

    def drafts(self) -> Iterator[Draft]:
        """The drafts, each with its kind."""
        for draft in self._drafts.values():
            draft.kind = draft.kind or kind_by_relations(value.relation for value in draft.values)
            yield draft


def relation_of(source: GraphSource, relation: str) -> str:
    """The canonical relation that a source's word means; empty where the recipe leaves it out."""
    return canonical(source.relations.get(clean(relation), clean(relation)))


def stated_kind(source: GraphSource, label: str) -> str:
    """The kind that a source's label means; without a label the recipe's, and empty where it has none."""
    label = clean(label)
    return source.kinds.get(label, kind_of(label)) if label else source.kind


def roles_of(source: GraphSource, columns: tuple[str, ...], known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Role → column of a file: as the recipe says, else the first of the usual names that is there."""
    folded = {clean(column).lower(): column for column in columns}
    found = {role: next((folded[name] for name in names if name in folded), "") for role, names in known.items()}
    return {role: column for role, column in {**found, **source.columns}.items() if column}


def check_roles(
    path: Path, source: GraphSource, columns: tuple[str, ...], roles: Mapping[str, str], needed: Any
) -> None:
    """Nothing, if every needed role has a column and every named column is there; else InputError."""
    shown = ", ".join(columns) or "none"
    for role, column in roles.items():
        if column not in columns:
            raise InputError(
                f"{path}: no column {column!r} (columns: {shown}); "
                f"next: mend columns.{role} of [[ingest.graphs]] {source.name}"
            )
    for role in needed:
        if role not in roles:
            raise InputError(
                f"{path}: no column for the {role} (columns: {shown}); "
                f'next: set columns = {{{role} = "..."}} in [[ingest.graphs]] {source.name}; '
                'a file without a header takes numbers: columns = { head = "1", relation = "2", tail = "3" }'
            )


def has_header(source: GraphSource) -> bool:
    """Whether the source's tables have a header: they have none where the recipe numbers the columns."""
    return not (source.columns and all(column.isdigit() for column in source.columns.values()))


def read_table(path: Path, source: GraphSource, where: Where) -> Iterator[Draft | Refused | Remark]:
    """What the triples of a table say. Raises InputError where a column is missing."""
    table = open_table(path, source.sheet, has_header(source))
    roles = roles_of(source, table.columns, ROLES)
    check_roles(path, source, table.columns, roles, NEEDED)
    made = Collected(source, where)
    for row in table.rows:
        if isinstance(row, (Refused, Remark)):
            yield row
            continue
        found = {role: row.cells[column] for role, column in roles.items()}
        refused = made.add_found(found, row.place)
        if refused is not None:
            yield refused
    yield from made.drafts()


def read_json(path: Path, source: GraphSource, where: Where) -> Iterator[Draft | Refused | Remark]:
    """What the triples of a JSON file say: objects under the source's columns, or arrays of three."""
    made = Collected(source, where)
    for raw in records(path):
        if (bad := unusable(raw)) is not None:
            yield bad
        if raw.value is not None:
            yield from _take_record(made, raw)
    yield from made.drafts()


def unusable(raw: Raw) -> Refused | Remark | None:
    """The refusal of a raw record that has no value, or the remark on one that has; None where all is well."""
    if raw.problem is None:
        if raw.value is None:
            return Refused(raw.place, "not_an_object", "expected a record, found null", raw.excerpt)
        return None
    if raw.value is None:
        return Refused(raw.place, raw.problem.rule, raw.problem.message, raw.excerpt)
    return Remark(raw.place, raw.problem.rule, raw.problem.message)


def _take_record(made: Collected, raw: Raw) -> Iterator[Refused]:
    value = raw.value
    if isinstance(value, dict) and "spo_list" in value:
        yield from take_spo(made, value, raw.place)
        return
    if isinstance(value, list) and len(value) == len(NEEDED):
        value = dict(zip(("1", "2", "3"), value, strict=True))
    if not isinstance(value, dict):
        shown = type(value).__name__
        yield Refused(raw.place, "not_an_object", f"expected a triple, found {shown}", str(value)[:80])
        return
    roles = roles_of(made.source, tuple(value), {**ROLES, "head": (*ROLES["head"], "1")})
    numbered = {"head": "1", "relation": "2", "tail": "3"} if "3" in value else {}
    roles = {**numbered, **roles}
    missing = [role for role in NEEDED if roles.get(role) not in value]
    if missing:
        keys = "、".join(list(value)[:8])
        yield Refused(
            raw.place, "no_" + missing[0], f"no key for the {missing[0]}; the keys are {keys}", str(value)[:80]
        )
        return
    found = {role: value.get(column) for role, column in roles.items()}
    refused = made.add_found(found, raw.place)
    if refused is not None:
        yield refused


def take_spo(made: Collected, value: Mapping[str, Any], place: str) -> Iterator[Refused]:
    """Add the items of a record's ``spo_list``; yields those that are no triple."""
    for number, item in enumerate(as_items(value["spo_list"]), 1):
        at, kind = f"{place} spo_list[{number}]", ""
        if isinstance(item, dict):
            kind = item.get("subject_type", "")
            tail = item.get("object")
            parts = [item.get("subject"), item.get("predicate"), tail.get("@value") if isinstance(tail, dict) else tail]
        else:
            parts = item if isinstance(item, list) else []
        if len(parts) != len(NEEDED):
            yield Refused(at, "not_a_triple", "expected [subject, predicate, object]", str(item)[:80])
            continue
        refused = made.add(parts[0], parts[1], parts[2], at, kind if isinstance(kind, str) else "")
        if refused is not None:
            yield refused
