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
from huatuo.knowledge.check import RULES, text_rules
from huatuo.knowledge.documents import WHOLE, files_of, read_file
from huatuo.knowledge.entries import Refused
from huatuo.knowledge.look import GRAPH, look, of_file, of_record
from huatuo.progress import Bar, bar
from huatuo.readers.encoding import file_encoding, read_text
from huatuo.readers.files import SUFFIXES, kind_of
from huatuo.readers.jsonfile import records
from huatuo.readers.markup import blocks
from huatuo.recipe import DocumentSource, GraphSource
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

SHOWN_LINES = 6
"""Lines of the first document on the screen."""

DEPTH = 3
"""Levels of nested objects whose fields are told apart."""

_KINDS = (
    ("exam questions", [{"question", "options"}, {"stem", "options"}, {"question", "option", "answer"}]),
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
    begins: str = ""
    """Text of the first document, as it was read."""
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
    every: list[tuple[str, str]] = field(default_factory=list)
    """(rule, case) of each finding, in their order."""
    _seen: set[str] = field(default_factory=set)

    def find(self, rule: str, example: str, number: int = 1) -> None:
        """Count a finding."""
        self.findings[rule] += number
        self.examples.setdefault(rule, example)
        self.every.append((rule, example))

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

    def lines(self, every: bool = False) -> Iterator[str]:
        """The result for one screen; with ``every``, each finding instead of one example per rule."""
        yield f"{self.path}: {self.kind}"
        encodings = ", ".join(f"{name} ({number})" for name, number in self.encodings.most_common())
        yield f"{self.files:,} file(s)" + (f", encoding {encodings}" if encodings else "")
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
        for line in [line for line in self.begins.splitlines() if line.strip()][:SHOWN_LINES]:
            yield f"  | {line[:110]}"
        yield f"{sum(self.findings.values()):,} findings" + (":" if self.findings else "")
        yield from self._every() if every else self._examples()
        if self.next:
            yield f"next: {self.next}"

    def _examples(self) -> Iterator[str]:
        for rule, number in self.findings.most_common(SHOWN_RULES):
            shown = " ".join(self.examples[rule].split())[:160]
            yield f"  {severity_of(rule)} {rule}: {number:,}, for example {shown}"
        if len(self.findings) > SHOWN_RULES:
            yield f"  and {len(self.findings) - SHOWN_RULES:,} more rules"
        if len(self.every) > min(len(self.findings), SHOWN_RULES):
            yield f"  all of them: huatuo check {self.path} --all"

    def _every(self) -> Iterator[str]:
        for rule, case in self.every:
            yield f"  {severity_of(rule)} {rule}: {' '.join(case.split())}"


def severity_of(rule: str) -> str:
    """``note``, ``warning`` or ``error``: as in ingest, where what a reader finds is a warning."""
    return RULES[rule].severity if rule in RULES else "note" if rule == "same_value_twice" else "warning"


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
    """What a file or folder holds. Folders: their JSON files, or else their documents.

    Raises InputError where the path is missing, empty, or of a kind that has no reader.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; next: check the path")
    if graph := of_file(path):
        made = Inspection(path)
        _inspect_graph(made, graph)
        return made
    taken, is_json = _choose(path)
    made = Inspection(path, files=len(taken))
    with bar("check") as progress:
        for file, _ in taken:
            if path.is_dir() and file.stat().st_size == 0:
                made.find("empty_file", file.name)
            elif is_json or file.suffix.lower() in TABLE_SUFFIXES:
                made.encodings[file_encoding(file)] += 1
        if is_json:
            _inspect_json(made, [file for file, _ in taken if file.stat().st_size], progress)
        elif taken[0][0].suffix.lower() in TABLE_SUFFIXES:
            _inspect_table(made, taken[0][0], progress)
        else:
            _inspect_documents(made, [file for file, _ in taken if file.stat().st_size], progress)
    return made


def _choose(path: Path) -> tuple[list[tuple[Path, str]], bool]:
    """The files to read, and whether they are JSON."""
    if path.is_dir():
        names = [p.suffix.lower() for _, p in regular_files(path)]
        is_json = any(name in JSON_SUFFIXES for name in names)
        return files_of(path, JSON_SUFFIXES if is_json else tuple(SUFFIXES))[0], is_json
    if path.suffix.lower() in JSON_SUFFIXES:
        return [(path, path.name)], True
    if path.suffix.lower() in TABLE_SUFFIXES:
        return [(path, path.name)], False
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if SUFFIXES.get(path.suffix.lower(), "text") != "text":
        return [(path, path.name)], False
    return [(path, path.name)], head[:2] in (b'{"', b"[{", b'["', b"{\n", b"[\n", b"{\r", b"[\r")


# ---------------------------------------------------------------- JSON


def _inspect_json(made: Inspection, files: list[Path], progress: Bar) -> None:
    votes: Counter[str] = Counter()
    problems: list[tuple[str, str]] = []
    for file in files:
        for raw in records(file):
            progress.advance(note=file.name)
            place = f"{file.name} {raw.place}"
            if raw.problem is not None:
                problems.append((raw.problem.rule, f"{place}: {raw.problem.message}"))
            if raw.value is not None:
                votes[_kind_of(raw.value)] += 1
                made.take(raw.value, place)
    made.kind = votes.most_common(1)[0][0] if votes else "JSON without a record that can be read"
    made.next = _advice(made.kind)
    if len(votes) > 1:
        rest = ", ".join(f"{number:,} {kind}" for kind, number in votes.most_common()[1:])
        made.find("mixed_records", f"beside {made.kind}: {rest}", sum(votes.values()) - max(votes.values()))
    if made.kind.startswith(GRAPH):
        source = GraphSource(name="file", path=made.path, format=made.kind.split('"')[1])
        made.counts |= look(source, made.find)
    else:
        for rule, example in problems:
            made.find(rule, example)


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "texts in a list"
    if not isinstance(value, dict):
        return f"JSON values of type {type(value).__name__}"
    if form := of_record(value):
        return f'{GRAPH} (format = "{form}")'
    keys = set(value)
    for kind, choices in _KINDS:
        if any(choice <= keys for choice in choices):
            return kind
    if any(isinstance(item, dict) for item in value.values()):
        return 'nested records (format = "mapping")'
    return "records"


def _advice(kind: str) -> str:
    if kind.startswith(GRAPH):
        return f"name it under [[ingest.graphs]] with {kind.partition('(')[2].rstrip(')')}"
    if kind.startswith("nested"):
        return "write a mapping file (docs/examples/xywy.mapping.toml) and name both under [[ingest.graphs]]"
    if kind.startswith(("instruction", "conversations")):
        return "name it under [[unify.imports]]"
    if kind == "texts in a list":
        return "name it under [[ingest.documents]]"
    return "name it under [[questions.exams]]" if kind.startswith("exam") else ""


def _inspect_graph(made: Inspection, source: GraphSource) -> None:
    """A graph that is no JSON, told by its ending or header."""
    made.kind = f'{GRAPH} (format = "{source.format}")'
    made.next = f'name it under [[ingest.graphs]] with format = "{source.format}"'
    made.counts |= look(source, made.find)
    made.records = made.counts["entities"]


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


def _inspect_documents(made: Inspection, files: list[Path], progress: Bar) -> None:
    made.kind = "documents" if len(files) > 1 or made.path.is_dir() else "document"
    made.next = "name it under [[ingest.documents]]"
    source = DocumentSource(name="file", path=made.path)
    kinds: Counter[str] = Counter()
    for file in files:
        progress.advance(note=file.name)
        kind = kind_of(file)
        if isinstance(kind, str):
            made.encodings.update([file_encoding(file)] if kind in ("text", "markdown", "html", "xml") else [])
            kinds.update([] if kind in ("text", "markdown") else [f"{kind} file"])
        for _, place, document, problems in read_file(file, file.name, source):
            at = file.name if place == WHOLE else f"{file.name} {place}"
            for problem in problems:
                made.find(problem.rule, f"{at}: {problem.message}")
            if isinstance(document, Refused):
                if files == [made.path] and place == WHOLE:
                    raise InputError(f"{file}: {document.reason}")
                made.find(document.rule, f"{at}: {document.reason}")
                continue
            kinds.update(block.kind for block in blocks(document.text))
            kinds.update(mark.label.split(" ")[0] for mark in document.marks if not mark.label.startswith("line"))
            made.begins = made.begins or document.text
            made.take({"text": document.text}, at)
    made.counts |= {f"{kind}s": number for kind, number in kinds.most_common()}
