"""The line on a finished stage, in the words of its reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe(manifest: Any, skipped: bool = False) -> str:
    """One line on a finished stage: what it made, what it dropped and left, its CPU-seconds."""
    parts = [_made(manifest)]
    for word, counts in (("dropped", manifest.dropped), ("left", manifest.left)):
        if counts:
            parts.append(f"{word} " + ", ".join(f"{n:,} {rule}" for rule, n in counts.items()))
    parts += _without_pair(manifest.figures)
    state = "finished before" if skipped else f"{manifest.cpu_seconds:.1f} CPU-s"
    return f"{manifest.stage:<10} {'; '.join(parts)} ({state})"


def _without_pair(figures: Mapping[str, float | None]) -> list[str]:
    """The replies of a teacher that no pair could be read from, by reason; nothing where there are none."""
    total, word = figures.get("replies without a pair"), "replies without a pair"
    if not total:
        return []
    reasons = {n.removeprefix(f"{word}: "): v or 0 for n, v in figures.items() if n.startswith(f"{word}: ")}
    said = ", ".join(f"{number:,.0f} {reason}" for reason, number in reasons.items())
    return [f"{total:,.0f} of {figures['replies']:,.0f} {word} ({said})"]


def _made(manifest: Any) -> str:
    """What a stage made, in the words of its reader."""
    files = {entry.name for entry in manifest.files}
    if "empty.json" in files:
        return "nothing to do: the recipe names nothing for it"
    if manifest.stage == "tokenise":
        samples, tokens = manifest.figures["samples"], manifest.figures["tokens"]
        return f"{samples:,.0f} samples, {tokens:,.0f} tokens"
    if "report.html" in files:
        return "report.html, tables and cards"
    if "funnel.json" in files:
        return f"{manifest.kept:,} of {sum(table.rows for table in manifest.tables.values()):,} kept"
    nouns = {"order": "places in the order"}
    tables = ((nouns.get(name, name), table.rows) for name, table in manifest.tables.items() if name != "dropped")
    return ", ".join(f"{rows:,} {name}" for name, rows in tables)
