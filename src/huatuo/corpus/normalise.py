"""Texts become clean for reading, one table of characters at a time: nothing that carries a number or a dose changes.

Never NFKC: it turns ×10⁹/L into ×109/L, ½ into 1⁄2, ① into 1 and H₂O into H2O.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from huatuo.corpus.characters import Chunk, Marks, chunk, chunks
from huatuo.corpus.rows import added, of_column
from huatuo.text.glyphs import RADICALS, SUPPLEMENT
from huatuo.text.joined import Codes

UNITS = {"㎎": "mg", "㎏": "kg", "㎖": "ml", "㏄": "cc", "㎝": "cm", "㎜": "mm", "µ": "μ", "∶": "："}
"""Glyphs of units → letters, none of them an exponent."""

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Marks without width: removed."""

TABLE: dict[int, str | None] = (
    dict(RADICALS)
    | {ord(k): v for k, v in (SUPPLEMENT | UNITS).items()}
    | {code: chr(code - 0xFEE0) for code in [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)]}
    | {ord(mark): None for mark in INVISIBLE}
    | {0x00A0: " ", 0x2028: "\n", 0x2029: "\n"}
)
"""The whole table. Full-width digits and letters become ASCII; full-width punctuation is Chinese and stays."""


def normalise(text: str) -> str:
    """The text with radicals, unit glyphs, full-width letters and invisible marks replaced by `TABLE`."""
    return text.translate(TABLE)


@lru_cache(maxsize=1)
def _changes() -> Marks:
    """Whether `TABLE` changes a code point."""
    table = np.zeros(0x110000, dtype=bool)
    table[list(TABLE)] = True
    return table


_LONGER = np.uint32(0xFFFFFFFF)


@lru_cache(maxsize=1)
def _becomes() -> Codes:
    """What `TABLE` makes of a code point; `_LONGER` where that is not one character."""
    table = np.zeros(0x110000, dtype=np.uint32)
    table[list(TABLE)] = [ord(new) if new is not None and len(new) == 1 else _LONGER for new in TABLE.values()]
    return table


def normalise_many(texts: Sequence[str]) -> list[str]:
    """`normalise` of each text; only those that hold a character of the table are looked through one by one."""
    found: list[str] = []
    for _, part in chunks(texts):
        found += normalise_chunk(chunk(part)).texts
    return found


def normalise_chunk(made: Chunk) -> Chunk:
    """The chunk with `normalise` of each of its texts."""
    odd = np.flatnonzero(made.looked_up(_changes()))
    if not len(odd):
        return made
    new, changed = _becomes()[made.codes[odd]], np.unique(made.owners(odd))
    found = list(made.texts)
    if (new == _LONGER).any():
        for place in changed.tolist():
            found[place] = normalise(found[place])
        return chunk(found)
    codes = made.codes.copy()
    codes[odd] = new
    for place in changed.tolist():
        start, end = made.starts[place], made.starts[place + 1] - len(made.gap)
        found[place] = codes[start:end].tobytes().decode("utf-32-le", "surrogatepass")
    return Chunk(found, made.gap, codes, made.starts)


def normalise_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with a column ``normal``: `normalise` of each ``text``."""
    texts = of_column(batch, "text")
    return added(batch, "normal", pa.string(), normalise_many(texts))
