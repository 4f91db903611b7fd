"""The recipe's table about curation at scale: sources of any size become clean passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huatuo.recipe_teacher import TeacherSettings
from huatuo.settings import Settings


class CorpusSource(Settings):
    """One source of texts: files of one kind, genre and, where it is known, language."""

    name: str = Field(min_length=1)
    """Name of the source; part of every id made from it."""
    path: Path
    """File, or folder whose files are read in the order of their names."""
    glob: str = "**/*"
    """Which files of the folder, as a pattern of paths below it."""
    format: Literal["auto", "warc", "jsonl", "parquet", "table", "documents"] = "auto"
    """auto: told from the beginning of each file. warc: WARC and WET, also gzipped. jsonl: JSON Lines, also ``.gz`` and
    ``.zst``. parquet: a text per row. table: CSV, TSV and XLSX with a line of names, a text per row. documents: a text
    per file (Markdown, HTML, PDF, DOCX, EPUB, ...) or per record of a JSON file."""
    genre: str = "web"
    """Genre of the texts: web, book, encyclopedia, literature, guideline, ..."""
    language: Literal["", "zh", "en"] = ""
    """Language of the texts; empty: told from each text."""
    text: str | tuple[str, ...] = ""
    """Field or column with the text, ``info.text`` for a nested one; several, as of question and answer, are joined by
    line ends; empty: the usual names are looked for (text, content, 正文, ...)."""
    record: str = ""
    """XML: name of the element that is a text of its own; empty: the file is one text."""
    title: str = ""
    """Field or column with the title; empty: the usual names are looked for."""
    id: str = ""
    """Field or column with an id of the record's own, unique in the source (of texts with one id one is kept): then
    ids do not depend on how the source is cut into files. Empty: ids are made of file and place."""
    longest: int = Field(64 << 20, ge=1024)
    """Bytes of the longest line, page or text that is loaded; a longer one is skipped and counted."""
    of_field: bool = False
    """The whole source is of the field: none of its texts is dropped for its density of terms, which a chapter on
    chemistry or on the law of health insurance may lack."""
    evidence: str = ""
    """Kind of source behind the texts (textbook, guideline, web, ...): goes into every origin."""
    priority: int = Field(0, ge=0, le=9999)
    """Of the same or nearly the same text in two sources that with the smaller number is kept."""


class LexiconSettings(Settings):
    """How dense a text must be in terms of the domain."""

    files: tuple[Path, ...] = ()
    """Word lists: a word per line, with its frequency after a tab where it has one."""
    graphs: tuple[Path, ...] = ()
    """Knowledge that a run has read (``runs/NAME/ingest``), whose entities' names and other names are terms too, those
    of one character left out; a word list goes before them, so that ``!name`` takes one out."""
    english: bool = True
    """Add the English list that comes with huatuo."""
    general: Path | None = None
    """List of general words, which count for little; absent: the Chinese one that comes with huatuo."""
    general_from: int | None = Field(None, ge=1)
    """Frequency from which a word of the lists counts as general; absent: none does."""
    least: Annotated[int, Field(ge=0, le=1000)] | Path = 50
    """Thousandths of a text's characters that terms must cover; or the file with the threshold that ``huatuo curate
    --calibrate`` chose (``runs/NAME/corpus/calibration/density.json``)."""

    @model_validator(mode="after")
    def _has_terms(self) -> Self:
        if not self.files and not self.graphs:
            raise ValueError(
                'no terms: name word lists (files = ["words.txt"]) or graphs (graphs = ["runs/NAME/ingest"])'
            )
        return self


class PassageJudge(TeacherSettings):
    """A model that says from 1 to 5 what texts are worth for training: ``huatuo curate --draw SHEET --judge``."""

    kind: Literal["endpoint", "local"] = "endpoint"
    """endpoint: any OpenAI-compatible server. local: the model in ``folder``, on this machine."""
    temperature: float = 0.0
    """Sampling temperature."""
    max_tokens: int = Field(32, ge=1)
    """Longest reply."""
    least: int = Field(4, ge=1, le=5)
    """Least score of a text that is worth keeping (FineWeb-Edu, arXiv 2406.17557, keeps 3 of 0 to 5)."""


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
    judge: PassageJudge | None = None
    """The model that judges texts for the filter, where no person does."""
    near: int = Field(7, ge=0, le=10)
    """Tenths of Jaccard similarity (character 5-grams) from which the later of two passages is dropped; 0: keep all."""
    near_keeps: tuple[Literal["number", "stance", "name", "question"], ...] = ()
    """A passage that is near an earlier one is kept where it says one of these that the earlier one does not: a number
    (a dose, a share), a ban, caution or denial, a name in Latin letters (a gene, a disease), a question; fit for
    monographs and answers, which differ in a dose. ``[]``: Jaccard similarity alone decides, as in the papers; fit for
    a crawl, whose templates differ in names and numbers."""
    semantic: int = Field(0, ge=0, le=100)
    """Hundredths of cosine (vectors of character runs, weighed by rarity, or those of ``semantic_model``) from which
    the later of two passages is dropped; 0: keep all."""
    semantic_model: Path | None = None
    """Folder of a sentence-embedding model, which finds paraphrases too; without it texts are compared by their
    characters. Another model has other cosines: look at samples before you choose ``semantic``."""
    earlier: Path | None = None
    """Folder of a band table, which need not exist yet: passages that a corpus added to it holds are dropped, and those
    of this run are added at the end. Absent: duplicates are looked for within the run alone."""
    decontaminate: bool = True
    """Drop passages that hold a question of ``questions.exams``."""
    samples: int = Field(10, ge=0)
    """Texts shown on the page for each reason."""

    @model_validator(mode="after")
    def _names_are_different(self) -> Self:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are called {twice[0]}, and ids are made of names: rename one")
        return self

    @model_validator(mode="after")
    def _earlier_has_bands(self) -> Self:
        if self.semantic_model is not None and not self.semantic:
            raise ValueError("semantic_model is named, but semantic is 0: set it to hundredths of cosine, 90 for one")
        if self.earlier is not None and not self.near:
            raise ValueError(
                "earlier needs near-duplicates to be looked for: set near to 1 or more, or leave earlier out"
            )
        return self
