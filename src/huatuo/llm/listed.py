"""The list of JSON objects in a model's reply, or the reason why there is none. Nothing is guessed.

Tried in order: JSON as asked, JSON in a fence, JSON among other words, whole objects of broken JSON. What is read out
of broken JSON must stand literally in the reply: repair tools turn ``{"剂量": 0.5 g}`` into 0.5 unasked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.DOTALL)
_STRING = r'"(?:[^"\\]|\\.)*"'
_PAIR = rf"{_STRING}\s*:\s*{_STRING}"
_FLAT = re.compile(rf"\{{\s*({_PAIR}(?:\s*,\s*{_PAIR})*)\s*(?:,\s*)?\}}", re.DOTALL)
_MEMBER = re.compile(rf"({_STRING})\s*:\s*({_STRING})", re.DOTALL)
_MARKS = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


class Listed(NamedTuple):
    """What a reply held."""

    items: tuple[Any, ...]
    """The items of the list, as JSON gives them."""
    how: str
    """``json``, ``fenced``, ``inside``, ``repaired``; empty where nothing could be read."""
    reason: str = ""
    """What could not be read: of the whole reply where ``how`` is empty, of a part of it otherwise."""


def read_list(text: str, keys: Sequence[str]) -> Listed:
    """The list that a reply is, or holds under one of the ``keys``; an object without them is a list of one."""
    text = text.strip().removeprefix("\ufeff")
    if not text:
        return Listed((), "", "the reply is empty")
    reason = ""
    for how, body in [("json", text)] + [("fenced", item) for item in _FENCE.findall(text)]:
        value, problem = _decode(body.strip())
        if problem:
            reason = reason or problem
            continue
        items = _items(value, keys)
        if items is not None:
            return Listed(items, how)
        return Listed((), "", f"JSON of type {type(value).__name__}; expected a list of objects")
    if inside := _inside(text, keys):
        return Listed(inside, "inside")
    repaired = _whole_objects(text)
    if repaired:
        return Listed(repaired, "repaired", f"broken JSON, whole objects kept ({reason})")
    return Listed((), "", reason)


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError("a JSON object names a key twice")
    return found


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_unique)


def _decode(body: str) -> tuple[Any, str]:
    try:
        return _DECODER.decode(body), ""
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.pos}"
    except (_DuplicateKeyError, RecursionError) as error:
        return None, f"not usable JSON: {error}"


def _items(value: Any, keys: Sequence[str]) -> tuple[Any, ...] | None:
    if isinstance(value, dict):
        value = next((value[key] for key in keys if isinstance(value.get(key), list)), [value])
    return tuple(value) if isinstance(value, list) else None


def _inside(text: str, keys: Sequence[str]) -> tuple[Any, ...]:
    """The objects of the first JSON value among other words; none where that is no object and no list of objects."""
    begin = re.search(r"[\[{]", text)
    if not begin:
        return ()
    try:
        value, _ = _DECODER.raw_decode(text, begin.start())
    except (json.JSONDecodeError, _DuplicateKeyError, RecursionError):
        return ()
    items = _items(value, keys) or ()
    return items if all(isinstance(item, dict) for item in items) else ()


def _whole_objects(text: str) -> tuple[dict[str, str], ...]:
    """Whole objects of texts alone; one that writes a character by its number or a key twice is none."""
    found = []
    for body in _FLAT.findall(text):
        members = [(_unescape(key[1:-1]), _unescape(value[1:-1])) for key, value in _MEMBER.findall(body)]
        if "\\u" not in body and len({key for key, _ in members}) == len(members):
            found.append(dict(members))
    return tuple(found)


def _unescape(raw: str) -> str:
    return re.sub(r"\\(.)", lambda match: _MARKS.get(match[1], match[0]), raw, flags=re.DOTALL)
