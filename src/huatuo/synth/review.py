"""Pairs go out to people as a sheet, and come back accepted, edited or rejected.

Only ``id``, ``decision``, the two edited cells and ``note`` are taught from: what a spreadsheet does to the other cells
(a date made of 1-2, a lost zero) is without effect. A question or an answer that a person changed in its own column,
and an edited cell or a note without a decision, become findings: a correction is never lost in silence. An id begins
with ``p-``, so none is taken for a number.

| rule | the row | the machine's pair |
|---|---|---|
| `changed_in_place` | its own ``question`` or ``answer`` was changed, and no edited text stands beside it | held back |
| `edit_without_decision` | an edited text without a decision | held back |
| `bad_decision`, `bad_edit`, `unreadable_text` | what was decided cannot be told | held back |
| `note_without_decision` | a note and no more | taught |
| `reviewer_note` | decided, and the reviewer wrote a note | as decided |
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huatuo.errors import DataError, InputError, RecipeError, require
from huatuo.readers.encoding import check_file, read_text
from huatuo.recipe import ImportSource
from huatuo.records import Finding, Message, Pair, Provenance
from huatuo.store import Writer, content_id, read
from huatuo.synth.judge import source_texts
from huatuo.synth.pair import make_pair
from huatuo.text.cells import CELL_CHARS, SHEET_ROWS, safe_cell

COLUMNS = ("id", "question", "answer", "facts", "source", "decision", "edited question", "edited answer", "note")
"""Columns of the sheet; the last four are for the reviewer."""

READ_BACK = ("id", "decision", "edited question", "edited answer", "note")
"""Columns that must come back."""

EDITED = ("edited question", "edited answer")
"""Columns for the reviewer's own text."""

Decision = Literal["accept", "edit", "reject"]
DECISIONS: dict[str, Decision] = {
    "accept": "accept", "accepted": "accept", "接受": "accept", "通过": "accept", "采纳": "accept",
    "edit": "edit", "edited": "edit", "修改": "edit", "编辑": "edit",
    "reject": "reject", "rejected": "reject", "拒绝": "reject", "驳回": "reject", "不通过": "reject",
}  # fmt: skip
"""What may stand in the column ``decision``, whatever its case; an empty cell is a pair not reviewed yet."""

HELD_BACK = "held_back"
"""Why a machine's pair is left whose row in a sheet does not say what becomes of it."""

_PREFIX = "p-"
_LOST = "\ufffd"
_WORDS = re.compile(r"[\u3400-\u9fff]|[A-Za-z]{10}|(?:[A-Za-z]+\s+){3}")


# ---------------------------------------------------------------- out


def export_review(run: Path, out_folder: Path) -> list[Path]:
    """The sheets written, ``review.csv`` (UTF-8 with a byte order mark) and ``review.xlsx``, of the pairs of a run or
    of a data set of pairs; what the facts say stands beside them where the run holds it.

    Raises DataError where there are no pairs or a cell is too long, MissingExtraError where XlsxWriter is missing.
    """
    xlsxwriter = require("xlsxwriter", "docs")
    pairs = run / "unify" if (run / "unify").exists() else run
    folders = [run / name if (run / name / "manifest.json").exists() else None for name in ("ingest", "curate")]
    texts = source_texts(*folders)
    out_folder.mkdir(parents=True, exist_ok=True)
    table, book_path = out_folder / "review.csv", out_folder / "review.xlsx"
    count = 0
    book = xlsxwriter.Workbook(str(book_path), {"strings_to_formulas": False, "strings_to_urls": False})
    try:
        sheet, text_format = book.add_worksheet("review"), book.add_format({"num_format": "@", "text_wrap": True})
        sheet.set_column(1, len(COLUMNS) - 1, 40, text_format)  # what is typed stays text, and is no date
        sheet.write_row(0, 0, COLUMNS)
        with table.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for count, pair in enumerate(read(pairs, "pairs", Pair), 1):
                row = _row(pair, texts)
                _check_row(book_path, count, row)
                writer.writerow(row)
                for column, cell in enumerate(row):
                    sheet.write_string(count, column, cell, text_format)
        sheet.data_validation(
            1, 5, max(count, 1), 5, {"validate": "list", "source": ["accept", "edit", "reject"], "ignore_blank": True}
        )
    finally:
        book.close()
    if not count:
        raise DataError(f"{pairs}: holds no pairs; expected at least one; next: run the stage unify")
    return [table, book_path]


def _check_row(path: Path, number: int, row: list[str]) -> None:
    if number >= SHEET_ROWS:
        raise DataError(f"{path}: more than {SHEET_ROWS - 1:,} pairs do not fit a sheet; next: review a smaller run")
    wide = next((name for name, cell in zip(COLUMNS, row, strict=True) if len(cell) > CELL_CHARS), "")
    if wide:
        raise DataError(
            f"{path}: {wide} of pair {row[0]} is longer than the {CELL_CHARS:,} characters of a cell; next: drop such "
            "pairs, or shorten the passages (curate.max_chars)"
        )


def _row(pair: Pair, texts: Mapping[str, str]) -> list[str]:
    turns = [f"{'问' if m.role == 'user' else '答'}：{m.content}" for m in pair.messages[:-2] if m.role != "system"]
    question = "\n".join([*turns, pair.messages[-2].content])
    known = [texts[parent] for parent in pair.parents if parent in texts] or list(pair.parents)
    shown = (question, pair.messages[-1].content, "\n".join(known), pair.source)
    return [_PREFIX + pair.id, *map(safe_cell, shown), "", "", "", ""]


# ---------------------------------------------------------------- back


class Row(NamedTuple):
    """One row of a sheet."""

    item: str
    """Its id in the account."""
    place: str
    """``review.csv, row 12``, the header being row 1."""
    source: str
    """Source name of what becomes of it."""
    pair_id: str
    """The machine's pair."""
    decision: Decision
    """What the reviewer decided."""
    question: str
    """The edited question; empty: as it was."""
    answer: str
    """The edited answer; empty: as it was."""
    note: str
    """Why."""
    found: tuple[str, str] = ("", "")
    """`_folded` columns question and answer as they came back; empty where they did not."""
    excerpt: str = ""
    """What stands there."""


class Refused(NamedTuple):
    """A row that decides nothing."""

    item: str
    """Its id in the account."""
    rule: str
    """``bad_decision``, ``bad_edit``, ``unreadable_text``, ``edit_without_decision``; ``not_reviewed`` for a row
    without a decision, ``note_without_decision`` where a note stands in it."""
    reason: str
    """Why, with the place."""
    excerpt: str
    """What stands there."""
    pair_id: str
    """The machine's pair."""
    place: str
    """``review.csv, row 12``."""
    found: tuple[str, str] = ("", "")
    """As in `Row`."""


def read_review(source: ImportSource) -> Iterator[Row | Refused]:
    """The rows of a sheet in order; CSV in any encoding and with comma, semicolon or tab, or XLSX.

    Raises InputError where the file is missing, unreadable, or lacks a column.
    """
    check_file(source.path)
    lines = _workbook(source.path) if source.path.suffix.lower() in (".xlsx", ".xlsm", ".xls") else _text(source.path)
    columns: dict[str, int] | None = None
    for number, cells in lines:
        if not any(str(cell).strip() for cell in cells):
            continue
        if columns is None:
            columns = _header(source.path, cells)
            continue
        given = {name: cells[place] if place < len(cells) else "" for name, place in columns.items()}
        yield _read_row(source, number, given)
    if columns is None:
        raise InputError(f"{source.path}: holds no row; expected the header of a review; next: check the file")


def _text(path: Path) -> Iterator[tuple[int, list[Any]]]:
    text = read_text(path).text
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    try:
        yield from enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1)
    except csv.Error as error:
        raise InputError(f"{path}: not a readable table ({error}); next: save it again as CSV") from None


def _workbook(path: Path) -> Iterator[tuple[int, list[Any]]]:
    calamine = require("python_calamine", "docs")
    try:
        with calamine.CalamineWorkbook.from_path(str(path)) as book:
            rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (calamine.CalamineError, zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: not a readable workbook ({error}); next: save it again as .xlsx") from None
    yield from enumerate(rows, 1)


def _header(path: Path, cells: list[Any]) -> dict[str, int]:
    names = [" ".join(str(cell).lower().replace("_", " ").split()) for cell in cells]
    for name in READ_BACK:
        if names.count(name) != 1:
            raise InputError(
                f"{path}: the column {name!r} stands {names.count(name)} times in the header ({', '.join(names)}); "
                f"expected once; next: keep the columns {', '.join(READ_BACK)}"
            )
    return {name: names.index(name) for name in COLUMNS if name in names}


def _read_row(source: ImportSource, number: int, cells: Mapping[str, Any]) -> Row | Refused:
    place = f"{source.path.name}, row {number}"
    item = content_id("review", source.name, source.path.name, str(number))
    given, note = (str(cells[name]).strip() for name in ("decision", "note"))
    shown = " | ".join(str(cell)[:60] for cell in cells.values())[:300]
    pair_id = str(cells["id"]).strip().lower().removeprefix(_PREFIX)
    found = (_folded(str(cells.get("question", ""))), _folded(str(cells.get("answer", ""))))

    def refused(rule: str, reason: str) -> Refused:
        return Refused(item, rule, f"{place}: {reason}", shown, pair_id, place, found)

    if not given:
        if any(str(cells[name]).strip() for name in EDITED):
            return refused("edit_without_decision", "an edited text without a decision; next: write edit beside it")
        if note:
            return refused("note_without_decision", f"no decision yet, but the note {note[:80]!r}")
        return refused("not_reviewed", "no decision yet")
    decision = DECISIONS.get(given.lower())
    if decision is None:
        return refused("bad_decision", f"{given!r}; expected accept, edit or reject")
    edits = []
    for name in EDITED:
        cell = cells[name]
        if not isinstance(cell, str):
            said = f"{name} is a {type(cell).__name__} ({cell}); expected text: the spreadsheet changed it"
            return refused("bad_edit", f"{said}; next: format the cell as text")
        if _LOST in cell:
            return refused(
                "unreadable_text", f"{name} holds characters that could not be read; next: save the sheet as UTF-8"
            )
        edits.append(_typed(cell))
    if (decision == "edit") != any(edits) and decision != "reject":
        wrong = "edit without an edited text" if decision == "edit" else "accept beside an edited text"
        return refused("bad_decision", f"{wrong}; expected one or the other")
    question, answer = edits
    return Row(item, place, source.name, pair_id, decision, question, answer, note, found, shown)


def _folded(text: str) -> str:
    """What two writings of one cell share: without blanks, guards, and characters that GBK has not."""
    return re.sub(r"[\s?']+", "", text.encode("gbk", "ignore").decode("gbk"))


def changed(pair: Pair, row: Row | Refused) -> str:
    """The column, ``question`` or ``answer``, that a person changed in its place without an edited text beside it;
    else empty. A cell without words is not compared: a spreadsheet makes dates and numbers of such."""
    exported = _row(pair, {})[1:3]
    edited = (row.question, row.answer) if isinstance(row, Row) else ("", "")
    for name, was, now, edit in zip(("question", "answer"), exported, row.found, edited, strict=True):
        if now and not edit and _WORDS.search(was) and _folded(was) != now:
            return name
    return ""


def _typed(cell: str) -> str:
    """The cell as the reviewer meant it: without the ``'`` that guards a formula, and with one kind of line end."""
    text = cell.strip().replace("\r\n", "\n").replace("\r", "\n")
    return text[1:] if text[:1] == "'" and safe_cell(text[1:]) == text else text


# ---------------------------------------------------------------- together


class Reviews:
    """The decisions of all sheets, by the machine's pair; the account of their rows."""

    def __init__(self, imports: tuple[ImportSource, ...], out: Writer):
        """Read the sheets among the imports; what is wrong with their rows is written to ``out`` at once.

        Raises InputError for a sheet that cannot be read.
        """
        self._out = out
        self._rows: dict[str, Row] = {}
        self._open: dict[str, Refused] = {}
        """Rows that decide nothing."""
        self._held: dict[str, str] = {}
        """Why a pair is held back."""
        self._met: set[str] = set()
        for source in imports:
            for row in read_review(source) if source.format == "review" else ():
                self._take(row)

    def _take(self, row: Row | Refused) -> None:
        self._out.expect((row.item,))
        if isinstance(row, Refused):
            self._refuse(row)
        elif row.pair_id in self._rows:
            first = self._rows[row.pair_id]
            reason = f"{row.place}: the pair is decided in {first.place} already ({first.decision})"
            self._out.drop(row.item, "reviewed_twice", reason, first.item, row.note)
        else:
            self._rows[row.pair_id] = row
            if row.note:
                self._find("reviewer_note", "note", row.pair_id, row.place, f"{row.decision}: {row.note}")

    def _refuse(self, row: Refused) -> None:
        waits = row.rule in ("not_reviewed", "note_without_decision")
        end = self._out.leave if waits else self._out.drop
        end(row.item, row.rule, row.reason, excerpt=row.excerpt)
        if row.rule != "not_reviewed":
            self._find(row.rule, "warning", row.pair_id, row.place, f"{row.reason} | {row.excerpt}")
        if waits:
            self._open[row.pair_id] = row
        else:
            self._held[row.pair_id] = row.reason

    def _find(self, rule: str, severity: Literal["note", "warning"], pair_id: str, place: str, message: str) -> None:
        found = Finding(rule=rule, severity=severity, subject=pair_id, place=place, message=message)
        self._out.write("findings", found)

    def held(self, pair: Pair) -> str:
        """Why a pair is held back: its row cannot be told, or was changed where nothing is read; else empty."""
        if pair.id not in self._held:
            row = self._rows.get(pair.id) or self._open.get(pair.id)
            rejected = isinstance(row, Row) and row.decision == "reject"
            if row is None or rejected or not (column := changed(pair, row)):
                return ""
            reason = f"{row.place}: the {column} was changed in its own column; next: write it under edited {column}"
            self._held[pair.id] = reason
            self._find("changed_in_place", "warning", pair.id, row.place, f"{reason} | {row.excerpt}")
            if isinstance(row, Row):
                del self._rows[pair.id]
                self._out.drop(row.item, "changed_in_place", reason, excerpt=row.excerpt)
        return self._held[pair.id]

    def of(self, pair: Pair) -> Row | None:
        """The decision about a pair, None where there is none."""
        row = self._rows.get(pair.id)
        if row is not None:
            self._met.add(pair.id)
            if row.source == pair.source:
                raise RecipeError(
                    f"unify.imports: the review {row.source!r} has the name of the source that it reviews; expected a "
                    "name of its own, by which the order weighs it; next: rename it"
                )
        return row

    def settle(self) -> None:
        """End the rows: used where their pair was met, else dropped as unknown."""
        for pair_id, row in self._rows.items():
            if pair_id in self._met:
                self._out.use((row.item,))
            else:
                reason = f"{row.place}: no pair {pair_id[:40]!r} is here; expected an id of the sheet that was exported"
                self._out.drop(row.item, "unknown_id", reason, excerpt=row.note)


def reviewed(pair: Pair, row: Row) -> Pair:
    """The person's pair: the machine's with the edited texts, the machine's pair as its first parent."""
    turns = list(pair.messages)
    if row.question:
        turns[-2] = Message(role="user", content=row.question)
    if row.answer:
        turns[-1] = Message(role="assistant", content=row.answer)
    parents = dict.fromkeys((pair.id, *pair.parents))
    provenance = Provenance(by="human", model=pair.provenance.model)
    return make_pair(turns, row.source, pair.shape, provenance, parents, pair.entities)
