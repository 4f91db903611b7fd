"""What any file holds, without a recipe: kind, counts, lengths, languages, duplicates, encoding, what is wrong."""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huatuo.errors import InputError
from huatuo.files import regular_files
from huatuo.knowledge import cmekg
from huatuo.knowledge.check import check, text_rules
from huatuo.knowledge.documents import files_of
from huatuo.knowledge.entries import Draft, Entry, Refused, Where
from huatuo.progress import Bar, bar
from huatuo.readers.encoding import file_encoding, read_text
from huatuo.readers.jsonfile import records
from huatuo.readers.markup import blocks
from huatuo.store import canonical_json, content_id
from huatuo.text.zh import language

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
"""Endings that are read as JSON; any other file is tried as JSON where it begins with a bracket."""

TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t"}
"""Ending → delimiter of tables."""

SHOWN_FIELDS = 14
"""Fields on the screen; the others are counted."""

SHOWN_RULES = 10
"""Rules on the screen."""

DEPTH = 3
"""Levels of nested objects whose fields are told apart."""

_KINDS = (
    ('knowledge graph, CMeKG records (format = "cmekg")', [{"中心词"}, {"核心词"}]),
    ("exam questions", [{"question", "options"}, {"stem", "options"}, {"question", "option", "answer"}]),
    ("annotated triples", [{"text", "spo_list"}]),
    ("conversations", [{"conversations"}, {"messages"}]),
    (
        "instruction pairs",
        [{"instruction", "output"}, {"question", "answer"}, {"prompt", "response"}, {"context", "target"}],
    ),
)
"""Kind → sets of keys, of which one must be there."""


@dataclass
class Field:
    """The texts under one key of a file's records."""

    lengths: list[int] = field(default_factory=list)
    """Characters of each text."""
    seen: set[str] = field(default_factory=set)
    """Hashes of the texts."""
    other: Counter[str] = field(default_factory=Counter)
    """Type of each value that is no text → count."""

    def line(self, name: str) -> str:
        """One line: texts, characters, repeated texts, values of other types."""
        shown = f"  {name}: "
        if self.lengths:
            low, middle, high = min(self.lengths), statistics.median(self.lengths), max(self.lengths)
            shown += f"{len(self.lengths):,} texts of {low:,} / {middle:,.0f} / {high:,} characters (min/median/max)"
            shown += f", {len(self.lengths) - len(self.seen):,} repeated"
        others = ", ".join(f"{number:,} {kind}" for kind, number in sorted(self.other.items()))
        return shown + (", " if self.lengths and others else "") + others


@dataclass
class Inspection:
    """What was found in a file or folder."""

    path: Path
    """What was looked at."""
    kind: str = ""
    """What it seems to be."""
    next: str = ""
    """How it is used in a recipe."""
    files: int = 1
    """Files that were read."""
    encodings: Counter[str] = field(default_factory=Counter)
    """Encoding → files."""
    records: int = 0
    """Records, rows or documents."""
    duplicates: int = 0
    """Records equal to an earlier one."""
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers of the kind: entities, facts, headings, ..."""
    fields: dict[str, Field] = field(default_factory=dict)
    """Key → its texts."""
    languages: Counter[str] = field(default_factory=Counter)
    """Language of the records → count."""
    findings: Counter[str] = field(default_factory=Counter)
    """Rule → how often."""
    examples: dict[str, str] = field(default_factory=dict)
    """Rule → the first case, with its place."""
    _seen: set[str] = field(default_factory=set)

    def find(self, rule: str, example: str, number: int = 1) -> None:
        """Count a finding."""
        self.findings[rule] += number
        self.examples.setdefault(rule, example)

    def take(self, value: Any, place: str) -> None:
        """Count a record: its fields, its language, whether it was seen before, what is wrong with its characters."""
        self.records += 1
        identity = content_id(canonical_json(value))
        self.duplicates += identity in self._seen
        if identity in self._seen:
            self.find("duplicate_record", place)
        self._seen.add(identity)
        texts = []
        for name, item in _leaves(value):
            found = self.fields.setdefault(name, Field())
            if isinstance(item, str):
                found.lengths.append(len(item))
                found.seen.add(content_id(item))
                texts.append(item)
            else:
                found.other["null" if item is None else type(item).__name__] += 1
        whole = "\n".join(texts)
        self.languages[language(whole)] += 1
        for rule, message in text_rules(whole):
            self.find(rule, f"{place}: {message}")
        if "\ufffd" in whole:
            self.find("broken_character", f"{place}: holds U+FFFD, so bytes were lost before")

    def lines(self) -> Iterator[str]:
        """The result for one screen."""
        yield f"{self.path}: {self.kind}"
        encodings = ", ".join(f"{name} ({number})" for name, number in self.encodings.most_common())
        yield f"{self.files:,} file(s), encoding {encodings or 'unknown'}"
        yield f"{self.records:,} records, {self.duplicates:,} equal to an earlier one"
        if self.counts:
            yield ", ".join(f"{number:,} {name}" for name, number in self.counts.items())
        yield "languages: " + (
            ", ".join(f"{name} {number:,}" for name, number in self.languages.most_common()) or "none"
        )
        for name, found in list(self.fields.items())[:SHOWN_FIELDS]:
            yield found.line(name)
        if len(self.fields) > SHOWN_FIELDS:
            yield f"  and {len(self.fields) - SHOWN_FIELDS:,} more fields"
        yield f"{sum(self.findings.values()):,} findings" + (":" if self.findings else "")
        for rule, number in self.findings.most_common(SHOWN_RULES):
            yield f"  {rule}: {number:,}, for example {' '.join(self.examples[rule].split())[:160]}"
        if self.next:
            yield f"next: {self.next}"


def _leaves(value: Any, prefix: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth:
        for key, item in value.items():
            yield from _leaves(item, f"{prefix}.{key}" if prefix else str(key), depth - 1)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, prefix + "[]" if not prefix.endswith("[]") else prefix, depth)
    else:
        yield prefix or "text", canonical_json(value) if isinstance(value, dict) else value


def inspect(path: Path) -> Inspection:
    """What a file or folder holds. Folders: their JSON files, or else their Markdown and text files.

    Raises InputError where the path is missing, empty, or of a kind that has no reader.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; next: check the path")
    taken, is_json = _choose(path)
    made = Inspection(path, files=len(taken))
    with bar("check") as progress:
        for file, _ in taken:
            if path.is_dir() and file.stat().st_size == 0:
                made.find("empty_file", file.name)
                continue
            made.encodings[file_encoding(file)] += 1
        if is_json:
            _inspect_json(made, [file for file, _ in taken if file.stat().st_size], progress)
        elif taken[0][0].suffix.lower() in TABLE_SUFFIXES:
            _inspect_table(made, taken[0][0], progress)
        else:
            _inspect_texts(made, [file for file, _ in taken if file.stat().st_size], progress)
    return made


def _choose(path: Path) -> tuple[list[tuple[Path, str]], bool]:
    """The files to read, and whether they are JSON."""
    if path.is_dir():
        names = [p.suffix.lower() for _, p in regular_files(path)]
        is_json = any(name in JSON_SUFFIXES for name in names)
        return files_of(path, JSON_SUFFIXES if is_json else (".md", ".markdown", ".txt"))[0], is_json
    if path.suffix.lower() in JSON_SUFFIXES:
        return [(path, path.name)], True
    if path.suffix.lower() in TABLE_SUFFIXES:
        return [(path, path.name)], False
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith((b"%PDF", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"\x89PNG")):
        raise InputError(
            f"{path}: no reader for this kind of file; next: give JSON, JSON Lines, CSV, Markdown or plain text"
        )
    return [(path, path.name)], head[:2] in (b'{"', b"[{", b'["', b"{\n", b"[\n", b"{\r", b"[\r")


# ---------------------------------------------------------------- JSON


def _inspect_json(made: Inspection, files: list[Path], progress: Bar) -> None:
    joined: dict[tuple[str, str], Entry] = {}
    votes: Counter[str] = Counter()
    for file in files:
        where = Where("file", file.name, file.name)
        for raw in records(file):
            progress.advance(note=file.name)
            place = f"{file.name} {raw.place}"
            if raw.problem is not None:
                made.find(raw.problem.rule, f"{place}: {raw.problem.message}")
            if raw.value is None:
                continue
            kind = _kind_of(raw.value)
            votes[kind] += 1
            made.take(raw.value, place)
            if kind.startswith("knowledge graph"):
                _join(made, joined, cmekg.draft(raw.value, raw.place, where))
    made.kind = votes.most_common(1)[0][0] if votes else "JSON without a record that can be read"
    made.next = _advice(made.kind)
    if len(votes) > 1:
        rest = ", ".join(f"{number:,} {kind}" for kind, number in votes.most_common()[1:])
        made.find("mixed_records", f"beside {made.kind}: {rest}", sum(votes.values()) - max(votes.values()))
    if joined:
        entries = [joined[key] for key in sorted(joined)]
        made.counts |= {"entities": len(entries), "facts": sum(len(e.values) for e in entries)}
        made.counts |= {f"of kind {kind}": n for kind, n in Counter(e.kind for e in entries).most_common(5)}
        for found in check(entries):
            made.find(found.rule, f"{found.place}: {found.message}")


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "texts in a list"
    if not isinstance(value, dict):
        return f"JSON values of type {type(value).__name__}"
    keys = set(value)
    for kind, choices in _KINDS:
        if any(choice <= keys for choice in choices):
            return kind
    if any(isinstance(item, dict) for item in value.values()):
        return 'nested records (format = "mapping")'
    return "records"


def _advice(kind: str) -> str:
    if kind.startswith("knowledge graph"):
        return "name it under [[ingest.graphs]]"
    if kind.startswith("nested"):
        return "write a mapping file (docs/examples/xywy.mapping.toml) and name both under [[ingest.graphs]]"
    if kind.startswith(("instruction", "conversations")):
        return "name it under [[unify.imports]]"
    return "name it under [[questions.exams]]" if kind.startswith("exam") else ""


def _join(made: Inspection, joined: dict[tuple[str, str], Entry], draft: Draft | Refused) -> None:
    if isinstance(draft, Refused):
        made.find(draft.rule, f"{draft.place}: {draft.reason}")
        return
    for refused in draft.refused:
        made.find(refused.rule, f"{refused.place}: {refused.reason}")
    identity = content_id(draft.kind, draft.name)
    entry = joined.setdefault((draft.kind, draft.name), Entry(identity, draft.kind, draft.name))
    if entry.origins:
        made.find("entity_twice", f"{draft.place}: {draft.name} was read at {entry.origins[0][1]}")
    entry.origins.append((draft.where, draft.place))
    entry.aliases.extend(alias for alias in draft.aliases if alias not in entry.aliases)
    for value in draft.values:
        if entry.values.setdefault((value.relation, value.text), value) is not value:
            made.find("same_value_twice", f"{value.place}: {draft.name} {value.relation} {value.text}")


# ---------------------------------------------------------------- tables and texts


def _inspect_table(made: Inspection, file: Path, progress: Bar) -> None:
    decoded = read_text(file)
    for problem in decoded.problems:
        made.find(problem.rule, problem.message)
    made.kind = "table"
    delimiter = TABLE_SUFFIXES[file.suffix.lower()]
    rows = _rows(made, io.StringIO(decoded.text.replace("\0", "\ufffd"), newline=""), delimiter)
    header = next(rows, [])
    for number, row in enumerate(rows, 2):
        progress.advance()
        if len(row) != len(header):
            made.find("wrong_number_of_cells", f"row {number}: {len(row)} cells, expected {len(header)}")
        made.take(dict(zip(header, row, strict=False)), f"row {number}")


def _rows(made: Inspection, text: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(text, delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            made.find("bad_row", f"line {reader.line_num}: {error}")


def _inspect_texts(made: Inspection, files: list[Path], progress: Bar) -> None:
    made.kind = "documents" if len(files) > 1 or made.path.is_dir() else "text"
    made.next = "name it under [[ingest.documents]]"
    kinds: Counter[str] = Counter()
    for file in files:
        progress.advance(note=file.name)
        decoded = read_text(file)
        for problem in decoded.problems:
            made.find(problem.rule, f"{file.name}: {problem.message}")
        kinds.update(block.kind for block in blocks(decoded.text, markdown=file.suffix.lower() != ".txt"))
        made.take({"text": decoded.text}, file.name)
    made.counts |= {f"{kind}s": number for kind, number in kinds.most_common()}
