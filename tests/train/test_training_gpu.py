"""The benchmark for GPUs: what it says without one, its formula, and a walk through it with a tiny model."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from huatuo.train.shapes import PRESETS

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("training_gpu")


def test_without_a_gpu_nothing_is_measured(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = bench.run()
    assert outcome.skipped.startswith("no GPU")
    assert outcome.figures == {}


@pytest.mark.parametrize(
    ("device", "flops"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200 NVL", 835e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA GeForce GTX 1080", None),
        ("", None),
    ],
)
def test_the_peak_is_that_of_the_device_or_none(bench: Any, device: str, flops: float | None) -> None:
    assert bench.peak_of(device) == flops


@pytest.mark.parametrize(("lora", "passes"), [({}, 6), ({"r": 8, "targets": ["q_proj"]}, 4)])
def test_utilisation_is_what_its_formula_gives(bench: Any, lora: dict[str, Any], passes: int) -> None:
    case = bench.Case("7B", Path(), PRESETS["LLaMA-2-7B"], 4_096, lora, 4_000.0, 0.75)
    body, head = 32 * (4 * 4_096**2 + 3 * 4_096 * 11_008), 32_000 * 4_096
    per_token = passes * body + passes * 0.75 * head + 6 * 32 * 4_096 * 4_000
    assert bench.utilisation(case, 10_000.0, 989e12) == pytest.approx(10_000 * per_token / 989e12)
    assert bench.utilisation(case, 10_000.0, None) is None


@pytest.mark.slow
def test_a_dry_run_goes_through_all_of_it_and_keeps_nothing(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "DRY", True)
    monkeypatch.setattr(bench, "DRY_CASES", ("tiny LoRA",))
    monkeypatch.setattr(bench.environments, "python_of", lambda name: (Path(sys.executable), f"no {name} here"))
    outcome = bench.run()
    assert outcome.skipped  # nothing is appended to the results
    assert "skipped: tiny LoRA, TRL: no trl here" in capsys.readouterr().out
    assert outcome.figures["tiny LoRA, huatuo, tokens/s"] > 0
    assert not [name for name in outcome.figures if "utilisation" in name]
    assert outcome.ratios == {}
