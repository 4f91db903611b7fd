"""Exact duplicates: texts that are the same but for width, case, blanks and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from huatuo.corpus.characters import LETTERS_END, Chunk, chunk, chunks
from huatuo.corpus.rows import added, of_column, reasons
from huatuo.files import content_id, hashed, with_lengths
from huatuo.text.grams import folded_table, spelt_out
from huatuo.text.joined import Codes, Places
from huatuo.text.zh import normalise_for_comparison

_BETWEEN, _BEFORE = frozenset(".．-−–~～/:："), frozenset("<>＜＞≤≥±+＋")
"""Signs that count between two digits, and before a digit."""

_SIGNIFICANT = re.compile(r"[.．\-−–~～/:：<>＜＞≤≥±+＋%％‰⁰¹²³⁴⁵⁶⁷⁸⁹⁻½¼¾\u2460-\u2473]")
"""Signs that carry a number, which comparing letters and digits would level: 2.5 and 25, 10⁹ and 109, <5 and >5. One
class without conditions is searched five times as fast; `_spelt` looks at the neighbours."""

_DIGIT_NEXT = re.compile(r"\s*\d")

_DECIMALS_END = 0x20000
"""One past the last code point that may be a decimal digit."""

_ODD, _END = np.uint32(0xFFFFFFFF), np.uint32(0x0A)
"""What stands for a character that takes a closer look, and after the letters of a text."""


def _spelt(match: re.Match[str]) -> str:
    sign, text, end = match.group(), match.string, match.end()
    if sign in _BETWEEN:
        if not (text[end - 2 : end - 1].isdecimal() and text[end : end + 1].isdecimal()):
            return sign
    elif sign in _BEFORE and not _DIGIT_NEXT.match(text, end):
        return sign
    return _written(sign)


def _written(sign: str) -> str:
    plain = unicodedata.normalize("NFKC", sign)
    return f"x{ord(plain if len(plain) == 1 and not plain.isalnum() else sign):x}x"


def key(text: str) -> str:
    """A key that is equal for texts that differ in width, case, blanks and punctuation only; `_SIGNIFICANT` counts."""
    return content_id("exact", normalise_for_comparison(_SIGNIFICANT.sub(_spelt, text)))


@lru_cache(maxsize=1)
def _words() -> npt.NDArray[np.uint32]:
    """What each code point leaves in a key: its folded character, 0 for none, `_ODD` where that takes a closer look
    (signs, what folds to several characters, marks)."""
    folded = folded_table()
    table = np.full(0x110000, _ODD, dtype=np.uint32)
    small = np.flatnonzero(folded[:LETTERS_END])
    is_letter = np.fromiter((chr(code).isalnum() for code in folded[small].tolist()), np.bool_, len(small))
    table[small] = np.where(is_letter, folded[small], 0)
    signs = [code for code in range(0x10000) if _SIGNIFICANT.match(chr(code))]
    table[signs] = _ODD
    table[0] = 0
    return table


@lru_cache(maxsize=1 << 16)
def _left(code: int) -> tuple[int, ...] | None:
    """The code points that a character leaves in a key where it counts; None where that depends on its neighbours."""
    character = chr(code)
    if _SIGNIFICANT.match(character):
        return tuple(map(ord, _written(character)))
    return tuple(map(ord, normalise_for_comparison(character))) if spelt_out(code) else None


def keys(texts: Sequence[str]) -> list[str]:
    """`key` of each text, many at once: only signs, and characters that fold to several, are looked at one by one."""
    found: list[str] = []
    for _, part in chunks(texts):
        found += keys_of(chunk(part))
    return found


def keys_of(made: Chunk) -> list[str]:
    """`key` of each text of a chunk."""
    left = made.looked_up(_words())
    odd = np.flatnonzero(left == _ODD)
    silent = ~_counts(made, odd)
    left[odd[silent]] = 0
    odd = odd[~silent]
    left[made.starts[1:] - 1] = _END
    spelt = [_left(code) for code in made.codes[odd].tolist()]
    joins = [place for place, letters in zip(odd.tolist(), spelt, strict=True) if letters is None]
    slow = set(made.owners(np.array(joins, dtype=np.int64)).tolist())
    found = _hashed(_with(left, odd, [letters or () for letters in spelt]))
    for of in slow:
        found[of] = key(made.texts[of])
    return found


def _counts(made: Chunk, odd: Places) -> npt.NDArray[np.bool_]:
    """Whether the characters at these places count, as far as that hangs on their neighbours: `_spelt` for many. The
    gap between two texts is no digit, so no neighbour is another text's."""
    signs = made.codes[odd]
    digits = _decimals()[made.codes[odd - 1]] & _decimals()[made.codes[odd + 1]]
    counts: npt.NDArray[np.bool_] = digits | ~np.isin(signs, [ord(sign) for sign in _BETWEEN])
    before = np.flatnonzero(np.isin(signs, [ord(sign) for sign in _BEFORE]))
    for place, at, of in zip(before.tolist(), odd[before].tolist(), made.owners(odd[before]).tolist(), strict=True):
        counts[place] = _DIGIT_NEXT.match(made.texts[of], at - int(made.starts[of]) + 1) is not None
    return counts


@lru_cache(maxsize=1)
def _decimals() -> npt.NDArray[np.bool_]:
    """Whether a code point is a decimal digit."""
    table = np.zeros(0x110000, dtype=bool)
    table[:_DECIMALS_END] = np.fromiter(map(str.isdecimal, map(chr, range(_DECIMALS_END))), np.bool_, _DECIMALS_END)
    return table


def _with(left: Codes, odd: Places, spelt: Sequence[tuple[int, ...]]) -> Codes:
    """What the texts leave, each before its `_END`; ``spelt`` stands at the places ``odd``."""
    plain = left != 0
    plain[odd] = False
    before = np.zeros(len(left) + 1, dtype=np.int32)
    np.cumsum(plain, dtype=np.int32, out=before[1:])
    sizes = np.array([len(letters) for letters in spelt], dtype=np.int64)
    letters = np.array([letter for part in spelt for letter in part], dtype=np.uint32)
    return np.insert(left[plain], np.repeat(before[odd], sizes), letters)


def _hashed(left: Codes) -> list[str]:
    """`content_id` of what each text leaves."""
    data = left.tobytes().decode("utf-32-le").encode()
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _END).tolist()
    head = with_lengths(("exact",))
    spans = zip([0, *(end + 1 for end in ends)], ends, strict=False)
    return hashed(head + (end - begin).to_bytes(8, "big") + data[begin:end] for begin, end in spans)


def key_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with a column ``key`` of ``normal``."""
    return added(batch, "key", pa.string(), keys(of_column(batch, "normal")))


def duplicate_batch(batch: pa.RecordBatch, survivors: Mapping[str, str]) -> pa.RecordBatch:
    """The batch with ``reason`` set where another id survives for the row's key, and that id in ``witness``."""

    why, witness = reasons(batch), [""] * batch.num_rows
    ids, keys_ = batch.column("id").to_pylist(), batch.column("key").to_pylist()
    for place, (row_id, text_key) in enumerate(zip(ids, keys_, strict=True)):
        first = survivors.get(text_key, row_id)
        if first != row_id and not why[place]:
            why[place], witness[place] = "duplicate: the same text as the witness", first
    return added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)
