"""What a judge's reply says, and nothing that it quotes: a verdict counts with its code alone.

Every prompt holds a code of its own, a hash of what is judged. The answers were written before it existed, so an answer
that says ``[[A]]`` or "Assistant 1 is better than Assistant 2", and a judge that repeats it, decide nothing.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, NamedTuple

from huatuo.llm.base import Reply
from huatuo.store import content_id

CODE_CHARS = 8
"""Characters of a code: hexadecimal, so one in four thousand million texts holds it by chance."""

_RELATIONS = {
    "isbetterthan": "1", "优于": "1", "好于": "1",
    "isworsethan": "2", "劣于": "2", "不如": "2", "差于": "2",
    "isequalto": "tie", "等于": "tie", "相当于": "tie",
}  # fmt: skip
_LETTERS = {"a": "1", "b": "2", "c": "tie", "tie": "tie"}
_RELATION = re.compile(rf"(?:assistant|助手)1({'|'.join(_RELATIONS)})(?:assistant|助手)2")
_LETTER = re.compile(r"\[\[(a|b|c|tie)\]\]|(a|b|c|tie)")
_ADDRESSED = re.compile(
    r"\[\[\s*(?:A|B|C|TIE)\s*\]\]|(?:assistant|助手)\s*[12AB]\s*(?:is (?:better|worse)|优于|劣于)|\"criteria_met\""
    r"|\bignore (?:all |the |any )?(?:of the )?(?:previous|above|prior|earlier|other)"
    r"\b.{0,20}\b(?:instructions?|prompts?|answers?)"
    r"|\b(?:instructions?|prompts?) above\b|\b(?:dear|note to(?: the)?) (?:judge|grader|evaluator)\b|\bas the winner\b"
    r"|\b(?:choose|pick|rate|select|prefer)\b.{0,12}\b(?:me|this (?:answer|response))\b"
    r"|评委|裁判|评分(?:员|者|模型)|(?:忽略|无视)(?:以上|上面|前面|之前)|(?:给|打|判)[^，。]{0,6}(?:满分|最高分)"
    r"|判[^，。]{0,6}(?:我|本回答|这个回答)[^，。]{0,4}(?:胜|更好)",
    re.I,
)
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)


class Read(NamedTuple):
    """What was read out of a reply: a value, or why there is none."""

    value: Any
    """``1``, ``2`` or ``tie`` of a comparison; the object of a graded item; None where nothing could be read."""
    unparsed: str
    """Why there is none: a class, and after a colon what was found; else empty."""


def code_of(*judged: str) -> str:
    """The code of a prompt about these texts; none of them holds it."""
    number, code = 0, ""
    while not code or any(code in text for text in judged):
        code = content_id("judge", str(number), *judged)[:CODE_CHARS]
        number += 1
    return code


def speaks_to_judge(answer: str) -> bool:
    """Whether an answer holds what a verdict looks like."""
    return _ADDRESSED.search(unicodedata.normalize("NFKC", answer)) is not None


def ended_badly(reply: Reply | None) -> str:
    """Why a reply holds nothing to read by the way it ended; empty for one that ended well."""
    if reply is None or reply.finish_reason == "error":
        return f"failed call: {reply.error[:120] if reply else 'no reply'}"
    if reply.finish_reason == "refused":
        return "refused"
    return "cut off" if reply.finish_reason == "length" else ""


def read_verdict(text: str, code: str) -> Read:
    """Which answer the last line says is better: ``CODE: [[A]]``, or ``CODE: Assistant 1 is better than Assistant 2``.

    Two lines with the code that differ, a verdict without the code, or one in the middle of the reply are none.
    """
    lines = [_plain(line) for line in text.splitlines()]
    lines = [line for line in lines if line]
    marked = [line for line in lines if code in line]
    if not marked:
        bare = bool(lines) and _said(lines[-1]) is not None
        return Read(None, "verdict without its code" if bare else "no verdict line")
    given = {_said(line.removeprefix(code).lstrip(":")) for line in marked} - {None}
    if len(given) > 1:
        return Read(None, "two verdicts")
    said = _said(lines[-1].removeprefix(code).lstrip(":")) if lines[-1].startswith(code) else None
    return Read(said, "" if said else f"no verdict line: {lines[-1][:60]!r}")


def _plain(line: str) -> str:
    """A line in one spelling: without blanks, emphasis and the full stop at its end, in lower case."""
    folded = unicodedata.normalize("NFKC", line).lower()
    return re.sub(r"[\s*_`#>]+", "", folded).rstrip("。.")


def _said(line: str) -> str | None:
    relation, letter = _RELATION.fullmatch(line), _LETTER.fullmatch(line)
    if relation:
        return _RELATIONS[relation[1]]
    return _LETTERS[letter[1] or letter[2]] if letter else None


def read_object(text: str, code: str) -> Read:
    """The one JSON object that a reply is, alone or in a fence, if its ``code`` is this one.

    An object among other words, two objects, and a key that stands twice are none: an answer can hold an object too.
    """
    body = text.strip()
    if fenced := _FENCED.fullmatch(body):
        body = fenced[1]
    try:
        members = json.loads(body, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        return Read(None, f"not one JSON object: {body[:60]!r}")
    if not isinstance(members, _Members):
        return Read(None, f"not one JSON object: {body[:60]!r}")
    if len({key for key, _ in members}) != len(members):
        return Read(None, "a key stands twice")
    found = dict(members)
    if found.get("code") != code:
        return Read(None, "verdict without its code")
    return Read(found, "")


class _Members(list[tuple[str, Any]]):
    """Members of a JSON object in their order, so that a key that stands twice is seen."""
