"""The recipe's table about judges of answers: who judges, by which prompt, and how two orders make one outcome."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from huatuo.recipe_teacher import TeacherSettings

Rule = Literal["huatuogpt2", "mt-bench"]


class JudgingSettings(TeacherSettings):
    """A model that judges answers (``huatuo judge``), and how its verdicts are counted.

    It is asked like a teacher: several places, limits a minute, prices and a limit on money. No stage of a run reads
    this table.
    """

    kind: Literal["offline", "endpoint", "batch", "local"] = "endpoint"
    """endpoint or local."""
    temperature: float = 0.0
    """Sampling temperature."""
    max_tokens: int = Field(1024, ge=1)
    """Longest reply; a verdict that was cut off is none."""
    prompt: Literal["huatuogpt2", "mt-bench"] = "huatuogpt2"
    """How two answers are compared. huatuogpt2: requirements of a physician's answer, the relation in words.
    mt-bench: helpfulness, relevance, accuracy and depth, a letter."""
    rule: Rule = "huatuogpt2"
    """How the two orders make one outcome. huatuogpt2: win and tie make a win, win and loss a tie. mt-bench: both must
    agree, else a tie."""
    resamples: int = Field(2000, ge=100)
    """Resamples of a bootstrap."""
    seed: int = 1
    """Seed of resamples and of the orders of play in Elo."""

    @field_validator("kind")
    @classmethod
    def _can_judge(cls, value: str) -> str:
        if value in ("offline", "batch"):
            raise ValueError(f"a judge of answers cannot be {value}; next: kind = endpoint or local")
        return value
