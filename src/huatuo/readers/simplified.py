"""Traditional Chinese becomes Simplified, with medical words as they are written today."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from huatuo.errors import require
from huatuo.records import Mark

WORDS = (
    (re.compile("(?<=黄)耆"), "芪"),
    (re.compile("欝"), "郁"),
    (re.compile("(?<=[附粘黏沉固吸])著|著(?=[色床])"), "着"),
)
"""What OpenCC's t2s leaves as it is → the character of today's medical words. Lengths stay, so that positions hold."""


@lru_cache(maxsize=1)
def _converter() -> Any:
    return require("opencc", "docs").OpenCC("t2s")


def simplified(text: str) -> str:
    """The text in Simplified Chinese (OpenCC t2s, then `WORDS`)."""
    made: str = _converter().convert(text)
    for left, today in WORDS:
        made = left.sub(today, made)
    return made


def simplified_with_marks(text: str, marks: Sequence[Mark]) -> tuple[str, tuple[Mark, ...]]:
    """The text in Simplified Chinese, and its marks where they are now."""
    made = simplified(text)
    if len(made) == len(text):
        return made, tuple(marks)
    edges = [0, *(mark.start for mark in marks), len(text)]
    parts = [simplified(text[start:end]) for start, end in itertools.pairwise(edges)]
    starts = [sum(map(len, parts[: i + 1])) for i in range(len(marks))]
    moved = tuple(mark.model_copy(update={"start": start}) for mark, start in zip(marks, starts, strict=True))
    return "".join(parts), moved
