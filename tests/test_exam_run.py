"""Exams asked of models that no recipe trained: local folders and endpoints, once, killed, limited, and on a page."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fake_teacher import FakeTeacher, completion
from huatuo import recipe_file, run, store
from huatuo.errors import RecipeError, RefusedError
from huatuo.models.save import save
from huatuo.preflight import findings
from huatuo.records import Figure, Response
from model_makers import characters, model_of

COUNT = 300
EXAM = '[run]\nname = "t"\n[[questions.exams]]\nname = "e"\npath = "exam.jsonl"\n[ask]\nmax_tokens = 4\n'
NO_TRAINING = ("ingest", "curate", "synth", "unify", "order", "tokenise", "train")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    tokenizer = characters(folder / "tokenizer")
    save(model_of("llama", len(tokenizer)), tokenizer, "huatuo2", folder / "tiny", {})
    return folder / "tiny"


@pytest.fixture
def server() -> Any:
    made: Any = FakeTeacher()
    made.answer = knows
    yield made
    made.close()


def knows(prompt: str, attempt: int = 1, request: Any = None) -> web.Response:
    """Right but for every third question; every tenth is refused."""
    number = int(prompt.split("第")[1].split("题")[0])
    text = "抱歉，我无法回答这个问题。" if number % 10 == 0 else f"答案是{'AB'[(number + (number % 3 == 0)) % 2]}。"
    return web.json_response(completion(text))


def prepared(folder: Path, others: str, exam: str = EXAM) -> Path:
    lines = (
        {
            "question": f"第{i}题：选甲。",
            "kind": "single",
            "options": {"A": f"甲{i}", "B": f"乙{i}"},
            "answer": "AB"[i % 2],
        }
        for i in range(COUNT)
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "exam.jsonl").write_text(text, encoding="utf-8")
    (folder / "a.toml").write_text(exam + others, encoding="utf-8")
    return folder / "a.toml"


def local(name: str, folder: Path) -> str:
    return f'[[ask.others]]\nname = "{name}"\nfolder = {json.dumps(str(folder))}\n'


def remote(name: str, server: Any, extra: str = "") -> str:
    return f'[[ask.others]]\nname = "{name}"\nurl = "{server.url}"\nmodel = "m-{name}"\n{extra}'


def go(path: Path, *overrides: str, last: str | None = None) -> dict[str, Any]:
    loaded = recipe_file.load(path, overrides)
    return {done.stage.name: done for done in run.run(loaded, path.parent / "runs", run.select(last=last))}


def figures(folder: Path) -> dict[tuple[str, str], Figure]:
    return {(f.model, f.metric): f for f in store.read(folder / "runs/score", "figures", Figure)}


@pytest.mark.slow
def test_a_recipe_of_exams_and_models_alone_is_asked_scored_and_shown(
    tmp_path: Path, weights: Path, server: Any
) -> None:
    path = prepared(tmp_path, local("tiny", weights) + remote("good", server))
    done = go(path)
    assert all(not done[name].manifest.tables for name in NO_TRAINING)
    responses = list(store.read(tmp_path / "runs/ask", "responses", Response))
    assert len(responses) == 2 * COUNT
    how = {response.model: response.provenance for response in responses}
    assert len(how["tiny"].digest) >= 16
    assert how["tiny"].format == "huatuo2"
    assert (how["good"].model, how["good"].digest, how["good"].prompt_id) == ("m-good", "", "exam_choice.zh")
    found = figures(tmp_path)
    good = found["good", "accuracy"]
    right = sum(i % 10 != 0 and i % 3 != 0 for i in range(COUNT))
    assert (good.value, good.n, good.unscored) == (right / COUNT, COUNT, COUNT // 10)
    assert good.low is not None
    assert good.low < right / COUNT
    assert found["baseline: random", "accuracy"].value == 0.5
    pair = "good - tiny"
    assert found[pair, "difference"].n == found[pair, "p"].n == COUNT
    assert (found[pair, "p"].value or 0) == (found[pair, "p Holm"].value or 0) < 1e-10
    report = tmp_path / "runs/report"
    page = (report / "report.html").read_text(encoding="utf-8")
    assert page.count('class="asked"') == 240
    assert "240 / 300" in page
    assert "scores.csv" in page
    assert "题：选甲。" in page
    assert "无法回答" in page
    with (report / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * COUNT
    with (report / "leaderboard.csv").open(encoding="utf-8-sig", newline="") as file:
        first = next(csv.DictReader(file))
    assert first["model"] == "good"
    assert first["against guessing"] == "above"
    assert store.read_manifest(tmp_path / "runs/questions").digest[:16] in first["cite"]
    assert "metric:accuracy" in first["cite"]
    assert '"max_tokens":4' in first["cite"]
    assert "good" in (report / "leaderboard.tex").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_was_answered_is_not_asked_again_when_a_model_is_added_or_an_address_changes(
    tmp_path: Path, server: Any
) -> None:
    path = prepared(tmp_path, remote("one", server))
    go(path, last="ask")
    assert sum(server.tries.values()) == COUNT
    assert go(path, "ask.others.one.concurrency=3", last="ask")["ask"].skipped
    prepared(tmp_path, remote("one", server) + remote("two", server))
    assert not go(path, last="ask")["ask"].skipped
    assert sum(server.tries.values()) == 2 * COUNT
    # the same server under another name in the recipe may hold other weights
    prepared(tmp_path, remote("one", server).replace('"one"', '"later"'))
    go(path, last="ask")
    assert sum(server.tries.values()) == 3 * COUNT


@pytest.mark.slow
def test_a_killed_asking_goes_on_and_ends_as_one_that_was_not(tmp_path: Path, weights: Path, server: Any) -> None:
    path = prepared(tmp_path, local("tiny", weights) + remote("good", server))
    (tmp_path / "whole").mkdir()
    whole = prepared(tmp_path / "whole", local("tiny", weights) + remote("good", server))
    go(whole, last="ask")
    server.tries.clear()
    server.answer = lambda prompt, attempt, request: (
        web.Response(status=401, text="no") if sum(server.tries.values()) > 100 else knows(prompt)
    )
    with pytest.raises(RefusedError):
        go(path, last="ask")
    answered = [prompt for prompt in server.tries][:80]
    server.answer = knows
    go(path, last="ask")
    assert all(server.tries[prompt] == 1 for prompt in answered)
    tables = [store.read_manifest(place / "runs/ask").tables["responses"].rows for place in (tmp_path, whole.parent)]
    assert tables == [2 * COUNT] * 2
    texts = [
        [(r.question_id, r.model, r.text) for r in store.read(place / "runs/ask", "responses", Response)]
        for place in (tmp_path, whole.parent)
    ]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_log_probabilities_are_kept_for_every_recipe_that_asks_the_same_weights(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huatuo.llm.local_logprobs import Weigher

    computed: list[int] = []
    weigh = Weigher.weigh

    def counted(self: Any, prompts: Any) -> Any:
        computed.append(len(prompts))
        return weigh(self, prompts)

    monkeypatch.setattr(Weigher, "weigh", counted)
    lettered = EXAM + 'answer = "letters"\ncompare = ["calibration"]\n'
    go(prepared(tmp_path, local("tiny", weights), lettered), last="ask")
    assert computed
    computed.clear()
    (tmp_path / "other").mkdir()
    again = prepared(tmp_path / "other", local("renamed", weights), lettered.replace("[ask]", "[ask]\nlimit = 200"))
    loaded = recipe_file.load(again)
    list(run.run(loaded, tmp_path / "second", run.select(last="ask")))  # another run in the same folder of runs
    assert not computed
    found = list(store.read(tmp_path / "second/ask", "responses", Response))
    first = {r.question_id: r.likelihoods for r in store.read(tmp_path / "runs/ask", "responses", Response)}
    assert len(found) == 200
    assert all(one.likelihoods == first[one.question_id] for one in found)


def test_ask_alone_makes_the_questions_it_needs_and_says_what_a_recipe_that_trains_needs(
    tmp_path: Path, weights: Path
) -> None:
    from click.testing import CliRunner

    from huatuo.cli import cli

    path = prepared(tmp_path, local("tiny", weights))
    done = CliRunner().invoke(cli, ["ask", str(path), "--runs", str(tmp_path / "r"), "-s", "ask.limit=20"])
    assert done.exit_code == 0, done.output
    assert store.read_manifest(tmp_path / "r/t/ask").tables["responses"].rows == 20
    done = CliRunner().invoke(cli, ["score", str(path), "--runs", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    path.write_text(EXAM + '[[unify.imports]]\nname = "s"\npath = "exam.jsonl"\nformat = "alpaca"\n', encoding="utf-8")
    done = CliRunner().invoke(cli, ["ask", str(path), "--runs", str(tmp_path / "q")])
    assert done.exit_code != 0
    assert "next: huatuo run RECIPE --to ask" in str(done.exception)
    path.write_text('[run]\nname = "t"\n', encoding="utf-8")
    done = CliRunner().invoke(cli, ["ask", str(path), "--runs", str(tmp_path / "q")])
    assert "names no question" in str(done.exception)


@pytest.mark.slow
def test_a_limit_counts_what_all_models_spent_and_the_plan_says_what_is_left(tmp_path: Path, server: Any) -> None:
    priced = "price_in = 2.0\nprice_out = 8.0\nmax_tokens_total = 9000\nconcurrency = 4\n"
    path = prepared(tmp_path, remote("one", server, priced) + remote("two", server, priced))
    go(path, last="questions")
    loaded = recipe_file.load(path)
    planned = {one.stage.name: one.says for one in run.plan(loaded, tmp_path / "runs", run.select())}
    assert planned["ask"].count("0 of 300 calls are answered already") == 2
    assert "USD" in planned["ask"]
    assert not server.tries
    with pytest.raises(RefusedError, match="max_tokens_total"):  # 300 calls of 18 tokens are 5,400, twice that too many
        go(path, last="ask")
    assert COUNT < sum(server.tries.values()) <= 9000 / 18
    spent = sum(server.tries.values())
    higher = ("ask.others.one.max_tokens_total=20000", "ask.others.two.max_tokens_total=20000")
    go(path, *higher, last="ask")
    assert sum(server.tries.values()) == 2 * COUNT
    assert spent < 2 * COUNT


def test_other_weights_change_the_key_and_how_an_endpoint_is_asked_does_not(tmp_path: Path, weights: Path) -> None:
    mine = shutil.copytree(weights, tmp_path / "mine")
    path = prepared(tmp_path, local("tiny", mine))
    go(path, last="train")

    def key(*overrides: str) -> str:
        return run.inputs_of(run.select(only="ask")[0], recipe_file.load(path, overrides), tmp_path / "runs")[1]

    before = key()
    assert key("ask.limit=5") != before
    with (mine / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert key() != before


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ('[[ask.others]]\nname = "x"\nfolder = "nowhere"\n', "ask.others x.folder"),
        ('[[ask.others]]\nname = "x"\nurl = "https://h/v1"\nmodel = "m"\nkey_env = "NO_SUCH_KEY"\n', "NO_SUCH_KEY"),
        ('[[ask.others]]\nname = "x"\nurl = "http://localhost/v1"\n', "model: empty"),
    ],
)
def test_what_would_stop_the_asking_is_said_before_anything_is_computed(
    tmp_path: Path, others: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    path = prepared(tmp_path, others)
    assert any(words in line for line in findings(recipe_file.load(path), ["ask"]))
    with pytest.raises(RecipeError, match="nothing was computed"):
        go(path)
    assert not (tmp_path / "runs").exists()


def test_an_endpoint_cannot_weigh_options(tmp_path: Path, server: Any) -> None:
    path = prepared(tmp_path, remote("x", server), EXAM + 'answer = "letters"\n')
    assert any("log-probabilities" in line for line in findings(recipe_file.load(path), ["ask"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models = []\n", "no model to ask"),
        ('[[ask.others]]\nname = "ours"\nfolder = "f"\n', "call something else so"),
        ('[[ask.others]]\nname = "x"\nfolder = "f"\n' * 2, "one name"),
        ('[[ask.others]]\nname = "x"\nkind = "batch"\n', "cannot be batch"),
        ('[[ask.others]]\nname = "a/b"\nfolder = "f"\n', "name"),
        ('[[ask.others]]\nname = "x"\nfolder = "f"\ntemperature = 0.5\n', "answer in one way"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe_file.load(prepared(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "trains", "asked"),
    [
        ("", True, ("base", "ours")),
        ('[[ask.others]]\nname = "x"\nfolder = "f"\n', False, ("x",)),
        ('[[ask.others]]\nname = "x"\nfolder = "f"\n[[unify.imports]]\nname = "s"\npath = "s"\nformat = "alpaca"\n', True, ("base", "ours", "x")),
        ('models = []\n[[ask.others]]\nname = "x"\nfolder = "f"\n[[unify.imports]]\nname = "s"\npath = "s"\nformat = "alpaca"\n', False, ("x",)),
    ],
)  # fmt: skip
def test_nothing_is_trained_where_only_others_are_asked(
    tmp_path: Path, text: str, trains: bool, asked: tuple[str, ...]
) -> None:
    loaded = recipe_file.load(prepared(tmp_path, text))
    assert (loaded.trains, loaded.asked) == (trains, asked)
