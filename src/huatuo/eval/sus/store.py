"""The one store of a study: items, who sees them in which order, and the ratings. A SQLite file, or PostgreSQL by URL.

Sheets and, later, web pages write to the same tables. The study's secret and the models' names stay here: an annotator
sees blind ids only, which nobody can turn back without the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huatuo.errors import DataError, InputError, require
from huatuo.eval.sus.order import Part, Slot
from huatuo.store import now

PREFIX = "r-"
"""Beginning of a blind id, so that no spreadsheet takes it for a number or a date."""

VERSION = 1
"""Version of the tables; raised when they change."""

NEXT = "next: check its address, name and password, and that it can be written"


@dataclass(frozen=True)
class Item:
    """One answer, training item or attention item."""

    key: str
    """Name within the study: never leaves the store."""
    question_id: str
    """The question; empty for training and attention items."""
    response_id: str
    """The answer; empty for training and attention items."""
    model: str
    """Whose answer it is; empty for training and attention items."""
    question: str
    """What was asked."""
    answer: str
    """What was answered."""
    expected: str = ""
    """The right score of each dimension as JSON, for training and attention items."""
    why: str = ""
    """Feedback of a training item."""


@dataclass(frozen=True)
class Place:
    """One item in one annotator's order."""

    blind: str
    """Blind id."""
    annotator: str
    """Who sees it."""
    position: int
    """Place in their order, from 1."""
    part: Part
    """What it is for."""
    item: Item
    """The item."""


@dataclass(frozen=True)
class Given:
    """One rating as it was read."""

    blind: str
    """Blind id of the item."""
    dimension: str
    """What is rated."""
    value: int | None
    """The score; None with a reason in ``unscored``."""
    unscored: str = ""
    """``cannot judge``, ``left empty``, ``unparsed: ...``; else empty."""
    seconds: float | None = None
    """Time for the item."""
    note: str = ""
    """Remark."""
    time: str = ""
    """When it was read."""


@dataclass(frozen=True)
class Study:
    """What a study is."""

    name: str
    """Name."""
    scale: str
    """The scale as JSON."""
    language: str
    """Language of the sheets."""
    seed: int
    """Seed of the order."""
    made: str
    """UTC time it was made."""


def blind_id(secret: str, study: str, annotator: str, part: str, key: str) -> str:
    """The blind id of an item for an annotator: ten letters of an HMAC-SHA256 under the study's secret.

    The same answer has another id for every annotator, and for its second time, so that sheets laid side by side tell
    nothing. 50 bits: among 100,000 items two are alike once in 200,000 studies.
    """
    text = "\0".join((study, annotator, part, key))
    digest = hmac.new(bytes.fromhex(secret), text.encode("utf-8"), hashlib.sha256).digest()
    return PREFIX + base64.b32encode(digest).decode("ascii")[:10].lower()


def url_of(place: str | Path) -> str:
    """The URL of a database: as it is, or of the SQLite file of a study's folder."""
    return str(place) if "://" in str(place) else f"sqlite:///{Path(place) / 'study.sqlite'}"


def _tables() -> Any:
    sql = require("sqlalchemy", "stats")
    meta = sql.MetaData()
    text, whole, real = sql.Text, sql.Integer, sql.Float

    def column(name: str, kind: Any, key: bool = False, null: bool = False) -> Any:
        return sql.Column(name, kind, primary_key=key, nullable=null)

    study = ("study", sql.String(200), True)
    sql.Table(
        "sus_studies", meta, column(*study), column("version", whole), column("scale", text), column("language", text),
        column("seed", whole), column("made", text), column("secret", text),
    )  # fmt: skip
    sql.Table(
        "sus_items", meta, column(*study), column("key", sql.String(200), True), column("question_id", text),
        column("response_id", text), column("model", text), column("question", text), column("answer", text),
        column("expected", text), column("why", text),
    )  # fmt: skip
    sql.Table(
        "sus_places", meta, column(*study), column("blind", sql.String(20), True), column("annotator", text),
        column("position", whole), column("part", text), column("key", text),
    )  # fmt: skip
    sql.Table(
        "sus_ratings", meta, column(*study), column("blind", sql.String(20), True),
        column("dimension", sql.String(80), True), column("value", whole, null=True), column("unscored", text),
        column("seconds", real, null=True), column("note", text), column("time", text),
    )  # fmt: skip
    return meta


class StudyStore:
    """One study in a database. Made by `create`, found again by `open_study`."""

    def __init__(self, engine: Any, study: str, file: Path | None = None):
        """Speak to ``engine`` about the study of this name; ``file``: of an SQLite database that `begin` makes."""
        self._engine, self._name, self._file = engine, study, file
        self._meta = _tables()
        self._sql = require("sqlalchemy", "stats")

    def _table(self, name: str) -> Any:
        return self._meta.tables[f"sus_{name}"]

    def _rows(self, name: str) -> Iterator[Mapping[str, Any]]:
        table = self._table(name)
        with _guarded(), self._engine.connect() as connection:
            for row in connection.execute(self._sql.select(table).where(table.c.study == self._name)).mappings():
                yield dict(row)

    def begin(self, study: Study, items: Iterable[Item], orders: Mapping[str, Sequence[tuple[Slot, str]]]) -> None:
        """Make the tables and write the study: its items, and every annotator's slots with the keys of their items.

        Raises InputError where a study of this name is there already: ratings would be lost.
        """
        if self._file is not None:  # before SQLite makes it readable by everybody
            self._file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        with _guarded(), self._engine.begin() as connection:
            self._meta.create_all(connection)
            table = self._table("studies")
            if connection.execute(self._sql.select(table.c.study).where(table.c.study == self._name)).first():
                raise InputError(
                    f"a study {self._name!r} is there already, and making it anew would lose its ratings; "
                    "next: give it another name or folder"
                )
            row = {"study": self._name, "version": VERSION, "secret": secrets.token_hex(32)}
            row |= {k: getattr(study, k) for k in ("scale", "language", "seed", "made")}
            connection.execute(table.insert(), row)
            connection.execute(self._table("items").insert(), [{"study": self._name} | vars(item) for item in items])
            self._seat(connection, str(row["secret"]), orders)

    def seat(self, orders: Mapping[str, Sequence[tuple[Slot, str]]]) -> None:
        """Give further annotators their places."""
        secret = str(next(self._rows("studies"))["secret"])
        with _guarded(), self._engine.begin() as connection:
            self._seat(connection, secret, orders)

    def _seat(self, connection: Any, secret: str, orders: Mapping[str, Sequence[tuple[Slot, str]]]) -> None:
        places = [
            {
                "study": self._name,
                "blind": blind_id(secret, self._name, annotator, slot.part, key),
                "annotator": annotator,
                "position": position,
                "part": slot.part,
                "key": key,
            }
            for annotator, slots in orders.items()
            for position, (slot, key) in enumerate(slots, 1)
        ]
        connection.execute(self._table("places").insert(), places)

    def check(self, place: str | Path) -> None:
        """Raises InputError where the study is not there, DataError where it is of a newer version."""
        with _guarded():
            known = self._sql.inspect(self._engine).has_table("sus_studies")
        row = next(self._rows("studies"), None) if known else None
        if row is None:
            raise InputError(f"{place}: holds no study {self._name!r}; next: huatuo sus make, or give its name")
        if row["version"] > VERSION:
            raise DataError(f"{place}: a newer huatuo made this study (version {row['version']}); next: update huatuo")

    def study(self) -> Study:
        """What the study is."""
        row = next(self._rows("studies"))
        return Study(self._name, row["scale"], row["language"], row["seed"], row["made"])

    def places(self) -> list[Place]:
        """Every annotator's places, in their order."""
        items = {row["key"]: Item(**{k: row[k] for k in Item.__dataclass_fields__}) for row in self._rows("items")}
        found = [
            Place(row["blind"], row["annotator"], row["position"], row["part"], items[row["key"]])
            for row in self._rows("places")
        ]
        return sorted(found, key=lambda place: (place.annotator, place.position))

    def ratings(self) -> dict[tuple[str, str], Given]:
        """The ratings by blind id and dimension."""
        rows = ({k: row[k] for k in Given.__dataclass_fields__} for row in self._rows("ratings"))
        return {(row["blind"], row["dimension"]): Given(**row) for row in rows}

    def save(self, ratings: Sequence[Given]) -> int:
        """Write ratings over earlier ones of the same item and dimension; how many of those said something else."""
        before = self.ratings()
        changed = sum(
            (old := before.get((r.blind, r.dimension))) is not None
            and (old.value, old.unscored) != (r.value, r.unscored)
            for r in ratings
        )
        table, time = self._table("ratings"), now()
        bound = {name: self._sql.bindparam(f"old_{name}") for name in ("study", "blind", "dimension")}
        here = self._sql.and_(*(table.c[name] == value for name, value in bound.items()))
        rows = [{"study": self._name} | vars(given) | {"time": given.time or time} for given in ratings]
        keys = [{f"old_{name}": row[name] for name in bound} for row in rows]
        with _guarded(), self._engine.begin() as connection:
            if rows:
                connection.execute(table.delete().where(here), keys)
                connection.execute(table.insert(), rows)
        return changed

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()


@contextmanager
def _guarded() -> Iterator[None]:
    """What the database says, as an error for the user."""
    sql = require("sqlalchemy", "stats")
    try:
        yield
    except sql.exc.SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError(f"the store of the study: {said}; {NEXT}") from None


def _engine(url: str) -> Any:
    sql = require("sqlalchemy", "stats")
    if url.startswith("postgresql"):
        require("pg8000", "postgres")
        url = "postgresql+pg8000" + url[url.index("://") :]
    with _guarded():
        return sql.create_engine(url)


def create(place: str | Path, name: str) -> StudyStore:
    """The store of a study that is to be made, in a folder's SQLite file or at a database's URL.

    Nothing is written before `StudyStore.begin`; the file is then readable by its owner alone. Raises DataError for a
    URL that cannot be used.
    """
    file = None if "://" in str(place) else Path(place) / "study.sqlite"
    return StudyStore(_engine(url_of(place)), name, file)


def open_study(place: str | Path, name: str) -> StudyStore:
    """The store of a study that was made.

    Raises InputError where there is none, DataError where it is of a newer version or cannot be reached.
    """
    if "://" not in str(place) and not (Path(place) / "study.sqlite").is_file():
        raise InputError(f"{place}: holds no study (study.sqlite); next: huatuo sus make")
    found = StudyStore(_engine(url_of(place)), name)
    try:
        found.check(place)
    except (InputError, DataError):
        found.close()
        raise
    return found
