"""Overlap under every profile against the tools that they name, and what overlap hides."""

from __future__ import annotations

import json
import random
import sys
import warnings
from pathlib import Path

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from huatuo.errors import HuatuoError, InputError, MissingExtraError, RecipeError
from huatuo.eval import bleu_rouge, overlap, overlap_profiles
from huatuo.eval.overlap_profiles import PROFILES, profile_of

ZH = "二甲双胍0.25g，每日3次，随餐服用；HbA1c≥7%时加量。"
EN = "Take metformin 0.25 g three times a day with meals."
OWN = ("char", "jieba", "sacrebleu-zh")
WORDS = ["发热", "咳嗽", "头痛", "乏力", "服用", "每日三次", "0.25g", "mg", "，", "。", "HbA1c", "休息", "of the", " "]


def texts(n: int, seed: int = 7) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    references = ["".join(rng.choices(WORDS, k=rng.randrange(3, 16))) + "发热" for _ in range(n)]
    answers = []
    for reference in references:
        cut = list(reference)
        for _ in range(rng.randrange(0, 6)):
            cut[rng.randrange(len(cut))] = rng.choice("发热咳嗽头")
        answers.append("".join(cut[: rng.randrange(1, len(cut) + 1)]) + rng.choice(["", "头痛乏力"]))
    return answers, references


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("text", [ZH, EN])
def test_identical_texts_score_one_in_both_languages_and_every_profile(name: str, text: str) -> None:
    found = {one.metric: one.value for one in overlap.measure([text, text], [text, text], profile_of(name))}
    assert set(found) == {
        *(f"bleu-{n}" for n in range(1, 5)), "chrf", "rouge-1", "rouge-2", "rouge-l", "distinct-1", "distinct-2", "numbers",
    }  # fmt: skip
    assert all(value == pytest.approx(1, abs=1e-7) for name, value in found.items() if "distinct" not in name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("text", ["痛", "发热", "a", "COVID-19"])
def test_identical_short_texts_score_one_in_the_profiles_of_our_own(name: str, text: str) -> None:
    profile = profile_of(name)
    assert bleu_rouge.sentence_bleu(text, text, profile) == pytest.approx((1, 1, 1, 1))
    assert bleu_rouge.rouge_n(text, text, 2, profile) == bleu_rouge.rouge_l(text, text, profile) == 1
    assert bleu_rouge.chrf([text], [text]) == pytest.approx(1)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("answer", ["", "  \n"])
def test_an_empty_answer_scores_zero_and_an_empty_reference_is_an_error(name: str, answer: str) -> None:
    profile = profile_of(name)
    values = {one.metric: one.value for one in overlap.measure([answer], [ZH], profile) if one.metric != "numbers"}
    assert set(values.values()) == {0.0}, values
    with pytest.raises(ValueError, match="reference is empty"):
        overlap.measure([ZH], [" "], profile)
    with pytest.raises(ValueError):
        overlap.measure([], [], profile)


@pytest.mark.slow
def test_sacrebleu_zh_equals_sacrebleu() -> None:
    answers, references = texts(1000)
    profile = profile_of("sacrebleu-zh")
    expected = sacrebleu.corpus_bleu(answers, [references], tokenize="zh")
    assert 100 * bleu_rouge.corpus_bleu(answers, references, profile) == pytest.approx(expected.score, abs=1e-9)
    metric = sacrebleu.metrics.BLEU(tokenize="zh", effective_order=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for answer, reference in list(zip(answers, references, strict=True))[:200]:
            score = metric.sentence_score(answer, [reference]).score
            assert 100 * bleu_rouge.sentence_bleu(answer, reference, profile)[3] == pytest.approx(score, abs=1e-9)


@pytest.mark.slow
def test_chrf_equals_sacrebleu() -> None:
    answers, references = texts(1000)
    expected = sacrebleu.corpus_chrf(answers, [references])
    assert 100 * bleu_rouge.chrf(answers, references) == pytest.approx(expected.score, abs=1e-9)
    for answer, reference in list(zip(answers, references, strict=True))[:200]:
        score = sacrebleu.sentence_chrf(answer, [reference]).score
        assert 100 * bleu_rouge.chrf([answer], [reference]) == pytest.approx(score, abs=1e-9)


class _Characters:
    def tokenize(self, text: str) -> list[str]:
        return overlap_profiles.tokenise(text)


@pytest.mark.slow
def test_rouge_equals_rouge_score_with_our_tokens() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Characters())
    for answer, reference in zip(*texts(400), strict=True):
        expected = scorer.score(reference, answer)
        if len(overlap_profiles.tokenise(reference)) >= 2:
            assert bleu_rouge.rouge_n(answer, reference, 2) == pytest.approx(expected["rouge2"].fmeasure, abs=1e-12)
        assert bleu_rouge.rouge_n(answer, reference, 1) == pytest.approx(expected["rouge1"].fmeasure, abs=1e-12)
        assert bleu_rouge.rouge_l(answer, reference) == pytest.approx(expected["rougeL"].fmeasure, abs=1e-12)


@pytest.mark.slow
def test_llamafactory_equals_nltk_and_rouge_chinese() -> None:
    import jieba
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    from rouge_chinese import Rouge

    profile, smooth = profile_of("llamafactory"), SmoothingFunction().method3
    for answer, reference in zip(*texts(200), strict=True):
        expected = sentence_bleu([list(reference)], list(answer), smoothing_function=smooth)
        assert bleu_rouge.sentence_bleu(answer, reference, profile)[3] == pytest.approx(expected, abs=1e-12)
        words = [" ".join(jieba.cut(text)) for text in (answer, reference)]
        if not words[0].split():
            continue
        scores = Rouge().get_scores(*words)[0]
        for found, name in (
            (bleu_rouge.rouge_n(answer, reference, 1, profile), "rouge-1"),
            (bleu_rouge.rouge_n(answer, reference, 2, profile), "rouge-2"),
            (bleu_rouge.rouge_l(answer, reference, profile), "rouge-l"),
        ):
            assert found == pytest.approx(scores[name]["f"], abs=1e-12), (answer, reference)


def test_cmexam_counts_sets_and_leaves_bleu_unsmoothed() -> None:
    char, jieba = profile_of("cmexam-char"), profile_of("cmexam-jieba")
    # by hand: 1-grams 2/4 and brevity 1; an order without a match is 0
    assert bleu_rouge.corpus_bleu(["休息休息"], ["休息"], char, order=1) == pytest.approx(0.5)
    assert bleu_rouge.corpus_bleu(["甲乙丙丁"], ["甲乙丁丙"], char) == 0.0
    assert bleu_rouge.sentence_bleu("甲乙丙丁", "甲乙丁丙", char)[1:] == pytest.approx(((1 / 3) ** 0.5, 0, 0))
    assert bleu_rouge.rouge_n("休息休息休息", "休息", 1, char) == pytest.approx(1.0, abs=1e-7)  # repetition is free
    assert bleu_rouge.rouge_n("休息休息休息", "休息", 1) == pytest.approx(0.5)
    # p = 1, r = 1/2: (1 + 1/4)(1/2) / (1 + 1/8)
    assert bleu_rouge.rouge_l("甲乙", "甲乙丙丁", char) == pytest.approx(0.625 / 1.125)
    one, two = (bleu_rouge.corpus_bleu(["高血压患者多休息"], ["高血压患者休息"], p, order=2) for p in (char, jieba))
    assert one != pytest.approx(two)  # rows of CMExam's table are counted by one or the other
    assert bleu_rouge.rouge_l("高血 压", "高血压", char) == bleu_rouge.rouge_l("高血 压", "高血压", jieba)


def test_distinct_by_hand() -> None:
    assert bleu_rouge.distinct(["多休息", "多休息"], 1) == pytest.approx(3 / 6)
    assert bleu_rouge.distinct(["多休息", "多休息"], 2) == pytest.approx(2 / 4)
    assert bleu_rouge.distinct([], 1) == bleu_rouge.distinct(["痛"], 2) == 0.0


@pytest.mark.parametrize(
    ("answer", "reference", "wrong"),
    [
        ("每次0.5g，每日三次", "每次0.25g，每日三次", ["500mg"]),
        ("每次500毫克", "每次0.5g", []),  # another spelling of the same dose
        ("每次0.25mg", "每次0.25g", ["0.25mg"]),
        ("不超过4g", "每日4g", ["≤4000mg"]),
        ("多休息", "每次0.25g", []),  # nothing said is nothing wrong
        ("0.5g，再0.5g", "0.25g", ["500mg"]),
        ("Take 10 mg daily", "Take 1 mg daily", ["10mg"]),
    ],
)
def test_a_wrong_dose_is_seen_beside_the_score(answer: str, reference: str, wrong: list[str]) -> None:
    found = [f"{q.sign}{q.value:f}{q.unit}" for q in overlap.wrong_numbers(answer, reference)]
    assert found == wrong
    numbers = overlap.measure([answer], [reference], PROFILES["char"])[-1]
    assert (numbers.metric, numbers.value) == ("numbers", float(not wrong))


def test_signatures_tell_profiles_apart_and_name_packages() -> None:
    shown = {name: [one.signature for one in overlap.measure([ZH], [ZH], profile_of(name))] for name in PROFILES}
    flat = [s for name, own in shown.items() for s in own if not s.startswith("metric:numbers")]
    assert len(set(flat)) == len(flat)
    assert "count:set" in shown["llamafactory"][5]
    assert "count:multiset" in shown["char"][5]
    assert "jieba:0.42" in shown["jieba"][0]
    assert "smooth:nltk3" in shown["llamafactory"][0]
    assert shown["llamafactory"][0].endswith("mean:sentences")
    assert "f:beta" in bleu_rouge.signature("rouge-l", PROFILES["cmexam-char"])
    assert "profile" not in bleu_rouge.signature("bleu-4")  # the default's signature stays as it was


def test_an_unknown_profile_and_a_missing_package_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="sacrebleu-zh"):
        profile_of("zh")
    overlap_profiles._jieba_cut.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(MissingExtraError, match=r"huatuo\[overlap\]"):
        profile_of("jieba")


@given(st.text("发热咳嗽ab1 ，.", max_size=30), st.text("发热咳嗽ab1 ，.", min_size=1, max_size=30).filter(str.strip))
def test_all_scores_lie_between_zero_and_one(answer: str, reference: str) -> None:
    for name in ("char", "cmexam-char", "sacrebleu-zh"):
        for one in overlap.measure([answer], [reference], PROFILES[name]):
            assert 0 <= one.value <= 1 + 1e-9, (name, one)


def test_a_file_of_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"predict": "每次0.5g", "label": "每次0.25g"},
        {"answer": "", "reference": "多休息"},
        {"answer": "x", "reference": ""},
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    shown = list(overlap.lines(path, "char"))
    assert shown[0] == "2 answers; left out 1 without a reference"
    assert shown[-1] == "1 numbers in 1 answers are not in the reference"
    assert all("|" in line for line in shown[1:-1])
    for bad in ('{"q": "x"}', "[1]", '{"answer": "x", "reference": ""}'):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(InputError, match=r"next:|no record"):
            list(overlap.lines(path, "char"))
    with pytest.raises(HuatuoError):
        list(overlap.lines(tmp_path / "none.jsonl", "char"))
