"""Chinese that was decoded in the wrong encoding: found by undoing the mistake, and seeing whether Chinese comes out.

| written | read as | shows |
|---|---|---|
| UTF-8 | GBK | 乙病 → 涔欑梾 |
| UTF-8 | Windows-1252, Latin-1 | 乙病 → ä¹™ç—… |
| GBK | Latin-1 | 乙病 → ÒÒ²¡ |

A genuine text gives no Chinese when it is undone, or consists of commoner characters than what comes out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from huatuo.readers.encoding import common_characters

FEWEST = 2
"""Chinese characters that must come out: one may be chance."""

LEAST_KEPT = 0.7
"""Share of the bytes that must be UTF-8: the mistake loses some, at the end of an odd number of them for one."""

_RUN = re.compile(r"[^\x00-\x7f]{3,}")
_LATIN = re.compile(r"[\u00a1-\u00ff]{4,}")
_HAN = re.compile(r"[\u3400-\u9fff]")


def mojibake(text: str) -> str:
    """The first run of characters that is Chinese decoded in the wrong encoding; else empty."""
    for found in _RUN.finditer(text):
        run = found.group()
        if not common_characters().issuperset(run) and _undone(run):
            return run
    latin = _LATIN.search(text)
    return latin.group() if latin else ""


def _undone(run: str) -> bool:
    """Whether the bytes of a run, read as UTF-8, are Chinese of commoner characters."""
    for data in (run.encode("gb18030", "ignore"), _single_bytes(run)):
        mended = _as_utf8(data)
        if len(_HAN.findall(mended)) >= FEWEST and _common(mended) > _common(run):
            return True
    return False


def _as_utf8(data: bytes) -> str:
    """The bytes as UTF-8 where nearly all are; else empty."""
    mended = data.decode("utf-8", "ignore")
    return mended if len(mended.encode("utf-8")) >= LEAST_KEPT * len(data) else ""


def _single_bytes(run: str) -> bytes:
    """The bytes of a run that was read with one byte to a character; empty where it was not."""
    table = _western()
    return b"".join(table.get(c, b"") for c in run) if all(c in table for c in run) else b""


@lru_cache(maxsize=1)
def _western() -> dict[str, bytes]:
    """Character → its byte, of Latin-1 and of what Windows-1252 has in place of the control characters."""
    single = [bytes((code,)) for code in range(256)]
    table = {byte.decode("latin-1"): byte for byte in single}
    return table | {shown: byte for byte in single if (shown := byte.decode("cp1252", "ignore"))}


def _common(text: str) -> float:
    return sum(character in common_characters() for character in text) / len(text)
