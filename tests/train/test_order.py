"""The training order: exact weighted sampling without replacement, the same for any order of rows."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from train_makers import write_pairs

from huatuo import recipe_file, store
from huatuo.errors import RecipeError, TrainingError
from huatuo.recipe import TrainSettings
from huatuo.records import Message, Pair, Provenance
from huatuo.records_trained import Composition, Order
from huatuo.train import draw as d
from huatuo.train import order as o

NAMES = list(o.RELEASED_COUNTS)
ITEMS = [o.RELEASED_COUNTS[name] * o.RELEASED_COPIES.get(name, 1) for name in NAMES]
WEIGHTS = [o.RELEASED_WEIGHTS["2023-12-15"][name] for name in NAMES]

# Shares by progress, SFT three times: columns as in NAMES.
TABLE = {
    0.0: (0.313, 0.193, 0.043, 0.215, 0.050, 0.018, 0.112, 0.049, 0.007),
    0.2: (0.242, 0.149, 0.047, 0.235, 0.065, 0.023, 0.159, 0.069, 0.010),
    0.4: (0.137, 0.084, 0.048, 0.237, 0.088, 0.032, 0.248, 0.108, 0.017),
    0.6: (0.029, 0.018, 0.033, 0.161, 0.107, 0.038, 0.403, 0.176, 0.035),
    0.8: (0.0, 0.0, 0.005, 0.026, 0.072, 0.026, 0.550, 0.240, 0.080),
    0.9: (0.0, 0.0, 0.0, 0.002, 0.030, 0.011, 0.556, 0.243, 0.160),
    0.95: (0.0, 0.0, 0.0, 0.0, 0.008, 0.003, 0.466, 0.203, 0.321),
    0.99: (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.037, 0.016, 0.946),
}


def made_ids(n: int, prefix: str = "") -> np.ndarray:
    return np.array([store.content_id(prefix, str(i)) for i in range(n)], dtype="S32")


def released(scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ids, source numbers, copies and weights of the released data at 1/scale."""
    counts = [round(o.RELEASED_COUNTS[name] / scale) for name in NAMES]
    codes = np.repeat(np.arange(len(NAMES)), counts)
    copies = np.array([o.RELEASED_COPIES.get(name, 1) for name in NAMES])
    return made_ids(len(codes)), codes, copies, np.array(WEIGHTS)


@pytest.mark.parametrize("progress", TABLE)
def test_closed_form_gives_the_published_table(progress: float) -> None:
    shares = o.closed_form(ITEMS, WEIGHTS, progress)
    assert shares == pytest.approx(TABLE[progress], abs=0.0006)


def test_closed_form_is_whole_at_both_ends() -> None:
    assert o.closed_form_cumulative(ITEMS, WEIGHTS, 1.0) == pytest.approx(ITEMS)
    assert o.closed_form_cumulative(ITEMS, WEIGHTS, 0.0) == pytest.approx([0.0] * 9)
    assert o.closed_form(ITEMS, WEIGHTS, 1.0) == pytest.approx([0.0] * 8 + [1.0])
    assert sum(o.closed_form_cumulative(ITEMS, WEIGHTS, 0.37)) == pytest.approx(0.37 * sum(ITEMS))
    with pytest.raises(ValueError, match="progress"):
        o.closed_form(ITEMS, WEIGHTS, 1.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 2023])
def test_cumulative_counts_stay_within_half_a_percent_of_the_closed_form(seed: int) -> None:
    ids, codes, copies, weights = released(100)
    drawn = d.draw(ids, codes, copies, weights, TrainSettings(), seed)
    total = len(drawn.rows)
    assert total == pytest.approx(57_130, abs=10)
    items = np.bincount(codes[drawn.rows], minlength=len(NAMES))
    points = np.linspace(0, total, 201).astype(int)
    wanted = np.array([o.closed_form_cumulative(items, WEIGHTS, p / total) for p in points])
    for source in range(len(NAMES)):
        running = np.concatenate([[0], np.cumsum(codes[drawn.rows] == source)])[points]
        assert np.abs(running - wanted[:, source]).max() < 0.005 * total


def test_order_does_not_depend_on_the_order_of_rows() -> None:
    ids, codes, copies, weights = released(1000)
    plain = d.draw(ids, codes, copies, weights, TrainSettings(epochs=2), 7)
    shuffle = np.random.default_rng(0).permutation(len(ids))
    other = d.draw(ids[shuffle], codes[shuffle], copies, weights, TrainSettings(epochs=2), 7)
    assert (ids[plain.rows] == ids[shuffle][other.rows]).all()
    assert (plain.copies == other.copies).all()
    again = d.draw(ids, codes, copies, weights, TrainSettings(epochs=2), 8)
    assert not (ids[plain.rows] == ids[again.rows]).all()


def test_every_item_stands_in_the_order_exactly_as_often_as_asked() -> None:
    ids, codes, copies, weights = released(1000)
    drawn = d.draw(ids, codes, copies, weights, TrainSettings(epochs=3), 7)
    times = np.bincount(drawn.rows, minlength=len(ids))
    assert (times == 3 * copies[codes]).all()
    assert len(set(zip(drawn.rows.tolist(), drawn.copies.tolist(), strict=True))) == len(drawn.rows)
    first, second = np.split(drawn.rows, 3)[:2]
    assert not (first == second).all()  # every epoch is drawn anew


def test_equal_weights_are_uniform() -> None:
    n, bins, seeds = 200, 10, 300
    ids, codes = made_ids(n), np.zeros(n, dtype=np.int64)
    places = np.zeros((n, bins))
    for seed in range(seeds):
        drawn = d.draw(ids, codes, np.array([1]), np.array([1.0]), TrainSettings(order="uniform"), seed)
        places[drawn.rows, np.arange(n) * bins // n] += 1
    expected = seeds / bins
    chi_square = ((places - expected) ** 2 / expected).sum(axis=1)  # 9 degrees of freedom each
    assert chi_square.mean() == pytest.approx(bins - 1, abs=0.9)
    assert chi_square.max() < 35  # 200 draws of chi-square(9): beyond this about once in 100 tests


def test_known_keys_never_change() -> None:
    words = d.id_words(np.array([b"0" * 32, b"f" * 32, b"0123456789abcdef0011223344556677"]))
    assert words.tolist() == [[0, 0], [2**64 - 1, 2**64 - 1], [0x0123456789ABCDEF, 0x0011223344556677]]
    assert d.uniforms(words, np.array([0, 0, 1]), 2023).tolist() == [
        0.4981694697392301,
        0.5600020757763833,
        0.7626150006832688,
    ]
    with pytest.raises(TrainingError, match="expected 32 hexadecimal"):
        d.id_words(np.array([b"G" * 32]))


@pytest.mark.parametrize(
    ("order", "epochs", "digest"),
    [
        ("priority", 1, "e4eca7339a746d4f"),
        ("priority", 3, "e9835b66a07a802a"),
        ("uniform", 2, "12499567ae166977"),
        ("sequential", 2, "eeef33ef8aaa144b"),
        ("two-stage", 2, "01fb50b478baf1bc"),
    ],
)
def test_known_orders_never_change(order: str, epochs: int, digest: str) -> None:
    ids, codes, copies, weights = released(1000)
    later = np.array([name == "SFT" for name in NAMES]) if order == "two-stage" else None
    chosen = TrainSettings(order=order, epochs=epochs)  # type: ignore[arg-type]
    drawn = d.draw(ids, codes, copies, weights, chosen, 2023, later)
    found = b"".join(np.asarray(part, dtype="<i8").tobytes() for part in (drawn.rows, drawn.copies))
    assert hashlib.sha256(found).hexdigest()[:16] == digest


@pytest.mark.parametrize("chunk", [1, 7, 100, 10_000])
def test_equal_keys_are_ordered_by_id_and_copy(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(d, "CHUNK", chunk)
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 300, 1_000) / 7.0  # most stand several times
    words, copies = rng.integers(0, 3, (1_000, 2), dtype=np.uint64), rng.permutation(1_000)
    found = d._sorted(keys, lambda some: (words[some], copies[some]))
    assert (found == np.lexsort((copies, words[:, 1], words[:, 0], keys))).all()
    unequal = rng.permutation(1_000) + 0.5
    assert (d._sorted(unequal, lambda some: (words[some], copies[some])) == np.argsort(unequal)).all()


PEAK = """
import numpy as np
from pathlib import Path
from huatuo.recipe import TrainSettings
from huatuo.train import draw
n = 1_000_000
ids = np.frombuffer(np.random.default_rng(0).bytes(16 * n).hex().encode(), dtype="S32")
codes, copies = np.repeat([0, 1], n // 2), np.array([1, 3])
draw.draw(ids[:10], codes[:10], copies, np.ones(2), TrainSettings(), 1)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
before = kilobytes("VmRSS")
drawn = draw.draw(ids, codes, copies, np.array([8.0, 1.0]), TrainSettings(), 1)
print((kilobytes("VmHWM") - before) * 1024 / len(drawn.rows))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc of Linux")
def test_an_item_is_drawn_in_few_bytes() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PEAK], env=environment, capture_output=True, text=True, check=True)
    assert 16 < float(done.stdout) < 48  # 32, and what a chunk takes


def test_sequential_is_as_stored_one_copy_after_the_other() -> None:
    codes = np.array([0, 1, 0])
    settings = TrainSettings(order="sequential", epochs=2)
    drawn = d.draw(made_ids(3), codes, np.array([2, 1]), np.ones(2), settings, 1)
    assert drawn.rows.tolist() == [0, 1, 2, 0, 2] * 2
    assert drawn.copies.tolist() == [0, 0, 0, 1, 1, 2, 1, 2, 3, 3]


# ---------------------------------------------------------------- the stage


def pair(number: int, source: str, split: str = "train") -> Pair:
    messages = (Message(role="user", content=f"问{number}"), Message(role="assistant", content=f"答{number}"))
    return Pair(
        id=store.content_id(source, str(number)),
        messages=messages,
        source=source,
        language="zh",
        shape="direct",
        split=split,  # type: ignore[arg-type]
        provenance=Provenance(by="import"),
    )


def test_stage_orders_training_pairs_and_leaves_the_others(tmp_path: Path) -> None:
    pairs = [pair(i, "kg", "validation" if i % 10 == 0 else "train") for i in range(1000)]
    pairs += [pair(i, "sft") for i in range(200)]
    data = write_pairs(tmp_path / "unify", pairs)
    settings = TrainSettings(priority={"kg": 8, "sft": 1}, copies={"sft": 2})
    with store.writing(tmp_path / "order", stage="order", key="k") as out:
        o.make_order(settings, data, 5, out)
    rows = list(store.read(tmp_path / "order", "order", Order))
    manifest = store.read_manifest(tmp_path / "order")
    assert [row.position for row in rows] == list(range(1300))
    assert manifest.left == {"validation": 100}
    assert manifest.kept == 1100
    assert manifest.figures == {"items of kg": 900.0, "items of sft": 400.0}
    assert np.mean([row.source == "kg" for row in rows[:300]]) > 0.85
    assert {row.weight for row in rows if row.source == "sft"} == {1.0}


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 3])
def test_the_order_writes_what_its_weights_let_expect_and_keeps_to_it(tmp_path: Path, epochs: int) -> None:
    pairs = [pair(i, "kg") for i in range(4_000)] + [pair(i, "sft") for i in range(1_000)]
    data = write_pairs(tmp_path / "unify", pairs)
    settings = TrainSettings(priority={"kg": 8, "sft": 1}, copies={"sft": 2}, epochs=epochs)
    with store.writing(tmp_path / "order", stage="order", key="k") as out:
        o.make_order(settings, data, 5, out)
    drawn = np.array([row.source == "kg" for row in store.read(tmp_path / "order", "order", Order)])
    rows = list(store.read(tmp_path / "order", "composition", Composition))
    assert len(rows) == 2 * (o.POINTS + 1)
    for row in rows:
        found = int(drawn[: row.position].sum()) if row.source == "kg" else int((~drawn[: row.position]).sum())
        assert abs(found - row.expected) < 0.005 * len(drawn), row
    assert [row.expected for row in rows[-2:]] == [4_000 * epochs, 2_000 * epochs]


@pytest.mark.parametrize("order", ["sequential", "two-stage"])
def test_an_order_without_weights_expects_nothing(tmp_path: Path, order: str) -> None:
    data = write_pairs(tmp_path / "unify", [pair(i, name) for name in ("kg", "sft") for i in range(50)])
    with store.writing(tmp_path / "order", stage="order", key="k") as out:
        o.make_order(TrainSettings(order=order), data, 5, out)  # type: ignore[arg-type]
    assert "composition" not in store.read_manifest(tmp_path / "order").tables


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "web", "sft"), [("huatuogpt2-2023-12-15", 32.0, 1.0), ("huatuogpt2-2023-11-30", 16.0, 1.0)]
)
def test_a_preset_in_the_recipe_reaches_the_order(tmp_path: Path, preset: str, web: float, sft: float) -> None:
    kinds = ("web_zh", "Literature_en", "encyclopedia", "books_zh", "sft")
    data = write_pairs(tmp_path / "unify", [pair(i, name) for name in (*kinds, "own") for i in range(200)])
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'[run]\nname = "r"\n[train]\npreset = "{preset}"\n[train.priority]\nown = 3.5\n', "utf-8")
    chosen = recipe_file.load(recipe).train
    with store.writing(tmp_path / "order", stage="order", key="k") as out:
        o.make_order(chosen, data, 5, out)
    rows = list(store.read(tmp_path / "order", "order", Order))
    weights = {row.source: row.weight for row in rows}
    assert weights == {
        "web_zh": web, "Literature_en": web / 2, "encyclopedia": web / 4, "books_zh": web / 8, "sft": sft, "own": 3.5,
    }  # fmt: skip
    counts = Counter(row.source for row in rows)
    assert counts == {**dict.fromkeys(weights, 200), "sft": 600}
    firsts = Counter(row.source for row in rows[:200])
    assert firsts["web_zh"] > firsts["books_zh"] > 0


def test_what_the_recipe_says_counts_before_the_preset(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "unify", [pair(i, name) for name in ("web", "sft") for i in range(100)])
    chosen = TrainSettings(preset="huatuogpt2-2023-12-15", priority={"web": 2}, copies={"sft": 1})
    with store.writing(tmp_path / "order", stage="order", key="k") as out:
        o.make_order(chosen, data, 5, out)
    rows = list(store.read(tmp_path / "order", "order", Order))
    assert {row.source: row.weight for row in rows} == {"web": 2.0, "sft": 1.0}
    assert len(rows) == 200


def test_a_preset_leaves_other_sources_without_a_weight(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "unify", [pair(1, "web"), pair(2, "kg")])
    with (
        pytest.raises(RecipeError, match="no weight for source 'kg'"),
        store.writing(tmp_path / "order", stage="order", key="k") as out,
    ):
        o.make_order(TrainSettings(preset="huatuogpt2-2023-12-15"), data, 5, out)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (TrainSettings(priority={"kg": 2}), r"no weight for source 'sft' \(known: kg\)"),
        (TrainSettings(priority={"kg": 2, "sft": 1, "sfd": 1}), r"names the source 'sfd'.*did you mean 'sft'"),
        (TrainSettings(order="uniform", copies={"kgs": 2}), r"\[train.copies\] names the source 'kgs'.*'kg'"),
        (TrainSettings(priority={"kg": 0, "sft": 1}), r"kg = 0.*positive"),
        (TrainSettings(order="uniform", copies={"kg": -1}), r"kg = -1"),
    ],
)
def test_wrong_sources_and_weights_are_refused(tmp_path: Path, settings: TrainSettings, message: str) -> None:
    data = write_pairs(tmp_path / "unify", [pair(1, "kg"), pair(2, "sft")])
    with pytest.raises(RecipeError, match=message), store.writing(tmp_path / "o", stage="order", key="k") as out:
        o.make_order(settings, data, 5, out)


def test_zero_copies_leave_a_source_out(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "unify", [pair(1, "kg"), pair(2, "sft")])
    with store.writing(tmp_path / "o", stage="order", key="k") as out:
        o.make_order(TrainSettings(order="uniform", copies={"sft": 0}), data, 5, out)
    assert store.read_manifest(tmp_path / "o").left == {"no copies": 1}
    settings = TrainSettings(order="uniform", copies={"sft": 0, "kg": 0})
    with pytest.raises(TrainingError, match="no pair"), store.writing(tmp_path / "p", stage="order", key="k") as out:
        o.make_order(settings, data, 5, out)


def test_two_stages_learn_the_second_sources_last_and_shuffle_each_stage() -> None:
    ids, codes, copies, weights = released(2_000)
    last = np.array([name == "SFT" for name in NAMES])
    drawn = d.draw(ids, codes, copies, weights, TrainSettings(order="two-stage", epochs=2), 3, last)
    second = last[codes[drawn.rows]]
    first_of_second = int(np.argmax(second))
    assert not second[:first_of_second].any()
    assert second[first_of_second:].all()
    assert len(drawn.rows) == 2 * copies[codes].sum()
    shares = np.bincount(codes[drawn.rows[: first_of_second // 4]], minlength=len(NAMES))
    counts = np.bincount(codes, minlength=len(NAMES)) * ~last
    assert np.abs(shares / shares.sum() - counts / counts.sum()).max() < 0.03


@pytest.mark.parametrize(
    ("stage", "message"), [(("lost",), "'lost', of which the data has no pair"), (("kg", "sft"), "names every source")]
)
def test_a_second_stage_that_cannot_be_is_refused(stage: tuple[str, ...], message: str) -> None:
    chosen = TrainSettings(order="two-stage", second_stage=stage)
    with pytest.raises(RecipeError, match=message):
        o.check_sources(chosen, ["kg", "sft"], ["kg", "sft"])
