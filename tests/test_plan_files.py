"""A plan counts the files that reading reads, and stops where reading would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from huatuo import plan
from huatuo.errors import InputError
from huatuo.knowledge import documents
from huatuo.recipe import DocumentSource, IngestSettings, Recipe, RunSettings


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
