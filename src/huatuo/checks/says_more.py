"""What a text says that another, nearly the same, does not: a number, a ban or denial, a name, a question.

Two monographs share nine tenths of their characters and differ in the dose; two answers are word for word the same but
for the disease. To drop the second of them loses what it alone says. Only clauses that the other text does not have are
looked at, so that a number which stands elsewhere in both is not taken for its own. Whether numbers differ at all is
asked of their characters first: reading them as quantities takes ten times as long, and most copies have the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal, get_args

from huatuo.checks.negation import clauses, stances
from huatuo.checks.numbers import located

More = Literal["number", "stance", "name", "question"]
KINDS: tuple[More, ...] = get_args(More)
"""What a text may say more, in the order in which it is looked for."""

_FIGURES = re.compile(r"\d[\d.,]*\s*[^\W\d_、]{0,3}|[一二两三四五六七八九十百千半]+\w?")
_MARK = re.compile(r"\s*[、.．:：)）]")
"""Signs after a bare number that make it the mark of a list."""

_CALENDAR, _COUNTED = 1900, 1000
"""Years from this one on, and bare numbers from this one on (visits, telephones, codes), say when and where a text was
published, not what it teaches."""

_DENIAL = re.compile(r"[禁忌慎勿不无未非别没避免]|\b(?:not?|never|without|none|avoid\w*|cannot)\b|n't\b", re.IGNORECASE)
_SIGN = re.compile(r"(?<![\w-])[A-Za-z0-9][\w-]*(?:(?<=\w)[A-Z]|(?<=[A-Za-z-])\d)[\w-]*")
"""A name in Latin letters by its form alone: a capital inside a word, or a digit after letters."""

_CAPITAL = re.compile(r"(?:^|[.!?:：。！？\n])[\s\"'“]*[\w-]+|(?<![\w-])(?P<name>[A-Z][a-z][\w-]*)")
"""A name by its capital; the first word of a sentence is none."""

_QUESTION = re.compile(r"[^。！？!?\n]*[?？]")
_COUNTERPART = 0.5
"""Share of the runs of two characters of the shorter one from which a clause is another's counterpart."""


def more(text: str, other: str, kinds: Collection[More] = KINDS) -> More | None:
    """The first of the kinds in which the text says something that the other does not; None where it does not."""
    ours, theirs = dict.fromkeys(clauses(text)), dict.fromkeys(clauses(other))
    own = [clause for clause in ours if clause not in theirs]
    if not own:
        return None
    rest = [clause for clause in theirs if clause not in ours]
    new, old = "\n".join(own), "\n".join(rest)
    if "number" in kinds and _has_number(new, old):
        return "number"
    if "stance" in kinds and _has_stance(own, rest, new, old):
        return "stance"
    if "name" in kinds and _has_name(new, other):
        return "name"
    if "question" in kinds and any(asked not in other for asked in _questions(text)):
        return "question"
    return None


def _has_number(new: str, old: str) -> bool:
    known = set(_FIGURES.findall(old))
    return any(found not in known for found in _FIGURES.findall(new)) and bool(_numbers(new) - _numbers(old))


def _numbers(text: str) -> set[str]:
    return {
        str(quantity)
        for _, end, quantity in located(text)
        if (quantity.unit and not (quantity.unit == "year" and quantity.value >= _CALENDAR))
        or (quantity.value < _COUNTED and not _MARK.match(text, end))
    }


def _has_stance(own: list[str], rest: list[str], new: str, old: str) -> bool:
    """Whether a clause bans, warns or denies otherwise than its counterpart, or is new and does so."""
    if sorted(_DENIAL.findall(new)) == sorted(_DENIAL.findall(old)):
        return False
    pairs = [(clause, _pairs(clause)) for clause in rest]
    for clause in own:
        runs = _pairs(clause)
        shared = ((len(runs & others) / max(min(len(runs), len(others)), 1), there) for there, others in pairs)
        share, counterpart = max(shared, default=(0.0, ""))
        if stances(clause) != stances(counterpart if share >= _COUNTERPART else ""):
            return True
    return False


def _pairs(clause: str) -> set[str]:
    return {clause[at : at + 2] for at in range(len(clause) - 1)}


def _has_name(new: str, other: str) -> bool:
    known = other.casefold()
    return any(name.casefold() not in known for name in _names(new))


def _names(text: str) -> Iterator[str]:
    yield from (found[0] for found in _SIGN.finditer(text))
    yield from (found["name"] for found in _CAPITAL.finditer(text) if found["name"])


def _questions(text: str) -> list[str]:
    return _QUESTION.findall(text) if "?" in text or "？" in text else []
