"""The order as samples, and the account of which of them were learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from train_makers import Stages, made_pairs, make_pair

from huatuo import store
from huatuo.errors import DataError
from huatuo.recipe import TrainSettings
from huatuo.records import Dropped
from huatuo.records_trained import Order
from huatuo.train.account import LATER, account
from huatuo.train.pack import plan
from huatuo.train.samples import NOT_TOKENISED, Samples, in_order

Make = Callable[..., TrainSettings]


def prepared(stages: Stages, chosen: TrainSettings) -> Samples:
    """1,000 pairs, of which 30 are split into parts and 20 are too long."""
    turns = [text for k in range(6) for text in (f"问{k}" + "啊" * 10, f"答{k}" + "哦" * 10)]
    split = [make_pair([f"第{i}人" + turns[0], *turns[1:]]) for i in range(30)]
    long = [make_pair([f"长{i}" * 60, "答"]) for i in range(20)]
    pairs = made_pairs(950)
    stages.prepare([*long[:10], *pairs[:500], *split, *long[10:], *pairs[500:]], chosen)
    return Samples(stages.root / "tokenise")


@pytest.mark.slow
def test_the_order_as_samples_is_the_order_pair_by_pair(stages: Stages, settings: Make) -> None:
    chosen = settings(window=80, overlong="split", copies={"sft": 2}, epochs=2)
    data = prepared(stages, chosen)
    found = in_order(stages.root / "order", data)
    by_pair: dict[bytes, list[int]] = {}
    for sample, pair in enumerate(data.pair_ids):
        by_pair.setdefault(pair, []).append(sample)
    rows = [row.pair_id.encode() for row in store.read(stages.root / "order", "order", Order)]
    assert found.samples.tolist() == [sample for pair in rows for sample in by_pair.get(pair, [])]
    assert max(map(len, by_pair.values())) > 1
    assert found.pairs == len(set(rows))
    assert found.missing.tolist() == sorted(set(rows) - set(by_pair))
    assert len(found.missing) == 20
    assert not set(found.samples.tolist()) & set(data.validation.tolist())


@pytest.mark.slow
def test_tokens_of_another_data_set_are_all_missing(stages: Stages, settings: Make, tmp_path: Path) -> None:
    data = prepared(stages, settings(window=80))
    with store.writing(tmp_path / "o", stage="order", key="k") as out:
        row = Order(position=0, pair_id="f" * 32, copy_index=0, source="kg", weight=1.0)
        out.write("order", row)
    found = in_order(tmp_path / "o", data)
    assert (len(found.samples), found.pairs, found.missing.tolist()) == (0, 1, [b"f" * 32])


@pytest.mark.slow
def test_a_pair_with_tokens_twice_is_refused(stages: Stages, settings: Make) -> None:
    data = prepared(stages, settings(window=80))
    data.pair_ids = np.concatenate([data.pair_ids[:1], data.pair_ids[:-1]])
    with pytest.raises(DataError, match="has tokens twice"):
        in_order(stages.root / "order", data)


@pytest.mark.slow
@pytest.mark.parametrize("done", [0, 1, 7, 10_000])
def test_every_pair_is_learned_or_left_wherever_training_ends(
    stages: Stages, settings: Make, tmp_path: Path, done: int
) -> None:
    chosen = settings(window=80, overlong="split")
    data = prepared(stages, chosen)
    sequence = in_order(stages.root / "order", data)
    steps = plan(data.lengths[sequence.samples], chosen, 1)
    done = min(done, len(steps))
    with store.writing(tmp_path / "train", stage="train", key="k") as out:
        account(data, sequence, steps, done, out)
        (out.folder / "model").write_text("x")
    manifest = store.read_manifest(tmp_path / "train")
    taken = {data.pair_ids[s] for step in steps[:done] for s in sequence.samples[step.samples()]}
    assert manifest.kept == len(taken)
    assert manifest.kept + sum(manifest.left.values()) == sequence.pairs
    left = {row.record_id.encode(): row.rule for row in store.read(tmp_path / "train", "dropped", Dropped)}
    ordered = {row.pair_id.encode() for row in store.read(stages.root / "order", "order", Order)}
    assert set(left) == ordered - taken
    assert {pair for pair, rule in left.items() if rule == NOT_TOKENISED} == set(sequence.missing.tolist())
    assert set(manifest.left) <= {NOT_TOKENISED, LATER}
