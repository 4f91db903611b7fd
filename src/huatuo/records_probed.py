"""The records of what a model knows of each fact: beside `huatuo.records`, and like those without logic."""

from __future__ import annotations

from typing import Literal

from huatuo.records import Record

Status = Literal["known", "unknown", "contradicted", "unread"]
Outcome = Literal["taught", "kept", "not learned", "broken", "known untaught", "not taught", "withheld", "unread"]


class FactKnowledge(Record):
    """What one model said of one fact before and after training, and what training was to teach of it."""

    fact_id: str
    """The fact."""
    entity: str
    """Name of the entity it is about."""
    relation: str
    """Relation."""
    value: str
    """Value."""
    before: Status
    """known: said in more than half of the answers that were read. contradicted: denied, or a false value put in its
    place, more often than said. unknown: neither. unread: no answer could be read."""
    after: Status
    """The same after training."""
    said_before: int
    """Answers that said it, before training."""
    said_after: int
    """Answers that said it, after training."""
    denied_before: int
    """Answers that denied it or named a false value in its place, before training."""
    denied_after: int
    """The same after training."""
    read_before: int
    """Answers that could be read, before training."""
    read_after: int
    """The same after training."""
    pairs: int
    """Learned pairs that teach it, as the ledger counts them."""
    shapes: tuple[str, ...] = ()
    """Shapes of these pairs."""
    why: str = ""
    """``stage: reason`` where no pair teaches it."""
    outcome: Outcome
    """taught: known only after training, by pairs. kept: known before and after. not learned: pairs teach it, and it is
    not known. broken: known before and not after. known untaught: known only after, by no pair. not taught: by no pair,
    and not known. withheld: kept from training on purpose. unread: no answer could be read after training."""
