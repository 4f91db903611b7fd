"""What calls cost, and the limit that holds: a number that nobody knows is None, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from huatuo.errors import RefusedError
from huatuo.llm.base import Reply, Sampling
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Message

MESSAGE_TOKENS = 16
"""Most tokens that a server adds to each message for its role and its marks (OpenAI: 3 or 4)."""


class Size(NamedTuple):
    """The most tokens that a call can use."""

    prompt_tokens: int
    """One for each byte: no byte-level vocabulary makes more."""
    completion_tokens: int
    """The length limit."""

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


def size_of(messages: Sequence[Message], sampling: Sampling) -> Size:
    """The most tokens that a call with these messages can use."""
    prompt = sum(len(message.content.encode("utf-8", "replace")) + MESSAGE_TOKENS for message in messages)
    return Size(prompt, sampling.max_tokens)


class Prices(NamedTuple):
    """Prices of a million tokens."""

    prompt: float | None
    """Of the prompt; None: unknown."""
    completion: float | None
    """Of the reply; None: unknown."""
    currency: str
    """Currency of both."""

    def cost(self, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
        """Price of so many tokens; None where a price or a count is not known."""
        if self.prompt is None or self.completion is None or prompt_tokens is None or completion_tokens is None:
            return None
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


def prices_of(settings: TeacherSettings) -> Prices:
    """The teacher's own prices."""
    return Prices(settings.price_in, settings.price_out, settings.currency)


def plus(a: int | None, b: int | None) -> int | None:
    """The sum; None where either is unknown."""
    return None if a is None or b is None else a + b


class Spent(NamedTuple):
    """What some answered calls used."""

    currency: str
    """Currency of the cost."""
    calls: int = 0
    """Answered calls."""
    prompt_tokens: int | None = 0
    """Tokens of the prompts; None where one call does not say."""
    completion_tokens: int | None = 0
    """Tokens of the replies; None where one call does not say."""
    cost: float | None = 0.0
    """Their cost; None where the cost of one call is not known, or is in another currency."""

    def add(self, reply: Reply) -> Spent:
        """With one more answered call."""
        cost = reply.cost if reply.currency == self.currency else None
        return self.plus(Spent(self.currency, 1, reply.prompt_tokens, reply.completion_tokens, cost))

    def plus(self, other: Spent) -> Spent:
        """Both together, in the same currency."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        prompt = plus(self.prompt_tokens, other.prompt_tokens)
        return Spent(
            self.currency, self.calls + other.calls, prompt, plus(self.completion_tokens, other.completion_tokens), cost
        )

    @property
    def tokens(self) -> int | None:
        """Tokens of prompts and replies."""
        return plus(self.prompt_tokens, self.completion_tokens)

    def __str__(self) -> str:
        tokens = f"{self.tokens:,} tokens" if self.tokens is not None else "an unknown number of tokens"
        return f"{money(self.cost, self.currency)} for {self.calls:,} answered calls with {tokens}"


def money(cost: float | None, currency: str) -> str:
    """An amount for people; ``unknown cost`` where nobody knows it."""
    if cost is None:
        return "unknown cost"
    return f"{cost:,.2f} {currency}" if cost >= 1 or not cost else f"{cost:.2g} {currency}"


class Purse:
    """What was spent and what may be: a call begins only where the limit holds even if it uses the most it can.

    The most that calls in flight can use is held back, and what they did not use is given back as they end.
    """

    def __init__(self, settings: TeacherSettings, before: Spent):
        self.spent = before
        self._max_cost, self._max_tokens = settings.max_cost, settings.max_tokens_total
        self._tokens, self._cost, self._held = 0, 0.0, 0

    def fits(self, size: Size, prices: Prices) -> bool:
        """Whether one more call may begin now."""
        if self._max_tokens is not None:
            used = self.spent.tokens
            if used is None or used + self._tokens + size.tokens > self._max_tokens:
                return False
        if self._max_cost is not None:
            most = prices.cost(size.prompt_tokens, size.completion_tokens)
            if most is None or self.spent.cost is None or self.spent.cost + self._cost + most > self._max_cost:
                return False
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether calls in flight may yet give something back."""
        return self._held > 0

    def hold(self, size: Size, prices: Prices) -> None:
        """Hold back the most that a call can use."""
        self._change(1, size, prices)

    def settle(self, size: Size, prices: Prices, reply: Reply | None) -> None:
        """Give back what was held, and count what an answered call used."""
        self._change(-1, size, prices)
        if reply is not None:
            self.spent = self.spent.add(reply)

    def _change(self, sign: int, size: Size, prices: Prices) -> None:
        self._held += sign
        self._tokens += sign * size.tokens
        self._cost += sign * (prices.cost(size.prompt_tokens, size.completion_tokens) or 0.0)

    def refusal(self, size: Size) -> RefusedError:
        """Why no further call is begun."""
        keys = [
            f"{name} = {value:g}{unit}"
            for name, value, unit in (
                ("teacher.max_cost", self._max_cost, f" {self.spent.currency}"),
                ("teacher.max_tokens_total", self._max_tokens, ""),
            )
            if value is not None
        ]
        unknown = (self._max_tokens is not None and self.spent.tokens is None) or (
            self._max_cost is not None and self.spent.cost is None
        )
        if unknown:
            return RefusedError(
                f"the limit {', '.join(keys)} cannot be held: spent so far: {self.spent}, because a server did not say "
                "what a call used, or its price was not known; all answers are kept; next: take the limit out of the "
                "recipe, or use a server that reports its usage"
            )
        return RefusedError(
            f"the limit {', '.join(keys)} is reached: spent so far: {self.spent}, and the next call may use up to "
            f"{size.tokens:,} more tokens; all answers are kept; next: raise the limit and run the same command again, "
            "it goes on from here"
        )
