"""What a hospital's machine and data do to a run: one clear error or one counted drop, and nothing lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from test_cli import diseases, failed, graph, huatuo, recipe


def small_disk(most_bytes: int) -> None:
    """No file may grow beyond: what a full disk does to a writer, without needing a disk of our own."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def ids(folder: Path, table: str) -> list[str]:
    done = huatuo("show", str(folder), table, "-n", "100000", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def test_a_full_disk_is_named_and_the_same_command_goes_on(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(5000)))
    assert huatuo("ingest", str(target), cwd=tmp_path).returncode == 0
    done = subprocess.run(
        [sys.executable, "-m", "huatuo", "run", str(target), "--to", "synth"],
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: small_disk(300_000),
        check=False,
        encoding="utf-8",
    )
    failed(done, "error", "next:")
    assert not (tmp_path / "runs/t/synth").exists()
    assert huatuo("run", str(target), "--to", "synth", cwd=tmp_path).returncode == 0
    assert huatuo("check", "runs/t", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_a_line_of_200_megabytes_is_one_bad_record_and_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = graph(tmp_path, diseases(1000))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"中心词": "长", "class": "疾病", "临床症状": ["')
        for _ in range(200):
            file.write("咳" * ((1 << 20) // 3))
        file.write('"]}\n')
    assert path.stat().st_size > 200_000_000
    for arguments in (("ingest", str(recipe(tmp_path, path))), ("check", str(path))):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        done = huatuo(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "line_too_long" in done.stdout
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert most == before or most < 600_000  # KiB: the line is never held three times over


def test_a_second_run_in_the_same_folder_is_told_so(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30_000)))
    first = subprocess.Popen(
        [sys.executable, "-m", "huatuo", "ingest", str(target)], cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        while not (tmp_path / "runs/t/ingest.part").exists():
            assert first.poll() is None
            time.sleep(0.01)
        failed(huatuo("ingest", str(target), cwd=tmp_path), "runs/t", "another huatuo process", "next:")
    finally:
        first.communicate(timeout=120)
    assert first.returncode == 0
    assert huatuo("check", "runs/t", cwd=tmp_path).returncode == 0


def test_a_data_set_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30)))
    assert huatuo("ingest", str(target), cwd=tmp_path).returncode == 0
    path = tmp_path / "runs/t/ingest/manifest.json"
    changed = json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"format_version": 99})
    path.write_text(changed, encoding="utf-8")
    failed(huatuo("ingest", str(target), cwd=tmp_path), "newer huatuo", "next: upgrade")
    failed(huatuo("check", "runs/t", cwd=tmp_path), "newer huatuo")
    assert path.read_text(encoding="utf-8") == changed


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30)))
    failed(huatuo("ingest", str(target), "--runs", "/proc/nowhere", cwd=tmp_path), "/proc/nowhere", "next:")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30)))
    (tmp_path / "runs").mkdir(mode=0o500)
    failed(huatuo("ingest", str(target), cwd=tmp_path), "runs", "next:")


@pytest.mark.parametrize("columns", ["40", "200"])
def test_every_help_text_fits_the_terminal(tmp_path: Path, columns: str) -> None:
    for verb in ("", "run", "chat", "show", "export"):
        done = huatuo(*[w for w in (verb, "--help") if w], cwd=tmp_path, COLUMNS=columns)
        assert done.returncode == 0
        assert done.stdout


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"中心词": "坏", "class": "疾病", "临床症状": 5}', ""),
        ('{"中心词": "坏", "class": "疾病", "临床症状": ["咳"], "临床症状": ["嗽"]}', "duplicate"),
        ('{"中心词": "坏\x00", "class": "疾病", "临床症状": ["咳"]}', ""),
        ('["坏"]', ""),
        ("坏", ""),
    ],
)
@pytest.mark.parametrize(("start", "newline"), [("", "\n"), ("\ufeff", "\r\n")])
def test_one_strange_record_among_a_thousand_costs_at_most_itself(
    tmp_path: Path, text: str, rule: str, start: str, newline: str
) -> None:
    records = [json.dumps(r, ensure_ascii=False) for r in diseases(1000)]
    path = tmp_path / "g.jsonl"
    path.write_text(start + newline.join([*records[:500], text, *records[500:]]) + newline, "utf-8", newline="")
    done = huatuo("ingest", str(recipe(tmp_path, path)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1,000 entities" in done.stdout or "1,001 entities" in done.stdout
    if "1,000 entities" in done.stdout:
        assert "dropped 1" in done.stdout
    found = huatuo("show", "runs/t/ingest", "findings", "-n", "100", cwd=tmp_path).stdout
    assert "line 501" in found or "dropped 1" in done.stdout
    assert rule in found + done.stdout


def test_an_entity_with_ten_thousand_values_is_read_whole(tmp_path: Path) -> None:
    values = [f"症状第{i}种" for i in range(10_000)]
    path = graph(tmp_path, [*diseases(100), {"中心词": "多症病", "class": "疾病", "临床症状": values}])
    done = huatuo("ingest", str(recipe(tmp_path, path)), cwd=tmp_path)
    assert "101 entities, 10,200 facts" in done.stdout, done.stdout + done.stderr


def test_nothing_to_teach_is_an_error_that_says_why(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(50)), "[ingest]\nwithhold_share = 1.0\n")
    failed(huatuo("run", str(target), "--to", "synth", cwd=tmp_path), "withh")
