"""Exact duplicates: texts that are the same but for width, case, blanks and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

import pyarrow as pa

from huatuo.corpus.rows import mapped, with_reason
from huatuo.store import content_id
from huatuo.text.zh import normalise_for_comparison

_SIGNIFICANT = re.compile(
    r"(?<=\d)[.．\-−–~～/:：](?=\d)|[<>＜＞≤≥±+＋](?=\s*\d)|[%％‰]|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻½¼¾]|[\u2460-\u2473]"
)
"""Signs that carry a number, which comparing letters and digits would level: 2.5 and 25, 10⁹ and 109, <5 and >5."""


def _spelt(match: re.Match[str]) -> str:
    sign = match.group()
    plain = unicodedata.normalize("NFKC", sign)
    return f"x{ord(plain if len(plain) == 1 and not plain.isalnum() else sign):x}x"


def key(text: str) -> str:
    """A key that is equal for texts that differ in width, case, blanks and punctuation only; `_SIGNIFICANT` counts."""
    return content_id("exact", normalise_for_comparison(_SIGNIFICANT.sub(_spelt, text)))


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
