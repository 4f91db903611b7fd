"""Prompt files: a header of ``name: value`` lines, a line ``---``, then the text as a jinja2 template.

A variable that the caller forgets is an error, never an empty string. The facts go in as one fenced JSON block.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import jinja2

from huatuo.errors import InputError
from huatuo.store import canonical_json

_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=False)
_HEADER = ("id", "for", "source")

_TEXT = {"type": "string"}
_QA = {
    "type": "object",
    "properties": {"question": _TEXT, "answer": _TEXT},
    "required": ["question", "answer"],
    "additionalProperties": False,
}
_PAIRS = {
    "type": "object",
    "properties": {"pairs": {"type": "array", "items": _QA}},
    "required": ["pairs"],
    "additionalProperties": False,
}
RESPONSE_FORMATS = {
    "text": "",
    "json_object": canonical_json({"type": "json_object"}),
    "json_schema": canonical_json(
        {"type": "json_schema", "json_schema": {"name": "pairs", "strict": True, "schema": _PAIRS}}
    ),
}
"""The request's ``response_format`` by the recipe's ``synth.teacher.response_format``."""
IN_AN_OBJECT = {
    "zh": '\n\n把这个列表放进一个 JSON 对象：{"pairs": [……]}',
    "en": '\n\nPut this list into one JSON object: {"pairs": [...]}',
}
"""Added to a prompt where the server takes only objects: both formats need an object at the root (OpenAI)."""


class Prompt(NamedTuple):
    """One prompt file."""

    id: str
    """Name of the file without ``.txt``: ``graph_direct.zh``."""
    hash: str
    """SHA-256 of the file's bytes: part of the key of the stage and of every pair's provenance."""
    purpose: str
    """What it is for, from the header."""
    source: str
    """Whose idea it is, from the header."""
    template: jinja2.Template
    """The text."""

    def render(self, block: dict[str, Any], **values: Any) -> str:
        """The prompt with the block as fenced JSON.

        Raises jinja2.UndefinedError where the text names a variable that is not given.
        """
        return self.template.render(block=fence(block), **values)


def fence(block: dict[str, Any]) -> str:
    """The block as fenced canonical JSON on one line; a back quote in a value cannot close the fence."""
    return "```json\n" + canonical_json(block).replace("`", "\\u0060") + "\n```"


@lru_cache
def load(prompt_id: str) -> Prompt:
    """The shipped prompt with this id.

    Raises InputError where there is no such file, or its header is not whole.
    """
    path = resources.files("huatuo") / "prompts" / f"{prompt_id}.txt"
    try:
        data = path.read_bytes()
    except OSError:
        known = ", ".join(ids())
        raise InputError(f"no prompt file {prompt_id}.txt (known: {known}); next: give one of these names") from None
    header, mark, text = data.decode("utf-8").partition("\n---\n")
    fields = dict(line.split(": ", 1) for line in header.splitlines() if ": " in line)
    if not mark or tuple(fields) != _HEADER or fields["id"] != prompt_id:
        raise InputError(
            f"{prompt_id}.txt: header is {list(fields)} with id {fields.get('id')!r}; expected the lines "
            f"{', '.join(_HEADER)}, this id, and a line ---; next: mend the prompt file"
        )
    template = _ENVIRONMENT.from_string(text.strip())
    return Prompt(prompt_id, hashlib.sha256(data).hexdigest(), fields["for"], fields["source"], template)


def ids() -> list[str]:
    """Ids of all shipped prompts, sorted."""
    folder = resources.files("huatuo") / "prompts"
    return sorted(item.name.removesuffix(".txt") for item in folder.iterdir() if item.name.endswith(".txt"))
