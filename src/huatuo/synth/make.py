"""The stage synth: a teacher asks and answers from facts and passages, and every pair is checked against its source.

Calls are made one bounded batch at a time, in a fixed order, and answered in any order; pairs are written in the order
of the calls. Each fact and each passage ends used, dropped or left exactly once.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huatuo.checks.entities import Dictionary
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.money import Spent
from huatuo.llm.template import OWN_WORDINGS
from huatuo.progress import Bar, bar
from huatuo.recipe import SynthSettings
from huatuo.records import Document, Entity, Message, Provenance
from huatuo.store import Writer, content_id, read, read_batches
from huatuo.synth import from_graph, from_text, prompts
from huatuo.synth.from_graph import SYMPTOM_RELATIONS, Call, Known
from huatuo.synth.ground import Ground, Refusal, name_dictionary
from huatuo.synth.pair import ask, fraction, make_pair
from huatuo.synth.parse import QA, parse
from huatuo.synth.withheld import WITHHELD, Said, mirrored, searchable

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
    maker.settle()


class Graph(NamedTuple):
    """What is known, as synth needs it."""

    groups: dict[tuple[str, str], list[Known]]
    """Facts that may be taught."""
    withheld: Dictionary
    """Names and aliases of withheld entities."""
    untaught: frozenset[tuple[str, str, str]]
    """(kind, relation, value) of facts that are not taught."""
    untaught_symptoms: list[frozenset[str]]
    """Symptom sets of entities that have facts that are not taught."""
    ground: Ground
    """The rules with the graph's names."""


def _wordings() -> str:
    shipped = resources.files("huatuo") / "prompts" / "phrasings.zh.toml"
    return "\n".join((shipped.read_text(encoding="utf-8"), *OWN_WORDINGS))


_COLUMNS = ["id", "entity_id", "entity", "kind", "relation", "value", "flags"]


def _facts(knowledge: Path) -> Iterator[tuple[Known, tuple[str, ...]]]:
    """The facts with their flags; names and relations, which repeat, are held once."""
    for batch in read_batches(knowledge, "facts", _COLUMNS):
        columns = [batch.column(name).to_pylist() for name in _COLUMNS]
        for fact_id, entity_id, entity, kind, relation, value, flags in zip(*columns, strict=True):
            shared = [sys.intern(text) for text in (entity, entity_id, kind, relation, value)]
            yield Known(fact_id, *shared), tuple(flags)


def read_graph(knowledge: Path, out: Writer | None) -> Graph:
    """The graph; all facts expected in ``out``, those that are not taught left under their flag."""
    every, untaught, withheld = [], dict[str, Known](), list[Known]()

    def leave(fact: Known, rule: str, reason: str, witness: str = "") -> None:
        untaught[fact.id] = fact
        if out:
            out.leave(fact.id, rule, reason, witness, _shown(fact))

    for fact, flags in _facts(knowledge):
        if out:
            out.expect((fact.id,))
        every.append(fact)
        if flags:
            withheld += [fact] if WITHHELD in flags else []
            leave(fact, WITHHELD if WITHHELD in flags else flags[0], f"the fact is flagged {', '.join(flags)}")
    entities = list(read(knowledge, "entities", Entity))
    for fact, witness in list(_turned_round(every, untaught, withheld, entities)):
        leave(
            fact, WITHHELD, "it, or another value of the same list, says a withheld fact the other way round", witness
        )
    aliases: dict[str, tuple[str, ...]] = {}
    for entity in entities:
        if entity.aliases:
            aliases[entity.name] = tuple(dict.fromkeys((*aliases.get(entity.name, ()), *entity.aliases)))
    words = _wordings()
    names = (name for entity in entities for name in (entity.name, *entity.aliases))
    ground = Ground(name_dictionary(names, (fact.value for fact in every), words), aliases, words)
    symptoms: dict[str, set[str]] = {}
    for fact in untaught.values():
        if fact.relation in SYMPTOM_RELATIONS:
            symptoms.setdefault(fact.entity_id, set()).add(fact.value.strip())
    hidden = {fact.entity_id for fact in withheld}
    return Graph(
        from_graph.group(fact for fact in every if fact.id not in untaught),
        Dictionary(sorted(searchable(entity for entity in entities if entity.id in hidden))),
        frozenset((fact.kind, fact.relation, fact.value.strip()) for fact in untaught.values()),
        [frozenset(found) for _, found in sorted(symptoms.items())],
        ground,
    )


def _turned_round(
    every: Iterable[Known], untaught: Container[str], withheld: Iterable[Known], entities: Iterable[Entity]
) -> Iterator[tuple[Known, str]]:
    """Facts that say a withheld one the other way round, each with that fact's id, and all values beside them: a list
    without one of its values would be taught as if it were whole."""
    names = {entity.id: (entity.name, *entity.aliases) for entity in entities}
    open_facts = {fact.id: fact for fact in every if fact.id not in untaught}
    said = (Said(fact.id, fact.entity_id, fact.value) for fact in open_facts.values())
    turned = mirrored(said, (Said(fact.id, fact.entity_id, fact.value) for fact in withheld), names)
    lists = {(open_facts[turned_id].entity_id, open_facts[turned_id].relation): w for turned_id, w in turned.items()}
    for fact in open_facts.values():
        if (fact.entity_id, fact.relation) in lists:
            yield fact, lists[fact.entity_id, fact.relation]


def _shown(fact: Known) -> str:
    return f"{fact.entity} {fact.relation} {fact.value}"[:200]


def graph_calls(settings: SynthSettings, graph: Graph, seed: int) -> Iterator[Call]:
    """The calls about facts, in a fixed order."""
    shapes, share = settings.shapes, settings.share
    if "direct" in shapes:
        wanted = share.get("direct", 1.0)
        for call in from_graph.direct(graph.groups):
            if fraction(str(seed), "direct", *call.facts) < wanted:
                yield call
    if "reverse" in shapes:
        yield from from_graph.reverse(graph.groups, graph.untaught, graph.withheld, seed, share.get("reverse", 1.0))
    if "comparison" in shapes:
        yield from from_graph.comparison(graph.groups, seed, share.get("comparison", 1.0))
    if "vignette" in shapes:
        part = share.get("vignette", 1.0)
        yield from from_graph.vignette(graph.groups, graph.untaught_symptoms, seed, part)


def graph_prompt(settings: SynthSettings, call: Call) -> str:
    """What the teacher is asked in a call about facts."""
    return _prompt(settings, f"graph_{call.shape}", "zh", call.block, pairs=settings.pairs_per_call)


def passage_prompt(settings: SynthSettings, language: str, block: dict[str, Any]) -> str:
    """What the teacher is asked in a call about a passage: the question, or the answer to the block's question."""
    return _prompt(settings, block["shape"], language, block)


def _prompt(settings: SynthSettings, name: str, language: str, block: dict[str, Any], **values: Any) -> str:
    text = prompts.load(f"{name}.{language}").render(block, **values)
    return text if settings.teacher.response_format == "text" else text + prompts.IN_AN_OBJECT[language]


def conversation(prompt: str) -> tuple[Message, ...]:
    """The conversation that a prompt opens."""
    return (Message(role="user", content=prompt),)


def sampling_of(settings: SynthSettings, seed: int) -> Sampling:
    """How the teacher decodes."""
    teacher = settings.teacher
    return Sampling(
        temperature=0.0 if teacher.kind == "offline" else teacher.temperature,
        max_tokens=teacher.max_tokens,
        seed=seed,
        response_format=prompts.RESPONSE_FORMATS[teacher.response_format],
    )


class _Maker:
    def __init__(self, settings: SynthSettings, knowledge: Path, model: Model, seed: int, out: Writer):
        self.settings, self.model, self.seed, self.out = settings, model, seed, out
        self.graph = read_graph(knowledge, out)
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
        found, rule, reason = _read_reply(reply)
        provenance = self._provenance(reply.time, f"graph_{call.shape}.zh")
        answers: dict[str, Refusal | None] = {}
        for qa in found:
            refusal = self._check(qa, call, answers)
            if refusal is None:
                self._write(qa, self.settings.source, call.shape, provenance, call.facts, call.facts, call.entities)
                continue
            rule, reason = refusal
            messages = ask(qa.question, qa.answer)
            pair = make_pair(messages, self.settings.source, call.shape, provenance)
            self.out.drop(pair.id, rule, reason, excerpt=f"{qa.question} {qa.answer}", parents=call.facts)
        for fact in call.facts:
            if fact not in self.used and rule:
                self.failed.setdefault(fact, ("drop", rule, reason))

    def _check(self, qa: QA, call: Call, answers: dict[str, Refusal | None]) -> Refusal | None:
        """The first objection; an answer that many questions share is looked at once."""
        if not self.settings.ground:
            return None
        if qa.answer not in answers:
            answers[qa.answer] = self.graph.ground.answer(qa.answer, call.claim)
        return answers[qa.answer] or self.graph.ground.question(qa.question, call.claim)

    def _write(
        self,
        qa: QA,
        source: str,
        shape: str,
        provenance: Provenance,
        parents: tuple[str, ...],
        uses: tuple[str, ...],
        entities: tuple[str, ...],
    ) -> None:
        pair = make_pair(ask(qa.question, qa.answer), source, shape, provenance, parents, entities)
        key = bytes.fromhex(pair.id)
        self.used.update(uses)
        if key in self.seen:
            self.out.use(uses)
            self.out.drop(pair.id, "duplicate", "the same question and answer was made before", pair.id, qa.question)
            return
        self.seen.add(key)
        self.out.write("pairs", pair, uses=uses)

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
        blocks = [
            from_text.block(passage, language, passage.title in shared)
            for passage, language in zip(batch, languages, strict=True)
        ]
        first = [passage_prompt(self.settings, lang, b) for b, lang in zip(blocks, languages, strict=True)]
        open_calls: list[tuple[Document, str, dict[str, Any]]] = []
        for passage, language, block, reply in zip(batch, languages, blocks, self._ask(first), strict=True):
            question, rule, reason = read_question(reply, passage)
            if question:
                open_calls.append((passage, language, from_text.with_question(block, question)))
            else:
                self.out.drop(passage.id, rule, reason, excerpt=passage.text)
        second = [passage_prompt(self.settings, language, block) for _, language, block in open_calls]
        for (passage, language, block), reply in zip(open_calls, self._ask(second), strict=True):
            self._take_answer(passage, language, str(block["question"]), reply)
        progress.advance(len(batch))

    def _take_answer(self, passage: Document, language: str, question: str, reply: Reply) -> None:
        found, rule, reason = _read_reply(reply)
        if found:
            qa = QA(question, found[0].answer)
            words = from_text.leak(qa.answer, passage.text)
            refusal = Refusal("leak", f"the answer speaks of its source: {words}") if words else None
            # a translation cannot be compared word by word; its numbers still can
            if refusal is None and self.settings.ground and language in (passage.language, "zh"):
                refusal = self.graph.ground.passage(qa.question, qa.answer, passage.title, passage.text)
            if refusal is None:
                provenance = self._provenance(reply.time, f"passage_question.{language}", f"passage_answer.{language}")
                parents = (passage.id, passage.parent) if passage.parent else (passage.id,)
                self._write(qa, passage.origin.source, "passage", provenance, parents, (passage.id,), ())
                return
            rule, reason = refusal
        self.out.drop(passage.id, rule, reason, excerpt=passage.text)

    # ---------------------------------------------------------------- account

    def settle(self) -> None:
        """End every fact that no pair uses: dropped where its call failed, left where no call was made."""
        for facts in self.graph.groups.values():
            for fact in facts:
                if fact.id in self.used:
                    continue
                _, rule, reason = self.failed.get(fact.id, ("leave", "", ""))
                if rule:
                    self.out.drop(fact.id, rule, reason, excerpt=_shown(fact))
                else:
                    self.out.leave(
                        fact.id,
                        "not_drawn",
                        "no call was drawn for it (synth.shapes, synth.share)",
                        excerpt=_shown(fact),
                    )
        if self.settings.teacher.kind == "offline":
            return
        spent = self.spent
        for name, value in (("prompt_tokens", spent.prompt_tokens), ("completion_tokens", spent.completion_tokens)):
            self.out.figures[name] = None if value is None else float(value)
        self.out.figures[f"cost ({spent.currency})"] = spent.cost


def _read_reply(reply: Reply, need_answer: bool = True) -> tuple[tuple[QA, ...], str, str]:
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
    found, rule, reason = _read_reply(reply, need_answer=False)
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
