"""What a hospital's machine and data do to a run: one clear error or one counted drop, and nothing lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from test_cli import diseases, failed, graph, huatuo, recipe

pytestmark = pytest.mark.slow  # whole processes: not in `make unit`


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


@contextmanager
def ingesting(target: Path) -> Iterator[None]:
    """While the block runs, another process has begun to ingest in the same folder; it must end well."""
    first = subprocess.Popen(
        [sys.executable, "-m", "huatuo", "ingest", str(target)], cwd=target.parent, stdout=subprocess.PIPE
    )
    try:
        while not (target.parent / "runs/t/ingest.part").exists():
            assert first.poll() is None
            time.sleep(0.01)
        yield
    finally:
        first.communicate(timeout=120)
    assert first.returncode == 0


def test_a_second_run_in_the_same_folder_is_told_so(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30_000)))
    with ingesting(target):
        failed(huatuo("ingest", str(target), cwd=tmp_path), "runs/t", "another huatuo process", "next:")
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


def test_two_recipes_in_one_folder_at_once_are_never_mixed(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(6_000)))
    with ingesting(target):
        other = huatuo("ingest", str(target), "-s", "ingest.withhold_share=0.5", cwd=tmp_path)
        failed(other, "another huatuo process")


def test_a_stage_does_not_mix_what_two_recipes_made(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(50)), '[train]\norder = "uniform"\n')
    assert huatuo("run", str(target), "--to", "tokenise", cwd=tmp_path).returncode == 0
    assert huatuo("synth", str(target), "-s", "synth.phrasings=2", cwd=tmp_path).returncode == 0
    failed(huatuo("run", str(target), "--only", "train", cwd=tmp_path), "was made from another unify", "--from order")


def test_bytes_that_changed_without_a_new_size_are_found_before_they_are_used(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(50)))
    assert huatuo("run", str(target), "--to", "unify", cwd=tmp_path).returncode == 0
    path = tmp_path / "runs/t/unify/pairs-00000.parquet"
    data = bytearray(path.read_bytes())
    for place in range(200, 1200):
        data[place] ^= 0xFF
    path.write_bytes(bytes(data))
    failed(huatuo("run", str(target), "--to", "order", cwd=tmp_path), "pairs-00000.parquet", "SHA-256 differs")
    failed(huatuo("check", "runs/t", cwd=tmp_path), "SHA-256 differs")
    failed(huatuo("show", "runs/t/unify", "pairs", "-n", "99999", cwd=tmp_path), "not readable")


@pytest.mark.parametrize("kind", ["broken link", "pipe"])
def test_what_is_no_file_is_named_and_not_lost(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "graphs"
    folder.mkdir()
    graph(folder, diseases(30))
    if kind == "pipe":
        os.mkfifo(folder / "x.jsonl")
    else:
        (folder / "x.jsonl").symlink_to(tmp_path / "nowhere")
    failed(huatuo("ingest", str(recipe(tmp_path, folder)), cwd=tmp_path), "x.jsonl", "neither file nor folder")


def test_a_linked_folder_is_read_once_even_where_it_leads_back(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    graph(folder, diseases(30), "a.jsonl")
    graph(tmp_path / "elsewhere", [{"中心词": "别处病", "class": "疾病", "临床症状": ["咳"]}], "b.jsonl")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    done = huatuo("ingest", str(recipe(tmp_path, folder)), cwd=tmp_path)
    assert "31 entities, 61 facts" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "rule"), [("n\\u0000l", "unfit_name"), ("红\\u001b[31m", "unfit_name"), ("长" * 201, "unfit_name")]
)
def test_a_name_that_is_none_teaches_nothing(tmp_path: Path, name: str, rule: str) -> None:
    path = graph(tmp_path, diseases(30))
    with path.open("a", encoding="utf-8") as file:
        file.write(f'{{"中心词": "{name}", "class": "疾病", "临床症状": ["咳"], "": ["无名"]}}\n')
        file.write('{"中心词": "真病", "class": "疾病", "临床症状": ["咳"], " ": ["无名"]}\n')
    done = huatuo("ingest", str(recipe(tmp_path, path)), cwd=tmp_path)
    assert f"dropped 1 no_relation, 1 {rule}" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.format=zz", ("train.format", "unknown chat format")),
        ("train.lora.r=8", ("train.lora", "needs a trained base")),
        ("train.scratch.heads=3", ("-s train.scratch.heads", "multiple")),
        ("train.priority={graf = 1}", ("did you mean 'graph'",)),
        ('questions.probe.relations=["临床症状"]', ("held_out",)),
        ('unify.drop_flagged=["zz"]', ("unify.drop_flagged", "is no rule")),
        ("ask.models=[]", ("ask.models",)),
        ('synth.teacher={kind = "endpoint"}', ("synth.teacher.model", "synth.teacher.url")),
        ('synth.teacher={kind = "endpoint", model = "m", url = "http://[::1/v1"}', ("synth.teacher.url",)),
        ('unify.imports=[{name = "i", path = "none.json", format = "alpaca"}]', ("none.json", "not found")),
        ("synth.share={direkt = 0.5}", ("direkt",)),
        ("synth.share={direct = 2}", ("direct",)),
        ("run.seed=-1", ("-s run.seed",)),
        ("run.name=../up", ("-s run.name",)),
        ("run.name=", ("-s run.name",)),
        ("train.epochs=1000000", ("-s train.epochs",)),
        ("train.steps=abc", ("-s train.steps",)),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_what_would_stop_a_later_stage_is_said_before_anything_is_computed(
    tmp_path: Path, override: str, words: tuple[str, ...], dry: bool
) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30)))
    failed(huatuo("run", str(target), *(["--dry-run"] if dry else []), "-s", override, cwd=tmp_path), *words)
    assert not (tmp_path / "runs").exists()


def test_exams_without_a_usable_question_and_with_contradicting_answers(tmp_path: Path) -> None:
    def question(answer: str, kind: str = "single", second: str = "乙") -> str:
        options = {"A": "甲", "B": second}
        return json.dumps(
            {"question": "哪个对？", "kind": kind, "options": options, "answer": list(answer)}, ensure_ascii=False
        )

    exam = tmp_path / "e.jsonl"
    extra = '[[questions.exams]]\nname = "e"\npath = "e.jsonl"\n'
    target = recipe(tmp_path, graph(tmp_path, diseases(30)), extra)
    exam.write_text("[]", encoding="utf-8")
    failed(huatuo("run", str(target), "--to", "questions", cwd=tmp_path), "e.jsonl", "next:")
    exam.write_text(question("Z") + "\n", encoding="utf-8")
    failed(
        huatuo("run", str(target), "--to", "questions", cwd=tmp_path),
        "no question that can be asked",
        "answer is no option 1",
    )
    lines = [question("A"), question("AB", "multiple"), question("A", second="丙"), question("A", second="甲")]
    exam.write_text("\n".join(lines), encoding="utf-8")
    done = huatuo("run", str(target), "--to", "questions", cwd=tmp_path)
    assert "1 questions; dropped 2 contradictory answers, 1 options alike" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [("runs",), ("show", "runs/t/ingest", "facts", "-n", "9999"), ("check", "runs/t")], ids=lambda a: a[0]
)
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(3000)))
    assert huatuo("ingest", str(target), cwd=tmp_path).returncode == 0
    words = " ".join(arguments)
    command = f"set -o pipefail; {sys.executable} -m huatuo {words} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_run_goes_on_when_nobody_reads_its_lines_any_more(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(300)))
    command = f"{sys.executable} -m huatuo run {target.name} --to unify | head -c 1; sleep 0"
    subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, check=True)
    assert (tmp_path / "runs/t/unify/manifest.json").exists()


def test_nothing_in_the_data_steers_the_terminal(tmp_path: Path) -> None:
    values = ["好\u202e坏", "红\u001b[31m色"]
    path = graph(tmp_path, [*diseases(30), {"中心词": "怪病", "class": "疾病", "临床症状": values}])
    assert huatuo("ingest", str(recipe(tmp_path, path)), cwd=tmp_path).returncode == 0
    shown = huatuo("show", "runs/t/ingest", "facts", "-n", "999", cwd=tmp_path).stdout
    assert "\u202e" not in shown
    assert "\u001b" not in shown
    assert shown.count("broken_character") == 2


@pytest.mark.parametrize("arguments", [("-n", "-1"), ("-n", "0"), ("--id", "zzzz")])
def test_show_says_what_it_cannot_show(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert huatuo("ingest", str(recipe(tmp_path, graph(tmp_path, diseases(30)))), cwd=tmp_path).returncode == 0
    failed(huatuo("show", "runs/t/ingest", "facts", *arguments, cwd=tmp_path), arguments[1])


def test_settings_that_come_too_late_are_said(tmp_path: Path) -> None:
    target = recipe(tmp_path, graph(tmp_path, diseases(30)))
    assert huatuo("run", str(target), "--to", "synth", cwd=tmp_path).returncode == 0
    late = huatuo("run", str(target), "--only", "unify", "-s", "synth.phrasings=2", cwd=tmp_path)
    assert "synth was made with other settings" in late.stderr
    assert "was made with other" not in huatuo("run", str(target), "--only", "unify", cwd=tmp_path).stderr
