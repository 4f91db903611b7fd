"""Exact duplicates: texts that are the same but for width, case, blanks and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import pyarrow as pa

from huatuo.corpus.rows import mapped, with_reason
from huatuo.store import content_id
from huatuo.text.zh import normalise_for_comparison

_BETWEEN, _BEFORE = frozenset(".．-−–~～/:："), frozenset("<>＜＞≤≥±+＋")
"""Signs that count between two digits, and before a digit."""

_SIGNIFICANT = re.compile(r"[.．\-−–~～/:：<>＜＞≤≥±+＋%％‰⁰¹²³⁴⁵⁶⁷⁸⁹⁻½¼¾\u2460-\u2473]")
"""Signs that carry a number, which comparing letters and digits would level: 2.5 and 25, 10⁹ and 109, <5 and >5. One
class without conditions is searched five times as fast; `_spelt` looks at the neighbours."""

_DIGIT_NEXT = re.compile(r"\s*\d")


def _spelt(match: re.Match[str]) -> str:
    sign, text, end = match.group(), match.string, match.end()
    if sign in _BETWEEN:
        if not (text[end - 2 : end - 1].isdecimal() and text[end : end + 1].isdecimal()):
            return sign
    elif sign in _BEFORE and not _DIGIT_NEXT.match(text, end):
        return sign
    plain = unicodedata.normalize("NFKC", sign)
    return f"x{ord(plain if len(plain) == 1 and not plain.isalnum() else sign):x}x"


def key(text: str) -> str:
    """A key that is equal for texts that differ in width, case, blanks and punctuation only; `_SIGNIFICANT` counts."""
    return content_id("exact", normalise_for_comparison(_SIGNIFICANT.sub(_spelt, text)))


def key_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with a column ``key`` of ``normal``."""
    return mapped(batch, "key", pa.string(), key, "normal")


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
