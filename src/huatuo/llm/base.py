"""What every model is, whether a local checkpoint, a paid endpoint, a cache or the offline teacher: one Protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from huatuo.errors import ModelError
from huatuo.records import Message


class Sampling(BaseModel):
    """How an answer is decoded. Part of every cache key and of every score's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    temperature: float = 0.0
    """0: greedy."""
    top_p: float = 1.0
    """Nucleus."""
    top_k: int = 0
    """0: all."""
    repetition_penalty: float = 1.0
    """1: none."""
    max_tokens: int = 256
    """Longest answer."""
    seed: int = 0
    """Seed where the model takes one."""
    stop: tuple[str, ...] = ()
    """Strings that end the answer, besides the format's end token."""
    response_format: str = ""
    """An endpoint's ``response_format`` as JSON (``{"type": "json_object"}``); empty: free text."""

    def canonical(self) -> str:
        """Canonical JSON, for provenance and cache keys; a response format only where one is asked for."""
        return self.model_dump_json(exclude=None if self.response_format else {"response_format"})


class Reply(BaseModel):
    """One finished answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    text: str
    """The answer."""
    reasoning: str = ""
    """Thoughts of a reasoning model, kept apart."""
    finish_reason: Literal["stop", "length", "refused", "error"] = "stop"
    """Why it ended. ``error``: ``text`` is empty and ``error`` says what happened, after all retries."""
    error: str = ""
    """What went wrong, for finish_reason error."""
    model: str = ""
    """The model's name as the server says it, where that is not the one that was asked."""
    prompt_tokens: int | None = None
    """Tokens of the prompt; None where the model does not say."""
    completion_tokens: int | None = None
    """Tokens of the answer, reasoning included; None where the model does not say."""
    cost: float | None = None
    """What the call cost; None where tokens or price are unknown, and for a model that is not paid."""
    currency: str = ""
    """Currency of the cost."""
    time: str = ""
    """UTC time of the call; empty for a pure function."""


class Branches(BaseModel):
    """A prompt and the texts that may follow it, as token ids: what a model weighs by their log-probabilities."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prefix: list[int]
    """The prompt."""
    continuations: list[list[int]]
    """Each text, as it follows the prompt."""
    straddled: list[bool] = []
    """For each text whether the tokenizer would have merged its beginning with the prompt's end: then it was encoded on
    its own. Empty where nobody knows."""


class Weights(BaseModel):
    """The log-probabilities of the continuations of one prompt, or why there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    logprobs: list[float] = []
    """Sum of log-probabilities (natural) of each continuation; empty where ``error`` is not."""
    error: str = ""
    """What went wrong, for this prompt alone."""


class Model(Protocol):
    """Something that can be asked."""

    name: str
    """Name for provenance: file name of a checkpoint, model name of an endpoint, ``offline-teacher``."""
    digest: str
    """Digest of local weights or of the wordings; empty where nobody can know it."""
    format: str
    """Name of the chat format that makes token ids of the messages; empty for an endpoint."""

    @property
    def positions(self) -> int | None:
        """The longest text in tokens that it reads, prompt and answer together; None where nobody knows."""
        ...

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Index and reply of each conversation as they finish, in any order; every index exactly once.

        Batching, concurrency and retries are the model's own affair. Raises RefusedError when going on is useless.
        """
        ...

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """Pieces of one answer as they are made."""
        ...

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """Sum of log-probabilities (natural) of each continuation after the prefix, both as token ids.

        Raises ModelError, naming itself, where the model cannot do it.
        """
        ...

    def branches(self, messages: Sequence[Message], texts: Sequence[str], end: bool) -> Branches:
        """Token ids of a prompt and of each text as the answer to it; ``end``: with the end token after each text.

        Raises ModelError, naming itself, where the model takes no token ids.
        """
        ...

    def logprobs_of(self, prompts: Sequence[Branches]) -> Iterator[tuple[int, Weights]]:
        """Index and log-probabilities of each prompt's continuations, in any order; every index exactly once.

        What the prompts have in common is the model's own affair. Raises ModelError as `branches` does.
        """
        ...


class TextOnly:
    """A model that takes text and no token ids, an endpoint say: what needs ids refuses with the reason it gives."""

    positions: int | None = None
    """Nobody knows how long a text it reads."""

    def no_ids(self) -> str:
        """Why it takes no token ids, with its name and the next step."""
        raise NotImplementedError

    def branches(self, messages: Sequence[Message], texts: Sequence[str], end: bool) -> Branches:
        """Raises ModelError."""
        raise ModelError(self.no_ids())

    def logprobs_of(self, prompts: Sequence[Branches]) -> Iterator[tuple[int, Weights]]:
        """Raises ModelError."""
        raise ModelError(self.no_ids())

    def logprobs(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """Raises ModelError."""
        raise ModelError(self.no_ids())
