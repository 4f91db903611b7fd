"""The stage synth: a teacher asks and answers from facts and passages, and every pair is checked against its source.

Calls are made one bounded batch at a time, in a fixed order, and answered in any order; pairs are written in the order
of the calls, repaired ones after their batch. Each fact and each passage ends used, dropped or left exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from huatuo.checks.support import Said
from huatuo.llm.base import Model, Reply
from huatuo.progress import bar
from huatuo.recipe import SynthSettings
from huatuo.records import WITHHELD, Provenance
from huatuo.store import Writer, content_id
from huatuo.synth import self_instruct
from huatuo.synth.calls import graph_calls, graph_prompt, growth_prompt, has_longer, sampling_by
from huatuo.synth.from_graph import Call, Known
from huatuo.synth.graph import read_graph
from huatuo.synth.ground import Refusal
from huatuo.synth.make_consultations import Consultations
from huatuo.synth.make_passages import passage_steps
from huatuo.synth.objections import objection
from huatuo.synth.pair import make_pair
from huatuo.synth.parse import QA
from huatuo.synth.work import BATCH, REPAIRED, Made, Refused, Side, Work, messages_of


def make_pairs(
    settings: SynthSettings,
    knowledge: Path,
    passages: Path,
    model: Model,
    seed: int,
    out: Writer,
    doctor: Model | None = None,
) -> None:
    """Write ``pairs`` made from the facts in ``knowledge`` and the passages in ``passages``.

    ``doctor``: the model that plays the physician of a consultation, where it is not ``model``. Raises StageError (at
    the end of the block of `store.writing`) where nothing could be made, and what the models raise when going on is
    useless.
    """
    for _ in steps(settings, knowledge, passages, model, seed, out, doctor):
        pass


def steps(
    settings: SynthSettings,
    knowledge: Path,
    passages: Path,
    model: Model,
    seed: int,
    out: Writer,
    doctor: Model | None = None,
) -> Iterator[None]:
    """`make_pairs`, one batch of calls after another."""
    work = Work(settings, read_graph(knowledge, out, has_longer(settings)), model, seed, out)
    physician = work.teacher
    if doctor is not None and settings.consultation.doctor is not None:
        physician = Side(doctor, sampling_by(settings.consultation.doctor, seed), settings.consultation.doctor)
    talks = Consultations(work, physician)
    yield from _Graph(work).steps()
    if "graph" in settings.consultation.cases:
        yield from talks.graph_steps()
    yield from passage_steps(work, passages, talks)
    if settings.self_instruct.seeds is not None:
        yield from _grow(work)
    work.settle()
    if physician is not work.teacher:
        physician.write_spent(out, "doctor ")


class _Graph:
    """Pairs of all shapes from the facts."""

    def __init__(self, work: Work):
        self._work = work
        self._words = "strict" if work.settings.teacher.kind == "offline" else work.settings.words
        if work.settings.words == "free":
            self._words = "free"
        self._facts: dict[str, Known] = {}
        if self._words != "strict":
            self._facts = {fact.id: fact for facts in work.graph.groups.values() for fact in facts}

    def steps(self) -> Iterator[None]:
        """One batch after another."""
        work = self._work
        calls = graph_calls(work.settings, work.graph, work.seed)
        with bar("synth graph", None, "calls") as progress:
            while batch := list(islice(calls, BATCH)):
                asked = [graph_prompt(work.settings, call) for call in batch]
                refused: list[Refused] = []
                for call, reply in zip(batch, work.teacher.ask(asked), strict=True):
                    refused += self._take(call, reply)
                work.settle_refused(refused)
                progress.advance(len(batch))
                yield

    def _take(self, call: Call, reply: Reply) -> list[Refused]:
        """What was refused of a reply; the rest is written."""
        work, refused = self._work, []
        found, rule, reason = work.read(reply)
        if rule:
            work.fail(call.facts, rule, reason)
        prompt_id = f"graph_{call.shape}.zh"
        provenance = work.provenance(reply.time, prompt_id)
        answers: dict[str, Refusal | None] = {}
        for turns in [found] if found and call.later else [(qa,) for qa in found]:
            refusal = self._try(call, answers, (), turns, provenance)
            if refusal is not None:
                retry = partial(self._try, call, answers, (REPAIRED,))
                lose = partial(self._lose, call, turns)
                refused.append(Refused(call.shape, "zh", call.block, turns, refusal, (prompt_id,), retry, lose))
        return refused

    def _try(
        self,
        call: Call,
        answers: dict[str, Refusal | None],
        flags: tuple[str, ...],
        turns: tuple[QA, ...],
        provenance: Provenance,
    ) -> Refusal | None:
        """Write the pair of these turns, or say why not."""
        turns = turns if call.later else turns[:1]
        refusal, facts = self._check(turns, call, answers)
        if refusal is None:
            made = Made(self._work.settings.source, call.shape, provenance, facts, facts, call.entities, flags)
            self._work.write(messages_of(turns), made)
            unsaid = [fact for fact in call.facts if fact not in facts]
            self._work.fail(unsaid, "incomplete", "no answer that was kept says it")
        return refusal

    def _lose(self, call: Call, turns: tuple[QA, ...], rule: str, reason: str) -> None:
        work, messages = self._work, messages_of(turns)
        source, provenance = work.settings.source, work.provenance("", f"graph_{call.shape}.zh")
        pair = make_pair(messages, source, call.shape, provenance)
        work.out.drop(pair.id, rule, reason, excerpt=" ".join(m.content for m in messages), parents=call.facts)
        work.fail(call.facts, rule, reason)

    def _check(
        self, turns: Sequence[QA], call: Call, answers: dict[str, Refusal | None]
    ) -> tuple[Refusal | None, tuple[str, ...]]:
        """The first objection, and the facts that the pair teaches."""
        if not self._work.settings.ground:
            return None, call.facts
        refusal = self._strict(turns, call, answers) if self._words != "free" else Refusal("", "")
        if refusal is None:
            return None, call.facts
        if self._words == "strict":
            return refusal, ()
        refusal = objection(self._work.graph.ground, call, turns, free=True)
        facts = () if refusal else self._stated(turns, call)
        if not refusal and not facts:
            refusal = Refusal("incomplete", "the answer says none of its facts")
        return refusal, facts

    def _strict(self, turns: Sequence[QA], call: Call, answers: dict[str, Refusal | None]) -> Refusal | None:
        """The first objection; a direct answer that many questions share is looked at once."""
        ground = self._work.graph.ground
        if call.shape != "direct":
            return objection(ground, call, turns)
        question, answer = turns[0]
        if answer not in answers:
            answers[answer] = ground.answer(answer, call.claim)
        return answers[answer] or ground.question(question, call.claim)

    def _stated(self, turns: Sequence[QA], call: Call) -> tuple[str, ...]:
        """The facts of a call that its turns say."""
        text = "\n".join(part for qa in turns for part in qa)
        known = [self._facts[fact] for fact in call.facts]
        ground = self._work.graph.ground
        return tuple(f.id for f in known if ground.stated(text, Said(f.relation, f.value), f.entity))


# ---------------------------------------------------------------- seeds


def _grow(work: Work) -> Iterator[None]:
    """Pairs grown from seed questions; their answers stand on no fact and are held to no fact."""
    grown, prompt_id = work.settings.self_instruct, "self_instruct.zh"
    seeds, before = _open_seeds(work), self_instruct.NearCopies(grown.overlap)
    for seed in seeds:
        before.add(seed.question)
    calls = self_instruct.calls(grown, seeds, work.settings.pairs_per_call, work.seed)
    while batch := list(islice(calls, BATCH)):
        asked = [growth_prompt(work.settings, call) for call in batch]
        for call, reply in zip(batch, work.teacher.ask(asked), strict=True):
            found, rule, reason = work.read(reply)
            ids = tuple(seed.id for seed in call.seeds)
            made = Made(grown.source, "self_instruct", work.provenance(reply.time, prompt_id), ids, ids)
            if not found:
                work.out.drop(content_id("self_instruct", str(call.block["number"])), rule, reason, parents=ids)
            for qa in found:
                refusal = self_instruct.objection(qa, before, work.graph.withheld)
                if refusal is None:
                    before.add(qa.question)
                    work.write(messages_of([qa]), made)
                    continue
                pair = make_pair(messages_of([qa]), grown.source, made.shape, made.provenance)
                work.out.drop(pair.id, *refusal, excerpt=f"{qa.question} {qa.answer}", parents=ids)
        yield
    for seed in seeds:
        if seed.id not in work.used:
            work.out.leave(seed.id, "not_drawn", "no pair was grown from it", excerpt=seed.question)


def _open_seeds(work: Work) -> list[self_instruct.Seed]:
    """The seeds that name no withheld entity; the others are left."""
    assert work.settings.self_instruct.seeds is not None
    found = []
    for seed in self_instruct.read_seeds(work.settings.self_instruct.seeds):
        work.out.expect((seed.id,))
        named = next((mention.name for mention in work.graph.withheld.find(seed.question)), "")
        if named:
            work.out.leave(seed.id, WITHHELD, f"names the withheld entity {named}", excerpt=seed.question)
        else:
            found.append(seed)
    return found
