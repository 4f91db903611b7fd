"""The stage of knowledge, run into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_makers import write_lines

from huatuo import store
from huatuo.knowledge.ingest import ingest
from huatuo.recipe import GraphSource, IngestSettings


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Runs ingest on settings, or on records written to one file; gives the finished folder."""

    def go(given: IngestSettings | list[Any], seed: int = 1, name: str = "out", **options: Any) -> Path:
        if not isinstance(given, IngestSettings):
            path = write_lines(tmp_path / "in" / "graph.jsonl", given)
            given = IngestSettings(graphs=(GraphSource(name="g", path=path),), **options)
        with store.writing(tmp_path / name, stage="ingest", key="k") as out:
            ingest(given, seed, out)
        return tmp_path / name

    return go
