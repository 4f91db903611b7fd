"""Studies: arms that differ in what they claim and in nothing else, as many tokens each, one table with intervals."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import shutil
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner

from huatuo import recipe_file, store, study, study_run, study_table
from huatuo.cli import cli
from huatuo.errors import BusyError, InputError, RecipeError
from huatuo.eval import stats
from huatuo.recipe import TrainSettings
from huatuo.records import Pair, Provenance, Question, Response
from huatuo.records_trained import Order, StepLog

SEEDS = (1, 2)
TINY = """
name = "tiny"
recipe = "ablation"
seeds = [1, 2]
reference = "priority"
apart = "sft"
set = [
  'questions.exams=[]', 'questions.made=[]', 'questions.probe.relations=["适应证"]', 'ask.models=["ours"]',
  "ask.limit=20", "ask.max_tokens=8", "synth.phrasings=3", "synth.coverage.per_relation=4", "train.copies.articles=2",
  "train.scratch.hidden=32", "train.scratch.heads=2", "train.scratch.feed_forward=64", "unify.decontaminate=false",
]
[[arms]]
name = "priority"
[[arms]]
name = "two-stage"
says = "articles, then SFT"
set = ["train.order=two-stage"]
"""
RAW = """
[[arms]]
name = "raw"
set = ['synth.passage_shapes=["text"]']
"""


def write_study(folder: Path, text: str) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's folder after the whole verb."""
    folder = tmp_path_factory.mktemp("study")
    outcome = CliRunner().invoke(cli, ["study", str(write_study(folder, TINY)), "--runs", str(folder)])
    assert outcome.exit_code == 0, outcome.output
    return folder / "tiny"


@pytest.mark.slow
def test_all_arms_train_the_same_samples_and_tokens(done: Path) -> None:
    for seed in SEEDS:
        learned, tokens = [], set()
        for arm in ("priority", "two-stage"):
            rows = list(store.read(done / f"{arm}-{seed}" / "order", "order", Order))
            learned.append(sorted((row.pair_id, row.copy_index) for row in rows))
            tokens.add(sum(step.tokens for step in store.read(done / f"{arm}-{seed}" / "train", "steps", StepLog)))
        assert learned[0] == learned[1]
        assert len(tokens) == 1
        assert tokens.pop() > 5_000


@pytest.mark.slow
def test_arms_differ_only_in_what_they_claim(done: Path) -> None:
    one, other = (store.read_manifest(done / f"{arm}-1" / "train") for arm in ("priority", "two-stage"))
    differing = {key for key in one.recipe if one.recipe[key] != other.recipe[key]}
    assert differing == {"order"}
    for stage in ("ingest", "questions", "curate", "synth", "unify", "tokenise"):
        mine, theirs = (done / f"{arm}-1" / stage / "manifest.json" for arm in ("priority", "two-stage"))
        assert mine.samefile(theirs), f"{stage} was made twice"
    sources = [row.source for row in sorted(store.read(done / "two-stage-1" / "order", "order", Order), key=place)]
    assert sources == sorted(sources)  # articles, then sft
    mixed = [row.source for row in sorted(store.read(done / "priority-1" / "order", "order", Order), key=place)]
    assert mixed != sorted(mixed)
    first = done / "priority-1" / "unify"
    assert store.read_manifest(first).digest != store.read_manifest(done / "priority-2" / "order").digest


def place(row: Order) -> int:
    return row.position


@pytest.mark.slow
def test_the_table_has_every_arm_with_its_interval_and_difference(done: Path) -> None:
    with (done / "study.csv").open(encoding="utf-8-sig") as file:
        rows = {(row["measure"], row["arm"]): row for row in csv.DictReader(file)}
    measures = {measure for measure, _ in rows}
    assert measures == {"knowledge taught by sft", "knowledge not taught by sft", study_table.LOSS}
    for arm in ("priority", "two-stage"):
        row = rows[study_table.LOSS, arm]
        assert 0 < float(row["low"]) < float(row["value"]) < float(row["high"])
        assert "x 2" in row["how"]  # two seeds
        losses = [json.loads((done / f"{arm}-{seed}" / "losses.json").read_text())["losses"] for seed in SEEDS]
        by_hand = np.mean([total / tokens for own in losses for total, tokens in own.values()])
        assert float(row["value"]) == pytest.approx(by_hand)
        assert int(row["n"]) == sum(map(len, losses))
    gap = rows[study_table.LOSS, "two-stage"]
    values = [float(rows[study_table.LOSS, arm]["value"]) for arm in ("two-stage", "priority")]
    assert float(gap["difference"]) == pytest.approx(values[0] - values[1])
    assert float(gap["difference low"]) < float(gap["difference"]) < float(gap["difference high"])
    assert rows[study_table.LOSS, "priority"]["difference"] == ""
    text = (done / "study.md").read_text(encoding="utf-8")
    assert "| two-stage | articles, then SFT |" in text
    assert (done / "compared-1" / "report.html").exists()


@pytest.mark.slow
def test_a_study_goes_on_where_it_stopped(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_study(done.parent, TINY)
    loaded = study.load(path)
    planned = study.trials(loaded, path, done.parent)
    for name in ("ask", "score"):
        (done / "two-stage-2" / name / "manifest.json").unlink()
    assert [trial.root.name for trial in study_run.unfinished(planned)] == ["two-stage-2"]
    made = [(trial.root.name, m.stage) for trial, m, before in study_run.run(loaded, planned) if not before]
    assert made == [("two-stage-2", "ask"), ("two-stage-2", "score")]


@pytest.fixture(scope="module")
def refused(done: Path) -> str:
    """Why the study is refused with one more arm that trains less, after all that comes before its training is made."""
    path = write_study(done.parent, TINY + RAW)
    loaded = study.load(path)
    with pytest.raises(RecipeError) as error:
        list(study_run.run(loaded, study.trials(loaded, path, done.parent)))
    return str(error.value)


@pytest.mark.slow
def test_unequal_compute_is_refused_before_anything_is_trained(done: Path, refused: str) -> None:
    assert re.search(r"arm raw would train [\d,]+ real tokens, -\d+\.\d%.*\n?next: change train", refused)
    assert not (done / "raw-1" / "train").exists()
    pairs = [p for p in store.read(done / "raw-1" / "unify", "pairs", Pair) if p.source == "articles"]
    assert {p.messages[0].content for p in pairs} == {""}  # documents as they are: no question
    assert all(p.shape == "text" and "empty" not in p.flags for p in pairs)
    asked = [p for p in store.read(done / "priority-1" / "unify", "pairs", Pair) if p.source == "articles"]
    assert len(pairs) == len(asked)  # the same passages
    assert {p.parents for p in pairs} == {p.parents for p in asked}


@pytest.mark.slow
@pytest.mark.usefixtures("refused")
def test_tokens_end_every_arm_at_the_same_compute(done: Path) -> None:
    path = write_study(done.parent, TINY + RAW)
    loaded = study.load(path)
    planned = study.trials(loaded, path, done.parent, ["train.tokens=4000"])
    counts = [study_run.planned_tokens(trial) for trial in planned if trial.seed == 1]
    assert all(4_000 <= count < 4_800 for count in counts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('reference = "no such"', "reference = 'no such': expected one of the compared arms priority, two-stage"),
        ('[[arms]]\nname = "priority"', "two arms are called priority; next: rename"),
        ("seeds = [3, 4, 3]", "two seeds are called 3"),
        ('[[arms]]\nname = "compared"', "'compared', as the pages of a study are"),
        ('[[arms]]\nname = "c"\nset = ["run.seed=7"]', "run.seed is set by the study"),
        ('[[arms]]\nname = "c"\nafter = "priority"\nset = ["train.base=x"]', "a train.base of its own"),
        ('[[arms]]\nname = "c"\nsett = ["train.order=uniform"]', r"arms\.3\.sett: unknown key; did you mean set\?"),
        ('[[arms]]\nname = "c"\nset = "train.order=uniform"', r"arms\.3\.set: Input should be a list$"),
        ('[[arms]]\nname = "c"\nafter = "d"', "arm c: after = 'd' is no arm that stands before it"),
        ("armz = 3", "armz"),
        ("seeds = []", "seeds"),
    ],
)
def test_a_study_that_does_not_hang_together_is_refused(tmp_path: Path, change: str, message: str) -> None:
    key = change.split(" =")[0]
    lines = [line for line in TINY.splitlines() if change.startswith("[[") or not line.startswith(f"{key} =")]
    path = write_study(tmp_path, "\n".join([*lines, change] if change.startswith("[[") else [change, *lines]))
    with pytest.raises(RecipeError, match=message):
        study.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('set = ["ask.max_tokens=3"]', r"arm c has another \[ask\] than arm priority"),
        ("set = ['questions.probe.relations=[\"禁忌\"]']", r"arm c has another \[questions\] than arm priority"),
        (
            'set = ["train.ordr=uniform"]',
            "arm c, seed 1: -s train.ordr: unknown key train.ordr; did you mean train.order",
        ),
        ('set = ["train.order"]', "arm c, seed 1: -s train.order: expected table.key=value"),
        (
            'set = ["train.evaluate_every=5", "train.patience=3"]',
            r"tiny.toml: arm c has train.patience = 3 and may stop early, so .* equal compute; .*next: set it so for all",
        ),
    ],
)
def test_an_arm_that_cannot_be_compared_is_refused_by_its_name(tmp_path: Path, change: str, message: str) -> None:
    path = write_study(tmp_path, f'{TINY}[[arms]]\nname = "c"\n{change}\n')
    with pytest.raises(RecipeError, match=message):
        study.trials(study.load(path), path, tmp_path)


def test_a_recipe_that_may_stop_early_is_refused_for_all_arms_and_allowed_where_others_only_start(
    tmp_path: Path,
) -> None:
    text = recipe_file.find("ablation").read_text(encoding="utf-8").replace("../sample", str(SAMPLE))
    (tmp_path / "own.toml").write_text(text.replace("[train]", "[train]\nevaluate_every = 5\npatience = 2"), "utf-8")
    own = TINY.replace('recipe = "ablation"', 'recipe = "own.toml"')
    path = write_study(tmp_path, own)
    with pytest.raises(RecipeError, match=r"arm priority has train.patience = 2 and may stop early"):
        study.trials(study.load(path), path, tmp_path)
    mended = study.trials(study.load(path), path, tmp_path, ["train.patience=0"])
    assert {trial.recipe.train.patience for trial in mended} == {0}
    before = '[[arms]]\nname = "before"\ncompared = false\nset = ["train.patience=2"]\n'
    path = write_study(tmp_path, own.replace("\nset = [", '\nset = ["train.patience=0",') + before)
    assert len(study.trials(study.load(path), path, tmp_path)) == 3 * len(SEEDS)


def test_what_would_stop_a_stage_of_any_arm_is_said_before_the_first_run(tmp_path: Path) -> None:
    path = write_study(tmp_path, f'{TINY}[[arms]]\nname = "c"\nset = ["train.learning_rate=0"]\n')
    outcome = CliRunner().invoke(cli, ["study", str(path), "--runs", str(tmp_path / "runs")])
    assert isinstance(outcome.exception, RecipeError)
    assert "c-1: [train] learning_rate = 0.0" in str(outcome.exception)
    assert not (tmp_path / "runs").exists()
    dry = CliRunner().invoke(cli, ["study", str(path), "--runs", str(tmp_path / "runs"), "--dry-run"])
    assert dry.output.count("huatuo run ") == 6
    assert "finding    c-1: [train] learning_rate" in dry.output
    assert dry.exit_code == 1


def test_a_study_of_a_missing_recipe_or_of_none_names_it(tmp_path: Path) -> None:
    path = write_study(tmp_path, TINY.replace('recipe = "ablation"', 'recipe = "none.toml"'))
    with pytest.raises(RecipeError, match=r"tiny.toml: recipe = 'none.toml': no file .*none.toml, and no shipped"):
        study.trials(study.load(path), path, tmp_path)
    with pytest.raises(RecipeError, match="is a recipe; a study names a recipe, seeds and arms"):
        study.load(recipe_file.find("ablation"))


def test_another_process_and_the_folder_of_a_run_are_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    path = write_study(tmp_path, TINY)
    loaded = study.load(path)
    planned = study.trials(loaded, path, tmp_path)
    with store.locked(tmp_path / "tiny"), pytest.raises(BusyError, match="another huatuo process makes this study"):
        list(study_run.run(loaded, planned))
    with store.writing(tmp_path / "tiny" / "ingest", stage="ingest", key="k") as out:
        store.write_atomic(out.folder / "empty.json", "{}")
    with pytest.raises(RecipeError, match=r"is the folder of a run \(it holds ingest\)"):
        list(study_run.run(loaded, planned))
    assert not (tmp_path / "tiny" / "priority-1").exists()


def test_the_command_of_a_run_survives_the_shell(tmp_path: Path) -> None:
    runs = tmp_path / "it's here"
    path = write_study(tmp_path, TINY + RAW)
    for trial in study.trials(study.load(path), path, runs):
        words = shlex.split(trial.command)
        assert words[words.index("--runs") + 1] == str(runs / "tiny")
        assert tuple(words[place + 1] for place, word in enumerate(words) if word == "-s") == trial.overrides


@pytest.mark.slow
def test_a_table_of_other_settings_is_not_shown_as_this_studys(done: Path) -> None:
    path = write_study(done.parent, TINY)
    loaded = study.load(path)
    assert study_run.unfinished(study.trials(loaded, path, done.parent)) == []
    with pytest.raises(InputError, match="no run of the study is finished with its settings"):
        study_run.unfinished(study.trials(loaded, path, done.parent, ["train.learning_rate=1e-3"]))


OTHERS = TINY.replace('"priority"', '"ours"').replace('name = "two-stage"', 'name = "theirs"')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (TINY.replace("ask.limit=20", "ask.limit=30"), [], r"priority-1 was made with ask.limit = 20, and this .* 30"),
        (TINY, ["train.learning_rate=1e-3"], r"made with train.learning_rate = 0.002, and this study has 0.001; "),
        (
            TINY.replace("hidden=32", "hidden=16"),
            [],
            r"train.scratch.hidden = 32, and this study has 16; .*another name",
        ),
        (OTHERS, [], r"tiny: holds the runs of another study \(priority-1, priority-2, .*\); expected"),
    ],
)
def test_another_study_of_the_name_is_refused_and_changes_nothing(
    done: Path, tmp_path: Path, text: str, overrides: list[str], message: str
) -> None:
    path = write_study(tmp_path, text)
    planned = study.trials(study.load(path), path, done.parent, overrides)
    before = {file: file.stat().st_mtime_ns for file in done.rglob("*")}
    with pytest.raises(RecipeError, match=f"1 thing\\(s\\) would stop this study; nothing was computed:\n.*{message}"):
        list(study_run.run(study.load(path), planned))
    said = [
        "study",
        str(path),
        "--runs",
        str(done.parent),
        "--dry-run",
        *(word for o in overrides for word in ("-s", o)),
    ]
    assert "finding    " in CliRunner().invoke(cli, said).output
    assert {file: file.stat().st_mtime_ns for file in done.rglob("*")} == before


@pytest.mark.slow
def test_the_same_study_in_another_file_and_with_one_more_arm_goes_on(done: Path, tmp_path: Path) -> None:
    added = '[[arms]]\nname = "uniform"\nset = ["train.order=uniform"]\n'
    path = write_study(tmp_path, TINY.replace("seeds = [1, 2]", "seeds = [1]") + added)
    made = study_run.run(study.load(path), study.trials(study.load(path), path, done.parent))
    arms = {trial.root.name for trial, manifest, before in made if not before and manifest.stage == "train"}
    assert arms == {"uniform-1"}
    shutil.rmtree(done / "uniform-1")


@pytest.mark.slow
def test_a_run_that_is_half_trained_is_anothers_too_and_one_that_is_not_trained_is_free(
    done: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    for stage in ("ingest", "questions", "curate", "synth", "unify", "order", "tokenise"):
        shutil.copytree(done / "priority-1" / stage, folder / "priority-1" / stage)
    path = write_study(tmp_path, TINY)
    loaded = study.load(path)
    other = study.trials(loaded, path, tmp_path, ["train.learning_rate=1e-3"])
    assert study_run.would_stop(other) == []
    mended = study.trials(loaded, path, tmp_path, ["train.copies.articles=3"])  # what was ordered may be ordered anew
    assert study_run.would_stop(mended) == []
    with (
        pytest.raises(InputError, match="stopped"),
        store.writing(folder / "priority-1" / "train", stage="train", key=trained_key(done), resumable=True),
    ):
        raise InputError("stopped")
    assert study_run.would_stop(study.trials(loaded, path, tmp_path)) == []
    assert ["priority-1 is half trained with other settings" in line for line in study_run.would_stop(other)] == [True]
    assert ["made with order.copies.articles = 2" in line for line in study_run.would_stop(mended)] == [True]


def trained_key(done: Path) -> str:
    return store.read_manifest(done / "priority-1" / "train").key


@pytest.mark.slow
def test_the_sequential_arm_learns_source_after_source_with_as_many_tokens(done: Path) -> None:
    arm = '[[arms]]\nname = "sequential"\nset = ["train.order=sequential"]\n'
    path = write_study(done.parent, TINY.replace("seeds = [1, 2]", "seeds = [1]") + arm)
    loaded = study.load(path)
    own = study.trials(loaded, path, done.parent)
    for _ in study_run._made(own[-1], own, study_run.BEFORE_TRAINING):
        pass
    tokens = {trial.arm.name: study_run.planned_tokens(trial) for trial in own}
    study_run.check_tokens(loaded, tokens)
    assert len(set(tokens.values())) == 1
    rows = sorted(store.read(done / "sequential-1" / "order", "order", Order), key=place)
    firsts = [row.source for row in rows if row.copy_index == 0]
    assert len(set(firsts)) == 2
    assert sum(one != other for one, other in pairwise(firsts)) == 1
    assert [row.copy_index for row in rows] == sorted(row.copy_index for row in rows)
    shutil.rmtree(done / "sequential-1")


def test_the_shipped_ablations_hold_every_order_and_nothing_else_between_these_arms(tmp_path: Path) -> None:
    for name in ("ablation", "ablation-gpu"):
        path = study.find(name)
        arms = {trial.arm.name: trial.recipe for trial in study.trials(study.load(path), path, tmp_path)}
        orders = [order for order in get_args(TrainSettings.model_fields["order"].annotation) if order != "priority"]
        assert len(orders) == 3
        for order in orders:
            told = arms["priority"].train.model_copy(update={"order": order})
            assert arms[order].train == told
            assert arms[order].synth == arms["priority"].synth


def test_no_finished_run_is_said_and_an_unknown_study_names_the_shipped_ones(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(cli, ["study", "ablation", "--table", "--runs", str(tmp_path)])
    assert isinstance(outcome.exception, InputError)
    with pytest.raises(RecipeError, match="ablation, ablation-gpu, forgetting"):
        study.find("nonsense")


@pytest.mark.parametrize("name", sorted(study.shipped()))
def test_every_shipped_study_loads_with_every_arm(name: str, tmp_path: Path) -> None:
    path = study.find(name)
    loaded = study.load(path)
    planned = study.trials(loaded, path, tmp_path)
    assert len(planned) == len(loaded.arms) * len(loaded.seeds)
    assert len(loaded.seeds) >= 3
    outcome = CliRunner().invoke(cli, ["study", name, "--dry-run", "--runs", str(tmp_path)])
    assert outcome.output.count("huatuo run ") == len(planned)
    assert not (tmp_path / loaded.name).exists()


def test_an_arm_starts_from_the_model_of_the_arm_before(tmp_path: Path) -> None:
    path = study.find("forgetting")
    planned = study.trials(study.load(path), path, tmp_path)
    bases = {trial.root.name: trial.recipe.train.base for trial in planned}
    assert bases["everyday-2024"] == "scratch"
    assert bases["general-10-2024"] == str((tmp_path / "study-forgetting/everyday-2024/train/model").resolve())


# ---------------------------------------------------------------- intervals


def question(number: int, entity: str, wording: str) -> Question:
    return Question(id=f"q{number}", exam="probe", kind="knowledge", entity=entity, wording=wording, stem="?")


def test_the_interval_is_that_of_the_factor_by_which_answers_fail() -> None:
    questions = [question(10 * e + w, f"e{e}", f"w{w}") for e in range(30) for w in range(6)]
    by_wording = [((s, q.id), q, float(q.wording > "w2")) for s in SEEDS for q in questions]
    found = study_table.crossed(by_wording, stats.UNIT)
    alone = stats.crossed_mean([v for *_, v in by_wording], [[q.entity for _, q, _ in by_wording]], stats.UNIT)
    assert found.value == pytest.approx(0.5)
    assert found.low is not None
    assert found.high is not None
    assert alone.low is not None
    assert found.high - found.low > 0.4
    assert found.low < alone.low


def test_seeds_that_disagree_widen_the_interval() -> None:
    questions = [question(i, f"e{i}", f"w{i}") for i in range(200)]
    same = [((s, q.id), q, float(i % 2)) for s in (1, 2, 3) for i, q in enumerate(questions)]
    apart = [((s, q.id), q, float(s == 1 or (s == 2 and i % 2))) for s in (1, 2, 3) for i, q in enumerate(questions)]
    one, other = study_table.crossed(same, stats.UNIT), study_table.crossed(apart, stats.UNIT)
    assert one.value == other.value == pytest.approx(0.5)
    assert one.high is not None
    assert one.low is not None
    assert one.high - one.low < 0.2
    assert (other.low, other.high) == (0.0, 1.0)


def test_losses_that_are_all_alike_have_no_interval() -> None:
    items = [((1, f"q{i}"), question(i, "e", "w"), 2.0) for i in range(5)]
    assert study_table.crossed(items, (0.0, math.inf)).low is None


def test_an_open_answer_counts_where_it_is_the_reference(tmp_path: Path) -> None:
    said = {"右": "北京。", "错": "北京市", "空": "", "base": "北京"}
    questions = {name: Question(id=name, exam="e", kind="open", stem="?", reference=" 北京") for name in said}
    with store.writing(tmp_path / "ask", stage="ask", key="k") as out:
        for name, text in said.items():
            answer = Response(
                id=name, question_id=name, model="base" if name == "base" else "ours", messages=(), text=text,
                finish_reason="stop", prompt_tokens=1, completion_tokens=1, provenance=Provenance(by="model"),
            )  # fmt: skip
            out.write("responses", answer)
    assert study_table._open_ones(tmp_path, questions) == {"右": 1.0, "错": 0.0, "空": 0.0}


# ---------------------------------------------------------------- the sample's texts

SAMPLE = Path(study.__file__).parent / "sample"


def test_the_articles_say_every_fact_of_the_drugs_under_its_name() -> None:
    text = (SAMPLE / "articles" / "drugs.zh.md").read_text(encoding="utf-8")
    articles = {part.split("\n", 1)[0].strip(): part for part in text.split("\n## ")[1:]}
    checked = 0
    for line in (SAMPLE / "knowledge" / "drugs.jsonl").read_text(encoding="utf-8").splitlines():
        drug = json.loads(line)
        for relation in ("适应证", "不良反应", "禁忌", "药物相互作用", "注意事项"):
            section = articles[drug["中心词"]].split(f"### {relation}\n", 1)[1].split("\n#", 1)[0]
            assert section.strip() == f"{drug['中心词']}的{relation}包括{'、'.join(drug[relation])}。"
            checked += 1
    assert checked == 170


def test_everyday_questions_are_about_what_is_taught_in_other_words() -> None:
    pairs = [json.loads(line) for line in (SAMPLE / "everyday.jsonl").read_text(encoding="utf-8").splitlines()]
    exam = [json.loads(line) for line in (SAMPLE / "everyday.exam.jsonl").read_text(encoding="utf-8").splitlines()]
    known = [
        json.loads(line) for line in (SAMPLE / "everyday.trained.exam.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    taught: dict[str, set[str]] = {}
    for pair in pairs:
        taught.setdefault(pair["output"], set()).add(pair["instruction"])
    assert len(taught) == len(pairs) / 7 >= 150
    assert len(exam) == 2 * len(taught)
    assert len(known) == len(taught)
    assert {one["question"] for one in known} <= {pair["instruction"] for pair in pairs}
    asked = {one["question"] for one in exam}
    assert not asked & {pair["instruction"] for pair in pairs}
    assert len(asked) == len(exam)
    for one in [*exam, *known]:
        assert any(one["about"][0] in said for said in taught[one["reference"]])
    texts = [path.read_text(encoding="utf-8") for path in (SAMPLE / "knowledge").glob("*.jsonl")]
    medical = {json.loads(line)["中心词"] for text in texts for line in text.splitlines()}
    assert not any(name in pair["instruction"] for pair in pairs for name in medical)


def test_the_recipes_hold_their_equal_shares() -> None:
    data = tomllib.loads(study.find("forgetting").read_text(encoding="utf-8"))
    tokens = [key for arm in data["arms"] for key in arm.get("set", []) if key.startswith("train.tokens")]
    assert len(set(tokens)) == 1
    recipe = recipe_file.load(recipe_file.find("ablation"))
    assert recipe.train.priority["articles"] > recipe.train.priority["sft"]
    assert recipe.train.copies["sft"] == 3
