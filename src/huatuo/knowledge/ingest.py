"""The stage that reads knowledge: graphs and documents become entities, facts, documents and findings.

Sources are read in the order of their names and joined by kind and name, so the order in the recipe does not matter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from huatuo.errors import InputError, RecipeError
from huatuo.knowledge import cmekg, documents, mapping
from huatuo.knowledge.check import FLAGGING, check, check_document, fact_id, taught_flags
from huatuo.knowledge.documents import files_of
from huatuo.knowledge.entries import Draft, Entry, Prose, Refused, Value, Where, clean
from huatuo.knowledge.sample import withheld
from huatuo.progress import Bar, bar
from huatuo.readers.encoding import Problem
from huatuo.readers.jsonfile import Raw, records
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Document, Entity, Fact, Finding, Origin
from huatuo.store import Writer, content_id

GRAPH_SUFFIXES = (".json", ".jsonl", ".ndjson")
"""Endings of the files that are read from a folder of a graph."""

GLIMPSE_RECORDS = 300
"""Records of each file that a plan looks at."""


def ingest(settings: IngestSettings, seed: int, out: Writer) -> None:
    """Nothing; writes the tables entities, facts, documents and findings.

    Raises RecipeError where the settings name no source, one name twice, or a rule that does not exist; InputError
    where a path is missing or cannot be read.
    """
    _check_settings(settings)
    mappings = {g.name: mapping.load(g.mapping) for g in settings.graphs if g.format == "mapping" and g.mapping}
    for name, path in [*((g.name, g.path) for g in settings.graphs), *((d.name, d.path) for d in settings.documents)]:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder (source {name!r}); next: check the path")
    reader = _Reader(out, mappings)
    with bar("ingest") as progress:
        for graph in sorted(settings.graphs, key=lambda source: source.name):
            reader.read_graph(graph, progress)
        for documents_of in sorted(settings.documents, key=lambda source: source.name):
            for where, made, problems in documents.read(documents_of):
                reader.take_problems(where, "whole file", problems)
                reader.take_document(where, made, "whole file")
                progress.advance()
        _write(reader.entries, settings, seed, out, progress)


def _check_settings(settings: IngestSettings) -> None:
    if not settings.graphs and not settings.documents:
        raise RecipeError(
            "[ingest] names neither graphs nor documents; next: add [[ingest.graphs]] or [[ingest.documents]]"
        )
    names = Counter([*(g.name for g in settings.graphs), *(d.name for d in settings.documents)])
    twice = sorted(name for name, number in names.items() if number > 1)
    if twice:
        raise RecipeError(
            f"[ingest] has two sources named {twice[0]!r}; next: give each its own name, it is part of every id"
        )
    for graph in settings.graphs:
        if (graph.format == "mapping") != (graph.mapping is not None):
            needs = (
                "needs a mapping file" if graph.mapping is None else f"takes no mapping with format = {graph.format!r}"
            )
            raise RecipeError(
                f'[[ingest.graphs]] {graph.name}: {needs}; next: set format = "mapping" and mapping together'
            )
    for rule in settings.teach_flagged:
        if rule not in FLAGGING:
            known = ", ".join(sorted(FLAGGING))
            raise RecipeError(f"ingest.teach_flagged names {rule!r}, which flags no fact; known: {known}")


def item_id(where: Where, place: str) -> str:
    """The id of a raw item: of a place in a file of a source."""
    return content_id("item", where.source, where.path, place)


@dataclass(frozen=True)
class Glimpse:
    """What a graph holds, judged by its first records."""

    groups: float
    """(entity, relation) with at least one value."""
    prose: tuple[float, float]
    """Texts beside the relations, and their characters."""


def glimpse(source: GraphSource, most: int = GLIMPSE_RECORDS) -> Glimpse:
    """About how much a graph holds: its first records counted, and scaled by the bytes of its files.

    Raises InputError or RecipeError for a graph or a mapping that cannot be read at all.
    """
    used = mapping.load(source.mapping) if source.mapping is not None else None
    groups = texts = characters = 0.0
    for path, within in files_of(source.path, GRAPH_SUFFIXES)[0]:
        where, own, seen, shown = Where(source.name, path.name, within), [0.0, 0.0, 0.0], 0, 0
        for raw in islice(records(path), most) if path.stat().st_size else ():
            seen += 1
            shown += len(json.dumps(raw.value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
            for made in _drafts(source, used, where, raw) if raw.value is not None else ():
                if isinstance(made, Draft):
                    own[0] += len({value.relation for value in made.values})
                    own[1] += len(made.texts)
                    own[2] += sum(len(prose.text) for prose in made.texts)
        scale = max(1.0, path.stat().st_size / shown) if shown and seen == most else 1.0
        groups, texts, characters = groups + scale * own[0], texts + scale * own[1], characters + scale * own[2]
    return Glimpse(groups, (texts, characters))


def _drafts(source: GraphSource, used: mapping.Mapping | None, where: Where, raw: Raw) -> Iterator[Draft | Refused]:
    """The entries of one raw record."""
    if used is None:
        yield cmekg.draft(raw.value, raw.place, where, source.evidence)
        return
    unfolded = mapping.unfold(used, raw.value, raw.place)
    if not unfolded:
        yield Refused(raw.place, "no_records", f"nothing stands at {used.file.records}; expected a list of records")
    for place, value in unfolded:
        yield mapping.draft(used, value, place, where, source.evidence)


class _Reader:
    """Collects entries while sources are read; documents and findings go straight to the writer."""

    def __init__(self, out: Writer, mappings: dict[str, mapping.Mapping]):
        self.out, self.mappings = out, mappings
        self.entries: dict[tuple[str, str], Entry] = {}
        self._documents: set[str] = set()

    def read_graph(self, source: GraphSource, progress: Bar) -> None:
        """Read all files of a graph."""
        taken, others = files_of(source.path, GRAPH_SUFFIXES)
        for path, within in taken:
            where = Where(source.name, path.name, within)
            if path.stat().st_size == 0 and source.path.is_dir():
                self.refuse(where, Refused("whole file", "empty_file", "the file is empty; expected records"))
                continue
            for raw in records(path):
                self._take_raw(source, where, raw)
                progress.advance(note=path.name)
        for within in others:
            where = Where(source.name, Path(within).name, within)
            self.refuse(where, documents.no_reader(within, GRAPH_SUFFIXES))

    def _take_raw(self, source: GraphSource, where: Where, raw: Raw) -> None:
        if raw.value is None:
            problem = raw.problem or Problem("not_an_object", "expected a record, found null")
            self.refuse(where, Refused(raw.place, problem.rule, problem.message, raw.excerpt))
            return
        if raw.problem is not None:
            self.take_problems(where, raw.place, (raw.problem,))
        for made in _drafts(source, self.mappings.get(source.name), where, raw):
            if isinstance(made, Refused):
                self.refuse(where, made)
            else:
                self._take(made)

    def _take(self, made: Draft) -> None:
        record_id = item_id(made.where, made.place)
        self.out.expect([record_id])
        entry = self.entries.setdefault((made.kind, made.name), Entry("", made.kind, made.name))
        entry.origins.append((made.where, made.place))
        entry.aliases.extend(alias for alias in made.aliases if alias not in entry.aliases)
        for value in made.values:
            value_id = value.item = item_id(value.where, value.place)
            self.out.expect([value_id])
            earlier = entry.values.setdefault((value.relation, value.text), value)
            if earlier is not value:
                witness = earlier.item
                reason = f"{made.name} {value.relation} {value.text} was read at {earlier.where.file} {earlier.place}"
                self.out.drop(value_id, "duplicate", reason, witness, value.text)
                if earlier.place.split(" ")[:2] == value.place.split(" ")[:2] and earlier.where is value.where:
                    self._find("same_value_twice", "note", value_id, made.where, value.place, reason)
        for refused in made.refused:
            self.refuse(made.where, refused)
            self._find(
                refused.rule, "warning", item_id(made.where, refused.place), made.where, refused.place, refused.reason
            )
        for prose in made.texts:
            self.take_document(made.where, _from_prose(prose, made.where), prose.place)

    def take_document(self, where: Where, made: Document | Refused, place: str) -> None:
        """Write a document, or drop it as refused or as a twin."""
        if isinstance(made, Refused):
            self.refuse(where, made)
            return
        record_id = item_id(where, place)
        self.out.expect([record_id])
        if made.id in self._documents:
            reason = "source, title and text are those of a document that was read before"
            self.out.drop(record_id, "duplicate", reason, made.id, made.text)
            return
        self._documents.add(made.id)
        self.out.write("documents", made, uses=[record_id])
        for found in check_document(made):
            self.out.write("findings", found)

    def take_problems(self, where: Where, place: str, problems: tuple[Problem, ...]) -> None:
        """Findings on the bytes of a file that was read all the same."""
        for problem in problems:
            self._find(problem.rule, "warning", where.path, where, place, problem.message)

    def refuse(self, where: Where, refused: Refused) -> None:
        """Drop a raw item of which nothing could be made."""
        record_id = item_id(where, refused.place)
        self.out.expect([record_id])
        reason = f"{where.path} {refused.place}: {refused.reason}"
        self.out.drop(record_id, refused.rule, reason, excerpt=refused.excerpt)

    def _find(self, rule: str, severity: str, subject: str, where: Where, place: str, message: str) -> None:
        level = "note" if severity == "note" else "warning"
        made = Finding(rule=rule, severity=level, subject=subject, place=f"{where.path} {place}", message=message)
        self.out.write("findings", made)


def _from_prose(prose: Prose, where: Where) -> Document:
    origin = Origin(source=where.source, file=where.file, place=prose.place, evidence=prose.evidence)
    return documents.make(where.source, prose.title, clean(prose.text), prose.genre, origin)


def _write(
    joined: dict[tuple[str, str], Entry], settings: IngestSettings, seed: int, out: Writer, progress: Bar
) -> None:
    entries = [joined[key] for key in sorted(joined)]
    for entry in entries:
        entry.id = content_id("entity", entry.kind, entry.name, *sorted({where.source for where, _ in entry.origins}))
    for found in check(entries):
        out.write("findings", found)
    made = [_entity(entry, settings) for entry in entries]
    kept_back = withheld(made, settings.withhold_share, seed) if settings.withhold_share else frozenset()
    for entry, entity in zip(entries, made, strict=True):
        out.write("entities", entity, uses=[item_id(where, place) for where, place in entry.origins])
        for value in entry.values.values():
            flags = taught_flags(value.flags, settings.teach_flagged)
            flags = (*flags, "withheld") if entity.id in kept_back else flags
            out.write("facts", _fact(entity, value, flags), uses=[value.item])
        progress.advance(note="writing")


def _entity(entry: Entry, settings: IngestSettings) -> Entity:
    evidence = {graph.name: graph.evidence for graph in settings.graphs}
    origins = tuple(
        Origin(source=where.source, file=where.file, place=place, evidence=evidence.get(where.source, ""))
        for where, place in entry.origins
    )
    return Entity(id=entry.id, kind=entry.kind, name=entry.name, aliases=tuple(entry.aliases), origins=origins)


def _fact(entity: Entity, value: Value, flags: tuple[str, ...]) -> Fact:
    where = value.where
    return Fact(
        id=fact_id(entity.id, value),
        entity_id=entity.id,
        entity=entity.name,
        kind=entity.kind,
        relation=value.relation,
        value=value.text,
        flags=flags,
        origin=Origin(source=where.source, file=where.file, place=value.place, evidence=value.evidence),
    )
