"""Small data sets of facts, passages, pairs and questions."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from huatuo.records import Document, Entity, Fact, Origin, Pair, Provenance, Question, Record
from huatuo.store import content_id, writing
from huatuo.synth.pair import ask, make_pair

PHRASINGS = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
ORIGIN = Origin(source="kg", file="f", place="line 1")


class Maker:
    """Makes small data sets."""

    phrasings = PHRASINGS

    def __init__(self, folder: Path):
        self.folder = folder

    def fact(self, entity: str, relation: str, value: str, kind: str = "disease", flags: Iterable[str] = ()) -> Fact:
        entity_id = content_id(kind, entity)
        return Fact(
            id=content_id(entity_id, relation, value),
            entity_id=entity_id,
            entity=entity,
            kind=kind,
            relation=relation,
            value=value,
            flags=tuple(flags),
            origin=ORIGIN,
        )

    def knowledge(self, facts: Iterable[Fact], aliases: dict[str, tuple[str, ...]] | None = None) -> Path:
        rows = list(facts)
        entities = {
            f.entity: Entity(
                id=f.entity_id, kind=f.kind, name=f.entity, aliases=(aliases or {}).get(f.entity, ()), origins=(ORIGIN,)
            )
            for f in rows
        }
        return self.write("ingest", {"facts": rows, "entities": list(entities.values())})

    def passage(self, title: str, text: str, language: Any = "zh") -> Document:
        origin = Origin(source="guide", file="g", place="# a")
        return Document(
            id=content_id(title, text),
            title=title,
            text=text,
            genre="g",
            language=language,
            origin=origin,
            parent="doc",
        )

    def pair(self, question: str, answer: str, source: str = "graph", **more: Any) -> Pair:
        return make_pair(ask(question, answer), source, "direct", Provenance(by="model"), **more)

    def question(self, stem: str, kind: Any = "single") -> Question:
        return Question(id=content_id(stem), exam="e", kind=kind, stem=stem)

    def write(self, name: str, tables: dict[str, list[Any]]) -> Path:
        folder = self.folder / name
        with writing(folder, stage=name, key=name) as out:
            for table, rows in tables.items():
                for row in rows:
                    assert isinstance(row, Record)
                    out.write(table, row)
            if not any(tables.values()):
                (out.folder / "empty.txt").write_text("no rows")
        return folder
