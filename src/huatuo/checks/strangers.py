"""What an answer speaks of and its source does not: other things, other names, the opposite of what the source says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from huatuo.checks.contrast import against
from huatuo.checks.wording import EQUALS, EVERYDAY, LATIN, NARROWER, Span, known, medical_head, spans

_CLAUSES = re.compile(r"[，,。；;：:!?！？\n()（）]")
ALSO_CALLED = re.compile(r"也叫|又叫|又称|也称|俗称|简称|常说的|通常说的|也就是|就是说|即(?!可|便|使|刻)|所谓")
LONG = 3
"""Characters of a run of no list from which on it names something."""

_SIMILE = re.compile(r"(?:好像|就像|像|如同|仿佛)[^，,。；;]{1,8}?(?:一样|似的|般)")
_HAN = re.compile(r"[一-鿿]")
_LETTER = re.compile(r"[一-鿿a-zα-ω]")


class Clause(NamedTuple):
    """A clause of an answer, laid over the source."""

    spans: list[Span]
    """Its stretches."""
    renames: bool
    """It gives another name for what was just said."""

    @property
    def text(self) -> str:
        """The clause in the words of the source."""
        return "".join(span.said for span in self.spans)

    @property
    def rest(self) -> str:
        """What neither the source nor everyday speech explains, with a blank for everything else; poles stay."""
        return "".join(
            span.said if span.sort in ("concept", "pole", "other") else " " * len(span.said) for span in self.spans
        )


def clauses(answer: str, source: str, asked: str) -> list[Clause]:
    """The clauses of an answer; what stands between brackets is one of its own."""
    found = []
    bracket = False
    position = 0
    for part in _CLAUSES.split(answer):
        part = _SIMILE.sub(lambda match: " " * len(match[0]), part)
        if part.strip():
            bracket = position > 0 and answer[position - 1] in "(（"
            found.append(Clause(spans(part, source, asked), bracket or bool(ALSO_CALLED.search(part))))
        position += len(part) + 1
    return found


def _novel(word: str, source: str) -> int:
    return sum(character not in source for character in word)


def _strange(span: Span, source: str) -> bool:
    if span.sort not in ("concept", "other"):
        return False
    if LATIN.fullmatch(span.text):
        return len(span.text) > 1
    return span.sort == "concept" and not known(span.text, source)


def runs(clause: Clause, source: str) -> Iterator[str]:
    """Runs of two and more characters that no list knows, a character of which stands nowhere in the source."""
    for run in re.split(r"[^一-鿿]+", "".join(s.text if s.sort == "other" else " " for s in clause.spans)):
        if len(run) > 1 and _novel(run, source):
            yield run


_ADVICE = re.compile(r"医生|医师|医院|就医|就诊|遵医嘱|专科|药师|说明书|参考|希望|祝|您好|你好|放心|以上")


def unsupported(clause: Clause, facts: str) -> str:
    """A clause that names something of which no character stands in facts or question, empty where there is none."""
    if (
        clause.renames
        or _ADVICE.search(clause.text)
        or any(s.sort in ("source", "same", "asked") for s in clause.spans)
    ):
        return ""
    spoken = [s.text for s in clause.spans if s.sort in ("concept", "pole", "other")]
    letters = [c for word in spoken if word not in EVERYDAY and word not in EQUALS for c in word if _HAN.match(c)]
    known = (
        "#" in clause.text
        or any(c in facts for c in letters)
        or any(s.text in NARROWER and s.sort == "everyday" for s in clause.spans)
    )
    return "" if known or len(letters) < 2 else clause.text


_RELATIONS = (
    "功效|主治|适应证|适应症|禁忌|不良反应|副作用|用法|用量|归经|并发症|病因|症状|表现|"
    "高危因素|危险因素|检查|治疗|所属科室|规格|性味|特点|注意事项"
)
_SUBJECT = re.compile(
    rf"^(?:使用|服用|得了|患)?([一-鿿a-z]{{2,12}}?)"
    rf"(?:的(?:[一-鿿]{{0,4}}?)(?:{_RELATIONS})|适用于|可用于|后可能|时需要|慎用于|禁用于)"
)


def subject(answer: str, entity: str, asked: str) -> str:
    """Another thing in the place of the entity: 乙药的功效是 in an answer about 甲药; empty where there is none."""
    found = _SUBJECT.match(answer)
    if not found or any(s.text in EVERYDAY for s in spans(found[1], "")):
        return ""
    about = f"{entity}\n{asked}"
    shared = any(found[1][i : i + 2] in about for i in range(len(found[1]) - 1))
    return "" if shared else found[1]


_ITEMS = re.compile(r"、|以及|还有|和(?!缓|中)|及(?!时)|与|或(?!许)")


def beside_list(text: str, pieces: Sequence[str], facts: str, asked: str) -> str:
    """An item of a list of the facts' own items that is none of them, empty where there is none."""
    items = [item for item in _ITEMS.split(text) if item]
    if sum(any(piece in item for piece in pieces if len(piece) > 1) for item in items) < 2:
        return ""
    for item in items:
        named = ""
        for span in spans(item, facts, asked):
            if span.sort in ("source", "same", "asked"):
                named = ""
                break
            if span.text in EVERYDAY:
                if named:
                    break
                continue
            named += span.text
        letters = _HAN.findall(named)
        if len(letters) > 1 and sum(c in facts for c in letters) * 2 < len(letters):
            return named
    return ""


def implied(told: Sequence[Clause], source: str) -> str:
    """Words of the source that an answer speaks of by a wider word: 新生儿 where it says 宝宝."""
    wide = {span.text for clause in told for span in clause.spans if span.text in NARROWER}
    return " ".join(narrow for word in sorted(wide) for narrow in NARROWER[word] if narrow in source)


_LIKE = re.compile(r"([一-鿿]{1,4})样(?!本|子|的?东西)")
_NO_LIKE = frozenset("这那一怎同什么多各两")


def _part_of_name(span: Span) -> bool:
    short = len(span.text) == 1 and span.sort == "everyday"
    return (short or span.sort == "other") and bool(_HAN.match(span.text))


def _compounds(clause: Clause, source: str) -> Iterator[str]:
    """Names of which the source has only the end: 庆大霉素 where it has 青霉素; and likenesses that it has not."""
    for i, span in enumerate(clause.spans):
        if span.sort != "source" or len(span.text) > 3 or not medical_head("□" + span.text):
            continue
        first = i
        while first and i - first < 3 and _part_of_name(clause.spans[first - 1]):
            first -= 1
        before = clause.spans[first:i]
        if any(s.sort == "other" and s.text not in source for s in before):
            yield "".join(s.text for s in before) + span.text
    for match in _LIKE.finditer("".join(span.text for span in clause.spans)):
        new = _novel(match[1], source) * 2 >= len(match[1]) and match[1][-1] not in _NO_LIKE
        if new and "样" in source and match[1][-1] not in source:
            yield match[0]


def stranger(clause: Clause, source: str) -> str:
    """The first thing of a clause that the source does not know, empty where there is none."""
    if clause.renames:
        return ""
    for span in clause.spans:
        if _strange(span, source):
            return span.text
    for compound in _compounds(clause, source):
        return compound
    for run in runs(clause, source):
        new = _novel(run, source) * 2 >= len(run)
        if new and (medical_head(run) or len(run) >= LONG):
            return run
    return ""


_DENIED = re.compile(r"(?:不能|不要|不得|不可|不宜|不应|别|勿|避免|不是|并非|不用|无需)[^，,。；;]{0,4}$")


def opposite(clause: Clause, pieces: Sequence[str], source: str) -> tuple[str, str]:
    """(word of the clause, word of a piece of the source) that exclude each other where both speak of the same."""
    text = clause.text
    letters = {c for s in clause.spans if s.text not in EVERYDAY for c in s.said if _LETTER.match(c)}
    for pair in _pairs(clause.rest, letters, pieces, source) if clause.rest.strip() else ():
        if not _DENIED.search(text[: text.find(pair[0])]):
            return pair
    return _crossed(text, letters, pieces)


_COMMON = frozenset("血性病症")
"""Characters that two findings share without being the same."""


def _pairs(rest: str, letters: set[str], pieces: Sequence[str], source: str) -> Iterator[tuple[str, str]]:
    for piece in pieces:
        pair = against(rest, piece, source, always=True)
        if pair[0]:
            yield pair
        pair = against(rest, piece, source, always=False)
        alone = letters == set(pair[0]) or not letters or (len(pair[0]) > 2 and pair[0][-2:] == pair[1][-2:])
        others = letters - set(pair[0])
        common = others & set(piece.replace(pair[1], ""))
        if pair[0] and (alone or common - _COMMON or (common and common == others)):
            yield pair


def _crossed(text: str, letters: set[str], pieces: Sequence[str]) -> tuple[str, str]:
    """The same where the clause's word is the source's own, but of another piece: 躺下减轻 for 卧位加重、坐位减轻."""
    shares = [(len(letters & set(piece)), piece) for piece in pieces]
    most = max((share for share, _ in shares), default=0)
    if most < 3:
        return "", ""
    for share, piece in shares:
        if share < most or piece in text:
            continue
        pair = against(text, piece, piece, always=False)
        rivals = (other for other_share, other in shares if pair[0] in other and other_share * 3 >= most * 2)
        if (
            pair[0]
            and pair[1] not in text
            and next(rivals, None) is None
            and not _DENIED.search(text[: text.find(pair[0])])
        ):
            return pair
    return "", ""
