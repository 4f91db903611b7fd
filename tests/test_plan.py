"""What a plan says before anything is computed, against what then happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from huatuo import plan, recipe_file, run, store
from test_cli import diseases, graph, recipe

pytestmark = pytest.mark.slow  # whole processes: not in `make unit`


@pytest.mark.parametrize("count", [20, 1000])
def test_calls_pairs_and_steps_are_near_what_happens(tmp_path: Path, count: int) -> None:
    (tmp_path / "documents").mkdir()
    for i in range(10):
        text = "".join(f"## 第{k}节\n\n{prose(i, k)}\n\n" for k in range(4))
        (tmp_path / "documents" / f"{i}.md").write_text(f"# 第{i}号常规\n\n{text}", encoding="utf-8")
    extra = '[[ingest.documents]]\nname = "d"\npath = "documents"\n[synth]\nshapes = ["direct"]\n'
    loaded = recipe_file.load(recipe(tmp_path, graph(tmp_path, diseases(count)), extra))
    said = plan.estimates(loaded)
    for _ in run.run(loaded, tmp_path / "runs", run.select(last="unify")):
        pass
    pairs = store.read_manifest(tmp_path / "runs/synth").tables["pairs"].rows
    passages = store.read_manifest(tmp_path / "runs/curate").tables["passages"].rows
    assert number(r"about ([\d,]+) pairs", said["synth"]) == pytest.approx(pairs, rel=0.3)
    assert number(r"about ([\d,]+) passages", said["curate"]) == pytest.approx(passages, rel=0.5)
    steps = pairs / loaded.train.batch_samples
    assert number(r"about ([\d,]+) steps", said["train"]) == pytest.approx(steps, rel=0.3)


def test_a_paid_teachers_calls_are_counted_from_the_graph(tmp_path: Path) -> None:
    extra = (
        '[synth]\nshapes = ["direct"]\n[synth.teacher]\nkind = "endpoint"\nurl = "http://127.0.0.1/v1"\nmodel = "m"\n'
    )
    target = recipe(tmp_path, graph(tmp_path, diseases(1000)), extra)
    said = plan.estimates(recipe_file.load(target))["synth"]
    assert number(r"([\d,]+) to ask", said) == pytest.approx(1000, rel=0.05)
    assert "cost unknown" in said
    priced = recipe_file.load(target, ["synth.teacher.price_in=1", "synth.teacher.price_out=2"])
    assert "USD" in plan.estimates(priced)["synth"]


def prose(document: int, section: int) -> str:
    """Some 200 characters that no other section has."""
    return "".join(f"第{document}号病房{section}区{j}床的病人应当按时测量体温。" for j in range(10))


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, text
    return int(found[1].replace(",", ""))
