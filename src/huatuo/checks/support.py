"""Is a free answer supported by facts? It may leave facts unsaid and use other words; it may not say anything else.

| kind | what it finds |
|---|---|
| `language` | the answer is in a language that these rules do not read |
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

from huatuo.checks.contrast import opposed
from huatuo.checks.entities import Dictionary
from huatuo.checks.measures import SIGN, disagreement, numberless, read, unsaid
from huatuo.checks.polarity import added_or_lost
from huatuo.checks.qualifiers import DEGREES, STANCE, content, lost, sweeping, telling
from huatuo.checks.strangers import (
    ALSO_CALLED,
    Clause,
    beside_list,
    clauses,
    implied,
    opposite,
    stranger,
    subject,
    unsupported,
)
from huatuo.checks.wording import POLES, medical_head, plain, reworded, spans

Kind = Literal["language", "number", "negation", "swapped", "invented", "qualifier"]

_PIECES = re.compile(r"[，,。；;：:、()（）!?！？\n“”\"]|以及|或者|还有|和(?!缓|中)|或(?!许)|及(?!时)|与|跟")
_CLAUSES = re.compile(r"[，,。；;：:!?！？\n]")
_SENTENCES = re.compile(r"[。；;!?！？\n]")
_HAN_ONLY = re.compile(r"[一-鿿]+$")
_LETTER = re.compile(r"[一-鿿a-zα-ω]")
_ADDING = re.compile(r"还|也|另(?!煎)|并|此外|同样|部分|少数|以及|伴")
_TAIL = re.compile(r"(?:可以|不能|不可以|不可|能|可)?(?:使用|服用|治疗|者|患者|病人|的人|都).*$")
_WEAK = re.compile(r"[时后性内多期间于用中与和及或等摄入]|症状|感染")
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
    said: str
    facts: str
    asked: str
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
    if _unread(answer, source):
        return [Problem("language", "the answer is not in Chinese, which is all that these rules read")]
    wrong = disagreement(answer, "；".join((entity, question, *(fact.value for fact in facts))))
    found = [Problem("number", wrong)] if wrong else []
    asked = numberless(plain(question))
    told = clauses(numberless(plain(answer)), source.said, asked)
    spoken = reworded(spans(numberless(plain(answer)), source.said, asked))
    turned = added_or_lost(
        spoken, reworded(spans(asked, source.said)), [(fact.relation, fact.value) for fact in source.values]
    )
    found += [Problem("negation", turned)] if turned else []
    found += _foreign(answer, "\n".join((entity, question, *(v for fact in facts for v in fact))), source, names)
    found += _beside(told, spoken, source)
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
    rest = spoken.replace(name, "", 1) + implied(told, source.said)
    for (piece, adding), (covered, letters) in zip(pieces, own, strict=True):
        if ALSO_CALLED.search(piece):
            continue
        others = answer_own[1] - letters
        close = (answer_own[0] - covered) / others >= CLOSE if others > 1 else covered >= CLOSE_ALONE * letters
        style = _Style(close, close and adding, verbatim if close else 0, name in spoken)
        found += _piece(piece, source, rest, style)
    lifted = sweeping(plain(answer), source.asked, source.facts)
    found += [Problem("qualifier", f"{lifted!r} lifts the conditions of the facts")] if lifted else []
    return found + _untimed(spoken, source)


def _beside(told: Sequence[Clause], spoken: str, source: _Source) -> Iterable[Problem]:
    """What the clauses of an answer name that the facts do not."""
    pieces = [piece for piece, _ in source.pieces[1:]]
    name = source.pieces[0][0]
    other = "" if name in spoken else subject(spoken, name, source.asked)
    if other:
        yield Problem("swapped", f"{other!r} stands for {name!r}")
    for clause in told:
        strange = stranger(clause, source.said)
        if strange:
            yield Problem("swapped", f"{strange!r} is not in the facts")
        beside = unsupported(clause, f"{source.facts}\n{source.asked}")
        beside = beside or beside_list("".join(s.text for s in clause.spans), pieces, source.said, source.asked)
        if beside:
            yield Problem("invented", f"{beside!r} is in no fact")
        word, standing = opposite(clause, pieces, source.facts)
        if word:
            yield Problem("swapped", f"{word!r} is said where the facts say {standing!r}")


def _unread(answer: str, source: _Source) -> bool:
    """Whether an answer has Latin words that the facts have not and no Chinese."""
    words = re.findall(r"[^\W\d_]{2,}", plain(answer))
    strange = [word for word in words if word not in source.text]
    return len(strange) > 1 and not re.search(r"[一-鿿]", answer)


def _own(piece: str, source: _Source) -> tuple[int, int]:
    """How many letters of a piece stand in the facts, two and more together; and how many there are, without those of
    everyday words."""
    laid = [(len(_LETTER.findall(span.said)), span.sort) for span in spans(piece, source.text)]
    return sum(n for n, sort in laid if sort == "source"), sum(n for n, sort in laid if sort != "everyday")


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
    text = "\n".join((name, numberless(plain(question)), *(f"{v.relation}\n{v.value}" for v in values)))
    pairs = frozenset(text[i : i + 2] for i in range(len(text) - 1))
    own = "\n".join((name, *(f"{plain(fact.relation)}\n{plain(fact.value)}" for fact in facts)))
    said = "\n".join((name, *(f"{v.relation}\n{v.value}" for v in values)))
    return _Source(text, said, own, plain(question), [(name, False), *pieces], pairs, values)


def _foreign(answer: str, raw: str, source: _Source, names: Dictionary | None) -> Iterable[Problem]:
    for mention in names.find(answer) if names else ():
        name = plain(mention.name)
        if mention.name not in raw and name not in source.text and _open(name, source)[0]:
            yield Problem("swapped", f"{mention.name!r} is another name of the graph")


def _open(piece: str, source: _Source) -> tuple[list[str], int]:
    """Runs of characters that neither the facts nor everyday speech explain, and how many characters claim anything."""
    laid = spans(piece, source.text)
    kept = "".join(
        s.said if s.sort in ("concept", "other") or (s.sort == "pole" and len(s.said) == 1) else " " * len(s.said)
        for s in laid
    )
    claims = sum(len(_LETTER.findall(s.said)) for s in laid if s.sort != "everyday")
    return re.findall(r"[一-鿿a-zα-ω]+", kept), claims


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
    return _shortened(piece, source, answer) if style.close else []


def _reworded(piece: str, source: _Source, answer: str) -> bool:
    """Whether a piece may be another wording of a fact's piece that the answer does not hold as it is written."""
    said = {value.relation for value in source.values if value.value in answer}
    letters = set(content(piece))
    for value in source.values:
        if said and value.relation not in said:
            continue
        for known in _PIECES.split(value.value):
            shared = len(letters & set(content(known)))
            if known not in answer and shared >= 2 and shared * 2 > min(len(letters), len(content(known))):
                return True
    return False


def _substituted(piece: str, source: _Source, answer: str, style: _Style) -> str:
    """The part of a fact that something else stands for in a piece, in words."""
    novel = "".join(_open(piece, source)[0])
    for number, (known, _) in enumerate(source.pieces):
        if not number and (style.entity_said or not known):
            continue
        part = piece if number else piece[: len(known) + 1]  # the entity stands before what is said of it
        matcher = SequenceMatcher(None, known, part, autojunk=False)
        blocks = [block.size for block in matcher.get_matching_blocks()]
        shared = sum(blocks)
        if not number and max(blocks) * 5 >= len(known) * 3:
            continue  # a shorter name of the entity
        if shared < 2 and not (shared and len(known) <= 3 and len(part) == len(known)):
            continue
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            old, new = content(known[a1:a2]).replace(SIGN, ""), content(part[b1:b2]).replace(SIGN, "")
            if tag != "replace" or not old or not new or max(len(old), len(new)) > 6:
                continue
            mirrored = opposed(old, new) and len(part) == len(known) and known not in answer
            if abs(len(old) - len(new)) > 2 or (not mirrored and all(character in answer for character in old)):
                continue
            if len(new) == 1 < len(old) and not opposed(old, new):
                continue
            if (
                len(old) == 1
                and len(new) == 1
                and (len(known) > 3 or len(part) != len(known))
                and _HAN_ONLY.match(new)
                and not opposed(old, new)
            ):
                continue
            near = style.close and shared >= NEAR * len(known) and len(part) <= len(known) + 3
            if (near and any(c in novel for c in new) and _names(part[b1:b2])) or (
                opposed(old, new) and shared >= len(known) * 0.4
            ):
                return f"{new!r} stands for {old!r} of {known!r}"
    return ""


def _names(new: str) -> bool:
    """Whether a word put in may name something: one sign, a word of medicine, or letters that no list knows."""
    return all(span.sort != "everyday" for span in spans(new, ""))


def _shortened(piece: str, source: _Source, answer: str) -> list[Problem]:
    """A piece that is a fact's piece without some of its words, where no other words of the answer bring them."""
    tries = {content(piece)}
    for value in source.values:
        piece = piece.replace(value.relation, "") if piece != value.value else piece
    if piece not in source.text:
        left = "".join(" " * len(s.said) if s.sort == "everyday" else s.said for s in spans(piece, source.text))
        start = len(left) - len(left.lstrip())
        tries |= {content(piece[start : len(left.rstrip())]), content(_TAIL.sub("", piece[start:]))}
    wholes = {content(known) for known, _ in source.pieces} | {content(v.value) for v in source.values}
    rest = answer  # without the other facts: the 低 of one is not the 低 of the next
    for known, _ in sorted(source.pieces[1:], key=lambda item: (-len(item[0]), item[0])):
        rest = rest.replace(known, "") if len(known) > 1 else rest
    for value in source.values:
        rest = rest.replace(value.relation, "")
    for bare in sorted(tries):
        if len(bare) < 2 or tries & wholes:
            continue
        for known, short in source.pieces[1:]:
            left_out = lost(content(known), bare)
            if known in piece:
                continue
            words = _WEAK.sub("", left_out)
            if len(words) > 1 and words in source.asked and SIGN not in words:
                continue
            said = left_out if left_out in POLES else telling(words)
            gone = [c for c in said if c not in piece and c not in (rest if c in DEGREES else answer + source.asked)]
            if (SIGN in words and short) or len(gone) * 2 > len(said):
                return [Problem("qualifier", f"{bare!r} is said of {known!r} without {left_out!r}")]
    return []


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
    text = "\n".join(plain(fact.value) for fact in facts)
    spoken, stated = numberless(reworded(spans(plain(answer), text))), read(answer)
    pairs = frozenset(spoken[i : i + 2] for i in range(len(spoken) - 1))
    for fact in facts:
        if unsaid(fact.value, stated):
            return False
        for piece in _PIECES.split(numberless(plain(fact.value))):
            bare = STANCE.sub("", content(piece)).replace(SIGN, "")
            own = [bare[i : i + 2] for i in range(len(bare) - 1)]
            if own and sum(pair in pairs for pair in own) * 3 < len(own) * 2:
                return False
            if len(bare) == 1 and bare not in spoken:
                return False
    return True
