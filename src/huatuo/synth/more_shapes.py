"""Calls about two steps through the graph, about statements that are true or false, and about what must be declined.

multi_hop: from a value to the only entity that has it, or from an entity to its only value, and on to that entity's
values. true_false: a statement with a value of the entity or with a value of another one. refusal: a dose that the
graph does not hold, a contraindication that is the asker's own condition, a diagnosis from one symptom that several
diseases have. The graph's word stands in the answer; the rest is declined, with the advice to see a doctor.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from huatuo.synth.from_graph import (
    CHECK_RELATIONS,
    COMPARISON_MOST,
    REVERSE_LONGEST,
    REVERSE_MOST,
    SYMPTOM_RELATIONS,
    Call,
    Known,
    urgent,
    values_of,
)
from huatuo.synth.graph import Graph
from huatuo.synth.ground import Claim
from huatuo.synth.pair import fraction

DRUG_RELATIONS = ("药物治疗", "推荐药物", "常用药物")
COMPLICATION_RELATIONS = ("并发症",)
INDICATION_RELATIONS = ("适应证", "主治")
DOSE_RELATIONS = ("用法用量", "用量", "剂量", "用法")
CONTRA_RELATIONS = ("禁忌", "慎用", "忌吃食物")
BACK_RELATIONS = SYMPTOM_RELATIONS + DRUG_RELATIONS + CHECK_RELATIONS + COMPLICATION_RELATIONS
"""Relations that a first step goes back along: value → the only entity that has it."""
ON_RELATIONS = INDICATION_RELATIONS + COMPLICATION_RELATIONS + ("相关疾病",)
"""Relations that a first step goes forward along: entity → its only value, an entity."""
SECOND_RELATIONS = (
    SYMPTOM_RELATIONS
    + CHECK_RELATIONS
    + DRUG_RELATIONS
    + COMPLICATION_RELATIONS
    + ("所属科室", "病因", "治疗", "多发群体", "治疗周期")
)
"""Relations of the second step."""

NOT_JUDGED = ("治疗", "多发群体", "多发人群", "多发地区", "治疗周期", "病史", "预后", "高危因素")
"""Relations of which nothing is called true or false: their values overlap in meaning (无特定人群, 所有人群), so that
another entity's value may be right as well."""
WARNINGS = (
    "禁忌",
    "慎用",
    "注意事项",
    "药物相互作用",
    "忌吃食物",
    "禁用药物",
    "不良反应",
    "副作用",
    "警告",
    "黑框警告",
)
"""Relations of which nothing is called false: that a record does not name a danger does not mean there is none."""
FALSE_HOLDERS = 3
"""Most entities that have a value which is called false of another one: what many have, this one may have too,
though its record does not say so."""
NEAR_SHARE = 0.75
"""Share of the shorter value's characters that the longer one has, from which both may mean the same."""
NEAR_LEAST = 4
"""Characters from which two values are compared by their characters: shorter ones must hold each other."""
FALSE_TRIES = 16
"""Values looked at for a false statement before none is made."""

_AROUND = re.compile(r"患者|病人|禁用|慎用|忌用|[者的]")


class Turned(NamedTuple):
    """The graph turned round, with only what may be asked about."""

    holders: Mapping[tuple[str, str, str], list[Known]]
    """Facts by (kind, relation, value): taught ones, whose whole set is known, that can stand in a question."""
    named: Mapping[str, set[str]]
    """Ids of the entities of each name."""
    by_entity: Mapping[str, dict[str, list[Known]]]
    """Facts by entity id and relation: short lists of short values."""
    every: Mapping[str, set[str]]
    """All values of an entity, under any relation, with their other names."""


def turned(graph: Graph) -> Turned:
    """The graph's facts by value and by entity, without what may not be asked about."""
    holders: dict[tuple[str, str, str], list[Known]] = defaultdict(list)
    named: dict[str, set[str]] = defaultdict(set)
    by_entity: dict[str, dict[str, list[Known]]] = defaultdict(dict)
    every: dict[str, set[str]] = defaultdict(set)
    for (entity_id, relation), facts in graph.groups.items():
        named[facts[0].entity].add(entity_id)
        for fact in facts:
            value = fact.value.strip()
            every[entity_id].update((value, *graph.aliases.get(value, ())))
            key = (fact.kind, relation, value)
            if key not in graph.untaught:
                holders[key].append(fact)
        if is_short(facts):
            by_entity[entity_id][relation] = facts
    kept = {key: facts for key, facts in holders.items() if _askable(key[2], graph)}
    return Turned(dict(sorted(kept.items())), named, by_entity, every)


def is_short(facts: list[Known]) -> bool:
    """Whether the values of a relation fit into a list that can be said and learned."""
    values = values_of(facts)
    return len(values) <= COMPARISON_MOST and not any(
        len(value) > REVERSE_LONGEST or any(mark in value for mark in "。；\n") for value in values
    )


def _askable(value: str, graph: Graph) -> bool:
    """Whether a question may be about a value: one thing (no list in one value) that is not withheld."""
    short = 2 <= len(value) <= REVERSE_LONGEST and not any(mark in value for mark in "。；;，,、\n")
    return short and not graph.withheld.find(value)


def _drawn(seed: int, share: float, *key: str) -> bool:
    return fraction(str(seed), *key) < share


# ---------------------------------------------------------------- multi_hop


def multi_hop(graph: Graph, index: Turned, seed: int, share: float) -> Iterator[Call]:
    """One call per start whose first step leads to one entity only; the second step is drawn among its relations."""
    for (kind, first, start), facts in index.holders.items():
        ids = {fact.entity_id for fact in facts}
        if first not in BACK_RELATIONS or len(ids) != 1 or not _drawn(seed, share, "multi_hop", kind, first, start):
            continue
        yield from _hop(index, seed, start, first, "back", facts[0].entity_id, (facts[0],))
    for (_, first), facts in graph.groups.items():
        value, start = facts[0].value.strip(), facts[0].entity
        ids = index.named.get(value, set())
        if first not in ON_RELATIONS or len(values_of(facts)) != 1 or len(ids) != 1:
            continue
        if _drawn(seed, share, "multi_hop on", facts[0].entity_id, first):
            yield from _hop(index, seed, start, first, "on", next(iter(ids)), tuple(facts))


def _hop(
    index: Turned, seed: int, start: str, first: str, direction: str, middle_id: str, path: tuple[Known, ...]
) -> Iterator[Call]:
    ends = index.by_entity.get(middle_id, {})
    relations = [r for r in SECOND_RELATIONS if r in ends and r != first and start not in values_of(ends[r])]
    if not relations:
        return
    draw = fraction(str(seed), "second step", start, first)
    end = ends[relations[int(draw * len(relations))]]
    middle, relation, values = end[0].entity, end[0].relation, values_of(end)
    if middle in start or start in middle or len(index.named[middle]) != 1 or middle in values:
        return
    block = {
        "shape": "multi_hop",
        "direction": direction,
        "start": start,
        "first": first,
        "middle": middle,
        "kind": end[0].kind,
        "relation": relation,
        "values": values,
    }
    claim = Claim("multi_hop", relation, (start,), (middle, *values), extra=(start, first), hidden=(middle,))
    about = (middle,) if direction == "back" else (start, middle)
    yield Call("multi_hop", block, tuple(f.id for f in (*path, *end)), about, claim)


# ---------------------------------------------------------------- true_false


def true_false(graph: Graph, index: Turned, seed: int, share: float) -> Iterator[Call]:
    """One call per (entity, relation): half of the statements hold a value of the entity, half one of another entity.

    A false value is one that few entities of the kind have, that this one has under no relation, nor one nearly like
    it (see `_near`), and that no untaught fact holds. Of a warning (`WARNINGS`) only true statements are made.
    """
    pools: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (kind, relation, value), facts in index.holders.items():
        if len({fact.entity_id for fact in facts}) <= FALSE_HOLDERS:
            pools[kind, relation].append(value)
    for (entity_id, relation), facts in graph.groups.items():
        first, values = facts[0], values_of(facts)
        usable = is_short(facts) and relation not in NOT_JUDGED
        if not usable or not _drawn(seed, share, "true_false", entity_id, relation):
            continue
        if fraction(str(seed), "true or false", entity_id, relation) < 0.5:
            asked = [v for v in values if _askable(v, graph) and v not in first.entity and first.entity not in v]
            draw = fraction(str(seed), "true", entity_id, relation)
            value = asked[int(draw * len(asked))] if asked else ""
        else:
            value = "" if relation in WARNINGS else _false(index, first, pools[first.kind, relation], seed)
        if value:
            yield _statement(facts, value, value in values)


def _false(index: Turned, first: Known, pool: list[str], seed: int) -> str:
    """A value that the entity does not have; empty where the tries find none."""
    own = index.every[first.entity_id] | {first.entity}
    for number in range(FALSE_TRIES if pool else 0):
        draw = fraction(str(seed), "false", first.entity_id, first.relation, str(number))
        value = pool[int(draw * len(pool))]
        if not any(_near(value, mine) for mine in own):
            return value
    return ""


def _near(one: str, other: str) -> bool:
    """Whether two values may mean the same: one holds the other, or the shorter one's characters are nearly all its."""
    short, long = sorted((_AROUND.sub("", one) or one, _AROUND.sub("", other) or other), key=len)
    if short in long:
        return True
    shared = sum((Counter(short) & Counter(long)).values())
    return len(short) >= NEAR_LEAST and shared >= NEAR_SHARE * len(short)


def _statement(facts: list[Known], value: str, true: bool) -> Call:
    first, values = facts[0], values_of(facts)
    block = {
        "shape": "true_false",
        "entity": first.entity,
        "kind": first.kind,
        "relation": first.relation,
        "value": value,
        "true": true,
        "values": values,
    }
    claim = Claim("true_false", first.relation, (first.entity, value), tuple(values))
    return Call("true_false", block, tuple(f.id for f in facts), (first.entity,), claim)


# ---------------------------------------------------------------- refusal


def refusal(graph: Graph, index: Turned, seed: int, share: float) -> Iterator[Call]:
    """Calls whose answers say what is known and decline the rest or send to a doctor, see the head of this file."""

    def drawn(*key: str) -> bool:
        return _drawn(seed, share, "refusal", *key)

    yield from _doses(graph, index, seed, drawn)
    for facts in graph.groups.values():
        if facts[0].relation in CONTRA_RELATIONS and is_short(facts):
            yield from _contraindicated(graph, facts, seed, drawn)
    yield from _diagnoses(index, seed, drawn)


def _doses(graph: Graph, index: Turned, seed: int, drawn: Callable[..., bool]) -> Iterator[Call]:
    """Drugs of which no fact says the dose: what each is for is told, the dose is not."""
    dosed = {facts[0].entity for (_, relation), facts in graph.groups.items() if relation in DOSE_RELATIONS}
    for entity_id, relations in index.by_entity.items():
        facts = next((relations[name] for name in INDICATION_RELATIONS if name in relations), [])
        if facts and facts[0].kind in ("drug", "herb") and facts[0].entity not in dosed and drawn("dose", entity_id):
            yield _dose(facts, facts[0].entity, "")
        facts = next((relations[name] for name in DRUG_RELATIONS if name in relations), [])
        drugs = [v for v in values_of(facts) if v not in dosed and _askable(v, graph)]
        drugs = [v for v in drugs if not any(c.isdigit() for c in v)]
        if drugs and drawn("dose", entity_id):
            draw = fraction(str(seed), "dose of", entity_id)
            yield _dose(facts, drugs[int(draw * len(drugs))], facts[0].entity)


def _dose(facts: list[Known], drug: str, disease: str) -> Call:
    relation, values = facts[0].relation, values_of(facts)
    block = {"shape": "refusal", "case": "dose", "entity": drug, "relation": relation, "values": values}
    if disease:
        block["disease"] = disease
    subjects = (disease, drug) if disease else (drug,)
    claim = Claim("refusal", relation, subjects, tuple(values))
    return Call("refusal", block, tuple(f.id for f in facts), (facts[0].entity,), claim)


def _contraindicated(graph: Graph, facts: list[Known], seed: int, drawn: Callable[..., bool]) -> Iterator[Call]:
    first, values = facts[0], values_of(facts)
    asked = [v for v in values if _askable(v, graph) and v not in first.entity and first.entity not in v]
    if not asked or not drawn("contraindicated", first.entity_id, first.relation):
        return
    value = asked[int(fraction(str(seed), "condition", first.entity_id, first.relation) * len(asked))]
    block = {
        "shape": "refusal",
        "case": "contraindicated",
        "entity": first.entity,
        "relation": first.relation,
        "value": value,
        "values": values,
    }
    claim = Claim("refusal", first.relation, (first.entity, value), tuple(values))
    yield Call("refusal", block, tuple(f.id for f in facts), (first.entity,), claim)


def _diagnoses(index: Turned, seed: int, drawn: Callable[..., bool]) -> Iterator[Call]:
    for (kind, relation, value), facts in index.holders.items():
        names = list(dict.fromkeys(fact.entity for fact in facts))
        if kind != "disease" or relation not in SYMPTOM_RELATIONS or not 2 <= len(names) <= REVERSE_MOST:
            continue
        if any(name in value or value in name for name in names) or not drawn("diagnosis", value):
            continue
        asked = names[int(fraction(str(seed), "asked about", value) * len(names))]
        block = {
            "shape": "refusal",
            "case": "diagnosis",
            "kind": kind,
            "relation": relation,
            "value": value,
            "asked": asked,
            "entities": names,
            **urgent([value]),
        }
        claim = Claim("refusal", relation, (value, asked), tuple(names))
        yield Call("refusal", block, tuple(f.id for f in facts), tuple(names), claim)
