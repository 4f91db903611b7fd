"""The recipe's table about curation at scale: sources of any size become clean passages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from huatuo.settings import Settings


class CorpusSource(Settings):
    """One source of texts: files of one kind, genre and, where it is known, language."""

    name: str = Field(min_length=1)
    """Name of the source; part of every id made from it."""
    path: Path
    """File, or folder whose files are read in the order of their names."""
    glob: str = "**/*"
    """Which files of the folder, as a pattern of paths below it."""
    format: Literal["auto", "warc", "jsonl", "parquet", "documents"] = "auto"
    """auto: told from the beginning of each file. warc: WARC and WET, also gzipped. jsonl: JSON Lines, also ``.gz`` and
    ``.zst``. parquet: a text per row. documents: a text per file (Markdown, HTML, PDF, DOCX, EPUB, ...)."""
    genre: str = "web"
    """Genre of the texts: web, book, encyclopedia, literature, guideline, ..."""
    language: Literal["", "zh", "en"] = ""
    """Language of the texts; empty: told from each text."""
    text: str = ""
    """Field or column with the text; empty: the usual names are looked for (text, content, 正文, ...)."""
    title: str = ""
    """Field or column with the title; empty: the usual names are looked for."""
    id: str = ""
    """Field or column with an id of the record's own, unique in the source: then ids do not depend on how the source is
    cut into files. Empty: ids are made of file and place."""
    longest: int = Field(64 << 20, ge=1024)
    """Bytes of the longest line, page or text that is loaded; a longer one is skipped and counted."""
    evidence: str = ""
    """Kind of source behind the texts (textbook, guideline, web, ...): goes into every origin."""
    priority: int = Field(0, ge=0)
    """Of the same or nearly the same text in two sources that with the smaller number is kept."""


class LexiconSettings(Settings):
    """How dense a text must be in terms of the domain."""

    files: tuple[Path, ...] = Field(min_length=1)
    """Word lists: a word per line, with its frequency after a tab where it has one."""
    english: bool = True
    """Add the English list that comes with huatuo."""
    general: Path | None = None
    """List of general words, which count for little; absent: the Chinese one that comes with huatuo."""
    general_from: int | None = Field(None, ge=1)
    """Frequency from which a word of the lists counts as general; absent: none does."""
    least: int = Field(50, ge=0, le=1000)
    """Thousandths of a text's characters that terms must cover."""


class CorpusSettings(Settings):
    """Bulk sources to clean passages: `huatuo curate`."""

    sources: tuple[CorpusSource, ...] = ()
    """Where texts are read from; without any the recipe has no bulk corpus."""
    engine: str = Field("here", pattern=r"^(here|pool(:[1-9]\d*)?|daft|ray://[^\s/:]+:\d+)$")
    """Where the stages run, which changes no row: ``here``, ``pool`` (a process per core; ``pool:4``: four), ``daft``
    (threads of one machine), ``ray://HOST:PORT`` (Daft on that Ray cluster, which sees this machine's folders)."""
    languages: tuple[Literal["zh", "en"], ...] = ("zh", "en")
    """Texts in other languages are dropped."""
    doubtful: Literal["share", "lingua"] = "share"
    """What decides where the letters of a text do not tell its language: their shares, or lingua (extra ``language``),
    which also tells English from its neighbours."""
    min_text: int = Field(40, ge=1)
    """Fewest letters and digits of a text."""
    max_chars: int = Field(400, ge=20)
    """Longest passage; text is cut at headings and sentences."""
    min_chars: int = Field(12, ge=1)
    """Fewest letters and digits of a passage."""
    lexicon: LexiconSettings | None = None
    """Domain extraction by density of terms; without it every text is of the domain."""
    filter: Path | None = None
    """Folder of a learned filter; without it no text is judged by one."""
    near: int = Field(7, ge=0, le=10)
    """Tenths of Jaccard similarity (character 5-grams) from which the later of two passages is dropped; 0: keep all."""
    semantic: int = Field(0, ge=0, le=100)
    """Hundredths of cosine (vectors of character runs, weighed by rarity) from which the later of two passages is
    dropped; 0: keep all."""
    decontaminate: bool = True
    """Drop passages that hold a question of ``questions.exams``."""
    samples: int = Field(10, ge=0)
    """Texts shown on the page for each reason."""
