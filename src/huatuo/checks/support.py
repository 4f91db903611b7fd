"""Is a free answer supported by facts? It may leave facts unsaid and use other words; it may not say anything else.

| kind | what it finds |
|---|---|
| `number` | a quantity, unit, bound or frequency that the facts do not state |
| `negation` | 禁用 for 慎用 or 可用, a "not" added or lost |
| `swapped` | a name, or a part of one, put in the place of another |
| `invented` | an item or clause beside the facts |
| `qualifier` | a fact said without its condition, degree or time |

Rules over characters: each piece of the answer is laid beside the piece of the facts that it shares most with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from huatuo.checks.contrast import added_or_lost, medical_head, opposed
from huatuo.checks.entities import Dictionary
from huatuo.checks.measures import SIGN, disagreement, numberless, read, unsaid
from huatuo.checks.wording import plain, without_empty

Kind = Literal["number", "negation", "swapped", "invented", "qualifier"]

_PIECES = re.compile(r"[，,。；;：:、()（）!?！？\n“”\"]|以及|或者|还有|和(?!缓|中)|或(?!许)|及(?!时)|与|跟")
_CLAUSES = re.compile(r"[，,。；;：:!?！？\n]")
_SENTENCES = re.compile(r"[。；;!?！？\n]")
_PARTICLES = re.compile(
    r"[的了着过是有者人也都会能可为在被把将使令让用其则就]|患者|病人|本品|该药|出现|引起|治疗|服用|发生|伴|包括|具有|常见|表现"
)
_HAN = re.compile(r"[一-鿿a-zα-ω#]")
_LETTER = re.compile(r"[一-鿿a-zα-ω]")
_ADDING = re.compile(r"还|也|另(?!煎)|并|此外|同样|部分|少数|以及|伴")
_STANCE = re.compile(
    r"禁用|慎用|禁忌|禁止|避免|不得|不宜|不可|不能|不要|不应|应当|应该|必须|建议|适合|适用于|用于|禁|忌|慎|应|宜|须|需|已|每|一次"
)
_TAIL = re.compile(r"(?:可以|不能|不可以|不可|能|可)?(?:使用|服用|治疗|者|患者|病人|的人|都).*$")
_WEAK = re.compile(r"[时后性内多期间于用中与和及或等摄入]|症状|感染")
_DEGREES = frozenset("高低急慢左右大小前后上下多少长短轻重空早晚深浅")
_TIMES = frozenset(("睡前", "餐前", "餐后", "空腹", "餐中", "晨起", "早晨", "晚间", "顿服", "随餐服用", "必要时"))
NEAR = 0.5
"""Least share of a fact's piece that an answer's piece has, in order, to be that piece with something changed."""

CLOSE = 0.65
"""Least share of an answer's letters that are the facts' own for it to be a copy with something changed. In an answer
of other words throughout, an unknown word is more often another wording than another thing: there only names,
endings and opposites count."""

CLOSE_ALONE = 0.4
"""The same of an answer of one piece, of which the changed part is the larger."""

SHORT = 8
"""Characters of the longest piece that is taken for an item of a list."""


class Said(NamedTuple):
    """One fact as the check needs it."""

    relation: str
    """Relation."""
    value: str
    """Value."""


class Problem(NamedTuple):
    """One thing that the facts do not support."""

    kind: Kind
    """See the table above."""
    reason: str
    """What was found."""


class _Style(NamedTuple):
    """How the answer around a piece is worded."""

    close: bool
    """It is the facts' own wording for the most part."""
    adding: bool
    """The clause has a word of addition."""
    verbatim: int
    """Pieces that are a fact's word for word."""
    entity_said: bool
    """The answer names the entity."""


class _Source(NamedTuple):
    text: str
    pieces: list[tuple[str, bool]]
    """(piece, whether the answer leaves out a number of its value); the first is the entity"""
    pairs: frozenset[str]
    values: list[Said]


def problems(
    question: str, answer: str, entity: str, facts: Sequence[Said], names: Dictionary | None = None
) -> list[Problem]:
    """Everything in the answer that the facts do not support, first the surest kinds.

    ``entity``: whom the facts are about, with its aliases if there are any. ``names``: names of a graph; one that
    stands in the answer and nowhere in the facts is another thing's. Facts may be left unsaid.
    """
    source = _source(question, answer, entity, facts)
    spoken = plain(answer)
    wrong = disagreement(answer, "；".join((entity, question, *(fact.value for fact in facts))))
    found = [Problem("number", wrong)] if wrong else []
    turned = added_or_lost(spoken, plain(question), [(fact.relation, plain(fact.value)) for fact in facts])
    found += [Problem("negation", turned)] if turned else []
    found += _foreign(answer, "\n".join((entity, question, *(v for fact in facts for v in fact))), source, names)
    spoken = numberless(spoken)
    name = source.pieces[0][0]
    pieces = [
        (part if part in source.text else part.replace(name, "", 1), bool(_ADDING.search(clause)))
        for clause in _CLAUSES.split(spoken)
        for part in map(str.strip, _PIECES.split(clause))
    ]
    known = {piece for piece, _ in source.pieces}
    verbatim = sum(piece in known for piece, _ in pieces if len(piece) > 1)
    own = [_own(piece, source) for piece, _ in pieces]
    answer_own = (sum(covered for covered, _ in own), sum(letters for _, letters in own))
    rest = spoken.replace(name, "", 1)
    for (piece, adding), (covered, letters) in zip(pieces, own, strict=True):
        others = answer_own[1] - letters
        close = (answer_own[0] - covered) / others >= CLOSE if others > 1 else covered >= CLOSE_ALONE * letters
        style = _Style(close, close and adding, verbatim if close else 0, name in spoken)
        found += _piece(piece, source, rest, style)
    return found + _untimed(spoken, source)


def _own(piece: str, source: _Source) -> tuple[int, int]:
    """How many letters of a piece stand in the facts, three and more together or as a whole piece; and how many it
    has."""
    covered = [any(piece == known for known, _ in source.pieces)] * len(piece)
    for i in range(len(piece) - 2):
        if piece[i : i + 3] in source.text:
            covered[i] = covered[i + 1] = covered[i + 2] = True
    letters = [i for i, character in enumerate(piece) if _LETTER.match(character)]
    return sum(covered[i] for i in letters), len(letters)


def _source(question: str, answer: str, entity: str, facts: Sequence[Said]) -> _Source:
    values = [Said(fact.relation, numberless(plain(fact.value))) for fact in facts]
    stated = read(answer)
    short = [unsaid(fact.value, stated) for fact in facts]
    pieces = [
        (piece.strip(), left)
        for value, left in zip(values, short, strict=True)
        for piece in _PIECES.split(value.value)
        if piece.strip()
    ]
    name = numberless(plain(entity))
    text = "\n".join((name, plain(question), *(f"{v.relation}\n{v.value}" for v in values)))
    pairs = frozenset(text[i : i + 2] for i in range(len(text) - 1))
    return _Source(text, [(name, False), *pieces], pairs, values)


def _foreign(answer: str, raw: str, source: _Source, names: Dictionary | None) -> Iterable[Problem]:
    for mention in names.find(answer) if names else ():
        name = plain(mention.name)
        if mention.name not in raw and name not in source.text and _open(name, source)[0]:
            yield Problem("swapped", f"{mention.name!r} is not in the facts")


def _open(piece: str, source: _Source) -> tuple[list[str], int]:
    """Runs of characters that neither the facts nor everyday speech explain, and how many characters claim anything."""
    covered = [False] * len(piece)
    for i in range(len(piece) - 1):
        if piece[i : i + 2] in source.pairs:
            covered[i] = covered[i + 1] = True
    left = without_empty(piece)
    claims = sum(1 for i, c in enumerate(piece) if _LETTER.match(c) and (covered[i] or left[i] != " "))
    kept = "".join(c if not covered[i] and left[i] != " " and _LETTER.match(c) else " " for i, c in enumerate(piece))
    return kept.split(), claims


def _new(runs: Iterable[str], source: _Source) -> int:
    """How many of the characters stand nowhere in the facts."""
    return sum(character not in source.text for run in runs for character in run)


def _piece(piece: str, source: _Source, answer: str, style: _Style) -> list[Problem]:
    if len(piece) < 2:
        return []
    if piece not in source.text:
        swapped = _substituted(piece, source, answer, style)
        if swapped:
            return [Problem("swapped", swapped)]
        novel, claims = _open(piece, source)
        head = next((run for run in novel if medical_head(run) and _new([run], source) * 2 >= len(run)), "")
        if head:
            return [Problem("swapped", f"{head!r} is not in the facts")]
        size = sum(map(len, novel))
        alone = size >= 2 and size * 2 >= claims and _new(novel, source) * 2 >= size
        bare = len(piece) <= SHORT and (style.verbatim > 1 or (style.verbatim > 0 and size * 4 >= claims * 3))
        if SIGN not in piece and alone and (style.adding or bare) and not _reworded(piece, source, answer):
            return [Problem("invented", f"{piece!r} is in no fact")]
    return _shortened(piece, source, answer)


def _reworded(piece: str, source: _Source, answer: str) -> bool:
    """Whether a piece may be another wording of a fact's piece that the answer does not hold as it is written."""
    said = {value.relation for value in source.values if value.value in answer}
    letters = set(_content(piece))
    for value in source.values:
        if said and value.relation not in said:
            continue
        for known in _PIECES.split(value.value):
            shared = len(letters & set(_content(known)))
            if known not in answer and shared >= 2 and shared * 2 > min(len(letters), len(_content(known))):
                return True
    return False


def _content(text: str) -> str:
    return "".join(_HAN.findall(_PARTICLES.sub("", text)))


def _substituted(piece: str, source: _Source, answer: str, style: _Style) -> str:
    """The part of a fact that something else stands for in a piece, in words."""
    novel = "".join(_open(piece, source)[0])
    for number, (known, _) in enumerate(source.pieces):
        if not number and (style.entity_said or not known):
            continue
        part = piece if number else piece[: len(known) + 1]  # the entity stands before what is said of it
        matcher = SequenceMatcher(None, known, part, autojunk=False)
        shared = sum(block.size for block in matcher.get_matching_blocks())
        if shared < 2 and not (shared and len(known) <= 3 and len(part) == len(known)):
            continue
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            old, new = _content(known[a1:a2]).replace(SIGN, ""), _content(part[b1:b2]).replace(SIGN, "")
            if tag != "replace" or not old or not new or max(len(old), len(new)) > 6:
                continue
            if all(character in answer for character in old):
                continue
            near = style.close and shared >= NEAR * len(known) and len(part) <= len(known) + 3
            if (near and any(c in novel for c in new)) or (opposed(old, new) and shared >= len(known) * 0.4):
                return f"{new!r} stands for {old!r} of {known!r}"
    return ""


def _shortened(piece: str, source: _Source, answer: str) -> list[Problem]:
    """A piece that is a fact's piece without some of its words, where no other words of the answer bring them."""
    tries = {_content(piece)}
    if piece not in source.text:
        left = without_empty(piece)
        start = len(left) - len(left.lstrip())
        tries |= {_content(piece[start : len(left.rstrip())]), _content(_TAIL.sub("", piece[start:]))}
    wholes = {_content(known) for known, _ in source.pieces} | {_content(v.value) for v in source.values}
    rest = answer  # without the other facts: the 低 of one is not the 低 of the next
    for known, _ in sorted(source.pieces[1:], key=lambda item: (-len(item[0]), item[0])):
        rest = rest.replace(known, "") if len(known) > 1 else rest
    for bare in sorted(tries):
        if len(bare) < 2 or tries & wholes:
            continue
        for known, short in source.pieces[1:]:
            lost = _lost(_content(known), bare)
            if known in piece:
                continue
            words = _WEAK.sub("", lost)
            gone = [c for c in words if c != SIGN and c not in piece and c not in (rest if c in _DEGREES else answer)]
            if (SIGN in words and short) or len(gone) * 2 > len(words.replace(SIGN, "")):
                return [Problem("qualifier", f"{bare!r} is said of {known!r} without {lost!r}")]
    return []


def _lost(full: str, bare: str) -> str:
    """The characters of ``full`` that ``bare`` leaves out where it is otherwise the same; else empty."""
    if len(full) <= len(bare) or len(bare) * 4 < len(full):
        return ""
    full, bare = _STANCE.sub("", full), _STANCE.sub("", bare)
    lost, position = [], 0
    for character in full:
        if position < len(bare) and bare[position] == character:
            position += 1
        else:
            lost.append(character)
    if not bare or position < len(bare):
        return ""
    if full[-1] != bare[-1] and not (full[-1] == SIGN and len(lost) <= 3):
        return ""
    return "".join(lost)


def _untimed(answer: str, source: _Source) -> list[Problem]:
    """Facts of which all is said but the time of day or the meal."""
    for fact in source.values:
        parts = [part.strip() for part in _PIECES.split(fact.value) if part.strip()]
        left = [part for part in parts if part not in answer]
        if len(parts) > 1 and len(left) < len(parts) and left and all(part in _TIMES for part in left):
            return [Problem("qualifier", f"{fact.value!r} is said without {left[0]!r}")]
    return []


def complete(answer: str, facts: Sequence[Said]) -> bool:
    """Whether the answer says every fact: all numbers, and each piece word for word or nearly so."""
    spoken, stated = numberless(plain(answer)), read(answer)
    pairs = frozenset(spoken[i : i + 2] for i in range(len(spoken) - 1))
    for fact in facts:
        if unsaid(fact.value, stated):
            return False
        for piece in _PIECES.split(numberless(plain(fact.value))):
            bare = _STANCE.sub("", _content(piece)).replace(SIGN, "")
            own = [bare[i : i + 2] for i in range(len(bare) - 1)]
            if own and sum(pair in pairs for pair in own) * 3 < len(own) * 2:
                return False
            if len(bare) == 1 and bare not in spoken:
                return False
    return True
