"""A study is blind, mixed, balanced and repeatable; what cannot be rated is left out with its reason."""

from __future__ import annotations

import csv
import json
import stat
import zipfile
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from sus_makers import MODELS, PEOPLE, made, source

from huatuo import store as datasets
from huatuo.errors import DataError, InputError
from huatuo.eval.sus import answers, scales, store, study
from huatuo.eval.sus.order import Plan, order, raters
from huatuo.eval.sus.store import blind_id
from huatuo.records import Message, Provenance, Question, Response

QUESTIONS = [f"q{i}" for i in range(300)]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    return folder, *made(folder, 300, PEOPLE[:2], publish=True)


# ---------------------------------------------------------------- scales


@pytest.mark.parametrize("name", ["sus", "cmcoqa", "cmb-clin"])
def test_every_shipped_scale_has_an_anchor_for_every_score_in_both_languages(name):
    scale = scales.load(name)
    assert len(scale.training) == 5
    for dimension in scale.dimensions:
        assert set(dimension.anchors) == set(scale.values)
        assert len({words.zh for words in dimension.anchors.values()}) == len(scale.values)
        assert all(words.en.isascii() and not words.zh.isascii() for words in dimension.anchors.values())
    assert {"sus": (1, 3, 3), "cmcoqa": (0, 3, 3), "cmb-clin": (1, 5, 4)}[name] == (
        scale.values[0], scale.values[-1], len(scale.dimensions),
    )  # fmt: skip


OWN = """
name = "own"
title = { zh = "自定", en = "own" }
source = "us"
values = [0, 1]
guideline = { zh = "评", en = "rate" }
[[dimensions]]
id = "kind"
name = { zh = "友善", en = "Kindness" }
asks = { zh = "友善吗？", en = "Kind?" }
anchors = { 0 = { zh = "否", en = "no" }, 1 = { zh = "是", en = "yes" } }
"""


def test_a_scale_of_ones_own(tmp_path):
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    assert scales.load(str(tmp_path / "own.toml")).dimension("kind").anchors[1].zh == "是"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (', 1 = { zh = "是", en = "yes" }', "", "anchors for \\[0\\]; expected one for each of \\[0, 1\\]"),
        ("values = [0, 1]", "values = [1, 0]", "must rise"),
        ('id = "kind"', 'id = "note"', "none may be answer, id"),
        ('id = "kind"', 'id = "Kind!"', "dimensions.0.id"),
        ('name = "own"', 'nam = "own"', "next: mend the scale"),
        ("values", "values = [", "no readable TOML"),
    ],
)
def test_a_scale_that_is_not_whole_is_refused(tmp_path, old, new, said):
    path = tmp_path / "own.toml"
    path.write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        scales.load(str(path))


def test_an_unknown_scale_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="cmb-clin, cmcoqa, sus"):
        scales.load("likert")


# ---------------------------------------------------------------- order


def test_each_round_has_every_question_once_and_models_equally():
    plan = Plan(PEOPLE, 5, 0.0, 0, 0, 3)
    slots = order(plan, "甲", QUESTIONS, MODELS)
    assert len(slots) == 1200
    for start in range(0, 1200, 300):
        part = slots[start : start + 300]
        assert {slot.question for slot in part} == set(QUESTIONS)
        assert set(Counter(slot.model for slot in part).values()) == {75}
    assert Counter((s.question, s.model) for s in slots).most_common(1)[0][1] == 1


def test_answers_to_one_question_are_half_a_round_apart():
    slots = order(Plan(PEOPLE, 5, 0.0, 0, 0, 3), "乙", QUESTIONS, MODELS)
    last: dict[str, int] = {}
    gaps = []
    for place, slot in enumerate(slots):
        gaps += [place - last[slot.question]] if slot.question in last else []
        last[slot.question] = place
    assert min(gaps) >= 150


def test_duplicates_come_late_and_in_turn_of_the_models():
    slots = order(Plan(PEOPLE, 5, 0.1, 5, 3, 4), "丙", QUESTIONS, MODELS)
    assert [slot.part for slot in slots[:5]] == ["training"] * 5
    first = {(s.question, s.model): i for i, s in enumerate(slots) if s.part == "rating"}
    again = [(i, s) for i, s in enumerate(slots) if s.part == "duplicate"]
    assert len(again) == 120
    assert set(Counter(s.model for _, s in again).values()) == {30}
    assert min(i - first[s.question, s.model] for i, s in again) > 1200 / 6
    attention = [i for i, s in enumerate(slots) if s.part == "attention"]
    assert len(attention) == 3
    assert min(b - a for a, b in pairwise(attention)) > 200


def test_everybody_has_an_order_of_their_own_and_the_seed_repeats_it():
    plan = Plan(PEOPLE, 5, 0.05, 5, 2, 1)
    first, second = (order(plan, name, QUESTIONS, MODELS) for name in ("甲", "乙"))
    assert first != second
    assert first == order(plan, "甲", QUESTIONS, MODELS)
    assert first != order(plan._replace(seed=2), "甲", QUESTIONS, MODELS)


@pytest.mark.parametrize("each", [1, 2, 3, 5])
def test_an_incomplete_design_is_even(each):
    loads = raters(QUESTIONS[:101], PEOPLE, each)
    seen = Counter(question for own in loads.values() for question in own)
    assert set(seen.values()) == {each}
    assert all(len(own) == len(set(own)) for own in loads.values())
    assert max(map(len, loads.values())) - min(map(len, loads.values())) <= 1


# ---------------------------------------------------------------- blindness


def readable(folder: Path) -> dict[str, str]:
    """Everything that annotators get, as text; workbooks are unpacked."""
    found = {}
    for path in (folder / "sheets").iterdir():
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                found |= {f"{path.name}/{name}": book.read(name).decode("utf-8") for name in book.namelist()}
        else:
            found[path.name] = path.read_text(encoding="utf-8")
    return found


def test_nothing_that_annotators_get_names_a_model(large):
    folder, found, _, told = large
    texts = readable(folder)
    assert len([name for name in texts if name.endswith((".csv", ".html"))]) == 4
    secret = next(found._rows("studies"))["secret"]
    ids = [place.item.response_id for place in found.places() if place.item.response_id][::200]
    for name, text in texts.items():
        low = text.lower()
        assert [model for model in MODELS if model.lower() in low or model.split("-")[0].lower() in low] == [], name
        assert secret not in text
        assert not any(one in text for one in ids)
    assert told.masked == 900


def test_names_inside_other_words_and_ordinary_words_stay():
    made_of = [
        answers.Answer("q", "r", "ours", "?", "ours is not GLM2x nor aGLM, but GLM. base model", ("GLM", "model")),
        answers.Answer("q", "s", "base", "?", "华佗再造", ("ab",)),
    ]
    found, count = answers.masked(made_of, ("华佗",), "en")
    assert [a.text for a in found] == ["ours is not GLM2x nor aGLM, but [name of a model]. base model", "华佗再造"]
    assert count == 1


def test_blind_ids_differ_by_annotator_study_and_time_and_hang_on_the_secret(large):
    _, found, _, told = large
    places = found.places()
    assert len({place.blind for place in places}) == len(places) == sum(told.loads.values()) > 2500
    secret = "00" * 32
    ids = {blind_id(secret, s, a, p, "answer 1") for s in "xy" for a in "xy" for p in ("rating", "duplicate")}
    assert len(ids) == 8
    # RFC 2104 over SHA-256, base 32, first ten: recomputed with openssl
    assert blind_id(secret, "study", "甲", "rating", "answer 1") == "r-" + expected_blind()
    assert blind_id("11" * 32, "study", "甲", "rating", "answer 1") != "r-" + expected_blind()


def expected_blind() -> str:
    import base64
    import hashlib

    key = bytes(64)
    text = "study\0甲\0rating\0answer 1".encode()
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + text).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
    return base64.b32encode(outer)[:10].decode().lower()


def test_hidden_items_look_like_any_other(large):
    folder, found, _, _ = large
    with (folder / "sheets" / "甲.csv").open(encoding="utf-8-sig", newline="") as file:
        parts = Counter(row[1] for row in list(csv.reader(file))[1:])
    assert parts == {"练习": 5, "正式": 1200 + 60 + 2}
    page = (folder / "sheets" / "甲.html").read_text(encoding="utf-8")
    assert page.count("<details>") == 5
    assert "attention" not in page
    assert "duplicate" not in page
    values = [json.loads(p.item.expected) for p in found.places() if p.part == "attention" and p.annotator == "甲"]
    assert all(len(set(each.values())) == 1 for each in values)


def test_the_store_is_its_owners_alone(large):
    assert stat.S_IMODE((large[0] / "study.sqlite").stat().st_mode) == 0o600


# ---------------------------------------------------------------- sources


def make(path, folder, people=PEOPLE, each=5, count=0):
    folder.mkdir(exist_ok=True)
    plan = Plan(people, each, 0.0, 0, 0, 1)
    return study.make(path, scales.load("sus"), plan, store.create(folder, "study"), "zh", (), count)


def test_a_question_that_one_model_did_not_answer_is_left_out_for_all(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [{"question": f"问{i}", "model": m, "answer": "答"} for i in range(5) for m in "AB" if (i, m) != (3, "B")]
    lines += [
        {"question": "问0", "model": "A", "answer": "又答"},
        {"question": "问"},
        {"question": "", "model": "A", "answer": ""},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\nnot json\n", encoding="utf-8")
    told = make(path, tmp_path / "s", count=3)
    assert (told.questions, told.models) == (3, ("A", "B"))
    assert Counter(one.rule for one in told.dropped) == {
        "no_answer": 1, "duplicate": 1, "bad_row": 2, "no question": 1, "not drawn": 1,
    }  # fmt: skip
    assert "not answered by B" in next(one.reason for one in told.dropped if one.rule == "no_answer")


def test_the_answers_of_a_run(tmp_path):
    run = tmp_path / "run"
    questions = [Question(id=f"q{i}", exam="e", kind="open", stem=f"问{i}") for i in range(4)]
    with datasets.writing(run / "questions", stage="questions", key="k") as out:
        for question in questions:
            out.write("questions", question)
    with datasets.writing(run / "ask", stage="ask", key="k") as out:
        for question in questions:
            for model in ("base", "ours"):
                failed = (question.id, model) == ("q2", "ours")
                reply = Response(
                    id=f"{question.id} {model}", question_id=question.id, model=model, text="我是Qwen3",
                    messages=(Message(role="user", content=question.stem),), prompt_tokens=1, completion_tokens=1,
                    finish_reason="error" if failed else "refused", provenance=Provenance(by="model", model="Qwen3"),
                )  # fmt: skip
                out.write("responses", reply)
    told = make(run, tmp_path / "s")
    assert (told.questions, told.masked) == (3, 7)
    assert Counter(one.rule for one in told.dropped) == {"error": 1, "no_answer": 1}
    with pytest.raises(DataError, match="no finished stage ask"):
        make(tmp_path, tmp_path / "t")


@pytest.mark.parametrize(
    ("people", "each", "said"),
    [
        (("甲", "甲"), 2, "expected different names"),
        ((), 1, "expected different names"),
        (("甲",), 2, "by 2 of 1 annotators"),
        (("a/b",), 1, "cannot name a file"),
        (("llm:x",), 1, "cannot name a file"),
    ],
)
def test_names_that_cannot_be_are_refused(tmp_path, people, each, said):
    with pytest.raises(InputError, match=said):
        make(source(tmp_path), tmp_path / "s", people, each)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "question,answer\n问,答\n", "no column 'model'"),
        ("a.csv", "question,model,answer\n", "holds no answer"),
        ("a.doc", "x", "expected a run folder, or a file that ends in .csv"),
        ("a.csv", "question,model,answer\n问1,A,答\n问2,B,答\n", "no question was answered by all of A, B"),
    ],
)
def test_sources_that_cannot_be_rated_are_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        make(tmp_path / name, tmp_path / "s")
    assert list((tmp_path / "s").iterdir()) == []  # nothing half made stays


def test_a_study_is_not_made_over(tmp_path):
    path = source(tmp_path, 3)
    make(path, tmp_path / "s")
    with pytest.raises(InputError, match="would lose its ratings"):
        make(path, tmp_path / "s")


def test_models_of_a_question_go_to_the_same_people(tmp_path):
    found, _, _ = made(tmp_path / "s", 20, each=2)
    by_question = defaultdict(lambda: defaultdict(set))
    for place in found.places():
        if place.part == "rating":
            by_question[place.item.question_id][place.item.model].add(place.annotator)
    for models in by_question.values():
        assert len({frozenset(names) for names in models.values()}) == 1
        assert {len(names) for names in models.values()} == {2}


@pytest.mark.parametrize(
    ("model", "text", "left"),
    [
        ("ChatGLM-6B", "我是ChatGLM，由清华大学和智谱AI训练的模型。", "我是［模型名］，由［模型名］训练的模型。"),
        ("HuatuoGPT-II-7B", "我是华佗GPT(HuatuoGPT)。", "我是［模型名］(［模型名］)。"),
        ("GPT-4", "An AI developed by OpenAI (gpt4), I say", "An AI developed by ［模型名］ (［模型名］), I say"),
        ("Qwen2-7B-Instruct", "我是通义千问 Qwen 2.5-7b", "我是［模型名］ ［模型名］"),
        ("LLaMA-7B", "llama 2 70B", "［模型名］"),
        ("m1", "谷丙转氨酶（GPT）40，ALT(GPT) 4", "谷丙转氨酶（GPT）40，ALT(GPT) 4"),
        ("medical-a", "medical advice", "medical advice"),
        ("本草-7B", "《本草纲目》", "《本草纲目》"),
        ("m2", "疫苗由北京生物研究所研制", "疫苗由北京生物研究所研制"),
        ("m3", "A vaccine developed by Pfizer is given twice.", "A vaccine developed by Pfizer is given twice."),
    ],
)
def test_a_model_is_hidden_by_what_it_calls_itself_and_not_only_by_its_file(model: str, text: str, left: str) -> None:
    (found,), _ = answers.masked([answers.Answer("q", "r", model, "?", text)], (), "zh")
    assert found.text == left
