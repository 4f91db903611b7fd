"""Data sets: closed records, content ids, manifest last, conservation, crash and damage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from huatuo import store
from huatuo.errors import BusyError, ConservationError, DataError, StageError
from huatuo.records import Dropped, Fact, Message, Origin, Pair, Provenance, Score
from huatuo.records_trained import StepLog

ORIGIN = Origin(source="s", file="f.jsonl", place="line 1")


def fact(number: int) -> Fact:
    name, value = f"病{number}", f"值{number}"
    return Fact(
        id=store.content_id("s", name, value),
        entity_id=store.content_id(name),
        entity=name,
        kind="disease",
        relation="临床症状",
        value=value,
        origin=ORIGIN,
    )


def write_facts(folder: Path, numbers: list[int], **options: object) -> None:
    settings: dict[str, object] = {"stage": "test", "key": "k", **options}
    with store.writing(folder, **settings) as out:  # type: ignore[arg-type]
        for number in numbers:
            out.write("facts", fact(number))


@pytest.mark.slow
def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    folder = tmp_path / "集 合"
    write_facts(folder, list(range(60_000)))
    assert [f.id for f in store.read(folder, "facts", Fact)] == [fact(i).id for i in range(60_000)]
    manifest = store.verify(folder, deep=True)
    assert manifest.tables["facts"].rows == 60_000
    assert len(manifest.tables["facts"].files) == 3


def test_nested_and_optional_fields_survive(tmp_path: Path) -> None:
    pair = Pair(
        id="1",
        messages=(Message(role="user", content="问\x00\n"), Message(role="assistant", content="答😀")),
        source="s",
        language="zh",
        shape="direct",
        parents=("a", "b"),
        provenance=Provenance(by="human"),
    )
    scores = [
        Score(
            id="1",
            response_id="r",
            question_id="q",
            model="m",
            metric="accuracy",
            value=None,
            unscored="empty",
            signature="s",
        ),
        Score(id="2", response_id="r", question_id="q", model="m", metric="accuracy", value=0.0, signature="s"),
    ]
    with store.writing(tmp_path / "d", stage="test", key="k") as out:
        out.write("pairs", pair)
        for score in scores:
            out.write("scores", score)
    assert list(store.read(tmp_path / "d", "pairs", Pair)) == [pair]
    assert list(store.read(tmp_path / "d", "scores", Score)) == scores


def test_records_are_closed_and_frozen() -> None:
    with pytest.raises(ValidationError):
        Message(role="user", content="x", extra="y")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        fact(1).value = "other"  # type: ignore[misc]


@pytest.mark.slow
def test_digest_ignores_order_and_time_but_not_content(tmp_path: Path) -> None:
    write_facts(tmp_path / "a", list(range(2_000)))
    write_facts(tmp_path / "b", list(reversed(range(2_000))))
    write_facts(tmp_path / "c", list(range(1_999)))
    digests = [store.read_manifest(tmp_path / name).digest for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    for seconds in (1.0, 2.0):
        with store.writing(tmp_path / f"t{seconds}", stage="test", key="k") as out:
            out.write(
                "steps",
                StepLog(step=1, tokens=1, learned_tokens=1, loss=1, learning_rate=1, gradient_norm=1, seconds=seconds),
            )
    assert store.read_manifest(tmp_path / "t1.0").digest == store.read_manifest(tmp_path / "t2.0").digest


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_content_ids_differ_when_parts_differ(a: list[str], b: list[str]) -> None:
    assert (store.content_id(*a) == store.content_id(*b)) == (a == b)


def test_a_lost_record_fails_the_stage_and_keeps_the_old_data_set(tmp_path: Path) -> None:
    write_facts(tmp_path / "d", [1])
    before = store.read_manifest(tmp_path / "d")
    with (
        pytest.raises(ConservationError, match="neither used nor dropped"),
        store.writing(tmp_path / "d", stage="t", key="k2") as out,
    ):
        out.expect(["x", "y"])
        out.write("facts", fact(2), uses=["x"])
    assert store.read_manifest(tmp_path / "d") == before


def test_a_record_used_and_dropped_fails_the_stage(tmp_path: Path) -> None:
    with (
        pytest.raises(ConservationError, match="both used and dropped"),
        store.writing(tmp_path / "d", stage="t", key="k") as out,
    ):
        out.expect(["x"])
        out.write("facts", fact(2), uses=["x"])
        out.drop("x", "rule", "why")


def test_a_stage_that_writes_nothing_fails_and_names_its_reasons(tmp_path: Path) -> None:
    with pytest.raises(StageError) as caught, store.writing(tmp_path / "d", stage="t", key="k") as out:
        for number in range(30):
            out.drop(str(number), "too_short", f"{number} characters", excerpt="短")
    assert "too_short: 30" in str(caught.value)
    assert "0 characters 短" in str(caught.value)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(("dropped", "fails"), [(50, False), (51, True)])
def test_too_many_dropped_fails(tmp_path: Path, dropped: int, fails: bool) -> None:
    def attempt() -> None:
        with store.writing(tmp_path / "d", stage="t", key="k", max_dropped=0.5) as out:
            ids = [str(i) for i in range(100)]
            out.expect(ids)
            for i in ids[:dropped]:
                out.drop(i, "bad", "why")
            for i in ids[dropped:]:
                out.write("facts", fact(int(i)), uses=[i])

    if fails:
        with pytest.raises(StageError, match="max_dropped"):
            attempt()
    else:
        attempt()
        assert store.read_manifest(tmp_path / "d").dropped == {"bad": 50}


def test_a_shard_deleted_or_changed_after_the_manifest_is_named(tmp_path: Path) -> None:
    write_facts(tmp_path / "d", list(range(10)))
    shard = tmp_path / "d" / "facts-00000.parquet"
    data = shard.read_bytes()
    shard.unlink()
    with pytest.raises(DataError, match="missing"):
        list(store.read(tmp_path / "d", "facts", Fact))
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DataError, match="changed"):
        store.verify(tmp_path / "d", deep=True)


def test_a_manifest_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    write_facts(tmp_path / "d", [1])
    path = tmp_path / "d" / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps({**raw, "format_version": store.read_manifest(tmp_path / "d").format_version + 1}), encoding="utf-8"
    )
    with pytest.raises(DataError, match="newer huatuo"):
        store.is_finished(tmp_path / "d", "k")


def test_an_unfinished_folder_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json"):
        store.read_manifest(tmp_path)


def test_two_writers_of_one_folder(tmp_path: Path) -> None:
    with store.writing(tmp_path / "d", stage="t", key="k") as out:
        out.write("facts", fact(1))
        code = f"""
            from pathlib import Path
            from huatuo import store
            with store.writing(Path({str(tmp_path / "d")!r}), stage="t", key="k"):
                pass
        """
        other = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
        )
        assert "BusyError" in other.stderr
    assert store.is_finished(tmp_path / "d", "k")


def test_busy_error_is_a_data_error() -> None:
    assert issubclass(BusyError, DataError)


def test_a_resumable_stage_finds_what_was_left_and_another_key_does_not(tmp_path: Path) -> None:
    def attempt(key: str, resumable: bool) -> bool:
        with store.writing(tmp_path / "d", stage="t", key=key, resumable=resumable) as out:
            found = (out.folder / "kept").exists()
            (out.folder / "kept").write_text("1", encoding="utf-8")
            if not found:
                raise KeyboardInterrupt
            out.write("facts", fact(1))
            return found

    for key, resumable in (("k", True), ("other", True), ("other", False)):
        with pytest.raises(KeyboardInterrupt):
            attempt(key, resumable)
    assert attempt("other", True)
    assert not (tmp_path / "d.part").exists()


def test_an_unfinished_data_set_says_what_it_is_made_with(tmp_path: Path) -> None:
    made = {"stage_version": 3, "key": "k", "recipe": {"a": {"1": 2}}, "seed": 7}
    inputs = (store.InputEntry(name="order", digest="d"),)
    with (
        pytest.raises(KeyboardInterrupt),
        store.writing(tmp_path / "d", stage="t", inputs=iter(inputs), **made),  # type: ignore[arg-type]
    ):
        raise KeyboardInterrupt
    assert store.begun(tmp_path / "d") == {**made, "inputs": {"order": "d"}}
    assert store.begun_key(tmp_path / "d") == "k"
    for damaged in ("{", "[1]"):
        (tmp_path / "d.part" / "key.json").write_text(damaged, encoding="utf-8")
        assert (store.begun(tmp_path / "d"), store.begun_key(tmp_path / "d")) == ({}, "")


def test_what_passes_goes_when_all_else_is_written_and_not_before(tmp_path: Path) -> None:
    def attempt(lost: bool) -> None:
        with store.writing(tmp_path / "d", stage="t", key="k", resumable=True) as out:
            (out.folder / "state").mkdir(exist_ok=True)
            (out.folder / "state" / "x").write_text("1", encoding="utf-8")
            out.passing.append(out.folder / "state")
            out.expect(["never used"] if lost else [])
            out.write("facts", fact(1))

    with pytest.raises(ConservationError):
        attempt(lost=True)
    assert (tmp_path / "d.part" / "state" / "x").exists()
    attempt(lost=False)
    assert not (tmp_path / "d" / "state").exists()
    assert store.read_manifest(tmp_path / "d").files == ()


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_store import write_facts
        n = 0
        while True:
            n += 1
            write_facts(Path({str(tmp_path / "d")!r}), list(range(n % 50 * 100 + 1)), key=str(n))
    """
    for delay in (0.0, 0.01, 0.13, 0.27, 0.4, 0.55):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        started = time.monotonic()
        while not (tmp_path / "d").exists() and time.monotonic() - started < 60:
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        store.recover(tmp_path / "d")
        if (tmp_path / "d").exists():
            manifest = store.verify(tmp_path / "d", deep=True)
            assert len(list(store.read(tmp_path / "d", "facts", Fact))) == manifest.tables["facts"].rows
    assert (tmp_path / "d").exists()


def test_refused_outputs_are_no_dropped_inputs(tmp_path: Path) -> None:
    """1,000 facts that are all used, and 10 of 100 pairs of each refused: 10 % of what was made, nothing of the input."""
    ids = [f"{i:032x}" for i in range(1000)]

    def write(folder: Path, refused: int, most: float) -> None:
        with store.writing(folder, stage="t", key="k", max_dropped=most) as out:
            out.expect(ids)
            for number, one in enumerate(ids):
                out.write("facts", fact(number), uses=[one])
                for k in range(refused):
                    out.drop(f"{one}{k}", "foreign", "names another", parents=[one])

    write(tmp_path / "a", 1, 0.5)
    kept = store.read_manifest(tmp_path / "a")
    assert (kept.kept, kept.dropped) == (1000, {"foreign": 1000})
    first = next(store.read(tmp_path / "a", "dropped", Dropped))
    assert first.parents == (ids[0],)
    with pytest.raises(StageError, match="3,000 of 4,000 records of what it made"):
        write(tmp_path / "b", 3, 0.5)
