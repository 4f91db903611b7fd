"""The stage synth: a teacher asks and answers from facts and passages, and every pair is checked against its source.

Calls are made one bounded batch at a time, in a fixed order, and answered in any order; pairs are written in the order
of the calls. Each fact and each passage ends used, dropped or left exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huatuo.llm.base import Model, Reply
from huatuo.llm.money import Spent
from huatuo.progress import Bar, bar
from huatuo.recipe import SynthSettings
from huatuo.records import WITHHELD, Document, Message, Provenance
from huatuo.store import Writer, content_id, read, read_batches
from huatuo.synth import dialogue, from_text, prompts, self_instruct
from huatuo.synth.calls import (
    conversation,
    graph_calls,
    graph_prompt,
    growth_prompt,
    has_longer,
    passage_prompt,
    sampling_of,
)
from huatuo.synth.from_graph import Call
from huatuo.synth.graph import Graph, read_graph, shown
from huatuo.synth.ground import Refusal
from huatuo.synth.objections import objection
from huatuo.synth.pair import ask, make_pair
from huatuo.synth.parse import QA, parse

BATCH = 8192
"""Conversations handed to the model at once: bounds memory (about 30 MB), and is many times any endpoint's concurrency,
since each batch ends with a wait for its slowest call."""


def make_pairs(settings: SynthSettings, knowledge: Path, passages: Path, model: Model, seed: int, out: Writer) -> None:
    """Write ``pairs`` made from the facts in ``knowledge`` and the passages in ``passages``.

    Raises StageError (at the end of the block of `store.writing`) where nothing could be made, and what the model
    raises when going on is useless.
    """
    maker = _Maker(settings, knowledge, model, seed, out)
    maker.make_from_graph()
    maker.make_from_passages(passages)
    if settings.self_instruct.seeds is not None:
        maker.grow()
    maker.settle()


class _Made(NamedTuple):
    """What a pair's record says beside its messages."""

    source: str
    shape: str
    provenance: Provenance
    parents: tuple[str, ...]
    uses: tuple[str, ...]
    entities: tuple[str, ...] = ()


class _Maker:
    def __init__(self, settings: SynthSettings, knowledge: Path, model: Model, seed: int, out: Writer):
        self.settings, self.model, self.seed, self.out = settings, model, seed, out
        self.graph = read_graph(knowledge, out, has_longer(settings))
        self.sampling = sampling_of(settings, seed)
        self.used: set[str] = set()
        self.failed: dict[str, tuple[Literal["drop", "leave"], str, str]] = {}
        self.seen: set[bytes] = set()
        self._provenances: dict[tuple[str, str], Provenance] = {}
        self.spent = Spent(settings.teacher.currency)

    # ---------------------------------------------------------------- asking

    def _ask(self, questions: Sequence[str]) -> list[Reply]:
        """The replies in the order of the prompts."""
        replies: list[Reply | None] = [None] * len(questions)
        conversations = [conversation(text) for text in questions]
        for index, reply in self.model.chat(conversations, self.sampling) if conversations else ():
            replies[index] = reply
            self.spent = self.spent.add(reply)
        lost = Reply(text="", finish_reason="error", error="the model gave no reply")
        return [reply or lost for reply in replies]

    def _provenance(self, time: str, *prompt_ids: str) -> Provenance:
        """What made a pair: of two prompts both names, and one hash of their hashes."""
        key = ("+".join(prompt_ids), time)
        if key not in self._provenances:
            if len(self._provenances) > BATCH:
                self._provenances.clear()
            hashes = [prompts.load(prompt_id).hash for prompt_id in prompt_ids]
            self._provenances[key] = Provenance(
                by="model",
                model=self.model.name,
                digest=self.model.digest,
                sampling=self.sampling.canonical(),
                prompt_id=key[0],
                prompt_hash=hashes[0] if len(hashes) == 1 else content_id(*hashes),
                format=self.model.format,
                time=time,
            )
        return self._provenances[key]

    # ---------------------------------------------------------------- graph

    def make_from_graph(self) -> None:
        """Pairs of all shapes from the facts."""
        calls = graph_calls(self.settings, self.graph, self.seed)
        with bar("synth graph", None, "calls") as progress:
            while batch := list(islice(calls, BATCH)):
                asked = [graph_prompt(self.settings, call) for call in batch]
                for call, reply in zip(batch, self._ask(asked), strict=True):
                    self._take(call, reply)
                progress.advance(len(batch))

    def _take(self, call: Call, reply: Reply) -> None:
        found, rule, reason = read_reply(reply)
        source, provenance = self.settings.source, self._provenance(reply.time, f"graph_{call.shape}.zh")
        made = _Made(source, call.shape, provenance, call.facts, call.facts, call.entities)
        answers: dict[str, Refusal | None] = {}
        for turns in [found] if found and call.later else [(qa,) for qa in found]:
            messages = _messages(turns)
            refusal = self._check(turns, call, answers)
            if refusal is None:
                self._write(messages, made)
                continue
            rule, reason = refusal
            pair = make_pair(messages, source, call.shape, provenance)
            self.out.drop(pair.id, rule, reason, excerpt=" ".join(m.content for m in messages), parents=call.facts)
        for fact in call.facts:
            if fact not in self.used and rule:
                self.failed.setdefault(fact, ("drop", rule, reason))

    def _check(self, turns: Sequence[QA], call: Call, answers: dict[str, Refusal | None]) -> Refusal | None:
        """The first objection; a direct answer that many questions share is looked at once."""
        if not self.settings.ground:
            return None
        if call.shape != "direct":
            return objection(self.graph.ground, call, turns)
        question, answer = turns[0]
        if answer not in answers:
            answers[answer] = self.graph.ground.answer(answer, call.claim)
        return answers[answer] or self.graph.ground.question(question, call.claim)

    def _write(self, messages: tuple[Message, ...], made: _Made) -> bool:
        """Whether the pair is new; a twin is dropped, and what it was made from is used all the same."""
        pair = make_pair(messages, made.source, made.shape, made.provenance, made.parents, made.entities)
        key = bytes.fromhex(pair.id)
        self.used.update(made.uses)
        if key in self.seen:
            self.out.use(made.uses)
            said = "the same question and answer was made before"
            self.out.drop(pair.id, "duplicate", said, pair.id, messages[0].content)
            return False
        self.seen.add(key)
        self.out.write("pairs", pair, uses=made.uses)
        return True

    # ---------------------------------------------------------------- passages

    def make_from_passages(self, folder: Path) -> None:
        """Pairs from the passages, each with its document source's name."""
        shared = shared_titles(folder)
        waiting = open_passages(folder, self.graph, self.out)
        with bar("synth passages", None, "passages") as progress:
            while batch := list(islice(waiting, BATCH)):
                self._take_passages(batch, shared, progress)

    def _take_passages(self, batch: list[Document], shared: frozenset[str], progress: Bar) -> None:
        languages = [from_text.answer_language(passage, self.settings.passage_language) for passage in batch]
        shapes = self.settings.passage_shapes
        lost: list[tuple[Document, str, str, str]] = []
        if "passage" in shapes:
            blocks = [from_text.block(p, lang, p.title in shared) for p, lang in zip(batch, languages, strict=True)]
            lost += self._question_and_answer(batch, languages, blocks)
        if "passage_dialogue" in shapes:
            blocks = [dialogue.block(p, lang, p.title in shared) for p, lang in zip(batch, languages, strict=True)]
            lost += self._talked_over(batch, languages, blocks)
        for passage, shape, rule, reason in lost:
            if passage.id not in self.used:
                self.out.drop(passage.id, rule, reason, excerpt=passage.text)
            else:  # another shape uses it
                made_of = (passage.id,)
                self.out.drop(content_id(shape, passage.id), rule, reason, excerpt=passage.text, parents=made_of)
        progress.advance(len(batch))

    def _question_and_answer(
        self, batch: list[Document], languages: list[str], blocks: list[dict[str, Any]]
    ) -> list[tuple[Document, str, str, str]]:
        """Passages without a pair, with shape, rule and reason."""
        lost: list[tuple[Document, str, str, str]] = []
        first = [passage_prompt(self.settings, lang, b) for b, lang in zip(blocks, languages, strict=True)]
        open_calls: list[tuple[Document, str, dict[str, Any]]] = []
        for passage, language, block, reply in zip(batch, languages, blocks, self._ask(first), strict=True):
            question, rule, reason = read_question(reply, passage)
            if question:
                open_calls.append((passage, language, from_text.with_question(block, question)))
            else:
                lost.append((passage, "passage", rule, reason))
        second = [passage_prompt(self.settings, language, block) for _, language, block in open_calls]
        for (passage, language, block), reply in zip(open_calls, self._ask(second), strict=True):
            found, rule, reason = read_reply(reply)
            turns = [QA(str(block["question"]), found[0].answer)] if found else []
            refusal = self._check_passage(turns, passage, language) if found else Refusal(rule, reason)
            if refusal is None:
                prompt_ids = (f"passage_question.{language}", f"passage_answer.{language}")
                self._write_passage(turns, passage, "passage", self._provenance(reply.time, *prompt_ids))
            else:
                lost.append((passage, "passage", *refusal))
        return lost

    def _talked_over(
        self, batch: list[Document], languages: list[str], blocks: list[dict[str, Any]]
    ) -> list[tuple[Document, str, str, str]]:
        """Passages without a dialogue, with shape, rule and reason."""
        lost: list[tuple[Document, str, str, str]] = []
        asked = [passage_prompt(self.settings, lang, b) for b, lang in zip(blocks, languages, strict=True)]
        for passage, language, reply in zip(batch, languages, self._ask(asked), strict=True):
            found, rule, reason = read_reply(reply)
            refusal = dialogue.objection(found) if found else Refusal(rule, reason)
            refusal = refusal or self._check_passage(found, passage, language)
            if refusal is None:
                provenance = self._provenance(reply.time, f"passage_dialogue.{language}")
                self._write_passage(found, passage, "passage_dialogue", provenance)
            else:
                lost.append((passage, "passage_dialogue", *refusal))
        return lost

    def _check_passage(self, turns: Sequence[QA], passage: Document, language: str) -> Refusal | None:
        """The first objection to one of the turns made from a passage."""
        for qa in turns:
            words = from_text.leak(qa.answer, passage.text)
            if words:
                return Refusal("leak", f"the answer speaks of its source: {words}")
            # a translation cannot be compared word by word; its numbers still can
            if self.settings.ground and language in (passage.language, "zh"):
                refusal = self.graph.ground.passage(qa.question, qa.answer, passage.title, passage.text)
                if refusal:
                    return refusal
        return None

    def _write_passage(self, turns: Sequence[QA], passage: Document, shape: str, provenance: Provenance) -> None:
        parents = (passage.id, passage.parent) if passage.parent else (passage.id,)
        self._write(_messages(turns), _Made(passage.origin.source, shape, provenance, parents, (passage.id,)))

    # ---------------------------------------------------------------- seeds

    def grow(self) -> None:
        """Pairs grown from seed questions; their answers stand on no fact and are held to no fact."""
        grown, prompt_id = self.settings.self_instruct, "self_instruct.zh"
        seeds, before = self._open_seeds(), self_instruct.NearCopies(grown.overlap)
        for seed in seeds:
            before.add(seed.question)
        calls = self_instruct.calls(grown, seeds, self.settings.pairs_per_call, self.seed)
        while batch := list(islice(calls, BATCH)):
            asked = [growth_prompt(self.settings, call) for call in batch]
            for call, reply in zip(batch, self._ask(asked), strict=True):
                found, rule, reason = read_reply(reply)
                ids = tuple(seed.id for seed in call.seeds)
                made = _Made(grown.source, "self_instruct", self._provenance(reply.time, prompt_id), ids, ids)
                if not found:
                    self.out.drop(content_id("self_instruct", str(call.block["number"])), rule, reason, parents=ids)
                for qa in found:
                    refusal = self_instruct.objection(qa, before, self.graph.withheld)
                    if refusal is None:
                        before.add(qa.question)
                        self._write(_messages([qa]), made)
                        continue
                    pair = make_pair(_messages([qa]), grown.source, made.shape, made.provenance)
                    self.out.drop(pair.id, *refusal, excerpt=f"{qa.question} {qa.answer}", parents=ids)
        for seed in seeds:
            if seed.id not in self.used:
                self.out.leave(seed.id, "not_drawn", "no pair was grown from it", excerpt=seed.question)

    def _open_seeds(self) -> list[self_instruct.Seed]:
        """The seeds that name no withheld entity; the others are left."""
        assert self.settings.self_instruct.seeds is not None
        found = []
        for seed in self_instruct.read_seeds(self.settings.self_instruct.seeds):
            self.out.expect((seed.id,))
            named = next((mention.name for mention in self.graph.withheld.find(seed.question)), "")
            if named:
                self.out.leave(seed.id, WITHHELD, f"names the withheld entity {named}", excerpt=seed.question)
            else:
                found.append(seed)
        return found

    # ---------------------------------------------------------------- account

    def settle(self) -> None:
        """End every fact that no pair uses: dropped where its call failed, left where no call was made."""
        for facts in self.graph.groups.values():
            for fact in facts:
                if fact.id in self.used:
                    continue
                _, rule, reason = self.failed.get(fact.id, ("leave", "", ""))
                if rule:
                    self.out.drop(fact.id, rule, reason, excerpt=shown(fact))
                else:
                    said = "no call was drawn for it (synth.shapes, share, coverage, teach_next)"
                    self.out.leave(fact.id, "not_drawn", said, excerpt=shown(fact))
        if self.settings.teacher.kind == "offline":
            return
        spent = self.spent
        for name, value in (("prompt_tokens", spent.prompt_tokens), ("completion_tokens", spent.completion_tokens)):
            self.out.figures[name] = None if value is None else float(value)
        self.out.figures[f"cost ({spent.currency})"] = spent.cost


def _messages(turns: Sequence[QA]) -> tuple[Message, ...]:
    return tuple(message for qa in turns for message in ask(qa.question, qa.answer))


def read_reply(reply: Reply, need_answer: bool = True) -> tuple[tuple[QA, ...], str, str]:
    """The pairs of a reply that ended well; else none, with rule and reason."""
    if reply.finish_reason != "stop":
        said = reply.error or f"the reply ended with {reply.finish_reason}: {reply.text[:60]!r}"
        return (), reply.finish_reason, said
    parsed = parse(reply.text, need_answer)
    if parsed.pairs:
        return parsed.pairs, "", ""
    return (), "unparsed", parsed.reason


def read_question(reply: Reply, passage: Document) -> tuple[str, str, str]:
    """The question in the reply to the first call about a passage; else empty, with rule and reason."""
    found, rule, reason = read_reply(reply, need_answer=False)
    question = found[0].question if found else ""
    if question and from_text.too_long(question):
        return "", "long_question", f"the question has {len(question)} characters"
    if question and (words := from_text.leak(question, passage.text)):
        return "", "leak", f"the question speaks of its source: {words}"
    return question, rule, reason


def open_passages(folder: Path, graph: Graph, out: Writer | None) -> Iterator[Document]:
    """The passages that may be asked about; those that name a withheld entity are left in ``out``."""
    for passage in read(folder, "passages", Document):
        if out:
            out.expect((passage.id,))
        text = f"{passage.title}\n{passage.text}"
        named = next((mention.name for mention in graph.withheld.find(text)), "")
        if not named:
            yield passage
        elif out:
            out.leave(passage.id, WITHHELD, f"names the withheld entity {named}", excerpt=passage.title)


def shared_titles(folder: Path) -> frozenset[str]:
    """Titles that several passages stand under."""
    titles: Iterable[str] = (
        title for batch in read_batches(folder, "passages", ["title"]) for title in batch.column("title").to_pylist()
    )
    return from_text.shared_titles(titles)
