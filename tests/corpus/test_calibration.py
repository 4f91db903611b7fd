"""Thresholds are shown with precision, recall and intervals; a filter only on texts that did not teach it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from huatuo.cli import cli
from huatuo.corpus import lexicon
from huatuo.corpus.calibration import calibrated, judged, texts, trained
from huatuo.corpus.filter import is_held_out, load
from huatuo.errors import InputError, RecipeError
from huatuo.recipe_curate import CorpusSettings, CorpusSource


@pytest.fixture
def recipe(tmp_path: Path) -> tuple[CorpusSettings, Path]:
    """A source of 400 texts, half of them of the field, and a sheet with a label for each."""
    rows = [
        f"第{i}例：糖尿病与高血压的治疗，剂量第{i * 7}号。" if i % 2 else f"第{i}场球赛的门票与座位，票价{i}元。"
        for i in range(400)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    settings = CorpusSettings(sources=(CorpusSource(name="s", path=tmp_path / "a.jsonl"),))
    with (tmp_path / "sheet.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "label"])
        out.writerows([row_id, "keep" if "糖尿病" in text else "drop"] for row_id, text in texts(settings))
    return settings, tmp_path / "sheet.csv"


def test_a_filter_is_trained_and_shown(recipe: tuple[CorpusSettings, Path], tmp_path: Path) -> None:
    settings, sheet = recipe
    rows = judged(settings, sheet)
    assert len(rows) == 400
    lines = trained(rows, tmp_path / "filter")
    assert lines[0].startswith("filter of 400 judgements (200 to keep), ")
    assert "1.000 [0.9" in lines[2]
    assert load(tmp_path / "filter").about["judgements"] == 400
    shown = calibrated(settings.model_copy(update={"filter": tmp_path / "filter"}), rows, None)
    assert shown[0] == f"filter, log-odds in thousandths, {sum(is_held_out(r.text) for r in rows)} held-out texts"
    assert 4 <= len(shown) <= 22


def test_densities_are_shown(recipe: tuple[CorpusSettings, Path]) -> None:
    pytest.importorskip("ahocorasick_rs")
    settings, sheet = recipe
    terms = lexicon.Lexicon(lexicon.of_names(["糖尿病", "高血压", "座位"]))
    lines = calibrated(settings, judged(settings, sheet), terms)
    assert lines[0] == "density in thousandths of the characters, 400 judged texts"
    assert "0.500 [0.451, 0.549]" in lines[2]
    assert lines[-1].startswith("largest F1 at ")


def test_nothing_to_calibrate_and_a_foreign_sheet_are_errors(
    recipe: tuple[CorpusSettings, Path], tmp_path: Path
) -> None:
    settings, sheet = recipe
    with pytest.raises(RecipeError, match="neither a lexicon nor a filter"):
        calibrated(settings, [], None)
    sheet.write_text("id,label\n0123,keep\n")
    with pytest.raises(InputError, match="1 of 1 judged ids are in no text"):
        judged(settings, sheet)


def test_the_command_line_trains_shows_and_refuses(recipe: tuple[CorpusSettings, Path], tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[run]\nname = "c"\n[[corpus.sources]]\nname = "s"\npath = "a.jsonl"\n')
    given = ["curate", str(tmp_path / "r.toml"), "--runs", str(tmp_path / "runs")]
    sheet, folder = ["--calibrate", str(recipe[1])], tmp_path / "filter"
    assert "saved in" in CliRunner().invoke(cli, [*given, *sheet, "--train-filter", str(folder)]).output
    assert "held-out texts" in CliRunner().invoke(cli, [*given, *sheet, "-s", f"corpus.filter={folder}"]).output
    assert CliRunner().invoke(cli, [*given, "--train-filter", str(folder)]).exit_code == 2
    assert not (tmp_path / "runs").exists()
