"""Every record that crosses a stage boundary, with a docstring under each field. No logic lives here.

Records are closed (an unknown field is an error), frozen, and hold only plain values, so that each has one Arrow
schema. An ``id`` is the hash of the record's content **and** its origin (`store.content_id`): running again gives the
same ids, and the same text from two sources is two records.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Language = Literal["zh", "en", "unknown"]


class Record(BaseModel):
    """Base of all records: frozen, closed, documented field by field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Span(Record):
    """A half-open range of characters in a text."""

    start: int
    """First character, counted from 0."""
    end: int
    """One past the last character."""


class Origin(Record):
    """Where a piece of knowledge was read."""

    source: str
    """Name of the source, as the recipe calls it: the part of an origin that enters an id."""
    file: str
    """File name without its folder (a path would tie the record to one machine)."""
    place: str
    """Place in the file for a person to find: ``line 12``, ``record 7 临床症状[2]``, ``# heading``."""
    evidence: str = ""
    """Kind of the source behind the value: textbook, pharmacopoeia, guideline, web, claim; empty when not stated."""
    document: str = ""
    """Id of the document that the value was read out of; empty for a value of a graph, and for a document itself."""
    span: Span | None = None
    """Where the value stands in that document's text."""


class Provenance(Record):
    """Who or what made a text."""

    by: Literal["human", "model", "import"]
    """human wrote or edited it; model generated it; import read it verbatim from a file."""
    model: str = ""
    """Name of the model, empty where none was involved."""
    digest: str = ""
    """Digest of the model's weights, where they are local."""
    sampling: str = ""
    """Decoding settings as canonical JSON, or how answers were weighed: ``{"answer":"letters",...}``."""
    prompt_id: str = ""
    """Name of the prompt file or wording."""
    prompt_hash: str = ""
    """Hash of the prompt file."""
    format: str = ""
    """Name of the chat format that made token ids of the messages, for a local model."""
    time: str = ""
    """UTC time of the call, ISO 8601; empty for what is a pure function of its input. Not part of any digest."""


class Entity(Record):
    """A thing that knowledge is about."""

    id: str
    """Hash of kind, name and the sources' names; and of the names it had in sources that name it otherwise."""
    kind: str
    """disease, drug, symptom, herb, or what the source's mapping calls it."""
    name: str
    """Name as the source writes it."""
    aliases: tuple[str, ...] = ()
    """Other names of the same thing."""
    origins: tuple[Origin, ...]
    """Every place it was read; a joined entity lists all of them."""


WITHHELD = "withheld"
"""Flag of a fact that is kept from training on purpose, as a control; and the rule of what is left because of it."""


CORROBORATES = "corroborates"
"""Rule of a fact that is left because another source's fact says the same; that fact is its witness."""
SAME_IN_ANOTHER = "another source says the same of the same entity; that fact is taken in its stead"
"""The reason in words."""


class Fact(Record):
    """One value of one relation of one entity: the unit of the ledger."""

    id: str
    """Hash of entity id, relation and value; and of the source where several know the entity."""
    entity_id: str
    """The entity it is about."""
    entity: str
    """Name of that entity, so that a fact can be read alone."""
    kind: str
    """Kind of that entity."""
    relation: str
    """Canonical relation (``适应证``); the alias table has been applied."""
    value: str
    """One value. A list in the source becomes one fact per item."""
    flags: tuple[str, ...] = ()
    """Names of the check rules that object to it, and ``withheld`` where it is kept from training on purpose."""
    origin: Origin
    """Where it was read."""
    same_as: str = ""
    """Id of the fact by which another source says the same of the same entity: that one is taught and counted, this one
    corroborates it. Empty for every other fact."""
    provenance: Provenance | None = None
    """The model that read it out of its document, and how it was asked; None for a fact of a graph, and for one that
    rules read."""


class Mark(Record):
    """Where a place of the source begins in a text."""

    start: int
    """First character of the text that comes from there, counted from 0."""
    label: str
    """The place, for a person to find: ``page 3``, ``line 120``, ``chapter ch02.xhtml``."""


class Document(Record):
    """A text, or a passage of one."""

    id: str
    """Hash of source, title and text."""
    title: str
    """Title, or the headings above a passage joined by `` > ``."""
    text: str
    """The text itself; never normalised in a way that changes numbers or medical words."""
    genre: str
    """guideline, book, web, encyclopedia, literature, monograph, or as the recipe says."""
    language: Language
    """Language of the text."""
    origin: Origin
    """Where it was read."""
    parent: str = ""
    """Document id that a passage was cut from; empty for a whole document."""
    span: Span | None = None
    """Place of a passage in its parent's text."""
    marks: tuple[Mark, ...] = ()
    """Where pages, chapters or lines of the source begin in the text of a whole document."""


class Finding(Record):
    """What a check objects to."""

    rule: str
    """Name of the rule."""
    severity: Literal["note", "warning", "error"]
    """error: not taught unless the recipe says so; warning: look; note: for information."""
    subject: str
    """Id of the record it is about, or a file name."""
    place: str
    """Place for a person to find."""
    message: str
    """What was found and what was expected."""


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str
    """What is said."""


TEXT = "text"
"""Shape of a pair that is a passage as it stands, after an empty question: every token of it is learned."""


class Pair(Record):
    """One training conversation in the unified format: ends with an assistant turn."""

    id: str
    """Hash of source and messages."""
    messages: tuple[Message, ...]
    """The turns. No system turn unless the source has one."""
    source: str
    """Name by which the recipe weighs it in the priority order."""
    language: Language
    """Language of the answer."""
    shape: str
    """How it was made: direct, reverse, comparison, vignette, consultation, passage, imported, ..."""
    parents: tuple[str, ...] = ()
    """Ids of the facts and documents that it teaches; before them, of the pair that a person or de-identification
    changed."""
    entities: tuple[str, ...] = ()
    """Names of the entities that it is about: a split never has one on both sides."""
    split: Literal["train", "validation"] = "train"
    """Whether it is learned or held out."""
    flags: tuple[str, ...] = ()
    """Names of the lint rules that object to it; ``repaired`` where it was sent back once, ``deidentified`` where
    personal data was taken out."""
    provenance: Provenance
    """Who or what made it."""


class Judgement(Record):
    """What a judge says about one pair: three scores from 1 to 5, or why there are none."""

    pair_id: str
    """The pair."""
    question: int | None
    """Whether the question is clear, stands alone and makes sense; None where the pair is unscored."""
    faithfulness: int | None
    """Whether the answer says what the source says and nothing else."""
    language: int | None
    """Whether both are written well."""
    unscored: str = ""
    """Why there are no scores; empty where there are."""
    provenance: Provenance
    """Which model, prompt and decoding."""


class Dropped(Record):
    """A record that a stage did not pass on, and why."""

    record_id: str
    """Id of the record, or of the raw item where no record could be made of it."""
    stage: str
    """Stage that decided."""
    outcome: Literal["dropped", "left"]
    """dropped: refused by a rule; left: fit, but left for later."""
    rule: str
    """Name of the rule."""
    reason: str
    """Why, with the figures that decided."""
    witness: str = ""
    """The record that proves it (the earlier twin, the exam question)."""
    excerpt: str = ""
    """Beginning of the text, for a person to look at."""
    parents: tuple[str, ...] = ()
    """Inputs that it was made from, where it is an output that was refused."""


class Option(Record):
    """One option of a question, labelled as the source labels it."""

    label: str
    """The label: never turned into a position."""
    text: str
    """The option."""


class Question(Record):
    """Something a model is asked to be scored on."""

    id: str
    """Hash of exam, stem and options."""
    exam: str
    """Name of the exam or probe."""
    kind: Literal["single", "multiple", "open", "knowledge"]
    """single or multiple answer, open text with a reference, or knowledge: the answer is a set of values."""
    group: str = ""
    """Row of the table it counts in (``held-out phrasings``, ``trained phrasings``, ...)."""
    year: str = ""
    """Year of the exam."""
    subject: str = ""
    """Subject, department or relation."""
    question_type: str = ""
    """The source's own type of question: 最佳选择题, 配伍选择题; empty where it names none."""
    entity: str = ""
    """Name of the entity that a knowledge question asks about."""
    wording: str = ""
    """The wording that a question about facts is made with: what fails by wording fails for every entity."""
    language: Language = "zh"
    """Language of the stem."""
    stem: str
    """The question."""
    context_chars: int = 0
    """Characters at the beginning of the stem that are a text to read (an abstract, a case), which ``ask.overlong`` may
    shorten; 0: none."""
    options: tuple[Option, ...] = ()
    """Options in the source's order."""
    gold: tuple[str, ...] = ()
    """Labels (single, multiple) or values (knowledge) of the right answer."""
    reference: str = ""
    """Reference answer of an open question."""
    parents: tuple[str, ...] = ()
    """Ids of the facts it asks about."""
    written_on: str = ""
    """Date the question was written or sat, ISO 8601, to check a claim of freshness."""
    licence: str = ""
    """Licence of the source."""
    access: Literal["open", "restricted", "own"] = "own"
    """Who may see it."""
    scorer: Literal["overlap", "facts", "judge"] = "overlap"
    """How the answer to an open question is scored."""


class Likelihood(Record):
    """How likely a model finds one answer to a question: an option's label, its text, or a set of labels."""

    labels: tuple[str, ...]
    """The options it stands for."""
    text: str
    """The answer as it was weighed."""
    tokens: int
    """Its tokens, the end token among them where that was weighed."""
    logprob: float
    """Sum of the log-probabilities (natural) of its tokens after the prompt."""
    content_free: float | None = None
    """Log of its mean probability after prompts that ask nothing; None where that was not computed."""
    unconditional: float | None = None
    """Its log-probability after an empty question; None where that was not computed."""
    straddled: bool = False
    """Whether the tokenizer would have merged its beginning with the prompt's end: it was encoded on its own, as a
    training answer is."""


class Response(Record):
    """What a model said to a question."""

    id: str
    """Hash of question id, model digest, messages, sampling (or way of weighing) and format."""
    question_id: str
    """The question."""
    model: str
    """Name of the model in the recipe: ``base``, ``ours``, ..."""
    messages: tuple[Message, ...]
    """What it was asked, in full."""
    left_out: int = 0
    """Sentences of the question's text that were left out so that the prompt fits the model (``ask.overlong``)."""
    text: str
    """What it answered; where likelihoods were weighed, the likeliest of them."""
    likelihoods: tuple[Likelihood, ...] = ()
    """What was weighed instead of generating an answer; empty for a generated one."""
    reasoning: str = ""
    """A reasoning model's thoughts, apart from the answer."""
    finish_reason: Literal["stop", "length", "refused", "error"]
    """Why it ended."""
    prompt_tokens: int | None
    """Tokens of the prompt; None where the model does not say."""
    completion_tokens: int | None
    """Tokens of the answer; None where the model does not say."""
    provenance: Provenance
    """Which weights, decoding and prompt."""


class Score(Record):
    """One metric of one response: a value, or unscored with the reason."""

    id: str
    """Hash of response id and signature."""
    response_id: str
    """The response."""
    question_id: str
    """The question."""
    model: str
    """Name of the model."""
    metric: str
    """accuracy, exact, bleu, rouge-l, ..."""
    value: float | None
    """The score from 0 to 1, or None when it could not be scored."""
    unscored: str = ""
    """Why there is no value; empty when there is one."""
    extracted: tuple[str, ...] = ()
    """What was read out of the response: labels, or values."""
    rule: str = ""
    """Rule that read it."""
    signature: str
    """Everything the number depends on besides the response."""


class Figure(Record):
    """One number of a table: what it is, how sure it is, and against what it stands."""

    name: str
    """Row: ``held-out phrasings``, ``exam``, ..."""
    model: str
    """Model, or ``baseline: ...``."""
    metric: str
    """Metric."""
    value: float | None
    """Mean over the scored items; None when nothing was scored."""
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    """Upper end."""
    n: int
    """Items in the denominator."""
    unscored: int = 0
    """Items that could not be scored (counted as wrong in an exam's accuracy, shown apart)."""
    signature: str = ""
    """Signature of the metric."""
    method: str = ""
    """How the interval was made."""
