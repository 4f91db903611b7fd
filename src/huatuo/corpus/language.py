"""The language of many texts: by their letters where these decide, by a model of languages where they do not.

| letters | language |
|---|---|
| fewer than `LEAST_LETTERS`, no Han among them | ``unknown`` |
| Han at least `CLEARLY_ZH` of them, and hardly any kana or hangul | ``zh`` |
| Latin at least `CLEARLY_EN` of them, hardly any marked ones, and words that English is made of | ``en`` |
| kana, hangul, Cyrillic, Greek or another script at least `FOREIGN` of them | ``unknown`` |
| anything else: doubtful | what lingua says; without it `huatuo.text.zh.language` of Chinese and English |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from huatuo.corpus.characters import ASCII_LETTER, HAN, Chunk, Flags, chunk, chunks
from huatuo.corpus.rows import added, reasons
from huatuo.errors import require
from huatuo.text.zh import language as by_share

LEAST_LETTERS = 10
"""Letters under which a text without Han characters says nothing about its language."""

CLEARLY_ZH = 0.5
"""Share of Han characters among the letters from which a text is Chinese."""

CLEARLY_EN = 0.97
"""Share of unmarked Latin letters: French medical text has 0.95 to 0.97, Spanish 0.97, German 0.98."""

LEAST_WORDS = 0.05
"""Occurrences of `WORDS` per word: English prose has 0.2 to 0.4, a list of terms 0.1, German and French under 0.03."""

FOREIGN = 0.1
"""Share of letters of another script from which a text is neither Chinese nor English."""

WORDS = (
    " the ",
    " of ",
    " and ",
    " to ",
    " in ",
    " is ",
    " with ",
    " for ",
    " are ",
    " was ",
    " by ",
    " from ",
    " that ",
)
"""Frequent English words; of these only `` in `` is a word of German, `` is `` of Dutch too."""

Detector = Callable[[Sequence[str]], Sequence[str]]
"""The language of each text: ``zh``, ``en`` or ``unknown``."""


@lru_cache(maxsize=1)
def _letters() -> Flags:
    """1 for a letter of a script that is neither Han nor Latin, 2 for any letter, 4 for a marked Latin letter;
    8 alone for a Greek letter."""
    table = np.zeros(0x110000, dtype=np.uint8)
    for code in range(0x80, 0x20000):
        if chr(code).isalpha():
            table[code] = 6 if code < 0x250 or 0x1E00 <= code <= 0x1EFF else 3
    table[[*range(0x41, 0x5B), *range(0x61, 0x7B)]] = 2
    table[0x370:0x400] = 8 * (table[0x370:0x400] > 0)  # Greek letters stand in English medical text: α, β, μ
    return table


def lingua_detector() -> Detector:
    """What lingua (Chinese, English and neighbours that share a script) says.

    Raises MissingExtraError without the extra ``language``.
    """
    lingua = require("lingua", "language")
    names = ("CHINESE", "ENGLISH", "JAPANESE", "GERMAN", "FRENCH", "SPANISH", "ITALIAN", "PORTUGUESE", "LATIN", "DUTCH")
    known = [getattr(lingua.Language, name) for name in names]
    detector = lingua.LanguageDetectorBuilder.from_languages(*known).build()
    codes = {lingua.Language.CHINESE: "zh", lingua.Language.ENGLISH: "en"}

    def detect(texts: Sequence[str]) -> list[str]:
        return [codes.get(detector.detect_language_of(text), "unknown") for text in texts]

    return detect


@lru_cache(maxsize=1)
def detector(name: str) -> Detector:
    """What is asked of doubtful texts, by its name: ``share`` or ``lingua``. Raises as `lingua_detector`."""
    return lingua_detector() if name == "lingua" else shares


def shares(texts: Sequence[str]) -> list[str]:
    """`huatuo.text.zh.language` of each text: what is taken where no model of languages is at hand."""
    return [by_share(text) for text in texts]


def languages(texts: Sequence[str], doubtful: Detector = shares) -> list[str]:
    """``zh``, ``en`` or ``unknown`` of each text; ``doubtful`` is asked for those whose letters do not decide."""
    found: list[str] = []
    for _, part in chunks(texts):
        found += languages_of(chunk(part), doubtful)
    return found


def languages_of(made: Chunk, doubtful: Detector = shares) -> list[str]:
    """The same of the texts of a chunk."""
    said = _clear(made)
    asked = [place for place, language in enumerate(said) if not language]
    for place, language in zip(asked, doubtful([made.texts[place] for place in asked]), strict=True):
        said[place] = language
    return said


def _clear(made: Chunk) -> list[str]:
    """The language of each text by its letters; empty where they do not decide."""
    kinds = made.looked_up(_letters())
    han, latin = made.count_of(HAN), made.count_of(ASCII_LETTER)
    letters, greek, other = (
        made.count((kinds & 2) != 0),
        made.count(kinds == 8),
        made.count(((kinds & 1) != 0) & ((made.kinds & HAN) == 0)),
    )
    words = np.maximum(made.count(made.codes == 0x20), 1)
    english = made.hits(WORDS)
    zh = (han > 0) & (han >= CLEARLY_ZH * letters) & (other < FOREIGN * letters)
    en = (latin >= CLEARLY_EN * letters) & (english >= LEAST_WORDS * words) & (letters >= LEAST_LETTERS)
    none = (other >= FOREIGN * letters) | (2 * greek >= letters) | ((letters < LEAST_LETTERS) & (han == 0))
    said = np.select([zh, none, en], ["zh", "unknown", "en"], "")
    names: list[str] = said.tolist()
    return names


def language_batch(
    batch: pa.RecordBatch, wanted: Sequence[str], doubtful: Detector = shares, made: Chunk | None = None
) -> pa.RecordBatch:
    """The batch with ``language`` of ``normal`` filled where it is ``unknown``, and ``reason`` where it is not wanted.
    ``made``: the chunk of ``normal``, where it is at hand."""
    why = reasons(batch)
    given = batch.column("language").to_pylist()
    places = [place for place, reason in enumerate(why) if not reason and given[place] in ("unknown", "", None)]
    if made is not None and len(places) == batch.num_rows:
        found = languages_of(made, doubtful)
    else:
        texts = batch.column("normal").to_pylist() if made is None else made.texts
        found = languages([texts[place] for place in places], doubtful)
    for place, language in zip(places, found, strict=True):
        given[place] = language
    expected = " or ".join(wanted)
    for place, reason in enumerate(why):
        if not reason and given[place] not in wanted:
            why[place] = f"other_language: {given[place]}; expected {expected}"
    return added(added(batch, "language", pa.string(), given), "reason", pa.string(), why)
