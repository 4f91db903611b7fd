"""Helpers of the knowledge tests: run the stage into a folder, write records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.knowledge.ingest import ingest
from huatuo.recipe import GraphSource, IngestSettings


def write_lines(path: Path, values: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values), "utf-8")
    return path


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
