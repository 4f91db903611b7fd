"""`huatuo sus` from the answers to the page, and errors without traceback."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from sus_makers import PEOPLE, as_csv, made, rows, source

from fake_teacher import KEY, FakeTeacher, completion
from huatuo import cli
from huatuo.errors import InputError
from huatuo.eval.sus import scales, store

GUIDE = Path(__file__).parent.parent.parent / "docs/guides/sus.md"


def huatuo(capsys, *words) -> str:
    """What a command prints."""
    cli.cli.main([str(word) for word in words], standalone_mode=False)
    return capsys.readouterr().out


def fill(folder: Path) -> list[Path]:
    """Every person's sheet filled in, saved as GBK."""
    found = store.open_study(folder, "study")
    places = {place.blind: place for place in found.places()}
    saved = []
    for name in PEOPLE:
        cells = rows(folder / "sheets" / f"{name}.csv")
        for row in cells[1:]:
            place = places[row[0]]
            expected = json.loads(place.item.expected) if place.item.expected else {}
            for column, dimension in enumerate(("safety", "usability", "smoothness"), 4):
                draw = (len(place.item.model) * 7 + sum(map(ord, row[0] + dimension))) % 3 + 1
                row[column] = str(expected.get(dimension, draw))
        saved.append(folder / f"{name}-back.csv")
        saved[-1].write_bytes(as_csv(cells, "gbk"))
    return saved


@pytest.fixture
def study(tmp_path, capsys):
    huatuo(capsys, "sus", "make", source(tmp_path, 12), "-o", tmp_path / "study", "--annotators", "甲，乙、丙,丁, 戊")
    return tmp_path / "study"


@pytest.fixture(scope="module")
def unrated(tmp_path_factory):
    """A study that nobody has rated."""
    folder = tmp_path_factory.mktemp("unrated") / "study"
    made(folder, 4)
    return folder


@pytest.mark.slow
def test_the_whole_path(study, capsys):
    assert len(list((study / "sheets").iterdir())) == 15
    said = huatuo(capsys, "sus", "read", study, *fill(study))
    assert said.count("items not in it; 0 earlier ratings changed") == 5
    assert "甲: 174 scores, 0 cannot judge, 0 empty; 0 items not in it" in said
    said = huatuo(capsys, "sus", "score", study, "--against", "HuaTuo-7B", "--title", "题")
    assert "720 scores" in said
    report = Path(re.findall(r"Report: (.*)", said)[0])
    assert "<h1>题</h1>" in report.read_text(encoding="utf-8")
    table = list(csv.DictReader(io.StringIO((study / "report" / "table.csv").read_text(encoding="utf-8-sig"))))
    assert [row["model"] for row in table][-1:] != []
    assert {"Safety", "Usability low", "safe and useful high", "Safety (given use)"} <= set(table[0])
    tex = (study / "report" / "table.tex").read_text(encoding="utf-8")
    assert tex.startswith("% sus|scale:sus|")
    assert tex.count(r" \\") == 5
    said = huatuo(capsys, "sus", "plan", study, "--difference", "0.2", "--questions", "30", "--each", "2,5")
    assert re.search(r"30 questions x 5 of 5 annotators: power \d+% \[\d+%, \d+%\], 315 ratings, 5 hours", said)


def test_a_sheet_that_was_mended_is_read_again(study, capsys):
    cells = rows(study / "sheets" / "甲.csv")
    for row in cells[1:]:
        row[4:7] = ["3", "3", "3"]
    cells[7][5] = "5"
    (study / "back.csv").write_bytes(as_csv(cells))
    with pytest.raises(InputError, match="row 8, column 可用性: '5'"):
        huatuo(capsys, "sus", "read", study, study / "back.csv")
    assert store.open_study(study, "study").ratings() == {}
    cells[7][5] = "2"
    (study / "back.csv").write_bytes(as_csv(cells))
    said = huatuo(capsys, "sus", "read", study, study / "back.csv")
    assert "0 earlier ratings changed" in said
    # three of five training items are safe, one is of use, four are fluent: 3 everywhere is right in 8 of 15
    assert re.search(r"training 8 of 15 as expected, attention (0|3|6) of 6 as expected", said)
    cells[7][5] = "1"
    (study / "back.csv").write_bytes(as_csv(cells))
    assert "1 earlier ratings changed" in huatuo(capsys, "sus", "read", study, study / "back.csv")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "{study}", "absent.csv"), "absent.csv"),
        (("read", "nowhere", "absent.csv"), "holds no study"),
        (("score", "{study}"), "nobody has rated yet"),
        (("plan", "{study}", "--questions", "many"), "expected whole numbers with commas"),
        (("make", "absent.csv", "-o", "{study}2", "--annotators", "甲"), "absent.csv"),
        (("make", "absent.csv", "-o", "{study}2", "--annotators", "甲", "--scale", "likert"), "no scale 'likert'"),
        (("score", "{study}", "--store", "postgresql://nobody@127.0.0.1:9/none"), "the store of the study"),
    ],
)
def test_an_error_is_one_message(unrated, words, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["huatuo", "sus", *(word.format(study=unrated) for word in words)])
    monkeypatch.chdir(unrated.parent)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    shown = capsys.readouterr().err
    assert stop.value.code == 1
    assert said in shown
    assert shown.startswith("error: ")
    assert "Traceback" not in shown


@pytest.mark.slow
def test_a_model_rates_through_an_endpoint_and_is_not_paid_twice(study, capsys, monkeypatch):
    monkeypatch.setenv("NONE", KEY)
    teacher = FakeTeacher()
    teacher.answer = lambda prompt, attempt, request: web.json_response(
        completion("没有" if "第3个问题" in prompt else '{"safety": 2, "usability": 2, "smoothness": 3}')
    )
    try:
        for _ in range(2):
            said = huatuo(capsys, "sus", "judge", study, "--url", teacher.url, "--model", "m", "--key-env", "NONE")
            assert "llm:m: 48 answers, 4 replies without scores" in said
        assert len(teacher.bodies) <= 48
    finally:
        teacher.close()
    huatuo(capsys, "sus", "read", study, *fill(study))
    assert "720 scores" in huatuo(capsys, "sus", "score", study)
    assert "llm:m" in (study / "report" / "report.html").read_text(encoding="utf-8")


def test_the_guides_scale_is_read(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "ward.toml").write_text(block, encoding="utf-8")
    assert [d.id for d in scales.load(str(tmp_path / "ward.toml")).dimensions] == ["safety", "use"]
