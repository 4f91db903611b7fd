"""Texts become clean for reading, one table of characters at a time: nothing that carries a number or a dose changes.

Never NFKC: it turns ×10⁹/L into ×109/L, ½ into 1⁄2, ① into 1 and H₂O into H2O.
"""

from __future__ import annotations

import unicodedata

import pyarrow as pa

from huatuo.corpus.rows import mapped

RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)}
"""Kangxi radical → the character it is drawn as (Unicode block 2F00–2FD5): PDFs map glyphs to them (禁⽤)."""

_DRAWN = (
    "⺀冫⺅亻⺉刂⺋㔾⺌小⺍小⺗心⺘扌⺟母⺠民⺡氵⺣灬⺤爫⺨犭⺩王⺫罒⺬示⺭礻⺮竹⺯糹⺰纟⺳网⺷羊⺹耂⺼月⺽臼⺾艹⻂衤⻄西"
    "⻅见⻆角⻈讠⻉贝⻋车⻌辶⻍辶⻐钅⻑長⻓长⻔门⻖阝⻘青⻙韦⻚页⻛风⻜飞⻝食⻠饣⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻬齐⻮齿⻰龙⻳龟"
)
SUPPLEMENT = dict(zip(_DRAWN[::2], _DRAWN[1::2], strict=True))
"""CJK radical of the supplement (2E80–2EF3) → character; NFKC maps only two of them."""

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


def normalise_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with a column ``normal``: `normalise` of each ``text``."""
    return mapped(batch, "normal", pa.string(), normalise, "text")
