"""Checks on entities, facts and documents: findings, and flags on the facts that must not be taught.

| rule | severity | flags facts | what it objects to |
|---|---|---|---|
| `self_loop` | error | yes | the value is the entity's own name or other name |
| `cut_off` | error | yes | begins or ends in the middle: ～, a comma, dots, half a number, an unpaired bracket |
| `unit_loss` | error | yes | ×10 with a lost exponent: ``×109/L`` was ``×10⁹/L`` |
| `number_loss` | error | yes | a number is gone: ``直径～``, ``～cm``, ``×10/L`` |
| `bare_number` | error | yes | a number without its unit |
| `says_nothing` | error | yes | 尚不明确, 详见说明书, null: what stands where nothing was known |
| `html_residue` | error | yes | tags or entities of HTML in the value |
| `broken_character` | error | yes | U+FFFD or a control character: bytes were lost |
| `mojibake` | error | yes | Chinese decoded in the wrong encoding, in value, entity or relation: ``ÓÐºôÎü``, 涔欑梾 |
| `mixed_entity` | error | all of the entity | ingredients or generic name belong to another drug |
| `foreign_family` | error | yes | indications belong to drugs of another ingredient; all facts where none fits |
| `contradiction` | error | yes | a value under two relations that exclude each other, 禁用 and 慎用, other doses |
| `flipped` | error | yes | a relation with one answer has two: OTC 甲类 and 处方药, 传染 and 不传染 |
| `differing_numbers` | error | yes | two shelf lives |
| `claim` | note | yes | the source's claim (a cure rate), counted per source and relation |
| `conflicting_class` | warning | no | a drug in therapeutic classes, or with indications, that do not go together |
| `two_kinds` | warning | no | one name under two kinds |
| `ambiguous_alias` | warning | no | another name of two entities, or one that is an entity itself: joins nothing |
| `twin_entities` | warning | no | two entities of a kind say the same in every value |
| `near_duplicate` | note | no | a value stands twice, but for marks, blanks or case |
| `too_long` | warning | yes | longer than `values.LONGEST_VALUE`: prose where a value is expected |
| `many_values` | warning | no | more than `MANY_VALUES` values of one relation |
| `sources_differ` | note | no | entities for which two sources have no value in common, counted per relation |
| `unknown_relation` | note | no | a relation that the kind is not known to have, counted per kind |
| `no_facts` | note | no | entities without a value, counted per kind |
| `web_source` | note | no | a graph that is a web crawl as a whole |
| `text_cut_off` | warning | – | a document that ends in the middle of a sentence |
| `text_mojibake` | warning | – | a document with Chinese that was decoded in the wrong encoding |
| `text_unit_loss` | warning | – | a document with a lost exponent |

`same_value_twice`, `empty_value`, `not_text`, `merged_cells`, `undecodable_bytes` and `nothing_extracted` are found
while reading (`huatuo.knowledge.ingest`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from huatuo.knowledge.conflicts import conflicts, differing_sources, near_duplicates, twins
from huatuo.knowledge.entries import Entry, Value
from huatuo.knowledge.families import INDICATIONS, misplaced
from huatuo.knowledge.join import Ambiguity
from huatuo.knowledge.mixed import class_groups, foreign_evidence, indication_groups
from huatuo.knowledge.relations import is_known
from huatuo.knowledge.values import unit_loss, value_rules
from huatuo.readers.mojibake import mojibake
from huatuo.records import Document, Finding
from huatuo.store import content_id

MANY_VALUES = 500
"""Values of one relation of one entity beyond which a mistake in the source is likely."""


class Rule(NamedTuple):
    """How serious a finding is, and whether it flags facts."""

    severity: Literal["note", "warning", "error"]
    flags: bool


RULES = {
    "self_loop": Rule("error", True),
    "cut_off": Rule("error", True),
    "unit_loss": Rule("error", True),
    "number_loss": Rule("error", True),
    "bare_number": Rule("error", True),
    "says_nothing": Rule("error", True),
    "html_residue": Rule("error", True),
    "broken_character": Rule("error", True),
    "mojibake": Rule("error", True),
    "mixed_entity": Rule("error", True),
    "foreign_family": Rule("error", True),
    "contradiction": Rule("error", True),
    "flipped": Rule("error", True),
    "differing_numbers": Rule("error", True),
    "claim": Rule("note", True),
    "conflicting_class": Rule("warning", False),
    "two_kinds": Rule("warning", False),
    "ambiguous_alias": Rule("warning", False),
    "twin_entities": Rule("warning", False),
    "near_duplicate": Rule("note", False),
    "too_long": Rule("warning", True),
    "many_values": Rule("warning", False),
    "sources_differ": Rule("note", False),
    "unknown_relation": Rule("note", False),
    "no_facts": Rule("note", False),
    "web_source": Rule("note", False),
    "text_cut_off": Rule("warning", False),
    "text_mojibake": Rule("warning", False),
    "text_unit_loss": Rule("warning", False),
}
"""Every rule of this module."""

FLAGGING = frozenset(name for name, rule in RULES.items() if rule.flags)
"""Rules that keep facts from being taught."""

_SENTENCE_END = re.compile(r"[。！？!?.;；…”\"'’」』）)\]】》~～%\d|]$")


def fact_id(entry: Entry, value: Value) -> str:
    """The id of the fact that a value becomes. Of an entity that several sources know, it names the fact's source."""
    said_by = [value.where.source] if len(entry.sources()) > 1 else []
    return content_id("fact", entry.id, value.relation, value.text, *said_by)


def check(entries: Sequence[Entry], ambiguous: Iterable[Ambiguity] = ()) -> Iterator[Finding]:
    """The findings on all entries, in their order; sets `Value.flags` on the values that a flagging rule objects to.

    ``ambiguous`` are the other names that joined nothing.
    """
    yield from _garbled(entries)
    for entry in entries:
        for value in entry.values.values():
            if value.claim:
                _flag("claim", [value])
            for rule, message in value_rules(entry, value):
                _flag(rule, [value])
                yield _on_value(rule, entry, value, f"{entry.name} {value.relation}: {message}")
        yield from _entry_rules(entry)
    yield from _families(entries)
    yield from _names(entries)
    for entry, message in ambiguous:
        yield finding("ambiguous_alias", entry.id, _place(entry), message)
    for entry, earlier in twins(entries):
        message = f"{entry.name} says the same as {earlier.name} in all {len(entry.values)} values"
        yield finding("twin_entities", entry.id, _place(entry), message)
    yield from _counts(entries)


def _flag(rule: str, values: Iterable[Value]) -> None:
    if rule in FLAGGING:
        for value in values:
            if rule not in value.flags:
                value.flags = (*value.flags, rule)


def _on_value(rule: str, entry: Entry, value: Value, message: str) -> Finding:
    return finding(rule, fact_id(entry, value), f"{value.where.file} {value.place}", message)


def finding(rule: str, subject: str, place: str, message: str) -> Finding:
    """A finding with the severity of its rule."""
    return Finding(rule=rule, severity=RULES[rule].severity, subject=subject, place=place, message=message)


def _place(entry: Entry) -> str:
    where, place = entry.origins[0]
    return f"{where.file} {place}"


def _entry_rules(entry: Entry) -> Iterator[Finding]:
    place = _place(entry)
    for relation, number in Counter(relation for relation, _, _ in entry.values).items():
        if number > MANY_VALUES:
            yield finding("many_values", entry.id, place, f"{entry.name} has {number:,} values of {relation}")
    for value, message in near_duplicates(entry):
        yield _on_value("near_duplicate", entry, value, message)
    for rule, values, message in conflicts(entry):
        _flag(rule, values)
        yield _on_value(rule, entry, values[-1], message)
    if entry.kind == "drug":
        yield from _drug_rules(entry)


def _drug_rules(entry: Entry) -> Iterator[Finding]:
    place = _place(entry)
    groups, indicated = class_groups(entry.texts("分类")), indication_groups(entry.texts(*INDICATIONS))
    if len(groups) > 1:
        message = f"{entry.name} is classed as {'、'.join(entry.texts('分类'))}, which do not go together"
        yield finding("conflicting_class", entry.id, place, message)
    elif groups and indicated and not groups & indicated:
        classed = "、".join(entry.texts("分类"))
        message = f"{entry.name} is classed as {classed} and indicated for {', '.join(sorted(indicated))}"
        yield finding("conflicting_class", entry.id, place, message)
    if evidence := foreign_evidence(entry.name, entry.aliases, entry.texts("成分"), entry.texts("通用名")):
        _flag("mixed_entity", entry.values.values())
        message = f"{entry.name} is mixed up with another drug: {evidence}; none of its facts is taught"
        yield finding("mixed_entity", entry.id, place, message)


def _garbled(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Findings on names of entities and of relations in the wrong encoding, one per name."""
    relations: dict[str, list[tuple[Entry, Value]]] = defaultdict(list)
    for entry in entries:
        if wrong := mojibake(entry.name):
            _flag("mojibake", entry.values.values())
            message = (
                f"the name {entry.name} is Chinese decoded in the wrong encoding: {wrong}; nothing of it is taught"
            )
            yield finding("mojibake", entry.id, _place(entry), message)
        for value in entry.values.values():
            relations[value.relation].append((entry, value))
    for relation, stated in relations.items():
        if mojibake(relation):
            _flag("mojibake", [value for _, value in stated])
            message = f"the relation {relation} is Chinese decoded in the wrong encoding; none of its {len(stated):,}"
            yield _on_value("mojibake", *stated[0], f"{message} values is taught")


def _families(entries: Sequence[Entry]) -> Iterator[Finding]:
    for found in misplaced(entries):
        values = [
            value
            for value in found.entry.values.values()
            if found.whole or (value.relation in INDICATIONS and value.text in found.foreign)
        ]
        _flag("foreign_family", values)
        yield finding("foreign_family", found.entry.id, _place(found.entry), found.message)


def _names(entries: Sequence[Entry]) -> Iterator[Finding]:
    kinds: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        kinds[entry.name].append(entry)
    for name, same in kinds.items():
        if len(same) > 1:
            listed = "、".join(sorted(entry.kind for entry in same))
            yield finding("two_kinds", same[0].id, _place(same[0]), f"{name} is {listed}; expected one kind per name")


def _counts(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Findings that would be the same thousands of times: one per source and relation, or per kind and relation."""
    claims: Counter[tuple[str, str]] = Counter()
    unknown: Counter[tuple[str, str]] = Counter()
    empty: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if not entry.values:
            empty[entry.kind].append(entry)
        for value in entry.values.values():
            if value.claim:
                claims[value.where.source, value.relation] += 1
            elif not is_known(entry.kind, value.relation):
                unknown[entry.kind, value.relation] += 1
    for (source, relation), number in sorted(claims.items()):
        yield finding(
            "claim", source, relation, f"{number:,} values of {relation} are claims of {source}; none is taught"
        )
    for (kind, relation), number in sorted(unknown.items()):
        yield finding(
            "unknown_relation", kind, relation, f"{number:,} values of {relation}, which {kind} is not known to have"
        )

    for kind, without in sorted(empty.items()):
        message = f"{len(without):,} of kind {kind} have no value, among them {without[0].name}; expected at least one"
        yield finding("no_facts", kind, _place(without[0]), message)
    for relation, sources, apart, both in differing_sources(entries):
        message = f"{relation}: {sources} have no value in common for {apart:,} of {both:,} entities that both know"
        yield finding("sources_differ", sources, relation, message)


def text_rules(text: str) -> Iterator[tuple[str, str]]:
    """(rule, message) of what is wrong with the characters of a text of any length."""
    if wrong := mojibake(text):
        yield "text_mojibake", f"Chinese decoded in the wrong encoding: {wrong[:20]}"
    if lost := unit_loss(text):
        yield "text_unit_loss", f"the exponent was lost: {lost}; expected ×10⁹/L or ×10^9/L"


def check_document(document: Document) -> Iterator[Finding]:
    """The findings on one document."""
    place = f"{document.origin.file} {document.origin.place}"
    end = document.text.rstrip()[-20:]
    if document.genre == "encyclopedia" and end and not _SENTENCE_END.search(end):
        yield finding("text_cut_off", document.id, place, f"{document.title} ends in the middle of a sentence: …{end}")
    for rule, message in text_rules(document.text):
        yield finding(rule, document.id, place, f"{document.title}: {message}")


def taught_flags(flags: Iterable[str], taught: Sequence[str]) -> tuple[str, ...]:
    """The flags without those that the recipe teaches all the same."""
    return tuple(flag for flag in flags if flag not in taught)
