"""Characters, tokens and keys of Chinese and English text. Pure functions; nothing here changes a text that is kept."""

from __future__ import annotations

import re
import unicodedata

from huatuo.records import Language

CJK_RANGES = (
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),  # 々 〆 〇
    (0x3400, 0x4DBF),  # extension A
    (0x4E00, 0x9FFF),  # unified ideographs
    (0xF900, 0xFAFF),  # compatibility ideographs
    (0x20000, 0x2FA1F),  # extensions B to F and the compatibility supplement
    (0x30000, 0x323AF),  # extensions G and H
)
"""Code points that count as one token each (Unicode blocks of Han characters), both ends included."""

_CJK_CLASS = "".join(f"{chr(low)}-{chr(high)}" for low, high in CJK_RANGES)
_TOKEN = re.compile(rf"[{_CJK_CLASS}]|[^\W_{_CJK_CLASS}]+")
_CJK = re.compile(rf"[{_CJK_CLASS}]")
_LETTER = re.compile(r"[^\W\d_]")
_NOT_WORD = re.compile(r"[\W_]+")

ENGLISH_SHARE = 0.2
"""Han characters per letter from which a text counts as Chinese: one Han character carries about as much as a word of
five letters, so a Chinese sentence with drug names in Latin letters stays Chinese."""


def is_cjk(character: str) -> bool:
    """Whether the character is a Han character."""
    code = ord(character)
    return any(low <= code <= high for low, high in CJK_RANGES)


def tokens(text: str) -> list[str]:
    """The tokens of a text, lower-cased: one Han character, or one run of other letters and digits."""
    return _TOKEN.findall(text.lower())


def normalise_for_comparison(text: str) -> str:
    """A key of the text: NFKC, lower case, without punctuation and blanks. For comparing only, never for keeping:
    NFKC turns ``10²`` into ``102``."""
    return _NOT_WORD.sub("", unicodedata.normalize("NFKC", text).lower())


def language(text: str) -> Language:
    """``zh`` where Han characters are at least a fifth of the letters, ``en`` where other letters are, else ``unknown``
    (no letters at all)."""
    letters = len(_LETTER.findall(text))
    if not letters:
        return "unknown"
    return "zh" if len(_CJK.findall(text)) >= ENGLISH_SHARE * letters else "en"
