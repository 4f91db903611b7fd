"""Recipes: one TOML file, one frozen model per table, every default documented. `huatuo.recipe_file` loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from huatuo.recipe_synth import SynthSettings as SynthSettings
from huatuo.recipe_teacher import JudgeSettings as JudgeSettings
from huatuo.recipe_teacher import TeacherSettings as TeacherSettings
from huatuo.settings import Settings as Settings


class RunSettings(Settings):
    """What holds for every stage."""

    name: str = Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", max_length=100)
    """Name of the run: its data sets lie in ``runs/<name>/<stage>``. One folder name, not a path."""
    title: str = ""
    """First line of the report; the name when empty."""
    demonstration: bool = False
    """The result shows the path and is no medical model: the report and the model card say so."""
    seed: int = Field(2023, ge=0, lt=2**63)
    """Seed of everything random (HuaTuo's released script uses 2023)."""
    threads: int = Field(1, ge=1)
    """Threads of torch; more than one rarely pays for small models on shared cores."""
    max_dropped: float = Field(0.9, ge=0, le=1)
    """A stage that drops more than this share of what it reads, or of what it makes, fails."""


# ---------------------------------------------------------------- ingest


class GraphSource(Settings):
    """One knowledge graph file or folder."""

    name: str
    """Name of the source; part of every id made from it."""
    path: Path
    """File, or folder whose files are read in the order of their names."""
    format: Literal["cmekg", "triples", "table", "rdf", "neo4j", "mapping"] = "cmekg"
    """cmekg: records with 中心词 and relation lists, answers and crawls of the CMeKG site, ``spo_list`` (JSON, JSON
    Lines). triples: a head, a relation and a tail per row (CSV, TSV, XLSX, JSON). table: an entity per row, a relation
    per column (CSV, TSV, XLSX). rdf: Turtle, N-Triples, N-Quads, TriG, RDF/XML, JSON-LD. neo4j: exports of APOC (JSON,
    CSV) and node and relationship files of neo4j-admin. mapping: nested JSON through ``mapping``."""
    mapping: Path | None = None
    """TOML file that says where name, kind, aliases and relations stand in a record (format ``mapping``)."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Where to read what: role = column of the header, or its number from 1 where the file has no header. triples:
    head, relation, tail, and if there is one kind (of the head), evidence. table: name, and kind, aliases, evidence.
    neo4j: name, aliases (properties). rdf: name, aliases (IRIs of predicates). Absent: the usual names are looked
    for."""
    kind: str = ""
    """Kind of the entities where the source states none; empty: told from their relations, else ``entity``."""
    kinds: dict[str, str] = Field(default_factory=dict)
    """Class, label or type in the source = kind, beside the known ones (疾病, Disease, 西药, ...)."""
    relations: dict[str, str] = Field(default_factory=dict)
    """Predicate, column or relationship type in the source = relation; ``""`` leaves it out. Known spellings need no
    line."""
    split: str = ""
    """Regular expression that cuts a cell into values (format ``table``); empty: a cell is one value."""
    sheet: str = ""
    """Sheet of a workbook; empty: the first."""
    language: str = "zh"
    """Language whose texts are values (format ``rdf``), beside texts without a language; labels in others are other
    names."""
    evidence: str = ""
    """Kind of source for values that do not state one: textbook, pharmacopoeia, guideline, web."""


class DocumentSource(Settings):
    """One folder or file of documents."""

    name: str
    """Name of the source; also the source of the pairs made from it."""
    path: Path
    """File, or folder that is read recursively in the order of names."""
    genre: str = "guideline"
    """Genre of the documents."""
    evidence: str = ""
    """Kind of source: textbook, pharmacopoeia, guideline, web."""
    rejoin: bool = True
    """Join hard-wrapped lines of text and Markdown to paragraphs; false: lines stay as the file has them."""
    simplified: bool = False
    """Turn Traditional Chinese into Simplified, with medical words as they are written today (着色, 郁金)."""
    record: str = ""
    """XML: name of the element that is a document of its own; empty: the file is one document. (A record of a JSON file
    always is.)"""
    title: str = ""
    """JSON: key of a record's title, ``info.name`` for a nested one; empty: the first of title, name, 标题, 题目, 名称.
    """
    text: str = ""
    """JSON: key of a record's text; empty: the first of text, content, contents, body, abstract, 正文, 内容, 摘要.
    """
    extract: Literal["", "rules"] = ""
    """rules: what headings and wordings of the texts state becomes entities and facts beside the documents; empty: the
    documents alone."""


class IngestSettings(Settings):
    """Reading and checking knowledge."""

    graphs: tuple[GraphSource, ...] = ()
    """Knowledge graphs."""
    documents: tuple[DocumentSource, ...] = ()
    """Documents."""
    withhold_share: float = Field(0.0, ge=0, lt=1)
    """Share of the entities, drawn by hash per kind, whose facts are kept from training as a control."""
    teach_flagged: tuple[str, ...] = ()
    """Names of check rules whose facts are taught all the same."""


# ---------------------------------------------------------------- questions


class ExamSource(Settings):
    """One exam."""

    name: str
    """Name of the exam."""
    path: Path
    """File: JSON Lines or a JSON array."""
    format: Literal["exam", "instructions"] = "exam"
    """exam: records of kind, question, options by label, answer labels. instructions: {instruction, input, output}
    records, asked as open questions whose reference is the output."""
    licence: str = ""
    """Licence of the questions."""
    access: Literal["open", "restricted", "own"] = "own"
    """Who may see them."""


class ProbeSettings(Settings):
    """Questions about facts of the graph: what does the model know, in words it was and was not trained on?"""

    relations: tuple[str, ...] = ()
    """Relations to ask about; empty: no probe. Choose relations whose most frequent answer is rare."""
    held_out: Path | None = None
    """TOML of phrasings per relation that nothing is trained on."""
    trained_per_relation: int = Field(2, ge=0)
    """Trained phrasings per relation that are asked as well."""
    max_entities: int = Field(0, ge=0)
    """Entities asked about per relation, drawn by hash; 0: all."""


class QuestionsSettings(Settings):
    """What the models will be asked."""

    exams: tuple[ExamSource, ...] = ()
    """Exams."""
    probe: ProbeSettings = ProbeSettings()
    """Knowledge probe."""


# ---------------------------------------------------------------- curate


class CurateSettings(Settings):
    """From documents to clean passages."""

    max_chars: int = Field(400, ge=20)
    """Longest passage; text is cut at headings and sentences (HuatuoGPT-II cut the text itself at 400)."""
    min_chars: int = Field(12, ge=1)
    """Shorter passages are dropped."""
    decontaminate: bool = True
    """Drop passages that hold an exam question."""


# ---------------------------------------------------------------- unify


class ImportSource(Settings):
    """One instruction data set made elsewhere."""

    name: str
    """Source name of its pairs."""
    path: Path
    """The file."""
    format: Literal["huatuo", "huatuo-dialogue", "alpaca", "sharegpt", "messages", "huatuogpt2", "review"]
    """huatuo: {instruction, input, output} lines. huatuo-dialogue: ``<user>: … <bot>: …`` packed in instruction.
    sharegpt: conversations of from/value. messages: OpenAI messages. huatuogpt2: {source: [[q, a, …], …]}. review: a
    sheet of ``huatuo export --format review`` with decisions (CSV, XLSX): each reviewed pair takes its machine's place.
    """
    limit: int = Field(0, ge=0)
    """Read at most this many records, the others are left; 0: all. (A review is always read whole.)"""
    near_duplicates: float = Field(0.0, ge=0, le=1)
    """Drop a record whose questions share this much (Jaccard of character 3-grams) with an earlier one of the same
    file; 0: keep all, and so for a review."""


class UnifySettings(Settings):
    """All pairs in one input-output format: joined, linted, de-duplicated, decontaminated, split."""

    imports: tuple[ImportSource, ...] = ()
    """Instruction data sets made elsewhere."""
    validation_share: float = Field(0.0, ge=0, lt=1)
    """Share held out by entity, document and first message together; 0: none."""
    decontaminate: bool = True
    """Drop pairs that hold an exam question."""
    drop_flagged: tuple[str, ...] = ()
    """Lint rules whose pairs are dropped; others are only flagged. judge_unscored is one as well."""
    deidentify: bool = False
    """Replace phone numbers, identity and record numbers, addresses and names beside a title in every pair by
    ``〔电话〕`` and the like; such a pair has the flag ``deidentified``."""


# ---------------------------------------------------------------- train


class ScratchSettings(Settings):
    """Shape of a LLaMA trained from scratch."""

    hidden: int = Field(128, ge=8)
    """Hidden size."""
    layers: int = Field(2, ge=1)
    """Layers."""
    heads: int = Field(4, ge=1)
    """Attention heads; must divide ``hidden``."""
    feed_forward: int = Field(352, ge=8)
    """Feed-forward size."""
    tokenizer: Literal["characters"] = "characters"
    """characters: one token per character of the training pairs and the facts."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            said = f"hidden = {self.hidden} must be a multiple of 2 x heads = {2 * self.heads}"
            raise ValueError(f"{said}, since rotary positions turn pairs; for example heads = 4 for 128")
        return self


class LoraSettings(Settings):
    """Low-rank adapters (HuaTuo: r 8, alpha 16, dropout 0.05 on q_proj and v_proj)."""

    r: int = Field(8, ge=1)
    """Rank."""
    alpha: int = Field(16, ge=1)
    """Scale."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout before the adapter."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Names of the adapted modules."""


class TrainSettings(Settings):
    """One stage: priority order, packing, one loop."""

    base: str = "scratch"
    """``scratch`` (see ``train.scratch``) or a local folder with a Hugging Face causal language model."""
    scratch: ScratchSettings = ScratchSettings()
    """Shape of a model trained from scratch."""
    lora: LoraSettings | None = None
    """Train an adapter instead of all weights."""
    format: str = "huatuo2"
    """Chat format, see `huatuo.models.formats`."""
    order: Literal["priority", "uniform", "sequential"] = "priority"
    """priority: HuatuoGPT-II's sampling without replacement. uniform: all weights 1. sequential: as stored."""
    priority: dict[str, float] = Field(default_factory=dict)
    """Weight per source; every source of the data must have one when ``order = "priority"``."""
    copies: dict[str, int] = Field(default_factory=dict)
    """Epochs per source, 1 where absent (HuatuoGPT-II: SFT 3)."""
    epochs: int = Field(1, ge=1, le=1_000)
    """Times the whole order is repeated, each time drawn anew (multiplies ``copies``)."""
    window: int = Field(512, ge=8)
    """Longest sample in tokens."""
    overlong: Literal["drop", "split", "keep-end"] = "drop"
    """What happens to a pair longer than the window: drop it, split it by turn, or keep the answer's end (cut the
    question's beginning). Always counted."""
    layout: Literal["bucketed", "packed"] = "bucketed"
    """packed: samples share a row, isolated by position reset. bucketed: samples of like length side by side."""
    batch_tokens: int = Field(1024, ge=8)
    """Tokens per micro-batch."""
    batch_samples: int = Field(16, ge=1)
    """Samples per optimiser step."""
    reorder_window: int = Field(1024, ge=1)
    """Packing may permute the order only inside windows of this many samples."""
    steps: int = Field(0, ge=0)
    """Stop after this many optimiser steps; 0: when the order ends."""
    optimiser: Literal["adamw", "muon"] = "adamw"
    """muon: Muon on the matrices, AdamW on the rest."""
    learning_rate: float = Field(3e-4, ge=0)
    """Peak learning rate of AdamW."""
    muon_learning_rate: float = Field(1.2e-2, ge=0)
    """Peak learning rate of Muon."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of matrices."""
    schedule: Literal["cosine", "linear", "constant", "wsd"] = "cosine"
    """Shape of the learning rate after warm-up."""
    warmup_share: float = Field(0.05, ge=0, le=1)
    """Share of the steps spent warming up."""
    final_share: float = Field(0.0, ge=0, le=1)
    """Learning rate at the end, as a share of the peak."""
    clip: float = Field(1.0, ge=0)
    """Largest gradient norm; 0: no clipping."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward and backward pass."""
    checkpoint_every: int = Field(500, ge=1)
    """Steps between two checkpoints."""
    keep_checkpoints: int = Field(2, ge=1)
    """Checkpoints kept for resuming."""


# ---------------------------------------------------------------- ask, score, report


class AskSettings(Settings):
    """Asking the models: the only expensive part of an evaluation."""

    models: tuple[Literal["base", "ours"], ...] = Field(("base", "ours"), min_length=1)
    """base: before training. ours: after."""
    max_tokens: int = Field(96, ge=1)
    """Longest answer."""
    temperature: float = Field(0.0, ge=0)
    """0: greedy decoding."""
    batch: int = Field(64, ge=1)
    """Questions answered together."""
    limit: int = Field(0, ge=0)
    """Ask at most this many questions of each group, drawn by hash; 0: all."""


class ScoreSettings(Settings):
    """Scoring: never needs a model."""

    overlap: tuple[Literal["bleu", "rouge"], ...] = ("bleu", "rouge")
    """Text overlap metrics of knowledge and open questions."""
    resamples: int = Field(2000, ge=100)
    """Bootstrap resamples of an interval."""


class ReportSettings(Settings):
    """The page."""

    language: Literal["zh", "en", "both"] = "both"
    """Language of the page's own words; ``both`` lets the reader switch."""
    samples: int = Field(6, ge=0)
    """Right and wrong answers shown."""


class Recipe(Settings):
    """A whole recipe."""

    run: RunSettings
    """What holds for every stage."""
    ingest: IngestSettings = IngestSettings()
    """Reading and checking knowledge."""
    questions: QuestionsSettings = QuestionsSettings()
    """What the models will be asked."""
    curate: CurateSettings = CurateSettings()
    """From documents to passages."""
    synth: SynthSettings = SynthSettings()
    """From knowledge to pairs."""
    unify: UnifySettings = UnifySettings()
    """All pairs in one format."""
    train: TrainSettings = TrainSettings()
    """Training."""
    ask: AskSettings = AskSettings()
    """Asking."""
    score: ScoreSettings = ScoreSettings()
    """Scoring."""
    report: ReportSettings = ReportSettings()
    """Reporting."""


def table(settings: Settings) -> dict[str, Any]:
    """A recipe table as plain values for a stage's key and manifest: paths shortened to their last part, since the
    content of a file counts (it is hashed as an input) and the place does not."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return value.name
        if isinstance(value, BaseModel):
            return {name: plain(getattr(value, name)) for name in type(value).model_fields}
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return value

    shown: dict[str, Any] = plain(settings)
    if isinstance(settings, TrainSettings) and settings.base != "scratch":
        shown["base"] = Path(settings.base).name
    return shown
