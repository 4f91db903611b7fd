"""What a teacher will be asked, counted from the very prompts before anything is paid for; and what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import WaitingError
from huatuo.llm import batch
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.cache import Cached, spent
from huatuo.llm.http import Endpoint
from huatuo.llm.keys import key_of
from huatuo.llm.money import Spent, money, prices_of
from huatuo.progress import say
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Finding, Message
from huatuo.store import Writer

TOKENS_PER_HAN, TOKENS_PER_ASCII = 0.7, 0.25
"""Tokens per character with today's byte-level vocabularies, until answers with a count are there."""
UNSEEN_TOKENS = 300
"""Tokens of the prompt of a call that depends on another one, where no prompt of its kind was seen."""
CALL_SECONDS, TOKENS_PER_SECOND = 2.0, 40.0
"""Assumed time of one call: until the first token, and tokens after it."""
LEAST_MEASURED = 20
"""Answered calls of a kind from which its tokens are taken as measured."""


class Asked(NamedTuple):
    """One call."""

    kind: str
    """What it is for: calls of a kind have replies of like length."""
    messages: tuple[Message, ...]
    """What is asked; empty for a call that depends on one without an answer."""
    reply: Reply | None
    """The answer, where it is on disk."""


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

    def times(self, factor: float) -> Expected:
        """The same of so many times as much, of which this is a sample."""
        calls, answered, prompt, completion = (round(factor * value) for value in self[:4])
        return Expected(calls, answered, prompt, completion, self.basis)


def expect(calls: Iterator[Asked], reply_tokens: Callable[[str], float], max_tokens: int) -> Expected:
    """The count and the estimate: tokens as measured on the answers on disk, else as ``reply_tokens`` of their kind."""
    counts: dict[str, _Kind] = defaultdict(_Kind)
    for call in calls:
        counts[call.kind].add(call)
    known = [kind for kind in counts.values() if kind.measured >= LEAST_MEASURED]
    guessed = sum(kind.measured_guess for kind in known)
    ratio = sum(kind.measured_prompt for kind in known) / guessed if guessed else 1.0
    prompt = completion = 0.0
    for name, kind in counts.items():
        each = kind.measured_reply / kind.measured if kind in known else reply_tokens(name)
        prompt += kind.guess * ratio
        completion += kind.missing * min(each, max_tokens)
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
            self.guess += guess or self._seen or UNSEEN_TOKENS
        elif call.reply.prompt_tokens and call.reply.completion_tokens is not None:
            self.measured += 1
            self.measured_guess += guess
            self.measured_prompt += call.reply.prompt_tokens
            self.measured_reply += call.reply.completion_tokens


def says(expected: Expected, teacher: TeacherSettings) -> str:
    """One sentence: calls, tokens, money or that it is unknown, hours, each with what it assumes."""
    cost = prices_of(teacher).cost(expected.prompt_tokens, expected.completion_tokens)
    price = "cost unknown: set the teacher's price_in and price_out"
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


def found_by(model: Any, cache: Cached) -> list[Finding]:
    """What was noticed while a model was asked: endpoints taken out, replies too large, other models that answered."""
    found = list(getattr(model, "findings", ()))
    for name, count in sorted(cache.served.items()):
        said = f"served model differs: {name} answered {count:,} calls to {cache.name}"
        about = {"subject": name, "place": cache.name, "message": said}
        found.append(Finding(rule="served model differs", severity="warning", **about))
    return found


def settle(model: Any, cache: Cached, out: Writer) -> None:
    """Write which endpoints were taken out and what was asked, and say what to do about failures."""
    for finding in found_by(model, cache):
        out.write("findings", finding)
    out.figures["calls answered before"], out.figures["calls asked"] = float(cache.hits), float(cache.asked)
    if isinstance(model, Endpoint):
        out.figures["tries that failed"] = float(model.failed_tries)
        say(f"{out.stage}: spent so far: {model.spent}")
    if cache.failed:
        say(
            f"{out.stage}: {cache.failed:,} calls ended in an error and what they were about is dropped; next: delete "
            f"{out.folder.with_suffix('')} and run the same command again, only these are then asked"
        )


def write_spent(used: Spent, out: Writer, prefix: str = "", paid: bool = True) -> None:
    """Write what the answers of a stage used as its figures: tokens and cost, None where nobody knows.

    ``prefix``: put before the names. ``paid``: false for a model of one's own, which has no cost.
    """
    for name, value in (("prompt_tokens", used.prompt_tokens), ("completion_tokens", used.completion_tokens)):
        out.figures[prefix + name] = None if value is None else float(value)
    if paid:
        out.figures[f"{prefix}cost ({used.currency})"] = used.cost


def prepare(
    teacher: TeacherSettings,
    calls: Callable[[], Iterator[Asked]],
    reply_tokens: Callable[[str], float],
    cache: Cached,
    sampling: Sampling,
    stage: str,
    folder: Path,
) -> None:
    """Say what a stage will ask before its first paid call; by file, read the answers in ``folder`` first.

    Raises WaitingError, after writing the requests to ``folder``, where a teacher by file has not answered everything;
    RefusedError where a limit allows no further request.
    """
    prices = prices_of(teacher)
    if teacher.kind == "batch":
        say(f"{stage}: {batch.read_answers(folder, cache, prices, key_of(teacher.key_env))}, in {folder}")
    expected = expect(calls(), reply_tokens, teacher.max_tokens)
    say(f"{stage}: {says(expected, teacher)}")
    if teacher.kind != "batch" or not expected.missing:
        return
    said = sampling.canonical()
    missing = {
        cache.key(call.messages, said): call.messages for call in calls() if call.reply is None and call.messages
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
