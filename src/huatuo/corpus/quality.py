"""Which texts are not worth learning. Each rule is one sentence, and its reason names the figures that decided.

| rule | drops |
|---|---|
| `too_short` | fewer letters and digits than asked for |
| `mostly_symbols` | letters and digits are less than `LEAST_LETTERS` of the characters that are not blank |
| `unreadable` | more than `MOST_LOST` of the characters are U+FFFD or control characters |
| `mojibake` | text that was decoded in the wrong encoding (Ã©, 锟斤拷, 鐨勬偅鑰) |
| `ocr_residue` | letters standing alone, letters and digits mixed in words, or boxes for what was not read |
| `list_of_links` | addresses are more than `MOST_LINKS` of the characters that are not blank |
| `advertisement` | `LEAST_PHRASES` phrases that sell, and one in each `PHRASE_CHARS` characters |
| `boilerplate` | `LEAST_PHRASES` phrases of footers, navigation and legal notes, as densely |
| `repetitive` | one line stands `LEAST_TIMES` times, as more than `MOST_REPEATED` of a text with `LEAST_LINES` lines |
| `repeated_runs` | more than `MOST_RUNS` of all runs of `RUN` characters stood in the text before |
| `personal_data` | a person's number, telephone, address or name, one in each `PERSON_CHARS` characters |

The first rule that refuses a text gives the reason; rules that cost more come later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from huatuo.corpus.characters import (
    ASCII_LETTER,
    BLANK,
    COMMON_HAN,
    DIGIT,
    FILLER,
    HAN,
    LETTER,
    LOST,
    Chunk,
    Marks,
    chunk,
    judged,
    picked,
)
from huatuo.corpus.phrases import ADVERTISEMENT, BOILERPLATE, LOST_IN_DECODING
from huatuo.corpus.repeats import repeated_runs, repetitive
from huatuo.corpus.rows import added, of_column, reasons
from huatuo.text import pii

LEAST_LETTERS = 0.5
"""Share of letters and digits. Prose has 0.8 and more, a drug table 0.6; rules of dashes and contents less."""

MOST_LOST = 0.02
"""Share of lost characters that a text may hold."""

PHRASE_CHARS, LEAST_PHRASES = 150, 3
"""Characters for each of which a phrase of a page stands, and phrases, from which a text is one."""

MOST_LINKS, LEAST_LINKS = 0.3, 3
"""Share of the characters that are not blank in addresses, and addresses, from which a text is a list of them."""

MOST_PAIRS, LEAST_PAIRS = 0.01, 3
"""Share of characters in pairs like Ã© and â€, and pairs, from which a text was read in the wrong encoding."""

RARE_HAN, LEAST_HAN = 0.3, 20
"""Share of rare Han characters, and Han characters, from which a text may be UTF-8 read as GBK. Of clean text, that
with most (names of herbs) has 0.1; of UTF-8 read as GBK more than half of the characters are rare."""

MOST_ALONE, LEAST_ALONE = 0.3, 20
"""Share of letters that stand alone between blanks, and such letters, from which a text is OCR's."""

MOST_MIXED, LEAST_MIXED = 0.01, 5
"""Share of characters that are digits between two lower-case letters (``c1inica1``), and such digits."""

MOST_FILLERS, LEAST_FILLERS = 0.02, 3
"""Share of boxes for what was not read (□ 〓), and boxes."""

PERSON_CHARS = 2_000
"""Characters for each of which a piece of personal data stands, from which a text is about a person: a record, a card,
a list of members. One telephone in a chapter is left to the judging of its passages."""

PERSONAL = ("id_number", "record_number", "name", "phone", "email")
"""Kinds of `huatuo.text.pii` that count: an author's title before a name, and an address on the web, do not."""

_URL = re.compile(r"(?:https?://|www\.)[^\s<>()（），。；]+")
_ADDRESS = ("http://", "https://", "www.")
_LABELS = ("姓名", "联系人", "签名", "医保", "社保")
"""Without one, and without digits, @ and 号, `pii.find` finds nothing."""

PHRASES = (*LOST_IN_DECODING, *_ADDRESS, *ADVERTISEMENT, *BOILERPLATE, *_LABELS)
"""The phrases of all rules, which are looked for together."""

Rule = Callable[[Chunk, Sequence[int]], dict[int, str]]
"""Numbers of the texts that are refused, with the reason, of those whose numbers are given."""


def _share(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.0%}"


# ---------------------------------------------------------------- what characters say


def too_short(made: Chunk, among: Sequence[int], least: int) -> dict[int, str]:
    """Texts with too few letters and digits."""
    letters = made.count_of(LETTER)
    return {
        place: f"too_short: {letters[place]} letters and digits, expected at least {least}"
        for place in picked(among, letters < least)
    }


def mostly_symbols(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts of dashes, dots and signs."""
    letters, filled = made.count_of(LETTER), made.lengths - made.count_of(BLANK)
    return {
        place: f"mostly_symbols: {letters[place]} of {filled[place]} characters are letters or digits, "
        f"expected {LEAST_LETTERS:.0%}"
        for place in picked(among, letters < LEAST_LETTERS * filled)
    }


def unreadable(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts whose characters were lost."""
    lost, size = made.count_of(LOST), made.lengths - 1
    return {
        place: f"unreadable: {lost[place]} of {size[place]} characters were lost, expected at most {MOST_LOST:.0%}"
        for place in picked(among, lost > MOST_LOST * size)
    }


def mojibake(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts decoded in the wrong encoding: UTF-8 as Windows-1252, UTF-8 as GBK, or GBK as UTF-8 and back."""
    leads = np.flatnonzero((made.codes >= 0xC2) & (made.codes <= 0xF4))  # never the last one, which is a line feed
    leads = leads[_continuing()[made.codes[leads + 1]]]
    pairs = np.bincount(made.owners(leads), minlength=len(made.texts))
    known, size = made.hits(LOST_IN_DECODING, PHRASES), made.lengths - 1
    han = made.count_of(HAN)
    rare = han - made.count_of(COMMON_HAN)
    in_pairs = (pairs >= LEAST_PAIRS) & (2 * pairs > MOST_PAIRS * size)
    found = {}
    for place in picked(among, (known > 0) | in_pairs | ((han >= LEAST_HAN) & (rare > RARE_HAN * han))):
        if known[place]:
            found[place] = f"mojibake: {known[place]} marks such as 锟斤拷 of a wrong encoding, expected none"
        elif in_pairs[place]:
            found[place] = f"mojibake: {pairs[place]} pairs such as Ã© in {size[place]} characters, expected none"
        elif _was_utf8(made.texts[place]):
            found[place] = (
                f"mojibake: {rare[place]} of {han[place]} Han characters are rare, and the text is UTF-8 read as GBK"
            )
    return found


@lru_cache(maxsize=1)
def _continuing() -> Marks:
    """Whether a code point is what Windows-1252 or Latin-1 shows for a byte from 0x80 to 0xBF."""
    table = np.zeros(0x110000, dtype=bool)
    table[0x80:0xC0] = True
    table[[ord(c) for c in "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"]] = True
    return table


def _was_utf8(text: str) -> bool:
    """Whether the bytes of a text in GBK, read as UTF-8, give Chinese."""
    mended = text[:400].encode("gb18030", "ignore").decode("utf-8", "ignore")
    han = sum("\u4e00" <= character <= "\u9fff" for character in mended)
    return han * 6 >= len(text[:400])


def ocr_residue(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts as OCR leaves them."""
    letters, size = made.count_of(LETTER), made.lengths - 1
    is_digit, is_blank = (made.kinds & DIGIT) != 0, (made.kinds & BLANK) != 0
    alone = made.count(_between((made.kinds & (LETTER | DIGIT)) == LETTER, is_blank, outside=True))
    small = ((made.kinds & ASCII_LETTER) != 0) & (made.codes >= 0x61)
    mixed = made.count(_between(is_digit, small, outside=False) & _beside_two(small))
    boxes = made.count_of(FILLER)
    in_letters = (alone >= LEAST_ALONE) & (alone > MOST_ALONE * letters)
    in_words = (mixed >= LEAST_MIXED) & (mixed > MOST_MIXED * size)
    in_boxes = (boxes >= LEAST_FILLERS) & (boxes > MOST_FILLERS * size)
    found = {}
    for place in picked(among, in_letters | in_words | in_boxes):
        if in_letters[place]:
            found[place] = f"ocr_residue: {alone[place]} of {letters[place]} letters stand alone between blanks"
        elif in_words[place]:
            found[place] = f"ocr_residue: {mixed[place]} digits within words in {size[place]} characters"
        else:
            found[place] = f"ocr_residue: {boxes[place]} boxes such as □ in {size[place]} characters"
    return found


def _beside_two(small: Marks) -> Marks:
    """Whether two small letters stand before a place, or after it: in ``rena1`` they do, in t1n0m0 and b2a2 not."""
    found = np.zeros(len(small), dtype=bool)
    found[2:] = small[:-2] & small[1:-1]
    found[:-2] |= small[1:-1] & small[2:]
    return found


def _between(marked: Marks, beside: Marks, outside: bool) -> Marks:
    """The marked characters with such ones on both sides; ``outside``: whether the ends count as such."""
    found = marked.copy()
    found[1:] &= beside[:-1]
    found[:-1] &= beside[1:]
    if not outside:
        found[:1] = found[-1:] = False
    return found


# ---------------------------------------------------------------- what phrases say


def list_of_links(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts that are addresses rather than words."""
    hits, filled = made.hits(_ADDRESS, PHRASES), made.lengths - made.count_of(BLANK)
    found = {}
    for place in picked(among, hits >= LEAST_LINKS):
        inside = sum(len(address) for address in _URL.findall(made.texts[place]))
        if inside > MOST_LINKS * filled[place]:
            share = _share(inside, int(filled[place]))
            found[place] = f"list_of_links: addresses are {share} of the text, expected at most {MOST_LINKS:.0%}"
    return found


def _phrases(made: Chunk, among: Sequence[int], rule: str, phrases: tuple[str, ...]) -> dict[int, str]:
    hits, size = made.hits(phrases, PHRASES), made.lengths - 1
    return {
        place: f"{rule}: {hits[place]} of its phrases in {size[place]} characters, expected under {LEAST_PHRASES}, "
        f"or than one in {PHRASE_CHARS}"
        for place in picked(among, (hits >= LEAST_PHRASES) & (hits * PHRASE_CHARS >= size))
    }


def advertisement(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts that sell."""
    return _phrases(made, among, "advertisement", ADVERTISEMENT)


def boilerplate(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Footers, navigation and legal notes."""
    return _phrases(made, among, "boilerplate", BOILERPLATE)


# ---------------------------------------------------------------- persons


def _is_public(item: pii.Personal) -> bool:
    return pii.is_hotline(item.text) or (item.kind == "email" and pii.is_role_address(item.text))


def personal_data(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts about a person who can be named."""
    digits = (made.kinds & DIGIT) != 0
    four = digits[:-3] & digits[1:-2] & digits[2:-1] & digits[3:] if len(digits) > 3 else digits[:0]
    gaps = made.codes[1 : max(len(four) - 1, 1)]
    after_gap = four[2:] & ((gaps == 0x20) | (gaps == 0x2D)) & digits[: max(len(four) - 2, 0)]
    starts = np.zeros(len(digits), dtype=bool)
    starts[: max(len(four) - 3, 0)] = four[:-3] & four[3:]
    starts[: len(after_gap)] |= after_gap
    # seven digits in a row, or four after a digit and a gap: every form of a number; or what stands before one
    marked = starts | (made.codes == ord("@")) | (made.codes == ord("号"))
    found = {}
    for place in picked(among, (made.count(marked) > 0) | (made.hits(_LABELS, PHRASES) > 0)):
        text = made.texts[place]
        persons = [item for item in pii.find(text) if item.kind in PERSONAL and not _is_public(item)]
        kinds = Counter(item.kind for item in persons)
        if kinds.total() * PERSON_CHARS >= max(len(text), 1) and kinds:
            said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            found[place] = f"personal_data: {said} in {len(text)} characters, expected none"
    return found


RULES: tuple[Rule, ...] = (
    mostly_symbols, unreadable, mojibake, ocr_residue, list_of_links, advertisement, boilerplate, repetitive,
    repeated_runs, personal_data,
)  # fmt: skip
"""The rules after `too_short`, in their order."""

NAMES = ("too_short", *(rule.__name__ for rule in RULES))
"""Names of all rules, as they stand before the colon of a reason."""


def refused(texts: Sequence[str], least: int) -> list[str]:
    """``rule: figures`` of the first rule that refuses each text, empty where none does; ``least``: letters and
    digits."""

    def judge(part: Sequence[str]) -> list[str]:
        found = refused_of(chunk(part), range(len(part)), least)
        return [found.get(place, "") for place in range(len(part))]

    return judged(texts, [""] * len(texts), judge)


def refused_of(made: Chunk, among: Sequence[int], least: int) -> dict[int, str]:
    """The same of those texts of a chunk whose numbers are given, by their number."""
    found = too_short(made, among, least)
    for rule in RULES:
        found |= rule(made, [place for place in among if place not in found])
    return found


def quality_batch(batch: pa.RecordBatch, least: int, made: Chunk | None = None) -> pa.RecordBatch:
    """The batch with ``reason`` filled where it is empty and a rule refuses ``normal``; for texts and for passages.
    ``made``: the chunk of ``normal``, where it is at hand."""
    why = reasons(batch)
    open_ = [place for place, reason in enumerate(why) if not reason]
    if made is None:
        texts = of_column(batch, "normal")
        found = dict(zip(open_, refused([texts[place] for place in open_], least), strict=True))
    else:
        found = refused_of(made, open_, least)
    for place, reason in found.items():
        why[place] = reason
    return added(batch, "reason", pa.string(), why)
