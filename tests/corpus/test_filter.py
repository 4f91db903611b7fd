"""The filter learns from judgements, is measured on texts it has not seen, and is the same on every machine."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from huatuo.corpus import filter as learned
from huatuo.corpus.calibrate import Threshold, measured, precise, thresholds_of
from huatuo.corpus.filter import Filter, features, filter_batch, is_held_out, load, save, train
from huatuo.corpus.judgements import Judged, Label, of_sheet, of_teacher, read_sheet
from huatuo.errors import DataError, InputError, RefusedError
from huatuo.files import canonical_json
from huatuo.llm.base import Reply, Sampling, TextOnly
from huatuo.records import Message

GOOD = [
    "禁忌",
    "用法",
    "用量",
    "每日",
    "口服",
    "肝功能",
    "感染",
    "诊断",
    "剂量",
    "症状",
    "治疗",
    "dose",
    "renal",
    "therapy",
    "diagnosis",
    "patients",
    "tablets",
]
BAD = [
    "优惠",
    "点击",
    "明星",
    "旅游",
    "小编",
    "购买",
    "转发",
    "关注",
    "股票",
    "比赛",
    "click",
    "celebrity",
    "travel",
    "stocks",
    "football",
    "sale",
]
BOTH = ["的", "了", "和", "在", "是", "与", "及", "等", "可", "应", "the", "of", "and", "for", "with"]


def judgements(count: int, seed: int = 1, noise: float = 0.0) -> list[Judged]:
    """Made texts of which every third is to be kept, a share of them judged wrongly."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        keep = number % 3 == 0
        words = dice.choices(GOOD if keep else BAD, k=12) + dice.choices(BOTH, k=14) + dice.choices(GOOD + BAD, k=4)
        dice.shuffle(words)
        made.append(Judged(f"{number:05}", f"{number} " + " ".join(words), keep != (dice.random() < noise)))
    return made


@pytest.fixture(scope="module")
def trained() -> Filter:
    return train(judgements(1200))


def test_a_filter_learns_what_was_judged(trained: Filter) -> None:
    fresh = judgements(1000, seed=9)
    scores = trained.scores([row.text for row in fresh])
    right = [(score * 1000 >= trained.threshold) == row.keep for score, row in zip(scores, fresh, strict=True)]
    assert sum(right) >= 950
    about = trained.about
    assert about["judgements"] == 1200
    assert about["held_out"] == sum(is_held_out(row.text) for row in judgements(1200))
    assert 200 < about["held_out"] < 400
    precision = about["measured"]["precision"]
    assert precision[1] < precision[0] <= precision[2]
    assert precision[1] >= 0.8


@pytest.mark.slow
def test_training_reaches_the_minimum() -> None:
    rows = judgements(300)
    made, labels = features([row.text for row in rows]), np.array([row.keep for row in rows], dtype=float)
    weights, bias = learned._fit(made, labels)
    used = np.unique(made.buckets)
    assert set(np.flatnonzero(weights)) <= set(used)
    dense = np.zeros((300, len(used) + 1))
    for place in range(300):
        own = made.buckets[made.starts[place] : made.starts[place + 1]]
        dense[place, np.searchsorted(used, own)] = 1 / np.sqrt(len(own))
    dense[:, -1] = 1
    whole = np.append(weights[used], bias)
    error = 1 / (1 + np.exp(-dense @ whole)) - labels
    assert np.linalg.norm(dense.T @ error / 300 + learned.PENALTY * np.append(whole[:-1], 0)) < 2e-5


@pytest.mark.slow
def test_noise_and_nothing_to_learn_are_measured_as_such() -> None:
    assert train(judgements(900, noise=0.3)).about["measured"]["precision"][0] < 0.9
    dice = random.Random(2)
    blind = [row._replace(keep=dice.random() < 0.5) for row in judgements(900)]
    table = train(blind).about["table"]
    assert table[0]["recall"][0] == 1.0
    assert abs(table[0]["precision"][0] - 0.5) < 0.1


@pytest.mark.slow
def test_order_and_batches_change_nothing(trained: Filter) -> None:
    rows = judgements(1200)
    again = train(rows[::-1] + rows[:5])
    assert (again.weights == trained.weights).all()
    assert again.about == trained.about
    texts = [row.text for row in rows] + ["", "。", "5 mg"]
    assert trained.scores(texts).tolist() == [trained.scores([text])[0] for text in texts]
    assert trained.scores(["", "。"]).tolist() == [trained.bias / learned.SCALE] * 2


def test_rows_get_a_score_and_a_reason(trained: Filter) -> None:
    rows = [{"normal": row.text, "reason": "x: 1" if row.id.endswith("7") else ""} for row in judgements(1500, seed=3)]
    batch = pa.RecordBatch.from_pylist(rows)
    made = filter_batch(batch, trained).to_pylist()
    assert len(made) == 1500
    assert {(r["quality_score"] is None) for r in made if r["reason"] == "x: 1"} == {True}
    dropped = [r for r in made if r["reason"].startswith("low_quality: score ")]
    assert 800 < len(dropped) < 1000
    assert all(r["quality_score"] * 1000 < trained.threshold for r in dropped)
    assert f"expected at least {trained.threshold / 1000:.3f}" in dropped[0]["reason"]
    parts = [r for start in range(0, 1500, 77) for r in filter_batch(batch.slice(start, 77), trained).to_pylist()]
    assert parts == made
    assert filter_batch(batch.slice(0, 0), trained).num_rows == 0


def test_too_few_judgements_or_one_kind_are_refused() -> None:
    with pytest.raises(InputError, match="39 judgements, 13 of them to keep; expected at least 40"):
        train(judgements(39))
    with pytest.raises(InputError, match="both kinds"):
        train([row._replace(keep=True) for row in judgements(100)])
    with pytest.raises(InputError, match="0 judgements"):
        train([])


# ---------------------------------------------------------------- on disk


def test_a_filter_comes_back_as_it_was(trained: Filter, tmp_path: Path) -> None:
    save(trained, tmp_path / "f")
    back = load(tmp_path / "f")
    assert (back.weights == trained.weights).all()
    assert back.scores(["每日 口服"]).tolist() == trained.scores(["每日 口服"]).tolist()
    assert (back.threshold, back.about["data"]) == (trained.threshold, trained.about["data"])


@pytest.mark.parametrize(
    ("damage", "error", "says"),
    [
        (lambda f: (f / "filter.json").unlink(), InputError, r"no filter\.json"),
        (lambda f: (f / "weights.npy").unlink(), InputError, r"no weights\.npy"),
        (lambda f: (f / "filter.json").write_text("{"), DataError, "damaged"),
        (lambda f: (f / "weights.npy").write_bytes(b"x"), DataError, "damaged"),
        (lambda f: np.save(f / "weights.npy", np.zeros(learned.BUCKETS, np.int32)), DataError, "not the file"),
        (lambda f: _said(f, version=1), DataError, "a filter of version 1; expected 2"),
        (lambda f: _said(f, runs=[1, 2]), DataError, "expected 2"),
        (lambda f: (f / "judgements.csv").unlink(), InputError, r"no judgements\.csv"),
        (
            lambda f: (f / "judgements.csv").write_text("id,label\na,keep\n"),
            DataError,
            "not the judgements of a filter",
        ),
        (lambda f: _changed(f, ",drop,", ",keep,"), DataError, "not the judgements that the filter was trained on"),
        (lambda f: _changed(f, ",keep,\n", ",keep,somebody\n"), DataError, "not the judgements that the filter was"),
        (lambda f: (f / "filter.json").write_text("[]"), DataError, "version None"),
    ],
)
def test_another_filter_is_refused(
    trained: Filter, tmp_path: Path, damage: object, error: type[Exception], says: str
) -> None:
    save(trained, tmp_path / "f")
    damage(tmp_path / "f")  # type: ignore[operator]
    with pytest.raises(error, match=says):
        load(tmp_path / "f")


def _changed(folder: Path, old: str, new: str) -> None:
    path = folder / "judgements.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_filter_holds_its_judgements_from_which_it_can_be_learned_again(tmp_path: Path) -> None:
    rows = [row._replace(by=("甲, 乙" if number % 2 else "m")) for number, row in enumerate(judgements(400))]
    save(train(rows), tmp_path / "f")
    held = load(tmp_path / "f").judgements
    assert {(row.id, row.keep, row.by) for row in held} == {(row.id, row.keep, row.by) for row in rows}
    assert {row.text_sha256 for row in held} == {sha256(row.text.encode()).hexdigest() for row in rows}
    again = of_sheet(read_sheet(tmp_path / "f" / "judgements.csv"), [(row.id, row.text) for row in rows], tmp_path)
    assert again == rows
    assert canonical_json(train(again).about) == canonical_json(load(tmp_path / "f").about)


def _said(folder: Path, **keys: object) -> None:
    path = folder / "filter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


# ---------------------------------------------------------------- judgements


def test_a_sheet_is_read_as_it_was_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('\ufeffID,text,Label\na,x,keep\nb,y,0\nc,z,\nd,"多\n行",留\na,x,KEEP\n', encoding="utf-8")
    assert read_sheet(path) == {"a": Label(True), "b": Label(False), "d": Label(True)}
    found = of_sheet(read_sheet(path), [("d", "D"), ("c", "C"), ("a", "A"), ("b", "B")], path)
    assert found == [Judged("a", "A", True), Judged("b", "B", False), Judged("d", "D", True)]
    with pytest.raises(InputError, match="1 of 3 judged ids are in no text, the first 'd'"):
        of_sheet(read_sheet(path), [("a", "A"), ("b", "B")], path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,verdict\na,1\n", r"columns are id, verdict; expected id \(or sha256\) and label"),
        ("id,label\na,maybe\n", r"s.csv:2: label 'maybe' of 'a'"),
        ("id,label\n,1\n", "expected an id"),
        ("id,label\na,1\nb,0\na,0\n", "s.csv:4: a is judged twice, and differently"),
        ("id,label\na,\n", "no row has a label"),
    ],
)
def test_a_bad_sheet_is_one_error(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_sheet(tmp_path / "s.csv")


class _Teacher(TextOnly):
    """Says what it is told to, in reverse order."""

    name, digest, format = "teacher", "", ""

    def __init__(self, replies: Sequence[Reply]):
        self.replies = replies
        self.asked: list[str] = []

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        self.asked = [talk[-1].content for talk in conversations]
        yield from reversed(list(enumerate(self.replies)))
        if len(self.replies) < len(conversations):
            raise RefusedError("the limit is reached")


def test_a_teacher_judges_and_what_it_does_not_score_is_no_judgement() -> None:
    said = ['{"quality": 5}', '好：{"quality": 3}', '{"quality": 9}', "excellent", '{"quality": 4}']
    replies = [Reply(text=text) for text in said] + [Reply(text='{"quality": 5', finish_reason="length")]
    teacher = _Teacher(replies)
    found = of_teacher(teacher, [(f"i{n}", f"text {n}", "en" if n % 2 else "zh") for n in range(6)])
    assert found.judged == [
        Judged("i0", "text 0", True, "teacher"),
        Judged("i1", "text 1", False, "teacher"),
        Judged("i4", "text 4", True, "teacher"),
    ]
    assert set(found.unscored) == {"i2", "i3", "i5"}
    assert "text 0" in teacher.asked[0]
    assert "医学编辑" in teacher.asked[0]
    assert "medical editor" in teacher.asked[1]
    assert of_teacher(_Teacher([]), []).judged == []


def test_a_limit_of_the_teacher_is_not_swallowed() -> None:
    with pytest.raises(RefusedError):
        of_teacher(_Teacher([Reply(text='{"quality": 5}')]), [("a", "x", "en"), ("b", "y", "en")])


# ---------------------------------------------------------------- thresholds


def test_a_threshold_is_measured_on_judged_texts() -> None:
    found = measured([10, 20, 30, 40], [False, True, False, True], [0, 20, 40, 41])
    assert [(t.kept, t.right, t.wanted) for t in found] == [(4, 2, 2), (3, 2, 2), (1, 1, 2), (0, 0, 2)]
    assert found[3].precision() is None
    assert found[2].figures()["recall"][0] == 0.5
    assert precise(found, 0.9) == precise(found, 0.1) == found[1]
    assert precise(measured(range(40), [n > 3 for n in range(40)], range(0, 40, 4)), 0.8).thousandths == 4
    assert precise(found[:1], 0.9) == found[0]
    with pytest.raises(ValueError):
        precise([], 0.9)
    with pytest.raises(ValueError):
        measured([1], [], [0])


def test_thresholds_go_from_all_to_few() -> None:
    assert thresholds_of([]) == []
    assert thresholds_of([5, 5, 3]) == [3, 5]
    made = thresholds_of(range(1000))
    assert (made[0], made[-1], len(made)) == (0, 999, 20)
    assert "0.500" in Threshold(5, 4, 2, 4).line()
