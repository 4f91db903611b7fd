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


def response_format(kind: str, name: str, fields: tuple[str, ...]) -> str:
    """The request's ``response_format`` by the teacher's setting of that name: a list ``name`` of objects of texts.

    ``kind``: text, json_object or json_schema. OpenAI's formats need an object at the root.
    """
    if kind != "json_schema":
        return canonical_json({"type": kind}) if kind == "json_object" else ""
    item = {
        "type": "object",
        "properties": {field: {"type": "string"} for field in fields},
        "required": list(fields),
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {name: {"type": "array", "items": item}},
        "required": [name],
        "additionalProperties": False,
    }
    return canonical_json({"type": kind, "json_schema": {"name": name, "strict": True, "schema": schema}})


def in_an_object(name: str, language: str) -> str:
    """What is added to a prompt where the server takes only objects."""
    if language == "en":
        return f'\n\nPut this list into one JSON object: {{"{name}": [...]}}'
    return f'\n\n把这个列表放进一个 JSON 对象：{{"{name}": [……]}}'


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
    text: str = ""
    """The same as it stands in the file."""

    def render(self, block: dict[str, Any] | None = None, **values: Any) -> str:
        """The prompt with the block, where it has one, as fenced JSON.

        Raises jinja2.UndefinedError where the text names a variable that is not given.
        """
        return self.template.render(**({} if block is None else {"block": fence(block)}), **values)


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
    return Prompt(prompt_id, hashlib.sha256(data).hexdigest(), fields["for"], fields["source"], template, text.strip())


def ids() -> list[str]:
    """Ids of all shipped prompts, sorted."""
    folder = resources.files("huatuo") / "prompts"
    return sorted(item.name.removesuffix(".txt") for item in folder.iterdir() if item.name.endswith(".txt"))
