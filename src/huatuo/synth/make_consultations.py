"""Consultations held turn by turn: the patients of a batch speak, then the physicians, until each has ended.

Every line is a call of its own, kept like any other: a run that was killed goes on in the middle of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from huatuo.checks.support import Said
from huatuo.llm import consultation
from huatuo.progress import bar
from huatuo.records import Document, Provenance
from huatuo.synth import consult
from huatuo.synth.calls import consultation_prompt
from huatuo.synth.consult import LEAST_TURNS, Case
from huatuo.synth.ground import Refusal
from huatuo.synth.pair import fraction
from huatuo.synth.parse import QA
from huatuo.synth.work import BATCH, REPAIRED, Made, Refused, Side, Work, messages_of

SHAPE = "consultation"
"""Shape of the pairs."""


class _Talk:
    """One conversation in the making."""

    def __init__(self, case: Case):
        self.case = case
        self.turns: list[QA] = []
        self.said = ""
        """What the patient said last, not answered yet."""
        self.over = self.repaired = False
        self.refusal: Refusal | None = None
        self.time = ""

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return not self.over and self.refusal is None

    def lose(self, rule: str, reason: str) -> None:
        """End it without a pair."""
        self.refusal = Refusal(rule, f"turn {len(self.turns) + 1}: {reason}")


class Consultations:
    """Holds the conversations of the recipe's cases."""

    def __init__(self, work: Work, doctor: Side):
        self._work, self._doctor, self._settings = work, doctor, work.settings.consultation

    def graph_steps(self) -> Iterator[None]:
        """One batch of cases from the facts after another."""
        work = self._work
        cases = consult.graph_cases(work.settings, work.graph, work.seed)
        with bar("synth consultations", None, "cases") as progress:
            while batch := list(islice(cases, BATCH)):
                for talk in self._hold(batch):
                    facts = tuple(fact.id for fact in talk.case.facts)
                    refusal = talk.refusal or self._write(talk, *self._stated(talk))
                    if refusal:
                        shown = " ".join(part for qa in talk.turns for part in qa)
                        work.out.drop(talk.case.id, *refusal, excerpt=shown, parents=facts)
                        work.fail(facts, *refusal)
                    else:
                        work.fail(facts, "incomplete", "no conversation that was kept says it")
                progress.advance(len(batch))
                yield

    def of_passages(
        self, passages: Sequence[Document], languages: Sequence[str], shared: frozenset[str]
    ) -> list[tuple[Document, str, str, str]]:
        """Hold a conversation about each passage that is drawn; those without a pair, with shape, rule and reason."""
        lost = []
        cases = [
            consult.passage_case(passage, language, passage.title in shared)
            for passage, language in zip(passages, languages, strict=True)
            if fraction(str(self._work.seed), SHAPE, passage.id) < self._settings.share
        ]
        for talk in self._hold(cases):
            passage = talk.case.passage
            assert passage is not None
            parents = (passage.id, passage.parent) if passage.parent else (passage.id,)
            refusal = talk.refusal or self._write(talk, parents, (passage.id,))
            if refusal:
                lost.append((passage, SHAPE, *refusal))
        return lost

    # ---------------------------------------------------------------- turn by turn

    def _hold(self, cases: Sequence[Case]) -> list[_Talk]:
        talks = [_Talk(case) for case in cases]
        for _ in range(self._settings.turns):
            self._patients_speak([talk for talk in talks if talk.is_open])
            self._doctors_answer([talk for talk in talks if talk.is_open])
        for talk in talks:
            if talk.refusal is None and len(talk.turns) < LEAST_TURNS:
                said = f"the conversation has {len(talk.turns)} turns, expected at least {LEAST_TURNS}"
                talk.refusal = Refusal("turns", said)
        return talks

    def _prompt(self, talk: _Talk, doctor: bool) -> str:
        settings, most = self._work.settings, self._settings.turns
        block = consult.patient_block(talk.case, talk.turns, most)
        if doctor:
            seen = self._settings.facts_for_doctor
            block = consult.doctor_block(talk.case, talk.turns, talk.said, most, seen)
        return consultation_prompt(settings, talk.case.language, block)

    def _patients_speak(self, talks: Sequence[_Talk]) -> None:
        work = self._work
        replies = work.teacher.ask([self._prompt(talk, doctor=False) for talk in talks])
        for talk, reply in zip(talks, replies, strict=True):
            found, rule, reason = work.read(reply, need_answer=False)
            if not found:
                talk.lose(rule, reason)
                continue
            talk.said = found[0].question
            if consultation.END.fullmatch(talk.said):
                talk.over = True
            elif problem := consult.revealed(work.graph.ground, talk.case, talk.turns, talk.said):
                talk.lose(*problem)

    def _doctors_answer(self, talks: Sequence[_Talk]) -> None:
        refused: list[Refused] = []
        replies = self._doctor.ask([self._prompt(talk, doctor=True) for talk in talks])
        for talk, reply in zip(talks, replies, strict=True):
            found, rule, reason = self._work.read(reply)
            talk.time = reply.time
            if not found:
                talk.lose(rule, reason)
                continue
            language = talk.case.language
            refusal = self._answer(talk, False, found)
            if refusal:
                turns, prompt_ids = (QA(talk.said, found[0].answer),), (f"consultation_doctor.{language}",)
                retry = partial(self._again, talk)
                known = talk.case.known
                refused.append(Refused(SHAPE, language, known, turns, refusal, prompt_ids, retry, talk.lose))
        self._work.settle_refused(refused, self._doctor)

    def _again(self, talk: _Talk, found: tuple[QA, ...], provenance: Provenance) -> Refusal | None:
        return self._answer(talk, True, found)

    def _answer(self, talk: _Talk, repaired: bool, found: tuple[QA, ...]) -> Refusal | None:
        """Take a physician's answer into the conversation, or say why not."""
        qa = QA(talk.said, found[0].answer)
        seen = self._settings.facts_for_doctor
        block = consult.doctor_block(talk.case, talk.turns, talk.said, self._settings.turns, seen)
        urgent, ground = block.get("urgent", ()), self._work.graph.ground
        refusal = consult.objection(ground, talk.case, talk.turns, qa, urgent, self._work.settings.ground)
        if refusal is None:
            talk.turns.append(qa)
            talk.repaired = talk.repaired or repaired
        return refusal

    # ---------------------------------------------------------------- writing

    def _stated(self, talk: _Talk) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The facts that the conversation says, twice: its parents, and what it uses."""
        text, ground = "\n".join(part for qa in talk.turns for part in qa), self._work.graph.ground
        every = talk.case.every
        facts = tuple(f.id for f in every if ground.stated(text, Said(f.relation, f.value), f.entity))
        return facts, facts

    def _write(self, talk: _Talk, parents: tuple[str, ...], uses: tuple[str, ...]) -> Refusal | None:
        if not uses:
            return Refusal("incomplete", "the conversation says none of its facts")
        work, language = self._work, talk.case.language
        prompt_ids = [f"consultation_patient.{language}", f"consultation_doctor.{language}"]
        prompt_ids += [f"repair.{language}"] if talk.repaired else []
        sides = (work.teacher,) if self._doctor is work.teacher else (work.teacher, self._doctor)
        provenance = work.provenance(talk.time, *prompt_ids, sides=sides)
        entities = (talk.case.every[0].entity,) if talk.case.every else ()
        flags = (REPAIRED,) if talk.repaired else ()
        work.write(
            messages_of(talk.turns), Made(self._settings.source, SHAPE, provenance, parents, uses, entities, flags)
        )
        return None
