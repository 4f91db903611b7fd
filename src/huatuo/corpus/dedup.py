"""Exact duplicates: texts that are the same but for width, case, blanks and punctuation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from huatuo.corpus.rows import mapped, with_reason
from huatuo.store import content_id
from huatuo.text.zh import normalise_for_comparison

SIGNIFICANT = {
    "⁰": "^0",
    "¹": "^1",
    "²": "^2",
    "³": "^3",
    "⁴": "^4",
    "⁵": "^5",
    "⁶": "^6",
    "⁷": "^7",
    "⁸": "^8",
    "⁹": "^9",
}
"""Exponents, which the comparison would otherwise level: 10⁹ and 109 are not the same text."""

_MARKS = str.maketrans(
    {sign: f"e{power[1:]}p" for sign, power in SIGNIFICANT.items()}
    | {".": "dot", "．": "dot", "<": "lt", ">": "gt", "≤": "le", "≥": "ge", "%": "pc", "％": "pc", "‰": "pm"}
    | {"+": "plus", "-": "minus", "−": "minus", "±": "pm2", "/": "per", "~": "to", "～": "to", "½": "half", "①": "no1"}
)


def key(text: str) -> str:
    """A key that is equal for equal texts; signs that carry a number (2.5 and 25, 10⁹ and 109, < and >) count."""
    return content_id("exact", normalise_for_comparison(text.translate(_MARKS)))


def key_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with a column ``key`` of ``normal``."""
    return mapped(batch, "key", pa.string(), key, "normal")


def smallest(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Key → smallest id that has it, of (key, id) rows in any order: a function of the set, so any split gives it."""
    found: dict[str, str] = {}
    for text_key, row_id in rows:
        if text_key not in found or row_id < found[text_key]:
            found[text_key] = row_id
    return found


def duplicate_batch(batch: pa.RecordBatch, survivors: Mapping[str, str]) -> pa.RecordBatch:
    """The batch with ``reason`` set where another id survives for the row's key, and that id in ``witness``."""

    def why(row_id: str, text_key: str) -> str:
        return "" if survivors.get(text_key, row_id) == row_id else "duplicate: the same text as the witness"

    made = with_reason(batch, why, "id", "key")
    return mapped(
        made,
        "witness",
        pa.string(),
        lambda row_id, text_key, reason: survivors[text_key] if reason.startswith("duplicate:") else "",
        "id",
        "key",
        "reason",
    )
