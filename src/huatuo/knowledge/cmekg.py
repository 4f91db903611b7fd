"""Records as CMeKG writes them: ``中心词`` is the name, ``class`` the kind, every other key a relation with its values.

::

    {"class": "百种常见病", "中心词": "某病", "别名": ["又名"], "临床症状": ["某症状"],
     "来源": {"临床症状": "textbook"}}
"""

from __future__ import annotations

from typing import Any

from huatuo.knowledge.entries import Draft, Refused, Where, as_items, clean, take_aliases, take_values, unfit_name
from huatuo.knowledge.relations import canonical

NAME_KEYS = ("中心词", "核心词")
"""Keys of the name; the first that is there counts."""

CLASS_KEYS = ("class", "类", "类别")
"""Keys of the class."""

ALIAS_KEYS = ("别名", "别称")
"""Keys of other names."""

EVIDENCE_KEY = "来源"
"""Key of {relation: kind of source}, or of one kind of source for all relations."""

KINDS = {
    "百种常见病": "disease",
    "疾病": "disease",
    "西药": "drug",
    "中成药": "drug",
    "药物": "drug",
    "药品": "drug",
} | {
    "中药": "herb",
    "中药材": "herb",
    "症状": "symptom",
}
"""Class → kind. A record without a class is a symptom, as in CMeKG; any other class is the kind itself."""

OWN_KEYS = frozenset({*NAME_KEYS, *CLASS_KEYS, *ALIAS_KEYS, EVIDENCE_KEY})
"""Keys that are no relation."""


def draft(value: Any, place: str, where: Where, evidence: str = "") -> Draft | Refused:
    """What a record says, or why it cannot be used; ``evidence`` holds for values that state none.

    A string where a list is expected is one value: it is never split, since 、 and ， also stand inside values.
    """
    if not isinstance(value, dict):
        return Refused(
            place, "not_an_object", f"expected a record with 中心词, found {type(value).__name__}", str(value)[:80]
        )
    name = next((value[key] for key in NAME_KEYS if key in value), None)
    if not isinstance(name, str) or not clean(name):
        found = f"found {type(name).__name__}" if name is not None else f"the keys are {'、'.join(list(value)[:8])}"
        return Refused(place, "no_name", f"expected a name as text under 中心词 or 核心词; {found}", str(value)[:80])
    if reason := unfit_name(clean(name)):
        return Refused(place, "unfit_name", reason, name[:80])
    made = Draft(_kind(value), clean(name), place, where)
    for key in ALIAS_KEYS:
        take_aliases(made, as_items(value.get(key)), key)
    stated = _evidence(value, made)
    for key, items in value.items():
        if key not in OWN_KEYS:
            take_values(made, key, as_items(items), evidence=stated.get(canonical(key), stated.get("", evidence)))
    return made


def _kind(value: dict[str, Any]) -> str:
    label = next((value[key] for key in CLASS_KEYS if key in value), None)
    if not isinstance(label, str) or not clean(label):
        return "symptom"
    return KINDS.get(clean(label), clean(label))


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
