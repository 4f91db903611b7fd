"""Consultations of two models: the cases, what each side is shown, and what it may say.

The patient knows the case alone, the physician the dialogue alone (and the facts where the recipe says so), as in
HuatuoGPT (arXiv 2305.15075).

| rule | what it refuses |
|---|---|
| `revealed` | a patient's name, number or complaint that the case does not hold, or that it holds otherwise |
| `no_urging` | a physician's first answer to signs of an emergency that does not begin with urging care |
| `leak` | a physician who speaks of a text |

The other rules are those of `huatuo.synth.ground`: for an answer in free words, or for one made from a passage. What
the physician asks is no claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from huatuo.checks import patient, redflags
from huatuo.checks.support import Said
from huatuo.llm import consultation
from huatuo.recipe import SynthSettings
from huatuo.records import Document
from huatuo.store import content_id
from huatuo.synth import coverage, dialogue, from_graph, from_text
from huatuo.synth.from_graph import CHECK_RELATIONS, SYMPTOM_RELATIONS, VIGNETTE_SYMPTOMS, Known, values_of
from huatuo.synth.graph import Graph
from huatuo.synth.ground import Claim, Ground, Refusal
from huatuo.synth.more_shapes import COMPLICATION_RELATIONS
from huatuo.synth.objections import EMERGENCY_LINES
from huatuo.synth.pair import fraction
from huatuo.synth.parse import QA

LEAST_TURNS = 2
"""Turns of the shortest conversation that is kept."""


class Case(NamedTuple):
    """What one conversation is about."""

    id: str
    """Hash of what it was made from: the id of the conversation in the account of what was dropped."""
    language: str
    """Language of the conversation."""
    card: dict[str, Any]
    """All that the patient knows."""
    known: dict[str, Any]
    """What the physician is shown, where the recipe says so."""
    urgent: tuple[str, ...]
    """Signs of an emergency among the symptoms and complications."""
    facts: tuple[Known, ...] = ()
    """Facts of the graph that it stands on."""
    every: tuple[Known, ...] = ()
    """All facts of the same entity: the physician may say any of them."""
    passage: Document | None = None
    """The passage that it stands on."""

    @property
    def told(self) -> str:
        """The card as a text, the sex in both of its spellings."""
        sex = f"{self.card['sex']}性" if "sex" in self.card else ""
        return "\n".join((*map(_spelled, self.card.values()), sex))


def _spelled(value: Any) -> str:
    return "、".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


# ---------------------------------------------------------------- cases


def graph_cases(settings: SynthSettings, graph: Graph, seed: int) -> Iterator[Case]:
    """One case per entity with at least two of the turns of its kind, in a fixed order, drawn by hash.

    The symptoms of a disease stand on the card; its name does not where they fit no other disease.
    """
    wanted = coverage.wanted(settings, graph.groups, seed)
    named = {call.facts[0]: call for call in from_graph.vignette(graph.groups, graph.untaught_symptoms, seed, 1.0)}
    entities: dict[str, list[Known]] = {}
    for (entity_id, _), facts in graph.groups.items():
        entities.setdefault(entity_id, []).extend(facts)
    hidden = {fact: call for call in named.values() for fact in call.facts}
    for turns in dialogue.planned(graph.groups, seed):
        first = turns[0][0]
        if fraction(str(seed), "consultation", first.entity_id) >= settings.consultation.share:
            continue
        call = next((hidden[fact.id] for facts in turns for fact in facts if fact.id in hidden), None)
        case = _card(turns, tuple(entities[first.entity_id]), None if call is None else call.block, seed)
        if wanted is None or not wanted.isdisjoint(fact.id for fact in case.facts):
            yield case


def _card(turns: list[list[Known]], every: tuple[Known, ...], block: dict[str, Any] | None, seed: int) -> Case:
    first = turns[0][0]
    age, sex = from_graph.person(first.entity, seed)
    card: dict[str, Any] = {"age": f"{age}岁", "sex": sex}
    complaint = next((facts for facts in turns if facts[0].relation in SYMPTOM_RELATIONS), [])
    if first.kind == "disease" and block is not None:
        card["symptoms"] = block["symptoms"]
    elif first.kind == "disease" and complaint:
        card["symptoms"] = values_of(complaint)[:VIGNETTE_SYMPTOMS]
    if block is None or first.kind != "disease":
        card |= {"about": first.entity, "kind": first.kind}
    said = [facts for facts in turns if facts is not complaint or first.kind != "disease"]
    card["wants"] = [facts[0].relation for facts in said]
    known = {
        "entity": first.entity,
        "kind": first.kind,
        "turns": [{"relation": facts[0].relation, "values": values_of(facts)} for facts in said],
    }
    if block is not None:
        checked = next((facts[0].relation for facts in said if facts[0].relation in CHECK_RELATIONS), "")
        known |= {"checks": block["checks"], "checked": checked}
        card["wants"] = [relation for relation in card["wants"] if relation != checked]
    dangers = [fact.value for facts in turns for fact in facts if fact.relation in COMPLICATION_RELATIONS]
    urgent = from_graph.urgent([*card.get("symptoms", ()), *dangers]).get("urgent", [])
    shown = {*card.get("symptoms", ()), *known.get("checks", ())}
    facts = tuple(fact for fact in every if any(fact in some for some in said) or fact.value.strip() in shown)
    return Case(content_id("consultation", first.entity_id), "zh", card, known, tuple(urgent), facts, every)


def passage_case(passage: Document, language: str, shared: bool) -> Case:
    """A passage as a case: the patient knows what it says."""
    first = from_text.block(passage, language, shared)
    known = {key: first[key] for key in ("title", "text", "language", "answer_language", "shared_title")}
    words = dict.fromkeys(sign.words for sign in redflags.signs(passage.text) if sign.status == "present")
    card = {"title": passage.title, "text": passage.text}
    return Case(content_id("consultation", passage.id), language, card, known, tuple(words), passage=passage)


# ---------------------------------------------------------------- what each side is shown


def patient_block(case: Case, turns: Sequence[QA], most: int) -> dict[str, Any]:
    """The block of the prompt for what the patient says next."""
    return consultation.patient_block(case.card, turns, most) | _about_passage(case)


def doctor_block(case: Case, turns: Sequence[QA], said: str, most: int, sees_facts: bool) -> dict[str, Any]:
    """The block of the prompt for the physician's answer to ``said``."""
    block: dict[str, Any] = {
        "shape": "doctor",
        "dialogue": [*consultation.lines(turns), {"patient": said}],
    }
    block |= {"turn": len(turns) + 1, "turns": most, "question": said}
    if sees_facts:
        block["facts"] = case.known
        block |= _about_passage(case)
    signs = tuple(sign.words for sign in redflags.signs(said) if sign.status == "present")
    known = case.urgent if sees_facts else ()
    signs = (*known, *dict.fromkeys(sign for sign in signs if not any(sign in value for value in known)))
    return block | ({"urgent": list(signs)} if signs and not _urged(turns) else {})


def _about_passage(case: Case) -> dict[str, Any]:
    return {} if case.passage is None else {"language": case.known["language"], "answer_language": case.language}


def _urged(turns: Sequence[QA]) -> bool:
    return any(redflags.urges(qa.answer) for qa in turns)


# ---------------------------------------------------------------- what the patient may say


def revealed(ground: Ground, case: Case, turns: Sequence[QA], said: str) -> Refusal | None:
    """What a patient says that the case does not hold, or None; see `huatuo.checks.patient`."""
    problem = patient.revealed(said, case.told, turns, ground.mentions)
    return Refusal("revealed", problem) if problem else None


# ---------------------------------------------------------------- what the physician may say


def objection(
    ground: Ground, case: Case, turns: Sequence[QA], qa: QA, urgent: Sequence[str], grounded: bool
) -> Refusal | None:
    """Why a physician's answer is refused, or None.

    ``urgent``: signs for which it must urge care first. ``grounded``: whether it is held to the facts.
    """
    if words := from_text.leak(qa.answer, case.passage.text if case.passage else ""):
        return Refusal("leak", f"the answer speaks of its source: {words}")
    if urgent and not redflags.urges_first(qa.answer):
        return Refusal("no_urging", f"{'、'.join(urgent)}: the first sentence of the answer must urge care at once")
    if not grounded:
        return None
    urging = redflags.urging(qa.answer)
    told = "".join(
        s for s in patient.SENTENCE.findall(qa.answer.replace(urging, "", 1)) if not patient.ASKS.search(s)
    ).strip()
    said = "\n".join((*(one.question for one in turns), qa.question))
    if case.passage is not None:
        if case.language not in (case.passage.language, "zh"):
            return None
        source = f"{case.passage.text}\n{said}"
        urged = EMERGENCY_LINES.sub("", urging)
        return ground.passage("", told, case.passage.title, source) or ground.passage("", urged, "", source)
    facts = [Said(fact.relation, fact.value) for fact in case.every]
    entity = case.every[0].entity
    anything = Claim("consultation", "", (), (entity, said, *(fact.value for fact in facts)))
    found = ground.question(EMERGENCY_LINES.sub("", urging), anything) if urging else None
    if found or not told or _lists_one(ground, told, entity, facts):
        return found
    return ground.free(said, told, entity, facts)


def _lists_one(ground: Ground, told: str, entity: str, facts: Sequence[Said]) -> bool:
    """Whether an answer is the list of one relation's values: what another relation says of a value is no matter."""
    values: dict[str, list[str]] = {}
    for fact in facts:
        values.setdefault(fact.relation, []).append(fact.value)
    claims = (Claim("consultation", name, (entity,), tuple(some)) for name, some in values.items() if name in told)
    return any(ground.answer(told, claim) is None for claim in claims)
