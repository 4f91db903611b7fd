"""Pairs in the formats that other programs read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from huatuo.errors import DataError, RecipeError, require
from huatuo.records import Pair
from huatuo.store import read, verify, write_atomic
from huatuo.text.cells import CELL_CHARS, SHEET_ROWS, safe_cell

Format = Literal["alpaca", "sharegpt", "messages", "csv", "xlsx"]
FORMATS: tuple[str, ...] = ("alpaca", "sharegpt", "messages", "csv", "xlsx")
"""Names of the formats."""

COLUMNS = (
    "id",
    "source",
    "split",
    "shape",
    "language",
    "question",
    "answer",
    "turns",
    "entities",
    "parents",
    "flags",
    "made_by",
)
"""Columns of a sheet; ``turns`` holds the turns before the last question as JSON."""


def export(pairs: Path, out_folder: Path, format: str) -> list[Path]:
    """The files written: one per split, and ``dataset_info.json`` for LLaMA-Factory beside the JSON formats.

    Raises RecipeError for an unknown format, DataError where the pairs do not fit the format or there are none,
    MissingExtraError where XlsxWriter is not installed.
    """
    if format not in FORMATS:
        raise RecipeError(f"no export format {format!r} (known: {', '.join(FORMATS)}); next: give one of these")
    verify(pairs)  # before anything is made
    out_folder.mkdir(parents=True, exist_ok=True)
    if format == "xlsx":
        return _write_xlsx(pairs, out_folder)
    if format == "csv":
        return _write_csv(pairs, out_folder)
    return _write_json(pairs, out_folder, format)


def _some(written: list[Path], pairs: Path) -> list[Path]:
    if not written:
        raise DataError(f"{pairs}: holds no pairs; expected at least one; next: run the stage unify")
    return written


# ---------------------------------------------------------------- JSON Lines


def as_alpaca(pair: Pair) -> dict[str, Any]:
    """``{instruction, input, output, history, system}``; earlier turns are the history."""
    system = pair.messages[0].content if pair.messages[0].role == "system" else ""
    spoken = [m.content for m in pair.messages if m.role != "system"]
    history = [[question, answer] for question, answer in zip(spoken[:-2:2], spoken[1:-2:2], strict=True)]
    return {"instruction": spoken[-2], "input": "", "output": spoken[-1], "history": history, "system": system}


def as_sharegpt(pair: Pair) -> dict[str, Any]:
    """``{conversations: [{from, value}], system}``."""
    system = pair.messages[0].content if pair.messages[0].role == "system" else ""
    names = {"user": "human", "assistant": "gpt"}
    turns = [{"from": names[m.role], "value": m.content} for m in pair.messages if m.role != "system"]
    return {"conversations": turns, "system": system}


def as_messages(pair: Pair) -> dict[str, Any]:
    """``{messages: [{role, content}]}``."""
    return {"messages": [{"role": m.role, "content": m.content} for m in pair.messages]}


_SHAPES: dict[str, Callable[[Pair], dict[str, Any]]] = {
    "alpaca": as_alpaca,
    "sharegpt": as_sharegpt,
    "messages": as_messages,
}


def _facts_of(pair: Pair) -> dict[str, Any]:
    """Where a pair comes from: carried along in every JSON record."""
    return {
        "id": pair.id,
        "source": pair.source,
        "shape": pair.shape,
        "facts": list(pair.parents),
        "entities": list(pair.entities),
        "flags": list(pair.flags),
    }


def _write_json(pairs: Path, folder: Path, format: str) -> list[Path]:
    written: dict[str, Path] = {}
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for pair in read(pairs, "pairs", Pair):
            if pair.split not in files:
                written[pair.split] = folder / f"{format}_{pair.split}.jsonl"
                files[pair.split] = stack.enter_context(written[pair.split].open("w", encoding="utf-8", newline="\n"))
            row = _SHAPES[format](pair) | _facts_of(pair)
            files[pair.split].write(json.dumps(row, ensure_ascii=False) + "\n")
    paths = _some([written[split] for split in sorted(written)], pairs)
    info = {f"huatuo_{split}": dataset_info(written[split].name, format) for split in sorted(written)}
    write_atomic(folder / "dataset_info.json", json.dumps(info, ensure_ascii=False, indent=1) + "\n")
    return [*paths, folder / "dataset_info.json"]


def dataset_info(file_name: str, format: str) -> dict[str, Any]:
    """One entry of LLaMA-Factory's ``dataset_info.json`` (its ``data/README.md``)."""
    if format == "alpaca":
        columns = {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        }
        return {"file_name": file_name, "columns": columns}
    if format == "sharegpt":
        return {
            "file_name": file_name,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system"},
        }
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    return {"file_name": file_name, "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}


# ---------------------------------------------------------------- sheets


def _row(pair: Pair) -> list[str]:
    earlier = [{"role": m.role, "content": m.content} for m in pair.messages[:-2]]
    cells = (
        pair.id,
        pair.source,
        pair.split,
        pair.shape,
        pair.language,
        pair.messages[-2].content,
        pair.messages[-1].content,
        json.dumps(earlier, ensure_ascii=False) if earlier else "",
        "、".join(pair.entities),
        " ".join(pair.parents),
        " ".join(pair.flags),
        " ".join(part for part in (pair.provenance.by, pair.provenance.model) if part),
    )
    return [safe_cell(cell) for cell in cells]


def _rows(pairs: Path) -> Iterator[list[str]]:
    return (_row(pair) for pair in read(pairs, "pairs", Pair))


def _write_csv(pairs: Path, folder: Path) -> list[Path]:
    path, count = folder / "pairs.csv", 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in _rows(pairs):
            writer.writerow(row)
            count += 1
    return _some([path] if count else [], pairs)


def _write_xlsx(pairs: Path, folder: Path) -> list[Path]:
    xlsxwriter = require("xlsxwriter", "docs")
    path, count = folder / "pairs.xlsx", 0
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "constant_memory": True,
    }
    book = xlsxwriter.Workbook(str(path), options)
    try:
        sheet = book.add_worksheet("pairs")
        sheet.write_row(0, 0, COLUMNS)
        for count, row in enumerate(_rows(pairs), 1):
            if count >= SHEET_ROWS:
                raise DataError(
                    f"{path}: more than {SHEET_ROWS - 1:,} pairs do not fit a sheet; next: export csv instead"
                )
            wide = next((name for name, cell in zip(COLUMNS, row, strict=True) if len(cell) > CELL_CHARS), "")
            if wide:
                raise DataError(
                    f"{path}: {wide} of pair {row[0]} is longer than the {CELL_CHARS:,} characters of a cell; "
                    "next: export csv or messages instead"
                )
            for column, cell in enumerate(row):
                sheet.write_string(count, column, cell)
    finally:
        book.close()
    return _some([path] if count else [], pairs)
