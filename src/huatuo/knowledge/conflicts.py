"""Values of one entity that cannot all be true, within a source and between sources; and values that say the same.

Which of two contradicting values is right cannot be known from the graph, so neither is taught.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from huatuo.checks.numbers import find
from huatuo.knowledge.conflict_doses import CAUTIONS, DOSES, dose_conflicts, level_conflicts, strength_conflicts
from huatuo.knowledge.entries import Entry, Value

OPPOSED = (
    ("适应证", "禁忌"),
    ("主治", "禁忌"),
    ("功能主治", "禁忌"),
    ("宜吃食物", "忌吃食物"),
    ("推荐食谱", "忌吃食物"),
    ("药物治疗", "禁用药物"),
)
"""Relations that no value can stand under both."""

STATES: dict[str, tuple[tuple[str, str], ...]] = {
    "OTC类型": (
        ("双跨", ""),
        ("非处方.*甲|甲类", "OTC, class A"),
        ("非处方.*乙|乙类", "OTC, class B"),
        ("非处方|OTC", ""),  # of an unstated class: agrees with either
        ("处方|Rx", "prescription"),
    ),
    "是否纳入医保": (("^(?:否|不|未|非|自费)", "no"), ("^(?:是|纳入|已|医保|甲类|乙类)", "yes")),
    "传染性": (("^(?:无|不|否|非)", "no"), ("^(?:有|是|传染|强|高|弱|具)", "yes")),
    "遗传性": (("^(?:无|不|否|非)", "no"), ("^(?:有|是|遗传|具)", "yes")),
    "传播途径": (("无传染|不传染|非传染|无传播", "none"), (".", "some")),
}
"""Relation that has one answer → (expression, state), the first that fits counts; an empty state agrees with any."""

MONTHS = {"day": Decimal(1) / 30, "week": Decimal(7) / 30, "month": Decimal(1), "year": Decimal(12)}
"""Unit of a shelf life → months."""

_PATIENTS = re.compile(r"(?:的?(?:患者|病人|者))?(?:禁用|忌用|忌服|慎用|禁忌)?$")
_FOLDED = str.maketrans("（）［］，；：％０１２３４５６７８９", "()[],;:%0123456789")
_MARKS = re.compile(r"[\s。，,、；;：:.·\-－—()\[\]【】\"“”'’]+")


def conflicts(entry: Entry) -> Iterator[tuple[str, tuple[Value, ...], str]]:
    """(rule, the values that contradict, message) of an entity: `contradiction`, `flipped`, `differing_numbers`."""
    by_relation: dict[str, list[Value]] = defaultdict(list)
    for value in entry.values.values():
        by_relation[value.relation].append(value)
    for one, other in OPPOSED:
        if one in by_relation and other in by_relation:
            yield from _opposed(entry, by_relation[one], by_relation[other])
    for relation in STATES:
        if len(by_relation.get(relation, ())) > 1:
            yield from _flipped(entry, by_relation[relation])
    if len(by_relation.get("有效期", ())) > 1:
        yield from _shelf_life(entry, by_relation["有效期"])
    yield from _doses(entry, by_relation)
    for group, both in level_conflicts([value for name in CAUTIONS for value in by_relation.get(name, ())]):
        yield "contradiction", both, f"{entry.name}: {group} is both 禁用 and 慎用{_between(both)}"


def _doses(entry: Entry, by_relation: Mapping[str, Sequence[Value]]) -> Iterator[tuple[str, tuple[Value, ...], str]]:
    """Doses and strengths that two sources state differently."""
    pairs = [pair for name in DOSES for pair in dose_conflicts(by_relation.get(name, ()))]
    for both in (*pairs, *strength_conflicts(by_relation.get("规格", ()))):
        shown = " against ".join(dict.fromkeys(value.text[:40] for value in both))
        yield "contradiction", both, f"{entry.name} {both[0].relation}: {shown}{_between(both)}"


def _between(values: Sequence[Value]) -> str:
    sources = sorted({value.where.source for value in values})
    return f" (sources {' and '.join(sources)})" if len(sources) > 1 else ""


def _opposed(
    entry: Entry, one: Sequence[Value], other: Sequence[Value]
) -> Iterator[tuple[str, tuple[Value, ...], str]]:
    meant: dict[str, list[Value]] = defaultdict(list)
    for value in one:
        meant[value.text].append(value)
    for value in other:
        for text in dict.fromkeys((value.text, _PATIENTS.sub("", value.text))):
            if text in meant:
                both = (*meant[text], value)
                message = f"{entry.name}: {text} is both {one[0].relation} and {value.relation}{_between(both)}"
                yield "contradiction", both, message


def _flipped(entry: Entry, values: Sequence[Value]) -> Iterator[tuple[str, tuple[Value, ...], str]]:
    found: dict[str, list[Value]] = defaultdict(list)
    for value in values:
        state = next((name for pattern, name in STATES[value.relation] if re.search(pattern, value.text)), "")
        if state:
            found[state].append(value)
    if len(found) > 1:
        both = tuple(value for same in found.values() for value in same)
        shown = " and ".join(dict.fromkeys(value.text[:20] for value in both))
        yield "flipped", both, f"{entry.name} {both[0].relation}: {shown}; expected one{_between(both)}"


def _shelf_life(entry: Entry, values: Sequence[Value]) -> Iterator[tuple[str, tuple[Value, ...], str]]:
    stated: dict[Decimal, list[Value]] = defaultdict(list)
    for value in values:
        quantities = find(value.text)
        if len(quantities) == 1 and quantities[0].unit in MONTHS:
            stated[quantities[0].value * MONTHS[quantities[0].unit]].append(value)
    if len(stated) > 1:
        both = tuple(value for same in stated.values() for value in same)
        shown = " and ".join(dict.fromkeys(value.text[:20] for value in both))
        yield "differing_numbers", both, f"{entry.name} 有效期: {shown}; expected one{_between(both)}"


def near_duplicates(entry: Entry) -> Iterator[tuple[Value, str]]:
    """(the later value, message) of values of one relation and source that differ in marks, blanks or case only."""
    seen: dict[tuple[str, str, str], Value] = {}
    for (relation, text, source), value in entry.values.items():
        folded = _MARKS.sub("", text.translate(_FOLDED)).lower() if not text.isalpha() else text.lower()
        earlier = seen.setdefault((relation, folded or text, source), value)
        if earlier is not value:
            yield value, f"{entry.name} {relation}: {text} is {earlier.text} in another spelling"


def twins(entries: Sequence[Entry], least: int = 3) -> Iterator[tuple[Entry, Entry]]:
    """(later, earlier) of two entities of a kind that say the same in every value, ``least`` or more of them."""
    seen: dict[tuple[str, frozenset[tuple[str, str]]], Entry] = {}
    for entry in entries:
        said = frozenset((v.relation, v.text) for v in entry.values.values() if not v.claim)
        if len(said) >= least and (earlier := seen.setdefault((entry.kind, said), entry)) is not entry:
            yield entry, earlier


def differing_sources(entries: Sequence[Entry]) -> Iterator[tuple[str, str, int, int]]:
    """(relation, the two sources, entities without a common value, entities that both speak of) of joined entities."""
    both: Counter[tuple[str, str]] = Counter()
    apart: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if len(entry.sources()) < 2:
            continue
        said: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for relation, text, source in entry.values:
            said[relation][source].add(text)
        for relation, by_source in said.items():
            names = sorted(by_source)
            for i, one in enumerate(names):
                for other in names[i + 1 :]:
                    key = relation, f"{one} and {other}"
                    both[key] += 1
                    apart[key] += not by_source[one] & by_source[other]
    for key in sorted(both):
        if apart[key]:
            yield *key, apart[key], both[key]
