"""A paid teacher in a whole run: planned before it is paid, limited, killed, by file, and its key nowhere."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fake_teacher import KEY, FakeTeacher, failing, knowing, reading, status
from huatuo.store import read_manifest
from test_cli import diseases, failed, graph, huatuo

pytestmark = pytest.mark.slow  # whole processes: not in `make unit`

PHRASINGS = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
COUNT = 150


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = FakeTeacher()
    made.answer = knowing(PHRASINGS)
    yield made
    made.close()


def recipe(folder: Path, teacher: str, count: int = COUNT) -> Path:
    """A recipe with a graph and some documents, whose teacher is given."""
    graph(folder, diseases(count), "g.jsonl")
    (folder / "docs").mkdir(exist_ok=True)
    for n in range(12):
        text = f"# 第{n}号护理常规\n\n患者入院后应先测量体温和血压，再由护士记录在第{n}号表格中，并告知家属探视时间。\n"
        (folder / "docs" / f"{n}.md").write_text(text, encoding="utf-8")
    path = folder / "a.toml"
    path.write_text(
        '[run]\nname = "t"\n[[ingest.graphs]]\nname = "g"\npath = "g.jsonl"\n'
        f'[[ingest.documents]]\nname = "d"\npath = "docs"\n[synth.teacher]\n{teacher}\n',
        encoding="utf-8",
    )
    return path


def endpoint(server: Any, extra: str = "") -> str:
    return f'kind = "endpoint"\nurl = "{server.url}"\nmodel = "m"\nkey_env = "MY_KEY"\n{extra}'


def synth(folder: Path, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return huatuo("run", str(path), "--to", "synth", *more, cwd=folder, MY_KEY=KEY)


def counted(text: str) -> tuple[int, int]:
    """Answered and all calls, as said."""
    found = re.findall(r"([\d,]+) of ([\d,]+) calls are answered already", text)
    answered, calls = (int(number.replace(",", "")) for number in found[-1])
    return answered, calls


def digest(folder: Path) -> str:
    return read_manifest(folder / "runs/t/synth").tables["pairs"].digest


def test_the_key_is_nowhere_and_the_plan_counts_what_is_then_asked(server: Any, tmp_path: Path) -> None:
    right = server.answer
    server.answer = failing(
        lambda prompt, attempt, request: (
            status(500, f"your key {KEY} is fine") if attempt == 1 and len(prompt) % 20 == 0 else right(prompt)
        ),
        0.03,
    )
    path = recipe(tmp_path, endpoint(server, "price_in = 1.0\nprice_out = 2.0\nconcurrency = 16\n"))
    rough = huatuo("run", str(path), "--dry-run", cwd=tmp_path, MY_KEY=KEY)
    assert "guessed from the sizes of the files" in rough.stdout
    assert huatuo("run", str(path), "--to", "curate", cwd=tmp_path).returncode == 0
    plan = huatuo("run", str(path), "--dry-run", cwd=tmp_path, MY_KEY=KEY)
    assert not (tmp_path / "runs/t/calls.sqlite").exists()
    answered, calls = counted(plan.stdout)
    assert answered == 0
    assert re.search(r"about [\d.]+ USD; about [\d.]+ h at 16 calls at once", plan.stdout)
    assert not server.tries
    done = synth(tmp_path, path)
    assert done.returncode == 0, done.stderr
    assert counted(done.stderr) == (0, calls) == (0, len(server.tries))
    assert re.search(r"spent so far: [\d.]+ USD for [\d,]+ answered calls", done.stderr)
    figures = read_manifest(tmp_path / "runs/t/synth").figures
    assert figures["calls asked"] == calls
    assert 0 < (figures["cost (USD)"] or 0) < 1
    assert (figures["prompt_tokens"] or 0) > 10_000
    assert server.keys == {f"Bearer {KEY}"}
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "calls.sqlite" for file in written)
    assert [file for file in written if KEY.encode() in file.read_bytes()] == []
    said = "".join(text for run in (rough, plan, done) for text in (run.stdout, run.stderr))
    assert KEY not in said


def test_how_it_is_asked_and_paid_is_no_reason_to_ask_again_and_a_new_prompt_asks_only_what_is_new(
    server: Any, tmp_path: Path
) -> None:
    path = recipe(tmp_path, endpoint(server))
    assert synth(tmp_path, path).returncode == 0
    asked = sum(server.tries.values())
    other = ("synth.teacher.concurrency=3", "synth.teacher.max_tokens_total=1", "synth.teacher.url=http://elsewhere/v1")
    again = synth(tmp_path, path, *[word for one in other for word in ("-s", one)])
    assert again.stdout.count("finished before") == 4
    assert sum(server.tries.values()) == asked
    fewer = synth(tmp_path, path, "-s", 'synth.shapes=["direct"]')
    answered, calls = counted(fewer.stderr)
    assert answered == calls < asked
    assert "no further call" in fewer.stderr
    assert sum(server.tries.values()) == asked


def test_a_limit_stops_with_what_was_spent_and_a_higher_one_goes_on(server: Any, tmp_path: Path) -> None:
    path = recipe(tmp_path, endpoint(server, "price_in = 10.0\nprice_out = 30.0\nmax_tokens = 200\nmax_cost = 0.5\n"))
    failed(synth(tmp_path, path), "max_cost = 0.5 USD is reached", "spent so far: 0.4", "next: raise the limit")
    first = set(server.tries)
    assert 10 < len(first) < 300
    failed(synth(tmp_path, path), "is reached")
    assert set(server.tries) == first
    done = synth(tmp_path, path, "-s", "synth.teacher.max_cost=50")
    assert done.returncode == 0, done.stderr
    assert counted(done.stderr)[0] == len(first)
    assert set(server.tries.values()) == {1}
    unpriced = recipe(tmp_path, endpoint(server, "max_cost = 5\n"))
    failed(huatuo("run", str(unpriced), "--to", "ingest", cwd=tmp_path), "max_cost", "needs the price")


def test_an_endpoint_that_is_taken_out_is_a_finding_of_the_stage(server: Any, tmp_path: Path) -> None:
    bad: Any = FakeTeacher()
    bad.answer = lambda prompt, attempt, request: status(403, "no")
    try:
        more = f'[[synth.teacher.endpoints]]\nurl = "{bad.url}"\n'
        done = synth(tmp_path, recipe(tmp_path, endpoint(server, more)))
    finally:
        bad.close()
    assert done.returncode == 0, done.stderr
    found = huatuo("show", "runs/t/synth", "findings", cwd=tmp_path).stdout
    assert json.loads(found.splitlines()[0])["rule"] == "endpoint taken out"
    assert "status 403" in found


@pytest.mark.slow
def test_by_file_a_run_waits_takes_the_answers_and_makes_the_same_pairs(server: Any, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert synth(tmp_path / "a", recipe(tmp_path / "a", endpoint(server))).returncode == 0
    asked = len(server.tries)
    folder, path = tmp_path / "b", recipe(tmp_path / "b", 'kind = "batch"\nmodel = "m"\n')
    lines = 0
    for turn in (1, 2):  # the second file holds the second calls about passages
        waiting = synth(folder, path)
        assert waiting.returncode == 75, waiting.stderr
        assert "waiting: " in waiting.stderr
        name = re.search(r"(runs/t/batch/requests-\w+\.jsonl) \(([\d,]+) requests", waiting.stderr)
        assert name is not None, waiting.stderr
        assert synth(folder, path).stderr.splitlines()[-1] == waiting.stderr.splitlines()[-1]  # the same file again
        out = []
        for text in (folder / name[1]).read_text(encoding="utf-8").splitlines():
            request = json.loads(text)
            body = json.loads(knowing(PHRASINGS)(request["body"]["messages"][-1]["content"]).body)
            response = {"status_code": 200, "body": body}
            out.append(json.dumps({"custom_id": request["custom_id"], "response": response, "error": None}))
        lines += len(out)
        (folder / f"runs/t/batch/output-{turn}.jsonl").write_text("\n".join(out), encoding="utf-8")
    done = synth(folder, path)
    assert done.returncode == 0, done.stderr
    assert counted(done.stderr) == (asked, asked) == (lines, lines)
    assert digest(tmp_path / "a") == digest(folder)
    assert read_manifest(tmp_path / "a/runs/t/synth").key == read_manifest(folder / "runs/t/synth").key


def killed_at(path: Path, last: str, answered: list[str], more: int) -> bool:
    """Whether a run was killed before its end: once so many calls more were answered."""
    command = [sys.executable, "-m", "huatuo", "run", str(path), "--to", last]
    wanted = len(answered) + more
    with subprocess.Popen(
        command,
        cwd=path.parent,
        env={**os.environ, "MY_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        while child.poll() is None and len(answered) < wanted:
            time.sleep(0.005)
        child.kill()
    return child.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_makes_the_pairs_of_one_that_was_not(server: Any, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert synth(tmp_path / "a", recipe(tmp_path / "a", endpoint(server), 400)).returncode == 0
    asked = sum(server.tries.values())
    server.tries.clear()
    server.delay, answered = 0.02, []

    def right(prompt: str, attempt: int, request: Any) -> Any:
        answered.append(prompt)
        return knowing(PHRASINGS)(prompt)

    server.answer = failing(right, 0.15)
    folder, dice = tmp_path / "b", random.Random(5)
    path = recipe(folder, endpoint(server, "concurrency = 8\nretries = 9\n"), 400)
    kills = sum(killed_at(path, "synth", answered, dice.randint(1, 60)) for _ in range(8))
    done = synth(folder, path)
    assert done.returncode == 0, done.stderr
    assert kills >= 5  # the last ones may find it finished
    assert 0 <= len(answered) - asked <= 8 * kills  # no more than was in flight at each kill
    assert digest(tmp_path / "a") == digest(folder)
    assert huatuo("check", "runs/t", cwd=folder).returncode == 0


@pytest.mark.slow
def test_reading_documents_that_is_killed_again_and_again_reads_what_one_that_was_not_does(
    server: Any, tmp_path: Path
) -> None:
    answered: list[str] = []

    def right(prompt: str, attempt: int = 1, request: Any = None) -> Any:
        answered.append(prompt)
        return reading(prompt)

    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        texts = [f"第{n}药片\n适应证:用于治疗病{n}、症{n}。\n不良反应:偶见痛{n}。\n" for n in range(300)]
        lines = [json.dumps({"title": f"第{n}号", "text": text}, ensure_ascii=False) for n, text in enumerate(texts)]
        (folder / "d.jsonl").write_text("\n".join(lines), encoding="utf-8")
        path = folder / "a.toml"
        path.write_text(
            '[run]\nname = "t"\n[[ingest.documents]]\nname = "d"\npath = "d.jsonl"\nextract = "teacher"\n'
            "[ingest.teacher]\n" + endpoint(server, "concurrency = 4\nretries = 9\n"),
            encoding="utf-8",
        )
        answered.clear()
        server.answer, server.delay = failing(right, 0.1), 0.0 if name == "a" else 0.05
        kills = sum(killed_at(path, "ingest", answered, 20 + 5 * n) for n in range(4 if name == "b" else 0))
        done = huatuo("run", str(path), "--to", "ingest", cwd=folder, MY_KEY=KEY)
        assert done.returncode == 0, done.stderr
        digests.append(read_manifest(folder / "runs/t/ingest").tables["facts"].digest)
        if name == "b":
            assert kills == 4
            assert 300 <= len(answered) <= 300 + 4 * kills  # no more again than was in flight at each kill
    assert digests[0] == digests[1]
