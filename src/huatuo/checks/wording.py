"""An answer in its own words laid over a source: which words are the source's, which mean the same, which are neither.

Five lists, written from general knowledge of how patients and physicians speak. A missing word makes a check mostly
stricter; a missing opposite or concept makes it laxer.

| list | what it holds |
|---|---|
| `wording.zh.tsv` | words that mean the same: one word, a tab, the others with ``|`` between |
| `everyday.zh.txt` | words that claim nothing medical by themselves |
| `wider.zh.tsv` | words that say less than others: one word, a tab, the narrower ones |
| `contrast.zh.tsv` | words that exclude each other |
| `concepts.zh.tsv` | words that do: a class, a tab, words with ``|`` between |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

Sort = Literal["source", "same", "asked", "concept", "pole", "everyday", "other"]

_HERE = Path(__file__).parent
_FULLWIDTH = str.maketrans("０１２３４５６７８９％～（），：；？！ⅠⅡⅢⅣµ", "0123456789%~(),:;?!1234μ")
LATIN = re.compile(r"[a-zα-ω][a-zα-ω0-9]*")


class Span(NamedTuple):
    """A stretch of an answer."""

    text: str
    """As it is written."""
    said: str
    """The same in the words of the source where it has them."""
    sort: Sort
    """``source``: two characters and more of the source; ``same``: means the same as words of the
    source; ``asked``: of the question; ``pole``: excludes another word; the others
    by the list that the word is in."""


def rows(name: str) -> list[list[str]]:
    """The rows of a table of this folder, cut at tabs."""
    return [line.split("\t") for line in (_HERE / name).read_text(encoding="utf-8").splitlines()]


_HEADS = re.compile(
    r"(?:炎|癌|瘤|障|疹|痘|疮|疡|癣|疣|疟|痢|症|病|综合征|休克|感染|中毒|出血|坏死|梗死|梗阻|栓塞|结石|贫血|"
    r"肿|积液|衰竭|畸形|麻痹|痉挛|萎缩|硬化|增生|囊肿|"
    r"痛|晕|咳|喘|呕|泻|秘|盲|聋|哑|瘫|搐|惊厥|昏迷|失眠|脱发|疸|紫癜|溃疡|穿孔|骨折|脱位|曲张|息肉|疝|"
    r"霉素|西林|头孢|沙星|硝唑|康唑|韦|他汀|贝特|地平|普利|沙坦|洛尔|噻嗪|列酮|格列|双胍|拉唑|替丁|司琼|西泮|"
    r"唑仑|西汀|曲坦|昔布|洛芬|昔康|可林|"
    r"替尼|单抗|泊苷|铂|激素|松龙|米松|奈德|特罗|茶碱|溴铵|肝素|法林|沙班|格雷|普酶|曲班|前列素|他滨|"
    r"紫杉醇|酰胺|哌酮|拉宗|磺胺|抗生素|疫苗|"
    r"酸|钠|钾|钙|铁|锌|镁|胺|嗪|啶|肼|酮|酯|醇|苷|"
    r"匹林|噻酮|沙酮|尼松|他松|他定|西定|非那|昔韦|替诺|米特|加群|匹坦|内酯|普胺|洛酮|苯酞|泮|喹|唑|巴比妥|苷元|"
    r"镜|造影|活检|穿刺|切除|移植|透析|放疗|化疗)$"
)


def medical_head(run: str) -> bool:
    """Whether a run of characters ends like the name of a disease, a finding, a drug or a procedure."""
    return len(run) >= 2 and bool(_HEADS.search(run))


def _equals() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for term, many in rows("wording.zh.tsv"):
        group = [term, *many.split("|")]
        for word in group:
            own = found.setdefault(word.lower(), [])
            own += [other.lower() for other in group if other != word and other.lower() not in own]
    return found


EQUALS = _equals()
"""Word → the words that mean the same."""

NARROWER = {wide: many.split("|") for wide, many in rows("wider.zh.tsv")}
"""Word → words of narrower meaning: 心脏 claims nothing new where the source has 二尖瓣."""

EVERYDAY = frozenset((_HERE / "everyday.zh.txt").read_text(encoding="utf-8").split())
_CLASSES = {word.lower(): sort for sort, many in rows("concepts.zh.tsv") for word in many.split("|")}
_HEADED = {term.lower(): [w.lower() for w in many.split("|") if len(w) > 1] for term, many in rows("wording.zh.tsv")}
CONTRASTS = [
    [
        tuple(sorted({w for word in pole.split("|") for w in (word, *_HEADED.get(word, ()))}, key=len, reverse=True))
        for pole in row
    ]
    for row in rows("contrast.zh.tsv")
]
"""Rows of words that exclude each other, each pole with all its spellings, longer ones first."""

POLES = frozenset(word for row in CONTRASTS for pole in row for word in pole) - {"*"}
PEOPLE = frozenset(word for word, sort in _CLASSES.items() if sort == "people")
"""Words for groups of people."""

_FORMS = frozenset(("head", "senses", "mouth", "chest", "belly", "limbs", "tissue", "people", "object"))
"""Classes whose words are said in many forms: half of one known is enough."""


def _means_a_concept(word: str) -> str:
    """The class of a word by itself, or of one of those that mean the same; empty where there is none."""
    if word in _CLASSES or word in EVERYDAY:
        return _CLASSES.get(word, "")
    if medical_head(word):
        return "symptom"
    found = (_CLASSES.get(other, "") for other in EQUALS.get(word, ()))
    return next((sort for sort in found if sort and sort not in _FORMS), "")


CONCEPTS = {word: sort for word in {*_CLASSES, *EQUALS} if (sort := _means_a_concept(word))}
"""Word → class, for words that claim something medical."""


def known(word: str, source: str) -> bool:
    """Whether enough of a word's characters stand in the source for it to be another form of the source's word."""
    new: list[str] = [character for character in word if character not in source]
    if CONCEPTS.get(word) in _FORMS:
        return len(new) * (2 if CONCEPTS[word] in ("object", "people") else 4) <= len(word)
    if len(word) > 2:
        new = [word[i : i + 2] for i in range(len(word) - 1) if word[i : i + 2] not in source]
    return not new and not LATIN.search(word)


def by_head(words: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """First character of words → their lengths, longest first."""
    lengths: dict[str, set[int]] = {}
    for word in words:
        lengths.setdefault(word[0], set()).add(len(word))
    return {head: tuple(sorted(found, reverse=True)) for head, found in lengths.items()}


_WORDS = frozenset((*EQUALS, *EVERYDAY, *CONCEPTS, *POLES))
_LENGTHS = by_head(_WORDS)
_PHRASES = frozenset(EQUALS) - EVERYDAY - frozenset(CONCEPTS) - POLES
_SPEAKING = frozenset(
    w for w in _PHRASES if any(w[i:j] in CONCEPTS for i in range(len(w)) for j in range(i + 1, len(w) + 1))
)
"""Phrases that hold a word of medicine: taken apart where the source says nothing of the kind."""
_CODE = re.compile(r"[a-zα-ω0-9]{2}")
_NEGATED = re.compile(r"[不别没无禁忌戒避少停]")


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """The text in half-width signs and small letters."""
    return text.translate(_FULLWIDTH).lower()


def _word(text: str, start: int, source: str) -> str:
    """The longest word of the lists that begins at a place, empty where none does.

    A phrase that only `EQUALS` has counts where the source says the same: 别喝水 is one word beside 禁水 and two
    beside 多饮水.
    """
    phrase = ""
    for length in _LENGTHS.get(text[start], ()):
        word = text[start : start + length]
        if word not in _WORDS:
            continue
        if word not in _PHRASES or any(other in source for other in EQUALS[word]):
            return word
        phrase = phrase or ("" if _NEGATED.search(word) or word in _SPEAKING else word)
        if phrase:
            return phrase
    return ""


def _of_source(text: str, start: int, source: str) -> int:
    """How many characters from a place on stand together in the source, 0 below two; C4 is not cut to fit C3."""
    end = start + 2
    while end <= len(text) and text[start:end] in source:
        end += 1
    end -= 1
    while start < end < len(text) and _CODE.fullmatch(text[end - 1 : end + 1]):
        end -= 1
    return end - start if end - start >= 2 else 0


def spans(text: str, source: str, asked: str = "") -> list[Span]:
    """The text of an answer as `Span`, left to right, each the longest that begins at its place.

    ``source``: the facts; ``asked``: the question, whose words claim nothing new. All three are `plain`.
    """
    found: list[Span] = []
    position = 0
    while position < len(text):
        latin = LATIN.match(text, position)
        word = _word(text, position, source)
        if latin and len(latin[0]) > len(word):
            word = latin[0]
        own = _of_source(text, position, source)
        if own < max(2, len(word)):
            span = _span(word or text[position], source)
            own = _of_source(text, position, asked) if span.sort not in ("source", "same") else 0
            if own >= max(2, len(word)):
                span = Span(text[position : position + own], text[position : position + own], "asked")
        else:
            span = Span(text[position : position + own], text[position : position + own], "source")
        found.append(span)
        position += len(span.text)
    return found


def _span(word: str, source: str) -> Span:
    if len(word) > 1 and word in source:
        return Span(word, word, "source")
    for other in EQUALS.get(word, ()):
        if other in source:
            return Span(word, other, "same")
    return Span(word, word, _sort(word, source))


def _sort(word: str, source: str) -> Sort:
    """What a word is that neither stands in the source nor means the same as one that does."""
    if any(narrow in source for narrow in NARROWER.get(word, ())):
        return "everyday"
    if word in CONCEPTS:
        equals = EQUALS.get(word, ())
        near = any(further in source for other in equals for further in EQUALS.get(other, ()))
        return "everyday" if near or any(len(o) > 3 and o[:2] in source for o in equals) else "concept"
    if word in POLES:
        return "pole"
    if word in EVERYDAY:
        return "everyday"
    if LATIN.fullmatch(word) or word not in EQUALS:
        return "other"
    return "pole" if any(pole in word for pole in POLES) else "everyday"


def reworded(found: Sequence[Span]) -> str:
    """The text of spans in the words of the source."""
    return "".join(span.said for span in found)
