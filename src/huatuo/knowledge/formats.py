"""Which reader takes a graph: the recipe's format, and the ending of each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from huatuo.errors import InputError, RecipeError
from huatuo.knowledge import cmekg, mapping, neo4j, rdf, rows, tables, triples
from huatuo.knowledge.documents import files_of, no_reader
from huatuo.knowledge.entries import Draft, Refused, Remark, Where
from huatuo.recipe import GraphSource

Item = Draft | Refused | Remark
Read = Callable[[Path, GraphSource, Where], Iterator[Item]]

JSON = (".json", ".jsonl", ".ndjson")

BLANK_BYTES = 1 << 16
"""Bytes up to which a file is looked at for being blank."""

SUFFIXES: dict[str, tuple[str, ...]] = {
    "cmekg": JSON,
    "mapping": JSON,
    "triples": (*JSON, *rows.SUFFIXES),
    "table": rows.SUFFIXES,
    "rdf": tuple(rdf.SUFFIXES),
    "neo4j": (*JSON, ".csv", ".tsv"),
}
"""Format → endings of the files that are read from a folder; a file named in the recipe is read whatever its ending."""

ROLES: dict[str, frozenset[str]] = {
    "triples": frozenset(triples.ROLES),
    "table": frozenset(tables.ROLES),
    "neo4j": frozenset({"name", "aliases"}),
    "rdf": frozenset({"name", "aliases"}),
}
"""Format → roles that ``columns`` may name; other formats have none."""


def check_source(source: GraphSource) -> None:
    """Nothing, if the settings of a graph fit together; else RecipeError naming the graph and the key."""
    where = f"[[ingest.graphs]] {source.name}"
    if (source.format == "mapping") != (source.mapping is not None):
        needs = (
            "needs a mapping file" if source.mapping is None else f"takes no mapping with format = {source.format!r}"
        )
        raise RecipeError(f'{where}: {needs}; next: set format = "mapping" and mapping together')
    known = ROLES.get(source.format, frozenset())
    for role in source.columns:
        if role not in known:
            roles = ", ".join(sorted(known)) or "none"
            raise RecipeError(f"{where}: columns names {role!r}; format {source.format!r} knows: {roles}")
    if source.split and source.format != "table":
        raise RecipeError(f'{where}: split is for format = "table"; next: remove it, or split in a mapping file')
    tables.compiled_split(source)
    numbered = [role for role, column in source.columns.items() if column.isdigit()]
    if source.format == "triples" and numbered and len(numbered) < len(source.columns):
        raise RecipeError(f"{where}: columns mixes numbers and names; a file has a header or it has none")


def files(source: GraphSource) -> list[Path]:
    """The files of a graph that its format reads."""
    return [path for path, _ in files_of(source.path, SUFFIXES[source.format])[0]]


def is_blank(path: Path) -> bool:
    """Whether a file holds nothing but blanks and a byte order mark; one of more than `BLANK_BYTES` holds more."""
    return path.stat().st_size <= BLANK_BYTES and not path.read_bytes().strip(b"\xef\xbb\xbf \t\r\n")


def read(source: GraphSource, mappings: dict[str, mapping.Mapping]) -> Iterator[tuple[Where, Item]]:
    """(file, what it says or what is wrong) of a graph, file by file in the order of their names.

    Raises InputError where the path is missing, holds nothing to read, or a file is damaged as a whole.
    """
    if not source.path.exists():
        raise InputError(f"{source.path}: no such file or folder (source {source.name!r}); next: check the path")
    suffixes = SUFFIXES[source.format]
    found, others = files_of(source.path, suffixes)
    taken = []
    blank = [is_blank(path) for path, _ in found]
    for (path, within), holds_nothing in zip(found, blank, strict=True):
        where = Where(source.name, path.name, within)
        if source.path.is_dir() and (path.stat().st_size == 0 or (holds_nothing and not all(blank))):
            yield where, Refused("whole file", "empty_file", "the file is empty; expected records")
        else:
            taken.append((path, where))
    if source.format == "neo4j" and taken:
        yield from neo4j.read(taken, source)
    else:
        for path, where in taken:
            for item in _reader(source, mappings, path)(path, source, where):
                yield where, item
    for within in others:
        yield Where(source.name, Path(within).name, within), no_reader(within, suffixes)


def _reader(source: GraphSource, mappings: dict[str, mapping.Mapping], path: Path) -> Read:
    if source.format == "mapping":
        used = mappings[source.name]
        return lambda file, graph, where: mapping.read(file, graph, where, used)
    if source.format == "triples":
        return triples.read_table if path.suffix.lower() in rows.SUFFIXES else triples.read_json
    return {"cmekg": cmekg.read, "table": tables.read, "rdf": rdf.read}[source.format]
