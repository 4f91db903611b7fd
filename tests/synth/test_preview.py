from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner

from fake_teacher import KEY, FakeTeacher, completion, knowing
from huatuo import recipe_file
from huatuo import run as running
from huatuo.cli import cli
from huatuo.errors import RecipeError
from huatuo.recipe import Recipe
from huatuo.stages import PHRASINGS
from huatuo.store import read_manifest
from huatuo.synth.preview import Preview, Used, per_thousand

PRICES = "price_in = 1000000.0\nprice_out = 0.0\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MY_KEY", KEY)
    made: Any = FakeTeacher()
    made.answer = knowing(PHRASINGS)
    yield made
    made.close()


def load(folder: Path, more: str = "", count: int = 1000) -> Recipe:
    """A recipe with a graph of so many diseases and with documents."""
    records = [
        {"class": "疾病", "中心词": f"病{i}", "临床症状": [f"症状{i}", f"表现{i}"], "辅助检查": [f"检查{i % 7}"]}
        for i in range(count)
    ]
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / "g.jsonl").write_text(text, encoding="utf-8")
    (folder / "docs").mkdir(exist_ok=True)
    for n in range(12):
        text = f"# 第{n}号护理常规\n\n患者入院后应先测量体温和血压，再由护士记录在第{n}号表格中，并告知家属探视时间。\n"
        (folder / "docs" / f"{n}.md").write_text(text, encoding="utf-8")
    (folder / "a.toml").write_text(
        '[run]\nname = "t"\n[[ingest.graphs]]\nname = "g"\npath = "g.jsonl"\n'
        f'[[ingest.documents]]\nname = "d"\npath = "docs"\n{more}\n',
        encoding="utf-8",
    )
    return recipe_file.load(folder / "a.toml")


def teacher(server: Any, extra: str = "", table: str = "teacher") -> str:
    return (
        f'[synth.{table}]\nkind = "endpoint"\nurl = "{server.url}"\nmodel = "m-{table}"\nkey_env = "MY_KEY"\n{extra}\n'
    )


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.endswith(("-wal", "-shm"))}


def run_to(loaded: Recipe, root: Path, last: str) -> None:
    for _ in running.run(loaded, root, running.select(last=last)):
        pass


@pytest.mark.slow
def test_pairs_sources_and_price_are_shown_and_only_the_cache_is_written(server: Any, tmp_path: Path) -> None:
    loaded, root = load(tmp_path, teacher(server, PRICES)), tmp_path / "runs/t"
    said = "\n".join(running.preview(loaded, root, 5))
    assert files(root) == {"calls.sqlite"}
    assert len(re.findall(r"^\d\. ", said, re.MULTILINE)) == 5
    assert re.search(r"from: 病\d+ 临床症状：症状\d+", said)
    assert "from: 患者入院后" in said
    assert "a thousand pairs: about" in said
    asked = len(server.bodies)
    assert asked == 6  # five drawn calls, one of them about a passage, which needs a second
    assert "\n".join(running.preview(loaded, root, 5)) == said
    assert len(server.bodies) == asked
    run_to(loaded, root, "synth")
    manifest = read_manifest(root / "synth")
    assert manifest.figures["calls answered before"] == asked
    assert manifest.figures["calls asked"] == len(server.bodies) - asked


@pytest.mark.slow
def test_the_offline_teachers_replies_are_reused_and_a_finished_run_is_not_touched(tmp_path: Path) -> None:
    loaded, root = load(tmp_path), tmp_path / "runs/t"
    said = "\n".join(running.preview(loaded, root, 3))
    assert "the offline teacher is no paid model" in said
    assert files(root) == {"calls.sqlite"}
    run_to(loaded, root, "synth")
    assert (read_manifest(root / "synth").figures["calls answered before"] or 0) >= 3
    before = {name: (root / name).stat().st_mtime_ns for name in files(root) if "sqlite" not in name}
    list(running.preview(loaded, root, 3))
    assert {name: (root / name).stat().st_mtime_ns for name in before} == before


@pytest.mark.slow
def test_what_is_refused_is_shown_with_its_reason_and_an_unknown_price_is_unknown(server: Any, tmp_path: Path) -> None:
    server.answer = lambda prompt, attempt, request: web.json_response(
        completion('[{"question": "病1的症状有哪些？", "answer": "病1的症状有胡说八道热。"}]')
    )
    said = "\n".join(running.preview(load(tmp_path, teacher(server)), tmp_path / "runs/t", 4))
    assert "no pair was made" in said
    assert "4 refused" in said or "refused" in said
    assert "胡说八道" in said
    assert "tokens: 4" in said
    assert "a thousand pairs: unknown cost" in said
    server.answer = knowing(PHRASINGS)
    (tmp_path / "b").mkdir()
    said = "\n".join(running.preview(load(tmp_path / "b", teacher(server)), tmp_path / "b/runs/t", 4))
    assert "these calls: unknown cost" in said
    assert "a thousand pairs: unknown cost" in said


def test_the_judge_is_asked_and_its_answers_serve_the_full_run(server: Any, tmp_path: Path) -> None:
    teach = knowing(PHRASINGS)

    def answer(prompt: str, attempt: int, request: Any) -> Any:
        scores = '{"question": 5, "faithfulness": 1, "language": 4}'
        return web.json_response(completion(scores)) if "faithfulness" in prompt else teach(prompt)

    server.answer = answer
    tables = teacher(server) + teacher(server, "threshold = 2.0", "judge")
    loaded, root = load(tmp_path, tables, 40), tmp_path / "runs/t"
    said = "\n".join(running.preview(loaded, root, 3))
    assert said.count("judge: question 5, faithfulness 1, language 4; dropped") == 3
    asked = len(server.bodies)
    loaded = load(tmp_path, tables.replace("2.0", "1.0"), 40)
    run_to(loaded, root, "unify")
    manifest = read_manifest(root / "unify")
    assert manifest.figures["judged"] == manifest.tables["judgements"].rows > 0
    models = [body["model"] for body in server.bodies]
    assert models.count("m-judge") == manifest.tables["judgements"].rows
    assert models[:asked].count("m-judge") == 3


def test_what_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    batch = load(tmp_path, '[synth.teacher]\nkind = "batch"\nmodel = "m"\n', 20)
    with pytest.raises(RecipeError, match="kind = batch is answered by file"):
        list(running.preview(batch, tmp_path / "runs/t", 2))
    (tmp_path / "e.toml").write_text('[run]\nname = "e"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match="nothing to preview"):
        list(running.preview(recipe_file.load(tmp_path / "e.toml"), tmp_path / "runs/e", 2))


@pytest.mark.slow
def test_the_verbs_show_pairs_and_write_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, count=30)
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli, ["synth", "a.toml", "--preview", "2"])
    assert shown.exit_code == 0, shown.output
    assert len(re.findall(r"^\d\. ", shown.output, re.MULTILINE)) == 2
    assert CliRunner().invoke(cli, ["synth", "a.toml", "--preview", "0"]).exit_code == 2
    assert CliRunner().invoke(cli, ["run", "a.toml", "--to", "unify"]).exit_code == 0
    written = CliRunner().invoke(cli, ["export", "runs/t", "--format", "review", "-o", "out"])
    assert written.exit_code == 0, written.output
    assert written.output.split() == ["out/review.csv", "out/review.xlsx"]


def test_the_price_follows_the_full_runs_mix_of_shapes(maker: Any) -> None:
    pairs = [maker.pair("问一？", "答。"), maker.pair("问二？", "答。")]
    pairs += [maker.pair("问三？", "答。").model_copy(update={"shape": "passage"})]
    used = {"direct": Used(1, 100, 100, 0.2), "passage": Used(2, 100, 100, 0.6)}
    drawn = {"direct": 1, "passage": 1}
    # a direct call makes 2 pairs for 0.2, a passage 1 pair for 0.6; the run has 900 and 100 of them
    found = per_thousand(Preview(pairs, [], used, drawn, {"direct": 900, "passage": 100}))
    assert found == pytest.approx(1000 * (900 * 0.2 + 100 * 0.6) / (900 * 2 + 100))
    used["passage"] = Used(2, None, None, None)
    assert per_thousand(Preview(pairs, [], used, drawn, {"direct": 900, "passage": 100})) is None
