"""A few pairs before all: some calls of every shape, asked in earnest, kept in the cache, written nowhere else.

The stage's own code makes and checks the pairs; the model before it answers only the calls that were drawn. The full
run asks them with the same words, so it finds their answers in the cache.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from huatuo.errors import RecipeError
from huatuo.llm.base import Model, Reply, Sampling, TextOnly
from huatuo.llm.money import Prices, money, plus, prices_of
from huatuo.llm.template import read_block
from huatuo.recipe import SynthSettings
from huatuo.records import Message, Pair, Record
from huatuo.store import content_id
from huatuo.synth.judge import Judge, scores_of, source_texts
from huatuo.synth.lint import lint
from huatuo.synth.make import make_pairs
from huatuo.synth.work import Unwritten

NOT_ASKED = "not asked in a preview"
"""Error of the calls that were not drawn."""

FOLLOW_UPS = 2
"""Most calls that may follow from one that was drawn (the answer after a passage's question), repairs and consultations
apart."""

SHOWN_FACTS = 12
"""Facts and lines of a passage that are printed of one pair's source."""

_SPEAKERS = {"system": "S", "user": "Q", "assistant": "A"}
_PASSAGE = ("passage_question", "passage_answer", "passage")
_CONSULTATION = ("patient", "doctor", "consultation")


class Used(NamedTuple):
    """What the drawn calls of one shape used."""

    calls: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cost: float | None = 0.0

    def add(self, reply: Reply, prices: Prices) -> Used:
        """With one more reply; one whose price was not known when it came counts at ``prices``."""
        paid = prices.cost(reply.prompt_tokens, reply.completion_tokens) if reply.cost is None else reply.cost
        if reply.currency and reply.currency != prices.currency:
            paid = None
        cost = None if self.cost is None or paid is None else self.cost + paid
        prompt, completion = (
            plus(self.prompt_tokens, reply.prompt_tokens),
            plus(self.completion_tokens, reply.completion_tokens),
        )
        return Used(self.calls + 1, prompt, completion, cost)


class _Counted(TextOnly):
    """A `Model` that is asked nothing: it counts the calls of each shape and draws some by hash."""

    def __init__(self, model: Model, most: int):
        self.name, self.digest, self.format = model.name, model.digest, model.format
        self.calls: Counter[str] = Counter()
        self.seen: set[bytes] = set()
        self._most = most
        self._drawn: dict[str, list[tuple[int, bytes]]] = defaultdict(list)

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        for index, messages in enumerate(conversations):
            key = _key(messages)
            if key not in self.seen:
                self.seen.add(key)
                shape = _shape(messages)
                self.calls[shape] += 1
                # a heap of the smallest hashes, the largest of them first
                heap, ranked = self._drawn[shape], (-int.from_bytes(key), key)
                (heapq.heappush if len(heap) < self._most else heapq.heappushpop)(heap, ranked)
            yield index, Reply(text="", finish_reason="error", error=NOT_ASKED)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        yield ""

    def no_ids(self) -> str:
        return f"{self.name} is not asked in a preview; next: run the stage"

    def drawn(self) -> frozenset[bytes]:
        """As many calls as pairs are wanted, the shapes in turn."""
        ranked = {shape: [key for _, key in sorted(heap, reverse=True)] for shape, heap in self._drawn.items()}
        turns = (keys[turn] for turn in range(self._most) for keys in ranked.values() if turn < len(keys))
        return frozenset(key for key, _ in zip(turns, range(self._most), strict=False))


class _Drawn(_Counted):
    """A `Model` that asks another one only about the drawn calls and what follows from their answers."""

    def __init__(self, model: Model, counted: _Counted, most: int, prices: Prices, follow_ups: int):
        super().__init__(model, most)
        self._model, self._chosen, self._known, self._prices = model, counted.drawn(), counted.seen, prices
        self._left = follow_ups * most
        self.used: dict[str, Used] = defaultdict(Used)
        self.first: Counter[str] = Counter()
        """Drawn calls by shape, without what follows from them."""

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        wanted = [index for index, messages in enumerate(conversations) if self._is_wanted(_key(messages))]
        for number, reply in self._model.chat([conversations[index] for index in wanted], sampling) if wanted else ():
            shape = _shape(conversations[wanted[number]])
            self.used[shape] = self.used[shape].add(reply, self._prices)
            self.first[shape] += _key(conversations[wanted[number]]) in self._chosen
            yield wanted[number], reply
        open_ones = set(range(len(conversations))) - set(wanted)
        yield from ((index, Reply(text="", finish_reason="error", error=NOT_ASKED)) for index in sorted(open_ones))

    def _is_wanted(self, key: bytes) -> bool:
        if key in self._known:
            return key in self._chosen
        self._left -= 1
        return self._left >= 0


def _key(messages: Sequence[Message]) -> bytes:
    return bytes.fromhex(content_id(*(message.content for message in messages)))


def _shape(messages: Sequence[Message]) -> str:
    """The shape that a prompt's block names; both calls about a passage count as one, and so do the lines of a
    consultation, and what is sent back with what it mends."""
    block = read_block(messages[-1].content)
    shape = str(block.get("of") or block.get("shape") or "other")
    return "passage" if shape in _PASSAGE else "consultation" if shape in _CONSULTATION else shape


class _Kept(Unwritten):
    """Keeps pairs and refusals in memory; the account is the full run's."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[Pair] = []
        self.refused: list[tuple[str, str, str]] = []

    def write(self, table: str, record: Record, uses: Iterable[str] = ()) -> None:
        """Keep a pair."""
        if isinstance(record, Pair):
            self.pairs.append(record)

    def drop(
        self, record_id: str, rule: str, reason: str, witness: str = "", excerpt: str = "", parents: Iterable[str] = ()
    ) -> None:
        """Keep the refusal of a call that was drawn."""
        if not reason.endswith(NOT_ASKED):
            self.refused.append((rule, reason, excerpt))


class Preview(NamedTuple):
    """What the drawn calls gave."""

    pairs: list[Pair]
    """The pairs, one of each call first."""
    refused: list[tuple[str, str, str]]
    """Rule, reason and beginning of what was refused."""
    used: Mapping[str, Used]
    """What the calls and those that follow from them used, by shape."""
    drawn: Mapping[str, int]
    """Calls drawn, by shape."""
    calls: Mapping[str, int]
    """Calls of the full run by shape, as far as they are known before the first is answered."""


def _follow_ups(settings: SynthSettings) -> int:
    repairs = settings.pairs_per_call + settings.consultation.turns if settings.repair == "once" else 0
    return FOLLOW_UPS + repairs + (2 * settings.consultation.turns if settings.consultation.cases else 0)


def look(
    settings: SynthSettings,
    knowledge: Path,
    passages: Path,
    model: Model,
    seed: int,
    count: int,
    doctor: Model | None = None,
) -> Preview:
    """A preview of ``count`` calls spread over the shapes, drawn by hash; ``model`` is the run's cache, ``doctor`` that
    of the physician where it is another model.

    Raises RecipeError for a teacher by file, and what the model raises when going on is useless.
    """
    if settings.teacher.kind == "batch":
        raise RecipeError(
            "synth.teacher.kind = batch is answered by file and cannot be looked at before; next: preview with "
            "-s synth.teacher.kind=endpoint, or write the requests with huatuo synth"
        )
    counted = _Counted(model, count)
    make_pairs(settings, knowledge, passages, counted, seed, _Kept())
    kept, most = _Kept(), _follow_ups(settings)
    drawn = _Drawn(model, counted, count, prices_of(settings.teacher), most)
    other, asked_doctor = None, settings.consultation.doctor
    if doctor is not None and asked_doctor is not None:  # a physician's line always follows from a patient's
        other = _Drawn(doctor, counted, count, prices_of(asked_doctor), most)
        other.used = drawn.used
    make_pairs(settings, knowledge, passages, drawn, seed, kept, other)
    return Preview(
        _one_of_each_first(kept.pairs), kept.refused, dict(drawn.used), dict(drawn.first), dict(counted.calls)
    )


def _one_of_each_first(pairs: list[Pair]) -> list[Pair]:
    """The pairs, the first of each source before the second of any."""
    met: Counter[tuple[str, ...]] = Counter()
    ranked = []
    for place, pair in enumerate(pairs):
        ranked.append((met[pair.shape, *pair.parents], place, pair))
        met[pair.shape, *pair.parents] += 1
    return [pair for _, _, pair in sorted(ranked, key=lambda item: item[:2])]


# ---------------------------------------------------------------- for people


def lines(
    settings: SynthSettings, preview: Preview, count: int, folders: tuple[Path, Path], judge: Judge | None = None
) -> Iterator[str]:
    """What is printed: ``count`` pairs with their sources, what was refused and why, tokens and price."""
    texts = source_texts(*folders)
    shown = preview.pairs[:count]
    judgements = judge.score(shown) if judge else [None] * len(shown)
    for number, (pair, judgement) in enumerate(zip(shown, judgements, strict=True), 1):
        yield f"{number}. {pair.shape}, source {pair.source}, by {pair.provenance.model} ({pair.provenance.prompt_id})"
        for message in pair.messages:
            yield f"   {_SPEAKERS[message.role]}: {message.content}"
        known = [line for parent in pair.parents if parent in texts for line in texts[parent].splitlines()]
        yield from (f"   from: {line}" for line in known[:SHOWN_FACTS])
        if len(known) > SHOWN_FACTS:
            yield f"   from: … and {len(known) - SHOWN_FACTS:,} more lines"
        yield from (f"   lint: {rule}: {says}" for rule, says in lint(pair.messages).items())
        if judge is not None and judgement is not None:
            said = ", ".join(f"{aspect} {value}" for aspect, value in scores_of(judgement).items())
            dropped = "; dropped" if judge.refuses(judgement) else ""
            yield f"   judge: {said or f'unscored: {judgement.unscored}'}{dropped}"
        yield ""
    if not shown:
        yield "no pair was made"
    yield f"{len(preview.pairs):,} pairs of {_calls(preview):,} calls, {len(preview.refused):,} refused"
    yield from (f"  {rule}: {reason} | {' '.join(excerpt.split())[:60]}" for rule, reason, excerpt in preview.refused)
    yield from _says_price(settings, preview)
    if judge is not None:
        yield f"judge: {judge.spent}"


def _calls(preview: Preview) -> int:
    return sum(used.calls for used in preview.used.values())


def _says_price(settings: SynthSettings, preview: Preview) -> Iterator[str]:
    if settings.teacher.kind in ("offline", "local") and settings.consultation.doctor is None:
        yield f"tokens and price: none, the {settings.teacher.kind} teacher is no paid model"
        return
    total = Used()
    for used in preview.used.values():
        cost = None if total.cost is None or used.cost is None else total.cost + used.cost
        prompt = plus(total.prompt_tokens, used.prompt_tokens)
        completion = plus(total.completion_tokens, used.completion_tokens)
        total = Used(total.calls + used.calls, prompt, completion, cost)
    currency = settings.teacher.currency
    counts = (f"{'unknown' if n is None else f'{n:,}'}" for n in (total.prompt_tokens, total.completion_tokens))
    yield "tokens: {} of prompts, {} of replies; ".format(*counts) + f"these calls: {money(total.cost, currency)}"
    price = per_thousand(preview)
    if price is not None:
        yield f"a thousand pairs: about {money(price, currency)}"
    elif preview.pairs:
        yield "a thousand pairs: unknown cost (no synth.teacher.price_in and price_out, or no usage from the server)"
    else:
        yield "a thousand pairs: unknown cost (no pair was made)"


def per_thousand(preview: Preview) -> float | None:
    """Price of a thousand kept pairs in the full run's mix of shapes; None where a cost is unknown or no pair was kept.

    Each shape that was asked counts by its calls in the full run.
    """
    made = Counter(pair.shape for pair in preview.pairs)
    weights = {shape: preview.calls[shape] / count for shape, count in preview.drawn.items()}
    if not set(made) <= set(weights) or set(preview.used) != set(weights):
        weights = dict.fromkeys({*made, *preview.used}, 1.0)  # shapes of pairs and calls differ: as they were asked
    pairs, cost = sum(count * weights[shape] for shape, count in made.items()), 0.0
    for shape, used in preview.used.items():
        if used.cost is None:
            return None
        cost += used.cost * weights[shape]
    return 1000 * cost / pairs if pairs else None
