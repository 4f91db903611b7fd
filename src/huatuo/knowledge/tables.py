"""A table with an entity per row and a relation per column becomes entities: CSV, TSV and XLSX.

::

    名称,类别,别名,临床表现,检查
    某病,疾病,又名,"甲症;乙症",血常规
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huatuo.errors import RecipeError
from huatuo.knowledge.entries import Draft, NotText, Refused, Remark, Where, clean, take_aliases, take_value
from huatuo.knowledge.relations import NAME_RELATIONS, kind_by_relations
from huatuo.knowledge.rows import Row, open_table
from huatuo.knowledge.triples import check_roles, has_header, relation_of, roles_of, stated_kind
from huatuo.recipe import GraphSource

ROLES: dict[str, tuple[str, ...]] = {
    "name": ("name", "名称", "中心词", "核心词", "疾病名称", "药品名称", "药名", "实体", "entity", "title"),
    "kind": ("kind", "class", "类", "类别", "类型", "label", "type"),
    "aliases": ("aliases", "alias", *sorted(NAME_RELATIONS)),
    "evidence": ("evidence", "来源", "证据"),
}
"""Role → names of its column that are looked for where the recipe names none; every other column is a relation."""


def read(path: Path, source: GraphSource, where: Where) -> Iterator[Draft | Refused | Remark]:
    """What the rows of a table say. Raises InputError where the column of the name is missing."""
    table = open_table(path, source.sheet, has_header(source))
    roles = roles_of(source, table.columns, ROLES)
    check_roles(path, source, table.columns, roles, ("name",))
    cut = compiled_split(source)
    for row in table.rows:
        yield _draft(row, source, where, roles, cut) if isinstance(row, Row) else row


def compiled_split(source: GraphSource) -> re.Pattern[str] | None:
    """The recipe's ``split``, compiled. Raises RecipeError where it is no regular expression."""
    try:
        return re.compile(source.split) if source.split else None
    except re.error as error:
        raise RecipeError(
            f"[[ingest.graphs]] {source.name}: split {source.split!r} is no regular expression: {error}"
        ) from None


def _draft(
    row: Row, source: GraphSource, where: Where, roles: dict[str, str], cut: re.Pattern[str] | None
) -> Draft | Refused:
    name = row.cells[roles["name"]]
    if not isinstance(name, str) or not clean(name):
        found = name.found if isinstance(name, NotText) else "none"
        rule = name.rule if isinstance(name, NotText) else "no_name"
        shown = " | ".join(str(cell) for cell in row.cells.values())[:80]
        return Refused(row.place, rule, f"expected a name under {roles['name']}, found {found}", shown)
    label, evidence = (_text(row, roles, role) for role in ("kind", "evidence"))
    made = Draft(stated_kind(source, label), clean(name), row.place, where)
    if "aliases" in roles:
        take_aliases(made, _items(row.cells[roles["aliases"]], cut), roles["aliases"])
    for column, cell in row.cells.items():
        relation = relation_of(source, column)
        if column in roles.values() or not relation or cell == "":
            continue
        for number, item in enumerate(_items(cell, cut), 1):
            place = f"{row.place} {column}[{number}]"
            take_value(made, relation, item, place, evidence=evidence or source.evidence)
    made.kind = made.kind or kind_by_relations(value.relation for value in made.values)
    return made


def _text(row: Row, roles: dict[str, str], role: str) -> str:
    cell = row.cells.get(roles.get(role, ""), "")
    return clean(cell) if isinstance(cell, str) else ""


def _items(cell: Any, cut: re.Pattern[str] | None) -> list[Any]:
    """The values in a cell; what is empty between two cuts is left out, and an empty cell holds none."""
    if cut is None or not isinstance(cell, str):
        return [] if cell == "" else [cell]
    return [part for part in cut.split(cell) if clean(part)]
