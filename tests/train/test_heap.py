"""Freed memory stays for the next step, and goes back afterwards."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

import pytest
import torch

from huatuo.train import heap


def faults(rounds: int = 30) -> int:
    """Pages asked of the system while a tensor of 64 MB is made and freed a few times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux does")
def test_a_step_does_not_ask_for_the_same_pages_again() -> None:
    outside = faults()
    with heap.kept() as keeps:
        faults(1)
        inside = faults()
    assert keeps
    assert inside < outside / 4  # what lies between the blocks may make the heap grow a few times more


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux shows it")
def test_what_was_kept_goes_back_at_the_end() -> None:
    with heap.kept():
        blocks = [torch.ones(16 * 2**20) for _ in range(4)]
        full = resident()
        blocks.clear()
        assert resident() > full - 32 * 2**20  # freed, and still here
    assert resident() < full - 192 * 2**20


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    with heap.kept() as keeps:
        assert not keeps
