"""What curation at scale says of its stages: how much each kept, why it dropped the rest, and samples."""

from __future__ import annotations

from huatuo.records import Record


class FunnelCount(Record):
    """Texts of one kind that met one end in one stage."""

    stage: str
    """texts, clean, segments or kept."""
    source: str
    """Source, as the recipe calls it."""
    language: str
    """Language of the texts."""
    genre: str
    """Genre of the texts."""
    rule: str
    """Rule that dropped them; empty: they were kept."""
    texts: int
    """How many."""
    chars: int
    """Their characters; 0 of what could not be read as a text."""


class FunnelSample(Record):
    """One text that a rule dropped, to look at."""

    stage: str
    """Stage that decided."""
    rule: str
    """Name of the rule."""
    id: str
    """Id of the text or passage."""
    reason: str
    """Why, with the figures that decided."""
    witness: str
    """Id of the earlier text or the question that proves it; empty where the text itself does."""
    place: str
    """Source, file and place."""
    text: str
    """Its beginning."""


class ThresholdCount(Record):
    """What a threshold keeps of judged texts."""

    thousandths: int
    """Least score of a text that is kept: thousandths of the characters that terms cover, or of log-odds."""
    kept: int
    """Judged texts that are kept."""
    right: int
    """Kept texts that are to keep."""
    wanted: int
    """Judged texts that are to keep."""


class Calibration(Record):
    """Thresholds of one score, measured on texts that somebody judged."""

    what: str
    """density or filter."""
    table: tuple[ThresholdCount, ...]
    """What each threshold keeps of the texts on which one is chosen; of a filter, of those it holds out."""
    chosen: int
    """The threshold that was chosen, in thousandths."""
    measured: ThresholdCount
    """What it keeps of the texts that did not choose it (of a density) or did not teach it (of a filter)."""
    least_precision: float
    """Precision that was asked for; 0: the largest F1 was."""
