"""A plan counts the files that reading reads, and stops where reading would."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from huatuo import plan
from huatuo.cli import cli
from huatuo.errors import InputError
from huatuo.knowledge import documents
from huatuo.plan_train import amount
from huatuo.recipe import (
    DocumentSource,
    ImportSource,
    IngestSettings,
    Recipe,
    RunSettings,
    TrainSettings,
    UnifySettings,
)


def source(folder: Path) -> DocumentSource:
    return DocumentSource(name="d", path=folder)


def planned(folder: Path) -> int:
    return plan.count_files(Recipe(run=RunSettings(name="x"), ingest=IngestSettings(documents=(source(folder),))))


def test_hidden_files_are_not_counted_and_linked_folders_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("a.md", "sub/b.txt", ".hidden.md", ".git/config.txt", "sub/.cache/c.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("# 标题\n\n一段文字。", encoding="utf-8")
    (folder / "again").symlink_to(folder / "sub", target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    read = [where.path for where, *_ in documents.read(source(folder))]
    assert planned(folder) == len(read) == 2
    assert plan.size(folder) == 2 * len("# 标题\n\n一段文字。".encode())


@pytest.mark.slow
def test_many_files_are_counted_alike(tmp_path: Path) -> None:
    for n in range(1000):
        (tmp_path / f"{'.' if n % 10 == 0 else ''}{n}.txt").write_text("一段文字。", encoding="utf-8")
    assert planned(tmp_path) == len(list(documents.read(source(tmp_path)))) == 900


@pytest.mark.parametrize("kind", ["pipe", "broken link"])
def test_what_is_no_file_stops_a_plan_as_it_stops_reading(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.md").write_text("文字。", encoding="utf-8")
    if kind == "pipe":
        os.mkfifo(tmp_path / "p")
    else:
        (tmp_path / "p").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="neither file nor folder"):
        planned(tmp_path)
    with pytest.raises(InputError, match="neither file nor folder"):
        list(documents.read(source(tmp_path)))


def test_a_missing_path_counts_nothing(tmp_path: Path) -> None:
    assert planned(tmp_path / "no") == 0


# ---------------------------------------------------------------- imported data sets


def imported(folder: Path, pairs: int, train: TrainSettings, length: int = 20, **unify: object) -> dict[str, str]:
    """What the plan says of an instruction file of so many pairs of ``length`` characters."""
    rows = [{"instruction": f"{i:05d}" + "问" * 5, "input": "", "output": "答" * (length - 10)} for i in range(pairs)]
    (folder / "f.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    source = ImportSource(name="m", path=folder / "f.jsonl", format="alpaca", limit=int(str(unify.pop("limit", 0))))
    given = UnifySettings.model_validate({"imports": (source,), **unify})
    return plan.estimates(Recipe(run=RunSettings(name="x"), unify=given, train=train))


@pytest.mark.parametrize("length", [12, 20, 300])
def test_a_small_import_is_counted_whatever_its_pairs_length(tmp_path: Path, length: int) -> None:
    said = imported(tmp_path, 300, TrainSettings(order="uniform"), length)
    assert "1 imported data set(s), 300 pairs before any is dropped" in said["unify"]
    assert said["train"].startswith(f"about 19 steps of 16 samples, about {amount(300 * length)} tokens")


def test_what_is_held_out_or_left_is_not_planned_and_copies_are(tmp_path: Path) -> None:
    chosen = TrainSettings(order="uniform", copies={"m": 2}, epochs=3)
    said = imported(tmp_path, 2_000, chosen, validation_pairs=500, limit=1_000)
    assert "1,000 pairs before any is dropped, of which 500 are held out" in said["unify"]
    assert said["train"].startswith("about 188 steps of 16 samples, about 60.0 thousand tokens")
    shared = imported(tmp_path, 1_000, TrainSettings(order="uniform"), validation_share=0.2)
    assert shared["train"].startswith("about 50 steps of 16 samples, about 16.0 thousand tokens")


def test_a_run_that_stops_early_is_planned_as_long_as_it_runs(tmp_path: Path) -> None:
    said = imported(tmp_path, 8_000, TrainSettings(order="uniform", steps=3))["train"]
    assert said.startswith("about 3 steps of 16 samples, about 960 tokens")


def test_a_large_import_is_guessed_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "COUNTED_BYTES", 1_000)
    said = imported(tmp_path, 300, TrainSettings(order="uniform"))["unify"]
    assert re.search(r"about \d+ pairs from their sizes", said)


def test_an_import_that_cannot_be_read_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text("\n\n", encoding="utf-8")
    source = ImportSource(name="m", path=tmp_path / "f.jsonl", format="alpaca")
    for path in (source.path, tmp_path / "none.jsonl"):
        given = UnifySettings(imports=(source.model_copy(update={"path": path}),))
        said = plan.estimates(Recipe(run=RunSettings(name="x"), unify=given))
        assert "about 0 pairs" in said["unify"]


@pytest.mark.parametrize(
    ("given", "said", "code"),
    [
        (["--dry-run", "--shape", "yi-34b"], "34.4 billion parameters", 0),
        (["--shape", "Yi-34B"], "add --dry-run", 2),
    ],
)
def test_a_recipe_is_planned_for_a_shape_that_is_not_there(
    tmp_path: Path, given: list[str], said: str, code: int
) -> None:
    imported(tmp_path, 50, TrainSettings())
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'[run]\nname = "r"\n[[unify.imports]]\nname = "m"\npath = "{tmp_path}/f.jsonl"\nformat = "alpaca"\n'
        '[train]\norder = "uniform"\n',
        encoding="utf-8",
    )
    done = CliRunner().invoke(cli, ["run", str(recipe), "--runs", str(tmp_path / "runs"), "--to", "train", *given])
    assert done.exit_code == code, done.output
    assert said in done.output
    assert ("64 GPUs" in done.output) == (code == 0)
    assert not (tmp_path / "runs").exists()
