"""Steps keep the order, and layouts hold every token."""

from __future__ import annotations

import numpy as np
import pytest

from huatuo.recipe import TrainSettings
from huatuo.train import order as o
from huatuo.train.draw import draw
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
    bucketed = np.concatenate([s.samples() for s in plan(LENGTHS, settings("bucketed", reorder_window=160), 1, False)])
    assert (bucketed // 160 == np.arange(5_000) // 160).all()


def test_bucketing_wastes_little_and_a_seed_fixes_the_steps() -> None:
    chosen = settings("bucketed", reorder_window=1024)
    steps = plan(LENGTHS, chosen, 1, is_mixed=False)
    padded = sum(LENGTHS[m].max() * len(m) for step in steps for m in step.micro_batches)
    assert LENGTHS.sum() / padded > 0.97
    firsts = [step.samples()[0] for step in steps]
    assert firsts == [step.samples()[0] for step in plan(LENGTHS, chosen, 1, is_mixed=False)]
    assert firsts != [step.samples()[0] for step in plan(LENGTHS, chosen, 2, is_mixed=False)]
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
    ids = np.frombuffer(np.random.default_rng(0).bytes(16 * len(codes)).hex().encode(), dtype="S32")
    ordered = codes[draw(ids, codes, np.array(copies), np.array(weights), TrainSettings(), 5).rows]
    lengths = 20 + 10 * ordered  # the worst case: length goes with the source
    steps = plan(lengths, settings(layout, reorder_window=1024), 1)
    after = ordered[np.concatenate([step.samples() for step in steps])]
    total = len(after)
    items = np.bincount(after, minlength=9)
    points = np.arange(208, total, 208)  # most lie inside a window, where the order is permuted
    wanted = np.array([o.closed_form_cumulative(items, weights, p / total) for p in points])
    for source in range(9):
        assert np.abs(np.cumsum(after == source)[points - 1] - wanted[:, source]).max() < 0.005 * total


def ends(n: int, size: int = 16) -> np.ndarray:
    """Samples before the end of each step."""
    return np.append(np.arange(size, n, size), n)


def ordered_and_lengths(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sources in the drawn order of n samples of two sources, and lengths that go with the source."""
    codes = np.repeat([0, 1], [n // 2, n - n // 2])
    ids = np.frombuffer(np.random.default_rng(0).bytes(16 * n).hex().encode(), dtype="S32")
    ordered = codes[draw(ids, codes, np.array([1, 1]), np.array([8.0, 4.0]), TrainSettings(), seed).rows]
    return ordered, 20 + 100 * ordered + np.random.default_rng(1).integers(0, 60, n)


@pytest.mark.parametrize("n", [300, 2_600, 8_158, 25_334, 250_000])
@pytest.mark.parametrize("seed", [1, 5])
def test_the_default_window_moves_the_composition_by_a_quarter_percent_at_most(n: int, seed: int) -> None:
    ordered, lengths = ordered_and_lengths(n, seed)
    mixed, alone = (plan(lengths, settings("bucketed"), 1, is_mixed=flag).order for flag in (True, False))
    before, after, wide = (np.cumsum(one == 0)[ends(n) - 1] for one in (ordered, ordered[mixed], ordered[alone]))
    assert np.abs(after - before).max() <= (0.0025 * n if 0.005 * n >= 32 else 0)  # 0 where a window is a step
    assert n > 50_000 or np.abs(wide - before).max() > 0.0025 * n  # what the narrow window is for
    some = np.arange(0, len(before), max(len(before) // 200, 1))
    wanted = [o.closed_form_cumulative(np.bincount(ordered), [8, 4], p / n)[0] for p in ends(n)[some]]
    chance = np.abs(before[some] - wanted).max()
    assert chance > 0.005 * n or np.abs(after[some] - wanted).max() <= 0.005 * n


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("size", [4, 16, 100])
def test_no_lengths_can_move_the_composition_further(size: int, share: float) -> None:
    rng = np.random.default_rng(size)
    n = 30_000
    first = rng.random(n) < share
    for lengths in (np.where(first, 20, 200), np.where(first, 200, 20), rng.integers(20, 200, n)):
        order = plan(lengths, settings("bucketed", batch_samples=size), 3).order
        moved = np.cumsum(first[order])[ends(n, size) - 1] - np.cumsum(first)[ends(n, size) - 1]
        assert np.abs(moved).max() <= 0.0025 * n


@pytest.mark.parametrize("layout", ["packed", "bucketed", "joined"])
@pytest.mark.parametrize("most", [61, 1_000, 20_000])
def test_a_step_of_tokens_ends_before_the_sample_that_would_go_over(layout: str, most: int) -> None:
    steps = plan(LENGTHS, settings(layout, step_tokens=most, batch_tokens=256), 1)
    samples = [step.samples() for step in steps]
    assert (steps.order == np.arange(len(LENGTHS))).all()
    assert sorted(np.concatenate(samples).tolist()) == list(range(len(LENGTHS)))
    for number, own in enumerate(samples):
        assert own.min() == steps.starts[number]
        assert LENGTHS[own].sum() <= most
        following = LENGTHS[own.max() + 1] if own.max() + 1 < len(LENGTHS) else most
        assert LENGTHS[own].sum() + following > most or number == len(samples) - 1
    for micro in (micro for step in steps[:5] for micro in step.micro_batches):
        assert (LENGTHS[micro].max() * len(micro) if layout == "bucketed" else LENGTHS[micro].sum()) <= 256
    assert steps.until(3 * most) in (3, 4)
    assert sorted(steps.first(3, 1)) == sorted(np.concatenate(samples[1:3]))


def test_a_sample_larger_than_a_step_of_tokens_is_a_step() -> None:
    steps = plan(np.array([30, 30, 500, 10, 600]), settings("packed", step_tokens=100), 1)
    assert [step.samples().tolist() for step in steps] == [[0, 1], [2], [3], [4]]
    assert len(plan(LENGTHS[:0], settings("packed", step_tokens=100), 1)) == 0


@pytest.mark.parametrize(
    ("given", "samples"), [({}, 16), ({"step_tokens": 64}, 0), ({"step_tokens": 64, "batch_samples": 0}, 0)]
)
def test_a_step_has_one_size(given: dict[str, int], samples: int) -> None:
    found = settings("packed", **given)
    assert found.batch_samples == samples
    assert TrainSettings.model_validate(found.model_dump()) == found


@pytest.mark.parametrize("given", [{"batch_samples": 8, "step_tokens": 64}, {"batch_samples": 0}])
def test_two_sizes_of_a_step_or_none_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected one of them above 0 and the other 0"):
        settings("packed", **given)


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
