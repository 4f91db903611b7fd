"""What one system is asked to train, and the clock it is watched by; the standard library only: peers read it too."""

from __future__ import annotations

import json
import resource
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """One training of one system."""

    work: str
    """Folder of the workload."""
    out: str
    """Folder to write to."""
    steps: int
    tokens_a_step: int
    """Real tokens of a step, about."""
    samples_a_step: int
    """Pairs of a step, about."""
    window: int
    """Longest row in tokens."""
    rate: float
    """Learning rate of the first step; a cosine to 0. No warm-up: transformers' begins at 0, ours above it."""
    precision: str
    """fp32 or bf16."""
    layout: str = "packed"
    """Of peers: packed or padded."""
    more: dict[str, Any] = field(default_factory=dict)
    """Further keys of huatuo's ``[train]``."""


def cpu_seconds() -> float:
    """CPU-seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Watch:
    """Tokens and CPU-seconds, step by step. The first step is the start's: it warms caches."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._seconds: list[float] = []

    def step(self, tokens: int) -> None:
        """A step with so many real tokens has ended."""
        self._tokens.append(tokens)
        self._seconds.append(cpu_seconds())

    def say(self, model: str) -> None:
        """Print what was seen as the last line."""
        found = {
            "start_cpu_s": self._seconds[0],
            "cpu_s": self._seconds[-1] - self._seconds[0],
            "timed_tokens": sum(self._tokens[1:]),
            "tokens": sum(self._tokens),
            "steps": len(self._tokens),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "model": model,
        }
        print(json.dumps(found), flush=True)
