"""Thresholds for people to choose: what density and filter would keep of texts that somebody judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from huatuo.corpus import filter as learned
from huatuo.corpus import lexicon
from huatuo.corpus.calibrate import HEAD, Threshold, best, measured, thresholds_of
from huatuo.corpus.judgements import Judged, of_sheet, read_sheet
from huatuo.corpus.normalise import normalise_batch
from huatuo.corpus.passes import lexicon_of
from huatuo.corpus.sources import read_all
from huatuo.errors import RecipeError
from huatuo.recipe_curate import CorpusSettings

DENSITIES = (0, 5, 10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300)
"""Densities that are tried, in thousandths of the characters."""


def texts(settings: CorpusSettings) -> Iterator[tuple[str, str]]:
    """(id, normalised text) of every text of the recipe's sources. Raises as `huatuo.corpus.sources.read_all`."""
    for batch in read_all(settings.sources):
        made = normalise_batch(batch)
        yield from zip(made.column("id").to_pylist(), made.column("normal").to_pylist(), strict=True)


def judged(settings: CorpusSettings, sheet: Path) -> list[Judged]:
    """The texts of the recipe's sources that a sheet (``id,label``) judges, by id.

    Raises InputError for a bad sheet.
    """
    return of_sheet(read_sheet(sheet), texts(settings), sheet)


def calibrated(settings: CorpusSettings, rows: Sequence[Judged], terms: lexicon.Lexicon | None) -> list[str]:
    """Lines of tables: what each threshold of density, and of the recipe's filter, keeps of the judged texts.

    A filter is measured on the judgements that it holds out, which did not teach it. Raises RecipeError where the
    recipe has neither a lexicon nor a filter, and as `huatuo.corpus.filter.load`.
    """
    lines: list[str] = []
    if terms is not None:
        found = lexicon.calibrate([terms.density(row.text) for row in rows], [row.keep for row in rows], DENSITIES)
        lines += _table(f"density in thousandths of the characters, {len(rows)} judged texts", found)
        if any(one.right for one in found):
            lines.append(f"largest F1 at {best(found).thousandths}")
    if settings.filter is not None:
        held = [row for row in rows if learned.is_held_out(row.text)]
        scores = learned.thousandths(learned.load(settings.filter).scores([row.text for row in held]))
        table = measured(scores, [row.keep for row in held], thresholds_of(scores))
        lines += _table(f"filter, log-odds in thousandths, {len(held)} held-out texts", table)
    if not lines:
        raise RecipeError("the recipe has neither a lexicon nor a filter to calibrate; next: add [corpus.lexicon]")
    return lines


def trained(rows: Sequence[Judged], folder: Path) -> list[str]:
    """Lines about the filter that was learned from the judged texts and saved in the folder.

    Raises InputError where they are too few, BusyError where another process writes there.
    """
    made = learned.train(rows)
    learned.save(made, folder)
    about = made.about
    chosen = Threshold(**{name: about["measured"][name] for name in ("thousandths", "kept", "right", "wanted")})
    head = f"filter of {about['judgements']} judgements ({about['kept']} to keep), {about['held_out']} held out"
    return [*_table(head, [chosen]), f"saved in {folder}"]


def from_sheet(settings: CorpusSettings, sheet: Path, folder: Path | None) -> list[str]:
    """Lines about the thresholds of the recipe; with a ``folder`` about the filter that is trained and saved there.

    Raises as `judged`, `calibrated` and `trained`.
    """
    rows = judged(settings, sheet)
    if folder is not None:
        return trained(rows, folder)
    terms = lexicon_of(settings.lexicon) if settings.lexicon is not None else None
    assert terms is None or isinstance(terms, lexicon.Lexicon)
    return calibrated(settings, rows, terms)


def _table(title: str, found: Sequence[Threshold]) -> list[str]:
    return [title, HEAD, *(one.line() for one in found)]
