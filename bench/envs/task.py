"""What one system is asked to train, and the clock it is watched by; the standard library only: peers read it too."""

from __future__ import annotations

import json
import resource
import time
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
    """Further keys of huatuo's ``[train]``, or of the peer's settings."""
    device: str = "cpu"
    """cpu or cuda."""
    lora: dict[str, Any] = field(default_factory=dict)
    """Keys of ``[train.lora]``; empty: all weights are trained."""


def trainer_keys(task: Task) -> dict[str, Any]:
    """Settings by the names that both peers have from transformers' trainer. Packed: one row at a time, as many a step
    as give its tokens; padded: one batch a step."""
    packed = task.layout == "packed"
    return {
        "max_steps": task.steps,
        "per_device_train_batch_size": 1 if packed else task.samples_a_step,
        "gradient_accumulation_steps": task.tokens_a_step // task.window if packed else 1,
        "packing": packed,
        "learning_rate": task.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused",
        "bf16": task.precision == "bf16",
        "dataloader_pin_memory": False,
        "logging_steps": 1_000_000,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 4,
    }


def cpu_seconds() -> float:
    """CPU-seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Watch:
    """Tokens and seconds, step by step. The first step is the start's: it warms caches, compiles and allocates."""

    def __init__(self, device: str = "cpu") -> None:
        self._tokens: list[int] = []
        self._cpu: list[float] = []
        self._clock: list[float] = []
        self._cuda: Any = None
        if device == "cuda":
            import torch

            self._cuda = torch.cuda

    def step(self, tokens: int) -> None:
        """A step with so many real tokens has ended."""
        if self._cuda is not None:
            self._cuda.synchronize()  # work is queued there; the clock must not be read before it is done
        self._tokens.append(tokens)
        self._cpu.append(cpu_seconds())
        self._clock.append(time.monotonic())

    def say(self, model: str) -> None:
        """Print what was seen as the last line."""
        found = {
            "start_cpu_s": self._cpu[0],
            "cpu_s": self._cpu[-1] - self._cpu[0],
            "clock_s": self._clock[-1] - self._clock[0],
            "timed_tokens": sum(self._tokens[1:]),
            "tokens": sum(self._tokens),
            "steps": len(self._tokens),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "device_peak_mb": self._cuda.max_memory_allocated() / 2**20 if self._cuda is not None else 0.0,
            "model": model,
        }
        print(json.dumps(found), flush=True)
