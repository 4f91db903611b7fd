"""The recipe's table about reading knowledge: graphs, documents, and the model that reads documents."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from huatuo.recipe_teacher import ExtractorSettings
from huatuo.settings import Settings


class GraphSource(Settings):
    """One knowledge graph file or folder."""

    name: str
    """Name of the source; part of every id made from it."""
    path: Path
    """File, or folder whose files are read in the order of their names."""
    format: Literal["cmekg", "triples", "table", "rdf", "neo4j", "mapping"] = "cmekg"
    """cmekg: records with 中心词 and relation lists, answers and crawls of the CMeKG site, ``spo_list`` (JSON, JSON
    Lines). triples: a head, a relation and a tail per row (CSV, TSV, XLSX, JSON). table: an entity per row, a relation
    per column (CSV, TSV, XLSX). rdf: Turtle, N-Triples, N-Quads, TriG, RDF/XML, JSON-LD. neo4j: exports of APOC (JSON,
    CSV) and node and relationship files of neo4j-admin. mapping: nested JSON through ``mapping``."""
    mapping: Path | None = None
    """TOML file that says where name, kind, aliases and relations stand in a record (format ``mapping``)."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Where to read what: role = column of the header, or its number from 1 where the file has no header. triples:
    head, relation, tail, and if there is one kind (of the head), evidence. table: name, and kind, aliases, evidence.
    neo4j: name, aliases (properties). rdf: name, aliases (IRIs of predicates). Absent: the usual names are looked
    for."""
    kind: str = ""
    """Kind of the entities where the source states none; empty: told from their relations, else ``entity``."""
    kinds: dict[str, str] = Field(default_factory=dict)
    """Class, label or type in the source = kind, beside the known ones (疾病, Disease, 西药, ...)."""
    relations: dict[str, str] = Field(default_factory=dict)
    """Predicate, column or relationship type in the source = relation; ``""`` leaves it out. Known spellings need no
    line."""
    split: str = ""
    """Regular expression that cuts a cell into values (format ``table``); empty: a cell is one value."""
    sheet: str = ""
    """Sheet of a workbook; empty: the first."""
    language: str = "zh"
    """Language whose texts are values (format ``rdf``), beside texts without a language; labels in others are other
    names."""
    evidence: str = ""
    """Kind of source for values that do not state one: textbook, pharmacopoeia, guideline, web."""


class DocumentSource(Settings):
    """One folder or file of documents."""

    name: str
    """Name of the source; also the source of the pairs made from it."""
    path: Path
    """File, or folder that is read recursively in the order of names; or the passages of `huatuo curate`
    (``runs/NAME/corpus/passages``), which keep their ids, genres and the names of their sources."""
    shard: str = Field("", pattern=r"^([1-9]\d*/[1-9]\d*)?$")
    """``3/40``: the third of forty parts of such passages, drawn by their titles, for a run of its own; empty: all."""
    genre: str = "guideline"
    """Genre of the documents."""
    evidence: str = ""
    """Kind of source: textbook, pharmacopoeia, guideline, web."""
    rejoin: bool = True
    """Join hard-wrapped lines of text and Markdown to paragraphs; false: lines stay as the file has them."""
    simplified: bool = False
    """Turn Traditional Chinese into Simplified, with medical words as they are written today (着色, 郁金)."""
    record: str = ""
    """XML: name of the element that is a document of its own; empty: the file is one document. (A record of a JSON file
    always is.)"""
    title: str = ""
    """JSON: key of a record's title, ``info.name`` for a nested one; empty: the first of title, name, 标题, 题目, 名称.
    """
    text: str = ""
    """JSON: key of a record's text; empty: the first of text, content, contents, body, abstract, 正文, 内容, 摘要.
    """
    extract: Literal["", "rules", "teacher"] = ""
    """What the texts state becomes entities and facts beside the documents. rules: what headings and wordings state, no
    model. teacher: what the model of ``[ingest.teacher]`` reads. Empty: the documents alone."""

    @model_validator(mode="after")
    def _is_a_shard(self) -> Self:
        part, _, parts = self.shard.partition("/")
        if self.shard and int(part) > int(parts):
            raise ValueError(f"shard = {self.shard!r}: expected a part of 1 to {parts}")
        return self


class IngestSettings(Settings):
    """Reading and checking knowledge."""

    graphs: tuple[GraphSource, ...] = ()
    """Knowledge graphs."""
    documents: tuple[DocumentSource, ...] = ()
    """Documents."""
    teacher: ExtractorSettings | None = None
    """The model that reads the documents of sources with ``extract = "teacher"``."""
    withhold_share: float = Field(0.0, ge=0, lt=1)
    """Share of the entities, drawn by hash per kind, whose facts are kept from training as a control."""
    teach_flagged: tuple[str, ...] = ()
    """Names of check rules whose facts are taught all the same."""
