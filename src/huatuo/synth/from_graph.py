"""Calls to a teacher about facts of the graph: which go together, what the prompt's block holds, what may be said.

Four shapes here, four in `huatuo.synth.more_shapes` and `huatuo.synth.dialogue`.
direct: all values of one relation of one entity. reverse: from a value to all entities that have it.
comparison: two entities of a kind under one relation. vignette: a patient with the symptoms of one disease.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from huatuo.checks import redflags
from huatuo.checks.entities import Dictionary
from huatuo.synth.ground import Claim
from huatuo.synth.pair import fraction

REVERSE_MOST = 8
"""Entities of the longest reverse answer: a value that hundreds have (咳嗽) asks for a list that nobody can learn."""

REVERSE_LONGEST = 40
"""Characters of the longest value that is asked about."""

COMPARISON_MOST = 12
"""Values per side of the longest comparison."""

SYMPTOM_RELATIONS = ("临床症状", "症状", "临床表现", "相关症状")
CHECK_RELATIONS = ("辅助检查", "检查", "实验室检查")
VIGNETTE_SYMPTOMS = 4
"""Symptoms of a case at first; more are named where these fit another disease as well."""

_CHILD = ("小儿", "儿童", "婴儿", "婴幼儿", "幼儿")
_NEWBORN = ("新生儿", "早产儿")
_FEMALE = (
    "妊娠",
    "产后",
    "产褥",
    "子宫",
    "卵巢",
    "月经",
    "阴道",
    "宫颈",
    "乳腺",
    "绝经",
    "盆腔",
    "分娩",
    "胎",
    "痛经",
    "闭经",
    "经期",
    "孕",
)
_MALE = ("前列腺", "睾丸", "阴茎", "附睾", "精索", "遗精", "早泄", "阳痿", "男性", "精液", "包皮")


class Known(NamedTuple):
    """One fact as synth holds it in memory: a few hundred bytes."""

    id: str
    """Fact id."""
    entity: str
    """Entity name."""
    entity_id: str
    """Entity id."""
    kind: str
    """Kind of the entity."""
    relation: str
    """Relation."""
    value: str
    """Value."""


class Call(NamedTuple):
    """One question to the teacher."""

    shape: str
    """direct, reverse, comparison, vignette, multi_hop, multi_turn, refusal, true_false."""
    block: dict[str, Any]
    """The facts as they stand in the prompt."""
    facts: tuple[str, ...]
    """Ids of all facts in the block: parents of every pair made from it."""
    entities: tuple[str, ...]
    """Names of the entities that it is about."""
    claim: Claim
    """What may be said; of a dialogue: in its first turn."""
    later: tuple[Claim, ...] = ()
    """What may be said in the later turns of a dialogue."""


Groups = Mapping[tuple[str, str], list[Known]]
"""Facts by (entity id, relation)."""


def group(facts: Iterable[Known]) -> dict[tuple[str, str], list[Known]]:
    """The facts by (entity id, relation), sorted by these; values in the order of the source, each once."""
    found: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for fact in facts:
        found[fact.entity_id, fact.relation].append(fact)
    return dict(sorted(found.items()))


def values_of(facts: Iterable[Known]) -> list[str]:
    """The different values of some facts in their order."""
    return list(dict.fromkeys(fact.value.strip() for fact in facts))


def direct(groups: Groups) -> Iterator[Call]:
    """One call per (entity, relation)."""
    for facts in groups.values():
        first, values = facts[0], values_of(facts)
        block = {
            "shape": "direct",
            "entity": first.entity,
            "kind": first.kind,
            "relation": first.relation,
            "values": values,
        }
        claim = Claim("direct", first.relation, (first.entity,), tuple(values))
        yield Call("direct", block, tuple(f.id for f in facts), (first.entity,), claim)


def reverse(
    groups: Groups, untaught: Iterable[tuple[str, str, str]], withheld: Dictionary, seed: int, share: float
) -> Iterator[Call]:
    """One call per (kind, relation, value) that few entities have.

    ``untaught`` names the (kind, relation, value) of facts that are not taught: an answer without their entities would
    not be the whole set, so these values are not asked about; nor are those that name a ``withheld`` entity.
    """
    closed = set(untaught)
    by_value: dict[tuple[str, str, str], list[Known]] = defaultdict(list)
    for facts in groups.values():
        for fact in facts:
            by_value[fact.kind, fact.relation, fact.value.strip()].append(fact)
    for key in sorted(by_value):
        kind, relation, value = key
        facts = by_value[key]
        entities = list(dict.fromkeys(fact.entity for fact in facts))
        if key in closed or len(entities) > REVERSE_MOST or len(value) > REVERSE_LONGEST or "。" in value.rstrip("。"):
            continue
        if withheld.find(value) or any(entity in value for entity in entities):
            continue
        if fraction(str(seed), "reverse", *key) >= share:
            continue
        block = {
            "shape": "reverse",
            "kind": kind,
            "relation": relation,
            "value": value,
            "entities": entities,
            "complete": True,
        }
        hidden = tuple(entities)
        claim = Claim("reverse", relation, (value,), tuple(entities), extra=(value,), hidden=hidden)
        yield Call("reverse", block, tuple(f.id for f in facts), tuple(entities), claim)


def comparison(groups: Groups, seed: int, share: float) -> Iterator[Call]:
    """One call per relation that both of two partners have.

    Each entity has one partner of its kind, drawn by hash and the same under every relation: so a comparison ties two
    entities together for the validation split, not all of them.
    """
    partner = _partners(groups, seed)
    for (entity_id, relation), facts in groups.items():
        other = groups.get((partner.get(entity_id, ""), relation))
        if other is None:
            continue
        sides = [(facts[0].entity, values_of(facts)), (other[0].entity, values_of(other))]
        if any(len(values) > COMPARISON_MOST or any(map(_long, values)) for _, values in sides):
            continue
        a, b = sides
        if a[0] == b[0] or a[0] in b[0] or b[0] in a[0] or _tangled(a, b):
            continue
        if fraction(str(seed), "comparison", a[0], b[0], relation) >= share:
            continue
        block = {
            "shape": "comparison",
            "kind": facts[0].kind,
            "relation": relation,
            "items": [{"entity": name, "values": values} for name, values in sides],
        }
        every = tuple(dict.fromkeys((*a[1], *b[1])))
        groups_said = tuple((name, tuple(values)) for name, values in sides)
        claim = Claim("comparison", relation, (a[0], b[0]), every, groups=groups_said)
        ids = tuple(f.id for f in (*facts, *other))
        yield Call("comparison", block, ids, (a[0], b[0]), claim)


def _long(value: str) -> bool:
    return len(value) > REVERSE_LONGEST or any(mark in value for mark in "。；\n")


def _tangled(a: tuple[str, list[str]], b: tuple[str, list[str]]) -> bool:
    """Whether one entity is a value of the other: its name would then say two things."""
    return a[0] in b[1] or b[0] in a[1] or a[0] in a[1] or b[0] in b[1]


def _partners(groups: Groups, seed: int) -> dict[str, str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for (entity_id, _), facts in groups.items():
        kinds[facts[0].kind].add(entity_id)
    partner: dict[str, str] = {}
    for kind in sorted(kinds):
        drawn = sorted(kinds[kind], key=lambda entity_id: hashlib.sha256(f"{seed}\x1f{entity_id}".encode()).digest())
        partner.update(zip(drawn[::2], drawn[1::2], strict=False))
    return partner


def vignette(groups: Groups, untaught: Iterable[frozenset[str]], seed: int, share: float) -> Iterator[Call]:
    """One call per disease whose symptoms no other disease has all of, and whose checks are known.

    Age and sex say nothing about the disease: age uniform over 18–79 years, 1–12 for diseases of children, sex even,
    except where the disease's name says it. ``untaught``: symptom sets of diseases that are kept from training; a case
    that fits one of them as well is not asked.
    """
    symptoms: dict[str, list[Known]] = {}
    checks: dict[str, list[Known]] = {}
    for (entity_id, relation), facts in groups.items():
        if facts[0].kind == "disease" and relation in SYMPTOM_RELATIONS:
            symptoms.setdefault(entity_id, facts)
        elif facts[0].kind == "disease" and relation in CHECK_RELATIONS:
            checks.setdefault(entity_id, facts)
    having: dict[str, set[str]] = defaultdict(set)
    for entity_id, facts in symptoms.items():
        for fact in facts:
            having[fact.value.strip()].add(entity_id)
    for number, others in enumerate(untaught):
        for value in others:
            having[value].add(f"untaught {number}")
    for entity_id, facts in symptoms.items():
        entity = facts[0].entity
        if entity_id not in checks or any(mark in entity for mark in _NEWBORN):
            continue
        if fraction(str(seed), "vignette", entity_id) >= share:
            continue
        chosen = distinctive(facts, having, seed)
        if chosen:
            yield _case(entity, chosen, checks[entity_id], seed)


def distinctive(facts: list[Known], having: Mapping[str, set[str]], seed: int) -> list[Known]:
    """Symptoms in the order of a draw, as many as it takes to fit no other disease; none where all do not suffice."""
    entity_id = facts[0].entity_id
    usable = [f for f in facts if f.entity not in f.value and not _long(f.value)]
    drawn = sorted(usable, key=lambda f: fraction(str(seed), "symptom", f.id))
    fitting: set[str] | None = None
    for number, fact in enumerate(drawn, 1):
        fitting = having[fact.value.strip()] if fitting is None else fitting & having[fact.value.strip()]
        if number >= min(VIGNETTE_SYMPTOMS, len(drawn)) and number >= 2 and fitting == {entity_id}:
            return drawn[:number]
    return []


def urgent(values: Iterable[str]) -> dict[str, list[str]]:
    """What a block says of values that are signs of an emergency: the answer must urge care first; empty for none."""
    found = [value for value in values if redflags.red_flags(value)]
    return {"urgent": found} if found else {}


def person(entity: str, seed: int) -> tuple[int, str]:
    """Age in years and sex of somebody with a disease, drawn by hash; neither says more than the disease's name."""
    child = any(mark in entity for mark in _CHILD)
    low, high = (1, 12) if child else (18, 45) if any(m in entity for m in ("妊娠", "产", "孕", "胎")) else (18, 79)
    age = low + int(fraction(str(seed), "age", entity) * (high - low + 1))
    female = any(mark in entity for mark in _FEMALE)
    male = any(mark in entity for mark in _MALE)
    sex = "女" if female or (not male and fraction(str(seed), "sex", entity) < 0.5) else "男"
    return age, sex


def _case(entity: str, symptoms: list[Known], checks: list[Known], seed: int) -> Call:
    age, sex = person(entity, seed)
    named, asked = values_of(symptoms), values_of(checks)
    block = {"shape": "vignette", "entity": entity, "sex": sex, "age": age, "symptoms": named, "checks": asked}
    claim = Claim(
        "vignette",
        checks[0].relation,
        tuple(named),
        (entity, *asked),
        extra=(f"{age}岁", sex, f"{sex}性"),
        hidden=(entity, "男" if sex == "女" else "女"),
    )
    block |= urgent(named)
    return Call("vignette", block, tuple(f.id for f in (*symptoms, *checks)), (entity,), claim)
