"""What the makers of pairs share: the models and what they were paid, what was written, dropped or sent back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huatuo.llm import prompts
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.estimate import write_spent
from huatuo.llm.money import Spent
from huatuo.recipe import SynthSettings
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Document, Message, Provenance, Record
from huatuo.store import Writer, content_id
from huatuo.synth import from_text
from huatuo.synth.calls import conversation, repair_prompt, sampling_of
from huatuo.synth.graph import Graph, shown
from huatuo.synth.ground import Refusal
from huatuo.synth.pair import ask, make_pair
from huatuo.synth.parse import QA, parse

BATCH = 8192
"""Conversations handed to the model at once: bounds memory (about 30 MB), and is many times any endpoint's concurrency,
since each batch ends with a wait for its slowest call."""

REPAIRED = "repaired"
"""Flag of a pair that was sent back once."""


class Made(NamedTuple):
    """What a pair's record says beside its messages."""

    source: str
    """Source name."""
    shape: str
    """How it was made."""
    provenance: Provenance
    """Who made it."""
    parents: tuple[str, ...]
    """Facts and documents that it teaches."""
    uses: tuple[str, ...]
    """Inputs of the stage that it uses."""
    entities: tuple[str, ...] = ()
    """Names that it is about."""
    flags: tuple[str, ...] = ()
    """Flags that it carries from the beginning."""


class Refused(NamedTuple):
    """A reply that a check objects to, with what it takes to send it back once."""

    shape: str
    """Shape of the call."""
    language: str
    """Language of the call's prompt."""
    known: dict[str, Any]
    """The facts or the passage, as they stood in the call's block."""
    turns: tuple[QA, ...]
    """What the model said."""
    refusal: Refusal
    """What the check says."""
    prompt_ids: tuple[str, ...]
    """Prompts of the calls that made it."""
    retry: Callable[[tuple[QA, ...], Provenance], Refusal | None]
    """Check other turns, and keep them where nothing is found; else what was found."""
    lose: Callable[[str, str], None]
    """Drop it, with rule and reason."""


class Side:
    """One model that is asked, how it decodes, and what its answers used."""

    def __init__(self, model: Model, sampling: Sampling, settings: TeacherSettings):
        self.model, self.sampling, self.settings = model, sampling, settings
        self.spent = Spent(settings.currency)

    def ask(self, questions: Sequence[str]) -> list[Reply]:
        """The replies in the order of the prompts."""
        replies: list[Reply | None] = [None] * len(questions)
        conversations = [conversation(text) for text in questions]
        for index, reply in self.model.chat(conversations, self.sampling) if conversations else ():
            replies[index] = reply
            self.spent = self.spent.add(reply)
        lost = Reply(text="", finish_reason="error", error="the model gave no reply")
        return [reply or lost for reply in replies]

    def write_spent(self, out: Writer, prefix: str = "") -> None:
        """Write what the answers used as figures; nothing for the offline teacher, tokens alone for a local model."""
        if self.settings.kind != "offline":
            write_spent(self.spent, out, prefix, paid=self.settings.kind != "local")


class Work:
    """The state of one making: what is asked of whom, what was used, dropped, written."""

    def __init__(self, settings: SynthSettings, graph: Graph, model: Model, seed: int, out: Writer):
        self.settings, self.graph, self.seed, self.out = settings, graph, seed, out
        self.teacher = Side(model, sampling_of(settings, seed), settings.teacher)
        self.used: set[str] = set()
        self.failed: dict[str, tuple[Literal["drop", "leave"], str, str]] = {}
        self.mends = settings.repair == "once" and settings.teacher.kind != "offline"
        self.sent_back = self.repaired = 0
        self.replies = 0
        self.without: Counter[str] = Counter()
        self._seen: set[bytes] = set()
        self._provenances: dict[tuple[str, ...], Provenance] = {}

    def provenance(self, time: str, *prompt_ids: str, sides: Sequence[Side] = ()) -> Provenance:
        """What made a pair: of several prompts, or models, all names, and one hash of their hashes."""
        asked = list(sides) or [self.teacher]
        key = ("+".join(prompt_ids), time, *(side.model.name for side in asked))
        if key not in self._provenances:
            if len(self._provenances) > BATCH:
                self._provenances.clear()
            hashes = [prompts.load(prompt_id).hash for prompt_id in prompt_ids]
            digests = [side.model.digest for side in asked]
            self._provenances[key] = Provenance(
                by="model",
                model="+".join(dict.fromkeys(side.model.name for side in asked)),
                digest=digests[0] if len(digests) == 1 else content_id(*digests) if any(digests) else "",
                sampling=asked[0].sampling.canonical(),
                prompt_id=key[0],
                prompt_hash=hashes[0] if len(hashes) == 1 else content_id(*hashes),
                format=asked[0].model.format,
                time=time,
            )
        return self._provenances[key]

    def write(self, messages: tuple[Message, ...], made: Made) -> bool:
        """Whether the pair is new; a twin is dropped, and what it was made from is used all the same."""
        pair = make_pair(messages, made.source, made.shape, made.provenance, made.parents, made.entities)
        pair = pair.model_copy(update={"flags": made.flags}) if made.flags else pair
        key = bytes.fromhex(pair.id)
        self.used.update(made.uses)
        if key in self._seen:
            self.out.use(made.uses)
            said = "the same question and answer was made before"
            self.out.drop(pair.id, "duplicate", said, pair.id, messages[0].content)
            return False
        self._seen.add(key)
        self.out.write("pairs", pair, uses=made.uses)
        return True

    def read(self, reply: Reply, need_answer: bool = True) -> tuple[tuple[QA, ...], str, str]:
        """What `read_reply` says of a reply, which is counted: with a pair, or without one by reason."""
        found, rule, reason = read_reply(reply, need_answer)
        self._count(reply, rule)
        return found, rule, reason

    def read_question(self, reply: Reply, passage: Document) -> tuple[str, str, str]:
        """What `read_question` says of a reply, which is counted as well."""
        question, rule, reason = read_question(reply, passage)
        self._count(reply, rule)
        return question, rule, reason

    def _count(self, reply: Reply, rule: str) -> None:
        self.replies += 1
        if rule:
            blank = reply.finish_reason == "stop" and not reply.text.strip()
            self.without["empty" if blank else rule] += 1

    def fail(self, facts: Sequence[str], rule: str, reason: str) -> None:
        """Remember why facts that no pair uses in the end are dropped."""
        for fact in facts:
            if fact not in self.used:
                self.failed.setdefault(fact, ("drop", rule, reason))

    # ---------------------------------------------------------------- once more

    def settle_refused(self, refused: Sequence[Refused], side: Side | None = None) -> None:
        """Drop what a check refused; where the recipe says so, after sending each back once with what was found."""
        if not self.mends:
            for item in refused:
                item.lose(*item.refusal)
            return
        side = side or self.teacher
        asked = [repair_prompt(side.settings, item.language, _repair_block(item)) for item in refused]
        for item, reply in zip(refused, side.ask(asked), strict=True):
            self.sent_back += 1
            found, rule, reason = self.read(reply)
            prompt_ids = (*item.prompt_ids, f"repair.{item.language}")
            provenance = self.provenance(reply.time, *prompt_ids, sides=(side,))
            again = item.retry(found, provenance) if found else Refusal(rule, reason)
            if again is None:
                self.repaired += 1
            else:
                said = f"{item.refusal.reason}; sent back once, then {again.rule}: {again.reason}"
                item.lose(item.refusal.rule, said)

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
        if self.mends:
            self.out.figures["sent back once"] = float(self.sent_back)
            self.out.figures["repaired"] = float(self.repaired)
            self.out.figures["still refused"] = float(self.sent_back - self.repaired)
        self._write_replies()
        self.teacher.write_spent(self.out)

    def _write_replies(self) -> None:
        """Every reply as figures: with a pair, and without one by reason; their sum is all replies."""
        lost = self.without.total()
        self.out.figures["replies"] = float(self.replies)
        self.out.figures["replies with a pair"] = float(self.replies - lost)
        self.out.figures["replies without a pair"] = float(lost)
        for rule, number in sorted(self.without.items()):
            self.out.figures[f"replies without a pair: {rule}"] = float(number)


class Unwritten(Writer):
    """A `Writer` that writes nothing and keeps no account."""

    def __init__(self) -> None:
        super().__init__(Path("unwritten"), "synth")

    def expect(self, ids: Iterable[str]) -> None:
        """Nothing."""

    def use(self, ids: Iterable[str]) -> None:
        """Nothing."""

    def write(self, table: str, record: Record, uses: Iterable[str] = ()) -> None:
        """Nothing."""

    def drop(
        self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "", parents: Iterable[str] = ()
    ) -> None:
        """Nothing."""

    def leave(self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "") -> None:
        """Nothing."""


def _repair_block(item: Refused) -> dict[str, Any]:
    said = [{"question": qa.question, "answer": qa.answer} for qa in item.turns]
    finding = {"rule": item.refusal.rule, "reason": item.refusal.reason}
    return {"shape": "repair", "of": item.shape, "finding": finding, "pairs": said, "facts": item.known}


def messages_of(turns: Sequence[QA]) -> tuple[Message, ...]:
    """The messages of some turns."""
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
