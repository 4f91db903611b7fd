import json
import random
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from huatuo.records import Option, Question
from huatuo.text.grams import code_points
from huatuo.text.ngram import BOILERPLATE, CONTAINED, GRAM, ExamIndex, Index, grams
from huatuo.text.zh import tokens

SEED_SETS = Path(__file__).parents[3] / "shared" / "data" / "sft_huatuo_seed"
CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 1500)]


def made(rng, n):
    return "".join(rng.choices(CHARACTERS, k=n))


@pytest.fixture(scope="module")
def bank():
    rng = random.Random(1)
    return [(f"q{i:04}", made(rng, 30)) for i in range(1000)]


@pytest.fixture(scope="module")
def index(bank):
    return Index(bank)


def test_planted_copies_are_exact_and_name_their_question(index, bank):
    rng = random.Random(2)
    texts = [made(rng, 100) + text + made(rng, 100) for _, text in bank]
    for (question_id, _), overlap in zip(bank, index.grade_many(texts), strict=True):
        assert (overlap.grade, overlap.question_id, overlap.share) == ("exact", question_id, 1.0)


def test_clean_texts_have_no_grade(index):
    rng = random.Random(3)
    assert {o.grade for o in index.grade_many([made(rng, 200) for _ in range(2000)])} == {None}


@pytest.mark.parametrize(("kept", "grade"), [(25, "exact"), (18, "likely"), (12, "possible"), (7, None)])
def test_cut_copies_fall_grade_by_grade(index, bank, kept, grade):
    # 30 tokens are 26 grams; the first `kept` tokens are kept - 4 of them
    overlap = index.grade(bank[7][1][:kept])
    assert overlap.grade == grade
    assert overlap.share == pytest.approx((kept - 4) / 26)


def test_punctuation_width_and_case_do_not_hide_a_copy():
    index = Index([("q", "患者，男，65岁。CT示肝硬化，ALT升高，最可能的诊断是什么？")])
    assert index.grade("问：患者男６５岁ｃｔ示肝硬化、alt升高 最可能的诊断是什么").grade == "exact"


def test_boilerplate_does_not_count():
    rng = random.Random(4)
    bank = [(f"q{i}", made(rng, 12) + "下列哪项说法是最不正确的") for i in range(BOILERPLATE + 1)]
    assert Index(bank).grade("请回答下列哪项说法是最不正确的").grade is None
    assert Index(bank[:-1]).grade("请回答下列哪项说法是最不正确的").grade is not None


def test_short_questions_need_the_whole_line_or_sentence():
    index = Index([("q", "黄疸的病因？")])
    assert index.grade("黄疸 的病因").question_id == "q"
    assert index.grade("你好。黄疸的病因？有很多。").grade == "exact"
    assert Index([("q", "黄疸病因")]).grade("新生儿黄疸病因有很多").grade is None


@pytest.mark.parametrize(("size", "grade"), [(4, None), (5, "possible"), (6, "exact"), (7, "exact")])
def test_a_short_question_inside_a_line_is_found_unless_it_is_an_everyday_word(size, grade):
    assert CONTAINED.get(size) == grade
    rng = random.Random(size)
    bank = [(f"q{i:03}", made(rng, size)) for i in range(300)]
    index = Index(bank)
    texts = [made(rng, 40) + text + made(rng, 40) for _, text in bank]
    found = [(overlap.grade, overlap.question_id) for overlap in index.grade_many(texts)]
    assert found == [(grade, question_id if grade else "") for question_id, _ in bank]
    assert {overlap.grade for overlap in index.grade_many([made(rng, 90) for _ in range(1000)])} == {None}


def test_a_short_latin_question_is_found_as_whole_words_only():
    index = Index([("q", "which drug treats acute gout")])
    assert index.grade("Tell me which drug treats acute gout attacks").grade == "possible"
    assert index.grade("Tell me which drug treats acute goutiness").grade is None


def test_questions_with_one_text_are_all_named():
    text = "患者出现心悸气促等症状时应考虑什么病"
    index = Index([(f"q{i:02}", text) for i in reversed(range(12))])
    assert index.grade(text).question_ids == tuple(f"q{i:02}" for i in range(12))
    assert index.grade(text).question_id == "q00"


def choice(number, stem, *options):
    labelled = tuple(Option(label=label, text=text) for label, text in zip("ABCDE", options, strict=False))
    return Question(id=f"q{number:02}", exam="e", kind="single", stem=stem, options=labelled)


def test_of_twelve_questions_with_one_stem_the_one_that_stands_there_comes_first_and_the_others_are_named():
    rng = random.Random(8)
    stem = "下列关于该病的治疗说法错误的一项是"
    bank = [choice(number, stem, *(made(rng, 9) for _ in range(5))) for number in range(12)]
    text = "\n".join([stem, *(option.text for option in bank[7].options)])
    index = ExamIndex(bank)
    assert index.grade(text).question_ids == ("q07",)
    held = {
        question_id for overlap in index.overlaps([text])[0] if overlap.grade for question_id in overlap.question_ids
    }
    assert held == {question.id for question in bank}


def test_options_find_a_question_whose_stem_says_nothing():
    bank = [choice(n, "下列哪项是错误的", f"{n}号药物应当饭后服用为好", f"{n}号检查应当空腹进行为好") for n in range(3)]
    text = "下列哪项是错误的 1号药物应当饭后服用为好 1号检查应当空腹进行为好"
    assert "q01" in ExamIndex(bank).grade(text).question_ids
    assert ExamIndex([]).grade_many([text, ""]) == [Index([]).grade("")] * 2


def test_empty_index_and_empty_texts():
    assert Index([]).grade("什么都没有").grade is None
    assert Index([("q", "")]).grade("").grade is None
    assert Index([("q", "患者出现心悸气促等症状")]).grade_many([]) == []


def naive(question, text):
    cut = [tuple(t[i : i + GRAM]) for t in [tokens(question)] for i in range(len(t) - GRAM + 1)]
    held = {tuple(t[i : i + GRAM]) for t in [tokens(text)] for i in range(len(t) - GRAM + 1)}
    return len(set(cut) & held) / len(set(cut))


@settings(max_examples=150, deadline=None)
@given(st.text("咳嗽发热 ab1，", max_size=60), st.text("咳嗽发热 ab1，", min_size=30, max_size=60))
def test_share_equals_a_plain_count_of_token_tuples(text, question):
    question += "咳嗽发热嗽咳热发"
    assert Index([("q", question)]).grade(text).share == pytest.approx(naive(question, text))


def test_grams_never_cross_texts():
    hashes, _ = grams(["一二三四", "五六七八"])
    assert len(hashes) == 0


def test_many_equals_one_by_one_and_order_does_not_matter(bank):
    rng = random.Random(5)
    texts = [made(rng, 20) + rng.choice(bank)[1][: rng.randrange(31)] for _ in range(300)]
    index = Index(bank)
    assert index.grade_many(texts) == [index.grade(text) for text in texts]
    assert Index(bank[::-1]).grade_many(texts) == index.grade_many(texts)


@pytest.mark.slow
def test_thousands_of_texts_per_second(index):
    rng = random.Random(6)
    texts = [made(rng, 300) for _ in range(4000)]
    began = time.process_time()
    index.grade_many(texts)
    assert time.process_time() - began < 2.0


def test_knowledge_questions_are_not_protected():
    knowledge = Question(
        id="k", exam="probe", kind="knowledge", stem="二甲双胍的适应证有哪些请列出来", gold=("2型糖尿病",)
    )
    assert ExamIndex([knowledge]).grade(knowledge.stem).grade is None
    assert ExamIndex([knowledge.model_copy(update={"kind": "open"})]).grade(knowledge.stem).grade == "exact"


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=4))
@example(["ΑΣ", "e\u0301", "℃①", "ＡＢ", "\ud800x", "\0", "각", "豈", "𝐀"])
def test_folding_equals_that_of_python(texts):
    codes, owner = code_points(texts)
    found = ["".join(map(chr, codes[owner == place])) for place in range(len(texts))]
    assert found == [unicodedata.normalize("NFKC", text).lower() for text in texts]


@pytest.mark.real_data
def test_the_shipped_test_file_of_huatuo_is_in_its_training_file():
    if not SEED_SETS.is_dir():
        pytest.skip(f"{SEED_SETS} is absent")
    read = [
        [json.loads(line) for line in (SEED_SETS / name).read_text(encoding="utf-8").splitlines() if line.strip()]
        for name in ("data_infer.json", "data_llama_data.json")
    ]
    asked = [row["instruction"] for row in read[0]]
    index = Index((str(place), text) for place, text in enumerate(asked))
    overlaps = index.grade_many([f"{row['instruction']}\n{row['output']}" for row in read[1]])
    leaked = {overlap.question_id for overlap in overlaps if overlap.grade == "exact"}
    assert len(asked) == 5
    assert leaked == {"0", "1", "2", "3", "4"}
