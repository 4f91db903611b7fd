"""Several runs side by side: what differs, whose numbers, and first of all who is worse than the base."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from huatuo import store
from huatuo.cli import cli
from huatuo.compare import compare
from huatuo.errors import InputError
from huatuo.eval import between, held_out_loss
from huatuo.recipe import ScoreSettings
from huatuo.records import Figure, Option, Provenance, Question, Response, Score
from huatuo.records_trained import HeldOutLoss, SourceCount, StepLog

N = 1_000
SIGNATURE = "metric:accuracy|extractor:test|unscored:wrong|huatuo:0"
OPTIONS = tuple(Option(label=label, text=f"option {label}") for label in "ABCD")


def a_run(
    folder: Path,
    right: dict[str, float],
    recipe: dict[str, object] | None = None,
    seed: int = 1,
    n: int = N,
    signature: str = SIGNATURE,
    base: str = "b" * 32,
) -> Path:
    """A finished run: ``right`` is each model's share of right answers; losses fall from 5."""
    questions = [
        Question(id=f"q{i:05d}", exam="exam", kind="single", stem=f"{i}?", options=OPTIONS, gold=("A",))
        for i in range(n)
    ]
    with store.writing(folder / "questions", stage="questions", key="k") as out:
        for question in questions:
            out.write("questions", question)
    with store.writing(folder / "train", stage="train", key="k", recipe=recipe or {}, seed=seed) as out:
        counts = (SourceCount(source="kg", samples=4),)
        for step in range(1, 401):
            loss = 5.0 / step**0.5
            row = {"loss": loss, "learning_rate": 1e-3, "gradient_norm": 1.0, "seconds": 0.1 * step}
            held_out = loss + 0.2 if step % 100 == 0 else None
            numbers = {"step": step, "tokens": 100, "learned_tokens": 40, "validation_loss": held_out, **row}
            out.write("steps", StepLog(**numbers, sources=counts))
        out.figures.update({"parameters": 1e6, "validation_loss_before": 7.0, "validation_loss_after": 0.5})
    draw = random.Random(f"{folder.name} {seed}")
    with (
        store.writing(folder / "ask", stage="ask", key="k") as asked,
        store.writing(folder / "score", stage="score", key="k", recipe={}, seed=seed) as scored,
    ):
        for model, share in right.items():
            hits = set(draw.sample(range(n), round(share * n)))
            for i, question in enumerate(questions):
                one = f"{model}{i}"
                digest = base if model == "base" else folder.name
                asked.write(
                    "responses",
                    Response(
                        id=one, question_id=question.id, model=model, messages=(), text="A", finish_reason="stop",
                        prompt_tokens=1, completion_tokens=1, provenance=Provenance(by="model", digest=digest),
                    ),
                )  # fmt: skip
                made = Score(
                    id=one, response_id=one, question_id=question.id, model=model, metric="accuracy",
                    value=float(i in hits), signature=signature,
                )  # fmt: skip
                scored.write("scores", made)
        scored.write(
            "figures",
            Figure(name="exam", model="baseline: random", metric="accuracy", value=0.25, low=None, high=None, n=n),
        )
    return folder


def figures_of(*folders: Path) -> list[Figure]:
    runs = {folder.name: folder for folder in folders}
    return list(between.figures(runs, dict.fromkeys(runs, "base"), ScoreSettings(), 3))


@pytest.mark.slow
def test_every_model_is_scored_once_and_every_two_are_compared(tmp_path: Path) -> None:
    one = a_run(tmp_path / "one", {"base": 0.3, "ours": 0.6})
    two = a_run(tmp_path / "two", {"ours": 0.4})
    found = {(f.model, f.metric): f for f in figures_of(one, two)}
    assert {model for model, metric in found if metric == "accuracy"} == {"base", "one", "two", "baseline: random"}
    assert found["base", "accuracy"].value == pytest.approx(0.3)
    assert found["one", "accuracy"].value == pytest.approx(0.6)
    assert found["two - one", "difference"].value == pytest.approx(-0.2)
    assert found["two - one", "difference"].high < 0  # type: ignore[operator]
    assert found["one - base", "p Holm"].value < 0.001  # type: ignore[operator]
    assert found["two - one", "difference"].n == N


@pytest.mark.slow
def test_only_questions_that_all_were_asked_count(tmp_path: Path) -> None:
    one, two = a_run(tmp_path / "one", {"ours": 0.6}), a_run(tmp_path / "two", {"ours": 0.6}, n=700)
    assert {f.n for f in figures_of(one, two) if f.metric == "difference" or f.model in ("one", "two")} == {700}


@pytest.mark.slow
def test_other_rules_of_scoring_are_refused(tmp_path: Path) -> None:
    one = a_run(tmp_path / "one", {"ours": 0.6})
    two = a_run(tmp_path / "two", {"ours": 0.6}, signature="metric:accuracy|extractor:other")
    with pytest.raises(InputError, match="counted by other rules"):
        figures_of(one, two)


@pytest.mark.slow
def test_the_page_says_first_who_is_worse_than_the_base(tmp_path: Path) -> None:
    one = a_run(tmp_path / "one", {"base": 0.5, "ours": 0.8}, {"learning_rate": 0.003, "window": 512})
    two = a_run(tmp_path / "two", {"base": 0.5, "ours": 0.2}, {"learning_rate": 0.01, "window": 512}, seed=9)
    text = compare([one, two], tmp_path / "out", "en").read_text(encoding="utf-8")
    warned = text[text.index('role="alert"') : text.index("<h1>")]
    assert "<li>two: exam" in warned
    assert "<li>one:" not in warned
    recipes = list(csv.reader((tmp_path / "out" / "recipes.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert recipes == [
        ["stage", "key", "one", "two"],
        ["run", "seed", "1", "9"],
        ["train", "learning_rate", "0.003", "0.01"],
    ]
    curves = list(csv.DictReader((tmp_path / "out" / "curves.csv").read_text(encoding="utf-8-sig").splitlines()))
    held_out = [(r["tokens"], r["value"]) for r in curves if r["run"] == "one" and r["what"] == "validation loss"]
    assert held_out[0] == ("0.0", "7.0")
    assert held_out[-1] == ("40000.0", "0.5")
    assert len(held_out) == 6
    assert {r["tokens"] for r in curves} >= {"40000.0"}
    for name in ("leaderboard.csv", "comparisons.csv", "leaderboard.tex"):
        assert "one" in (tmp_path / "out" / name).read_text(encoding="utf-8-sig")


@pytest.mark.slow
def test_without_the_untouched_base_the_page_says_that_nobody_can_tell(tmp_path: Path) -> None:
    one, two = (a_run(tmp_path / name, {"ours": 0.5}) for name in ("one", "two"))
    text = compare([one, two], tmp_path / "out", "en").read_text(encoding="utf-8")
    assert "No run asked the untouched base" in text
    assert 'role="alert"' not in text


@pytest.mark.slow
def test_runs_from_different_bases_are_not_measured_against_one(tmp_path: Path) -> None:
    one = a_run(tmp_path / "one", {"base": 0.9, "ours": 0.95})
    two = a_run(tmp_path / "two", {"base": 0.1, "ours": 0.5}, base="c" * 32)
    text = compare([one, two], tmp_path / "out", "en").read_text(encoding="utf-8")
    assert "The runs start from different bases" in text
    assert "base of one" in text
    assert "base of two" in text
    assert 'role="alert"' not in text  # two is below the base of one, which is not its own


def test_what_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    a_run(tmp_path / "runs" / "one", {"ours": 0.5})
    done = CliRunner().invoke(cli, ["report", "one", "nothing", "--runs", str(tmp_path / "runs")])
    assert done.exit_code
    assert "nothing: no such run; next: huatuo runs" in str(done.exception or done.output)
    with store.writing(tmp_path / "runs" / "begun" / "order", stage="order", key="k") as out:
        store.write_atomic(out.folder / "empty.json", "{}")
    with pytest.raises(InputError, match="begun: neither trained nor scored yet"):
        compare([tmp_path / "runs" / "one", tmp_path / "runs" / "begun"], tmp_path / "out", "en")
    with pytest.raises(InputError, match="was given before"):
        compare([tmp_path / "runs" / "one", tmp_path / "runs" / "one"], tmp_path / "out", "en")


@pytest.mark.slow
def test_runs_that_were_asked_nothing_are_compared_by_recipe_and_curves(tmp_path: Path) -> None:
    folders = []
    for name, order in (("a", "uniform"), ("b", "sequential")):
        folders.append(a_run(tmp_path / name, {"ours": 0.5}, recipe={"order": order}, n=10))
        for stage in ("questions", "ask", "score"):
            with store.writing(folders[-1] / stage, stage=stage, key="empty", recipe={}) as out:
                store.write_atomic(out.folder / "empty.json", "{}")
    page = compare(folders, tmp_path / "page", "both").read_text(encoding="utf-8")
    assert "These runs were asked nothing" in page
    assert "No run asked the untouched base" not in page
    assert page.count("<polyline") == 4  # two losses, two of the samples held out
    assert "sequential" in page
    mixed = a_run(tmp_path / "c", {"ours": 0.5}, n=10)
    with pytest.raises(InputError, match="a: not asked or not scored, and c is"):
        compare([folders[0], mixed], tmp_path / "other", "both")


def a_training(folder: Path, change: float, base: str = "b" * 32, n: int = 40, each: bool = True) -> Path:
    """A run that stopped after training, from a base called ``model``; the loss of a held-out token went from about 1
    to 1 + ``change``; ``each``: whether the loss of each pair was kept."""
    recipe, inputs = {"base": "model"}, [store.InputEntry(name="model", digest=base * 2)]
    draw = random.Random(folder.name)
    with store.writing(folder / "tokenise", stage="tokenise", key="k", recipe=recipe, inputs=inputs) as out:
        store.write_atomic(out.folder / "tokens.arrow", "tokens")
        out.figures["samples"] = 1_234.0
    with store.writing(folder / "train", stage="train", key="k", recipe=recipe, inputs=inputs, seed=3) as out:
        counts = (SourceCount(source="kg", samples=4),)
        numbers = {"tokens": 100, "learned_tokens": 40, "loss": 2.0, "learning_rate": 1e-3, "gradient_norm": 1.0}
        out.write("steps", StepLog(step=1, seconds=1.0, sources=counts, **numbers))
        for i in range(n if each else 0):
            tokens = 10 + i % 7
            before, after = (tokens * draw.gauss(mean, 0.05) for mean in (1.0, 1.0 + change))
            out.write("held_out", HeldOutLoss(pair_id=f"p{i}", learned_tokens=tokens, before=before, after=after))
        figures = {"validation_loss_before": 1.0, "validation_loss_after": 1.0 + change, "kept_step": 1.0}
        out.figures.update(figures)
        (out.folder / "model").mkdir()
        about = {"base": f"of-{folder.name}/train/model", "base_digest": base, "digest": "d" * 32}
        store.write_atomic(out.folder / "model" / "huatuo.json", json.dumps(about))
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_runs_that_stopped_after_training_are_compared_and_the_one_that_got_worse_is_said_first(tmp_path: Path) -> None:
    one, two = a_training(tmp_path / "one", 3.2), a_training(tmp_path / "two", -0.4)
    page = compare([one, two], tmp_path / "page", "en").read_text(encoding="utf-8")
    main = page[page.index("<main>") :]
    first = main[: main.index("</div>")]
    assert 'role="alert"' in first
    assert "higher than before training" in first
    assert "<li>one: 1." in first
    assert "<li>two" not in first
    found = {(row["run"], row["what"]): row for row in rows_of(tmp_path / "page" / "losses.csv")}
    for run, change in (("one", 3.2), ("two", -0.4)):
        for what, value in (("before", 1.0), ("after", 1 + change), ("change", change)):
            row = found[run, what]
            assert row["n"] == "40"
            low, middle, high = (float(row[name]) for name in ("low", "value", "high"))
            assert low < middle < high
            assert middle == pytest.approx(value, abs=0.05)
            assert 0.01 < high - low < 0.1
    assert float(found["two - one", "difference"]["high"]) < -3
    assert "1,234 ·" in page
    assert "neither" not in page


def test_a_rise_that_cannot_be_told_from_chance_is_not_called_worse_and_a_mean_alone_has_no_interval(
    tmp_path: Path,
) -> None:
    scattered, alone = a_training(tmp_path / "a", 0.001), a_training(tmp_path / "b", 0.5, each=False)
    page = compare([scattered, alone], tmp_path / "page", "en").read_text(encoding="utf-8")
    assert "<li>a:" not in page
    assert "<li>b: 1.000 → 1.500 (+0.500)</li>" in page
    assert "kept the mean alone" in page
    found = {(row["run"], row["what"]): row for row in rows_of(tmp_path / "page" / "losses.csv")}
    assert (found["b", "after"]["n"], found["b", "after"]["low"]) == ("0", "")
    assert ("b - a", "difference") not in found


def test_bases_of_one_name_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    folders = [a_training(tmp_path / name, 0.0, digit * 32) for name, digit in (("one", "b"), ("two", "c"))]
    page = compare(folders, tmp_path / "page", "en").read_text(encoding="utf-8")
    assert "The recipes are the same" not in page
    assert rows_of(tmp_path / "page" / "recipes.csv") == [
        {
            "stage": "train",
            "key": "base",
            "one": "of-one/train/model bbbbbbbbbbbb",
            "two": "of-two/train/model cccccccccccc",
        }
    ]
    for folder, digit in zip(folders, "de", strict=True):
        files = [store.InputEntry(name="mine.jsonl", digest=digit * 64)]
        with store.writing(
            folder / "unify", stage="unify", key="k", recipe={"path": "mine.jsonl"}, inputs=files
        ) as out:
            store.write_atomic(out.folder / "pairs", "")
    with store.writing(folders[0] / "report", stage="report", key="k", recipe={"language": "zh"}) as out:
        store.write_atomic(out.folder / "report.html", "page")
    with store.writing(folders[1] / "ask", stage="ask", key="k", recipe={"base": "model"}) as out:
        store.write_atomic(out.folder / "empty.json", "{}")
    compare(folders, tmp_path / "page", "en")
    assert {row["stage"] for row in rows_of(tmp_path / "page" / "recipes.csv")} == {"train", "unify"}
    assert {"stage": "unify", "key": "file mine.jsonl", "one": "d" * 12, "two": "e" * 12} in rows_of(
        tmp_path / "page" / "recipes.csv"
    )


def test_an_interval_of_the_loss_holds_the_loss_of_all_pairs_in_19_of_20_draws() -> None:
    draw = random.Random(8)
    inside = 0
    for _ in range(400):
        tokens = [draw.randint(5, 60) for _ in range(40)]
        sums = [sum(draw.expovariate(0.5) for _ in range(3)) / 3 * count for count in tokens]
        found = held_out_loss._per_token(sums, tokens)
        assert found.value == pytest.approx(sum(sums) / sum(tokens))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 2.0 <= found.high
    assert 0.91 <= inside / 400 <= 0.98
    assert held_out_loss._per_token([3.0], [2]).low is None
    assert held_out_loss._per_token([2.0, 4.0], [1, 2]).method == "all alike, no interval"


def test_the_chinese_page_names_every_stage_and_number_in_chinese(tmp_path: Path) -> None:
    folders = [a_training(tmp_path / name, 0.1) for name in ("one", "two")]
    for folder in folders:
        with store.writing(folder / "report", stage="report", key="k") as out:
            store.write_atomic(out.folder / "report.html", "page")
    page = compare(folders, tmp_path / "page", "zh").read_text(encoding="utf-8")
    assert "kept_step" not in page
    assert '<th scope="row">report</th>' not in page
    assert "0 · " not in page
