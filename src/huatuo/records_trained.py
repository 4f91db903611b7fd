"""The records of a training run: beside `huatuo.records`, and like those without logic."""

from __future__ import annotations

from typing import Literal

from huatuo.records import Message, Record


class Order(Record):
    """One position of the training order."""

    position: int
    """Place in the order, from 0."""
    pair_id: str
    """The pair that is learned there."""
    copy_index: int
    """Which of the pair's copies (epochs), from 0."""
    source: str
    """The pair's source."""
    weight: float
    """Priority weight of that source."""


class Composition(Record):
    """How much of one source its weight lets expect up to a position of the order."""

    position: int
    """Places before it."""
    source: str
    """The source."""
    expected: float
    """Places of the source among them, by the closed form."""


class SourceCount(Record):
    """Samples of one source."""

    source: str
    """The source."""
    samples: int
    """How many."""


class StepLog(Record):
    """One optimiser step."""

    step: int
    """Step, from 1."""
    tokens: int
    """Real (non-pad) tokens in the step."""
    learned_tokens: int
    """Tokens that the loss counts."""
    loss: float
    """Mean loss per learned token."""
    learning_rate: float
    """Learning rate of the main group."""
    gradient_norm: float
    """Norm before clipping."""
    seconds: float
    """CPU-seconds since training began, earlier attempts counted in. Not part of any digest."""
    sources: tuple[SourceCount, ...] = ()
    """Samples per source in the step."""
    validation_loss: float | None = None
    """Mean loss per learned token of the validation samples after the step, where it was measured."""


class HeldOutLoss(Record):
    """The loss of one pair that was kept from training."""

    pair_id: str
    """The pair."""
    learned_tokens: int
    """Its tokens that the loss counts."""
    before: float
    """Their losses before the first step, summed."""
    after: float
    """The same with the weights kept."""


class HeldOutAnswer(Record):
    """What a model said to the last question of a pair that was kept from training."""

    pair_id: str
    """The pair."""
    source: str
    """Its source."""
    messages: tuple[Message, ...]
    """What was asked: the pair without its last answer."""
    reference: str
    """That answer."""
    model: str
    """Name of the model in the recipe."""
    text: str
    """What it answered, as it is."""
    finish_reason: Literal["stop", "length", "refused", "error"]
    """Why it ended."""
    digest: str
    """Digest of its weights."""
