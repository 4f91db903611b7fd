"""Drugs whose indications belong to others: the ingredients put a drug in one family, its indications in another.

A family is the drugs that share an ingredient (or a generic name). A drug is objected to where three things hold at
once: its own family is large enough to know what that ingredient is for; what the drug is said to be for is said of
no member of it; and the drugs of which it is said form a family of another ingredient. A graph that holds each
ingredient once gives no evidence, and nothing is found in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from huatuo.knowledge.entries import Entry
from huatuo.knowledge.mixed import substances

INDICATIONS = ("适应证", "主治", "功能主治")
"""Relations that say what a drug is for."""

KIN = 2
"""Other members that a family needs to speak against a whole record, or for another family."""

KIN_FOR_PART = 3
"""Other members that a family needs to speak against some of a record's values."""

LEAST_FOREIGN = 2
"""Indications that must belong to the other family: one alone (疼痛, 感染) is shared by chance."""


class Misplaced(NamedTuple):
    """One drug with indications of another family."""

    entry: Entry
    """The drug."""
    foreign: frozenset[str]
    """The indications that belong to others."""
    whole: bool
    """Whether none of its indications fits its own family: then ingredients and indications are of two drugs."""
    message: str
    """What shows it, with the names of the drugs."""


def misplaced(entries: Sequence[Entry]) -> Iterator[Misplaced]:
    """The drugs whose indications belong to another family, in their order."""
    drugs = [entry for entry in entries if entry.kind == "drug"]
    substance = {entry.id: _family(entry) for entry in drugs}
    purpose = {entry.id: frozenset(entry.texts(*INDICATIONS)) for entry in drugs}
    drugs = [entry for entry in drugs if substance[entry.id] and len(purpose[entry.id]) >= LEAST_FOREIGN]
    by_substance: dict[str, list[Entry]] = defaultdict(list)
    by_purpose: dict[str, list[Entry]] = defaultdict(list)
    for entry in drugs:
        for name in substance[entry.id]:
            by_substance[name].append(entry)
        for text in sorted(purpose[entry.id]):
            by_purpose[text].append(entry)
    for entry in drugs:
        kin = {other.id: other for name in substance[entry.id] for other in by_substance[name] if other is not entry}
        known = frozenset(text for member in kin for text in purpose[member])
        foreign = purpose[entry.id] - known
        whole = foreign == purpose[entry.id]
        if len(kin) < (KIN if whole else KIN_FOR_PART) or len(foreign) < LEAST_FOREIGN:
            continue
        others = _others(entry, foreign, whole, by_purpose, set(kin))
        family = Counter(name for other in others for name in substance[other.id])
        name = min((n for n in family if family[n] >= KIN), key=lambda n: (-family[n], n), default="")
        if name:
            message = _message(entry, sorted(substance[entry.id]), list(kin.values()), sorted(foreign), (name, others))
            yield Misplaced(entry, foreign, whole, message)


def _family(entry: Entry) -> frozenset[str]:
    """The substances of a drug; of one without a list of ingredients, its generic name or its own."""
    return substances(entry.texts("成分")) or substances(entry.texts("通用名")) or substances([entry.name])


def _others(
    entry: Entry, foreign: frozenset[str], whole: bool, by_purpose: dict[str, list[Entry]], kin: set[str]
) -> list[Entry]:
    """The drugs outside the family that have enough of the foreign indications: half of a record, all of a part."""
    shared = Counter(other.id for text in foreign for other in by_purpose[text])
    needed = max(LEAST_FOREIGN, -(-len(foreign) // 2) if whole else len(foreign))
    found = {other.id: other for text in sorted(foreign) for other in by_purpose[text]}
    return [o for key, o in found.items() if shared[key] >= needed and key not in kin and o is not entry]


def _message(
    entry: Entry, own: Sequence[str], kin: Sequence[Entry], foreign: Sequence[str], other: tuple[str, Sequence[Entry]]
) -> str:
    name, members = other
    return (
        f"{entry.name} ({'、'.join(own[:3])}) is said to be for {'、'.join(foreign[:4])}, which no other drug of "
        f"its family is for ({'、'.join(k.name for k in kin[:3])}), but the family of {name} "
        f"({'、'.join(m.name for m in members[:3])})"
    )
