"""What a reader makes of one record of a graph, before sources are joined and ids are given.

Light objects, because a graph may hold a million values at once; `huatuo.records` are made when they are written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from huatuo.knowledge.relations import canonical
from huatuo.readers.tables import NotText as NotText
from huatuo.records import Provenance

STRIPPED = " \t\r\n\f\v\u3000\u00a0\u200b\u200c\u200d\u2060\ufeff"
"""Blanks, and marks without width, taken from both ends of a value; nothing inside a value is changed."""


@dataclass(frozen=True, slots=True)
class Where:
    """A file of a source: shared by everything read from it."""

    source: str
    """Name of the source in the recipe."""
    file: str
    """File name without its folder."""
    path: str
    """Path within the source, ``/`` between parts: tells files of one name apart."""


@dataclass(slots=True)
class Value:
    """One value of one relation."""

    relation: str
    """Canonical relation."""
    text: str
    """The value, outer blanks removed."""
    place: str
    """``line 12 临床症状[2]``."""
    where: Where
    """The file."""
    evidence: str = ""
    """Kind of source behind it."""
    claim: bool = False
    """A claim of the source (a cure rate on a web page) that is kept and not taught."""
    flags: tuple[str, ...] = ()
    """Rules that object to it."""
    document: str = ""
    """Id of the document it was read out of; empty for a value of a graph."""
    span: tuple[int, int] | None = None
    """Where it stands in that document's text."""
    provenance: Provenance | None = None
    """The model that read it; None for a value of a graph, and for one that rules read."""
    item: str = ""
    """Id of the raw item, under which the stage accounts for it; made once, since a graph has many."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that no record could be made of."""

    place: str
    """Where it stands."""
    rule: str
    """``no_name``, ``not_text``, ``empty_value``, ..."""
    reason: str
    """What was found and what was expected."""
    excerpt: str = ""
    """Beginning of it."""


class Remark(NamedTuple):
    """What is wrong with a file, or a place in it, that was read all the same."""

    place: str
    """Where: ``whole file``, ``row 12``."""
    rule: str
    """``undecodable_bytes``, ``merged_cells``, ..."""
    message: str
    """What was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Prose:
    """A text that a record holds beside its relations."""

    title: str
    """Title of the document."""
    text: str
    """The text."""
    genre: str
    """Genre of the document."""
    place: str
    """Where it stands."""
    evidence: str = ""
    """Kind of source behind it."""


@dataclass(slots=True)
class Draft:
    """What one record says about one entity."""

    kind: str
    """disease, drug, herb, symptom, or the source's own."""
    name: str
    """Name as the source writes it."""
    place: str
    """``line 12``."""
    where: Where
    """The file."""
    aliases: list[str] = field(default_factory=list)
    """Other names."""
    values: list[Value] = field(default_factory=list)
    """Values of relations."""
    texts: list[Prose] = field(default_factory=list)
    """Prose fields."""
    refused: list[Refused] = field(default_factory=list)
    """Values that no fact could be made of."""


UNPRINTABLE = re.compile(r"[\ufffd\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
"""Characters that no name has: a lost one, control characters, marks that turn the direction of writing."""

LONGEST_NAME = 200
"""Characters; the longest name of the CMeKG samples and of a public graph of 8,791 diseases has fewer than 60."""


def unfit_name(text: str) -> str:
    """Why a text can be no name; empty where it can."""
    if found := UNPRINTABLE.search(text):
        return f"the name {text[:40]!r} holds the character {found.group()!r}, which no name has"
    return f"a name of {len(text):,} characters; expected at most {LONGEST_NAME}" if len(text) > LONGEST_NAME else ""


def clean(text: str) -> str:
    """The text without outer blanks and marks without width. Never NFKC: it turns ×10⁹ into ×109 and ½ into 1⁄2."""
    return text.strip(STRIPPED)


def as_items(value: Any) -> list[Any]:
    """A list as it is, nothing for None, anything else as the only item."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def take_values(
    draft: Draft, relation: str, items: Sequence[Any], *, evidence: str, claim: bool = False, label: str = ""
) -> None:
    """Add the items to the draft as values, or as refused where they are no text or empty.

    A number, an object or a list inside a list is no value: 24 without its unit says nothing that may be taught.
    """
    if not clean(relation):
        for number in range(1, len(items) + 1):
            place = f"{draft.place} [{number}]"
            draft.refused.append(Refused(place, "no_relation", f"a value of {draft.name} under an empty relation"))
        return
    for number, item in enumerate(items, 1):
        place = f"{draft.place} {label or relation}[{number}]"
        take_value(draft, relation, item, place, evidence=evidence, claim=claim)


def take_value(
    draft: Draft, relation: str, item: Any, place: str, *, evidence: str = "", claim: bool = False, where: Any = None
) -> None:
    """Add one item that stands at ``place`` (of ``where``, if not the draft's file) to the draft, or refuse it."""
    if not isinstance(item, str):
        found = "null" if item is None else item.found if isinstance(item, NotText) else type(item).__name__
        shown, rule = (item.shown, item.rule) if isinstance(item, NotText) else (repr(item), "not_text")
        reason = f"{relation} of {draft.name}: expected text, found {found}"
        draft.refused.append(Refused(place, rule, reason, shown[:80]))
    elif not (text := clean(item)):
        draft.refused.append(Refused(place, "empty_value", f"{relation} of {draft.name}: expected text, found none"))
    else:
        draft.values.append(Value(canonical(relation), text, place, where or draft.where, evidence, claim))


def take_aliases(draft: Draft, items: Sequence[Any], label: str) -> None:
    """Add other names: each once, none equal to the name itself; what is no text is refused."""
    for number, item in enumerate(items, 1):
        if not isinstance(item, str) or not clean(item):
            place, rule = f"{draft.place} {label}[{number}]", "empty_value" if isinstance(item, str) else "not_text"
            draft.refused.append(Refused(place, rule, f"{label} of {draft.name}: expected a name", repr(item)[:80]))
        elif clean(item) != draft.name and clean(item) not in draft.aliases:
            draft.aliases.append(clean(item))


@dataclass(slots=True)
class Entry:
    """An entity with everything that all sources say about it."""

    id: str
    """Id of the entity record; empty until all sources are read."""
    kind: str
    """Kind."""
    name: str
    """Name."""
    aliases: list[str] = field(default_factory=list)
    """Other names, each once, in the order they were read."""
    origins: list[tuple[Where, str]] = field(default_factory=list)
    """(file, place) of every record about it."""
    joined: list[str] = field(default_factory=list)
    """Names of the entries of other sources that were joined into this one, and were named otherwise."""
    values: dict[tuple[str, str, str], Value] = field(default_factory=dict)
    """(relation, text, source) → value, each once: what two sources say is two values."""

    @property
    def key(self) -> tuple[str, str]:
        """(kind, name): what entities are joined by."""
        return self.kind, self.name

    def sources(self) -> list[str]:
        """Names of the sources that have a record of it, sorted."""
        return sorted({where.source for where, _ in self.origins})

    def texts(self, *relations: str) -> list[str]:
        """The different values of the relations, in their order."""
        return list(dict.fromkeys(text for name, text, _ in self.values if name in relations))

    def take(self, draft: Draft) -> list[tuple[Value, Value]]:
        """(later, earlier) of the values of a draft that this entry had already; the others are added."""
        self.origins.append((draft.where, draft.place))
        self.aliases.extend(alias for alias in draft.aliases if alias not in self.aliases)
        twins = []
        for value in draft.values:
            earlier = self.values.setdefault((value.relation, value.text, value.where.source), value)
            if earlier is not value:
                twins.append((value, earlier))
        return twins
