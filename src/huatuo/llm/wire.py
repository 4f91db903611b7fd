"""The chat-completions format of OpenAI-compatible servers: what is sent, and what a body means. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from huatuo.llm.base import Reply, Sampling
from huatuo.records import Message

OPEN, CLOSE = "<think>", "</think>"
"""How servers that do not separate it mark the reasoning (DeepSeek-R1, Qwen3)."""

FinishReason = Literal["stop", "length", "refused"]

FINISH: dict[str, FinishReason] = {"length": "length", "max_tokens": "length", "content_filter": "refused"}
"""Finish reasons that are not a plain stop."""


class BrokenBodyError(ValueError):
    """A body with status 200 that is no answer; asking again may help."""


def request_body(model: str, messages: Sequence[Message], sampling: Sampling, limit_name: str) -> dict[str, Any]:
    """The JSON body of a call; neutral settings are left out, as some servers know only the usual ones."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "temperature": sampling.temperature,
        limit_name: sampling.max_tokens,
    }
    optional = {
        "top_p": (sampling.top_p, 1.0),
        "top_k": (sampling.top_k, 0),
        "repetition_penalty": (sampling.repetition_penalty, 1.0),
        "seed": (sampling.seed, 0),
        "stop": (list(sampling.stop), []),
    }
    return body | {name: value for name, (value, neutral) in optional.items() if value != neutral}


def parse_json(text: str) -> dict[str, Any]:
    """The object in a body. Raises BrokenBodyError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenBodyError(f"no JSON ({error}): {text[:80]!r}") from None
    if not isinstance(value, dict):
        raise BrokenBodyError(f"no JSON object: {text[:80]!r}")
    return value


def parse_reply(body: dict[str, Any], time: str) -> Reply:
    """The reply in a body with status 200. Raises BrokenBodyError where there is none."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise BrokenBodyError(f"no choices[0].message: {json.dumps(body, ensure_ascii=False)[:160]}")
    reasoning, text = split_thoughts(as_text(message.get("content")))
    apart = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    refusal = as_text(message.get("refusal"))
    usage = body.get("usage")
    return Reply(
        text=refusal or text,
        reasoning="\n".join(part for part in (apart, reasoning) if part),
        finish_reason="refused" if refusal else FINISH.get(str(choice.get("finish_reason")), "stop"),
        prompt_tokens=_tokens(usage, "prompt_tokens"),
        completion_tokens=_tokens(usage, "completion_tokens"),
        time=time,
    )


def is_metered(body: dict[str, Any]) -> bool:
    """Whether the server said how many tokens the call used."""
    usage = body.get("usage")
    return isinstance(usage, dict) and isinstance(usage.get("prompt_tokens"), int)


def _tokens(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else 0


def as_text(content: Any) -> str:
    """The text of a content field: a string, or a list of parts of which some are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


def split_thoughts(text: str) -> tuple[str, str]:
    """(reasoning, answer): reasoning is what stands before ``</think>``; all of it where the thought was cut off."""
    before, closed, after = text.partition(CLOSE)
    if closed:
        return before.strip().removeprefix(OPEN).strip(), after.lstrip()
    if text.lstrip().startswith(OPEN):
        return text.lstrip().removeprefix(OPEN).strip(), ""
    return "", text


class Thoughts:
    """Lets the answer of a stream through and keeps a leading ``<think>`` block back."""

    def __init__(self) -> None:
        self._held, self._state = "", "start"

    def feed(self, piece: str) -> str:
        """What of the stream so far is answer and was not returned before."""
        if self._state == "answer":
            return piece
        self._held += piece
        start = self._held.lstrip()
        if self._state == "start":
            if OPEN.startswith(start[: len(OPEN)]) and len(start) < len(OPEN):
                return ""
            self._state = "thinking" if start.startswith(OPEN) else "answer"
        if self._state == "thinking":
            _, closed, after = self._held.partition(CLOSE)
            if not closed or not after.lstrip():
                return ""
            self._state, self._held = "answer", after.lstrip()
        return self._held

    def rest(self) -> str:
        """What was held back as a possible mark and turned out to be answer."""
        return self._held if self._state == "start" else ""


def parse_event(line: str) -> dict[str, Any] | None:
    """The object of one server-sent line; None for comments, other fields and blank lines. ``[DONE]`` gives ``{}``."""
    if not line.startswith("data:"):
        return None
    data = line[5:].strip()
    return {} if data == "[DONE]" else parse_json(data)


def describe_error(text: str) -> tuple[str, str]:
    """(code, message) of an error body, whatever its shape: ``{"error": {…}}``, ``{"detail": …}``, or plain text."""
    try:
        body = parse_json(text)
    except BrokenBodyError:
        return "", " ".join(text.split())[:200]
    error = body.get("error", body)
    if not isinstance(error, dict):
        return "", str(error)[:200]
    code = error.get("code") or error.get("type") or ""
    message = error.get("message") or error.get("detail") or text
    return str(code), " ".join(str(message).split())[:200]


def is_for_good(status: int, code: str, message: str) -> bool:
    """Whether the server refuses every further call: key, address, model, or money."""
    low = f"{code} {message}".lower()
    if code in ("insufficient_quota", "billing_hard_limit_reached", "account_deactivated"):
        return True
    if 300 <= status < 400 or status in (401, 402, 403, 404, 405):
        return not is_content_filter(code)
    wrong = ("not found", "not exist", "invalid model", "unknown model", "unsupported model", "not supported")
    return status in (400, 422) and ("model_not_found" in low or ("model" in low and any(w in low for w in wrong)))


def is_content_filter(code: str) -> bool:
    """Whether an error says that the content is not allowed: an answer about this call, not about the endpoint."""
    return code.lower() in ("content_filter", "content_policy_violation", "data_inspection_failed")


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date; None where there is none."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None  # not a number is not equal to itself
