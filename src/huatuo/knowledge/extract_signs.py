"""Signs that stand with an indication: 甲痛：表现为乏力，汗出 says what 甲痛 looks like, not what the drug is for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from huatuo.knowledge.extract_cuts import Range, cuts
from huatuo.knowledge.extract_lists import ITEM, head_of_signs, terms, values

SIGNS = "临床症状"
"""The relation of an indication to its signs."""

INDICATIONS = frozenset({"适应证", "主治", "功能主治"})
"""Relations in whose sections such signs stand."""

_MARK = re.compile(r"其?(?:临床)?(?:(?:症|证|兼|伴)见|(?:主要)?表现[为由是有]?|症状?为)[:：]?")
_SENTENCE = re.compile(r"[。！!？?\n]+")
_END = re.compile(
    r"[，,；;][^，,；;]*(?:西医|上述|以上|可用|用之|属[此之本]|采用|选用|应用).*$"
    r"|(?:等症|诸症|等表证|者)+$"
)


def signs(text: str, start: int, end: int) -> Iterator[tuple[Range, Range]]:
    """(the indication, one of its signs) as a section of indications says them, in order."""
    for item in cuts(text, start, end, ITEM):
        for first, last in cuts(text, *item, _SENTENCE):
            found = _begin(text, first, last)
            if found:
                whose, begin = found
                stop = _END.search(text[begin:last])
                yield from ((whose, sign) for sign in terms(text, SIGNS, begin, begin + stop.start() if stop else last))


def _begin(text: str, start: int, end: int) -> tuple[Range, int] | None:
    """(what the signs of a sentence are of, where they begin): a head before a colon, or the last indication named."""
    mark = _MARK.search(text, start, end)
    if head := head_of_signs(text, start, end):
        is_marked = mark is not None and mark.start() == head[1] + 1
        return head, mark.end() if mark and is_marked else head[1] + 1
    if not mark or re.search("上述|以上|[有类等]此|此$", text[max(start, mark.start() - 4) : mark.end() + 3]):
        return None
    named = values(text, "适应证", start, mark.start())
    return (named[-1], mark.end()) if named else None
