"""RDF becomes entities: every subject with a name, its types as kind, its statements as values.

Turtle, N-Triples, N-Quads, TriG, RDF/XML and JSON-LD are read, the names of graphs are not. A context that a JSON-LD
file only links to is never fetched: that file is refused. A statement's place is its number in the file.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from huatuo.errors import InputError, require
from huatuo.knowledge.entries import Draft, NotText, Refused, Remark, Where, clean, take_aliases, take_value
from huatuo.knowledge.relations import NAME_RELATIONS, kind_by_relations
from huatuo.knowledge.triples import relation_of, stated_kind
from huatuo.readers.encoding import check_file, file_encoding, read_text
from huatuo.recipe import GraphSource

SUFFIXES = {
    ".ttl": "TURTLE",
    ".nt": "N_TRIPLES",
    ".nq": "N_QUADS",
    ".trig": "TRIG",
    ".rdf": "RDF_XML",
    ".owl": "RDF_XML",
    ".jsonld": "JSON_LD",
}
"""Ending → format of pyoxigraph."""

RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
OWL = "http://www.w3.org/2002/07/owl#"
NAMES = (
    "http://www.w3.org/2004/02/skos/core#prefLabel",
    "http://www.w3.org/2000/01/rdf-schema#label",
    "http://schema.org/name",
    "https://schema.org/name",
    "http://xmlns.com/foaf/0.1/name",
)
"""Predicates of the name."""

ALIASES = (
    "http://www.w3.org/2004/02/skos/core#altLabel",
    "http://schema.org/alternateName",
    "https://schema.org/alternateName",
)
"""Predicates of other names."""

SCHEMA = frozenset(
    {f"{OWL}{name}" for name in ("ObjectProperty", "DatatypeProperty", "AnnotationProperty", "Ontology")}
    | {"http://www.w3.org/1999/02/22-rdf-syntax-ns#Property"}
)
"""Types of what describes the graph and is no entity of it."""

NO_KIND = frozenset({f"{OWL}NamedIndividual", f"{OWL}Thing"})
"""Types that say nothing about the kind."""


class _Statement(NamedTuple):
    number: int
    predicate: str
    value: Any


class _Literal(NamedTuple):
    text: str
    language: str
    is_text: bool


def read(path: Path, source: GraphSource, where: Where) -> Iterator[Draft | Refused | Remark]:
    """What the statements of a file say. Raises InputError naming the line of a syntax error."""
    subjects: dict[str, list[_Statement]] = defaultdict(list)
    for number, (subject, predicate, value) in enumerate(_statements(path), 1):
        if subject is None or value is None:
            reason = "a node without a name of its own (blank node, or a statement about a statement)"
            yield Refused(f"triple {number}", "blank_node", reason, predicate)
        else:
            subjects[subject].append(_Statement(number, predicate, value))
    names = _Names(subjects, source)
    types = {s.value for statements in subjects.values() for s in statements if s.predicate == RDF_TYPE}
    for subject, statements in subjects.items():
        own = {s.value for s in statements if s.predicate == RDF_TYPE}
        place = f"triple {statements[0].number}"
        if own & SCHEMA or subject in types:
            reason = f"{subject} describes the graph ({len(statements)} statements); it is no entity"
            yield Refused(f"{place} subject", "schema", reason)
        elif not names.of(subject):
            reason = (
                f"{subject} has no name ({len(statements)} statements); expected rdfs:label, skos:prefLabel or name"
            )
            yield Refused(f"{place} subject", "no_name", reason, subject)
        else:
            yield _draft(subject, statements, names, source, where)


def _statements(path: Path) -> Iterator[tuple[str | None, str, Any]]:
    """(subject, predicate, value) of each statement; None for what has no IRI. A value is an IRI or a `_Literal`."""
    ox = require("pyoxigraph", "docs")
    check_file(path)
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise InputError(
            f"{path}: no RDF reader for {path.suffix}; expected {', '.join(SUFFIXES)}; next: rename the file"
        )
    try:
        with _bytes(path) as data:
            for quad in ox.parse(data, format=getattr(ox.RdfFormat, form)):
                subject = quad.subject.value if isinstance(quad.subject, ox.NamedNode) else None
                yield subject, quad.predicate.value, _value(quad.object, ox)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        reason = str(error.msg).split(" (")[0]
        raise InputError(f"{path}{line}: not valid {form.replace('_', '-')}: {reason}; next: mend that line") from None


def _bytes(path: Path) -> Any:
    """The file in UTF-8 without a byte order mark; a file in another encoding is decoded first."""
    if file_encoding(path) != "utf-8":
        return io.BytesIO(read_text(path).text.encode("utf-8"))
    file = path.open("rb")
    if file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
    return file


def _value(value: Any, ox: Any) -> Any:
    if isinstance(value, ox.NamedNode):
        return value.value
    if not isinstance(value, ox.Literal):
        return None
    is_text = value.language is not None or value.datatype.value.endswith(("#string", "#langString", "#HTML"))
    return _Literal(value.value, value.language or "", is_text)


class _Names:
    """Names of IRIs."""

    def __init__(self, subjects: dict[str, list[_Statement]], source: GraphSource):
        self.wanted = source.language
        self.name_predicates = (*filter(None, [source.columns.get("name", "")]), *NAMES)
        self.alias_predicates = (*filter(None, [source.columns.get("aliases", "")]), *ALIASES)
        self._found = {subject: self._choose(statements) for subject, statements in subjects.items()}

    def rank(self, literal: _Literal) -> int:
        """0: in the wanted language; 1: in none; 2: in another."""
        return 0 if literal.language.split("-")[0] == self.wanted else 1 if not literal.language else 2

    def _choose(self, statements: list[_Statement]) -> str:
        found = [
            (self.rank(s.value), self.name_predicates.index(s.predicate), s.number, clean(s.value.text))
            for s in statements
            if s.predicate in self.name_predicates and isinstance(s.value, _Literal) and clean(s.value.text)
        ]
        return min(found)[-1] if found else ""

    def of(self, iri: str) -> str:
        """The name of an IRI: its label, else its last part where that is Chinese and so meant to be read."""
        if name := self._found.get(iri, ""):
            return name
        last = local_name(iri)
        return last if not last.isascii() else ""


def local_name(iri: str) -> str:
    """The last part of an IRI, decoded."""
    return unquote(iri.rstrip("/#").rpartition("#")[2].rpartition("/")[2])


def _draft(subject: str, statements: list[_Statement], names: _Names, source: GraphSource, where: Where) -> Draft:
    made = Draft("", names.of(subject), f"triple {statements[0].number} subject", where)
    labels = []
    for number, predicate, value in statements:
        place = f"triple {number}"
        if predicate == RDF_TYPE:
            labels += [] if value in NO_KIND or not isinstance(value, str) else [value]
        elif predicate in names.name_predicates or predicate in names.alias_predicates:
            take_aliases(made, [value.text if isinstance(value, _Literal) else names.of(value)], place)
        else:
            _take(made, predicate, value, place, names, source)
    made.kind = _kind(labels, names, source) or kind_by_relations(v.relation for v in made.values)
    return made


def _take(made: Draft, predicate: str, value: Any, place: str, names: _Names, source: GraphSource) -> None:
    said = next((key for key in (predicate, local_name(predicate)) if key in source.relations), "")
    relation = relation_of(source, said or names.of(predicate) or local_name(predicate))
    if not relation:
        made.refused.append(Refused(place, "left_out", f"the recipe leaves out the relation {said}"))
    elif isinstance(value, _Literal) and value.is_text and names.rank(value) == 2:
        reason = f"{relation} of {made.name} is in {value.language}; expected {source.language} (key language)"
        made.refused.append(Refused(place, "other_language", reason, value.text[:80]))
    elif relation in NAME_RELATIONS:
        take_aliases(made, [value.text if isinstance(value, _Literal) else names.of(value)], place)
    elif isinstance(value, _Literal):
        item = value.text if value.is_text else NotText("a typed literal without its unit", value.text)
        take_value(made, relation, item, place, evidence=source.evidence)
    else:
        item = names.of(value) or NotText("an IRI without a name", value, "no_label")
        take_value(made, relation, item, place, evidence=source.evidence)


def _kind(labels: list[str], names: _Names, source: GraphSource) -> str:
    """The kind of the types: one that the recipe names first, else the first in their order."""
    for label in sorted(labels):
        for key in (label, local_name(label)):
            if key in source.kinds:
                return source.kinds[key]
    label = min(labels, default="")
    return stated_kind(source, (names.of(label) or local_name(label)) if label else "")
