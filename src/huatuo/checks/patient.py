"""What a simulated patient may say: the case, and nothing that it does not hold. One rule for making and evaluating."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from huatuo.checks import redflags
from huatuo.checks.complaints import complaints
from huatuo.checks.entities import Mention
from huatuo.checks.numbers import unsupported
from huatuo.checks.wording import plain

SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]?|\n")
"""One sentence with its mark."""
ASKS = re.compile(r"[？?]\s*$|(?:吗|呢|么)[。.！!]?\s*$|有没有|是不是|会不会|是否|能不能|可不可以")
"""What makes a sentence a question."""

_ONE = re.compile(r"(?<![十百千])一")


def told(card: Mapping[str, Any]) -> str:
    """The facts of a case as a text, one a line."""
    return "\n".join(map(_spelled, card.values()))


def _spelled(value: Any) -> str:
    return "、".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def revealed(
    said: str, case: str, turns: Sequence[tuple[str, str]], mentions: Callable[[str], Sequence[Mention]]
) -> str:
    """What a patient says that the case does not hold, in words; empty where there is nothing.

    ``case`` is the text of `told`, ``turns`` what patient and physician said before, ``mentions`` finds medical names.
    A name or complaint must stand on the card as it is said, there or not there; what the physician named may be denied
    or asked about, and a complaint may be asked about (会头痛吗). Numbers must stand on the card or in the dialogue.
    """
    heard = "\n".join(answer for _, answer in turns)
    before = "\n".join((case, heard, *(own for own, _ in turns)))
    wrong = unsupported(_ONE.sub("", said), before)
    if wrong:
        return f"{wrong[0].sign}{wrong[0].value:f}{wrong[0].unit} does not stand in the case"
    for sentence in SENTENCE.findall(said):
        asking = bool(ASKS.search(sentence))
        spoken = plain(sentence)
        found = [(plain(m.name), sentence, m.start, m.end) for m in mentions(sentence)]
        known_complaints = {item.name for item in complaints(sentence)}
        found += [(plain(item.name), spoken, item.start, item.end) for item in complaints(sentence)]
        for name, text, start, end in found:
            problem = _unknown(name, redflags.is_denied(text, start, end), asking, case, heard)
            if problem and not (asking and name in map(plain, known_complaints)):
                return problem
    return ""


def _unknown(name: str, denied: bool, asking: bool, case: str, heard: str) -> str:
    """Why a patient may not say a name, or an empty string."""
    stands = _places(name, case)
    if stands:
        has = [not redflags.is_denied(text, start, end) for text, start, end in stands]
        return "" if asking or (not denied) in has else f"{name!r}: the case says otherwise"
    if _places(name, heard) and (denied or asking):
        return ""
    return f"{name!r} does not stand in the case"


def _places(name: str, text: str) -> list[tuple[str, int, int]]:
    """Where a name or complaint stands in a text that is read through `plain`."""
    spoken = plain(text)
    found = [(spoken, match.start(), match.end()) for match in re.finditer(re.escape(name), spoken)]
    return found + [(spoken, item.start, item.end) for item in complaints(text) if plain(item.name) == name]
