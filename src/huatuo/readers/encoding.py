"""Bytes become text: the encoding is found by how readable the result is, and nothing is skipped in silence.

A strict chain utf-8 → gb18030 → big5 never reaches Big5, because GB18030 decodes Big5 bytes without an error; so each
candidate is scored by the share of common characters. Bytes that no candidate can read become U+FFFD, are counted and
reported with their positions.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol

from huatuo.errors import InputError

LONGEST_LINE = 64 << 20
"""Bytes of the longest line that is loaded; a longer one is reported and skipped."""

PROBE_BYTES = 1 << 16
"""Bytes that candidates other than UTF-8 are scored on."""

CANDIDATES = ("utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be")
"""Encodings that are tried; an earlier one wins a tie."""

WESTERN = "cp1252"
"""The encoding of English text whose bytes above ASCII stand alone (µ, °, ±, é)."""

MOST_WESTERN = 0.1
"""Share of bytes above ASCII that such a text has at most."""

LEAST_SCORE = 0.5
"""Score below which bytes that are no valid UTF-8 are no text. Classical Chinese books score 0.8 and more."""

CLEAR_SCORE = 0.8
"""Score of the characters above ASCII from which a line is taken to be in another encoding than its file. UTF-8 read as
GB18030 scores about 0.4."""

SHOWN_POSITIONS = 5
"""Byte positions named in a message; the count is always whole."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class Problem:
    """Something wrong with an input: the rule, what was found, and where."""

    rule: str
    """``undecodable_bytes``, ``mixed_encodings``, ``nul_bytes``, ``line_too_long``, ``bad_json``, ..."""
    message: str
    """What was found and what was expected."""
    positions: tuple[int, ...] = ()
    """Byte positions in the file, from 0, where the rule knows them."""


@dataclass(frozen=True)
class Decoded:
    """A file's text, the encoding it was read with, and what was wrong with its bytes."""

    text: str
    """The text, line ends as in the file, without a byte order mark."""
    encoding: str
    """One of `CANDIDATES`, or `WESTERN`."""
    problems: tuple[Problem, ...] = ()
    """What was replaced or is suspicious."""


# ---------------------------------------------------------------- which encoding


@lru_cache(maxsize=1)
def common_characters() -> frozenset[str]:
    """GB2312 level 1 (3,755 characters), Big5 level 1 (5,401), printable ASCII and Chinese punctuation."""
    rows = ((high, range(0xA1, 0xFF)) for high in range(0xB0, 0xD8))
    gb = {bytes((high, low)).decode("gb2312", "ignore") for high, lows in rows for low in lows}
    lows = [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    big5 = {bytes((high, low)).decode("big5", "ignore") for high in range(0xA4, 0xC7) for low in lows}
    other = {chr(code) for code in range(0x20, 0x7F)} | set(
        "\t\r\n　、。〈〉《》「」『』【】〔〕！（），．：；？“”‘’…—～·℃％μ×±°"
    )
    return frozenset((gb | big5 | other) - {""})


def _score(data: bytes, encoding: str) -> float:
    """Share of common characters minus five times the share of U+FFFD and NUL; the empty string scores -5."""
    text = data.decode(encoding, "replace")
    if not text:
        return -5.0
    common = common_characters()
    good = sum(1 for character in text if character in common)
    return (good - 5 * (text.count("\ufffd") + text.count("\0"))) / len(text)


def _is_utf8(data: bytes, whole: bool) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _is_western(data: bytes) -> bool:
    """Whether nearly all bytes above ASCII stand between ASCII bytes, which no two-byte encoding of Chinese has: in
    GB18030 ``5 µg`` would read ``5 礸``."""
    runs = re.findall(rb"[\x80-\xff]+", data)
    alone = sum(len(run) == 1 for run in runs)
    letters = len(re.findall(rb"[A-Za-z]", data))
    is_rare = sum(map(len, runs)) <= MOST_WESTERN * len(data) and letters > len(data) // 2
    return bool(runs) and b"\0" not in data and is_rare and alone >= 0.9 * len(runs)


def detect(data: bytes, whole: bool = True) -> str:
    """The encoding of ``data``, one of `CANDIDATES` or `WESTERN`; ``whole`` is false where more data follows.

    Bytes that are valid UTF-8 and hold no NUL are UTF-8, and so is a file most of whose lines are. Otherwise the
    candidates are scored on `PROBE_BYTES` that begin with the line of the first byte above ASCII.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding
    if b"\0" not in data and _is_utf8(data, whole):
        return "utf-8"
    unusual = re.search(rb"[^\x01-\x7f]", data)
    start = data.rfind(b"\n", 0, unusual.start()) + 1 if unusual else 0
    if _is_western(data[start : start + PROBE_BYTES]):
        return WESTERN
    start -= start % 2  # UTF-16 units begin at even offsets
    probe = data[start : start + PROBE_BYTES]
    cut = probe.rfind(b"\n")
    if len(probe) == PROBE_BYTES and cut > PROBE_BYTES // 2:
        probe = probe[:cut]
    if b"\0" not in probe and _is_mostly_utf8(probe):
        return "utf-8"
    probe = probe[: len(probe) - len(probe) % 2] if len(probe) > 3 else probe
    return max(CANDIDATES, key=lambda encoding: (_score(probe, encoding), -CANDIDATES.index(encoding)))


def _is_mostly_utf8(probe: bytes) -> bool:
    """Whether most of several lines above ASCII are UTF-8: the others came from another program."""
    unusual = [line for line in probe.split(b"\n") if not line.isascii()]
    good = sum(line_encoding(line, "gb18030") == "utf-8" for line in unusual) if len(unusual) > 1 else 0
    return 2 * good >= len(unusual) > 1


def line_encoding(data: bytes, encoding: str) -> str:
    """The encoding of one line of a file that is in ``encoding`` as a whole: another one where the line does not
    decode, or reads clearly better in it."""
    if data.isascii() or encoding.startswith("utf-16") or (encoding == "utf-8" and _is_utf8(data, True)):
        return encoding
    if encoding != "utf-8" and not _is_utf8(data, True) and _decodes(data, encoding):
        return encoding
    others = [name for name in ("utf-8", "gb18030", "big5") if name != encoding and _decodes(data, name)]
    scores = {name: _score_unusual(data, name) for name in others}
    best = max(others, key=lambda name: scores[name], default=encoding)
    clear = best != encoding and scores[best] >= CLEAR_SCORE and scores[best] > _score_unusual(data, encoding)
    return best if clear else encoding


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _score_unusual(data: bytes, encoding: str) -> float:
    """The score of the characters above ASCII alone."""
    unusual = "".join(c for c in data.decode(encoding, "replace") if not c.isascii())
    good = sum(c in common_characters() for c in unusual)
    return (good - 5 * unusual.count("\ufffd")) / max(len(unusual), 1)


# ---------------------------------------------------------------- decoding

_bad_bytes: ContextVar[list[int]] = ContextVar("bad_bytes")


def _collect(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    _bad_bytes.get().append(error.start)
    return "\ufffd", max(error.end, error.start + 1)


codecs.register_error("huatuo.collect", _collect)


def decode_as(data: bytes, encoding: str, offset: int) -> tuple[str, tuple[Problem, ...]]:
    """(text, problems) of bytes in a known encoding; ``offset`` is added to the positions."""
    bad: list[int] = []
    token = _bad_bytes.set(bad)
    try:
        text = data.decode(encoding, "huatuo.collect")
    finally:
        _bad_bytes.reset(token)
    problems = []
    if bad:
        places = [position + offset for position in bad]
        shown = ", ".join(f"{place:,}" for place in places[:SHOWN_POSITIONS])
        shown += ", ..." if len(places) > SHOWN_POSITIONS else ""
        message = f"{len(places):,} places are not valid {encoding} (byte {shown}); each became U+FFFD"
        problems.append(Problem("undecodable_bytes", message, tuple(places)))
    if "\0" in text:
        count, first = text.count("\0"), offset + len(text[: text.index("\0")].encode(encoding, "replace"))
        problems.append(Problem("nul_bytes", f"{count:,} NUL characters, the first at byte {first:,}", (first,)))
    return text, tuple(problems)


def decode(data: bytes) -> Decoded:
    """The text of ``data``, its encoding and its problems; never raises."""
    encoding = detect(data)
    skip = _bom_length(data, encoding)
    text, problems = _decode_lines(data[skip:], encoding, skip)
    probe = data[skip : skip + PROBE_BYTES]
    score = _score(probe, encoding)
    if not (skip or encoding in ("utf-8", WESTERN)) and score < LEAST_SCORE:
        message = f"no encoding gives readable text (best: {encoding}, score {score:.2f}, expected {LEAST_SCORE})"
        problems = (*problems, Problem("not_text", message))
    return Decoded(text, encoding, problems)


def _decode_lines(data: bytes, encoding: str, offset: int) -> tuple[str, tuple[Problem, ...]]:
    """(text, problems) of bytes; the lines that are in another encoding than the whole are read in theirs."""
    if encoding.startswith("utf-16") or (encoding == "utf-8" and _is_utf8(data, True)):
        return decode_as(data, encoding, offset)
    lines = data.split(b"\n")
    encodings = [line_encoding(line, encoding) for line in lines]
    odd = [number for number, name in enumerate(encodings, 1) if name != encoding]
    if not odd:
        return decode_as(data, encoding, offset)
    texts: list[str] = []
    problems: list[Problem] = []
    for line, name in zip(lines, encodings, strict=True):
        text, found = decode_as(line, name, offset)
        texts.append(text)
        problems.extend(found)
        offset += len(line) + 1
    others = ", ".join(sorted({encodings[number - 1] for number in odd}))
    shown = ", ".join(f"{number:,}" for number in odd[:SHOWN_POSITIONS]) + (", ..." if odd[SHOWN_POSITIONS:] else "")
    message = f"{len(odd):,} lines of a {encoding} file are in {others} (line {shown}), and were read in it"
    return "\n".join(texts), (Problem("mixed_encodings", message), *problems)


def _bom_length(data: bytes, encoding: str) -> int:
    return next((len(bom) for bom, name in _BOMS if name == encoding and data.startswith(bom)), 0)


def check_file(path: Path) -> None:
    """Nothing, if ``path`` is a file that is not empty.

    Raises InputError naming the path: missing, a folder, or empty.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected a file; next: name a file in it")
        if not path.exists():
            raise InputError(f"{path}: no such file; next: check the path")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty; expected text; next: check how the file was made")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); next: check the path and its rights") from None


def _open(path: Path) -> BinaryIO:
    check_file(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); next: check the rights of the file") from None


def read_text(path: Path) -> Decoded:
    """The decoded content of a file.

    Raises InputError where it is missing, a folder, empty, or cannot be read.
    """
    with _open(path) as file:
        return decode(file.read())


# ---------------------------------------------------------------- lines


def file_encoding(path: Path) -> str:
    """The encoding of a file, found without loading it: from the block that holds the first byte above ASCII."""
    with _open(path) as file:
        block = file.read(PROBE_BYTES)
        if any(block.startswith(bom) for bom, _ in _BOMS):
            return detect(block)
        while block and not re.search(rb"[^\x01-\x7f]", block):
            block = file.read(PROBE_BYTES)
        rest = file.read(PROBE_BYTES)
        return detect(block + rest, whole=len(rest) < PROBE_BYTES) if block else "utf-8"


class Readable(Protocol):
    """Something with bytes to read: a file, or a stream that unpacks one."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def byte_lines(file: Readable, newline: bytes, bound: int) -> Iterator[tuple[int, bytes | None, int]]:
    """(offset, bytes without the line end or None when longer than ``bound``, length) of each line of a stream.

    Memory holds a line at a time, and of a line that is too long a block of 1 MiB. Raises what reading raises.
    """
    unit, offset, buffer, too_long = len(newline), 0, b"", 0
    while True:
        block = file.read(1 << 20)
        if not block:
            break
        buffer += block
        begin = 0
        while (end := _find(buffer, newline, begin, unit)) >= 0:
            length = too_long + end - begin
            yield offset, (None if length > bound else buffer[begin:end]), length
            offset, begin, too_long = offset + length + unit, end + unit, 0
        buffer = buffer[begin:]
        if too_long or len(buffer) > bound:
            kept = len(buffer) % unit
            too_long += len(buffer) - kept
            buffer = buffer[len(buffer) - kept :]
    if buffer or too_long:
        length = too_long + len(buffer)
        yield offset, (None if length > bound else buffer), length


def _find(buffer: bytes, newline: bytes, begin: int, unit: int) -> int:
    end = buffer.find(newline, begin)
    while end >= 0 and (end - begin) % unit:
        end = buffer.find(newline, end + 1)
    return end


def read_lines(path: Path, bound: int | None = None) -> Iterator[tuple[int, str, tuple[Problem, ...]]]:
    """(line number from 1, line without its end, problems) of a file, in memory bounded by the longest line.

    A line of more than ``bound`` bytes (`LONGEST_LINE` when None) comes as the empty string with the problem
    ``line_too_long``. ``\\r\\n`` and ``\\n`` end a line.
    Raises InputError, at once, where the file is missing, a folder, empty, or cannot be read.
    """
    encoding = file_encoding(path)
    return _decoded_lines(path, encoding, LONGEST_LINE if bound is None else bound)


def _decoded_lines(path: Path, encoding: str, bound: int) -> Iterator[tuple[int, str, tuple[Problem, ...]]]:
    newline = "\n".encode(encoding)
    with _open(path) as file:
        head = file.read(4)
        skip = _bom_length(head, encoding)
        file.seek(skip)
        for number, (offset, data, length) in enumerate(byte_lines(file, newline, bound), 1):
            if data is None:
                problem = Problem("line_too_long", f"{length:,} bytes; expected at most {bound:,}", (offset + skip,))
                yield number, "", (problem,)
                continue
            own = line_encoding(data, encoding)
            text, problems = decode_as(data, own, offset + skip)
            if own != encoding:
                message = f"line {number} of a {encoding} file is in {own}, and was read in it"
                problems = (Problem("mixed_encodings", message, (offset + skip,)), *problems)
            yield number, text.removesuffix("\r"), problems
