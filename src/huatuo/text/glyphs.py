"""Characters that were drawn instead of written: radicals become the characters meant, raised digits stay raised.

Only tables, character for character, so that positions hold. Never NFKC: it turns ×10⁹/L into ×109/L and ① into 1.
"""

from __future__ import annotations

import re
import unicodedata

RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)}
"""Kangxi radical → the character it is drawn as (Unicode block 2F00–2FD5): PDFs map glyphs to them (禁⽤)."""

_DRAWN = (
    "⺀冫⺅亻⺉刂⺋㔾⺌小⺍小⺗心⺘扌⺟母⺠民⺡氵⺣灬⺤爫⺨犭⺩王⺫罒⺬示⺭礻⺮竹⺯糹⺰纟⺳网⺷羊⺹耂⺼月⺽臼⺾艹⻂衤⻄西"
    "⻅见⻆角⻈讠⻉贝⻋车⻌辶⻍辶⻐钅⻑長⻓长⻔门⻖阝⻘青⻙韦⻚页⻛风⻜飞⻝食⻠饣⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻬齐⻮齿⻰龙⻳龟"
)
SUPPLEMENT = dict(zip(_DRAWN[::2], _DRAWN[1::2], strict=True))
"""CJK radical of the supplement (2E80–2EF3) → character; NFKC maps only two of them."""

_MENDED = RADICALS | {ord(key): value for key, value in SUPPLEMENT.items()}
_ANY_RADICAL = re.compile("[\u2e80-\u2fd5]")

_RAISED = str.maketrans("0123456789+-−–=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾")
_LONE_N = re.compile(r"(?<![A-Za-z])n(?![A-Za-z])")
_LOWERED = str.maketrans("0123456789+-−–=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎")
_CITATION = re.compile(r"\s*[\[［(（].*[\]］)）]\s*", re.DOTALL)


def mend_radicals(text: str) -> str:
    """The text with radicals replaced by the characters they stand for; its length does not change."""
    return text.translate(_MENDED) if _ANY_RADICAL.search(text) else text


def raised(text: str, before: str = "") -> str:
    """The text as superscript: ``9`` → ``⁹``; ``^`` stands before letters that follow a digit (``10^x``).

    Letters elsewhere but a lone ``n``, ordinals (``4th``) and references in brackets (``[12]``) stay as they are.
    ``before`` is the character that the superscript follows.
    """
    if _CITATION.fullmatch(text) and not re.fullmatch(r"\s*\([+\-−–\d]+\)\s*", text):
        return text
    letters = text.strip().lower()
    if before.isdigit() and letters[:1].isalpha() and letters not in ("st", "nd", "rd", "th", "n"):
        return "^" + text
    return _LONE_N.sub("ⁿ", text.translate(_RAISED)) if not letters.isalpha() or letters == "n" else text


def lowered(text: str) -> str:
    """The text as subscript: ``2`` → ``₂``; letters stay as they are."""
    return text.translate(_LOWERED)
