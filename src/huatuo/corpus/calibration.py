"""Thresholds measured on texts that somebody judged: what density and filter would keep of them, and which one to take.

A threshold is chosen on three judgements of four, drawn by the hash of the text, and measured on the fourth, which did
not choose it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from huatuo.corpus import filter as learned
from huatuo.corpus import judgements, lexicon, sheets
from huatuo.corpus.calibrate import Threshold, best, measured, precise, thresholds_of
from huatuo.corpus.judgements import Judged, of_sheet, read_sheet
from huatuo.corpus.passes import lexicon_of
from huatuo.errors import InputError, RecipeError
from huatuo.llm.base import Model, Sampling
from huatuo.recipe_curate import CorpusSettings, PassageJudge
from huatuo.records_curated import Calibration, ThresholdCount

DENSITIES = (0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300)
"""Densities that are tried, in thousandths of the characters."""

DENSITY_FILE = "density.json"
"""File with the density that was chosen, for ``corpus.lexicon.least``."""


def judged(settings: CorpusSettings, sheet: Path) -> list[Judged]:
    """The texts of the recipe's sources that a sheet judges by ``id`` or ``sha256``, by that name.

    Raises InputError for a bad sheet, and one that judges a text that is not there.
    """
    said = read_sheet(sheet)
    rows = sheets.texts(settings)
    named = ((name, row.normal) for row in rows for name in (row.id, row.sha256) if name in said)
    return of_sheet(said, named, sheet)


def of_density(rows: Sequence[Judged], terms: lexicon.Lexicon, least: float = 0.0) -> Calibration:
    """What each threshold of density keeps of the judged texts; the chosen one has the largest F1, or with a ``least``
    precision keeps most of those whose interval begins there or above.

    Raises InputError where no judged text is to keep, or too few are held out to measure.
    """
    taught = [row for row in rows if not learned.is_held_out(row.text)]
    held = [row for row in rows if learned.is_held_out(row.text)]
    if not held or not any(row.keep for row in taught):
        raise InputError(
            f"{len(rows)} judgements, {sum(row.keep for row in rows)} to keep: too few to choose a threshold and to "
            "measure it; expected some tens of both kinds; next: judge more texts"
        )

    def at(part: Sequence[Judged], thresholds: Sequence[int]) -> list[Threshold]:
        return lexicon.calibrate([terms.density(row.text) for row in part], [row.keep for row in part], thresholds)

    table = at(taught, DENSITIES)
    chosen = precise(table, least) if least else best(table)
    return _calibration("density", table, chosen.thousandths, at(held, [chosen.thousandths])[0], least)


def of_filter(rows: Sequence[Judged], made: learned.Filter) -> Calibration:
    """What each threshold of a filter keeps of the judgements that it holds out, which did not teach it; the chosen one
    is that of the filter."""
    held = [row for row in rows if learned.is_held_out(row.text)]
    scores, labels = learned.thousandths(made.scores([row.text for row in held])), [row.keep for row in held]
    table = measured(scores, labels, thresholds_of(scores))
    return _calibration("filter", table, made.threshold, measured(scores, labels, [made.threshold])[0], 0.0)


def _calibration(what: str, table: Sequence[Threshold], chosen: int, measured_: Threshold, least: float) -> Calibration:
    counts = tuple(ThresholdCount(**asdict(one)) for one in table)
    return Calibration(
        what=what, table=counts, chosen=chosen, measured=ThresholdCount(**asdict(measured_)), least_precision=least
    )


def calibrated(settings: CorpusSettings, rows: Sequence[Judged], least: float = 0.0) -> list[Calibration]:
    """The calibrations of the recipe's lexicon and of its filter. Raises RecipeError where it has neither, and as
    `of_density` and `huatuo.corpus.filter.load`."""
    found = []
    if settings.lexicon is not None:
        terms = lexicon_of(settings.lexicon)
        assert isinstance(terms, lexicon.Lexicon)
        found.append(of_density(rows, terms, least))
    if settings.filter is not None:
        found.append(of_filter(rows, learned.load(settings.filter)))
    if not found:
        raise RecipeError("the recipe has neither a lexicon nor a filter to calibrate; next: add [corpus.lexicon]")
    return found


def trained(rows: Sequence[Judged], folder: Path, least: float = 0.0) -> Calibration:
    """The calibration of the filter that was learned from the judged texts and saved in the folder.

    Raises InputError where they are too few, BusyError where another process writes there.
    """
    made = learned.train(rows, least=least or learned.LEAST_PRECISION)
    learned.save(made, folder)
    return of_filter(rows, made)


def asked(settings: CorpusSettings, rows: Sequence[sheets.Read], model: Model) -> judgements.Asked:
    """What the model says of the drawn texts. Raises as `huatuo.corpus.judgements.of_teacher`."""
    judge = settings.judge or PassageJudge()
    texts = [(row.sha256, row.normal[: sheets.SHOWN], row.language) for row in rows]
    sampling = Sampling(temperature=judge.temperature, max_tokens=judge.max_tokens)
    return judgements.of_teacher(model, texts, judge.currency, judge.least, sampling)
