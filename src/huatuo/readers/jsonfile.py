"""The records of a JSON file, whatever it calls itself: JSON Lines, an array, an object of records, one object.

A record that cannot be used is one `Raw` with a problem; the others are read all the same.

| problem | meaning |
|---|---|
| `bad_json` | not valid JSON, or cut off |
| `duplicate_key` | one object has the same key twice: which value is meant cannot be known |
| `not_finite` | NaN, Infinity, or a number too large for a float |
| `lone_surrogate` | half of a surrogate pair, which no text file can hold |
| `too_deep` | nested deeper than the reader goes |
| `line_too_long`, `undecodable_bytes`, `mixed_encodings`, `nul_bytes` | see `huatuo.readers.encoding` |
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huatuo.errors import InputError
from huatuo.readers.encoding import Problem, read_lines, read_text

PEEKED_LINES = 20
"""Lines looked at to tell JSON Lines from pretty-printed JSON."""

_BLANK = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]|"', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Raw:
    """One record of a file before anything is made of it."""

    place: str
    """``line 12``, ``record 7``; for an object of records its key: ``record 0``."""
    value: Any
    """The JSON value, or None where it cannot be used."""
    problem: Problem | None = None
    """What is wrong; with a value, the value can be used all the same."""
    excerpt: str = ""
    """Beginning of the source text where there is no value."""


class _Refused(ValueError):
    def __init__(self, rule: str, message: str):
        super().__init__(message)
        self.rule = rule


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused("duplicate_key", f"the key {twice!r} stands twice in one object; expected each key once")
    return found


def _constant(name: str) -> Any:
    raise _Refused("not_finite", f"{name} is no JSON number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused("not_finite", f"{text} is too large for a number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def _parse_at(text: str, start: int) -> tuple[Any, int, Problem | None]:
    """(value, end, problem) of the JSON value at ``start``; the end is ``start`` where there is a problem."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if _SURROGATE.search(text, start, end):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        return None, start, Problem("bad_json", f"not valid JSON: {error.msg} at character {error.pos - start + 1}")
    except _Refused as error:
        return None, start, Problem(error.rule, str(error))
    except UnicodeEncodeError:
        return (
            None,
            start,
            Problem("lone_surrogate", "half of a surrogate pair (\\ud800–\\udfff); expected both halves"),
        )
    except RecursionError:
        return None, start, Problem("too_deep", "nested too deeply to be a record")
    except ValueError as error:  # an integer of more than 4,300 digits
        return None, start, Problem("bad_json", f"not valid JSON: {error}")
    return value, end, None


def parse(text: str) -> tuple[Any, Problem | None]:
    """(value, None) of a text that is one JSON value, else (None, problem)."""
    start = _blank_end(text, 0)
    value, end, problem = _parse_at(text, start)
    if problem is None and _blank_end(text, end) != len(text):
        rest = text[end : end + 20].strip()
        return None, Problem("bad_json", f"not valid JSON: more text after the value at character {end + 1}: {rest!r}")
    return value, problem


def _blank_end(text: str, start: int) -> int:
    match = _BLANK.match(text, start)
    return match.end() if match else start


def records(path: Path) -> Iterator[Raw]:
    """The records of a JSON file, one by one.

    JSON Lines are streamed; an array and an object of records (all keys numbers: ``{"0": {...}, "1": {...}}``) are
    decoded one record at a time from the file's text; any other object is one record.
    Raises InputError, at once, where the file is missing, a folder, empty, holds only blanks, or cannot be read.
    """
    head: list[str] = []
    for _, line, problems in read_lines(path):
        if line.strip() or problems:
            head.append(line)
        if len(head) == PEEKED_LINES:
            break
    if not head:
        raise InputError(f"{path}: holds only blank lines; expected JSON; next: check how the file was made")
    return _line_records(path) if is_json_lines(head) else _document_records(path)


def is_json_lines(head: list[str]) -> bool:
    """Whether the first lines that are not blank belong to JSON Lines and not to one JSON document."""
    first = head[0].strip()
    if len(head) == 1:
        return first[:1] not in ("[", "{", "")
    if first and parse(first)[1] is None:
        return True
    if first[:1] == "[":
        return False
    # pretty-printed JSON is indented; lines of records begin with the brace
    return sum(line.startswith(("{", "[")) for line in head) * 2 > len(head)


def _line_records(path: Path) -> Iterator[Raw]:
    for number, line, problems in read_lines(path):
        place, lost = f"line {number}", next((p for p in problems if p.rule == "line_too_long"), None)
        if lost is not None:
            yield Raw(place, None, lost)
        elif line.strip():
            value, problem = parse(line)
            yield Raw(place, value, problem or (problems[0] if problems else None), line[:80] if problem else "")


def _document_records(path: Path) -> Iterator[Raw]:
    decoded = read_text(path)
    text = decoded.text
    start = _blank_end(text, 0)
    broken = next((p for p in decoded.problems if p.rule == "undecodable_bytes"), None)
    mixed = next((p for p in decoded.problems if p.rule == "mixed_encodings"), None)
    if mixed is not None:
        found = _members(text, start, broken)
        first = next(found, None)
        if first is not None:
            yield replace(first, problem=first.problem or mixed)
        yield from found
    else:
        yield from _members(text, start, broken)


def _members(text: str, start: int, broken: Problem | None) -> Iterator[Raw]:
    if text[start : start + 1] == "[":
        yield from _elements(text, start + 1, "]", broken)
    elif re.compile(r'\{[ \t\r\n]*"\d+"[ \t\r\n]*:[ \t\r\n]*\{').match(text, start):
        yield from _elements(text, start + 1, "}", broken)
    else:
        value, problem = parse(text)
        yield Raw("record 1", value, problem or broken, text[start : start + 80] if problem else "")


def _elements(text: str, at: int, closing: str, broken: Problem | None) -> Iterator[Raw]:
    """The members of an array or of an object of records; a bad member is skipped up to the next comma."""
    number, seen = 0, set[str]()
    at = _blank_end(text, at)
    while at < len(text) and text[at] != closing:
        number += 1
        place, begin = f"record {number}", at
        problem: Problem | None = None
        if closing == "}":
            key, at, problem = _key(text, at)
            place = f"record {key}"
            if problem is None and key in seen:
                problem = Problem("duplicate_key", f"the key {key!r} stands twice; expected each key once")
            seen.add(key)
        value = None
        if problem is None:
            value, end, problem = _parse_at(text, at)
            after = _blank_end(text, end)
            if problem is None and text[after : after + 1] not in (",", closing):
                problem = Problem("bad_json", f"not valid JSON: expected a comma or {closing} after {place}")
        if problem is not None:
            value, after = None, _skip(text, begin)
        if problem is None and broken is not None and "\ufffd" in text[begin:after]:
            problem = broken
        yield Raw(place, value, problem, text[begin : begin + 80] if value is None else "")
        at = _blank_end(text, after + 1) if text[after : after + 1] == "," else after
    yield from _ending(text, at, closing)


def _ending(text: str, at: int, closing: str) -> Iterator[Raw]:
    """A last Raw where the document is cut off, or goes on after its end."""
    if at >= len(text):
        yield Raw("end", None, Problem("bad_json", f"the file is cut off: expected {closing} at its end"))
    elif _blank_end(text, at + 1) < len(text):
        rest = text[at + 1 :].strip()[:80]
        yield Raw("end", None, Problem("bad_json", f"more text after the closing {closing}"), rest)


def _key(text: str, at: int) -> tuple[str, int, Problem | None]:
    value, end, problem = _parse_at(text, at)
    colon = _blank_end(text, end)
    if problem is not None or not isinstance(value, str) or text[colon : colon + 1] != ":":
        return "?", at, problem or Problem("bad_json", "not valid JSON: expected a key in quotes and a colon")
    return value, _blank_end(text, colon + 1), None


def _skip(text: str, at: int) -> int:
    """Where the member at ``at`` ends: the comma or closing bracket on its own level, or the end of the text."""
    depth = 0
    for token in _TOKEN.finditer(text, at):
        mark = token.group()
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            if depth == 0:
                return token.start()
            depth -= 1
        elif mark == "," and depth == 0:
            return token.start()
    return len(text)
