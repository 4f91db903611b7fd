"""Texts are drawn, judged, thresholds chosen and measured on others; a filter is learned and used: all by the command."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from huatuo.cli import cli
from huatuo.corpus import calibration, lexicon, sheets
from huatuo.corpus.filter import is_held_out, load
from huatuo.corpus.judgements import Judged
from huatuo.errors import InputError, RecipeError
from huatuo.recipe_curate import CorpusSettings, CorpusSource, LexiconSettings
from huatuo.report.calibration import figure, shares, to_csv
from huatuo.store import read_manifest

sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_teacher import FakeTeacher, completion

FIELD, OTHER = "糖尿病与高血压的治疗须监测血糖和肾功能", "球赛的门票与座位在网上售完，比赛改期另行通知"


def rows(count: int = 400) -> list[str]:
    return [
        f"第{i}例：{FIELD if i % 2 else OTHER}，编号{i * 7}，记录完整，共{i % 13}页，另附说明一份供日后查阅和核对。"
        for i in range(count)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe with 400 texts, half of them of the field, and a lexicon."""
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows()), encoding="utf-8")
    (tmp_path / "words.txt").write_text("糖尿病\n高血压\n血糖\n肾功能\n比赛\n", encoding="utf-8")
    (tmp_path / "r.toml").write_text(
        '[run]\nname = "c"\n[report]\nlanguage = "both"\n[corpus]\nnear = 0\n'
        '[corpus.lexicon]\nfiles = ["words.txt"]\nenglish = false\n'
        '[[corpus.sources]]\nname = "s"\npath = "a.jsonl"\n',
        encoding="utf-8",
    )
    return tmp_path


def settings(folder: Path, **given: Any) -> CorpusSettings:
    return CorpusSettings(sources=(CorpusSource(name="s", path=folder / "a.jsonl"),), **given)


def curate(folder: Path, *given: str) -> Result:
    return CliRunner().invoke(cli, ["curate", str(folder / "r.toml"), "--runs", str(folder / "runs"), *given])


def filled(path: Path) -> list[dict[str, str]]:
    """The rows of a sheet whose labels have been filled in as a person would."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        row["label"] = "keep" if "糖尿病" in row["text"] else "drop"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, sheets.COLUMNS)
        writer.writeheader()
        writer.writerows(found)
    return found


@pytest.mark.slow
def test_from_a_drawn_sheet_to_a_threshold_that_the_recipe_uses(folder: Path) -> None:
    pytest.importorskip("ahocorasick_rs")
    sheet = folder / "sheet.csv"
    said = curate(folder, "--draw", str(sheet), "--texts", "120")
    assert (said.exit_code, "120 texts drawn, 0 with a label" in said.output) == (0, True)
    assert len(filled(sheet)) == 120
    again = curate(folder, "--draw", str(sheet))
    assert again.exit_code != 0
    said = curate(folder, "--calibrate", str(sheet))
    assert said.exit_code == 0
    assert "120 judged texts, " in said.output
    made = folder / "runs" / "c" / "corpus" / "calibration"
    assert {p.name for p in made.iterdir()} == {"calibration.html", "density.json", "density.csv", "density.svg"}
    chosen = json.loads((made / "density.json").read_text())["chosen"]
    assert f"chosen {chosen}; on texts that did not choose it: precision 1.000" in said.output
    assert "<title>" in (made / "density.svg").read_text(encoding="utf-8")
    page = (made / "calibration.html").read_text(encoding="utf-8")
    assert "精确率" in page
    assert "precision" in page
    used = curate(folder, "-s", f"corpus.lexicon.least={made / 'density.json'}")
    assert used.exit_code == 0, used.output
    manifest = read_manifest(folder / "runs" / "c" / "corpus" / "clean")
    assert manifest.dropped == {"off_domain": 200}
    assert manifest.recipe["lexicon"]["least"] == chosen  # the number, not where it lay
    with_number = curate(folder, "-s", f"corpus.lexicon.least={chosen}")
    assert with_number.output.count("finished before") == 5


def test_a_draw_is_by_content_and_a_larger_one_holds_the_smaller(folder: Path) -> None:
    whole = settings(folder)
    few, many = sheets.drawn(whole, 40), sheets.drawn(whole, 90)
    assert few == many[:40]
    texts = rows()
    random.Random(1).shuffle(texts)
    (folder / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in [*texts, *texts[:50]]))
    assert [row.sha256 for row in sheets.drawn(whole, 40)] == [row.sha256 for row in few]
    assert all(sheets.digest(row.normal) == row.sha256 for row in few)


def test_copies_of_a_text_take_no_place_of_others(folder: Path) -> None:
    texts = sorted(rows(), key=sheets.digest)
    lines = [json.dumps({"text": text}) + "\n" for text in [*[texts[0]] * 1000, *texts]]
    random.Random(2).shuffle(lines)
    (folder / "a.jsonl").write_text("".join(lines), encoding="utf-8")
    found = sheets.drawn(settings(folder), 50)
    assert [row.normal for row in found] == texts[:50]
    assert found[0].id == min(row.id for row in sheets.texts(settings(folder)) if row.normal == texts[0])
    said = curate(folder, "--draw", str(folder / "all.csv"), "--texts", "1500")
    assert "400 texts drawn, 0 with a label" in said.output
    assert "1,500 were asked for: the sources hold 400 different texts that pass the rules, no more" in said.output
    assert "were asked for" not in curate(folder, "--draw", str(folder / "few.csv"), "--texts", "400").output


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 12))
def test_the_smallest_are_those_of_all_different_hashes(numbers: list[int], count: int) -> None:
    made = [sheets.Read(sheets.digest(str(n)), f"id{at}", "s", "zh", str(n)) for at, n in enumerate(numbers)]
    firsts = {row.sha256: row for row in sorted(made, reverse=True)}
    assert sheets.smallest(made, count) == [firsts[name] for name in sorted(firsts)][:count]


def test_what_the_recipe_drops_for_its_language_or_as_a_question_alone_is_not_drawn(folder: Path) -> None:
    german = "Der Patient klagt seit drei Tagen über starke Schmerzen im Oberbauch und hohes Fieber, sagt er heute."
    alone = "What should a patient with type 2 diabetes do when the dose of metformin was forgotten twice?"
    texts = [*rows(30), german, alone]
    (folder / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
    assert {row.normal for row in sheets.drawn(settings(folder), 90)} == {*rows(30), german}
    pytest.importorskip("lingua")
    assert {row.normal for row in sheets.drawn(settings(folder, doubtful="lingua"), 90)} == {*rows(30)}
    said = {row.normal: row.language for row in sheets.texts(settings(folder, doubtful="lingua"))}
    assert said[german] == "unknown"


def test_labels_hold_when_a_reader_writes_signs_and_blanks_otherwise(folder: Path) -> None:
    sheets.write(folder / "sheet.csv", sheets.drawn(settings(folder), 60), {})
    filled(folder / "sheet.csv")
    labels = [(row.id, row.keep) for row in calibration.judged(settings(folder), folder / "sheet.csv")]
    texts = [text.replace("，", ", ").replace("第", "【第】 ").replace("7", "⁷") for text in rows()]
    (folder / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    assert [(row.id, row.keep) for row in calibration.judged(settings(folder), folder / "sheet.csv")] == labels
    assert sheets.digest("10⁹/L &amp;") != sheets.digest("10⁸/L &amp;")


ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.exists(), reason="no shared data")
def test_the_figures_of_the_guide_come_from_the_labels_of_the_repository(tmp_path: Path) -> None:
    pytest.importorskip("ahocorasick_rs")
    given = [str(ROOT / "bench" / "abstracts.toml"), "--runs", str(tmp_path)]
    said = CliRunner().invoke(cli, ["curate", *given, "--calibrate", str(ROOT / "bench" / "abstracts.labels.csv")])
    assert said.exit_code == 0, said.output
    assert "167 judged texts, 56 of them to keep" in said.output
    chosen = re.search(r"^ *(\d+) +\d+ +(\S+ \S+ \S+) +(\S+ \S+ \S+)  <- chosen$", said.output, re.MULTILINE)
    held = re.search(r"did not choose it: precision (.*), recall (.*)$", said.output, re.MULTILINE)
    assert chosen is not None
    assert held is not None
    guide = " ".join((ROOT / "docs" / "guides" / "curation.md").read_text(encoding="utf-8").split())
    assert f"it chooses {chosen[1]} thousandths: precision {chosen[2]} and recall {chosen[3]} on the 131" in guide
    assert f"that chose it; {held[1]} and {held[2]} on the 36 that did not" in guide


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.exists(), reason="no shared data")
def test_each_label_of_the_abstracts_is_of_one_text_in_the_file_and_as_it_is_read() -> None:
    path = DATA / "corpus_pubmed_abstracts" / "pubmed_test.json"
    found: dict[str, list[str]] = {}
    read = sheets.texts(CorpusSettings(sources=(CorpusSource(name="a", path=path),)))
    for raw, row in zip(json.loads(path.read_text(encoding="utf-8")), read, strict=True):
        found.setdefault(hashlib.sha256(raw.encode()).hexdigest(), []).append(row.sha256)
    with (ROOT / "bench" / "abstracts.labels.csv").open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    assert all(found[row["raw_sha256"]] == [row["sha256"]] for row in labels)
    assert len({row["sha256"] for row in labels}) == len({row["raw_sha256"] for row in labels}) == len(labels) == 167


def test_labels_hold_by_content_when_the_files_are_cut_anew(folder: Path) -> None:
    sheets.write(folder / "sheet.csv", sheets.drawn(settings(folder), 60), {})
    filled(folder / "sheet.csv")
    before = calibration.judged(settings(folder), folder / "sheet.csv")
    (folder / "a.jsonl").unlink()
    (folder / "parts").mkdir()
    for number in range(4):
        text = "".join(json.dumps({"text": row}) + "\n" for row in rows()[number::4])
        (folder / "parts" / f"{number}.jsonl").write_text(text, encoding="utf-8")
    source = CorpusSource(name="other", path=folder / "parts")
    assert calibration.judged(CorpusSettings(sources=(source,)), folder / "sheet.csv") == before
    assert len(before) == 60


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model that finds what is of the field worth 5, all else 1, and cannot read every tenth text."""
    monkeypatch.setenv("MY_KEY", "k")

    def answer(prompt: str, attempt: int, request: Any) -> Any:
        score = 5 if "糖尿病" in prompt else 1
        said = "这段我说不好。" if "9例" in prompt else json.dumps({"quality": score})
        return web.json_response(completion(said))

    made: Any = FakeTeacher()
    made.answer = answer
    yield made
    made.close()


@pytest.mark.slow
def test_a_model_judges_a_filter_learns_and_the_recipe_uses_it(folder: Path, server: Any) -> None:
    with (folder / "r.toml").open("a") as file:
        file.write(
            f'[corpus.judge]\nurl = "{server.url}"\nmodel = "m"\nkey_env = "MY_KEY"\nprice_in = 1.0\nprice_out = 2.0\n'
        )
    sheet, learned = folder / "sheet.csv", folder / "filter"
    said = curate(folder, "--draw", str(sheet), "--texts", "200", "--judge")
    assert said.exit_code == 0, said.output
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    blank = labels.count("")
    assert 10 <= blank <= 30
    assert f"m judged {200 - blank} of 200 texts" in said.output
    assert f"without a judgement: {blank}, for example: 0 JSON objects" in said.output
    assert "USD" in said.output
    assert sum(server.tries.values()) == 200
    sheet.unlink()
    curate(folder, "--draw", str(sheet), "--texts", "200", "--judge")
    assert sum(server.tries.values()) == 200 + blank or sum(server.tries.values()) == 200  # what is paid for is kept
    said = curate(folder, "--calibrate", str(sheet), "--train-filter", str(learned))
    assert said.exit_code == 0, said.output
    about = load(learned).about
    assert about["judgements"] == 200 - blank
    assert about["measured"]["precision"][0] == 1.0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        drawn = {row["sha256"]: row for row in csv.DictReader(file) if row["label"]}
    held = load(learned).judgements
    assert {(row.id, row.keep, row.by) for row in held} == {(i, r["label"] == "keep", "m") for i, r in drawn.items()}
    assert "on texts that did not teach it" in said.output
    done = curate(folder, "-s", f"corpus.filter={learned}", "-s", "corpus.lexicon.least=0")
    assert done.exit_code == 0, done.output
    dropped = read_manifest(folder / "runs" / "c" / "corpus" / "clean").dropped
    assert set(dropped) == {"low_quality"}
    assert 200 <= dropped["low_quality"] <= 240  # all that it should, and few of the others
    shown = curate(folder, "--calibrate", str(sheet), "-s", f"corpus.filter={learned}")
    assert "Density of terms" in shown.output
    assert "Learned filter" in shown.output
    assert os.listdir(folder / "runs" / "c" / "corpus" / "calibration")


def test_a_model_is_asked_as_the_recipe_says(folder: Path, server: Any) -> None:
    with (folder / "r.toml").open("a") as file:
        file.write(f'[corpus.judge]\nurl = "{server.url}"\nmodel = "m"\nkey_env = "MY_KEY"\n')
    own = ("-s", "corpus.judge.max_tokens=900", "-s", "corpus.judge.temperature=0.5")
    for name, given_ in (("one.csv", ()), ("two.csv", own)):
        said = curate(folder, "--draw", str(folder / name), "--texts", "12", "--judge", *given_)
        assert said.exit_code == 0, said.output
    asked = [(body["max_tokens"], body["temperature"]) for body in server.bodies]
    assert asked == [(32, 0.0)] * 12 + [(900, 0.5)] * 12  # and what was asked otherwise is not taken from the cache


def test_a_threshold_is_measured_on_texts_that_did_not_choose_it() -> None:
    pytest.importorskip("ahocorasick_rs")
    terms = lexicon.Lexicon(lexicon.of_names(["糖尿病", "比赛"]))
    judged = [Judged(f"{i}", text, bool(i % 2)) for i, text in enumerate(rows(300))]
    held = [row for row in judged if is_held_out(row.text)]
    found = calibration.of_density(judged, terms)
    assert found.measured.wanted == sum(row.keep for row in held)
    assert {row.wanted for row in found.table} == {150 - found.measured.wanted}
    wrong_where_held = [row._replace(keep=not row.keep) if is_held_out(row.text) else row for row in judged]
    assert calibration.of_density(wrong_where_held, terms).chosen == found.chosen
    precise = calibration.of_density(judged, terms, 0.9)
    assert shares(next(row for row in precise.table if row.thousandths == precise.chosen))[0][1] >= 0.9  # type: ignore[index]
    assert to_csv(found).splitlines()[-1].startswith(f"density,measured,{found.chosen},")
    assert str(figure(found, "zh")).count("<circle") >= 2 * len([row for row in found.table if row.kept])


def test_what_cannot_be_calibrated_is_one_error(folder: Path) -> None:
    with pytest.raises(RecipeError, match="neither a lexicon nor a filter"):
        calibration.calibrated(settings(folder), [])
    (folder / "sheet.csv").write_text("id,label\n0123,keep\n")
    with pytest.raises(InputError, match="1 of 1 judged ids are in no text"):
        calibration.judged(settings(folder), folder / "sheet.csv")
    (folder / "sheet.csv").write_text("name,label\n0123,keep\n")
    with pytest.raises(InputError, match=r"expected id \(or sha256\) and label"):
        calibration.judged(settings(folder), folder / "sheet.csv")
    for text in ("", "[]", '{"what": "filter", "chosen": 3}', '{"what": "density", "chosen": 4000}'):
        (folder / "d.json").write_text(text)
        with pytest.raises(InputError, match=r"d\.json"):
            lexicon.least_of(LexiconSettings(files=(folder / "words.txt",), least=folder / "d.json"))
    assert curate(folder, "--train-filter", "x").exit_code == 2
    assert curate(folder, "--judge").exit_code == 2
    said = curate(folder, "--draw", str(folder / "new.csv"), "--judge")
    assert isinstance(said.exception, RecipeError)
    assert "add [corpus.judge]" in str(said.exception)
    assert not (folder / "new.csv").exists()
