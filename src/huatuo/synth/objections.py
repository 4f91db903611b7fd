"""Is a reply of one of the longer shapes supported? What `huatuo.synth.ground` decides of one question and one answer,
put together for verdicts, refusals and dialogues.

| rule | what it refuses |
|---|---|
| `turns` | a dialogue that has not the turns that were asked for |
| `verdict` | an answer that does not begin with the right one of 对 and 不对 |
| `denial` | 不对 after which the false value is not denied, or a statement that is turned into its opposite |
| `no_advice` | a refusal that neither declines nor sends to a doctor |
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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
_HELD = re.compile("\x01(\\d+)\x01")


def objection(ground: Ground, call: Call, turns: Sequence[QA]) -> Refusal | None:
    """Why a pair must not be made from these turns, or None. All shapes but a dialogue have one turn."""
    if call.shape == "multi_turn":
        return _dialogue(ground, call, turns)
    qa = turns[0]
    if call.shape == "true_false":
        return _true_false(ground, call, qa)
    if call.shape == "refusal":
        return _refusal(ground, call, qa)
    return ground.answer(qa.answer, call.claim) or ground.question(qa.question, call.claim)


def _dialogue(ground: Ground, call: Call, turns: Sequence[QA]) -> Refusal | None:
    claims = (call.claim, *call.later)
    if len(turns) != len(claims):
        return Refusal("turns", f"the dialogue has {len(turns)} turns, expected {len(claims)}")
    for number, (qa, claim) in enumerate(zip(turns, claims, strict=True), 1):
        found = ground.answer(qa.answer, claim) or ground.question(qa.question, claim)
        if found:
            return Refusal(found.rule, f"turn {number}: {found.reason}")
    return None


def _true_false(ground: Ground, call: Call, qa: QA) -> Refusal | None:
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
    return ground.answer("".join(rest).lstrip("，。！,!：:；; "), stated) or ground.question(qa.question, call.claim)


def _refusal(ground: Ground, call: Call, qa: QA) -> Refusal | None:
    """Clauses that name values must be supported; the others may decline and advise, and name nothing new."""
    held = _Held(qa.answer, [*call.claim.values, *call.claim.subjects])
    values = {*call.claim.values, call.block.get("value", "")}
    told: list[str] = []
    advice: list[str] = []
    for clause in held.clauses():
        of_values = values & set(held.names(clause))
        (advice if _ADVICE.search(clause) and not of_values else told).append(clause)
    if not advice:
        return Refusal("no_advice", "the answer neither declines nor sends to a doctor")
    wrong = stances(_HELD.sub("□", "".join(advice))) & {"allowed"}
    if wrong:
        return Refusal("negation", "the advice allows what the graph does not")
    anything = Claim("refusal", call.claim.relation, (), (*call.claim.subjects, *call.claim.values))
    said = "".join(map(held.restored, told)).strip("，,； ")
    return (
        ground.question("".join(map(held.restored, advice)), anything)
        or ground.answer(said, call.claim)
        or ground.question(qa.question, call.claim)
    )


class _Held:
    """A text whose names stand as numbers, so that their own punctuation cuts nothing."""

    def __init__(self, text: str, names: Sequence[str]):
        cleaned = {name.strip().rstrip("。.；;，,、 ") for name in names} - {""}
        self._names = sorted(cleaned, key=lambda name: (-len(name), name))
        numbers = {name: f"\x01{number}\x01" for number, name in enumerate(self._names)}
        if numbers:
            text = re.sub("|".join(map(re.escape, self._names)), lambda match: numbers[match[0]], text)
        self.text = text

    def clauses(self) -> list[str]:
        """The clauses with their marks; names are numbers in them."""
        return _CLAUSE.findall(self.text)

    def names(self, clause: str) -> list[str]:
        """The names that a clause holds."""
        return [self._names[int(number)] for number in _HELD.findall(clause)]

    def restored(self, clause: str) -> str:
        """The clause with its names."""
        return _HELD.sub(lambda match: self._names[int(match[1])], clause)
