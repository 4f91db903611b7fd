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
| `repetitive` | the most frequent line fills more than `MOST_REPEATED` of a text with `LEAST_LINES` lines |
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
import numpy.typing as npt
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
    Counts,
    Marks,
    chunk,
    judged,
)
from huatuo.corpus.phrases import ADVERTISEMENT, BOILERPLATE, LOST_IN_DECODING
from huatuo.corpus.rows import added, reasons
from huatuo.text import pii

LEAST_LETTERS = 0.5
"""Share of letters and digits. Prose has 0.8 and more, a drug table 0.6; rules of dashes and contents less."""

MOST_LOST = 0.02
"""Share of lost characters that a text may hold."""

MOST_REPEATED = 0.3
"""Share of duplicate lines' characters (Gopher, arXiv 2112.11446, Table A1: duplicate line fraction 0.30)."""

LEAST_LINES = 4
"""Lines from which repetition is judged."""

RUN, MOST_RUNS, LEAST_RUNS = 20, 0.4, 100
"""Characters of a run, share of runs that stood before, and runs from which they are judged. Gopher's limit for
repeated runs of 5 to 10 words is 0.10 to 0.15 of the characters, for English web pages; monographs and textbooks repeat
their headings and names and reach 0.3."""

PHRASE_CHARS, LEAST_PHRASES = 150, 3
"""Characters for each of which a phrase of a page stands, and phrases, from which a text is one."""

SAMPLED = 4
"""One run in so many is looked at first; all of those texts in which half of the limit is repeated there."""

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
_GAMMA, _ROLL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)  # odd, as in huatuo.text.grams
_LABELS = (
    "@",
    "号",
    "姓名",
    "联系人",
    "签名",
    "医保",
    "社保",
)  # without one, and without digits, `pii.find` finds nothing

Rule = Callable[[Chunk, Sequence[int]], dict[int, str]]
"""Numbers of the texts that are refused, with the reason, of those whose numbers are given."""


def _share(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.0%}"


def _picked(among: Sequence[int], refused: Marks) -> list[int]:
    """The numbers among those given whose text is refused."""
    return [place for place in among if refused[place]]


# ---------------------------------------------------------------- what characters say


def too_short(made: Chunk, among: Sequence[int], least: int) -> dict[int, str]:
    """Texts with too few letters and digits."""
    letters = made.count_of(LETTER)
    return {
        place: f"too_short: {letters[place]} letters and digits, expected at least {least}"
        for place in _picked(among, letters < least)
    }


def mostly_symbols(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts of dashes, dots and signs."""
    letters, filled = made.count_of(LETTER), made.lengths - made.count_of(BLANK)
    return {
        place: f"mostly_symbols: {letters[place]} of {filled[place]} characters are letters or digits, "
        f"expected {LEAST_LETTERS:.0%}"
        for place in _picked(among, letters < LEAST_LETTERS * filled)
    }


def unreadable(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts whose characters were lost."""
    lost, size = made.count_of(LOST), made.lengths - 1
    return {
        place: f"unreadable: {lost[place]} of {size[place]} characters were lost, expected at most {MOST_LOST:.0%}"
        for place in _picked(among, lost > MOST_LOST * size)
    }


def mojibake(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts decoded in the wrong encoding: UTF-8 as Windows-1252, UTF-8 as GBK, or GBK as UTF-8 and back."""
    lead = (made.codes >= 0xC2) & (made.codes <= 0xF4)
    pairs = made.count(lead & np.append(np.take(_continuing(), made.codes[1:]), False))
    known, size = made.hits(LOST_IN_DECODING), made.lengths - 1
    han = made.count_of(HAN)
    rare = han - made.count_of(COMMON_HAN)
    in_pairs = (pairs >= LEAST_PAIRS) & (2 * pairs > MOST_PAIRS * size)
    found = {}
    for place in _picked(among, (known > 0) | in_pairs | ((han >= LEAST_HAN) & (rare > RARE_HAN * han))):
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
    is_letter, is_blank = (made.kinds & LETTER) != 0, (made.kinds & BLANK) != 0
    before, after = np.concatenate([[True], is_blank[:-1]]), np.concatenate([is_blank[1:], [True]])
    is_digit = (made.kinds & DIGIT) != 0
    alone = made.count(is_letter & ~is_digit & before & after)
    small = ((made.kinds & ASCII_LETTER) != 0) & (made.codes >= 0x61)
    mixed = made.count(is_digit & np.concatenate([[False], small[:-1]]) & np.concatenate([small[1:], [False]]))
    boxes = made.count_of(FILLER)
    found = {}
    for place in among:
        if alone[place] >= LEAST_ALONE and alone[place] > MOST_ALONE * letters[place]:
            found[place] = f"ocr_residue: {alone[place]} of {letters[place]} letters stand alone between blanks"
        elif mixed[place] >= LEAST_MIXED and mixed[place] > MOST_MIXED * size[place]:
            found[place] = f"ocr_residue: {mixed[place]} digits within words in {size[place]} characters"
        elif boxes[place] >= LEAST_FILLERS and boxes[place] > MOST_FILLERS * size[place]:
            found[place] = f"ocr_residue: {boxes[place]} boxes such as □ in {size[place]} characters"
    return found


# ---------------------------------------------------------------- what phrases say


def list_of_links(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts that are addresses rather than words."""
    hits, filled = made.hits(("http://", "https://", "www.")), made.lengths - made.count_of(BLANK)
    found = {}
    for place in _picked(among, hits >= LEAST_LINKS):
        inside = sum(len(address) for address in _URL.findall(made.texts[place]))
        if inside > MOST_LINKS * filled[place]:
            share = _share(inside, int(filled[place]))
            found[place] = f"list_of_links: addresses are {share} of the text, expected at most {MOST_LINKS:.0%}"
    return found


def _phrases(made: Chunk, among: Sequence[int], rule: str, phrases: tuple[str, ...]) -> dict[int, str]:
    hits, size = made.hits(phrases), made.lengths - 1
    return {
        place: f"{rule}: {hits[place]} of its phrases in {size[place]} characters, expected under {LEAST_PHRASES}, "
        f"or than one in {PHRASE_CHARS}"
        for place in _picked(among, (hits >= LEAST_PHRASES) & (hits * PHRASE_CHARS >= size))
    }


def advertisement(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts that sell."""
    return _phrases(made, among, "advertisement", ADVERTISEMENT)


def boilerplate(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Footers, navigation and legal notes."""
    return _phrases(made, among, "boilerplate", BOILERPLATE)


# ---------------------------------------------------------------- what repeats


def repetitive(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts of one line over and over."""
    ends = made.count(made.codes == 0x0A)
    found = {}
    for place in _picked(among, ends >= LEAST_LINES):
        lines = [line.strip() for line in made.texts[place].splitlines() if line.strip()]
        if len(lines) < LEAST_LINES or len(set(lines)) == len(lines):
            continue
        line, times = max(Counter(lines).items(), key=lambda item: (len(item[0]) * (item[1] - 1), item[0]))
        share = len(line) * (times - 1) / sum(map(len, lines))
        if share > MOST_REPEATED:
            found[place] = (
                f"repetitive: one line {times} times, {share:.0%} of the text, expected at most {MOST_REPEATED:.0%}"
            )
    return found


def repeated_runs(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts that say the same again within themselves, whatever the lines."""
    runs = np.maximum(made.lengths - RUN, 0)
    drawn = SAMPLED * _repeated(made, SAMPLED)
    places = _picked(among, (runs >= LEAST_RUNS) & (2 * drawn > MOST_RUNS * runs))
    repeated = _repeated(chunk([made.texts[place] for place in places])).tolist()
    return {
        place: f"repeated_runs: {count} of {runs[place]} runs of {RUN} characters stood before, expected at most "
        f"{MOST_RUNS:.0%}"
        for place, count in zip(places, repeated, strict=True)
        if count > MOST_RUNS * runs[place]
    }


def _repeated(made: Chunk, sampled: int = 1) -> Counts:
    """How many runs of `RUN` characters of each text stood in it before; of a share of all runs, drawn by their
    hash."""
    if len(made.codes) <= RUN:
        return np.zeros(len(made.texts), dtype=np.int64)
    keys = _runs(made.codes)
    inside = np.ones(len(keys), dtype=bool)
    ends = (made.starts[1:, None] - np.arange(1, RUN + 1)).ravel()  # there a run would reach over the end of a text
    inside[ends[(ends >= 0) & (ends < len(keys))]] = False
    if sampled > 1:
        inside &= (keys >> np.uint64(20)) % np.uint64(sampled) == 0
    bits = np.uint64(len(made.texts).bit_length())
    number = np.arange(len(made.texts), dtype=np.uint64) << (np.uint64(64) - bits)
    keys = ((keys >> bits) | np.repeat(number, made.lengths)[: len(keys)])[inside]
    keys.sort()
    same = keys[1:][keys[1:] == keys[:-1]] >> (np.uint64(64) - bits)
    return np.bincount(same.astype(np.int64), minlength=len(made.texts))


def _runs(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """Hash of every run of `RUN` characters but the last one: a polynomial, by doubling 1, 2, 4, 8, 16, and 16 + 4."""
    rolled = four = codes.astype(np.uint64) + np.uint64(1)
    for step in (1, 2, 4, 8):
        rolled = rolled[:-step] * _power(step) + rolled[step:]
        four = rolled if step == 2 else four
    return (rolled[:-5] * _power(4) + four[16:-1]) * _GAMMA


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(int(_ROLL), exponent, 1 << 64))


# ---------------------------------------------------------------- persons


def personal_data(made: Chunk, among: Sequence[int]) -> dict[int, str]:
    """Texts about a person who can be named."""
    digits = (made.kinds & DIGIT) != 0
    four = digits[:-3] & digits[1:-2] & digits[2:-1] & digits[3:] if len(digits) > 3 else digits[:0]
    after_gap = four[2:] & np.isin(made.codes[1 : len(four) - 1], [0x20, 0x2D]) & digits[: max(len(four) - 2, 0)]
    starts = np.zeros(len(digits), dtype=bool)
    starts[: max(len(four) - 3, 0)] = four[:-3] & four[3:]
    starts[: len(after_gap)] |= after_gap
    has_digits = (
        made.count(starts) > 0
    )  # seven digits in a row, or four after a digit and a gap: every form of a number
    found = {}
    for place in among:
        text = made.texts[place]
        if not (has_digits[place] or any(label in text for label in _LABELS)):
            continue
        kinds = Counter(item.kind for item in pii.find(text) if item.kind in PERSONAL)
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
        made = chunk(part)
        found = too_short(made, range(len(part)), least)
        for rule in RULES:
            found |= rule(made, [place for place in range(len(part)) if place not in found])
        return [found.get(place, "") for place in range(len(part))]

    return judged(texts, [""] * len(texts), judge)


def quality_batch(batch: pa.RecordBatch, least: int) -> pa.RecordBatch:
    """The batch with ``reason`` filled where it is empty and a rule refuses ``normal``; for texts and for passages."""
    texts, why = [text or "" for text in batch.column("normal").to_pylist()], reasons(batch)
    open_ = [place for place, reason in enumerate(why) if not reason]
    for place, reason in zip(open_, refused([texts[place] for place in open_], least), strict=True):
        why[place] = reason
    return added(batch, "reason", pa.string(), why)
