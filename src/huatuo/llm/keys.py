"""Keys of endpoints: read from the environment, and taken out of whatever a server says before anything sees it."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from functools import lru_cache

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
"""Names of environment variables that hold a key; a key itself has small letters, a dash or a digit in front."""
MASK = "[key]"
"""What stands where a key was."""
SHORTEST, SHORT = 4, 8
"""Characters: a value below the first is a placeholder, which occurs in any text; one below the second (``EMPTY``)
counts only as a word of its own."""


def key_of(variable: str) -> str:
    """The key as the environment holds it; empty where there is none."""
    return os.environ.get(variable, "").strip() if variable else ""


def mask(text: str, key: str) -> str:
    """The text with MASK for the key, also where its characters are written as JSON may write them (``\\u002d``)."""
    return _pattern(key).sub(MASK, text) if len(key) >= SHORTEST else text


@lru_cache
def _pattern(key: str) -> re.Pattern[str]:
    each = "".join(rf"(?:\\{{0,8}}{re.escape(char)}|\\{{1,8}}u(?i:{ord(char):04x}))" for char in key)
    return re.compile(each if len(key) >= SHORT else rf"(?<![0-9A-Za-z]){each}(?![0-9A-Za-z])")


async def masked(pieces: AsyncIterator[str], key: str) -> AsyncIterator[str]:
    """The pieces of a text with MASK for the key, wherever they cut it: what may begin a key waits for the next one."""
    held = ""
    async for piece in pieces:
        held = mask(held + piece, key)
        sizes = range(min(len(key) - 1, len(held)), 0, -1) if len(key) >= SHORTEST else ()
        waits = next((size for size in sizes if held.endswith(key[:size])), 0)
        if said := held[: len(held) - waits]:
            yield said
        held = held[len(held) - waits :]
    if held:
        yield held
