"""Layers compiled by ``torch.compile``: what a layer does element by element becomes a few loops."""

from __future__ import annotations

import logging
import os
import shutil

import torch
from torch import nn

from huatuo.errors import TrainingError
from huatuo.train.ranks import Ranks, blocks

COMPILERS = ("g++", "clang++", "c++")
"""C++ compilers that torch looks for, besides the one that the variable CXX names."""

log = logging.getLogger(__name__)


def compile_layers(model: nn.Module, ranks: Ranks) -> bool:
    """Whether the layers of the model are compiled from now on, each alike, for micro-batches of any shape.

    Their names and weights stay as they are. On several processes they are left as they are, with a warning. Raises
    TrainingError where there is nothing to compile with.
    """
    missing = _missing(ranks.device)
    if missing:
        raise TrainingError(
            f"train.compile = true needs {missing}; next: install it, or set train.compile = false: the losses are the "
            "same"
        )
    if ranks.size > 1:
        log.warning("train.compile: layers that are split among %d processes are not compiled", ranks.size)
        return False
    for layer in blocks(model):
        layer.compile(dynamic=True)
    return True


def _missing(device: torch.device) -> str:
    """What compiling on a device lacks here; empty: nothing."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return "" if has_triton() else "the package triton and a GPU that it supports"
    named = os.environ.get("CXX", "").split()[:1]
    found = any(shutil.which(name) for name in (*named, *COMPILERS))
    return "" if found else f"a C++ compiler ({', '.join(COMPILERS)}, or CXX)"
