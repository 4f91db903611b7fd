import json
import random
import tomllib
from collections import defaultdict
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


INVENTED = [
    "此外还有胡说八道症。",
    "但以上都不对。",
    "以上说法是错误的。",
    "可能胡说八道症。",
    "也可见胡说八道症。",
    "也可见……",
    "需长期隔离。",
    "建议服用胡说八道片。",
    "患者可并发胡说八道症。",
    "严重时会胡说八道。",
    "这些都是胡说八道。",
    "这些都不是该病的症状。",
    "除发热外。",
    "其中发热少见。",
    "胡说八道症请及时就医。",
    "请不要就医。",
    "3",
]


@pytest.mark.parametrize(
    "text", ["肺结核的临床症状有发热、咳嗽、恶心和呕吐", "发热、咳嗽、恶心和呕吐", "1. 发热\n2. 咳嗽\n3. 恶心和呕吐"]
)
@pytest.mark.parametrize("mark", ["。", "，", "\n"])
@pytest.mark.parametrize("reader", [READER, Reader(VALUES, ENTITIES, "临床症状")], ids=["any", "known"])
def test_what_is_said_besides_is_never_exact(text, mark, reader):
    assert reader.read(text, "肺结核").is_exact(GOLD)
    assert [said for said in INVENTED if reader.read(text + mark + said, "肺结核").is_exact(GOLD)] == []


@pytest.mark.parametrize("mark", ["。", "，", "\n", "\n\n"])
@pytest.mark.parametrize(
    "said",
    [
        "建议及时就医。",
        "请遵医嘱。",
        "具体情况请咨询专业医生。",
        "如有不适请及时就医。",
        "以上内容仅供参考。",
        "希望对您有帮助。",
        "以上都是肺结核的常见症状。",
        "这些都是该病的临床表现。",
        "祝您早日康复！",
    ],
)
def test_courtesy_and_advice_add_nothing(said, mark):
    assert exact("肺结核的症状有发热、咳嗽、恶心和呕吐" + mark + said)


@pytest.mark.parametrize(
    "text",
    [
        "您好，该病的症状主要有以下几种：\n\n1. **发热**\n2. **咳嗽**\n3. **恶心和呕吐**\n\n建议及时就医。",
        "## 肺结核的临床症状\n- 发热\n- 咳嗽\n- 恶心和呕吐",
        "常见的有：发热、咳嗽、恶心和呕吐等。",
        "①发热；②咳嗽；③恶心和呕吐",
        "它的表现通常是发热，此外还有咳嗽以及恶心和呕吐。",
        "根据指南，肺结核患者可出现以下症状：（1）发热（2）咳嗽（3）恶心和呕吐".replace("（2）", "；（2）").replace(
            "（3）", "；（3）"
        ),
        "答：发热、咳嗽、恶心和呕吐",
    ],
)
def test_a_models_own_words_are_read(text):
    assert exact(text), READER.read(text, "肺结核")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("冠心病的症状有发热、咳嗽、恶心和呕吐。", "other entity"),
        ("冠心病的症状如下：发热、咳嗽、恶心和呕吐。", "other entity"),
        ("发热、咳嗽、恶心和呕吐都是冠心病的症状。", "other entity"),
        ("缺铁性肺结核的症状有发热、咳嗽、恶心和呕吐。", "other entity"),
        ("肺结核足的症状有发热、咳嗽、恶心和呕吐。", "other entity"),
        ("发热、咳嗽、恶心和呕吐是骨肺结核的症状。", "other entity"),
        ("肺结核与支气管哮喘的症状有发热、咳嗽、恶心和呕吐。", "other entity"),
        ("发热、咳嗽不是肺结核的症状，恶心和呕吐是。", "denied"),
        ("肺结核的症状有发热、咳嗽，没有恶心和呕吐。", "denied"),
        ("肺结核的症状无发热、咳嗽、恶心和呕吐。", "list"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐（少见）。", "list"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐、症状。", "list"),
        ("肺结核的症状有发热、咳嗽、恶心和呕吐、。胸闷", "list"),
    ],
)
def test_another_subject_or_a_denial_is_not_exact(text, rule):
    reading = READER.read(text, "肺结核")
    assert not reading.is_exact(GOLD)
    assert reading.rule == rule, reading


def test_an_alias_is_the_entity():
    reader = Reader(["气胸", "肺不张"], ["支气管哮喘"], "并发症", {"支气管哮喘": ["哮喘"], "冠心病": ["冠状动脉病"]})
    assert reader.read("哮喘的并发症有气胸、肺不张。", "支气管哮喘").is_exact(["气胸", "肺不张"])
    assert reader.read("支气管哮喘的并发症有气胸、肺不张。", "支气管哮喘").is_exact(["气胸", "肺不张"])
    assert reader.read("心源性哮喘的并发症有气胸、肺不张。", "支气管哮喘").rule == "other entity"
    assert reader.read("冠状动脉病的并发症有气胸、肺不张。", "支气管哮喘").rule == "other entity"
    assert Reader(["气胸"], ["支气管哮喘"]).read("哮喘的并发症有气胸。", "支气管哮喘").rule == "other entity"


def test_words_of_another_relation_are_no_frame():
    reader = Reader(["肥胖", "感染"], ["二甲双胍"], "适应证")
    assert reader.read("二甲双胍的适应证有肥胖、感染。", "二甲双胍").is_exact(["肥胖", "感染"])
    for text in [
        "二甲双胍的禁忌有肥胖、感染。",
        "有肥胖、感染情况的，不能使用二甲双胍。",
        "肥胖、感染不宜使用二甲双胍。",
    ]:
        assert not reader.read(text, "二甲双胍").is_exact(["肥胖", "感染"]), text
    forbidden = Reader(["肥胖", "感染"], ["二甲双胍"], "禁忌")
    assert forbidden.read("有肥胖、感染情况的，不能使用二甲双胍。", "二甲双胍").is_exact(["肥胖", "感染"])
    assert forbidden.read("二甲双胍禁用于肥胖、感染者。", "二甲双胍").is_exact(["肥胖", "感染"])


def test_a_relation_of_the_users_own_is_read_by_its_name():
    reader = Reader(["甲区", "乙区"], ["肺结核"], "流行区划")
    assert reader.read("肺结核的流行区划是甲区、乙区。", "肺结核").is_exact(["甲区", "乙区"])
    assert not reader.read("肺结核的首府是甲区、乙区。", "肺结核").is_exact(["甲区", "乙区"])


def test_short_values_are_not_seen_in_frame_words_nor_swallowed_by_them():
    assert (
        Reader(["根", "根茎"], ["人参"], "入药部位")
        .read("根据药典，人参的入药部位是根、根茎。", "人参")
        .is_exact(["根", "根茎"])
    )
    assert Reader(["关节痛"], ["肺结核"]).read("肺结核的症状有关节痛。", "肺结核").is_exact(["关节痛"])


def shipped():
    path = resources.files("huatuo") / "prompts" / "phrasings.zh.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def sample_sets():
    """Values by relation and entity name of the sample graph."""
    found = defaultdict(dict)
    for path in (resources.files("huatuo") / "sample" / "knowledge").iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            for key, value in record.items():
                if isinstance(value, list) and key != "别名":
                    found[key][record["中心词"]] = value
    return found


def readers(sets, name):
    values = {value for right in sets[name].values() for value in right}
    return Reader(values, sets[name], name), Reader(values, sets[name])


SETS = sample_sets()
OWN_WORDS = [
    "{values}",
    "{entity}常见的{relation}主要包括以下几种：\n\n- {lines}\n\n建议及时就医。",
    "根据临床资料，该病的{relation}有{values}等，具体请咨询医生。",
    "以下是{entity}的{relation}：{values}。希望对您有帮助。",
    "{values}。这些都是{entity}的{relation}。",
]


@pytest.mark.slow
def test_every_right_answer_about_the_sample_graph_is_exact():
    phrasings, read = shipped(), 0
    for relation in SETS:
        for reader in readers(SETS, relation):
            for entity, right in SETS[relation].items():
                for form in [*phrasings[relation]["answers"], *OWN_WORDS]:
                    listed = {"values": "、".join(right), "lines": "\n- ".join(right)}
                    text = form.format(entity=entity, relation=relation, **listed)
                    assert reader.read(text, entity).is_exact(right), (text, reader.read(text, entity))
                    read += 1
    assert read == 2 * 8 * sum(len(entities) for entities in SETS.values()) >= 10_000


def corruptions(text, entity, values, others, extra):
    """Wrong answers made from a right one: what was done, and the text."""
    last, bare = values[-1], text.rstrip("。")
    listed = "、".join(values)
    yield "invention after", text + "此外还有胡说八道症。"
    yield "all denied", bare + "，但以上都不对。"
    yield "possible invention", bare + "，可能胡说八道症。"
    yield "also", bare + "，也可见……"
    yield "unknown entity", text.replace(entity, "胡说八道症")
    yield "part of a longer entity", text.replace(entity, "缺铁性" + entity)
    yield "an entity that begins so", text.replace(entity, entity + "足")
    yield "other known entity", text.replace(entity, others)
    yield "known value too many", text.replace(listed, f"{listed}、{extra}")
    yield "unknown value too many", text.replace(listed, f"胡说八道症、{listed}")
    yield "unknown value after 和", text.replace(listed, f"{listed}和胡说八道症")
    yield "swapped value", text.replace(listed, "、".join([*values[:-1], extra]))
    yield "modified value", text.replace(listed, "、".join([*values[:-1], "重度" + last]))
    yield "value with a remark", text.replace(listed, f"{listed}（少见）")
    yield "negated value", text.replace(listed, "、".join([*values[:-1], "没有" + last]))
    yield "denied value", bare + f"，不包括{last}。"
    if len(values) > 1:
        yield "missing value", text.replace(listed, "、".join(values[:-1]))


@pytest.mark.slow
def test_every_corrupted_answer_about_the_sample_graph_is_refused():
    phrasings, refused = shipped(), defaultdict(int)
    for relation, entities in SETS.items():
        known = sorted({value for right in entities.values() for value in right})
        for known_relation, reader in zip((True, False), readers(SETS, relation), strict=True):
            for number, (entity, right) in enumerate(entities.items()):
                text = phrasings[relation]["answers"][number % 3].format(entity=entity, values="、".join(right))
                other = next(name for name in entities if name not in {*known, entity} and entity not in name)
                extra = next(value for value in known[number:] + known if value not in right)
                for name, wrong in corruptions(text, entity, right, other, extra):
                    reading = reader.read(wrong, entity)
                    assert not reading.is_exact(right), (name, known_relation, wrong, reading)
                    subject = name in ("unknown entity", "part of a longer entity", "other known entity")
                    if subject and text.startswith(entity) and not any(entity in value for value in right):
                        assert reading.rule == "other entity", (wrong, reading)
                    refused[name] += 1
    assert len(refused) == 17
    assert min(refused.values()) >= 1000


def forms():
    path = resources.files("huatuo") / "prompts" / "phrasings.zh.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return sorted({form for table in data.values() for form in table["answers"] if "{relation}" not in form})


def test_every_trained_answer_form_is_read():
    assert len(forms()) > 100
    draws = [(form, rng) for form in forms() for rng in [random.Random(form)] for _ in range(10)]
    for form, rng in draws:
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
