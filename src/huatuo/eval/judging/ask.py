"""Asking a judge: calls with their codes, an estimate before the first paid one, every reply from the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from huatuo.errors import ModelError
from huatuo.llm import prompts
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.estimate import Asked, expect, says
from huatuo.progress import bar
from huatuo.recipe import JudgingSettings
from huatuo.records import Message, Provenance

LLM = "llm:"
"""Beginning of the name of an annotator that is a model."""


class Call(NamedTuple):
    """One thing that a judge is asked."""

    prompt_id: str
    """Its prompt file."""
    code: str
    """What a verdict must carry."""
    text: str
    """The prompt."""


class Judge:
    """A model that judges, with the settings under which it does. Its replies are kept, so nothing is paid twice."""

    def __init__(self, model: Model, settings: JudgingSettings):
        """Ask ``model``; a cache before it keeps the replies and can say which are there."""
        self.model, self.settings = model, settings
        self.sampling = Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)

    @property
    def name(self) -> str:
        """Its name among the annotators."""
        return LLM + self.model.name

    def ask(self, calls: Sequence[Call], what: str) -> list[Reply]:
        """The reply to each call, in their order.

        Raises ModelError where no call was answered at all, and what the model raises when going on is useless.
        """
        found: list[Reply] = [Reply(text="", finish_reason="error", error="no reply")] * len(calls)
        with bar(f"judge {what}", total=len(calls), unit="calls") as shown:
            for index, reply in self.model.chat(_talks(calls), self.sampling) if calls else ():
                found[index] = reply
                shown.advance()
        if calls and all(reply.finish_reason == "error" for reply in found):
            raise ModelError(
                f"{self.name}: none of {len(calls):,} calls was answered ({found[0].error[:120]}); expected replies; "
                "next: check the address and the key, then run the same command again"
            )
        return found

    def expects(self, calls: Sequence[Call]) -> str:
        """One sentence on what asking will take: calls, those answered already, tokens, money, time."""
        known: list[Reply | None] = [None] * len(calls)
        if isinstance(self.model, Cached):
            known = self.model.known(_talks(calls), self.sampling)
        asked = (
            Asked(call.prompt_id, talk, reply) for call, talk, reply in zip(calls, _talks(calls), known, strict=True)
        )
        return says(expect(asked, lambda _: self.settings.max_tokens / 2, self.settings.max_tokens), self.settings)

    def provenance(self, prompt_id: str, time: str) -> Provenance:
        """Who judged, by which prompt and decoding."""
        return Provenance(
            by="model",
            model=self.model.name,
            digest=self.model.digest,
            format=self.model.format,
            sampling=self.sampling.canonical(),
            prompt_id=prompt_id,
            prompt_hash=prompts.load(prompt_id).hash,
            time=time,
        )


def _talks(calls: Sequence[Call]) -> list[tuple[Message, ...]]:
    return [(Message(role="user", content=call.text),) for call in calls]
