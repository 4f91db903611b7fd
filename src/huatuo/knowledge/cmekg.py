"""CMeKG in every shape that is about: records, answers of its site, crawls of the site, ``spo_list``.

::

    {"class": "百种常见病", "中心词": "某病", "别名": ["又名"], "临床症状": ["某症状"],
     "来源": {"临床症状": "textbook"}}                                     a record: every other key is a relation
    {"categories": [{"name": "中心词"}, {"name": "关系"}, {"name": "临床症状"}],
     "node": [{"category": 0, "label": "某病"}, {"category": 2, "label": "某症状"}]}        an answer of the site
    {"size": 1, "疾病": [{"名称": "某病", "临床症状": ["某症状"]}]}            a crawl: records under the type's name

The site is gone and no answer of it is at hand: its shape is what public crawlers read out of it, and the samples of
the tests were made by hand after them. `huatuo.knowledge.triples` reads ``spo_list``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huatuo.knowledge.entries import (
    Draft,
    Refused,
    Remark,
    Where,
    as_items,
    clean,
    take_aliases,
    take_values,
    unfit_name,
)
from huatuo.knowledge.relations import NAME_RELATIONS, canonical, kind_by_relations
from huatuo.knowledge.triples import Collected, relation_of, stated_kind, take_spo, unusable
from huatuo.readers.jsonfile import records
from huatuo.recipe import GraphSource

NAME_KEYS = ("中心词", "核心词", "名称")
"""Keys of the name; the first that is there counts."""

CLASS_KEYS = ("class", "类", "类别")
"""Keys of the class."""

EVIDENCE_KEY = "来源"
"""Key of {relation: kind of source}, or of one kind of source for all relations."""

OWN_KEYS = frozenset({*NAME_KEYS, *CLASS_KEYS, *NAME_RELATIONS, EVIDENCE_KEY})
"""Keys that are no relation."""

CRAWLED = ("疾病", "症状", "药物", "诊疗", "药物分类", "检查诊疗技术")
"""Types of the site: the key of a crawl's records."""

NO_RELATION = ("关系", "")
"""Categories of an answer's inner nodes."""


def read(path: Path, source: GraphSource, where: Where) -> Iterator[Draft | Refused | Remark]:
    """What a JSON file of CMeKG says, whichever shape its records have."""
    made = Collected(source, where)
    for raw in records(path):
        if (bad := unusable(raw)) is not None:
            yield bad
        if raw.value is None:
            continue
        if isinstance(raw.value, dict) and "spo_list" in raw.value:
            yield from take_spo(made, raw.value, raw.place)
        else:
            for place, kind, value in _unfolded(raw.value, raw.place):
                yield draft(value, place, where, source, kind)
    yield from made.drafts()


def _unfolded(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """(place, label of the kind, record) of the records in a file's value: itself, or those of a crawl."""
    crawled = [key for key in CRAWLED if isinstance(value, dict) and _is_records(value.get(key))]
    if not crawled or any(key in value for key in NAME_KEYS):
        yield place, "", value
    for key in crawled:
        for number, record in enumerate(value[key], 1):
            yield f"{place} {key}[{number}]", key, record


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _answer(value: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """({category: labels of its nodes}, numbers of the nodes whose category the answer does not name)."""
    names = [item.get("name") if isinstance(item, dict) else None for item in as_items(value["categories"])]
    made: dict[str, Any] = {}
    lost = []
    for number, node in enumerate(as_items(value["node"]), 1):
        category = node.get("category") if isinstance(node, dict) else None
        name = names[category] if isinstance(category, int) and 0 <= category < len(names) else None
        if not isinstance(name, str):
            lost.append(number)
        elif name in NO_RELATION or node.get("label") in (None, ""):
            continue  # inner nodes of the drawing hold no value
        elif name in NAME_KEYS:
            made.setdefault(name, node["label"])
        else:
            made.setdefault(name, []).append(node["label"])
    return made, lost


def draft(value: Any, place: str, where: Where, source: GraphSource, label: str = "") -> Draft | Refused:
    """What a record says, or why it cannot be used; ``label`` names its type where the record itself does not.

    A string where a list is expected is one value: it is never split, since 、 and ， also stand inside values.
    """
    if not isinstance(value, dict):
        return Refused(
            place, "not_an_object", f"expected a record with 中心词, found {type(value).__name__}", str(value)[:80]
        )
    is_answer = "categories" in value and "node" in value
    value, lost = _answer(value) if is_answer else (value, [])
    name = next((value[key] for key in NAME_KEYS if key in value), None)
    if not isinstance(name, str) or not clean(name):
        found = f"found {type(name).__name__}" if name is not None else f"the keys are {'、'.join(list(value)[:8])}"
        return Refused(place, "no_name", f"expected a name as text under 中心词 or 核心词; {found}", str(value)[:80])
    if reason := unfit_name(clean(name)):
        return Refused(place, "unfit_name", reason, name[:80])
    made = Draft("", clean(name), place, where)
    reason = f"a node of {made.name} has a category that the answer does not name"
    made.refused += [Refused(f"{place} node[{number}]", "no_relation", reason) for number in lost]
    stated = _evidence(value, made)
    for key, items in value.items():
        relation = relation_of(source, key)
        if not clean(key):
            take_values(made, "", as_items(items), evidence="")
        elif key in NAME_RELATIONS or relation in NAME_RELATIONS:
            take_aliases(made, as_items(items), key)
        elif key not in OWN_KEYS and relation:
            evidence = stated.get(canonical(key), stated.get("", source.evidence))
            take_values(made, relation, as_items(items), evidence=evidence, label=key)
    made.kind = _kind(value, made, source, label, is_answer)
    return made


def _kind(value: dict[str, Any], made: Draft, source: GraphSource, label: str, is_answer: bool) -> str:
    """The kind of the class. A record without a class is a symptom, as in CMeKG; the site's answers have no class."""
    stated = next((value[key] for key in CLASS_KEYS if key in value), None)
    label = stated if isinstance(stated, str) and clean(stated) else label
    if kind := stated_kind(source, label):
        return kind
    return kind_by_relations(v.relation for v in made.values) if is_answer else "symptom"


def _evidence(value: dict[str, Any], made: Draft) -> dict[str, str]:
    """Kind of source per canonical relation; under the empty key what holds for all."""
    stated = value.get(EVIDENCE_KEY)
    if stated is None:
        return {}
    if isinstance(stated, str):
        return {"": clean(stated)}
    if not isinstance(stated, dict):
        reason = f"来源 of {made.name}: expected {{relation: kind of source}}, found {type(stated).__name__}"
        made.refused.append(Refused(f"{made.place} 来源", "not_text", reason, repr(stated)[:80]))
        return {}
    for key, item in stated.items():
        if not isinstance(item, str):
            reason = f"来源 of {made.name}, {key}: expected text, found {type(item).__name__}"
            made.refused.append(Refused(f"{made.place} 来源.{key}", "not_text", reason, repr(item)[:80]))
        elif key not in value:
            reason = f"来源 of {made.name} names {key!r}, which the record does not have"
            made.refused.append(Refused(f"{made.place} 来源.{key}", "no_such_relation", reason, item[:80]))
    return {canonical(key): clean(item) for key, item in stated.items() if isinstance(item, str)}
