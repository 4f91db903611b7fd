"""Texts become clean for reading, one table of characters at a time: nothing that carries a number or a dose changes.

Never NFKC: it turns ×10⁹/L into ×109/L, ½ into 1⁄2, ① into 1 and H₂O into H2O.
"""

from __future__ import annotations

import pyarrow as pa

from huatuo.corpus.rows import mapped

RADICALS = {
    0x2F00 + i: ch
    for i, ch in enumerate(
        "一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾干幺广廴廾弋弓彐彡彳心戈戶手支"
        "攴文斗斤方无日曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白皮皿目矛矢石示禸禾穴立竹米糸缶网羊羽老而耒耳"
        "聿肉臣自至臼舌舛舟艮色艸虍虫血行衣襾見角言谷豆豕豸貝赤走足身車辛辰辵邑酉釆里金長門阜隶隹雨靑非面革韋韭音頁風飛食首香馬骨高髟鬥"
        "鬯鬲鬼魚鳥鹵鹿麥麻黃黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠"
    )
}
"""Kangxi radical → the character it is drawn as (Unicode 16, block 2F00–2FD5): PDFs map glyphs to them (禁⽤)."""

SUPPLEMENT = {
    "⺀": "冫",
    "⺅": "亻",
    "⺉": "刂",
    "⺋": "㔾",
    "⺌": "小",
    "⺍": "小",
    "⺗": "心",
    "⺘": "扌",
    "⺟": "母",
    "⺠": "民",
} | {
    "⺡": "氵",
    "⺣": "灬",
    "⺤": "爫",
    "⺨": "犭",
    "⺩": "王",
    "⺫": "罒",
    "⺬": "示",
    "⺭": "礻",
    "⺮": "竹",
    "⺯": "糹",
    "⺰": "纟",
    "⺳": "网",
    "⺷": "羊",
    "⺹": "耂",
    "⺼": "月",
    "⺽": "臼",
    "⺾": "艹",
    "⻂": "衤",
    "⻄": "西",
    "⻅": "见",
    "⻆": "角",
    "⻈": "讠",
    "⻉": "贝",
    "⻋": "车",
    "⻌": "辶",
    "⻍": "辶",
    "⻐": "钅",
    "⻑": "長",
    "⻓": "长",
    "⻔": "门",
    "⻖": "阝",
    "⻘": "青",
    "⻙": "韦",
    "⻚": "页",
    "⻛": "风",
    "⻜": "飞",
    "⻝": "食",
    "⻠": "饣",
    "⻢": "马",
    "⻣": "骨",
    "⻤": "鬼",
    "⻥": "鱼",
    "⻦": "鸟",
    "⻧": "卤",
    "⻨": "麦",
    "⻩": "黄",
    "⻬": "齐",
    "⻮": "齿",
    "⻰": "龙",
    "⻳": "龟",
}
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
