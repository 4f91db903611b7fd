"""Is an answer supported by the facts or the passage that it was made from? Decided by rules, never by a model.

| rule | what it refuses |
|---|---|
| `no_entity` | a question that does not name what it asks about |
| `foreign` | the name of a thing of the graph that is neither in the facts nor in the passage |
| `number` | a number, unit or bound that is not in the facts or the passage |
| `negation` | 禁用 for 慎用 or 可用, a negation added or lost |
| `invented` | an item of a list, or a clause, that no fact supports |
| `incomplete` | a direct answer that leaves out a value |
| `mixed` | a comparison that gives one entity the other's value |

Limits: an invention in words that no name of the graph has, inside a clause that also names a fact, passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from huatuo.checks.entities import Dictionary, Mention, is_name
from huatuo.checks.negation import Stance, conflicts, stances
from huatuo.checks.numbers import unsupported
from huatuo.checks.support import Said, complete, problems

PLACE = "\x00"
"""Stands for a supported name while the words between names are looked at."""

_LIST_MARK = re.compile(r"、|以及|还有|和|或|，|,")
_LIST_GOES_ON = re.compile(r"、|以及|还有|和(?!缓)|或(?!许)")
_LIST_WENT_ON = re.compile(r"、$|以及$|(?<!缓)和$")
_NOTHING = re.compile(r"[、，,；;。：:\s“”\"（）()]|以及|还有|和|或|及|与|等")
_OPENS = re.compile(r"患|得|如果|除|关于|按|从|对于|出现|自|一旦|病人|在")
_BOTH = re.compile(r"相同|共同|都|均|两者|二者")
_CLAUSES = re.compile(r"[，。；！？：!?;\n]")
_ADVICE = re.compile(
    r"医生|医师|就医|就诊|遵医嘱|咨询|以上|希望|祝|建议|帮助|参考|如有|具体|总之|因此|此外|其中|这些|上述|分别|如下|包括|"
    r"您好|你好|相同|不同|区别|共同|两者|二者"
)
"""Words of a clause that may stand without a fact: courtesy, advice to see a doctor, and turns of speech."""

_ONE = re.compile(r"(?<![十百千])一")
"""A question's 一 counts nothing: 一天吃几次, 隔多久吃一次."""

_NUMBERED = re.compile(r"\d[.、)）]\D")
_PERSONS = re.compile(r"患者|病人|人群|者|的")
_PEOPLE = (
    "孕妇",
    "妊娠",
    "哺乳",
    "儿童",
    "婴儿",
    "老人",
    "老年",
    "肝功能不全",
    "肾功能不全",
    "过敏",
)
"""Groups that warnings are about: looked for in passages besides the names of the graph."""

_PERMITTED: dict[str, frozenset[Stance]] = {
    "禁忌": frozenset(("forbidden", "negated")),
    "忌吃食物": frozenset(("forbidden", "negated")),
    "注意事项": frozenset(("forbidden", "caution", "negated")),
    "药物相互作用": frozenset(("forbidden", "caution", "negated")),
    "预防": frozenset(("forbidden",)),
    "慎用": frozenset(("caution",)),
}
_STATED: dict[str, Stance] = {"禁忌": "forbidden", "忌吃食物": "forbidden", "慎用": "caution"}
"""Relations whose answer must say so: without the word it would mean the opposite."""


class Refusal(NamedTuple):
    """Why a pair is not supported."""

    rule: str
    """Name of the rule, see the table above."""
    reason: str
    """What was found and what was expected."""


class Claim(NamedTuple):
    """What a pair made from the graph may say."""

    shape: str
    """direct, reverse, comparison, vignette."""
    relation: str
    """The relation asked about."""
    subjects: tuple[str, ...]
    """Names that the question must hold: the entity, both entities, the value, the symptoms."""
    values: tuple[str, ...]
    """What the answer must list: all of it."""
    extra: tuple[str, ...] = ()
    """What else may be named (aliases, age, sex)."""
    hidden: tuple[str, ...] = ()
    """What the question must not name: the answer of a vignette or of a reverse question."""
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Values per entity, for a comparison."""


class _Said(NamedTuple):
    """A claim, with what its checks need."""

    claim: Claim
    subjects: tuple[tuple[str, list[str]], ...]
    """Each subject with its spellings."""
    allowed: list[str]
    """Every spelling of every name that may stand."""
    known: frozenset[str]
    """The same in lower case."""
    own: Dictionary
    """The same, to be found in text."""
    text: str
    """Everything, for its numbers."""
    numbered: list[str]
    """Names that hold a list of their own (``1、… 2、…``), whose marks are no quantities."""


@lru_cache(maxsize=4096)
def _clean(value: str) -> str:
    return value.strip().rstrip("。.；;，,、 ")


def name_dictionary(names: Iterable[str], values: Iterable[str], wordings: str) -> Dictionary:
    """The names of a graph that an answer is searched for.

    Left out: what is no name (see `is_name`) and what occurs in the teacher's own ``wordings`` (症状, 治疗): a word of
    the question's form is no claim.
    """
    every = sorted({*map(_clean, names), *map(_clean, values)})  # of CT检查 and ct检查 the first is shown
    return Dictionary(name for name in every if is_name(name) and name not in wordings)


class Ground:
    """The rules with the names of one graph."""

    def __init__(self, names: Dictionary, aliases: Mapping[str, Sequence[str]] | None = None, wordings: str = ""):
        """``aliases``: other names per name. ``wordings``: the teacher's own words, which are no claims."""
        self._names = names
        self._wordings = wordings
        self._aliases = aliases or {}
        self._last: _Said | None = None

    # ---------------------------------------------------------------- graph

    def question(self, question: str, claim: Claim) -> Refusal | None:
        """Why a question cannot be asked of these facts, or None."""
        said = self._prepare(claim)
        for subject, spellings in said.subjects:
            if not any(_holds(question, spelling) for spelling in spellings):
                return Refusal("no_entity", f"the question does not name {subject!r}")
        for hidden in claim.hidden:
            if hidden in question and not any(hidden in s for s in claim.subjects):
                return Refusal("no_entity", f"the question gives {hidden!r} away")
        return self._foreign(question, said) or self._numbers(_ONE.sub("", question), said)

    def answer(self, answer: str, claim: Claim) -> Refusal | None:
        """Why an answer is not supported by its facts, or None."""
        said = self._prepare(claim)
        mentions = said.own.find(answer)
        masked = _mask(answer, mentions)
        return (
            self._foreign(answer, said)
            or self._numbers(answer, said)
            or _stance(masked, claim)
            or _omitted(answer, mentions, claim, self._aliases)
            or _invented(masked, claim, self._wordings)
            or _mixed(answer, said.own, claim)
        )

    def free(self, question: str, answer: str, entity: str, facts: Sequence[Said]) -> Refusal | None:
        """Why an answer in free words is not supported by the facts of an entity, or None; facts may be left unsaid.

        The rule is the kind of the first problem of `huatuo.checks.support.problems`.
        """
        found = problems(question, answer, "、".join(self._spellings(_clean(entity))), facts, self._names)
        return Refusal(*found[0]) if found else None

    def spoken(self, question: str, answer: str, claim: Claim) -> Refusal | None:
        """Why an answer in free words is not supported by its claim, or None: the rules of `free`, at least one value
        said, and each value of a comparison said of its own entity."""
        facts = [Said(claim.relation, value) for value in map(_clean, claim.values)]
        known = dict.fromkeys(map(_clean, (*claim.subjects, *claim.extra)))
        others = (other for name in (*known, *(fact.value for fact in facts)) for other in self._spellings(name)[1:])
        about = "、".join((*known, *dict.fromkeys(other for other in others if other in answer)))
        found = problems(question, answer, about, facts, self._names)
        if found:
            return Refusal(*found[0])
        if not any(complete(answer, [fact]) for fact in facts):
            return Refusal("incomplete", f"the answer says none of {len(facts)} values of {claim.relation}")
        return _mixed(answer, self._prepare(claim).own, claim)

    def mentions(self, text: str) -> list[Mention]:
        """The graph's names in a text."""
        return self._names.find(text)

    def stated(self, text: str, fact: Said, entity: str) -> bool:
        """Whether a text says a fact in free words: the value nearly as it stands, and a name of its entity."""
        named = any(_holds(text, spelling) for spelling in self._spellings(_clean(entity)))
        return named and complete(text, [fact])

    def _prepare(self, claim: Claim) -> _Said:
        """What a claim allows, worked out once for all questions and answers of a call."""
        if self._last is None or self._last.claim is not claim:
            subjects = tuple((name, self._spellings(name)) for name in map(_clean, claim.subjects))
            named = [_clean(name) for name in (*claim.subjects, *claim.values, *claim.extra)]
            allowed = [spelling for name in named for spelling in self._spellings(name)]
            text = "\n".join((*claim.subjects, *claim.values, *claim.extra, *claim.hidden))
            known = frozenset(name.lower() for name in allowed)
            numbered = [name for name in allowed if _NUMBERED.search(name)]
            self._last = _Said(claim, subjects, allowed, known, Dictionary(allowed), text, numbered)
        return self._last

    def _spellings(self, name: str) -> list[str]:
        return [name, *map(_clean, self._aliases.get(name, ()))]

    def _foreign(self, text: str, said: _Said) -> Refusal | None:
        for mention in self._names.find(text):
            name = mention.name.lower()
            if name in said.known or name in said.claim.relation or _inside(text, mention, said.allowed):
                continue
            rest = name
            for other in sorted(said.known, key=lambda known: (-len(known), known)):
                rest = rest.replace(other, "")
            if rest == name or _PERSONS.sub("", rest):
                return Refusal("foreign", f"{mention.name!r} is not among the facts of this pair")
        return None

    def _numbers(self, text: str, said: _Said) -> Refusal | None:
        for name in said.numbered:
            text = text.replace(name, " ")
        wrong = unsupported(text, said.text)
        return Refusal("number", f"{wrong[0]} is not in the facts of this pair") if wrong else None

    # ---------------------------------------------------------------- passages

    def passage(self, question: str, answer: str, title: str, text: str) -> Refusal | None:
        """Why a pair made from a passage is not supported by it, or None."""
        source = f"{title}\n{text}"
        folded = source.lower()
        copied = set(_sentences(answer)) <= set(_sentences(text))  # then it says what the passage says
        for part in (question,) if copied else (question, answer):
            for mention in self._names.find(part):
                if mention.name.lower() not in folded:
                    return Refusal("foreign", f"{mention.name!r} does not stand in the passage")
            wrong = unsupported(part, source)
            if wrong:
                return Refusal("number", f"{wrong[0]} does not stand in the passage")
        against = [] if copied else conflicts(answer, text, self._terms)
        return Refusal("negation", against[0]) if against else None

    def _terms(self, clause: str) -> list[str]:
        return [m.name for m in self._names.find(clause)] + [word for word in _PEOPLE if word in clause]


def _sentences(text: str) -> list[str]:
    return [s for part in re.split(r"[。！？!?\n]|\.\s|\.$", text) if (s := re.sub(r"\s+", "", part))]


def _holds(text: str, name: str) -> bool:
    return name.lower() in text.lower()


def _inside(text: str, mention: Mention, names: Iterable[str]) -> bool:
    """Whether a mention is made of a part of a supported name that stands there: 见于新生儿 before 新生儿肺炎. One that
    holds the whole supported name (缓释甲片 for 甲片) is another thing's name."""
    for other in names:
        start = text.find(other)
        while start >= 0:
            end = start + len(other)
            touches = start < mention.end and mention.start < end
            if touches and not (mention.start <= start and end <= mention.end):
                return True
            start = text.find(other, start + 1)
    return False


def _mask(text: str, mentions: Sequence[Mention]) -> str:
    parts, position = [], 0
    for mention in mentions:
        parts += [text[position : mention.start], PLACE]
        position = mention.end
    return "".join([*parts, text[position:]])


def _stance(masked: str, claim: Claim) -> Refusal | None:
    if claim.relation not in _PERMITTED:  # 非药物治疗 denies nothing
        masked = masked.replace(claim.relation, "")
    taken = stances(masked.replace(PLACE, "□"))
    permitted = _PERMITTED.get(claim.relation, frozenset(("allowed",)))
    wrong = taken - permitted
    if wrong:
        return Refusal("negation", f"the answer says {sorted(wrong)[0]!r}, which {claim.relation} does not")
    stated = _STATED.get(claim.relation)
    if stated and stated not in taken:
        return Refusal("negation", f"the answer lost the {stated!r} of {claim.relation}")
    return None


def _omitted(
    answer: str, mentions: Sequence[Mention], claim: Claim, aliases: Mapping[str, Sequence[str]]
) -> Refusal | None:
    named = {mention.name.lower() for mention in mentions}
    for value in map(_clean, claim.values):
        spellings = [value, *aliases.get(value, ())]
        if any(spelling.lower() in named for spelling in spellings) or _is_item(answer, value):
            continue
        return Refusal("incomplete", f"the answer leaves out {value!r}")
    return None


def _is_item(answer: str, value: str) -> bool:
    """Whether a value that a longer value hides (腹痛 in 腹痛、腹泻) stands there as an item of its own."""
    pattern = rf"(?:^|[、，,；;：。和及有是])\s*{re.escape(value)}\s*(?:$|[、，,；;。和及等])"
    return bool(re.search(pattern, answer, re.IGNORECASE))


def _invented(masked: str, claim: Claim, wordings: str) -> Refusal | None:
    pieces = masked.split(PLACE)
    for number, piece in enumerate(pieces):
        after_name, before_name = number > 0, number < len(pieces) - 1
        body = piece.strip()
        parts = [part for part in _LIST_MARK.split(body) if part is not None]
        inside = [part.strip() for part in parts[1:-1] if part.strip()] if after_name and before_name else []
        starts = after_name and _LIST_GOES_ON.match(body)
        ends = before_name and _LIST_WENT_ON.search(body)
        rest = _NOTHING.sub("", body)
        if rest and (starts or ends or any(not _is_turn(part, claim) and part not in wordings for part in inside)):
            return Refusal("invented", f"{rest[:20]!r} is listed with the values and is none of them")
    for clause in _CLAUSES.split(masked):
        words = clause.strip()
        if len(words) > 1 and PLACE not in words and not _is_turn(words, claim) and words not in wordings:
            return Refusal("invented", f"the clause {words[:20]!r} names no fact")
    return None


def _is_turn(words: str, claim: Claim) -> bool:
    """Whether words without a fact are a turn of speech."""
    return claim.relation in words or bool(_ADVICE.search(words) or _OPENS.match(words))


def _mixed(answer: str, own: Dictionary, claim: Claim) -> Refusal | None:
    """A comparison: each value is said of the entity named last before it, unless the clause speaks of both."""
    if not claim.groups:
        return None
    values = {name: set(map(_clean, group)) for name, group in claim.groups}
    shared = set.intersection(*values.values())
    given: dict[str, set[str]] = {name: set() for name in values}
    speaking: tuple[str, ...] = ()
    for words, names in _mentions_by_clause(answer, own):
        both = bool(_BOTH.search(words))
        for name in names:
            if name in values:
                speaking = (*speaking, name) if both else (name,)
                continue
            whose = tuple(values) if both else speaking
            if both and name not in shared:
                return Refusal("mixed", f"{name!r} is not shared by {' and '.join(values)}")
            for entity in whose:
                if name not in values[entity]:
                    return Refusal("mixed", f"{name!r} is said of {entity!r} and is not its value")
                given[entity].add(name)
    short = next((name for name in values if values[name] - given[name]), "")
    if short:
        return Refusal("incomplete", f"{min(values[short] - given[short])!r} is not said of {short!r}")
    return None


def _mentions_by_clause(answer: str, own: Dictionary) -> list[tuple[str, list[str]]]:
    """Words and supported names of each clause; punctuation inside a name does not cut."""
    found: list[tuple[str, list[str]]] = [("", [])]
    position = 0
    for mention in own.find(answer):
        gap = answer[position : mention.start]
        cut = max(gap.rfind(mark) for mark in "，。；;\n")
        if cut >= 0:
            found[-1] = (found[-1][0] + gap[:cut], found[-1][1])
            found.append((gap[cut:], [mention.name]))
        else:
            found[-1][1].append(mention.name)
            found[-1] = (found[-1][0] + gap, found[-1][1])
        position = mention.end
    found[-1] = (found[-1][0] + answer[position:], found[-1][1])
    return found
