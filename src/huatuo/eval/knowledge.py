"""Reading the set of values out of an answer to a knowledge question.

The values of a relation that the graph knows are found first, longest first, so ``恶心和呕吐`` is not cut at 和. What
stands beside them in list position and is no known value is an extra item: an answer is exact only without any.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

RULES = "knowledge.v1"
"""Name of this set of rules in signatures; raised when a reading changes."""

_VALUE, _ENTITY, _OTHER = 0xF0000, "\ue001", "\ue002"  # private characters that stand for a value, and for entities
_V = f"[{chr(_VALUE)}-{chr(0xFFFFD)}]"
_SENTENCE = re.compile(r"[。;!?]+|\.(?=\s|$)")
_NUMBER = re.compile(r"(?m)^\s*(?:[(\[]?\d{1,2}[)\].、:]|[-*•·])\s*|(?<=[。;、,\n:])\s*[(\[]?\d{1,2}[)\].、]\s*")
_BETWEEN = re.compile(rf"([、,/\n]|(?<={_V})(?:以及|还有|和|与|及|或|\s+and\s+|\s+))")
_LEAD = re.compile(
    r"有|是|为|:|包括|包含|含有|含|可见|如下|使用|服用|选用|采用|吃|挂|由|通过|(?:可能|常|会|往往|多)与|于|并发|合并|配合|"
    r"出现|伴有|伴|检查|属于|归为|归|入|治疗|主治|叫|写作|具有|注意|以|可以|按|要求|保存|发生在|位于|在|导致|引起|考虑|见|宜|表现|做"
)
_FILLER = re.compile(
    r"(?:的|了|主要|常见|一般|通常|可能|以下|几种|几类|几项|情况|如下|例如|比如|如|[\"“”「」《》()\s:])*"
)
_TAIL = re.compile(
    r"[\"“”」》)\s]*(?:$|[\"“”」》)(]|都|均|皆|是|为|可|有关|有助|等|的(?:作用|功效|患者|病人|人|情况|症状|疾病|药物)|进行|常与|常会|也是|"
    r"属于|传播|诊治|组成|入药|情况|症状|患者|者|[几一二三四五六七八九十两\d]+(?:种|项|类|个|条))"
)
_COMMENT = re.compile(
    r"\s*(?:建议|需|应|请|但|如|若|因此|所以|具体|这些|以上|上述|可|并且|可能|严重|必要|其中|患者|同时|均|都|也|从而|是|进行|$)"
)
_DENIED = re.compile(r"没有|不包括|不包含|不是|并非|不存在|不属于|除外|未见")


@dataclass(frozen=True)
class Reading:
    """What an answer lists."""

    values: tuple[str, ...]
    """Known values of the relation, as the graph writes them, in the order of first mention."""
    extra: tuple[str, ...]
    """What stands in list position and is no known value."""
    rule: str
    """``list``, or what is wrong: ``empty``, ``no known value``, ``denied``, ``other entity``, ``repeats itself``."""

    def is_exact(self, gold: Collection[str]) -> bool:
        """Whether the answer lists every right value and nothing else."""
        return self.rule == "list" and not self.extra and set(self.values) == set(gold)

    def overlap(self, gold: Collection[str]) -> tuple[float, float, float]:
        """Precision, recall and F1 of the values; an extra item counts as a wrong value."""
        usable = self.rule in ("list", "repeats itself")
        right = len(set(self.values) & set(gold)) if usable else 0
        said = len(set(self.values)) + len(self.extra)
        precision, recall = (right / said if said else 0.0), (right / len(set(gold)) if gold else 0.0)
        return precision, recall, 2 * right / (said + len(set(gold))) if right else 0.0


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


class Reader:
    """Reads the answers about one relation."""

    def __init__(self, values: Iterable[str], entities: Iterable[str] = ()) -> None:
        """``values``: all values that the graph has for the relation; ``entities``: names that may be asked about."""
        self._values = {key: value for value in sorted(values) if (key := _plain(value).strip().rstrip("。"))}
        self._entities = {_plain(name) for name in entities if name.strip()}
        self._names: dict[str, list[str]] = {}
        """Names by first character, longest first: looked up at each place, since an alternation of thousands of names
        takes milliseconds per answer."""
        for name in sorted(set(self._values) | self._entities, key=lambda name: (-len(name), name)):
            self._names.setdefault(name[0], []).append(name)

    def read(self, text: str, entity: str) -> Reading:
        """What the answer to a question about ``entity`` lists."""
        if not text.strip():
            return Reading((), (), "empty")
        found: list[str] = []
        marked = self._mark(_NUMBER.sub("\n", _plain(text)), _plain(entity), found)
        extra = [self._back(item, found) for sentence in _SENTENCE.split(marked) for item in _extras(sentence)]
        values = tuple(dict.fromkeys(found))
        frame = re.sub(_V, "", marked)
        return Reading(values, tuple(dict.fromkeys(extra)), _rule(marked, frame, values, found))

    def _mark(self, text: str, entity: str, found: list[str]) -> str:
        """The text with one private character for each known value and each entity outside of values."""
        named = [name for _, name in self._found(text, "")]
        # The asked 糖尿病 must not be seen inside 妊娠期糖尿病, but stands before any other name.
        longer = {name for name in named if entity and entity in name and name != entity}
        pieces, end = [], 0
        for place, name in self._found(text, entity, longer):
            pieces.append(text[end:place])
            end = place + len(name)
            if name == entity:
                pieces.append(_ENTITY)
            elif name in self._values:
                found.append(self._values[name])
                pieces.append(chr(_VALUE + len(found) - 1))
            else:
                pieces.append(_OTHER)
        return "".join(pieces) + text[end:]

    def _found(self, text: str, entity: str, longer: Collection[str] = ()) -> Iterator[tuple[int, str]]:
        """Place and name of every name in the text, from left to right: one of ``longer``, the entity, or the longest
        known name that begins there."""
        place = 0
        while place < len(text):
            here = [name for name in self._names.get(text[place], ()) if text.startswith(name, place)]
            name = next((one for one in here if one in longer), "")
            if not name:
                name = entity if entity and text.startswith(entity, place) else here[0] if here else ""
            if name:
                yield place, name
            place += len(name) or 1

    def _back(self, item: str, found: Sequence[str]) -> str:
        shown = re.sub(_V, lambda match: found[ord(match[0]) - _VALUE], item)
        return shown.replace(_ENTITY, "…").replace(_OTHER, "…").strip()


def _rule(marked: str, frame: str, values: Sequence[str], found: Sequence[str]) -> str:
    if not values:
        return "no known value"
    if _OTHER in frame and _ENTITY not in frame:
        return "other entity"
    if _DENIED.search(frame):
        return "denied"
    first = next(s for s in _SENTENCE.split(marked) if re.search(_V, s))
    named = Counter(found[ord(character) - _VALUE] for character in first if ord(character) >= _VALUE)
    sentences = Counter(
        re.sub(_V, lambda m: found[ord(m[0]) - _VALUE], s) for s in _SENTENCE.split(marked) if s.strip()
    )
    if max(named.values()) > 1 or max(Counter(found).values()) > 3 or max(sentences.values()) > 1:
        return "repeats itself"
    return "list"


def _extras(sentence: str) -> list[str]:
    """Items of one sentence's list that are no known value; nothing where the sentence holds no known value."""
    if not re.search(_V, sentence):
        return []
    parts = _BETWEEN.split(sentence)
    pieces, marks = parts[0::2], ["", *parts[1::2]]
    holders = [place for place, piece in enumerate(pieces) if re.search(_V, piece)]
    lead = _lead_at(pieces, marks, holders[0])
    items = []
    for place, piece in enumerate(pieces):
        if place < lead or not piece.strip():
            continue
        left = _after_lead(piece) if place == lead else piece.strip()
        if place > holders[-1] and _is_comment(left, marks[place]):
            break
        items.append(_without_value(left, last=place == holders[-1] or place == len(pieces) - 1))
    return [item for item in items if item]


def _lead_at(pieces: Sequence[str], marks: Sequence[str], first: int) -> int:
    """The piece in which the list begins: the one with the first value, or earlier where 、 joins it to others."""
    lead = first
    while lead > 0 and marks[lead] != ",":
        lead -= 1
    return lead


def _after_lead(piece: str) -> str:
    """What follows the words that introduce a list: up to the last leading word, or up to the entity."""
    value = re.search(_V, piece)
    head, rest = (piece[: value.start()], piece[value.start() :]) if value else (piece, "")
    ends = [match.end() for match in _LEAD.finditer(head)] + [head.rfind(_ENTITY) + 1, head.rfind(_OTHER) + 1]
    left = head[max(ends) :]
    filler = _FILLER.match(left)
    return (left[filler.end() :] if filler else left) + rest


def _is_comment(piece: str, mark: str) -> bool:
    """Whether a piece after the last value is a remark and no item of the list; what 、 joins is always an item."""
    if mark in ("、", "/"):
        return False
    return _ENTITY in piece or bool(_COMMENT.match(piece))


def _without_value(piece: str, last: bool) -> str:
    """The piece, or nothing where it is a known value with no more than introducing and closing words."""
    match = re.fullmatch(rf"(?P<head>[^{chr(_VALUE)}-{chr(0xFFFFD)}]*){_V}(?P<tail>.*)", piece, re.DOTALL)
    if match is None:
        return piece
    head, tail = match["head"], match["tail"]
    lead = re.fullmatch(r"(?:以及|还有|和|与|及|或|并|伴|[\"“「《(\s])*", head)
    closed = not tail.strip() or (_TAIL.match(tail) if last else re.fullmatch(r"[\"”」》)\s]*|等", tail))
    return "" if lead and closed else piece
