"""The recipe's table about the models that answer the questions: those of the run, and any others."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from huatuo.recipe_teacher import TeacherSettings
from huatuo.settings import Settings

TAKEN = ("base", "ours", "pairs", "difference")
"""Names that mean something else in the tables of a report."""


class AskedModel(TeacherSettings):
    """One more model: a checkpoint of ours, a local Hugging Face folder or adapter, or any OpenAI-compatible server.

    An endpoint is asked like a teacher: several places, limits a minute, prices and a limit on money, which counts what
    was spent in the run's folder. How it answers (temperature, longest answer, batch) is said once for all models, in
    ``ask``.
    """

    name: str = Field(pattern=r"^[^\s./\\:\x00-\x1f][^\s/\\:\x00-\x1f]*$", max_length=60)
    """What the tables call it."""
    kind: Literal["offline", "endpoint", "batch", "local"] = "endpoint"
    """endpoint or local; where it is absent, local with a ``folder``."""

    @model_validator(mode="before")
    @classmethod
    def _is_local_with_a_folder(cls, given: Any) -> Any:
        return {"kind": "local", **given} if isinstance(given, dict) and "folder" in given else given

    @field_validator("name")
    @classmethod
    def _means_nothing_else(cls, value: str) -> str:
        if value in TAKEN or value.startswith("baseline"):
            raise ValueError("the tables call something else so; next: choose another name")
        return value

    @field_validator("kind")
    @classmethod
    def _can_be_asked(cls, value: str) -> str:
        if value in ("offline", "batch"):
            raise ValueError(f"a model that answers exams cannot be {value}; next: kind = endpoint or local")
        return value

    @field_validator("temperature", "max_tokens", "batch", "response_format")
    @classmethod
    def _is_said_for_all(cls, value: object) -> object:
        raise ValueError("all models answer in one way, or their scores could not be compared; next: set it in [ask]")


class AskSettings(Settings):
    """Asking the models: the only expensive part of an evaluation."""

    models: tuple[Literal["base", "ours"], ...] = ("base", "ours")
    """base: before training. ours: after. Empty, or others in a recipe without knowledge and pairs: nothing is trained,
    and only the others are asked."""
    others: tuple[AskedModel, ...] = ()
    """Further models, asked the same questions in the same way."""
    answer: Literal["generation", "letters", "options"] = "generation"
    """How a question with options is answered. generation: a text, from which the answer is read. letters, options: the
    label or the text of an option that is likeliest after the question; of a multiple-answer question the likeliest set
    of labels. Questions without options are answered by generation."""
    compare: tuple[Literal["calibration", "pmi"], ...] = ("calibration", "pmi")
    """What likelihoods are compared with, besides each other. calibration: the same options after questions that ask
    nothing. pmi: the option's text after an empty question (options only). Each costs a further pass."""
    max_tokens: int = Field(96, ge=1)
    """Longest answer."""
    temperature: float = Field(0.0, ge=0)
    """0: greedy decoding."""
    batch: int = Field(64, ge=1)
    """Questions answered together."""
    limit: int = Field(0, ge=0)
    """Ask at most this many questions of each group, drawn by hash; 0: all."""
    held_out: int = Field(0, ge=0)
    """Held-out pairs whose last question is asked too, drawn by hash; the answers stand beside the reference (table
    ``held_out``, and the report) and are never scored."""
    overlong: Literal["refuse", "cut_end", "cut_start"] = "refuse"
    """A prompt that a local model's positions do not hold. refuse: the call fails, which is counted as such. cut_end,
    cut_start: of the text before the question (PubMedQA's abstract, CMB-Clin's case, ``context`` of an own exam) the
    last or the first sentences are left out until prompt and longest answer fit; question, options and examples stay
    whole. Each cut is a finding, is counted beside the score, and stands in the line to cite. A question without such a
    text fails as before."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Exam = id of the prompt file its questions with options are asked with (``exam_cmb_answer.zh``); others:
    ``exam_choice`` in the question's language."""
    shots: dict[str, int] = Field(default_factory=dict)
    """Exam = examples shown before each of its questions: the first ones of its subject in the exam's ``examples``.
    Prompts ``exam_few_shot`` hold them in one text, with the others each is a turn asked and a turn answered."""

    @model_validator(mode="after")
    def _asks_someone(self) -> Self:
        """Every model has a name of its own, and there is one."""
        names = [*self.models, *(one.name for one in self.others)]
        if not names:
            raise ValueError('no model to ask; next: models = ["base", "ours"], or name one in [[ask.others]]')
        if len(set(names)) < len(names):
            raise ValueError(f"two models have one name: {', '.join(names)}; every model needs its own")
        return self
