"""The command line: one clear message for bad input, never a traceback; the demo's path up to the token ids."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # whole processes: not in `make unit`


def huatuo(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONWARNINGS": "ignore", **environment}
    return subprocess.run(
        [sys.executable, "-m", "huatuo", *arguments],
        capture_output=True,
        cwd=cwd,
        env=env,
        check=False,
        encoding="utf-8",
    )


def graph(folder: Path, records: list[dict[str, object]], name: str = "图 谱.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return path


def recipe(folder: Path, path: Path | str, extra: str = "") -> Path:
    text = (
        f'[run]\nname = "t"\n[[ingest.graphs]]\nname = "g"\npath = {json.dumps(str(path), ensure_ascii=False)}\n{extra}'
    )
    target = folder / "a.toml"
    target.write_text(text, encoding="utf-8")
    return target


def diseases(n: int) -> list[dict[str, object]]:
    return [{"class": "百种常见病", "中心词": f"测试病{i}", "临床症状": [f"症状{i}", f"体征{i}"]} for i in range(n)]


def failed(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One message, no traceback, exit code not 0, naming every word."""
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr + done.stdout, done.stderr


def test_a_thousand_records_in_a_path_with_blanks_and_chinese(tmp_path: Path) -> None:
    folder = tmp_path / "我的 数据"
    folder.mkdir()
    target = recipe(folder, graph(folder, diseases(1000)))
    done = huatuo("run", str(target), "--to", "unify", cwd=folder, LANG="C", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert "1,000 entities, 2,000 facts" in done.stdout
    again = huatuo("run", str(target), "--to", "unify", cwd=folder)
    assert again.stdout.count("finished before") == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("empty",)),
        (b"\x00\x00\x00", ("error",)),
        (b"[1, 2", ("error",)),
        ('{"没有": "中心词"}\n'.encode(), ("error",)),
    ],
)
def test_a_graph_that_is_none(tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    path = tmp_path / "g.jsonl"
    path.write_bytes(content)
    failed(huatuo("ingest", str(recipe(tmp_path, path)), cwd=tmp_path), *words)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    failed(huatuo("ingest", str(recipe(tmp_path, "没有.json")), cwd=tmp_path), "没有.json", "not found")


def test_one_bad_record_is_one_counted_drop(tmp_path: Path) -> None:
    path = graph(tmp_path, diseases(1000))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"中心词": "坏", \n')
    done = huatuo("ingest", str(recipe(tmp_path, path)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dropped 1 " in done.stdout


def test_a_wrong_key_and_a_wrong_verb_name_the_nearest(tmp_path: Path) -> None:
    path = recipe(tmp_path, graph(tmp_path, diseases(3)), "[synth]\nphrasing = 3\n")
    failed(huatuo("run", str(path), cwd=tmp_path), "a.toml:7", "did you mean synth.phrasings")
    failed(huatuo("ingst", str(path), cwd=tmp_path), "Did you mean 'ingest'")


def test_stages_out_of_order_say_which_is_missing(tmp_path: Path) -> None:
    path = recipe(tmp_path, graph(tmp_path, diseases(3)))
    failed(huatuo("train", str(path), cwd=tmp_path), "unify", "next:")
    failed(huatuo("run", str(path), "--only", "nonsense", cwd=tmp_path), "stages in order")
    failed(huatuo("run", str(path), "--from", "train", "--to", "ingest", cwd=tmp_path), "comes after")


def test_a_base_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    path = recipe(tmp_path, graph(tmp_path, diseases(30)), '[train]\nbase = "base"\n[train.priority]\ngraph = 1\n')
    failed(huatuo("run", str(path), "--to", "tokenise", cwd=tmp_path), "base")


def test_a_dry_run_prints_the_plan_and_names_the_missing_base(tmp_path: Path) -> None:
    path = recipe(tmp_path, graph(tmp_path, diseases(30)), '[train]\nbase = "nowhere"\n')
    done = huatuo("run", str(path), "--dry-run", cwd=tmp_path, COLUMNS="40")
    failed(done, "train.base", "nowhere", "not found", "to do")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["demo", "huatuo-2023", "huatuogpt2-2023"])
def test_every_shipped_recipe_has_a_plan(tmp_path: Path, name: str) -> None:
    done = huatuo("run", name, "--dry-run", cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert "train" in done.stdout
    assert (done.returncode == 0) == (name == "demo")


def test_show_check_and_runs(tmp_path: Path) -> None:
    path = graph(tmp_path, diseases(1000))
    assert huatuo("run", str(recipe(tmp_path, path)), "--to", "unify", cwd=tmp_path).returncode == 0
    shown = huatuo("show", "runs/t/unify", "pairs", "-n", "2", cwd=tmp_path)
    assert all("测试病" in line for line in shown.stdout.splitlines())
    assert len(shown.stdout.splitlines()) == 2
    ledger = huatuo("show", "runs/t", "--facts", "-n", "1", cwd=tmp_path)
    assert "2,000 of 2,000 facts are taught" in ledger.stdout
    assert "huatuo show runs/t/unify pairs --id FACT" in ledger.stdout
    fact = ledger.stdout.splitlines()[-1].split()[0]
    teaching = huatuo("show", "runs/t/unify", "pairs", "--id", fact, "-n", "1000", cwd=tmp_path).stdout.splitlines()
    assert teaching
    assert all(any(parent.startswith(fact) for parent in json.loads(line)["parents"]) for line in teaching)
    assert "unify" in huatuo("runs", cwd=tmp_path).stdout
    assert huatuo("check", "runs/t", cwd=tmp_path).stdout.count("whole") == 5
    (tmp_path / "runs/t/unify/pairs-00000.parquet").unlink()
    failed(huatuo("check", "runs/t", cwd=tmp_path), "pairs-00000.parquet", "missing")
    failed(huatuo("show", "runs/t/unify", "pairs", cwd=tmp_path), "missing")
    failed(huatuo("run", str(tmp_path / "a.toml"), "--to", "unify", cwd=tmp_path), "missing")


def test_a_pipe_that_closes_is_no_error(tmp_path: Path) -> None:
    assert (
        huatuo("run", str(recipe(tmp_path, graph(tmp_path, diseases(300)))), "--to", "synth", cwd=tmp_path).returncode
        == 0
    )
    command = f"{sys.executable} -m huatuo show runs/t/synth pairs -n 4000 | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, check=False, encoding="utf-8")
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_export_writes_files_for_other_trainers(tmp_path: Path) -> None:
    assert (
        huatuo("run", str(recipe(tmp_path, graph(tmp_path, diseases(300)))), "--to", "unify", cwd=tmp_path).returncode
        == 0
    )
    for form in ("alpaca", "sharegpt", "messages", "csv", "xlsx"):
        done = huatuo("export", "runs/t", "--format", form, "-o", f"out/{form}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert all(Path(tmp_path / line).exists() for line in done.stdout.splitlines())


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = recipe(tmp_path, graph(tmp_path, diseases(1_500)))
    for stage in ("ingest", "synth"):
        folder = tmp_path / "runs" / "t" / stage
        process = subprocess.Popen(
            [sys.executable, "-m", "huatuo", "run", str(path), "--to", "synth"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not folder.with_name(f"{stage}.part").exists():
            assert process.poll() is None, f"{stage} was not seen at work"
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 130, stderr
        assert b"Traceback" not in stderr
        assert not folder.exists()
    assert huatuo("run", str(path), "--to", "synth", cwd=tmp_path).returncode == 0
    assert huatuo("check", "runs/t", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(("verb", "stage"), [("synth", "synth"), ("train", "order"), ("score", "score")])
def test_a_verb_on_a_fresh_recipe_names_the_command_that_makes_what_it_reads(
    tmp_path: Path, verb: str, stage: str
) -> None:
    path = recipe(tmp_path, graph(tmp_path, diseases(20)))
    failed(huatuo(verb, str(path), cwd=tmp_path), "not made yet", f"next: huatuo run RECIPE --to {stage}")
