"""What a stage's key holds: everything that can change its output, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from huatuo import recipe_file, run, stages, store
from huatuo.recipe import Recipe
from test_cli import diseases, graph, recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to tokenise."""
    folder = tmp_path_factory.mktemp("run")
    exam = folder / "exam.jsonl"
    exam.write_text(
        '{"question": "第一题？", "kind": "single", "options": {"A": "甲", "B": "乙"}, "answer": "A"}\n',
        encoding="utf-8",
    )
    extra = '[[questions.exams]]\nname = "e"\npath = "exam.jsonl"\n[train.priority]\ngraph = 1\n'
    target = recipe(folder, graph(folder, diseases(50)), extra)
    for _ in run.run(recipe_file.load(target), folder / "runs", run.select(last="tokenise")):
        pass
    return folder


def keys(folder: Path, *overrides: str) -> dict[str, str]:
    """The key of each stage whose inputs are there."""
    loaded: Recipe = recipe_file.load(folder / "a.toml", overrides)
    found = {}
    for stage in stages.STAGES:
        inputs = [folder / "runs" / name for name in stage.inputs]
        if all((path / "manifest.json").exists() for path in inputs):
            found[stage.name] = run.inputs_of(stage, loaded, folder / "runs")[1]
    return found


def changed(folder: Path, *overrides: str) -> set[str]:
    before, after = keys(folder), keys(folder, *overrides)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("train.learning_rate=0.5", {"train"}),
        ("run.title=Clinic", {"train"}),
        ("train.rate_after={3 = 0.5}", {"train"}),
        ("run.demonstration=true", {"train"}),
        ("train.checkpoint_every=7", set()),
        ("train.keep_checkpoints=7", set()),
        ("run.threads=2", set()),
        ("run.max_dropped=0.5", set()),
        ("run.name=other", set()),
        ("train.scratch.layers=3", {"train"}),
        ("train.window=64", {"tokenise", "train"}),
        ("train.copies={graph = 2}", {"order", "train"}),
        ("synth.phrasings=3", {"questions", "synth"}),
        ("synth.teacher.concurrency=3", set()),
        ("synth.teacher.timeout_s=3", set()),
        ("synth.teacher.url=http://127.0.0.1/v1", set()),
        ("synth.teacher.price_in=3", set()),
        ("synth.teacher.temperature=0.3", {"synth"}),
        ("ingest.withhold_share=0.5", {"ingest"}),
    ],
)
def test_a_key_changes_with_what_matters_and_with_nothing_else(made: Path, override: str, names: set[str]) -> None:
    assert changed(made, override) == names


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("exam_choice.zh.txt", {"ask"}),
        ("graph_direct.zh.txt", {"synth"}),
        ("passage_answer.en.txt", {"synth"}),
        ("phrasings.zh.toml", {"questions", "synth"}),
    ],
)
def test_a_prompt_counts_where_it_is_read(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt: str, names: set[str]
) -> None:
    for name in ("train",):  # so that `ask` has its inputs
        if not (made / "runs" / name / "manifest.json").exists():
            with store.writing(made / "runs" / name, stage=name, key="k") as out:
                store.write_atomic(out.folder / "weights.txt", "none")
    before = keys(made)
    shutil.copytree(stages.PROMPTS, tmp_path / "prompts")
    monkeypatch.setattr(stages, "PROMPTS", tmp_path / "prompts")
    monkeypatch.setattr(stages, "PHRASINGS", tmp_path / "prompts" / "phrasings.zh.toml")
    assert keys(made) == before
    with (tmp_path / "prompts" / prompt).open("a", encoding="utf-8") as file:
        file.write("\n# more\n")
    after = keys(made)
    assert {name for name in before if before[name] != after[name]} == names
