"""The store keeps a study and its ratings, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sus_makers import PEOPLE, source

from huatuo.errors import DataError, InputError
from huatuo.eval.sus import scales, store, study
from huatuo.eval.sus.order import Plan
from huatuo.eval.sus.store import Given, StudyStore

TOOLS = ("initdb", "pg_ctl")


def programs() -> dict[str, str]:
    """PostgreSQL's programs, where they are installed."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    found = {tool: shutil.which(tool, path=os.pathsep.join(folders)) for tool in TOOLS}
    return {tool: path for tool, path in found.items() if path}


def make(found: StudyStore, folder: Path) -> None:
    plan = Plan(PEOPLE, 5, 0.1, 5, 2, 1)
    study.make(source(folder, 10), scales.load("sus"), plan, found, "zh", (), 0)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a PostgreSQL server that the tests started; it refuses to run as root and then runs as ``postgres``."""
    tools = programs()
    if len(tools) < len(TOOLS):
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = {"user": user, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([tools["initdb"], "-D", "data", "-A", "trust", "-U", "rater", "-E", "UTF8"], **run)
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    subprocess.run([tools["pg_ctl"], "-D", "data", "-l", "log", "-o", options, "-w", "start"], **run)
    try:
        yield f"postgresql://rater@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([tools["pg_ctl"], "-D", "data", "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be: a folder, or a database's URL."""
    return str(tmp_path) if request.param == "sqlite" else str(request.getfixturevalue("server"))


def test_a_study_is_found_again_with_its_ratings(place, tmp_path):
    made = store.create(place, tmp_path.name)
    make(made, tmp_path)
    places = made.places()
    assert len(places) == 5 * (5 + 40 + 4 + 2)
    first = [Given(p.blind, "safety", 3, seconds=12.5, note="😀'; DROP TABLE sus_ratings; --") for p in places]
    assert made.save(first) == 0
    assert made.save([Given(places[0].blind, "safety", None, "cannot judge"), *first[1:]]) == 1
    made.close()
    again = store.open_study(place, tmp_path.name)
    ratings = again.ratings()
    assert again.places() == places
    assert len(ratings) == len(places)
    kept = ratings[places[1].blind, "safety"]
    assert (kept.value, kept.seconds, kept.note) == (3, 12.5, first[1].note)
    assert kept.time.endswith("+00:00")
    assert (ratings[places[0].blind, "safety"].value, again.study().language) == (None, "zh")
    again.close()


def test_two_studies_live_in_one_database(place, tmp_path):
    for name in ("one", "two"):
        made = store.create(place, f"{tmp_path.name} {name}")
        make(made, tmp_path)
        made.close()
    one, two = (store.open_study(place, f"{tmp_path.name} {name}") for name in ("one", "two"))
    assert not {p.blind for p in one.places()} & {p.blind for p in two.places()}
    one.save([Given(p.blind, "safety", 1) for p in one.places()])
    assert two.ratings() == {}
    with pytest.raises(InputError, match="is there already"):
        make(one, tmp_path)
    one.close()
    two.close()


def test_a_study_that_is_not_there_is_said(place, tmp_path):
    if "://" not in place:
        with pytest.raises(InputError, match=r"holds no study \(study.sqlite\)"):
            store.open_study(place, "x")
        (tmp_path / "study.sqlite").touch()
    with pytest.raises(InputError, match="holds no study 'nobody'"):
        store.open_study(place, "nobody")


def test_what_is_no_database_is_said(tmp_path):
    (tmp_path / "study.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(DataError, match="file is not a database"):
        store.open_study(tmp_path, "study")


def test_a_server_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="the store of the study"):
        store.open_study("postgresql://nobody@127.0.0.1:9/none", "study")
    with pytest.raises(DataError, match="the store of the study"):
        store.open_study("oddsql://x", "study")


def test_a_newer_study_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "VERSION", 2)
    made = store.create(tmp_path, "study")
    make(made, tmp_path)
    made.close()
    monkeypatch.setattr(store, "VERSION", 1)
    with pytest.raises(DataError, match="newer huatuo"):
        store.open_study(tmp_path, "study")


def test_the_file_of_a_study_is_its_owners_alone(tmp_path: Path) -> None:
    found = store.create(tmp_path, "study")
    make(found, tmp_path)
    found.close()
    assert (tmp_path / "study.sqlite").stat().st_mode & 0o077 == 0
