"""Recipes: one TOML file, one frozen model per table, every default documented, unknown keys refused by line.

A path in a recipe is relative to the recipe's own folder. ``load`` gives all errors of a file at once.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from huatuo.errors import RecipeError


class Settings(BaseModel):
    """Base of all recipe tables: frozen, closed, documented field by field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class RunSettings(Settings):
    """What holds for every stage."""

    name: str
    """Name of the run: its data sets lie in ``runs/<name>/<stage>``."""
    title: str = ""
    """First line of the report; the name when empty."""
    demonstration: bool = False
    """The result shows the path and is no medical model: the report and the model card say so."""
    seed: int = 2023
    """Seed of everything random (HuaTuo's released script uses 2023)."""
    threads: int = Field(1, ge=1)
    """Threads of torch; more than one rarely pays for small models on shared cores."""
    max_dropped: float = Field(0.9, ge=0, le=1)
    """A stage that drops more than this share of its input fails."""


# ---------------------------------------------------------------- ingest


class GraphSource(Settings):
    """One knowledge graph file or folder."""

    name: str
    """Name of the source; part of every id made from it."""
    path: Path
    """File, or folder whose files are read in the order of their names."""
    format: Literal["cmekg", "mapping"] = "cmekg"
    """cmekg: records with 中心词 and relation lists (JSON, JSON Lines). mapping: nested JSON through ``mapping``."""
    mapping: Path | None = None
    """TOML file that says where name, kind, aliases and relations stand in a record (format ``mapping``)."""
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
    """File: JSON Lines of question, options, answer (see docs/reference/formats.md)."""
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


# ---------------------------------------------------------------- synth


class TeacherSettings(Settings):
    """Who asks and answers."""

    kind: Literal["offline", "endpoint"] = "offline"
    """offline: wordings of ours, no model. endpoint: any OpenAI-compatible server."""
    url: str = ""
    """Base URL of the endpoint, up to and including ``/v1``."""
    model: str = ""
    """Model name at the endpoint (HuaTuo and HuatuoGPT-II used gpt-3.5-turbo)."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; the key itself is never written anywhere."""
    temperature: float = 1.0
    """Sampling temperature."""
    max_tokens: int = Field(1024, ge=1)
    """Longest reply."""
    concurrency: int = Field(16, ge=1)
    """Most calls in flight."""
    timeout_s: float = 120.0
    """Seconds for one call."""
    retries: int = Field(6, ge=0)
    """Further tries of a call that fails for a passing reason (429, 5xx, broken connection)."""
    price_in: float | None = None
    """Price of a million prompt tokens; unknown when absent, never 0."""
    price_out: float | None = None
    """Price of a million completion tokens."""
    currency: str = "USD"
    """Currency of the prices."""


class SynthSettings(Settings):
    """From facts and passages to question-answer pairs."""

    teacher: TeacherSettings = TeacherSettings()
    """The teacher."""
    source: str = "graph"
    """Source name of the pairs made from the graph."""
    phrasings: int = Field(16, ge=1)
    """Wordings per relation of the direct question (offline teacher)."""
    answers: int = Field(1, ge=1)
    """Answer forms per relation (offline teacher); more forms are more natural and harder to learn exactly."""
    shapes: tuple[Literal["direct", "reverse", "comparison", "vignette"], ...] = ("direct", "reverse", "comparison", "vignette")
    """Kinds of pairs made from the graph."""
    share: dict[str, float] = Field(default_factory=dict)
    """Share of the possible pairs of a shape that is made, drawn by hash; absent: all."""
    pairs_per_call: int = Field(5, ge=1)
    """Pairs asked for in one call of a model teacher (HuaTuo: five per record, issue #4)."""
    passage_language: Literal["source", "zh", "en"] = "source"
    """Language of the pairs made from passages (HuatuoGPT-II: always Chinese)."""
    ground: bool = True
    """Drop answers that are not supported by their facts."""


# ---------------------------------------------------------------- unify


class ImportSource(Settings):
    """One instruction data set made elsewhere."""

    name: str
    """Source name of its pairs."""
    path: Path
    """The file."""
    format: Literal["huatuo", "huatuo-dialogue", "alpaca", "sharegpt", "messages", "huatuogpt2"]
    """huatuo: {instruction, input, output} lines. huatuo-dialogue: ``<user>: … <bot>: …`` packed in instruction.
    sharegpt: conversations of from/value. messages: OpenAI messages. huatuogpt2: {source: [[q, a, …], …]}."""
    limit: int = Field(0, ge=0)
    """Read at most this many records, the others are left; 0: all."""


class UnifySettings(Settings):
    """All pairs in one input-output format: joined, linted, de-duplicated, decontaminated, split."""

    imports: tuple[ImportSource, ...] = ()
    """Instruction data sets made elsewhere."""
    validation_share: float = Field(0.0, ge=0, lt=1)
    """Share held out by entity, document and first message together; 0: none."""
    decontaminate: bool = True
    """Drop pairs that hold an exam question."""
    drop_flagged: tuple[str, ...] = ()
    """Lint rules whose pairs are dropped; others are only flagged."""


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
    epochs: int = Field(1, ge=1)
    """Times the whole order is repeated, each time drawn anew (multiplies ``copies``)."""
    window: int = Field(512, ge=8)
    """Longest sample in tokens."""
    overlong: Literal["drop", "split", "keep-end"] = "drop"
    """What happens to a pair longer than the window: drop it, split it by turn, or keep the answer's end (cut the
    question's beginning). Always counted."""
    layout: Literal["bucketed", "packed"] = "packed"
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

    models: tuple[Literal["base", "ours"], ...] = ("base", "ours")
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


# ---------------------------------------------------------------- loading


def shipped() -> dict[str, Path]:
    """The recipes that come with huatuo, by name."""
    folder = Path(str(resources.files("huatuo"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(name_or_path: str) -> Path:
    """The file of a recipe: a path, or the name of a shipped recipe.

    Raises RecipeError naming the shipped recipes.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = shipped()
    if name_or_path in known:
        return known[name_or_path]
    raise RecipeError(
        f"{name_or_path}: no such file and no shipped recipe; shipped: {', '.join(known)}; "
        "next: give the path of a .toml file or one of these names"
    )


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file, with ``table.key=value`` overrides applied and paths made absolute.

    Raises RecipeError that lists every wrong key and value with its line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); next: check the path") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8; next: save the recipe as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _apply_override(data, override)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        lines = [_explain(path, text, dict(e)) for e in error.errors(include_url=False)]
        raise RecipeError("\n".join(lines)) from None
    resolved: Recipe = _with_absolute_paths(recipe, path.resolve().parent)
    return resolved


def _apply_override(data: dict[str, Any], override: str) -> None:
    dotted, found, raw = override.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not found or not all(keys):
        raise RecipeError(f"-s {override}: expected table.key=value, for example -s train.steps=100")
    try:
        value = tomllib.loads(f"v = {raw}")["v"]
    except tomllib.TOMLDecodeError:
        value = raw  # a bare word is a string
    table: Any = data
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise RecipeError(f"-s {override}: {key!r} is not a table; only keys of tables can be overridden")
    table[keys[-1]] = value


def _known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in _models_in(field.annotation):
            yield from _known_keys(inner, f"{prefix}{name}.")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]


def _explain(path: Path, text: str, error: dict[str, Any]) -> str:
    """One line: file, line, key, what is wrong, nearest known key."""
    loc = tuple(error["loc"])
    dotted = ".".join(str(part) for part in loc if not isinstance(part, int))
    where = f"{path}:{find_line(text, loc)}"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(dotted, list(_known_keys(Recipe)), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else "; see docs/reference/recipe.md"
        return f"{where}: unknown key {dotted}{hint}"
    if error["type"] == "missing":
        return f"{where}: {dotted} is missing; it has no default"
    return f"{where}: {dotted} = {error.get('input')!r}: {error['msg']}"


def find_line(text: str, loc: tuple[Any, ...]) -> int:
    """The line, from 1, on which a key stands in TOML text; of its table where the key itself is not found."""
    names = [str(part) for part in loc if not isinstance(part, int)]
    wanted = next((part for part in loc if isinstance(part, int)), 0)
    best, table, seen = 1, "", -1
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = stripped.strip("[]# ").split("]")[0].replace('"', "")
            if table == ".".join(names[: table.count(".") + 1]):
                seen += stripped.startswith("[[")
                if not stripped.startswith("[[") or seen == wanted:
                    best = number
            continue
        key = stripped.split("=")[0].strip().replace('"', "") if "=" in stripped else ""
        full = f"{table}.{key}" if table else key
        inside = seen == wanted or seen < 0
        if key and inside and (".".join(names) == full or ".".join(names).startswith(full + ".")):
            return number
    return best


def _with_absolute_paths(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return Path(value).expanduser() if value.expanduser().is_absolute() else (folder / value).resolve()
    if isinstance(value, BaseModel):
        changes = {name: _with_absolute_paths(getattr(value, name), folder) for name in type(value).model_fields}
        if isinstance(value, TrainSettings) and value.base != "scratch":
            changes["base"] = str(_with_absolute_paths(Path(value.base), folder))
        return value.model_copy(update=changes)
    if isinstance(value, tuple):
        return tuple(_with_absolute_paths(item, folder) for item in value)
    return value


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
