"""Write docs/reference/ from the code, or with --check fail when it is not what the code says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from huatuo import (
    errors,
    manifest,
    recipe,
    recipe_file,
    records,
    records_probed,
    records_rated,
    records_scored,
    records_trained,
)
from huatuo.cli import cli
from huatuo.stages import STAGES

REFERENCE = Path(__file__).parent / "reference"


def command_line() -> str:
    """Help of every verb."""
    lines = ["# Command line", "", "Generated from the code.", ""]
    context = click.Context(cli, info_name="huatuo", terminal_width=100)
    lines += ["```text", cli.get_help(context), "```", ""]
    for name in cli.list_commands(context):
        lines += _verb(cli.commands[name], name, context)
    return "\n".join(lines)


def _verb(command: click.Command, name: str, parent: click.Context) -> list[str]:
    """Help of a verb, and of the verbs within it."""
    inner = click.Context(command, info_name=name, parent=parent, terminal_width=100)
    lines = [f"## {inner.command_path}", "", "```text", command.get_help(inner), "```", ""]
    for within in command.list_commands(inner) if isinstance(command, click.Group) else ():
        lines += _verb(command.commands[within], within, inner)
    return lines


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return f"`{field.default_factory()}`"
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{field.default!r}`"


def _type(annotation: Any) -> str:
    text = getattr(annotation, "__name__", None) if isinstance(annotation, type) else None
    return re.sub(r"huatuo\.recipe(_\w+)?\.", "", (text or str(annotation)).replace("typing.", "")).replace("|", "or")


def _table(title: str, model: type[BaseModel], level: int = 2) -> list[str]:
    lines = [f"{'#' * level} {title}", "", (model.__doc__ or "").strip(), ""]
    lines += ["| key | type | default | what it is |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        says = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {says} |")
    return [*lines, ""]


def recipe_page() -> str:
    """Every key of a recipe with its default."""
    lines = ["# Recipe", "", "Generated from the code. Paths are relative to the recipe's folder.", ""]
    todo: list[tuple[str, type[BaseModel]]] = [
        (name, model)
        for name, field in recipe.Recipe.model_fields.items()
        for model in recipe_file._models_in(field.annotation)
    ]
    while todo:
        title, model = todo.pop(0)
        lines += _table(f"[{title}]", model)
        inner = [
            (f"{title}.{name}", m)
            for name, field in model.model_fields.items()
            for m in recipe_file._models_in(field.annotation)
        ]
        todo = inner + todo
    return "\n".join(lines)


def records_page() -> str:
    """Every record and field."""
    lines = ["# Records", "", "Generated from the code. What crosses a stage boundary.", ""]
    for module in (records, records_probed, records_rated, records_scored, records_trained, manifest):
        for value in vars(module).values():
            is_record = isinstance(value, type) and issubclass(value, records.Record)
            if is_record and value.__module__ == module.__name__ and value is not records.Record:
                lines += _table(value.__name__, value)
    return "\n".join(lines)


def stages_page() -> str:
    """Stages with their inputs, and the errors."""
    lines = ["# Stages and errors", "", "Generated from the code.", "", "| stage | what it does | reads | resumes |"]
    lines += ["| --- | --- | --- | --- |"]
    for stage in STAGES:
        reads = ", ".join(stage.inputs) or "files"
        lines.append(f"| `{stage.name}` | {stage.says} | {reads} | {'yes' if stage.resumable else 'starts anew'} |")
    return "\n".join([*lines, "", "```text", (errors.__doc__ or "").strip(), "```", ""])


PAGES = {"cli.md": command_line, "recipe.md": recipe_page, "records.md": records_page, "stages.md": stages_page}


def main() -> int:
    """Exit code: 1 when a page is out of date under --check."""
    stale = []
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.stderr.write(f"docs/reference: out of date: {', '.join(stale)}; next: make docs\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
