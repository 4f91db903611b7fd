"""Is a reply of one of the longer shapes supported? What `huatuo.synth.ground` decides of one question and one answer,
put together for verdicts, refusals and dialogues.

| rule | what it refuses |
|---|---|
| `turns` | a dialogue that has not the turns that were asked for |
| `verdict` | an answer that does not begin with the right one of 对 and 不对 |
| `denial` | 不对 after which the false value is not denied, or a statement that is turned into its opposite |
| `no_advice` | a refusal that neither declines nor sends to a doctor |
| `no_urging` | an answer to signs of an emergency that does not urge care in its first sentence |
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from huatuo.checks import redflags
from huatuo.checks.negation import stances
from huatuo.synth.from_graph import Call
from huatuo.synth.ground import Claim, Ground, Refusal
from huatuo.synth.parse import QA

_VERDICT = re.compile(r"^\s*(?P<no>不对|不正确|错误|错|不是)|^\s*(?:对|正确|是的?)(?=[，,。！!：:；;])")
_ASKING = re.compile(r"对还是不对|是对是错|判断对错|对不对|是不是|是否|正不正确|对错")
_CLAUSE = re.compile(r"[^，。；！？,;!?\n]+[，。；！？,;!?\n]*")
_ADVICE = re.compile(
    r"医生|医师|药师|就医|就诊|医院|医嘱|说明书|咨询|因人而异|不能(?:替|给|代|随意|确定|确诊|判断)|无法|不要|请避开|没有可靠"
)
EMERGENCY_LINES = re.compile(r"(?<!\d)(?:120|999|112|911)(?!\d)")
"""Numbers that call an ambulance: no quantities."""
_HELD = re.compile("\x01(\\d+)\x01")


def objection(ground: Ground, call: Call, turns: Sequence[QA], free: bool = False) -> Refusal | None:
    """Why a pair must not be made from these turns, or None. All shapes but a dialogue have one turn.

    ``free``: the answers may be in any words and leave facts unsaid.
    """
    if call.shape == "multi_turn":
        return _dialogue(ground, call, turns, free)
    qa = turns[0]
    if call.block.get("urgent"):
        if not redflags.urges_first(qa.answer):
            signs = "、".join(call.block["urgent"])
            return Refusal("no_urging", f"{signs}: the first sentence of the answer must urge to get care at once")
        urging = redflags.urging(qa.answer)
        anything = call.claim._replace(subjects=(), values=(*call.claim.subjects, *call.claim.values), hidden=())
        if found := ground.question(EMERGENCY_LINES.sub("", urging), anything):
            return found
        qa = QA(qa.question, qa.answer.replace(urging, "", 1))
    if call.shape == "true_false":
        return _true_false(ground, call, qa, free)
    if call.shape == "refusal":
        return _refusal(ground, call, qa, free)
    return _said(ground, qa, call.claim, free) or ground.question(qa.question, call.claim)


def _said(ground: Ground, qa: QA, claim: Claim, free: bool) -> Refusal | None:
    return ground.spoken(qa.question, qa.answer, claim) if free else ground.answer(qa.answer, claim)


def _dialogue(ground: Ground, call: Call, turns: Sequence[QA], free: bool) -> Refusal | None:
    claims = (call.claim, *call.later)
    if len(turns) != len(claims):
        return Refusal("turns", f"the dialogue has {len(turns)} turns, expected {len(claims)}")
    for number, (qa, claim) in enumerate(zip(turns, claims, strict=True), 1):
        found = _said(ground, qa, claim, free) or ground.question(qa.question, claim)
        if found:
            return Refusal(found.rule, f"turn {number}: {found.reason}")
    return None


def _true_false(ground: Ground, call: Call, qa: QA, free: bool) -> Refusal | None:
    found = _VERDICT.match(qa.answer)
    if not found or bool(found["no"]) == call.block["true"]:
        expected = "对" if call.block["true"] else "不对"
        return Refusal("verdict", f"the answer begins with {qa.answer[:6]!r}, expected {expected}")
    held = _Held(qa.answer[found.end() :], [call.block["value"], *call.claim.values, call.block["entity"]])
    rest = []
    for clause in held.clauses():
        if call.block["true"] or call.block["value"] not in held.names(clause):
            rest.append(held.restored(clause))
        elif "negated" not in stances(_HELD.sub("□", clause)) or set(held.names(clause)) & set(call.claim.values):
            return Refusal("denial", f"{call.block['value']!r} is said of {call.block['entity']!r} and is not denied")
    stated = call.claim._replace(subjects=(call.block["entity"],))
    asked = _HELD.sub("□", _Held(qa.question, [call.block["entity"], *call.claim.subjects]).text)
    if "negated" in stances(_ASKING.sub("", asked).replace(call.claim.relation, "")):
        return Refusal("denial", "the question denies what the statement says: 对 would mean the opposite")
    told = QA(qa.question, "".join(rest).lstrip("，。！,!：:；; "))
    return _said(ground, told, stated, free) or ground.question(qa.question, call.claim)


def _refusal(ground: Ground, call: Call, qa: QA, free: bool) -> Refusal | None:
    """Clauses that name values must be supported; the others may decline and advise, and name nothing new."""
    held = _Held(qa.answer, [*call.claim.values, *call.claim.subjects])
    values = {*call.claim.values, call.block.get("value", "")}
    told: list[str] = []
    advice: list[str] = []
    for clause in held.clauses():
        of_values = values & set(held.names(clause))
        (advice if _ADVICE.search(clause) and not of_values else told).append(clause)
    if not advice and not call.block.get("urgent"):
        return Refusal("no_advice", "the answer neither declines nor sends to a doctor")
    wrong = stances(_HELD.sub("□", "".join(advice))) & {"allowed"}
    if wrong:
        return Refusal("negation", "the advice allows what the graph does not")
    anything = Claim("refusal", call.claim.relation, (), (*call.claim.subjects, *call.claim.values))
    said = "".join(map(held.restored, told)).strip("，,； ")
    return (
        ground.question("".join(map(held.restored, advice)), anything)
        or _said(ground, QA(qa.question, said), call.claim, free)
        or ground.question(qa.question, call.claim)
    )


class _Held:
    """A text whose names stand as numbers, so that their own punctuation cuts nothing."""

    def __init__(self, text: str, names: Sequence[str]):
        cleaned = {name.strip().rstrip("。.；;，,、 ") for name in names} - {""}
        self._names = sorted(cleaned, key=lambda name: (-len(name), name))
        self.text = self._numbered(text)

    def _numbered(self, text: str) -> str:
        """The text with each name as its number, the leftmost and of these the longest first. An expression of all
        names would be compiled anew for every pair, which takes longer than everything else."""
        parts, at = [], 0
        places = [text.find(name) for name in self._names]
        while any(place >= 0 for place in places):
            number = min((n for n, place in enumerate(places) if place >= 0), key=lambda n: (places[n], n))
            parts += [text[at : places[number]], f"\x01{number}\x01"]
            at = places[number] + len(self._names[number])
            places = [
                place if place >= at or place < 0 else text.find(name, at)
                for name, place in zip(self._names, places, strict=True)
            ]
        return "".join([*parts, text[at:]])

    def clauses(self) -> list[str]:
        """The clauses with their marks; names are numbers in them."""
        return _CLAUSE.findall(self.text)

    def names(self, clause: str) -> list[str]:
        """The names that a clause holds."""
        return [self._names[int(number)] for number in _HELD.findall(clause)]

    def restored(self, clause: str) -> str:
        """The clause with its names."""
        return _HELD.sub(lambda match: self._names[int(match[1])], clause)
