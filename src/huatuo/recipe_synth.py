"""The recipe's table about making pairs from facts and passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from huatuo.recipe_teacher import DoctorSettings, JudgeSettings, TeacherSettings
from huatuo.settings import Settings

Shape = Literal["direct", "reverse", "comparison", "vignette", "multi_hop", "multi_turn", "refusal", "true_false"]
"""Kinds of pairs made from the graph."""


class CoverageSettings(Settings):
    """Which facts a teacher is asked about, where not all can be paid for. Facts that no call holds are left."""

    per_relation: int = Field(0, ge=0)
    """Most (entity, relation) asked about under each relation of each kind; 0: all."""
    prefer: Literal["even", "frequent", "rare"] = "even"
    """Which of them come first: drawn evenly by hash, or by how often the entity is spoken of (facts of its own, and of
    others that name it as a value)."""
    taught: Path | None = None
    """Data set of pairs that are there already (a synth or unify folder): what these teach least comes first, before
    ``prefer`` counts."""


class SelfInstructSettings(Settings):
    """New questions grown from seed questions, answered by the same model: Self-Instruct (arXiv 2212.10560). Needs a
    model teacher. The answers stand on no fact: they are checked for wording alone and have a source of their own."""

    seeds: Path | None = None
    """Seed questions: one a line, or JSON Lines with ``question`` or ``instruction``; absent: none grown."""
    questions: int = Field(100, ge=1)
    """New questions asked for."""
    examples: int = Field(8, ge=1)
    """Seed questions shown in a call (Self-Instruct: eight)."""
    overlap: float = Field(0.5, gt=0, le=1)
    """A new question is a near copy where it shares this part of the 5-grams of the shorter of the two with a seed or
    an earlier one (Self-Instruct: ROUGE-L of 0.7, on English words)."""
    source: str = "self_instruct"
    """Source name of its pairs."""


class ConsultationSettings(Settings):
    """Conversations of two models (HuatuoGPT, arXiv 2305.15075): one plays a patient and knows the case alone, one
    plays the physician and sees the dialogue alone, and the facts where the recipe says so."""

    cases: tuple[Literal["graph", "passages"], ...] = ()
    """Where cases come from. graph: a card made of an entity's facts. passages: each passage is a case. Empty: no
    consultations are made."""
    turns: int = Field(4, ge=2, le=12)
    """Most turns: the patient may end the conversation before, after two."""
    share: float = Field(1.0, ge=0, le=1)
    """Share of the possible cases, drawn by hash."""
    facts_for_doctor: bool = True
    """Whether the physician is shown the facts, or the passage; without them more answers fail the check."""
    doctor: DoctorSettings | None = None
    """The physician's model; absent: the teacher plays both, with two prompts."""
    source: str = "consultation"
    """Source name of its pairs."""


class SynthSettings(Settings):
    """From facts and passages to question-answer pairs."""

    teacher: TeacherSettings = TeacherSettings()
    """The teacher."""
    judge: JudgeSettings | None = None
    """A second model that scores every generated pair; absent: none."""
    source: str = "graph"
    """Source name of the pairs made from the graph."""
    phrasings: int = Field(16, ge=1)
    """Wordings per relation of the direct question (offline teacher)."""
    answers: int = Field(1, ge=1)
    """Answer forms per relation (offline teacher); more forms are more natural and harder to learn exactly."""
    shapes: tuple[Shape, ...] = ("direct", "reverse", "comparison", "vignette")
    """Kinds of pairs made from the graph."""
    share: dict[Shape, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Share of the possible pairs of a shape that is made, drawn by hash; absent: all."""
    coverage: CoverageSettings = CoverageSettings()
    """Which facts are asked about at all."""
    teach_next: Path | None = None
    """File of fact ids, one a line or JSON Lines with an ``id``: only calls that hold one of these are made."""
    pairs_per_call: int = Field(5, ge=1)
    """Pairs asked for in one call of a model teacher (HuaTuo: five per record); a call for a dialogue asks for one."""
    passage_shapes: tuple[Literal["passage", "passage_dialogue", "text"], ...] = Field(("passage",), min_length=1)
    """Kinds of pairs made from passages. passage: a question and its answer. passage_dialogue: a conversation of two to
    four turns about its conclusion (HuaTuo's literature data). text: the passage as it is, below its headings, as the
    answer to an empty question: every token of it is learned, as in continued pre-training, and no model is asked."""
    passage_language: Literal["source", "zh", "en"] = "source"
    """Language of the pairs made from passages (HuatuoGPT-II: always Chinese)."""
    self_instruct: SelfInstructSettings = SelfInstructSettings()
    """Questions grown from seed questions."""
    consultation: ConsultationSettings = ConsultationSettings()
    """Conversations of a patient and a physician."""
    ground: bool = True
    """Drop answers that are not supported by their facts."""
    words: Literal["auto", "strict", "free"] = "auto"
    """How an answer about the graph may be worded. strict: as wordings of ours would say it, all values listed as they
    are. free: in any words, and some facts may be left unsaid. auto: strict first, and what a model said otherwise is
    looked at again as free; the offline teacher's answers are strict. A pair with a free answer names as its parents
    only the facts that it says."""
    parts: int = Field(0, ge=0, le=100_000)
    """In how many parts the passages of curation (``[[ingest.documents]]`` with ``runs/NAME/corpus/passages``) are
    asked about, each a run of its own below ``parts``. Any number of processes and machines that share the folder may
    run the same command; each takes parts that nobody has, and what all made is joined. 0: in one."""
    repair: Literal["none", "once"] = "none"
    """once: what a check refuses is sent back to the model one time, with what was found and the facts; a second
    failure is dropped with both reasons, a success has the flag ``repaired``. The offline teacher is asked once."""

    @field_validator("shapes", "passage_shapes")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({one for one in value if value.count(one) > 1}):
            raise ValueError(f"{', '.join(twice)} stands twice; next: name each once (train.copies learns more often)")
        return value
