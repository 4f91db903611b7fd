"""Loading recipes: unknown keys are refused by line with the nearest known one; all errors of a file come at once.

A path in a recipe is relative to the recipe's own folder.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from huatuo.errors import RecipeError
from huatuo.recipe import Recipe, TrainSettings


def shipped() -> dict[str, Path]:
    """The recipes that come with huatuo, by name."""
    folder = Path(str(resources.files("huatuo"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(name_or_path: str) -> Path:
    """The file of a recipe: a path, or the name of a shipped recipe.

    Raises RecipeError naming the shipped recipes.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = shipped()
    if name_or_path in known:
        return known[name_or_path]
    raise RecipeError(
        f"{name_or_path}: no such file and no shipped recipe; shipped: {', '.join(known)}; "
        "next: give the path of a .toml file or one of these names"
    )


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file, with ``table.key=value`` overrides applied and paths made absolute.

    Raises RecipeError that lists every wrong key and value with its line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); next: check the path") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8; next: save the recipe as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _apply_override(data, override)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        given = [override.partition("=")[0].strip() for override in overrides]
        lines = [_explain(path, text, dict(e), given) for e in error.errors(include_url=False)]
        raise RecipeError("\n".join(lines)) from None
    resolved: Recipe = _with_absolute_paths(recipe, path.resolve().parent)
    return resolved


def _apply_override(data: dict[str, Any], override: str) -> None:
    dotted, found, raw = override.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not found or not all(keys):
        raise RecipeError(f"-s {override}: expected table.key=value, for example -s train.steps=100")
    try:
        value = tomllib.loads(f"v = {raw}")["v"]
    except tomllib.TOMLDecodeError:
        value = raw  # a bare word is a string
    table: Any = data
    for key in keys[:-1]:
        table = _member(table, key, override) if isinstance(table, list) else table.setdefault(key, {})
        if not isinstance(table, (dict, list)):
            raise RecipeError(f"-s {override}: {key!r} is not a table; only keys of tables can be overridden")
    if isinstance(table, list):
        names = ", ".join(str(member.get("name")) for member in table if isinstance(member, dict))
        raise RecipeError(
            f"-s {override}: {keys[-2]} is a list of tables; next: name one of them ({names}), as in "
            f"-s {'.'.join(keys[:-1])}.NAME.{keys[-1]}=..."
        )
    table[keys[-1]] = value


def _member(tables: list[Any], name: str, override: str) -> dict[str, Any]:
    """The table of that name among tables in a list, as in ``ingest.graphs.my_graph.path``."""
    named = {str(member.get("name")): member for member in tables if isinstance(member, dict)}
    if name not in named:
        raise RecipeError(f"-s {override}: no table named {name!r}; there are: {', '.join(named)}")
    found: dict[str, Any] = named[name]
    return found


def _known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in _models_in(field.annotation):
            yield from _known_keys(inner, f"{prefix}{name}.")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]


def _explain(path: Path, text: str, error: dict[str, Any], given: Sequence[str] = ()) -> str:
    """One line: file and line, or the override ``given`` for it, key, what is wrong, nearest known key."""
    loc = tuple(error["loc"])
    dotted = ".".join(str(part) for part in loc if not isinstance(part, int))
    override = next((key for key in given if f"{dotted}.".startswith(f"{key}.") or key.startswith(f"{dotted}.")), "")
    where = f"-s {override}" if override else f"{path}:{find_line(text, loc)}"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(dotted, list(_known_keys(Recipe)), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else "; see docs/reference/recipe.md"
        return f"{where}: unknown key {dotted}{hint}"
    if error["type"] == "missing":
        return f"{where}: {dotted} is missing; it has no default"
    return f"{where}: {dotted} = {error.get('input')!r}: {in_words(error['msg'])}"


def in_words(message: str) -> str:
    """A message of pydantic's in the words of TOML, which has lists and no tuples."""
    said = message.removeprefix("Value error, ").replace("valid tuple", "list").replace("Tuple should", "List should")
    return said.replace(" after validation", "")


def find_line(text: str, loc: tuple[Any, ...]) -> int:
    """The line, from 1, on which a key stands in TOML text; of its table where the key itself is not found."""
    names = [str(part) for part in loc if not isinstance(part, int)]
    wanted = next((part for part in loc if isinstance(part, int)), 0)
    best, table, seen = 1, "", -1
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = stripped.strip("[]# ").split("]")[0].replace('"', "")
            if table == ".".join(names[: table.count(".") + 1]):
                seen += stripped.startswith("[[")
                if not stripped.startswith("[[") or seen == wanted:
                    best = number
            continue
        key = stripped.split("=")[0].strip().replace('"', "") if "=" in stripped else ""
        full = f"{table}.{key}" if table else key
        inside = seen == wanted or seen < 0
        if key and inside and (".".join(names) == full or ".".join(names).startswith(full + ".")):
            return number
    return best


def _with_absolute_paths(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return Path(value).expanduser() if value.expanduser().is_absolute() else (folder / value).resolve()
    if isinstance(value, BaseModel):
        made = {name: _with_absolute_paths(getattr(value, name), folder) for name in type(value).model_fields}
        changes = {name: new for name, new in made.items() if new != getattr(value, name)}  # what was not set stays so
        if isinstance(value, TrainSettings) and value.base != "scratch":
            changes["base"] = str(_with_absolute_paths(Path(value.base), folder))
        return value.model_copy(update=changes)
    if isinstance(value, tuple):
        return tuple(_with_absolute_paths(item, folder) for item in value)
    return value
