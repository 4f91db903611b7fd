"""The recipe's tables about the teacher: who asks and answers, where it is served, what it may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from huatuo.settings import Settings


class EndpointSettings(Settings):
    """One more place that serves the teacher's model."""

    url: str
    """Base URL, up to and including ``/v1``."""
    model: str = ""
    """What this server calls the teacher's model; empty: as the teacher's ``model``, which stands in every record."""
    key_env: str = ""
    """Environment variable that holds its key; empty: the teacher's."""
    price_in: float | None = Field(None, ge=0)
    """Price of a million prompt tokens there; absent: the teacher's."""
    price_out: float | None = Field(None, ge=0)
    """Price of a million completion tokens there; absent: the teacher's."""


class TeacherSettings(Settings):
    """Who asks and answers."""

    kind: Literal["offline", "endpoint", "batch", "local"] = "offline"
    """offline: wordings of ours, no model. endpoint: any OpenAI-compatible server. batch: no network; the requests are
    written as an OpenAI batch file, and the run goes on when the file with the answers has been put beside it. local:
    the model in ``folder``, on this machine."""
    folder: Path | None = None
    """Local folder of a Hugging Face causal language model (local)."""
    format: str = ""
    """Its chat format, see `huatuo.models.formats`; empty: as the folder says (local)."""
    batch: int = Field(16, ge=1)
    """Answers it makes side by side; prompts of like length go together (local)."""
    url: str = ""
    """Base URL of the endpoint, up to and including ``/v1``."""
    model: str = ""
    """Model name at the endpoint (HuaTuo and HuatuoGPT-II used gpt-3.5-turbo)."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key, which must be set; the key itself is never written anywhere. Empty: the
    server takes no key. Absent: the default, which a server on this machine may do without."""
    endpoints: tuple[EndpointSettings, ...] = ()
    """Further places (or further keys) that serve the same model: the calls are spread over them and ``url``. One that
    refuses for good is taken out, with a finding, and the others go on."""
    temperature: float = 1.0
    """Sampling temperature."""
    max_tokens: int = Field(1024, ge=1)
    """Longest reply."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls it: newer OpenAI models take only max_completion_tokens."""
    response_format: Literal["text", "json_object", "json_schema"] = "text"
    """text: the prompt alone asks for JSON. json_object, json_schema: the server is told to hold the reply to it."""
    concurrency: int = Field(16, ge=1)
    """Most calls in flight at each endpoint."""
    requests_per_minute: float = Field(0.0, ge=0)
    """Most tries a minute at each endpoint, evenly spread; 0: no limit."""
    tokens_per_minute: float = Field(0.0, ge=0)
    """Most tokens (prompt and reply) a minute at each endpoint, evenly spread; 0: no limit."""
    timeout_s: float = Field(120.0, gt=0)
    """Seconds for one call."""
    retries: int = Field(6, ge=0)
    """Further tries of a call that fails for a passing reason (429, 5xx, broken connection)."""
    longest_wait_s: float = Field(600.0, ge=0)
    """Longest Retry-After that is waited for; an endpoint that asks for more is taken out, and the last one ends the
    run with everything kept."""
    price_in: float | None = Field(None, ge=0)
    """Price of a million prompt tokens; unknown when absent, never 0."""
    price_out: float | None = Field(None, ge=0)
    """Price of a million completion tokens."""
    currency: str = "USD"
    """Currency of the prices."""
    max_cost: float | None = Field(None, ge=0)
    """Most money that may be spent in the run's folder, all attempts together; no call is begun that could exceed it.
    The same command with a higher limit goes on."""
    max_tokens_total: int | None = Field(None, ge=0)
    """Most tokens (prompt and reply) that may be used in the run's folder, all attempts together."""

    @field_validator("max_cost")
    @classmethod
    def _needs_prices(cls, value: float | None, info: ValidationInfo) -> float | None:
        """A limit on what nobody can count would be no limit."""
        places = [(place.price_in, place.price_out) for place in info.data.get("endpoints", ())]
        if info.data.get("url") or not places:
            places.append((None, None))
        own = info.data.get("price_in"), info.data.get("price_out")
        unknown = any(
            price is None and mine is None for place in places for price, mine in zip(place, own, strict=True)
        )
        if value is not None and unknown:
            raise ValueError("a limit on money needs the price: set price_in and price_out, or use max_tokens_total")
        return value


class DoctorSettings(TeacherSettings):
    """The model that plays the physician in a consultation, where it is not the teacher.

    Its replies are kept beside the teacher's, and the teacher's limit on money or tokens counts both.
    """

    kind: Literal["offline", "endpoint", "batch", "local"] = "endpoint"
    """endpoint or local."""

    @field_validator("kind")
    @classmethod
    def _can_answer_at_once(cls, value: str) -> str:
        if value in ("offline", "batch"):
            raise ValueError(f"the physician of a consultation cannot be {value}; next: kind = endpoint or local")
        return value

    @field_validator("max_cost", "max_tokens_total")
    @classmethod
    def _has_the_teachers_limit(cls, value: float | None) -> None:
        if value is not None:
            raise ValueError("the teacher's limit counts the physician too; next: set it in synth.teacher")


class JudgeSettings(TeacherSettings):
    """A model that scores pairs from 1 to 5: their question, their faithfulness to the source, their language.

    A pair whose lowest score is below ``threshold`` is dropped with its scores; a reply that cannot be read leaves the
    pair unscored, under the flag ``judge_unscored``. The replies are kept beside the teacher's; a limit on money or
    tokens counts what was spent on both.
    """

    kind: Literal["offline", "endpoint", "batch", "local"] = "endpoint"
    """endpoint or local: the offline teacher has no judgement, and a judge by file is not there yet."""
    temperature: float = 0.0
    """Sampling temperature."""
    max_tokens: int = Field(256, ge=1)
    """Longest reply."""
    threshold: float = Field(3.0, ge=1, le=5)
    """Lowest score that a pair may have in any of the three."""
    pairs: Literal["generated", "all"] = "generated"
    """generated: pairs that a model of this run made. all: imported and reviewed ones as well; a pair without a source
    in the run is scored by a prompt of its own, for whether its answer meets the question."""

    @field_validator("kind")
    @classmethod
    def _can_judge(cls, value: str) -> str:
        if value == "offline":
            raise ValueError("the offline teacher cannot judge: it has wordings and no model; next: kind = endpoint")
        if value == "batch":
            raise ValueError("a judge cannot be asked by file; next: kind = endpoint")
        return value


class ExtractorSettings(TeacherSettings):
    """A model that reads triples out of the documents of every source with ``extract = "teacher"``.

    A value counts only where it stands literally in the text that the model was shown. The replies are kept beside the
    teacher's; a limit on money or tokens counts what was spent on both.
    """

    kind: Literal["offline", "endpoint", "batch"] = "endpoint"
    """endpoint or batch; not offline: the rules are the way to read a document without a model."""
    temperature: float = 0.0
    """Sampling temperature."""
    max_tokens: int = Field(2048, ge=1)
    """Longest reply; a reply that was cut off gives nothing."""
    max_chars: int = Field(800, ge=50)
    """Longest part of a document shown in one call; cut at paragraphs and sentences."""

    @field_validator("kind")
    @classmethod
    def _can_read(cls, value: str) -> str:
        if value == "offline":
            raise ValueError('the offline teacher cannot read a document; next: extract = "rules" in its source')
        return value


HOW_ASKED = frozenset(
    {
        "url", "key_env", "endpoints", "max_tokens_field", "concurrency", "requests_per_minute", "tokens_per_minute",
        "timeout_s", "retries", "longest_wait_s", "price_in", "price_out", "currency", "max_cost", "max_tokens_total",
        "folder", "batch",
    }
)  # fmt: skip
"""Keys of the teacher that say how it is asked, not what it answers: no part of a stage's key. (What a ``folder`` holds
is: as a file that the stage reads.)"""
