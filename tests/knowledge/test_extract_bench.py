"""The measure of extraction: exact and relaxed ranges, the document's own subject, labels of another text."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
TEXT = "适应症：用于治疗哮喘、反复发作的鼻炎。孕妇禁用。"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("extract")


def label(**triples: str) -> dict[str, Any]:
    at = [(TEXT.index(words), TEXT.index(words) + len(words), relation) for words, relation in triples.items()]
    return {
        "file": "a",
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
        "chars": len(TEXT),
        "section": "适应症",
        "triples": [{"subject": "drug", "relation": relation, "object": [s, e]} for s, e, relation in at],
    }


def test_exact_and_relaxed_are_counted_apart(bench: Any) -> None:
    found = bench.measure_labels([label(哮喘="适应症", 发作的鼻炎="适应证")], {"a": TEXT}).figures
    assert (found["recall_exact"], found["recall_relaxed"]) == (0.5, 1.0)
    assert 0 < found["recall_exact_low"] < 0.5 < found["recall_exact_high"] < 1


def test_a_range_matches_one_label_only(bench: Any) -> None:
    made = [bench.Labelled("a", "", "适应证", "哮喘", (0, 2))]
    twice = [made[0], bench.Labelled("a", "", "适应证", "哮喘发", (0, 3))]
    assert bench.hits(made, twice, bench.relaxed) == [made[0]]


def test_labels_of_another_text_are_refused(bench: Any) -> None:
    with pytest.raises(ValueError, match="another text"):
        bench.measure_labels([label(哮喘="适应症")], {"a": TEXT + "。"})


def test_without_the_data_it_is_skipped_with_a_reason(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUATUO_CMEKG_SAMPLES", "")
    assert "HUATUO_CMEKG_SAMPLES" in bench.run().skipped
