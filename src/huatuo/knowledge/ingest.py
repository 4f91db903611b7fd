"""The stage that reads knowledge: graphs and documents become entities, facts, documents and findings.

Sources are read in the order of their names and joined by `huatuo.knowledge.join`, so the order in the recipe does not
matter. What two sources say is two facts, each with its own origin; where they say the same, one names the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from huatuo.errors import InputError, RecipeError
from huatuo.knowledge import documents, formats, mapping
from huatuo.knowledge.check import FLAGGING, check, check_document, fact_id, finding, taught_flags
from huatuo.knowledge.entries import Draft, Entry, Prose, Refused, Remark, Value, Where, clean
from huatuo.knowledge.extract import Triple, drafts, extract
from huatuo.knowledge.extract_teacher import ASKED_TOGETHER, Extractor, Lost, Part
from huatuo.knowledge.join import corroborating, join
from huatuo.knowledge.sample import withheld
from huatuo.llm.estimate import write_spent
from huatuo.progress import Bar, bar
from huatuo.readers.encoding import Problem
from huatuo.recipe import DocumentSource, GraphSource, IngestSettings
from huatuo.records import WITHHELD, Document, Entity, Fact, Finding, Origin, Provenance, Span
from huatuo.store import Writer, content_id

GLIMPSE_RECORDS = 2_000
"""Entities that a plan looks at; a graph of no more is counted exactly."""

MARKS = 4
"""Bytes of quotes, comma and blank around a text in JSON."""


def ingest(settings: IngestSettings, seed: int, out: Writer, extractor: Extractor | None = None) -> None:
    """Nothing; writes the tables entities, facts, documents and findings.

    ``extractor`` reads the documents of sources with ``extract = "teacher"``, and is needed where there are some.
    Raises RecipeError where the settings name no source, one name twice, or a rule that does not exist; InputError
    where a path is missing or cannot be read.
    """
    _check_settings(settings)
    if extractor is None and reads_by_teacher(settings):
        raise RecipeError('a source has extract = "teacher"; expected a model to ask; next: add [ingest.teacher]')
    mappings = {g.name: mapping.load(g.mapping) for g in settings.graphs if g.format == "mapping" and g.mapping}
    for name, path in [*((g.name, g.path) for g in settings.graphs), *((d.name, d.path) for d in settings.documents)]:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder (source {name!r}); next: check the path")
    reader = _Reader(out, mappings, extractor)
    with bar("ingest") as progress:
        for graph in sorted(settings.graphs, key=lambda source: source.name):
            reader.read_graph(graph, progress)
        for documents_of in sorted(settings.documents, key=lambda source: source.name):
            reader.read_documents(documents_of, progress)
        if extractor is not None:
            write_spent(extractor.spent, out)
        _write(reader.entries, settings, seed, out, progress)


def reads_by_teacher(settings: IngestSettings) -> bool:
    """Whether a model is asked to read documents."""
    return any(source.extract == "teacher" for source in settings.documents)


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
        formats.check_source(graph)
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
    used = {source.name: mapping.load(source.mapping)} if source.mapping is not None else {}
    drafts = (item for _, item in formats.read(source, used) if isinstance(item, Draft))
    groups = texts = characters = shown = seen = 0
    for made in islice(drafts, most):
        seen += 1
        groups += len({value.relation for value in made.values})
        texts += len(made.texts)
        characters += sum(len(prose.text) for prose in made.texts)
        parts = [made.name, *made.aliases, *(v.text for v in made.values), *(prose.text for prose in made.texts)]
        shown += sum(len(part.encode("utf-8", "surrogatepass")) + MARKS for part in parts)
    whole = sum(path.stat().st_size for path in formats.files(source))
    scale = max(1.0, whole / shown) if seen == most else 1.0
    return Glimpse(scale * groups, (scale * texts, scale * characters))


class _Reader:
    """Collects entries while sources are read; documents and findings go straight to the writer."""

    def __init__(self, out: Writer, mappings: dict[str, mapping.Mapping], extractor: Extractor | None):
        self.out, self.mappings, self.extractor = out, mappings, extractor
        self.entries: dict[tuple[str, str], Entry] = {}
        self._documents: set[str] = set()

    def read_graph(self, source: GraphSource, progress: Bar) -> None:
        """Read all files of a graph."""
        if source.evidence == "web":
            message = f"{source.name} is a web crawl as a whole: no value of it has a textbook or guideline behind it"
            self.out.write("findings", finding("web_source", source.name, source.name, message))
        for where, item in formats.read(source, self.mappings):
            if isinstance(item, Draft):
                self._take(item)
            elif isinstance(item, Remark):
                self._find(item.rule, "warning", where.path, where, item.place, item.message)
            else:
                self.refuse(where, item)
            progress.advance(note=where.file)

    def read_documents(self, source: DocumentSource, progress: Bar) -> None:
        """Read all documents of a source, and what they say where the source asks for it."""
        waiting: list[tuple[Where, str, Document]] = []
        parts: list[Part] = []
        for where, place, made, problems in documents.read(source):
            self.take_problems(where, place, problems)
            if self.take_document(where, made, place) and isinstance(made, Document):
                if source.extract == "rules":
                    found = extract(made.text, made.title)
                    self.take_triples(where, made, place, [(triple, None) for triple in found])
                elif source.extract == "teacher" and self.extractor is not None:
                    waiting.append((where, place, made))
                    parts.extend(self.extractor.parts(made))
            if len(parts) >= ASKED_TOGETHER:
                self._ask(waiting, parts)
            progress.advance()
        self._ask(waiting, parts)

    def _ask(self, waiting: list[tuple[Where, str, Document]], parts: list[Part]) -> None:
        """Take what the teacher reads in the waiting documents; they wait no longer."""
        read = self.extractor.read(parts) if self.extractor and parts else {}
        for where, place, document in waiting:
            said = read.get(document.id)
            self._take_lost(document, said.lost if said else [])
            self.take_triples(where, document, place, list(said.triples) if said else [])
        waiting.clear()
        parts.clear()

    def _take_lost(self, document: Document, lost: Sequence[Lost]) -> None:
        for number, one in enumerate(lost):
            record_id = content_id("extract", document.id, str(one.span), str(number), one.rule)
            reason = f"{document.title[:60]} characters {one.span[0]}-{one.span[1]}: {one.reason}"
            self.out.drop(record_id, one.rule, reason, excerpt=one.excerpt, parents=(document.id,))

    def _take(self, made: Draft) -> None:
        record_id = item_id(made.where, made.place)
        self.out.expect([record_id])
        entry = self.entries.setdefault((made.kind, made.name), Entry("", made.kind, made.name))
        for value in made.values:
            value.item = item_id(value.where, value.place)
        self.out.expect([value.item for value in made.values])
        for value, earlier in entry.take(made):
            reason = f"{made.name} {value.relation} {value.text} was read at {earlier.where.file} {earlier.place}"
            self.out.drop(value.item, "duplicate", reason, earlier.item, value.text)
            if earlier.place.split(" ")[:2] == value.place.split(" ")[:2] and earlier.where is value.where:
                self._find("same_value_twice", "note", value.item, made.where, value.place, reason)
        for refused in made.refused:
            self.refuse(made.where, refused)
            self._find(
                refused.rule, "warning", item_id(made.where, refused.place), made.where, refused.place, refused.reason
            )
        for prose in made.texts:
            self.take_document(made.where, _from_prose(prose, made.where), prose.place)

    def take_triples(
        self, where: Where, document: Document, place: str, triples: Sequence[tuple[Triple, Provenance | None]]
    ) -> None:
        """Take what a document states as a graph's records are taken; a note where it states nothing."""
        for made in drafts(document, where, place, triples):
            if isinstance(made, Refused):
                self.refuse(where, made)
            else:
                self._take(made)
        if not triples:
            message = f"nothing that {document.title[:60]!r} says was read as a relation; no fact comes from it"
            self._find("nothing_extracted", "note", document.id, where, place, message)

    def take_document(self, where: Where, made: Document | Refused, place: str) -> bool:
        """Whether the document was written; else it was dropped, as refused or as a twin."""
        if isinstance(made, Refused):
            self.refuse(where, made)
            return False
        record_id = item_id(where, place)
        self.out.expect([record_id])
        if made.id in self._documents:
            reason = "source, title and text are those of a document that was read before"
            self.out.drop(record_id, "duplicate", reason, made.id, made.text)
            return False
        self._documents.add(made.id)
        self.out.write("documents", made, uses=[record_id])
        for found in check_document(made):
            self.out.write("findings", found)
        return True

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
    entries, ambiguous = join(joined)
    for entry in entries:
        entry.id = content_id("entity", entry.kind, entry.name, *entry.sources(), *entry.joined)
    for found in check(entries, ambiguous):
        out.write("findings", found)
    made = [_entity(entry, settings) for entry in entries]
    kept_back = withheld(made, settings.withhold_share, seed) if settings.withhold_share else frozenset()
    for entry, entity in zip(entries, made, strict=True):
        out.write("entities", entity, uses=[item_id(where, place) for where, place in entry.origins])
        same = {value.item: fact_id(entry, first) for value, first in corroborating(entry, settings.teach_flagged)}
        for value in entry.values.values():
            flags = taught_flags(value.flags, settings.teach_flagged)
            flags = (*flags, WITHHELD) if entity.id in kept_back else flags
            out.write("facts", _fact(entry, entity, value, flags, same.get(value.item, "")), uses=[value.item])
        progress.advance(note="writing")


def _entity(entry: Entry, settings: IngestSettings) -> Entity:
    evidence = {graph.name: graph.evidence for graph in settings.graphs}
    evidence |= {document.name: document.evidence for document in settings.documents}
    origins = tuple(
        Origin(source=where.source, file=where.file, place=place, evidence=evidence.get(where.source, ""))
        for where, place in entry.origins
    )
    return Entity(id=entry.id, kind=entry.kind, name=entry.name, aliases=tuple(entry.aliases), origins=origins)


def _fact(entry: Entry, entity: Entity, value: Value, flags: tuple[str, ...], same_as: str) -> Fact:
    where = value.where
    return Fact(
        id=fact_id(entry, value),
        entity_id=entity.id,
        entity=entity.name,
        kind=entity.kind,
        relation=value.relation,
        value=value.text,
        flags=flags,
        origin=Origin(
            source=where.source,
            file=where.file,
            place=value.place,
            evidence=value.evidence,
            document=value.document,
            span=Span(start=value.span[0], end=value.span[1]) if value.span else None,
        ),
        same_as=same_as,
        provenance=value.provenance,
    )
