"""Grams, signatures and exact similarity against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.text.joined import join
from huatuo.text.minhash import BANDS, CHUNK, GRAM, VALUES, are_near, bands, gram_sets, grams, overlaps, sketch


def by_hand(text: str) -> set[str]:
    folded = "".join(c for c in text.lower() if not c.isspace())
    return {folded[i : i + GRAM] for i in range(len(folded) - GRAM + 1)}


def made(count: int, seed: int = 1) -> list[str]:
    dice = random.Random(seed)
    return ["".join(dice.choices("甲乙丙丁戊己庚辛abcd \n", k=dice.randint(0, 90))) for _ in range(count)]


def test_as_many_grams_as_plain_python_and_no_two_of_one_hash() -> None:
    texts = made(1300)
    hashes, starts = gram_sets(texts)
    assert np.diff(starts).tolist() == [len(by_hand(text)) for text in texts]
    assert len(np.unique(hashes)) == len(set().union(*map(by_hand, texts)))


@given(st.lists(st.text(alphabet="abAＢ甲 \n", max_size=14), min_size=2, max_size=12))
def test_overlaps_are_those_of_sets(texts: list[str]) -> None:
    hashes, starts = gram_sets(texts)
    one, other = np.tril_indices(len(texts), -1)
    shared, either = overlaps(hashes, starts, one, other)
    sets = [by_hand(text.replace("Ｂ", "b")) for text in texts]
    assert shared.tolist() == [len(sets[i] & sets[j]) for i, j in zip(one, other, strict=True)]
    assert either.tolist() == [len(sets[i] | sets[j]) for i, j in zip(one, other, strict=True)]


def test_more_pairs_than_a_block_holds() -> None:
    texts = made(70)
    one, other = np.tril_indices(70, -1)
    shared, _ = overlaps(*gram_sets(texts), one, other)
    sets = [by_hand(text) for text in texts]
    assert len(one) > 2000
    assert shared.tolist() == [len(sets[i] & sets[j]) for i, j in zip(one, other, strict=True)]


@pytest.mark.parametrize("text", ["", "abcd", "a b c d", "\n\n\n\n\n\n", "    五个字少"])
def test_a_text_of_fewer_than_five_characters_has_no_gram(text: str) -> None:
    _, filled = bands([text, "abcde"])
    assert filled.tolist() == [False, True]
    assert grams(join([text]))[1].tolist() == [0, 0]


@pytest.mark.slow
def test_the_last_text_of_a_chunk_keeps_to_itself() -> None:
    texts = made(2 * CHUNK + 7)
    whole, filled = bands(texts)
    alone = [bands([text]) for text in texts]
    assert filled.tolist() == [bool(has[0]) for _, has in alone]
    assert (whole[filled] == np.concatenate([made for made, has in alone if has[0]])).all()


def test_width_case_and_blanks_make_no_difference() -> None:
    made, _ = bands(["每日 ２ 次，ABC", "每日2次，abc\n", "每日3次，abc"])
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


@pytest.mark.parametrize(("length", "edits"), [(12, 1), (40, 3), (200, 8), (900, 60)])
def test_values_agree_as_often_as_the_texts_are_alike(length: int, edits: int) -> None:
    dice = random.Random(length)
    letters = [chr(0x4E00 + i) for i in range(3000)]
    texts = []
    for _ in range(400):
        text = dice.choices(letters, k=length)
        copy = list(text)
        for place in dice.sample(range(length), edits):
            copy[place] = dice.choice(letters)
        texts += ["".join(text), "".join(copy)]
    signatures = sketch(*grams(join(texts)))
    assert signatures.shape == (800, VALUES)
    one, other = np.arange(0, 800, 2), np.arange(1, 800, 2)
    shared, either = overlaps(*gram_sets(texts), one, other)
    jaccard = shared / either
    errors = (signatures[one] == signatures[other]).mean(axis=1) - jaccard
    spread = np.sqrt((jaccard * (1 - jaccard) / VALUES).mean())
    assert abs(errors.mean()) < 5 * spread / np.sqrt(400)
    assert np.sqrt((errors**2).mean()) < 1.15 * spread


def test_bands_are_the_same_everywhere() -> None:
    """Frozen: a table of bands on disk is compared with what later versions make."""
    made, _ = bands(["高血压患者每日一次，每次5 mg，口服。", "Patients were treated with 5 mg daily."])
    assert made.shape == (2, BANDS)
    assert [f"{int(value):016x}" for value in made[:, 0]] == ["c7fec36da1ff5070", "1e8989452947c377"]


@pytest.mark.parametrize(
    ("shared", "either", "near"),
    [(7, 10, True), (6, 9, False), (699_999, 1_000_000, False), (0, 0, False), (1, 1, True)],
)
def test_the_threshold_is_exact(shared: int, either: int, near: bool) -> None:
    assert are_near(np.array([shared]), np.array([either]), 7).tolist() == [near]
