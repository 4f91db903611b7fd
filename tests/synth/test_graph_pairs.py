"""The look at the pairs of a whole graph: what it counts, and the real graph where it is at hand."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from huatuo import run, store
from huatuo.recipe_file import load
from huatuo.records import Entity, Fact, Message, Origin, Pair, Provenance

ROOT = Path(__file__).parents[2]
XYWY = ROOT.parent / "shared" / "data" / "kg_xywy_medicalkgqa"
ORIGIN = Origin(source="kg", file="f", place="line 1")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("graph_pairs")


def made(root: Path) -> Path:
    """1,000 diseases, the last 100 without a pair; one pair twice in other words for its source; one flagged fact."""
    with store.writing(root / "ingest", stage="ingest", key="k") as out:
        for n in range(1000):
            out.write("entities", Entity(id=f"e{n}", kind="disease", name=f"病{n}", origins=(ORIGIN,)))
            about = {"entity_id": f"e{n}", "entity": f"病{n}", "kind": "disease", "origin": ORIGIN}
            out.write("facts", Fact(id=f"s{n}", relation="临床症状", value=f"症{n}", **about))
            out.write("facts", Fact(id=f"r{n}", relation="治愈率", value="9", flags=("claim",), **about))
    for stage in ("curate", "synth"):
        with store.writing(root / stage, stage=stage, key="k") as out:
            (out.folder / "empty.txt").write_text("nothing")
    with store.writing(root / "unify", stage="unify", key="k") as out:
        shapes = ("direct", "direct", "reverse", "vignette", "multi_turn", "true_false")
        for n in range(900):
            fact = "r0" if n == 7 else f"s{n}"
            turns = (Message(role="user", content=f"病{n}？"), Message(role="assistant", content=f"症{n}。"))
            about = {"messages": turns, "source": "g", "language": "zh", "shape": shapes[n % 6]}
            out.write("pairs", Pair(id=f"p{n}", parents=(fact,), provenance=Provenance(by="model"), **about))
            if n == 0:
                out.write("pairs", Pair(id="twin", parents=(fact,), provenance=Provenance(by="model"), **about))
    return root


def test_every_figure_is_counted(bench: Any, tmp_path: Path) -> None:
    found = bench.check(made(tmp_path))
    assert (found.pairs, found.twins, found.flagged, found.ungrounded) == (901, 1, 1, 0)
    assert found.entities == {"disease": (899 + 0, 1000)}  # the flagged fact is of an entity that has another pair
    assert found.shapes["direct"] == 301
    assert found.largest_share == pytest.approx(301 / 901)
    (relation,) = found.relations  # 治愈率 has no fact that may be taught
    assert (relation.name, relation.facts, len(relation.shapes)) == ("临床症状", 1000, 5)
    assert found.thin == []
    assert "901 pairs, 1 exact duplicates, 1 with a flagged fact" in bench.lines(found)[0]


def test_a_relation_in_few_kinds_is_named(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "LEAST_KINDS", 6)
    assert [relation.name for relation in bench.check(made(tmp_path)).thin] == ["临床症状"]


def test_without_a_run_it_is_skipped_with_a_reason(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUATUO_GRAPH_RUN", raising=False)
    assert "HUATUO_GRAPH_RUN" in bench.run().skipped


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not XYWY.exists(), reason="../shared/data is not here")
def test_the_real_graph_gives_enough_of_every_kind(bench: Any, tmp_path: Path) -> None:
    """The example recipe on 8,791 diseases: takes some five minutes; ``HUATUO_GRAPH_RUN`` names a finished run."""
    folder = Path(os.environ.get("HUATUO_GRAPH_RUN", tmp_path / "xywy"))
    if not (folder / "unify" / "manifest.json").exists():
        recipe = load(ROOT / "docs" / "examples" / "xywy.toml", [f"ingest.graphs.xywy.path={XYWY}"])
        list(run.run(recipe, folder, run.select(last="unify")))
    found = bench.check(folder)
    assert found.pairs >= 20_000
    assert found.largest_share <= 0.4
    assert (found.twins, found.flagged, found.ungrounded) == (0, 0, 0)
    assert all(had >= 0.9 * every for had, every in found.entities.values())
    assert len(found.relations) == 12
    assert found.thin == []
