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
