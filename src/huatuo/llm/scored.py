"""The scores in a reply of a model that judges: one JSON object with whole numbers, or why there are none."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

_OBJECT = re.compile(r"\{[^{}]*\}")


class Scored(NamedTuple):
    """What was read out of a reply."""

    values: dict[str, int] | None
    """Scores by aspect, all of them; None where one is missing."""
    unscored: str
    """Why there are none; else empty."""


def read_scores(text: str, allowed: Mapping[str, Collection[int]]) -> Scored:
    """The score of every aspect in ``allowed``: one JSON object in the reply, alone or inside other words.

    Nothing is guessed: two objects, a key that stands twice, and a number that is not allowed are no scores.
    """
    found = _OBJECT.findall(text)
    if len(found) != 1:
        return Scored(None, f"{len(found)} JSON objects in the reply; expected one: {text[:60]!r}")
    try:
        data = json.loads(found[0], object_pairs_hook=list)
    except json.JSONDecodeError as error:
        return Scored(None, f"not JSON: {error.msg}: {found[0][:60]!r}")
    if len({key for key, _ in data}) != len(data):
        return Scored(None, f"a key stands twice: {found[0][:60]!r}")
    given = dict(data)
    values = {}
    for aspect, scale in allowed.items():
        value = given.get(aspect)
        if not isinstance(value, int) or isinstance(value, bool) or value not in scale:
            return Scored(None, f"{aspect} is {value!r}; expected a whole number from {min(scale)} to {max(scale)}")
        values[aspect] = value
    return Scored(values, "")
