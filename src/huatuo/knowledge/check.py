"""Checks on entities, facts and documents: findings, and flags on the facts that must not be taught.

| rule | severity | flags facts | what it objects to |
|---|---|---|---|
| `self_loop` | error | yes | the value is the entity's own name |
| `cut_off` | error | yes | the value ends with ～, a comma, an opening bracket or dots, or a bracket is never closed |
| `unit_loss` | error | yes | ×10 with a lost exponent: ``×109/L`` was ``×10⁹/L`` |
| `html_residue` | error | yes | tags or entities of HTML in the value |
| `broken_character` | error | yes | U+FFFD or a control character: bytes were lost |
| `mojibake` | error | yes | Chinese that was decoded as Latin-1: ``ÓÐºôÎü`` |
| `mixed_entity` | error | all of the entity | ingredients or generic name belong to another drug |
| `claim` | note | yes | the source's claim (a cure rate), counted per source and relation |
| `conflicting_class` | warning | no | a drug in therapeutic classes that do not go together |
| `two_kinds` | warning | no | one name under two kinds |
| `alias_is_name` | warning | no | another name of one entity is the name of another of its kind |
| `too_long` | warning | no | longer than `LONGEST_VALUE`: prose where a value is expected |
| `many_values` | warning | no | more than `MANY_VALUES` values of one relation |
| `unknown_relation` | note | no | a relation that the kind is not known to have, counted per kind |
| `no_facts` | note | no | an entity without a value |
| `text_cut_off` | warning | – | a document that ends in the middle of a sentence |
| `text_mojibake` | warning | – | a document with Chinese that was decoded as Latin-1 |
| `text_unit_loss` | warning | – | a document with a lost exponent |

`same_value_twice`, `empty_value`, `not_text` and `undecodable_bytes` are found while
reading (`huatuo.knowledge.ingest`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from huatuo.knowledge.entries import Entry, Value
from huatuo.knowledge.mixed import class_groups, foreign_evidence
from huatuo.knowledge.relations import is_known
from huatuo.records import Document, Finding
from huatuo.store import content_id

LONGEST_VALUE = 300
"""Characters of a value that is still a value and no prose."""

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
    "html_residue": Rule("error", True),
    "broken_character": Rule("error", True),
    "mojibake": Rule("error", True),
    "mixed_entity": Rule("error", True),
    "claim": Rule("note", True),
    "conflicting_class": Rule("warning", False),
    "two_kinds": Rule("warning", False),
    "alias_is_name": Rule("warning", False),
    "too_long": Rule("warning", False),
    "many_values": Rule("warning", False),
    "unknown_relation": Rule("note", False),
    "no_facts": Rule("note", False),
    "text_cut_off": Rule("warning", False),
    "text_mojibake": Rule("warning", False),
    "text_unit_loss": Rule("warning", False),
}
"""Every rule of this module."""

FLAGGING = frozenset(name for name, rule in RULES.items() if rule.flags)
"""Rules that keep facts from being taught."""

_UNIT_LOSS = re.compile(r"[×xX*✕]\s*10\d{1,2}\s*/\s*(?:u|μ|µ|m|d)?[lL升]")
_HTML = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|ol|p|span|strong|sub|sup|table|tbody|td|th|tr|ul)\b[^<>]*>"
    r"|&(?:nbsp|lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_MOJIBAKE = re.compile(r"[\u00a1-\u00ff]{4,}")
_OPEN_END = ("～", "~", "，", ",", "、", "：", ":", "（", "(", "[", "【", "《", "“", "...", "…", "..")
_SENTENCE_END = re.compile(r"[。！？!?.;；…”\"'’」』）)\]】》~～%\d|]$")


def fact_id(entity_id: str, value: Value) -> str:
    """The id of the fact that a value becomes."""
    return content_id("fact", entity_id, value.relation, value.text)


def _is_cut_off(text: str) -> bool:
    opened, closed = sum(map(text.count, "（(【[")), sum(map(text.count, "）)】]"))
    return text.endswith(_OPEN_END) or opened > closed


def value_rules(entry: Entry, value: Value) -> Iterator[tuple[str, str]]:
    """(rule, message) of what is wrong with one value by itself."""
    text = value.text
    if text == entry.name:
        yield "self_loop", f"the value is the name itself: {text}"
    if _is_cut_off(text):
        yield "cut_off", f"the value is cut off: {text[-40:]}"
    if lost := _UNIT_LOSS.search(text):
        yield "unit_loss", f"the exponent was lost: {lost.group()}; expected ×10⁹/L or ×10^9/L"
    if residue := _HTML.search(text):
        yield "html_residue", f"HTML in the value: {residue.group()[:40]}"
    if _BROKEN.search(text):
        yield "broken_character", f"a character was lost: {text[:40]!r}"
    if wrong := _MOJIBAKE.search(text):
        yield "mojibake", f"Chinese decoded as Latin-1: {wrong.group()[:40]}"
    if len(text) > LONGEST_VALUE:
        yield "too_long", f"{len(text):,} characters; expected a value of at most {LONGEST_VALUE}"


def check(entries: Sequence[Entry]) -> Iterator[Finding]:
    """The findings on all entries, in their order; sets `Value.flags` on the values that a flagging rule objects to."""
    for entry in entries:
        for value in entry.values.values():
            found = list(value_rules(entry, value))
            flags = [rule for rule, _ in found if rule in FLAGGING]
            value.flags = tuple(dict.fromkeys([*value.flags, *flags, *(["claim"] if value.claim else [])]))
            for rule, message in found:
                place = f"{value.where.file} {value.place}"
                yield finding(rule, fact_id(entry.id, value), place, f"{entry.name} {value.relation}: {message}")
        yield from _entry_rules(entry)
    yield from _names(entries)
    yield from _counts(entries)


def finding(rule: str, subject: str, place: str, message: str) -> Finding:
    """A finding with the severity of its rule."""
    return Finding(rule=rule, severity=RULES[rule].severity, subject=subject, place=place, message=message)


def _place(entry: Entry) -> str:
    where, place = entry.origins[0]
    return f"{where.file} {place}"


def _entry_rules(entry: Entry) -> Iterator[Finding]:
    place = _place(entry)
    if not entry.values:
        yield finding("no_facts", entry.id, place, f"{entry.name} has no value; expected at least one")
    for relation, number in Counter(relation for relation, _ in entry.values).items():
        if number > MANY_VALUES:
            yield finding("many_values", entry.id, place, f"{entry.name} has {number:,} values of {relation}")
    if entry.kind != "drug":
        return
    groups = class_groups(entry.texts("分类"))
    if len(groups) > 1:
        message = f"{entry.name} is classed as {'、'.join(entry.texts('分类'))}, which do not go together"
        yield finding("conflicting_class", entry.id, place, message)
    if evidence := foreign_evidence(entry.name, entry.aliases, entry.texts("成分"), entry.texts("通用名")):
        for value in entry.values.values():
            value.flags = (*value.flags, "mixed_entity")
        message = f"{entry.name} is mixed up with another drug: {evidence}; none of its facts is taught"
        yield finding("mixed_entity", entry.id, place, message)


def _names(entries: Sequence[Entry]) -> Iterator[Finding]:
    kinds: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        kinds[entry.name].append(entry)
    for name, same in kinds.items():
        if len(same) > 1:
            listed = "、".join(sorted(entry.kind for entry in same))
            yield finding("two_kinds", same[0].id, _place(same[0]), f"{name} is {listed}; expected one kind per name")
    for entry in entries:
        for alias in entry.aliases:
            if any(other.kind == entry.kind and other.name != entry.name for other in kinds.get(alias, ())):
                message = f"{entry.name} has the other name {alias}, which has a record of its own"
                yield finding("alias_is_name", entry.id, _place(entry), message)


def _counts(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Findings that would be the same thousands of times: one per source and relation, or per kind and relation."""
    claims: Counter[tuple[str, str]] = Counter()
    unknown: Counter[tuple[str, str]] = Counter()
    for entry in entries:
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


def text_rules(text: str) -> Iterator[tuple[str, str]]:
    """(rule, message) of what is wrong with the characters of a text of any length."""
    if wrong := _MOJIBAKE.search(text):
        yield "text_mojibake", f"Chinese decoded as Latin-1: {wrong.group()[:20]}"
    if lost := _UNIT_LOSS.search(text):
        yield "text_unit_loss", f"the exponent was lost: {lost.group()}; expected ×10⁹/L or ×10^9/L"


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
