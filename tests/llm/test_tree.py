"""Rows of prompts with their continuations, as lists of ints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.llm.base import Branches
from huatuo.llm.tree import Row, batches, grow, in_common, spread

ids = st.lists(st.integers(0, 4), min_size=1, max_size=6)
prompts = st.builds(Branches, prefix=ids, continuations=st.lists(ids, min_size=1, max_size=8))


def path(row: Row, place: int) -> list[int]:
    """The tokens that a place sees, in the order of their positions."""
    seen = np.flatnonzero(row.sees()[place])
    assert [row.positions()[i] for i in seen] == list(range(len(seen)))
    return [row.ids[i] for i in seen]


@given(prompts, st.data())
def test_every_token_is_predicted_from_its_prompt_and_what_precedes_it(prompt: Branches, data: st.DataObject) -> None:
    shared = data.draw(st.integers(0, len(prompt.prefix) - 1))
    for rows in ([grow(3, prompt, shared)], list(spread(3, prompt, shared))):
        predicted: dict[int, list[int]] = {}
        for row in rows:
            assert row.owner == 3
            for number, place, token in row.picks:
                done = predicted.setdefault(number, [])
                assert path(row, place) == prompt.prefix[shared:] + done
                done.append(token)
        assert [predicted[i] for i in range(len(prompt.continuations))] == prompt.continuations


@given(prompts)
def test_a_tree_holds_each_beginning_once_and_rows_without_branches_are_chains(prompt: Branches) -> None:
    row = grow(0, prompt, 0)
    inner = {tuple(c[:n]) for c in prompt.continuations for n in range(1, len(c))}
    assert len(row.ids) == len(prompt.prefix) + len(inner)
    assert all(one.is_chain for one in spread(0, prompt, 0))


@given(st.lists(ids, max_size=6))
def test_what_prefixes_begin_with_leaves_each_a_token(prefixes: list[list[int]]) -> None:
    common = 0
    while prefixes and all(len(p) > common + 1 and p[common] == prefixes[0][common] for p in prefixes):
        common += 1
    assert in_common(prefixes) == common


@pytest.mark.parametrize(
    ("prefixes", "shared"),
    [
        ([], 0),
        ([[1]], 0),
        ([[1, 2]], 1),
        ([[1, 2], [1, 2]], 1),
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1], [1, 2]], 0),
        ([[2], [1]], 0),
    ],
)
def test_in_common(prefixes: list[list[int]], shared: int) -> None:
    assert in_common(prefixes) == shared


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(1, 80), st.integers(1, 6))
def test_batches_hold_every_row_once_within_their_limits(lengths: list[int], tokens: int, logits: int) -> None:
    rows = [Row(i, [0] * n, n, [], [(0, n - 1, 1), (1, 0, 1)]) for i, n in enumerate(lengths)]
    groups = list(batches(rows, tokens, logits))
    assert sorted(row.owner for group in groups for row in group) == list(range(len(rows)))
    for group in groups:
        widths = [len(row.ids) for row in group]
        assert len(group) == 1 or (max(widths) * len(group) <= tokens and sum(row.needed for row in group) <= logits)
    order = [len(row.ids) for group in groups for row in group]
    assert order == sorted(order, reverse=True)
