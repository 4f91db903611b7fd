"""Judgements of texts, which the filter learns from: a person's sheet, or the scores of a model that is asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from huatuo.errors import InputError
from huatuo.llm import prompts, scored
from huatuo.llm.base import Model, Sampling
from huatuo.llm.money import Spent
from huatuo.readers.encoding import read_text
from huatuo.records import Message

KEEP = {"keep": True, "1": True, "yes": True, "good": True, "留": True, "是": True}
DROP = {"drop": False, "0": False, "no": False, "bad": False, "弃": False, "否": False}
NAMES = ("sha256", "id")
"""Columns by which a text is known."""

LABELS = KEEP | DROP
"""What may stand in a sheet's column ``label``."""

LEAST_SCORE = 4
"""Score of a teacher, 1 to 5, from which a text is worth keeping: FineWeb-Edu (arXiv 2406.17557) keeps 3 of 0 to 5."""

PROMPT = "passage_quality"
"""Name of the prompt, before the language."""

SAMPLING = Sampling(temperature=0.0, max_tokens=32)
"""How a model is asked where nothing else is said: a score is a few tokens."""


class Judged(NamedTuple):
    """One text and whether it is worth keeping."""

    id: str
    """Id of the text."""
    text: str
    """The text."""
    keep: bool
    """The judgement."""
    by: str = ""
    """Who judged: the model's name, or what a person wrote; empty: nobody said."""


class Label(NamedTuple):
    """What a sheet says of one text."""

    keep: bool
    """Whether to keep it."""
    by: str = ""
    """See `Judged`."""


def read_sheet(path: Path) -> dict[str, Label]:
    """Id → whether to keep it, of a CSV file with a column ``label``, and ``id`` or ``sha256``
    (`huatuo.corpus.sheets.digest`) for its name; rows without a label are left out. A column ``by`` says who judged.

    Raises InputError for a file without the columns or a judgement, another label, and two labels of one id that
    differ."""
    rows = list(csv.reader(io.StringIO(read_text(path).text)))
    head = [name.strip().lower() for name in rows[0]] if rows else []
    name = next((name for name in NAMES if name in head), "")
    if not name or "label" not in head:
        raise InputError(
            f"{path}: columns are {', '.join(head) or 'none'}; expected id (or sha256) and label; next: name them so, "
            "or let --draw make a sheet"
        )
    found: dict[str, Label] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = dict(zip(head, (cell.strip() for cell in row), strict=False))
        said = cells.get("label", "").lower()
        if not said:
            continue
        if said not in LABELS or not cells[name]:
            raise InputError(
                f"{path}:{number}: label {said!r} of {cells[name]!r}; expected an id and one of {', '.join(LABELS)}; "
                "next: mend the row"
            )
        if found.setdefault(cells[name], Label(LABELS[said], cells.get("by", ""))).keep != LABELS[said]:
            raise InputError(
                f"{path}:{number}: {cells[name]} is judged twice, and differently; next: keep one of the rows"
            )
    if not found:
        raise InputError(f"{path}: no row has a label; next: fill in the column label")
    return found


def of_sheet(sheet: Mapping[str, Label], texts: Iterable[tuple[str, str]], path: Path) -> list[Judged]:
    """The judged ones of the (id, text) rows, by id; of rows with one id the first.

    Raises InputError where a judged id is not among them.
    """
    found: dict[str, Judged] = {}
    for row_id, text in texts:
        if row_id in sheet and row_id not in found:
            found[row_id] = Judged(row_id, text, *sheet[row_id])
    missing = sorted(set(sheet) - set(found))
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {len(sheet)} judged ids are in no text, the first {missing[0]!r}; "
            "next: give the sheet made from these sources"
        )
    return [found[row_id] for row_id in sorted(found)]


class Asked(NamedTuple):
    """What a teacher said of some texts."""

    judged: list[Judged]
    """The texts that it scored."""
    unscored: dict[str, str]
    """Id → why a text has no score: it is not judged."""
    spent: Spent
    """What the replies used."""


def of_teacher(
    model: Model,
    texts: Sequence[tuple[str, str, str]],
    currency: str = "",
    least: int = LEAST_SCORE,
    sampling: Sampling = SAMPLING,
) -> Asked:
    """The judgements of the (id, text, language) rows by a model; a reply that gives no clear score is none.

    A cache before the model keeps what was paid for, and its limit on money holds. Raises what the model raises when
    going on is useless.
    """
    asked = [
        prompts.load(f"{PROMPT}.{'en' if lang == 'en' else 'zh'}").render({"text": text}) for _, text, lang in texts
    ]
    judged: list[Judged] = []
    unscored: dict[str, str] = {row_id: "the model gave no reply" for row_id, _, _ in texts}
    spent = Spent(currency)
    for index, reply in (
        model.chat([(Message(role="user", content=text),) for text in asked], sampling) if asked else ()
    ):
        spent = spent.add(reply)
        row_id, text, _ = texts[index]
        if reply.finish_reason != "stop":
            unscored[row_id] = reply.error or f"the reply ended with {reply.finish_reason}"
            continue
        read = scored.read_scores(reply.text, {"quality": range(1, 6)})
        if read.values is None:
            unscored[row_id] = read.unscored
        else:
            del unscored[row_id]
            judged.append(Judged(row_id, text, read.values["quality"] >= least, model.name))
    return Asked(sorted(judged), unscored, spent)
