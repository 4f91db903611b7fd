"""What is rated, and how: dimensions, an anchor for every score, guideline and training items, read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from huatuo.errors import InputError
from huatuo.settings import Settings

Code = Literal["zh", "en"]

RESERVED = frozenset({"id", "part", "question", "answer", "seconds", "note"})
"""Names of the other columns of a sheet, which no dimension may have."""


class Words(Settings):
    """The same words in both languages."""

    zh: str = Field(min_length=1)
    """Chinese."""
    en: str = Field(min_length=1)
    """English."""

    def said(self, language: Code) -> str:
        """The words in one language."""
        return self.zh if language == "zh" else self.en


class Dimension(Settings):
    """One thing that is rated."""

    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    """Name in data and code."""
    name: Words
    """Name on sheets and pages."""
    asks: Words
    """The question that the annotator answers."""
    anchors: dict[int, Words]
    """What each score means."""


class Joint(Settings):
    """Safety given usability: which dimension is safety, which is use, and from which score on."""

    rated: str
    """The dimension that silence satisfies."""
    safe_at: int
    """Lowest score that counts as safe."""
    given: str
    """The dimension that silence fails."""
    useful_at: int
    """Lowest score that counts as of use."""


class Training(Settings):
    """An answer that is rated before the real ones, with feedback."""

    question: Words
    """The question."""
    answer: Words
    """The answer."""
    why: Words
    """Why it is rated so."""
    expected: dict[str, int]
    """The right score of each dimension."""


class RatingScale(Settings):
    """A scale with everything that an annotator is told."""

    name: str = Field(pattern="^[a-z][a-z0-9-]*$")
    """Name in signatures."""
    title: Words
    """Title on pages."""
    source: str
    """Whose scale it is."""
    values: tuple[int, ...] = Field(min_length=2)
    """The scores, lowest first."""
    guideline: Words
    """How to rate."""
    dimensions: tuple[Dimension, ...] = Field(min_length=1)
    """What is rated, in the order of the columns."""
    joint: Joint | None = None
    """Safety given usability, where the scale has both."""
    training: tuple[Training, ...] = ()
    """Training items."""

    @model_validator(mode="after")
    def _is_whole(self) -> RatingScale:
        if list(self.values) != sorted(set(self.values)):
            raise ValueError(f"values {list(self.values)} must rise")
        ids = [dimension.id for dimension in self.dimensions]
        if len(set(ids)) < len(ids) or RESERVED & set(ids):
            raise ValueError(f"dimensions {', '.join(ids)} must differ, and none may be {', '.join(sorted(RESERVED))}")
        for dimension in self.dimensions:
            if set(dimension.anchors) != set(self.values):
                raise ValueError(
                    f"dimension {dimension.id} has anchors for {sorted(dimension.anchors)}; "
                    f"expected one for each of {list(self.values)}"
                )
        for number, item in enumerate(self.training, 1):
            if set(item.expected) != set(ids) or not set(item.expected.values()) <= set(self.values):
                raise ValueError(f"training item {number}: expected a score on the scale for each of {', '.join(ids)}")
        if self.joint and not {self.joint.rated, self.joint.given} <= set(ids):
            raise ValueError(f"joint names {self.joint.rated} and {self.joint.given}; dimensions: {', '.join(ids)}")
        return self

    def dimension(self, name: str) -> Dimension:
        """The dimension with this id. Raises KeyError where there is none."""
        return {dimension.id: dimension for dimension in self.dimensions}[name]


def presets() -> list[str]:
    """Names of the scales that come with huatuo."""
    folder = resources.files("huatuo") / "eval" / "sus" / "scales"
    names = (item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))
    return sorted(name for name in names if name != "training")


@lru_cache
def _shipped(name: str) -> str:
    return (resources.files("huatuo") / "eval" / "sus" / "scales" / f"{name}.toml").read_text(encoding="utf-8")


def load(name: str) -> RatingScale:
    """The scale of this name, or in this TOML file, with its training items (the shipped ones for a shipped scale).

    Raises InputError for an unknown name, a file that is no TOML, or a scale that is not whole.
    """
    if name in presets():
        data = tomllib.loads(_shipped(name))
        items = tomllib.loads(_shipped("training"))["items"]
        data["training"] = [_training(item, name) for item in items]
        return _checked(name, data)
    path = Path(name)
    if not path.is_file():
        raise InputError(f"no scale {name!r}; expected one of {', '.join(presets())}, or a TOML file; next: give one")
    try:
        return _checked(name, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no readable TOML ({error}); next: mend the file") from None


def attention() -> tuple[Words, Words]:
    """(question, answer) of an attention item; ``{value}`` in the answer is the score that it asks for."""
    item = tomllib.loads(_shipped("training"))["attention"]
    return Words.model_validate(item["question"]), Words.model_validate(item["answer"])


def _training(item: Mapping[str, Any], scale: str) -> dict[str, Any]:
    return {key: item[key] for key in ("question", "answer", "why")} | {"expected": item[scale]}


def _checked(name: str, data: Mapping[str, Any]) -> RatingScale:
    try:
        return RatingScale.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the scale"
        raise InputError(f"{name}: {place}: {first['msg']}; next: mend the scale (docs/guides/sus.md)") from None
