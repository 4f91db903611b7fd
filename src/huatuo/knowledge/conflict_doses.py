"""Doses and strengths of one entity that two sources state differently, and 禁用 against 慎用 for the same people.

Doses are compared only where they may speak of the same people, route, form, illness and step of the treatment: of
two texts that state different ones, neither is wrong. A range agrees with a dose within it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from huatuo.checks.dose_facts import Limits, limits_of
from huatuo.checks.dose_people import drug_forms, people, route_of
from huatuo.checks.numbers import find
from huatuo.knowledge.entries import Value

DOSES = ("用法用量", "用量", "用法", "剂量")
"""Relations whose values state how much is taken."""

STRENGTHS = frozenset(("mg", "IU", "U", "mmol"))
"""Units of what one piece holds; how many pieces a box holds is no strength."""

CAUTIONS = ("禁忌", "慎用", "注意事项")
"""Relations whose values say who must not take a drug, or only with caution."""

_CLAUSES = re.compile(r"[；;。\n]")
_HEAD = re.compile(r"^[^：:\d]{1,20}[：:]")
_AGES = re.compile(
    r"\d+\s*(?:[~～\-—至到]\s*\d+\s*)?(?:周?岁|月龄|个月|kg(?=以[上下]))(?:以[上下])?|老年|老人|青少年|学龄"
)
_STEPS = re.compile(r"首剂|首次|首日|起始|初始|开始|负荷|冲击|维持|以后|最大|极量|递增|增至|睡前|急性期|缓解期")
_ILLNESS = re.compile(
    r"[一-鿿]{1,10}?(?:综合征|高?血压|糖尿病|感染|中毒|衰竭|溃疡|发作|疼痛|失眠|结核|病|症|炎|癌|瘤|疮|癣|痛|喘|栓|热)"
)
_USES = re.compile(r"用于|治疗|预防|患者|[时者]$|口服|成人|儿童|[一每]次|[一每]日")


class _Dose(NamedTuple):
    """One clause of a value that states an amount."""

    value: Value
    about: tuple[frozenset[str], ...]
    """Groups of people with ages, steps of the treatment, forms: must be the same."""
    routes: frozenset[str]
    illness: frozenset[str]
    limits: Limits


def dose_conflicts(values: Sequence[Value]) -> Iterator[tuple[Value, Value]]:
    """Pairs of values of two sources whose doses differ, for the same people, where no other value agrees."""
    by_source: dict[str, list[_Dose]] = defaultdict(list)
    for value in values:
        by_source[value.where.source] += _doses(value)
    names = sorted(by_source)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            yield from _apart(by_source[one], by_source[other])


def _apart(ones: Sequence[_Dose], others: Sequence[_Dose]) -> Iterator[tuple[Value, Value]]:
    """The pairs that differ, where neither dose is stated in the other source as well."""
    alike = [(i, j) for i, one in enumerate(ones) for j, other in enumerate(others) if _comparable(one, other)]
    apart = {(i, j) for i, j in alike if _differ(ones[i].limits, others[j].limits)}
    agreed = {pair for pair in alike if pair not in apart}
    left, right = {i for i, _ in agreed}, {j for _, j in agreed}
    for i, j in sorted(apart):
        if i not in left and j not in right:
            yield ones[i].value, others[j].value


def _doses(value: Value) -> list[_Dose]:
    found = []
    for clause in _CLAUSES.split(value.text):
        head = _HEAD.match(clause)
        for limits in limits_of(clause[head.end() :] if head else clause, None):
            groups = people(clause) | frozenset(_AGES.findall(clause))
            about = (groups, frozenset(_STEPS.findall(clause)), drug_forms(clause))
            routes = route_of(clause) or route_of(value.text)
            found.append(_Dose(value, about, routes, _illness(clause), limits))
    return found


def _illness(clause: str) -> frozenset[str]:
    """The illnesses that a clause names, without the words around them."""
    return frozenset(filter(None, (_USES.split(name)[-1] for name in _ILLNESS.findall(clause))))


def _comparable(one: _Dose, other: _Dose) -> bool:
    """Whether two doses may speak of the same case; what only one of them leaves unsaid may be the same."""
    routes = not one.routes or not other.routes or bool(one.routes & other.routes)
    illness = not one.illness or not other.illness or bool(one.illness & other.illness)
    return one.about == other.about and routes and illness


def _differ(one: Limits, other: Limits) -> bool:
    """Whether one amount of the same kind and unit differs and neither range holds the other."""
    for mine, theirs in ((one.once, other.once), (_day(one), _day(other))):
        for key in mine.keys() & theirs.keys():
            (low, high), (least, most) = mine[key], theirs[key]
            if not (low <= least and most <= high) and not (least <= low and high <= most):
                return True
    return any(one.most_day[key] != other.most_day[key] for key in one.most_day.keys() & other.most_day.keys())


def _day(limits: Limits) -> dict[tuple[str, bool], tuple[Decimal, Decimal]]:
    """A day's total by unit: as stated, or one dose as often as is said."""
    often = limits.often
    counted = {key: (low * often[0], high * often[1]) for key, (low, high) in limits.once.items()} if often else {}
    return counted | limits.day


def strength_conflicts(values: Sequence[Value]) -> Iterator[tuple[Value, ...]]:
    """The values of two sources that have no strength of a unit in common."""
    stated: dict[str, dict[str, dict[Decimal, list[Value]]]] = defaultdict(lambda: defaultdict(dict))
    for value in values:
        for quantity in find(value.text):
            if quantity.unit in STRENGTHS:
                stated[quantity.unit][value.where.source].setdefault(quantity.value, []).append(value)
    for by_source in stated.values():
        names = sorted(by_source)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                if not by_source[one].keys() & by_source[other].keys():
                    both = [v for name in (one, other) for same in by_source[name].values() for v in same]
                    yield tuple({id(value): value for value in both}.values())


# ---------------------------------------------------------------- 禁用 and 慎用

_LEVELS = re.compile(r"(?P<forbidden>禁用|忌用|忌服|禁服|禁止使用|禁忌)|(?P<caution>慎用|慎服|谨慎使用)")
_BREAKS = re.compile(r"[；;。，,\n]")
_ALSO = re.compile(r"[、及和与或]|以及|或者")
_AROUND = re.compile(r"^(?:对于?|本品|应|在|[（(]?\d+[)）.．、]?)|(?:的?(?:患者|病人|妇女|人群|者)|[应须需宜当])+$")


def level_conflicts(values: Sequence[Value]) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """(group, the values) of people for whom one value says 禁用 and another 慎用."""
    said: dict[str, dict[str, list[Value]]] = defaultdict(lambda: defaultdict(list))
    for value in values:
        for group, level in _levels(value):
            if value not in said[group][level]:
                said[group][level].append(value)
    for group, by_level in said.items():
        if len(by_level) > 1:
            both = [value for same in by_level.values() for value in same]
            yield group, tuple({id(value): value for value in both}.values())


def _levels(value: Value) -> Iterator[tuple[str, str]]:
    """(group, level) that a value states: by its own words, else by its relation."""
    default = {"禁忌": "forbidden", "慎用": "caution"}.get(value.relation, "")
    waiting: list[str] = []
    for clause in _BREAKS.split(value.text):
        found = _LEVELS.search(clause)
        waiting.append(_LEVELS.sub("", clause))
        if found:
            yield from ((group, str(found.lastgroup)) for part in waiting for group in _groups(part))
            waiting = []
    if default:
        yield from ((group, default) for part in waiting for group in _groups(part))


def _groups(clause: str) -> Iterator[str]:
    """The groups that a clause without its level names, without 患者 and the like."""
    for part in _ALSO.split(clause):
        bare = _AROUND.sub("", _AROUND.sub("", part.strip()))
        if len(bare) >= 2:
            yield bare
