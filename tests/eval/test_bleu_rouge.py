import random
import warnings

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from huatuo.eval.bleu_rouge import (
    corpus_bleu,
    longest_common_subsequence,
    rouge_l,
    rouge_n,
    sentence_bleu,
    signature,
    tokenise,
)

ZH = "二甲双胍0.25g，每日3次，随餐服用；HbA1c≥7%时加量。"
EN = "Take metformin 0.25 g three times a day with meals."


def spaced(text):
    return " ".join(tokenise(text))


@pytest.mark.parametrize("text", [ZH, EN, "发热", "痛", "COVID-19", "a"])
def test_identical_texts_score_one(text):
    assert sentence_bleu(text, text) == pytest.approx((1, 1, 1, 1))
    assert corpus_bleu([text], [text]) == pytest.approx(1)
    assert (rouge_n(text, text, 1), rouge_n(text, text, 2), rouge_l(text, text)) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("answer", ["", "   ", "\n"])
def test_an_empty_answer_scores_zero(answer):
    assert sentence_bleu(answer, ZH) == (0, 0, 0, 0)
    assert corpus_bleu([answer], [ZH]) == 0
    assert rouge_n(answer, ZH, 1) == rouge_n(answer, ZH, 2) == rouge_l(answer, ZH) == 0


def test_an_empty_reference_is_an_error_and_no_number():
    for call in (
        lambda: sentence_bleu(ZH, ""),
        lambda: corpus_bleu([ZH], [" "]),
        lambda: rouge_l(ZH, ""),
        lambda: rouge_n(ZH, "", 1),
    ):
        with pytest.raises(ValueError, match="reference is empty"):
            call()
    with pytest.raises(ValueError, match="one reference per answer"):
        corpus_bleu([ZH], [])


def test_tokens_keep_doses_whole():
    assert tokenise("0.25g，每日3次") == ["0.25g", "，", "每", "日", "3", "次"]
    assert tokenise("COVID-19 α-受体") == ["covid-19", "α", "-", "受", "体"]


def test_a_wrong_dose_is_seen():
    assert rouge_n("0.25g每日3次", "0.5g每日3次", 1) == pytest.approx(0.8)
    assert rouge_n("全不对", "每日三次", 1) == 0


def test_repeating_costs_precision():
    assert rouge_n("休息休息休息", "休息", 1) == pytest.approx(0.5)
    assert sentence_bleu("休息休息休息", "休息")[0] == pytest.approx(1 / 3)


def test_rouge_l_by_hand():
    assert longest_common_subsequence(list("abcde"), list("xaybzc")) == 3
    assert rouge_l("发热咳嗽", "咳嗽发热") == pytest.approx(0.5)


def slow_lcs(left, right):
    row = [0] * (len(right) + 1)
    for a in left:
        row = [0] + [0] * len(right) if not row else _next(row, a, right)
    return row[-1]


def _next(row, a, right):
    new = [0]
    for j, b in enumerate(right, 1):
        new.append(row[j - 1] + 1 if a == b else max(row[j], new[-1]))
    return new


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=30))
def test_longest_common_subsequence_equals_the_table(left, right):
    assert longest_common_subsequence(left, right) == slow_lcs(left, right)


def answers(n):
    rng = random.Random(7)
    letters = "发热咳嗽头痛乏力服用每日三次0.25g mg，。"
    references = ["".join(rng.choices(letters, k=rng.randrange(4, 40))) + "发热" for _ in range(n)]
    said = []
    for reference in references:
        cut = list(reference)
        for _ in range(rng.randrange(0, 6)):
            cut[rng.randrange(len(cut))] = rng.choice(letters)
        said.append("".join(cut[: rng.randrange(3, len(cut) + 1)]) + rng.choice(["", "头痛乏力"]))
    return said, references


@pytest.mark.slow
def test_corpus_bleu_equals_sacrebleu():
    said, references = answers(1000)
    kept = [(a, b) for a, b in zip(said, references, strict=True) if a.strip()]
    said, references = [a for a, _ in kept], [b for _, b in kept]
    expected = sacrebleu.corpus_bleu(
        [spaced(a) for a in said], [[spaced(b) for b in references]], tokenize="none", smooth_method="none", force=True
    )
    assert corpus_bleu(said, references) * 100 == pytest.approx(expected.score, abs=1e-9)


def test_sentence_bleu_equals_sacrebleu():
    said, references = answers(300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for answer, reference in zip(said, references, strict=True):
            found = sentence_bleu(answer, reference)
            for order in range(1, 5):
                metric = sacrebleu.metrics.BLEU(
                    tokenize="none", smooth_method="exp", effective_order=True, max_ngram_order=order
                )
                expected = metric.sentence_score(spaced(answer), [spaced(reference)]).score
                assert found[order - 1] * 100 == pytest.approx(expected, abs=1e-9), (answer, reference, order)


@given(st.text("发热咳嗽ab1 ，", max_size=30), st.text("发热咳嗽ab1 ，", min_size=1, max_size=30).filter(str.strip))
def test_all_scores_lie_between_zero_and_one(answer, reference):
    scores = [
        *sentence_bleu(answer, reference),
        rouge_n(answer, reference, 1),
        rouge_n(answer, reference, 2),
        rouge_l(answer, reference),
    ]
    assert all(0 <= score <= 1 + 1e-12 for score in scores)


def test_signatures_name_what_the_number_depends_on():
    assert signature("bleu-4").startswith("metric:bleu-4|nrefs:1|smooth:exp|eff:yes|case:lc|tok:char.v1|huatuo:")
    assert "smooth:none" in signature("corpus-bleu")
    assert "multiset" in signature("rouge-l")
