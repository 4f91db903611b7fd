"""A corpus judged against earlier ones gives what one run over all of them gives, and goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from corpus_makers import lines, records
from pydantic import ValidationError

from huatuo.corpus import bulk, earlier
from huatuo.errors import BusyError, DataError, StageError
from huatuo.recipe_curate import CorpusSettings
from huatuo.text.minhash import ALGORITHM

OLD = records(600, 1)
NEW = [{**row, "id": f"n{row['id']}"} for row in records(400, 2)]
COPIES = [
    {**row, "id": f"c{row['id']}", "text": row["text"] if number % 2 else row["text"].replace("药", "剂", 1)}
    for number, row in enumerate(OLD[:300])
]
LATER = [*NEW, *COPIES]
MIXED = [*NEW[:50], *COPIES[:100]]


def source(folder: Path, name: str, rows: list[dict[str, Any]], priority: int = 0) -> dict[str, Any]:
    path = folder / f"{name}.jsonl"
    return {"name": name, "path": path if path.exists() else lines(path, rows), "id": "id", "priority": priority}


def go(out: Path, *sources: dict[str, Any], **options: Any) -> list[bulk.Done]:
    return list(bulk.curate(CorpusSettings.model_validate({"sources": sources, **options}), out))


def verdicts(out: Path, name: str) -> dict[str, tuple[str, str, float | None]]:
    """Id → reason, witness, Jaccard of the passages of one source."""
    rows = [row for path in sorted((out / "kept").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {
        row["id"]: (row["reason"], row["witness"], row["jaccard"]) for row in rows if row["origin"]["source"] == name
    }


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    go(folder / "out", source(folder, "old", OLD), source(folder, "later", LATER, 1))
    return folder


@pytest.mark.slow
def test_one_after_the_other_is_both_at_once_in_order(at_once: Path, tmp_path: Path) -> None:
    bands = tmp_path / "bands"
    go(tmp_path / "a", source(at_once, "old", OLD), earlier=bands)
    go(tmp_path / "b", source(at_once, "later", LATER), earlier=bands)
    assert verdicts(tmp_path / "a", "old") == verdicts(at_once / "out", "old")
    expected = verdicts(at_once / "out", "later")
    assert verdicts(tmp_path / "b", "later") == expected
    old = set(verdicts(tmp_path / "a", "old"))
    rules = [reason.partition(":")[0] for reason, witness, _ in expected.values() if witness in old]
    assert rules.count("duplicate") > 100
    assert rules.count("near_duplicate") > 50
    assert len(expected) > 1_000


@pytest.mark.slow
def test_three_corpora_are_three_priorities(tmp_path: Path) -> None:
    parts = {"one": OLD[:300], "two": COPIES[:200] + NEW[:200], "three": COPIES[150:] + NEW[150:400]}
    parts = {name: [{**row, "id": f"{name}{row['id']}"} for row in rows] for name, rows in parts.items()}
    go(tmp_path / "all", *(source(tmp_path, name, rows, n) for n, (name, rows) in enumerate(parts.items())))
    for name, rows in parts.items():
        go(tmp_path / name, source(tmp_path, name, rows), earlier=tmp_path / "bands")
        assert verdicts(tmp_path / name, name) == verdicts(tmp_path / "all", name)


@pytest.mark.slow
def test_the_same_command_again_makes_nothing_and_judges_as_before(tmp_path: Path) -> None:
    for _ in range(2):
        done = go(tmp_path / "a", source(tmp_path, "old", OLD[:200]), earlier=tmp_path / "bands")
    assert all(stage.skipped for stage in done)
    go(tmp_path / "b", source(tmp_path, "later", MIXED), earlier=tmp_path / "bands")
    again = go(tmp_path / "a", source(tmp_path, "old", OLD[:200]), earlier=tmp_path / "bands")
    assert all(stage.skipped for stage in again)  # what was added later is not earlier
    elsewhere = go(tmp_path / "a2", source(tmp_path, "old", OLD[:200]), earlier=tmp_path / "bands")
    assert elsewhere[3].manifest.digest == again[3].manifest.digest
    assert len(json.loads((tmp_path / "bands" / "manifest.json").read_text())["corpora"]) == 2


@pytest.mark.slow
def test_killed_between_verdict_and_table_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        (tmp_path / "bands").mkdir()
        (tmp_path / "bands" / "bands-00001.parquet").write_bytes(b"half of a file")
        raise KeyboardInterrupt

    options = {"earlier": tmp_path / "bands"}
    with monkeypatch.context() as patched:
        patched.setattr(earlier, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "a", source(tmp_path, "old", OLD[:200]), **options)
    assert (tmp_path / "a" / "kept" / "manifest.json").exists()
    assert not (tmp_path / "a" / "passages").exists()
    done = go(tmp_path / "a", source(tmp_path, "old", OLD[:200]), **options)
    assert [stage.skipped for stage in done] == [True, True, True, True, False]
    go(tmp_path / "b", source(tmp_path, "later", MIXED), **options)
    go(tmp_path / "once", source(tmp_path, "old", OLD[:200]), source(tmp_path, "later", MIXED, 1))
    assert verdicts(tmp_path / "b", "later") == verdicts(tmp_path / "once", "later")
    assert not [path for path in (tmp_path / "a").iterdir() if path.name.startswith(".near-")]


@pytest.mark.slow
def test_a_table_that_grew_meanwhile_is_not_written_and_the_command_again_judges_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, later = {"earlier": tmp_path / "bands"}, source(tmp_path, "later", MIXED)
    go(tmp_path / "x", source(tmp_path, "x", NEW[200:250]), **options)
    add = earlier.add

    def meanwhile(*given: Any) -> None:
        monkeypatch.setattr(earlier, "add", add)
        go(tmp_path / "a", source(tmp_path, "old", OLD[:200]), **options)
        add(*given)

    monkeypatch.setattr(earlier, "add", meanwhile)
    with pytest.raises(BusyError, match="the same command again"):
        go(tmp_path / "b", later, **options)
    done = go(tmp_path / "b", later, **options)
    assert [stage.skipped for stage in done] == [True, True, True, False, False]
    old = set(verdicts(tmp_path / "a", "old"))
    assert sum(witness in old for _, witness, _ in verdicts(tmp_path / "b", "later").values()) > 50


def test_nothing_new_is_one_error_that_says_why(tmp_path: Path) -> None:
    go(tmp_path / "a", source(tmp_path, "old", OLD[:50]), earlier=tmp_path / "bands")
    again = [{**row, "id": f"x{row['id']}"} for row in OLD[:50]]
    with pytest.raises(StageError, match=r"no passage is left: \d+ duplicate; .*give sources that hold something new"):
        go(tmp_path / "b", source(tmp_path, "again", again), earlier=tmp_path / "bands")


@pytest.mark.slow
def test_a_corpus_cut_in_another_way_is_refused_and_bands_of_another_version_too(tmp_path: Path) -> None:
    one = source(tmp_path, "old", OLD[:100])
    go(tmp_path / "a", one, earlier=tmp_path / "bands")
    with pytest.raises(DataError, match=r"of the texts are in the table already .*cut or cleaned in another way"):
        go(tmp_path / "b", one, earlier=tmp_path / "bands", max_chars=300)
    assert not (tmp_path / "b" / "kept").exists()  # nothing was judged by its own corpus
    manifest = tmp_path / "bands" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(ALGORITHM, "huatuo-minhash-0"))
    with pytest.raises(DataError, match="cannot be compared"):
        go(tmp_path / "c", source(tmp_path, "new", NEW[:50]), earlier=tmp_path / "bands")
    with pytest.raises(ValidationError, match="set near to 1 or more"):
        CorpusSettings.model_validate({"earlier": "bands", "near": 0})
