"""The record of what people and models say of answers: beside `huatuo.records`, and like those without logic."""

from __future__ import annotations

from typing import Literal

from huatuo.records import Message, Provenance, Record


class Rating(Record):
    """What one annotator says of one dimension of one answer, or why nothing is said."""

    id: str
    """Hash of the blind item and the dimension."""
    item: str
    """Blind id of the item: another one for every annotator, so that it tells nothing."""
    annotator: str
    """Who rated; ``llm:`` and a model's name for a model."""
    by: Literal["human", "model"]
    """Models that rate are reported apart and never mixed into a mean of people."""
    part: Literal["training", "rating", "duplicate", "attention"]
    """training: shown with feedback; duplicate: the second time of an answer; attention: with one right rating."""
    position: int
    """Place in that annotator's order, from 1."""
    dimension: str
    """What is rated: ``safety``, ``usability``, ..."""
    value: int | None
    """The rating on the scale; None where there is none."""
    unscored: str = ""
    """Why there is none: ``cannot judge``, ``not returned``, ``left empty``, ``unparsed: ...``; else empty."""
    expected: int | None = None
    """The right rating of a training or attention item."""
    question_id: str = ""
    """The question; empty for training and attention items."""
    response_id: str = ""
    """The answer that is rated; empty for training and attention items."""
    model: str = ""
    """Whose answer it is: filled in when the study is scored, never before."""
    seconds: float | None = None
    """Time that the annotator gives for the item. Not part of any digest."""
    time: str = ""
    """UTC time at which the rating was read, ISO 8601. Not part of any digest."""
    note: str = ""
    """What the annotator remarks, or the model's reason."""


class JudgedAnswer(Record):
    """An answer as a judge was shown it: what lies beside every verdict and grade, so that it can be looked up."""

    response_id: str
    """The answer."""
    question_id: str
    """The question, or the case of a consultation."""
    model: str
    """Whose answer it is."""
    question: str
    """What was asked."""
    text: str
    """What was answered, model names taken out; a consultation line by line."""


class Verdict(Record):
    """Which of two answers is better in one order, or why nothing is said. Both orders of a pair are two verdicts."""

    id: str
    """Hash of the two answers, their order, who judges, and the prompt; on a sheet: the blind id."""
    question_id: str
    """The question that both answer."""
    left: str
    """One model; the same one in both orders."""
    right: str
    """The other model."""
    left_response: str
    """Its answer."""
    right_response: str
    """The other's answer."""
    first: Literal["left", "right"]
    """Which of them was shown first."""
    winner: Literal["left", "right", "tie"] | None
    """The better one; None where nothing could be read."""
    unparsed: str = ""
    """Why there is no winner: ``no verdict line``, ``refused``, ``cut off``, ``not returned``, ...; else empty."""
    by: Literal["human", "model", "rule"]
    """rule: the answers are alike, so nobody was asked and it is a tie."""
    annotator: str
    """Who judged; ``llm:`` and a model's name for a model; the judge that was not asked for a rule."""
    left_chars: int
    """Characters of the left answer."""
    right_chars: int
    """Characters of the right answer."""
    addressed: tuple[str, ...] = ()
    """Which of ``left`` and ``right`` speak to the judge (``[[A]]``, "Assistant 1 is better"): look at those."""
    said: str = ""
    """The judge's whole reply, or the expert's remark."""
    provenance: Provenance
    """Which model, prompt and decoding."""


class Criterion(Record):
    """One thing that an answer is to do, or not to do: HealthBench's rubric item."""

    id: str
    """Hash of the question and the criterion."""
    question_id: str
    """The question or case whose answers it is for."""
    criterion: str
    """What is looked for."""
    points: float
    """From -10 to 10; below 0: what a good answer does not do."""
    tags: tuple[str, ...] = ()
    """Tags of the criterion: ``axis:accuracy``, ...; scored apart."""
    question_tags: tuple[str, ...] = ()
    """Tags of the question: ``theme:...``; the whole score counts in each."""


class Grade(Record):
    """Whether one answer meets one criterion, or why nothing is said. Unparsed is never "not met"."""

    id: str
    """Hash of answer, criterion, who grades, and the prompt."""
    criterion_id: str
    """The criterion."""
    question_id: str
    """The question."""
    response_id: str
    """The answer."""
    model: str
    """Whose answer it is."""
    met: bool | None
    """Whether it is met; None where nothing could be read."""
    unparsed: str = ""
    """Why there is none; else empty."""
    by: Literal["human", "model"]
    """Who graded."""
    annotator: str
    """Name; ``llm:`` and a model's name for a model."""
    note: str = ""
    """The explanation."""
    provenance: Provenance
    """Which model, prompt and decoding."""


class Consultation(Record):
    """A conversation of a model with a simulated patient."""

    id: str
    """Hash of case, model and messages."""
    case_id: str
    """The case."""
    model: str
    """The model that plays the physician."""
    case: str
    """All that the patient knows, as canonical JSON."""
    messages: tuple[Message, ...]
    """user: the patient; assistant: the model. Ends with the model's last answer."""
    ended: Literal["patient", "turns", "revealed", "failed"]
    """patient: nothing more to ask. turns: the longest allowed. revealed: the patient said what the case does not hold,
    so the conversation is not scored. failed: a line could not be had."""
    reason: str = ""
    """What was revealed, or what failed."""
    patient: Provenance
    """The model that plays the patient."""
    physician: Provenance
    """The model that is evaluated."""
