import random
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.eval.knowledge import Reader

VALUES = [
    "发热",
    "咳嗽",
    "夜间咳嗽",
    "咳痰",
    "恶心和呕吐",
    "恶心",
    "维生素B12缺乏",
    "乏力",
    "低血糖",
    "肺不张",
    "体重下降",
]
ENTITIES = ["肺结核", "支气管哮喘", "糖尿病", "妊娠期糖尿病", "二甲双胍"]
READER = Reader(VALUES, ENTITIES)
GOLD = ("发热", "咳嗽", "恶心和呕吐")


def exact(text, gold=GOLD, entity="肺结核"):
    return READER.read(text, entity).is_exact(gold)


@pytest.mark.parametrize(
    "text",
    [
        "肺结核的临床症状有发热、咳嗽、恶心和呕吐。",
        "患肺结核时，常见的表现包括咳嗽、发热和恶心和呕吐。",
        "发热、恶心和呕吐、咳嗽都是肺结核可能出现的症状。",
        "发热、咳嗽、恶心和呕吐",
        "发热，咳嗽，恶心和呕吐。",
        "肺结核的症状：\n1. 发热\n2. 咳嗽\n3. 恶心和呕吐",
        "肺结核的症状如下：1、发热；2、咳嗽；3、恶心和呕吐。",
        "- 发热\n- 咳嗽\n- 恶心和呕吐",
        "肺结核主要有发热、咳嗽以及恶心和呕吐等症状。",
        "肺结核的临床症状有发热、咳嗽、恶心和呕吐三种。",
        "肺结核的典型表现是“发热”、“咳嗽”和“恶心和呕吐”。",
        "肺结核的症状有发热、咳嗽、恶心和呕吐，建议及时就医。",
        "肺结核的症状有发热、咳嗽、恶心和呕吐。请遵医嘱。",
        "肺结核的症状有 发热、咳嗽 、恶心和呕吐 。",
        "除主要表现外，肺结核还可以出现发热、咳嗽、恶心和呕吐。",
    ],
)
def test_exact(text):
    assert exact(text), READER.read(text, "肺结核")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("我不知道。", "no known value"),
        ("肺结核的症状有胸闷、气短。", "no known value"),
        ("肺结核的症状有发热、咳嗽。", "missing"),
        ("肺结核的症状有发热、咳嗽、恶心。", "part of a value is another value"),
        ("肺结核的症状有发热、夜间咳嗽、恶心和呕吐。", "longer known value"),
        ("肺结核的症状有发热、剧烈咳嗽、恶心和呕吐。", "longer unknown value"),
        ("肺结核的症状有重度发热、咳嗽、恶心和呕吐。", "longer unknown first value"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐、乏力。", "known value too many"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐、胸闷。", "unknown value too many"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐和胸闷。", "unknown value after 和"),
        ("肺结核的症状有胸闷、发热、咳嗽、恶心和呕吐。", "unknown value first"),
        ("胸闷、发热、咳嗽、恶心和呕吐都是肺结核可能出现的症状。", "unknown value first"),
        ("肺结核的症状有发热，咳嗽，恶心和呕吐，胸闷。", "unknown value after a comma"),
        ("支气管哮喘的症状有发热、咳嗽、恶心和呕吐。", "other entity"),
        ("肺结核没有发热、咳嗽、恶心和呕吐。", "denied"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐、发热、咳嗽、恶心和呕吐、发热", "repeats itself"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐。肺结核的症状有发热、咳嗽、恶心和呕吐。", "repeats itself"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐。还有乏力。", "second list"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐加重。", "value goes on"),
    ],
)
def test_not_exact(text, why):
    reading = READER.read(text, "肺结核")
    assert not reading.is_exact(GOLD), why
    if why in ("empty", "no known value", "other entity", "denied", "repeats itself"):
        assert reading.rule == why


def test_values_keep_the_spelling_of_the_graph():
    reading = READER.read("二甲双胍的不良反应有维生素ｂ12缺乏、低血糖。", "二甲双胍")
    assert reading.values == ("维生素B12缺乏", "低血糖")
    assert reading.is_exact({"低血糖", "维生素B12缺乏"})


def test_an_entity_inside_a_longer_name_is_another_entity():
    assert READER.read("妊娠期糖尿病的症状有发热、咳嗽。", "糖尿病").rule == "other entity"
    assert exact("糖尿病的症状有发热、咳嗽。", ("发热", "咳嗽"), "糖尿病")


def test_an_entity_that_is_also_a_value_is_no_answer():
    assert exact("出现咳嗽时，常伴有发热、乏力。", ("发热", "乏力"), "咳嗽")


def test_precision_recall_f1():
    reading = READER.read("肺结核的症状有发热、乏力、胸闷。", "肺结核")
    assert (reading.values, reading.extra) == (("发热", "乏力"), ("胸闷",))
    assert reading.overlap(GOLD) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert READER.read("", "肺结核").overlap(GOLD) == (0, 0, 0)
    assert READER.read("支气管哮喘有发热。", "肺结核").overlap(GOLD) == (0, 0, 0)


def forms():
    path = resources.files("huatuo") / "prompts" / "phrasings.zh.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return sorted({form for table in data.values() for form in table["answers"] if "{relation}" not in form})


@pytest.mark.parametrize("form", forms())
def test_every_trained_answer_form_is_read(form):
    rng = random.Random(form)
    for _ in range(10):
        gold = rng.sample(VALUES, rng.choice([1, 2, 3, 4]))
        gold = [value for value in gold if not any(value != other and value in other for other in gold)]
        text = form.format(entity="肺结核", values="、".join(gold))
        reading = READER.read(text, "肺结核")
        assert reading.is_exact(gold), (text, reading)
        wrong = form.format(entity="肺结核", values="、".join([*gold, "胸闷气短"]))
        assert not READER.read(wrong, "肺结核").is_exact(gold), wrong
        first = form.format(entity="肺结核", values="、".join(["胸闷气短", *gold]))
        assert not READER.read(first, "肺结核").is_exact(gold), first


@given(st.text("发热咳嗽恶心和呕吐肺结核有是、，。 \n1", max_size=40))
def test_never_raises_and_exact_means_the_values_stand_there(text):
    reading = READER.read(text, "肺结核")
    if reading.is_exact(GOLD):
        assert all(value in text for value in GOLD)


def test_thousands_of_answers_per_second_with_a_large_vocabulary():
    rng = random.Random(1)
    names = ["".join(rng.choices([chr(c) for c in range(0x4E00, 0x4F00)], k=4)) for _ in range(1000)]
    reader = Reader(names, ENTITIES)
    for _ in range(300):
        gold = rng.sample(names, 3)
        assert reader.read("肺结核的症状有" + "、".join(gold) + "。", "肺结核").is_exact(gold)
