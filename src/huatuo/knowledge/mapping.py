"""Nested JSON becomes entities, facts and documents by a mapping file, so that a new graph needs no code.

::

    [entity]
    kind = "disease"
    name = "gaishu_info.name"          # a path; any JMESPath expression works, Chinese keys need no quotes in a path
    aliases = "gaishu_info.alias"

    [[relation]]
    name = "临床症状"
    path = "symptom_data.symptoms"
    split = "[,，;；]"                  # optional: a regular expression that cuts a string into values
    claim = true                       # optional: kept and never taught

    [[text]]
    title = "病因"
    path = "cause_info"                # a string, or a list of strings that become paragraphs
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath
import jmespath.exceptions
from pydantic import Field, ValidationError

from huatuo.errors import RecipeError
from huatuo.knowledge.entries import (
    Draft,
    Prose,
    Refused,
    Remark,
    Where,
    as_items,
    clean,
    take_aliases,
    take_values,
    unfit_name,
)
from huatuo.knowledge.triples import unusable
from huatuo.readers.jsonfile import records
from huatuo.recipe import GraphSource, Settings
from huatuo.recipe_file import find_line

_KEY = r"[^\[\]|{}()\"'`@*&?!<>=,.\s]+"
_PLAIN_PATH = re.compile(rf"{_KEY}(?:\.{_KEY})*")
"""A dotted path of keys; anything else is a JMESPath expression."""

_TOKEN = re.compile(r"""(?P<text>"[^"]*"|'[^']*'|`[^`]*`)|(?P<key>\w*[^\W\x00-\x7f]\w*)""")
"""Quoted text, which stays, and keys with letters beyond ASCII, which JMESPath takes in quotes only."""


class EntityMapping(Settings):
    """Where the entity stands in a record."""

    kind: str = Field(min_length=1)
    """Kind of every entity of the file."""
    name: str
    """Path of the name."""
    aliases: str = ""
    """Path of other names: a string or a list."""
    split_aliases: str = ""
    """Regular expression that cuts a string into other names."""


class RelationMapping(Settings):
    """Where the values of one relation stand."""

    name: str = Field(min_length=1)
    """Name of the relation; the alias table is applied."""
    path: str
    """Path of the values: a string or a list."""
    split: str = ""
    """Regular expression that cuts a string into values; empty: a string is one value."""
    evidence: str = ""
    """Kind of source; the graph's own where empty."""
    claim: bool = False
    """The values are claims of the source: kept, flagged and not taught."""
    empty: tuple[str, ...] = ()
    """Values that say nothing in this source (``无``, ``暂无``): dropped as ``empty_value``."""


class TextMapping(Settings):
    """Where a text stands that becomes a document."""

    title: str = Field(min_length=1)
    """Title after the entity's name: ``百日咳 病因``."""
    path: str
    """Path of a string, or of a list of strings that are joined as paragraphs."""
    genre: str = "encyclopedia"
    """Genre of the documents."""
    evidence: str = ""
    """Kind of source; the graph's own where empty."""


class MappingFile(Settings):
    """A whole mapping file."""

    records: str = ""
    """Path of the list of records inside a file that is one object; empty: the file's records themselves."""
    entity: EntityMapping
    """The entity."""
    relation: tuple[RelationMapping, ...] = ()
    """Its relations."""
    text: tuple[TextMapping, ...] = ()
    """Its prose."""


@dataclass(frozen=True)
class Mapping:
    """A mapping file, with its paths and expressions compiled."""

    file: MappingFile
    """What the file says."""
    paths: dict[str, Any]
    """Compiled paths."""
    splits: dict[str, re.Pattern[str]]
    """Compiled expressions."""

    def find(self, path: str, value: Any) -> Any:
        """What stands at ``path``; None where nothing does, or where a function of the path refuses the value."""
        try:
            return self.paths[path].search(value)
        except jmespath.exceptions.JMESPathTypeError:
            return None
        except jmespath.exceptions.UnknownFunctionError as error:
            raise RecipeError(f"mapping path {path!r}: {error}; next: mend the path in the mapping file") from None

    def items(self, path: str, value: Any, split: str) -> list[Any]:
        """The items at ``path``; strings are cut by ``split``, and what is empty between two cuts is left out."""
        items = as_items(self.find(path, value))
        if not split:
            return items
        cut = self.splits[split]
        return [part for i in items for part in (filter(str.strip, cut.split(i)) if isinstance(i, str) else [i])]


def load(path: Path) -> Mapping:
    """The compiled mapping of a TOML file.

    Raises RecipeError naming file, line and key of what is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        file = MappingFile.model_validate(tomllib.loads(text))
    except OSError as error:
        raise RecipeError(
            f"{path}: mapping cannot be read ({error.strerror}); next: check ingest.graphs.mapping"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        lines = []
        for e in error.errors(include_url=False):
            dotted = ".".join(str(part) for part in e["loc"])
            lines.append(f"{path}:{find_line(text, e['loc'])}: {dotted}: {e['msg']}; see docs/guides/own-graph.md")
        raise RecipeError("\n".join(lines)) from None
    return _compiled(file, path, text)


def _compiled(file: MappingFile, path: Path, text: str) -> Mapping:
    paths = [
        file.records,
        file.entity.name,
        file.entity.aliases,
        *(r.path for r in file.relation),
        *(t.path for t in file.text),
    ]
    splits = [file.entity.split_aliases, *(r.split for r in file.relation)]
    made: dict[str, Any] = {}
    expressions: dict[str, re.Pattern[str]] = {}
    for expression in filter(None, paths):
        try:
            made[expression] = jmespath.compile(quoted(expression))
        except jmespath.exceptions.JMESPathError as error:
            reason = str(error).splitlines()[0]
            raise RecipeError(
                f"{path}:{_line_of(text, expression)}: path {expression!r} is no JMESPath: {reason}"
            ) from None
    for expression in filter(None, splits):
        try:
            expressions[expression] = re.compile(expression)
        except re.error as error:
            raise RecipeError(f"{path}: split {expression!r} is no regular expression: {error}") from None
    return Mapping(file, made, expressions)


def _line_of(text: str, wanted: str) -> int:
    return next((number for number, line in enumerate(text.splitlines(), 1) if wanted in line), 1)


def quoted(path: str) -> str:
    """A JMESPath whose keys are quoted where need be: unquoted Chinese keys are a LexerError."""
    if not _PLAIN_PATH.fullmatch(path):
        return _TOKEN.sub(lambda m: m["text"] or f'"{m["key"]}"', path)
    return ".".join(f'"{key}"' for key in path.split("."))


def read(path: Path, source: GraphSource, where: Where, used: Mapping) -> Iterator[Draft | Refused | Remark]:
    """What the records of a JSON file say through the mapping."""
    for raw in records(path):
        if (bad := unusable(raw)) is not None:
            yield bad
        if raw.value is None:
            continue
        unfolded = unfold(used, raw.value, raw.place)
        if not unfolded:
            yield Refused(raw.place, "no_records", f"nothing stands at {used.file.records}; expected a list of records")
        for place, value in unfolded:
            yield draft(used, value, place, where, source.evidence)


def unfold(mapping: Mapping, value: Any, place: str) -> list[tuple[str, Any]]:
    """(place, record) of the records in a file's value: itself, or those at ``records``."""
    if not mapping.file.records:
        return [(place, value)]
    return [
        (f"{place}.{number}", item)
        for number, item in enumerate(as_items(mapping.find(mapping.file.records, value)), 1)
    ]


def draft(mapping: Mapping, value: Any, place: str, where: Where, evidence: str = "") -> Draft | Refused:
    """What a record says, or why it cannot be used; ``evidence`` holds where the mapping states none."""
    if not isinstance(value, dict):
        return Refused(place, "not_an_object", f"expected a record, found {type(value).__name__}", str(value)[:80])
    entity = mapping.file.entity
    name = mapping.find(entity.name, value)
    if not isinstance(name, str) or not clean(name):
        keys = "、".join(list(value)[:8])
        return Refused(place, "no_name", f"expected a name at {entity.name}; the keys are {keys}", str(value)[:80])
    if reason := unfit_name(clean(name)):
        return Refused(place, "unfit_name", reason, name[:80])
    made = Draft(entity.kind, clean(name), place, where)
    if entity.aliases:
        take_aliases(made, mapping.items(entity.aliases, value, entity.split_aliases), entity.aliases)
    for relation in mapping.file.relation:
        _take_relation(mapping, made, relation, value, evidence)
    for text in mapping.file.text:
        _take_text(mapping, made, text, value, evidence)
    return made


def _take_relation(mapping: Mapping, made: Draft, relation: RelationMapping, value: Any, evidence: str) -> None:
    items = mapping.items(relation.path, value, relation.split)
    nothing = {clean(word) for word in relation.empty}
    items = ["" if isinstance(item, str) and clean(item) in nothing else item for item in items]
    stated = "claim" if relation.claim else relation.evidence or evidence
    take_values(made, relation.name, items, evidence=stated, claim=relation.claim, label=relation.path)


def _take_text(mapping: Mapping, made: Draft, text: TextMapping, value: Any, evidence: str) -> None:
    items = as_items(mapping.find(text.path, value))
    place = f"{made.place} {text.path}"
    paragraphs = [clean(item) for item in items if isinstance(item, str) and clean(item)]
    if len(paragraphs) < len(items):
        found = next(
            type(i).__name__ if not isinstance(i, str) else "an empty text"
            for i in items
            if not isinstance(i, str) or not clean(i)
        )
        rule = "empty_value" if found == "an empty text" else "not_text"
        made.refused.append(
            Refused(f"{place} (in part)", rule, f"{text.title} of {made.name}: expected text, found {found}")
        )
    if paragraphs:
        title = f"{made.name} {text.title}"
        made.texts.append(Prose(title, "\n".join(paragraphs), text.genre, place, text.evidence or evidence))
