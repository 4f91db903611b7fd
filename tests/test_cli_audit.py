"""The verbs about exams, as a person calls them: counts, impossible cells, overlap, contamination, a made exam."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from huatuo.cli import cli
from huatuo.cli_audit import SCORES
from huatuo.errors import HuatuoError
from huatuo.eval.overlap_profiles import PROFILES
from huatuo.records import Fact, Origin
from huatuo.store import writing


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    rows = [
        {
            "question": f"第{i}号患者出现{chr(0x5200 + i)}样改变应当首先考虑何病？",
            "kind": "single",
            "options": {"A": "甲", "B": "乙"},
            "answer": "AB"[i % 2],
        }
        for i in range(20)
    ]
    path = tmp_path / "考试.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_audit_exam(exam: Path) -> None:
    shown = run("audit", "exam", str(exam), "--sat-on", "2023-10-21", "--data-until", "2023-09")
    assert shown.startswith("考试: 20 questions (single 20); format exam 20")
    assert "lost 0" in shown
    assert "freshness: fresh" in shown


def test_audit_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("row,a\nn,160\nM,63.6\n", encoding="utf-8")
    assert "M, a: 63.6 is impossible" in run("audit", "table", str(path))


def test_audit_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"answer": "每次0.5g", "reference": "每次0.25g"}', encoding="utf-8")
    assert "1 numbers in 1 answers" in run("audit", "answers", str(path))
    assert set(SCORES) == set(PROFILES)


def test_audit_contamination(exam: Path, tmp_path: Path) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text(exam.read_text(encoding="utf-8").splitlines()[3], encoding="utf-8")
    assert "1 exact" in run("audit", "contamination", str(exam), "--data", str(data))


def test_make_exam(tmp_path: Path) -> None:
    origin = Origin(source="g", file="f", place="p")
    with writing(tmp_path / "run" / "ingest", stage="ingest", key="k") as out:
        for i in range(300):
            about = {"entity_id": f"e{i}", "kind": "drug", "relation": "适应证", "origin": origin}
            out.write("facts", Fact(id=f"f{i}", entity=f"{chr(0x5200 + i)}药", value=f"{chr(0x5600 + i)}病症", **about))
    target = tmp_path / "made.jsonl"
    assert run("make-exam", str(tmp_path / "run"), "-o", str(target), "--most", "50").startswith("100 questions")
    assert "100 questions" in run("audit", "exam", str(target))


@pytest.mark.parametrize(
    "arguments",
    [("exam", "none.json"), ("table", "none.csv"), ("answers", "none.jsonl"), ("exam", ".", "--format", "zz")],
)
def test_what_cannot_be_read_is_an_error_of_ours(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HuatuoError):
        run("audit", *arguments)


@pytest.mark.slow
def test_an_error_is_one_message_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huatuo", "audit", "exam", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
