"""Several processes make the pairs of one corpus: each part once, whoever dies, and what one process makes."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fake_teacher import FakeTeacher, knowing
from huatuo import joining, parts, preflight, recipe_file, run, store
from huatuo.corpus import bulk
from huatuo.errors import BusyError, DataError, RefusedError, WaitingError
from huatuo.files import write_atomic
from huatuo.joining import join
from huatuo.knowledge import documents
from huatuo.knowledge.documents import part_number
from huatuo.recipe import Recipe
from huatuo.recipe_curate import CorpusSettings
from huatuo.records import Dropped, Pair
from huatuo.run import select

PHRASINGS = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
JOINED = ("ingest", "curate", "synth")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred passages of curation; three records have one title."""
    folder = tmp_path_factory.mktemp("corpus")
    with (folder / "in.jsonl").open("w", encoding="utf-8") as out:
        for number in range(320):
            said = [
                f"第{number}号患者于第{number % 60 + k}日复查肝功能和血糖，结果为{number * 7 + k}。" for k in range(5)
            ]
            row = {"id": f"r{number}", "title": f"第{number // 3}篇", "text": "".join(said)}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    source = {"name": "web", "path": folder / "in.jsonl", "id": "id"}
    for _ in bulk.curate(CorpusSettings.model_validate({"sources": [source], "near": 0}), folder / "corpus"):
        pass
    assert store.read_manifest(folder / "corpus" / "passages").tables["passages"].rows >= 300
    return folder / "corpus" / "passages"


def recipe(folder: Path, corpus: Path, count: int, teacher: str = "", extra: str = "") -> Path:
    path = folder / "pairs.toml"
    path.write_text(
        f'[run]\nname = "t"\n[[ingest.documents]]\nname = "bulk"\npath = "{corpus}"\n[synth]\nparts = {count}\n'
        f"{extra}[synth.teacher]\n{teacher}\n",
        encoding="utf-8",
    )
    return path


def loaded(folder: Path, corpus: Path, count: int, **teacher: Any) -> Recipe:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in teacher.items())
    return recipe_file.load(recipe(folder, corpus, count, lines))


def digests(root: Path) -> dict[str, str]:
    return {name: store.verify(root / name, deep=True).digest for name in JOINED}


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process, not cut into parts."""
    folder = tmp_path_factory.mktemp("whole")
    for _ in run.run(loaded(folder, corpus, 0), folder / "t", select(last="synth")):
        pass
    return folder / "t"


# ---------------------------------------------------------------- one answer


@pytest.mark.slow
def test_parts_give_what_the_whole_gives(corpus: Path, whole: Path, tmp_path: Path) -> None:
    made = loaded(tmp_path, corpus, 3)
    done = list(run.run(made, tmp_path / "t", select(last="synth")))
    assert [d.stage.name for d in done if not d.skipped] == ["ingest", "questions", "curate", "synth"]
    assert digests(tmp_path / "t") == digests(whole)
    for name in JOINED:
        one, other = store.read_manifest(tmp_path / "t" / name), store.read_manifest(whole / name)
        assert (one.kept, one.dropped, one.left, one.key) == (other.kept, other.dropped, other.left, other.key)
        assert one.figures == other.figures
    assert all(d.skipped for d in run.run(made, tmp_path / "t", select(last="synth")))
    assert all(d.skipped for d in run.run(loaded(tmp_path, corpus, 0), tmp_path / "t", select(last="synth")))
    rows = [
        store.read_manifest(f / "synth").tables["pairs"].rows
        for f in sorted((tmp_path / "t" / "parts").iterdir())
        if f.is_dir()
    ]
    assert len(rows) == 3
    assert min(rows) > 50


@pytest.mark.slow
def test_a_part_may_be_empty(
    corpus: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All passages under the titles of one part, as those of a few books are."""
    monkeypatch.setattr(documents, "part_number", lambda *_: 2)
    for _ in run.run(loaded(tmp_path, corpus, 3), tmp_path / "t", select(last="synth")):
        pass
    assert capsys.readouterr().err.count("no passage") == 2
    assert digests(tmp_path / "t") == digests(whole)


@pytest.mark.slow
def test_the_next_stages_go_on_from_the_joined_ones(corpus: Path, tmp_path: Path) -> None:
    made = loaded(tmp_path, corpus, 3)
    for _ in run.run(made, tmp_path / "t", select(last="unify")):
        pass
    pairs = list(store.read(tmp_path / "t" / "unify", "pairs", Pair))
    assert len({pair.id for pair in pairs}) == len(pairs) > 250


@pytest.mark.slow
def test_a_changed_recipe_makes_the_parts_anew(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in run.run(loaded(tmp_path, corpus, 2), tmp_path / "t", select(last="synth")):
        pass
    assert "made before" not in capsys.readouterr().err
    before = digests(tmp_path / "t")
    other = recipe_file.load(tmp_path / "pairs.toml", ("synth.passage_shapes=['passage_dialogue']",))
    for _ in run.run(other, tmp_path / "t", select(last="synth")):
        pass
    assert "made before" not in capsys.readouterr().err
    after = digests(tmp_path / "t")
    assert {name for name in JOINED if before[name] != after[name]} == {"synth"}


@pytest.mark.slow
def test_twins_in_two_parts_are_dropped_once_and_the_digest_is_of_what_is_left(tmp_path: Path, corpus: Path) -> None:
    """A teacher that says the same of every passage: one pair is left, the others have a reason."""

    made = loaded(tmp_path, corpus, 3)
    for _ in run.run(made, tmp_path / "t", select(last="synth")):
        pass
    folders = [parts.folder_of(made, tmp_path / "t", number) / "synth" for number in (1, 2, 3)]
    ones = [list(store.read(folder, "pairs", Pair)) for folder in folders]
    twins = [ones[0][3], ones[0][7], ones[1][0]]
    for number, given in ((1, twins[:2]), (2, twins)):
        kept = [*ones[number], *(pair for pair in given if pair not in ones[number])]
        with store.writing(folders[number], stage="synth", key="k") as out:
            for pair in kept:
                out.write("pairs", pair)
    with store.writing(tmp_path / "joined", stage="synth", key="k") as out:
        join(folders, out)
    found = list(store.read(tmp_path / "joined", "pairs", Pair))
    every = [pair for some in ones for pair in some]
    assert [pair.id for pair in found] == [pair.id for pair in every]
    manifest = store.verify(tmp_path / "joined", deep=True)
    assert manifest.dropped == {"duplicate": 3}
    assert manifest.tables["pairs"].rows == len(every)
    with store.writing(tmp_path / "again", stage="synth", key="k") as out:
        for pair in every:
            out.write("pairs", pair)
    assert manifest.tables["pairs"].digest == store.read_manifest(tmp_path / "again").tables["pairs"].digest
    assert {d.record_id for d in store.read(tmp_path / "joined", "dropped", Dropped)} == {pair.id for pair in twins}
    for folder in folders:
        store.verify(folder, deep=True)  # the parts are what they were


def test_a_join_that_is_cut_short_leaves_nothing_under_the_final_name(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(joining.os, "link", full)
    monkeypatch.setattr(joining.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"), store.writing(tmp_path / "a", stage="s", key="k") as out:
        joining.join([whole / "synth"], out)
    assert not (tmp_path / "a").exists()


def test_an_unfinished_part_is_not_joined(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="no manifest"), store.writing(tmp_path / "a", stage="s", key="k") as out:
        join([whole / "synth", tmp_path / "b"], out)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_part_is_a_share_of_the_titles(count: int) -> None:
    found = [part_number(f"{n:032x}", f"title {n // 5}", count) for n in range(2_000)]
    assert set(found) == set(range(1, count + 1))
    assert all(len(set(found[n : n + 5])) == 1 for n in range(0, 2_000, 5))
    assert len({part_number(f"{n:032x}", "", 40) for n in range(500)}) == 40


# ---------------------------------------------------------------- the claim


def _hold(folder: str, ready: Any, end: Any) -> None:
    with parts.claimed(Path(folder)):
        ready.set()
        end.wait()


def _elsewhere(folder: Path) -> tuple[Any, Any]:
    """Another process that has a part, and what ends it."""
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(str(folder), ready, end), daemon=True)
    process.start()
    assert ready.wait(60)
    return process, end


@pytest.mark.slow
def test_a_claim_is_of_one_process_and_ends_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "parts" / "1-of-2"
    process, _ = _elsewhere(folder)
    with pytest.raises(BusyError), parts.claimed(folder):
        pass
    assert parts.owner_of(folder)["process"] == process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    begin = time.monotonic()
    with parts.claimed(folder):
        assert parts.owner_of(folder)["process"] == os.getpid()
    assert time.monotonic() - begin < 2
    assert parts.owner_of(folder) == {}


def _note(folder: Path, beat: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    owner = {"machine": "another", "host": "far", "process": 7, "beat": beat}
    write_atomic(folder.with_name(f"{folder.name}.owner.json"), json.dumps(owner))


def test_a_part_of_a_dead_machine_is_watched_and_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "WATCHED_S", 0.3)
    _note(tmp_path / "p", 3)
    begin = time.monotonic()
    with parts.claimed(tmp_path / "p"):
        assert time.monotonic() - begin >= 0.3
        assert parts.owner_of(tmp_path / "p")["process"] == os.getpid()


def test_a_lock_that_does_not_reach_another_machine_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "WATCHED_S", 1.0)
    _note(tmp_path / "p", 3)
    beating = threading.Timer(0.2, _note, (tmp_path / "p", 4))
    beating.start()
    with pytest.raises(DataError, match=r"far is at work here.*does not carry locks"), parts.claimed(tmp_path / "p"):
        pytest.fail("the part was begun")
    beating.join()


def test_the_heart_beats_while_the_part_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BEAT_S", 0.02)
    seen = set()
    with parts.claimed(tmp_path / "p"):
        deadline = time.monotonic() + 5
        while len(seen) < 4 and time.monotonic() < deadline:
            seen.add(parts.owner_of(tmp_path / "p").get("beat"))
            time.sleep(0.01)
    assert len(seen) >= 4


def test_a_part_that_others_have_is_waited_for(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "POLL_S", 0.05)
    made, done = loaded(tmp_path, corpus, 3), []
    held = store.locked(parts.folder_of(made, tmp_path / "t", 2))
    held.__enter__()
    threading.Timer(0.5, held.__exit__, (None, None, None)).start()
    parts.make_parts(made, tmp_path / "t", lambda part, folder: done.append(folder.name) or "made")
    assert done == ["1-of-3", "3-of-3", "2-of-3"]


@pytest.mark.parametrize("kind", [WaitingError, RefusedError])
def test_a_part_that_waits_does_not_keep_the_others(corpus: Path, tmp_path: Path, kind: type[Exception]) -> None:
    done: list[str] = []

    def work(part: Recipe, folder: Path) -> str:
        if folder.name.startswith(("1", "3")):
            raise kind("bring the answers")
        done.append(folder.name)
        return "made"

    with pytest.raises(
        kind, match=r"^2 of 3 parts are not finished; the first: part 1 of 3, with 1/3 of every limit: bring"
    ):
        parts.make_parts(loaded(tmp_path, corpus, 3), tmp_path / "t", work)
    assert done == ["2-of-3"]


def test_all_parts_together_spend_no_more_than_the_limit(corpus: Path, tmp_path: Path) -> None:
    made = loaded(tmp_path, corpus, 3, max_tokens_total=1_000, price_in=1.0, price_out=1.0, max_cost=0.9)
    each = [parts.part_of(made, number).synth.teacher for number in (1, 2, 3)]
    assert sum(one.max_tokens_total or 0 for one in each) <= 1_000
    assert sum(one.max_cost or 0 for one in each) == pytest.approx(0.9)
    assert [parts.part_of(made, n).ingest.documents[0].shard for n in (1, 2, 3)] == ["1/3", "2/3", "3/3"]
    assert parts.part_of(made, 1).synth.parts == 0


# ---------------------------------------------------------------- what cannot be cut, and the plan


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('[[ingest.graphs]]\nname = "g"\npath = "g.jsonl"\n', "ingest.graphs cannot be cut into parts"),
        ('[[questions.made]]\nname = "q"\n', "questions.made cannot be cut"),
        (
            '[[ingest.documents]]\nname = "d"\npath = "docs"\n',
            "expected a whole folder of curated passages; docs is none",
        ),
        ("", "4 for 320 passages; expected at least 100 passages a part"),
    ],
)
def test_what_cannot_be_cut_is_found_before_anything_is_asked(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    path = recipe(tmp_path, corpus, 3 if extra else 4)
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    found = preflight.findings(recipe_file.load(path), ["synth"])
    assert any(said in line.replace(str(tmp_path) + "/", "") for line in found), found
    assert preflight.findings(loaded(tmp_path, corpus, 3), ["synth"]) == []


@pytest.mark.slow
def test_the_plan_says_what_all_parts_will_ask(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SAMPLED", 60)
    made = loaded(
        tmp_path, corpus, 3, kind="endpoint", url="http://127.0.0.1:1/v1", model="m", price_in=1.0, price_out=2.0
    )
    planned = {p.stage.name: p.says for p in run.plan(made, tmp_path / "t", select(last="synth"))}
    assert not (tmp_path / "t").exists()
    said = planned["synth"]
    assert said.startswith("3 parts of about 106 passages, 0 finished; all together, from ")
    assert (match := re.search(r"0 of ([\d,]+) calls are answered already", said))
    assert int(match[1].replace(",", "")) == pytest.approx(640, rel=0.02)
    assert re.search(
        r"about [\d,]+ prompt and [\d,]+ reply tokens .*; about [\d.]+ USD; about [\d.]+ h at 16 calls", said
    )


# ---------------------------------------------------------------- two processes


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = FakeTeacher()
    made.answer, made.delay = knowing(PHRASINGS), 0.05
    yield made
    made.close()


def begun(folder: Path, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "huatuo", "run", str(path), "--to", "synth"]
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "MY_KEY": "k"}
    return subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def endpoint(server: Any) -> str:
    return f'kind = "endpoint"\nurl = "{server.url}"\nmodel = "m"\nkey_env = "MY_KEY"\nconcurrency = 4\n'


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_two_processes_share_the_parts_and_ask_nothing_twice(server: Any, corpus: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, corpus, 3, endpoint(server))
    both = [begun(tmp_path, path) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert set(server.tries.values()) == {1}
    assert len(server.tries) == 640
    pairs = [(pair.messages, pair.parents) for pair in store.read(tmp_path / "runs/t/synth", "pairs", Pair)]
    assert len(pairs) == 320
    assert not list((tmp_path / "runs/t/parts").glob("*.owner.json"))
    made = [
        line for _, err in said for line in err.splitlines() if re.match(r"part \d of 3", line) and "before" not in line
    ]
    assert len(made) == 3
    server.tries.clear()
    one = begun(tmp_path, recipe(tmp_path, corpus, 0, endpoint(server), "").rename(tmp_path / "one.toml"))
    assert one.communicate(timeout=300)
    assert not server.tries, "the joined run is the run of one process"


@pytest.mark.slow
def test_a_killed_process_loses_nothing_and_the_other_takes_its_part(server: Any, corpus: Path, tmp_path: Path) -> None:
    server.delay = 0.3
    path = recipe(tmp_path, corpus, 3, endpoint(server))
    first = begun(tmp_path, path)
    until(lambda: len(server.tries) > 20)
    second = begun(tmp_path, path)
    until(lambda: (tmp_path / "runs/t/parts/2-of-3.owner.json").exists())
    first.kill()
    first.communicate()
    server.delay = 0.02
    said = second.communicate(timeout=300)
    assert first.returncode == -signal.SIGKILL
    assert second.returncode == 0, said
    assert len(server.tries) == 640
    again = [prompt for prompt, tries in server.tries.items() if tries > 1]
    assert len(again) <= 8, "answers that were there were asked for again"
    store.verify(tmp_path / "runs/t/synth", deep=True)
    assert len({pair.id for pair in store.read(tmp_path / "runs/t/synth", "pairs", Pair)}) == 320
