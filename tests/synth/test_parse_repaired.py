"""A value that was read out of broken JSON stands literally in the reply; nothing is completed, converted or joined."""

from __future__ import annotations

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.synth.parse import QA, parse

TEXTS = st.text(st.sampled_from("甲病乙症0.5g，。“”\"\\/{}[]:,'\n\tabn"), min_size=1, max_size=12)


def read_escapes(text: str) -> str:
    """The text with JSON's short escapes read, to look literal values up in."""
    marks = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
    return re.sub(r"\\(.)", lambda match: marks.get(match[1], match[0]), text, flags=re.DOTALL)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), st.integers(0, 2**32), st.booleans())
def test_every_value_of_a_damaged_reply_stands_in_it(pairs: list[tuple[str, str]], seed: int, cut: bool) -> None:
    dice = random.Random(seed)
    text = json.dumps([{"question": q, "answer": a} for q, a in pairs], ensure_ascii=False)
    place = dice.randrange(len(text))
    damaged = text[:place] + ("" if cut else dice.choice(',"{}]x')) + ("" if cut else text[place + 1 :])
    parsed = parse(damaged)
    if parsed.how in ("repaired", "labelled"):
        for qa in parsed.pairs:
            for value in qa:
                assert value in damaged or value in read_escapes(damaged)


def test_of_a_thousand_replies_that_were_cut_off_the_whole_pairs_are_kept_and_no_half_one() -> None:
    dice, kept = random.Random(7), 0
    for number in range(1000):
        pairs = [(f"第{number}病的第{n}个问题？", f"每次服{n}.5g，第{number}种。") for n in range(5)]
        text = json.dumps([{"question": q, "answer": a} for q, a in pairs], ensure_ascii=False)
        parsed = parse(text[: dice.randrange(1, len(text) - 1)])
        assert parsed.pairs == tuple(QA(*pair) for pair in pairs[: len(parsed.pairs)])
        assert parsed.how in ("repaired", "")
        kept += len(parsed.pairs)
    assert kept > 1500


@pytest.mark.parametrize(
    "text",
    [
        '[{"question": "剂量？", "answer": 0.5 g},]',  # not made a text
        '[{"question": "剂量？", "answer": "0.5',  # not closed
        '[{"question": "剂量？", "answer": "0.5 g" "1 g"},]',  # not joined
        "[{'question': '剂量？', 'answer': '0.5 g'}]",  # not re-quoted
        '[{"question": "剂量？", "answer": "0.5 g" // 待核\n},]',
        '[{"question": "剂量？", "answer": 半片},]',
        '[{"question": "剂量？", "answer": null},]',
        '[{"question": "剂量？", "answer": ["0.5 g"]},]',
        '[{"question": "剂量？", "answer": "0.5 g", "note": oops}]',
    ],
)
def test_what_would_have_to_be_guessed_is_no_pair(text: str) -> None:
    parsed = parse(text)
    assert parsed.pairs == ()
    assert parsed.reason


def test_a_list_in_an_object_is_read_as_both_response_formats_give_it() -> None:
    assert parse('{"pairs": [{"question": "问一？", "answer": "答一。"}]}').how == "json"
