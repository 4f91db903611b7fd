"""Comparing two answers, both orders always: every order is a call and a verdict of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from huatuo.eval.judging.ask import Call, Judge
from huatuo.eval.judging.replies import Read, code_of, ended_badly, read_verdict, speaks_to_judge
from huatuo.eval.judging.sources import Pair
from huatuo.llm import prompts
from huatuo.llm.base import Reply
from huatuo.records import Provenance
from huatuo.records_rated import Verdict
from huatuo.store import content_id

Side = Literal["left", "right"]
ORDERS: tuple[Side, Side] = ("left", "right")
"""Which answer is shown first."""

IDENTICAL = "identical answers"
"""Said of a pair that nobody was asked about: the answers are alike, so it is a tie."""


def prompt_id(name: str, language: str) -> str:
    """Name of the prompt file of a way to compare."""
    return f"pairwise_{name.replace('-', '_')}.{'en' if language == 'en' else 'zh'}"


def call(pair: Pair, first: Side, name: str) -> Call:
    """What the judge is asked about a pair in one order; the prompt stands in the language of the question."""
    shown = (pair.left.text, pair.right.text) if first == "left" else (pair.right.text, pair.left.text)
    code = code_of(pair.left.question, *shown)
    prompt = prompt_id(name, language_of(pair.left.question))
    block = {"question": pair.left.question, "first": shown[0], "second": shown[1]}
    return Call(prompt, code, prompts.load(prompt).render(block, code=code))


def language_of(text: str) -> str:
    """``zh`` where a text holds a Chinese character, else ``en``."""
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"


def are_alike(pair: Pair) -> bool:
    """Whether the two answers are the same but for blanks."""
    return pair.left.text.split() == pair.right.text.split()


def compare(pairs: Sequence[Pair], judge: Judge) -> list[Verdict]:
    """Both verdicts of every pair, in their order. Raises what asking raises."""
    name = judge.settings.prompt
    games = [(pair, first) for pair in pairs for first in ORDERS]
    calls = calls_of(pairs, name)
    replies = iter(judge.ask(calls, "pairs"))
    asked = iter(calls)
    found = []
    for pair, first in games:
        if are_alike(pair):
            found.append(verdict(pair, first, judge.name, Read("tie", ""), IDENTICAL, Provenance(by="import"), "rule"))
            continue
        one, reply = next(asked), next(replies)
        said = judge.provenance(one.prompt_id, reply.time)
        found.append(verdict(pair, first, judge.name, read_reply(reply, one.code), reply.text, said, "model"))
    return found


def calls_of(pairs: Sequence[Pair], name: str) -> list[Call]:
    """Everything that is asked about the pairs, in order; nothing about two answers that are alike."""
    return [call(pair, first, name) for pair in pairs if not are_alike(pair) for first in ORDERS]


def read_reply(reply: Reply, code: str) -> Read:
    """The verdict in a reply."""
    bad = ended_badly(reply)
    return Read(None, bad) if bad else read_verdict(reply.text, code)


def verdict(
    pair: Pair,
    first: Side,
    annotator: str,
    read: Read,
    said: str,
    provenance: Provenance,
    by: Literal["human", "model", "rule"],
    key: str = "",
) -> Verdict:
    """The record of what was said of a pair in one order. ``read``: ``1``, ``2`` or ``tie`` in the order shown."""
    left, right = pair
    second: Side = "right" if first == "left" else "left"
    winner = {"1": first, "2": second, "tie": "tie", None: None}[read.value]
    addressed = tuple(side for side, one in zip(ORDERS, pair, strict=True) if speaks_to_judge(one.text))
    return Verdict(
        id=key or content_id("verdict", left.response_id, right.response_id, first, annotator, provenance.prompt_hash),
        question_id=left.question_id,
        left=left.model,
        right=right.model,
        left_response=left.response_id,
        right_response=right.response_id,
        first=first,
        winner=winner,
        unparsed=read.unparsed,
        by=by,
        annotator=annotator,
        left_chars=len(left.text),
        right_chars=len(right.text),
        addressed=addressed,
        said=said,
        provenance=provenance,
    )
