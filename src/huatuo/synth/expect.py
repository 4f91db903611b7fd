"""What a teacher will be asked, counted from the very prompts before anything is paid for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import WaitingError
from huatuo.llm import batch
from huatuo.llm.base import Reply
from huatuo.llm.cache import Cached, spent
from huatuo.llm.http import Endpoint
from huatuo.llm.money import money, prices_of
from huatuo.progress import say
from huatuo.recipe import SynthSettings
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Message
from huatuo.store import Writer
from huatuo.synth import dialogue, from_text, self_instruct
from huatuo.synth.calls import (
    conversation,
    graph_calls,
    graph_prompt,
    growth_prompt,
    has_longer,
    passage_prompt,
    sampling_of,
)
from huatuo.synth.graph import Graph, read_graph
from huatuo.synth.make import open_passages, read_question, shared_titles

CHUNK = 1024
"""Prompts looked up together."""
TOKENS_PER_HAN, TOKENS_PER_ASCII = 0.7, 0.25
"""Tokens per character with today's byte-level vocabularies, until answers with a count are there."""
PAIR_TOKENS = 90
"""Tokens of one question and answer with the JSON around them: HuaTuo's 8,658 released pairs have 99 characters."""
QUESTION_TOKENS, ANSWER_TOKENS = 60, 300
"""Tokens of the reply to the first and the second call about a passage of at most 400 characters."""
CALL_SECONDS, TOKENS_PER_SECOND = 2.0, 40.0
"""Assumed time of one call: until the first token, and tokens after it."""
LEAST_MEASURED = 20
"""Answered calls of a kind from which its tokens are taken as measured."""


class Asked(NamedTuple):
    """One call."""

    kind: str
    """A shape of the graph, passage_question, passage_answer, passage_dialogue, self_instruct."""
    messages: tuple[Message, ...]
    """What is asked; empty for the second call about a passage whose first is not answered."""
    reply: Reply | None
    """The answer, where it is on disk."""


def asked(settings: SynthSettings, knowledge: Path, passages: Path, cache: Cached, seed: int) -> Iterator[Asked]:
    """Every call that the stage will make, in its order, as far as the answers on disk allow to know it."""
    graph, sampling = read_graph(knowledge, None, has_longer(settings)), sampling_of(settings, seed)
    calls = graph_calls(settings, graph, seed)
    while chunk := list(islice(calls, CHUNK)):
        talks = [conversation(graph_prompt(settings, call)) for call in chunk]
        for call, messages, reply in zip(chunk, talks, cache.known(talks, sampling), strict=True):
            yield Asked(call.shape, messages, reply)
    yield from _of_passages(settings, graph, passages, cache, seed)
    grown = settings.self_instruct
    seeds = (
        [s for s in self_instruct.read_seeds(grown.seeds) if not graph.withheld.find(s.question)] if grown.seeds else []
    )
    growths = self_instruct.calls(grown, seeds, settings.pairs_per_call, seed)
    while some := list(islice(growths, CHUNK)):
        talks = [conversation(growth_prompt(settings, growth)) for growth in some]
        for messages, reply in zip(talks, cache.known(talks, sampling), strict=True):
            yield Asked("self_instruct", messages, reply)


def _of_passages(settings: SynthSettings, graph: Graph, passages: Path, cache: Cached, seed: int) -> Iterator[Asked]:
    sampling = sampling_of(settings, seed)
    shared, waiting = shared_titles(passages), open_passages(passages, graph, None)
    while documents := list(islice(waiting, CHUNK)):
        languages = [from_text.answer_language(passage, settings.passage_language) for passage in documents]
        if "passage" in settings.passage_shapes:
            blocks = [from_text.block(p, lang, p.title in shared) for p, lang in zip(documents, languages, strict=True)]
            first = [conversation(passage_prompt(settings, *pair)) for pair in zip(languages, blocks, strict=True)]
            replies = cache.known(first, sampling)
            second: list[tuple[Message, ...]] = []
            for passage, lang, block, messages, reply in zip(documents, languages, blocks, first, replies, strict=True):
                yield Asked("passage_question", messages, reply)
                if reply is None:
                    yield Asked("passage_answer", (), None)
                elif question := read_question(reply, passage)[0]:
                    asked = passage_prompt(settings, lang, from_text.with_question(block, question))
                    second.append(conversation(asked))
            for messages, reply in zip(second, cache.known(second, sampling), strict=True):
                yield Asked("passage_answer", messages, reply)
        if "passage_dialogue" in settings.passage_shapes:
            blocks = [dialogue.block(p, lang, p.title in shared) for p, lang in zip(documents, languages, strict=True)]
            talks = [conversation(passage_prompt(settings, *pair)) for pair in zip(languages, blocks, strict=True)]
            for messages, reply in zip(talks, cache.known(talks, sampling), strict=True):
                yield Asked("passage_dialogue", messages, reply)


class Expected(NamedTuple):
    """What is left to ask."""

    calls: int
    """All calls."""
    answered: int
    """Calls whose answer is on disk."""
    prompt_tokens: int
    """Tokens of the prompts still to be sent, estimated."""
    completion_tokens: int
    """Tokens of the replies still to come, estimated."""
    basis: str
    """What the estimate stands on."""

    @property
    def missing(self) -> int:
        """Calls still to be made."""
        return self.calls - self.answered


def expect(settings: SynthSettings, calls: Iterator[Asked]) -> Expected:
    """The count and the estimate: tokens as measured on the answers on disk, else as assumed."""
    counts: dict[str, _Kind] = defaultdict(_Kind)
    for call in calls:
        counts[call.kind].add(call)
    known = [kind for kind in counts.values() if kind.measured >= LEAST_MEASURED]
    guessed = sum(kind.measured_guess for kind in known)
    ratio = sum(kind.measured_prompt for kind in known) / guessed if guessed else 1.0
    prompt = completion = 0.0
    for name, kind in counts.items():
        each = kind.measured_reply / kind.measured if kind in known else _reply_tokens(name, settings)
        prompt += kind.guess * ratio
        completion += kind.missing * min(each, settings.teacher.max_tokens)
    measured = sum(kind.measured for kind in known)
    basis = f"measured on {measured:,} answers" if measured else "assumed from the prompts' characters"
    total, answered = sum(k.calls for k in counts.values()), sum(k.calls - k.missing for k in counts.values())
    return Expected(total, answered, round(prompt), round(completion), basis)


class _Kind:
    """Counts of one kind of call."""

    def __init__(self) -> None:
        self.calls = self.missing = self.measured = self.measured_prompt = self.measured_reply = 0
        self.guess = self.measured_guess = 0.0
        self._seen = 0.0

    def add(self, call: Asked) -> None:
        text = "".join(message.content for message in call.messages)
        ascii_chars = sum(character.isascii() for character in text)
        guess = (len(text) - ascii_chars) * TOKENS_PER_HAN + ascii_chars * TOKENS_PER_ASCII
        self.calls += 1
        if text:
            self._seen = guess
        if call.reply is None:
            self.missing += 1
            self.guess += guess or self._seen or ANSWER_TOKENS
        elif call.reply.prompt_tokens and call.reply.completion_tokens is not None:
            self.measured += 1
            self.measured_guess += guess
            self.measured_prompt += call.reply.prompt_tokens
            self.measured_reply += call.reply.completion_tokens


def _reply_tokens(kind: str, settings: SynthSettings) -> float:
    each = {"passage_question": QUESTION_TOKENS, "passage_answer": ANSWER_TOKENS}
    each |= {"passage_dialogue": ANSWER_TOKENS + QUESTION_TOKENS, "multi_turn": 4 * PAIR_TOKENS}
    return each.get(kind, PAIR_TOKENS * settings.pairs_per_call)


def says(expected: Expected, teacher: TeacherSettings) -> str:
    """One sentence: calls, tokens, money or that it is unknown, hours, each with what it assumes."""
    cost = prices_of(teacher).cost(expected.prompt_tokens, expected.completion_tokens)
    price = "cost unknown: set synth.teacher.price_in and price_out"
    if cost is not None:
        price = f"about {money(cost, teacher.currency)}"
        if teacher.max_cost is not None and cost > teacher.max_cost:
            price += f", more than max_cost = {teacher.max_cost:g}: it will stop there"
    counted = f"{expected.answered:,} of {expected.calls:,} calls are answered already"
    if not expected.missing:
        return f"{counted}; no further call"
    tokens = (
        f"about {expected.prompt_tokens:,} prompt and {expected.completion_tokens:,} reply tokens ({expected.basis})"
    )
    return f"{counted}; {expected.missing:,} to ask of {teacher.model}: {tokens}; {price}; {_time(expected, teacher)}"


def _time(expected: Expected, teacher: TeacherSettings) -> str:
    if teacher.kind == "batch":
        return "by file, in the server's own time"
    places = len(teacher.endpoints) + bool(teacher.url or not teacher.endpoints)
    seconds = CALL_SECONDS + expected.completion_tokens / expected.missing / TOKENS_PER_SECOND
    at_once = teacher.concurrency * places
    spans = [expected.missing * seconds / at_once]
    if teacher.requests_per_minute:
        spans.append(60 * expected.missing / teacher.requests_per_minute / places)
    if teacher.tokens_per_minute:
        spans.append(60 * (expected.prompt_tokens + expected.completion_tokens) / teacher.tokens_per_minute / places)
    slow = " and the limits a minute" if len(spans) > 1 else ""
    return f"about {max(spans) / 3600:,.2f} h at {at_once} calls at once{slow} (assuming {seconds:.0f} s a call)"


def settle(model: Any, cache: Cached, out: Writer) -> None:
    """Write which endpoints were taken out and what was asked, and say what to do about failures."""
    for finding in getattr(model, "findings", ()):
        out.write("findings", finding)
    out.figures["calls answered before"], out.figures["calls asked"] = float(cache.hits), float(cache.asked)
    if isinstance(model, Endpoint):
        out.figures["tries that failed"] = float(model.failed_tries)
        say(f"synth: spent so far: {model.spent}")
    if cache.failed:
        say(
            f"synth: {cache.failed:,} calls ended in an error and what they were about is dropped; next: delete "
            f"{out.folder.with_suffix('')} and run the same command again, only these are then asked"
        )


def prepare(settings: SynthSettings, knowledge: Path, passages: Path, cache: Cached, seed: int, folder: Path) -> None:
    """Say what will be asked before the first paid call; by file, read the answers in ``folder`` first.

    Raises WaitingError, after writing the requests to ``folder``, where a teacher by file has not answered everything;
    RefusedError where a limit allows no further request.
    """
    teacher, prices = settings.teacher, prices_of(settings.teacher)
    if teacher.kind == "batch":
        say(f"synth: {batch.read_answers(folder, cache, prices)}, in {folder}")
    expected = expect(settings, asked(settings, knowledge, passages, cache, seed))
    say(f"synth: {says(expected, teacher)}")
    if teacher.kind != "batch" or not expected.missing:
        return
    sampling = sampling_of(settings, seed)
    said = sampling.canonical()
    missing = {
        cache.key(call.messages, said): call.messages
        for call in asked(settings, knowledge, passages, cache, seed)
        if call.reply is None and call.messages
    }
    made, left = batch.write_requests(folder, missing.items(), sampling, teacher, spent(cache.path, prices))
    names = ", ".join(f"{file.path} ({file.requests:,} requests, {file.bytes / 1e6:,.1f} MB)" for file in made)
    later = f"; {left:,} further requests wait for a higher limit" if left else ""
    second = "" if len(missing) == expected.missing else " (the second calls about passages follow in a second file)"
    raise WaitingError(
        f"{names}: to be answered by {teacher.model}{second}{later}; next: have each file answered as an OpenAI batch "
        f"(endpoint /v1/chat/completions), put the output file, and the error file if there is one, into {folder}, "
        "and run the same command again"
    )
