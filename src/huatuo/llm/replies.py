"""What an OpenAI-compatible server says: a finished reply, a failure that may pass, or a refusal for good."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from huatuo.llm.base import Reply
from huatuo.llm.keys import mask
from huatuo.llm.money import Prices
from huatuo.store import now

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may be gone at the next try."""
CROWDED = frozenset({429, 503, 529})
"""Statuses that ask for fewer calls at once."""
NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Error codes of a 429 that waiting does not mend."""
ONE_PROMPT = frozenset({"content_filter", "context_length_exceeded", "string_above_max_length", "invalid_prompt"})
"""Error codes of a 400 that are about one conversation, whatever else was answered."""
EXCERPT = 200
"""Characters of a server's answer shown in an error."""
SHOWN_NAME = 200
"""Characters kept of the name under which a server says it answers."""
LEAST_BYTES, FRAME_BYTES = 1 << 20, 1 << 16
"""Bytes that any reply may have, and those beside its text."""
TOKEN_BYTES, EVENT_BYTES = 64, 1024
"""Most bytes of a token in a reply (Chinese as ``\\uXXXX`` takes 6 a character), and in a stream with an event each."""
UNREADABLE = (ValueError, RecursionError, LookupError, TypeError, AttributeError)
"""What reading a body that is no chat completion raises."""


class Passing(Exception):
    """One try failed for a reason that may pass: ``wait`` at least so many seconds before the next."""

    def __init__(self, said: str, wait: float = 0.0, crowded: bool = False, unreachable: bool = False):
        super().__init__(said)
        self.wait, self.crowded, self.unreachable = wait, crowded, unreachable


class TooLargeError(Passing):
    """A reply with more bytes than it may have: the same call is not made again, it would be paid for once more."""

    def __init__(self, limit: int):
        super().__init__(f"reply too large: more than {limit:,} bytes, the most that max_tokens allows")


def most_bytes(max_tokens: int, per_token: int = TOKEN_BYTES) -> int:
    """The most bytes that a reply of so many tokens can have; a longer one is no answer, and memory has an end."""
    return max(LEAST_BYTES, FRAME_BYTES + per_token * max_tokens)


def reply_of(data: Any, prices: Prices, model: str = "", key: str = "") -> Reply:
    """The reply in a chat completion, with its thoughts apart and its cost, without the key.

    ``model``: the name that was asked. Raises one of UNREADABLE where the body is no whole completion.
    """
    choice = data["choices"][0]
    message = choice["message"]
    content = message.get("content")
    refusal = message.get("refusal") or ""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type", "text") == "text")
    reason = choice.get("finish_reason")
    if reason == "abort" or (content is None and not refusal and reason not in ("length", "content_filter")):
        raise ValueError("no content")
    thoughts, text = split_thoughts(clean(content or ""))
    own = message.get("reasoning_content") or message.get("reasoning") or ""
    usage = data.get("usage") or {}
    refused = bool(refusal) or reason == "content_filter"
    served = data.get("model")
    differs = bool(model) and isinstance(served, str) and served.strip() not in ("", model)
    used = _count(usage, "prompt_tokens", True), _count(usage, "completion_tokens", bool(text or thoughts or own))
    return Reply(
        text=mask(text, key),
        reasoning=mask("\n".join(part for part in (clean(own), thoughts) if part), key),
        finish_reason="refused" if refused else "length" if reason in ("length", "max_tokens") else "stop",
        error=mask(clean(refusal), key) or ("content filter" if refused else ""),
        model=mask(clean(served.strip()), key)[:SHOWN_NAME] if differs else "",
        prompt_tokens=used[0],
        completion_tokens=used[1],
        cost=prices.cost(*used),
        currency=prices.currency,
        time=now(),
    )


def refused(said: str, prices: Prices) -> Reply:
    """The reply to a conversation that a server will not answer; being no completion, it uses and costs nothing."""
    return Reply(
        text="",
        finish_reason="refused",
        error=said,
        prompt_tokens=0,
        completion_tokens=0,
        cost=prices.cost(0, 0),
        currency=prices.currency,
        time=now(),
    )


def _count(usage: Any, name: str, is_some: bool) -> int | None:
    """A count of the usage; None where it is no number, or 0 where there must be some (servers that do not count)."""
    value = usage.get(name)
    counted = isinstance(value, int) and not isinstance(value, bool) and value >= is_some
    return value if counted else None


def split_thoughts(text: str) -> tuple[str, str]:
    """Thoughts and answer. Thoughts without an end are all thoughts; an end without a beginning ends them as well."""
    found = re.match(r"\s*<think>(.*?)(?:</think>|\Z)(.*)", text, re.DOTALL)
    if found:
        return found[1].strip(), found[2].lstrip()
    before, mark, after = text.partition("</think>")
    return (before.strip(), after.lstrip()) if mark else ("", text)


def clean(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def error_codes(data: bytes | Any) -> set[str]:
    """Code and type of the error in a server's answer (bytes, or the JSON value); empty where there is none."""
    try:
        error = (json.loads(data) if isinstance(data, bytes) else data)["error"]
        return {str(error.get(name)) for name in ("code", "type")}
    except UNREADABLE:
        return set()


def error_within(data: Any) -> int | None:
    """The status that a body sent with status 200 should have had, where it is an error and no completion.

    200 where the error does not say which; None where the body is no error.
    """
    if not isinstance(data, dict) or not data.get("error") or data.get("choices"):
        return None
    codes = error_codes(data)
    if codes & ONE_PROMPT:
        return 400
    said = next((int(code) for code in codes if re.fullmatch("[45][0-9]{2}", code)), 200)
    return 429 if codes & NO_MONEY else said


def why_unreadable(data: bytes, error: Exception) -> str:
    """Why a body is no chat completion, in words."""
    if not data.strip():
        return "the body is empty"
    return "not JSON" if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) else "no whole chat completion"


def is_about_one_prompt(status: int, codes: set[str], answered: bool) -> bool:
    """Whether a refusal is about this conversation alone: others with the same settings were answered before."""
    return status == 400 and bool(codes & ONE_PROMPT or answered)


def may_pass(status: int, codes: set[str]) -> bool:
    """Whether the same call may succeed later."""
    return (status in PASSING or status >= 500) and not codes & NO_MONEY


def retry_after(header: str) -> float:
    """Seconds that a Retry-After header asks for, given as seconds or as a date; 0 where it says nothing."""
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def excerpt(data: bytes | str, secret: str = "") -> str:
    """The beginning of what a server said, on one line, without the secret."""
    text = (data if isinstance(data, str) else data.decode("utf-8", "replace"))[:FRAME_BYTES]
    return " ".join(mask(text, secret).split())[:EXCERPT]


def stream_event(data: bytes) -> tuple[str, str]:
    """Text and finish reason of one event of a stream. Raises one of UNREADABLE."""
    if not (choices := json.loads(data)["choices"]):
        return "", ""  # usage only
    delta = choices[0].get("delta") or {}
    text = clean(delta.get("content") or "")
    return text, "content_filter" if delta.get("refusal") else str(choices[0].get("finish_reason") or "")
