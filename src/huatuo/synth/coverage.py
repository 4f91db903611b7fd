"""Which facts a teacher is asked about where not all can be: some of each relation, what is taught least first, or a
list of ids."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from huatuo.errors import InputError
from huatuo.ledger import times_taught
from huatuo.recipe import SynthSettings
from huatuo.synth.from_graph import Groups
from huatuo.synth.pair import fraction


def wanted(settings: SynthSettings, groups: Groups, seed: int) -> frozenset[str] | None:
    """Ids of the facts to ask about; None: all. A call is made where it holds one of them.

    Raises InputError for a list of ids that cannot be read or names no fact of the graph.
    """
    chosen: frozenset[str] | None = None
    if settings.coverage.per_relation:
        chosen = _sample(settings, groups, seed)
    if settings.teach_next is not None:
        listed = read_ids(settings.teach_next)
        known = {fact.id for facts in groups.values() for fact in facts}
        if not known.intersection(listed):
            raise InputError(
                f"{settings.teach_next}: none of its {len(listed):,} ids is a fact that may be taught; expected ids of "
                "this graph (`huatuo show RUN/ingest facts`); next: correct synth.teach_next or leave it out"
            )
        chosen = listed & known if chosen is None else listed & chosen
    return chosen


def read_ids(path: Path) -> frozenset[str]:
    """The ids in a file: one a line, or a JSON object with ``id`` (or a JSON string) a line; empty lines are skipped.

    Raises InputError naming the line that holds no id.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); next: check synth.teach_next") from None
    found = set()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if text[0] in '{"':
            text = _from_json(text)
        if not text or " " in text:
            raise InputError(f'{path}: line {number}: no fact id; expected an id or {{"id": ...}}; next: correct it')
        found.add(text)
    if not found:
        raise InputError(f"{path}: holds no ids; expected one fact id a line; next: fill it or leave it out")
    return frozenset(found)


def _from_json(text: str) -> str:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return ""
    found = value.get("id") if isinstance(value, dict) else value
    return found.strip() if isinstance(found, str) else ""


def _sample(settings: SynthSettings, groups: Groups, seed: int) -> frozenset[str]:
    """The facts of ``per_relation`` (entity, relation) of every kind and relation, in the order that is asked for."""
    coverage = settings.coverage
    taught = Counter[str]()
    if coverage.taught:
        taught = times_taught(coverage.taught, {fact.id: fact.value for facts in groups.values() for fact in facts})
    spoken = times_spoken(groups) if coverage.prefer != "even" else Counter[str]()
    sign = -1 if coverage.prefer == "frequent" else 1
    strata: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for key, facts in groups.items():
        strata[facts[0].kind, facts[0].relation].append(key)

    def order(key: tuple[str, str]) -> tuple[int, int, float, tuple[str, str]]:
        facts = groups[key]
        least = min(taught[fact.id] for fact in facts)
        return least, sign * spoken[facts[0].entity], fraction(str(seed), "coverage", *key), key

    chosen = (key for keys in strata.values() for key in sorted(keys, key=order)[: coverage.per_relation])
    return frozenset(fact.id for key in chosen for fact in groups[key])


def times_spoken(groups: Groups) -> Counter[str]:
    """How often each entity is spoken of: facts of its own, and facts of others that have its name as their value."""
    names = {facts[0].entity for facts in groups.values()}
    found = Counter[str]()
    for facts in groups.values():
        found[facts[0].entity] += len(facts)
        found.update(_named(names, (fact.value.strip() for fact in facts)))
    return found


def _named(names: set[str], values: Iterable[str]) -> list[str]:
    return [value for value in values if value in names]
