"""One fact followed through a run: questions, pairs, places in the order, answers, scores, as lines for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from huatuo.errors import InputError
from huatuo.ledger import finished, ledger
from huatuo.quotes import quotes
from huatuo.records import Dropped, Fact, Pair, Question, Response, Score
from huatuo.records_trained import Order
from huatuo.store import read

SHOWN = 5
"""Pairs and questions shown in full; the others are counted."""

_R = TypeVar("_R", Fact, Pair, Question, Order, Response, Score, Dropped)


def trace(run_folder: Path, fact_id: str) -> Iterator[str]:
    """Lines that follow one fact from its origin to the scores of the answers about it.

    ``fact_id`` is an id or its beginning. Stages that have not run are left out. Raises InputError where the run has
    no knowledge, or not exactly one fact whose id begins so.
    """
    folders = finished(run_folder)
    if "ingest" not in folders:
        raise InputError(f"{run_folder}: no finished stage ingest; expected a run folder; next: huatuo runs")
    facts = list(islice((f for f in read(folders["ingest"], "facts", Fact) if f.id.startswith(fact_id)), 2))
    if len(facts) != 1:
        which = "more than one fact's id begins" if facts else "no fact's id begins"
        raise InputError(f"{run_folder}: {which} with {fact_id!r}; next: huatuo show {run_folder} --facts")
    fact = facts[0]
    yield f"fact {fact.id}: {fact.entity} {fact.relation} {fact.value}"
    yield f"  from {_origin(fact)}; flags: {', '.join(fact.flags) or 'none'}"
    yield from (f"  in {line}" for line in quotes(folders["ingest"], {fact.id}).values())
    every = read(folders["ingest"], "facts", Fact)
    if fact.same_as:
        fact = next(other for other in every if other.id == fact.same_as)
        yield f"  corroborates fact {fact.id}, which is taught in its stead: from {_origin(fact)}"
    else:
        same = (other for other in every if other.same_as == fact.id)
        yield from (f"  the same from {_origin(other)}: fact {other.id}" for other in same)
    entry = ledger(folders)[fact.id]
    yield f"  taught by {entry.pairs:,} pairs" if entry.pairs else f"  not taught: {entry.why}"
    questions = _of(folders, "questions", "questions", Question, fact.id)
    yield from _about_pairs(folders, fact)
    yield from _about_questions(folders, questions)


def _origin(fact: Fact) -> str:
    return f"{fact.origin.source}, {fact.origin.file} {fact.origin.place}"


def _rows(folders: dict[str, Path], stage: str, table: str, record: type[_R]) -> Iterable[_R]:
    return read(folders[stage], table, record) if stage in folders else ()


def _of(folders: dict[str, Path], stage: str, table: str, record: type[_R], fact_id: str) -> list[_R]:
    """The records that name the fact as a parent."""
    return [one for one in _rows(folders, stage, table, record) if fact_id in getattr(one, "parents", ())]


def _about_pairs(folders: dict[str, Path], fact: Fact) -> Iterator[str]:
    made = _of(folders, "synth", "pairs", Pair, fact.id)
    kept = {pair.id: pair for pair in _of(folders, "unify", "pairs", Pair, fact.id)}
    gone = {one.record_id: one for one in _rows(folders, "unify", "dropped", Dropped)} if len(kept) < len(made) else {}
    places: dict[str, list[int]] = defaultdict(list)
    total = 0
    for position in _rows(folders, "order", "order", Order):
        total += 1
        if position.pair_id in kept:
            places[position.pair_id].append(position.position)
    yield f"pairs: {len(made):,} made, {len(kept):,} unified, {len(places):,} in the order"
    for pair in islice([*kept.values(), *(pair for pair in made if pair.id not in kept)], SHOWN):
        if pair.id in gone:
            yield f"  {pair.id[:8]} {pair.shape}: {gone[pair.id].outcome}, {gone[pair.id].rule}: {gone[pair.id].reason}"
        elif pair.id in kept:
            at = ", ".join(f"{place:,}" for place in places.get(pair.id, ())) or "none"
            yield f"  {pair.id[:8]} {pair.shape}, {pair.split}, position {at} of {total:,}"
        for message in pair.messages:
            yield f"    {message.role}: {message.content}"


def _about_questions(folders: dict[str, Path], questions: list[Question]) -> Iterator[str]:
    asked = {question.id for question in questions}
    answers: dict[str, list[Response]] = defaultdict(list)
    for response in _rows(folders, "ask", "responses", Response):
        if response.question_id in asked:
            answers[response.question_id].append(response)
    scores: dict[str, list[Score]] = defaultdict(list)
    for score in _rows(folders, "score", "scores", Score):
        if score.question_id in asked:
            scores[score.response_id].append(score)
    yield f"questions: {len(questions):,}, {sum(map(len, answers.values())):,} answers"
    for question in islice(sorted(questions, key=lambda q: (q.group, q.id)), SHOWN):
        yield f"  {question.id[:8]} {question.group or question.exam}: {question.stem}"
        for response in answers[question.id]:
            yield f"    {response.model}: {response.text or f'no text ({response.finish_reason})'}"
            values = (
                f"{s.metric} {s.unscored or 'unscored' if s.value is None else f'{s.value:.2f}'}"
                for s in scores[response.id]
            )
            yield f"      {', '.join(values) or 'not scored'}"
