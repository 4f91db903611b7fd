"""Pairs from the passages, each with its document source's name: a question and its answer, a dialogue, a
consultation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from huatuo.progress import bar
from huatuo.records import TEXT, WITHHELD, Document, Provenance
from huatuo.store import Writer, content_id, read, read_batches
from huatuo.synth import dialogue, from_text
from huatuo.synth.calls import passage_prompt
from huatuo.synth.graph import Graph
from huatuo.synth.ground import Refusal
from huatuo.synth.make_consultations import Consultations
from huatuo.synth.parse import QA
from huatuo.synth.work import BATCH, REPAIRED, Made, Refused, Work, messages_of

Lost = list[tuple[Document, str, str, str]]
"""Passages without a pair, with shape, rule and reason."""


def passage_steps(work: Work, folder: Path, talks: Consultations) -> Iterator[None]:
    """One batch of passages after another."""
    shared = shared_titles(folder)
    waiting = open_passages(folder, work.graph, work.out)
    with bar("synth passages", None, "passages") as progress:
        while batch := list(islice(waiting, BATCH)):
            _Batch(work, batch, shared).make(talks)
            progress.advance(len(batch))
            yield


class _Batch:
    """Some passages, with the languages of their answers."""

    def __init__(self, work: Work, passages: list[Document], shared: frozenset[str]):
        self._work, self._passages, self._shared = work, passages, shared
        wanted = work.settings.passage_language
        self._languages = [from_text.answer_language(passage, wanted) for passage in passages]
        self._lost: Lost = []

    def make(self, talks: Consultations) -> None:
        """Ask for every shape, and drop what nothing came of."""
        work, shapes = self._work, self._work.settings.passage_shapes
        if TEXT in shapes:
            self._as_they_are()
        if "passage" in shapes:
            self._question_and_answer()
        if "passage_dialogue" in shapes:
            self._talked_over()
        if "passages" in work.settings.consultation.cases:
            self._lost += talks.of_passages(self._passages, self._languages, self._shared)
        for passage, shape, rule, reason in self._lost:
            if passage.id not in work.used:
                work.out.drop(passage.id, rule, reason, excerpt=passage.text)
            else:  # another shape uses it
                made_of = (passage.id,)
                work.out.drop(content_id(shape, passage.id), rule, reason, excerpt=passage.text, parents=made_of)

    def _blocks(self, block: Any) -> list[dict[str, Any]]:
        both = zip(self._passages, self._languages, strict=True)
        return [block(passage, language, passage.title in self._shared) for passage, language in both]

    def _as_they_are(self) -> None:
        """The passages themselves, each below its headings, after an empty question."""
        for passage in self._passages:
            headings = "\n".join(part for part in passage.title.split(" > ") if part.strip() not in passage.text)
            written = QA("", f"{headings}\n{passage.text}".strip())
            self._write([written], passage, TEXT, Provenance(by="import"), ())

    def _question_and_answer(self) -> None:
        work, blocks = self._work, self._blocks(from_text.block)
        first = [passage_prompt(work.settings, lang, b) for b, lang in zip(blocks, self._languages, strict=True)]
        open_calls: list[tuple[Document, str, dict[str, Any]]] = []
        replies = work.teacher.ask(first)
        for passage, language, block, reply in zip(self._passages, self._languages, blocks, replies, strict=True):
            question, rule, reason = work.read_question(reply, passage)
            if question:
                open_calls.append((passage, language, from_text.with_question(block, question)))
            else:
                self._lost.append((passage, "passage", rule, reason))
        second = [passage_prompt(work.settings, language, block) for _, language, block in open_calls]
        refused: list[Refused] = []
        for (passage, language, block), reply in zip(open_calls, work.teacher.ask(second), strict=True):
            found, rule, reason = work.read(reply)
            prompt_ids = (f"passage_question.{language}", f"passage_answer.{language}")
            retry = partial(self._answer, passage, language, str(block["question"]))
            if not found:
                self._lost.append((passage, "passage", rule, reason))
                continue
            refusal = retry(found, work.provenance(reply.time, *prompt_ids))
            if refusal:
                again = partial(retry, flags=(REPAIRED,))
                turns = (QA(str(block["question"]), found[0].answer),)
                lose = partial(self._lose, passage, "passage")
                refused.append(Refused("passage", language, block, turns, refusal, prompt_ids, again, lose))
        work.settle_refused(refused)

    def _answer(
        self,
        passage: Document,
        language: str,
        question: str,
        found: tuple[QA, ...],
        provenance: Provenance,
        flags: tuple[str, ...] = (),
    ) -> Refusal | None:
        """Write the first answer of a reply under its question, or say why not."""
        turns = [QA(question, found[0].answer)]
        refusal = self._check(turns, passage, language)
        if refusal is None:
            self._write(turns, passage, "passage", provenance, flags)
        return refusal

    def _talked_over(self) -> None:
        work, blocks = self._work, self._blocks(dialogue.block)
        asked = [passage_prompt(work.settings, lang, b) for b, lang in zip(blocks, self._languages, strict=True)]
        replies, refused = work.teacher.ask(asked), list[Refused]()
        for passage, language, block, reply in zip(self._passages, self._languages, blocks, replies, strict=True):
            found, rule, reason = work.read(reply)
            if not found:
                self._lost.append((passage, "passage_dialogue", rule, reason))
                continue
            prompt_ids = (f"passage_dialogue.{language}",)
            retry = partial(self._dialogue, passage, language)
            refusal = retry(found, work.provenance(reply.time, *prompt_ids))
            if refusal:
                again = partial(retry, flags=(REPAIRED,))
                lose = partial(self._lose, passage, "passage_dialogue")
                refused.append(Refused("passage_dialogue", language, block, found, refusal, prompt_ids, again, lose))
        work.settle_refused(refused)

    def _dialogue(
        self,
        passage: Document,
        language: str,
        turns: tuple[QA, ...],
        provenance: Provenance,
        flags: tuple[str, ...] = (),
    ) -> Refusal | None:
        """Write a dialogue, or say why not."""
        refusal = dialogue.objection(turns) or self._check(turns, passage, language)
        if refusal is None:
            self._write(turns, passage, "passage_dialogue", provenance, flags)
        return refusal

    def _check(self, turns: Sequence[QA], passage: Document, language: str) -> Refusal | None:
        """The first objection to one of the turns made from a passage."""
        for qa in turns:
            words = from_text.leak(qa.answer, passage.text)
            if words:
                return Refusal("leak", f"the answer speaks of its source: {words}")
            # a translation cannot be compared word by word; its numbers still can
            if self._work.settings.ground and language in (passage.language, "zh"):
                refusal = self._work.graph.ground.passage(qa.question, qa.answer, passage.title, passage.text)
                if refusal:
                    return refusal
        return None

    def _write(
        self, turns: Sequence[QA], passage: Document, shape: str, provenance: Provenance, flags: tuple[str, ...]
    ) -> None:
        parents = parents_of(passage)
        made = Made(passage.origin.source, shape, provenance, parents, (passage.id,), flags=flags)
        self._work.write(messages_of(turns), made)

    def _lose(self, passage: Document, shape: str, rule: str, reason: str) -> None:
        self._lost.append((passage, shape, rule, reason))


def parents_of(passage: Document) -> tuple[str, ...]:
    """The passage and the document that it was cut from."""
    return (passage.id, passage.parent) if passage.parent else (passage.id,)


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
