"""Recipes: one TOML file, one frozen model per table, every default documented. `huatuo.recipe_file` loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from huatuo.recipe_ask import AskedModel as AskedModel
from huatuo.recipe_ask import AskSettings as AskSettings
from huatuo.recipe_curate import CorpusSettings as CorpusSettings
from huatuo.recipe_curate import CorpusSource as CorpusSource
from huatuo.recipe_curate import LexiconSettings as LexiconSettings
from huatuo.recipe_curate import PassageJudge as PassageJudge
from huatuo.recipe_ingest import DocumentSource as DocumentSource
from huatuo.recipe_ingest import GraphSource as GraphSource
from huatuo.recipe_ingest import IngestSettings as IngestSettings
from huatuo.recipe_judge import JudgingSettings as JudgingSettings
from huatuo.recipe_synth import SynthSettings as SynthSettings
from huatuo.recipe_teacher import ExtractorSettings as ExtractorSettings
from huatuo.recipe_teacher import JudgeSettings as JudgeSettings
from huatuo.recipe_teacher import TeacherSettings as TeacherSettings
from huatuo.recipe_train import LoraSettings as LoraSettings
from huatuo.recipe_train import ScratchSettings as ScratchSettings
from huatuo.recipe_train import TrainSettings as TrainSettings
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


# ---------------------------------------------------------------- questions


class ExamSource(Settings):
    """One exam."""

    name: str
    """Name of the exam."""
    path: Path
    """File, or folder whose files are read in the order of their names: JSON, JSON Lines, CSV, TSV, XLSX."""
    format: Literal[
        "auto", "exam", "instructions", "cmexam", "cmb", "cmb-clin", "medqa", "medmcqa", "pubmedqa", "mmlu", "cmmlu",
        "ceval", "huatuogpt2",
    ] = "auto"  # fmt: skip
    """auto: told from the fields of the first records. exam: own records of question, kind, options by label (or a
    column per label), answer labels or reference. instructions: {instruction, input, output} records, asked as open
    questions whose reference is the output. The others are the published exams of these names; huatuogpt2 is the shape
    of HuatuoGPT-II's ``eval_qa``."""
    answers: Path | None = None
    """File of the right answers by id, where questions and answers are two files (CMB's test)."""
    kind: Literal["", "single", "multiple", "open"] = ""
    """Kind of the questions of which the file does not say it."""
    subjects: tuple[str, ...] = ()
    """Only questions of these subjects; ``medical`` stands for the medical ones of MMLU, CMMLU, C-Eval; empty: all."""
    licence: str = ""
    """Licence of the questions."""
    access: Literal["open", "restricted", "own"] = "own"
    """Who may see them."""
    year: str = ""
    """Year of the exam, where its file does not say it."""
    subject: str = ""
    """Subject, where its file does not say it."""
    sat_on: str = Field("", pattern=r"^(\d{4}(-\d\d(-\d\d)?)?)?$")
    """Date the exam was sat (``2023-10-21``, or a month or a year), where its file does not say it."""
    fresh: bool = False
    """The exam is claimed to have been sat after ``questions.data_until``. A claim that does not hold is refused."""
    scorer: Literal["overlap", "facts", "judge"] = "overlap"
    """How answers to open questions are scored. overlap: BLEU and ROUGE with the reference. facts: the share of the
    reference's statements that the answer makes. judge: left to a judge."""
    examples: Path | None = None
    """File or folder of examples in the same format (MMLU's dev, CMB's val), which ``ask.shots`` shows."""


class MadeExam(Settings):
    """An exam made from the run's own knowledge, worded as no training pair is."""

    name: str
    """Name of the exam."""
    source: Literal["graph", "passages"] = "graph"
    """graph: about facts, taught and withheld ones as two groups. passages: about the numbers of documents; a passage
    that holds a question is then not trained on."""
    relations: tuple[str, ...] = ()
    """Relations that are asked; empty: all."""
    shapes: tuple[Literal["single", "multiple", "true_false"], ...] = ("single", "multiple", "true_false")
    """Shapes of the questions; passages have no multiple ones."""
    options: int = Field(5, ge=3, le=8)
    """Options of a question, true-or-false ones apart."""
    most: int = Field(200, ge=0)
    """Most questions of each group and shape, drawn by hash; 0: all."""


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
    forms: tuple[Literal["cloze", "choice", "true_false"], ...] = ()
    """Forms asked besides the free answer. true_false: a true and a false premise about each fact."""


class QuestionsSettings(Settings):
    """What the models will be asked."""

    exams: tuple[ExamSource, ...] = ()
    """Exams."""
    made: tuple[MadeExam, ...] = ()
    """Exams made from the run's own knowledge."""
    data_until: str = Field("", pattern=r"^(\d{4}(-\d\d(-\d\d)?)?)?$")
    """Date (ISO 8601) of the newest text that the asked models may have seen: where their makers do not state it, the
    date of their release."""
    probe: ProbeSettings = ProbeSettings()
    """Knowledge probe."""

    @property
    def asks(self) -> bool:
        """Whether there is any question."""
        return bool(self.exams or self.made or self.probe.relations)


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
    validation_pairs: int = Field(0, ge=0)
    """Pairs held out, instead of a share (HuaTuo: 500); exactly so many unless the groups of tied pairs are too big."""
    validation_twins: float = Field(0.0, ge=0, le=1)
    """Pairs whose first messages share this much (Jaccard of character 3-grams) stay on one side too, about 2 kB of
    memory for each message; 0: only equal ones."""
    decontaminate: bool = True
    """Drop pairs that hold an exam question."""
    drop_flagged: tuple[str, ...] = ()
    """Lint rules whose pairs are dropped; others are only flagged. judge_unscored and repaired are two as well."""
    deidentify: bool = False
    """Replace phone numbers, identity and record numbers, addresses and names beside a title in every pair by
    ``〔电话〕`` and the like; such a pair has the flag ``deidentified``."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.validation_share and self.validation_pairs:
            raise ValueError("validation_share and validation_pairs are both set; next: remove one of them")
        if self.validation_twins and not self.holds_out:
            raise ValueError(
                "validation_twins ties pairs of a validation set, and none is held out; next: set validation_pairs, "
                "for example to 500"
            )
        return self

    @property
    def holds_out(self) -> bool:
        """Whether pairs are kept from training to measure the loss on."""
        return bool(self.validation_share or self.validation_pairs)


# ---------------------------------------------------------------- score, report


class ScoreSettings(Settings):
    """Scoring: never needs a model."""

    overlap: tuple[Literal["bleu", "chrf", "rouge", "numbers"], ...] = ("bleu", "rouge", "numbers")
    """What is measured of answers with a reference. numbers: whether every quantity of the answer is the reference's,
    which overlap hides."""
    profile: Literal["char", "jieba", "sacrebleu-zh", "cmexam-char", "cmexam-jieba", "llamafactory"] = "char"
    """How overlap is counted, see `huatuo.eval.overlap_profiles`; numbers of two profiles cannot be compared."""
    resamples: int = Field(2000, ge=100)
    """Bootstrap resamples of an interval."""
    safety: bool = False
    """Look for unsafe answers by rules (`huatuo.eval.safety`): emergencies, doses, warnings, sources, refusals."""


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
    corpus: CorpusSettings = CorpusSettings()
    """Curation at scale, before everything else: `huatuo curate`."""
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
    judge: JudgingSettings = JudgingSettings()
    """Judging answers, in pairs or by rubrics."""
    report: ReportSettings = ReportSettings()
    """Reporting."""

    @property
    def trains(self) -> bool:
        """Whether a model is trained: not where only others are asked, or nothing is there to make pairs of."""
        has_pairs = bool(self.ingest.graphs or self.ingest.documents or self.unify.imports)
        return bool(self.ask.models) and (has_pairs or not self.ask.others)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of all models that are asked, in the order of the tables."""
        return (*(self.ask.models if self.trains else ()), *(one.name for one in self.ask.others))


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
            return {str(key): plain(item) for key, item in value.items()}
        return value

    shown: dict[str, Any] = plain(settings)
    if isinstance(settings, TrainSettings) and settings.base != "scratch":
        shown["base"] = Path(settings.base).name
    return shown
