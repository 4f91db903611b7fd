"""Steps keep the order, and layouts hold every token."""

from __future__ import annotations

import numpy as np
import pytest

from huatuo.recipe import TrainSettings
from huatuo.train import order as o
from huatuo.train.pack import lay_out, plan

LENGTHS = np.random.default_rng(3).integers(20, 61, 5_000)


def settings(layout: str, **changes: object) -> TrainSettings:
    return TrainSettings.model_validate({"layout": layout, **changes})


@pytest.mark.parametrize("layout", ["packed", "bucketed", "joined"])
@pytest.mark.parametrize("size", [1, 16, 100])
def test_every_sample_is_in_exactly_one_step(layout: str, size: int) -> None:
    steps = plan(LENGTHS, settings(layout, batch_samples=size, batch_tokens=256), 1)
    seen = np.concatenate([step.samples() for step in steps])
    assert sorted(seen.tolist()) == list(range(len(LENGTHS)))
    assert {len(step.samples()) for step in steps[:-1]} == {size}


def test_steps_are_cut_when_asked_for_and_always_alike() -> None:
    steps = plan(LENGTHS, settings("bucketed", batch_samples=48), 1)
    assert len(steps) == 105
    for number in (0, 50, 104):
        assert sorted(steps[number].samples()) == sorted(steps.first(number + 1, number))
        assert [m.tolist() for m in steps[number].micro_batches] == [m.tolist() for m in steps[number].micro_batches]
    assert [len(step.samples()) for step in steps[103:]] == [48, 8]
    assert sorted(steps.first(10)) == sorted(np.concatenate([step.samples() for step in steps[:10]]))
    assert len(steps.first(200)) == 5_000
    for wrong in (105, -1):
        with pytest.raises(IndexError):
            steps[wrong]
    assert not plan(LENGTHS[:0], settings("packed"), 1)


@pytest.mark.parametrize("layout", ["packed", "bucketed", "joined"])
def test_no_micro_batch_is_larger_than_allowed(layout: str) -> None:
    steps = plan(LENGTHS, settings(layout, batch_samples=64, batch_tokens=256), 1)
    for step in steps:
        for micro in step.micro_batches:
            size = LENGTHS[micro].max() * len(micro) if layout == "bucketed" else LENGTHS[micro].sum()
            assert size <= 256


def test_a_sample_longer_than_a_micro_batch_gets_its_own() -> None:
    for layout in ("packed", "bucketed"):
        steps = plan(np.array([10, 500, 10]), settings(layout, batch_tokens=64), 1)
        assert [500] in [np.array([10, 500, 10])[micro].tolist() for micro in steps[0].micro_batches]


def test_packed_keeps_the_order_and_bucketed_stays_in_its_window() -> None:
    packed = plan(LENGTHS, settings("packed"), 1)
    for number, step in enumerate(packed):
        assert sorted(step.samples().tolist()) == list(range(number * 16, min(number * 16 + 16, 5_000)))
    bucketed = np.concatenate([s.samples() for s in plan(LENGTHS, settings("bucketed", reorder_window=160), 1)])
    assert (bucketed // 160 == np.arange(5_000) // 160).all()


def test_bucketing_wastes_little_and_a_seed_fixes_the_steps() -> None:
    chosen = settings("bucketed", reorder_window=1024)
    steps = plan(LENGTHS, chosen, 1)
    padded = sum(LENGTHS[m].max() * len(m) for step in steps for m in step.micro_batches)
    assert LENGTHS.sum() / padded > 0.97
    firsts = [step.samples()[0] for step in steps]
    assert firsts == [step.samples()[0] for step in plan(LENGTHS, chosen, 1)]
    assert firsts != [step.samples()[0] for step in plan(LENGTHS, chosen, 2)]
    means = [LENGTHS[step.samples()].mean() for step in steps[:64]]
    assert abs(np.corrcoef(means, np.arange(64))[0, 1]) < 0.35  # short steps do not all come first


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["bucketed", "packed"])
def test_composition_after_reordering_is_still_within_the_bound(layout: str) -> None:
    names = list(o.RELEASED_COUNTS)
    counts = [round(o.RELEASED_COUNTS[name] / 200) for name in names]
    weights = [o.RELEASED_WEIGHTS["2023-12-15"][name] for name in names]
    copies = [o.RELEASED_COPIES.get(name, 1) for name in names]
    codes = np.repeat(np.arange(9), counts)
    words = np.random.default_rng(0).integers(0, 2**63, (len(codes), 2), dtype=np.uint64)
    rows, copy = o._items(codes, np.array(copies), by_copy=False)
    ordered = codes[rows[o.priority_order(words[rows], copy, np.array(weights)[codes[rows]], 5)]]
    lengths = 20 + 10 * ordered  # the worst case: length goes with the source
    steps = plan(lengths, settings(layout, reorder_window=1024), 1)
    after = ordered[np.concatenate([step.samples() for step in steps])]
    total = len(after)
    items = np.bincount(after, minlength=9)
    points = np.arange(208, total, 208)  # most lie inside a window, where the order is permuted
    wanted = np.array([o.closed_form_cumulative(items, weights, p / total) for p in points])
    for source in range(9):
        assert np.abs(np.cumsum(after == source)[points - 1] - wanted[:, source]).max() < 0.005 * total


def test_tokens_end_a_run_with_the_step_that_reaches_them() -> None:
    lengths = np.array([10, 20, 30, 40, 50])
    steps = plan(lengths, settings("packed", batch_samples=2, batch_tokens=100), 1)  # 30, 70 and 50 tokens
    for tokens, wanted in ((1, 1), (30, 1), (31, 2), (100, 2), (101, 3), (150, 3), (1_000, 3)):
        assert steps.until(tokens) == wanted, tokens


def test_layouts_hold_every_token_and_learn_what_is_flagged() -> None:
    ids = [np.array([5, 6, 7, 8]), np.array([9, 10]), np.array([11, 12, 13])]
    learned = [np.array([0, 0, 1, 1]), np.array([0, 1]), np.array([1, 0, 1])]
    packed = lay_out(ids, learned, "packed")
    assert packed.ids.tolist() == [[5, 6, 7, 8, 9, 10, 11, 12, 13]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 0, 1, 0, 1, 2]]
    padded = lay_out(ids, learned, "bucketed")
    assert padded.ids.tolist() == [[5, 6, 7, 8], [9, 10, 0, 0], [11, 12, 13, 0]]
    joined = lay_out(ids, learned, "joined")
    assert joined.ids.tolist() == packed.ids.tolist()
    assert joined.positions.tolist() == [list(range(9))]
    for batch in (packed, padded, joined):
        assert batch.labels.tolist() == [7, 8, 10, 13]  # 11 is first in its sample: nothing predicts it
        assert batch.ids.reshape(-1)[batch.targets].tolist() == [6, 7, 9, 12]
        assert batch.tokens == 9
