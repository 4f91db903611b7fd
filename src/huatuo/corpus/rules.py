"""Which passages are no text worth learning. Each rule names the figures that decided.

| rule | drops |
|---|---|
| `too_short` | fewer letters and digits than ``curate.min_chars`` |
| `mostly_symbols` | letters and digits are less than `LEAST_LETTERS` of the characters that are not blank |
| `repetitive` | the most frequent line fills more than `MOST_REPEATED` of a passage with `LEAST_LINES` lines |
| `unreadable` | more than `MOST_LOST` of the characters are U+FFFD or control characters |
"""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa

from huatuo.corpus.rows import with_reason

LEAST_LETTERS = 0.5
"""Share of letters and digits. Prose has 0.8 and more, a drug table 0.6; rules of dashes and contents less."""

MOST_REPEATED = 0.3
"""Share of duplicate lines' characters (Gopher, arXiv 2112.11446, Table A1: duplicate line fraction 0.30)."""

LEAST_LINES = 4
"""Lines from which repetition is judged."""

MOST_LOST = 0.02
"""Share of lost characters that a passage may hold."""

_LOST = re.compile(r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def reason(text: str, min_chars: int) -> str:
    """``rule: figures`` of the first rule that refuses the text; empty where none does."""
    filled = [c for c in text if not c.isspace()]
    letters = sum(c.isalnum() for c in filled)
    if letters < min_chars:
        return f"too_short: {letters} letters and digits, expected at least {min_chars}"
    if letters < LEAST_LETTERS * len(filled):
        return (
            f"mostly_symbols: {letters} of {len(filled)} characters are letters or digits, expected {LEAST_LETTERS:.0%}"
        )
    lost = len(_LOST.findall(text))
    if lost > MOST_LOST * len(text):
        return f"unreadable: {lost} of {len(text)} characters were lost, expected at most {MOST_LOST:.0%}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) >= LEAST_LINES:
        line, times = max(Counter(lines).items(), key=lambda item: (len(item[0]) * (item[1] - 1), item[0]))
        share = len(line) * (times - 1) / sum(map(len, lines))
        if share > MOST_REPEATED:
            return f"repetitive: one line {times} times, {share:.0%} of the text, expected at most {MOST_REPEATED:.0%}"
    return ""


def rule_batch(batch: pa.RecordBatch, min_chars: int) -> pa.RecordBatch:
    """The batch with ``reason`` filled where a rule refuses ``normal``."""
    return with_reason(batch, lambda text: reason(text, min_chars), "normal")
